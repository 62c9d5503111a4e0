"""A server for scenarios: an instance made by deploy/demo in a folder of its own, with a build of our choice.

So each run also starts, stops and starts again what an administrator's first command starts.
"""
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

from . import database
from .client import PATIENCE
from .dns import Dns

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DEMO = os.path.join(SOURCE, 'deploy', 'demo')


# The test file of all scanners (https://www.eicar.org/): never in one piece in this tree.
EICAR = b'X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-' + b'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'
# The one of the package clamav-testfiles, in all its containers.
TESTFILE_HDB = 'aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n'
SCANNER_DOUBLE = os.path.join(SOURCE, 'tests', 'lib', 'scanner_double.py')
SCANNER_OFF, SCANNER_DOWN, SCANNER_EMPTY, SCANNER_OLD, SCANNER_UP, SCANNER_ASLEEP = range(6)    # chancery_scanner_condition

# Most scenarios send no file, and starting a scanner costs as much as they do.
LAZY = {'files.scanner_start': 'lazy'}

COMPONENTS = 40     # domains for components that scenarios bring
ACCOUNTS = 8        # that are there from the beginning, u0 for its keys


def take_ports():
    """(port base, reservation): a base whose ports are free, below the range from which the kernel takes ports for outgoing
    connections. A server that is down for a moment must find its ports again, so the base is reserved against other
    runs on this machine by an abstract unix socket, which goes with the process."""
    for _ in range(500):
        base = random.randrange(10000, 32000, 100)
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind('\0chancery-test-%d' % base)
            for offset in (22, 23, 65, 69, 70, 75, 80, 90):
                with socket.socket() as s:
                    s.bind(('0.0.0.0', base + offset))
            return base, reservation
        except OSError:
            reservation.close()
    raise RuntimeError('no free ports')


_ports, _reservations, _ports_lock = [], [], threading.Lock()


def take_port():
    """One for a program that a test starts: from a base that is this process's, as what the kernel names may be another's before the program is there."""
    with _ports_lock:
        while True:
            if not _ports:
                base, reservation = take_ports()
                _reservations.append(reservation)
                _ports.extend(range(base, base + 100))
            port = _ports.pop()
            try:
                socket.create_server(('127.0.0.1', port)).close()
                return port
            except OSError:
                pass


_all = set()    # servers that may be running
_closing = threading.Event()


def remove_all():
    """At the end, or when interrupted while other threads are still at work: nothing starts from here on."""
    _closing.set()
    while _all:
        _all.pop().remove()


class Template:
    """What a first start makes: database, tables, certificates, accounts, some of them for scenarios. Made once, by a server that has been
    stopped; others begin with a copy. It costs as much as most scenarios, and is tried for itself by each server that has no template."""

    def __init__(self, build):
        self.build, self.lock, self.dir = build, threading.Lock(), None

    def copy_to(self, server):
        with self.lock:
            self.dir = self.dir or self._make(server.domain)
        for name in ('pg', 'tls', 'keys', 'ca.pem', 'ca.key', 'accounts') if self.dir else ():
            subprocess.run(['cp', '-a', os.path.join(self.dir, name), server.path(name)], check=True)
        if self.dir:
            server.made, server.users = ACCOUNTS, list(self.users)

    def _make(self, domain):
        made = Server(self.build, dict(LAZY), domain=domain)
        made.start().import_users()
        self.users = made.users
        made.stop()
        # Where the folder could not be entered by those who run things, it has only links.
        return made.dir if not os.path.islink(made.path('pg')) else None


class Server:
    def __init__(self, build, settings=None, domain='chancery.test', reactors=1, batch=8, template=None, folder=None):
        self.build, self.domain, self.template = os.path.abspath(build), domain, template
        self.settings = {'process.reactors': reactors, **(settings or {})}
        self.dir = tempfile.mkdtemp(prefix='chancery-test-', dir=folder)
        # For components that scenarios bring, one each: all with the demo's secret, seen from the folder of the settings.
        self.components = ['push.' + domain] + ['c%d.%s' % (i, domain) for i in range(COMPONENTS)]
        self.settings.setdefault('components.domains', json.dumps(['%s=tls/component.secret' % d for d in self.components]))
        self.spare = self.components[1:]
        # Other domains are where this one says (federation.dns), and nowhere else.
        self.dns = Dns()
        self.settings.setdefault('federation.dns', '127.0.0.1@%d' % self.dns.port)
        if template:
            # Reading all that Debian trusts takes as long as the rest of a start; no public server is asked here.
            self.settings.setdefault('federation.ca_file', self.path('ca.pem'))
        # Short by default, for machines that do nothing else.
        self.settings.setdefault('limits.fetch_seconds_remote', '60')
        os.chmod(self.dir, 0o755)
        # Virus signatures of our own, and the program that scans where it can be exchanged (put_scanner).
        self.virus = self.settings.setdefault('files.signatures', self.path('virus'))
        os.makedirs(self.virus, exist_ok=True)
        self.add_signature('Eicar-Test-Signature', EICAR)
        self.write_signatures('test.hdb', TESTFILE_HDB)
        self.own_scanner = self.settings.get('files.scanner') == 'own'
        if self.own_scanner:
            self.settings['files.scanner'] = self.path('scanner')
            self.put_scanner()
        self.base, self.reservation = take_ports()
        self.lock, self.users = threading.Lock(), []
        self.made, self.batch = 0, batch    # accounts made, and how many at a time
        self.gone = self.down = False
        self.serves = False     # it has been started, and nobody has ended it
        _all.add(self)

    # -- life ----------------------------------------------------------------------------------------------

    def _demo(self, verb, *args):
        env = {k: v for k, v in os.environ.items() if not k.startswith('CHANCERY_DEMO')}
        p = subprocess.run([DEMO, verb, '--dir', self.dir, *args], stdin=subprocess.DEVNULL, env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        if p.returncode:
            raise RuntimeError('deploy/demo %s: %s\n%s' % (verb, p.stdout, self.log()[-3000:]))
        return p.stdout

    def start(self):
        if _closing.is_set():
            raise RuntimeError('interrupted')
        self.down = False
        args = ['--detach', '--build-dir', self.build]
        if not os.path.exists(self.path('demo.conf')):
            if self.template:
                self.template.copy_to(self)
            args += ['--domain', self.domain, '--port-base', str(self.base)]
        if not getattr(self, 'edited', False):
            for k, v in self.settings.items():
                args += ['--set', '%s=%s' % (k, v)]
        self._demo('start', *args)
        with open(self.path('env')) as f:
            self.env = dict(line.rstrip('\n').split('=', 1) for line in f)
        self.port_https = int(self.env['CHANCERY_PORT_HTTPS'])
        self.port_proxy = int(self.env['CHANCERY_PORT_PROXY65'])
        self.port_component = int(self.env['CHANCERY_PORT_COMPONENT'])
        self.port, self.port_tls = int(self.env['CHANCERY_PORT_C2S']), int(self.env['CHANCERY_PORT_C2S_TLS'])
        self.port_s2s, self.port_s2s_tls = int(self.env['CHANCERY_PORT_S2S']), int(self.env['CHANCERY_PORT_S2S_TLS'])
        self.ca, self.pid, self.serves = self.env['CHANCERY_CA'], int(self.env['CHANCERY_PID']), True
        if self.settings.get('files.on') != 'false' and 'files.scanner' not in self.settings and not LAZY.items() <= self.settings.items() and \
                self.has_scanner():
            self.wait_scanner()
        return self

    def stop(self):
        self.serves = False
        self._demo('stop')
        self.down = True

    def restart(self):
        self.stop()
        return self.start()

    def kill(self):
        """kill -9, as a crash; gone when it returns."""
        self.serves = False
        os.kill(self.pid, signal.SIGKILL)
        self.wait_gone()

    def terminate(self):
        self.serves = False
        os.kill(self.pid, signal.SIGTERM)

    def has_crashed(self):
        return self.serves and not self.is_running()

    def is_running(self):
        try:
            with open('/proc/%d/stat' % self.pid) as f:
                return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
        except OSError:
            return False

    def wait_gone(self):
        self.wait(lambda: not self.is_running(), 'the end of chanceryd', 90)

    def wait(self, check, what, timeout=None):
        """Polls what has no event to wait for."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            value = check()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError('waited in vain for ' + what)
            time.sleep(0.02)

    def remove(self):
        """Stops what runs and deletes the folder; after a failure elsewhere, too."""
        if self.gone:
            return
        self.gone = True
        _all.discard(self)
        try:
            if not self.down:
                self.stop()
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            print(e)
        # A server that was killed has left it.
        shutil.rmtree(self.scanner_folder(), ignore_errors=True)
        links = [os.readlink(self.path(n)) for n in os.listdir(self.dir) if os.path.islink(self.path(n))]
        for target in links:
            if os.path.isdir(target):
                shutil.rmtree(target, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.reservation.close()
        self.dns.close()

    def keep(self):
        """It is left as it is."""
        _all.discard(self)

    # -- looking inside ------------------------------------------------------------------------------------

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def scanner_folder(self):
        """Where the scanner unpacks: in memory if there is plenty (files.scanner_folder: auto)."""
        files = os.path.realpath(self.path('files'))
        memory = '/dev/shm/chancery-scan-' + hashlib.sha256(files.encode()).hexdigest()[:16]
        return memory if os.path.isdir(memory) else os.path.join(files, 'scan')

    def log(self):
        try:
            with open(self.path('log', 'chanceryd.log'), errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def sanitizer_reports(self):
        return sanitizer_reports(self.log())

    def psql(self, sql, conninfo=None):
        """Rows as lists of text, as the superuser unless told otherwise. A lone NULL is no row."""
        rows = database.ask(conninfo or self.env['CHANCERY_PG'], sql, 120)
        return rows if rows != [['']] else []

    def value(self, sql):
        rows = self.psql(sql)
        return rows[0][0] if rows else None

    def records(self, where, columns='*'):
        return self.psql('select %s from archive.record where %s order by id' % (columns, where))

    def cli(self, *args, stdin=''):
        p = subprocess.run([os.path.join(self.build, 'bin', 'chancery'), '--config', self.env['CHANCERY_CONFIG'], *args],
                           input=stdin, capture_output=True, text=True, timeout=300)
        return p.returncode, p.stdout, p.stderr

    def metric(self, name, labels=''):
        with urllib.request.urlopen('http://127.0.0.1:%s/metrics' % self.env['CHANCERY_PORT_METRICS'], timeout=PATIENCE) as r:
            text = r.read().decode()
        m = re.search(r'^%s%s (\S+)$' % (re.escape(name), re.escape(labels)), text, re.M)
        return float(m[1]) if m else 0.0

    def component_domain(self):
        """A component's domain that no other scenario uses at the moment."""
        with self.lock:
            return self.spare.pop(0)

    def spare_component(self, domain):
        with self.lock:
            self.spare.append(domain)

    def component_secret(self):
        with open(self.env['CHANCERY_COMPONENT_SECRET']) as f:
            return f.read().strip()

    # -- the scanner of files ------------------------------------------------------------------------------

    def has_scanner(self):
        return os.path.exists(os.path.join(self.build, 'bin', 'chancery-scan'))

    def write_signatures(self, name, text):
        """A file in the folder of signatures, there all at once."""
        path = os.path.join(self.virus, name)
        with open(path + '.new', 'w') as f:
            f.write(text)
        os.rename(path + '.new', path)

    def add_signature(self, name, content):
        """What contains these bytes is infected, as soon as files_status()['generation'] has risen."""
        self.write_signatures(name + '.ndb', '%s:0:*:%s\n' % (name, content.hex()))

    def put_scanner(self, program=None):
        """The program that is started the next time; with @alone(files__scanner='own'). Default: chancery-scan of this build."""
        program = program or os.path.join(self.build, 'bin', 'chancery-scan')
        shutil.copy(program, self.path('scanner.new'))
        os.chmod(self.path('scanner.new'), 0o755)
        os.rename(self.path('scanner.new'), self.path('scanner'))

    def scanner_condition(self):
        return int(self.metric('chancery_scanner_condition'))

    def wait_scanner(self, condition=SCANNER_UP):
        if condition == SCANNER_UP and self.scanner_condition() == SCANNER_ASLEEP:
            self.files_status()     # who asks wakes it
        self.wait(lambda: self.scanner_condition() == condition, 'the scanner in condition %d' % condition, max(PATIENCE, 60))

    def files_status(self):
        """What `chancery files status` says."""
        code, out, err = self.cli('--json', 'files', 'status')
        assert out, (code, err)
        return json.loads(out)

    def scanner_pid(self):
        """Of the master; 0: there is none."""
        return ([p for p in children(self.pid) if self.is_scanner(p)] or [0])[0]

    def is_scanner(self, pid):
        """Not while it still is a copy of the server."""
        try:
            return os.readlink('/proc/%d/exe' % pid) != os.readlink('/proc/%d/exe' % self.pid)
        except OSError:
            return False

    def scanner_pids(self):
        """The master and all below it."""
        found = [self.scanner_pid()] if self.scanner_pid() else []
        for p in found:
            found += children(p)
        return found

    def scanner_workers(self):
        """Those who open files: master, nursery, worker (server/scan)."""
        master = self.scanner_pid()
        return [w for nursery in children(master) for w in children(nursery)] if master else []

    # -- accounts ------------------------------------------------------------------------------------------

    def new_user(self):
        """(name, password) of an account that nobody else uses. Made in batches: each start of the program costs."""
        with self.lock:
            if not self.made:
                self.import_users()
            if not self.users:
                self.copy_users()
            return self.users.pop()

    def import_users(self):
        self.made = ACCOUNTS
        self.add_users([('u%d' % i, 'pw-u') for i in range(ACCOUNTS)])
        self.users = [('u%d' % i, 'pw-u') for i in range(1, ACCOUNTS)][::-1]

    def copy_users(self):
        """Further ones have the keys of u0, whom nobody else uses, either: hashing passwords takes longer than a scenario."""
        names = ['u%d' % i for i in range(self.made, self.made + self.batch)]
        self.made += self.batch
        self.psql("""with a as (insert into chancery.account (bare) values %s returning id),
            m as (insert into chancery.delivery_mark (account, mark)
                select id, greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, (select max(id) from archive.record)) from a)
            insert into chancery.account_key (account, hash, iterations, salt, stored_key, server_key)
                select a.id, k.hash, k.iterations, k.salt, k.stored_key, k.server_key from a, chancery.account_key k
                where k.account = (select id from chancery.account where bare = 'u0@%s')"""
                  % (', '.join("('%s@%s')" % (n, self.domain) for n in names), self.domain))
        self.users = [(n, 'pw-u') for n in names][::-1]

    def add_users(self, users):
        lines = ''.join('%s@%s\t%s\n' % (u, self.domain, p) for u, p in users)
        code, out, err = self.cli('user', 'import', '-', stdin=lines)
        if code:
            raise RuntimeError('chancery user import: %s %s' % (out, err))


def _state(pid):
    """(state, parent) of a process; None when it is gone."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rsplit(')', 1)[1].split()
            return fields[0], int(fields[1])
    except OSError:
        return None


def children(parent):
    return [p for p in map(int, filter(str.isdigit, os.listdir('/proc'))) if (_state(p) or ('', 0))[1] == parent]


def sanitizer_reports(log):
    """The lines from each report's first on."""
    lines, found = log.split('\n'), []
    for i, line in enumerate(lines):
        if re.search(r'ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion.*failed', line):
            found += lines[i:i + 40]
    return found


@contextlib.contextmanager
def stopped(server):
    """PostgreSQL does not answer meanwhile (SIGSTOP)."""
    master = int(server.env['CHANCERY_PG_PID'])
    pids = [master]
    try:
        os.kill(master, signal.SIGSTOP)
        server.wait(lambda: _state(master)[0] in 'Tt', 'PostgreSQL has stopped')
        pids += children(master)    # from now on it makes none, and buries none
        for p in pids[1:]:
            os.kill(p, signal.SIGSTOP)
        server.wait(lambda: all((_state(p) or 'T')[0] in 'TtZX' for p in pids), 'stopped processes')
        yield
    finally:
        for p in pids:
            # The first to go on buries those that a SIGKILL reached meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(p, signal.SIGCONT)

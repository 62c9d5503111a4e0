"""Servers that talk to each other on one machine: Chancery, and Prosody, ejabberd or another Chancery, each with its certificate of one
test authority and its ports on loopback, with a real name server that has their SRV records.

Whatever kind a server is, scenarios get the same of it: domain, rooms (its group chat domain), ca, port, port_tls, new_user(), start(),
stop(), kill(). So chancerytest's clients work with all.
"""
import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'conformance'))
from chancerytest.ca import Authority, Certificate, pin as pin_of  # noqa: E402
from chancerytest.client import Client, PATIENCE  # noqa: E402
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, take_ports  # noqa: E402

S2S, S2S_TLS, C2S, DNS, NOBODY = 69, 70, 22, 53, 99     # from a server's port base


# "Within a second" is a promise of a release build; sanitizers are slow, and say so by a longer patience.
SLOW = 3 if PATIENCE > 20 else 1


class Skip(Exception):
    """Cannot be tried on this machine."""


def need(*programs):
    for p in programs:
        if not find_program(p):
            raise Skip('%s is not installed (Debian: apt-get install %s)' % (p, p.replace('ejabberdctl', 'ejabberd')))


def find_program(name):
    return shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def pin(pem):
    return pin_of(Certificate(pem, None))


def wait_for(check, what, timeout=None):
    """Polls what has no event to wait for."""
    deadline = time.monotonic() + (timeout or 2 * PATIENCE)
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError('waited in vain for ' + what)
        time.sleep(0.05)


def answers(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


class Program:
    """A process in a folder of its own that ends with the test. Its output is in the file `out` there."""

    def __init__(self, world, name):
        self.world, self.name, self.process = world, name, None
        self.dir = tempfile.mkdtemp(prefix='chancery-%s-' % name)
        os.chmod(self.dir, 0o755)
        self.base, self.reservation = take_ports()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)
        return self.path(name)

    def run(self, argv, **env):
        with open(self.path('out'), 'a') as out:
            self.process = subprocess.Popen(argv, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, **env}, start_new_session=True)

    def end(self, number=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self):
        self.end(signal.SIGKILL)

    def remove(self):
        self.end()
        self.reservation.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(self.path('out'), errors='replace') as f:
            return f.read()


class Dnsmasq(Program):
    """SRV records of the servers. Their target is "localhost", whose address everybody knows: ejabberd asks the system for that. There are
    always both kinds, so that nobody remembers that there was none; one leads nowhere."""

    def __init__(self, world):
        need('dnsmasq')
        super().__init__(world, 'dns')
        self.port, self.records = self.base + DNS, {}

    def set(self, domain, port, direct=False):
        both = ('xmpps', 'xmpp') if direct else ('xmpp', 'xmpps')
        self.records[domain] = ''.join('srv-host=_%s-server._tcp.%s,localhost,%d,%d\n' % (kind, domain, p, priority)
                                       for kind, p, priority in zip(both, (port, self.base + NOBODY), (5, 10)))

    def start(self):
        conf = self.write('dnsmasq.conf', ''.join(self.records.values()))
        self.run([find_program('dnsmasq'), '--keep-in-foreground', '--conf-file=' + conf, '--no-resolv', '--no-hosts', '--listen-address=127.0.0.1',
                  '--bind-interfaces', '--port=%d' % self.port, '--user=' + pwd.getpwuid(os.getuid()).pw_name,
                  '--pid-file=' + self.path('pid'), '--local=/test/'])
        wait_for(lambda: answers(self.port), 'dnsmasq')

    def again(self):
        self.end()
        self.start()


class Nsd(Program):
    """The zone test., signed, and the zone loose., which is not. Each server is announced as host.DOMAIN; a record that is changed after it
    was signed is a lie."""

    def __init__(self, world):
        need('nsd', 'dnssec-signzone', 'dnssec-keygen')
        super().__init__(world, 'nsd')
        self.port, self.records, self.lies = self.base + DNS, {}, []
        self.anchors = self.path('anchors')

    def set(self, domain, port, direct=False, tlsa=None, lie=False):
        """`tlsa`: as in a zone file. `lie`: its SRV record was tampered with."""
        self.records[domain] = '_xmpp%s-server._tcp.%s. SRV 0 0 %d host.%s.\nhost.%s. A 127.0.0.1\n' % (
            's' if direct else '', domain, port, domain, domain)
        if tlsa:
            self.records[domain] += '_%d._tcp.host.%s. TLSA %s\n' % (port, domain, tlsa)
        if lie:
            self.lies.append(domain)

    def _zone(self, zone):
        return self.write(zone + '.zone', '$TTL 60\n%s. SOA ns.%s. hostmaster.%s. 1 3600 600 86400 60\n%s. NS ns.%s.\nns.%s. A 127.0.0.1\n' % ((zone,) * 6)
                          + ''.join(r for d, r in sorted(self.records.items()) if d.endswith('.' + zone)))

    def _tool(self, *argv):
        p = subprocess.run([find_program(argv[0]), *argv[1:]], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=60)
        if p.returncode:
            raise RuntimeError('%s: %s' % (argv[0], p.stdout))
        return p.stdout

    def start(self):
        self._zone('test')
        self._zone('loose')
        keys = [self._tool('dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', *flags, 'test').strip() for flags in (['-f', 'KSK'], [])]
        with open(self.path(keys[0] + '.key')) as f:
            self.write('anchors', ''.join(line for line in f if not line.startswith(';')))
        self._tool('dnssec-signzone', '-o', 'test', '-S', '-f', 'test.signed', 'test.zone')
        with open(self.path('test.signed')) as f:
            signed = f.read()
        for d in self.lies:
            signed, n = re.subn(r'(_xmpps?-server\._tcp\.%s\.\s+(?:\d+\s+)?IN SRV\s+)0 0' % re.escape(d), r'\g<1>1 0', signed)
            assert n == 1, (d, signed)
        self.write('test.signed', signed)
        conf = self.write('nsd.conf', """server:
	ip-address: 127.0.0.1
	port: %d
	username: ""
	chroot: ""
	zonesdir: "%s"
	database: ""
	pidfile: "%s"
	xfrdfile: "%s"
	xfrdir: "%s"
	zonelistfile: "%s"
	server-count: 1
remote-control:
	control-enable: no
zone:
	name: test
	zonefile: test.signed
zone:
	name: loose
	zonefile: loose.zone
""" % (self.port, self.dir, self.path('pid'), self.path('xfrd.state'), self.dir, self.path('zone.list')))
        self.run([find_program('nsd'), '-d', '-c', conf])
        wait_for(lambda: self.process.poll() is not None or answers(self.port), 'nsd')
        if self.process.poll() is not None:
            raise RuntimeError('nsd does not start:\n' + self.log())


class Relay:
    """Stands before a port; everything that passes it can be cut off at any moment."""

    def __init__(self, port):
        self.to, self.lock, self.links = port, threading.Lock(), set()
        self.passed = 0         # connections so far
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(('127.0.0.1', self.to), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.passed += 1
                self.links |= {near, far}
            for a, b in ((near, far), (far, near)):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """As if the network were gone: what is under way is lost, both ends get a reset. How many connections that were."""
        with self.lock:
            links, self.links = self.links, set()
        for s in links:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            try:
                s.shutdown(socket.SHUT_RDWR)    # wakes its thread
            except OSError:
                pass
            s.close()
        return len(links) // 2

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()


class Us(Server):
    """Chancery, with the world's authority instead of one of its own."""

    def __init__(self, world, domain, **settings):
        settings = {'federation.dns': '127.0.0.1@%d' % world.dns.port, 'federation.ca_file': world.ca.pem,
                    **{k.replace('__', '.'): v for k, v in settings.items()}}
        super().__init__(world.args.build, settings, domain=domain, reactors=world.args.reactors)
        self.world, self.rooms, self.confirms = world, 'conference.' + domain, 'once'
        shutil.copy(world.ca.pem, self.path('ca.pem'))
        shutil.copy(world.ca.key, self.path('ca.key'))
        for d in domain, self.rooms, 'pubsub.' + domain:
            world.dns.set(d, self.base + S2S)

    def announce(self, direct):
        for d in self.domain, self.rooms, 'pubsub.' + self.domain:
            self.world.dns.set(d, self.base + (S2S_TLS if direct else S2S), direct)

    def federation(self, *args):
        code, out, err = self.cli('federation', *args)
        assert code == 0, 'chancery federation %s: %s%s' % (' '.join(args), out, err)
        return out

    def allow(self, *domains, trust=None, more=()):
        """`trust`: the world's authority unless told otherwise."""
        for d in domains:
            self.federation('allow', d, *(trust or ('--ca', self.world.ca.pem)), *more, '--owner', 'tests@' + self.domain, '--reason', 'a test')

    def deny(self, *domains):
        for d in domains:
            self.federation('deny', d, '--reason', 'a test')

    @contextlib.contextmanager
    def patient(self, how_long):
        """federation.patience is another meanwhile."""
        name, before = self.env['CHANCERY_CONFIG'], self.settings['federation.patience']
        self.edited = True      # deploy/demo keeps what was edited
        self.replace(name, 'patience: ' + before, 'patience: ' + how_long)
        try:
            yield
        finally:
            self.replace(name, 'patience: ' + how_long, 'patience: ' + before)
            self.edited = False

    def replace(self, name, old, new):
        with open(name) as f:
            text = f.read()
        assert text.count(old) == 1, (old, text)
        with open(name, 'w') as f:
            f.write(text.replace(old, new))
        code, out, err = self.cli('config', 'reload')
        assert code == 0, out + err


class Foreign(Program):
    """What Prosody and ejabberd have in common. `confirms`: what it does of XEP-0198 between servers: nothing (None); acknowledgements, so
    that what was lost on the way is sent again ('all'); and resumption, so that little comes twice ('once')."""
    confirms = None

    def __init__(self, world, kind, domain):
        super().__init__(world, kind)
        self.domain, self.rooms, self.ca = domain, 'conference.' + domain, world.ca.pem
        self.port, self.port_tls = self.base + C2S, None
        self.certificate = world.ca.certificate(names='DNS:%s,DNS:%s' % (domain, self.rooms), usage='serverAuth,clientAuth')
        self.made, self.lock = 0, threading.Lock()
        self.announce(False)

    def announce(self, direct):
        for d in self.domain, self.rooms:
            self.world.dns.set(d, self.base + (S2S_TLS if direct else S2S), direct)

    def new_user(self):
        """By in-band registration (XEP-0077)."""
        with self.lock:
            self.made += 1
            name, password = 'f%d' % self.made, 'pw-%d' % self.made
        c = Client(self, name, password).secure()
        r = c.iq('set', "<query xmlns='jabber:iq:register'><username>%s</username><password>%s</password></query>" % (name, password), self.domain)
        assert r.get('type') == 'result', r
        c.cut()
        return name, password

    def up(self):
        for port in (C2S, S2S, S2S_TLS):
            wait_for(lambda: self.process.poll() is not None or answers(self.base + port), '%s at port %d' % (self.name, self.base + port))
        if self.process.poll() is not None:
            raise RuntimeError('%s does not start:\n%s' % (self.name, self.log()[-3000:]))

    def stop(self):
        self.end()


class Prosody(Foreign):
    confirms = 'all'

    def __init__(self, world, domain, more=()):
        """`more`: (domain, certificate) of other domains."""
        need('prosody')
        super().__init__(world, 'prosody', domain)
        self.more = more

    def start(self):
        os.makedirs(self.path('data'), exist_ok=True)
        own = dict(dir=self.dir, base=self.base, c2s=self.port, s2s=self.base + S2S, s2s_tls=self.base + S2S_TLS, dns=self.world.dns.port,
                   pem=self.certificate.pem, key=self.certificate.key, ca=self.ca, domain=self.domain, rooms=self.rooms)
        conf = self.write('prosody.cfg.lua', '''
data_path = "%(dir)s/data"
pidfile = "%(dir)s/prosody.pid"
run_as_root = true
log = { { levels = { min = "debug" }, to = "file", filename = "%(dir)s/prosody.log" } }
interfaces = { "127.0.0.1" }
use_ipv6 = false
c2s_ports = { %(c2s)d }; c2s_direct_tls_ports = {}
s2s_ports = { %(s2s)d }; s2s_direct_tls_ports = { %(s2s_tls)d }
http_ports = {}; https_ports = {}
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true
-- Its own NXDOMAIN for all of .test (RFC 6761) is lifted, and it asks our name server.
unbound = { resolvconf = false; hoststxt = false; forward = "127.0.0.1@%(dns)d";
	options = { ["local-zone:"] = "test. transparent"; ["do-not-query-localhost:"] = "no" } }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "carbons"; "smacks"; "ping"; "register"; "s2s"; "s2s_auth_certs"; "vcard"; "mam";
	"presence"; "message"; "iq"; "offline"; "s2s_bidi" }
modules_disabled = { "s2s_auth_dane_in" }
allow_registration = true
authentication = "internal_hashed"
password_hash = "SHA-256"
storage = "internal"
archive_expires_after = "never"
ssl = { key = "%(key)s"; certificate = "%(pem)s"; cafile = "%(ca)s" }
VirtualHost "%(domain)s"
Component "%(rooms)s" "muc"
''' % own + ''.join('VirtualHost "%s"\nssl = { key = "%s"; certificate = "%s"; cafile = "%s" }\n' % (d, c.key, c.pem, self.ca) for d, c in self.more))
        self.run([find_program('prosody'), '-F', '--config', conf])
        self.up()

    def log(self):
        try:
            with open(self.path('prosody.log'), errors='replace') as f:
                return super().log() + f.read()
        except OSError:
            return super().log()


class Ejabberd(Foreign):
    """Without Erlang's distribution: no epmd is left behind."""

    def __init__(self, world, domain):
        need('ejabberdctl', 'erl')
        super().__init__(world, 'ejabberd', domain)
        self.write('inetrc', '{lookup, [file, dns]}.\n{resolv_conf, ""}.\n{hosts_file, ""}.\n{host, {127,0,0,1}, ["localhost"]}.\n'
                   '{nameserver, {127,0,0,1}, %d}.\n' % world.dns.port)
        with open(self.path('all.pem'), 'w') as f:
            f.write(open(self.certificate.pem).read() + open(self.certificate.key).read())

    def start(self):
        own = dict(dir=self.dir, c2s=self.port, s2s=self.base + S2S, s2s_tls=self.base + S2S_TLS, ca=self.ca, domain=self.domain, rooms=self.rooms)
        self.write('ejabberd.yml', '''
hosts: [%(domain)s]
loglevel: debug
certfiles: [%(dir)s/all.pem]
ca_file: %(ca)s
s2s_cafile: %(ca)s
s2s_use_starttls: required
s2s_max_retry_delay: 1
outgoing_s2s_families: [ipv4]
listen:
  - {port: %(c2s)d, ip: 127.0.0.1, module: ejabberd_c2s, access: all, starttls_required: true}
  - {port: %(s2s)d, ip: 127.0.0.1, module: ejabberd_s2s_in}
  - {port: %(s2s_tls)d, ip: 127.0.0.1, module: ejabberd_s2s_in, tls: true}
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
access_rules: {register: {allow: all}}
registration_timeout: infinity
modules:
  mod_register: {ip_access: all, access: register, password_strength: 0}
  mod_roster: {}
  mod_disco: {}
  mod_ping: {send_pings: false}
  mod_offline: {}
  mod_stream_mgmt: {}
  mod_carboncopy: {}
  mod_vcard: {}
  mod_mam: {default: always}
  mod_muc: {host: %(rooms)s}
''' % own)
        os.makedirs(self.path('log'), exist_ok=True)
        self.run([find_program('erl'), '+K', 'true', '-kernel', 'inetrc', '"%s"' % self.path('inetrc'), '-mnesia', 'dir', '"%s"' % self.path('mnesia'),
                  '-s', 'ejabberd', '-noinput'],
                 EJABBERD_CONFIG_PATH=self.path('ejabberd.yml'), EJABBERD_LOG_PATH=self.path('log', 'ejabberd.log'), ERL_CRASH_DUMP_BYTES='0',
                 ERL_LIBS='/usr/lib/x86_64-linux-gnu', HOME=self.dir)
        self.up()

    def log(self):
        try:
            with open(self.path('log', 'ejabberd.log'), errors='replace') as f:
                return super().log() + f.read()
        except OSError:
            return super().log()


class World:
    """What a scenario gets. `us` and `them`, once made, and people at both."""

    def __init__(self, args, dns=Dnsmasq):
        self.args, self.undo = args, []
        self.ca = Authority('Test CA of the federation')
        self.dns = dns(self)
        self.undo.append(self.dns.remove)
        self.here = self.there = None

    def start(self, us, them):
        """Both, and the name server. `us`, `them`: made by chancery(), foreign()."""
        self.us, self.them = us, them
        self.dns.start()
        both = [threading.Thread(target=s.start) for s in (us, them)]
        for t in both:
            t.start()
        for t in both:
            t.join()
        self.here, self.there = Scenario(us), Scenario(them)
        return self

    def chancery(self, domain, **settings):
        s = Us(self, domain, **settings)
        self.undo.append(s.keep if self.args.keep else s.remove)
        return s

    def foreign(self, kind, domain, **how):
        s = kind(self, domain, **how)
        self.undo.append(s.remove)
        return s

    def leave(self):
        """Nobody is online any more."""
        for s in self.here, self.there:
            if s:
                s.done()
        self.here = self.there = None

    def end(self):
        self.leave()
        while self.undo:
            self.undo.pop()()

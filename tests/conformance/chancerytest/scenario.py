"""Scenarios, what they are given, and how they are run.

A scenario is a function `test_...(t)` in a file test_*.py; the first line of its text says which document and
section it is about. `t` makes users and clients and closes them when the scenario ends. Scenarios share one server
and run several at a time, so each uses accounts of its own. One that needs other settings, or that stops things,
is marked @alone(settings) and has a server to itself.
"""
import importlib.util
import glob
import os
import queue
import socket
import sys
import threading
import time
import traceback

from . import again
from .client import Client
from .component import Component
from .s2s import Partner, Stream
from .server import LAZY, Server, Template


class Skip(Exception):
    """Cannot be tried on this machine."""


def alone(**settings):
    """settings: section__name=value."""
    def mark(f):
        f.alone = {k.replace('__', '.'): v for k, v in settings.items()}
        return f
    return mark


def own_addresses():
    """Loopback addresses that no other run on this machine has meanwhile: some programs listen there at the port that they always have, and two would meet.
    250 at a time are reserved as ports are (server.take_ports). What derives others from them (test_sip.py) keeps their last two numbers."""
    reserved = []
    for network in range(256):
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind('\0chancery-test-127.1.%d' % network)
        except OSError:
            reservation.close()
            continue
        reserved.append(reservation)
        yield from ('127.1.%d.%d' % (network, n) for n in range(2, 252))
    raise RuntimeError('no free addresses')


_addresses, _addresses_lock = own_addresses(), threading.Lock()


class Scenario:
    transport = Client      # what its clients are; over_* in test files say otherwise

    def __init__(self, server):
        self.server, self.clients, self.domains = server, [], []
        # An address of its own: throttling by address must not carry over from one scenario to the next.
        with _addresses_lock:
            self.source = next(_addresses)

    def user(self):
        return self.server.new_user()

    def client(self, user=None, domain=None):
        """Not connected yet. `user`: (name, password), or another client whose account it shares."""
        if isinstance(user, Client):
            user = user.user, user.password
        name, password = user or self.user()
        c = self.transport(self.server, name, password, domain=domain, source=self.source)
        self.clients.append(c)
        return c

    def component(self, domain=None, secret=None):
        """Not connected yet. A component has one stream, so each scenario's has a domain of its own."""
        c = Component(self.server, domain or self.component_domain(), source=self.source, secret=secret)
        self.clients.append(c)
        return c

    def component_domain(self):
        domain = self.server.component_domain()
        self.domains.append(domain)
        return domain

    def s2s(self, domain, certificate=None, to=None):
        """A raw stream of another server's, not connected yet (s2s.py)."""
        s = Stream(self.server, domain, certificate, to=to, source=self.source)
        self.clients.append(s)
        return s

    def partner(self, domain=None, **how):
        """A server of another domain, which is allowed here (s2s.py)."""
        p = Partner(self, domain, **how)
        self.clients.append(p)
        return p

    def stream(self, **tls):
        """A client under TLS that has not authenticated."""
        return self.client().secure(**tls)

    def bound(self, user=None, resource=None, mechanism='SCRAM-SHA-256', direct=False, sm=False, **tls):
        c = self.client(user).authenticated(mechanism, direct=direct, **tls)
        assert c.bind(resource), c.bind_error
        if sm:
            c.enable()
        return c

    def online(self, user=None, resource=None, priority=None, **kw):
        return self.bound(user, resource, **kw).online(priority)

    def friends(self, a=None, b=None, **kw):
        """Two clients online, each subscribed to the other (RFC 6121 §3.1)."""
        a, b = a or self.online(**kw), b or self.online(**kw)
        for x, y in ((a, b), (b, a)):
            x.roster()
            x.presence('subscribe', to=y.bare)
            y.expect_presence('subscribe', x.bare)
            y.presence('subscribed', to=x.bare)
            x.expect_presence('subscribed', y.bare)
            x.expect_presence(None, y.jid)
        for x, y in ((a, b), (b, a)):
            while x.expect_push(y.bare).get('subscription') != 'both':
                pass
        for x in (a, b):
            x.heard.clear()
        return a, b

    def done(self):
        for c in self.clients:
            c.close()
        for domain in self.domains:
            self.server.spare_component(domain)


def discover(folder, pattern):
    found = []
    for path in sorted(glob.glob(os.path.join(folder, 'test_*.py'))):
        name = os.path.splitext(os.path.basename(path))[0]
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for key, f in vars(module).items():
            if key.startswith('test_') and callable(f) and f.__module__ == name:
                full = '%s.%s' % (name[5:], key[5:])
                if not pattern or pattern.search(full) or pattern.search(f.__doc__ or ''):
                    found.append((full, f))
    return found


def memory():
    """Where a server's files are when it lives for one scenario: in memory, where there is room for some."""
    try:
        fs = os.statvfs('/dev/shm')
    except OSError:
        return None
    return '/dev/shm' if fs.f_bavail * fs.f_frsize > 2 << 30 and os.access('/dev/shm', os.W_OK) else None


class Runner:
    def __init__(self, build, reactors, threads, keep, quiet=False):
        self.build, self.reactors, self.threads, self.keep = build, reactors, threads, keep
        self.quiet = quiet      # no line for what passes
        self.template = Template(build)
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = 0
        self.troubles = []      # what was printed about failures: said again at the end, where it is looked for
        self.fallen = {}        # scenarios that failed, and may be tried again

    def say(self, text, trouble=False):
        """Indents what follows the first line. With the lock held."""
        text = text.rstrip().replace('\n', '\n     ')
        print(text, flush=True)
        if trouble:
            self.troubles.append(text)

    def report(self, verdict, name, f, seconds, detail='', repeat=True):
        about = (f.__doc__ or '').strip().split('\n')[0]
        with self.lock:
            if verdict == 'ok':
                self.passed += 1
            elif verdict == 'skip':
                self.skipped += 1
            else:
                self.failed += 1
            if verdict != 'ok' or not self.quiet:
                self.say('%-4s %s: %s (%.1f s)\n%s' % (verdict, name, about, seconds, detail),
                         repeat and verdict == 'FAIL')

    def run_one(self, name, f, server):
        t, began, broken = Scenario(server), time.monotonic(), False
        try:
            f(t)
            verdict, detail = 'ok', ''
        except Skip as e:
            verdict, detail = 'skip', str(e)
        except Exception as e:
            verdict, detail, broken = 'FAIL', traceback.format_exc(limit=-4), isinstance(e, again.Broken)
        try:
            t.done()
        except Exception as e:
            verdict, detail, broken = 'FAIL', detail + traceback.format_exc(limit=-4), broken or isinstance(e, again.Broken)
        if verdict == 'FAIL' and not broken:
            self.fallen[name] = f
        self.report(verdict, name, f, time.monotonic() - began, detail)
        return verdict

    def run_alone(self, name, f):
        settings = getattr(f, 'alone', {})
        if 'files.scanner' not in settings:
            settings = {**LAZY, **settings}
        server = Server(self.build, settings, reactors=self.reactors, template=self.template, folder=memory())
        try:
            server.start()
        except Exception:
            self.report('FAIL', name, f, 0, traceback.format_exc(limit=-2))
            server.remove()
            return
        verdict = self.run_one(name, f, server)
        self.finish(server, name, verdict == 'FAIL')

    def finish(self, server, name, failed):
        """The server's own opinion: it must not have crashed, leaked or raced."""
        if failed and self.keep:
            server.keep()
            print('     kept for you: %s' % server.dir, flush=True)
            return
        log, reports = server.log(), ['chanceryd is gone, and nobody has ended it'] if failed and server.has_crashed() else []
        try:
            server.stop()
        except Exception as e:
            with self.lock:
                self.failed += 1
                self.say('FAIL %s: it does not stop\n%s' % (name, e), True)
            failed = True
        reports += server.sanitizer_reports()
        if reports:
            with self.lock:
                self.failed += 1
                self.say('FAIL %s: the server\'s log has\n%s' % (name, '\n'.join(reports[:120])), True)
        if reports or failed:
            lines = [x for x in log.split('\n') if ' audit action=user.import ' not in x]
            with self.lock:
                self.say('     end of the log of %s:\n  %s' % (name, '\n  '.join(lines[-15:])), True)
            if self.keep:
                server.keep()
                print('     kept for you: %s' % server.dir, flush=True)
                return
        server.remove()

    def each(self, scenarios, threads, run):
        """run(name, function) for all, several at a time."""
        work = queue.SimpleQueue()
        for s in scenarios:
            work.put(s)

        def worker():
            while True:
                try:
                    name, f = work.get_nowait()
                except queue.Empty:
                    return
                run(name, f)
        pool = [threading.Thread(target=worker, daemon=True) for _ in range(threads)]
        for th in pool:
            th.start()
        for th in pool:
            th.join()

    def run_shared(self, scenarios):
        server = Server(self.build, {**LAZY, 'stream.resume': '60s'}, reactors=self.reactors, batch=40)
        try:
            server.start()
        except Exception:
            server.remove()
            raise
        before = self.failed

        def run(name, f):
            if server.is_running():
                self.run_one(name, f, server)
            else:
                self.report('FAIL', name, f, 0, 'the server is gone', repeat=False)
        self.each(scenarios, self.threads, run)
        self.finish(server, 'the shared server', self.failed > before)

    def passes(self, name):
        """Once more, with a server to itself."""
        runner = Runner(self.build, self.reactors, 1, False)
        runner.run_alone(name, self.fallen[name])
        return runner.passed == 1 and not runner.failed

    def run(self, scenarios):
        shared = [s for s in scenarios if not hasattr(s[1], 'alone')]
        if shared:
            self.run_shared(shared)
        # Starting a server is mostly waiting, and so is what is tried there: by the clock two cores are a third idle with three at a time.
        self.each([s for s in scenarios if hasattr(s[1], 'alone')], min(self.threads, 4), self.run_alone)
        unstable = again.unstable(self.fallen, self.failed, self.passes)
        self.failed -= len(unstable)
        if self.troubles:
            print('\nWhat failed:\n' + '\n'.join(self.troubles))
        again.tell(unstable, ' (%d reactors)' % self.reactors)
        print('%d passed, %d failed, %d unstable, %d skipped (%d reactors)'
              % (self.passed, self.failed, len(unstable), self.skipped, self.reactors))
        return 1 if self.failed or not self.passed else 0

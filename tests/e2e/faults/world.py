"""A server under load, and ways to hurt what it stands on."""
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), 'conformance'))
from chancerytest.again import Broken  # noqa: E402
from chancerytest.client import PATIENCE  # noqa: E402
from chancerytest.server import Server  # noqa: E402
from checker import Checker, Log  # noqa: E402

# "Within 1 s", "within 5 s" are promises of a release build; sanitizers are slow, and say so by a longer patience.
SLOW = 3 if PATIENCE > 20 else 1


class Skip(Exception):
    """Cannot be tried on this machine."""


class Lines:
    """What a program writes, a line at a time, without blocking for ever."""

    def __init__(self, stream):
        self.queue = queue.Queue()
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.queue.put(line.rstrip('\n'))
        self.queue.put(None)

    def next(self, timeout):
        try:
            line = self.queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError('a helper program does not answer') from None
        if line is None:
            raise AssertionError('a helper program has ended')
        return line


class Load:
    """The program load, at work."""

    def __init__(self, args, server, rate=0, pairs=8, window=8, run='k'):
        self.server, self.pairs, self.run = server, pairs, run
        server.add_users([('%s%d' % (r, i), 'pw-%s%d' % (r, i)) for r in 'sr' for i in range(pairs)])
        path = server.path('load-%s.log' % run)
        open(path, 'w').close()
        self.process = subprocess.Popen(
            [args.load, '--port', str(server.port_tls), '--domain', server.domain, '--ca', server.ca, '--log', path,
             '--pairs', str(pairs), '--window', str(window), '--rate', str(rate), '--run', run],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = Lines(self.process.stdout)
        self.log = Log(path)

    def say(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()

    def status(self):
        self.say('status')
        return {k: int(v) for k, v in (w.split('=') for w in self.lines.next(30).split())}

    def events(self):
        """The log, as it is now."""
        self.status()
        return self.log.read()

    def progress(self, n=50, timeout=None):
        """Until n more messages have been acknowledged."""
        goal = self.status()['acked'] + n
        self.server.wait(lambda: self.status()['acked'] >= goal, '%d more acknowledgements' % n, timeout)

    def settle(self, timeout=60):
        """No new messages; until all are acknowledged and what is to come has come."""
        self.say('pause')
        deadline = time.monotonic() + timeout * SLOW
        while (s := self.status())['waiting'] or s['ready'] != 2 * self.pairs:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        checker = Checker(self.server, self.log, self.run)
        while (left := checker.undelivered()) and time.monotonic() < deadline:
            time.sleep(0.3)
            self.status()
        return '%s; %d still to come' % (s, len(left)) if s['waiting'] or left else None

    def verify(self, repeated=True):
        """Settles and checks all promises. The checker, for counts."""
        late = self.settle()
        checker = Checker(self.server, self.log, self.run)
        faults = checker.check(repeated) + self.server.sanitizer_reports()
        print('    ' + checker.summary(), flush=True)
        if faults:
            raise Broken('\n'.join(faults + ['did not come to rest: ' + late] * bool(late)))
        assert not late, 'did not come to rest: ' + late
        return checker

    def end(self):
        try:
            self.say('quit')
            self.process.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


class World:
    """What a scenario gets: makes servers and loads, and takes them away again."""

    def __init__(self, args):
        self.args, self.undo, self.servers = args, [], []

    def server(self, **settings):
        settings = {k.replace('__', '.'): v for k, v in settings.items()}
        s = Server(self.args.build, {'auth.plain': 'true', **settings}, reactors=self.args.reactors)
        self.undo.append(s.keep if self.args.keep else s.remove)
        self.servers.append(s)
        if self.args.keep:
            print('    kept in ' + s.dir)
        return s.start()

    def troubles(self):
        """What a server itself has to say."""
        return [x for s in self.servers for x in s.sanitizer_reports() + ['chanceryd is gone, and nobody has ended it'] * s.has_crashed()]

    def load(self, server, **kw):
        load = Load(self.args, server, **kw)
        self.undo.append(load.end)
        return load

    def cast(self, server, **kw):
        from cast import Cast       # which needs this file
        cast = Cast(server, **kw)
        self.undo.append(cast.end)
        return cast

    def end(self):
        while self.undo:
            self.undo.pop()()


def stayed(server, pid):
    if server.pid != pid or not server.is_running():
        raise Broken('chanceryd was restarted')


# -- PostgreSQL ----------------------------------------------------------------------------------------------

def postgres(server):
    """Its processes, the postmaster first."""
    with open(server.path('pg', 'postmaster.pid')) as f:
        master = int(f.readline())
    found = [master]
    for p in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % p) as f:
                if int(f.read().rsplit(')', 1)[1].split()[1]) == master:
                    found.append(int(p))
        except OSError:
            pass
    return found


def signal_all(pids, number):
    for p in pids:
        try:
            os.kill(p, number)
        except ProcessLookupError:
            pass


def freeze(server):
    """SIGSTOP to all of it, what is being forked meanwhile included. Gives what thaw needs."""
    stopped = []
    while new := [p for p in postgres(server) if p not in stopped]:
        signal_all(new, signal.SIGSTOP)
        stopped += new
    return stopped


def thaw(pids):
    signal_all(pids, signal.SIGCONT)


def is_up(server):
    try:
        server.psql('select 1')
        return True
    except (RuntimeError, subprocess.TimeoutExpired):
        return False


def when_up(server, timeout=120):
    """Waits until PostgreSQL answers; the time of that."""
    server.wait(lambda: is_up(server), 'PostgreSQL', timeout)
    return time.monotonic()


def restart_postgres(server):
    """By an administrator's hand, chanceryd left alone. The time at which it answered."""
    up = []
    watch = threading.Thread(target=lambda: up.append(when_up(server)))
    watch.start()
    server.start()
    watch.join()
    return up[0]


def recovers(load, since, what, within=5):
    """The first acknowledgement behind `since` comes in time, and not for an error."""
    def first():
        log = load.events()
        times = [t for m, t in log.acked.items() if t > since and m not in log.errors]
        return min(times) - since if times else None
    try:
        took = load.server.wait(first, 'recovery after ' + what, 60)
    except AssertionError as e:
        raise AssertionError('%s: %s' % (e, load.status())) from None
    print('    recovered %.1f s after %s' % (took, what), flush=True)
    assert took <= within * SLOW, 'recovery took %.1f s' % took
    return took


def server_account():
    return 'chancery' if os.geteuid() == 0 else None


def own_folder(server, *names):
    """A folder in the instance that chanceryd's account may write to."""
    path = os.path.join(os.path.realpath(server.path('run')), *names)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    if server_account():
        shutil.chown(path, server_account())
    return path

"""What happens to the scanner. Each function gets a world (world.py), which has checked its promises when the next begins. The first line of a
function's text says what it is about."""
import os
import random
import signal
import threading
import time

from chancerytest.again import Broken
from chancerytest.client import PATIENCE
from chancerytest.scenario import Skip
from chancerytest.server import EICAR, SCANNER_DOUBLE, SCANNER_DOWN, SCANNER_EMPTY, SCANNER_UP
from world import SLOW, Refused

NEW = b'this was harmless until today'


def workers_killed(w):
    """kill -9 of workers, again and again while files come: each costs the file it had, and no more"""
    until = threading.Event()
    end = w.senders(6, until)
    master, killed = w.server.scanner_pid(), 0
    while killed < 15:
        below = w.server.scanner_workers()
        if below:
            try:
                os.kill(random.choice(below), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    taken, refused = end()
    assert taken > 0 and refused > 0, (taken, refused)
    assert w.server.scanner_pid() == master, 'the master was replaced'
    assert w.server.files_status()['workers_lost'] > 0


def master_killed(w):
    """kill -9 of the scanner while files come: it comes back, and what it had is refused"""
    until = threading.Event()
    end = w.senders(6, until)
    for _ in range(4):
        w.server.wait(lambda: w.server.scanner_condition() == SCANNER_UP and w.server.scanner_pid(), 'the scanner')
        pid = w.server.scanner_pid()
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        w.server.wait(lambda: w.server.scanner_pid() != pid, 'its end')
    taken, refused = end()
    assert taken > 0 and refused > 0, (taken, refused)


def workers_stopped(w):
    """SIGSTOP of all workers: files are refused in time, and others take their places"""
    for p in w.server.scanner_workers():
        os.kill(p, signal.SIGSTOP)
    begin = time.monotonic()
    refused = w.is_refused(b'nobody looks at this')
    assert time.monotonic() - begin < 20 * SLOW, refused
    w.server.wait(lambda: sends(w), 'a file that passes', 60 * SLOW)


def sends(w):
    try:
        return w.send(b'does it pass?')
    except Refused:
        return None


def master_stopped(w):
    """SIGSTOP of the scanner: a file is refused in time, it is ended, and another one started"""
    pid = w.server.scanner_pid()
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    refused = w.is_refused(b'nobody answers')
    assert time.monotonic() - begin < 20 * SLOW, refused
    w.server.wait(lambda: w.server.scanner_pid() not in (0, pid), 'another scanner')


def silent(w):
    """SIGSTOP of the scanner while no file comes: after half a minute it is known to be dead"""
    pid = w.server.scanner_pid()
    os.kill(pid, signal.SIGSTOP)
    w.server.wait(lambda: w.server.scanner_pid() not in (0, pid), 'another scanner', 60 * SLOW)


def nonsense(w):
    """A scanner that says what makes no sense: none of it lets a file pass, and each time it is started anew"""
    w.mode('good')
    w.restart_scanner(SCANNER_DOUBLE)
    w.server.wait_scanner()
    assert w.send(b'clean')     # as this one has it
    for words in 'garbage', 'unsigned', 'die', 'error x', 'unscannable y', 'infected Z':
        w.is_refused(words.encode())
        w.server.wait_scanner()
    w.restart_scanner()


def missing(w):
    """The program is gone: files are refused in words, messages go on; it comes back, and so do files"""
    os.remove(w.server.path('scanner'))
    os.kill(w.server.scanner_pid(), signal.SIGKILL)
    w.server.wait_scanner(SCANNER_DOWN)
    try:
        w.slot(10)
        raise Broken('P5: a slot without a scanner')
    except Refused as e:
        assert 'scanner' in str(e), e
    assert not w.server.files_status()['open']
    w.server.put_scanner()
    w.server.wait_scanner()


def broken_signatures(w):
    """A set that cannot be loaded leaves the one before in force; without any, no file passes; new ones come into force by themselves"""
    s = w.server
    before = w.generation()
    s.write_signatures('bad.ndb', 'this is:no signature\n')
    s.wait(lambda: s.files_status()['trouble'], 'that they could not be loaded')
    w.infected_is_refused()
    assert w.send(b'still scanned') and w.generation() == before
    # A scanner that is started with these has none.
    os.kill(s.scanner_pid(), signal.SIGKILL)
    s.wait_scanner(SCANNER_EMPTY)
    assert 'signatures' in str(refusal(lambda: w.slot(10)))
    os.remove(os.path.join(s.virus, 'bad.ndb'))
    s.wait_scanner(SCANNER_UP)
    before = w.generation()
    address = w.send(NEW, 'new.txt')
    s.add_signature('New', NEW)
    s.wait(lambda: w.generation() > before, 'new signatures')
    w.is_refused(NEW + b' in another file')
    w.taken = [t for t in w.taken if t[0] != address]       # it may be withdrawn, now or later
    os.remove(os.path.join(s.virus, 'New.ndb'))


def refusal(f):
    try:
        f()
    except Refused as e:
        return e
    raise Broken('P5: not refused')


def disk_full(w):
    """The disk is full: files are refused in words, messages go on; there is room again as soon as there is"""
    if not w.mounted:
        raise Skip('no file system can be mounted here')
    ballast = os.path.join(w.disk, 'ballast')
    with open(ballast, 'wb', buffering=0) as f:
        try:
            while True:
                f.write(b'x' * 65536)
        except OSError:
            pass
    for size in 100, 300000, 3000000:
        assert w.is_refused(b'x' * size).status in (0, -1, 413, 500, 503, 507)
    os.remove(ballast)
    assert w.send(b'x' * 3000000)


def killed_before_201(w):
    """kill -9 of the server while a file is being scanned: it is not there afterwards, nor is anything of it"""
    s = w.server
    w.mode('good')
    w.restart_scanner(SCANNER_DOUBLE)
    s.wait_scanner()
    w.talk.end()
    done = threading.Event()
    said = []

    def put():
        said.append(refusal(lambda: w.send(b'hang until the end')))
        done.set()
    threading.Thread(target=put, daemon=True).start()
    s.wait(lambda: s.metric('chancery_scans_under_way') == 1, 'the scan')
    below = s.scanner_pids()
    s.kill()
    assert done.wait(PATIENCE) and said[0].status == -1, said
    s.wait(lambda: not any(os.path.exists('/proc/%d' % p) and s.is_scanner(p) for p in below), 'the end of the scanner')
    s.put_scanner()
    s.start()
    w.restarted()


# Each end of the scanner within ten seconds of its start makes the next pause twice as long: those that end it often come before those that
# take long anyway.
ALL = [workers_killed, workers_stopped, master_stopped, missing, broken_signatures, disk_full, master_killed, silent, killed_before_201, nonsense]

#!/usr/bin/env python3
"""Does a message wait while files are scanned? (issue 6)

    tests/bench/scan.py [--build-dir build] [--repeat 3] [--reactors 1] [--again]

`paced` of tests/bench/run (200 sessions, 500 messages a second), by turns without files and while the two workers of the scanner are never idle:
people upload small archives that take long to scan. Prints p50 and p99 of both, and how busy the workers were. With --again there is a third turn: the
archives are in the vault, and are scanned again, one after the other, because signatures change. Nothing is uploaded, so what it costs is the scanner's alone.
"""
import argparse
import glob
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'e2e', 'files'), os.path.join(HERE, '..', 'conformance')]
sys.dont_write_bytecode = True
from chancerytest.server import remove_all  # noqa: E402
from world import Refused, World  # noqa: E402

FILES, UNPACKED = 60, 12 << 20


def archives():
    """Small to send, long to scan, each different."""
    words = ['%x' % random.getrandbits(random.randrange(4, 40)) for _ in range(5000)]
    text = ' '.join(random.choice(words) for _ in range(5000)).encode()[:16 << 10] * 16
    out = []
    for i in range(FILES):
        b = io.BytesIO()
        with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as z:
            for k in range(UNPACKED // len(text)):
                z.writestr('%d-%d.txt' % (i, k), b'%d %d ' % (i, k) + text)
        out.append(b.getvalue())
    return out


def busy_seconds(server):
    """Of processors, by all workers so far."""
    total = 0
    for p in server.scanner_workers():
        try:
            with open('/proc/%d/stat' % p) as f:
                fields = f.read().rsplit(')', 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        except OSError:
            pass
    return total


def change_signatures(world):
    """What has been scanned once is known until there are other signatures."""
    before = world.generation()
    world.server.add_signature('Round-%d' % random.getrandbits(30), os.urandom(20))
    world.server.wait(lambda: world.generation() > before, 'new signatures')


class Senders:
    """Twice as many people as workers, so that these always have something to do."""

    def __init__(self, world, files, n):
        self.over, self.count, self.refused = threading.Event(), 0, 0
        change_signatures(world)
        self.todo = iter(random.sample(files, len(files)))
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(world, world.people.online()), daemon=True) for _ in range(n)]
        for t in self.threads:
            t.start()

    def work(self, world, client):
        while not self.over.is_set():
            with self.lock:
                content = next(self.todo, None)
            if content is None:
                return
            try:
                world.send(content, 'a.zip', client=client)
                self.count += 1
            except Refused as e:
                self.refused += 1
                print(e)

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()


def rescanned(world):
    return world.server.metric('chancery_files_rescanned_total')


def wait_idle(world):
    """What a change of signatures has begun is over, too."""
    seen, since = rescanned(world), time.monotonic()
    while time.monotonic() < since + 3:
        time.sleep(0.2)
        if rescanned(world) != seen:
            seen, since = rescanned(world), time.monotonic()


class Rescans:
    """What is kept, scanned again and again."""

    def __init__(self, world):
        self.world, self.over, self.refused = world, threading.Event(), 0
        self.begin = self.scanned()
        change_signatures(world)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def scanned(self):
        return rescanned(self.world)

    def work(self):
        changed = self.begin
        while not self.over.wait(0.2):
            if self.scanned() >= changed + FILES:
                changed = self.scanned()
                change_signatures(self.world)

    @property
    def count(self):
        return int(self.scanned() - self.begin)

    def end(self):
        self.over.set()
        self.thread.join()


def turn(world, o, program, kind):
    """(p50, p99) while files are scanned, or none are."""
    s = world.server
    wait_idle(world)
    files = Senders(world, world.archives, 4) if kind == 'scanning' else Rescans(world) if kind == 'again' else None
    cpu, begin = busy_seconds(s), time.monotonic()
    out = subprocess.run([program, 'paced', '--port', str(s.port), '--ca', s.ca, '--domain', s.domain, '--pid', str(s.pid), '--pg-pid',
                          s.env['CHANCERY_PG_PID'], '--prefix', 'b', '--sessions', '200', '--rate', '500', '--size', '200', '--warmup', '2',
                          '--seconds', str(o.seconds)], check=True, stdout=subprocess.PIPE, text=True).stdout
    values = dict(line.split() for line in out.splitlines() if len(line.split()) == 2)
    busy = (busy_seconds(s) - cpu) / (time.monotonic() - begin)
    if files:
        files.end()
    print('%-8s p50 %s ms, p99 %s ms, workers %.2f processors%s' % (kind, values['message_p50_ms'], values['message_p99_ms'], busy,
          ', %d files, %d refused' % (files.count, files.refused) if files else ''), flush=True)
    return float(values['message_p50_ms']), float(values['message_p99_ms'])


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build-dir', default='build')
    a.add_argument('--repeat', type=int, default=3)
    a.add_argument('--reactors', type=int, default=1)
    a.add_argument('--seconds', type=int, default=10)
    a.add_argument('--again', action='store_true')
    o = a.parse_args()
    kinds = ['without', 'scanning'] + ['again'] * o.again
    program = os.path.join(tempfile.mkdtemp(), 'bench')
    subprocess.run(['cc', '-std=gnu11', '-D_GNU_SOURCE', '-O2', '-o', program, *glob.glob(os.path.join(HERE, '*.c')), '-lssl', '-lcrypto', '-lm'], check=True)
    world = World(o.build_dir, o.reactors, scan_seconds=60, disk_mb=2048, more={'limits.rescans_per_minute': 100000 if o.again else 600})
    s = world.server
    try:
        world.taken, world.refused, world.lock = [], [], threading.Lock()
        s.add_users([('b%d' % i, 'pw') for i in range(200)])
        s.wait_scanner()
        world.archives = archives()
        print('%d archives of about %d KB, %d MB unpacked' % (FILES, len(world.archives[0]) >> 10, UNPACKED >> 20))
        if o.again:
            client = world.people.online()
            for content in world.archives:
                world.send(content, 'a.zip', client=client)
        found = {kind: [] for kind in kinds}
        for i in range(len(kinds) * o.repeat):
            found[kinds[i % len(kinds)]].append(turn(world, o, program, kinds[i % len(kinds)]))
        medians = {k: [statistics.median(x) for x in zip(*v)] for k, v in found.items()}
        for kind in kinds:
            print('medians: %-8s p50 %.2f p99 %.2f; p99 ratio %.2f' % (kind, *medians[kind], medians[kind][1] / medians['without'][1]))
    finally:
        world.close()
        remove_all()


if __name__ == '__main__':
    main()

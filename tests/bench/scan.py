#!/usr/bin/env python3
"""Does a message wait while files are scanned? (issue 6)

    tests/bench/scan.py [--build-dir build] [--repeat 3] [--reactors 1]

`paced` of tests/bench/run (200 sessions, 500 messages a second), by turns without files and while the two workers of the scanner are never idle:
people upload small archives that take long to scan. Prints p50 and p99 of both, and how busy the workers were.
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


class Senders:
    """Twice as many people as workers, so that these always have something to do."""

    def __init__(self, world, files, n):
        self.over, self.count, self.refused = threading.Event(), 0, 0
        # What has been scanned once is known until there are other signatures.
        before = world.generation()
        world.server.add_signature('Round-%d' % random.getrandbits(30), os.urandom(20))
        world.server.wait(lambda: world.generation() > before, 'new signatures')
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


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build-dir', default='build')
    a.add_argument('--repeat', type=int, default=3)
    a.add_argument('--reactors', type=int, default=1)
    a.add_argument('--seconds', type=int, default=10)
    o = a.parse_args()
    program = os.path.join(tempfile.mkdtemp(), 'bench')
    subprocess.run(['cc', '-std=gnu11', '-D_GNU_SOURCE', '-O2', '-o', program, *glob.glob(os.path.join(HERE, '*.c')), '-lssl', '-lcrypto', '-lm'], check=True)
    world = World(o.build_dir, o.reactors, scan_seconds=60, disk_mb=2048)
    s = world.server
    try:
        world.taken, world.refused, world.lock = [], [], threading.Lock()
        s.add_users([('u%d' % i, 'pw') for i in range(200)])
        s.made = 200    # those that senders get come behind them
        s.wait_scanner()
        files = archives()
        print('%d archives of about %d KB, %d MB unpacked' % (FILES, len(files[0]) >> 10, UNPACKED >> 20))
        found = {False: [], True: []}
        for i in range(2 * o.repeat):
            with_files = bool(i % 2)
            senders = Senders(world, files, 4) if with_files else None
            cpu, begin = busy_seconds(s), time.monotonic()
            out = subprocess.run([program, 'paced', '--port', str(s.port), '--ca', s.ca, '--domain', s.domain, '--pid', str(s.pid), '--pg-pid',
                                  s.env['CHANCERY_PG_PID'], '--sessions', '200', '--rate', '500', '--size', '200', '--warmup', '2', '--seconds',
                                  str(o.seconds)], check=True, stdout=subprocess.PIPE, text=True).stdout
            values = dict(line.split() for line in out.splitlines() if len(line.split()) == 2)
            busy = (busy_seconds(s) - cpu) / (time.monotonic() - begin)
            if senders:
                senders.end()
            found[with_files].append((float(values['message_p50_ms']), float(values['message_p99_ms'])))
            print('%s p50 %s ms, p99 %s ms, workers %.2f processors%s' % ('scanning' if with_files else 'without ', values['message_p50_ms'],
                  values['message_p99_ms'], busy, ', %d files, %d refused' % (senders.count, senders.refused) if senders else ''), flush=True)
        medians = {k: [statistics.median(x) for x in zip(*v)] for k, v in found.items()}
        print('medians: without p50 %.2f p99 %.2f; scanning p50 %.2f p99 %.2f; p99 ratio %.2f'
              % (*medians[False], *medians[True], medians[True][1] / medians[False][1]))
    finally:
        world.close()
        remove_all()


if __name__ == '__main__':
    main()

#!/usr/bin/env python3
"""What an upload and a download cost (XEP-0363): one file of 100 MB, and files of 100 KB one after the other and 8 at once.

    tests/bench/upload.py [--build-dir build] [--rounds 3] [--small 200] [--reactors 1] [--pictures]

With everything on: TLS, SHA-256, scan, fsync, record. The small files are random bytes, which are the most work for libmagic and libclamav, as they are of
no kind; or pictures (PNG). The client is curl, as for other servers. `received` is from the slot's being found to the
file's last byte; the scan and the rest come behind it, until 201. CPU is the server's, its scanners', PostgreSQL's and curl's.
"""
import argparse
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'conformance'))
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, remove_all  # noqa: E402
from chancerytest.upload import slot  # noqa: E402

BIG, SMALL = 100 * 1000 * 1000, 100 * 1000
TYPE = 'application/octet-stream'


def cpu(pids):
    """Milliseconds of all these processes."""
    total = 0
    for p in pids:
        try:
            for t in os.listdir('/proc/%d/task' % p):
                with open('/proc/%d/task/%s/schedstat' % (p, t)) as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e6


def processes_of(top):
    """It, and its children that live."""
    with open('/proc/%d/task/%d/children' % (top, top)) as f:
        return [top] + [int(p) for p in f.read().split()]


def peak(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmHWM:\s+(\d+)', f.read())[1])


def file(folder, name, size):
    path = os.path.join(folder, name)
    with open(path, 'wb') as f:
        f.write(os.urandom(size))
    return path


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def picture(folder, name, size):
    """A PNG of noise, of so many bytes."""
    edge = int(((size - 1000) / 3) ** 0.5)
    head = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', edge, edge, 8, 2, 0, 0, 0))
    noise = chunk(b'IDAT', zlib.compress(b''.join(b'\0' + os.urandom(3 * edge) for _ in range(edge))))
    tail = chunk(b'IEND', b'')
    path = os.path.join(folder, name)
    with open(path, 'wb') as f:
        f.write(head + chunk(b'tEXt', b'Comment\0' + b'-' * (size - len(head + noise + tail) - 20)) + noise + tail)
    assert os.path.getsize(path) == size
    return path


class Bench:
    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.t = Scenario(server)
        self.c = self.t.online()
        self.base = ['curl', '-s', '--http1.1', '--cacert', server.ca, '--resolve', '%s:%d:127.0.0.1' % (server.domain, server.port_https),
                     '-w', '%{http_code}\\n']

    def run(self, args, expect):
        with open('/proc/%d/clear_refs' % self.server.pid, 'w') as f:
            f.write('5')
        scanners = self.server.scanner_pids()
        postgres = processes_of(int(self.server.env['CHANCERY_PG_PID']))
        before, curl, began = [cpu(p) for p in ([self.server.pid], scanners, postgres)], resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        r = subprocess.run(self.base + args, capture_output=True, text=True)
        took = time.perf_counter() - began
        assert r.stdout.split() == [str(expect)] * len(r.stdout.split()) and r.stdout, (r.stdout[:200], r.stderr)
        after, now = [cpu(p) for p in ([self.server.pid], scanners, postgres)], resource.getrusage(resource.RUSAGE_CHILDREN)
        self.others = after[2] - before[2], (now.ru_utime + now.ru_stime - curl.ru_utime - curl.ru_stime) * 1000
        return took, after[0] - before[0], after[1] - before[1], peak(self.server.pid)

    def receive_ms(self):
        return int(re.findall(r' uploaded .* receive_ms=(\d+)', self.server.log())[-1])

    def big(self, path, i):
        s = slot(self.c, 'big%d.bin' % i, BIG, TYPE)
        took, own, scan, kb = self.run(['--upload-file', path, '-H', 'Content-Type: ' + TYPE, '-H', 'Expect:', s.put], 201)
        put = BIG / 1e3 / max(self.receive_ms(), 1)
        print('PUT 100 MB: received at %.0f MB/s, 201 after %.2f s; CPU %d ms, scanner %d ms; peak %d kB' % (put, took, own, scan, kb), flush=True)
        took, own, _, kb = self.run(['-o', '/dev/null', s.get], 200)
        print('GET 100 MB: %.0f MB/s; CPU %d ms; peak %d kB' % (BIG / 1e6 / took, own, kb), flush=True)
        return put, BIG / 1e6 / took

    def small(self, path, n, at_once):
        began = time.perf_counter()
        slots = [slot(self.c, 's%d.bin' % i, SMALL, TYPE) for i in range(n)]
        slots_took = time.perf_counter() - began
        conf = os.path.join(self.folder, 'conf')
        with open(conf, 'w') as f:
            for i, s in enumerate(slots):
                f.write('%s%s\nsilent\nhttp1.1\nwrite-out = "%%{http_code}\\n"\ncacert = "%s"\nresolve = "%s"\nupload-file = "%s"\nurl = "%s"\nheader = "Expect:"\n'
                        'header = "Content-Type: %s"\n' % ('next\n' if i else '', '', self.server.ca, self.base[6], path(i), s.put, TYPE))
        args = ['-K', conf] + (['--parallel', '--parallel-max', str(at_once)] if at_once > 1 else [])
        took, own, scan, kb = self.run(args, 201)
        print('%d of 100 KB, %d at once: %.0f a second; CPU %.2f ms each, scanner %.2f ms, PostgreSQL %.2f ms, curl %.2f ms; peak %d kB; slots %.0f a second' % (
            n, at_once, n / took, own / n, scan / n, self.others[0] / n, self.others[1] / n, kb, n / slots_took), flush=True)
        return n / took


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--build-dir', default='build')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--small', type=int, default=200)
    p.add_argument('--reactors', type=int, default=1)
    p.add_argument('--pictures', action='store_true')
    o = p.parse_args()
    folder = tempfile.mkdtemp(prefix='chancery-upload-')
    server = Server(o.build_dir, {'limits.file_slots': 10000, 'limits.file_quota_bytes': 1 << 36}, reactors=o.reactors)
    try:
        b = Bench(server.start(), folder)
        bigs = []
        for i in range(o.rounds):     # each is another content, so that none has been scanned
            bigs.append(b.big(file(folder, 'big', BIG), i))
        rates = {}
        for at_once in (1, 8):
            for k in range(o.rounds):
                paths = [(picture if o.pictures else file)(folder, 's%d' % i, SMALL) for i in range(o.small)]
                rates.setdefault(at_once, []).append(b.small(lambda i: paths[i], o.small, at_once))
        print('medians: PUT %.0f MB/s, GET %.0f MB/s; 100 KB: %.0f a second one by one, %.0f 8 at once' % (
            statistics.median(x for x, _ in bigs), statistics.median(y for _, y in bigs), statistics.median(rates[1]), statistics.median(rates[8])))
        b.t.done()
        server.stop()
    finally:
        server.remove()
        shutil.rmtree(folder)


if __name__ == '__main__':
    try:
        main()
    finally:
        remove_all()

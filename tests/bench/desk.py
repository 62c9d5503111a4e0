#!/usr/bin/env python3
"""How fast the compliance desk is on a large record (issue 7): searches, exports, verification, and what they cost those who write.

    tests/bench/desk.py fill --dir DIR [--records 10000000] [--build-dir build]     an instance in DIR, its record filled; then stopped
    tests/bench/desk.py measure --dir DIR [--build-dir build] [search] [export] [verify] [load] [writer]

`measure` starts the instance in DIR, measures (all five when none is named), prints tables, and stops it. DIR is kept: `rm -rf` is yours. README.md
says what the figures mean.
"""
import argparse
import contextlib
import glob
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'conformance'))
sys.dont_write_bytecode = True
from chancerytest.desk import control, control_path  # noqa: E402
from chancerytest.server import DEMO, children, take_ports  # noqa: E402

DOMAIN = 'desk.test'
ROUNDS = 40         # of each search
WORKERS = 100       # accounts that write while others search, twice
CHUNK = 131072      # records of a table of the index


class Instance:
    def __init__(self, folder, build):
        self.dir, self.build, self.ports = os.path.abspath(folder), os.path.abspath(build), None

    def demo(self, verb, *args):
        p = subprocess.run([DEMO, verb, '--dir', self.dir, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            sys.exit('deploy/demo %s: %s' % (verb, p.stdout))

    def start(self):
        args = ['--detach', '--build-dir', self.build, '--set', 'process.reactors=1']
        if not os.path.exists(os.path.join(self.dir, 'demo.conf')):
            base, self.ports = take_ports()
            args += ['--domain', DOMAIN, '--port-base', str(base)]
        self.demo('start', *args)
        with open(os.path.join(self.dir, 'env')) as f:
            self.env = dict(line.rstrip('\n').split('=', 1) for line in f)
        self.pid, self.pg_pid = int(self.env['CHANCERY_PID']), int(self.env['CHANCERY_PG_PID'])
        return self

    def stop(self):
        self.demo('stop')

    def end_server(self):
        """PostgreSQL goes on."""
        os.kill(self.pid, 15)
        while os.path.exists('/proc/%d' % self.pid) and open('/proc/%d/stat' % self.pid).read().rsplit(')', 1)[1].split()[0] not in 'ZX':
            time.sleep(0.05)

    def psql(self, sql):
        p = subprocess.run(['psql', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', self.env['CHANCERY_PG'], '-c', sql], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, check=True)
        return [line.split('\t') for line in p.stdout.splitlines()]

    def number(self, sql):
        return int(self.psql(sql)[0][0])

    def cli(self, *args, stdin=''):
        return subprocess.run([os.path.join(self.build, 'bin', 'chancery'), '--config', self.env['CHANCERY_CONFIG'], *args], input=stdin,
                              capture_output=True, text=True)

    def officer(self):
        """A token."""
        name = 'o' + os.urandom(6).hex()
        control(self, 'person', 'add', name=name, roles=['officer'])
        return control(self, 'token', 'new', name=name, role='officer')[0]['secret']


def say(*what):
    print(*what, flush=True)


def load_average():
    return os.getloadavg()[0]


def cpu_of(pid):
    """Seconds, of a process and its children that have ended."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:15])) / os.sysconf('SC_CLK_TCK')
    except OSError:
        return 0


# ---- filling ---------------------------------------------------------------------------------------------------------


def fill(s, records):
    os.makedirs(s.dir, exist_ok=True)
    os.chmod(s.dir, 0o755)
    s.start()
    s.end_server()
    with open(os.path.join(s.dir, 'pg', 'postgresql.conf'), 'a') as f:     # as deploy/compliance.md has it; from the next start on
        f.write("shared_buffers = '%dMB'\n" % (os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 22))
    begun = time.monotonic()
    subprocess.run([os.path.join(s.build, 'tests', 'bench', 'bench_desk_fill'), s.env['CHANCERY_PG'], DOMAIN, str(records)], check=True)
    say('%d records were filled in %.0f s' % (records, time.monotonic() - begun))
    # What is kept beside the key speaks of the record that was there before.
    for f in os.listdir(os.path.join(s.dir, 'keys')):
        if f not in ('log.key', 'made'):
            os.unlink(os.path.join(s.dir, 'keys', f))
    s.psql('VACUUM ANALYZE')
    s.start()
    begun, done, backends = time.monotonic(), {}, {}
    while len(done) < 2:
        time.sleep(0.5)
        for name, pid in s.psql("SELECT application_name, pid FROM pg_stat_activity WHERE application_name IN ('chancery log', 'chanceryd search')"):
            backends[name] = cpu_of(int(pid))
        seconds = time.monotonic() - begun
        if 'log' not in done and s.number('SELECT coalesce(max(size), 0) FROM archive.checkpoint') >= records:
            done['log'] = seconds
            say('the log was built and signed after %.0f s: %.0f records a second; %.0f s of CPU of PostgreSQL' %
                (seconds, records / seconds, backends.get('chancery log', 0)))
        if 'index' not in done and s.number('SELECT log_index FROM search.progress') >= records:
            done['index'] = seconds
            say('the index for searches was built after %.0f s: %.0f records a second; %.0f s of CPU of PostgreSQL' %
                (seconds, records / seconds, backends.get('chanceryd search', 0)))
    say('%.0f s of CPU of chanceryd meanwhile; the record has %s, its index %s, load average %.1f' % (cpu_of(s.pid), *s.psql(
        "SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))), (SELECT pg_size_pretty(sum(pg_total_relation_size(c.oid))) FROM pg_class c"
        " WHERE relnamespace = 'search'::regnamespace AND relkind = 'r') FROM pg_inherits WHERE inhparent = 'archive.record'::regclass")[0],
        load_average()))
    s.psql('CHECKPOINT')


# ---- searches --------------------------------------------------------------------------------------------------------


class Officer:
    """Who searches over a connection that stays, as those of the API do."""

    def __init__(self, s):
        self.token, self.sock = s.officer(), socket.socket(socket.AF_UNIX)
        self.sock.connect(control_path(s))

    def search(self, **args):
        """(milliseconds, rows)"""
        begun, held, rows = time.perf_counter(), b'', 0
        self.sock.sendall(json.dumps({'verb': ['archive', 'search'], 'args': args, 'token': self.token}).encode() + b'\n')
        while True:
            data = self.sock.recv(262144)
            if not data:
                sys.exit('the control connection was closed')
            *lines, held = (held + data).split(b'\n')
            for line in lines:
                rows += line.startswith(b'{"row"')
                if not line.startswith((b'{"row"', b'{"next"')):
                    ms = (time.perf_counter() - begun) * 1000
                    if not json.loads(line).get('done'):
                        say('%s: %s' % (args, line.decode()))
                    return ms, rows


class Words:
    """Words of one chunk in the middle of the record, by how many of its documents have them."""

    def __init__(self, s, records):
        number = records // 2 // CHUNK
        rows = s.psql("SELECT word, ndoc FROM ts_stat('SELECT array_to_tsvector(array_remove(string_to_array(words, '' ''), ''''))"
                      " FROM search.doc_%d') WHERE word ~ '^[a-z]{3,}$' ORDER BY ndoc DESC" % number)
        docs = s.number('SELECT count(*) FROM search.doc_%d' % number)
        self.share = [(w, int(n) / docs) for w, n in rows]
        self.said = [r[0] for r in s.psql("SELECT words FROM search.doc_%d TABLESAMPLE system (3)" % number)]

    def like(self, share):
        """Twenty whose share is about that."""
        near = sorted(self.share, key=lambda x: abs(x[1] - share) / share)
        return [w for w, _ in near[:20]]

    def phrase(self, n):
        while True:
            line = random.choice(random.choice(self.said).split('  ')).split()
            if len(line) > n + 2:
                i = random.randrange(len(line) - n)
                return '"%s"' % ' '.join(line[i:i + n])


def months(s):
    """Whole months that the record has, as (since, until)."""
    rows = s.psql("SELECT to_char(d, 'YYYY-MM-DD'), to_char(d + interval '1 month', 'YYYY-MM-DD') FROM generate_series("
                  "date_trunc('month', to_timestamp((SELECT min(id) FROM archive.record) / 1e6) + interval '1 month'), now() - interval '1 month',"
                  " interval '1 month') d")
    return [dict(since=a, until=b) for a, b in rows]


def queries(s, words, spans):
    """(name, target, a function that makes the arguments)"""
    person = lambda: 'p%d@%s' % (random.randrange(2000), DOMAIN)    # noqa: E731
    busy = lambda: 'p%d@%s' % (random.randrange(20), DOMAIN)        # noqa: E731
    room = lambda: 'room%d@conference.%s' % (random.randrange(200), DOMAIN)     # noqa: E731
    pick = lambda share: random.choice(words.like(share))           # noqa: E731
    month = lambda: random.choice(spans)                            # noqa: E731
    kinds = {name: words.like(share) for name, share in (('rare', 1e-5), ('seldom', 1e-4), ('middling', 1e-3), ('frequent', 1e-2), ('common', 0.2))}

    def word(*names):
        return ' '.join(random.choice(kinds[n]) for n in names)

    def pair():
        i = random.randrange(2000)
        return ['p%d@%s' % (i, DOMAIN), 'p%d@%s' % ((i + 1) % 2000, DOMAIN)]

    return [
        ('person and month', 50, lambda: dict(month(), person=person())),
        ('busy person and month', 50, lambda: dict(month(), person=busy())),
        ('conversation', 50, lambda: dict(between=pair())),
        ('room and month', 50, lambda: dict(month(), room=room())),
        ('a word that one record in 100,000 has', 300, lambda: dict(words=word('rare'))),
        ('one in 10,000', 300, lambda: dict(words=word('seldom'))),
        ('one in 1,000', 300, lambda: dict(words=word('middling'))),
        ('one in 100', 300, lambda: dict(words=word('frequent'))),
        ('one in 5', 300, lambda: dict(words=word('common'))),
        ('two words, common and rare', 300, lambda: dict(words=word('common', 'rare'))),
        ('two words, both seldom', 300, lambda: dict(words=word('seldom', 'seldom'))),
        ('two words, both middling', 300, lambda: dict(words=word('middling', 'middling'))),
        ('phrase of two words', 300, lambda: dict(words=words.phrase(2))),
        ('phrase of four words', 300, lambda: dict(words=words.phrase(4))),
        ('beginning of a word (3 letters)', 300, lambda: dict(words=word('seldom')[:3] + '*')),
        ('beginning of a word (6 letters)', 300, lambda: dict(words=(word('rare') + 'xxx')[:6] + '*')),
        ('word that nobody said', 300, lambda: dict(words='zzqq%d' % random.getrandbits(20))),
        ('person, month, frequent word', 300, lambda: dict(month(), person=busy(), words=word('frequent'))),
        ('person, frequent word', 300, lambda: dict(person=busy(), words=word('frequent'))),
        ('person, common word, oldest first', 300, lambda: dict(person=person(), words=word('common'), order='oldest')),
        ('deep page (cursor in the middle)', 300, lambda: dict(words=word('middling'), cursor='n%d' % random.randrange(s.records // 4, s.records))),
        ('what a person could read, month', None, lambda: dict(month(), person=person(), audience=True)),
        ('what a person could read, a word', None, lambda: dict(person=person(), audience=True, words=word('middling'))),
        ('partner and month', None, lambda: dict(month(), partner='partner%d.example.org' % random.randrange(8))),
        ('everything, newest', None, lambda: {}),
    ]


def measure_search(s):
    officer, words = Officer(s), Words(s, s.records)
    say('\n| search (pages of 50, the audit record included) | median ms | p95 | slowest | rows, median | target |\n| --- | ---: | ---: | ---: | ---: | ---: |')
    for name, target, make in queries(s, words, months(s)):
        random.seed(name)
        took, rows = [], []
        for i in range(s.rounds + 2):       # the first two warm what is cold
            ms, got = officer.search(**make())
            if i >= 2:
                took.append(ms)
                rows.append(got)
            if sum(took) > 60000:
                break
        took.sort()
        say('| %s | %.0f | %.0f | %.0f | %d | %s |' % (name, statistics.median(took), took[int(len(took) * 0.95)], took[-1], statistics.median(rows),
                                                      target or ''))
    say('load average %.1f' % load_average())


# ---- exports ---------------------------------------------------------------------------------------------------------


def peak_kib(pid):
    try:
        with open('/proc/%d/status' % pid) as f:
            return next((int(line.split()[1]) for line in f if line.startswith('VmHWM:')), 0)
    except OSError:
        return 0


def is_export(pid):
    try:
        with open('/proc/%d/comm' % pid) as f:
            return f.read().strip() == 'chancery-export'
    except OSError:
        return False


def export(s, token, query):
    """(seconds, its row, the most memory of the program in MiB, its CPU and that of PostgreSQL for it, seconds of each stage)"""
    begun, peak, stages, backends, cpu = time.monotonic(), 0, {}, {}, {}
    number, = control(s, 'archive', 'export', token=token, query=query, formats=s.formats, reason='measured')
    while True:
        time.sleep(0.05)
        row, = control(s, 'export', 'show', token=token, export=number['export'])
        for p in filter(is_export, children(s.pid)):
            peak, cpu['program'] = max(peak, peak_kib(p)), max(cpu.get('program', 0), cpu_of(p))
        if cpu and len(backends) < 2:     # its connections
            backends.update((int(pid), 0) for pid, in s.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'chancery-export'"))
        for p in backends:
            backends[p] = cpu_of(p) or backends[p]
        if row['state'] not in ('waiting', 'running'):
            break
        stages.setdefault(row['stage'], time.monotonic())
    seconds = time.monotonic() - begun
    if row['state'] != 'done':
        sys.exit('the export failed: %s' % row)
    cpu['backend'] = sum(backends.values())
    ends = list(stages.values())[1:] + [time.monotonic()]
    return seconds, row, peak / 1024, cpu, {n: e - b for (n, b), e in zip(stages.items(), ends)}


def at_index(s, index):
    return s.psql("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM archive.record WHERE log_index = %d" % index)[0][0]


def measure_export(s):
    token, n = s.officer(), min(100000, s.records // 4)
    middle = s.records // 2
    say('\n| export, ' + ' and '.join(s.formats) + ', with proofs | records | s | CPU of chancery-export, s | of PostgreSQL, s | MiB of memory | MiB of the bundle | stages, s |\n'
        '| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |')
    for name, query in (('one behind the other', dict(since=at_index(s, middle), until=at_index(s, middle + n))),
                        ('of one person', dict(person=['p0@' + DOMAIN]))):
        seconds, row, peak, cpu, stages = export(s, token, query)
        say('| %s | %d | %.1f | %.1f | %.1f | %.0f | %.0f | %s |' % (name, row['records'], seconds, cpu['program'], cpu['backend'], peak, row['bytes'] / 2**20,
                                                                     ', '.join('%s %.1f' % (k or 'start', v) for k, v in stages.items())))
        control(s, 'export', 'remove', token=token, export=row['export'])
    say('load average %.1f' % load_average())


# ---- verification ----------------------------------------------------------------------------------------------------


def measure_verify(s):
    before, begun = cpu_of(s.pid), time.monotonic()
    p = s.cli('--json', 'archive', 'verify', '--all')
    seconds = time.monotonic() - begun
    row = json.loads(p.stdout.splitlines()[-1])
    if p.returncode or row['findings']:
        sys.exit('archive verify: %s%s' % (p.stdout[:2000], p.stderr))
    say('\narchive verify --all: %d records, %d checkpoints in %.1f s, %.0f records a second; %.1f s of CPU of chanceryd; load average %.1f' %
        (row['records'], row['checkpoints'], seconds, row['records'] / seconds, cpu_of(s.pid) - before, load_average()))


# ---- what it costs those who write -----------------------------------------------------------------------------------


class Bench:
    """The load generator, with accounts of its own."""

    def __init__(self, s):
        self.s, self.program = s, os.path.join(tempfile.mkdtemp(), 'bench')
        subprocess.run(['cc', '-std=gnu11', '-D_GNU_SOURCE', '-O2', '-o', self.program, *glob.glob(os.path.join(HERE, '*.c')), '-lssl', '-lcrypto', '-lm'],
                       check=True)
        s.cli('user', 'import', '-', stdin=''.join('b%d@%s\tpw\n' % (i, DOMAIN) for i in range(2 * WORKERS)))

    def run(self, mode, *args):
        """What it measured, how long commits of the archive took meanwhile, and for how much of each second its backend waited for a processor.
        In a session of its own: in ours it would share our part of the processors with those who search, who are on machines of their own elsewhere."""
        before, begun, waited = self.commits(), time.monotonic(), self.archive_waited()
        out = subprocess.run([self.program, mode, '--port', self.s.env['CHANCERY_PORT_C2S'], '--ca', self.s.env['CHANCERY_CA'], '--domain', DOMAIN, '--pid',
                              str(self.s.pid), '--pg-pid', str(self.s.pg_pid), '--prefix', 'b', '--sessions', str(2 * WORKERS), '--size', '200', '--warmup',
                              '2', *args], check=True, stdout=subprocess.PIPE, text=True, start_new_session=True).stdout
        got = {k: float(v) for k, v in re.findall(r'^(\S+) ([0-9.]+)$', out, re.M)}
        counts = [(upto, n - m) for (upto, m), (_, n) in zip(before, self.commits())]
        got['archive_wait_ms'] = (self.archive_waited() - waited) * 1000 / (time.monotonic() - begun)
        for q in (50, 99):
            got['commit_p%d_ms' % q] = next(upto for upto, n in counts if n * 100 >= counts[-1][1] * q) / 1000
        return got

    def archive_waited(self):
        """Seconds, so far, for which the archive's backend could have run and had no processor."""
        (pid,), = self.s.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'chancery archive'")
        with open('/proc/%s/schedstat' % pid) as f:
            return int(f.read().split()[1]) / 1e9

    def commits(self):
        """(at most so many microseconds, how many), by the server's histogram, whose steps are powers of two."""
        with urllib.request.urlopen('http://127.0.0.1:%s/metrics' % self.s.env['CHANCERY_PORT_METRICS']) as r:
            return [(float(upto), int(n)) for upto, n in re.findall(r'^chancery_archive_commit_microseconds_bucket\{le="([^"]+)"\} (\d+)$', r.read().decode(), re.M)]


class Desk:
    """Officers who search and export without a pause."""

    def __init__(self, s, words, spans):
        self.over, self.searches, self.exports = threading.Event(), 0, 0
        self.threads = [threading.Thread(target=self.search, args=(s, words, spans)) for _ in range(2)] + [threading.Thread(target=self.export, args=(s,))]
        for t in self.threads:
            t.start()

    def search(self, s, words, spans):
        officer, made = Officer(s), [make for _, _, make in queries(s, words, spans)]
        while not self.over.is_set():
            officer.search(**random.choice(made)())
            self.searches += 1

    def export(self, s):
        token, n = s.officer(), min(100000, s.records // 4)
        while not self.over.is_set():
            first = random.randrange(s.records - n)
            number, = control(s, 'archive', 'export', token=token, query=dict(since=at_index(s, first), until=at_index(s, first + n)),
                              formats=['jsonl', 'csv'], reason='measured')
            while not self.over.is_set() and control(s, 'export', 'show', token=token, export=number['export'])[0]['state'] in ('waiting', 'running'):
                time.sleep(0.2)
            if self.over.is_set():
                with contextlib.suppress(Exception):    # it may have finished now
                    control(s, 'export', 'cancel', token=token, export=number['export'])
            else:
                self.exports += 1
                control(s, 'export', 'remove', token=token, export=number['export'])

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()


def measure_load(s):
    bench, words, spans, found = Bench(s), Words(s, s.records), months(s), {False: [], True: []}
    for i in range(2 * s.repeat):
        desk = Desk(s, words, spans) if i % 2 else None
        got = bench.run('paced', '--rate', '500', '--seconds', '10')
        if desk:
            desk.end()
        found[bool(desk)].append(got)
        say('%s: p50 %.1f ms, p99 %.1f ms; of these commits, up to: p50 %.1f ms, p99 %.1f ms; waited for a processor %.0f ms of a second%s' % (
            'searching and exporting' if desk else 'without', got['message_p50_ms'], got['message_p99_ms'], got['commit_p50_ms'], got['commit_p99_ms'],
            got['archive_wait_ms'], '; %d searches, %d exports' % (desk.searches, desk.exports) if desk else ''))
    without, busy = (statistics.median(x['message_p99_ms'] for x in found[k]) for k in (False, True))
    say('\n500 messages a second: p99 %.1f ms, while two search and one exports %.1f ms: %.2f times; load average %.1f' %
        (without, busy, busy / without, load_average()))


@contextlib.contextmanager
def held(s, sql):
    """Somebody holds a lock meanwhile."""
    p = subprocess.Popen(['psql', '-XqAt', s.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write('BEGIN; %s; SELECT 1;\n' % sql)
    p.stdin.flush()
    while p.stdout.readline().strip() != '1':
        pass
    try:
        yield
    finally:
        p.stdin.close()
        p.wait()


def backend_cpu(s, name):
    return sum(cpu_of(int(pid)) for pid, in s.psql("SELECT pid FROM pg_stat_activity WHERE application_name = '%s'" % name))


def thread_cpu(s, name):
    total = 0
    for path in glob.glob('/proc/%d/task/*' % s.pid):
        with contextlib.suppress(OSError):
            with open(path + '/comm') as f:
                if f.read().strip() == name:
                    with open(path + '/stat') as g:
                        total += sum(map(int, g.read().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')
    return total


def caught_up(s):
    while s.number("SELECT count(*) FROM search.progress WHERE id < (SELECT max(id) FROM archive.record)"):
        time.sleep(0.2)


PARTS = (('log', 'chancery log', 'log'), ('index', 'chanceryd search', 'search'))


def measure_writer(s):
    """The rate and the CPU with the keeper of the log and the indexer at work, and while both are held up by locks."""
    bench, found = Bench(s), {}
    ways = {'both at work': None, 'without the log': 'LOCK TABLE archive.tile, archive.checkpoint',
            'without both': 'LOCK TABLE archive.tile, archive.checkpoint, search.progress'}
    for i in range(s.repeat):
        for way, lock in ways.items():
            caught_up(s)
            with held(s, lock) if lock else contextlib.nullcontext():
                before = {n: (backend_cpu(s, app), thread_cpu(s, thread)) for n, app, thread in PARTS}
                got = bench.run('messages', '--window', '8', '--seconds', '10')
                n = got['sent']
                for name, app, thread in PARTS:
                    got[name + '_pg'] = (backend_cpu(s, app) - before[name][0]) / n * 1e6
                    got[name + '_us'] = (thread_cpu(s, thread) - before[name][1]) / n * 1e6
            found.setdefault(way, []).append(got)
    say('\n| writing as fast as it goes | messages/s | CPU of chanceryd, µs a message | of PostgreSQL | log: thread, PostgreSQL | index: thread, PostgreSQL |\n'
        '| --- | ---: | ---: | ---: | ---: | ---: |')
    for way, runs in found.items():
        m = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
        say('| %s | %.0f | %.1f | %.1f | %.2f, %.2f | %.2f, %.2f |' % (way, m['messages_per_s'], m['server_us_per_message'], m['pg_us_per_message'],
                                                                     m['log_us'], m['log_pg'], m['index_us'], m['index_pg']))
    say('load average %.1f' % load_average())
    caught_up(s)


MEASURES = {'search': measure_search, 'export': measure_export, 'verify': measure_verify, 'load': measure_load, 'writer': measure_writer}


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('what', choices=('fill', 'measure'))
    a.add_argument('which', nargs='*', help=' '.join(MEASURES))
    a.add_argument('--dir', required=True)
    a.add_argument('--records', type=int, default=10000000)
    a.add_argument('--build-dir', default='build')
    a.add_argument('--rounds', type=int, default=ROUNDS, help='of each search')
    a.add_argument('--formats', default='jsonl,csv', help='of exports')
    a.add_argument('--repeat', type=int, default=3, help='of load and writer')
    o = a.parse_intermixed_args()
    if set(o.which) - set(MEASURES):
        a.error('expected some of: ' + ' '.join(MEASURES))
    s = Instance(o.dir, o.build_dir)
    s.rounds, s.repeat, s.formats = o.rounds, o.repeat, o.formats.split(',')
    try:
        if o.what == 'fill':
            fill(s, o.records)
            return
        s.start()
        caught_up(s)
        s.records = s.number('SELECT log_index FROM search.progress')
        say('%d records in the record' % s.records)
        for name in o.which or MEASURES:
            MEASURES[name](s)
    finally:
        s.stop()


if __name__ == '__main__':
    main()

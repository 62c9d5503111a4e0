#!/usr/bin/env python3
"""What reaching hundreds of partners again, after a restart, does to messages that have nothing to do with it.

    tests/bench/reconnect.py [--build-dir build] [--bench PROGRAM] [--partners 500] [--repeat 3] [--reactors 1] [--rate 200]
                             [--seconds 10] [--kinds idle,out,in,once]

Two instances by deploy/demo: a.test, which is measured, and another with a host for each partner (p0.b.test, …), one certificate and
eight reactors. Before each measurement a.test is stopped and started, so that no stream is left; then 20 pairs of accounts of a.test exchange
messages, each at its moment, and two seconds later
    idle   nothing else happens
    out    one account writes to somebody at each partner: a.test makes all the streams
    in     somebody at each partner writes to a.test: the other instance makes them, in turns (core/federation/route_try.c)
    once   all partners connect and begin TLS at one moment: this script makes the streams, by as many processes as there are cores
Printed: median and p99 of the local messages of --seconds, how long it took until all streams were there, and how often a reactor was away for
50 ms or more (its log's slow-callback); of each run, and medians. "once" lasts for a few seconds only, so that --seconds 3 says more about it. An instance takes its turns when it makes streams (core/federation/route_try.c), so
it is 20 ms between two of them in either direction; let --seconds be about as long as that takes. With --costs also what the threads of both servers and the
processes of their PostgreSQLs have used meanwhile, and how often the latter have waited for the disk (pg_stat_wal).
"""
import argparse
import multiprocessing
import os
import ssl
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'conformance'))
from chancerytest import dns  # noqa: E402
from chancerytest.ca import authority  # noqa: E402
from chancerytest.client import Client  # noqa: E402
from chancerytest.s2s import Stream  # noqa: E402
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, remove_all  # noqa: E402

SESSIONS = 40
WARMUP = 3


def make_hosts(b, domains):
    """b is given these hosts, with one certificate for all, and an account at each."""
    c = authority().certificate('*.b.test')
    tls = os.path.dirname(os.path.realpath(b.path('tls/server.pem')))
    for file, name in ((c.pem, 'hosts.pem'), (c.key, 'hosts.key')):
        with open(file, 'rb') as f, open(os.path.join(tls, name), 'wb') as out:
            out.write(f.read())
        like = os.stat(os.path.join(tls, 'server.key' if name.endswith('key') else 'server.pem'))
        os.chmod(os.path.join(tls, name), like.st_mode & 0o777)
        os.chown(os.path.join(tls, name), like.st_uid, like.st_gid)
    config = b.env['CHANCERY_CONFIG']
    with open(config) as f:
        text = f.read()
    more = ''.join("  - domain: %s\n    certificate: '%s/hosts.pem'\n    key: '%s/hosts.key'\n" % (d, tls, tls) for d in domains)
    with open(config, 'w') as f:
        f.write(text.replace('listen:', more + 'listen:', 1))
    b.edited = True
    b.restart()
    b.ca = authority().pem
    must(b.cli('user', 'import', '-', stdin=''.join('u@%s\tpw\n' % d for d in domains)))


def must(result):
    assert result[0] == 0, result
    return result[1]


def allow(server, domains, ca):
    """By a row each; the last one by the command, which has the server read them all."""
    with open(ca) as f:
        pem = f.read()
    server.psql("insert into chancery.partner (domain, direction, pass, trust, ca_pem, owner, reason, changed_by) "
                "select d, 3, 63, 0, '%s', 'bench', 'bench', 'bench' from unnest('{%s}'::text[]) d" % (pem, ','.join(domains)))
    must(server.cli('federation', 'allow', domains[-1], '--reason', 'bench'))


def streams(server):
    return int(server.metric('chancery_s2s_streams_in') + server.metric('chancery_s2s_streams_out'))


class Load:
    """The generator: local messages of a.test, measured from `WARMUP` seconds after all are up, for so long."""

    def __init__(self, o, a, seconds):
        self.began = None
        self.p = subprocess.Popen([o.bench, 'paced', '--port', str(a.port), '--ca', a.ca, '--domain', 'a.test', '--password', 'pw', '--sessions',
                                   str(SESSIONS), '--rate', str(o.rate), '--size', '200', '--warmup', str(WARMUP), '--seconds', str(seconds)],
                                  stdout=subprocess.PIPE, text=True)
        a.wait(lambda: a.metric('chancery_sessions') >= SESSIONS, 'the sessions of the generator', 120)
        self.up = time.monotonic()

    def until_measured(self):
        time.sleep(max(0, self.up + 1 + WARMUP - time.monotonic()))

    def result(self):
        out, _ = self.p.communicate(timeout=300)
        assert self.p.returncode == 0, out
        return {k: float(v) for k, v in (line.split(' ', 1) for line in out.splitlines() if line.count(' ') == 1) if is_number(v)}


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_out(t, domains):
    c = t.online(('u%d' % SESSIONS, 'pw'))

    def go():
        c.send(''.join("<message to='u@%s' type='chat' id='r%d'><body>we are back</body></message>" % (d, i) for i, d in enumerate(domains)))
    return go, c.close


def write_in(people):
    def go():
        for c in people:
            c.send("<message to='u0@a.test' type='headline' id='back'><body>you are back</body></message>")
    return go, lambda: None


def hello(s, ctx):
    """Its ClientHello goes out; nothing is waited for."""
    s.sock = ctx.wrap_socket(s.sock, server_hostname=s.domain, do_handshake_on_connect=False)
    s.sock.setblocking(False)
    try:
        s.sock.do_handshake()
    except ssl.SSLWantReadError:
        pass


def come_back(streams, start, end):
    """In a process of its own: one step of all, then the next."""
    ctx = streams[0]._context(ssl.PROTOCOL_TLS_CLIENT, None, None, None)     # all have the same certificate
    start.wait()
    for s in streams:
        s.connect().open()
    for s in streams:
        s.expect_features()
        s.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    for s in streams:
        s.expect('proceed')
        hello(s, ctx)
    for s in streams:
        s.sock.settimeout(60)
        s.sock.do_handshake()
        s.open().expect_features()
        s.external_send()
    for s in streams:
        kind, what = s.sasl_next()
        assert kind == 'success', what
        s.open().expect_features()
    end.wait()
    for s in streams:
        s.cut()


def come_at_once(a, domains):
    certificate, n = authority().certificate('*.b.test'), os.cpu_count() or 1
    start, over = multiprocessing.Event(), multiprocessing.Event()
    processes = [multiprocessing.Process(target=come_back, args=([Stream(a, d, certificate) for d in domains[i::n]], start, over))
                 for i in range(n)]
    for p in processes:
        p.start()

    def end():
        over.set()
        for p in processes:
            p.join(60)
            assert p.exitcode == 0, p.exitcode
    return start.set, end


def beginning(a, kind, domains, people):
    if kind == 'out':
        return write_out(Scenario(a), domains)
    return come_at_once(a, domains) if kind == 'once' else write_in(people)


def ticks(stat):
    """CPU of a process or thread, in ms."""
    with open(stat) as f:
        name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
    return name, sum(map(int, rest.split()[11:13])) * 1000 / os.sysconf('SC_CLK_TCK')


class Costs:
    """What the threads of a server and the processes of its PostgreSQL have had of the processors, and how often the latter waited for its disk."""

    def __init__(self, server, name):
        self.server, self.name, self.before = server, name, {}
        self.before = self.now()

    def now(self):
        got = {}
        for t in os.listdir('/proc/%d/task' % self.server.pid):
            name, ms = ticks('/proc/%d/task/%s/stat' % (self.server.pid, t))
            got[name] = got.get(name, 0) + ms
        for pid, name in self.server.psql("select pid, 'pg:' || coalesce(nullif(application_name, ''), backend_type) from pg_stat_activity"):
            try:
                got[name] = got.get(name, 0) + ticks('/proc/%s/stat' % pid)[1]
            except OSError:
                pass    # it was psql's own
        got['fsyncs'] = float(self.server.value('select wal_sync from pg_stat_wal'))
        return got

    def __str__(self):
        got = {k: v - self.before.get(k, 0) for k, v in self.now().items()}
        return '     %s, ms of CPU: ' % self.name + ', '.join('%s %.0f' % (k, v) for k, v in sorted(got.items()) if v >= 10)


def run(o, a, b, kind, domains, people):
    a.restart()
    a.wait(lambda: streams(a) == 0, 'no streams')
    go, end = beginning(a, kind, domains, people)
    load = Load(o, a, o.seconds)
    load.until_measured()
    costs = [Costs(s, n) for s, n in ((a, 'a.test'), (b, 'the other'))] if o.costs else []
    took = None
    if kind != 'idle':
        began = time.monotonic()
        go()
        while streams(a) < len(domains):
            assert time.monotonic() - began < 60, 'all streams'
            time.sleep(0.25)    # asking costs some milliseconds of a processor
        took = time.monotonic() - began
    r = load.result()
    for c in costs:
        print(c, flush=True)
    end()
    return r['message_p50_ms'], r['message_p99_ms'], took, a.log().count('slow-callback')


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--build-dir', default='build')
    p.add_argument('--bench')
    p.add_argument('--partners', type=int, default=500)
    p.add_argument('--repeat', type=int, default=3)
    p.add_argument('--reactors', type=int, default=1)
    p.add_argument('--rate', type=int, default=200)
    p.add_argument('--seconds', type=int, default=10)
    p.add_argument('--kinds', default='idle,out,in,once')
    p.add_argument('--costs', action='store_true', help='what the threads of both servers and their PostgreSQLs use meanwhile')
    o = p.parse_args()
    o.bench = o.bench or os.path.join(o.build_dir, 'tests', 'bench', 'bench')
    domains = ['p%d.b.test' % i for i in range(o.partners)]
    a, b = Server(o.build_dir, domain='a.test', reactors=o.reactors), Server(o.build_dir, {'limits.s2s_streams_per_partner': 1000}, domain='b.test', reactors=8)
    try:
        a.start()
        b.start()
        make_hosts(b, domains)
        must(a.cli('user', 'import', '-', stdin=''.join('u%d@a.test\tpw\n' % i for i in range(SESSIONS + 1))))
        for d in domains:
            a.dns.set('_xmpp-server._tcp.' + d, dns.srv(0, 0, b.port_s2s, 'host.test'))
        b.dns.set('_xmpp-server._tcp.a.test', dns.srv(0, 0, a.port_s2s, 'host.test'))
        for s in (a, b):
            s.dns.set('host.test', dns.a('127.0.0.1'))
        allow(a, domains, authority().pem)
        allow(b, ['a.test'], a.ca)
        people = []
        for d in domains:
            c = Client(b, 'u', 'pw', domain=d).authenticated()
            assert c.bind(), c.bind_error
            people.append(c)
        print('%d people at %d hosts are there' % (len(people), len(domains)), flush=True)
        got = {}
        for i in range(o.repeat):
            for kind in o.kinds.split(','):
                r = run(o, a, b, kind, domains, people)
                got.setdefault(kind, []).append(r)
                print('%-4s p50 %.1f ms, p99 %.1f ms%s, %d slow callbacks so far' %
                      (kind, r[0], r[1], '' if r[2] is None else ', all streams after %.1f s' % r[2], r[3]), flush=True)
        for kind, runs in got.items():
            print('median %-4s p50 %.1f ms, p99 %.1f ms' % (kind, statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs)))
    except BaseException:
        for s in (a, b):
            print(s.domain + ':\n' + '\n'.join(s.log().splitlines()[-15:]))
        raise
    finally:
        remove_all()


if __name__ == '__main__':
    main()

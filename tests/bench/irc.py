#!/usr/bin/env python3
"""What IRC costs a gateway: ours and biboumi (Debian's package), one after the other, before the same ngircd.

    tests/bench/irc.py [--gateway build/bin/chancery-gateway-irc] [--users 1000] [--runs 3] [--only chancery|biboumi] [--private | --rooms] [--restart]

So many users, each with a connection of their own to IRC and all in rooms of ten; one person on IRC, who is in all of them. In chanceryd's place there is a stand-in here that lets both in
as a component (XEP-0114; ours with XEP-0198, as it asks for it), so that a thousand users cost nothing but what the gateway does. CPU is the gateway's alone, user and system,
from the first message until the last has been heard and half a second more. biboumi's own history is switched off for all users: ours has none, as chanceryd keeps the record.

--restart: instead, how a thousand users of ours, all in their rooms, come back with the default settings when the gateway is killed (SIGKILL) and started again: connections a
second, as the kernel sees them, and when everybody is in their room again.
"""
import argparse
import json
import os
import re
import selectors
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOM = 10       # users in one
# Of its own for each run at a time; the port is the one that biboumi takes.
HOST, PORT = '127.7.%d.%d' % (os.getpid() >> 8 & 255, os.getpid() & 255), 6667
SERVER, DOMAIN = 'x.example', 'irc.x.example'
SECONDS, ROUNDS = 900, 3
NGIRCD = """[Global]
\tName = irc.test.example
\tInfo = test
\tListen = %s
\tPorts = %d
\tMotdPhrase = hello
[Limits]
\tMaxConnections = 0
\tMaxConnectionsIP = 0
\tMaxJoins = 0
\tMaxNickLength = 30
\tMaxPenaltyTime = 0
[Options]
\tDNS = no
\tIdent = no
\tPAM = no
"""
BIBOUMI = """hostname=%s
password=s
xmpp_server_ip=127.0.0.1
port=%d
db_name=%s
log_level=3
log_file=%s
identd_port=0
"""
SM = "xmlns='urn:xmpp:sm:3'"
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
# biboumi lets ten lines through at once: rounds are smaller than that. Ours counts its PINGs, too.
SETTINGS = {'host': HOST, 'port': PORT, 'tls': False, 'nicks': 'free', 'flood_burst': 20}


def cpu_of(pid):
    """Of the threads that there are, in the scheduler's own nanoseconds: ticks are too coarse."""
    total = 0
    for thread in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/schedstat' % (pid, thread)) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def rss_of(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))


class World:
    """The IRC server, somebody on it, and chanceryd's stand-in with one gateway at a time."""

    def __init__(self, users):
        self.n, self.selector, self.gateway = users, selectors.DefaultSelector(), None
        self.folder = tempfile.mkdtemp(prefix='chancery-irc-')
        with open(os.path.join(self.folder, 'ngircd.conf'), 'w') as f:
            f.write(NGIRCD % (HOST, PORT))
        self.ngircd = subprocess.Popen([shutil.which('ngircd', path='/usr/sbin:/usr/bin'), '-n', '-f', os.path.join(self.folder, 'ngircd.conf')],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.rooms = ['#room%d' % i for i in range((users + ROOM - 1) // ROOM)]
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.said = self.heard = self.handled = 0   # by bob; by our users; stanzas
        self.inside, self.halves, self.errors = set(), {}, []
        self.kept = None    # what the gateway has us keep (seats); None: nothing is

    def join(self):
        """bob, on IRC: he is there before a gateway is, and goes with it."""
        end = time.monotonic() + 60
        while True:
            try:
                self.bob = socket.create_connection((HOST, PORT), 10)
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        self.bob.sendall(b'NICK bob\r\nUSER bob 0 * :bob\r\n' + b''.join(b'JOIN %s\r\n' % r.encode() for r in self.rooms))
        self.selector.register(self.bob, selectors.EVENT_READ, self.from_irc)

    def let_in(self):
        self.c = self.listener.accept()[0]
        self.expect(b'<stream:stream')
        self.c.sendall(("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='%s'>" % DOMAIN).encode())
        self.expect(b'</handshake>')
        self.c.sendall(b'<handshake/>')
        self.halves.clear()
        self.handled = 0
        self.selector.register(self.c, selectors.EVENT_READ, self.from_gateway)

    def expect(self, what):
        data = b''
        while what not in data:
            more = self.c.recv(65536)
            assert more, data
            data += more

    def whole(self, sock, ends):
        """What has come, up to the last of `ends`."""
        data = sock.recv(1 << 20)
        assert data, 'a connection has been closed'
        data = self.halves.get(sock, b'') + data
        cut = max(data.rfind(e) + len(e) if e in data else 0 for e in ends)
        self.halves[sock] = data[cut:]
        return data[:cut]

    def from_irc(self, sock):
        data = self.whole(sock, [b'\n'])
        self.said += data.count(b' PRIVMSG ')
        for who in re.findall(rb'^PING ([^\r\n]*)', data, re.M):
            sock.sendall(b'PONG ' + who + b'\r\n')

    def from_gateway(self, sock):
        data, out = self.whole(sock, [b'</message>', b'</presence>', b'</iq>', b'/>']), b''
        # What ends by "/>" may be a part of something that does not end there.
        for name in b'iq', b'presence':
            last = data.rfind(b'<%s ' % name)
            if last >= 0 and b'</%s>' % name not in data[last:] and not re.match(rb'<%s [^>]*/>' % name, data[last:]):
                self.halves[sock], data = data[last:] + self.halves[sock], data[:last]
        self.heard += data.count(b'<body>')
        self.handled += len(re.findall(rb'<(?:message|presence|iq)[ />]', data))
        for stanza in data.split(b'</presence>') if b'110' in data else ():
            if re.search(rb"code=['\"]110", stanza):
                self.inside.add(re.search(rb"to=['\"](u\d+)@", stanza[stanza.rfind(b'<presence'):]).group(1))
        if b"type='error'" in data or b'type="error"' in data:
            self.errors.append(data)
        for iq in re.findall(rb'<iq [^>]*/>|<iq .*?</iq>', data, re.S):
            if re.search(rb"^[^>]* type=['\"](?:get|set)", iq):
                out += self.answer(iq, re.search(rb" id=['\"]([^'\"]*)", iq).group(1))
        if b'<enable ' in data:
            out, self.handled = out + ("<enabled %s/>" % SM).encode(), 0
        if b'<r ' in data:
            out += ("<a %s h='%d'/>" % (SM, self.handled)).encode()
        if out:
            sock.sendall(out)

    def answer(self, iq, id):
        """As chanceryd does; of what it keeps only where it is to be kept (modules/gateway/README.md)."""
        what = self.kept is not None and re.search(rb"<(data|users) [^>]*>", iq)
        if not what:
            return b"<iq type='error' id='%s' from='%s' to='%s'><error type='cancel'/></iq>" % (id, SERVER.encode(), DOMAIN.encode())
        got, inner = {k: v for k, v in re.findall(rb" (\w+)='([^']*)'", what.group(0))}, b''
        if what.group(1) == b'users':
            inner = b"<users xmlns='urn:chancery:gateway:0'/>"
        elif b'prefix' in got:
            found = sorted(k for k in self.kept if k.startswith(got[b'prefix']) and k > got.get(b'after', b''))
            page = found[:int(got[b'max'])]
            inner = b"<data xmlns='urn:chancery:gateway:0' more='%s'>%s</data>" % (
                b'true' if len(found) > len(page) else b'false', b''.join(b"<item key='%s'>%s</item>" % (k, self.kept[k]) for k in page))
        elif b'action' in got:
            self.kept.pop(got[b'key'], None)
        else:
            self.kept[got[b'key']] = re.search(rb'<data [^>]*>(.*)</data>', iq, re.S).group(1)
        return b"<iq type='result' id='%s' from='%s' to='%s'>%s</iq>" % (id, SERVER.encode(), DOMAIN.encode(), inner)

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            key.data(key.fileobj)

    def until(self, done, what):
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end, (what, self.said, self.heard, len(self.inside), self.errors[:2])
            self.pump(0.2)

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(0.1)

    def measure(self, n, say, said=0, heard=0):
        """Messages per second of the gateway's CPU, of ROUNDS of `n`."""
        cpu = wall = 0
        for _ in range(ROUNDS):
            self.rest(10)       # flood protection lets all through again
            self.said = self.heard = 0
            before, began = cpu_of(self.gateway.pid), time.monotonic()
            say()
            self.until(lambda: self.said >= said and self.heard >= heard, 'messages')
            wall += time.monotonic() - began
            self.rest(0.5)
            assert (self.said, self.heard) == (said, heard), (self.said, self.heard, self.errors[:2])
            cpu += cpu_of(self.gateway.pid) - before
        return {'per_cpu_second': n * ROUNDS / cpu, 'us': cpu / n / ROUNDS * 1e6, 'per_second': n * ROUNDS / wall}

    def connections(self):
        """Of clients, at the IRC server; bob's is one of them."""
        with open('/proc/net/tcp') as f:
            local = '%s:%04X' % (''.join('%02X' % int(b) for b in reversed(HOST.split('.'))), PORT)
            return sum(1 for line in f if line.split()[1] == local and line.split()[3] == '01') - 1

    def kill(self):
        self.gateway.p.kill()
        self.gateway.p.wait()
        self.selector.unregister(self.c)
        self.c.close()
        self.inside.clear()

    def stop(self):
        self.kill()
        self.selector.unregister(self.bob)
        self.bob.close()
        while self.connections() > 0:
            time.sleep(0.1)

    def close(self):
        if self.gateway:
            self.gateway.p.kill()
        self.ngircd.kill()
        self.ngircd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Chancery:
    name, at = 'chancery', 'net'

    def __init__(self, w, program, **settings):
        self.p = subprocess.Popen([program, '--settings', '-'], stdin=subprocess.PIPE)
        self.pid = self.p.pid
        settings = {'network': {'networks': {'net': dict(SETTINGS, **settings)}}}
        self.p.stdin.write(json.dumps({'name': 'irc', 'domain': DOMAIN, 'host': SERVER, 'server': '127.0.0.1', 'port': w.listener.getsockname()[1], 'secret': 's',
                                       'log': 'error', 'settings': settings}).encode() + b'\n')
        self.p.stdin.flush()


class Biboumi:
    name, at = 'biboumi', HOST

    def __init__(self, w, program):
        path = lambda name: os.path.join(w.folder, 'biboumi' + name)
        if os.path.exists(path('.sqlite')):
            os.remove(path('.sqlite'))
        with open(path('.cfg'), 'w') as f:
            f.write(BIBOUMI % (DOMAIN, w.listener.getsockname()[1], path('.sqlite'), path('.log')))
        self.p = subprocess.Popen(['biboumi', path('.cfg')], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid, self.path = self.p.pid, path('.sqlite')

    def ready(self, users):
        with sqlite3.connect(self.path) as db:
            db.executemany('insert into globaloptions_ (owner_, maxhistorylength_, recordhistory_, persistent_) values (?, 20, 0, 0)',
                           [('u%d@%s' % (i, SERVER),) for i in range(users)])


class Results(dict):
    """Said as they come."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def __setitem__(self, what, values):
        super().__setitem__(what, values)
        print(self.name, what, *['%s=%.1f' % v for v in values.items()], file=sys.stderr, flush=True)


def user(i):
    return 'u%d@%s/a' % (i, SERVER)


def enter(w, g):
    """Everybody, their rooms."""
    for i in range(w.n):
        w.c.sendall(("<presence from='%s' to='%s%%%s@%s/u%d'>%s</presence>" % (user(i), w.rooms[i // ROOM], g.at, DOMAIN, i, MUC)).encode())
        w.pump(0)
    w.until(lambda: len(w.inside) == w.n, 'entering')


def one(w, g, only=None):
    """Everything about one gateway, or what private messages, or lines heard in rooms, cost."""
    w.gateway, n, r = g, w.n, Results(g.name)
    w.join()
    w.let_in()
    if g.name == 'biboumi':
        g.ready(n)
    w.rest(3)

    def foreign(name):
        return '%s%%%s@%s' % (name, g.at, DOMAIN)

    before, cpu, began = rss_of(g.pid), cpu_of(g.pid), time.monotonic()
    enter(w, g)
    r['enter'] = {'s': time.monotonic() - began, 'cpu_ms_each': (cpu_of(g.pid) - cpu) / n * 1000}
    w.rest(5)
    r['memory'] = {'kib_each': (rss_of(g.pid) - before) / n}
    assert w.connections() >= n, w.connections()

    serial = iter(range(1 << 40))

    def out(to, kind, each):
        for k in range(each):
            for i in range(n):
                m = next(serial)
                w.c.sendall(("<message from='%s' to='%s' type='%s' id='m%d'><body>it is the east, and Juliet is the sun %d</body><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%d'/>"
                             "</message>" % (user(i), to(i), kind, m, k, SERVER, m)).encode())
                if i % 20 == 19:
                    w.pump(0)

    def into(targets, each):
        for k in range(each):
            for i, to in enumerate(targets):
                w.bob.sendall(('PRIVMSG %s :what light through yonder window breaks %d\r\n' % (to, k)).encode())
                if i % 20 == 19:
                    w.pump(0)

    if only != 'rooms':
        r['private, out'] = w.measure(8 * n, lambda: out(lambda i: foreign('bob'), 'chat', 8), said=8 * n)
        r['private, in'] = w.measure(8 * n, lambda: into(['u%d' % i for i in range(n)], 8), heard=8 * n)
    if only == 'private':
        w.stop()
        return r
    # Each is said to the nine others, and reflected.
    r['rooms, out'] = w.measure(4 * n, lambda: out(lambda i: foreign(w.rooms[i // ROOM]), 'groupchat', 4), said=4 * n, heard=4 * n * ROOM)
    r['rooms, in'] = w.measure(40 * len(w.rooms), lambda: into(w.rooms, 40), heard=40 * n)
    w.stop()
    return r


def restart(w, program):
    w.kept = {}
    w.gateway = Chancery(w, program, connect_ms=1, logins=100)
    w.join()
    w.let_in()
    enter(w, w.gateway)
    w.until(lambda: len(w.kept) == w.n, 'keeping')
    w.kill()
    began, seen = time.monotonic(), [0]
    w.gateway = Chancery(w, program)
    w.let_in()
    while w.connections() < w.n or len(w.inside) < w.n:
        assert time.monotonic() < began + SECONDS, (seen, len(w.inside))
        w.rest(1)
        seen.append(w.connections())
    steps = [b - a for a, b in zip(seen, seen[1:])]
    print('killed with %d in their rooms: all connected and in their rooms again after %.0f s; between two looks, %.1f s apart, %d connections at most, median %.0f' % (
        w.n, time.monotonic() - began, (time.monotonic() - began) / len(steps), max(steps), statistics.median(steps)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--gateway', default='build/bin/chancery-gateway-irc')
    p.add_argument('--users', type=int, default=1000)
    p.add_argument('--runs', type=int, default=3)
    p.add_argument('--only', choices=['chancery', 'biboumi'])
    p.add_argument('--private', dest='messages', action='store_const', const='private', help='only private messages')
    p.add_argument('--rooms', dest='messages', action='store_const', const='rooms', help='only messages in rooms')
    p.add_argument('--restart', action='store_true')
    o = p.parse_args()
    w, found = World(o.users), []
    try:
        if o.restart:
            restart(w, o.gateway)
            return
        for _ in range(o.runs):
            if o.only in (None, 'chancery'):
                found.append(('chancery', one(w, Chancery(w, o.gateway, connect_ms=1, logins=100), o.messages)))
            if o.only in (None, 'biboumi'):
                found.append(('biboumi', one(w, Biboumi(w, None), o.messages)))
        for what in found[0][1]:
            for unit in found[0][1][what]:
                print('%-14s %-16s' % (what, unit) + ''.join('  %s %.1f' % (name, statistics.median(r[what][unit] for k, r in found if k == name))
                                                           for name in dict(found)))
    finally:
        w.close()


if __name__ == '__main__':
    main()

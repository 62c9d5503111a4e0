"""IRC for networks.py, with ngircd. IRC acknowledges nothing: PONG says that the server of IRC has seen what was said before, and not that anybody has it.

Besides, all are in a channel, where those of IRC say `h WHO SEQ`: who of ours is there hears all of it, also what is said while the archive is away.
"""
import random
import select
import socket
import time

import networks
from behaviours import codes
from chancerytest.client import PATIENCE
from test_irc import Driver, missing  # noqa: F401 (for who runs this)


HALL = '#hall'
JOIN_AGAIN = 1


class Here(networks.Here):
    joined, tried = False, 0

    def begun(self):
        self.joined, self.tried = False, 0
        return super().begun()

    def turn(self):
        if not self.joined and time.time() - self.tried > JOIN_AGAIN:
            self.tried = time.time()
            self.unacked.append(None)
            self.line.send("<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % (self.bridge.hall, self.name))

    def hear(self, e):
        super().hear(e)
        if e.name == 'presence' and e.get('from', '').startswith(self.bridge.hall) and (e.get('type') == 'error' or '110' in codes(e)):
            self.joined = not e.get('type')
            if self.joined:
                self.bridge.in_hall.add(self.n)
        body = e.text('body') if e.name == 'message' else None
        if body and body[:2] == 'h ':
            self.bridge.advance('h', (self.n, int(body.split()[1])), int(body.split()[2]))


class There(networks.There):
    hall = 0

    def next(self):
        if not self.open and self.net.is_hall_open() and random.random() < self.net.pace / 4:
            self.hall += 1
            self.open = 'h', self.n, self.hall
            self.net.hall_said[self.n, self.hall] = time.time()
            return 'h %d %d' % (self.n, self.hall)
        return super().next()

    def accepted(self):
        if self.open[0] != 'h':
            super().accepted()
            return
        self.net.hall_accepted.add(self.open[1:])
        self.open = None

    def left(self):
        super().left()
        self.sock.close()

    def live(self):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        self.sock.connect(('127.0.0.1', self.net.driver.port))
        self.rest, self.token = b'', 0
        self.raw('NICK n%d' % self.n, 'USER n%d 0 * :n' % self.n)
        while True:
            for words in self.lines(0.02):
                self.hear(words)
            text = self.next() if self.ready else None
            if text:
                self.token += 1
                self.raw('PRIVMSG %s :%s' % (HALL if text[0] == 'h' else self.net.name_of(self.n), text), 'PING :t%d' % self.token)
            if self.net.ended.is_set():
                return

    def raw(self, *lines):
        self.sock.sendall(''.join(line + '\r\n' for line in lines).encode())

    def lines(self, seconds):
        """What has come: [source, command, parameters…] each."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return
        more = self.sock.recv(65536)
        if not more:
            raise EOFError
        *lines, self.rest = (self.rest + more).split(b'\n')
        for line in lines:
            head, colon, tail = line.decode().rstrip('\r').partition(' :')
            words = head.split(' ') + ([tail] if colon else [])
            yield words if words[0].startswith(':') else ['', *words]

    def hear(self, words):
        if words[1] == 'PING':
            self.raw('PONG :' + words[-1])
        elif words[1] in ('376', '422'):
            self.raw('JOIN ' + HALL)
            self.ready = True
        elif words[1] == '433':
            raise EOFError
        elif words[1] == 'PRIVMSG' and words[2] == 'n%d' % self.n:
            self.net.note_heard(words[-1])
        elif words[1] == '401' and self.open:
            self.refused()
        elif words[1] == 'PONG' and words[-1] == 't%d' % self.token and self.open:
            self.accepted()


class Irc(networks.Network):
    driver_class, here, there, source, people = Driver, Here, There, 12, 4
    # What was said when a connection broke is said again with the next one; what its server had not passed on, when it was killed, nobody has.
    twice_out, lost_out = ('program', 'stop', 'network'), ('network',)
    # What the program had read and chanceryd had not acknowledged is gone with the program; what was on its way to the program, with the connection.
    twice_in, lost_in = ('stream', 'server', 'program'), ('program', 'stop', 'network')
    # Who is here loses their session with the server, and enters again.
    lost_hall = 'program', 'stop', 'network', 'server'

    def __init__(self, server):
        self.in_hall, self.hall_said, self.hall_accepted = set(), {}, set()
        super().__init__(server)

    @property
    def hall(self):
        return '%s%%verona@%s' % (HALL, self.domain)

    def is_hall_open(self):
        return len(self.in_hall) == self.people and not self.paused.is_set()

    def goal(self):
        halls = {('h', (i, s.n)): s.hall for s in self.sides if isinstance(s, There) for i in range(self.people)}
        return {**super().goal(), **halls}

    def shown_in_hall(self):
        """((who, said by, number), sight)"""
        return [((s.who, *map(int, s.body.split()[1:])), s) for s in list(self.shown) if (s.body or '')[:2] == 'h ']

    def missing(self):
        left = super().missing()
        last = {n: max((seq for m, seq in self.hall_accepted if m == n), default=0) for n in range(self.people)}
        return left or [(i, n) for i in range(self.people) for n in last if self.last['h', (i, n)] < last[n]]

    def check_more(self):
        rows = self.server.psql("select id, body, extract(epoch from pg_xact_commit_timestamp(xmin)) from archive.record where from_bare = '%s' and body like 'h %%'" % self.hall)
        record, shown = {id: (body, float(at)) for id, body, at in rows}, self.shown_in_hall()
        self.few('shown in the channel, not in the record before (P1)',
                 {s for _, s in shown if s.id not in record or record[s.id][0] != s.body or record[s.id][1] > s.time + networks.CLOCK})
        said = sorted((at, w) for w, at in self.hall_said.items() if w in self.hall_accepted)
        self.few('said in the channel, not shown to who is there (P2)',
                 self.unexplained([((i, w[0]), (i, *w), at) for at, w in said for i in range(self.people)], {k for k, _ in shown}, self.lost_hall))
        self.few('shown twice in the channel', self.doubles([(k, s.time) for k, s in shown], self.twice_in))
        if not said:
            self.fault('nobody has said anything in the channel')
        aside = self.aside(self.hall_said)
        self.check_order('shown in the channel', [(('h', k[:2], k[2]), k) for k, _ in shown if k[1:] not in aside])
        print('    %s: channel: said %d, accepted %d, shown %d (of %d)' % (
            self.driver.kind, len(self.hall_said), len(said), len({k for k, _ in shown}), len(said) * self.people), flush=True)

    def peer(self, n):
        return 'n%d%%verona@%s' % (n, self.domain)

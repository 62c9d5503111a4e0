"""People who talk to those of a network (Talk), and a gateway and the network behind it as the server sees them (Bridge): a component whose messages are kept (`--down keep`), which acknowledges (XEP-0198) only what
its network has taken, in order; people here who write to that network, and people there who write back. A thread for the program and for each person.

The network outlives the program: what it has taken stays, and what it has said it offers again until the program has confirmed that the server has it. A
program that is killed forgets the rest. Within a life it knows what it has handed on already.

    P1  what the network was given, and what people here were shown, is in the record; the latter under the stanza-id that came with it
    P2  what a person's client, or the program, was acknowledged, is in the record, or its sender got an error for it
        what is in the record reached the network, or the person, in the end, unless it was returned
    P8  first arrivals are in the order of saying, both ways; so is the record
        nothing comes twice on one stream, and nothing is recorded more often than it was said
"""
import collections
import json
import random
import ssl
import threading
import time

from chancerytest.again import Broken
from chancerytest.client import Client, Closed
from chancerytest.component import Component
from world import SLOW

WINDOW, RETRY = 6, 0.1
SM = 'urn:xmpp:sm:3'
RETURNED = 7
GONE = Closed, OSError, ssl.SSLError, AttributeError    # the last: cut from outside meanwhile


class Taken(collections.namedtuple('Taken', 'time life stream body')):
    """What the network was given."""


class Shown(collections.namedtuple('Shown', 'time who inst id body')):
    """What a person's client was given."""


class Side(threading.Thread):
    """One who says numbered things on a stream, and says again on the next what was not confirmed."""

    def __init__(self, bridge):
        super().__init__(daemon=True)
        self.bridge, self.line, self.ready = bridge, None, False
        self.unacked, self.streams, self.seq = [], 0, 0     # None in unacked: something else that counts

    def run(self):
        while not self.bridge.ended.is_set():
            try:
                self.live()
            except GONE:
                pass
            except AssertionError as e:
                self.bridge.fault('%s: %s' % (self.name, str(e)[:500]))
            self.ready = False
            if self.line:
                self.hear_all()     # what came before the connection broke has arrived
                self.line.cut()
            self.bridge.ended.wait(RETRY)

    def live(self):
        self.connect()
        self.asked, self.h, self.streams = False, 0, self.streams + 1
        again, self.unacked = self.unacked, self.begun()
        self.ready = True
        for i, what in enumerate(again):
            if what:
                try:
                    self.say(what)
                except GONE:
                    self.unacked += [w for w in again[i + 1:] if w]
                    raise
        self.work()

    def begun(self):
        return []

    def hear_all(self):
        heard, self.line.heard = self.line.heard, []
        for e in heard:
            self.hear(e)

    def is_inclined(self):
        return random.random() < 0.4

    def work(self):
        c = self.line
        while not self.bridge.ended.is_set():
            if not self.bridge.paused.is_set() and len(self.unacked) < WINDOW and self.is_inclined():
                self.say(self.next())
            if self.unacked and not self.asked:
                self.asked, self.answers = True, c.sm_answers
                c.send("<r xmlns='%s'/>" % SM)
            c._pump(time.monotonic() + 0.02)
            self.hear_all()
            if c.sm_answers:
                self.confirmed(c.sm_acked)
                self.asked = self.asked and c.sm_answers == self.answers
            self.turn()
            if c.ended or c.eof:
                return

    def confirmed(self, h):
        n = (h - self.h) & 0xffffffff
        if n > len(self.unacked):
            self.bridge.fault('%s: the server confirms %d of %d' % (self.name, n, len(self.unacked)))
        for what in filter(None, self.unacked[:n]):
            self.bridge.note_confirmed(what)
        del self.unacked[:n]
        self.h = h

    def turn(self):
        pass


class Person(Side):
    """Of this server: says `o WHO SEQ INST`, INST being the session."""

    def __init__(self, bridge, n):
        super().__init__(bridge)
        self.n, self.name = n, bridge.name_of(n)

    def connect(self):
        c = Client(self.bridge.server, self.name, 'pw-' + self.name, source='127.%d.%d.2' % (self.bridge.source, self.n))
        self.line = c
        c.secure(direct=True)
        failure = c.auth('SCRAM-SHA-256')
        if failure in ('temporary-auth-failure', 'internal-server-error', 'resource-constraint'):
            raise OSError(failure)
        assert failure is None, failure
        c.open().expect_features()
        if not c.bind() or c.enable().name != 'enabled':
            raise OSError('not now')

    def begun(self):
        self.line.send('<presence/>')
        return [None]

    def next(self):
        self.seq += 1
        return 'o', self.n, self.seq, None

    def say(self, what):
        what = (*what[:3], self.streams)
        self.unacked.append(what)
        self.bridge.note_said(what)
        self.line.send("<message to='%s' type='chat' id='%d-%d'><body>o %d %d %d</body></message>"
                       % (self.bridge.peer(self.n), what[2], what[3], *what[1:]))

    def hear(self, e):
        if e.name != 'message':
            return
        if e.get('type') == 'error':
            seq, inst = map(int, e.get('id').split('-'))
            self.bridge.errors[('o', self.n, seq, inst)] = e.condition()
        else:
            id = e.find('sid:stanza-id')
            self.bridge.shown.append(Shown(time.time(), self.n, self.streams, id.get('id') if id is not None else None, e.text('body')))


class Program(Side):
    """The gateway: hands on what comes, at the network's pace, and offers `g WHO SEQ` to each person."""

    name = 'gateway'

    def __init__(self, bridge):
        super().__init__(bridge)
        self.life, self.given, self.queue = 1, set(), collections.deque()
        self.seqs = collections.Counter()
        self.die = threading.Event()

    def connect(self):
        if self.die.is_set():
            self.die.clear()
            self.life += 1
            self.given.clear()
        self.queue.clear()
        self.told = 0
        self.on_this = set()
        c = Component(self.bridge.server, self.bridge.domain, secret=self.bridge.secret)
        self.line = c
        c.joined()
        c.send("<enable xmlns='%s'/>" % SM)
        self.due, c.ack = False, self.is_asked
        names = c._wait(lambda: [e.name for e in c.heard] if any(e.name == 'enabled' for e in c.heard) else None, '<enabled/>')
        # What came before is confirmed by the first answer: it is not given before that.
        self.handled = -names.index('enabled')

    def is_asked(self):
        self.due = True

    def next(self):
        who = random.randrange(self.bridge.people)
        self.seqs[who] += 1
        return 'g', who, self.seqs[who]

    def say(self, what):
        self.unacked.append(what)
        self.bridge.note_said(what)
        self.line.send("<message from='%s' to='%s@%s' type='chat' id='g-%d-%d'><body>g %d %d</body></message>"
                       % (self.bridge.peer(what[1]), self.bridge.name_of(what[1]), self.bridge.server.domain, *what[1:], *what[1:]))

    def hear(self, e):
        if e.name not in ('message', 'presence', 'iq'):
            return
        if e.name == 'message' and e.get('type') == 'error':
            _, who, seq = e.get('id').split('-')
            self.bridge.errors['g', int(who), int(seq)] = e.condition()
        self.queue.append(e)

    def turn(self):
        # A few at a time: the network is slower than the stream.
        for _ in range(min(4, len(self.queue))):
            e = self.queue.popleft()
            if e.name == 'message' and e.get('type') != 'error' and e.text('body'):
                self.hand_on(e)
            self.handled += 1
        if self.die.is_set() or self.line is None:
            raise OSError('killed')
        if self.due and self.handled >= 0 and (self.handled != self.told or not self.queue):
            self.due, self.told = False, self.handled
            self.line.send("<a xmlns='%s' h='%d'/>" % (SM, self.handled))

    def hand_on(self, e):
        body = e.text('body')
        if body in self.on_this:
            self.bridge.fault('%s came twice on one stream' % e)
        self.on_this.add(body)
        if body not in self.given:
            self.given.add(body)
            self.bridge.taken.append(Taken(time.time(), self.life, self.streams, body))

    def kill(self):
        """kill -9: what it had not handed on is forgotten, and so is what it had."""
        self.die.set()
        self.cut()

    def cut(self):
        try:
            self.line.cut()
        except GONE:
            pass


class Talk:
    """What people of the server and those of a network say to each other, a pair for each number."""

    source, prefix = 11, 'p'    # of the people's addresses (127.SOURCE.…), and of their names

    def __init__(self, server, domain, people):
        self.server, self.domain, self.people = server, domain, people
        self.ended, self.paused, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self.faults, self.errors, self.taken, self.shown = [], {}, [], []
        self.said, self.acknowledged = collections.Counter(), set()
        server.add_users([(self.name_of(i), 'pw-' + self.name_of(i)) for i in range(people)])

    def name_of(self, n):
        return '%s%d' % (self.prefix, n)

    def peer(self, n):
        """Whom person n talks to."""
        return 'n%d@%s' % (n, self.domain)

    def fault(self, text):
        with self.lock:
            if len(self.faults) < 20:
                self.faults.append(text)

    def note_said(self, what):
        with self.lock:
            self.said[what] += 1

    def note_confirmed(self, what):
        with self.lock:
            self.acknowledged.add(what)

    def few(self, what, items):
        items = sorted(items, key=str)
        if items:
            self.fault('%d %s: %s' % (len(items), what, ', '.join(map(str, items[:5]))))

    @staticmethod
    def words(body):
        way, *numbers = body.split()
        return (way, *map(int, numbers))

    def check_order(self, what, items):
        """Of what is new: after a loss the same comes again, in a later session of its sender or with the same id."""
        last, seen = collections.defaultdict(int), set()
        for (way, who, seq, *_), id in items:
            if id in seen or (way, who, seq) in seen:
                continue
            seen |= {id, (way, who, seq)}
            if seq < last[way, who]:
                self.fault('P8: %s: %s %d: %d came after %d' % (what, way, who, seq, last[way, who]))
            last[way, who] = seq

    def end(self):
        self.ended.set()
        for s in self.sides:
            s.join(30)


class Bridge(Talk):
    def __init__(self, server, people=6):
        super().__init__(server, 'net.' + server.domain, people)
        code, out, err = server.cli('--json', 'component', 'add', 'net', self.domain, '--down', 'keep')
        assert code == 0, err
        self.secret = json.loads(out.splitlines()[0])['secret']
        self.program = Program(self)
        self.sides = [self.program] + [Person(self, i) for i in range(people)]
        for s in self.sides:
            s.start()

    # -- waiting -------------------------------------------------------------------------------------------

    def wait(self, check, what, timeout=90):
        try:
            self.server.wait(check, what, timeout * SLOW)
        except AssertionError as e:
            state = ['%s ready=%s unacked=%s' % (s.name, s.ready, s.unacked[:4]) for s in self.sides]
            raise (Broken if self.faults else AssertionError)('\n'.join([str(e), 'taken %d shown %d' % (len(self.taken), len(self.shown))] + self.faults + state)) from None

    def progress(self, n=40):
        """So many more have gone each way, and come to their end."""
        taken, shown = len(self.taken) + n, len(self.shown) + n
        self.wait(lambda: len(self.taken) >= taken and len(self.shown) >= shown, 'traffic both ways')

    def settle(self):
        self.paused.set()
        self.wait(lambda: all(s.ready and not s.unacked for s in self.sides), 'everything to be acknowledged')
        self.wait(lambda: not self.missing(), 'everything to come')

    def missing(self):
        self.read()
        given, shown = {t.body for t in self.taken}, {s.id for s in self.shown}
        return [i for i, b in self.record.items() if i not in self.returned and b not in given and i not in shown]

    # -- the promises --------------------------------------------------------------------------------------

    def read(self):
        self.record, self.returned = {}, set()
        rows = self.server.psql("select id, kind, coalesce(refers_record, 0), coalesce(body, '') from archive.record order by id")
        for id, kind, refers, body in rows:
            if int(kind) == RETURNED:
                self.returned.add(refers)
            elif body[:2] in ('o ', 'g '):
                self.record[id] = body

    def verify(self):
        self.settle()
        self.read()
        bodies = set(self.record.values())
        self.few('given to the network, not in the record (P1)', {t for t in self.taken if t.body not in bodies})
        self.few('shown, not in the record (P1)', {s for s in self.shown if self.record.get(s.id) != s.body})
        kept = collections.Counter(self.words(b) for i, b in self.record.items() if i not in self.returned)
        self.few('acknowledged, neither recorded nor returned (P2)', self.acknowledged - set(kept) - set(self.errors))
        # Not of what was said twice: one may have been recorded, and the other not.
        self.few('returned to the sender, but the record stands', {w for w in self.errors if w in kept and self.said[w] == 1})
        self.few('recorded more often than said', {w for w, n in kept.items() if n > self.said[w]})
        self.few('said, never acknowledged', {w[:3] for w in self.said} - {w[:3] for w in self.acknowledged})
        self.few('returned, and given to the network all the same', 
                 {self.record.get(i) for i in self.returned} & {t.body for t in self.taken})
        self.check_order('given', [(self.words(t.body), t.body) for t in self.taken])
        self.check_order('shown', [(self.words(s.body), s.id) for s in self.shown])
        self.check_order('recorded', [(self.words(b), i) for i, b in self.record.items()])
        self.faults += self.server.sanitizer_reports()
        out, into = {t.body for t in self.taken}, {s.id for s in self.shown}
        print('    out: recorded %d, given %d (again: %d, in %d lives, %d streams); in: recorded %d, shown %d (again: %d); returned %d' % (
            sum(b[0] == 'o' for b in self.record.values()), len(out), len(self.taken) - len(out), self.program.life, self.program.streams,
            sum(b[0] == 'g' for b in self.record.values()), len(into), len(self.shown) - len(into), len(self.errors)), flush=True)
        if self.faults:
            raise Broken('\n'.join(self.faults))

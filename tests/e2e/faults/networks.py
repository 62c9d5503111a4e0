"""Real gateway programs between the real server and real servers of their networks, killed, stopped and cut while people talk; what each network is, net_*.py say.

Whoever was told that something is taken has to find it again at its end, and at any moment what was heard was in the record before:

    P1  what was heard at the network, and what people here were shown, had been committed by then
    P2  what a person's client was acknowledged is in the record, or came back to it as an error
        what is in the record was heard at the network (or shown), or came back
        what a network was told is accepted is in the record
    P8  first arrivals are in the order of saying, both ways, where the network keeps order

What a network cannot promise is allowed where a fault of the kind that its class names fell between the message and what came before and behind it: that something
comes twice (twice_out, twice_in), that it is lost (lost_out, lost_in), and that it is heard and its sender is told that it was not (both_out).
"""
import collections
import datetime
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

from bridge import RETURNED, Person, Talk
from chancerytest.again import Broken, crashed
from chancerytest.scenario import Scenario
from world import HERE, SLOW

sys.path += [os.path.join(os.path.dirname(HERE), name) for name in ('gateways', 'interop')]
from proxy import Proxy  # noqa: E402

BACKLOG = 12            # of what one has said, and nobody has heard, above which they say little
CLOCK = 0.03            # by which the times of files lag behind
LATE = 15               # by which a thread may be late to note what it heard


class Heard(collections.namedtuple('Heard', 'time body')):
    """What somebody at the network was told."""


class Fault(collections.namedtuple('Fault', 'what begin end')):
    """program, network, stream, server, database."""


class Row(collections.namedtuple('Row', 'id body client_id time')):
    """Of the record, with the time of its commit."""


def tree(pid):
    """A process and all below it."""
    found, below = [pid], collections.defaultdict(list)
    for p in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % p) as f:
                below[int(f.read().rsplit(')', 1)[1].split()[1])].append(int(p))
        except OSError:
            pass
    for p in found:
        found += below[p]
    return found


def send(pids, number):
    for p in pids:
        try:
            os.kill(p, number)
        except ProcessLookupError:
            pass


class Here(Person):
    """Somebody of this server. Whoever is present to a gateway uses it."""

    def begun(self):
        self.line.send("<presence/><presence to='%s'/>" % self.bridge.domain)
        return [None, None]

    def is_inclined(self):
        return self.bridge.is_inclined('o', self.n, self.seq)

    def hear(self, e):
        super().hear(e)
        body = e.text('body') if e.name == 'message' else None
        if body and body[:2] == 'g ':
            self.bridge.advance(*Talk.words(body))


class There(threading.Thread):
    """Somebody at the network: live() is one connection of theirs, until it breaks."""

    def __init__(self, net, n):
        super().__init__(daemon=True)
        self.net, self.n, self.seq, self.ready, self.open = net, n, 0, False, None

    def run(self):
        while not self.net.ended.is_set():
            try:
                self.live()
            except (OSError, EOFError):
                pass
            except Exception as e:     # a thread that ends in silence would look like one that hears nothing
                self.net.fault('%s: %s %s' % (self, type(e).__name__, str(e)[:500]))
            self.ready = False
            self.left()
            self.net.ended.wait(0.1)

    def left(self):
        """The connection is gone: whether what is open was accepted is not known."""
        self.open = None

    def next(self):
        """What is to be said now: self.open, or None. One at a time."""
        if self.open or self.net.paused.is_set() or not self.net.is_inclined('g', self.n, self.seq):
            return None
        self.seq += 1
        self.open = 'g', self.n, self.seq
        self.net.note_there(self.open)
        return 'g %d %d' % (self.n, self.seq)

    def accepted(self):
        self.net.accepted.add(self.open)
        self.open = None

    def refused(self):
        self.net.refused += 1
        self.open = None


class Network(Talk):
    people, pace, ordered = 3, 0.1, True
    twice_out = twice_in = lost_out = lost_in = both_out = ()
    ids_in = True       # what the network says has an id
    here, there = Here, There
    limits = {'send_seconds': 600}

    def __init__(self, server):
        self.scenario = t = Scenario(server)
        self.driver = driver = self.driver_class(t)
        self.prefix = driver.kind[0]
        self.driver.start_server()
        super().__init__(server, '%s.%s' % (driver.kind, server.domain), self.people)
        self.heard, self.accepted, self.said_at, self.refused = [], set(), {}, 0
        self.last = collections.Counter()   # (way, who): the highest that was heard
        self.happened, self.codes = [], []
        self.cli('gateway', 'add', driver.kind, 'test', self.domain, '--settings', '-', stdin=json.dumps({'limits': self.limits, 'network': self.settings()}))
        self.cli('gateway', 'allow', driver.kind, 'everyone', '--right', 'send', '--right', 'receive', '--right', 'join')
        self.secret = server.value("select secret from chancery.component where name = '%s'" % driver.kind)
        self.proxy = Proxy(t, port=server.port_component)
        self.program = None
        self.start_program()
        self.sides = [self.here(self, i) for i in range(self.people)] + [self.there(self, i) for i in range(self.people)]
        for s in self.sides:
            s.start()

    def cli(self, *args, stdin=''):
        code, out, err = self.server.cli(*args, stdin=stdin)
        assert code == 0, (args, err)

    def settings(self):
        return self.driver.network()

    def is_inclined(self, way, who, seq):
        return random.random() < (self.pace if seq - self.last[way, who] < BACKLOG else self.pace / 20)

    def note_there(self, what):
        with self.lock:
            self.said_at[what] = time.time()

    def note_heard(self, body, at=None):
        """A person at the network has it."""
        if body[:2] != 'o ':
            return
        way, who, seq, _ = self.words(body)
        with self.lock:
            self.heard.append(Heard(at or time.time(), body))
        self.advance(way, who, seq)

    def advance(self, way, who, seq):
        with self.lock:
            self.last[way, who] = max(self.last[way, who], seq)

    def read_here(self):
        """What people of ours were shown that somebody at the network said, and not the gateway itself."""
        return [s for s in list(self.shown) if (s.body or '')[:2] == 'g ']

    # -- the program -----------------------------------------------------------------------------------------

    def start_program(self):
        """As chanceryd does: one line on standard input, which stays open."""
        with open(os.path.join(self.driver.folder, 'gateway.log'), 'a') as log:
            self.program = subprocess.Popen([self.driver.program, '--settings', '-'], stdin=subprocess.PIPE, stderr=log)
        line = {'name': self.driver.kind, 'domain': self.domain, 'host': self.server.domain, 'server': '127.0.0.1', 'port': self.proxy.port, 'secret': self.secret, 'log': 'debug'}
        self.program.stdin.write(json.dumps(line).encode() + b'\n')
        self.program.stdin.flush()

    def end_program(self, how):
        self.program.send_signal(how)
        self.program.stdin.close()
        code = self.program.wait(120)
        if how == signal.SIGTERM and code or crashed(self.program):
            self.fault('the program ended with %d' % code)

    def log(self):
        with open(os.path.join(self.driver.folder, 'gateway.log'), errors='replace') as f:
            return f.read()

    # -- what may happen to it --------------------------------------------------------------------------------

    def noted(self, what, begin):
        self.happened.append(Fault(what, begin, time.time()))

    def kill_program(self):
        begin = time.time()
        self.end_program(signal.SIGKILL)
        time.sleep(random.uniform(0, 1))
        self.start_program()
        self.noted('program', begin)

    def stop_program(self):
        begin = time.time()
        self.end_program(signal.SIGTERM)
        self.start_program()
        self.noted('stop', begin)

    def freeze_program(self):
        self.program.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.1, 2))
        self.program.send_signal(signal.SIGCONT)

    def is_connected(self):
        code, out, err = self.server.cli('--json', 'gateway', 'show', self.driver.kind)
        assert code == 0, err
        return json.loads(out)['connected']

    def hang_program(self):
        """Until chanceryd makes an end of its stream (gateways.silence); who starts programs kills it then."""
        begin = time.time()
        self.program.send_signal(signal.SIGSTOP)
        self.wait(lambda: not self.is_connected(), 'the end of its stream')
        self.end_program(signal.SIGKILL)
        self.start_program()
        self.noted('program', begin)

    def cut_stream(self):
        begin = time.time()
        for _ in range(random.choice((1, 1, 3))):
            self.proxy.cut()
            time.sleep(random.uniform(0, 0.3))
        self.noted('stream', begin)

    def kill_network(self):
        begin = time.time()
        pids = self.network_pids()
        # What is being forked meanwhile is found as well.
        while set(pids) != set(more := self.network_pids()):
            pids = more
        send(pids, signal.SIGSTOP)
        send(self.network_pids(), signal.SIGKILL)
        self.network_killed()
        time.sleep(random.uniform(0, 1))
        self.driver.start_server()
        self.noted('network', begin)

    def network_pids(self):
        return tree(self.driver.process.pid)

    def network_killed(self):
        self.driver.process.wait()

    def freeze_network(self):
        pids = self.network_pids()
        send(pids, signal.SIGSTOP)
        time.sleep(random.uniform(0.1, 2))
        send(pids, signal.SIGCONT)

    # -- waiting -------------------------------------------------------------------------------------------

    def wait(self, check, what, timeout=120):
        try:
            self.server.wait(check, what, timeout * SLOW)
        except AssertionError as e:
            self.check_log()
            state = ['%s %d ready=%s %s' % (type(s).__name__, s.n, s.ready, s.unacked[:4] if isinstance(s, Here) else s.open) for s in self.sides]
            raise (Broken if self.faults else AssertionError)('\n'.join(['%s: %s' % (self.driver.kind, e), 'heard %d shown %d %s' % (len(self.heard), len(self.shown), dict(self.last))] +
                                           self.faults + state + [self.log()[-3000:]])) from None

    def progress(self, n=6):
        heard, shown = len(self.heard) + n, len(self.shown) + n
        self.wait(lambda: len(self.heard) >= heard and len(self.shown) >= shown, 'traffic both ways')

    def goal(self):
        return {('o' if isinstance(s, Here) else 'g', s.n): s.seq for s in self.sides}

    def settle(self):
        """Everybody is heard once more, then there is quiet, and all that is to come has come."""
        goal = self.goal()
        self.wait(lambda: all(self.last[k] > seq for k, seq in goal.items()), 'everybody to be heard again')
        self.paused.set()
        self.wait(lambda: all(s.ready and not (s.unacked if isinstance(s, Here) else s.open) for s in self.sides), 'everything to be acknowledged')
        self.wait(lambda: not self.missing(), 'everything to come')

    def missing(self):
        """What is in the record, or accepted by the network, and may still come to its end."""
        self.read()
        heard, shown = {h.body for h in self.heard}, {s.id for s in self.shown}
        left = [r for r in self.rows if r.id not in self.returned and not (r.id in shown if r.body[0] == 'g' else r.body in heard or self.words(r.body) in self.errors)]
        if self.ordered:
            last = {self.words(r.body)[:2]: r.id for r in self.rows if r.body in heard}
            left = [r for r in left if r.body[0] == 'g' or r.id > last.get(self.words(r.body)[:2], '')]
        return left + ([] if self.lost_in else list(self.accepted - self.recorded()))

    # -- the promises --------------------------------------------------------------------------------------

    def read(self):
        self.rows, self.returned = [], set()
        found = self.server.psql("select id, kind, coalesce(refers_record, 0), coalesce(body, ''), coalesce(client_id, ''), extract(epoch from pg_xact_commit_timestamp(xmin))"
                                 " from archive.record where from_bare like '%%@%s' or to_bare like '%%@%s' order by id" % (self.domain, self.domain))
        for id, kind, refers, body, client_id, at in found:
            if int(kind) == RETURNED:
                self.returned.add(refers)
            elif body[:2] in ('o ', 'g '):
                self.rows.append(Row(id, body, client_id, float(at)))

    def recorded(self):
        return {self.words(r.body) for r in self.rows if r.id not in self.returned}

    def fell(self, kinds, begin, end):
        return any(f.what in kinds and f.begin < end and begin < f.end for f in self.happened)

    def unexplained(self, items, came, kinds):
        """items: (who, what, time) in order; those that have not come, without a fault of these kinds between what came before and behind them."""
        found, before, gap = [], {}, collections.defaultdict(list)
        for who, what, at in items + [(who, None, time.time()) for who in {i[0] for i in items}]:
            if what and what not in came:
                gap[who].append(what)
                continue
            if gap[who] and not self.fell(kinds, before.get(who, 0), at + LATE):
                found += gap[who]
            gap[who], before[who] = [], at
        return found

    def doubles(self, items, kinds):
        """items: (what, time). Those that came again without such a fault since."""
        last, found = {}, []
        for what, at in sorted(items, key=lambda i: i[1]):
            if what in last and not self.fell(kinds, last[what] - LATE, at):
                found.append((what, last[what], at))
            last[what] = at
        return found

    def verify(self):
        self.settle()
        self.read()
        self.check_before()
        self.check_out()
        self.check_in()
        self.check_more()
        self.check_programs()
        heard, bodies = {h.body for h in self.heard}, collections.Counter(r.body for r in self.rows)
        out, into = [r for r in self.rows if r.body[0] == 'o'], [r for r in self.rows if r.body[0] == 'g']
        print('    %s: out: recorded %d, heard %d (again: %d), returned %d, lost %d; in: said %d, accepted %d, refused %d, recorded %d (again: %d), lost %d, shown %d' % (
            self.driver.kind, len(out), len(heard), len(self.heard) - len(heard), len(self.errors), len(set(self.lost)), len(self.said_at), len(self.accepted), self.refused,
            len(into), len(into) - sum(b[0] == 'g' for b in bodies), len(self.accepted - self.recorded()), len({s.id for s in self.shown})), flush=True)
        if self.faults:
            raise Broken('\n'.join([self.driver.kind] + self.faults + [str(f) for f in self.happened]))

    def check_before(self):
        times, record = {}, {r.id: r for r in self.rows}
        for r in self.rows:
            times[r.body] = min(r.time, times.get(r.body, r.time))
        self.few('heard, not in the record before (P1)', {h for h in self.heard if times.get(h.body, h.time + 1) > h.time + CLOCK})
        self.few('shown, not in the record before (P1)',
                 {s for s in self.read_here() if s.id not in record or record[s.id].body != s.body or record[s.id].time > s.time + CLOCK})

    def check_out(self):
        out = [r for r in self.rows if r.body[0] == 'o' and r.id not in self.returned]
        kept, heard = {self.words(r.body) for r in out}, {h.body: h.time for h in reversed(self.heard)}
        self.few('acknowledged, neither recorded nor returned (P2)', self.acknowledged - kept - set(self.errors))
        self.few('recorded more often than said', {b for b, n in collections.Counter(r.body for r in out).items() if n > 1})
        came = set(heard) | {r.body for r in out if self.words(r.body) in self.errors}
        self.lost = [r.body for r in out if r.body not in came]
        self.few('recorded, neither heard at the network nor returned (P2)',
                 self.unexplained([(self.words(r.body)[1], r.body, heard.get(r.body, r.time)) for r in out], came, self.lost_out))
        self.few('returned, and heard all the same', {b for b, at in heard.items() if self.words(b) in self.errors and not self.fell(self.both_out, at - LATE, at + LATE)})
        self.few('heard twice', self.doubles([(h.body, h.time) for h in self.heard], self.twice_out))
        if self.ordered:
            self.check_order('heard', [(self.words(h.body), h.body) for h in self.heard])
        self.check_order('recorded', [(self.words(r.body), r.id) for r in out])

    def check_in(self):
        into = [r for r in self.rows if r.body[0] == 'g' and r.id not in self.returned]
        recorded, shown = {self.words(r.body) for r in into}, {s.id for s in self.shown}
        said = [(w[1], w, at) for w, at in sorted(self.said_at.items(), key=lambda i: i[1]) if w in self.accepted or w in recorded]
        self.few('accepted, not in the record (P2)', self.unexplained(said, recorded, self.lost_in))
        self.few('recorded, never said', recorded - set(self.said_at))
        self.few('recorded, not shown (P2)', {r for r in into if r.id not in shown})
        self.few('recorded twice', self.doubles([(r.body, r.time) for r in into], self.twice_in))
        ids = collections.defaultdict(set)
        for r in into:
            ids[r.body].add(r.client_id)
        if self.ids_in:
            self.few('recorded twice, under ids by which no client knows it again', {b for b, i in ids.items() if len(i) > 1})
        if self.ordered:
            aside = self.aside(self.said_at)
            for what, came in ('recorded', into), ('shown', self.read_here()):
                self.check_order(what, [(self.words(r.body), r.body) for r in came if self.words(r.body) not in aside])

    def aside(self, said_at):
        """What the archive could not take in time is offered to it again, and what was said behind it may be there already."""
        held = [datetime.datetime.fromisoformat(at + '+00:00').timestamp() for at in re.findall(r'^(\S+)Z warning incoming-held', self.log(), re.M)]
        return {w for w, at in said_at.items() if any(h - LATE < at < h + LATE for h in held)}

    def check_more(self):
        """What else there is in this network."""

    def check_programs(self):
        self.end_program(signal.SIGTERM)
        self.check_log()
        self.faults += self.server.sanitizer_reports()

    def check_log(self):
        log = self.log()
        for bad in 'Sanitizer', 'runtime error', 'handles-left', 'loop-not-closed':
            if bad in log:
                self.fault('the log of the program: ' + log[max(0, log.index(bad) - 200):][:1500])
        if crashed(self.program):
            self.fault('the program ended by signal %d' % -self.program.returncode)

    def end(self):
        self.paused.set()
        super().end()
        if self.program and self.program.poll() is None:
            self.program.kill()
            self.program.wait()
        self.scenario.done()

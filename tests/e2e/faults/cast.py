"""Couples with two devices each (device.py), a push service, and whether the promises held for all of them.

    P1  what a device was shown (at once, as a copy, on a page of its archive), what a push service was told and what contacts
        heard of PEP, is in the record, and was not returned to its sender
    P2  what was acknowledged is in the record or was returned; what is in the record was shown to both devices of both people, and
        by the pages of each of them exactly: all of it, once, in order. A publication that was answered by a result stands, or
        a later one. A token that was given lets its device in; push stays enabled
    P8  what is new comes to each session in the order in which it was said, and a session is shown a message once
        values at a PEP node never go back, and the last one reaches everybody
"""
import collections
import re
import threading
import time

from chancerytest.again import Broken
from chancerytest.client import Closed
from chancerytest.component import Component
from chancerytest.element import NAMES
from chancerytest.scenario import Scenario
from device import DEVICES, NODES, Device
from world import SLOW

NAMES.update(push='urn:xmpp:push:0', pubsub='http://jabber.org/protocol/pubsub')
RETURNED, PUBLICATION = 7, 9

Sight = collections.namedtuple('Sight', 'time who device inst way body id again')
Heard = collections.namedtuple('Heard', 'time who device inst author node value')
Told = collections.namedtuple('Told', 'time account body')


class Service:
    """A push service: it answers, and remembers."""

    def __init__(self, cast):
        self.cast, self.domain = cast, cast.service
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.cast.ended.is_set():
            c = Component(self.cast.server, self.domain)
            try:
                self.serve(c.joined())
            except (Closed, OSError):
                pass
            except AssertionError as e:
                self.cast.fault('the push service: %s' % e)
            c.cut()
            self.cast.ended.wait(0.1)

    def serve(self, c):
        while not (self.cast.ended.is_set() or c.ended or c.eof):
            c._pump(time.monotonic() + 0.1)
            heard, c.heard = c.heard, []
            for iq in heard:
                if iq.name == 'iq' and iq.get('type') == 'set':
                    form = iq.find('pubsub:pubsub', 'publish', 'item', 'push:notification', 'data:x')
                    fields = {f.get('var'): f.text('value') for f in form.all('field')}
                    self.cast.told(iq.get('from'), fields.get('last-message-body'))
                    c.answer(iq)


class Cast:
    def __init__(self, server, couples=3, run='f'):
        self.server, self.run, self.couples = server, run, couples
        self.lock, self.ended, self.paused = threading.Lock(), threading.Event(), threading.Event()
        self.faults, self.refused = [], []
        self.said, self.confirmed, self.errors = {}, {}, {}      # (who, device, seq, inst) → time
        self.sights, self.heard, self.pushed = [], [], []
        self.known = set()      # (who, id): some device of theirs has been shown it, or has it from a page
        self.counts = collections.Counter()
        self.service = server.component_domain()
        names = ['%s%d' % (run, i) for i in range(2 * couples)]
        server.add_users([(n, 'pw-' + n) for n in names])
        self.befriend(names)
        self.devices = [Device(self, n, d, 'pw-' + n, '127.9.%d.%d' % (i, j + 2),
                               5 if d == 'desk' and i % 4 < 2 else 0)
                        for i, n in enumerate(names) for j, d in enumerate(DEVICES)]
        self.paused.set()
        self.push = Service(self)
        self.push.thread.start()
        for d in self.devices:
            d.thread.start()
        self.wait(lambda: self.at_rest() and all(d.push_for for d in self.phones()), 'all devices to be there')
        self.paused.clear()

    def befriend(self, names):
        t = Scenario(self.server)
        for a, b in zip(names[::2], names[1::2]):
            t.friends(t.online((a, 'pw-' + a)), t.online((b, 'pw-' + b)))
        t.done()

    def friend(self, who):
        n = int(who[len(self.run):])
        return '%s%d' % (self.run, n ^ 1)

    def phones(self):
        return [d for d in self.devices if d.name == 'phone']

    def bare(self, who):
        return '%s@%s' % (who, self.server.domain)

    # -- what devices tell ---------------------------------------------------------------------------------

    def fault(self, text):
        with self.lock:
            if len(self.faults) < 20:
                self.faults.append(text)

    def note(self, what, device):
        with self.lock:
            self.counts['%s %s' % (device.name, what)] += 1

    def sent(self, d, seq):
        self.said[d.who, d.name, seq, d.inst] = time.monotonic()

    def acked(self, d, seq):
        self.confirmed[d.who, d.name, seq, d.inst] = time.monotonic()

    def returned(self, d, seq, inst, e):
        self.errors[d.who, d.name, seq, inst] = time.monotonic()
        if e.find('error').get('type') != 'wait':
            self.fault('returned with an error that is not wait: %s' % e)

    def seen(self, d, way, body, id):
        self.sights.append(Sight(time.monotonic(), d.who, d.name, d.inst, way, body, id, (d.who, id) in self.known))
        self.known.add((d.who, id))

    def event(self, d, text):
        _, author, node, value = text.split()
        self.heard.append(Heard(time.monotonic(), d.who, d.name, d.inst, author, node, int(value)))
        d.events[author, node] = int(value)

    def told(self, account, body):
        self.pushed.append(Told(time.monotonic(), account, body))

    def token_refused(self, d):
        self.fault('the token of %s was refused' % d.who)

    def caught_up(self, d, due):
        """A page that says it is the last one, asked for when these had been acknowledged."""
        bodies = {b for _, b in d.mam}
        missing = [m for m in due if '%s %s %s %d %d' % (self.run, d.who, d.name, *m) not in bodies
                   and (d.who, d.name, *m) not in self.errors]
        if missing:
            self.fault('%s/%s: acknowledged, and not in the archive asked afterwards: %s' % (d.who, d.name, sorted(missing)[:5]))

    # -- waiting -------------------------------------------------------------------------------------------

    def wait(self, check, what, timeout=60):
        try:
            return self.server.wait(check, what, timeout * SLOW)
        except AssertionError as e:
            state = ['%s/%s ready=%s unacked=%s mam=%d push=%s pub=%d/%d' % (
                d.who, d.name, d.ready, [u[:2] for u in d.unacked[:4]], len(d.mam), d.push_for, d.pub_done, d.pub) for d in self.devices]
            raise (Broken if self.faults else AssertionError)('\n'.join([str(e)] + self.faults + state)) from None

    def at_rest(self):
        return all(d.ready and not d.unacked for d in self.devices)

    def progress(self, n=100):
        goal = len(self.confirmed) + n
        self.wait(lambda: len(self.confirmed) >= goal, '%d more acknowledgements' % n)

    def recovers(self, since, what, within=5):
        took = self.wait(lambda: any(t > since for t in list(self.confirmed.values())), 'recovery after ' + what) and (
            min(t for t in list(self.confirmed.values()) if t > since) - since)
        print('    recovered %.1f s after %s' % (took, what), flush=True)
        assert took <= within * SLOW, 'recovery took %.1f s' % took

    def settle(self):
        """Nobody says anything new, until all that was said is everywhere."""
        self.paused.set()
        self.wait(lambda: not any(u[0] == 'message' for d in self.devices for u in d.unacked) and all(d.ready for d in self.devices),
                  'everything to be acknowledged')
        self.read()
        for d in self.devices:
            d.last_word = True
        self.wait(lambda: all(d.pub_done and d.pub_done == d.pub and not d.last_word for d in self.devices), 'the last publications')
        self.wait(lambda: not [d for d in self.devices if self.missing(d)], 'the last events')
        self.wait(lambda: all([i for i, _ in d.mam] == self.archive(d.who) for d in self.devices), 'all pages', 20)

    def missing(self, d):
        """Values at the nodes of the couple that d has not heard of."""
        return [x.key for x in self.devices if x.who in (d.who, self.friend(d.who)) and d.events.get(x.key) != x.pub]

    def wake(self):
        """Push is still enabled: all phones go, a message to each account, and its service is told of it."""
        before = len(self.pushed)
        for d in self.phones():
            d.stay_away.set()
        self.wait(lambda: not any(d.ready for d in self.phones()), 'the phones to be away')
        for d in self.devices:
            d.one_more = d.name == 'desk'
        accounts = {self.bare(d.who) for d in self.phones()}
        self.wait(lambda: {p.account for p in self.pushed[before:]} == accounts, 'notifications for all', 30)
        for d in self.phones():
            d.stay_away.clear()
        self.wait(lambda: all(d.ready for d in self.devices) and not any(d.one_more for d in self.devices), 'the phones to be back')

    # -- the promises --------------------------------------------------------------------------------------

    def read(self):
        self.record, self.gone, self.published, self.where = {}, set(), set(), {}
        rows = self.server.psql("select id, kind, coalesce(refers_record, 0), coalesce(body, ''), coalesce(stanza, ''), from_bare, to_bare,"
                                " archive.leaf(r) = leaf_hash from archive.record r order by id")
        for id, kind, refers, body, stanza, author, to, intact in rows:
            if intact != 't':
                self.fault('P3: the leaf hash of %s is not its own' % id)
            if int(kind) == RETURNED:
                self.gone.add(refers)
            elif int(kind) == PUBLICATION:
                self.published.update(re.findall(r'>%s (\S+) (\w+) (\d+)<' % self.run, stanza))
            elif body.split()[:1] == [self.run]:
                self.record[id], self.where[id] = body, (author, to)

    def archive(self, who):
        """The ids that an account's pages have to show."""
        return [i for i in self.record if self.bare(who) in self.where[i] and i not in self.gone]

    def few(self, what, items):
        items = sorted(items)
        if items:
            self.fault('%d %s: %s' % (len(items), what, ', '.join(map(str, items[:5]))))

    def message(self, body):
        _, who, device, seq, inst = body.split()
        return who, device, int(seq), int(inst)

    def verify(self, sessions_kept=False):
        """Settles and checks all. sessions_kept: no session was lost, so everything came to every device at once or as a copy."""
        self.settle()
        self.wake()
        self.settle()
        self.read()
        self.check_shown()
        self.check_acknowledged()
        self.check_pages()
        self.check_order()
        self.check_events()
        if sessions_kept:
            self.check_copies()
        ways = collections.Counter(s.way for s in self.sights)
        print('    sent %d, acknowledged %d, returned %d, recorded %d; shown %s; paged %d; published %d, heard %d; pushed %d; %s' % (
            len(self.said), len(self.confirmed), len(self.errors), len(self.record), dict(ways), sum(len(d.mam) for d in self.devices),
            len(self.published), len(self.heard), len(self.pushed), dict(self.counts)), flush=True)
        for what, n in (('copies of what was sent', ways['sent']), ('copies of what came', ways['received']), ('events', len(self.heard)),
                        ('notifications', len(self.pushed)), ('resumptions by phones', self.counts['phone resumed'])):
            if not n:
                self.fault('no %s at all: the scenario has missed its aim' % what)
        self.faults += self.server.sanitizer_reports()
        if self.faults:
            raise Broken('\n'.join(self.faults))

    def check_shown(self):
        self.few('shown, not in the record (P1)', {(s.way, s.who, s.device, s.body, str(s.id)) for s in self.sights
                                                   if self.record.get(s.id) != s.body})
        self.few('on a page, not in the record (P1)', {(d.who, d.name, i, b) for d in self.devices for i, b in d.mam
                                                       if self.record.get(i) != b})
        bodies = {b for i, b in self.record.items() if i not in self.gone}
        self.few('told to a push service, not in the record (P1)', {(p.account, str(p.body)) for p in self.pushed if p.body not in bodies})
        self.few('heard of, not in the record (P1)', {h[4:] for h in self.heard if (h.author, h.node, str(h.value)) not in self.published})
        self.few('returned, and shown all the same', self.gone & {s.id for s in self.sights})

    def check_acknowledged(self):
        kept = collections.Counter(self.message(b) for i, b in self.record.items() if i not in self.gone)
        self.few('acknowledged, neither recorded nor returned (P2)', set(self.confirmed) - set(kept) - set(self.errors))
        self.few('returned to the sender, but the record stands', set(self.errors) & set(kept))
        self.few('recorded more than once', {m for m, n in kept.items() if n > 1})
        self.few('sent, never acknowledged', {m[:3] for m in self.said} - {m[:3] for m in self.confirmed})

    def check_pages(self):
        for d in self.devices:
            due, got = self.archive(d.who), [i for i, _ in d.mam]
            if due != got:
                self.few('of %s/%s missing from the pages' % d.key, set(due) - set(got))
                self.few('of %s/%s too much on the pages' % d.key, set(got) - set(due))

    def check_order(self):
        """What is new to an account comes to each session in order. After a crash the backlog comes again, to whoever is there: what
        only the other device had, and what was on its way to it while a later message had been copied, is shown late then. A copy
        (XEP-0280) may come before the backlog does, of a message that waits behind that for the device it is a copy for.
        """
        last, ways = collections.defaultdict(lambda: (0, 0)), collections.defaultdict(list)
        for s in self.sights:
            author, device, seq, inst = self.message(s.body)
            said = inst, seq    # what had not been confirmed is said again in the next session, from its first message on
            ways[s.who, s.device, s.inst, s.id].append(s.way)
            if len(ways[s.who, s.device, s.inst, s.id]) > 1:
                continue
            late = s.way == 'late'
            kinds = [(s.inst, late)] + ([] if s.again or s.way == 'received' else [(s.inst, 'new')])
            for kind in kinds:
                key = s.who, s.device, kind, author, device
                if said < last[key]:
                    self.fault('P8: %s: %s came after %s (%s)' % (key, said, last[key], s.way))
                last[key] = said
        # Who comes is copied (XEP-0280) what others of the account are given, and may have it from the backlog, too.
        self.few('shown more than once in one session', {(k, *w) for k, w in ways.items() if len(w) > 1
                                                         and sorted(w) != ['late', 'received']})
        last.clear()
        for body in self.record.values():
            who, device, seq, inst = self.message(body)
            if (inst, seq) < last[who, device]:
                self.fault('P8: recorded out of order: %s' % body)
            last[who, device] = inst, seq

    def check_events(self):
        last = collections.defaultdict(int)
        for h in self.heard:
            if h.value < last[h[1:6]]:
                self.fault('P8: %s heard %d after %d' % (h[1:6], h.value, last[h[1:6]]))
            last[h[1:6]] = h.value
        rows = self.server.psql("select i.payload from chancery.pubsub_item i join chancery.pubsub_node n on n.id = i.node"
                                " where n.node like 'urn:example:faults:%'")
        stored = {(m[1], m[2]): int(m[3]) for m in (re.search(r'>\w+ (\S+) (\w+) (\d+)<', r[0]) for r in rows)}
        self.few('published, and not there', {(d.key, d.pub_done) for d in self.devices if stored.get(d.key) != d.pub_done})

    def check_copies(self):
        shown = collections.defaultdict(set)
        for s in self.sights:
            shown[s.who, s.device].add(s.id)
        for d in self.devices:
            own = {i for i in self.archive(d.who) if self.message(self.record[i])[:2] == d.key}
            self.few('not shown to %s/%s' % d.key, {self.record[i] for i in set(self.archive(d.who)) - own - shown[d.key]})

    def late(self, begin, end, date):
        """What somebody saw between `begin` and `end`, and was not committed at `date`, which is `begin`. What was committed may come
        later, from a lane in which something else waits for the database."""
        rows = self.server.psql("select id, coalesce(body, ''), coalesce(stanza, '') from archive.record"
                                " where pg_xact_commit_timestamp(xmin) <= to_timestamp(%f)" % date)
        ids, bodies = {i for i, _, _ in rows}, {b for _, b, _ in rows}
        published = {p for _, _, stanza in rows for p in re.findall(r'>%s (\S+) (\w+) (\d+)<' % self.run, stanza)}
        assert ids, 'nothing was committed before: the scenario has missed its aim'
        return ([('shown', s) for s in self.sights if begin < s.time < end and s.id not in ids]
                + [('heard', h) for h in self.heard if begin < h.time < end and (h.author, h.node, str(h.value)) not in published]
                + [('told', p) for p in self.pushed if begin < p.time < end and p.body not in bodies])

    def end(self):
        self.ended.set()
        for d in self.devices:
            d.thread.join(30)
        self.push.thread.join(30)

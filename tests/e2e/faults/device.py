"""People with two devices each, who never give up: a thread per device.

The phone logs in by SASL2, Bind 2 and FAST, resumes inline, and is away now and then; its push service wakes it. The desk
logs in as clients did before, with a password, a bound resource and <resume/>. Both have carbons on, talk to a friend, publish
by PEP, and read the archive on, page after page, from where they were: over all crashes that has to become the whole archive.

A message is (author, device, SEQ, INST), as its body says: INST is the session (XEP-0198) in which it was sent. What was
not acknowledged is sent again, in order, after <resumed/> as it was, in a new session under that session's INST.

What happened goes to the cast's log (cast.py). What a server must never do is told to cast.fault().
"""
import base64
import hashlib
import random
import ssl
import threading
import time
import uuid

from chancerytest.client import Client, Closed, unique
from chancerytest.element import NAMES, escape

MAM, CARBONS, PUSH = 'urn:xmpp:mam:2', 'urn:xmpp:carbons:2', 'urn:xmpp:push:0'
PUBSUB, RSM, CAPS = 'http://jabber.org/protocol/pubsub', 'http://jabber.org/protocol/rsm', 'http://jabber.org/protocol/caps'
NAMES.update(mam=MAM, carbons=CARBONS, forward='urn:xmpp:forward:0', event=PUBSUB + '#event', rsm=RSM)

HT = 'HT-SHA-256-ENDP'
WINDOW, PAGE, RETRY = 6, 20, 0.1
DEVICES = ('phone', 'desk')
NODES = {d: 'urn:example:faults:' + d for d in DEVICES}
FEATURES = sorted([CAPS, NAMES['info']] + [n + '+notify' for n in NODES.values()])


def caps_ver():
    text = 'client/pc//F<' + ''.join(f + '<' for f in FEATURES)
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


PRESENCE = "<presence><priority>%%d</priority><c xmlns='%s' hash='sha-1' node='urn:example:f' ver='%s'/></presence>" % (CAPS, caps_ver())
INFO = "<identity category='client' type='pc' name='F'/>" + ''.join("<feature var='%s'/>" % f for f in FEATURES)


class Retry(Exception):
    """The server says: not now."""


class Line(Client):
    """A connection that counts what arrives from the very element on that begins a session; Client does so when it has read the
    whole answer to a login, and stanzas may have come along with that."""

    def __init__(self, *args, old=None, **kw):
        super().__init__(*args, **kw)
        self.counted = old.counted if old else 0

    def _event(self, kind, e):
        if kind == 'element':
            if (e.ns, e.name) == (NAMES['sm'], 'enabled') or e.name == 'success' and e.find('bind2:bound') is not None:
                self.sm_on, self.counted = True, 0
            elif e.ns == NAMES['client'] and self.sm_on:
                self.counted += 1
        if self.sm_on:
            self.sm_in = self.counted
        super()._event(kind, e)
        if self.sm_on:
            self.sm_in = self.counted


class Device:
    def __init__(self, cast, who, name, password, source, priority):
        self.priority = priority
        self.cast, self.who, self.name, self.password, self.source = cast, who, name, password, source
        self.key = who, name
        self.agent = str(uuid.uuid4()), 'Faults', name
        self.token = None
        self.old = self.line = None     # the session's last connection
        self.inst = 0                   # sessions so far
        self.unacked, self.h = [], 0    # [kind, seq, text]: what this session sent and the server has not confirmed
        self.again = []                 # seqs of messages to be sent again
        self.seq = 0
        self.mam = []                   # (id, message) in the order of the archive's pages
        self.mam_id, self.mam_got, self.mam_due = None, [], set()
        self.pub = 0                    # the last value published, and the last one that was answered by a result
        self.pub_id, self.pub_done = None, 0
        self.events = {}                # (who, device) → the last value heard
        self.push_for = None            # the resource that has enabled push
        self.push_id = None
        self.acked = set()              # (seq, inst)
        self.ready = False
        self.stay_away = threading.Event()
        self.last_word = self.one_more = False   # asked for by the cast, one publication, one message
        self.next = dict.fromkeys(('message', 'publish', 'page', 'leave'), 0)
        self.thread = threading.Thread(target=self.run, daemon=True)

    # -- coming and going ----------------------------------------------------------------------------------

    def run(self):
        while not self.cast.ended.is_set():
            if not self.stay_away.is_set():
                self.live()
            self.cast.ended.wait(RETRY)

    def live(self):
        self.line = Line(self.cast.server, self.who, self.password, source=self.source, old=self.old)
        try:
            self.login()
            self.ready = True
            self.work()
        except (Closed, OSError, ssl.SSLError, Retry):
            pass
        except AssertionError as e:
            self.cast.fault('%s/%s: %s' % (self.who, self.name, str(e)[:500]))
        finally:
            # What was heard before the connection broke has arrived.
            self.hear_all()
            self.ready = False
            self.line.cut()

    def check(self, failure):
        if failure in ('temporary-auth-failure', 'internal-server-error', 'resource-constraint'):
            raise Retry(failure)
        assert failure is None, 'login: %s' % failure

    def login(self):
        c = self.line
        if self.name == 'phone':
            c.secure(direct=True)
            self.login_phone(c)
        else:
            self.login_desk(c)

    def login_phone(self, c):
        inner = ("<bind xmlns='urn:xmpp:bind:0'><tag>Faults</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/>"
                 "<enable xmlns='%s'/></bind>" % CARBONS)
        if self.old:
            inner = "<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>" % (self.old.sm_in, escape(self.old.sm_id)) + inner
            c.sm_on, c.sm_in, c.sm_id = True, self.old.sm_in, self.old.sm_id
        want = "<request-token xmlns='urn:xmpp:fast:0' mechanism='%s'/>" % HT
        failure = None
        if self.token:
            failure = c.fast(self.token, HT, self.agent, inner=inner)
            if failure in ('not-authorized', 'credentials-expired'):
                self.cast.token_refused(self)
                self.token = None
        if not self.token:
            failure = c.sasl2('SCRAM-SHA-256', self.agent, inner=inner + want)
        self.check(failure)
        c.sm_in = c.counted
        if c.token is not None:
            self.token = c.token.get('token')
        resumed = c.success.find('sm:resumed')
        if resumed is not None:
            self.resumed(int(resumed.get('h')), self.old.jid)
        elif c.bound2 is None or c.sm_id is None:
            raise Retry('not bound: %s' % c.success)
        else:
            self.begun(True)

    def login_desk(self, c):
        c.secure(direct=True)
        self.check(c.auth('SCRAM-SHA-256'))
        c.open().expect_features()
        if self.old:
            answer = c.resume(self.old)
            if answer.name == 'resumed':
                self.resumed(int(answer.get('h')), self.old.jid)
                return
        if not c.bind('desk'):
            self.check(c.bind_error)
        if c.enable().name != 'enabled':
            raise Retry('no stream management')
        self.begun(False)

    def begun(self, carbons):
        """A new session: messages that the last one left unconfirmed go out again."""
        c = self.line
        self.inst += 1
        c.sm_sent = c.sm_acked = 0
        lost = [u for u in self.unacked if u[0] == 'message']
        self.unacked, self.h = [], 0
        self.mam_id, self.mam_got, self.pub_id, self.push_id = None, [], None, None
        self.old = c
        self.cast.note('new', self)
        self.asked = False
        if not carbons:
            self.give('iq', 0, "<iq type='set' id='%s'><enable xmlns='%s'/></iq>" % (unique('c'), CARBONS))
        self.give('presence', 0, PRESENCE % self.priority)
        for _, seq, _ in lost:
            self.message(seq)

    def resumed(self, h, jid):
        c = self.line
        c.jid, c.sm_on = jid, True
        self.old = c
        self.cast.note('resumed', self)
        self.asked = False
        self.confirmed(h)
        c.sm_acked = h
        for u in self.unacked:
            c.send(u[2])

    # -- saying --------------------------------------------------------------------------------------------

    def give(self, kind, seq, text):
        self.unacked.append((kind, seq, text))
        self.line.send(text)

    def message(self, seq):
        friend = self.cast.friend(self.who)
        body = '%s %s %s %d %d' % (self.cast.run, self.who, self.name, seq, self.inst)
        self.cast.sent(self, seq)
        self.give('message', seq, "<message to='%s@%s' type='chat' id='%s-%d-%d'><body>%s</body></message>"
                  % (friend, self.line.domain, self.name, seq, self.inst, body))

    def due(self, what, low, high):
        now = time.monotonic()
        if now < self.next[what]:
            return False
        self.next[what] = now + random.uniform(low, high)
        return True

    def say(self):
        cast = self.cast
        if self.one_more:
            self.one_more = False
            self.seq += 1
            self.message(self.seq)
        if self.last_word and self.pub_id is None:
            self.last_word = False
            self.publish()
        if not cast.paused.is_set():
            if sum(u[0] == 'message' for u in self.unacked) < WINDOW and self.due('message', 0.02, 0.1):
                self.seq += 1
                self.message(self.seq)
            if self.pub_id is None and self.due('publish', 0.2, 0.6):
                self.publish()
        if self.mam_id is None and self.due('page', 0.1, 0.4):
            self.page()
        if self.name == 'phone' and self.push_for != self.line.jid and self.push_id is None:
            self.push_id = unique('push')
            self.give('iq', 0, "<iq type='set' id='%s'><enable xmlns='%s' jid='%s' node='%s'/></iq>"
                      % (self.push_id, PUSH, self.cast.service, self.who))
        if self.unacked and not self.asked:
            self.asked = True
            self.answers = self.line.sm_answers
            self.line.send("<r xmlns='urn:xmpp:sm:3'/>")

    def publish(self):
        self.pub += 1
        self.pub_id = unique('p')
        self.give('iq', 0, "<iq type='set' id='%s'><pubsub xmlns='%s'><publish node='%s'><item id='current'>"
                  "<v xmlns='urn:example:faults'>%s %s %s %d</v></item></publish></pubsub></iq>"
                  % (self.pub_id, PUBSUB, NODES[self.name], self.cast.run, self.who, self.name, self.pub))

    def page(self):
        self.mam_id, self.mam_got = unique('h'), []
        self.mam_due = set(self.acked)
        after = '<after>%s</after>' % self.mam[-1][0] if self.mam else ''
        self.give('iq', 0, "<iq type='set' id='%s'><query xmlns='%s' queryid='%s'><set xmlns='%s'><max>%d</max>%s</set></query></iq>"
                  % (self.mam_id, MAM, self.mam_id, RSM, PAGE, after))

    # -- hearing -------------------------------------------------------------------------------------------

    def work(self):
        c = self.line
        leave = time.monotonic() + random.uniform(0.5, 2.5) if self.name == 'phone' else None
        while not (self.cast.ended.is_set() or self.stay_away.is_set()):
            self.say()
            c._pump(time.monotonic() + 0.02)
            self.hear_all()
            if c.ended or c.eof:
                return
            if leave and time.monotonic() > leave and not self.cast.paused.is_set():
                c.cut()
                self.cast.ended.wait(random.uniform(0.2, 0.8))
                return

    def hear_all(self):
        c = self.line
        heard, c.heard = c.heard, []
        for e in heard:
            if e.ns == NAMES['client'] and e.name == 'message':
                self.hear_message(e)
            elif e.ns == NAMES['client'] and e.name == 'iq':
                self.hear_iq(e)
        if self.ready and c.sm_answers:
            self.confirmed(c.sm_acked)
            if self.asked and c.sm_answers > self.answers:
                self.asked = False

    def confirmed(self, h):
        n = (h - self.h) & 0xffffffff
        if n > len(self.unacked):
            self.cast.fault('%s/%s: the server confirms %d of %d' % (self.who, self.name, n, len(self.unacked)))
            n = len(self.unacked)
        for kind, seq, _ in self.unacked[:n]:
            if kind == 'message':
                self.acked.add((seq, self.inst))
                self.cast.acked(self, seq)
        del self.unacked[:n]
        self.h = h

    def hear_message(self, e):
        if e.get('type') == 'error':
            _, seq, inst = (e.get('id') or '?-0-0').split('-')
            self.cast.returned(self, int(seq), int(inst), e)
        elif e.find('mam:result') is not None:
            r = e.find('mam:result')
            self.mam_got.append((r.get('queryid'), r.get('id'), r.find('forward:forwarded', 'client:message').text('body')))
        elif e.find('event:event') is not None:
            self.hear_event(e)
        elif e.find('carbons:sent') is not None or e.find('carbons:received') is not None:
            way = 'sent' if e.find('carbons:sent') is not None else 'received'
            if e.get('from') != '%s@%s' % (self.who, self.line.domain):
                self.cast.fault('a carbon from %s' % e.get('from'))
            self.seen(way, e.find('carbons:' + way, 'forward:forwarded', 'client:message'))
        else:
            self.seen('late' if e.find('delay:delay') is not None else 'direct', e)

    def seen(self, way, m):
        id = m.find('sid:stanza-id')
        self.cast.seen(self, way, m.text('body'), id.get('id') if id is not None else None)

    def hear_event(self, e):
        items = e.find('event:event').find('items')
        for item in items.all('item') if items is not None else []:
            self.cast.event(self, item.all()[0].text())

    def hear_iq(self, e):
        kind, id = e.get('type'), e.get('id')
        if kind == 'get' and e.find('info:query') is not None:
            node = e.find('info:query').get('node')
            self.answer(e, "<query xmlns='%s'%s>%s</query>" % (NAMES['info'], " node='%s'" % escape(node) if node else '', INFO))
        elif kind in ('get', 'set'):
            self.answer(e, '')
        elif kind == 'error' and e.find('error').get('type') != 'wait':
            self.cast.fault('%s/%s: an error that is not wait: %s' % (self.who, self.name, e))
        elif id == self.pub_id:
            self.pub_id = None
            if kind == 'result':
                self.pub_done = self.pub
        elif id == self.push_id:
            self.push_id = None
            if kind == 'result':
                self.push_for = self.line.jid
        elif id == self.mam_id:
            self.hear_page(e)

    def answer(self, e, payload):
        # The connection may be gone already; then it goes out when the session is resumed.
        text = "<iq type='result' id='%s'%s>%s</iq>" % (escape(e.get('id')), " to='%s'" % escape(e.get('from')) if e.get('from') else '',
                                                        payload)
        self.unacked.append(('iq', 0, text))
        try:
            self.line.send(text)
        except (OSError, AttributeError):
            pass

    def hear_page(self, e):
        id, self.mam_id = self.mam_id, None
        if e.get('type') != 'result':
            return
        for q, record, body in self.mam_got:
            # Of a query of before the resumption the rest comes again; it is the same.
            if q != id:
                continue
            if self.mam and int(record) <= int(self.mam[-1][0]):
                self.cast.fault('%s/%s: page after %s has %s' % (self.who, self.name, self.mam[-1][0], record))
            self.mam.append((record, body))
            self.cast.known.add((self.who, record))
        self.mam_got = []
        if e.find('mam:fin').get('complete') != 'true':
            self.next['page'] = 0
        else:
            self.cast.caught_up(self, self.mam_due)

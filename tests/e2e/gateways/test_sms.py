"""SMS against npm's smpp as the provider's SMSC (smsc/smsc.js): its driver, and what only SMS has."""
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import threading

import behaviours
import peers
from behaviours import World, failed, local, said
from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import alone
from chancerytest.server import stopped, take_port
from test_admin import ok, rows

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(behaviours.BUILD, 'tests', 'smsc')
SENDER = '38123'
_numbers = itertools.count(33612000001)
_installing = threading.Lock()


def installed():
    """The folder of smsc.js with its modules beside it, or None."""
    with _installing:
        if not shutil.which('node') or not shutil.which('npm'):
            return None
        shutil.copytree(os.path.join(HERE, 'smsc'), FOLDER, dirs_exist_ok=True)
        done = os.path.join(FOLDER, 'node_modules', '.complete')
        if not os.path.exists(done):
            if not peers._run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], FOLDER):
                return None
            open(done, 'w').close()
        return FOLDER


def missing():
    return None if installed() else 'smpp (npm)'


class Person:
    """A telephone: messages to it come from the organisation's number, so what it says goes to whoever wrote to it last."""

    def __init__(self, driver, name):
        self.driver, self.number = driver, str(next(_numbers))
        self.address = '+' + self.number

    def say(self, user, text, **how):
        world = next(c for c in self.driver.t.clients if isinstance(c, World))
        hello = unique('hello')
        self.driver.client(user).message(world.jid(self.address), hello)
        self.heard(hello)
        self.driver.say(self.number, text, **how)

    def heard(self, text):
        return self.driver.heard(self.number, text)


class Driver(behaviours.Driver):
    kind, features, nonsense = 'sms', set(), '123456789012345678'
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-sms')
    process, tls, more = None, None, {}

    def __init__(self, t):
        super().__init__(t)
        self.events, self.texts, self.parts = queue.Queue(), [], {}
        self.port = take_port()

    def start_server(self):
        self.process = subprocess.Popen(['node', os.path.join(FOLDER, 'smsc.js'), str(self.port)] + (self.tls or []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        self.event('ready')

    def _read(self, lines):
        for line in lines:
            self.events.put(json.loads(line))

    def kill_server(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order) + '\n')
        self.process.stdin.flush()

    def event(self, kind, value=None):
        """The next event of that kind; texts that come meanwhile are kept."""
        while True:
            try:
                e = self.events.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError('the SMSC does not say %s %s' % (kind, value or ''))
            if 'submitted' in e:
                self._submitted(e)
            if kind in e and value in (None, e[kind]):
                return e

    def _submitted(self, e):
        if not e['part']:
            self.texts.append(dict(e, ids=[e['submitted']]))
            return
        reference, total, number = e['part'][0], e['part'][-2], e['part'][-1]
        parts = self.parts.setdefault((e['to'], reference), {})
        parts[number] = e
        if len(parts) == total:
            del self.parts[e['to'], reference]
            self.texts.append(dict(e, text=''.join(parts[i]['text'] for i in sorted(parts)), ids=[parts[i]['submitted'] for i in sorted(parts)]))

    def heard(self, number, text):
        while True:
            for e in self.texts:
                if e['to'] == number and e['text'] == text:
                    self.texts.remove(e)
                    return e
            self.event('submitted')

    def say(self, number, text, status=0, **how):
        id = unique('d')
        self.tell(say=dict({'id': id, 'from': number, 'to': SENDER, 'text': text}, **how))
        assert self.event('said', id)['status'] == status

    def client(self, user):
        """One of that account: who is there, or somebody who comes for a moment and cannot be written to."""
        found = [c for c in self.t.clients if getattr(c, 'user', None) == user]
        return next((c for c in found if c.sock), None) or self.t.bound(found[0])

    def network(self):
        return dict({'host': '127.0.0.1', 'port': self.port, 'tls': 'off', 'system_id': 'chancery', 'password': 'secret', 'sender': SENDER}, **self.more)

    def person(self, name):
        return Person(self, name)

    def nobody(self):
        return '+33600000000'


globals().update(behaviours.of(Driver))


def world(t, driver=Driver, **more):
    w = World(t, type('Special', (driver,), {'more': dict(driver.more, **more)}))
    return w, w.clients[0], w.driver.person('bob')


LONG = ' '.join(['It was the nightingale, and not the lark, that pierced the fearful hollow of thine ear.'] * 4)
LONG_UCS2 = ' '.join(['Это был соловей, а не жаворонок 🌹.'] * 8)


def test_long_out(t):
    """SMS: long texts go as parts, each way of marking them"""
    for how in 'udh8', 'udh16':
        w, romeo, bob = world(t, long_messages=how)
        for text in LONG, LONG_UCS2:
            romeo.message(w.jid(bob.address), text)
            assert len(bob.heard(text)['ids']) > 2, text


def test_long_in(t):
    """SMS: parts come in any order, and are one message"""
    w, romeo, bob = world(t)
    bob.say(local(romeo), LONG, parts=3, order=[2, 0, 1])
    said(romeo, LONG, w.jid(bob.address))
    bob.say(local(romeo), LONG_UCS2, parts=5)
    said(romeo, LONG_UCS2, w.jid(bob.address))


@alone(gateways__programs='programs')
def test_parts_kept(t):
    """SMS: the program is killed between two parts of a message: what the provider was told is kept, and the message is whole"""
    driver, name = Driver(t), unique('gw').lower()
    driver.start_server()
    domain = '%s.%s' % (name, t.server.domain)
    folder = os.path.join(os.path.dirname(t.server.env['CHANCERY_CONFIG']), 'programs')
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    shutil.copy(os.path.realpath(driver.program), os.path.join(folder, 'chancery-gateway-sms'))
    ok(t, 'gateway', 'add', name, 'sms', domain, '--settings', '-', stdin=json.dumps({'network': driver.network()}))
    ok(t, 'gateway', 'allow', name, 'everyone')
    show = lambda: rows(t, 'gateway', 'show', name)[0]
    t.server.wait(lambda: show()['connected'], 'the gateway to connect')
    romeo, bob = t.online(), driver.person('bob')
    romeo.message('%s@%s' % (bob.address, domain), 'how ends it?')
    bob.heard('how ends it?')
    driver.say(bob.number, LONG, parts=3, order=[2, 0], reference=7)
    pid = show()['program']['pid']
    os.kill(pid, signal.SIGKILL)
    t.server.wait(lambda: show()['connected'] and show()['program']['pid'] not in (0, pid), 'the gateway to come back')
    driver.say(bob.number, LONG, parts=3, order=[1], reference=7)
    said(romeo, LONG, '%s@%s' % (bob.address, domain))
    t.server.wait(lambda: not t.server.psql("select key from chancery.gateway_data where key like 'part/%'"), 'the parts to go')


def test_payload(t):
    """SMS: a long text in one PDU (message_payload)"""
    w, romeo, bob = world(t, long_messages='payload')
    romeo.message(w.jid(bob.address), LONG)
    assert len(bob.heard(LONG)['ids']) == 1


def test_too_long(t):
    """SMS: what would be more parts than allowed comes back"""
    w, romeo, bob = world(t, parts=2)
    romeo.message(w.jid(bob.address), LONG, id='l1')
    assert failed(romeo, 'l1').condition() == 'not-acceptable'


def test_throttled(t):
    """SMS: a provider that is too busy gets everything later, in order"""
    w, romeo, bob = world(t, window=1)
    w.driver.tell(refuse={'times': 2, 'status': 0x58})
    for i in range(5):
        romeo.message(w.jid(bob.address), 'patience %d' % i)
    for i in range(5):
        bob.heard('patience %d' % i)
    assert not w.driver.texts


def test_receipt(t):
    """SMS: delivered is a receipt (XEP-0184) of who asked for one, undeliverable an error for the message"""
    w, romeo, bob = world(t)
    romeo.message(w.jid(bob.address), 'did you get it?', id='r1', inner=behaviours.REQUEST)
    e = bob.heard('did you get it?')
    assert e['registered'] == 1
    w.driver.tell(receipt={'id': e['ids'][0], 'stat': 'DELIVRD'})
    romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == 'r1' for c in e.all()), 'the receipt')
    romeo.message(w.jid(bob.address), 'I do not ask', id='r0')
    w.driver.tell(receipt={'id': bob.heard('I do not ask')['ids'][0], 'stat': 'DELIVRD'})
    romeo.message(w.jid(bob.address), LONG, id='r2')
    e = bob.heard(LONG)
    w.driver.tell(receipt={'id': e['ids'][1], 'stat': 'UNDELIV'})
    e = failed(romeo, 'r2')
    assert e.get('from') == w.jid(bob.address) and e.condition() == 'recipient-unavailable' and e.find('error').text('text') == 'undeliverable, error 000', e
    assert not romeo.heard_any(lambda e: e.name == 'message' and e.find('received') is not None)


def test_receipt_after_restart(t):
    """SMS: which message a receipt is about outlives the program, also where a part of it had arrived before"""
    w, romeo, bob = world(t)
    ids, hello = {}, unique('hello')
    for id, text in ('k1', LONG), ('k2', 'did you?'), ('k3', 'not here'):
        romeo.message(w.jid(bob.address), text, id=id, inner=behaviours.REQUEST)
        ids[id] = bob.heard(text)['ids']
    kept = lambda what: t.server.value("select count(*) from chancery.gateway_data where gateway = '%s' and jid = '%s' and value like '%%\"%s\"%%'" % (
        w.name, romeo.bare, what))
    w.driver.tell(receipt={'id': ids['k1'][0], 'stat': 'DELIVRD'})
    # Without the part whose receipt has come.
    t.server.wait(lambda: kept(ids['k1'][0]) == '0' and all(kept(i) != '0' for i in ids['k1'][1:] + ids['k2'] + ids['k3']), 'all to be kept')
    w.stop(signal.SIGKILL)
    w.start()
    romeo.message(w.jid(bob.address), hello)
    bob.heard(hello)
    for id in ids['k1'][1:] + ids['k2']:
        w.driver.tell(receipt={'id': id, 'stat': 'DELIVRD'})
    for id in 'k1', 'k2':
        romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == id for c in e.all()), 'the receipt of ' + id)
    w.driver.tell(receipt={'id': ids['k3'][0], 'stat': 'EXPIRED'})
    failed(romeo, 'k3')
    t.server.wait(lambda: kept(ids['k3'][0]) == '0', 'it to be forgotten')


def with_inbox(t):
    """A world whose inbox is somebody's, and that person."""
    user = t.user()
    w, _, bob = world(t, inbox='%s@%s' % (user[0], t.server.domain))
    return w, t.online(user), bob


def test_nobody_here(t):
    """SMS: what is an answer to nobody is refused for good"""
    w, romeo, bob = world(t)
    w.driver.say(bob.number, 'hello?', status=0x66)
    bob.say(local(romeo), 'now I know you')
    said(romeo, 'now I know you')


def test_inbox(t):
    """SMS: with an inbox it goes there; a sender with a name cannot be answered"""
    w, romeo, bob = with_inbox(t)
    w.driver.say(bob.number, 'hello?')
    said(romeo, 'hello?', w.jid(bob.address))
    w.driver.say('ACME', 'your parcel')
    said(romeo, 'your parcel', w.jid('acme'))
    romeo.message(w.jid('acme'), 'which parcel?', id='a1')
    assert failed(romeo, 'a1').condition() == 'not-allowed'


def test_no_such_account(t):
    """SMS: what is for an account that does not exist is refused for good, although chanceryd acknowledges it first"""
    w, romeo, bob = world(t, inbox='%s@%s' % (unique('nobody').lower(), t.server.domain))
    w.driver.say(bob.number, 'hello?', status=0x66)
    bob.say(local(romeo), 'still here')
    said(romeo, 'still here')


@alone(archive__patience='2s')
def test_database_away(t):
    """SMS: while PostgreSQL does not answer the provider is told to come again, and nobody reads what is not in the record"""
    w, romeo, bob = world(t)
    bob.say(local(romeo), 'before')
    said(romeo, 'before')
    with stopped(t.server):
        w.driver.tell(say={'id': 'm', 'from': bob.number, 'to': SENDER, 'text': 'meanwhile'})
        assert w.driver.event('put_off', 'm')['status'] == 0x64
    assert w.driver.event('said', 'm')['status'] == 0
    said(romeo, 'meanwhile')
    bob.say(local(romeo), 'after')
    assert romeo.expect(lambda e: e.name == 'message' and e.text('body'), 'a message').text('body') == 'after'


@alone(archive__patience='2s', database__patience='2s')
def test_database_away_who(t):
    """SMS: the same when the program has not been told yet who wrote to that number last, and nobody can say it now"""
    w, romeo, bob = world(t)
    bob.say(local(romeo), 'before')
    said(romeo, 'before')
    w.stop()
    w.start()
    with stopped(t.server):
        w.driver.tell(say={'id': 'm', 'from': bob.number, 'to': SENDER, 'text': 'meanwhile'})
        assert w.driver.event('put_off', 'm')['status'] == 0x64
    assert w.driver.event('said', 'm')['status'] == 0
    said(romeo, 'meanwhile')


def test_what_is_no_text(t):
    """SMS: binary messages and headers that lie are refused, and what follows is taken"""
    w, romeo, bob = world(t, inbox='nobody@nowhere.example')
    w.driver.say(bob.number, 'x', status=0x66, pdu={'data_coding': 4})
    w.driver.say(bob.number, 'x', status=1, pdu={'esm_class': 0x40})
    bob.say(local(romeo), 'text')
    said(romeo, 'text', w.jid(bob.address))


def test_session_lost(t):
    """SMS: connections are cut while messages go both ways: all arrive"""
    w, romeo, bob = world(t)
    bob.say(local(romeo), 'first')
    said(romeo, 'first')
    for i in range(3):
        romeo.message(w.jid(bob.address), 'out %d' % i)
        w.driver.tell(drop=True)
        bob.heard('out %d' % i)
        w.driver.tell(drop=True)
        w.driver.say(bob.number, 'in %d' % i)
        said(romeo, 'in %d' % i)


def test_not_there(t):
    """SMS: what comes while the gateway is down stays with the provider (P1), and comes when it is back"""
    w, romeo, bob = with_inbox(t)
    w.stop()
    id = unique('d')
    w.driver.tell(say={'id': id, 'from': bob.number, 'to': SENDER, 'text': 'kept by the provider'})
    w.start()
    assert w.driver.event('said', id)['status'] == 0
    said(romeo, 'kept by the provider')
    assert w.records("body = 'kept by the provider' and to_bare = '%s'" % romeo.bare, 'from_bare') == [[w.jid(bob.address)]]


def test_wrong_password(t):
    """SMS: a password that the provider refuses is said in the log, and tried again"""
    w, romeo, bob = world(t, password='wrong')
    for _ in range(2):
        assert not w.driver.event('bound')['ok']
    t.server.wait(lambda: 'smpp-refused' in w.log() and 'ESME_RINVPASWD' in w.log(), 'the log')


def test_pair(t):
    """SMS: a connection for each direction"""
    w, romeo, bob = world(t, bind='pair')
    bob.say(local(romeo), 'both ways')
    said(romeo, 'both ways')


class Secure(Driver):
    def start_server(self):
        pem, key = os.path.join(self.folder, 'smsc.pem'), os.path.join(self.folder, 'smsc.key')
        if not self.tls:
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=smsc',
                            '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', pem], check=True, capture_output=True)
            self.tls = [pem, key]
        super().start_server()

    def network(self):
        return dict(super().network(), tls='on', **self.trusted())

    def trusted(self):
        return {'ca_file': self.tls[0]}


def test_tls(t):
    """SMS: TLS to the provider, whose certificate is checked"""
    w, romeo, bob = world(t, Secure)
    bob.say(local(romeo), 'in private')
    said(romeo, 'in private')


class Unknown(Secure):
    def trusted(self):
        return {}


def test_tls_unknown(t):
    """SMS: a certificate that nobody vouches for gets no password and no message"""
    w, romeo, bob = world(t, Unknown)
    t.server.wait(lambda: 'self-signed certificate' in w.log(), 'the refusal in the log')
    assert w.driver.events.empty()

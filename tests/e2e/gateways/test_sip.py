"""chancery-gateway-sip, with kamailio as the proxy and phones: the behaviours of all networks, and what is SIP's own: who may come in, and what goes wrong."""
import json
import os
import shutil
import signal

import behaviours
from behaviours import BUILD, local
from chancerytest.ca import authority
from chancerytest.client import unique
from chancerytest.scenario import alone
from chancerytest.server import stopped
from sip_phone import KAMAILIO, Kamailio, Phone
from test_admin import ok, rows

PORT = 5060
PIDF = ("<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' "
        "xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='%s'><tuple id='a'><status><basic>%s</basic></status><note>%s</note></tuple>"
        "<dm:person id='p'><rpid:activities><rpid:%s/></rpid:activities></dm:person></presence>")
COMPOSING = ("<?xml version='1.0' encoding='UTF-8'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>%s</state>"
             "<contenttype>text/plain</contenttype></isComposing>")


def missing():
    if not os.path.exists(Driver.program):
        return 'libsofia-sip-ua-dev'
    return None if os.path.exists(KAMAILIO) else 'kamailio'


def cpim(sender, to, id, text):
    return ('From: <%s>\r\nTo: <sip:%s>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %s\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n'
            'Content-Type: text/plain; charset=utf-8\r\n\r\n%s' % (sender, to, id, text))


def report(sender, to, id):
    """It has arrived (RFC 5438)."""
    return ('From: <%s>\r\nTo: <sip:%s>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: r%s\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n'
            "<?xml version='1.0' encoding='UTF-8'?><imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>%s</message-id><datetime>2026-01-31T12:00:00Z</datetime>"
            '<delivery-notification><status><delivered/></status></delivery-notification></imdn>' % (sender, to, id, id))


def wrapped(m):
    """(text, id) of a MESSAGE, its wrapper taken off."""
    if m.get('content-type') != 'message/cpim':
        return m.text(), None
    ids = [line.split(': ', 1)[1] for line in m.text().split('\r\n') if line.startswith('imdn.Message-ID')]
    return m.text().split('\r\n\r\n', 2)[2], ids[0]


class Person:
    """Somebody with a phone that knows all of it."""

    def __init__(self, driver, name):
        self.driver, self.t, self.ids = driver, driver.t, {}
        self.phone = Phone(self.t, driver.phones, (driver.host, PORT), unique(name))
        self.phone.presence = self._pidf('open', 'other')
        self.address = '%s@%s' % (self.phone.name, self.phone.domain)

    def _pidf(self, basic, activity):
        return PIDF % (self.phone.uri, basic, 'words', activity)

    def _say(self, user, text, type):
        answer = self.phone.message('%s@%s' % (user, self.t.server.domain), text, type)
        assert answer.status == 200, answer

    def say(self, user, text):
        self.ids[text] = unique('id')
        self._say(user, cpim(self.phone.uri, user, self.ids[text], text), 'message/cpim')

    def heard(self, text):
        m = self.phone.expect('MESSAGE', lambda m: wrapped(m)[0] == text)
        if wrapped(m)[1]:
            user = m.get('from').split('sip:')[1].split('@')[0]
            self._say(user, report(self.phone.uri, user, wrapped(m)[1]), 'message/cpim')

    def types(self, user, on):
        self._say(user, COMPOSING % ('active' if on else 'idle'), 'application/im-iscomposing+xml')

    def heard_typing(self):
        self.phone.expect('MESSAGE', lambda m: '<state>active</state>' in m.text())

    def got_receipt(self, text):
        self.phone.expect('MESSAGE', lambda m: '<message-id>%s</message-id>' % self.ids[text] in m.text() and '<delivered/>' in m.text())

    def away(self):
        assert self.phone.notify(self.phone.expect('SUBSCRIBE'), self._pidf('open', 'away')).status == 200

    def gone(self):
        assert self.phone.notify(self.phone.subscribed, self._pidf('closed', 'away')).status == 200


def put_certificates(folder, address, proxy):
    """Of both, from one authority. Names in the certificates are addresses here, as nobody asks a name server."""
    ca = authority()
    for name, c in (('agent', ca.certificate(address, usage='serverAuth,clientAuth')), ('proxy', ca.certificate(proxy, usage='serverAuth,clientAuth'))):
        shutil.copy(c.pem, os.path.join(folder, name + '.pem'))
        shutil.copy(c.key, os.path.join(folder, name + '.key'))
    with open(os.path.join(folder, 'agent.pem'), 'a') as f:
        f.write(open(os.path.join(folder, 'agent.key')).read())
    for name in ('ca.pem', 'cafile.pem'):
        shutil.copy(ca.pem, os.path.join(folder, name))


class Driver(behaviours.Driver):
    """`kamailio`: how it is (sip_phone.py); what else is given are settings of the network. `tls`: for whom the proxy's certificate is, HOST for itself."""
    kind, program = 'sip', os.path.join(BUILD, 'bin', 'chancery-gateway-sip')
    features = {'receipts', 'typing', 'presence'}

    def __init__(self, t, kamailio=None, tls=None, **network):
        super().__init__(t)
        self.host = t.source
        last = self.host.split('.', 2)[2]
        self.address, self.phones, self.strangers = ('127.%d.%s' % (n, last) for n in (202, 203, 204))
        how, port = dict(kamailio or {}), PORT
        # Whom kamailio connects to sees it come from the loopback address.
        self.settings = {'address': self.address, 'port': PORT, 'proxy': 'sip:%s:%d' % (self.host, PORT), 'peers': [self.host, '127.0.0.1'], **network}
        if tls:
            put_certificates(self.folder, self.address, tls.replace('HOST', self.host))
            port, how = 5061, {'tls': True, 'transport': ';transport=tls', **how}
            self.settings.update(port=0, tls_port=port, certificates=self.folder, proxy='sip:%s:%d;transport=tls' % (self.host, port))
        if 'password_file' in network:
            self.settings['password_file'] = os.path.join(self.folder, 'password')
            with open(os.open(self.settings['password_file'], os.O_CREAT | os.O_WRONLY, 0o600), 'w') as f:
                f.write(network['password_file'] + '\n')
        self.kamailio = Kamailio(t, self.folder, self.host, t.server.domain, self.address, port, **how)

    def network(self):
        return self.settings

    def start_server(self):
        self.kamailio.start()

    def kill_server(self):
        self.kamailio.kill()

    def person(self, name):
        return Person(self, name)

    def phone(self, **how):
        return Phone(self.t, self.phones, (self.host, PORT), unique('bob'), **how)

    def nobody(self):
        return 'nobody@phones.example'


class Reporting(Driver):
    """Asks for reports of delivery."""

    def __init__(self, t):
        super().__init__(t, reports=True)


globals().update(behaviours.of(Reporting))


class World(behaviours.World):
    def __init__(self, t, limits=None, **how):
        super().__init__(t, lambda t: Driver(t, **how), limits=limits)
        self.romeo = self.clients[0]

    def phone(self):
        return self.driver.phone()

    def jid(self, phone):
        return super().jid('%s@%s' % (phone.name, phone.domain) if isinstance(phone, Phone) else phone)


def said(romeo, w, phone, body):
    m = romeo.expect_message(body)
    assert m.get('from').split('/')[0] == w.jid(phone), m
    return m


def refused(romeo, id):
    e = romeo.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error')
    return e.condition()


def test_both_ways(t):
    """sip: what is said goes both ways, in its order, with all its characters; and is in the record (RFC 3428, RFC 7572)"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    texts = ['it is the east %d \u2014 \u2600\ufe0f & <Juliet>' % i for i in range(10)] + ['two\nlines', 'x' * 5000]
    for x in texts:
        romeo.message(w.jid(bob), x)
    for x in texts:
        m = bob.expect('MESSAGE')
        assert m.text() == x and m.get('content-type').lower().startswith('text/plain') and 'sip:%s' % romeo.bare in m.get('from'), m
    for x in texts:
        answer = bob.message(romeo.bare, x, 'text/plain;charset=UTF-8')
        assert answer.status == 200, answer
        # Answered is recorded.
        assert t.server.records("to_bare = '%s' and body = $b$%s$b$" % (romeo.bare, x), 'body'), x
        said(romeo, w, bob, x)
    out = t.server.records("from_bare = '%s' and to_bare = '%s'" % (romeo.bare, w.jid(bob)), 'body')
    assert [r[0] for r in out] == texts, out


def test_report_overtakes(t):
    """sip: a report of delivery that comes before the answer to the message is its answer, and the client's receipt (RFC 5438 over UDP)"""
    w = World(t, reports=True)
    bob = w.driver.person('bob')
    bob.phone.late = True
    w.romeo.message(w.jid(bob.address), 'did you get it?', id='r1', inner=behaviours.REQUEST)
    bob.heard('did you get it?')        # and reports
    w.romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == 'r1' for c in e.all()), 'the receipt')
    bob.phone.late = False
    w.romeo.message(w.jid(bob.address), 'what is behind it goes')
    bob.phone.expect('MESSAGE', lambda m: m.text() == 'what is behind it goes')


def test_reports_after_restart(t):
    """sip: which message a report is about outlives the program, both ways"""
    w = World(t, reports=True)
    bob = w.driver.person('bob')
    w.romeo.message(w.jid(bob.address), 'did you get it?', id='k1', inner=behaviours.REQUEST)
    asked = bob.phone.expect('MESSAGE', lambda m: wrapped(m)[0] == 'did you get it?')
    bob.say(local(w.romeo), 'did you?')
    got = w.romeo.expect_message('did you?')
    kept = "select count(*) from chancery.gateway_data where gateway = '%s' and key like 'id/%%'" % w.name
    t.server.wait(lambda: t.server.value(kept) == '2', 'both to be kept')
    w.stop(signal.SIGKILL)
    w.start()
    arrived = report(bob.phone.uri, local(w.romeo), wrapped(asked)[1])
    t.server.wait(lambda: bob.phone.message(w.romeo.bare, arrived, 'message/cpim').status == 200, 'the report to be taken')
    w.romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == 'k1' for c in e.all()), 'the receipt')
    w.romeo.message(w.jid(bob.address), inner="<received xmlns='urn:xmpp:receipts' id='%s'/>" % got.get('id'))
    bob.got_receipt('did you?')


def test_failed(t):
    """sip: what is not taken goes back to who said it, with the reason"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    assert refused(romeo, romeo.message('nobody\\40phones.example@' + w.domain, 'hello?')) == 'item-not-found'
    bob.answers['MESSAGE'] = 486, 'Busy Here'
    assert refused(romeo, romeo.message(w.jid(bob), 'hello?')) == 'recipient-unavailable'
    bob.answers['MESSAGE'] = 603, 'Decline'
    assert refused(romeo, romeo.message(w.jid(bob), 'please?')) == 'forbidden'
    bob.answers['MESSAGE'] = 202, 'Accepted'
    romeo.message(w.jid(bob), 'at last')
    bob.expect('MESSAGE', lambda m: m.text() == 'at last')
    # The proxy's own patience.
    bob.answers['MESSAGE'] = None
    assert refused(romeo, romeo.message(w.jid(bob), 'asleep?')) == 'remote-server-timeout'
    assert refused(romeo, romeo.message('no-address@' + w.domain, 'x')) == 'item-not-found'


def test_proxy_away(t):
    """sip: without its proxy the gateway gives messages back, and goes on when it is there again"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    w.driver.kill_server()
    assert refused(romeo, romeo.message(w.jid(bob), 'anybody?')) == 'remote-server-timeout'
    w.driver.start_server()
    bob = w.phone()
    romeo.message(w.jid(bob), 'again')
    bob.expect('MESSAGE', lambda m: m.text() == 'again')


def test_deaf_phone(t):
    """sip: that somebody is typing is told both ways (RFC 3994, XEP-0085), until a phone says that it does not want to know"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    assert bob.message(romeo.bare, 'hello').status == 200
    said(romeo, w, bob, 'hello')
    romeo.message(w.jid(bob), inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    m = bob.expect('MESSAGE')
    assert m.get('content-type') == 'application/im-iscomposing+xml' and '<state>active</state>' in m.text(), m
    assert bob.message(romeo.bare, COMPOSING % 'active', 'application/im-iscomposing+xml').status == 200
    romeo.expect(lambda e: e.name == 'message' and e.find('composing') is not None)
    bob.answers['MESSAGE'] = 415, 'Unsupported Media Type'
    romeo.message(w.jid(bob), inner="<paused xmlns='http://jabber.org/protocol/chatstates'/>")
    bob.expect('MESSAGE')
    bob.answers['MESSAGE'] = 200, 'OK'
    romeo.message(w.jid(bob), inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    romeo.message(w.jid(bob), 'well')
    m = bob.expect('MESSAGE')
    assert m.text() == 'well', m


def test_watched(t):
    """sip: who has a phone among the contacts sees its presence (RFC 3856, RFC 8048)"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    romeo.roster()
    romeo.presence('subscribe', to=w.jid(bob))
    s = bob.expect('SUBSCRIBE')
    assert s.get('event') == 'presence' and 'application/pidf+xml' in s.get('accept'), s
    romeo.expect_presence('subscribed', w.jid(bob))
    assert bob.notify(s, PIDF % (bob.uri, 'open', 'on the phone', 'busy')).status == 200
    p = romeo.expect(lambda e: e.name == 'presence' and e.get('from').split('/')[0] == w.jid(bob) and e.text('show') == 'dnd')
    assert p.text('status') == 'on the phone', p
    assert bob.notify(s, 'not a document').status == 200
    assert bob.notify(s, PIDF % (bob.uri, 'closed', '', 'away')).status == 200
    romeo.expect(lambda e: e.name == 'presence' and e.get('from').split('/')[0] == w.jid(bob) and e.get('type') == 'unavailable')
    # A notification of nothing that was asked for.
    s.headers['call-id'] = ['of another']
    assert bob.notify(s, PIDF % (bob.uri, 'open', '', 'away')).status == 481


def test_published(t):
    """sip: presence of our people is told to the proxy, which tells phones; that of phones comes from there; who goes is seen to go (RFC 3903, RFC 3856)"""
    w = World(t, kamailio={'presence': True}, publish=True)
    romeo, bob = w.romeo, w.phone()
    contact = '<sip:%s@%s:%d>' % (bob.name, bob.host, bob.port)
    answer = bob.ask('SUBSCRIBE', 'sip:' + romeo.bare, {'Event': 'presence', 'Accept': 'application/pidf+xml', 'Expires': '600', 'Contact': contact})
    assert answer.status in (200, 202), answer
    bob.expect('NOTIFY', lambda m: '<basic>open</basic>' in m.text())
    romeo.presence(to=w.domain, inner='<show>dnd</show><status>at the feast</status>')
    m = bob.expect('NOTIFY', lambda m: 'at the feast' in m.text())
    assert 'rpid:busy' in m.text() and "entity='sip:%s'" % romeo.bare in m.text().replace('"', "'"), m.text()
    romeo.presence('unavailable', to=w.domain)
    bob.expect('NOTIFY', lambda m: '<basic>closed</basic>' in m.text())
    answer = bob.ask('PUBLISH', bob.uri, {'Event': 'presence', 'Expires': '600', 'Content-Type': 'application/pidf+xml'}, PIDF % (bob.uri, 'open', 'in the garden', 'away'))
    assert answer.status == 200, answer
    romeo.presence('subscribe', to=w.jid(bob))
    p = romeo.expect(lambda e: e.name == 'presence' and e.get('from').split('/')[0] == w.jid(bob) and e.text('show') == 'away')
    assert p.text('status') == 'in the garden', p


def test_not_published(t):
    """sip: a proxy that takes no presence is not asked for everybody, nor for each change; the log says so once"""
    w = World(t, publish=True)
    nurse, bob = t.online(), w.phone()
    t.server.wait(lambda: 'sip-publish-refused' in w.log(), 'the refusal')
    nurse.presence(to=w.domain)
    w.romeo.presence(to=w.domain, inner='<show>away</show>')
    for c in nurse, w.romeo:
        c.message(w.jid(bob), 'behind it')
        bob.expect('MESSAGE', lambda m: c.bare in m.get('from'))
    assert w.log().count('sip-publish-refused') == 1 and 'status=405' in w.log(), w.log()[-2000:]


def test_strangers(t):
    """sip: only peers come in; who claims to be of ours does not; each attempt is counted and said in the log"""
    w = World(t)
    romeo = w.romeo
    bob, direct = w.phone(), (w.driver.address, PORT)
    stranger = Phone(t, w.driver.strangers, direct, unique('mallory'), register=False)
    assert stranger.message(romeo.bare, 'let me in').status == 403
    forger = Phone(t, w.driver.phones, (t.source, PORT), romeo.user, domain=t.server.domain, register=False)
    assert forger.message(romeo.bare, 'it is I').status == 403
    assert bob.message(romeo.bare, 'honest').status == 200
    said(romeo, w, bob, 'honest')
    assert not t.server.records("to_bare = '%s' and body in ('let me in', 'it is I')" % romeo.bare)
    log = w.log()
    assert log.count('sip-refused') >= 2 and 'not a peer' in log, log[-2000:]


def test_malformed(t):
    """sip: requests that lack what must be there, loop, or carry what is not text are answered as RFC 3261 says, and harm nobody"""
    w = World(t, peers=['127.0.0.0/8'])
    romeo = w.romeo
    bob = Phone(t, w.driver.phones, (w.driver.address, PORT), unique('bob'), register=False)
    uri = 'sip:' + romeo.bare
    plain = {'Content-Type': 'text/plain'}

    def status(headers=plain, body='x', method='MESSAGE', to=uri, **how):
        return bob.ask(method, to, headers, body, **how).status
    assert status({**plain, 'Max-Forwards': '0'}) == 483
    assert status(more_via=['SIP/2.0/UDP %s:%d;branch=z9hG4bKown' % (w.driver.address, PORT)]) == 482
    assert status({**plain, 'Require': 'of-nobody'}) == 420
    assert status({'Content-Type': 'text/html'}, '<b>x</b>') == 415
    assert status({**plain, 'Content-Encoding': 'gzip'}) == 415
    assert status({'Content-Type': 'text/plain;charset=utf-8'}, b'\xff\xfe') == 400
    assert status({'Content-Type': 'message/cpim'}, 'no end') == 400
    assert status(plain, '') == 400
    assert status(to='sip:%s@elsewhere.example' % romeo.user) == 404
    assert status(to='sip:%s' % t.server.domain) == 404
    assert status(to='sip:%%00@%s' % t.server.domain) == 404
    assert status(method='PUBLISH') == 405
    assert status(method='OPTIONS') == 200
    assert status(method='NOTIFY', headers={'Event': 'presence', 'Subscription-State': 'active'}) == 481
    assert status({**plain, 'From': '<tel:+4930123>;tag=1'}) == 403
    # Without these there is nobody to answer, or 400.
    for header in ('Via', 'From', 'To', 'Call-ID', 'CSeq'):
        bob.send('MESSAGE', uri, plain, 'x', drop=(header,))
    for junk in (b'\0' * 100, b'MESSAGE', b'MESSAGE sip:x SIP/2.0\r\n\r\n', b'GET / HTTP/1.1\r\n\r\n', os.urandom(1400)):
        bob.sock.sendto(junk, (w.driver.address, PORT))
    assert bob.message(romeo.bare, 'all is well', target=(w.driver.address, PORT)).status == 200
    said(romeo, w, bob, 'all is well')
    assert not t.server.records("to_bare = '%s' and body = 'x'" % romeo.bare)


def test_nobody_of_ours(t):
    """sip: who writes to an account that does not exist is told so by the answer, although chanceryd acknowledges the message first"""
    w = World(t)
    bob, nobody = w.phone(), 'nobody-of-ours@' + t.server.domain
    for i in range(5):
        answer = bob.message(nobody, cpim(bob.uri, nobody, 'lost%d' % i, 'hello?'), 'message/cpim')
        assert answer.status == 480, answer


@alone(archive__patience='2s')
def test_database_away(t):
    """sip: while PostgreSQL does not answer nothing that comes is taken, nobody reads it, and its sender is told to come again; then all is well"""
    w = World(t)
    romeo, bob = w.romeo, w.phone()
    assert bob.message(romeo.bare, 'before').status == 200
    said(romeo, w, bob, 'before')
    with stopped(t.server):
        answers = [bob.message(romeo.bare, 'meanwhile %d' % i).status for i in range(3)]
    t.server.wait(lambda: bob.message(romeo.bare, 'after').status == 200, 'the database')
    said(romeo, w, bob, 'after')
    # The proxy's own patience (408) may be shorter on a machine that is slow.
    assert 480 in answers and 200 not in answers, answers


def test_repeated(t):
    """sip: what is sent anew, as its answer was lost, is delivered once"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    call = unique('call')
    for _ in range(3):
        assert bob.message(romeo.bare, 'once', call=call).status in (200, 482)
    said(romeo, w, bob, 'once')
    assert bob.message(romeo.bare, 'end').status == 200
    said(romeo, w, bob, 'end')
    assert len(t.server.records("to_bare = '%s' and body = 'once'" % romeo.bare)) == 1


def test_killed(t):
    """sip: the gateway is killed: what was said meanwhile waits at chanceryd and goes out when it is back"""
    w = World(t)
    romeo = w.romeo
    bob = w.phone()
    romeo.message(w.jid(bob), 'before')
    bob.expect('MESSAGE', lambda m: m.text() == 'before')
    w.stop(signal.SIGKILL)
    for i in range(5):
        romeo.message(w.jid(bob), 'meanwhile %d' % i)
    w.start()
    for i in range(5):
        bob.expect('MESSAGE', lambda m: m.text() == 'meanwhile %d' % i)
    assert bob.message(romeo.bare, 'welcome back').status == 200
    said(romeo, w, bob, 'welcome back')


def test_asserted(t):
    """sip: where the peers assert who somebody is, that counts, and nothing else (RFC 3325)"""
    w = World(t, identity='asserted')
    romeo = w.romeo
    bob = w.phone()
    assert bob.message(romeo.bare, 'who am I?').status == 403
    assert bob.message(romeo.bare, 'known', headers={'P-Asserted-Identity': '"B" <sip:Benvolio@phones.example>'}).status == 200
    m = romeo.expect_message('known')
    assert m.get('from').split('/')[0] == 'benvolio\\40phones.example@' + w.domain, m


def test_registered(t):
    """sip: with digest authentication, and registered at a registrar that knows nothing of our domain (RFC 3261 §10, §22)"""
    w = World(t, kamailio={'auth': 'secret-of-ours', 'trunk': False}, user='chancery', password_file='secret-of-ours', register=True)
    romeo = w.romeo
    bob = w.phone()
    romeo.message(w.jid(bob), 'by my name')
    bob.expect('MESSAGE', lambda m: m.text() == 'by my name')
    assert bob.message(romeo.bare, 'I know you').status == 200
    said(romeo, w, bob, 'I know you')
    assert 'secret-of-ours' not in w.log()


def test_wrong_password(t):
    """sip: a proxy that does not take the password: messages go back, and it is not asked without end"""
    w = World(t, kamailio={'auth': 'secret-of-ours'}, user='chancery', password_file='another')
    romeo = w.romeo
    bob = w.phone()
    assert refused(romeo, romeo.message(w.jid(bob), 'by my name')) == 'not-authorized'


def test_tls(t):
    """sip: over TLS both ways, with certificates checked"""
    w = World(t, tls='HOST')
    romeo = w.romeo
    bob = w.phone()
    romeo.message(w.jid(bob), 'under a seal')
    bob.expect('MESSAGE', lambda m: m.text() == 'under a seal')
    assert bob.message(romeo.bare, 'unopened').status == 200
    said(romeo, w, bob, 'unopened')


def test_wrong_certificate(t):
    """sip: a proxy whose certificate is for another name is given nothing"""
    w = World(t, tls='other.example', limits={'send_seconds': 5})
    romeo = w.romeo
    bob = w.phone()
    assert refused(romeo, romeo.message(w.jid(bob), 'under a seal')) == 'remote-server-timeout'
    assert not [m for m in bob.heard.queue if m.method == 'MESSAGE']


def test_administered(t):
    """sip: started by the server when an administrator switches it on; who may use it is decided there; found in the record by its network"""
    d, romeo = Driver(t), t.online()
    d.start_server()
    name = unique('pbx')
    domain = '%s.%s' % (name, t.server.domain)
    ok(t, 'gateway', 'add', name, 'sip', domain, '--settings', '-', stdin=json.dumps({'network': d.network()}))
    t.server.wait(lambda: rows(t, 'gateway', 'show', name)[0]['connected'], 'the gateway')
    bob = d.phone()
    jid = 'BOB\\40phones.example@'.replace('BOB', bob.name) + domain
    assert refused(romeo, romeo.message(jid, 'may I?'))
    bob.message(romeo.bare, 'may I?')
    ok(t, 'gateway', 'allow', name, 'everyone')
    romeo.message(jid, 'now?')
    bob.expect('MESSAGE', lambda m: m.text() == 'now?')
    assert bob.message(romeo.bare, 'now!').status == 200
    m = romeo.expect_message('now!')
    f = m.find('foreign')
    assert (f.get('via'), f.get('kind'), f.get('address')) == (name, 'sip', '%s@phones.example' % bob.name), m
    assert not romeo.heard_any(lambda e: e.text('body') == 'may I?') and not t.server.records("to_bare = '%s' and body = 'may I?'" % romeo.bare)
    ok(t, 'gateway', 'disable', name)
    t.server.wait(lambda: not rows(t, 'gateway', 'show', name)[0]['connected'], 'the end of the gateway')
    assert refused(romeo, romeo.message(jid, 'and now?'))

"""Components: external services on domains of their own (XEP-0114)."""
from chancerytest.client import Closed, unique
from chancerytest.component import Component
from chancerytest.scenario import alone

DISCO_ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def is_iq(type):
    return lambda e: e.name == 'iq' and e.get('type') == type


def stream_error(c):
    try:
        c.expect('handshake')
    except Closed as e:
        return e.error
    raise AssertionError('no stream error')


def test_handshake(t):
    """XEP-0114 §3: header, handshake, and its empty answer; the header names the component"""
    c = t.component().connect().open()
    h = c.expect_header()
    assert h.get('from') == c.domain and len(h.get('id')) == 32, h.attrs
    c.handshake()
    e = c.expect('handshake')
    assert e.ns == 'jabber:component:accept' and not e.children, e


def test_wrong_secret(t):
    """XEP-0114 §3: credentials that are not valid end the stream with not-authorized"""
    assert stream_error(t.component().connect().open().handshake('wrong wrong wrong')) == 'not-authorized'


def test_no_handshake(t):
    """XEP-0114 §3: stanzas before the handshake are not taken"""
    c = t.component().connect().open()
    c.expect_header()
    c.send("<message from='%s' to='%s'/>" % (c.domain, t.server.domain))
    assert stream_error(c) == 'not-authorized'


def test_unknown_domain(t):
    """XEP-0114 §3: a domain that is not configured is host-unknown; the server's own is not a component's"""
    for domain in 'nobody.' + t.server.domain, t.server.domain, 'x@' + t.server.domain:
        c = Component(t.server, domain).connect().open()
        t.clients.append(c)
        assert stream_error(c) == 'host-unknown', domain


def test_wrong_namespace(t):
    """XEP-0114 §3: another content namespace is invalid-namespace"""
    assert stream_error(t.component().connect().open(ns='jabber:client')) == 'invalid-namespace'


def test_conflict(t):
    """One stream for a domain: the second is told conflict, the first lives on"""
    a = t.component().joined()
    b = t.component(a.domain).connect().open().handshake()
    assert stream_error(b) == 'conflict'
    a.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (a.domain, t.server.domain, PING))
    a.expect(is_iq('result'))
    a.close()
    t.component(a.domain).joined()


def test_message_both_ways(t):
    """XEP-0114 §3: messages go both ways, in order, and both are in the record before they arrive (P1)"""
    c, romeo = t.component().joined(), t.online()
    for i in range(5):
        romeo.message('echo@%s/x' % c.domain, 'm%d' % i, id='id%d' % i)
    for i in range(5):
        m = c.expect('message')
        assert (m.text('body'), m.get('from'), m.get('to')) == ('m%d' % i, romeo.jid, 'echo@%s/x' % c.domain), m
        assert m.ns == 'jabber:component:accept', m
        assert m.find('sid:stanza-id') is None, m
        n = t.server.value("select count(*) from archive.record where from_bare = '%s' and to_bare = 'echo@%s' and body = 'm%d'"
                           % (romeo.bare, c.domain, i))
        assert n == '1', n
        c.send("<message from='echo@%s/x' to='%s' type='chat' id='r%d'><body>r%d</body></message>" % (c.domain, romeo.bare, i, i))
    for i in range(5):
        m = romeo.expect('message')
        assert (m.text('body'), m.get('from')) == ('r%d' % i, 'echo@%s/x' % c.domain), m
        assert m.find('sid:stanza-id').get('by') == romeo.bare, m
        rows = t.server.records("id = %s" % m.find('sid:stanza-id').get('id'), 'from_bare, to_bare, body, direction, deliverable')
        assert rows == [['echo@' + c.domain, romeo.bare, 'r%d' % i, '0', 't']], rows


def test_message_while_away(t):
    """XEP-0160: what a component sends to a user who is away comes later"""
    c, (name, password) = t.component().joined(), t.user()
    c.send("<message from='%s' to='%s@%s' type='chat'><body>later</body></message>" % (c.domain, name, t.server.domain))
    t.server.wait(lambda: t.server.records("from_bare = '%s'" % c.domain), 'the record')
    m = t.online((name, password)).expect_message('later')
    assert m.find('delay:delay') is not None, m


def test_iq_both_ways(t):
    """XEP-0114 §3: questions and answers both ways"""
    c, romeo = t.component().joined(), t.online()
    id = romeo.iq_send('get', PING, to='x@' + c.domain)
    c.answer(c.expect(is_iq('get')))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'result')
    c.send("<iq type='get' id='q' from='x@%s/r' to='%s'>%s</iq>" % (c.domain, romeo.jid, PING))
    q = romeo.expect(is_iq('get'))
    romeo.stanza("<iq type='result' id='%s' to='%s'/>" % (q.get('id'), q.get('from')))
    assert c.expect(is_iq('result')).get('to') == 'x@%s/r' % c.domain


def test_presence_both_ways(t):
    """RFC 6121 §3.1, §4.2: a user subscribes to a component's address and sees its presence; it sees the user's"""
    c, romeo = t.component().joined(), t.online()
    bot = 'bot@' + c.domain
    romeo.roster()
    romeo.presence('subscribe', to=bot)
    assert c.expect('presence').get('type') == 'subscribe'
    c.send("<presence type='subscribed' from='%s' to='%s'/>" % (bot, romeo.bare))
    while romeo.expect_push(bot).get('subscription') != 'to':
        pass
    c.send("<presence from='%s/r' to='%s'><show>away</show></presence>" % (bot, romeo.bare))
    assert romeo.expect_presence(None, bot + '/r').text('show') == 'away'
    romeo.presence(to=bot + '/r')
    assert c.expect(lambda e: e.name == 'presence' and e.get('type') is None).get('from') == romeo.jid


def test_forged_from(t):
    """XEP-0114 §3: a `from` at another domain ends the stream with invalid-from; nothing of it is delivered"""
    romeo = t.online()
    for forged in (romeo.bare, t.server.domain, 'x@evil.' + t.server.domain, '', None):
        c = t.component().joined()
        f = '' if forged is None else " from='%s'" % forged
        c.send("<message%s to='%s'><body>forged</body></message>" % (f, romeo.bare))
        assert stream_error(c) == 'invalid-from', forged
    assert not t.server.records("body = 'forged' and to_bare = '%s'" % romeo.bare)


def test_forged_stanza_id(t):
    """XEP-0359 §6: an id or a delay in the server's name is taken out of what a component sends"""
    c, romeo = t.component().joined(), t.online()
    c.send("<message from='%s' to='%s'><body>b</body><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/>"
           "<delay xmlns='urn:xmpp:delay' from='%s' stamp='2001-01-01T00:00:00Z'/></message>"
           % (c.domain, romeo.jid, romeo.bare, t.server.domain))
    m = romeo.expect_message('b')
    assert [e.get('id') for e in m.all('stanza-id')] != ['forged'] and len(m.all('stanza-id')) == 1, m
    assert not m.all('delay'), m


def test_no_to(t):
    """XEP-0114 §3: a stanza without `to` ends the stream with improper-addressing"""
    c = t.component().joined()
    c.send("<message from='%s'><body>b</body></message>" % c.domain)
    assert stream_error(c) == 'improper-addressing'


def test_malformed(t):
    """RFC 6120 §8: a malformed `to` and an IQ without id are the component's mistakes: errors, and the stream lives"""
    c = t.component().joined()
    c.send("<message from='%s' to='@@' id='1'><body>b</body></message>" % c.domain)
    assert c.expect('message').condition() == 'jid-malformed'
    c.send("<iq type='get' from='%s' to='%s' id='2'/>" % (c.domain, t.server.domain))
    assert c.expect('iq').condition() == 'bad-request'
    c.send("<message from='%s' to='x@far.example' id='3'><body>b</body></message>" % c.domain)
    assert c.expect('message').condition() == 'not-allowed'


def test_not_connected(t):
    """A component that is not there: the message is recorded and returned, the question answered, both with wait"""
    romeo, domain = t.online(), t.component_domain()
    id = romeo.message('x@' + domain, 'lost')
    e = romeo.expect_message(id=id, type='error')
    assert e.condition() == 'service-unavailable' and e.find('error').get('type') == 'wait', e
    e = romeo.iq('get', PING, to=domain)
    assert e.condition() == 'service-unavailable' and e.find('error').get('type') == 'wait', e
    assert t.server.records("body = 'lost' and from_bare = '%s'" % romeo.bare)


def test_items(t):
    """XEP-0030 §4: the server's items are the components that are connected"""
    c, romeo = t.component().joined(), t.bound()

    def listed():
        items = romeo.iq('get', DISCO_ITEMS, to=t.server.domain).find('items:query').all('item')
        return c.domain in [i.get('jid') for i in items]
    assert listed()
    c.close()
    t.server.wait(lambda: not listed(), 'the item to go')


def test_too_big(t):
    """P7: a stanza over the limit ends the stream with policy-violation"""
    c = t.component().joined()
    c.send("<message from='%s' to='%s'><body>%s</body></message>" % (c.domain, t.server.domain, 'x' * 300000))
    assert stream_error(c) == 'policy-violation'


def test_before_handshake_little(t):
    """P7: before the handshake an element may be small only"""
    c = t.component().connect().open()
    c.expect_header()
    c.send('<handshake>%s</handshake>' % ('a' * 20000))
    assert stream_error(c) in ('policy-violation', 'not-authorized')


@alone(limits__component_queue_bytes=65536)
def test_does_not_read(t):
    """P7: a component that does not read has a bounded queue; what is over it goes back to its sender with wait, in order
    what was taken arrives"""
    c, romeo = t.component(), t.online()
    c.joined()
    body, sent = 'x' * 20000, []
    refused = None
    for i in range(2000):
        sent.append(romeo.message('x@' + c.domain, body, id='n%d' % i))
        if i % 20 == 19:
            romeo.ping()
            refused = romeo.heard_any(lambda e: e.name == 'message' and e.get('type') == 'error')
            if refused:
                break
    assert refused and refused[0].condition() == 'resource-constraint', refused
    assert refused[0].find('error').get('type') == 'wait', refused
    first = int(refused[0].get('id')[1:])
    for i in range(first):
        assert c.expect('message').get('id') == 'n%d' % i
    # It reads again: the next one arrives.
    def passes():
        id = unique('again')
        romeo.message('x@' + c.domain, 'again', id=id)
        e = None
        while e is None:
            got = c.heard_any(lambda e: e.get('id') == id)
            back = romeo.heard_any(lambda e: e.get('id') == id)
            e = got or back or None
            romeo.ping()
            c.sock.settimeout(0.05)
            if not (got or back):
                import time
                c._pump(time.monotonic() + 0.05)
        return bool(got)
    t.server.wait(passes, 'a message to pass')


def test_archive_of_the_lane(t):
    """P1: a component's burst is delivered in its order, each message recorded"""
    c, romeo = t.component().joined(), t.online()
    n = 200
    c.send(''.join("<message from='%s' to='%s' type='chat' id='b%d'><body>b%d</body></message>" % (c.domain, romeo.jid, i, i)
                   for i in range(n)))
    for i in range(n):
        assert romeo.expect('message').text('body') == 'b%d' % i
    assert len(t.server.records("from_bare = '%s'" % c.domain)) == n


@alone()
def test_reload(t):
    """A domain that a reload takes away loses its stream; the others live on; one more can connect"""
    s = t.server
    a, b = t.component(s.components[1]).joined(), t.component(s.components[2]).joined()
    with open(s.env['CHANCERY_CONFIG']) as f:
        text = f.read()
    with open(s.env['CHANCERY_CONFIG'], 'w') as f:
        f.write(text.replace('"%s=tls/component.secret", ' % a.domain, '"new.%s=tls/component.secret", ' % s.domain))
    s.edited = True
    code, out, err = s.cli('config', 'reload')
    assert code == 0, err
    try:
        a.expect('nothing')
    except Closed as e:
        assert e.error == 'host-gone', e
    b.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (b.domain, s.domain, PING))
    b.expect(is_iq('result'))
    t.component('new.' + s.domain).joined()


@alone(stream__ping='1s', stream__ping_timeout='1s')
def test_silent(t):
    """Issue 8: a component that has answered a ping (XEP-0199), or counts (XEP-0198), and answers no more loses its stream; one that never does may be silent"""
    s = t.server
    pinged, counts, never = [t.component(domain).joined() for domain in s.components[:3]]
    counts.answer_r = False
    counts.send("<enable xmlns='urn:xmpp:sm:3'/>")
    counts.expect('enabled')
    iq = pinged.expect(is_iq('get'))
    assert iq.find('ping:ping') is not None and (iq.get('from'), iq.get('to')) == (s.domain, pinged.domain), iq
    pinged.answer(iq, 'error', "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")
    never.expect(is_iq('get'))
    for c in counts, pinged:
        assert c.expect_end() == 'connection-timeout'
    never.expect(is_iq('get'))
    never.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (never.domain, s.domain, PING))
    never.expect(is_iq('result'))
    assert s.metric('chancery_component_silent_total') >= 1 and 'domain=%s' % pinged.domain in s.log().partition(' component-silent ')[2]


@alone()
def test_stop(t):
    """The server's stop: what a component had sent is recorded, and it is told system-shutdown"""
    c, romeo = t.component().joined(), t.online()
    c.send("<message from='%s' to='%s' type='chat'><body>last</body></message>" % (c.domain, romeo.jid))
    romeo.expect_message('last')
    t.server.terminate()
    try:
        c.expect('nothing')
    except Closed as e:
        assert e.error == 'system-shutdown', e
    t.server.wait_gone()

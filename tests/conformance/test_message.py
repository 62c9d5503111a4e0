"""Messages: the delivery rules of RFC 6121 §8.5, ids (XEP-0359), delay (XEP-0203), offline (XEP-0160)."""
import re

from chancerytest.client import unique
from chancerytest.scenario import alone


def error(c, id):
    return c.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error', 'an error for ' + id)


def got(c, id):
    return c.heard_any(lambda e: e.name == 'message' and e.get('id') == id)


def test_chat(t):
    """RFC 6121 §5: a message arrives as it was sent, from the full JID, with language, subject and thread"""
    a, b = t.online(), t.online()
    a.stanza("<message to='%s' type='chat' id='w1' xml:lang='de'><subject>Sache</subject><body>Text &lt;&amp;&gt; "
             "\u00e4\U0001f339</body><thread parent='p'>th</thread><x xmlns='urn:example:x'><y a='1'/></x></message>" % b.jid)
    m = b.expect('message')
    assert m.get('from') == a.jid and m.get('to') == b.jid and m.get('type') == 'chat' and m.get('id') == 'w1', m
    assert m.get('xml:lang') == 'de' and m.text('subject') == 'Sache', m
    assert m.text('body') == 'Text <&> \u00e4\U0001f339', m
    assert m.find('thread').get('parent') == 'p'
    x = m.find('urn:example:x:x') or m.all('x', 'urn:example:x')[0]
    assert x.find('y').get('a') == '1', m


def test_language(t):
    """RFC 6120 §8.1.5: what does not say its language is in that of the stream, if that is one (BCP 47)"""
    b = t.online()
    for lang, stamped in (('de-CH-1996', 'de-CH-1996'), ('', None), ('words for b', None), ('en-', None), ('a' * 9, None), ('-en', None), ('x_y', None)):
        a = t.client().secure()
        assert a.auth() is None
        a.open(header="<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='%s' xml:lang='%s' "
               "xmlns:stream='http://etherx.jabber.org/streams'>" % (a.domain, lang)).expect_features()
        assert a.bind(), a.bind_error
        id = a.message(b.jid, 'without')
        assert b.expect_message(id=id).get('xml:lang') == stamped, lang
        a.stanza("<message to='%s' id='own' xml:lang='fr'><body>with</body></message>" % b.jid)
        assert b.expect_message(id='own').get('xml:lang') == 'fr', lang


def test_order(t):
    """P8: messages arrive in the order in which they were sent"""
    a, b = t.online(), t.online()
    for i in range(300):
        a.message(b.bare if i % 2 else b.jid, str(i))
    for i in range(300):
        assert b.expect('message').text('body') == str(i)


def test_order_with_other_stanzas(t):
    """P8: presence and iq do not overtake messages to the same address"""
    a, b = t.online(), t.online()
    for i in range(40):
        a.message(b.jid, 'm%d' % i)
        a.presence(to=b.jid, inner='<status>p%d</status>' % i)
        a.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", b.jid, id='i%d' % i)
    for i in range(40):
        e = [b.expect(lambda e: e.get('from') == a.jid) for _ in range(3)]
        assert [x.name for x in e] == ['message', 'presence', 'iq'], (i, e)
        assert e[0].text('body') == 'm%d' % i and e[1].text('status') == 'p%d' % i and e[2].get('id') == 'i%d' % i


def test_order_behind_backlog(t):
    """P8: what comes after a message does not overtake it while the recipient is being given what waited (RFC 6120 §10.1)"""
    a, c, user = t.online(), t.online(), t.user()
    for i in range(300):
        c.message('%s@%s' % (user[0], t.server.domain), 'waiting %d' % i)
    c.sync(c)
    b = t.online(user)
    for i in range(40):
        a.message(b.bare, 'm%d' % i)
        a.message(b.bare, inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>", id='t%d' % i)
        a.presence(to=b.jid, inner='<status>p%d</status>' % i)
        a.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", b.jid, id='i%d' % i)
    got = [b.expect(lambda e: e.get('from') == a.jid) for _ in range(160)]
    got = [e.text('body') or e.text('status') or e.get('id') for e in got]
    assert got == [k + str(i) for i in range(40) for k in 'mtpi'], got


def test_bare_to_all(t):
    """RFC 6121 §8.5.2.1.1: chat and normal messages to the bare JID reach the resource with the highest priority, or all that are
    not negative; equal ones get the same, negative ones nothing"""
    a, b1 = t.online(), t.online(priority=5)
    b2, b3 = t.online(b1, priority=5), t.online(b1, priority=-1)
    for type in ('chat', 'normal', None):
        id = a.message(b1.bare, 'all', type=type)
        assert b1.expect_message(id=id).get('to') == b1.bare
        b2.expect_message(id=id)
        a.sync(b3)
        assert not got(b3, id)


def test_bare_to_highest(t):
    """RFC 6121 §8.5.2.1.1: the resource with the highest priority is never left out"""
    a, low = t.online(), t.online(priority=0)
    high = t.online(low, priority=10)
    for type in ('chat', 'normal'):
        high.expect_message(id=a.message(low.bare, 'to the best', type=type))
    high.presence(priority=-1)
    high.expect_presence(None, high.jid)
    low.expect_message(id=a.message(low.bare, 'to who is left'))


def test_headline(t):
    """RFC 6121 §8.5.2.1.1: a headline reaches all resources with priority >= 0"""
    a, b1 = t.online(), t.online()
    b2, b3 = t.online(b1), t.online(b1, priority=-5)
    id = a.message(b1.bare, 'news', type='headline')
    b1.expect_message(id=id), b2.expect_message(id=id)
    a.sync(b3)
    assert not got(b3, id)


def test_headline_offline(t):
    """RFC 6121 §8.5.2.2.1: a headline to somebody offline is not kept"""
    a, user = t.online(), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    a.message(bare, 'old news', type='headline', id='h1')
    a.message(bare, 'a real message', id='c1')
    b = t.online(user)
    b.expect_message('a real message')
    assert not got(b, 'h1')


def test_groupchat_to_account(t):
    """RFC 6121 §8.5.2.1.1: groupchat to an account is service-unavailable"""
    a, b = t.online(), t.online()
    id = a.message(b.bare, 'all of you', type='groupchat')
    assert error(a, id).condition() == 'service-unavailable'
    a.sync(b)
    assert not got(b, id)


def test_full_jid(t):
    """RFC 6121 §8.5.3.1: a message to a full JID reaches this resource only, whatever its priority"""
    a, b1 = t.online(), t.online(priority=-3)
    b2 = t.online(b1, priority=10)
    for type in ('chat', 'normal', 'headline', 'groupchat', 'error'):
        id = a.message(b1.jid, 'you', type=type)
        b1.expect_message(id=id)
        a.sync(b2)
        assert not got(b2, id), type


def test_full_jid_gone(t):
    """RFC 6121 §8.5.3.2.1: to a resource that is gone: chat goes to the bare JID, normal too or is refused,
    headline is dropped, groupchat refused"""
    a, b = t.online(), t.online()
    gone = b.bare + '/gone'
    id = a.message(gone, 'somebody', type='chat')
    assert b.expect_message(id=id)
    id = a.message(gone, 'somebody', type='normal')
    a.sync(b)
    assert got(b, id) or error(a, id).condition() == 'service-unavailable'
    h = a.message(gone, 'news', type='headline')
    g = a.message(gone, 'room', type='groupchat')
    assert error(a, g).condition() == 'service-unavailable'
    a.sync(b)
    assert not got(b, h) and not got(b, g)


def test_no_account(t):
    """RFC 6121 §8.5.1: a message to nobody is service-unavailable"""
    a = t.online()
    for to in ('nobody-%s@%s' % (unique(), t.server.domain), 'nobody@%s/x' % t.server.domain):
        e = error(a, a.message(to, 'anybody?'))
        assert e.condition() == 'service-unavailable' and e.get('from') == to, e


def test_unknown_domain(t):
    """RFC 6120 §8.3.3.16: a domain that cannot be reached is remote-server-not-found (federation is default-deny)"""
    a = t.online()
    e = error(a, a.message('romeo@elsewhere.example', 'far away'))
    assert e.condition() in ('remote-server-not-found', 'service-unavailable', 'not-allowed', 'forbidden'), e


def test_without_to(t):
    """RFC 6120 §10.3.1: a message without `to` is for oneself"""
    a = t.online()
    a.stanza("<message id='self' type='chat'><body>note</body></message>")
    m = a.expect_message(id='self')
    assert m.get('from') == a.jid, m


def test_to_oneself(t):
    """RFC 6120 §10.5: a message to one's own bare JID"""
    a = t.online()
    a2 = t.online(a)
    id = a.message(a.bare, 'note')
    a.expect_message(id=id), a2.expect_message(id=id)


def test_malformed_to(t):
    """RFC 6120 §8.3.3.8: a malformed address is jid-malformed, and the session goes on"""
    a = t.online()
    for to in ('@', 'a@', '@x', 'a b@%s' % t.server.domain, 'x' * 1024 + '@' + t.server.domain, 'a@b@c', 'a@%s/' % t.server.domain,
               'a@' + 'x' * 1100):
        e = error(a, a.message(to, 'x'))
        assert e.condition() == 'jid-malformed' and e.get('from') == to, (to, e)
    a.stanza("<message to='' id='nobody'><body>x</body></message>")
    e = error(a, 'nobody')
    assert e.condition() == 'jid-malformed' and e.get('from') is None, ('an empty address is none', e)
    assert a.ping().get('type') == 'result'


def test_unknown_type(t):
    """RFC 6121 §5.2.2: an unknown type is treated as normal"""
    a, b = t.online(), t.online()
    id = a.message(b.bare, 'what am I', type='surprise')
    assert b.expect_message(id=id).get('type') in ('surprise', 'normal', None)


def test_error_is_not_answered(t):
    """RFC 6120 §8.3.1: errors are never answered with errors"""
    a, b = t.online(), t.online()
    a.stanza("<message to='nobody-x@%s' type='error' id='e1'><error type='cancel'><gone "
             "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % t.server.domain)
    a.sync(b)
    a.ping()
    assert not got(a, 'e1')


def test_error_copies_id(t):
    """RFC 6120 §8.3.1: an error has the id, addresses swapped, and a type"""
    a = t.online()
    to = 'nobody-y@%s/r' % t.server.domain
    e = error(a, a.message(to, 'x', id='the id <&'.replace('<&', '1')))
    assert e.get('id') == 'the id 1' and e.get('from') == to and e.get('to') == a.jid, e
    assert e.find('error').get('type') in ('cancel', 'wait', 'modify', 'auth'), e


def test_offline(t):
    """XEP-0160, XEP-0203: what came while nobody was there arrives at the next login, in order, with its time, once"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for i in range(120):
        a.message(bare, str(i), type='chat' if i % 2 else 'normal')
    b = t.bound(user)
    a.acked()
    assert not b.heard_any(lambda e: e.name == 'message'), 'before initial presence nothing comes'
    b.online()
    for i in range(120):
        m = b.expect('message')
        assert m.text('body') == str(i), (i, m)
        d = m.find('delay:delay')
        assert d is not None and re.match(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$', d.get('stamp')), m
        assert d.get('from') in (t.server.domain, bare, None), m
    a.message(b.bare, 'live')
    assert b.expect('message').text('body') == 'live'
    b.ping()
    b.close()
    b = t.online(user)
    b.ping()
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'message' and e.text('body') != 'sync'), b.heard


def test_offline_large(t):
    """XEP-0160: a backlog larger than all buffers comes whole, with stream management and without: it may not close the session"""
    a, user = t.online(), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for sm in (False, True):
        for i in range(60):
            a.message(bare, '%d ' % i + 'z' * 200000)
        a.sync(a)
        b = t.online(user, sm=sm)
        for i in range(60):
            assert int(b.expect('message').text('body').split(' ')[0]) == i
        b.close()


def test_negative_priority_is_offline(t):
    """RFC 6121 §8.5.2.2: with only negative priorities a message waits; raising the priority brings it"""
    a, b = t.online(), t.online(priority=-1)
    id = a.message(b.bare, 'waiting')
    a.sync(b)
    assert not got(b, id)
    b.presence(priority=1)
    b.expect_message(id=id)


def test_delay_is_not_believed(t):
    """XEP-0203 §5, XEP-0091: a delay in the server's name that a client made up is not passed on, in neither form"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, 'old?', inner="<delay xmlns='urn:xmpp:delay' from='%s' stamp='2001-01-01T00:00:00Z'/>"
                   "<x xmlns='jabber:x:delay' from='%s' stamp='20010101T00:00:00'/>" % (t.server.domain, t.server.domain.upper()))
    m = b.expect_message(id=id)
    assert '2001-01-01' not in str(m) and '20010101' not in str(m), m


def test_stanza_id(t):
    """XEP-0359 §3: the recipient sees the record's id, by the recipient's account; forged ones are gone"""
    a, b = t.online(), t.online()
    forged = ''.join("<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='%s'/>" % by
                     for by in (b.bare, b.bare.upper(), t.server.domain, b.bare))
    id = a.message(b.jid, 'hello', inner=forged + "<origin-id xmlns='urn:xmpp:sid:0' id='mine'/>"
                   "<stanza-id xmlns='urn:xmpp:sid:0' id='theirs' by='room@elsewhere.example'/>")
    m = b.expect_message(id=id)
    ids = {s.get('by'): s.get('id') for s in m.all('stanza-id', 'sid')}
    assert b.bare in ids and 'forged' not in ids.values(), m
    assert len([s for s in m.all('stanza-id', 'sid') if s.get('by') == b.bare]) == 1, m
    assert m.find('sid:origin-id').get('id') == 'mine', m
    rows = t.server.records("client_id = '%s' and from_bare = '%s'" % (id, a.bare), 'id')
    assert [ids[b.bare]] in rows, (ids, rows)


def test_from_is_stamped(t):
    """RFC 6120 §8.1.2.1: `from` is the server's to say; one's own JIDs are accepted, another's ends the stream"""
    a, b = t.online(), t.online()
    for own in (a.jid, a.bare):
        a.stanza("<message from='%s' to='%s' id='f'><body>x</body></message>" % (own, b.jid))
        assert b.expect_message(id='f').get('from') == a.jid
    a.stanza("<message from='%s' to='%s' id='g'><body>x</body></message>" % (b.jid, b.jid))
    assert a.expect_end() == 'invalid-from'
    assert not got(b, 'g')


def test_from_of_another_resource(t):
    """RFC 6120 §8.1.2.1: another resource of one's own is another's, too"""
    a, b = t.online(), t.online()
    a2 = t.online(a)
    a.stanza("<message from='%s' to='%s' id='g'><body>x</body></message>" % (a2.jid, b.jid))
    assert a.expect_end() == 'invalid-from'
    a2.sync(b)
    assert not got(b, 'g')


def test_typing(t):
    """XEP-0085: typing notifications go through at once and are not kept for somebody offline"""
    a, b = t.online(), t.online()
    user = t.user()
    away = '%s@%s' % (user[0], t.server.domain)
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    id = a.message(b.jid, inner=composing)
    b.expect_message(id=id)
    a.message(away, inner=composing, id='typed')
    a.message(away, 'words')
    c = t.online(user)
    c.expect_message('words')
    assert not got(c, 'typed')


def test_to_unbound_session(t):
    """RFC 6121 §8.5.3: a connected resource that has sent no presence is reached by its full JID"""
    a, b = t.online(), t.bound()
    id = a.message(b.jid, 'hidden')
    b.expect_message(id=id)


@alone(limits__stanza_bytes='20000', stream__resume='60s')
def test_oversize(t):
    """RFC 6120 §13.12: a stanza over the limit ends the stream with policy-violation; the limit itself passes"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, 'x' * 19000)
    assert len(b.expect_message(id=id).text('body')) == 19000
    a.message(b.jid, 'y' * 25000)
    assert a.expect_end() == 'policy-violation'
    assert b.ping().get('type') == 'result'


@alone()
def test_crash_loses_nothing(t):
    """P2: kill -9 of the server: what was acknowledged and not yet taken comes after the restart"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for i in range(50):
        a.message(bare, str(i))
    a.acked()
    t.server.kill()
    t.server.start()
    b = t.online(user)
    for i in range(50):
        assert b.expect('message').text('body') == str(i)

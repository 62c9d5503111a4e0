"""Streams both ways (XEP-0288)."""
from chancerytest.s2s import BIDI, EXTERNAL, SM

ASK = "<bidi xmlns='urn:xmpp:bidi'/>"


def both_ways(p):
    """A stream of this partner's on which both may speak."""
    s = p.stream().secure()
    s.send(ASK)
    assert s.external() is None
    s.open().expect_features()
    return s


def say(s, to, body):
    s.stanza("<message from='romeo@%s' to='%s' type='chat'><body>%s</body></message>" % (s.own, to, body))


def taken(p, features=BIDI, ask=True, after=''):
    """The server's next stream, on which both ways are offered; asks: is it to ask for them?"""
    s = p.accept().serve_secure()
    s.answer_open(EXTERNAL + features)
    if ask:
        s.expect(lambda e: e.ns == 'urn:xmpp:bidi' and e.name == 'bidi', '<bidi/>')
    e = s.expect(lambda e: e.name in ('auth', 'bidi'), '<auth/>')
    assert e.name == 'auth', e
    s.fresh().send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    s.answer_open(after)
    p.streams.append(s)
    return s


def test_feature(t):
    """XEP-0288 §2.1: offered under TLS"""
    s = t.partner().stream().secure()
    assert any(e.ns == 'urn:xmpp:features:bidi' for e in s.features.all('bidi')), s.features


def test_in(t):
    """XEP-0288 §2.2: stanzas come and go on the stream that the peer has made; no other is made"""
    p, juliet = t.partner(), t.online()
    s = both_ways(p)
    say(s, juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    juliet.message(p.jid(), 'hello')
    s.expect_message('hello')
    p.stop()
    for i in range(10):
        juliet.message(p.jid(), 'm%d' % i)
        s.expect_message('m%d' % i)
    stanza = t.server.value("select stanza from archive.record where kind = 20 and from_bare = '%s'" % p.domain)
    assert "direction='both'" in stanza and "made-by='peer'" in stanza, stanza


def test_in_resumed_twice(t):
    """XEP-0288 §2.2, XEP-0198 §5: a broken stream is resumed both ways: nothing is sent before <resume/> has told what had arrived, and that does not come again"""
    p, juliet = t.partner(), t.online()
    s = both_ways(p)
    s.answer_r = False
    s.enable()
    p.stop()                                # no way to the partner but the streams that it makes
    for i in range(3):
        juliet.message(p.jid(), 'm%d' % i)
        s.expect_message('m%d' % i)
    s.cut()
    s = [s, both_ways(p)]
    s[1].answer_r = False
    juliet.message(p.jid(), 'm3')
    juliet.ping(t.server.domain)
    e = s[1].resume(s[0], h=2)
    assert e.name == 'resumed' and e.get('h') == '0', e
    assert not s[1].heard, s[1].heard
    assert [s[1].expect('message').text('body') for _ in range(2)] == ['m2', 'm3']
    # The count has stayed right: another resumption, with all of it.
    s[1].cut()
    s.append(both_ways(p))
    e = s[2].resume(s[0], h=4)
    assert e.name == 'resumed', e
    juliet.message(p.jid(), 'm4')
    assert s[2].expect('message').text('body') == 'm4'


def test_in_answers(t):
    """XEP-0288 §2.2: answers, too"""
    s = both_ways(t.partner())
    assert s.iq('get', "<ping xmlns='urn:xmpp:ping'/>", from_='romeo@%s/x' % s.own).get('type') == 'result'


def test_in_before_authentication(t):
    """XEP-0288 §2.2: nothing goes to whom has not authenticated"""
    p, juliet = t.partner(), t.online()
    s = p.stream().secure()
    s.send(ASK)
    juliet.message(p.jid(), 'secret')
    p.expect_message('secret')              # on a stream that the server has made to where the domain is
    assert s.external() is None
    assert s.heard == [], s.heard


def test_in_not_asked(t):
    """XEP-0288 §2.2: nothing goes to a peer that has not asked for it"""
    p, juliet = t.partner(), t.online()
    s = p.connected()
    say(s, juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    juliet.message(p.jid(), 'hello')
    p.expect_message('hello')
    assert not [e for e in s.heard if e.name == 'message']


def test_in_one_direction(t):
    """A partner from whom things only come gets nothing on its stream either"""
    p, juliet = t.partner(allow=('--direction', 'in')), t.online()
    s = both_ways(p)
    say(s, juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    id = juliet.message(p.jid(), 'hello')
    assert juliet.expect_message(type='error', id=id).condition() == 'not-allowed'


def test_in_other_pair(t):
    """XEP-0288 §2.2: only what is from the domain that the stream is to, for the one that it is from, goes on it"""
    p, juliet = t.partner(), t.online()
    s = both_ways(p)
    room = 'r-%s@conference.%s' % (p.domain, t.server.domain)
    s.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", from_='romeo@%s/x' % s.own)
    s.stanza("<iq from='romeo@%s/x' to='%s' type='get' id='other'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" % (p.domain, room))
    answer = p.expect(lambda e: e.get('id') == 'other')      # by a stream from conference.…, which the server makes
    assert answer.get('from') == room, answer
    juliet.message(p.jid(), 'hello')
    s.expect_message('hello')


def test_in_lost(t):
    """P2, P8: what was sent on the peer's stream and not taken comes by another one"""
    p, juliet = t.partner(), t.online()
    s = both_ways(p)
    s.enable()
    s.answer_r = False
    for i in range(5):
        juliet.message(p.jid(), 'm%d' % i)
        s.expect_message('m%d' % i)
    s.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    s.send("<r xmlns='urn:xmpp:sm:3'/>")
    answers = s.sm_answers
    s._wait(lambda: True if s.sm_answers > answers else None, '<a/>')
    s.cut()
    assert [p.expect('message').text('body') for _ in range(3)] == ['m2', 'm3', 'm4']


def test_in_resumed(t):
    """XEP-0198 §5, XEP-0288: a stream both ways is resumed: both counts go on"""
    p, juliet = t.partner(), t.online()
    s = both_ways(p)
    s.enable()
    for i in range(3):
        juliet.message(p.jid(), 'm%d' % i)
        s.expect_message('m%d' % i)
        say(s, juliet.jid, 'n%d' % i)
    s.acked()
    s.cut()
    s2 = both_ways(p)
    e = s2.resume(s)
    assert e.name == 'resumed' and e.get('h') == '3', e
    juliet.message(p.jid(), 'm3')
    assert s2.expect('message').text('body') == 'm3'
    say(s2, juliet.jid, 'n3')
    s2.acked()
    assert s2.sm_acked == 4
    assert [juliet.expect('message').text('body') for _ in range(4)] == ['n%d' % i for i in range(4)]


def test_out(t):
    """XEP-0288 §2.2: where it is offered the server asks for it before it authenticates; what comes back is taken, in the record first"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'hello')
    s = taken(p)
    s.expect_message('hello')
    say(s, juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    row, = t.server.records("from_bare = 'romeo@%s' and kind = 1" % p.domain, 'direction, refers_record')
    peer = t.server.value("select id from archive.record where kind = 20 and from_bare = '%s'" % p.domain)
    assert row == ['1', peer], (row, peer)


def test_out_managed(t):
    """XEP-0198, XEP-0288: both counts on a stream of ours"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'hello')
    s = taken(p, after=SM)
    s.serve_sm()
    s.expect_message('hello')
    for i in range(3):
        say(s, juliet.jid, 'm%d' % i)
    s.acked()
    assert s.sm_acked == 3
    s.cut()
    juliet.message(p.jid(), 'more')
    s2 = taken(p, after=SM)
    e = s2.expect('resume')
    assert e.get('h') == '3', e
    s2.send("<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>" % (s.sm_id, s.sm_in))
    s2.expect_message('more')


def test_out_counts_from_answer(t):
    """XEP-0198 §4, XEP-0288: what comes before <enabled/> or <resumed/> is not counted"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'hello')
    s = taken(p, after=SM)
    s.expect('enable')
    for i in range(5):
        say(s, juliet.jid, 'early %d' % i)
    juliet.expect_message('early 4')
    s.sm_id, s.sm_on, s.sm_sent = 'an-id', True, 0
    s.send("<enabled xmlns='urn:xmpp:sm:3' id='an-id' resume='true'/>")
    s.expect_message('hello')
    for i in range(3):
        say(s, juliet.jid, 'm%d' % i)
    s.acked()
    assert s.sm_acked == 3
    s.answer_r = False
    juliet.message(p.jid(), 'more')
    s.expect_message('more')
    s.cut()
    s2 = taken(p, after=SM)
    assert s2.expect('resume').get('h') == '3'
    say(s2, juliet.jid, 'early again')
    juliet.expect_message('early again')
    s2.sm_on, s2.sm_sent = True, 3
    s2.send("<resumed xmlns='urn:xmpp:sm:3' previd='an-id' h='1'/>")
    s2.expect_message('more')
    say(s2, juliet.jid, 'm3')
    s2.acked()
    assert s2.sm_acked == 4


def test_out_checked(t):
    """RFC 6120 §8.1.2.2: what comes back is checked like what comes on a stream of theirs"""
    for text, condition in (
            ("<message from='romeo@other.test' to='%s'><body>x</body></message>", 'invalid-from'),
            ("<message to='%s'><body>x</body></message>", 'improper-addressing'),
            ("<message xmlns='jabber:client' from='romeo@%%s' to='%s'><body>x</body></message>", 'invalid-namespace')):
        p, juliet = t.partner(), t.online()
        juliet.message(p.jid(), 'hello')
        s = taken(p)
        s.expect_message('hello')
        text = text % juliet.jid
        s.stanza(text % p.domain if '%s' in text else text)
        assert s.expect_end() == condition, (text, s.error)
        assert t.server.records("to_bare = '%s'" % juliet.bare) == []


def test_out_not_offered(t):
    """XEP-0288 §2.2: where it is not offered nothing may come back"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'hello')
    s = taken(p, features='', ask=False)
    s.expect_message('hello')
    say(s, juliet.jid, 'Hi')
    assert s.expect_end() == 'not-authorized'


def test_out_one_direction(t):
    """A partner to whom things only go is not asked for it, and nothing of it comes in"""
    p, juliet = t.partner(allow=('--direction', 'out')), t.online()
    juliet.message(p.jid(), 'hello')
    s = taken(p, ask=False)
    s.expect_message('hello')
    say(s, juliet.jid, 'Hi')
    assert s.expect_end() == 'not-authorized'

"""Stream management between servers (XEP-0198), in both roles."""
from chancerytest.client import Closed
from chancerytest.element import NAMES
from chancerytest.s2s import SM
from chancerytest.scenario import alone


def is_sm(e):
    return e.ns == NAMES['sm']


def metric(t, name):
    return t.server.metric('chancery_s2s_' + name)


def message(s, to, body, id=None):
    s.stanza("<message from='romeo@%s' to='%s' type='chat'%s><body>%s</body></message>" % (s.own, to, " id='%s'" % id if id else '', body))


def managed(p, resume=True):
    """A stream of this partner's, with stream management."""
    s = p.stream().authenticated()
    s.enabled = s.enable(resume)
    return s


def resume(p, old, h=0, previd=None):
    s = p.stream().authenticated()
    return s, s.resume(old, h, previd)


def outgoing(p, **how):
    """The next stream from the server under test, which may be managed."""
    s = p.accept()
    s.serve(features=SM)
    s.answer_r = False
    return s


# -- their streams --------------------------------------------------------------------------------------------


def test_feature(t):
    """XEP-0198 §2: offered behind authentication, not before"""
    s = t.partner().stream().secure()
    assert s.features.find('sm:sm') is None and s.features.find('sm') is None, s.features
    s.external()
    assert s.open().expect_features().find('sm:sm') is not None, s.features


def test_enable(t):
    """XEP-0198 §3: enabled, with an id of 128 bits and a time limit when it may be resumed"""
    p = t.partner()
    e = managed(p).enabled
    assert e.get('resume') in ('true', '1') and len(e.get('id')) >= 32 and int(e.get('max')) == 300, e
    assert managed(p, resume=False).enabled.get('resume') in (None, 'false', '0')
    s = p.stream().authenticated()
    s.send("<enable xmlns='urn:xmpp:sm:3' resume='1' max='10'/>")
    assert s.expect(is_sm).get('max') == '10'


def test_enable_unauthenticated(t):
    """XEP-0198 §3, RFC 6120 §4.9.3.12: not before authentication"""
    s = t.partner().stream().secure()
    s.send("<enable xmlns='urn:xmpp:sm:3'/>")
    assert s.expect_end() == 'not-authorized'


def test_enable_twice(t):
    """XEP-0198 §3: enabling twice fails with unexpected-request"""
    s = managed(t.partner())
    s.send("<enable xmlns='urn:xmpp:sm:3'/>")
    e = s.expect(is_sm)
    assert e.name == 'failed' and e.condition() == 'unexpected-request', e


def test_before_enabling(t):
    """XEP-0198 §4: <r/> and <a/> on a stream that is not managed fail with unexpected-request"""
    s = t.partner().stream().authenticated()
    for text in ("<r xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='0'/>"):
        s.send(text)
        e = s.expect(is_sm)
        assert e.name == 'failed' and e.condition() == 'unexpected-request', e


def test_counts(t):
    """XEP-0198 §4, P2: what <a/> has counted is in the record"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    for i in range(20):
        message(s, juliet.bare, 'm%d' % i)
        s.stanza("<presence from='romeo@%s/x' to='%s'/>" % (p.domain, juliet.bare))
    s.stanza("<iq from='romeo@%s/x' to='%s' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>" % (p.domain, t.server.domain))
    message(s, 'nobody@' + t.server.domain, 'to nobody')
    s.send("<r xmlns='urn:xmpp:sm:3'/>")
    s.acked()
    assert s.sm_acked == 42, s.sm_acked
    assert t.server.value("select count(*) from archive.record where direction = 1 and from_bare = 'romeo@%s' and kind = 1" % p.domain) == '21'


def test_counts_refused(t):
    """XEP-0198 §4: what is refused is handled, too"""
    p, juliet = t.partner(allow=('--no-files',)), t.online()
    s = managed(p)
    message(s, 'a@b@' + t.server.domain, 'malformed')
    s.stanza("<message from='romeo@%s' to='%s'><body>x</body><x xmlns='jabber:x:oob'><url>https://x.test/f</url></x></message>" % (p.domain, juliet.bare))
    s.stanza("<iq from='romeo@%s/x' to='%s' type='strange' id='q'/>" % (p.domain, juliet.bare))
    message(s, juliet.bare, 'fine')
    s.acked()
    assert s.sm_acked == 4
    juliet.expect_message('fine')


@alone(limits__s2s_stanzas_per_second='10', limits__s2s_stanzas_burst='10')
def test_tells_nothing(t):
    """P7: questions and acknowledgements that tell nobody anything new count as stanzas do, and those that do, do not"""
    s, juliet = managed(t.partner()), t.online()
    before = t.server.metric('chancery_throttled_total')
    for i in range(30):
        message(s, juliet.jid, 'm%d' % i)
        s.send("<r xmlns='urn:xmpp:sm:3'/>")
    for i in range(30):
        juliet.expect_message('m%d' % i)
    assert t.server.metric('chancery_throttled_total') == before
    for flood in ("<r xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='0'/>"):
        before = t.server.metric('chancery_throttled_total')
        s.send(flood * 15)
        message(s, juliet.jid, 'behind')
        juliet.expect_message('behind')
        assert t.server.metric('chancery_throttled_total') > before, flood


def test_acknowledges_too_much(t):
    """XEP-0198 §4: acknowledging more than was sent ends the stream with handled-count-too-high"""
    for h in ('1', '4294967295', '-1', 'x', ''):
        s = managed(t.partner())
        s.send("<a xmlns='urn:xmpp:sm:3' h='%s'/>" % h)
        assert s.expect_end() == 'undefined-condition'
        e = s.error.find('sm:handled-count-too-high')
        assert e is not None and e.get('h') == h and e.get('send-count') == '0', s.error


def test_resume(t):
    """XEP-0198 §5: a broken stream is resumed: <resumed/> says what had been handled"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    for i in range(5):
        message(s, juliet.bare, 'm%d' % i)
    s.acked()
    s.cut()
    s2, e = resume(p, s)
    assert e.name == 'resumed' and e.get('h') == '5' and e.get('previd') == s.sm_id, e
    message(s2, juliet.bare, 'm5')
    s2.acked()
    assert s2.sm_acked == 6
    assert [juliet.expect('message').text('body') for _ in range(6)] == ['m%d' % i for i in range(6)]


def test_resume_what_is_under_way(t):
    """XEP-0198 §5, P8: what was sent on the broken stream is handled before its resumption is answered; nothing comes twice"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    s.send(''.join("<message from='romeo@%s' to='%s' type='chat'><body>m%d</body></message>" % (p.domain, juliet.bare, i) for i in range(100)))
    s.cut()
    s2, e = resume(p, s)
    assert e.name == 'resumed', e
    for i in range(int(e.get('h')), 101):
        message(s2, juliet.bare, 'm%d' % i)
    assert [juliet.expect('message').text('body') for _ in range(101)] == ['m%d' % i for i in range(101)]


def test_resume_of_open_stream(t):
    """XEP-0198 §5: the stream that is resumed is still open here: it ends with conflict"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    message(s, juliet.bare, 'one')
    s2, e = resume(p, s)
    assert e.name == 'resumed' and s.expect_end() == 'conflict', e
    message(s2, juliet.bare, 'two')
    assert [juliet.expect('message').text('body') for _ in 'ab'] == ['one', 'two']


def test_resume_unknown(t):
    """XEP-0198 §5: an id that was never given; the stream goes on and may be managed"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    s.cut()
    s2, e = resume(p, s, previd='0' * 32)
    assert e.name == 'failed' and e.condition() == 'item-not-found', e
    s2.enable()
    message(s2, juliet.bare, 'Hi')
    s2.acked()
    juliet.expect_message('Hi')


def test_resume_of_another(t):
    """XEP-0198 §5: another domain's stream, or one to another domain of ours, is as good as unknown; its owner still may"""
    a, b = t.partner(), t.partner()
    s = managed(a)
    s.cut()
    assert resume(b, s)[1].condition() == 'item-not-found'
    other = a.stream(to='conference.' + t.server.domain).authenticated()
    assert other.resume(s, 0).condition() == 'item-not-found'
    assert resume(a, s)[1].name == 'resumed'


def test_resume_twice(t):
    """XEP-0198 §5: what was resumed by one stream is resumed again by the next"""
    p = t.partner()
    s = managed(p)
    for _ in range(3):
        s.cut()
        s, e = resume(p, s)
        assert e.name == 'resumed', e
    s.send('</stream:stream>')
    s.expect_end()
    assert resume(p, s)[1].condition() == 'item-not-found'


def test_resume_wrongly(t):
    """XEP-0198 §5: without id or count, with a count that cannot be, twice, on a managed stream"""
    p = t.partner()
    s = managed(p)
    s.cut()
    s2 = p.stream().authenticated()
    for attrs, condition in (("h='0'", 'bad-request'), ("previd='%s'" % s.sm_id, 'bad-request'), ("previd='%s' h='x'" % s.sm_id, 'bad-request'),
                             ("previd='%s' h='7'" % s.sm_id, 'bad-request'), ("previd='' h='0'", 'item-not-found')):
        s2.send("<resume xmlns='urn:xmpp:sm:3' %s/>" % attrs)
        e = s2.expect(is_sm)
        assert e.name == 'failed' and e.condition() == condition, (attrs, e)
    assert s2.resume(s, 0).name == 'resumed'
    assert s2.resume(s, 0).condition() == 'unexpected-request'


def test_not_resumable(t):
    """XEP-0198 §3: a stream for which resumption was not asked, and one that was closed in good order, are not kept"""
    p = t.partner()
    s = managed(p, resume=False)
    s.cut()
    assert resume(p, s, previd=s.sm_id or 'x')[1].condition() == 'item-not-found'
    s = managed(p)
    s.send('</stream:stream>')
    s.expect_end()
    assert resume(p, s)[1].condition() == 'item-not-found'


@alone(federation__resume='1s')
def test_resume_too_late(t):
    """XEP-0198 §5: after the time limit"""
    p = t.partner()
    s = managed(p)
    assert s.enabled.get('max') == '1'
    s.cut()
    t.server.wait(lambda: 's2s-resume-timeout' in t.server.log(), 'the end of the stream')
    assert resume(p, s)[1].condition() == 'item-not-found'


@alone(federation__resume='0s')
def test_resumption_off(t):
    """federation.resume 0: streams are managed, and not resumed"""
    e = managed(t.partner()).enabled
    assert e.get('resume') in (None, 'false', '0') and e.get('id') is None, e


@alone(limits__s2s_streams_per_partner=4)
def test_many_broken(t):
    """P7: a partner may break streams as it likes: so many are kept, the newest"""
    p, other = t.partner(), t.partner()
    kept = managed(other)
    kept.cut()
    old = []
    for _ in range(8):
        s = managed(p)
        s.cut()
        old.append(s)
    assert resume(p, old[-1])[1].name == 'resumed'
    assert resume(p, old[0])[1].condition() == 'item-not-found'
    assert resume(other, kept)[1].name == 'resumed'


# -- our streams ----------------------------------------------------------------------------------------------


def test_out_enable(t):
    """XEP-0198 §3: the server asks for it where it is offered, and may be answered later: what it sends meanwhile is counted"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    e = s.expect(is_sm)
    assert e.name == 'enable' and e.get('resume') in ('true', '1'), e
    assert s.expect('message').text('body') == 'one'
    s.send("<enabled xmlns='urn:xmpp:sm:3'/>")
    s.answer_r = True
    s.sm_in = 1
    juliet.message(p.jid(), 'two')
    s.expect_message('two')


def test_out_not_offered(t):
    """XEP-0198 §2: not where it is not offered"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = p.taken()
    assert s.expect(lambda e: True).name == 'message'


def test_out_failed(t):
    """XEP-0198 §3: where enabling fails, messages go all the same"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    s.expect('enable')
    s.send("<failed xmlns='urn:xmpp:sm:3'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
    s.expect_message('one')
    for i in range(3):
        juliet.message(p.jid(), 'm%d' % i)
        s.expect_message('m%d' % i)


def open_ids(t, p):
    """Messages to this partner that are in the outbox as it was written last."""
    return t.server.psql("select r.body from archive.record r, chancery.outbox o where r.to_bare like '%%@%s' and r.direction = 2 and r.deliverable"
                         " and (r.id > o.mark or r.id = any (o.open)) order by r.id" % p.domain)


def test_out_resume(t):
    """XEP-0198 §5: the broken stream is resumed; what the peer has handled is not sent again, the rest is, in order, before anything new"""
    p, juliet = t.partner(), t.online()
    for i in range(5):
        juliet.message(p.jid(), 'm%d' % i)
    s = outgoing(p)
    s.serve_sm()
    for i in range(5):
        s.expect_message('m%d' % i)
    s.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    t.server.wait(lambda: open_ids(t, p) == [['m2'], ['m3'], ['m4']], 'two of them to be settled')
    s.cut()
    juliet.message(p.jid(), 'm5')
    s2 = outgoing(p)
    e = s2.expect(is_sm)
    assert e.name == 'resume' and e.get('previd') == s.sm_id and e.get('h') == '0', e
    # It had handled one more than it had said.
    s2.send("<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='3'/>" % s.sm_id)
    assert [s2.expect('message').text('body') for _ in range(3)] == ['m3', 'm4', 'm5']
    s2.send("<a xmlns='urn:xmpp:sm:3' h='6'/>")
    t.server.wait(lambda: open_ids(t, p) == [], 'all of them to be settled')


def test_out_resume_failed(t):
    """XEP-0198 §5: what cannot be resumed begins anew, and all that was not confirmed is sent again; `h` in <failed/> counts"""
    p, juliet = t.partner(), t.online()
    for h, again in ((None, ['m0', 'm1', 'm2']), ('2', ['m2'])):
        for i in range(3):
            juliet.message(p.jid(), 'm%d' % i)
        s = outgoing(p)
        s.serve_sm()
        for i in range(3):
            s.expect_message('m%d' % i)
        s.cut()
        s2 = outgoing(p)
        s2.expect('resume')
        s2.send("<failed xmlns='urn:xmpp:sm:3'%s><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>" % (" h='%s'" % h if h else ''))
        s2.serve_sm()
        s2.sm_in = 0
        assert [s2.expect('message').text('body') for _ in again] == again
        s2.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % len(again))
        t.server.wait(lambda: open_ids(t, p) == [], 'all of them to be settled')
        s2.send('</stream:stream>')
        s2.expect_end()


def test_out_resume_wrongly(t):
    """XEP-0198 §5: resumed with a count that cannot be, or another id: the stream ends, and nothing is lost"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    s.serve_sm()
    s.expect_message('one')
    s.cut()
    s2 = outgoing(p)
    s2.expect('resume')
    s2.send("<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='9'/>" % s.sm_id)
    assert s2.expect_end() == 'undefined-condition'
    assert s2.error.find('sm:handled-count-too-high') is not None, s2.error
    s3 = outgoing(p)
    s3.serve_sm()
    s3.expect_message('one')


def test_out_counts_too_much(t):
    """XEP-0198 §4: <a/> for more than was sent: the stream ends, and what was not confirmed comes again"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    s.serve_sm()
    s.expect_message('one')
    s.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    assert s.expect_end() == 'undefined-condition'
    assert s.error.find('sm:handled-count-too-high').get('send-count') == '1', s.error
    s.cut()
    s2 = outgoing(p)
    s2.serve_sm()
    s2.expect_message('one')


def test_out_unexpected(t):
    """XEP-0198 §3: the peer of our stream may not enable or resume it"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    s.serve_sm()
    for text in ("<enable xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "<enabled xmlns='urn:xmpp:sm:3' id='y'/>"):
        s.send(text)
        e = s.expect(lambda e: is_sm(e) and e.name == 'failed', '<failed/>')
        assert e.condition() == 'unexpected-request', e


@alone(federation__patience='2s')
def test_out_silent(t):
    """XEP-0198 §4: a peer that acknowledges nothing is given up, and what it was sent comes again over another stream"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    s = outgoing(p)
    s.serve_sm()
    s.expect_message('one')
    assert s.expect_end() == 'connection-timeout'
    s.cut()


def test_out_last_word(t):
    """XEP-0198 §4: what was handled is said once more when a stream ends in good order"""
    p, juliet = t.partner(), t.online()
    s = managed(p)
    message(s, juliet.bare, 'one')
    juliet.expect_message('one')
    p.deny()
    try:
        s.expect('never')
    except Closed:
        pass
    assert s.sm_acked == 1, s.sm_acked

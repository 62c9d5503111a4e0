"""Stream management (XEP-0198)."""
import threading

from chancerytest.element import NAMES
from chancerytest.scenario import alone
from test_review import Locked


def sm(e):
    return e.ns == NAMES['sm']


def resumed(t, old, **kw):
    c = t.client(old).authenticated()
    e = c.resume(old, **kw)
    assert e.name == 'resumed', e
    return c


def test_enable(t):
    """XEP-0198 §3: enabled with an id, resumption and its time limit"""
    c = t.bound()
    e = c.enable()
    assert e.get('resume') in ('true', '1') and e.get('id') and int(e.get('max')) > 0, e


def test_enable_without_resumption(t):
    """XEP-0198 §3: enabled without resumption has no id to resume"""
    e = t.bound().enable(resume=False)
    assert e.get('resume') in (None, 'false', '0'), e


def test_enable_before_binding(t):
    """XEP-0198 §3: enabling before binding fails with unexpected-request"""
    c = t.client().authenticated()
    c.send("<enable xmlns='urn:xmpp:sm:3'/>")
    e = c.expect(sm)
    assert e.name == 'failed' and e.condition() == 'unexpected-request', e
    assert c.bind()


def test_enable_twice(t):
    """XEP-0198 §3: enabling twice fails with unexpected-request"""
    c = t.bound(sm=True)
    c.send("<enable xmlns='urn:xmpp:sm:3'/>")
    e = c.expect(sm)
    assert e.name == 'failed' and e.condition() == 'unexpected-request', e


def test_counts(t):
    """XEP-0198 §4: <a/> counts messages, presence and iq, nothing else"""
    a, b = t.online(sm=True), t.online()
    a.acked()
    before = a.sm_sent
    for i in range(10):
        a.message(b.jid, 'm%d' % i)
        a.ping()
        a.presence()
    a.send("<r xmlns='urn:xmpp:sm:3'/> \n")
    a.acked()
    assert a.sm_acked == before + 30


def test_acknowledged_means_recorded(t):
    """P2: a message that <a/> has counted is in the record"""
    a, b = t.online(sm=True), t.online()
    ids = [a.message(b.jid, 'kept') for _ in range(20)]
    a.acked()
    n = t.server.value("select count(*) from archive.record where client_id in (%s) and from_bare = '%s'"
                       % (','.join("'%s'" % i for i in ids), a.bare))
    assert int(n) == 20, n


def test_server_asks(t):
    """XEP-0198 §4: the server asks for acknowledgements of what it sends"""
    a, b = t.online(), t.online(sm=True)
    b.answer_r = False
    asked = []
    event = b._event
    def spy(kind, e):
        if kind == 'element' and sm(e) and e.name == 'r':
            asked.append(e)
        event(kind, e)
    b._event = spy
    a.message(b.jid, 'please confirm')
    b.expect_message('please confirm')
    b._wait(lambda: True if asked else None, '<r/>')


def test_too_many_acknowledged(t):
    """XEP-0198 §6: acknowledging more than was sent ends the stream"""
    c = t.online(sm=True)
    c.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % (c.sm_in + 1000))
    assert c.expect_end() == 'undefined-condition'
    assert c.error.find('sm:handled-count-too-high') is not None, c.error


def test_bad_numbers(t):
    """XEP-0198 §4, §6: an h that is no number of 32 bits is not one that is too high: the stream ends with bad-format"""
    for h in ("h='x'", "h='-1'", "h='4294967296'", "h='99999999999999999999'", ''):
        c = t.online(sm=True)
        c.send("<a xmlns='urn:xmpp:sm:3' %s/>" % h)
        assert c.expect_end() == 'bad-format', (h, c.error)
    for h in ("h='x'", ''):
        c = t.client().authenticated()
        c.send("<resume xmlns='urn:xmpp:sm:3' previd='0' %s/>" % h)
        try:
            assert c.expect(sm).name == 'failed'
        except AssertionError:
            assert c.error is not None


def test_resume(t):
    """XEP-0198 §5: after a cut what was not acknowledged comes again, once, in order; counters go on"""
    a, b = t.online(), t.online(sm=True)
    a.message(b.jid, 'first')
    b.expect_message('first')
    b.ack()
    b.answer_r = False
    a.message(b.jid, 'second')
    b.expect_message('second')
    b.sm_in -= 1     # as if the connection had broken before it was seen
    b.cut()
    for i in range(5):
        a.message(b.jid, 'while away %d' % i)
    again = resumed(t, b)
    assert again.expect('message').text('body') == 'second'
    for i in range(5):
        assert again.expect('message').text('body') == 'while away %d' % i
    a.message(b.jid, 'last')
    assert again.expect('message').text('body') == 'last'
    assert not again.heard_any(lambda e: e.name == 'message')
    again.acked()


def test_resume_sending_side(t):
    """XEP-0198 §5: <resumed h/> tells the client what to send again; nothing is recorded twice"""
    a, b = t.online(sm=True), t.online()
    ids = [a.message(b.jid, 'n%d' % i) for i in range(30)]
    a.cut()
    again = t.client(a).authenticated()
    e = again.resume(a)
    h = int(e.get('h'))
    # Stanzas sent before: presence is one of them.
    missing = ids[len(ids) - (a.sm_sent - h):] if a.sm_sent > h else []
    again.sm_sent = h
    for i in missing:
        again.message(b.jid, 'n%d' % ids.index(i), id=i)
    again.acked()
    got = [b.expect('message').text('body') for _ in ids]
    assert got == ['n%d' % i for i in range(30)], got
    n = t.server.value("select count(*) from archive.record where from_bare = '%s' and kind <> 24" % a.bare)
    assert int(n) == 30, n


@alone()
def test_resume_while_recording(t):
    """XEP-0198 §5: what still waits for its commit is counted before <resumed/> tells h; nothing is recorded twice"""
    a, b = t.online(sm=True), t.online()
    again, answers = t.client(a).authenticated(), []    # a login is a record, too
    with Locked(t.server, 'archive.record'):
        ids = [a.message(b.jid, 'x') for _ in range(5)]
        a.ping()    # so they have been read
        a.cut()
        resuming = threading.Thread(target=lambda: answers.append(again.resume(a)))
        resuming.start()
        # By then it has been read; there is nothing to see of it.
        for _ in range(50):
            b.ping()
        assert not answers, answers
    resuming.join()
    e = answers[0]
    assert e.name == 'resumed' and int(e.get('h')) == a.sm_sent, (e, a.sm_sent)
    for id in ids:
        assert b.expect('message').get('id') == id
    again.message(b.jid, 'behind')
    again.acked()
    assert b.expect('message').text('body') == 'behind'
    assert t.server.value("select count(*) from archive.record where from_bare = '%s' and kind <> 24" % a.bare) == '6'


def test_resume_while_connected(t):
    """XEP-0198 §5: resuming a session whose old connection still lives takes it over"""
    a, b = t.online(), t.online(sm=True)
    again = resumed(t, b)
    b.expect_end()
    a.message(again.jid, 'here?')
    again.expect_message('here?')


def test_presence_survives(t):
    """XEP-0198 §5: contacts do not see a cut that is resumed"""
    a, b = t.friends(None, t.online(sm=True))
    b.acked()
    b.cut()
    again = resumed(t, b)
    again.presence(inner='<status>back</status>')
    p = a.expect('presence')
    assert p.get('type') is None and p.text('status') == 'back', p


def test_resume_unknown(t):
    """XEP-0198 §5: an unknown id fails with item-not-found, and binding is possible"""
    c = t.client().authenticated()
    for previd in ('nothing', '', 'x' * 3000, '0' * 32):
        c.send("<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/>" % previd)
        e = c.expect(sm)
        assert e.name == 'failed' and e.condition() in ('item-not-found', 'bad-request', 'unexpected-request'), e
    assert c.bind()


def test_resume_of_others(t):
    """XEP-0198 §5: another account's session cannot be resumed, and does not notice"""
    victim = t.online(sm=True)
    thief = t.client().authenticated()
    e = thief.resume(victim)
    assert e.name == 'failed' and e.condition() == 'item-not-found', e
    assert victim.ping().get('type') == 'result'


def test_resume_before_authentication(t):
    """XEP-0198 §5: resuming before authentication is refused"""
    victim = t.online(sm=True)
    c = t.stream()
    c.send("<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/>" % victim.sm_id)
    e = c.expect(sm)
    assert e.name == 'failed' and e.condition() == 'unexpected-request', e
    c.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert c.expect_end() == 'not-authorized'
    assert victim.ping().get('type') == 'result'


def test_enable_before_authentication(t):
    """XEP-0198 §3: enabling before authentication fails, before TLS and after it; the stream goes on"""
    plain, c = t.client(), t.stream()
    plain.connect()
    plain.open()
    plain.expect_features()
    for c in (plain, c):
        c.send("<enable xmlns='urn:xmpp:sm:3'/>")
        e = c.expect(sm)
        assert e.name == 'failed' and e.condition() == 'unexpected-request', e
    c.auth()
    c.open().expect_features()
    assert c.bind()


def test_resume_bound(t):
    """XEP-0198 §5: a stream that has bound a resource cannot resume"""
    a = t.online(sm=True)
    b = t.bound(a)
    b.send("<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/>" % a.sm_id)
    e = b.expect(sm)
    assert e.name == 'failed' and e.condition() == 'unexpected-request', e


def test_no_resume_after_close(t):
    """XEP-0198 §5: a stream that was closed is over"""
    c = t.online(sm=True)
    c.close()
    e = t.client(c).authenticated().resume(c)
    assert e.name == 'failed' and e.condition() == 'item-not-found', e


def test_resume_twice(t):
    """XEP-0198 §5: a resumed session can be resumed again"""
    a, b = t.online(), t.online(sm=True)
    for i in range(4):
        b.cut()
        a.message(b.jid, 'round %d' % i)
        b = resumed(t, b)
        b.expect_message('round %d' % i)


def test_resume_with_too_high_h(t):
    """XEP-0198 §5: an h beyond what was sent does not damage the session's queue"""
    b = t.online(sm=True)
    b.cut()
    c = t.client(b).authenticated()
    c.send("<resume xmlns='urn:xmpp:sm:3' h='4000000' previd='%s'/>" % b.sm_id)
    try:
        assert c.expect(sm).name == 'failed'
    except AssertionError:
        assert c.error is not None


@alone(stream__resume='1s')
def test_timeout(t):
    """XEP-0198 §5: a session that does not come back ends; its messages reach another resource, or the next login"""
    a = t.online()
    b1 = t.online(sm=True)
    b1.cut()
    a.message(b1.bare, 'for whoever is there')
    b2 = t.client(b1).authenticated()
    b2.bind()
    b2.online()
    b2.expect_message('for whoever is there')
    t.server.wait(lambda: t.server.metric('chancery_sessions_detached') == 0, 'the end of detached sessions')
    e = t.client(b1).authenticated().resume(b1)
    assert e.name == 'failed' and e.condition() == 'item-not-found' and e.get('h') == str(b1.sm_sent), (e, b1.sm_sent)
    e = t.client(a).authenticated().resume(b1)
    assert e.name == 'failed' and e.condition() == 'item-not-found' and e.get('h') is None, e
    c = t.online(sm=True)
    c.cut()
    a.message(c.bare, 'kept')
    t.server.wait(lambda: t.server.metric('chancery_sessions_detached') == 0, 'the end of detached sessions')
    t.online(c).expect_message('kept')


@alone(stream__resume='60s')
def test_timeout_as_wished(t):
    """XEP-0198 §3, §5: who would be waited for no longer than that is not; and learns what was handled when it comes too late"""
    for wish in ('0', '-1', 'x', '61', '99999999999'):
        c = t.bound()
        c.send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='%s'/>" % wish)
        assert c.expect(sm).get('max') == '60', wish
    a, c = t.online(), t.bound()
    c.send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='1'/>")
    e = c.expect(sm)
    assert e.name == 'enabled' and e.get('max') == '1', e
    c.sm_on, c.sm_id = True, e.get('id')
    c.online()
    for i in range(3):
        c.message(a.jid, str(i))
        a.expect_message(str(i))
    c.cut()
    t.server.wait(lambda: 'resume-timeout' in t.server.log(), 'the end of the session')
    d = t.client(c).authenticated()
    e = d.resume(c)
    assert e.name == 'failed' and e.condition() == 'item-not-found' and e.get('h') == '4', e
    assert d.bind(), d.bind_error
    f = t.client(c).secure()
    assert f.sasl2(inner="<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/><bind xmlns='urn:xmpp:bind:0'/>" % c.sm_id) is None
    assert f.success.find('sm:failed').get('h') == '4', f.success


@alone(limits__sm_queue_stanzas='10')
def test_queue_is_bounded(t):
    """P7: a client that never acknowledges is closed; what it did not confirm is not lost"""
    a, b = t.online(), t.online(sm=True)
    b.answer_r = False
    sent = [a.message(b.bare, 'x', id='q%d' % i) for i in range(30)]
    got = set()
    try:
        while len(got) < 30:
            got.add(b.expect('message').get('id'))
    except AssertionError:
        pass
    assert b.error is not None or b.eof or b.ended, 'the queue grew without bound'
    c = t.online(b)
    c.roster()
    got = set()
    while len(got) < 30:
        got.add(c.expect('message').get('id'))
    assert got == set(sent)
    assert a.ping().get('type') == 'result'


@alone(limits__detached_per_account='2', stream__resume='60s')
def test_detached_are_bounded(t):
    """P7: an account keeps a bounded number of detached sessions"""
    user = t.user()
    for _ in range(6):
        t.online(user, sm=True).cut()
    t.server.wait(lambda: t.server.metric('chancery_sessions_detached') <= 2, 'fewer detached sessions')
    assert t.online(user).ping().get('type') == 'result'

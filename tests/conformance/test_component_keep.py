"""Messages for a component that is down, and stream management on its stream (issue 8: "answered or kept by policy, never dropped in silence; reconnect
without loss")."""
import threading
import time

from chancerytest.muc import here
from chancerytest.scenario import alone
from chancerytest.server import stopped
from test_admin import ok
from test_component import PING, is_iq
from test_component_admin import add, ended, show
from test_privilege import perms, say

SM = 'urn:xmpp:sm:3'


def send(romeo, domain, bodies):
    for b in bodies:
        romeo.message('x@' + domain, b, id=b)
    romeo.ping()


def recorded(t, romeo, n):
    """So many are committed: their ids."""
    where = "from_bare = '%s' and kind = 1" % romeo.bare
    t.server.wait(lambda: len(t.server.records(where, 'id')) >= n, '%d records' % n)
    return t.server.records(where, 'id, direction, deliverable')


def takes(c, bodies, late=None):
    for b in bodies:
        m = c.expect('message')
        assert m.text('body') == b, (b, m)
        assert late is None or (m.find('delay:delay') is not None) == late, (late, m)


def nothing_open(t):
    """All that was on its way has come to its end."""
    t.server.wait(lambda: t.server.metric('chancery_s2s_outbox') == 0, 'an empty outbox')


def sm(c):
    """Asked, it does not answer by itself: scenarios do."""
    c.answer_r = False
    c.send("<enable xmlns='%s'/>" % SM)
    assert c.expect('enabled').get('id') is None
    return c


def ask(c):
    before = c.sm_answers
    c.send("<r xmlns='%s'/>" % SM)
    c._wait(lambda: True if c.sm_answers > before else None, '<a/>')
    return c.sm_acked


def bodies(prefix, n):
    return ['%s%d' % (prefix, i) for i in range(n)]


def test_kept(t):
    """What people write to a component that is down waits, in order, and says that it is late; then it goes on as before"""
    name, (d,), secret = add(t, '--down', 'keep')
    romeo = t.online()
    send(romeo, d, bodies('k', 5))
    assert [r[1:] for r in recorded(t, romeo, 5)] == [['2', 't']] * 5
    c = t.component(d, secret).joined()
    takes(c, bodies('k', 5), late=True)
    send(romeo, d, bodies('n', 3))
    takes(c, bodies('n', 3), late=False)
    assert not romeo.heard_any(lambda e: e.name == 'message')
    # Requests are answered, as nobody waits that long.
    c.close()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    id = romeo.iq_send('get', PING, to='x@' + d)
    assert romeo.expect(lambda e: e.get('id') == id).condition() == 'service-unavailable'
    romeo.presence('subscribe', to='x@' + d)
    assert romeo.expect(lambda e: e.name == 'presence' and e.get('type') == 'error').condition() == 'service-unavailable'


def test_policy(t):
    """By default, and when the policy is changed, it goes back to its sender, and the record says so"""
    name, (d,), secret = add(t)
    romeo = t.online()
    send(romeo, d, ['r0'])
    e = romeo.expect('message')
    assert (e.get('id'), e.condition(), e.find('error').get('type')) == ('r0', 'service-unavailable', 'wait'), e
    ok(t, 'component', 'set', name, '--down', 'keep')
    assert show(t, name)['down'] == 'keep'
    send(romeo, d, bodies('k', 3))
    kept = [r[0] for r in recorded(t, romeo, 4)][1:]
    ok(t, 'component', 'set', name, '--down', 'return')
    for b in bodies('k', 3):
        e = romeo.expect('message')
        assert (e.get('id'), e.condition()) == (b, 'service-unavailable'), e
    t.server.wait(lambda: len(t.server.records('kind = 7 and refers_record in (%s)' % ', '.join(kept), 'id')) == 3, 'RETURNED records')
    # Of one that is removed, too.
    ok(t, 'component', 'set', name, '--down', 'keep')
    send(romeo, d, ['gone'])
    recorded(t, romeo, 5)
    ok(t, 'component', 'remove', name)
    assert romeo.expect('message').get('id') == 'gone'


@alone(limits__component_kept_stanzas='10')
def test_bounds(t):
    """P7: so many wait; what is over it goes back at once, in its turn"""
    name, (d,), secret = add(t, '--down', 'keep')
    romeo = t.online()
    send(romeo, d, bodies('k', 12))
    for b in ('k10', 'k11'):
        e = romeo.expect('message')
        assert (e.get('id'), e.condition(), e.find('error').get('type')) == (b, 'resource-constraint', 'wait'), e
    takes(t.component(d, secret).joined(), bodies('k', 10))


@alone(components__keep='2s')
def test_too_long(t):
    """Kept for so long, and then returned"""
    name, (d,), secret = add(t, '--down', 'keep')
    romeo = t.online()
    send(romeo, d, bodies('k', 3))
    for b in bodies('k', 3):
        e = romeo.expect('message')
        assert (e.get('id'), e.condition()) == (b, 'remote-server-timeout'), e
    nothing_open(t)
    assert t.server.metric('chancery_component_kept') == 0


@alone()
def test_crash(t):
    """P2, P8: what was acknowledged to its sender and waits for a component survives kill -9 of the server, and a stop, in order"""
    name, (d,), secret = add(t, '--down', 'keep')
    romeo = t.online(sm=True)
    send(romeo, d, bodies('k', 20))
    recorded(t, romeo, 20)
    t.server.kill()
    t.server.start()
    c = t.component(d, secret).joined()
    takes(c, bodies('k', 20), late=True)
    nothing_open(t)
    c.close()
    romeo = t.online()
    send(romeo, d, bodies('s', 5))
    recorded(t, romeo, 5)
    t.server.restart()
    takes(t.component(d, secret).joined(), bodies('s', 5), late=True)
    nothing_open(t)


@alone()
def test_acknowledged(t):
    """XEP-0198 §4: what a component has not acknowledged when its stream breaks comes again; what it has, does not, also after a crash of the server"""
    name, (d,), secret = add(t, '--down', 'keep')
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    send(romeo, d, bodies('m', 5))
    takes(c, bodies('m', 5), late=False)
    c.send("<a xmlns='%s' h='2'/>" % SM)
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    c.cut()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    c = sm(t.component(d, secret).joined())
    takes(c, bodies('m', 5)[2:], late=True)
    c.send("<a xmlns='%s' h='3'/>" % SM)
    nothing_open(t)
    t.server.wait(lambda: t.server.value("select cardinality(open) = 0 and mark >= (select max(id) from archive.record where direction = 2)"
                                         " from chancery.outbox") == 't', 'the state in the database')
    t.server.kill()
    t.server.start()
    c, romeo = t.component(d, secret).joined(), t.online()
    send(romeo, d, ['next'])
    takes(c, ['next'])


@alone()
def test_written_before(t):
    """XEP-0198 §4: what was written before counting began is confirmed by the first answer, whatever it says; what waited waits for <enable/>, for a moment"""
    name, (d,), secret = add(t, '--down', 'keep')
    c, romeo = t.component(d, secret).joined(), t.online()
    send(romeo, d, bodies('e', 3))
    takes(c, bodies('e', 3), late=False)
    sm(c)
    c.send("<a xmlns='%s' h='0'/>" % SM)
    nothing_open(t)
    c.cut()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    send(romeo, d, bodies('w', 3))
    recorded(t, romeo, 6)
    # It says nothing: then it gets what waits, too.
    takes(t.component(d, secret).joined(), bodies('w', 3), late=True)


def test_returned_unacknowledged(t):
    """Where nothing is kept, what was not acknowledged goes back to its sender"""
    name, (d,), secret = add(t)
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    send(romeo, d, bodies('m', 3))
    takes(c, bodies('m', 3))
    c.send("<a xmlns='%s' h='1'/>" % SM)
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    c.cut()
    for b in ('m1', 'm2'):
        e = romeo.expect('message')
        assert (e.get('id'), e.condition()) == (b, 'service-unavailable'), e


def test_counts(t):
    """XEP-0198 §4, P2: what a component sends is acknowledged when it has been committed; nothing before <enable/> counts; wrong counts end the stream"""
    name, (d,), secret = add(t)
    c, romeo = t.component(d, secret).joined(), t.online()
    c.send("<message from='x@%s' to='%s' type='chat'><body>before</body></message>" % (d, romeo.jid))
    sm(c)
    c.send(''.join("<message from='x@%s' to='%s' type='chat'><body>c%d</body></message>" % (d, romeo.jid, i) for i in range(30)))
    assert ask(c) == 30
    assert len(t.server.records("from_bare = 'x@%s'" % d, 'id')) == 31
    c.send("<enable xmlns='%s'/>" % SM)
    assert c.expect('failed').all('unexpected-request')
    c.send("<resume xmlns='%s' previd='x' h='0'/>" % SM)
    assert c.expect('failed').all('item-not-found')
    c.send("<a xmlns='%s' h='7'/>" % SM)
    assert ended(c) == 'undefined-condition'
    c = t.component(d, secret).joined()
    c.send("<r xmlns='%s'/>" % SM)
    assert c.expect('failed').all('unexpected-request')
    sm(c)
    c.send("<a xmlns='%s' h='x'/>" % SM)
    assert ended(c) == 'undefined-condition'


def test_dies_unread(t):
    """A component that dies with what its kernel had and it had not read: without stream management it comes again, where it is kept"""
    name, (d,), secret = add(t, '--down', 'keep')
    c, romeo = t.component(d, secret).joined(), t.online()
    send(romeo, d, bodies('u', 3))
    recorded(t, romeo, 3)
    c.cut()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    c = t.component(d, secret).joined()
    # Some may have been in its kernel for long enough to count as arrived: what comes is the end of it, in order.
    send(romeo, d, ['last'])
    got = []
    while 'last' not in got:
        got.append(c.expect('message').text('body'))
    assert got == (bodies('u', 3) + ['last'])[-len(got):], got


@alone()
def test_archive_away(t):
    """P1, P2, P8: while PostgreSQL is away nothing of a component, or in a user's name, is delivered or acknowledged, nor anything to it; then all of it
    is, in order"""
    name, (d,), secret = add(t, '--down', 'keep')
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    c, romeo, juliet = sm(t.component(d, secret).joined()), t.online(), t.online()
    perms(c)
    with stopped(t.server):
        c.send("<message from='x@%s' to='%s' type='chat'><body>a0</body></message>" % (d, juliet.jid))
        say(c, romeo.bare, juliet.bare, 'a1')
        c.send("<message from='x@%s' to='%s' type='chat'><body>a2</body></message>" % (d, juliet.jid))
        romeo.message('x@' + d, 'b0')
        before = c.sm_answers
        c.send("<r xmlns='%s'/>" % SM)
        for who in juliet, romeo:
            who.ping()
        assert not juliet.heard_any(lambda e: e.name == 'message') and not c.heard_any(lambda e: e.name == 'message')
        assert c.sm_answers == before, c.sm_acked
    for b in bodies('a', 3):
        assert juliet.expect('message').text('body') == b
    takes(c, ['b0'], late=False)
    c._wait(lambda: True if c.sm_answers > before else None, '<a/>')
    assert c.sm_acked == 3, c.sm_acked


@alone()
def test_crash_in_my_name(t):
    """P2: what a component has sent in a user's name and was acknowledged is in the record after kill -9, and reaches who was away"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    c, romeo, (juliet, password) = sm(t.component(d, secret).joined()), t.online(), t.user()
    to = '%s@%s' % (juliet, t.server.domain)
    for i in range(10):
        say(c, romeo.bare, to, 'x%d' % i)
    assert ask(c) == 10
    t.server.kill()
    assert [r[0] for r in t.server.records("to_bare = '%s'" % to, 'body')] == bodies('x', 10)
    t.server.start()
    j = t.online((juliet, password))
    for b in bodies('x', 10):
        assert j.expect('message').text('body') == b


def test_not_recorded_as_on_its_way(t):
    """P2: only what the record says is on its way waits for a component; what a room says to somebody there goes back to the room at once"""
    name, (d,), secret = add(t, '--down', 'keep')
    room, a = here(t, 1)
    c = t.component(d, secret).joined()
    who = 'hag@%s/pda' % d
    c.send("<presence from='%s' to='%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % (who, room.at('hag')))
    a.expect_presence(None, room.at('hag'))
    c.cut()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    room.say(a, 'hello')
    a.expect_presence('unavailable', room.at('hag'))
    romeo = t.online()
    send(romeo, d, ['kept'])
    recorded(t, romeo, 1)
    c = t.component(d, secret).joined()
    assert c.expect('message').text('body') == 'kept'


@alone()
def test_stop(t):
    """P2: at an orderly stop a component may still say what it has; what it has not, its senders are told while they are still there"""
    name, (d,), secret = add(t)
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    send(romeo, d, bodies('m', 4))
    takes(c, bodies('m', 4))
    asked = []
    c.ack = lambda: asked or asked.append(c.send("<a xmlns='%s' h='2'/>" % SM))
    c.answer_r = True
    stop = threading.Thread(target=t.server.stop)
    stop.start()
    assert ended(c) == 'system-shutdown'
    assert asked, 'it was not asked once more'
    back = []
    while 'm3' not in back:
        e = romeo.expect('message')
        assert (e.condition(), e.find('error').get('type')) == ('service-unavailable', 'wait'), e
        back.append(e.get('id'))
    # All of them where this machine took longer than a second for the answer.
    assert back in (['m2', 'm3'], bodies('m', 4)), back
    stop.join()
    t.server.start()


@alone(stream__ping_timeout='1s', limits__lane_stanzas='4')
def test_not_read(t):
    """XEP-0198: who is not read, as the archive does not take what it sends, is not blamed for the answers that wait behind it"""
    name, (d,), secret = add(t)
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    with stopped(t.server):
        c.send(''.join("<message from='x@%s' to='%s' type='chat'><body>n%d</body></message>" % (d, romeo.jid, i) for i in range(8)))
        t.server.wait(lambda: t.server.metric('chancery_lane_full_total') > 0, 'a full lane')
        romeo.iq_send('get', PING, to='x@' + d)
        c.expect(is_iq('get'))
        c.send("<a xmlns='%s' h='1'/>" % SM)
        time.sleep(2.5)
    for i in range(8):
        assert romeo.expect('message').text('body') == 'n%d' % i
    assert ask(c) == 8


def test_no_progress(t):
    """XEP-0198 §4: an answer that takes nothing is one: the component is asked again, not at once and not in vain"""
    name, (d,), secret = add(t)
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    asked = []

    def nothing_yet():
        asked.append(time.monotonic())
        c.send("<a xmlns='%s' h='0'/>" % SM)
    c.ack, c.answer_r = nothing_yet, True
    send(romeo, d, ['slow'])
    takes(c, ['slow'])
    c._wait(lambda: len(asked) >= 3 or None, 'a third question')
    # One for the message; then two by the clock.
    assert asked[-1] - asked[0] > 1, asked
    c.ack = lambda: c.send("<a xmlns='%s' h='1'/>" % SM)
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    c.cut()
    id = romeo.iq_send('get', PING, to='x@' + d)
    assert romeo.expect(lambda e: e.get('id') == id).condition() == 'service-unavailable'


@alone(limits__component_stanzas_per_second='10', limits__component_stanzas_burst='10')
def test_questions_have_a_rate(t):
    """P7: what is asked between stanzas counts as stanzas do"""
    name, (d,), secret = add(t)
    c = sm(t.component(d, secret).joined())
    before = t.server.metric('chancery_throttled_total')
    c.send("<r xmlns='%s'/>" % SM * 30)
    c._wait(lambda: c.sm_answers >= 30 or None, '30 answers')
    assert t.server.metric('chancery_throttled_total') > before


@alone()
def test_error_before_answer(t):
    """XEP-0198 §4, P2: what stands against a stanza is said before it is acknowledged, so that nobody takes it for recorded"""
    _, (d,), secret = add(t, '--kind', 'iq')
    c, romeo = sm(t.component(d, secret).joined()), t.online()
    for i in range(20):
        before, id = c.sm_answers, 'm%d' % i
        c.send("<message id='%s' from='x@%s' to='%s' type='chat'><body>no</body></message><r xmlns='%s'/>" % (id, d, romeo.jid, SM))
        c._wait(lambda: c.sm_answers > before or None, '<a/>')
        assert c.sm_acked == i + 1 and c.heard_any(lambda e: e.get('id') == id and e.condition() == 'not-allowed'), i


def test_count_before_enable(t):
    """XEP-0198 §4: what was on its way to the archive when counting began is not counted, nor taken off"""
    name, (d,), secret = add(t)
    c, romeo = t.component(d, secret).joined(), t.online()
    with stopped(t.server):
        c.send(''.join("<message from='x@%s' to='%s' type='chat'><body>e%d</body></message>" % (d, romeo.jid, i) for i in range(3)))
        sm(c)
        assert ask(c) == 0
        c.send('</stream:stream>')
        c.expect_end()
        assert c.sm_answers == 2 and c.sm_acked == 0, (c.sm_answers, c.sm_acked)
    for i in range(3):
        assert romeo.expect('message').text('body') == 'e%d' % i


@alone(limits__component_kept_stanzas='10')
def test_privileges_first(t):
    """XEP-0356 §4.2: what it may is said when its stream starts, however much waits for it"""
    name, (d,), secret = add(t, '--down', 'keep')
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    romeo = t.online()
    send(romeo, d, bodies('k', 10))
    recorded(t, romeo, 10)
    c = sm(t.component(d, secret).joined())
    m = c.expect('message')
    assert m.all('privilege'), m
    takes(c, bodies('k', 10))
    # Nor is a change lost while what was sent is not acknowledged.
    ok(t, 'component', 'grant', name, 'roster', 'get')
    assert perms(c)['roster'] == 'get'

"""What federation leaves in the record, and what the record gives back to it after a crash (P1, P2, P8; schema/README.md)."""
import hashlib
import os
import re
import ssl

from chancerytest.muc import MUC, USER, here
from chancerytest.scenario import alone
from chancerytest.server import SOURCE


def peers(t, p):
    """Records of streams with this partner: id, direction, who it was to, body, stanza."""
    return t.server.records("kind = 20 and from_bare = '%s'" % p.domain, 'id, direction, to_bare, body, stanza')


def fingerprint(p):
    with open(p.certificate.pem) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def peer_of(t, id):
    """What the officer asks (schema/README.md): by which certificate was the peer of this record authenticated?"""
    with open(os.path.join(SOURCE, 'schema', 'README.md')) as f:
        question = re.search(r'```sql\n(SELECT p\.at.*?)```', f.read(), re.S).group(1)
    return t.server.psql(question.replace('$1', id))


def number(t, id):
    """The record of the message with this id."""
    return t.server.wait(lambda: t.server.value("select id from archive.record where client_id = '%s' and kind = 1" % id), 'the record of it')


def refers(t, id):
    return t.server.value("select refers_record from archive.record where client_id = '%s' and kind = 1" % id)


def outbox(t):
    return t.server.psql("select mark, open from chancery.outbox")[0]


def settled(t):
    """Nothing is on its way, and that is written down."""
    newest = int(t.server.value("select coalesce(max(id), 0) from archive.record where direction = 2 and deliverable"))
    t.server.wait(lambda: int(outbox(t)[0]) >= newest and outbox(t)[1] == '{}', 'an empty outbox')


def test_peer_in(t):
    """schema/README.md: a message from another server names the stream it came on, and that its certificate"""
    p, juliet = t.partner(), t.online()
    id = p.message(juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    (peer, direction, to, body, stanza), = peers(t, p)
    assert direction == '1' and to == t.server.domain and refers(t, id) == peer
    assert fingerprint(p) in body and 'EXTERNAL' in body, body
    for part in ("domain='%s'" % p.domain, "direction='in'", "made-by='peer'", "how='EXTERNAL'", "tls='TLSv1.3", "verdict='good'",
                 "sha256='%s'" % fingerprint(p), "not-after='20"):
        assert part in stanza, (part, stanza)
    row, = t.server.records("client_id = '%s'" % id, 'direction, id > %s' % peer)
    assert row == ['1', 't'], row


def test_peer_out(t):
    """schema/README.md: what goes out names its stream; what was recorded before there was one is named when it goes"""
    p, juliet = t.partner(), t.online()
    first = juliet.message(p.jid(), 'first')
    p.expect_message('first')
    second = juliet.message(p.jid(), 'second')
    p.expect_message('second')
    (peer, direction, _, body, stanza), = peers(t, p)
    assert direction == '2' and "made-by='us'" in stanza and fingerprint(p) in body, (direction, stanza)
    assert refers(t, first) in (None, '') and refers(t, second) == peer
    passed = t.server.records("kind = 21 and refers_record = %s" % peer, 'body, id')
    id = number(t, first)
    assert [id in r[0].split() for r in passed] == [True], (id, passed)
    for m in (first, second):
        (_, domain, stanza), = peer_of(t, number(t, m))
        assert domain == p.domain and fingerprint(p) in stanza, (domain, stanza)


def test_peer_out_again(t):
    """schema/README.md: what goes over another stream than it was recorded for is named again"""
    p, juliet = t.partner(), t.online()
    juliet.message(p.jid(), 'one')
    p.expect_message('one')
    p.stop()
    id = juliet.message(p.jid(), 'two')
    n = number(t, id)
    p.listen()
    p.expect_message('two')
    newest = peers(t, p)[-1][0]
    rows = t.server.records("kind = 21 and refers_record = %s" % newest, 'body')
    assert any(n in r[0].split() for r in rows), (n, rows)


def test_room(t):
    """schema/README.md: what somebody of another server does and says in a room here names the stream that it came on; what a room sends
    there in its own name is a message to another server"""
    p = t.partner()
    room, a = here(t, 1)
    p.send("<presence from='%s' to='%s'><x xmlns='%s'/></presence>" % (p.jid(resource='pda'), room.at('romeo'), MUC))
    p.expect('presence')
    p.message(room.jid, 'from there', from_=p.jid(resource='pda'), type='groupchat')
    a.expect_message('from there')
    peer = t.server.value("select id from archive.record where kind = 20 and direction = 1 and from_bare = '%s'" % p.domain)
    rows = t.server.records("from_bare = '%s' and kind in (1, 13)" % p.jid(), 'kind, direction, refers_record')
    assert rows == [['13', '1', peer], ['1', '1', peer]], rows
    room.say(a, 'from here')
    p.expect_message('from here')
    assert t.server.records("from_bare = '%s' and body = 'from here'" % a.bare, 'direction, refers_record') == [['0', '']]
    a.stanza("<message to='%s'><x xmlns='%s'><invite to='%s'/></x></message>" % (room.jid, USER, p.jid('benvolio')))
    p.expect(lambda e: e.find(USER + ':x', 'invite') is not None, 'an invitation')
    assert t.server.records("to_bare = '%s'" % p.jid('benvolio'), 'direction, deliverable') == [['2', 't']]


@alone()
def test_crash(t):
    """P2, P8: what was acknowledged to its sender and had not been taken when the server was killed comes after its start, in order, and
    before anything new"""
    p, juliet = t.partner(), t.online(sm=True)
    juliet.message(p.jid(), 'taken')
    p.expect_message('taken')
    settled(t)
    p.stop()
    for i in range(20):
        juliet.message(p.jid('u%d' % (i % 2)), 'm%d' % i)
    juliet.acked()
    t.server.kill()
    p.listen(announce=False)
    t.server.start()
    romeo = t.online()
    romeo.message(p.jid('u0'), 'new')
    got = []
    while 'new' not in got:
        m = p.expect('message')
        got.append(m.text('body'))
        late = m.find('delay')
        assert (late is not None) == (got[-1] != 'new'), m
        assert late is None or late.get('from') == t.server.domain, m
    assert got == ['m%d' % i for i in range(20)] + ['new'], got
    settled(t)
    assert t.server.metric('chancery_s2s_outbox') == 0


@alone(federation__patience='2s')
def test_crash_returned(t):
    """P2: what went back to its sender is not sent after the next start; it is in the record as returned"""
    p = t.partner()
    p.stop()
    juliet = t.online()
    id = juliet.message(p.jid(), 'Hi')
    e = juliet.expect_message(type='error', id=id)
    assert e.condition() == 'remote-server-timeout', e
    n = number(t, id)
    t.server.wait(lambda: t.server.records("kind = 7 and refers_record = %s" % n), 'the record of its return')
    t.server.kill()
    p.listen()
    t.server.start()
    romeo = t.online()
    romeo.message(p.jid(), 'new')
    assert p.expect('message').text('body') == 'new'


@alone(federation__patience='2s')
def test_crash_too_late(t):
    """P2: what is sent again after a start and cannot be delivered goes back to its sender"""
    p = t.partner()
    p.stop()
    user = t.user()
    juliet = t.online(user, resource='balcony', sm=True)
    id = juliet.message(p.jid(), 'Hi')
    juliet.acked()
    t.server.kill()
    t.server.start()
    juliet = t.online(user, resource='balcony')
    assert juliet.expect_message(type='error', id=id).condition() == 'remote-server-timeout'
    n = number(t, id)
    t.server.wait(lambda: t.server.records("kind = 7 and refers_record = %s" % n), 'the record of its return')
    settled(t)


@alone()
def test_stop(t):
    """P2: the same when the server is stopped in good order"""
    p = t.partner()
    p.stop()
    juliet = t.online(sm=True)
    ids = [juliet.message(p.jid(), 'm%d' % i) for i in range(5)]
    juliet.acked()
    t.server.stop()
    p.listen(announce=False)
    t.server.start()
    assert [p.expect('message').get('id') for _ in ids] == ids
    settled(t)


@alone()
def test_denied_meanwhile(t):
    """P2: what waits for a domain that is not allowed any more goes back, after a start too"""
    p = t.partner()
    p.stop()
    juliet = t.online(sm=True)
    id = juliet.message(p.jid(), 'Hi')
    juliet.acked()
    t.server.kill()
    t.server.psql("delete from chancery.partner")
    t.server.start()
    n = number(t, id)
    t.server.wait(lambda: t.server.records("kind = 7 and refers_record = %s" % n), 'the record of its return')
    settled(t)


def test_not_in_the_outbox(t):
    """P2: what is not delivered later anyway (presence, questions) is not in the outbox"""
    p, juliet = t.partner(), t.online()
    juliet.presence('subscribe', to=p.jid())
    p.expect_presence('subscribe')
    rows = t.server.records("to_bare like '%%@%s' and deliverable" % p.domain, 'kind, direction')
    assert rows == [], rows

"""What a hostile reading of the server asked: messages on ways that are seldom taken, and clients that try it on."""
import subprocess
import time

from chancerytest.element import NAMES
from chancerytest.scenario import alone

BIG = 'b' * 200000


class Locked:
    """Writes to a table wait while this is open; reading goes on."""

    def __init__(self, server, table):
        self.p = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', server.env['CHANCERY_PG']], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.p.stdin.write('begin; lock table %s in exclusive mode; select 1;\n' % table)
        self.p.stdin.flush()
        assert self.p.stdout.readline().strip() == '1'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.stdin.close()
        self.p.wait()
        self.p.stdout.close()


def bodies(c, n):
    got = []
    while len(got) < n:
        got.append(c.expect('message').text('body'))
    return got


@alone(limits__sm_queue_stanzas='20', limits__offline_page='10')
def test_backlog_of_a_client_that_went(t):
    """XEP-0160: a client that goes while the backlog waits for it takes nothing with it"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    sent = ['m%02d' % i for i in range(60)]
    for body in sent:
        a.message(bare, body)
    a.acked()
    for _ in range(3):
        b = t.bound(user)
        b.enable(resume=False)
        b.answer_r = False
        b.presence()
        assert b.expect('message').text('body') == sent[0]
        b.cut()
    b = t.online(user, sm=True)
    assert bodies(b, 60) == sent
    a.message(bare, 'and now')
    assert bodies(b, 1) == ['and now']


@alone(limits__output_bytes='1048576', limits__sm_queue_bytes='2097152')
def test_backlog_of_big_messages(t):
    """P7: a backlog larger than all bounds of a session comes in pieces; nobody is shut out by it"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for i in range(30):
        a.message(bare, '%02d' % i + BIG)
    a.acked()
    for sm in (False, True):
        b = t.online(user, sm=sm)
        got = [body[:2] for body in bodies(b, 30)]
        assert got == ['%02d' % i for i in range(30)], got
        b.close() if sm else b.cut()
        if not sm:
            for i in range(30):
                a.message(bare, '%02d' % i + BIG)
            a.acked()


def test_left_by_one_taken_by_another(t):
    """XEP-0198 §5: what one resource did not confirm does not come again to those that have it"""
    a, b1 = t.online(), t.online(sm=True)
    b2 = t.online(b1)
    b1.expect_presence(None, b2.jid)
    b1.answer_r = False
    a.message(b1.bare, 'to both')
    b1.expect_message('to both')
    b2.expect_message('to both')
    a.message(b1.jid, 'to one')
    b1.expect_message('to one')
    b1.sm_in = 0
    b1.send('</stream:stream>')
    b2.expect_message('to one')
    a.message(b2.jid, 'last')
    b2.expect_message('last')
    assert not b2.heard_any(lambda e: e.name == 'message'), b2.heard


@alone(limits__offline_page='10')
def test_late_behind_a_roster_change(t):
    """P2: a message that was committed, and then waited behind its sender's roster change, is not passed over"""
    a, c, b = t.online(sm=True), t.online(), t.online(sm=True)
    with Locked(t.server, 'chancery.roster_item'):
        a.iq_send('set', "<query xmlns='jabber:iq:roster'><item jid='x@%s'/></query>" % t.server.domain)
        a.message(b.bare, 'late')
        t.server.wait(lambda: t.server.value("select count(*) from archive.record where body = 'late'") == '1', 'the commit')
        c.message(b.bare, 'early')
        b.expect_message('early')
        b.ack()
        assert not b.heard_any(lambda e: e.name == 'message')
        time.sleep(3)    # marks are written each second
        b.close()
    a.acked()
    t.server.restart()
    t.online(b).expect_message('late')


def test_late_to_who_is_there(t):
    """P2: the same, with the recipient gone when it comes, and back later"""
    a, c, b = t.online(sm=True), t.online(), t.online(sm=True)
    with Locked(t.server, 'chancery.roster_item'):
        a.iq_send('set', "<query xmlns='jabber:iq:roster'><item jid='x@%s'/></query>" % t.server.domain)
        a.message(b.bare, 'late')
        t.server.wait(lambda: t.server.value(
            "select count(*) from archive.record where body = 'late' and from_bare = '%s'" % a.bare) == '1', 'the commit')
        c.message(b.bare, 'early')
        b.expect_message('early')
        b.ack()
        b.close()
    a.acked()
    again = t.online(b)
    again.expect_message('late')
    assert not again.heard_any(lambda e: e.name == 'message'), again.heard


@alone()
def test_nothing_twice_after_a_stop(t):
    """P2: what was confirmed before a stop does not come again after it"""
    a, b = t.online(), t.online(sm=True)
    for i in range(20):
        a.message(b.bare, str(i))
    bodies(b, 20)
    b.ack()
    b.ping()
    t.server.restart()
    a, b = t.online(a), t.online(b)
    a.message(b.bare, 'new')
    assert bodies(b, 1) == ['new']


@alone(limits__sm_queue_stanzas='10', limits__detached_per_account='8')
def test_end_of_many_at_once(t):
    """Issue: disabling an account ends its sessions, though what one leaves is too much for the next"""
    a, user = t.online(), t.user()
    clients = []
    for _ in range(3):
        b = t.bound(user, sm=True)
        b.answer_r = False
        b.online()
        clients.append(b)
    for b in clients:
        for i in range(5):
            a.message(b.jid, 'x')
    for b in clients:
        bodies(b, 5)
    code, _, err = t.server.cli('user', 'disable', clients[0].bare)
    assert code == 0, err
    for b in clients:
        b.expect_end()
    assert a.ping().get('type') == 'result'


@alone()
def test_full_lane_at_resumption(t):
    """P7: resuming does not open a lane that is full"""
    a, b = t.online(sm=True), t.online()
    again = t.client(a).authenticated()     # which is a record, too
    with Locked(t.server, 'archive.record'):
        for i in range(200):
            a.message(b.bare, 'x')
        t.server.wait(lambda: t.server.metric('chancery_archive_waiting') >= 64, 'a full lane')
        a.cut()
        # <resumed/> comes when the lane is empty (its h counts what was in it); what is sent ahead of it waits unread.
        again.send("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>" % (a.sm_in, a.sm_id))
        again.send(''.join("<message to='%s' type='chat'><body>y</body></message>" % b.bare for _ in range(2000)))
        time.sleep(1)
        waiting = t.server.metric('chancery_archive_waiting')
        assert waiting <= 70, waiting
    again.expect('resumed')
    b.expect_message('y')


def test_guessing_at_once(t):
    """Issue: exchanges that were begun before the first failed are throttled like those begun after it"""
    user = t.user()
    clients = [t.client((user[0], 'wrong')).secure() for _ in range(20)]
    from chancerytest.scram import Scram
    for c in clients:
        c.scram = Scram('SCRAM-SHA-256', user[0], 'wrong')
        c.auth_send('SCRAM-SHA-256', c.scram.first())
    finals = []
    for c in clients:
        kind, what = c.sasl_next()
        assert kind == 'challenge', (kind, what)
        finals.append(c.scram.final(what))
    answers = []
    for c, final in zip(clients, finals):
        from chancerytest.client import b64
        c.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl'], b64(final)))
        answers.append(c.sasl_next()[1])
    assert answers.count('not-authorized') <= 5, answers


def test_words_inside_typing(t):
    """P1: a typing notification that carries words is a message, wherever it carries them"""
    a, b = t.online(), t.online()
    state = "http://jabber.org/protocol/chatstates"
    covert = [
        "<composing xmlns='%s'>words</composing>" % state,
        "<composing xmlns='%s'><x xmlns='urn:example:covert'>words</x></composing>" % state,
        "<composing xmlns='%s' say='words'/>" % state,
        "<composing xmlns='%s'/>words" % state,
        "<store xmlns='urn:xmpp:hints'>words</store>",
        "<composing xmlns='%s'/><thread>%s</thread>" % (state, 'words ' * 50),
        "<origin-id xmlns='urn:xmpp:sid:0' id='%s'/>" % ('words ' * 300),
    ]
    ids = [a.message(b.jid, inner=inner) for inner in covert]
    for id in ids:
        b.expect_message(id=id)
    n = t.server.value("select count(*) from archive.record where client_id in (%s) and from_bare = '%s'"
                       % (','.join("'%s'" % i for i in ids), a.bare))
    assert int(n) == len(ids), n

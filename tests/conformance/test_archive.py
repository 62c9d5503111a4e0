"""The record (design §4, §5): what is in it, and who may do what to it."""
import os
import signal
import time

from chancerytest.scenario import alone

COLUMNS = ('id, log_index, kind, direction, from_bare, from_resource, to_bare, to_resource, type, client_id, body, refers_to, '
           'length(salt), length(leaf_hash)')


def of(t, a, where='true', columns='client_id, kind'):
    return t.server.records("from_bare = '%s' and kind <> 24 and %s" % (a.bare, where), columns)


def test_row(t):
    """Design §5: who, to whom, what, with salt, leaf and index"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, 'the record <&> \u00e4')
    b.expect_message(id=id)
    (row,) = of(t, a, columns=COLUMNS)
    assert row[3:12] == ['0', a.bare, a.jid.split('/', 1)[1], b.bare, b.jid.split('/', 1)[1], 'chat', id,
                         'the record <&> \u00e4', ''], row
    assert row[2] == '1' and row[12:] == ['16', '32'], row
    assert abs(int(row[0]) / 1e6 - time.time()) < 600, 'the id is the time in microseconds'


def test_recorded_before_delivered(t):
    """P1: whoever has a message finds it in the record"""
    a, b = t.online(), t.online()
    for i in range(20):
        id = a.message(b.bare, 'x')
        b.expect_message(id=id)
        assert len(of(t, a, "client_id = '%s'" % id)) == 1


def test_what_is_recorded(t):
    """Issue: everything with content, whatever hints it carries; typing is not"""
    a, b = t.online(), t.online()
    ns = {'correct': 'urn:xmpp:message-correct:0', 'retract': 'urn:xmpp:message-retract:1', 'react': 'urn:xmpp:reactions:0',
          'receipt': 'urn:xmpp:receipts', 'marker': 'urn:xmpp:chat-markers:0', 'state': 'http://jabber.org/protocol/chatstates'}
    sent = {
        'body': (1, '<body>x</body>'), 'subject': (1, '<subject>x</subject>'),
        'hints': (1, "<body>x</body><no-store xmlns='urn:xmpp:hints'/><no-permanent-store xmlns='urn:xmpp:hints'/>"),
        'oob': (1, "<x xmlns='jabber:x:oob'><url>https://x.example/f</url></x>"),
        'omemo': (1, "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>AA==</payload></encrypted>"),
        'openpgp': (1, "<openpgp xmlns='urn:xmpp:openpgp:0'>AA==</openpgp>"),
        'correction': (2, "<body>y</body><replace xmlns='%s' id='body'/>" % ns['correct']),
        'retraction': (3, "<retract xmlns='%s' id='body'/>" % ns['retract']),
        'reaction': (4, "<reactions xmlns='%s' id='body'><reaction>\U0001f44b</reaction></reactions>" % ns['react']),
        'receipt': (5, "<received xmlns='%s' id='body'/>" % ns['receipt']),
        'marker': (5, "<displayed xmlns='%s' id='body'/>" % ns['marker']),
        'unknown': (1, "<secret xmlns='urn:example:covert'>words</secret>"),
        'typing': (None, "<composing xmlns='%s'/>" % ns['state']),
        'typing-thread': (None, "<paused xmlns='%s'/><thread>t</thread>" % ns['state']),
        'typing-body': (1, "<active xmlns='%s'/><body>x</body>" % ns['state']),
    }
    for id, (_, inner) in sent.items():
        a.message(b.jid, id=id, inner=inner)
        b.expect_message(id=id)
    got = {r[0]: int(r[1]) for r in of(t, a)}
    assert got == {id: kind for id, (kind, _) in sent.items() if kind}, got
    refers = {r[0]: r[1] for r in of(t, a, "kind between 2 and 5", 'client_id, refers_to')}
    assert set(refers.values()) == {'body'}, refers


def test_words_of_typing(t):
    """P1: what says nothing by itself has no words where nobody looks: a type of one's own is recorded, and what is for a resource that is not there
    reaches no other, neither as a message (RFC 6121 §8.5.3.2.1) nor as a copy (XEP-0280)"""
    a, b = t.online(), t.online()
    c = t.online(b, priority=-1)
    assert c.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>").get('type') == 'result'
    a.message(b.bare, id='typed', type='five-at-the-bridge')
    b.expect_message(id='typed')
    assert [r[0] for r in of(t, a)] == ['typed'], of(t, a)
    for inner in ('', "<composing xmlns='http://jabber.org/protocol/chatstates'/>"):
        a.message(b.bare + '/meet me at five', id='slash', inner=inner)
    a.message(b.bare + '/gone', 'words', id='body')
    b.expect_message(id='body')
    c.expect(lambda e: e.name == 'message' and e.find('received', 'forwarded', 'message', 'body') is not None, 'the copy of what has a body')
    for x in (b, c):
        assert not x.heard_any(lambda e: 'meet me' in str(e)), x.heard


@alone(archive__typing='true')
def test_typing_where_wanted(t):
    """archive.typing: with the setting on, typing notifications are records of their own kind"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    b.expect_message(id=id)
    t.server.wait(lambda: of(t, a) == [[id, '6']], 'the record of a typing notification')


def test_undeliverable_is_recorded_or_refused(t):
    """P1, P2: a message that is acknowledged without an error is in the record, whoever it is for"""
    a = t.online(sm=True)
    user = t.user()
    id = a.message('%s@%s' % (user[0], t.server.domain), 'later')
    a.acked()
    assert len(of(t, a, "client_id = '%s'" % id)) == 1


def test_strange_text(t):
    """The record takes what XML allows: every plane, long bodies, odd ids"""
    a, b = t.online(), t.online()
    for i, body in enumerate(['\t\n x', '\U0010fffd\ue000\ufffd', '\\x \\\\ \'\' $$ -- %s', '\u202e\u0000'.replace('\u0000', ''), 'e' * 60000, '\r\n'.replace('\r', '')]):
        id = 'strange-%d-\\' % i
        a.message(b.jid, body, id=id)
        assert b.expect_message(id=id).text('body') == body
        (row,) = of(t, a, "client_id = E'strange-%d-\\\\'" % i, 'body')
        assert row[0] == body, (row[0][:50], body[:50])


@alone()
def test_log_index_is_dense(t):
    """Design §5: ids grow, log indexes are dense, each leaf is there"""
    clients = [t.online() for _ in range(6)]
    for i in range(40):
        for j, c in enumerate(clients):
            c.message(clients[(j + 1) % 6].jid, str(i))
    for c in clients:
        for i in range(40):
            c.expect_message(str(i))
    rows = t.server.psql('select id, log_index, leaf_hash is not null and length(salt) = 16 from archive.record order by log_index')
    indexes = [int(r[1]) for r in rows]
    ids = [int(r[0]) for r in rows]
    # With those of what administrators have done: the start, the accounts.
    assert indexes == list(range(len(indexes))) and len(t.server.records('kind = 1', 'id')) == 240, indexes[:5]
    assert ids == sorted(set(ids))
    assert all(r[2] == 't' for r in rows)
    t.server.restart()
    a, b = t.online(), t.online()
    a.message(b.jid, 'after')
    b.expect_message('after')
    assert int(t.server.value('select max(log_index) + 1 from archive.record')) == int(t.server.value('select count(*) from archive.record'))
    assert int(t.server.value("select log_index from archive.record where body = 'after'")) > indexes[-1]


def as_server(t, sql):
    """As the server's role. Only the database's superuser can stand in for it here."""
    return t.server.psql('set role chancery_server; ' + sql)


def test_role(t):
    """P3: the server's role can insert and read the record, and can do nothing else to it"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'x')
    b.expect_message('x')
    assert int(as_server(t, 'select count(*) from archive.record')[-1][0]) >= 1
    partition = t.server.value("select inhrelid::regclass from pg_inherits where inhparent = 'archive.record'::regclass limit 1")
    for sql in ("update archive.record set body = 'y'", 'delete from archive.record', 'truncate archive.record',
                'drop table archive.record', 'alter table archive.record add column z int',
                'alter table archive.record disable trigger all', 'create table archive.mine (x int)',
                "update %s set body = 'y'" % partition, 'delete from %s' % partition, 'truncate %s' % partition,
                'alter table archive.record detach partition %s' % partition, 'drop table %s' % partition,
                'update chancery.audit set action = null', 'delete from chancery.audit', 'truncate chancery.audit',
                'set role chancery_owner', 'set role postgres', "copy archive.record to program 'id'"):
        # In one statement list the first `set role` stays in force, so a second one is judged by it.
        try:
            t.server.psql('set session authorization chancery_server; ' + sql)
        except RuntimeError as e:
            assert 'permission denied' in str(e) or 'must be owner' in str(e) or 'must be superuser' in str(e), (sql, e)
            continue
        raise AssertionError('the server may: ' + sql)


@alone()
def test_unsafe_database_refused(t):
    """Pitfalls: with fsync or synchronous_commit off the server does not start, and says why"""
    t.server.stop()
    conf = os.path.join(t.server.path('pg'), 'postgresql.conf')
    with open(conf) as f:
        before = f.read()
    for setting in ('fsync', 'synchronous_commit', 'full_page_writes'):
        with open(conf, 'w') as f:
            f.write(before + '\n%s = off\n' % setting)
        try:
            t.server.start()
        except RuntimeError as e:
            assert setting in str(e), e
        else:
            raise AssertionError('started with %s = off' % setting)
    with open(conf, 'w') as f:
        f.write(before)
    t.server.start()
    assert t.online().ping().get('type') == 'result'


@alone(database__allow_unsafe_durability='true')
def test_unsafe_database_is_audited(t):
    """Pitfalls: whoever allows a database that may forget is found in the audit table, for each start"""
    rows = "select count(*) from chancery.audit where action = 'start.allow-unsafe-durability'"
    assert t.server.psql(rows) == [['1']], t.server.psql(rows)


@alone()
def test_database_away(t):
    """P1: while PostgreSQL is frozen nothing is delivered, ping and roster answer; then everything comes, in order"""
    a, b = t.online(), t.online()
    a.roster()
    a.sync(b)
    pids = postgres(int(t.server.env['CHANCERY_PG_PID']))
    freeze(pids)
    try:
        for i in range(10):
            a.message(b.jid, 'held %d' % i)
        began = time.monotonic()
        assert a.ping(t.server.domain).get('type') == 'result'
        assert a.ping(a.bare).get('type') == 'result'
        assert a.roster().get('type') == 'result'
        assert time.monotonic() - began < 9, 'ping and roster waited for the database'
        assert b.ping(t.server.domain).get('type') == 'result'
        assert not b.heard_any(lambda e: e.name == 'message'), 'delivered without a record: %s' % b.heard
    finally:
        for p in pids:
            os.kill(p, signal.SIGCONT)
    for i in range(10):
        assert b.expect('message').text('body') == 'held %d' % i


@alone(archive__patience='3s')
def test_patience(t):
    """P1: after archive.patience a message goes back as a wait error, and is never delivered"""
    a, b = t.online(), t.online()
    a.sync(b)
    pids = postgres(int(t.server.env['CHANCERY_PG_PID']))
    freeze(pids)
    try:
        id = a.message(b.jid, 'too late')
        e = a.expect(lambda e: e.name == 'message' and e.get('id') == id)
        assert e.get('type') == 'error' and e.find('error').get('type') == 'wait', e
        assert 'not delivered' in e.text('error', 'text'), 'in words for people: %s' % e
    finally:
        for p in pids:
            os.kill(p, signal.SIGCONT)
    a.sync(b)
    assert not b.heard_any(lambda e: e.get('id') == id)
    b.close()
    c = t.online(b)
    a.sync(c)
    assert not c.heard_any(lambda e: e.get('id') == id), 'a returned message came after all'


@alone(archive__patience='3s')
def test_patience_of_requests(t):
    """P1: what is no message and cannot be recorded goes back, too: a subscription request with words, which changes no roster; a request to a
    client; of an answer who waits for it is told. What has no words passes meanwhile"""
    a, b, c = t.online(), t.online(), t.online()
    words = "<move xmlns='urn:example:chess'>%s</move>"
    waits = a.iq_send('get', words % 'whose?', b.jid)
    b.expect(lambda e: e.get('id') == waits)
    a.sync(b)
    pids = postgres(int(t.server.env['CHANCERY_PG_PID']))
    freeze(pids)
    try:
        c.presence('subscribe', b.bare, inner='<status>May I?</status>')
        late = a.iq_send('set', words % 'too late', b.jid)
        b.stanza("<iq type='result' id='%s' to='%s'>%s</iq>" % (waits, a.jid, words % 'mine'))
        assert a.ping(t.server.domain).get('type') == 'result', 'behind a request'
        e = c.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'the request back')
        assert e.find('error').get('type') == 'wait' and e.get('from') == b.bare, e
        for id in (late, waits):
            e = a.expect(lambda e: e.get('id') == id, 'that %s was not recorded' % id)
            assert e.get('type') == 'error' and e.find('error').get('type') == 'wait' and e.get('from') == b.jid, e
            assert 'mine' not in str(e), e
        ping = a.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", b.jid)
        b.expect(lambda e: e.get('id') == ping)
        b.stanza("<iq type='result' id='%s' to='%s'/>" % (ping, a.jid))
        assert a.expect(lambda e: e.get('id') == ping).get('type') == 'result'
    finally:
        for p in pids:
            os.kill(p, signal.SIGCONT)
    for x in (a, c):
        x.sync(b)
    b.sync(a)
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe' or e.get('id') == late)
    assert not a.heard_any(lambda e: e.get('id') == waits)
    assert not c.roster().find('roster:query').all('item')


def state(pid):
    """(state, parent) of a process; None when it is gone."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rsplit(')', 1)[1].split()
            return fields[0], int(fields[1])
    except OSError:
        return None


def postgres(master):
    """The postmaster and its children."""
    pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]
    return [master] + [p for p in pids if (state(p) or ('', 0))[1] == master]


def freeze(pids):
    """SIGSTOP, and waiting until it has taken effect."""
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    while any((state(p) or 'T')[0] not in 'TtZX' for p in pids):
        time.sleep(0.01)

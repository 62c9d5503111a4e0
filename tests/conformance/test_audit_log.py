"""Issue 7: whoever acts is seen: what is done is a record of the log before it happens, and an auditor reads it there."""
import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

from chancerytest.client import unique
from chancerytest.desk import Person, control, post, refused
from chancerytest.scenario import alone


def ok(t, *args, stdin=''):
    code, out, err = t.server.cli(*args, stdin=stdin)
    assert code == 0, '%s: %d %s %s' % (args, code, out, err)
    return out


def fails(t, *args, stdin=''):
    code, out, err = t.server.cli(*args, stdin=stdin)
    assert code == 1, '%s: %d %s %s' % (args, code, out, err)
    return err


def trail(t, where='true'):
    """(action, target, JSON, record, about) of audit records, by a parser of our own."""
    out = []
    for id, about, type_, sender, stanza in t.server.records('kind = 24 and ' + where, "id, coalesce(refers_record, 0), type, from_bare, stanza"):
        e = ET.fromstring(stanza)
        assert e.tag == '{urn:chancery:audit:0}audit' and len(e) == 0 and type_ == 'audit', stanza
        j = json.loads(e.text)
        assert j['who'] == sender, (j, sender)
        out.append((j['action'], j.get('target'), j, int(id), int(about)))
    return out


def mark(t):
    return int(t.server.value('select coalesce(max(id), 0) from archive.record'))


def since(t, m, target):
    return [a for a in trail(t, 'id > %d' % m) if a[1] == target or target in json.dumps(a[2].get('detail', {}))]


class Lock:
    """Held by another session: nobody writes to the table."""

    def __init__(self, server, table):
        self.p = subprocess.Popen(['psql', '-XqAt', server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.p.stdin.write('begin; lock table %s in exclusive mode; select 1;\n' % table)
        self.p.stdin.flush()
        assert self.p.stdout.readline() == '1\n'

    def release(self):
        self.p.communicate('rollback;\n', timeout=60)


def new_jid(t):
    return '%s@%s' % (unique('aud').lower(), t.server.domain)


def test_each_change_once(t):
    """Each command that changes something leaves one record, and one row that refers to it"""
    jid, d = new_jid(t), unique('aud').lower() + '.example'
    room = '%s@rooms.%s' % (unique('aud').lower(), t.server.domain)
    table = [
        ('user.add', jid, ('user', 'add', jid, '--password-stdin'), 'pw\n'),
        ('user.password', jid, ('user', 'password', jid, '--password-stdin'), 'pw2\n'),
        ('user.set', jid, ('user', 'set', jid, 'group+=staff'), ''),
        ('user.disable', jid, ('user', 'disable', jid), ''),
        ('user.enable', jid, ('user', 'enable', jid), ''),
        ('federation.allow', d, ('federation', 'allow', d, '--owner', 'me', '--reason', 'a test'), ''),
        ('federation.deny', d, ('federation', 'deny', d, '--reason', 'a test'), ''),
        ('user.import', 'x' + jid, ('user', 'import', '-'), 'x%s\tpw\n' % jid),
        ('user.delete', 'x' + jid, ('user', 'delete', 'x' + jid), ''),
        ('user.delete', jid, ('user', 'delete', jid), ''),
    ]
    for action, target, args, stdin in table:
        m = mark(t)
        ok(t, *args, stdin=stdin)
        got = since(t, m, target)
        assert [a[0] for a in got] == [action], (args, got)
        a = got[0]
        assert a[2]['uid'] == os.getuid() and a[2]['origin'].startswith('control pid='), a
        rows = t.server.psql("select action, who_uid, record from chancery.audit where target = '%s' and record > %d" % (target, m))
        assert rows == [[action, str(os.getuid()), str(a[3])]], (args, rows)
    # No secrets.
    assert 'pw2' not in str(t.server.records('kind = 24', 'stanza, body'))


def test_refused_leaves_nothing(t):
    """What is refused before anything would be done leaves no record; what fails behind its record leaves a second one about it"""
    jid = new_jid(t)
    m = mark(t)
    fails(t, 'user', 'disable', jid)
    fails(t, 'user', 'delete', jid)
    assert since(t, m, jid) == []
    fails(t, 'session', 'close', jid)
    a, b = since(t, m, jid)
    assert (a[0], b[0], b[4]) == ('session.close', 'session.close.failed', a[3]), (a, b)
    assert 'has no session' in b[2]['detail']['why'] and b[2]['detail']['record'] == a[3], b


def test_owners(t):
    """What owners do to their accounts is recorded as well: another password, the end"""
    a = t.online()
    m = mark(t)
    a.iq('set', "<query xmlns='jabber:iq:register'><username>%s</username><password>another-one</password></query>" % a.user)
    got = since(t, m, a.bare)
    assert [x[0] for x in got] == ['account.password'] and got[0][2]['who'] == a.bare and got[0][2]['origin'] == 'owner', got
    rows = t.server.psql("select action, record from chancery.audit where target = '%s' and record > %d" % (a.bare, m))
    assert rows == [['account.password', str(got[0][3])]], rows
    assert 'another-one' not in str(t.server.records('id > %d and kind = 24' % m, 'stanza, body'))


def test_nobody_sees_it(t):
    """Audit records are in nobody's history, backlog or offline messages, whoever they are about or from"""
    a, b = t.online(), t.online()
    ok(t, 'user', 'set', a.bare, 'admin=yes')
    a.message(b.jid, 'seen')
    b.expect_message('seen')
    assert t.server.value("select count(*) from archive.record where kind = 24 and (deliverable or shown or to_bare is not null"
                          " or from_hash is not null or to_hash is not null)") == '0'
    for c in (a, b):
        r = c.iq('set', "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")
        assert r.get('type') == 'result', r
        assert not c.heard_any(lambda e: 'urn:chancery:audit' in str(e)), c.heard
    ok(t, 'user', 'set', a.bare, 'admin=no')


@alone(archive__patience='1s')
def test_archive_gone(t):
    """When it cannot be recorded, it is not done, and nothing of it is left; afterwards all is as before"""
    jid, other = new_jid(t), new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    admin = Person(t, 'admin')
    admin.ask('whoami')
    m, rows = mark(t), t.server.value('select count(*) from chancery.audit')
    lock = Lock(t.server, 'archive.record')
    try:
        for args, stdin in ((('user', 'add', other, '--password-stdin'), 'pw\n'), (('user', 'delete', jid), ''), (('user', 'disable', jid), ''),
                            (('user', 'set', jid, 'admin=yes'), ''), (('config', 'reload'), ''), (('announce', 'hello'), ''),
                            (('federation', 'allow', 'late.example', '--owner', 'me', '--reason', 'x'), '')):
            err = fails(t, *args, stdin=stdin)
            assert 'cannot be recorded' in err, (args, err)
        a = post(t, admin.token, ('user', 'disable'), {'jid': jid})
        assert a.status == 503 and a.get('retry-after') and 'cannot be recorded' in json.loads(a.body)['detail'], a
    finally:
        lock.release()
    assert t.server.metric('chancery_audit_refused_total') >= 7
    assert json.loads(ok(t, '--json', 'user', 'show', jid))['state'] == 'enabled'
    fails(t, 'user', 'show', other)
    assert t.server.value("select count(*) from chancery.partner where domain = 'late.example'") == '0'
    ok(t, 'user', 'disable', jid)
    # What was committed late all the same is taken back by a record about it.
    late = t.server.records('kind = 24 and id > %d' % m, 'id, body')
    back = {int(r) for r, in t.server.records("kind = 7 and type = 'audit' and id > %d" % m, 'refers_record')}
    # An auditor sees that it was.
    assert back == {int(r) for r, in t.server.psql('select refers_record from archive.audit_record where kind = 7 and id > %d' % m)}
    kept = [b for i, b in late if int(i) not in back]
    assert kept == ['%s: user.disable %s' % (late[-1][1].split(':')[0], jid)], (late, back)
    assert int(t.server.value('select count(*) from chancery.audit')) == int(rows) + 1


@alone()
def test_life(t):
    """Start, stop, migrations and what a signal reloads are recorded, with who sent it"""
    got = [a[0] for a in trail(t)]
    assert 'schema.migrate' in got and 'server.start' in got, got
    # What it was started with, but for defaults; of secrets only that they are set.
    settings = [a for a in trail(t) if a[0] == 'server.start'][-1][2]['detail']['settings']
    assert settings['database.conninfo'] == 'set' and t.server.domain in settings['hosts'] and 'limits.roster_items' not in settings, settings
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        text = f.read()
    m = mark(t)
    with open(t.server.env['CHANCERY_CONFIG'], 'w') as f:
        f.write(text.replace('archive:\n', 'archive:\n  typing: true\n', 1) if '\narchive:\n' in text else text + '\narchive:\n  typing: true\n')
    os.kill(t.server.pid, signal.SIGHUP)
    t.server.wait(lambda: trail(t, 'id > %d' % m), 'the record of the reload')
    a, = trail(t, 'id > %d' % m)
    assert a[0] == 'config.reload' and a[2]['uid'] == os.getuid() and re.match(r'signal pid=\d+$', a[2]['origin']), a
    assert a[2]['detail']['changed'] == {'archive.typing': {'old': 'false', 'new': 'true'}}, a
    # The record is there before it happens, the row when it has.
    t.server.wait(lambda: t.server.value('select count(*) from chancery.audit where record = %d' % a[3]) == '1', 'the reload')
    m = mark(t)
    t.server.edited = True
    t.server.restart()
    # A stop waits for its record for two seconds only, and says so.
    stop = [] if 'action=server.stop' in t.server.log() and 'audit-not-recorded' in t.server.log() else ['server.stop']
    assert [x[0] for x in trail(t, 'id > %d' % m)] == stop + ['server.start']


def wrong_login(t, user):
    c = t.client((user, 'wrong')).secure()
    why = c.auth()
    c.close()
    return why


@alone(limits__auth_failures_per_account='1000', limits__auth_failures_per_address='1000', limits__refusal_sources='2')
def test_logins(t):
    """Each login to an account is a record before it is answered, with its mechanism and from where; failures are one record at once, and one for a
    flood of them, with how many there were and whose accounts they were about; sources beyond the limit are counted together"""
    m = mark(t)
    user = t.user()
    c = t.client(user).authenticated()
    got = [a for a in trail(t, 'id > %d' % m) if a[0] == 'login']
    assert len(got) == 1 and got[0][1] == got[0][2]['who'] == '%s@%s' % (user[0], t.server.domain), got
    assert got[0][2]['origin'] == 'client ' + t.source and got[0][2]['detail']['mechanism'].startswith('SCRAM-'), got
    c.close()
    others = [t.user()[0] for _ in range(3)]
    for i in range(30):
        assert wrong_login(t, others[i % 3]) == 'not-authorized'
    first = t.server.wait(lambda: [a for a in trail(t, 'id > %d' % m) if a[0] == 'login.refused'], 'the failures')
    assert first[0][2]['who'] == 'unknown' and first[0][2]['origin'] == 'client ' + t.source, first
    for i in range(2, 6):
        t.source = '127.9.9.%d' % i
        wrong_login(t, others[0])
    t.server.wait(lambda: len([a for a in trail(t, 'id > %d' % m) if a[0] == 'login.refused']) == 3, 'three sources: two, and all the others')
    # What is counted at the stop is recorded then.
    t.server.restart()
    got = [a[2] for a in trail(t, 'id > %d' % m) if a[0] == 'login.refused']
    assert sum(a['detail']['count'] for a in got) == 34 and len(got) <= 6, got
    mine = [a for a in got if a['origin'] == first[0][2]['origin']]
    assert len(mine) == 2 and sum(a['detail']['count'] for a in mine) == 30 and mine[-1]['detail']['why'] == ['not-authorized'], mine
    assert {x for a in mine for x in a['detail']['targets']} == {'%s@%s' % (o, t.server.domain) for o in others}, mine
    assert [a for a in got if a['origin'].startswith('more sources')], got


@alone()
def test_many_logins(t):
    """A client that comes and goes fills no archive: some logins one by one, further ones within the minute counted in few records, none of them lost"""
    m, user = mark(t), t.user()
    for _ in range(30):
        t.client(user).authenticated().close()
    other, here, there = t.user(), t.source, '127.9.9.7'
    t.client(other).authenticated().close()
    t.source = there
    t.client(user).authenticated().close()
    t.source = here

    def logins(name):
        return [a[2] for a in trail(t, 'id > %d' % m) if a[0] == 'login' and a[2]['who'] == '%s@%s' % (name, t.server.domain)]
    assert len(logins(other[0])) == 1 and len(logins(user[0])) < 15, logins(user[0])
    # What is counted at the stop is recorded then.
    t.server.restart()
    got = logins(user[0])
    assert sum(a['detail'].get('count', 1) for a in got) == 31 and len(got) < 16, got
    # Wherever each came from.
    assert [a for a in got if 'client ' + there in [a['origin']] + a['detail'].get('origins', [])], got
    assert all(a['detail']['why'][0].startswith('SCRAM-') for a in got if 'count' in a['detail']), got


@alone(archive__patience='25s', auth__plain='true')
def test_stop_without_archive(t):
    """A stop waits for no refusal that cannot be recorded, nor for an approval that has expired"""
    user = t.user()
    lock = Lock(t.server, 'archive.record')
    try:
        t.server.psql("insert into compliance.approval (noun, verb, args, hash, role, asked_by, asked_from, expires_at) values"
                      " ('person', 'add', '{}', sha256('x'), 1, 'x', 'x', now() - interval '1 minute')")
        wrong_login(t, user[0])
        t.server.wait(lambda: 'approval.expire' in t.server.log(), 'an approval that cannot be settled')
        before = time.monotonic()
        t.server.terminate()
        t.server.wait_gone()
        assert time.monotonic() - before < 20
    finally:
        lock.release()
    t.server.start()


@alone(archive__patience='1s', auth__plain='true')
def test_login_not_recorded(t):
    """A login that cannot be recorded is refused, with any mechanism, and nobody is let in; afterwards it works"""
    user = t.user()
    t.client(user).authenticated().close()
    lock = Lock(t.server, 'archive.record')
    try:
        for mechanism in ('SCRAM-SHA-1', 'PLAIN'):
            c = t.client(user).secure()
            assert c.auth(mechanism) == 'temporary-auth-failure', mechanism
            c.close()
    finally:
        lock.release()
    t.server.wait(lambda: t.client(user).secure().auth() is None, 'a login')


def test_refused(t):
    """Tokens that open nothing, verbs that are not for who asks, and approvals that there are not: each is in the trail, a flood of them as few"""
    p, m = Person(t, 'officer'), mark(t)

    def found(action, who):
        return [a for a in trail(t, 'id > %d' % m) if a[0] == action and a[2]['who'] == who]
    for _ in range(20):
        refused(403, p.ask, 'user', 'list')
        refused(404, p.ask, 'approval', 'approve', id=1 << 60)
    a = t.server.wait(lambda: found('access.denied', p.name), 'what was denied')
    assert a[0][1] == 'user.list' or 'user.list' in a[0][2]['detail']['targets'], a
    assert a[0][2]['role'] == 'officer' and a[0][2]['origin'].startswith('https ') and len(a) == 1, a
    control(t.server, 'token', 'revoke', id=p.token_id)
    for _ in range(20):
        refused(401, p.ask, 'whoami')
    a = t.server.wait(lambda: [x for x in trail(t, 'id > %d' % m) if x[0] == 'access.refused' and 'token %d' % p.token_id in x[2]['detail']['targets']], 'the token')
    assert len(a) == 1 and a[0][2]['detail']['why'] == ['the token has been revoked'] and a[0][2]['origin'] == 'https ' + t.source, a
    assert p.token not in str(trail(t, 'id > %d' % m))


@alone(limits__audit_detail_bytes='4096')
def test_long_details(t):
    """What is longer than an audit record may be is cut there, and said by its hash"""
    p, m = Person(t, 'officer'), mark(t)
    assert 'too long' in refused(422, p.local, 'archive', 'search', file='x' * 5000)
    a, = [a for a in trail(t, 'id > %d' % m) if a[0] == 'archive.search']
    assert a[2]['detail']['bytes'] > 5000 and len(a[2]['detail']['sha256']) == 64 and len(a[2]['detail']['begins']) == 2048, a


def test_list(t):
    """An auditor reads all of it, page by page by a stable cursor; an officer what they did themselves; others nothing; and looking is recorded"""
    auditor, officer, admin = Person(t, 'auditor'), Person(t, 'officer'), None
    jid = new_jid(t)
    m = mark(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    for i in range(5):
        ok(t, 'user', 'set', jid, 'group+=g%d' % i)
    ok(t, 'user', 'delete', jid)
    rows = [r for r in auditor.local('audit', 'list', action='user', limit='10000', cursor=str(m)) if r.get('target') == jid]
    assert [r['action'] for r in rows] == ['user.add'] + 5 * ['user.set'] + ['user.delete'], rows
    assert [r['record'] for r in rows] == sorted(r['record'] for r in rows) and rows[1]['detail']['added'] == ['g0'], rows
    sets = [r for r in auditor.local('audit', 'list', action='user.set', newest=True) if r.get('target') == jid]
    assert [r['detail']['added'] for r in sets] == [['g%d' % i] for i in (4, 3, 2, 1, 0)], sets
    # Three at a time.
    seen, cursor = [], str(m)
    for _ in range(200):
        page = auditor.local('audit', 'list', action='user', limit='3', cursor=cursor)
        if not page:
            break
        seen += page
        cursor = str(page[-1]['record'])
        if any(r['action'] == 'user.delete' and r['target'] == jid for r in page):
            break
    assert [r['action'] for r in seen if r.get('target') == jid] == [r['action'] for r in rows], seen
    code, out, err = auditor.cli('--json', 'audit', 'list', '--action', 'user.add', '--cursor', str(m))
    assert code == 0 and any(json.loads(x)['target'] == jid for x in out.splitlines()), (code, out, err)
    mine = officer.local('audit', 'list')
    assert mine and {r['who'] for r in mine} == {officer.name} and mine[-1]['action'] in ('audit.list', 'access.login'), mine
    assert 'officers' in refused(403, officer.local, 'audit', 'list', who='root')
    assert 'not allowed' in refused(403, control, t.server, 'audit', 'list')
    for bad in ({'since': 'yesterday'}, {'cursor': '-1'}, {'cursor': "1' or true --"}, {'limit': '0'}, {'action': "x' or"}, {'newest': 'yes'}):
        refused(400, auditor.local, 'audit', 'list', **bad)
    looks = trail(t, "id > %d and from_bare = '%s'" % (m, auditor.name))
    assert any(a[0] == 'audit.list' and a[2]['detail'].get('action') == 'user.set' and a[2]['role'] == 'auditor' for a in looks), looks


def test_database_roles(t):
    """As an auditor in the database: the audit records, and not one other; nobody changes a row"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'private words')
    b.expect_message('private words')
    conn = t.server.env['CHANCERY_PG'].replace('postgres@', 'chancery_auditor@')

    def as_auditor(sql):
        return t.server.psql("set role chancery_auditor; " + sql)
    assert int(as_auditor("select count(*) from archive.audit_record")[-1][0]) > 0
    assert as_auditor("select count(*) from archive.audit_record where kind not in (24, 25) and not (kind = 7 and body is null)")[-1] == ['0']
    for sql in ("select count(*) from archive.record", "select body from archive.record limit 1", "update chancery.audit set action = 'x'",
                "delete from chancery.audit", "insert into archive.audit_record (id) values (1)"):
        try:
            as_auditor(sql)
        except RuntimeError as e:
            assert 'permission denied' in str(e), e
        else:
            raise AssertionError('allowed: ' + sql)
    assert conn

"""Issue 7: four eyes: what waits for a second person, is approved once, by somebody else, in time."""
import threading

from chancerytest.client import unique
from chancerytest.desk import Person, control, refused
from chancerytest.scenario import alone

FOUR = dict(compliance__four_eyes='true')


def make(t, *roles, **more):
    """A person, as a superuser of the database makes one: under four eyes nobody can alone."""
    name = unique('p').lower()
    bits = sum({'admin': 1, 'officer': 2, 'auditor': 4, 'dpo': 8}[r] for r in roles)
    columns = ''.join(', ' + k for k in more)
    values = ''.join(", '%s'" % v for v in more.values())
    t.server.psql("insert into compliance.person (name, roles%s) values ('%s', %d%s)" % (columns, name, bits, values))
    p = Person.__new__(Person)
    p.t, p.server, p.roles, p.name = t, t.server, roles, name
    p.token = 'cht_' + name
    t.server.psql("insert into compliance.token (person, prefix, hash, role, scope, expires_at) select id, substr(sha256('%s'), 1, 8), sha256('%s'), %d, '{}',"
                  " now() + interval '1 day' from compliance.person where name = '%s'" % (p.token, p.token, bits & -bits, name))
    return p


def state(t, n):
    return t.server.psql('select state, decided_by, outcome from compliance.approval where id = %d' % n)[0]


def ask(who, name=None, roles=('officer',)):
    name = name or unique('new').lower()
    row, = who.local('person', 'add', name=name, roles=list(roles))
    assert row['state'] == 'waiting' and len(row['hash']) == 64, row
    return row['approval'], name, row['hash']


def refusals(t):
    """Who tried to decide what was not theirs: one record of each at once."""
    t.server.wait(lambda: t.server.value("select count(*) > 0 from archive.record where kind = 24 and body like '%: approval.refused%'") == 't', 'a refusal')
    return [x for x, in t.server.psql("select from_bare from archive.record where kind = 24 and body like '%: approval.refused%' order by id")]


def exists(t, name):
    return t.server.value("select count(*) from compliance.person where name = '%s'" % name) == '1'


@alone(**FOUR)
def test_two_persons(t):
    """Issue 7: it happens when a second administrator has approved it, as who asked, and says both names; both saw the same hash"""
    a, b = make(t, 'admin'), make(t, 'admin')
    n, name, digest = ask(a)
    assert not exists(t, name)
    row, = b.local('approval', 'list')
    assert row['approval'] == n and row['hash'] == digest and row['args'] == {'name': name, 'roles': ['officer']}, row
    assert row['verb'] == 'person.add' and row['asked_by'] == a.name and row['role'] == 'admin', row
    assert 'another' in refused(422, b.local, 'approval', 'approve', id=n, hash='0' * 64)
    row, = b.local('approval', 'approve', id=n, hash=digest)
    assert row['state'] == 'done' and row['approved_by'] == b.name and row['outcome'][0]['name'] == name, row
    assert exists(t, name) and b.local('approval', 'list') == []
    assert 'not waiting' in refused(422, b.local, 'approval', 'approve', id=n)
    row, = a.local('approval', 'show', id=n)
    assert row['state'] == 'done' and row['decided_by'] == b.name and row['outcome'], row
    got = t.server.psql("select action, who_name, origin from chancery.audit where (action like 'approval.%' or target = '{}')"
                        " and action not like '%.failed' order by id".format(name))
    assert [g[:2] for g in got] == [['approval.ask', a.name], ['approval.approve', b.name], ['person.add', a.name]], got
    assert 'approval %d by %s' % (n, b.name) in got[2][2], got
    assert refusals(t) == [b.name]
    t.server.restart()
    said = t.server.psql("select stanza from archive.record where kind = 24 and body = '%s (admin): approval.refused approval %d' order by id" % (b.name, n))
    assert len(said) == 2 and 'its hash is another' in said[0][0] and 'not waiting' in said[1][0], said


@alone(**FOUR)
def test_not_by_oneself(t):
    """Issue 7: never by who asked: not with another token, not without one, not as the same account or address; and it is written down"""
    a = make(t, 'admin')
    n, name, _ = ask(a)
    assert 'which is you' in refused(403, a.local, 'approval', 'approve', id=n)
    second = 'cht_second' + a.name
    t.server.psql("insert into compliance.token (person, prefix, hash, role, scope, expires_at) select id, substr(sha256('%s'), 1, 8), sha256('%s'), 1, '{}',"
                  " now() + interval '1 day' from compliance.person where name = '%s'" % (second, second, a.name))
    assert 'which is you' in refused(403, control, t.server, 'approval', 'approve', token=second, id=n)
    uid = int(t.server.psql("select coalesce(who_uid, -1) from chancery.audit where action = 'approval.ask'")[0][0])
    twin = make(t, 'admin', uid=uid)
    # Without a token the account of the operating system is who asks: the twin has the same.
    row, = control(t.server, 'person', 'add', name=unique('x').lower(), roles=['officer'])
    assert 'which is you' in refused(403, control, t.server, 'approval', 'approve', id=row['approval'])
    assert 'which is you' in refused(403, twin.local, 'approval', 'approve', id=row['approval'])
    t.server.wait(lambda: len(refusals(t)) == 3, 'three who tried')
    assert {a.name, twin.name} < set(refusals(t)), refusals(t)
    # Whose account the person of the token has is not known: whoever has the token may be who sits here without it, either way round.
    for args in ((a.local, 'approval', 'approve'), (control, t.server, 'approval', 'approve')):
        m = row['approval'] if args[0] == a.local else n
        assert 'person add --uid' in refused(403, *args, id=m), args
    assert not exists(t, name) and state(t, n)[0] == 'waiting'
    # It is known, and is another.
    other = make(t, 'admin', uid=uid + 1)
    assert other.local('approval', 'approve', id=row['approval'])[0]['state'] == 'done'
    m, name, _ = ask(other)
    assert control(t.server, 'approval', 'approve', id=m)[0]['state'] == 'done' and exists(t, name)
    # Who denies what may be their own has not withdrawn it.
    assert control(t.server, 'approval', 'deny', id=n)[0]['state'] == 'denied'


@alone(**FOUR)
def test_the_right_role(t):
    """Issue 7: who may not do it may not approve it, nor see it"""
    a, officer, dpo, auditor = make(t, 'admin'), make(t, 'officer'), make(t, 'dpo'), make(t, 'auditor')
    n, name, _ = ask(a)
    for who in (officer, dpo):
        assert who.local('approval', 'list') == []
        for verb in ('show', 'approve', 'deny'):
            assert 'may decide' in refused(404, who.local, 'approval', verb, id=n)
    assert 'not allowed' in refused(403, auditor.local, 'approval', 'list')
    for bad in (0, -1, 1 << 62):
        refused(404, a.local, 'approval', 'approve', id=bad)
    for bad in ('1', None, 1.5, [n]):
        refused(400, a.local, 'approval', 'approve', id=bad)
    assert not exists(t, name)


@alone(**FOUR)
def test_deny_and_withdraw(t):
    """Issue 7: a second person denies, who asked withdraws; after that nobody can approve"""
    a, b = make(t, 'admin'), make(t, 'admin')
    n, name, _ = ask(a)
    assert b.local('approval', 'deny', id=n, reason='no need')[0]['state'] == 'denied'
    m, _, _ = ask(a)
    assert a.local('approval', 'deny', id=m)[0]['state'] == 'withdrawn'
    for x in (n, m):
        assert 'not waiting' in refused(422, b.local, 'approval', 'approve', id=x)
        assert 'not waiting' in refused(422, b.local, 'approval', 'deny', id=x)
    row, = a.local('approval', 'show', id=n)
    assert row['reason'] == 'no need' and row['decided_by'] == b.name and not exists(t, name), row
    assert [r['approval'] for r in a.local('approval', 'list', all=True)] == [m, n]


@alone(**FOUR)
def test_too_late(t):
    """Issue 7: after it has expired, or when who asked or who approves has been disabled or lost the role, it does not happen"""
    a, b = make(t, 'admin'), make(t, 'admin')
    n, name, _ = ask(a)
    t.server.psql('update compliance.approval set expires_at = now() where id = %d' % n)
    assert b.local('approval', 'list') == []
    assert 'expired' in refused(422, b.local, 'approval', 'approve', id=n)
    m, other, _ = ask(a)
    control(t.server, 'person', 'disable', name=a.name)
    assert 'disabled' in refused(422, b.local, 'approval', 'approve', id=m)
    t.server.psql("update compliance.person set disabled = false, roles = 0 where name = '%s'" % a.name)
    assert 'no longer the role' in refused(422, b.local, 'approval', 'approve', id=m)
    t.server.psql("update compliance.person set roles = 1 where name = '%s'" % a.name)
    control(t.server, 'person', 'disable', name=b.name)
    refused(401, b.local, 'approval', 'approve', id=m)
    assert not exists(t, name) and not exists(t, other) and state(t, m)[0] == 'waiting'
    # Nobody did it: the server says so.
    t.server.wait(lambda: state(t, n)[0] == 'expired', 'the end of it')
    assert t.server.psql("select action, who_name, target from chancery.audit where action = 'approval.expire'") == [['approval.expire', 'chanceryd', 'person.add']]
    assert 'expired' in refused(422, a.local, 'approval', 'approve', id=n)


@alone(**FOUR)
def test_scope_and_role(t):
    """Issue 7: a token whose scope has not got the verb approves nothing of it; what is done is done in the role of who asked"""
    a, b = make(t, 'admin'), make(t, 'admin')
    n, name, _ = ask(a)
    t.server.psql("update compliance.token set scope = '{approval,token}' from compliance.person p where p.id = person and p.name = '%s'" % b.name)
    assert 'scope' in refused(403, b.local, 'approval', 'approve', id=n) and not exists(t, name)
    # Nor does asking for a wider one help: it is refused before anybody could approve it.
    for scope in (['person'], [], None):
        args = {} if scope is None else {'scope': scope}
        assert 'not allowed' in refused(403, b.local, 'token', 'new', name=b.name, role='admin', hash='00' * 32, **args), scope
    assert b.local('token', 'new', name=b.name, role='admin', hash='00' * 32, scope=['approval.list'])[0]['state'] == 'waiting'
    t.server.psql("update compliance.token set scope = '{approval,person.add}' from compliance.person p where p.id = person and p.name = '%s'" % b.name)
    b.local('approval', 'approve', id=n)
    assert exists(t, name)
    assert t.server.psql("select who_name, who_role from chancery.audit where action = 'person.add' and target = '%s'" % name) == [[a.name, 'admin']]


@alone(**FOUR)
def test_once(t):
    """Issue 7: many approve at the same moment: it is done once"""
    a = make(t, 'admin')
    others = [make(t, 'admin') for _ in range(4)]
    n, name, _ = ask(a)
    done, refusals = [], []
    go = threading.Barrier(len(others))

    def approve(who):
        go.wait()
        try:
            done.append(who.local('approval', 'approve', id=n))
        except Exception as e:
            refusals.append(str(e))
    threads = [threading.Thread(target=approve, args=(o,)) for o in others]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    assert len(done) == 1 and len(refusals) == 3 and all('not waiting' in r for r in refusals), (done, refusals)
    assert t.server.value("select count(*) from chancery.audit where action = 'person.add' and target = '%s'" % name) == '1'


@alone(**FOUR)
def test_what_fails(t):
    """Issue 7: bad arguments are refused before anybody waits; what fails when it is done says so, and is not tried again"""
    a, b = make(t, 'admin'), make(t, 'admin')
    for args in ({'name': 'A', 'roles': ['officer']}, {'name': 'x', 'roles': ['king']}, {'name': 'x'}, {'name': 'x', 'roles': ['admin', 'officer']},
                 {'name': 'x', 'roles': ['officer'], 'more': 1}):
        refused(400, a.local, 'person', 'add', **args)
    assert a.local('approval', 'list') == []
    n, _, _ = ask(a, name=b.name)
    text = refused(422, b.local, 'approval', 'approve', id=n)
    assert 'failed' in text and 'exists already' in text, text
    assert state(t, n) == ['failed', b.name, '%s exists already' % b.name]
    refused(422, b.local, 'approval', 'approve', id=n)
    # Tokens: the hash waits, never the token; and it opens nothing before.
    refused(400, a.local, 'token', 'new', name=b.name, role='admin')
    code, out, err = a.cli('token', 'new', b.name, '--role', 'admin')
    token = out.strip().splitlines()[-1]
    assert code == 0 and 'waits for a second person' in out and token.startswith('cht_'), (code, out, err)
    refused(401, control, t.server, 'whoami', token=token)
    row, = [r for r in b.local('approval', 'list')]
    assert token not in str(row) and token[4:] not in str(t.server.psql('select * from compliance.approval'))
    code, out, err = b.cli('approval', 'approve', str(row['approval']), '--hash', row['hash'])
    assert code == 0 and 'done' in out, (code, out, err)
    assert control(t.server, 'whoami', token=token)[0]['name'] == b.name


@alone(**FOUR)
def test_second_line(t):
    """Issue 7: what has been settled is so for the server's role of the database, too; and no export is taken there without its approval"""
    a, officer, other = make(t, 'admin'), make(t, 'officer'), make(t, 'officer')
    n, name, _ = ask(a)
    a.local('approval', 'deny', id=n)
    control(t.server, 'token', 'revoke', id=int(t.server.value("select t.id from compliance.token t join compliance.person p on p.id = t.person"
                                                                " where p.name = '%s'" % other.name)))
    export = ("insert into compliance.export (asked_by, person, approval, approved_by, query, query_text, formats) select '%s', p.id, %s, '%s', '%s', 'x', '{jsonl}'"
              " from compliance.person p where p.name = '%s'")
    for sql in ("set role chancery_server; update compliance.token set revoked_at = null where revoked_at is not null",
                "set role chancery_server; update compliance.token set revoked_at = now() + interval '1 day' where revoked_at is not null",
                "set role chancery_server; update compliance.person set uid = 0",
                "set role chancery_server; update compliance.person set account = 'romeo@example.org'",
                *("set role chancery_server; update compliance.approval set state = '%s'" % s for s in ('waiting', 'running', 'done', 'expired')),
                "set role chancery_server; update compliance.approval set decided_by = 'nobody'",
                "set role chancery_officer; update compliance.policy set four_eyes = false",
                "set role chancery_officer; " + export % (officer.name, 'null', other.name, '{}', officer.name),
                "set role chancery_officer; " + export % (officer.name, n, other.name, '{}', officer.name),
                "set role chancery_export; select * from compliance.export", "set role chancery_export; update compliance.export set state = 2",
                "set role chancery_export; select * from chancery.audit", "set role chancery_export; delete from archive.record",
                "set role chancery_export; select admin from chancery.account"):
        try:
            t.server.psql(sql)
        except RuntimeError as e:
            assert 'permission denied' in str(e), (sql, e)
        else:
            raise AssertionError('allowed: ' + sql)
    assert not exists(t, name) and t.server.value('select count(*) from compliance.export') == '0'
    # What is approved is taken, for that query, and made.
    row, = officer.local('archive', 'export', query={}, formats=['jsonl'])
    third = make(t, 'officer')
    third.local('approval', 'approve', id=row['approval'])
    t.server.wait(lambda: third.local('export', 'list')[0]['state'] == 'done', 'the export')
    # Who asks by the command is told how it goes on.
    code, out, err = officer.cli('archive', 'export', '--out', t.server.path('waits.zip'))
    row, = officer.local('approval', 'list')
    assert code == 0 and out.split('\n')[:2] == ['waits for a second person: chancery approval approve %d' % row['approval'], 'hash ' + row['hash']], (code, out, err)
    assert 'chancery export fetch' in out and not err, (out, err)


@alone(**FOUR)
def test_interrupted(t):
    """Issue 7: what was being done when the server died is not begun again, and is shown as interrupted"""
    a, b = make(t, 'admin'), make(t, 'admin')
    n, name, _ = ask(a)
    m, other, _ = ask(a)
    t.server.psql("update compliance.approval set state = 'running' where id = %d" % n)
    t.server.kill()
    t.server.start()
    assert state(t, n)[0] == 'interrupted' and not exists(t, name)
    assert t.server.value("select count(*) from chancery.audit where action = 'approval.interrupt' and who_name = 'chanceryd'") == '1'
    assert 'interrupted' in refused(422, b.local, 'approval', 'approve', id=n)
    b.local('approval', 'approve', id=m)
    assert exists(t, other)

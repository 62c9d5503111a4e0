"""Issue 7: roles kept apart: persons of the compliance desk, their tokens, and what each role may."""
import os
import pwd
import subprocess

from chancerytest.client import unique
from chancerytest.desk import Person, Refused, control, refused


def audit(t, where):
    return t.server.psql("select action, who_name, target, origin from chancery.audit where %s order by id" % where)


def test_person_and_token(t):
    """Issue 7: a person is added, gets a token, asks in its role, is disabled: then the token opens nothing; all of it is audited"""
    p = Person(t, 'officer', 'dpo')
    row, = p.local('whoami')
    assert row == {'name': p.name, 'role': 'officer', 'person': True, 'token': p.token_id}, row
    other = p.new_token('dpo')
    assert control(t.server, 'whoami', token=other)[0]['role'] == 'dpo'
    assert control(t.server, 'whoami')[0]['role'] == 'admin'
    row, = control(t.server, 'person', 'show', name=p.name)
    assert row['roles'] == ['officer', 'dpo'] and row['tokens'] == 2 and row['seen'] and not row['disabled'], row
    control(t.server, 'person', 'disable', name=p.name)
    assert 'disabled' in refused(401, p.local, 'whoami')
    control(t.server, 'person', 'enable', name=p.name)
    p.local('whoami')
    control(t.server, 'person', 'roles', name=p.name, roles=['dpo'])
    assert 'no longer the role' in refused(401, p.local, 'whoami')
    assert control(t.server, 'whoami', token=other)[0]['role'] == 'dpo'
    got = [a[0] for a in audit(t, "target = '%s'" % p.name)]
    assert got == ['person.add', 'token.new', 'access.login', 'token.new', 'access.login', 'person.disable', 'person.enable', 'person.roles'], got
    assert audit(t, "action = 'access.login' and target = '%s'" % p.name)[0][1] == p.name


def test_tokens(t):
    """Issue 7: only the hash of a token is kept; wrong, expired and revoked ones open nothing, and are counted"""
    p = Person(t, 'officer')
    assert t.server.value("select count(*) from compliance.token where encode(hash, 'hex') = encode(sha256('%s'), 'hex')" % p.token) == '1'
    dump = subprocess.run(['pg_dump', '--data-only', t.server.env['CHANCERY_PG']], capture_output=True, text=True, check=True).stdout
    assert p.token not in dump and p.token[4:] not in dump
    before = t.server.metric('chancery_access_refused_total')
    for bad in (p.token[:-1], p.token + 'a', p.token.upper(), '', "' or true --", p.token[:-1] + ('0' if p.token[-1] != '0' else '1')):
        assert 'not known' in refused(401, control, t.server, 'whoami', token=bad), bad
    assert t.server.metric('chancery_access_refused_total') >= before + 6
    t.server.psql("update compliance.token set expires_at = now() where id = %d" % p.token_id)
    assert 'expired' in refused(401, p.local, 'whoami')
    p.token = p.new_token()
    control(t.server, 'token', 'revoke', id=p.token_id)
    assert 'revoked' in refused(401, p.local, 'whoami')
    # A moment later is no better: nothing is remembered of it.
    assert 'revoked' in refused(401, p.local, 'whoami')


def test_escalation(t):
    """Issue 7: nobody gets more by crafted names, ids and numbers: not roles, not other persons' tokens"""
    a, b = Person(t, 'officer'), Person(t, 'auditor')
    for words, args in ((('person', 'roles'), {'name': a.name, 'roles': ['admin']}), (('person', 'add'), {'name': unique('x'), 'roles': ['admin']}),
                        (('person', 'enable'), {'name': a.name}), (('token', 'new'), {'name': a.name, 'role': 'admin'}), (('person', 'list'), {}),
                        (('user', 'set'), {'jid': 'romeo@' + t.server.domain, 'admin': True}), (('config', 'reload'), {}),
                        (('user', 'list'), {}), (('federation', 'list'), {})):
        for who in (a, b):
            assert 'not allowed' in refused(403, who.local, *words, **args), words
    assert 'no token' in refused(404, a.local, 'token', 'revoke', id=b.token_id)
    for n in (0, -1, 1 << 62):
        refused(404, a.local, 'token', 'revoke', id=n)
    assert [r['name'] for r in a.local('token', 'list')] == [a.name]
    assert a.local('token', 'list', name=b.name) == []
    b.local('whoami')
    # The administrator: roles that do not go together, a token in a role that the person has not got.
    for roles in (['admin', 'officer'], ['admin', 'dpo'], ['auditor', 'officer'], ['admin', 'auditor']):
        assert 'kept apart' in refused(400, control, t.server, 'person', 'roles', name=a.name, roles=roles)
    for role in ('admin', 'dpo', 'auditor'):
        refused(422, control, t.server, 'token', 'new', name=a.name, role=role)
    for bad in ('king', '', 'Officer'):
        refused(400, control, t.server, 'person', 'roles', name=a.name, roles=[bad])
    refused(400, control, t.server, 'person', 'roles', name=a.name, roles=15)
    for name in ('', 'A', 'x' * 65, 'a b', "a'b", 'é', '-a', 'a/b', 'a\n'):
        refused(400, control, t.server, 'person', 'add', name=name, roles=['officer'])
    refused(422, control, t.server, 'person', 'add', name=a.name, roles=['admin'])
    assert a.local('whoami')[0]['role'] == 'officer'


def test_names(t):
    """Issue 7: no person is called as an account of the operating system that is not theirs, nor as what the audit trail calls the server and strangers"""
    for name in ('root', 'chanceryd', 'https', 'unknown'):
        assert 'audit trail' in refused(422, control, t.server, 'person', 'add', name=name, roles=['officer'], uid=0), name
    for more in ({}, {'uid': pwd.getpwnam('daemon').pw_uid + 1}):
        assert 'operating system' in refused(422, control, t.server, 'person', 'add', name='daemon', roles=['officer'], **more), more
    control(t.server, 'person', 'add', name='daemon', roles=['officer'], uid=pwd.getpwnam('daemon').pw_uid)
    # One that there is from before sees what they have done themselves, and nothing of the account of that name.
    me = pwd.getpwuid(os.getuid()).pw_name
    t.server.psql("insert into compliance.person (name, roles) values ('%s', 2)" % me)
    secret = control(t.server, 'token', 'new', name=me, role='officer')[0]['secret']
    control(t.server, 'whoami', token=secret)
    rows = control(t.server, 'audit', 'list', token=secret, limit='10000')
    assert rows and {r.get('role') for r in rows} == {'officer'} and {r['who'] for r in rows} == {me}, rows


def test_scope(t):
    """Issue 7: a token does no more than its scope says, whatever its role may"""
    p = Person(t, 'officer')
    narrow = p.new_token(scope=['token.list'])
    control(t.server, 'token', 'list', token=narrow)
    for words, args in ((('whoami',), {}), (('token', 'revoke'), {'id': 1}), (('approval', 'list'), {})):
        assert 'scope' in refused(403, control, t.server, *words, token=narrow, **args)
    noun = p.new_token(scope=['token', 'whoami'])
    control(t.server, 'whoami', token=noun)
    assert 'scope' in refused(403, control, t.server, 'approval', 'list', token=noun)
    # A token makes none that may do more than itself.
    admin = Person(t, 'admin')
    small = admin.new_token(scope=['token', 'person.list'])
    for bad in (None, [], ['person'], ['token', 'person.add'], ['user']):
        more = {} if bad is None else {'scope': bad}
        assert 'not allowed' in refused(403, control, t.server, 'token', 'new', token=small, name=admin.name, role='admin', **more), bad
    row, = control(t.server, 'token', 'new', token=small, name=admin.name, role='admin', scope=['token.list', 'person.list'])
    control(t.server, 'person', 'list', token=row['secret'])
    for bad in (['nothing'], ['token.fly'], ['token '], ['tok'], [7], 'token', ['x'] * 33):
        refused(400, control, t.server, 'token', 'new', name=p.name, role='officer', scope=bad)
    for bad in ('0d', '367d', '-1d', '1y', 'soon', '2020-01-01T00:00:00Z'):
        refused(400, control, t.server, 'token', 'new', name=p.name, role='officer', expires=bad)
    for bad in ('', 'xy', '00' * 31, '00' * 33, 'zz' * 32):
        refused(400, control, t.server, 'token', 'new', name=p.name, role='officer', hash=bad)


def test_database_roles(t):
    """Issue 7: what a role may not, its role of the database cannot: administrators' tables and, for all but officers, the record"""
    base = t.server.env['CHANCERY_PG'].replace('postgres@', '%s@')

    def tries(role, sql):
        user = ['setpriv', '--reuid', 'chancery', '--regid', 'chancery', '--init-groups'] if os.geteuid() == 0 else []
        return subprocess.run([*user, 'psql', '-X', '-A', '-t', base % role, '-c', sql], capture_output=True, text=True, cwd='/', env={'PATH': os.environ['PATH']})

    for role, may, may_not in (
            ('chancery_officer', ['select count(*) from archive.record'],
             ['update archive.record set body = null', 'delete from archive.record', 'select * from chancery.audit', 'select * from compliance.token',
              'select * from chancery.account', 'set role chancery_owner', 'set role chancery_server', 'create table public.x ()',
              'create temp table x ()', 'update compliance.person set roles = 15']),
            ('chancery_auditor', ['select count(*) from chancery.audit'],
             ['select body from archive.record', 'delete from chancery.audit', 'select * from compliance.token', 'select * from chancery.account']),
            ('chancery_retention', ['select 1'],
             ['select body from archive.record', 'delete from archive.record', 'update archive.record set body = null', 'select * from chancery.audit',
              'set role chancery_officer'])):
        for sql in may:
            p = tries(role, sql)
            assert p.returncode == 0, (role, sql, p.stderr)
        for sql in may_not:
            p = tries(role, sql)
            assert p.returncode and 'permission denied' in p.stderr, (role, sql, p.stdout, p.stderr)


def test_command_line(t):
    """Design §8: person, token, approval and whoami in the command line; the token is shown once, and only its hash goes to the server"""
    def ok(*args, **kw):
        code, out, err = t.server.cli(*args, **kw)
        assert code == 0, (args, err)
        return out
    name = unique('cli').lower()
    assert name in ok('person', 'add', name, 'officer', 'dpo')
    out = ok('token', 'new', name, '--role', 'officer', '--expires', '12h', '--scope', 'whoami')
    token = out.strip().splitlines()[-1]
    assert token.startswith('cht_') and len(token) == 68, out
    path = t.server.path(name)
    with open(path, 'w') as f:
        f.write(token + '\n')
    out = ok('--token-file', path, 'whoami')
    assert name in out and 'officer' in out, out
    for args, code in ((('--token-file', path, 'user', 'list'), 1), (('--token-file', path + '.not', 'whoami'), 1), (('token', 'new', name), 2),
                       (('person', 'add', name), 2), (('token', 'revoke', 'x'), 2), (('person', 'list', '--role', 'x'), 2),
                       (('user', 'list', '--role', 'x'), 2), (('approval', 'approve', '1', '--reason', 'x'), 2)):
        got, _, err = t.server.cli(*args)
        assert got == code and err, (args, got, err)
    assert name in ok('person', 'list') and name in ok('token', 'list', name) and name in ok('person', 'show', name)
    ok('person', 'disable', name)
    assert t.server.cli('--token-file', path, 'whoami')[0] == 1

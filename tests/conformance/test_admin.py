"""The command line and the running server (design §8)."""
import json
import time

from chancerytest.client import unique
from chancerytest.scenario import alone


def ok(t, *args, stdin=''):
    code, out, err = t.server.cli(*args, stdin=stdin)
    assert code == 0, '%s: %d %s %s' % (args, code, out, err)
    return out


def rows(t, *args):
    return [json.loads(line) for line in ok(t, '--json', *args).splitlines() if line.strip()]


def fails(t, code, *args, stdin=''):
    got, out, err = t.server.cli(*args, stdin=stdin)
    assert got == code, '%s: expected %d, got %d: %s %s' % (args, code, got, out, err)
    assert err.strip(), '%s: no reason on standard error' % (args,)
    return err


def new_jid(t):
    return '%s@%s' % (unique('cli'), t.server.domain)


def login(t, jid, password):
    return t.client((jid.split('@')[0], password)).secure().auth()


def test_user_life(t):
    """Design §8: user add, show, list, password, disable, enable, delete"""
    jid = new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='first\n')
    assert login(t, jid, 'first') is None
    ok(t, 'user', 'show', jid)
    assert any(jid in json.dumps(r) for r in rows(t, 'user', 'list')), 'not in the list'
    ok(t, 'user', 'password', jid, '--password-stdin', stdin='second\n')
    assert login(t, jid, 'first') == 'not-authorized'
    assert login(t, jid, 'second') is None
    ok(t, 'user', 'disable', jid)
    assert login(t, jid, 'second') in ('account-disabled', 'not-authorized')
    ok(t, 'user', 'enable', jid)
    assert login(t, jid, 'second') is None
    ok(t, 'user', 'delete', jid)
    assert login(t, jid, 'second') == 'not-authorized'


def test_user_set(t):
    """Design §8: user set gives and takes rights and groups; show tells; what is wrong is refused, and all of it is audited"""
    jid = new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    assert rows(t, 'user', 'show', jid)[0]['admin'] is False
    r = rows(t, 'user', 'set', jid, 'admin=yes', 'group+=staff', 'group+=sales, north')[0]
    assert r['admin'] is True and r['groups'] == ['sales, north', 'staff'], r
    ok(t, 'user', 'set', jid, 'group-=staff')
    r = rows(t, 'user', 'show', jid)[0]
    assert r['admin'] is True and r['groups'] == ['sales, north'], r
    fails(t, 1, 'user', 'set', new_jid(t), 'admin=yes')
    fails(t, 1, 'user', 'set', jid, 'group+=')
    fails(t, 1, 'user', 'set', jid, 'group+=two\nlines')
    fails(t, 2, 'user', 'set', jid, 'king=yes')
    fails(t, 2, 'user', 'set', jid)
    many = ['group+=g%d' % i for i in range(60)]
    ok(t, 'user', 'set', jid, *many)
    assert 'account_groups' in fails(t, 1, 'user', 'set', jid, *['group+=h%d' % i for i in range(60)])
    assert len(rows(t, 'user', 'show', jid)[0]['groups']) == 61
    audit = t.server.psql("select detail->>'admin', detail->'added', detail->'removed' from chancery.audit"
                          " where action = 'user.set' and target = '%s' order by id" % jid)
    assert len(audit) == 3 and audit[0] == ['true', '["staff", "sales, north"]', '[]'], audit


def test_refusals(t):
    """Design §8: 1 when refused, 2 for wrong usage, the reason on standard error"""
    jid = new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    fails(t, 1, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    fails(t, 1, 'user', 'add', 'x@elsewhere.example', '--password-stdin', stdin='pw\n')
    fails(t, 1, 'user', 'add', 'a b@' + t.server.domain, '--password-stdin', stdin='pw\n')
    fails(t, 1, 'user', 'delete', new_jid(t))
    fails(t, 1, 'user', 'disable', new_jid(t))
    fails(t, 1, 'user', 'show', new_jid(t))
    fails(t, 2, 'user', 'fly')
    fails(t, 2, 'nonsense')
    fails(t, 2)


def test_import(t):
    """Design §8: import reads JID, TAB, password; bad lines are told with their number, the others are done"""
    good = [new_jid(t) for _ in range(3)]
    lines = '%s\tp0\n%s\tp1\nno tab here\n@\tx\n\n%s\tp2\n' % tuple(good)
    code, out, err = t.server.cli('user', 'import', '-', stdin=lines)
    assert code == 1 and '3' in err + out and '4' in err + out, (code, out, err)
    for i, jid in enumerate(good):
        assert login(t, jid, 'p%d' % i) is None
    # An account that exists is left alone.
    code, out, err = t.server.cli('user', 'import', '-', stdin='%s\tother\n' % good[0])
    assert code == 0, err
    assert login(t, good[0], 'p0') is None and login(t, good[0], 'other') == 'not-authorized'


def test_passwords_are_prepared(t):
    """RFC 8265 §4: a password is prepared the same way when it is set and when it is used"""
    jid = new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pass\u00a0w\u00f6rd\u0301\n')
    import unicodedata
    assert login(t, jid, unicodedata.normalize('NFC', 'pass w\u00f6rd\u0301')) is None


def test_deleted_is_somebody_else(t):
    """Pitfalls: an account deleted and made again inherits nothing: no roster, no messages"""
    jid = new_jid(t)
    user = (jid.split('@')[0], 'pw')
    a = t.online()
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    b = t.bound(user)
    b.iq('set', "<query xmlns='jabber:iq:roster'><item jid='old@example.com'/></query>")
    a.message(jid, 'for the old one', id='old')
    a.ping()
    ok(t, 'user', 'delete', jid)
    assert b.expect_end() == 'not-authorized'
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='pw\n')
    c = t.bound(user)
    assert c.roster().find('roster:query').all('item') == []
    c.online()
    a.sync(c)
    assert not c.heard_any(lambda e: e.get('id') == 'old'), c.heard
    assert t.server.records("client_id = 'old' and to_bare = '%s'" % jid, 'body') == [['for the old one']], 'the record stays'


def test_password_change_ends_sessions(t):
    """Design §8: after a new password the old sessions end, detached ones too"""
    a = t.online(sm=True)
    detached = t.online(a, sm=True)
    detached.cut()
    ok(t, 'user', 'password', a.bare, '--password-stdin', stdin='changed\n')
    assert a.expect_end() == 'not-authorized'
    c = t.client((a.user, 'changed')).authenticated()
    assert c.resume(detached).name == 'failed'


def test_sessions(t):
    """Design §8: session list shows who is there; session close ends one, or all of an account"""
    a = t.online(resource='one')
    b = t.online(a, resource='two')
    listed = json.dumps(rows(t, 'session', 'list', a.bare))
    assert a.jid in listed and b.jid in listed and 'TLSv1.3' in listed, listed
    ok(t, 'session', 'close', a.jid)
    assert a.expect_end() is not None
    assert b.ping().get('type') == 'result'
    ok(t, 'session', 'close', b.bare)
    assert b.expect_end() is not None


def test_audit(t):
    """P6: every change is in the audit table, with who did it"""
    jid = new_jid(t)
    ok(t, 'user', 'add', jid, '--password-stdin', stdin='secretword\n')
    ok(t, 'user', 'disable', jid)
    got = t.server.psql("select action, who_name, who_uid, coalesce(detail::text, '') from chancery.audit where target = '%s' order by id" % jid)
    assert len(got) == 2, got
    assert all(r[1] and r[2] for r in got), got
    assert 'add' in got[0][0] and 'disable' in got[1][0], got
    everything = str(t.server.psql('select * from chancery.audit'))
    assert 'secretword' not in everything


@alone()
def test_status(t):
    """Design §8: status says that all is well"""
    code, out, err = t.server.cli('status')
    assert code == 0 and 'ok' in out, (out, err)
    json.loads(ok(t, '--json', 'status').splitlines()[0])


def test_no_secrets_in_log(t):
    """Style §7: neither bodies nor passwords are logged"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'very-private-words')
    b.expect_message('very-private-words')
    t.stream().auth(password='very-private-password')
    log = t.server.log()
    for secret in ('very-private-words', 'very-private-password', a.password + '\n'):
        assert secret not in log


def test_metrics(t):
    """Issue: metrics count sessions, stanzas, records and errors"""
    a, b = t.online(), t.online()
    before = t.server.metric('chancery_archive_records_total')
    a.message(b.jid, 'x')
    b.expect_message('x')
    assert t.server.metric('chancery_archive_records_total') > before
    assert t.server.metric('chancery_sessions') >= 2
    assert t.server.metric('chancery_archive_up') == 1
    assert t.server.metric('chancery_archive_commit_microseconds_count') > 0


@alone()
def test_reload(t):
    """Design §8: config check and reload: a good change takes effect, a bad one is refused and changes nothing"""
    config = t.server.env['CHANCERY_CONFIG']
    with open(config) as f:
        text = f.read()
    assert 'SCRAM-SHA-256' in t.stream().mechanisms() and 'PLAIN' not in t.stream().mechanisms()
    c = t.online()
    with open(config, 'w') as f:
        f.write(text + 'auth:\n  plain: true\n')
    ok(t, 'config', 'check', config)
    ok(t, 'config', 'reload')
    t.server.wait(lambda: 'PLAIN' in t.stream().mechanisms(), 'the new setting')
    assert c.ping().get('type') == 'result'
    with open(config, 'w') as f:
        f.write(text + 'auth:\n  plane: true\n')
    err = fails(t, 1, 'config', 'check', config)
    assert ':' in err and 'plane' in err, err
    err = fails(t, 1, 'config', 'reload')
    assert 'plane' in err, err
    assert 'PLAIN' in t.stream().mechanisms()
    with open(config, 'w') as f:
        f.write(text)


@alone()
def test_disable_is_quick(t):
    """Issue: disabling ends the account's sessions within a second"""
    a = t.online()
    others = [t.online(a) for _ in range(3)]
    ok(t, 'user', 'disable', a.bare)
    began = time.monotonic()
    for c in [a] + others:
        assert c.expect_end() == 'not-authorized'
    assert time.monotonic() - began < 5     # the machine may be busy; nothing else would end them

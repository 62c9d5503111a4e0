"""Service administration by a client (XEP-0133), and announcements."""
from chancerytest.client import unique
from chancerytest.command import Step, command, run, submit
from chancerytest.scenario import alone

ADMIN = 'http://jabber.org/protocol/admin'


def administrator(t):
    c = t.online()
    assert t.server.cli('user', 'set', c.bare, 'admin=yes')[0] == 0
    return c


def admin(t, c, name, fields=None):
    return run(c, t.server.domain, '%s#%s' % (ADMIN, name), fields, ADMIN)


def new_jid(t):
    return '%s@%s' % (unique('adm'), t.server.domain)


def login(t, jid, password):
    return t.client((jid.split('@')[0], password)).secure().auth()


def audited(t, a, action, target):
    rows = t.server.psql("select who_uid is null, who_name, origin from chancery.audit where action = '%s' and target = '%s'" % (action, target))
    return rows and rows[-1] == ['t', a.bare, 'client ' + a.jid]


def test_account_life(t):
    """XEP-0133 §4.1 to §4.7: add, change password, disable, re-enable, delete; each audited in the administrator's name"""
    a, jid = administrator(t), new_jid(t)
    assert admin(t, a, 'add-user', {'accountjid': jid, 'password': 'first', 'password-verify': 'first'}).notes[0][0] == 'info'
    assert login(t, jid, 'first') is None and audited(t, a, 'user.add', jid)
    admin(t, a, 'change-user-password', {'accountjid': jid, 'password': 'second'})
    assert login(t, jid, 'first') == 'not-authorized' and login(t, jid, 'second') is None and audited(t, a, 'user.password', jid)
    b = t.bound((jid.split('@')[0], 'second'))
    assert admin(t, a, 'disable-user', {'accountjids': jid}).notes == [('info', '1 of 1 accounts disabled.')]
    assert b.expect_end() == 'not-authorized' and login(t, jid, 'second') is not None and audited(t, a, 'user.disable', jid)
    assert jid in admin(t, a, 'get-disabled-users-list', {'max_items': '200'}).fields()['disableduserjids']
    assert int(admin(t, a, 'get-disabled-users-num').fields()['disabledusersnum'][0]) >= 1
    admin(t, a, 'reenable-user', {'accountjids': [jid]})
    assert login(t, jid, 'second') is None and audited(t, a, 'user.enable', jid)
    admin(t, a, 'delete-user', {'accountjids': [jid]})
    assert login(t, jid, 'second') == 'not-authorized' and audited(t, a, 'user.delete', jid)


def test_refusals(t):
    """XEP-0133: what the command line refuses is refused here, completed with a note of type error (XEP-0050 §3.4)"""
    a, jid = administrator(t), new_jid(t)
    for fields in ({'accountjid': a.bare, 'password': 'x', 'password-verify': 'x'}, {'accountjid': 'x@elsewhere.example', 'password': 'x', 'password-verify': 'x'},
                   {'accountjid': jid, 'password': '', 'password-verify': ''}):
        s = admin(t, a, 'add-user', fields)
        assert s.notes and s.notes[0][0] == 'error' and s.notes[0][1], s.e
    s = Step(command(a, t.server.domain, ADMIN + '#add-user'))
    r = command(a, t.server.domain, ADMIN + '#add-user', s.id, 'complete',
                submit({'accountjid': jid, 'password': 'one', 'password-verify': 'two'}, ADMIN))
    assert r.condition() == 'bad-request' and 'differ' in r.text('error', 'text'), r
    assert login(t, jid, 'one') == 'not-authorized'
    s = admin(t, a, 'disable-user', {'accountjids': [jid, 'x@elsewhere.example', 'not an address']})
    assert [n[0] for n in s.notes] == ['error', 'error', 'error', 'info'] and s.notes[3][1] == '0 of 3 accounts disabled.', s.e


def test_several(t):
    """XEP-0133 §4.2: several accounts in one command: those that can be are done, the others told"""
    a, jids = administrator(t), [new_jid(t) for _ in range(3)]
    for jid in jids[:2]:
        assert t.server.cli('user', 'add', jid, '--password-stdin', stdin='pw\n')[0] == 0
    s = admin(t, a, 'delete-user', {'accountjids': jids})
    assert [n[0] for n in s.notes] == ['error', 'info'] and jids[2] in s.notes[0][1] and s.notes[1][1].startswith('2 of 3'), s.e


def test_sessions(t):
    """XEP-0133 §4.5, §4.8, §4.9: who is there from where, last seen, and the end of a session"""
    a, b = administrator(t), t.online()
    second = t.online(b)
    s = admin(t, a, 'user-stats', {'accountjid': b.bare}).fields()
    assert s['onlineresources'] == ['2'] and s['ipaddresses'], s
    s = admin(t, a, 'end-user-session', {'accountjids': second.jid})
    assert s.notes == [('info', '1 of 1 accounts disconnected.')], s.e
    assert second.expect_end() == 'policy-violation' and audited(t, a, 'session.close', second.jid)
    assert b.ping().get('type') == 'result'
    assert admin(t, a, 'end-user-session', {'accountjids': second.jid}).notes[0][0] == 'error'
    b.presence('unavailable')
    b.close()
    t.server.wait(lambda: admin(t, a, 'get-user-lastlogin', {'accountjids': b.bare}).fields()['lastlogin'] != ['never'], 'the time of the last session')
    assert audited(t, a, 'user.show', b.bare), 'who looks is seen'
    s = admin(t, a, 'get-user-lastlogin', {'accountjids': [a.bare, b.bare]}).fields()
    assert s['accountjids'] == [a.bare, b.bare] and [v.split()[0] for v in s['lastlogin']] == [a.bare, b.bare], s


def test_numbers_and_lists(t):
    """XEP-0133 §4.14 to §4.22: how many, and who; the number of items is bounded"""
    a, b = administrator(t), t.online()
    for name, var in (('registered-users', 'registeredusersnum'), ('online-users', 'onlineusersnum'), ('active-users', 'activeusersnum')):
        assert int(admin(t, a, 'get-%s-num' % name).fields()[var][0]) >= 2, name
    assert admin(t, a, 'get-idle-users-num').fields()['idleusersnum'] == ['0']
    online = admin(t, a, 'get-online-users-list', {'max_items': '200'}).fields()['onlineuserjids']
    assert a.bare in online and b.bare in online and len(set(online)) == len(online), online
    assert b.bare in admin(t, a, 'get-active-users', {'max_items': '200'}).fields()['activeuserjids']
    assert 'activeuserjids' in admin(t, a, 'get-idle-users', {'max_items': '25'}).fields()
    assert len(admin(t, a, 'get-registered-users-list', {'max_items': '2'}).fields()['registereduserjids']) == 2
    assert len(admin(t, a, 'get-registered-users-list', {}).fields()['registereduserjids']) <= 100
    s = Step(command(a, t.server.domain, ADMIN + '#get-registered-users-list'))
    for bad in ('0', '1001', '-1', 'none', ''):
        r = command(a, t.server.domain, ADMIN + '#get-registered-users-list', s.id, 'complete', submit({'max_items': bad}, ADMIN))
        assert r.condition() == 'bad-request', (bad, r)
    assert t.server.cli('--json', 'user', 'count')[1].count('registered') == 1


def test_deleting_oneself(t):
    """XEP-0133 §4.2: an administrator who deletes the own account has no rights from then on"""
    a, jid = administrator(t), new_jid(t)
    assert t.server.cli('user', 'add', jid, '--password-stdin', stdin='pw\n')[0] == 0
    s = Step(command(a, t.server.domain, ADMIN + '#delete-user'))
    a.stanza("<iq type='set' id='x' to='%s'><command xmlns='http://jabber.org/protocol/commands' node='%s#delete-user' sessionid='%s'>%s</command></iq>"
             % (t.server.domain, ADMIN, s.id, submit({'accountjids': [a.bare, jid]}, ADMIN)))
    assert a.expect_end() == 'not-authorized'
    t.server.wait(lambda: t.server.value("select count(*) from chancery.account where bare = '%s'" % a.bare) == '0', 'the end of the account')
    assert t.server.cli('user', 'show', jid)[0] == 0, 'the second account was deleted by nobody'


@alone()
def test_announce(t):
    """XEP-0133 §4.23 and `chancery announce`: everybody gets the message, recorded first; who is offline at the next login; audited"""
    a, b, second = administrator(t), t.online(), None
    second = t.online(b)
    offline, disabled = t.user(), new_jid(t)
    jid = '%s@%s' % (offline[0], t.server.domain)
    assert t.server.cli('user', 'add', disabled, '--password-stdin', stdin='pw\n')[0] == 0
    assert t.server.cli('user', 'disable', disabled)[0] == 0
    s = admin(t, a, 'announce-all', {'subject': 'Maintenance', 'announcement': ['Tonight at ten.', 'Save your work <now>.']})
    text = 'Tonight at ten.\nSave your work <now>.'
    assert s.notes[0][0] == 'info', s.e
    for c in (a, b, second):
        e = c.expect_message(text)
        assert e.get('from') == t.server.domain and e.text('subject') == 'Maintenance' and e.find('sid:stanza-id') is not None, e
    c = t.online(offline)
    assert c.expect_message(text).find('delay:delay') is not None
    # It is in everybody's own history (XEP-0313), and nowhere twice.
    for who in (b, c):
        fin = who.iq('set', "<query xmlns='urn:xmpp:mam:2'/>")
        assert fin.get('type') == 'result', fin
        kept = [e for e in who.heard if e.name == 'message' and e.find('urn:xmpp:mam:2:result')]
        assert [e.find('urn:xmpp:mam:2:result', 'urn:xmpp:forward:0:forwarded', 'client:message').text('body') for e in kept] == [text], kept
    rows = t.server.records("kind = 12 and body = '%s'" % text, 'to_bare, from_bare, deliverable')
    assert {r[0] for r in rows} >= {a.bare, b.bare, jid} and disabled not in {r[0] for r in rows}, rows
    assert len(rows) == len({r[0] for r in rows}), 'one for each account'
    assert s.notes[0][1] == 'Sent to %d.' % len(rows), s.e
    assert t.server.psql("select who_name, target, detail->>'text' from chancery.audit where action = 'announce'") == [[a.bare, 'all', text]]

    # Only those who are online.
    c.close()
    t.server.wait(lambda: jid not in t.server.cli('session', 'list', jid)[1], 'the end of the session')
    code, out, err = t.server.cli('announce', '--online', 'to those here')
    assert code == 0 and out == 'sent to 2\n', (code, out, err)
    assert a.expect_message('to those here') and b.expect_message('to those here') and second.expect_message('to those here')
    c = t.online(offline)
    c.ping()
    assert not c.heard_any(lambda e: e.name == 'message'), c.heard
    for args in (('announce', ''), ('announce', 'bell \x07'), ('announce', 'x' * 20000)):
        assert t.server.cli(*args)[0] == 1, args[1][:10]
    assert t.server.cli('announce')[0] == 2
    s = admin(t, a, 'announce', {'announcement': 'x' * 20000})
    assert s.notes[0][0] == 'error' and 'announcement_bytes' in s.notes[0][1], s.e


def test_announce_needs_text(t):
    """XEP-0133 §4.23: an announcement without a text is a bad form, and nobody hears of it"""
    a = administrator(t)
    s = Step(command(a, t.server.domain, ADMIN + '#announce'))
    for fields in ({}, {'announcement': ''}, {'announcement': []}):
        assert command(a, t.server.domain, ADMIN + '#announce', s.id, 'complete', submit(fields, ADMIN)).condition() == 'bad-request'

"""Passwords of devices: made by a command (XEP-0050) or an administrator, for one client each, and revoked one by one."""
import json
import re
import uuid

from chancerytest.command import Step, command, run, submit
from chancerytest.element import NAMES
from chancerytest.scenario import alone

MAKE, REVOKE = 'urn:chancery:device-password#make', 'urn:chancery:device-password#revoke'
BIND = "<bind xmlns='urn:xmpp:bind:0'/>"
TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"


def make(c, name):
    s = run(c, c.bare, MAKE, {'name': name})
    assert s.form is not None, s.e
    f = s.fields()
    assert f['name'] == [name] and re.fullmatch('([a-z2-9]{4}-){6}[a-z2-9]{4}', f['password'][0]), f
    return f['password'][0]


def revocable(c):
    """{label: id} of what the command offers, and the step."""
    s = Step(command(c, c.bare, REVOKE))
    if s.form is None:
        return {}, s
    field = s.form.all('field')[-1]
    return {o.get('label'): o.text('value') for o in field.all('option')}, s


def revoke(c, name):
    options, s = revocable(c)
    id = [v for k, v in options.items() if k.startswith(name + ' (')][0]
    s = Step(command(c, c.bare, REVOKE, s.id, 'complete', submit({'id': id})))
    assert s.status == 'completed' and s.notes[0][0] == 'info', s.e
    return int(id)


def login(t, user, password, **kw):
    """(client, failure) of a classic login; bound when there is none."""
    c = t.client(user).secure()
    failure = c.auth(password=password, **kw)
    if failure is None:
        c.open().expect_features()
        assert c.bind(), c.bind_error
    return c, failure


def trail(t, action, bare):
    """What is recorded of it, with no word of a password."""
    return [r[0].replace('&quot;', '"') for r in
            t.server.psql("select stanza from archive.record where kind = 24 and body like '%%: %s %%' and stanza like '%%%s%%' order by id" % (action, bare))]


def test_each_mechanism(t):
    """Either password works with whatever mechanism, and what is noted of the login says which it was"""
    a = t.online()
    password = make(a, 'printer')
    for m in ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'SCRAM-SHA-512-PLUS'):
        c, failure = login(t, a, password, mechanism=m)
        assert failure is None and c.ping().get('type') == 'result', (m, failure)
        c.close()
    c, failure = login(t, a, a.password)
    assert failure is None
    assert login(t, a, password[:-1] + ('2' if password[-1] != '2' else '3'))[1] == 'not-authorized'
    assert login(t, a, password.replace('-', ''))[1] == 'not-authorized'
    label = list(revocable(a)[0])
    assert len(label) == 1 and label[0].startswith('printer (last used'), label


@alone(auth__plain='true')
def test_plain(t):
    """With PLAIN as well, in both profiles"""
    a = t.online()
    password = make(a, 'printer')
    assert login(t, a, password, mechanism='PLAIN')[1] is None
    assert t.client(a).secure().sasl2('PLAIN', password=password) is None
    assert login(t, a, password + 'x', mechanism='PLAIN')[1] == 'not-authorized'
    revoke(a, 'printer')
    assert login(t, a, password, mechanism='PLAIN')[1] == 'not-authorized'


def test_revoked(t):
    """Revoking one ends its sessions, detached ones too, and no other's; it lets nobody in any more"""
    a = t.online()
    first, second = make(a, 'phone'), make(a, 'tablet')
    phone, tablet = login(t, a, first)[0], login(t, a, second)[0]
    detached = login(t, a, first)[0]
    detached.enable(resume=True)
    detached.cut()
    waiting = t.client(a).secure()
    assert waiting.auth(password=first) is None
    waiting.open().expect_features()
    id = revoke(a, 'phone')
    assert phone.expect_end() == 'not-authorized'
    waiting.send("<iq type='set' id='b'><bind xmlns='%s'/></iq>" % NAMES['bind']).expect_end()
    assert tablet.ping().get('type') == a.ping().get('type') == 'result'
    assert login(t, a, first)[1] == 'not-authorized'
    c = t.client(a).authenticated()
    assert c.resume(detached).name == 'failed'
    assert [k.split(' (')[0] for k in revocable(a)[0]] == ['tablet']
    code, out, err = t.server.cli('device', 'revoke', a.bare, str(id))
    assert code == 1, (out, err)


def test_sasl2(t):
    """In SASL2: no token comes of it, as that would outlive it; the session is the password's, whatever device the client says it is"""
    a = t.online()
    password = make(a, 'phone')
    c = t.client(a).secure()
    agent = str(uuid.uuid4()), 'Gajim', 'laptop'
    assert c.sasl2(password=password, agent=agent, inner=BIND + TOKEN) is None
    assert c.token is None and c.bound2 is not None
    both = t.client(a).secure()
    assert both.sasl2(password=password, agent=(str(uuid.uuid4()), 'Gajim', 'desk'), inner=BIND) is None
    assert c.ping().get('type') == both.ping().get('type') == 'result'
    revoke(a, 'phone')
    assert c.expect_end() == both.expect_end() == 'not-authorized'


def test_not_by_itself(t):
    """Who came in by a device's password neither makes one, nor changes the account's password, nor ends the account"""
    a = t.online()
    c, failure = login(t, a, make(a, 'phone'))
    s = run(c, c.bare, MAKE, {'name': 'another'})
    assert s.form is None and s.notes[0][0] == 'error', s.e
    name = c.bare.split('@')[0]
    answer = c.iq('set', "<query xmlns='jabber:iq:register'><username>%s</username><password>Calliope-1599</password></query>" % name)
    assert answer.condition() == 'forbidden', answer
    assert login(t, a, a.password)[1] is None
    assert list(revocable(c)[0])


def test_password_change(t):
    """Another password of the account ends those of its devices, and their sessions"""
    a = t.online()
    password = make(a, 'phone')
    c, failure = login(t, a, password)
    code, out, err = t.server.cli('user', 'password', a.bare, '--password-stdin', stdin='Calliope-1599\n')
    assert code == 0, err
    c.expect_end()
    assert login(t, a, password)[1] == 'not-authorized'
    assert login(t, a, 'Calliope-1599')[1] is None


def test_of_another(t):
    """Of one account only; not while it is disabled; strangers have no such commands"""
    a, b = t.online(), t.online()
    password = make(a, 'phone')
    assert login(t, b, password)[1] == 'not-authorized'
    assert command(b, a.bare, MAKE).get('type') == 'error'
    assert t.server.cli('user', 'disable', a.bare)[0] == 0
    assert login(t, a, password)[1] == 'not-authorized'
    assert t.server.cli('user', 'enable', a.bare)[0] == 0
    assert login(t, a, password)[1] is None


def test_bounds(t):
    """So many and no more; names that are none are refused"""
    a = t.online()
    for bad in ('', 'x' * 129):
        s = Step(command(a, a.bare, MAKE))
        assert command(a, a.bare, MAKE, s.id, 'complete', submit({'name': bad})).condition() == 'bad-request'
    for i in range(10):
        make(a, 'client %d' % i)
    s = run(a, a.bare, MAKE, {'name': 'one more'})
    assert s.form is None and s.notes[0][0] == 'error', s.e
    revoke(a, 'client 3')
    make(a, 'one more')


def test_administrator(t):
    """By an administrator: shown once, listed with its last use, revoked; each step is audited, and the login says by which it was"""
    a = t.online()
    code, out, err = t.server.cli('--json', 'device', 'password', a.bare, 'fax')
    assert code == 0, err
    row = json.loads(out)
    c, failure = login(t, a, row['password'])
    assert failure is None
    code, out, err = t.server.cli('--json', 'device', 'list', a.bare)
    listed = {r['id']: r for r in map(json.loads, out.splitlines())}[row['id']]
    assert listed['access'] == ['device password'] and listed['device'] == 'fax' and listed['connected'], listed
    clients = c.iq('get', "<list xmlns='urn:xmpp:cam:0'/>").find('cam:clients').all('client')
    assert [x.get('connected') for x in clients if x.get('id') == str(row['id'])] == ['true'], clients
    assert t.server.cli('device', 'revoke', a.bare, str(row['id']))[0] == 0
    assert c.expect_end() == 'not-authorized'
    assert login(t, a, row['password'])[1] == 'not-authorized'
    made, revoked = trail(t, 'device.password', a.bare), trail(t, 'device.revoke', a.bare)
    assert len(made) == len(revoked) == 1 and 'fax' in made[0] and row['password'] not in made[0], (made, revoked)
    assert any('"device_password":%d' % row['id'] in s for s in trail(t, 'login', a.bare))
    for bad in (('nobody@' + t.server.domain, 'fax'), (a.bare, ''), (t.server.domain, 'fax')):
        assert t.server.cli('device', 'password', *bad)[0] == 1, bad

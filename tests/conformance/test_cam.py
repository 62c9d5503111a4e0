"""Devices: Client Access Management (XEP-0494), and the same from the command line (design §8)."""
import json
import uuid

from chancerytest.element import escape

BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"


def device(t, user=None, software='Gajim', name="Juliet's laptop"):
    """A client bound by SASL2, with a token."""
    c = t.client(user).secure()
    c.agent = str(uuid.uuid4()), software, name
    assert c.sasl2(agent=c.agent, inner=BIND + TOKEN) is None
    c.secret = c.token.get('token')
    return c


def by_token(t, c, inner=BIND):
    d = t.client(c).secure()
    d.agent, d.failure = c.agent, d.fast(c.secret, agent=c.agent, inner=inner)
    return d


def forget_password(t, c):
    """The password was changed long after this client used it; the token is newer."""
    t.server.psql("update chancery.device d set password_at = password_at - interval '1 day' from chancery.account a "
                  "where a.id = d.account and a.bare = '%s'; update chancery.account set secret_at = secret_at - interval '1 hour' "
                  "where bare = '%s'" % (c.bare, c.bare))


def clients(c, to=None):
    answer = c.iq('get', "<list xmlns='urn:xmpp:cam:0'/>", to)
    assert answer.get('type') == 'result', answer
    return answer.find('cam:clients').all('client')


def revoke(c, id, to=None):
    return c.iq('set', "<revoke xmlns='urn:xmpp:cam:0' id='%s'/>" % escape(id), to)


def of(c, agent):
    found = [x for x in clients(c) if x.text('user-agent', 'device') == agent[2]]
    assert len(found) == 1, clients(c)
    return found[0]


def rows(t, *args):
    code, out, err = t.server.cli('--json', *args)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines() if line.strip()]


def audited(t, action, target):
    """The detail of the only record of it, which its owner made."""
    (who, detail), = t.server.psql("select who_name, detail from chancery.audit where action = '%s' and target = '%s'" % (action, target))
    assert target.startswith(who), (who, target)
    return json.loads(detail)


def test_list(t):
    """XEP-0494 §3.1: every client with access: connected or not, since when, how, and what it says it is"""
    a = device(t)
    b = device(t, a, 'Conversations', 'phone')
    b.close()
    old = t.bound(a, 'orchard')
    laptop, phone = of(a, a.agent), of(a, b.agent)
    assert laptop.get('connected') == 'true' and laptop.get('type') == 'session'
    t.server.wait(lambda: of(a, b.agent).get('connected') == 'false', 'the end of the phone')
    for x in (laptop, phone):
        assert x.find('auth', 'password') is not None and x.find('auth', 'fast') is not None, x
        assert x.find('permission').get('status') == 'unrestricted'
        assert len(x.text('first-seen')) == 20 and x.text('last-seen') >= x.text('first-seen'), x
    assert laptop.text('user-agent', 'software') == 'Gajim'
    assert laptop.get('id') != phone.get('id')
    plain = [x for x in clients(a) if x.find('user-agent') is None]
    assert len(plain) == 1 and plain[0].get('connected') == 'true', plain
    assert plain[0].find('auth', 'password') is not None
    assert old.ping().get('type') == 'result'
    info = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.bare)
    assert 'urn:xmpp:cam:0' in [f.get('var') for f in info.find('info:query').all('feature')]


def test_detached_is_connected(t):
    """XEP-0494 §3.1: a session that may be resumed counts as connected"""
    a, other = device(t), None
    other = device(t, a, name='phone')
    other.cut()
    assert of(a, other.agent).get('connected') == 'true'


def test_revoke_token_only(t):
    """XEP-0494 §3.2: a client that has but a token: session and token end at once, detached sessions too"""
    a, victim = device(t), None
    victim = device(t, a, name='phone')
    forget_password(t, a)
    # The one that asks, too, is known by its token alone now; the victim comes back with its own.
    b = by_token(t, victim)
    assert b.failure is None
    id = of(a, victim.agent).get('id')
    assert of(a, victim.agent).find('auth', 'password') is None
    assert revoke(a, id).get('type') == 'result'
    assert audited(t, 'device.revoke', a.bare) == {'device': int(id), 'by': a.jid.split('/', 1)[1]}
    assert b.expect_end() == 'not-authorized'
    assert by_token(t, victim).failure == 'not-authorized'
    assert not [x for x in clients(a) if x.get('id') == id]
    assert revoke(a, id).condition() == 'item-not-found'
    assert a.ping().get('type') == 'result'


def test_revoke_detached(t):
    """XEP-0494 §3.2: a revoked client cannot resume"""
    a = device(t)
    b = device(t, a, name='phone')
    forget_password(t, a)
    b.cut()
    assert revoke(a, of(a, b.agent).get('id')).get('type') == 'result'
    c = t.client(a).secure()
    assert c.sasl2(inner="<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/>" % b.sm_id) is None
    assert c.success.find('sm:failed', 'item-not-found') is not None


def test_revoke_before_binding(t):
    """XEP-0494 §3.2: a client that has authenticated and not bound yet when its access is revoked does not get in"""
    bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    a = device(t)
    victims = [device(t, a, name='phone %d' % i) for i in range(2)]
    forget_password(t, a)
    ids = [of(a, v.agent).get('id') for v in victims]
    waiting = [by_token(t, v, inner='') for v in victims]
    assert [w.failure for w in waiting] == [None, None]
    assert revoke(a, ids[0]).get('type') == 'result'
    assert waiting[0].send(bind).expect_end() == 'reset'
    code, out, err = t.server.cli('device', 'revoke', a.bare, ids[1])
    assert code == 0, (out, err)
    assert waiting[1].send(bind).expect_end() == 'reset'
    assert a.ping().get('type') == 'result'


def test_revoke_with_password(t):
    """XEP-0494 §3.2: a client that knows the password: it is out, and the answer says that the password must be changed"""
    a = device(t)
    b = device(t, a, name='phone')
    answer = revoke(a, of(a, b.agent).get('id'))
    assert answer.get('type') == 'error' and answer.condition() == 'service-unavailable'
    assert answer.find('error').get('type') == 'cancel'
    assert answer.find('error', 'cam:password-reset-required') is not None
    assert b.expect_end() == 'not-authorized'
    assert by_token(t, b).failure == 'not-authorized'
    assert of(a, b.agent).find('auth', 'fast') is None


def test_revoke_session_without_device(t):
    """XEP-0494 §3.2: a session of a client that did not say what it is"""
    a = device(t)
    old = t.bound(a, 'orchard')
    id = [x for x in clients(a) if x.find('user-agent') is None][0].get('id')
    assert revoke(a, id).find('error', 'cam:password-reset-required') is not None
    assert old.expect_end() == 'not-authorized'
    assert audited(t, 'session.close', old.jid) == {'by': a.jid.split('/', 1)[1]}


def test_revoke_forgotten_device(t):
    """XEP-0494 §3.1, §3.2: a client that is connected is listed and can be revoked, also when its device has been forgotten for newer ones"""
    a = device(t)
    hidden = device(t, a, name='phone')
    t.server.psql("delete from chancery.device where agent = '%s'" % hidden.agent[0])
    id, = [x.get('id') for x in clients(a) if x.find('user-agent') is None]
    assert revoke(a, id).find('error', 'cam:password-reset-required') is not None
    assert hidden.expect_end() == 'not-authorized'
    assert a.ping().get('type') == 'result' and len(clients(a)) == 1


def test_malformed(t):
    """XEP-0494 §3.2: ids that are none"""
    a = device(t)
    assert a.iq('set', "<revoke xmlns='urn:xmpp:cam:0'/>").condition() == 'bad-request'
    for id in ('0', '-1', '99999999999999999999', 'HjEEr45_LQr', '/nobody', '/', '1 or 1=1'):
        assert revoke(a, id).condition() == 'item-not-found', id


def test_others(t):
    """XEP-0494 §5: nobody lists or revokes for another account: not a stranger, not a contact"""
    a, stranger = device(t), device(t)
    id = of(a, a.agent).get('id')
    assert stranger.iq('get', "<list xmlns='urn:xmpp:cam:0'/>", a.bare).condition() == 'service-unavailable'
    assert revoke(stranger, id, a.bare).condition() == 'service-unavailable'
    assert revoke(stranger, id).condition() == 'item-not-found'
    assert a.ping().get('type') == 'result'
    assert [x.get('id') for x in clients(stranger)] != [id]


def test_command_line(t):
    """Design §8: session list names the device, device list what it may, device revoke ends it; audited"""
    a = device(t)
    b = device(t, a, 'Conversations', 'phone')
    s = {r['jid']: r for r in rows(t, 'session', 'list', a.bare)}
    assert s[b.jid]['client'] == 'Conversations, phone' and s[b.jid]['device'] != s[a.jid]['device']
    id = s[b.jid]['device']
    d = {r['id']: r for r in rows(t, 'device', 'list', a.bare)}
    assert d[id]['software'] == 'Conversations' and d[id]['access'] == ['password', 'token'] and d[id]['connected'] is True
    assert d[id]['address'] == t.source and d[id]['agent'] == b.agent[0], d
    code, out, err = t.server.cli('device', 'revoke', a.bare, str(id))
    assert code == 0 and 'password' in out, (out, err)
    assert b.expect_end() == 'not-authorized'
    assert by_token(t, b).failure == 'not-authorized'
    assert a.ping().get('type') == 'result'
    row = t.server.psql("select detail from chancery.audit where action = 'device.revoke' and target = '%s'" % a.bare)
    assert json.loads(row[0][0]) == {'device': id}
    for args in ((a.bare, '123456789'), ('nobody@' + a.domain, str(id)), (b.bare.replace(b.user, t.user()[0]), str(id)),
                 ('not an address', '1')):
        code, out, err = t.server.cli('device', 'revoke', *args)
        assert code == 1 and err.strip(), args
    assert t.server.cli('device', 'revoke', a.bare, 'phone')[0] == 2


def test_last_use(t):
    """A login with a token moves the device's last use and address, a moment later"""
    a = device(t)
    a.close()
    t.server.psql("update chancery.device d set last_at = last_at - interval '1 day', last_address = '192.0.2.1' from chancery.account x "
                  "where x.id = d.account and x.bare = '%s'" % a.bare)
    b = by_token(t, a)
    assert b.failure is None

    def moved():
        r = rows(t, 'device', 'list', a.bare)[0]
        return r['address'] == t.source
    t.server.wait(moved, 'the new address')
    assert t.server.value("select last_at > now() - interval '1 hour' from chancery.device d join chancery.account x "
                          "on x.id = d.account where x.bare = '%s'" % a.bare) == 't'


def test_too_many(t):
    """limits.devices_per_account: the device that was not used for longest is forgotten"""
    first = device(t)
    first.close()
    t.server.psql("insert into chancery.device (account, agent, last_at) select id, gen_random_uuid(), now() + interval '1 s' "
                  "from chancery.account, generate_series(1, 49) where bare = '%s'" % first.bare)
    last = device(t, first)
    n = t.server.value("select count(*) from chancery.device d join chancery.account a on a.id = d.account "
                       "where a.bare = '%s'" % first.bare)
    assert n == '50', n
    assert by_token(t, first).failure == 'not-authorized'
    assert by_token(t, last).failure is None

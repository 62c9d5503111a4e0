"""Invitations (XEP-0401), subscriptions (XEP-0379) and registration (XEP-0445) by them."""
import json
import re
import urllib.parse

from chancerytest.client import unique
from chancerytest.command import NS as COMMANDS, Step, command, run, submit
from chancerytest.element import NAMES, escape
from chancerytest.scenario import alone

INVITE, ACCOUNT = 'urn:xmpp:invite#invite', 'urn:xmpp:invite#create-account'
PARS, REGISTER, FEATURE = 'urn:xmpp:pars:0', 'jabber:iq:register', 'urn:xmpp:ibr-token:0:register'
PASSWORD = 'Calliope-1599'


def administrator(t):
    c = t.online()
    assert t.server.cli('user', 'set', c.bare, 'admin=yes')[0] == 0
    return c


def nodes(t, c):
    r = c.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], COMMANDS), t.server.domain)
    return {i.get('node'): i.get('name') for i in r.find('items:query').all('item')}


def invitation(t, c, node=INVITE, fields=None):
    """(uri, token, fields)"""
    s = run(c, t.server.domain, node, fields)
    assert s.form is not None and not s.notes, s.e
    f = s.fields()
    assert f['FORM_TYPE'] == ['urn:xmpp:invite#invitation'] and re.fullmatch(r'\d{4}-\d\d-\d\dT[\d:.]+Z', f['expire'][0]), f
    uri = f['uri'][0]
    return uri, token_of(uri), f


def token_of(uri):
    return re.search(r'preauth=([A-Za-z0-9]{24})(;|$)', uri).group(1)


def cli(t, *args):
    code, out, err = t.server.cli('--json', 'invite', *args)
    assert code == 0, (args, err)
    return [json.loads(line) for line in out.splitlines()]


def subscribe(c, to, token):
    c.presence('subscribe', to=to, inner="<preauth xmlns='%s' token='%s'/>" % (PARS, escape(token)))


def item(c, jid):
    """(subscription, ask) of a contact; None."""
    found = [i for i in c.roster().find('jabber:iq:roster:query').all('item') if i.get('jid') == jid]
    return (found[0].get('subscription'), found[0].get('ask')) if found else None


def expect_both(c, jid):
    while c.expect_push(jid).get('subscription') != 'both':
        pass


def stranger(t, name):
    c = t.client((name, PASSWORD)).secure()
    assert c.features.find(FEATURE) is not None, c.features
    return c


def preauth(c, token):
    return c.iq('set', "<preauth xmlns='%s' token='%s'/>" % (PARS, escape(token)))


def register(c, name, password=PASSWORD):
    return c.iq('set', "<query xmlns='%s'><username>%s</username><password>%s</password></query>"
                % (REGISTER, escape(name), escape(password)))


def log_in(c):
    assert c.auth() is None
    c.open().expect_features()
    c.bind()
    c.roster()
    c.online()
    return c


def accounts(t, name):
    return t.server.value("select count(*) from chancery.account where bare = '%s@%s'" % (name, t.server.domain))


def used(t, token_uses):
    return t.server.metric('chancery_invitations_used_total') == token_uses


def test_off(t):
    """XEP-0401 §3: without the setting there are no commands, no feature and no invitations; a token is the clients' affair"""
    a, b = administrator(t), t.online()
    assert not {INVITE, ACCOUNT} & set(nodes(t, a))
    for node in (INVITE, ACCOUNT):
        assert command(a, t.server.domain, node).condition() == 'item-not-found'
    c = t.stream()
    assert c.features.find(FEATURE) is None
    c.iq_send('set', "<preauth xmlns='%s' token='%s'/>" % (PARS, 'x' * 24))
    assert c.expect_end() == 'not-authorized'
    code, out, err = t.server.cli('invite', 'create')
    assert code == 1 and 'invite.on' in err, err
    subscribe(b, a.bare, 'x' * 24)
    e = a.expect_presence('subscribe', b.bare)
    assert e.find(PARS + ':preauth').get('token') == 'x' * 24, e


@alone(invite__on='true', invite__page='https://example.org/i/#', limits__invitations_open='3')
def test_contact(t):
    """XEP-0401 §5.1, XEP-0379 §3: Romeo makes a link, Juliet subscribes with its token, both are contacts at once; it is good once"""
    romeo, juliet, tybalt = t.online(), t.online(), t.online()
    for c in (romeo, juliet, tybalt):
        c.roster()
    assert nodes(t, romeo) == {INVITE: 'Invite user'}
    uri, token, f = invitation(t, romeo)
    assert uri == 'xmpp:%s?roster;preauth=%s' % (romeo.bare, token), uri
    assert f['landing-url'] == ['https://example.org/i/#' + uri[5:]], f
    # Juliet's client approves Romeo before (§3.4).
    juliet.presence('subscribed', to=romeo.bare)
    subscribe(juliet, romeo.bare, token)
    expect_both(juliet, romeo.bare)
    expect_both(romeo, juliet.bare)
    juliet.expect_presence(None, romeo.jid)
    romeo.expect_presence(None, juliet.jid)
    romeo.sync(juliet)
    assert not romeo.heard_any(lambda e: e.name == 'presence' and e.get('type') == 'subscribe')
    assert used(t, 1)
    # A second one with the same token is somebody whom Romeo is asked about, token and all.
    subscribe(tybalt, romeo.bare, token)
    assert romeo.expect_presence('subscribe', tybalt.bare).find(PARS + ':preauth').get('token') == token
    assert item(romeo, tybalt.bare) is None and used(t, 1)
    # Nor is Juliet approved again once Romeo has removed her.
    romeo.presence('unsubscribed', to=juliet.bare)
    juliet.expect_presence('unsubscribed', romeo.bare)
    subscribe(juliet, romeo.bare, token)
    romeo.expect_presence('subscribe', juliet.bare)
    assert used(t, 1) and t.server.metric('chancery_invitations_refused_total') == 2
    # Romeo's token is not good for others' rosters; nor is what is no token; who did not approve Romeo is asked.
    token = invitation(t, romeo)[1]
    subscribe(juliet, tybalt.bare, token)
    tybalt.expect_presence('subscribe', juliet.bare)
    for bad in ('', 'x' * 24, token[:-1], token + 'x', "' OR 1 = 1", 'x' * 9000):
        c = t.online()
        subscribe(c, romeo.bare, bad)
        romeo.expect_presence('subscribe', c.bare)
    mercutio = t.online()
    mercutio.roster()
    subscribe(mercutio, romeo.bare, token)
    mercutio.expect_presence('subscribed', romeo.bare)
    mercutio.expect_presence('subscribe', romeo.bare)
    mercutio.expect_presence(None, romeo.jid)
    assert item(romeo, mercutio.bare) == ('from', 'subscribe'), item(romeo, mercutio.bare)
    assert used(t, 2)
    # Who is subscribed already uses nothing up; oneself neither.
    token = invitation(t, romeo)[1]
    subscribe(mercutio, romeo.bare, token)
    mercutio.expect_presence(None, romeo.jid)
    assert t.server.value("select used from chancery.invite order by id desc limit 1") == '0'
    # So many may be open.
    invitation(t, romeo), invitation(t, romeo)
    e = command(romeo, t.server.domain, INVITE)
    assert e.condition() == 'resource-constraint' and t.server.metric('chancery_quota_refused_total') == 1, e
    # No accounts by these: not offered, and refused.
    assert preauth(stranger(t, 'nobody'), token).condition() == 'item-not-found'
    assert command(romeo, t.server.domain, ACCOUNT).condition() == 'forbidden'
    rows = cli(t, 'list')
    assert [r['by'] for r in rows if r['used']] == [mercutio.bare, juliet.bare] and rows[0]['inviter'] == romeo.bare, rows
    assert token not in json.dumps(rows) and token not in t.server.log()


@alone(invite__on='true')
def test_over(t):
    """XEP-0379 §5.2: whose time is over, or which is revoked, or whose inviter blocks the sender, approves nobody"""
    romeo, juliet, tybalt = t.online(), t.online(), t.online()
    token = invitation(t, romeo)[1]
    t.server.psql("update chancery.invite set expires_at = now() - interval '1 second'")
    subscribe(juliet, romeo.bare, token)
    romeo.expect_presence('subscribe', juliet.bare)
    token = invitation(t, romeo)[1]
    id = cli(t, 'list')[0]['id']
    cli(t, 'revoke', str(id))
    assert t.server.cli('invite', 'revoke', str(id))[0] == 1 and t.server.cli('invite', 'revoke', 'x')[0] == 2
    subscribe(tybalt, romeo.bare, token)
    romeo.expect_presence('subscribe', tybalt.bare)
    assert t.server.value("select count(*) from chancery.audit where action = 'invite.revoke' and target = '%s'" % romeo.bare) == '1'
    token = invitation(t, romeo)[1]
    paris = t.online()
    r = romeo.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % paris.bare)
    assert r.get('type') == 'result', r
    subscribe(paris, romeo.bare, token)
    assert paris.ping(romeo.bare).get('type') == 'error'
    assert item(romeo, paris.bare) is None and t.server.metric('chancery_invitations_used_total') == 0
    assert t.server.value('select used from chancery.invite order by id desc limit 1') == '0'


@alone(invite__on='true', invite__accounts='true', limits__registrations_per_address='1000')
def test_contact_registers(t):
    """XEP-0401 §5.3.2, §5.5, XEP-0445 §4: Viola registers by Romeo's link and is his contact; he gets roster pushes"""
    romeo = t.online()
    romeo.roster()
    uri, token, f = invitation(t, romeo)
    assert uri.endswith(';ibr=y') and 'landing-url' not in f, f
    c = stranger(t, 'viola')
    assert c.features.find('http://jabber.org/features/iq-register:register') is None
    assert preauth(c, token).get('type') == 'result'
    # Not used before the account is there; and its time counted when it was shown.
    assert t.server.value('select used from chancery.invite') == '0'
    t.server.psql("update chancery.invite set expires_at = now() - interval '1 second'")
    q = c.iq('get', "<query xmlns='%s'/>" % REGISTER).find(REGISTER + ':query')
    assert q.find('username') is not None and q.find('password') is not None, q
    assert register(c, romeo.user).condition() == 'conflict'
    assert register(c, 'viola', 'short').condition() == 'not-acceptable'
    assert t.server.value('select used from chancery.invite') == '0'
    assert register(c, 'Viola').get('type') == 'result'
    assert register(c, 'olivia').condition() == 'not-acceptable' and preauth(c, token).condition() == 'not-acceptable'
    expect_both(romeo, 'viola@' + t.server.domain)
    log_in(c)
    romeo.expect_presence(None, c.jid)
    c.expect_presence(None, romeo.jid)
    assert item(c, romeo.bare) == ('both', None) and item(romeo, c.bare) == ('both', None)
    # The client does what the link says, too: nothing new comes of it.
    subscribe(c, romeo.bare, token)
    c.expect_presence(None, romeo.jid)
    assert not romeo.heard_any(lambda e: e.name == 'presence' and e.get('type') == 'subscribe')
    # Used up: neither for an account nor for a contact; removed, it does not help to come back.
    assert preauth(stranger(t, 'olivia'), token).condition() == 'item-not-found'
    romeo.presence('unsubscribed', to=c.bare)
    c.expect_presence('unsubscribed', romeo.bare)
    subscribe(c, romeo.bare, token)
    romeo.expect_presence('subscribe', c.bare)
    assert t.server.metric('chancery_registered_total') == 1 and accounts(t, 'olivia') == '0'
    # Shown in time, but whoever gave it has been disabled since.
    mercutio = t.online()
    d = stranger(t, 'olivia')
    assert preauth(d, invitation(t, mercutio)[1]).get('type') == 'result'
    assert t.server.cli('user', 'disable', mercutio.bare)[0] == 0
    assert register(d, 'olivia').condition() == 'not-acceptable' and accounts(t, 'olivia') == '0'


@alone(invite__on='true', limits__registrations_per_address='1000')
def test_account(t):
    """XEP-0401 §5.4: an administrator invites by name, which is reserved; or without one; with a subscription or not; audited"""
    a = administrator(t)
    a.roster()
    assert nodes(t, a)[ACCOUNT] == 'Create account'
    s = Step(command(a, t.server.domain, ACCOUNT, action='execute'))
    assert s.status == 'executing' and {f.get('var'): f.get('type') for f in s.form.all('field')} == {
        'username': 'text-single', 'roster-subscription': 'boolean'}, s.e
    for fields in ({'username': 'a@b'}, {'username': 'x' * 2000}, {'username': 'x', 'roster-subscription': 'perhaps'}):
        r = command(a, t.server.domain, ACCOUNT, s.id, 'complete', submit(fields))
        assert r.condition() == 'bad-request', (fields, r)
    uri, token, f = invitation(t, a, ACCOUNT, {'username': 'Viola', 'roster-subscription': 'true'})
    assert uri == 'xmpp:viola@%s?register;preauth=%s' % (t.server.domain, token), uri
    rows = t.server.psql("select who_name, origin, target from chancery.audit where action = 'invite.create'")
    assert rows[-1] == [a.bare, 'client ' + a.jid, 'viola@' + t.server.domain], rows
    # Taken or reserved.
    for name in ('viola', a.user):
        s = run(a, t.server.domain, ACCOUNT, {'username': name})
        assert s.notes and s.notes[0][0] == 'error', s.e
    # It is for this name, for registering, and for nobody's roster before that.
    b = t.online()
    subscribe(b, a.bare, token)
    a.expect_presence('subscribe', b.bare)
    c = stranger(t, 'viola')
    assert preauth(c, token).get('type') == 'result'
    assert register(c, 'feste').condition() == 'not-acceptable' and accounts(t, 'feste') == '0'
    # Another invitation does not get the reserved name.
    other = invitation(t, a, ACCOUNT, {})
    assert other[0] == 'xmpp:%s?register;preauth=%s' % (t.server.domain, other[1]), other
    d = stranger(t, 'viola')
    assert preauth(d, other[1]).get('type') == 'result'
    assert register(d, 'viola').condition() == 'not-acceptable'
    assert register(c, 'viola').get('type') == 'result'
    expect_both(a, 'viola@' + t.server.domain)
    assert item(log_in(c), a.bare) == ('both', None)
    # Two streams show the same token: one account comes of it.
    e = stranger(t, 'orsino')
    assert preauth(e, other[1]).get('type') == 'result'
    assert register(d, 'feste').get('type') == 'result'
    assert register(e, 'orsino').condition() == 'not-acceptable' and accounts(t, 'orsino') == '0'
    d.user = 'feste'
    assert log_in(d).roster().find('jabber:iq:roster:query').all('item') == []


@alone(invite__on='true', limits__registrations_per_address='1000')
def test_command_line(t):
    """`chancery invite`: a link for several accounts, a reserved name, lists, and revoking one that was shown already"""
    row = cli(t, 'create', t.server.domain, '2')[0]
    assert row['uri'].startswith('xmpp:%s?register;preauth=' % t.server.domain) and 'page' not in row, row
    streams = [stranger(t, unique('guest')) for i in range(3)]
    for c in streams:
        assert preauth(c, token_of(row['uri'])).get('type') == 'result'
    answers = [register(c, c.user) for c in streams]
    assert [r.get('type') for r in answers] == ['result', 'result', 'error'] and answers[2].condition() == 'not-acceptable'
    listed = [r for r in cli(t, 'list') if r['id'] == row['id']][0]
    assert (listed['uses'], listed['used'], listed['inviter'], listed['for']) == (2, 2, None, 'account'), listed
    assert listed['by'] == ', '.join(c.bare for c in streams[:2])
    out = t.server.cli('invite', 'create', 'portia@' + t.server.domain)[1]
    assert urllib.parse.quote('portia') in out and 'good until' in out, out
    token = token_of(out.splitlines()[0])
    c = stranger(t, 'portia')
    assert preauth(c, token).get('type') == 'result'
    cli(t, 'revoke', str(cli(t, 'list')[0]['id']))
    assert register(c, 'portia').condition() == 'not-acceptable' and accounts(t, 'portia') == '0'
    for args in (('elsewhere.example',), ('x@elsewhere.example',), (t.server.domain, '0'), (t.server.domain, '1001'),
                 ('x@' + t.server.domain, '2'), (streams[0].bare,)):
        assert t.server.cli('invite', 'create', *args)[0] == 1, args
    assert t.server.psql("select count(*) from chancery.audit where action like 'invite.%'") == [['3']]


@alone(invite__on='true', register__open='true', limits__registrations_per_address='1000')
def test_reserved(t):
    """XEP-0401 §6.2: nobody else registers a name that is reserved, until the invitation is over"""
    cli(t, 'create', 'helena@' + t.server.domain)
    c = t.stream()
    assert register(c, 'Helena').condition() == 'conflict'
    assert preauth(c, 'x' * 24).condition() == 'item-not-found' and preauth(c, 'bad').condition() == 'item-not-found'
    assert c.iq('get', "<preauth xmlns='%s'/>" % PARS).condition() == 'bad-request'
    t.server.psql('update chancery.invite set expires_at = now()')
    assert register(c, 'Helena').get('type') == 'result'

"""Tokens instead of a password (XEP-0484)."""
import hmac
import os
import uuid

from chancerytest.client import b64
from chancerytest.scenario import alone
from test_audit_log import Lock, mark, trail

ENDP, NONE, EXPR = 'HT-SHA-256-ENDP', 'HT-SHA-256-NONE', 'HT-SHA-256-EXPR'
BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag></bind>"


def want(mechanism=ENDP):
    return "<request-token xmlns='urn:xmpp:fast:0' mechanism='%s'/>" % mechanism


def first(t, user=None, agent=None, mechanism=ENDP, inner=''):
    """A client that has logged in by password and been given a token."""
    c = t.client(user).secure()
    c.agent = agent or str(uuid.uuid4())
    failure = c.sasl2(agent=(c.agent, 'AwesomeXMPP', 'phone'), inner=want(mechanism) + inner)
    assert failure is None, failure
    assert c.token is not None, c.success
    c.secret = c.token.get('token')
    return c


def again(t, c, secret=None, mechanism=ENDP, agent=None, **kw):
    """(client, failure) of another login with c's token, as the same device unless told otherwise."""
    d = t.client(c).secure()
    d.failure = d.fast(secret or c.secret, mechanism, (agent or c.agent, 'AwesomeXMPP', 'phone'), **kw)
    return d


def tokens(t, c):
    return t.server.psql("select t.slot, t.mechanism, t.count from chancery.token t join chancery.device d on d.id = t.device"
                         " join chancery.account a on a.id = d.account where a.bare = '%s' order by 1" % c.bare)


def age(t, c, interval='2 days'):
    """The account's tokens were issued that long ago; so was its password."""
    t.server.psql("update chancery.account set secret_at = secret_at - interval '90 days' where bare = '%s'; "
                  "update chancery.token t set issued_at = issued_at - interval '%s' from chancery.device d, chancery.account a"
                  " where d.id = t.device and a.id = d.account and a.bare = '%s'" % (c.bare, interval, c.bare))


def test_login(t):
    """XEP-0484 §3.2 to §3.4: a token for the asking, then a login with it in one step, with Bind 2; the server proves itself"""
    c = first(t)
    assert len(c.secret) >= 40 and c.token.get('expiry').endswith('Z')
    for mechanism in (ENDP, NONE):
        c = first(t, mechanism=mechanism)
        d = again(t, c, mechanism=mechanism, inner=BIND)
        assert d.failure is None and d.token is None
        assert d.authorized.startswith(d.bare + '/AwesomeXMPP/')
        d.online()


def test_one_round_trip(t):
    """XEP-0484 §2: header and login sent together, one answer: bound, with stream management"""
    c = first(t)
    d = t.client(c).connect()
    d.open().expect_features()
    d.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    d.expect('proceed')
    d.start_tls()
    d.parser.__init__()
    d.header = None
    key = c.secret.encode()
    initial = d.user.encode() + b'\0' + hmac.digest(key, b'Initiator' + d.channel(ENDP), 'sha256')
    d.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='%s' from='%s' "
           "xmlns:stream='http://etherx.jabber.org/streams'>"
           "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='%s'><initial-response>%s</initial-response>"
           "<user-agent id='%s'/><bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3'/></bind>"
           "<fast xmlns='urn:xmpp:fast:0'/></authenticate>" % (d.domain, d.bare, ENDP, b64(initial), c.agent))
    d.expect_features()
    assert d._sasl2_end(d.sasl2_next()) is None
    assert d.bound2.find('sm:enabled') is not None
    assert d.ping().get('type') == 'result'


def test_without_request(t):
    """XEP-0484 §3.2: nobody gets a token who did not ask, or did not say what device it is, or asked for what there is not"""
    for agent, inner in ((str(uuid.uuid4()), ''), (None, want()), ((None, 'X', 'y'), want()),
                         (str(uuid.uuid4()), want('SCRAM-SHA-256')), (str(uuid.uuid4()), want('HT-SHA-512-UNIQ')),
                         (str(uuid.uuid4()), "<request-token xmlns='urn:xmpp:fast:0'/>")):
        c = t.stream()
        assert c.sasl2(agent=agent, inner=inner) is None
        assert c.token is None, (agent, inner)
    c = t.stream()
    assert c.sasl2(agent=str(uuid.uuid4()), inner=want(), password='wrong') == 'not-authorized'


def test_other_mechanism(t):
    """XEP-0484 §3.4: a token is bound to its mechanism: one for a channel does not work without"""
    c = first(t, mechanism=ENDP)
    assert again(t, c, mechanism=NONE).failure == 'not-authorized'
    assert again(t, c, mechanism=NONE, channel=c.end_point()[1]).failure == 'not-authorized'
    c = first(t, mechanism=NONE)
    assert again(t, c, mechanism=ENDP).failure == 'not-authorized'
    assert again(t, c, mechanism=ENDP, channel=b'').failure == 'not-authorized'


def test_other_channel(t):
    """XEP-0484 §5: what somebody made with the token for another channel does not work on this one"""
    c = first(t)
    assert again(t, c, channel=b'x' * 32).failure == 'not-authorized'
    c = first(t, mechanism=EXPR)
    assert again(t, c, mechanism=EXPR, channel=b'x' * 32).failure == 'not-authorized'


def test_other_device(t):
    """A stolen token: from another device of the account, of none, or for another account"""
    c = first(t)
    assert again(t, c, agent=str(uuid.uuid4())).failure == 'not-authorized'
    d = first(t, c)
    assert again(t, c, secret=d.secret).failure == 'not-authorized'
    e = first(t)
    assert again(t, e, secret=c.secret).failure == 'not-authorized'
    f = first(t, agent=c.agent)
    assert again(t, f, secret=c.secret, agent=c.agent).failure == 'not-authorized'
    assert again(t, c).failure is None, 'the device itself'


def test_unknown_account(t):
    """RFC 6120 §13.11: an account that does not exist, or has no token, fails as a wrong token does"""
    c = t.stream()
    assert c.fast('x' * 44, agent=str(uuid.uuid4()), user='nobody-at-all') == 'not-authorized'
    assert c.fast('x' * 44, agent=str(uuid.uuid4())) == 'not-authorized'
    assert c.fast('x' * 44, agent=str(uuid.uuid4()), user='not a name') == 'not-authorized'
    assert c.expect_end() == 'policy-violation'


def test_throttled(t):
    """limits.auth_failures_per_account: guesses at tokens count as guesses at the password"""
    c = first(t)
    before = t.server.metric('chancery_fast_refused_total')
    failures = []
    for _ in range(6):
        failures.append(again(t, c, secret='wrong').failure)
    assert failures == ['not-authorized'] * 5 + ['temporary-auth-failure'], failures
    assert t.server.metric('chancery_fast_refused_total') >= before + 5


def test_malformed(t):
    """XEP-0484 §4.1: no device, no <fast/>, a count that is none, a message that is none"""
    c = first(t)
    initial = c.user.encode() + b'\0' + b'x' * 32
    for agent, inner, message in ((None, "<fast xmlns='urn:xmpp:fast:0'/>", initial),
                                  (c.agent, '', initial),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0' count='-1'/>", initial),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0' count='99999999999999999999'/>", initial),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0' count=''/>", initial),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0'/>", initial[:-1]),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0'/>", initial + b'x'),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0'/>", b'\0' + b'x' * 32),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0'/>", b'x' * 40),
                                  (c.agent, "<fast xmlns='urn:xmpp:fast:0'/>", b'\xff\0' + b'x' * 32)):
        d = t.client(c).secure()
        d.authenticate_send(ENDP, message, agent, inner)
        e = d.sasl2_next()
        assert e.name == 'failure' and e.all(None, 'sasl')[0].name == 'malformed-request', (inner, message, e)
        d.close()


def test_not_in_classic_sasl(t):
    """XEP-0484 §3.1: these mechanisms are for SASL2 only"""
    c = first(t)
    d = t.client(c).secure()
    d.auth_send(NONE, c.user.encode() + b'\0' + hmac.digest(c.secret.encode(), b'Initiator', 'sha256'))
    assert d.sasl_next() == ('failure', 'invalid-mechanism')


def test_count(t):
    """XEP-0484 §3.4: the count grows with each attempt; one that was used is a replay, and so is an older one"""
    c = first(t, mechanism=NONE)
    assert again(t, c, mechanism=NONE, attrs=" count='1'").failure is None
    assert again(t, c, mechanism=NONE, attrs=" count='1'").failure == 'not-authorized'
    assert again(t, c, mechanism=NONE, attrs=" count='7'").failure is None
    assert again(t, c, mechanism=NONE, attrs=" count='6'").failure == 'not-authorized'
    assert again(t, c, mechanism=NONE, attrs=" count='8'").failure is None
    assert tokens(t, c)[-1][2] == '8'


@alone()
def test_failed_after_its_record(t):
    """A login that is recorded and then comes to nothing, as its token has been used meanwhile, is said to have failed"""
    c = first(t, mechanism=NONE)
    assert again(t, c, mechanism=NONE, attrs=" count='1'").failure is None
    m, n = mark(t), t.server.metric('chancery_fast_ok_total')
    d = [t.client(c).secure() for _ in range(2)]
    # Both have been looked at before either is recorded, and so before either is used.
    lock = Lock(t.server, 'archive.record')
    for x in d:
        x.fast_send(c.secret, NONE, (c.agent, 'AwesomeXMPP', 'phone'), attrs=" count='3'")
    t.server.wait(lambda: t.server.metric('chancery_fast_ok_total') == n + 2, 'both to be looked at')
    lock.release()
    assert {x.fast_end() for x in d} == {None, 'not-authorized'}
    logins = {a[3] for a in trail(t, 'id > %d' % m) if a[0] == 'login' and a[1] == c.bare}
    failed, = t.server.wait(lambda: [a for a in trail(t, 'id > %d' % m) if a[0] == 'login.failed'], 'the one that failed')
    assert failed[1] == c.bare == failed[2]['who'] and failed[4] in logins, (failed, logins)
    assert failed[2]['detail'] == {'why': 'not-authorized', 'record': failed[4]} and tokens(t, c)[-1][2] == '3', failed


def test_rotation(t):
    """XEP-0484 §3.5: an old token is replaced; it works until the new one has been used, and then no longer"""
    c = first(t)
    assert again(t, c).failure is None      # now it is the one in use
    age(t, c)
    d = again(t, c)
    assert d.failure is None and d.token is not None and d.token.get('token') != c.secret
    e = again(t, c)                         # the client never saw the new one
    assert e.failure is None and e.token is not None
    assert again(t, c, secret=d.token.get('token')).failure == 'not-authorized', 'a new one that was replaced unused'
    assert again(t, c, secret=e.token.get('token')).failure is None
    assert again(t, c).failure == 'not-authorized', 'the old one, after the new one was used'
    assert [row[0] for row in tokens(t, c)] == ['0']


def test_expired(t):
    """XEP-0484 §4.2: a token that has expired is credentials-expired, to who has it, and to nobody else"""
    c = first(t)
    t.server.psql("update chancery.token t set expires_at = now() from chancery.device d, chancery.account a "
                  "where d.id = t.device and a.id = d.account and a.bare = '%s'" % c.bare)
    d = again(t, c)
    assert d.failure == 'credentials-expired'
    assert again(t, c, secret='wrong').failure == 'not-authorized'
    assert d.sasl2(agent=c.agent, inner=want()) is None and d.token is not None


def test_invalidate(t):
    """XEP-0484 §3.6, §4.2: logging out: the login succeeds, the token has expired, whatever is counted; no new one, unless asked for"""
    c = first(t)
    d = again(t, c, attrs=" invalidate='true' count='1'")
    assert d.failure is None and d.token is None
    for attrs in ('', " count='1'", " count='2'", " invalidate='true'"):
        d = again(t, c, attrs=attrs)
        assert d.failure == 'credentials-expired', (attrs, d.failure)
    assert d.sasl2(agent=c.agent, inner=want()) is None and d.token is not None, 'the password is of use on the same stream'
    assert again(t, c).failure == 'credentials-expired'
    assert again(t, c, secret=d.token.get('token')).failure is None
    assert again(t, c).failure == 'not-authorized', 'forgotten, as another has taken its place'
    c = first(t)
    d = again(t, c, attrs=" invalidate='1'", inner=want())
    assert d.failure is None and d.token is not None
    assert again(t, c).failure == 'credentials-expired'
    assert again(t, c, secret=d.token.get('token')).failure is None


def test_invalidate_needs_success(t):
    """XEP-0484 §3.6: who does not have the token cannot end it"""
    c = first(t)
    assert again(t, c, secret='wrong', attrs=" invalidate='true'").failure == 'not-authorized'
    assert again(t, c).failure is None


def test_password_change_ends_tokens(t):
    """A new password, and disabling the account, end all tokens"""
    c = first(t)
    code, out, err = t.server.cli('user', 'password', c.bare, '--password-stdin', stdin='new-password\n')
    assert code == 0, err
    c.expect_end()
    assert again(t, c).failure == 'not-authorized'
    assert tokens(t, c) == []
    c = first(t)
    assert t.server.cli('user', 'disable', c.bare)[0] == 0
    assert again(t, c).failure == 'not-authorized'
    assert t.server.cli('user', 'enable', c.bare)[0] == 0
    assert again(t, c).failure == 'not-authorized'


def test_account_made_anew(t):
    """Rights belong to an account, not to its name: the token of a deleted one is worth nothing"""
    c = first(t)
    assert t.server.cli('user', 'delete', c.bare)[0] == 0
    t.server.add_users([(c.user, c.password)])
    assert again(t, c).failure == 'not-authorized'
    d = first(t, c, agent=c.agent)
    assert again(t, d, secret=c.secret).failure == 'not-authorized'


def test_seeds_are_no_tokens(t):
    """What the database holds does not let anybody in"""
    c = first(t, mechanism=NONE)
    seed = t.server.value("select encode(t.seed, 'base64') from chancery.token t join chancery.device d on d.id = t.device "
                          "join chancery.account a on a.id = d.account where a.bare = '%s'" % c.bare)
    assert again(t, c, secret=seed, mechanism=NONE).failure == 'not-authorized'
    assert c.secret not in str(t.server.psql("select * from chancery.token"))


def test_not_in_the_log(t):
    """Tokens are never logged"""
    c = first(t)
    assert again(t, c).failure is None
    assert c.secret not in t.server.log()


def test_resumption(t):
    """XEP-0198 §11 with XEP-0484: a cut, and back with the token and the old session in one step"""
    c = first(t, inner="<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>")
    c.online()
    friend = t.online()
    c.cut()
    friend.message(c.jid, 'are you there?')
    d = again(t, c, inner="<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>" % (c.sm_in, c.sm_id) + BIND)
    assert d.failure is None and d.success.find('sm:resumed') is not None and d.jid == c.jid
    d.expect_message('are you there?')


@alone(archive__patience='1s')
def test_not_recorded(t):
    """A login that cannot be recorded changes nothing: no token is ended, counted or replaced"""
    c = first(t, mechanism=NONE)
    age(t, c)
    before = tokens(t, c)
    lock = Lock(t.server, 'archive.record')
    try:
        for attrs in (" count='5'", " invalidate='true'", ''):
            assert again(t, c, mechanism=NONE, attrs=attrs).failure == 'temporary-auth-failure', attrs
        assert tokens(t, c) == before
    finally:
        lock.release()
    t.server.wait(lambda: again(t, c, mechanism=NONE, attrs=" count='5'").failure is None, 'a login')
    assert tokens(t, c) != before


@alone(auth__token_key=os.path.abspath(__file__))
def test_key_file(t):
    """auth.token_key: tokens survive a restart with the same file, and not with another; a bad one stops the start"""
    c = first(t)
    t.server.restart()
    assert again(t, c).failure is None
    t.server.stop()
    t.server.edited = True
    config = t.server.env['CHANCERY_CONFIG']
    with open(config) as f:
        text = f.read()

    def start(key):
        with open(config, 'w') as f:
            f.write(text.replace(os.path.abspath(__file__), key))
        t.server.start()
    for bad in ('/dev/null', '/no/such/file'):
        try:
            start(bad)
        except RuntimeError:
            continue
        raise AssertionError('it started with the key ' + bad)
    start(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'run.py'))
    assert again(t, c).failure == 'not-authorized'


@alone(auth__fast='false')
def test_off(t):
    """auth.fast: off, nothing is offered and nothing given"""
    c = t.stream()
    assert c.features.find('sasl2:authentication', 'inline', 'fast:fast') is None
    agent = str(uuid.uuid4())
    assert c.sasl2(agent=agent, inner=want()) is None and c.token is None
    d = t.client(c).secure()
    assert d.fast('x' * 44, agent=agent) == 'invalid-mechanism'


@alone()
def test_restart(t):
    """Tokens outlive the server"""
    c = first(t)
    t.server.restart()
    assert again(t, c).failure is None

"""Authentication (RFC 6120 §6, RFC 5802, RFC 7677, RFC 9266, XEP-0440, XEP-0474)."""
import base64
import hashlib

from chancerytest.client import b64
from chancerytest.element import NAMES
from chancerytest.scenario import alone
from chancerytest.scram import HASHES, Scram

PLAIN_SCRAM = ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512')
PLUS = tuple(m + '-PLUS' for m in PLAIN_SCRAM)


def refused(c, condition, *args, **kw):
    got = c.auth(*args, **kw)
    assert got == condition, 'expected %s, got %s' % (condition, got)


def response(c, data):
    c.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl'], data))


def test_offer(t):
    """RFC 6120 §6.3.3, XEP-0440: every SCRAM with its -PLUS form, strongest first; PLAIN only where it is allowed"""
    c = t.stream()
    m = c.mechanisms()
    assert set(m) == set(PLAIN_SCRAM + PLUS), m
    assert m.index('SCRAM-SHA-512') < m.index('SCRAM-SHA-256') < m.index('SCRAM-SHA-1'), m
    types = {e.get('type') for e in c.features.find('cb:sasl-channel-binding').all('channel-binding')}
    assert types == {'tls-exporter', 'tls-server-end-point'}, types


def test_offer_tls12(t):
    """RFC 9266 §4.2: whatever TLS 1.2 allows, tls-server-end-point is there"""
    import ssl
    c = t.stream(high=ssl.TLSVersion.TLSv1_2)
    types = {e.get('type') for e in c.features.find('cb:sasl-channel-binding').all('channel-binding')}
    assert 'tls-server-end-point' in types, types
    assert c.auth('SCRAM-SHA-256-PLUS') is None


def test_each_mechanism(t):
    """RFC 5802 §5, RFC 7677: each mechanism logs in, and the server proves itself"""
    user = t.user()
    for m in PLAIN_SCRAM + PLUS:
        c = t.bound(user, mechanism=m)
        assert c.ping().get('type') == 'result'
        c.close()


def test_wrong_password(t):
    """RFC 6120 §6.5.10: a wrong password is not-authorized, by each mechanism"""
    for m in PLAIN_SCRAM + PLUS:
        refused(t.stream(), 'not-authorized', m, password='wrong')


def test_retry_on_the_same_stream(t):
    """RFC 6120 §6.4.5: after a failure the client may try again, with the right password"""
    c = t.stream()
    refused(c, 'not-authorized', password='wrong')
    assert c.auth() is None
    c.open().expect_features()
    assert c.bind()


def test_three_tries(t):
    """RFC 6120 §6.4.5: after three failures the stream ends"""
    c = t.stream()
    for _ in range(3):
        refused(c, 'not-authorized', password='wrong')
    assert c.expect_end() in ('policy-violation', 'not-authorized', None)
    c.expect_eof()


def test_unknown_user(t):
    """RFC 5802 §9: an account that does not exist has a salt that stays the same, and ends as a wrong password does"""
    seen = set()
    for _ in range(2):
        c = t.stream()
        refused(c, 'not-authorized', user='nobody-%s' % c.user)
        seen.add((c.scram.server_first['s'], c.scram.server_first['i']))
        c2 = t.stream()
        refused(c2, 'not-authorized', user='nobody-else-at-all')
        seen.add('other' if c2.scram.server_first['s'] != c.scram.server_first['s'] else 'same')
    assert 'same' not in seen, seen
    real = t.stream()
    assert real.auth() is None
    fake = t.stream()
    refused(fake, 'not-authorized', user='nobody')
    assert fake.scram.server_first['i'] == real.scram.server_first['i']
    assert len(base64.b64decode(fake.scram.server_first['s'])) == len(base64.b64decode(real.scram.server_first['s']))


def test_unknown_user_keeps_its_salt(t):
    """RFC 5802 §9: the same name, asked twice, gets the same salt"""
    salts = set()
    for _ in range(2):
        c = t.stream()
        refused(c, 'not-authorized', user='ghost')
        salts.add(c.scram.server_first['s'])
    assert len(salts) == 1, salts


@alone()
def test_unknown_user_after_other_iterations(t):
    """RFC 5802 §9: accounts from before auth.scram_iterations was changed do not stand out: names without one have what accounts have"""
    user = t.user()

    def asked():
        found = {}
        for first in range(0, 24, 4):
            c = t.client(user).secure()
            for name in ('nobody-%d' % n for n in range(first, first + 4)):
                c.auth_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', name, '').first())
                found[name] = dict(x.split('=', 1) for x in c.sasl_next()[1].decode().split(','))['i']
                c.send("<abort xmlns='%s'/>" % NAMES['sasl'])
                assert c.sasl_next() == ('failure', 'aborted')
        return found

    config = t.server.env['CHANCERY_CONFIG']
    with open(config, 'a') as f:
        f.write('auth:\n  scram_iterations: 20000\n')
    assert t.server.cli('config', 'reload')[0] == 0
    assert set(asked().values()) == {'10000'}
    t.server.add_users([('new%d' % n, 'pw') for n in range(int(t.server.value('select count(*) from chancery.account')))])
    assert t.server.cli('config', 'reload')[0] == 0
    found = asked()
    assert set(found.values()) == {'10000', '20000'} and asked() == found, found


def test_iterations(t):
    """RFC 7677 §4: at least 4096 iterations; here never less than 10,000"""
    c = t.stream()
    c.auth()
    assert int(c.scram.server_first['i']) >= 10000


def test_invalid_mechanism(t):
    """RFC 6120 §6.5.7: a mechanism that is not offered"""
    for m in ('DIGEST-MD5', 'ANONYMOUS', 'EXTERNAL', 'PLAIN', ''):
        c = t.stream()
        c.auth_send(m, b'\0x\0y')
        assert c.sasl_next() == ('failure', 'invalid-mechanism'), m


def test_no_initial_response(t):
    """RFC 6120 §6.4.2: without an initial response the server asks with an empty challenge"""
    c = t.stream()
    c.auth_send('SCRAM-SHA-256', None)
    assert c.sasl_next() == ('challenge', b'')
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    response(c, b64(s.first()))
    kind, what = c.sasl_next()
    assert kind == 'challenge'
    response(c, b64(s.final(what)))
    kind, what = c.sasl_next()
    assert kind == 'success'
    s.check(what)


def test_wrong_base64(t):
    """RFC 6120 §6.5.5: what is not base64 is incorrect-encoding"""
    for bad in ('bml=========', 'a b', '*', 'YQ=', 'bj1h\u00e4'):
        c = t.stream()
        c.send("<auth xmlns='%s' mechanism='SCRAM-SHA-256'>%s</auth>" % (NAMES['sasl'], bad))
        assert c.sasl_next() == ('failure', 'incorrect-encoding'), bad


def test_malformed(t):
    """RFC 6120 §6.5.8: messages that are no SCRAM are malformed-request"""
    for bad in (b'', b'n', b'n,,', b'n,,n=user', b'x,,n=u,r=abcdefghijkl', b'n,,n=u=41,r=abcdefghijkl', b'n,,m=1,n=u,r=abcdefghijkl',
                b'n,,n=u,r=' + b'a' * 9000, b'n,,n=\xff,r=abcdefghijkl', b'n,,n=u\0,r=abcdefghijkl'):
        c = t.stream()
        c.auth_send('SCRAM-SHA-256', bad)
        kind, what = c.sasl_next()
        if bad == b'':
            continue
        assert (kind, what) in (('failure', 'malformed-request'), ('failure', 'not-authorized')), (bad, kind, what)


def test_abort(t):
    """RFC 6120 §6.5.1: <abort/> is answered with aborted, and another try is possible"""
    c = t.stream()
    c.auth_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', c.user, c.password).first())
    assert c.sasl_next()[0] == 'challenge'
    c.send("<abort xmlns='%s'/>" % NAMES['sasl'])
    assert c.sasl_next() == ('failure', 'aborted')
    assert c.auth() is None


def test_response_without_auth(t):
    """RFC 6120 §6.5.8: a response to nothing is refused"""
    c = t.stream()
    response(c, b64(b'c=biws'))
    try:
        assert c.sasl_next()[0] == 'failure'
    except AssertionError:
        assert c.expect_end() is not None


def test_unknown_sasl_child(t):
    """RFC 6120 §6.4: an unknown element of the SASL namespace ends the exchange"""
    c = t.stream()
    c.send("<surprise xmlns='%s'/>" % NAMES['sasl'])
    try:
        assert c.sasl_next()[0] == 'failure'
    except AssertionError:
        assert c.expect_end() is not None


def test_foreign_authzid(t):
    """RFC 6120 §6.5.6: an authzid that is not one's own is invalid-authzid, never ignored"""
    other = t.user()[0]
    for authzid in ('%s@%s' % (other, t.server.domain), other, 'admin', '%s@elsewhere.example' % other):
        c = t.stream()
        got = c.auth('SCRAM-SHA-256', authzid=authzid)
        assert got == 'invalid-authzid', (authzid, got)


def test_own_authzid(t):
    """RFC 6120 §6.3.8: one's own bare JID as authzid is fine"""
    c = t.stream()
    assert c.auth('SCRAM-SHA-256', authzid=c.bare) is None


def test_name_in_other_spelling(t):
    """RFC 8265 §3.3: the user name is prepared before it is compared; the session has the prepared name"""
    c = t.stream()
    name = c.user
    assert c.auth(user=name.upper()) is None
    c.open().expect_features()
    assert c.bind('x') == '%s@%s/x' % (name, t.server.domain)
    wide = ''.join(chr(ord(ch) + 0xfee0) if 33 <= ord(ch) < 127 else ch for ch in name)
    assert t.client((name, c.password)).secure().auth(user=wide) is None


def test_name_with_ignorable_characters(t):
    """RFC 8264 §9.13: ignorable characters do not reach somebody's account"""
    c = t.stream()
    refused(c, 'not-authorized', user=c.user[0] + '\u00ad' + c.user[1:])


def test_plus_with_wrong_binding(t):
    """RFC 5802 §6: channel binding of another channel is not-authorized"""
    for binding in (('tls-server-end-point', hashlib.sha256(b'another certificate').digest()),
                    ('tls-server-end-point', b''), ('tls-exporter', b'\0' * 32)):
        refused(t.stream(), 'not-authorized', 'SCRAM-SHA-256-PLUS', binding=binding)


def test_plus_with_unknown_binding(t):
    """RFC 5802 §6: a binding type that the server does not know fails"""
    c = t.stream()
    assert c.auth('SCRAM-SHA-256-PLUS', binding=('tls-unique', b'\0' * 12)) in ('not-authorized', 'malformed-request')


def test_downgrade(t):
    """RFC 5802 §6: "y" (server has no -PLUS) although -PLUS is offered is an attack"""
    refused(t.stream(), 'not-authorized', 'SCRAM-SHA-256', gs2='y')


def test_binding_without_plus(t):
    """RFC 5802 §6: a binding with a mechanism that has none is refused"""
    c = t.stream()
    got = c.auth('SCRAM-SHA-256', binding=c.end_point())
    assert got in ('not-authorized', 'malformed-request'), got


def test_changed_gs2_header(t):
    """RFC 5802 §5.1: c= must repeat the header that was sent"""
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.auth_send('SCRAM-SHA-256', s.first())
    s.gs2 = 'n,a=%s,' % c.bare
    response(c, b64(s.final(c.sasl_next()[1])))
    assert c.sasl_next() == ('failure', 'not-authorized')


def test_changed_nonce(t):
    """RFC 5802 §5.1: the nonce of the last message must be the one agreed on"""
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.auth_send('SCRAM-SHA-256', s.first())
    challenge = c.sasl_next()[1]
    final = s.final(challenge).replace(s.server_first['r'].encode(), s.server_first['r'].encode()[:-1] + b'!')
    response(c, b64(final))
    kind, what = c.sasl_next()
    assert kind == 'failure' and what in ('not-authorized', 'malformed-request'), what


def test_auth_twice(t):
    """RFC 6120 §6.4.6: SASL after success is refused"""
    c = t.client().authenticated()
    c.auth_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', c.user, c.password).first())
    assert c.expect_end() is not None


def test_input_behind_success(t):
    """RFC 6120 §6.4.6: what was sent before the stream restarts is not taken as said by the user"""
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.auth_send('SCRAM-SHA-256', s.first())
    final = s.final(c.sasl_next()[1])
    c.send("<response xmlns='%s'>%s</response><iq type='set' id='early'><bind xmlns='%s'/></iq>"
           % (NAMES['sasl'], b64(final), NAMES['bind']))
    c.expect_end()
    assert not c.heard_any(lambda e: e.name == 'iq'), c.heard


def test_domain_changed_at_restart(t):
    """RFC 6120 §4.3.3: the stream behind SASL is for the same domain"""
    c = t.stream()
    assert c.auth() is None
    c.open('elsewhere.example')
    assert c.expect_end() in ('host-unknown', 'not-authorized', 'invalid-from', 'policy-violation')


@alone(auth__plain='true')
def test_plain(t):
    """RFC 4616: PLAIN where a setting allows it: right and wrong password, unknown user, authzid"""
    assert 'PLAIN' in t.stream().mechanisms()
    assert t.stream().mechanisms()[-1] == 'PLAIN'
    refused(t.stream(), None, 'PLAIN')
    refused(t.stream(), 'not-authorized', 'PLAIN', password='wrong')
    refused(t.stream(), 'not-authorized', 'PLAIN', user='nobody')
    c = t.stream()
    refused(c, None, 'PLAIN', authzid=c.bare)
    c = t.stream()
    other = '%s@%s' % (t.user()[0], t.server.domain)
    refused(c, 'invalid-authzid', 'PLAIN', authzid=other)
    for bad in (b'', b'x', b'\0x', b'\0a\0b\0c', b'\0\xff\0y', b'\0\0', b'\0a\0'):
        c = t.stream()
        c.auth_send('PLAIN', bad)
        kind, what = c.sasl_next()
        if bad == b'':
            continue
        assert (kind, what) in (('failure', 'malformed-request'), ('failure', 'not-authorized')), (bad, kind, what)


@alone()
def test_throttled_by_account(t):
    """limits.auth_failures_per_account: guessing is slowed down for the guesser, the owner elsewhere is not locked out"""
    user = t.user()
    failures = []
    for _ in range(4):
        c = t.client(user).secure()
        for _ in range(2):
            failures.append(c.auth(password='wrong'))
    assert failures[:5] == ['not-authorized'] * 5, failures
    assert failures[-1] == 'temporary-auth-failure', failures
    owner = t.client(user)
    owner.source = '127.99.99.99'
    owner.secure()
    assert owner.auth() is None
    assert t.server.metric('chancery_auth_throttled_total') > 0


def test_throttled_at_once(t):
    """limits.auth_failures_per_account: exchanges that were all begun before the first of them failed are not more guesses"""
    user = t.user()
    begun = []
    for password in ['wrong'] * 7 + [user[1]]:
        c = t.client(user).secure()
        s = Scram('SCRAM-SHA-256', user[0], password)
        c.auth_send('SCRAM-SHA-256', s.first())
        kind, what = c.sasl_next()
        assert kind == 'challenge', what
        begun.append((c, b64(s.final(what))))
    answers = []
    for c, final in begun:
        response(c, final)
        answers.append(c.sasl_next())
    assert answers == [('failure', 'not-authorized')] * 5 + [('failure', 'temporary-auth-failure')] * 3, answers


@alone(limits__auth_failures_per_address='10')
def test_throttled_by_address(t):
    """limits.auth_failures_per_address: one guess at each of many accounts is slowed down too; who has logged in from there goes on"""
    known, other = t.user(), t.user()
    assert t.client(known).secure().auth() is None
    for i in range(10):
        refused(t.stream(), 'not-authorized', user='nobody-%d' % i)
    refused(t.stream(), 'temporary-auth-failure', user='nobody-10')
    refused(t.client(other).secure(), 'temporary-auth-failure')
    assert t.client(known).secure().auth() is None
    elsewhere = t.client(other)
    elsewhere.source = '127.99.99.98'
    assert elsewhere.secure().auth() is None


@alone()
def test_disabled_account(t):
    """RFC 6120 §6.5.2: a disabled account cannot log in; its sessions end within a second; enabled again it can"""
    user = t.user()
    jid = '%s@%s' % (user[0], t.server.domain)
    c = t.online(user)
    import time
    code, out, err = t.server.cli('user', 'disable', jid)
    assert code == 0, err
    began = time.monotonic()
    assert c.expect_end() == 'not-authorized'
    assert time.monotonic() - began < 5     # the machine may be busy; nothing else would end it
    got = t.client(user).secure().auth()
    assert got in ('account-disabled', 'not-authorized'), got
    got = t.client(user).secure().auth(password='wrong')
    assert got == 'not-authorized', 'whether an account is disabled is told only to who knows the password: %s' % got
    assert t.server.cli('user', 'enable', jid)[0] == 0
    assert t.client(user).secure().auth() is None

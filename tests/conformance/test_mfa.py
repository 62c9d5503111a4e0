"""The second factor (RFC 6238): asked for by a task of SASL2 (XEP-0388 §2.5), and what there is for clients that cannot."""
import base64
import hmac
import json
import struct
import time
import urllib.parse
import uuid

from chancerytest.command import Step, command, run, submit
from chancerytest.element import NAMES
from chancerytest.scenario import alone

MAKE, PASSWORD = 'urn:chancery:second-factor#make', 'urn:chancery:device-password#make'
BIND = "<bind xmlns='urn:xmpp:bind:0'/>"
TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"


def code(secret, later=0):
    """By an implementation of our own; of the step that is so much later. Good are the last one, this one and the next."""
    digest = hmac.digest(secret, struct.pack('>Q', int(time.time()) // 30 + later), 'sha1')
    at = digest[-1] & 15
    return '%06d' % ((struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000)


def wrong(secret):
    good = {code(secret, i) for i in range(-3, 4)}
    return [c for c in ('123456', '654321', '111111', '222222', '333333', '444444', '555555', '666666') if c not in good][0]


def secret_of(uri, c):
    u = urllib.parse.urlsplit(uri)
    q = urllib.parse.parse_qs(u.query)
    assert u.scheme == 'otpauth' and u.netloc == 'totp' and q['issuer'] == [c.server.domain], uri
    assert urllib.parse.unquote(u.path) == '/%s:%s' % (c.server.domain, c.bare), uri
    secret = base64.b32decode(q['secret'][0])
    assert len(secret) == 20
    return secret


def by_administrator(t, c):
    code_, out, err = t.server.cli('--json', 'mfa', 'make', c.bare)
    assert code_ == 0, err
    return secret_of(json.loads(out)['uri'], c)


def again(t, c):
    """As if no code had been used yet: a step is 30 seconds, which nobody shall wait for."""
    t.server.psql("update chancery.second_factor f set step = 0 from chancery.account a where a.id = f.account and a.bare = '%s'" % c.bare)


def login(t, c, password=None, **kw):
    """(client, failure) of SASL2."""
    x = t.client(c).secure()
    return x, x.sasl2(password=password, inner=kw.pop('inner', BIND), **kw)


def account(t):
    """A client that is not connected, of an account with a second factor; and its secret."""
    c = t.client()
    return c, by_administrator(t, c)


def test_enrol(t):
    """By its owner: an address for the authenticator, asked for its code; then other sessions and tokens end, and logins need one"""
    a = t.online()
    agent = str(uuid.uuid4()), 'Gajim', 'laptop'
    b, failure = login(t, a, agent=agent, inner=BIND + TOKEN)
    assert failure is None and b.token is not None
    s = Step(command(a, a.bare, MAKE))
    secret = secret_of(s.fields()['uri'][0], a)
    assert login(t, a)[1] is None       # not asked for yet
    assert command(a, a.bare, MAKE, s.id, inner=submit({})).condition() == 'bad-request'
    for bad in (wrong(secret), ''):
        s = Step(command(a, a.bare, MAKE, s.id, inner=submit({'code': bad})))
        assert s.status == 'executing' and 'uri' not in s.fields(), s.e
    s = Step(command(a, a.bare, MAKE, s.id, inner=submit({'code': code(secret)})))
    assert s.status == 'completed' and s.notes[0][0] == 'info', s.e
    assert b.expect_end() == 'not-authorized'
    assert a.ping().get('type') == 'result'
    c = t.client(a).secure()
    assert c.fast(b.token.get('token'), agent=agent, inner=BIND) == 'not-authorized'
    assert login(t, a)[1] == 'continue'
    assert login(t, a, code=code(secret))[1] == 'not-authorized'       # used already
    assert login(t, a, code=code(secret, 1))[1] is None
    s = run(a, a.bare, MAKE)            # no other in its place
    assert s.form is None and s.notes[0][0] == 'error', s.e


def test_login(t):
    """XEP-0388 §2.5: <continue/> with the mechanism's last word, then success; the login's record says so. A token stands for both"""
    c, secret = account(t)
    agent = str(uuid.uuid4()), 'Gajim', 'laptop'
    x, failure = login(t, c, agent=agent, inner=BIND + TOKEN, code=code(secret))
    assert failure is None and x.asked.text('additional-data') and x.success.find('additional-data') is None
    assert x.bound2 is not None and x.ping().get('type') == 'result'
    y = t.client(c).secure()
    assert y.fast(x.token.get('token'), agent=agent, inner=BIND) is None
    rows = [r[0] for r in t.server.psql("select stanza from archive.record where kind = 24 and body like '%%: login %%' and stanza like '%%%s%%'" % c.bare)]
    assert sum('second_factor' in r for r in rows) == 1 and len(rows) == 2, rows
    assert t.server.cli('mfa', 'reset', c.bare)[0] == 0
    assert y.expect_end() == 'not-authorized'
    assert login(t, c)[1] is None


def test_each_mechanism(t):
    """Whatever the mechanism, it is asked for"""
    c, secret = account(t)
    for m in ('SCRAM-SHA-1', 'SCRAM-SHA-512', 'SCRAM-SHA-256-PLUS'):
        again(t, c)
        assert login(t, c, mechanism=m)[1] == 'continue'
        x, failure = login(t, c, mechanism=m, code=code(secret))
        assert failure is None and x.ping().get('type') == 'result', (m, failure)


@alone(auth__plain='true')
def test_plain(t):
    """PLAIN likewise, and in classic SASL refused with the right password only with words"""
    c, secret = account(t)
    assert login(t, c, mechanism='PLAIN')[1] == 'continue'
    assert login(t, c, mechanism='PLAIN', code=code(secret))[1] is None
    for password, text in ((c.password, True), ('wrong', False)):
        x = t.client(c).secure()
        assert x.auth('PLAIN', password=password) == 'not-authorized'
        assert (x.refusal.find('sasl:text') is not None) == text, x.refusal


def test_classic(t):
    """A client without tasks: the account's password is refused with words that help, a wrong one without; a device's lets it in"""
    c, secret = account(t)
    x, failure = login(t, c, code=code(secret), inner=BIND)
    f = run(x, x.bare, PASSWORD, {'name': 'old client'}).fields()
    for m in ('SCRAM-SHA-1', 'SCRAM-SHA-256-PLUS'):
        y = t.client(c).secure()
        assert y.auth(m) == 'not-authorized' and 'device password' in y.refusal.text('sasl:text'), y.refusal
        assert y.auth(m, password='wrong') == 'not-authorized' and y.refusal.find('sasl:text') is None, y.refusal
    y = t.client(c).secure()
    assert y.auth(password=f['password'][0]) is None
    y.open().expect_features()
    assert y.bind()
    assert login(t, c, password=f['password'][0])[1] is None
    s = run(y, y.bare, MAKE)            # not by a device's
    assert s.form is None and s.notes[0][0] == 'error', s.e


def test_replay(t):
    """RFC 6238 §5.2: a code is good once, and none before it any more"""
    c, secret = account(t)
    later = code(secret, 1)
    now = code(secret)
    assert login(t, c, code=later)[1] is None
    assert login(t, c, code=later)[1] == 'not-authorized'
    assert login(t, c, code=now)[1] == 'not-authorized'


def test_race(t):
    """Of two logins with the same code one gets in"""
    c, secret = account(t)
    pair = [t.client(c).secure() for i in range(2)]
    for x in pair:
        assert x.sasl2(inner=BIND) == 'continue'
    now = code(secret, 1)
    for x in pair:
        x.next_send(now)
    ends = [x._sasl2_end(x.sasl2_next()) for x in pair]
    assert sorted(map(str, ends)) == ['None', 'not-authorized'], ends


def test_of_another(t):
    """Not by another account's code; not by one for a secret that was replaced; not while the account is disabled"""
    c, secret = account(t)
    d, other = account(t)
    assert login(t, c, code=code(other))[1] == 'not-authorized'
    new = by_administrator(t, c)
    assert login(t, c, code=code(secret))[1] == 'not-authorized'
    x = t.client(c).secure()
    assert x.sasl2(inner=BIND) == 'continue'
    assert t.server.cli('user', 'disable', c.bare)[0] == 0
    try:
        x.next_send(code(new))
        assert x._sasl2_end(x.sasl2_next()) is not None
    except AssertionError:
        x.expect_end()
    assert t.server.cli('user', 'enable', c.bare)[0] == 0
    again(t, c)
    assert login(t, c, code=code(new))[1] is None


def test_brute_force(t):
    """So many wrong codes, from wherever: then no code is good, for the rest of the hour; a wrong password still learns nothing"""
    c, secret = account(t)
    t.server.psql("update chancery.second_factor f set wrong = 9, wrong_at = now() from chancery.account a where a.id = f.account and a.bare = '%s'" % c.bare)
    assert login(t, c, code=wrong(secret))[1] == 'not-authorized'
    assert login(t, c, code=code(secret))[1] == 'temporary-auth-failure'
    assert login(t, c, password='wrong')[1] == 'not-authorized'
    t.server.psql("update chancery.second_factor f set wrong_at = now() - interval '61 minutes' from chancery.account a where a.id = f.account and a.bare = '%s'" % c.bare)
    assert login(t, c, code=code(secret))[1] is None
    for i in range(2):
        assert login(t, c, code=wrong(secret))[1] == 'not-authorized'
    # Counted with wrong passwords: from here the account cannot even be tried any more.
    assert login(t, c, password='wrong')[1] == 'not-authorized'
    assert login(t, c, code=code(secret, 1))[1] == 'temporary-auth-failure'


def test_bad_input(t):
    """What is no code, no task, or out of order, is refused; the stream goes on, or ends"""
    c, secret = account(t)
    x = t.client(c).secure()
    assert x.sasl2(inner=BIND) == 'continue'
    x.next_send(code(secret), task='HOTP')
    assert x._sasl2_end(x.sasl2_next()) == 'malformed-request'
    assert x.sasl2(inner=BIND) == 'continue'
    x.send("<abort xmlns='%s'/>" % NAMES['sasl2'])
    assert x._sasl2_end(x.sasl2_next()) == 'aborted'
    for bad in ('', '12345', '1234567', '٣٣٣٣٣٣'):
        x = t.client(c).secure()
        assert x.sasl2(inner=BIND, code=bad) == 'not-authorized', bad
    t.client(c).secure().send("<next xmlns='%s' task='TOTP'/>" % NAMES['sasl2']).expect_end()
    for late in ("<response xmlns='%s'/>" % NAMES['sasl2'], "<response xmlns='%s'/>" % NAMES['sasl'], "<iq type='get' id='x'/>"):
        x = t.client(c).secure()
        assert x.sasl2(inner=BIND) == 'continue'
        x.send(late).expect_end()


def test_key(t):
    """A new key for what is sealed: codes of before are good"""
    c, secret = account(t)
    code_, out, err = t.server.cli('--json', 'gateway', 'rotate-key')
    assert code_ == 0, err
    assert login(t, c, code=code(secret))[1] is None
    assert t.server.psql("select count(distinct key_id) from chancery.second_factor") == [['1']]


def test_administrator(t):
    """Made, shown and taken away by an administrator: audited, with no secret in what is recorded"""
    c = t.client()
    show = lambda: json.loads(t.server.cli('--json', 'mfa', 'show', c.bare)[1])
    assert not show()['second_factor'] and show()['since'] is None
    secret = by_administrator(t, c)
    assert show()['second_factor'] and show()['since']
    code_, out, err = t.server.cli('mfa', 'make', c.bare)
    assert code_ == 0 and '█' in out and 'otpauth://' in out, (out, err)
    assert t.server.cli('mfa', 'reset', c.bare)[0] == 0
    assert t.server.cli('mfa', 'reset', c.bare)[0] == 1
    for verb in ('make', 'show', 'reset'):
        assert t.server.cli('mfa', verb, 'nobody@' + t.server.domain)[0] == 1
    rows = [r[0] for r in t.server.psql("select stanza from archive.record where kind = 24 and body like '%%: mfa.%%' and stanza like '%%%s%%' order by id" % c.bare)]
    assert [('mfa.make' in r, 'mfa.reset' in r) for r in rows] == [(True, False), (True, False), (False, True)], rows
    assert base64.b32encode(secret).decode() not in ''.join(rows)


@alone(auth__require_second_factor='true')
def test_required(t):
    """auth.require_second_factor: the password of an account without one is not enough, in either profile; with one it is, as are devices' passwords"""
    c = t.client()
    x = t.client(c).secure()
    assert x.auth() == 'not-authorized' and 'administrator' in x.refusal.text('sasl:text')
    assert login(t, c)[1] == 'not-authorized'
    code_, out, err = t.server.cli('--json', 'device', 'password', c.bare, 'phone')
    assert login(t, c, password=json.loads(out)['password'])[1] is None
    assert login(t, c, code=code(by_administrator(t, c)))[1] is None

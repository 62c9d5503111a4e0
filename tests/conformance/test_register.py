"""In-Band Registration (XEP-0077): passwords, the end of an account, and registering one."""
from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.scenario import alone

NS = 'jabber:iq:register'


def change(c, password, username=None, to=None):
    fields = '<username>%s</username>' % escape(c.user if username is None else username)
    if password is not None:
        fields += '<password>%s</password>' % escape(password)
    return c.iq('set', "<query xmlns='%s'>%s</query>" % (NS, fields), to=to)


def ok(answer):
    assert answer.get('type') == 'result' and not answer.all(), answer


def login(t, c, password):
    """The condition with which it fails; None."""
    s = t.client((c.user, password)).secure()
    return s.auth()


def test_support(t):
    """XEP-0077 §10: the server says that passwords can be changed"""
    a = t.bound()
    r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=t.server.domain)
    assert NS in {f.get('var') for f in r.find('info:query').all('feature')}
    assert a.features.find('http://jabber.org/features/iq-register:register') is None


def test_on_file(t):
    """XEP-0077 §3.1: who is registered learns that, and their name, from the server and from their account"""
    a = t.bound()
    for to in (None, t.server.domain, a.bare):
        q = a.iq('get', "<query xmlns='%s'/>" % NS, to=to).find(NS + ':query')
        assert q.find('registered') is not None and q.text('username') == a.user, q
        assert not q.text('password'), q


def test_change_password(t):
    """XEP-0077 §3.3: the new password works, the old one does not, and the session that changed it stays"""
    a = t.bound()
    ok(change(a, 'groundlings-1599', to=t.server.domain))
    assert a.ping().get('type') == 'result'
    assert login(t, a, a.password) == 'not-authorized'
    for mechanism in ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        t.bound((a.user, 'groundlings-1599'), mechanism=mechanism)


def test_change_without_to(t):
    """XEP-0077 §3.3: the same without an address, and with one's own; the name in whatever case, or as an address"""
    a = t.bound()
    ok(change(a, 'first-password', a.user.upper()))
    ok(change(a, 'second-password', a.bare, to=a.bare))
    assert login(t, a, 'second-password') is None


def test_change_by_form(t):
    """XEP-0077 §4: a form in place of the fields"""
    a = t.bound()
    ok(a.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            "<value>jabber:iq:register:changepassword</value></field><field var='username'><value>%s</value></field>"
            "<field var='password'><value>by the form</value></field></x></query>" % (NS, a.bare), to=t.server.domain))
    assert login(t, a, 'by the form') is None


def test_other_sessions_end(t):
    """P4: who has the old password has nothing: other sessions end, also those that wait to be resumed"""
    a = t.bound()
    b, c = t.online(a), t.bound(a, sm=True)
    c.cut()
    half = t.client(a).authenticated()
    ok(change(a, 'one for all'))
    assert b.expect_end() == 'not-authorized'
    assert half.expect_end() == 'not-authorized'
    assert a.ping().get('type') == 'result'
    d = t.client((a.user, 'one for all')).authenticated()
    assert d.resume(c).name == 'failed'
    assert d.bind()


def test_bad_changes(t):
    """XEP-0077 §3.3: what is incomplete, or a bad password, is refused, and the old one stays"""
    a, b = t.bound(), t.bound()
    def bad(inner, condition):
        r = a.iq('set', "<query xmlns='%s'>%s</query>" % (NS, inner), to=t.server.domain)
        assert r.condition() == condition, (inner, r)
        assert r.find('register:query') is None
    bad('', 'bad-request')
    bad('<username>%s</username>' % a.user, 'bad-request')
    bad('<username>%s</username><password/>' % a.user, 'bad-request')
    bad('<password>long-enough</password>', 'bad-request')
    bad('<username>%s</username><password>short</password>' % a.user, 'not-acceptable')
    bad('<username>%s</username><password>bell&#x7f;in a password</password>' % a.user, 'not-acceptable')
    bad('<username>%s</username><password>%s</password>' % (a.user, 'x' * 5000), 'not-acceptable')
    bad('<username>%s</username><password>long-enough</password>' % b.user, 'not-allowed')
    bad('<username>%s@elsewhere.example</username><password>long-enough</password>' % a.user, 'not-allowed')
    bad("<x xmlns='jabber:x:data' type='form'/>", 'bad-request')
    assert login(t, a, a.password) is None and login(t, b, b.password) is None


def test_someone_elses(t):
    """XEP-0077 §3: nobody asks about, changes or removes another's account, or learns whether there is one"""
    a, b = t.bound(), t.bound()
    for to in (b.bare, 'nobody-%s@%s' % (unique(), t.server.domain)):
        for r in (change(a, 'long-enough', to=to), change(a, 'long-enough', b.user, to=to),
                  a.iq('get', "<query xmlns='%s'/>" % NS, to=to),
                  a.iq('set', "<query xmlns='%s'><remove/></query>" % NS, to=to)):
            assert r.condition() == 'service-unavailable', r
    assert login(t, b, b.password) is None


def test_remove_off(t):
    """XEP-0077 §3.2: users do not remove accounts unless the setting says so"""
    a = t.bound()
    r = a.iq('set', "<query xmlns='%s'><remove/></query>" % NS)
    assert r.condition() == 'not-allowed', r
    assert login(t, a, a.password) is None


@alone(limits__password_changes='2', register__password_length='12')
def test_limits(t):
    """P7: a password has a length, and is not changed all the time"""
    a = t.bound()
    assert change(a, 'eleven char').condition() == 'not-acceptable'
    ok(change(a, 'twelve chars'))
    ok(change(a, '\u00e4\u00f6\u00fc twelve ch'))
    refused = t.server.metric('chancery_rate_refused_total')
    e = change(a, 'twelve chars again')
    assert e.condition() == 'resource-constraint' and e.find('error').get('type') == 'wait', e
    assert t.server.metric('chancery_rate_refused_total') == refused + 1
    assert login(t, a, '\u00e4\u00f6\u00fc twelve ch') is None


@alone(register__password='false')
def test_change_off(t):
    """XEP-0077 §3.3: passwords are not changed where the setting says so"""
    a = t.bound()
    assert change(a, 'long-enough').condition() == 'not-allowed'
    assert login(t, a, a.password) is None


@alone(register__remove='true')
def test_remove(t):
    """XEP-0077 §3.2: the account is gone, its sessions end with not-authorized, contacts do not wait for it, the record stays"""
    a, b = t.friends()
    a2 = t.online(a)
    a.message(b.bare, 'remember me')
    b.expect_message('remember me')
    r = a.iq('set', "<query xmlns='%s'><remove/><username>x</username></query>" % NS)
    assert r.condition() == 'bad-request', r
    ok(a.iq('set', "<query xmlns='%s'><remove/></query>" % NS))
    assert a.expect_end() == 'not-authorized' and a2.expect_end() == 'not-authorized'
    b.expect_presence('unsubscribe', a.bare)
    b.expect_presence('unsubscribed', a.bare)
    assert login(t, a, a.password) == 'not-authorized'
    b.message(a.bare, 'are you there', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    assert t.server.value("select count(*) from chancery.account where bare = '%s'" % a.bare) == '0'
    assert len(t.server.records("from_bare = '%s' and body = 'remember me'" % a.bare)) == 1


def register(c, name, password):
    return c.iq('set', "<query xmlns='%s'><username>%s</username><password>%s</password></query>"
                % (NS, escape(name), escape(password)))


def test_closed(t):
    """XEP-0077 §3.1.1: without the setting nobody registers: no feature, and an IQ ends the stream"""
    c = t.stream()
    assert c.features.find('http://jabber.org/features/iq-register:register') is None
    c.iq_send('get', "<query xmlns='%s'/>" % NS)
    assert c.expect_end() == 'not-authorized'


@alone(register__open='true', limits__registrations_per_address='1000')
def test_register(t):
    """XEP-0077 §3.1.1: a stranger asks for the fields, registers, authenticates on the same stream"""
    c = t.client(('Bill', 'Calliope-1599')).secure()
    assert c.features.find('http://jabber.org/features/iq-register:register') is not None
    q = c.iq('get', "<query xmlns='%s'/>" % NS).find(NS + ':query')
    assert q.find('username') is not None and q.find('password') is not None and q.find('registered') is None, q
    ok(register(c, 'Bill', 'Calliope-1599'))
    assert register(c, 'second', 'Calliope-1599').condition() == 'not-acceptable'
    assert c.auth() is None
    c.open().expect_features()
    assert c.features.find('http://jabber.org/features/iq-register:register') is None
    assert c.bind().startswith('bill@%s/' % t.server.domain)
    a = t.online()
    c.online()
    a.message('bill@' + t.server.domain, 'welcome')
    c.expect_message('welcome')
    assert t.server.metric('chancery_registered_total') == 1


@alone(register__open='true', limits__registrations_per_address='1000')
def test_register_errors(t):
    """XEP-0077 §3.1: a name that is taken, fields that are missing, bad passwords; and nothing else before authentication"""
    taken = t.user()
    c = t.stream()
    assert register(c, taken[0].upper(), 'long-enough').condition() == 'conflict'
    for name, password in (('', 'long-enough'), ('bill', ''), ('bill', 'short'), ('a@b', 'long-enough'), ('bill', 'x' * 3000),
                           ('x' * 1100, 'long-enough')):
        assert register(c, name, password).condition() == 'not-acceptable', (name, password)
    assert c.iq('set', "<query xmlns='%s'/>" % NS).condition() == 'not-acceptable'
    assert c.iq('set', "<query xmlns='%s'><remove/></query>" % NS).condition() == 'unexpected-request'
    assert t.client(taken).secure().auth() is None
    assert t.server.value("select count(*) from chancery.account where bare like 'bill%'") == '0'
    c.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>")
    assert c.expect_end() == 'not-authorized'


@alone(register__open='true', limits__registrations_per_address='3')
def test_register_rate(t):
    """P7: from one address come so many attempts a minute"""
    c = t.stream()
    for i in range(3):
        ok(register(t.stream(), 'r%d' % i, 'long-enough'))
    e = register(c, 'r4', 'long-enough')
    assert e.condition() == 'resource-constraint' and e.find('error').get('type') == 'wait', e
    assert t.server.metric('chancery_rate_refused_total') == 1

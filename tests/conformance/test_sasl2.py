"""Authentication and binding in one step (XEP-0388, XEP-0386, XEP-0198 §11)."""
import base64
import json
import uuid

from chancerytest.client import b64
from chancerytest.element import NAMES
from chancerytest.scenario import alone

BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag></bind>"
BIND_SM = ("<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag>"
           "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>")


def device():
    return str(uuid.uuid4()), 'AwesomeXMPP', "Kiva's Phone"


def login(t, user=None, agent=None, inner=BIND, **kw):
    c = t.client(user).secure()
    failure = c.sasl2(agent=agent, inner=inner, **kw)
    assert failure is None, failure
    return c


def resume_of(old, h=None, previd=None):
    return "<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>" % (old.sm_in if h is None else h, previd or old.sm_id)


def test_offer(t):
    """XEP-0388 §2.1, XEP-0386 §3.1: SASL2 beside classic SASL, with what can be had inline"""
    c = t.stream()
    a = c.features.find('sasl2:authentication')
    assert [m.text() for m in a.all('mechanism')] == c.mechanisms()
    inline = a.find('inline')
    assert inline.find('sm:sm') is not None
    features = [f.get('var') for f in inline.find('bind2:bind').find('inline').all('feature')]
    assert 'urn:xmpp:sm:3' in features, features
    assert {m.text() for m in inline.find('fast:fast').all('mechanism')} == {
        'HT-SHA-256-EXPR', 'HT-SHA-256-ENDP', 'HT-SHA-256-NONE'}


def test_not_in_the_clear(t):
    """XEP-0388 §3: never before TLS"""
    c = t.client().connect()
    c.open().expect_features()
    assert c.features.find('sasl2:authentication') is None
    c.authenticate_send('SCRAM-SHA-256', b'n,,n=a,r=abcdefghijkl')
    c.expect_end()


def test_each_mechanism(t):
    """XEP-0388 §2.6.1: every mechanism with a password; the bare JID, then features, no new stream"""
    user = t.user()
    for m in ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS',
              'SCRAM-SHA-512-PLUS'):
        c = login(t, user, inner='', mechanism=m)
        assert c.authorized == c.bare, c.success
        assert c.features.find('bind:bind') is not None
        assert c.bind()
        assert c.ping().get('type') == 'result'
        c.close()


@alone(auth__plain='true')
def test_plain(t):
    """XEP-0388 §5.1: PLAIN in one step, where it is allowed"""
    c = login(t, mechanism='PLAIN')
    assert c.success.find('additional-data') is None
    assert c.ping().get('type') == 'result'
    c = t.stream()
    assert c.sasl2('PLAIN', password='wrong') == 'not-authorized'


def test_wrong_password(t):
    """XEP-0388 §2.6.2: a failure has RFC 6120's condition, and processes nothing that was asked for inline"""
    c = t.stream()
    assert c.sasl2(password='wrong', agent=device(), inner=BIND_SM) == 'not-authorized'
    assert c.sasl2(user='nobody', inner=BIND) == 'not-authorized'
    assert c.sasl2(inner=BIND) is None      # the stream is as it was
    assert c.ping().get('type') == 'result'


def test_tries(t):
    """RFC 6120 §6.4.5: both profiles count together"""
    c = t.stream()
    assert c.sasl2(password='wrong') == 'not-authorized'
    assert c.auth(password='wrong') == 'not-authorized'
    assert c.sasl2(password='wrong') == 'not-authorized'
    assert c.expect_end() == 'policy-violation'


def test_no_initial_response(t):
    """XEP-0388 §2.2: without <initial-response/> the mechanism begins with an empty challenge"""
    from chancerytest.scram import Scram
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.authenticate_send('SCRAM-SHA-256', None, inner=BIND)
    assert c.sasl2_next().name == 'challenge'
    c.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl2'], b64(s.first())))
    final = s.final(base64.b64decode(c.sasl2_next().text()))
    c.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl2'], b64(final)))
    s.check(base64.b64decode(c.sasl2_next().text('additional-data')))


def test_malformed(t):
    """XEP-0388 §2.3: what is not offered, not base64, empty, not a UUID"""
    for kw, condition in (
            (dict(mechanism='DIGEST-MD5'), 'invalid-mechanism'), (dict(mechanism='PLAIN'), 'invalid-mechanism'),
            (dict(mechanism=''), 'invalid-mechanism'),
            (dict(mechanism='HT-SHA-256-NONE'), 'malformed-request'),
            (dict(initial=b''), 'malformed-request'),
            (dict(agent='romeo'), 'malformed-request'), (dict(agent=''), 'malformed-request'),
            (dict(agent='d4565fa7-4d72-4749-b3d3-740edbf8777g'), 'malformed-request'),
            (dict(agent='d4565fa74d724749b3d3740edbf87770'), 'malformed-request')):
        c = t.stream()
        c.authenticate_send(**{'mechanism': 'SCRAM-SHA-256', 'initial': b'n,,n=a,r=abcdefghijkl', **kw})
        e = c.sasl2_next()
        assert e.name == 'failure' and e.all(None, 'sasl')[0].name == condition, (kw, e)
        c.close()
    c = t.stream()
    c.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>*</initial-response>"
           "</authenticate>")
    assert c.sasl2_next().all(None, 'sasl')[0].name == 'incorrect-encoding'


def test_unknown_inline(t):
    """XEP-0388 §2.3: elements that nobody knows are ignored; so are long names of the device, which are cut"""
    c = login(t, agent=(str(uuid.uuid4()), 'x' * 3000, '\u00e9' * 1000),
              inner=BIND + "<megabind xmlns='urn:example:megabind'><resource>this-one-please</resource></megabind>")
    row = t.server.psql("select octet_length(software), octet_length(d.device) from chancery.device d "
                        "join chancery.account a on a.id = d.account where a.bare = '%s'" % c.bare)
    assert row == [['128', '128']], row


def test_oversized(t):
    """limits.stanza_bytes_unauthenticated: too much inline ends the stream"""
    c = t.stream()
    c.authenticate_send('SCRAM-SHA-256', b'n,,n=a,r=abcdefghijkl', inner='<bind xmlns="urn:xmpp:bind:0">%s</bind>'
                        % ('<tag>x</tag>' * 4000))
    assert c.expect_end() == 'policy-violation'


def test_abort(t):
    """XEP-0388 §4.5: the client aborts; it may try again"""
    from chancerytest.scram import Scram
    c = t.stream()
    c.authenticate_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', c.user, c.password).first())
    assert c.sasl2_next().name == 'challenge'
    c.send("<abort xmlns='urn:xmpp:sasl:2'><text>never mind</text></abort>")
    assert c.sasl2_next().all(None, 'sasl')[0].name == 'aborted'
    assert c.sasl2() is None


def test_profiles_do_not_mix(t):
    """XEP-0388 §2.4: during authentication anything else ends the stream; a classic answer, a stanza, data ahead"""
    from chancerytest.scram import Scram
    for other in ("<response xmlns='%s'>biws</response>" % NAMES['sasl'], "<abort xmlns='%s'/>" % NAMES['sasl'],
                  '<presence/>', "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'/>",
                  "<next xmlns='urn:xmpp:sasl:2' task='HOTP-EXAMPLE'/>"):
        c = t.stream()
        c.authenticate_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', c.user, c.password).first())
        assert c.sasl2_next().name == 'challenge'
        c.send(other)
        assert c.expect_end() == 'not-authorized', other
        c.close()


def test_data_ahead(t):
    """XEP-0388 §2.4: what comes in one piece with the last response is neither lost nor taken: the stream ends"""
    from chancerytest.scram import Scram
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.authenticate_send('SCRAM-SHA-256', s.first(), inner=BIND)
    final = s.final(base64.b64decode(c.sasl2_next().text()))
    c.send("<response xmlns='%s'>%s</response><presence/>" % (NAMES['sasl2'], b64(final)))
    assert c.expect_end() == 'policy-violation'
    assert not c.heard_any(lambda e: e.name == 'success')


def test_white_space_behind(t):
    """White space behind an element, in one piece with it, says nothing"""
    from chancerytest.scram import Scram
    c = t.stream()
    send = c.send
    c.send = lambda text: send(text + '\n')
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.authenticate_send('SCRAM-SHA-256', s.first(), inner=BIND)
    final = s.final(base64.b64decode(c.sasl2_next().text()))
    c.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl2'], b64(final)))
    assert c.sasl2_next().name == 'success'


def test_white_space_between(t):
    """XEP-0388 §2.4: white space while the server waits for a response ends the stream; an element may come in pieces"""
    from chancerytest.scram import Scram
    for space in (' ', '\n'):
        c = t.stream()
        c.authenticate_send('SCRAM-SHA-256', Scram('SCRAM-SHA-256', c.user, c.password).first())
        assert c.sasl2_next().name == 'challenge'
        c.send(space)
        assert c.expect_end() == 'policy-violation'
        c.expect_eof()
    c = t.stream()
    s = Scram('SCRAM-SHA-256', c.user, c.password)
    c.authenticate_send('SCRAM-SHA-256', s.first())
    final = s.final(base64.b64decode(c.sasl2_next().text()))
    c.send('<response')
    c.send(" xmlns='%s'>%s</response>" % (NAMES['sasl2'], b64(final)))
    assert c.sasl2_next().name == 'success'


def test_authenticate_twice(t):
    """XEP-0388 §4.8: after <success/>, of either profile, <authenticate/> is a stream error"""
    c = login(t, inner='')
    c.authenticate_send('SCRAM-SHA-256', b'n,,n=a,r=abcdefghijkl')
    assert c.expect_end() == 'not-authorized'
    c = t.client().authenticated()
    c.authenticate_send('SCRAM-SHA-256', b'n,,n=a,r=abcdefghijkl')
    assert c.expect_end() == 'not-authorized'
    c = login(t)
    c.authenticate_send('SCRAM-SHA-256', b'n,,n=a,r=abcdefghijkl')
    assert c.expect_end() == 'unsupported-stanza-type'


def header(c, from_):
    return ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='%s' from='%s' "
            "xmlns:stream='http://etherx.jabber.org/streams'>" % (c.domain, from_))


def claiming(t, from_):
    c = t.client().connect()
    c.open().expect_features()
    c.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    c.expect('proceed')
    c.start_tls()
    c.open(header=header(c, from_(c)))
    return c


def test_from(t):
    """XEP-0388 §2.1, §2.3: who the stream says it is is who authenticates, in the domain it talks to"""
    c = claiming(t, lambda c: c.bare.upper().replace(c.domain.upper(), c.domain))
    c.expect_features()
    assert c.sasl2(inner=BIND) is None
    c = claiming(t, lambda c: 'somebody@' + c.domain)
    c.expect_features()
    assert c.sasl2(inner=BIND) == 'invalid-authzid'
    for wrong in ('romeo@example.net', 'not a@@jid'):
        c = claiming(t, lambda c: wrong)
        assert c.expect_end() == 'invalid-from', wrong


def test_authzid(t):
    """XEP-0388 §4.4: an authorization identity of somebody else fails; one's own does not"""
    other = t.client()
    c = t.stream()
    assert c.sasl2(authzid=other.bare, inner=BIND) == 'invalid-authzid'
    assert c.sasl2(authzid=c.bare, inner=BIND) is None
    assert c.jid.startswith(c.bare + '/')


def test_bind(t):
    """XEP-0386 §3.2: a resource made of the tag, the full JID in <success/>, a session that works"""
    c = login(t, agent=device())
    assert c.bound2 is not None
    assert c.authorized.startswith('%s/AwesomeXMPP/' % c.bare), c.authorized
    assert c.features.find('bind:bind') is None
    c.online()
    d = t.online()
    d.message(c.jid, 'hello')
    c.expect_message('hello')


def test_bind_without_tag(t):
    """XEP-0386 §3.2.1: no tag, or one that cannot be in a resource: the server's part alone"""
    c = login(t, inner="<bind xmlns='urn:xmpp:bind:0'/>")
    assert '/' not in c.authorized.split('/', 1)[1] and len(c.authorized.split('/', 1)[1]) >= 8
    c = login(t, inner="<bind xmlns='urn:xmpp:bind:0'><tag>%s</tag></bind>" % ('x' * 1023))
    assert len(c.authorized) < 200


def test_resource_is_stable(t):
    """XEP-0386 §3.2.1: the same client and tag come back under their address; others do not; the id is not in it"""
    user, agent = t.user(), device()
    a = login(t, user, agent)
    b = login(t, user, agent)
    assert a.authorized == b.authorized
    assert agent[0][:8] not in a.authorized and agent[0].replace('-', '')[:8] not in a.authorized
    assert a.expect_end() == 'conflict'
    c = login(t, user, device())
    d = login(t, user, agent, inner=BIND.replace('Awesome', 'Other'))
    e = login(t, t.user(), agent)
    assert len({x.authorized for x in (b, c, d, e)}) == 4
    assert e.authorized.split('/', 1)[1] != b.authorized.split('/', 1)[1]
    assert login(t, user).authorized != login(t, user).authorized


def test_earlier_session_ends(t):
    """XEP-0386 §3.2: an earlier session of the same client ends, whatever its resource; those of others stay"""
    user, agent = t.user(), device()
    a = login(t, user, agent)
    other = t.bound(user)
    b = login(t, user, agent, inner=BIND.replace('Awesome', 'Other'))
    assert a.expect_end() == 'conflict'
    assert other.ping().get('type') == 'result' and b.ping().get('type') == 'result'


def test_stream_management(t):
    """XEP-0198 §11.1: enabled with the binding; counted from there; resumed by <resume/> in <authenticate/>"""
    user = t.user()
    a = login(t, user, device(), inner=BIND_SM)
    assert a.sm_id
    a.online()
    a.acked()
    friend = t.online()
    friend.sync(a)
    a.cut()
    friend.message(a.jid, 'while you were out')
    b = t.client(user).secure()
    b.sm_in, b.sm_sent, b.sm_on = a.sm_in, a.sm_sent, True
    assert b.sasl2(inner=resume_of(a) + BIND_SM) is None
    assert b.success.find('sm:resumed').get('previd') == a.sm_id
    assert b.bound2 is None, 'bound, too'
    assert b.authorized == a.jid
    b.expect_message('while you were out')
    b.ping()
    assert not b.heard_any(lambda e: e.name == 'features'), 'features after a resumption'


def test_resumption_fails(t):
    """XEP-0198 §11.2.1: <failed/>, and the client is bound all the same; without <bind/> it may bind in the old way"""
    user = t.user()
    a = login(t, user, inner=BIND_SM)
    c = t.client(user).secure()
    assert c.sasl2(inner=resume_of(a, previd='no-such-session') + BIND_SM) is None
    assert c.success.find('sm:failed', 'item-not-found') is not None
    assert c.bound2 is not None and c.sm_id and c.ping().get('type') == 'result'
    d = t.client(user).secure()
    assert d.sasl2(inner=resume_of(a, h=1000000)) is None
    assert d.success.find('sm:failed', 'bad-request') is not None
    assert d.authorized == d.bare
    assert d.bind() and d.ping().get('type') == 'result'


def test_resumption_of_somebody_else(t):
    """XEP-0198 §12: the id of somebody else's session is an unknown one"""
    a = login(t, inner=BIND_SM)
    c = t.stream()
    assert c.sasl2(inner=resume_of(a) + BIND) is None
    assert c.success.find('sm:failed', 'item-not-found') is not None
    assert c.authorized.startswith(c.bare + '/')
    assert a.ping().get('type') == 'result'


def test_resume_without_password(t):
    """XEP-0388 §2.6.2: nothing inline is processed when the authentication failed"""
    a = login(t, inner=BIND_SM)
    a.cut()
    c = t.client(a).secure()
    assert c.sasl2(inner=resume_of(a), password='wrong') == 'not-authorized'
    assert c.sasl2(inner=resume_of(a)) is None
    assert c.success.find('sm:resumed') is not None


def test_too_many_sessions(t):
    """limits.sessions_per_account: no room is a failure, and nothing is bound"""
    user = t.user()
    held = [login(t, user) for _ in range(20)]
    c = t.client(user).secure()
    assert c.sasl2(inner=BIND) == 'temporary-auth-failure'
    # Somebody else who then logs in on that stream is not taken for the device that was refused.
    d = t.client(user).secure()
    assert d.sasl2(agent=device(), inner=BIND) == 'temporary-auth-failure'
    d.user, d.password = t.user()
    assert d.auth() is None
    d.open().expect_features()
    d.bind()
    code, out, err = t.server.cli('--json', 'session', 'list', d.bare)
    assert code == 0 and json.loads(out)['jid'] == d.jid and not json.loads(out)['device'], (out, err)
    held[0].close()
    t.server.wait(lambda: c.sasl2(inner=BIND) is None, 'room')


def test_pipelined_header(t):
    """XEP-0388 §2.1: features may be known from before: header and authentication in one piece"""
    c = t.stream()
    c.close()
    d = t.client(c).connect()
    d.open().expect_features()
    d.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    d.expect('proceed')
    d.start_tls()
    from chancerytest.scram import Scram
    s = Scram('SCRAM-SHA-256', d.user, d.password)
    d.parser.__init__()
    d.header = None
    d.send(header(d, d.bare) + "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>%s"
           "</initial-response></authenticate>" % b64(s.first()))
    d.expect_features()
    assert d.sasl2_next().name == 'challenge'

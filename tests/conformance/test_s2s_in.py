"""Streams that another server opens, and what comes on them (RFC 6120 §4 to §8, XEP-0178, XEP-0368)."""
import socket
import ssl
import subprocess
import time

from chancerytest.ca import authority
from chancerytest.client import PATIENCE, Closed
from chancerytest.element import NAMES
from chancerytest.scenario import alone


def ends(s, condition):
    """The stream ends with this condition, and the connection is closed."""
    error = s.expect_end()
    assert error == condition, 'expected %s, got %s' % (condition, s.error)
    s.expect_eof()
    return s


def quiet_partner(t, **how):
    """One that only connects: nothing goes there."""
    return t.partner(listen=False, **how)


def refused(t, domain):
    """Reasons that were counted for this domain."""
    return {why for (why,) in t.server.psql("SELECT why FROM chancery.partner_refusal WHERE domain = '%s'" % domain)}


def taken(stream, juliet, body='O Romeo'):
    """What is sent on this stream arrives."""
    stream.send("<message type='chat' from='romeo@%s/pda' to='%s'><body>%s</body></message>" % (stream.own, juliet.jid, body))
    return juliet.expect_message(body)


# -- headers ---------------------------------------------------------------------------------------------------------

def test_header(t):
    """RFC 6120 §4.7: the answer to a header has from, to, id, version and language; each stream has its own id"""
    p, ids = quiet_partner(t), set()
    for _ in range(3):
        s = p.stream().connect().open()
        h = s.expect_open()
        assert h.ns == NAMES['stream'] and h.get('from') == t.server.domain and h.get('to') == p.domain, h
        assert h.get('version') == '1.0' and h.get('xml:lang'), h
        ids.add(h.get('id'))
    assert len(ids) == 3 and all(len(i) >= 16 for i in ids), ids


def test_starttls_is_required_and_alone(t):
    """RFC 6120 §5.3.1: before TLS nothing but STARTTLS is offered, as required"""
    f = quiet_partner(t).stream().connect().open().expect_features()
    assert [e.name for e in f.all()] == ['starttls'] and f.find('tls:starttls', 'required') is not None, f


def test_wrong_namespace(t):
    """RFC 6120 §4.8.2: jabber:client on the servers' port, and anything else, is invalid-namespace"""
    p = quiet_partner(t)
    for ns in ('jabber:client', 'jabber:wrong'):
        ends(p.stream().connect().open(ns=ns), 'invalid-namespace')


def test_other_version(t):
    """RFC 6120 §4.7.5: version 0.9 (none) knows no TLS and is not taken"""
    p = quiet_partner(t)
    for version in ('', '0.9', 'x'):
        ends(p.stream().connect().open(version=version), 'unsupported-version')
    p.stream().connect().open(version='1.1').expect_features()


def test_not_xml(t):
    """RFC 6120 §4.9.1: an error before our header still comes within a stream"""
    s = t.s2s('verona.test').connect().open(header='GET / HTTP/1.1\r\n\r\n')
    s.expect_open()
    ends(s, 'not-well-formed')


def test_to(t):
    """RFC 6120 §4.7.2, §4.9.3.6: a domain that is not ours is host-unknown; none, or one that is no address, improper-addressing"""
    p = quiet_partner(t)
    for to, condition in (('nowhere.example', 'host-unknown'), ('', 'improper-addressing'), ('@@', 'improper-addressing'),
                          ('juliet@' + t.server.domain, 'host-unknown')):
        s = p.stream().connect().open(to)
        assert s.expect_open().get('from') == t.server.domain
        ends(s, condition)


def test_to_service(t):
    """RFC 6120 §4.7.2: a service's domain is ours too, in whatever spelling"""
    p = quiet_partner(t)
    for to in ('conference.' + t.server.domain, t.server.domain.upper()):
        s = p.stream().connect().open(to)
        s.expect_features()
        assert s.header.get('from') == to.lower(), s.header


def test_from(t):
    """RFC 6120 §4.7.1, §4.9.3.8: `from` is a domain, and not one of ours"""
    for from_, condition in (('@@', 'improper-addressing'), ('romeo@verona.test', 'invalid-from'), (t.server.domain, 'invalid-from'),
                             ('conference.' + t.server.domain, 'invalid-from')):
        ends(t.s2s('verona.test').connect().open(from_=from_), condition)


def test_not_allowed(t):
    """Default deny: who is not a partner is refused at its first header, before anything is offered, and it is noted"""
    s = t.s2s('stranger%s' % t.source.replace('.', '-') + '.test').connect().open()
    s.expect_open()
    ends(s, 'policy-violation')
    assert not s.heard, s.heard
    t.server.wait(lambda: refused(t, s.own) == {'not-allowed'} or None, 'the refusal in the database')


def test_one_direction(t):
    """A partner that may only be written to may not connect"""
    p = quiet_partner(t, allow=('--direction', 'out'))
    ends(p.stream().connect().open(), 'policy-violation')


def test_denied(t):
    """Who is not a partner any more is refused the next time"""
    p = quiet_partner(t)
    p.stream().connect().open().expect_features()
    p.deny()
    ends(p.stream().connect().open(), 'policy-violation')


def test_from_only_under_tls(t):
    """RFC 6120 §4.7.1: in the clear `from` may be left out, under TLS it must be there"""
    p = quiet_partner(t)
    s = p.stream().connect().open(from_='')
    s.expect_features()
    s.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    s.expect('proceed')
    s.start_tls().open(from_='')
    ends(s, 'improper-addressing')


def under_tls(s):
    """As secure(), without our header behind it."""
    s.connect().open().expect_features()
    s.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    s.expect('proceed')
    return s.start_tls()


def test_other_from_under_tls(t):
    """RFC 6120 §4.9.3.8: who is somebody else behind TLS is invalid-from, partner or not"""
    p, other = quiet_partner(t), quiet_partner(t)
    ends(under_tls(p.stream()).open(from_=other.domain), 'invalid-from')


def test_other_to_under_tls(t):
    """RFC 6120 §4.7.2: nor does it want to talk to another domain then"""
    p = quiet_partner(t)
    ends(under_tls(p.stream()).open('conference.' + t.server.domain), 'not-authorized')


# -- TLS -------------------------------------------------------------------------------------------------------------

def test_plaintext_behind_starttls(t):
    """RFC 6120 §5.4.3.3, CVE-2011-0411: what comes behind <starttls/> in the clear is not taken for protected"""
    s = quiet_partner(t).stream().connect().open()
    s.expect_features()
    s.send("<starttls xmlns='%s'/><message from='romeo@%s' to='x@%s'><body>b</body></message>" % (NAMES['tls'], s.own, t.server.domain))
    ends(s, 'policy-violation')


def test_old_tls(t):
    """RFC 8996: TLS 1.1 and 1.0 are not spoken, and the certificate is never looked at"""
    p = quiet_partner(t)
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
        for direct in (False, True):
            s = p.stream()
            try:
                if direct:
                    s.connect(direct=True, low=version, high=version)
                else:
                    s.connect().open().expect_features()
                    s.send("<starttls xmlns='%s'/>" % NAMES['tls'])
                    s.expect('proceed')
                    s.start_tls(low=version, high=version)
            except (ssl.SSLError, ConnectionError):
                continue
            raise AssertionError('%s was spoken' % version)


def test_tls_12(t):
    """TLS 1.2 is spoken, also with the client's certificate"""
    s = quiet_partner(t).stream().authenticated(high=ssl.TLSVersion.TLSv1_2)
    assert s.sock.version() == 'TLSv1.2'
    taken(s, t.online())


def test_renegotiation(t):
    """RFC 5746, CVE-2011-1473: whoever asks for another handshake within TLS 1.2 does not get one"""
    p = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % t.server.port_s2s_tls, '-tls1_2', '-alpn', 'xmpp-server', '-servername',
                        t.server.domain], input=b'R\n', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    assert b'RENEGOTIATING' in p.stdout and b'no renegotiation' in p.stdout, p.stdout.decode(errors='replace')[-500:]
    taken(quiet_partner(t).connected(), t.online())


def test_direct_tls(t):
    """XEP-0368 §3: direct TLS with and without ALPN; another protocol in it is refused"""
    p, juliet = quiet_partner(t), t.online()
    taken(p.stream().authenticated(direct=True), juliet, 'one')
    taken(p.stream().authenticated(direct=True, alpn=None), juliet, 'two')
    try:
        p.stream().connect(direct=True, alpn=['xmpp-client'])
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError('xmpp-client was taken')


def test_no_certificate(t):
    """RFC 6120 §13.7.2: without a certificate nothing is offered: not-authorized, with the reason in words, and noted"""
    p = quiet_partner(t)
    s = under_tls(t.s2s(p.domain)).open()
    s.expect_open()
    ends(s, 'not-authorized')
    assert not s.heard and 'certificate' in s.error.text('text'), s.error
    t.server.wait(lambda: refused(t, p.domain) == {'certificate:absent'} or None, 'the refusal in the database')


def test_certificate_for_another_name(t):
    """XEP-0178 §3: a certificate that is good, but another partner's, makes nobody of its bearer"""
    p, other = quiet_partner(t), quiet_partner(t)
    s = under_tls(t.s2s(p.domain, other.certificate)).open()
    ends(s, 'not-authorized')
    assert other.domain in s.error.text('text') and p.domain in s.error.text('text'), s.error


def test_unknown_authority(t):
    """RFC 6120 §13.7.1.2: an authority that the entry does not name, though its certificate has the right name"""
    p = quiet_partner(t)
    stranger = type(authority())('Another CA').certificate(p.domain)
    ends(under_tls(t.s2s(p.domain, stranger)).open(), 'not-authorized')


# -- SASL EXTERNAL ---------------------------------------------------------------------------------------------------

def secured(t, **how):
    s = quiet_partner(t, **how).stream()
    s.secure()
    return s


def test_external_is_offered(t):
    """XEP-0178 §3: EXTERNAL and nothing else, to whom the certificate has made somebody"""
    assert secured(t).mechanisms() == ['EXTERNAL']


def test_external_identities(t):
    """XEP-0178 §3 step 10: without an authorisation identity, or with the domain itself in any spelling"""
    juliet = t.online()
    for i, authzid in enumerate((None, False, 'as it is', 'in capitals')):
        s = secured(t)
        text = {'as it is': s.own, 'in capitals': s.own.upper()}.get(authzid, authzid)
        if authzid is False:
            s.external_send(False)
            assert s.sasl_next()[0] == 'challenge'
            s.send("<response xmlns='%s'>=</response>" % NAMES['sasl'])
            assert s.sasl_next()[0] == 'success'
        else:
            assert s.external(text) is None
        s.open().expect_features()
        taken(s, juliet, 'as %d' % i)


def test_external_forged_identity(t):
    """RFC 6120 §6.5.6: an identity that the certificate does not stand for is invalid-authzid; another try may be right"""
    s, other = secured(t), quiet_partner(t)
    assert s.external(other.domain) == 'invalid-authzid'
    assert s.external('romeo@' + s.own) == 'invalid-authzid'
    assert s.external(None) is None


def test_external_identity_with_nul(t):
    """RFC 4422 §3.4.1: what stands behind a NUL is not overlooked"""
    s = secured(t)
    assert s.external(s.own + '\0' + 'x') == 'invalid-authzid'


def test_external_tries(t):
    """RFC 6120 §6.4.5: some more tries, then the stream ends"""
    s = secured(t)
    for _ in range(3):
        assert s.external('somebody.else.test') == 'invalid-authzid'
    ends(s, 'policy-violation')


def test_sasl_failures(t):
    """RFC 6120 §6.5: other mechanism, broken base64, abort, response without auth"""
    ns = NAMES['sasl']
    for text, condition in (("<auth xmlns='%s' mechanism='PLAIN'>AHgAeQ==</auth>" % ns, 'invalid-mechanism'),
                            ("<auth xmlns='%s'>=</auth>" % ns, 'malformed-request'),
                            ("<auth xmlns='%s' mechanism='EXTERNAL'>a b</auth>" % ns, 'incorrect-encoding'),
                            ("<auth xmlns='%s' mechanism='EXTERNAL'>YQ</auth>" % ns, 'incorrect-encoding'),
                            ("<abort xmlns='%s'/>" % ns, 'aborted'),
                            ("<response xmlns='%s'>=</response>" % ns, 'malformed-request')):
        s = secured(t)
        s.send(text)
        assert s.sasl_next() == ('failure', condition), (text, s.heard)
        assert s.external() is None


def test_sasl_abort_of_challenge(t):
    """RFC 6120 §6.4.4: an exchange that has begun is ended by <abort/>, and another one may follow"""
    s = secured(t)
    s.external_send(False)
    assert s.sasl_next()[0] == 'challenge'
    s.send("<abort xmlns='%s'/>" % NAMES['sasl'])
    assert s.sasl_next() == ('failure', 'aborted')
    assert s.external() is None


def test_stanza_too_early(t):
    """RFC 6120 §4.9.3.12: before authentication a stanza is not-authorized, in the clear and under TLS, and goes nowhere"""
    juliet = t.online()
    text = "<message from='romeo@%s' to='" + juliet.jid + "'><body>early</body></message>"
    s = quiet_partner(t).stream().connect().open()
    s.expect_features()
    ends(s.send(text % s.own), 'not-authorized')
    s = secured(t)
    ends(s.send(text % s.own), 'not-authorized')
    juliet.sync()
    assert not juliet.heard_any(lambda e: e.name == 'message')


def test_auth_before_tls(t):
    """RFC 6120 §5.3.1: nothing is authenticated in the clear"""
    s = quiet_partner(t).stream().connect().open()
    s.expect_features()
    s.external_send()
    ends(s, 'not-authorized')


def test_stanza_behind_auth(t):
    """RFC 6120 §6.3.2: nothing may come between <auth/> and the new stream"""
    juliet, s = t.online(), secured(t)
    s.send("<auth xmlns='%s' mechanism='EXTERNAL'>=</auth><message from='romeo@%s' to='%s'><body>early</body></message>"
           % (NAMES['sasl'], s.own, juliet.jid))
    ends(s, 'policy-violation')
    juliet.sync()
    assert not juliet.heard_any(lambda e: e.name == 'message')


def test_other_from_after_sasl(t):
    """RFC 6120 §4.9.3.8: nor behind authentication is it somebody else"""
    s, other = secured(t), quiet_partner(t)
    assert s.external() is None
    ends(s.open(from_=other.domain), 'invalid-from')


def test_unknown_element(t):
    """RFC 6120 §4.9.3.24: what is nobody's"""
    s = secured(t)
    ends(s.send("<x xmlns='urn:example:x'/>"), 'unsupported-stanza-type')
    p = quiet_partner(t)
    ends(p.connected().send("<x xmlns='urn:example:x'/>"), 'unsupported-stanza-type')


# -- stanzas ---------------------------------------------------------------------------------------------------------

def test_message(t):
    """RFC 6120 §10.3: a message from a partner's user is delivered, and is in the record as incoming, with who brought it"""
    p, juliet = quiet_partner(t), t.online()
    p.message(juliet.bare, 'Wherefore art thou?')
    m = juliet.expect_message('Wherefore art thou?')
    assert m.get('from') == p.jid() and m.ns == NAMES['client'], m
    rows = t.server.psql("SELECT r.direction, p.from_bare, p.kind FROM archive.record r JOIN archive.record p ON p.id = r.refers_record"
                         " WHERE r.from_bare = '%s' AND r.body = 'Wherefore art thou?'" % p.jid())
    assert rows == [['1', p.domain, '20']], rows


def test_order(t):
    """P8: messages of a stream come in their order, with all that is between them"""
    p, juliet = quiet_partner(t), t.online()
    s = p.connected()
    s.send(''.join("<message type='chat' from='romeo@%s/pda' to='%s'><body>%d</body></message>" % (p.domain, juliet.jid, i)
                   for i in range(200)))
    for i in range(200):
        juliet.expect_message(str(i))
        assert not juliet.heard or juliet.heard[0].text('body') == str(i + 1), juliet.heard[0]


def test_wrong_addresses(t):
    """RFC 6120 §8.1.1.2, §8.1.2.2: no from or to is improper-addressing, another's from invalid-from, to elsewhere host-unknown"""
    juliet, other = t.online(), quiet_partner(t)
    for from_, to, condition in ((None, juliet.jid, 'improper-addressing'), ('romeo@%s', None, 'improper-addressing'),
                                 ('@@', juliet.jid, 'improper-addressing'), ('', juliet.jid, 'improper-addressing'),
                                 ('romeo@%s', '', 'improper-addressing'),
                                 ('romeo@' + other.domain, juliet.jid, 'invalid-from'), ('romeo@sub.%s', juliet.jid, 'invalid-from'),
                                 (juliet.bare, juliet.jid, 'invalid-from'), (t.server.domain, juliet.jid, 'invalid-from'),
                                 ('romeo@%s', 'x@elsewhere.example', 'host-unknown')):
        p = quiet_partner(t)
        attrs = ''.join(" %s='%s'" % (k, v % p.domain if '%s' in v else v) for k, v in (('from', from_), ('to', to)) if v is not None)
        s = p.connected()
        s.send('<message%s><body>forged</body></message>' % attrs)
        ends(s, condition)
    juliet.sync()
    assert not juliet.heard_any(lambda e: e.name == 'message')


def test_client_namespace(t):
    """RFC 6120 §4.8.3: a stanza of jabber:client on a server's stream is invalid-namespace"""
    p, juliet = quiet_partner(t), t.online()
    s = p.connected()
    s.send("<message xmlns='jabber:client' from='%s' to='%s'><body>b</body></message>" % (p.jid(), juliet.jid))
    ends(s, 'invalid-namespace')


def test_malformed_stanzas(t):
    """RFC 6120 §8.3.3.8, §8.2.3: a malformed `to` and an IQ without id or child get errors, and the stream lives"""
    p, juliet = t.partner(), t.online()
    p.send("<message from='%s' to='@@%s' id='1'><body>b</body></message>" % (p.jid(), t.server.domain))
    p.send("<iq type='get' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (p.jid(), t.server.domain))
    p.send("<iq type='get' from='%s' to='%s' id='3'/>" % (p.jid(), t.server.domain))
    p.message(juliet.jid, 'still there')
    juliet.expect_message('still there')
    assert p.expect('iq').condition() == 'bad-request'
    assert p.expect(lambda e: e.get('id') == '3').condition() == 'bad-request'


def test_errors_go_back(t):
    """RFC 6121 §8.5.1: nobody has this address: the error goes back to the partner's user, from that address"""
    p = t.partner()
    id = p.message('nobody@' + t.server.domain, 'Hello?')
    e = p.expect(lambda e: e.get('id') == id, 'the error')
    assert e.condition() == 'service-unavailable' and e.get('from') == 'nobody@' + t.server.domain and e.get('to') == p.jid(), e


def test_iq(t):
    """XEP-0199 §4.4: a server's ping is answered"""
    p = t.partner()
    assert p.iq('get', "<ping xmlns='urn:xmpp:ping'/>").get('type') == 'result'


def test_forged_marks(t):
    """XEP-0359 §5, XEP-0203 §4.1, XEP-0258: what only we may say is taken out of what comes, and it is marked as from outside"""
    p, juliet = quiet_partner(t), t.online()
    p.message(juliet.bare, 'Trust me', inner="<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/>"
              "<delay xmlns='urn:xmpp:delay' from='%s' stamp='2001-01-01T00:00:00Z'/>"
              "<securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>INTERNAL</displaymarking><label/></securitylabel>"
              % (juliet.bare, t.server.domain))
    m = juliet.expect_message('Trust me')
    assert [e.get('id') for e in m.all('stanza-id')] != ['forged'] and len(m.all('stanza-id')) == 1 and not m.all('delay'), m
    assert [e.find('displaymarking').text() for e in m.all('securitylabel')] == ['EXTERNAL \u00b7 ' + p.domain], m


def test_server_namespace_of_users(t):
    """What a user wrote does not turn into a body on its way to another server that nobody here has seen"""
    p, romeo = t.partner(), t.online()
    romeo.send("<message to='%s' id='x'><body>fine</body><body xmlns='jabber:server'>not fine</body></message>" % p.jid())
    assert romeo.expect('message').condition() == 'bad-request'


def test_server_namespace_in_rooms(t):
    """The same by way of a room of ours, which has occupants elsewhere"""
    romeo = t.online()
    romeo.send("<message type='groupchat' to='verona@conference.%s' id='x'><body>fine</body><body xmlns='jabber:server'>not fine</body></message>"
               % t.server.domain)
    assert romeo.expect('message').condition() == 'bad-request'


def test_nothing_through_us(t):
    """RFC 6120 §10: nothing goes from one server to another through us"""
    p, q = quiet_partner(t), t.partner()
    s = p.connected()
    s.send("<message from='%s' to='%s'><body>through</body></message>" % (p.jid(), q.jid()))
    ends(s, 'host-unknown')


def test_who_is_told(t):
    """What an entry does not let in: who asked for something, or said something, gets an error; who only comes and goes does not"""
    p, juliet = t.partner(allow=('--no-messages', '--no-presence', '--no-rooms')), t.online()
    p.presence(juliet.bare).presence(juliet.bare, 'probe').presence(juliet.bare, 'unavailable')
    told = [p.message(juliet.jid, 'Hello')]
    for text in ("<presence id='subscribes' type='subscribe' from='%s' to='%s'/>" % (p.jid(), juliet.bare),
                 "<presence id='enters' from='%s/pda' to='garden@conference.%s/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
                 % (p.jid(), t.server.domain)):
        p.send(text)
    for id in told + ['subscribes', 'enters']:
        e = p.expect(lambda e: e.get('id') == id, 'an error about ' + id)
        assert e.condition() == 'not-allowed' and e.get('type') == 'error', e
    assert p.iq('get', "<ping xmlns='urn:xmpp:ping'/>").get('type') == 'result'
    assert not p.heard(), p.heard()
    juliet.sync()
    assert not juliet.heard_any(lambda e: e.name in ('message', 'presence') and p.domain in (e.get('from') or ''))


# -- ends and bounds -------------------------------------------------------------------------------------------------

def test_close(t):
    """RFC 6120 §4.4: </stream:stream> is answered with the same"""
    s = quiet_partner(t).connected()
    s.send('</stream:stream>')
    assert s.expect_end() is None and s.ended
    s.expect_eof()


def test_close_confirms(t):
    """XEP-0198 §4, RFC 6120 §4.4: what came before </stream:stream> is committed and confirmed before it is answered"""
    p, juliet = quiet_partner(t), t.online()
    s = p.connected()
    s.enable(resume=False)
    s.send(''.join("<message type='chat' from='romeo@%s/pda' to='%s'><body>%d</body></message>" % (p.domain, juliet.jid, i) for i in range(50))
           + '</stream:stream>')
    assert s.expect_end() is None and s.sm_acked == 50, s.sm_acked
    for i in range(50):
        juliet.expect_message(str(i))


def test_too_big(t):
    """RFC 6120 §4.9.3.14: a stanza over the limit; before authentication the limit is a small one, in the clear smaller yet"""
    p = quiet_partner(t)
    s = p.stream().connect().open()
    s.expect_features()
    ends(s.send('<starttls xmlns="%s" x="%s"/>' % (NAMES['tls'], 'x' * 5000)), 'policy-violation')
    s = p.stream()
    s.secure()
    try:
        s.send("<auth xmlns='%s' mechanism='EXTERNAL'>%s" % (NAMES['sasl'], 'A' * 70000))
    except OSError:
        pass
    assert s.expect_end() == 'policy-violation'
    s = p.connected()
    try:
        s.send("<message from='%s' to='x@%s'><body>%s" % (p.jid(), t.server.domain, 'x' * 300000))
    except OSError:
        pass
    assert s.expect_end() == 'policy-violation'


def test_forbidden_xml(t):
    """RFC 6120 §11.1, §4.9.3.18: comments, processing instructions, DTDs and entities end a partner's stream too"""
    p = quiet_partner(t)
    for text in ('<!-- c -->', '<?pi x?>', "<message from='romeo@%s' to='x@%s'><body>&x;</body></message>" % (p.domain, t.server.domain)):
        s = p.stream().authenticated()
        s.send(text)
        ends(s, 'restricted-xml')
    s = p.stream().authenticated()
    ends(s.send('<message></iq>'), 'not-well-formed')


@alone(limits__login_seconds='3')
def test_never_authenticates(t):
    """RFC 6120 §13.12: who does not come to an end in time is sent away, wherever it stands; a handshake that hangs is cut"""
    p = quiet_partner(t)
    silent = p.stream().connect()
    halfway = p.stream().connect().open()
    halfway.expect_features()
    secure = p.stream()
    secure.secure()
    hanging = socket.create_connection(('127.0.0.1', t.server.port_s2s_tls))
    for s in (silent, halfway, secure):
        assert s.expect_end() == 'connection-timeout', s.error
    hanging.settimeout(10)
    assert hanging.recv(1) == b''
    taken(p.connected(), t.online())


@alone(limits__s2s_streams_per_partner='2')
def test_streams_per_partner(t):
    """limits.s2s_streams_per_partner: the one that has been silent for longest goes for a new one"""
    p, juliet = quiet_partner(t), t.online()
    one, two = p.stream().authenticated(), p.stream().authenticated()
    taken(one, juliet, 'first')
    time.sleep(0.01)
    taken(two, juliet, 'second')
    three = p.stream().authenticated()
    assert one.expect_end() == 'resource-constraint'
    taken(two, juliet, 'third')
    taken(three, juliet, 'fourth')


@alone(limits__s2s_streams='4')
def test_streams_in_all(t):
    """limits.s2s_streams: one more is not taken, and when one goes there is room again"""
    p, juliet = quiet_partner(t), t.online()
    streams = [p.stream().authenticated() for _ in range(4)]
    p.stream().connect().expect_eof()
    streams[0].close()

    def again():
        try:
            return p.stream().authenticated()
        except (Closed, OSError):
            return None
    taken(t.server.wait(again, 'room for a stream'), juliet)


@alone(limits__s2s_streams='40')
def test_strangers_make_room(t):
    """P7: streams that nobody has authenticated on are half of all at most: the oldest of them goes, so they keep no partner out"""
    p, juliet = quiet_partner(t), t.online()
    strangers = []
    for _ in range(60):
        s = p.stream().connect().open()
        s.expect_features()
        strangers.append(s)
    for s in strangers[:30]:        # some more than half may be left, as each thread looks for its own
        s.expect_eof()
    for i in range(4):
        taken(p.stream().authenticated(), juliet, str(i))


@alone(federation__idle='10s', stream__ping='1s')
def test_idle(t):
    """federation.idle: a stream on which nothing is said is closed, without an error"""
    s = quiet_partner(t).connected()
    assert s.expect_end(10 + PATIENCE) is None and s.ended


@alone(limits__s2s_stanzas_per_second='10', limits__s2s_stanzas_burst='10')
def test_rate(t):
    """limits.s2s_stanzas_per_second: who sends more is read more slowly, and loses nothing"""
    p, juliet = quiet_partner(t), t.online()
    s = p.connected()
    presence = "<presence type='probe' from='romeo@%s' to='%s'/>" % (p.domain, juliet.bare)
    s.send(presence * 15 + "<message type='chat' from='romeo@%s/pda' to='%s'><body>last</body></message>" % (p.domain, juliet.jid))
    juliet.expect_message('last')
    assert t.server.metric('chancery_throttled_total') >= 1


@alone(federation__on='false')
def test_off(t):
    """federation.on: without it there is no door, and users are told so"""
    try:
        socket.create_connection(('127.0.0.1', t.server.port_s2s)).close()
        raise AssertionError('somebody listens')
    except ConnectionRefusedError:
        pass
    romeo = t.online()
    romeo.message('juliet@verona.test', 'Hello?')
    assert romeo.expect('message').condition() == 'remote-server-not-found'


@alone()
def test_thousand_half_open(t):
    """P7: a thousand streams that never get anywhere, some under TLS, do not keep two users from chatting, nor a partner from coming in"""
    p, romeo, juliet = quiet_partner(t), t.online(), t.online()
    header = p.stream().header_text().encode()

    def slowest():
        took = 0
        for i in range(50):
            start = time.monotonic()
            romeo.message(juliet.jid, str(i))
            juliet.expect_message(str(i))
            took = max(took, time.monotonic() - start)
        return took
    calm, flood = slowest(), []
    for i in range(1000):
        s = socket.create_connection(('127.0.0.1', t.server.port_s2s_tls if i % 4 == 0 else t.server.port_s2s))
        s.sendall(b'\x16\x03\x01' if i % 4 == 0 else header if i % 2 else header[:40])
        flood.append(s)
    # On a machine that is slow without them, too, some times more.
    busy = slowest()
    taken(p.connected(), juliet)
    assert busy < max(0.5, 5 * calm), (busy, calm)
    for s in flood:
        s.close()


def hello_sent(p):
    """A stream of p by direct TLS, whose ClientHello is out; the rest is to come."""
    s = p.stream()
    sock = socket.create_connection(('127.0.0.1', s.server.port_s2s_tls))
    ctx = s._context(ssl.PROTOCOL_TLS_CLIENT, None, None, None)
    ctx.set_alpn_protocols(['xmpp-server'])
    s.sock = ctx.wrap_socket(sock, server_hostname=s.domain, do_handshake_on_connect=False)
    s.sock.setblocking(False)
    try:
        s.sock.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return s


@alone(limits__login_seconds='300')
def test_handshakes_at_once(t):
    """limits.s2s_handshakes: handshakes that begin at one moment have their turns, one after the other; those that vanish take none with them"""
    p, juliet = quiet_partner(t), t.online()
    streams = [hello_sent(p) for _ in range(36)]
    for s in streams[::3]:
        s.sock.close()
        s.sock = None
    for i, s in enumerate(s for s in streams if s.sock):
        s.sock.settimeout(PATIENCE)
        s.sock.do_handshake()
        if i % 2:
            continue
        s.open().expect_features()
        assert s.external() is None
        s.open().expect_features()
        taken(s, juliet, str(i))
    t.server.wait(lambda: t.server.metric('chancery_handshakes_waiting') == 0, 'nobody to wait')


@alone()
def test_server_stops(t):
    """RFC 6120 §4.9.3.22: a server that stops says so to its partners"""
    s = quiet_partner(t).connected()
    t.server.terminate()
    assert s.expect_end() == 'system-shutdown'

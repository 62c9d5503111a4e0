"""Streams, TLS, resource binding (RFC 6120 §4, §5, §7; XEP-0368)."""
import socket
import ssl

from chancerytest.client import Closed, b64, unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='%s' version='1.0' to='%s' xmlns:stream='%s'>")


def header(t, ns='jabber:client', to=None, streams=NAMES['stream']):
    return HEADER % (ns, to or t.server.domain, streams)


def ends(c, *conditions):
    """The stream ends with one of these conditions, and the connection is closed."""
    error = c.expect_end()
    assert error in conditions, 'expected %s, got %s' % (conditions, error)
    c.expect_eof()


def test_header(t):
    """RFC 6120 §4.7: the response header has from, id, version and language; ids differ"""
    ids = set()
    for _ in range(3):
        c = t.client().connect().open()
        h = c.expect_open()
        assert h.ns == NAMES['stream'] and h.name == 'stream', h
        assert h.get('from') == t.server.domain and h.get('version') == '1.0', h
        assert h.get('xml:lang'), h
        assert len(h.get('id')) >= 16, h
        ids.add(h.get('id'))
    assert len(ids) == 3


def test_header_to(t):
    """RFC 6120 §4.7.2: the response header is to whom the client has named, as a bare address, and to nobody where it named nobody"""
    c = t.bound()
    assert c.header.get('to') is None, c.header
    for named, to in (('Romeo@%s/balcony', 'romeo@%s'), ('@%s', None)):
        c = t.client().connect()
        c.open(header=header(t)[:-1] + " from='%s'>" % (named % t.server.domain))
        assert c.expect_open().get('to') == (to and to % t.server.domain), c.header


def test_starttls_is_required_and_alone(t):
    """RFC 6120 §5.3.1: before TLS only STARTTLS is offered, as required"""
    f = t.client().connect().open().expect_features()
    assert f.find('tls:starttls', 'required') is not None, f
    assert [e.name for e in f.all()] == ['starttls'], f


def limits_told(c):
    x = c.features.find('urn:xmpp:stream-limits:0:limits')
    return [(e.name, int(e.text())) for e in x.all()]


@alone(limits__stanza_bytes='100k', limits__stanza_bytes_unauthenticated='8k', stream__ping='90s')
def test_limits_told(t):
    """XEP-0478 §3.1: what a stream takes is told under TLS, for before and for after authentication; one octet less than that passes"""
    c = t.client().secure()
    assert limits_told(c) == [('max-bytes', 8192)], c.features
    c = t.bound()
    assert limits_told(c) == [('max-bytes', 102400), ('idle-seconds', 90)], c.features
    text = "<message to='%s' id='m1' type='chat'><body>%%s</body></message>" % c.jid
    c.send(text % ('x' * (102400 - len(text % '') - 1)))
    c.expect_message(id='m1')
    c.send(text % ('x' * 102400))
    ends(c, 'policy-violation')


def test_close(t):
    """RFC 6120 §4.4: </stream:stream> is answered with the same"""
    c = t.bound()
    c.send('</stream:stream>')
    assert c.expect_end() is None
    assert c.ended
    c.expect_eof()


def test_error_of_client(t):
    """RFC 6120 §4.9.1.1: an error of the client's ends the stream, and is not answered by one"""
    for c in (t.bound(), t.client().connect().open()):
        c.send("<stream:error><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
        assert c.expect_end() is None
        assert c.ended
        c.expect_eof()


def test_close_before_tls(t):
    """RFC 6120 §4.4: the same on a stream that has only just begun"""
    c = t.client().connect().open()
    c.expect_features()
    c.send('</stream:stream>')
    assert c.expect_end() is None
    assert c.ended


def test_host_unknown(t):
    """RFC 6120 §4.9.3.6, §4.9.1.3: a domain that is not served, or none: the header before the error is from one that is"""
    for to, condition in (("to='nowhere.example'", 'host-unknown'), ("to=''", 'host-unknown'), ('', 'improper-addressing')):
        c = t.client().connect().open(header=header(t).replace("to='%s'" % t.server.domain, to))
        assert c.expect_open().get('from') == t.server.domain, c.header
        ends(c, condition)


def test_host_in_other_spelling(t):
    """RFC 7622 §3.2: the domain in capitals is the same domain"""
    c = t.client().connect().open(t.server.domain.upper())
    c.expect_features()
    assert c.header.get('from') == t.server.domain


def test_wrong_content_namespace(t):
    """RFC 6120 §4.8.2, §4.7.1: another content namespace is invalid-namespace; our header says whose it is all the same"""
    c = t.client().connect().open(header=header(t, ns='jabber:wrong'))
    assert c.expect_open().get('from') == t.server.domain, c.header
    ends(c, 'invalid-namespace')


def test_server_namespace_on_client_port(t):
    """RFC 6120 §4.8.2: jabber:server on a client port is invalid-namespace"""
    c = t.client().connect().open(header=header(t, ns='jabber:server'))
    ends(c, 'invalid-namespace')


def test_wrong_stream_namespace(t):
    """RFC 6120 §4.8.1: another stream namespace is invalid-namespace"""
    c = t.client().connect().open(header=header(t, streams='http://wrong.example/streams'))
    ends(c, 'invalid-namespace')


def test_wrong_root(t):
    """RFC 6120 §4.9.3.1: a root that is no stream is bad-format"""
    c = t.client().connect().open(header="<stream:flood xmlns='jabber:client' version='1.0' to='%s' xmlns:stream='%s'>"
                                  % (t.server.domain, NAMES['stream']))
    ends(c, 'bad-format', 'invalid-xml', 'invalid-namespace')


def test_higher_version(t):
    """RFC 6120 §4.7.5: a client of version 1.1 is answered with 1.0"""
    c = t.client().connect().open(header=header(t).replace("version='1.0' to", "version='1.1' to"))
    c.expect_features()
    assert c.header.get('version') == '1.0'


def test_other_major_version(t):
    """RFC 6120 §4.7.5: version 2.0 is answered with ours, the lower one; none at all is version 0.9, answered or refused"""
    c = t.client().connect().open(header=header(t).replace("version='1.0' to", "version='2.0' to"))
    try:
        c.expect_features()
        assert c.header.get('version') == '1.0'
    except Closed as e:
        assert e.error == 'unsupported-version', e
    c = t.client().connect().open(header=header(t).replace("version='1.0' to", 'to'))
    try:
        c.expect_features()
    except Closed as e:
        assert e.error == 'unsupported-version', e


def test_not_xml(t):
    """RFC 6120 §4.9.1: an error before our header still comes within a stream"""
    c = t.client().connect().open(header='GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    c.expect_open()
    ends(c, 'not-well-formed', 'bad-format', 'invalid-xml')


def test_stanza_before_authentication(t):
    """RFC 6120 §4.9.3.12: a stanza before authentication is not-authorized, before TLS and after"""
    for c in (t.client().connect().open(), t.stream()):
        c.send("<message to='someone@%s'><body>now</body></message>" % t.server.domain)
        ends(c, 'not-authorized')


def test_auth_before_tls(t):
    """RFC 6120 §5.3.1: SASL before TLS is refused, and the password is not looked at"""
    c = t.client().connect().open()
    c.expect_features()
    c.auth_send('PLAIN', ('\0%s\0%s' % (c.user, c.password)).encode())
    try:
        e = c.expect(lambda e: e.ns == NAMES['sasl'])
        assert e.name == 'failure' and e.condition() in ('encryption-required', 'invalid-mechanism'), e
    except AssertionError:
        assert c.expect_end() in ('policy-violation', 'not-authorized', 'unsupported-stanza-type'), c.error


def test_unknown_element_before_authentication(t):
    """RFC 6120 §4.9.3.24: an element that nobody knows ends the stream"""
    c = t.stream()
    c.send("<surprise xmlns='urn:example:surprise'/>")
    ends(c, 'unsupported-stanza-type', 'not-authorized', 'unsupported-feature')


def test_bind_before_authentication(t):
    """RFC 6120 §7.1: binding before SASL is not-authorized"""
    c = t.stream()
    c.send("<iq type='set' id='b1'><bind xmlns='%s'/></iq>" % NAMES['bind'])
    ends(c, 'not-authorized')


def test_stanza_before_binding(t):
    """RFC 6120 §7.1: a stanza to somebody before binding is not-authorized"""
    c = t.client().authenticated()
    c.send("<message to='%s'><body>now</body></message>" % c.bare)
    try:
        e = c.expect('message')
        assert e.condition() == 'not-authorized', e
    except AssertionError:
        assert c.expect_end() == 'not-authorized', c.error


def test_features_after_authentication(t):
    """RFC 6120 §7.4: bind is offered, with stream management and roster versioning; TLS and SASL no longer"""
    f = t.client().authenticated().features
    for wanted in ('bind:bind', 'sm:sm', 'rosterver:ver', 'sub:sub', 'caps:c'):
        assert f.find(wanted) is not None, '%s: %s' % (wanted, f)
    assert f.find('tls:starttls') is None and f.find('sasl:mechanisms') is None, f
    session = f.find('session:session')
    assert session is None or session.find('optional') is not None, f


def test_from_after_authentication(t):
    """RFC 6120 §4.9.3.9: behind SASL the stream is of whoever has authenticated: a header from somebody else is invalid-from"""
    for other in (False, True):
        c = t.stream()
        assert c.auth() is None
        name = c.bare if not other else 'somebody@' + c.domain
        c.open(header=header(t).replace(" to='", " from='%s' to='" % name))
        if other:
            assert c.expect_end() == 'invalid-from'
        else:
            c.expect_features()
            assert c.header.get('to') == c.bare and c.bind()


def test_session_request(t):
    """RFC 3921 §3: where a session is still offered, asking for it works; where not, asking does no harm"""
    c = t.bound()
    answer = c.iq('set', "<session xmlns='%s'/>" % NAMES['session'])
    assert answer.get('type') == 'result' or c.features.find('session:session') is None, answer
    assert c.ping().get('type') == 'result'


# -- TLS -----------------------------------------------------------------------------------------------------

def test_tls_versions(t):
    """RFC 7590, RFC 9325: TLS 1.2 and 1.3 work, by STARTTLS and directly"""
    for version, name in ((ssl.TLSVersion.TLSv1_2, 'TLSv1.2'), (ssl.TLSVersion.TLSv1_3, 'TLSv1.3')):
        for direct in (False, True):
            c = t.bound(direct=direct, low=version, high=version)
            assert c.sock.version() == name
            assert 'GCM' in c.sock.cipher()[0] or 'CHACHA20' in c.sock.cipher()[0], c.sock.cipher()
            c.close()


def refused(f):
    try:
        f()
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError('the handshake was accepted')


def test_tls_11_refused(t):
    """RFC 8996: TLS 1.1 is refused"""
    c = t.client()
    refused(lambda: c.connect(direct=True, low=ssl.TLSVersion.TLSv1_1, high=ssl.TLSVersion.TLSv1_1,
                              ciphers='ALL:@SECLEVEL=0'))


def test_tls_without_aead_refused(t):
    """RFC 9325 §4.2: CBC suites are refused"""
    c = t.client()
    refused(lambda: c.connect(direct=True, high=ssl.TLSVersion.TLSv1_2, ciphers='ECDHE+AES+SHA384:ECDHE+AES+SHA:!AESGCM:!AESCCM'))


def test_direct_tls_alpn(t):
    """XEP-0368: ALPN xmpp-client is chosen; without ALPN it works too; another protocol alone is refused"""
    c = t.bound(direct=True, alpn=['h2', 'xmpp-client'])
    assert c.sock.selected_alpn_protocol() == 'xmpp-client'
    assert t.bound(direct=True, alpn=None).sock.selected_alpn_protocol() is None
    c = t.client()
    refused(lambda: c.connect(direct=True, alpn=['h2']))


def test_starttls_injection(t):
    """RFC 6120 §5.3.1 (CVE-2011-0411): plaintext behind <starttls/> is never taken as said under TLS"""
    c = t.client().connect().open()
    c.expect_features()
    c.send("<starttls xmlns='%s'/><stream:stream xmlns='jabber:client' xmlns:stream='%s' version='1.0' to='%s'>"
           % (NAMES['tls'], NAMES['stream'], t.server.domain))
    try:
        c.expect('proceed')
        c.start_tls()
    except (AssertionError, ssl.SSLError, ConnectionError):
        return
    raise AssertionError('TLS went on after injected plaintext')


def test_starttls_twice(t):
    """RFC 6120 §5.3: STARTTLS inside TLS is refused"""
    c = t.stream()
    c.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    try:
        assert c.expect(lambda e: e.ns == NAMES['tls']).name == 'failure'
    except AssertionError:
        pass
    c.expect_end()


def test_ipv6(t):
    """RFC 6120 §3.2: the server answers on IPv6"""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(('::1', 0))
    except OSError:
        return
    c = t.client().connect(family=socket.AF_INET6).open()
    c.expect_features()


@alone(limits__login_seconds='2')
def test_login_deadline(t):
    """limits.login_seconds: connections that never finish TLS or authentication are closed; others are served"""
    silent = t.client().connect()
    silent.open().expect_features()
    half = t.client().connect()
    half.open().expect_features()
    half.send("<starttls xmlns='%s'/>" % NAMES['tls'])
    half.expect('proceed')
    half.send(b'\x16\x03\x01\x02\x00\x01')
    waiting = t.stream()
    c = t.online()
    for s in (silent, half, waiting):
        s.expect_eof()
    assert c.ping().get('type') == 'result'


# -- binding -------------------------------------------------------------------------------------------------

def test_bind_generated(t):
    """RFC 6120 §7.6: the server makes a resource that cannot be guessed"""
    a = t.bound()
    b = t.bound(a)
    ra, rb = a.jid.split('/', 1)[1], b.jid.split('/', 1)[1]
    assert a.jid.startswith(a.bare + '/') and ra != rb and len(ra) >= 8, (a.jid, b.jid)


def test_bind_requested(t):
    """RFC 6120 §7.7: the resource asked for is given"""
    c = t.bound(resource='balcony \u00e9\u4e2d')
    assert c.jid == c.bare + '/balcony \u00e9\u4e2d', c.jid


def test_bind_prepared(t):
    """RFC 7622 §3.4: the resource is prepared (OpaqueString: other spaces become U+0020)"""
    c = t.bound(resource='a\u00a0b')
    assert c.jid == c.bare + '/a b', c.jid


def test_bind_malformed(t):
    """RFC 6120 §7.7.2.1: a resource that cannot be prepared is refused, and another can be asked for"""
    c = t.client().authenticated()
    for bad in ('x' * 1024, 'a\u0001'.replace('\u0001', '\u0378')):
        assert c.bind(bad) is None and c.bind_error in ('bad-request', 'jid-malformed', 'not-acceptable'), c.bind_error
    assert c.bind('good')


def test_bind_twice(t):
    """RFC 6120 §7.1: one resource per stream"""
    c = t.bound()
    answer = c.iq('set', "<bind xmlns='%s'/>" % NAMES['bind'])
    assert answer.get('type') == 'error', answer


def test_bind_conflict(t):
    """RFC 6120 §7.7.2.2: a resource in use: the old session ends with conflict, or the new one gets another"""
    a = t.online(resource='same')
    b = t.client(a).authenticated()
    b.bind('same')
    if b.jid == a.jid:
        assert a.expect_end() == 'conflict'
        b.online()
    else:
        assert b.jid is None and b.bind_error == 'conflict' or b.jid.startswith(a.bare), b.jid
        assert a.ping().get('type') == 'result'


@alone(limits__sessions_per_account='3')
def test_bind_limit(t):
    """RFC 6120 §7.6.2.1: resources are limited; one more is resource-constraint and harms no other"""
    first = t.online()
    others = [t.online(first) for _ in range(2)]
    c = t.client(first).authenticated()
    assert c.bind() is None
    assert c.bind_error == 'resource-constraint', c.bind_error
    others[0].close()
    t.server.wait(lambda: t.client(first).authenticated().bind(), 'a free place')
    assert first.ping().get('type') == 'result'


def test_roster_in_anothers_name(t):
    """RFC 6120 §8.1.2.1: a request in another account's name ends the stream"""
    a, b = t.online(), t.online()
    a.stanza("<iq from='%s' type='get' id='%s'><query xmlns='jabber:iq:roster'/></iq>" % (b.jid, unique()))
    e = a.expect_end()
    assert e == 'invalid-from', e
    assert b.ping().get('type') == 'result'


def test_cdata_and_whitespace(t):
    """RFC 6120 §11.7: CDATA is text, white space between stanzas is ignored"""
    a, b = t.online(), t.online()
    a.send('\n \t')
    a.stanza("<message to='%s' type='chat'><body><![CDATA[<&>]]></body></message>\n\n" % b.jid)
    assert b.expect('message').text('body') == '<&>'

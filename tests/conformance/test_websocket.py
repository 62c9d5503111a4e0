"""XMPP over WebSocket (RFC 7395) and WebSocket itself (RFC 6455)."""
import test_history
import test_message
import test_presence
import test_sasl2
import test_sm
from chancerytest.web import (BINARY, CLOSE, FRAMING, PING, PONG, TEXT, Http, WebSocket, WebSocketClient)


def ws(t, **kw):
    """A WebSocket after its handshake, nothing said yet."""
    w = WebSocket(t.server, t.source)
    t.clients.append(w)
    answer = w.handshake(**kw)
    assert answer.status == 101, answer
    return w


def refused(t, **kw):
    w = WebSocket(t.server, t.source)
    t.clients.append(w)
    return w.handshake(**kw).status


# -- what clients do over TCP, again -------------------------------------------------------------------------

def again(f):
    def test(t):
        t.transport = WebSocketClient
        f(t)
    test.__doc__ = 'Over WebSocket: ' + f.__doc__
    return test


for module, names in ((test_message, 'chat order order_with_other_stanzas bare_to_all full_jid_gone offline offline_large typing '
                                     'malformed_to from_is_stamped stanza_id'),
                      (test_sm, 'enable counts server_asks resume resume_sending_side resume_while_connected presence_survives '
                                'resume_unknown no_resume_after_close too_many_acknowledged'),
                      (test_history, 'query backwards'),
                      (test_sasl2, 'wrong_password bind stream_management resume_without_password'),
                      (test_presence, 'initial unavailable stream_closed')):
    for name in names.split():
        globals()['test_again_%s_%s' % (module.__name__[5:], name)] = again(getattr(module, 'test_' + name))


def test_login(t):
    """RFC 7395 §3.3: login, binding and a message over WebSocket; the other side is on TCP"""
    a = WebSocketClient(t.server, *t.user(), source=t.source)
    t.clients.append(a)
    b = t.online()
    a.authenticated().bind('web')
    a.online()
    a.message(b.jid, 'From a browser')
    assert b.expect_message('From a browser').get('from') == a.jid
    b.message(a.jid, 'To a browser')
    assert a.expect_message('To a browser').get('from') == b.jid


# -- streams (RFC 7395) --------------------------------------------------------------------------------------

def opened(t, **kw):
    """A stream over WebSocket whose features have come, before authentication."""
    c = WebSocketClient(t.server, *t.user(), source=t.source)
    t.clients.append(c)
    return c.secure(**kw)


def ended(c, condition, code=1000):
    """A stream error, <close/>, and when that is answered the WebSocket's closing handshake."""
    got = c.expect_end()
    assert got == condition, got
    assert c.ended, 'no <close/>'
    c.raw("<close xmlns='%s'/>" % FRAMING)
    c.expect_eof()
    assert c.close_code == code, c.close_code


def test_header(t):
    """RFC 7395 §3.4: <open/> is answered with id, from and version; then features, with their prefix declared"""
    c = opened(t)
    assert c.header.get('from') == t.server.domain and c.header.get('version') == '1.0' and c.header.get('id'), c.header
    assert c.features.find('tls:starttls') is None, 'RFC 7395 §3.9: no STARTTLS here'
    assert c.mechanisms() and not [m for m in c.mechanisms() if m.endswith('-PLUS')], c.mechanisms()
    assert c.features.find('cb:sasl-channel-binding') is None


def test_restart(t):
    """RFC 7395 §3.7: after SASL the stream is opened again, on the same WebSocket"""
    c = opened(t)
    first = c.header.get('id')
    assert c.auth() is None
    c.open().expect_features()
    assert c.header.get('id') != first
    assert c.features.find('bind:bind') is not None


def test_close_by_client(t):
    """RFC 7395 §3.6: <close/> is answered with <close/>, then the WebSocket is closed"""
    c = opened(t)
    c.raw("<close xmlns='%s'/>" % FRAMING)
    assert c.expect_end() is None and c.ended
    c.expect_eof()
    assert c.close_code == 1000, c.close_code


def test_close_ends_the_session(t):
    """RFC 7395 §3.6: a session whose stream was closed cannot be resumed"""
    t.transport = WebSocketClient
    a = t.online(sm=True)
    a.raw("<close xmlns='%s'/>" % FRAMING)
    a.expect_end()
    c = t.client(a).authenticated()
    assert c.resume(a).name == 'failed'


def test_lost_websocket(t):
    """RFC 7395 §3.6: a WebSocket closed without <close/> leaves a session that can be resumed (XEP-0198)"""
    t.transport = WebSocketClient
    a = t.online(sm=True)
    a.raw(b'\x03\xe9', op=CLOSE)
    a.expect_eof()
    c = t.client(a).authenticated()
    assert c.resume(a).name == 'resumed'


def test_from_tcp_to_websocket(t):
    """XEP-0198 §5: a session is resumed over another transport"""
    a = t.online(sm=True)
    a.cut()
    t.transport = WebSocketClient
    c = t.client(a).authenticated()
    assert c.resume(a).name == 'resumed'
    assert c.ping().get('type') == 'result'


def test_replaced(t):
    """RFC 6120 §7.7.2.2: the older stream of a resource hears conflict, and <close/>"""
    t.transport = WebSocketClient
    a = t.bound(resource='same')
    t.bound(a, 'same')
    ended(a, 'conflict')


def test_wrong_host(t):
    """RFC 7395 §3.5: errors about the header come behind the server's own <open/>"""
    c = WebSocketClient(t.server, source=t.source)
    t.clients.append(c)
    c.connect().open('nowhere.example')
    assert c.expect_open().get('from') == t.server.domain, c.header
    ended(c, 'host-unknown')


def test_stream_header_instead(t):
    """RFC 7395 §3.3: <stream:stream> is no message: it is not complete"""
    c = WebSocketClient(t.server, source=t.source)
    t.clients.append(c)
    c.connect()
    c.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='%s'>"
          % t.server.domain)
    ended(c, 'not-well-formed')


def test_wrong_messages(t):
    """RFC 7395 §3.3.3: a message is one element, complete, with what it needs, and begins with it"""
    m = "<message xmlns='jabber:client' to='a@b'/>"
    for text, condition in ((m + m, 'bad-format'), (m[:-2], 'not-well-formed'), (' ' + m, 'bad-format'), (' ', 'bad-format'),
                            ('', 'bad-format'), (m + 'x', 'bad-format'), ('x', 'bad-format'), ('</frames>', 'not-well-formed'),
                            ("<stream:error/>", 'not-well-formed'), ("<!-- no -->", 'restricted-xml'),
                            ("<?xml version='1.0'?>" + m, 'not-well-formed'), ("<!DOCTYPE x>", 'not-well-formed'),
                            ("<message to='a@b'/>", 'unsupported-stanza-type'), ("<open xmlns='%s'/>" % FRAMING, 'bad-format'),
                            ("<other xmlns='%s'/>" % FRAMING, 'bad-format')):
        t.transport = WebSocketClient
        c = t.bound()
        c.raw(text)
        got = c.expect_end()
        assert got == condition, (text, got)


def test_before_open(t):
    """RFC 7395 §3.4: nothing comes before <open/>"""
    for text in ("<message xmlns='jabber:client'/>", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"):
        c = WebSocketClient(t.server, source=t.source)
        t.clients.append(c)
        c.connect()
        c.raw(text)
        ended(c, 'not-authorized')


def test_trailing_space(t):
    """RFC 7395 §3.3.3: white space behind the element harms nobody"""
    t.transport = WebSocketClient
    c = t.bound()
    c.raw("<iq xmlns='jabber:client' type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>\n")
    assert c.expect('iq').get('id') == 'a'


def test_oversize(t):
    """RFC 6120 §4.9.3.14: before authentication a message over 16 KiB ends the stream, afterwards one over 256 KiB; the
    length alone tells"""
    c = opened(t)
    c.sock.sendall(WebSocket.frame(b'', length=20000))
    ended(c, 'policy-violation', 1009)
    t.transport = WebSocketClient
    c = t.bound()
    c.sock.sendall(WebSocket.frame(b'', length=1 << 40))
    ended(c, 'policy-violation', 1009)


def test_endless_fragments(t):
    """limits.stanza_bytes: fragments count together"""
    c = opened(t)
    c.sock.sendall(WebSocket.frame('<message>', fin=False))
    for _ in range(17):
        c.sock.sendall(WebSocket.frame('x' * 1024, op=0, fin=False))
    ended(c, 'policy-violation', 1009)


# -- WebSocket (RFC 6455) ------------------------------------------------------------------------------------

def test_fragments(t):
    """RFC 6455 §5.4: a message in fragments, with a ping between them, byte by byte"""
    t.transport = WebSocketClient
    c = t.bound()
    text = "<iq xmlns='jabber:client' type='get' id='b'><ping xmlns='urn:xmpp:ping'/></iq>"
    c.raw(text[0], fin=False)
    for x in text[1:-1]:
        c.raw(x, op=0, fin=False)
    c.raw('there?', op=PING)
    c.raw(text[-1], op=0)
    assert c.expect('iq').get('id') == 'b'
    assert c.pong == b'there?'
    for byte in WebSocket.frame(text.replace("'b'", "'c'")):
        c.sock.sendall(bytes([byte]))
    assert c.expect('iq').get('id') == 'c'


def test_many_in_one_write(t):
    """RFC 6455 §5: frames end where they say, not where a write does"""
    t.transport = WebSocketClient
    c = t.bound()
    text = "<iq xmlns='jabber:client' type='get' id='n%d'><ping xmlns='urn:xmpp:ping'/></iq>"
    c.sock.sendall(b''.join(WebSocket.frame(text % i) for i in range(300)))
    assert [c.expect('iq').get('id') for _ in range(300)] == ['n%d' % i for i in range(300)]


def closes(t, data, code, **kw):
    w = ws(t)
    w.send(data)
    op, payload = w.frames()[0]
    assert op == CLOSE and int.from_bytes(payload, 'big') == code, (data, op, payload)
    w.expect_eof()


def test_broken_frames(t):
    """RFC 6455 §5.1, §5.2, §5.4, §5.5: what a frame must not be closes the WebSocket with 1002"""
    f = WebSocket.frame
    for data in (f('<a/>', mask=False), f('<a/>', rsv=4), f('<a/>', rsv=2), f('<a/>', rsv=1), f('x', op=3), f('x', op=11),
                 f('x', op=0), f('<a', fin=False) + f('/>'), f('x', op=PING, fin=False), f('x' * 126, op=PING),
                 f('x', op=CLOSE), b'\x81\xfe\x00\x05aaaa', b'\x81\xff' + b'\0' * 7 + b'\x05aaaa', b'\x81\xff\x80' + b'\0' * 11):
        closes(t, data, 1002)


def test_compressed(t):
    """RFC 7692: compression is not agreed on, so a compressed message is an error whatever is in it"""
    w = WebSocket(t.server, t.source)
    t.clients.append(w)
    assert w.handshake(extensions='permessage-deflate; client_max_window_bits').status == 101
    w.send(WebSocket.frame(b'\x4a\x04' * 100, rsv=4))
    op, payload = w.frames()[0]
    assert op == CLOSE and payload == b'\x03\xea', payload


def test_binary(t):
    """RFC 7395 §3.2: text only"""
    closes(t, WebSocket.frame('<a/>', op=BINARY), 1003)


def test_not_utf8(t):
    """RFC 6455 §8.1"""
    for data in (b'<a>\xff</a>', b'<a>\xc0\x80</a>', b'<a>\xed\xa0\x80</a>'):
        closes(t, WebSocket.frame(data), 1007)


def test_close_codes(t):
    """RFC 6455 §5.5.1, §7.4: the code comes back; one that nobody may send is an error"""
    for code, back in ((1000, 1000), (1001, 1001), (3000, 3000), (1005, 1002), (999, 1002), (1015, 1002), (2999, 1002)):
        closes(t, WebSocket.frame(code.to_bytes(2, 'big') + b'bye', op=CLOSE), back)
    closes(t, WebSocket.frame(b'', op=CLOSE), 1000)
    closes(t, WebSocket.frame(b'\x03\xe8' + 'adieu, schöne Welt'.encode(), op=CLOSE), 1000)


def test_close_reason_not_utf8(t):
    """RFC 6455 §5.5.1, §8.1: the reason of a close is text, too"""
    for reason in (b'\xff', b'ok \xed\xa0\x80', b'cut short \xe2\x82'):
        closes(t, WebSocket.frame(b'\x03\xe8' + reason, op=CLOSE), 1007)


# -- the handshake -------------------------------------------------------------------------------------------

def refused(t, **kw):
    w = WebSocket(t.server, t.source)
    t.clients.append(w)
    return w.handshake(**kw)


def test_subprotocol(t):
    """RFC 7395 §3.1: without subprotocol xmpp there is no WebSocket"""
    for protocol in (None, '', 'chat', 'xmppx', 'xmpp2, chat'):
        assert refused(t, protocol=protocol).status == 400, protocol
    assert refused(t, protocol='chat, xmpp').status == 101


def test_handshake_fields(t):
    """RFC 6455 §4.2.1: version, key, upgrade and connection are as they must be"""
    for status, kw in ((426, {'version': '8'}), (426, {'version': None}), (400, {'Sec_WebSocket_Key': 'x'}),
                       (400, {'Sec_WebSocket_Key': None}), (400, {'Sec_WebSocket_Key': 'A' * 24}), (426, {'Upgrade': 'h2c'}),
                       (426, {'Upgrade': None}), (426, {'Connection': 'close'})):
        assert refused(t, **kw).status == status, kw
    assert refused(t, version='8').get('Sec-WebSocket-Version') == '13'


def test_origin(t):
    """RFC 6455 §10.2: a page of another host gets no WebSocket; the server's own does, and who is no page"""
    own = 'https://%s:%d' % (t.server.domain, t.server.port_https)
    for origin in ('https://evil.example', 'null', own + '.evil.example', own.replace('https', 'http'), 'https://' + t.server.domain,
                   ''):
        assert refused(t, origin=origin).status == 403, origin
    assert refused(t, origin=own).status == 101
    w = Http(t.server, t.source)
    t.clients.append(w)
    w.send('GET /ws HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nOrigin: %s\r\n\r\n' % (w.host, own, own))
    assert w.answer().status == 403


def test_silence(t):
    """limits.login_seconds: a WebSocket on which nobody logs in is closed"""
    c = WebSocketClient(t.server, source=t.source)
    t.clients.append(c)
    c.connect().open().expect_features()
    ended(c, 'connection-timeout')


test_silence.alone = {'limits.login_seconds': 1}


def test_pings_of_a_stranger(t):
    """RFC 6455 §5.5.3, P7: pings without end of who takes no answer: not each is answered, before login, and a few bytes wait at most"""
    w = ws(t)
    for _ in range(100):
        w.send(WebSocket.frame(b'x' * 125, op=PING) * 1000)
    w.send(WebSocket.frame("<open xmlns='%s' version='1.0' to='%s'/>" % (FRAMING, t.server.domain)))
    frames = []
    while not any(b'features' in data for op, data in frames if op == TEXT):
        frames += w.frames()
    w.send(WebSocket.frame(b'last', op=PING))
    while (PONG, b'last') not in frames:
        frames += w.frames()
    assert t.server.metric('chancery_slow_readers_total') == 0


test_pings_of_a_stranger.alone = {'limits.output_bytes': 65536, 'limits.login_seconds': 600}


def test_foreign_origins(t):
    """web.origins: pages that may"""
    assert refused(t, origin='https://intranet.example').status == 101
    assert refused(t, origin='https://intranet.example:444').status == 403


test_foreign_origins.alone = {'web.origins': '["https://intranet.example"]'}


def test_shutdown(t):
    """RFC 6120 §4.9.3.19: the server's stop is told with system-shutdown and <close/>"""
    t.transport = WebSocketClient
    c = t.online()
    t.server.terminate()
    ended(c, 'system-shutdown')
    t.server.wait_gone()


test_shutdown.alone = {}


def test_proxy(t):
    """web.proxies: the client's address is what our proxy says it is; others are not believed"""
    def address(source, forwarded):
        c = WebSocketClient(t.server, *t.user(), source=source)
        t.clients.append(c)
        c.fields = {'X_Forwarded_For': forwarded}
        c.authenticated().bind()
        line = [x for x in t.server.log().split('\n') if ' bound ' in x and c.jid in x]
        return line[0].split(' address=')[1].split()[0]
    assert address(None, '203.0.113.7, 198.51.100.9') == '198.51.100.9'
    assert address(None, '2001:db8::17') == '2001:db8::17'
    assert address(None, 'evil') == '127.0.0.1'
    # a proxy that adds a line of its own, behind the client's
    assert address(None, '203.0.113.7\r\nX-Forwarded-For: 198.51.100.9') == '198.51.100.9'
    assert address(None, '198.51.100.9\r\nX-Forwarded-For: evil') == '127.0.0.1'
    assert address(t.source, '198.51.100.9') == t.source


test_proxy.alone = {'web.proxies': '["127.0.0.1"]'}

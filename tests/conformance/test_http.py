"""HTTPS itself (RFC 9110, RFC 9112), host-meta (XEP-0156), and the files of the web chat."""
import json
import os
import signal
import socket
import ssl
import threading
import xml.etree.ElementTree

import test_life
from chancerytest.client import PATIENCE
from chancerytest.scenario import alone
from chancerytest.web import Bosh, Http, tls_connect

WS, XBOSH = 'urn:xmpp:alt-connections:websocket', 'urn:xmpp:alt-connections:xbosh'


def http(t, **kw):
    h = Http(t.server, t.source, **kw)
    t.clients.append(h)
    return h


def status(t, text):
    """What a request in the raw is answered with; 0: with nothing but the end."""
    h = http(t)
    h.send(text.replace('\n', '\r\n').replace('HOST', h.host) if isinstance(text, str) else text)
    try:
        a = h.answer()
    except EOFError:
        return 0
    if a.status >= 400 and a.get('Connection') == 'close':
        h.expect_eof()
    return a.status


def test_host_meta(t):
    """XEP-0156 §3: host-meta tells of WebSocket and BOSH, in XML and JSON, to pages of any host"""
    base = '%s:%d' % (t.server.domain, t.server.port_https)
    links = {WS: 'wss://%s/ws' % base, XBOSH: 'https://%s/http-bind' % base}
    h = http(t)
    a = h.ask('GET', '/.well-known/host-meta', {'Origin': 'https://anywhere.example'})
    assert a.status == 200 and a.get('Content-Type') == 'application/xrd+xml' and a.get('Access-Control-Allow-Origin') == '*', a
    root = xml.etree.ElementTree.fromstring(a.body)
    ns = '{http://docs.oasis-open.org/ns/xri/xrd-1.0}'
    assert root.tag == ns + 'XRD' and {e.get('rel'): e.get('href') for e in root.iter(ns + 'Link')} == links, a
    a = h.ask('GET', '/.well-known/host-meta.json')
    assert a.status == 200 and a.get('Content-Type') == 'application/json' and a.get('Access-Control-Allow-Origin') == '*', a
    assert {x['rel']: x['href'] for x in json.loads(a.body)['links']} == links, a


def test_host_meta_of_others(t):
    """XEP-0156: a Host that is not ours, or no host at all, does not get into what we tell"""
    for host in ('evil.example', "x'/><Link rel='y", '127.0.0.1:1', t.server.domain + ":5280'/>", '[::1]:99'):
        a = http(t).ask('GET', '/.well-known/host-meta', host=host)
        assert a.status in (200, 400) and b'evil' not in a.body and b"'/><" not in a.body, (host, a)
        if a.status == 200:
            assert ('//%s' % t.server.domain).encode() in a.body, (host, a)


@alone(web__url='https://chat.example.org')
def test_host_meta_url(t):
    """web.url: the address that a proxy gives us"""
    a = http(t).ask('GET', '/.well-known/host-meta.json')
    assert {x['rel']: x['href'] for x in json.loads(a.body)['links']} == {
        WS: 'wss://chat.example.org/ws', XBOSH: 'https://chat.example.org/http-bind'}


def test_security_fields(t):
    """RFC 6797 §7.1 and others: each answer says what browsers shall not do"""
    for method, path in (('GET', '/'), ('GET', '/nowhere'), ('DELETE', '/'), ('HEAD', '/'), ('GET', '/.well-known/host-meta'),
                         ('GET', '/ws'), ('POST', '/http-bind')):
        a = http(t).ask(method, path)
        assert int(a.get('Strict-Transport-Security').split('=')[1]) >= 31536000, a
        assert a.get('X-Content-Type-Options') == 'nosniff' and a.get('Referrer-Policy') == 'no-referrer', a
        assert "default-src 'none'" in a.get('Content-Security-Policy'), a
        assert a.get('Server') is None and a.get('Date'), a


def test_methods(t):
    """RFC 9110 §15.5.6, §15.6.2: a method that a path does not have is 405 with Allow, one that nobody has is 501"""
    for method in ('POST', 'PUT', 'DELETE', 'OPTIONS'):
        a = http(t).ask(method, '/')
        assert a.status == 405 and a.get('Allow') == 'GET, HEAD', a
    for method in ('TRACE', 'CONNECT', 'get', 'BREW', 'G' * 500):
        assert status(t, '%s / HTTP/1.1\nHost: HOST\n\n' % method) == 501, method


def test_head(t):
    """RFC 9110 §9.3.2: HEAD has GET's head and no body; the connection goes on"""
    h = http(t)
    a, b = h.ask('HEAD', '/'), h.ask('GET', '/')
    assert a.status == b.status == 200 and a.get('Content-Length') == b.get('Content-Length') and b.body and not a.body


def test_keep_alive(t):
    """RFC 9112 §9.3: one connection for many requests, unless somebody says close"""
    h = http(t)
    for _ in range(20):
        assert h.ask('GET', '/').status == 200
    assert h.ask('GET', '/', {'Connection': 'close'}).get('Connection') == 'close'
    h.expect_eof()
    h = http(t)
    assert h.ask('GET', '/', version='HTTP/1.0').get('Connection') == 'close'
    h.expect_eof()
    h = http(t)
    assert h.ask('GET', '/', {'Connection': 'keep-alive'}, version='HTTP/1.0').get('Connection') == 'keep-alive'
    assert h.ask('GET', '/').status == 200


def test_pipelining(t):
    """RFC 9112 §9.3.2: requests that do not wait; the answers are in their order"""
    h = http(t)
    paths = ['/', '/nowhere', '/.well-known/host-meta', '/ws'] * 10
    h.send(b''.join(b'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' % p.encode() for p in paths))
    assert [h.answer().status for _ in paths] == [200, 404, 200, 426] * 10


@alone()
def test_unread_answers(t):
    """RFC 9112 §9.3.2, P7: who sends requests and takes no answers is not read any further: a bounded number of them waits, and none is lost"""
    h, size = http(t), len(http(t).ask('GET', '/api/v1/openapi.json').body)
    n, quiet = 4 + (24 << 20) // size, 0
    h.send('GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n' * n)
    # Whatever it does about them before somebody takes the first, it has done.
    while quiet < 10:
        quiet = 0 if t.server.metric('chancery_api_under_way') else quiet + 1
    # One that comes while the one before it is being put away may be one too many at a time.
    assert {h.answer().status for _ in range(n)} in ({200}, {200, 429})
    assert t.server.metric('chancery_slow_readers_total') == 0


@alone(limits__http_head_seconds='1')
def test_requests_behind_a_slow_one(t):
    """RFC 9112 §9.3.2: requests that wait behind one that takes its time are neither heads nor bodies that come too slowly"""
    b = Bosh(t.server, t.source)
    t.clients.append(b)
    b.create(wait=3)
    h = b.send().conn()
    h.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n' * 6)
    assert h.answer().status == 200
    assert [h.answer().status for _ in range(6)] == [200] * 6


def test_byte_by_byte(t):
    """RFC 9112 §2.2: a head may come in any pieces"""
    h = http(t)
    for byte in ('\r\nGET / HTTP/1.1\r\nHost: %s\r\n\r\n' % h.host).encode():
        h.send(bytes([byte]))
    assert h.answer().status == 200


def test_malformed_heads(t):
    """RFC 9112 §2 to §5: what is not exactly a head is 400, and the connection ends"""
    good = 'Host: HOST\n\n'
    for text in ('GET  / HTTP/1.1\n' + good, 'GET /\n' + good, 'GET / HTTP/1.1 x\n' + good, ' GET / HTTP/1.1\n' + good,
                 'GET / http/1.1\n' + good, 'GET x HTTP/1.1\n' + good, 'GET * HTTP/1.1\n' + good, 'GET http://x/ HTTP/1.1\n' + good,
                 'GET / HTTP/1.1\n\n', 'GET / HTTP/1.1\nHost: a\nHost: b\n\n', 'GET / HTTP/1.1\nHost : x\n\n',
                 'GET / HTTP/1.1\n folded: x\n' + good, 'GET / HTTP/1.1\nHost: x\n y\n\n', 'GET / HTTP/1.1\nx\n' + good,
                 'GET / HTTP/1.1\n: x\n' + good, 'GET / HTTP/1.1\nX: a\x00b\n' + good, 'GET / HTTP/1.1\nX: a\x01b\n' + good,
                 'GE(T / HTTP/1.1\n' + good, 'GET /#x HTTP/1.1\n' + good, 'GET /\x7f HTTP/1.1\n' + good):
        assert status(t, text) == 400, text
    for raw in (b'GET / HTTP/1.1\nHost: x\r\n\r\n', b'GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n', b'\x16\x03\x01\x00\r\n\r\n'):
        assert status(t, raw) == 400, raw
    for version, code in (('2.0', 505), ('0.9', 505), ('1.1x', 400), ('1.', 400), ('11.1', 400), ('1,1', 400)):
        assert status(t, 'GET / HTTP/%s\n' % version + good) == code, version
    assert status(t, 'GET / HTTP/1.2\n' + good) == 200    # RFC 9110 §2.5: as the highest that we know


def test_host(t):
    """RFC 9112 §3.2: a Host that is none is 400; of a target in absolute form it is the target's"""
    for host in ('a b', 'a/b', 'user@HOST', 'HOST:x', 'HOST:1:2', '[::1', '[x]', '::1', 'a,b', 'a"b', 'a\\b', '[::1]x', 'é.example'):
        text = 'GET / HTTP/1.1\nHost: %s\n\n' % host
        assert status(t, text) == 200 if host == 'a,b' else status(t, text) == 400, host     # a comma may stand in a name (RFC 3986 §3.2.2)
    for host in ('', 'HOST', '[::1]:5', 'a:', 'x%41_~!', '127.0.0.1:443'):
        assert status(t, 'GET / HTTP/1.1\nHost: %s\n\n' % host) == 200, host
    for target, code in (('https://HOST', 200), ('HTTPS://HOST/', 200), ('https://HOST?x=/nowhere', 200), ('https://HOST/nowhere', 404), ('https:///', 400),
                         ('https://a@HOST/', 400), ('https://HOST/../', 400), ('https://HOST#/', 400), ('https://a:b/', 400), ('https:/HOST/', 400)):
        assert status(t, 'GET %s HTTP/1.1\nHost: HOST\n\n' % target) == code, target
    h = http(t)
    for host in ('evil.example', h.host):
        h.send('POST https://%s/http-bind HTTP/1.1\r\nHost: other.example\r\nOrigin: https://%s\r\nContent-Length: 1\r\n\r\nx' % (h.host, host))
        assert h.answer().status == (200 if host == h.host else 403), host
        if host != h.host:
            h = http(t)


def test_big_heads(t):
    """RFC 6585 §5: limits.http_head_bytes and 64 fields; 431, whether the head ends or not"""
    assert status(t, 'GET / HTTP/1.1\nHost: HOST\nX: %s\n\n' % ('a' * 9000)) == 431
    assert status(t, 'GET / HTTP/1.1\nX: ' + 'a' * 20000) == 431
    assert status(t, 'GET /%s HTTP/1.1\nHost: HOST\n\n' % ('a' * 9000)) == 431
    assert status(t, 'GET / HTTP/1.1\nHost: HOST\n%s\n' % ('X: y\n' * 70)) == 431
    assert status(t, 'GET / HTTP/1.1\nHost: HOST\n%s\n' % ('X: y\n' * 60)) == 200


def test_two_lengths(t):
    """RFC 9112 §6.3: a body whose length can be read in two ways is refused, and nothing behind it is taken for a request"""
    body = 'GET /smuggled HTTP/1.1\nHost: HOST\n\n'
    for fields in ('Content-Length: 5\nContent-Length: 6', 'Content-Length: 5, 5', 'Content-Length: +5', 'Content-Length: 0x5',
                   'Content-Length: -1', 'Content-Length: 99999999999999999999', 'Content-Length: ',
                   'Content-Length: 5\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\nTransfer-Encoding: chunked'):
        h = http(t)
        h.send(('POST /http-bind HTTP/1.1\nHost: HOST\n%s\n\n' % fields + body).replace('\n', '\r\n').replace('HOST', h.host))
        a = h.answer()
        assert a.status == 400 and a.get('Connection') == 'close', (fields, a)
        h.expect_eof()
        assert not h.held, h.held
    for coding in ('gzip', 'chunked, gzip', 'identity', 'xchunked'):
        assert status(t, 'POST /http-bind HTTP/1.1\nHost: HOST\nTransfer-Encoding: %s\n\n' % coding) == 501, coding
    assert status(t, 'POST /http-bind HTTP/1.0\nHost: HOST\nTransfer-Encoding: chunked\n\n') == 400


def test_chunks(t):
    """RFC 9112 §7.1: a body in chunks, with extensions and trailers; the connection goes on"""
    h = http(t)
    body = b"<body xmlns='http://jabber.org/protocol/httpbind' rid='x'/>"
    chunks = b''.join(b'%X;a=b\r\n%s\r\n' % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
    data = (b'POST /http-bind HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n' + chunks + b'0\r\nTrailer: x\r\n\r\n')
    for i in range(0, len(data), 11):
        h.send(data[i:i + 11])
    assert b'bad-request' in h.answer().body


def test_bad_chunks(t):
    """RFC 9112 §7.1: what is not a chunk is 400; endless extensions and trailers are"""
    head = 'POST /http-bind HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n'
    for rest in ('x\n', '-1\n', ' 5\n', '5 \n', '\n', '5\nabcdefg\n', '1' * 20 + '\n', '5;%s\n' % ('a' * 5000), '0\n' + 'X: y\n' * 2000):
        assert status(t, head + rest) == 400, rest
    assert status(t, head + 'FFFFFFF\n' + 'a' * 300000) == 413


def test_expect(t):
    """RFC 9110 §10.1.1: 100 Continue when it is asked for; other expectations are 417"""
    h = http(t)
    h.send('POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n')
    while b'\r\n\r\n' not in h.held:
        h._more()
    assert h.held == b'HTTP/1.1 100 Continue\r\n\r\n', h.held
    h.held = b''
    assert b'bad-request' in h.send('x').answer().body
    assert status(t, 'GET / HTTP/1.1\nHost: HOST\nExpect: miracles\n\n') == 417
    # Of HTTP/1.0 nothing is expected.
    h = http(t).send('POST /http-bind HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx')
    assert b'bad-request' in h.answer().body


def test_unwanted_body(t):
    """RFC 9110 §15.5.14: a body where none belongs is 413, unread"""
    h = http(t)
    h.send('GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n')
    assert h.answer().status in (413, 426)
    h.expect_eof()


def test_tls(t):
    """P4: TLS 1.2 at least, HTTP/1.1 in ALPN or nothing, and no plaintext"""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert http(t, low=version, high=version).ask('GET', '/').status == 200
    assert http(t, alpn=None).ask('GET', '/').status == 200
    assert http(t, alpn=('h2', 'http/1.1')).sock.selected_alpn_protocol() == 'http/1.1'
    for kw in ({'alpn': ('xmpp-client',)}, {'alpn': ('h2',)}):
        try:
            tls_connect(t.server, t.source, **kw)
            raise AssertionError('connected with %s' % kw)
        except (ssl.SSLError, ConnectionError):
            pass
    s = socket.create_connection(('127.0.0.1', t.server.port_https), PATIENCE)
    s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    try:
        assert b'HTTP' not in s.recv(4096)
    except ConnectionError:
        pass
    s.close()


@alone(limits__http_head_seconds=1, limits__http_idle_seconds=1)
def test_slow_clients(t):
    """limits.http_head_seconds, http_idle_seconds: drips of a head or a body end with 408, silence with the connection's end;
    meanwhile others are served"""
    def drip(h, first):
        h.send(first)
        try:
            for _ in range(200):
                h.send('a')
                if stop.wait(0.05):
                    return
        except (OSError, ssl.SSLError):
            pass
    stop = threading.Event()
    slow, threads = [], []
    for first in ['GET / HTTP/1.1\r\nX: '] * 10 + ['POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'] * 10:
        # Each says something at once: when the last one has connected, a silent first one may be over.
        slow.append(http(t))
        threads.append(threading.Thread(target=drip, args=(slow[-1], first), daemon=True))
        threads[-1].start()
    assert http(t).ask('GET', '/').status == 200
    assert [h.answer().status for h in slow] == [408] * 20
    stop.set()
    for th in threads:
        th.join()
    idle = http(t)
    assert idle.ask('GET', '/').status == 200
    idle.expect_eof()


@alone(limits__http_bodies_bytes='1048576')
def test_bodies_of_strangers(t):
    """limits.http_bodies_bytes: bodies that never end, of people who have nothing to show, have a bound together; the oldest goes, and others are served"""
    def begun(path, fields, n):
        h = http(t)
        h.request('POST', path, {**fields, 'Content-Length': size}).send(b' ' * (size - 1))
        if n:
            t.server.wait(lambda: t.server.metric('chancery_http_bodies_bytes') == n * (size - 1), 'the body')
        return h
    size = 262144
    slow = [begun('/api/v1/whoami', {'Authorization': 'Bearer x', 'Content-Type': 'application/json'}, 1)]
    slow += [begun('/http-bind', {}, n) for n in range(2, 5)]
    new = begun('/http-bind', {}, 0)
    a = slow[0].answer()
    assert a.status == 503 and a.get('Retry-After') and a.get('Connection') == 'close', a
    slow[0].expect_eof()
    for h in [new, *slow[1:]]:
        assert b'bad-request' in h.send(b' ').answer().body
    t.server.wait(lambda: t.server.metric('chancery_http_bodies_bytes') == 0, 'nothing to be left')
    # And those that go away without an end.
    gone = begun('/http-bind', {}, 1)
    gone.close()
    t.server.wait(lambda: t.server.metric('chancery_http_bodies_bytes') == 0, 'nothing to be left')


@alone(limits__login_seconds=1)
def test_no_handshake(t):
    """limits.login_seconds: a connection that does not even begin TLS is closed"""
    s = socket.create_connection(('127.0.0.1', t.server.port_https), PATIENCE)
    assert s.recv(1) == b''
    s.close()


@alone(limits__connections_per_address=5)
def test_connections_per_address(t):
    """limits.connections_per_address counts HTTPS connections too"""
    held = [http(t) for _ in range(5)]
    try:
        http(t).ask('GET', '/')
        raise AssertionError('a sixth connection')
    except (ssl.SSLError, ConnectionError, EOFError):
        pass
    held[0].close()
    for _ in range(100):
        try:
            assert http(t).ask('GET', '/').status == 200
            break
        except (ssl.SSLError, ConnectionError, EOFError):
            continue


def chat_folder(t):
    """A folder for web.chat_dir, filled, and put into force."""
    folder = t.server.path('chat')
    os.makedirs(os.path.join(folder, 'dist'), exist_ok=True)
    for name, text in (('index.html', '<!DOCTYPE html><title>chat</title>'), ('dist/app.js', 'let a = 1\n' * 50000),
                       ('.secret', 'no'), ('dist/a b.css', 'x{}')):
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)
    os.symlink('/etc/passwd', os.path.join(folder, 'passwd'))
    for d, _, files in os.walk(folder):
        os.chmod(d, 0o755)
        for f in files:
            if not os.path.islink(os.path.join(d, f)):
                os.chmod(os.path.join(d, f), 0o644)


@alone(web__chat_dir='chat')
def test_chat_files(t):
    """web.chat_dir: files with their types, a strict policy, and tags by which a browser asks whether they have changed"""
    assert http(t).ask('GET', '/chat/').status == 404
    chat_folder(t)
    h = http(t)
    a = h.ask('GET', '/chat')
    assert a.status == 301 and a.get('Location') == '/chat/', a
    a = h.ask('GET', '/chat/')
    assert a.status == 200 and a.get('Content-Type') == 'text/html; charset=utf-8' and b'chat' in a.body, a
    assert "script-src 'self'" in a.get('Content-Security-Policy') and 'unsafe' not in a.get('Content-Security-Policy').split('style-src')[0], a
    big = h.ask('GET', '/chat/dist/app.js?v=1')
    assert big.status == 200 and big.get('Content-Type').startswith('text/javascript') and len(big.body) == 500000, big.status
    a = h.ask('GET', '/chat/dist/app.js', {'If-None-Match': big.get('ETag')})
    assert a.status == 304 and not a.body, a
    assert h.ask('HEAD', '/chat/dist/app.js').get('Content-Length') == '500000'
    assert h.ask('GET', '/chat/dist/a%20b.css').status == 200
    h.send(b''.join(b'GET /chat/dist/app.js HTTP/1.1\r\nHost: x\r\n\r\n' for _ in range(8)))
    assert [len(h.answer().body) for _ in range(8)] == [500000] * 8


@alone(web__chat_dir='chat')
def test_path_tricks(t):
    """No way out of web.chat_dir: dots in any writing, links, hidden files, folders"""
    chat_folder(t)
    for path in ('/chat/.secret', '/chat/dist', '/chat/dist/', '/chat/nothing', '/chat/passwd', '/chat/passwd/x'):
        a = http(t).ask('GET', path)
        assert a.status == 404, (path, a)
    for path in ('/chat/../chancery.yaml', '/chat/%2e%2e/chancery.yaml', '/chat/..%2fchancery.yaml', '/chat/%2e./chancery.yaml',
                 '/chat/dist/../../chancery.yaml', '/chat//etc/passwd', '/chat/%2fetc/passwd', '/chat/./index.html',
                 '/chat/index.html%00.js', '/chat/..%5cchancery.yaml', '/chat/..\\chancery.yaml', '/chat/%', '/chat/%zz', '/chat/%c0%ae%c0%ae/x',
                 '/chat/%0d%0aX:y', '/../etc/passwd', '//chat/'):
        a = http(t).ask('GET', path)
        assert a.status == 400, (path, a)
    # Decoded once: what is left is a name.
    assert http(t).ask('GET', '/chat/%252e%252e/chancery.yaml').status == 404


@alone(listen__https='[]')
def test_off(t):
    """listen.https: [] and nobody listens"""
    try:
        socket.create_connection(('127.0.0.1', t.server.port_https), 5).close()
        raise AssertionError('somebody listens')
    except ConnectionRefusedError:
        pass


@alone()
def test_new_certificate(t):
    """SIGHUP: new connections get the new certificate, those that are there go on"""
    h = http(t)
    serial = h.sock.getpeercert()['serialNumber']
    tls = os.path.dirname(os.path.realpath(os.path.join(t.server.path('tls'), 'server.pem')))
    test_life.issue(t, t.server.domain, tls, 'server')
    os.kill(t.server.pid, signal.SIGHUP)
    t.server.wait(lambda: http(t).sock.getpeercert()['serialNumber'] != serial or None, 'the new certificate')
    assert h.ask('GET', '/').status == 200

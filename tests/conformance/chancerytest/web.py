"""HTTPS as scenarios need it: requests and answers in the raw, a WebSocket (RFC 6455) whose frames may be wrong, and clients
over both (RFC 7395, XEP-0206). Written with sockets so that everything malformed can be sent."""
import base64
import hashlib
import os
import re
import select
import socket
import ssl
import struct
import time

from .client import Client, PATIENCE
from .element import NAMES, StreamParser, escape

FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def tls_connect(server, source=None, alpn=('http/1.1',), domain=None, low=None, high=None):
    sock = socket.socket()
    if source:
        sock.bind((source, 0))
    sock.settimeout(PATIENCE)
    sock.connect(('127.0.0.1', server.port_https))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(server.ca)
    if low:
        ctx.minimum_version = low
    if high:
        ctx.maximum_version = high
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx.wrap_socket(sock, server_hostname=domain or server.domain)


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def get(self, name):
        return self.fields.get(name.lower())

    def __repr__(self):
        return 'HTTP %d %s %r' % (self.status, self.fields, self.body[:300])


class Http:
    """One connection, kept alive."""

    def __init__(self, server, source=None, **tls):
        self.server = server
        self.sock = tls_connect(server, source, **tls)
        self.held = b''

    @property
    def host(self):
        return '%s:%d' % (self.server.domain, self.server.port_https)

    def send(self, data):
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def request(self, method, path, fields=(), body=None, version='HTTP/1.1', host=None):
        lines = ['%s %s %s' % (method, path, version), 'Host: %s' % (host or self.host)]
        lines += ['%s: %s' % f for f in dict(fields).items()]
        body = body.encode() if isinstance(body, str) else body
        if body is not None:
            lines.append('Content-Length: %d' % len(body))
        return self.send('\r\n'.join(lines).encode() + b'\r\n\r\n' + (body or b''))

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b''
        if not data:
            raise EOFError
        self.held += data

    def answer(self, head=False, timeout=None):
        """The next answer; head: to a HEAD request, which has no body."""
        self.sock.settimeout(timeout or PATIENCE)
        while b'\r\n\r\n' not in self.held:
            self._more()
        text, self.held = self.held.split(b'\r\n\r\n', 1)
        lines = text.decode('latin-1').split('\r\n')
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(': ')
            assert name.lower() not in fields, 'twice in an answer: %s' % line
            fields[name.lower()] = value
        assert lines[0].startswith('HTTP/1.1 '), lines[0]
        status = int(lines[0].split()[1])
        if fields.get('transfer-encoding') == 'chunked' and not head:
            assert 'content-length' not in fields, fields
            return Answer(status, fields, self._chunks())
        n = 0 if head or status in (101, 204, 304) else int(fields['content-length'])
        while len(self.held) < n:
            self._more()
        body, self.held = self.held[:n], self.held[n:]
        return Answer(status, fields, body)

    def _line(self):
        while b'\r\n' not in self.held:
            self._more()
        line, self.held = self.held.split(b'\r\n', 1)
        return line

    def chunk(self):
        """The next chunk of an answer whose head has been read; b'': the last."""
        n = int(self._line(), 16)
        while len(self.held) < n + 2:
            self._more()
        data, end, self.held = self.held[:n], self.held[n:n + 2], self.held[n + 2:]
        assert end == b'\r\n', end
        return data

    def _chunks(self):
        return b''.join(iter(self.chunk, b''))

    def ask(self, method, path, fields=(), body=None, **kw):
        return self.request(method, path, fields, body, **kw).answer(head=method == 'HEAD')

    def expect_eof(self, timeout=None):
        self.sock.settimeout(timeout or PATIENCE)
        try:
            while True:
                self._more()
        except EOFError:
            pass

    def close(self):
        self.sock.close()


class WebSocket(Http):
    """After the handshake: messages. `max_frame` splits what is sent into fragments."""

    def handshake(self, protocol='xmpp', origin=None, path='/ws', version='13', extensions=None, **fields):
        self.key = base64.b64encode(os.urandom(16)).decode()
        f = {'Upgrade': 'websocket', 'Connection': 'keep-alive, Upgrade', 'Sec-WebSocket-Key': self.key,
             'Sec-WebSocket-Version': version}
        if protocol is not None:
            f['Sec-WebSocket-Protocol'] = protocol
        if origin is not None:
            f['Origin'] = origin
        if extensions is not None:
            f['Sec-WebSocket-Extensions'] = extensions
        f.update({k.replace('_', '-'): v for k, v in fields.items()})
        answer = self.ask('GET', path, {k: v for k, v in f.items() if v is not None})
        if answer.status == 101:
            expect = base64.b64encode(hashlib.sha1((self.key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest())
            assert answer.get('Sec-WebSocket-Accept') == expect.decode(), answer
            assert answer.get('Upgrade').lower() == 'websocket' and answer.get('Sec-WebSocket-Protocol') == 'xmpp', answer
            assert answer.get('Sec-WebSocket-Extensions') is None, answer
        return answer

    @staticmethod
    def frame(data, op=TEXT, fin=True, mask=True, rsv=0, length=None):
        data = data.encode() if isinstance(data, str) else data
        n = len(data) if length is None else length
        head = bytes([(0x80 if fin else 0) | rsv << 4 | op])
        m = 0x80 if mask else 0
        head += bytes([m | n]) if n < 126 else struct.pack('!BH', m | 126, n) if n < 65536 else struct.pack('!BQ', m | 127, n)
        if not mask:
            return head + data
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i & 3] for i, b in enumerate(data))

    def frames(self, wait=True):
        """What has come: (opcode, payload) of whole frames; the server fragments nothing and masks nothing."""
        while True:
            out = []
            while True:
                f = self._take()
                if f is None:
                    break
                out.append(f)
            if out or not wait:
                return out
            self._more()

    def _take(self):
        h = self.held
        if len(h) < 2:
            return None
        assert h[0] & 0xf0 == 0x80, 'a frame that is a fragment or has reserved bits: %r' % h[:10]
        assert not h[1] & 0x80, 'the server masks'
        n, at = h[1] & 0x7f, 2
        if n > 125:
            size = 2 if n == 126 else 8
            if len(h) < 2 + size:
                return None
            n, at = int.from_bytes(h[2:2 + size], 'big'), 2 + size
        if len(h) < at + n:
            return None
        self.held = h[at + n:]
        return h[0] & 15, h[at:at + n]


TAG = re.compile(rb"""<(?:[^'">]|'[^']*'|"[^"]*")*>""")


def elements(text):
    """The complete elements of a text, each by itself."""
    data, depth, begin, out = text.encode(), 0, 0, []
    for m in TAG.finditer(data):
        if depth == 0:
            begin = m.start()
        depth += -1 if m[0][1:2] == b'/' else 0 if m[0][-2:-1] == b'/' else 1
        if depth == 0:
            out.append(data[begin:m.end()].decode())
    return out


def qualified(element):
    """With the namespace that a stream's header would have declared (RFC 7395 §3.3.3)."""
    for name in ('message', 'presence', 'iq'):
        n = len(name) + 1
        if element.startswith('<' + name) and element[n] in ' />' and ' xmlns=' not in element[:element.index('>')]:
            return element[:n] + " xmlns='jabber:client'" + element[n:]
    return element


class WebSocketClient(Client):
    """The same client over WebSocket: what it sends and hears goes in frames."""
    ws, fields = None, {}

    def connect(self, **kw):
        self.ws = WebSocket(self.server, self.source)
        self.sock = self.ws.sock
        answer = self.ws.handshake(**self.fields)
        assert answer.status == 101, answer
        self.close_code = None
        return self

    def secure(self, direct=False, **tls):
        self.connect()
        self.open().expect_features()
        return self

    def open(self, to=None, header=None):
        self.header = None
        self.raw(header or "<open xmlns='%s' version='1.0' to='%s'/>" % (FRAMING, to or self.domain))
        return self

    def raw(self, text, **kw):
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(WebSocket.frame(text, **kw))
        return self

    def send(self, text):
        if text.strip() == '</stream:stream>':
            return self.raw("<close xmlns='%s'/>" % FRAMING)
        for e in elements(text):
            self.raw(qualified(e))
        return self

    def end_point(self):
        return None

    def channel(self, mechanism):
        return b''

    def _pump(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self.sock.settimeout(left)
        try:
            frames = self.ws.frames()
        except (TimeoutError, socket.timeout):
            return False
        except (EOFError, ConnectionError, ssl.SSLError):
            self.eof = True
            return True
        for op, data in frames:
            if op == TEXT:
                self._message(data.decode())
            elif op == CLOSE:
                self.close_code = int.from_bytes(data[:2], 'big') if data else None
                self.eof = True
                try:
                    self.raw(data, op=CLOSE)
                except (OSError, ssl.SSLError):
                    pass
            elif op == PONG:
                self.pong = data
        return True

    def _message(self, text):
        assert text.startswith('<'), text
        p = StreamParser()
        events = p.feed(('<x>%s</x>' % text).encode())
        assert [k for k, _ in events] == ['open', 'element', 'close'], text
        e = events[1][1]
        if e.ns == FRAMING:
            self._event(e.name, e if e.name == 'open' else None)
            return
        assert e.name not in ('message', 'presence', 'iq') or e.ns == NAMES['client'], text
        self._event('element', e)


BOSH, XBOSH = 'http://jabber.org/protocol/httpbind', 'urn:xmpp:xbosh'


class Bosh:
    """A BOSH session by hand: bodies out and in, on as many connections as are asked for."""

    def __init__(self, server, source=None):
        self.server, self.source = server, source
        self.conns, self.sid = [], None
        self.rid = int.from_bytes(os.urandom(4), 'big')

    def conn(self, n=0):
        while len(self.conns) <= n:
            self.conns.append(Http(self.server, self.source))
        return self.conns[n]

    def body(self, payload='', rid=None, sid=True, **attrs):
        if rid is None:
            self.rid += 1
            rid = self.rid
        a = {'rid': rid, **{k.replace('__', ':').rstrip('_'): v for k, v in attrs.items()}}
        if sid is True:
            a['sid'] = self.sid
        elif sid:
            a['sid'] = sid
        text = ''.join(" %s='%s'" % (k, escape(str(v))) for k, v in a.items() if v is not None)
        return "<body xmlns='%s' xmlns:xmpp='%s'%s>%s</body>" % (BOSH, XBOSH, text, payload)

    def send(self, payload='', n=0, fields=(), **attrs):
        self.conn(n).request('POST', '/http-bind', {'Content-Type': 'text/xml; charset=utf-8', **dict(fields)},
                             self.body(payload, **attrs))
        return self

    @staticmethod
    def parse(answer):
        assert answer.status == 200 and answer.get('Content-Type') == 'text/xml; charset=utf-8', answer
        p = StreamParser()
        events = p.feed(b'<x>' + answer.body + b'</x>')
        assert [k for k, _ in events] == ['open', 'element', 'close'], answer
        e = events[1][1]
        assert e.name == 'body' and e.ns == BOSH, answer
        return e

    def answer(self, n=0, timeout=None):
        return self.parse(self.conn(n).answer(timeout=timeout))

    def ask(self, payload='', n=0, **attrs):
        return self.send(payload, n, **attrs).answer(n)

    def create(self, **attrs):
        a = {'to': self.server.domain, 'wait': 10, 'hold': 1, 'ver': '1.6', 'xmpp__version': '1.0', 'xml__lang': 'en', **attrs}
        e = self.ask(sid=None, **a)
        self.sid = e.get('sid')
        return e

    def close(self):
        for c in self.conns:
            c.close()


class BoshClient(Client):
    """The same client over BOSH: one request is always waiting, another carries what is said."""
    bosh = None

    def connect(self, **kw):
        self.bosh, self.out, self.free = Bosh(self.server, self.source), [], [0, 1]
        self.bodies, self.at_it = [], False
        self.sock = True
        return self

    def secure(self, direct=False, **tls):
        self.connect()
        self.open().expect_features()
        return self

    def open(self, to=None, header=None):
        self.header = None
        if self.bosh.sid is None:
            e = self.bosh.create(to=to or self.domain)
            self._body(e)
            self.header = e
        else:
            self._post(to=to or self.domain, xmpp__restart='true', xml__lang='en')
            self.header = True
        return self

    def _post(self, payload='', **attrs):
        while not self.free:
            if not self._take(time.monotonic() + PATIENCE):
                raise AssertionError('no request is answered')
            if self.eof:
                raise ConnectionError('the session is gone')
        n = self.free.pop(0)
        self.bosh.send(payload, n, **attrs)
        self.out.append(n)

    def send(self, text):
        if text.strip() == '</stream:stream>':
            self._post(type='terminate')
        else:
            self._post(''.join(qualified(e) for e in elements(text)))
        return self

    def end_point(self):
        return None

    def channel(self, mechanism):
        return b''

    def cut(self):
        if self.bosh:
            self.bosh.close()
        self.sock = None

    def _take(self, deadline):
        """Until the oldest request is answered: in their order, whichever connection has something first (XEP-0124 §14.2)."""
        n, conn = self.out[0], self.bosh.conn(self.out[0])
        if not (conn.held or conn.sock.pending()):
            if not select.select([conn.sock], [], [], max(deadline - time.monotonic(), 0))[0]:
                return False
        del self.out[0]
        self.free.append(n)
        try:
            self.bodies.append(self.bosh.answer(n))
        except (EOFError, ConnectionError, ssl.SSLError):
            self.eof = True
        return True

    def _pump(self, deadline):
        if not self.out:
            self._post()
        if not self.bodies and not self._take(deadline):
            return False
        self._hear()
        return True

    def _hear(self):
        """What is said while one is heard (<a/>) may take the next answer, which is heard behind it."""
        if self.at_it:
            return
        self.at_it = True
        try:
            while self.bodies:
                self._body(self.bodies.pop(0))
        finally:
            self.at_it = False

    def _body(self, e):
        for child in e.all():
            assert child.name not in ('message', 'presence', 'iq') or child.ns == NAMES['client'], child
            self._event('element', child)
        if e.get('type') == 'terminate':
            self.condition = e.get('condition')
            self.ended = True

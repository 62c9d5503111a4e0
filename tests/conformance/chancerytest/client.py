"""A client for scenarios: blocking, one connection, says what it is told and remembers what it hears.

What arrives is kept in `heard` until a scenario asks for it (expect): the order in which a scenario asks for
things of different kinds does not matter. Waiting ends with the event or, far too late, with a failure.
"""
import base64
import hmac
import os
import socket
import ssl
import time
import itertools
import xml.parsers.expat

from .scram import Scram, HASHES
from .element import Element, StreamParser, NAMES, escape

# How long an event may take before a scenario has failed. Generous: machines are slow, sanitizers slower.
PATIENCE = float(os.environ.get('CHANCERY_TEST_PATIENCE', '15'))
_serial = itertools.count(1)


class Closed(AssertionError):
    """The server ended the stream or the connection. `error` is its stream error's condition, or None."""

    def __init__(self, error, text):
        super().__init__(text)
        self.error = error


def unique(prefix='i'):
    return '%s%d' % (prefix, next(_serial))


def b64(data):
    return base64.b64encode(data).decode()


class Client:
    def __init__(self, server, user=None, password=None, domain=None, source=None):
        self.server, self.user, self.password = server, user, password
        self.domain = domain or server.domain
        self.source = source
        self.sock = self.jid = self.features = self.header = None
        self.parser = StreamParser()
        self.heard, self.error, self.ended, self.eof = [], None, False, False
        # XEP-0198 §3 and §4: what we have handled, what we have sent, what is acknowledged.
        self.sm_on, self.sm_id, self.sm_in, self.sm_sent, self.sm_acked = False, None, 0, 0, 0
        self.sm_answers = 0
        self.answer_r = True
        self.binding = None
        self.success = self.authorized = self.bound2 = self.token = None

    @property
    def bare(self):
        return '%s@%s' % (self.user, self.domain)

    # -- the connection ------------------------------------------------------------------------------------

    def connect(self, direct=False, family=socket.AF_INET, **tls):
        host = '127.0.0.1' if family == socket.AF_INET else '::1'
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if self.source and family == socket.AF_INET:
            self.sock.bind((self.source, 0))
        self.sock.settimeout(PATIENCE)
        self.sock.connect((host, self.server.port_tls if direct else self.server.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if direct:
            self.start_tls(alpn=tls.pop('alpn', ['xmpp-client']), **tls)
        return self

    def start_tls(self, alpn=None, low=None, high=None, sni=True, ciphers=None):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.load_verify_locations(self.server.ca)
        if low:
            ctx.minimum_version = low
        if high:
            ctx.maximum_version = high
        if ciphers:
            ctx.set_ciphers(ciphers)
        if alpn:
            ctx.set_alpn_protocols(alpn)
        if not sni:
            ctx.check_hostname = False
        sock, self.sock = self.sock, None       # wrap_socket closes it when it fails
        self.sock = ctx.wrap_socket(sock, server_hostname=self.domain if sni else None)
        return self

    def send(self, text):
        """Raw, nothing is added or counted."""
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())
        return self

    def cut(self):
        """The connection breaks: no </stream:stream>, no TLS goodbye; the kernel sends a reset."""
        sock, self.sock = self.sock, None
        if sock is None:
            return
        if isinstance(sock, ssl.SSLSocket):
            sock = socket.socket(fileno=sock.detach())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        sock.close()

    def close(self):
        """</stream:stream> both ways, then the connection."""
        if self.sock is None:
            return
        try:
            if not (self.ended or self.eof) and self.header is not None:
                self.send('</stream:stream>')
                self.expect_end()
        except (OSError, AssertionError):
            pass
        self.cut()

    # -- hearing -------------------------------------------------------------------------------------------

    def _pump(self, deadline):
        """Reads once. False when the deadline has passed."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            return False
        except (ConnectionError, ssl.SSLError):
            data = b''
        if not data:
            self.eof = True
            return True
        try:
            events = self.parser.feed(data)
        except xml.parsers.expat.ExpatError as e:
            raise AssertionError('the server sends bad XML: %s: %r' % (e, data[-300:])) from e
        for kind, e in events:
            self._event(kind, e)
        return True

    def _event(self, kind, e):
        if kind == 'open':
            self.header = e
        elif kind == 'close':
            self.ended = True
        elif e.ns == NAMES['stream'] and e.name == 'error':
            self.error = e
        elif e.ns == NAMES['sm'] and e.name == 'r':
            if self.answer_r:
                self.ack()
        elif e.ns == NAMES['sm'] and e.name == 'a':
            self.sm_acked = int(e.get('h'))
            self.sm_answers += 1
        elif e.ns == NAMES['sm'] and e.name == 'enabled':
            self.sm_in = 0
            self.heard.append(e)
        else:
            if self.sm_on and e.name in ('message', 'presence', 'iq'):
                self.sm_in += 1
            self.heard.append(e)

    def _wait(self, check, what, timeout=None):
        """Until check() gives something other than None."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            found = check()
            if found is not None:
                return found
            if self.ended or self.eof:
                condition = self.error.condition() if self.error is not None else None
                raise Closed(condition, 'waiting for %s: the stream ended (%s)' % (what, self.error))
            if not self._pump(deadline):
                raise AssertionError('%s: waited in vain for %s; heard %s' % (self.jid or self.user, what, self.heard))

    def expect(self, match, what='an element', timeout=None):
        """Takes the first element heard for which match(element) is true. `match` may be a name."""
        if isinstance(match, str):
            name, what = match, '<%s/>' % match
            match = lambda e: e.name == name
        def check():
            for i, e in enumerate(self.heard):
                if match(e):
                    return self.heard.pop(i)
        return self._wait(check, what, timeout)

    def expect_open(self):
        return self._wait(lambda: self.header, 'a stream header')

    def expect_features(self):
        self.features = self.expect(lambda e: e.ns == NAMES['stream'] and e.name == 'features', 'features')
        return self.features

    def expect_end(self, timeout=None):
        """Until </stream:stream> or the end of the connection; the stream error's condition, None without."""
        def check():
            return True if self.ended or self.eof else None
        self._wait(check, 'the end of the stream', timeout)
        return self.error.condition() if self.error is not None else None

    def expect_eof(self, timeout=None):
        """Until the server has closed the connection."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while not self.eof:
            if not self._pump(deadline):
                raise AssertionError('the connection stays open')

    def expect_message(self, body=None, **attrs):
        def match(e):
            return (e.name == 'message' and (body is None or e.text('body') == body)
                    and all(e.get(k.rstrip('_')) == v for k, v in attrs.items()))
        return self.expect(match, 'message %s %s' % (body, attrs))

    def expect_presence(self, type=None, from_=None):
        def match(e):
            return e.name == 'presence' and e.get('type') == type and (from_ is None or e.get('from') == from_)
        return self.expect(match, 'presence %s from %s' % (type, from_))

    def expect_push(self, jid=None):
        """A roster push (RFC 6121 §2.1.6), answered; its item."""
        def match(e):
            return (e.name == 'iq' and e.get('type') == 'set' and e.find('roster:query', 'item') is not None
                    and (jid is None or e.find('roster:query', 'item').get('jid') == jid))
        push = self.expect(match, 'a roster push for %s' % jid)
        self.stanza("<iq type='result' id='%s'/>" % escape(push.get('id')))
        return push.find('roster:query', 'item')

    def heard_any(self, match):
        return [e for e in self.heard if match(e)]

    # -- streams -------------------------------------------------------------------------------------------

    def open(self, to=None, header=None):
        """Sends a stream header and takes the server's; features stay to be expected."""
        self.parser, self.header = StreamParser(), None
        self.send(header or "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='%s' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>" % (to or self.domain))
        return self

    def secure(self, direct=False, **tls):
        """Connected, under TLS, with a stream whose features have come."""
        self.connect(direct=direct, **tls) if direct else self.connect()
        if not direct:
            self.open().expect_features()
            self.send("<starttls xmlns='%s'/>" % NAMES['tls'])
            self.expect('proceed')
            self.start_tls(**tls)
        self.open().expect_features()
        return self

    def mechanisms(self):
        m = self.features.find('sasl:mechanisms')
        return [] if m is None else [e.text() for e in m.all('mechanism')]

    def end_point(self):
        """tls-server-end-point (RFC 5929 §4) for our test certificates, which are signed with SHA-256."""
        import hashlib
        return 'tls-server-end-point', hashlib.sha256(self.sock.getpeercert(True)).digest()

    def auth_send(self, mechanism, initial):
        text = '' if initial is None else (b64(initial) or '=')
        self.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (NAMES['sasl'], mechanism, text))

    def sasl_next(self):
        """(name, decoded text) of the next SASL element; for a failure its condition."""
        e = self.expect(lambda e: e.ns == NAMES['sasl'], 'a SASL answer')
        if e.name == 'failure':
            self.refusal = e
            return 'failure', e.condition()
        if e.name == 'success':
            self.header = None      # this stream is over; the next one has to be opened
        return e.name, b'' if e.text() == '=' else base64.b64decode(e.text(), validate=True)

    def auth(self, mechanism='SCRAM-SHA-256', password=None, user=None, **scram):
        """The whole exchange. Returns None on success, else the failure's condition."""
        user, password = user or self.user, self.password if password is None else password
        if mechanism == 'PLAIN':
            authzid = scram.get('authzid') or ''
            self.auth_send('PLAIN', ('%s\0%s\0%s' % (authzid, user, password)).encode())
            kind, what = self.sasl_next()
            return None if kind == 'success' else what
        if mechanism.endswith('-PLUS') and 'binding' not in scram:
            scram['binding'] = self.end_point()
        self.scram = s = Scram(mechanism, user, password, **scram)
        self.auth_send(mechanism, s.first())
        kind, what = self.sasl_next()
        if kind == 'challenge':
            self.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl'], b64(s.final(what))))
            kind, what = self.sasl_next()
        if kind == 'failure':
            return what
        s.check(what)
        return None

    def authenticated(self, mechanism='SCRAM-SHA-256', direct=False, **tls):
        """Ready for binding or resuming."""
        self.secure(direct=direct, **tls)
        failure = self.auth(mechanism)
        assert failure is None, 'authentication failed: %s' % failure
        self.open().expect_features()
        return self

    def bind(self, resource=None):
        """The full JID, or the error's condition after a refusal in self.bind_error."""
        child = '<resource>%s</resource>' % escape(resource) if resource is not None else ''
        answer = self.iq('set', "<bind xmlns='%s'>%s</bind>" % (NAMES['bind'], child))
        self.bind_error = answer.condition() if answer.get('type') == 'error' else None
        self.jid = answer.text('bind', 'jid')
        return self.jid

    # -- SASL2 (XEP-0388), Bind 2 (XEP-0386), FAST (XEP-0484) ------------------------------------------------

    def authenticate_send(self, mechanism, initial=None, agent=None, inner=''):
        """<authenticate/>. agent: a uuid, or (uuid, software, device)."""
        text = '' if initial is None else '<initial-response>%s</initial-response>' % b64(initial)
        if agent is not None:
            id, software, device = (agent, None, None) if isinstance(agent, str) else agent
            text += "<user-agent%s>%s%s</user-agent>" % (
                " id='%s'" % escape(id) if id is not None else '',
                '<software>%s</software>' % escape(software) if software is not None else '',
                '<device>%s</device>' % escape(device) if device is not None else '')
        self.send("<authenticate xmlns='%s' mechanism='%s'>%s%s</authenticate>"
                  % (NAMES['sasl2'], mechanism, text, inner))

    def sasl2_next(self):
        """The next element of SASL2."""
        return self.expect(lambda e: e.ns == NAMES['sasl2'], 'an answer of SASL2')

    def _sasl2_end(self, e, proof=None):
        """Takes <success/> in, and gives None; or the condition of <failure/>."""
        if e.name == 'failure':
            conditions = e.all(None, 'sasl')
            assert len(conditions) == 1, e
            return conditions[0].name
        assert e.name == 'success', e
        self.success = e
        if proof:
            proof(base64.b64decode(e.text('additional-data'), validate=True))
        self.authorized = e.text('authorization-identifier')
        self.bound2, self.token = e.find('bind2:bound'), e.find('fast:token')
        enabled, resumed = e.find('bind2:bound', 'sm:enabled'), e.find('sm:resumed')
        if '/' in self.authorized:
            self.jid = self.authorized
        if enabled is not None:
            self.sm_on, self.sm_id, self.sm_in, self.sm_sent, self.sm_acked = True, enabled.get('id'), 0, 0, 0
        if resumed is None:
            self.expect_features()
        return None

    def next_send(self, code, task='TOTP'):
        self.send("<next xmlns='%s' task='%s'><totp xmlns='urn:chancery:totp:0'>%s</totp></next>" % (NAMES['sasl2'], task, code))

    def _sasl2_code(self, e, code, proof=None):
        """The one-time code where it is asked for; 'continue' when there is none to give."""
        if e.name != 'continue':
            return self._sasl2_end(e, proof)
        self.asked = e
        assert [x.text() for x in e.find('tasks').all('task')] == ['TOTP'], e
        if proof:
            proof(base64.b64decode(e.text('additional-data'), validate=True))
        if code is None:
            return 'continue'
        self.next_send(code)
        return self._sasl2_end(self.sasl2_next())

    def sasl2(self, mechanism='SCRAM-SHA-256', agent=None, inner='', password=None, user=None, code=None, **scram):
        """The whole exchange with a password. None, or the failure's condition."""
        user, password = user or self.user, self.password if password is None else password
        if mechanism == 'PLAIN':
            self.authenticate_send('PLAIN', ('\0%s\0%s' % (user, password)).encode(), agent, inner)
            return self._sasl2_code(self.sasl2_next(), code)
        if mechanism.endswith('-PLUS') and 'binding' not in scram:
            scram['binding'] = self.end_point()
        self.scram = s = Scram(mechanism, user, password, **scram)
        self.authenticate_send(mechanism, s.first(), agent, inner)
        e = self.sasl2_next()
        if e.name == 'challenge':
            final = s.final(base64.b64decode(e.text(), validate=True))
            self.send("<response xmlns='%s'>%s</response>" % (NAMES['sasl2'], b64(final)))
            e = self.sasl2_next()
        return self._sasl2_code(e, code, s.check)

    def channel(self, mechanism):
        """What a mechanism of the HT family binds to on this connection."""
        return self.end_point()[1] if mechanism.endswith('-ENDP') else b''

    def fast_send(self, token, mechanism='HT-SHA-256-ENDP', agent=None, inner='', user=None, attrs='', channel=None):
        """A login with a token (draft-schmaus-kitten-sasl-ht), whose end fast_end waits for."""
        key, channel = token.encode(), self.channel(mechanism) if channel is None else channel
        initial = (user or self.user).encode() + b'\0' + hmac.digest(key, b'Initiator' + channel, 'sha256')
        self.responder = hmac.digest(key, b'Responder' + channel, 'sha256')
        self.authenticate_send(mechanism, initial, agent, "<fast xmlns='%s'%s/>%s" % (NAMES['fast'], attrs, inner))

    def fast_end(self):
        def proof(data):
            assert data == self.responder, 'wrong proof of the server'
        return self._sasl2_end(self.sasl2_next(), proof)

    def fast(self, *args, **kw):
        """One step with a token. None, or the failure's condition."""
        self.fast_send(*args, **kw)
        return self.fast_end()

    # -- stanzas -------------------------------------------------------------------------------------------

    def stanza(self, text):
        """Sends one stanza and counts it for stream management."""
        if self.sm_on:
            self.sm_sent += 1
        return self.send(text)

    def iq_send(self, type, payload='', to=None, id=None):
        id = id or unique('q')
        self.stanza("<iq type='%s' id='%s'%s>%s</iq>" % (type, id, " to='%s'" % escape(to) if to else '', payload))
        return id

    def iq(self, type, payload='', to=None):
        """Sends a request and gives its answer."""
        id = self.iq_send(type, payload, to)
        return self.expect(lambda e: e.name == 'iq' and e.get('id') == id and e.get('type') in ('result', 'error'),
                           'the answer to %s %s' % (type, payload))

    def message(self, to, body=None, type='chat', id=None, inner=''):
        id = id or unique('m')
        t = " type='%s'" % type if type else ''
        b = '<body>%s</body>' % escape(body) if body is not None else ''
        self.stanza("<message to='%s' id='%s'%s>%s%s</message>" % (escape(to), id, t, b, inner))
        return id

    def presence(self, type=None, to=None, priority=None, inner=''):
        a = (" type='%s'" % type if type else '') + (" to='%s'" % escape(to) if to else '')
        p = '<priority>%d</priority>' % priority if priority is not None else ''
        self.stanza('<presence%s>%s%s</presence>' % (a, p, inner))
        return self

    def online(self, priority=None, inner=''):
        """Initial presence, and its own reflection (RFC 6121 §4.2.2), so that what follows finds it available."""
        self.presence(priority=priority, inner=inner)
        self.expect_presence(None, self.jid)
        return self

    def ping(self, to=None):
        return self.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to)

    def roster(self, ver=None):
        v = '' if ver is None else " ver='%s'" % ver
        return self.iq('get', "<query xmlns='jabber:iq:roster'%s/>" % v)

    def sync(self, *others):
        """Everything that self has sent to others has arrived when this returns (order holds for every pair)."""
        for o in others:
            id = unique('sync')
            self.message(o.jid, 'sync', id=id)
            o.expect_message(id=id)

    # -- stream management ---------------------------------------------------------------------------------

    def enable(self, resume=True):
        self.send("<enable xmlns='urn:xmpp:sm:3'%s/>" % (" resume='true'" if resume else ''))
        # Counting starts with the element itself on either side (XEP-0198 §3).
        self.sm_sent = self.sm_acked = 0
        self.sm_on = True
        e = self.expect(lambda e: e.ns == NAMES['sm'], 'enabled')
        assert e.name == 'enabled', e
        self.sm_id = e.get('id')
        return e

    def ack(self):
        self.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.sm_in)

    def acked(self):
        """Until all that was sent is acknowledged. An <a/> says what has been handled by then: ask again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            before = self.sm_answers
            self.send("<r xmlns='urn:xmpp:sm:3'/>")
            self._wait(lambda: True if self.sm_answers > before else None, '<a/>')
            if self.sm_acked == self.sm_sent:
                return
            assert time.monotonic() < deadline, 'acknowledged: %d of %d' % (self.sm_acked, self.sm_sent)
            time.sleep(0.01)

    def resume(self, old, h=None, previd=None):
        """On an authenticated stream without a resource: takes over the old one's session. The answer."""
        self.send("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>"
                  % (old.sm_in if h is None else h, escape(previd or old.sm_id)))
        self.sm_in, self.sm_sent, self.sm_acked, self.sm_id = old.sm_in, old.sm_sent, old.sm_acked, old.sm_id
        self.sm_on = True
        e = self.expect(lambda e: e.ns == NAMES['sm'] and e.name in ('resumed', 'failed'), 'resumed')
        if e.name == 'resumed':
            self.jid = old.jid
            self.sm_acked = int(e.get('h'))
        else:
            self.sm_on = False
        return e

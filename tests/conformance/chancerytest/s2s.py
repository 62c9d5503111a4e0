"""Other servers for scenarios (RFC 6120 §4 to §6, XEP-0178): a raw stream, each step of which can be taken, left out or done wrongly,
and a whole server of another domain.

Stream      one connection between servers. Made by us:    s = t.s2s('verona.test').connect(); s.open(); s.expect_features() ...
            or at once, with everything as it should be:   s = t.s2s('verona.test', cert).authenticated(); s.send("<message .../>")
            Made by the server under test:                 s = peer.accept(); s.serve()      (or step by step, see serve)
Partner     a domain with its certificate, its port, its records in the name server, allowed at the server under test:
                p = t.partner()                 # p.domain is its own; allowed both ways, with the test CA
                p.message(juliet.jid, 'hello')  # connects when needed
                p.expect_message('hello back')  # takes connections when they come, and whatever stream it comes on
            t.partner(allow=None) has not been allowed; allow=('--pin', pin(p.certificate)) says how. p.stop() and p.listen(): it is gone,
            and back. p.direct: announced with direct TLS. p.features: what is offered behind authentication.
"""
import base64
import itertools
import select
import socket
import ssl
import time

from . import dns
from .ca import authority
from .client import Client, PATIENCE, b64, unique
from .element import NAMES, StreamParser, escape

NAMES['server'] = 'jabber:server'
NAMES['bidi'] = 'urn:xmpp:bidi'
NAMES['db'] = 'jabber:server:dialback'

STARTTLS = "<starttls xmlns='%s'><required/></starttls>" % NAMES['tls']
EXTERNAL = "<mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>" % NAMES['sasl']
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"

_numbers = itertools.count(1)
_addresses = itertools.count()


def own_address():
    """A loopback address that nobody else has in this run (Scenario.source has others): who still waits for a partner that is gone, and tries
    again, must not come to the next one, to which the system has given the same port."""
    n = next(_addresses)
    return '127.%d.%d.%d' % (201 + n // 62500 % 54, n // 250 % 250, 2 + n % 250)


class Stream(Client):
    """As a client, but of jabber:server, with a certificate, and on either end. `domain`: who it says it is; `to`: a domain of the server's."""

    def __init__(self, server, domain, certificate=None, to=None, source=None, sock=None):
        super().__init__(server, domain=to or server.domain, source=source)
        self.own, self.certificate, self.sock, self.user = domain, certificate, sock, domain
        self.sni, self.authzid, self.id = None, None, unique('s')

    # -- the connection ------------------------------------------------------------------------------------

    def connect(self, direct=False, family=socket.AF_INET, **tls):
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if self.source and family == socket.AF_INET:
            self.sock.bind((self.source, 0))
        self.sock.settimeout(PATIENCE)
        self.sock.connect(('127.0.0.1' if family == socket.AF_INET else '::1',
                           self.server.port_s2s_tls if direct else self.server.port_s2s))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if direct:
            self.start_tls(alpn=tls.pop('alpn', ['xmpp-server']), **tls)
        return self

    def _context(self, protocol, low, high, ciphers):
        # Security level 0: we may show certificates, and try versions, that nobody should take.
        ctx = ssl.SSLContext(protocol)
        ctx.check_hostname = False
        ctx.set_ciphers((ciphers or 'DEFAULT') + ':@SECLEVEL=0')
        ctx.load_verify_locations(self.server.ca)
        if low:
            ctx.minimum_version = low
        if high:
            ctx.maximum_version = high
        if self.certificate:
            ctx.load_cert_chain(self.certificate.pem, self.certificate.key)
        return ctx

    def start_tls(self, alpn=None, low=None, high=None, sni=True, ciphers=None, verify=True):
        """As the client of TLS. `sni`: True (the domain we want), False (none), or another name."""
        ctx = self._context(ssl.PROTOCOL_TLS_CLIENT, low, high, ciphers)
        ctx.check_hostname = verify and sni is True
        if not verify:
            ctx.verify_mode = ssl.CERT_NONE
        if alpn:
            ctx.set_alpn_protocols(alpn)
        sock, self.sock = self.sock, None       # wrap_socket closes it when it fails
        self.sock = ctx.wrap_socket(sock, server_hostname=self.domain if sni is True else sni or None)
        return self

    def accept_tls(self, alpn=None, low=None, high=None, ciphers=None, verify=True):
        """As the server of TLS; what was asked for by SNI is in self.sni, who came in self.names()."""
        ctx = self._context(ssl.PROTOCOL_TLS_SERVER, low, high, ciphers)
        ctx.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        if alpn:
            ctx.set_alpn_protocols(alpn)

        def asked(_sock, name, _ctx):
            self.sni = name
        ctx.sni_callback = asked
        sock, self.sock = self.sock, None
        self.sock = ctx.wrap_socket(sock, server_side=True)
        return self

    def names(self):
        """DNS names in the certificate that the other side has shown."""
        return [v for k, v in (self.sock.getpeercert() or {}).get('subjectAltName', ()) if k == 'DNS']

    def has_input(self):
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    # -- headers -------------------------------------------------------------------------------------------

    def fresh(self):
        """A new stream begins: what comes next is a header."""
        self.parser, self.header = StreamParser(), None
        return self

    def header_text(self, to=None, from_=None, ns='jabber:server', version='1.0', extra=''):
        """`to`, `from_`: None for the right one, '' for none."""
        def attr(name, value):
            return " %s='%s'" % (name, escape(value)) if value else ''
        to = self.domain if to is None else to
        from_ = self.own if from_ is None else from_
        return ("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='%s'%s%s%s%s>"
                % (ns, NAMES['db'], attr('to', to), attr('from', from_), attr('version', version), extra))

    def open(self, to=None, header=None, **how):
        """Sends a stream header; theirs, and features, stay to be expected."""
        self.fresh()
        return self.send(header or self.header_text(to, **how))

    def answer_open(self, features='', **how):
        """Takes their header and sends ours with features, which may be None for none at all."""
        h = self.expect_open()
        if h.get('from'):
            self.domain = h.get('from')
        self.send(self.header_text(extra=" id='%s'" % self.id, **how))
        if features is not None:
            self.send('<stream:features>%s</stream:features>' % features)
        return h

    # -- as the one who connects ---------------------------------------------------------------------------

    def external_send(self, authzid=None):
        """authzid: None: "=" (empty); False: no initial response; or a text."""
        text = '' if authzid is False else '=' if authzid is None else b64(authzid.encode()) or '='
        return self.send("<auth xmlns='%s' mechanism='EXTERNAL'>%s</auth>" % (NAMES['sasl'], text))

    def external(self, authzid=None):
        """None on success, else the failure's condition."""
        self.external_send(authzid)
        kind, what = self.sasl_next()
        return None if kind == 'success' else what

    def authenticated(self, direct=False, authzid=None, **tls):
        """Ready for stanzas."""
        self.secure(direct=direct, **tls)
        assert self.mechanisms() == ['EXTERNAL'], self.features
        failure = self.external(authzid)
        assert failure is None, failure
        self.open().expect_features()
        return self

    # -- as the one who is connected to --------------------------------------------------------------------

    def serve_secure(self, direct=False, **tls):
        """Their first header up to TLS."""
        if direct:
            self.accept_tls(alpn=tls.pop('alpn', ['xmpp-server']), **tls)
        else:
            self.fresh().answer_open(STARTTLS)
            self.expect('starttls')
            self.fresh().send("<proceed xmlns='%s'/>" % NAMES['tls'])
            self.accept_tls(**tls)
        return self.fresh()

    def serve_auth(self, offered=EXTERNAL):
        """Their header under TLS, and what they authenticate with; the text they send as authorisation identity, decoded."""
        self.answer_open(offered)
        auth = self.expect('auth')
        assert auth.get('mechanism') == 'EXTERNAL', auth
        self.authzid = base64.b64decode(auth.text()).decode() if auth.text() not in ('', '=') else ''
        return self

    def serve(self, direct=False, features='', **tls):
        """All of it, as it should be; ready for stanzas."""
        self.serve_secure(direct=direct, **tls).serve_auth()
        assert self.authzid in ('', self.domain), self.authzid
        self.fresh().send("<success xmlns='%s'/>" % NAMES['sasl'])
        self.answer_open(features)
        return self

    def serve_sm(self, resume=True):
        """They ask for stream management (XEP-0198 §3); the server enables it when `features` had it."""
        e = self.expect(lambda e: e.ns == NAMES['sm'] and e.name == 'enable', '<enable/>')
        self.sm_id = unique('sm')
        self.sm_on, self.sm_in, self.sm_sent, self.sm_acked = True, 0, 0, 0
        self.send("<enabled xmlns='urn:xmpp:sm:3' id='%s'%s/>" % (self.sm_id, " resume='true'" if resume else ''))
        return e

    # -- stanzas: with both addresses ----------------------------------------------------------------------

    def iq(self, type, payload='', to=None, from_=None):
        id = unique('q')
        self.stanza("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (type, id, from_ or self.own, to or self.domain, payload))
        return self.expect(lambda e: e.name == 'iq' and e.get('id') == id and e.get('type') in ('result', 'error'), 'the answer to %s' % payload)

    def close(self):
        if self.sock is None:
            return
        try:
            if not (self.ended or self.eof) and self.header is not None:
                self.send('</stream:stream>')
                self.expect_end(2)
        except (OSError, AssertionError):
            pass
        self.cut()


class Partner:
    """A server of another domain."""

    def __init__(self, t, domain=None, allow=(), certificate=None, direct=False, features='', listen=True):
        self.t, self.server = t, t.server
        self.domain = domain or 'd%d.peers.test' % next(_numbers)
        self.certificate = certificate or authority().certificate(self.domain)
        self.direct, self.features = direct, features
        self.streams = []       # both kinds, those that have ended too
        self.out = None         # the one that we have made
        self.listener, self.address, self.port = None, own_address(), 0
        if listen:
            self.listen()
        if allow is not None:
            self.allow(*allow)

    def jid(self, user='romeo', resource=None):
        return '%s@%s%s' % (user, self.domain, '/' + resource if resource else '')

    # -- administration ------------------------------------------------------------------------------------

    def cli(self, *args):
        code, out, err = self.server.cli('federation', *args)
        assert code == 0, (args, out, err)
        return out

    def allow(self, *args):
        """What is not said about trust is: the test CA."""
        if not any(a in args for a in ('--ca', '--pin', '--dane')):
            args += ('--ca', authority().pem)
        return self.cli('allow', self.domain, *args, '--owner', 'tests@chancery.test', '--reason', 'a scenario')

    def deny(self):
        return self.cli('deny', self.domain, '--reason', 'a scenario')

    # -- where it is ---------------------------------------------------------------------------------------

    def listen(self, announce=True, family=socket.AF_INET):
        """Connections can be made to it from now on, at the port it had."""
        assert self.listener is None
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address if family == socket.AF_INET else '::1', self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        if announce:
            self.announce()
        return self

    def announce(self, *records):
        """Its SRV and address records; `records`: instead of the usual SRV ones."""
        name = '_%s._tcp.%s' % ('xmpps-server' if self.direct else 'xmpp-server', self.domain)
        other = '_%s._tcp.%s' % ('xmpp-server' if self.direct else 'xmpps-server', self.domain)
        host = 'host.' + self.domain
        self.server.dns.set(name, *(records or [dns.srv(0, 0, self.port, host)]))
        self.server.dns.set(other)
        self.server.dns.set(host, dns.a(self.address))

    def stop(self):
        """Nobody is there any more: what is open breaks, and new connections are refused."""
        if self.listener:
            self.listener.close()
            self.listener = None
        for s in self.streams:
            s.cut()
        self.streams, self.out = [], None

    # -- streams -------------------------------------------------------------------------------------------

    def stream(self, to=None, **how):
        """A Stream of this domain, not connected."""
        s = Stream(self.server, self.domain, how.pop('certificate', self.certificate), to=to, source=self.t.source, **how)
        self.t.clients.append(s)
        return s

    def connected(self, **how):
        """The stream that we send on; made when there is none that lives."""
        if self.out is None or self.out.sock is None or self.out.ended or self.out.eof:
            self.out = self.stream().authenticated(direct=self.direct, **how)
            self.streams.append(self.out)
        return self.out

    def accept(self, timeout=None):
        """The next connection from the server under test, about which nothing has been said yet."""
        self.listener.settimeout(timeout or PATIENCE)
        try:
            sock, _ = self.listener.accept()
        except (TimeoutError, socket.timeout):
            raise AssertionError('%s: the server does not connect' % self.domain) from None
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s = self.stream(sock=sock)
        s.domain = None
        return s

    def taken(self, **tls):
        """The next connection, up to where stanzas may come."""
        s = self.accept().serve(direct=self.direct, features=self.features, **tls)
        if SM in self.features:
            s.serve_sm()
        self.streams.append(s)
        return s

    # -- stanzas -------------------------------------------------------------------------------------------

    def send(self, text):
        """Raw, on the stream that we have made."""
        self.connected().stanza(text)
        return self

    def message(self, to, body=None, from_=None, type='chat', id=None, inner=''):
        id = id or unique('m')
        t = " type='%s'" % type if type else ''
        b = '<body>%s</body>' % escape(body) if body is not None else ''
        self.send("<message from='%s' to='%s' id='%s'%s>%s%s</message>" % (escape(from_ or self.jid()), escape(to), id, t, b, inner))
        return id

    def presence(self, to, type=None, from_=None, inner=''):
        t = " type='%s'" % type if type else ''
        return self.send("<presence from='%s' to='%s'%s>%s</presence>" % (escape(from_ or self.jid(resource='pda')), escape(to), t, inner))

    def iq(self, type, payload='', to=None, from_=None):
        """Sends a request and gives its answer, which comes on a stream of theirs."""
        id = unique('q')
        self.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>"
                  % (type, id, escape(from_ or self.jid(resource='pda')), escape(to or self.server.domain), payload))
        return self.expect(lambda e: e.name == 'iq' and e.get('id') == id and e.get('type') in ('result', 'error'), 'the answer to ' + payload)

    def answer(self, iq, type='result', payload=''):
        self.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>"
                  % (type, escape(iq.get('id')), escape(iq.get('to')), escape(iq.get('from')), payload))

    def expect(self, match, what='a stanza', timeout=None):
        """The first stanza, on whatever stream of this server's, for which match(element) is true. Takes connections meanwhile."""
        if isinstance(match, str):
            name, what = match, '<%s/>' % match
            match = lambda e: e.name == name
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            for s in self.streams:
                for i, e in enumerate(s.heard):
                    if match(e):
                        return s.heard.pop(i)
            assert self._wait(deadline), '%s: waited in vain for %s; heard %s' % (self.domain, what, self.heard())

    def heard(self):
        return [e for s in self.streams for e in s.heard]

    def _wait(self, deadline):
        """Reads once, from whichever has something; False when the deadline has passed."""
        alive = [s for s in self.streams if s.sock is not None and not s.eof]
        ready = [s for s in alive if s.has_input()]
        if not ready:
            doors = [self.listener] if self.listener else []
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            found = select.select(doors + [s.sock for s in alive], [], [], left)[0]
            if self.listener in found:
                self.taken()
            ready = [s for s in alive if s.sock in found]
        for s in ready:
            s._pump(deadline)
            if s.eof or s.ended:
                # Their end of the stream is answered, as RFC 6120 §4.4 has it.
                s.close()
        return True

    def expect_message(self, body=None, **attrs):
        def match(e):
            return (e.name == 'message' and (body is None or e.text('body') == body)
                    and all(e.get(k.rstrip('_')) == v for k, v in attrs.items()))
        return self.expect(match, 'message %s %s' % (body, attrs))

    def expect_presence(self, type=None, from_=None):
        def match(e):
            return e.name == 'presence' and e.get('type') == type and (from_ is None or e.get('from') == from_)
        return self.expect(match, 'presence %s from %s' % (type, from_))

    def expect_end(self, timeout=None):
        """Until the stream that we have made is ended by the server; the stream error's condition, None without."""
        return self.out.expect_end(timeout)

    def close(self):
        for s in self.streams:
            s.close()
        if self.listener:
            self.listener.close()
            self.listener = None

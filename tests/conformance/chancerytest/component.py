"""A component for scenarios (XEP-0114): a Client on the component port, whose stanzas are of jabber:component:accept."""
import hashlib
import socket
import ssl

from .client import Client, PATIENCE
from .element import NAMES, StreamParser

NAMES['component'] = 'jabber:component:accept'


class Component(Client):
    def __init__(self, server, domain, source=None, secret=None):
        super().__init__(server, domain=domain, source=source)
        self.secret = secret    # None: that of the settings' components

    def connect_unix(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(path)
        self.parser = StreamParser()
        return self

    def connect_tls(self, port):
        """By TLS from the first byte; the certificate is that of the server's own domain."""
        ctx = ssl.create_default_context(cafile=self.server.ca)
        self.sock = ctx.wrap_socket(socket.create_connection(('127.0.0.1', port), PATIENCE), server_hostname=self.server.domain)
        self.parser = StreamParser()
        return self

    def connect(self):
        self.sock = socket.socket()
        if self.source:
            self.sock.bind((self.source, 0))
        self.sock.settimeout(PATIENCE)
        self.sock.connect(('127.0.0.1', self.server.port_component))
        self.parser = StreamParser()
        return self

    def open(self, to=None, ns='jabber:component:accept'):
        self.header = None
        self.send("<stream:stream xmlns='%s' to='%s' xmlns:stream='http://etherx.jabber.org/streams'>"
                  % (ns, to or self.domain))
        return self

    def expect_header(self):
        self._wait(lambda: self.header, 'a stream header')
        return self.header

    def handshake(self, secret=None):
        """Sends it; the answer is for expect('handshake'), or a stream error."""
        secret = secret or self.secret or self.server.component_secret()
        self.send('<handshake>%s</handshake>'
                  % hashlib.sha1((self.expect_header().get('id') + secret).encode()).hexdigest())
        return self

    def joined(self):
        if self.sock is None:
            self.connect()
        self.open().handshake()
        self.expect('handshake')
        return self

    def answer(self, iq, type='result', payload=''):
        self.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>"
                  % (type, iq.get('id'), iq.get('to'), iq.get('from'), payload))

    def close(self):
        if self.sock is None:
            return
        try:
            if not (self.ended or self.eof) and self.header is not None:
                self.send('</stream:stream>')
                self.expect_end()
        except (OSError, AssertionError):
            pass
        self.cut()

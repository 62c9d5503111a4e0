"""A SIEM: takes syslog over TLS (RFC 5425) and reads it strictly (RFC 5424)."""
import json
import re
import socket
import ssl
import threading

from .client import PATIENCE

HEAD = re.compile(rb'<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) '
                  rb'((?:\[[!-~]+(?: [!-~]+="(?:[^"\\\]]|\\["\\\]])*")*\])+|-) (.*)\Z', re.S)


class Message:
    def __init__(self, raw):
        m = HEAD.match(raw)
        assert m, raw[:200]
        self.raw = raw
        self.facility, self.severity = divmod(int(m[1]), 8)
        self.at, self.host, self.app, self.procid, self.msgid = (m[i].decode() for i in range(2, 7))
        self.data = dict(re.findall(r'(\w+)="([^"]*)"', m[7].decode()))
        self.json = json.loads(m[8])
        assert self.facility == 13 and self.app == 'chanceryd' and self.severity <= 7, raw[:200]

    @property
    def record(self):
        return int(self.data.get('record', 0))


class Siem:
    """certificate: (certificate file, key file). It can be killed, and started again on the same port."""

    def __init__(self, certificate, port=0):
        self.certificate, self.port, self.messages, self.lock, self.conns = certificate, port, [], threading.Lock(), []
        self.start()

    def start(self):
        self.closed = False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', self.port))
        self.listener.listen(5)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.accepting.start()
        return self

    def kill(self):
        """As a crash: what was not read is lost, and the other end gets a reset. Nothing is closed while a thread is in it: the number may be
        somebody else's file by the time it is used."""
        self.closed = True
        self.listener.shutdown(socket.SHUT_RDWR)    # wakes who accepts
        self.accepting.join()
        self.listener.close()
        conns, self.conns = self.conns, []
        for c, reader in conns:
            try:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                socket.socket.shutdown(c, socket.SHUT_RDWR)    # wakes who reads
            except OSError:
                pass
            reader.join()
            c.close()

    def _accept(self, listener):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            c.settimeout(PATIENCE)
            try:
                c = context.wrap_socket(c, server_side=True)
            except (OSError, ssl.SSLError):
                c.close()
                continue
            c.settimeout(None)
            reader = threading.Thread(target=self._read, args=(c,), daemon=True)
            self.conns.append((c, reader))
            reader.start()

    def _read(self, c):
        held = b''
        while True:
            try:
                data = c.recv(65536)
            except (OSError, ssl.SSLError):
                return
            if not data:
                return
            held += data
            while b' ' in held[:8]:
                n, rest = held.split(b' ', 1)
                assert re.fullmatch(rb'[1-9]\d*', n), n
                if len(rest) < int(n):
                    break
                m, held = Message(rest[:int(n)]), rest[int(n):]
                with self.lock:
                    if not self.closed:
                        self.messages.append(m)

    def all(self, check=lambda m: True):
        with self.lock:
            return [m for m in self.messages if check(m)]

"""A client of SOCKS5 bytestreams (XEP-0065, RFC 1928): just enough to connect to the proxy, to send, and to see what comes."""
import hashlib
import socket

from .client import PATIENCE


def address(sid, requester, target):
    """DST.ADDR (XEP-0065 §6.3.2)"""
    return hashlib.sha1((sid + requester + target).encode()).hexdigest()


class Socks:
    def __init__(self, server, name=None, source=''):
        """With the address of a bytestream: connected for it."""
        self.socket = socket.create_connection(('127.0.0.1', server.port_proxy), PATIENCE, (source, 0))
        self.socket.settimeout(PATIENCE)
        if name:
            assert self.greet() == b'\5\0'
            reply = self.connect(name)
            assert reply == b'\5\0\0\3\x28' + name.encode() + b'\0\0', reply

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, content):
        self.socket.sendall(content)

    def read(self, n):
        out = b''
        while len(out) < n:
            p = self.socket.recv(n - len(out))
            if not p:
                break
            out += p
        return out

    def greet(self, methods=b'\0'):
        self.send(b'\5' + bytes([len(methods)]) + methods)
        return self.read(2)

    def connect(self, name, command=1, type=3, port=0):
        """The whole reply, or what came of it before the end."""
        self.send(bytes([5, command, 0, type, len(name)]) + name.encode() + port.to_bytes(2, 'big'))
        head = self.read(4)
        if len(head) < 4:
            return head
        if head[3] != 3:
            return head + self.read(6)
        n = self.read(1)
        return head + n + self.read(n[0] + 2)

    def done(self):
        """No more from this side."""
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """Everything up to the end; a connection that is reset is at its end, too: `was_reset`."""
        out, self.was_reset = b'', False
        try:
            while p := self.socket.recv(65536):
                out += p
        except ConnectionError:
            self.was_reset = True
        return out

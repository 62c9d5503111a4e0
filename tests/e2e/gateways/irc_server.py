"""A server of IRC that does as it is told: small, with TLS if wanted, and with no manners."""
import queue
import socket
import ssl
import threading

from chancerytest.client import PATIENCE


class Server:
    """certificate: of chancerytest.ca, or None. names: who else is in each channel, as 353 says it. `nicks`: of those who have logged in, in their order."""

    def __init__(self, t, certificate=None, names='bob'):
        self.names, self.nicks, self.lines, self.conns = names, [], queue.Queue(), []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate.pem, certificate.key)
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        t.clients.insert(0, self)

    def close(self):
        self.sock.close()
        for c in list(self.conns):
            c.close()

    def accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        nick = None
        try:
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            self.conns.append(conn)
            for line in conn.makefile('rb'):
                words = line.decode().rstrip('\r\n').split(' ')
                if words[0] == 'NICK' and not nick:
                    nick = words[1]
                elif words[0] == 'USER':
                    conn.sendall((':irc.example.net 001 %s :Welcome\r\n:irc.example.net 422 %s :none\r\n' % (nick, nick)).encode())
                    self.nicks.append(nick)
                elif words[0] == 'PING':
                    conn.sendall((':irc.example.net PONG irc.example.net %s\r\n' % words[1]).encode())
                elif words[0] == 'JOIN':
                    for room in words[1].split(','):
                        conn.sendall((':%s!u@h JOIN %s\r\n:irc.example.net 353 %s = %s :%s %s\r\n:irc.example.net 366 %s %s :End\r\n'
                                      % (nick, room, nick, room, nick, self.names, nick, room)).encode())
                self.lines.put(' '.join(words))
        except (OSError, ValueError):
            pass

    def raw(self, data):
        """To all who are connected: bytes, or lines as text."""
        if isinstance(data, str):
            data = data.encode().replace(b'\n', b'\r\n') + b'\r\n'
        for c in list(self.conns):
            try:
                c.sendall(data)
            except OSError:
                self.conns.remove(c)

    def expect(self, wanted):
        """The next line from a client that is wanted; those before it are forgotten."""
        while True:
            line = self.lines.get(timeout=PATIENCE)
            if wanted(line):
                return line

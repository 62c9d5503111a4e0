"""IRC for networks.py, with ngircd. IRC acknowledges nothing: PONG says that the server of IRC has seen what was said before, and not that anybody has it."""
import select
import socket

import networks
from chancerytest.client import PATIENCE
from test_irc import Driver, missing  # noqa: F401 (for who runs this)


class There(networks.There):
    def left(self):
        super().left()
        self.sock.close()

    def live(self):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        self.sock.connect(('127.0.0.1', self.net.driver.port))
        self.rest, self.token = b'', 0
        self.raw('NICK n%d' % self.n, 'USER n%d 0 * :n' % self.n)
        while True:
            for words in self.lines(0.02):
                self.hear(words)
            text = self.next() if self.ready else None
            if text:
                self.token += 1
                self.raw('PRIVMSG %s :%s' % (self.net.name_of(self.n), text), 'PING :t%d' % self.token)
            if self.net.ended.is_set():
                return

    def raw(self, *lines):
        self.sock.sendall(''.join(line + '\r\n' for line in lines).encode())

    def lines(self, seconds):
        """What has come: [source, command, parameters…] each."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return
        more = self.sock.recv(65536)
        if not more:
            raise EOFError
        *lines, self.rest = (self.rest + more).split(b'\n')
        for line in lines:
            head, colon, tail = line.decode().rstrip('\r').partition(' :')
            words = head.split(' ') + ([tail] if colon else [])
            yield words if words[0].startswith(':') else ['', *words]

    def hear(self, words):
        if words[1] == 'PING':
            self.raw('PONG :' + words[-1])
        elif words[1] in ('376', '422'):
            self.ready = True
        elif words[1] == '433':
            raise EOFError
        elif words[1] == 'PRIVMSG' and words[2] == 'n%d' % self.n:
            self.net.note_heard(words[-1])
        elif words[1] == '401' and self.open:
            self.refused()
        elif words[1] == 'PONG' and words[-1] == 't%d' % self.token and self.open:
            self.accepted()


class Irc(networks.Network):
    driver_class, there, source, people = Driver, There, 12, 4
    # What was said when a connection broke is said again with the next one; what its server had not passed on, when it was killed, nobody has.
    twice_out, lost_out = ('program', 'stop', 'network'), ('network',)
    # What the program had read and chanceryd had not acknowledged is gone with the program; what was on its way to the program, with the connection.
    twice_in, lost_in = ('stream', 'server', 'program'), ('program', 'stop', 'network')

    def peer(self, n):
        return 'n%d%%verona@%s' % (n, self.domain)

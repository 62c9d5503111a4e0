#!/usr/bin/env python3
"""What the framework costs: cost.py PROGRAM [MESSAGES] [USERS]

Runs a gateway of the worked example between a stand-in for chanceryd and one for its network, both here, and says the CPU time of the gateway alone for a message out (taken,
acknowledged) and a message in, and its memory for each user who is connected and does nothing.
"""
import json
import os
import re
import selectors
import socket
import subprocess
import sys

SM = "xmlns='urn:xmpp:sm:3'"
HOST, DOMAIN = 'x.example', 'l.x.example'


def cpu(pid):
    fields = open('/proc/%d/stat' % pid).read().rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory(pid):
    return int(re.search(r'VmRSS:\s+(\d+)', open('/proc/%d/status' % pid).read()).group(1)) * 1024


class Stand:
    """chanceryd and the network, as little as will do."""

    def __init__(self, program):
        self.selector, self.taken, self.came, self.came_in = selectors.DefaultSelector(), 0, 0, 0
        self.network, stream = socket.create_server(('127.0.0.1', 0), backlog=4096), socket.create_server(('127.0.0.1', 0))
        self.p = subprocess.Popen([program, '--settings', '-'], stdin=subprocess.PIPE)
        settings = {'network': {'port': self.network.getsockname()[1]}, 'limits': {'user_messages': 100000}}
        self.p.stdin.write(json.dumps({'name': 'l', 'domain': DOMAIN, 'host': HOST, 'server': '127.0.0.1', 'port': stream.getsockname()[1], 'secret': 's',
                                       'log': 'warning', 'settings': settings}).encode() + b'\n')
        self.p.stdin.flush()
        self.c = stream.accept()[0]
        self.expect(b'>')
        self.c.sendall(b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>")
        self.expect(b'</handshake>')
        self.c.sendall(b'<handshake/>')
        self.expect(b'enable')
        self.c.sendall(("<enabled %s/>" % SM).encode())
        self.users, self.up, self.half = {}, 0, b''
        self.selector.register(self.c, selectors.EVENT_READ, self.stream)
        self.selector.register(self.network, selectors.EVENT_READ, self.connection)

    def expect(self, what):
        data = b''
        while what not in data:
            data += self.c.recv(65536)

    def stream(self, sock):
        data = self.half + sock.recv(262144)
        cut = data.rfind(b'>') + 1
        data, self.half = data[:cut], data[cut:]
        self.came += len(re.findall(rb'<(?:message|presence|iq) ', data))
        self.came_in += data.count(b'</body>')
        for id in re.findall(rb"id='(q\d+)'", data):
            self.c.sendall(b"<iq type='error' id='%s' from='x.example' to='l.x.example'><error type='cancel'/></iq>" % id)
        for h in re.findall(rb"<a xmlns='urn:xmpp:sm:3' h='(\d+)'", data):
            self.taken = int(h)
            self.c.sendall(("<r %s/>" % SM).encode())
        if b'<r ' in data:
            self.c.sendall(("<a %s h='%d'/>" % (SM, self.came)).encode())

    def connection(self, sock):
        s = sock.accept()[0]
        self.selector.register(s, selectors.EVENT_READ, self.line)

    def line(self, s):
        out = b''
        for line in s.recv(262144).split(b'\n'):
            words = line.split(b' ', 3)
            if words[0] == b'LOGIN':
                self.users[words[1].decode()] = s
                out += b'WELCOME\n'
            elif words[0] == b'MSG' and len(words) == 4:
                out += b'OK ' + words[1] + b'\n'
        if out:
            s.sendall(out)

    def until(self, done):
        while not done():
            for key, _ in self.selector.select(0.2):
                key.data(key.fileobj)


def main():
    messages, users = int(sys.argv[2]) if len(sys.argv) > 2 else 20000, int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    w = Stand(sys.argv[1])
    w.c.sendall(b"<presence from='u0@x.example/a' to='l.x.example'/>")
    w.until(lambda: len(w.users) == 1)
    before, sent = cpu(w.p.pid), w.taken
    for i in range(0, messages, 500):
        w.c.sendall(b''.join(b"<message from='u0@x.example/a' to='bob\\40line@l.x.example' id='m%d' type='chat'><body>it is the east, and Juliet is the sun %d</body>"
                             b"<stanza-id xmlns='urn:xmpp:sid:0' by='x.example' id='%d'/></message>" % (n, n, n) for n in range(i, i + 500))
                    + ("<r %s/>" % SM).encode())
        w.until(lambda: w.taken >= i + 500)
    print('out: %.1f us of CPU a message' % ((cpu(w.p.pid) - before) / messages * 1e6))
    before, start = cpu(w.p.pid), w.came_in
    for i in range(0, messages, 500):
        w.users['u0'].sendall(b''.join(b'MSG i%d bob@line what light through yonder window breaks %d\n' % (n, n) for n in range(i, i + 500)))
        w.until(lambda: w.came_in - start >= i + 500)
    print('in: %.1f us of CPU a message' % ((cpu(w.p.pid) - before) / messages * 1e6))
    before = memory(w.p.pid)
    for i in range(1, users + 1):
        w.c.sendall(b"<presence from='u%d@x.example/a' to='l.x.example'/>" % i)
    w.until(lambda: len(w.users) == users + 1)
    print('memory: %.1f KiB for each of %d users' % ((memory(w.p.pid) - before) / users / 1024, users))
    w.p.stdin.close()
    w.p.wait()


if __name__ == '__main__':
    main()

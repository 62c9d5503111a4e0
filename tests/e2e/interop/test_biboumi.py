"""biboumi, a gateway to IRC (Debian: biboumi), against a real IRC server (ngircd): rooms, persons, and what the record has of them."""
import os
import shutil
import socket
import subprocess
import tempfile

import guide
from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import Scenario
from test_admin import ok, rows

MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"

NGIRCD = """[Global]
\tName = irc.test.example
\tInfo = test
\tListen = %s
\tPorts = 6667
\tMotdPhrase = hello
\tServerUID = %d
\tServerGID = %d
[Limits]
\tMaxConnectionsIP = 0
\tMaxNickLength = 20
\tMaxPenaltyTime = 0
[Options]
\tDNS = no
\tIdent = no
\tPAM = no
"""

# Beside what deploy/components.md says.
BIBOUMI = """db_name=%s
log_level=1
log_file=%s
"""


class Program:
    """A process of the scenario's, closed with it."""

    def __init__(self, t, folder, *argv):
        self.out = open(os.path.join(folder, os.path.basename(argv[0]) + '.out'), 'a')
        self.p = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT)
        t.clients.append(self)

    def kill(self):
        self.p.kill()
        self.p.wait()

    def close(self):
        self.kill()
        self.out.close()


class Folder:
    def __init__(self, t):
        self.path = tempfile.mkdtemp(prefix='chancery-irc-')
        t.clients.insert(0, self)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Irc:
    """Somebody on IRC."""

    def __init__(self, t, host, nick):
        self.nick, self.rest = nick, b''
        self.sock = t.server.wait(lambda: self._connect(host), 'the IRC server')
        self.sock.settimeout(PATIENCE)
        t.clients.append(self)
        self.say('NICK ' + nick)
        self.say('USER %s 0 * :%s' % (nick, nick))
        self.expect(' 001 ')

    @staticmethod
    def _connect(host):
        try:
            return socket.create_connection((host, 6667), PATIENCE)
        except OSError:
            return None

    def say(self, line):
        self.sock.sendall(line.encode() + b'\r\n')

    def expect(self, *parts):
        """The next line that has all of these; what comes before it is passed over."""
        while True:
            while b'\n' not in self.rest:
                more = self.sock.recv(4096)
                assert more, 'the IRC server has gone'
                self.rest += more
            line, self.rest = self.rest.split(b'\n', 1)
            line = line.decode().strip()
            if line.startswith('PING'):
                self.say('PONG' + line[4:])
            elif all(p in line for p in parts):
                return line

    def close(self):
        self.sock.close()


class World:
    """An IRC server, somebody on it, and biboumi, let in as a component."""

    def __init__(self, t: Scenario):
        self.t, self.host = t, t.source
        self.folder = Folder(t).path
        self.name = unique('irc').lower()
        self.domain = '%s.%s' % (self.name, t.server.domain)
        with open(os.path.join(self.folder, 'ngircd.conf'), 'w') as f:
            f.write(NGIRCD % (self.host, os.getuid() or 65534, os.getgid() or 65534))
        Program(t, self.folder, shutil.which('ngircd') or '/usr/sbin/ngircd', '-n', '-f', os.path.join(self.folder, 'ngircd.conf'))
        self.peer = Irc(t, self.host, 'peer')
        commands, settings, _ = guide.blocks('biboumi', {'irc': self.name, 'irc.example.org': self.domain, 'port=5275': 'port=%d' % t.server.port_component})
        args, = guide.commands(commands)
        secret = rows(t, *args)[0]['secret']
        with open(os.path.join(self.folder, 'biboumi.cfg'), 'w') as f:
            f.write('\n'.join(settings).replace('THE SECRET', secret) + '\n')
            f.write(BIBOUMI % (os.path.join(self.folder, 'biboumi.sqlite'), os.path.join(self.folder, 'biboumi.log')))
        self.start()

    def start(self):
        self.program = Program(self.t, self.folder, 'biboumi', os.path.join(self.folder, 'biboumi.cfg'))
        self.t.server.wait(self.is_connected, 'biboumi to connect')

    def is_connected(self):
        return rows(self.t, 'component', 'show', self.name)[0]['connected'] == [self.domain]

    def room(self, name):
        return '#%s%%%s@%s' % (name, self.host, self.domain)

    def person(self, nick):
        return '%s%%%s@%s' % (nick, self.host, self.domain)


def joined(c, room, nick):
    c.presence(to='%s/%s' % (room, nick), inner=MUC)
    me = c.expect(lambda e: e.name == 'presence' and e.get('from') == '%s/%s' % (room, nick))
    assert me.get('type') is None, me
    c.expect(lambda e: e.name == 'message' and e.get('type') == 'groupchat' and e.find('subject') is not None)


def said(c, room, nick, text):
    return c.expect(lambda e: e.name == 'message' and e.get('from') == '%s/%s' % (room, nick) and e.text('body') == text)


def test_room(t):
    """biboumi: a channel is a room: who is there, what is said both ways, in order, a change of nick, leaving; all of it recorded"""
    w, romeo = World(t), t.online()
    room = w.room('verona')
    w.peer.say('JOIN #verona')
    w.peer.expect('JOIN', '#verona')
    joined(romeo, room, 'romeo')
    w.peer.expect('romeo', 'JOIN', '#verona')
    for i in range(5):
        romeo.message(room, 'it is the east %d' % i, type='groupchat')
    for i in range(5):
        w.peer.expect(':romeo!', 'PRIVMSG #verona :it is the east %d' % i)
        said(romeo, room, 'romeo', 'it is the east %d' % i)
    for i in range(5):
        w.peer.say('PRIVMSG #verona :ay me %d' % i)
    for i in range(5):
        said(romeo, room, 'peer', 'ay me %d' % i)
    w.peer.say('NICK juliet')
    romeo.expect(lambda e: e.name == 'presence' and e.get('type') == 'unavailable' and e.get('from') == room + '/peer')
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == room + '/juliet')
    w.peer.say('TOPIC #verona :two households')
    romeo.expect(lambda e: e.name == 'message' and e.text('subject') == 'two households')
    romeo.presence('unavailable', to=room + '/romeo')
    w.peer.expect(':romeo!', 'PART')
    out = t.server.records("from_bare = '%s' and to_bare = '%s' and kind = 1" % (romeo.bare, room), 'body')
    back = t.server.records("from_bare = '%s' and to_bare = '%s' and body like 'ay me%%'" % (room, romeo.bare), 'body')
    assert [r[0] for r in out] == ['it is the east %d' % i for i in range(5)], out
    assert [r[0] for r in back] == ['ay me %d' % i for i in range(5)], back


def test_person(t):
    """biboumi: a person on IRC is an address: private messages both ways"""
    w, romeo = World(t), t.online()
    joined(romeo, w.room('mantua'), 'romeo')
    romeo.message(w.person('peer'), 'psst')
    w.peer.expect(':romeo!', 'PRIVMSG peer :psst')
    w.peer.say('PRIVMSG romeo :what man art thou?')
    m = romeo.expect(lambda e: e.name == 'message' and e.text('body') == 'what man art thou?')
    assert m.get('from').startswith(w.person('peer')), m


def test_two_in_a_room(t):
    """biboumi: two people of ours in a channel hear each other, each with a connection of their own there"""
    w, romeo, nurse = World(t), t.online(), t.online()
    room = w.room('garden')
    joined(romeo, room, 'romeo')
    joined(nurse, room, 'nurse')
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == room + '/nurse')
    romeo.message(room, 'good morrow', type='groupchat')
    said(nurse, room, 'romeo', 'good morrow')
    nurse.message(room, 'is it good e’en?', type='groupchat')
    said(romeo, room, 'nurse', 'is it good e’en?')


def test_commands(t):
    """biboumi: it is discovered, and its commands (XEP-0050) are there"""
    w, romeo = World(t), t.online()
    info = romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=w.domain)
    assert [i.get('category') for i in info.find('info:query').all('identity')] == ['conference'], info
    items = romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#items'/>", to=t.server.domain).find('items:query').all('item')
    assert w.domain in [i.get('jid') for i in items], items
    commands = romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>", to=w.domain)
    assert commands.find('items:query').all('item'), commands


def test_dies(t):
    """biboumi dies: who writes meanwhile is told; it comes back, and so do rooms"""
    w, romeo = World(t), t.online()
    room = w.room('tomb')
    joined(romeo, room, 'romeo')
    w.program.kill()
    t.server.wait(lambda: not w.is_connected(), 'the end of its stream')
    id = romeo.message(room, 'anybody?', type='groupchat')
    e = romeo.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error')
    assert e.condition() == 'service-unavailable', e
    w.start()
    joined(romeo, room, 'romeo')
    w.peer.say('JOIN #tomb')
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == room + '/peer')
    romeo.message(room, 'thus with a kiss', type='groupchat')
    w.peer.expect(':romeo!', 'PRIVMSG #tomb :thus with a kiss')

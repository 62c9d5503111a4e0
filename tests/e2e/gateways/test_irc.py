"""IRC, against ngircd (Debian's package): the driver, and what only IRC has."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import behaviours
from behaviours import World, joined, local, occupant, said
from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import alone
from chancerytest.server import stopped, take_port
from test_admin import ok

NGIRCD = shutil.which('ngircd', path='/usr/sbin:/usr/bin')


def missing():
    return None if NGIRCD else 'ngircd'


class Person:
    def __init__(self, driver, name, password=None):
        self.driver, self.rest, self.nick = driver, b'', unique(name).lower()
        self.address = self.nick + '%verona'
        self.sock = socket.create_connection(('127.0.0.1', driver.port), PATIENCE)
        self.sock.settimeout(PATIENCE)
        driver.t.clients.append(self)
        if password:
            self.raw('PASS ' + password)
        self.raw('NICK ' + self.nick)
        self.raw('USER %s 0 * :%s' % (self.nick, name))
        self.expect(lambda w: w[1] in ('376', '422'))

    def close(self):
        self.sock.close()

    def raw(self, line):
        self.sock.sendall(line.encode() + b'\r\n')

    def line(self):
        """The next line as [source, command, parameters…]."""
        while b'\n' not in self.rest:
            more = self.sock.recv(65536)
            assert more, 'the server has gone'
            self.rest += more
        line, self.rest = self.rest.split(b'\n', 1)
        head, _, tail = line.decode().rstrip('\r').partition(' :')
        words = head.split(' ') + ([tail] if _ else [])
        if not words[0].startswith(':'):
            words.insert(0, '')
        if words[1] == 'PING':
            self.raw('PONG :' + words[-1])
        return words

    def expect(self, wanted):
        while True:
            words = self.line()
            if wanted(words):
                return words

    def say(self, user, text):
        """Until the person is there."""
        self.wait_for(user)
        self.raw('PRIVMSG %s :%s' % (user, text))

    def wait_for(self, user, gone=False):
        end = time.monotonic() + PATIENCE
        while True:
            self.raw('ISON ' + user)
            if (user in self.expect(lambda w: w[1] == '303')[-1].split()) != gone:
                return
            assert time.monotonic() < end, '%s is %s IRC' % (user, 'still on' if gone else 'not on')
            time.sleep(0.05)

    def heard(self, text):
        return self.expect(lambda w: w[1] == 'PRIVMSG' and w[2] == self.nick and w[-1] == text)

    def join(self, room):
        self.raw('JOIN ' + room.split('%')[0])
        self.expect(lambda w: w[1] == '366')

    def part(self, room):
        self.raw('PART ' + room.split('%')[0])

    def say_in(self, room, text):
        self.raw('PRIVMSG %s :%s' % (room.split('%')[0], text))

    def heard_in(self, room, text):
        return self.expect(lambda w: w[1] == 'PRIVMSG' and w[2] == room.split('%')[0] and w[-1] == text)

    def topic(self, room, text):
        self.raw('TOPIC %s :%s' % (room.split('%')[0], text))

    def rename(self, room, nick):
        self.raw('NICK ' + nick)
        self.expect(lambda w: w[1] == 'NICK' and w[-1] == nick)
        self.nick = nick

    def kick(self, room, nick):
        self.raw('KICK %s %s :out' % (room.split('%')[0], nick))


class Driver(behaviours.Driver):
    kind, features = 'irc', {'rooms'}
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-irc')
    process, settings, more = None, {}, ''

    def start_server(self):
        if not hasattr(self, 'port'):
            self.port = take_port()
        path = os.path.join(self.folder, 'ngircd.conf')
        with open(path, 'w') as f:
            f.write('[Global]\nName = irc.example.net\nInfo = test\nListen = 127.0.0.1\nPorts = %d\nMotdPhrase = hello\n%s'
                    '[Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxNickLength = 30\nMaxJoins = 0\nMaxPenaltyTime = 0\n'
                    '[Options]\nDNS = no\nIdent = no\nPAM = no\n[Channel]\nName = #closed\nModes = i\n' % (self.port, self.more))
        self.process = subprocess.Popen([NGIRCD, '-n', '-f', path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.t.server.wait(self.answers, 'ngircd')

    def answers(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            assert self.process.poll() is None, 'ngircd has ended'
            return False

    def kill_server(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def network(self):
        return {'networks': {'verona': dict({'host': '127.0.0.1', 'port': self.port, 'tls': False, 'nicks': 'free', 'flood_ms': 10, 'connect_ms': 10}, **self.settings)}}

    def person(self, name, password=None):
        return Person(self, name, password)

    def room(self, name):
        return '#%s%%verona' % name

    def nobody(self):
        return 'nobodyatall%verona'

    def closed_room(self):
        return '#closed%verona'


class Shared(Driver):
    settings = {'users': 'shared', 'nick': 'orgbot'}


globals().update(behaviours.of(Driver))


def test_action(t):
    """/me is CTCP ACTION, both ways"""
    w = World(t, Driver)
    bob = w.driver.person('bob')
    w.clients[0].message(w.jid(bob.address), '/me bows')
    bob.heard('\x01ACTION bows\x01')
    bob.say(local(w.clients[0]), '\x01ACTION bows, too\x01')
    said(w.clients[0], '/me bows, too')


def test_long_message(t):
    """a long text comes in several lines, of which none is cut within a character, and all of it"""
    w = World(t, Driver)
    bob, text = w.driver.person('bob'), '€' * 400
    w.clients[0].message(w.jid(bob.address), text)
    got = ''
    while len(got) < len(text):
        got += bob.expect(lambda e: e[1] == 'PRIVMSG')[-1]
    assert got == text


def test_not_away(t):
    """irc: who is in a channel is not shown as away because the client tells presence to the channel alone"""
    w = World(t, Driver)
    bob, romeo, room = w.driver.person('bob'), t.online(), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    bob.raw('WHOIS ' + local(romeo))
    assert bob.expect(lambda w: w[1] in ('301', '318'))[1] == '318'


def test_ear_leaves(t):
    """whoever entered first leaves: the others go on hearing, and see who is there"""
    w = World(t, Driver, people=2)
    bob, room, (romeo, nurse) = w.driver.person('bob'), '#verona%verona', w.clients
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    joined(nurse, w.jid(room), local(nurse))
    romeo.presence('unavailable', to='%s/%s' % (w.jid(room), local(romeo)))
    bob.expect(lambda e: e[1] == 'PART')
    bob.say_in(room, 'still there?')
    said(nurse, 'still there?', '%s/%s' % (w.jid(room), bob.nick))
    bob.part(room)
    occupant(nurse, w.jid(room), bob.nick, 'unavailable')


def test_rejoin(t):
    """the server dies and is back: rooms are entered again, and heard"""
    w = World(t, Driver)
    romeo, room = w.clients[0], '#verona%verona'
    joined(romeo, w.jid(room), local(romeo))
    w.driver.kill_server()
    w.driver.start_server()
    bob = w.driver.person('bob')
    bob.join(room)
    end = time.monotonic() + PATIENCE
    while True:
        bob.raw('NAMES #verona')
        if local(romeo) in bob.expect(lambda e: e[1] == '353')[-1].replace('@', '').split():
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    bob.say_in(room, 'welcome back')
    said(romeo, 'welcome back', '%s/%s' % (w.jid(room), bob.nick))


def test_shared(t):
    """one connection for all: it says who says what"""
    w = World(t, Shared, people=2)
    bob, room, (romeo, nurse) = w.driver.person('bob'), '#verona%verona', w.clients
    bob.join(room)
    joined(romeo, w.jid(room), 'romeo')
    joined(nurse, w.jid(room), 'nurse')
    occupant(romeo, w.jid(room), 'nurse')
    romeo.message(w.jid(room), 'good nurse', type='groupchat')
    bob.heard_in(room, '<romeo> good nurse')
    said(nurse, 'good nurse', w.jid(room) + '/romeo')
    bob.say_in(room, 'once')
    for c in romeo, nurse:
        said(c, 'once', '%s/%s' % (w.jid(room), bob.nick))


def test_nick_is_anothers(t):
    """somebody has the nick: another one is taken, and told (110 with another nick)"""
    w = World(t, Driver, people=0)
    romeo = t.online()
    thief = w.driver.person('thief')
    thief.raw('NICK ' + local(romeo))
    thief.expect(lambda e: e[1] == 'NICK')
    me = joined(romeo, w.jid('#verona%verona'), local(romeo))
    assert me.get('from').split('/')[1] == local(romeo) + '_', me


def seen_there(t, driver):
    w = World(t, driver)
    romeo, bob = w.clients[0], w.driver.person('bob')
    jid, nobody = w.jid(bob.address), w.jid(w.driver.nobody())
    for j in jid, nobody:
        romeo.presence('subscribe', to=j)
        romeo.expect_presence('subscribed', j)
    romeo.expect_presence(None, jid)
    romeo.heard.clear()
    bob.raw('QUIT')
    romeo.expect_presence('unavailable', jid)
    assert not romeo.heard_any(lambda e: e.name == 'presence' and e.get('from') == nobody and e.get('type') is None)


class Asking(Driver):
    settings = {'presence_ms': 200}


def test_presence(t):
    """who is in the roster is seen while they are there: the server is asked (ISON)"""
    seen_there(t, Asking)


@alone(archive__patience='1s')
def test_archive_away(t):
    """what is said while the archive takes nothing, longer than a message waits for it, is not lost: IRC cannot say it again, so the gateway does"""
    w = World(t, Driver)
    romeo, bob = w.clients[0], w.driver.person('bob')
    bob.say(local(romeo), 'before')
    said(romeo, 'before')
    with stopped(t.server):
        bob.say(local(romeo), 'meanwhile')
        t.server.wait(lambda: 'incoming-held' in w.log(), 'the archive to give up')
    said(romeo, 'meanwhile')


def lines_of(client, room, last):
    """What is said in the room, up to and with `last`."""
    found = []
    while last not in found:
        found.append(client.expect(lambda e: e.name == 'message' and e.get('type') == 'groupchat' and e.get('from').startswith(room) and e.text('body'), last).text('body'))
    return found


@alone(archive__patience='1s')
def test_archive_away_room(t):
    """The same in a channel: everybody who is in it hears all lines, in order; of more than are kept it is said how many are missing"""
    w = World(t, Driver, people=2)
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    for c in w.clients:
        joined(c, w.jid(room), local(c))

    def away(n, seen):
        """So many lines that chanceryd gives back, and so many behind them; the database is away until the log says that."""
        before = len(w.log())
        since = lambda: w.log()[before:]
        with stopped(t.server):
            for i in range(n):
                bob.say_in(room, 'line %d' % i)
            # What chanceryd has still got when the database comes back is recorded then, before what it gave back.
            t.server.wait(lambda: 'incoming-held' in since() and not t.server.metric('chancery_archive_waiting'), 'the archive to give up all of them')
            for i in range(n, 2 * n):
                bob.say_in(room, 'line %d' % i)
            t.server.wait(lambda: seen in since(), seen)
        t.server.wait(lambda: 'incoming-offered' in since(), 'the database')
        bob.say_in(room, 'after')

    away(5, 'incoming-held')
    for c in w.clients:
        assert lines_of(c, w.jid(room), 'after') == ['line %d' % i for i in range(10)] + ['after']
    ok(t, 'gateway', 'set', w.name, '--settings', '-', stdin=json.dumps({'limits': {'again_room_lines': 4}, 'network': w.driver.network()}))
    away(20, 'room-lines-lost')
    for c in w.clients:
        heard = lines_of(c, w.jid(room), 'after')
        told = [(i, re.fullmatch(r'(\d+) lines of #verona%verona are missing here: what was said could not be recorded.', text)) for i, text in enumerate(heard)]
        at, found = next((i, m) for i, m in told if m)
        said_ = [text for text in heard if text.startswith('line ')]
        assert sum(m is not None for _, m in told) == 1 and len(said_) + int(found[1]) == 40 and said_ == sorted(said_, key=lambda s: int(s.split()[1])), heard
        # They are missing where they were said.
        assert heard[:at] == ['line %d' % i for i in range(at)] and at >= 4, heard

"""The worked example's network (line/): its driver."""
import os
import signal
import socket
import subprocess
import sys
import time

import behaviours
from behaviours import MUC, World, failed, files_cut, joined, local, offered, said
from chancerytest.ca import authority
from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import alone
from chancerytest.server import stopped, take_port
from chancerytest.fileserver import FileServer, answer, redirect
from test_admin import ok, rows

HERE = os.path.dirname(os.path.abspath(__file__))


class Person:
    def __init__(self, driver, name):
        self.driver, self.name, self.nick, self.rest, self.ids, self.lines = driver, unique(name).lower(), None, b'', {}, []
        self.address = self.name + '@line'
        self.sock = socket.create_connection(('127.0.0.1', driver.port), PATIENCE)
        self.sock.settimeout(PATIENCE)
        driver.t.clients.append(self)
        self._say('LOGIN', self.name)
        self._expect('WELCOME')

    def close(self):
        self.sock.close()

    def _say(self, *words):
        self.sock.sendall((' '.join(words) + '\n').encode())

    def _expect(self, *parts):
        """The next line that begins and ends so; what comes before it is passed over."""
        while True:
            while b'\n' not in self.rest:
                more = self.sock.recv(65536)
                assert more, 'the server has gone'
                self.rest += more
            line, self.rest = self.rest.split(b'\n', 1)
            line = line.decode()
            if line.startswith(parts[0]) and line.endswith(parts[-1]):
                if line.split(' ')[0] in ('MSG', 'FIX'):
                    _, id, who, _ = line.split(' ', 3)
                    self._say('GOT', id, who)
                return line

    def say(self, user, text):
        """Refused until the person's connection is there."""
        while True:
            self.ids[text] = unique('m')
            self._say('MSG', self.ids[text], user + '@line', text)
            if self._expect_first('OK ', 'NO ').startswith('OK '):
                return
            time.sleep(0.05)

    def _expect_first(self, *begins):
        while True:
            line = self._expect('', '')
            if line.startswith(begins):
                return line

    def heard(self, text):
        self._expect(('MSG', 'FIX'), text)

    def fix(self, user, old, new):
        self._say('FIX', unique('m'), user + '@line', self.ids[old], new)

    def give(self, user, text, name, data):
        self.driver.files.files['/' + name] = answer(data)
        self.give_url(user, text, name, self.driver.files.url('/' + name, self.driver.files.address))
        return True

    def give_url(self, user, text, name, url):
        while True:
            self._say('LINK', unique('f'), user + '@line', url, name, text)
            if self._expect_first('OK ', 'NO ').startswith('OK '):
                return
            time.sleep(0.05)

    def give_in(self, room, text, name, data):
        self.driver.files.files['/' + name] = answer(data)
        self._say('SHARE', unique('f'), room, self.driver.files.url('/' + name, self.driver.files.address), name, text)

    def got_file(self, name, data):
        self._expect('FILE', ' %s/%s' % (name, data.decode().replace('\n', ' ')))

    def hears_until(self, text):
        """What was heard before it, as one text."""
        lines = []
        while not (lines and lines[-1].startswith('MSG') and lines[-1].endswith(text)):
            lines.append(self._expect('', ''))
        return '\n'.join(lines[:-1])

    def heard_typing(self):
        self._expect('TYPING', 'on')

    def types(self, user, on):
        self._say('TYPING', user + '@line', 'on' if on else 'off')

    def got_receipt(self, text):
        self._expect('GOT ' + self.ids[text], '')

    def away(self):
        self._say('AM', 'away')

    def gone(self):
        self.close()

    def join(self, room):
        self._say('JOIN', room, self.name)
        self.nick = self._expect('JOINED ' + room, '').split(' ')[2]

    def part(self, room):
        self._say('PART', room)

    def say_in(self, room, text):
        self._say('SAY', unique('s'), room, text)

    def heard_in(self, room, text):
        self._expect('SAY', text)

    def topic(self, room, text):
        self._say('TOPIC', unique('t'), room, text)

    def rename(self, room, nick):
        self._say('NICK', room, nick)
        self.nick = nick

    def kick(self, room, nick):
        self._say('KICK', room, nick, 'out')


def file_server(t, address):
    return FileServer(t, certificate=authority().certificate(names='IP:' + address), address=address)


class Driver(behaviours.Driver):
    kind, features = 'line', {'rooms', 'receipts', 'corrections', 'typing', 'presence', 'files'}
    program = os.path.join(behaviours.BUILD, 'tests', 'chancery-gateway-line')
    process = None

    def start_server(self):
        if not hasattr(self, 'port'):
            self.port = take_port()
            self.files = file_server(self.t, '127.0.0.2')
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, 'line', 'server.py'), str(self.port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b'ready\n'

    def kill_server(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def network(self):
        return {'port': self.port}

    def more_settings(self):
        """People here put their files on a server of their own."""
        return {'fetch_private': [self.files.address], 'fetch_ports': [self.files.port]}

    def person(self, name):
        return Person(self, name)

    def room(self, name):
        return '#' + name

    def nobody(self):
        return 'nobody@line'

    def silent(self):
        return 'silence@line'

    def closed_room(self):
        return '#closed'


globals().update(behaviours.of(Driver))


def test_refused_again(t):
    """line: what was refused and is said once more, with the same id, is new"""
    w = World(t, Driver, rights=('send',))
    romeo, bob, id = w.clients[0], w.driver.person('bob'), unique('m')
    while True:
        bob._say('MSG', id, local(romeo) + '@line', 'do you love me?')
        if bob._expect_first('OK ', 'NO ').startswith('OK '):
            break
        time.sleep(0.05)
    t.server.wait(lambda: rows(t, 'gateway', 'show', w.name)[0]['stats'].get('refused', 0) >= 1, 'the refusal')
    ok(t, 'gateway', 'allow', w.name, 'everyone', '--right', 'send', '--right', 'receive')
    bob._say('MSG', id, local(romeo) + '@line', 'do you love me?')
    said(romeo, 'do you love me?')


def test_quotes(t):
    """line: a text that is much longer when it is escaped is cut, and ends no stream"""
    w = World(t, Driver)
    romeo, bob = w.clients[0], w.driver.person('bob')
    bob.say(local(romeo), '"' * 60000)
    romeo.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('""""') and e.text('body').endswith('[…]'), 'what is left of it')
    bob.say(local(romeo), 'and then')
    said(romeo, 'and then')
    assert 'stream-lost' not in w.log()


def test_empty_link(t):
    """line: a link to nowhere says nothing, and hurts nobody"""
    w = World(t, Driver)
    romeo, bob = w.clients[0], w.driver.person('bob')
    romeo.message(w.jid(bob.address), None, inner="<x xmlns='jabber:x:oob'><url/></x>")
    romeo.message(w.jid(bob.address), 'after')
    assert bob._expect('MSG', '').endswith(' after')


def test_file_inward(t):
    """line: an address that leads inside is not asked, nor is one that a redirection leads to; nor one without TLS, with a user name, or at another port"""
    w = World(t, Driver)
    romeo, bob, theirs = w.clients[0], w.driver.person('bob'), w.driver.files
    inner = file_server(t, '127.0.0.3')
    other = file_server(t, '127.0.0.2')
    theirs.files.update({'/in': redirect(inner.url('/x', inner.address)), '/plain': redirect('http://127.0.0.2:%d/x' % theirs.port), '/round': redirect('/round'),
                         '/on': redirect('/x.txt'), '/x.txt': answer(b'x')})
    where = theirs.url('/x.txt', theirs.address)
    out = 'its server cannot be reached'
    for url, why in ((inner.url('/x', inner.address), out), (theirs.url('/in', theirs.address), out), ('https://127.0.0.2:%d/x' % other.port, out),
                     ('https://localhost:%d/x' % theirs.port, out), (theirs.url('/plain', theirs.address), 'its address is not one of https'),
                     (where.replace('https', 'http'), 'its address is not one of https'), (where.replace('//', '//me:secret@'), 'its address is not one of https'),
                     (theirs.url('/round', theirs.address), out), (theirs.url('/none', theirs.address), 'its server does not give it (404)')):
        bob.give_url(local(romeo), 'look', 'x.txt', url)
        text = romeo.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('look'), 'the words').text('body')
        assert text == 'look\n[file: x.txt was not let through: %s]' % why, (url, text)
    assert not inner.connections and not other.connections
    bob.give_url(local(romeo), 'look', 'x.txt', theirs.url('/on', theirs.address))
    assert offered(w, romeo)[2] == b'x'


def test_own_account(t):
    """line: who brings an account of their own speaks by it: after the gateway was killed and after a log out too, until they take it back"""
    w = World(t, Driver, modes=['relay', 'account'])
    romeo, bob, name = w.clients[0], w.driver.person('bob'), unique('montague').lower()

    def speaks(text, as_):
        romeo.message(w.jid(bob.address), text)
        line = bob._expect('MSG', text)
        assert line.split(' ')[2].split('@')[0] == as_, line

    speaks('in the name of all', local(romeo))
    assert romeo.iq('set', "<query xmlns='jabber:iq:register'><name>%s</name></query>" % name, w.domain).get('type') == 'result'
    speaks('by my own', name)
    w.stop(signal.SIGKILL)
    romeo.message(w.jid(bob.address), 'while it was down')
    w.start()
    line = bob._expect('MSG', 'while it was down')
    assert line.split(' ')[2].split('@')[0] == name, line
    assert romeo.iq('set', "<command xmlns='http://jabber.org/protocol/commands' node='logout'/>", w.domain).get('type') == 'result'
    speaks('after a log out', name)
    assert romeo.iq('set', "<query xmlns='jabber:iq:register'><remove/></query>", w.domain).get('type') == 'result'
    speaks('in the name of all again', local(romeo))


def test_room_while_down(t):
    """line: what is said in a room while the gateway is down is heard there when it is back"""
    w = World(t, Driver)
    romeo, bob, hall = w.clients[0], w.driver.person('bob'), '#' + unique('hall').lower()
    bob.join(hall)
    joined(romeo, w.jid(hall), 'romeo')
    romeo.message(w.jid(hall), 'before', type='groupchat')
    bob.heard_in(hall, 'before')
    w.stop(signal.SIGKILL)
    romeo.message(w.jid(hall), 'while it was down', type='groupchat')
    w.start()
    bob.heard_in(hall, 'while it was down')


def test_end_answered(t):
    """line: told to end, the program waits for the answer to what the network has: what was said behind it is not said again"""
    w = World(t, Driver)
    romeo, bob = w.clients[0], w.driver.person('bob')
    romeo.message(w.jid('later@line'), 'slow')
    romeo.message(w.jid(bob.address), 'behind it')
    bob.heard('behind it')
    w.program.send_signal(signal.SIGTERM)
    t.server.wait(lambda: 'told-to-end' in w.log(), 'the program to be told')
    bob._say('NOW')
    assert w.program.wait(60) == 0
    w.program.stdin.close()
    w.start()
    romeo.message(w.jid(bob.address), 'after')
    assert bob._expect('MSG', '').endswith(' after')


def test_gone_meanwhile(t):
    """line: who goes while the stream is cut, or no program runs, is seen to have gone when it is back; who stayed is still there"""
    w = World(t, Driver)
    nurse, bob, hall = w.clients[0], w.driver.person('bob'), '#' + unique('hall').lower()
    bob.join(hall)
    joined(nurse, w.jid(hall), 'nurse')
    for how in w.proxy.cut, lambda: w.stop(signal.SIGKILL):
        romeo = t.online()
        joined(romeo, w.jid(hall), 'romeo')
        bob._expect('IN ' + hall, 'romeo')
        w.proxy.down = True
        how()
        t.server.wait(lambda: not rows(t, 'gateway', 'show', w.name)[0]['connected'], 'the end of the stream')
        romeo.close()
        t.server.wait(lambda: not [s for s in rows(t, 'session', 'list') if s['jid'].startswith(romeo.bare + '/')], 'romeo to go')
        w.proxy.down = False
        if w.program.poll() is not None:
            w.start()
        bob._expect('OUT ' + hall, 'romeo')
        nurse.message(w.jid(hall), 'alone', type='groupchat')
        bob.heard_in(hall, 'alone')


def test_room_error(t):
    """line: a client that cannot take a message at the moment stays in its rooms; one that says it is not there does not (XEP-0045)"""
    w = World(t, Driver)
    romeo, bob, hall = w.clients[0], w.driver.person('bob'), '#' + unique('hall').lower()
    bob.join(hall)
    joined(romeo, w.jid(hall), 'romeo')

    def error(type, condition):
        romeo.message(w.jid(hall), None, 'error', inner="<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % (type, condition))

    error('wait', 'resource-constraint')
    romeo.message(w.jid(hall), 'still here', type='groupchat')
    bob.heard_in(hall, 'still here')
    error('wait', 'recipient-unavailable')
    romeo.message(w.jid(hall), 'gone', type='groupchat', id='g1')
    assert failed(romeo, 'g1').condition() == 'not-acceptable'


@alone(archive__patience='1s')
def test_file_archive_away(t):
    """line: what is said with a file, and behind it, while the archive takes nothing is not lost: this network cannot say it again"""
    w = World(t, Driver)
    romeo, bob, theirs = w.clients[0], w.driver.person('bob'), w.driver.files

    def refused(c):
        theirs.released.wait(PATIENCE)
        c.sendall(answer(b'no', status='404 Not Found'))

    theirs.files['/late'] = refused
    bob.give_url(local(romeo), 'look', 'late.txt', theirs.url('/late', theirs.address))
    bob.say(local(romeo), 'behind it')
    t.server.wait(lambda: theirs.asked, 'the file to be asked for')
    with stopped(t.server):
        theirs.released.set()
        t.server.wait(lambda: 'incoming-held' in w.log(), 'the archive to give up')
    assert romeo.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('look'), 'the words').text('body').startswith('look\n[file: late.txt was not let')
    said(romeo, 'behind it')


@alone()
def test_file_cut(t):
    """line: the program or the server is killed in the midst of a file: nobody is told of the half, and the whole comes once, both ways"""
    files_cut(t, Driver)

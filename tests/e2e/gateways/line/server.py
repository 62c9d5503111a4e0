#!/usr/bin/env python3
"""A small network: the server of line.c's protocol, as a process that can be killed. server.py PORT"""
import selectors
import socket
import sys


class Peer:
    def __init__(self, net, sock):
        self.net, self.sock, self.name, self.buf, self.watched = net, sock, None, b'', set()

    def say(self, *words):
        try:
            self.sock.sendall((' '.join(words) + '\n').encode())
        except OSError:
            pass

    def read(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b''
        if not data:
            self.net.gone(self)
            return
        self.buf += data
        *lines, self.buf = self.buf.split(b'\n')
        for line in lines:
            what, _, rest = line.decode('utf-8', 'replace').partition(' ')
            getattr(self, 'on_' + what.lower(), lambda rest: None)(rest)

    def on_login(self, name):
        if name.startswith('barred'):
            self.say('NO', '-', 'you are not wanted here')
            return
        old = self.net.people.get(name)
        if old:
            self.net.gone(old)
        self.name = name
        self.net.people[name] = self
        self.say('WELCOME')
        self.net.show(name, 'available')

    def peer(self, address):
        name, _, network = address.rpartition('@')
        return self.net.people.get(name) if network == 'line' else None

    def _send(self, what, rest, *between):
        id, to, text = rest.split(' ', 2)
        if to == 'silence@line':
            return
        if to == 'later@line':
            self.net.later.append((self, id))
            return
        other = self.peer(to)
        if not other:
            self.say('NO', id, 'nobody of this name is there')
            return
        other.say(what, id, self.name + '@line', *between, text)
        self.say('OK', id)

    def on_msg(self, rest):
        self._send('MSG', rest)

    def on_fix(self, rest):
        id, to, old, text = rest.split(' ', 3)
        self._send('FIX', ' '.join((id, to, text)), old)

    def on_file(self, rest):
        if rest.split(' ')[1].startswith('#'):
            self._to_room('FILE', rest)
        else:
            self._send('FILE', rest)

    def on_link(self, rest):
        self._send('LINK', rest)

    def on_now(self, rest):
        """What was said to later@line has arrived."""
        while self.net.later:
            peer, id = self.net.later.pop(0)
            peer.say('OK', id)

    def on_got(self, rest):
        id, to = rest.split(' ')
        other = self.peer(to)
        if other:
            other.say('GOT', id, self.name + '@line')

    def on_typing(self, rest):
        to, on = rest.split(' ')
        other = self.peer(to)
        if other:
            other.say('TYPING', self.name + '@line', on)

    def on_am(self, rest):
        show, _, words = rest.partition(' ')
        self.net.show(self.name, show, words)

    def on_watch(self, rest):
        who, on = rest.split(' ')
        if on != 'on':
            self.watched.discard(who)
            return
        self.watched.add(who)
        self.say('IS', who, *self.net.shown.get(who, ('gone', '')))

    def on_names(self, room):
        for nick in self.net.rooms.get(room, {}):
            self.say('NAME', room, nick)
        self.say('NAMED', room)

    def on_join(self, rest):
        room, nick = rest.split(' ')
        if room == '#closed':
            self.say('BARRED', room, 'members-only')
            return
        seats = self.net.rooms.setdefault(room, {})
        while nick in seats and seats[nick] is not self:
            nick += '_'
        fresh = nick not in seats
        seats[nick] = self
        for other in seats:
            self.say('NAME', room, other)
        self.say('JOINED', room, nick)
        if room in self.net.topics:
            self.say('TOPIC', room, *self.net.topics[room])
        if fresh:
            self.net.to_room(room, self, 'IN', room, nick)

    def nick(self, room):
        return next((n for n, p in self.net.rooms.get(room, {}).items() if p is self), None)

    def on_part(self, room):
        nick = self.nick(room)
        if nick:
            del self.net.rooms[room][nick]
            self.net.to_room(room, self, 'OUT', room, nick)

    def on_nick(self, rest):
        room, now = rest.split(' ')
        old, seats = self.nick(room), self.net.rooms.get(room, {})
        if old and now not in seats:
            seats[now] = seats.pop(old)
            self.net.to_room(room, None, 'NICK', room, old, now)

    def on_say(self, rest):
        self._to_room('SAY', rest)

    def on_share(self, rest):
        self._to_room('SHARE', rest)

    def _to_room(self, what, rest):
        id, room, text = rest.split(' ', 2)
        nick = self.nick(room)
        if not nick:
            self.say('NO', id, 'you are not in this room')
            return
        self.net.to_room(room, self, what, id, room, nick, text)
        self.say('OK', id)

    def on_topic(self, rest):
        id, room, text = rest.split(' ', 2)
        self.net.topics[room] = (self.nick(room), text)
        self.net.to_room(room, None, 'TOPIC', room, self.nick(room), text)
        self.say('OK', id)

    def on_kick(self, rest):
        room, nick, why = (rest + ' ').split(' ', 2)
        if nick not in self.net.rooms.get(room, {}):
            self.say('BAD', room, 'nobody-of-this-name')
            return
        self.net.to_room(room, None, 'KICKED', room, nick, why.strip())
        del self.net.rooms[room][nick]


class Network:
    def __init__(self, port):
        self.people, self.rooms, self.topics, self.shown, self.later = {}, {}, {}, {}, []
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(('127.0.0.1', port))
        self.selector.register(self.listener, selectors.EVENT_READ)

    def to_room(self, room, but, *words):
        for peer in list(self.rooms.get(room, {}).values()):
            if peer is not but:
                peer.say(*words)

    def show(self, name, show, words=''):
        self.shown[name + '@line'] = (show, words)
        for peer in self.people.values():
            if name + '@line' in peer.watched:
                peer.say('IS', name + '@line', show, words)

    def gone(self, peer):
        for room in list(self.rooms):
            peer.on_part(room)
        if self.people.get(peer.name) is peer:
            del self.people[peer.name]
            self.show(peer.name, 'gone')
        self.selector.unregister(peer.sock)
        peer.sock.close()

    def run(self):
        print('ready', flush=True)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    sock = self.listener.accept()[0]
                    self.selector.register(sock, selectors.EVENT_READ, Peer(self, sock))
                elif key.fileobj.fileno() >= 0:
                    key.data.read()


if __name__ == '__main__':
    Network(int(sys.argv[1])).run()

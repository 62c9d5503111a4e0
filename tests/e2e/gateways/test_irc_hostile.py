"""IRC servers that are not what they should be: certificates, floods, nonsense and lies. Against irc_server.py."""
import hashlib
import os
import ssl

import behaviours
from behaviours import World, failed, joined, local, occupant, said
from chancerytest.ca import authority
from irc_server import Server


class Driver(behaviours.Driver):
    kind, features = 'irc', {'rooms'}
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-irc')
    settings, names = {}, 'bob'

    def start_server(self):
        self.server = Server(self.t, names=self.names)

    def kill_server(self):
        pass

    def network(self):
        return {'networks': {'verona': dict({'host': '127.0.0.1', 'port': self.server.port, 'tls': False, 'nicks': 'free', 'flood_ms': 1, 'connect_ms': 1},
                                            **self.settings)}}


def begin(t, driver=Driver, **more):
    w = World(t, driver, **more)
    t.server.wait(lambda: len(w.driver.server.nicks) >= (1 if driver.settings.get('users') == 'shared' else len(w.clients)), 'the login')
    return w, w.driver.server


def alive(w, server, romeo):
    """Heard both ways, over the stream that was there before."""
    server.raw(':bob!b@h PRIVMSG %s :still here?' % local(romeo))
    said(romeo, 'still here?', w.jid('bob%verona'))
    romeo.message(w.jid('bob%verona'), 'I am')
    server.expect(lambda line: line.endswith('PRIVMSG bob :I am'))
    assert w.proxy.accepted == 1, 'the stream to chanceryd was lost'
    assert w.program.poll() is None


# TLS

class Tls(Driver):
    """Several networks at once: what is said of each is to be believed, or not."""

    def start_server(self):
        ca = authority()
        self.named, self.numbered = ca.certificate('localhost'), ca.certificate(names='IP:127.0.0.1')
        self.good, self.other = Server(self.t, self.named), Server(self.t, self.numbered)
        self.clients, self.plain = Server(self.t, ca.certificate('localhost', usage='clientAuth')), Server(self.t)
        der = ssl.PEM_cert_to_DER_cert(open(self.named.pem).read()[open(self.named.pem).read().index('-----BEGIN CERT'):])
        self.pin = hashlib.sha256(der).hexdigest()

    def network(self):
        ca = authority().pem

        def to(host, server, **more):
            return dict({'host': host, 'port': server.port, 'connect_ms': 1, 'flood_ms': 1}, **more)
        all = {
            'name': to('localhost', self.good, ca_file=ca), 'number': to('127.0.0.1', self.other, ca_file=ca),
            'pinned': to('127.0.0.1', self.good, fingerprint=self.pin), 'unchecked': to('127.0.0.1', self.good, verify=False),
            'badname': to('127.0.0.1', self.good, ca_file=ca), 'badnumber': to('localhost', self.other, ca_file=ca), 'badca': to('localhost', self.good),
            'badpin': to('localhost', self.good, ca_file=ca, fingerprint='00' * 32), 'badpinned': to('localhost', self.good, verify=False, fingerprint='00' * 32),
            'badusage': to('localhost', self.clients, ca_file=ca), 'badplain': to('localhost', self.plain, ca_file=ca, login_ms=1000),
        }
        for name, n in all.items():
            n['nick'] = '%s_%%u' % name
        return {'networks': all}


def test_tls(t):
    """certificates: of the right authority, for the right name or address, for servers, or the one that is pinned and no other; nobody logs in to a server that has none"""
    w = World(t, Tls)
    d, romeo = w.driver, w.clients[0]
    good = {'name', 'number', 'pinned', 'unchecked'}
    bad = set(d.network()['networks']) - good
    servers = d.good, d.other, d.clients, d.plain

    def names():
        return {n.split('_')[0] for s in servers for n in s.nicks}
    t.server.wait(lambda: good <= names(), 'the logins that are right')
    t.server.wait(lambda: all('network=%s ' % n in w.log() for n in bad), 'the refusals')
    assert names() == good, names()
    for name in bad - {'badplain'}:
        assert any('network=%s ' % name in line and 'certificate is not good' in line for line in w.log().splitlines()), name
    d.good.raw(':bob!b@h PRIVMSG name_%s :%s' % (local(romeo), 'by TLS'))
    said(romeo, 'by TLS', w.jid('bob%name'))
    romeo.message(w.jid('bob%number'), 'and back')
    d.other.expect(lambda line: line == 'PRIVMSG bob :and back')


def test_tls_much(t):
    """a thousand lines in one write over TLS: all of them are heard, in their order"""
    w = World(t, Tls)
    d, romeo = w.driver, w.clients[0]
    t.server.wait(lambda: any(n.startswith('number_') for n in d.other.nicks), 'the login')
    d.other.raw('\n'.join(':bob!b@h PRIVMSG number_%s :line %d' % (local(romeo), i) for i in range(1000)))
    for i in range(1000):
        assert said(romeo, 'line %d' % i)


# Nonsense

def test_long_lines(t):
    """lines of megabytes are left out, and what stands behind them is heard"""
    w, server = begin(t)
    romeo = w.clients[0]
    server.raw(b':bob!b@h PRIVMSG ' + local(romeo).encode() + b' :' + b'x' * 5000000 + b'\r\n')
    server.raw(b'@' + b'a=b;' * 1000000 + b' :bob!b@h PRIVMSG ' + b'y' * 100 + b'\n')
    alive(w, server, romeo)


def test_not_text(t):
    """what is no UTF-8, or what XML cannot carry, breaks nothing"""
    w, server = begin(t)
    romeo = w.clients[0]
    for junk in b'\xff\xfe\xfd', b'\xc0\x80', b'\xed\xa0\x80', b'\xef\xbf\xbf', b'a\x01b\x02c\x1b', b'\xf4\x90\x80\x80', bytes(range(1, 10)) + bytes(range(14, 256)), b'\x00', b'\xe2\x82':
        server.raw(b':bob!b@h PRIVMSG ' + local(romeo).encode() + b' :' + junk + b'\r\n')
        server.raw(b':' + junk + b'!' + junk + b'@' + junk + b' PRIVMSG ' + local(romeo).encode() + b' :hi\r\n')
        server.raw(b'@msgid=' + junk + b';time=' + junk + b' :' + junk + b' ' + junk + b' ' + junk + b'\r\n')
    alive(w, server, romeo)


class Names(Driver):
    names = '@ad\u00admin z\u200bw n\u0378n \u0663\u06f3 bob'


def test_names(t):
    """nicks that cannot stand in an address are shown, with a sign in the place of what cannot, and do not cost the stream"""
    w, server = begin(t, Names)
    romeo, room = w.clients[0], '#verona%verona'
    joined(romeo, w.jid(room), local(romeo))
    server.raw(':ad\u00admin!a@h PRIVMSG #verona :obey\n:z\u200bw!z@h TOPIC #verona :new\n:z\u200bw!z@h NICK :q\u200bq\n:n\u0378n!n@h PART #verona')
    said(romeo, 'obey', w.jid(room) + '/ad\ufffdmin')
    occupant(romeo, w.jid(room), 'q\ufffdq')
    alive(w, server, romeo)


LIES = '''
:irc.example.net 001 other :Welcome again
:irc.example.net 005 %(me)s CHANTYPES= PREFIX=(ov CASEMAPPING=none NICKLEN=0 LINELEN=1 TOPICLEN=-1 :are supported
:irc.example.net CAP * LS :echo-message sasl
:irc.example.net CAP * ACK :echo-message
AUTHENTICATE +
:irc.example.net 903 %(me)s :logged in
:irc.example.net 904 %(me)s :not logged in
:irc.example.net 433 * %(me)s :in use
:irc.example.net 353 %(me)s = #verona :@+@+ !!! @ nobody!@ %(me)s
:irc.example.net 353 %(me)s = #never :a b c
:irc.example.net 366 %(me)s #never :End
:irc.example.net 366 %(me)s #verona :End
:irc.example.net 404 %(me)s #verona :no
:irc.example.net 442 %(me)s
:irc.example.net 999
:%(me)s!u@h JOIN #other
:%(me)s!u@h PART #other
:%(me)s!u@h JOIN #verona
:%(me)s!u@h QUIT :me
:ghost!g@h PART #verona
:ghost!g@h NICK :%(me)s
:bob!b@h KICK #never %(me)s :out
:bob!b@h KICK #verona ghost :out
:bob!b@h MODE #verona +ooooovvvvvqqqq bob
:bob!b@h MODE #verona +k-k+l-l+b-b
:bob!b@h NICK :bob
:#verona!c@h PRIVMSG %(me)s :the room itself
:irc.example.net PONG irc.example.net chancery-99999999999999999999999
:irc.example.net PONG irc.example.net chancery-1
PING
PING :
:
@
: x
:x
'''


def test_lies(t):
    """answers that nobody asked for, about what is not: nothing comes of them"""
    w, server = begin(t)
    romeo, room = w.clients[0], '#verona%verona'
    joined(romeo, w.jid(room), local(romeo))
    for _ in range(20):
        server.raw(LIES % {'me': local(romeo)})
    server.raw(':bob!b@h PRIVMSG #verona :in the room')
    said(romeo, 'in the room', w.jid(room) + '/bob')
    alive(w, server, romeo)
    assert not w.records("body = 'the room itself'", 'body')


def test_flood(t):
    """more than chanceryd takes at a time: it waits at the server, and none of it is lost"""
    w, server = begin(t, limits={'in_stanzas': 20})
    romeo, room = w.clients[0], '#verona%verona'
    joined(romeo, w.jid(room), local(romeo))
    server.raw('\n'.join(':bob!b@h PRIVMSG %s :line %d' % (local(romeo), i) for i in range(300)))
    for i in range(300):
        assert said(romeo, 'line %d' % i)
    server.raw('\n'.join(':m%d!m@h %s #verona' % (i // 2, 'PART' if i % 2 else 'JOIN') for i in range(600)) + '\n:bob!b@h PRIVMSG #verona :behind them')
    said(romeo, 'behind them', w.jid(room) + '/bob')
    alive(w, server, romeo)


# One connection for all

class Shared(Driver):
    settings = {'users': 'shared', 'nick': 'orgbot', 'nicks': 'account'}


def test_shared_names(t):
    """nobody of ours speaks in another's name: not by a nick, not by where a line ends; nor to a stranger who has a colleague's name"""
    w, server = begin(t, Shared, people=2)
    room, (romeo, nurse) = w.jid('#verona%verona'), w.clients
    for c in romeo, nurse:
        joined(c, room, 'boss')
    romeo.message(room, 'x' * 380 + ' ' + ' '.join(['<boss> you are dismissed'] * 30), type='groupchat')
    romeo.message(room, 'the end', type='groupchat')
    while True:
        line = server.expect(lambda e: e.startswith('PRIVMSG #verona'))
        assert line.startswith('PRIVMSG #verona :<%s> ' % local(romeo)), line
        if line.endswith(' the end'):
            break
    romeo.message('%s/%s' % (room, local(nurse)), 'between us', type='chat', id='p1')
    assert failed(romeo, 'p1').condition() == 'item-not-found'
    romeo.message('%s/#other' % room, 'elsewhere', type='chat', id='p2')
    assert failed(romeo, 'p2').condition() == 'item-not-found'
    # A stranger takes the nurse's name: it is theirs on IRC, and they are heard.
    server.raw(':bob!b@h NICK :%s\n:%s!b@h PRIVMSG #verona :it is I' % (local(nurse), local(nurse)))
    said(romeo, 'it is I', '%s/%s' % (room, local(nurse)))
    occupant(nurse, room, local(nurse) + '_')

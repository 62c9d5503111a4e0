"""The behaviours that every gateway has, run against each network's real server (modules/gateway/README.md has the table).

A network's file test_KIND.py has a Driver (see there), and `globals().update(behaviours.of(Driver))`: a scenario for each behaviour that the network can have.
"""
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from xml.sax.saxutils import escape

from chancerytest import upload
from chancerytest.again import Broken, crashed
from chancerytest.ca import authority
from chancerytest.client import PATIENCE, unique
from chancerytest.server import EICAR, sanitizer_reports
from proxy import Proxy
from test_admin import ok, rows

BUILD = os.path.abspath(sys.argv[sys.argv.index('--bin') + 1]).removesuffix('/bin') if '--bin' in sys.argv else 'build'
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
REQUEST = "<request xmlns='urn:xmpp:receipts'/>"
STATES = 'http://jabber.org/protocol/chatstates'
RIGHTS = 'send', 'receive', 'send-file', 'receive-file', 'join', 'own-account'
ALL = []


def behaviour(*needs):
    """Of networks that have all of these: rooms, receipts, corrections, typing, presence, files."""
    def mark(f):
        ALL.append((f, set(needs)))
        return f
    return mark


class Driver:
    """What a network's file provides. Made with the scenario; started before the gateway, closed with the scenario.

    kind, program: 'irc', and the program's path. features: of those named at `behaviour`.
    network(): the object "network" of the settings; more_settings(): others. start_server(), kill_server(): its server.
    person(name): somebody there, connected: .address (foreign), say(user, text) -> to an account here (user: its localpart), heard(text) waits until it has been told this by
    anybody of ours; and where the network has rooms: join(room), part(room), say_in(room, text), heard_in(room, text), topic(room, text), rename(room, nick),
    kick(room, nick), .nick; typing: types(user, on), heard_typing(); receipts: got_receipt(text) waits until it has been told that its message has arrived;
    presence: away(), gone(); corrections: fix(user, old text, new text); files: give(user, text, name, bytes), with words beside it: False when it was told that the file was not
    taken, which it is where tells_refusals; got_file(name, bytes) waits until it has been given this; files and rooms: give_in(room, text, name, bytes).
    room(name): a foreign address. nobody(): an address that is well-formed and nobody's, or None where the network cannot tell. nonsense: no address of it.
    silent(): an address that never answers, or None. closed_room(): one that does not let anybody in, or None.
    """
    features, nonsense, tells_refusals = set(), 'nonsense', False

    def __init__(self, t):
        self.t, self.folder = t, tempfile.mkdtemp(prefix='chancery-gw-')
        t.clients.insert(0, self)

    def close(self):
        self.kill_server()
        shutil.rmtree(self.folder, ignore_errors=True)

    def more_settings(self):
        return {}

    def nobody(self):
        return None

    silent = closed_room = nobody


def escaped(foreign):
    """XEP-0106."""
    return re.sub(r'[ "&\'/:<>@]', lambda m: '\\%02x' % ord(m.group()), foreign.lower())


class World:
    """A network's server, its gateway let in by the administrator, and a client."""

    def __init__(self, t, driver, limits=None, people=1, rights=RIGHTS, **settings):
        self.t, self.driver = t, driver(t)
        self.driver.start_server()
        self.name = unique('gw').lower()
        self.domain = '%s.%s' % (self.name, t.server.domain)
        ca = os.path.join(self.driver.folder, 'ca.pem')
        with open(ca, 'w') as f:
            f.write(open(t.server.ca).read() + open(authority().pem).read())
        settings = dict({'limits': limits or {}, 'network': self.driver.network(), 'upload_at': '127.0.0.1:%d' % t.server.port_https, 'ca_file': ca},
                        **{**self.driver.more_settings(), **settings})
        # Of a kind that has no program: this one is started here, so that it can be killed here.
        ok(t, 'gateway', 'add', self.name, 'test', self.domain, '--settings', '-', stdin=json.dumps(settings))
        ok(t, 'gateway', 'allow', self.name, 'everyone', *[x for r in rights for x in ('--right', r)])
        self.program = None
        self.proxy = Proxy(t, port=t.server.port_component)
        t.clients.insert(0, self)
        self.start()
        self.clients = [t.online() for _ in range(people)]
        for c in self.clients:
            # Whoever is present to the gateway uses it: the network can reach them from now on.
            c.presence(to=self.domain)
            c.expect_presence(None, self.domain)
            c.roster()

    def start(self):
        """As chanceryd starts it: one line on standard input, which stays open."""
        secret = self.t.server.value("select secret from chancery.component where name = '%s'" % self.name)
        with open(os.path.join(self.driver.folder, 'gateway.log'), 'a') as log:
            self.program = subprocess.Popen([self.driver.program, '--settings', '-'], stdin=subprocess.PIPE, stderr=log)
        line = json.dumps({'name': self.name, 'domain': self.domain, 'host': self.t.server.domain, 'server': '127.0.0.1', 'port': self.proxy.port,
                           'secret': secret, 'log': 'debug'})
        self.program.stdin.write(line.encode() + b'\n')
        self.program.stdin.flush()
        self.wait_connected()

    def wait_connected(self):
        self.t.server.wait(lambda: self.program.poll() is not None or rows(self.t, 'gateway', 'show', self.name)[0]['connected'], 'the gateway to connect')
        assert self.program.poll() is None, self.log()[-2000:]

    def log(self):
        with open(os.path.join(self.driver.folder, 'gateway.log')) as f:
            return f.read()

    def stop(self, how=signal.SIGTERM):
        """Ends it; by SIGTERM in order, with the exit code 0 (and without leaks, where that is looked for)."""
        self.program.send_signal(how)
        code = self.program.wait(60)
        self.program.stdin.close()
        if how != signal.SIGKILL and code:
            raise Broken('the program ended with %d: %s' % (code, self.log()[-3000:]))

    def close(self):
        if self.program and self.program.poll() is None:
            self.stop()
        if self.program and (crashed(self.program) or sanitizer_reports(self.log())):
            raise Broken('the program ended with %d: %s' % (self.program.returncode, '\n'.join(sanitizer_reports(self.log())[:120])))

    def jid(self, foreign):
        return '%s@%s' % (escaped(foreign), self.domain)

    def records(self, where, what):
        return self.t.server.records(where, what)


def local(client):
    return client.bare.split('@')[0]


def said(client, text, from_=None):
    return client.expect(lambda e: e.name == 'message' and e.get('type') != 'error' and e.text('body') == text and (not from_ or e.get('from').startswith(from_)),
                         'the message %r' % text)


def failed(client, id):
    return client.expect(lambda e: e.name == 'message' and e.get('type') == 'error' and e.get('id') == id, 'the error for %s' % id)


def joined(client, room, nick):
    client.presence(to='%s/%s' % (room, nick), inner=MUC)
    me = client.expect(lambda e: e.name == 'presence' and e.get('from', '').startswith(room) and codes(e) & {'110'} or e.get('type') == 'error', 'to be in the room')
    assert me.get('type') is None, me
    client.expect(lambda e: e.name == 'message' and e.get('type') == 'groupchat' and e.find('subject') is not None, 'the topic')
    return me


def codes(e):
    x = next((c for c in e.all() if c.name == 'x' and c.ns.endswith('#user')), None)
    return {c.get('code') for c in x.all('status')} if x else set()


def occupant(client, room, nick, type=None):
    return client.expect(lambda e: e.name == 'presence' and e.get('from') == '%s/%s' % (room, nick) and e.get('type') == type,
                         '%s of %s' % (type or 'presence', nick))


# One to one

@behaviour()
def out(w, romeo):
    """1: what is said here is heard there, once, in order"""
    bob = w.driver.person('bob')
    for i in range(5):
        romeo.message(w.jid(bob.address), 'it is the east %d' % i)
    for i in range(5):
        bob.heard('it is the east %d' % i)


@behaviour()
def in_(w, romeo):
    """2: what is said there is heard here, in order, from its address"""
    bob = w.driver.person('bob')
    for i in range(5):
        bob.say(local(romeo), 'ay me %d' % i)
    for i in range(5):
        said(romeo, 'ay me %d' % i, w.jid(bob.address))


@behaviour()
def recorded(w, romeo):
    """3: both ways are in the record, with the addresses of both sides"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'for the record')
    bob.heard('for the record')
    bob.say(local(romeo), 'so be it')
    said(romeo, 'so be it')
    assert w.records("from_bare = '%s' and body = 'for the record'" % romeo.bare, 'to_bare') == [[w.jid(bob.address)]]
    assert w.records("to_bare = '%s' and body = 'so be it'" % romeo.bare, 'from_bare') == [[w.jid(bob.address)]]


@behaviour()
def foreign_element(w, romeo):
    """4: what comes from there says which network and who it was, to who reads it and in the record"""
    bob = w.driver.person('bob')
    bob.say(local(romeo), 'who am I?')
    f = [c for c in said(romeo, 'who am I?').all() if c.name == 'foreign' and c.ns == 'urn:chancery:gateway:0']
    assert f and f[0].get('network') and f[0].get('address'), f
    assert 'urn:chancery:gateway:0' in w.records("to_bare = '%s' and body = 'who am I?'" % romeo.bare, 'stanza')[0][0]


@behaviour()
def offline(w, romeo):
    """5: who is not there reads it later"""
    bob = w.driver.person('bob')
    romeo.cut()
    bob.say(local(romeo), 'sleep dwell upon thine eyes')
    w.t.server.wait(lambda: w.records("to_bare = '%s' and body = 'sleep dwell upon thine eyes'" % romeo.bare, 'id'), 'the record')
    said(w.t.online(romeo), 'sleep dwell upon thine eyes')


@behaviour()
def unicode(w, romeo):
    """6: letters of all scripts and beyond the first plane arrive as they are, both ways"""
    bob = w.driver.person('bob')
    for text in 'Größe', 'Привет', '漢字', '🌹 rose', 'e\u0301':
        romeo.message(w.jid(bob.address), text)
        bob.heard(text)
        bob.say(local(romeo), text)
        said(romeo, text)


@behaviour()
def markup(w, romeo):
    """7: what looks like markup is text"""
    bob, text = w.driver.person('bob'), '<b>&amp; "quoted" \'too\'</b> ]]>'
    romeo.message(w.jid(bob.address), text)
    bob.heard(text)
    bob.say(local(romeo), text)
    said(romeo, text)


@behaviour()
def nobody(w, romeo):
    """8: what cannot be given to anybody comes back to its sender, with the network's words"""
    address = w.driver.nobody()
    if not address:
        return
    romeo.message(w.jid(address), 'hello?', id='n1')
    e = failed(romeo, 'n1')
    assert e.get('from') == w.jid(address) and e.condition() and e.find('error').text('text'), e


@behaviour()
def nonsense(w, romeo):
    """9: what is no address of the network is item-not-found"""
    romeo.message('%s@%s' % (w.driver.nonsense, w.domain), 'hello?', id='n2')
    assert failed(romeo, 'n2').condition() == 'item-not-found'


@behaviour()
def to_the_gateway(w, romeo):
    """10: the gateway itself is not written to"""
    romeo.message(w.domain, 'hello?', id='n3')
    assert failed(romeo, 'n3').condition() == 'service-unavailable'


@behaviour()
def subject(w, romeo):
    """11: a subject is not lost"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'come at nine', inner='<subject>tomorrow</subject>')
    bob.heard('come at nine' if 'subjects' in w.driver.features else 'tomorrow: come at nine')


@behaviour()
def several(w, romeo):
    """12: two people here, two there, each hears what is meant for them"""
    nurse, bob, eve = w.clients[1], w.driver.person('bob'), w.driver.person('eve')
    romeo.message(w.jid(bob.address), 'r to b')
    nurse.message(w.jid(eve.address), 'n to e')
    bob.heard('r to b')
    eve.heard('n to e')
    bob.say(local(nurse), 'b to n')
    eve.say(local(romeo), 'e to r')
    said(nurse, 'b to n', w.jid(bob.address))
    said(romeo, 'e to r', w.jid(eve.address))
    assert not romeo.heard_any(lambda e: e.name == 'message' and e.text('body') == 'b to n')


@behaviour()
def empty(w, romeo):
    """13: what says nothing goes nowhere, and what follows does"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), inner="<active xmlns='%s'/>" % STATES)
    romeo.message(w.jid(bob.address), 'something')
    bob.heard('something')


@behaviour('receipts')
def receipt_out(w, romeo):
    """14: a receipt that the network gives is the client's (XEP-0184)"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'did you get it?', id='r1', inner=REQUEST)
    bob.heard('did you get it?')
    romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == 'r1' for c in e.all()), 'the receipt')


@behaviour('receipts')
def receipt_in(w, romeo):
    """15: a client's receipt is told to the network"""
    bob = w.driver.person('bob')
    bob.say(local(romeo), 'did you?')
    m = said(romeo, 'did you?')
    assert any(c.name == 'request' for c in m.all()), m
    romeo.message(w.jid(bob.address), inner="<received xmlns='urn:xmpp:receipts' id='%s'/>" % m.get('id'))
    bob.got_receipt('did you?')


@behaviour('typing')
def typing(w, romeo):
    """16: typing is seen, both ways, and is not recorded"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), inner="<composing xmlns='%s'/>" % STATES)
    bob.heard_typing()
    bob.types(local(romeo), True)
    romeo.expect(lambda e: e.name == 'message' and any(c.name == 'composing' for c in e.all()), 'composing')
    bob.types(local(romeo), False)
    romeo.expect(lambda e: e.name == 'message' and any(c.name == 'paused' for c in e.all()), 'paused')


@behaviour()
def correction_out(w, romeo):
    """17: a correction goes as one, or as words marked as such"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'Julliet', id='c1')
    bob.heard('Julliet')
    romeo.message(w.jid(bob.address), 'Juliet', id='c2', inner="<replace xmlns='urn:xmpp:message-correct:0' id='c1'/>")
    bob.heard('Juliet' if 'corrections' in w.driver.features else '* Juliet')


@behaviour('corrections')
def correction_in(w, romeo):
    """18: a correction there is one here (XEP-0308)"""
    bob = w.driver.person('bob')
    bob.say(local(romeo), 'Romoe')
    m = said(romeo, 'Romoe')
    bob.fix(local(romeo), 'Romoe', 'Romeo')
    fixed = said(romeo, 'Romeo')
    assert [c.get('id') for c in fixed.all('replace')] == [m.get('id')], fixed


@behaviour('presence')
def presence(w, romeo):
    """19: who is subscribed to is seen as they are"""
    bob = w.driver.person('bob')
    jid = w.jid(bob.address)
    romeo.presence('subscribe', to=jid)
    romeo.expect_presence('subscribed', jid)
    romeo.expect_presence(None, jid)
    bob.away()
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == jid and e.text('show') == 'away', 'away')
    bob.gone()
    romeo.expect_presence('unavailable', jid)


@behaviour()
def subscription(w, romeo):
    """20: a subscription is granted, and taken back"""
    jid = w.jid(w.driver.person('bob').address)
    romeo.presence('subscribe', to=jid)
    romeo.expect_presence('subscribed', jid)
    romeo.presence('unsubscribe', to=jid)
    romeo.expect(lambda e: e.name == 'presence' and e.get('type') in ('unsubscribed', 'unavailable'), 'the end of it')


@behaviour()
def disco(w, romeo):
    """21: the gateway says what it is, what it can do (XEP-0030, XEP-0100), and what the JID of an address is (XEP-0100 §6.3)"""
    r = romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=w.domain)
    q = r.all()[0]
    assert any(c.name == 'identity' and c.get('category') == 'gateway' for c in q.all()), r
    assert {'http://jabber.org/protocol/commands', 'jabber:iq:gateway'} <= {c.get('var') for c in q.all('feature')}, r
    q, address = "<query xmlns='jabber:iq:gateway'>%s</query>", w.driver.person('bob').address
    assert romeo.iq('get', q % '', to=w.domain).all()[0].text('prompt')
    r = romeo.iq('set', q % ('<prompt> %s\n</prompt>' % escape(address)), to=w.domain)
    assert r.all()[0].text('jid') == w.jid(address), r
    assert romeo.iq('set', q % ('<prompt>%s</prompt>' % w.driver.nonsense), to=w.domain).condition() == 'item-not-found'
    assert romeo.iq('set', q % '', to=w.domain).condition() == 'bad-request'


@behaviour()
def commands(w, romeo):
    """22: commands: status and connecting anew (XEP-0050)"""
    r = romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>", to=w.domain)
    assert {'status', 'connect', 'logout'} <= {c.get('node') for c in r.all()[0].all('item')}, r
    r = romeo.iq('set', "<command xmlns='http://jabber.org/protocol/commands' node='status' action='execute'/>", to=w.domain)
    assert r.all()[0].get('status') == 'completed' and r.all()[0].text('note'), r


@behaviour()
def unknown_request(w, romeo):
    """23: what it does not know is service-unavailable"""
    assert romeo.iq('get', "<query xmlns='urn:example:none'/>", to=w.domain).condition() == 'service-unavailable'


# Rooms

@behaviour('rooms')
def room_join(w, romeo):
    """24: a room: who is there, oneself, the topic, in that order"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    me = joined(romeo, w.jid(room), local(romeo))
    assert romeo_saw(romeo, me, '%s/%s' % (w.jid(room), bob.nick))


def romeo_saw(client, me, jid):
    """expect() has passed over who came before oneself: they are asked for."""
    r = client.iq('get', "<query xmlns='http://jabber.org/protocol/disco#items'/>", to=jid.split('/')[0])
    return jid in [c.get('jid') for c in r.all()[0].all('item')]


@behaviour('rooms')
def room_out(w, romeo):
    """25: what is said in a room is heard there, and shown to who said it with the same ids (XEP-0359: clients know it again by theirs)"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    for i in range(3):
        romeo.message(w.jid(room), 'good morrow %d' % i, type='groupchat', id='g%d' % i, inner="<origin-id xmlns='urn:xmpp:sid:0' id='o%d'/>" % i)
    for i in range(3):
        bob.heard_in(room, 'good morrow %d' % i)
        m = said(romeo, 'good morrow %d' % i, w.jid(room))
        assert m.get('id') == 'g%d' % i and [c.get('id') for c in m.all('origin-id')] == ['o%d' % i], m


@behaviour('rooms')
def room_in(w, romeo):
    """26: what is said there is heard here, once, from the one who said it"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    for i in range(3):
        bob.say_in(room, 'two households %d' % i)
    for i in range(3):
        m = said(romeo, 'two households %d' % i, '%s/%s' % (w.jid(room), bob.nick))
        assert m.get('type') == 'groupchat', m


@behaviour('rooms')
def room_two(w, romeo):
    """27: two people of ours in a room see and hear each other, and hear others once"""
    nurse, bob, room = w.clients[1], w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    joined(nurse, w.jid(room), local(nurse))
    occupant(romeo, w.jid(room), local(nurse))
    romeo.message(w.jid(room), 'good nurse', type='groupchat')
    said(nurse, 'good nurse', '%s/%s' % (w.jid(room), local(romeo)))
    said(romeo, 'good nurse')
    bob.heard_in(room, 'good nurse')
    bob.say_in(room, 'once')
    bob.say_in(room, 'and again')
    for c in romeo, nurse:
        said(c, 'once')
        assert said(c, 'and again')
        assert not c.heard_any(lambda e: e.name == 'message' and e.text('body') in ('once', 'good nurse'))


@behaviour('rooms')
def room_come_and_go(w, romeo):
    """28: who comes and goes there is seen"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    joined(romeo, w.jid(room), local(romeo))
    bob.join(room)
    occupant(romeo, w.jid(room), bob.nick)
    bob.part(room)
    occupant(romeo, w.jid(room), bob.nick, 'unavailable')


@behaviour('rooms')
def room_leave(w, romeo):
    """29: who leaves here has left there; nothing more is heard"""
    nurse, room = w.clients[1], w.driver.room('verona')
    joined(romeo, w.jid(room), local(romeo))
    joined(nurse, w.jid(room), local(nurse))
    nurse.presence('unavailable', to='%s/%s' % (w.jid(room), local(nurse)))
    occupant(romeo, w.jid(room), local(nurse), 'unavailable')
    nurse.message(w.jid(room), 'still here?', type='groupchat', id='l1')
    assert failed(nurse, 'l1').condition() == 'not-acceptable'


@behaviour('rooms')
def room_rename(w, romeo):
    """30: another nickname there is one here (303)"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    old = bob.nick
    bob.rename(room, 'robert')
    assert '303' in codes(occupant(romeo, w.jid(room), old, 'unavailable'))
    occupant(romeo, w.jid(room), 'robert')


@behaviour('rooms')
def room_nick(w, romeo):
    """31: one's own nickname can be changed"""
    room = w.jid(w.driver.room('verona'))
    joined(romeo, room, local(romeo))
    romeo.presence(to=room + '/montague')
    assert '303' in codes(occupant(romeo, room, local(romeo), 'unavailable'))
    assert '110' in codes(occupant(romeo, room, 'montague'))


@behaviour('rooms')
def room_topic(w, romeo):
    """32: the topic, both ways"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    bob.topic(room, 'ancient grudge')
    romeo.expect(lambda e: e.name == 'message' and e.text('subject') == 'ancient grudge', 'the topic')


@behaviour('rooms')
def room_kicked(w, romeo):
    """33: who is thrown out is told (307), with the reason"""
    bob, room = w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    bob.kick(room, local(romeo))
    e = occupant(romeo, w.jid(room), local(romeo), 'unavailable')
    assert {'307', '110'} <= codes(e), e


@behaviour('rooms')
def room_refused(w, romeo):
    """34: a room that does not let one in says so"""
    room = w.driver.closed_room()
    if not room:
        return
    romeo.presence(to='%s/%s' % (w.jid(room), local(romeo)), inner=MUC)
    e = romeo.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal')
    assert e.condition(), e


# What goes wrong

@behaviour()
def gateway_restart(w, romeo):
    """35: what is said while the gateway is down is heard when it is back"""
    bob = w.driver.person('bob')
    w.stop()
    for i in range(3):
        romeo.message(w.jid(bob.address), 'while you slept %d' % i)
    w.start()
    for i in range(3):
        bob.heard('while you slept %d' % i)


@behaviour()
def gateway_killed(w, romeo):
    """36: the same when it was killed; and what came before is not said again"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'before')
    bob.heard('before')
    romeo.ping(w.domain)
    w.stop(signal.SIGKILL)
    romeo.message(w.jid(bob.address), 'after')
    w.start()
    bob.heard('after')


@behaviour()
def server_down(w, romeo):
    """37: while the network is away messages wait; when it stays away they come back"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'before')
    bob.heard('before')
    address = w.jid(bob.address)
    w.driver.kill_server()
    romeo.message(address, 'is anybody there?', id='d1')
    assert failed(romeo, 'd1').condition() in ('remote-server-timeout', 'remote-server-not-found', 'recipient-unavailable', 'service-unavailable')


@behaviour()
def server_back(w, romeo):
    """38: the network is back, and so is the way to it, both ways"""
    w.driver.kill_server()
    w.driver.start_server()
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'are you back?')
    bob.heard('are you back?')
    bob.say(local(romeo), 'I am')
    said(romeo, 'I am')


@behaviour()
def stream_lost(w, romeo):
    """39: the stream to chanceryd is cut and comes again: what was said before is not said again, and what is said meanwhile arrives"""
    bob = w.driver.person('bob')
    for i in range(3):
        romeo.message(w.jid(bob.address), 'out %d' % i)
        bob.heard('out %d' % i)
        connections = w.proxy.accepted
        w.proxy.cut()
        bob.say(local(romeo), 'in %d' % i)
        said(romeo, 'in %d' % i)
        assert w.proxy.accepted > connections
    assert [r[0] for r in w.records("body like 'in %%' and to_bare = '%s'" % romeo.bare, 'body')] == ['in %d' % i for i in range(3)]


@behaviour()
def orderly_end(w, romeo):
    """40: told to end it ends, in order and without anything left"""
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'last words')
    bob.heard('last words')
    w.stop()
    assert 'handles-left' not in w.log() and 'loop-not-closed' not in w.log(), w.log()[-2000:]


# Files

def offered(w, client):
    """The next file, and what is at its address, which is the text and the out-of-band data."""
    m = client.expect(lambda e: e.name == 'message' and any(c.name == 'x' and c.ns == 'jabber:x:oob' for c in e.all()), 'a file')
    url = [c.text('url') for c in m.all() if c.name == 'x'][0]
    assert m.text('body') == url and any(c.name == 'foreign' for c in m.all()), m
    a = upload.http(w.t).ask('GET', '/' + url.split('/', 3)[3], {})
    assert a.status == 200, a
    return m, url.split('/')[-1], a.body


def send_file(w, client, to, data, name, id=None, type='chat'):
    url = upload.upload(w.t, client, data, name).get
    client.message(to, url, type=type, id=id, inner="<x xmlns='jabber:x:oob'><url>%s</url></x>" % url)
    return url


@behaviour('files')
def file_in(w, romeo):
    """41: a file from there is a file of our upload service, behind its text and before what follows, and in the record as its sender's"""
    bob = w.driver.person('bob')
    assert bob.give(local(romeo), 'here it is', 'map.txt', b'to Mantua\n')
    bob.say(local(romeo), 'have you got it?')
    said(romeo, 'here it is', w.jid(bob.address))
    m, name, data = offered(w, romeo)
    assert (m.get('from').split('/')[0], name, data) == (w.jid(bob.address), 'map.txt', b'to Mantua\n'), m
    said(romeo, 'have you got it?')
    assert [r[0] for r in w.records("kind = 22 and stanza like '%%map.txt%%' and from_bare = '%s'" % w.jid(bob.address), 'from_bare')] == [w.jid(bob.address)]


@behaviour('files')
def file_out(w, romeo):
    """42: a file of our upload service is a file there, and what is said behind it comes behind it; the address of anything else is text"""
    bob = w.driver.person('bob')
    send_file(w, romeo, w.jid(bob.address), b'a letter\n', 'letter to bob.txt')
    romeo.message(w.jid(bob.address), 'burn it')
    romeo.message(w.jid(bob.address), 'https://files.example/x.txt', inner="<x xmlns='jabber:x:oob'><url>https://files.example/x.txt</url></x>")
    bob.got_file('letter to bob.txt', b'a letter\n')
    bob.heard('burn it')
    bob.heard('https://files.example/x.txt')


@behaviour('files')
def file_forbidden(w, romeo):
    """43: where files are forbidden none come and none go: who gets one is told that there was one, who sends one that it did not go; words pass"""
    ok(w.t, 'gateway', 'allow', w.name, 'everyone', '--right', 'send', '--right', 'receive')
    bob = w.driver.person('bob')
    assert bob.give(local(romeo), 'for your eyes', 'plan.txt', b'secret plan\n') is not w.driver.tells_refusals
    romeo.expect(lambda e: e.name == 'message' and 'for your eyes' in (e.text('body') or '') and
                 '[file: plan.txt was not let through: Whom this is for does not get files from this network]' in e.text('body'), 'the words')
    send_file(w, romeo, w.jid(bob.address), b'a letter\n', 'letter.txt', id='ff')
    assert failed(romeo, 'ff').condition() == 'not-acceptable'
    romeo.message(w.jid(bob.address), 'words')
    bob.heard('words')
    assert not w.t.server.value("select id from chancery.upload where name = 'plan.txt' and owner = '%s'" % w.jid(bob.address))


@behaviour('files')
def file_infected(w, romeo):
    """44: an infected file reaches nobody: who it was for is told its name and why, and so is the record; what else was said arrives"""
    bob = w.driver.person('bob')
    assert bob.give(local(romeo), 'open it', 'game.com', EICAR) is not w.driver.tells_refusals
    said_so = romeo.expect(lambda e: e.name == 'message' and 'open it' in (e.text('body') or '') and '[file: game.com was not let through: ' in e.text('body'), 'the words').text('body')
    assert 'Eicar' in said_so, said_so
    bob.say(local(romeo), 'have you?')
    said(romeo, 'have you?')
    assert not romeo.heard_any(lambda e: e.name == 'message' and any(c.ns == 'jabber:x:oob' for c in e.all()))
    assert w.records("kind = 22 and from_bare = '%s' and stanza like '%%infected%%'" % w.jid(bob.address), 'id')


@behaviour('rooms', 'files')
def room_file(w, romeo):
    """45: a file from a room is one file of ours for all who hear it, behind its text and before what its sender says then; one of ours is a file there, and shown to the others here"""
    nurse, bob, room = w.clients[1], w.driver.person('bob'), w.driver.room('verona')
    bob.join(room)
    for c in romeo, nurse:
        joined(c, w.jid(room), local(c))
    bob.give_in(room, 'look here', 'map.txt', b'to Mantua\n')
    bob.say_in(room, 'well?')
    for c in romeo, nurse:
        sender = '%s/%s' % (w.jid(room), bob.nick)
        said(c, 'look here', sender)
        m, name, data = offered(w, c)
        assert (m.get('from'), m.get('type'), name, data) == (sender, 'groupchat', 'map.txt', b'to Mantua\n'), m
        said(c, 'well?')
    assert w.t.server.value("select count(*) from chancery.upload where name = 'map.txt' and owner = '%s'" % w.jid(room)) == '1'
    url = send_file(w, nurse, w.jid(room), b'a letter\n', 'letter.txt', type='groupchat')
    nurse.message(w.jid(room), 'burn it', type='groupchat')
    bob.got_file('letter.txt', b'a letter\n')
    bob.heard_in(room, 'burn it')
    for c in romeo, nurse:
        m = said(c, url, '%s/%s' % (w.jid(room), local(nurse)))
        assert [x.text('url') for x in m.all('x') if x.ns == 'jabber:x:oob'] == [url], m
        said(c, 'burn it')


@behaviour('rooms', 'files')
def room_file_forbidden(w, romeo):
    """46: in a room who may get files gets them, the others are told that there was one; where nobody may all are; who may send none is told that it did not go"""
    nurse, bob, room, group = w.clients[1], w.driver.person('bob'), w.driver.room('verona'), unique('staff').lower()
    ok(w.t, 'gateway', 'allow', w.name, 'everyone', '--right', 'send', '--right', 'receive', '--right', 'join')
    ok(w.t, 'gateway', 'allow', w.name, group, '--right', 'receive-file', '--right', 'receive')
    ok(w.t, 'user', 'set', nurse.bare, 'group+=' + group)
    bob.join(room)
    for c in romeo, nurse:
        joined(c, w.jid(room), local(c))
    bob.give_in(room, 'for your eyes', 'plan.txt', b'secret plan\n')
    bob.say_in(room, 'done')
    for c in romeo, nurse:
        said(c, 'for your eyes')
    assert offered(w, nurse)[1:] == ('plan.txt', b'secret plan\n')
    m = romeo.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('[file: plan.txt was not let through: '), 'that there was a file')
    assert m.get('from') == '%s/%s' % (w.jid(room), bob.nick) and any(c.name == 'foreign' for c in m.all()), m
    for c in romeo, nurse:
        said(c, 'done')
    assert not romeo.heard_any(lambda e: e.name == 'message' and any(c.ns == 'jabber:x:oob' for c in e.all()))
    send_file(w, romeo, w.jid(room), b'a letter\n', 'letter.txt', id='ff', type='groupchat')
    assert failed(romeo, 'ff').condition() == 'not-acceptable'
    ok(w.t, 'user', 'set', nurse.bare, 'group-=' + group)
    bob.give_in(room, 'nobody sees it', 'secret.txt', b'secret\n')
    for c in romeo, nurse:
        c.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('nobody sees it\n[file: secret.txt was not let through: '), 'the words')


class Narrow(Proxy):
    """A way to the upload service on which, when that is said, so many bytes pass and then nothing more."""

    def __init__(self, t):
        super().__init__(t, port=t.server.port_https)
        self.room, self.full = None, threading.Event()

    def narrow(self, room):
        self.full.clear()
        self.room = room

    def widen(self):
        """For who comes now; what was under way is cut off."""
        self.room = None
        self.cut()

    def _pump(self, a, b, from_server):
        try:
            while data := a.recv(4096):
                if self.room is not None:
                    self.room -= len(data)
                    if self.room < 0:
                        self.full.set()
                        return
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def files_cut(t, driver):
    """The program is killed, then the server, when half of a file has passed, each way: nobody is told of the half, and the whole comes once. Where the network is not told what became
    of its file, and cannot give it again, its people do."""
    way, data = Narrow(t), b''.join(b'%06d ' % i for i in range(30000))
    w = World(t, driver, upload_at='127.0.0.1:%d' % way.port)
    bob, romeo = w.driver.person('bob'), w.clients[0]

    def kill_program():
        w.stop(signal.SIGKILL)
        way.widen()
        w.start()
        return romeo

    def kill_server():
        t.server.kill()
        way.widen()
        t.server.start()
        w.wait_connected()
        return t.online(romeo)

    for kill in kill_program, kill_server:
        name = 'out-%s.txt' % kill.__name__
        url = upload.upload(t, romeo, data, name).get
        way.narrow(len(data) // 2)
        romeo.message(w.jid(bob.address), url, inner="<x xmlns='jabber:x:oob'><url>%s</url></x>" % url)
        assert way.full.wait(PATIENCE), 'half of it did not come'
        romeo = kill()
        bob.got_file(name, data)
        romeo.message(w.jid(bob.address), 'behind ' + name)
        assert name not in bob.hears_until('behind ' + name), 'it came twice'
    for kill in kill_program, kill_server:
        name = 'in-%s.txt' % kill.__name__
        way.narrow(len(data) // 2)
        giving = threading.Thread(target=bob.give, args=(local(romeo), 'look', name, data))
        giving.start()
        assert way.full.wait(PATIENCE), 'half of it did not come'
        romeo = kill()
        romeo.presence(to=w.domain)
        if not w.driver.tells_refusals:
            bob.give(local(romeo), 'again', name, data)
        got = None
        while got != name:  # what came before the server was killed, and was not acknowledged, comes again
            _, got, content = offered(w, romeo)
        assert content == data
        giving.join()
        bob.say(local(romeo), 'behind ' + name)
        said(romeo, 'behind ' + name)
        assert not romeo.heard_any(lambda e: e.name == 'message' and (e.text('body') or '').endswith('/' + name)), 'it came twice'
        assert t.server.value("select count(*) from chancery.upload where name = '%s' and state = 2" % name) == '1'


LIMITS = {'gateway_restart': {}, 'server_down': {'send_seconds': 5}}


def of(driver):
    """A scenario for each behaviour that this network can have."""
    found = {}
    for f, needs in ALL:
        if not needs <= driver.features:
            continue

        def scenario(t, f=f):
            w = World(t, driver, limits=LIMITS.get(f.__name__), people=2)
            f(w, w.clients[0])
        scenario.__doc__ = '%s: %s' % (driver.kind, f.__doc__)
        found['test_' + f.__name__.strip('_')] = functools.wraps(f)(scenario)
        found['test_' + f.__name__.strip('_')].__doc__ = scenario.__doc__
        del found['test_' + f.__name__.strip('_')].__wrapped__
    return found

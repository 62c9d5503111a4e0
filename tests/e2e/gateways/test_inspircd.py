"""IRC, against inspircd (Debian's package), which has much of IRCv3: the behaviours once more, and what ngircd has not. CI runs those that this can make a difference for (SUBSET)."""
import os
import shutil
import subprocess
import time

import behaviours
import test_irc
from behaviours import World, failed, joined, local, occupant, said
from chancerytest.client import PATIENCE
from chancerytest.server import take_port

INSPIRCD = shutil.which('inspircd', path='/usr/sbin:/usr/bin')
SUBSET = {'presence', 'out', 'nobody', 'room_two', 'room_rename', 'room_refused', 'server_back', 'id', 'which_was_refused', 'away', 'to_oneself'}
MODULES = ('cap chghost ircv3 ircv3_accounttag ircv3_batch ircv3_chghost ircv3_ctctags ircv3_echomessage ircv3_invitenotify ircv3_labeledresponse ircv3_msgid '
           'ircv3_servertime namesx uhnames monitor setname permchannels services_account').split()
CONF = """<server name="irc.example.net" description="test" network="Test" id="1AA">
<admin name="admin" nick="admin" email="admin@example.net">
<bind address="127.0.0.1" port="%d" type="clients">
<connect allow="*" timeout="60" pingfreq="2m" resolvehostnames="no" useident="no" fakelag="no" maxchans="100" threshold="1000" commandrate="100000"
 recvq="65536" softsendq="65536" hardsendq="1048576" localmax="10000" globalmax="10000">
<limits maxnick="30">
<performance somaxconn="128">
<dns server="127.0.0.1" timeout="1">
<pid file="%s/pid">
%s
<permchannels channel="#closed" modes="iP">
"""


def missing():
    return None if INSPIRCD else 'inspircd'


class Driver(test_irc.Driver):
    modules = MODULES

    def more(self):
        return ''

    def start_server(self):
        if not hasattr(self, 'port'):
            self.port = take_port()
        path = os.path.join(self.folder, 'inspircd.conf')
        with open(path, 'w') as f:
            f.write(CONF % (self.port, self.folder, '\n'.join('<module name="%s">' % m for m in self.modules)) + self.more())
        self.process = subprocess.Popen([INSPIRCD, '--config=' + path, '--nofork', '--nolog', '--runasroot'], cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.t.server.wait(self.answers, 'inspircd')


globals().update(behaviours.of(Driver))


def test_id(t):
    """the network's id of a message is in the message here (message-tags, msgid)"""
    w = World(t, Driver)
    bob, romeo = w.driver.person('bob'), w.clients[0]
    bob.say(local(romeo), 'what man art thou?')
    m = said(romeo, 'what man art thou?')
    assert m.find('foreign').get('id').startswith('1AA'), m


def test_which_was_refused(t):
    """of several messages at once that one comes back which was refused (labeled-response)"""
    w = World(t, Driver)
    bob, romeo, room = w.driver.person('bob'), w.clients[0], '#verona%verona'
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    for i in range(3):
        romeo.message(w.jid(bob.address), 'heard %d' % i, id='h%d' % i)
        romeo.message(w.jid('nobody%d%%verona' % i), 'not heard %d' % i, id='n%d' % i)
    for i in range(3):
        bob.heard('heard %d' % i)
        assert failed(romeo, 'n%d' % i).condition() == 'item-not-found'
    romeo.ping(w.domain)
    assert not romeo.heard_any(lambda e: e.name == 'message' and e.get('type') == 'error')


def test_away(t):
    """who is away there is away here, and back (away-notify)"""
    w = World(t, Driver)
    bob, romeo, room = w.driver.person('bob'), w.clients[0], '#verona%verona'
    bob.join(room)
    joined(romeo, w.jid(room), local(romeo))
    bob.raw('AWAY :asleep')
    there = '%s/%s' % (w.jid(room), bob.nick)
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == there and e.text('show') == 'away', 'away')
    bob.raw('AWAY')
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == there and e.text('show') is None and e.get('type') is None, 'back')


def test_presence(t):
    """who is in the roster is seen while they are there: the server tells it (MONITOR)"""
    test_irc.seen_there(t, Driver)


def test_to_oneself(t):
    """a message to one's own nick is told from the echo of it, and holds up nothing"""
    w = World(t, Driver)
    bob, romeo = w.driver.person('bob'), w.clients[0]
    bob.wait_for(local(romeo))
    romeo.message(w.jid(local(romeo) + '%verona'), 'note to myself')
    romeo.message(w.jid(bob.address), 'and now you')
    bob.heard('and now you')
    romeo.ping(w.domain)
    assert not romeo.heard_any(lambda e: e.name == 'message' and e.get('type') == 'error')

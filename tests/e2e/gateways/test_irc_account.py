"""Accounts of one's own at IRC: SASL, certificates and NickServ (inspircd with atheme, Debian's packages), and a server's password (ngircd)."""
import hashlib
import os
import re
import shutil
import ssl
import subprocess

import test_inspircd
import test_irc
from behaviours import World, failed, joined, local, said
from chancerytest.ca import authority
from chancerytest.client import unique
from chancerytest.server import take_port
from test_admin import ok, rows
from test_policy import command, note

ATHEME = shutil.which('atheme-services', path='/usr/sbin:/usr/bin')
MODES = ['relay', 'account']
SERVICES = """loadmodule "modules/protocol/inspircd";
loadmodule "modules/backend/opensex";
loadmodule "modules/crypto/rawsha1";
loadmodule "modules/nickserv/main";
loadmodule "modules/nickserv/register";
loadmodule "modules/nickserv/set_core";
loadmodule "modules/nickserv/set_password";
loadmodule "modules/saslserv/main";
loadmodule "modules/saslserv/plain";
%sserverinfo { name = "services.example.net"; desc = "services"; numeric = "00A"; recontime = 1; netname = "Test"; adminname = "admin"; adminemail = "admin@example.net";
registeremail = "admin@example.net"; auth = none; maxlogins = 100; casemapping = ascii; };
uplink "irc.example.net" { host = "127.0.0.1"; port = %d; send_password = "link"; receive_password = "link"; };
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.example.net"; real = "NickServ"; spam; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.example.net"; real = "SaslServ"; };
general { commit_interval = 5; default_clone_allowed = 1000; flood_msgs = 0; };
"""


def missing():
    return test_inspircd.missing() or test_irc.missing() or (None if ATHEME else 'atheme-services')


class Driver(test_inspircd.Driver):
    modules = [*test_inspircd.MODULES, 'sasl', 'spanningtree']
    settings, services, more_services = {'plain_without_tls': True}, None, ''

    def more(self):
        self.services_port = take_port()
        return ('<bind address="127.0.0.1" port="%d" type="servers">\n<link name="services.example.net" ipaddr="127.0.0.1" port="%d" allowmask="127.0.0.1" '
                'sendpass="link" recvpass="link">\n<uline server="services.example.net" silent="yes">\n<sasl target="services.example.net">\n'
                % (self.services_port, self.services_port))

    def start_server(self):
        super().start_server()
        path = os.path.join(self.folder, 'atheme.conf')
        with open(path, 'w') as f:
            f.write(SERVICES % (self.more_services, self.services_port))
        with open(os.path.join(self.folder, 'atheme.out'), 'w') as out:
            self.services = subprocess.Popen([ATHEME, '-n', '-c', path, '-D', self.folder, '-l', os.path.join(self.folder, 'atheme.log'), '-p',
                                              os.path.join(self.folder, 'atheme.pid')], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.person('clerk').wait_for('NickServ')

    def kill_server(self):
        if self.services:
            self.services.kill()
            self.services.wait()
            self.services = None
        super().kill_server()

    def account(self, password, *more):
        """The name of an account there, whose owner has gone."""
        p = self.person('montague')
        p.raw('PRIVMSG NickServ :REGISTER %s %s@example.net' % (password, p.nick))
        p.expect(lambda w: w[1] == 'NOTICE' and 'is now registered' in w[-1])
        for line in more:
            p.raw('PRIVMSG NickServ :' + line)
        p.raw('QUIT')
        p.close()
        return p.nick


def log_in(c, w, nick, password, account=''):
    fields = ''.join("<field var='%s'><value>%s</value></field>" % f for f in (('network', 'verona'), ('nick', nick), ('account', account), ('password', password)))
    r = command(c, w, 'login', "<x xmlns='jabber:x:data' type='submit'>%s</x>" % fields)
    assert r.get('type') == 'result' and r.all()[0].get('status') == 'completed', r


def speaks(w, c, bob, text, nick):
    c.message(w.jid(bob.address), text)
    assert bob.heard(text)[0].startswith(':%s!' % nick)


def is_known_as(bob, nick, account):
    """RPL_WHOISACCOUNT."""
    bob.raw('WHOIS ' + nick)
    return bob.expect(lambda e: e[1] in ('330', '318'))[1:4] == ['330', bob.nick, nick] and bob.expect(lambda e: e[1] == '318')


def test_sasl(t):
    """irc: logged in by SASL at services, by a command; a room is entered by a command; the password is read under audit, and in no record; logged out"""
    w = World(t, Driver, modes=MODES)
    romeo, bob, secret = w.clients[0], w.driver.person('bob'), unique('secret')
    name = w.driver.account(secret)
    x = command(romeo, w, 'login').all()[0].find('x')
    assert [f.get('var') for f in x.all('field')][:4] == ['network', 'nick', 'account', 'password'], x
    log_in(romeo, w, name, secret)
    speaks(w, romeo, bob, 'by my own', name)
    assert is_known_as(bob, name, name)
    reads = t.server.value("select count(*) from chancery.audit where action = 'gateway.credential.read' and target = '%s'" % romeo.bare)
    assert int(reads) >= 1, reads
    bob.join('#verona%verona')
    form = command(romeo, w, 'join').all()[0]
    assert form.get('status') == 'executing' and form.find('x').all('field')[0].get('var') == 'room', form
    r = command(romeo, w, 'join', "<x xmlns='jabber:x:data' type='submit'><field var='room'><value>#verona%verona</value></field></x>")
    assert r.all()[0].get('status') == 'completed', r
    invited = romeo.expect(lambda e: e.name == 'message' and e.find('x') is not None and e.find('x').ns == 'jabber:x:conference', 'an invitation')
    room = invited.find('x').get('jid')
    assert room == w.jid('#verona%verona'), invited
    joined(romeo, room, name)
    romeo.message(room, 'good morrow', type='groupchat')
    assert bob.heard_in('#verona%verona', 'good morrow')[0].startswith(':%s!' % name)
    assert command(romeo, w, 'join', "<x xmlns='jabber:x:data' type='submit'><field var='room'><value>verona</value></field></x>").condition() == 'not-acceptable'
    assert command(romeo, w, 'logout').get('type') == 'result'
    bob.expect(lambda e: e[1] == 'QUIT' and e[0].startswith(':%s!' % name))
    assert secret not in w.log() and secret not in t.server.log()
    assert not t.server.records("stanza like '%%%s%%'" % secret, 'id')


def test_wrong_password(t):
    """irc: a password that is wrong, and one that has been changed there: the person is told so in the network's words, is not tried again, and logs in by the right one"""
    w = World(t, Driver, modes=MODES)
    romeo, bob = w.clients[0], w.driver.person('bob')
    name = w.driver.account('the-right-one')
    log_in(romeo, w, name, 'the-wrong-one')
    romeo.expect(lambda e: e.name == 'message' and e.get('from') == w.domain and (e.text('body') or '').startswith('the account was refused: '), 'the words')
    e = failed(romeo, romeo.message(w.jid(bob.address), 'refused'))
    assert e.condition() == 'not-authorized' and e.find('error').text('text').startswith('the account was refused: '), e
    assert 'refused' in note(romeo, w)
    log_in(romeo, w, name, 'the-right-one')
    speaks(w, romeo, bob, 'welcome', name)
    romeo.message(w.jid('nickserv%verona'), 'SET PASSWORD another-one')
    romeo.expect(lambda e: e.name == 'message' and 'has been changed' in (e.text('body') or ''), 'NickServ')
    command(romeo, w, 'connect')
    romeo.expect(lambda e: e.name == 'message' and e.get('from') == w.domain and (e.text('body') or '').startswith('the account was refused: '), 'the words')
    log_in(romeo, w, 'Romeo_' + name[-8:], 'another-one', name)
    speaks(w, romeo, bob, 'by another nick', 'Romeo_' + name[-8:])


def test_account_ends(t):
    """irc: an account here is disabled, and deleted: it is off the network at once"""
    w = World(t, Driver, modes=MODES)
    romeo, bob = w.clients[0], w.driver.person('bob')
    name = w.driver.account('a-password')
    log_in(romeo, w, name, 'a-password')
    speaks(w, romeo, bob, 'by my own', name)
    bob.join('#verona%verona')
    joined(romeo, w.jid('#verona%verona'), name)
    ok(t, 'user', 'disable', romeo.bare)
    bob.wait_for(name, gone=True)
    ok(t, 'user', 'enable', romeo.bare)
    bob.say(name, 'are you back?')
    again = t.online((local(romeo), romeo.password))
    said(again, 'are you back?')
    ok(t, 'user', 'delete', romeo.bare)
    bob.wait_for(name, gone=True)
    assert rows(t, 'gateway', 'users', w.name) == []


class Certified(Driver):
    """With TLS, where services know people by their certificates; and a network for all, whose one connection has one of the administrator's."""
    modules = [*Driver.modules, 'ssl_gnutls', 'sslinfo']
    settings, more_services = {}, 'loadmodule "modules/nickserv/cert";\nloadmodule "modules/saslserv/external";\n'

    def more(self):
        ours, self.tls_port = authority().certificate(names='IP:127.0.0.1'), take_port()
        return super().more() + ('<sslprofile name="tls" provider="gnutls" certfile="%s" keyfile="%s" hash="sha256" requestclientcert="yes">\n'
                                 '<bind address="127.0.0.1" port="%d" type="clients" sslprofile="tls">\n' % (ours.pem, ours.key, self.tls_port))

    def start_server(self):
        super().start_server()
        self.bridge = authority().certificate('bridge.example.net', usage='clientAuth')
        der = ssl.PEM_cert_to_DER_cert(re.search('-----BEGIN CERT.*?-----END CERTIFICATE-----', open(self.bridge.pem).read(), re.S).group())
        self.shared = self.account('of-the-bridge', 'CERT ADD ' + hashlib.sha256(der).hexdigest())

    def network(self):
        verona = dict(super().network()['networks']['verona'], port=self.tls_port, tls=True, ca_file=authority().pem)
        return {'networks': {'verona': verona, 'mantua': dict(verona, users='shared', nick=self.shared, sasl='external', certificate=self.bridge.pem, key=self.bridge.key)}}


def certificate(c, w, do):
    return command(c, w, 'certificate', "<x xmlns='jabber:x:data' type='submit'><field var='certificate'><value>%s</value></field></x>" % do)


def instructions(c, w):
    r = command(c, w, 'certificate')
    return r.all()[0].find('x').text('instructions')


def test_certificate(t):
    """irc: SASL EXTERNAL: a certificate is made by a command, and told to NickServ: no password is needed any more; its key is in no record; the shared connection has the administrator's"""
    w = World(t, Certified, modes=MODES)
    romeo, bob, secret = w.clients[0], w.driver.person('bob'), unique('secret')
    bob.wait_for(w.driver.shared)
    assert is_known_as(bob, w.driver.shared, w.driver.shared)
    name = w.driver.account(secret)
    assert command(romeo, w, 'certificate').condition() == 'registration-required'
    log_in(romeo, w, name, '')
    assert certificate(romeo, w, 'make').condition() == 'not-acceptable'
    log_in(romeo, w, name, secret)
    speaks(w, romeo, bob, 'by the password', name)
    assert instructions(romeo, w).startswith('There is none yet.')
    assert certificate(romeo, w, 'else').condition() == 'not-acceptable'
    words = certificate(romeo, w, 'make').all()[0].text('note')
    mark = re.search('SHA-256: ([0-9a-f]{64})\n', words).group(1)
    assert mark in instructions(romeo, w)
    romeo.expect(lambda e: e.name == 'message' and e.get('from') == w.domain and 'the password is said instead' in (e.text('body') or ''), 'that it is not known yet')
    speaks(w, romeo, bob, 'by the password still', name)
    romeo.message(w.jid('nickserv%verona'), 'CERT ADD')
    romeo.expect(lambda e: e.name == 'message' and mark in (e.text('body') or ''), 'NickServ')
    log_in(romeo, w, name, '')
    speaks(w, romeo, bob, 'by the certificate', name)
    assert is_known_as(bob, name, name)
    assert certificate(romeo, w, 'make').condition() == 'not-acceptable'
    log_in(romeo, w, name, 'the-wrong-one')
    speaks(w, romeo, bob, 'nobody asks for a password', name)
    assert certificate(romeo, w, 'remove').all()[0].get('status') == 'completed'
    romeo.expect(lambda e: e.name == 'message' and e.get('from') == w.domain and (e.text('body') or '').startswith('the account was refused: '), 'the words')
    assert 'PRIVATE KEY' not in w.log() + t.server.log() and secret not in w.log()
    assert not t.server.records("stanza like '%PRIVATE KEY%'", 'id')
    assert int(t.server.value("select count(*) from chancery.audit where action = 'gateway.credential.set' and target = '%s'" % romeo.bare)) == 6


class Closed(test_irc.Driver):
    """A server that wants a password (PASS), which people bring."""
    more, settings = 'Password = of-the-server\n', {'plain_without_tls': True, 'login': 'pass', 'eager': False}


class ClosedToUs(Closed):
    settings = {'pass': 'of-the-server'}


def test_server_password(t):
    """irc: a server's password, the organisation's, and one that somebody brings, right and wrong"""
    w = World(t, ClosedToUs)
    bob = w.driver.person('bob', 'of-the-server')
    w.clients[0].message(w.jid(bob.address), 'by the password of all')
    bob.heard('by the password of all')
    w = World(t, Closed, modes=MODES)
    romeo, bob = w.clients[0], w.driver.person('bob', 'of-the-server')
    log_in(romeo, w, 'montague', 'a-wrong-one')
    e = failed(romeo, romeo.message(w.jid(bob.address), 'refused'))
    assert 'assword' in e.find('error').text('text'), e
    log_in(romeo, w, 'montague', 'of-the-server')
    speaks(w, romeo, bob, 'by its password', 'montague')

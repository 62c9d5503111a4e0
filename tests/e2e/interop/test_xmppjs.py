"""@xmpp/client (npm), the library behind many web and React Native clients: SASL2, Bind 2, FAST, resumption, as it comes.

It runs in node, one process a device, driven by lines of JSON (xmppjs/client.mjs).
"""
import json
import os
import queue
import subprocess
import threading
import time
import uuid
import xml.etree.ElementTree as ET

import peers
from chancerytest.client import PATIENCE
from proxy import Proxy

SASL2 = 'urn:xmpp:sasl:2'


class Device:
    """`agent` is what SASL2 calls the user agent: the same id means the same device."""

    def __init__(self, t, user=None, agent=None, token=None, password=None, direct=False, trust=True, web=False):
        self.t, self.user = t, user or t.user()
        self.bare = '%s@%s' % (self.user[0], t.server.domain)
        self.agent = agent or {'id': str(uuid.uuid4()), 'software': 'interop', 'device': 'a test'}
        self.proxy = Proxy(t, direct, t.server.port_https if web else None)
        service = 'wss://%s:%d/ws' if web else 'xmpps://%s:%d' if direct else 'xmpp://%s:%d'
        settings = {'service': service % (self.proxy.host, self.proxy.port),
                    'domain': t.server.domain, 'username': self.user[0], 'password': password or self.user[1], 'agent': self.agent}
        if token:
            settings['token'] = token
        env = dict(os.environ, NODE_NO_WARNINGS='1')
        if trust:
            env['NODE_EXTRA_CA_CERTS'] = t.server.ca
        self.process = subprocess.Popen(['node', 'client.mjs', json.dumps(settings)], cwd=peers.node(t.server.build), env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.events, self.seen = queue.Queue(), []
        t.clients.append(self)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({'event': 'ended'})

    def expect(self, event, pattern='', fresh=True):
        """The next event of this name whose text has `pattern`; with fresh false also one that was seen before."""
        if not fresh:
            for e in self.seen:
                if e['event'] == event and pattern in json.dumps(e):
                    return e
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                e = self.events.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                last = '\n'.join(json.dumps(x)[:300] for x in self.seen[-12:])
                raise AssertionError('no %s %s; the last events:\n%s' % (event, pattern, last)) from None
            self.seen.append(e)
            if e['event'] == event and pattern in json.dumps(e):
                return e

    def online(self):
        self.jid = self.expect('online')['jid']
        return self

    def do(self, what, **more):
        self.process.stdin.write(json.dumps(dict(more, do=what)) + '\n')
        self.process.stdin.flush()

    def send(self, xml):
        self.do('send', xml=xml)

    def iq(self, kind, payload, to=None):
        mark = uuid.uuid4().hex
        self.send("<iq type='%s' id='%s'%s>%s</iq>" % (kind, mark, " to='%s'" % to if to else '', payload))
        return ET.fromstring(self.expect('stanza', mark)['xml'])

    def message(self, to, body):
        self.send("<message type='chat' id='%s' to='%s'><body>%s</body></message>" % (uuid.uuid4().hex, to, body))

    def receive(self, text):
        return self.expect('stanza', text)['xml']

    def said(self, pattern):
        return [e['xml'] for e in self.seen if e['event'] == 'sent' and pattern in e['xml']]

    def close(self):
        self.process.kill()
        self.process.wait()


def test_login(t):
    """RFC 6120, SASL2, Bind 2: logs in by STARTTLS in one exchange after TLS, and chats both ways"""
    romeo, juliet = Device(t).online(), Device(t).online()
    assert romeo.jid.startswith(romeo.bare + '/'), romeo.jid
    assert romeo.said('<authenticate xmlns=\\"urn:xmpp:sasl:2\\"') or romeo.said('urn:xmpp:sasl:2'), 'classic SASL was used'
    assert romeo.said('urn:xmpp:bind:0') and not romeo.said('urn:ietf:params:xml:ns:xmpp-bind')
    for d in (romeo, juliet):
        d.send('<presence/>')
        d.receive('<presence')
    romeo.message(juliet.bare, 'But, soft!')
    assert 'urn:xmpp:sid:0' in juliet.receive('But, soft!')
    juliet.message(romeo.jid, 'Ay me!')
    romeo.receive('Ay me!')


def test_direct_tls(t):
    """XEP-0368: the same by TLS at once"""
    Device(t, direct=True).online()


def test_websocket(t):
    """RFC 7395: the same over WebSocket, with a message each way to somebody on TCP"""
    romeo, juliet = Device(t, web=True).online(), Device(t).online()
    assert t.server.metric('chancery_websockets_total') > 0 and romeo.said('urn:xmpp:sasl:2')
    for d in (romeo, juliet):
        d.send('<presence/>')
        d.receive('<presence')
    romeo.message(juliet.bare, 'From a web page')
    juliet.receive('From a web page')
    juliet.message(romeo.jid, 'To a web page')
    romeo.receive('To a web page')
    romeo.do('stop')
    romeo.expect('status', 'offline')


def test_websocket_resumption(t):
    """RFC 7395, XEP-0198: a WebSocket that is cut is made anew, and the session goes on"""
    romeo, juliet = Device(t, web=True).online(), Device(t).online()
    romeo.send('<presence/>')
    romeo.receive('<presence')
    romeo.proxy.down = True
    romeo.proxy.cut()
    juliet.message(romeo.bare, 'while the page was away')
    romeo.proxy.down = False
    romeo.expect('resumed')
    romeo.expect('stanza', 'while the page was away', fresh=False)


def test_wrong_password(t):
    """SASL2: a wrong password is refused with a condition the library understands"""
    assert Device(t, password='wrong').expect('error', 'not-authorized')


def test_fast(t):
    """XEP-0484: a token is given at the first login and used for the second; the password is not asked for"""
    first = Device(t)
    token = first.online().expect('token', fresh=False)['token']
    first.do('stop')
    first.expect('status', 'offline')
    again = Device(t, first.user, first.agent, token=token, password='not used').online()
    assert [x for x in again.said('<authenticate') if 'HT-SHA-256-NONE' in x], again.said('<authenticate')


def test_fast_of_another_device(t):
    """XEP-0484: the token of one device is of no use on another, which falls back to its password"""
    first = Device(t)
    token = first.online().expect('token', fresh=False)['token']
    thief = Device(t, first.user, token=token, password='wrong')
    thief.expect('error', 'not-authorized')


def test_resumption(t):
    """XEP-0198 inside SASL2: after a cut the session is resumed by itself and what was said meanwhile arrives, once"""
    romeo, juliet = Device(t).online(), Device(t).online()
    romeo.send('<presence/>')
    romeo.receive('<presence')
    romeo.proxy.down = True
    romeo.proxy.cut()
    juliet.message(romeo.bare, 'while you were away')
    romeo.proxy.down = False
    romeo.expect('resumed')
    romeo.expect('stanza', 'while you were away', fresh=False)   # it comes with <resumed/>, before the library says so
    juliet.message(romeo.bare, 'and after')
    romeo.receive('and after')
    assert sum('while you were away' in e.get('xml', '') for e in romeo.seen) == 1


def test_two_devices(t):
    """XEP-0280, XEP-0313: two devices of one user see the same conversation, and a fresh one reads it from the history"""
    phone = Device(t).online()
    laptop, juliet = Device(t, phone.user).online(), Device(t).online()
    for d in (phone, laptop, juliet):
        d.send('<presence/>')
        d.receive('<presence')
        assert d.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>").get('type') == 'result'
    phone.message(juliet.bare, 'from the phone')
    juliet.receive('from the phone')
    assert '<sent xmlns=' in laptop.receive('from the phone')
    juliet.message(phone.jid, 'to the phone')
    phone.receive('to the phone')
    assert '<received xmlns=' in laptop.receive('to the phone')
    tablet = Device(t, phone.user).online()
    tablet.send("<iq type='set' id='history'><query xmlns='urn:xmpp:mam:2' queryid='q'/></iq>")
    for text in ('from the phone', 'to the phone'):
        assert 'urn:xmpp:mam:2' in tablet.receive(text)
    assert 'complete' in tablet.receive('<fin')

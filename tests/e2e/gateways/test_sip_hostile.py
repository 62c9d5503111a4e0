"""chancery-gateway-sip among those who lie: requests that are broken, go in circles, or claim to be from somebody else. What is asked each time: is it answered
as RFC 3261 says, or not at all where there is nobody to answer; has nobody read it; and has nobody else been in its way?"""
import os
import socket

from chancerytest.client import unique
from sip_phone import Phone
from test_sip import PORT, World, missing, refused, said  # noqa: F401

PLAIN = {'Content-Type': 'text/plain'}
MUST_HAVE = 'Via', 'From', 'To', 'Call-ID', 'CSeq'


class Hostile(World):
    """A peer that says what it likes to the gateway itself, and beside it bob, who is honest and behind the proxy."""

    def __init__(self, t, **network):
        super().__init__(t, peers=[t.source, '127.0.0.1', '127.203.0.0/16'], **network)
        self.here = self.driver.address, PORT
        self.peer = Phone(t, self.driver.phones, self.here, unique('eve'), register=False)
        self.bob = self.phone()

    def all_is_well(self):
        text = unique('all is well')
        assert self.bob.message(self.romeo.bare, text).status == 200
        said(self.romeo, self, self.bob, text)
        self.romeo.message(self.jid(self.bob), text)
        self.bob.expect('MESSAGE', lambda m: m.text() == text)

    def nobody_read(self, text):
        self.all_is_well()
        assert not self.romeo.heard_any(lambda e: e.text('body') == text)
        assert not self.records("body = '%s'" % text, 'id')

    def memory(self):
        with open('/proc/%d/status' % self.program.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS')) * 1024


def request(peer, to, text, lines=(), length=None, **replaced):
    """As bytes; lines are put in as they are."""
    name = unique('h')
    headers = {'Via': 'SIP/2.0/UDP %s:%d;branch=z9hG4bK%s;rport' % (peer.host, peer.port, name), 'Max-Forwards': '70', 'From': '<%s>;tag=1' % peer.uri,
               'To': '<sip:%s>' % to, 'Call-ID': name, 'CSeq': '1 MESSAGE', 'Content-Type': 'text/plain'}
    headers.update({k.replace('_', '-'): v for k, v in replaced.items()})
    body = text if isinstance(text, bytes) else text.encode()
    head = ['MESSAGE sip:%s SIP/2.0' % to] + ['%s: %s' % kv for kv in headers.items() if kv[1] is not None] + list(lines)
    return ('\r\n'.join(head + ['Content-Length: %s' % (len(body) if length is None else length), '', ''])).encode('utf-8', 'surrogateescape') + body


def test_broken(t):
    """sip: requests without what must be there, with headers that say nonsense, with more of everything, and bytes that are no request at all, are taken by nobody"""
    w = Hostile(t)
    peer, to = w.peer, w.romeo.bare
    for name in MUST_HAVE:
        peer.sock.sendto(request(peer, to, 'forbidden', **{name.replace('-', '_'): None}), w.here)
    answered = [peer.ask('MESSAGE', 'sip:' + to, PLAIN, 'forbidden', drop=(name,)).status for name in ('To', 'From')]
    assert answered == [400, 400], answered
    wrong = dict(CSeq='1 INVITE'), dict(CSeq='-1 MESSAGE'), dict(CSeq='99999999999999999999 MESSAGE'), dict(Max_Forwards='many'), dict(Max_Forwards='-1'), \
        dict(From='"\udcff\udcfe" <sip:@>;tag=1'), dict(From='<<<>>>'), dict(To='\0'), dict(Via='SIP/9.9/XYZ ;;;'), dict(Call_ID=''), dict(Content_Type='/'), \
        dict(From='<sip:%s@phones.example>;tag=1' % ('x' * 5000)), dict(length=-1), dict(length='99999999999'), dict(length='1, 2'), \
        dict(lines=['Via: SIP/2.0/UDP 10.0.0.%d' % (i % 250) for i in range(1000)]), dict(lines=['X: ' + 'y' * 60000]), \
        dict(lines=['no colon at all']), dict(lines=['Require: ' + ','.join('r%d' % i for i in range(2000))])
    for how in wrong:
        peer.sock.sendto(request(peer, to, 'forbidden', **how), w.here)
    for junk in b'', b'\0' * 1400, os.urandom(1400), b'MESSAGE', b'SIP/2.0 200 OK\r\n\r\n', b'\r\n' * 700, b'GET / HTTP/1.1\r\n\r\n', b'MESSAGE sip:' + b'%' * 60000:
        peer.sock.sendto(junk, w.here)
    w.nobody_read('forbidden')
    t.server.wait(lambda: 'sip-malformed' in w.log(), 'the count of what was malformed')


def test_streams(t):
    """sip: connections that say nothing, a little, or without end, cost little memory, and nobody else waits for them"""
    w = Hostile(t)
    w.all_is_well()
    before = w.memory()
    held = [socket.create_connection(w.here, source_address=(w.driver.phones, 0)) for _ in range(50)]
    for i, c in enumerate(held):
        c.settimeout(5)
        c.sendall([b'MESS', request(w.peer, w.romeo.bare, 'cut', length=100000), b'MESSAGE sip:x SIP/2.0\r\nX: ', b'\r\n'][i % 4])
    ended = 0
    for c in held[:3]:
        # A header without end.
        try:
            for _ in range(400):
                c.sendall(b'y' * 65536)
        except OSError:
            ended += 1
    w.nobody_read('cut')
    assert ended == 3 and w.memory() - before < 64 << 20, (ended, w.memory() - before)
    for c in held:
        c.close()


def test_circles(t):
    """sip: what has no forwards left, or has been here before, is refused; a proxy that sends ours back to us makes no circle"""
    w = Hostile(t)
    peer, uri = w.peer, 'sip:' + w.romeo.bare
    own = 'SIP/2.0/UDP %s;branch=z9hG4bKours' % w.driver.address

    def status(headers=PLAIN, **how):
        return peer.ask('MESSAGE', uri, headers, 'in circles', **how).status
    assert status({**PLAIN, 'Max-Forwards': '0'}) == 483
    assert status(more_via=[own]) == 482 and status(more_via=['SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKx', own]) == 482
    assert status(more_via=['SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx, ' + own]) == 482
    w.nobody_read('in circles')
    w.driver.kill_server()
    with open(w.driver.kamailio.config) as f:
        config = f.read()
    with open(w.driver.kamailio.config, 'w') as f:
        f.write(config.replace('$rd == "%s"' % t.server.domain, '$rd != "nowhere.example"'))
    w.driver.start_server()
    assert refused(w.romeo, w.romeo.message(w.jid(w.bob), 'round and round'))
    assert w.log().count('status=482') >= 4, w.log()[-2000:]


def test_forged(t):
    """sip: nobody is of ours who comes from there, however the address is written; whom a stranger asserts is nobody; an asserted identity counts only where that was set"""
    w = Hostile(t)
    ours, peer = w.romeo, w.peer
    for uri in ('sip:%s@%s' % (ours.user, t.server.domain.upper()), 'sip:%s@%s:5060;transport=tcp' % (ours.user, t.server.domain), 'sips:%s' % ours.bare, 'im:%s' % ours.bare,
                'sip:%%%02x%s:secret@%s' % (ord(ours.user[0]), ours.user[1:], t.server.domain), 'sip:%s@%s.' % (ours.user, t.server.domain),
                'sip:%s@%s' % (ours.user, w.driver.address), 'sip:%s' % t.server.domain, 'tel:+4930123', 'sip:a%0Ab@phones.example', 'sip:%00@phones.example'):
        assert peer.message(ours.bare, 'it is I', headers={'From': '"Romeo" <%s>;tag=1' % uri}).status == 403, uri
    stranger = Phone(t, w.driver.strangers, w.here, unique('mallory'), register=False)
    assert stranger.message(ours.bare, 'it is I', headers={'P-Asserted-Identity': '<sip:bob@phones.example>'}).status == 403
    # Not set: From it is, whatever is asserted.
    assert peer.message(ours.bare, 'from eve', headers={'P-Asserted-Identity': '<sip:bob@phones.example>'}).status == 200
    said(ours, w, '%s@%s' % (peer.name, peer.domain), 'from eve')
    w.nobody_read('it is I')


def test_forged_assertion(t):
    """sip: an asserted identity is that of one person, not of ours (RFC 3325); a number beside it does not matter"""
    w = Hostile(t, identity='asserted')
    ours, peer = w.romeo, w.peer
    for value in ('<sip:%s>' % ours.bare, '<sip:bob@phones.example>, <sip:%s>' % ours.bare, '<sip:a@phones.example>, <sip:b@phones.example>', 'nonsense', '<>', '',
                  '<tel:+4930123>', '"<sip:bob@phones.example>" <sip:%s>' % ours.bare):
        assert peer.message(ours.bare, 'it is I', headers={'P-Asserted-Identity': value}).status == 403, value
    stranger = Phone(t, w.driver.strangers, w.here, unique('mallory'), register=False)
    assert stranger.message(ours.bare, 'it is I', headers={'P-Asserted-Identity': '<sip:bob@phones.example>'}).status == 403
    for i, value in enumerate(('"B" <sip:Benvolio@phones.example>', '<sip:benvolio@phones.example>, <tel:+4930123>', 'tel:+4930123, sip:benvolio@phones.example')):
        assert peer.message(ours.bare, 'known %d' % i, headers={'P-Asserted-Identity': value}).status == 200, value
        said(ours, w, 'benvolio@phones.example', 'known %d' % i)
    assert not w.records("body = 'it is I'", 'id')

"""Finding other servers: SRV records (RFC 6120 §3.2, RFC 2782, XEP-0368), and name servers that know nothing, lie, or keep silent."""
import socket
import struct

from chancerytest import dns
from chancerytest.scenario import Skip, alone


def sent(a, p, body='hello'):
    """The id of a message to somebody there."""
    return a.message(p.jid(), body)


def error(a, id):
    e = a.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error', 'the error for %s' % id)
    return e.condition()


def closed_port(p):
    """Where nobody listens."""
    with socket.socket() as s:
        s.bind((p.address, 0))
        return s.getsockname()[1]


def arrives(a, p):
    sent(a, p)
    return p.expect_message('hello')


def test_srv(t):
    """RFC 6120 §3.2.1: the target's port is used; SNI and the header name the domain, not the target (RFC 6066 §3, §13.7.2.1)"""
    p, a = t.partner(), t.online()
    arrives(a, p)
    s = p.streams[0]
    assert s.sni == p.domain and s.header.get('to') == p.domain and s.header.get('from') == t.server.domain, (s.sni, s.header)
    assert t.server.domain in s.names(), s.names()


def test_direct(t):
    """XEP-0368 §3: a server announced as _xmpps-server is spoken to with TLS at once, ALPN xmpp-server and SNI"""
    p, a = t.partner(direct=True), t.online()
    arrives(a, p)
    s = p.streams[0]
    assert s.sock.selected_alpn_protocol() == 'xmpp-server' and s.sni == p.domain, (s.sni, s.sock.selected_alpn_protocol())


def test_priority(t):
    """RFC 2782: the lowest priority that answers, whatever the weights; one that refuses connections is passed over"""
    p, a = t.partner(), t.online()
    host, dead = 'host.' + p.domain, closed_port(p)
    other = t.partner(domain=p.domain, allow=None)      # a second machine of the same domain
    p.announce(dns.srv(30, 65535, other.port, host), dns.srv(10, 0, dead, host), dns.srv(20, 0, p.port, host))
    arrives(a, p)
    assert not other.streams


def test_merged(t):
    """XEP-0368 §3: both kinds of records are one list, by priority"""
    p, a = t.partner(), t.online()
    q = t.partner(domain=p.domain, allow=None, direct=True)
    host = 'host.' + p.domain
    t.server.dns.set('_xmpps-server._tcp.' + p.domain, dns.srv(5, 0, q.port, host))
    t.server.dns.set('_xmpp-server._tcp.' + p.domain, dns.srv(6, 0, p.port, host))
    arrives(a, q)
    assert not p.streams and q.streams[0].sock.selected_alpn_protocol() == 'xmpp-server'


def test_weight_zero(t):
    """RFC 2782: records of one priority share the work; one that does not answer leaves it to the others"""
    p, a = t.partner(), t.online()
    host = 'host.' + p.domain
    p.announce(*[dns.srv(0, 100, closed_port(p), host) for _ in range(3)], dns.srv(0, 0, p.port, host))
    arrives(a, p)


def test_no_srv(t):
    """RFC 6120 §3.2.2: without SRV records the domain itself, at port 5269"""
    p, a = t.partner(listen=False), t.online()
    p.address, p.port = t.source, 5269
    try:
        p.listen(announce=False)
    except OSError as e:
        raise Skip('%s port 5269: %s' % (p.address, e))
    t.server.dns.set(p.domain, dns.a(p.address))
    arrives(a, p)


def test_address_order(t):
    """RFC 8305: an address that refuses, or says nothing, does not keep the next one waiting for long"""
    p, a = t.partner(), t.online()
    with socket.socket() as mute:
        # A full queue: the kernel answers no more.
        mute.bind((t.source, p.port))
        mute.listen(0)
        waiting = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((t.source, p.port))
            waiting.append(s)
        t.server.dns.set('host.' + p.domain, dns.a(t.source), dns.a(p.address), dns.aaaa('2001:db8::1'))
        arrives(a, p)
        for s in waiting:
            s.close()


def test_v6(t):
    """RFC 6120 §3.2.1: a target that has an IPv6 address only"""
    try:
        p = t.partner(listen=False)
        p.listen(family=socket.AF_INET6)
    except OSError as e:
        raise Skip('no IPv6: %s' % e)
    t.server.dns.set('host.' + p.domain, dns.aaaa('::1'))
    arrives(t.online(), p)


def test_alias(t):
    """RFC 1034 §3.6.2: aliases are followed, on the way to records and to addresses; CNAME loops end"""
    p, a = t.partner(), t.online()
    t.server.dns.set('_xmpp-server._tcp.' + p.domain, dns.cname('srv.' + p.domain))
    t.server.dns.set('srv.' + p.domain, dns.srv(0, 0, p.port, 'alias.' + p.domain))
    t.server.dns.set('alias.' + p.domain, dns.cname('host.' + p.domain))
    arrives(a, p)


def test_many(t):
    """A hundred records and no end of targets: some are tried, the server takes no harm"""
    p, a = t.partner(), t.online()
    dead = closed_port(p)
    p.announce(dns.srv(0, 0, p.port, 'host.' + p.domain), *[dns.srv(9, 0, dead, 'h%d.%s' % (i, p.domain)) for i in range(100)])
    for i in range(100):
        t.server.dns.set('h%d.%s' % (i, p.domain), *[dns.a('127.1.%d.%d' % (i, j + 1)) for j in range(20)])
    arrives(a, p)


def test_no_such(t):
    """RFC 6120 §8.3.3.17: a domain that is not there, or whose target is ".", is remote-server-not-found, at once"""
    a = t.online()
    p, q, r = t.partner(listen=False), t.partner(), t.partner()
    q.announce(dns.srv(0, 0, 0, ''))
    t.server.dns.set('_xmpps-server._tcp.' + q.domain, dns.srv(0, 0, 0, '.'))
    t.server.dns.set('host.' + r.domain)        # records that lead nowhere
    ids = [sent(a, x) for x in (p, q, r)]
    for x, id in zip((p, q, r), ids):
        assert error(a, id) == 'remote-server-not-found', x.domain


def looped(question):
    """An answer whose name points to itself."""
    end = question.index(b'\0', 12) + 5
    head = question[:2] + struct.pack('>HHHHH', 0x8580, 1, 1, 0, 0) + question[12:end]
    return head + struct.pack('>H', 0xc000 | len(head)) + struct.pack('>HHIH', dns.SRV, 1, 60, 8) + b'\0' * 6 + struct.pack('>H', 0xc000 | len(head))


def another(question):
    """An answer to a question that was not asked."""
    name = dns.name('_xmpp-server._tcp.elsewhere.test')
    data = struct.pack('>HHH', 0, 0, 1) + dns.name('elsewhere.test')
    return (question[:2] + struct.pack('>HHHHH', 0x8580, 1, 1, 0, 0) + name + struct.pack('>HH', dns.SRV, 1)
            + name + struct.pack('>HHIH', dns.SRV, 1, 60, len(data)) + data)


@alone(federation__patience='3s', federation__dns_timeout='1s')
def test_troubles(t):
    """RFC 6120 §8.3.3.18: name servers that keep silent, refuse, answer something else or nonsense: remote-server-timeout; others are served meanwhile"""
    a = t.online()
    troubles = {'silent': dns.SILENT, 'failing': dns.SERVFAIL, 'refusing': dns.REFUSED, 'looped': looped, 'another': another,
                'short': lambda q: q[:2] + b'\x85\x80' + q[4:8], 'noise': lambda q: q[:2] + bytes(range(256)) * 2}
    ids = {}
    for name, what in troubles.items():
        p = t.partner('%s.peers.test' % name)
        t.server.dns.trouble('_xmpp-server._tcp.' + p.domain, what)
        t.server.dns.trouble('_xmpps-server._tcp.' + p.domain, what)
        ids[name] = sent(a, p)
    arrives(a, t.partner())
    got = {name: error(a, id) for name, id in ids.items()}
    assert set(got.values()) == {'remote-server-timeout'}, got


@alone(federation__patience='3s', federation__connect='2s')
def test_nobody(t):
    """RFC 6120 §8.3.3.18: nobody listens there, or it does not say a word: remote-server-timeout when federation.patience is over; nothing comes later"""
    a, p, q = t.online(), t.partner(), t.partner()
    p.stop()
    ids = [sent(a, x) for x in (p, q)]
    mute = q.accept()
    assert [error(a, id) for id in ids] == ['remote-server-timeout'] * 2
    mute.cut()
    p.listen()
    sent(a, p, 'and now')
    p.expect_message('and now')
    assert not p.heard(), p.heard()

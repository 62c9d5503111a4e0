"""Where another server is (RFC 6120 §3.2, RFC 2782, XEP-0368 §3, RFC 8305), and name servers that lie, repeat themselves or say nothing."""
import socket
import struct

from chancerytest import dns
from chancerytest.ca import authority
from chancerytest.client import unique
from chancerytest.scenario import Skip, alone


def returned(c, id, condition, says):
    e = c.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'the error for ' + id)
    assert e.condition() == condition and says in (e.text('error', 'text') or ''), e
    return e


def reached(t, p, romeo):
    """A message arrives; the stream that it came over."""
    text = unique('hello')
    romeo.message(p.jid(), text)
    s = p.taken()
    s.expect_message(text)
    assert s.sni == p.domain.encode('idna').decode(), s.sni
    return s


def test_both_kinds(t):
    """XEP-0368 §3: _xmpps-server and _xmpp-server are one set: the lowest number comes first, whichever kind it is"""
    romeo = t.online()
    for direct_first in True, False:
        p = t.partner()
        other = t.partner(direct=True)
        for name, at, priority in (('_xmpps-server', other, 5 if direct_first else 20), ('_xmpp-server', p, 10)):
            t.server.dns.set('%s._tcp.%s' % (name, p.domain), dns.srv(priority, 0, at.port, 'host.' + at.domain))
        romeo.message(p.jid(), 'where?')
        s = (other if direct_first else p).accept()
        if direct_first:
            s.accept_tls(alpn=['xmpp-server'])
            assert s.sock.selected_alpn_protocol() == 'xmpp-server' and s.sni == p.domain
        else:
            assert s.fresh().answer_open().get('to') == p.domain


def test_no_direct_tls_there(t):
    """XEP-0368 §3: "." as the target of _xmpps-server: there is no direct TLS, but there may be STARTTLS"""
    p, romeo = t.partner(), t.online()
    t.server.dns.set('_xmpps-server._tcp.' + p.domain, dns.srv(0, 0, 0, '.'))
    reached(t, p, romeo)


def test_fallback(t):
    """RFC 6120 §3.2.2: without SRV records the domain's own address, port 5269"""
    p, romeo = t.partner(listen=False), t.online()
    p.address, p.port = t.source, 5269
    p.listen(announce=False)
    t.server.dns.set(p.domain, dns.a(p.address))
    reached(t, p, romeo)


def test_ipv6(t):
    """RFC 6120 §3.2.1: a host that has only an IPv6 address"""
    p, romeo = t.partner(listen=False), t.online()
    try:
        p.listen(family=socket.AF_INET6)
    except OSError:
        raise Skip('no IPv6 here') from None
    t.server.dns.set('host.' + p.domain, dns.aaaa('::1'))
    reached(t, p, romeo)


def test_localhost(t):
    """RFC 6761 §6.3: where localhost is, nobody is asked"""
    p, romeo = t.partner(listen=False), t.online()
    p.address = '127.0.0.1'
    p.listen()
    p.announce(dns.srv(0, 0, p.port, 'localhost'))
    reached(t, p, romeo)
    assert not t.server.dns.times_asked('localhost')


def test_silent_address(t):
    """RFC 8305 §5: while one address keeps silent the next is tried"""
    p, romeo = t.partner(), t.online()
    silent = socket.socket()
    silent.bind((t.source, 0))
    silent.listen(0)
    fill = [socket.socket() for _ in range(8)]      # its queue is full
    for s in fill:
        s.setblocking(False)
        s.connect_ex(silent.getsockname())
    p.announce(dns.srv(0, 0, silent.getsockname()[1], 'silent.' + p.domain), dns.srv(1, 0, p.port, 'host.' + p.domain))
    t.server.dns.set('silent.' + p.domain, dns.a(t.source))
    reached(t, p, romeo)
    for s in fill + [silent]:
        s.close()


@alone(federation__dns_timeout='1m')
def test_silent_about_a_family(t):
    """RFC 8305 §3: a name server that never says whether there are IPv6 addresses holds nobody up"""
    p, romeo = t.partner(), t.online()
    t.server.dns.trouble('host.' + p.domain, dns.SILENT, dns.AAAA)
    reached(t, p, romeo)


def test_alias(t):
    """RFC 1034 §3.6.2: the name of a host may be an alias of an alias (RFC 2782 says not, but they exist)"""
    p, romeo = t.partner(), t.online()
    for a, b in ('host', 'one'), ('one', 'two'):
        t.server.dns.set('%s.%s' % (a, p.domain), dns.cname('%s.%s' % (b, p.domain)))
    t.server.dns.set('two.' + p.domain, dns.a(p.address))
    reached(t, p, romeo)


def test_long_answer(t):
    """RFC 1035 §4.2.1: an answer that UDP has no room for comes over TCP; what stands first in it is tried first"""
    p, romeo = t.partner(), t.online()
    p.announce(*[dns.srv(i, 0, 1, 'a-host-with-a-rather-long-name-%d.%s' % (i, p.domain)) for i in range(1, 60)],
               dns.srv(0, 0, p.port, 'host.' + p.domain))
    reached(t, p, romeo)


def test_idn(t):
    """RFC 6120 §13.7.2.1, RFC 5890: a domain with other letters is asked for, and named in TLS, in A-labels"""
    domain = 'b\u00fccher-%s.peers.test' % unique('x')
    ascii = domain.encode('idna').decode()
    p, romeo = t.partner(domain, certificate=authority().certificate(ascii)), t.online()
    t.server.dns.set('_xmpp-server._tcp.' + ascii, dns.srv(0, 0, p.port, 'host.' + ascii))
    t.server.dns.set('host.' + ascii, dns.a(p.address))
    s = reached(t, p, romeo)
    assert s.header.get('to') == domain, s.header


def test_many_hosts(t):
    """Bounds: of a name with hundreds of hosts only some are asked for"""
    p, romeo = t.partner(), t.online()
    p.announce(*[dns.srv(0, 0, 5269, 'h%d.%s' % (i, p.domain)) for i in range(300)])
    returned(romeo, romeo.message(p.jid(), 'hello'), 'remote-server-not-found', p.domain)
    asked = sum(t.server.dns.times_asked('h%d.%s' % (i, p.domain), dns.A) > 0 for i in range(300))
    assert asked == 16, asked


# -- Name servers that do not do their work --------------------------------------------------------------------------------------


def other_id(query):
    return bytes([query[0] ^ 1]) + query[1:2] + b'\x85\x80' + query[4:]


def other_name(query):
    return query[:2] + b'\x85\x80' + query[4:13] + bytes([query[13] ^ 1]) + query[14:]


def pointing_at_itself(query):
    at = 12
    while query[at]:
        at += 1 + query[at]
    record = b'\xc0\x0c' + struct.pack('>HHIH', dns.SRV, 1, 60, 8) + b'\0\0\0\0\x14\x95'
    end = at + 5
    return (query[:2] + struct.pack('>HHHHH', 0x8580, 1, 1, 0, 0) + query[12:end] + record
            + struct.pack('>H', 0xc000 | end + len(record)))


def cut_off(query):
    return query[:2] + struct.pack('>HHHHH', 0x8580, 1, 9, 0, 0) + query[12:-9]


@alone(federation__patience='2s', federation__connect='1s', federation__dns_timeout='500ms')
def test_lies(t):
    """Answers to other questions, that point at themselves, that break off, loops of aliases, none at all: remote-server-timeout, wait"""
    romeo = t.online()
    liars = [t.partner() for _ in range(7)]
    for p, lie in zip(liars, (other_id, other_name, pointing_at_itself, cut_off, lambda q: b'\0' * 3, dns.SILENT, dns.SERVFAIL)):
        for name in '_xmpp-server._tcp.', '_xmpps-server._tcp.', 'host.', '':
            t.server.dns.trouble(name + p.domain, lie)
    loop = t.partner()
    t.server.dns.set('host.' + loop.domain, dns.cname('other.' + loop.domain))
    t.server.dns.set('other.' + loop.domain, dns.cname('host.' + loop.domain))
    ids = [(p, romeo.message(p.jid(), 'hello')) for p in liars + [loop]]
    for p, id in ids:
        e = returned(romeo, id, 'remote-server-timeout', p.domain)
        assert e.find('error').get('type') == 'wait', e
    # And nobody else has waited for them.
    reached(t, t.partner(), romeo)

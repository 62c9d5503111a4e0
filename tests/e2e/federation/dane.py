"""DANE (RFC 6698, RFC 7673): partners whose key is in a signed zone, and those whose is not, or wrongly. They are hosts of one Prosody;
the zones are nsd's."""
import hashlib

from chancerytest.ca import Certificate, openssl
from scenarios import refused, talk
from servers import S2S, Prosody


def self_signed(world, domain):
    c = Certificate(world.ca.path(domain + '.pem'), world.ca.path(domain + '.key'))
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=' + domain,
            '-addext', 'subjectAltName=DNS:' + domain, '-keyout', c.key, '-out', c.pem)
    return c


def key_hash(certificate):
    key = openssl('x509', '-in', certificate.pem, '-noout', '-pubkey')
    return '3 1 1 ' + hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'DER', stdin=key)).hexdigest()


class Hosts:
    def __init__(self, world):
        self.world, self.domains = world, ['self.test', 'issued.test', 'wrong.test', 'none.test', 'lie.test', 'padua.loose']
        self.certificate = {d: self_signed(world, d) for d in self.domains if d != 'issued.test'}
        self.certificate['issued.test'] = world.ca.certificate('issued.test', usage='serverAuth,clientAuth')

    def announce(self, port):
        tlsa = {d: key_hash(c) for d, c in self.certificate.items()}
        ca = openssl('x509', '-in', self.world.ca.pem, '-outform', 'DER')
        tlsa['issued.test'] = '2 0 1 ' + hashlib.sha256(ca).hexdigest()
        tlsa['wrong.test'] = '3 1 1 ' + 'ab' * 32
        tlsa['none.test'] = None
        for d in self.domains:
            self.world.dns.set(d, port, tlsa=tlsa[d], lie=d == 'lie.test')


def begin(world):
    hosts = Hosts(world)
    us = world.chancery('verona.test', federation__dns_anchors=world.dns.anchors, federation__patience='6s')
    them = world.foreign(Prosody, 'padua.test', more=[(d, hosts.certificate[d]) for d in hosts.domains])
    hosts.announce(them.base + S2S)
    world.start(us, them)
    # Its own people trust each of its certificates.
    them.ca = world.ca.path('all.pem')
    with open(them.ca, 'w') as f:
        for pem in world.ca.pem, *(c.pem for c in hosts.certificate.values()):
            with open(pem) as g:
                f.write(g.read())
    for d in hosts.domains:
        us.allow(d, trust=('--dane',))


def person(w, domain):
    """Somebody at one of the hosts."""
    them = w.them
    own, them.domain = them.domain, domain
    try:
        return w.there.online()
    finally:
        them.domain = own


def good(w):
    """RFC 7673 §4: a self-signed certificate whose key is in the signed zone (3 1 1) is as good as any, both ways"""
    talk(w.here.online(), person(w, 'self.test'))
    assert w.us.cli('federation', 'test', 'self.test')[0] == 0


def issued(w):
    """RFC 6698 §2.1.1: usage 2: issued by an authority that the zone names"""
    talk(w.here.online(), person(w, 'issued.test'))


def bad(w):
    """Another key, no record, a zone without signatures, an answer that was tampered with: refused both ways"""
    a = w.here.online()
    for domain in 'wrong.test', 'none.test', 'padua.loose', 'lie.test':
        b = person(w, domain)
        refused(a, a.message(b.jid, 'to ' + domain))
        refused(b, b.message(a.jid, 'from ' + domain))
        code, out, err = w.us.cli('federation', 'test', domain)
        assert code == 1, (domain, out, err)
        assert not a.heard_any(lambda e: e.name == 'message'), a.heard


ALL = [good, issued, bad]

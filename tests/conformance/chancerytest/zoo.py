"""The certificate zoo: one certificate of each kind that a partner's server may show, and what is to be said of it.

In scenarios, as client and as server alike:

    zoo = zoo_of('partner.test')           # all of it, in about two seconds; `openssl` is all it needs
    zoo = zoo_of('partner.test', 'names', 'pinned')     # or some of SECTIONS; made once in a run, removed at its end
    for animal in zoo.animals: ...         # or zoo['expired']
        animal.pem, animal.key             # PEM files: leaf with what it is shown with, and its key; so it is a Certificate as in ca.py
        animal.domain, animal.ascii        # for whom it is shown: in U-labels, in A-labels; most are for zoo.domain
        animal.verdict, animal.words       # "expired" as in net/cert.h ("good" passes); what the explanation must contain
        animal.trust                       # 'ca', 'pin', 'dane': how the partner's entry has to trust
        animal.pins, animal.tlsa           # ["sha256/…"]; [(usage, selector, matching, bytes)], animal.also: names of SRV targets
        animal.lists, animal.revocation    # needs zoo.crl as federation.crl_file; 'soft' or 'hard' as federation.revocation
        animal.ocsp                        # file with a response to staple (DER), or None
        animal.tls                         # False: no TLS carries it, it is for the judge alone
        animal.days                        # to be looked at so many days from now; 0 for all that are for scenarios
    zoo.ca, zoo.crl                        # PEM: the authority to allow with --ca, its revocation lists

Keys of weak ones can only be loaded at a low security level (ssl: set_ciphers('ALL:@SECLEVEL=0')). A new one: Zoo.leaf and Zoo.shown.

As a program: zoo.py DIR [DOMAIN] does the same and writes DIR/list, a line of TAB-separated fields for each (see `line`), for tests in C.
Certificates are put together here byte by byte, as most of these are not to be had from a tool for making certificates.
"""
import atexit
import base64
import datetime
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading

DAY = 86400
SERVER_AUTH, CLIENT_AUTH, ANY_USE = '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '2.5.29.37.0'
XMPP_ADDR, SRV_NAME = '1.3.6.1.5.5.7.8.5', '1.3.6.1.5.5.7.8.7'
SIGNATURES = {('ec', 'sha256'): '1.2.840.10045.4.3.2', ('ec', 'sha1'): '1.2.840.10045.4.1',
              ('rsa', 'sha256'): '1.2.840.113549.1.1.11', ('rsa', 'sha1'): '1.2.840.113549.1.1.5'}
# Bits of keyUsage (RFC 5280 §4.2.1.3), from the first.
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CERT_SIGN, CRL_SIGN = 0x80, 0x20, 0x04, 0x02


# -- DER ---------------------------------------------------------------------------------------------------------

def tlv(tag, *parts):
    body = b''.join(parts)
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    length = n.to_bytes((n.bit_length() + 7) // 8, 'big')
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(n):
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, 'big'))


def oid(text):
    numbers = [int(n) for n in text.split('.')]
    out = bytes([numbers[0] * 40 + numbers[1]])
    for n in numbers[2:]:
        digits = [n & 0x7f]
        while n > 0x7f:
            n >>= 7
            digits.insert(0, n & 0x7f | 0x80)
        out += bytes(digits)
    return tlv(6, out)


def bits(raw, unused=0):
    return tlv(3, bytes([unused]), raw)


def when(seconds):
    return tlv(0x17, datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime('%y%m%d%H%M%SZ').encode())


def name(common, organisation='Chancery Zoo'):
    return seq(tlv(0x31, seq(oid('2.5.4.10'), tlv(12, organisation.encode()))),
               tlv(0x31, seq(oid('2.5.4.3'), tlv(12, common.encode()))))


def extension(number, value, critical=False):
    return seq(oid(number), tlv(1, b'\xff') if critical else b'', tlv(4, value))


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def ip(raw):
    return tlv(0x87, raw)


def other(kind, text_tag, text):
    return tlv(0xa0, oid(kind), tlv(0xa0, tlv(text_tag, text.encode())))


def xmpp(text):
    return other(XMPP_ADDR, 12, text)


def srv(text):
    return other(SRV_NAME, 22, text)


def pem(kind, der):
    text = base64.b64encode(der).decode()
    return '-----BEGIN %s-----\n%s\n-----END %s-----\n' % (
        kind, '\n'.join(text[i:i + 64] for i in range(0, len(text), 64)), kind)


def openssl(*args, data=None):
    p = subprocess.run(['openssl', *args], input=data, stdin=None if data is not None else subprocess.DEVNULL, capture_output=True)
    if p.returncode:
        raise RuntimeError('openssl %s: %s' % (' '.join(args), p.stderr.decode(errors='replace').strip()))
    return p.stdout


# -- keys, certificates ------------------------------------------------------------------------------------------

class Key:
    def __init__(self, file, kind='ec'):
        self.file, self.kind = file, 'rsa' if kind.startswith('rsa') else kind
        how = {'ec': ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'p224': ['EC', '-pkeyopt', 'ec_paramgen_curve:P-224'],
               'rsa': ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'rsa1024': ['RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
               'ed25519': ['ED25519']}[kind]
        openssl('genpkey', '-algorithm', *how, '-out', file)
        self.spki = openssl('pkey', '-in', file, '-pubout', '-outform', 'DER')
        self.pin = 'sha256/' + base64.b64encode(hashlib.sha256(self.spki).digest()).decode()

    def sign(self, tbs, algorithm, digest):
        """Signed: tbs, algorithm, signature."""
        return seq(tbs, algorithm, bits(openssl('dgst', '-' + digest, '-sign', self.file, data=tbs)))


def signature_algorithm(key, digest):
    return seq(oid(SIGNATURES[key.kind, digest]), tlv(5) if key.kind == 'rsa' else b'')


class Authority:
    def __init__(self, common, key, der):
        self.common, self.key, self.der = common, key, der
        self.identifier = hashlib.sha1(key.spki).digest()


class Animal:
    def __init__(self, name, verdict, **more):
        self.name, self.verdict, self.words = name, verdict, ''
        self.trust, self.pins, self.tlsa, self.also = 'ca', [], [], []
        self.lists, self.revocation, self.ocsp, self.days, self.tls = False, 'soft', None, 0, True
        self.__dict__.update(more)

    def line(self):
        tlsa = ','.join('%d %d %d %s' % (u, s, m, data.hex()) for u, s, m, data in self.tlsa)
        fields = (self.name, self.verdict, self.words, self.domain, self.ascii, self.pem, self.trust, ','.join(self.pins), tlsa,
                  ','.join(self.also), 'lists' if self.lists else '', self.revocation, self.ocsp or '', str(self.days))
        return '\t'.join(f or '-' for f in fields) + '\n'


# -- the zoo -----------------------------------------------------------------------------------------------------

SECTIONS = ('names', 'dates_and_chains', 'uses_and_strength', 'revocation', 'pinned', 'dane')


class Zoo:
    def __init__(self, folder, domain='partner.test', sections=SECTIONS, now=None):
        self.dir, self.domain, self.serial, self.animals = folder, domain, 1000, []
        self.now = int(now or datetime.datetime.now().timestamp())
        os.makedirs(folder, exist_ok=True)
        self.key = self.new_key('leaf')
        self.root = self.authority('Zoo Root')
        self.issuing = self.authority('Zoo Issuing', self.root, path=0)
        self.ca = self.write('ca.pem', pem('CERTIFICATE', self.root.der))
        self.unknown, self.crl = self.authority('Unknown Root'), None
        for section in sections:
            getattr(self, section)()
        self.by_name = {a.name: a for a in self.animals}

    def __getitem__(self, name):
        return self.by_name[name]

    def file(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, content):
        with open(self.file(name), 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.file(name)

    def new_key(self, name, kind='ec'):
        return Key(self.file(name + '.key'), kind)

    def certificate(self, subject, key, issuer, extensions, start=-1, end=365, digest='sha256'):
        """DER; issuer None: by itself. Days from when the zoo was made."""
        self.serial += 1
        signer, common = (issuer.key, issuer.common) if issuer else (key, subject)
        algorithm = signature_algorithm(signer, digest)
        known = seq(tlv(0x80, hashlib.sha1(signer.spki).digest()))
        tbs = seq(tlv(0xa0, integer(2)), integer(self.serial), algorithm, name(common),
                  seq(when(self.now + start * DAY), when(int(self.now + end * DAY))), name(subject), key.spki,
                  tlv(0xa3, seq(*extensions, extension('2.5.29.14', tlv(4, hashlib.sha1(key.spki).digest())),
                                extension('2.5.29.35', known))))
        return signer.sign(tbs, algorithm, digest)

    def authority(self, common, issuer=None, path=None, ca=True, use=CERT_SIGN | CRL_SIGN, eku=None, more=(), key='ec', digest='sha256', end=3650,
                  start=-1):
        key = key if isinstance(key, Key) else self.new_key(common.replace(' ', '-').lower(), key)
        basic = seq(tlv(1, b'\xff') if ca else b'', integer(path) if path is not None else b'')
        extensions = [extension('2.5.29.19', basic, True), *more]
        if use is not None:
            extensions.append(extension('2.5.29.15', bits(bytes([use]), 1), True))
        if eku:
            extensions.append(extension('2.5.29.37', seq(oid(eku))))
        return Authority(common, key, self.certificate(common, key, issuer, extensions, start, end, digest))

    def leaf(self, issuer, names, key=None, eku=SERVER_AUTH, use=DIGITAL_SIGNATURE, subject='A Partner', more=(), **dates):
        """DER of a certificate for a server; issuer None: signed by itself."""
        extensions = [extension('2.5.29.19', seq(), True), *more]
        if use is not None:
            extensions.append(extension('2.5.29.15', bits(bytes([use]), 5), True))
        if eku:
            extensions.append(extension('2.5.29.37', seq(oid(eku))))
        if names:
            extensions.append(extension('2.5.29.17', seq(*names)))
        return self.certificate(subject, key or self.key, issuer, extensions, **dates)

    def shown(self, animal, verdict, words, chain, key=None, domain=None, ascii=None, **more):
        """A new animal: its certificates, leaf first (DER, or authorities)."""
        ders = [c.der if isinstance(c, Authority) else c for c in chain]
        a = Animal(animal, verdict, words=words, key=(key or self.key).file, domain=domain or self.domain,
                   ascii=ascii or domain or self.domain, **more)
        a.pem = self.write(animal + '.pem', ''.join(pem('CERTIFICATE', d) for d in ders))
        a.der = ders[0]
        self.animals.append(a)
        return a

    # -- whom it is for

    def names(self):
        d, top = self.domain, self.domain.rsplit('.', 1)[1]

        def named(animal, verdict, words, names, domain=None, ascii=None, **more):
            self.shown(animal, verdict, words, [self.leaf(self.root, names, **more)], domain=domain, ascii=ascii)
        named('good', 'good', "issued by 'Zoo Root'", [dns(d)])
        named('good-case', 'good', '', [dns(d.upper())])
        named('good-among-many', 'good', '', [dns('n%d.example' % i) for i in range(40)] + [dns(d)])
        named('wildcard', 'good', '', [dns('*.' + d)], domain='chat.' + d)
        named('wildcard-itself', 'other-name', 'for *.%s, not for %s' % (d, d), [dns('*.' + d)])
        named('wildcard-two-labels', 'other-name', '', [dns('*.' + d)], domain='a.chat.' + d)
        named('wildcard-too-wide', 'other-name', '*.' + top, [dns('*.' + top)])
        named('wildcard-alone', 'other-name', '', [dns('*')])
        named('wildcard-within', 'other-name', '', [dns(d[0] + '*' + d[d.index('.'):])])
        named('wildcard-inner', 'other-name', '', [dns('chat.*.' + top)], domain='chat.' + d)
        named('wildcard-srv', 'other-name', '', [srv('_xmpp-server.*.' + d)], domain='chat.' + d)
        named('other-name', 'other-name', 'is for shop.example, not for ' + d, [dns('shop.example')])
        named('other-names', 'other-name', 'a.example, b.example, c.example and 2 more', [dns(c + '.example') for c in 'abcde'])
        named('longer-name', 'other-name', '', [dns(d + '.evil.example'), dns('evil' + d), dns(d + '.')])
        named('common-name-only', 'other-name', 'only its subject', [], subject=d)
        named('common-name-beside', 'other-name', 'is for shop.example', [dns('shop.example')], subject=d)
        named('nul-in-name', 'other-name', 'NUL', [dns(d.encode() + b'\0.evil.example')])
        named('nul-in-xmppaddr', 'other-name', 'NUL', [xmpp(d + '\0.evil.example')])
        named('controls-in-name', 'other-name', '?', [dns(b'a\r\nb\x1b[31m\xff\xfe.example')], subject='A\r\nlog line\u202e')
        named('srv-id', 'good', '', [srv('_xmpp-server.' + d)])
        named('srv-id-clients', 'other-name', '_xmpp-client', [srv('_xmpp-client.' + d)])
        named('srv-id-mail', 'other-name', '_imap', [srv('_imap.' + d)])
        named('xmppaddr', 'good', '', [xmpp(d)])
        named('xmppaddr-user', 'other-name', '', [xmpp('juliet@' + d)])
        named('xmppaddr-wildcard', 'other-name', '', [xmpp('*.' + d)], domain='chat.' + d)
        idn = ('b\u00fccher.' + d, 'xn--bcher-kva.' + d)
        named('idn', 'good', '', [dns(idn[1])], *idn)
        named('idn-srv-id', 'good', '', [srv('_xmpp-server.' + idn[1])], *idn)
        named('idn-xmppaddr', 'good', '', [xmpp('B\u00dccher.' + d)], *idn)
        named('idn-wildcard', 'good', '', [dns('*.' + idn[1])], 'chat.' + idn[0], 'chat.' + idn[1])
        named('idn-not-ascii', 'other-name', 'not in A-labels', [dns(idn[0])], *idn)
        named('address', 'good', '', [ip(bytes([192, 0, 2, 1]))], domain='192.0.2.1')
        named('address-v6', 'good', '', [ip(bytes([0x20, 1, 0x0d, 0xb8] + [0] * 11 + [1]))], domain='[2001:db8::1]')
        named('address-other', 'other-name', '192.0.2.2', [ip(bytes([192, 0, 2, 2]))], domain='192.0.2.1')
        named('address-as-name', 'other-name', '', [dns('192.0.2.1')], domain='192.0.2.1')

    # -- who says so, and until when

    def dates_and_chains(self):
        d, root, mine = self.domain, self.root, [dns(self.domain)]
        expired = datetime.datetime.fromtimestamp(self.now - 3 * DAY, datetime.timezone.utc).strftime('%Y-%m-%d')
        self.shown('expired', 'expired', 'its certificate expired on ' + expired, [self.leaf(root, mine, start=-30, end=-3)])
        self.shown('not-yet-valid', 'not-yet-valid', 'not valid before', [self.leaf(root, mine, start=3)])
        self.shown('self-signed', 'self-signed', 'by itself', [self.leaf(None, mine)])
        unknown = self.unknown
        self.shown('unknown-ca', 'unknown-issuer', "'Unknown Root', which is not trusted", [self.leaf(unknown, mine), unknown])
        self.shown('unknown-ca-not-shown', 'unknown-issuer', "'Unknown Root'", [self.leaf(unknown, mine)])
        impostor = self.authority('Zoo Root', key=self.new_key('impostor'))
        self.shown('impostor-ca', 'unknown-issuer', "'Zoo Root', as one that is trusted here, but with another key", [self.leaf(impostor, mine), impostor])
        self.shown('impostor-ca-not-shown', 'unknown-issuer', 'with another key', [self.leaf(impostor, mine)])
        self.shown('intermediate', 'good', '', [self.leaf(self.issuing, mine), self.issuing])
        self.shown('intermediate-and-root', 'good', '', [self.leaf(self.issuing, mine), self.issuing, root])
        self.shown('intermediate-missing', 'unknown-issuer', "'Zoo Issuing', whose certificate it does not show", [self.leaf(self.issuing, mine)])
        old = self.authority('Zoo Expired', root, start=-30, end=-3)
        self.shown('intermediate-expired', 'expired', "issuer 'Zoo Expired' expired on " + expired, [self.leaf(old, mine), old])
        no_ca = self.authority('Zoo Not An Authority', root, ca=False)
        self.shown('intermediate-no-ca', 'bad-chain', "'Zoo Not An Authority' is not a certification authority", [self.leaf(no_ca, mine), no_ca])
        no_sign = self.authority('Zoo May Not Sign', root, use=CRL_SIGN)
        self.shown('intermediate-no-signing', 'wrong-use', "'Zoo May Not Sign' may not sign", [self.leaf(no_sign, mine), no_sign])
        deep = self.authority('Zoo Below Issuing', self.issuing)
        self.shown('path-length', 'bad-chain', "longer than its issuer 'Zoo Issuing' allows", [self.leaf(deep, mine), deep, self.issuing])
        chain, issuer = [], root
        for i in range(9):
            issuer = self.authority('Zoo Step %d' % i, issuer, key=self.key)
            chain.insert(0, issuer)
        self.shown('too-deep', 'bad-chain', 'too long', [self.leaf(issuer, mine), *chain])
        der = bytearray(self.leaf(root, mine))
        der[-1] ^= 1
        self.shown('wrong-signature', 'bad-chain', 'signature', [bytes(der)])
        # RFC 5280 §4.2.1.10
        permitted = extension('2.5.29.30', seq(tlv(0xa0, seq(dns('customer.example')))), True)
        bound = self.authority('Zoo Bound', root, more=[permitted])
        self.shown('name-constraint', 'bad-chain', 'may not issue certificates', [self.leaf(bound, mine), bound])
        self.shown('name-constraint-xmppaddr', 'bad-chain', 'may not issue certificates', [self.leaf(bound, [xmpp(d)]), bound])
        self.shown('name-constraint-srv', 'bad-chain', 'may not issue certificates', [self.leaf(bound, [srv('_xmpp-server.' + d)]), bound])
        self.shown('name-constraint-kept', 'good', '', [self.leaf(bound, [xmpp('customer.example')]), bound], domain='customer.example')
        strange = extension('1.3.6.1.4.1.99999.1', seq(), True)
        self.shown('critical-extension', 'bad-chain', 'critical extension', [self.leaf(root, mine, more=[strange])])

    # -- what for, and how strong

    def uses_and_strength(self):
        root, mine = self.root, [dns(self.domain)]

        def used(animal, verdict, words, chain=(), **more):
            self.shown(animal, verdict, words, [self.leaf(chain[0] if chain else root, mine, **more), *chain], key=more.get('key'))
        used('no-extended-use', 'good', '', eku=None)
        used('any-extended-use', 'good', '', eku=ANY_USE)
        used('clients-only', 'wrong-use', 'for clients only', eku=CLIENT_AUTH)
        used('mail-only', 'wrong-use', 'not for servers', eku='1.3.6.1.5.5.7.3.4')
        used('key-not-for-signatures', 'wrong-use', 'not for signatures', use=KEY_ENCIPHERMENT)
        used('no-key-use', 'good', '', use=None)
        mail = self.authority('Zoo Mail', root, eku='1.3.6.1.5.5.7.3.4')
        used('intermediate-for-mail', 'wrong-use', "'Zoo Mail' is not for servers", [mail])
        used('rsa', 'good', '', key=self.new_key('rsa', 'rsa'))
        used('ed25519', 'good', '', key=self.new_key('ed25519', 'ed25519'))
        used('rsa-1024', 'weak', 'key is too weak', key=self.new_key('rsa1024', 'rsa1024'))
        used('p-224', 'weak', 'key is too weak', key=self.new_key('p224', 'p224'))
        self.animals[-1].tls = False        # TLS 1.3 has no such signatures, and 1.2 here no such curve
        used('sha-1', 'weak', 'SHA-1', digest='sha1')
        weak = self.authority('Zoo Weak', root, key='rsa1024')
        used('intermediate-rsa-1024', 'weak', "key of its issuer 'Zoo Weak'", [weak])
        hashed = self.authority('Zoo Hashed', root, digest='sha1')
        used('intermediate-sha-1', 'weak', "issuer 'Zoo Hashed' is signed", [hashed])

    # -- taken back

    def list_of(self, issuer, serials, start=-1, end=30, key=None):
        """A revocation list (RFC 5280 §5), PEM; signed by another key when one is given."""
        key = key or issuer.key
        algorithm = signature_algorithm(key, 'sha256')
        taken = seq(*(seq(integer(s), when(self.now - 2 * DAY)) for s in serials)) if serials else b''
        tbs = seq(integer(1), algorithm, name(issuer.common), when(self.now + start * DAY), when(self.now + end * DAY), taken,
                  tlv(0xa0, seq(extension('2.5.29.35', seq(tlv(0x80, issuer.identifier))), extension('2.5.29.20', integer(self.serial)))))
        return pem('X509 CRL', key.sign(tbs, algorithm, 'sha256'))

    def response(self, animal, issuer, status, by=None):
        """An OCSP response about the last certificate made, by OpenSSL's own responder."""
        der, signer = self.animals[-1].der, by or (issuer.der, issuer.key)
        leaf = self.write(animal + '.leaf', pem('CERTIFICATE', der))
        ca = self.write(animal + '.issuer', pem('CERTIFICATE', issuer.der))
        sign = self.write(animal + '.signer', pem('CERTIFICATE', signer[0]))
        until = datetime.datetime.fromtimestamp(self.now + 300 * DAY, datetime.timezone.utc).strftime('%y%m%d%H%M%SZ')
        since = datetime.datetime.fromtimestamp(self.now - 2 * DAY, datetime.timezone.utc).strftime('%y%m%d%H%M%SZ') if status == 'R' else ''
        # A serial that is not in the index is unknown to the responder.
        rows = '' if status == 'unknown' else '%s\t%s\t%s\t%X\tunknown\t/CN=x\n' % (status, until, since, self.serial)
        index, request, out = self.write(animal + '.index', rows), self.file(animal + '.req'), self.file(animal + '.ocsp')
        openssl('ocsp', '-issuer', ca, '-cert', leaf, '-no_nonce', '-reqout', request)
        openssl('ocsp', '-index', index, '-CA', ca, '-rsigner', sign, '-rkey', signer[1].file, '-reqin', request, '-respout', out,
                '-ndays', '7')
        self.animals[-1].ocsp = out

    def revocation(self):
        mine = [dns(self.domain)]
        names = ('Listed', 'Listed Late', 'Listed Wrongly', 'Listed Below')
        listed, late, wrongly, below = (self.authority('Zoo ' + n, self.root) for n in names)
        quiet = self.authority('Zoo Quiet', self.root)

        def shown(animal, verdict, words, issuer, **more):
            self.shown(animal, verdict, words, [self.leaf(issuer, mine), issuer], **more)
            return self.serial
        shown('not-listed', 'good', '', listed, lists=True, revocation='hard')
        taken = shown('revoked-by-list', 'revoked', 'revoked on', listed, lists=True)
        shown('list-too-old', 'good', '', late, lists=True)
        shown('list-too-old-hard', 'revocation-unknown', 'nobody can say', late, lists=True, revocation='hard')
        taken_late = shown('revoked-by-old-list', 'revoked', '', late, lists=True)
        taken_wrongly = shown('list-not-signed', 'good', '', wrongly, lists=True)
        shown('list-not-signed-hard', 'revocation-unknown', '', wrongly, lists=True, revocation='hard')
        leaf = self.leaf(listed, mine)
        pin_taken = self.serial
        self.shown('revoked-pinned', 'revoked', 'revoked on', [leaf, listed], lists=True, trust='pin', pins=[self.key.pin])
        leaf = self.leaf(below, mine)
        self.shown('issuer-revoked', 'revoked', "issuer 'Zoo Listed Below' was revoked", [leaf, below], lists=True)
        shown('nobody-says', 'good', '', quiet)
        shown('nobody-says-hard', 'revocation-unknown', 'nobody can say', quiet, revocation='hard')
        for animal, verdict, status, more in (
                ('ocsp-good', 'good', 'V', {'revocation': 'hard'}), ('ocsp-revoked', 'revoked', 'R', {}), ('ocsp-unknown', 'good', 'unknown', {}),
                ('ocsp-unknown-hard', 'revocation-unknown', 'unknown', {'revocation': 'hard'}),
                ('ocsp-old', 'revocation-unknown', 'V', {'revocation': 'hard', 'days': 9})):
            shown(animal, verdict, '(OCSP)' if verdict == 'revoked' else '', quiet, **more)
            self.response(animal, quiet, status)
        # Somebody else's word, and that of one to whom the issuer has given the right to speak (RFC 6960 §4.2.2.2).
        shown('ocsp-by-stranger', 'revocation-unknown', '', quiet, revocation='hard')
        self.response('ocsp-by-stranger', quiet, 'V', (self.unknown.der, self.unknown.key))
        asked = self.new_key('responder')
        for animal, verdict, use in (('ocsp-by-delegate', 'good', '1.3.6.1.5.5.7.3.9'), ('ocsp-by-server', 'revocation-unknown', SERVER_AUTH)):
            delegate = self.leaf(quiet, [], key=asked, eku=use, subject='Zoo Responder')
            shown(animal, verdict, '', quiet, revocation='hard')
            self.response(animal, quiet, 'V', (delegate, asked))
        shown('ocsp-garbage', 'good', '', quiet, ocsp=self.write('garbage.ocsp', b'\x30\x03\x0a\x01\x00'))
        below_serial = self.serial_of(below.der)
        self.crl = self.write('crl.pem', self.list_of(listed, [taken, pin_taken]) + self.list_of(late, [taken_late], -20, -5) +
                              self.list_of(wrongly, [taken_wrongly], key=self.unknown.key) + self.list_of(self.root, [below_serial]))

    def serial_of(self, der):
        text = openssl('x509', '-inform', 'DER', '-noout', '-serial', data=der).decode()
        return int(text.strip().split('=')[1], 16)

    # -- named by its key

    def pinned(self):
        mine, first, second = [dns(self.domain)], self.new_key('pin-first'), self.new_key('pin-second')
        both = [first.pin, second.pin]

        def pin(animal, verdict, words, chain, key, pins, **more):
            self.shown(animal, verdict, words, chain, key=key, trust='pin', pins=pins, **more)
        pin('pinned', 'good', '', [self.leaf(self.unknown, mine, key=first), self.unknown], first, [first.pin])
        pin('pinned-self-signed', 'good', '', [self.leaf(None, mine, key=first)], first, [first.pin])
        pin('pinned-self-signed-hard', 'good', '', [self.leaf(None, mine, key=first)], first, [first.pin], revocation='hard')
        pin('pinned-rollover', 'good', '', [self.leaf(self.root, mine, key=second)], second, both)
        pin('pinned-other', 'not-pinned', self.key.pin, [self.leaf(self.root, mine)], None, both)
        pin('pinned-other-self-signed', 'not-pinned', '', [self.leaf(None, mine)], None, both)
        pin('pinned-other-name', 'other-name', 'shop.example', [self.leaf(None, [dns('shop.example')], key=first)], first, [first.pin])
        pin('pinned-expired', 'expired', '', [self.leaf(None, mine, key=first, start=-30, end=-3)], first, [first.pin])
        pin('pinned-clients-only', 'wrong-use', '', [self.leaf(None, mine, key=first, eku=CLIENT_AUTH)], first, [first.pin])
        pin('pinned-ca', 'good', '', [self.leaf(self.unknown, mine), self.unknown], None, [self.unknown.key.pin])
        pin('pinned-intermediate', 'good', '', [self.leaf(self.issuing, mine), self.issuing], None, [self.issuing.key.pin])
        pin('pinned-root-not-shown', 'good', '', [self.leaf(self.issuing, mine), self.issuing], None, [self.root.key.pin])
        pin('pinned-ca-beside', 'not-pinned', 'not certified by one that is', [self.leaf(None, mine), self.unknown], None, [self.unknown.key.pin])
        # A certificate with a pinned key that is no authority's does not make its holder's neighbours trusted.
        holder = self.authority('Zoo Holder', self.unknown, ca=False, use=DIGITAL_SIGNATURE, key=first)
        pin('pinned-no-ca', 'bad-chain', "'Zoo Holder' is not a certification authority", [self.leaf(holder, mine), holder], None, [first.pin])

    # -- named in DNS

    def dane(self):
        mine, unknown = [dns(self.domain)], self.unknown

        def record(usage, selector, matching, der, key):
            what = der if selector == 0 else key.spki
            return (usage, selector, matching, [lambda b: b, lambda b: hashlib.sha256(b).digest(), lambda b: hashlib.sha512(b).digest()][matching](what))

        def dane(animal, verdict, words, chain, records, **more):
            self.shown(animal, verdict, words, chain, trust='dane', tlsa=records, **more)
        old = self.leaf(None, [dns('shop.example')], start=-30, end=-3)
        dane('dane-key', 'good', '', [old], [record(3, 1, 1, old, self.key)])
        dane('dane-key-hard', 'good', '', [old], [record(3, 1, 1, old, self.key)], revocation='hard')
        dane('dane-certificate', 'good', '', [old], [record(3, 0, 2, old, self.key)])
        frail = self.new_key('frail', 'rsa1024')
        small = self.leaf(None, mine, key=frail)
        dane('dane-weak', 'weak', 'key is too weak', [small], [record(3, 1, 1, small, frail)], key=frail)
        dane('dane-whole', 'good', '', [old], [record(3, 0, 0, old, self.key)])
        dane('dane-other', 'not-dane', 'none of its TLSA records', [self.leaf(self.root, mine)], [record(3, 1, 1, old, unknown.key)])
        dane('dane-none', 'not-dane', 'no TLSA records', [self.leaf(self.root, mine)], [])
        dane('dane-unusable', 'not-dane', 'no TLSA records', [self.leaf(self.root, mine)],
             [(9, 1, 1, bytes(32)), (3, 7, 1, bytes(32)), (3, 1, 9, bytes(32)), (3, 1, 1, bytes(31))])
        below, other_name = self.leaf(unknown, mine), self.leaf(unknown, [dns('xmpp.hoster.example')])
        dane('dane-authority', 'good', '', [below, unknown], [record(2, 0, 1, unknown.der, unknown.key)])
        dane('dane-authority-key', 'good', '', [below, unknown], [record(2, 1, 2, unknown.der, unknown.key)])
        dane('dane-authority-not-shown', 'not-dane', '', [below], [record(2, 0, 1, unknown.der, unknown.key)])
        dane('dane-authority-in-record', 'good', '', [below], [record(2, 0, 0, unknown.der, unknown.key)])
        dane('dane-authority-other-name', 'other-name', 'hoster', [other_name, unknown], [record(2, 0, 1, unknown.der, unknown.key)])
        dane('dane-authority-target', 'good', '', [other_name, unknown], [record(2, 0, 1, unknown.der, unknown.key)],
             also=['xmpp.hoster.example'])
        late = self.leaf(unknown, mine, start=-30, end=-3)
        dane('dane-authority-expired', 'expired', '', [late, unknown], [record(2, 0, 1, unknown.der, unknown.key)])
        trusted = self.leaf(self.issuing, mine)
        dane('dane-and-ca', 'good', '', [trusted, self.issuing], [record(1, 1, 1, trusted, self.key)])
        dane('dane-and-issuing', 'good', '', [trusted, self.issuing], [record(0, 1, 1, self.issuing.der, self.issuing.key)])
        dane('dane-without-ca', 'not-dane', '', [below, unknown], [record(1, 1, 1, below, self.key)])
        # Whoever can show any certificate cannot stand in for an authority by it.
        dane('dane-leaf-as-authority', 'not-dane', '', [trusted, self.issuing], [record(2, 1, 1, trusted, self.key)])


_zoos, _lock = {}, threading.Lock()


def zoo_of(domain, *sections):
    """The one of this run."""
    with _lock:
        if (domain, sections) not in _zoos:
            folder = tempfile.mkdtemp(prefix='chancery-zoo-')
            os.chmod(folder, 0o755)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            _zoos[domain, sections] = Zoo(folder, domain, sections or SECTIONS)
        return _zoos[domain, sections]


if __name__ == '__main__':
    made = Zoo(*sys.argv[1:3])
    made.write('list', ''.join(a.line() for a in made.animals))

"""The certificate zoo (chancerytest/zoo.py) between servers: RFC 6120 §13.7, RFC 6125, RFC 9525, RFC 5280, XEP-0178, RFC 7673.

The same certificates are shown by who connects to us and by whom we connect to, with the same outcome: who is good may go on, who is not is
told why in the words that the log has, and `chancery federation test`, and nothing is said to them or taken from them.
"""
import os
import socket
import subprocess
import threading
import time

from chancerytest import dns
from chancerytest.client import Closed, unique
from chancerytest.s2s import own_address
from chancerytest.scenario import alone
from chancerytest.zoo import Animal, dns as dns_name, pem, zoo_of

SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"

ADDRESSES = ('192.0.2.1', '[2001:db8::1]')      # domains that would be looked for there
TWINS = ('good-case', 'good-among-many', 'wildcard-itself', 'wildcard-two-labels', 'wildcard-inner', 'wildcard-srv', 'longer-name', 'nul-in-xmppaddr',
         'common-name-beside', 'srv-id-mail', 'xmppaddr-user', 'xmppaddr-wildcard', 'idn-srv-id', 'idn-wildcard')   # explained as others are


def allow(t, domain, *how, reason='the zoo'):
    code, out, err = t.server.cli('federation', 'allow', domain, *how, '--owner', 'tests@chancery.test', '--reason', reason)
    assert code == 0, (domain, how, out, err)


def comes(t, animal, direct=True, keep=False):
    """As a server that connects: None when it may authenticate, else the words of the stream error."""
    s = t.s2s(animal.domain, animal)
    if keep:
        return s.authenticated()
    try:
        if direct:
            s.connect(direct=True)
        else:
            s.connect()
            s.open().expect_features()
            s.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            s.expect('proceed')
            s.start_tls()
        s.features = None
        s.open().expect_features()
    except Closed:
        assert s.error is not None and s.error.condition() == 'not-authorized', (animal.name, s.error)
        assert s.features is None, animal.name
        return s.error.text('text')
    assert s.mechanisms() == ['EXTERNAL'], (animal.name, s.features)
    s.cut()
    return None


def goes(t, partner, animal, juliet):
    """As the server that is connected to: None when what waited was given to it, else the words of the error that its sender has got."""
    id = unique('z')
    partner.certificate = animal
    juliet.message(partner.jid(), animal.name, id=id)
    s = partner.accept().accept_tls(alpn=['xmpp-server'])
    if animal.verdict != 'good':
        e = juliet.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'the error for ' + animal.name)
        s.fresh().expect_eof()
        assert not s.heard and (s.header is None or s.error.condition() == 'not-authorized'), (animal.name, 'was talked to', s.heard)
        return e.text('error', 'text') or str(e)
    s.fresh().serve_auth().fresh().send(SUCCESS)
    s.answer_open()
    s.expect_message(animal.name)
    s.close()
    return None


def explained(t, partner, animal):
    """What `chancery federation test` says about it: None when all is well, else its words."""
    said = []
    command = threading.Thread(target=lambda: said.append(t.server.cli('federation', 'test', partner.domain)))
    command.start()
    partner.certificate = animal
    s = partner.accept().accept_tls(alpn=['xmpp-server'])
    if animal.verdict == 'good':
        s.fresh().serve_auth().fresh().send(SUCCESS)
        s.answer_open()
    command.join()
    s.cut()
    code, out, err = said[0]
    assert code == (0 if animal.verdict == 'good' else 1), (animal.name, code, out, err)
    assert 'Messages to %s would be %s' % (animal.domain, 'sent' if code == 0 else 'refused') in out, (animal.name, out)
    return None if code == 0 else out


def judged(animals, how):
    wrong = []
    for a in animals:
        if not a.tls:
            continue
        words = how(a)
        if (words is None) != (a.verdict == 'good') or (words is not None and a.words not in words):
            wrong.append('%s: %s instead of %s (%s)' % (a.name, words, a.verdict, a.words))
    assert not wrong, '\n'.join(wrong)


def all_come(t, animals, direct=True):
    judged(animals, lambda a: comes(t, a, direct))


def all_go(t, zoo, told):
    """`told`: those for which somebody sends a message, too. Each has an entry of its own time: whom the server did not like it tries again when the
    entry has been changed, or much later."""
    juliet, partners = t.online(), {}

    def partner(a):
        if a.ascii not in partners:
            partners[a.ascii] = t.partner(a.ascii, direct=True, allow=None)
        return partners[a.ascii]

    def go(a):
        allow(t, a.ascii, '--ca', zoo.ca, reason='for ' + a.name)
        return goes(t, partner(a), a, juliet)
    judged([a for a in zoo.animals if a.domain not in ADDRESSES and a.name not in TWINS], lambda a: explained(t, partner(a), a))
    judged([zoo[name] for name in told], go)


def counted(t):
    return {v: t.server.metric('chancery_errors_total', '{scope="certificate",condition="%s"}' % v) or 0
            for v in ('other-name', 'expired', 'self-signed', 'unknown-issuer', 'bad-chain', 'wrong-use', 'weak')}


def test_names(t):
    """RFC 6120 §13.7.1.2, RFC 9525 §6: SRV-ID, XmppAddr, DNS-ID with wildcard, addresses, IDNs; everything else is another name"""
    zoo = zoo_of('names.test', 'names')
    for domain in ('names.test', '*.names.test', '192.0.2.1', '[2001:db8::1]'):
        allow(t, domain, '--ca', zoo.ca)
    all_come(t, zoo.animals)
    all_go(t, zoo, ('good', 'wildcard', 'wildcard-too-wide', 'other-name', 'nul-in-name', 'controls-in-name', 'srv-id', 'xmppaddr', 'idn',
                    'idn-not-ascii'))


def test_chains(t):
    """RFC 5280 §6, RFC 6120 §13.7.1.1: dates, unknown issuers, intermediates, path length, constraints; each is counted by kind"""
    zoo = zoo_of('chains.test', 'dates_and_chains')
    for domain in ('chains.test', 'customer.example'):
        allow(t, domain, '--ca', zoo.ca)
    before = counted(t)
    all_come(t, zoo.animals)
    after = counted(t)
    for v in ('expired', 'self-signed', 'unknown-issuer', 'bad-chain'):
        assert after[v] > before[v], (v, before, after)
    all_go(t, zoo, ('expired', 'self-signed', 'unknown-ca', 'intermediate', 'path-length', 'name-constraint'))


def test_strength(t):
    """RFC 6120 §13.7.1.1, RFC 9525 §7: keys that are weak, uses that are not for servers; clientAuth is not needed, and not enough"""
    zoo = zoo_of('strength.test', 'uses_and_strength')
    allow(t, 'strength.test', '--ca', zoo.ca)
    all_come(t, zoo.animals)
    all_go(t, zoo, ('clients-only', 'any-extended-use', 'rsa-1024', 'sha-1', 'ed25519'))


def test_expires_while_open(t):
    """A certificate that expires while its stream is open ends it, within seconds"""
    zoo = zoo_of('strength.test', 'uses_and_strength')
    allow(t, 'soon.test', '--ca', zoo.ca)
    # Signing and connecting take some of it.
    for seconds in 3, 10, 60:
        leaf = zoo.leaf(zoo.root, [dns_name('soon.test')], end=(time.time() + seconds - zoo.now) / 86400)
        soon = Animal('soon', 'good', domain='soon.test', pem=zoo.write('soon.pem', pem('CERTIFICATE', leaf)), key=zoo.key.file)
        try:
            s = comes(t, soon, keep=True)
            break
        except Closed:
            if seconds == 60:
                raise
    assert s.expect_end() == 'policy-violation'
    assert 'its certificate expired on' in s.error.text('text')


def test_starttls(t):
    """XEP-0178 §3: behind STARTTLS it is the same, and no EXTERNAL is offered to who shows nothing"""
    zoo = zoo_of('starttls.test', 'dates_and_chains')
    allow(t, 'starttls.test', '--ca', zoo.ca)
    all_come(t, [zoo[name] for name in ('intermediate', 'expired', 'self-signed', 'unknown-ca', 'name-constraint')], direct=False)
    s = t.s2s('starttls.test')
    try:
        s.secure()
        raise AssertionError('features for nobody: %s' % s.features)
    except Closed as e:
        assert e.error is None or e.error == 'not-authorized', e
    assert s.error.text('text') == 'it shows no certificate', s.error


def test_pins(t):
    """Pinned keys: of the leaf, of an authority, two while they are changed; any other is refused whoever vouches for it"""
    zoo = zoo_of('pins.test', 'pinned')
    for a in zoo.animals:
        if a.revocation == 'hard':
            continue        # a setting of the whole server
        allow(t, 'pins.test', *(x for p in a.pins for x in ('--pin', p)))
        if a.name == 'pinned-root-not-shown':
            continue        # that root is nobody's whom the server knows
        all_come(t, [a])


@alone()
def test_revocation_lists(t):
    """RFC 5280 §5, RFC 6120 §13.7.2: a list that is put there takes effect by a reload, on the stream that is open, too; hard: somebody has to say"""
    zoo = zoo_of('lists.test', 'revocation')
    allow(t, 'lists.test', '--ca', zoo.ca)
    assert comes(t, zoo['revoked-by-list']) is None
    open_one, revoked_one = (comes(t, zoo[name], keep=True) for name in ('nobody-says', 'revoked-by-list'))
    set_federation(t, crl_file=zoo.crl)
    assert revoked_one.expect_end() == 'policy-violation'
    assert 'revoked on' in revoked_one.error.text('text')
    all_come(t, [a for a in zoo.animals if a.trust == 'ca' and a.lists and a.revocation == 'soft'])
    set_federation(t, revocation='hard')
    assert open_one.expect_end() == 'policy-violation'
    all_come(t, [a for a in zoo.animals if a.trust == 'ca' and a.lists and a.revocation == 'hard'])
    set_federation(t, revocation='off')
    assert comes(t, zoo['revoked-by-list']) is None


@alone()
def test_new_list(t):
    """federation.crl_file is read again when it has changed, without a reload; one that is broken changes nothing"""
    zoo = zoo_of('lists.test', 'revocation')
    name = t.server.path('lists.pem')
    with open(zoo.crl) as f:
        lists = f.read()

    def put(text):
        with open(name + '.new', 'w') as f:
            f.write(text)
        os.rename(name + '.new', name)
    allow(t, 'lists.test', '--ca', zoo.ca)
    put(zoo.list_of(zoo.root, []))
    assert set_federation(t, crl_file=name)[0] == 0
    s = comes(t, zoo['revoked-by-list'], keep=True)
    put(lists)
    assert s.expect_end() == 'policy-violation' and 'revoked on' in s.error.text('text')
    put(lists[:len(lists) // 2])
    t.server.wait(lambda: 'trust-not-loaded' in t.server.log(), 'the new list to be refused')
    assert 'revoked on' in comes(t, zoo['revoked-by-list'])


class Stapler:
    """The server of a domain that staples an OCSP response, which Python's does not: as far as the first header."""

    def __init__(self, t, animal):
        address = own_address()
        with socket.socket() as s:
            s.bind((address, 0))
            port = s.getsockname()[1]
        self.process = subprocess.Popen(['openssl', 's_server', '-accept', '%s:%d' % (address, port), '-cert', animal.pem, '-cert_chain', animal.pem,
                                         '-key', animal.key, '-status_file', animal.ocsp, '-alpn', 'xmpp-server', '-naccept', '1'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.until(b'ACCEPT')
        t.server.dns.set('_xmpps-server._tcp.' + animal.ascii, dns.srv(0, 0, port, 'host.' + animal.ascii))
        t.server.dns.set('host.' + animal.ascii, dns.a(address))

    def until(self, text):
        """Whether it came before the end."""
        seen = b''
        while text not in seen:
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return False
            seen += more
        return True

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@alone(federation__revocation='hard')
def test_stapled(t):
    """RFC 6066 §8, RFC 6960: the response that a server staples is believed when its issuer, or who speaks for it, has signed it, and it is about this one"""
    zoo = zoo_of('lists.test', 'revocation')
    juliet = t.online()
    for a in [a for a in zoo.animals if a.ocsp and a.days == 0]:
        allow(t, 'lists.test', '--ca', zoo.ca, reason='for ' + a.name)
        server, id = Stapler(t, a), unique('o')
        try:
            juliet.message('romeo@lists.test', 'hello', id=id)
            # Soft ones are good as nobody says that they are not.
            if a.verdict == 'good' and a.revocation == 'hard':
                assert server.until(b'<stream:stream'), a.name
            else:
                e = juliet.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'the error for ' + a.name)
                says = a.words if a.verdict != 'good' else 'nobody can say'
                assert says in e.text('error', 'text'), (a.name, str(e))
        finally:
            server.end()


@alone()
def test_file_that_cannot_be_used(t):
    """A reload with authorities or lists that cannot be read changes nothing, and says which file and why"""
    zoo = zoo_of('lists.test', 'revocation')
    allow(t, 'lists.test', '--ca', zoo.ca)
    set_federation(t, crl_file=zoo.crl)
    for name in (zoo.ca, '/nowhere/lists.pem', '/etc'):
        code, _, err = set_federation(t, crl_file=name)
        assert code == 1 and name in err, (code, err)
    code, _, err = set_federation(t, crl_file=zoo.crl, ca_file=zoo.crl)
    assert code == 1 and zoo.crl in err, (code, err)
    assert 'revoked on' in comes(t, zoo['revoked-by-list'])


def set_federation(t, **settings):
    """Another settings file from here on; what the reload says."""
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        lines = [s for s in f.read().split('\n') if s.strip().split(':')[0] not in settings]
    at = lines.index('federation:')
    lines[at + 1:at + 1] = ['  %s: "%s"' % (k, v) for k, v in settings.items()]
    with open(t.server.env['CHANCERY_CONFIG'], 'w') as f:
        f.write('\n'.join(lines))
    t.server.edited = True
    return t.server.cli('config', 'reload')

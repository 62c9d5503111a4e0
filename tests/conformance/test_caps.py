"""Entity capabilities of clients (XEP-0115, XEP-0390): what the server asks, checks, and believes of whom."""
import base64
import hashlib

from chancerytest.client import unique
from chancerytest.element import NAMES, escape

NODE = 'https://client.test'


def query(features, name='Test'):
    """Children of a disco#info result."""
    return ("<identity category='client' type='pc' name='%s'/>" % name
            + ''.join("<feature var='%s'/>" % escape(f) for f in features))


def ver(features, name='Test'):
    s = 'client/pc//%s<' % name + ''.join(f + '<' for f in sorted(features))
    return base64.b64encode(hashlib.sha1(s.encode()).digest()).decode()


def hash390(features, name='Test', algo=hashlib.sha256):
    s = b''.join(sorted(f.encode() + b'\x1f' for f in features)) + b'\x1c'
    s += b'client\x1fpc\x1f\x1f' + name.encode() + b'\x1f\x1e\x1c' + b'\x1c'
    return base64.b64encode(algo(s).digest()).decode()


def c115(v, node=NODE, hash='sha-1'):
    h = " hash='%s'" % hash if hash else ''
    return "<c xmlns='http://jabber.org/protocol/caps'%s node='%s' ver='%s'/>" % (h, node, v)


def c390(v, algo='sha-256'):
    return "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='%s'>%s</hash></c>" % (algo, v)


def is_question(e):
    return e.name == 'iq' and e.get('type') == 'get' and e.find('info:query') is not None


def asked(c):
    return c.expect(is_question, 'disco#info from the server')


def tell(c, q, features, name='Test'):
    """The answer of c's client, and until the server has had it."""
    node = q.find('info:query').get('node')
    n = " node='%s'" % escape(node) if node else ''
    to = " to='%s'" % q.get('from') if q.get('from') else ''
    c.stanza("<iq type='result' id='%s'%s><query xmlns='%s'%s>%s</query></iq>"
             % (escape(q.get('id')), to, NAMES['info'], n, query(features, name)))
    c.ping()


def not_asked(c):
    c.ping()
    assert not c.heard_any(is_question), c.heard


def test_asked_once(t):
    """XEP-0115 §5.4: an unknown hash is asked for once; then it is known of every client that announces it"""
    f = ['urn:example:%s' % unique(), 'http://jabber.org/protocol/disco#info']
    a, b = t.bound(), t.bound()
    a.online(inner=c115(ver(f)))
    q = asked(a)
    assert q.get('from') == a.bare and q.find('info:query').get('node') == '%s#%s' % (NODE, ver(f)), q
    tell(a, q, f)
    a.online(inner=c115(ver(f)) + '<status>again</status>')
    not_asked(a)
    b.online(inner=c115(ver(f)))
    not_asked(b)


def test_xep_0390(t):
    """XEP-0390 §4.3, §4.4: asked for by its own node; any hash of the set will do"""
    f = ['urn:example:%s' % unique(), 'urn:xmpp:caps']
    a, b, d = t.bound(), t.bound(), t.bound()
    a.online(inner=c390(hash390(f)))
    q = asked(a)
    assert q.find('info:query').get('node') == 'urn:xmpp:caps#sha-256.' + hash390(f), q
    tell(a, q, f)
    b.online(inner=c390(hash390(f)))
    not_asked(b)
    d.online(inner=c390(hash390(f, algo=hashlib.sha3_256), 'sha3-256'))
    tell(d, asked(d), f)


def test_wrong_hash(t):
    """XEP-0115 §5.4 step 3.9: what does not fit its hash is believed of nobody else"""
    f = ['urn:example:%s' % unique()]
    a, b = t.bound(), t.bound()
    a.online(inner=c115(ver(f)))
    tell(a, asked(a), f + ['urn:example:poison'])
    b.online(inner=c115(ver(f)))
    tell(b, asked(b), f)


def test_ill_formed(t):
    """XEP-0115 §5.4 step 3.4: a feature said twice makes the answer ill-formed: it is not kept"""
    f = ['urn:example:%s' % unique()] * 2
    a, b = t.bound(), t.bound()
    a.online(inner=c115(ver(f)))
    tell(a, asked(a), f)
    b.online(inner=c115(ver(f)))
    asked(b)


def test_without_hash(t):
    """XEP-0115 §5.4 step 1, §7: without a hash that we know each client is asked, whatever its version"""
    version = unique('v')
    for hash in (None, 'md5-of-sorts'):
        a, b = t.bound(), t.bound()
        for c in (a, b):
            c.online(inner=c115(version, hash=hash))
            tell(c, asked(c), ['urn:example:legacy'])


def test_an_error(t):
    """A client that answers with an error is left alone until it announces something else"""
    f = ['urn:example:%s' % unique()]
    a = t.bound()
    a.online(inner=c115(ver(f)))
    q = asked(a)
    a.stanza("<iq type='error' id='%s' to='%s'><error type='cancel'><feature-not-implemented xmlns='%s'/></error></iq>"
             % (q.get('id'), q.get('from'), NAMES['stanzas']))
    a.online(inner=c115(ver(f)))
    not_asked(a)
    g = f + ['urn:example:more']
    a.online(inner=c115(ver(g)))
    tell(a, asked(a), g)


def test_answer_of_another(t):
    """RFC 6120 §8.1.2.1: only the client that was asked can answer, though others may guess"""
    f = ['urn:example:%s' % unique()]
    a = t.bound()
    mallory, b = t.bound(a, resource='other'), t.bound()
    a.online(inner=c115(ver(f)))
    q = asked(a)
    tell(mallory, q, f)
    b.online(inner=c115(ver(f)))
    asked(b)


def test_too_much(t):
    """limits.caps_bytes: a client with features without end is not believed, and nothing breaks"""
    f = ['urn:example:%s:%d' % ('x' * 1000, i) for i in range(60)]
    a, b = t.bound(), t.bound()
    for c in (a, b):
        c.online(inner=c115(ver(f)))
        tell(c, asked(c), f)


def test_answer_after_the_end(t):
    """An answer that comes when its session has ended is of use to others"""
    f = ['urn:example:%s' % unique()]
    a, b = t.bound(), t.bound()
    a.online(inner=c115(ver(f)))
    q = asked(a)
    a.presence('unavailable')
    a.expect_presence('unavailable', a.jid)
    tell(a, q, f)
    b.online(inner=c115(ver(f)))
    not_asked(b)


def test_own_caps(t):
    """XEP-0390 §5.2: the server's own hash is in the stream features, and its node answers"""
    a = t.online()
    c = [e for e in a.features.all('c') if e.ns == 'urn:xmpp:caps'][0]
    h = c.all('hash')[0]
    node = 'urn:xmpp:caps#%s.%s' % (h.get('algo'), h.text())
    r = a.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], node), t.server.domain).find('info:query')
    s = b''.join(sorted(f.get('var').encode() + b'\x1f' for f in r.all('feature'))) + b'\x1c'
    s += b''.join(sorted(b''.join((i.get(k) or '').encode() + b'\x1f' for k in ('category', 'type', 'xml:lang', 'name')) + b'\x1e'
                         for i in r.all('identity'))) + b'\x1c'
    forms = []
    for x in r.all('x', 'data'):
        fields = sorted(f.get('var').encode() + b'\x1f' + b''.join(sorted(v.text().encode() + b'\x1f' for v in f.all('value')))
                        + b'\x1e' for f in x.all('field'))
        forms.append(b''.join(fields) + b'\x1d')
    s += b''.join(sorted(forms)) + b'\x1c'
    assert base64.b64encode(hashlib.sha256(s).digest()).decode() == h.text(), s

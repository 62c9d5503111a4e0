"""Dialback (XEP-0220, XEP-0185): only as a partner's exception, and never without a good certificate."""
import hashlib
import hmac

from chancerytest.ca import Authority
from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.s2s import BIDI, EXTERNAL

FEATURE = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"


def is_db(name):
    return lambda e: e.ns == NAMES['db'] and e.name == name


def partner(t, *allow, **how):
    return t.partner(allow=('--dialback', *allow), **how)


def key(secret, receiving, originating, id):
    """XEP-0185 §2."""
    k = hashlib.sha256(secret.encode()).hexdigest()
    return hmac.new(k.encode(), ('%s %s %s' % (receiving, originating, id)).encode(), hashlib.sha256).hexdigest()


def send_key(s, text, from_=None, to=None):
    s.send("<db:result from='%s' to='%s'>%s</db:result>" % (from_ or s.own, to or s.domain, text))


def result(s):
    return s.expect(is_db('result'), '<db:result/>')


def asked(p, features=EXTERNAL + FEATURE):
    """The connection on which the server asks about a key: it and its question."""
    q = p.accept().serve_secure()
    q.answer_open(features)
    return q, q.expect(is_db('verify'), '<db:verify/>')


def reply(q, e, type='valid', **other):
    a = {'from': e.get('to'), 'to': e.get('from'), 'id': e.get('id'), 'type': type}
    a.update({k.rstrip('_'): v for k, v in other.items()})
    q.send('<db:verify %s/>' % ' '.join("%s='%s'" % x for x in a.items()))


def let_in(p):
    """A stream of this partner's that was let in by dialback."""
    s = p.stream().secure()
    send_key(s, key('s3cr3t', s.domain, p.domain, s.header.get('id')))
    q, e = asked(p)
    reply(q, e)
    assert result(s).get('type') == 'valid'
    return s


def say(s, to, body='Hi', from_=None):
    s.stanza("<message from='romeo@%s' to='%s' type='chat'><body>%s</body></message>" % (from_ or s.own, to, body))


def silence(t, user, s=None):
    """Nothing has come to this user, and nothing will: what would have is not in the record."""
    assert t.server.records("to_bare = '%s'" % user.bare) == []


# -- receiving ------------------------------------------------------------------------------------------------


def test_off(t):
    """Dialback is not offered, and not understood, unless the partner's entry says so"""
    s = t.partner().stream().secure()
    assert s.features.find('dialback') is None and s.header.get('xmlns:db') is None, s.features
    send_key(s, 'x')
    assert s.expect_end() == 'unsupported-stanza-type'
    s = t.partner().stream().authenticated()
    s.send("<db:verify from='%s' to='%s' id='x'>k</db:verify>" % (s.own, s.domain))
    assert s.expect_end() == 'unsupported-stanza-type'


def test_offered(t):
    """XEP-0220 §2.3.2: the feature, with errors, under TLS, beside EXTERNAL; not before TLS"""
    p = partner(t)
    s = p.stream().connect()
    s.open()
    assert s.expect_features().find('dialback') is None, s.features
    s = p.stream().secure()
    d = s.features.find('dialback')
    assert d is not None and d.ns == 'urn:xmpp:features:dialback' and d.find('errors') is not None, s.features
    assert s.mechanisms() == ['EXTERNAL']


def test_valid(t):
    """XEP-0220 §2.1.2, §2.2.1: the key is asked about over another connection, and then stanzas are taken"""
    p, juliet = partner(t), t.online()
    s = p.stream().secure()
    k = key('s3cr3t', s.domain, p.domain, s.header.get('id'))
    send_key(s, '\n  ' + k + '\n')
    q, e = asked(p)
    assert (e.get('from'), e.get('to'), e.get('id'), e.text()) == (s.domain, p.domain, s.header.get('id'), k), e
    reply(q, e)
    r = result(s)
    assert (r.get('from'), r.get('to'), r.get('type')) == (s.domain, p.domain, 'valid'), r
    q.expect_end()          # §2.1.2: it was made for this question
    say(s, juliet.jid)
    juliet.expect_message('Hi')
    stanza = t.server.value("select stanza from archive.record where kind = 20 and from_bare = '%s'" % p.domain)
    assert "how='dialback'" in stanza and "verdict='good'" in stanza, stanza


def test_pair(t):
    """XEP-0220 §2.2.1: only stanzas of the two domains that were verified"""
    p, juliet = partner(t), t.online()
    s = let_in(p)
    say(s, juliet.jid, from_='other.' + p.domain)
    assert s.expect_end() == 'invalid-from'
    s = let_in(p)
    say(s, 'room@conference.' + t.server.domain)
    assert s.expect_end() == 'host-unknown'
    silence(t, juliet)


def test_stanza_before(t):
    """XEP-0220 §2.2.1: no stanza is taken before the key was verified"""
    p, juliet = partner(t), t.online()
    s = p.stream().secure()
    say(s, juliet.jid)
    assert s.expect_end() == 'not-authorized'
    s = p.stream().secure()
    send_key(s, 'k')
    say(s, juliet.jid)
    q, e = asked(p)
    reply(q, e, 'invalid')
    assert result(s).get('type') == 'invalid' and s.expect_end() == 'not-authorized'
    silence(t, juliet)


def test_invalid(t):
    """XEP-0220 §2.2.1: the key is not valid: that is said, and the stream is closed"""
    p = partner(t)
    s = p.stream().secure()
    send_key(s, 'forged')
    q, e = asked(p)
    reply(q, e, 'invalid')
    assert result(s).get('type') == 'invalid' and s.expect_end() == 'not-authorized'
    for empty in ('', ' ', 'x' * 2000):
        s = p.stream().secure()
        send_key(s, empty)
        assert result(s).get('type') == 'invalid' and s.expect_end() == 'not-authorized'


def test_no_certificate(t):
    """Dialback is no way round the certificate: without a good one there are no features"""
    p = partner(t)
    for certificate in (None, Authority('Nobody').certificate(p.domain)):
        s = p.stream(certificate=certificate).connect()
        s.open().expect_features()
        s.send("<starttls xmlns='%s'/>" % NAMES['tls'])
        s.expect('proceed')
        s.start_tls()
        s.open()
        assert s.expect_end() == 'not-authorized', s.error


def test_certificate_of_the_one_asked(t):
    """The server that is asked about the key must show a good certificate, too: else it is not asked"""
    p = partner(t)
    s = p.stream().secure()
    send_key(s, 'k')
    liar = p.accept()
    liar.certificate = Authority('Nobody').certificate(p.domain)
    liar.serve_secure()
    assert liar.expect_end() == 'not-authorized'
    r = result(s)
    assert r.get('type') == 'error' and r.find('error') is not None and r.condition() == 'remote-server-timeout', r


def test_unreachable(t):
    """XEP-0220 §2.4: nobody to ask: an error that does not end the stream, which may try again, but not for ever"""
    p = partner(t)
    p.stop()
    s = p.stream().secure()
    for i in range(2):
        send_key(s, 'k')
        r = result(s)
        assert r.get('type') == 'error' and r.condition() == 'remote-server-timeout', r
    p.listen()
    send_key(s, 'k')
    q, e = asked(p)
    reply(q, e)
    assert result(s).get('type') == 'valid'


def test_unreachable_too_often(t):
    """P7: so many tries"""
    p = partner(t)
    p.stop()
    s = p.stream().secure()
    for i in range(20):
        send_key(s, 'k')
        try:
            result(s)
        except AssertionError:
            break
    assert s.expect_end() == 'policy-violation'
    assert i < 10


def test_error_of_the_one_asked(t):
    """XEP-0220 §2.4: it answers with an error, or closes: an error that does not end the stream"""
    p = partner(t)
    s = p.stream().secure()
    send_key(s, 'k')
    q, e = asked(p)
    q.send("<db:verify from='%s' to='%s' id='%s' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
           "</error></db:verify>" % (e.get('to'), e.get('from'), e.get('id')))
    r = result(s)
    assert r.get('type') == 'error' and r.condition() == 'remote-server-not-found', r
    send_key(s, 'k')
    q, e = asked(p)
    q.cut()
    r = result(s)
    assert r.get('type') == 'error' and r.condition() == 'remote-server-timeout', r


def test_answers_matched(t):
    """XEP-0220 §4.1: an answer for another stream, from or to another domain, or nobody's, lets nobody in"""
    p, juliet = partner(t), t.online()
    for other in ({'id': unique('other')}, {'from_': 'other.test'}, {'to': 'other.test'}, {'id': ''}):
        s = p.stream().secure()
        send_key(s, 'k')
        q, e = asked(p)
        reply(q, e, **other)
        q.expect_end()
        r = result(s)
        assert r.get('type') == 'error', (other, r)
        s.close()
    silence(t, juliet)


def test_unsolicited(t):
    """XEP-0220 §4.1: answers that nobody waits for, in the wrong direction: the stream ends, nobody is let in"""
    p, juliet = partner(t), t.online()
    for text in ("<db:result from='%s' to='%s' type='valid'/>", "<db:verify from='%s' to='%s' id='x' type='valid'/>"):
        s = p.stream().secure()
        s.send(text % (p.domain, s.domain))
        assert s.expect_end() == 'policy-violation'
        s = p.stream().authenticated()
        s.send(text % (p.domain, s.domain))
        assert s.expect_end() == 'policy-violation'
    silence(t, juliet)


def test_unsolicited_verify_for_another_stream(t):
    """XEP-0220 §4.1: who has a stream cannot answer for another one of the same domain whose key is being asked about"""
    p, juliet = partner(t), t.online()
    victim = p.stream().secure()
    send_key(victim, 'k')
    q, e = asked(p)
    s = p.stream().secure()
    reply(s, e)
    assert s.expect_end() == 'policy-violation'
    reply(q, e, 'invalid')
    assert result(victim).get('type') == 'invalid'


def test_piggyback(t):
    """XEP-0220 §2.5: other domains than those of the stream: errors, and nothing of them is taken"""
    p, juliet = partner(t), t.online()
    other = partner(t)
    for s in (p.stream().secure(), let_in(p)):
        for from_, to, condition in ((other.domain, None, 'not-authorized'), (None, 'conference.' + t.server.domain, 'resource-constraint'),
                                     (None, 'nowhere.test', 'item-not-found')):
            send_key(s, 'k', from_, to)
            r = result(s)
            assert r.get('type') == 'error' and r.condition() == condition, (r, condition)
            assert r.get('from') == (to or s.domain) and r.get('to') == (from_ or p.domain), r
    say(s, juliet.jid, from_=other.domain)
    assert s.expect_end() == 'invalid-from'
    silence(t, juliet)


def test_improper(t):
    """XEP-0220 §2.1: both addresses, and the id of a question"""
    p = partner(t)
    for text in ("<db:result from='%s'>k</db:result>", "<db:verify from='%s' id='x'>k</db:verify>",
                 "<db:verify from='%s' to='chancery.test'>k</db:verify>"):
        s = p.stream().secure()
        s.send(text % p.domain)
        assert s.expect_end() == 'improper-addressing'


def test_withdrawn(t):
    """The exception ends: streams that were let in by it do, too"""
    p = partner(t)
    s = let_in(p)
    p.allow('--no-dialback')
    assert s.expect_end() == 'policy-violation'


def test_direction_in(t):
    """A partner from whom things only come is let in by dialback all the same; nothing but the question goes there"""
    p, juliet = partner(t, '--direction', 'in'), t.online()
    s = let_in(p)
    say(s, juliet.jid)
    juliet.expect_message('Hi')


def test_both_ways(t):
    """XEP-0288 §2.2: asked for before dialback"""
    p, juliet = partner(t), t.online()
    s = p.stream().secure()
    s.send("<bidi xmlns='urn:xmpp:bidi'/>")
    send_key(s, 'k')
    q, e = asked(p)
    reply(q, e)
    assert result(s).get('type') == 'valid'
    juliet.message(p.jid(), 'hello')
    s.expect_message('hello')


# -- originating and authoritative -------------------------------------------------------------------------------


def outgoing(p, features=FEATURE):
    """The server's next stream, with the key that it sends there."""
    s = p.accept().serve_secure()
    s.answer_open(features)
    p.streams.append(s)
    return s, s.expect(is_db('result'), '<db:result/>')


def question(t, p, text, id, from_=None, to=None):
    """The answer to a question about a key."""
    s = p.stream().secure()
    s.send("<db:verify from='%s' to='%s' id='%s'>%s</db:verify>" % (from_ or p.domain, to or t.server.domain, id, text))
    e = s.expect(is_db('verify'), 'the answer about a key')
    assert e.get('id') == id, e
    s.close()
    return e


def accept(s, type='valid', **other):
    a = {'from': s.own, 'to': s.domain, 'type': type}
    a.update({k.rstrip('_'): v for k, v in other.items()})
    s.send('<db:result %s/>' % ' '.join("%s='%s'" % x for x in a.items()))


def test_out(t):
    """XEP-0220 §2.1.1, §2.2.2: a key on the stream, which the server itself vouches for when it is asked; then stanzas"""
    p, juliet = partner(t), t.online()
    juliet.message(p.jid(), 'hello')
    s, e = outgoing(p)
    assert (e.get('from'), e.get('to')) == (t.server.domain, p.domain) and len(e.text()) == 64, e
    v = question(t, p, e.text(), s.id)
    assert (v.get('from'), v.get('to'), v.get('type')) == (t.server.domain, p.domain, 'valid'), v
    assert s.heard == []
    accept(s)
    s.expect_message('hello')


def test_out_external_first(t):
    """EXTERNAL is used where it is offered"""
    p, juliet = partner(t), t.online()
    juliet.message(p.jid(), 'hello')
    s = p.accept().serve_secure().serve_auth(EXTERNAL + FEATURE + BIDI)
    s.fresh().send("<success xmlns='%s'/>" % NAMES['sasl'])
    s.answer_open('')
    s.expect_message('hello')


def test_out_off(t):
    """Without the exception no key is sent: a server without EXTERNAL cannot be sent to, and senders are told why"""
    p, juliet = t.partner(), t.online()
    id = juliet.message(p.jid(), 'hello')
    s = p.accept().serve_secure()
    s.answer_open(FEATURE)
    s.expect_end()
    assert not [e for e in s.heard if e.ns == NAMES['db']], s.heard
    e = juliet.expect_message(type='error', id=id)
    assert 'EXTERNAL' in e.find('error', 'text').text(), e


def test_questions(t):
    """XEP-0220 §2.2.2: forged keys, keys of other streams, questions in another's name or about another domain"""
    p, other, juliet = partner(t), partner(t), t.online()
    juliet.message(p.jid(), 'hello')
    s, e = outgoing(p)
    k = e.text()
    assert question(t, p, k, s.id).get('type') == 'valid'
    assert question(t, p, k, unique('other')).get('type') == 'invalid'        # replayed from another stream
    for forged in ('0' * 64, k[:-1], k + '0', k.upper(), '', 'x'):
        assert question(t, p, forged, s.id).get('type') == 'invalid', forged
    assert question(t, other, k, s.id).get('type') == 'invalid'               # of another domain
    v = question(t, other, k, s.id, from_=p.domain)
    assert v.get('type') == 'error' and v.condition() == 'not-authorized', v
    v = question(t, p, k, s.id, to='nowhere.test')
    assert v.get('type') == 'error' and v.condition() == 'item-not-found', v
    accept(s)
    s.expect_message('hello')


def test_keys_differ(t):
    """XEP-0185: another stream, another key"""
    p, juliet = partner(t), t.online()
    keys = set()
    for i in range(2):
        juliet.message(p.jid(), 'm%d' % i)
        s, e = outgoing(p)
        keys.add(e.text())
        s.id = unique('s')
        accept(s)
        s.expect_message('m%d' % i)
        s.send('</stream:stream>')
        s.expect_end()
        s.cut()
    assert len(keys) == 2


def test_many_questions(t):
    """P7: so many questions before authentication"""
    p = partner(t)
    s = p.stream().secure()
    for i in range(11):
        s.send("<db:verify from='%s' to='%s' id='x'>k</db:verify>" % (p.domain, s.domain))
    assert s.expect_end() == 'policy-violation'
    assert len([e for e in s.heard if e.name == 'verify']) == 10


def test_out_refused(t):
    """XEP-0220 §2.1.1: invalid or an error: nothing is sent, and senders are told at once"""
    for type, condition, inner in (('invalid', 'internal-server-error', ''), ('error', 'remote-server-timeout', "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")):
        p, juliet = partner(t), t.online()
        juliet.message(p.jid(), 'hello')
        s, e = outgoing(p)
        s.send("<db:result from='%s' to='%s' type='%s'>%s</db:result>" % (p.domain, s.domain, type, inner))
        s.expect_end()
        assert not [e for e in s.heard if e.name == 'message'], s.heard
        e = juliet.expect_message(type='error')
        assert e.condition() == condition, e


def test_out_answers_matched(t):
    """XEP-0220 §4.1: a result for other domains, or to a question that was not asked, opens nothing"""
    for text in ("<db:result from='other.test' to='%s' type='valid'/>", "<db:result from='%s' to='other.test' type='valid'/>",
                 "<db:verify from='%s' to='%s' id='x' type='valid'/>"):
        p, juliet = partner(t), t.online()
        juliet.message(p.jid(), 'hello')
        s, e = outgoing(p)
        given = (p.domain, s.domain) if text.count('%s') == 2 else (s.domain if 'other.test' in text.split(' to')[0] else p.domain)
        s.send(text % given)
        s.expect_end()
        assert not [e for e in s.heard if e.name == 'message'], s.heard
        p.deny()


def test_out_no_id(t):
    """XEP-0220 §2.1.1: no key without the id of the stream"""
    p, juliet = partner(t), t.online()
    juliet.message(p.jid(), 'hello')
    s = p.accept().serve_secure()
    s.expect_open()
    s.send(s.header_text(to=t.server.domain) + '<stream:features>%s</stream:features>' % FEATURE)
    s.expect_end()
    assert not [e for e in s.heard if e.ns == NAMES['db']], s.heard
    p.deny()

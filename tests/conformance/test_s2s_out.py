"""Streams that we make to other servers (RFC 6120 §4 to §6, XEP-0178, XEP-0368), and what waits for them."""
import socket
import ssl
import threading
import time

from chancerytest import dns
from chancerytest.ca import Authority, authority
from chancerytest.client import unique
from chancerytest.s2s import EXTERNAL, STARTTLS
from chancerytest.scenario import Skip, alone

SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def returned(c, id, condition, type=None, says=None, timeout=None):
    """The error for a stanza of ours."""
    e = c.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'the error for ' + id, timeout)
    assert e.condition() == condition, e
    assert type is None or e.find('error').get('type') == type, e
    text = e.text('error', 'text') or ''
    assert says is None or says in text, (says, text)
    return e


def failure(condition, inner=''):
    return "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><%s/>%s</failure>" % (condition, inner)


def stream_error(condition, inner=''):
    return "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'>%s</%s></stream:error></stream:stream>" % (condition, inner, condition)


# -- How it goes ---------------------------------------------------------------------------------------------------------------


def test_starttls(t):
    """RFC 6120 §4 to §6, XEP-0178 §3: STARTTLS with the domain as SNI, our certificate, EXTERNAL; then the message that waited"""
    p, romeo = t.partner(), t.online()
    romeo.message(p.jid(), 'first', id='a1')
    s = p.accept()
    h = s.fresh().answer_open(STARTTLS)
    assert (h.get('to'), h.get('from'), h.get('version')) == (p.domain, t.server.domain, '1.0'), h.attrs
    assert s.parser is not None and h.ns == 'http://etherx.jabber.org/streams'
    s.expect('starttls')
    s.fresh().send(PROCEED).accept_tls()
    assert s.sni == p.domain and t.server.domain in s.names(), (s.sni, s.names())
    s.fresh().serve_auth()
    assert s.authzid in ('', t.server.domain)
    s.fresh().send(SUCCESS)
    h = s.answer_open()
    assert (h.get('to'), h.get('from')) == (p.domain, t.server.domain), h.attrs
    m = s.expect_message('first')
    assert (m.get('from'), m.get('to'), m.get('id'), m.ns) == (romeo.jid, p.jid(), 'a1', 'jabber:server'), m
    for i in range(20):
        romeo.message(p.jid(), 'm%d' % i)
    for i in range(20):
        assert s.expect('message').text('body') == 'm%d' % i


def test_direct_tls(t):
    """XEP-0368 §3: where _xmpps-server says so, TLS comes first, with ALPN xmpp-server"""
    p, romeo = t.partner(direct=True), t.online()
    romeo.message(p.jid(), 'straight')
    s = p.accept().accept_tls(alpn=['xmpp-server'])
    assert s.sock.selected_alpn_protocol() == 'xmpp-server' and s.sni == p.domain
    s.fresh().serve_auth().fresh().send(SUCCESS)
    s.answer_open()
    s.expect_message('straight')


def test_authzid(t):
    """XEP-0178 §3 no. 7: who does not take an empty authorisation identity is told the domain"""
    p, romeo = t.partner(), t.online()
    romeo.message(p.jid(), 'me')
    s = p.accept().serve_secure().serve_auth()
    assert s.authzid == ''
    s.send(failure('invalid-authzid'))
    auth = s.expect('auth')
    assert auth.text() == __import__('base64').b64encode(t.server.domain.encode()).decode(), auth
    s.fresh().send(SUCCESS).answer_open()
    s.expect_message('me')


def test_challenge(t):
    """RFC 6120 §6.4.2: an empty challenge is answered with the domain, once"""
    p, romeo = t.partner(), t.online()
    romeo.message(p.jid(), 'me')
    s = p.accept().serve_secure().serve_auth()
    s.send("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    assert s.expect('response').text() == __import__('base64').b64encode(t.server.domain.encode()).decode()
    s.fresh().send(SUCCESS).answer_open()
    s.expect_message('me')


def test_second_target(t):
    """RFC 6120 §3.2.1, RFC 2782: when the first target cannot be used, the next one is tried"""
    p, q, romeo = t.partner(), t.partner(), t.online()
    closed = dns.srv(0, 0, 1, 'host.' + p.domain)
    wrong = dns.srv(1, 0, q.port, 'host.' + q.domain)     # has another certificate
    p.announce(closed, wrong, dns.srv(2, 0, p.port, 'host.' + p.domain))
    romeo.message(p.jid(), 'at last')
    s = q.accept()
    s.own = p.domain
    assert s.serve_secure().sni == p.domain
    assert s.open().expect_end() == 'not-authorized'
    p.taken().expect_message('at last')


def test_one_stream(t):
    """RFC 6120 §4.5: what goes between the same domains goes over one stream, from whomever"""
    p, a, b = t.partner(), t.online(), t.online()
    a.message(p.jid(), 'from a')
    s = p.taken()
    s.expect_message('from a')
    b.message(p.jid('juliet'), 'from b')
    s.expect_message('from b')
    a.iq_send('get', PING, to=p.domain, id='p1')
    assert s.expect('iq').get('from') == a.jid


# -- What ends an attempt for good: the sender is told at once ------------------------------------------------------------------


def test_no_tls(t):
    """RFC 6120 §5.3.1: without STARTTLS nothing is said, nor over whatever comes instead"""
    p, romeo = t.partner(), t.online()
    for features in '', EXTERNAL, "<dialback xmlns='urn:xmpp:features:dialback'/>":
        p.allow()   # looked at again: no waiting for the next attempt
        id = romeo.message(p.jid(), 'secret')
        s = p.accept().fresh()
        s.answer_open(features)
        assert s.expect_end() == 'policy-violation' and not s.heard, s.heard
        returned(romeo, id, 'remote-server-timeout', 'cancel', 'TLS')


def test_tls_refused(t):
    """RFC 6120 §5.4.2.2: <failure/> instead of <proceed/>"""
    p, romeo = t.partner(), t.online()
    id = romeo.message(p.jid(), 'secret')
    s = p.accept().fresh()
    s.answer_open(STARTTLS)
    s.expect('starttls')
    s.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
    s.expect_end()
    returned(romeo, id, 'remote-server-timeout', 'cancel', 'refused TLS')


def test_other_certificate(t):
    """RFC 6120 §13.7.2: a certificate for another name, by another authority: nothing is said, the text says why"""
    romeo, other = t.online(), Authority('somebody else')
    for certificate, says in ((authority().certificate('elsewhere.test'), 'elsewhere.test'), (other.certificate('x.test'), '')):
        p = t.partner(certificate=certificate)
        id = romeo.message(p.jid(), 'secret')
        s = p.accept().serve_secure()
        assert s.open().expect_end() == 'not-authorized' and not s.heard, s.heard
        e = returned(romeo, id, 'remote-server-timeout', 'cancel', says)
        assert 'certificate' in e.text('error', 'text'), e
        # So it is for who comes next, without another attempt at once.
        returned(romeo, romeo.message(p.jid(), 'again'), 'remote-server-timeout', 'cancel', says)


def test_not_let_in(t):
    """RFC 6120 §6.5: <not-authorized/> from their SASL; XEP-0178 §3 no. 6: no EXTERNAL offered"""
    romeo = t.online()
    for how in 'refused', 'not offered', 'plain only', 'twice invalid':
        p = t.partner()
        id = romeo.message(p.jid(), 'let me in')
        s = p.accept().serve_secure()
        if how == 'not offered':
            s.answer_open('')
        elif how == 'plain only':
            s.answer_open(EXTERNAL.replace('EXTERNAL', 'PLAIN'))
        else:
            s.serve_auth()
            if how == 'twice invalid':
                s.send(failure('invalid-authzid')).expect('auth')
            s.send(failure('invalid-authzid' if how == 'twice invalid' else 'not-authorized'))
        s.expect_end()
        assert not s.heard, s.heard
        returned(romeo, id, 'remote-server-timeout', 'cancel', p.domain)


def test_wrong_header(t):
    """RFC 6120 §4.7: another `from`, another namespace, no version: the stream ends with the error for it, and nothing is said"""
    romeo = t.online()
    cases = (({'from_': 'mantua.test'}, 'invalid-from'), ({'ns': 'jabber:client'}, 'invalid-namespace'), ({'version': ''}, 'unsupported-version'),
             ({'version': '0.9'}, 'unsupported-version'), ({'to': 'mantua.test'}, 'improper-addressing'))
    for early in True, False:
        for how, condition in cases:
            p = t.partner()
            id = romeo.message(p.jid(), 'who are you')
            s = p.accept()
            if early:
                s.fresh().answer_open(STARTTLS, **how)
            else:
                s.serve_secure().answer_open(EXTERNAL, **how)
            assert s.expect_end() == condition, (early, how)
            assert not [e for e in s.heard if e.name not in ('starttls',)], s.heard
            returned(romeo, id, 'remote-server-timeout', 'cancel')


def test_stream_error(t):
    """RFC 6120 §4.9.3: what they refuse us for goes to the sender; host-unknown and host-gone are remote-server-not-found"""
    romeo = t.online()
    for condition, error in (('policy-violation', 'remote-server-timeout'), ('not-authorized', 'remote-server-timeout'),
                             ('host-unknown', 'remote-server-not-found'), ('host-gone', 'remote-server-not-found')):
        p = t.partner()
        id = romeo.message(p.jid(), 'hello')
        s = p.accept().fresh()
        s.answer_open(None)
        s.send(stream_error(condition))
        s.expect_end()
        returned(romeo, id, error, 'cancel', condition)


def test_their_words(t):
    """What their server says goes to the sender when it is theirs for sure, cut where characters end; before TLS anybody may have said it"""
    romeo = t.online()
    said = "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>x%s</text>" % (300 * '€')
    for early in True, False:
        p = t.partner()
        id = romeo.message(p.jid(), 'hello')
        s = p.accept()
        if early:
            s.fresh().answer_open(None)
        else:
            s.serve_secure().answer_open(None)
        s.send("<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>%s</stream:error></stream:stream>" % said)
        s.expect_end()
        e = returned(romeo, id, 'remote-server-timeout', 'cancel', 'policy-violation')
        assert ('€' in e.text('error', 'text')) != early, e
    p = t.partner()
    id = romeo.message(p.jid(), 'hello')
    s = p.accept().serve_secure().serve_auth()
    s.send(failure('not-authorized', "<text>x%s</text>" % (300 * '€')))
    s.expect_end()
    assert '€€€' in returned(romeo, id, 'remote-server-timeout', 'cancel', 'not-authorized').text('error', 'text')
    romeo.ping()


def test_no_such_domain(t):
    """RFC 6120 §10.4, §3.2: no such domain, or no such service there (SRV with target "."): remote-server-not-found, cancel"""
    romeo, p, q = t.online(), t.partner(listen=False), t.partner()
    q.announce(dns.srv(0, 0, 0, '.'))
    for x in p, q:
        returned(romeo, romeo.message(x.jid(), 'hello'), 'remote-server-not-found', 'cancel', x.domain)
        id = romeo.iq_send('get', PING, to=x.domain)
        returned(romeo, id, 'remote-server-not-found', 'cancel', x.domain)


def test_who_is_told(t):
    """RFC 6120 §8.3: messages, IQ requests, subscriptions and who would enter a room get an error; presence and answers do not"""
    romeo, p = t.online(), t.partner(listen=False)
    to = p.jid(resource='pda')
    romeo.stanza("<iq type='result' id='r1' to='%s'/>" % to)
    romeo.stanza("<message type='error' id='r2' to='%s'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % to)
    romeo.presence(to=to)
    romeo.presence('unavailable', to=to)
    for id in romeo.message(to, 'one'), romeo.message(to, 'two', type=None), romeo.iq_send('set', PING, to=to):
        returned(romeo, id, 'remote-server-not-found')
    romeo.presence('subscribe', to=p.jid())
    assert romeo.expect_presence('error', p.jid()).condition() == 'remote-server-not-found'
    romeo.presence(to='room@%s/romeo' % p.domain, inner="<x xmlns='http://jabber.org/protocol/muc'/>")
    assert romeo.expect_presence('error', 'room@%s/romeo' % p.domain).condition() == 'remote-server-not-found'
    romeo.sync()
    assert not [e for e in romeo.heard if e.get('type') == 'error'], romeo.heard


# -- Denied ----------------------------------------------------------------------------------------------------------------------


def test_denied_while_waiting(t):
    """Partners: when a domain is taken away, what waits for it comes back within a second (not-allowed), and the attempt ends"""
    romeo, p = t.online(), t.partner()
    id = romeo.message(p.jid(), 'hello')
    s = p.accept().serve_secure()
    p.deny()
    returned(romeo, id, 'not-allowed', 'cancel', p.domain, timeout=15)     # federation.connect would end it later, with other words
    s.open().expect_end()
    assert not s.heard, s.heard


def test_denied_while_connected(t):
    """Partners: when a domain is taken away, its streams end with policy-violation; allowed again, they come back"""
    romeo, p = t.online(), t.partner()
    romeo.message(p.jid(), 'one')
    s = p.taken()
    s.expect_message('one')
    p.deny()
    assert s.expect_end(2) == 'policy-violation'
    returned(romeo, romeo.message(p.jid(), 'two'), 'not-allowed', 'cancel', p.domain)
    p.allow()
    romeo.message(p.jid(), 'three')
    p.taken().expect_message('three')


def test_only_in(t):
    """Partners: a domain that may only come in is not connected to"""
    romeo, p = t.online(), t.partner(allow=('--direction', 'in'))
    returned(romeo, romeo.message(p.jid(), 'one'), 'not-allowed', 'cancel', p.domain)
    assert not t.server.dns.times_asked('_xmpp-server._tcp.' + p.domain)


def test_trust_changed(t):
    """Partners: a stream is judged again when the entry has changed: another key is pinned, and it ends"""
    romeo, p = t.online(), t.partner()
    romeo.message(p.jid(), 'one')
    s = p.taken()
    s.expect_message('one')
    p.allow('--no-calls')                # changes nothing about trust: it stays
    romeo.message(p.jid(), 'two')
    s.expect_message('two')
    p.allow('--pin', 'sha256/' + 43 * 'A' + '=')
    assert s.expect_end(2) == 'policy-violation'


# -- Nothing is lost -------------------------------------------------------------------------------------------------------------


def collect(s, got):
    """Bodies that have arrived, until the stream ends or `last` has."""
    while True:
        m = s.expect('message')
        got.append(m.text('body'))
        if got[-1] == 'last':
            return


def in_order(bodies, total):
    """Each came, the first times in order."""
    seen = list(dict.fromkeys(bodies))
    assert seen == ['m%d' % i for i in range(total)] + ['last'], bodies


def test_closed_after_success(t):
    """Pitfall: a server that closes right after <success/>, or right after its features: the message comes again over the next stream"""
    for point in 'success', 'features', 'end tag':
        romeo, p = t.online(), t.partner()
        romeo.message(p.jid(), 'important', id='i-' + p.domain)
        s = p.accept().serve_secure().serve_auth()
        s.fresh().send(SUCCESS)
        if point != 'success':
            s.answer_open('')
        if point == 'end tag':
            s.send('</stream:stream>')
            s.expect_end()
        s.cut()
        p.taken().expect_message('important', id='i-' + p.domain)


def breaking_streams(romeo, p):
    """What has come over streams that the other server cuts, and how long the slowest of them had lived since <success/>."""
    for i in range(30):
        romeo.message(p.jid(), 'm%d' % i)
    got, lived = [], 0
    for n in 3, 7:
        s = p.accept().serve_secure().serve_auth()
        begin = time.monotonic()
        s.fresh().send(SUCCESS)
        s.answer_open('')
        for _ in range(n):
            got.append(s.expect('message').text('body'))
        s.cut()
        lived = max(lived, time.monotonic() - begin)
    romeo.message(p.jid(), 'last')
    collect(p.taken(), got)
    return got, lived


def test_order_across_streams(t):
    """P8: messages keep their order when streams break again and again; each arrives"""
    # Without XEP-0198 what the other's kernel has counts as arrived when the stream still lives after 200 ms (core/federation/route.c):
    # a try in which this machine was slower shows only the order.
    romeo, lived = t.online(), 1
    for _ in range(20):
        if lived < 0.19:
            break
        got, lived = breaking_streams(romeo, t.partner())
        seen = list(dict.fromkeys(got))
        assert seen == sorted(seen, key=lambda b: 99 if b == 'last' else int(b[1:])), got
    if lived >= 0.19:
        raise Skip('this machine is too slow: %.2f s from <success/> to the cut' % lived)
    in_order(got, 30)


@alone(federation__patience='4s')
def test_patience(t):
    """RFC 6120 §10.4, §8.3.3.17: a server that is not there: after federation.patience remote-server-timeout, wait, in order; then it is back"""
    romeo, p = t.online(), t.partner()
    p.stop()
    ids = [romeo.message(p.jid(), 'm%d' % i) for i in range(5)]
    begin = time.monotonic()
    errors = [romeo.expect(lambda e: e.get('type') == 'error', 'an error') for _ in ids]
    assert 3 < time.monotonic() - begin < 14, time.monotonic() - begin
    assert [e.get('id') for e in errors] == ids, errors
    for e in errors:
        assert e.condition() == 'remote-server-timeout' and e.find('error').get('type') == 'wait', e
        assert p.domain in e.text('error', 'text') and 'connection' in e.text('error', 'text'), e
    romeo.message(p.jid(), 'now', id='back')
    p.listen()
    p.taken().expect_message('now')


@alone(federation__patience='2s', federation__connect='1s', federation__dns_timeout='500ms')
def test_passing_troubles(t):
    """Whatever else goes wrong before a stream is ready is tried again, later each time, and told as remote-server-timeout (wait) in the end"""
    romeo = t.online()

    def tls_11(s):
        s.fresh().answer_open(STARTTLS)
        s.expect('starttls')
        s.fresh().send(PROCEED)
        try:
            s.accept_tls(low=ssl.TLSVersion.TLSv1, high=ssl.TLSVersion.TLSv1_1)
            raise RuntimeError('TLS 1.1 was taken')
        except (OSError, ssl.SSLError):
            pass

    def at(n):
        """EOF at the n-th step."""
        def f(s):
            if n > 0:
                s.fresh().answer_open(STARTTLS)
            if n > 1:
                s.expect('starttls')
                s.fresh().send(PROCEED)
            if n > 2:
                s.accept_tls()
            if n > 3:
                s.fresh().serve_auth()
            s.cut()
        return f

    def hangs(n):
        """Nothing more comes behind the n-th step."""
        def f(s):
            if n == 0:
                s.fresh().answer_open(STARTTLS)
                s.expect('starttls')
                return s.expect_end()
            s.serve_secure()
            if n > 1:
                s.serve_auth()
            if n > 2:
                s.fresh().send(SUCCESS)
            if n > 3:
                s.answer_open(None)
            s.expect_end()
        return f

    def before_tls(text):
        def f(s):
            s.fresh().answer_open(None)
            s.send(text)
            s.expect_end()
            assert not s.heard, s.heard
        return f

    def before_auth(text, features=None):
        def f(s):
            s.serve_secure().answer_open(features)
            s.send(text)
            s.expect_end()
            assert not [e for e in s.heard if e.name not in ('auth', 'response')], s.heard
        return f

    def injected(s):
        s.fresh().answer_open(STARTTLS)
        s.expect('starttls')
        s.send(PROCEED + '<stream:features/>')
        s.expect_end()

    def silent(s):
        s.expect_end()

    def drips(s):
        s.fresh().expect_open()
        s.send(s.header_text())
        try:
            while True:
                s.send(' ')
                time.sleep(.05)
        except OSError:
            pass

    message = "<message from='x@y.test' to='%s'><body>early</body></message>" % romeo.bare
    troubles = {
        'tls11': tls_11, 'silent': silent, 'drips': drips, 'injected': injected,
        'redirect': before_tls(stream_error('see-other-host', 'evil.test')), 'restarts': before_tls(stream_error('system-shutdown')),
        'bad xml': before_tls('<a><b></a>'), 'stanza': before_tls(message), 'huge': before_tls('<x>' + 40000 * 'y'),
        'stanza before auth': before_auth(message), 'unasked success': before_auth(SUCCESS), 'stanza at auth': before_auth(message, EXTERNAL),
        'many features': before_auth(40 * ('<stream:features>%s</stream:features>' % EXTERNAL)),
        'temporary': before_auth(failure('temporary-auth-failure') + '</stream:stream>', EXTERNAL),
        'challenges': before_auth(2 * "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", EXTERNAL),
    }
    troubles.update({'end %d' % n: at(n) for n in range(5)})
    troubles.update({'hang %d' % n: hangs(n) for n in range(5)})
    wrong, partners = [], {}

    def serve(name, p, f):
        s = p.accept()
        try:
            f(s)
        except Exception as e:      # told by the scenario, which runs elsewhere
            wrong.append('%s: %r' % (name, e))
        s.cut()

    threads, ids = [], {}
    for name, f in troubles.items():
        p = partners[name] = t.partner()
        threads.append(threading.Thread(target=serve, args=(name, p, f)))
        threads[-1].start()
        ids[name] = romeo.message(p.jid(), name, id=unique('w'))
    # The name servers: no answer, no answer that could be used, and one that is a lie.
    for name, trouble in ('dns silent', dns.SILENT), ('dns failed', dns.SERVFAIL), ('dns lies', lambda q: b'\0' * 40), ('dns loops', None):
        p = partners[name] = t.partner()
        for owner in '_xmpp-server._tcp.' + p.domain, '_xmpps-server._tcp.' + p.domain:
            if trouble is None:
                t.server.dns.set(owner, dns.cname(owner))
            else:
                t.server.dns.trouble(owner, trouble)
        ids[name] = romeo.message(p.jid(), name)
    # Meanwhile nobody else waits.
    juliet = t.online()
    romeo.message(juliet.bare, 'meanwhile')
    juliet.expect_message('meanwhile')
    for name, id in ids.items():
        e = returned(romeo, id, 'remote-server-timeout', 'wait', partners[name].domain)
        assert len(e.text('error', 'text')) > len(partners[name].domain) + 20, (name, e)
    for x in threads:
        x.join()
    assert not wrong, wrong
    assert t.server.metric('chancery_s2s_connect_failed_total') >= len(troubles)
    assert t.server.metric('chancery_s2s_streams_out') == 0


@alone(federation__patience='2s', limits__s2s_queue_bytes=67108864)
def test_does_not_read(t):
    """P7: a server that takes a stream and does not read: what cannot be sent comes back, in order, and does not grow without bound"""
    romeo, p = t.online(), t.partner()
    p.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    romeo.message(p.jid(), 'm')
    s = p.taken()
    s.expect_message('m')
    ids = [romeo.message(p.jid(), 'x' * 10000) for _ in range(250)]
    back = [romeo.expect(lambda e: e.get('type') == 'error', 'an error')]
    while back[-1].get('id') != ids[-1]:
        back.append(romeo.expect(lambda e: e.get('type') == 'error', 'an error'))
    assert [e.get('id') for e in back] == ids[-len(back):] and len(back) > 100, len(back)
    for e in back:
        assert e.condition() == 'remote-server-timeout' and e.find('error').get('type') == 'wait', e
        assert 'does not take' in e.text('error', 'text'), e
    s.cut()
    romeo.message(p.jid(), 'afterwards')
    p.taken().expect_message('afterwards')


@alone(limits__s2s_queue_stanzas=10)
def test_queue_full(t):
    """P7: limits.s2s_queue_stanzas: what is too much comes back at once (resource-constraint, wait), the rest goes when it can"""
    romeo, p = t.online(), t.partner()
    for i in range(13):
        romeo.message(p.jid(), 'm%d' % i, id='q%d' % i)
    s = p.accept()
    for i in range(10, 13):
        returned(romeo, 'q%d' % i, 'resource-constraint', 'wait', p.domain)
    s.serve()
    for i in range(10):
        assert s.expect('message').get('id') == 'q%d' % i
    assert t.server.metric('chancery_s2s_queue_full_total') == 3


def test_restarts_all_the_time(t):
    """A server that closes each stream at once is called again after a second or so, then later; it costs nobody else anything"""
    romeo, juliet, p = t.online(), t.online(), t.partner()
    romeo.message(p.jid(), 'patience')
    p.accept().cut()
    begin = time.monotonic()
    juliet.message(romeo.bare, 'still here')
    romeo.expect_message('still here')
    p.taken().expect_message('patience')
    assert time.monotonic() - begin > .6, time.monotonic() - begin

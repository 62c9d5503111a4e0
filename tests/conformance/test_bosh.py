"""BOSH (XEP-0124) and XMPP over BOSH (XEP-0206)."""
import hashlib
import time

import test_history
import test_message
import test_presence
import test_sasl2
import test_sm
from chancerytest.client import PATIENCE
from chancerytest.web import BOSH, Bosh, BoshClient, Http, XBOSH


def again(f):
    def test(t):
        t.transport = BoshClient
        f(t)
    test.__doc__ = 'Over BOSH: ' + f.__doc__
    return test


for module, names in ((test_message, 'chat order order_with_other_stanzas bare_to_all offline typing malformed_to '
                                     'from_is_stamped stanza_id'),
                      (test_sm, 'enable counts server_asks resume_unknown resume_while_connected'),
                      (test_history, 'query backwards'),
                      (test_sasl2, 'wrong_password bind stream_management'),
                      (test_presence, 'initial unavailable')):
    for name in names.split():
        globals()['test_again_%s_%s' % (module.__name__[5:], name)] = again(getattr(module, 'test_' + name))


def session(t, **attrs):
    """Created by hand; nobody has logged in."""
    b = Bosh(t.server, t.source)
    t.clients.append(b)
    b.first = b.create(**attrs)
    assert b.sid, b.first
    return b


def ended(e, condition):
    assert e.get('type') == 'terminate' and e.get('condition') == condition, e


def test_login(t):
    """XEP-0206 §5: SASL, restart, binding and messages over BOSH; the other side is on TCP"""
    a = BoshClient(t.server, *t.user(), source=t.source)
    t.clients.append(a)
    b = t.online()
    a.authenticated().bind('bosh')
    a.online()
    a.message(b.jid, 'From BOSH')
    assert b.expect_message('From BOSH').get('from') == a.jid
    b.message(a.jid, 'To BOSH')
    assert a.expect_message('To BOSH').get('from') == b.jid


def test_creation(t):
    """XEP-0124 §7.2, XEP-0206 §4: what the first answer says, with the features"""
    b = session(t, wait=7, hold=5)
    e = b.first
    assert len(e.get('sid')) == 32 and e.get('wait') == '7' and e.get('hold') == '1' and e.get('requests') == '2', e
    assert e.get('ver') == '1.6' and e.get('from') == t.server.domain and e.get('secure') == 'true', e
    assert int(e.get('inactivity')) > 0 and int(e.get('polling')) > 0 and int(e.get('maxpause')) > 0, e
    assert e.get('version') == '1.0' and e.get('restartlogic') == 'true', e
    features = e.find('stream:features')
    assert features.find('sasl:mechanisms') is not None and features.find('tls:starttls') is None, e
    assert session(t).sid != b.sid


def test_bounds(t):
    """XEP-0124 §7.2: wait is cut to the server's; a version is the client's at most; without one there is none"""
    b = session(t, wait=100000, ver='99.1')
    assert b.first.get('wait') == '60' and b.first.get('ver') == '1.11', b.first
    assert session(t, ver=None).first.get('ver') is None


def test_errors_of_the_first(t):
    """XEP-0124 §17.2: no `to`, an unknown one, no rid, a rid that is none, no body; RFC 6120 §11.6: another encoding"""
    b = Bosh(t.server, t.source)
    t.clients.append(b)
    ended(b.create(to=None), 'improper-addressing')
    b.close()
    for condition, attrs in (('host-unknown', {'to': 'nowhere.example'}), ('bad-request', {'rid': ''}), ('bad-request', {'rid': '-1'}),
                             ('bad-request', {'rid': '9007199254740992'}), ('bad-request', {'wait': 'long'})):
        b = Bosh(t.server, t.source)
        t.clients.append(b)
        ended(b.create(**attrs), condition)
    for text in ('', '<', 'x', "<body/>", "<other xmlns='%s' rid='1'/>" % BOSH, "<body xmlns='%s' rid='1' to='x'" % BOSH,
                 "<!DOCTYPE x><body xmlns='%s' rid='1'/>" % BOSH, '<a>' * 70,
                 "<?xml version='1.0' encoding='ISO-8859-1'?><body xmlns='%s' rid='1' to='%s'/>" % (BOSH, t.server.domain),
                 "<?xml version='1.0' encoding?><body xmlns='%s' rid='1' to='%s'/>" % (BOSH, t.server.domain), "<body xmlns='%s' to='x'/>" % BOSH):
        h = Http(t.server, t.source)
        t.clients.append(h)
        ended(Bosh.parse(h.ask('POST', '/http-bind', {}, text)), 'bad-request')
    h = Http(t.server, t.source)
    t.clients.append(h)
    e = Bosh.parse(h.ask('POST', '/http-bind', {}, "<?xml version='1.0' encoding='utf-8'?><body xmlns='%s' rid='1' to='%s'/>" % (BOSH, t.server.domain)))
    assert e.get('sid'), e


def test_unknown_sid(t):
    """XEP-0124 §17.2: a sid that does not exist is item-not-found, counted, and ends the connection: guessing costs"""
    before = t.server.metric('chancery_bosh_unknown_total')
    b = Bosh(t.server, t.source)
    t.clients.append(b)
    b.sid = '0' * 32
    ended(b.ask(), 'item-not-found')
    b.conn().expect_eof()
    assert t.server.metric('chancery_bosh_unknown_total') > before


def test_hold(t):
    """XEP-0124 §6, §9: a request is held; a newer one takes its place, and it is answered at once with nothing"""
    b = session(t)
    b.send(n=0)
    b.send(n=1)
    e = b.answer(0)
    assert not e.children and e.get('type') is None, e
    b.send(n=0)
    assert not b.answer(1).children


def test_wait(t):
    """XEP-0124 §9: a request that has waited its time is answered with nothing"""
    b = session(t, wait=1)
    began = time.monotonic()
    assert not b.ask().children
    assert time.monotonic() - began > 0.8


def test_repeat(t):
    """XEP-0124 §14.3: the same rid again gets the same answer; while it is held, the older one is told of a recoverable error"""
    b = session(t)
    first = b.rid
    again = b.ask(rid=first, sid=True)
    assert str(again) == str(b.first), again
    b.send(n=0)
    b.send(n=1, rid=b.rid)
    assert b.answer(0).get('type') == 'error'
    b.send(n=0)
    assert b.answer(1).get('type') is None


def test_repeat_is_not_taken_twice(t):
    """XEP-0124 §14.3: what a repeated request carries is not sent again"""
    c = BoshClient(t.server, *t.user(), source=t.source)
    t.clients.append(c)
    c.authenticated().bind()
    c.online()
    d = t.online()
    b = c.bosh
    while c.out:
        c._pump(time.monotonic() + PATIENCE)
        if not c.out:
            break
        b.send(n=c.free[0])
        c.out.append(c.free.pop(0))
        break
    payload = "<message xmlns='jabber:client' to='%s' id='once'><body>once</body></message>" % d.jid
    b.rid += 1
    x = Http(t.server, t.source)
    t.clients.append(x)
    for _ in range(3):
        x.request('POST', '/http-bind', {}, b.body(payload, rid=b.rid))
        x.close()
        x = Http(t.server, t.source)
        t.clients.append(x)
    d.expect_message('once')
    t.online(d).message(d.jid, 'end')
    d.expect_message('end')
    assert not d.heard_any(lambda e: e.get('id') == 'once')


def test_out_of_order(t):
    """XEP-0124 §14.1: requests are taken in the order of their rids, whatever order they come in"""
    b = session(t)
    b.send(n=1, rid=b.rid + 2)
    b.send(n=0, rid=b.rid + 1)
    assert b.answer(0).get('type') is None


def test_rid_games(t):
    """XEP-0124 §14.2: a rid behind the window, or one whose answer is forgotten, ends the session with item-not-found"""
    for off in (3, 1000, 1 << 40):
        b = session(t)
        ended(b.ask(rid=b.rid + off), 'item-not-found')
        ended(b.ask(n=1), 'item-not-found')     # it is gone
    b = session(t)
    ended(b.ask(rid=b.rid - 1), 'item-not-found')
    ended(b.ask(n=1), 'item-not-found')


def test_too_many_repeats(t):
    """XEP-0124 §14.2: repeating a held request again and again is a violation"""
    b = session(t)
    b.send(n=0)
    for i in range(12):
        b.send(n=1 - i % 2, rid=b.rid)
        e = b.answer(i % 2)
        if e.get('type') == 'terminate':
            break
    ended(e, 'policy-violation')


def test_polling(t):
    """XEP-0124 §12: a session with hold=0 is answered at once, and may not ask for nothing too often"""
    b = session(t, hold=0)
    assert b.first.get('requests') == '1' and b.first.get('hold') == '0', b.first
    assert not b.ask().children
    ended(b.ask(), 'policy-violation')


def test_terminate(t):
    """XEP-0124 §13: the client ends the session; the oldest request is told, what it sent last still arrives"""
    a, c = t.friends(t.online(), t.online())
    b = BoshClient(t.server, a.user, a.password, source=t.source)
    t.clients.append(b)
    b.authenticated().bind('bosh')
    b.online()
    c.expect_presence(None, b.jid)
    b.expect_presence(None, a.jid)
    b.expect_presence(None, c.jid)
    b.ping()
    while not b.out:
        b._post()
    held = b.out[0]
    free = b.free[0]
    b.bosh.send("<presence xmlns='jabber:client' type='unavailable'><status>bye</status></presence>", free, type='terminate')
    ended(b.bosh.answer(held), None)
    e = b.bosh.answer(free)
    assert e.get('type') is None and not e.children, e
    assert c.expect_presence('unavailable', b.jid).text('status') == 'bye'
    ended(b.bosh.ask(), 'item-not-found')
    b.ended = True


def test_pause(t):
    """XEP-0124 §10: with pause all requests are answered, and the client may stay away"""
    b = session(t)
    b.send(n=0)
    b.send(n=1, pause=30)
    assert not b.answer(0).children and not b.answer(1).children
    b.send(n=0)
    b.send(n=1)
    assert b.answer(0).get('type') is None


def test_inactivity(t):
    """XEP-0124 §10: a session without a request is given up; one that paused is not; both know nothing of another's"""
    b, c = session(t), session(t)
    c.ask(pause=20)
    log = lambda: 'bosh-inactive' in t.server.log() or None
    t.server.wait(log, 'the end of the session')
    ended(b.ask(), 'item-not-found')
    c.send(n=0).send(n=1)
    assert c.answer(0).get('type') is None


test_inactivity.alone = {'limits.bosh_inactivity_seconds': 1}


def test_inactive_session_is_resumed(t):
    """XEP-0198 §5: whoever loses BOSH resumes over TCP"""
    t.transport = BoshClient
    a = t.online(sm=True)
    a.cut()
    from chancerytest.client import Client
    t.transport = Client
    c = t.client(a).authenticated()
    assert c.resume(a).name == 'resumed'


test_inactive_session_is_resumed.alone = {'limits.bosh_inactivity_seconds': 1}


def test_keys(t):
    """XEP-0124 §15: a chain of hashes; a wrong key, or none, ends the session with item-not-found"""
    def chain(seed, n):
        out = [seed]
        for _ in range(n):
            out.append(hashlib.sha1(out[-1].encode()).hexdigest())
        return out
    k = chain('first', 5)
    b = session(t, newkey=k[5])
    b.send(n=0, key=k[4]).send(n=1, key=k[3].upper().lower())
    assert b.answer(0).get('type') is None
    m = chain('second', 3)
    b.send(n=0, key=k[2], newkey=m[3])
    assert b.answer(1).get('type') is None
    b.send(n=1, key=m[2])
    assert b.answer(0).get('type') is None
    b.send(n=0, key=k[1])
    ended(b.answer(1), 'item-not-found')
    b = session(t, newkey=k[5])
    ended(b.ask(), 'item-not-found')


def test_stream_error(t):
    """XEP-0124 §17.2, XEP-0206 §2: a stream error is a remote-stream-error with the error inside"""
    b = session(t)
    e = b.ask("<message xmlns='jabber:client'/>")
    ended(e, 'remote-stream-error')
    assert e.find('stream:error').condition() == 'not-authorized', e


def test_without_namespace(t):
    """XEP-0206 §2: stanzas that are not qualified are taken for jabber:client's"""
    c = BoshClient(t.server, *t.user(), source=t.source)
    t.clients.append(c)
    c.authenticated()
    c._post("<iq type='set' id='q'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
    assert c.expect('iq').text('bind', 'jid') == c.bare + '/x'


def test_oversized(t):
    """limits: an element over 16 KiB before login ends the stream; a body over 272 KiB is refused unread"""
    b = session(t)
    ended(b.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % ('A' * 20000)), 'remote-stream-error')
    h = Http(t.server, t.source)
    t.clients.append(h)
    h.send('POST /http-bind HTTP/1.1\r\nHost: %s\r\nContent-Length: 300000\r\n\r\n' % h.host)
    assert h.answer().status == 413
    h.expect_eof()


def test_large_bodies_out_of_turn(t):
    """P7: before login nothing large waits for its turn; behind it, it does"""
    b, large = session(t), "<x xmlns='urn:example'>%s</x>" % ('A' * 20000)
    b.rid += 1
    ended(b.ask(large), 'policy-violation')
    a = t.online()
    c = BoshClient(t.server, *t.user(), source=t.source)
    t.clients.append(c)
    c.authenticated().bind()
    c.online()
    message = "<message xmlns='jabber:client' to='%s'><body>large</body>%s</message>" % (a.jid, large)
    c.bosh.rid += 2
    c.bosh.send(message, n=2, rid=c.bosh.rid).send('', n=3, rid=c.bosh.rid - 1)
    assert a.expect_message('large').find('x')


def test_pipelined(t):
    """XEP-0124 §11: two requests on one connection; the answers keep their order"""
    b = session(t)
    b.send(n=0).send(n=0)
    assert b.answer(0).get('type') is None
    b.send(n=0)
    assert b.answer(0).get('type') is None


def test_origin(t):
    """CORS: pages of other hosts are refused before anything else; the server's own may read the answers"""
    own = 'https://%s:%d' % (t.server.domain, t.server.port_https)
    h = Http(t.server, t.source)
    t.clients.append(h)
    a = h.ask('POST', '/http-bind', {'Origin': 'https://evil.example'}, "<body/>")
    assert a.status == 403 and a.get('Access-Control-Allow-Origin') is None, a
    h = Http(t.server, t.source)
    t.clients.append(h)
    a = h.ask('OPTIONS', '/http-bind', {'Origin': own, 'Access-Control-Request-Method': 'POST'})
    assert a.status == 204 and a.get('Access-Control-Allow-Origin') == own and 'POST' in a.get('Access-Control-Allow-Methods'), a
    a = h.ask('POST', '/http-bind', {'Origin': own}, "<body/>")
    assert a.get('Access-Control-Allow-Origin') == own, a


def test_methods(t):
    """RFC 9110 §15.5.6: nothing but POST and OPTIONS; no script syntax"""
    h = Http(t.server, t.source)
    t.clients.append(h)
    a = h.ask('GET', '/http-bind?%3Cbody%2F%3E')
    assert a.status == 405 and a.get('Allow') == 'POST, OPTIONS', a


def test_client_goes_away(t):
    """XEP-0124 §14: a held request whose connection breaks takes nothing with it"""
    a = t.online()
    c = BoshClient(t.server, *t.user(), source=t.source)
    t.clients.append(c)
    c.authenticated().bind()
    c.online()
    if not c.out:
        c._post()
    n = c.out.pop()
    c.bosh.conns[n].close()
    c.bosh.conns[n] = Http(t.server, t.source)
    c.free.append(n)
    a.message(c.jid, 'not lost')
    assert c.expect_message('not lost')

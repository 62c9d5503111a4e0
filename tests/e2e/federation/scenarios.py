"""What people at two servers do with each other. Each function gets a world (servers.py) whose servers run and know each other, and are as
they were when it ends; `them` is Prosody, ejabberd, or another Chancery. The first line of a function's text says what it is about."""
import time

from chancerytest import rooms
from chancerytest.client import unique
from guide import guide
from servers import S2S, SLOW, Relay, Us, pin

MAM = 'urn:xmpp:mam:2'


def people(w):
    """One here, one there, online and strangers."""
    return w.here.online(), w.there.online()


def refused(c, id, *conditions):
    """The message comes back."""
    e = c.expect(lambda e: e.name == 'message' and e.get('type') == 'error' and e.get('id') == id, 'the refusal of ' + id)
    assert not conditions or e.condition() in conditions, e
    return e


def talk(a, b):
    """A message each way. How long the first took."""
    body, begin = unique('words'), time.monotonic()
    a.message(b.jid, body)
    e = b.expect_message(body)
    took = time.monotonic() - begin
    assert e.get('from') == a.jid, e
    b.message(a.jid, body + ' too')
    e = a.expect_message(body + ' too')
    assert e.get('from') == b.jid, e
    return took


def denied(w):
    """Nobody is allowed unless an administrator says so: neither way"""
    a, b = people(w)
    e = refused(a, a.message(b.jid, 'is anybody there'), 'not-allowed')
    assert e.find('error').text('text'), e
    refused(b, b.message(a.jid, 'not here'))
    assert not a.heard_any(lambda e: e.name == 'message'), a.heard
    # Attempts are known.
    w.us.wait(lambda: w.them.domain in w.us.federation('report', '--since', '1d'), 'the attempts in the report')


def at_once(w):
    """Allowed and denied act within a second, on streams that are open"""
    a, b = people(w)
    w.us.allow(w.them.domain)
    w.us.wait(lambda: talks(a, b), 'a first conversation')      # some wait a moment before they try again
    talk(a, b)
    begin = time.monotonic()
    w.us.deny(w.them.domain)
    refused(a, a.message(b.jid, 'no more'), 'not-allowed')
    took = time.monotonic() - begin
    assert took < 5 * SLOW, 'refused after %.1f s' % took       # the machine may be busy; nothing else would refuse it
    refused(b, b.message(a.jid, 'nor this'))
    assert not a.heard_any(lambda e: e.text('body') == 'nor this')


def talks(a, b):
    """Whether a message each way passes."""
    for x, y in ((a, b), (b, a)):
        id = x.message(y.jid, unique('trial'))
        while True:
            # What comes first, there or back.
            for c in (x, y):
                found = c.heard_any(lambda e: e.name == 'message' and e.get('id') == id)
                if found:
                    c.heard.remove(found[0])
                    break
            else:
                for c in (x, y):
                    c._pump(time.monotonic() + 0.02)
                continue
            break
        if found[0].get('type') == 'error':
            return False
    return True


def allowed(w):
    """Allowed again: they talk"""
    w.us.allow(w.them.domain, w.them.rooms)
    a, b = people(w)
    w.us.wait(lambda: talks(a, b), 'a conversation')
    talk(a, b)


def messages(w):
    """RFC 6121 §5: messages both ways, in their order (P8), in the record with the other server's certificate"""
    a, b = people(w)
    for x, y in ((a, b), (b, a)):
        for i in range(50):
            x.message(y.jid, 'm%d' % i)
    for x, y in ((a, b), (b, a)):
        got = [y.expect('message').text('body') for i in range(50)]
        assert got == ['m%d' % i for i in range(50)], got
    for direction, who in ((2, a), (1, b)):
        rows = w.us.records("direction = %d and from_bare = '%s' and body like 'm%%'" % (direction, who.bare), 'body')
        assert [r[0] for r in rows] == ['m%d' % i for i in range(50)], rows
    # A bare address, with somebody behind it.
    a.message(b.bare, 'to whom it concerns')
    b.expect_message('to whom it concerns')
    b.message(a.bare, 'it concerns me')
    a.expect_message('it concerns me')
    # And nobody.
    refused(b, b.message('nobody@' + w.us.domain, 'hello'), 'service-unavailable')


def presence(w):
    """RFC 6121 §3, §4: subscriptions, presence, probes and what ends them, started from either side"""
    for mine, yours in ((w.here, w.there), (w.there, w.here)):
        a, b = mine.online(), yours.online()
        for c in (a, b):
            c.roster()
        a.presence('subscribe', to=b.bare)
        b.expect_presence('subscribe', a.bare)
        b.presence('subscribed', to=a.bare)
        a.expect_presence('subscribed', b.bare)
        a.expect_presence(None, b.jid)
        while a.expect_push(b.bare).get('subscription') != 'to':
            pass
        b.presence(inner='<show>away</show>')
        a.expect(lambda e: e.name == 'presence' and e.get('from') == b.jid and e.text('show') == 'away', 'away')
        # Another device is told by the answer to a probe (§4.3).
        a2 = mine.online(a)
        a2.expect(lambda e: e.name == 'presence' and e.get('from') == b.jid and e.text('show') == 'away', 'away')
        b.close()
        a.expect_presence('unavailable', b.jid)
        b = yours.online(b)
        a.expect_presence(None, b.jid)
        b.presence('unsubscribed', to=a.bare)
        a.expect_presence('unsubscribed', b.bare)
        while a.expect_push(b.bare).get('subscription') != 'none':
            pass


def room(w):
    """XEP-0045: their people in our rooms, ours in theirs"""
    for owner, guest, at in ((w.here, w.there, w.us), (w.there, w.here, w.them)):
        a, b = owner.online(), guest.online()
        address = '%s@%s' % (unique('room'), at.rooms)
        rooms.enter(a, address, 'owner')
        rooms.instant(a, address)
        e = rooms.enter(b, address, 'guest')
        assert e.get('type') is None, e
        a.expect_presence(None, address + '/guest')
        b.expect_presence(None, address + '/owner')
        for x, y, body in ((a, b, 'welcome'), (b, a, 'thank you')):
            x.message(address, body, type='groupchat')
            for c in (x, y):
                c.expect_message(body, type='groupchat', from_='%s/%s' % (address, 'owner' if x is a else 'guest'))
        a.message(address + '/guest', 'between us')
        b.expect_message('between us', from_=address + '/owner')
        # Invited (§7.8.2).
        c = guest.online()
        a.message(address, type=None, inner="<x xmlns='%s'><invite to='%s'><reason>come</reason></invite></x>" % (rooms.USER, c.bare))
        c.expect(lambda e: e.name == 'message' and e.find(rooms.USER + ':x', 'invite') is not None, 'an invitation')
        # Who loses the connection leaves.
        b.close()
        a.expect_presence('unavailable', address + '/guest')


def questions(w):
    """IQ both ways: vCard (XEP-0054), ping (XEP-0199), discovery (XEP-0030), and what nobody answers"""
    for x, y, theirs in ((w.here.online(), w.there.online(), w.them), (w.there.online(), w.here.online(), w.us)):
        r = y.iq('set', "<vCard xmlns='vcard-temp'><FN>%s</FN></vCard>" % y.user)
        assert r.get('type') == 'result', r
        assert x.iq('get', "<vCard xmlns='vcard-temp'/>", y.bare).text('vcard-temp:vCard', 'FN') == y.user
        assert x.ping(theirs.domain).get('type') == 'result'
        for to in theirs.domain, theirs.rooms:
            r = x.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
            assert r.find('info:query', 'identity') is not None, r
        # From client to client.
        id = x.iq_send('get', "<query xmlns='urn:example:weather'/>", to=y.jid)
        q = y.expect(lambda e: e.name == 'iq' and e.get('id') == id, 'a request')
        y.stanza("<iq type='result' id='%s' to='%s'><query xmlns='urn:example:weather'>rain</query></iq>" % (id, q.get('from')))
        assert x.expect(lambda e: e.name == 'iq' and e.get('id') == id, 'an answer').text('urn:example:weather:query') == 'rain'
        assert x.iq('get', "<query xmlns='urn:example:none'/>", y.bare + '/nowhere').condition() == 'service-unavailable'


def history(w):
    """XEP-0313: what was said with people elsewhere is in one's own history"""
    a, b = people(w)
    a.message(b.jid, 'kept, going out')
    b.expect_message('kept, going out')
    b.message(a.jid, 'kept, coming in')
    a.expect_message('kept, coming in')
    q = unique('mam')
    filters = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value></field><field var='with'><value>%s</value></field></x>"
    r = a.iq('set', "<query xmlns='%s' queryid='%s'>%s</query>" % (MAM, q, filters % (MAM, b.bare)))
    assert r.get('type') == 'result', r
    found = [e.find(MAM + ':result') for e in a.heard_any(lambda e: e.find(MAM + ':result') is not None)]
    bodies = [f.find('forwarded', 'message').text('body') for f in found]
    assert bodies == ['kept, going out', 'kept, coming in'], bodies


def direct_tls(w):
    """XEP-0368: both are announced with direct TLS only"""
    try:
        move(w, True)
        a, b = people(w)
        talk(a, b)
    finally:
        move(w, False)


def move(w, direct):
    """Both at their ports for (or without) direct TLS; streams begin anew."""
    for s in w.us, w.them:
        s.announce(direct)
    w.dns.again()
    fresh(w)


def fresh(w):
    """No stream is left from before; people at both talk when it returns."""
    w.us.deny(w.them.domain)
    w.us.allow(w.them.domain)
    a, b = people(w)
    w.us.wait(lambda: talks(a, b), 'a conversation')


def restart(side, server):
    """Its people are offline afterwards."""
    for c in side.clients:
        c.cut()
    side.clients.clear()
    server.stop()
    server.start()


def they_restart(w):
    """Their server restarts: messages sent meanwhile arrive when it is back"""
    a, b = people(w)
    talk(a, b)
    for c in w.there.clients:
        c.cut()
    sent, got = ['while you were away %d' % i for i in range(5)], []
    # On a busy machine a server takes longer to start than the other scenarios want to wait for one that is gone.
    with w.us.patient('1m'):
        w.them.stop()
        for body in sent:
            a.message(b.bare, body)
        w.them.start()
        b = w.there.online(b)
        hear(b, got, sent[-1])
    assert got == sent, got
    talk(a, b)


def cut_off(w):
    """The connections break again and again: what is sent arrives all the same, in order (P8), as far as the other server knows XEP-0198"""
    relays = {s: Relay(s.base + S2S) for s in (w.us, w.them)}
    try:
        for s, r in relays.items():
            w.dns.set(s.domain, r.port)
        w.dns.again()
        fresh(w)
        a, b = people(w)
        ways = [(a, b), (b, a)] if w.them.confirms == 'once' else [(a, b)]
        talk(a, b)
        cuts, got = 0, {x: [] for x, _ in ways}
        for i in range(100):
            for x, y in ways:
                x.message(y.jid, 'c%d' % i)
            # A server that confirms nothing looks as if it were out of order, and is tried again later each time.
            if i % 20 == 10 and (w.them.confirms or i == 50):
                # Something passes before the next cut.
                for x, y in ways:
                    hear(y, got[x], 'c%d' % (i if w.them.confirms is None else i - 5))
                cuts += sum(r.cut() for r in relays.values())
        for x, y in ways:
            hear(y, got[x], 'c99')
            first = sorted(set(got[x]), key=got[x].index)
            assert first == ['c%d' % i for i in range(100)], first
        assert cuts >= (4 if w.them.confirms else 1), cuts
        # What both sides have made anew at the same time is not resumed, and some of it comes twice.
        assert w.them.confirms != 'once' or w.us.metric('chancery_s2s_resumed_total') + w.them.metric('chancery_s2s_resumed_total') > 2
    finally:
        for s in relays:
            s.announce(False)
            relays[s].close()
        w.dns.again()
        fresh(w)


def hear(c, bodies, last):
    """Adds what comes to `bodies`, until `last` has. Older ones may come again, from a server that confirms nothing."""
    while last not in bodies:
        bodies.append(c.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith(last[:2].rstrip('0123456789')), last).text('body'))


def we_restart(w):
    """Our server restarts: people of both talk as before"""
    a, b = people(w)
    talk(a, b)
    restart(w.here, w.us)
    a = w.here.online(a)
    w.us.wait(lambda: talks(a, b), 'a conversation')
    talk(b, a)


def they_die(w):
    """Their server is killed (-9), and comes back"""
    a, b = people(w)
    talk(a, b)
    for c in w.there.clients:
        c.cut()
    w.them.kill()
    w.them.start()
    b = w.there.online()        # ejabberd may have forgotten the other
    w.us.wait(lambda: talks(a, b), 'a conversation')
    talk(a, b)


def they_are_gone(w):
    """Their server is gone for longer than federation.patience: senders are told, and it is found again later"""
    a, b = people(w)
    talk(a, b)
    for c in w.there.clients:
        c.cut()
    w.them.stop()
    refused(a, a.message(b.bare, 'into the void'), 'remote-server-timeout', 'remote-server-not-found')
    w.them.start()
    b = w.there.online(b)
    w.us.wait(lambda: talks(a, b), 'a conversation')
    assert not b.heard_any(lambda e: e.text('body') == 'into the void'), b.heard
    assert w.us.value("select count(*) from archive.record r join archive.record o on r.refers_record = o.id"
                      " where r.kind = 7 and o.body = 'into the void'") == '1'


def pinned(w):
    """Their key is pinned: another than that is refused both ways, theirs is taken"""
    if isinstance(w.them, Us):
        certificate = w.them.path('tls', 'server.pem')
    else:
        certificate = w.them.certificate.pem
    a, b = people(w)
    talk(a, b)
    w.us.deny(w.them.domain)
    w.us.allow(w.them.domain, trust=('--pin', pin(w.ca.certificate('elsewhere.test').pem)))
    refused(a, a.message(b.jid, 'who are you'))
    refused(b, b.message(a.jid, 'it is me'))
    w.us.allow(w.them.domain, trust=('--pin', pin(certificate)))
    w.us.wait(lambda: talks(a, b), 'a conversation')
    talk(a, b)
    w.us.allow(w.them.domain)


def rules(w):
    """What an entry forbids does not pass: presence, files, rooms; each with its error"""
    a, b = people(w)
    w.us.allow(w.them.domain, more=('--no-presence', '--no-files', '--no-rooms'))
    w.us.wait(lambda: talks(a, b), 'a conversation')
    oob = "<x xmlns='jabber:x:oob'><url>https://files.%s/plan.pdf</url></x>" % w.us.domain
    refused(a, a.message(b.jid, 'a file', inner=oob))
    refused(b, b.message(a.jid, 'a file', inner=oob))
    a.presence('subscribe', to=b.bare)
    e = a.expect_presence('error')
    assert e.get('from') == b.bare, e
    e = rooms.enter(b, '%s@%s' % (unique('room'), w.us.rooms), 'guest')
    assert e.get('type') == 'error', e
    talk(a, b)
    w.us.allow(w.them.domain)


def passes_test(w):
    """chancery federation test says that it would work"""
    out = w.us.federation('test', w.them.domain)
    assert w.them.domain in out, out


ALL = [denied, at_once, guide, allowed, passes_test, messages, presence, room, questions, history, rules, pinned, direct_tls, cut_off, they_restart, they_die, we_restart, they_are_gone]

"""Client State Indication (XEP-0352)."""
from chancerytest.scenario import alone

INACTIVE, ACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>", "<active xmlns='urn:xmpp:csi:0'/>"
TYPING = "<%s xmlns='http://jabber.org/protocol/chatstates'/>"


def shows(c, who):
    return [e.text('show') or e.get('type') for e in c.heard if e.name == 'presence' and e.get('from') == who.jid]


def inactive(c):
    """Nonzas are looked at in order with what is sent before and behind them."""
    c.send(INACTIVE)
    c.ping()
    c.heard.clear()
    return c


def reached(c, other):
    """What c sent before has come to other's home: it answers a question that took the same way."""
    c.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=other.bare)


def show(c, what, other=None):
    c.presence(inner='<show>%s</show>' % what)
    c.expect(lambda e: e.name == 'presence' and e.get('from') == c.jid and e.text('show') == what)
    if other:
        reached(c, other)


def test_feature(t):
    """XEP-0352 §4.1: announced after authentication, not before"""
    c = t.stream()
    assert c.features.find('csi') is None
    c = t.client().authenticated()
    assert c.features.find('csi').ns == 'urn:xmpp:csi:0', c.features


def test_presence_waits(t):
    """XEP-0352 §3.2: presence waits for an inactive client, the newest of each contact is kept"""
    romeo, juliet = t.friends()
    inactive(juliet)
    for s in 'away', 'xa', 'dnd':
        show(romeo, s, juliet)
    romeo.message(juliet.jid, None, inner=TYPING % 'composing')
    romeo.message(juliet.jid, None, inner=TYPING % 'paused')
    reached(romeo, juliet)
    assert not juliet.heard_any(lambda e: e.name in ('presence', 'message'))
    juliet.send(ACTIVE)
    juliet.ping()
    assert shows(juliet, romeo) == ['dnd'], juliet.heard
    assert [e.all()[0].name for e in juliet.heard if e.name == 'message'] == ['paused'], juliet.heard


def test_active_before_answer(t):
    """XEP-0352 §5.1: what <active/> releases is on the wire before the answer to the question behind it"""
    romeo, juliet = t.friends()
    inactive(juliet)
    show(romeo, 'away', juliet)
    juliet.send(ACTIVE + "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>")
    order = []
    while 'p1' not in order:
        e = juliet.expect(lambda e: e.name in ('presence', 'iq'))
        order.append(e.get('id') or e.text('show'))
    assert order == ['away', 'p1'], order


def test_message_flushes(t):
    """P8: a message comes at once, behind the presence that came before it"""
    romeo, juliet = t.friends()
    inactive(juliet)
    show(romeo, 'away', juliet)
    romeo.message(juliet.jid, 'Wherefore')
    order = []
    while 'Wherefore' not in order:
        e = juliet.expect(lambda e: e.name in ('message', 'presence'))
        order.append(e.text('body') or e.text('show'))
    assert order == ['away', 'Wherefore'], order


def test_transitions_collapse(t):
    """XEP-0352 §3.2: a contact that comes and goes is told once, as it is at the end"""
    romeo, juliet = t.friends()
    inactive(juliet)
    for i in range(3):
        romeo.presence('unavailable')
        romeo.presence()
    romeo.presence('unavailable')
    romeo.presence()
    romeo.expect_presence(None, romeo.jid)
    romeo.message(juliet.bare, 'end')
    juliet.expect_message('end')
    assert shows(juliet, romeo) == [None], juliet.heard


def test_subscription_passes(t):
    """XEP-0352 §3.2: a subscription request does not wait"""
    juliet, romeo = t.online(), t.online()
    juliet.roster()
    inactive(juliet)
    romeo.roster()
    romeo.presence('subscribe', to=juliet.bare)
    juliet.expect_presence('subscribe', romeo.bare)


def test_iq_passes(t):
    """XEP-0352 §3.2: questions and answers do not wait"""
    juliet, romeo = t.online(), t.online()
    inactive(juliet)
    id = romeo.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", to=juliet.jid)
    q = juliet.expect('iq')
    juliet.stanza("<iq type='result' id='%s' to='%s'/>" % (q.get('id'), q.get('from')))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'result')
    assert juliet.ping().get('type') == 'result'


def test_receipt_passes(t):
    """P2: what is recorded for the client is not held: a receipt comes at once"""
    juliet, romeo = t.online(), t.online()
    inactive(juliet)
    romeo.message(juliet.jid, None, id='rc', inner="<received xmlns='urn:xmpp:receipts' id='x'/>")
    juliet.expect_message(id='rc')


def test_notification_waits(t):
    """XEP-0352 §3.2: notifications of publish-subscribe wait; those of what has been read (XEP-0490) do not"""
    juliet, pubsub = t.online(), t.component().joined()
    inactive(juliet)
    event = ("<message from='%s' to='%s' type='headline' id='%%s'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
             "<items node='%%s'><item id='1'/></items></event></message>" % (pubsub.domain, juliet.jid))
    pubsub.send(event % ('e1', 'http://jabber.org/protocol/mood'))
    pubsub.send(event % ('e2', 'urn:xmpp:mds:displayed:0'))
    order = [juliet.expect('message').get('id') for _ in range(2)]
    assert order == ['e1', 'e2'], order
    pubsub.send(event % ('e3', 'http://jabber.org/protocol/mood'))
    pubsub.send("<iq type='get' id='q' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (pubsub.domain, t.server.domain))
    pubsub.expect('iq')
    before = t.server.metric('chancery_held_total')
    assert before >= 1, before
    juliet.send(ACTIVE)
    juliet.expect_message(id='e3')


def test_self_presence_of_room(t):
    """XEP-0045 §7.2.2: the answer to joining a room does not wait"""
    juliet, room = t.online(), t.component().joined()
    inactive(juliet)
    room.send("<presence from='r@%s/me' to='%s'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>"
              % (room.domain, juliet.jid))
    juliet.expect_presence(None, 'r@%s/me' % room.domain)


def test_not_counted_before_sent(t):
    """XEP-0198 §4: what waits is neither counted nor asked for; when it is written it is"""
    romeo, juliet = t.online(sm=True), t.online(sm=True)
    romeo, juliet = t.friends(romeo, juliet)
    inactive(juliet)
    for s in 'away', 'xa':
        show(romeo, s, juliet)
    romeo.message(juliet.jid, 'm')
    juliet.expect_message('m')
    juliet.send(ACTIVE)
    # <a/> for exactly what was received: more would end the stream (handled-count-too-high), less would come again.
    juliet.ack()
    assert juliet.ping().get('type') == 'result'
    juliet.cut()
    back = t.client(juliet).authenticated()
    assert back.resume(juliet).name == 'resumed'
    assert back.ping().get('type') == 'result'
    assert not [e for e in back.heard if e.text('body') == 'm'], back.heard


def test_resumed_is_active(t):
    """XEP-0352 §5.2: a resumed stream is active; what waited comes behind <resumed/> and what was not confirmed"""
    romeo, juliet = t.online(), t.online(sm=True)
    romeo, juliet = t.friends(romeo, juliet)
    inactive(juliet)
    juliet.cut()
    t.server.wait(lambda: t.server.metric('chancery_sessions_detached') >= 1, 'the session to be detached')
    show(romeo, 'away')
    romeo.message(juliet.jid, 'while away')
    show(romeo, 'dnd')
    romeo.message(juliet.bare, None, inner=TYPING % 'composing')
    reached(romeo, juliet)
    back = t.client(juliet).authenticated()
    assert back.resume(juliet).name == 'resumed'
    back.expect_message('while away')
    back.expect(lambda e: e.name == 'presence' and e.text('show') == 'dnd')
    show(romeo, 'xa')
    back.expect(lambda e: e.name == 'presence' and e.text('show') == 'xa')


def test_unknown_nonza(t):
    """RFC 6120 §4.9.3.24: an element of that namespace that nobody knows ends the stream"""
    c = t.online()
    c.send("<asleep xmlns='urn:xmpp:csi:0'/>")
    assert c.expect_end() == 'unsupported-stanza-type'


def test_before_binding(t):
    """RFC 6120 §7.1: before binding it has no place"""
    c = t.client().authenticated()
    c.send(INACTIVE)
    assert c.expect_end() in ('unsupported-stanza-type', 'not-authorized')


@alone(limits__held_stanzas=5)
def test_bounded(t):
    """P7: when more waits than may, all of it is sent, in order"""
    juliet, bot = t.online(), t.component().joined()
    inactive(juliet)
    for i in range(13):
        bot.send("<presence from='b%d@%s' to='%s'/>" % (i, bot.domain, juliet.jid))
    for i in range(12):
        assert juliet.expect('presence').get('from') == 'b%d@%s' % (i, bot.domain)
    juliet.send(ACTIVE)
    assert juliet.expect('presence').get('from') == 'b12@' + bot.domain


@alone(limits__stanzas_per_second=10, limits__stanzas_burst=10)
def test_nonzas_have_a_rate(t):
    """P7: a flood of nonzas is read more slowly, as one of stanzas is"""
    c = t.online()
    c.send((INACTIVE + ACTIVE) * 10)
    c.ping()
    assert t.server.metric('chancery_throttled_total') >= 1

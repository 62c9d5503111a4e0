"""Message Carbons (XEP-0280)."""
from chancerytest.client import unique
from chancerytest.element import NAMES

NAMES.update(carbons='urn:xmpp:carbons:2', forward='urn:xmpp:forward:0')
ENABLE = "<enable xmlns='urn:xmpp:carbons:2'/>"
DISABLE = "<disable xmlns='urn:xmpp:carbons:2'/>"
PRIVATE = "<private xmlns='urn:xmpp:carbons:2'/>"
NO_COPY = "<no-copy xmlns='urn:xmpp:hints'/>"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


def copied(c, direction, body=None, id=None):
    """The wrapper and the message in it."""
    def match(e):
        m = e.find('carbons:' + direction, 'forward:forwarded', 'client:message') if e.name == 'message' else None
        return m is not None and (body is None or m.text('body') == body) and (id is None or m.get('id') == id)
    e = c.expect(match, 'a copy (%s) of %s' % (direction, body or id))
    return e, e.find('carbons:' + direction, 'forward:forwarded', 'client:message')


def no_copy(c, since=None):
    """Nothing was copied to c so far: what was sent before has arrived, as a last message shows."""
    assert not c.heard_any(lambda e: e.find('carbons:sent') is not None or e.find('carbons:received') is not None), c.heard


def enabled(t, user=None, priority=None, **kw):
    c = t.bound(user, **kw)
    e = c.iq('set', ENABLE)
    assert e.get('type') == 'result', e
    return c.online(priority) if priority != 'hidden' else c


def romeo_and_two_juliets(t, priority=-1):
    juliet = t.online(priority=5)
    other = enabled(t, juliet, priority=priority)
    juliet.expect_presence(None, other.jid)
    return t.online(), juliet, other


def test_features(t):
    """XEP-0280 §3, §6.2: the server announces carbons and the rules"""
    c = t.bound()
    for to in t.server.domain, c.bare:
        found = [f.get('var') for f in c.iq('get', DISCO, to=to).find('info:query').all('feature')]
        assert 'urn:xmpp:carbons:2' in found and 'urn:xmpp:carbons:rules:0' in found, found


def test_enable_disable(t):
    """XEP-0280 §4, §5, §10.1: enabling and disabling as often as one likes, each answered with a result"""
    c = t.bound()
    for payload in ENABLE, ENABLE, DISABLE, DISABLE, ENABLE:
        e = c.iq('set', payload)
        assert e.get('type') == 'result' and not e.children, e
    e = c.iq('set', ENABLE, to=c.bare)
    assert e.get('type') == 'result' and e.get('from') == c.bare, e


def test_enable_for_somebody_else(t):
    """XEP-0280 §4.1, §5.1: for another account: not-allowed, whether it exists or not"""
    romeo, juliet = t.bound(), t.bound()
    for to in juliet.bare, 'nobody@' + t.server.domain:
        for payload in ENABLE, DISABLE:
            e = romeo.iq('set', payload, to=to)
            assert e.condition() == 'not-allowed', e


def test_received(t):
    """XEP-0280 §7: a message to one client is copied to the other, from one's bare JID, with the id it has in the archive"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    romeo.message(juliet.jid, 'What man art thou', id='m1', inner='<thread>th</thread>')
    original = juliet.expect_message('What man art thou')
    e, m = copied(other, 'received', 'What man art thou')
    assert (e.get('from'), e.get('to'), e.get('type')) == (juliet.bare, other.jid, 'chat'), e
    assert (m.get('from'), m.get('to'), m.get('id'), m.text('thread')) == (romeo.jid, juliet.jid, 'm1', 'th'), m
    ids = [(s.get('by'), s.get('id')) for s in m.all('stanza-id')]
    assert ids == [(juliet.bare, original.find('sid:stanza-id').get('id'))], ids
    assert e.find('sid:stanza-id') is None, e


def test_received_bare(t):
    """XEP-0280 §7: a message to the bare JID is copied to those who did not get it, and to nobody who did"""
    romeo, juliet, low = romeo_and_two_juliets(t, priority=1)
    high = enabled(t, juliet, priority=5)
    for c in juliet, low:
        c.expect_presence(None, high.jid)
    romeo.message(juliet.bare, 'to all')
    juliet.expect_message('to all')
    high.expect_message('to all')
    copied(low, 'received', 'to all')
    romeo.message(juliet.bare, 'again')
    for c in juliet, high:
        c.expect_message('again')
        no_copy(c)
    copied(low, 'received', 'again')
    no_copy(low)


def test_nobody_available(t):
    """XEP-0280 §7: whatever the priority: a client that is not to get messages (RFC 6121 §8.5.2) gets the copy"""
    juliet = enabled(t, priority=-1)
    romeo = t.online()
    romeo.message(juliet.bare, 'kept')
    copied(juliet, 'received', 'kept')
    late = t.online(juliet)
    late.expect_message('kept')
    romeo.message(late.jid, 'end')
    copied(juliet, 'received', 'end')
    no_copy(juliet)


def test_not_available(t):
    """XEP-0280 §7: a client that has not sent presence gets copies, too"""
    juliet = t.online()
    other = enabled(t, juliet, priority='hidden')
    t.online().message(juliet.bare, 'hello')
    copied(other, 'received', 'hello')


def test_sent(t):
    """XEP-0280 §8: what one client sends is copied to the others, not to itself, whether it has carbons or not"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    juliet.message(romeo.jid, 'Neither, fair saint', id='s1')
    got = romeo.expect_message('Neither, fair saint')
    e, m = copied(other, 'sent', 'Neither, fair saint')
    assert (e.get('from'), e.get('to'), e.get('type')) == (juliet.bare, other.jid, 'chat'), e
    assert (m.get('from'), m.get('to'), m.get('id')) == (juliet.jid, romeo.jid, 's1'), m
    assert m.find('sid:stanza-id').get('by') == juliet.bare, m
    assert m.find('sid:stanza-id').get('id') == got.find('sid:stanza-id').get('id'), (m, got)
    other.message(romeo.jid, 'mine')
    romeo.expect_message('mine')
    romeo.message(other.jid, 'end')
    other.expect_message('end')
    no_copy(other)


def test_sent_after_commit(t):
    """P1: the copy of what I sent is in the record when my other client sees it"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    juliet.message(romeo.bare, 'recorded')
    e, m = copied(other, 'sent', 'recorded')
    rows = t.server.records('id = %s' % m.find('sid:stanza-id').get('id'), 'body')
    assert rows == [['recorded']], rows


def test_to_myself(t):
    """XEP-0280 §7, §8: a message to the own account is copied once to those who did not get it"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    juliet.message(juliet.bare, 'note')
    juliet.expect_message('note')
    copied(other, 'sent', 'note')
    juliet.message(other.jid, 'direct')
    other.expect_message('direct')
    romeo.message(other.jid, 'end')
    other.expect_message('end')
    no_copy(other)


def eligible(t, expected, type='chat', body=None, inner='', to=None):
    romeo, juliet, other = romeo_and_two_juliets(t)
    for sender, receiver, direction in ((romeo, juliet, 'received'), (juliet, romeo, 'sent')):
        id = sender.message(receiver.jid, body, type=type, id=unique('e'), inner=inner)
        receiver.expect_message(id=id)
        if expected:
            copied(other, direction, id=id)
    juliet.message(romeo.jid, 'end')
    copied(other, 'sent', 'end')
    no_copy(other)


def test_eligible_typing(t):
    """XEP-0280 §6.1, §10.2: typing of type chat is copied"""
    eligible(t, True, inner=TYPING)


def test_eligible_normal(t):
    """XEP-0280 §6.1: type normal with a body, or with what instant messaging sends without"""
    eligible(t, True, type=None, body='b')


def test_eligible_receipt(t):
    """XEP-0280 §6.1: a receipt of type normal"""
    eligible(t, True, type=None, inner="<received xmlns='urn:xmpp:receipts' id='x'/>")


def test_eligible_marker(t):
    """XEP-0280 §6.1: a marker of type normal"""
    eligible(t, True, type=None, inner="<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>")


def test_eligible_reaction(t):
    """XEP-0280 §6.1: a reaction of type normal"""
    eligible(t, True, type=None, inner="<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction></reactions>")


def test_eligible_invitation(t):
    """XEP-0280 §6.1: a direct invitation (XEP-0249)"""
    eligible(t, True, type=None, inner="<x xmlns='jabber:x:conference' jid='room@conference.example'/>")


def test_eligible_mediated_invitation(t):
    """XEP-0280 §6.1: a mediated invitation (XEP-0045 §7.8.2)"""
    eligible(t, True, type=None, inner="<x xmlns='http://jabber.org/protocol/muc#user'><invite to='a@b.example'/></x>")


def test_not_eligible_normal(t):
    """XEP-0280 §6.1: type normal that says nothing to people"""
    eligible(t, False, type=None, inner="<data xmlns='urn:example:data'/>")


def test_not_eligible_headline(t):
    """XEP-0280 §6.1: headlines are not copied"""
    eligible(t, False, type='headline', body='news')


def test_not_eligible_private(t):
    """XEP-0280 §9: <private/> and <no-copy/>: no copies on either side; both elements reach the recipient"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    for inner in PRIVATE + NO_COPY, PRIVATE, NO_COPY:
        romeo.message(juliet.jid, 'secret', inner=inner)
        m = juliet.expect_message('secret')
        assert (m.find('carbons:private') is not None) == (PRIVATE in inner), m
        juliet.message(romeo.jid, 'secret', inner=inner)
        romeo.expect_message('secret')
    juliet.message(romeo.jid, 'end')
    copied(other, 'sent', 'end')
    no_copy(other)


def test_room_private_message(t):
    """XEP-0280 §6.1: a private message from a room's occupant is not copied, as the room does that; an invitation is"""
    room, juliet = t.component().joined(), t.online(priority=5)
    other = enabled(t, juliet, priority=-1)
    juliet.expect_presence(None, other.jid)
    x = "<x xmlns='http://jabber.org/protocol/muc#user'>%s</x>"
    send = "<message from='%s' to='%s' type='%s' id='%s'>%s</message>"
    room.send(send % ('r@%s/nick' % room.domain, juliet.jid, 'chat', 'pm', '<body>pm</body>' + x % ''))
    juliet.expect_message('pm')
    room.send(send % ('r@' + room.domain, juliet.bare, 'normal', 'inv', x % "<invite from='a@b.example'/>"))
    juliet.expect_message(id='inv')
    copied(other, 'received', id='inv')
    no_copy(other)
    juliet.message('r@%s/nick' % room.domain, 'mine', inner=x % '')
    copied(other, 'sent', 'mine')


def test_error(t):
    """XEP-0280 §6.1: the error that answers a copied message is copied, any other is not"""
    room, juliet = t.component().joined(), t.online(priority=5)
    other = enabled(t, juliet, priority=-1)
    juliet.expect_presence(None, other.jid)
    error = ("<message from='r@%s' to='%s' type='error' id='%%s'><error type='cancel'>"
             "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (room.domain, juliet.jid))
    id = juliet.message('r@' + room.domain, 'hello')
    copied(other, 'sent', 'hello')
    room.send(error % 'other')
    juliet.expect_message(id='other', type='error')
    room.send(error % id)
    juliet.expect_message(id=id, type='error')
    e, m = copied(other, 'received', id=id)
    assert m.get('type') == 'error' and m.condition() == 'gone', m
    no_copy(other)


def test_error_of_a_copy(t):
    """XEP-0280 §10.3: a copy that bounces is not told to the original sender"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    romeo.message(juliet.jid, 'hello')
    e, m = copied(other, 'received', 'hello')
    other.message(juliet.bare, type='error', id=m.get('id'), inner="<error type='cancel'>"
                  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")
    other.message(romeo.jid, 'end')
    romeo.expect_message('end')
    assert not romeo.heard_any(lambda e: e.get('type') == 'error'), romeo.heard


def test_forged(t):
    """XEP-0280 §11: a wrapper made by a client reaches nobody, is in no record, and makes nobody believe it"""
    tybalt, juliet = t.online(), enabled(t)
    forged = ("<%s xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' "
              "from='romeo@%s' to='%s'><body>Thou shall meet me tonite</body></message></forwarded></%s>")
    for direction in 'received', 'sent':
        for to in juliet.bare, juliet.jid:
            id = tybalt.message(to, 'visible', id=unique('f'),
                                inner=forged % (direction, t.server.domain, juliet.bare, direction))
            m = juliet.expect_message(id=id)
            assert m.find('carbons:' + direction) is None, m
            rows = t.server.records("client_id = '%s' and from_bare = '%s'" % (id, tybalt.bare), 'stanza')
            assert len(rows) == 1 and 'tonite' not in rows[0][0], rows
    assert not t.server.records("stanza like '%%tonite%%' and to_bare = '%s'" % juliet.bare)


def test_forged_by_own_client(t):
    """XEP-0280 §11: not even the account's own client forges one"""
    juliet = t.online()
    other = enabled(t, juliet)
    id = juliet.message(other.jid, None, inner="<received xmlns='urn:xmpp:carbons:2'>"
                        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='x@y' to='%s'>"
                        "<body>forged</body></message></forwarded></received>" % juliet.bare)
    juliet.message(other.jid, 'end')
    other.expect_message('end')
    assert not [e for e in other.heard if 'forged' in str(e)], other.heard


def test_disabled_again(t):
    """XEP-0280 §5: after disabling nothing is copied"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    assert other.iq('set', DISABLE).get('type') == 'result'
    romeo.message(juliet.jid, 'alone')
    juliet.expect_message('alone')
    romeo.message(other.jid, 'end')
    other.expect_message('end')
    no_copy(other)


def test_resumed(t):
    """XEP-0198 §5: copies are counted and kept like other stanzas, and come after a resumption; carbons stay on"""
    romeo, juliet = t.online(), t.online(priority=5)
    other = enabled(t, juliet, priority=-1)
    juliet.expect_presence(None, other.jid)
    other.enable()
    other.cut()
    romeo.message(juliet.jid, 'meanwhile')
    juliet.expect_message('meanwhile')
    back = t.client(other).authenticated()
    assert back.resume(other).name == 'resumed'
    copied(back, 'received', 'meanwhile')
    romeo.message(juliet.jid, 'after')
    copied(back, 'received', 'after')


def test_order(t):
    """P8: copies of a conversation come in the order in which it was sent"""
    romeo, juliet, other = romeo_and_two_juliets(t)
    for i in range(30):
        romeo.message(juliet.jid, 'r%d' % i)
    for i in range(30):
        e, m = copied(other, 'received')
        assert m.text('body') == 'r%d' % i, m

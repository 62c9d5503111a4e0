"""Rooms across servers (XEP-0045): people of other servers in rooms here, and ours in rooms there."""
from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone
from chancerytest.muc import MUC, USER, Room, codes, here, item

SUBJECT = "<subject/>"


def join(p, room, nick, user='romeo', inner=''):
    """Somebody of the partner enters a room here; the presence of its own."""
    p.send("<presence from='%s' to='%s'><x xmlns='%s'/>%s</presence>" % (p.jid(user, 'pda'), room.at(nick), MUC, inner))
    own = p.expect(lambda e: e.name == 'presence' and e.get('from') == room.at(nick) and e.get('to') == p.jid(user, 'pda'), 'to be in')
    assert own.get('type') is None and '110' in codes(own), own
    p.expect(lambda e: e.name == 'message' and e.find('subject') is not None and e.get('to') == p.jid(user, 'pda'), 'the subject')
    return own


def say(p, room, body, user='romeo', inner=''):
    return p.message(room.jid, body, from_=p.jid(user, 'pda'), type='groupchat', inner=inner)


def inside(t, n=1, **how):
    """A room with n of ours and one of a partner."""
    p = t.partner(**how)
    room, *people = here(t, n)
    join(p, room, 'romeo')
    for c in people:
        c.expect_presence(None, room.at('romeo'))
    return (p, room, *people)


def test_enter(t):
    """XEP-0045 §7.2: somebody of another server enters, sees who is there and is seen; each stanza is addressed to the full JID"""
    p = t.partner()
    room, a = here(t, 1)
    p.send("<presence from='%s' to='%s'><x xmlns='%s'/></presence>" % (p.jid(resource='pda'), room.at('romeo'), MUC))
    assert p.expect_presence(None, room.at('thirdwitch')).get('to') == p.jid(resource='pda')
    own = p.expect_presence(None, room.at('romeo'))
    assert '110' in codes(own) and own.get('to') == p.jid(resource='pda'), own
    seen = a.expect_presence(None, room.at('romeo'))
    assert item(seen).get('jid') == p.jid(resource='pda'), 'moderators see who it is: %s' % seen


def test_talk(t):
    """XEP-0045 §7.4: what is said is heard on both sides; what comes from outside is labelled for everybody; it is in the record once"""
    p, room, a = inside(t)
    room.say(a, 'from here')
    a.expect_message('from here')
    m = p.expect_message('from here')
    assert m.get('from') == room.at('thirdwitch') and m.get('to') == p.jid(resource='pda') and m.get('type') == 'groupchat', m
    id = say(p, room, 'from there')
    for c in (a, p):
        m = c.expect_message('from there')
        assert m.get('from') == room.at('romeo') and m.get('id') == id, m
        assert 'EXTERNAL \u00b7 ' + p.domain in str(m), m
    assert len(t.server.records("to_bare = '%s' AND body = 'from there'" % room.jid, 'id')) == 1
    assert len(t.server.records("to_bare = '%s' AND body = 'from here'" % room.jid, 'id')) == 1


def test_order(t):
    """P8: what one says in a room arrives in order at other servers, too"""
    p, room, a = inside(t)
    for i in range(30):
        room.say(a, str(i))
        say(p, room, 'r%d' % i)
    heard = [p.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'a message').text('body') for _ in range(60)]
    assert [h for h in heard if h[0] != 'r'] == [str(i) for i in range(30)], heard
    assert [h for h in heard if h[0] == 'r'] == ['r%d' % i for i in range(30)], heard


def test_leave(t):
    """XEP-0045 §7.14: leaving from elsewhere, and being kicked there"""
    p, room, a = inside(t)
    p.presence(room.at('romeo'), 'unavailable')
    a.expect_presence('unavailable', room.at('romeo'))
    assert '110' in codes(p.expect_presence('unavailable', room.at('romeo')))
    join(p, room, 'romeo')
    a.iq('set', "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='romeo' role='none'/></query>", to=room.jid)
    assert '307' in codes(p.expect_presence('unavailable', room.at('romeo')))


def test_private(t):
    """XEP-0045 §7.5: private messages across, both ways"""
    p, room, a = inside(t)
    a.message(room.at('romeo'), 'psst')
    m = p.expect_message('psst')
    assert m.get('from') == room.at('thirdwitch') and m.get('to') == p.jid(resource='pda'), m
    p.message(room.at('thirdwitch'), 'what?', from_=p.jid(resource='pda'))
    assert a.expect_message('what?').get('from') == room.at('romeo')


def test_lost(t):
    """XEP-0045 §18.1.2: an occupant that another server does not know leaves"""
    p, room, a = inside(t)
    room.say(a, 'anybody?')
    m = p.expect_message('anybody?')
    p.send("<message type='error' from='%s' to='%s' id='%s'><error type='cancel'><item-not-found xmlns='%s'/></error></message>"
           % (m.get('to'), m.get('from'), m.get('id'), NAMES['stanzas']))
    gone = a.expect_presence('unavailable', room.at('romeo'))
    assert '307' in codes(gone) and '333' in codes(gone), gone


@alone(federation__patience='1s')
def test_lost_server(t):
    """XEP-0045 §18.1.2: occupants whose server cannot be reached leave when what was said has come back"""
    p, room, a = inside(t)
    p.stop()
    room.say(a, 'anybody?')
    gone = a.expect_presence('unavailable', room.at('romeo'))
    assert '333' in codes(gone), gone


def test_odd_senders(t):
    """RFC 6120 §8.1.2.2: a server may send in its own name, with and without resources: everything here takes that as it comes"""
    p = t.partner()
    room, a = here(t, 1)
    service = 'pubsub.' + t.server.domain
    for n, who in enumerate((p.domain, p.domain + '/x', p.jid())):
        p.send("<presence from='%s' to='%s' id='o%d'><x xmlns='%s'/></presence>" % (who, room.at('odd%d' % n), n, MUC))
        p.expect(lambda e: e.name == 'presence' and e.get('to') == who and (e.get('type') == 'error' or '110' in codes(e)), 'an answer')
        for to in (room.jid, room.at('thirdwitch'), a.bare, a.jid, t.server.domain, service, 'conference.' + t.server.domain):
            for payload in ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                            "<items node='x'/></pubsub>", "<query xmlns='urn:xmpp:mam:2'/>", "<vCard xmlns='vcard-temp'/>"):
                for type in ('get', 'set', 'result', 'error'):
                    p.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (type, unique('o'), who, to, payload))
            for type in ('', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe', 'error'):
                p.send("<presence from='%s' to='%s'%s/>" % (who, to, " type='%s'" % type if type else ''))
            for type in ('chat', 'groupchat', 'headline', 'error', 'normal'):
                p.send("<message from='%s' to='%s' type='%s'><body>x</body></message>" % (who, to, type))
        p.send("<presence from='%s' to='%s' type='unavailable'/>" % (who, room.at('odd%d' % n)))
    p.message(a.jid, 'well')
    a.expect_message('well')


def test_denied(t):
    """A partner that is denied: its people leave rooms here, within the same second, with a record of it; they cannot come in"""
    p, room, a = inside(t)
    p.deny()
    gone = a.expect_presence('unavailable', room.at('romeo'))
    assert '333' in codes(gone), gone
    assert len(t.server.records("to_bare = '%s' AND from_bare = '%s' AND kind = 14" % (room.jid, p.jid()), 'id')) == 1


def test_rooms_withdrawn(t):
    """The same when group chat is taken out of its entry; the rest goes on"""
    p, room, a = inside(t)
    p.allow('--no-rooms')
    a.expect_presence('unavailable', room.at('romeo'))
    p.message(a.jid, 'still here')
    a.expect_message('still here')


def test_one_way(t):
    """A partner that may only send to us: nobody there could hear what is said in a room, so nobody enters"""
    p = t.partner(allow=('--direction', 'in'))
    room, a = here(t, 1)
    p.send("<presence from='%s' to='%s'><x xmlns='%s'/></presence>" % (p.jid(resource='pda'), room.at('romeo'), MUC))
    p.message(a.jid, 'after')
    a.expect_message('after')
    assert not a.heard_any(lambda e: e.get('from') == room.at('romeo')), a.heard


def test_affiliations(t):
    """XEP-0045 §9.3: people of other servers are members, are banned, and a whole domain is"""
    p, room, a = inside(t)
    for attrs in ("jid='%s' affiliation='member'" % p.jid(), "jid='%s' affiliation='outcast'" % p.domain):
        r = a.iq('set', "<query xmlns='http://jabber.org/protocol/muc#admin'><item %s/></query>" % attrs, to=room.jid)
        assert r.get('type') == 'result', r
    # Its own affiliation is nearer than its domain's.
    say(p, room, 'I stay')
    a.expect_message('I stay')
    p.send("<presence from='%s' to='%s' id='b'><x xmlns='%s'/></presence>" % (p.jid('tybalt', 'x'), room.at('tybalt'), MUC))
    e = p.expect(lambda e: e.get('id') == 'b', 'a refusal')
    assert e.condition() == 'forbidden', e


def test_archive(t):
    """XEP-0313 §5: an occupant elsewhere pages through the room's archive"""
    p, room, a = inside(t)
    room.say(a, 'for later')
    p.expect_message('for later')
    id = unique('q')
    p.send("<iq type='set' id='%s' from='%s' to='%s'><query xmlns='urn:xmpp:mam:2'/></iq>" % (id, p.jid(resource='pda'), room.jid))
    found = p.expect(lambda e: e.find('urn:xmpp:mam:2:result') is not None, 'a result')
    assert found.find('urn:xmpp:mam:2:result', 'urn:xmpp:forward:0:forwarded', 'message').text('body') == 'for later', found
    assert p.expect(lambda e: e.get('id') == id, 'the end').get('type') == 'result'


def test_invited(t):
    """XEP-0045 §7.8: invitations to people elsewhere, from the room and directly (XEP-0249), and from there"""
    p = t.partner()
    room, a = here(t, 1)
    a.stanza("<message to='%s'><x xmlns='%s'><invite to='%s'><reason>Hey</reason></invite></x></message>" % (room.jid, USER, p.jid()))
    m = p.expect(lambda e: e.find(USER + ':x', 'invite') is not None, 'an invitation')
    assert m.get('from') == room.jid and m.get('to') == p.jid(), m
    inner = "<x xmlns='jabber:x:conference' jid='%s'/>" % room.jid
    a.message(p.jid(), inner=inner, type=None)
    assert p.expect(lambda e: e.find('jabber:x:conference:x') is not None, 'an invitation').get('from') == a.jid
    p.message(a.bare, inner="<x xmlns='jabber:x:conference' jid='hall@chat.%s'/>" % p.domain, type=None)
    assert a.expect(lambda e: e.find('jabber:x:conference:x') is not None, 'an invitation').get('from') == p.jid()


def test_invited_in_vain(t):
    """XEP-0045 §7.8: who invites somebody of a domain that is not allowed is told so"""
    room, a = here(t, 1)
    a.stanza("<message to='%s' id='i1'><x xmlns='%s'><invite to='romeo@d0.nobody.test'/></x></message>" % (room.jid, USER))
    assert a.expect(lambda e: e.get('id') == 'i1' and e.get('type') == 'error', 'a refusal').condition() == 'not-allowed'


# -- rooms there ------------------------------------------------------------------------------------------

def entered(t, **kw):
    """One of ours in a room of the partner's, which is its bare domain's for once: hall@domain."""
    p, c = t.partner(), t.online(**kw)
    room = 'hall@' + p.domain
    c.presence(to=room + '/juliet', inner="<x xmlns='%s'/>" % MUC)
    j = p.expect_presence(None, c.jid)
    assert j.get('to') == room + '/juliet' and j.find(MUC + ':x') is not None, j
    p.presence(c.jid, from_=room + '/juliet', inner="<x xmlns='%s'><item affiliation='none' role='participant'/><status code='110'/></x>" % USER)
    assert '110' in codes(c.expect_presence(None, room + '/juliet'))
    p.send("<message type='groupchat' from='%s' to='%s'><subject>Hall</subject></message>" % (room, c.jid))
    c.expect(lambda e: e.name == 'message' and e.find('subject') is not None, 'the subject')
    return p, room, c


def test_there(t):
    """XEP-0045 §7.4: one of ours in a room there: speaks, hears, whispers; what is said in rooms is not in the user's own archive"""
    p, room, c = entered(t)
    other = t.online(c)
    c.message(room, 'Hi all', type='groupchat')
    m = p.expect_message('Hi all')
    assert m.get('from') == c.jid and m.get('to') == room and m.get('type') == 'groupchat', m
    p.message(c.jid, 'Hi juliet', from_=room + '/romeo', type='groupchat')
    m = c.expect_message('Hi juliet')
    assert m.get('type') == 'groupchat' and m.get('from') == room + '/romeo', m
    p.message(c.jid, 'psst', from_=room + '/romeo', inner="<x xmlns='%s'/>" % USER)
    c.expect_message('psst')
    r = c.iq('set', "<query xmlns='urn:xmpp:mam:2'/>")
    assert r.get('type') == 'result', r
    assert not [e for e in c.heard if 'Hi ' in str(e)], c.heard
    # P1: the record has both.
    assert len(t.server.records("from_bare = '%s' AND to_bare = '%s' AND direction = 2 AND type = 'groupchat'" % (c.bare, room), 'id')) == 1
    assert len(t.server.records("from_bare = '%s' AND body = 'Hi juliet' AND direction = 1" % room, 'id')) == 1
    assert not other.heard_any(lambda e: e.name == 'message' and e.get('type') == 'groupchat'), other.heard


def test_there_end(t):
    """RFC 6121 §4.6.3: a session that ends, by itself or broken, leaves the rooms it was in"""
    p, room, c = entered(t)
    c.close()
    assert p.expect_presence('unavailable', c.jid).get('to') == room + '/juliet'
    p, room, c = entered(t)
    c.cut()
    assert p.expect_presence('unavailable', c.jid).get('to') == room + '/juliet'


def test_there_leave(t):
    """XEP-0045 §7.14: leaving; then the end of the session is not told a second time"""
    p, room, c = entered(t)
    c.presence('unavailable', to=room + '/juliet')
    p.expect_presence('unavailable', c.jid)
    p.presence(c.jid, 'unavailable', from_=room + '/juliet')
    c.expect_presence('unavailable', room + '/juliet')
    c.presence(to=p.jid(resource='after'))
    c.close()
    first = p.expect_presence('unavailable', c.jid)
    assert first.get('to') == p.jid(resource='after'), first


def test_there_gone(t):
    """RFC 6121 §8.5.3.2.1: groupchat for a client that has gone comes back, so that the room there can let it go"""
    p, room, c = entered(t)
    c.close()
    p.expect_presence('unavailable', c.jid)
    id = p.message(c.jid, 'anybody?', from_=room + '/romeo', type='groupchat')
    e = p.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'an error')
    assert e.condition() == 'service-unavailable', e


def test_there_denied(t):
    """A partner that is denied: who is in its rooms sees them go"""
    p, room, c = entered(t)
    p.deny()
    c.expect_presence('unavailable', room + '/juliet')


def test_there_refused(t):
    """XEP-0045 §7.2.5: an error of the room there gets to who wanted in"""
    p, c = t.partner(), t.online()
    c.presence(to='hall@%s/juliet' % p.domain, inner="<x xmlns='%s'/>" % MUC)
    p.expect_presence(None, c.jid)
    p.presence(c.jid, 'error', from_='hall@%s/juliet' % p.domain,
               inner="<error type='auth'><not-authorized xmlns='%s'/></error>" % NAMES['stanzas'])
    assert c.expect_presence('error').condition() == 'not-authorized'

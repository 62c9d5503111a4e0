"""Invitations to rooms (XEP-0045 §7.8, §9.5; XEP-0249), and requests for voice (§7.13, §8.6)."""
from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.rooms import (new_room, create, enter, change, configure, listed, items, ok, refused, seen, become, codes, item,
                                USER, REQUEST)
from chancerytest.scenario import alone


def invite(c, room, *whom, reason=None, more=''):
    r = '<reason>%s</reason>' % escape(reason) if reason else ''
    return c.message(room, type=None, inner="<x xmlns='%s'>%s</x>" % (
        USER, ''.join("<invite to='%s'>%s%s</invite>" % (escape(w), r, more) for w in whom)))


def error(c, id):
    return c.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error', 'the error for %s' % id)


def invitation(c, room):
    return c.expect(lambda e: e.name == 'message' and e.get('from') == room and e.find(USER + ':x', 'invite') is not None,
                    'an invitation to %s' % room)


def recorded(t, room, b):
    """Until the invitation is in the record."""
    t.server.wait(lambda: t.server.records("from_bare = '%s' AND to_bare = '%s'" % (room, b.bare), 'id') or None, 'the record')


def quiet(t, *clients):
    """No message has come, but for what tells that one's affiliation has changed (101)."""
    for c in clients:
        c.ping(t.server.domain)
        assert not c.heard_any(lambda e: e.name == 'message' and 101 not in codes(e)), c.heard


def test_invite(t):
    """XEP-0045 §7.8.2: the room passes an invitation on, with who sent it, why, the thread it continues, and its password"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', passwordprotectedroom=1, roomsecret='cauldronburn')
    id = invite(a, room, b.bare, reason='Hey Hecate!', more="<continue thread='e0ffe42b'/>")
    m = invitation(b, room)
    x = m.find(USER + ':x')
    assert m.get('type', 'normal') == 'normal' and m.get('id') == id, m
    assert x.find('invite').get('from') == a.jid and x.find('invite').get('to') is None, m
    assert x.find('invite').text('reason') == 'Hey Hecate!' and x.find('invite', 'continue').get('thread') == 'e0ffe42b', m
    assert x.text('password') == 'cauldronburn', m
    assert m.find('sid:stanza-id') is not None, m
    assert enter(b, room, 'second', 'cauldronburn').get('type') is None


def test_invite_recorded(t):
    """P1: the invitation is a record from the room to the invited; who is away gets it on coming back, once"""
    room, a, b = new_room(t), t.online(), t.bound()
    create(a, room, 'first')
    b.close()
    invite(a, room, b.bare, reason='Come')
    recorded(t, room, b)
    b = t.online(b)
    m = invitation(b, room)
    assert m.find('delay:delay') is not None, m
    rows = t.server.records("from_bare = '%s' AND to_bare = '%s'" % (room, b.bare), 'id')
    assert len(rows) == 1, rows
    b.close()
    quiet(t, t.online(b))


def test_invite_many(t):
    """XEP-0045 §7.8.2, schema: one message may invite several"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    invite(a, room, b.bare, c.bare)
    invitation(b, room)
    invitation(c, room)


def test_invite_errors(t):
    """XEP-0045 §7.8.2: nobody who is not there, no bad address, nobody banned; not by who is not inside"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    refused(error(a, invite(a, room, 'nobody-%s@%s' % (unique(), t.server.domain))), 'item-not-found')
    refused(error(a, invite(a, room, '@')), 'jid-malformed')
    refused(error(a, invite(a, room, t.server.domain)), 'jid-malformed')
    refused(error(b, invite(b, room, c.bare)), 'forbidden', 'auth')
    refused(error(a, invite(a, new_room(t), b.bare)), 'item-not-found')
    ok(change(a, room, jid=b.bare, affiliation='outcast'))
    refused(error(a, invite(a, room, b.bare)), 'not-allowed')
    refused(error(a, invite(a, room, c.bare, b.bare)), 'not-allowed')
    quiet(t, b, c)


def test_invite_members_only(t):
    """XEP-0045 §9.5: in a room for members admins invite, and make members by that; members only where the room says so"""
    room, a, b, c, d = new_room(t), t.online(), t.online(), t.online(), t.online()
    create(a, room, 'first', membersonly=1)
    invite(a, room, b.bare)
    invitation(b, room)
    assert [i.get('jid') for i in items(listed(a, room, affiliation='member'))] == [b.bare]
    assert enter(b, room, 'second').get('type') is None
    m = error(b, invite(b, room, c.bare))
    refused(m, 'forbidden', 'auth')
    ok(configure(a, room, allowinvites=1))
    invite(b, room, c.bare)
    invitation(c, room)
    assert enter(c, room, 'third').get('type') is None
    quiet(t, d)


def test_open_room_makes_no_members(t):
    """XEP-0045 §9.5: an invitation to an open room makes nobody a member"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    invite(b, room, c.bare)
    invitation(c, room)
    assert not items(listed(a, room, affiliation='member'))


def test_decline(t):
    """XEP-0045 §7.8.2: who was invited may decline, and the inviter hears why"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    invite(a, room, b.bare)
    to = invitation(b, room).find(USER + ':x', 'invite').get('from')
    id = b.message(room, type=None, inner="<x xmlns='%s'><decline to='%s'><reason>Sorry, I&apos;m too busy right now.</reason>"
                   "</decline></x>" % (USER, to))
    m = a.expect(lambda e: e.name == 'message' and e.find(USER + ':x', 'decline') is not None)
    d = m.find(USER + ':x', 'decline')
    assert m.get('from') == room and m.get('id') == id and d.get('from') == b.bare, m
    assert d.text('reason') == "Sorry, I'm too busy right now.", m
    id = b.message(room, type=None, inner="<x xmlns='%s'><decline to='%s'/></x>" % (USER, to))
    refused(error(b, id), 'item-not-found')
    invite(a, room, b.bare)
    invitation(b, room)


def test_decline_uninvited(t):
    """XEP-0045 §7.8.2: nobody gets words from the room by pretending to decline"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    invite(a, room, b.bare)
    invitation(b, room)
    for to in (a.bare, b.bare, '%s/first' % room):
        id = c.message(room, type=None, inner="<x xmlns='%s'><decline to='%s'><reason>Buy!</reason></decline></x>" % (USER, to))
        refused(error(c, id), 'item-not-found')
    id = c.message(room, type=None, inner="<x xmlns='%s'><decline/></x>" % USER)
    refused(error(c, id), 'bad-request')
    quiet(t, a, b)


def test_invite_again(t):
    """P7: nobody is invited again and again by the same person"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    invite(a, room, b.bare)
    invitation(b, room)
    refused(error(a, invite(a, room, b.bare)), 'resource-constraint', 'wait')
    quiet(t, b)


@alone(limits__room_invitations_per_minute=3)
def test_invite_crowds(t):
    """P7: nobody invites crowds"""
    room, a, b = new_room(t), t.online(), [t.online() for i in range(4)]
    create(a, room, 'first')
    invite(a, room, *[c.bare for c in b[:2]])
    refused(error(a, invite(a, room, b[2].bare, b[3].bare)), 'resource-constraint', 'wait')
    invite(a, room, b[2].bare)
    refused(error(a, invite(a, room, b[3].bare)), 'resource-constraint', 'wait')
    for c in b[:3]:
        invitation(c, room)
    quiet(t, b[3])


def test_invite_blocked(t):
    """XEP-0191 §3: whoever has blocked the room does not get its invitations"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    ok(b.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % room))
    b.heard.clear()
    invite(a, room, b.bare)
    recorded(t, room, b)
    quiet(t, b)


def test_direct(t):
    """XEP-0249 §2: a direct invitation passes as any message does, whatever the room thinks of it"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', membersonly=1)
    a.message(b.bare, type=None, inner="<x xmlns='jabber:x:conference' jid='%s' reason='Hey Hecate!'/>" % room)
    m = b.expect(lambda e: e.name == 'message' and e.find('jabber:x:conference:x') is not None)
    assert m.find('jabber:x:conference:x').get('jid') == room and m.get('from') == a.jid


def request(c, room, inner, type='submit'):
    return c.message(room, type=None, inner="<x xmlns='jabber:x:data' type='%s'><field var='FORM_TYPE'><value>%s</value></field>"
                     "%s</x>" % (type, REQUEST, inner))


def field(var, value):
    return "<field var='%s'><value>%s</value></field>" % (var, escape(value))


def ask(c, room):
    return request(c, room, field('muc#role', 'participant'))


def asked(c, room):
    """The form that a moderator is sent: {var: value}."""
    m = c.expect(lambda e: e.name == 'message' and e.get('from') == room and e.find('data:x') is not None, 'a request for voice')
    assert m.find('data:x').get('type') == 'form', m
    return {f.get('var'): f.text('value') for f in m.find('data:x').all('field')}


def approve(c, room, form, allow='true'):
    return request(c, room, ''.join(field(k, v) for k, v in {**form, 'muc#request_allow': allow}.items() if k != 'FORM_TYPE'))


def test_voice_request(t):
    """XEP-0045 §7.13, §8.6: a visitor asks, moderators get the form, and one of them grants voice"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first', moderatedroom=1)
    enter(b, room, 'second')
    enter(c, room, 'third')
    for x in (a, b, c):
        x.heard.clear()
    ask(b, room)
    f = asked(a, room)
    assert (f['FORM_TYPE'], f['muc#role'], f['muc#jid'], f['muc#roomnick'], f['muc#request_allow']) == \
        (REQUEST, 'participant', b.jid, 'second', '0'), f
    refused(error(c, approve(c, room, f)), 'forbidden', 'auth')
    approve(a, room, f)
    for x in (a, b, c):
        become(x, room, 'second', role='participant')
    quiet(t, c)


def test_voice_refused(t):
    """XEP-0045 §8.6: a moderator who says no, or cancels, changes nothing"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', moderatedroom=1)
    enter(b, room, 'second')
    ask(b, room)
    f = asked(a, room)
    approve(a, room, f, 'false')
    request(a, room, '', 'cancel')
    a.ping(t.server.domain)
    assert [i.get('nick') for i in items(listed(a, room, role='visitor'))] == ['second']


def test_voice_request_errors(t):
    """XEP-0045 §7.13, §8.6, §16.2: not by who has voice or is not inside, for no other role, not about somebody else"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first', moderatedroom=1)
    enter(b, room, 'second')
    refused(error(c, ask(c, room)), 'forbidden')
    refused(error(a, ask(a, room)), 'not-allowed')
    refused(error(b, request(b, room, field('muc#role', 'moderator'))), 'bad-request')
    refused(error(b, request(b, room, '')), 'bad-request')
    ask(b, room)
    f = asked(a, room)
    refused(error(a, approve(a, room, {**f, 'muc#jid': c.jid})), 'item-not-found')
    refused(error(a, approve(a, room, {**f, 'muc#roomnick': 'nobody'})), 'item-not-found')
    refused(error(a, approve(a, room, f, 'perhaps')), 'bad-request')


def test_voice_request_flood(t):
    """P7: moderators are not flooded with requests"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', moderatedroom=1)
    enter(b, room, 'second')
    ids = [ask(b, room) for i in range(6)]
    refused(error(b, ids[5]), 'resource-constraint')
    for i in range(5):
        asked(a, room)
    quiet(t, b)

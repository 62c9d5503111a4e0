"""Registering with rooms (XEP-0045 §7.10, §9.9): membership, and nicknames that are kept for somebody."""
from chancerytest.element import escape
from chancerytest.rooms import (new_room, create, enter, change, configure, listed, items, ok, refused, become, standing, REGISTER)
from chancerytest.scenario import alone

NS = 'jabber:iq:register'


def get(c, room):
    return c.iq('get', "<query xmlns='%s'/>" % NS, to=room)


def register(c, room, nick, form_type=REGISTER, type='submit'):
    inner = "<field var='muc#register_roomnick'><value>%s</value></field>" % escape(nick) if nick is not None else ''
    return c.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='%s'><field var='FORM_TYPE'><value>%s</value></field>"
                "<field var='muc#register_first'><value>Brunhilde</value></field>%s</x></query>" % (NS, type, form_type, inner),
                to=room)


def test_register(t):
    """XEP-0045 §7.10: who asks gets the form, submits it, and is a member whose nickname nobody else has"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    q = ok(get(b, room)).find(NS + ':query')
    x = q.find('data:x')
    assert q.find('registered') is None and x.get('type') == 'form', q
    f = {f.get('var'): f for f in x.all('field')}
    assert f['FORM_TYPE'].text('value') == REGISTER and f['muc#register_roomnick'].find('required') is not None, q
    ok(register(b, room, 'thirdwitch'))
    become(a, room, 'second', affiliation='member', role='participant')
    q = ok(get(b, room)).find(NS + ':query')
    assert q.find('registered') is not None and q.text('username') == 'thirdwitch', q
    i, = items(listed(a, room, affiliation='member'))
    assert (i.get('jid'), i.get('nick')) == (b.bare, 'thirdwitch'), i
    refused(enter(c, room, 'thirdwitch'), 'conflict', 'cancel')
    b.presence(to='%s/thirdwitch' % room)
    become(a, room, 'thirdwitch', affiliation='member')


def test_register_moderated(t):
    """XEP-0045 §7.10, §5.1.3: who registers with a moderated room has voice"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', moderatedroom=1)
    assert standing(enter(b, room, 'second')) == ('none', 'visitor')
    ok(register(b, room, 'second'))
    become(b, room, 'second', affiliation='member', role='participant')


def test_conflict(t):
    """XEP-0045 §7.10: a nickname that is somebody's is a conflict: registered, in use, or alike"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    ok(register(b, room, 'thirdwitch'))
    refused(register(c, room, 'thirdwitch'), 'conflict', 'cancel')
    refused(register(c, room, 'th\u0456rdwitch'), 'conflict')
    refused(register(c, room, 'first'), 'conflict')
    ok(register(b, room, 'hag'))
    ok(register(c, room, 'thirdwitch'))


def test_errors(t):
    """XEP-0045 §7.10: no room: item-not-found; banned: not-allowed; no valid form: bad-request"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    refused(get(b, new_room(t)), 'item-not-found', 'cancel')
    refused(register(b, new_room(t), 'x'), 'item-not-found')
    ok(change(a, room, jid=c.bare, affiliation='outcast'))
    refused(get(c, room), 'not-allowed', 'cancel')
    refused(register(c, room, 'x'), 'not-allowed')
    refused(register(b, room, None), 'bad-request', 'modify')
    refused(register(b, room, 'x', form_type='urn:x:other'), 'bad-request')
    refused(register(b, room, 'x', type='form'), 'bad-request')
    refused(b.iq('set', "<query xmlns='%s'><username>x</username></query>" % NS, to=room), 'bad-request')
    for nick in ('', ' ', 'x' * 5000):
        refused(register(b, room, nick), 'bad-request')
    assert not items(listed(a, room, affiliation='member'))


def test_unregister(t):
    """XEP-0077 §3.2: who registered may go; the nickname is free; an owner stays one"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    ok(register(a, room, 'boss'))
    ok(register(b, room, 'hag'))
    remove = "<query xmlns='%s'><remove/></query>" % NS
    refused(c.iq('set', remove, to=room), 'registration-required')
    ok(b.iq('set', remove, to=room))
    assert not items(listed(a, room, affiliation='member'))
    assert enter(c, room, 'hag').get('type') is None
    ok(a.iq('set', remove, to=room))
    assert [i.get('jid') for i in items(listed(a, room, affiliation='owner'))] == [a.bare]


def asked(c, room):
    m = c.expect(lambda e: e.name == 'message' and e.get('from') == room and e.find('data:x') is not None, 'a request')
    return {f.get('var'): f.text('value') for f in m.find('data:x').all('field')}


def approve(c, room, form, allow):
    return c.message(room, type=None, inner="<x xmlns='jabber:x:data' type='submit'>%s</x>" % ''.join(
        "<field var='%s'><value>%s</value></field>" % (k, escape(v)) for k, v in {**form, 'muc#register_allow': allow}.items()))


def test_approval(t):
    """XEP-0045 §9.9: with a room for members its owners and admins are asked, and one of them lets somebody in"""
    room, a, b, c, d = new_room(t), t.online(), t.online(), t.online(), t.online()
    create(a, room, 'first', membersonly=1)
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    b.heard.clear()
    ok(register(c, room, 'thirdwitch'))
    for x in (a, b):
        f = asked(x, room)
        assert (f['FORM_TYPE'], f['muc#register_roomnick'], f['muc#jid'], f['muc#register_allow']) == \
            (REGISTER, 'thirdwitch', c.bare, '0'), f
    refused(enter(c, room, 'thirdwitch'), 'registration-required')
    approve(a, room, f, '0')
    id = approve(d, room, f, '1')
    refused(d.expect(lambda e: e.get('id') == id and e.get('type') == 'error'), 'forbidden', 'auth')
    refused(enter(c, room, 'thirdwitch'), 'registration-required')
    approve(b, room, f, '1')
    b.ping(room)
    i, = items(listed(a, room, affiliation='member'))
    assert (i.get('jid'), i.get('nick')) == (c.bare, 'thirdwitch'), i
    assert standing(enter(c, room, 'thirdwitch')) == ('member', 'participant')


@alone(limits__room_registration_requests=2)
def test_approval_flood(t):
    """P7: admins are not flooded with requests"""
    room, a = new_room(t), t.online()
    create(a, room, 'first', membersonly=1)
    for i in range(2):
        ok(register(t.online(), room, 'n%d' % i))
    refused(register(t.online(), room, 'n2'), 'resource-constraint', 'wait')

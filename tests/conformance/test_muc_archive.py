"""The past of rooms: XEP-0313 §6.1.2, with stanza ids (XEP-0359) and occupant ids (XEP-0421)."""
import os
import importlib.util

from chancerytest.client import unique
from chancerytest.rooms import new_room, create, enter, leave, change, configure, ok, refused, USER
from test_history import query, rsm, form, stamp, MAM

OCCUPANT = 'urn:xmpp:occupant-id:0'


def say(c, room, body, inner=''):
    """Says it, and takes its reflection."""
    id = c.message(room, body, type='groupchat', inner=inner)
    return c.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'groupchat')


def stanza_id(e, room):
    ids = [s for s in e.all('stanza-id', 'sid') if s.get('by') == room]
    assert len(ids) == 1, e
    return ids[0].get('id')


def talk(t, n=4, **config):
    """A room with two inside who speak in turn: (room, a, b, reflections as a saw them)."""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone', **config)
    if config.get('membersonly'):
        ok(change(a, room, jid=b.bare, affiliation='member'))
    enter(b, room, 'hecate', password=config.get('roomsecret'))
    heard = []
    for i in range(n):
        x, y = ((a, b), (b, a))[i % 2]
        mine, other = say(x, room, 'line %d' % i), y.expect_message('line %d' % i)
        heard.append(mine if x is a else other)
    return room, a, b, heard


def lines(*which):
    return ['line %d' % i for i in which]


def test_all(t):
    """XEP-0313 §6.1.2: each message once, from the occupant, without `to`, under the id that occupants have seen"""
    room, a, b, heard = talk(t)
    p = query(b, to=room)
    assert p.bodies == lines(0, 1, 2, 3) and p.complete, p.answer
    assert p.ids == [stanza_id(e, room) for e in heard], (p.ids, heard)
    for m, e, r in zip(p.messages, heard, p.results):
        assert m.get('from') == e.get('from') and m.get('to') is None and m.get('type') == 'groupchat', m
        assert m.get('id') == e.get('id') and r.get('from') == room and r.get('to') == b.jid, r
        assert m.find(OCCUPANT + ':occupant-id').get('id') == e.find(OCCUPANT + ':occupant-id').get('id'), m
    assert query(b, rsm(max=2), to=room).bodies == lines(0, 1)
    assert query(b, rsm(max=2, after=p.ids[1]), to=room).bodies == lines(2, 3)
    assert query(b, rsm(max=2, before=''), to=room).bodies == lines(2, 3)
    assert query(b, rsm(max=2, before=p.ids[2]), to=room).bodies == lines(0, 1)
    assert query(b, rsm(max=2, before=''), to=room, flip=True).bodies == lines(3, 2)
    assert query(b, rsm(max=0), to=room).at('count') == '4'


def test_filters(t):
    """XEP-0313 §4.1: ids, after-id, before-id, start, end"""
    room, a, b, heard = talk(t)
    p = query(a, to=room)
    assert query(a, to=room, after_id=p.ids[0], before_id=p.ids[3]).bodies == lines(1, 2)
    assert query(a, to=room, ids=[p.ids[3], p.ids[0]]).bodies == lines(0, 3)
    assert query(a, to=room, start=stamp(p.results[2])).bodies[-2:] == lines(2, 3)
    assert query(a, to=room, end='2001-01-01T00:00:00Z').bodies == []
    for bad in ('1', 'nonsense'):
        assert query(a, to=room, ids=[bad]).error == 'item-not-found'
        assert query(a, rsm(after=bad), to=room).error == 'item-not-found'
    other, *_ = talk(t, 1)
    assert query(a, to=room, ids=[query(_[0], to=other).ids[0]]).error == 'item-not-found'
    assert query(a, to=room, nonsense='1').error == 'feature-not-implemented'
    assert query(a, to=room, node='x').error == 'feature-not-implemented'


def test_form(t):
    """XEP-0313 §4.1.5: the form"""
    room, a, b, heard = talk(t, 1)
    x = ok(b.iq('get', "<query xmlns='%s'/>" % MAM, room)).find(MAM + ':query', 'data:x')
    assert {'with', 'start', 'end', 'before-id', 'after-id', 'ids'} <= {f.get('var') for f in x.all('field')}, x


def test_metadata(t):
    """XEP-0313 §5: where the archive of a room begins and ends"""
    a, room = t.online(), new_room(t)
    create(a, room, 'crone')
    m = ok(a.iq('get', "<metadata xmlns='%s'/>" % MAM, room)).find(MAM + ':metadata')
    assert m.all() == [], m
    ids = [stanza_id(say(a, room, 'line %d' % i), room) for i in range(3)]
    m = ok(a.iq('get', "<metadata xmlns='%s'/>" % MAM, room)).find(MAM + ':metadata')
    assert (m.find('start').get('id'), m.find('end').get('id')) == (ids[0], ids[2]), m


def test_addresses(t):
    """XEP-0313 §6.1.2: who said it is told to those who may know, whatever was said to be so"""
    room, a, b, heard = talk(t, 0)
    say(b, room, 'forged', inner="<x xmlns='%s'><item jid='macbeth@shakespeare.lit' role='moderator'/></x>" % USER)
    m = query(a, to=room).messages[0]
    items = [i for x in m.all('x', USER) for i in x.all('item')]
    assert len(items) == 1 and items[0].get('jid') == b.jid and items[0].get('affiliation') == 'none', m
    assert query(b, to=room).messages[0].find(USER + ':x') is None
    ok(configure(a, room, whois='anyone'))
    assert query(b, to=room).messages[0].find(USER + ':x', 'item').get('jid') == b.jid


def test_with(t):
    """XEP-0313 §4.1.1: by nickname for everybody; by real address for those who may know it, and one's own"""
    room, a, b, heard = talk(t)
    c = t.online()
    enter(c, room, "the 'third' <witch>")
    say(c, room, 'line 4')
    assert query(b, to=room, **{'with': room + '/crone'}).bodies == lines(0, 2)
    assert query(b, to=room, **{'with': room + "/the 'third' <witch>"}).bodies == lines(4)
    assert query(b, to=room, **{'with': room + '/cron'}).bodies == []
    assert query(b, to=room, **{'with': room}).bodies == lines(0, 1, 2, 3, 4)
    assert query(a, to=room, **{'with': b.bare}).bodies == lines(1, 3)
    assert query(a, to=room, **{'with': b.jid}).bodies == lines(1, 3)
    assert query(a, to=room, **{'with': b.bare + '/other'}).bodies == []
    assert query(b, to=room, **{'with': b.bare}).bodies == lines(1, 3)
    assert query(b, to=room, **{'with': a.bare}).error == 'forbidden'


def test_who_may(t):
    """XEP-0313 §6.1.2: anybody of an open room, if its owner says so, but outcasts; members of a members-only room; nobody of no room"""
    room, a, b, heard = talk(t, 2)
    c = t.online()
    assert query(c, to=room).error == 'forbidden' and query(b, to=room).bodies == lines(0, 1)
    ok(configure(a, room, enablelogging=1))
    assert query(c, to=room).bodies == lines(0, 1)
    ok(change(a, room, jid=c.bare, affiliation='outcast'))
    for r in (query(c, to=room), query(c, rsm(max=0), to=room)):
        assert r.error == 'forbidden' and not r.results, r.answer
    refused(c.iq('get', "<query xmlns='%s'/>" % MAM, room), 'forbidden')
    refused(c.iq('get', "<metadata xmlns='%s'/>" % MAM, room), 'forbidden')
    assert query(c, to=new_room(t)).error == 'item-not-found'
    room, a, b, heard = talk(t, 2, membersonly=1)
    assert query(c, to=room).error == 'forbidden'
    assert query(b, to=room).bodies == lines(0, 1)
    leave(b, room, 'hecate')
    assert query(b, to=room).bodies == lines(0, 1)
    ok(change(a, room, jid=b.bare, affiliation='none'))
    assert query(b, to=room).error == 'forbidden'


def test_password(t):
    """XEP-0313 §6.1.2: what is behind a password is for those inside"""
    room, a, b, heard = talk(t, 2, passwordprotectedroom=1, roomsecret='cauldron')
    c = t.online()
    assert query(c, to=room).error == 'forbidden'
    assert query(b, to=room).bodies == lines(0, 1)


def test_what_is_said(t):
    """XEP-0313 §6.1.2: private messages, invitations, entering and leaving are not part of it; subjects are"""
    room, a, b, heard = talk(t, 1)
    b.message(room + '/crone', 'whispered', type='chat')
    a.expect_message('whispered')
    a.message(room, None, type=None, inner="<x xmlns='%s'><invite to='%s'><reason>come</reason></invite></x>" % (USER, t.online().bare))
    a.message(room, None, type='groupchat', inner='<subject>Fire burn</subject>')
    b.expect(lambda e: e.text('subject') == 'Fire burn')
    leave(b, room, 'hecate')
    p = query(a, to=room)
    assert [m.text('body') or m.text('subject') for m in p.messages] == ['line 0', 'Fire burn'], p.messages


def test_not_the_senders(t):
    """XEP-0313 §5.1.1: what is said in a room is in the room's archive, not in its occupants'"""
    room, a, b, heard = talk(t, 2)
    assert query(a).bodies == [] and query(b).bodies == []


def test_refused_is_not_there(t):
    """XEP-0313 §5.1.1: what the room did not take is not in its archive"""
    room, a, b, heard = talk(t, 1, moderatedroom=1)
    c = t.online()
    c.message(room, 'from outside', type='groupchat')
    c.expect(lambda e: e.name == 'message' and e.get('type') == 'error')
    assert query(a, to=room).bodies == lines(0)


def test_made_again(t):
    """XEP-0313 §6.1.2: a room that was destroyed takes its past with it; who makes another of that name does not get it"""
    room, a, b, heard = talk(t, 2)
    ok(a.iq('set', "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>", room))
    assert query(a, to=room).error == 'item-not-found'
    c = t.online()
    create(c, room, 'newcomer')
    say(c, room, 'new')
    assert query(c, to=room).bodies == ['new']


def test_pages_of_many(t):
    """XEP-0313 §4.3: a hundred messages, page by page, each once"""
    a, room = t.online(), new_room(t)
    create(a, room, 'crone')
    for i in range(100):
        a.message(room, 'line %d' % i, type='groupchat')
    for i in range(100):
        a.expect_message('line %d' % i)
    got, after = [], None
    while True:
        p = query(a, rsm(max=30, after=after), to=room)
        got += p.bodies
        if p.complete:
            break
        after = p.at('last')
    assert got == lines(*range(100)), got


# -- occupant ids ----------------------------------------------------------------------------------------------

def occupant_id(e):
    ids = e.all('occupant-id')
    assert len(ids) == 1 and ids[0].ns == OCCUPANT and 1 <= len(ids[0].get('id')) <= 128, e
    return ids[0].get('id')


def test_occupant_ids(t):
    """XEP-0421 §3, §4: on presence and messages; the same for a person whatever the nickname, another in another room"""
    a, b, c, room, other = t.online(), t.online(), t.online(), new_room(t), new_room(t)
    own = occupant_id(create(a, room, 'crone'))
    mine = occupant_id(enter(b, room, 'hecate'))
    assert mine != own and occupant_id(a.expect_presence(None, room + '/hecate')) == mine
    say(b, room, 'hello', inner="<occupant-id xmlns='%s' id='%s'/>" % (OCCUPANT, own))
    assert occupant_id(a.expect_message('hello')) == mine
    b.presence(to=room + '/hecate', inner="<occupant-id xmlns='%s' id='%s'/><status>busy</status>" % (OCCUPANT, own))
    assert occupant_id(a.expect(lambda e: e.name == 'presence' and e.text('status') == 'busy')) == mine
    b.presence(to=room + '/renamed')
    assert occupant_id(a.expect_presence('unavailable', room + '/hecate')) == mine
    assert occupant_id(a.expect_presence(None, room + '/renamed')) == mine
    leave(b, room, 'renamed')
    assert occupant_id(a.expect_presence('unavailable', room + '/renamed')) == mine
    assert occupant_id(enter(b, room, 'back')) == mine
    assert occupant_id(create(b, other, 'hecate')) != mine
    enter(c, room, 'late')
    assert occupant_id(c.expect_message('hello')) == mine     # history


def test_occupant_id_of_a_successor(t):
    """XEP-0421 §3.1: who has got the name of a deleted account is somebody else"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    enter(b, room, 'hecate')
    a.expect_presence(None, room + '/hecate')
    say(b, room, 'hello')
    old = occupant_id(a.expect_message('hello'))
    b.close()
    a.expect_presence('unavailable', room + '/hecate')
    t.server.cli('user', 'delete', b.bare)
    t.server.add_users([(b.user, b.password)])
    c = t.online((b.user, b.password))
    new = occupant_id(enter(c, room, 'hecate'))
    assert new != old and occupant_id(a.expect_presence(None, room + '/hecate')) == new
    assert occupant_id(c.expect_message('hello')) == old      # history
    assert occupant_id(say(c, room, 'again')) == new

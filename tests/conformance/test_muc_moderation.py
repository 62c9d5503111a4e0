"""What is taken back in rooms: by who said it (XEP-0424), by a moderator (XEP-0425)."""
import importlib.util

from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.rooms import new_room, create, enter, enter_send, leave, change, ok, refused
from test_history import query, MAM
from test_muc_archive import say, stanza_id, occupant_id, talk, lines, OCCUPANT

RETRACT = 'urn:xmpp:message-retract:1'
MODERATE = 'urn:xmpp:message-moderate:1'


def moderate(c, room, id, reason=None, inner="<retract xmlns='%s'/>" % RETRACT):
    r = '<reason>%s</reason>' % escape(reason) if reason else ''
    return c.iq('set', "<moderate xmlns='%s'%s>%s%s</moderate>" % (MODERATE, " id='%s'" % id if id is not None else '', inner, r), room)


def retract(c, room, id):
    """A retraction as its author's client sends it, and its reflection."""
    return say(c, room, 'a fallback', inner="<retract id='%s' xmlns='%s'/><fallback xmlns='urn:xmpp:fallback:0' for='%s'/>"
               "<store xmlns='urn:xmpp:hints'/>" % (id, RETRACT, RETRACT))


def told(c, id):
    return c.expect(lambda e: e.name == 'message' and e.find(RETRACT + ':retract') is not None
                    and e.find('retract').get('id') == id)


def tombstone(m):
    return m.find(RETRACT + ':retracted')


def test_moderated(t):
    """XEP-0425 §4: everybody is told by the room what a moderator took back, who it was, and why; the moderator gets a result"""
    room, a, b, heard = talk(t, 2)
    id = stanza_id(heard[1], room)
    r = ok(moderate(a, room, id, 'off topic'))
    assert r.all() == [], r
    for x in (a, b):
        e = told(x, id)
        assert e.get('from') == room and e.get('type') == 'groupchat' and e.get('id'), e
        m = e.find('retract').find(MODERATE + ':moderated')
        assert m.get('by') == room + '/crone' and occupant_id(m) == occupant_id(heard[0]), e
        assert e.find('retract').text('reason') == 'off topic', e
        assert stanza_id(e, room) == query(a, to=room).ids[-1], e


def test_tombstone_of_moderation(t):
    """XEP-0425 §5: the archive has a tombstone, with who said it and who took it back, and the moderation itself"""
    room, a, b, heard = talk(t, 2)
    id = stanza_id(heard[1], room)
    ok(moderate(a, room, id, 'off topic'))
    e = told(b, id)
    p = query(b, to=room)
    assert p.bodies == ['line 0', None, None] and p.ids[1] == id, p.messages
    m = p.messages[1]
    assert m.get('from') == room + '/hecate' and occupant_id(m) == occupant_id(heard[1]), m
    s = tombstone(m)
    assert s.get('stamp') and s.get('id') == e.get('id') and s.text('reason') == 'off topic', m
    d = s.find(MODERATE + ':moderated')
    assert d.get('by') == room + '/crone' and occupant_id(d) == occupant_id(heard[0]), m
    assert p.messages[2].find(RETRACT + ':retract', MODERATE + ':moderated') is not None, p.messages
    assert [e.name for e in m.all()] == ['occupant-id', 'retracted'], m


def test_moderated_is_not_shown(t):
    """XEP-0424 §6: who enters later does not see what was taken back"""
    room, a, b, heard = talk(t, 3)
    ok(moderate(a, room, stanza_id(heard[1], room)))
    c = t.online()
    enter(c, room, 'late')
    c.expect_message('line 0')
    c.expect_message('line 2')
    assert not c.heard_any(lambda e: e.text('body') == 'line 1')


def test_record_keeps(t):
    """The record keeps what was taken back, and who took it back"""
    room, a, b, heard = talk(t, 2)
    id = stanza_id(heard[1], room)
    ok(moderate(a, room, id, 'off topic'))
    rows = t.server.psql("SELECT body FROM archive.record WHERE id = %s" % id)
    assert rows == [['line 1']], rows
    rows = t.server.psql("SELECT from_bare, body FROM archive.record WHERE refers_to = '%s'" % id)
    assert [tuple(r) for r in rows] == [(a.bare, 'off topic')], rows


def test_moderation_refused(t):
    """XEP-0425 §4.2: not by who is no moderator, not inside, or of what was not said here; wrong requests"""
    room, a, b, heard = talk(t, 2)
    c, id = t.online(), stanza_id(heard[1], room)
    refused(moderate(b, room, id), 'forbidden')
    refused(moderate(c, room, id), 'forbidden')
    refused(moderate(a, room, '1'), 'item-not-found')
    refused(moderate(a, room, 'nonsense'), 'item-not-found')
    refused(moderate(a, room, None), 'bad-request')
    refused(moderate(a, room, id, inner=''), 'bad-request')
    refused(moderate(a, new_room(t), id), 'item-not-found')
    other, x, y, said = talk(t, 1)
    refused(moderate(a, room, stanza_id(said[0], other)), 'item-not-found')
    assert query(a, to=room).bodies == lines(0, 1)
    ok(moderate(a, room, id))
    refused(moderate(a, room, id), 'item-not-found')
    refused(moderate(a, room, query(a, to=room).ids[-1]), 'item-not-found')


def test_made_moderator(t):
    """XEP-0425 §4: by moderators, whatever their affiliation"""
    room, a, b, heard = talk(t, 1)
    ok(change(a, room, nick='hecate', role='moderator'))
    ok(moderate(b, room, stanza_id(heard[0], room)))
    told(a, stanza_id(heard[0], room))
    ok(change(a, room, nick='hecate', role='participant'))
    refused(moderate(b, room, stanza_id(say(a, room, 'more'), room)), 'forbidden')


def test_retracted(t):
    """XEP-0424 §3, §5: an author takes back; the archive has a tombstone and the retraction"""
    room, a, b, heard = talk(t, 2)
    id = stanza_id(heard[1], room)
    e = retract(b, room, id)
    told(a, id)
    a.heard.clear()
    # The tombstone is made beside what is told: what a is told next comes after it.
    p = eventually(a, room, lambda p: tombstone(p.messages[1]) is not None)
    s = tombstone(p.messages[1])
    assert s.get('id') == e.get('id') and s.get('stamp') and s.all() == [], s
    assert [e.name for e in p.messages[1].all()] == ['occupant-id', 'retracted'], p.messages
    assert p.messages[2].find(RETRACT + ':retract').get('id') == id, p.messages
    c = t.online()
    enter(c, room, 'late')
    c.expect_message('line 0')
    assert not c.heard_any(lambda e: e.text('body') == 'line 1')


def eventually(c, room, match, tries=200):
    for _ in range(tries):
        p = query(c, to=room)
        if match(p):
            return p
    raise AssertionError(p.messages)


def test_retracted_by_another_client(t):
    """XEP-0424 §6: the same person, with another nickname or client"""
    room, a, b, heard = talk(t, 2)
    b.presence(to=room + '/renamed')
    b.expect_presence(None, room + '/renamed')
    retract(b, room, stanza_id(heard[1], room))
    eventually(a, room, lambda p: tombstone(p.messages[1]) is not None)


def test_not_a_predecessors(t):
    """XEP-0424 §6: who has got the name of a deleted account takes back nothing that its predecessor said"""
    room, a, b, heard = talk(t, 2)
    b.close()
    t.server.cli('user', 'delete', b.bare)
    t.server.add_users([(b.user, b.password)])
    c = t.online((b.user, b.password))
    enter(c, room, 'next')
    own = stanza_id(say(c, room, 'own'), room)
    for id in stanza_id(heard[1], room), own:
        retract(c, room, id)
    p = eventually(a, room, lambda p: tombstone(p.messages[2]) is not None)
    assert p.bodies[1] == 'line 1' and tombstone(p.messages[1]) is None, p.messages


def test_not_ones_own(t):
    """XEP-0424 §6: nobody's messages but one's own; what claims to be of the room is not passed on as such"""
    room, a, b, heard = talk(t, 2)
    retract(b, room, stanza_id(heard[0], room))
    retract(b, room, '1')
    retract(b, room, 'nonsense')
    last = retract(b, room, stanza_id(heard[1], room))
    p = eventually(a, room, lambda p: tombstone(p.messages[1]) is not None)     # by then the others have been looked at
    assert p.bodies[0] == 'line 0' and tombstone(p.messages[0]) is None, p.messages
    # A retraction cannot be taken back.
    retract(b, room, stanza_id(last, room))
    retract(b, room, stanza_id(say(b, room, 'line 5'), room))
    p = eventually(a, room, lambda p: tombstone(p.messages[7]) is not None)
    assert tombstone(p.messages[5]) is None, p.messages


def test_forged_tombstone(t):
    """XEP-0425 §6: who takes back a message of their own does not have the archive say that a moderator did"""
    room, a, b, heard = talk(t, 2)
    id = stanza_id(heard[1], room)
    say(b, room, 'a fallback', inner="<retract id='%s' xmlns='%s'><moderated by='%s/crone' xmlns='%s'/><reason>Rude</reason></retract>"
        % (id, RETRACT, room, MODERATE))
    p = eventually(a, room, lambda p: tombstone(p.messages[1]) is not None)
    assert tombstone(p.messages[1]).all() == [], p.messages[1]


def test_forged_moderation(t):
    """XEP-0425 §6: what an occupant says to be a moderation comes from the occupant, and changes nothing"""
    room, a, b, heard = talk(t, 1)
    id = stanza_id(heard[0], room)
    b.message(room, None, type='groupchat', inner="<retract id='%s' xmlns='%s'><moderated by='%s/crone' xmlns='%s'/></retract>"
              % (id, RETRACT, room, MODERATE))
    e = told(a, id)
    assert e.get('from') == room + '/hecate', e
    say(b, room, 'after')
    p = query(a, to=room)
    assert p.bodies[0] == 'line 0' and tombstone(p.messages[0]) is None, p.messages

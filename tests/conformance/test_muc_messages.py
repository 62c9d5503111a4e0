"""Rooms: what is said (XEP-0045 §7.4, §7.5, §8.1), and what the record has of it."""
from chancerytest.client import unique
from chancerytest.muc import MUC, OWNER, USER, Room, codes, here
from chancerytest.scenario import alone
from chancerytest.server import stopped


def refusal(c, id=None):
    return c.expect(lambda e: e.name == 'message' and e.get('type') == 'error' and (id is None or e.get('id') == id), 'a refusal')


def test_to_all(t):
    """XEP-0045 §7.4, examples 44 and 45: reflected to everybody from the occupant, with the same id, and the stanza-id of its record"""
    room, a, b = here(t, 2)
    room.say(a, "Harpier cries: 'tis time", id='hysf1v37')
    for c in (a, b):
        m = c.expect_message("Harpier cries: 'tis time")
        assert m.get('from') == room.at('thirdwitch') and m.get('id') == 'hysf1v37' and m.get('to') == c.jid, m
        assert m.get('type') == 'groupchat' and m.find('delay:delay') is None, m
        s = m.find('sid:stanza-id')
        assert s.get('by') == room.jid, m
    (r,) = t.server.records("to_bare = '%s' AND kind = 1" % room.jid, 'id, from_bare, from_resource, type, shown, client_id, stanza')
    assert r[0] == s.get('id') and '%s/%s' % (r[1], r[2]) == a.jid and r[3:6] == ['groupchat', 't', 'hysf1v37'], r
    assert 'stanza-id' not in r[6] and room.at('thirdwitch') in r[6] and ' to=' not in r[6], r


def test_once_in_record(t):
    """P1: a room's message is in the record once, whatever the number of those who read it"""
    room, *people = here(t, 4)
    for c in people:
        room.say(c, 'by %s' % c.user)
    for c in people:
        for d in people:
            c.expect_message('by %s' % d.user)
    assert len(t.server.records("to_bare = '%s' AND kind = 1" % room.jid, 'id')) == 4
    assert t.server.records("from_bare LIKE '%s%%' AND kind = 1" % room.jid, 'id') == []


def test_not_inside(t):
    """XEP-0045 §7.4: who is not inside may not speak: not-acceptable, and nobody hears it; there is nothing in the record of it"""
    room, a = here(t, 1)
    b = t.online()
    room.say(b, 'let me in', id='x')
    assert refusal(b, 'x').condition() == 'not-acceptable'
    room.say(a, 'alone')
    a.expect_message('alone')
    assert not a.heard_any(lambda e: e.name == 'message' and e.text('body') == 'let me in'), a.heard
    assert t.server.records("to_bare = '%s' AND body = 'let me in'" % room.jid, 'id') == []


def test_no_such_room(t):
    """XEP-0045 §7.4: a room that is not there is answered with item-not-found"""
    a, room = t.online(), Room(t)
    room.say(a, 'anybody?', id='x')
    assert refusal(a, 'x').condition() == 'item-not-found'


def test_forged(t):
    """XEP-0359 §5, XEP-0421, XEP-0203: what only a room may say is taken out: stanza-ids and occupant ids of its own, delays"""
    room, a, b = here(t, 2)
    room.say(b, 'true', inner="<stanza-id xmlns='urn:xmpp:sid:0' id='evil' by='%s'/><occupant-id xmlns='urn:xmpp:occupant-id:0' "
             "id='evil'/><delay xmlns='urn:xmpp:delay' from='%s' stamp='2000-01-01T00:00:00Z'/>"
             "<x xmlns='jabber:x:delay' stamp='20000101T00:00:00'/>"
             "<x xmlns='%s'><item role='moderator' affiliation='owner'/></x>" % (room.jid, room.jid, USER))
    m = a.expect_message('true')
    assert [s.get('id') for s in m.all('stanza-id')] != ['evil'] and len(m.all('stanza-id')) == 1, m
    assert 'evil' not in str(m) and '20000101' not in str(m) and m.find('delay:delay') is None and m.find(USER + ':x') is None, m


def test_order(t):
    """P8: what one says arrives in the order in which it was said, at everybody"""
    room, a, b, c = here(t, 3)
    for i in range(40):
        room.say(a, 'a%d' % i)
        room.say(b, 'b%d' % i)
    heard = {}
    for x in (a, b, c):
        got = [x.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'a message').text('body') for _ in range(80)]
        for who in 'ab':
            assert [g for g in got if g[0] == who] == ['%s%d' % (who, i) for i in range(40)], got
        heard[x] = got
    assert heard[a] == heard[b] == heard[c]     # and everybody sees the same order


def test_acknowledged(t):
    """P2: stream management acknowledges what was said when it is in the record"""
    room, a = here(t, 1, sm=True)
    room.say(a, 'safe')
    a.expect_message('safe')
    a.ack_sync() if hasattr(a, 'ack_sync') else a.send("<r xmlns='urn:xmpp:sm:3'/>")
    t.server.wait(lambda: a.iq('get', "<ping xmlns='urn:xmpp:ping'/>") is not None and a.sm_acked >= 2, 'an acknowledgement')
    assert t.server.records("to_bare = '%s' AND body = 'safe'" % room.jid, 'id')


def test_too_large(t):
    """XEP-0045 §7.4: an element that no room knows goes through as it is"""
    room, a, b = here(t, 2)
    room.say(a, None, inner="<thing xmlns='urn:example:thing'><deep at='1'>text</deep></thing>")
    m = b.expect(lambda e: e.name == 'message' and e.find('urn:example:thing:thing') is not None, 'the thing')
    assert m.find('urn:example:thing:thing', 'deep').text() == 'text', m


def test_typing(t):
    """XEP-0085 §5.5: typing notifications reach the occupants, and are no part of a room's history"""
    room, a, b = here(t, 2)
    room.say(a, None, inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    b.expect(lambda e: e.find('http://jabber.org/protocol/chatstates:composing') is not None, 'the notification')
    c = t.online()
    room.join(c, 'firstwitch', seen=['thirdwitch', 'secondwitch'])
    assert not c.heard_any(lambda e: e.name == 'message'), c.heard
    assert t.server.records("to_bare = '%s' AND type = 'groupchat'" % room.jid, 'id') == []


def test_private(t):
    """XEP-0045 §7.5, examples 46 and 47: a private message comes from the sender's occupant, with <x/>, to nobody else"""
    room, a, b, c = here(t, 3)
    b.stanza("<message to='%s' type='chat' id='hgn27af1'><body>I'll give thee a wind.</body><x xmlns='%s'/></message>"
             % (room.at('thirdwitch'), USER))
    m = a.expect_message("I'll give thee a wind.")
    assert m.get('from') == room.at('secondwitch') and m.get('id') == 'hgn27af1' and m.get('type') == 'chat', m
    assert len(m.all('x', USER)) == 1 and m.get('to') == a.jid, m
    room.say(b, 'to all')
    c.expect_message('to all')
    assert not c.heard_any(lambda e: e.name == 'message'), c.heard
    got = t.server.records("body = 'I''ll give thee a wind.' AND (from_bare = '%s' OR to_bare = '%s')" % (room.jid, room.jid),
                           'from_bare, to_bare, to_resource')
    assert got == [[b.bare, room.jid, 'thirdwitch'], [room.jid, a.bare, '']], got
    assert m.find('sid:stanza-id').get('by') == a.bare, m


def test_private_errors(t):
    """XEP-0045 §7.5, example 48: type groupchat bad-request, nobody there item-not-found, not inside not-acceptable"""
    room, a, b = here(t, 2)
    c = t.online()
    for who, to, type, condition in ((a, 'secondwitch', 'groupchat', 'bad-request'), (a, 'nobody', 'chat', 'item-not-found'),
                                     (c, 'secondwitch', 'chat', 'not-acceptable')):
        id = unique('pm')
        who.stanza("<message to='%s' type='%s' id='%s'><body>psst</body></message>" % (room.at(to), type, id))
        assert refusal(who, id).condition() == condition, (to, type)
    room.say(a, 'end')
    b.expect_message('end')
    assert not b.heard_any(lambda e: e.name == 'message'), b.heard


def test_private_to_who_has_blocked(t):
    """XEP-0191 §3.3, XEP-0045 §7.5: nobody is put out of a room by a private message to who has blocked its sender"""
    room, a, b, c = here(t, 3)
    r = a.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % room.at('secondwitch'))
    assert r.get('type') == 'result', r
    b.message(room.at('thirdwitch'), 'psst')
    # What the blocker's home makes of it is back at the room before this has been there and back.
    for _ in range(3):
        room.say(c, 'aloud')
        m = a.expect(lambda e: e.get('from') in (room.at('firstwitch'), room.at('thirdwitch')) and
                     (e.name == 'message' or e.get('type') == 'unavailable'), 'what c says')
        assert m.text('body') == 'aloud', m
    assert not a.heard_any(lambda e: e.text('body') == 'psst'), a.heard


def test_private_refused_elsewhere(t):
    """XEP-0191 §3.3, XEP-0045 §14.4: who gets an error for a private message may have blocked its sender, and stays; who gets it
    for a message to all does not"""
    room, a = here(t, 1)
    k = t.component().joined()
    who, error = 'hag@%s/pda' % k.domain, ("<message type='error' from='%s' to='%s' id='%s'><error type='cancel'><service-unavailable "
                                           "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    k.stanza("<presence from='%s' to='%s'><x xmlns='%s'/></presence>" % (who, room.at('hag'), MUC))
    a.expect_presence(None, room.at('hag'))
    a.message(room.at('hag'), 'psst', id='p1')
    k.expect(lambda e: e.name == 'message' and e.text('body') == 'psst', 'the private message')
    k.stanza(error % (who, room.at('thirdwitch'), 'p1'))
    k.stanza("<message type='groupchat' from='%s' to='%s'><body>here</body></message>" % (who, room.jid))
    e = a.expect(lambda e: e.get('from') == room.at('hag'), 'what hag says')
    assert e.text('body') == 'here', e
    k.stanza(error % (who, room.jid, 'p2'))
    a.expect_presence('unavailable', room.at('hag'))


def test_subject(t):
    """XEP-0045 §8.1, examples 84 to 86: a moderator changes the subject, and who enters gets it last, with its time"""
    room, a, b = here(t, 2)
    a.stanza("<message to='%s' type='groupchat' id='lh2bs617'><subject>Fire Burn and Cauldron Bubble!</subject></message>" % room.jid)
    for c in (a, b):
        m = c.expect(lambda e: e.name == 'message' and e.find('subject') is not None, 'the subject')
        assert m.text('subject') == 'Fire Burn and Cauldron Bubble!' and m.get('from') == room.at('thirdwitch'), m
        assert m.get('id') == 'lh2bs617' and m.find('delay:delay') is None, m
    c = t.online()
    room.send_join(c, 'firstwitch')
    m = c.expect('message')
    assert m.text('subject') == 'Fire Burn and Cauldron Bubble!' and m.find('body') is None, m
    assert m.get('from') == room.at('thirdwitch') and m.find('delay:delay').get('from') == room.jid, m


def test_subject_refused(t):
    """XEP-0045 §8.1, example 87: who may not change the subject gets forbidden; a subject with a body is a message"""
    room, a, b = here(t, 2)
    b.stanza("<message to='%s' type='groupchat' id='s'><subject>mine</subject></message>" % room.jid)
    assert refusal(b, 's').condition() == 'forbidden'
    b.stanza("<message to='%s' type='groupchat'><subject>said</subject><body>with words</body></message>" % room.jid)
    m = a.expect_message('with words')
    assert m.text('subject') == 'said', m
    c = t.online()
    room.send_join(c, 'firstwitch')
    c.expect_message('with words')
    m = c.expect('message')
    assert m.find('subject') is not None and m.text('subject') == '' and m.find('delay:delay') is None, m


def test_subject_cleared(t):
    """XEP-0045 §7.2.15: a subject taken away is empty, and says when"""
    room, a = here(t, 1)
    for text in ('x', ''):
        a.stanza("<message to='%s' type='groupchat'><subject>%s</subject></message>" % (room.jid, text))
        m = a.expect(lambda e: e.name == 'message' and e.find('subject') is not None, 'the subject')
        assert m.text('subject') == text, m
    b = t.online()
    room.send_join(b, 'secondwitch')
    m = b.expect('message')
    assert m.text('subject') == '' and m.find('delay:delay') is not None, m


def test_subject_order(t):
    """P8: what is said around a change of the subject keeps its place"""
    room, a, b = here(t, 2)
    a.stanza("<message to='%s' type='groupchat'><body>1</body></message>"
             "<message to='%s' type='groupchat'><subject>2</subject></message>"
             "<message to='%s' type='groupchat'><body>3</body></message>" % ((room.jid,) * 3))
    got = [b.expect('message') for _ in range(3)]
    assert [m.text('body') or m.text('subject') for m in got] == ['1', '2', '3'], got


def test_kinds(t):
    """Corrections (XEP-0308), reactions (XEP-0444) and retractions (XEP-0424) in a room are records of these kinds"""
    room, a, b = here(t, 2)
    room.say(a, 'tpyo', id='k1')
    m = b.expect_message('tpyo')
    room.say(a, 'typo', inner="<replace xmlns='urn:xmpp:message-correct:0' id='k1'/>")
    b.expect_message('typo')
    room.say(b, None, inner="<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>x</reaction></reactions>"
             % m.find('sid:stanza-id').get('id'))
    a.expect(lambda e: e.find('urn:xmpp:reactions:0:reactions') is not None, 'the reaction')
    kinds = [r[0] for r in t.server.records("to_bare = '%s' AND type = 'groupchat'" % room.jid, 'kind')]
    assert kinds == ['1', '2', '4'], kinds


def test_who_could_read(t):
    """Who was inside at any record can be told from the records before it"""
    room, a, b = here(t, 2)
    room.say(a, 'both')
    b.expect_message('both')
    room.leave(b, 'secondwitch')
    a.expect_presence('unavailable', room.at('secondwitch'))
    room.say(a, 'one')
    a.expect_message('one')
    inside, readers = set(), {}
    for kind, body, text in t.server.records("to_bare = '%s'" % room.jid, 'kind, body, stanza'):
        if kind == '13':
            inside |= {c.jid for c in (a, b) if "jid='%s'" % c.jid in text}
        elif kind == '14':
            assert "role='none'" in text, text
            inside -= {c.jid for c in (a, b) if "jid='%s'" % c.jid in text}
        elif body:
            readers[body] = set(inside)
    assert readers == {'both': {a.jid, b.jid}, 'one': {a.jid}}, readers


@alone(limits__room_messages_per_second=1, limits__room_messages_burst=3)
def test_rate(t):
    """limits.room_messages_*: who speaks faster than the room's rate is told to wait, and nobody else is affected"""
    room, a, b = here(t, 2)
    for i in range(5):
        room.say(a, 'm%d' % i, id='r%d' % i)
    e = refusal(a)
    assert e.condition() == 'resource-constraint' and e.find('error').get('type') == 'wait', e
    for i in range(3):
        b.expect_message('m%d' % i)
    room.say(b, 'calm')
    a.expect_message('calm')


@alone(archive__patience='2s', stream__resume='10s')
def test_archive_away(t):
    """P1: while PostgreSQL is away nobody sees a message, nor anybody entering; the sender is told; who leaves has left, and the
    record of it follows"""
    room, a, b, c = here(t, 3)
    with stopped(t.server):
        room.say(a, 'lost', id='x')
        e = refusal(a, 'x')
        assert e.condition() == 'resource-constraint' and e.find('error').get('type') == 'wait', e
        room.leave(b, 'secondwitch')
        a.expect_presence('unavailable', room.at('secondwitch'))
    t.server.wait(lambda: t.server.records("to_bare = '%s' AND kind = 14" % room.jid, 'id'), 'the record of the leaving')
    room.say(a, 'found')
    m = c.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'a message')
    assert m.text('body') == 'found', m
    # What was committed although its sender was told otherwise is followed by a record that says so.
    assert t.server.records("to_bare = '%s' AND body = 'lost' AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND "
                            "x.refers_record = record.id)" % room.jid, 'id') == []
    d = t.online()
    room.send_join(d, 'fourth')
    assert d.expect('message').text('body') == 'found'


@alone()
def test_last_leaves_while_entering(t):
    """XEP-0045 §7.2.13: who is entering while the last one leaves has the history, and so has who comes later"""
    room, a = here(t, 1)
    r = a.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value></field>"
             "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
             % (OWNER, OWNER.replace('owner', 'roomconfig')), to=room.jid)
    assert r.get('type') == 'result', r
    for body in ('one', 'two'):
        room.say(a, body)
        a.expect_message(body)
    b = t.online()
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    with stopped(t.server):
        # The leaving is on its way into the record, and behind it the entering: typing follows the presence, and is not recorded.
        room.leave(a, 'thirdwitch')
        a.message(b.jid, inner=composing)
        b.expect(lambda e: e.name == 'message' and e.find('composing') is not None, 'typing')
        room.send_join(b, 'secondwitch')
        b.message(a.jid, inner=composing)
        a.expect(lambda e: e.name == 'message' and e.find('composing') is not None, 'typing')
    b.expect_presence(None, room.at('secondwitch'))
    room.say(b, 'three')
    for body in ('one', 'two', 'three'):
        assert b.expect(lambda e: e.name == 'message' and e.find('body') is not None, body).text('body') == body
    c = t.online()
    room.join(c, 'fourth', seen=['secondwitch'], history=3)


@alone()
def test_while_the_record_waits(t):
    """XEP-0045 §9.1, §10.9: who is banned while entering has been inside and is put out; what was said before the room ends is heard before"""
    room, a, b = here(t, 2)
    c = t.online()
    with stopped(t.server):
        room.send_join(c, 'firstwitch')
        c.message(a.jid, inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        a.expect(lambda e: e.name == 'message' and e.find('composing') is not None, 'typing')
        ban = a.iq_send('set', "<query xmlns='%s'><item affiliation='outcast' jid='%s'/></query>"
                        % (OWNER.replace('owner', 'admin'), c.bare), to=room.jid)
    assert '110' in codes(c.expect_presence(None, room.at('firstwitch')))
    assert {'110', '301'} <= set(codes(c.expect_presence('unavailable', room.at('firstwitch'))))
    for x in a, b:
        x.expect_presence(None, room.at('firstwitch'))
        assert '301' in codes(x.expect_presence('unavailable', room.at('firstwitch')))
    assert a.expect(lambda e: e.name == 'iq' and e.get('id') == ban).get('type') == 'result'
    room.send_join(c, 'firstwitch')
    assert c.expect_presence('error').condition() == 'forbidden'
    with stopped(t.server):
        room.say(b, 'last words')
        b.ping()    # so it has gone to the room
        a.iq_send('set', "<query xmlns='%s'><destroy/></query>" % OWNER, to=room.jid)
    for x in a, b:
        e = x.expect(lambda e: e.get('from') == room.at('secondwitch') and e.name == 'message' or e.name == 'presence'
                     and e.get('type') == 'unavailable', 'the last words')
        assert e.text('body') == 'last words', e
    b.expect_presence('unavailable', room.at('secondwitch'))

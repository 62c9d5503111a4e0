"""Rooms: entering, being inside, leaving (XEP-0045 §7)."""
from chancerytest.muc import MUC, USER, Room, codes, here, item
from chancerytest.scenario import alone


def test_enter_new(t):
    """XEP-0045 §7.2.1, §10.1: who enters a room that was not there has created it, owns it, and is told so"""
    a, room = t.online(), Room(t)
    p = room.join(a, 'thirdwitch')
    assert set(codes(p)) == {'110', '170', '201'}, p
    i = item(p)
    assert (i.get('affiliation'), i.get('role')) == ('owner', 'moderator'), p


def test_enter_others(t):
    """XEP-0045 §7.2.2, examples 21 to 23: others' presence comes first, one's own last, with 110; others see the new one"""
    room, a = here(t, 1)
    b = t.online()
    room.send_join(b, 'secondwitch', id='n13mt3l')
    got = [b.expect('presence') for _ in range(2)]
    assert [p.get('from') for p in got] == [room.at('thirdwitch'), room.at('secondwitch')], got
    assert '110' in codes(got[1]) and '110' not in codes(got[0]) and got[1].get('id') == 'n13mt3l', got
    assert (item(got[0]).get('affiliation'), item(got[0]).get('role')) == ('owner', 'moderator'), got
    p = a.expect_presence(None, room.at('secondwitch'))
    assert (item(p).get('affiliation'), item(p).get('role')) == ('none', 'participant') and codes(p) == [], p
    assert item(p).get('jid') == b.jid, p           # a moderator sees it (§7.2.4)
    assert item(got[0]).get('jid') is None, got     # others do not


def test_enter_no_nick(t):
    """XEP-0045 §7.2.1, example 19: without a nickname there is nothing to enter by"""
    a, room = t.online(), Room(t)
    a.stanza("<presence to='%s' id='x'><x xmlns='%s'/></presence>" % (room.jid, MUC))
    p = a.expect_presence('error', room.jid)
    assert p.condition() == 'jid-malformed' and p.get('id') == 'x' and p.find('error').get('type') == 'modify', p


def test_enter_blank_nick(t):
    """XEP-0045 §7.2.8: a nickname of spaces is none"""
    a, room = t.online(), Room(t)
    a.stanza("<presence to='%s'><x xmlns='%s'/></presence>" % (room.at('  '), MUC))
    p = a.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal')
    assert p.condition() == 'jid-malformed', p


def test_enter_long_nick(t):
    """XEP-0045 §7.2: a nickname longer than limits.room_nick_bytes is not acceptable"""
    a, room = t.online(), Room(t)
    room.send_join(a, 'n' * 300)
    p = a.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal')
    assert p.condition() == 'not-acceptable', p


def test_not_muc(t):
    """XEP-0045 §7.2.1, end: presence without <x/> of who is not inside is answered by a kick, 110, 307, 333"""
    room, a = here(t, 1)
    b = t.online()
    b.stanza("<presence to='%s'/>" % room.at('oldhag'))
    p = b.expect_presence('unavailable', room.at('oldhag'))
    assert set(codes(p)) == {'110', '307', '333'} and item(p).get('role') == 'none', p
    room.say(a, 'still alone')
    a.expect_message('still alone')
    assert not a.heard_any(lambda e: e.name == 'presence' and 'oldhag' in e.get('from', '')), a.heard


def test_nick_conflict(t):
    """XEP-0045 §7.2.8, example 32: a nickname in use is refused, also one that looks like it"""
    room, a = here(t, 1)
    b = t.online()
    # The same in capitals, and with a Cyrillic letter that looks like the Latin one.
    for nick in ('thirdwitch', 'ThirdWitch', 'th\u0456rdwitch'):
        room.send_join(b, nick)
        p = b.expect_presence('error', room.at(nick))
        assert p.condition() == 'conflict' and p.find('error').get('type') == 'cancel', p


def test_several_clients(t):
    """XEP-0045 §7.2.8: clients of one person under one nickname: each gets everything, and the occupant leaves with the last"""
    room, a, b = here(t, 2)
    b2 = t.online(b)
    p = room.join(b2, 'secondwitch', seen=['thirdwitch'])
    assert '201' not in codes(p), p
    a.expect_presence(None, room.at('secondwitch'))
    room.say(b2, 'from the other client')
    for c in (a, b, b2):
        assert c.expect_message('from the other client').get('from') == room.at('secondwitch')
    a.stanza("<message to='%s' type='chat' id='pm'><body>psst</body></message>" % room.at('secondwitch'))
    for c in (b, b2):
        assert c.expect_message('psst').get('from') == room.at('thirdwitch')
    room.leave(b2, 'secondwitch')
    b2.expect_presence('unavailable', room.at('secondwitch'))
    room.say(b, 'still here')
    for c in (a, b):
        c.expect_message('still here')
    assert not a.heard_any(lambda e: e.name == 'presence' and e.get('type') == 'unavailable'), a.heard
    room.leave(b, 'secondwitch')
    a.expect_presence('unavailable', room.at('secondwitch'))


def test_entered_again(t):
    """XEP-0045 §7.2.1: who is inside and enters again gets all that it would have got, and is inside once"""
    room, a, b = here(t, 2)
    room.say(a, 'one')
    for c in (a, b):
        c.expect_message('one')
    p = room.join(b, 'secondwitch', seen=['thirdwitch'], history=1)
    assert '201' not in codes(p), p
    room.say(a, 'two')
    b.expect_message('two')
    b.iq('get', "<ping xmlns='urn:xmpp:ping'/>")
    assert not b.heard_any(lambda e: e.name == 'message' and e.text('body') == 'two'), b.heard


def test_history(t):
    """XEP-0045 §7.2.13: what was said comes behind one's own presence and before the subject, with its time; live messages then"""
    room, a = here(t, 1)
    for i in range(3):
        room.say(a, 'old %d' % i, id='m%d' % i)
        live = a.expect_message('old %d' % i)
    b = t.online()
    room.send_join(b, 'secondwitch')
    got = []
    while not got or got[-1].find('subject') is None:
        got.append(b.expect(lambda e: e.name in ('presence', 'message') and '/conference' not in e.get('from', ''), 'all of it'))
    assert [e.name for e in got] == ['presence', 'presence', 'message', 'message', 'message', 'message'], got
    for i, m in enumerate(got[2:5]):
        assert m.text('body') == 'old %d' % i and m.get('id') == 'm%d' % i and m.get('from') == room.at('thirdwitch'), m
        d = m.find('delay:delay')
        assert d.get('from') == room.jid and d.get('stamp').endswith('Z'), m
    assert got[4].find('sid:stanza-id').get('id') == live.find('sid:stanza-id').get('id'), got


def test_history_bounds(t):
    """XEP-0045 §7.2.14, examples 40 to 44: maxstanzas, maxchars, seconds and since"""
    room, a = here(t, 1)
    for i in range(5):
        room.say(a, 'old %d' % i)
        a.expect_message('old %d' % i)
    n = 0

    def enter(history):
        nonlocal n
        n += 1
        b = t.online()
        room.send_join(b, 'w%d' % n, history)
        got = []
        while True:
            e = b.expect('message')
            if e.find('body') is None:
                room.leave(b, 'w%d' % n)
                b.expect_presence('unavailable', room.at('w%d' % n))
                return [m.text('body') for m in got], got
            got.append(e)
    assert enter('')[0] == ['old %d' % i for i in range(5)]
    assert enter("<history maxstanzas='2'/>")[0] == ['old 3', 'old 4']
    assert enter("<history maxstanzas='0'/>")[0] == []
    assert enter("<history maxchars='0'/>")[0] == []
    assert enter("<history maxchars='650'/>")[0] in (['old 4'], ['old 3', 'old 4'])
    assert enter("<history seconds='180'/>")[0] == ['old %d' % i for i in range(5)]
    assert enter("<history since='1970-01-01T00:00:00Z'/>")[0] == ['old %d' % i for i in range(5)]
    assert enter("<history since='2999-01-01T00:00:00Z'/>")[0] == []
    assert enter("<history maxstanzas='nonsense'/>")[0] == ['old %d' % i for i in range(5)]
    stamp = enter('')[1][2].find('delay:delay').get('stamp')
    # A stamp has milliseconds, and what is said within one is said at the same time.
    assert enter("<history since='%s' maxstanzas='9'/>" % stamp)[0][-3:] == ['old 2', 'old 3', 'old 4']


def test_history_after_empty(t):
    """XEP-0045 §7.2.13: a room that nobody was in for a while shows what the record has of it"""
    room, a = here(t, 1)
    room.say(a, 'remember')
    a.expect_message('remember')
    room.leave(a, 'thirdwitch')
    a.expect_presence('unavailable', room.at('thirdwitch'))
    room.send_join(a, 'thirdwitch')
    m = a.expect_message('remember')
    assert m.find('delay:delay') is not None and m.find('sid:stanza-id') is not None, m
    p = a.expect_presence(None, room.at('thirdwitch'))
    assert '201' not in codes(p), p


def test_leave(t):
    """XEP-0045 §7.14, examples 80 to 82: who leaves is told with 110, role none; the others too, with the parting words"""
    room, a, b = here(t, 2)
    b.stanza("<presence to='%s' type='unavailable' id='bye'><status>gone where the goblins go</status></presence>" % room.at('secondwitch'))
    p = b.expect_presence('unavailable', room.at('secondwitch'))
    assert codes(p) == ['110'] and item(p).get('role') == 'none' and p.get('id') == 'bye', p
    p = a.expect_presence('unavailable', room.at('secondwitch'))
    assert p.get('id') is None and codes(p) == [] and item(p).get('role') == 'none' and p.text('status') == 'gone where the goblins go', p
    room.say(b, 'hello?', id='late')
    e = b.expect(lambda e: e.name == 'message' and e.get('type') == 'error', 'a refusal')
    assert e.condition() == 'not-acceptable' and e.get('id') == 'late', e


def test_goes_offline(t):
    """XEP-0045 §7.14: who becomes unavailable, or whose stream ends, is no longer inside"""
    room, a, b, c = here(t, 3)
    b.stanza("<presence type='unavailable'/>")
    a.expect_presence('unavailable', room.at('secondwitch'))
    c.cut()
    a.expect_presence('unavailable', room.at('firstwitch'))


def test_status_change(t):
    """XEP-0045 §7.7: another status is passed on with role and affiliation, from the occupant"""
    room, a, b = here(t, 2)
    b.stanza("<presence to='%s'><show>xa</show><status>gone</status>"
             "<x xmlns='%s'><item affiliation='owner' role='moderator'/></x></presence>" % (room.at('secondwitch'), USER))
    p = a.expect_presence(None, room.at('secondwitch'))
    assert p.text('show') == 'xa' and p.text('status') == 'gone', p
    assert len(p.all('x', USER)) == 1 and item(p).get('affiliation') == 'none' and item(p).get('role') == 'participant', p
    p = b.expect_presence(None, room.at('secondwitch'))
    assert '110' in codes(p), p


def test_forged_hats(t):
    """XEP-0317 §4: hats are the room's to give: what a client says to wear is taken out"""
    room, a, b = here(t, 2)
    b.presence(to=room.at('secondwitch'), inner="<status>hatted</status><hats xmlns='urn:xmpp:hats:0'>"
               "<hat title='Host' uri='urn:example:host'/></hats>")
    p = a.expect_presence(None, room.at('secondwitch'))
    assert p.text('status') == 'hatted' and 'Host' not in str(p), p


def test_nick_change(t):
    """XEP-0045 §7.6, examples 52 and 53: unavailable with 303 and the new name, then presence by it"""
    room, a, b = here(t, 2)
    b.stanza("<presence to='%s'/>" % room.at('oldhag'))
    for c, own in ((a, False), (b, True)):
        p = c.expect_presence('unavailable', room.at('secondwitch'))
        assert item(p).get('nick') == 'oldhag' and '303' in codes(p) and ('110' in codes(p)) == own, p
        p = c.expect_presence(None, room.at('oldhag'))
        assert ('110' in codes(p)) == own and item(p).get('role') == 'participant', p
    room.say(b, 'new')
    assert a.expect_message('new').get('from') == room.at('oldhag')
    c = t.online()
    room.join(c, 'secondwitch', seen=['thirdwitch', 'oldhag'])


def test_nick_change_conflict(t):
    """XEP-0045 §7.6, example 55: to a nickname in use is a conflict, and nothing changes"""
    room, a, b = here(t, 2)
    for nick in ('thirdwitch', 'ThirdWitch'):
        b.stanza("<presence to='%s'/>" % room.at(nick))
        p = b.expect_presence('error', room.at(nick))
        assert p.condition() == 'conflict', p
    b.stanza("<presence to='%s'/>" % room.at('SecondWitch'))
    a.expect_presence(None, room.at('SecondWitch'))     # one's own in other letters is free


def test_quick(t):
    """XEP-0045 §7.2: what is sent behind the entering without waiting for it comes in order"""
    room, a = here(t, 1)
    b = t.online()
    b.stanza("<presence to='%s'><x xmlns='%s'/></presence>" % (room.at('secondwitch'), MUC)
             + ''.join("<message to='%s' type='groupchat'><body>%d</body></message>" % (room.jid, i) for i in range(5))
             + "<presence to='%s'/>" % room.at('oldhag')
             + "<message to='%s' type='groupchat'><body>5</body></message>" % room.jid
             + "<presence to='%s' type='unavailable'/>" % room.at('oldhag')
             + "<message to='%s' type='groupchat' id='late'><body>6</body></message>" % room.jid)
    for c in (a, b):
        for i in range(6):
            m = c.expect('message') if c is a else c.expect(lambda e: e.name == 'message' and e.text('body'), 'a message')
            assert m.text('body') == str(i), m
            assert m.get('from') == room.at('oldhag' if i == 5 else 'secondwitch'), m
    e = b.expect(lambda e: e.name == 'message' and e.get('type') == 'error', 'a refusal')
    assert e.condition() == 'not-acceptable' and e.get('id') == 'late', e
    a.expect_presence('unavailable', room.at('oldhag'))


def test_many_at_once(t):
    """XEP-0045 §7.2: people who enter at the same moment see all of each other, whatever reactor they are on"""
    room, a = here(t, 1)
    people = [t.online() for _ in range(6)]
    for i, c in enumerate(people):
        room.send_join(c, 'n%d' % i)
    names = {room.at('thirdwitch')} | {room.at('n%d' % i) for i in range(6)}
    for c in people + [a]:
        seen = {room.at('thirdwitch')} if c is a else set()
        while seen != names:
            seen.add(c.expect('presence').get('from'))
    for i, c in enumerate(people):
        room.say(c, 'from %d' % i)
    for c in people + [a]:
        for i in range(6):
            c.expect_message('from %d' % i)


def test_error_bounce(t):
    """XEP-0045 §18.1.2: an occupant whose client's server says that it cannot be reached is removed, with 307 and 333"""
    room, a = here(t, 1)
    k = t.component().joined()
    who = 'hag@%s/pda' % k.domain
    k.stanza("<presence from='%s' to='%s'><x xmlns='%s'/></presence>" % (who, room.at('hag'), MUC))
    a.expect_presence(None, room.at('hag'))
    room.say(a, 'hello', id='b1')
    m = k.expect(lambda e: e.name == 'message' and e.text('body') == 'hello', 'the message')
    k.stanza("<message type='error' from='%s' to='%s' id='b1'><error type='modify'><not-acceptable "
             "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (who, room.jid))
    k.stanza("<message type='error' from='%s' to='%s' id='b1'><error type='cancel'><service-unavailable "
             "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (who, room.jid))
    p = a.expect_presence('unavailable', room.at('hag'))
    assert {'307', '333'} <= set(codes(p)), p
    assert m.get('to') == who, m


def test_presence_of_service(t):
    """XEP-0045 §7.2.1: the service itself is no room"""
    a = t.online()
    a.stanza("<presence to='conference.%s/nick'><x xmlns='%s'/></presence>" % (t.server.domain, MUC))
    p = a.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal')
    assert p.condition() == 'jid-malformed', p
    a.stanza("<message to='conference.%s' id='m'><body>hello</body></message>" % t.server.domain)
    assert a.expect(lambda e: e.name == 'message' and e.get('type') == 'error', 'a refusal').condition() == 'service-unavailable'


@alone(limits__room_occupants=2, limits__room_seats=1)
def test_full(t):
    """XEP-0045 §7.2.9, example 34: a full room refuses with service-unavailable, of type wait"""
    room, a, b = here(t, 2)
    c = t.online()
    room.send_join(c, 'firstwitch')
    p = c.expect_presence('error', room.at('firstwitch'))
    assert p.condition() == 'service-unavailable' and p.find('error').get('type') == 'wait', p
    b2 = t.online(b)
    room.send_join(b2, 'secondwitch')
    assert b2.expect_presence('error', room.at('secondwitch')).condition() == 'resource-constraint'
    room.leave(b, 'secondwitch')
    a.expect_presence('unavailable', room.at('secondwitch'))
    room.join(c, 'firstwitch', seen=['thirdwitch'])


@alone(rooms__on='false')
def test_off(t):
    """rooms.on: without rooms there is no such domain"""
    a, room = t.online(), Room(t)
    room.send_join(a, 'nick')
    p = a.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal')
    # It is nobody's then, like every domain that no administrator has allowed.
    assert p.condition() == 'not-allowed', p


@alone()
def test_restart(t):
    """XEP-0045: a room survives the server's restart with owner, subject and what was said; nobody is inside any more, and the
    record says so"""
    room, a, b = here(t, 2)
    a.stanza("<message to='%s' type='groupchat'><subject>Fire Burn</subject></message>" % room.jid)
    room.say(a, 'before')
    b.expect_message('before')
    t.server.kill()
    t.server.start()
    c, d = t.online(a), t.online(b)
    room.send_join(d, 'secondwitch')
    p = d.expect('presence')
    assert p.get('from') == room.at('secondwitch') and '110' in codes(p) and '201' not in codes(p), p
    assert d.expect_message('before').find('delay:delay') is not None
    s = d.expect(lambda e: e.name == 'message' and e.find('subject') is not None, 'the subject')
    assert s.text('subject') == 'Fire Burn' and s.get('from') == room.at('thirdwitch'), s
    assert s.find('delay:delay').get('from') == room.jid, s
    p = room.join(c, 'thirdwitch', seen=['secondwitch'], history=1)
    assert item(p).get('affiliation') == 'owner' and item(p).get('role') == 'moderator', p
    kinds = [r[0] for r in t.server.records("to_bare = '%s'" % room.jid, 'kind')]
    # Created, configured; two enter and talk; the server was started again; two enter.
    assert [int(k) for k in kinds] == [17, 13, 17, 13, 1, 1, 17, 13, 13], kinds


@alone()
def test_stopped(t):
    """XEP-0045 §18.2: when the server stops its occupants are told with 332; that they left is in the record"""
    room, a, b = here(t, 2)
    room.say(a, 'before')
    b.expect_message('before')
    t.server.terminate()
    for c, nick in ((a, 'thirdwitch'), (b, 'secondwitch')):
        p = c.expect(lambda e: e.name == 'presence' and e.get('type') == 'unavailable' and '332' in codes(e), 'a farewell')
        assert p.get('from') == room.at(nick) and '110' in codes(p), p
        assert c.expect_end() == 'system-shutdown'
    t.server.wait_gone()
    t.server.start()
    kinds = [r[0] for r in t.server.records("to_bare = '%s'" % room.jid, 'kind')]
    assert kinds == ['17', '13', '17', '13', '1', '14', '14'], kinds
    c = t.online(b)
    room.send_join(c, 'secondwitch')
    c.expect_presence(None, room.at('secondwitch'))
    c.expect_message('before')

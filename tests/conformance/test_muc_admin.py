"""Moderators and admins of rooms (XEP-0045 §8, §9): roles, bans, members, and their lists."""
from chancerytest.rooms import (new_room, create, enter, leave, change, change_many, listed, items, ok, refused, seen, become,
                                codes, item, standing, configure, leave, USER, ADMIN)
from chancerytest.scenario import alone


def cast(t, n, **config):
    """A room, its owner 'first', and n more occupants 'second', 'third', …: (room, clients). Nothing is left in their ears."""
    room, clients = new_room(t), []
    for nick in ('first', 'second', 'third', 'fourth')[:n + 1]:
        c = t.online()
        if clients:
            assert enter(c, room, nick).get('type') is None
            for x in clients:
                seen(x, room, nick)
        else:
            create(c, room, nick, **config)
        clients.append(c)
    for c in clients:
        c.heard.clear()
    return room, clients


def test_kick(t):
    """XEP-0045 §8.2: who is kicked gets 307, the reason and who did it; the others get it too; the room can be entered again"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, nick='second', role='none', reason='Avaunt, you cullion!'))
    e = seen(b, room, 'second', type='unavailable')
    assert {110, 307} <= codes(e) and standing(e) == ('none', 'none'), e
    assert item(e).text('reason') == 'Avaunt, you cullion!' and item(e).find('actor').get('nick') == 'first', e
    for x in (a, c):
        e = seen(x, room, 'second', type='unavailable')
        assert 307 in codes(e) and 110 not in codes(e) and standing(e)[1] == 'none', e
    b.message(room, 'I am gone', type='groupchat')
    assert b.expect('message').get('type') == 'error'
    assert enter(b, room, 'second').get('type') is None


def test_kick_all_sessions(t):
    """XEP-0045 §8.2: each client of an occupant is removed"""
    room, (a, b) = cast(t, 1)
    b2 = t.online(b)
    assert enter(b2, room, 'second').get('type') is None
    ok(change(a, room, nick='second', role='none'))
    for x in (b, b2):
        assert 307 in codes(seen(x, room, 'second', type='unavailable'))


def test_kick_errors(t):
    """XEP-0045 §8.2: not above one's own affiliation, not by who is no moderator, nobody who is not there"""
    room, (a, b, c) = cast(t, 2)
    refused(change(b, room, nick='third', role='none'), 'forbidden', 'auth')
    refused(change(a, room, nick='nobody', role='none'), 'item-not-found')
    ok(change(a, room, nick='second', role='moderator'))
    become(b, room, 'second', role='moderator')
    refused(change(b, room, nick='first', role='none'), 'not-allowed', 'cancel')
    ok(change(a, room, nick='third', role='moderator'))
    become(b, room, 'third', role='moderator')
    refused(change(b, room, nick='third', role='none'), 'not-allowed')
    stranger = t.online()
    refused(change(stranger, room, nick='third', role='none'), 'forbidden')
    assert not c.heard_any(lambda e: e.get('type') == 'unavailable')


def test_voice(t):
    """XEP-0045 §8.3, §8.4: voice is granted and revoked, with a reason, and everybody sees it"""
    room, (a, b) = cast(t, 1, moderatedroom=1)
    b.message(room, 'May I?', type='groupchat')
    assert b.expect('message').condition() == 'forbidden'
    ok(change(a, room, nick='second', role='participant', reason='A worthy witch indeed!'))
    for x in (a, b):
        e = become(x, room, 'second', role='participant')
        assert item(e).text('reason') == 'A worthy witch indeed!', e
    b.message(room, 'I may', type='groupchat')
    a.expect_message('I may')
    ok(change(a, room, nick='second', role='visitor', reason='Not so worthy after all!'))
    for x in (a, b):
        become(x, room, 'second', role='visitor')
    b.message(room, 'And now?', type='groupchat')
    assert b.expect(lambda e: e.name == 'message' and e.get('type') == 'error').condition() == 'forbidden'


def test_voice_errors(t):
    """XEP-0045 §8.4: nobody takes the voice of an admin, an owner, or of who is of the same standing"""
    room, (a, b, c, d) = cast(t, 3, moderatedroom=1)
    ok(change(a, room, nick='second', role='moderator'))
    e = refused(change_many(b, room, [dict(nick='third', role='visitor'), dict(nick='first', role='visitor')]), 'not-allowed', 'cancel')
    assert [i.get('nick') for i in e.find(ADMIN + ':query').all('item')] == ['first'], 'along with the offending item'
    ok(change(a, room, jid=c.bare, affiliation='admin'))
    refused(change(a, room, nick='third', role='visitor'), 'not-allowed')
    refused(change(a, room, nick='first', role='visitor'), 'not-allowed')
    ok(change(a, room, jid=d.bare, affiliation='member'))
    refused(change(b, room, nick='fourth', role='visitor'), 'not-allowed')
    ok(change(a, room, jid=b.bare, affiliation='member'))
    refused(change(b, room, nick='fourth', role='visitor'), 'not-allowed')
    refused(change(d, room, nick='second', role='visitor'), 'forbidden')


def test_voice_list(t):
    """XEP-0045 §8.5: the list of who has voice, and several changes at once, or none of them"""
    room, (a, b, c, d) = cast(t, 3)
    got = {i.get('nick'): i for i in items(listed(a, room, role='participant'))}
    assert set(got) == {'second', 'third', 'fourth'}, got
    i = got['second']
    assert (i.get('role'), i.get('affiliation'), i.get('jid')) == ('participant', 'none', b.jid), i
    refused(listed(b, room, role='participant'), 'forbidden')
    ok(change_many(a, room, [dict(nick='second', role='visitor'), dict(nick='third', role='visitor', reason='A fellow.')]))
    become(d, room, 'second', role='visitor')
    become(d, room, 'third', role='visitor')
    assert {i.get('nick') for i in items(listed(a, room, role='visitor'))} == {'second', 'third'}
    refused(change_many(a, room, [dict(nick='second', role='participant'), dict(nick='first', role='visitor')]), 'not-allowed')
    assert {i.get('nick') for i in items(listed(a, room, role='visitor'))} == {'second', 'third'}


def test_ban(t):
    """XEP-0045 §9.1: who is banned is removed with 301 and does not come back; the list says why"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, jid=b.bare, affiliation='outcast', reason='Treason'))
    e = seen(b, room, 'second', type='unavailable')
    assert {110, 301} <= codes(e) and standing(e) == ('outcast', 'none'), e
    assert item(e).text('reason') == 'Treason' and item(e).find('actor') is not None, e
    e = seen(c, room, 'second', type='unavailable')
    assert 301 in codes(e) and standing(e) == ('outcast', 'none'), e
    refused(enter(b, room, 'second'), 'forbidden', 'auth')
    i, = items(listed(a, room, affiliation='outcast'))
    assert (i.get('jid'), i.get('affiliation'), i.text('reason')) == (b.bare, 'outcast', 'Treason'), i
    assert i.get('role') is None and i.get('nick') is None, i
    ok(change(a, room, jid=b.bare, affiliation='none'))
    assert not items(listed(a, room, affiliation='outcast'))
    assert enter(b, room, 'second').get('type') is None


def test_ban_by_full_address(t):
    """XEP-0045 §9.1: a ban is for the bare address, also when the full one is given, or the nickname of who is inside"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, jid=b.jid, affiliation='outcast'))
    assert 301 in codes(seen(b, room, 'second', type='unavailable'))
    ok(change(a, room, nick='third', affiliation='outcast'))
    assert 301 in codes(seen(c, room, 'third', type='unavailable'))
    assert {i.get('jid') for i in items(listed(a, room, affiliation='outcast'))} == {b.bare, c.bare}


def test_ban_domain(t):
    """XEP-0045 §9.2: a domain is banned with all its users, but for those who are something to the room"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, jid=c.bare, affiliation='member'))
    ok(change(a, room, jid=t.server.domain, affiliation='outcast'))
    assert 301 in codes(seen(b, room, 'second', type='unavailable'))
    refused(enter(b, room, 'second'), 'forbidden')
    c.message(room, 'still here', type='groupchat')
    a.expect_message('still here')
    refused(change(a, room, jid=t.server.domain, affiliation='admin'), 'not-allowed')


def test_actor(t):
    """XEP-0045 §8.2, §9.1: who did it is known to everybody by nickname, by address only to those who see addresses"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, nick='third', role='moderator'))
    assert item(become(c, room, 'third', role='moderator')).find('actor').get('jid') == a.bare
    ok(change(a, room, nick='second', affiliation='member'))
    told = [become(b, room, 'second', affiliation='member')]
    ok(change(a, room, nick='second', role='none'))
    told.append(seen(b, room, 'second', type='unavailable'))
    assert item(seen(c, room, 'second', type='unavailable')).find('actor').get('jid') == a.bare
    assert enter(b, room, 'second').get('type') is None
    ok(change(a, room, jid=b.bare, affiliation='outcast'))
    told.append(seen(b, room, 'second', type='unavailable'))
    for e in told:
        assert item(e).get('jid') == b.jid and item(e).find('actor').get('nick') == 'first', e
        assert item(e).find('actor').get('jid') is None and a.user + '@' not in str(e), e


def test_ban_errors(t):
    """XEP-0045 §9.1, §9.2: no admin bans an owner or an admin, nobody themselves; one of these refuses all"""
    room, (a, b, c, d) = cast(t, 3)
    refused(change(b, room, jid=c.bare, affiliation='outcast'), 'forbidden', 'auth')
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    refused(change(b, room, jid=a.bare, affiliation='outcast'), 'not-allowed', 'cancel')
    refused(change(b, room, jid=b.bare, affiliation='outcast'), 'conflict', 'cancel')
    refused(change(a, room, jid=a.bare, affiliation='outcast'), 'conflict', 'cancel')
    ok(change(a, room, jid=c.bare, affiliation='admin'))
    refused(change(b, room, jid=c.bare, affiliation='outcast'), 'not-allowed')
    refused(change_many(b, room, [dict(jid=d.bare, affiliation='outcast'), dict(jid=a.bare, affiliation='outcast')]), 'not-allowed')
    refused(listed(d, room, affiliation='outcast'), 'forbidden')
    assert not items(listed(a, room, affiliation='outcast'))
    assert not d.heard_any(lambda e: e.get('type') == 'unavailable')


def test_ban_takes_the_nickname(t):
    """XEP-0045 §9.1: the registered nickname of who is banned is free"""
    room, (a, b) = cast(t, 1)
    c = t.online()
    ok(change(a, room, jid=b.bare, affiliation='member', nick='hag'))
    refused(enter(c, room, 'hag'), 'conflict')
    ok(change(a, room, jid=b.bare, affiliation='outcast'))
    assert enter(c, room, 'hag').get('type') is None


def test_member(t):
    """XEP-0045 §9.3, §9.4: membership is granted and revoked, and seen"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, jid=b.bare, affiliation='member', nick='thirdwitch', reason='A worthy witch indeed!'))
    e = become(c, room, 'second', affiliation='member')
    assert standing(e) == ('member', 'participant') and item(e).text('reason'), e
    i, = items(listed(a, room, affiliation='member'))
    assert (i.get('jid'), i.get('affiliation'), i.get('nick')) == (b.bare, 'member', 'thirdwitch') and i.get('role') is None, i
    ok(change(a, room, jid=b.bare, affiliation='none', reason='Not so worthy after all!'))
    e = become(c, room, 'second', affiliation='none')
    assert standing(e) == ('none', 'participant'), e
    assert not items(listed(a, room, affiliation='member'))


def test_member_gets_voice(t):
    """XEP-0045 §5.1.3: a member of a moderated room may speak"""
    room, (a, b) = cast(t, 1, moderatedroom=1)
    ok(change(a, room, jid=b.bare, affiliation='member'))
    become(b, room, 'second', affiliation='member', role='participant')


def test_member_removed(t):
    """XEP-0045 §9.4: in a room for members who is none any more leaves with 321, without another word"""
    room, (a, b, c) = cast(t, 2)
    for x in (b, c):
        ok(change(a, room, jid=x.bare, affiliation='member'))
    ok(configure(a, room, membersonly=1))
    for x in (a, b, c):
        x.ping(t.server.domain)
        x.heard.clear()
    ok(change(a, room, jid=b.bare, affiliation='none'))
    e = seen(b, room, 'second', type='unavailable')
    assert {110, 321} <= codes(e) and standing(e) == ('none', 'none'), e
    assert 321 in codes(seen(c, room, 'second', type='unavailable'))
    assert not c.heard_any(lambda e: e.name == 'presence' and e.get('from', '').endswith('/second'))
    refused(enter(b, room, 'second'), 'registration-required', 'auth')


def test_member_list(t):
    """XEP-0045 §9.5: the list is the admins'; members see it where addresses are no secret"""
    room, (a, b, c) = cast(t, 2)
    ok(change_many(a, room, [dict(jid=b.bare, affiliation='member'), dict(jid='hecate@shakespeare.example', affiliation='member')]))
    assert {i.get('jid') for i in items(listed(a, room, affiliation='member'))} == {b.bare, 'hecate@shakespeare.example'}
    refused(listed(b, room, affiliation='member'), 'forbidden', 'auth')
    refused(change(b, room, jid=c.bare, affiliation='member'), 'forbidden', 'auth')
    ok(configure(a, room, whois='anyone', membersonly=1, getmemberlist=['moderator', 'participant']))
    assert len(items(listed(b, room, affiliation='member'))) == 2
    leave(b, room, 'second')
    assert len(items(listed(b, room, affiliation='member'))) == 2
    refused(listed(c, room, affiliation='member'), 'forbidden')
    ok(change_many(a, room, [dict(jid=b.bare, affiliation='none'), dict(jid=c.bare, affiliation='member')]))
    assert {i.get('jid') for i in items(listed(a, room, affiliation='member'))} == {c.bare, 'hecate@shakespeare.example'}


def test_new_member_is_invited(t):
    """XEP-0045 §9.5: who becomes a member of a room for members is told of it, with its password; once"""
    room, (a,) = cast(t, 0, membersonly=1, passwordprotectedroom=1, roomsecret='cauldronburn')
    b = t.online()
    ok(change(a, room, jid=b.bare, affiliation='member'))
    m = b.expect(lambda e: e.name == 'message' and e.get('from') == room and e.find(USER + ':x', 'invite') is not None)
    assert m.find(USER + ':x', 'invite').get('from').startswith(a.bare), m
    assert m.find(USER + ':x').text('password') == 'cauldronburn', m
    assert enter(b, room, 'second', 'cauldronburn').get('type') is None


def test_reserved_nick(t):
    """XEP-0045 §9.3, §9.5: a nickname that an admin gives is its owner's alone, and can be taken back"""
    room, (a, b) = cast(t, 1)
    c = t.online()
    ok(change(a, room, jid=b.bare, affiliation='member', nick='hecate'))
    refused(enter(c, room, 'hecate'), 'conflict', 'cancel')
    refused(change(a, room, jid=c.bare, affiliation='member', nick='hecate'), 'conflict')
    refused(change(a, room, jid=c.bare, affiliation='member', nick='second'), 'conflict')
    ok(change(a, room, jid=b.bare, affiliation='member', nick=''))
    assert enter(c, room, 'hecate').get('type') is None


def test_moderator(t):
    """XEP-0045 §9.6, §9.7: admins make moderators and unmake them; a moderator sees addresses"""
    room, (a, b, c) = cast(t, 2)
    ok(change(a, room, nick='second', role='moderator', reason='A worthy witch indeed!'))
    for x in (a, b, c):
        e = become(x, room, 'second', role='moderator')
        assert item(e).text('reason') == 'A worthy witch indeed!', e
    ok(change(b, room, nick='third', role='visitor'))
    e = become(b, room, 'third', role='visitor')
    assert item(e).get('jid') == c.jid, e
    ok(change(a, room, nick='second', role='participant'))
    become(c, room, 'second', role='participant')
    refused(change(b, room, nick='third', role='participant'), 'forbidden')


def test_moderator_errors(t):
    """XEP-0045 §5.1.3, §9.7: who is a moderator by affiliation stays one; moderators alone make none"""
    room, (a, b, c, d) = cast(t, 3)
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    become(a, room, 'second', affiliation='admin', role='moderator')
    ok(change(b, room, nick='third', role='moderator'))
    refused(change(b, room, nick='first', role='participant'), 'not-allowed', 'cancel')
    refused(change(c, room, nick='first', role='participant'), 'not-allowed')
    refused(change(c, room, nick='second', role='participant'), 'not-allowed')
    refused(change(a, room, nick='second', role='participant'), 'not-allowed')
    refused(change(c, room, nick='fourth', role='moderator'), 'forbidden', 'auth')
    refused(change(d, room, nick='fourth', role='moderator'), 'forbidden', 'auth')


def test_moderator_list(t):
    """XEP-0045 §9.8: the admins' list of moderators, and its changes"""
    room, (a, b, c) = cast(t, 2)
    ok(change_many(a, room, [dict(nick='second', role='moderator'), dict(nick='third', role='moderator')]))
    got = {i.get('nick'): (i.get('role'), i.get('affiliation'), i.get('jid')) for i in items(listed(a, room, role='moderator'))}
    assert got == {'first': ('moderator', 'owner', a.jid), 'second': ('moderator', 'none', b.jid),
                   'third': ('moderator', 'none', c.jid)}, got
    refused(listed(b, room, role='moderator'), 'forbidden')
    ok(change_many(a, room, [dict(nick='second', role='participant')]))
    assert {i.get('nick') for i in items(listed(a, room, role='moderator'))} == {'first', 'third'}


def test_bad_requests(t):
    """XEP-0045 §16.4: what is neither role nor affiliation, or both, unknown, or without whom, is a bad request"""
    room, (a, b) = cast(t, 1)
    def bad(inner, condition='bad-request', type='set'):
        refused(a.iq(type, "<query xmlns='%s'>%s</query>" % (ADMIN, inner), to=room), condition)
    bad('')
    bad('', type='get')
    bad("<item nick='second'/>")
    bad("<item nick='second' role='participant' affiliation='member'/>")
    bad("<item nick='second' role='king'/>")
    bad("<item role='visitor'/>")
    bad("<item jid='%s' affiliation='king'/>" % b.bare)
    bad("<item affiliation='member'/>")
    bad("<item jid='@@' affiliation='member'/>", 'jid-malformed')
    bad("<item jid='%s' affiliation='member' nick='%s'/>" % (b.bare, 'x' * 5000))
    bad("<item nick='second' role='visitor'/><item nick='second' role='participant'/>")
    bad("<item jid='%s' affiliation='member'/><item jid='%s' affiliation='none'/>" % (b.bare, b.jid))
    bad("<item affiliation='none'/>", type='get')
    bad("<item role='none'/>", type='get')
    bad("<item role='visitor' affiliation='member'/>", type='get')
    bad("<item role='visitor'/><item role='moderator'/>", type='get')
    bad(''.join("<item jid='u%d@shakespeare.example' affiliation='member'/>" % i for i in range(2000)), 'not-acceptable')
    e = a.iq('set', "<query xmlns='%s'><item nick='x' role='none'/></query>" % ADMIN, to=new_room(t))
    refused(e, 'item-not-found')
    assert not b.heard_any(lambda e: e.name == 'presence')


def test_lasting(t):
    """XEP-0045 §5.2: affiliations stay while nobody is there"""
    room, (a, b, c) = cast(t, 2)
    ok(change_many(a, room, [dict(jid=b.bare, affiliation='owner'), dict(jid=c.bare, affiliation='admin')]))
    for x, nick in ((a, 'first'), (b, 'second'), (c, 'third')):
        leave(x, room, nick)
    assert standing(enter(b, room, 'second')) == ('owner', 'moderator')
    assert standing(enter(c, room, 'third')) == ('admin', 'moderator')


@alone(limits__room_affiliations=10)
def test_too_many(t):
    """P7: a room knows so many people and no more"""
    room, (a,) = cast(t, 0)
    ok(change_many(a, room, [dict(jid='u%d@shakespeare.example' % i, affiliation='outcast') for i in range(9)]))
    refused(change(a, room, jid='u9@shakespeare.example', affiliation='outcast'), 'resource-constraint')
    ok(change(a, room, jid='u3@shakespeare.example', affiliation='none'))
    ok(change(a, room, jid='u9@shakespeare.example', affiliation='outcast'))


def test_account_deleted(t):
    """Affiliations belong to an account, not to its name: who gets the name later is nobody to the room; a ban stays"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first', membersonly=1)
    ok(change(a, room, jid=b.bare, affiliation='member', nick='second'))
    ok(change(a, room, jid=c.bare, affiliation='outcast'))
    for x in (b, c):
        x.close()
        t.server.cli('user', 'delete', x.bare)
        t.server.add_users([(x.user, x.password)])
    refused(enter(t.online((b.user, b.password)), room, 'second'), 'registration-required')
    refused(enter(t.online((c.user, c.password)), room, 'third'), 'forbidden')
    assert not items(listed(a, room, affiliation='member'))
    i, = items(listed(a, room, affiliation='outcast'))
    assert i.get('jid') == c.bare, i
    assert t.server.value("select count(*) from chancery.room_affiliate where jid in ('%s', '%s')" % (b.bare, c.bare)) == '1'

"""Owners of rooms (XEP-0045 §10): making, configuring and ending rooms, and who owns and administers them."""
from chancerytest.rooms import (new_room, create, enter, enter_send, leave, instant, submit, fields, configure, form, change,
                                change_many, listed, items, ok, refused, seen, become, codes, item, standing, USER, OWNER, CONFIG,
                                MUC)
from chancerytest.scenario import alone


def notes(c, room):
    """The codes of the next message that tells of another configuration."""
    return codes(c.expect(lambda e: e.name == 'message' and e.get('from') == room and e.get('type') == 'groupchat' and codes(e),
                          'a change of configuration'))


def test_create(t):
    """XEP-0045 §10.1.1: who enters a room that is not there owns it: 201; nobody else gets in until it is configured"""
    room, a, b = new_room(t), t.online(), t.online()
    e = enter(a, room, 'first')
    assert {110, 201} <= codes(e) and standing(e) == ('owner', 'moderator'), e
    refused(enter(b, room, 'second'), 'item-not-found', 'cancel')
    ok(instant(a, room))
    assert standing(enter(b, room, 'second')) == ('none', 'participant')
    seen(a, room, 'second')


def test_reserved(t):
    """XEP-0045 §10.1.3: the first form shows the defaults; submitted it opens the room as it says"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    enter(a, room, 'first')
    f, x = form(a, room)
    assert x.get('type') == 'form' and f['FORM_TYPE'] == [CONFIG], f
    assert (f['membersonly'], f['publicroom'], f['moderatedroom'], f['whois'], f['passwordprotectedroom'], f['changesubject']) == \
        (['0'], ['1'], ['0'], ['moderators'], ['0'], ['0']), f
    assert f['roomowners'] == [a.bare] and f['roomadmins'] == [], f
    ok(configure(a, room, roomname='A Dark Cave', roomdesc='The place for all good witches!', enablelogging=0, changesubject=1,
                 allowinvites=0, allowpm='anyone', maxusers=10, publicroom=0, persistentroom=0, moderatedroom=0, membersonly=0,
                 passwordprotectedroom=1, roomsecret='cauldronburn', whois='moderators', maxhistoryfetch=5,
                 roomadmins=[b.bare, 'hecate@shakespeare.example']))
    f, x = form(a, room)
    assert f['roomname'] == ['A Dark Cave'] and f['roomdesc'] == ['The place for all good witches!'], f
    assert (f['changesubject'], f['publicroom'], f['persistentroom'], f['maxusers'], f['maxhistoryfetch']) == \
        (['1'], ['0'], ['0'], ['10'], ['5']), f
    assert f['roomsecret'] == ['cauldronburn'] and set(f['roomadmins']) == {b.bare, 'hecate@shakespeare.example'}, f
    refused(enter(c, room, 'third'), 'not-authorized', 'auth')
    assert standing(enter(b, room, 'second', 'cauldronburn')) == ('admin', 'moderator')


def test_unacceptable(t):
    """XEP-0045 §10.1.3: a password that is asked for and empty, and whatever else cannot be, is not acceptable; nothing changes"""
    room, a = new_room(t), t.online()
    enter(a, room, 'first')
    for wrong in (dict(passwordprotectedroom=1, roomsecret=''), dict(passwordprotectedroom=1), dict(whois='nobody'),
                  dict(allowpm='friends'), dict(membersonly='maybe'), dict(maxusers='many'), dict(maxusers=-1),
                  dict(maxhistoryfetch='all'), dict(presencebroadcast=['king']), dict(getmemberlist=['member', 'x']),
                  dict(lang='-- drop table'), dict(roomname='x' * 20000), dict(roomadmins=['@']),
                  dict(roomowners=[a.bare, 'shakespeare.example'])):
        refused(configure(a, room, roomdesc='changed', **wrong), 'not-acceptable', 'modify')
    f, x = form(a, room)
    assert f['roomdesc'] == [''], f
    refused(enter(t.online(), room, 'second'), 'item-not-found')


def test_unknown_fields(t):
    """XEP-0004 §3.2: fields of other services are passed over; another form, or none, is a bad request"""
    room, a = new_room(t), t.online()
    create(a, room, 'first')
    ok(submit(a, room, "<field var='muc#roomconfig_roomname'><value>Cave</value></field><field var='urn:x:unheard-of'><value>1"
              "</value></field>"))
    assert form(a, room)[0]['roomname'] == ['Cave']
    def bad(inner):
        refused(a.iq('set', "<query xmlns='%s'>%s</query>" % (OWNER, inner), to=room), 'bad-request')
    bad('')
    bad('<sing/>')
    bad("<x xmlns='jabber:x:data'/>")
    bad("<x xmlns='jabber:x:data' type='form'/>")
    bad("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:x:other</value></field></x>")
    bad("<x xmlns='jabber:x:data' type='submit'>%s</x>" % (fields(roomname='a') * 2))
    assert form(a, room)[0]['roomname'] == ['Cave']


def test_cancel_first(t):
    """XEP-0045 §10.1.3: who cancels the first configuration has no room"""
    room, a, b = new_room(t), t.online(), t.online()
    enter(a, room, 'first')
    ok(submit(a, room, '', 'cancel'))
    e = seen(a, room, 'first', type='unavailable')
    assert e.find(USER + ':x', 'destroy') is not None, e
    assert standing(enter(b, room, 'second'))[0] == 'owner'


def test_leave_before_configured(t):
    """XEP-0045 §10.1.3: a room whose owner goes before it is configured is not there any more"""
    room, a, b = new_room(t), t.online(), t.online()
    enter(a, room, 'first')
    leave(a, room, 'first')
    e = enter(b, room, 'second')
    assert 201 in codes(e) and standing(e)[0] == 'owner', e


def test_cancel_later(t):
    """XEP-0045 §10.2: a later form that is cancelled changes nothing"""
    room, a = new_room(t), t.online()
    create(a, room, 'first', roomname='Cave')
    ok(submit(a, room, fields(roomname='Heath'), 'cancel'))
    assert form(a, room)[0]['roomname'] == ['Cave']


def test_not_an_owner(t):
    """XEP-0045 §10.2, §10.9: who is no owner neither sees nor submits the form, nor destroys the room"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    enter(b, room, 'second')
    for payload in ("<x xmlns='jabber:x:data' type='submit'/>", "<destroy jid='coven@chat.shakespeare.example'/>"):
        refused(b.iq('set', "<query xmlns='%s'>%s</query>" % (OWNER, payload), to=room), 'forbidden', 'auth')
    refused(b.iq('get', "<query xmlns='%s'/>" % OWNER, to=room), 'forbidden', 'auth')
    refused(a.iq('get', "<query xmlns='%s'/>" % OWNER, to=new_room(t)), 'item-not-found')
    refused(instant(a, new_room(t)), 'item-not-found')


def test_status_codes(t):
    """XEP-0045 §10.2.1: occupants are told what matters: 170, 171, 172, 173, and 104 for all else"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', enablelogging=0)
    enter(b, room, 'second')
    for change_, code in ((dict(whois='anyone'), 172), (dict(whois='moderators'), 173), (dict(enablelogging=1), 170),
                          (dict(enablelogging=0), 171), (dict(roomname='Cave'), 104), (dict(moderatedroom=1), 104)):
        ok(configure(a, room, **change_))
        for x in (a, b):
            while True:
                got = notes(x, room)
                assert len(got) == 1, got
                if got == {code}:
                    break
    ok(configure(a, room, roomname='Cave'))
    b.ping(t.server.domain)
    assert not b.heard_any(lambda e: e.name == 'message' and codes(e))


def test_admins_and_owners_by_form(t):
    """XEP-0045 §10.2: the full lists make and unmake admins and owners, and those inside see it"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    enter(c, room, 'third')
    ok(configure(a, room, roomadmins=[b.bare]))
    for x in (a, b, c):
        become(x, room, 'second', 'admin', 'moderator')
    ok(configure(a, room, roomowners=[a.bare, b.bare]))
    become(c, room, 'second', 'owner', 'moderator')
    ok(configure(b, room, roomowners=[b.bare]))
    become(c, room, 'first', 'admin', 'moderator')
    ok(configure(b, room, roomadmins=[]))
    become(c, room, 'first', 'member', 'participant')
    refused(configure(b, room, roomowners=[]), 'conflict', 'cancel')
    assert form(b, room)[0]['roomowners'] == [b.bare]


def test_members_only(t):
    """XEP-0045 §10.2: when only members may be inside, the others go with 322, and everybody who stays sees it"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    enter(c, room, 'third')
    ok(change(a, room, jid=b.bare, affiliation='member'))
    ok(configure(a, room, membersonly=1))
    e = seen(c, room, 'third', type='unavailable')
    assert {110, 322} <= codes(e) and standing(e) == ('none', 'none'), e
    for x in (a, b):
        assert 322 in codes(seen(x, room, 'third', type='unavailable'))
    refused(enter(c, room, 'third'), 'registration-required', 'auth')
    b.message(room, 'among us', type='groupchat')
    a.expect_message('among us')


def test_history_length(t):
    """XEP-0045 §10.2: muc#maxhistoryfetch bounds what newcomers get, from then on"""
    room, a = new_room(t), t.online()
    create(a, room, 'first')
    for i in range(4):
        a.message(room, 'line %d' % i, type='groupchat')
        a.expect_message('line %d' % i)
    for most, want in ((2, ['line 2', 'line 3']), (0, [])):
        ok(configure(a, room, maxhistoryfetch=most))
        b = t.online()
        enter(b, room, 'second%d' % most)
        assert [e.text('body') for e in b.heard_any(lambda e: e.name == 'message' and e.find('body') is not None)] == want


def test_owner(t):
    """XEP-0045 §10.3 to §10.5: owners make owners and unmake them, and have their list"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    ok(change(a, room, jid=b.jid, affiliation='owner', reason='A worthy witch indeed!'))
    for x in (a, b):
        e = become(x, room, 'second', 'owner', 'moderator')
        assert item(e).text('reason') == 'A worthy witch indeed!', e
    assert {i.get('jid') for i in items(listed(b, room, affiliation='owner'))} == {a.bare, b.bare}
    assert all(i.get('affiliation') == 'owner' and i.get('role') is None for i in items(listed(b, room, affiliation='owner')))
    ok(change(b, room, jid=a.bare, affiliation='admin', reason='Not so worthy after all!'))
    become(b, room, 'first', 'admin', 'moderator')
    refused(listed(a, room, affiliation='owner'), 'forbidden', 'auth')
    refused(listed(a, room, affiliation='admin'), 'forbidden', 'auth')
    refused(change(a, room, jid=c.bare, affiliation='owner'), 'forbidden', 'auth')
    refused(change(a, room, jid=b.bare, affiliation='none'), 'forbidden', 'auth')


def test_last_owner(t):
    """XEP-0045 §10.4: the last owner stays one; where there are others one may go"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    for less in ('admin', 'member', 'none'):
        refused(change(a, room, jid=a.bare, affiliation=less), 'conflict', 'cancel')
    ok(change_many(a, room, [dict(jid=b.bare, affiliation='owner'), dict(jid=a.bare, affiliation='none')]))
    become(a, room, 'first', 'none', 'participant')
    refused(change(b, room, jid=b.bare, affiliation='member'), 'conflict')


def test_admin(t):
    """XEP-0045 §10.6 to §10.8: owners make admins and unmake them, and have their list; nobody else"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    become(b, room, 'second', 'admin', 'moderator')
    ok(change_many(a, room, [dict(jid='hag66@shakespeare.example', affiliation='admin')]))
    assert {i.get('jid'): i.get('nick') for i in items(listed(a, room, affiliation='admin'))} == \
        {b.bare: 'second', 'hag66@shakespeare.example': None}
    refused(change(b, room, jid=c.bare, affiliation='admin'), 'forbidden', 'auth')
    refused(change(b, room, jid='hag66@shakespeare.example', affiliation='none'), 'forbidden', 'auth')
    ok(change_many(a, room, [dict(jid=b.bare, affiliation='none'), dict(jid=c.bare, affiliation='admin')]))
    become(b, room, 'second', 'none', 'participant')
    refused(listed(b, room, affiliation='admin'), 'forbidden')


def destroy(c, room, attrs='', inner=''):
    return c.iq('set', "<query xmlns='%s'><destroy%s>%s</destroy></query>" % (OWNER, attrs, inner), to=room)


def test_destroy(t):
    """XEP-0045 §10.9: everybody is removed once, told why and where to go; the room is not there any more"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first')
    enter(b, room, 'second')
    seen(a, room, 'second')
    ok(destroy(a, room, " jid='coven@chat.shakespeare.example'", '<reason>Macbeth doth come.</reason><password>x</password>'))
    for x, nick in ((a, 'first'), (b, 'second')):
        e = seen(x, room, nick, type='unavailable')
        d = e.find(USER + ':x', 'destroy')
        assert d.get('jid') == 'coven@chat.shakespeare.example' and d.text('reason') == 'Macbeth doth come.', e
        assert d.text('password') == 'x' and (item(e).get('affiliation'), item(e).get('role')) == ('none', 'none'), e
        x.ping(t.server.domain)
        assert not x.heard_any(lambda e: e.get('type') == 'unavailable')
    refused(form_error(a, room), 'item-not-found')
    assert 201 in codes(enter(b, room, 'second'))


def form_error(c, room):
    return c.iq('get', "<query xmlns='%s'/>" % OWNER, to=room)


def test_destroy_without_reason(t):
    """XEP-0045 §10.9: <destroy/> is there also when there is nothing to say; a bad address is refused"""
    room, a = new_room(t), t.online()
    create(a, room, 'first')
    refused(destroy(a, room, " jid='@@'"), 'jid-malformed')
    leave(a, room, 'first')
    enter(a, room, 'first')
    ok(destroy(a, room))
    d = seen(a, room, 'first', type='unavailable').find(USER + ':x', 'destroy')
    assert d is not None and d.get('jid') is None and d.find('reason') is None


def test_configuration_lasts(t):
    """XEP-0045 §10.2: a persistent room is as it was when everybody has left"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', roomname='Cave', moderatedroom=1, maxusers=30)
    leave(a, room, 'first')
    assert standing(enter(b, room, 'second')) == ('none', 'visitor')
    f = form(a, room)[0]
    assert (f['roomname'], f['moderatedroom'], f['maxusers']) == (['Cave'], ['1'], ['30']), f


def test_as_many_as_the_room_has_places(t):
    """XEP-0045 §7.2.9: a room that is configured for two refuses the third with service-unavailable, and lets an owner in"""
    room, a, b, c = new_room(t), t.online(), t.online(), t.online()
    create(a, room, 'first', maxusers=2)
    enter(b, room, 'second')
    refused(enter(c, room, 'third'), 'service-unavailable', 'wait')
    ok(change(a, room, jid=c.bare, affiliation='owner'))
    assert standing(enter(c, room, 'third')) == ('owner', 'moderator')


@alone()
def test_restart(t):
    """P2: rooms, their configuration and affiliations survive a restart of the server; who was inside is not"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'first', roomname='Cave', membersonly=1)
    ok(change(a, room, jid=b.bare, affiliation='member', nick='witch'))
    t.server.restart()
    a, b, c = t.online(a), t.online(b), t.online()
    refused(enter(c, room, 'witch'), 'registration-required')
    assert standing(enter(b, room, 'witch')) == ('member', 'participant')
    assert form(a, room)[0]['roomname'] == ['Cave']


@alone(rooms__create=['admins'])
def test_only_admins_create(t):
    """XEP-0045 §10.1.1: where only administrators make rooms others get not-allowed, and there is no room"""
    room, a, b = new_room(t), t.online(), t.online()
    refused(enter(a, room, 'first'), 'not-allowed', 'cancel')
    assert t.server.cli('user', 'set', b.bare, 'admin=yes')[0] == 0
    assert 201 in codes(enter(b, room, 'first'))


@alone(limits__rooms_per_creator=3)
def test_too_many_rooms(t):
    """P7: ten thousand rooms by one user: no"""
    a, b, rooms = t.online(), t.online(), [new_room(t) for i in range(4)]
    for r in rooms[:3]:
        create(a, r, 'first')
    refused(enter(a, rooms[3], 'first'), 'not-allowed')
    create(b, rooms[3], 'first')
    ok(destroy(a, rooms[0]))
    create(a, new_room(t), 'first')


@alone(limits__rooms_per_minute=3)
def test_too_fast(t):
    """P7: rooms are not made faster than the limit says"""
    a = t.online()
    for i in range(3):
        create(a, new_room(t), 'first')
    refused(enter(a, new_room(t), 'first'), 'resource-constraint', 'wait')


def test_administrators(t):
    """P6: administrators list rooms, look at them, make them, change who is what there, and end them; audited"""
    room, other, a, b = new_room(t), new_room(t), t.online(), t.online()
    cli = t.server.cli
    create(a, room, 'first', roomname='Cave', publicroom=0)
    rc, out, err = cli('room', 'list')
    assert rc == 0 and room in out and 'Cave' in out, (out, err)
    rc, out, err = cli('room', 'show', room.upper())
    assert rc == 0 and 'owner %s' % a.bare in out, (out, err)
    rc, out, err = cli('room', 'affiliation', room, b.bare, 'admin')
    assert rc == 0, err
    assert [i.get('jid') for i in items(listed(a, room, affiliation='admin'))] == [b.bare]
    for args in ((room, b.bare, 'king'), (room, '@', 'admin'), (room, a.bare, 'none'), (new_room(t), b.bare, 'admin'),
                 (a.bare, b.bare, 'admin'), (t.server.domain, b.bare, 'admin')):
        rc, out, err = cli('room', 'affiliation', *args)
        assert rc == 1 and err, (args, out)
    assert cli('room', 'create', other, b.bare)[0] == 0
    assert cli('room', 'create', other, b.bare)[0] == 1
    assert cli('room', 'create', new_room(t), '@')[0] == 1
    assert standing(enter(a, other, 'first')) == ('none', 'participant')
    assert standing(enter(b, other, 'second')) == ('owner', 'moderator')
    rc, out, err = cli('room', 'destroy', room, 'Macbeth doth come.')
    assert rc == 0, err
    assert seen(a, room, 'first', type='unavailable').find(USER + ':x', 'destroy').text('reason') == 'Macbeth doth come.'
    assert cli('room', 'show', room)[0] == 1 and cli('room', 'destroy', room)[0] == 1
    for action in ('room.affiliation', 'room.destroy'):
        assert int(t.server.value("SELECT count(*) FROM chancery.audit WHERE action = '%s' AND target = '%s'" % (action, room))) >= 1


def test_not_the_server(t):
    """P6: what administrators may is nobody else's"""
    room, a = new_room(t), t.online()
    r = a.iq('set', "<create xmlns='urn:chancery:room:0' owner='%s'/>" % a.bare, to=room)
    refused(r, 'service-unavailable')

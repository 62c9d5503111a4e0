"""Finding rooms, and what they say of themselves: XEP-0045 §6 and §7.12, XEP-0433, XEP-0486."""
import base64
import hashlib
import time

from chancerytest.client import unique, PATIENCE
from chancerytest.element import escape
from chancerytest.rooms import new_room, create, enter, enter_send, leave, change, configure, ok, refused, codes, USER

INFO = 'http://jabber.org/protocol/disco#info'
ITEMS = 'http://jabber.org/protocol/disco#items'
RSM = 'http://jabber.org/protocol/rsm'
SEARCH = 'urn:xmpp:channel-search:0:search'
PARAMS = 'urn:xmpp:channel-search:0:search-params'
ORDER = '{urn:xmpp:channel-search:0:order}'


def service(t):
    return 'conference.%s' % t.server.domain


def info(c, to, node=None):
    return c.iq('get', "<query xmlns='%s'%s/>" % (INFO, " node='%s'" % node if node else ''), to)


def items(c, to, inner='', node=None):
    return c.iq('get', "<query xmlns='%s'%s>%s</query>" % (ITEMS, " node='%s'" % node if node else '', inner), to)


def rsm(max=None, after=None, before=None, index=None):
    parts = [('max', max), ('after', after), ('before', before), ('index', index)]
    return "<set xmlns='%s'>%s</set>" % (RSM, ''.join('<%s>%s</%s>' % (k, escape(str(v)), k) for k, v in parts if v is not None))


def features(answer):
    return {f.get('var') for f in ok(answer).find('query').all('feature')}


def roominfo(answer):
    x = [x for x in ok(answer).find('query').all('x', 'data')
         if x.all('field')[0].text('value') == 'http://jabber.org/protocol/muc#roominfo']
    assert len(x) == 1, answer
    return {f.get('var'): [v.text() for v in f.all('value')] for f in x[0].all('field')}


# -- the service -----------------------------------------------------------------------------------------------

def test_service_found(t):
    """XEP-0045 §6.1: the server's items name the service"""
    a = t.online()
    assert service(t) in [i.get('jid') for i in ok(items(a, t.server.domain)).find('query').all('item')]


def test_service_features(t):
    """XEP-0045 §6.2: identity and features of the service; nodes it does not have"""
    a = t.online()
    answer = info(a, service(t))
    i = ok(answer).find('query', 'identity')
    assert (i.get('category'), i.get('type')) == ('conference', 'text') and i.get('name'), answer
    assert {'http://jabber.org/protocol/muc', INFO, ITEMS, SEARCH, 'vcard-temp', 'urn:xmpp:occupant-id:0',
            'http://jabber.org/protocol/muc#stable_id'} <= features(answer), answer
    refused(info(a, service(t), 'nonsense'), 'item-not-found')
    refused(items(a, service(t), node='nonsense'), 'item-not-found')


def test_service_ping(t):
    """XEP-0199: the service and its rooms answer; addresses without a room do not"""
    a, room = t.online(), new_room(t)
    ok(a.ping(service(t)))
    refused(a.ping(room), 'item-not-found')
    create(a, room, 'crone')
    ok(a.ping(room))


def test_rooms(t):
    """XEP-0045 §6.3: public rooms are listed with their names, hidden ones are not"""
    a, b = t.online(), t.online()
    public, hidden = new_room(t), new_room(t)
    create(a, public, 'crone', roomname='A Dark Cave', publicroom=1)
    create(a, hidden, 'crone', publicroom=0)
    # Scenarios share a server: among the other rooms, right before the place where it must be.
    got = {i.get('jid'): i.get('name') for i in ok(items(b, service(t))).find('query').all('item')}
    assert got.get(public) == 'A Dark Cave' and hidden not in got, got
    ok(configure(a, public, publicroom=0))
    assert public not in [i.get('jid') for i in ok(items(b, service(t))).find('query').all('item')]


def test_rooms_paged(t):
    """XEP-0045 §6.3 example 8, XEP-0059: the list in pages, forwards and backwards"""
    a = t.online()
    name = unique('page')
    rooms = ['%s-%d@%s' % (name, i, service(t)) for i in range(5)]
    for r in rooms:
        create(a, r, 'crone')
    start, stop = name + '-', name + '-:'

    def page(**kw):
        q = ok(items(a, service(t), rsm(**kw))).find('query')
        return [i.get('jid') for i in q.all('item')], q.find('set')
    got, s = page(max=2, after=start)
    assert got == rooms[:2] and s.text('first') == got[0] and s.text('last') == got[1], (got, s)
    index = int(s.find('first').get('index'))
    assert int(s.text('count')) >= index + 5, s
    got, s = page(max=2, after=got[-1])
    assert got == rooms[2:4] and int(s.find('first').get('index')) == index + 2, (got, s)
    got, s = page(max=2, before=stop)
    assert got == rooms[3:], got
    got, s = page(max=2, before=got[0])
    assert got == rooms[1:3], got
    got, s = page(max=0)
    assert got == [] and int(s.text('count')) >= 5 and s.find('first') is None, s
    refused(items(a, service(t), rsm(index=3)), 'feature-not-implemented')
    refused(items(a, service(t), rsm(max='many')), 'bad-request')


# -- a room ----------------------------------------------------------------------------------------------------

def test_room_info(t):
    """XEP-0045 §6.4 examples 9 to 11: identity, kind and details of a room"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone', roomname='A Dark Cave', roomdesc='The place for all good witches!', lang='en')
    answer = info(b, room)
    i = ok(answer).find('query', 'identity')
    assert (i.get('category'), i.get('type'), i.get('name')) == ('conference', 'text', 'A Dark Cave'), answer
    assert {'http://jabber.org/protocol/muc', 'muc_unsecured', 'muc_public', 'muc_persistent', 'muc_open', 'muc_unmoderated',
            'muc_semianonymous', 'http://jabber.org/protocol/muc#stable_id', 'urn:xmpp:mam:2', 'urn:xmpp:sid:0',
            'urn:xmpp:occupant-id:0', 'urn:xmpp:message-moderate:1', 'urn:xmpp:message-retract:1',
            'http://jabber.org/protocol/muc#self-ping-optimization', 'vcard-temp'} <= features(answer), answer
    form = roominfo(answer)
    assert form['muc#roominfo_description'] == ['The place for all good witches!'], form
    assert form['muc#roominfo_occupants'] == ['1'] and form['muc#roominfo_lang'] == ['en'], form
    a.message(room, None, type='groupchat', inner='<subject>Spells</subject>')
    a.expect(lambda e: e.text('subject') == 'Spells')
    assert roominfo(info(b, room))['muc#roominfo_subject'] == ['Spells']


def test_room_kinds(t):
    """XEP-0045 §6.4: each kind of room has its features; what is said in a closed one is not for strangers"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone', publicroom=0, persistentroom=0, membersonly=1, moderatedroom=1, whois='anyone',
           passwordprotectedroom=1, roomsecret='cauldron')
    answer = info(b, room)
    assert {'muc_hidden', 'muc_temporary', 'muc_membersonly', 'muc_moderated', 'muc_nonanonymous',
            'muc_passwordprotected'} <= features(answer), answer
    assert not {'muc_public', 'muc_persistent', 'muc_open', 'muc_unmoderated', 'muc_semianonymous', 'muc_unsecured'} & features(answer)
    assert 'cauldron' not in str(answer), answer
    assert 'muc#roominfo_occupants' not in roominfo(answer), answer
    assert roominfo(info(a, room))['muc#roominfo_occupants'] == ['1']


def test_no_room(t):
    """XEP-0045 §6.4: an address without a room is not found"""
    a = t.online()
    refused(info(a, new_room(t)), 'item-not-found', 'cancel')
    refused(items(a, new_room(t)), 'item-not-found', 'cancel')


def test_room_nodes(t):
    """XEP-0045 §14.1.1: nothing is discarded, so there is no list of what is allowed; other nodes are not found"""
    a, room = t.online(), new_room(t)
    create(a, room, 'crone')
    refused(info(a, room, 'http://jabber.org/protocol/muc#traffic'), 'service-unavailable', 'cancel')
    refused(info(a, room, 'nonsense'), 'item-not-found')
    refused(items(a, room, node='nonsense'), 'item-not-found')


def test_room_items(t):
    """XEP-0045 §6.5: those inside see who is inside; to others the list is empty"""
    a, b, c, room = t.online(), t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    enter(b, room, 'hecate')
    got = {i.get('jid') for i in ok(items(a, room)).find('query').all('item')}
    assert got == {room + '/crone', room + '/hecate'}, got
    assert ok(items(c, room)).find('query').all('item') == []


def test_reserved_nick(t):
    """XEP-0045 §7.12: the nickname that is reserved for who asks"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    answer = info(b, room, 'x-roomuser-item')
    q = ok(answer).find('query')
    assert q.get('node') == 'x-roomuser-item' and q.all() == [], answer
    ok(b.iq('set', "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
            "http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'><value>thirdwitch</value>"
            "</field></x></query>", room))
    i = ok(info(b, room, 'x-roomuser-item')).find('query', 'identity')
    assert (i.get('category'), i.get('type'), i.get('name')) == ('conference', 'text', 'thirdwitch'), i
    enter(b, room, 'hecate')
    assert info(b, room, 'x-roomuser-item').find('query', 'identity').get('name') == 'thirdwitch'


def test_occupant_info_by_stranger(t):
    """XEP-0045 §6.6: who is not inside may not ask an occupant"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    refused(info(b, room + '/crone'), 'bad-request', 'modify')
    refused(items(b, room + '/crone'), 'bad-request', 'modify')


# -- search ----------------------------------------------------------------------------------------------------

def search(c, t, set='', form_type=PARAMS, **fields):
    f = ''.join("<field var='%s'>%s</field>" % (k, ''.join('<value>%s</value>' % escape(str(x)) for x in
                                                            (v if isinstance(v, list) else [v]))) for k, v in fields.items())
    return c.iq('get', "<search xmlns='%s'>%s<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value></field>"
                "%s</x></search>" % (SEARCH, set, form_type, f), service(t))


def found(answer):
    r = ok(answer).find(SEARCH + ':result')
    return {i.get('address'): {e.name: e.text() for e in i.all()} for i in r.all('item')}


def custom(answer):
    return [e.name for e in answer.find('error').all(None, 'urn:xmpp:channel-search:0:error')]


def test_search_form(t):
    """XEP-0433 §4.2.1: the form, with every field that is known and its default"""
    a = t.online()
    x = ok(a.iq('get', "<search xmlns='%s'/>" % SEARCH, service(t))).find(SEARCH + ':search', 'data:x')
    f = {f.get('var'): f for f in x.all('field')}
    assert f['FORM_TYPE'].text('value') == PARAMS, x
    assert {'q', 'all', 'sinname', 'sindescription', 'sinaddress', 'min_users', 'types', 'key'} <= set(f), x
    assert [o.text('value') for o in f['key'].all('option')] == [ORDER + 'nusers', ORDER + 'address'], x


def test_search(t):
    """XEP-0433 §4.2.2: by words in name, description and address; hidden rooms are not found"""
    a, b = t.online(), t.online()
    word = unique('word')
    cave, heath, hidden = new_room(t), '%s-heath@%s' % (word, service(t)), new_room(t)
    create(a, cave, 'crone', roomname='The %s Cave' % word.upper(), roomdesc='Eye of newt', lang='en')
    create(a, heath, 'crone', roomname='A Lonely Heath', roomdesc='%s 100%% fog' % word, membersonly=1)
    create(a, hidden, 'crone', roomname=word, publicroom=0)
    got = found(search(b, t, q=word, key=ORDER + 'address'))
    assert set(got) == {cave, heath}, got
    assert got[cave]['name'] == 'The %s Cave' % word.upper() and got[cave]['description'] == 'Eye of newt', got
    assert got[cave]['is-open'] == 'true' and got[heath]['is-open'] == 'false', got
    assert got[cave]['service-type'] == 'xep-0045' and got[cave]['anonymity-mode'] == 'muc_semianonymous', got
    assert set(found(search(b, t, q=word, sinname='0', sindescription='0'))) == {heath}
    assert set(found(search(b, t, q='%s newt' % word))) == {cave}
    assert set(found(search(b, t, q='%s 100%%' % word))) == {heath}
    for nothing in ('%s_' % word, '%%%s' % word, '%s\\' % word, '%s"' % word, word + '}{'):
        assert found(search(b, t, q=nothing)) == {}, nothing
    assert found(search(b, t, q=word, types='xep-0369')) == {}
    assert set(found(search(b, t, all='true', key=ORDER + 'address', unknown='1', set=rsm(max=500)))) >= {cave, heath}


def test_search_pages(t):
    """XEP-0433 §4.2.2, XEP-0059: the same query with the end of the last page"""
    a = t.online()
    word = unique('many')
    rooms = ['%s%d@%s' % (word, i, service(t)) for i in range(5)]
    for r in rooms:
        create(a, r, 'crone')
    for key in ('address', 'nusers'):
        got, after, pages = [], None, 0
        while True:
            answer = search(a, t, set=rsm(max=2, after=after), q=word, key=ORDER + key)
            r = ok(answer).find(SEARCH + ':result')
            page = [i.get('address') for i in r.all('item')]
            if not page:
                break
            got, after, pages = got + page, r.find('set').text('last'), pages + 1
            assert r.find('set').text('count') == '5', r
        assert got == rooms and pages == 3, (key, got)


def test_search_by_users(t):
    """XEP-0433 §5.1: rooms with most people first; how many there are is known after a moment"""
    a, b = t.online(), t.online()
    word = unique('crowd')
    few, many = '%s-a@%s' % (word, service(t)), '%s-b@%s' % (word, service(t))
    create(a, few, 'crone')
    create(a, many, 'crone')
    enter(b, many, 'hecate')
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = search(b, t, q=word, key=ORDER + 'nusers')
        if [i.get('address') for i in answer.find('result').all('item')] == [many, few]:
            break
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    while found(search(b, t, q=word, min_users=2)) == {}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert set(found(search(b, t, q=word, min_users=2))) == {many}


def test_search_errors(t):
    """XEP-0433 §4.2.2: wrong keys, no words, words and everything at once, nothing to look for, wrong forms"""
    a = t.online()
    for fields, condition, type, name in (
            ({'q': 'x', 'key': 'nonsense'}, 'feature-not-implemented', 'modify', 'invalid-sort-key'),
            ({'q': '  '}, 'bad-request', 'modify', 'invalid-search-terms'),
            ({'q': 'x ' * 40}, 'bad-request', 'modify', 'invalid-search-terms'),
            ({'q': 'x', 'all': '1'}, 'bad-request', 'modify', 'conflicting-fields'),
            ({'q': 'x', 'sinname': '0', 'sindescription': '0', 'sinaddress': '0'}, 'bad-request', 'modify', 'conflicting-fields'),
            ({'sinname': '1'}, 'bad-request', 'cancel', 'no-search-conditions')):
        answer = search(a, t, **fields)
        refused(answer, condition, type)
        assert custom(answer) == [name], answer
    refused(search(a, t, q='x', sinname='perhaps'), 'bad-request')
    refused(search(a, t, q='x', form_type='urn:xmpp:other'), 'bad-request')
    refused(search(a, t, set=rsm(after='x'), q='x', key=ORDER + 'nusers'), 'bad-request')
    assert found(search(a, t, q=unique('nothing'))) == {}


# -- pictures --------------------------------------------------------------------------------------------------

PNG = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')


def vcard(*photos):
    return "<vCard xmlns='vcard-temp'>%s</vCard>" % ''.join(
        '<PHOTO><TYPE>image/png</TYPE><BINVAL>%s</BINVAL></PHOTO>' % base64.b64encode(p).decode() for p in photos)


def hashes(c, room):
    return roominfo(info(c, room)).get('muc#roominfo_avatarhash')


def test_avatar(t):
    """XEP-0486 §4: an owner sets the picture, occupants hear of it, everybody finds its hash and gets it"""
    a, b, c, room = t.online(), t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    enter(b, room, 'hecate')
    assert hashes(c, room) is None
    assert ok(c.iq('get', "<vCard xmlns='vcard-temp'/>", room)).find('vcard-temp:vCard').all() == []
    ok(a.iq('set', vcard(PNG), room))
    h = hashlib.sha1(PNG).hexdigest()
    for x in (a, b):
        x.expect(lambda e: e.name == 'message' and e.get('from') == room and e.get('type') == 'groupchat' and 104 in codes(e))
        p = x.expect_presence(None, room)
        assert p.find('vcard-temp:x:update:x', 'photo').text() == h, p
    assert hashes(c, room) == [h]
    card = ok(c.iq('get', "<vCard xmlns='vcard-temp'/>", room)).find('vcard-temp:vCard')
    assert base64.b64decode(card.text('PHOTO', 'BINVAL')) == PNG and card.text('PHOTO', 'TYPE') == 'image/png', card
    enter_send(c, room, 'newcomer')
    c.expect(lambda e: e.name == 'message' and e.find('subject') is not None)
    assert c.expect_presence(None, room).find('vcard-temp:x:update:x', 'photo').text() == h
    ok(a.iq('set', vcard(PNG, PNG + b'2'), room))
    assert hashes(c, room) == [h, hashlib.sha1(PNG + b'2').hexdigest()]
    ok(a.iq('set', "<vCard xmlns='vcard-temp'/>", room))
    b.expect(lambda e: e.name == 'message' and 104 in codes(e))
    assert hashes(c, room) is None


def test_avatar_refused(t):
    """XEP-0486 §4.2 and §7: only owners set it; what is no base64, or too large, is refused; outcasts do not get it"""
    a, b, room = t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    refused(b.iq('set', vcard(PNG), room), 'forbidden', 'auth')
    ok(change(a, room, jid=b.bare, affiliation='admin'))
    refused(b.iq('set', vcard(PNG), room), 'forbidden', 'auth')
    refused(a.iq('set', "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>*</BINVAL></PHOTO></vCard>", room), 'bad-request')
    refused(a.iq('set', vcard(b'x' * 120000), room), 'policy-violation')
    refused(a.iq('set', vcard(PNG), new_room(t)), 'item-not-found')
    ok(change(a, room, jid=b.bare, affiliation='outcast'))
    refused(b.iq('get', "<vCard xmlns='vcard-temp'/>", room), 'forbidden')

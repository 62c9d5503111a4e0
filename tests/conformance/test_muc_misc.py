"""Rooms: requests between occupants (XEP-0045 §13.4), self-ping (XEP-0410), probes, changes told to who is not inside."""
from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.rooms import new_room, create, enter, leave, change, configure, ok, refused, codes, item, USER, ADMIN
from test_muc_archive import say

VERSION = 'jabber:iq:version'
PUBSUB = 'http://jabber.org/protocol/pubsub'


def inside(t, n=2, **config):
    """A room and so many inside, the first the owner."""
    room, people = new_room(t), []
    for nick in ('crone', 'hecate', 'thirdwitch', 'fourth')[:n]:
        c = t.online()
        if people:
            enter(c, room, nick)
            for x in people:
                x.expect_presence(None, '%s/%s' % (room, nick))
        else:
            create(c, room, nick, **config)
        people.append(c)
    return (room, *people)


def asked(c, payload=VERSION):
    return c.expect(lambda e: e.name == 'iq' and e.get('type') in ('get', 'set') and e.find(payload + ':query') is not None)


def answer(c, iq, inner, type='result'):
    c.stanza("<iq type='%s' id='%s' to='%s'>%s</iq>" % (type, escape(iq.get('id')), escape(iq.get('from')), inner))


def version(c, to):
    return c.iq_send('get', "<query xmlns='%s'/>" % VERSION, to)


def the_answer(c, id):
    return c.expect(lambda e: e.name == 'iq' and e.get('id') == id)


# -- requests --------------------------------------------------------------------------------------------------

def test_request(t):
    """XEP-0045 §13.4: a request goes on in the occupant's name, its answer comes back; nobody learns an address"""
    room, a, b = inside(t)
    id = version(a, room + '/hecate')
    q = asked(b)
    assert q.get('from') == room + '/crone' and q.get('to') == b.jid and q.get('id') != id, q
    assert a.user + '@' not in str(q), q
    answer(b, q, "<query xmlns='%s'><name>Cauldron</name></query>" % VERSION)
    r = the_answer(a, id)
    assert r.get('type') == 'result' and r.get('from') == room + '/hecate' and r.get('to') == a.jid, r
    assert r.find(VERSION + ':query').text('name') == 'Cauldron' and b.user + '@' not in str(r), r


def test_request_refused_by_client(t):
    """XEP-0045 §13.4: an error comes back as one, and nobody leaves for it"""
    room, a, b = inside(t)
    id = version(a, room + '/hecate')
    answer(b, asked(b), "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", 'error')
    r = the_answer(a, id)
    assert r.get('type') == 'error' and r.condition() == 'item-not-found' and r.get('from') == room + '/hecate', r
    say(b, room, 'still here')


def test_right_session(t):
    """XEP-0045 §7.2.8, §13.4: the answer comes to the session that asked, of several under one nickname"""
    room, a, b = inside(t)
    a2 = t.online(a)
    enter(a2, room, 'crone')
    for x in (a2, a):
        id = version(x, room + '/hecate')
        q = asked(b)
        answer(b, q, "<query xmlns='%s'/>" % VERSION)
        assert the_answer(x, id).get('to') == x.jid
    assert not a.heard_any(lambda e: e.name == 'iq') and not a2.heard_any(lambda e: e.name == 'iq')


def test_request_of_the_account(t):
    """XEP-0054 §3.2: a vCard is the person's; it is asked of the account, and the answer names nobody"""
    room, a, b = inside(t)
    ok(b.iq('set', "<vCard xmlns='vcard-temp'><FN>Hecate</FN></vCard>"))
    r = ok(a.iq('get', "<vCard xmlns='vcard-temp'/>", room + '/hecate'))
    assert r.get('from') == room + '/hecate' and r.find('vcard-temp:vCard').text('FN') == 'Hecate', r
    assert b.user + '@' not in str(r), r


def test_answer_names_nobody(t):
    """XEP-0045 §13.4: neither who made an error (RFC 6120 §8.3.2) nor who published an item (XEP-0060 §7.1.2.3) is told with an answer"""
    room, a, b = inside(t)
    id = version(a, room + '/hecate')
    answer(b, asked(b), "<error type='cancel' by='%s'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % b.bare,
           'error')
    r = the_answer(a, id)
    assert r.condition() == 'item-not-found' and b.user + '@' not in str(r), r
    options = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
               "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
               "<field var='pubsub#access_model'><value>open</value></field>"
               "<field var='pubsub#itemreply'><value>publisher</value></field></x></publish-options>")
    ok(b.iq('set', "<pubsub xmlns='%s'><publish node='urn:example:n'><item id='i'><x xmlns='urn:example:n'/></item></publish>%s</pubsub>"
            % (PUBSUB, options)))
    r = ok(a.iq('get', "<pubsub xmlns='%s'><items node='urn:example:n'/></pubsub>" % PUBSUB, room + '/hecate'))
    assert [i.get('id') for i in r.find(PUBSUB + ':pubsub', 'items').all('item')] == ['i'] and b.user + '@' not in str(r), r


def test_request_refused(t):
    """XEP-0045 §13.4, §6.6: not by who is not inside, not to who is not there"""
    room, a, b = inside(t)
    c = t.online()
    refused(c.iq('get', "<query xmlns='%s'/>" % VERSION, room + '/hecate'), 'not-acceptable')
    refused(c.iq('set', "<query xmlns='urn:x'/>", room + '/hecate'), 'not-acceptable')
    refused(a.iq('get', "<query xmlns='%s'/>" % VERSION, room + '/nobody'), 'item-not-found')
    assert not b.heard_any(lambda e: e.name == 'iq')


def test_forged_answers(t):
    """XEP-0045 §13.4: an answer that was not asked for reaches nobody: not from others, not from outside, not to others"""
    room, a, b, c = inside(t, 3)
    outside = t.online()
    id = version(a, room + '/hecate')
    q = asked(b)
    forged = "<query xmlns='%s'><name>forged</name></query>" % VERSION
    for x in (c, outside):
        answer(x, q, forged)                                        # who was not asked
    for to, i in ((room + '/thirdwitch', q.get('id')),              # to who did not ask
                  (room + '/crone', id), (room + '/crone', '0' * 24 + '-' + id), (room + '/crone', 'x'), (room, q.get('id'))):
        b.stanza("<iq type='result' id='%s' to='%s'>%s</iq>" % (i, to, forged))
    answer(b, q, "<query xmlns='%s'><name>true</name></query>" % VERSION)
    r = the_answer(a, id)
    assert r.find(VERSION + ':query').text('name') == 'true', r
    for x in (a, c):
        say(x, room, 'in order')
        assert not x.heard_any(lambda e: e.name == 'iq'), x.heard


# -- self-ping -------------------------------------------------------------------------------------------------

def test_self_ping(t):
    """XEP-0410 §3: a result while inside, not-acceptable otherwise; of another nickname it is a ping to that client"""
    room, a, b = inside(t)
    ok(b.ping(room + '/hecate'))
    assert not b.heard_any(lambda e: e.name == 'iq')
    c = t.online()
    refused(c.ping(room + '/hecate'), 'not-acceptable', 'cancel')
    refused(c.ping(room + '/nobody'), 'not-acceptable')
    id = a.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", room + '/hecate')
    q = b.expect(lambda e: e.name == 'iq' and e.find('ping:ping') is not None)
    answer(b, q, '')
    assert the_answer(a, id).get('type') == 'result'
    refused(a.ping(room + '/nobody'), 'item-not-found')
    leave(b, room, 'hecate')
    refused(b.ping(room + '/hecate'), 'not-acceptable')
    refused(c.ping(new_room(t) + '/nobody'), 'item-not-found')


def test_self_ping_of_another_session(t):
    """XEP-0410 §3: it is about the session that asks: another of that person is not inside"""
    room, a, b = inside(t)
    b2 = t.online(b)
    refused(b2.ping(room + '/hecate'), 'not-acceptable')
    enter(b2, room, 'hecate')
    ok(b2.ping(room + '/hecate'))


# -- probes ----------------------------------------------------------------------------------------------------

def test_probe(t):
    """XEP-0045 §13.2.4: an occupant gets the presence of another; who is not inside gets none, and enters nothing by it"""
    room, a, b = inside(t)
    b.presence(to=room + '/hecate', inner='<status>stirring</status>')
    a.expect(lambda e: e.name == 'presence' and e.text('status') == 'stirring')
    a.presence('probe', to=room + '/hecate')
    p = a.expect_presence(None, room + '/hecate')
    assert p.text('status') == 'stirring' and item(p).get('jid') == b.jid and item(p).get('role') == 'participant', p
    b.presence('probe', to=room + '/crone')
    p = b.expect_presence(None, room + '/crone')
    assert item(p).get('jid') is None, p
    a.presence('probe', to=room + '/nobody')
    a.expect_presence('unavailable', room + '/nobody')
    c = t.online()
    c.presence('probe', to=room + '/hecate')
    c.expect_presence('unavailable', room + '/hecate')
    say(a, room, 'in order')
    assert not a.heard_any(lambda e: e.name == 'presence')


# -- who is not inside -----------------------------------------------------------------------------------------

def test_absent_are_told(t):
    """XEP-0045 §14.1.2: a message with 101 to who is not inside; §10.3 example 195: those inside hear of it, too"""
    room, a, b = inside(t)
    c = t.online()
    ok(change(a, room, jid=c.bare, affiliation='member', reason='A worthy witch indeed!'))
    e = c.expect(lambda e: e.name == 'message' and e.get('from') == room)
    assert 101 in codes(e) and item(e).get('affiliation') == 'member' and e.text('body'), e
    assert item(e).text('reason') == 'A worthy witch indeed!', e
    e = a.expect(lambda e: e.name == 'message' and item(e) is not None)
    assert e.get('from') == room and item(e).get('jid') == c.bare and item(e).get('affiliation') == 'member', e
    # Real addresses are for moderators here.
    say(a, room, 'in order')
    b.expect_message('in order')
    assert not b.heard_any(lambda e: e.name == 'message')
    ok(change(a, room, jid=c.bare, affiliation='outcast'))
    e = c.expect(lambda e: e.name == 'message' and e.get('from') == room)
    assert 101 in codes(e) and item(e).get('affiliation') == 'outcast', e


def test_absent_in_the_record(t):
    """What a room says to who is not inside is in the record"""
    room, a, b = inside(t)
    c = t.online()
    ok(change(a, room, jid=c.bare, affiliation='member'))
    c.expect(lambda e: e.name == 'message' and e.get('from') == room)
    rows = t.server.psql("SELECT type FROM archive.record WHERE from_bare = '%s' AND to_bare = '%s'" % (room, c.bare))
    assert len(rows) == 1, rows


def test_present_are_not_told_twice(t):
    """XEP-0045 §14.1.2: who is inside sees it by presence only"""
    room, a, b = inside(t)
    ok(change(a, room, jid=b.bare, affiliation='member'))
    b.expect(lambda e: e.name == 'presence' and e.get('from') == room + '/hecate' and item(e).get('affiliation') == 'member')
    say(a, room, 'in order')
    b.expect_message('in order')
    assert not b.heard_any(lambda e: e.name == 'message')

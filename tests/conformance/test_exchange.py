"""What clients say to each other by IQ: in the record before it is delivered, but what carries nobody's words (P1; deploy/compliance.md)."""
from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.rooms import create, enter, new_room
from test_export import export, lines, officer, read, verify
from test_search import indexed

COLUMNS = 'from_bare, to_bare, type, client_id, direction, deliverable, shown'


def said(word):
    return "<move xmlns='urn:example:chess'>%s</move>" % word


def asked(c, id=None):
    return c.expect(lambda e: e.name == 'iq' and e.get('type') in ('get', 'set') and id in (None, e.get('id')), 'a request')


def answered(c, id):
    return c.expect(lambda e: e.name == 'iq' and e.get('id') == id and e.get('type') in ('result', 'error'), 'the answer')


def answer(c, iq, payload='', type='result'):
    c.stanza("<iq type='%s' id='%s' to='%s'>%s</iq>" % (type, iq.get('id'), iq.get('from'), payload))


def of(t, c, columns=COLUMNS):
    return t.server.records("kind = 26 and from_bare = '%s'" % c.bare, columns)


def test_both_ways(t):
    """P1: whoever has a request or an answer finds it in the record; in nobody's history or backlog"""
    a, b = t.online(), t.online()
    before = t.server.metric('chancery_archive_requests_total')
    id = a.iq_send('set', said('e2 e4'), b.jid)
    q = asked(b, id)
    assert of(t, a) == [[a.bare, b.bare, 'set', id, '0', 'f', 'f']], of(t, a)
    assert 'e2 e4' in of(t, a, 'stanza')[0][0]
    answer(b, q, said('e7 e5'))
    r = answered(a, id)
    assert r.find('urn:example:chess:move').text() == 'e7 e5' and r.find('sid:stanza-id') is None, r
    assert of(t, b) == [[b.bare, a.bare, 'result', id, '0', 'f', 'f']], of(t, b)
    id = a.iq_send('get', said('resign'), b.jid)
    answer(b, asked(b, id), "<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>never</text></error>", 'error')
    assert answered(a, id).get('type') == 'error'
    assert [r[2] for r in of(t, b)] == ['result', 'error'] and [r[2] for r in of(t, a)] == ['set', 'get']
    assert t.server.metric('chancery_archive_requests_total') >= before + 4


def test_what_passes(t):
    """What standard services ask is no record as long as it is that and no more; with words in it, it is"""
    a, b = t.online(), t.online()
    plain = [("<ping xmlns='urn:xmpp:ping'/>", ''),
             ("<query xmlns='%s'/>" % NAMES['info'],
              "<query xmlns='%s'><identity category='client' type='pc'/><feature var='urn:xmpp:ping'/></query>" % NAMES['info']),
             ("<query xmlns='jabber:iq:version'/>", "<query xmlns='jabber:iq:version'><name>Some</name><version>1.0</version></query>"),
             ("<time xmlns='urn:xmpp:time'/>", "<time xmlns='urn:xmpp:time'><tzo>Z</tzo><utc>2026-01-01T00:00:00Z</utc></time>")]
    for question, reply in plain:
        id = a.iq_send('get', question, b.jid)
        answer(b, asked(b, id), reply)
        answered(a, id)
    assert not of(t, a) and not of(t, b)
    worded = ["<query xmlns='%s'><identity category='client' type='pc' name='meet me at five'/></query>" % NAMES['info'],
              "<query xmlns='%s'><x xmlns='jabber:x:data' type='result'><field var='a'><value>five</value></field></x></query>" % NAMES['info'],
              "<query xmlns='jabber:iq:version'><name>meet me</name></query>",
              "<query xmlns='jabber:iq:last' seconds='1'>at five</query>"]
    for reply in worded:
        id = a.iq_send('get', plain[1][0], b.jid)
        answer(b, asked(b, id), reply)
        answered(a, id)
    assert not of(t, a) and len(of(t, b)) == len(worded)
    # Accounts and the server answer for themselves.
    for to in (None, t.server.domain, a.bare, b.bare):
        a.iq('get', said('words'), to)
    assert not of(t, a)


def test_order(t):
    """P8: messages and requests come in the order in which they were sent"""
    a, b = t.online(), t.online()
    sent = []
    for i in range(8):
        sent += [a.message(b.jid, 'm'), a.iq_send('set', said('x'), b.jid), a.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", b.jid)]
    got = [b.expect(lambda e: e.name in ('message', 'iq')).get('id') for _ in sent]
    assert got == sent, got


def test_occupants(t):
    """XEP-0045 §13.4: requests from occupant to occupant, and their answers"""
    room = new_room(t)
    a, b = t.online(), t.online()
    create(a, room, 'crone')
    enter(b, room, 'hecate')
    id = a.iq_send('set', said('boil'), room + '/hecate')
    q = asked(b)
    assert of(t, a, 'to_bare, to_resource, type') == [[room, 'hecate', 'set']], of(t, a)
    answer(b, q, said('bubble'))
    answered(a, id)
    assert of(t, b, 'to_bare, to_resource, type') == [[room, 'crone', 'result']], of(t, b)
    # The room answers for itself, and records what is changed there.
    a.iq('get', "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner'/></query>", room)
    assert len(of(t, a)) == 1


def test_other_servers(t):
    """P1: what goes to another server, and what comes from there"""
    p, a = t.partner(), t.online()
    id = a.iq_send('set', said('out'), p.jid(resource='pda'))
    q = p.expect(lambda e: e.name == 'iq' and e.get('type') == 'set')
    assert of(t, a, 'type, direction') == [['set', '2']], of(t, a)
    p.answer(q, payload=said('back'))
    assert answered(a, id).get('type') == 'result'
    where = "kind = 26 and from_bare = '%s'" % p.jid()
    rows = t.server.records(where, 'type, direction, refers_record > 0')
    assert rows == [['result', '1', 't']], rows
    p.send("<iq type='set' id='in1' from='%s' to='%s'>%s</iq>" % (p.jid(resource='pda'), a.jid, said('in')))
    asked(a, 'in1')
    assert len(t.server.records(where, 'id')) == 2
    # A password for a service of theirs is nobody's words.
    id = a.iq_send('set', "<query xmlns='jabber:iq:register'><password>secret9</password></query>", p.domain)
    p.answer(p.expect(lambda e: e.name == 'iq' and e.get('id') == id))
    answered(a, id)
    assert len(of(t, a)) == 1


def test_components(t):
    """P1: with people at a component, not with the component itself"""
    c, a = t.component().joined(), t.online()
    for to in (c.domain, 'echo@' + c.domain):
        id = a.iq_send('set', said('words'), to)
        c.answer(c.expect(lambda e: e.name == 'iq' and e.get('id') == id), payload=said('more'))
        answered(a, id)
    assert of(t, a, 'to_bare') == [['echo@' + c.domain]], of(t, a)
    rows = t.server.records("kind = 26 and from_bare like '%%%s'" % c.domain, 'from_bare, type')
    assert rows == [['echo@' + c.domain, 'result']], rows


def test_found_and_exported(t):
    """Issue 7: requests are found by their words, in attributes too, are exported, and proved"""
    who, a, b = officer(t), t.online(), t.online()
    word, other = (unique('w').replace('_', '').replace('-', '').lower() for _ in range(2))
    id = a.iq_send('set', "<move xmlns='urn:example:chess' by='%s'>%s</move>" % (other, word), b.jid)
    answer(b, asked(b, id), said(word + ' again'))
    answered(a, id)
    indexed(t)
    assert len(who.local('archive', 'search', words=word, kind='request')) == 2
    row, = who.local('archive', 'search', words=other)
    assert row['kind'] == 'request', row
    path = export(t, who, '--person', a.bare, formats='jsonl,html')
    _, got = read(path)
    rows = [r for r in lines(got) if r['kind'] == 'request']
    assert [r['type'] for r in rows] == ['set', 'result'] and word in str(rows[0]), rows
    code, out = verify(t, path)
    assert code == 0, out

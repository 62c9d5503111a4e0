"""What people say by presence: in the record before anybody reads it, once (P1; deploy/compliance.md). Presence without words is no record."""
import os
import signal

from chancerytest.client import unique
from chancerytest.rooms import create, enter, new_room
from chancerytest.scenario import alone
from test_archive import freeze, postgres
from test_export import export, lines, officer, read, verify
from test_search import indexed

COLUMNS = 'from_resource, to_bare, type, body, direction, deliverable, shown'
NICK = "<nick xmlns='http://jabber.org/protocol/nick'>%s</nick>"
CAPS = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='7Lmp+abcdefghijklmnopqrstuvw='/>"


def status(words):
    return '<status>%s</status>' % words


def of(t, c, columns=COLUMNS):
    return t.server.records("kind = 27 and from_bare = '%s'" % c.bare, columns)


def said(t, c):
    return [r[0] for r in of(t, c, 'body')]


def seen(c, frm, words):
    return c.expect(lambda e: e.name == 'presence' and e.get('from') == frm.jid and e.text('status') == words, words)


def shown(a, b, n, inner):
    """b sees this very presence: its priority says which it is."""
    a.presence(priority=n, inner=inner)
    b.expect(lambda e: e.name == 'presence' and e.get('from') == a.jid and e.text('priority') == str(n), inner)


def test_broadcast(t):
    """P1: words are in the record once, when contacts read them; in nobody's history; nothing else of the presence is"""
    a, b = t.friends()
    before = t.server.metric('chancery_archive_presence_total')
    a.presence(inner="<show>away</show><priority>3</priority>%s%s" % (CAPS, status('at five')))
    seen(b, a, 'at five')
    assert of(t, a) == [[a.jid.split('/')[1], a.bare, 'available', 'at five', '0', 'f', 'f']], of(t, a)
    stanza = of(t, a, 'stanza')[0][0]
    assert 'at five' in stanza and 'caps' not in stanza and 'away' not in stanza, stanza
    # The same words are no record, whatever else has changed; others are, and the first again.
    steps = [(status('at five'), 1), ('<show>xa</show>' + status('at five'), 1), (status('at six'), 2), (status('at five'), 3),
             # So are they after presence without any.
             ('', 3), (status('at five'), 4)]
    for i, (inner, n) in enumerate(steps):
        shown(a, b, 10 + i, inner)
        assert len(of(t, a)) == n, (inner, of(t, a))
    assert t.server.metric('chancery_archive_presence_total') >= before + 4


def test_what_passes(t):
    """What is known by its shape is no record; a nickname, words in its places and whatever is not known are"""
    a, b = t.friends()
    plain = ['', '<show>dnd</show>', '<status/>', CAPS, "<idle xmlns='urn:xmpp:idle:1' since='2026-01-01T00:00:00Z'/>",
             "<x xmlns='vcard-temp:x:update'><photo>0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33</photo></x>"]
    for i, inner in enumerate(plain):
        shown(a, b, i, inner)
    assert not of(t, a), of(t, a)
    words = [NICK % 'Some Name', "<move xmlns='urn:example:chess'>e4</move>", "<idle xmlns='urn:xmpp:idle:1' since='at five'/>",
             CAPS.replace('https://client.example', 'meet me at five'),
             "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'>at five</delay>"]
    for i, inner in enumerate(words):
        shown(a, b, 20 + i, inner)
        assert len(of(t, a)) == i + 1, (inner, of(t, a))


def test_directed(t):
    """P1: presence to an address is recorded for each address, and its going too"""
    a, b, c = t.online(), t.online(), t.online()
    for i in range(2):
        for to in (b, c):
            a.presence(to=to.jid, inner=status('only you'))
            seen(to, a, 'only you')
    a.presence('unavailable', to=b.jid, inner=status('bye'))
    seen(b, a, 'bye')
    rows = of(t, a, 'to_bare, to_resource, type, body')
    assert rows == [to.jid.split('/') + [type, body] for to, type, body in
                    ((b, 'available', 'only you'), (c, 'available', 'only you'), (b, 'unavailable', 'bye'))], rows


def test_rooms(t):
    """XEP-0045 §7.2, §7.7: words with which somebody enters, changes and leaves; a password is in no record"""
    room, a, b = new_room(t), t.online(), t.online()
    create(a, room, 'crone')
    enter(b, room, 'hecate')
    b.stanza("<presence to='%s/hecate'>%s<x xmlns='http://jabber.org/protocol/muc'><password>open sesame</password></x></presence>"
             % (room, status('a')))
    for s in ('b', 'b', 'c'):
        b.presence(to=room + '/hecate', inner=status(s))
        a.expect(lambda e: e.name == 'presence' and e.get('from') == room + '/hecate' and e.text('status') == s, s)
    b.presence('unavailable', to=room + '/hecate', inner=status('gone'))
    a.expect(lambda e: e.name == 'presence' and e.get('type') == 'unavailable' and e.text('status') == 'gone')
    assert said(t, b) == ['a', 'b', 'c', 'gone'], said(t, b)
    assert 'sesame' not in str(of(t, b, 'stanza')), of(t, b, 'stanza')
    assert not of(t, a), of(t, a)


def test_order(t):
    """P8: messages and presence, with words and without, come in the order in which they were sent"""
    a, b = t.friends()
    sent = []
    for i in range(6):
        a.message(b.jid, 'm%d' % i)
        a.presence(inner=status('s%d' % i))
        a.message(b.jid, 'n%d' % i)
        a.presence(inner='<show>away</show>')
        sent += ['m%d' % i, 's%d' % i, 'n%d' % i, 'away']
    got = []
    for _ in sent:
        e = b.expect(lambda e: e.name in ('message', 'presence') and (e.get('from') == a.jid))
        got.append(e.text('body') or e.text('status') or e.text('show'))
    assert got == sent, got


def test_going(t):
    """RFC 6121 §4.5: words said with the going are heard, though the stream, or the connection, ends behind them"""
    a, b = t.friends()
    for end in ('close', 'cut'):
        a.message(b.bare, 'before it')
        a.presence('unavailable', inner=status('bye by ' + end))
        getattr(a, end)()
        p = b.expect_presence('unavailable', a.jid)
        assert p.text('status') == 'bye by ' + end, p
        assert said(t, a)[-1] == 'bye by ' + end, said(t, a)
        a = t.online(a)
        b.expect_presence(None, a.jid)


def test_other_servers(t):
    """P1: both ways, of each sender; what is said again is no record"""
    p, a = t.partner(), t.online()
    far = p.jid(resource='pda')
    for s in ('out', 'out'):
        a.presence(to=far, inner=status(s))
        p.expect(lambda e: e.name == 'presence' and e.text('status') == s)
    assert of(t, a, 'to_bare, body, direction') == [[p.jid(), 'out', '2']], of(t, a)
    for s in ('in', 'in', 'again'):
        p.send("<presence from='%s' to='%s'>%s</presence>" % (far, a.jid, status(s)))
        a.expect(lambda e: e.name == 'presence' and e.text('status') == s)
    rows = t.server.records("kind = 27 and from_bare = '%s'" % p.jid(), 'body, direction, refers_record > 0')
    assert rows == [['in', '1', 't'], ['again', '1', 't']], rows


def test_components(t):
    """P1: to people at a component, and from them"""
    c, a = t.component().joined(), t.online()
    echo = 'echo@%s' % c.domain
    a.presence(to=echo, inner=status('to'))
    c.expect(lambda e: e.name == 'presence' and e.text('status') == 'to')
    for s in ('from', 'from'):
        c.send("<presence from='%s' to='%s'>%s</presence>" % (echo, a.jid, status(s)))
        a.expect(lambda e: e.name == 'presence' and e.text('status') == s)
    assert said(t, a) == ['to'], said(t, a)
    rows = t.server.records("kind = 27 and from_bare = '%s'" % echo, 'body')
    assert rows == [['from']], rows


@alone(archive__patience='3s')
def test_archive_away(t):
    """P1: while PostgreSQL is frozen no words are read, and what has none passes; ping is answered behind words. Then they are left out: who
    comes or goes is seen; what was asked of an address comes back"""
    a, b, c = t.friends() + (t.online(),)
    a.roster()
    a.sync(b, c)
    pids = postgres(int(t.server.env['CHANCERY_PG_PID']))
    freeze(pids)
    try:
        c.presence(to=b.jid, inner='<show>away</show>')
        assert b.expect_presence(None, c.jid).text('show') == 'away'
        a.presence(inner='<show>xa</show>' + status('unread'))
        c.presence(to=b.jid, inner=status('unread'))
        assert a.ping().get('type') == 'result'
        p = b.expect(lambda e: e.name == 'presence' and e.get('from') == a.jid and e.text('show') == 'xa')
        assert not p.find('status'), p
        e = c.expect_presence('error')
        assert e.get('from') == b.jid and e.find('error').get('type') == 'wait', e
    finally:
        for p in pids:
            os.kill(p, signal.SIGCONT)
    a.sync(b)
    assert not b.heard_any(lambda e: e.text('status') == 'unread')
    a.presence(inner=status('read'))
    seen(b, a, 'read')
    assert 'read' in said(t, a)


def test_found_and_exported(t):
    """Issue 7: words of presence are found, exported in every format, and proved"""
    who, (a, b) = officer(t), t.friends()
    word, other = (unique('w').replace('_', '').replace('-', '').lower() for _ in range(2))
    a.presence(inner=status(word) + NICK % other)
    seen(b, a, word)
    indexed(t)
    for w in (word, other):
        row, = who.local('archive', 'search', words=w, kind='presence')
        assert row['kind'] == 'presence', row
    path = export(t, who, '--person', a.bare, formats='csv,jsonl,eml,rsmf,html,pdf,xep0227')
    _, got = read(path)
    row, = [r for r in lines(got) if r['kind'] == 'presence']
    assert row['body'] == word and other in row['stanza'], row
    code, out = verify(t, path)
    assert code == 0, out

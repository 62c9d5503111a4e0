"""Exports as mail (issue 7): EML, read by Python's email and by mutt; RSMF, checked against the fields that its publisher names."""
import email
import email.policy
import hashlib
import os
import pty
import shutil
import subprocess

from chancerytest import rsmf
from chancerytest.client import unique
from chancerytest.rooms import create, enter, leave, new_room
from chancerytest.scenario import alone
from chancerytest.upload import upload
from test_export import HOSTILE, Locked, begun, export, fetched, officer, over, read, talk, verify
from test_muc_archive import say as say_in

MORE = ['.\n.\nFrom me', 'x\r\nBcc: evil@example.net\r\n\r\nbody', '--=_0123456789\n', 'one\u2028two', '=?utf-8?q?=41?=', 'a' * 3000, '\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \U0001f469\u200d\U0001f4bb']


def mails(got):
    """The mails of a bundle, parsed; none of them with a defect."""
    out = []
    for name in sorted(n for n in got if n.startswith('eml/')):
        m = email.message_from_bytes(got[name], policy=email.policy.default)
        for part in m.walk():
            assert not part.defects, (name, part.defects)
            for header, value in part.items():
                assert not getattr(value, 'defects', ()), (name, header, value.defects)
        assert all(len(line) <= 998 for line in got[name].split(b'\r\n')) and b'\n' not in got[name].replace(b'\r\n', b''), name
        out.append(m)
    return out


def text(m):
    return m.get_body(('plain',)).get_content().replace('\r\n', '\n')


def test_eml(t):
    """Issue 7: a mail for a conversation and day: who, when, what; records by id, place and leaf; the same bytes when asked for again"""
    a, b = talk(t, 5)
    id = a.message(b.jid, 'teh first')
    b.expect_message(id=id)
    fix = a.message(b.jid, 'the first', inner="<body>the first</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % id)
    b.expect_message(id=fix)
    like = b.message(a.jid, inner="<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>\u2764\ufe0f</reaction></reactions>" % id)
    a.expect_message(id=like)
    who = officer(t)
    path = export(t, who, '--between', a.bare, '--between', b.bare, formats='eml,jsonl')
    _, got = read(path)
    m, = mails(got)
    people = {a.bare, b.bare}
    assert {x.addr_spec for x in m['from'].addresses + m['to'].addresses} == people and m['from'].addresses[0].addr_spec == a.bare, m.items()
    said = text(m)
    assert all('word %d <&> \u00e4' % i in said for i in range(5)), said
    assert 'corrected a message' in said and 'the first' in said and 'teh first' in said and 'reacted: \u2764\ufe0f' in said, said
    rows = [r.split(',') for r in next(p for p in m.iter_attachments() if p.get_filename() == 'records.csv').get_content().split('\r\n')[1:-1]]
    records = t.server.records("from_bare in ('%s', '%s') and kind < 5" % (a.bare, b.bare), "log_index, id, encode(leaf_hash, 'hex')")
    assert [[r[0], r[1], r[5]] for r in rows] == records, (rows, records)
    assert m.get_all('X-Chancery-Record') == ['log-index=%s; id=%s; leaf=%s' % tuple(r) for r in records], m.items()
    assert verify(t, path)[0] == 0
    _, again = read(export(t, who, '--between', a.bare, '--between', b.bare, formats='eml'))
    assert {n: d for n, d in again.items() if n.startswith('eml/')} == {n: d for n, d in got.items() if n.startswith('eml/')}


def test_eml_hostile(t):
    """Issue 7: no text gets into a header or out of its part, none is shown the wrong way round"""
    a, b = t.online(), t.online()
    a.iq('set', "<vCard xmlns='vcard-temp'><FN>Romeo&#10;Bcc: evil@example.net&#10;&#10;\u202e&lt;x@example.net&gt;, \u00e4</FN></vCard>")
    for body in HOSTILE + MORE:
        id = a.message(b.jid, body)
        b.expect_message(id=id)
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='eml')
    _, got = read(path)
    m, = mails(got)
    assert m['bcc'] is None and [x.addr_spec for x in m['from'].addresses + m['to'].addresses] == [a.bare, b.bare], m.items()
    said = text(m)
    for body in ('<script>alert(1)</script>', '\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \U0001f469\u200d\U0001f4bb', '[U+202E]gnp.exe[U+202C]', 'a' * 3000, '[U+200B][U+FEFF]', 'one[U+2028]two',
                 '=?utf-8?q?=41?=', '    .\n    .\n    From me', '    Bcc: evil@example.net'):
        assert body in said, body
    assert not set('\u202e\u202c\u200b\ufeff\u2028\r') & set(said)
    assert len(list(m.iter_attachments())) == 1 and verify(t, path)[0] == 0


def test_eml_files(t):
    """Issue 7: a file is attached once, byte for byte, by the name its sender gave; of a type that mail would open as mail it is made none"""
    a, b = t.online(), t.online()
    data = bytes(range(256)) * 40 + unique('file').encode()
    address = upload(t, a, data, name='plan: "B"?.bin').get
    mail = b'From: x@example.net\r\nSubject: inner\r\n\r\n' + unique('text').encode()
    second = upload(t, a, mail, name='m.eml').get
    for url in (address, address, second):
        id = a.message(b.jid, url, inner="<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (url, url))
        b.expect_message(id=id)
    shas = [hashlib.sha256(d).hexdigest() for d in (data, mail)]
    t.server.wait(lambda: t.server.value("select count(*) from chancery.file_event where path = 'link' and encode(sha256, 'hex') in ('%s', '%s')" % tuple(shas)) == '3', 'the links noted')
    _, got = read(export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='eml'))
    m, = mails(got)
    files = [p for p in m.iter_attachments() if p.get_filename() != 'records.csv']
    assert [p.get_payload(decode=True) for p in files] == [data, mail], [(p.get_filename(), p.get_content_type()) for p in files]
    assert files[0].get_filename().startswith('plan') and files[1].get_content_maintype() not in ('message', 'multipart')


@alone()
def test_eml_erased(t):
    """Issue 7: what is erased is shown as erased, by its place in the log"""
    a, b = talk(t, 3)
    rows = t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id, log_index')
    t.server.psql('update archive.record set body = null, stanza = null, salt = null, from_resource = null, to_resource = null, client_id = null where id = %s' % rows[1][0])
    path = export(t, officer(t), '--person', a.bare, formats='eml')
    _, got = read(path)
    m, = mails(got)
    assert m['X-Chancery-Erased'] == '1' and 'word 1' not in text(m) and 'word 2' in text(m)
    assert '(erased) [#%s]' % rows[1][1] in text(m) and verify(t, path)[0] == 0


@alone()
def test_erased_meanwhile(t):
    """Issue 7: a record that is erased while mails are made of it is in none of them"""
    a, _ = talk(t, 10, 'secret')
    who = officer(t)
    ids = [r[0] for r in t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')]
    # The files were looked for, then the formats wait for a name.
    with Locked(t.server, 'chancery.vcard'):
        id, _ = begun(t, who, person=[a.bare], formats=('eml', 'rsmf'))
        t.server.psql('update archive.record set body = null, stanza = null, salt = null where id = %s' % ids[4])
    assert over(t, who, id)['state'] == 'done'
    _, got = read(fetched(t, who, id))
    m, = mails(got)
    (inner, manifest, _), = loaded(got)
    for words in (text(m), text(inner), str(manifest)):
        assert 'secret 3' in words and 'secret 4' not in words and '(erased)' in words, words
    assert m['X-Chancery-Erased'] == '1', m.items()


def test_rooms(t):
    """Issue 7: a room: it is whom things are said to, who comes and goes is shown"""
    a, b = t.online(), t.online()
    room = new_room(t)
    create(a, room, 'owner')
    enter(b, room, 'guest')
    say_in(b, room, 'said inside')
    leave(b, room, 'guest')
    path = export(t, officer(t), '--room', room, formats='eml,rsmf')
    _, got = read(path)
    m, = mails(got)
    assert m['subject'].startswith(room) and m['to'].addresses[0].addr_spec == room, m.items()
    assert {x.addr_spec for x in m['from'].addresses + m['to'].addresses} == {room, a.bare, b.bare}, m.items()
    assert 'came into the room' in text(m) and 'said inside' in text(m) and 'left the room' in text(m), text(m)
    (_, manifest, _), = loaded(got)
    people = {p['account_id']: p['id'] for p in manifest['participants']}
    assert manifest['conversations'][0]['type'] == 'channel' and set(people) == {a.bare, b.bare}, manifest
    did = [(e['type'], e['body']) for e in manifest['events'] if e.get('participant') == people[b.bare]]
    assert did == [('join', 'came into the room'), ('message', 'said inside'), ('leave', 'left the room')], did
    assert verify(t, path)[0] == 0


def test_eml_in_mutt(t):
    """Issue 7: opened by mutt: the subject is listed, the words are read"""
    a, b = talk(t, 3, '\u00e4\u20ac words')
    _, got = read(export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='eml'))
    name, = (n for n in got if n.startswith('eml/'))
    box, out = t.server.path(unique('mail')), t.server.path(unique('out'))
    for folder in ('cur', 'new', 'tmp'):
        os.makedirs(os.path.join(box, folder))
    with open(os.path.join(box, 'cur', '1.x:2,S'), 'wb') as f:
        f.write(got[name])
    mutt = shutil.which('mutt')
    assert mutt, 'mutt is not installed'
    screen, terminal = pty.openpty()
    p = subprocess.Popen([mutt, '-n', '-F', '/dev/null', '-R', '-f', box, '-e', 'set pipe_decode wait_key=no charset=utf-8 folder=%s' % box,
                          '-e', 'push "<pipe-message>cat > %s<enter><exit>"' % out], stdin=terminal, stdout=terminal, stderr=terminal,
                         env={**os.environ, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8', 'HOME': box})
    os.close(terminal)
    seen = b''
    try:
        while piece := os.read(screen, 65536):
            seen += piece
    except OSError:
        pass  # The end of a terminal is an error.
    os.close(screen)
    assert p.wait(60) == 0, seen
    with open(out) as f:
        shown = f.read()
    assert all('\u00e4\u20ac words %d <&> \u00e4' % i in shown for i in range(3)) and 'Subject: %s' % min(a.bare, b.bare) in shown, shown


def loaded(got):
    """What review tools load, each file checked: (mail, manifest, files)."""
    return [rsmf.read(got[n]) for n in sorted(got) if n.startswith('rsmf/')]


def test_rsmf(t):
    """Issue 7: events with who, when, and what was changed later: edits, reactions, receipts, what was taken back, answers"""
    a, b = t.online(), t.online()

    def say(x, y, body=None, inner=''):
        id = x.message(y.jid, inner=inner or '<body>%s</body>' % body)
        y.expect_message(id=id)
        return id
    first = say(a, b, 'teh first')
    say(a, b, inner="<body>the first</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % first)
    say(b, a, inner="<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>\u2764\ufe0f</reaction><reaction>!</reaction></reactions>" % first)
    say(b, a, inner="<displayed xmlns='urn:xmpp:chat-markers:0' id='%s'/><store xmlns='urn:xmpp:hints'/>" % first)
    say(b, a, inner="<body>an answer</body><reply xmlns='urn:xmpp:reply:0' to='%s' id='%s'/>" % (a.jid, first))
    wrong = say(a, b, 'not meant')
    say(a, b, inner="<retract xmlns='urn:xmpp:message-retract:1' id='%s'/><body>taken back</body><store xmlns='urn:xmpp:hints'/>" % wrong)
    who = officer(t)
    path = export(t, who, '--between', a.bare, '--between', b.bare, formats='rsmf')
    _, got = read(path)
    (m, manifest, _), = loaded(got)
    people = {p['account_id']: p['id'] for p in manifest['participants']}
    assert set(people) == {a.bare, b.bare} and manifest['conversations'][0]['type'] == 'direct', manifest
    said = {e['body']: e for e in manifest['events']}
    assert set(said) == {'the first', 'an answer', 'not meant'}, said
    one = said['the first']
    assert [(x['previous'], x['new'], x['participant']) for x in one['edits']] == [('teh first', 'the first', people[a.bare])], one
    assert {x['value']: x['participants'] for x in one['reactions']} == {'\u2764\ufe0f': [people[b.bare]], '!': [people[b.bare]]}, one
    assert [(x['action'], x['participant']) for x in one['read_receipts']] == [('read', people[b.bare])], one
    assert said['an answer']['parent'] == one['id'] and said['an answer']['participant'] == people[b.bare] and said['not meant']['deleted'], said
    # Each record is in it by its place in the log and its leaf hash, also those that only change others.
    notes = ' '.join(x['value'] for e in manifest['events'] for x in e['custom'])
    for index, leaf in t.server.records("from_bare in ('%s', '%s') and kind <> 24" % (a.bare, b.bare), "log_index, encode(leaf_hash, 'hex')"):
        assert 'log index %s;' % index in notes and leaf in notes, (index, notes)
    assert 'the first' in text(m) and m['from'].addresses[0].addr_spec == a.bare and verify(t, path)[0] == 0
    _, again = read(export(t, who, '--between', a.bare, '--between', b.bare, formats='rsmf'))
    assert {n: d for n, d in again.items() if n.startswith('rsmf/')} == {n: d for n, d in got.items() if n.startswith('rsmf/')}


def test_rsmf_hostile(t):
    """Issue 7: what strangers write stays text: JSON is whole, nothing turns the direction of writing"""
    a, b = t.online(), t.online()
    a.iq('set', "<vCard xmlns='vcard-temp'><FN>\u202eRomeo\u2066\"},{&#10;X-RSMF-Version: 9</FN></vCard>")
    for body in HOSTILE + MORE:
        id = a.message(b.jid, body)
        b.expect_message(id=id)
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='rsmf')
    (m, manifest, _), = loaded(read(path)[1])
    assert len(manifest['events']) == len(HOSTILE + MORE) and m.get_all('X-RSMF-Version') == ['2.0.0']
    bodies = [e['body'] for e in manifest['events']]
    assert '{"a": 1}' in bodies and '<script>alert(1)</script>' in bodies and '[U+202E]gnp.exe[U+202C]' in bodies and 'a' * 3000 in bodies, bodies
    assert not set('\u202e\u202c\u2066\u200b\ufeff') & set(str(manifest) + text(m)) and verify(t, path)[0] == 0


def test_rsmf_files(t):
    """Issue 7: files are in rsmf.zip, byte for byte, once, by names that are their own"""
    a, b = t.online(), t.online()
    data = [unique('file').encode() * 100 for _ in range(2)]
    urls = [upload(t, a, d, name='plan.txt').get for d in data]
    for url in (urls[0], urls[1], urls[0]):
        id = a.message(b.jid, url, inner="<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (url, url))
        b.expect_message(id=id)
    shas = [hashlib.sha256(d).hexdigest() for d in data]
    t.server.wait(lambda: t.server.value("select count(*) from chancery.file_event where path = 'link' and encode(sha256, 'hex') in ('%s', '%s')" % tuple(shas)) == '3', 'the links noted')
    (_, manifest, files), = loaded(read(export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='rsmf'))[1])
    assert sorted(files.values()) == sorted(data), files.keys()
    assert [hashlib.sha256(files[e['attachments'][0]['id']]).hexdigest() for e in manifest['events']] == [shas[0], shas[1], shas[0]]
    assert {e['attachments'][0]['display'] for e in manifest['events']} == {'plan.txt'}


@alone()
def test_rsmf_erased(t):
    """Issue 7: what is erased is an event that says so"""
    a, b = talk(t, 3)
    rows = t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id, log_index')
    t.server.psql('update archive.record set body = null, stanza = null, salt = null, from_resource = null, to_resource = null, client_id = null where id = %s' % rows[1][0])
    (_, manifest, _), = loaded(read(export(t, officer(t), '--person', a.bare, formats='rsmf'))[1])
    assert [(e['body'], e.get('deleted', False)) for e in manifest['events']] == [('word 0 <&> \u00e4', False), ('(erased)', True), ('word 2 <&> \u00e4', False)], manifest

"""Searching the record (issue 7): by who, where, when and what was said; who searches is seen."""
import json
import socket

from chancerytest.client import PATIENCE, unique
from chancerytest.desk import Person, Refused, control, control_path, refused
from chancerytest.rooms import create, enter, leave, new_room
from chancerytest.scenario import alone
from chancerytest.upload import upload
from test_muc_archive import say, stanza_id
from test_muc_moderation import moderate, ok

RETRACT = 'urn:xmpp:message-retract:1'


def indexed(t):
    """All that is in the record now is in the index, too."""
    newest = int(t.server.value('select coalesce(max(id), 0) from archive.record'))
    t.server.wait(lambda: int(t.server.value('select id from search.progress')) >= newest, 'the index to have all that is in the record')


def tell(a, b, *bodies, **kw):
    """a tells b; ids of the messages."""
    ids = [a.message(b.bare, x, **kw) for x in bodies]
    for id in ids:
        b.expect_message(id=id)
    return ids


def texts(p, order='oldest', **args):
    return [r['text'] for r in p.local('archive', 'search', order=order, **args)]


def two(t):
    """An officer, and two people who talk."""
    return Person(t, 'officer'), t.online(), t.online()


def test_index_follows(t):
    """Issue 7: the index is filled behind the writer, in the order of the log; how far it is behind is told"""
    a, b = t.online(), t.online()
    ids = tell(a, b, *['le budget prévisionnel %d' % i for i in range(3)])
    indexed(t)
    found = t.server.psql("select r.client_id from search.find('''budget'' & ''previsionnel''', '{}', '{}', 0, 1::bigint << 62, 0, 1::bigint << 62, "
                          "false, 1000, 64) f join archive.record r on r.id = f.id where r.from_bare = '%s' and r.kind <> 24" % a.bare)
    assert [f for f, in found] == ids, found
    assert t.server.metric('chancery_search_indexed_total') >= 3
    t.server.wait(lambda: json.loads(t.server.cli('--json', 'status')[1])['search_lag_seconds'] == 0, 'no lag')


FIND_WINDOWS = """begin;
    set local role chancery_owner;
    create table search.doc_9000 (like search.doc, primary key (log_index));
    insert into search.doc_9000 select 1179648000 + 10 * n, n, 10000 * n - case when n % 97 = 0 then 90000000 else 0 end, 'said w' || n % 5 || ' x' || n % 3,
        ':a' || n % 5 || ' :b' || n % 301 || case when n > 10000 then ' :late' else '' end from generate_series(0, 13107) n;
    insert into search.chunk (no, docs, first_at, last_at) select 9000, count(*), min(at), max(at) from search.doc_9000;
    select search.index_chunk(9000);
    select search.widen_slices(min(log_index), max(log_index), min(at), max(at)) from search.doc_9000 group by log_index / 1000;
    create table search.fits as select a, h, d.log_index, d.at from search.doc_9000 d,
        unnest(array['\\:a2', '\\:b11', '\\:late', '\\:a2 & w2', 'w1', 'nothing']::tsquery[]) a, unnest(array['{}', '{w2 x0}']::text[]) h
        where array_to_tsvector(string_to_array(d.words || ' ' || rtrim(d.marks), ' ')) @@ a
        and (h = '{}' or strpos(' ' || words || ' ', ' w2 x0 ') > 0);
    do $$
    declare
        q record; got bigint[]; want bigint[]; compared int := 0;
    begin
        for q in select * from unnest(array['\\:a2', '\\:b11', '\\:late', '\\:a2 & w2', 'w1', 'nothing']::tsquery[]) a, unnest(array['{}', '{w2 x0}']::text[]) h,
                unnest(array[1179600000, 1179680000]) first, unnest(array[1179700000, 1::bigint << 62]) last, unnest(array[-100000000, 20000000]) since,
                unnest(array[60000000, 1::bigint << 62]) until, unnest(array[true, false]) back, unnest(array[1, 51]) most loop
            got := array(select f.log_index from search.find(q.a, q.h::text[], '{}', q.first, q.last, q.since, q.until, q.back, q.most, 64) f);
            want := array(select d.log_index from search.fits d where d.a = q.a and d.h = q.h and d.log_index between q.first and q.last and d.at >= q.since
                and d.at < q.until order by case when q.back then -d.log_index else d.log_index end limit q.most);
            if got <> want then
                raise exception 'found % and not % by %', got, want, q;
            end if;
            compared := compared + cardinality(got);
        end loop;
        if compared < 5000 then
            raise exception 'only % were compared', compared;
        end if;
    end $$;
    rollback"""


def test_find_windows(t):
    """Issue 7: a page is the same however wide the windows are through which the index is looked, whatever the clock did meanwhile"""
    t.server.psql(FIND_WINDOWS)


def test_words(t):
    """Issue 7: words in French and English by their stems, phrases, beginnings, what shall not be there; case and accents do not matter"""
    p, a, b = two(t)
    said = ['Les réunions budgétaires de Thérèse', 'running the meetings again', 'ŒUVRE d’art: l\'équipe STRASSE straße', 'contract number CX-4711/b and e-mail',
            'plain budget', 'emoji 👋🏽 and 会議は東京で', 'bud\u00adget hidden by a soft hyphen; z\u200bero', 'budget\u0301 combining']
    tell(a, b, *said)
    indexed(t)

    def found(words):
        return [said.index(x) for x in texts(p, person=a.bare, words=words)]

    for words, expected in (
            ('reunion', [0]), ('RÉUNION', [0]), ('budgétaire', [0]), ('therese', [0]), ('run', [1]), ('meeting', [1]), ('oeuvre', [2]), ('œuvres', [2]),
            ('équipe', [2]), ("l'équipe", [2]), ('équipes', [2]), ('strasse', [2]), ('straße', [2]), ('4711', [3]), ('cx-4711', [3]), ('"cx 4711"', [3]),
            ('"4711 cx"', []), ('e-mail', [3]), ('budget', [4, 6, 7]), ('budg*', [0, 4, 6, 7]), ('-plain budget', [6, 7]), ('budget -"soft hyphen"', [4, 7]),
            ('"plain budget"', [4]), ('"budget plain"', []), ('👋', [5]), ('会議', [5]), ('議会', []), ('東京', [5]), ('zero', [6]),
            ('"Meetings"', [1]), ('"meeting"', []), ('meetings reunion', []), ('the running', [1])):
        assert found(words) == expected, (words, found(words), expected)


def test_hits(t):
    """Issue 7: hits are marked in a piece of the text around the first of them"""
    p, a, b = two(t)
    tell(a, b, 'é ' * 300 + 'the Budgets of ours ' + 'x ' * 400)
    indexed(t)
    row, = p.local('archive', 'search', person=a.bare, words='budget')
    (first, count), = row['hits']
    assert row['text'][first:first + count] == 'Budgets' and row['cut'] and len(row['text'].encode()) <= 250, row
    assert p.cli('archive', 'search', 'nobody-said-that') == (0, '', 'chancery: nothing was found\n')
    code, out, err = p.cli('archive', 'search', 'budget', '--person', a.bare)
    assert code == 0 and 'the [Budgets] of' in out and '#%d' % row['id'] in out, (out, err)
    tell(a, b, 'here it ends\n')
    indexed(t)
    out = p.cli('archive', 'search', '"it ends"', '--person', a.bare)[1]
    assert out.endswith('\n    here [it] [ends]\n'), repr(out)


def test_filters(t):
    """Issue 7: by person, conversation, kind, time and their combinations"""
    p, a, b = two(t)
    c = t.online()
    word = unique('w').replace('_', '').lower()
    one, = tell(a, b, word + ' first')
    tell(b, a, word + ' second')
    tell(a, c, word + ' third')
    a.message(b.bare, id=unique('x'), inner="<body>%s fourth</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % (word, one))
    b.expect_message(body=word + ' fourth')
    indexed(t)

    def found(**args):
        return [x.split()[1] for x in texts(p, words=word, **args)]

    assert found() == ['first', 'second', 'third', 'fourth']
    assert found(order='newest') == ['fourth', 'third', 'second', 'first']
    assert found(person=b.bare) == ['first', 'second', 'fourth']
    assert found(person=[b.bare, c.bare]) == ['first', 'second', 'third', 'fourth']
    assert found(person=c.bare) == ['third']
    assert found(person=c.bare.upper()) == ['third']
    assert found(between=[a.bare, b.bare]) == ['first', 'second', 'fourth'] and found(between=[b.bare, c.bare]) == []
    assert found(kind='correction') == ['fourth'] and found(kind=['message', 'correction']) == found()
    assert found(domain=t.server.domain) == found() and found(domain='elsewhere.example') == []
    assert found(federated=True) == [] and found(partner='elsewhere.example') == []
    rows = p.local('archive', 'search', words=word, order='oldest')
    second = rows[1]['time']
    assert found(until=rows[0]['time']) == [] and len(found(since=rows[0]['time'][:10])) == 4, rows
    assert found(since='2001-01-01', until='2001-02-01') == []
    # Times are shown in milliseconds, and compared in microseconds.
    assert set(found(since=second)) >= {'third', 'fourth'} and 'fourth' not in found(until=second)
    assert all(r['kind'] in ('message', 'correction') and r['direction'] == 'local' for r in rows)


def test_names(t):
    """Issue 7: people are found by what they are called: account, vCard, roster"""
    p, a, b = two(t)
    name = 'Zoë' + unique('n').replace('_', '').lower()
    a.iq('set', "<vCard xmlns='vcard-temp'><FN>%s Montague</FN></vCard>" % name)
    tell(a, b, 'by a vcard')
    b.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' name='%s-friend'/></query>" % (a.bare, name))
    indexed(t)
    assert 'by a vcard' in texts(p, name=name.replace('ë', 'E').upper())
    assert 'by a vcard' in texts(p, name=name + '-friend')
    assert 'by a vcard' in texts(p, name=a.bare.split('@')[0])
    assert 'nobody is called' in refused(422, p.local, 'archive', 'search', name='nobody-' + name)
    for bad in ("'; drop table chancery.account; --", '%', '_', '.*', '\\'):
        assert 'nobody is called' in refused(422, p.local, 'archive', 'search', name=bad), bad


def test_cursor(t):
    """Issue 7: a page has a limit and says where the next begins; what comes meanwhile moves nothing"""
    p, a, b = two(t)
    tell(a, b, *['page %d' % i for i in range(25)])
    indexed(t)
    for order in ('oldest', 'newest'):
        seen, cursor, pages = [], None, 0
        while True:
            got = api_page(t, p, person=a.bare, words='page', limit=10, order=order, **({'cursor': cursor} if cursor else {}))
            seen += [int(r['text'].split()[1]) for r in got['rows'] if int(r['text'].split()[1]) < 25]
            pages += 1
            if pages == 1:
                tell(a, b, 'page %d' % (100 if order == 'oldest' else 200))
                indexed(t)
            cursor = got.get('next')
            if not cursor:
                break
        assert seen == (list(range(25)) if order == 'oldest' else list(range(24, -1, -1))), seen
    code, out, err = p.cli('archive', 'search', '--words', 'page', '--person', a.bare, '--limit', '5')
    assert code == 0 and 'more: --cursor n' in out, (out, err)
    for bad in ('x', 'n', 'o-1', 'n0', 'n99999999999999999999', "n1' or 1=1", 'o5'):
        refused(422, p.local, 'archive', 'search', cursor=bad)


def api_page(t, p, **args):
    """The rows of a page and its cursor, by the control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(control_path(t.server))
        s.sendall(json.dumps({'verb': ['archive', 'search'], 'args': args, 'token': p.token}).encode() + b'\n')
        out = {'rows': []}
        for line in s.makefile():
            line = json.loads(line)
            assert 'error' not in line, line
            if 'row' in line:
                out['rows'].append(line['row'])
            elif 'next' in line:
                out['next'] = line['next']
            elif line.get('done'):
                return out


def test_rooms(t):
    """Issue 7: by room; what a person could read there while they were inside, with `audience`; who was inside when something was said"""
    p, a, b = two(t)
    c = t.online()
    room = new_room(t)
    word = unique('w').replace('_', '').lower()
    create(a, room, 'owner')
    say(a, room, word + ' alone')
    enter(b, room, 'guest')
    say(a, room, word + ' both')
    leave(b, room, 'guest')
    say(a, room, word + ' again')
    enter(c, room, 'late')
    say(c, room, word + ' late')
    indexed(t)
    rows = p.local('archive', 'search', room=room, words=word, order='oldest')
    assert [r['text'].split()[1] for r in rows] == ['alone', 'both', 'again', 'late'], rows
    assert texts(p, person=b.bare, words=word) == []
    assert texts(p, person=b.bare, words=word, audience=True) == [word + ' both']
    assert texts(p, person=c.bare, words=word, audience=True) == [word + ' late'] == texts(p, person=c.bare, words=word)
    assert len(texts(p, person=a.bare, words=word, audience=True)) == 4
    assert 'needs a person' in refused(422, p.local, 'archive', 'search', audience=True)
    both = rows[1]
    parts = p.local('archive', 'show', id=both['id'])
    here = [(x['jid'].split('/')[0], x['nick']) for x in parts if x['part'] == 'audience']
    assert sorted(here) == sorted([(a.bare, 'owner'), (b.bare, 'guest')]), here
    assert [x['text'].split()[1] for x in parts if x['part'] == 'before'] == ['alone']
    assert [x['text'].split()[1] for x in parts if x['part'] == 'after'] == ['again', 'late']


@alone()
def test_audience_after_crash(t):
    """Issue 7: who was in a room when the server died is not there any more when it is back"""
    p, a, b = two(t)
    room = new_room(t)
    create(a, room, 'owner', **{'muc#roomconfig_persistentroom': '1'})
    enter(b, room, 'guest')
    say(a, room, 'before the crash')
    t.server.kill()
    t.server.start()
    a = t.online((a.user, a.password))
    enter(a, room, 'owner')
    say(a, room, 'behind the crash')
    indexed(t)
    assert texts(p, person=b.bare, words='crash', audience=True) == ['before the crash']
    row, = p.local('archive', 'search', room=room, words='behind')
    here = [x['jid'].split('/')[0] for x in p.local('archive', 'show', id=row['id']) if x['part'] == 'audience']
    assert here == [a.bare], here


def test_show(t):
    """Issue 7: a record with what it replaces, what was done to it later, and what is around it"""
    p, a, b = two(t)
    ids = tell(a, b, 'one', 'two', 'three', 'four', 'five')
    for inner in ("<body>three, better</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % ids[2],
                  "<retract xmlns='%s' id='%s'/>" % (RETRACT, ids[2])):
        id = a.message(b.bare, inner=inner)
        b.expect_message(id=id)
    id = b.message(a.bare, inner="<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>👍</reaction></reactions>" % ids[2])
    a.expect_message(id=id)
    indexed(t)
    row, = p.local('archive', 'search', person=a.bare, words='"three"', kind='message')
    parts = p.local('archive', 'show', id=row['id'], context=1)
    of = lambda part: [x for x in parts if x['part'] == part]
    record, = of('record')
    assert record['text'] == 'three' and record['client_id'] == ids[2] and '<body>three</body>' in record['stanza'], record
    assert [x['kind'] for x in of('later')] == ['correction', 'retraction', 'reaction'], parts
    assert [x['text'] for x in of('before')] == ['two'] and [x['text'] for x in of('after')] == ['four'], parts
    correction = of('later')[0]
    parts = p.local('archive', 'show', id=correction['id'], context=0)
    assert [x['text'] for x in of('replaced')] == ['three'], parts
    assert not of('before') and not of('after')
    code, out, err = p.cli('archive', 'show', '#%d' % correction['id'])
    assert code == 0 and 'It refers to' in out and 'three, better' in out, (out, err)
    for id in (1, 1 << 62):
        assert 'there is no record' in refused(404, p.local, 'archive', 'show', id=id)
    for bad in ({'id': 0}, {'id': -1}, {'id': '1'}, {'id': row['id'], 'context': -1}, {'id': row['id'], 'context': 100000}, {}, {'id': 1.5}):
        refused_any(p, 'show', bad)


def refused_any(p, verb, args):
    """Refused, in words."""
    try:
        got = p.local('archive', verb, **args)
    except Refused as e:
        assert e.text and 'operator' not in e.text, (args, e.text)
        return e.text
    raise AssertionError('not refused: %s: %r' % (args, got))


def test_moderated(t):
    """Issue 7: what a moderator took back in a room is shown with what it was"""
    p, a, b = two(t)
    room = new_room(t)
    create(a, room, 'owner')
    enter(b, room, 'guest')
    m = say(b, room, 'very rude words')
    ok(moderate(a, room, stanza_id(m, room), 'be polite'))
    indexed(t)
    row, = p.local('archive', 'search', room=room, words='rude')
    later = [x for x in p.local('archive', 'show', id=row['id']) if x['part'] == 'later']
    assert [x['kind'] for x in later] == ['moderation'], later
    parts = p.local('archive', 'show', id=later[0]['id'])
    assert [x['text'] for x in parts if x['part'] == 'replaced'] == ['very rude words'], parts


def test_files(t):
    """Issue 7: by a file's name, by its hash or the beginning of it, by having one"""
    p, a, b = two(t)
    data = unique('content').encode()
    name = 'Quarterly_Réport-%s.txt' % unique('n').replace('_', '')
    s = upload(t, a, data, name)
    tell(a, b, 'look', inner="<x xmlns='jabber:x:oob'><url>%s</url></x>" % s.get)
    indexed(t)
    kinds = [r['kind'] for r in p.local('archive', 'search', person=a.bare, has_file=True, order='oldest')]
    assert kinds == ['file', 'message'], kinds
    row, = p.local('archive', 'search', person=a.bare, file='quarterly report', kind='file')
    assert row['file']['size'] == len(data) and row['file']['verdict'] == 'clean', row
    sha = row['file']['sha256']
    for hash in (sha, sha.upper(), sha[:8]):
        assert [r['id'] for r in p.local('archive', 'search', file_hash=hash, kind='file')] == [row['id']], hash
    assert p.local('archive', 'search', person=a.bare, file='quart') and not p.local('archive', 'search', person=a.bare, file='uarterly')
    for bad in ('1234567', 'x' * 64, sha + '0', "' or 1=1 --", sha[:-1] + "'"):
        assert 'SHA-256' in refused(422, p.local, 'archive', 'search', file_hash=bad), bad


def test_encrypted(t):
    """Issue 7: what is end-to-end encrypted is found, but not by its words, and says so"""
    p, a, b = two(t)
    id = a.message(b.bare, inner="<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>c2VjcmV0d29yZHM=</payload></encrypted>"
                   "<body>I sent you an OMEMO message</body>")
    b.expect_message(id=id)
    indexed(t)
    row, = p.local('archive', 'search', person=a.bare, encrypted=True)
    assert row['encrypted'] is True
    assert p.local('archive', 'search', person=a.bare, words='c2VjcmV0d29yZHM') == []


def test_roles_and_audit(t):
    """Issue 7, P6: officers only; the terms are in the audit trail before anything is shown, and without it nothing is"""
    p, a, b = two(t)
    word = unique('w').replace('_', '').lower()
    tell(a, b, word)
    indexed(t)
    for role in ('admin', 'auditor', 'dpo'):
        other = Person(t, role)
        assert 'not allowed' in refused(403, other.local, 'archive', 'search', words=word)
        assert 'not allowed' in refused(403, other.local, 'archive', 'show', id=1)
    assert 'not allowed' in refused(403, control, t.server, 'archive', 'search', words=word)
    row, = p.local('archive', 'search', words=word, person=a.bare)
    p.local('archive', 'show', id=row['id'])
    got = t.server.psql("select action, who_name, target, detail->>'words' from chancery.audit where who_name = '%s' and action like 'archive.%%' "
                        'order by id' % p.name)
    assert [g[0] for g in got] == ['archive.search', 'archive.show'] and word in got[0][3] and got[1][2] == str(row['id']), got
    # What was looked for is not what was said.
    indexed(t)
    assert len(p.local('archive', 'search', words=word)) == 1


def test_bad_queries(t):
    """Issue 7: tricks in what is looked for are words, or refused in words; nothing is done by them"""
    p, a, b = two(t)
    tell(a, b, "it's a 'quoted' \\ back & slash | pipe ! bang <-> arrow :* (paren) $1 %s")
    indexed(t)
    before = t.server.metric('chancery_searches_refused_total')
    for words in ("'", '"', '" "', '*', '-', '!', '&', '""', '-x', '-"a b"', '...', '\u202e', '\u0301'):
        refused(422, p.local, 'archive', 'search', words=words)
    assert 'longer than any' in refused(422, p.local, 'archive', 'search', words='x' * 200)
    assert 'search_word_bytes' in refused(422, p.local, 'archive', 'search', words='x' * 10240)
    assert 'search_words' in refused(422, p.local, 'archive', 'search', words='x ' * 100)
    assert 'at least two letters' in refused(422, p.local, 'archive', 'search', words='a*')
    for words in ("quoted' | 'x", "') or true --", "quoted:*", 'a:b', '\\', "it's", 'slash | nothing', '!bang', '.*', '(a+)+$', '%_', "quoted'::tsquery"):
        try:
            rows = p.local('archive', 'search', words=words, person=a.bare)
            assert all("it's" in r['text'] for r in rows), (words, rows)
        except Refused as e:
            assert 'word' in e.text and 'syntax' not in e.text, (words, e.text)
    assert texts(p, person=a.bare, words="it's \\ quoted") and not texts(p, person=a.bare, words='slash | nothing')
    for args in ({'person': 'not an address@'}, {'person': ''}, {'person': ['a@b'] * 200}, {'person': {'x': 1}}, {'domain': 'a@b'},
                 {'between': ['a@b.c']}, {'kind': 'audit'}, {'kind': 'nothing'}, {'kind': 1}, {'since': 'yesterday'}, {'since': '2026-13-01'}, {'since': 5},
                 {'since': '2026-02-01', 'until': '2026-01-01'}, {'limit': 0}, {'limit': 1 << 40}, {'limit': -1}, {'limit': 'x'}, {'order': 'random'},
                 {'words': 7}, {'words': ['a']}, {'words': ''}, {'file': '...'}, {'has_file': 'yes'}, {'unknown': 1}, {'audience': True}):
        refused_any(p, 'search', args)
    assert t.server.metric('chancery_searches_refused_total') > before
    # NUL and lone surrogates never get in.
    for raw in (b'{"verb":["archive","search"],"args":{"words":"a\\u0000b"},"token":"%s"}', b'{"verb":["archive","search"],"args":{"words":"\\ud800"},"token":"%s"}',
                b'{"verb":["archive","search"],"args":{"words":"\xff"},"token":"%s"}'):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(control_path(t.server))
            s.sendall(raw % p.token.encode() + b'\n')
            assert b'error' in s.makefile('rb').readline()
    # An empty query has the bound of a page.
    assert len(p.local('archive', 'search', limit=3)) == 3


def test_harmless_output(t):
    """Issue 7: what people wrote can do nothing to a terminal: it is shown by its number"""
    p, a, b = two(t)
    tell(a, b, 'gnp.\u202eexe \u200b\u2066x\u2069 tab\tand\nlines \u009b31m')
    indexed(t)
    code, out, err = p.cli('archive', 'search', 'lines', '--person', a.bare)
    assert code == 0 and '<U+202E>' in out and '<U+2066>' in out and '<U+009B>' in out, out
    assert not set(out) & set('\u202e\u2066\u2069\u200b\x9b\x1b\t'), repr(out)


def test_forget(t):
    """Issue 7: what is erased is not found any more; only who erases may take it out"""
    p, a, b = two(t)
    tell(a, b, 'keep this', 'erase this')
    indexed(t)
    id = p.local('archive', 'search', person=a.bare, words='erase')[0]['id']
    for role in ('chancery_server', 'chancery_officer'):
        try:
            t.server.psql("set role %s; select search.forget('{%d}')" % (role, id))
        except RuntimeError as e:
            assert 'permission denied' in str(e)
        else:
            raise AssertionError(role)
        for table in ('search.progress', 'search.chunk', 'search.doc_0'):
            try:
                t.server.psql('set role %s; delete from %s' % (role, table))
            except RuntimeError as e:
                assert 'permission denied' in str(e)
            else:
                raise AssertionError((role, table))
    t.server.psql("select search.forget('{%d}')" % id)
    assert texts(p, person=a.bare) == ['keep this']


@alone()
def test_index_after_crash(t):
    """Issue 7: killed at any moment, the index goes on where it was, with each record once"""
    p, a, b = two(t)
    ids = []
    for round in range(3):
        ids += tell(a, b, *['crash %d' % i for i in range(20)])
        t.server.kill()
        t.server.start()
        a, b = t.online((a.user, a.password)), t.online((b.user, b.password))
    indexed(t)
    rows = p.local('archive', 'search', person=a.bare, words='crash', order='oldest', limit=1000)
    got = [r[0] for r in t.server.records("from_bare = '%s' and body like 'crash%%'" % a.bare, 'id')]
    assert [str(r['id']) for r in rows] == got and len(rows) == 60, (len(rows), len(got))


@alone()
def test_index_anew(t):
    """Issue 7: the index can be made again from the record; nothing is lost with it"""
    p, a, b = two(t)
    tell(a, b, 'again and again')
    indexed(t)
    before = t.server.log().count('search-anew')
    # As after an upgrade: what is there was made in another form.
    t.server.psql('update search.progress set form = -1')
    tell(a, b, 'one more')
    t.server.wait(lambda: t.server.value('select form from search.progress') == '1', 'the new form')
    indexed(t)
    assert t.server.log().count('search-anew') > before
    assert texts(p, person=a.bare, words='again') == ['again and again'] and texts(p, person=a.bare, words='more') == ['one more']

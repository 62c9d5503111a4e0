"""Erasure (issue 7, GDPR article 17): what was granted is gone for good, behind a record that says so; holds beat it; the log still proves."""
import hashlib
import json
import os
import re
import subprocess

from chancerytest.client import unique
from chancerytest.desk import Person, refused
from chancerytest.rooms import create, enter, new_room
from chancerytest.scenario import alone
from chancerytest.upload import upload
from chancerytest.web import Http
from test_approval import make
from test_history import query, rsm
from test_muc_archive import say as say_in_room

FAST = {'log__checkpoint_every': '1s', 'log__verify_every': '0'}
SPAN = 32 # ADDRESS_SPAN_RECORDS


def dpo(t):
    return Person(t, 'dpo')


def say(a, b, *bodies):
    """They arrive; their records, in order."""
    for body in bodies:
        id = a.message(b.jid, body)
        b.expect_message(id=id)
    return [int(r[0]) for r in a.server.records("from_bare = '%s' and kind = 1" % a.bare, 'id')]


def asked(who, reason='asked by letter', **scope):
    row, = who.local('erasure', 'request', reason=reason, **scope)
    assert row['state'] == 'asked', row
    return row['erasure']


def over(who, n):
    def look():
        row, = who.local('erasure', 'show', erasure=n)
        return row if row['state'] in ('done', 'partly') else None
    return who.server.wait(look, 'the end of the erasure')


def erase(who, **scope):
    n = asked(who, **scope)
    row, = who.local('erasure', 'grant', erasure=n)
    assert row['state'] == 'granted', row
    return over(who, n)


def dump(t):
    p = subprocess.run(['pg_dump', t.server.env['CHANCERY_PG']], capture_output=True, timeout=120)
    assert p.returncode == 0, p.stderr
    return p.stdout


def files(t):
    """All that is under the folder of files."""
    return b''.join(open(os.path.join(d, n), 'rb').read() for d, _, names in os.walk(t.server.path('files')) for n in names)


def hold(t, since=0, until=(1 << 62), matter='case'):
    """On all of a time, in microseconds since 1970. As the superuser: what is tested is that it beats erasure."""
    return t.server.value("insert into compliance.hold (matter, reason, query, query_text, form, has, lacks, since, until, set_by) values ('%s', 'r', '{}',"
                          " 'everything', (select form from search.progress), '{}', '{}', %d, %d, 'x') returning id" % (matter, since, until))


def indexed(t):
    """The search index has all there is: till then everything is held that a hold may be about."""
    t.server.wait(lambda: t.server.value('select p.log_index > (select max(log_index) from archive.record where kind <> 24) from search.progress p') == 't', 'the index')


def left(t, ids):
    """Of these records: (id, has any text, has a salt)."""
    return t.server.psql('select id, num_nonnulls(from_bare, from_resource, to_bare, to_resource, type, client_id, refers_to, body, stanza, from_hash,'
                         ' to_hash, pair_hash, refers_record) > 0 or shown or deliverable, salt is not null from archive.record where id in (%s) order by id'
                         % ','.join(map(str, ids)))


def assert_sound(t):
    code, out, err = t.server.cli('archive', 'verify', '--all')
    assert code == 0 and 'as it was recorded' in out, (code, out, err)


def findings(t):
    """[(kind, log index)]; of a run of records, the first."""
    code, out, err = t.server.cli('--json', 'archive', 'verify', '--conninfo', t.server.env['CHANCERY_PG'])
    said = [json.loads(line) for line in out.splitlines()]
    assert code == (1 if len(said) > 1 else 0), (code, out, err)
    return [(f['finding'], f['log_index']) for f in said[:-1]]


def verify(t, path, *args):
    p = subprocess.run([os.path.join(t.server.build, 'bin', 'chancery-verify'), path, *args], capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout + p.stderr


@alone(**FAST)
def test_forgotten(t):
    """Issue 7: what was granted is nowhere any more: record, index, dump; leaves stay, and the log says what went, why, and by whom"""
    a, b, c = t.online(), t.online(), t.online()
    word = unique('zebra').replace('-', '')
    ids = say(a, b, *('%s %d' % (word, i) for i in range(5)))
    kept = say(c, b, 'stays')
    indexed(t)
    assert word.encode() in dump(t)
    before = t.server.psql("select id, log_index, encode(leaf_hash, 'hex') from archive.record where id <= %d order by id" % kept[-1])
    who = dpo(t)
    row, = who.local('erasure', 'preview', query={'person': [a.bare]})
    assert row['would_go'] >= 5 and row['held'] == 0 and word not in json.dumps(row), row
    row = erase(who, query={'person': [a.bare]})
    assert row['state'] == 'done' and row['erased'] >= 5 and row['held'] == 0 and row['decided_by'] == who.name, row
    got = dump(t)
    assert word.encode() not in got, got[max(0, got.index(word.encode()) - 300):][:600]
    assert left(t, ids) == [[str(i), 'f', 'f'] for i in ids]
    assert t.server.psql("select id, log_index, encode(leaf_hash, 'hex') from archive.record where id <= %d order by id" % kept[-1]) == before
    assert t.server.value("select body from archive.record where id = %d" % kept[-1]) == 'stays'
    # The record of it names their places and not their people.
    body, stanza, about = t.server.psql('select body, stanza, refers_record from archive.record where kind = 25 order by id')[0]
    named = {i for w in body.removeprefix('erased: ').split() for i in range(int(w.split('-')[0]), int(w.split('-')[-1]) + 1)}
    assert {int(r[1]) for r in before if int(r[0]) in ids} <= named and a.bare not in stanza and 'asked by letter' in stanza, (body, stanza)
    assert int(about) == row['decision'] and who.name in stanza
    actions = [json.loads(re.search(r'>(.*)<', s[0])[1].replace('&quot;', '"').replace('&apos;', "'"))['action'] for s in t.server.psql(
        "select stanza from archive.record where kind in (24, 25) and strpos(stanza, 'erasure') > 0 order by id")]
    actions = [x for x in actions if x.startswith('erasure')]
    assert actions == ['erasure.preview', 'erasure.request', 'erasure.grant', 'erasure', 'erasure.finished'], actions
    assert_sound(t)
    seen = [r for r in Person(t, 'auditor').local('audit', 'list') if r['action'] == 'erasure']
    assert [(r['who'], r['text'], r['about'], r['detail']['why']) for r in seen] == [(who.name, body, row['decision'], 'asked by letter')], seen
    officer = Person(t, 'officer')
    assert officer.local('archive', 'search', words=word) == []
    shown = officer.local('archive', 'show', id=ids[0])
    assert shown[0]['erased'] is True and word not in json.dumps(shown), shown
    assert [m for m in query(b).bodies] == ['stays']


@alone(**FAST)
def test_conversation_goes_on(t):
    """XEP-0313 §4.1.1: the beginning of a conversation is erased; the rest of it is still found by contact"""
    a, b = t.online(), t.online()
    ids = say(a, b, *('line %d' % i for i in range(6)))
    answer = b.message(a.jid, 'answer')
    a.expect_message(id=answer)
    row = erase(dpo(t), records=ids[:2])
    assert row['erased'] == 2, row
    assert query(b, **{'with': a.bare}).bodies == ['line 2', 'line 3', 'line 4', 'line 5', 'answer']
    assert query(a, **{'with': b.bare}).bodies == ['line 2', 'line 3', 'line 4', 'line 5', 'answer']
    row = erase(dpo(t), records=ids[2:])
    assert query(a, **{'with': b.bare}).bodies == ['answer'] == query(a).bodies
    row = erase(dpo(t), query={'person': [a.bare]})
    assert row['state'] == 'done' and query(a, **{'with': b.bare}).bodies == [] == query(a).bodies, row
    say(a, b, 'another', 'and another')
    assert query(a, **{'with': b.bare}).bodies == ['another', 'and another'] == query(b, **{'with': a.bare}).bodies


@alone(**FAST)
def test_conversation_before_it(t):
    """XEP-0313 §4.1.1: what was erased was a span of the conversation by itself; what was said before it is still found by contact, whole"""
    a, b, c = t.online(), t.online(), t.online()
    said = ['line %d' % i for i in range(5)]
    say(a, b, *said)
    say(a, c, *('x %d' % i for i in range(SPAN)))
    alone_, = say(a, b, 'alone')[len(said) + SPAN:]
    say(a, c, *('y %d' % i for i in range(SPAN)))
    say(a, b, 'end')
    row = erase(dpo(t), records=[alone_])
    assert row['erased'] == 1, row
    for x, y in ((a, b), (b, a)):
        assert query(x, **{'with': y.bare}).bodies == said + ['end'] == query(x, rsm(before=''), **{'with': y.bare}).bodies


def backlog(c, room, nick):
    """What who enters is shown of the past."""
    c.heard = []
    enter(c, room, nick)
    return [m.text('body') for m in c.heard if m.name == 'message' and m.find('delay:delay') is not None]


@alone(**FAST)
def test_room_forgets(t):
    """XEP-0045 §7.2.13: who enters a room in which others are is not shown what was erased meanwhile, and what stays is"""
    a, b, c, room = t.online(), t.online(), t.online(), new_room(t)
    create(a, room, 'crone')
    for body in ('one', 'two', 'three'):
        say_in_room(a, room, body)
    ids = [int(r[0]) for r in t.server.psql("select id from archive.record where to_bare = '%s' and body in ('one', 'three') order by id" % room)]
    assert len(ids) == 2 and backlog(b, room, 'hecate') == ['one', 'two', 'three']
    row = erase(dpo(t), records=ids)
    assert row['state'] == 'done' and row['erased'] == 2, row
    say_in_room(a, room, 'four')
    assert backlog(c, room, 'third') == ['two', 'four']
    # Who has lost track (§7.2.2), too.
    row = erase(dpo(t), query={'room': [room], 'kind': ['message']})
    assert row['state'] == 'done' and backlog(b, room, 'hecate') == []


@alone(**FAST)
def test_hold_beats_it(t):
    """Issue 7: legal holds beat everything: what is held stays, is counted, and the certificate says so"""
    a, b = t.online(), t.online()
    ids = say(a, b, *('line %d' % i for i in range(4)))
    indexed(t)
    hold(t, since=ids[2])
    who = dpo(t)
    n = asked(who, query={'person': [a.bare], 'kind': ['message']})
    row, = who.local('erasure', 'preview', erasure=n)
    assert (row['records'], row['would_go'], row['held']) == (4, 2, 2), row
    who.local('erasure', 'grant', erasure=n)
    row = over(who, n)
    assert (row['state'], row['erased'], row['held']) == ('partly', 2, 2), row
    assert [r[2] for r in left(t, ids)] == ['f', 'f', 't', 't']
    note = who.local('erasure', 'certificate', erasure=n)[0]['certificate']
    assert '\nerased 2\nheld 2\n' in note, note
    # When the hold has been released it is asked for anew.
    t.server.psql("update compliance.hold set released_at = now(), released_by = 'x', release_reason = 'over'")
    assert erase(who, query={'person': [a.bare], 'kind': ['message']})['erased'] == 2
    assert [r[2] for r in left(t, ids)] == ['f'] * 4
    assert_sound(t)


class Blocked:
    """Nothing can be wiped meanwhile: whoever wants to waits, behind the record of it."""

    def __init__(self, t):
        self.t = t
        self.psql = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write("begin; select pg_advisory_xact_lock(4841263, 6);\n")
        self.psql.stdin.flush()
        self.psql.stdout.readline()

    def wait(self):
        self.t.server.wait(lambda: self.t.server.value('select count(*) from archive.record where kind = 25') == '1', 'the record of the erasure')
        self.t.server.wait(lambda: self.t.server.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                                                       " and usename = 'chancery_retention'") == '1', 'somebody who wants to wipe')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


@alone(**FAST)
def test_hold_in_between(t):
    """A hold that comes between the record of an erasure and the wiping beats it; what is not wiped has its content, and the log is sound"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one', 'two')
    indexed(t)
    who = dpo(t)
    n = asked(who, query={'person': [a.bare], 'kind': ['message']})
    with Blocked(t) as block:
        who.local('erasure', 'grant', erasure=n)
        block.wait()
        hold(t)
    row = over(who, n)
    assert (row['state'], row['erased'], row['held']) == ('partly', 0, 2), row
    assert [r[2] for r in left(t, ids)] == ['t', 't']
    assert t.server.psql('select erased, held from archive.erasure') == [['0', '2']]
    assert_sound(t)


@alone(**FAST)
def test_later_than_the_decision(t):
    """A request that waits behind another goes as far as its decision: what was said since stays"""
    a, b, c = t.online(), t.online(), t.online()
    say(c, b, 'first')
    ids = say(a, b, 'one')
    who = dpo(t)
    first = asked(who, query={'person': [c.bare], 'kind': ['message']})
    second = asked(who, query={'person': [a.bare], 'kind': ['message']})
    with Blocked(t) as block:
        who.local('erasure', 'grant', erasure=first)
        block.wait()
        who.local('erasure', 'grant', erasure=second)
        ids = say(a, b, 'later')
    row = over(who, second)
    assert (row['state'], row['erased']) == ('done', 1), row
    assert row['log_size'] == int(t.server.value('select log_index from archive.record where id = %d' % row['decision'])), row
    assert [r[2] for r in left(t, ids[-1:])] == ['t'] and t.server.value("select body from archive.record where id = %d" % ids[-1]) == 'later'


@alone(**FAST)
def test_killed(t):
    """Issue 7: kill -9 between the record of an erasure and the wiping: it is carried out after the next start, once"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one', 'two', 'three')
    who = dpo(t)
    n = asked(who, query={'person': [a.bare], 'kind': ['message']})
    with Blocked(t) as block:
        who.local('erasure', 'grant', erasure=n)
        block.wait()
        assert [r[2] for r in left(t, ids)] == ['t'] * 3
        t.server.kill()
        t.server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'chancery_retention'")
    assert [r[2] for r in left(t, ids)] == ['t'] * 3
    t.server.start()
    row = over(who, n)
    assert (row['state'], row['erased'], row['held']) == ('done', 3, 0), row
    assert [r[1:] for r in left(t, ids)] == [['f', 'f']] * 3
    assert t.server.value('select count(*) from archive.record where kind = 25') == '1' == t.server.value('select count(*) from archive.erasure')
    assert_sound(t)


@alone(**FAST)
def test_files(t):
    """Content that nobody else's record needs goes from the disk, too, with its address and its name; what somebody else has sent stays"""
    a, b = t.online(), t.online()
    mine, ours = [unique(x).encode() * 50 for x in ('mine', 'ours')]
    name = unique('plan') + '.txt'
    slot = upload(t, a, mine, name=name)
    upload(t, a, ours)
    other = upload(t, b, ours)
    assert mine in files(t) and ours in files(t)
    row = erase(dpo(t), query={'person': [a.bare]})
    assert row['state'] == 'done', row
    assert name.encode() not in dump(t)
    h = Http(t.server, t.source)
    assert h.ask('GET', slot.get_path).status == 404
    assert h.ask('GET', other.get_path).status == 200
    h.close()
    # What has just been judged may be about to be somebody's, for a minute.
    t.server.psql("update chancery.file set seen_at = seen_at - interval '2 minutes'")
    erase(dpo(t), query={'person': [a.bare]})
    t.server.wait(lambda: mine not in files(t), 'the content gone')
    assert ours in files(t)
    sha = hashlib.sha256(mine).hexdigest()
    assert t.server.value("select count(*) from chancery.file where sha256 = '\\x%s'" % sha) == '0' and sha.encode() not in dump(t)
    assert_sound(t)


def test_held_contents(t):
    """Contents that are held do not keep those behind them from being removed, however many they are, and are asked about again when a hold is released"""
    name = unique('content')
    found = (
        "begin; insert into archive.erasure (record, first_index, last_index, erased, held) values (-1, 0, 0, 0, 0);"
        "insert into chancery.file (sha256, size, state, scanned_at, signatures_at, kept, quarantined, seen_at, held_at)"
        " select sha256(('%s' || n)::bytea), 1, 1, now(), now(), true, false, now() - interval '1 hour', case when n > 0 then now() end"
        " from generate_series(100, 0, -1) n;%s"
        "select count(*) filter (where f = sha256('%s0'::bytea)), count(*) filter (where f = sha256('%s100'::bytea)) from chancery.file_orphans(1000000) f; rollback")
    release = ("insert into compliance.hold (matter, reason, query, query_text, form, has, lacks, since, until, set_by) values ('%s', 'r', '{}', 'x', 1, '{}', '{}', 0, 0, 'x');"
               "update compliance.hold set released_at = now(), released_by = 'x', release_reason = 'r' where matter = '%s';" % (name, name))
    assert t.server.psql(found % (name, '', name, name)) == [['1', '0']]
    assert t.server.psql(found % (name, release, name, name)) == [['1', '1']]


@alone(**FAST)
def test_end_not_written(t):
    """An erasure whose end cannot be written down is said to be over once, when it is"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one')
    who = dpo(t)
    t.server.psql("create function compliance.no() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;"
                  "create trigger no before update on compliance.erasure for each row when (new.finished_at is not null) execute function compliance.no()")
    n = asked(who, records=ids)
    who.local('erasure', 'grant', erasure=n)
    t.server.wait(lambda: 'not now' in (who.local('erasure', 'show', erasure=n)[0]['error'] or ''), 'it to fail')
    t.server.psql('drop trigger no on compliance.erasure')
    t.server.restart()
    over(who, n)
    assert t.server.value("select count(*) from archive.record where kind = 24 and strpos(stanza, 'erasure.finished') > 0") == '1'


@alone(**FAST)
def test_held_file(t):
    """Issue 7: an upload whose content a record under hold refers to stays with it"""
    a, b = t.online(), t.online()
    data = unique('data').encode() * 50
    slot = upload(t, a, data)
    before = int(t.server.value('select max(id) from archive.record'))
    id = a.message(b.jid, slot.get, inner="<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (slot.get, slot.get))
    b.expect_message(id=id)
    t.server.wait(lambda: t.server.value("select count(*) from chancery.file_event where path = 'link'") == '1', 'the link noted')
    indexed(t)
    hold(t, since=before + 1)
    row = erase(dpo(t), query={'person': [a.bare], 'kind': ['file', 'message']})
    assert row['state'] == 'partly' and row['held'] == 2, row
    h = Http(t.server, t.source)
    assert h.ask('GET', slot.get_path).status == 200
    h.close()


@alone(compliance__four_eyes='true', **FAST)
def test_four_eyes(t):
    """Issue 7: a grant waits for a second data protection officer; nothing goes before; a refusal says why and ends it"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one')
    one, two = make(t, 'dpo'), make(t, 'dpo')
    n = asked(one, query={'person': [a.bare], 'kind': ['message']})
    row, = one.local('erasure', 'grant', erasure=n, reason='article 17')
    assert row['state'] == 'waiting', row
    assert 'which is you' in refused(403, one.local, 'approval', 'approve', id=row['approval'])
    assert one.local('erasure', 'show', erasure=n)[0]['state'] == 'asked' and left(t, ids)[0][2] == 't'
    two.local('approval', 'approve', id=row['approval'], hash=row['hash'])
    row = over(one, n)
    assert (row['state'], row['decided_by'], row['approved_by'], row['decision_reason']) == ('done', one.name, two.name, 'article 17'), row
    assert two.name in t.server.value('select stanza from archive.record where kind = 25')
    n = asked(one, records=ids)
    assert one.local('erasure', 'refuse', erasure=n, reason='needed for a claim')[0]['state'] == 'refused'
    assert 'has been decided' in refused(422, one.local, 'erasure', 'grant', erasure=n)
    assert t.server.value("select count(*) from archive.record where kind = 24 and strpos(stanza, 'erasure.refuse') > 0 and strpos(stanza, 'needed for a claim') > 0") == '1'


@alone(**FAST)
def test_certificate(t):
    """Issue 7: a certificate of erasure, signed by the log's key, names leaves and the records that say so; chancery-verify checks it"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one', 'two')
    who = dpo(t)
    row = erase(who, records=ids)
    path = t.server.path('certificate')
    code, out, err = who.cli('erasure', 'certificate', str(row['erasure']))
    assert code == 0, (code, err)
    with open(path, 'w') as f:
        f.write(out)
    said = dict(line.split(' ', 1) for line in out.split('\n\n')[0].split('\n')[2:] if not line.startswith(('leaf ', 'erasure ')))
    leaves = t.server.psql("select log_index, encode(leaf_hash, 'hex') from archive.record where id in (%d, %d) order by id" % tuple(ids))
    assert ['%s %s' % tuple(x) for x in leaves] == re.findall(r'^leaf (.*)$', out, re.M), out
    assert said['leaves'] == hashlib.sha256(b''.join(bytes.fromhex(x[1]) for x in leaves)).hexdigest() and (said['erased'], said['held']) == ('2', '0'), said
    record, = t.server.psql("select id || ' ' || log_index || ' ' || encode(leaf_hash, 'hex') from archive.record where kind = 25")[0]
    assert re.findall(r'^erasure (.*)$', out, re.M) == [record], out
    assert said['erasures'] == '1 ' + hashlib.sha256(bytes.fromhex(record.split()[2])).hexdigest(), said
    size, root = said['checkpoint'].split()
    assert t.server.value("select encode(root, 'hex') from archive.checkpoint where size = %s" % size) == root
    assert a.bare not in out and b.bare not in out
    key = t.server.value('select vkey from archive.log_key order by number desc limit 1')
    code, said = verify(t, path, '--key', key)
    assert code == 0 and 'VERIFIED' in said, said
    assert verify(t, path)[0] == 1
    with open(path, 'w') as f:
        f.write(out.replace('erased 2', 'erased 3'))
    code, said = verify(t, path, '--key', key)
    assert code == 1 and 'NOT VERIFIED' in said, said
    with open(path, 'w') as f:
        f.write('chancery-erasure/v1\n')
    assert verify(t, path, '--key', key)[0] == 1
    # What a forger writes does nothing to the terminal on which the verdict is read.
    for evil in ('\x1b[8m', '\x9b8m', '\x90', '\u202e', '\b' * 40):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(out.replace('erased 2', 'erased 2' + evil))
        code, said = verify(t, path, '--key', key)
        assert code == 1 and 'NOT VERIFIED' in said and evil[0] not in said, said


@alone(**FAST)
def test_roles(t):
    """Nobody wipes without a record of it: not by the database's roles, not what no such record names, not what is no such record"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one')
    audit = t.server.value('select max(id) from archive.record where kind = 24')
    conninfo = t.server.env['CHANCERY_PG']

    def as_role(role, sql):
        try:
            t.server.psql('set role %s; %s' % (role, sql), conninfo)
        except RuntimeError as e:
            assert 'permission denied' in str(e), e
            return
        raise AssertionError('%s could: %s' % (role, sql))
    for role in ('chancery_server', 'chancery_officer', 'chancery_auditor'):
        as_role(role, 'select archive.erase(%d)' % ids[0])
        as_role(role, "select chancery.file_forget('x')")
    for id in ids[0], audit, 1:
        as_role('chancery_retention', 'select archive.erase(%s)' % id)
    for sql in ('update archive.record set salt = null', 'delete from archive.record', 'select body from archive.record', 'select search.forget(array[1])',
                'insert into archive.erasure values (1, now(), null, 0, 1, 1, 0)', 'select archive.must_stay(array[1])'):
        as_role('chancery_retention', sql)
    assert left(t, ids)[0][2] == 't'
    for role in ('officer', 'auditor', 'admin'):
        assert 'not for the role' in refused(403, Person(t, role).local, 'erasure', 'request', query={'person': [a.bare]}, reason='x')


def test_bad_input(t):
    """What is no scope, no reason, no request is refused in words; nothing is entered"""
    who = dpo(t)
    n = int(t.server.value('select count(*) from compliance.erasure'))
    for scope in ({}, {'query': {}}, {'query': {'words': 'x'}}, {'query': {'person': ['a b@@c']}}, {'query': {'file_hash': '0' * 8}}, {'records': []},
                  {'records': [0]}, {'records': ['1']}, {'records': [-1]}, {'records': [1], 'query': {'person': ['a@b']}}, {'records': list(range(1, 10002))},
                  {'query': {'since': '2026-01-01', 'until': '2025-01-01'}}):
        refused(422, who.ask, 'erasure', 'request', reason='x', **scope)
    for reason in ('', '  ', 'a\nb', 'x' * 501):
        assert 'reason' in refused(422, who.ask, 'erasure', 'request', reason=reason, query={'person': ['a@b.example']})
    for verb in ('show', 'grant', 'certificate', 'preview'):
        assert 'there is no request' in refused(404, who.ask, 'erasure', verb, erasure=999999)
    refused(404, who.ask, 'erasure', 'refuse', erasure=999999, reason='x')
    assert int(t.server.value('select count(*) from compliance.erasure')) == n
    m = asked(who, query={'person': ['nobody@%s' % t.server.domain]})
    assert 'nothing was erased yet' in refused(422, who.ask, 'erasure', 'certificate', erasure=m)
    row, = who.local('erasure', 'grant', erasure=m)
    assert over(who, m)['erased'] == 0
    code, out, err = who.cli('erasure', 'request', '--person', 'x@y.example', '--record', '5', '--reason', 'x')
    assert code == 2, (code, out, err)


@alone(**FAST)
def test_killed_between_batches(t):
    """Issue 7: kill -9 while many records go: what went is named, what is named goes, and in the end all of it has gone"""
    a, b = t.online(), t.online()
    n = 1400
    for i in range(n):
        a.message(b.jid, 'line %d' % i, id='m%d' % i)
    b.expect_message(id='m%d' % (n - 1))
    before = t.server.psql("select log_index, encode(leaf_hash, 'hex') from archive.record where from_bare = '%s' and kind = 1 order by id" % a.bare)
    assert len(before) == n
    who = dpo(t)
    m = asked(who, query={'person': [a.bare], 'kind': ['message']})
    who.local('erasure', 'grant', erasure=m)
    t.server.wait(lambda: t.server.value('select count(*) from archive.erasure') != '0', 'the first batch')
    t.server.kill()
    t.server.start()
    row = over(who, m)
    assert (row['state'], row['erased'], row['held']) == ('done', n, 0), row
    assert t.server.psql("select log_index, encode(leaf_hash, 'hex') from archive.record where salt is null order by id") == before
    named = [i for body, in t.server.psql('select body from archive.record where kind = 25') for w in body.removeprefix('erased: ').split()
             for i in range(int(w.split('-')[0]), int(w.split('-')[-1]) + 1)]
    assert sorted(named) == [int(r[0]) for r in before], 'what is named is what went, each of it once'
    assert int(t.server.value('select count(*) from archive.record where kind = 25')) >= 2
    assert_sound(t)
    note = who.local('erasure', 'certificate', erasure=m)[0]['certificate']
    sums = hashlib.sha256(b''.join(bytes.fromhex(r[1]) for r in before)).hexdigest()
    assert '\nleaves %s\n' % sums in note and '\nleaf ' not in note, note


@alone(**FAST)
def test_connection_lost(t):
    """PostgreSQL drops the connection that wipes: it is carried out all the same, once, and the request comes to its end"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one', 'two')
    who = dpo(t)
    n = asked(who, query={'person': [a.bare], 'kind': ['message']})
    with Blocked(t) as block:
        who.local('erasure', 'grant', erasure=n)
        block.wait()
        t.server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'chancery_retention'")
        t.server.wait(lambda: who.local('erasure', 'show', erasure=n)[0]['error'] or 'erasure-interrupted' in t.server.log(), 'the trouble noted')
        assert [r[2] for r in left(t, ids)] == ['t', 't']
    row = over(who, n)
    assert (row['state'], row['erased'], row['error']) == ('done', 2, None), row
    assert t.server.value('select count(*) from archive.record where kind = 25') == '1'
    assert_sound(t)


@alone(**FAST)
def test_unnamed(t):
    """Issue 7: what is erased without a record of it is found: a salt taken away, a text put into a gap, a row of archive.erasure made up, a record changed"""
    a, b = t.online(), t.online()
    ids = say(a, b, 'one', 'two', 'three', 'four')
    assert erase(dpo(t), records=ids[:2])['erased'] == 2
    assert_sound(t)
    index = {int(r[0]): int(r[1]) for r in t.server.psql('select id, log_index from archive.record')}
    wipe = ('update archive.record set salt = null, body = null, stanza = null, from_bare = null, from_resource = null, to_bare = null, to_resource = null,'
            ' type = null, client_id = null, refers_to = null where id = %d' % ids[2])
    save = 'create table public.saved as select * from archive.record'
    back = 'delete from archive.record; insert into archive.record select * from public.saved; drop table public.saved'
    erasure, = [int(r[0]) for r in t.server.psql('select record from archive.erasure')]

    def found(*changes):
        kept = t.server.psql('select * from archive.erasure')
        t.server.psql('; '.join((save, *changes)))
        try:
            return findings(t)
        finally:
            t.server.psql(back)
            t.server.psql("delete from archive.erasure; insert into archive.erasure values " + ', '.join('(%s)' % ', '.join("'%s'" % x for x in r) for r in kept))
    # The salt alone: what is left nobody can check, and no erasure names it.
    got = found('update archive.record set salt = null where id = %d' % ids[2])
    assert {(k, i) for k, i in got} == {('erased', index[ids[2]])} and len(got) == 2, got
    # All of it.
    assert found(wipe) == [('erased', index[ids[2]])]
    # A row that says that it was ordered.
    assert found(wipe, 'update archive.erasure set first_index = 0, last_index = 1000000') == [('erased', index[ids[2]])]
    # The record of the erasure says so now.
    got = found(wipe, "update archive.record set body = 'erased: 0-1000000' where id = %d" % erasure)
    assert set(got) == {('altered', index[erasure]), ('erased', index[ids[0]])}, got   # from the first of them on
    # Something in the gap; no record of an erasure any more. (Where the table says that it was not carried out, the server does, and finds nothing to do.)
    assert found("update archive.record set body = 'never said' where id = %d" % ids[0]) == [('erased', index[ids[0]])]
    assert ('missing', index[erasure]) in found('delete from archive.record where id = %d' % erasure)
    assert_sound(t)

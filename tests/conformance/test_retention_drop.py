"""Rows that go (issue 7): of a month of which nothing is left that may be erased the empty rows leave the database; leaves, proofs and completeness stay."""
import json

from chancerytest import tlog
from chancerytest.desk import Person, refused
from chancerytest.scenario import alone
from test_admin import ok, rows
from test_export import export, read, verify as verify_bundle
from test_history import query
from test_hold import hold
from test_log import Tampered, TABLES, checkpoint, kinds, key_of, verify
from test_retention import begin, finish, run, set_class
from test_search import indexed, tell

SETTINGS = {'log__checkpoint_every': '1s', 'log__verify_every': '0', 'compliance__retention_every': '0'}
GOES_ON = """
    insert into archive.record (id, log_index, at, kind, direction, deliverable, from_bare, to_bare, type, body, stanza, salt, leaf_hash)
    select m.id + n, m.next + n, to_timestamp(m.id / 1000000), 1, 0, false, 'a@chancery.test', 'b@chancery.test', 'chat', 'later', '<message/>',
        substr(sha256(n::text::bytea), 1, 16), sha256('') from generate_series(0, 299) n,
    (select (extract(epoch from date_trunc('month', now() at time zone 'UTC') + interval '1 month') * 1000000)::bigint as id, max(log_index) + 1 as next
        from archive.record) m;
    update archive.record r set leaf_hash = archive.leaf(r) where r.body = 'later'"""


def go_on_later(t):
    """As if a month had passed: what is recorded from now on is of the next one. Its partition."""
    month = t.server.value("select 'archive.record_' || to_char(now() at time zone 'UTC', 'YYYY_MM')")
    t.server.kill()
    t.server.psql(GOES_ON)
    t.server.start()
    checkpoint(t)       # what no tile has yet does not go
    return month


def told(t, n=20):
    a, b = t.online(), t.online()
    tell(a, b, *['line %d' % i for i in range(n)])
    return a, b


def gone(t):
    """Log indexes without a row."""
    return {int(i) for i, in t.server.psql('select i from generate_series(0, (select max(log_index) from archive.record)) i'
                                           ' where not exists (select from archive.record r where r.log_index = i)')}


def sound(t, *args):
    found, sum = verify(t, *args)
    assert not found and sum['dropped'] == len(gone(t)), (found, sum)


@alone(**SETTINGS)
def test_month_goes(t):
    """Issue 7: the empty rows of a month go when the last of them has been erased, and not before; who did what stays, and the log still proves all of it"""
    p, o = Person(t, 'dpo'), Person(t, 'officer')
    a, b = told(t)
    old = checkpoint(t)
    id, index, leaf = t.server.psql("select id, log_index, encode(leaf_hash, 'hex') from archive.record where body = 'line 7'")[0]
    trail = t.server.psql('select id, log_index, stanza, salt from archive.record where kind = 24 order by id')
    indexed(t)
    held = hold(o, person=[a.bare])['hold']
    month = go_on_later(t)
    set_class(p, 'rest', 1)
    indexed(t)
    assert run(t, p)[1] >= 20 and not gone(t), 'a month of which something is held'
    o.local('hold', 'release', hold=held, reason='settled')
    run(t, p)
    went = gone(t)
    assert int(index) in went and len(went) >= 20, went
    # Of the month only what is never erased is left, as it was, and the room of the rest has been given back.
    assert t.server.value('select count(*) from %s where kind not in (24, 25)' % month) == '0'
    assert t.server.psql('select id, log_index, stanza, salt from archive.record where kind = 24 and id <= %s order by id' % trail[-1][0]) == trail
    t.server.wait(lambda: t.server.value('select count(*) from archive.dropped where packed_at is null') == '0' or run(t, p) is None, 'the month to be packed')
    # It was said before, and by whom.
    body, stanza = t.server.psql("select body, stanza from archive.record where kind = 25 and body like 'dropped: %'")[0]
    first, _, last = body.removeprefix('dropped: ').partition('-')
    assert int(first) <= min(went) and max(went) <= int(last) and 'retention.drop' in stanza, (body, stanza)
    assert [r['text'] for r in Person(t, 'auditor').local('audit', 'list') if r['action'] == 'retention.drop'] == [body]
    assert sum(r['dropped'] for r in p.local('retention', 'runs')) == len(went) == t.server.metric('chancery_retention_dropped_total')
    sound(t)
    sound(t, '--since-checkpoint', str(old[0]))
    code, out, err = t.server.cli('archive', 'verify', '--all')
    assert code == 0 and '%d more that were erased are there as leaves only' % len(went) in out, (out, err)
    # Proofs: of what stays, and from a checkpoint whose newest leaves have no rows any more.
    proof = json.loads(ok(t, 'archive', 'prove', trail[0][0]))
    assert tlog.included(proof['log_index'], proof['tree_size'], bytes.fromhex(proof['leaf_hash']), [bytes.fromhex(h) for h in proof['inclusion']]).hex() == proof['root']
    proof = json.loads(ok(t, 'log', 'consistency', str(old[0])))
    new = tlog.checkpoint(proof['checkpoint'], key_of(t))
    assert proof['from'] == old[0] and tlog.consistent(old[0], new[0], old[1], new[1], [bytes.fromhex(h) for h in proof['consistency']])
    tile = bytes.fromhex(t.server.value("select encode(hashes, 'hex') from archive.tile where level = 0 and index = %d" % (int(index) // 256)))
    assert tile[int(index) % 256 * 32:][:32].hex() == leaf
    for words in (('archive', 'show'), ('archive', 'prove')):
        code, out, err = t.server.cli(*words, id) if words[1] == 'prove' else o.cli(*words, id)
        assert code == 1 and 'has left the database' in err, (words, out, err)
    assert 'there is no record 17' in refused(404, o.local, 'archive', 'show', id=17)
    # An export of everything: outside, and not missing.
    path = export(t, o)
    code, out = verify_bundle(t, path)
    assert code == 0 and 'missing.jsonl' not in read(path)[1], out
    # It goes on: with what is said, the index made anew, and the keeper's own look.
    t.server.psql('update search.progress set form = 0')
    t.server.restart()
    a, b = t.online(), t.online()
    tell(a, b, 'afterwards')
    indexed(t)
    assert query(b).bodies == ['afterwards'] and rows(t, 'archive', 'status')[0]['log'] == 'ok'
    assert gone(t) == went
    sound(t)


@alone(**SETTINGS)
def test_tampered(t):
    """Issue 7: rows that go under cover of those that may are found: what was not erased, what no record says, what a table alone says"""
    p = Person(t, 'dpo')
    told(t)
    go_on_later(t)
    set_class(p, 'rest', 1)
    indexed(t)
    run(t, p)
    went = gone(t)
    assert went
    sound(t)
    tables = TABLES + ('erasure', 'dropped')
    t.server.psql('; '.join(['create schema saved'] + ['create table saved.%s as table archive.%s' % (n, n) for n in tables]))
    audit = int(t.server.value('select min(log_index) from archive.record where kind = 24'))
    empty, whole = [int(x) for x in t.server.psql("select min(log_index) filter (where salt is null), min(log_index) filter (where kind = 24) from archive.record"
                                                  " where log_index > %d" % max(went))[0]]
    drop = 'delete from archive.record where log_index = %d'
    lie = ("insert into archive.dropped (record, month, first_id, end_id, first_index, last_index, looked_to) select record, '1999-01', 0, 1, %(n)d, %(n)d, 0"
           " from archive.dropped; insert into archive.erasure (record, first_index, last_index, erased, held) values (-1, %(n)d, %(n)d, 1, 0)")

    class Changed(Tampered):
        def __exit__(self, *_):
            self.t.server.psql('; '.join(['truncate %s' % ', '.join('archive.' + n for n in tables)]
                                         + ['insert into archive.%s select * from saved.%s' % (n, n) for n in reversed(tables)]))

    for what, index, *changes in (('what is never erased, of the month', audit, drop % audit),
                                  ('an empty row of a month that no record names', empty, drop % empty),
                                  ('a row that only tables speak for', whole, drop % whole, lie.replace('select record,', 'select -record,') % {'n': whole})):
        with Changed(t, *changes):
            found, _ = verify(t)
        assert [f[:2] for f in found if f[0] == 'missing'] == [('missing', index)] and set(kinds(found)) <= {'missing', 'tree'}, (what, found)
    with Changed(t, "update archive.record set body = body || '9' where body like 'dropped: %'"):
        found, sum = verify(t)
    assert kinds(found) == ['altered', 'missing'] and sum['dropped'] == 0, (found, sum)
    with Changed(t, "delete from archive.erasure where record in (select record from archive.dropped)"):
        found, sum = verify(t)
    assert kinds(found) == ['missing'] and sum['dropped'] == 0, (found, sum)
    with Changed(t, 'delete from archive.tile where level = 0 and index = %d' % (min(went) // 256)):
        found, _ = verify(t)
    assert kinds(found) == ['tile', 'tree'], found
    with Changed(t, drop % audit):
        o = Person(t, 'officer')
        path = export(t, o)
        assert [json.loads(x) for x in read(path)[1]['missing.jsonl'].decode().splitlines()] == [{'first': audit, 'last': audit}]


@alone(**SETTINGS)
def test_interrupted(t):
    """Killed when it was recorded, or when some rows had gone, the next look goes on with the same record; what is not in its tile as it is in the row stays"""
    p = Person(t, 'dpo')
    told(t)
    go_on_later(t)
    index = int(t.server.value("select log_index from archive.record where body = 'line 3'"))
    other = 'update archive.tile set hashes = set_byte(hashes, %d, get_byte(hashes, %d) # 1) where level = 0 and index = %d' % (
        index % 256 * 32, index % 256 * 32, index // 256)
    t.server.psql(other)
    set_class(p, 'rest', 1)
    indexed(t)
    t.server.psql("create function archive.no() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;"
                  "create trigger no before insert on archive.dropped for each row execute function archive.no();"
                  "create trigger packed before update on archive.dropped for each row when (new.packed_at is not null) execute function archive.no()")
    n = begin(t, p)
    said = "select count(*) from archive.record where kind = 25 and body like 'dropped: %'"
    t.server.wait(lambda: 'not now' in json.loads(t.server.cli('--json', 'status')[1])['retention'], 'it to fail')
    assert t.server.value(said) == '1' and not gone(t)
    t.server.psql('drop trigger no on archive.dropped')
    refused(None, p.local, 'retention', 'run')  # which has it try again
    finish(t, n)
    # What keeps the room of the rows keeps the run from nothing; the next one tries again.
    assert t.server.value('select packed_at is null from archive.dropped') == 't' and 'retention-not-packed' in t.server.log()
    t.server.psql('drop trigger packed on archive.dropped')
    t.server.wait(lambda: t.server.value('select count(*) from archive.dropped where packed_at is null') == '0' or run(t, p) is None, 'the month to be packed')
    went = gone(t)
    assert t.server.value(said) == '1' and index - 1 in went and index not in went, (index, went)
    # As if it had been killed before it was over.
    t.server.psql('update archive.dropped set finished_at = null, looked_to = 0, packed_at = null')
    t.server.psql(other)
    run(t, p)
    assert t.server.value('select finished_at is not null from archive.dropped') == 't' and gone(t) == went | {index}, (went, gone(t))
    sound(t)

"""The record's signed log (issue 7): checkpoints, proofs, the file outside, keys. What the server says is checked by chancerytest/tlog.py."""
import json
import os

from chancerytest import tlog
from chancerytest.scenario import alone
from test_admin import fails, ok, rows

SETTINGS = {'log__checkpoint_every': '1s', 'log__verify_every': '0'}


def key_of(t, number=1):
    return tlog.Key(t.server.value('select vkey from archive.log_key where number = %d' % number))


def talk(t, n):
    """n messages; when they have arrived they are in the record."""
    a, b = t.online(), t.online()
    for i in range(n):
        a.message(b.jid, 'word %d <&> \u00e4' % i, id='m%d' % i)
    for i in range(n):
        b.expect_message(id='m%d' % i)
    return a, b


def checkpoint(t):
    """Made now; (size, root, seconds), as signed."""
    ok(t, 'log', 'checkpoint')
    return tlog.checkpoint(t.server.value('select note from archive.checkpoint order by size desc limit 1'), key_of(t))


def records(t):
    """All of them: (row, leaf hash), each leaf computed from its row."""
    found = t.server.psql(tlog.SELECT)
    leaves = [bytes.fromhex(r[17]) for r in found]
    assert [tlog.leaf(r) for r in found] == leaves, 'a leaf is not its row'
    assert [int(r[1]) for r in found] == list(range(len(found))), 'the log is not dense'
    return found, leaves


def assert_sound(t):
    """Every checkpoint is signed and is the root over the records up to there."""
    _, leaves = records(t)
    points = [tlog.checkpoint(note, key_of(t, int(n))) for note, n in t.server.psql(
        'select note, (select max(number) from archive.log_key k where k.since < c.size) from archive.checkpoint c order by size')]
    for size, root, _ in points:
        assert root == tlog.root(leaves[:size]), size
    for tile, hashes in t.server.psql("select index, encode(hashes, 'hex') from archive.tile where level = 0"):
        assert bytes.fromhex(hashes) == b''.join(leaves[int(tile) * 256:int(tile) * 256 + 256]), tile
    assert int(t.server.value('select count(*) from archive.tile where level = 0')) >= (points[-1][0] if points else 0) // 256
    return points, leaves


@alone(**SETTINGS)
def test_checkpoint(t):
    """RFC 9162 §2.1, C2SP tlog-checkpoint: what was said is covered by a signed checkpoint within seconds, by itself"""
    talk(t, 300)
    n = int(t.server.value('select count(*) from archive.record'))
    t.server.wait(lambda: (t.server.value('select max(size) from archive.checkpoint') or '0') == str(n), 'a checkpoint of all')
    points, leaves = assert_sound(t)
    assert points[-1][0] == n >= 300 and tlog.Key(ok(t, 'log', 'key', 'show', t.server.path('keys', 'log.key')).strip()).public == key_of(t).public
    assert key_of(t).name == t.server.domain
    status = rows(t, 'archive', 'status')[0]
    assert (status['log'], status['records'], status['checkpoint'], status['uncovered']) == ('ok', n, n, 0), status
    assert t.server.metric('chancery_log_size') == n and t.server.metric('chancery_log_key') == 1


def test_proofs(t):
    """RFC 9162 §2.1.3 and §2.1.4: the proofs that the server gives lead to what it has signed"""
    a, b = talk(t, 5)
    first = checkpoint(t)
    talk(t, 5)
    last = checkpoint(t)
    id, index, leaf = t.server.psql("select id, log_index, encode(leaf_hash, 'hex') from archive.record where from_bare = '%s' and client_id = 'm3'"
                                    % a.bare)[0]
    p = json.loads(ok(t, 'archive', 'prove', id))
    size, root, _ = tlog.checkpoint(p['checkpoint'], key_of(t))
    assert p['leaf_hash'] == leaf and p['log_index'] == int(index) and size == p['tree_size'] and p['root'] == root.hex(), p
    assert tlog.included(int(index), size, bytes.fromhex(leaf), [bytes.fromhex(h) for h in p['inclusion']]) == root
    p = json.loads(ok(t, 'log', 'consistency', str(first[0]), str(last[0])))
    assert (p['from'], p['to']) == (first[0], last[0]), p
    assert tlog.consistent(first[0], last[0], first[1], last[1], [bytes.fromhex(h) for h in p['consistency']])
    for word in '1', '999999999999999999999', 'x', "1' or true --":
        fails(t, 1, 'archive', 'prove', word)
    fails(t, 1, 'log', 'consistency', '2000000000')

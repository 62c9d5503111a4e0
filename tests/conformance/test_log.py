"""The record's signed log (issue 7): checkpoints, proofs, the file outside, keys. What the server says is checked by chancerytest/tlog.py."""
import http.server
import json
import os
import shutil
import subprocess
import threading

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


# -- verification: each kind of change by somebody who may do everything in the database ------------------------


TABLES = ('checkpoint_stamp', 'checkpoint', 'tile', 'log_key', 'record')


def verify(t, *args):
    """(findings, summary) of `archive verify` over a connection of its own; each finding (kind, log index, record, text)."""
    code, out, err = t.server.cli('--json', 'archive', 'verify', '--conninfo', t.server.env['CHANCERY_PG'], *args)
    said = [json.loads(line) for line in out.splitlines()]
    assert said and 'findings' in said[-1], (code, out, err)
    found = [(f['finding'], f['log_index'], f['record'], f['text']) for f in said[:-1]]
    assert code == (1 if found else 0) and said[-1]['findings'] == len(found), (code, found, said[-1])
    return found, said[-1]


class Tampered:
    """Changes made as the superuser, and taken back at the end."""

    def __init__(self, t, *changes):
        self.t, self.changes = t, changes

    @staticmethod
    def save(t):
        t.server.psql('; '.join(['create schema saved'] + ['create table saved.%s as table archive.%s' % (n, n) for n in TABLES]))

    def __enter__(self):
        self.t.server.psql('; '.join(self.changes))

    def __exit__(self, *_):
        self.t.server.psql('; '.join(['truncate %s' % ', '.join('archive.' + n for n in TABLES)]
                                     + ['insert into archive.%s select * from saved.%s' % (n, n) for n in reversed(TABLES)]))


def kinds(found):
    return sorted({f[0] for f in found})


def record_at(t, index):
    return int(t.server.value('select id from archive.record where log_index = %d' % index))


# Changes to the record of a log index, each of which is found as altered.
REHASH = 'update archive.record r set leaf_hash = archive.leaf(r) where log_index = %d'
CHANGES = [
    ('a byte of a body', "update archive.record set body = overlay(body placing 'X' from 2 for 1) where log_index = %d"),
    ('a stanza', "update archive.record set stanza = coalesce(stanza, '') || ' ' where log_index = %d"),
    ('who sent it', "update archive.record set from_bare = 'mallory@chancery.test' where log_index = %d"),
    ('its time', "update archive.record set at = at + interval '1 microsecond' where log_index = %d"),
    ('what was nothing', "update archive.record set refers_to = '' where log_index = %d"),
    ('its kind', 'update archive.record set kind = 2 where log_index = %d'),
    ('its salt', "update archive.record set salt = set_byte(salt, 0, get_byte(salt, 0) # 1) where log_index = %d"),
    ('its leaf', 'update archive.record set leaf_hash = set_byte(leaf_hash, 31, get_byte(leaf_hash, 31) # 128) where log_index = %d'),
    ('its salt to no salt', "update archive.record set salt = 'x' where log_index = %d"),
]


@alone(log__checkpoint_file='keys/outside', **SETTINGS)
def test_verify_finds(t):
    """Issue 7: a changed byte, a deleted row, a swapped row, a forged checkpoint, a truncated tail, a changed tile: found, and named"""
    outside = t.server.path('keys', 'outside')
    talk(t, 500)
    first = checkpoint(t)
    talk(t, 40)
    size, _, _ = checkpoint(t)
    assert 512 < size < 768, size
    assert_sound(t)
    t.server.wait(lambda: os.path.exists(outside) and tlog.notes(open(outside).read())[-1].split('\n')[1] == str(size), 'the checkpoint in the file')
    assert tlog.notes(open(outside).read()) == [note for note, in t.server.psql('select note from archive.checkpoint order by size')]
    found, sum = verify(t, '--checkpoint-file', outside, '--key', t.server.value('select vkey from archive.log_key'))
    assert not found and (sum['records'], sum['size'], sum['first']) == (size, size, 0), (found, sum)
    assert sum['trusted'] and sum['checkpoints'] == 2 * sum['outside'] >= 4, sum
    Tampered.save(t)
    # Each change to a record of its own, where there are tiles already and where there are none.
    for index in 50, size - 20:
        with Tampered(t, *[change % (index + i) for i, (_, change) in enumerate(CHANGES)]):
            found, _ = verify(t)
        altered = {f[1]: f[2] for f in found if f[0] == 'altered'}
        for i, (what, _) in enumerate(CHANGES):
            assert altered.get(index + i) == record_at(t, index + i), (what, found)
        assert kinds(found) in (['altered'], ['altered', 'tree']) and len(altered) == len(CHANGES), found
    # Whoever makes the leaf fit is shown by the tile, or by the checkpoint.
    with Tampered(t, CHANGES[1][1] % 50, REHASH % 50, CHANGES[1][1] % (size - 3), REHASH % (size - 3)):
        found, _ = verify(t)
    assert [f[:2] for f in found] == [('altered', 50), ('tree', size)] and 'to fit' in found[0][3], found
    with Tampered(t, 'delete from archive.record where log_index in (7, %d) or log_index between 100 and 299' % (size - 3)):
        found, _ = verify(t)
    missing = [f for f in found if f[0] == 'missing']
    assert [f[1] for f in missing] == [7, 100, size - 3] and '100 to 299' in missing[1][3], found
    assert kinds(found) == ['missing', 'tree'] and 'could not be compared' in found[-1][3], found
    pairs, swaps = ((10, 300), (size - 3, size - 2), (11, size - 4)), []
    for a, b in pairs:
        swaps += ['update archive.record set log_index = %d where log_index = %d' % pair for pair in ((100000, a), (a, b), (b, 100000))]
    with Tampered(t, *swaps):
        found, _ = verify(t)
    assert [f[1] for f in found if f[0] == 'swapped'] == [a for a, _ in sorted(pairs)] and 'altered' not in kinds(found), found
    with Tampered(t, "update archive.checkpoint set root = sha256('x') where size = %d" % first[0],
                  "update archive.checkpoint set note = replace(note, E'\\n%d\\n', E'\\n%d\\n') where size = %d" % (size, size - 1, size),
                  'update archive.tile set hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1) where index = 1',
                  'delete from archive.tile where index = 0'):
        found, _ = verify(t)
    assert sorted(f[:2] for f in found) == [('forged', first[0]), ('forged', size), ('tile', 0), ('tile', 256)], found
    # The newest records: with their checkpoints gone, too, only the file outside knows better.
    cut = 'delete from archive.record where log_index >= %d' % first[0]
    with Tampered(t, cut):
        found, _ = verify(t)
    assert [f[:2] for f in found] == [('truncated', first[0])], found
    with Tampered(t, cut, 'delete from archive.checkpoint where size > %d' % first[0], 'delete from archive.tile where 256 * (index + 1) > %d' % first[0]):
        assert not verify(t)[0]
        found, _ = verify(t, '--checkpoint-file', outside)
    assert [f[:2] for f in found] == [('truncated', first[0])], found
    # What is not hashed is not said to be altered.
    with Tampered(t, 'update archive.record set shown = not shown, from_hash = 1, to_hash = NULL, pair_hash = 3, span_before = 1'):
        assert not verify(t)[0]
    out = ok(t, 'archive', 'verify', '--all')
    assert 'everything is as it was recorded' in out, out


def trouble(t):
    return rows(t, 'archive', 'status')[0]['log']


@alone(log__checkpoint_file='keys/none/outside', **SETTINGS)
def test_kill_and_sink(t):
    """Issue 7: whatever moment the server is killed at, checkpoints go on from each other; a file that could not be written gets what it lacks"""
    file = t.server.path('keys', 'none', 'outside')
    talk(t, 30)
    first = checkpoint(t)
    t.server.wait(lambda: 'do not reach' in trouble(t), 'the alarm')
    assert t.server.cli('status')[0] == 1 and t.server.metric('chancery_log_sink_failed_total') >= 1
    a, b = t.online(), t.online()
    for i in range(300):
        a.message(b.jid, 'x', id='k%d' % i)
    b.expect_message(id='k50')
    t.server.kill()
    os.mkdir(os.path.dirname(file))
    shutil.chown(os.path.dirname(file), *owner(t.server.path('keys')))
    t.server.start()
    talk(t, 3)
    last = checkpoint(t)
    points, leaves = assert_sound(t)
    assert first[0] in [p[0] for p in points] and last[0] == len(leaves) == int(t.server.value('select count(*) from archive.record'))
    p = json.loads(ok(t, 'log', 'consistency', str(first[0])))
    assert tlog.consistent(first[0], last[0], first[1], last[1], [bytes.fromhex(h) for h in p['consistency']])
    t.server.wait(lambda: os.path.exists(file) and open(file).read() == ''.join(
        n for n, in t.server.psql('select note from archive.checkpoint order by size')), 'all checkpoints in the file')
    t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')
    assert len(tlog.notes(open(file).read())) >= 2


def owner(path):
    st = os.stat(path)
    return st.st_uid, st.st_gid


@alone(log__checkpoint_file='keys/outside', **SETTINGS)
def test_keys(t):
    """Issue 7: without its key the log is not signed, that is alarmed, and messages go on; a key hands over to the next, or is lost"""
    file, outside = t.server.path('keys', 'log.key'), t.server.path('keys', 'outside')
    talk(t, 2)
    size, _, _ = checkpoint(t)
    ok(t, 'log', 'rotate')
    second = key_of(t, 2)
    assert tlog.Key(ok(t, 'log', 'key', 'show', file).strip()).public == second.public and os.stat(file).st_mode & 0o777 == 0o600
    note, since, lost = t.server.psql('select handover, since, lost from archive.log_key where number = 2')[0]
    assert key_of(t).signed(note) and second.signed(note) and int(since) >= size and lost == 'f', note
    talk(t, 2)
    ok(t, 'log', 'checkpoint')
    assert_sound(t)
    os.rename(file, file + '.gone')
    t.server.restart()
    assert 'nothing' in fails(t, 1, 'log', 'checkpoint') or 'no checkpoints are signed' in trouble(t), trouble(t)
    assert 'log.key' in t.server.cli('status')[2] and t.server.metric('chancery_log_key') == 0
    talk(t, 2)
    assert '--lost' in fails(t, 1, 'log', 'rotate')
    ok(t, 'log', 'rotate', '--lost')
    third = key_of(t, 3)
    note, lost = t.server.psql('select handover, lost from archive.log_key where number = 3')[0]
    assert third.signed(note) and not second.signed(note) and lost == 't', note
    talk(t, 1)
    ok(t, 'log', 'checkpoint')
    assert_sound(t)
    t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')
    fails(t, 1, 'log', 'rotate', '--lost')
    # In the file each hand-over is before what the new key has signed; who trusts the first key is not told to trust the third.
    found, sum = verify(t, '--checkpoint-file', outside)
    assert not found, found
    found, _ = verify(t, '--checkpoint-file', outside, '--key', t.server.value('select vkey from archive.log_key where number = 1'))
    assert kinds(found) == ['untrusted'], found
    assert not verify(t, '--key', t.server.value('select vkey from archive.log_key where number = 1'), '--key',
                      t.server.value('select vkey from archive.log_key where number = 3'))[0]
    assert [n for n in tlog.notes(open(outside).read()) if tlog.is_handover(n)] == [
        n for n, in t.server.psql('select handover from archive.log_key where number > 1 order by number')]


@alone(**{**SETTINGS, 'log__verify_every': '1s'})
def test_watch(t):
    """Issue 7: the server looks by itself, and alarms what it finds"""
    talk(t, 5)
    t.server.wait(lambda: int(rows(t, 'archive', 'status')[0]['verified']) >= 5, 'a look without findings')
    t.server.psql("create table saved as select id, body from archive.record where body is not null; update archive.record set body = 'never said' "
                  'where id = (select min(id) from saved)')
    t.server.wait(lambda: t.server.metric('chancery_log_findings') == 1, 'the finding')
    code, _, err = t.server.cli('status')
    assert code == 1 and str(t.server.value('select min(id) from saved')) in err, err
    t.server.wait(lambda: t.server.value('select detail from archive.verification where findings = 1 limit 1'), 'the note of it')
    t.server.psql('update archive.record r set body = s.body from saved s where s.id = r.id')
    t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')


class Authority(http.server.ThreadingHTTPServer):
    """A time stamping authority, by openssl; it does not answer before it is told to."""

    def __init__(self, t, folder):
        super().__init__(('127.0.0.1', 0), Stamp)
        self.folder, self.open = folder, False
        with open(self.path('cnf'), 'w') as f:
            f.write('[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=tsa.test\n[ext]\nextendedKeyUsage=critical,timeStamping\n[tsa]\n'
                    'default_tsa=it\n[it]\nserial=%s\nsigner_cert=%s\nsigner_key=%s\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\n'
                    'ess_cert_id_alg=sha256\n' % (self.path('serial'), self.path('pem'), self.path('key')))
        run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-config', self.path('cnf'),
            '-extensions', 'ext', '-keyout', self.path('key'), '-out', self.path('pem'))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def path(self, name):
        return os.path.join(self.folder, 'tsa.' + name)


class Stamp(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        q = self.rfile.read(int(self.headers['Content-Length']))
        if not self.server.open or self.headers['Content-Type'] != 'application/timestamp-query':
            return self.send_error(503)
        with open(self.server.path('tsq'), 'wb') as f:
            f.write(q)
        run('openssl', 'ts', '-reply', '-config', self.server.path('cnf'), '-section', 'it', '-queryfile', self.server.path('tsq'), '-out',
            self.server.path('tsr'))
        with open(self.server.path('tsr'), 'rb') as f:
            body = f.read()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def run(*args):
    p = subprocess.run(args, capture_output=True, text=True)
    assert p.returncode == 0, (args, p.stderr)
    return p.stdout


@alone(log__timestamp_every='1s', **SETTINGS)
def test_time_stamp(t):
    """RFC 3161: a checkpoint is stamped by an authority; while there is none that is alarmed, and nothing waits"""
    authority = Authority(t, t.server.dir)
    try:
        t.server.settings['log.timestamp_url'] = 'http://127.0.0.1:%d/' % authority.server_port
        t.server.restart()
        talk(t, 2)
        checkpoint(t)
        t.server.wait(lambda: 'no time stamps' in trouble(t), 'the alarm')
        authority.open = True
        t.server.restart()
        talk(t, 1)
        size, token = t.server.wait(lambda: (t.server.psql("select size, encode(token, 'hex') from archive.checkpoint_stamp") or [None])[0], 'a stamp')
        with open(authority.path('token'), 'wb') as f:
            f.write(bytes.fromhex(token))
        with open(authority.path('note'), 'w') as f:
            f.write(t.server.value('select note from archive.checkpoint where size = %s' % size))
        run('openssl', 'ts', '-verify', '-data', authority.path('note'), '-in', authority.path('token'), '-token_in', '-CAfile', authority.path('pem'))
        assert trouble(t) == 'ok'
    finally:
        authority.shutdown()
        authority.server_close()

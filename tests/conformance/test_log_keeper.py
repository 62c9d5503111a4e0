"""What the log's keeper believes before it signs, and what the server's own looks at the record do (issue 7, server/archive/LOG.md)."""
import json
import os
import subprocess
import threading

from chancerytest import tlog
from chancerytest.scenario import alone
from test_admin import fails, ok, rows
from test_log import SETTINGS, Authority, Stamp, Tampered, checkpoint, kinds, records, talk, trouble, verify

KEPT = ('checkpoint_stamp', 'checkpoint', 'log_key')


class Keyless:
    """Checkpoints and keys changed by the superuser between two commits of the keeper, and put back at the end."""

    def __init__(self, t, change):
        self.t, self.change = t, change

    def __enter__(self):
        checkpoint(self.t)
        self.t.server.psql('; '.join(['create schema kept'] + ['create table kept.%s as table archive.%s' % (n, n) for n in KEPT] + [self.change]))

    def __exit__(self, *_):
        self.t.server.psql('; '.join(['truncate %s' % ', '.join('archive.' + n for n in KEPT)]
                                     + ['insert into archive.%s select * from kept.%s' % (n, n) for n in reversed(KEPT)] + ['drop schema kept cascade']))


NEWEST = '(select max(size) from archive.checkpoint)'
FORGERIES = [
    ('not signed', "update archive.checkpoint set note = regexp_replace(note, 'time 1', 'time 2') where size = %s" % NEWEST),
    ('not signed', "update archive.checkpoint set root = sha256('x') where size = %s" % NEWEST),
    ('the note beside the key', 'delete from archive.checkpoint'),
    ('the note beside the key', 'delete from archive.checkpoint; delete from archive.log_key'),
    ('the note beside the key', 'delete from archive.checkpoint where size = %s' % NEWEST),
]


@alone(**SETTINGS)
def test_refuses(t):
    """Issue 7: the keeper signs on from no checkpoint that was altered or taken away, whatever the database says; messages go on"""
    talk(t, 3)
    checkpoint(t)
    for why, change in FORGERIES:
        talk(t, 1)
        with Keyless(t, change):
            n = t.server.value('select count(*) from archive.checkpoint')
            ok(t, 'config', 'reload')
            t.server.wait(lambda: why in trouble(t), '%s: %s' % (why, trouble(t)))
            talk(t, 2)
            assert why in fails(t, 1, 'log', 'checkpoint'), change
            assert t.server.value('select count(*) from archive.checkpoint') == n, change
        ok(t, 'config', 'reload')
        t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')
        size, root, _ = checkpoint(t)
        assert root == tlog.root(records(t)[1][:size])


@alone(**SETTINGS)
def test_key_alone(t):
    """A key that has never signed anything, as a server leaves it that ended too early, is signed with"""
    talk(t, 2)
    checkpoint(t)
    t.server.kill()
    t.server.psql('delete from archive.checkpoint_stamp; delete from archive.checkpoint')
    os.remove(t.server.path('keys', 'log.key.last'))
    assert t.server.value('select count(*) from archive.log_key') == '1'
    t.server.start()
    talk(t, 1)
    size, root, _ = checkpoint(t)
    assert trouble(t) == 'ok' and root == tlog.root(records(t)[1][:size])


@alone(**SETTINGS)
def test_put_back(t):
    """Issue 7: a database that was put back to an older state with all its checkpoints is noticed without any file outside"""
    talk(t, 2)
    old, _, _ = checkpoint(t)
    talk(t, 20)
    size, _, _ = checkpoint(t)
    last = t.server.path('keys', 'log.key.last')
    assert tlog.notes(open(last).read())[-1].split('\n')[1] == str(size) and os.stat(last).st_mode & 0o777 == 0o600
    t.server.kill()
    Tampered.save(t)
    with Tampered(t, 'delete from archive.checkpoint where size > %d' % old, 'delete from archive.record where log_index >= %d' % old):
        t.server.start()
        t.server.wait(lambda: 'the note beside the key knows %d' % size in trouble(t), 'the alarm')
        assert t.server.cli('status')[0] == 1
        assert int(t.server.value('select max(size) from archive.checkpoint')) == old
        t.server.kill()
    t.server.start()
    assert checkpoint(t)[0] > size and trouble(t) == 'ok'


@alone(log__checkpoint_file='keys/outside', **SETTINGS)
def test_outside(t):
    """Issue 7: nothing is signed that the file outside does not fit to; a file that was rotated away is begun anew, with all there is"""
    outside = t.server.path('keys', 'outside')

    def is_whole():
        return os.path.exists(outside) and tlog.notes(open(outside).read()) == [
            note for note, in t.server.psql('select note from archive.checkpoint order by size')]
    talk(t, 3)
    checkpoint(t)
    t.server.wait(is_whole, 'the checkpoints in the file')
    os.rename(outside, outside + '.1')
    talk(t, 3)
    checkpoint(t)
    t.server.wait(is_whole, 'all of them in the new file')
    assert len(tlog.notes(open(outside).read())) > len(tlog.notes(open(outside + '.1').read()))
    with Keyless(t, 'delete from archive.checkpoint where size = %s' % NEWEST):
        os.remove(t.server.path('keys', 'log.key.last'))
        n = t.server.value('select count(*) from archive.checkpoint')
        ok(t, 'config', 'reload')
        t.server.wait(lambda: outside in trouble(t), 'the alarm')
        talk(t, 2)
        assert outside in fails(t, 1, 'log', 'checkpoint')
        assert t.server.value('select count(*) from archive.checkpoint') == n
    ok(t, 'config', 'reload')
    t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')

    def says_so():
        # The next checkpoint begins it anew, which may be before the look.
        if os.path.exists(outside):
            os.remove(outside)
        ok(t, 'archive', 'verify')
        return 'not compared with ' + outside in trouble(t)
    t.server.wait(says_so, 'whoever looks to say that it is not there to be compared with')


@alone(**SETTINGS)
def test_by_hand(t):
    """Issue 7: what a look by hand finds is alarmed until it is over; it goes by the server's own key; it is in the audit trail"""
    talk(t, 5)
    checkpoint(t)
    first = int(t.server.value('select min(log_index) from archive.record where body is not null'))
    t.server.psql('create table saved as select id, body from archive.record where log_index = %d' % first)
    assert rows(t, 'archive', 'verify')[-1]['trusted']
    t.server.psql("update archive.record set body = 'never said' where log_index = %d" % first)
    fails_with = t.server.cli('archive', 'verify', '--all')
    assert fails_with[0] == 1 and 'is not what was recorded' in fails_with[1], fails_with
    assert 'not what was recorded' in trouble(t) and t.server.cli('status')[0] == 1 and t.server.metric('chancery_log_findings') == 1
    # What is above the finding alone ends nothing; that is so after a restart, too.
    assert t.server.cli('archive', 'verify')[0] == 1
    t.server.restart()
    assert t.server.cli('archive', 'verify')[0] == 1
    t.server.psql('update archive.record r set body = s.body from saved s where s.id = r.id')
    ok(t, 'archive', 'verify')
    t.server.wait(lambda: trouble(t) == 'ok', 'the end of the alarm')
    assert t.server.value("select count(*) from chancery.audit where action = 'archive.verify'") == '5'
    # The superuser says that the log has another key.
    other = t.server.path('other.key')
    ok(t, 'log', 'key', 'new', other, t.server.domain)
    t.server.psql("update archive.log_key set vkey = '%s'" % ok(t, 'log', 'key', 'show', other).strip())
    said = [r.get('finding') for r in map(json.loads, t.server.cli('--json', 'archive', 'verify', '--all')[1].splitlines())]
    assert 'key' in said and 'forged' in said, said


@alone(**SETTINGS)
def test_verify_at_once(t):
    """Issue 7: one verification at a time; it ends with its client"""
    talk(t, 2)
    checkpoint(t)
    lock = subprocess.Popen(['psql', '-X', '-q', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, text=True)
    try:
        lock.stdin.write('begin; lock table archive.tile;\n')
        lock.stdin.flush()
        t.server.wait(lambda: t.server.value("select count(*) from pg_locks where relation = 'archive.tile'::regclass and mode = 'AccessExclusiveLock'"
                                             " and granted") == '1', 'the lock')
        first = command(t, 'archive', 'verify', '--all')
        t.server.wait(lambda: t.server.value("select count(*) from pg_locks where relation = 'archive.tile'::regclass and not granted"
                                             " and mode = 'AccessShareLock'") != '0', 'the first to wait')
        assert 'verifications_at_once' in fails(t, 1, 'archive', 'verify')
        first.kill()
        first.wait()

        def is_let_in():
            p = command(t, 'archive', 'verify')
            try:
                return 'verifications_at_once' not in p.communicate(timeout=2)[1]
            except subprocess.TimeoutExpired:
                return True
            finally:
                p.kill()
                p.wait()
        t.server.wait(is_let_in, 'room for another')
    finally:
        lock.stdin.write('commit;\n')
        lock.stdin.close()
        lock.wait()
    t.server.wait(lambda: t.server.cli('archive', 'verify')[0] == 0, 'a whole one')


def command(t, *args):
    return subprocess.Popen([os.path.join(t.server.build, 'bin', 'chancery'), '--config', t.server.env['CHANCERY_CONFIG'], *args], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@alone(**SETTINGS)
def test_what_is_not_covered(t):
    """Issue 7: verify finds records that nobody can read any more without an erasure, that no checkpoint covers, and that there were more"""
    talk(t, 12)
    size, _, _ = checkpoint(t)
    Tampered.save(t)
    gone = ', '.join(c + ' = null' for c in 'salt from_bare from_resource to_bare to_resource type client_id refers_to body stanza'.split())
    with Tampered(t, 'update archive.record set %s where log_index between 4 and 6' % gone, 'update archive.record set salt = null where log_index = 9'):
        found, sum = verify(t)
    assert sorted(f[:2] for f in found) == [('erased', 4), ('erased', 9), ('erased', 9)] and sum['erased'] == 4, found
    assert any('4 to 6' in f[3] for f in found) and any('says something all the same' in f[3] for f in found), found
    with Tampered(t, "update archive.record set at = at - interval '3 hours'", 'delete from archive.checkpoint'):
        found, _ = verify(t)
    assert ('uncovered', 0) in [f[:2] for f in found], found
    with Tampered(t, 'delete from archive.checkpoint'):
        assert not verify(t)[0], 'what is new has a while to be covered'
    found, _ = verify(t, '--since-checkpoint', str(size + 1000))
    assert [f[0] for f in found] == ['truncated'] and str(size + 1000) in found[0][3], found
    assert kinds(verify(t)[0]) == []


class Slow(Stamp):
    def do_POST(self):
        self.server.asked.set()
        self.server.release.wait(30) # who has asked is gone by then
        self.close_connection = True


@alone(log__timestamp_every='1s', **SETTINGS)
def test_slow_authority(t):
    """RFC 3161: who stamps at leisure delays no checkpoint, and no stop"""
    authority = Authority(t, t.server.dir)
    authority.RequestHandlerClass, authority.asked, authority.release = Slow, threading.Event(), threading.Event()
    try:
        t.server.settings['log.timestamp_url'] = 'http://127.0.0.1:%d/' % authority.server_port
        t.server.restart()
        talk(t, 1)
        assert authority.asked.wait(30), 'nobody asked for a stamp'
        for _ in range(3):
            talk(t, 1)
            n = int(t.server.value('select count(*) from archive.record'))
            assert checkpoint(t)[0] >= n
        assert t.server.value('select count(*) from archive.checkpoint_stamp') == '0'
        t.server.restart()
    finally:
        authority.release.set()
        authority.shutdown()
        authority.server_close()

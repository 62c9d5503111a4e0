"""Legal holds (issue 7): what they cover, now and later, is never among what may go; who sets and releases them is seen."""
import hashlib
import subprocess
import threading

from chancerytest.desk import Person, refused
from chancerytest.rooms import create, new_room
from chancerytest.scenario import alone
from chancerytest.upload import noise, upload
from test_approval import make
from test_muc_archive import say
from test_quarantine import caught, listed, on_disk
from test_search import indexed, tell

WHY = dict(matter='Case 17', reason='letter of 2026-11-20')


def ids_of(t, where):
    return [int(i) for i, in t.server.records(where, 'id')]


def said_by(t, who):
    return ids_of(t, "kind = 1 and from_bare = '%s'" % who.bare)


def held(t, ids):
    """Those that a hold covers, as who erases is told."""
    got = t.server.psql("set role chancery_retention; select h from archive.held('{%s}') h order by 1" % ','.join(map(str, ids)))
    return [int(i) for i, in got]


def hold(who, **query):
    row, = who.local('hold', 'add', query=query, **WHY)
    return row


@alone()
def test_person_now_and_later(t):
    """Issue 7: a hold on a person covers what they said and were sent, in rooms, too, and what comes later; nobody else's words"""
    p, (a, b, c) = Person(t, 'officer'), [t.online() for _ in range(3)]
    tell(a, b, 'one', 'two')
    tell(b, a, 'three')
    tell(b, c, 'four')
    room = new_room(t)
    create(a, room, 'one')
    say(a, room, 'in a room')
    indexed(t)
    row = hold(p, person=[a.bare])
    mine = ids_of(t, "kind in (1, 13, 17) and '%s' in (from_bare, to_bare)" % a.bare)
    assert row['records'] >= 4 and row['unsearchable'] == 0 and row['query_text'] == 'from or to ' + a.bare, row
    every = ids_of(t, 'true')
    assert set(mine) <= set(held(t, every)) and len(held(t, every)) == row['records'], (row, held(t, every), mine)
    other = said_by(t, b)
    assert held(t, other) == [i for i in other if i in mine] and len(held(t, other)) == 1, other
    before = len(held(t, said_by(t, a)))
    tell(a, c, 'later')
    indexed(t)
    assert len(held(t, said_by(t, a))) == before + 1
    tell(b, c, 'not of them')
    indexed(t)
    assert len(held(t, said_by(t, b))) == 1
    shown, = p.local('hold', 'show', hold=row['hold'])
    assert shown['state'] == 'in force' and shown['records'] == row['records'] + 1 and shown['by'] == p.name and shown['matter'] == WHY['matter'], shown


@alone()
def test_by_words_room_and_time(t):
    """Issue 7: by words, by their stems and in their order; by room; until some time; several holds are each enough"""
    p, a, b = Person(t, 'officer'), t.online(), t.online()
    tell(a, b, 'the rosaline contracts', 'contract for rosaline', 'nothing of it', 'rosaline contract')
    indexed(t)
    one, two, three, four = said_by(t, a)
    first = hold(p, words='contract rosaline')
    assert held(t, said_by(t, a)) == [one, two, four] and first['records'] == 3, first
    p.local('hold', 'release', hold=first['hold'], reason='settled')
    assert held(t, said_by(t, a)) == []
    hold(p, words='"rosaline contract"', person=[a.bare])
    assert held(t, said_by(t, a)) == [four]
    hold(p, until='2020-01-01')
    assert held(t, said_by(t, a)) == [four]
    hold(p, since='2020-01-01', between=[b.bare, a.bare], words='nothing')
    assert held(t, said_by(t, a)) == [three, four]
    assert held(t, []) == [] and held(t, [1, 2, 3]) == []


@alone()
def test_what_cannot_be_told_is_held(t):
    """Issue 7: what the index has not reached, or cannot search by words, or holds in another form, counts as held"""
    p, a, b = Person(t, 'officer'), t.online(), t.online()
    hold(p, words='merger', person=[a.bare])
    tell(a, b, 'nothing')
    indexed(t)
    assert held(t, said_by(t, a)) == []
    # The index waits for its row.
    s = subprocess.Popen(['psql', '-X', '-q', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    s.stdin.write("begin; select 'locked' from search.progress for update;\n")
    s.stdin.flush()
    while 'locked' not in s.stdout.readline():
        pass
    tell(a, b, 'not read yet')
    assert held(t, said_by(t, a)) == said_by(t, a)[1:]
    s.stdin.write('rollback;\n')
    s.stdin.close()
    assert s.wait(60) == 0
    indexed(t)
    assert held(t, said_by(t, a)) == []
    a.message(b.bare, '', inner="<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>AAAA</payload></encrypted>")
    b.expect_message()
    indexed(t)
    assert held(t, said_by(t, a)) == said_by(t, a)[2:] != []
    # A document is gone, and what it was about is not erased.
    plain = said_by(t, a)[0]
    t.server.psql('delete from search.doc_0 where id = %d' % plain)
    assert plain in held(t, said_by(t, a))
    # Of another form of the index: all of its time.
    t.server.psql('update compliance.hold set form = 0')
    assert held(t, said_by(t, a) + said_by(t, b)) == said_by(t, a) + said_by(t, b)
    # What has been erased is held by nothing.
    t.server.psql('update archive.record set salt = null, body = null, stanza = null where id = %d' % plain)
    assert plain not in held(t, said_by(t, a))


@alone(compliance__four_eyes='true')
def test_release_needs_a_second_person(t):
    """Issue 7: a hold is in force when it was set; its release waits for another officer, says both names, happens once, and is never undone"""
    p, q, a, b = make(t, 'officer'), make(t, 'officer'), t.online(), t.online()
    tell(a, b, 'held')
    indexed(t)
    n = hold(p, person=[a.bare])['hold']
    wait, = p.local('hold', 'release', hold=n, reason='settled')
    assert wait['state'] == 'waiting' and held(t, said_by(t, a)) == said_by(t, a), wait
    assert 'which is you' in refused(403, p.local, 'approval', 'approve', id=wait['approval'])
    assert held(t, said_by(t, a)) == said_by(t, a)
    q.local('approval', 'approve', id=wait['approval'], hash=wait['hash'])
    assert held(t, said_by(t, a)) == []
    row, = [r for r in p.local('hold', 'list', all=True) if r['hold'] == n]
    assert (row['state'], row['released_by'], row['release_approved_by'], row['release_reason']) == ('released', p.name, q.name, 'settled'), row
    assert p.local('hold', 'list') == []
    assert 'released already' in refused(422, p.local, 'hold', 'release', hold=n, reason='again')
    got = t.server.psql("select action, who_name from chancery.audit where action like 'hold.%' order by id")
    assert got == [['hold.add', p.name], ['hold.release', p.name]], got
    assert t.server.value("select count(*) from archive.record where kind = 24 and stanza like '%hold.add%' and stanza like '%Case 17%'") == '1'
    for change in 'released_at = null, released_by = null, release_reason = null', "marks = null", "since = since + 1":
        try:
            t.server.psql('set role chancery_owner; update compliance.hold set ' + change)
            raise AssertionError('a hold that was released has been changed: ' + change)
        except RuntimeError as e:
            assert 'a hold is released once' in str(e), e


@alone()
def test_set_during_an_erasure(t):
    """Issue 7: a hold that is set while somebody erases waits until that is over, and is seen by whoever erases next"""
    p, a, b = Person(t, 'officer'), t.online(), t.online()
    hold(p, person=['nobody@example.com'])
    tell(a, b, 'word')
    indexed(t)
    s = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    s.stdin.write("begin; select count(*) || ' are held' from archive.held('{%d}');\n" % said_by(t, a)[0])
    s.stdin.flush()
    assert s.stdout.readline() == '0 are held\n'
    rows = []
    setting = threading.Thread(target=lambda: rows.append(hold(p, person=[a.bare])))
    setting.start()
    t.server.wait(lambda: t.server.value("select count(*) from pg_locks where locktype = 'advisory' and objid = 5 and not granted") == '1', 'the hold to wait')
    assert not rows
    s.stdin.write('commit;\n')
    s.stdin.close()
    assert s.wait(60) == 0
    setting.join(60)
    assert rows and held(t, said_by(t, a)) == said_by(t, a), rows


@alone()
def test_file_stays(t):
    """Issue 7: the content of a file that a held record is about is not removed: not by an administrator, and not when its time is over"""
    p, romeo = Person(t, 'officer'), t.online()
    data, sha = caught(t, romeo)
    indexed(t)
    n = hold(p, person=[romeo.bare])['hold']
    code, _, err = t.server.cli('quarantine', 'delete', sha, '--reason', 'nobody wants it')
    assert code == 1 and 'legal hold' in err, err
    assert listed(t, sha) and on_disk(t, 'quarantine', sha)
    p.local('hold', 'release', hold=n, reason='settled')
    code, _, err = t.server.cli('quarantine', 'delete', sha, '--reason', 'nobody wants it')
    assert code == 0 and not on_disk(t, 'quarantine', sha), err


@alone()
def test_upload_stays(t):
    """Issue 7: what was uploaded and is held is not swept when files.keep is over; when the hold has been released it is"""
    p, a, b = Person(t, 'officer'), t.online(), t.online()
    data = noise(500)
    sha = hashlib.sha256(data).hexdigest()
    s = upload(t, a, data, 'plan.bin')
    tell(a, b, s.get)
    indexed(t)
    n = hold(p, between=[a.bare, b.bare])['hold']

    def swept(what):
        t.server.psql("update chancery.upload set expires_at = now() - interval '1 second'; update chancery.file set seen_at = now() - interval '1 hour', held_at = null")
        t.server.restart()  # it looks a second after its start
        t.server.wait(lambda: t.server.value("select %s from chancery.file where sha256 = '\\x%s'" % (what, sha)) == 't', what)

    swept('held_at is not null')
    assert on_disk(t, 'content', sha)
    p.local('hold', 'release', hold=n, reason='settled')
    swept('not kept')
    t.server.wait(lambda: not on_disk(t, 'content', sha), 'the content to go')


@alone()
def test_wrong(t):
    """Issue 7: a hold says what it is for and what it is about; what makes no sense is refused in words, and nothing is set"""
    p = Person(t, 'officer')
    for args, text in (({'query': {'person': ['a@b']}, 'matter': 'x'}, 'reason'), ({'query': {'colour': 'red'}, **WHY}, 'colour'),
                       ({'query': {'person': ['@'], }, **WHY}, 'person'), ({'query': {'words': '"open'}, **WHY}, 'quotation'),
                       ({'query': {'words': '-not'}, **WHY}, 'nothing but'), ({'query': {'person': ['a@b'], 'audience': True}, **WHY}, 'name the rooms'),
                       ({'query': {'since': '2026-02-01', 'until': '2026-01-01'}, **WHY}, 'until'), ({'query': {}, 'matter': ' ', 'reason': 'x'}, 'matter'),
                       ({'query': {}, 'matter': 'two\nlines', 'reason': 'x'}, 'matter'), ({'query': {}, 'matter': 'x', 'reason': 'y' * 501}, 'reason')):
        assert text in refused(None, p.local, 'hold', 'add', **args), (args, text)
    assert 'no hold' in refused(None, p.local, 'hold', 'show', hold=1) and 'no hold' in refused(None, p.local, 'hold', 'release', hold=1, reason='x')
    assert p.local('hold', 'list', all=True) == []
    code, _, err = p.cli('hold', 'add', '--matter', 'x', '--reason', 'y')
    assert code == 2 and 'what is to be held' in err, err
    code, out, err = p.cli('hold', 'add', '--matter', 'x', '--reason', 'y', '--person', 'romeo@example.com', '--words', "it's \\ 'here'")
    assert code == 0 and 'romeo@example.com' in out, (out, err)
    code, out, err = p.cli('hold', 'release', '1', '--reason', 'z')
    assert code == 0 and 'released' in out, (out, err)


@alone(limits__holds='2')
def test_bound(t):
    """Issue 7: so many holds at a time (limits.holds); released ones do not count"""
    p = Person(t, 'officer')
    n = [hold(p, person=['a%d@example.com' % i])['hold'] for i in range(2)]
    assert 'limits.holds' in refused(422, p.local, 'hold', 'add', query={}, **WHY)
    p.local('hold', 'release', hold=n[0], reason='settled')
    hold(p, person=['b@example.com'])

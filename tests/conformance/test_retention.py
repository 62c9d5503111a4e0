"""Retention (issue 7): what has expired goes, recorded first; holds beat it; what would go is what goes; nothing is kept from going on."""
import json
from datetime import datetime, timedelta, timezone

from chancerytest.desk import Person, Refused, refused
from chancerytest.rooms import create, new_room
from chancerytest.scenario import alone
from test_approval import make
from test_hold import hold, said_by
from test_muc_archive import say
from test_search import indexed, tell

DAYS = 400  # from now: all that scenarios say has expired by then


def later(days=DAYS):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime('%Y-%m-%dT%H:%M:%SZ')


def set_class(p, name, days, **more):
    row, = p.local('retention', 'set', name=name, days=days, reason='policy 4', **more)
    assert row['done'] in ('set', 'replaced'), row


def begin(t, p, days=DAYS):
    """A run as it would be in so many days; its number. Nobody but a superuser of the database can ask for that."""
    n = int(t.server.value("insert into compliance.retention_run (asked_by, now_at) values ('test', now() + interval '%d days') returning id" % days))
    try:
        p.local('retention', 'run')
    except Refused as e:
        assert 'under way' in e.text, e.text
    return n


def finish(t, n):
    t.server.wait(lambda: t.server.value("select state from compliance.retention_run where id = %d" % n) == 'done', 'the run to end')
    return [int(x) for x in t.server.psql('select erased, held from compliance.retention_run where id = %d' % n)[0]]


def run(t, p, days=DAYS):
    return finish(t, begin(t, p, days))


def erased(t):
    """Log indexes whose content has gone."""
    return {int(i) for i, in t.server.psql('select log_index from archive.record where salt is null')}


def named(t):
    """Log indexes that the erasures' records name."""
    out = set()
    for body, in t.server.psql('select body from archive.record where kind = 25'):
        for word in body.removeprefix('erased: ').split():
            first, _, last = word.partition('-')
            out |= set(range(int(first), int(last or first) + 1))
    return out


def whole(t):
    """The record verifies: what was erased is named by a record of it."""
    code, out, err = t.server.cli('archive', 'verify', '--all')
    assert code == 0, (out, err)
    assert erased(t) <= named(t), sorted(erased(t) - named(t))


def counts(rows):
    return {r['class']: (r['goes'], r['held']) for r in rows}


@alone()
def test_dry_run_is_what_goes(t):
    """Issue 7: without classes nothing goes; what the preview counts, by class and month, is what goes then, and no more"""
    p, a, b, c = Person(t, 'dpo'), *[t.online() for _ in range(3)]
    tell(a, b, 'one', 'two', 'three')
    tell(c, b, 'four')
    tell(c, b, 'corrected', inner="<replace xmlns='urn:xmpp:message-correct:0' id='x'/>")
    room = new_room(t)
    create(a, room, 'one')
    say(a, room, 'in the room')
    indexed(t)
    assert p.local('retention', 'preview', at=later()) == [] and run(t, p) == [0, 0]
    set_class(p, 'rest', 30)
    set_class(p, 'rooms', 600, rooms=[room])
    set_class(p, 'messages', 100, kinds=['message'])
    assert p.local('retention', 'preview') == []
    rows = p.local('retention', 'preview', at=later())
    got = counts(rows)
    # The longest of those that fit: what was said in the room is of the kind, too.
    assert got['messages'] == (4, 0) and got['rest'] == (1, 0) and 'rooms' not in got, rows
    assert {r['month'] for r in rows} == {r['first'][:7] for r in rows} and all(r['first'] <= r['last'] for r in rows), rows
    assert sum(r['goes'] for r in rows) == run(t, p)[0] == len(erased(t)), (rows, len(erased(t)))
    assert t.server.value("select count(*) from archive.record where body = 'in the room'") == '1'
    assert t.server.value("select count(*) from archive.record where body in ('one', 'two', 'three', 'four') or stanza like '%>four<%'") == '0'
    assert t.server.value('select count(*) from archive.record where kind = 24 and salt is null') == '0'
    assert p.local('retention', 'preview', at=later()) == [] and run(t, p)[0] == 0
    assert set(counts(p.local('retention', 'preview', at=later(700)))) == {'rooms'}
    whole(t)
    runs = p.local('retention', 'runs')
    assert runs[0]['state'] == 'done' and [r['erased'] for r in runs].count(0) == 2, runs
    status = json.loads(t.server.cli('--json', 'status')[1])
    assert status['retention'] == 'idle' and status['retention_last'] and status['retention_held'] == 0, status
    assert t.server.metric('chancery_retention_erased_total') == len(erased(t))


# The daily run, which is due as soon as there is a class, would renew the hold first.
@alone(compliance__retention_every='0')
def test_holds_beat_it(t):
    """Issue 7: what a hold covers does not expire, and is counted; when the hold has been released it goes"""
    p, o, a, b, c = Person(t, 'dpo'), Person(t, 'officer'), *[t.online() for _ in range(3)]
    tell(a, b, 'one', 'two')
    tell(c, b, 'three')
    indexed(t)
    n = hold(o, person=[a.bare])['hold']
    set_class(p, 'messages', 1, kinds=['message'])
    assert counts(p.local('retention', 'preview', at=later())) == {'messages': (1, 2)}
    # As a release with another form of the index would find it: all is held until the run has put the hold into the new form.
    t.server.psql("update compliance.hold set form = 0, marks = null")
    assert counts(p.local('retention', 'preview', at=later())) == {'messages': (0, 3)}
    assert run(t, p) == [1, 2]
    assert t.server.value('select form = (select form from search.progress) from compliance.hold') == 't'
    assert t.server.value("select count(*) from archive.record where body in ('one', 'two')") == '2'
    assert json.loads(t.server.cli('--json', 'status')[1])['retention_held'] == 2
    o.local('hold', 'release', hold=n, reason='settled')
    assert run(t, p) == [2, 0]
    assert len(erased(t)) == 3
    whole(t)


@alone(limits__retention_per_second='20', compliance__retention_every='0')
def test_killed_and_held_meanwhile(t):
    """Issue 7: killed in the middle it goes on where it was, and nothing was wiped without its record; a hold that is set during a run is heeded"""
    p, o, a, b, c = Person(t, 'dpo'), Person(t, 'officer'), *[t.online() for _ in range(3)]
    tell(a, b, *['first %d' % i for i in range(100)])
    tell(c, b, *['second %d' % i for i in range(20)])
    indexed(t)
    set_class(p, 'messages', 1, kinds=['message'])
    n = begin(t, p)
    t.server.wait(lambda: len(erased(t)) >= 20, 'some to go')
    t.server.kill()
    assert erased(t) <= named(t) and len(erased(t)) < 120, len(erased(t))
    t.server.start()
    indexed(t)
    hold(o, person=[c.bare])
    finish(t, n)
    gone = erased(t)
    assert gone == named(t) and len(gone) == 100, (len(gone), len(named(t)))
    assert t.server.value("select count(*) from archive.record where body like 'second %'") == '20'
    got = [x for x, in t.server.psql("select action from chancery.audit where action like 'retention.%' order by id")]
    assert got == ['retention.set', 'retention.finish'], got
    whole(t)


@alone(limits__retention_per_second='20', compliance__retention_every='0')
def test_class_changed_meanwhile(t):
    """A class that is removed during a run has nothing more go: what it would have taken is kept"""
    p, a, b = Person(t, 'dpo'), t.online(), t.online()
    tell(a, b, *['line %d' % i for i in range(300)])
    indexed(t)
    set_class(p, 'messages', 1, kinds=['message'])
    n = begin(t, p)
    t.server.wait(lambda: len(erased(t)) >= 20, 'some to go')
    p.local('retention', 'remove', name='messages', reason='kept after all')
    gone = len(erased(t))
    assert gone <= 280, 'the run was over before the class was removed'
    finish(t, n)
    # The batch that was under way.
    assert len(erased(t)) <= gone + 20, (gone, len(erased(t)))
    whole(t)


@alone()
def test_of_groups(t):
    """Issue 7: by group of the organisation: who has left it, or the organisation, has been in it; a class for ever beats others"""
    p, a, b, c = Person(t, 'dpo'), *[t.online() for _ in range(3)]
    assert t.server.cli('user', 'set', a.bare, 'group+=finance')[0] == 0
    assert t.server.cli('user', 'set', a.bare, 'group-=finance')[0] == 0
    tell(a, b, 'of finance')
    tell(c, b, 'of nobody')
    indexed(t)
    set_class(p, 'rest', 10)
    set_class(p, 'finance', 3650, groups=['finance'])
    assert run(t, p)[0] > 0
    assert t.server.value("select count(*) from archive.record where body = 'of finance'") == '1'
    assert t.server.value("select count(*) from archive.record where body = 'of nobody'") == '0'
    set_class(p, 'ever', 0, domains=[t.server.domain], kinds=['message'])
    assert 'finance' not in counts(p.local('retention', 'preview', at=later(5000)))
    row, = p.local('retention', 'remove', name='ever', reason='not needed')
    assert row['done'] == 'removed'
    assert counts(p.local('retention', 'preview', at=later(5000)))['finance'][0] >= 1
    rows = p.local('retention', 'list', all=True)
    ever, = [r for r in rows if r['name'] == 'ever']
    assert ever['removed'] and ever['remove_reason'] == 'not needed' and ever['days'] is None and ever['kinds'] == ['message'], ever
    assert [r['name'] for r in p.local('retention', 'list')] == ['finance', 'rest']


@alone(compliance__retention_every='1s')
def test_clock(t):
    """Issue 7: it runs by itself; a clock that is set back neither stops it nor lets anything go before its time"""
    p, a, b = Person(t, 'dpo'), t.online(), t.online()
    tell(a, b, 'one')
    indexed(t)
    assert t.server.value('select count(*) from compliance.retention_run') == '0'
    # As if a run had been made when the clock was a year ahead.
    t.server.psql("insert into compliance.retention_run (started_at, now_at, state, finished_at) select n, n, 'done', n from (select now() + interval '365 days' as n) x")
    set_class(p, 'rest', 30)
    t.server.wait(lambda: int(t.server.value("select count(*) from compliance.retention_run where state = 'done' and asked_by is null")) >= 3, 'runs')
    assert erased(t) == set()
    assert t.server.value("select count(*) from compliance.retention_run where now_at > now() and started_at <= now()") == '0'
    whole(t)


@alone(compliance__four_eyes='true')
def test_four_eyes(t):
    """Issue 7: a change of retention waits for a second data protection officer, as does its removal; nothing is changed before"""
    p, q = make(t, 'dpo'), make(t, 'dpo')
    wait, = p.local('retention', 'set', name='rest', days=30, reason='policy 4')
    assert wait['state'] == 'waiting' and p.local('retention', 'list') == [], wait
    assert 'which is you' in refused(403, p.local, 'approval', 'approve', id=wait['approval'])
    q.local('approval', 'approve', id=wait['approval'], hash=wait['hash'])
    row, = p.local('retention', 'list')
    assert (row['name'], row['days'], row['by'], row['approved_by']) == ('rest', 30, p.name, q.name), row
    wait, = q.local('retention', 'remove', name='rest', reason='wrong')
    assert len(p.local('retention', 'list')) == 1
    p.local('approval', 'approve', id=wait['approval'], hash=wait['hash'])
    assert p.local('retention', 'list') == []


@alone()
def test_wrong(t):
    """Issue 7: what makes no sense is refused in words, and nothing is set; a class is replaced as a whole"""
    p = Person(t, 'dpo')
    for args, text in ((dict(name='Rest'), 'name'), (dict(name=''), 'name'), (dict(days=-1), 'days'), (dict(days=36501), 'days'), (dict(reason=' '), 'reason'),
                       (dict(kinds=['audit']), 'kind'), (dict(kinds=['erasure']), 'kind'), (dict(kinds=[]), 'kinds'), (dict(kinds='message'), 'kinds'),
                       (dict(rooms=['nobody']), 'room'), (dict(rooms=[1]), 'rooms'), (dict(domains=['a b']), 'domain'), (dict(groups=['']), 'group'),
                       (dict(colour='red'), 'colour')):
        assert text in refused(None, p.local, 'retention', 'set', **{'name': 'rest', 'days': 30, 'reason': 'x', **args}), args
    assert p.local('retention', 'list', all=True) == []
    assert 'no class' in refused(None, p.local, 'retention', 'remove', name='rest', reason='x')
    assert 'not a time' in refused(None, p.local, 'retention', 'preview', at='soon')
    set_class(p, 'rest', 30)
    assert 'another class' in refused(None, p.local, 'retention', 'set', name='all', days=1, reason='x')
    set_class(p, 'rest', 60, kinds=['typing'], groups=['a "b" {c}', 'd\\e'])
    row, = p.local('retention', 'list')
    assert (row['days'], row['kinds'], row['groups']) == (60, ['typing'], ['a "b" {c}', 'd\\e']), row
    code, out, err = p.cli('retention', 'set', 'files', '--days', 'forever', '--reason', 'y', '--kind', 'file', '--kind', 'file-fetched')
    assert code == 0 and 'set' in out, (out, err)
    code, out, err = p.cli('retention', 'set', 'files', '--days', 'long', '--reason', 'y')
    assert code == 2 and '--days' in err, (out, err)
    code, out, err = p.cli('retention', 'list')
    assert code == 0 and 'file-fetched' in out, (out, err)
    code, out, err = p.cli('retention', 'preview', '--at', '2100-01-01')
    assert code == 0, (out, err)
    row, = p.local('retention', 'run')
    assert finish(t, row['run']) == [0, 0]

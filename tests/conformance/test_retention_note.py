"""Retention looks once (issue 7): what a run has looked at is not looked at again before something of it is due, or what belongs to a class has changed."""
from chancerytest.desk import Person
from chancerytest.scenario import alone
from test_hold import hold
from test_retention import finish, begin, later, set_class

PAGE = 5000     # server/admin/retention/retention_page.c
MANY = 2 * PAGE + 500
SETTINGS = {'compliance__retention_every': '0'}
# Two pages and the end of the record, to which more will come. What is said here goes by whom it is from.
SAID = """
    insert into archive.record (id, log_index, at, kind, direction, deliverable, from_bare, to_bare, type, body, stanza, salt, leaf_hash)
    select m.id + n, m.next + n, to_timestamp(m.id / 1000000), 1, 0, false, case n when 100 then 'x@old.example' when 200 then 'y@new.example'
        when 6000 then '%s' else 'a@chancery.test' end, 'b@chancery.test', 'chat', 'said ' || n, '<message/>', substr(sha256(n::text::bytea), 1, 16), sha256('')
        from generate_series(0, %d) n, (select max(id) + 1 as id, max(log_index) + 1 as next from archive.record) m;
    update archive.record r set leaf_hash = archive.leaf(r) where r.body like 'said %%'"""


def said(t):
    """Records of two pages; who has sent one of the second is somebody here: their address."""
    bare = '%s@%s' % (t.user()[0], t.server.domain)
    t.server.kill()
    t.server.psql(SAID % (bare, MANY - 1))
    t.server.start()
    p = Person(t, 'dpo')
    set_class(p, 'rest', 3000)
    set_class(p, 'old', 500, domains=['old.example'])
    set_class(p, 'short', 1, kinds=['typing'])  # so that all is old enough to be looked at
    return p, bare


def look(t, p, days):
    """A run as it would be in so many days: how many records it looked at, erased, found held. A preview, which looks at everything, finds no more."""
    n = begin(t, p, days)
    erased, held = finish(t, n)
    assert sum(r['goes'] for r in p.local('retention', 'preview', at=later(days))) == 0, days
    row, = [r for r in p.local('retention', 'runs') if r['run'] == n]
    return row['looked'], erased, held


def pages(looked):
    """How many of the two; the rest is the end of the record, which each run looks at."""
    assert looked % PAGE < PAGE / 2, looked
    return looked // PAGE


def left(t, *bodies):
    return [b for b in bodies if t.server.value("select count(*) from archive.record where body = '%s'" % b) == '1']


@alone(**SETTINGS)
def test_looked_at_once(t):
    """Issue 7: what was looked at is not looked at again until something of it is due; what is due goes then, whatever the clock did meanwhile"""
    p, _ = said(t)
    runs = []

    def expect(days, n, erased):
        runs.append(look(t, p, days))
        assert (pages(runs[-1][0]), *runs[-1][1:]) == (n, erased, 0), (days, runs)

    expect(400, 2, 0)
    expect(400, 0, 0)
    expect(499, 0, 0)
    t.server.restart()
    expect(499, 0, 0)
    expect(100, 0, 0)   # a clock that was set back
    assert left(t, 'said 100') == ['said 100']
    expect(501, 1, 1)   # the page that it is on, and no other
    assert left(t, 'said 100') == []
    expect(501, 0, 0)
    expect(400, 0, 0)
    assert t.server.metric('chancery_retention_looked_total') == sum(r[0] for r in runs[3:]), runs


@alone(**SETTINGS)
def test_something_has_changed(t):
    """Issue 7: what is held is looked at by each run and goes after the release; a class that is set, or who joins a group that one names, has all looked at again"""
    p, bare = said(t)
    o = Person(t, 'officer')
    set_class(p, 'finance', 100, groups=['finance'])
    assert pages(look(t, p, 400)[0]) == 2

    n = hold(o, person=['x@old.example'])['hold']
    for _ in range(2):
        looked, erased, held = look(t, p, 501)
        assert (pages(looked), erased, held) == (1, 0, 1)
    o.local('hold', 'release', hold=n, reason='settled')
    looked, erased, held = look(t, p, 501)
    assert (pages(looked), erased, held) == (1, 1, 0)

    assert t.server.cli('user', 'set', bare, 'group+=sales')[0] == 0
    assert pages(look(t, p, 501)[0]) == 0, 'a group that no class names'
    assert t.server.cli('user', 'set', bare, 'group+=finance')[0] == 0
    looked, erased, held = look(t, p, 501)
    assert (pages(looked), erased) == (2, 1) and left(t, 'said 200', 'said 6000') == ['said 200'], (looked, erased)

    set_class(p, 'new', 300, domains=['new.example'])
    looked, erased, held = look(t, p, 501)
    assert (pages(looked), erased) == (2, 1) and left(t, 'said 200') == [], (looked, erased)

    # Who joins a group whose class is longer has nothing go earlier.
    set_class(p, 'finance', 5000, groups=['finance'])
    assert pages(look(t, p, 501)[0]) == 2
    assert t.server.cli('user', 'set', bare, 'group-=finance', 'group+=audit')[0] == 0
    other = '%s@%s' % (t.user()[0], t.server.domain)
    assert t.server.cli('user', 'set', other, 'group+=finance')[0] == 0
    assert pages(look(t, p, 501)[0]) == 0

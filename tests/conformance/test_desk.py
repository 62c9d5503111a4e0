"""The compliance desk as a whole (issue 7): who gets a finished export, what waits for a second person, bundles half fetched, and what bounds there are."""
import hashlib
import json
import os
import signal
import subprocess
import threading

from chancerytest.client import PATIENCE
from chancerytest.desk import ROLES, Person, path_of, refused
from chancerytest.scenario import alone
from chancerytest.upload import noise, upload
from chancerytest.web import Http
from test_api import bearer, description
from test_approval import make
from test_export import export, exporters, officer, over, own, talk


def get(t, token, id, **fields):
    h = Http(t.server, t.source)
    try:
        return h.ask('GET', '/api/v1/exports/%s' % id, {**(bearer(token) if token else {}), **fields})
    finally:
        h.close()


def test_finished_export(t):
    """Issue 7: GET /exports/ID: officers get it, whoever asked; a data protection officer their own; nobody else, in no state of a token; nor what is no export"""
    a, _ = talk(t, 2)
    who, dpo = officer(t), Person(t, 'dpo')
    with open(export(t, who, '--person', a.bare), 'rb') as f:
        bundle = f.read()
    theirs, = own(who)
    code, out, err = dpo.cli('archive', 'export', '--subject', a.bare, '--format', 'jsonl', '--out', t.server.path('subject-%d.zip' % theirs))
    assert code == 0, (out, err)
    subject, = own(dpo)
    others = {role: Person(t, role) for role in ROLES}
    for role, status in (('officer', 200), ('dpo', 404), ('admin', 403), ('auditor', 403)):
        for id in (theirs, subject):
            answer = get(t, others[role].token, id)
            assert answer.status == status, (role, id, answer)
            assert answer.body[:2] == b'PK' if status == 200 else answer.get('content-type') == 'application/problem+json', (role, answer)
    assert get(t, who.token, theirs).body == bundle and get(t, dpo.token, subject).status == 200 and get(t, dpo.token, theirs).status == 404
    last = get(t, who.token, theirs, Range='bytes=-7')
    assert last.status == 206 and last.body == bundle[-7:], last
    assert get(t, None, theirs).status == 401 and get(t, 'cht_' + '0' * 64, theirs).status == 401
    assert get(t, who.new_token(scope=['archive.search']), theirs).status == 403
    for change in ("update compliance.token set expires_at = now() where id = %d", "update compliance.token set revoked_at = now() where id = %d"):
        token = who.new_token()
        t.server.psql(change % who.token_id)
        assert get(t, token, theirs).status == 401, change
    for id in (theirs + 100000, 1 << 62):
        assert get(t, who.token, id).status == 404
    who.local('export', 'remove', export=theirs)
    assert get(t, who.token, theirs).status == 422
    fetched = t.server.psql("select who_name from chancery.audit where action = 'export.fetch' and target = 'export %d' order by id" % theirs)
    assert fetched == [[who.name]] + [[others['officer'].name]] + 2 * [[who.name]], fetched


def test_client_gone(t):
    """Issue 7: whoever goes in the midst of fetching a bundle, or reads none of it, holds up nobody, and it is fetched afterwards"""
    a, _ = talk(t, 1)
    who = officer(t)
    # More than all buffers on the way hold.
    upload(t, a, noise(12 << 20))
    size = os.path.getsize(export(t, who, '--person', a.bare))
    assert size > 12 << 20, size
    id, = own(who)
    gone = []
    for _ in range(4):
        h = Http(t.server, t.source)
        h.request('GET', '/api/v1/exports/%d' % id, bearer(who.token))
        h.sock.recv(10)
        gone.append(h)
    for h in gone[:2]:
        h.sock.close()
    assert len(get(t, who.token, id).body) == size
    for h in gone[2:]:
        h.sock.close()
    t.server.wait(lambda: t.server.metric('chancery_api_under_way') == 0, 'nothing to be under way')
    assert len(get(t, who.token, id).body) == size


@alone(compliance__four_eyes='true', limits__auth_failures_per_address='100000')
def test_four_eyes(t):
    """Issue 7: with four eyes each verb that the description says so of waits for a second person, in every role that may, and no other does"""
    persons = {role: make(t, role) for role in ROLES}
    at_once, asked = [], 0
    args = {'archive.export': {'subject': 'nobody@' + t.server.domain, 'formats': ['jsonl']},
            'retention.set': {'name': 'x', 'days': 1, 'reason': 'r'}, 'retention.remove': {'name': 'none', 'reason': 'r'},
            'person.add': {'name': 'four-eyes-x', 'roles': ['dpo']}, 'person.roles': {'name': persons['dpo'].name, 'roles': ['officer', 'dpo']},
            'person.enable': {'name': make(t, 'auditor').name}, 'token.new': {'name': persons['dpo'].name, 'role': 'dpo', 'hash': hashlib.sha256(b'x').hexdigest()}}
    t.server.psql("update compliance.person set disabled = true where name = '%s'" % args['person.enable']['name'])
    hold, = persons['officer'].local('hold', 'add', matter='m', reason='r', query={'kind': ['message']})
    args['hold.release'] = {'hold': hold['hold'], 'reason': 'r'}
    request, = persons['dpo'].local('erasure', 'request', query={'kind': ['typing']}, reason='r')
    args['erasure.grant'] = {'erasure': request['erasure']}
    for path, item in description(t)['paths'].items():
        op = item.get('post', {})
        if not op.get('x-four-eyes'):
            continue
        verb = path.strip('/').replace('/', '.')
        assert verb in args, 'nobody has tried whether %s waits' % verb
        for role in op['x-roles']:
            row, = persons[role].local(*verb.split('.'), **args[verb])
            asked += 1
            if row.get('state') != 'waiting' or 'approval' not in row:
                at_once.append((verb, role, row))
    assert asked >= len(args) and not at_once, at_once
    # Nothing of it has happened.
    assert t.server.psql('select (select count(*) from compliance.export), (select count(*) from compliance.retention_class),'
                         " (select count(*) from compliance.person where name = 'four-eyes-x'), (select count(*) from compliance.hold where released_at is not null),"
                         ' (select count(*) from compliance.erasure where state <> 1)') == [['0'] * 5]


@alone(limits__search_seconds='5')
def test_searches_end(t):
    """Issue 7: a query that would read everything ends: by time (limits.search_seconds), and when who asked has gone; messages go on meanwhile"""
    a, b = talk(t, 2)
    who = officer(t)
    t.server.wait(lambda: who.local('archive', 'search', words='word'), 'the index')
    # A search that finds its way blocked.
    p = subprocess.Popen(['psql', '-XqAt', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write('begin; lock table search.chunk in access exclusive mode; select 1;\n')
    p.stdin.flush()
    assert p.stdout.readline() == '1\n'
    try:
        assert 'limits.search_seconds' in refused(422, who.local, 'archive', 'search', words='word')
        h = Http(t.server, t.source)
        body = json.dumps({'words': 'word'})
        h.request('POST', path_of(('archive', 'search')), {'Content-Type': 'application/json', **bearer(who.token)}, body)
        h.sock.close()
        id = a.message(b.jid, 'meanwhile')
        b.expect_message(id=id)
        t.server.wait(lambda: t.server.value("select count(*) from pg_stat_activity where usename = 'chancery_officer' and state = 'active'") == '0',
                      'no search to be under way')
    finally:
        p.communicate('rollback;\n', timeout=PATIENCE)
    t.server.wait(lambda: who.local('archive', 'search', words='meanwhile'), 'what was said meanwhile')


def test_finished_is_trimmed(t):
    """Of a finished export only the bundle stays on the disk; of one that is removed nothing"""
    a, _ = talk(t, 2)
    who = officer(t)
    export(t, who, '--person', a.bare)
    id, = own(who)
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        folder = [line.split("'")[1] for line in f if 'export_dir:' in line][0]
    t.server.wait(lambda: os.listdir(os.path.join(folder, str(id))) == ['bundle.zip'], 'the bundle alone')
    who.local('export', 'remove', export=id)
    t.server.wait(lambda: not os.path.exists(os.path.join(folder, str(id))), 'nothing')


class Psql:
    """Somebody in the midst of a transaction."""

    def __init__(self, server, sql):
        self.psql = subprocess.Popen(['psql', '-XqAt', server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write("begin; %s; select 'done';\n" % sql)
        self.psql.stdin.flush()
        while self.psql.stdout.readline().strip() != 'done':
            assert self.psql.poll() is None

    def end(self):
        self.psql.communicate('commit;\n', timeout=PATIENCE)


HAS_TURN = 'select pg_advisory_xact_lock(4841265, 0)'
TURNS = ("select a.pid, l.granted from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.classid = 4841265"
         " and a.application_name like '%s'")


@alone(limits__desk_statements='1', limits__desk_wait_ms='60000', limits__search_seconds='600')
def test_turns(t):
    """Issue 7: two who search and one who exports take turns at the database; the turn of an export that is killed is free at once"""
    a, b = talk(t, 3)
    who = officer(t)
    t.server.wait(lambda: len(who.local('archive', 'search', words='word', person=[a.bare])) == 3, 'the index')
    found = []
    holder = Psql(t.server, HAS_TURN)
    searches = [threading.Thread(target=lambda: found.append(len(who.local('archive', 'search', words='word', person=[a.bare])))) for _ in range(2)]
    for s in searches:
        s.start()
    id = who.local('archive', 'export', query={'person': [a.bare]}, formats=['jsonl'])[0]['export']
    t.server.wait(lambda: [g for _, g in t.server.psql(TURNS % 'chancery%')] == 3 * ['f'], 'three who wait for their turn')
    b.expect_message(id=a.message(b.jid, 'nobody else waits'))
    assert not found and who.local('export', 'show', export=id)[0]['state'] == 'running'
    holder.end()
    for s in searches:
        s.join(PATIENCE)
    assert found == [3, 3] and over(t, who, id)['state'] == 'done', found
    assert t.server.metric('chancery_desk_turns_missed_total') == 0
    # One that has its turn, and stands still.
    holder = Psql(t.server, HAS_TURN)
    id = who.local('archive', 'export', query={'person': [a.bare]}, formats=['jsonl'])[0]['export']
    (backend, _), = t.server.wait(lambda: t.server.psql(TURNS % 'chancery-export'), 'the export')
    pid, = exporters(t.server)
    locked = Psql(t.server, 'lock table search.doc_0 in access exclusive mode')
    holder.end()
    t.server.wait(lambda: t.server.psql(TURNS % 'chancery-export' + " and wait_event = 'relation'") == [[backend, 't']], 'the export at the lock')
    os.kill(pid, signal.SIGKILL)
    t.server.wait(lambda: backend not in [p for p, _ in t.server.psql(TURNS % '%')], 'the turn to be free')
    locked.end()
    assert over(t, who, id)['state'] == 'done'


@alone()
def test_index_and_clock(t):
    """Issue 7: a clock that jumps backwards: records have times that go back, and each is indexed, found by its time, and in its order of the log"""
    a, b = talk(t, 2, 'before')
    who = officer(t)
    t.server.wait(lambda: len(who.local('archive', 'search', words='before')) == 2, 'the index')
    t.server.kill()
    # As if the clock had been a day ahead until now.
    t.server.psql("update archive.record set at = at + interval '1 day' where body like 'before%'; select search.reset((select form from search.progress))")
    t.server.start()
    a, b = t.online(a), t.online(b)
    b.expect_message(id=a.message(b.jid, 'after the jump'))
    t.server.wait(lambda: len(who.local('archive', 'search', words='before')) == 2 and who.local('archive', 'search', words='jump'), 'the index')
    def order(rows):
        return [r['id'] for r in rows if 'id' in r]
    got = who.local('archive', 'search', person=[a.bare], kind=['message'])
    assert order(got) == sorted(order(got), reverse=True) and len(order(got)) == 3, got
    noon = t.server.value("select to_char(now() + interval '12 hours', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    assert len(order(who.local('archive', 'search', person=[a.bare], kind=['message'], since=noon))) == 2
    assert len(order(who.local('archive', 'search', person=[a.bare], kind=['message'], until=noon))) == 1

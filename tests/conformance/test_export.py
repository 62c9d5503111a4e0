"""Exports (issue 7): what the record says, as a bundle that proves itself. The bundle is read by Python, and checked by chancery-verify."""
import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import zipfile

from chancerytest.client import unique
from chancerytest.desk import Person, refused
from chancerytest.scenario import alone
from chancerytest.server import SOURCE, children
from chancerytest.upload import upload
from test_approval import make


def officer(t):
    return Person(t, 'officer')


def talk(t, n=3, words='word'):
    a, b = t.online(), t.online()
    for i in range(n):
        id = a.message(b.jid, '%s %d <&> \u00e4' % (words, i))
        b.expect_message(id=id)
    return a, b


def export(t, who, *args, formats='jsonl,csv'):
    """Asks for it, waits, fetches: the bundle's path."""
    path = t.server.path(unique('bundle') + '.zip')
    code, out, err = who.cli('archive', 'export', '--format', formats, '--out', path, *args)
    assert code == 0 and not err, (code, out, err, t.server.log()[-2000:])
    return path


def own(who):
    """The exports that they have asked for: officers see all, those of other scenarios, too."""
    return [e['export'] for e in who.local('export', 'list') if e['by'] == who.name]


def verify(t, path, *args):
    """As somebody far away does: without server and database."""
    p = subprocess.run([os.path.join(t.server.build, 'bin', 'chancery-verify'), path, *args], capture_output=True, text=True, timeout=300)
    return p.returncode, p.stdout + p.stderr


def read(path):
    """The members of a bundle, each checked against the manifest."""
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        got = {n: z.read(n) for n in z.namelist()}
    manifest = json.loads(got['manifest.json'])
    listed = {f['name']: f for f in manifest['files']}
    assert set(listed) == set(got) - {'manifest.json', 'manifest.sig'}, (sorted(listed), sorted(got))
    for name, f in listed.items():
        assert f['size'] == len(got[name]) and f['sha256'] == hashlib.sha256(got[name]).hexdigest(), name
    assert hashlib.sha256(got['manifest.json']).hexdigest() in got['manifest.sig'].decode()
    return manifest, got


def lines(got, name='messages.jsonl'):
    return [json.loads(s) for s in got[name].decode().split('\n') if s]


def table(got):
    return list(csv.DictReader(io.StringIO(got['messages.csv'].decode(), newline='')))


def test_bundle(t):
    """Issue 7: a conversation as JSONL and CSV, every file in the manifest, who asked, what for"""
    a, b = talk(t, 5)
    who = officer(t)
    path = export(t, who, '--person', a.bare, '--kind', 'message', '--reason', 'case 7')
    assert os.stat(path).st_mode & 0o777 == 0o600
    manifest, got = read(path)
    asked = manifest['export']
    assert (asked['asked_by'], asked['reason'], asked['approved_by']) == (who.name, 'case 7', None), asked
    assert asked['query'] == {'person': [a.bare], 'kind': ['message']} and a.bare in asked['query_text'], asked
    said = lines(got)
    assert [m['body'] for m in said] == ['word %d <&> \u00e4' % i for i in range(5)], said
    assert {m['from']['address'] for m in said} == {a.bare} and {m['to']['address'] for m in said} == {b.bare}
    assert [r['text'] for r in table(got)] == [m['body'] for m in said]
    assert [int(r['log_index']) for r in table(got)] == [m['log_index'] for m in said]
    assert manifest['records']['exported'] == 5 and manifest['records']['outside'] == manifest['log']['size'] - 5


def test_proof(t):
    """Issue 7: a bundle is verified offline, by chancery-verify and by a program of others' making, against the key"""
    a, b = talk(t, 40)
    path = export(t, officer(t), '--between', a.bare, '--between', b.bare)
    vkey = t.server.value('select vkey from archive.log_key order by number desc limit 1')
    code, out = verify(t, path, '--key', vkey)
    assert code == 0, out
    # The system's, which has python3-cryptography.
    p = subprocess.run(['/usr/bin/python3', os.path.join(SOURCE, 'tests/unit/proof/verify_bundle.py'), path, vkey], capture_output=True, text=True, timeout=300)
    assert p.returncode == 0, p.stdout + p.stderr
    # One letter of what was said, and it is none.
    with zipfile.ZipFile(path) as z:
        members = [(i, z.read(i)) for i in z.infolist()]
    forged = path + '.forged.zip'
    with zipfile.ZipFile(forged, 'w', zipfile.ZIP_DEFLATED) as z:
        for i, data in members:
            z.writestr(i.filename, data.replace(b'word 7 ', b'word 8 ') if i.filename == 'messages.csv' else data)
    code, out = verify(t, forged, '--key', vkey)
    assert code != 0, out


def test_nothing_found(t):
    """Issue 7: nothing that fits is a bundle, too: it proves that all there is is outside"""
    talk(t, 2)
    path = export(t, officer(t), '--person', 'nobody@%s' % t.server.domain)
    manifest, got = read(path)
    assert manifest['records']['exported'] == 0 and manifest['records']['outside'] == manifest['log']['size'] > 0
    assert lines(got) == [] and table(got) == [] and got['messages.csv'].startswith(b'time,')
    code, out = verify(t, path)
    assert code == 0, out


HOSTILE = ['=cmd|\' /C calc\'!A0', '+1+1', '-2+3', '@SUM(1)', '  =1+1', '\uff1d1+1', '\t=1', 'a "quoted", \'one\'', 'two\nlines', '\u202egnp.exe\u202c', '<script>alert(1)</script>',
           '\u200b\ufeff\ue000\U0010fffd', 'e\u0301' * 300, ']]>&amp;&#38;', '\\N \\x00 %s %n', '{"a": 1}', '\u2028\u2029']


def test_hostile_text(t):
    """Issue 7: formulas, quotes, ends of lines, marks of direction and of nothing: no cell is a formula, no text is changed"""
    a, b = t.online(), t.online()
    for body in HOSTILE:
        id = a.message(b.jid, body)
        b.expect_message(id=id)
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message')
    _, got = read(path)
    assert [m['body'] for m in lines(got)] == HOSTILE
    rows = table(got)
    assert [r['text'].removeprefix("'") for r in rows] == HOSTILE, rows
    for r in rows:
        for cell in r.values():
            assert not cell.lstrip(' ').startswith(('=', '+', '-', '@', '\t', '\r', '\uff1d')), r
    p = subprocess.run(['jq', '-r', '.body | @base64'], input=got['messages.jsonl'], capture_output=True, timeout=60)
    assert p.returncode == 0 and len(p.stdout.split()) == len(HOSTILE), p
    code, out = verify(t, path)
    assert code == 0, out


def test_byte_order_mark(t):
    """csv_bom: for programs that know UTF-8 by it; then and only then"""
    a, _ = talk(t, 1)
    who = officer(t)
    assert read(export(t, who, '--person', a.bare, '--bom', formats='csv'))[1]['messages.csv'].startswith(b'\xef\xbb\xbftime,')
    assert read(export(t, who, '--person', a.bare, formats='csv'))[1]['messages.csv'].startswith(b'time,')


def test_files(t):
    """Issue 7: what was sent is in the bundle once, under its hash, and the message says where"""
    a, b = t.online(), t.online()
    data = unique('file').encode() * 100
    address = upload(t, a, data, name='plan: "B"?.txt').get
    for _ in range(2):
        id = a.message(b.jid, address, inner="<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (address, address))
        b.expect_message(id=id)
    sha = hashlib.sha256(data).hexdigest()
    t.server.wait(lambda: t.server.value("select count(*) from chancery.file_event where path = 'link' and sha256 = '\\x%s'" % sha) == '2', 'the links noted')
    path = export(t, officer(t), '--person', a.bare)
    _, got = read(path)
    names = [n for n in got if n.startswith('files/')]
    assert len(names) == 1 and names[0].startswith('files/%s-' % sha) and got[names[0]] == data, names
    sent = [m for m in lines(got) if m['kind'] == 'message']
    assert [m['files'][0]['path'] for m in sent] == names * 2, sent
    assert verify(t, path)[0] == 0


def test_edits(t):
    """Issue 7: a correction and a reaction are shown with what they are about"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, 'teh first')
    b.expect_message(id=id)
    fix = a.message(b.jid, 'the first', inner="<body>the first</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % id)
    b.expect_message(id=fix)
    like = b.message(a.jid, inner="<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>+</reaction></reactions>" % id)
    a.expect_message(id=like)
    _, got = read(export(t, officer(t), '--between', a.bare, '--between', b.bare))
    kinds = {m['kind']: m for m in lines(got)}
    assert kinds['correction']['body'] == 'the first' and kinds['correction']['about']['body'] == 'teh first', kinds
    assert kinds['reaction']['about']['id'] == kinds['message']['id'], kinds


def test_edits_far(t):
    """What is about something is shown with it: one's own words and others', just before and far back; a name that nobody has used is about nothing"""
    a, b = t.online(), t.online()
    said = [a.message(b.jid, 'word %d' % i) for i in range(70)]
    b.expect_message(id=said[-1])

    def about(who, to, id, inner):
        sent = who.message(to.jid, inner=inner % id)
        to.expect_message(id=sent)
        return sent
    like, fix = "<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>+</reaction></reactions>", \
        "<body>better</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>"
    wanted = {about(a, b, said[69], fix): 'word 69', about(a, b, said[0], fix): 'word 0', about(b, a, said[68], like): 'word 68',
              about(b, a, said[1], like): 'word 1', about(a, b, said[67], like): 'word 67', about(b, a, 'nobody-s', like): None}
    _, got = read(export(t, officer(t), '--between', a.bare, '--between', b.bare))
    shown = {m['client_id']: m for m in lines(got)}
    assert {id: (shown[id]['about'] or {}).get('body') for id in wanted} == wanted, {id: shown[id]['about'] for id in wanted}
    # The other format, which finds what the first has found.
    rows = {int(r['log_index']): r['about_text'] for r in table(got)}
    assert {id: rows[shown[id]['log_index']] or None for id in wanted} == wanted, rows


@alone()
def test_erased(t):
    """Issue 7: an erased record is shown by its number and leaf, and proved like the others; a deleted row, too"""
    a, b = talk(t, 6)
    ids = [int(r[0]) for r in t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')]
    who = officer(t)
    t.server.wait(lambda: json.loads(who.cli('--json', 'export', 'preview', '--person', a.bare)[1])['records'] == 6, 'the index of what was said')
    t.server.psql('update archive.record set body = null, stanza = null, salt = null, from_resource = null, to_resource = null, client_id = null where id = %d'
                  % ids[2])
    path = export(t, who, '--person', a.bare)
    manifest, got = read(path)
    said = lines(got)
    assert [m['erased'] for m in said] == [i == 2 for i in range(6)] and said[2]['body'] is None and said[2]['leaf'], said
    assert manifest['records']['erased'] == 1 and 'word 2' not in got['proof/records.jsonl'].decode()
    code, out = verify(t, path)
    assert code == 0, out


@alone(limits__export_bytes='65536', limits__exports_waiting='3')
def test_bounds(t):
    """limits.export_bytes: too large fails with the reason, leaves nothing, and nobody else is concerned"""
    a, b = t.online(), t.online()
    for i in range(4):
        id = a.message(b.jid, os.urandom(30000).hex())
        b.expect_message(id=id)
    who = officer(t)
    code, out, err = who.cli('archive', 'export', '--person', a.bare, '--out', t.server.path('large.zip'))
    assert code == 1 and 'limits.export_bytes' in err and not os.path.exists(t.server.path('large.zip')), (code, out, err)
    row, = who.local('export', 'list')
    assert row['state'] == 'failed' and 'limits.export_bytes' in row['error'], row
    assert os.listdir(t.server.path('exports')) == [] and t.server.metric('chancery_exports_failed_total') == 1
    assert verify(t, export(t, who, '--person', 'nobody@%s' % t.server.domain))[0] == 0


class Locked:
    """A table that nobody can read meanwhile: a job that comes to it waits there."""

    def __init__(self, server, table='chancery.file_event'):
        self.psql = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write("begin; lock table %s in access exclusive mode; select 'locked';\n" % table)
        self.psql.stdin.flush()
        assert self.psql.stdout.readline().strip() == 'locked'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


def exporters(server):
    """Those at work."""
    found = []
    for p in children(server.pid):
        try:
            if os.path.basename(os.readlink('/proc/%d/exe' % p)) == 'chancery-export':
                found.append(p)
        except OSError:
            pass
    return found


def full(pid):
    """No file of this program can grow any more: as on a disk that is full."""
    with open('/proc/%d/status' % pid) as f:
        ids = {line.split(':')[0]: int(line.split()[1]) for line in f if line.startswith(('Uid:', 'Gid:'))}
    who = {'user': ids['Uid'], 'group': ids['Gid'], 'extra_groups': []} if os.getuid() == 0 else {}
    subprocess.run(['prlimit', '--pid', str(pid), '--fsize=10:10'], check=True, **who)


def begun(t, who, *args, formats=('jsonl', 'csv'), **query):
    """A job that waits at a locked table: its number, its program."""
    before = set(exporters(t.server))
    row, = who.local('archive', 'export', query=query, formats=list(formats))
    pid, = t.server.wait(lambda: set(exporters(t.server)) - before, 'the program of the export')
    t.server.wait(lambda: t.server.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'chancery-export'")
                  not in ('0', None), 'the export at the lock')
    return row['export'], pid


def over(t, who, id):
    def look():
        row, = who.local('export', 'show', export=id)
        return row if row['state'] not in ('waiting', 'running') else None
    return t.server.wait(look, 'the end of the export')


def fetched(t, who, id):
    path = t.server.path(unique('fetched') + '.zip')
    code, out, err = who.cli('export', 'fetch', str(id), '--out', path)
    assert code == 0, (out, err)
    return path


@alone()
def test_killed_program(t):
    """Issue 7: kill -9 of chancery-export: it is begun again, and the bundle is what it would have been; messages meanwhile are not in it"""
    a, b = talk(t, 20)
    who = officer(t)
    with Locked(t.server):
        id, pid = begun(t, who, person=[a.bare])
        id2 = a.message(b.jid, 'later')
        b.expect_message(id=id2)
        os.kill(pid, signal.SIGKILL)
        t.server.wait(lambda: [p for p in exporters(t.server) if p != pid], 'another program')
        # Connections that were lost before are no crashes.
        pid, = t.server.wait(lambda: exporters(t.server), 'the program')
        t.server.psql('update compliance.export set attempts = 10 where id = %d' % id)
        os.kill(pid, signal.SIGKILL)
        t.server.wait(lambda: [p for p in exporters(t.server) if p != pid], 'another program')
    row = over(t, who, id)
    assert row['state'] == 'done' and row['attempts'] == 11, row
    assert t.server.value('select crashes from compliance.export where id = %d' % id) == '2'
    path = fetched(t, who, id)
    _, got = read(path)
    assert [m['body'] for m in lines(got) if m['kind'] == 'message'] == ['word %d <&> \u00e4' % i for i in range(20)]
    assert verify(t, path)[0] == 0


@alone()
def test_killed_server(t):
    """Issue 7: kill -9 of chanceryd: the program ends with it, and the job goes on after the next start"""
    a, _ = talk(t, 20)
    who = officer(t)
    with Locked(t.server):
        id, pid = begun(t, who, person=[a.bare])
        t.server.kill()
        t.server.wait(lambda: not os.path.exists('/proc/%d' % pid), 'the end of the program')
        t.server.start()
    row = over(t, who, id)
    assert row['state'] == 'done', row
    assert verify(t, fetched(t, who, id))[0] == 0


@alone()
def test_stopped_server(t):
    """A server that is stopped does not wait for exports, and goes on with them"""
    a, _ = talk(t, 5)
    who = officer(t)
    with Locked(t.server):
        id, _ = begun(t, who, person=[a.bare])
        t.server.stop()
    t.server.start()
    assert over(t, who, id)['state'] == 'done'
    assert verify(t, fetched(t, who, id))[0] == 0


@alone()
def test_disk_full(t):
    """Issue 7: what cannot be written fails the job with the reason; its folder goes, the other job is finished"""
    a, _ = talk(t, 200)
    who = officer(t)
    with Locked(t.server):
        id, pid = begun(t, who, person=[a.bare])
        other, _ = begun(t, who, person=[a.bare])
        full(pid)
    row = over(t, who, id)
    assert row['state'] == 'failed' and 'cannot be written' in row['error'], row
    assert over(t, who, other)['state'] == 'done'
    assert os.listdir(t.server.path('exports')) == [str(other)]
    assert 'no bundle' in refused(422, who.local, 'export', 'fetch', export=id)


@alone(limits__exports_at_once='1')
def test_cancel(t):
    """Cancelled while it runs: its program and folder go; the next one has its turn; what is over cannot be cancelled"""
    a, _ = talk(t, 5)
    who = officer(t)
    with Locked(t.server):
        id, pid = begun(t, who, person=[a.bare])
        row, = who.local('archive', 'export', query={'person': [a.bare]}, formats=['csv'])
        assert row['state'] == 'waiting' and exporters(t.server) == [pid]
        who.local('export', 'cancel', export=id)
        t.server.wait(lambda: not os.path.exists('/proc/%d' % pid), 'the end of the program')
    assert over(t, who, row['export'])['state'] == 'done'
    assert over(t, who, id)['state'] == 'cancelled' and os.listdir(t.server.path('exports')) == [str(row['export'])]
    assert 'is over' in refused(422, who.local, 'export', 'cancel', export=id)
    who.local('export', 'remove', export=row['export'])
    t.server.wait(lambda: os.listdir(t.server.path('exports')) == [] or None, 'the bundle gone')
    assert 'no bundle' in refused(422, who.local, 'export', 'fetch', export=row['export'])


@alone()
def test_erased_meanwhile(t):
    """Issue 7: a record that is erased while it is exported is nowhere in the bundle"""
    a, _ = talk(t, 10, 'secret')
    who = officer(t)
    ids = [r[0] for r in t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')]
    # The files were looked for, then the formats wait for a name.
    with Locked(t.server, 'chancery.vcard'):
        id, _ = begun(t, who, person=[a.bare])
        t.server.psql('update archive.record set body = null, stanza = null, salt = null where id = %s' % ids[4])
    assert over(t, who, id)['state'] == 'done'
    path = fetched(t, who, id)
    manifest, got = read(path)
    assert manifest['records']['erased'] == 1
    assert not any(b'secret 4' in data for data in got.values())
    assert verify(t, path)[0] == 0


@alone()
def test_altered(t):
    """A record that is not what the log says is exported as it is, said so loudly, and found by who verifies"""
    a, _ = talk(t, 3, 'true')
    id = t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')[1][0]
    t.server.psql("update archive.record set body = 'false' where id = %s" % id)
    who = officer(t)
    path = t.server.path(unique('altered') + '.zip')
    code, out, err = who.cli('archive', 'export', '--person', a.bare, '--out', path)
    assert code == 0 and 'WARNING: 1 records' in out, (code, out, err)
    assert verify(t, path)[0] == 1
    t.server.psql("update archive.record set body = 'true 1 <&> \u00e4' where id = %s" % id)


def index_of(t, a, i):
    return int(t.server.records("from_bare = '%s' and body is not null" % a.bare, 'log_index')[i][0])


@alone()
def test_missing(t):
    """Issue 7: each log index is exported, outside, or named as missing: who deletes a row does not make it vanish in silence"""
    a, b = talk(t, 300)
    who = officer(t)
    path = export(t, who, '--person', a.bare)
    assert 'missing.jsonl' not in read(path)[1]
    one, from_, to = index_of(t, a, 20), index_of(t, a, 40), index_of(t, a, 44)
    t.server.psql('delete from archive.record where log_index = %d or log_index between %d and %d' % (one, from_, to))
    path = t.server.path(unique('missing') + '.zip')
    code, out, err = who.cli('archive', 'export', '--person', a.bare, '--out', path)
    assert code == 0 and 'WARNING: %d records are in the log' % (to - from_ + 2) in out, (code, out, err)
    manifest, got = read(path)
    assert lines(got, 'missing.jsonl') == [{'first': one, 'last': one}, {'first': from_, 'last': to}], got['missing.jsonl']
    assert verify(t, path)[0] == 0
    assert 'export-missing-records' in t.server.log()
    # Of what was asked for, no more.
    path = export(t, who, '--person', a.bare, '--since', '2100-01-01')
    assert 'missing.jsonl' not in read(path)[1]


@alone()
def test_root(t):
    """Issue 7: what does not give the checkpoint's root is not signed: a record whose leaf was made to fit to its change"""
    a, _ = talk(t, 560)
    who = officer(t)
    assert verify(t, export(t, who, '--person', a.bare))[0] == 0
    # What lies between is shown by tiles that are read together.
    assert verify(t, export(t, who, '--person', a.bare, '--words', '500'))[0] == 0
    t.server.psql("update archive.record set body = 'never said' where log_index = %d" % index_of(t, a, 30))
    t.server.psql('update archive.record r set leaf_hash = archive.leaf(r) where log_index = %d' % index_of(t, a, 30))
    code, out, err = who.cli('archive', 'export', '--person', a.bare, '--out', t.server.path('forged.zip'))
    assert code == 1 and "does not give the checkpoint's root" in err, (code, out, err)


@alone()
def test_connection_lost(t):
    """A connection to PostgreSQL that is lost is an interruption: the export goes on by another"""
    a, _ = talk(t, 5)
    who = officer(t)
    with Locked(t.server):
        id, _ = begun(t, who, person=[a.bare])
        assert t.server.value("select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'chancery-export') x") == '2'
        t.server.wait(lambda: t.server.value('select attempts from compliance.export where id = %d' % id) == '2', 'another attempt')
    row = over(t, who, id)
    assert row['state'] == 'done' and row['attempts'] == 2, row
    assert verify(t, fetched(t, who, id))[0] == 0


@alone()
def test_finished_unnoticed(t):
    """A bundle that was finished when the server was killed, and not noted, is not made again"""
    a, _ = talk(t, 5)
    who = officer(t)
    with Locked(t.server):
        id, _ = begun(t, who, person=[a.bare])
        selection = t.server.path('exports', str(id), 'selection')
        with open(selection, 'rb') as f:
            kept = f.read()
        ids = os.stat(selection)
    row = over(t, who, id)
    bundle = os.stat(t.server.path('exports', str(id), 'bundle.zip'))
    t.server.kill()
    with open(selection, 'wb') as f:
        f.write(kept)
    os.chown(selection, ids.st_uid, ids.st_gid)
    t.server.psql("set session_replication_role = replica; update compliance.export set state = 2, finished_at = null where id = %d" % id)
    t.server.start()
    again = over(t, who, id)
    assert (again['state'], again['records'], again['bytes'], again['manifest']) == ('done', row['records'], row['bytes'], row['manifest']), again
    now = os.stat(t.server.path('exports', str(id), 'bundle.zip'))
    assert (now.st_ino, now.st_mtime_ns) == (bundle.st_ino, bundle.st_mtime_ns)
    assert verify(t, fetched(t, who, id))[0] == 0


def test_audit(t):
    """Issue 7: who asked for what, what came out, and each fetch is in the audit trail"""
    a, _ = talk(t, 1)
    who = officer(t)
    path = export(t, who, '--person', a.bare, '--reason', 'case 9')
    id, = own(who)
    got = t.server.psql("select action, who_name, detail from chancery.audit where target = 'export %d' order by id" % id)
    assert [g[:2] for g in got] == [['archive.export', who.name], ['export.finished', who.name], ['export.fetch', who.name]], got
    asked, finished = json.loads(got[0][2]), json.loads(got[1][2])
    assert asked['query'] == {'person': [a.bare]} and asked['reason'] == 'case 9', asked
    with zipfile.ZipFile(path) as z:
        assert finished['manifest'] == hashlib.sha256(z.read('manifest.json')).hexdigest(), finished


def test_audit_of_pieces(t):
    """Issue 7: whoever fetches only a part of a bundle is in the audit trail, too: once for a fetch, and each person for themselves"""
    a, _ = talk(t, 1)
    who, other = officer(t), officer(t)
    export(t, who, '--person', a.bare)
    id, = own(who)

    def fetches(of):
        return t.server.value("select count(*) from chancery.audit where action = 'export.fetch' and target = 'export %d' and who_name = '%s'" % (id, of.name))
    assert fetches(other) == '0'
    for n in (1, 2, 3):
        piece, = other.local('export', 'fetch', export=id, offset=n)
        assert piece['offset'] == n and piece['data'], piece
        assert fetches(other) == '1'
    assert fetches(who) == '1'
    other.ask('export', 'fetch', export=id)
    assert fetches(other) == '2'


def test_preview(t):
    """Before anything is exported: how much of what, whose, and no word of it"""
    a, b = talk(t, 7, 'unspoken')
    who = officer(t)
    def preview():
        code, out, err = who.cli('--json', 'export', 'preview', '--person', a.bare)
        return json.loads(out)['records'] == 7 and out
    out = t.server.wait(preview, 'the index of what was said')
    row = json.loads(out)
    assert (row['records'], row['kinds'], row['addresses']) == (7, {'message': 7}, 2), row
    assert {p['address']: p['records'] for p in row['people']} == {a.bare: 7, b.bare: 7} and 'unspoken' not in out, row
    assert 'message: 7' in who.cli('export', 'preview', '--person', a.bare)[1]
    assert who.cli('export', 'preview', '--foreign', 'nobody@partner.example')[0] == 0


def test_subject(t):
    """GDPR article 15: a data protection officer exports what there is of one person, and sees no other exports"""
    a, b = talk(t, 3)
    dpo, other = Person(t, 'dpo'), officer(t)
    path = t.server.path(unique('subject') + '.zip')
    code, out, err = dpo.cli('archive', 'export', '--subject', a.bare, '--format', 'jsonl', '--out', path)
    assert code == 0, (out, err)
    assert len([m for m in lines(read(path)[1]) if m['kind'] == 'message']) == 3
    export(t, other, '--person', b.bare)
    theirs, = own(other)
    assert [e['by'] for e in dpo.local('export', 'list')] == [dpo.name]
    assert 'there is no export' in refused(422, dpo.local, 'export', 'show', export=theirs)
    assert 'there is no export' in refused(422, dpo.local, 'export', 'fetch', export=theirs)
    assert 'subject' in refused(422, dpo.local, 'archive', 'export', query={'words': 'word'}, formats=['csv'])


def test_bad_requests(t):
    """What makes no sense is refused before anything is begun"""
    who = officer(t)
    for args, words in (({'query': {}, 'formats': ['doc']}, 'no format'), ({'query': {}, 'formats': []}, 'formats'),
                        ({'query': {}, 'formats': ['csv', 'csv']}, 'twice'), ({'formats': ['csv']}, 'one of them'),
                        ({'query': {'person': ['@']}, 'formats': ['csv']}, 'not an address'), ({'query': {'since': 'yesterday'}, 'formats': ['csv']}, 'not a time'),
                        ({'query': {'since': '2026-02-01', 'until': '2026-01-01'}, 'formats': ['csv']}, 'not after'),
                        ({'query': {'kind': ['audit']}, 'formats': ['csv']}, 'no kind'), ({'query': {'shoe': 1}, 'formats': ['csv']}, 'shoe'),
                        ({'query': {'words': "x' or 1=1 --"}, 'formats': ['csv'], 'reason': 'two\nlines'}, 'one line')):
        assert words in refused(422, who.local, 'archive', 'export', **args), (args, words)
    assert 'there is no export' in refused(422, who.local, 'export', 'show', export=1 << 60)
    for role in ('admin', 'auditor'):
        refused(403, Person(t, role).local, 'archive', 'export', query={}, formats=['csv'])


@alone(compliance__four_eyes='true')
def test_four_eyes(t):
    """Issue 7: it waits for a second officer; the bundle names both"""
    a, _ = talk(t, 2)
    asker, second = make(t, 'officer'), make(t, 'officer')
    row, = asker.local('archive', 'export', query={'person': [a.bare]}, formats=['jsonl'], reason='case 11')
    assert row['state'] == 'waiting' and 'export' not in row, row
    assert t.server.value('select count(*) from compliance.export') == '0'
    row, = second.local('approval', 'approve', id=row['approval'])
    id = row['outcome'][0]['export']
    assert over(t, asker, id)['state'] == 'done'
    manifest, _ = read(fetched(t, asker, id))
    assert (manifest['export']['asked_by'], manifest['export']['approved_by']) == (asker.name, second.name), manifest['export']

"""Files as administrators see them: the quarantine, where a file has been, and what newer signatures find in what has passed (issue 6)."""
import base64
import hashlib
import os
import subprocess

from chancerytest.client import unique
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import get, put, slot, upload
from test_admin import fails, ok, rows
from test_federation_admin import as_other
from test_transfer import close, closed, error_of, opened, refused, send

WHY = ('--reason', 'it is our own tool')
FOUND = 'Eicar-Test-Signature.UNOFFICIAL'    # as libclamav calls signatures that are not its makers'


def virus():
    """A file of its own that is found infected, and its SHA-256."""
    data = EICAR + unique('virus').encode()
    return data, hashlib.sha256(data).hexdigest()


def caught(t, c, name='dagger.exe'):
    """c has tried to upload one."""
    data, sha = virus()
    a = put(t, slot(c, name, len(data)), data)
    assert a.status == 403, a
    return data, sha


def listed(t, sha):
    return [r for r in rows(t, 'quarantine', 'list') if r['sha256'] == sha]


def told(c, text):
    """A message of the server's in these words."""
    return c.expect(lambda e: e.name == 'message' and e.get('from') == c.server.domain and text in (e.text('body') or ''), text).text('body')


def audit(t, sha):
    return [a for a, in t.server.psql("select action from chancery.audit where target = '%s' order by id" % sha)]


def on_disk(t, where, sha):
    return os.path.exists(os.path.join(t.server.path('files'), where, sha[:2], sha[2:]))


# -- the quarantine -------------------------------------------------------------------------------------------


def test_list_and_show(t):
    """Issue 6: what was found is held back, encrypted, with who, when, to whom and why; looking at it is audited"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    r = listed(t, sha)[0]
    assert (r['from'], r['name'], r['found'], r['state'], r['size'], r['to']) == (romeo.bare, 'dagger.exe', FOUND, 'infected', len(data), None), r
    assert r['release'] is None and r['at'], r
    assert on_disk(t, 'quarantine', sha) and not on_disk(t, 'content', sha)
    with open(os.path.join(t.server.path('files'), 'quarantine', sha[:2], sha[2:]), 'rb') as f:
        assert b'EICAR' not in f.read()
    r = rows(t, 'quarantine', 'show', sha[:12])[0]
    assert r['sha256'] == sha and r['where'] == 'quarantine' and [e['verdict'] for e in r['events']] == ['infected'], r
    e = r['events'][0]
    assert (e['path'], e['from'], e['name']) == ('upload', romeo.bare, 'dagger.exe') and e['record'], e
    body, stanza = t.server.records('id = %d and kind = 22' % e['record'], 'body, stanza')[0]
    assert 'infected' in body and FOUND in body and sha in stanza and "verdict='infected'" in stanza, (body, stanza)
    out = ok(t, 'quarantine', 'show', sha)
    assert FOUND in out and romeo.bare in out and 'dagger.exe' in ok(t, 'quarantine', 'list')
    assert audit(t, sha[:12]) == ['quarantine.show'] and audit(t, sha) == ['quarantine.show']
    # It comes again without a name: that it had one is known all the same.
    juliet = t.online()
    id = romeo.message(juliet.bare, inner="<body>x</body><data xmlns='urn:xmpp:bob' cid='sha1+%s@bob.xmpp.org' type='image/png'>%s</data>" % (
        hashlib.sha1(data).hexdigest(), base64.b64encode(data).decode()))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'error')
    r = listed(t, sha)[0]
    assert (r['to'], r['name']) == (juliet.bare, 'dagger.exe'), r


def test_people_are_told(t):
    """Issue 6: sender and recipient of a virus are told in plain words, by messages that are in the record and wait for who is away"""
    romeo, juliet = t.online(), t.online()
    data, sha = virus()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, data)
    refused(error_of(romeo, close(romeo, juliet, sid)), 'policy-violation')
    closed(juliet, sid)
    assert FOUND in told(romeo, 'contains a virus')
    assert romeo.bare in told(juliet, 'wanted to send you a file that contains a virus')
    assert len(t.server.records("kind = 12 and to_bare = '%s'" % juliet.bare)) == 1
    r = listed(t, sha)[0]
    assert (r['from'], r['to']) == (romeo.bare, juliet.bare), r


def test_people_are_told_of_each(t):
    """Issue 6: each file is told of, the same thing once, and who goes on with it does not make the server write without end"""
    romeo = t.online()
    data, _ = virus()
    for name in ('one.bin', 'one.bin', 'two.bin', 'three.bin', 'four.bin'):
        assert put(t, slot(romeo, name, len(data)), data).status == 403
    for name in ('one.bin', 'two.bin', 'three.bin'):
        assert told(romeo, 'contains a virus').startswith(name)
    assert len(t.server.records("kind = 12 and to_bare = '%s'" % romeo.bare)) == 3


def test_release(t):
    """Issue 6: what was released may be sent again, and its people are told; all of it is audited, with the reason"""
    romeo = t.online()
    data, sha = caught(t, romeo, 'tool.bin')
    told(romeo, 'contains a virus')
    assert 'released' in ok(t, 'quarantine', 'release', sha, *WHY)
    assert not listed(t, sha) and not on_disk(t, 'quarantine', sha)
    told(romeo, 'tool.bin, which was held back, has been released')
    s = upload(t, romeo, data, 'tool.bin')
    assert get(t, s).body == data
    r = rows(t, 'files', 'show', sha)[0]
    assert r['state'] == 'released' and r['where'] == 'kept', r
    released = [e for e in r['events'] if e['path'] == 'quarantine']
    assert [(e['verdict'], e['text']) for e in released] == [('released', WHY[1])] and 'uid' in released[0]['from'], r
    assert 'not in the quarantine' in fails(t, 1, 'quarantine', 'release', sha, *WHY)
    assert audit(t, sha)[0] == 'quarantine.release'
    assert t.server.value("select detail->>'reason' from chancery.audit where action = 'quarantine.release' and target = '%s'" % sha) == WHY[1]
    body = t.server.records("kind = 22 and from_bare = '%s' and body like '%%released%%'" % romeo.bare, 'body')
    assert len(body) == 1 and 'clean' in body[0][0], body


def test_delete(t):
    """Issue 6: deleted content is gone for good; what is known of it stays, and it does not pass the next time"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    assert 'deleted' in ok(t, 'quarantine', 'delete', sha, '--reason', 'nobody wants it')
    assert not listed(t, sha) and not on_disk(t, 'quarantine', sha)
    r = rows(t, 'files', 'show', sha)[0]
    assert r['where'] == 'nowhere' and r['state'] == 'infected' and r['events'][0]['verdict'] == 'deleted', r
    assert 'not in the quarantine' in fails(t, 1, 'quarantine', 'delete', sha, *WHY)
    assert put(t, slot(romeo, 'again.exe', len(data)), data).status == 403
    assert listed(t, sha) and on_disk(t, 'quarantine', sha)
    assert audit(t, sha) == ['quarantine.delete', 'files.show']


def test_wrong_usage(t):
    """Design §8: a reason is needed, files are named by enough of their hash, and nothing happens otherwise"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    for verb in 'release', 'delete':
        fails(t, 2, 'quarantine', verb, sha)
        fails(t, 2, 'quarantine', verb, *WHY)
        for reason in '  ', 'two\nlines', 'x' * 501:
            assert 'reason' in fails(t, 1, 'quarantine', verb, sha, '--reason', reason)
        for wrong in sha[:7], 'g' * 8, sha + '0', '', "x' or true":
            assert 'no file is known' in fails(t, 1, 'quarantine', verb, wrong, *WHY)
        fails(t, 2, 'quarantine', verb, sha, '--owner-is', 'x')
        fails(t, 2, 'quarantine', verb, sha, '--no-files', *WHY)
    for wrong in 'x', '0', '99999999999999999999':
        fails(t, 2, 'quarantine', 'approve', wrong)
    fails(t, 1, 'quarantine', 'approve', '999999999')
    fails(t, 2, 'quarantine', 'list', '--reason', 'x')
    fails(t, 2, 'quarantine', 'eat', sha)
    assert listed(t, sha) and on_disk(t, 'quarantine', sha) and audit(t, sha) == []


def test_damaged_content_is_not_released(t):
    """Issue 6: what was altered in the quarantine stays there"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    path = os.path.join(t.server.path('files'), 'quarantine', sha[:2], sha[2:])
    os.chmod(path, 0o600)
    with open(path, 'r+b') as f:
        f.seek(90)
        byte = f.read(1)
        f.seek(90)
        f.write(bytes([byte[0] ^ 1]))
    assert 'damaged' in fails(t, 1, 'quarantine', 'release', sha, *WHY)
    assert listed(t, sha) and not on_disk(t, 'content', sha) and audit(t, sha) == ['quarantine.release.failed']
    assert put(t, slot(romeo, 'again', len(data)), data).status == 403
    ok(t, 'quarantine', 'delete', sha, *WHY)


@alone(files__deny_types='["text/", "application/"]')
def test_release_of_uploads(t):
    """Issue 6: an upload that was held back can be fetched once it is released, and ends like others; one that policy refused never can"""
    romeo = t.online()
    data, sha = virus()
    held, denied = slot(romeo, 'tool.bin', len(data)), slot(romeo, 'tool.bin', len(data))
    assert put(t, held, data).status == 403 and get(t, held).status == 404
    ok(t, 'quarantine', 'release', sha, *WHY)
    a = put(t, denied, data)
    assert a.status == 403 and b'virus' not in a.body, a
    assert get(t, denied).status == 404 and get(t, held).body == data
    state = "select state, kept_at is not null, expires_at is not null from chancery.upload where token = sha256('%s')"
    assert t.server.psql(state % held.token) == [['2', 't', 't']] and t.server.psql(state % denied.token) == [['3', 'f', 'f']]
    t.server.psql("update chancery.upload set expires_at = now() - interval '1 second' where token = sha256('%s')" % held.token)
    assert get(t, held).status == 410
    t.server.psql("update chancery.file set seen_at = now() - interval '1 hour'")
    t.server.restart()  # looks at once
    t.server.wait(lambda: not on_disk(t, 'content', sha), 'the content to go')


@alone(files__two_persons='true')
def test_two_persons(t):
    """Setting files.two_persons: a release waits until another administrator approves it; deleting does not wait"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    assert 'another administrator' in ok(t, 'quarantine', 'release', sha, *WHY)
    n = str(listed(t, sha)[0]['release'])
    assert on_disk(t, 'quarantine', sha) and put(t, slot(romeo, 'x', len(data)), data).status == 403
    assert 'another administrator' in fails(t, 1, 'quarantine', 'approve', n)
    assert 'waits already' in fails(t, 1, 'quarantine', 'release', sha, *WHY)
    # Whoever it was that became root is one person under every account.
    if subprocess.run(['sh', '-c', 'echo 0 > /proc/self/loginuid'], stderr=subprocess.DEVNULL).returncode == 0:
        with open('/proc/self/loginuid') as f:
            own = f.read().strip()
        code, out, err = as_other(t, 'quarantine', 'approve', n, login=own if own != '4294967295' else 0)
        assert code == 1 and 'another administrator' in out + err, (code, out, err)
    code, out, err = as_other(t, 'quarantine', 'approve', n)
    assert code == 0 and 'released' in out, (code, out, err)
    upload(t, romeo, data, 'now.bin')
    fails(t, 1, 'quarantine', 'approve', n)
    r = [e for e in rows(t, 'files', 'show', sha)[0]['events'] if e['path'] == 'quarantine']
    assert [e['verdict'] for e in r] == ['released', 'proposed'] and 'nobody' in r[0]['from'] and 'proposed by' in r[0]['from'], r
    assert audit(t, sha)[:2] == ['quarantine.propose', 'quarantine.release'], audit(t, sha)
    data, sha = caught(t, romeo)
    ok(t, 'quarantine', 'release', sha, *WHY)
    n = str(listed(t, sha)[0]['release'])
    ok(t, 'quarantine', 'withdraw', n)
    assert listed(t, sha)[0]['release'] is None and as_other(t, 'quarantine', 'approve', n)[0] == 1
    # What was proposed for one finding is not a release of another.
    ok(t, 'quarantine', 'release', sha, *WHY)
    n = str(listed(t, sha)[0]['release'])
    t.server.psql("update chancery.file set found = 'Something-Worse' where sha256 = '\\x%s'" % sha)
    code, out, err = as_other(t, 'quarantine', 'approve', n)
    assert code == 1 and 'Something-Worse' in out + err and on_disk(t, 'quarantine', sha), (code, out, err)
    ok(t, 'quarantine', 'withdraw', n)
    # A release of what has been deleted meanwhile is of nothing.
    ok(t, 'quarantine', 'release', sha, *WHY)
    n = str(listed(t, sha)[0]['release'])
    ok(t, 'quarantine', 'delete', sha, *WHY)
    assert as_other(t, 'quarantine', 'approve', n)[0] == 1 and not on_disk(t, 'content', sha)


def test_roles(t):
    """Issue 6: the server adds to what happened to files and rewrites none of it; a release is closed once"""
    romeo = t.online()
    data, sha = caught(t, romeo)
    for sql in ("delete from chancery.file_event", "update chancery.file_event set verdict = 'clean'", "truncate chancery.file_event",
                "delete from chancery.file", "delete from chancery.file_release", "update chancery.file_release set by_name = 'x'",
                "insert into chancery.file_event (at, path, sha256, from_bare, verdict) values (now(), 'x', '\\x%s', 'x', 'x')" % sha):
        try:
            t.server.psql('set role chancery_server; ' + sql)
        except RuntimeError as e:
            assert 'permission denied' in str(e), e
        else:
            raise AssertionError('the server may: ' + sql)
    ok(t, 'quarantine', 'release', sha, *WHY)
    new = "insert into chancery.file_release (sha256, by_uid, by_name, reason) values ('\\x%s', 1, 'x', 'x'); " % sha
    end = "update chancery.file_release set closed_at = now(), closed_by = '%s', approved = %s where sha256 = '\\x" + sha + "'; "
    try:
        t.server.psql('set role chancery_server; begin; ' + new + end % ('bob', 'false') + end % ('alice', 'true') + 'commit')
    except RuntimeError as e:
        assert 'closed once' in str(e), e
    else:
        raise AssertionError('the server may say that another has approved')


# -- where a file has been ----------------------------------------------------------------------------------------


def test_find(t):
    """Issue 6: files find SHA256|NAME tells who sent a file, who fetched it, the verdict, and where it is; searches are audited"""
    romeo, juliet = t.online(), t.online()
    word = unique('Contract')
    data = word.encode()
    sha = hashlib.sha256(data).hexdigest()
    get(t, upload(t, romeo, data, word + ' 100%_final.txt', 'text/plain'))
    upload(t, juliet, data, 'other name.txt')
    t.server.wait(lambda: [r for r in rows(t, 'files', 'find', sha) if r['path'] == 'download'], 'the download')
    found = rows(t, 'files', 'find', sha)
    assert {(r['from'], r['name']) for r in found if r['path'] == 'upload'} == \
        {(romeo.bare, word + ' 100%_final.txt'), (juliet.bare, 'other name.txt')}, found
    assert all(r['where'] == 'kept' and r['state'] == 'clean' and r['sha256'] == sha for r in found), found
    for what in sha[:8], sha.upper(), word + ' 100%_final.txt', (word + ' 100%_final.txt').lower(), word + '*', '*' + word[1:] + ' 100%_f*':
        got = rows(t, 'files', 'find', what)
        assert any(r['sha256'] == sha and r['from'] == romeo.bare for r in got), (what, got)
    for what in word, word + '%', word + ' 100%_final_txt', sha[:7], '\\':
        assert not rows(t, 'files', 'find', what), what
    assert romeo.bare in ok(t, 'files', 'find', sha) and sha in ok(t, 'files', 'show', sha)
    assert t.server.value("select count(*) from chancery.audit where action = 'files.find' and target = '%s'" % (word + '%')) == '1'
    assert 'no file is known' in fails(t, 1, 'files', 'show', 'f' * 64)
    fails(t, 2, 'files', 'find')


# -- afterwards -----------------------------------------------------------------------------------------------------


@alone()
def test_new_signatures(t):
    """Issue 6: when signatures change, what is kept is scanned again; a new hit withdraws the file, tells its people, raises an alert"""
    romeo, juliet = t.online(), t.online()
    good, bad = upload(t, romeo, b'a harmless letter', 'letter.txt'), b'before this was known: ' + unique('mark').encode()
    sha = hashlib.sha256(bad).hexdigest()
    s, twin = upload(t, romeo, bad, 'poem.txt'), upload(t, juliet, bad, 'verse.txt')
    assert get(t, s).status == 200
    t.server.add_signature('Newly-Known', bad)
    assert 'poem.txt' in told(romeo, 'has turned out to contain a virus (Newly-Known')
    assert 'verse.txt' in told(juliet, 'has turned out to contain a virus')
    t.server.wait(lambda: get(t, s).status in (403, 404, 410), 'the withdrawal')
    assert get(t, twin).status in (403, 404, 410) and get(t, good).body == b'a harmless letter'
    t.server.wait(lambda: not on_disk(t, 'content', sha), 'the withdrawal on disk')
    assert on_disk(t, 'quarantine', sha)
    r = listed(t, sha)[0]
    assert r['state'] == 'withdrawn' and 'Newly-Known' in r['found'], r
    t.server.wait(lambda: t.server.metric('chancery_files_rescanned_total') == 2, 'the second file')
    assert t.server.metric('chancery_files_withdrawn_total') == 1 and 'file-withdrawn' in t.server.log()
    assert len(t.server.records("kind = 22 and body like '%withdrawn, Newly-Known%'")) == 1
    e = rows(t, 'files', 'show', sha)[0]['events'][0]
    assert (e['path'], e['verdict']) == ('rescan', 'withdrawn'), e
    assert put(t, slot(romeo, 'again.txt', len(bad)), bad).status == 403
    # A mistake: it can be fetched again by those who could.
    ok(t, 'quarantine', 'release', sha, *WHY)
    assert get(t, s).body == bad and get(t, twin).body == bad
    told(juliet, 'has been released')


@alone(limits__rescans_per_minute=120, files__scanner_start='eager')
def test_scanning_again_goes_on_after_a_restart(t):
    """Issue 6: which signatures a file has seen is kept with it: a restart in the middle forgets none and repeats few"""
    romeo = t.online()
    for i in range(8):
        upload(t, romeo, b'letter %d' % i, 'letter.txt')
    t.server.add_signature('Something-Else', b'nothing has this in it, %d times' % 7)
    left = "select count(*) from chancery.file where kept and signatures_n <> 3"
    t.server.wait(lambda: int(t.server.value(left)) <= 6, 'the first ones')
    t.server.restart()
    t.server.wait(lambda: t.server.value(left) == '0', 'the others')
    assert 0 < t.server.metric('chancery_files_rescanned_total') <= 6
    assert t.server.metric('chancery_files_withdrawn_total') == 0

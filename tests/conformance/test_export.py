"""Exports (issue 7): what the record says, as a bundle that proves itself. The bundle is read by Python, and checked by chancery-verify."""
import csv
import hashlib
import io
import json
import os
import subprocess
import zipfile

from chancerytest.client import unique
from chancerytest.desk import Person, Refused
from chancerytest.scenario import alone
from chancerytest.server import children
from chancerytest.upload import upload


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


def verify(t, path):
    """As somebody far away does: without server and database."""
    p = subprocess.run([os.path.join(t.server.build, 'bin', 'chancery-verify'), path], capture_output=True, text=True, timeout=300)
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

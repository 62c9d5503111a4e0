#!/usr/bin/env python3
"""bundle_test: bundles made over proof/bundle.h are verified by chancery-verify and by a verifier that shares nothing with it
(verify_bundle.py); and every kind of change to one is found by both.

    bundle_test.py BUNDLE_MAKER CHANCERY_VERIFY
"""
import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
import zipfile
import zlib

import verify_bundle as second
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAKER, VERIFY = (os.path.abspath(p) for p in sys.argv[1:3])
TIME = 0x0021 << 16  # 1980-01-01
ORDER = ['messages.csv', 'html/index.html', 'proof/checkpoint.txt', 'proof/keys.json', 'proof/records.jsonl', 'proof/tree.jsonl',
         'manifest.json', 'manifest.sig']
CSV = b'index,who,said\r\n' + b''.join(b'%d,romeo,"a word"\r\n' % i for i in range(50))


def pack(members, stored=()):
    """A ZIP in the form of a bundle. `members`: [(name, content)]."""
    out, rows = bytearray(), []
    for name, content in members:
        if isinstance(name, str):
            name = name.encode()
        method, packed = 0, content
        if content and name not in stored:
            z = zlib.compressobj(6, zlib.DEFLATED, -15)
            method, packed = 8, z.compress(content) + z.flush()
        rows.append(second.central(name, TIME, method, zlib.crc32(content), len(content), len(packed), len(out)))
        out += second.local(name, TIME, method, zlib.crc32(content), len(content), len(packed)) + packed
    directory = b''.join(rows)
    return bytes(out) + directory + second.end(len(rows), len(directory), len(out))


class Signer:
    """The log's private key, as its text."""

    def __init__(self, skey):
        _, _, self.name, _, seed = skey.strip().split('+', 4)
        self.key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed)[1:])
        self.raw = b'\x01' + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(self.name.encode() + b'\n' + self.raw).digest()[:4]

    @property
    def vkey(self):
        return '%s+%s+%s' % (self.name, self.id.hex(), base64.b64encode(self.raw).decode())

    def note(self, text):
        return text + b'\n' + '\u2014 {} {}\n'.format(self.name, base64.b64encode(self.id + self.key.sign(text)).decode()).encode()


def other_signer(name='example.org'):
    return Signer('PRIVATE+KEY+%s+00000000+%s' % (name, base64.b64encode(b'\x01' + os.urandom(32)).decode()))


class Bundle:
    """The parts of a bundle, to be changed and packed."""

    def __init__(self, size, exported, how=None):
        with tempfile.TemporaryDirectory() as folder:
            for d in ('proof', 'html'):
                os.mkdir(os.path.join(folder, d))
            for name, content in (('messages.csv', CSV), ('html/index.html', b'<!doctype html><title>an export</title>')):
                with open(os.path.join(folder, name), 'wb') as f:
                    f.write(content)
            subprocess.run([MAKER, folder, str(size), exported] + ([how] if how else []), check=True)
            self.part = {}
            for name in ORDER + ['vkey', 'skey', 'sink.txt']:
                with open(os.path.join(folder, name), 'rb') as f:
                    self.part[name] = f.read()
        self.vkey = self.part.pop('vkey').decode()
        self.sink = self.part.pop('sink.txt')
        self.signer = Signer(self.part.pop('skey').decode())

    def members(self):
        rest = [n for n in self.part if n not in ORDER]
        return [(n, self.part[n]) for n in ORDER[:-2] + rest + ORDER[-2:] if n in self.part]

    def pack(self, **kw):
        return pack(self.members(), **kw)

    def sign(self, signer=None, **changes):
        """A new manifest over what the parts are now, signed: what only who has the log's key can do."""
        m = json.loads(self.part['manifest.json'])
        m['files'] = [{'name': n, 'size': len(c), 'sha256': hashlib.sha256(c).hexdigest()} for n, c in self.members() if not n.startswith('manifest.')]
        for k, v in changes.items():
            m[k] = v
        self.set_manifest(json.dumps(m).encode(), signer)
        return self

    def set_manifest(self, text, signer=None):
        self.part['manifest.json'] = text
        statement = 'chancery-bundle-manifest/v1\nexample.org\nsha256 %s\ntime 1795363400\n' % hashlib.sha256(text).hexdigest()
        self.part['manifest.sig'] = (signer or self.signer).note(statement.encode())

    def records(self):
        return [json.loads(x) for x in self.part['proof/records.jsonl'].splitlines()]

    def set_lines(self, name, objects):
        self.part['proof/%s.jsonl' % name] = b''.join(json.dumps(x).encode() + b'\n' for x in objects)

    def nodes(self):
        return [json.loads(x) for x in self.part['proof/tree.jsonl'].splitlines()]


class Test(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def run_verify(self, data, *args, vkey=None, sink=None):
        path = os.path.join(self.folder.name, 'bundle.zip')
        with open(path, 'wb') as f:
            f.write(data)
        args = list(args)
        if vkey:
            args += ['--key', vkey]
        if sink is not None:
            args += ['--checkpoint', os.path.join(self.folder.name, 'sink.txt')]
            with open(args[-1], 'wb') as f:
                f.write(sink)
        p = subprocess.run([VERIFY, path, '--json'] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        self.assertIn(p.returncode, (0, 1), p.stderr)
        self.assertEqual(p.stderr, b'')
        report = json.loads(p.stdout)
        self.assertEqual(report['verified'], p.returncode == 0)
        report['wrong'] = {c['check']: ' '.join(c['found']) for c in report['checks'] if c['state'] == 'wrong'}
        return report

    def accept(self, data, **kw):
        r = self.run_verify(data, **kw)
        self.assertTrue(r['verified'], r['wrong'])
        second.verify(data, kw.get('vkey'))
        return r

    def refuse(self, data, check=None, words=None, both=True, **kw):
        r = self.run_verify(data, **kw)
        self.assertFalse(r['verified'])
        if check:
            self.assertIn(check, r['wrong'], r)
        if words:
            self.assertIn(words, ' '.join(r['wrong'].values()))
        if both:
            with self.assertRaises(second.Bad):
                second.verify(data, kw.get('vkey'))
        return r

    # ---- what is right ----

    def test_bundles_of_all_kinds(self):
        rng = random.Random(7)
        cases = [(0, '-'), (1, 'all'), (1, '-'), (2, '1'), (8, 'all'), (8, '0'), (8, '7e'), (300, '-'), (300, 'all')]
        for _ in range(12):
            size = rng.randrange(1, 400)
            chosen = sorted(rng.sample(range(size), rng.randrange(0, size + 1)))
            cases.append((size, ','.join('%d%s' % (i, 'e' if rng.randrange(6) == 0 else '') for i in chosen) or '-'))
        for size, exported in cases:
            with self.subTest(size=size, exported=exported):
                b = Bundle(size, exported)
                r = self.accept(b.pack(), vkey=b.vkey)
                self.assertTrue(r['trusted'])
                n = size if exported == 'all' else 0 if exported == '-' else exported.count(',') + 1
                self.assertEqual((r['exported'], r['erased'], r['size']), (n, exported.count('e'), size))
                self.assertEqual(second.verify(b.pack()), (n, exported.count('e'), size))

    def test_words_come_out_as_they_went_in(self):
        b = Bundle(40, 'all')
        bodies = [r['body'] for r in b.records()]
        self.assertIn('"quoted\\" \b\f\n\r\t\x01\x1f\x7f', bodies)
        self.assertIn('\u202edesrever\u202c', bodies)
        self.assertIn('{"erased":true}\n{"log_index":0}', bodies)
        self.accept(b.pack(), vkey=b.vkey)

    def test_stored_members_are_fine(self):
        b = Bundle(20, '3,4,9')
        self.accept(b.pack(stored=(b'messages.csv', b'manifest.json')), vkey=b.vkey)

    def test_many_files(self):
        b = Bundle(5, '1')
        for i in range(66000):  # more than a ZIP without 64-bit records can have
            b.part['eml/%d.eml' % i] = b''
        self.accept(b.sign().pack(), vkey=b.vkey)

    # ---- for people ----

    def text(self, data, *args):
        path = os.path.join(self.folder.name, 'bundle.zip')
        with open(path, 'wb') as f:
            f.write(data)
        p = subprocess.run([VERIFY, path] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        return p.returncode, p.stdout.decode(), p.stderr.decode()

    def test_without_a_key_it_says_so(self):
        b = Bundle(20, '3,4,9e')
        rc, out, _ = self.text(b.pack())
        self.assertEqual(rc, 0)
        self.assertIn('AGREES WITH ITSELF', out)
        self.assertIn(b.vkey, out)
        self.assertNotIn('VERIFIED:', out)
        rc, out, _ = self.text(b.pack(), '--key', b.vkey)
        self.assertEqual(rc, 0)
        self.assertIn('VERIFIED: every record', out)
        self.assertIn('asked by     olivia', out)
        self.assertIn('3 exported (1 of them erased), 17 outside', out)
        with open(os.path.join(self.folder.name, 'vkey'), 'w') as f:
            f.write(b.vkey + '\n')
        self.assertEqual(self.text(b.pack(), '--key', '@' + f.name)[0], 0)

    def test_what_is_wrong_is_named(self):
        b = Bundle(20, '3,4,9')
        b.part['messages.csv'] = b.part['messages.csv'].replace(b'romeo', b'Romeo', 1)
        rc, out, _ = self.text(b.pack(), '--key', b.vkey)
        self.assertEqual(rc, 1)
        self.assertIn('messages.csv was altered', out)
        self.assertIn('NOT VERIFIED: 1 finding.', out)

    def test_nothing_in_it_reaches_the_terminal(self):
        b = Bundle(5, '1')
        export = json.loads(b.part['manifest.json'])['export']
        export['query_text'] = 'all\x1b]0;owned\x07 \u202e of it\nVERIFIED: yes'
        rc, out, _ = self.text(b.sign(export=export).pack(), '--key', b.vkey)
        self.assertEqual(rc, 0)
        self.assertFalse(set('\x1b\x07\u202e') & set(out))
        self.assertNotIn('\nVERIFIED: yes', out)

    def test_usage(self):
        b = Bundle(5, '1').pack()
        self.assertEqual(self.text(b, '--key', 'nonsense')[0], 2)
        self.assertEqual(self.text(b, '--key', '@/nowhere')[0], 2)
        self.assertEqual(self.text(b, '--checkpoint', '/nowhere')[0], 2)
        self.assertEqual(self.text(b, 'another')[0], 2)
        self.assertEqual(self.text(b, '--nonsense')[0], 2)
        for args in ([], ['/nowhere'], ['/'], ['/dev/null']):
            p = subprocess.run([VERIFY] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(p.returncode, 2, args)
        self.assertEqual(subprocess.run([VERIFY, '--help'], stdout=subprocess.PIPE).returncode, 0)

    # ---- the key ----

    def test_another_key(self):
        b = Bundle(20, '3,4,9')
        r = self.refuse(b.pack(), 'key', 'another key', vkey=other_signer().vkey)
        self.assertEqual(list(r['wrong']), ['key'])
        self.refuse(b.pack(), 'key', vkey=other_signer('example.com').vkey)

    def test_signed_again_by_somebody_else(self):
        """Who makes all of it anew, with a key of their own, has a bundle that agrees with itself, and nobody's trust."""
        b, thief = Bundle(20, '3,4,9'), other_signer()
        b.part['proof/keys.json'] = json.dumps({'key': thief.vkey, 'handovers': []}).encode()
        b.part['proof/checkpoint.txt'] = thief.note(b.part['proof/checkpoint.txt'].partition(b'\n\n')[0] + b'\n')
        b.sign(thief)
        self.assertFalse(self.accept(b.pack())['trusted'])
        self.refuse(b.pack(), 'key', 'another key', vkey=b.vkey)

    def test_a_key_that_handed_over(self):
        b = Bundle(20, '3,4,9', 'rotated')
        self.assertNotEqual(b.vkey, b.signer.vkey)
        self.assertTrue(self.accept(b.pack(), vkey=b.vkey)['trusted'])
        self.assertTrue(self.accept(b.pack(), vkey=b.signer.vkey)['trusted'])
        self.accept(b.pack(), vkey=b.vkey, sink=b.sink)
        # Not without the hand-over, nor with one that is not signed by both.
        keys = json.loads(b.part['proof/keys.json'])
        b.part['proof/keys.json'] = json.dumps({'key': keys['key'], 'handovers': []}).encode()
        self.refuse(b.sign().pack(), 'key', vkey=b.vkey)
        note = keys['handovers'][0]
        cut = note[:note.index('\u2014')] + note[note.rindex('\u2014'):]
        b.part['proof/keys.json'] = json.dumps({'key': keys['key'], 'handovers': [cut]}).encode()
        self.refuse(b.sign().pack(), 'key', vkey=b.vkey)
        # Twice the same is no chain; one that leads to another key is none.
        for keys in ({'key': keys['key'], 'handovers': [note, note]}, {'key': b.vkey, 'handovers': [note]}):
            b.part['proof/keys.json'] = json.dumps(keys).encode()
            self.refuse(b.sign().pack(), 'key')

    def test_a_key_that_was_lost(self):
        b = Bundle(20, '3,4,9', 'lost')
        self.refuse(b.pack(), 'key', 'was lost', vkey=b.vkey)
        self.assertTrue(self.accept(b.pack(), vkey=b.signer.vkey)['trusted'])
        # The new key signs nothing of before it had the log.
        keys = json.loads(b.part['proof/keys.json'])
        text = keys['handovers'][0].encode().partition(b'\n\n')[0] + b'\n'
        for size, right in (b'20', True), (b'21', False):
            keys['handovers'] = [b.signer.note(text.replace(b'size 10\n', b'size %s\n' % size)).decode()]
            b.part['proof/keys.json'] = json.dumps(keys).encode()
            if right:
                self.accept(b.sign().pack(), vkey=b.signer.vkey)
            else:
                self.refuse(b.sign().pack(), 'checkpoint', 'had not the log yet', vkey=b.signer.vkey)

    # ---- changes by who cannot sign ----

    def test_each_file_and_each_class_of_byte(self):
        b, rng = Bundle(30, '2,3,11,17e,29', 'rotated'), random.Random(4)
        for name in list(b.part):
            content = b.part[name]
            for at in sorted(set(rng.sample(range(len(content)), 8)) | {0, len(content) - 1}):
                b.part[name] = content[:at] + bytes([content[at] ^ rng.choice((1, 2, 0x20, 0x80))]) + content[at + 1:]
                self.refuse(b.pack(), vkey=b.vkey)
            for changed in (content[:-1], content + b'\n', b'', content[1:]):
                b.part[name] = changed
                self.refuse(b.pack(), vkey=b.vkey)
            del b.part[name]
            self.refuse(b.pack(), vkey=b.vkey)
            b.part[name] = content
        self.accept(b.pack(), vkey=b.vkey)

    def test_the_manifest_made_anew(self):
        b = Bundle(20, '3,4,9')
        old = b.part['manifest.sig']
        b.part['messages.csv'] += b'20,juliet,"more"\r\n'
        b.sign()
        b.part['manifest.sig'] = old
        self.refuse(b.pack(), 'manifest', 'altered', vkey=b.vkey)
        b.sign(other_signer())
        self.refuse(b.pack(), 'manifest', 'not signed by the key', vkey=b.vkey)
        # A forged signature in the key's name, beside one of another statement.
        good = old.partition(b'\n\n')[2]
        b.part['manifest.sig'] = b.part['manifest.sig'].partition(b'\n\n')[0] + b'\n\n' + good
        self.refuse(b.pack(), 'manifest', 'forged', vkey=b.vkey)
        # The signature of a checkpoint is none of a manifest.
        b.part['manifest.sig'] = b.part['proof/checkpoint.txt']
        self.refuse(b.pack(), 'manifest', vkey=b.vkey)

    def test_files_that_come_and_go(self):
        b = Bundle(20, '3,4,9')
        b.part['html/more.html'] = b'<p>more'
        self.refuse(b.pack(), 'files', 'not in the manifest', vkey=b.vkey)
        del b.part['html/more.html']
        del b.part['messages.csv']
        self.refuse(b.pack(), 'files', 'not in the bundle', vkey=b.vkey)

    # ---- changes that even who signs cannot make ----

    def signed(self, b, check, words=None, **changes):
        return self.refuse(b.sign(**changes).pack(), check, words, vkey=b.vkey)

    def test_a_record_is_what_the_log_has(self):
        fields = {'body': 'Something else', 'stanza': '<message />', 'id': 1, 'at_us': 0, 'refers_record': 5, 'kind': 2, 'direction': 3, 'deliverable': None,
                  'from_bare': 'r@example.org', 'to_bare': None, 'type': '', 'salt': '00' * 16, 'client_id': '', 'refers_to': '', 'to_resource': ''}
        for name, value in fields.items():
            with self.subTest(name):
                b = Bundle(20, '3,4,9')
                r = b.records()
                r[1][name] = value if name != 'deliverable' else not r[1][name]
                b.set_lines('records', r)
                self.assertIn('log index 4', self.signed(b, 'records', 'was altered')['wrong']['records'])
        b = Bundle(20, '3,4,9')
        r = b.records()
        r[1]['leaf'] = r[0]['leaf']
        b.set_lines('records', r)
        self.signed(b, 'records')
        # A leaf that fits what was altered: then the tree does not.
        r = b.records()
        r[1]['body'] = 'Something else'
        r[1]['leaf'] = second.leaf(r[1]).hex()
        b.set_lines('records', r)
        self.assertEqual(list(self.signed(b, 'tree')['wrong']), ['tree'])

    def test_no_record_comes_or_goes(self):
        b = Bundle(40, '3,4,9,20,21,22,39')
        whole = b.records()
        counts = json.loads(b.part['manifest.json'])['records']
        for changed in (whole[:2] + whole[3:], whole[1:], whole[:-1], [whole[1], whole[0]] + whole[2:], whole[:1] + whole, whole + whole[-1:], []):
            b.set_lines('records', changed)
            self.refuse(b.sign().pack(), vkey=b.vkey)
        # Two records in each other's place, as a log that was altered would have them.
        r = [dict(x) for x in whole]
        r[3]['body'], r[4]['body'] = r[4]['body'], r[3]['body']
        b.set_lines('records', r)
        self.signed(b, 'records', 'was altered')
        # Said to be erased, and counted as one: that is the signer's word, and shown as such; uncounted it is found.
        r = [dict(x) for x in whole]
        r[2] = {'log_index': 9, 'leaf': r[2]['leaf'], 'erased': True}
        b.set_lines('records', r)
        self.signed(b, 'records', 'not those that the manifest counts')
        self.assertEqual(self.accept(b.sign(records=dict(counts, erased=1)).pack(), vkey=b.vkey)['erased'], 1)
        # A record put where none was exported.
        r = [dict(x) for x in whole]
        r.insert(2, dict(r[1], log_index=5, id=r[1]['id'] + 1))
        b.set_lines('records', r)
        self.refuse(b.sign().pack(), vkey=b.vkey)

    def test_nodes(self):
        b = Bundle(40, '3,4,9,20,21,22,39')
        whole = b.nodes()
        bad = dict(whole[2], hash=whole[1]['hash'])
        for changed in (whole[1:], whole[:-1], whole + whole[-1:], whole[:1] + whole, whole[:2] + [bad] + whole[3:], [], [whole[1], whole[0]] + whole[2:],
                        [dict(whole[0], level=whole[0]['level'] + 1)] + whole[1:], [dict(whole[0], level=62, index=0)] + whole[1:],
                        whole[:-1] + [dict(whole[-1], index=(1 << 63) - 1)]):
            b.set_lines('tree', changed)
            self.signed(b, 'tree')
        # A hash instead of two records is a tree, but what was exported has to be in it.
        b = Bundle(8, '2,3')
        r = b.records()
        one = second.inner(bytes.fromhex(r[0]['leaf']), bytes.fromhex(r[1]['leaf']))
        nodes = b.nodes()
        nodes.insert(1, {'level': 1, 'index': 1, 'hash': one.hex()})
        b.set_lines('tree', nodes)
        b.part['proof/records.jsonl'] = b''
        self.signed(b, 'records', 'not those that the manifest counts')
        self.accept(b.sign(records={'exported': 0, 'erased': 0, 'outside': 8, 'first': None, 'last': None}).pack(), vkey=b.vkey)

    def test_lines_that_are_none(self):
        b = Bundle(8, '2,3')
        line = b.part['proof/records.jsonl']
        deep = b'{"log_index":2,"leaf":"' + b'00' * 32 + b'","erased":' + b'[' * 100000 + b'}\n'
        wide = b'{"log_index":[' + b'0,' * 1000000 + b'0]}\n'
        for changed in (line + b'\n', b'\n' + line, line[:-1], line + b'{}\n', b'[]\n', b'\xff\n', deep, wide, b'x' * 1000000 + b'\n',
                        line.replace(b'"kind":3', b'"kind":3.0'), line.replace(b'"kind":3', b'"kind":32768'), line.replace(b'"kind":3', b'"kind":3,"kind":3'),
                        line.replace(b'"kind":3', b'"kind":3,"more":3'), line.replace(b'"kind":3', b'"kind":"3"'), line.replace(b'"refers_record":null', b'"refers_record":0'),
                        line.replace(b'"type":"chat"', b'"type":"ch\\u0000at"'), line.replace(b'"type":"chat"', b'"type":"\\ud800"'),
                        line.replace(b'"type":"chat",', b''), line.replace(b'"log_index":2', b'"log_index":-2'),
                        line.replace(b'"log_index":2', b'"log_index":9223372036854775808'), line.replace(b'"leaf":"', b'"leaf":"0', 1)):
            with self.subTest(changed[:80]):
                self.assertNotEqual(changed, line)
                b.part['proof/records.jsonl'] = changed
                self.refuse(b.sign().pack(), 'records', vkey=b.vkey)

    def test_a_line_without_end(self):
        b = Bundle(8, '2,3')
        b.part['proof/records.jsonl'] = b'{"log_index":2,"leaf":"' + b'0' * (90 << 20)
        self.refuse(b.sign().pack(), 'records', 'too long', vkey=b.vkey)

    def test_manifests_that_are_none(self):
        b = Bundle(8, '2,3')
        good = b.part['manifest.json']
        m = json.loads(good)

        def other(**kw):
            return json.dumps(dict(m, **kw)).encode()

        def file(**kw):
            return other(files=m['files'][:-1] + [dict(m['files'][-1], **kw)])
        bad = [b'', b'{}', b'[]', b'null', good[:-3], good + b'x', other(format='chancery-bundle/2'), other(more=1), other(log={}), other(export={}),
               other(export=dict(m['export'], job=-1)), other(records=dict(m['records'], exported=9)), other(records=dict(m['records'], outside=5)),
               other(records=dict(m['records'], first=3)), other(records=dict(m['records'], last=8)), other(records=dict(m['records'], erased=3)),
               other(files={}), other(files=m['files'] + m['files'][:1]), other(files=m['files'][1:]), file(size=-1), file(size='1'), file(sha256='00'),
               file(name='../../etc/passwd'), file(name='manifest.json'), file(name=''), file(sha256=m['files'][-1]['sha256'].upper()),
               good.replace(b'"format"', b'"format":"x","format"', 1), other(log=dict(m['log'], size=9)), other(log=dict(m['log'], origin='example.com')),
               other(files=[0] * 3000000)]
        for text in bad:
            with self.subTest(text[:100]):
                b.set_manifest(text)
                r = self.run_verify(b.pack(), vkey=b.vkey)
                self.assertFalse(r['verified'])
                self.assertTrue({'manifest', 'files', 'checkpoint', 'records'} & set(r['wrong']), r)

    def test_another_checkpoint(self):
        b = Bundle(20, '3,4,9')
        text = b.part['proof/checkpoint.txt'].partition(b'\n\n')[0] + b'\n'
        origin, size, root, time = text.split(b'\n')[:4]
        for changed in (b'\n'.join([origin, b'19', root, time, b'']), b'\n'.join([origin, size, base64.b64encode(b'x' * 32), time, b'']),
                        b'\n'.join([b'example.com', size, root, time, b'']), b'\n'.join([origin, b'020', root, time, b'']), b'\n'.join([origin, size, root, b'', time, b''])):
            b.part['proof/checkpoint.txt'] = b.signer.note(changed)
            self.signed(b, 'checkpoint')
        # The manifest may say the same: the tree is another.
        b.part['proof/checkpoint.txt'] = b.signer.note(b'\n'.join([origin, size, base64.b64encode(b'x' * 32), time, b'']))
        self.signed(b, 'tree', log={'origin': 'example.org', 'size': 20, 'root': base64.b64encode(b'x' * 32).decode()})
        b.part['proof/checkpoint.txt'] = b.signer.note(b'\n'.join([origin, b'9223372036854775807', root, time, b'']))
        self.signed(b, 'tree', log={'origin': 'example.org', 'size': (1 << 63) - 1, 'root': root.decode()},
                    records={'exported': 3, 'erased': 0, 'outside': (1 << 63) - 4, 'first': 3, 'last': 9})

    # ---- checkpoints from elsewhere ----

    def test_checkpoints_from_elsewhere(self):
        b = Bundle(40, '3,4,9,20,21,22,39')
        r = self.accept(b.pack(), vkey=b.vkey, sink=b.sink)
        outside = [c for c in r['checks'] if c['check'] == 'outside'][0]
        self.assertEqual(outside['state'], 'right')
        self.assertIn('the newest is of 40 records, as', outside['text'])
        notes = [b'example.org\n' + n for n in b.sink.split(b'example.org\n')[1:]]
        self.assertEqual(len(notes), 40)
        # Of a smaller tree; torn ones in front and behind; another log's.
        other = other_signer('example.com').note(b'example.com\n4\n' + base64.b64encode(b'x' * 32) + b'\n')
        r = self.accept(b.pack(), vkey=b.vkey, sink=notes[3][:40] + b'\n' + notes[3] + other + notes[4][:30])
        self.assertIn('newest is of 4 records, fewer', str(r['checks']))
        # Nothing to compare: an empty file, one in the middle of what was not exported, a later one.
        later = b.signer.note(b'example.org\n41\n' + base64.b64encode(b'x' * 32) + b'\n')
        for sink in (b'', notes[12], later, other):
            self.refuse(b.pack(), 'outside', 'no checkpoint that', both=False, vkey=b.vkey, sink=sink)
        # A log of two faces; a checkpoint that somebody altered.
        for at in (4, 40):
            fork = b.signer.note(b'example.org\n%d\n' % at + base64.b64encode(b'x' * 32) + b'\n')
            self.refuse(b.pack(), 'outside', 'another root', both=False, vkey=b.vkey, sink=b.sink + fork)
        self.refuse(b.pack(), 'outside', 'not signed', both=False, vkey=b.vkey, sink=notes[39].replace(b'time 17', b'time 16'))

    # ---- the ZIP ----

    def same_for_others(self, a, b):
        """Do programs that unpack ZIPs get the same files from both?"""
        try:
            with zipfile.ZipFile(io.BytesIO(a)) as x, zipfile.ZipFile(io.BytesIO(b)) as y:
                return {n: x.read(n) for n in x.namelist()} == {n: y.read(n) for n in y.namelist()}
        except Exception:
            return False

    def test_each_bit_of_the_zip(self):
        b, rng = Bundle(12, '3,4,9'), random.Random(5)
        data = b.pack()
        directory = data.index(b'PK\x01\x02')
        places = list(range(0, 60)) + list(range(directory, directory + 60)) + list(range(len(data) - 22, len(data))) + \
            rng.sample(range(directory), 60)
        for at in places:
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(8)
            r = self.run_verify(bytes(changed), vkey=b.vkey)
            # Bits that fill up the last byte of a deflated content mean nothing to anybody.
            if r['verified']:
                self.assertTrue(60 <= at < directory and self.same_for_others(data, bytes(changed)), at)

    def test_zips_that_are_none(self):
        b = Bundle(12, '3,4,9')
        data = b.pack()
        directory = data.index(b'PK\x01\x02')
        for changed in (b'', b'x', data[:-1], data[:100], data[1:], data + b'\0', b'MZ' + data, data[:-2] + b'\x05\0hello', data + data, data * 2 + data[-22:],
                        data[:directory] + b'gap' + data[directory:], data[:directory] + data[directory:].replace(b'\xa4\x81', b'\xff\xa1'),
                        data[-22:], b'PK\x05\x06' + b'\xff' * 18, b'\0' * 76 + b'PK\x05\x06' + b'\xff' * 16 + b'\0\0'):
            self.refuse(changed, 'zip', vkey=b.vkey)
        # As other programs write them, with the same contents: it is not the form.
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
            for name, content in b.members():
                z.writestr(name, content)
        self.refuse(out.getvalue(), 'zip', vkey=b.vkey)

    def test_names(self):
        for name in ('../../etc/passwd', '/etc/passwd', 'a/../b', 'a//b', 'a/', './a', 'C:/x', 'a\\b', 'a\0b', 'a\nb', 'x.', 'x ', '...', 'a\u202egpj.exe', 'a\u200b',
                     '\ufeffa', 'a\x7f', 'a\x85', 'a' * 256, '', 'a*', 'a?', b'\xff\xfe'):
            with self.subTest(name):
                b = Bundle(5, '1')
                if isinstance(name, str):
                    b.part[name] = b'x'
                    b.sign()
                self.refuse(pack([(name, b'x')] + b.members()) if isinstance(name, bytes) else b.pack(), 'zip', vkey=b.vkey)
        b = Bundle(5, '1')
        b.part['files/\u00e9t\u00e9 (1).\u6587'] = b'x'
        self.accept(b.sign().pack(), vkey=b.vkey)
        for twice in ('messages.csv', 'Messages.CSV'):
            self.refuse(pack([(twice, b'x')] + b.members()), 'zip', 'two files', vkey=b.vkey)

    def test_sizes_that_are_lies(self):
        b = Bundle(5, '1')
        for change in (lambda s, p, c: (s + 1, p, c), lambda s, p, c: (s - 1, p, c), lambda s, p, c: (s, p, c ^ 1), lambda s, p, c: (1 << 62, p, c)):
            out, rows = b'', []
            for i, (name, content) in enumerate(b.members()):
                z = zlib.compressobj(6, zlib.DEFLATED, -15)
                packed = z.compress(content) + z.flush()
                s, p, c = len(content), len(packed), zlib.crc32(content)
                if i == 0:
                    s, p, c = change(s, p, c)
                rows.append(second.central(name.encode(), TIME, 8, c, s, p, len(out)))
                out += second.local(name.encode(), TIME, 8, c, s, p) + packed
            data = out + b''.join(rows) + second.end(len(rows), sum(map(len, rows)), len(out))
            self.refuse(data, vkey=b.vkey)
            b.sign()

    def test_bombs(self):
        b = Bundle(5, '1')
        b.part['files/zeros'] = b'\0' * (100 << 20)
        data = b.sign(other_signer()).pack()
        self.refuse(data, 'files', 'signed by nobody whom you trust', both=False)
        # A manifest is read before anything is known of it: it has a bound of its own.
        b = Bundle(5, '1')
        b.set_manifest(b.part['manifest.json'] + b' ' * (65 << 20))
        self.refuse(b.pack(), 'manifest', 'larger than it may be', both=False, vkey=b.vkey)
        # What somebody has written may pack well; who is trusted has signed it.
        b = Bundle(5, '1')
        b.part['files/zeros'] = b'\0' * (100 << 20)
        self.accept(b.sign().pack(), vkey=b.vkey)

    def test_the_end_is_the_signature(self):
        b = Bundle(5, '1')
        members = b.members()
        for changed in (members[-2:] + members[:-2], members[:-2] + [members[-1], members[0]][:1] + members[-2:-1], members[:-3] + members[-2:] + [members[-3]]):
            r = self.run_verify(pack(changed), vkey=b.vkey)
            if {n for n, _ in changed[-2:]} != {'manifest.json', 'manifest.sig'}:
                self.assertFalse(r['verified'])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])

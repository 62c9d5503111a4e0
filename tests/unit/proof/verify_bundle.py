#!/usr/bin/env python3
"""verify_bundle: a second verifier of bundles, written from server/proof/BUNDLE.md alone and sharing nothing with chancery-verify.

    verify_bundle.py BUNDLE.zip [VKEY]

Python's standard library, and Ed25519 of python3-cryptography. It holds the bundle in memory: for tests and for who wants to read how.
"""
import base64
import hashlib
import json
import re
import struct
import sys
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Bad(Exception):
    pass


def need(ok, why):
    if not ok:
        raise Bad(why)


# ---- the ZIP ----

UNSEEN = set(range(0x200b, 0x2010)) | set(range(0x2028, 0x202f)) | set(range(0x2060, 0x2070)) | {0x61c, 0xfeff}


def is_safe(name):
    if not 1 <= len(name.encode()) <= 255:
        return False
    for c in name:
        if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in '\\:*?"<>|' or ord(c) in UNSEEN:
            return False
    return all(part and part[-1] not in '. ' for part in name.split('/'))


def large(*values):
    """The short forms of these numbers, and the long ones of those that are too large."""
    return [min(v, 0xffffffff) for v in values], [v for v in values if v >= 0xffffffff]


def central(name, time, method, crc, size, packed, at):
    (s, p, a), more = large(size, packed, at)
    extra = struct.pack('<HH', 1, 8 * len(more)) + b''.join(struct.pack('<Q', v) for v in more) if more else b''
    return struct.pack('<IHHHHIIIIHHHHHII', 0x02014b50, 3 << 8 | 45, 45, 0x800, method, time, crc, p, s, len(name), len(extra), 0, 0, 0,
                       0o100644 << 16, a) + name + extra


def local(name, time, method, crc, size, packed):
    return struct.pack('<IHHHIIIIHH', 0x04034b50, 45, 0x800, method, time, crc, 0xffffffff, 0xffffffff, len(name), 20) + name + \
        struct.pack('<HHQQ', 1, 16, size, packed)


def end(n, size, at):
    out = b''
    if n >= 0xffff or size >= 0xffffffff or at >= 0xffffffff:
        out = struct.pack('<IQHHIIQQQQ', 0x06064b50, 44, 3 << 8 | 45, 45, 0, 0, n, n, size, at) + \
            struct.pack('<IIQI', 0x07064b50, 0, at + size, 1)
    (s, a), _ = large(size, at)
    return out + struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, min(n, 0xffff), min(n, 0xffff), s, a, 0)


def unzip(data):
    """The members, as [(name, content)]."""
    need(len(data) >= 22 and data[-22:-18] == b'PK\x05\x06', 'no end')
    n, size, at = struct.unpack('<HII', data[-12:-2])
    if n == 0xffff or size == 0xffffffff or at == 0xffffffff:
        need(len(data) >= 98, 'no end')
        n, size, at = struct.unpack('<QQQ', data[-98 + 32:-98 + 56])
    need(at + size <= len(data) and data[at + size:] == end(n, size, at), 'the end')
    out, names, pos, row, time = [], set(), 0, at, None
    for _ in range(n):
        need(row + 46 <= at + size, 'the directory')
        method, when, crc, p, s = struct.unpack('<HIIII', data[row + 10:row + 28])
        name_n, extra_n = struct.unpack('<HH', data[row + 28:row + 32])
        a, = struct.unpack('<I', data[row + 42:row + 46])
        name, extra = data[row + 46:row + 46 + name_n], data[row + 46 + name_n:row + 46 + name_n + extra_n][4:]
        values = [s, p, a]
        for i, v in enumerate(values):
            if v == 0xffffffff:
                need(len(extra) >= 8, 'the directory')
                values[i], extra = struct.unpack('<Q', extra[:8])[0], extra[8:]
        s, p, a = values
        time = when if time is None else time
        need(method in (0, 8) and a == pos, 'a member')
        want = central(name, time, method, crc, s, p, a)
        need(data[row:row + len(want)] == want, 'the directory')
        row += len(want)
        head = local(name, time, method, crc, s, p)
        need(data[pos:pos + len(head)] == head and pos + len(head) + p <= at, 'a member')
        content = data[pos + len(head):pos + len(head) + p]
        pos += len(head) + p
        if method:
            z = zlib.decompressobj(-15)
            try:
                content = z.decompress(content, s + 1)
            except zlib.error as e:
                raise Bad(str(e)) from e
            need(z.eof and not z.unused_data, 'a member is not whole')
        need(len(content) == s and zlib.crc32(content) == crc, 'size or checksum of a member')
        try:
            name = name.decode()
        except UnicodeDecodeError as e:
            raise Bad('a name') from e
        key = name.translate({c: c + 32 for c in range(65, 91)})
        need(is_safe(name) and key not in names, 'a name')
        names.add(key)
        out.append((name, content))
    need(row == at + size and pos == at, 'something lies between')
    return out


# ---- notes ----

def unbase64(s):
    try:
        raw = base64.b64decode(s, validate=True)
    except ValueError as e:
        raise Bad('base64') from e
    need(base64.b64encode(raw).decode() == s, 'base64')
    return raw


class Key:
    def __init__(self, vkey):
        m = re.fullmatch(r'([^\s+]+)\+([0-9a-fA-F]{8})\+([A-Za-z0-9+/=]{44})', vkey)
        need(m, 'no key')
        self.name, raw = m[1], unbase64(m[3])
        need(len(raw) == 33 and raw[0] == 1, 'no Ed25519 key')
        self.id = hashlib.sha256(self.name.encode() + b'\n' + raw).digest()[:4]
        need(self.id.hex() == m[2].lower(), "the key's id")
        self.public = raw[1:]

    def __eq__(self, other):
        return (self.name, self.public) == (other.name, other.public)

    def has_signed(self, note):
        text, sep, lines = note.rpartition(b'\n\n')
        need(sep and lines.endswith(b'\n'), 'no note')
        text += b'\n'
        try:
            need(all(c >= ' ' or c == '\n' for c in text.decode()), 'a control character in a note')
            lines = lines.decode()[:-1].split('\n')
        except UnicodeDecodeError as e:
            raise Bad('no UTF-8') from e
        found = False
        for line in lines:
            m = re.fullmatch('\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)', line)
            need(m, 'no signature line')
            raw = unbase64(m[2])
            if m[1] != self.name or raw[:4] != self.id:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(raw[4:], text)
            except InvalidSignature as e:
                raise Bad('a forged signature') from e
            found = True
        return found, text.decode().split('\n')[:-1]

    def open(self, note):
        found, lines = self.has_signed(note)
        need(found, 'not signed by the key')
        return lines


def number(s):
    need(re.fullmatch('0|[1-9][0-9]*', s) and int(s) < 1 << 63, 'a number')
    return int(s)


def key_chain(keys):
    """The keys from the oldest to the one that signed; from where on each has handed over to the next; the size at the last hand-over."""
    out, since, size = [], 0, 0
    for note in keys['handovers']:
        found, lines = None, note.encode().rpartition(b'\n\n')[0].decode().split('\n')
        need(len(lines) in (6, 7) and lines[0] == 'chancery-key-handover/v1', 'a hand-over')
        words = [x.partition(' ') for x in lines[2:6]]
        need([w[0] for w in words] == ['from', 'to', 'size', 'time'], 'a hand-over')
        old, new = Key(words[0][2]), Key(words[1][2])
        number(words[3][2])
        need(number(words[2][2]) >= size, 'a hand-over')
        size = number(words[2][2])
        need(old.name == new.name == lines[1] and old != new and (not out or out[-1] == old), 'a hand-over')
        found, _ = new.has_signed(note.encode())
        need(found, 'a hand-over is not signed')
        if len(lines) == 7:
            need(lines[6] == 'lost', 'a hand-over')
            since = len(out) + 1 if out else 1
        else:
            found, _ = old.has_signed(note.encode())
            need(found, 'a hand-over is not signed by the old key')
        out = (out or [old]) + [new]
    last = Key(keys['key'])
    need(not out or out[-1] == last, 'the hand-overs lead elsewhere')
    return out or [last], since, size


# ---- records and the tree ----

TEXTS = ['from_bare', 'from_resource', 'to_bare', 'to_resource', 'type', 'client_id', 'refers_to', 'body', 'stanza']


def unique(pairs):
    d = dict(pairs)
    need(len(d) == len(pairs), 'a key twice')
    return d


def parse(text):
    try:
        j = json.loads(text.decode(), object_pairs_hook=unique, parse_float=lambda s: need(False, 'a fraction'))
    except (ValueError, RecursionError) as e:
        raise Bad('no JSON: %s' % e) from e
    need(isinstance(j, dict), 'no object')
    return j


def keys_are(j, names):
    need(isinstance(j, dict) and set(j) == set(names), 'keys of an object')


def integer(v, low=0, high=(1 << 63) - 1):
    need(type(v) is int and low <= v <= high, 'an integer')
    return v


def unhex(v, n):
    need(isinstance(v, str) and re.fullmatch('[0-9a-f]{%d}' % (2 * n), v), 'hexadecimal')
    return bytes.fromhex(v)


def leaf(r):
    def i(n, v):
        return None if v is None else v.to_bytes(n, 'big', signed=True)
    small = (-(1 << 15), (1 << 15) - 1)
    refers = r['refers_record']
    need(refers is None or integer(refers, 1), 'refers_record')
    need(type(r['deliverable']) is bool, 'deliverable')
    fields = [i(8, integer(r['id'])), i(8, r['log_index']), i(8, integer(r['at_us'], -(1 << 62)) - 946684800000000), i(8, refers),
              i(2, integer(r['kind'], *small)), i(2, integer(r['direction'], *small)), bytes([r['deliverable']])]
    for t in TEXTS:
        need(r[t] is None or isinstance(r[t], str), 'a text')
        try:
            fields.append(None if r[t] is None else r[t].encode())
        except UnicodeEncodeError as e:
            raise Bad('a lone surrogate') from e
    form = b''.join(b'\xff' * 4 if f is None else struct.pack('>I', len(f)) + f for f in fields)
    return hashlib.sha256(b'\0' + unhex(r['salt'], 16) + b'\1' + form).digest()


def lines(data):
    need(not data or data.endswith(b'\n'), 'a line without end')
    return [parse(x) for x in data.split(b'\n')[:-1]]


def inner(a, b):
    return hashlib.sha256(b'\1' + a + b).digest()


def walk(records, nodes, size):
    """The root that they make; counts."""
    stack, pos, erased, last, last_id = [], 0, 0, -1, -1
    for r in records:
        integer(r.get('log_index'))
    records, nodes = list(reversed(records)), list(reversed(nodes))
    n, first = len(records), records[-1]['log_index'] if records else None
    while pos < size:
        if records and records[-1]['log_index'] == pos:
            r, level = records.pop(), 0
            need('leaf' in r, 'no leaf')
            hash_, last = unhex(r['leaf'], 32), pos
            if 'erased' in r:
                keys_are(r, ['log_index', 'leaf', 'erased'])
                need(r['erased'] is True, 'erased')
                erased += 1
            else:
                keys_are(r, ['log_index', 'leaf', 'salt', 'id', 'at_us', 'refers_record', 'kind', 'direction', 'deliverable'] + TEXTS)
                need(leaf(r) == hash_, 'record %d was altered' % pos)
                need(r['id'] > last_id, 'ids')
                last_id = r['id']
        else:
            limit = records[-1]['log_index'] if records else size
            need(limit <= size and nodes, 'log index %d is not accounted for' % pos)
            node = nodes.pop()
            keys_are(node, ['level', 'index', 'hash'])
            level, hash_ = integer(node['level'], 0, 62), unhex(node['hash'], 32)
            need(integer(node['index']) << level == pos and pos + (1 << level) <= limit, 'a node elsewhere')
        pos += 1 << level
        while stack and stack[-1][0] == level:
            hash_, level = inner(stack.pop()[1], hash_), level + 1
        stack.append((level, hash_))
    need(not records and not nodes, 'something is left over')
    if not stack:
        return hashlib.sha256(b'').digest(), n, erased, first, last if n else None
    root = stack.pop()[1]
    while stack:
        root = inner(stack.pop()[1], root)
    return root, n, erased, first, last if n else None


def verify(data, vkey=None):
    members = unzip(data)
    content = dict(members)
    need([name for name, _ in members[-2:]] == ['manifest.json', 'manifest.sig'], 'the order of members')
    for name in ('proof/records.jsonl', 'proof/tree.jsonl', 'proof/checkpoint.txt', 'proof/keys.json'):
        need(name in content, name + ' is missing')
    keys = parse(content['proof/keys.json'])
    keys_are(keys, ['key', 'handovers'])
    need(isinstance(keys['key'], str) and isinstance(keys['handovers'], list) and all(isinstance(x, str) for x in keys['handovers']), 'keys')
    chain, since, handed_over = key_chain(keys)
    key = chain[-1]
    if vkey is not None:
        need(any(k == Key(vkey) for k in chain[since:]), 'signed by another key')
    manifest = parse(content['manifest.json'])
    keys_are(manifest, ['format', 'log', 'export', 'records', 'files'])
    need(manifest['format'] == 'chancery-bundle/1', 'the format')
    sig = key.open(content['manifest.sig'])
    need(len(sig) == 4 and sig[:3] == ['chancery-bundle-manifest/v1', key.name, 'sha256 ' + hashlib.sha256(content['manifest.json']).hexdigest()]
         and sig[3].startswith('time '), 'the manifest was altered')
    number(sig[3][5:])
    listed = {f['name']: f for f in manifest['files']}
    need(len(listed) == len(manifest['files']) and set(listed) | {'manifest.json', 'manifest.sig'} == set(content), 'files and manifest')
    for name, f in listed.items():
        need(f['size'] == len(content[name]) and f['sha256'] == hashlib.sha256(content[name]).hexdigest(), name + ' was altered')
    cp = key.open(content['proof/checkpoint.txt'])
    need(len(cp) >= 3 and cp[0] == key.name and all(cp), 'the checkpoint')
    size, root = number(cp[1]), unbase64(cp[2])
    need(size >= handed_over, 'a checkpoint of before the key had the log')
    need(manifest['log'] == {'origin': cp[0], 'size': size, 'root': cp[2]} and len(root) == 32, 'another checkpoint')
    got, exported, erased, first, last = walk(lines(content['proof/records.jsonl']), lines(content['proof/tree.jsonl']), size)
    need(got == root, 'the tree')
    need(manifest['records'] == {'exported': exported, 'erased': erased, 'outside': size - exported, 'first': first, 'last': last}, 'counts')
    return exported, erased, size


if __name__ == '__main__':
    try:
        with open(sys.argv[1], 'rb') as f:
            print('verified: %d exported, %d of them erased, of %d' % verify(f.read(), *sys.argv[2:3]))
    except Bad as e:
        sys.exit('NOT VERIFIED: %s' % e)

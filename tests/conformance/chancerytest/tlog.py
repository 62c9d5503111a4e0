"""The record's signed log as somebody else would read it: RFC 9162 §2.1 and the C2SP texts (signed-note, tlog-checkpoint) written anew, with nothing
of the server's. Ed25519 is RFC 8032 §5.1.7, in integers: no package is needed.
"""
import base64
import hashlib
import struct


# -- Ed25519 ----------------------------------------------------------------------------------------------------

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return w * x % P, y * z % P, x * y % P, w * z % P


def _times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = _add(out, point)
        point = _add(point, point)
        n >>= 1
    return out


def _point(raw):
    y = int.from_bytes(raw, 'little')
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * ROOT % P
    if (x * x - xx) % P or (not x and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _point(bytes.fromhex('58' + '66' * 31))


def ed25519(public, message, signature):
    a, r, s = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], 'little')
    if not a or not r or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % L
    left, right = _times(s, BASE), _add(r, _times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# -- notes and checkpoints --------------------------------------------------------------------------------------


class Key:
    """NAME+ID+BASE64 of a vkey."""

    def __init__(self, vkey):
        self.name, id, key = vkey.split('+', 2)
        raw = base64.b64decode(key, validate=True)
        assert raw[0] == 1 and len(raw) == 33, 'no Ed25519 key'
        self.id, self.public = bytes.fromhex(id), raw[1:]
        assert hashlib.sha256(self.name.encode() + b'\n' + raw).digest()[:4] == self.id, 'a wrong key id'

    def signed(self, note):
        """Has it signed this note?"""
        text, signatures = note.rsplit('\n\n', 1)
        for line in signatures.removesuffix('\n').split('\n'):
            dash, name, value = line.split(' ')
            raw = base64.b64decode(value, validate=True)
            if dash == '\u2014' and name == self.name and raw[:4] == self.id:
                return ed25519(self.public, (text + '\n').encode(), raw[4:])
        return False


def notes(text):
    """The notes of a file of them, one behind the other."""
    out, lines = [], text.split('\n')
    assert lines.pop() == '', 'the last note is torn'
    start = 0
    for i, line in enumerate(lines):
        if line.startswith('\u2014 ') and (i + 1 == len(lines) or not lines[i + 1].startswith('\u2014 ')):
            out.append('\n'.join(lines[start:i + 1]) + '\n')
            start = i + 1
    assert start == len(lines), lines[start:]
    return out


def is_handover(note):
    return note.startswith('chancery-key-handover/')


def checkpoint(note, key):
    """(size, root, seconds) of a checkpoint that this key has signed."""
    assert key.signed(note), 'not signed by %s: %s' % (key.name, note)
    origin, size, root, *more = note.split('\n\n', 1)[0].split('\n')
    assert origin == key.name and size == str(int(size)), note
    root = base64.b64decode(root, validate=True)
    assert len(root) == 32, note
    times = [int(line.split(' ')[1]) for line in more if line.startswith('time ')]
    return int(size), root, times[0]


# -- the tree ---------------------------------------------------------------------------------------------------


def node(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def root(leaves):
    """MTH of RFC 9162 §2.1.1, of leaf hashes."""
    if not leaves:
        return hashlib.sha256(b'').digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:k]), root(leaves[k:]))


def included(index, size, leaf, path):
    """§2.1.3.2: the root that the proof leads to."""
    fn, sn, r = index, size - 1, leaf
    assert index < size
    for p in path:
        assert sn, 'the proof is too long'
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert not sn, 'the proof is too short'
    return r


def consistent(old, new, old_root, new_root, path):
    """§2.1.4.2."""
    if old == new:
        return old_root == new_root and not path
    path = list(path)
    if old & old - 1 == 0:
        path.insert(0, old_root)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path.pop(0)
    for c in path:
        if not sn:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == new_root and not sn


# -- leaves -----------------------------------------------------------------------------------------------------

COLUMNS = ('id', 'log_index', 'at', 'refers_record', 'kind', 'direction', 'deliverable', 'from_bare', 'from_resource', 'to_bare', 'to_resource', 'type',
           'client_id', 'refers_to', 'body', 'stanza')
# One text for each, NULL is \\x01: the text has no such thing.
SELECT = ("select " + ', '.join("coalesce(%s::text, chr(1))" % c for c in COLUMNS).replace('at::text', '(extract(epoch from at) * 1000000)::bigint::text')
          + ", encode(salt, 'hex'), encode(leaf_hash, 'hex') from archive.record order by log_index")


def leaf(row):
    """The leaf hash of a row of SELECT, from what it says (schema/README.md)."""
    out = b''
    for name, v in zip(COLUMNS, row):
        if v == '\1':
            out += b'\xff\xff\xff\xff'
            continue
        if name in ('id', 'log_index', 'refers_record'):
            raw = struct.pack('>q', int(v))
        elif name == 'at':
            raw = struct.pack('>q', int(v) - 946684800000000)
        elif name in ('kind', 'direction'):
            raw = struct.pack('>h', int(v))
        elif name == 'deliverable':
            raw = b'\1' if v == 'true' else b'\0'
        else:
            raw = v.encode()
        out += struct.pack('>i', len(raw)) + raw
    return hashlib.sha256(b'\0' + bytes.fromhex(row[16]) + b'\1' + out).digest()

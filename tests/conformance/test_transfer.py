"""Files from client to client: In-Band Bytestreams (XEP-0047), Stream Initiation (XEP-0095, XEP-0096), Jingle (XEP-0234, XEP-0260,
XEP-0261). Nobody gets a byte that has not been scanned with all the others."""
import base64
import hashlib

from chancerytest.client import Closed, unique
from chancerytest.element import escape
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import noise

IBB = 'http://jabber.org/protocol/ibb'
SI = 'http://jabber.org/protocol/si'
SI_FILE = 'http://jabber.org/protocol/si/profile/file-transfer'
S5B = 'http://jabber.org/protocol/bytestreams'
JINGLE = 'urn:xmpp:jingle:1'
JFT = 'urn:xmpp:jingle:apps:file-transfer:5'
J_IBB = 'urn:xmpp:jingle:transports:ibb:1'
J_S5B = 'urn:xmpp:jingle:transports:s5b:1'
HASHES = 'urn:xmpp:hashes:2'
BLOCK = 4096


def text_of(n, seed=b'x'):
    """Bytes that nothing is found in."""
    out = b''
    while len(out) < n:
        seed = hashlib.sha256(seed).digest()
        out += base64.b64encode(seed) + b'\n'
    return out[:n]


# -- what a client does with a bytestream -------------------------------------------------------------------

def pay(ns, name, inner='', /, **attrs):
    a = ''.join(" %s='%s'" % (k.rstrip('_').replace('_', '-'), escape(str(v))) for k, v in attrs.items() if v is not None)
    return "<%s xmlns='%s'%s>%s</%s>" % (name, ns, a, inner, name)


def request(c, ns, name, type='set', timeout=None, **attrs):
    """An IQ that c is asked: not answered yet."""
    def match(e):
        x = e.find('%s:%s' % (ns, name)) if e.name == 'iq' and e.get('type') == type else None
        return x is not None and all(x.get(k) == v for k, v in attrs.items())
    return c.expect(match, '<%s/>' % name, timeout)


def answer(c, iq, type='result', payload=''):
    c.stanza("<iq type='%s' id='%s' to='%s'>%s</iq>" % (type, escape(iq.get('id')), escape(iq.get('from')), payload))


def error_of(c, id):
    e = c.expect(lambda e: e.get('id') == id and e.get('type') in ('error', 'result'), 'the answer to ' + id)
    assert e.get('type') == 'error', e
    return e


def result_of(c, id):
    e = c.expect(lambda e: e.get('id') == id and e.get('type') in ('error', 'result'), 'the answer to ' + id)
    assert e.get('type') == 'result', e
    return e


def refused(e, condition, type='cancel'):
    assert e.get('type') == 'error' and e.condition() == condition and e.find('error').get('type') == type, e
    return e


def opened(a, b, sid=None, block=BLOCK, stanza=None, to=None):
    """a opens a bytestream to b, who takes it."""
    sid = sid or unique('sid')
    id = a.iq_send('set', pay(IBB, 'open', block_size=block, sid=sid, stanza=stanza), to or b.jid)
    iq = request(b, IBB, 'open', sid=sid)
    assert iq.get('id') == id and iq.get('from') == a.jid, iq
    o = iq.find(IBB + ':open')
    assert o.get('block-size') == str(block) and o.get('stanza') == stanza, iq
    answer(b, iq)
    r = result_of(a, id)
    assert r.get('from') == b.jid, r
    return sid


def piece(a, b, sid, seq, content, to=None):
    """One <data/>; its answer."""
    return a.iq('set', pay(IBB, 'data', base64.b64encode(content).decode(), seq=seq, sid=sid), to or b.jid)


def pieces(content, block=BLOCK):
    return [content[i:i + block] for i in range(0, len(content), block)]


def send(a, b, sid, content, block=BLOCK, to=None):
    for i, p in enumerate(pieces(content, block)):
        r = piece(a, b, sid, i % 65536, p, to)
        assert r.get('type') == 'result' and r.get('from') == (to or b.jid) and not r.all(), r


def close(a, b, sid, to=None):
    """Its id: the answer comes when the verdict is there."""
    return a.iq_send('set', pay(IBB, 'close', sid=sid), to or b.jid)


def received(b, sender, sid, block=BLOCK, closes=True, at_most=None):
    """What b is given, piece by piece, until <close/>, or so many bytes."""
    content, seq = b'', 0
    while at_most is None or len(content) < at_most:
        iq = b.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.all(ns=IBB), 'a piece or the end')
        assert iq.get('from') == sender and iq.get('to') == b.jid, iq
        x = iq.all(ns=IBB)[0]
        assert x.get('sid') == sid, iq
        if x.name == 'close':
            assert closes, 'closed too early'
            answer(b, iq)
            break
        assert x.name == 'data' and x.get('seq') == str(seq % 65536), iq
        got = base64.b64decode(x.text(), validate=True)
        assert 0 < len(got) <= block
        content, seq = content + got, seq + 1
        answer(b, iq)
    return content


def nothing_of(b, sid=None):
    """b has not been given a byte."""
    b.ping()
    assert not b.heard_any(lambda e: e.find(IBB + ':data') is not None), b.heard


def closed(c, sid):
    """c is told that the bytestream is over."""
    answer(c, request(c, IBB, 'close', sid=sid))


def through(a, b, content, block=BLOCK, **kw):
    sid = opened(a, b, block=block, **kw)
    send(a, b, sid, content, block)
    id = close(a, b, sid)
    assert received(b, a.jid, sid, block) == content
    result_of(a, id)
    return sid


def records(t, c, kind):
    return t.server.records("kind = %d and from_bare = '%s'" % (kind, c.bare), 'body')


def quiet(t, *clients):
    """Nothing of ours is left over."""
    for c in clients:
        c.ping()
        left = c.heard_any(lambda e: e.name == 'iq')
        assert not left, left


# -- XEP-0047 -------------------------------------------------------------------------------------------------

def test_clean_file(t):
    """XEP-0047 §2: a file comes through byte for byte, after its sender has closed; the record has it before"""
    romeo, juliet = t.online(), t.online()
    content = text_of(3 * BLOCK + 77)
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, content)
    nothing_of(juliet, sid)
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == content
    result_of(romeo, id)
    assert len(records(t, romeo, 22)) == 1
    t.server.wait(lambda: len(records(t, juliet, 23)) == 1, 'the record of who has got it')
    quiet(t, romeo, juliet)


def test_infected_file(t):
    """P5: of an infected file the recipient gets no byte; its sender is told why, and both that it is over"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, EICAR)
    e = error_of(romeo, close(romeo, juliet, sid))
    refused(e, 'policy-violation')
    assert e.find('error').text('stanzas:text'), e
    closed(juliet, sid)
    nothing_of(juliet, sid)
    rows = records(t, romeo, 22)
    assert len(rows) == 1, rows


def test_infected_in_pieces(t):
    """P5: pieces of a byte each make the same file"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet, block=1)
    send(romeo, juliet, sid, EICAR, block=1)
    refused(error_of(romeo, close(romeo, juliet, sid)), 'policy-violation')
    closed(juliet, sid)
    nothing_of(juliet, sid)


def test_encrypted_archive(t):
    """P5: what cannot be scanned whole does not pass"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    # A ZIP with one member of 12 bytes, encrypted by the method of PKWARE (flag bit 0).
    name, data = b'a.txt', bytes(range(24))
    local = b'PK\3\4' + b'\x14\0' + b'\1\0' + b'\0\0' + b'\0\0\0\0' + b'\1\2\3\4' + (24).to_bytes(4, 'little') + (12).to_bytes(4, 'little') \
        + len(name).to_bytes(2, 'little') + b'\0\0' + name + data
    central = b'PK\1\2' + b'\x14\0\x14\0' + b'\1\0' + b'\0\0' + b'\0\0\0\0' + b'\1\2\3\4' + (24).to_bytes(4, 'little') \
        + (12).to_bytes(4, 'little') + len(name).to_bytes(2, 'little') + b'\0' * 16 + name
    content = local + central + b'PK\5\6\0\0\0\0\1\0\1\0' + len(central).to_bytes(4, 'little') + len(local).to_bytes(4, 'little') + b'\0\0'
    send(romeo, juliet, sid, content)
    refused(error_of(romeo, close(romeo, juliet, sid)), 'policy-violation')
    closed(juliet, sid)
    nothing_of(juliet, sid)


def test_bad_open(t):
    """XEP-0047 §2.1, §8: block-size from 1 to 65535, a sid that is a token, iq or message"""
    romeo, juliet = t.online(), t.online()
    for attrs in ({'sid': 'a1'}, {'block_size': 4096}, {'block_size': 0, 'sid': 'a1'}, {'block_size': 65536, 'sid': 'a1'},
                  {'block_size': -1, 'sid': 'a1'}, {'block_size': 'x', 'sid': 'a1'}, {'block_size': 4096, 'sid': ''},
                  {'block_size': 4096, 'sid': 'a 1'}, {'block_size': 4096, 'sid': 'a1', 'stanza': 'presence'}):
        refused(romeo.iq('set', pay(IBB, 'open', **attrs), juliet.jid), 'bad-request')
    quiet(t, juliet)


def test_refused_open(t):
    """XEP-0047 §2.1: what the responder says to <open/> is what the initiator hears; then there is no bytestream"""
    romeo, juliet = t.online(), t.online()
    for condition, type in (('service-unavailable', 'cancel'), ('resource-constraint', 'modify'), ('not-acceptable', 'cancel')):
        sid = unique('sid')
        id = romeo.iq_send('set', pay(IBB, 'open', block_size=BLOCK, sid=sid), juliet.jid)
        answer(juliet, request(juliet, IBB, 'open'), 'error',
               "<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % (type, condition))
        refused(error_of(romeo, id), condition, type)
        refused(piece(romeo, juliet, sid, 0, b'x'), 'item-not-found')
    # A smaller one, by the same name.
    id = romeo.iq_send('set', pay(IBB, 'open', block_size=1024, sid=sid), juliet.jid)
    answer(juliet, request(juliet, IBB, 'open'))
    result_of(romeo, id)


def test_open_twice(t):
    """XEP-0047 §2.1: the sid of a bytestream is its own as long as that lasts"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    refused(romeo.iq('set', pay(IBB, 'open', block_size=BLOCK, sid=sid), juliet.jid), 'not-acceptable')
    send(romeo, juliet, sid, b'still there')
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == b'still there'
    result_of(romeo, id)
    through(romeo, juliet, b'once more', sid=sid)


def test_unknown_sid(t):
    """XEP-0047 §2.2: item-not-found of type cancel"""
    romeo, juliet = t.online(), t.online()
    refused(piece(romeo, juliet, 'nothing', 0, b'x'), 'item-not-found')
    sid = unique('sid')
    romeo.iq_send('set', pay(IBB, 'open', block_size=BLOCK, sid=sid), juliet.jid)
    iq = request(juliet, IBB, 'open', sid=sid)
    refused(piece(romeo, juliet, sid, 0, b'too early'), 'item-not-found')
    answer(juliet, iq)


def test_third_party(t):
    """A bytestream is between two: nobody else can send into it, close it, or read of it"""
    romeo, juliet, iago = t.online(), t.online(), t.online()
    sid = opened(romeo, juliet)
    refused(piece(iago, juliet, sid, 0, b'x'), 'item-not-found')
    other = t.online(romeo)
    refused(piece(other, juliet, sid, 0, b'x'), 'item-not-found')
    close(iago, juliet, sid)        # for juliet's client to say that there is none
    iq = request(juliet, IBB, 'close', sid=sid)
    assert iq.get('from') == iago.jid, iq
    send(romeo, juliet, sid, b'mine')
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == b'mine'
    result_of(romeo, id)


def broken(t, romeo, juliet, condition, prepare, seq, text, block=16, type='cancel'):
    sid = opened(romeo, juliet, block=block)
    for i, p in enumerate(prepare):
        assert piece(romeo, juliet, sid, i, p).get('type') == 'result'
    r = romeo.iq('set', pay(IBB, 'data', text, seq=seq, sid=sid), juliet.jid)
    refused(r, condition, type)
    closed(romeo, sid)
    closed(juliet, sid)
    refused(piece(romeo, juliet, sid, len(prepare), b'x'), 'item-not-found')
    nothing_of(juliet)


def test_order(t):
    """XEP-0047 §2.2: a number that was used, or one too high: an error, and the bytestream is closed at both ends"""
    romeo, juliet = t.online(), t.online()
    for prepare, seq in ([], 1), ([b'a', b'b'], 1), ([b'a'], 0), ([b'a'], 2), ([b'a'], 65535):
        broken(t, romeo, juliet, 'unexpected-request', prepare, seq, 'YQ==')


def test_bad_data(t):
    """XEP-0047 §2.2, §6: no base64, padding inside, no seq, more than the block-size"""
    romeo, juliet = t.online(), t.online()
    for text in ('=AAA', 'BBBB=CCC', 'YQ', 'YQ=', 'Y*==', 'YQ==YQ==', '-_-_', '<x/>'):
        broken(t, romeo, juliet, 'bad-request', [], 0, text)
    for seq in (None, '', '-1', '65536', 'x', ' 0'):
        broken(t, romeo, juliet, 'bad-request', [], seq, 'YQ==')
    broken(t, romeo, juliet, 'bad-request', [b'ok'], 1, base64.b64encode(b'x' * 17).decode())


def test_lines(t):
    """XEP-0047, example 6: base64 may come in lines"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    text = base64.encodebytes(text_of(500)).decode()
    assert romeo.iq('set', pay(IBB, 'data', '\n    ' + text.replace('\n', '\n    '), seq=0, sid=sid), juliet.jid).get('type') == 'result'
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == text_of(500)
    result_of(romeo, id)


@alone(limits__stanzas_per_second=1000000, limits__stanzas_burst=10000000)
def test_seq_wraps(t):
    """XEP-0047 §2.2: after 65535 comes 0"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet, block=1, stanza='message')
    n = 65536 + 2
    head = "<message to='%s' id='s%%d'><data xmlns='%s' sid='%s' seq='%%d'>YQ==</data></message>" % (juliet.jid, IBB, sid)
    for at in range(0, n, 4096):
        romeo.send(''.join(head % (i, i % 65536) for i in range(at, min(at + 4096, n))))
    id = romeo.message(juliet.jid, inner=pay(IBB, 'data', 'YQ==', seq=0, sid=sid))
    e = romeo.expect(lambda e: e.get('type') == 'error', 'an error', 60)
    assert e.get('id') == id, e
    refused(e, 'unexpected-request')
    closed(romeo, sid)
    closed(juliet, sid)


def test_empty_file(t):
    """XEP-0047 §2.3: a bytestream without a byte is closed as any other"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == b''
    result_of(romeo, id)
    quiet(t, romeo, juliet)


def test_recipient_closes(t):
    """XEP-0047 §2.3: the recipient closes while the file still comes: its sender hears of it, and nothing is given"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, EICAR)
    id = close(juliet, romeo, sid)
    closed(romeo, sid)
    result_of(juliet, id)
    refused(piece(romeo, juliet, sid, 1, b'x'), 'item-not-found')
    nothing_of(juliet)


def test_recipient_closes_while_given(t):
    """XEP-0047 §2.3: … and while it is given"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(3 * BLOCK))
    id = close(romeo, juliet, sid)
    iq = request(juliet, IBB, 'data')
    result_of(romeo, id)
    mine = close(juliet, romeo, sid)
    result_of(juliet, mine)
    answer(juliet, iq)
    quiet(t, romeo, juliet)


def test_recipient_refuses_piece(t):
    """XEP-0047 §2.2: the recipient answers a piece with an error: no other comes, and the bytestream is closed"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(3 * BLOCK))
    id = close(romeo, juliet, sid)
    iq = request(juliet, IBB, 'data')
    answer(juliet, iq, 'error', "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")
    closed(juliet, sid)
    result_of(romeo, id)
    quiet(t, juliet)


def test_both_directions(t):
    """XEP-0047 §3: the responder may send, too; each direction counts by itself and is judged by itself"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    there, back = text_of(2 * BLOCK + 5), text_of(BLOCK + 1, b'back')
    send(juliet, romeo, sid, back)
    nothing_of(romeo)
    send(romeo, juliet, sid, there)
    id = close(juliet, romeo, sid)
    assert received(romeo, juliet.jid, sid) == back
    result_of(juliet, id)
    sid = opened(romeo, juliet)
    send(juliet, romeo, sid, EICAR)
    refused(error_of(juliet, close(juliet, romeo, sid)), 'policy-violation')
    closed(romeo, sid)
    nothing_of(romeo)


def test_messages(t):
    """XEP-0047 §4: pieces in messages: they arrive, in messages, and are nobody's history"""
    romeo, juliet = t.online(), t.online()
    content = text_of(20 * 100 + 3)
    sid = opened(romeo, juliet, block=100, stanza='message')
    for i, p in enumerate(pieces(content, 100)):
        romeo.message(juliet.jid, type=None, inner=pay(IBB, 'data', base64.b64encode(p).decode(), seq=i, sid=sid))
    id = close(romeo, juliet, sid)
    got = b''
    while True:
        e = juliet.expect(lambda e: e.find(IBB + ':data') is not None or e.find('ping:ping') is not None or e.find(IBB + ':close') is not None)
        if e.name == 'message':
            assert e.get('from') == romeo.jid, e
            got += base64.b64decode(e.text(IBB + ':data'), validate=True)
            continue
        answer(juliet, e)
        if e.find(IBB + ':close') is not None:
            break
    assert got == content
    result_of(romeo, id)
    assert not t.server.records("kind = 1 and from_bare = '%s'" % romeo.bare, 'stanza')


def test_infected_messages(t):
    """XEP-0047 §4, P5: infected pieces in messages are not delivered, not recorded as messages, and not found in the archive"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet, stanza='message')
    data = pay(IBB, 'data', base64.b64encode(EICAR).decode(), seq=0, sid=sid)
    romeo.message(juliet.jid, inner=data + "<store xmlns='urn:xmpp:hints'/>")
    refused(error_of(romeo, close(romeo, juliet, sid)), 'policy-violation')
    closed(juliet, sid)
    for c in (romeo, juliet):
        r = c.iq('set', "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")
        assert r.get('type') == 'result', r
        assert not c.heard_any(lambda e: IBB in str(e) and 'data' in str(e)), c.heard


def test_stray_messages(t):
    """XEP-0047 §2.2, §4: a piece in a message for no bytestream, for a bare address, with a text, for the server"""
    romeo, juliet = t.online(), t.online()
    data = pay(IBB, 'data', base64.b64encode(EICAR).decode(), seq=0, sid='stray')
    for to in (juliet.jid, juliet.bare, t.server.domain):
        id = romeo.message(to, inner=data)
        refused(error_of(romeo, id), 'item-not-found')
    id = romeo.message(juliet.jid, 'look', inner=data)
    refused(error_of(romeo, id), 'bad-request')
    sid = opened(romeo, juliet, stanza='message')
    id = romeo.message(juliet.jid, inner=pay(IBB, 'data', 'YQ==', seq=3, sid=sid))
    refused(error_of(romeo, id), 'unexpected-request')
    closed(romeo, sid)
    closed(juliet, sid)
    nothing_of(juliet)


def test_nobody_there(t):
    """XEP-0047 §2.2: to a resource that is not there, and to an address that does not exist"""
    romeo, juliet = t.online(), t.online()
    for to in (juliet.bare + '/away', 'nobody-%s@%s/x' % (unique(), t.server.domain)):
        for payload in (pay(IBB, 'open', block_size=BLOCK, sid='s1'), pay(IBB, 'data', 'YQ==', seq=0, sid='s1')):
            r = romeo.iq('set', payload, to)
            assert r.get('type') == 'error', r
            assert r.condition() in ('service-unavailable', 'item-not-found'), r


def test_recipient_goes(t):
    """XEP-0047 §2.2: the recipient goes while the file comes: recipient-unavailable of type wait"""
    romeo, juliet = t.online(), t.online()
    sid, to = opened(romeo, juliet), juliet.jid
    send(romeo, juliet, sid, b'first')
    juliet.close()
    r = piece(romeo, juliet, sid, 1, b'second', to)
    refused(r, 'recipient-unavailable', 'wait')
    id = close(romeo, juliet, sid, to)
    assert error_of(romeo, id).condition() == 'recipient-unavailable'


def test_recipient_goes_while_given(t):
    """The recipient goes while the file is given; another session of theirs gets nothing of it"""
    romeo, juliet = t.online(), t.online()
    other = t.online(juliet)
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(2 * BLOCK))
    id = close(romeo, juliet, sid)
    request(juliet, IBB, 'data')
    juliet.close()
    result_of(romeo, id)
    nothing_of(other)
    through(romeo, other, b'next')


def test_sender_goes(t):
    """The sender goes before the end: what came is not taken for the whole, and the recipient is told that it is over"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(2 * BLOCK))
    romeo.close()
    closed(juliet, sid)
    nothing_of(juliet)


def test_sender_goes_after_close(t):
    """The sender goes when all has been sent: the file arrives all the same"""
    romeo, juliet = t.online(), t.online()
    content = text_of(2 * BLOCK)
    sid, jid = opened(romeo, juliet), romeo.jid
    send(romeo, juliet, sid, content)
    result = close(romeo, juliet, sid)
    iq = request(juliet, IBB, 'data')
    result_of(romeo, result)
    romeo.close()
    answer(juliet, iq)
    rest = b''
    while True:
        iq = juliet.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.all(ns=IBB))
        answer(juliet, iq)
        if iq.all('close', IBB):
            break
        rest += base64.b64decode(iq.text(IBB + ':data'))
    assert rest == content[BLOCK:], jid


def test_own_resources(t):
    """XEP-0047: between two clients of one account"""
    romeo = t.online()
    other = t.online(romeo)
    through(romeo, other, text_of(BLOCK + 1))


@alone(limits__file_idle_seconds=1)
def test_never_closed(t):
    """A bytestream that is not closed ends by itself, at both ends; so does one whose recipient answers nothing"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(BLOCK))
    closed(romeo, sid)
    closed(juliet, sid)
    nothing_of(juliet)
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(2 * BLOCK))
    id = close(romeo, juliet, sid)
    request(juliet, IBB, 'data', sid=sid)
    closed(juliet, sid)
    result_of(romeo, id)
    t.server.wait(lambda: int(t.server.metric('chancery_transfers')) == 0, 'the end of all of them')


@alone(limits__file_bytes=10000)
def test_too_large(t):
    """limits.file_bytes: exactly so many pass; one more ends the bytestream"""
    romeo, juliet = t.online(), t.online()
    through(romeo, juliet, text_of(10000))
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, text_of(2 * BLOCK))
    refused(piece(romeo, juliet, sid, 2, text_of(10001 - 2 * BLOCK)), 'not-acceptable')
    closed(romeo, sid)
    closed(juliet, sid)
    nothing_of(juliet)
    r = romeo.iq('set', si_offer('big', 10001), juliet.jid)
    refused(r, 'forbidden')


@alone(limits__file_transfers=2)
def test_too_many(t):
    """limits.file_transfers: more at a time are refused until one has ended"""
    romeo, juliet = t.online(), t.online()
    one, two = opened(romeo, juliet), opened(romeo, juliet)
    r = romeo.iq('set', pay(IBB, 'open', block_size=BLOCK, sid='three'), juliet.jid)
    refused(r, 'resource-constraint', 'wait')
    id = close(romeo, juliet, one)
    assert received(juliet, romeo.jid, one) == b''
    result_of(romeo, id)
    through(romeo, juliet, b'now')
    send(romeo, juliet, two, b'x')


@alone(files__on='false')
def test_no_files(t):
    """files.on: no file on any of these paths"""
    romeo, juliet = t.online(), t.online()
    r = romeo.iq('set', pay(IBB, 'open', block_size=BLOCK, sid='s1'), juliet.jid)
    assert r.condition() in ('not-acceptable', 'service-unavailable'), r
    r = romeo.iq('set', si_offer('s2', 100), juliet.jid)
    assert r.condition() in ('forbidden', 'resource-constraint'), r
    sid, reason = j_refused(romeo, juliet, initiate(romeo, 'x', 5, transport=j_ibb('s3')))
    assert reason is not None
    quiet(t, juliet)


@alone(files__deny_groups='["interns"]')
def test_denied_group(t):
    """files.deny_groups: who is in such a group may receive, and not send"""
    romeo, juliet = t.online(), t.online()
    assert t.server.cli('user', 'set', romeo.bare, 'group+=interns')[0] == 0
    r = romeo.iq('set', pay(IBB, 'open', block_size=BLOCK, sid='s1'), juliet.jid)
    refused(r, 'not-acceptable')
    through(juliet, romeo, b'for you')
    # In an open bytestream of somebody else's they may not, either: the judgement knows whose file it is.
    sid = opened(juliet, romeo)
    send(romeo, juliet, sid, b'mine')
    refused(error_of(romeo, close(romeo, juliet, sid)), 'policy-violation')


# -- XEP-0095, XEP-0096 ------------------------------------------------------------------------------------

def form(*methods, type='form'):
    inner = ''.join('<option><value>%s</value></option>' % m for m in methods)
    return ("<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='%s'>"
            "<field var='stream-method' type='list-single'>%s</field></x></feature>" % (type, inner))


def si_offer(sid, size, name='test.txt', methods=(S5B, 'jabber:iq:oob', IBB), profile=SI_FILE, inner='', feature=None, **attrs):
    file = pay(SI_FILE, 'file', inner, name=name, size=size, **attrs)
    return pay(SI, 'si', file + (form(*methods) if feature is None else feature), id=sid, mime_type='text/plain', profile=profile)


CHOSEN = ("<si xmlns='%s'>%%s<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='submit'>"
          "<field var='stream-method'><value>%s</value></field></x></feature></si>" % (SI, IBB))


def agreed(a, b, content, sid=None, claim=None, **kw):
    """An offer by SI that b takes."""
    sid = sid or unique('si')
    id = a.iq_send('set', si_offer(sid, len(content) if claim is None else claim, **kw), b.jid)
    iq = request(b, SI, 'si')
    answer(b, iq, payload=CHOSEN % '')
    result_of(a, id)
    return sid, iq


def test_si(t):
    """XEP-0095 §3.2, XEP-0096 §4: of the ways that are offered only those through the server are left, and no parts of files"""
    romeo, juliet = t.online(), t.online()
    content = text_of(BLOCK + 100)
    sid, iq = agreed(romeo, juliet, content, inner='<desc>This is a test.</desc><range/>', date='1969-07-21T02:56:15Z',
                     hash=hashlib.md5(content).hexdigest())
    si = iq.find(SI + ':si')
    file = si.find(SI_FILE + ':file')
    assert iq.get('from') == romeo.jid and si.get('id') == sid and si.get('mime-type') == 'text/plain', iq
    assert file.get('name') == 'test.txt' and file.get('size') == str(len(content)) and file.text('desc') == 'This is a test.', iq
    assert file.find('range') is None, iq
    field = si.find('http://jabber.org/protocol/feature-neg:feature', 'data:x', 'field')
    assert [o.text('value') for o in field.all('option')] == [S5B, IBB], iq
    opened(romeo, juliet, sid=sid)
    send(romeo, juliet, sid, content)
    id = close(romeo, juliet, sid)
    assert received(juliet, romeo.jid, sid) == content
    result_of(romeo, id)
    rows = records(t, romeo, 22)
    assert len(rows) == 1 and 'test.txt' in rows[0][0], rows


def test_si_infected(t):
    """XEP-0096, P5: an infected file that was offered so"""
    romeo, juliet = t.online(), t.online()
    sid, _ = agreed(romeo, juliet, EICAR, name='harmless.txt')
    opened(romeo, juliet, sid=sid)
    send(romeo, juliet, sid, EICAR)
    # All that was announced is there: the verdict does not wait for <close/>.
    closed(romeo, sid)
    closed(juliet, sid)
    nothing_of(juliet)
    refused(piece(romeo, juliet, sid, 1, b'x'), 'item-not-found')


def test_si_whole_before_close(t):
    """XEP-0096: a sender that waits for the recipient to close when all was sent need not close itself"""
    romeo, juliet = t.online(), t.online()
    content = text_of(BLOCK + 1)
    sid, _ = agreed(romeo, juliet, content)
    opened(romeo, juliet, sid=sid)
    send(romeo, juliet, sid, content)
    assert received(juliet, romeo.jid, sid, closes=False, at_most=len(content)) == content
    id = close(juliet, romeo, sid)
    closed(romeo, sid)
    result_of(juliet, id)
    quiet(t, romeo, juliet)


def test_si_declined(t):
    """XEP-0095 §3.2: what the receiver says is what the sender hears"""
    romeo, juliet = t.online(), t.online()
    id = romeo.iq_send('set', si_offer('d1', 100), juliet.jid)
    answer(juliet, request(juliet, SI, 'si'), 'error', "<error code='403' type='cancel'>"
           "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
           "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Offer Declined</text></error>")
    assert refused(error_of(romeo, id), 'forbidden').find('error').text('stanzas:text') == 'Offer Declined'


def test_si_no_way(t):
    """XEP-0095 §4.2: no way is left: bad-request and no-valid-streams; another profile, or half of one: bad-profile"""
    romeo, juliet = t.online(), t.online()
    for kw in ({'methods': ('jabber:iq:oob',)}, {'methods': ()}, {'feature': ''}):
        e = romeo.iq('set', si_offer('w1', 100, **kw), juliet.jid)
        refused(e, 'bad-request')
        assert e.find('error', SI + ':no-valid-streams') is not None, e
    for payload in (si_offer('w2', 100, profile='http://jabber.org/protocol/si/profile/tree-transfer'), si_offer('w2', 'x'),
                    si_offer('w2', -1), si_offer('w2', None), si_offer('w2', 5, name=None)):
        e = romeo.iq('set', payload, juliet.jid)
        refused(e, 'bad-request', 'modify')
        assert e.find('error', SI + ':bad-profile') is not None, e
    assert romeo.iq('set', si_offer(None, 5), juliet.jid).condition() == 'bad-request'
    quiet(t, juliet)


def test_si_range(t):
    """P5: a receiver that asks for a part of the file gets it whole: parts cannot be scanned"""
    romeo, juliet = t.online(), t.online()
    id = romeo.iq_send('set', si_offer('r1', 1000), juliet.jid)
    answer(juliet, request(juliet, SI, 'si'),
           payload=CHOSEN % "<file xmlns='%s'><range offset='128' length='256'/></file>" % SI_FILE)
    r = result_of(romeo, id)
    assert r.find(SI + ':si', SI_FILE + ':file') is not None and r.find(SI + ':si', SI_FILE + ':file', 'range') is None, r


def test_si_size(t):
    """XEP-0096: more than was announced breaks it; less is no file"""
    romeo, juliet = t.online(), t.online()
    sid, _ = agreed(romeo, juliet, b'', claim=10)
    opened(romeo, juliet, sid=sid)
    refused(piece(romeo, juliet, sid, 0, b'eleven bytes'), 'not-acceptable')
    closed(romeo, sid)
    closed(juliet, sid)
    sid, _ = agreed(romeo, juliet, b'', claim=10)
    opened(romeo, juliet, sid=sid)
    assert piece(romeo, juliet, sid, 0, b'nine bytes'[:9]).get('type') == 'result'
    result_of(romeo, close(romeo, juliet, sid))
    closed(juliet, sid)
    nothing_of(juliet)


def test_si_hash(t):
    """XEP-0096: a file that is not the one announced by its hash does not arrive"""
    romeo, juliet = t.online(), t.online()
    sid, _ = agreed(romeo, juliet, b'the one', hash=hashlib.md5(b'another').hexdigest())
    opened(romeo, juliet, sid=sid)
    assert piece(romeo, juliet, sid, 0, b'the one').get('type') == 'result'
    closed(romeo, sid)
    closed(juliet, sid)
    nothing_of(juliet)


def test_socks(t):
    """XEP-0065 §6.3.1: a bytestream past the server is not-acceptable; a request that is none, bad-request"""
    romeo, juliet = t.online(), t.online()
    host = "<streamhost jid='%s' host='192.168.4.1' port='5086'/>" % romeo.jid
    refused(romeo.iq('set', pay(S5B, 'query', host, sid='s1'), juliet.jid), 'not-acceptable', 'modify')
    refused(romeo.iq('set', pay(S5B, 'query', host), juliet.jid), 'bad-request', 'modify')
    refused(romeo.iq('set', pay(S5B, 'query', '', sid='s1'), juliet.jid), 'bad-request', 'modify')
    quiet(t, juliet)


# -- Jingle ---------------------------------------------------------------------------------------------------

def j_ibb(sid, block=BLOCK):
    return "<transport xmlns='%s' block-size='%d' sid='%s'/>" % (J_IBB, block, sid)


def j_s5b(sid, *types):
    inner = ''.join("<candidate cid='c%d' host='192.168.4.%d' jid='romeo@example.org/x' port='5086' priority='8257636' type='%s'/>"
                    % (i, i, type) for i, type in enumerate(types))
    return "<transport xmlns='%s' mode='tcp' sid='%s'>%s</transport>" % (J_S5B, sid, inner)


ICE = "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='p' ufrag='u'/>"


def j_content(transport, description='', name='a-file-offer', senders='initiator'):
    return "<content creator='initiator' name='%s' senders='%s'>%s%s</content>" % (name, senders, description, transport)


def j_file(size=None, name='test.txt', inner='', hash=None, algo='sha-256'):
    h = "<hash xmlns='%s' algo='%s'>%s</hash>" % (HASHES, algo, base64.b64encode(hash).decode()) if hash else \
        "<hash-used xmlns='%s' algo='%s'/>" % (HASHES, algo)
    s = '<size>%d</size>' % size if size is not None else ''
    return "<description xmlns='%s'><file><media-type>text/plain</media-type><name>%s</name>%s%s%s</file></description>" % (
        JFT, name, s, inner, h)


def jingle(action, sid, inner='', **attrs):
    return pay(JINGLE, 'jingle', inner, action=action, sid=sid, **attrs)


def initiate(a, sid, size=None, transport=None, **kw):
    return jingle('session-initiate', sid, j_content(transport, j_file(size, **kw)), initiator=a.jid)


def j_expect(c, action):
    iq = request(c, JINGLE, 'jingle', action=action)
    answer(c, iq)
    return iq.find(JINGLE + ':jingle')


def j_say(a, b, action, sid, inner=''):
    """A step that b hears; b's element."""
    id = a.iq_send('set', jingle(action, sid, inner), b.jid)
    j = j_expect(b, action)
    result_of(a, id)
    return j


def j_refused(a, b, payload, action='session-terminate'):
    """What a asks is acknowledged, and then ended in b's name. (the element, its reason)"""
    r = a.iq('set', payload, b.jid)
    assert r.get('type') == 'result' and r.get('from') == b.jid, r
    iq = request(a, JINGLE, 'jingle', action=action)
    assert iq.get('from') == b.jid, iq
    answer(a, iq)
    j = iq.find(JINGLE + ':jingle')
    return j, [e.name for e in j.find('reason').all() if e.name != 'text'][0]


def j_agreed(a, b, transport, size=None, sid=None, **kw):
    sid = sid or unique('j')
    id = a.iq_send('set', initiate(a, sid, size, transport, **kw), b.jid)
    j = j_expect(b, 'session-initiate')
    result_of(a, id)
    j_say(b, a, 'session-accept', sid, j_content(transport, j_file(size)))
    return sid, j


def test_jingle(t):
    """XEP-0234 §6.1, XEP-0261 §2: a file offered by Jingle over IBB comes through, and its hash has been checked"""
    romeo, juliet = t.online(), t.online()
    content = text_of(2 * BLOCK + 9)
    for algo, hash in (('sha-256', hashlib.sha256), ('sha-1', hashlib.sha1), ('sha3-256', hashlib.sha3_256)):
        ibb = unique('ibb')
        sid, j = j_agreed(romeo, juliet, j_ibb(ibb), len(content), hash=hash(content).digest(), algo=algo)
        file = j.find('content', JFT + ':description', 'file')
        assert file.text('name') == 'test.txt' and file.text('size') == str(len(content)), j
        opened(romeo, juliet, sid=ibb)
        send(romeo, juliet, ibb, content)
        id = close(romeo, juliet, ibb)
        assert received(juliet, romeo.jid, ibb) == content
        result_of(romeo, id)
        j_say(juliet, romeo, 'session-info', sid, "<received xmlns='%s' creator='initiator' name='a-file-offer'/>" % JFT)
        j_say(juliet, romeo, 'session-terminate', sid, '<reason><success/></reason>')
    quiet(t, romeo, juliet)


def test_jingle_infected(t):
    """XEP-0234, P5: an infected file: both ends are told in words that the session is over"""
    romeo, juliet = t.online(), t.online()
    sid, _ = j_agreed(romeo, juliet, j_ibb('x1'), len(EICAR))
    opened(romeo, juliet, sid='x1')
    send(romeo, juliet, 'x1', EICAR)
    for c, other in ((romeo, juliet), (juliet, romeo)):
        closed(c, 'x1')
        j = j_expect(c, 'session-terminate')
        assert j.get('sid') == sid and j.find('reason', 'media-error') is not None and j.text('reason', 'text'), j
    nothing_of(juliet)


def test_jingle_wrong_hash(t):
    """XEP-0234 §8.2: … and one that is not what its hash says, announced first or in between"""
    romeo, juliet = t.online(), t.online()
    for early in (True, False):
        ibb = unique('ibb')
        sid, _ = j_agreed(romeo, juliet, j_ibb(ibb), hash=hashlib.sha256(b'another').digest() if early else None)
        opened(romeo, juliet, sid=ibb)
        send(romeo, juliet, ibb, b'the one')
        if not early:
            j_say(romeo, juliet, 'session-info', sid, "<checksum xmlns='%s' creator='initiator' name='a-file-offer'><file>"
                  "<hash xmlns='%s' algo='sha-256'>%s</hash></file></checksum>"
                  % (JFT, HASHES, base64.b64encode(hashlib.sha256(b'another').digest()).decode()))
        refused(error_of(romeo, close(romeo, juliet, ibb)), 'not-acceptable')
        closed(juliet, ibb)
        assert j_expect(juliet, 'session-terminate').find('reason', 'media-error') is not None
        j_expect(romeo, 'session-terminate')
    nothing_of(juliet)


def test_jingle_sender_terminates(t):
    """XEP-0166 §6.7: a session that its sender ends when all was sent ends for the recipient when all was given"""
    romeo, juliet = t.online(), t.online()
    content = text_of(3 * BLOCK)
    for closes in (True, False):
        ibb = unique('ibb')
        sid, _ = j_agreed(romeo, juliet, j_ibb(ibb))
        opened(romeo, juliet, sid=ibb)
        send(romeo, juliet, ibb, content)
        id = close(romeo, juliet, ibb) if closes else None
        assert romeo.iq('set', jingle('session-terminate', sid, '<reason><success/></reason>'), juliet.jid).get('type') == 'result'
        assert received(juliet, romeo.jid, ibb, closes=False, at_most=BLOCK) == content[:BLOCK]
        assert not juliet.heard_any(lambda e: e.find(JINGLE + ':jingle') is not None), juliet.heard
        rest = b''
        while True:
            iq = juliet.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.all(ns=IBB))
            answer(juliet, iq)
            if iq.all('close', IBB):
                break
            rest += base64.b64decode(iq.text(IBB + ':data'))
        assert rest == content[BLOCK:]
        assert j_expect(juliet, 'session-terminate').find('reason', 'success') is not None
        if closes:
            result_of(romeo, id)
    quiet(t, romeo, juliet)


def test_jingle_sender_terminates_several(t):
    """XEP-0166 §6.7, XEP-0234 §6.2: … when all of its files were given, closed or not"""
    romeo, juliet = t.online(), t.online()
    sid, a, b, content = unique('j'), unique('ibb'), unique('ibb'), text_of(100)
    both = j_content(j_ibb(a), j_file(name='a.txt'), 'a') + j_content(j_ibb(b), j_file(name='b.txt'), 'b')
    j_say(romeo, juliet, 'session-initiate', sid, both)
    j_say(juliet, romeo, 'session-accept', sid, both)
    for ibb in (a, b):
        opened(romeo, juliet, sid=ibb)
        send(romeo, juliet, ibb, content)
    assert romeo.iq('set', jingle('session-terminate', sid, '<reason><success/></reason>'), juliet.jid).get('type') == 'result'
    got = {a: [], b: []}
    while min(len(x) for x in got.values()) < 2:
        iq = juliet.expect(lambda e: e.name == 'iq' and e.get('type') == 'set', 'a piece or an end')
        x = iq.all()[0]
        assert x.ns == IBB, 'the session was ended before all was given: %s' % iq
        got[x.get('sid')].append(x.name if x.name == 'close' else base64.b64decode(x.text()))
        answer(juliet, iq)
    assert all(x == [content, 'close'] for x in got.values()), got
    assert j_expect(juliet, 'session-terminate').find('reason', 'success') is not None
    quiet(t, romeo, juliet)


def test_jingle_cancelled(t):
    """XEP-0234 §6.4: either party aborts: nothing is given"""
    romeo, juliet = t.online(), t.online()
    for a, b in ((romeo, juliet), (juliet, romeo)):
        ibb = unique('ibb')
        sid, _ = j_agreed(romeo, juliet, j_ibb(ibb), 5 * BLOCK)
        opened(romeo, juliet, sid=ibb)
        send(romeo, juliet, ibb, text_of(2 * BLOCK))
        j_say(a, b, 'session-terminate', sid, '<reason><cancel/></reason>')
        refused(piece(romeo, juliet, ibb, 2, b'x'), 'item-not-found')
    nothing_of(juliet)


def test_jingle_candidates(t):
    """XEP-0260 §2.2, P5: candidates past the server are taken out, whoever offers them and whenever; then IBB takes over (§3)"""
    romeo, juliet = t.online(), t.online()
    sid, s5b, ibb, content = unique('j'), unique('s5b'), unique('ibb'), text_of(BLOCK + 3)
    id = romeo.iq_send('set', initiate(romeo, sid, len(content), j_s5b(s5b, 'direct', 'assisted', 'tunnel', 'proxy'), inner='<range/>'), juliet.jid)
    j = j_expect(juliet, 'session-initiate')
    result_of(romeo, id)
    transport = j.find('content', J_S5B + ':transport')
    assert transport.get('sid') == s5b and not transport.all(), j
    assert j.find('content', JFT + ':description', 'file', 'range') is None, j
    j = j_say(juliet, romeo, 'session-accept', sid, j_content(j_s5b(s5b, 'direct', 'proxy'), j_file(len(content))))
    assert not j.find('content', J_S5B + ':transport').all(), j
    j = j_say(juliet, romeo, 'transport-info', sid, j_content(j_s5b(s5b, 'direct')))
    assert not j.find('content', J_S5B + ':transport').all(), j
    for a, b in ((romeo, juliet), (juliet, romeo)):
        j = j_say(a, b, 'transport-info', sid, j_content("<transport xmlns='%s' sid='%s'><candidate-error/></transport>" % (J_S5B, s5b)))
        assert j.find('content', J_S5B + ':transport', 'candidate-error') is not None, j
    j_say(romeo, juliet, 'transport-replace', sid, j_content(j_ibb(ibb)))
    j_say(juliet, romeo, 'transport-accept', sid, j_content(j_ibb(ibb, 2048)))
    opened(romeo, juliet, sid=ibb, block=2048)
    send(romeo, juliet, ibb, content, 2048)
    id = close(romeo, juliet, ibb)
    assert received(juliet, romeo.jid, ibb, 2048) == content
    result_of(romeo, id)
    # What was announced counted, although the bytestream came later.
    assert 'test.txt' in records(t, romeo, 22)[0][0]


def test_jingle_unseen(t):
    """XEP-0166 §6.3, §7.2: files over transports that the server does not see are refused; calls are left alone"""
    romeo, juliet = t.online(), t.online()
    for ns in ('urn:xmpp:jingle:transports:ice-udp:1', 'urn:xmpp:jingle:transports:ice:0', 'urn:xmpp:jingle:transports:raw-udp:1',
               'urn:xmpp:jingle:transports:dtls-sctp:1', 'urn:example:tunnel'):
        _, reason = j_refused(romeo, juliet, initiate(romeo, unique('j'), 5, "<transport xmlns='%s'/>" % ns))
        assert reason == 'unsupported-transports', reason
    # Nor an application that nobody knows.
    _, reason = j_refused(romeo, juliet, jingle('session-initiate', 'u1', j_content(ICE, "<description xmlns='urn:example:app'/>")))
    assert reason == 'unsupported-transports', reason
    sid, _ = j_agreed(romeo, juliet, j_ibb('u2'), 5)
    j, reason = j_refused(romeo, juliet, jingle('transport-replace', sid, j_content(ICE)), 'transport-reject')
    assert reason == 'unsupported-transports' and j.find('content').get('name') == 'a-file-offer', j
    j, reason = j_refused(juliet, romeo, jingle('content-add', sid, j_content(ICE, j_file(7), name='more')), 'content-reject')
    assert reason == 'unsupported-transports' and j.find('content').get('name') == 'more', j
    assert romeo.iq('set', jingle('transport-info', sid, j_content(ICE)), juliet.jid).condition() == 'not-acceptable'
    # Whether the server knows of the session or not.
    _, reason = j_refused(romeo, juliet, jingle('transport-replace', unique('j'), j_content(ICE, name='what')), 'transport-reject')
    assert reason == 'unsupported-transports', reason
    quiet(t, juliet)
    call = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    j = j_say(romeo, juliet, 'session-initiate', 'call', j_content(ICE, call))
    assert j.find('content', 'urn:xmpp:jingle:transports:ice-udp:1:transport') is not None, j
    j_say(juliet, romeo, 'transport-info', 'call', j_content(ICE))
    j_say(juliet, romeo, 'session-terminate', 'call', '<reason><busy/></reason>')


def test_jingle_malformed(t):
    """XEP-0166 §7.1, P5: no action, no sid, or one that nobody can keep: bad-request, whatever is in it"""
    romeo, juliet = t.online(), t.online()
    offer = j_content(ICE, j_file(5))
    for action, sid in (('session-initiate', None), (None, 'm1'), ('session-initiate', 'm' * 1025), ('transport-info', 'm' * 1025)):
        r = romeo.iq('set', jingle(action, sid, offer), juliet.jid)
        assert r.get('type') == 'error' and r.condition() == 'bad-request', r
    quiet(t, juliet)


def test_jingle_unnamed(t):
    """P5: a file without a name, and more of them than the server keeps in mind, could get another way later: refused"""
    romeo, juliet = t.online(), t.online()
    many = ''.join(j_content(j_s5b(unique('n')), j_file(5), name='f%d' % i) for i in range(17))
    for inner in (j_content(j_ibb('n1'), j_file(5)).replace(" name='a-file-offer'", '', 1), many):
        j, reason = j_refused(romeo, juliet, jingle('session-initiate', unique('j'), inner))
        assert reason == 'failed-application', j
    quiet(t, juliet)


def test_jingle_parts(t):
    """XEP-0234 §6.3, P5: a part of a file cannot be scanned: whoever offers one is told so"""
    romeo, juliet = t.online(), t.online()
    for range in ("<range offset='270336'/>", "<range length='10'/>", "<range offset='0' length='10'/>"):
        j, reason = j_refused(romeo, juliet, initiate(romeo, unique('j'), 5, j_ibb(unique('p')), inner=range))
        assert reason == 'failed-application' and 'whole' in j.text('reason', 'text'), j
    quiet(t, juliet)


def test_jingle_request(t):
    """XEP-0234 §6.2: a file that was asked for comes from the responder, and is judged as any other"""
    romeo, juliet = t.online(), t.online()
    for content in (text_of(BLOCK + 1), EICAR):
        sid, ibb = unique('j'), unique('ibb')
        j_say(juliet, romeo, 'session-initiate', sid, j_content(j_ibb(ibb), j_file(), 'a-file-request', 'responder'))
        j_say(romeo, juliet, 'session-accept', sid, j_content(j_ibb(ibb), j_file(), 'a-file-request', 'responder'))
        opened(juliet, romeo, sid=ibb)
        send(romeo, juliet, ibb, content)
        id = close(romeo, juliet, ibb)
        if content == EICAR:
            refused(error_of(romeo, id), 'policy-violation')
            closed(juliet, ibb)
            j_expect(juliet, 'session-terminate')
            nothing_of(juliet)
        else:
            assert received(juliet, romeo.jid, ibb) == content
            result_of(romeo, id)


def test_jingle_several(t):
    """XEP-0234 §6.2: of several files in a session one is infected: it is removed, the other arrives"""
    romeo, juliet = t.online(), t.online()
    sid, a, b = unique('j'), unique('ibb'), unique('ibb')
    both = j_content(j_ibb(a), j_file(name='bad.txt'), 'bad') + j_content(j_ibb(b), j_file(name='good.txt'), 'good')
    j_say(romeo, juliet, 'session-initiate', sid, both)
    j_say(juliet, romeo, 'session-accept', sid, both)
    opened(romeo, juliet, sid=a)
    opened(romeo, juliet, sid=b)
    send(romeo, juliet, a, EICAR)
    refused(error_of(romeo, close(romeo, juliet, a)), 'policy-violation')
    closed(juliet, a)
    for c in (romeo, juliet):
        j = j_expect(c, 'content-remove')
        assert j.find('content').get('name') == 'bad' and j.find('content').get('creator') == 'initiator' and j.text('reason', 'text'), j
    send(romeo, juliet, b, b'good')
    id = close(romeo, juliet, b)
    assert received(juliet, romeo.jid, b) == b'good'
    result_of(romeo, id)


def test_jingle_same_name(t):
    """XEP-0166 §7.3: creator and name together are the key: both sides add a file of the same name; the one that is infected is removed, the other arrives"""
    romeo, juliet = t.online(), t.online()
    sid, a, b = unique('j'), unique('ibb'), unique('ibb')
    hers = j_content(j_ibb(b), j_file(len(EICAR), name='hers.txt'), 'f', 'responder').replace("creator='initiator'", "creator='responder'")
    assert "creator='responder'" in hers, hers
    his = j_content(j_ibb(a), j_file(4, name='his.txt', hash=hashlib.sha256(b'good').digest()), 'f')
    j_say(romeo, juliet, 'session-initiate', sid, his)
    j_say(juliet, romeo, 'session-accept', sid, his)
    j_say(juliet, romeo, 'content-add', sid, hers)
    j_say(romeo, juliet, 'content-accept', sid, hers)
    opened(romeo, juliet, sid=a)
    opened(juliet, romeo, sid=b)
    send(juliet, romeo, b, EICAR)
    refused(error_of(juliet, close(juliet, romeo, b)), 'policy-violation')
    closed(romeo, b)
    for c in (romeo, juliet):
        j = j_expect(c, 'content-remove')
        assert j.find('content').get('name') == 'f' and j.find('content').get('creator') == 'responder' and j.text('reason', 'text'), j
    send(romeo, juliet, a, b'good')
    id = close(romeo, juliet, a)
    assert received(juliet, romeo.jid, a) == b'good'
    result_of(romeo, id)


def test_jingle_hidden(t):
    """P5: a second transport, or a second description, hides nothing"""
    romeo, juliet = t.online(), t.online()
    rtp = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    for inner in (j_file(5) + j_ibb('h1') + ICE, j_file(5) + ICE + j_ibb('h2'), rtp + j_file(5) + ICE, j_file(5) + rtp + ICE):
        j, reason = j_refused(romeo, juliet, jingle('session-initiate', unique('j'), j_content(inner)))
        assert reason == 'unsupported-transports', j
    # Nor does a namespace.
    j, reason = j_refused(romeo, juliet, jingle('session-initiate', unique('j'), j_content(
        ICE, j_file(5)).replace('<content ', "<content xmlns='urn:example:x' ")))
    assert reason == 'unsupported-transports', j
    j = j_say(romeo, juliet, 'session-initiate', unique('j'), j_content(
        j_s5b('h6', 'direct'), j_file(5)).replace('<content ', "<content xmlns='urn:example:x' "))
    assert [x for x in j.all() if x.name == 'content'] and 'candidate' not in str(j), j
    sid = unique('j')
    j = j_say(romeo, juliet, 'session-initiate', sid, j_content(j_file(5) + j_ibb('h3') + j_s5b('h4', 'direct') + j_s5b('h5', 'proxy')))
    assert not [x for x in j.find('content').all('transport') if x.all()], j
    quiet(t, juliet)


def test_data_in_answers(t):
    """P5: bytes do not travel in answers, whoever agreed on that"""
    romeo, juliet = t.online(), t.online()
    data = pay(IBB, 'data', base64.b64encode(EICAR).decode(), seq=0, sid='x')
    for type in ('result', 'error'):
        romeo.stanza("<iq type='%s' id='a1' to='%s'>%s</iq>" % (type, juliet.jid, data))
    romeo.message(juliet.jid, type='error', inner=data)
    romeo.sync(juliet)
    assert not juliet.heard_any(lambda e: IBB in str(e)), juliet.heard


def test_ids_of_clients(t):
    """RFC 6120 §8.2.3: an answer reaches who has asked, also when the id of the question looks like one of the server's"""
    romeo, juliet = t.online(), t.online()
    sid = opened(romeo, juliet)
    send(romeo, juliet, sid, b'x')
    id = close(romeo, juliet, sid)
    iq = juliet.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.all(ns=IBB))
    ours = iq.get('id')
    for theirs in ('transfer-1', ours[:-1], ours + '0', ours[:-1] + 'g', 'transfer-' + '0' * (len(ours) - 9)):
        romeo.stanza("<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (theirs, juliet.jid))
        answer(juliet, juliet.expect(lambda e: e.get('id') == theirs))
        result_of(romeo, theirs)
    answer(juliet, iq)
    result_of(romeo, id)
    answer(juliet, request(juliet, IBB, 'close', sid=sid))


@alone(limits__sm_queue_stanzas=10)
def test_session_ends_while_given(t):
    """A session that takes nothing more and ends in the middle of what it is given: the server goes on"""
    romeo, juliet = t.online(), t.online(sm=True)
    juliet.answer_r = False
    sid = opened(romeo, juliet, block=50, stanza='message')
    for i, p in enumerate(pieces(text_of(50 * 40), 50)):
        romeo.message(juliet.jid, type=None, inner=pay(IBB, 'data', base64.b64encode(p).decode(), seq=i, sid=sid))
    id = close(romeo, juliet, sid)
    result_of(romeo, id)
    try:
        while True:
            answer(juliet, request(juliet, 'urn:xmpp:ping', 'ping', type='get'))
    except (Closed, OSError):
        pass
    t.server.wait(lambda: int(t.server.metric('chancery_transfers')) == 0, 'the end of the bytestream')
    through(romeo, t.online(), b'next')


# -- other servers, components, rooms ----------------------------------------------------------------------------

def test_from_partner(t):
    """From another server: scanned here, before our user gets a byte"""
    juliet, p = t.online(), t.partner()
    romeo = p.jid(resource='pda')

    def say(inner, id):
        p.send("<iq type='set' id='%s' from='%s' to='%s'>%s</iq>" % (id, romeo, juliet.jid, inner))
        return id

    def answered(id):
        return p.expect(lambda e: e.name == 'iq' and e.get('id') == id and e.get('type') in ('result', 'error'))
    for content in (text_of(300), EICAR):
        sid = unique('sid')
        id = say(pay(IBB, 'open', block_size=BLOCK, sid=sid), unique('q'))
        answer(juliet, request(juliet, IBB, 'open', sid=sid))
        assert answered(id).get('type') == 'result'
        id = say(pay(IBB, 'data', base64.b64encode(content).decode(), seq=0, sid=sid), unique('q'))
        assert answered(id).get('type') == 'result'
        id = say(pay(IBB, 'close', sid=sid), unique('q'))
        if content == EICAR:
            refused(answered(id), 'policy-violation')
            closed(juliet, sid)
            nothing_of(juliet)
        else:
            assert received(juliet, romeo, sid) == content
            assert answered(id).get('type') == 'result'


def test_to_partner(t):
    """To another server: nothing leaves before it has been scanned"""
    juliet, p = t.online(), t.partner()
    romeo = p.jid(resource='pda')
    for content in (text_of(BLOCK + 300), EICAR):
        sid = unique('sid')
        id = juliet.iq_send('set', pay(IBB, 'open', block_size=BLOCK, sid=sid), romeo)
        p.answer(p.expect(lambda e: e.find(IBB + ':open') is not None, '<open/>'))
        result_of(juliet, id)
        for i, x in enumerate(pieces(content)):
            r = juliet.iq('set', pay(IBB, 'data', base64.b64encode(x).decode(), seq=i, sid=sid), romeo)
            assert r.get('type') == 'result' and r.get('from') == romeo, r
        id = juliet.iq_send('set', pay(IBB, 'close', sid=sid), romeo)
        if content == EICAR:
            refused(error_of(juliet, id), 'policy-violation')
        got = b''
        while True:
            iq = p.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.all(ns=IBB), 'a piece')
            assert iq.get('from') == juliet.jid and iq.get('to') == romeo, iq
            p.answer(iq)
            if iq.all('close', IBB):
                break
            got += base64.b64decode(iq.text(IBB + ':data'))
        assert got == (b'' if content == EICAR else content)
        if content != EICAR:
            result_of(juliet, id)


def test_partner_without_files(t):
    """A partner with whom files are not exchanged: no bytestream in either direction"""
    juliet, p = t.online(), t.partner(allow=('--no-files',))
    id = juliet.iq_send('set', pay(IBB, 'open', block_size=BLOCK, sid='n1'), p.jid(resource='pda'))
    refused(error_of(juliet, id), 'not-allowed')
    assert p.iq('set', pay(IBB, 'open', block_size=BLOCK, sid='n1'), to=juliet.jid).condition() == 'not-allowed'
    quiet(t, juliet)


def test_component(t):
    """A component's users send and get files as everybody does; between foreign addresses none pass"""
    juliet, c = t.online(), t.component().joined()
    jid = 'romeo@%s/x' % c.domain
    c.send("<iq type='set' id='c1' from='%s' to='%s'>%s</iq>" % (jid, juliet.jid, pay(IBB, 'open', block_size=BLOCK, sid='c1')))
    answer(juliet, request(juliet, IBB, 'open', sid='c1'))
    assert c.expect(lambda e: e.get('id') == 'c1').get('type') == 'result'
    c.send("<iq type='set' id='c2' from='%s' to='%s'>%s</iq>" % (jid, juliet.jid, pay(
        IBB, 'data', base64.b64encode(EICAR).decode(), seq=0, sid='c1')))
    assert c.expect(lambda e: e.get('id') == 'c2').get('type') == 'result'
    c.send("<iq type='set' id='c3' from='%s' to='%s'>%s</iq>" % (jid, juliet.jid, pay(IBB, 'close', sid='c1')))
    assert c.expect(lambda e: e.get('id') == 'c3').condition() == 'policy-violation'
    closed(juliet, 'c1')
    nothing_of(juliet)
    other = t.component().joined()
    for payload in (pay(IBB, 'open', block_size=BLOCK, sid='c1'), si_offer('c4', 5), initiate(juliet, 'c5', 5, j_ibb('c6'))):
        c.send("<iq type='set' id='c7' from='%s' to='romeo@%s/x'>%s</iq>" % (jid, other.domain, payload))
        assert c.expect(lambda e: e.get('id') == 'c7').condition() == 'not-allowed'


def test_blocked(t):
    """XEP-0191: who is blocked cannot even ask"""
    romeo, juliet = t.online(), t.online()
    assert juliet.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % romeo.bare).get('type') == 'result'
    for payload in (pay(IBB, 'open', block_size=BLOCK, sid='b1'), si_offer('b2', 5), initiate(romeo, 'b3', 5, j_ibb('b4'))):
        assert romeo.iq('set', payload, juliet.jid).condition() == 'service-unavailable'
    quiet(t, juliet)


def test_large_file(t):
    """A file of some megabytes in pieces of 64 KiB"""
    romeo, juliet = t.online(), t.online()
    through(romeo, juliet, noise(2000000), block=65535)

"""Files inside stanzas: each path clean, infected and not to be scanned; what waits, what is refused, what is told (P1, P5, P8)."""
import base64
import hashlib
import os
import re
import struct
import subprocess
import zlib

from chancerytest.client import unique
from chancerytest.rooms import enter, new_room
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import noise

P = 'http://jabber.org/protocol/pubsub'


def b64(data):
    return base64.b64encode(data).decode()


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png():
    """A picture of four pixels that nobody has sent before."""
    rows = b''.join(b'\0' + os.urandom(6) for _ in range(2))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2, 2, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def locked():
    """A ZIP whose one member is encrypted (its bit 0 says so)."""
    data, name = noise(64), b'secret.txt'
    crc, size = zlib.crc32(data), len(data)
    local = struct.pack('<4sHHHHHIIIHH', b'PK\3\4', 20, 1, 0, 0, 0x21, crc, size, size - 12, len(name), 0) + name + data
    central = struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 20, 20, 1, 0, 0, 0x21, crc, size, size - 12, len(name), 0, 0, 0, 0, 0, 0) + name
    return local + central + struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, 1, 1, len(central), len(local), 0)


def bob(data, type='image/png'):
    return "<data xmlns='urn:xmpp:bob' cid='sha1+%s@bob.xmpp.org' type='%s'>%s</data>" % (hashlib.sha1(data).hexdigest(), type, b64(data))


def vcard(kind):
    return lambda data: "<vCard xmlns='vcard-temp'><%s><TYPE>image/png</TYPE><BINVAL>\n%s\n</BINVAL></%s></vCard>" % (
        kind, base64.encodebytes(data).decode(), kind)


def publish(node, payload, id='current'):
    return "<pubsub xmlns='%s'><publish node='%s'><item id='%s'>%s</item></publish></pubsub>" % (P, node, id, payload)


def avatar(data):
    return publish('urn:xmpp:avatar:data', "<data xmlns='urn:xmpp:avatar:data'>%s</data>" % b64(data), hashlib.sha1(data).hexdigest())


def vcard4(data):
    return publish('urn:xmpp:vcard4', "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><photo><uri>data:image/png;base64,%s</uri></photo>"
                   '</vcard>' % b64(data))


def old_avatar(data):
    return publish('storage:client:avatar', "<query xmlns='storage:client:avatar'><data mimetype='image/png'>%s</data></query>" % b64(data))


def uri(data):
    return 'data:image/png;base64,' + b64(data)


def xhtml(src):
    return ("<body>x</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>"
            "<img src='%s' alt='x'/></p></body></html>" % src)


# What a user stores with the own account: the answer is from the server.
SETS = {'photo': vcard('PHOTO'), 'logo': vcard('LOGO'), 'sound': vcard('SOUND'), 'vcard4': vcard4, 'avatar': avatar,
        'storage:client:avatar': old_avatar}
# What goes in a message.
MESSAGES = {
    'bob': lambda d: '<body>x</body>' + bob(d),
    'bob, within something': lambda d: "<body>x</body><x xmlns='urn:example'><y>%s</y></x>" % bob(d),
    'forwarded': lambda d: "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body>%s</message></forwarded>" % bob(d),
    'data: as body': lambda d: '<body>%s</body>' % uri(d),
    'data: among words': lambda d: '<body>see this (%s), it is mine</body>' % uri(d),
    'data: without base64': lambda d: '<body>DATA:,%s</body>' % ''.join('%%%02x' % b for b in d),
    'data: img': lambda d: xhtml(uri(d)),
    'data: img, hidden from simple readers': lambda d: xhtml(' da&#9;ta&#10;:image/png;base64,' + b64(d).rstrip('=') + '#x'),
    'BINVAL of any namespace': lambda d: "<body>x</body><x xmlns='urn:example'><BINVAL>%s</BINVAL></x>" % b64(d),
    'data: attribute': lambda d: "<body>x</body><x xmlns='urn:example' y='%s'/>" % uri(d),
    'event': lambda d: "<event xmlns='%s#event'><items node='n'><item><data xmlns='urn:xmpp:avatar:data'>%s</data></item></items></event>"
                       % (P, b64(d)),
}


def by_id(c, id, name=None):
    return c.expect(lambda e: e.get('id') == id and (not name or e.name == name), 'what has the id ' + id)


def refusal(e, condition='not-acceptable', type=None):
    assert e.get('type') == 'error' and e.condition() == condition, e
    assert e.text('error', 'text'), 'it says why: %s' % e
    if type:
        assert e.find('error').get('type') == type, e
    return e.text('error', 'text')


def files(t, c):
    """What the record has of the files that c has sent: one row each."""
    return t.server.records("from_bare = '%s' and kind = 22" % c.bare, 'stanza')


def others(t, c):
    """What else it has."""
    return t.server.records("from_bare = '%s' and kind not in (22, 24)" % c.bare, 'stanza')


def came(b, a):
    """Messages from a; what the server says about an infected file is not meant."""
    return b.heard_any(lambda e: e.name == 'message' and (e.get('from') or '').startswith(a.bare))


def test_sets_clean(t):
    """XEP-0054, XEP-0292, XEP-0084, XEP-0008: a clean picture is taken, and is in the record as a file"""
    a = t.online()
    for name, make in SETS.items():
        r = a.iq('set', make(png()))
        assert r.get('type') == 'result', (name, r)
    assert len(files(t, a)) == len(SETS)
    v = a.iq('get', "<vCard xmlns='vcard-temp'/>").find('vcard-temp:vCard')
    assert v is not None and len(v.all()) > 0, v


def test_sets_infected(t):
    """XEP-0054, XEP-0292, XEP-0084, XEP-0008: an infected one is not-acceptable, and nothing of it is stored or shown"""
    a = t.online()
    for make in SETS.values():
        refusal(a.iq('set', make(EICAR)))
    assert len(files(t, a)) == len(SETS)
    assert others(t, a) == []
    v = a.iq('get', "<vCard xmlns='vcard-temp'/>").find('vcard-temp:vCard')
    assert v is None or not v.all(), v


def test_sets_unscannable(t):
    """P5: what cannot be scanned whole is not-acceptable"""
    a = t.online()
    for make in SETS.values():
        refusal(a.iq('set', make(locked())))
    assert others(t, a) == []


def test_messages_clean(t):
    """XEP-0231, RFC 2397: a message with a clean file arrives as it is, each file is in the record before it"""
    a, b = t.online(), t.online()
    for name, make in MESSAGES.items():
        id = a.message(b.jid, inner=make(png()))
        assert by_id(b, id).get('type') == 'chat', name
    rows = t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'kind')
    assert [r[0] == '22' for r in rows] == [True, False] * len(MESSAGES), rows


def test_messages_infected(t):
    """P1, P5: a message with an infected file is refused in words, and nobody sees it; the record has the file only"""
    a, b = t.online(), t.online()
    for make in MESSAGES.values():
        refusal(by_id(a, a.message(b.jid, inner=make(EICAR))))
    a.message(b.jid, 'last')
    assert b.expect_message('last')
    assert not came(b, a), 'a refused message arrived'
    assert len(files(t, a)) == len(MESSAGES)
    (row,) = others(t, a)
    assert 'last' in row[0], row


def test_recipient_is_not_told(t):
    """XEP-0191, issue 6: of a file inside a stanza that was refused only its sender hears: its recipient may have blocked them"""
    a, b = t.online(), t.online()
    assert b.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % a.bare).get('type') == 'result'
    refusal(by_id(a, a.message(b.jid, 'x', inner=bob(EICAR))))
    assert a.expect(lambda e: e.name == 'message' and e.get('from') == t.server.domain)
    b.ping()
    assert not b.heard_any(lambda e: e.name == 'message'), b.heard
    assert not t.server.records("kind = 12 and to_bare = '%s'" % b.bare)


def test_messages_unscannable(t):
    """P5: an encrypted archive in a message is refused"""
    a, b = t.online(), t.online()
    for make in MESSAGES.values():
        refusal(by_id(a, a.message(b.jid, inner=make(locked()))))
    a.message(b.jid, 'last')
    b.expect_message('last')
    assert not came(b, a)


def test_types_of_message(t):
    """Every type of message: to a room, as a headline, to the bare address"""
    a, b, room = t.online(), t.online(), new_room(t)
    enter(a, room, 'a')
    a.iq('set', "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>", to=room)
    enter(b, room, 'b')
    for to, type in ((room, 'groupchat'), (room + '/b', 'chat'), (b.bare, 'headline'), (b.bare, 'normal'), (b.bare, 'chat')):
        refusal(by_id(a, a.message(to, 'x', type=type, inner=bob(EICAR))))
        id = a.message(to, 'clean', type=type, inner=bob(png()))
        m = b.expect_message('clean')
        assert m.get('id') == id and m.find('urn:xmpp:bob:data') is not None, m
        if to == room:
            by_id(a, id)
    assert not b.heard_any(lambda e: e.name == 'message' and e.text('body') == 'x')


def test_presence(t):
    """XEP-0231 §2: in presence, too"""
    a, b = t.online(), t.online()
    a.presence(to=b.jid, inner=bob(EICAR) + '<status>bad</status>')
    refusal(a.expect_presence('error'))
    a.presence(to=b.jid, inner=bob(png()) + '<status>good</status>')
    assert b.expect_presence(None, a.jid).text('status') == 'good'


def test_iq_between_clients(t):
    """XEP-0231 §3.2: an infected answer becomes an error for who has asked, an infected question one for its sender"""
    a, b = t.online(), t.online()
    ask = "<data xmlns='urn:xmpp:bob' cid='sha1+8f35fef110ffc5df08d579a50083ff9308fb6242@bob.xmpp.org'/>"
    for data, ok in ((png(), True), (EICAR, False), (locked(), False)):
        id = a.iq_send('get', ask, b.jid)
        by_id(b, id, 'iq')
        b.stanza("<iq type='result' id='%s' to='%s'>%s</iq>" % (id, a.jid, bob(data)))
        r = by_id(a, id, 'iq')
        if ok:
            assert r.get('type') == 'result' and r.find('urn:xmpp:bob:data').text() == b64(data), r
        else:
            refusal(r)
            assert r.find('urn:xmpp:bob:data') is None and r.get('from') == b.jid, r
    refusal(a.iq('set', bob(EICAR), b.jid))
    assert not b.heard_any(lambda e: e.name == 'iq' and e.get('type') == 'set')


def test_errors_bring_nothing_back(t):
    """RFC 6120 §8.3.1: what an error brings back may be a file: it goes on without"""
    a, b = t.online(), t.online()
    error = "<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>%s" \
            '</text></error>' % uri(EICAR)
    a.message(b.jid, 'x', type='error', id='e1', inner=bob(EICAR) + error)
    m = by_id(b, 'e1')
    assert m.condition() == 'not-allowed' and 'data' not in str(m) and len(m.find('error').all()) == 1, m
    id = a.iq_send('get', "<query xmlns='urn:example'/>", b.jid)
    by_id(b, id, 'iq')
    b.stanza("<iq type='error' id='%s' to='%s'>%s%s</iq>" % (id, a.jid, bob(EICAR), error))
    r = by_id(a, id, 'iq')
    assert r.condition() == 'not-allowed' and 'data' not in str(r), r


def test_pubsub_service(t):
    """XEP-0060 §7.1: what is published at the service is a file like any other"""
    a, at = t.online(), 'pubsub.' + t.server.domain
    node = unique('n')
    assert a.iq('set', "<pubsub xmlns='%s'><create node='%s'/></pubsub>" % (P, node), at).get('type') == 'result'
    for data, ok in ((png(), True), (EICAR, False)):
        r = a.iq('set', publish(node, bob(data)), at)
        assert ok == (r.get('type') == 'result'), r
    items = a.iq('get', "<pubsub xmlns='%s'><items node='%s'/></pubsub>" % (P, node), at).find(P + ':pubsub', 'items').all('item')
    assert len(items) == 1, items


def test_malformed(t):
    """RFC 4648 §3.3: what is no base64 is a bad request, and no file"""
    a, b = t.online(), t.online()
    for wrong in ('AAA', 'A*AA', '=AAA', 'AAAA=', '\u00e4'):
        refusal(a.iq('set', "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>%s</BINVAL></PHOTO></vCard>" % wrong), 'bad-request')
        refusal(by_id(a, a.message(b.jid, 'x', inner="<data xmlns='urn:xmpp:bob' cid='x'>%s</data>" % wrong)), 'bad-request')
    # Not everybody reads the same out of it.
    for wrong in ('AAAA<x>%s</x>' % b64(EICAR), '<x>%s</x>' % b64(EICAR)):
        for inner in ("<BINVAL xmlns='vcard-temp'>%s</BINVAL>", "<BINVAL>%s</BINVAL>", "<data xmlns='urn:xmpp:avatar:data'>%s</data>",
                      "<data xmlns='urn:xmpp:bob' cid='x'>%s</data>"):
            refusal(by_id(a, a.message(b.jid, 'x', inner=inner % wrong)), 'bad-request')
    for wrong in ('<body>data:image/png;base64,<x>%s</x></body>', "<x xmlns='urn:example'>da<y>ta:image/png;base64,%s</y></x>",
                  "<uri xmlns='urn:xmpp:media-element'><y>da</y><y>ta:image/png;base64,%s</y></uri>"):
        refusal(by_id(a, a.message(b.jid, inner=wrong % b64(EICAR))), 'bad-request')
    for wrong in ('data:image/png;base64,AA*A', 'data:image/png;base64,%%%'):
        refusal(by_id(a, a.message(b.jid, wrong)), 'bad-request')
    assert files(t, a) == [] and others(t, a) == []


def test_no_files(t):
    """What only looks like one passes as it is"""
    a, b = t.online(), t.online()
    for body in ('the data: none', 'metadata:,x', 'data:yes,no', 'aesgcm:', 'http://data:80/x,y', ':' * 2000):
        a.message(b.jid, body)
        b.expect_message(body)
    a.message(b.jid, 'form', inner="<x xmlns='jabber:x:data' type='form'><title>Data: 5, 6</title><field label='data: a, b'/></x>")
    b.expect_message('form')
    a.message(b.jid, 'empty', inner="<data xmlns='urn:xmpp:bob' cid='x'/><BINVAL xmlns='vcard-temp'> </BINVAL>")
    b.expect_message('empty')
    assert files(t, a) == []


def test_several(t):
    """Several files in one stanza: each is judged, one bad one is enough; there may be so many (limits.stanza_files)"""
    a, b = t.online(), t.online()
    by_id(b, a.message(b.jid, 'three', inner=''.join(bob(png()) for _ in range(3))))
    assert len(files(t, a)) == 3
    refusal(by_id(a, a.message(b.jid, 'x', inner=bob(png()) + bob(png()) + bob(EICAR) + bob(png()))))
    assert len(files(t, a)) == 6, 'up to the bad one'
    refusal(by_id(a, a.message(b.jid, 'x', inner=''.join(bob(b'%d' % n) for n in range(17)))), 'policy-violation')
    assert len(files(t, a)) == 6


def test_order(t):
    """P8: what is sent behind a file comes behind it, also in the record; who asks the server something need not wait"""
    a, b = t.online(), t.online()
    text = ''
    for n in range(8):
        text += "<message to='%s' type='chat' id='f%d'><body>f%d</body>%s</message>" % (b.jid, n, n, bob(png() if n % 2 else EICAR))
        text += "<message to='%s' type='chat' id='t%d'><body>t%d</body></message>" % (b.jid, n, n)
        text += "<presence to='%s'><status>p%d</status></presence>" % (b.jid, n)
    a.stanza(text)
    want = [w for n in range(8) for w in (['f%d' % n] if n % 2 else []) + ['t%d' % n, 'p%d' % n]]
    got = [e.text('body') or e.text('status') for e in (
        b.expect(lambda e: e.get('from') == a.jid and e.name in ('message', 'presence')) for _ in want)]
    assert got == want, got
    rows = t.server.records("from_bare = '%s' and kind = 1" % a.bare, 'body')
    assert [r[0] for r in rows] == [w for w in want if w[0] != 'p'], rows


def test_counted_in_order(t):
    """XEP-0198 §4: <a/> counts a stanza when it and all before it have been dealt with"""
    a, b = t.online(sm=True), t.online()
    a.acked()
    for n in range(4):
        a.message(b.jid, 'f%d' % n, inner=bob(EICAR if n % 2 else png()))
        a.message(b.jid, 't%d' % n)
    b.expect_message('t3')
    a.acked()


def test_sender_gone(t):
    """A sender who has gone meanwhile: what was sent is judged and delivered all the same, under the same policy"""
    a, b, c = t.online(), t.online(), t.online()
    a.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % c.bare)
    a.stanza(''.join("<message to='%s' type='chat'><body>%s</body>%s</message>" % (to.jid, text, inner) for to, text, inner in (
        (b, 'one', bob(png())), (b, 'two', bob(EICAR)), (c, 'blocked', ''), (b, 'three', bob(png())))) + '</stream:stream>')
    b.expect_message('one')
    b.expect_message('three')
    b.message(c.jid, 'end')
    c.expect_message('end')
    assert not b.heard_any(lambda e: e.text('body') == 'two') and not c.heard_any(lambda e: e.text('body') == 'blocked')


def test_component(t):
    """XEP-0114: what a component sends is scanned as what a user sends"""
    a, c = t.online(), t.component().joined()
    me = 'gate@' + c.domain
    c.stanza("<message from='%s' to='%s' id='bad'><body>x</body>%s</message>" % (me, a.jid, bob(EICAR)))
    refusal(by_id(c, 'bad'))
    c.stanza("<message from='%s' to='%s' id='good'><body>good</body>%s</message>" % (me, a.jid, bob(png())))
    a.expect_message('good')
    assert not a.heard_any(lambda e: e.get('id') == 'bad')


def test_partner(t):
    """RFC 6120 §10.4: what comes from another server, and what goes there, is scanned; its vCards too"""
    a, p = t.online(), t.partner()
    p.message(a.jid, 'x', id='bad', inner=bob(EICAR))
    refusal(p.expect(lambda e: e.get('id') == 'bad', 'the error'))
    p.message(a.jid, 'good', inner=bob(png()))
    a.expect_message('good')
    assert not a.heard_any(lambda e: e.get('id') == 'bad')
    refusal(by_id(a, a.message(p.jid(), 'x', inner=bob(EICAR))))
    a.message(p.jid(), 'out', inner=bob(png()))
    p.expect_message('out')
    for data, ok in ((png(), True), (EICAR, False)):
        id = a.iq_send('get', "<vCard xmlns='vcard-temp'/>", p.jid())
        p.answer(p.expect(lambda e: e.get('id') == id, 'the question'), payload=vcard('PHOTO')(data))
        r = by_id(a, id, 'iq')
        assert r.get('type') == ('result' if ok else 'error'), r


def test_again_and_again(t):
    """XEP-0084: an avatar that is published again is in the record again, whether it was scanned anew or not"""
    a, pic = t.online(), png()
    for n in range(3):
        assert a.iq('set', avatar(pic)).get('type') == 'result'
    assert len(files(t, a)) == 3


class Locked:
    """A table that nobody else reads or writes meanwhile."""

    def __init__(self, t, table):
        self.psql = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.table = table

    def __enter__(self):
        self.psql.stdin.write("begin; lock table %s; select 'locked';\n" % self.table)
        self.psql.stdin.flush()
        while self.psql.stdout.readline().strip() != 'locked':
            assert self.psql.poll() is None
        return self

    def __exit__(self, *_):
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


# -- links and encrypted files ---------------------------------------------------------------------------------

def oob(url):
    return "<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (url, url)


def sfs(url, more=''):
    return ("<body>%s</body><file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><name>a</name></file><sources>"
            "<url-data xmlns='http://jabber.org/protocol/url-data' target='%s'/>%s</sources></file-sharing>" % (url, url, more))


def sims(url):
    return ("<body>%s</body><reference xmlns='urn:xmpp:reference:0' type='data' begin='0' end='1'><media-sharing xmlns='urn:xmpp:sims:1'>"
            "<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><name>a</name></file><sources><reference xmlns='urn:xmpp:reference:0' "
            "type='data' uri='%s'/></sources></media-sharing></reference>" % (url, url))


def reference(url):
    return "<body>%s</body><reference xmlns='urn:xmpp:reference:0' type='data' uri='%s'/>" % (url, url)


def oob_elsewhere(url):
    return "<body>%s</body><x xmlns='jabber:x:oob'><url xmlns='urn:example'>%s</url></x>" % (url, url)


def atom(url):
    return ("<body>%s</body><event xmlns='%s#event'><items node='n'><item><entry xmlns='http://www.w3.org/2005/Atom'>"
            "<title>x</title><link rel='enclosure' type='image/png' href='%s'/></entry></item></items></event>" % (url, P, url))


OFFERS = (oob, oob_elsewhere, sfs, sims, reference, xhtml, atom)
FOREIGN = 'https://elsewhere.example/a.png'
# Not to be taken for ours.
TRICKS = ('https://%s.elsewhere.example/a', 'https://%s@elsewhere.example/a', 'https://elsewhere.example/https://%s/a', 'ftp://%s/a',
          'https://elsewhere.example\\@%s/a', '//elsewhere.example/%s', 'https://%s:80@elsewhere.example/a')
MENTION = "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='0' end='5' uri='xmpp:romeo@montague.example'/>"
AESGCM = 'aesgcm://upload.chancery.test/a/b.jpg#' + '00' * 44
ESFS = ("<encrypted xmlns='urn:xmpp:esfs:0' cipher='urn:xmpp:ciphers:aes-256-gcm-nopadding:0'><key>AA==</key><iv>AA==</iv>"
        "<sources xmlns='urn:xmpp:sfs:0'><url-data xmlns='http://jabber.org/protocol/url-data' target='https://chancery.test/a'/></sources>"
        '</encrypted>')
ENCRYPTED = ('<body>%s</body>' % AESGCM, '<body>look: %s</body>' % AESGCM, oob(AESGCM), sfs('https://chancery.test/a', ESFS), sfs(AESGCM))


def test_links_allowed(t):
    """files.links allow: addresses of files elsewhere pass"""
    a, b = t.online(), t.online()
    for make in OFFERS:
        m = by_id(b, a.message(b.jid, inner=make(FOREIGN)))
        assert len(m.all()) >= 2, m
    a.iq_send('set', "<query xmlns='jabber:iq:oob'><url>%s</url></query>" % FOREIGN, b.jid)
    assert b.expect(lambda e: e.name == 'iq').find('jabber:iq:oob:query') is not None


@alone(files__links='refuse')
def test_links_refused(t):
    """files.links refuse: XEP-0066, 0447, 0385, 0372, 0071 with an address elsewhere are refused, ours and mentions pass; strip takes them out"""
    a, b = t.online(), t.online()
    ours = 'https://%s:5280/upload/x/a.png' % t.server.domain
    for make in OFFERS:
        refusal(by_id(a, a.message(b.jid, inner=make(FOREIGN))), 'policy-violation')
        by_id(b, a.message(b.jid, inner=make(ours)))
    for trick in TRICKS:
        refusal(by_id(a, a.message(b.jid, inner=oob(trick % t.server.domain))), 'policy-violation')
    by_id(b, a.message(b.jid, 'see ' + FOREIGN, inner=MENTION))
    refusal(a.iq('set', "<query xmlns='jabber:iq:oob'><url>%s</url></query>" % FOREIGN, b.jid), 'policy-violation')
    assert not b.heard_any(lambda e: e.name == 'iq')

    # From now on what offers them is taken out; what people read stays, in the record, too.
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        text = f.read()
    with open(t.server.env['CHANCERY_CONFIG'], 'w') as f:
        f.write(re.sub(r'(links:\W*)refuse', r'\1strip', text))
    assert t.server.cli('config', 'reload')[0] == 0
    for make in OFFERS:
        m = by_id(b, a.message(b.jid, inner=make(FOREIGN)))
        assert m.text('body') and 'elsewhere' not in str(m).replace(m.text('body'), ''), m
    m = by_id(b, a.message(b.jid, inner=oob(ours)))
    assert m.find('jabber:x:oob:x') is not None, m
    refusal(by_id(a, a.message(b.jid, inner=oob(FOREIGN).replace('<body>%s</body>' % FOREIGN, ''))), 'policy-violation')
    refusal(a.iq('set', "<query xmlns='jabber:iq:oob'><url>%s</url></query>" % FOREIGN, b.jid), 'policy-violation')
    assert not [r for r in others(t, a) if "jabber:x:oob" in r[0] and 'elsewhere' in r[0]]


@alone(files__links='fetch')
def test_links_reload(t):
    """files.links: what a reload forbids while a file beside the link is looked at does not pass"""
    a, b = t.online(), t.online()
    with Locked(t, 'chancery.file'):
        id = a.message(b.jid, inner=oob(FOREIGN) + bob(png()))
        t.server.wait(lambda: t.server.value("select count(*) from pg_locks where not granted and relation = 'chancery.file'::regclass") != '0',
                      'the judge to wait')
        with open(t.server.env['CHANCERY_CONFIG']) as f:
            text = f.read()
        with open(t.server.env['CHANCERY_CONFIG'], 'w') as f:
            f.write(re.sub(r'(links:\W*)fetch', r'\1refuse', text))
        assert t.server.cli('config', 'reload')[0] == 0
    assert 'other servers' in refusal(by_id(a, id), 'policy-violation')
    assert not came(b, a) and not others(t, a)


def test_encrypted_refused(t):
    """XEP-0454, XEP-0448: nobody may send what nobody can scan, unless files.encrypted says so; the text says why"""
    a, b = t.online(), t.online()
    for inner in ENCRYPTED:
        text = refusal(by_id(a, a.message(b.jid, inner=inner)), 'policy-violation')
        assert 'cannot scan' in text, text
    a.message(b.jid, 'last')
    b.expect_message('last')
    assert not came(b, a)
    assert len(others(t, a)) == 1


JET = ("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='%s'><content creator='initiator' name='f' senders='initiator'>"
       "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><name>f</name><size>9</size>%s</file></description>"
       "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' block-size='4096' sid='%s'/>%s</content></jingle>")
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><key rid='2'>AA==</key><iv>AA==</iv></header></encrypted>"
SECURITY = ("<security xmlns='urn:xmpp:jingle:jet:0' name='f' cipher='urn:xmpp:ciphers:aes-128-gcm-nopadding:0' "
            "type='eu.siacs.conversations.axolotl'>%s</security>" % OMEMO)
CALL = ("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='call'><content creator='initiator' name='a'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>"
        "<fingerprint xmlns='http://gultsch.de/xmpp/drafts/omemo/dtls-srtp-verification'>%s</fingerprint></transport></content></jingle>" % OMEMO)


def encrypted_transfers():
    """By JET, and as it was done before."""
    return (JET % (unique('j'), '', unique('t'), SECURITY), JET % (unique('j'), OMEMO, unique('t'), ''))


def test_encrypted_transfers(t):
    """XEP-0391 §4, XEP-0396: a transfer that only its recipient can read is refused when it is offered; a call is none"""
    a, b = t.online(), t.online()
    for payload in encrypted_transfers():
        text = refusal(a.iq('set', payload, b.jid), 'policy-violation')
        assert 'cannot scan' in text, text
    id = a.iq_send('set', CALL, b.jid)
    by_id(b, id, 'iq')
    assert not [e for e in b.heard if e.name == 'iq' and 'file-transfer' in str(e)], b.heard


@alone(files__encrypted='["research"]')
def test_encrypted_by_group(t):
    """files.encrypted: those of the group may, others may not"""
    a, b = t.online(), t.online()
    assert t.server.cli('user', 'set', a.bare, 'group+=research')[0] == 0
    for inner in ENCRYPTED:
        by_id(b, a.message(b.jid, inner=inner))
        refusal(by_id(b, b.message(a.jid, inner=inner)), 'policy-violation')
    for payload in encrypted_transfers():
        by_id(b, a.iq_send('set', payload, b.jid), 'iq')
        refusal(b.iq('set', payload, a.jid), 'policy-violation')


@alone(files__on='false')
def test_off(t):
    """files.on false: no files, on no path"""
    a, b = t.online(), t.online()
    for make in SETS.values():
        refusal(a.iq('set', make(png())), 'policy-violation')
    for make in MESSAGES.values():
        refusal(by_id(a, a.message(b.jid, inner=make(png()))), 'policy-violation')
    for inner in ENCRYPTED + tuple(make(FOREIGN) for make in OFFERS):
        refusal(by_id(a, a.message(b.jid, inner=inner)), 'policy-violation')
    a.message(b.jid, 'words', inner=MENTION)
    b.expect_message('words')
    assert not came(b, a)


@alone(files__scanner='""')
def test_scanner_off(t):
    """P5: no scanner, no files: a wait error; what has none flows on"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'before')
    refusal(a.iq('set', avatar(png())), 'resource-constraint', 'wait')
    for make in MESSAGES.values():
        refusal(by_id(a, a.message(b.jid, inner=make(png()))), 'resource-constraint', 'wait')
    a.message(b.jid, 'behind')
    b.expect_message('before')
    b.expect_message('behind')
    assert not came(b, a)

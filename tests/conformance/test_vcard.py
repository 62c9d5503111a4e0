"""vCards: XEP-0054, the same as vCard4 (XEP-0292), and photo hashes in presence (XEP-0153, XEP-0398 §5)."""
import base64
import hashlib
import struct

from chancerytest.client import unique
from chancerytest.scenario import alone

UPDATE = 'vcard-temp:x:update'
GET = "<vCard xmlns='vcard-temp'/>"
GET4 = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"
PETER = """<FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N>
<NICKNAME>stpeter</NICKNAME><URL>http://www.xmpp.org/xsf/people/stpeter.shtml</URL><BDAY>1966-08-06</BDAY>
<ORG><ORGNAME>XMPP Standards Foundation</ORGNAME><ORGUNIT/></ORG><TITLE>Executive Director</TITLE>
<TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL><TEL><WORK/><FAX/><NUMBER/></TEL>
<EMAIL><INTERNET/><PREF/><USERID>stpeter@jabber.org</USERID></EMAIL><JABBERID>stpeter@jabber.org</JABBERID>
<DESC>More information about me is located on my personal website</DESC>"""


def picture(n=1):
    """The beginning of a PNG, 64 by 32, different for each n; base64 in lines, and its hash."""
    data = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + struct.pack('>II', 64, 32) + b'\x08\x06\0\0\0' + b'picture %d' % n * 8
    return base64.encodebytes(data).decode(), hashlib.sha1(data).hexdigest()


def photo(text, type='image/png'):
    return '<PHOTO><TYPE>%s</TYPE><BINVAL>%s</BINVAL></PHOTO>' % (type, text)


def put(a, inner, to=None):
    return a.iq('set', "<vCard xmlns='vcard-temp'>%s</vCard>" % inner, to)


def got(r):
    assert r.get('type') == 'result', r
    return r.find('vcard-temp:vCard')


def hash_in(p):
    """None: no <photo/>."""
    return p.text('%s:x' % UPDATE, 'photo') if p.find('%s:x' % UPDATE) is not None else None


def expect_hash(c, from_, sha1):
    return c.expect(lambda e: e.name == 'presence' and e.get('from') == from_ and e.get('type') is None and hash_in(e) == sha1,
                    'presence of %s with %r' % (from_, sha1))


def test_set_and_get(t):
    """XEP-0054 §3.1, §3.2: what was set comes back, to every device of its owner"""
    a = t.online()
    assert a.iq('get', GET).condition() == 'item-not-found'
    r = put(a, PETER)
    assert r.get('type') == 'result' and not r.all(), r
    for c, to in ((a, None), (a, a.bare), (t.online(a), None)):
        v = got(c.iq('get', GET, to))
        assert v.text('FN') == 'Peter Saint-Andre' and v.text('N', 'GIVEN') == 'Peter' and len(v.all('TEL')) == 2, v


def test_replaced(t):
    """XEP-0054 §3.2: setting replaces all of it; an empty one is none"""
    a = t.online()
    put(a, PETER)
    put(a, '<FN>Peter</FN>')
    v = got(a.iq('get', GET))
    assert [e.name for e in v.all()] == ['FN'], v
    put(a, '')
    assert a.iq('get', GET).condition() == 'item-not-found'


def test_of_others(t):
    """XEP-0054 §3.3, §6: everybody may read it; nobody and nothing look the same"""
    a, b = t.online(), t.online()
    answers = [b.iq('get', GET, to) for to in (a.bare, 'nobody-%s@%s' % (unique(), t.server.domain))]
    assert [r.condition() for r in answers] == ['service-unavailable'] * 2, answers
    put(a, PETER)
    assert got(b.iq('get', GET, a.bare)).text('FN') == 'Peter Saint-Andre'


def test_not_anothers(t):
    """XEP-0054 §3.2: setting somebody else's is forbidden, whether or not they exist"""
    a, b = t.online(), t.online()
    for to in (a.bare, 'nobody-%s@%s' % (unique(), t.server.domain)):
        r = put(b, PETER, to)
        assert r.condition() == 'forbidden', r
    assert a.iq('get', GET).condition() == 'item-not-found'


def test_kept(t):
    """XEP-0054: attributes, order and unknown elements stay as they were set"""
    a = t.online()
    a.iq('set', "<vCard xmlns='vcard-temp' version='3.0'><X-STATUS>1</X-STATUS><FN>A &lt;&amp;&gt; \u00e9</FN>"
         "<other xmlns='urn:example:o'>o</other></vCard>")
    v = got(a.iq('get', GET))
    assert v.get('version') == '3.0' and [e.name for e in v.all()] == ['X-STATUS', 'FN', 'other'], v
    assert v.text('FN') == 'A <&> \u00e9' and v.all('other', 'urn:example:o'), v


def test_photo(t):
    """XEP-0153 §3.1: the photo comes back with the rest, white space in base64 does not matter"""
    a, b = t.online(), t.online()
    text, sha1 = picture()
    assert put(a, '<FN>Juliet</FN>' + photo(text)).get('type') == 'result'
    for c in (a, b):
        v = got(c.iq('get', GET, a.bare))
        assert v.text('FN') == 'Juliet' and v.text('PHOTO', 'TYPE') == 'image/png', v
        assert hashlib.sha1(base64.b64decode(v.text('PHOTO', 'BINVAL'))).hexdigest() == sha1
    # Without one there is none.
    put(a, '<FN>Juliet</FN>')
    assert got(a.iq('get', GET)).find('PHOTO') is None


def test_photo_by_address(t):
    """XEP-0054: a photo that is only pointed to stays as it is, and gives no hash"""
    a = t.online()
    put(a, '<PHOTO><EXTVAL>https://example.org/me.png</EXTVAL></PHOTO><PHOTO><TYPE>image/png</TYPE><BINVAL> </BINVAL></PHOTO>')
    assert got(a.iq('get', GET)).text('PHOTO', 'EXTVAL') == 'https://example.org/me.png'
    assert hash_in(t.online(a).presence().expect_presence()) == ''


def test_bad_photo(t):
    """XEP-0153 §4.3: what is not base64 is bad-request, and nothing is stored"""
    a = t.online()
    for bad in ('!!!!', 'AAA', 'AAAA=', '=AAA', '\u00e9\u00e9'):
        r = put(a, '<FN>x</FN>' + photo(bad))
        assert r.condition() == 'bad-request', (bad, r)
    assert a.iq('get', GET).condition() == 'item-not-found'


@alone(limits__vcard_bytes='2k')
def test_too_big(t):
    """Limits: a vCard above limits.vcard_bytes is policy-violation"""
    a = t.online()
    assert put(a, '<DESC>%s</DESC>' % ('x' * 1500)).get('type') == 'result'
    r = put(a, '<DESC>%s</DESC>' % ('x' * 2100))
    assert r.condition() == 'policy-violation', r
    r = put(a, photo(base64.b64encode(b'x' * 2000).decode()))
    assert r.condition() == 'policy-violation', r
    assert len(got(a.iq('get', GET)).text('DESC')) == 1500
    assert t.server.metric('chancery_profile_refused_total') == 2


def test_malformed(t):
    """RFC 6120 §8.2.3: two vCards in one request; other elements; elements nobody knows"""
    a = t.online()
    r = a.iq('set', GET + GET)
    assert r.condition() == 'bad-request', r
    for payload in ("<vcard xmlns='vcard-temp'/>", "<vCard xmlns='vcard-tmp'/>", "<vcard xmlns='urn:chancery:photo:0'/>"):
        r = a.iq('set', payload)
        assert r.condition() == 'service-unavailable', r


def test_recorded(t):
    """Issue: what people can read in a vCard is recorded when it changes"""
    a = t.online()
    put(a, PETER + photo(picture()[0]))
    (row,) = t.server.records("from_bare = '%s' and kind = 8" % a.bare, 'to_bare, body, stanza')
    assert row[0] == a.bare and 'FN: Peter Saint-Andre\nN: Saint-Andre Peter\n' in row[1] and 'iVBOR' not in row[1], row
    assert '<EMAIL><INTERNET/><PREF/><USERID>stpeter@jabber.org</USERID></EMAIL>' in row[2] and 'iVBOR' in row[2], row
    b = t.online()
    put(b, PETER, a.bare)
    assert not t.server.records("from_bare = '%s' and kind = 8" % b.bare, 'id'), 'what was refused is not recorded'


def test_survives(t):
    """P2: what was acknowledged is there in the next session, and gone with the account"""
    a = t.online()
    put(a, '<NICKNAME>jules</NICKNAME>')
    a.close()
    assert got(t.online(a).iq('get', GET)).text('NICKNAME') == 'jules'


def test_order(t):
    """P8: a get behind a set sees what was set"""
    a = t.online()
    ids = [a.iq_send('set', "<vCard xmlns='vcard-temp'><FN>%d</FN></vCard>" % i) for i in range(5)]
    get = a.iq_send('get', GET)
    for id in ids:
        a.expect(lambda e: e.get('id') == id)
    assert got(a.expect(lambda e: e.get('id') == get)).text('FN') == '4'


def test_disco(t):
    """XEP-0054 §4, XEP-0292 §6: server and account say that they know vCards"""
    a = t.online()
    for to, want in ((t.server.domain, {'vcard-temp'}), (a.bare, {'vcard-temp', 'urn:ietf:params:xml:ns:vcard-4.0'})):
        r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        assert want <= {f.get('var') for f in r.find('info:query').all('feature')}, r


def test_as_vcard4(t):
    """XEP-0292 §3, §8: the same vCard as vCard4, by IQ"""
    a, b = t.online(), t.online()
    assert a.iq('get', GET4).condition() == 'item-not-found'
    assert b.iq('get', GET4, a.bare).condition() == 'service-unavailable'
    put(a, PETER)
    v = b.iq('get', GET4, a.bare).find('urn:ietf:params:xml:ns:vcard-4.0:vcard')
    assert v.text('fn', 'text') == 'Peter Saint-Andre' and v.text('n', 'surname') == 'Saint-Andre', v
    assert v.text('tel', 'uri') == 'tel:303-308-3282' and len(v.all('tel')) == 1, v
    assert [e.text() for e in v.find('tel', 'parameters', 'type').all('text')] == ['work', 'voice'], v
    assert v.text('org', 'text') == 'XMPP Standards Foundation' and v.text('bday', 'date') == '1966-08-06', v
    assert v.text('impp', 'uri') == 'xmpp:stpeter@jabber.org' and v.text('note', 'text').startswith('More'), v
    assert v.text('email', 'parameters', 'pref', 'integer') == '1', v


# Photo hashes in presence


def test_hash_in_presence(t):
    """XEP-0398 §5: presence carries the photo's hash, whatever the client said of it but that it shows none"""
    a, b = t.friends()
    text, sha1 = picture()
    put(a, photo(text))
    expect_hash(b, a.jid, sha1)
    for inner in ('', "<x xmlns='%s'/>" % UPDATE, "<x xmlns='%s'><photo>%s</photo></x>" % (UPDATE, 'a' * 40)):
        a.presence(inner='<status>%d</status>' % len(inner) + inner)
        p = b.expect_presence(None, a.jid)
        assert hash_in(p) == sha1 and len(p.all('x', UPDATE)) == 1 and p.text('status') == str(len(inner)), p
    a.presence(inner="<x xmlns='%s'><photo/></x>" % UPDATE)
    assert hash_in(b.expect_presence(None, a.jid)) == ''


def test_hash_upper_case(t):
    """XEP-0153 §3.1: the hash in capital letters is the same hash"""
    a, b = t.friends()
    text, sha1 = picture()
    put(a, photo(text))
    expect_hash(b, a.jid, sha1)
    a.presence(inner="<x xmlns='%s'><photo>%s</photo></x>" % (UPDATE, sha1.upper()))
    assert hash_in(b.expect_presence(None, a.jid)) == sha1.upper()


def test_without_photo(t):
    """XEP-0153 §4.1: without a photo, an empty <photo/>"""
    a, b = t.friends()
    a.presence()
    assert hash_in(b.expect_presence(None, a.jid)) == ''


def test_photo_changes(t):
    """XEP-0153 §3.1, XEP-0398: contacts hear of a new photo, from every device of its owner, and keep what else was said"""
    a, b = t.friends()
    other = t.online(a, priority=3)
    other.presence(inner='<show>dnd</show><priority>3</priority>')
    b.expect(lambda e: e.name == 'presence' and e.get('from') == other.jid and e.text('show') == 'dnd')
    for n in (1, 2):
        text, sha1 = picture(n)
        put(a, photo(text))
        expect_hash(b, a.jid, sha1)
        p = expect_hash(b, other.jid, sha1)
        assert p.text('show') == 'dnd' and p.text('priority') == '3', p
    put(a, '<FN>no photo</FN>')
    expect_hash(b, a.jid, '')
    # Somebody who comes later sees it too (RFC 6121 §4.3).
    put(a, photo(text))
    late = t.online(b)
    expect_hash(late, other.jid, sha1)


def test_declined(t):
    """XEP-0398 §5: a client that shows no picture is left alone when the photo changes"""
    a, b = t.friends()
    other = t.online(a)
    other.presence(inner="<status>shy</status><x xmlns='%s'><photo/></x>" % UPDATE)
    b.expect(lambda e: e.name == 'presence' and e.text('status') == 'shy')
    text, sha1 = picture()
    put(other, photo(text))
    expect_hash(b, a.jid, sha1)
    other.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence' and e.get('from') == other.jid and hash_in(e) == sha1)


def test_same_photo(t):
    """XEP-0153: the same photo again is no news"""
    a, b = t.friends()
    text, sha1 = picture()
    put(a, photo(text))
    expect_hash(b, a.jid, sha1)
    put(a, '<FN>x</FN>' + photo(text))
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence'), b.heard


def test_directed(t):
    """XEP-0398 §5: the hash is in directed presence too; unavailable presence is left alone"""
    a, b = t.online(), t.online()
    text, sha1 = picture()
    put(a, photo(text))
    a.presence(to=b.jid)
    assert hash_in(b.expect_presence(None, a.jid)) == sha1
    a.presence('unavailable', to=b.jid)
    assert hash_in(b.expect_presence('unavailable', a.jid)) is None


def test_after_restart(t):
    """XEP-0398 §5: the hash is known when the account is read again"""
    a = t.online()
    text, sha1 = picture()
    put(a, photo(text))
    a.close()
    b = t.client(a).authenticated()
    b.bind()
    b.presence()
    assert hash_in(b.expect_presence(None, b.jid)) == sha1

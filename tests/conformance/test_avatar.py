"""Avatars: XEP-0084, and the same picture in the vCard: XEP-0398."""
import base64
import hashlib
import struct

from chancerytest.scenario import alone

DATA, META, UPDATE = 'urn:xmpp:avatar:data', 'urn:xmpp:avatar:metadata', 'vcard-temp:x:update'
P = 'http://jabber.org/protocol/pubsub'
GET = "<vCard xmlns='vcard-temp'/>"


def picture(n=1, kind='png'):
    head = {'png': b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + struct.pack('>II', 64, 32) + b'\x08\x06\0\0\0',
            'gif': b'GIF89a' + struct.pack('<HH', 48, 24), 'none': b'plain text '}[kind]
    data = head + b'picture %d' % n * 8
    return base64.b64encode(data).decode(), hashlib.sha1(data).hexdigest(), len(data)


def options(access):
    return ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>%s#publish-options"
            "</value></field><field var='pubsub#access_model'><value>%s</value></field></x></publish-options>" % (P, access)
            if access else '')


def request(node, id, payload, access=None):
    item = "<item id='%s'>" % id if id else '<item>'
    return "<pubsub xmlns='%s'><publish node='%s'>%s%s</item></publish>%s</pubsub>" % (P, node, item, payload, options(access))


def publish(a, node, id, payload, access=None):
    r = a.iq('set', request(node, id, payload, access))
    assert r.get('type') == 'result', r


def info(sha1, size, more=''):
    return "<info bytes='%d' id='%s' type='image/png' %s/>" % (size, sha1, more)


def put_data(a, pic, access='open', id=None):
    publish(a, DATA, id or pic[1], "<data xmlns='%s'>%s</data>" % (DATA, pic[0]), access)


def put_metadata(a, inner, id=None, access='open'):
    publish(a, META, id, "<metadata xmlns='%s'>%s</metadata>" % (META, inner), access)


def avatar(a, pic, access='open'):
    put_data(a, pic, access)
    put_metadata(a, info(pic[1], pic[2]), pic[1], access)


def items(a, node, to=None):
    r = a.iq('get', "<pubsub xmlns='%s'><items node='%s'/></pubsub>" % (P, node), to)
    return r.find('%s:pubsub' % P, 'items').all('item') if r.get('type') == 'result' else r.condition()


def put_vcard(a, inner):
    r = a.iq('set', "<vCard xmlns='vcard-temp'>%s</vCard>" % inner)
    assert r.get('type') == 'result', r


def photo(pic, type='image/png'):
    return '<PHOTO><TYPE>%s</TYPE><BINVAL>%s</BINVAL></PHOTO>' % (type, pic[0])


def shows(c, from_, sha1):
    """Waits for presence with this hash: what was converted is in the vCard then."""
    def match(e):
        x = e.find('%s:x' % UPDATE)
        return e.name == 'presence' and e.get('from') == from_ and x is not None and x.text('photo') == sha1
    return c.expect(match, 'presence of %s with %r' % (from_, sha1))


def vcard_photo(c, of):
    """(type, hash) of the photo as c sees it; None: there is none."""
    v = c.iq('get', GET, of).find('vcard-temp:vCard')
    p = v.find('PHOTO') if v is not None else None
    return p and (p.text('TYPE'), hashlib.sha1(base64.b64decode(p.text('BINVAL'))).hexdigest())


def test_disco(t):
    """XEP-0398 §2: the account announces the conversion"""
    a = t.online()
    r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.bare)
    assert 'urn:xmpp:pep-vcard-conversion:0' in {f.get('var') for f in r.find('info:query').all('feature')}, r


def test_to_vcard(t):
    """XEP-0398 §3.1: a published avatar is in the vCard, and its hash in presence; the rest of the vCard stays"""
    a, stranger = t.online(), t.online()
    put_vcard(a, '<FN>Juliet</FN>')
    pic = picture()
    avatar(a, pic)
    shows(a, a.jid, pic[1])
    for c in (a, stranger):
        assert vcard_photo(c, a.bare) == ('image/png', pic[1])
    assert stranger.iq('get', GET, a.bare).text('vcard-temp:vCard', 'FN') == 'Juliet'


def test_to_vcard_alone(t):
    """XEP-0398 §3.1: without a vCard, the avatar alone is one"""
    a, b = t.friends()
    pic = picture()
    avatar(a, pic)
    shows(b, a.jid, pic[1])
    v = b.iq('get', GET, a.bare).find('vcard-temp:vCard')
    assert [e.name for e in v.all()] == ['PHOTO'], v


def test_one_after_another(t):
    """XEP-0398 §3.1: of several avatars in a row the last one stays"""
    a, b = t.friends()
    for n in range(1, 6):
        avatar(a, picture(n))
    last = picture(5)[1]
    shows(b, a.jid, last)
    assert vcard_photo(b, a.bare)[1] == last


def test_in_a_hurry(t):
    """XEP-0398 §3.1: the same when nothing is waited for, from two devices, with a vCard between"""
    a, b = t.friends()
    other = t.online(a)
    for n in range(1, 21):
        c = (a, other)[n % 2]
        pic = picture(n)
        c.iq_send('set', request(DATA, pic[1], "<data xmlns='%s'>%s</data>" % (DATA, pic[0]), 'open'))
        c.iq_send('set', request(META, pic[1], "<metadata xmlns='%s'>%s</metadata>" % (META, info(pic[1], pic[2])), 'open'))
        c.iq_send('set', request(NODE4, None, "<vcard xmlns='%s'><fn><text>%d</text></fn></vcard>" % (V4, n), 'open'))
        if n == 10:
            c.iq_send('set', "<vCard xmlns='vcard-temp'><FN>between</FN>%s</vCard>" % photo(picture(99)))
    for c in (a, other):
        c.ping(c.bare)
    last = picture(100)
    avatar(a, last)
    put4(a, '<fn><text>last</text></fn>')
    shows(b, a.jid, last[1])
    until(b, a.bare, lambda v: v.text('FN') == 'last')
    assert vcard_photo(b, a.bare)[1] == last[1]


def test_disabled(t):
    """XEP-0084 §3.5: empty metadata takes the photo out of the vCard"""
    a, b = t.friends()
    pic = picture()
    put_vcard(a, '<FN>Juliet</FN>')
    avatar(a, pic)
    shows(b, a.jid, pic[1])
    put_metadata(a, '')
    shows(b, a.jid, '')
    assert vcard_photo(b, a.bare) is None
    assert b.iq('get', GET, a.bare).text('vcard-temp:vCard', 'FN') == 'Juliet'


def test_several_formats(t):
    """XEP-0084 §5.1, XEP-0398 §3.1: of several formats the one that is not at an external address"""
    a, b = t.friends()
    pic = picture()
    put_data(a, pic)
    put_metadata(a, info('e279f80c38f99c1e7e53e262b440993b2f7eea57', 9, "url='http://avatars.example.org/happy.png'")
                 + info(pic[1], pic[2], "height='32' width='64'"), pic[1])
    shows(b, a.jid, pic[1])
    assert vcard_photo(b, a.bare) == ('image/png', pic[1])


def test_external_only(t):
    """XEP-0398 §3.1: an avatar at an external address only leaves the vCard as it is"""
    a, b = t.friends()
    one, two = picture(1), picture(2)
    avatar(a, one)
    shows(b, a.jid, one[1])
    put_metadata(a, info('e279f80c38f99c1e7e53e262b440993b2f7eea57', 9, "url='http://avatars.example.org/happy.png'"))
    # What comes behind it is converted behind it.
    avatar(a, two)
    shows(b, a.jid, two[1])
    assert not b.heard_any(lambda e: e.name == 'presence'), b.heard


def test_wrong_hash(t):
    """XEP-0398 §3.1: data that has not the hash of the metadata is not taken over; what is no base64 is not even published"""
    a, b = t.friends()
    one, two = picture(1), picture(2)
    put_data(a, one, id='0' * 40)
    put_metadata(a, info('0' * 40, one[2]))
    assert a.iq('set', request(DATA, '1' * 40, "<data xmlns='%s'>not base64!</data>" % DATA, 'open')).condition() == 'bad-request'
    put_metadata(a, info('1' * 40, 3))
    put_metadata(a, info('2' * 40, 3))     # no such data
    put_metadata(a, info('short', 3))
    avatar(a, two)
    shows(b, a.jid, two[1])
    assert not b.heard_any(lambda e: e.name == 'presence'), b.heard


def test_for_contacts(t):
    """XEP-0398 §8: an avatar for those who see one's presence is not in what strangers get"""
    a, b = t.friends()
    stranger = t.online()
    put_vcard(a, '<FN>Juliet</FN>')
    pic = picture()
    avatar(a, pic, 'presence')
    shows(b, a.jid, pic[1])
    assert vcard_photo(b, a.bare)[1] == vcard_photo(a, a.bare)[1] == pic[1]
    assert vcard_photo(stranger, a.bare) is None
    assert stranger.iq('get', GET, a.bare).text('vcard-temp:vCard', 'FN') == 'Juliet'


def test_for_oneself(t):
    """XEP-0398 §8: an avatar for oneself is in nobody else's answer, nor in presence"""
    a, b = t.friends()
    one, two = picture(1), picture(2)
    avatar(a, one, 'whitelist')
    avatar(t.friends(t.online(), b)[0], two)
    assert vcard_photo(b, a.bare) is None
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence' and e.get('from') == a.jid), b.heard


def test_from_vcard(t):
    """XEP-0398 §3.2: the photo of a vCard is published as data, then metadata, for everybody"""
    a, stranger = t.online(), t.online()
    pic = picture()
    put_vcard(a, '<FN>Juliet</FN>' + photo(pic))
    (data,) = items(stranger, DATA, a.bare)
    assert data.get('id') == pic[1] and data.text('%s:data' % DATA) == pic[0], data
    (meta,) = items(stranger, META, a.bare)
    (i,) = meta.find('%s:metadata' % META).all()
    assert meta.get('id') == pic[1] and i.attrs == {'id': pic[1], 'type': 'image/png', 'bytes': str(pic[2]), 'width': '64',
                                                    'height': '32'}, meta
    assert vcard_photo(stranger, a.bare) == ('image/png', pic[1])


def test_type_is_a_hint(t):
    """XEP-0153 §5: the type is that of the picture, whatever the vCard says"""
    a = t.online()
    pic = picture(1, 'gif')
    put_vcard(a, photo(pic, 'text/html'))
    (meta,) = items(a, META)
    i = meta.find('%s:metadata' % META, 'info')
    assert (i.get('type'), i.get('width'), i.get('height')) == ('image/gif', '48', '24'), i


def test_no_picture(t):
    """XEP-0398 §3.2: what is no picture stays in the vCard and is not published"""
    a = t.online()
    pic = picture(1, 'none')
    put_vcard(a, photo(pic, 'image/png'))
    assert items(a, META) in ('item-not-found', [])
    assert vcard_photo(a, a.bare)[1] == pic[1]


def test_photo_removed(t):
    """XEP-0398 §3.2, XEP-0084 §3.5: a vCard without a photo disables the avatar"""
    a = t.online()
    put_vcard(a, photo(picture()))
    put_vcard(a, '<FN>Juliet</FN>')
    (meta,) = items(a, META)
    assert not meta.find('%s:metadata' % META).all(), meta


def test_photo_replaced(t):
    """XEP-0398 §3.2: a new photo replaces the old avatar; the same again is not published again"""
    a = t.online()
    for n in (1, 2, 2):
        put_vcard(a, photo(picture(n)))
    (meta,) = items(a, META)
    (data,) = items(a, DATA)
    assert meta.get('id') == data.get('id') == picture(2)[1]
    kinds = t.server.records("to_bare = '%s' and kind in (8, 9)" % a.bare, "kind, position('%s' in stanza) > 0" % META)
    assert [k for k, _ in kinds].count('8') == 3 and sum(k == '9' and m == 't' for k, m in kinds) == 2, kinds


def test_own_configuration(t):
    """XEP-0398: a node that its owner keeps for contacts stays so when the photo comes by the vCard"""
    a, b = t.friends()
    stranger = t.online()
    one, two = picture(1), picture(2)
    avatar(a, one, 'presence')
    shows(b, a.jid, one[1])
    put_vcard(a, photo(two))
    (meta,) = items(b, META, a.bare)
    assert meta.get('id') == two[1], meta
    assert items(stranger, DATA, a.bare) in ('not-authorized', 'forbidden', 'item-not-found', 'service-unavailable')


@alone(limits__vcard_bytes='1k')
def test_too_big_for_a_vcard(t):
    """Limits: an avatar larger than a vCard may be stays an avatar"""
    a, b = t.friends()
    data = b'\x89PNG\r\n\x1a\n' + b'x' * 2000
    big = base64.b64encode(data).decode(), hashlib.sha1(data).hexdigest(), len(data)
    small = picture()
    avatar(a, big)
    assert items(b, META, a.bare)[0].get('id') == big[1]
    avatar(a, small)
    shows(b, a.jid, small[1])
    assert not b.heard_any(lambda e: e.name == 'presence'), b.heard


# vCard4 (XEP-0292) at its node

V4 = 'urn:ietf:params:xml:ns:vcard-4.0'
NODE4 = 'urn:xmpp:vcard4'


def put4(a, inner, access='open'):
    publish(a, NODE4, None, "<vcard xmlns='%s'>%s</vcard>" % (V4, inner), access)


def until(c, of, check):
    """What follows an event of one's own has no event: the vCard is asked for until it is there."""
    c.server.wait(lambda: check(c.iq('get', GET, of).find('vcard-temp:vCard')), 'the vCard')


def test_vcard4_from_temp(t):
    """XEP-0292 §3.1: what is set by vcard-temp is at the node, for everybody, and once"""
    a, b = t.online(), t.online()
    for _ in range(2):
        put_vcard(a, '<FN>Juliet</FN><EMAIL><HOME/><USERID>j@capulet.lit</USERID></EMAIL>')
    (item,) = items(b, NODE4, a.bare)
    v = item.find('%s:vcard' % V4)
    assert v.text('fn', 'text') == 'Juliet' and v.text('email', 'text') == 'j@capulet.lit', v
    kinds = t.server.records("to_bare = '%s' and kind = 9" % a.bare, 'kind')
    assert len(kinds) == 1, kinds
    put_vcard(a, '')
    (item,) = items(b, NODE4, a.bare)
    assert not item.find('%s:vcard' % V4).all(), item


def test_vcard4_to_temp(t):
    """XEP-0292 §3.1, §8: what is published at the node is in vcard-temp; what vCard4 cannot say stays there"""
    a, b = t.online(), t.online()
    put_vcard(a, '<FN>Juliet</FN><TITLE>Ms</TITLE><MAILER>dove</MAILER>')
    put4(a, "<fn><text>Juliet Capulet</text></fn><gender><sex><text>F</text></sex></gender>")
    until(b, a.bare, lambda v: v.text('FN') == 'Juliet Capulet')
    v = b.iq('get', GET, a.bare).find('vcard-temp:vCard')
    assert v.text('MAILER') == 'dove' and v.find('TITLE') is None, v
    v = b.iq('get', "<vcard xmlns='%s'/>" % V4, a.bare).find('%s:vcard' % V4)
    assert v.text('gender', 'sex', 'text') == 'F', 'as it was published'


def test_vcard4_not_for_all(t):
    """XEP-0292 §7: what not everybody may read does not get into vcard-temp, which everybody may read"""
    a, b = t.friends()
    put4(a, '<fn><text>Secret</text></fn>', 'presence')
    pic = picture()
    avatar(a, pic)
    shows(b, a.jid, pic[1])
    v = b.iq('get', GET, a.bare).find('vcard-temp:vCard')
    assert v.find('FN') is None, v

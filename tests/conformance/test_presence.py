"""Presence (RFC 6121 §4)."""
from chancerytest.element import NAMES


def test_initial(t):
    """RFC 6121 §4.2: initial presence reaches the contacts, and theirs comes back; one's own resources too"""
    a, b = t.friends()
    a2 = t.bound(a)
    a2.roster()
    a2.presence(inner='<show>away</show>')
    for c in (a, b):
        p = c.expect_presence(None, a2.jid)
        assert p.text('show') == 'away', p
    a2.expect_presence(None, b.jid)
    a2.expect_presence(None, a.jid)


def test_to_is_stamped(t):
    """RFC 6121 §4.2.2: what contacts get is from the full JID"""
    a, b = t.friends()
    a.presence(inner='<status>hello</status>')
    p = b.expect_presence(None, a.jid)
    assert p.get('to') in (b.bare, b.jid, None), p


def test_unavailable(t):
    """RFC 6121 §4.5: unavailable presence with its status reaches the contacts"""
    a, b = t.friends()
    a.presence('unavailable', inner='<status>asleep</status>')
    p = b.expect_presence('unavailable', a.jid)
    assert p.text('status') == 'asleep', p
    a.message(b.jid, 'still connected')
    b.expect_message('still connected')


def test_stream_closed(t):
    """RFC 6121 §4.5.2: a stream that ends is unavailable to the contacts, closed or cut"""
    a, b = t.friends()
    a.close()
    b.expect_presence('unavailable', a.jid)
    a = t.online(a)
    b.expect_presence(None, a.jid)
    a.cut()
    b.expect_presence('unavailable', a.jid)


def test_strangers_see_nothing(t):
    """RFC 6121 §4.2.2: who is not subscribed sees nothing"""
    a, b = t.online(), t.online()
    a.presence(inner='<status>private</status>')
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence' and (e.get('from') or '').startswith(a.bare))


def test_directed(t):
    """RFC 6121 §4.6: directed presence reaches its address, and unavailable follows when the sender leaves"""
    a, b = t.online(), t.online()
    a.presence(to=b.jid, inner='<status>only you</status>')
    assert b.expect_presence(None, a.jid).text('status') == 'only you'
    a.close()
    b.expect_presence('unavailable', a.jid)


def test_directed_taken_back(t):
    """RFC 6121 §4.6.3: after directed unavailable nothing more is told"""
    a, b = t.online(), t.online()
    a.presence(to=b.jid)
    b.expect_presence(None, a.jid)
    a.presence('unavailable', to=b.jid)
    b.expect_presence('unavailable', a.jid)
    a.presence('unavailable')
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence' and e.get('from') == a.jid)


def test_probe(t):
    """RFC 6121 §4.3: a client's probe is answered for who may see, and not for others"""
    a, b = t.friends()
    stranger = t.online()
    a.presence('probe', to=b.bare)
    a.expect_presence(None, b.jid)
    stranger.presence('probe', to=b.bare)
    stranger.sync(b)
    b.sync(stranger)
    assert not stranger.heard_any(lambda e: e.name == 'presence' and e.get('from') == b.jid)
    b.presence('unavailable')
    a.expect_presence('unavailable', b.jid)
    for c in (stranger, a):
        c.stanza("<presence type='probe' id='where' to='%s'/>" % b.bare)
    a.expect_presence('unavailable', b.bare)
    stranger.sync(b)
    b.sync(stranger)
    assert not stranger.heard_any(lambda e: e.name == 'presence' and e.get('from') == b.bare)


def test_last_presence_counts(t):
    """RFC 6121 §4.3.2: who comes later gets the last presence, with its extensions"""
    a, b = t.friends()
    a.presence(inner="<show>dnd</show><c xmlns='%s' hash='sha-1' node='urn:x' ver='x'/>" % NAMES['caps'])
    b.expect_presence(None, a.jid)
    b2 = t.online(b)
    p = b2.expect_presence(None, a.jid)
    assert p.text('show') == 'dnd' and p.find('caps:c') is not None, p


def test_bad_values(t):
    """RFC 6121 §4.7: unknown types and values are errors, or harmless"""
    a, b = t.friends()
    for to, condition in (('', 'bad-request'), (" to='%s'" % b.bare, 'bad-request'), (" to='@@'", 'jid-malformed')):
        a.stanza("<presence type='surprise' id='s'%s/>" % to)
        e = a.expect(lambda e: e.name == 'presence' and e.get('type') == 'error')
        assert e.condition() == condition and e.get('id') == 's', e
    for priority in ('999', '-129', 'high', ''):
        a.stanza('<presence><priority>%s</priority></presence>' % priority)
    assert a.ping().get('type') == 'result'
    a.sync(b)


def test_presence_to_nobody(t):
    """RFC 6121 §8.5.1: presence to an account that does not exist is dropped"""
    a = t.online()
    a.presence(to='nobody-at-all@%s' % t.server.domain)
    assert a.ping().get('type') == 'result'
    assert not a.heard_any(lambda e: e.name == 'presence' and e.get('type') == 'error')


def test_many_resources(t):
    """RFC 6121 §4.2.2: each of several resources is told of the others"""
    first = t.online()
    rest = [t.online(first) for _ in range(4)]
    for i, c in enumerate(rest):
        first.expect_presence(None, c.jid)
        c.expect_presence(None, first.jid)
    rest[0].close()
    for c in [first] + rest[1:]:
        c.expect_presence('unavailable', rest[0].jid)

"""Private XML Storage: XEP-0049."""
from chancerytest.client import unique
from chancerytest.scenario import alone

PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"


def q(inner):
    return "<query xmlns='jabber:iq:private'>%s</query>" % inner


def get(a, inner, to=None):
    r = a.iq('get', q(inner), to)
    assert r.get('type') == 'result', r
    (e,) = r.find('jabber:iq:private:query').all()
    return e


def put(a, inner, to=None):
    return a.iq('set', q(inner), to)


def test_set_and_get(t):
    """XEP-0049 §2.3, examples 1 and 2: what was stored comes back, on every device"""
    a = t.online()
    r = put(a, PREFS)
    assert r.get('type') == 'result' and not r.all(), r
    for c, to in ((a, None), (a, a.bare), (t.online(a), None)):
        e = get(c, "<exodus xmlns='exodus:prefs'/>", to)
        assert e.ns == 'exodus:prefs' and e.text('defaultnick') == 'Hamlet', e


def test_never_set(t):
    """XEP-0049 §2.3: what was never set is empty"""
    e = get(t.online(), "<roster xmlns='roster:delimiter'/>")
    assert e.name == 'roster' and e.ns == 'roster:delimiter' and not e.children, e


def test_replaced(t):
    """XEP-0049: an element replaces the one of its name and namespace, and no other"""
    a = t.online()
    put(a, PREFS)
    put(a, "<other xmlns='exodus:prefs'>o</other>")
    put(a, "<exodus xmlns='exodus:more'>m</exodus>")
    put(a, "<exodus xmlns='exodus:prefs'><defaultnick>Macbeth</defaultnick></exodus>")
    assert get(a, "<exodus xmlns='exodus:prefs'/>").text('defaultnick') == 'Macbeth'
    assert get(a, "<other xmlns='exodus:prefs'/>").text() == 'o'
    assert get(a, "<exodus xmlns='exodus:more'/>").text() == 'm'


def test_several_at_once(t):
    """XEP-0049 §2.3: a set may have several elements"""
    a = t.online()
    assert put(a, "<a xmlns='urn:example:a'>1</a><b xmlns='urn:example:a'>2</b><a xmlns='urn:example:b'>3</a>").get('type') == 'result'
    assert [get(a, x).text() for x in ("<a xmlns='urn:example:a'/>", "<b xmlns='urn:example:a'/>", "<a xmlns='urn:example:b'/>")] == \
        ['1', '2', '3']


def test_of_others(t):
    """XEP-0049 §2.3, example 3: somebody else's is forbidden, whether or not they exist"""
    a, b = t.online(), t.online()
    put(a, PREFS)
    for to in (a.bare, 'nobody-%s@%s' % (unique(), t.server.domain)):
        for type, inner in (('set', "<exodus xmlns='exodus:prefs'>x</exodus>"), ('get', "<exodus xmlns='exodus:prefs'/>")):
            r = b.iq(type, q(inner), to)
            assert r.condition() == 'forbidden', r
    assert get(a, "<exodus xmlns='exodus:prefs'/>").text('defaultnick') == 'Hamlet'
    assert get(b, "<exodus xmlns='exodus:prefs'/>").children == []


def test_nothing_asked(t):
    """XEP-0049 §2.3, §3: without a child, or with two, a get is bad-request; a set without one not-acceptable"""
    a = t.online()
    assert a.iq('get', q('')).condition() == 'bad-request'
    assert a.iq('get', q("<a xmlns='urn:example:a'/><b xmlns='urn:example:b'/>")).condition() == 'bad-request'
    assert put(a, '').condition() == 'not-acceptable'
    assert put(a, 'text').condition() == 'not-acceptable'


def test_no_namespace(t):
    """XEP-0049 §2.3: an element without a namespace of its own is not-acceptable; twice the same is bad-request"""
    a = t.online()
    for inner in ('<prefs/>', "<prefs xmlns=''/>", "<prefs xmlns='jabber:client'/>", "<p xmlns='urn:example:p'/><prefs/>"):
        r = put(a, inner)
        assert r.condition() == 'not-acceptable', (inner, r)
        assert a.iq('get', q('<prefs/>')).condition() == 'not-acceptable'
    assert put(a, "<p xmlns='urn:example:p'>1</p><p xmlns='urn:example:p'>2</p>").condition() == 'bad-request'
    assert get(a, "<p xmlns='urn:example:p'/>").children == []


def test_long_names(t):
    """Bad input: names too long for an index are not-acceptable, and the session lives on"""
    a = t.online()
    for inner in ("<p xmlns='urn:%s'/>" % ('n' * 9000), "<%s xmlns='urn:example:p'/>" % ('n' * 9000)):
        assert put(a, inner).condition() == 'not-acceptable'
    assert put(a, "<p xmlns='urn:%s'>x</p>" % ('n' * 900)).get('type') == 'result'


@alone(limits__private_bytes='2k', limits__private_elements='3')
def test_quota(t):
    """Limits: bytes and elements of an account in all; what is refused is neither stored nor recorded"""
    a = t.online()
    assert put(a, "<a xmlns='urn:example:a'>%s</a>" % ('x' * 1500)).get('type') == 'result'
    r = put(a, "<b xmlns='urn:example:b'>%s</b>" % ('x' * 600))
    assert r.condition() == 'policy-violation', r
    # In its own place there is room, for it is replaced.
    assert put(a, "<a xmlns='urn:example:a'>%s</a>" % ('y' * 1900)).get('type') == 'result'
    assert put(a, "<a xmlns='urn:example:a'>z</a><b xmlns='urn:example:b'/><c xmlns='urn:example:c'/>").get('type') == 'result'
    r = put(a, "<d xmlns='urn:example:d'/>")
    assert r.condition() == 'policy-violation', r
    r = put(t.online(), ''.join("<e%d xmlns='urn:example:e'/>" % i for i in range(4)))
    assert r.condition() == 'policy-violation', r
    assert get(a, "<a xmlns='urn:example:a'/>").text() == 'z'
    assert len(t.server.records("from_bare = '%s' and kind = 10" % a.bare, 'id')) == 3
    assert t.server.metric('chancery_profile_refused_total') == 3


def test_recorded(t):
    """Issue: private data is recorded when it changes"""
    a = t.online()
    put(a, PREFS)
    get(a, "<exodus xmlns='exodus:prefs'/>")
    (row,) = t.server.records("from_bare = '%s' and kind = 10" % a.bare, 'to_bare, body, stanza')
    assert row[0] == a.bare and 'Hamlet' in row[1] and 'jabber:iq:private' in row[2], row


def test_disco(t):
    """XEP-0030: the feature"""
    a = t.online()
    for to in (t.server.domain, a.bare):
        r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        assert 'jabber:iq:private' in {f.get('var') for f in r.find('info:query').all('feature')}, r

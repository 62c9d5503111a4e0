"""Bookmarks: XEP-0402 for clients that have only private XML (XEP-0048, XEP-0049)."""
import re

from chancerytest.client import unique
from chancerytest.scenario import alone

P = 'http://jabber.org/protocol/pubsub'
NS = 'urn:xmpp:bookmarks:1'
PLAY = 'theplay@conference.shakespeare.lit'
ORCHARD = 'orchard@conference.shakespeare.lit'


def options(**more):
    fields = {'persist_items': 'true', 'max_items': 'max', 'send_last_published_item': 'never', 'access_model': 'whitelist', **more}
    return ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>%s#publish-options"
            "</value></field>%s</x></publish-options>" % (P, ''.join(
                "<field var='pubsub#%s'><value>%s</value></field>" % f for f in fields.items())))


def publish(a, id, inner='', attrs='', **more):
    r = a.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item id='%s'><conference xmlns='%s' %s>%s</conference></item></publish>%s"
             "</pubsub>" % (P, NS, id, NS, attrs, inner, options(**more)))
    assert r.get('type') == 'result', r


def items(a, to=None):
    """{room: conference}"""
    r = a.iq('get', "<pubsub xmlns='%s'><items node='%s'/></pubsub>" % (P, NS), to)
    if r.get('type') == 'error':
        return r.condition()
    return {i.get('id'): i.find('%s:conference' % NS) for i in r.find('%s:pubsub' % P, 'items').all('item')}


def q(inner):
    return "<query xmlns='jabber:iq:private'>%s</query>" % inner


def put_old(a, inner):
    return a.iq('set', q("<storage xmlns='storage:bookmarks'>%s</storage>" % inner))


def get_old(a):
    r = a.iq('get', q("<storage xmlns='storage:bookmarks'/>"))
    assert r.get('type') == 'result', r
    return r.find('jabber:iq:private:query', 'storage:bookmarks:storage')


def rooms(a):
    return {c.get('jid'): c for c in get_old(a).all('conference')}


def changes(t, a):
    """What of the node has been changed, in order."""
    rows = t.server.records("to_bare = '%s' and kind = 9" % a.bare, 'stanza')
    return [re.search(r"<(publish|retract) .*?<item id='([^']*)'", r[0]).groups() for r in rows if NS in r[0]]


def conference(jid, inner='', attrs=''):
    return "<conference jid='%s' %s>%s</conference>" % (jid, attrs, inner)


def test_disco(t):
    """XEP-0402 §5.3: the account announces that both are the same"""
    a = t.online()
    r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.bare)
    assert 'urn:xmpp:bookmarks:1#compat' in {f.get('var') for f in r.find('info:query').all('feature')}, r


def test_none(t):
    """XEP-0049: without bookmarks, an empty storage"""
    assert not get_old(t.online()).children


def test_new_to_old(t):
    """XEP-0402 §5.3.1: items of the node are the conferences of an old client"""
    a = t.online()
    publish(a, PLAY, '<nick>JC</nick><password>cauldron</password>', "name='The Play&apos;s the Thing' autojoin='1'")
    publish(a, ORCHARD, "<extensions><state xmlns='http://myclient.example/bookmark/state' minimized='true'/></extensions>")
    got = rooms(a)
    assert set(got) == {PLAY, ORCHARD}, got
    c = got[PLAY]
    assert (c.get('name'), c.get('autojoin'), c.text('nick'), c.text('password')) == ("The Play's the Thing", 'true', 'JC', 'cauldron'), c
    c = got[ORCHARD]
    assert c.get('name') is None and c.get('autojoin') is None and c.find('nick') is None, c
    assert c.all('state', 'http://myclient.example/bookmark/state'), c


def test_old_to_new(t):
    """XEP-0402 §5.3.2: conferences that an old client sets are items of the node, for their owner only"""
    a, b = t.friends()
    r = put_old(a, conference(PLAY, '<nick>JC</nick>', "name='The Play' autojoin='true'") + conference(ORCHARD))
    assert r.get('type') == 'result', r
    got = items(a)
    assert set(got) == {PLAY, ORCHARD}, got
    c = got[PLAY]
    assert (c.get('name'), c.get('autojoin'), c.text('nick'), c.get('jid')) == ('The Play', 'true', 'JC', None), c
    assert not got[ORCHARD].children and not got[ORCHARD].attrs, got
    assert isinstance(items(b, a.bare), str), 'not for others'
    assert set(rooms(t.online(a))) == {PLAY, ORCHARD}


def test_only_what_differs(t):
    """XEP-0402 §5.3.2: items that have not changed are not published again; missing ones are retracted"""
    a = t.online()
    put_old(a, conference(PLAY, '<nick>JC</nick>') + conference(ORCHARD))
    put_old(a, conference(PLAY, '<nick>JC</nick>', "autojoin='false'") + conference(ORCHARD, attrs="name=''"))
    put_old(a, conference(PLAY, '<nick>Caesar</nick>') + conference(ORCHARD))
    put_old(a, conference(PLAY, '<nick>Caesar</nick>'))
    put_old(a, '')
    assert changes(t, a) == [('publish', PLAY), ('publish', ORCHARD), ('publish', PLAY), ('retract', ORCHARD), ('retract', PLAY)]
    assert items(a) in ({}, 'item-not-found') and not rooms(a)


def test_round_trip(t):
    """XEP-0402 §5.3: an old client that sets what it got changes nothing, and its one change is one"""
    a = t.online()
    publish(a, PLAY, "<nick>JC</nick><extensions><state xmlns='urn:example:s' minimized='true'/></extensions>", "name='A &amp; B' autojoin='1'")
    publish(a, ORCHARD)
    n = len(changes(t, a))
    put_old(a, ''.join(str(c) for c in get_old(a).all()))
    assert len(changes(t, a)) == n
    put_old(a, ''.join(str(c) for c in get_old(a).all()) + conference('new@conference.shakespeare.lit'))
    assert changes(t, a)[n:] == [('publish', 'new@conference.shakespeare.lit')]


def test_extensions(t):
    """XEP-0402 §3.4: extensions outlive an old client that drops them, also when it changes something else"""
    a = t.online()
    state = "<state xmlns='urn:example:s' minimized='true'/>"
    publish(a, PLAY, '<nick>JC</nick><extensions>%s</extensions>' % state)
    put_old(a, conference(PLAY, '<nick>JC</nick>'))
    put_old(a, conference(PLAY, '<nick>Caesar</nick>'))
    c = items(a)[PLAY]
    assert c.text('nick') == 'Caesar' and c.find('extensions').all('state', 'urn:example:s'), c
    # And what it adds of its own becomes one.
    put_old(a, conference(PLAY, "<nick>Caesar</nick><print xmlns='urn:example:p'>all</print>"))
    c = items(a)[PLAY].find('extensions')
    assert [e.name for e in c.all()] == ['print'], c


def test_urls(t):
    """XEP-0048 §2.2: web pages stay in private XML, beside the conferences"""
    a = t.online()
    url = "<url name='Complete Works' url='http://the-tech.mit.edu/Shakespeare/'/>"
    put_old(a, url + conference(PLAY))
    s = get_old(a)
    assert [e.name for e in s.all()] == ['url', 'conference'] and s.find('url').get('name') == 'Complete Works', s
    assert set(items(a)) == {PLAY}
    put_old(a, url)
    assert [e.name for e in get_old(a).all()] == ['url']


def test_names_are_prepared(t):
    """XEP-0048 §2.1: the same room in other letters, or twice, is one bookmark"""
    a = t.online()
    assert put_old(a, conference('ThePlay@Conference.Shakespeare.lit', attrs="name='first'")
                   + conference(PLAY + '/JC', attrs="name='second'")).get('type') == 'result'
    got = items(a)
    assert list(got) == [PLAY] and got[PLAY].get('name') == 'first', got


def test_without_address(t):
    """XEP-0048 §2.1: a conference without an address, or with none, is bad-request; nothing is changed"""
    a = t.online()
    put_old(a, conference(PLAY))
    for bad in ('<conference/>', conference(''), conference('a@b@c'), conference('@x')):
        r = put_old(a, conference(ORCHARD) + bad)
        assert r.condition() == 'bad-request', (bad, r)
    assert set(items(a)) == {PLAY} == set(rooms(a))
    assert len(t.server.records("from_bare = '%s' and kind = 10" % a.bare, 'id')) == 1


def test_of_others(t):
    """XEP-0049 §2.3: nobody else's, whichever way one asks"""
    a, b = t.online(), t.online()
    put_old(a, conference(PLAY))
    storage = "<storage xmlns='storage:bookmarks'/>"
    assert b.iq('get', q(storage), a.bare).condition() == 'forbidden'
    for c in (a, b):
        for type in ('get', 'set'):
            assert c.iq(type, storage, a.bare).condition() == 'service-unavailable'
    assert set(items(a)) == {PLAY}


def test_not_for_all(t):
    """XEP-0411 §6: a node that others could read is made private when an old client sets bookmarks"""
    a, b = t.friends()
    publish(a, PLAY, access_model='open')
    assert set(items(b, a.bare)) == {PLAY}
    assert put_old(a, conference(PLAY) + conference(ORCHARD)).get('type') == 'result'
    assert set(items(a)) == {PLAY, ORCHARD}
    assert isinstance(items(b, a.bare), str)


@alone(limits__bookmarks='3')
def test_too_many(t):
    """Limits: more than limits.bookmarks at once is policy-violation, and changes nothing"""
    a = t.online()
    assert put_old(a, ''.join(conference('r%d@c.example' % i) for i in range(3))).get('type') == 'result'
    assert put_old(a, ''.join(conference('s%d@c.example' % i) for i in range(4))).condition() == 'policy-violation'
    assert set(items(a)) == {'r%d@c.example' % i for i in range(3)}
    assert t.server.metric('chancery_profile_refused_total') == 1


def test_notifications(t):
    """XEP-0402 §4: a new client hears at once what an old one has set and removed"""
    a = t.online()
    new = t.bound(a)
    ver = unique('v')
    new.presence(inner="<c xmlns='http://jabber.org/protocol/caps' node='urn:example:%s' ver='%s'/>" % (ver, ver))
    ask = new.expect(lambda e: e.name == 'iq' and e.find('info:query') is not None, 'a question for capabilities')
    new.stanza("<iq type='result' id='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info' node='%s'>"
               "<identity category='client' type='pc'/><feature var='http://jabber.org/protocol/disco#info'/>"
               "<feature var='%s+notify'/></query></iq>"
               % (ask.get('id'), ask.get('from'), ask.find('info:query').get('node') or '', NS))
    new.ping(new.server.domain)

    def event(e):
        i = e.find('%s#event:event' % P, 'items')
        return i is not None and i.get('node') == NS
    put_old(a, conference(PLAY))
    i = new.expect(event, 'an event').find('%s#event:event' % P, 'items', 'item')
    assert i.get('id') == PLAY and i.find('%s:conference' % NS) is not None, i
    put_old(a, '')
    i = new.expect(event, 'an event').find('%s#event:event' % P, 'items', 'retract')
    assert i.get('id') == PLAY, i


def test_survives(t):
    """P2: what was acknowledged is there in the next session"""
    a = t.online()
    put_old(a, conference(PLAY))
    a.close()
    assert set(rooms(t.online(a))) == {PLAY}

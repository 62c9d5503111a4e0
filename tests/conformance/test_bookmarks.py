"""Bookmarks: XEP-0402 for clients that have only XEP-0048, in private XML (XEP-0049) or in PEP (XEP-0223, XEP-0411)."""
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
    features = {f.get('var') for f in r.find('info:query').all('feature')}
    assert {NS + '#compat', NS + '#compat-pep', 'urn:xmpp:bookmarks-conversion:0'} <= features, r


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


def follower(t, a, node):
    """A device of a's whose client announces NODE+notify."""
    c = t.bound(a)
    ver = unique('v')
    c.presence(inner="<c xmlns='http://jabber.org/protocol/caps' node='urn:example:%s' ver='%s'/>" % (ver, ver))
    ask = c.expect(lambda e: e.name == 'iq' and e.find('info:query') is not None, 'a question for capabilities')
    c.stanza("<iq type='result' id='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info' node='%s'>"
             "<identity category='client' type='pc'/><feature var='http://jabber.org/protocol/disco#info'/>"
             "<feature var='%s+notify'/></query></iq>"
             % (ask.get('id'), ask.get('from'), ask.find('info:query').get('node') or '', node))
    c.ping(c.server.domain)
    return c


def hears(c, node, check=lambda items: True):
    """The next event of the node for which check(<items/>) is true."""
    def is_event(e):
        i = e.find('%s#event:event' % P, 'items')
        return i is not None and i.get('node') == node and check(i)
    return c.expect(is_event, 'an event of ' + node).find('%s#event:event' % P, 'items')


def test_notifications(t):
    """XEP-0402 §4: a new client hears at once what an old one has set and removed"""
    a = t.online()
    new = follower(t, a, NS)
    put_old(a, conference(PLAY))
    i = hears(new, NS).find('item')
    assert i.get('id') == PLAY and i.find('%s:conference' % NS) is not None, i
    put_old(a, '')
    assert hears(new, NS).find('retract').get('id') == PLAY


# The copy at the node storage:bookmarks

OLD = 'storage:bookmarks'


def put_copy(a, inner, **more):
    """As a client of XEP-0048 in PEP publishes its list."""
    form = options(**{'max_items': '1', 'send_last_published_item': 'on_sub_and_presence', **more}) if more.pop('options', True) else ''
    return a.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item id='current'><storage xmlns='%s'>%s</storage></item></publish>%s"
                "</pubsub>" % (P, OLD, OLD, inner, form))


def get_copy(a, to=None):
    """<storage/>; None: there is none"""
    r = a.iq('get', "<pubsub xmlns='%s'><items node='%s'/></pubsub>" % (P, OLD), to)
    i = r.find('%s:pubsub' % P, 'items', 'item')
    return i and i.find('%s:storage' % OLD)


def copied(a):
    s = get_copy(a)
    return {c.get('jid') for c in s.all('conference')} if s is not None else set()


def in_event(items):
    return {c.get('jid') for c in items.find('item', '%s:storage' % OLD).all('conference')}


def agree(t, a, rooms):
    t.server.wait(lambda: copied(a) == rooms == set(x for x in items(a) if x != 'item-not-found'), 'both lists to be %r' % rooms)


def test_copy_of_items(t):
    """XEP-0402 §5.3.1 (#compat-pep): a client that follows storage:bookmarks hears at once what another has bookmarked"""
    a = t.online()
    old = follower(t, a, OLD)
    publish(a, PLAY, '<nick>JC</nick><password>cauldron</password>', "name='The Play&apos;s the Thing' autojoin='1'")
    i = hears(old, OLD)
    c = i.find('item', '%s:storage' % OLD, 'conference')
    assert i.find('item').get('id') == 'current', i
    assert (c.get('jid'), c.get('name'), c.get('autojoin'), c.text('nick'), c.text('password')) == (
        PLAY, "The Play's the Thing", 'true', 'JC', 'cauldron'), c
    publish(a, ORCHARD)
    assert in_event(hears(old, OLD)) == {PLAY, ORCHARD}
    a.iq('set', "<pubsub xmlns='%s'><retract node='%s' notify='true'><item id='%s'/></retract></pubsub>" % (P, NS, PLAY))
    assert in_event(hears(old, OLD)) == {ORCHARD}
    assert copied(old) == {ORCHARD}


def test_copy_to_items(t):
    """XEP-0402 §5.3.2 (#compat-pep): a list published at storage:bookmarks becomes items; a new client hears of what differs"""
    a = t.online()
    new = follower(t, a, NS)
    assert put_copy(a, conference(PLAY, '<nick>JC</nick>', "autojoin='1'") + conference(ORCHARD)).get('type') == 'result'
    got = [hears(new, NS).find('item') for _ in range(2)]
    assert [i.get('id') for i in got] == [PLAY, ORCHARD], got
    c = got[0].find('%s:conference' % NS)
    assert (c.get('autojoin'), c.text('nick')) == ('true', 'JC'), c
    assert put_copy(a, conference(ORCHARD)).get('type') == 'result'
    assert hears(new, NS).find('retract').get('id') == PLAY
    assert set(items(a)) == {ORCHARD} == set(rooms(a))
    agree(t, a, {ORCHARD})
    # What the client said in its way is left as it said it: nothing is published in return.
    r = t.server.records("to_bare = '%s' and kind = 9" % a.bare, 'stanza')
    assert len([x for x in r if "publish node='%s'" % OLD in x[0].replace('"', "'")]) == 2, r


def test_copy_of_private(t):
    """XEP-0411 §4: a list set in private XML comes to clients that follow storage:bookmarks"""
    a = t.online()
    old = follower(t, a, OLD)
    put_old(a, conference(PLAY))
    assert in_event(hears(old, OLD)) == {PLAY}
    put_copy(old, conference(PLAY) + conference(ORCHARD))
    agree(t, a, {PLAY, ORCHARD})
    assert set(rooms(a)) == {PLAY, ORCHARD}


def test_copy_keeps_more(t):
    """XEP-0048 §2.2, XEP-0402 §3.4: web pages stay in the copy; extensions outlive a client that drops them"""
    a = t.online()
    publish(a, PLAY, "<extensions><state xmlns='urn:example:s'/></extensions>")
    put_copy(a, "<url name='Complete Works' url='http://the-tech.mit.edu/Shakespeare/'/>" + conference(PLAY))
    publish(a, ORCHARD)
    agree(t, a, {PLAY, ORCHARD})
    s = get_copy(a)
    assert [e.name for e in s.all()] == ['url', 'conference', 'conference'], s
    assert items(a)[PLAY].find('extensions').all('state', 'urn:example:s')


def test_copy_then_item(t):
    """XEP-0402 §5.3.2: what is bookmarked while a list is still being taken over stays"""
    rooms = {PLAY, *('r%d@conference.shakespeare.lit' % i for i in range(8))}
    for _ in range(10):     # which of the two is read first is the workers' luck
        a = t.online()
        publish(a, PLAY)
        a.stanza("<iq type='set' id='list'><pubsub xmlns='%s'><publish node='%s'><item id='current'><storage xmlns='%s'>%s</storage></item>"
                 "</publish></pubsub></iq><iq type='set' id='item'><pubsub xmlns='%s'><publish node='%s'><item id='%s'><conference xmlns='%s'/>"
                 "</item></publish></pubsub></iq>" % (P, OLD, OLD, ''.join(conference(r) for r in sorted(rooms)), P, NS, ORCHARD, NS))
        for id in 'list', 'item':
            r = a.expect(lambda e: e.name == 'iq' and e.get('id') == id, 'the answer to ' + id)
            assert r.get('type') == 'result', r
        agree(t, a, {ORCHARD, *rooms})
        a.close()


def test_copy_is_private(t):
    """XEP-0411 §6: neither the copy nor the items are others' to read, whatever the node was configured as"""
    a, b = t.friends()
    publish(a, PLAY)
    agree(t, a, {PLAY})
    assert get_copy(b, a.bare) is None
    put_copy(a, conference(PLAY), access_model='open', options=False)
    r = a.iq('set', "<pubsub xmlns='%s#owner'><configure node='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
             "%s#node_config</value></field><field var='pubsub#access_model'><value>open</value></field></x></configure></pubsub>"
             % (P, OLD, P))
    assert r.get('type') == 'result', r
    assert get_copy(b, a.bare) is not None
    publish(a, ORCHARD)
    agree(t, a, {PLAY, ORCHARD})
    assert get_copy(b, a.bare) is None and isinstance(items(b, a.bare), str)


def test_copy_from_before(t):
    """XEP-0411 §5: rooms that only the copy has become items when a client comes that follows it; nothing is taken away"""
    a = t.online()
    publish(a, PLAY, "<nick>JC</nick>")
    agree(t, a, {PLAY})
    # Published without being told of: what a server did that did not convert.
    r = a.iq('set', "<pubsub xmlns='%s#owner'><configure node='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
             "%s#node_config</value></field><field var='pubsub#deliver_notifications'><value>0</value></field></x></configure></pubsub>"
             % (P, OLD, P))
    assert r.get('type') == 'result', r
    put_copy(a, conference(ORCHARD), options=False)
    assert set(items(a)) == {PLAY}
    follower(t, a, OLD)
    agree(t, a, {PLAY, ORCHARD})
    assert items(a)[PLAY].text('nick') == 'JC'


def test_copy_malformed(t):
    """XEP-0048 §2.1: a list with a conference without an address changes no item, and is put right"""
    a = t.online()
    publish(a, PLAY)
    agree(t, a, {PLAY})
    for bad in ('<conference/>', conference('a@b@c')):
        put_copy(a, conference(ORCHARD) + bad)
        agree(t, a, {PLAY})
    # What is no list at all is nobody's business.
    a.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item id='current'><x xmlns='urn:example:x'/></item></publish></pubsub>" % (P, OLD))
    publish(a, ORCHARD)
    agree(t, a, {PLAY, ORCHARD})


def test_copy_together(t):
    """P7: two clients that change both lists at once come to the same list, and it stays so"""
    a = t.online()
    new, old = follower(t, a, NS), follower(t, a, OLD)
    for i in range(10):
        new.send("<iq type='set' id='n%d'><pubsub xmlns='%s'><publish node='%s'><item id='r%d@c.example'><conference xmlns='%s'/></item>"
                 "</publish></pubsub></iq>" % (i, P, NS, i, NS))
        old.send("<iq type='set' id='o%d'><pubsub xmlns='%s'><publish node='%s'><item id='current'><storage xmlns='%s'>%s</storage></item>"
                 "</publish></pubsub></iq>" % (i, P, OLD, OLD, ''.join(conference('s%d@c.example' % j) for j in range(i + 1))))
    for i in range(10):
        new.expect(lambda e: e.get('id') == 'n%d' % i, 'an answer')
        old.expect(lambda e: e.get('id') == 'o%d' % i, 'an answer')
    wanted = {'s%d@c.example' % i for i in range(10)}
    t.server.wait(lambda: wanted <= copied(a) == set(items(a)), 'the lists to agree')
    publish(a, PLAY)
    t.server.wait(lambda: wanted | {PLAY} <= copied(a) == set(items(a)), 'the lists to agree')


def test_copy_forged(t):
    """XEP-0163 §4.3.1: what somebody else sends as an event of the copy changes nothing"""
    a, b = t.friends()
    publish(a, PLAY)
    event = ("<event xmlns='%s#event'><items node='%s'><item id='current'><storage xmlns='%s'>%s</storage></item></items></event>"
             "<addresses xmlns='http://jabber.org/protocol/address'><address type='replyto' jid='%s'/></addresses>"
             % (P, OLD, OLD, conference(ORCHARD), a.jid))
    for c in (a, b):
        c.stanza("<message type='headline' to='%s'>%s</message>" % (a.bare, event))
        c.ping(c.server.domain)
    agree(t, a, {PLAY})


@alone(limits__bookmarks='3')
def test_copy_too_many(t):
    """Limits: a longer list than limits.bookmarks is not converted, and the copy is put right"""
    a = t.online()
    put_copy(a, ''.join(conference('r%d@c.example' % i) for i in range(3)))
    agree(t, a, {'r%d@c.example' % i for i in range(3)})
    put_copy(a, ''.join(conference('s%d@c.example' % i) for i in range(4)))
    agree(t, a, {'r%d@c.example' % i for i in range(3)})
    assert t.server.metric('chancery_profile_refused_total') == 1


def test_survives(t):
    """P2: what was acknowledged is there in the next session"""
    a = t.online()
    put_old(a, conference(PLAY))
    a.close()
    assert set(rooms(t.online(a))) == {PLAY}

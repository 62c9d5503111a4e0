"""Personal eventing (XEP-0163 over XEP-0060), private data (XEP-0223), nicknames (XEP-0172)."""
import base64
import hashlib

from chancerytest.client import unique
from chancerytest.element import NAMES, escape
from chancerytest.scenario import alone

P = 'http://jabber.org/protocol/pubsub'
OWNER, EVENT, ERRORS = P + '#owner', P + '#event', P + '#errors'
TUNE, NICK = 'http://jabber.org/protocol/tune', 'http://jabber.org/protocol/nick'


# -- what clients say -------------------------------------------------------------------------------------

def payload(text='x', ns=TUNE):
    return "<tune xmlns='%s'><title>%s</title></tune>" % (ns, escape(text))


def form(type, fields, kind='submit'):
    rows = ''
    for k, v in fields.items():
        values = v if isinstance(v, list) else [v]
        rows += "<field var='pubsub#%s'>%s</field>" % (k, ''.join('<value>%s</value>' % escape(x) for x in values))
    return ("<x xmlns='jabber:x:data' type='%s'><field var='FORM_TYPE' type='hidden'><value>%s#%s</value></field>%s</x>"
            % (kind, P, type, rows))


def options(fields):
    return '<publish-options>%s</publish-options>' % form('publish-options', fields)


def item(id=None, inner=None):
    i = " id='%s'" % escape(id) if id is not None else ''
    return '<item%s>%s</item>' % (i, payload() if inner is None else inner)


def publish(c, node, id=None, inner=None, to=None, **opts):
    o = options(opts) if opts else ''
    return c.iq('set', "<pubsub xmlns='%s'><publish node='%s'>%s</publish>%s</pubsub>"
                % (P, escape(node), item(id, inner), o), to)


def pubsub(c, type, inner, to=None, ns=P):
    return c.iq(type, "<pubsub xmlns='%s'>%s</pubsub>" % (ns, inner), to)


def items(c, node, to=None, more='', page='', max=None):
    m = " max_items='%d'" % max if max else ''
    return pubsub(c, 'get', "<items node='%s'%s>%s</items>%s" % (escape(node), m, more, page), to)


def ids(r):
    assert r.get('type') == 'result', r
    return [e.get('id') for e in r.all('pubsub')[0].all('items')[0].all('item')]


def configure(c, node, **fields):
    return pubsub(c, 'set', "<configure node='%s'>%s</configure>" % (escape(node), form('node_config', fields)), ns=OWNER)


def config(c, node):
    r = pubsub(c, 'get', "<configure node='%s'/>" % escape(node), ns=OWNER)
    assert r.get('type') == 'result', r
    x = r.all('pubsub')[0].all('configure')[0].all('x')[0]
    return {f.get('var')[7:]: [v.text() for v in f.all('value')] for f in x.all('field') if f.get('var').startswith('pubsub#')}


def ok(r):
    assert r.get('type') == 'result', r
    return r


def refused(r, condition, specific=None, feature=None):
    assert r.get('type') == 'error' and r.condition() == condition, r
    found = [e for e in r.find('error').all() if e.ns == ERRORS]
    assert (found[0].name if found else None) == specific, r
    if feature:
        assert found[0].get('feature') == feature, r


# -- clients with interests -------------------------------------------------------------------------------

def hello(c, *nodes, inner=''):
    """Available, with a client that wants to hear of these nodes; until the server knows."""
    f = sorted(n + '+notify' for n in nodes) + [unique('urn:example:f')]
    s = 'client/pc//T<' + ''.join(x + '<' for x in sorted(f))
    v = base64.b64encode(hashlib.sha1(s.encode()).digest()).decode()
    c.online(inner="<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:t' ver='%s'/>%s" % (v, inner))
    q = c.expect(lambda e: e.name == 'iq' and e.get('type') == 'get' and e.find('info:query') is not None, 'a question')
    c.stanza("<iq type='result' id='%s' to='%s'><query xmlns='%s' node='%s'><identity category='client' type='pc' name='T'/>%s"
             "</query></iq>" % (q.get('id'), q.get('from'), NAMES['info'], escape(q.find('info:query').get('node')),
                                ''.join("<feature var='%s'/>" % escape(x) for x in f)))
    c.ping()
    return c


def is_event(e):
    return e.name == 'message' and any(x.ns == EVENT for x in e.all('event'))


def event(c, node):
    """(message, the child of <event/>)"""
    m = c.expect(lambda e: is_event(e) and e.all('event')[0].all()[0].get('node') == node, 'an event at ' + node)
    return m, m.all('event')[0].all()[0]


def no_events(c, after):
    """Nothing came; `after` has the order of things on its side."""
    after.sync(c)
    c.ping()
    assert not c.heard_any(is_event), c.heard


def couple(t):
    a, b = t.friends(t.online(), t.online())
    return a, b


# -- XEP-0163 -----------------------------------------------------------------------------------------------

def test_publish(t):
    """XEP-0163 §1.2, §4.3: contacts and all own resources that asked for it get the event, addressed in full"""
    a, b = couple(t)
    a2 = t.online(a, resource='chamber')
    for c in (a, a2, b):
        hello(c, TUNE)
    r = ok(publish(a, TUNE, 'i1', payload('Finzi')))
    assert ids_of_publish(r) == ['i1'], r
    for c in (a, a2, b):
        m, e = event(c, TUNE)
        assert m.get('from') == a.bare and m.get('to') == c.jid and m.get('type') == 'headline' and m.get('id'), m
        assert e.name == 'items' and e.all('item')[0].get('id') == 'i1' and 'Finzi' in str(e), m
        assert m.find('addresses', 'address').get('jid') == a.jid, m


def ids_of_publish(r):
    return [i.get('id') for i in r.all('pubsub')[0].all('publish')[0].all('item')]


def test_item_id_given(t):
    """XEP-0060 §7.1.2: without an id the service gives one; the same id replaces"""
    a = t.online()
    id = ids_of_publish(ok(publish(a, 'n', inner=payload('one'))))[0]
    assert id
    ok(publish(a, 'n', id, payload('two')))
    r = items(a, 'n')
    assert ids(r) == [id] and 'two' in str(r) and 'one' not in str(r), r


def test_filter(t):
    """XEP-0060 §9.2: only who announces NODE+notify is told"""
    a, b = couple(t)
    b2 = t.online(b, resource='deaf')
    hello(b, NICK)
    ok(publish(a, TUNE))
    no_events(b, a)
    no_events(b2, a)
    ok(publish(a, NICK, inner="<nick xmlns='%s'>CallMeIshmael</nick>" % NICK))
    assert 'CallMeIshmael' in str(event(b, NICK)[0])
    no_events(b2, a)


def test_strangers_hear_nothing(t):
    """XEP-0163 §3.3: the default access model is presence"""
    a, b = t.online(), t.online()
    hello(b, TUNE)
    ok(publish(a, TUNE))
    no_events(b, a)
    refused(items(b, TUNE, a.bare), 'not-authorized', 'presence-subscription-required')


def test_strangers_learn_nothing(t):
    """XEP-0030 §8: a node, no node and no account look alike to a stranger"""
    a, b = t.online(), t.online()
    ok(publish(a, TUNE, access_model='whitelist'))
    answers = [items(b, n, to) for n, to in ((TUNE, a.bare), ('nothing', a.bare), (TUNE, 'nobody-%s@%s' % (unique(), t.server.domain)))]
    answers = [str(r.find('error')) for r in answers]
    assert len(set(answers)) == 1, answers
    for set_ in ("<publish node='n'>%s</publish>" % item(), "<create node='n'/>", "<retract node='n'><item id='x'/></retract>"):
        for to in (a.bare, 'nobody-%s@%s' % (unique(), t.server.domain)):
            refused(pubsub(b, 'set', set_, to), 'forbidden')
    for o in ("<configure node='%s'/>" % TUNE, "<affiliations node='%s'/>" % TUNE, '<default/>'):
        refused(pubsub(b, 'get', o, a.bare, OWNER), 'forbidden')
    for o in ("<delete node='%s'/>" % TUNE, "<purge node='%s'/>" % TUNE):
        refused(pubsub(b, 'set', o, a.bare, OWNER), 'forbidden')


def test_last_item(t):
    """XEP-0163 §4.3.4: the last item comes to a resource that becomes available, with its time; once"""
    a, b = couple(t)
    ok(publish(a, TUNE, 'i1', payload('Finzi')))
    ok(publish(b, TUNE, 'own', payload('Elgar')))
    c = hello(t.bound(b, resource='new'), TUNE)
    seen = {}
    for _ in range(2):
        m, e = event(c, TUNE)
        assert m.find('delay:delay').get('stamp') and m.get('to') == c.jid, m
        seen[m.get('from')] = e.all('item')[0].get('id')
    assert seen == {a.bare: 'i1', b.bare: 'own'}, seen
    c.online(inner='<show>away</show>')
    c.ping()
    assert not c.heard_any(is_event), c.heard


def test_last_item_new_interest(t):
    """XEP-0060 §9.2: a client that announces more gets the last items of that only"""
    a = t.online()
    ok(publish(a, TUNE))
    ok(publish(a, NICK, inner="<nick xmlns='%s'>A</nick>" % NICK))
    hello(a, TUNE)
    event(a, TUNE)
    hello(a, TUNE, NICK)
    event(a, NICK)
    a.ping()
    assert not a.heard_any(is_event), a.heard


def test_last_item_interest_again(t):
    """XEP-0163 §4.3: who gives up an interest and announces it again is told the last item again"""
    a, b = t.friends()
    hello(b, TUNE)
    ok(publish(a, TUNE))
    event(b, TUNE)
    hello(b, NICK)
    ok(publish(a, TUNE))
    b.sync(a)
    hello(b, TUNE, NICK)
    event(b, TUNE)
    b.ping()
    assert not b.heard_any(is_event), b.heard


def test_last_item_after_return(t):
    """XEP-0163 §4.3.3: who goes and comes again is told again"""
    a = t.online()
    ok(publish(a, TUNE))
    hello(a, TUNE)
    event(a, TUNE)
    a.presence('unavailable')
    a.expect_presence('unavailable', a.jid)
    hello(a, TUNE)
    event(a, TUNE)


def test_last_item_on_subscription(t):
    """XEP-0163 §4.3.4: a contact that is accepted gets the last item"""
    a, b = t.online(), t.online()
    hello(b, TUNE)
    ok(publish(a, TUNE, 'i1'))
    b.presence('subscribe', to=a.bare)
    a.expect_presence('subscribe', b.bare)
    a.presence('subscribed', to=b.bare)
    m, e = event(b, TUNE)
    assert m.get('from') == a.bare and e.all('item')[0].get('id') == 'i1', m


def test_never_send_last(t):
    """XEP-0060 §8.2: send_last_published_item never (as XEP-0490 wants it): nothing comes by itself"""
    a = t.online()
    ok(publish(a, TUNE, send_last_published_item='never', access_model='whitelist', max_items='max', persist_items='true'))
    c = hello(t.bound(a, resource='new'), TUNE)
    c.ping()
    assert not c.heard_any(is_event), c.heard
    ok(publish(a, TUNE, 'later'))
    assert event(c, TUNE)[1].all('item')[0].get('id') == 'later'


def test_unsubscribed(t):
    """XEP-0163 §7.1: who no longer sees the presence is told no more"""
    a, b = couple(t)
    hello(b, TUNE)
    a.presence('unsubscribed', to=b.bare)
    b.expect_presence('unsubscribed', a.bare)
    ok(publish(a, TUNE))
    no_events(b, a)
    refused(items(b, TUNE, a.bare), 'not-authorized', 'presence-subscription-required')


# -- access models ------------------------------------------------------------------------------------------

def test_open(t):
    """XEP-0060 §4.5: a node that is open is anybody's to read"""
    a, b = t.online(), t.online()
    ok(publish(a, 'urn:open', 'i', access_model='open'))
    assert ids(items(b, 'urn:open', a.bare)) == ['i']


def test_whitelist(t):
    """XEP-0060 §8.9: members of the whitelist see it, other contacts do not"""
    a, b = couple(t)
    hello(b, TUNE)
    ok(publish(a, TUNE, 'i', access_model='whitelist'))
    no_events(b, a)
    refused(items(b, TUNE, a.bare), 'not-allowed', 'closed-node')
    ok(pubsub(a, 'set', "<affiliations node='%s'><affiliation jid='%s' affiliation='member'/></affiliations>" % (TUNE, b.jid), ns=OWNER))
    assert ids(items(b, TUNE, a.bare)) == ['i']
    r = pubsub(a, 'get', "<affiliations node='%s'/>" % TUNE, ns=OWNER).all('pubsub')[0].all('affiliations')[0]
    assert {(x.get('jid'), x.get('affiliation')) for x in r.all('affiliation')} == {(a.bare, 'owner'), (b.bare, 'member')}, r
    r = ok(pubsub(b, 'get', '<affiliations/>', a.bare)).all('pubsub')[0].all('affiliations')[0]
    assert [(x.get('node'), x.get('affiliation')) for x in r.all('affiliation')] == [(TUNE, 'member')], r
    ok(publish(a, TUNE, 'j'))
    event(b, TUNE)
    ok(pubsub(a, 'set', "<affiliations node='%s'><affiliation jid='%s' affiliation='none'/></affiliations>" % (TUNE, b.bare), ns=OWNER))
    refused(items(b, TUNE, a.bare), 'not-allowed', 'closed-node')


def test_affiliation_errors(t):
    """XEP-0060 §8.9.2.4: affiliations that there are not, and an account that would leave itself"""
    a = t.online()
    ok(publish(a, TUNE))

    def set(jid, affiliation, node=TUNE):
        return pubsub(a, 'set', "<affiliations node='%s'><affiliation jid='%s' affiliation='%s'/></affiliations>"
                      % (node, jid, affiliation), ns=OWNER)
    refused(set('x@y.z', 'owner'), 'feature-not-implemented', 'unsupported', 'modify-affiliations')
    refused(set('x@y.z', 'king'), 'not-acceptable')
    r = set(a.bare, 'none')
    refused(r, 'not-acceptable')
    e = r.all('pubsub')[0].all('affiliations')[0].all('affiliation')[0]
    assert e.get('jid') == a.bare and e.get('affiliation') == 'owner', r
    refused(set('@', 'member'), 'bad-request')
    refused(set('x@y.z', 'member', 'nothing'), 'item-not-found')


def test_roster_groups(t):
    """XEP-0060 §4.5: access model roster: contacts in one of the groups"""
    a, b = couple(t)
    hello(b, TUNE)
    ok(publish(a, TUNE, 'i', access_model='roster', roster_groups_allowed=['Friends', 'Servants']))
    refused(items(b, TUNE, a.bare), 'not-authorized', 'not-in-roster-group')
    no_events(b, a)
    ok(a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s'><group>Friends</group></item></query>" % b.bare))
    assert ids(items(b, TUNE, a.bare)) == ['i']
    ok(publish(a, TUNE, 'j'))
    event(b, TUNE)


def question(c, jid):
    return c.expect(lambda e: e.name == 'message' and jid in str(e) and 'subscribe_authorization' in str(e), 'a request to decide')


def decide(c, q, allow, to=None):
    """Answers the form of a request (§8.6)"""
    x = q.find('data:x')
    v = {f.get('var'): f.text('value') for f in x.all('field')}
    v['pubsub#allow'] = allow
    rows = ''.join("<field var='%s'><value>%s</value></field>" % (k, escape(x)) for k, x in v.items())
    c.stanza("<message to='%s' id='%s'><x xmlns='jabber:x:data' type='submit'>%s</x></message>"
             % (to or q.get('from'), q.get('id'), rows))


def subscription_event(c, node):
    m = c.expect(lambda e: is_event(e) and e.all('event')[0].all()[0].name == 'subscription'
                 and e.all('event')[0].all()[0].get('node') == node, 'the state of a subscription')
    return m.all('event')[0].all()[0].get('subscription')


def test_authorize(t):
    """XEP-0060 §4.5, §6.1.4, §8.6: access model authorize: the owner decides, also who comes later; the request waits that long"""
    a, b, s = t.online(), t.online(), t.online()
    ok(publish(a, 'urn:ask', 'i', access_model='authorize'))
    r = ok(subscribe(s, 'urn:ask', a.bare)).all('pubsub')[0].all('subscription')[0]
    assert r.get('subscription') == 'pending', r
    q = question(a, s.bare)
    refused(subscribe(s, 'urn:ask', a.bare), 'not-authorized', 'pending-subscription')
    refused(items(s, 'urn:ask', a.bare), 'not-authorized', 'presence-subscription-required')
    ok(publish(a, 'urn:ask', 'j'))
    no_events(s, a)
    decide(a, q, '1')
    assert subscription_event(s, 'urn:ask') == 'subscribed'
    assert event(s, 'urn:ask')[1].all('item')[0].get('id') == 'j'
    assert ids(items(s, 'urn:ask', a.bare)) == ['j']
    a2 = t.online(a, resource='later')
    a2.ping()
    assert not a2.heard_any(lambda e: e.name == 'message'), a2.heard
    ok(subscribe(b, 'urn:ask', a.bare))
    decide(a, question(a, b.bare), 'false')
    assert subscription_event(b, 'urn:ask') == 'none'
    refused(subscribe(b, 'urn:ask', a.bare, verb='unsubscribe'), 'not-authorized', 'presence-subscription-required')


def test_forged_decision(t):
    """XEP-0060 §8.6: a decision by somebody else decides nothing"""
    a, s = t.online(), t.online()
    ok(publish(a, 'urn:ask', 'i', access_model='authorize'))
    ok(subscribe(s, 'urn:ask', a.bare))
    q = question(a, s.bare)
    decide(s, q, '1', a.bare)
    s.sync(a)
    refused(items(s, 'urn:ask', a.bare), 'not-authorized', 'presence-subscription-required')


def test_publish_model(t):
    """XEP-0060 §4.1, §7.1.3.1: open to others by publish_model or affiliation; not to put others' items out of the way"""
    a, b = t.online(), t.online()
    ok(publish(a, 'urn:wall', 'mine', access_model='open', max_items='max'))
    refused(publish(b, 'urn:wall', 'x', to=a.bare), 'forbidden')
    ok(configure(a, 'urn:wall', publish_model='open', itemreply='publisher'))
    ok(publish(b, 'urn:wall', 'x', to=a.bare))
    refused(publish(b, 'urn:wall', 'mine', to=a.bare), 'forbidden')
    r = items(a, 'urn:wall')
    assert [(i.get('id'), i.get('publisher')) for i in r.all('pubsub')[0].all('items')[0].all('item')] == \
        [('mine', a.jid), ('x', b.jid)], r
    refused(pubsub(b, 'set', "<retract node='urn:wall'><item id='mine'/></retract>", a.bare), 'forbidden')
    ok(pubsub(b, 'set', "<retract node='urn:wall'><item id='x'/></retract>", a.bare))
    ok(pubsub(a, 'set', "<affiliations node='urn:wall'><affiliation jid='%s' affiliation='outcast'/></affiliations>" % b.bare, ns=OWNER))
    refused(publish(b, 'urn:wall', 'y', to=a.bare), 'forbidden')
    refused(items(b, 'urn:wall', a.bare), 'not-authorized', 'presence-subscription-required')


# -- publish-options ----------------------------------------------------------------------------------------

def test_preconditions(t):
    """XEP-0060 §7.1.5, XEP-0223 §4: a node is made as wished; later wishes have to fit"""
    a = t.online()
    private = {'persist_items': 'true', 'access_model': 'whitelist', 'max_items': 'max', 'send_last_published_item': 'never'}
    ok(publish(a, 'storage:bookmarks', 'i', **private))
    c = config(a, 'storage:bookmarks')
    assert c['access_model'] == ['whitelist'] and c['max_items'] == ['max'] and c['send_last_published_item'] == ['never'], c
    ok(publish(a, 'storage:bookmarks', 'j', **private))
    refused(publish(a, 'storage:bookmarks', 'k', access_model='presence'), 'conflict', 'precondition-not-met')
    refused(publish(a, 'storage:bookmarks', 'k', max_items='1'), 'conflict', 'precondition-not-met')
    assert ids(items(a, 'storage:bookmarks')) == ['i', 'j']


def test_unknown_preconditions(t):
    """XEP-0060 §7.1.5: unknown fields are never met, nor values that no node can have; no node is left behind"""
    a = t.online()
    for wish in ({'surprise': '1'}, {'access_model': 'secret'}, {'publish_model': 'nobody'}, {'max_items': '0'},
                 {'max_items': '99999999'}, {'item_expire': 'soon'}, {'tempsub': '1'}):
        refused(publish(a, 'n', 'i', **wish), 'conflict', 'precondition-not-met')
    refused(items(a, 'n'), 'item-not-found')
    ok(publish(a, 'n', 'i', publish_model='publishers', purge_offline='false'))


def test_malformed_options(t):
    """XEP-0060 §7.1.5: options have a form of their own type"""
    a = t.online()
    for x in (form('node_config', {'access_model': 'open'}), "<x xmlns='jabber:x:data'/>"):
        refused(pubsub(a, 'set', "<publish node='n'>%s</publish><publish-options>%s</publish-options>" % (item(), x)),
                'bad-request', 'invalid-options')


# -- items --------------------------------------------------------------------------------------------------

def test_max_items(t):
    """XEP-0060 §7.1.2.7: the oldest make room; what is published again becomes the newest"""
    a = t.online()
    for i in ('a', 'b', 'c', 'b', 'd'):
        ok(publish(a, 'n', i, max_items='3'))
    assert ids(items(a, 'n')) == ['c', 'b', 'd']
    assert ids(items(a, 'n', max=2)) == ['b', 'd']
    assert ids(items(a, 'n', more="<item id='c'/><item id='gone'/>")) == ['c']
    ok(configure(a, 'n', max_items='1'))
    assert ids(items(a, 'n')) == ['d']


def test_pages(t):
    """XEP-0060 §6.5.4, XEP-0059: items by pages, both ways"""
    a = t.online()
    all = ['i%d' % i for i in range(7)]
    for i in all:
        ok(publish(a, 'n', i, max_items='max'))

    def page(inner):
        r = items(a, 'n', page="<set xmlns='http://jabber.org/protocol/rsm'>%s</set>" % inner)
        s = r.all('pubsub')[0].all('set')[0]
        assert s.text('count') == '7', r
        return ids(r), s.find('first').get('index') if s.find('first') is not None else None
    assert page('<max>3</max>') == (all[:3], '0')
    assert page('<max>3</max><after>i2</after>') == (all[3:6], '3')
    assert page('<max>3</max><after>i5</after>') == (all[6:], '6')
    assert page('<max>3</max><before/>') == (all[4:], '4')
    assert page('<max>3</max><before>i4</before>') == (all[1:4], '1')
    assert page('<after>i6</after>') == ([], None)
    assert page('<max>0</max>') == ([], None)
    r = items(a, 'n', page="<set xmlns='http://jabber.org/protocol/rsm'><after>nothing</after></set>")
    refused(r, 'item-not-found')


def test_publish_errors(t):
    """XEP-0060 §7.1.3: what can be wrong with an item"""
    a = t.online()
    refused(pubsub(a, 'set', '<publish>%s</publish>' % item()), 'bad-request', 'nodeid-required')
    refused(pubsub(a, 'set', "<publish node='n'/>"), 'bad-request', 'item-required')
    refused(publish(a, 'n', 'i', ''), 'bad-request', 'payload-required')
    refused(publish(a, 'n', 'i', payload() + payload()), 'bad-request', 'invalid-payload')
    refused(pubsub(a, 'set', "<publish node='n'>%s%s</publish>" % (item(), item())), 'bad-request', 'invalid-payload')
    refused(pubsub(a, 'set', '<surprise/>'), 'bad-request')
    refused(items(a, 'n'), 'item-not-found')
    ok(publish(a, 'small', 'i', max_payload_size='100'))
    refused(publish(a, 'small', 'j', payload('x' * 200)), 'not-acceptable', 'payload-too-big')


def test_transient(t):
    """XEP-0060 §4.3: what does not persist is told and forgotten; without payloads there is no item either"""
    a = hello(t.bound(), TUNE, NICK)
    ok(publish(a, TUNE, 'i', persist_items='false'))
    event(a, TUNE)
    refused(items(a, TUNE), 'feature-not-implemented', 'unsupported', 'persistent-items')
    refused(pubsub(a, 'set', "<retract node='%s'><item id='i'/></retract>" % TUNE), 'feature-not-implemented', 'unsupported',
            'persistent-items')
    refused(pubsub(a, 'set', "<purge node='%s'/>" % TUNE, ns=OWNER), 'feature-not-implemented', 'unsupported', 'persistent-items')
    x = form('node_config', {'persist_items': '0', 'deliver_payloads': '0'})
    ok(pubsub(a, 'set', "<create node='%s'/><configure>%s</configure>" % (NICK, x)))
    refused(publish(a, NICK, 'i', ''), 'bad-request', 'item-forbidden')
    ok(pubsub(a, 'set', "<publish node='%s'/>" % NICK))
    assert event(a, NICK)[1].all('item') == []


def test_notification_only(t):
    """XEP-0060 §7.1.2.2: without deliver_payloads events carry the id alone, and the item can be fetched"""
    a = t.online()
    hello(a, TUNE)
    ok(publish(a, TUNE, 'i', payload('secret'), deliver_payloads='false'))
    m, e = event(a, TUNE)
    assert e.all('item')[0].get('id') == 'i' and 'secret' not in str(m), m
    assert 'secret' in str(items(a, TUNE))


def test_normal_messages(t):
    """XEP-0060 §16.4.4: notification_type normal; and deliver_notifications off"""
    a = t.online()
    hello(a, TUNE, NICK)
    ok(publish(a, TUNE, 'i', notification_type='normal'))
    assert event(a, TUNE)[0].get('type') == 'normal'
    ok(publish(a, NICK, 'i', deliver_notifications='false'))
    a.ping()
    assert not a.heard_any(is_event), a.heard


def test_retract(t):
    """XEP-0060 §7.2: an item is removed; subscribers hear of it"""
    a, b = couple(t)
    hello(b, TUNE)
    ok(publish(a, TUNE, 'i'))
    event(b, TUNE)
    r = ok(pubsub(a, 'set', "<retract node='%s' notify='true'><item id='i'/></retract>" % TUNE))
    assert not r.all(), r
    m, e = event(b, TUNE)
    assert e.all('retract')[0].get('id') == 'i', m
    assert ids(items(a, TUNE)) == []
    ok(publish(a, TUNE, 'j'))
    event(b, TUNE)
    ok(pubsub(a, 'set', "<retract node='%s' notify='0'><item id='j'/></retract>" % TUNE))
    no_events(b, a)


def test_retract_errors(t):
    """XEP-0060 §7.2.3"""
    a = t.online()
    ok(publish(a, TUNE, 'i'))
    refused(pubsub(a, 'set', "<retract><item id='i'/></retract>"), 'bad-request', 'nodeid-required')
    refused(pubsub(a, 'set', "<retract node='%s'/>" % TUNE), 'bad-request', 'item-required')
    refused(pubsub(a, 'set', "<retract node='%s'><item/></retract>" % TUNE), 'bad-request', 'item-required')
    refused(pubsub(a, 'set', "<retract node='%s'><item id='other'/></retract>" % TUNE), 'item-not-found')
    refused(pubsub(a, 'set', "<retract node='other'><item id='i'/></retract>"), 'item-not-found')


# -- nodes --------------------------------------------------------------------------------------------------

def test_create(t):
    """XEP-0060 §8.1: create, create and configure, instant nodes; what is there is a conflict"""
    a = t.online()
    ok(pubsub(a, 'set', "<create node='n'/>"))
    refused(pubsub(a, 'set', "<create node='n'/>"), 'conflict')
    assert config(a, 'n')['access_model'] == ['presence'] and config(a, 'n')['max_items'] == ['1']
    ok(pubsub(a, 'set', "<create node='m'/><configure>%s</configure>" % form('node_config', {'access_model': 'open', 'title': 'T'})))
    assert config(a, 'm')['access_model'] == ['open'] and config(a, 'm')['title'] == ['T']
    node = ok(pubsub(a, 'set', '<create/>')).all('pubsub')[0].all('create')[0].get('node')
    ok(publish(a, node))


def test_configure(t):
    """XEP-0060 §8.2: asked, set, cancelled; §8.3: defaults"""
    a = t.online()
    ok(publish(a, TUNE))
    hello(a, TUNE)
    event(a, TUNE)
    ok(configure(a, TUNE, access_model='open', notify_config='1', title='Tunes', unheard_of='1'))
    m, e = event(a, TUNE)
    assert e.name == 'configuration' and 'open' in str(e), m
    assert config(a, TUNE)['title'] == ['Tunes']
    ok(pubsub(a, 'set', "<configure node='%s'><x xmlns='jabber:x:data' type='cancel'/></configure>" % TUNE, ns=OWNER))
    assert config(a, TUNE)['title'] == ['Tunes']
    r = ok(pubsub(a, 'get', '<default/>', ns=OWNER))
    assert r.all('pubsub')[0].all('default')[0].all('x'), r


def test_configure_errors(t):
    """XEP-0060 §8.2.5.2: what cannot be is not-acceptable; forms of the wrong kind are bad"""
    a = t.online()
    ok(publish(a, 'n'))
    refused(configure(a, 'n', max_items='many'), 'not-acceptable')
    refused(configure(a, 'n', persist_items='perhaps'), 'not-acceptable')
    refused(configure(a, 'n', publish_model='nobody'), 'not-acceptable')
    refused(configure(a, 'n', presence_based_delivery='0'), 'not-acceptable')
    refused(configure(a, 'other', max_items='2'), 'item-not-found')
    refused(pubsub(a, 'get', "<configure node='other'/>", ns=OWNER), 'item-not-found')
    refused(pubsub(a, 'get', '<configure/>', ns=OWNER), 'bad-request', 'nodeid-required')
    refused(pubsub(a, 'set', "<configure node='n'/>", ns=OWNER), 'bad-request')
    refused(pubsub(a, 'set', "<configure node='n'>%s</configure>" % form('publish-options', {}), ns=OWNER), 'bad-request')
    assert config(a, 'n')['max_items'] == ['1']


def test_delete_and_purge(t):
    """XEP-0060 §8.4, §8.5: subscribers are told once"""
    a, b = couple(t)
    hello(b, TUNE)
    ok(publish(a, TUNE, 'i', max_items='max'))
    event(b, TUNE)
    ok(pubsub(a, 'set', "<purge node='%s'/>" % TUNE, ns=OWNER))
    assert event(b, TUNE)[1].name == 'purge'
    assert ids(items(a, TUNE)) == []
    ok(pubsub(a, 'set', "<delete node='%s'/>" % TUNE, ns=OWNER))
    assert event(b, TUNE)[1].name == 'delete'
    refused(items(a, TUNE), 'item-not-found')
    for verb in ('delete', 'purge'):
        refused(pubsub(a, 'set', "<%s node='%s'/>" % (verb, TUNE), ns=OWNER), 'item-not-found')


# -- subscriptions ------------------------------------------------------------------------------------------

def subscribe(c, node, owner, jid=None, verb='subscribe', more=''):
    return pubsub(c, 'set', "<%s node='%s' jid='%s'%s/>" % (verb, node, jid or c.bare, more), owner)


def test_subscribe(t):
    """XEP-0060 §6.1, §6.2: a stranger subscribes to an open node, gets the last item, events, and leaves"""
    a, b = t.online(), t.online()
    ok(publish(a, 'urn:open', 'i', access_model='open'))
    r = ok(subscribe(b, 'urn:open', a.bare)).all('pubsub')[0].all('subscription')[0]
    assert r.get('subscription') == 'subscribed' and r.get('jid') == b.bare, r
    m, e = event(b, 'urn:open')
    assert e.all('item')[0].get('id') == 'i' and m.find('addresses') is None, m
    ok(publish(a, 'urn:open', 'j'))
    m, e = event(b, 'urn:open')
    assert e.all('item')[0].get('id') == 'j' and m.find('addresses') is None, m
    r = ok(pubsub(b, 'get', '<subscriptions/>', a.bare)).all('pubsub')[0].all('subscriptions')[0]
    assert [(s.get('node'), s.get('jid')) for s in r.all('subscription')] == [('urn:open', b.bare)], r
    r = ok(pubsub(a, 'get', "<subscriptions node='urn:open'/>", ns=OWNER)).all('pubsub')[0].all('subscriptions')[0]
    assert [s.get('jid') for s in r.all('subscription')] == [b.bare], r
    ok(subscribe(b, 'urn:open', a.bare, verb='unsubscribe'))
    ok(publish(a, 'urn:open', 'k'))
    no_events(b, a)
    refused(subscribe(b, 'urn:open', a.bare, verb='unsubscribe'), 'unexpected-request', 'not-subscribed')


def test_subscribe_full_jid(t):
    """XEP-0163 §4.3.2: who subscribed by a full JID gets one event, there"""
    a, b = t.online(), t.online()
    b2 = t.online(b, resource='other')
    ok(publish(a, 'urn:open', 'i', access_model='open', send_last_published_item='never'))
    ok(subscribe(b, 'urn:open', a.bare, b.jid))
    ok(publish(a, 'urn:open', 'j'))
    assert event(b, 'urn:open')[0].get('to') == b.jid
    no_events(b2, a)


def test_subscribe_errors(t):
    """XEP-0060 §6.1.3, §6.2.3"""
    a, b = couple(t)
    s = t.online()
    ok(publish(a, TUNE, access_model='whitelist'))
    ok(publish(a, NICK))
    refused(subscribe(b, NICK, a.bare, a.bare), 'bad-request', 'invalid-jid')
    refused(pubsub(b, 'set', "<subscribe node='%s'/>" % NICK, a.bare), 'bad-request', 'jid-required')
    refused(subscribe(b, TUNE, a.bare), 'not-allowed', 'closed-node')
    refused(subscribe(b, 'nothing', a.bare), 'item-not-found')
    refused(subscribe(s, NICK, a.bare), 'not-authorized', 'presence-subscription-required')
    refused(subscribe(b, NICK, a.bare, verb='unsubscribe'), 'unexpected-request', 'not-subscribed')
    refused(subscribe(b, NICK, a.bare, a.bare, verb='unsubscribe'), 'forbidden')
    ok(subscribe(b, NICK, a.bare))
    refused(subscribe(b, NICK, a.bare, verb='unsubscribe', more=" subid='zzz'"), 'not-acceptable', 'invalid-subid')


def test_subscription_options(t):
    """XEP-0060 §6.3, at an account: a subscription that is not delivered, and then is"""
    a, b = t.online(), t.online()
    ok(publish(a, 'urn:open', 'i', access_model='open', send_last_published_item='never'))
    x = form('subscribe_options', {'deliver': '0'})
    r = ok(pubsub(b, 'set', "<subscribe node='urn:open' jid='%s'/><options>%s</options>" % (b.bare, x), a.bare))
    assert r.all('pubsub')[0].all('options')[0].all('x')[0].get('type') == 'result', r
    ok(publish(a, 'urn:open', 'j'))
    no_events(b, a)
    x = form('subscribe_options', {'deliver': '1'})
    ok(pubsub(b, 'set', "<options node='urn:open' jid='%s'>%s</options>" % (b.bare, x), a.bare))
    ok(publish(a, 'urn:open', 'k'))
    assert event(b, 'urn:open')[1].all('item')[0].get('id') == 'k'


def test_subscription_ends_with_presence(t):
    """XEP-0163 §7.1: losing access ends the subscription"""
    a, b = couple(t)
    ok(publish(a, TUNE))
    ok(subscribe(b, TUNE, a.bare, b.jid))
    event(b, TUNE)
    a.presence('unsubscribed', to=b.bare)
    b.expect_presence('unsubscribed', a.bare)
    t.server.wait(lambda: t.server.value("select count(*) from chancery.pubsub_subscription where bare='%s'" % b.bare) == '0',
                  'the end of the subscription')
    ok(publish(a, TUNE))
    no_events(b, a)


# -- discovery ----------------------------------------------------------------------------------------------

def test_discovery(t):
    """XEP-0163 §6, XEP-0060 §5: the service, its nodes as far as the asker may see them, a node's metadata"""
    a, b = couple(t)
    ok(publish(a, TUNE, 'i', title='Tunes', max_items='max'))
    ok(publish(a, 'private', access_model='whitelist'))
    for to in (a.bare, t.server.domain):
        q = a.iq('get', "<query xmlns='%s'/>" % NAMES['info'], to).find('info:query')
        assert ('pubsub', 'pep') in {(i.get('category'), i.get('type')) for i in q.all('identity')}, q
        for f in ('publish', 'publish-options', 'auto-create', 'filtered-notifications', 'access-whitelist', 'config-node-max'):
            assert P + '#' + f in {x.get('var') for x in q.all('feature')}, f

    def nodes(c):
        r = ok(c.iq('get', "<query xmlns='%s'/>" % NAMES['items'], a.bare)).find('items:query')
        return {i.get('node') for i in r.all('item') if i.get('node')}
    assert nodes(a) == {TUNE, 'private'} and nodes(b) == {TUNE}
    assert nodes(t.online()) == set()
    q = ok(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], TUNE), a.bare)).find('info:query')
    meta = {f.get('var'): f.text('value') for f in q.find('data:x').all('field')}
    assert meta['pubsub#title'] == 'Tunes' and meta['pubsub#owner'] == a.bare and meta['pubsub#max_items'] == 'max', meta
    r = ok(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], TUNE), a.bare)).find('items:query')
    assert [i.get('name') for i in r.all('item')] == ['i'], r
    for ns in (NAMES['info'], NAMES['items']):
        for node in ('private', 'nothing'):
            refused(b.iq('get', "<query xmlns='%s' node='%s'/>" % (ns, node), a.bare), 'item-not-found')


# -- the record, quotas, bad input --------------------------------------------------------------------------

def test_recorded(t):
    """P1: publishing, retracting, configuring, purging and deleting are in the record, with what people can read"""
    a = t.online()
    ok(publish(a, NICK, 'i', "<nick xmlns='%s'>Ishmael</nick>" % NICK))
    ok(configure(a, NICK, max_items='2'))
    ok(pubsub(a, 'set', "<retract node='%s'><item id='i'/></retract>" % NICK))
    ok(pubsub(a, 'set', "<purge node='%s'/>" % NICK, ns=OWNER))
    ok(pubsub(a, 'set', "<delete node='%s'/>" % NICK, ns=OWNER))
    refused(pubsub(a, 'set', "<delete node='%s'/>" % NICK, ns=OWNER), 'item-not-found')
    rows = t.server.records("kind = 9 and from_bare = '%s'" % a.bare, 'body, stanza, to_bare')
    assert len(rows) == 5 and rows[0][0] == 'Ishmael' and all(r[2] == a.bare for r in rows), rows
    for word, row in zip(('<publish', '<configure', '<retract', '<purge', '<delete'), rows):
        assert word in row[1], (word, row)


def test_forged_event(t):
    """XEP-0163 §4.3.1: an event is from a bare address; a client cannot send one"""
    a, b = couple(t)
    hello(b, TUNE)
    fake = "<event xmlns='%s'><items node='%s'><item id='forged'>%s</item></items></event>" % (EVENT, TUNE, payload())
    for start in ("<message to='%s' type='headline'>" % b.bare, "<message from='%s' to='%s' type='headline'>" % (a.bare, b.bare),
                  "<message from='%s' to='%s' type='headline'>" % (a.bare, b.jid)):
        a.stanza(start + fake + '</message>')
    a.sync(b)
    for m in b.heard_any(is_event):
        assert m.get('from') == a.jid, m


def test_long_names(t):
    """limits.pep_name_bytes: names of kilobytes are refused"""
    a = t.online()
    big = 'x' * 5000
    refused(publish(a, big), 'not-acceptable')
    refused(publish(a, 'n', big), 'not-acceptable')
    refused(items(a, big), 'not-acceptable')
    refused(pubsub(a, 'set', "<create node='%s'/>" % big), 'not-acceptable')
    r = a.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], big), a.bare)
    refused(r, 'item-not-found')


def test_megabytes(t):
    """limits.stanza_bytes: a node name of a megabyte ends the stream; the server goes on"""
    a, b = t.online(), t.online()
    try:
        a.iq_send('set', "<pubsub xmlns='%s'><create node='%s'/></pubsub>" % (P, 'x' * 1000000))
    except OSError:
        pass
    a.expect_end()
    ok(publish(b, 'n'))


@alone(limits__pep_nodes='10', limits__pep_bytes='65536', limits__pep_items='5', limits__pep_item_bytes='30000',
       limits__pep_members='2', limits__pep_page_bytes='16384')
def test_quotas(t):
    """P7: nodes, items, bytes and members of an account are bounded; what replaces something of its size still fits"""
    a = t.online()
    for i in range(10):
        ok(publish(a, 'n%d' % i))
    refused(publish(a, 'n10'), 'policy-violation', 'max-nodes-exceeded')
    refused(pubsub(a, 'set', "<create node='n10'/>"), 'policy-violation', 'max-nodes-exceeded')
    refused(publish(a, 'n0', 'big', payload('x' * 40000)), 'not-acceptable', 'payload-too-big')
    for n in ('n0', 'n1'):
        ok(publish(a, n, 'i', payload('x' * 28000)))
    refused(publish(a, 'n2', 'i', payload('x' * 28000)), 'policy-violation')
    ok(publish(a, 'n1', 'i', payload('y' * 28000)))
    ok(publish(a, 'n1', 'another', payload('y' * 28000)))
    assert ids(items(a, 'n1')) == ['another']
    ok(pubsub(a, 'set', "<delete node='n0'/>", ns=OWNER))
    ok(pubsub(a, 'set', "<delete node='n1'/>", ns=OWNER))
    for i in range(8):
        ok(publish(a, 'many', 'i%d' % i, payload('z' * 5000), max_items='max'))
    r = items(a, 'many')
    assert ids(r) == ['i4', 'i5', 'i6', 'i7'] and r.all('pubsub')[0].all('set')[0].text('count') == '5', r
    j = ''.join("<affiliation jid='u%d@x.y' affiliation='member'/>" % i for i in range(3))
    refused(pubsub(a, 'set', "<affiliations node='many'>%s</affiliations>" % j, ns=OWNER), 'policy-violation')
    assert t.server.metric('chancery_quota_refused_total') >= 5


def test_ten_thousand_nodes(t):
    """P7: who tries to make nodes without end is stopped by the quota, and nobody else notices"""
    a, b = t.online(), t.online()
    sent = [a.iq_send('set', "<pubsub xmlns='%s'><create node='n%d'/></pubsub>" % (P, i)) for i in range(600)]
    ok(publish(b, 'n'))
    last = a.expect(lambda e: e.get('id') == sent[-1], 'the last answer')
    refused(last, 'policy-violation', 'max-nodes-exceeded')
    assert t.server.value("select count(*) from chancery.pubsub_node n join chancery.account a on a.id = n.account"
                          " where a.bare = '%s'" % a.bare) == '500'


def test_order(t):
    """P8: what one session publishes is told in the order in which it was"""
    a, b = couple(t)
    hello(b, TUNE)
    for i in range(20):
        a.iq_send('set', "<pubsub xmlns='%s'><publish node='%s'>%s</publish></pubsub>" % (P, TUNE, item('i%d' % i)))
    assert [event(b, TUNE)[1].all('item')[0].get('id') for _ in range(20)] == ['i%d' % i for i in range(20)]


def test_blocked(t):
    """XEP-0163 §4.3.3, XEP-0191: who is blocked hears of nothing"""
    a, b = couple(t)
    hello(b, TUNE)
    r = a.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % b.bare)
    if r.get('type') == 'error':
        assert r.condition() == 'service-unavailable', r
        return
    ok(publish(a, TUNE))
    b.ping()
    assert not b.heard_any(is_event), b.heard


def block(c, *jids, verb='block'):
    ok(c.iq('set', "<%s xmlns='urn:xmpp:blocking'>%s</%s>" % (verb, ''.join("<item jid='%s'/>" % j for j in jids), verb)))


def test_last_item_blocked(t):
    """XEP-0191 §3.3, XEP-0163 §4.3.4: no last item of who is blocked comes, and none goes to who is blocked, by address or by domain"""
    a, b = couple(t)
    for c in a, b:
        ok(publish(c, TUNE))

    def told():
        """Whose last items b's next client hears of; its own account's come behind the others'."""
        c, owners = hello(t.bound(b), TUNE), []
        while b.bare not in owners:
            owners.append(event(c, TUNE)[0].get('from'))
        c.close()
        return owners
    assert told() == [a.bare, b.bare]
    for x, y in ((b, a.bare), (a, b.bare), (a, a.domain)):
        block(x, y)
        assert told() == [b.bare], (x, y)
        block(x, verb='unblock')
    assert told() == [a.bare, b.bare]


def test_subscriber_blocked(t):
    """XEP-0191 §3.3: who is blocked hears of nothing either where it has subscribed itself"""
    a, b, c = t.online(), t.online(), t.online()
    ok(publish(a, 'urn:open', 'i', access_model='open'))
    for x in b, c:
        ok(subscribe(x, 'urn:open', a.bare))
        event(x, 'urn:open')
    block(a, b.bare)
    ok(publish(a, 'urn:open', 'j'))
    event(c, 'urn:open')
    block(a, verb='unblock')
    ok(publish(a, 'urn:open', 'k'))
    assert event(b, 'urn:open')[1].all('item')[0].get('id') == 'k'


def test_account_deleted(t):
    """An account that is made again has no nodes of its predecessor"""
    a = t.online()
    ok(publish(a, TUNE, access_model='open'))
    a.close()
    t.server.cli('user', 'delete', a.bare)
    t.server.add_users([(a.user, a.password)])
    b = t.online((a.user, a.password))
    refused(items(b, TUNE), 'item-not-found')

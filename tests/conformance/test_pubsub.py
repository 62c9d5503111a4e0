"""The publish-subscribe service (XEP-0060), from the numbered examples of its sections 5 to 8, with their errors.

Hamlet owns, Francisco and Bernardo subscribe, as there."""
from chancerytest.client import unique
from chancerytest.element import NAMES, escape
from chancerytest.scenario import alone

P = 'http://jabber.org/protocol/pubsub'
OWNER, EVENT, ERRORS = P + '#owner', P + '#event', P + '#errors'
ATOM = 'http://www.w3.org/2005/Atom'
RSM = 'http://jabber.org/protocol/rsm'


# -- what clients say -----------------------------------------------------------------------------------------

def service(c):
    return 'pubsub.' + c.bare.split('@')[1]


def entry(text='To be, or not to be'):
    return "<entry xmlns='%s'><title>Soliloquy</title><summary>%s</summary></entry>" % (ATOM, escape(text))


def form(type, fields, kind='submit'):
    rows = ''
    for k, v in fields.items():
        values = v if isinstance(v, list) else [v]
        rows += "<field var='pubsub#%s'>%s</field>" % (k, ''.join('<value>%s</value>' % escape(x) for x in values))
    return ("<x xmlns='jabber:x:data' type='%s'><field var='FORM_TYPE' type='hidden'><value>%s#%s</value></field>%s</x>"
            % (kind, P, type, rows))


def get(c, inner, ns=P):
    return c.iq('get', "<pubsub xmlns='%s'>%s</pubsub>" % (ns, inner), service(c))


def put(c, inner, ns=P):
    return c.iq('set', "<pubsub xmlns='%s'>%s</pubsub>" % (ns, inner), service(c))


def create(c, node=None, **fields):
    """Makes a node; says its name."""
    node = node or 'princely_musings-' + unique()
    configure = '<configure>%s</configure>' % form('node_config', fields) if fields else ''
    ok(put(c, "<create node='%s'/>%s" % (node, configure)))
    return node


def configure(c, node, **fields):
    return put(c, "<configure node='%s'>%s</configure>" % (node, form('node_config', fields)), OWNER)


def config(c, node):
    x = part(get(c, "<configure node='%s'/>" % node, OWNER), 'configure').all('x')[0]
    return {f.get('var')[7:]: [v.text() for v in f.all('value')] for f in x.all('field') if f.get('var').startswith('pubsub#')}


def publish(c, node, id=None, inner=None, more=''):
    i = " id='%s'" % id if id else ''
    return put(c, "<publish node='%s'><item%s>%s</item></publish>%s" % (node, i, entry() if inner is None else inner, more))


def retract(c, node, id, notify=''):
    return put(c, "<retract node='%s'%s><item id='%s'/></retract>" % (node, notify, id))


def subscribe(c, node, jid=None, more=''):
    return put(c, "<subscribe node='%s' jid='%s'/>%s" % (node, jid or c.bare, more))


def unsubscribe(c, node, jid=None, more=''):
    return put(c, "<unsubscribe node='%s' jid='%s'%s/>" % (node, jid or c.bare, more))


def items(c, node, more='', page='', attrs=''):
    return get(c, "<items node='%s'%s>%s</items>%s" % (node, attrs, more, page))


def affiliate(c, node, *pairs):
    rows = ''.join("<affiliation jid='%s' affiliation='%s'/>" % (getattr(j, 'bare', j), a) for j, a in pairs)
    return put(c, "<affiliations node='%s'>%s</affiliations>" % (node, rows), OWNER)


def affiliations(c, node):
    e = part(get(c, "<affiliations node='%s'/>" % node, OWNER), 'affiliations')
    return {(a.get('jid'), a.get('affiliation')) for a in e.all('affiliation')}


def subscribers(c, node):
    e = part(get(c, "<subscriptions node='%s'/>" % node, OWNER), 'subscriptions')
    return {(s.get('jid'), s.get('subscription')) for s in e.all('subscription')}


def manage(c, node, *pairs):
    rows = ''.join("<subscription jid='%s' subscription='%s'/>" % (getattr(j, 'bare', j), s) for j, s in pairs)
    return put(c, "<subscriptions node='%s'>%s</subscriptions>" % (node, rows), OWNER)


# -- what they hear -------------------------------------------------------------------------------------------

def ok(r):
    assert r.get('type') == 'result', r
    return r


def part(r, name):
    return ok(r).all('pubsub')[0].all(name)[0]


def ids(r):
    return [i.get('id') for i in part(r, 'items').all('item')]


def refused(r, condition, specific=None, feature=None, type=None):
    assert r.get('type') == 'error' and r.condition() == condition, r
    found = [e for e in r.find('error').all() if e.ns == ERRORS]
    assert (found[0].name if found else None) == specific, r
    if feature:
        assert found[0].get('feature') == feature, r
    if type:
        assert r.find('error').get('type') == type, r


def is_event(e):
    return e.name == 'message' and any(x.ns == EVENT for x in e.all('event'))


def event(c, node, name='items'):
    """The child of <event/>, and its message."""
    m = c.expect(lambda e: is_event(e) and e.all('event')[0].all()[0].get('node') == node
                 and e.all('event')[0].all()[0].name == name, '%s at %s' % (name, node))
    assert m.get('from') == service(c) and m.get('id'), m
    return m.all('event')[0].all()[0], m


def item_of(c, node):
    e, m = event(c, node)
    return e.all('item')[0].get('id')


def quiet(c, after):
    """Nothing came: what `after` did has been told by now, as it asks the service behind it."""
    ok(after.iq('get', "<ping xmlns='urn:xmpp:ping'/>", service(after)))
    ok(c.iq('get', "<ping xmlns='urn:xmpp:ping'/>", service(c)))
    c.ping()
    assert not c.heard_any(is_event), c.heard


def three(t):
    return t.online(), t.online(), t.online()


# -- §5 discovery -----------------------------------------------------------------------------------------------

def test_features(t):
    """XEP-0060 §5.1: the service is an item of the server, and says what it is and does"""
    a = t.online()
    q = ok(a.iq('get', "<query xmlns='%s'/>" % NAMES['items'], t.server.domain)).find('items:query')
    assert service(a) in {i.get('jid') for i in q.all('item')}, q
    q = ok(a.iq('get', "<query xmlns='%s'/>" % NAMES['info'], service(a))).find('info:query')
    assert ('pubsub', 'service') in {(i.get('category'), i.get('type')) for i in q.all('identity')}, q
    have = {f.get('var') for f in q.all('feature')}
    for f in ('access-authorize', 'access-open', 'access-presence', 'access-roster', 'access-whitelist', 'config-node',
              'create-and-configure', 'create-nodes', 'delete-items', 'delete-nodes', 'instant-nodes', 'item-ids', 'last-published',
              'manage-subscriptions', 'member-affiliation', 'meta-data', 'modify-affiliations', 'outcast-affiliation', 'persistent-items',
              'publish', 'publish-only-affiliation', 'publish-options', 'publisher-affiliation', 'purge-nodes', 'retract-items',
              'retrieve-affiliations', 'retrieve-default', 'retrieve-default-sub', 'retrieve-items', 'retrieve-subscriptions', 'rsm',
              'subscribe', 'subscription-options', 'subscription-notifications'):
        assert P + '#' + f in have, f
    assert {P, NAMES['info'], NAMES['items']} <= have and P + '#auto-create' not in have, have


def test_discover_nodes(t):
    """XEP-0060 §5.2 to §5.5: nodes, a node's information and metadata, its items; what may not be seen is not there"""
    a, b, _ = three(t)
    node, secret = create(a, title='Musings', access_model='open'), create(a, access_model='whitelist')
    ok(publish(a, node, 'first'))

    def listed(c):
        r = ok(c.iq('get', "<query xmlns='%s'><set xmlns='%s'><max>500</max><after>princely_musings-</after></set></query>"
                    % (NAMES['items'], RSM), service(c))).find('items:query')
        return {(i.get('jid'), i.get('node'), i.get('name')) for i in r.all('item')}
    assert (service(a), node, 'Musings') in listed(b) and secret not in {n for _, n, _ in listed(b)}
    assert {node, secret} <= {n for _, n, _ in listed(a)}
    q = ok(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], node), service(b))).find('info:query')
    assert q.get('node') == node
    assert [(i.get('category'), i.get('type')) for i in q.all('identity')] == [('pubsub', 'leaf')], q
    meta = {f.get('var'): [v.text() for v in f.all('value')] for f in q.find('data:x').all('field')}
    assert meta['FORM_TYPE'] == [P + '#meta-data'] and meta['pubsub#title'] == ['Musings'], meta
    assert meta['pubsub#creator'] == [a.bare] == meta['pubsub#owner'] and meta['pubsub#num_subscribers'] == ['0'], meta
    r = ok(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], node), service(b))).find('items:query')
    assert [(i.get('jid'), i.get('name'), i.get('node')) for i in r.all('item')] == [(service(a), 'first', None)], r
    for ns in (NAMES['info'], NAMES['items']):
        refused(b.iq('get', "<query xmlns='%s' node='nothing-%s'/>" % (ns, unique()), service(b)), 'item-not-found')
    refused(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], secret), service(b)), 'item-not-found')
    refused(b.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], secret), service(b)), 'not-allowed', 'closed-node')


def test_own_subscriptions(t):
    """XEP-0060 §5.6: all subscriptions, none, those at a node"""
    a, b, _ = three(t)
    n, m = create(a), create(a, access_model='authorize')
    assert part(get(b, '<subscriptions/>'), 'subscriptions').all('subscription') == []
    ok(subscribe(b, n))
    ok(subscribe(b, m, b.jid))
    got = part(get(b, '<subscriptions/>'), 'subscriptions').all('subscription')
    assert {(s.get('node'), s.get('jid'), s.get('subscription')) for s in got} == \
        {(n, b.bare, 'subscribed'), (m, b.jid, 'pending')}, got
    assert all(s.get('subid') for s in got), got
    e = part(get(b, "<subscriptions node='%s'/>" % n), 'subscriptions')
    assert [s.get('node') for s in e.all('subscription')] == [n] and e.get('node') == n, e


def test_own_affiliations(t):
    """XEP-0060 §5.7: all affiliations, none, that with a node"""
    a, b, c = three(t)
    n, m = create(a), create(a)
    ok(affiliate(a, n, (b, 'publisher')))
    ok(affiliate(a, m, (b, 'outcast')))

    def own(who, node=''):
        e = part(get(who, '<affiliations%s/>' % (" node='%s'" % node if node else '')), 'affiliations')
        return {(x.get('node'), x.get('affiliation')) for x in e.all('affiliation')}
    assert own(b) == {(n, 'publisher'), (m, 'outcast')} and own(b, n) == {(n, 'publisher')}
    assert own(c) == set() and own(a) == {(n, 'owner'), (m, 'owner')}


# -- §6 subscribers ---------------------------------------------------------------------------------------------

def test_subscribe(t):
    """XEP-0060 §6.1.2, §6.1.6, §6.1.7: subscribed, with the last item; once more is the same; §7.1.2.1: events with payload"""
    a, b, _ = three(t)
    n = create(a)
    ok(publish(a, n, 'old'))
    s = part(subscribe(b, n), 'subscription')
    assert (s.get('node'), s.get('jid'), s.get('subscription')) == (n, b.bare, 'subscribed'), s
    e, m = event(b, n)
    assert e.all('item')[0].get('id') == 'old' and m.find('delay:delay').get('stamp') and m.get('type') == 'headline', m
    again = part(subscribe(b, n), 'subscription')
    assert again.get('subid') == s.get('subid') and item_of(b, n) == 'old'
    ok(publish(a, n, 'new', entry('Now I am alone')))
    e, m = event(b, n)
    assert e.all('item')[0].get('id') == 'new' and 'Now I am alone' in str(e) and m.find('delay:delay') is None, m
    quiet(a, b)


def test_subscribe_errors(t):
    """XEP-0060 §6.1.3: who may not subscribe, and why"""
    a, b, c = three(t)
    n = create(a)
    refused(subscribe(b, n, c.bare), 'bad-request', 'invalid-jid', type='modify')
    refused(put(b, "<subscribe node='%s'/>" % n), 'bad-request', 'jid-required')
    refused(put(b, "<subscribe jid='%s'/>" % b.bare), 'bad-request', 'nodeid-required')
    refused(subscribe(b, 'nothing-' + unique()), 'item-not-found', type='cancel')
    refused(subscribe(b, create(a, access_model='presence')), 'not-authorized', 'presence-subscription-required', type='auth')
    refused(subscribe(b, create(a, access_model='roster', roster_groups_allowed='court')), 'not-authorized', 'not-in-roster-group')
    refused(subscribe(b, create(a, access_model='whitelist')), 'not-allowed', 'closed-node', type='cancel')
    m = create(a, access_model='authorize')
    assert part(subscribe(b, m), 'subscription').get('subscription') == 'pending'
    refused(subscribe(b, m), 'not-authorized', 'pending-subscription', type='auth')
    ok(affiliate(a, n, (b, 'outcast')))
    refused(subscribe(b, n), 'forbidden', type='auth')
    refused(subscribe(c, create(a, subscribe='false')), 'feature-not-implemented', 'unsupported', 'subscribe', 'cancel')


def test_access_by_presence(t):
    """XEP-0060 §4.5: presence and roster: the subscriber is in an owner's roster; who is no longer is told nothing"""
    a, b = t.friends()
    n, m = create(a, access_model='presence'), create(a, access_model='roster', roster_groups_allowed=['court', 'guard'])
    ok(subscribe(b, n))
    refused(subscribe(b, m), 'not-authorized', 'not-in-roster-group')
    ok(a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s'><group>guard</group></item></query>" % b.bare))
    ok(subscribe(b, m))
    for x in (n, m):
        ok(publish(a, x, 'i'))
        assert item_of(b, x) == 'i' and ids(items(b, x)) == ['i']
    ok(a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % b.bare))
    b.expect_presence('unsubscribed', a.bare)
    for x in (n, m):
        ok(publish(a, x, 'j'))
    quiet(b, a)
    refused(items(b, n), 'not-authorized', 'presence-subscription-required')
    refused(items(b, m), 'not-authorized', 'not-in-roster-group')


def question(c, node):
    return c.expect(lambda e: e.name == 'message' and node in str(e) and 'subscribe_authorization' in str(e), 'a request to decide')


def decide(c, q, allow, kind='submit'):
    x = q.find('data:x')
    v = {f.get('var'): f.text('value') for f in x.all('field')}
    v['pubsub#allow'] = allow
    rows = ''.join("<field var='%s'><value>%s</value></field>" % (k, escape(x)) for k, x in v.items())
    c.stanza("<message to='%s' id='%s'><x xmlns='jabber:x:data' type='%s'>%s</x></message>" % (service(c), q.get('id'), kind, rows))


def state(c, node):
    return event(c, node, 'subscription')[0].get('subscription')


def test_authorize(t):
    """XEP-0060 §6.1.4, §8.6: pending, the owner is asked; approved, denied, cancelled; §6.5.9.3: items only for subscribers"""
    a, b, c = three(t)
    n = create(a, access_model='authorize')
    ok(publish(a, n, 'i'))
    assert part(subscribe(b, n), 'subscription').get('subscription') == 'pending'
    q = question(a, n)
    assert b.bare in str(q) and q.get('from') == service(a) and q.find('data:x').get('type') == 'form', q
    refused(items(b, n), 'not-authorized', 'not-subscribed', type='auth')
    ok(publish(a, n, 'j'))
    quiet(b, a)
    decide(a, q, 'true', 'cancel')
    ok(get(a, "<subscriptions node='%s'/>" % n, OWNER))
    assert (b.bare, 'pending') in subscribers(a, n)
    decide(a, q, 'true')
    assert state(b, n) == 'subscribed' and item_of(b, n) == 'j'
    assert ids(items(b, n)) == ['i', 'j']
    ok(subscribe(c, n))
    decide(a, question(a, n), '0')
    assert state(c, n) == 'none' and subscribers(a, n) == {(b.bare, 'subscribed')}
    # A decision that comes too late changes nothing.
    decide(a, q, '0')
    assert (b.bare, 'subscribed') in subscribers(a, n)


def test_authorize_later(t):
    """XEP-0060 §8.6: an owner who was away is asked when coming; members need no approval; others cannot approve"""
    a, b, c = three(t)
    n = create(a, access_model='authorize')
    ok(affiliate(a, n, (c, 'member')))
    assert part(subscribe(c, n), 'subscription').get('subscription') == 'subscribed'
    ok(subscribe(a, n))
    a.close()
    ok(subscribe(b, n))
    a2 = t.online(a)
    q = question(a2, n)
    decide(b, q, '1')
    r = b.expect(lambda e: e.name == 'message' and e.get('type') == 'error', 'the refusal')
    assert r.condition() == 'forbidden', r
    assert {(b.bare, 'pending'), (a.bare, 'subscribed')} <= subscribers(a2, n)
    decide(a2, q, '1')
    assert state(b, n) == 'subscribed'
    ok(a2.iq('get', "<ping xmlns='urn:xmpp:ping'/>"))
    assert not a2.heard_any(lambda e: 'subscribe_authorization' in str(e)), a2.heard


def test_unsubscribe(t):
    """XEP-0060 §6.2, with its errors"""
    a, b, c = three(t)
    n = create(a)
    subid = part(subscribe(b, n), 'subscription').get('subid')
    refused(unsubscribe(c, n), 'unexpected-request', 'not-subscribed', type='cancel')
    refused(unsubscribe(b, n, c.bare), 'forbidden', type='auth')
    refused(unsubscribe(b, 'nothing-' + unique()), 'item-not-found')
    refused(unsubscribe(b, n, more=" subid='991'"), 'not-acceptable', 'invalid-subid', type='modify')
    refused(items(b, n, attrs=" subid='991'"), 'not-acceptable', 'invalid-subid')
    assert ids(items(b, n, attrs=" subid='%s'" % subid)) == []
    ok(unsubscribe(b, n, more=" subid='%s'" % subid))
    ok(publish(a, n))
    quiet(b, a)
    assert part(get(b, '<subscriptions/>'), 'subscriptions').all('subscription') == []


def options_of(r):
    x = part(r, 'options').all('x')[0]
    return {f.get('var')[7:]: [v.text() for v in f.all('value')] for f in x.all('field') if f.get('var').startswith('pubsub#')}


def test_options(t):
    """XEP-0060 §6.3: options are asked for and submitted, also with the subscription; §6.4: their defaults"""
    a, b, c = three(t)
    n = create(a)
    ok(subscribe(b, n))
    opts = "<options node='%s' jid='%s'>%%s</options>" % (n, b.bare)
    assert options_of(get(b, opts % ''))['deliver'] == ['1']
    ok(put(b, opts % form('subscribe_options', {'deliver': '0', 'digest': '0', 'include_body': 'false',
                                                'show-values': ['chat', 'online', 'away']})))
    got = options_of(get(b, opts % ''))
    assert got['deliver'] == ['0'] and set(got['show-values']) == {'chat', 'online', 'away'}, got
    ok(publish(a, n))
    quiet(b, a)
    ok(put(b, opts % form('subscribe_options', {'deliver': 'true'})))
    ok(publish(a, n, 'told'))
    assert item_of(b, n) == 'told'
    r = ok(subscribe(c, n, more='<options>%s</options>' % form('subscribe_options', {'deliver': '0'})))
    assert options_of(r)['deliver'] == ['0'] and part(r, 'options').all('x')[0].get('type') == 'result', r
    quiet(c, a)
    x = part(get(b, "<default node='%s'/>" % n), 'default').all('x')[0]
    assert 'subscribe_options' in str(x) and x.get('type') == 'form', x
    ok(get(b, '<default/>'))


def test_options_errors(t):
    """XEP-0060 §6.3.4, §6.3.6.2, §6.3.7"""
    a, b, c = three(t)
    n = create(a)
    o = "<options node='%s' jid='%s'%s>%s</options>"
    refused(get(b, o % (n, b.bare, '', '')), 'unexpected-request', 'not-subscribed')
    ok(subscribe(b, n))
    refused(get(c, o % (n, b.bare, '', '')), 'forbidden')
    refused(get(b, "<options node='%s'/>" % n), 'bad-request', 'jid-required')
    refused(get(b, o % (n, b.bare, " subid='991'", '')), 'not-acceptable', 'invalid-subid')
    refused(get(b, o % ('nothing-' + unique(), b.bare, '', '')), 'item-not-found')
    for bad in ({'deliver': 'perhaps'}, {'digest': '1'}, {'show-values': 'asleep'}, {'expire': 'tomorrow'}):
        refused(put(b, o % (n, b.bare, '', form('subscribe_options', bad))), 'bad-request', 'invalid-options', type='modify')
    refused(subscribe(c, n, more="<options node='%s'/>" % n), 'bad-request')


def test_lease(t):
    """XEP-0060 §12.18: a subscription that ends by itself"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n, more='<options>%s</options>' % form('subscribe_options', {'expire': '2099-01-01T00:00:00Z'})))
    ok(publish(a, n, 'i'))
    assert item_of(b, n) == 'i'
    t.server.value("update chancery.pubsub_subscription set until = now() - interval '1 second' where bare = '%s' returning 1" % b.bare)
    ok(publish(a, n, 'j'))
    quiet(b, a)
    refused(unsubscribe(b, n), 'unexpected-request', 'not-subscribed')


def test_items(t):
    """XEP-0060 §6.5: all, some by pages, the most recent, by id; none is no error"""
    a, b, _ = three(t)
    n = create(a)
    assert ids(items(b, n)) == []
    all = ['i%d' % i for i in range(5)]
    for i in all:
        ok(publish(a, n, i, entry(i)))
    assert ids(items(b, n)) == all and 'i3' in str(items(b, n))
    assert ids(items(b, n, attrs=" max_items='2'")) == all[3:]
    assert ids(items(b, n, "<item id='i1'/><item id='i4'/>")) == ['i1', 'i4']
    assert ids(items(b, n, "<item id='other'/>")) == []
    r = items(b, n, page="<set xmlns='%s'><max>2</max></set>" % RSM)
    s = ok(r).all('pubsub')[0].all('set')[0]
    assert ids(r) == all[:2] and s.text('count') == '5' and s.text('last') == 'i1' and s.find('first').get('index') == '0', r
    assert ids(items(b, n, page="<set xmlns='%s'><max>2</max><after>i1</after></set>" % RSM)) == all[2:4]
    assert ids(items(b, n, page="<set xmlns='%s'><max>2</max><before/></set>" % RSM)) == all[3:]
    r = items(b, n, page="<set xmlns='%s'><max>0</max></set>" % RSM)
    assert ids(r) == [] and ok(r).all('pubsub')[0].all('set')[0].text('count') == '5', r
    refused(items(b, n, attrs=" max_items='none'"), 'bad-request')


def test_items_errors(t):
    """XEP-0060 §6.5.9: who may not retrieve items"""
    a, b, _ = three(t)
    refused(items(b, 'nothing-' + unique()), 'item-not-found', type='cancel')
    refused(get(b, '<items/>'), 'bad-request', 'nodeid-required')
    refused(items(b, create(a, access_model='presence')), 'not-authorized', 'presence-subscription-required')
    refused(items(b, create(a, access_model='roster', roster_groups_allowed='x')), 'not-authorized', 'not-in-roster-group')
    refused(items(b, create(a, access_model='whitelist')), 'not-allowed', 'closed-node')
    refused(items(b, create(a, access_model='authorize')), 'not-authorized', 'not-subscribed')
    n = create(a)
    ok(affiliate(a, n, (b, 'outcast')))
    refused(items(b, n), 'forbidden', type='auth')


# -- §7 publishers ----------------------------------------------------------------------------------------------

def test_publish(t):
    """XEP-0060 §7.1.2: with an id and without; what has the same id is overwritten; all subscribers hear of it, wherever"""
    a, b, c = three(t)
    b2 = t.online(b, resource='barracks')
    n = create(a)
    for who in ((b, b.bare), (c, c.jid)):
        ok(subscribe(who[0], n, who[1]))
    e = part(publish(a, n, 'bnd81g37d61f49fgn581'), 'publish')
    assert e.get('node') == n and e.all('item')[0].get('id') == 'bnd81g37d61f49fgn581', e
    for who in (b, b2, c):
        e, m = event(who, n)
        assert e.all('item')[0].get('id') == 'bnd81g37d61f49fgn581' and 'To be' in str(e), m
        assert e.all('item')[0].get('publisher') is None, m
    id = part(publish(a, n), 'publish').all('item')[0].get('id')
    assert id and item_of(b, n) == id
    ok(publish(a, n, id, entry('again')))
    r = items(b, n)
    assert ids(r) == ['bnd81g37d61f49fgn581', id] and 'again' in str(r), r


def test_publish_notifications_only(t):
    """XEP-0060 §7.1.2.2: without deliver_payloads the id alone is told; §4.3: a transient node tells without an item"""
    a, b, _ = three(t)
    n, m = create(a, deliver_payloads='false'), create(a, deliver_payloads='false', persist_items='false')
    for x in (n, m):
        ok(subscribe(b, x))
    ok(publish(a, n, 'i', entry('secret')))
    e, msg = event(b, n)
    assert e.all('item')[0].get('id') == 'i' and 'secret' not in str(msg), msg
    assert 'secret' in str(items(b, n, "<item id='i'/>"))
    r = ok(put(a, "<publish node='%s'/>" % m))
    assert event(b, m)[0].all('item') == [], r
    k = create(a, persist_items='0')
    ok(subscribe(b, k))
    ok(publish(a, k, 'x', entry('gone soon')))
    assert 'gone soon' in str(event(b, k)[1])
    refused(items(b, k), 'feature-not-implemented', 'unsupported', 'persistent-items')


def test_item_publisher(t):
    """XEP-0060 §7.1.2.3, §12.13: itemreply publisher: the service says who published, in events and in items"""
    a, b, _ = three(t)
    n = create(a, itemreply='publisher')
    ok(subscribe(b, n))
    ok(put(a, "<publish node='%s'><item id='i' publisher='king@denmark.lit'>%s</item></publish>" % (n, entry())))
    assert event(b, n)[0].all('item')[0].get('publisher') == a.jid
    assert part(items(b, n), 'items').all('item')[0].get('publisher') == a.jid


def test_publish_errors(t):
    """XEP-0060 §7.1.3: each with the condition it names"""
    a, b, _ = three(t)
    n = create(a, max_payload_size='200', type=ATOM)
    refused(publish(b, n), 'forbidden', type='auth')
    refused(publish(a, 'nothing-' + unique()), 'item-not-found', type='cancel')
    refused(put(a, '<publish><item>%s</item></publish>' % entry()), 'bad-request', 'nodeid-required')
    refused(publish(a, n, 'i', entry('x' * 300)), 'not-acceptable', 'payload-too-big', type='modify')
    refused(publish(a, n, 'i', entry() + entry()), 'bad-request', 'invalid-payload', type='modify')
    refused(publish(a, n, 'i', "<tune xmlns='http://jabber.org/protocol/tune'/>"), 'bad-request', 'invalid-payload')
    refused(put(a, "<publish node='%s'/>" % n), 'bad-request', 'item-required', type='modify')
    refused(publish(a, n, 'i', ''), 'bad-request', 'payload-required', type='modify')
    m = create(a, deliver_payloads='0', persist_items='0')
    refused(publish(a, m), 'bad-request', 'item-forbidden', type='modify')
    assert ids(items(a, n)) == []


def test_node_full(t):
    """XEP-0060 §7.1.2.6, §7.1.3.5: max_items; the oldest goes, or the new one is a conflict"""
    a = t.online()
    n, m = create(a, max_items='2'), create(a, max_items='2', publish_node_full='reject')
    for x in (n, m):
        for i in ('a', 'b'):
            ok(publish(a, x, i))
    ok(publish(a, n, 'c'))
    assert ids(items(a, n)) == ['b', 'c']
    refused(publish(a, m, 'c'), 'conflict', 'node-full', type='cancel')
    ok(publish(a, m, 'a', entry('again')))
    assert ids(items(a, m)) == ['b', 'a']


def test_publish_options(t):
    """XEP-0060 §7.1.5: preconditions that are met, are not, and are unknown"""
    a = t.online()
    n = create(a)

    def more(type='publish-options', **fields):
        return '<publish-options>%s</publish-options>' % form(type, fields)
    ok(publish(a, n, 'i', more=more(access_model='open', persist_items='true')))
    for wish in ({'access_model': 'presence'}, {'max_items': '3'}, {'surprise': '1'}):
        refused(publish(a, n, 'j', more=more(**wish)), 'conflict', 'precondition-not-met', type='cancel')
    refused(publish(a, n, 'j', more=more('node_config', access_model='open')), 'bad-request', 'invalid-options')
    refused(publish(a, 'nothing-' + unique(), 'j', more=more(access_model='open')), 'item-not-found')
    assert ids(items(a, n)) == ['i']


def test_publish_model(t):
    """XEP-0060 §4.1, §16.4.4: publishers, subscribers, anybody; publish-only neither subscribes nor retrieves"""
    a, b, c = three(t)
    n = create(a)
    ok(affiliate(a, n, (b, 'publisher')))
    ok(publish(b, n, 'i'))
    ok(affiliate(a, n, (b, 'publish-only')))
    ok(publish(b, n, 'j'))
    refused(items(b, n), 'forbidden')
    refused(subscribe(b, n), 'forbidden')
    refused(publish(c, n), 'forbidden')
    ok(configure(a, n, publish_model='subscribers'))
    refused(publish(c, n), 'forbidden')
    ok(subscribe(c, n))
    ok(publish(c, n, 'k'))
    refused(publish(c, n, 'i'), 'forbidden')
    ok(configure(a, n, publish_model='open'))
    ok(publish(t.online(), n, 'l'))
    ok(affiliate(a, n, (c, 'outcast')))
    refused(publish(c, n), 'forbidden')
    assert ids(items(a, n)) == ['i', 'j', 'k', 'l']


def test_retract(t):
    """XEP-0060 §7.2.2: deleted, and told when asked for or configured"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n))
    for i in ('i', 'j', 'k'):
        ok(publish(a, n, i))
        event(b, n)
    r = ok(retract(a, n, 'i', " notify='true'"))
    assert event(b, n)[0].all('retract')[0].get('id') == 'i', r
    ok(retract(a, n, 'j'))
    assert event(b, n)[0].all('retract')[0].get('id') == 'j'
    ok(configure(a, n, notify_retract='0'))
    ok(retract(a, n, 'k'))
    quiet(b, a)
    assert ids(items(b, n)) == []


def test_retract_errors(t):
    """XEP-0060 §7.2.3; publishers delete what they have published"""
    a, b, c = three(t)
    n = create(a)
    ok(publish(a, n, 'i'))
    refused(retract(b, n, 'i'), 'forbidden', type='auth')
    refused(retract(a, n, 'other'), 'item-not-found')
    refused(retract(a, 'nothing-' + unique(), 'i'), 'item-not-found')
    refused(put(a, "<retract><item id='i'/></retract>"), 'bad-request', 'nodeid-required')
    refused(put(a, "<retract node='%s'/>" % n), 'bad-request', 'item-required')
    refused(put(a, "<retract node='%s'><item/></retract>" % n), 'bad-request', 'item-required')
    refused(retract(a, create(a, persist_items='0'), 'i'), 'feature-not-implemented', 'unsupported', 'persistent-items', 'cancel')
    ok(affiliate(a, n, (b, 'publisher')))
    refused(retract(b, n, 'i'), 'forbidden')
    ok(publish(b, n, 'own'))
    ok(retract(b, n, 'own'))
    ok(publish(b, n, 'own'))
    ok(retract(a, n, 'own'))
    assert ids(items(a, n)) == ['i']


# -- §8 owners --------------------------------------------------------------------------------------------------

def test_create(t):
    """XEP-0060 §8.1: a node, one that exists, an instant node, one with another access model, create and configure"""
    a, b, _ = three(t)
    n = create(a)
    refused(put(b, "<create node='%s'/>" % n), 'conflict', type='cancel')
    instant = part(put(a, '<create/>'), 'create').get('node')
    ok(publish(a, instant))
    m = create(a, access_model='whitelist', title='T')
    assert config(a, m)['access_model'] == ['whitelist'] and config(a, m)['title'] == ['T']
    assert config(a, n)['access_model'] == ['open']
    x = form('node_config', {'access_model': 'secret'})
    refused(put(a, "<create node='%s'/><configure>%s</configure>" % (unique(), x)), 'not-acceptable', 'unsupported-access-model',
            type='modify')
    x = form('node_config', {'access_model': 'open'})
    refused(put(a, "<create node='%s'/><configure node='%s'>%s</configure>" % (n + 'x', n + 'x', x)), 'bad-request')
    refused(put(a, "<configure>%s</configure><create node='%s'/>" % (x, n + 'x')), 'bad-request')
    refused(items(a, n + 'x'), 'item-not-found')
    refused(put(a, "<create node='%s'/>" % ('x' * 5000)), 'not-acceptable')


def test_configure(t):
    """XEP-0060 §8.2: the form, its submission, cancelling; notify_config with payloads and without; §8.3: defaults"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n))
    x = part(get(a, "<configure node='%s'/>" % n, OWNER), 'configure').all('x')[0]
    assert x.get('type') == 'form', x
    for f in ('title', 'deliver_notifications', 'deliver_payloads', 'notify_config', 'notify_delete', 'notify_retract', 'notify_sub',
              'persist_items', 'max_items', 'item_expire', 'subscribe', 'access_model', 'roster_groups_allowed', 'publish_model',
              'max_payload_size', 'send_last_published_item', 'presence_based_delivery', 'notification_type', 'type',
              'node_type'):
        assert 'pubsub#' + f in {e.get('var') for e in x.all('field')}, f
    ok(configure(a, n, title='Princely Musings (Atom)'))
    quiet(b, a)
    ok(configure(a, n, notify_config='1', unheard_of='1'))
    e, m = event(b, n, 'configuration')
    assert 'Princely Musings' in str(e), m
    ok(configure(a, n, deliver_payloads='0'))
    assert event(b, n, 'configuration')[0].all() == []
    ok(put(a, "<configure node='%s'><x xmlns='jabber:x:data' type='cancel'/></configure>" % n, OWNER))
    assert config(a, n)['title'] == ['Princely Musings (Atom)'] and config(a, n)['deliver_payloads'] == ['0']
    x = part(get(b, '<default/>', OWNER), 'default').all('x')[0]
    assert x.get('type') == 'form' and 'pubsub#access_model' in {f.get('var') for f in x.all('field')}, x


def test_configure_errors(t):
    """XEP-0060 §8.2.3, §8.2.5.2"""
    a, b, _ = three(t)
    n = create(a)
    for type in (get, put):
        refused(type(b, "<configure node='%s'>%s</configure>" % (n, form('node_config', {'title': 'x'})), OWNER), 'forbidden', type='auth')
        refused(type(a, '<configure>%s</configure>' % form('node_config', {}), OWNER), 'bad-request', 'nodeid-required')
        refused(type(a, "<configure node='nothing'>%s</configure>" % form('node_config', {}), OWNER), 'item-not-found')
    for bad in ({'max_items': 'many'}, {'persist_items': 'perhaps'}, {'publish_model': 'nobody'}, {'itemreply': 'owner'},
                {'max_items': '100000000'}):
        refused(configure(a, n, **bad), 'not-acceptable', type='modify')
    refused(configure(a, n, access_model='secret'), 'not-acceptable', 'unsupported-access-model')
    refused(put(a, "<configure node='%s'/>" % n, OWNER), 'bad-request')
    refused(put(a, "<surprise node='%s'/>" % n, OWNER), 'bad-request')


def test_delete(t):
    """XEP-0060 §8.4: with and without redirection; subscribers are told, pending ones too; §6.1.3.11: who asks later hears where to"""
    a, b, c = three(t)
    n, m = create(a), create(a, access_model='authorize')
    for x in (n, m):
        ok(subscribe(b, x))
    refused(put(b, "<delete node='%s'/>" % n, OWNER), 'forbidden', type='auth')
    refused(put(a, "<delete node='nothing-%s'/>" % unique(), OWNER), 'item-not-found')
    refused(put(a, '<delete/>', OWNER), 'bad-request', 'nodeid-required')
    refused(put(a, "<delete node='%s'><redirect uri='nowhere'/></delete>" % n, OWNER), 'bad-request')
    uri = 'xmpp:hamlet@denmark.lit?;node=blog'
    ok(put(a, "<delete node='%s'><redirect uri='%s'/></delete>" % (n, uri), OWNER))
    assert event(b, n, 'delete')[0].all('redirect')[0].get('uri') == uri
    ok(put(a, "<delete node='%s'/>" % m, OWNER))
    assert event(b, m, 'delete')[0].all() == []
    r = subscribe(c, n)
    refused(r, 'gone', type='cancel')
    assert r.find('error').all('gone')[0].text() == uri, r
    refused(subscribe(c, m), 'item-not-found')
    create(b, n)
    ok(subscribe(c, n))


def test_purge(t):
    """XEP-0060 §8.5: all items go, and one event says so; its errors"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n))
    for i in range(3):
        ok(publish(a, n))
        event(b, n)
    refused(put(b, "<purge node='%s'/>" % n, OWNER), 'forbidden', type='auth')
    refused(put(a, "<purge node='nothing-%s'/>" % unique(), OWNER), 'item-not-found')
    refused(put(a, "<purge node='%s'/>" % create(a, persist_items='0'), OWNER), 'feature-not-implemented', 'unsupported', 'persistent-items')
    ok(put(a, "<purge node='%s'/>" % n, OWNER))
    event(b, n, 'purge')
    quiet(b, a)
    assert ids(items(b, n)) == []


def test_manage_subscriptions(t):
    """XEP-0060 §8.8: the list, changes, what is not acceptable with what stays; who is changed is told"""
    a, b, c = three(t)
    n = create(a)
    assert subscribers(a, n) == set()
    ok(publish(a, n, 'i'))
    ok(manage(a, n, (b, 'subscribed'), (c, 'subscribed')))
    for x in (b, c):
        assert state(x, n) == 'subscribed' and item_of(x, n) == 'i'
    assert subscribers(a, n) == {(b.bare, 'subscribed'), (c.bare, 'subscribed')}
    r = manage(a, n, (b, 'none'), (c, 'unconfigured'))
    refused(r, 'not-acceptable', type='modify')
    e = r.all('pubsub')[0].all('subscriptions')[0]
    assert [(s.get('jid'), s.get('subscription')) for s in e.all('subscription')] == [(c.bare, 'subscribed')], r
    assert state(b, n) == 'none' and subscribers(a, n) == {(c.bare, 'subscribed')}
    for type in (get, put):
        inner = "<subscriptions node='%s'><subscription jid='" + b.bare + "' subscription='subscribed'/></subscriptions>"
        refused(type(b, inner % n, OWNER), 'forbidden', type='auth')
        refused(type(a, inner % ('nothing-' + unique()), OWNER), 'item-not-found')
    refused(manage(a, n, ('@', 'subscribed')), 'bad-request')


def test_manage_affiliations(t):
    """XEP-0060 §8.9: the list and its changes; an owner remains; the same entity twice is a bad request"""
    a, b, c = three(t)
    n = create(a)
    assert affiliations(a, n) == {(a.bare, 'owner')}
    ok(affiliate(a, n, (b, 'outcast'), (c, 'member')))
    assert affiliations(a, n) == {(a.bare, 'owner'), (b.bare, 'outcast'), (c.bare, 'member')}
    r = affiliate(a, n, (a, 'none'), (b, 'none'), ('bard@shakespeare.lit/x', 'publisher'))
    refused(r, 'not-acceptable', type='modify')
    e = r.all('pubsub')[0].all('affiliations')[0]
    assert [(x.get('jid'), x.get('affiliation')) for x in e.all('affiliation')] == [(a.bare, 'owner')], r
    assert affiliations(a, n) == {(a.bare, 'owner'), ('bard@shakespeare.lit', 'publisher'), (c.bare, 'member')}
    refused(affiliate(a, n, (b, 'member'), (b, 'none')), 'bad-request')
    refused(affiliate(a, n, (b, 'king')), 'not-acceptable')
    ok(affiliate(a, n, (a, 'none'), (b, 'owner')))
    refused(affiliate(a, n, (a, 'owner')), 'forbidden', type='auth')
    refused(get(a, "<affiliations node='%s'/>" % n, OWNER), 'forbidden')
    assert (b.bare, 'owner') in affiliations(b, n)
    refused(get(a, "<affiliations node='nothing'/>", OWNER), 'item-not-found')
    refused(affiliate(a, 'nothing-' + unique(), (b, 'member')), 'item-not-found')


def test_outcast(t):
    """XEP-0060 §4.1, §12.9: who is cast out loses the subscription, and hears of that only"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n))
    ok(affiliate(a, n, (b, 'outcast')))
    assert state(b, n) == 'none' and subscribers(a, n) == set()
    ok(publish(a, n))
    quiet(b, a)
    refused(manage(a, n, (b, 'subscribed')), 'not-acceptable')


def test_whitelist(t):
    """XEP-0060 §4.5: members of the whitelist subscribe and retrieve; off the list, no longer"""
    a, b, _ = three(t)
    n = create(a, access_model='whitelist')
    ok(affiliate(a, n, (b, 'member')))
    ok(subscribe(b, n))
    ok(publish(a, n, 'i'))
    assert item_of(b, n) == 'i' and ids(items(b, n)) == ['i']
    ok(affiliate(a, n, (b, 'none')))
    assert state(b, n) == 'none'
    ok(publish(a, n, 'j'))
    quiet(b, a)
    refused(items(b, n), 'not-allowed', 'closed-node')


def test_notify_sub(t):
    """XEP-0060 §8.2, §12.9: notify_sub: owners hear who subscribes and who leaves"""
    a, b, _ = three(t)
    n = create(a, notify_sub='1')
    ok(subscribe(b, n))
    e, m = event(a, n, 'subscription')
    assert (e.get('jid'), e.get('subscription')) == (b.bare, 'subscribed'), m
    ok(unsubscribe(b, n))
    assert state(a, n) == 'none'


# -- delivery ---------------------------------------------------------------------------------------------------

def test_last_item_on_presence(t):
    """XEP-0060 §8.2: send_last_published_item: on_sub_and_presence tells who comes, on_sub who subscribes, never nobody"""
    a, b, _ = three(t)
    nodes = {x: create(a, send_last_published_item=x) for x in ('on_sub_and_presence', 'on_sub', 'never')}
    for n in nodes.values():
        ok(publish(a, n, 'i'))
        ok(subscribe(b, n))
    for x in ('on_sub_and_presence', 'on_sub'):
        assert item_of(b, nodes[x]) == 'i'
    quiet(b, a)
    b.presence('unavailable')
    b.expect_presence('unavailable', b.jid)
    b.online()
    e, m = event(b, nodes['on_sub_and_presence'])
    assert m.find('delay:delay') is not None, m
    b.online(inner='<show>away</show>')
    quiet(b, a)


def test_available_only(t):
    """XEP-0060 §12.5: presence_based_delivery: full addresses hear only while available; show-values: only while shown"""
    a, b = t.online(), t.bound()
    n, m = create(a, presence_based_delivery='1'), create(a)
    for x in (n, m):
        ok(subscribe(b, x, b.jid))
        ok(publish(a, x, 'i'))
    assert item_of(b, m) == 'i'
    quiet(b, a)
    b.online()
    assert {item_of(b, n), item_of(b, m)} == {'i'}
    ok(publish(a, n, 'j'))
    e, msg = event(b, n)
    assert e.all('item')[0].get('id') == 'j' and 'urn:chancery' not in str(msg) and msg.get('to') == b.jid, msg
    ok(put(b, "<options node='%s' jid='%s'>%s</options>" % (n, b.jid, form('subscribe_options', {'show-values': ['away', 'xa']}))))
    ok(publish(a, n, 'k'))
    quiet(b, a)
    b.online(inner='<show>xa</show>')
    ok(b.iq('get', "<ping xmlns='urn:xmpp:ping'/>"))
    ok(publish(a, n, 'l'))
    assert item_of(b, n) == 'l'


def test_notification_type(t):
    """XEP-0060 §16.4.4: notification_type normal; deliver_notifications off"""
    a, b, _ = three(t)
    n, m = create(a, notification_type='normal'), create(a, deliver_notifications='0')
    for x in (n, m):
        ok(subscribe(b, x))
    ok(publish(a, n))
    assert event(b, n)[1].get('type') == 'normal'
    ok(publish(a, m))
    quiet(b, a)
    # Who is away keeps the subscription, and hears the last item when coming.
    b.close()
    ok(publish(a, n, 'last'))
    b2 = t.online(b)
    assert item_of(b2, n) == 'last' and subscribers(a, n) == {(b.bare, 'subscribed')}


def test_item_expire(t):
    """XEP-0060 §16.4.4: item_expire: items older than that are gone"""
    a = t.online()
    n = create(a, item_expire='3600')
    ok(publish(a, n, 'old'))
    ok(publish(a, n, 'new'))
    t.server.value("update chancery.pubsub_item set at = now() - interval '2 hours' where item = 'old' and node ="
                   " (select id from chancery.pubsub_node where node = '%s') returning 1" % n)
    assert ids(items(a, n)) == ['new']


def test_order(t):
    """P8: what is published at a node by several is told to all in one order, that of the record"""
    a, b, c = three(t)
    n = create(a, publish_model='open')
    for x in (b, c):
        ok(subscribe(x, n))
    for i in range(10):
        for x in (a, b):
            x.iq_send('set', "<pubsub xmlns='%s'><publish node='%s'><item id='%s%d'>%s</item></publish></pubsub>"
                      % (P, n, 'ab'[x is b], i, entry('%s%d' % ('ab'[x is b], i))), service(x))
    heard = [[item_of(x, n) for _ in range(20)] for x in (b, c)]
    assert heard[0] == heard[1] and [i for i in heard[0] if i[0] == 'a'] == ['a%d' % i for i in range(10)], heard
    rows = t.server.records("kind = 9 and to_bare = '%s' and stanza like '%%%s%%' and stanza like '%%<publish%%'" % (service(a), n), 'body')
    assert [r[0].split()[-1] for r in rows] == heard[0], rows


# -- the record, rights, quotas ---------------------------------------------------------------------------------

def test_recorded(t):
    """P1: what people can read or what decides who can read it is in the record, to the service, before it is told"""
    a, b, _ = three(t)
    n = create(a)
    ok(publish(a, n, 'i', entry('in the record')))
    ok(configure(a, n, title='T'))
    ok(affiliate(a, n, (b, 'publisher')))
    ok(manage(a, n, (b, 'subscribed')))
    ok(retract(a, n, 'i'))
    ok(put(a, "<purge node='%s'/>" % n, OWNER))
    ok(put(a, "<delete node='%s'/>" % n, OWNER))
    refused(publish(b, n), 'item-not-found')
    rows = t.server.records("kind = 9 and to_bare = '%s' and from_bare = '%s'" % (service(a), a.bare), 'body, stanza')
    words = ('<create', '<publish', '<configure', '<affiliations', '<subscriptions', '<retract', '<purge', '<delete')
    assert len(rows) == len(words) and all(w in r[1] for w, r in zip(words, rows)), rows
    assert 'in the record' in rows[1][0], rows[1]


def test_recorded_subscribers(t):
    """P1: an address that subscribes is read by the node's owners, and its resource is whatever the subscriber makes of it"""
    a, b, _ = three(t)
    recorded = lambda: t.server.records("kind = 9 and to_bare = '%s' and from_bare = '%s'" % (service(a), b.bare), 'stanza')
    n, m = create(a, access_model='authorize'), create(a)
    ok(subscribe(b, n, b.bare + '/meet me at midnight'))
    assert 'meet me at midnight' in str(question(a, n))
    assert ['meet me at midnight' in r[0] for r in recorded()] == [True], recorded()
    refused(subscribe(b, n, b.bare + '/meet me at midnight'), 'not-authorized', 'pending-subscription', type='auth')
    ok(subscribe(b, m, b.bare + '/on the platform'))
    assert (b.bare + '/on the platform', 'subscribed') in subscribers(a, m)
    ok(unsubscribe(b, m, b.bare + '/on the platform'))
    assert ['on the platform' in r[0] for r in recorded()] == [False, True], recorded()


def test_other_addresses(t):
    """RFC 6120 §10.3: at other addresses of the service there is nobody; presence and words mean nothing to it"""
    a = t.online()
    for to in ('nobody@' + service(a), service(a) + '/princely_musings'):
        r = a.iq('get', "<pubsub xmlns='%s'><items node='n'/></pubsub>" % P, to)
        refused(r, 'service-unavailable')
    a.stanza("<presence to='%s'/>" % service(a))
    a.stanza("<message to='%s' id='m1' type='chat'><body>hello?</body></message>" % service(a))
    r = a.expect(lambda e: e.get('id') == 'm1', 'the refusal')
    assert r.get('type') == 'error' and r.condition() == 'service-unavailable', r
    refused(a.iq('set', "<command xmlns='http://jabber.org/protocol/commands' node='%s#get-pending' action='execute'/>" % P, service(a)),
            'service-unavailable')
    ok(a.iq('get', "<ping xmlns='urn:xmpp:ping'/>", service(a)))


def test_forged_event(t):
    """XEP-0060 §7.1.2: an event from the service's address comes from nobody else; what says when it is for is not believed of others"""
    a, b, _ = three(t)
    n = create(a)
    ok(subscribe(b, n))
    fake = ("<event xmlns='%s'><items node='%s'><item id='forged'/></items></event><available xmlns='urn:chancery:pubsub:0'/>" % (EVENT, n))
    a.stanza("<message to='%s' type='headline'>%s</message>" % (b.jid, fake))
    m = b.expect(is_event, 'what was sent')
    assert m.get('from') == a.jid, m
    a.stanza("<message from='%s' to='%s' type='headline'>%s</message>" % (service(a), b.jid, fake))
    for m in b.heard_any(is_event):
        assert m.get('from') == a.jid, m


def test_account_deleted(t):
    """Rights belong to an account, not to its name: who gets the name later owns and hears nothing; nodes nobody owns go"""
    a, b, c = three(t)
    n, m = create(a), create(b)
    ok(affiliate(b, m, (a, 'owner')))
    ok(subscribe(a, m))
    a.close()
    t.server.cli('user', 'delete', a.bare)
    t.server.add_users([(a.user, a.password)])
    a2 = t.online((a.user, a.password))
    refused(items(a2, n), 'item-not-found')
    refused(configure(a2, m, title='mine'), 'forbidden')
    assert affiliations(b, m) == {(b.bare, 'owner')} and subscribers(b, m) == set()
    ok(publish(b, m))
    quiet(a2, b)


def test_bounce(t):
    """XEP-0060 §12.4: the subscription of somebody who is not there any more ends when an event comes back"""
    a, b, _ = three(t)
    n = create(a, notification_type='normal')
    ok(subscribe(b, n, b.bare))
    b.stanza("<message to='%s' type='error'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
             "</error></message>" % service(b))
    ok(b.iq('get', "<ping xmlns='urn:xmpp:ping'/>", service(b)))
    assert subscribers(a, n) == {(b.bare, 'subscribed')}
    ok(manage(a, n, ('nobody-%s@%s' % (unique(), t.server.domain), 'subscribed')))
    ok(publish(a, n))
    t.server.wait(lambda: subscribers(a, n) == {(b.bare, 'subscribed')}, 'the end of the subscription')
    ok(subscribe(b, n, b.jid))
    jid, resource = b.jid, b.jid.split('/')[1]
    b.close()
    ok(publish(a, n, 'missed'))
    b2 = t.online(b, resource=resource)
    assert b2.jid == jid and (jid, 'subscribed') in subscribers(a, n)


@alone(pubsub__create='["editors"]')
def test_who_may_create(t):
    """XEP-0060 §8.1.1: pubsub.create: members of these groups, and administrators; others are forbidden"""
    a, b = t.online(), t.online()
    refused(put(a, "<create node='n'/>"), 'forbidden', type='auth')
    assert t.server.cli('user', 'set', a.bare, 'group+=editors')[0] == 0
    assert t.server.cli('user', 'set', b.bare, 'admin=yes')[0] == 0
    create(a)
    create(b)


@alone(limits__pubsub_nodes='3', limits__pubsub_all_nodes='5', limits__pubsub_members='3', limits__pubsub_subscriptions='2',
       limits__pubsub_subscribed='2', limits__pubsub_addresses='1', limits__pubsub_bytes='65536', limits__pubsub_item_bytes='30000', limits__pubsub_items='4')
def test_quotas(t):
    """P7: nodes of a creator and in all, items, bytes, affiliations, subscriptions of a node and of a subscriber"""
    a, b, c = three(t)
    d = t.online()
    n = [create(a) for _ in range(3)]
    refused(put(a, '<create/>'), 'policy-violation', 'max-nodes-exceeded')
    m = [create(b) for _ in range(2)]
    refused(put(b, '<create/>'), 'policy-violation', 'max-nodes-exceeded')
    for i in range(6):
        ok(publish(a, n[0], 'i%d' % i))
    assert ids(items(a, n[0])) == ['i2', 'i3', 'i4', 'i5']
    refused(publish(a, n[1], 'i', entry('x' * 31000)), 'not-acceptable', 'payload-too-big')
    for i in range(2):
        ok(publish(a, n[1], 'i%d' % i, entry('x' * 29000)))
    refused(publish(a, n[1], 'i2', entry('x' * 29000)), 'policy-violation')
    ok(publish(a, n[1], 'i1', entry('y' * 29000)))
    refused(affiliate(a, n[0], *[('u%d@x.y' % i, 'member') for i in range(3)]), 'policy-violation')
    assert affiliations(a, n[0]) == {(a.bare, 'owner')}
    for x in (b, c):
        ok(subscribe(x, n[2]))
    refused(subscribe(d, n[2]), 'policy-violation', 'too-many-subscriptions')
    ok(subscribe(b, n[1]))
    refused(subscribe(b, n[0]), 'policy-violation', 'too-many-subscriptions')
    ok(unsubscribe(b, n[2]))
    refused(subscribe(c, n[2], c.jid), 'policy-violation', 'too-many-subscriptions')
    ok(subscribe(d, n[2]))
    assert t.server.metric('chancery_quota_refused_total') >= 6 and m


@alone(pubsub__on='false')
def test_off(t):
    """pubsub.on: where it is off there is no such service"""
    a = t.online()
    q = ok(a.iq('get', "<query xmlns='%s'/>" % NAMES['items'], t.server.domain)).find('items:query')
    assert service(a) not in {i.get('jid') for i in q.all('item')}, q
    r = put(a, '<create/>')
    assert r.get('type') == 'error', r


def test_many_nodes(t):
    """XEP-0060 §5.2, XEP-0059: nodes are listed by pages"""
    a = t.online()
    stem = 'zz%s' % unique()
    for i in range(5):
        create(a, '%s-%d' % (stem, i))

    def page(after):
        q = ok(a.iq('get', "<query xmlns='%s'><set xmlns='%s'><max>2</max><after>%s</after></set></query>" % (NAMES['items'], RSM, after),
                    service(a))).find('items:query')
        return [i.get('node') for i in q.all('item')], q.all('set')[0].text('last')
    assert page(stem) == (['%s-0' % stem, '%s-1' % stem], '%s-1' % stem)
    assert page('%s-3' % stem)[0][0] == '%s-4' % stem


def test_bad_input(t):
    """XEP-0060: requests that nobody would make: none is answered by silence, none is believed"""
    a, b, _ = three(t)
    n = create(a)
    long = 'x' * 3000
    for q in ("<publish node='%s'><item id='%s'>%s</item></publish>" % (n, long, entry()), "<create node='%s'/>" % long):
        refused(put(a, q), 'not-acceptable')
    for q in ("<subscribe node='%s' jid='%s'/>" % (n, '@@'), "<subscribe node='%s' jid=''/>" % n,
              "<publish node='%s'><item>%s</item><item/></publish>" % (n, entry()), "<create node='%s'/><configure><x xmlns='jabber:x:data'/>"
              "</configure>" % unique(), "<options node='%s' jid='%s'/>" % (n, a.bare), '<subscribe/>', '<options/>', '<unsubscribe/>', ''):
        assert put(a, q).condition() == 'bad-request', q
    for q in ("<affiliations node='%s'/>" % n, "<affiliations node='%s'><affiliation affiliation='owner'/></affiliations>" % n,
              "<subscriptions node='%s'><subscription jid='%s@x' subscription='subscribed'/></subscriptions>" % (n, 'y' * 2000),
              "<subscriptions node='%s'><subscription subscription='none'/></subscriptions>" % n, '<delete/>', '<purge/>', ''):
        assert put(a, q, OWNER).condition() == 'bad-request', q
    many = ''.join("<item id='i%d'/>" % i for i in range(2000))
    refused(items(a, n, many), 'bad-request')
    # A decision on what was never asked, and forms that are none.
    for x in (form('subscribe_authorization', {'node': n, 'subscriber_jid': b.bare, 'allow': '1'}),
              form('subscribe_authorization', {'node': n, 'subscriber_jid': '@', 'allow': '1'}),
              form('subscribe_authorization', {'allow': 'maybe'}), form('subscribe_authorization', {})):
        a.stanza("<message to='%s' id='%s'>%s</message>" % (service(a), unique(), x))
    assert subscribers(a, n) == set()
    # Somebody may be subscribed under few addresses, and to be told twice is not worth asking for.
    for i in range(20):
        ok(subscribe(b, n, '%s/r%d' % (b.bare, i)))
    refused(subscribe(b, n), 'policy-violation', 'too-many-subscriptions')
    ok(publish(a, n))


def test_names(t):
    """XEP-0060 §12.7: what is not letters is part of a node's name, an item's id and their texts as it is"""
    a, b, _ = three(t)
    n = "q'uo\"te<>&amp; %s \u2603 $1 %%s \\ ' OR '1'='1" % unique()
    e = escape(n)
    ok(put(a, "<create node='%s'/>" % e))
    ok(subscribe(b, e))
    ok(publish(a, e, e))
    x, m = event(b, n)
    assert x.all('item')[0].get('id') == n, m
    assert ids(items(b, e, "<item id='%s'/>" % e)) == [n]
    ok(retract(a, e, e))
    ok(put(a, "<delete node='%s'/>" % e, OWNER))

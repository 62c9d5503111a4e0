"""Flexible offline message retrieval (XEP-0013)."""
from chancerytest.element import NAMES
from chancerytest.scenario import alone

NS = 'http://jabber.org/protocol/offline'
NAMES.update(offline=NS)


def info(c, to=None, node=NS):
    return c.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['info'], node), to)


def count(c):
    q = info(c).find('info:query')
    assert [(i.get('category'), i.get('type')) for i in q.all('identity')] == [('automation', 'message-list')], q
    assert NS in [f.get('var') for f in q.all('feature')], q
    form = {f.get('var'): f.text('value') for f in q.find('data:x').all('field')}
    assert form['FORM_TYPE'] == NS, q
    return int(form['number_of_messages'])


def headers(c):
    """[(node, sender)]"""
    r = c.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], NS))
    found = r.find('items:query').all('item')
    assert all(i.get('jid') == c.bare for i in found), r
    return [(i.get('node'), i.get('name')) for i in found]


def ask(c, type, inner, to=None):
    return c.iq(type, "<offline xmlns='%s'>%s</offline>" % (NS, inner), to)


def item(action, node):
    return "<item action='%s' node='%s'/>" % (action, node)


def offline_message(e):
    return e.name == 'message' and e.find('offline:offline', 'item') is not None


def viewed(c, n):
    """[(node, body)] of the n that came before the result."""
    got = [c.expect(offline_message, 'a message of the queue') for _ in range(n)]
    for e in got:
        assert e.find('delay:delay') is not None and len(e.all('offline', NS)) == 1, e
    return [(e.find('offline:offline', 'item').get('node'), e.text('body')) for e in got]


def nothing_came(t, c):
    c.ping()
    assert not c.heard_any(lambda e: e.name == 'message'), c.heard


def waiting(t, n=3):
    """A sender, and somebody with a stream and without presence for whom n messages wait."""
    a, user = t.online(), t.user()
    for i in range(n):
        a.message('%s@%s' % (user[0], t.server.domain), 'm%d' % i)
    a.sync(a)
    return a, t.bound(user)


def flood(t, c, bodies):
    """c, online now, gets these from the backlog, and nothing else."""
    assert [c.expect('message').text('body') for _ in bodies] == list(bodies)
    nothing_came(t, c)


def test_support(t):
    """XEP-0013 §2.1: the server says so"""
    c = t.bound()
    r = c.iq('get', "<query xmlns='%s'/>" % NAMES['info'], t.server.domain)
    assert NS in [f.get('var') for f in r.find('info:query').all('feature')], r


def test_number(t):
    """XEP-0013 §2.2: the number of messages; who has asked is not flooded, but hears what is new"""
    a, b = waiting(t)
    assert count(b) == 3
    b.online()
    nothing_came(t, b)
    a.message(b.bare, 'live')
    assert b.expect('message').text('body') == 'live'
    b.ping()
    assert count(b) == 3, 'what was given does not wait'
    second = t.online(b)
    nothing_came(t, second)
    b.close()
    # The other one was promised nothing.
    flood(t, second, ['m0', 'm1', 'm2'])
    assert count(second) == 0


def test_flood(t):
    """XEP-0013 §3: who does not ask is given all, as ever; none wait then"""
    a, b = waiting(t)
    b.online()
    flood(t, b, ['m0', 'm1', 'm2'])
    assert count(b) == 0 and headers(b) == []


def test_headers(t):
    """XEP-0013 §2.3: senders and nodes, in order; nodes sort as text"""
    a, b = waiting(t, 5)
    got = headers(b)
    assert [n for _, n in got] == [a.jid] * 5, got
    nodes = [n for n, _ in got]
    assert nodes == sorted(nodes) and len(set(nodes)) == 5, nodes
    b.online()
    nothing_came(t, b)


def test_none(t):
    """XEP-0013 §2.2, §2.3: nothing waits: zero, and an empty list"""
    b = t.bound()
    assert count(b) == 0 and headers(b) == []
    assert ask(b, 'get', '<fetch/>').get('type') == 'result'
    assert ask(b, 'set', '<purge/>').get('type') == 'result'


def test_view(t):
    """XEP-0013 §2.4: messages that were asked for come with their nodes, before the result, and go on waiting"""
    a, b = waiting(t, 4)
    nodes = [n for n, _ in headers(b)]
    r = ask(b, 'get', item('view', nodes[2]) + item('view', nodes[0]) + item('view', nodes[2]))
    assert r.get('type') == 'result', r
    assert viewed(b, 2) == [(nodes[0], 'm0'), (nodes[2], 'm2')]
    nothing_came(t, b)
    assert count(b) == 4
    b.close()
    flood(t, t.online(b), ['m0', 'm1', 'm2', 'm3'])


def test_remove(t):
    """XEP-0013 §2.5: what was removed does not come, to no session, after a restart neither; record and history keep it"""
    a, b = waiting(t, 4)
    nodes = [n for n, _ in headers(b)]
    assert ask(b, 'set', item('remove', nodes[0]) + item('remove', nodes[2])).get('type') == 'result'
    assert [n for n, _ in headers(b)] == [nodes[1], nodes[3]] and count(b) == 2
    assert ask(b, 'set', item('remove', nodes[0])).condition() == 'item-not-found'
    b.close()
    c = t.online(b)
    flood(t, c, ['m1', 'm3'])
    assert [r[0] for r in t.server.records("to_bare = '%s'" % b.bare, 'body')] == ['m0', 'm1', 'm2', 'm3']
    c.iq('set', "<query xmlns='urn:xmpp:mam:2'/>")
    got = [c.expect(lambda e: e.name == 'message' and e.find('urn:xmpp:mam:2:result') is not None) for _ in range(4)]
    assert [e.find('urn:xmpp:mam:2:result', 'urn:xmpp:forward:0:forwarded', 'client:message').text('body') for e in got] == [
        'm0', 'm1', 'm2', 'm3']


def test_fetch(t):
    """XEP-0013 §2.6: all messages, without asking for headers first; they go on waiting, and do not come by themselves"""
    a, b = waiting(t, 50)
    assert ask(b, 'get', '<fetch/>').get('type') == 'result'
    assert [x for _, x in viewed(b, 50)] == ['m%d' % i for i in range(50)]
    b.online()
    nothing_came(t, b)
    assert count(b) == 50


def test_fetch_large(t):
    """P7: more than all buffers hold comes as the client reads"""
    a, user = t.online(), t.user()
    for i in range(60):
        a.message('%s@%s' % (user[0], t.server.domain), '%d ' % i + 'z' * 200000)
    a.sync(a)
    b = t.bound(user)
    assert ask(b, 'get', '<fetch/>').get('type') == 'result'
    assert [int(x.split()[0]) for _, x in viewed(b, 60)] == list(range(60))


def test_purge(t):
    """XEP-0013 §2.7: nothing waits any more; what comes later does"""
    a, b = waiting(t)
    assert ask(b, 'set', '<purge/>').get('type') == 'result'
    assert count(b) == 0
    b.close()
    a.message(b.bare, 'after')
    a.sync(a)
    c = t.online(b)
    flood(t, c, ['after'])
    assert len(t.server.records("to_bare = '%s'" % b.bare, 'id')) == 4


@alone()
def test_restart(t):
    """P2: what was removed stays removed when the server is killed, and the rest comes"""
    a, b = waiting(t, 4)
    nodes = [n for n, _ in headers(b)]
    assert ask(b, 'set', item('remove', nodes[1])).get('type') == 'result'
    c = t.bound()
    a.message(c.bare, 'purged')
    a.sync(a)
    assert ask(c, 'set', '<purge/>').get('type') == 'result'
    t.server.kill()
    t.server.start()
    flood(t, t.online(b), ['m0', 'm2', 'm3'])
    nothing_came(t, t.online(c))


def test_errors(t):
    """XEP-0013 §2: nodes that do not exist, requests that say nothing or the wrong thing; nothing is changed by them"""
    a, b = waiting(t, 2)
    node = headers(b)[0][0]
    for unknown in ('1', '9' * 18, 'x', '', '-1', '9' * 40, node + 'x'):
        assert ask(b, 'get', item('view', node) + item('view', unknown)).condition() == 'item-not-found', unknown
        assert ask(b, 'set', item('remove', node) + item('remove', unknown)).condition() == 'item-not-found', unknown
    for type, inner in (('get', ''), ('set', ''), ('get', item('remove', node)), ('set', item('view', node)), ('get', "<item node='%s'/>" % node),
                        ('set', "<item action='remove'/>"), ('get', item('look', node)), ('get', '<purge/>'), ('set', '<fetch/>')):
        assert ask(b, type, inner).condition() == 'bad-request', (type, inner)
    nothing_came(t, b)
    assert count(b) == 2
    assert info(b, node=NS + 'x').condition() == 'item-not-found'


def test_of_others(t):
    """XEP-0013 §2, §4: somebody else's queue is forbidden, to contacts too, and whether there is such an account or not"""
    a, b = t.friends()
    stranger = t.online()
    nobody = 'nobody@' + t.server.domain
    for c, to in ((a, b.bare), (stranger, b.bare), (stranger, nobody)):
        for type, inner in (('get', '<fetch/>'), ('set', '<purge/>'), ('get', item('view', '1')), ('set', item('remove', '1'))):
            assert ask(c, type, inner, to).condition() == 'forbidden', (c, to)
    assert info(a, b.bare).condition() == 'forbidden'
    # Another's message is none of mine, by whatever name.
    x, y = waiting(t, 1)
    (node, _), = headers(y)
    z = t.bound()
    assert ask(z, 'get', item('view', node)).condition() == 'item-not-found'
    assert ask(z, 'set', item('remove', node)).condition() == 'item-not-found'
    assert count(y) == 1


def test_forged(t):
    """Pitfalls: what a sender says in the queue's name is not what the client sees"""
    a, user = t.online(), t.user()
    a.message('%s@%s' % (user[0], t.server.domain), 'x', inner="<offline xmlns='%s'><item node='forged'/></offline>" % NS)
    a.sync(a)
    b = t.bound(user)
    ask(b, 'get', '<fetch/>')
    ((node, _),) = viewed(b, 1)
    assert node != 'forged' and [node] == [n for n, _ in headers(b)]


@alone(limits__offline_headers='10', limits__offline_items='3')
def test_limits(t):
    """P7: so many headers at once, the oldest first; so many items in one request"""
    a, b = waiting(t, 12)
    got = headers(b)
    assert len(got) == 10 and count(b) == 12
    assert ask(b, 'set', ''.join(item('remove', n) for n, _ in got[:4])).condition() == 'policy-violation'
    assert ask(b, 'set', ''.join(item('remove', n) for n, _ in got[:3])).get('type') == 'result'
    assert count(b) == 9 and len(headers(b)) == 9
    assert t.server.metric('chancery_quota_refused_total') == 1

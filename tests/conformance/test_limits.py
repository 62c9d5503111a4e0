"""Rates and quotas (P7): who sends too much is told, and nobody else pays for it."""
from chancerytest.scenario import alone


def over(e):
    assert e.get('type') == 'error' and e.condition() == 'policy-violation', e
    assert e.find('error').get('type') == 'wait', e


@alone(limits__pair_messages_per_second='1', limits__pair_burst='10', limits__pairs_tracked='4')
def test_pair(t):
    """P7: an account may write so much to another, over all of its sessions; what is more is neither delivered nor recorded"""
    a, b, c = t.online(), t.online(), t.online()
    a2 = t.online(a)
    refused = t.server.metric('chancery_rate_refused_total')
    for i in range(40):
        (a, a2)[i % 2].message((b.bare, b.jid)[i % 2], 'message %d' % i, id='m%d' % i)
    a.message(c.bare, 'to somebody else')
    c.expect_message('to somebody else')
    assert a.ping().get('type') == 'result' and a2.ping().get('type') == 'result'
    errors = [e for x in (a, a2) for e in x.heard_any(lambda e: e.name == 'message')]
    a.message(a2.bare, 'to oneself')
    a2.expect_message('to oneself')
    # the bucket may have been filled a little meanwhile
    assert 15 <= len(errors) <= 30, errors
    for e in errors:
        over(e)
    c.message(b.bare, 'mark')
    b.expect_message('mark')
    got = b.heard_any(lambda e: e.name == 'message' and (e.text('body') or '').startswith('message'))
    assert len(got) == 40 - len(errors), got
    assert len(t.server.records("from_bare = '%s' and to_bare = '%s'" % (a.bare, b.bare))) == len(got)
    assert t.server.metric('chancery_rate_refused_total') == refused + len(errors)


@alone(limits__pair_messages_per_second='1', limits__pair_burst='10', limits__pairs_tracked='4')
def test_many_pairs(t):
    """P7: writing to many in turn does not fill the buckets"""
    a = t.online()
    others = ['nobody%d@%s' % (i, t.server.domain) for i in range(8)]
    for i in range(200):
        a.message(others[i % 8], 'spam', id='m%d' % i)
    assert a.ping().get('type') == 'result'
    errors = 0
    while errors < 200:
        e = a.expect_message(type='error')
        errors += 1
        if e.condition() == 'policy-violation':
            break
    assert e.condition() == 'policy-violation', 'all of them went through'


@alone(limits__subscriptions_per_minute='3', limits__subscriptions_per_day='5')
def test_subscriptions(t):
    """P7: so many subscription requests, not more; answers and cancellations are free"""
    a, b = t.online(), t.online()
    a.roster()
    for i in range(3):
        a.presence('subscribe', to='c%d@%s' % (i, t.server.domain))
        assert a.expect_push('c%d@%s' % (i, t.server.domain)).get('ask') == 'subscribe'
    a.presence('subscribe', to=b.bare)
    e = a.expect_presence('error', b.bare)
    over(e)
    b.roster()
    b.presence('subscribe', to=a.bare)
    a.expect_presence('subscribe', b.bare)
    a.presence('subscribed', to=b.bare)
    b.expect_presence('subscribed', a.bare)
    a.presence('unsubscribe', to='c0@%s' % t.server.domain)
    assert a.expect_push('c0@%s' % t.server.domain).get('ask') is None
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe'), b.heard
    assert t.server.metric('chancery_rate_refused_total') == 1


@alone(limits__roster_items='10', limits__subscription_requests='10')
def test_quotas(t):
    """P7: what is kept for an account has bounds; each refusal counts"""
    a = t.online()
    a.roster()
    for i in range(10):
        r = a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='c%d@example.com'/></query>" % i)
        assert r.get('type') == 'result', r
    before = t.server.metric('chancery_quota_refused_total')
    r = a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='one.more@example.com'/></query>")
    assert r.condition() == 'resource-constraint', r
    name = t.user()
    bare = '%s@%s' % (name[0], t.server.domain)
    for i in range(11):
        c = t.bound()
        c.roster()
        c.presence('subscribe', to=bare)
        c.expect_push(bare)
    assert c.expect_presence('error', bare).condition() == 'resource-constraint'
    assert t.server.metric('chancery_quota_refused_total') == before + 2


@alone(limits__jobs_waiting='1000')
def test_share_of_the_database(t):
    """P7: who asks faster than the database answers has a tenth of its queue: the rest of the requests are told to wait, and others are served"""
    from chancerytest.server import stopped
    a, n = t.online(), 600
    service, items = 'pubsub.' + t.server.domain, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'/></pubsub>"
    assert a.iq('get', items, service).condition() == 'item-not-found'
    before = t.server.metric('chancery_rate_refused_total')
    with stopped(t.server):
        a.send(''.join("<iq type='get' id='s%d' to='%s'>%s</iq>" % (i, service, items) for i in range(n)))
        t.server.wait(lambda: t.server.metric('chancery_rate_refused_total') == before + n - 100, 'those that are too many to be refused')
        for i in range(100, n):
            e = a.expect(lambda e: e.name == 'iq' and e.get('id') == 's%d' % i)
            assert e.condition() == 'resource-constraint' and e.find('error').get('type') == 'wait', e
    for i in range(100):
        a.expect(lambda e: e.name == 'iq' and e.get('id') == 's%d' % i, timeout=60)
    t.server.wait(lambda: a.iq('get', items, service).condition() == 'item-not-found', 'the database')

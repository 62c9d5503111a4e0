"""Rosters and subscriptions (RFC 6121 §2, §3, Appendix A; XEP-0237's successor in §2.6)."""
from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.scenario import alone


def items(result):
    return {i.get('jid'): i for i in result.find('roster:query').all('item')}


def put(c, jid, name=None, groups=(), extra=''):
    n = " name='%s'" % escape(name) if name is not None else ''
    g = ''.join('<group>%s</group>' % escape(x) for x in groups)
    return c.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s'%s%s>%s</item></query>" % (escape(jid), n, extra, g))


def with_roster(t, user=None, **kw):
    c = t.bound(user, **kw)
    c.roster()
    return c.online()


def state(c, jid):
    """(subscription, ask) of an item; None when it is not listed."""
    i = items(c.roster()).get(jid)
    return None if i is None else (i.get('subscription', 'none'), i.get('ask'))


def test_empty(t):
    """RFC 6121 §2.1.4: a new account has an empty roster with a version"""
    r = t.bound().roster()
    assert r.get('type') == 'result' and items(r) == {}, r


def test_add_and_push(t):
    """RFC 6121 §2.3: adding an item is pushed to every resource that has asked for the roster, and to no other"""
    a = with_roster(t)
    a2 = with_roster(t, a)
    deaf = t.online(a)
    r = put(a, 'nurse@example.com', 'Nurse', ['Servants', 'House'])
    assert r.get('type') == 'result', r
    for c in (a, a2):
        i = c.expect_push('nurse@example.com')
        assert i.get('name') == 'Nurse' and i.get('subscription') == 'none', i
        assert {g.text() for g in i.all('group')} == {'Servants', 'House'}, i
    a.message(deaf.jid, 'mark')
    deaf.expect_message('mark')
    assert not deaf.heard_any(lambda e: e.name == 'iq')
    i = items(t.bound(a).roster())['nurse@example.com']
    assert i.get('name') == 'Nurse'


def test_push_is_from_the_account(t):
    """RFC 6121 §2.1.6: a push has no from, or the account's bare JID"""
    a = with_roster(t)
    put(a, 'x@example.com')
    p = a.expect(lambda e: e.name == 'iq' and e.get('type') == 'set')
    assert p.get('from') in (None, a.bare) and p.get('id'), p
    assert len(p.find('roster:query').all('item')) == 1


def test_update(t):
    """RFC 6121 §2.4: a set replaces name and groups, and leaves the subscription"""
    a = with_roster(t)
    put(a, 'x@example.com', 'One', ['g1', 'g2'])
    a.expect_push()
    put(a, 'x@example.com', 'Two', ['g2'])
    i = a.expect_push()
    assert i.get('name') == 'Two' and [g.text() for g in i.all('group')] == ['g2']
    put(a, 'x@example.com')
    i = a.expect_push()
    assert not i.get('name') and i.all('group') == []


def test_subscription_cannot_be_set(t):
    """RFC 6121 §2.1.2.5: a client cannot give itself a subscription"""
    a, b = with_roster(t), with_roster(t)
    put(a, b.bare, extra=" subscription='both' ask='subscribe' approved='true'")
    i = a.expect_push()
    assert i.get('subscription') == 'none' and i.get('ask') is None, i
    assert i.get('approved') in (None, 'false', '0'), i
    b.sync(a)
    assert not a.heard_any(lambda e: e.name == 'presence' and (e.get('from') or '').startswith(b.bare))


def test_remove(t):
    """RFC 6121 §2.5: removal is pushed with subscription remove; removing nothing is item-not-found"""
    a = with_roster(t)
    put(a, 'x@example.com')
    a.expect_push()
    assert put(a, 'x@example.com', extra=" subscription='remove'").get('type') == 'result'
    assert a.expect_push().get('subscription') == 'remove'
    assert items(a.roster()) == {}
    assert put(a, 'x@example.com', extra=" subscription='remove'").condition() == 'item-not-found'


def test_remove_ends_subscriptions(t):
    """RFC 6121 §2.5.2: removing a contact unsubscribes both ways"""
    a, b = t.friends()
    put(a, b.bare, extra=" subscription='remove'")
    assert a.expect_push(b.bare).get('subscription') == 'remove'
    b.expect_presence('unsubscribe', a.bare)
    b.expect_presence('unsubscribed', a.bare)
    b.expect_presence('unavailable', a.jid)
    a.expect_presence('unavailable', b.jid)
    a.sync(b)
    assert state(a, b.bare) is None
    assert state(b, a.bare) == ('none', None)


def test_bad_sets(t):
    """RFC 6121 §2.3.3: what is wrong with a set gets the error named there"""
    a, b = with_roster(t), with_roster(t)
    def bad(inner, *conditions, to=None):
        r = a.iq('set', "<query xmlns='jabber:iq:roster'>%s</query>" % inner, to=to)
        assert r.condition() in conditions, (inner, r)
    bad('', 'bad-request')
    bad("<item jid='a@example.com'/><item jid='b@example.com'/>", 'bad-request')
    bad('<item/>', 'bad-request')
    bad("<item jid='@example.com'/>", 'jid-malformed', 'bad-request')
    bad("<item jid='a@example.com'><group/></item>", 'not-acceptable')
    bad("<item jid='a@example.com'><group>g</group><group>g</group></item>", 'bad-request')
    bad("<item jid='a@example.com' name='%s'/>" % ('n' * 1100), 'not-acceptable')
    bad("<item jid='a@example.com'><group>%s</group></item>" % ('g' * 1100), 'not-acceptable')
    bad("<item jid='a@example.com'/>", 'forbidden', 'service-unavailable', to=b.bare)
    assert items(a.roster()) == {} and items(b.roster()) == {}


def test_roster_of_others(t):
    """RFC 6121 §2.1.3: nobody reads another's roster"""
    a, b = with_roster(t), with_roster(t)
    put(b, 'secret@example.com')
    for to in (b.bare, ):
        r = a.iq('get', "<query xmlns='jabber:iq:roster'/>", to=to)
        assert r.get('type') == 'error' and r.condition() in ('forbidden', 'service-unavailable'), r


def test_own_roster_by_address(t):
    """RFC 6121 §2.1.3: one's own bare JID as `to` is one's own roster"""
    a = with_roster(t)
    put(a, 'x@example.com')
    r = a.iq('get', "<query xmlns='jabber:iq:roster'/>", to=a.bare)
    assert list(items(r)) == ['x@example.com'], r


def test_versioning(t):
    """RFC 6121 §2.6: with the current version the result is empty; with an old one come the changes, or all"""
    a = with_roster(t)
    put(a, 'one@example.com')
    put(a, 'two@example.com')
    a.expect_push('one@example.com'), a.expect_push('two@example.com')
    r = a.roster(ver='')
    ver = r.find('roster:query').get('ver')
    assert ver, r
    same = a.roster(ver=ver)
    assert same.get('type') == 'result' and same.find('roster:query') is None, same
    b = t.bound(a)
    put(a, 'three@example.com')
    put(a, 'one@example.com', extra=" subscription='remove'")
    r = b.roster(ver=ver)
    if r.find('roster:query') is None:
        got = {i.get('jid'): i for i in (b.expect_push(), b.expect_push())}
        assert got['three@example.com'].get('subscription') == 'none'
        assert got['one@example.com'].get('subscription') == 'remove'
    else:
        assert set(items(r)) == {'two@example.com', 'three@example.com'}, r
    assert set(items(b.roster(ver='not one of ours'))) == {'two@example.com', 'three@example.com'}


def test_names_are_text(t):
    """RFC 6121 §2.1.2: names and groups come back as they were given"""
    a = with_roster(t)
    put(a, 'x@example.com', 'J\u00fcliet <&"\'> \U0001f339', ["a & b's"])
    i = a.expect_push()
    assert i.get('name') == 'J\u00fcliet <&"\'> \U0001f339' and i.find('group').text() == "a & b's"


@alone(limits__roster_items='10')
def test_limit(t):
    """P7: a roster has a bound; one item more is refused and nothing is lost"""
    a = with_roster(t)
    for i in range(10):
        assert put(a, 'c%d@example.com' % i).get('type') == 'result'
    r = put(a, 'onemore@example.com')
    assert r.get('type') == 'error' and r.condition() in ('not-allowed', 'resource-constraint', 'not-acceptable'), r
    assert len(items(a.roster())) == 10


# -- subscriptions -------------------------------------------------------------------------------------------

def test_subscribe_whole(t):
    """RFC 6121 §3.1: request, approval, pushes and presence, both ways"""
    a, b = with_roster(t), with_roster(t)
    a.presence('subscribe', to=b.bare)
    i = a.expect_push(b.bare)
    assert (i.get('subscription'), i.get('ask')) == ('none', 'subscribe'), i
    p = b.expect_presence('subscribe')
    assert p.get('from') == a.bare and p.get('to') in (None, b.bare), p
    assert state(b, a.bare) is None, 'an unanswered request is not in the roster'
    b.presence('subscribed', to=a.bare)
    assert b.expect_push(a.bare).get('subscription') == 'from'
    assert a.expect_presence('subscribed').get('from') == b.bare
    i = a.expect_push(b.bare)
    assert (i.get('subscription'), i.get('ask')) == ('to', None), i
    a.expect_presence(None, b.jid)
    b.presence('subscribe', to=a.bare)
    assert b.expect_push(a.bare).get('ask') == 'subscribe'
    a.expect_presence('subscribe', b.bare)
    a.presence('subscribed', to=b.bare)
    assert a.expect_push(b.bare).get('subscription') == 'both'
    assert b.expect_push(a.bare).get('subscription') == 'both'
    b.expect_presence(None, a.jid)


def test_request_to_full_jid(t):
    """RFC 6121 §3.1.2: a request to a full JID goes to the bare one"""
    a, b = with_roster(t), with_roster(t)
    a.presence('subscribe', to=b.jid)
    assert b.expect_presence('subscribe').get('from') == a.bare
    assert a.expect_push().get('jid') == b.bare


def test_request_waits(t):
    """RFC 6121 §3.1.3: a request to somebody offline is delivered at each login until it is answered"""
    a, name = with_roster(t), t.user()
    bare = '%s@%s' % (name[0], t.server.domain)
    a.presence('subscribe', to=bare, inner='<status>it is the nightingale</status>')
    a.expect_push(bare)
    for _ in range(2):
        b = with_roster(t, name)
        p = b.expect_presence('subscribe', a.bare)
        assert p.text('status') == 'it is the nightingale', p
        b.close()
    b = with_roster(t, name)
    b.expect_presence('subscribe', a.bare)
    b.presence('unsubscribed', to=a.bare)
    a.expect_presence('unsubscribed', bare)
    b.close()
    b = with_roster(t, name)
    b.roster()
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe')


def test_words_are_recorded(t):
    """P1: words in a subscription request, or in the answer, are in the record before anybody reads them; without words there is none"""
    a, b = with_roster(t), with_roster(t)
    where = "kind = 19 and from_bare = '%s' and to_bare = '%s'"
    a.presence('subscribe', b.bare, inner="<status>May I?</status><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick>")
    p = b.expect_presence('subscribe', a.bare)
    assert p.text('status') == 'May I?' and p.find('urn:xmpp:sid:0:stanza-id') is None, p
    (row,) = t.server.records(where % (a.bare, b.bare), 'body, stanza, deliverable, shown, type')
    assert row[0] == 'May I?' and 'Romeo' in row[1] and row[2:] == ['f', 'f', 'subscribe'], row
    b.presence('subscribed', a.bare, inner='<status>You may</status>')
    a.expect_presence('subscribed', b.bare)
    assert [r[0] for r in t.server.records(where % (b.bare, a.bare), 'body')] == ['You may']
    # Other words than those of a status are words, too.
    a.presence('unsubscribe', b.bare, inner="<x xmlns='urn:example:x'>farewell</x>")
    b.expect_presence('unsubscribe', a.bare)
    assert len(t.server.records(where % (a.bare, b.bare), 'id')) == 2
    a.presence('subscribe', to=b.bare)
    b.expect_presence('subscribe', a.bare)
    assert len(t.server.records(where % (a.bare, b.bare), 'id')) == 2


def test_words_keep_order(t):
    """P8: a request that waits for its record comes before the message that was sent behind it"""
    a, b = with_roster(t), with_roster(t)
    for i in range(5):
        a.presence('subscribe', b.bare, inner='<status>%d</status>' % i)
        a.message(b.bare, 'm%d' % i)
        a.presence('unsubscribe', to=b.bare)
    for i in range(5):
        got = [b.expect(lambda e: e.name == 'message' or e.get('type') in ('subscribe', 'unsubscribe')) for _ in range(3)]
        assert [e.text('status') or e.text('body') or e.get('type') for e in got] == [str(i), 'm%d' % i, 'unsubscribe'], got


def test_denied(t):
    """RFC 6121 §3.2: a denied request clears ask, and no presence is told"""
    a, b = with_roster(t), with_roster(t)
    a.presence('subscribe', to=b.bare)
    assert a.expect_push().get('ask') == 'subscribe'
    b.expect_presence('subscribe')
    b.presence('unsubscribed', to=a.bare)
    a.expect_presence('unsubscribed', b.bare)
    i = a.expect_push()
    assert (i.get('subscription'), i.get('ask')) == ('none', None), i
    b.sync(a)
    assert not a.heard_any(lambda e: e.name == 'presence' and e.get('from') == b.jid)


def test_cancel(t):
    """RFC 6121 §3.2: cancelling what a contact has: they see us leave"""
    a, b = t.friends()
    a.presence('unsubscribed', to=b.bare)
    b.expect_presence('unsubscribed', a.bare)
    b.expect_presence('unavailable', a.jid)
    a.sync(b)
    b.sync(a)
    assert state(a, b.bare) == ('to', None)
    assert state(b, a.bare) == ('from', None)
    a.presence(inner='<status>private</status>')
    a.sync(b)
    assert not b.heard_any(lambda e: e.text('status') == 'private')


def test_unsubscribe(t):
    """RFC 6121 §3.3: unsubscribing: the contact learns it, and we no longer see them"""
    a, b = t.friends()
    a.presence('unsubscribe', to=b.bare)
    b.expect_presence('unsubscribe', a.bare)
    a.expect_presence('unavailable', b.jid)
    a.sync(b)
    assert state(a, b.bare) == ('from', None)
    assert state(b, a.bare) == ('to', None)


def test_pre_approval(t):
    """RFC 6121 §3.4: approval given before it is asked for answers the request at once"""
    a, b = with_roster(t), with_roster(t)
    b.presence('subscribed', to=a.bare)
    i = b.expect_push(a.bare)
    assert i.get('approved') in ('true', '1') and i.get('subscription') == 'none', i
    a.presence('subscribe', to=b.bare)
    a.expect_presence('subscribed', b.bare)
    a.expect_presence(None, b.jid)
    assert b.expect_push(a.bare).get('subscription') == 'from'
    a.sync(b)
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe')


def test_pre_approval_withdrawn(t):
    """RFC 6121 §3.4.2: a withdrawn pre-approval is none"""
    a, b = with_roster(t), with_roster(t)
    b.presence('subscribed', to=a.bare)
    b.expect_push(a.bare)
    b.presence('unsubscribed', to=a.bare)
    i = b.expect_push(a.bare)
    assert i.get('approved') in (None, 'false', '0'), i
    a.presence('subscribe', to=b.bare)
    b.expect_presence('subscribe', a.bare)


def test_unasked_answers(t):
    """RFC 6121 A.3: approvals and removals that nobody asked for change nothing and are not delivered"""
    a, b = with_roster(t), with_roster(t)
    a.presence('unsubscribed', to=b.bare)
    a.presence('unsubscribe', to=b.bare)
    a.sync(b)
    assert not b.heard_any(lambda e: e.name == 'presence' and a.bare in (e.get('from') or ''))
    assert state(b, a.bare) is None
    a.presence('subscribed', to=b.bare)
    a.sync(b)
    assert state(b, a.bare) is None
    assert not b.heard_any(lambda e: e.get('type') == 'subscribed')


def test_repeated_request(t):
    """RFC 6121 §3.1.3: asking again while approved is answered for the contact"""
    a, b = t.friends()
    a.presence('subscribe', to=b.bare)
    a.sync(b)
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe'), b.heard
    assert state(a, b.bare) == ('both', None)


def test_request_to_nobody(t):
    """RFC 6121 §3.1.3: a request to an account that does not exist is not told apart from a silent one, or is refused"""
    a = with_roster(t)
    to = 'nobody-%s@%s' % (unique(), t.server.domain)
    a.presence('subscribe', to=to)
    i = a.expect_push(to)
    assert i.get('ask') in ('subscribe', None), i
    assert a.ping().get('type') == 'result'


def test_subscribe_oneself(t):
    """RFC 6121 §3.1: a request to oneself does no harm"""
    a = with_roster(t)
    a.presence('subscribe', to=a.bare)
    assert a.ping().get('type') == 'result'
    assert state(a, a.bare) in (None, ('none', None), ('both', None), ('none', 'subscribe'))


def test_spoofed_from(t):
    """RFC 6120 §8.1.2.1: a subscription stanza says who sent it; another's name ends the stream"""
    a, b, c = with_roster(t), with_roster(t), with_roster(t)
    a.stanza("<presence type='subscribe' from='%s' to='%s'/>" % (c.bare, b.bare))
    assert a.expect_end() == 'invalid-from'
    c.sync(b)
    assert not b.heard_any(lambda e: e.get('type') == 'subscribe')


@alone()
def test_survives_restart(t):
    """P2: rosters, subscriptions and waiting requests outlive the server"""
    a, b = t.friends()
    put(a, b.bare, 'Juliet', ['g'])
    c = with_roster(t)
    name = t.user()
    offline = '%s@%s' % (name[0], t.server.domain)
    c.presence('subscribe', to=offline)
    c.expect_push(offline)
    c.sync(a)
    t.server.restart()
    a2 = t.bound(a)
    i = items(a2.roster())[b.bare]
    assert i.get('subscription') == 'both' and i.get('name') == 'Juliet', i
    with_roster(t, name).expect_presence('subscribe', c.bare)
    b2 = with_roster(t, b)
    a2.online()
    a2.expect_presence(None, b2.jid)

"""Blocking Command (XEP-0191) and its reports (XEP-0377)."""
import random

from chancerytest import rooms
from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.scenario import alone

NS = 'urn:xmpp:blocking'
ERRORS = 'urn:xmpp:blocking:errors'


def items(jids):
    return ''.join("<item jid='%s'/>" % escape(j) for j in jids)


def block(c, *jids, inner=None, to=None):
    return c.iq('set', "<block xmlns='%s'>%s</block>" % (NS, items(jids) if inner is None else inner), to=to)


def unblock(c, *jids, to=None):
    return c.iq('set', "<unblock xmlns='%s'>%s</unblock>" % (NS, items(jids)), to=to)


def blocked(c):
    """Asks for the list; from then on the client hears of changes."""
    r = c.iq('get', "<blocklist xmlns='%s'/>" % NS)
    assert r.get('type') == 'result', r
    return [i.get('jid') for i in r.find(NS + ':blocklist').all('item')]


def ok(answer):
    assert answer.get('type') == 'result' and not answer.all(), answer


def expect_push(c, name):
    """The addresses of a push, which is answered."""
    push = c.expect(lambda e: e.name == 'iq' and e.get('type') == 'set' and e.find('%s:%s' % (NS, name)) is not None,
                    'a push of <%s/>' % name)
    assert push.get('from') in (None, c.bare) and push.get('id'), push
    c.stanza("<iq type='result' id='%s'/>" % escape(push.get('id')))
    return [i.get('jid') for i in push.find('%s:%s' % (NS, name)).all('item')]


def refused(c, to, kind='message', id=None):
    """c's stanza to `to` comes back as a blocker's own (§3.3)."""
    e = c.expect(lambda e: e.name == kind and e.get('type') == 'error' and (id is None or e.get('id') == id), 'an error')
    assert e.condition() == 'not-acceptable', e
    assert e.find('error').find(ERRORS + ':blocked') is not None, e
    assert e.find('error').get('type') == 'cancel', e


def nothing_from(c, other):
    return not c.heard_any(lambda e: (e.get('from') or '').startswith(other.bare))


# -- the list (§3.1, §3.2) -----------------------------------------------------------------------------------

def test_support(t):
    """XEP-0191 §3.1, XEP-0377 §3: the server says that it blocks and takes reports"""
    a = t.bound()
    r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=t.server.domain)
    features = {f.get('var') for f in r.find('info:query').all('feature')}
    assert {'urn:xmpp:blocking', 'urn:xmpp:reporting:1'} <= features, features


def test_list(t):
    """XEP-0191 §3.2: the list is empty, then holds what was blocked, in that order, for every resource"""
    a = t.bound()
    assert blocked(a) == []
    ok(block(a, 'romeo@montague.net', 'iago@shakespeare.lit'))
    ok(block(a, 'gate.example/north'))
    assert blocked(a) == ['romeo@montague.net', 'iago@shakespeare.lit', 'gate.example/north']
    b = t.bound(a)
    assert blocked(b) == ['romeo@montague.net', 'iago@shakespeare.lit', 'gate.example/north']
    ok(block(b, 'romeo@montague.net'))
    assert len(blocked(a)) == 3
    ok(unblock(a, 'iago@shakespeare.lit', 'nobody@example.com'))
    assert blocked(b) == ['romeo@montague.net', 'gate.example/north']


def test_prepared(t):
    """XEP-0191 §5: addresses are compared as addresses, not as text"""
    a, b = t.online(), t.online()
    ok(block(a, b.bare.upper(), b.bare))
    assert blocked(a) == [b.bare]
    b.message(a.bare, 'hello', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'


def test_pushes(t):
    """XEP-0191 §3.3, §3.4, §3.5: every resource that asked for the list hears of changes, and no other"""
    a, a2 = t.online(), None
    a2, deaf = t.online(a), t.online(a)
    blocked(a), blocked(a2)
    ok(block(a, 'romeo@montague.net', 'iago@shakespeare.lit'))
    for c in (a, a2):
        assert expect_push(c, 'block') == ['romeo@montague.net', 'iago@shakespeare.lit']
    ok(unblock(a2, 'romeo@montague.net'))
    for c in (a, a2):
        assert expect_push(c, 'unblock') == ['romeo@montague.net']
    ok(unblock(a2))
    for c in (a, a2):
        assert expect_push(c, 'unblock') == []
    assert blocked(a) == []
    a.message(deaf.jid, 'mark')
    deaf.expect_message('mark')
    assert not deaf.heard_any(lambda e: e.name == 'iq'), deaf.heard


def test_bad_requests(t):
    """XEP-0191 §3.3: what is wrong with a request gets the error named there, and changes nothing"""
    a = t.bound()
    for inner, condition in (('', 'bad-request'), ('<item/>', 'bad-request'), ("<item jid=''/>", 'jid-malformed'),
                             ("<item jid='@montague.net'/>", 'jid-malformed'),
                             ("<item jid='a@b@c'/>", 'jid-malformed'),
                             ("<item jid='good@montague.net'/><item jid='bad@'/>", 'jid-malformed'),
                             ("<other xmlns='urn:example'/>", 'bad-request')):
        assert block(a, inner=inner).condition() == condition, inner
    r = a.iq('set', "<unblock xmlns='%s'><item jid='@'/></unblock>" % NS)
    assert r.condition() == 'jid-malformed', r
    r = a.iq('set', "<blocklist xmlns='%s'/>" % NS)
    assert r.get('type') == 'error', r
    assert blocked(a) == []


def test_someone_elses(t):
    """XEP-0191 §3: a list is its owner's alone; others cannot tell whether there is an account"""
    a, b = t.online(), t.online()
    ok(block(a, 'secret@example.com'))
    nobody = 'nobody-%s@%s' % (unique(), t.server.domain)
    for to in (a.bare, nobody):
        assert b.iq('get', "<blocklist xmlns='%s'/>" % NS, to=to).condition() == 'service-unavailable'
        assert block(b, 'x@example.com', to=to).condition() == 'service-unavailable'
        assert unblock(b, to=to).condition() == 'service-unavailable'
    assert blocked(a) == ['secret@example.com']


@alone(limits__blocked_items='10')
def test_limit(t):
    """P7: a list has a bound, also in one request, and what is too much changes nothing"""
    a = t.bound()
    refusals = t.server.metric('chancery_quota_refused_total')
    ok(block(a, *['c%d@example.com' % i for i in range(8)]))
    assert block(a, 'c8@example.com', 'c9@example.com', 'c10@example.com').condition() == 'resource-constraint'
    assert block(a, *['d%d@example.com' % i for i in range(11)]).condition() == 'resource-constraint'
    ok(block(a, 'c8@example.com', 'c9@example.com'))
    ok(block(a, 'c3@example.com'))
    assert len(blocked(a)) == 10
    assert t.server.metric('chancery_quota_refused_total') == refusals + 2


@alone()
def test_long_address(t):
    """RFC 7622 §3: an address of three kilobytes is one, but more than an index holds: too much, and not a trouble of the database"""
    a = t.bound()
    def noise(n):
        return ''.join(random.choices('abcdefghijklmnopqrstuvwxyz', k=n))
    host = '.'.join(noise(60) for _ in range(15))
    refusals = t.server.metric('chancery_quota_refused_total')
    assert block(a, '%s@%s/%s' % (noise(1000), host, noise(1000))).condition() == 'resource-constraint'
    assert t.server.metric('chancery_quota_refused_total') == refusals + 1
    ok(block(a, '%s@%s' % (noise(1000), host)))
    assert len(blocked(a)) == 1 and t.server.metric('chancery_jobs_failed_total') == 0


# -- what a block does (§3.3) ---------------------------------------------------------------------------------

def test_from_blocked(t):
    """XEP-0191 §3.3: messages and requests come back as if nobody was there; presence gets no answer"""
    a, b = t.online(), t.online()
    ok(block(a, b.bare))
    for type in ('chat', 'normal'):
        for to in (a.bare, a.jid):
            b.message(to, 'hello', type=type, id='m')
            assert b.expect_message(id='m').condition() == 'service-unavailable'
    assert b.ping(a.jid).condition() == 'service-unavailable'
    assert b.ping(a.bare).condition() == 'service-unavailable'
    r = b.iq('get', "<query xmlns='jabber:iq:last'/>", to=a.bare)
    assert r.condition() == 'service-unavailable', r
    for type in (None, 'subscribe', 'unsubscribe', 'subscribed', 'unsubscribed', 'unavailable', 'probe'):
        b.presence(type, to=a.bare)
    b.presence(None, to=a.jid)
    b.message(a.bare, 'a headline', type='headline')
    b.message(a.jid, 'a room', type='groupchat')
    b.stanza("<iq type='result' id='x' to='%s'/>" % a.jid)
    b.stanza("<message type='error' to='%s'><error type='cancel'/></message>" % a.jid)
    b.message(a.bare, 'the last', id='last')
    assert b.expect_message(id='last').condition() == 'service-unavailable'
    assert not b.heard_any(lambda e: e.get('type') == 'error'), b.heard
    assert a.ping().get('type') == 'result'
    assert nothing_from(a, b), a.heard


def test_private_from_room(t):
    """XEP-0191 §3.3, XEP-0045 §14.4: rooms elsewhere are not told of a block by an error, which would look like a client that has left"""
    a, k = t.online(), t.component().joined()
    ok(block(a, 'r@%s/foe' % k.domain))
    x = "<x xmlns='%s'/>" % rooms.USER
    for nick, inner in ('foe', x), ('foe', ''), ('friend', x):
        k.stanza("<message from='r@%s/%s' to='%s' type='chat' id='m%d'><body>%s</body>%s</message>"
                 % (k.domain, nick, a.jid, len(inner), nick, inner))
    assert a.expect_message('friend').get('from') == 'r@%s/friend' % k.domain
    # What is no private message of a room is refused as always.
    assert k.expect(lambda e: e.get('type') == 'error', 'a refusal').get('id') == 'm0'
    assert not a.heard_any(lambda e: e.text('body') == 'foe'), a.heard


def test_invitation_of_blocked(t):
    """XEP-0191 §3.3, XEP-0045 §7.8.2: no room passes on the words of who is blocked; the room itself and others who invite are heard"""
    a, b, c, room = t.online(), t.online(), t.online(), rooms.new_room(t)
    rooms.create(b, room, 'blocked')
    assert rooms.enter(c, room, 'other').get('type') is None
    ok(block(a, b.bare))
    invite = "<x xmlns='%s'><invite to='%s'><reason>by %s</reason></invite></x>"
    b.message(room, type=None, inner=invite % (rooms.USER, a.bare, 'b'))
    b.sync(c)
    c.message(room, type=None, inner=invite % (rooms.USER, a.bare, 'c'))
    m = a.expect(lambda e: e.name == 'message', 'an invitation')
    assert m.find(rooms.USER + ':x', 'invite').text('reason') == 'by c', m


def test_to_blocked(t):
    """XEP-0191 §3.3: what the user sends there is not-acceptable with <blocked/>, and goes nowhere, not even into the record"""
    a, b = t.friends()
    ok(block(a, b.bare))
    b.expect_presence('unavailable', a.jid)
    a.message(b.bare, 'Can you hear me now?', id='m1')
    refused(a, b.bare, id='m1')
    a.message(b.jid, 'And now?', id='m2', type=None)
    refused(a, b.jid, id='m2')
    a.presence(None, to=b.jid)
    refused(a, b.jid, 'presence')
    a.presence('subscribe', to=b.bare)
    refused(a, b.bare, 'presence')
    r = a.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=b.jid)
    assert r.condition() == 'not-acceptable' and r.find('error').get('type') == 'cancel', r
    ok(unblock(a))
    b.expect_presence(None, a.jid)
    a.message(b.bare, 'better')
    b.expect_message('better')
    assert not b.heard_any(lambda e: e.name == 'message'), b.heard
    assert t.server.records("from_bare = '%s' and body like 'Can you%%'" % a.bare) == []


def test_presence(t):
    """XEP-0191 §3.3, §3.4: a contact sees the user leave, then nothing, then the user as they are now; the subscription stays"""
    a, b = t.friends()
    ok(block(a, b.bare))
    b.expect_presence('unavailable', a.jid)
    a.presence(inner='<status>secret</status>')
    a2 = t.bound(a).online()
    b.presence('probe', to=a.bare)
    assert a.ping().get('type') == 'result'
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    assert nothing_from(b, a), b.heard
    ok(unblock(a, b.bare))
    assert b.expect_presence(None, a.jid).text('status') == 'secret'
    b.expect_presence(None, a2.jid)
    # and the user sees the contact again
    a.expect_presence(None, b.jid)
    i = {i.get('jid'): i for i in a.roster().find('roster:query').all('item')}
    assert i[b.bare].get('subscription') == 'both'


def test_presence_of_contact(t):
    """XEP-0191 §3.3: nothing of the blocked contact's presence arrives either"""
    a, b = t.friends()
    ok(block(a, b.bare))
    b.expect_presence('unavailable', a.jid)
    b.presence(inner='<status>look at me</status>')
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    a2 = t.bound(a)
    a2.roster()
    a2.online()
    assert a2.ping().get('type') == 'result'
    b.message(a.bare, 'x', id='m2')
    assert b.expect_message(id='m2').condition() == 'service-unavailable'
    assert nothing_from(a, b) and nothing_from(a2, b), (a.heard, a2.heard)
    assert nothing_from(b, a), b.heard


def test_directed_presence(t):
    """XEP-0191 §3.3: who was told directly that the user is there sees them leave, once"""
    a, b = t.online(), t.online()
    a.presence(None, to=b.jid)
    b.expect_presence(None, a.jid)
    ok(block(a, b.bare))
    b.expect_presence('unavailable', a.jid)
    a.presence('unavailable')
    a.expect_presence('unavailable', a.jid)
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    assert nothing_from(b, a), b.heard


def test_stranger_hears_nothing(t):
    """XEP-0191 §3.3: somebody who could not see the user does not learn of the block"""
    a, b = t.online(), t.online()
    ok(block(a, b.bare))
    ok(unblock(a, b.bare))
    a.message(b.jid, 'mark')
    b.expect_message('mark')
    assert nothing_from(b, a), b.heard


# -- matching (§5) -------------------------------------------------------------------------------------------

def test_match_resource(t):
    """XEP-0191 §5: an address with a resource covers that resource only"""
    a, b = t.online(), t.online()
    b2 = t.online(b)
    ok(block(a, b.jid))
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    b2.message(a.bare, 'from elsewhere')
    a.expect_message('from elsewhere')
    a.message(b.jid, 'x', id='m2')
    refused(a, b.jid, id='m2')
    a.message(b2.jid, 'there')
    b2.expect_message('there')


def test_match_domain(t):
    """XEP-0191 §5: a domain covers all its users, but not the user, their other resources, or the server"""
    a, b = t.friends()
    a2 = t.online(a)
    ok(block(a, t.server.domain))
    b.expect_presence('unavailable', a.jid)
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    a.message(b.bare, 'x', id='m2')
    refused(a, b.bare, id='m2')
    # §6 note: one's own resources always hear each other
    a.message(a2.jid, 'to myself')
    a2.expect_message('to myself', from_=a.jid)
    a2.message(a.bare, 'to my account')
    a.expect_message('to my account')
    assert a.ping(t.server.domain).get('type') == 'result'
    assert a.ping(a.bare).get('type') == 'result'
    r = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=t.server.domain)
    assert r.get('type') == 'result', r
    ok(unblock(a, t.server.domain))
    b.expect_presence(None, a.jid)


def test_overlap(t):
    """XEP-0191 §5: who is covered twice stays blocked when one of the two ends, and hears of neither"""
    a, b = t.friends()
    ok(block(a, b.bare))
    b.expect_presence('unavailable', a.jid)
    ok(block(a, t.server.domain))
    ok(unblock(a, b.bare))
    b.message(a.bare, 'x', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    assert nothing_from(b, a), b.heard
    ok(unblock(a))
    b.expect_presence(None, a.jid)


def test_oneself(t):
    """XEP-0191 §6 note: blocking oneself or the server locks nobody out"""
    a = t.online()
    a2 = t.online(a)
    ok(block(a, a.bare, a.jid, a2.jid, t.server.domain))
    a.message(a2.jid, 'still here')
    a2.expect_message('still here')
    a.message(a.bare, 'and here')
    a2.expect_message('and here')
    a.presence(inner='<status>seen</status>')
    assert a2.expect(lambda e: e.name == 'presence' and e.text('status') == 'seen')
    assert a.ping().get('type') == 'result'
    a3 = t.online(a)
    assert len(blocked(a3)) == 4
    ok(unblock(a3))


# -- what lasts ----------------------------------------------------------------------------------------------

def test_offline(t):
    """XEP-0191 §3.3: a message that comes while nobody is there is refused too, and does not come later"""
    a, b = t.online(), t.online()
    ok(block(a, b.bare))
    a.close()
    b.message(a.bare, 'while you were out', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'
    c = t.online()
    c.message(a.bare, 'mark')
    assert c.ping().get('type') == 'result'
    a2 = t.online(a)
    a2.expect_message('mark')
    assert nothing_from(a2, b), a2.heard


def test_backlog(t):
    """XEP-0191 §3.3: what waited when its sender was blocked is not delivered, and holds nothing up"""
    name = t.user()
    bare = '%s@%s' % (name[0], t.server.domain)
    b, c = t.online(), t.online()
    for i in range(3):
        b.message(bare, 'bad %d' % i)
        c.message(bare, 'good %d' % i)
    b.sync(c)
    a = t.bound(name)
    ok(block(a, b.bare))
    a.online()
    for i in range(3):
        a.expect_message('good %d' % i)
    c.message(bare, 'live')
    a.expect_message('live')
    assert nothing_from(a, b), a.heard
    assert not b.heard_any(lambda e: e.get('type') == 'error'), b.heard
    # the mark has passed them: they do not come when the block has ended
    a.close()
    a = t.bound(name)
    ok(unblock(a))
    a.online()
    c.message(bare, 'after')
    a.expect_message('after')
    assert nothing_from(a, b), a.heard


@alone()
def test_restart(t):
    """XEP-0191 §3.3: a block lasts across sessions and restarts of the server"""
    a, b = t.friends()
    ok(block(a, b.bare))
    t.server.restart()
    b2 = t.online(b)
    b2.message(a.bare, 'x', id='m1')
    assert b2.expect_message(id='m1').condition() == 'service-unavailable'
    a2 = t.online(a)
    assert blocked(a2) == [b.bare]
    assert a2.ping().get('type') == 'result'
    assert nothing_from(b2, a), b2.heard


def test_deleted_account(t):
    """an account's list goes with it: who has the name later begins with an empty one"""
    name = t.user()
    bare = '%s@%s' % (name[0], t.server.domain)
    a = t.bound(name)
    ok(block(a, 'romeo@montague.net'))
    assert t.server.cli('user', 'delete', bare)[0] == 0
    assert t.server.value("select count(*) from chancery.blocked b left join chancery.account a on a.id = b.account"
                          " where a.id is null") == '0'
    t.server.add_users([name])
    assert blocked(t.bound(name)) == []


# -- the record and reports ----------------------------------------------------------------------------------

def test_recorded(t):
    """P1: each change of a block list is in the record, as who changed it said it"""
    a = t.bound()
    ok(block(a, 'romeo@montague.net', 'iago@shakespeare.lit'))
    ok(unblock(a, 'romeo@montague.net'))
    ok(unblock(a))
    rows = t.server.records("kind = 11 and from_bare = '%s'" % a.bare, 'body, stanza, to_bare')
    assert [r[0] for r in rows] == ['blocked romeo@montague.net; iago@shakespeare.lit', 'unblocked romeo@montague.net',
                                    'unblocked everybody'], rows
    assert '<item' in rows[0][1] and rows[0][2] == a.bare, rows


def test_report(t):
    """XEP-0377 §5: a report blocks, is recorded with its text and messages, and counts"""
    a, b = t.online(), t.online()
    blocked(a)
    b.message(a.bare, 'buy now')
    sid = a.expect_message('buy now').find('sid:stanza-id')
    before = t.server.metric('chancery_abuse_reports_total')
    ok(block(a, inner="<item jid='%s'><report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
             "<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/>"
             "<text xml:lang='en'>Never came trouble to my house like this.</text><report-origin/></report></item>"
             % (b.bare, a.bare, sid.get('id'))))
    assert expect_push(a, 'block') == [b.bare]
    assert t.server.metric('chancery_abuse_reports_total') >= before + 1
    body, stanza = t.server.records("kind = 11 and from_bare = '%s'" % a.bare, 'body, stanza')[0]
    assert body == ('blocked %s, reported as urn:xmpp:reporting:spam: Never came trouble to my house like this. [message %s]'
                    % (b.bare, sid.get('id'))), body
    assert 'urn:xmpp:reporting:1' in stanza
    line = [x for x in t.server.log().split('\n') if ' abuse-reported ' in x and 'by=%s' % a.bare in x]
    assert len(line) == 1 and 'messages=1' in line[0] and b.bare in line[0] and 'Never' not in line[0], line
    b.message(a.bare, 'again', id='m1')
    assert b.expect_message(id='m1').condition() == 'service-unavailable'


def test_report_without_reason(t):
    """XEP-0377 §4: a report says why; one that does not is refused, and nobody is blocked"""
    a = t.bound()
    for report in ("<report xmlns='urn:xmpp:reporting:1'/>", "<report xmlns='urn:xmpp:reporting:1' reason=''/>"):
        assert block(a, inner="<item jid='x@example.com'>%s</item>" % report).condition() == 'bad-request'
    assert blocked(a) == []
    ok(block(a, inner="<item jid='x@example.com'><report xmlns='urn:example:other'/></item>"))
    assert blocked(a) == ['x@example.com']

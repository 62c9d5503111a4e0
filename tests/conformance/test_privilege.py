"""What components do in the name of users: XEP-0356, privileges granted one by one."""
import base64
import time

from chancerytest.client import unique
from chancerytest.scenario import alone
from test_admin import fails, ok, rows
from test_component import PING, is_iq
from test_component_admin import add, audit, show

NS = 'urn:xmpp:privilege:2'
ROSTER = "<query xmlns='jabber:iq:roster'>%s</query>"
VIA = 'urn:chancery:component:0'


def perms(c):
    """What the server says that it may: {access: type}."""
    m = c.expect(lambda e: e.name == 'message' and e.all('privilege'))
    assert m.get('from') == c.server.domain and m.get('to') == c.domain, m
    x = m.all('privilege')[0]
    assert x.ns == NS, x
    said = {p.get('access'): p.get('type') for p in x.all('perm') if p.get('access') != 'iq'}
    for p in x.all('perm'):
        if p.get('access') == 'iq':
            said.update({n.get('ns'): n.get('type') for n in p.all('namespace')})
    return said


def ask(c, to, type, payload):
    id = unique('priv')
    c.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (type, id, c.domain, to, payload))
    return c.expect(lambda e: e.name == 'iq' and e.get('id') == id)


def wrapped(type, payload, attrs="id='inner'", outer=None, ns='jabber:client'):
    return "<privileged_iq xmlns='%s'><iq xmlns='%s' type='%s' %s>%s</iq></privileged_iq>" % (NS, ns, type, attrs, payload)


def say(c, sender, to, body, id='out', more=''):
    """In the sender's name; `sender` None: without from."""
    f = '' if sender is None else "from='%s'" % sender
    c.send("<message from='%s' to='%s' id='%s'><privilege xmlns='%s'><forwarded xmlns='urn:xmpp:forward:0'>"
           "<message xmlns='jabber:client' %s to='%s' type='chat' id='in-%s'><body>%s</body>%s</message></forwarded></privilege></message>"
           % (c.domain, c.server.domain, id, NS, f, to, id, body, more))


def refused(c, id):
    e = c.expect(lambda e: e.name == 'message' and e.get('id') == id and e.get('type') == 'error')
    return e.condition()


def test_roster(t):
    """XEP-0356 §4: a component reads and changes rosters as far as it was granted, at once and no longer than that; of its own addresses it says the
    subscription, of others it does not"""
    name, (d,), secret = add(t)
    c, romeo = t.component(d, secret).joined(), t.online()
    romeo.roster()
    romeo.iq('set', ROSTER % "<item jid='nurse@example.net' name='Nurse'/>")
    romeo.expect_push('nurse@example.net')
    item = "<item jid='cat@%s' name='Cat' subscription='both'><group>Pets</group></item>" % d
    assert ask(c, romeo.bare, 'get', ROSTER % '').condition() == 'forbidden'
    assert ask(c, romeo.bare, 'set', ROSTER % item).condition() == 'forbidden'
    ok(t, 'component', 'grant', name, 'roster', 'get')
    assert perms(c) == {'roster': 'get', 'message': 'none', 'presence': 'none'}
    r = ask(c, romeo.bare, 'get', ROSTER % '')
    assert r.get('type') == 'result' and r.get('from') == romeo.bare, r
    assert [(i.get('jid'), i.get('name')) for i in r.all('query')[0].all('item')] == [('nurse@example.net', 'Nurse')], r
    assert ask(c, romeo.bare, 'set', ROSTER % item).condition() == 'forbidden'
    assert ask(c, 'nobody@' + t.server.domain, 'get', ROSTER % '').condition() == 'forbidden'
    ok(t, 'component', 'grant', name, 'roster', 'both')
    assert perms(c)['roster'] == 'both'
    assert ask(c, romeo.bare, 'set', ROSTER % item).get('type') == 'result'
    push = romeo.expect_push('cat@' + d)
    assert (push.get('subscription'), push.get('name')) == ('both', 'Cat'), push
    # It is told who is there, as a contact is.
    p = c.expect(lambda e: e.name == 'presence' and e.get('from') == romeo.jid)
    assert p.get('to') == 'cat@' + d and p.get('type') is None, p
    assert ask(c, romeo.bare, 'set', ROSTER % "<item jid='boss@example.net' subscription='both'/>").get('type') == 'result'
    assert romeo.expect_push('boss@example.net').get('subscription') == 'none'
    assert ask(c, romeo.bare, 'set', ROSTER % '').condition() == 'bad-request'
    assert ask(c, romeo.bare, 'set', ROSTER % "<item jid='cat@%s' subscription='remove'/>" % d).get('type') == 'result'
    assert romeo.expect_push('cat@' + d).get('subscription') == 'remove'
    ok(t, 'component', 'revoke', name, 'roster')
    assert perms(c)['roster'] == 'none'
    assert ask(c, romeo.bare, 'get', ROSTER % '').condition() == 'forbidden'
    assert audit(t, name)[1:] == ['component.grant', 'component.grant', 'component.revoke'], audit(t, name)


def test_message(t):
    """XEP-0356 §5: a message in the name of a user is theirs: recorded as theirs with the component's mark, copied to their clients, in order"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()
    assert perms(c) == {'roster': 'none', 'message': 'outgoing', 'presence': 'none'}
    romeo.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>")
    n = 20
    for i in range(n):
        say(c, romeo.bare, juliet.bare, 'n%d' % i, id='m%d' % i)
    c.send("<message from='x@%s' to='%s' type='chat'><body>behind</body></message>" % (d, juliet.jid))
    for i in range(n):
        m = juliet.expect('message')
        assert (m.text('body'), m.get('from'), m.get('id')) == ('n%d' % i, romeo.bare, 'in-m%d' % i), m
        assert [s.get('by') for s in m.all('sent')] == [d] and m.all('sent')[0].ns == VIA, m
        rec = t.server.records('id = %s' % m.find('sid:stanza-id').get('id'), 'from_bare, to_bare, body, stanza')[0]
        assert rec[:3] == [romeo.bare, juliet.bare, 'n%d' % i] and "by='%s'" % d in rec[3].replace('"', "'") and VIA in rec[3], rec
        copy = romeo.expect('message').all('sent')[0]
        assert 'n%d' % i in str(copy), copy
    assert juliet.expect('message').text('body') == 'behind'
    assert not t.server.records("stanza like '%%%s%%'" % NS, 'id'), 'the wrapper is no message'


def test_message_refused(t):
    """XEP-0356 §5.1: what was not granted, or is not in the name of an account here, is forbidden, and nothing of it is recorded or delivered"""
    name, (d,), secret = add(t)
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()
    say(c, romeo.bare, juliet.bare, 'too early', id='early')
    assert refused(c, 'early') == 'forbidden'
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    perms(c)
    for i, sender in enumerate((romeo.jid, t.server.domain, 'x@example.net', 'x@' + d, None, 'a b')):
        say(c, sender, juliet.bare, 'not mine', id='r%d' % i)
        assert refused(c, 'r%d' % i) == 'forbidden', sender
    # Whether there is such an account is known at its home: the message itself comes back.
    say(c, 'nobody-at-all@' + t.server.domain, juliet.bare, 'not mine', id='nobody')
    assert refused(c, 'in-nobody') == 'forbidden'
    say(c, romeo.bare, 'a b', 'not mine', id='to')
    assert refused(c, 'to') == 'bad-request'
    # As all of romeo's are: the error goes to the component, which has sent it.
    say(c, romeo.bare, 'x@nowhere.example', 'not allowed', id='out')
    assert refused(c, 'in-out') == 'not-allowed'
    assert not t.server.records("body in ('too early', 'not mine') and (from_bare = '%s' or to_bare = '%s')" % (romeo.bare, juliet.bare))
    say(c, romeo.bare, juliet.bare, 'mine', id='ok')
    assert juliet.expect('message').text('body') == 'mine'
    ok(t, 'component', 'revoke', name, 'message')
    perms(c)
    say(c, romeo.bare, juliet.bare, 'too late', id='late')
    assert refused(c, 'late') == 'forbidden'


def test_disabled(t):
    """XEP-0356: nobody acts in the name of an account that is disabled, from the command on that disables it"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    ok(t, 'component', 'grant', name, 'roster', 'get')
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()

    def settled(f):
        """Of an account that has just been changed it may hear that it is to ask again."""
        for _ in range(200):
            said = f()
            if said != 'resource-constraint':
                return said
            time.sleep(0.05)
        raise AssertionError('the account stays as it was')

    def message():
        say(c, romeo.bare, juliet.bare, 'in my name', id='out')
        return refused(c, 'in-out')

    say(c, romeo.bare, juliet.bare, 'as I may', id='may')
    assert juliet.expect('message').text('body') == 'as I may'
    assert ask(c, romeo.bare, 'get', ROSTER % '').get('type') == 'result'
    ok(t, 'user', 'disable', romeo.bare)
    assert settled(message) == 'forbidden'
    assert settled(lambda: ask(c, romeo.bare, 'get', ROSTER % '').condition()) == 'forbidden'
    assert not t.server.records("body = 'in my name' and from_bare = '%s'" % romeo.bare, 'id')
    ok(t, 'user', 'enable', romeo.bare)
    assert settled(lambda: ask(c, romeo.bare, 'get', ROSTER % '').condition()) is None
    say(c, romeo.bare, juliet.bare, 'again', id='again')
    assert juliet.expect('message').text('body') == 'again'


def test_mark_forged(t):
    """P3: nobody else can say that a component has sent it: the mark is taken out"""
    romeo, juliet, c = t.online(), t.online(), t.component().joined()
    mark = "<sent xmlns='%s' by='x.example'/>" % VIA
    romeo.message(juliet.jid, 'me', inner=mark)
    assert not [e for e in juliet.expect_message('me').all('sent')]
    c.send("<message from='x@%s' to='%s' type='chat'><body>it</body>%s</message>" % (c.domain, juliet.jid, mark))
    assert not [e for e in juliet.expect_message('it').all('sent')]
    assert not t.server.records("to_bare = '%s' and stanza like '%%%s%%'" % (juliet.bare, VIA))


def test_iq(t):
    """XEP-0356 §6: requests in the name of a user, of the namespaces and types that were granted; the answer comes wrapped"""
    name, (d,), secret = add(t)
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()
    private = "<query xmlns='jabber:iq:private'>%s</query>"
    assert ask(c, romeo.bare, 'get', wrapped('get', PING)).condition() == 'forbidden'
    ok(t, 'component', 'grant', name, 'iq', 'urn:xmpp:ping', 'get')
    ok(t, 'component', 'grant', name, 'iq', 'jabber:iq:private', 'both')
    perms(c)
    assert perms(c) == {'roster': 'none', 'message': 'none', 'presence': 'none', 'urn:xmpp:ping': 'get', 'jabber:iq:private': 'both'}

    def inner(answer):
        f = answer.all('privilege')[0].all('forwarded')[0]
        return f.all('iq')[0]
    # To the account itself, to the server, to somebody else's client: as if romeo had asked.
    a = ask(c, romeo.bare, 'set', wrapped('set', private % "<x xmlns='test:private'>secret</x>"))
    assert a.get('type') == 'result' and a.get('from') == romeo.bare and inner(a).get('type') == 'result' and inner(a).get('id') == 'inner', a
    assert 'secret' in str(romeo.iq('get', private % "<x xmlns='test:private'/>"))
    assert 'secret' in str(inner(ask(c, romeo.bare, 'get', wrapped('get', private % "<x xmlns='test:private'/>"))))
    assert inner(ask(c, romeo.bare, 'get', wrapped('get', PING, "id='a' to='%s'" % t.server.domain))).get('from') == t.server.domain
    id = unique('priv')
    c.send("<iq type='get' id='%s' from='%s' to='%s'>%s</iq>" % (id, d, romeo.bare, wrapped('get', PING, "to='%s' from='%s'" % (juliet.jid, romeo.bare))))
    q = juliet.expect(lambda e: e.name == 'iq' and e.get('type') == 'get')
    assert q.get('from') == romeo.bare, q
    juliet.stanza("<iq type='result' id='%s' to='%s'/>" % (q.get('id'), q.get('from')))
    assert inner(c.expect(lambda e: e.get('id') == id)).get('from') == juliet.jid
    for to, type, payload in ((romeo.bare, 'set', wrapped('set', PING)), (romeo.bare, 'get', wrapped('set', private % '')),
                              (romeo.bare, 'get', wrapped('get', "<query xmlns='jabber:iq:version'/>")), (romeo.jid, 'get', wrapped('get', PING)),
                              (t.server.domain, 'get', wrapped('get', PING)), (romeo.bare, 'get', wrapped('get', PING, "from='%s'" % juliet.bare)),
                              (romeo.bare, 'get', wrapped('get', PING, ns='urn:other')), (romeo.bare, 'get', "<privileged_iq xmlns='%s'/>" % NS),
                              ('nobody-at-all@' + t.server.domain, 'get', wrapped('get', PING)),
                              (romeo.bare, 'get', wrapped('get', wrapped('get', PING)))):
        assert ask(c, to, type, payload).condition() == 'forbidden', (to, type, payload)
    # Nobody else may wrap.
    assert juliet.iq('get', wrapped('get', PING), to=romeo.bare).condition() in ('service-unavailable', 'forbidden')
    ok(t, 'component', 'revoke', name, 'iq', 'urn:xmpp:ping')
    assert 'urn:xmpp:ping' not in perms(c)
    assert ask(c, romeo.bare, 'get', wrapped('get', PING)).condition() == 'forbidden'


def inner_of(answer):
    return answer.all('privilege')[0].all('forwarded')[0].all('iq')[0]


def test_no_longer_seen(t):
    """RFC 6121 §3.2: a component's address that may not see a user any more sees it go"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'roster', 'both')
    c, romeo = t.component(d, secret).joined(), t.online()
    perms(c)
    item = "<item jid='cat@%s' subscription='%%s'/>" % d
    assert ask(c, romeo.bare, 'set', ROSTER % item % 'both').get('type') == 'result'
    seen = lambda type: c.expect(lambda e: e.name == 'presence' and e.get('from') == romeo.jid and e.get('type') == type)
    assert seen(None).get('to') == 'cat@' + d
    assert ask(c, romeo.bare, 'set', ROSTER % item % 'none').get('type') == 'result'
    assert seen('unavailable').get('to') == 'cat@' + d


@alone(encryption__default='forbid')
def test_iq_policy(t):
    """P5: what is asked in the name of a user passes the policy that the user's own requests pass: blocking, encryption, files; no file is sent so"""
    name, (d,), secret = add(t)
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()
    pubsub, ibb, si = 'http://jabber.org/protocol/pubsub', 'http://jabber.org/protocol/ibb', 'http://jabber.org/protocol/si'
    for ns in (pubsub, ibb, si, 'urn:xmpp:ping'):
        ok(t, 'component', 'grant', name, 'iq', ns, 'both')
        perms(c)
    ok(t, 'component', 'grant', name, 'message', 'outgoing')
    perms(c)
    node = "<pubsub xmlns='%s'><publish node='%%s'><item id='current'><x xmlns='urn:example'/></item></publish></pubsub>" % pubsub
    assert inner_of(ask(c, romeo.bare, 'set', wrapped('set', node % 'urn:example'))).get('type') == 'result'
    refused_one = inner_of(ask(c, romeo.bare, 'set', wrapped('set', node % 'eu.siacs.conversations.axolotl.devicelist')))
    assert refused_one.condition() == 'policy-violation' and refused_one.get('id') == 'inner', refused_one
    to = "id='inner' to='%s'" % juliet.jid
    for payload in ("<open xmlns='%s' block-size='4096' sid='s'/>" % ibb, "<data xmlns='%s' seq='0' sid='s'>QUJD</data>" % ibb,
                    "<si xmlns='%s' id='a' profile='%s/profile/file-transfer'/>" % (si, si)):
        assert inner_of(ask(c, romeo.bare, 'set', wrapped('set', payload, to))).condition() == 'not-allowed', payload
    data = base64.b64encode(b'a file in a message').decode()
    say(c, romeo.bare, juliet.jid, '', id='data', more="<data xmlns='%s' seq='0' sid='s'>%s</data>" % (ibb, data))
    assert refused(c, 'in-data') == 'not-allowed'
    assert not t.server.records("stanza like '%%%s%%'" % data, 'id')
    juliet.ping()
    assert not juliet.heard_any(lambda e: e.name in ('iq', 'message') and (e.all(ns=ibb) or e.all(ns=si)))
    romeo.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % juliet.bare)
    assert inner_of(ask(c, romeo.bare, 'get', wrapped('get', PING, to))).condition() == 'not-acceptable'


@alone(limits__component_requests='2')
def test_iq_bound(t):
    """P7: so many requests in the name of users are open at a time; more are refused, and when one is answered there is room again"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'iq', 'urn:xmpp:ping', 'get')
    c, romeo, juliet = t.component(d, secret).joined(), t.online(), t.online()
    perms(c)
    to = "id='inner' to='%s'" % juliet.jid

    def open_one(id):
        c.send("<iq type='get' id='%s' from='%s' to='%s'>%s</iq>" % (id, d, romeo.bare, wrapped('get', PING, to)))
        return juliet.expect(is_iq('get'))
    first = open_one('o1')
    open_one('o2')
    e = ask(c, romeo.bare, 'get', wrapped('get', PING, to))
    assert (e.condition(), e.find('error').get('type')) == ('resource-constraint', 'wait'), e
    juliet.stanza("<iq type='result' id='%s' to='%s'/>" % (first.get('id'), first.get('from')))
    c.expect(lambda e: e.get('id') == 'o1')
    open_one('o3')


@alone()
def test_presence(t):
    """XEP-0356 §7: a component that it was granted to sees sessions come and go, all there are when it comes, without a roster; nobody who has blocked it"""
    name, (d,), secret = add(t)
    romeo, juliet = t.online(), t.online()
    c = t.component(d, secret).joined()

    def seen(who, type=None):
        p = c.expect(lambda e: e.name == 'presence' and e.get('from') == who.jid)
        assert (p.get('to'), p.get('type')) == (d, type), p
    juliet.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % d)
    ok(t, 'component', 'grant', name, 'presence', 'managed_entity')
    assert perms(c)['presence'] == 'managed_entity'
    seen(romeo)
    # Only the first and the last.
    romeo.presence(inner='<show>away</show>')
    second = t.online(romeo)
    seen(second)
    second.close()
    seen(second, 'unavailable')
    juliet.presence('unavailable')
    romeo.presence('unavailable')
    seen(romeo, 'unavailable')
    assert not c.heard_any(lambda e: e.name == 'presence'), c.heard
    romeo.presence()
    seen(romeo)
    c.close()
    t.server.wait(lambda: not show(t, name)['connected'], 'the end of the stream')
    c = t.component(d, secret).joined()
    seen(romeo)
    ok(t, 'component', 'revoke', name, 'presence')
    assert perms(c)['presence'] == 'managed_entity' and perms(c)['presence'] == 'none'
    romeo.presence('unavailable')
    romeo.ping()
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    assert not c.heard_any(lambda e: e.name == 'presence'), c.heard


def test_error_to_asker(t):
    """RFC 6120 §8.3.1: the error goes to the address that asked, not to the component as a whole"""
    name, (d,), secret = add(t)
    ok(t, 'component', 'grant', name, 'iq', 'urn:xmpp:ping', 'get')
    c = t.component(d, secret).joined()
    perms(c)
    who = 'x@%s/r' % d
    c.send("<iq type='get' id='e' from='%s' to='nobody-at-all@%s'>%s</iq>" % (who, t.server.domain, wrapped('get', PING)))
    e = c.expect(lambda e: e.get('id') == 'e')
    assert e.condition() == 'forbidden' and e.get('to') == who, e


def test_grants_refused(t):
    """XEP-0356 §4.1: only what there is can be granted, and the database knows nothing else either"""
    name, (d,), secret = add(t)
    for args in (('roster', 'outgoing'), ('message', 'get'), ('presence', 'roster'), ('files', 'get'), ('iq', 'a b', 'get'), ('iq', NS, 'get'),
                 ('iq', 'x' * 1001, 'get')):
        fails(t, 1, 'component', 'grant', name, *args)
    for args in (('iq', 'get'), ('roster', 'urn:x', 'get')):
        fails(t, 2, 'component', 'grant', name, *args)
    assert 'no such' in fails(t, 1, 'component', 'revoke', name, 'roster')
    assert 'no such' in fails(t, 1, 'component', 'grant', 'nobody-knows', 'roster', 'get')
    assert show(t, name)['privileges'] == []
    ok(t, 'component', 'grant', name, 'iq', 'urn:x', 'set')
    assert show(t, name)['privileges'] == ['iq set urn:x']

"""Personal eventing and publish-subscribe across servers (XEP-0163 §4.3.1, XEP-0060)."""
import base64
import hashlib

from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.remote import befriend

P = 'http://jabber.org/protocol/pubsub'
EVENT = P + '#event'
TUNE = 'http://jabber.org/protocol/tune'
INFO = 'http://jabber.org/protocol/disco#info'


def caps(features):
    """<c/> (XEP-0115 §5), and the <query/> that fits it."""
    features = sorted(features)
    s = 'client/pc//x<' + ''.join(f + '<' for f in features)
    ver = base64.b64encode(hashlib.sha1(s.encode()).digest()).decode()
    query = "<identity category='client' type='pc' name='x'/>" + ''.join("<feature var='%s'/>" % f for f in features)
    return ("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://x.test' ver='%s'/>" % ver,
            "<query xmlns='%s' node='https://x.test#%s'>%s</query>" % (INFO, ver, query))


def interested(*nodes):
    return caps([INFO, unique('urn:example:f:')] + [n + '+notify' for n in nodes])


def publish(c, node=TUNE, text='x', **opts):
    o = ''.join("<field var='pubsub#%s'><value>%s</value></field>" % i for i in opts.items())
    o = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
         "<value>%s#publish-options</value></field>%s</x></publish-options>" % (P, o)) if opts else ''
    r = c.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item id='current'><tune xmlns='%s'><title>%s</title></tune></item></publish>%s"
             "</pubsub>" % (P, node, TUNE, text, o))
    assert r.get('type') == 'result', r


def asked(p, query, full):
    """The account asks the contact's client what it supports (XEP-0115 §6.2); it is told."""
    q = p.expect(lambda e: e.name == 'iq' and e.get('to') == full and e.find(INFO + ':query') is not None, 'a question for features')
    p.answer(q, payload=query)
    return q


def event(c, text=None):
    def match(e):
        i = e.find(EVENT + ':event', 'items', 'item', TUNE + ':tune')
        return i is not None and (text is None or i.text('title') == text)
    return c.expect(match, 'the event %s' % text)


def test_events_out(t):
    """XEP-0163 §4.3.1: a contact's client elsewhere that asks for it by its capabilities is told, under its full address, and nobody else"""
    juliet, p = t.online(), t.partner()
    c, query = interested(TUNE)
    romeo = befriend(juliet, p, inner=c)
    q = asked(p, query, romeo)
    assert q.get('from') == juliet.bare, q
    deaf, deaf_query = interested()
    p.presence(juliet.bare, from_=p.jid(resource='desk'), inner=deaf)
    asked(p, deaf_query, p.jid(resource='desk'))
    publish(juliet, text='one')
    e = event(p, 'one')
    assert e.get('to') == romeo and e.get('from') == juliet.bare and e.get('type') == 'headline', e
    publish(juliet, text='two')
    event(p, 'two')
    assert not [e for e in p.heard() if e.name == 'message'], p.heard()


def test_last_item(t):
    """XEP-0163 §4.3.4: a client elsewhere that comes gets the last items of what it asks for"""
    juliet, p = t.online(), t.partner()
    romeo = befriend(juliet, p)
    publish(juliet, text='before')
    c, query = interested(TUNE)
    p.presence(juliet.bare, from_=romeo, inner=c)
    asked(p, query, romeo)
    assert event(p, 'before').get('to') == romeo


def test_known_hash(t):
    """XEP-0115 §5.4: the same hash announced by another client is not asked for again"""
    juliet, p = t.online(), t.partner()
    c, query = interested(TUNE)
    romeo = befriend(juliet, p, inner=c)
    asked(p, query, romeo)
    publish(juliet, text='one')
    event(p, 'one')
    p.presence(juliet.bare, from_=p.jid(resource='desk'), inner=c)
    assert event(p, 'one').get('to') == p.jid(resource='desk')
    assert not [e for e in p.heard() if e.find(INFO + ':query') is not None], p.heard()


def test_wrong_hash(t):
    """XEP-0115 §8.1: features that do not fit their hash are believed of nobody but who said them"""
    juliet, p = t.online(), t.partner()
    c, _ = interested()
    _, other = interested(TUNE)
    romeo = befriend(juliet, p, inner=c)
    asked(p, other, romeo)
    p.presence(juliet.bare, from_=p.jid(resource='desk'), inner=c)
    p.expect(lambda e: e.find(INFO + ':query') is not None and e.get('to') == p.jid(resource='desk'), 'the question again')


def test_not_told(t):
    """XEP-0060 §4.5: who may not see the node, does not see the account any more, or has gone is not told"""
    juliet, p = t.online(), t.partner()
    c, query = interested(TUNE)
    romeo = befriend(juliet, p, inner=c)
    asked(p, query, romeo)
    publish(juliet, text='private', access_model='whitelist')
    publish(juliet, node=TUNE + '2')
    p.presence(juliet.bare, 'unavailable', from_=romeo)
    p.message(juliet.jid, 'gone')
    juliet.expect_message('gone')
    r = juliet.iq('set', "<pubsub xmlns='%s#owner'><delete node='%s'/></pubsub>" % (P, TUNE))
    assert r.get('type') == 'result', r
    publish(juliet, text='nobody there')
    juliet.message(p.jid(), 'end')
    p.expect_message('end')
    assert not [e for e in p.heard() if e.find(EVENT + ':event') is not None], p.heard()


def test_events_in(t):
    """XEP-0163 §4.3.1: what a contact elsewhere publishes comes to the client that it is addressed to"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    p.send("<message type='headline' from='%s' to='%s'><event xmlns='%s'><items node='%s'><item id='1'><tune xmlns='%s'><title>theirs</title>"
           "</tune></item></items></event></message>" % (p.jid(), juliet.jid, EVENT, TUNE, TUNE))
    assert event(juliet, 'theirs').get('from') == p.jid()


def test_items_and_access(t):
    """XEP-0060 §6.5: a contact elsewhere reads what contacts may; a stranger there learns nothing of it"""
    juliet, p = t.online(), t.partner()
    romeo = befriend(juliet, p)
    publish(juliet, text='here')
    get = "<pubsub xmlns='%s'><items node='%s'/></pubsub>" % (P, TUNE)
    r = p.iq('get', get, to=juliet.bare, from_=romeo)
    assert r.find(P + ':pubsub', 'items', 'item', TUNE + ':tune').text('title') == 'here', r
    r = p.iq('get', get, to=juliet.bare, from_=p.jid('tybalt', 'x'))
    assert r.condition() == 'not-authorized', r
    r = p.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item/></publish></pubsub>" % (P, TUNE), to=juliet.bare, from_=romeo)
    assert r.get('type') == 'error', r


def test_service_subscriber(t):
    """XEP-0060 §6.1, §7.1.2: somebody elsewhere subscribes at the service here, and is told; a partner that is denied and allowed again still is"""
    juliet, p = t.online(), t.partner()
    service, node = 'pubsub.' + t.server.domain, unique('node')
    r = juliet.iq('set', "<pubsub xmlns='%s'><create node='%s'/></pubsub>" % (P, node), to=service)
    assert r.get('type') == 'result', r
    r = p.iq('set', "<pubsub xmlns='%s'><subscribe node='%s' jid='%s'/></pubsub>" % (P, node, p.jid()), to=service)
    assert r.find(P + ':pubsub', 'subscription').get('subscription') == 'subscribed', r

    def said(text):
        r = juliet.iq('set', "<pubsub xmlns='%s'><publish node='%s'><item><tune xmlns='%s'><title>%s</title></tune></item></publish></pubsub>"
                      % (P, node, TUNE, text), to=service)
        assert r.get('type') == 'result', r
    said('one')
    assert event(p, 'one').get('to') == p.jid()
    p.deny()
    said('two')
    p.allow()
    said('three')
    event(p, 'three')
    assert not [e for e in p.heard() if 'two' in str(e)], p.heard()


def test_node_there(t):
    """XEP-0060 §5.3: requests to nodes elsewhere are answered to who asked, errors with their conditions, too"""
    juliet, p = t.online(), t.partner()
    id = juliet.iq_send('get', "<pubsub xmlns='%s'><items node='n'/></pubsub>" % P, p.jid())
    q = p.expect(lambda e: e.get('id') == id, 'the question')
    p.answer(q, 'error', "<error type='auth'><not-authorized xmlns='%s'/><presence-subscription-required xmlns='%s#errors'/></error>"
             % (NAMES['stanzas'], P))
    r = juliet.expect(lambda e: e.get('id') == id, 'the answer')
    assert r.find('error', P + '#errors:presence-subscription-required') is not None, r

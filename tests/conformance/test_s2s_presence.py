"""Contacts at other servers: subscriptions, presence, and what people ask and say across (RFC 6121 §3, §4)."""
from chancerytest.element import NAMES
from chancerytest.remote import befriend

MAM = "<query xmlns='urn:xmpp:mam:2'/>"
RECEIPTS = 'urn:xmpp:receipts'
RESULT, FORWARDED, CARBONS = 'urn:xmpp:mam:2:result', 'urn:xmpp:forward:0:forwarded', 'urn:xmpp:carbons:2'


def history(c):
    """Bodies of the client's own archive, oldest first."""
    r = c.iq('set', MAM)
    assert r.get('type') == 'result', r
    found = [e for e in c.heard if e.find(RESULT) is not None]
    c.heard = [e for e in c.heard if e not in found]
    return [e.find(RESULT, FORWARDED, 'message').text('body') for e in found]


def test_subscribe_out(t):
    """RFC 6121 §3.1: asking goes out from the bare address; the answer and the contact's presence come in; pushes follow"""
    juliet, p = t.online(), t.partner()
    juliet.roster()
    juliet.presence('subscribe', to=p.jid())
    assert p.expect_presence('subscribe').get('from') == juliet.bare
    assert juliet.expect_push(p.jid()).get('ask') == 'subscribe'
    p.presence(juliet.bare, 'subscribed', from_=p.jid())
    juliet.expect_presence('subscribed', p.jid())
    assert juliet.expect_push(p.jid()).get('subscription') == 'to'
    p.presence(juliet.bare, inner='<show>away</show>')
    assert juliet.expect_presence(None, p.jid(resource='pda')).text('show') == 'away'
    assert not [e for e in p.heard() if e.get('type') is None and e.name == 'presence'], 'they may not see us'


def test_subscribe_in(t):
    """RFC 6121 §3.1.3 to §3.1.6: a request from outside is shown; who is let see us is told what there is"""
    juliet, p = t.online(), t.partner()
    juliet.roster()
    p.presence(juliet.bare, 'subscribe', from_=p.jid(), inner='<status>Hail</status>')
    assert juliet.expect_presence('subscribe', p.jid()).text('status') == 'Hail'
    juliet.presence('subscribed', to=p.jid())
    assert p.expect_presence('subscribed').get('from') == juliet.bare
    p.expect_presence(None, juliet.jid)
    assert juliet.expect_push(p.jid()).get('subscription') == 'from'
    juliet.presence(inner='<show>dnd</show>')
    assert p.expect_presence(None, juliet.jid).text('show') == 'dnd'
    juliet.presence('unsubscribed', to=p.jid())
    p.expect_presence('unsubscribed', juliet.bare)
    p.expect_presence('unavailable', juliet.jid)


def test_unsubscribe(t):
    """RFC 6121 §3.3, §2.5.2: an end of the subscription, from either side, and the removal of the contact"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    p.presence(juliet.bare, 'unsubscribe', from_=p.jid())
    p.expect_presence('unavailable', juliet.jid)
    assert juliet.expect_push(p.jid()).get('subscription') == 'to'
    r = juliet.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % p.jid())
    assert r.get('type') == 'result', r
    p.expect_presence('unsubscribe', juliet.bare)


def test_login_and_end(t):
    """RFC 6121 §4.2, §4.3, §4.5: who logs in is shown to contacts elsewhere and asks for theirs, by a full address; who goes is seen to go"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    second = t.online(juliet)
    p.expect_presence(None, second.jid)
    probe = p.expect_presence('probe')
    assert probe.get('from') == second.jid and probe.get('to') == p.jid(), probe
    p.presence(second.jid)
    second.expect_presence(None, p.jid(resource='pda'))
    second.close()
    p.expect_presence('unavailable', second.jid)


def test_session_breaks(t):
    """RFC 6121 §4.5.2: a connection that dies is seen as leaving, too"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    juliet.cut()
    p.expect_presence('unavailable', juliet.jid)


def test_probe(t):
    """RFC 6121 §4.3.2: a probe of somebody who may see us is answered by each session; of others by unsubscribed"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    p.presence(juliet.bare, 'probe', from_=p.jid())
    assert p.expect_presence(None, juliet.jid).get('to') == p.jid()
    p.presence(juliet.bare, 'probe', from_=p.jid('tybalt'))
    assert p.expect_presence('unsubscribed', juliet.bare).get('to') == p.jid('tybalt')


def test_directed(t):
    """RFC 6121 §4.6: presence to one address elsewhere; it hears when the session ends, and not what is broadcast"""
    juliet, p = t.online(), t.partner()
    juliet.presence(to=p.jid(resource='pda'), inner='<status>for you</status>')
    assert p.expect_presence(None, juliet.jid).text('status') == 'for you'
    juliet.presence(inner='<status>for all</status>')
    juliet.close()
    p.expect_presence('unavailable', juliet.jid)
    assert not [e for e in p.heard() if e.text('status') == 'for all'], p.heard()


def test_forged_subscription(t):
    """RFC 6121 §3.1.5: an approval that nobody has asked for changes nothing and shows nobody anything"""
    juliet, p = t.online(), t.partner()
    juliet.roster()
    p.presence(juliet.bare, 'subscribed', from_=p.jid())
    p.message(juliet.jid, 'after')
    juliet.expect_message('after')
    assert not juliet.heard_any(lambda e: e.name == 'presence' or e.get('type') == 'set'), juliet.heard
    assert juliet.roster().find('roster:query', 'item') is None


def test_denied_and_allowed_again(t):
    """A partner that is denied: people see its contacts go. Allowed again: they are asked for theirs, and shown what is"""
    juliet, p = t.online(), t.partner()
    romeo = befriend(juliet, p)
    p.deny()
    juliet.expect_presence('unavailable', romeo)
    juliet.presence(inner='<show>away</show>')
    juliet.ping()
    p.allow()
    shown = p.expect_presence(None, juliet.jid)
    assert shown.text('show') == 'away', shown
    p.expect_presence('probe')
    p.presence(juliet.bare)
    juliet.expect_presence(None, romeo)


def test_blocked(t):
    """XEP-0191 §3.3: who is blocked elsewhere sees the user go, and writes in vain; a whole domain may be"""
    juliet, p = t.online(), t.partner()
    romeo = befriend(juliet, p)
    r = juliet.iq('set', "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % p.domain)
    assert r.get('type') == 'result', r
    p.expect_presence('unavailable', juliet.jid)
    id = p.message(juliet.jid, 'Hi')
    e = p.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'a refusal')
    assert e.condition() == 'service-unavailable', e
    p.presence(juliet.bare)
    juliet.message(romeo, 'Hi')
    e = juliet.expect_message(type='error')
    assert e.condition() == 'not-acceptable', e
    assert not juliet.heard_any(lambda e: e.get('from') == romeo), juliet.heard


def test_messages_archived_and_copied(t):
    """XEP-0313, XEP-0280: what goes to and comes from elsewhere is in the local user's archive, in order, and copied to other clients"""
    juliet, p = t.online(), t.partner()
    second = t.online(juliet)
    for c in (juliet, second):
        c.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>")
    juliet.message(p.jid(), 'one')
    p.expect_message('one')
    sent = second.expect('message').find(CARBONS + ':sent', FORWARDED, 'message')
    assert sent.text('body') == 'one' and sent.get('to') == p.jid(), sent
    p.message(juliet.jid, 'two')
    juliet.expect_message('two')
    received = second.expect('message').find(CARBONS + ':received', FORWARDED, 'message')
    assert received.text('body') == 'two' and received.get('from') == p.jid(), received
    assert history(juliet) == ['one', 'two']


def test_offline_message(t):
    """XEP-0160: a message from elsewhere for who is not there comes at the next login, with its time and its id"""
    name, p = t.user(), t.partner()
    bare = '%s@%s' % (name[0], t.server.domain)
    p.message(bare, 'while you were out')
    # Whatever the answer, it comes from behind the message (P8), which nobody has got by then.
    p.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=bare)
    juliet = t.online(name)
    m = juliet.expect_message('while you were out')
    assert m.find('delay:delay') is not None and m.find('sid:stanza-id') is not None, m


def test_receipts(t):
    """XEP-0184: a request for a receipt, and the receipt, cross as they are"""
    juliet, p = t.online(), t.partner()
    id = juliet.message(p.jid(), 'Hi', inner="<request xmlns='urn:xmpp:receipts'/>")
    assert p.expect_message('Hi').find(RECEIPTS + ':request') is not None
    p.message(juliet.jid, inner="<received xmlns='urn:xmpp:receipts' id='%s'/>" % id)
    assert juliet.expect('message').find(RECEIPTS + ':received').get('id') == id


def test_questions_out(t):
    """RFC 6120 §8.2.3: what people ask elsewhere, servers, accounts and clients, is answered to them; errors, too"""
    juliet, p = t.online(), t.partner()
    for to in (p.domain, p.jid(), p.jid(resource='pda')):
        for type in ('result', 'error'):
            id = juliet.iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", to)
            q = p.expect(lambda e: e.name == 'iq' and e.get('id') == id, 'the question')
            assert q.get('from') == juliet.jid and q.get('to') == to, q
            p.answer(q, type, "<error type='cancel'><item-not-found xmlns='%s'/></error>" % NAMES['stanzas'] if type == 'error' else '')
            r = juliet.expect(lambda e: e.name == 'iq' and e.get('id') == id, 'its answer')
            assert r.get('type') == type and r.get('from') == to, r


def test_questions_in(t):
    """XEP-0199, XEP-0030, XEP-0092, XEP-0202: the server answers who asks from elsewhere; clients are asked by their full address"""
    juliet, p = t.online(), t.partner()
    assert p.iq('get', "<ping xmlns='urn:xmpp:ping'/>").get('type') == 'result'
    info = p.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert info.find('info:query', 'identity').get('category') == 'server', info
    assert p.iq('get', "<time xmlns='urn:xmpp:time'/>").get('type') == 'result'
    p.send("<iq type='get' id='v1' from='%s' to='%s'><query xmlns='jabber:iq:version'/></iq>" % (p.jid(resource='pda'), juliet.jid))
    q = juliet.expect(lambda e: e.name == 'iq' and e.get('id') == 'v1', 'a question')
    juliet.stanza("<iq type='result' id='v1' to='%s'><query xmlns='jabber:iq:version'><name>x</name></query></iq>" % q.get('from'))
    assert p.expect(lambda e: e.get('id') == 'v1', 'an answer').get('from') == juliet.jid
    gone = p.iq('get', "<query xmlns='jabber:iq:version'/>", to=juliet.bare + '/nowhere')
    assert gone.condition() == 'service-unavailable', gone


def test_strangers_and_contacts(t):
    """XEP-0012 §4, XEP-0030 §8: a stranger elsewhere learns nothing of an account, whether it is there or not; a contact does"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    for payload in ("<query xmlns='jabber:iq:last'/>", "<query xmlns='http://jabber.org/protocol/disco#info'/>"):
        answers = [p.iq('get', payload, to=to, from_=p.jid('tybalt', 'x')) for to in (juliet.bare, 'nobody@' + t.server.domain)]
        assert [a.get('type') for a in answers] == ['error'] * 2 and answers[0].condition() == answers[1].condition(), answers
        known = p.iq('get', payload, to=juliet.bare, from_=p.jid(resource='pda'))
        assert known.get('type') == 'result', known


def test_vcard(t):
    """XEP-0054: a user's vCard is asked for from elsewhere, and a user asks for one there"""
    juliet, p = t.online(), t.partner()
    juliet.iq('set', "<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>")
    r = p.iq('get', "<vCard xmlns='vcard-temp'/>", to=juliet.bare)
    assert r.find('vcard-temp:vCard').text('FN') == 'Juliet', r
    id = juliet.iq_send('get', "<vCard xmlns='vcard-temp'/>", p.jid())
    p.answer(p.expect(lambda e: e.get('id') == id, 'the question'), payload="<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>")
    assert juliet.expect(lambda e: e.get('id') == id, 'the answer').find('vcard-temp:vCard').text('FN') == 'Romeo'


def test_roster_of_others(t):
    """RFC 6121 §2.1.5, XEP-0313 §9.1: nobody elsewhere reads or changes a roster, an archive, or a block list here"""
    juliet, p = t.online(), t.partner()
    befriend(juliet, p)
    for type, payload in (('get', "<query xmlns='jabber:iq:roster'/>"),
                          ('set', "<query xmlns='jabber:iq:roster'><item jid='a@b.test'/></query>"),
                          ('set', MAM), ('get', "<blocklist xmlns='urn:xmpp:blocking'/>"), ('set', "<enable xmlns='urn:xmpp:carbons:2'/>")):
        for to in (juliet.bare, t.server.domain):
            r = p.iq(type, payload, to=to)
            assert r.get('type') == 'error', (to, r)

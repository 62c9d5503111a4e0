"""Push Notifications (XEP-0357)."""
import base64
import os
import time

from chancerytest.element import NAMES
from chancerytest.muc import here
from chancerytest.scenario import alone

NAMES.update(push='urn:xmpp:push:0', pubsub='http://jabber.org/protocol/pubsub')
OPTIONS = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
           "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
           "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>")
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def enable(jid, node='n1', inner=''):
    return "<enable xmlns='urn:xmpp:push:0' jid='%s' node='%s'>%s</enable>" % (jid, node, inner)


def disable(jid, node=None):
    return "<disable xmlns='urn:xmpp:push:0' jid='%s'%s/>" % (jid, " node='%s'" % node if node else '')


class Push:
    """What a notification says."""

    def __init__(self, iq):
        self.iq = iq
        publish = iq.find('pubsub:pubsub', 'publish')
        self.node = publish.get('node')
        self.form = {f.get('var'): f.text('value') for f in
                     publish.find('item', 'push:notification', 'data:x').all('field')}
        self.count = int(self.form['message-count'])
        self.options = iq.find('pubsub:pubsub', 'publish-options', 'data:x')


def pushed(service, answer='result', payload=''):
    iq = service.expect(lambda e: e.name == 'iq' and e.get('type') == 'set', 'a notification')
    if answer:
        service.answer(iq, answer, payload)
    return Push(iq)


def error(name, type):
    return "<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % (type, name)


def with_service(t, inner='', **kw):
    """A service, and a client that has enabled it."""
    service, juliet = t.component().joined(), t.online(**kw)
    e = juliet.iq('set', enable(service.domain, inner=inner))
    assert e.get('type') == 'result', e
    return service, juliet


def left(t, juliet):
    """She is away; the server knows."""
    juliet.close()
    t.server.wait(lambda: t.server.value("select last_seen_at is not null from chancery.account where bare = '%s'" % juliet.bare)
                  == 't', 'her to be away')


def no_push(t, service, sender=None, juliet=None):
    """Nothing is on its way: what `sender` sent has come to her home, and a question is the first thing to come from there."""
    if sender:
        sender.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=juliet.bare)
    (sender or t.bound()).iq_send('get', "<ping xmlns='urn:xmpp:ping'/>", to=service.domain)
    e = service.expect('iq')
    assert e.find('ping') is not None, e


def test_feature(t):
    """XEP-0357 §4.1: announced by the account, to its owner"""
    c = t.bound()
    info = c.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=c.bare).find('info:query')
    assert 'urn:xmpp:push:0' in [f.get('var') for f in info.all('feature')], info


def test_notification(t):
    """XEP-0357 §7: a message for somebody who is away is published to the node, from the bare JID, with the number of messages and
    nothing of what they say"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'Wherefore art thou')
    p = pushed(service)
    assert (p.iq.get('from'), p.iq.get('to'), p.node) == (juliet.bare, service.domain, 'n1'), p.iq
    assert p.form['FORM_TYPE'] == 'urn:xmpp:push:summary' and p.count == 1, p.form
    assert p.form.get('last-message-body') == 'New message' and 'last-message-sender' not in p.form, p.form
    assert p.options is None and 'Wherefore' not in str(p.iq), p.iq
    romeo.message(juliet.bare, 'again')
    assert pushed(service).count == 2


def test_after_commit(t):
    """P1: what a notification tells of is in the record"""
    service, juliet = with_service(t)
    left(t, juliet)
    t.online().message(juliet.bare, 'recorded')
    pushed(service)
    assert len(t.server.records("body = 'recorded' and to_bare = '%s'" % juliet.bare)) == 1


def test_publish_options(t):
    """XEP-0357 §5, §7: the options given are sent back as they came; the last request counts"""
    service, juliet = with_service(t)
    assert juliet.iq('set', enable(service.domain, inner=OPTIONS)).get('type') == 'result'
    left(t, juliet)
    t.online().message(juliet.bare, 'hello')
    p = pushed(service)
    assert {f.get('var'): f.text('value') for f in p.options.all('field')} == {
        'FORM_TYPE': 'http://jabber.org/protocol/pubsub#publish-options', 'secret': 'eruio234vzxc2kla-91'}, p.iq
    assert p.options.get('type') == 'submit'


def test_several_nodes(t):
    """XEP-0357 §5: several nodes of one service, each told; §6: one is disabled, then all of them"""
    service, juliet = with_service(t)
    assert juliet.iq('set', enable(service.domain, 'n2')).get('type') == 'result'
    assert juliet.iq('set', enable(service.domain, 'n3')).get('type') == 'result'
    assert juliet.iq('set', disable(service.domain, 'n1')).get('type') == 'result'
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'hello')
    assert sorted(pushed(service).node for _ in range(2)) == ['n2', 'n3']
    juliet = t.online(juliet)
    assert juliet.iq('set', disable(service.domain)).get('type') == 'result'
    assert juliet.iq('set', disable(service.domain)).get('type') == 'result'
    juliet.close()
    romeo.message(juliet.bare, 'hello again')
    no_push(t, service, romeo, juliet)


def test_online_is_not_pushed(t):
    """XEP-0357 §1: while the client is there, nothing is pushed"""
    service, juliet = with_service(t)
    romeo = t.online()
    romeo.message(juliet.bare, 'hello')
    juliet.expect_message('hello')
    no_push(t, service, romeo, juliet)


def test_other_device_online(t):
    """XEP-0357 §1: another device that is there does not keep the one that is away from being woken"""
    service, juliet = with_service(t)
    desk = t.online(juliet)
    juliet.close()
    desk.expect_presence('unavailable', juliet.jid)
    t.online().message(juliet.bare, 'hello')
    desk.expect_message('hello')
    assert pushed(service).count == 1


def test_not_important(t):
    """XEP-0357 §7: typing, receipts, headlines, one's own messages are not pushed; an encrypted one is"""
    service, juliet = with_service(t)
    desk = t.online(juliet)
    juliet.close()
    desk.expect_presence('unavailable', juliet.jid)
    romeo = t.online()
    romeo.message(juliet.bare, None, inner=TYPING)
    romeo.message(juliet.bare, None, inner="<received xmlns='urn:xmpp:receipts' id='x'/>")
    romeo.message(juliet.bare, 'news', type='headline')
    desk.message(juliet.bare, 'note to myself')
    desk.expect_message('note to myself')
    romeo.message(desk.jid, 'end', type='headline')
    desk.expect_message('end')
    no_push(t, service, romeo, juliet)
    romeo.message(juliet.bare, None, inner="<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example:e2e'/>")
    assert pushed(service).count == 1


def test_carbon_is_not_pushed(t):
    """A copy of what another device of mine says wakes nobody"""
    service, juliet = with_service(t)
    desk, romeo = t.online(juliet), t.online()
    juliet.close()
    desk.expect_presence('unavailable', juliet.jid)
    desk.message(romeo.bare, 'from the desk')
    romeo.expect_message('from the desk')
    no_push(t, service, romeo, juliet)


def test_detached(t):
    """XEP-0198 §5: a session that waits to be resumed is woken; when it is back, the count begins anew"""
    service, juliet = with_service(t, sm=True)
    juliet.acked()
    juliet.cut()
    t.server.wait(lambda: 'detached jid=%s' % juliet.jid in t.server.log(), 'the session to be detached')
    romeo = t.online()
    for i in range(2):
        romeo.message(juliet.bare, 'm%d' % i)
        assert pushed(service).count == i + 1
    back = t.client(juliet).authenticated()
    assert back.resume(juliet).name == 'resumed'
    for i in range(2):
        back.expect_message('m%d' % i)
    back.ack()
    back.ping()
    back.cut()
    t.server.wait(lambda: t.server.log().count('detached jid=%s' % juliet.jid) == 2, 'the session to be detached')
    romeo.message(juliet.bare, 'm2')
    assert pushed(service).count == 1


def test_room_when_detached(t):
    """XEP-0357, XEP-0045: what is said in a room wakes an occupant's client that waits to be resumed; typing does not"""
    service, juliet = with_service(t, sm=True)
    room, romeo = here(t, 1, nicks=('romeo',))
    room.join(juliet, 'juliet', seen=('romeo',))
    romeo.expect_presence(None, room.at('juliet'))
    juliet.acked()
    juliet.cut()
    t.server.wait(lambda: 'detached jid=%s' % juliet.jid in t.server.log(), 'the session to be detached')
    room.say(romeo, None, inner=TYPING)
    room.say(romeo, 'where are you?')
    assert pushed(service).count == 1
    back = t.client(juliet).authenticated()
    assert back.resume(juliet).name == 'resumed'
    m = back.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'what was said')
    assert m.get('from') == room.at('romeo') and m.get('to') == juliet.jid, m


def test_room_elsewhere_when_detached(t):
    """XEP-0357, XEP-0045: the same for a room of another server"""
    service, juliet = with_service(t, sm=True)
    p = t.partner()
    p.message(juliet.jid, 'first', from_='hall@%s/romeo' % p.domain, type='groupchat')
    juliet.expect_message('first')
    juliet.ack()
    juliet.ping()
    juliet.cut()
    t.server.wait(lambda: 'detached jid=%s' % juliet.jid in t.server.log(), 'the session to be detached')
    p.message(juliet.jid, 'where are you?', from_='hall@%s/romeo' % p.domain, type='groupchat')
    pushed(service)


def test_unconfirmed_when_detached(t):
    """XEP-0198 §5: what was given to a stream that then died unconfirmed wakes its client"""
    service, juliet = with_service(t, sm=True)
    juliet.answer_r = False
    romeo = t.online()
    for body in 'm0', 'm1':
        romeo.message(juliet.bare, body)
        juliet.expect_message(body)
    juliet.cut()
    p = pushed(service)
    assert p.count == 2, p.form


@alone(stream__resume='1s')
def test_session_ends_later(t):
    """Nobody is woken twice for one message: when the session ends that had waited, it has been told already"""
    service, juliet = with_service(t, sm=True)
    juliet.answer_r = False
    romeo = t.online()
    romeo.message(juliet.bare, 'once')
    juliet.expect_message('once')
    juliet.cut()
    assert pushed(service).count == 1
    t.server.wait(lambda: 'resume-timeout' in t.server.log(), 'the session to end')
    romeo.message(juliet.bare, 'twice')
    assert pushed(service).count == 2
    no_push(t, service, romeo, juliet)


@alone()
def test_restart(t):
    """XEP-0357 §5: what is enabled stays, across restarts of the server"""
    service, juliet = with_service(t, inner=OPTIONS)
    juliet.close()
    domain = service.domain
    service.close()
    t.server.restart()
    service = t.component(domain).joined()
    t.online().message(juliet.bare, 'hello')
    p = pushed(service)
    assert p.node == 'n1' and p.options is not None, p.iq


def test_other_resource(t):
    """XEP-0357 §5: the client that enabled a node last is the one it is for"""
    service, juliet = with_service(t)
    again = t.online(juliet)
    assert again.iq('set', enable(service.domain)).get('type') == 'result'
    juliet.close()
    again.expect_presence('unavailable', juliet.jid)
    romeo = t.online()
    romeo.message(juliet.bare, 'hello')
    again.expect_message('hello')
    no_push(t, service, romeo, juliet)
    left(t, again)
    romeo.message(juliet.bare, 'hello')
    assert pushed(service).count == 1


def test_final_error(t):
    """XEP-0357 §7.1: item-not-found disables at once, for good"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'hello')
    pushed(service, 'error', error('item-not-found', 'cancel'))
    t.server.wait(lambda: t.server.value("select count(*) from chancery.push p join chancery.account a on a.id = p.account "
                                         "where a.bare = '%s'" % juliet.bare) == '0', 'the service to be forgotten')
    romeo.message(juliet.bare, 'again')
    no_push(t, service, romeo, juliet)


@alone(push__errors=3)
def test_errors_add_up(t):
    """XEP-0357 §7.1: other errors disable when enough came in a row; one that says wait does not count, a success begins anew"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    answers = ([('error', error('internal-server-error', 'cancel'))] * 2 + [('result', '')]
               + [('error', error('service-unavailable', 'wait'))] * 4 + [('error', error('internal-server-error', 'cancel'))] * 3)
    for answer in answers:
        romeo.message(juliet.bare, 'hello')
        pushed(service, *answer)
    t.server.wait(lambda: t.server.metric('chancery_push_disabled_total') == 1, 'the service to be forgotten')
    romeo.message(juliet.bare, 'again')
    no_push(t, service, romeo, juliet)


def test_coalesced(t):
    """P7: one notification at a time: what comes before its answer is counted in the next"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    first = pushed(service, answer=None)
    for i in range(1, 20):
        romeo.message(juliet.bare, 'm%d' % i)
    no_push(t, service, romeo, juliet)
    service.answer(first.iq)
    assert pushed(service).count == 20
    no_push(t, service, romeo, juliet)


@alone(push__timeout='1s')
def test_silent_service(t):
    """P7: a service that does not answer holds nobody up and is left alone for a while; others are told meanwhile"""
    silent, juliet = with_service(t)
    other = t.component().joined()
    assert juliet.iq('set', enable(other.domain)).get('type') == 'result'
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    pushed(silent, answer=None)
    pushed(other)
    t.server.wait(lambda: t.server.metric('chancery_push_silent_total') == 1, 'the silence to be noticed')
    for i in range(1, 4):
        romeo.message(juliet.bare, 'm%d' % i)
        assert pushed(other).count == i + 1
    no_push(t, silent, romeo, juliet)
    assert t.server.metric('chancery_push_waiting') == 0
    back = t.online(juliet)
    for i in range(4):
        back.expect_message('m%d' % i)


# An answer of ours that takes longer than the timeout counts as silence, too: on a busy machine 200 ms were not enough.
@alone(push__timeout='1s', push__pause='200ms', push__retries=2)
def test_told_again(t):
    """P2: a service that did not answer is told again after a pause, with what came meanwhile; but not for ever"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    assert pushed(service, answer=None).count == 1
    assert pushed(service, answer=None).count == 1
    romeo.message(juliet.bare, 'm1')
    assert pushed(service).count == 2
    no_push(t, service, romeo, juliet)
    # Once it has answered, patience is as it was.
    romeo.message(juliet.bare, 'm2')
    for _ in range(3):
        assert pushed(service, answer=None).count == 3
    t.server.wait(lambda: t.server.metric('chancery_push_silent_total') == 5, 'the last silence to be noticed')
    assert t.server.metric('chancery_push_again_total') == 4, {m: t.server.metric('chancery_push_%s_total' % m) for m in ('again', 'silent', 'errors')}
    # What is new is told whatever came of the old, when the pause is over.
    romeo.message(juliet.bare, 'm3')
    assert pushed(service).count == 4
    no_push(t, service, romeo, juliet)


@alone(push__timeout='500ms', push__pause='4s')
def test_not_told_again(t):
    """XEP-0357 §1: a client that has come meanwhile is not woken, nor one that has disabled the service"""
    service, juliet = with_service(t)
    other = t.component().joined()
    tybalt = t.online()
    assert tybalt.iq('set', enable(other.domain)).get('type') == 'result'
    second = t.bound(tybalt)
    left(t, juliet)
    tybalt.close()
    romeo = t.online()
    for c, s in ((juliet, service), (tybalt, other)):
        romeo.message(c.bare, 'm0')
        pushed(s, answer=None)
    t.server.wait(lambda: t.server.metric('chancery_push_silent_total') == 2, 'the silence to be noticed')
    back = t.online(juliet, resource=juliet.jid.split('/')[1])
    back.expect_message('m0')
    assert second.iq('set', disable(other.domain)).get('type') == 'result'
    time.sleep(4.2)
    for s, c in ((service, juliet), (other, tybalt)):
        no_push(t, s, romeo, c)


@alone(push__pause='200ms')
def test_cannot_now(t):
    """XEP-0357 §7.1: an error that passes is followed by another try; a component that was away is told when it is back"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    assert pushed(service, 'error', error('resource-constraint', 'wait')).count == 1
    assert pushed(service).count == 1
    domain = service.domain
    service.close()
    t.server.wait(lambda: domain not in [i.get('jid') for i in romeo.iq(
        'get', "<query xmlns='http://jabber.org/protocol/disco#items'/>", to=t.server.domain).find('items:query').all('item')],
        'the component to be gone')
    romeo.message(juliet.bare, 'm1')
    t.server.wait(lambda: t.server.metric('chancery_push_errors_total') >= 2, 'the error')
    assert pushed(t.component(domain).joined()).count == 2


def test_late_or_forged_answer(t):
    """RFC 6120 §8.1.2.1: an answer from somebody else is none"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    p = pushed(service, answer=None)
    romeo.stanza("<iq type='error' id='%s' to='%s'>%s</iq>" % (p.iq.get('id'), juliet.bare, error('item-not-found', 'cancel')))
    romeo.message(juliet.bare, 'm1')
    service.answer(p.iq)
    assert pushed(service).count == 2


def test_service_is_away(t):
    """A component that is not connected: the message stays for its recipient, the service stays enabled"""
    service, juliet = with_service(t)
    left(t, juliet)
    domain = service.domain
    service.close()
    romeo = t.online()
    romeo.message(juliet.bare, 'm0')
    romeo.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=juliet.bare)
    service = t.component(domain).joined()
    romeo.message(juliet.bare, 'm1')
    p = pushed(service)
    assert p.count == 2, p.form


def test_revoked_by_the_service(t):
    """XEP-0357 §8: a service that takes the affiliation back is forgotten; somebody else cannot say so"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    inner = ("<pubsub xmlns='http://jabber.org/protocol/pubsub' node='n1'><affiliation jid='%s' affiliation='none'/></pubsub>"
             % juliet.bare)
    romeo.message(juliet.bare, None, type='normal', inner=inner)
    romeo.message(juliet.bare, 'm0')
    pushed(service)
    service.send("<message from='%s' to='%s'>%s</message>" % (service.domain, juliet.bare, inner))
    t.server.wait(lambda: t.server.value("select count(*) from chancery.push p join chancery.account a on a.id = p.account "
                                         "where a.bare = '%s'" % juliet.bare) == '0', 'the service to be forgotten')
    romeo.message(juliet.bare, 'm1')
    no_push(t, service, romeo, juliet)


@alone(push__sender='true', push__body='true', push__text="''")
def test_content_settings(t):
    """XEP-0357 §10: sender and body are told only where the settings say so; never of what is encrypted"""
    service, juliet = with_service(t)
    left(t, juliet)
    romeo = t.online()
    romeo.message(juliet.bare, 'Wherefore')
    p = pushed(service)
    assert (p.form['last-message-sender'], p.form['last-message-body']) == (romeo.jid, 'Wherefore'), p.form
    romeo.message(juliet.bare, 'OMEMO', inner="<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example:e2e'/>")
    p = pushed(service)
    assert 'last-message-body' not in p.form, p.form


def test_bad_requests(t):
    """XEP-0357 §5, §6: no jid, a malformed one, a form that is none of publish-options, somebody else's account"""
    juliet, romeo = t.bound(), t.bound()
    cases = [("<enable xmlns='urn:xmpp:push:0' node='n'/>", 'bad-request'),
             ("<disable xmlns='urn:xmpp:push:0'/>", 'bad-request'),
             (enable('@@'), 'jid-malformed'),
             (disable('@@'), 'jid-malformed'),
             (enable('p.example', inner=OPTIONS.replace('publish-options', 'node_config')), 'bad-request'),
             (enable('p.example', inner=OPTIONS.replace("type='submit'", "type='form'")), 'bad-request'),
             (enable('p.example', inner="<x xmlns='jabber:x:data'/>"), 'bad-request')]
    for payload, condition in cases:
        e = juliet.iq('set', payload)
        assert e.condition() == condition, (payload, e)
    for to in juliet.bare, 'nobody@' + t.server.domain:
        for payload in enable('p.example'), disable('p.example'):
            e = romeo.iq('set', payload, to=to)
            assert e.condition() == 'service-unavailable', e


@alone(limits__push_services=3, limits__push_bytes=300)
def test_quota(t):
    """P7: a bounded number of services, of a bounded size; one that is there already can be changed"""
    juliet = t.bound()
    for i in range(3):
        assert juliet.iq('set', enable('p.example', 'n%d' % i)).get('type') == 'result'
    assert juliet.iq('set', enable('p.example', 'n3')).condition() == 'resource-constraint'
    assert juliet.iq('set', enable('p.example', 'n2')).get('type') == 'result'
    assert juliet.iq('set', disable('p.example', 'n0')).get('type') == 'result'
    assert juliet.iq('set', enable('p.example', 'x' * 400)).condition() == 'resource-constraint'
    assert juliet.iq('set', enable('p.example', 'n3')).get('type') == 'result'


@alone()
def test_long_names(t):
    """P7: what no row of the index could hold is too long, and not a trouble of the database"""
    juliet, node = t.bound(), base64.b64encode(os.urandom(2200)).decode()
    e = juliet.iq('set', enable('p.example', node))
    assert e.condition() == 'resource-constraint' and 'too long' in e.text('error', 'text'), e
    assert juliet.iq('set', enable('p.example', node[:1000])).get('type') == 'result'
    assert t.server.metric('chancery_jobs_failed_total') == 0


def test_foreign_service(t):
    """A service at a domain that we do not talk to: the errors are ours, nobody is held up"""
    juliet, romeo = t.online(), t.online()
    assert juliet.iq('set', enable('push.far.example')).get('type') == 'result'
    left(t, juliet)
    for i in range(3):
        romeo.message(juliet.bare, 'm%d' % i)
    back = t.online(juliet)
    for i in range(3):
        back.expect_message('m%d' % i)


def test_deleted_account(t):
    """Rights belong to the account's id: a new one of the same name has no push services"""
    service, juliet = with_service(t)
    juliet.close()
    assert t.server.cli('user', 'delete', juliet.bare, '--yes')[0] == 0 or t.server.cli('user', 'delete', juliet.bare)[0] == 0
    t.server.add_users([(juliet.user, juliet.password)])
    t.online().message(juliet.bare, 'hello')
    t.server.wait(lambda: t.server.records("body = 'hello' and to_bare = '%s'" % juliet.bare), 'the record')
    t.online((juliet.user, juliet.password)).expect_message('hello')
    no_push(t, service)

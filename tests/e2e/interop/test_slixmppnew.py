"""The newest slixmpp (PyPI), with the plugins that its clients use: two devices of one user, and one of another.

Everything is asked as slixmpp asks it and read as slixmpp reads it: a stanza that it cannot parse, or an answer it does not expect, fails here.
"""
import asyncio
import functools
import hashlib
import logging

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET

from chancerytest.client import PATIENCE
from proxy import Proxy

logging.disable(logging.CRITICAL)   # it is chatty about what is tried here on purpose

PICTURE = bytes.fromhex(
    '89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63000100000500010d0a2db40000000049454e44ae426082')
PLUGINS = ['xep_0004', 'xep_0030', 'xep_0049', 'xep_0050', 'xep_0054', 'xep_0059', 'xep_0060', 'xep_0077', 'xep_0084', 'xep_0092', 'xep_0115',
           'xep_0163', 'xep_0172', 'xep_0184', 'xep_0191', 'xep_0198', 'xep_0199', 'xep_0203', 'xep_0280', 'xep_0297', 'xep_0308', 'xep_0313',
           'xep_0333', 'xep_0334', 'xep_0352', 'xep_0359', 'xep_0402', 'xep_0424', 'xep_0441', 'xep_0444', 'xep_0490']


def scenario(f):
    """An event loop of its own for each scenario, which is a coroutine."""
    @functools.wraps(f)
    def run(t):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(lambda *_: None)
        t.slix = []
        try:
            loop.run_until_complete(asyncio.wait_for(f(t), 6 * PATIENCE))
        finally:
            loop.run_until_complete(goodbye(t.slix))
            loop.close()
    return run


async def goodbye(clients):
    for c in clients:
        c.abort()
    tasks = [x for x in asyncio.all_tasks() if x is not asyncio.current_task()]
    for x in tasks:
        x.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Device(slixmpp.ClientXMPP):
    def __init__(self, t, user=None, interests=(), sm=False):
        name, password = user or t.user()
        super().__init__('%s@%s' % (name, t.server.domain), password)
        self.user = name, password
        self.proxy = Proxy(t)
        self.heard, self.started, self.resumed = [], False, 0
        self.auto_authorize = self.auto_subscribe = None
        self.use_aiodns, self.use_ipv6 = False, False
        self.ca_certs = t.server.ca
        for plugin in PLUGINS:
            if sm or plugin != 'xep_0198':
                self.register_plugin(plugin)
        self.interests = interests
        self.add_event_handler('session_start', lambda _: setattr(self, 'started', True))
        self.add_event_handler('session_resumed', lambda _: setattr(self, 'resumed', self.resumed + 1))
        for event in ('message', 'message_error', 'carbon_sent', 'carbon_received', 'avatar_metadata_publish', 'message_correction', 'message_retract',
                      'reactions', 'message_displayed_synchronization_publish', 'bookmarks_publish', 'bookmarks_retract', 'blocked', 'unblocked',
                      'changed_subscription', 'presence_available', 'presence_unavailable', 'receipt_received', 'pubsub_publish', 'pubsub_retract',
                      'pubsub_purge', 'pubsub_delete', 'message_xform', 'pubsub_config', 'pubsub_subscription'):
            self.add_event_handler(event, functools.partial(self._hear, event))
        t.slix.append(self)

    def _hear(self, event, stanza):
        self.heard.append((event, stanza))

    async def wait(self, check, what):
        for _ in range(int(PATIENCE * 100)):
            found = check()
            if found:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError('%s: waited in vain for %s; heard %s' % (self.boundjid, what, [(e, str(s)) for e, s in self.heard]))

    async def expect(self, event, match=lambda s: True, what=''):
        def check():
            for i, (e, s) in enumerate(self.heard):
                if e == event and match(s):
                    return self.heard.pop(i)
        return (await self.wait(check, '%s %s' % (event, what)))[1]

    async def online(self):
        self.connect(self.proxy.host, self.proxy.port)
        await self.wait(lambda: self.started, 'a login')
        for node in self.interests:
            self['xep_0163'].add_interest(node)
        await self['xep_0115'].update_caps()
        await self.get_roster()
        self.send_presence()
        await self.expect('presence_available', lambda p: p['from'] == self.boundjid, 'of itself')
        return self

    def bare(self):
        return self.boundjid.bare

    async def history(self, **filters):
        return [m async for m in self['xep_0313'].iterate(**filters)]


async def friends(a, b):
    for x, y in ((a, b), (b, a)):
        x.send_presence_subscription(y.bare())
        await y.expect('changed_subscription', lambda p: p['type'] == 'subscribe' and p['from'].bare == x.bare(), 'subscribe')
        y.send_presence_subscription(x.bare(), ptype='subscribed')
        await x.expect('presence_available', lambda p: p['from'] == y.boundjid, 'of %s' % y.boundjid)


def text_of(result):
    return result['mam_result']['forwarded']['stanza']['body']


@scenario
async def test_two_devices(t):
    """XEP-0280: what one device sends or receives the other sees, as carbons"""
    phone = await Device(t).online()
    laptop, juliet = await Device(t, phone.user).online(), await Device(t).online()
    for d in (phone, laptop):
        await d['xep_0280'].enable()
    phone.send_message(juliet.bare(), 'from the phone', mtype='chat')
    await juliet.expect('message', lambda m: m['body'] == 'from the phone')
    await laptop.expect('carbon_sent', lambda m: m['carbon_sent']['body'] == 'from the phone')
    juliet.send_message(phone.boundjid.full, 'to the phone', mtype='chat')
    await phone.expect('message', lambda m: m['body'] == 'to the phone')
    await laptop.expect('carbon_received', lambda m: m['carbon_received']['body'] == 'to the phone')


@scenario
async def test_history(t):
    """XEP-0313: a fresh second device pages through the conversation, by contact and in time; preferences (0441) are kept"""
    romeo, juliet, nurse = [await Device(t).online() for _ in range(3)]
    for n in range(7):
        romeo.send_message(juliet.bare(), 'line %d' % n, mtype='chat')
        await juliet.expect('message', lambda m: m['body'] == 'line %d' % n)
    nurse.send_message(romeo.bare(), 'anon, good nurse', mtype='chat')
    await romeo.expect('message', lambda m: m['body'] == 'anon, good nurse')
    tablet = await Device(t, romeo.user).online()
    assert [text_of(m) for m in await tablet.history(rsm={'max': 3})] == ['line %d' % n for n in range(7)] + ['anon, good nurse']
    assert [text_of(m) for m in await tablet.history(with_jid=nurse.boundjid)] == ['anon, good nurse']
    newest = await tablet.history(reverse=True, rsm={'max': 2}, total=2)
    assert [text_of(m) for m in newest] == ['anon, good nurse', 'line 6']
    fields = await tablet['xep_0313'].get_fields()
    assert {'with', 'start', 'end'} <= set(fields.get_fields()), fields
    about = await tablet['xep_0313'].get_archive_metadata()
    assert newest[0]['mam_result']['id'] in str(about), about
    await tablet['xep_0441'].set_preferences('always', [], [slixmpp.JID(nurse.bare())])
    got = await tablet['xep_0441'].get_preferences()
    assert nurse.bare() in str(got), got


@scenario
async def test_edits(t):
    """XEP-0308, XEP-0444, XEP-0424: corrections, reactions and retractions arrive; history shows a tombstone for what was retracted"""
    romeo, juliet = await Device(t).online(), await Device(t).online()
    said = romeo.make_message(juliet.bare(), 'I swear by the moon', mtype='chat')
    said['id'] = said['origin_id']['id'] = 'moon'
    said.send()
    await juliet.expect('message', lambda m: m['body'] == 'I swear by the moon')
    again = romeo.make_message(juliet.bare(), 'I swear', mtype='chat')
    again['replace']['id'] = 'moon'
    again.send()
    await juliet.expect('message_correction', lambda m: m['replace']['id'] == 'moon')
    juliet['xep_0444'].send_reactions(romeo.boundjid, 'moon', ['\N{FULL MOON SYMBOL}'])
    await romeo.expect('reactions', lambda m: m['reactions']['id'] == 'moon')
    romeo['xep_0424'].send_retraction(slixmpp.JID(juliet.bare()), 'moon', include_fallback=True)
    await juliet.expect('message_retract', lambda m: m['retract']['id'] == 'moon')
    kept = [m['mam_result']['forwarded']['stanza'] for m in await romeo.history()]
    assert not [m for m in kept if m['body'] == 'I swear by the moon'], kept
    assert kept[0].xml.find('{urn:xmpp:message-retract:1}retracted') is not None, kept[0]


@scenario
async def test_avatar(t):
    """XEP-0084, XEP-0153: an avatar published is announced to contacts by +notify, read by them, and is in the vCard too"""
    romeo, juliet = await Device(t, interests=['urn:xmpp:avatar:metadata']).online(), await Device(t).online()
    await friends(romeo, juliet)
    mark = hashlib.sha1(PICTURE).hexdigest()
    await juliet['xep_0084'].publish_avatar(PICTURE)
    await juliet['xep_0084'].publish_avatar_metadata({'id': mark, 'type': 'image/png', 'bytes': str(len(PICTURE)), 'width': '1', 'height': '1'})
    got = await romeo.expect('avatar_metadata_publish', lambda m: m['from'].bare == juliet.bare())
    assert got['pubsub_event']['items']['item']['avatar_metadata']['info']['id'] == mark
    data = await romeo['xep_0084'].retrieve_avatar(slixmpp.JID(juliet.bare()), mark)
    assert data['pubsub']['items']['item']['avatar_data']['value'] == PICTURE
    await juliet.expect('presence_available', lambda p: p['from'] == juliet.boundjid and mark in str(p), 'with the hash of the picture')
    card = await romeo['xep_0054'].get_vcard(slixmpp.JID(juliet.bare()))
    assert card['vcard_temp']['PHOTO']['BINVAL'] == PICTURE
    # Who comes later is told too.
    later = await Device(t, romeo.user, interests=['urn:xmpp:avatar:metadata']).online()
    await later.expect('avatar_metadata_publish', lambda m: m['from'].bare == juliet.bare())


@scenario
async def test_bookmarks(t):
    """XEP-0402, XEP-0049: a bookmark made by one device is announced to the other, and an old client finds it in private XML"""
    phone = await Device(t, interests=['urn:xmpp:bookmarks:1']).online()
    laptop = await Device(t, phone.user, interests=['urn:xmpp:bookmarks:1']).online()
    mark = ET.fromstring("<conference xmlns='urn:xmpp:bookmarks:1' name='Council' autojoin='true'><nick>romeo</nick></conference>")
    await phone['xep_0060'].publish(slixmpp.JID(phone.bare()), 'urn:xmpp:bookmarks:1', id='council@rooms.capulet.lit', payload=mark)
    for d in (laptop, phone):
        await d.wait(lambda: [s for e, s in d.heard if 'council@rooms.capulet.lit' in str(s)], 'the bookmark')
    ask = laptop.make_iq_get()
    ask.set_payload(ET.fromstring("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"))
    assert 'council@rooms.capulet.lit' in str(await ask.send())


@scenario
async def test_pubsub(t):
    """XEP-0060: a node at the service from creation to deletion, its owner and a subscriber on slixmpp"""
    hamlet, horatio = await Device(t).online(), await Device(t).online()
    service = slixmpp.JID('pubsub.' + t.server.domain)
    a, b = hamlet['xep_0060'], horatio['xep_0060']
    assert str(service) in [i[0] for i in (await hamlet['xep_0030'].get_items(t.server.domain))['disco_items']['items']]
    node = (await a.create_node(service, None))['pubsub']['create']['node']
    form = (await a.get_node_config(service, node))['pubsub_owner']['configure']['form']
    assert form.get_values()['pubsub#access_model'] == 'open', form
    config = hamlet['xep_0004'].make_form(ftype='submit')
    for k, v in (('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'), ('pubsub#access_model', 'authorize'),
                 ('pubsub#title', 'Musings')):
        config.add_field(var=k, value=v)
    await a.set_node_config(service, node, config)
    answer = await b.subscribe(service, node)
    assert answer['pubsub']['subscription']['subscription'] == 'pending', answer
    await hamlet.expect('message_xform', lambda m: horatio.bare() in str(m['form']))
    await hamlet.expect('message', lambda m: horatio.bare() in m['body'])
    await a.modify_subscriptions(service, node, [(horatio.bare(), 'subscribed')])
    await horatio.expect('pubsub_subscription', lambda m: m['pubsub_event']['subscription']['subscription'] == 'subscribed')
    item = await a.publish(service, node, payload=ET.fromstring("<entry xmlns='http://www.w3.org/2005/Atom'><title>T</title></entry>"))
    id = item['pubsub']['publish']['item']['id']
    got = await horatio.expect('pubsub_publish', lambda m: m['pubsub_event']['items']['node'] == node)
    assert got['pubsub_event']['items']['item']['id'] == id and 'Atom' in str(got), got
    assert [i['id'] for i in (await b.get_items(service, node))['pubsub']['items']] == [id]
    assert [s['node'] for s in (await b.get_subscriptions(service))['pubsub']['subscriptions']] == [node]
    assert 'deliver' in str(await b.get_subscription_options(service, node))
    await a.modify_affiliations(service, node, [(horatio.bare(), 'publisher')])
    assert {x['affiliation'] for x in (await a.get_node_affiliations(service, node))['pubsub_owner']['affiliations']} == {'owner', 'publisher'}
    await a.retract(service, node, id, notify=True)
    await horatio.expect('pubsub_retract', lambda m: m['pubsub_event']['items']['retract']['id'] == id)
    await a.purge(service, node)
    await horatio.expect('pubsub_purge')
    await b.unsubscribe(service, node)
    await b.subscribe(service, node)
    await a.delete_node(service, node)
    await horatio.expect('pubsub_delete', lambda m: m['pubsub_event']['delete']['node'] == node)
    try:
        await b.get_items(service, node)
        raise AssertionError('there is still such a node')
    except IqError as e:
        assert e.condition == 'item-not-found', e


@scenario
async def test_displayed(t):
    """XEP-0490: what was read on one device is known on the other"""
    phone = await Device(t, interests=['urn:xmpp:mds:displayed:0']).online()
    laptop = await Device(t, phone.user, interests=['urn:xmpp:mds:displayed:0']).online()
    await phone['xep_0490'].flag_chat(slixmpp.JID('juliet@capulet.lit'), '1234')
    await laptop.wait(lambda: [s for e, s in laptop.heard if 'juliet@capulet.lit' in str(s)], 'the mark')


@scenario
async def test_blocking(t):
    """XEP-0191: a blocked contact's messages do not arrive, and all devices see the list change"""
    romeo, tybalt = await Device(t).online(), await Device(t).online()
    laptop = await Device(t, romeo.user).online()
    for d in (romeo, laptop):
        await d['xep_0191'].get_blocked()
    await romeo['xep_0191'].block(slixmpp.JID(tybalt.bare()))
    await laptop.expect('blocked')
    tybalt.send_message(romeo.bare(), 'villain', mtype='chat')
    await tybalt.expect('message_error')
    await romeo['xep_0191'].unblock(slixmpp.JID(tybalt.bare()))
    tybalt.send_message(romeo.bare(), 'peace', mtype='chat')
    await romeo.expect('message', lambda m: m['body'] == 'peace')
    assert not [s for e, s in romeo.heard if e == 'message' and s['body'] == 'villain']


@scenario
async def test_vcard_and_nickname(t):
    """XEP-0054, XEP-0172: profile data are set and read by others"""
    romeo, juliet = await Device(t, interests=['http://jabber.org/protocol/nick']).online(), await Device(t).online()
    await friends(romeo, juliet)
    card = juliet['xep_0054'].make_vcard()
    card['FN'] = 'Juliet Capulet'
    await juliet['xep_0054'].publish_vcard(card)
    got = await romeo['xep_0054'].get_vcard(slixmpp.JID(juliet.bare()))
    assert got['vcard_temp']['FN'] == 'Juliet Capulet'
    await juliet['xep_0172'].publish_nick('Jule')
    await romeo.wait(lambda: [s for e, s in romeo.heard if 'Jule' in str(s)], 'the nickname')


@scenario
async def test_inactive(t):
    """XEP-0352: while a client is inactive presence waits; a message comes at once, and what waited before it"""
    romeo, juliet = await Device(t).online(), await Device(t).online()
    await friends(romeo, juliet)
    romeo['xep_0352'].send_inactive()
    await romeo['xep_0199'].ping(romeo.boundjid.domain)
    juliet.send_presence(pstatus='on the balcony')
    juliet.send_message(romeo.bare(), 'Ay me!', mtype='chat')
    await romeo.expect('message', lambda m: m['body'] == 'Ay me!')
    assert [s for e, s in romeo.heard if e == 'presence_available' and s['status'] == 'on the balcony']


@scenario
async def test_resumption(t):
    """XEP-0198: after a cut the stream is resumed and what was sent meanwhile arrives once"""
    romeo, juliet = await Device(t, sm=True).online(), await Device(t).online()
    await romeo.wait(lambda: romeo['xep_0198'].enabled_in, 'stream management')
    romeo.add_event_handler('disconnected', lambda _: romeo.connect(romeo.proxy.host, romeo.proxy.port))
    romeo.proxy.cut()
    juliet.send_message(romeo.bare(), 'while you were away', mtype='chat')
    await romeo.wait(lambda: romeo.resumed, 'a resumption')
    await romeo.expect('message', lambda m: m['body'] == 'while you were away')


@scenario
async def test_password(t):
    """XEP-0077: a user changes the password; the old one is refused from then on"""
    romeo = await Device(t).online()
    await romeo['xep_0077'].change_password('a much longer one', romeo.boundjid.domain)
    again = await Device(t, (romeo.user[0], 'a much longer one')).online()
    assert again.boundjid.bare == romeo.bare()


@scenario
async def test_commands(t):
    """XEP-0050: who is no administrator is offered no commands, and refused when asking all the same"""
    romeo = await Device(t).online()
    got = await romeo['xep_0050'].get_commands(slixmpp.JID(romeo.boundjid.domain))
    assert not [i for i in got['disco_items']['items'] if 'admin' in (i[1] or '')], got
    try:
        await romeo['xep_0050'].send_command(slixmpp.JID(romeo.boundjid.domain), 'http://jabber.org/protocol/admin#add-user')
        raise AssertionError('a command for administrators was begun')
    except IqError as e:
        assert e.condition in ('forbidden', 'not-allowed', 'item-not-found'), e.condition

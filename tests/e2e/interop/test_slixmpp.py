"""slixmpp, the Python library behind poezio and many bots (Debian: python3-slixmpp).

slixmpp 1.8.3 knows one channel binding, tls-unique; it uses it, as it comes, with TLS 1.3 too. Where a scenario asks for a mechanism
without it, slixmpp has to be told to leave channel binding alone: otherwise it says "y", which a server that offers -PLUS has
to refuse (RFC 5802 §6).
"""
import asyncio
import functools
import io
import logging
import re
import socket
import ssl

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from proxy import Proxy

logging.disable(logging.CRITICAL)   # it is chatty about what is tried here on purpose


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
        c.auto_reconnect = False
        c.abort()
    tasks = [x for x in asyncio.all_tasks() if x is not asyncio.current_task()]
    for x in tasks:
        x.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Slix(slixmpp.ClientXMPP):
    def __init__(self, t, user=None, mechanism='SCRAM-SHA-256', direct=False, password=None, plain=False, stock=False, high=None,
                 trust=True, sm=False):
        name, right = user or t.user()
        super().__init__('%s@%s' % (name, t.server.domain), right if password is None else password)
        self.user = name, right
        self.direct, self.proxy = direct, Proxy(t, direct)
        self.heard, self.outcome, self.started, self.resumed = [], None, 0, 0
        self.auto_authorize = self.auto_subscribe = None   # scenarios answer subscriptions themselves
        self.use_aiodns, self.use_ipv6 = False, False
        if trust:
            self.ca_certs = t.server.ca
        if high:
            self.ssl_context.maximum_version = high
        sasl = self['feature_mechanisms']
        if not stock:
            sasl.use_mech = mechanism
            sasl.sasl_callback = self._credentials
        if plain:
            sasl.encrypted_plain = True
        if sm:
            self.register_plugin('xep_0198')
        self.register_plugin('xep_0199')
        self.register_plugin('xep_0030')
        self.register_plugin('xep_0203')
        for event, name in (('session_start', 'started'), ('failed_all_auth', 'refused'),
                            ('ssl_invalid_chain', 'certificate')):
            self.add_event_handler(event, functools.partial(self._outcome, name))
        self.add_event_handler('session_resumed', self._resumed)
        for event in ('message', 'message_error', 'roster_update', 'disconnected', 'stream_error', 'sm_failed',
                      'changed_subscription', 'presence_available', 'presence_away', 'presence_unavailable', 'presence_error'):
            self.add_event_handler(event, functools.partial(self._hear, event))
        t.slix.append(self)

    def _credentials(self, required, optional):
        have = self['feature_mechanisms']._default_credentials(required, optional)
        have.pop('channel_binding', None)
        return have

    def _outcome(self, what, _):
        self.outcome = what
        self.started += what == 'started'

    def _resumed(self, _):
        self.resumed += 1

    def _hear(self, event, stanza):
        self.heard.append((event, stanza))

    async def wait(self, check, what):
        """Polls: slixmpp's events come and go whether somebody waits or not."""
        for _ in range(int(PATIENCE * 100)):
            found = check()
            if found:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError('%s: waited in vain for %s; heard %s'
                             % (self.boundjid, what, [(e, str(s)) for e, s in self.heard]))

    async def expect(self, event, match=lambda s: True, what=''):
        def check():
            for i, (e, s) in enumerate(self.heard):
                if e == event and match(s):
                    return self.heard.pop(i)
        return (await self.wait(check, '%s %s' % (event, what)))[1]

    async def expect_message(self, body):
        return await self.expect('message', lambda m: m['body'] == body, body)

    def begin(self):
        self.outcome = None
        self.connect((self.proxy.host, self.proxy.port), use_ssl=self.direct, disable_starttls=self.direct)

    async def login(self):
        self.begin()
        return await self.wait(lambda: self.outcome, 'a login or its refusal')

    async def online(self):
        got = await self.login()
        assert got == 'started', got
        await self.get_roster()
        self.send_presence()
        await self.expect('presence_available', lambda p: p['from'] == self.boundjid, 'of itself')
        return self

    def bare(self):
        return self.boundjid.bare

    async def leave(self):
        await self.disconnect(wait=1)


async def friends(a, b):
    """RFC 6121 §3.1, each way."""
    for x, y in ((a, b), (b, a)):
        x.send_presence_subscription(y.bare())
        await y.expect('changed_subscription', lambda p: p['type'] == 'subscribe' and p['from'].bare == x.bare(), 'subscribe')
        y.send_presence_subscription(x.bare(), ptype='subscribed')
        await x.expect('presence_available', lambda p: p['from'] == y.boundjid, 'of %s' % y.boundjid)
    for x, y in ((a, b), (b, a)):
        await x.wait(lambda: x.client_roster[y.bare()]['subscription'] == 'both', 'subscription both')


def authenticated_with(t, jid, mechanism):
    pattern = r'authenticated .*jid=%s mechanism=%s$' % (re.escape(jid), re.escape(mechanism))
    t.server.wait(lambda: re.search(pattern, t.server.log(), re.M), '%s in the log' % mechanism)


@scenario
async def test_mechanisms(t):
    """RFC 5802, RFC 7677: SCRAM-SHA-1, -256 and -512; over STARTTLS and direct TLS (XEP-0368), TLS 1.3 and 1.2"""
    user = t.user()
    for mechanism in ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        for direct, high in ((False, None), (True, None), (False, ssl.TLSVersion.TLSv1_2)):
            c = Slix(t, user, mechanism, direct=direct, high=high)
            assert await c.login() == 'started', (mechanism, direct, high)
            assert c.socket.version() == ('TLSv1.2' if high else 'TLSv1.3'), c.socket.version()
            await c.leave()
        authenticated_with(t, c.bare(), mechanism)


@scenario
async def test_plus(t):
    """RFC 5802 §6.1: channel binding by tls-unique, which slixmpp takes as it comes"""
    user = t.user()
    for direct, high in ((False, None), (True, None), (False, ssl.TLSVersion.TLSv1_2)):
        c = await Slix(t, user, stock=True, direct=direct, high=high).online()
        authenticated_with(t, c.bare(), 'SCRAM-SHA-512-PLUS')
        await c.leave()


@alone(auth__channel_binding='false')
@scenario
async def test_as_it_comes(t):
    """A server that offers no -PLUS: slixmpp with nothing but address and password takes the strongest SCRAM"""
    c = await Slix(t, stock=True, sm=True).online()
    authenticated_with(t, c.bare(), 'SCRAM-SHA-512')


@alone(auth__plain='true')
@scenario
async def test_plain(t):
    """RFC 4616: PLAIN, where the server allows it, under TLS"""
    c = await Slix(t, mechanism='PLAIN').online()
    authenticated_with(t, c.bare(), 'PLAIN')
    wrong = Slix(t, c.user, mechanism='PLAIN', password='wrong')
    assert await wrong.login() == 'refused'


@scenario
async def test_wrong_password(t):
    """RFC 6120 §6.5.10: a wrong password is refused, the right one still works"""
    user = t.user()
    assert await Slix(t, user, password='wrong').login() == 'refused'
    assert await Slix(t, user).login() == 'started'


@scenario
async def test_certificate(t):
    """RFC 6125: without the authority in its trust store the client refuses the server"""
    c = Slix(t, trust=False)
    assert await c.login() == 'certificate'
    assert c.started == 0


@scenario
async def test_roster_and_presence(t):
    """RFC 6121 §2 and §3: items set, renamed, deleted; mutual subscription; presence there and gone"""
    a, b = await Slix(t).online(), await Slix(t).online()
    await friends(a, b)
    await a.update_roster(b.bare(), name='Juliet', groups=['Verona'])
    again = Slix(t, a.user)
    assert await again.login() == 'started'
    await again.get_roster()
    item = again.client_roster[b.bare()]
    assert (item['name'], item['groups'], item['subscription']) == ('Juliet', ['Verona'], 'both'), item
    b.send_presence(pshow='away', pstatus='gone to mass')
    p = await a.expect('presence_away')
    assert p['from'] == b.boundjid and p['status'] == 'gone to mass', p
    await b.leave()
    await a.expect('presence_unavailable', lambda p: p['from'].bare == b.bare())
    await a.del_roster_item(b.bare())
    await again.wait(lambda: b.bare() not in again.client_roster, 'the push of the deletion')


@scenario
async def test_chat(t):
    """RFC 6121 §5: messages both ways, in order, of any text; each carries the record's id (XEP-0359)"""
    a, b = await Slix(t).online(), await Slix(t, direct=True).online()
    texts = ['what light %d' % i for i in range(20)] + ['<&>"\'', 'Ärger ☂ 🐈', 'two\nlines']
    for x, y in ((a, b), (b, a)):
        for text in texts:
            x.send_message(y.boundjid.bare, text, mtype='chat')
        await y.wait(lambda: len([1 for e, _ in y.heard if e == 'message']) == len(texts), 'all messages')
        got = [m for e, m in y.heard if e == 'message']
        assert [m['body'] for m in got] == texts
        for m in got:
            sid = m.xml.find('{urn:xmpp:sid:0}stanza-id')
            assert sid is not None and sid.get('by') == y.bare(), m
            assert t.server.value('select count(*) from archive.record where id = %d' % int(sid.get('id'))) == '1', m


@scenario
async def test_offline(t):
    """XEP-0160, XEP-0203: what was said meanwhile comes at the next login, once, with the time it was said"""
    a, user = await Slix(t).online(), t.user()
    for i in range(3):
        a.send_message('%s@%s' % (user[0], t.server.domain), 'while you slept %d' % i, mtype='chat')
    await a['xep_0199'].send_ping(a.boundjid.host)
    b = await Slix(t, user, sm=True).online()
    for i in range(3):
        m = await b.expect_message('while you slept %d' % i)
        assert m['delay']['stamp'] is not None and m.xml.find('{urn:xmpp:delay}delay') is not None, m
    await b['xep_0199'].send_ping(b.boundjid.host)
    await b.leave()
    b2 = await Slix(t, user, sm=True).online()
    a.send_message(b2.bare(), 'awake', mtype='chat')
    await b2.expect_message('awake')
    assert not [s for e, s in b2.heard if e == 'message'], b2.heard


@scenario
async def test_resumption(t):
    """XEP-0198 §5: the connection is cut; the session goes on, nobody sees it gone, nothing sent meanwhile is lost"""
    a, b = await Slix(t).online(), await Slix(t, sm=True).online()
    await friends(a, b)
    a.heard.clear()
    jid = b.boundjid.full
    b.proxy.down = True
    b.proxy.cut()
    await b.expect('disconnected')
    for i in range(10):
        a.send_message(jid, 'are you there %d' % i, mtype='chat')
    await a['xep_0199'].send_ping(a.boundjid.host)
    b.proxy.down = False
    b.begin()
    await b.wait(lambda: b.resumed == 1, 'the resumption')
    for i in range(10):
        m = await b.expect_message('are you there %d' % i)
    assert b.boundjid.full == jid and b.started == 1
    b.send_message(a.bare(), 'here I am', mtype='chat')
    await a.expect_message('here I am')
    assert not [s for e, s in a.heard if e == 'presence_unavailable'], a.heard
    assert not [s for e, s in b.heard if e == 'message'], b.heard


@scenario
async def test_services(t):
    """XEP-0030, XEP-0199, XEP-0092, XEP-0202, XEP-0012: what the library asks the server for is answered as it understands it"""
    c = await Slix(t).online()
    host = c.boundjid.host
    info = await c['xep_0030'].get_info(jid=host)
    features = info['disco_info']['features']
    assert {'urn:xmpp:ping', 'http://jabber.org/protocol/disco#info'} <= set(features), features
    assert ('server', 'im') in [x[:2] for x in info['disco_info']['identities']], info
    for plugin in ('xep_0092', 'xep_0202', 'xep_0012'):
        c.register_plugin(plugin)
    version = await c['xep_0092'].get_version(host)
    assert version['software_version']['name'], version
    time = (await c['xep_0202'].get_entity_time(host)).xml.find('.//{urn:xmpp:time}utc')
    assert time is not None and time.text.endswith('Z'), time
    assert int((await c['xep_0012'].get_last_activity(host))['last_activity']['seconds']) >= 0
    assert await c['xep_0199'].ping(host) is not None


class Receiver:
    """Takes bytestreams, and keeps what comes."""

    def __init__(self, c):
        self.c, self.streams = c, []
        c['xep_0047'].auto_accept = True
        c.add_event_handler('ibb_stream_start', self.streams.append)

    async def file(self, sid):
        s = await self.c.wait(lambda: [x for x in self.streams if x.sid == sid], 'the bytestream ' + sid)
        await self.c.wait(lambda: s[0].stream_in_closed, 'its end')
        content = b''
        while not s[0].recv_queue.empty():
            content += s[0].recv_queue.get_nowait()
        return content


async def two_with_files(t, *plugins):
    romeo, juliet = [Slix(t) for _ in range(2)]
    for c in (romeo, juliet):
        for p in ('xep_0047', *plugins):
            c.register_plugin(p)
        await c.online()
    return romeo, juliet, Receiver(juliet)


@scenario
async def test_bytestream(t):
    """XEP-0047: a file in IQs and one in messages come through; of an infected one nothing does, and its sender hears why"""
    romeo, juliet, receiver = await two_with_files(t)
    clean = b'Wherefore art thou? ' * 1000
    for content, messages in ((clean, False), (clean, True), (EICAR, False)):
        stream = await romeo['xep_0047'].open_stream(juliet.boundjid, use_messages=messages)
        await stream.sendall(content)
        answers = []    # slixmpp keeps the answer to <close/> to itself
        keep = lambda stanza: (answers.append(stanza), stanza)[1]  # noqa: E731
        romeo.add_filter('in', keep)
        stream.close(timeout=PATIENCE)
        answer = (await romeo.wait(lambda: [a for a in answers if isinstance(a, slixmpp.Iq)], 'the answer to <close/>'))[0]
        romeo.del_filter('in', keep)
        assert answer['type'] == ('error' if content == EICAR else 'result'), answer
        if content == EICAR:
            assert '<policy-violation' in str(answer) and 'virus' in str(answer), answer
        assert await receiver.file(stream.sid) == (b'' if content == EICAR else content)


@scenario
async def test_stream_initiation(t):
    """XEP-0096: offered with SOCKS5 before IBB, as slixmpp does; IBB is taken, and the file arrives"""
    romeo, juliet, receiver = await two_with_files(t, 'xep_0096')
    content, offers = b'Wherefore art thou? ' * 500, []
    # Its own handler is a coroutine that slixmpp 1.8 does not wait for.
    juliet.remove_handler('SI Request')
    juliet.register_handler(Callback('SI Request', StanzaPath('iq@type=set/si'), offers.append))
    offer = asyncio.ensure_future(romeo['xep_0096'].request_file_transfer(
        juliet.boundjid, sid='si1', name='why.txt', size=len(content), mime_type='text/plain', timeout=PATIENCE,
        # As strings, which is what it takes itself, slixmpp 1.8 does not write them.
        methods=[{'value': 'http://jabber.org/protocol/bytestreams'}, {'value': 'http://jabber.org/protocol/ibb'}]))
    iq = (await juliet.wait(lambda: offers, 'the offer'))[0]
    answer = juliet.make_iq_result(iq['id'], ito=iq['from'])
    answer['si']['feature_neg']['form']['type'] = 'submit'
    methods = [o['value'] for o in iq['si']['feature_neg']['form'].get_fields()['stream-method']['options']]
    # SOCKS5 stays in the offer where the server has a proxy for it (XEP-0065).
    assert methods == ['http://jabber.org/protocol/bytestreams', 'http://jabber.org/protocol/ibb'], methods
    answer['si']['feature_neg']['form'].add_field(var='stream-method', ftype='list-single', value=methods[1])
    answer.send()
    assert (await offer)['type'] == 'result'
    stream = await romeo['xep_0047'].open_stream(juliet.boundjid, sid='si1')
    await stream.sendall(content)
    await stream.close(timeout=PATIENCE)
    assert await receiver.file('si1') == content


@alone(files__proxy_host='127.0.0.1')
@scenario
async def test_socks5(t):
    """XEP-0065: it finds our proxy, both connect, and a file comes through; of an infected one nothing does, and its sender hears why"""
    romeo, juliet = [Slix(t) for _ in range(2)]
    for c in (romeo, juliet):
        c.register_plugin('xep_0065')
        await c.online()
    juliet['xep_0065'].auto_accept = True
    got, ends = bytearray(), []
    juliet.add_event_handler('socks5_data', got.extend)
    juliet.add_event_handler('socks5_closed', ends.append)
    for i, content in enumerate((b'Wherefore art thou? ' * 10000, EICAR)):
        got.clear()
        stream = await romeo['xep_0065'].handshake(juliet.boundjid, timeout=PATIENCE)
        await stream.write(content)
        stream.transport.write_eof()
        await juliet.wait(lambda: len(ends) > i, 'the end of the bytestream')
        assert got == (b'' if content == EICAR else content), len(got)
    # Of nothing, or of a part, slixmpp says that it was cut off.
    assert ends[0] is None and isinstance(ends[1], ConnectionResetError), ends
    await romeo.expect('message', lambda m: 'virus' in m['body'], 'about the virus')


def here(t):
    """slixmpp's HTTP client (aiohttp) as it is, with the test's authority and without DNS: no name of ours leads anywhere."""
    import aiohttp
    from aiohttp.abc import AbstractResolver

    class Resolver(AbstractResolver):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            return [{'hostname': host, 'host': '127.0.0.1', 'port': port, 'family': socket.AF_INET, 'proto': 0, 'flags': 0}]

        async def close(self):
            pass

    trust = ssl.create_default_context(cafile=t.server.ca)
    return lambda **kw: aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, resolver=Resolver()), **kw)


async def upload_service(c):
    """XEP-0363 §3. What slixmpp 1.8 has for this passes coroutines to asyncio.wait, which Python 3.11 refuses."""
    items = await c['xep_0030'].get_items(jid=c.boundjid.domain, timeout=PATIENCE)
    for jid, _, _ in items['disco_items']['items']:
        info = await c['xep_0030'].get_info(jid=jid, timeout=PATIENCE)
        if 'urn:xmpp:http:upload:0' in info['disco_info']['features']:
            assert ('store', 'file') in [i[:2] for i in info['disco_info']['identities']], info
            forms = [f['values'] for f in info['disco_info'].iterables]
            return info['from'], int([v for v in forms if v['FORM_TYPE'] == ['urn:xmpp:http:upload:0']][0]['max-file-size'])
    raise AssertionError('there is no service for uploads')


@scenario
async def test_upload(t):
    """XEP-0363: slixmpp finds the service, asks for a slot and puts a file; juliet fetches it by its address, an infected one is refused in words"""
    from slixmpp.plugins.xep_0363 import http_upload
    http_upload.ClientSession = session = here(t)
    romeo, juliet = await Slix(t).online(), await Slix(t).online()
    romeo.register_plugin('xep_0363')
    romeo['xep_0363'].upload_service, romeo['xep_0363'].max_file_size = await upload_service(romeo)
    content = unique('letter').encode() * 5000
    url = await romeo['xep_0363'].upload_file('a letter.txt', input_file=io.BytesIO(content), timeout=PATIENCE)
    romeo.send_message(juliet.boundjid.bare, url, mtype='chat')
    await juliet.expect_message(url)
    async with session() as http, http.get(url) as answer:
        assert answer.status == 200 and await answer.read() == content, answer
        assert answer.headers['Content-Disposition'].startswith('attachment'), answer.headers
    try:
        await romeo['xep_0363'].upload_file('dagger.exe', input_file=io.BytesIO(EICAR), timeout=PATIENCE)
        raise AssertionError('the virus was taken')
    except http_upload.HTTPError as e:
        assert e.args[0] == 403 and 'virus' in e.args[1], e.args

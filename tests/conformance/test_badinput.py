"""Bad input: each gets the error that the standard names or a closed stream; nobody else notices (design §7)."""
import os
import socket

from chancerytest.client import Closed, unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone
from chancerytest.web import PING, WebSocket, WebSocketClient

BIG = 300 * 1024


class Witness:
    """Two others, who chat before and after, and hear nothing of it."""

    def __init__(self, t):
        self.a, self.b = t.online(), t.online()

    def check(self):
        self.a.sync(self.b)
        assert self.a.ping().get('type') == 'result'
        assert not self.b.heard, self.b.heard


def ends(c, *conditions):
    error = c.expect_end()
    assert error in conditions, 'expected %s, got %s' % (conditions, error)
    c.expect_eof()


def each(t, cases):
    """Each text ends a stream with one of its conditions: before authentication, and after."""
    w = Witness(t)
    for text, conditions in cases:
        for c in (t.stream(), t.online()):
            try:
                c.send(text)
                ends(c, *conditions)
            except AssertionError as e:
                raise AssertionError('%.100r (%s): %s' % (text, c.jid or 'unauthenticated', e))
    w.check()


def test_not_well_formed(t):
    """RFC 6120 §4.9.3.13: what is not well-formed"""
    each(t, [(x, ('not-well-formed', 'bad-format', 'invalid-xml')) for x in (
        '<message><body></message>', '<message to=unquoted>', "<message a='1' a='2'/>", '<message>&</message>', '</wrong>',
        "<message><body>\x01</body></message>", b'<message><body>\xff\xfe</body></message>', b'<message><body>\xc0\x80</body></message>',
        b"<message to='a\x00b'/>", "<message to='<'/>", '<1/>', '<message><body>]]></body></message>',
        b'<message><body>\xed\xa0\x80</body></message>', '<message><body>&#0;</body></message>', '<a:b:c/>', '<mes\u0000sage/>')])


def test_restricted_xml(t):
    """RFC 6120 §11.1: comments, processing instructions, DTD, entities"""
    each(t, [(x, ('restricted-xml',) + more) for x, more in (
        ('<!-- hello -->', ()), ('<message><!-- hello --></message>', ()), ('<?php echo 1; ?>', ()),
        ('<message><?x y?></message>', ()), ("<message><body>&unknown;</body></message>", ('not-well-formed', 'bad-format')))])


def test_dtd(t):
    """RFC 6120 §11.1: a DTD is refused before anything behind it is looked at"""
    bomb = ("<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaaaaaaaa'>" + ''.join(
        "<!ENTITY %s '%s'>" % (chr(98 + i), '&%s;' % chr(97 + i) * 10) for i in range(10)) + ']>')
    for dtd in (bomb, "<!DOCTYPE s SYSTEM 'file:///etc/passwd'>", "<?xml version='1.0'?><!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"):
        c = t.client().connect().open(header=dtd + "<stream:stream xmlns='jabber:client' xmlns:stream='%s' to='%s' version='1.0'>"
                                      % (NAMES['stream'], t.server.domain))
        ends(c, 'restricted-xml', 'not-well-formed')


def test_encodings(t):
    """RFC 6120 §11.6: nothing but UTF-8"""
    head = "<stream:stream xmlns='jabber:client' xmlns:stream='%s' to='%s' version='1.0'>" % (NAMES['stream'], t.server.domain)
    for encoding in ('ISO-8859-1', 'UTF-16', 'US-ASCII', 'utf-7'):
        c = t.client().connect().open(header="<?xml version='1.0' encoding='%s'?>" % encoding + head)
        ends(c, 'unsupported-encoding')
    for data in (('\ufeff' + head).encode('utf-16-le'), ('\ufeff' + head).encode('utf-16-be'), head.encode('utf-16-le')):
        c = t.client().connect().open(header=data)
        ends(c, 'unsupported-encoding', 'not-well-formed', 'bad-format', 'restricted-xml')
    for encoding in ('UTF-8', 'utf-8'):
        c = t.client().connect().open(header="<?xml version='1.0' encoding='%s'?>" % encoding + head)
        c.expect_features()


def test_namespaces(t):
    """RFC 6120 §4.8, §4.9.3: unbound prefixes and foreign namespaces at the top"""
    each(t, [("<x:message/>", ('bad-namespace-prefix', 'not-well-formed', 'invalid-namespace')),
             ("<message><y:z/></message>", ('bad-namespace-prefix', 'not-well-formed', 'invalid-namespace'))])
    w, c = Witness(t), t.online()
    c.send("<message xmlns='jabber:server' to='%s'><body>x</body></message>" % w.b.jid)
    ends(c, 'invalid-namespace', 'unsupported-stanza-type')
    c = t.online()
    c.send("<surprise/>")
    ends(c, 'unsupported-stanza-type', 'invalid-namespace')
    c = t.online()
    c.send("text between stanzas")
    ends(c, 'bad-format', 'invalid-xml', 'not-well-formed')
    w.check()


def test_prefix_xml(t):
    """Namespaces in XML 1.0 §3: whoever is sent an element with the prefix xml can read it: its namespace is declared nowhere"""
    a, b = t.online(), t.online()
    id = a.message(b.jid, 'x', inner='<xml:a><b/></xml:a>')
    got = b.expect_message('x', id=id)
    odd, = got.all('a')
    assert odd.ns == 'http://www.w3.org/XML/1998/namespace' and odd.children[0].ns == NAMES['client'], got
    a.sync(b)


def test_depth(t):
    """limits.xml_depth: 10,000 levels are refused when they are crossed, and nothing recurses"""
    each(t, [('<message>' + '<a>' * 10000, ('policy-violation', 'not-authorized')),
             ('<iq type="set" id="d">' + '<a>' * 100 + '</a>' * 100 + '</iq>', ('policy-violation', 'not-authorized'))])


def test_attributes(t):
    """limits.xml_attributes, xml_namespaces: thousands on one element"""
    each(t, [("<message %s/>" % ' '.join("a%d='v'" % i for i in range(1000)), ('policy-violation', 'not-authorized')),
             ("<message %s/>" % ' '.join("xmlns:a%d='urn:v'" % i for i in range(400)), ('policy-violation', 'not-authorized'))])


def test_huge_parts(t):
    """limits.xml_token_bytes: names, attribute values and text of megabytes are cut off, not kept"""
    each(t, [('<' + 'n' * BIG, ('policy-violation',)),
             ("<message to='" + 'v' * BIG, ('policy-violation',)),
             ("<message xmlns:" + 'p' * BIG, ('policy-violation',)),
             ("<message><body>" + 'x' * BIG, ('policy-violation', 'not-authorized'))])


def test_before_authentication_less(t):
    """limits.stanza_bytes_unauthenticated: 16 KiB before authentication"""
    c = t.stream()
    c.send("<auth xmlns='%s' mechanism='SCRAM-SHA-256'>%s" % (NAMES['sasl'], 'A' * 20000))
    ends(c, 'policy-violation')


def test_amplification(t):
    """Serialised again, a stanza is not much larger than it came: long namespaces, many prefixed children"""
    a, b = t.online(), t.online()
    ns = 'urn:' + 'x' * 2000
    a.message(b.jid, 'small', inner="<p xmlns:n='%s'>%s</p>" % (ns, '<n:c/>' * 3000))
    try:
        a.ping()
        assert len(b.expect_message('small').find('p').all()) == 3000
    except Closed as e:
        assert e.error == 'policy-violation', e
    assert b.ping().get('type') == 'result'
    sizes = t.server.psql("select length(stanza) from archive.record where from_bare = '%s' and kind <> 24" % a.bare)
    assert all(int(s[0]) < 100000 for s in sizes), sizes


def test_drip(t):
    """A stanza that comes byte by byte is a stanza"""
    a, b = t.online(), t.online()
    text = "<message to='%s' id='drip'><body>slow \u00e4&lt;</body></message>" % b.jid
    for byte in text.encode():
        a.send(bytes([byte]))
    assert b.expect_message(id='drip').text('body') == 'slow \u00e4<'


def test_many_in_one_write(t):
    """A hundred stanzas in one write, and the end of the stream behind them: all are delivered"""
    a, b = t.online(), t.online()
    a.send(''.join("<message to='%s'><body>%d</body></message>" % (b.jid, i) for i in range(100)) + '</stream:stream>')
    for i in range(100):
        assert b.expect('message').text('body') == str(i)
    assert a.expect_end() is None


def test_half_a_stanza_and_gone(t):
    """A connection that ends inside a stanza delivers nothing of it"""
    w, a = Witness(t), t.online()
    a.send("<message to='%s'><body>half" % w.b.jid)
    a.cut()
    w.check()


def test_noise(t):
    """Noise instead of a stream, of a handshake, and inside TLS"""
    w = Witness(t)
    for _ in range(20):
        c = t.client().connect()
        try:
            c.open(header=os.urandom(3000))
            c.expect_end()
        except OSError:
            pass
        c = t.client()
        c.connect()
        c.open().expect_features()
        c.send("<starttls xmlns='%s'/>" % NAMES['tls'])
        c.expect('proceed')
        c.send(os.urandom(2000))
        c.expect_eof()
        s = socket.create_connection(('127.0.0.1', t.server.port_tls))
        s.sendall(os.urandom(500))
        s.close()
    c = t.stream()
    c.send(os.urandom(5000))
    c.expect_eof()
    w.check()


def test_forged_internals(t):
    """Elements in the name of the server's own protocols, sent as stanzas, stay payload"""
    w, a = Witness(t), t.online()
    b = t.online()
    inner = ''.join("<%s/>" % x for x in (
        "enabled xmlns='urn:xmpp:sm:3' id='x'", "success xmlns='%s'" % NAMES['sasl'], "features xmlns='%s'" % NAMES['stream']))
    id = a.message(b.jid, 'x', inner=inner)
    m = b.expect_message(id=id)
    assert len(m.all()) >= 4, m
    w.check()


def test_roster_injection(t):
    """RFC 6121 §2.1.6: a roster push made up by somebody else says whose it is, so a client can tell"""
    a, b = t.online(), t.online()
    a.iq_send('set', "<query xmlns='jabber:iq:roster'><item jid='evil@example.com' subscription='both'/></query>", b.jid)
    q = b.expect('iq')
    assert q.get('from') == a.jid, q


def test_jids_of_all_kinds(t):
    """RFC 7622: malformed addresses in every place where an address stands"""
    w, a = Witness(t), t.online()
    for bad in ('@', '/', 'a@', '@/', '\u0378@x', 'x' * 3000, 'a@%s/%s' % (t.server.domain, 'r' * 1024), 'a\u00adb@%s' % t.server.domain,
                '"@%s' % t.server.domain, 'a@b..c', ' ', '\u2028'):
        from chancerytest.element import escape
        q = escape(bad)
        a.stanza("<message to='%s' id='m'><body>x</body></message>" % q)
        assert a.expect(lambda e: e.name == 'message').condition() == 'jid-malformed', bad
        a.stanza("<iq to='%s' id='i' type='get'><ping xmlns='urn:xmpp:ping'/></iq>" % q)
        assert a.expect(lambda e: e.name == 'iq').condition() == 'jid-malformed', bad
        a.stanza("<presence to='%s'/>" % q)
        a.stanza("<presence to='%s' type='subscribe'/>" % q)
        r = a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % q)
        assert r.condition() in ('jid-malformed', 'bad-request'), (bad, r)
    w.check()


def test_log_injection(t):
    """Peers' names never reach the log raw"""
    mark = unique('inject')
    c = t.stream()
    c.auth(user='x\n2030-01-01 forged event=%s\r\n' % mark, password='x')
    c = t.client().authenticated()
    c.bind('res\u2028%s' % mark)
    for line in t.server.log().split('\n'):
        assert not line.startswith('2030-01-01 forged'), line


@alone(limits__unauthenticated_per_address='50')
def test_half_open_flood(t):
    """limits.unauthenticated_per_address: a flood from one address is refused; clients from elsewhere work on"""
    a = t.online()
    for i in range(200):
        c = t.client(a)     # no account of its own: making one takes longer than all the rest
        c.source = '127.77.77.77'
        try:
            c.connect()
        except OSError:
            pass
    assert a.ping().get('type') == 'result'
    assert t.online().ping().get('type') == 'result'
    t.server.wait(lambda: t.server.metric('chancery_connections_refused_total') >= 150, 'refused connections')
    for c in t.clients:
        if c.source == '127.77.77.77':
            c.cut()
    t.server.wait(lambda: secured(t, '127.77.77.77'), 'a place for the same address')


def secured(t, source):
    """A connection of its own each time: one that was refused is of no more use."""
    c = t.client(('nobody', ''))
    c.source = source
    try:
        return c.secure()
    except (AssertionError, OSError):
        return None


@alone(limits__output_bytes='65536')
def test_slow_reader(t):
    """limits.output_bytes: a client that does not read is closed; others are not held up, nothing is lost"""
    a, b = t.online(), t.online()
    b.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    n = 600
    for i in range(n):
        a.message(b.bare, '%d ' % i + 'z' * 20000)
    t.server.wait(lambda: t.server.metric('chancery_slow_readers_total') > 0, 'a slow reader to be closed', 60)
    assert a.ping().get('type') == 'result'
    b.cut()
    seen, again = set(), t.online(b, sm=True)
    for _ in range(100):
        try:
            while n - 1 not in seen:
                seen.add(int(again.expect('message', timeout=60).text('body').split(' ')[0]))
            break
        except Closed:      # with bounds as narrow as these it may be too slow again
            again = t.online(b, sm=True)
    # What went into b's socket before it was closed counts as delivered; the rest must come, in order.
    assert seen == set(range(min(seen), n)), sorted(set(range(n)) - seen)[:10]


@alone(limits__connections_per_address='20')
def test_connections_per_address(t):
    """limits.connections_per_address: authenticated ones count, too"""
    clients = []
    for i in range(10):
        c = t.client().authenticated()
        clients.append(c)
    more = []
    for _ in range(30):
        c = t.client()
        more.append(c)
        try:
            c.connect().open()
        except OSError:
            pass
    refused = 0
    for c in more:
        try:
            c.expect_features()
        except (AssertionError, OSError):
            refused += 1
    assert refused >= 15, refused
    for c in more:
        c.cut()
    other = t.client()
    other.source = '127.88.88.88'
    other.authenticated()


@alone(limits__stanzas_per_second='50', limits__stanzas_burst='20')
def test_fast_sender(t):
    """Design P7: a client that sends too much too fast is read more slowly; all of it is answered, others notice nothing"""
    a, b = t.online(), t.online()
    before = t.server.metric('chancery_throttled_total')
    for i in range(60):
        a.stanza("<iq type='get' id='fast-%d'><ping xmlns='urn:xmpp:ping'/></iq>" % i)
    assert b.ping().get('type') == 'result'
    for i in range(60):
        a.expect(lambda e: e.get('id') == 'fast-%d' % i, 'the answer to number %d' % i)
    assert t.server.metric('chancery_throttled_total') > before


@alone(limits__stanzas_per_second='50', limits__stanzas_burst='20')
def test_fast_sender_with_bodies(t):
    """Design P7: a body makes nothing of a stanza that no lane holds back: of what is no message, and of what is refused"""
    a, b = t.online(), t.online()
    for number, stanza in enumerate((
            "<presence><body/></presence>",
            "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/><body/></iq>",
            "<message to='x@nobody.example' type='chat' id='x'><body>x</body></message>")):
        before = t.server.metric('chancery_throttled_total')
        a.send(stanza * 40)
        a.stanza("<iq type='get' id='last-%d'><ping xmlns='urn:xmpp:ping'/></iq>" % number)
        assert b.ping().get('type') == 'result'
        a.expect(lambda e: e.get('id') == 'last-%d' % number, 'the answer to the last')
        throttled = t.server.metric('chancery_throttled_total')
        assert throttled > before, stanza
    for _ in range(60):
        a.message(b.jid, 'held back by the record')
    for _ in range(60):
        b.expect('message')
    assert t.server.metric('chancery_throttled_total') == throttled


@alone(limits__stanzas_per_second='50', limits__stanzas_burst='20')
def test_fast_sender_of_nothing(t):
    """XEP-0198, RFC 6455 §5.5.2, P7: acknowledgements, questions about them and pings that tell nobody anything new count as stanzas do"""
    a, b = t.online(sm=True), t.online()
    before = t.server.metric('chancery_throttled_total')
    for i in range(60):
        a.message(b.jid, 'm%d' % i)
        a.send("<r xmlns='urn:xmpp:sm:3'/>")
    for _ in range(60):
        b.expect('message')
    assert a.ping().get('type') == 'result' and a.sm_acked >= 60    # without asking again
    assert t.server.metric('chancery_throttled_total') == before, 'what is new has been counted'
    t.transport = WebSocketClient
    w = t.bound()
    for c, flood in ((a, lambda: a.send("<r xmlns='urn:xmpp:sm:3'/>" * 40)), (a, lambda: a.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % a.sm_in * 40)),
                     (w, lambda: w.sock.sendall(WebSocket.frame('still there?', op=PING) * 40))):
        before = t.server.metric('chancery_throttled_total')
        flood()
        assert b.ping().get('type') == 'result' and c.ping().get('type') == 'result'
        assert t.server.metric('chancery_throttled_total') > before, flood

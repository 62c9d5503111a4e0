"""Files by SOCKS5 bytestreams through our own proxy (XEP-0065, XEP-0260): collected there, scanned, and only then given."""
import io
import select
import time
import zipfile

from chancerytest.client import PATIENCE, unique
from chancerytest.rooms import create, enter, new_room
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.socks import Socks, address
from test_transfer import (IBB, J_S5B, S5B, SI, SI_FILE, answer, close, initiate, j_content, j_expect, j_file, j_ibb, j_say, jingle, opened, pay,
                           pieces, quiet, received, records, refused, request, result_of, send, si_offer, text_of)


def proxy_of(t):
    return 'proxy.' + t.server.domain


def streamhost(t, **attrs):
    a = {'jid': proxy_of(t), 'host': '127.0.0.1', 'port': t.server.port_proxy, **attrs}
    return '<streamhost %s/>' % ' '.join("%s='%s'" % i for i in a.items())


def activation(a, sid, target):
    return pay(S5B, 'query', '<activate>%s</activate>' % target, sid=sid)


def activate(t, a, sid, target):
    r = a.iq('set', activation(a, sid, target), proxy_of(t))
    assert r.get('type') == 'result' and r.get('from') == proxy_of(t), r
    return r


def offered(t, a, b, sid, inner=None):
    """a offers a bytestream through the proxy, b connects and says so (§6.3): b's connection, a's."""
    to = accepted(t, a, b, sid, inner, lambda: Socks(t.server, address(sid, a.jid, b.jid)))
    return to, Socks(t.server, address(sid, a.jid, b.jid))


def accepted(t, a, b, sid, inner=None, connect=lambda: None):
    """a offers it, b connects somehow and says so: what came of that."""
    id = a.iq_send('set', pay(S5B, 'query', inner or streamhost(t), sid=sid), b.jid)
    iq = request(b, S5B, 'query', sid=sid)
    hosts = iq.find(S5B + ':query').all()
    assert [(h.name, h.get('jid'), h.get('host'), h.get('port')) for h in hosts] == \
        [('streamhost', proxy_of(t), '127.0.0.1', str(t.server.port_proxy))], iq
    to = connect()
    answer(b, iq, payload=pay(S5B, 'query', "<streamhost-used jid='%s'/>" % proxy_of(t), sid=sid))
    assert result_of(a, id).find(S5B + ':query', 'streamhost-used').get('jid') == proxy_of(t)
    return to


def active(t, a, b, sid=None):
    """(a's connection, b's) of an active bytestream."""
    sid = sid or unique('s5b')
    to, by = offered(t, a, b, sid)
    activate(t, a, sid, b.jid)
    return by, to


def told(c, word):
    """A message of the server's about a file."""
    return c.expect(lambda e: e.name == 'message' and word in (e.text('body') or ''), 'words about ' + word)


def zipped(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr('a.txt', content)
    return out.getvalue()


# -- XEP-0065 ---------------------------------------------------------------------------------------------------

def test_disco(t):
    """XEP-0065 §4: the proxy is an item of the server, says what it is, and where"""
    romeo = t.online()
    items = romeo.iq('get', pay('http://jabber.org/protocol/disco#items', 'query'), t.server.domain)
    assert proxy_of(t) in [i.get('jid') for i in items.all()[0].all()], items
    info = romeo.iq('get', pay('http://jabber.org/protocol/disco#info', 'query'), proxy_of(t)).all()[0]
    identity = info.find('identity')
    assert (identity.get('category'), identity.get('type')) == ('proxy', 'bytestreams') and identity.get('name'), info
    assert S5B in [f.get('var') for f in info.all('feature')], info
    r = romeo.iq('get', pay(S5B, 'query'), proxy_of(t))
    hosts = r.find(S5B + ':query').all()
    assert [(h.name, h.get('jid'), h.get('host'), h.get('port')) for h in hosts] == \
        [('streamhost', proxy_of(t), '127.0.0.1', str(t.server.port_proxy))], r
    nothing = romeo.iq('get', pay('http://jabber.org/protocol/disco#items', 'query'), proxy_of(t))
    assert nothing.get('type') == 'result' and not nothing.all()[0].all(), nothing


@alone(files__proxy_host='files.example.org', files__proxy_port='7777')
def test_disco_elsewhere(t):
    """XEP-0065 §4: behind another name and port, which are what others are told whatever the requester wrote (§6.3.1)"""
    romeo, juliet = t.online(), t.online()
    where = [('files.example.org', '7777')]
    hosts = romeo.iq('get', pay(S5B, 'query'), proxy_of(t)).find(S5B + ':query').all()
    assert [(h.get('host'), h.get('port')) for h in hosts] == where, hosts
    romeo.iq_send('set', pay(S5B, 'query', streamhost(t, host='192.0.2.66') * 2, sid='e1'), juliet.jid)
    hosts = request(juliet, S5B, 'query', sid='e1').find(S5B + ':query').all()
    assert [(h.get('host'), h.get('port')) for h in hosts] == where, hosts


@alone(listen__proxy65='[]')
def test_none(t):
    """listen.proxy65: [] and there is no proxy: bytestreams of this kind are refused, as is the address"""
    romeo, juliet = t.online(), t.online()
    items = romeo.iq('get', pay('http://jabber.org/protocol/disco#items', 'query'), t.server.domain)
    assert proxy_of(t) not in [i.get('jid') for i in items.all()[0].all()], items
    assert romeo.iq('get', pay(S5B, 'query'), proxy_of(t)).get('type') == 'error'
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid='n1'), juliet.jid), 'not-acceptable', 'modify')
    quiet(t, juliet)


def test_clean_file(t):
    """XEP-0065 §6: a file arrives byte for byte, when all of it has been scanned, and is in the record before; then both ends are closed"""
    romeo, juliet = t.online(), t.online()
    content = text_of(300000)
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(content)
        romeo.ping()
        by.done()
        assert to.read(1)
        # Before the first byte.
        assert len(records(t, romeo, 22)) == 1 and len(records(t, juliet, 23)) == 1
        assert to.rest() == content[1:] and by.rest() == b'' and not to.was_reset
    quiet(t, romeo, juliet)


def test_nothing_before_the_end(t):
    """P5: until its sender has closed nobody gets a byte"""
    romeo, juliet = t.online(), t.online()
    before = t.server.metric('chancery_proxy_bytes_total')
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(text_of(100000))
        t.server.wait(lambda: t.server.metric('chancery_proxy_bytes_total') >= before + 100000, 'the bytes')
        romeo.ping()
        assert not select.select([to.socket], [], [], 0)[0]
        by.done()
        assert len(to.rest()) == 100000


def test_recipient_is_done(t):
    """A recipient that has closed its own side, as it sends nothing, gets all of a file that does not go into any buffer"""
    romeo, juliet = t.online(), t.online()
    content = text_of(1000) * 10000
    by, to = active(t, romeo, juliet)
    with by, to:
        to.done()
        by.send(content)
        by.done()
        select.select([to.socket], [], [])
        romeo.ping()
        assert to.rest() == content


def test_infected_file(t):
    """P5: of an infected file the recipient gets no byte: both connections are closed, and both are told"""
    for content in (EICAR, zipped(EICAR), text_of(200000) + EICAR):
        romeo, juliet = t.online(), t.online()
        by, to = active(t, romeo, juliet)
        with by, to:
            by.send(content)
            by.done()
            assert to.rest() == b'' and by.rest() == b''
            # It is no empty file.
            assert to.was_reset and not by.was_reset
        told(romeo, 'virus')
        told(juliet, 'virus')
        assert len(records(t, romeo, 22)) == 1
        assert not records(t, juliet, 23)


def test_from_target(t):
    """XEP-0065 §9.1: the other way round, from the target to the requester; an infected one as well"""
    for content in (text_of(70000), EICAR):
        romeo, juliet = t.online(), t.online()
        by, to = active(t, romeo, juliet)
        with by, to:
            to.send(content)
            to.done()
            assert by.rest() == (b'' if content == EICAR else content)
        rows = records(t, juliet, 22)
        assert len(rows) == 1 and not records(t, romeo, 22), rows


def test_empty_file(t):
    """P5: nothing at all is a file, too"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by, to:
        by.done()
        assert to.rest() == b''
    t.server.wait(lambda: len(records(t, juliet, 23)) == 1, 'the record of who has got it')


def test_early_bytes(t):
    """XEP-0065 §9.1: what is sent before the activation is ignored"""
    romeo, juliet = t.online(), t.online()
    sid = unique('s5b')
    to, by = offered(t, romeo, juliet, sid)
    with by, to:
        by.send(EICAR)
        to.send(EICAR)
        activate(t, romeo, sid, juliet.jid)
        by.send(b'the file')
        by.done()
        assert to.rest() == b'the file'


def test_both_ways(t):
    """P5: who answers before the file is there breaks the bytestream: neither of them gets anything"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(b'hello')
        to.send(b'hello')
        assert by.rest() == b'' and to.rest() == b''
    assert not records(t, romeo, 22) and not records(t, juliet, 22)


def test_several(t):
    """XEP-0065 §9.1: a requester may have several at a time, told apart by their sid"""
    romeo, juliet = t.online(), t.online()
    ends = [active(t, romeo, juliet) for _ in range(3)]
    for i, (by, to) in reversed(list(enumerate(ends))):
        by.send(b'file %d' % i)
        by.done()
    for i, (by, to) in enumerate(ends):
        assert to.rest() == b'file %d' % i
        by.socket.close()
        to.socket.close()


def test_activation_errors(t):
    """XEP-0065 §6.3.5: nobody connected, only one of them, activated twice, by somebody else, for somebody else, malformed"""
    romeo, juliet, iago = t.online(), t.online(), t.online()
    sid = unique('s5b')
    accepted(t, romeo, juliet, sid)
    refused(romeo.iq('set', activation(romeo, sid, juliet.jid), proxy_of(t)), 'item-not-found')
    name = address(sid, romeo.jid, juliet.jid)
    with Socks(t.server, name) as to:
        refused(romeo.iq('set', activation(romeo, sid, juliet.jid), proxy_of(t)), 'not-allowed')
        with Socks(t.server, name) as by:
            refused(iago.iq('set', activation(iago, sid, juliet.jid), proxy_of(t)), 'item-not-found')
            refused(romeo.iq('set', activation(romeo, sid, iago.jid), proxy_of(t)), 'item-not-found')
            refused(romeo.iq('set', activation(romeo, 'another', juliet.jid), proxy_of(t)), 'item-not-found')
            for bad in (pay(S5B, 'query', sid=sid), pay(S5B, 'query', '<activate/>', sid=sid), pay(S5B, 'query', '<activate>a@b@c</activate>', sid=sid),
                        pay(S5B, 'query', '<activate>%s</activate>' % juliet.jid)):
                refused(romeo.iq('set', bad, proxy_of(t)), 'bad-request', 'modify')
            activate(t, romeo, sid, juliet.jid)
            refused(romeo.iq('set', activation(romeo, sid, juliet.jid), proxy_of(t)), 'conflict')
            by.send(b'after all that')
            by.done()
            assert to.rest() == b'after all that'


def test_not_accepted(t):
    """XEP-0065 §6.3.5: without an offer, before and without its acceptance, to whom nobody is, nothing is activated, though both are connected"""
    romeo, juliet = t.online(), t.online()

    def not_found(sid, target):
        name = address(sid, romeo.jid, target)
        with Socks(t.server, name) as to, Socks(t.server, name) as by:
            refused(romeo.iq('set', activation(romeo, sid, target), proxy_of(t)), 'item-not-found')
            assert not select.select([to.socket, by.socket], [], [], 0)[0]

    nobody = 'nobody@%s/x' % t.server.domain
    not_found('a1', juliet.jid)
    not_found('a2', nobody)
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid='a2'), nobody), 'service-unavailable')
    not_found('a2', nobody)
    # Asked, refused, and "accepted" by a result that is about something else.
    for way in ('', 'error', 'result'):
        sid = unique('s5b')
        id = romeo.iq_send('set', pay(S5B, 'query', streamhost(t), sid=sid), juliet.jid)
        iq = request(juliet, S5B, 'query', sid=sid)
        if way:
            answer(juliet, iq, way, "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" * (way == 'error'))
            romeo.expect(lambda e: e.get('id') == id)
        not_found(sid, juliet.jid)
    assert not records(t, romeo, 22) and not records(t, juliet, 22)


def test_third_party(t):
    """A bytestream is between two: a third connection for it is refused, before and after the activation; one for another gets nothing"""
    romeo, juliet = t.online(), t.online()
    sid = unique('s5b')
    to, by = offered(t, romeo, juliet, sid)
    name = address(sid, romeo.jid, juliet.jid)
    with by, to, Socks(t.server, '0' * 40) as other:
        for _ in range(2):
            with Socks(t.server) as third:
                assert third.greet() == b'\5\0'
                reply = third.connect(name)
                assert reply[1] == 2 and third.rest() == b'', reply
            if not _:
                activate(t, romeo, sid, juliet.jid)
        by.send(b'for juliet alone')
        by.done()
        assert to.rest() == b'for juliet alone'
        other.done()
        assert other.rest() == b''


def test_handshake(t):
    """RFC 1928 §3, §4, §6: versions, methods, commands and address types that are not ours"""
    with Socks(t.server) as c:
        c.send(b'GET / HTTP/1.1\r\n\r\n')
        assert c.rest() == b''
    with Socks(t.server) as c:
        assert c.greet(b'\2\1') == b'\5\xff' and c.rest() == b''
    with Socks(t.server) as c:
        assert c.greet(b'') == b'\5\xff' and c.rest() == b''
    name = address('sid', 'a@b/c', 'd@e/f')
    for command, type, what, reply in ((2, 3, name, 7), (3, 3, name, 7), (1, 1, name, 8), (1, 4, name, 8), (1, 3, name[1:], 2),
                                       (1, 3, 'x' * 40, 2), (1, 3, '', 2)):
        with Socks(t.server) as c:
            assert c.greet(b'\2\0') == b'\5\0'
            assert c.connect(what, command, type)[1] == reply and c.rest() == b''
    # A byte at a time, and all at once; in capitals.
    whole = b'\5\1\0' + b'\5\1\0\3\x28' + name.upper().encode() + b'\0\0'
    for parts in (pieces(whole, 1), [whole]):
        with Socks(t.server) as c:
            for p in parts:
                c.send(p)
            assert c.read(2) == b'\5\0' and c.read(47) == b'\5\0\0\3\x28' + name.upper().encode() + b'\0\0'


@alone(limits__login_seconds='1', limits__file_offer_seconds='1')
def test_deadlines(t):
    """Who says nothing, or is never activated, is not waited for"""
    with Socks(t.server) as silent, Socks(t.server, '1' * 40) as early:
        assert silent.rest() == b'' and early.rest() == b''
    t.server.wait(lambda: t.server.metric('chancery_proxy_connections') == 0, 'no connections')
    assert t.server.metric('chancery_proxy_refused_total') == 2


def end_of(s, deadline):
    """Has it come?"""
    assert time.monotonic() < deadline, 'no end'
    try:
        return select.select([s.socket], [], [], 0.02)[0] and not s.read(1)
    except ConnectionError:
        return True


@alone(limits__file_idle_seconds='3')
def test_too_slow(t):
    """limits.file_pace_bytes: who sends a byte now and then, or takes one, holds nothing up; who has got a part knows that it is one"""
    romeo, juliet = t.online(), t.online()
    deadline = time.monotonic() + 2 * PATIENCE
    by, to = active(t, romeo, juliet)
    with by, to:
        while not end_of(by, deadline):
            by.send(b'x')
        assert to.rest() == b'' and to.was_reset
    told(romeo, 'in time')
    by, to = active(t, romeo, juliet)
    content = text_of(1000) * 5000
    with by, to:
        by.send(content)
        by.done()
        got = b''
        while not romeo.heard_any(lambda e: e.name == 'message'):
            assert time.monotonic() < deadline, 'no end'
            got += to.read(1)
            romeo.ping()
        told(romeo, 'did not take')
        assert len(got + to.rest()) < len(content) and to.was_reset


@alone(limits__proxy_waiting='6', limits__proxy_waiting_per_address='3')
def test_many_of_one(t):
    """limits.proxy_waiting_per_address: who comes from the same address again and again pushes out nobody else, but the oldest of his own"""
    others = [Socks(t.server, '%040x' % i) for i in range(3)]
    own = [Socks(t.server, '%040x' % (100 + i), '127.0.0.2') for i in range(4)]
    assert own[0].rest() == b''
    # There is no room for all: of the address that has most the oldest goes, and of a new one both ends stay.
    third = Socks(t.server, '%040x' % 200, '127.0.0.3')
    assert others[0].rest() == b''
    again = Socks(t.server, '%040x' % 201, '127.0.0.3')
    assert own[1].rest() == b''
    assert not select.select([s.socket for s in others[1:] + own[2:] + [third, again]], [], [], 0)[0]
    for s in others + own + [third, again]:
        s.socket.close()


@alone(limits__proxy_waiting='4')
def test_many_waiting(t):
    """The oldest of too many connections that wait goes; what is active stays"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by, to:
        waiting = [Socks(t.server, '%040x' % i) for i in range(5)]
        assert waiting[0].rest() == b''
        by.send(b'still there')
        by.done()
        assert to.rest() == b'still there'
        for s in waiting:
            s.socket.close()


@alone(limits__file_bytes='4096')
def test_too_large(t):
    """limits.file_bytes: of more than that nothing arrives, and nothing is kept of it"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(text_of(4097))
        assert to.rest() == b'' and by.rest() == b''
    told(romeo, 'large')
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(text_of(4096))
        by.done()
        assert to.rest() == text_of(4096)
    assert len(records(t, romeo, 22)) == 1


@alone(limits__file_idle_seconds='1')
def test_idle(t):
    """limits.file_idle_seconds: a sender that stands still is not waited for"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(b'a beginning')
        assert to.rest() == b'' and by.rest() == b''
    told(romeo, 'in time')


@alone(limits__file_transfers='2')
def test_too_many(t):
    """limits.file_transfers: so many of an account at a time"""
    romeo, juliet = t.online(), t.online()
    first, second = active(t, romeo, juliet), active(t, romeo, juliet)
    sid = unique('s5b')
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid=sid), juliet.jid), 'resource-constraint', 'wait')
    first[0].done()
    assert first[1].rest() == b''
    t.server.wait(lambda: t.server.metric('chancery_transfers') == 1, 'room')
    third = active(t, romeo, juliet)
    for s in (*first, *second, *third):
        s.socket.close()


def test_ends_go(t):
    """A connection that is lost, on either side, or the requester's session: the other end is closed"""
    romeo, juliet = t.online(), t.online()
    for lost in (0, 1):
        ends = active(t, romeo, juliet)
        ends[0].send(b'half of')
        romeo.ping()
        ends[lost].socket.setsockopt(1, 13, b'\1\0\0\0\0\0\0\0')      # SO_LINGER: reset
        ends[lost].socket.close()
        assert ends[1 - lost].rest() == b''
        ends[1 - lost].socket.close()
    by, to = active(t, romeo, juliet)
    with by, to:
        by.send(b'half of')
        romeo.close()
        assert to.rest() == b'' and by.rest() == b''
    assert not records(t, romeo, 22)


def test_recipient_goes(t):
    """Who closes before the file comes has not got all of it: its sender is told. How much it has got nobody knows: that it was given is in the record"""
    romeo, juliet = t.online(), t.online()
    by, to = active(t, romeo, juliet)
    with by:
        to.socket.close()
        by.send(text_of(1000) * 3000)
        by.done()
        assert by.rest() == b''
    told(romeo, 'recipient')
    assert len(records(t, romeo, 22)) == 1 and len(records(t, juliet, 23)) == 1


def test_offer_is_cleaned(t):
    """P5: streamhosts that are not our proxy are taken out of an offer, and so is everything that is none; without ours it is not acceptable"""
    romeo, juliet = t.online(), t.online()
    direct = "<streamhost jid='%s' host='192.168.4.1' port='5086'/>" % romeo.jid
    other = "<streamhost jid='proxy.example.org' host='192.0.2.1' port='5086'/>"
    hidden = "<streamhost xmlns='urn:example:x' jid='%s' host='192.168.4.1' port='5086'/>" % proxy_of(t)
    to, by = offered(t, romeo, juliet, unique('s5b'), direct + streamhost(t, host='192.0.2.66', port='1') + other + hidden + '<fast/>')
    to.socket.close()
    by.socket.close()
    for inner in (direct, direct + other, hidden + direct):
        refused(romeo.iq('set', pay(S5B, 'query', inner, sid='c1'), juliet.jid), 'not-acceptable', 'modify')
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid='c1', mode='udp'), juliet.jid), 'not-acceptable', 'modify')
    quiet(t, juliet)


def test_strangers(t):
    """XEP-0065 §4: who is no user of this server may not use its proxy: forbidden"""
    juliet, c = t.online(), t.component().joined()
    for type, inner in (('get', ''), ('set', '<activate>%s</activate>' % juliet.jid)):
        id = unique('q')
        c.send("<iq type='%s' id='%s' from='romeo@%s/x' to='%s'>%s</iq>" % (type, id, c.domain, proxy_of(t), pay(S5B, 'query', inner, sid='x')))
        refused(c.expect(lambda e: e.get('id') == id), 'forbidden', 'auth')


@alone(files__deny_groups='["interns"]')
def test_denied_group(t):
    """files.deny_groups: who may send no files is not told where the proxy is, and activates nothing that they could send through"""
    romeo, juliet = t.online(), t.online()
    assert t.server.cli('user', 'set', romeo.bare, 'group+=interns')[0] == 0
    refused(romeo.iq('get', pay(S5B, 'query'), proxy_of(t)), 'forbidden', 'auth')
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid='d1'), juliet.jid), 'forbidden', 'cancel')
    to, by = offered(t, juliet, romeo, 'd2')
    with to, by:
        refused(juliet.iq('set', activation(juliet, 'd2', romeo.jid), proxy_of(t)), 'forbidden', 'auth')


@alone(files__deny_groups='["interns"]')
def test_denied_group_announces(t):
    """files.deny_groups: nor when it is announced that the other one sends (XEP-0166, senders): who does is not known before the bytes"""
    romeo, juliet = t.online(), t.online()
    assert t.server.cli('user', 'set', romeo.bare, 'group+=interns')[0] == 0
    sid, s5b = unique('j'), unique('s5b')
    content = j_content(candidates(t, s5b, ours(t)), j_file(5), senders='responder')
    j_say(romeo, juliet, 'session-initiate', sid, content)
    j_say(juliet, romeo, 'session-accept', sid, content)
    name = address(s5b, romeo.jid, juliet.jid)
    with Socks(t.server, name) as to, Socks(t.server, name):
        j_say(juliet, romeo, 'transport-info', sid, j_content(candidates(t, s5b, "<candidate-used cid='ours'/>")))
        refused(romeo.iq('set', activation(romeo, s5b, juliet.jid), proxy_of(t)), 'forbidden', 'auth')
        assert not select.select([to.socket], [], [], 0)[0]
    assert not records(t, romeo, 22) and not records(t, juliet, 22)


@alone(files__rules='["deny group=interns type=text/"]')
def test_denied_type(t):
    """files.rules, P5: what a file is shows when it is there. Whoever its sender seems to be, it is something that both of them may send"""
    romeo, juliet = t.online(), t.online()
    assert t.server.cli('user', 'set', romeo.bare, 'group+=interns')[0] == 0
    # The first that connects is taken for the target.
    for sid, content in (('d1', b'only words ' * 100), ('d2', zipped(b'only words'))):
        accepted(t, romeo, juliet, sid)
        name = address(sid, romeo.jid, juliet.jid)
        with Socks(t.server, name) as by, Socks(t.server, name) as to:
            activate(t, romeo, sid, juliet.jid)
            by.send(content)
            by.done()
            assert to.rest() == (b'' if sid == 'd1' else content)
    # Who is taken for its sender.
    told(juliet, 'does not allow')
    assert len(records(t, juliet, 22)) == 2 and len(records(t, romeo, 23)) == 1


def test_rooms(t):
    """Between occupants of a room there is no SOCKS5, as nobody there sees who the other one is: the file takes the way in band"""
    romeo, juliet = t.online(), t.online()
    room = new_room(t)
    create(romeo, room, 'romeo')
    enter(juliet, room, 'juliet')
    there = room + '/juliet'
    refused(romeo.iq('set', pay(S5B, 'query', streamhost(t), sid='r1'), there), 'not-acceptable', 'modify')
    refused(romeo.iq('set', activation(romeo, 'r1', there), proxy_of(t)), 'not-acceptable', 'modify')
    id = romeo.iq_send('set', si_offer('r2', 5), there)
    iq = request(juliet, SI, 'si')
    field = iq.find(SI + ':si', 'http://jabber.org/protocol/feature-neg:feature', 'data:x', 'field')
    assert S5B not in [o.text('value') for o in field.all('option')], iq
    answer(juliet, iq)
    result_of(romeo, id)


def test_unanswered(t):
    """An offer of SOCKS5 that is never answered is in nobody's way: another one may take its place, and so may IBB (XEP-0096 §4)"""
    romeo, juliet = t.online(), t.online()
    for way in S5B, IBB:
        sid = unique('u')
        id = romeo.iq_send('set', si_offer(sid, 5), juliet.jid)
        answer(juliet, request(juliet, SI, 'si'))
        result_of(romeo, id)
        romeo.iq_send('set', pay(S5B, 'query', streamhost(t), sid=sid), juliet.jid)
        request(juliet, S5B, 'query', sid=sid)
        if way == S5B:
            by, to = active(t, romeo, juliet, sid)
            with by, to:
                by.send(b'12345')
                assert to.rest() == b'12345'
        else:
            opened(romeo, juliet, sid=sid)
            send(romeo, juliet, sid, b'12345')
            id = close(romeo, juliet, sid)
            assert received(juliet, romeo.jid, sid) == b'12345'
            result_of(romeo, id)


def test_partners(t):
    """With partners files go over the proxy in both directions; with whom none are exchanged, and with strangers, nothing is activated for"""
    romeo = t.online()
    p = t.partner()
    for content in (text_of(50000), EICAR):
        sid, peer = unique('s5b'), p.jid(resource='pda')
        id = romeo.iq_send('set', pay(S5B, 'query', streamhost(t), sid=sid), peer)
        iq = p.expect(lambda e: e.name == 'iq' and e.find(S5B + ':query') is not None)
        assert len(iq.find(S5B + ':query').all()) == 1, iq
        p.send("<iq type='result' id='%s' from='%s' to='%s'>%s</iq>" % (iq.get('id'), peer, romeo.jid,
               pay(S5B, 'query', "<streamhost-used jid='%s'/>" % proxy_of(t), sid=sid)))
        result_of(romeo, id)
        with Socks(t.server, address(sid, romeo.jid, peer)) as to, Socks(t.server, address(sid, romeo.jid, peer)) as by:
            activate(t, romeo, sid, peer)
            by.send(content)
            by.done()
            assert to.rest() == (b'' if content == EICAR else content)
    r = p.iq('get', pay(S5B, 'query'), to=proxy_of(t))
    refused(r, 'forbidden', 'auth')
    for peer in (t.partner(allow=('--no-files',)).jid(resource='pda'), 'spy@nobody.test/x'):
        sid = unique('s5b')
        with Socks(t.server, address(sid, romeo.jid, peer)), Socks(t.server, address(sid, romeo.jid, peer)):
            refused(romeo.iq('set', activation(romeo, sid, peer), proxy_of(t)), 'forbidden', 'auth')


# -- XEP-0096 ---------------------------------------------------------------------------------------------------

def si_agreed(t, a, b, size, **kw):
    """(a's connection, b's) for a file that was offered, active."""
    sid = unique('si')
    id = a.iq_send('set', si_offer(sid, size, **kw), b.jid)
    iq = request(b, SI, 'si')
    field = iq.find(SI + ':si', 'http://jabber.org/protocol/feature-neg:feature', 'data:x', 'field')
    assert S5B in [o.text('value') for o in field.all('option')], iq
    answer(b, iq, payload="<si xmlns='%s'><feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='submit'>"
           "<field var='stream-method'><value>%s</value></field></x></feature></si>" % (SI, S5B))
    result_of(a, id)
    return active(t, a, b, sid)


def test_si(t):
    """XEP-0096 §4: the file that was offered, by its name and size: the last byte of it is its end"""
    romeo, juliet = t.online(), t.online()
    content = text_of(50000)
    # More than may be on their way at a time, one after the other: nothing of them is left over at either home.
    for i in range(12):
        by, to = si_agreed(t, romeo, juliet, len(content), name='file%d.txt' % i)
        with by, to:
            by.send(content)
            assert to.rest() == content and by.rest() == b''
    names = [r[0] for r in records(t, romeo, 22)]
    assert len(names) == 12 and all('file%d.txt' % i in n for i, n in enumerate(names)), names


@alone(limits__spool_bytes='4194304')
def test_announced_room(t):
    """P7: what was only announced takes no room from others: two large files of which a byte has come, and a third arrives, as they do"""
    romeo, juliet = t.online(), t.online()
    slow = [si_agreed(t, romeo, juliet, 3000000, name='large%d.bin' % i) for i in range(2)]
    for by, _ in slow:
        by.send(b'x')
    content = text_of(50000)
    by, to = si_agreed(t, romeo, juliet, len(content), name='small.txt')
    with by, to:
        by.send(content)
        assert to.rest() == content
    for by, to in slow:
        with by, to:
            by.send(b'x' * 2999999)
            assert len(to.rest()) == 3000000


def test_si_size(t):
    """XEP-0096 §3, P5: more or less than was announced is another file: it does not arrive"""
    romeo, juliet = t.online(), t.online()
    for n in (99, 101):
        by, to = si_agreed(t, romeo, juliet, 100)
        with by, to:
            by.send(b'x' * n)
            by.done()
            assert to.rest() in (b'', b'x' * 100) if n > 100 else to.rest() == b''
    by, to = si_agreed(t, romeo, juliet, 100, hash='0' * 32)
    with by, to:
        by.send(b'x' * 100)
        assert to.rest() == b''
    told(romeo, 'hash')


# -- XEP-0260 ---------------------------------------------------------------------------------------------------

def candidates(t, sid, *inner):
    return "<transport xmlns='%s' mode='tcp' sid='%s'>%s</transport>" % (J_S5B, sid, ''.join(inner))


def candidate(cid, jid, host, port, type):
    return "<candidate cid='%s' jid='%s' host='%s' port='%s' priority='655360' type='%s'/>" % (cid, jid, host, port, type)


def ours(t, cid='ours'):
    return candidate(cid, proxy_of(t), '127.0.0.1', t.server.port_proxy, 'proxy')


def of(transport):
    return [(c.get('cid'), c.get('jid'), c.get('host'), c.get('port'), c.get('type'), c.get('priority')) for c in transport.all('candidate')]


def j_active(t, a, b, size=None, by_responder=False, **kw):
    """A session in which a sends b a file, over the candidate of one of them: (sid, a's connection, b's)"""
    sid, s5b = unique('j'), unique('s5b')
    mine, theirs = ([], [ours(t)]) if by_responder else ([ours(t), candidate('direct', a.jid, '192.168.4.1', 5086, 'direct')], [])
    id = a.iq_send('set', initiate(a, sid, size, candidates(t, s5b, *mine), **kw), b.jid)
    j = j_expect(b, 'session-initiate')
    result_of(a, id)
    want = ('ours', proxy_of(t), '127.0.0.1', str(t.server.port_proxy), 'proxy', '655360')
    assert of(j.find('content', J_S5B + ':transport')) == ([] if by_responder else [want]), j
    j = j_say(b, a, 'session-accept', sid, j_content(candidates(t, s5b, *theirs), j_file(size)))
    assert of(j.find('content', J_S5B + ':transport')) == ([want] if by_responder else []), j
    requester, target = (b, a) if by_responder else (a, b)
    name = address(s5b, requester.jid, target.jid)
    with_target = Socks(t.server, name)
    j_say(target, requester, 'transport-info', sid, j_content(candidates(t, s5b, "<candidate-used cid='ours'/>")))
    j_say(requester, target, 'transport-info', sid, j_content(candidates(t, s5b, '<candidate-error/>')))
    with_requester = Socks(t.server, name)
    activate(t, requester, s5b, target.jid)
    j_say(requester, target, 'transport-info', sid, j_content(candidates(t, s5b, "<activated cid='ours'/>")))
    return (sid, with_target, with_requester) if by_responder else (sid, with_requester, with_target)


def test_jingle(t):
    """XEP-0260 §2: a file over the proxy that the initiator, or the responder, has offered: name, size and hash are those of the session"""
    for by_responder in (False, True):
        romeo, juliet = t.online(), t.online()
        content = text_of(70000)
        sid, by, to = j_active(t, romeo, juliet, len(content), by_responder)
        with by, to:
            by.send(content)
            assert to.rest() == content
            j_say(juliet, romeo, 'session-terminate', sid, '<reason><success/></reason>')
        rows = records(t, romeo, 22)
        assert len(rows) == 1 and 'test.txt' in rows[0][0], rows
        t.server.wait(lambda: len(records(t, juliet, 23)) == 1, 'the record of who has got it')
        quiet(t, romeo, juliet)


def test_jingle_not_accepted(t):
    """XEP-0260 §2.4: nor is anything activated of a session that the target has not taken up: by accepting it, or by a candidate it uses"""
    romeo, juliet = t.online(), t.online()
    for action, inner in (('session-accept', ''), ('transport-info', "<candidate-used cid='ours'/>")):
        sid, s5b = unique('j'), unique('s5b')
        content = j_content(candidates(t, s5b, inner), j_file(5))
        j_say(romeo, juliet, 'session-initiate', sid, j_content(candidates(t, s5b, ours(t)), j_file(5)))
        name = address(s5b, romeo.jid, juliet.jid)
        with Socks(t.server, name) as to, Socks(t.server, name) as by:
            refused(romeo.iq('set', activation(romeo, s5b, juliet.jid), proxy_of(t)), 'item-not-found')
            j_say(romeo, juliet, action, sid, content)
            refused(romeo.iq('set', activation(romeo, s5b, juliet.jid), proxy_of(t)), 'item-not-found')
            j_say(juliet, romeo, action, sid, content)
            activate(t, romeo, s5b, juliet.jid)
            by.send(b'12345')
            assert to.rest() == b'12345'


def test_jingle_infected(t):
    """XEP-0260, P5: an infected file ends the session for both, with the words; nobody gets a byte"""
    for by_responder in (False, True):
        romeo, juliet = t.online(), t.online()
        sid, by, to = j_active(t, romeo, juliet, len(EICAR), by_responder)
        with by, to:
            by.send(EICAR)
            assert to.rest() == b'' and by.rest() == b''
        for c in (romeo, juliet):
            j = j_expect(c, 'session-terminate')
            assert j.get('sid') == sid and j.find('reason', 'media-error') is not None and j.text('reason', 'text'), j
        assert not records(t, juliet, 23)


def test_jingle_wrong_hash(t):
    """XEP-0234 §8, P5: the hash that was announced is compared here, too"""
    romeo, juliet = t.online(), t.online()
    sid, by, to = j_active(t, romeo, juliet, 4, hash=b'0' * 32)
    with by, to:
        by.send(b'text')
        assert to.rest() == b''
    assert 'hash' in j_expect(juliet, 'session-terminate').text('reason', 'text')
    j_expect(romeo, 'session-terminate')


def test_jingle_early_end(t):
    """XEP-0260 §2.6: a sender that ends the session when it has sent everything: its end comes behind the file"""
    romeo, juliet = t.online(), t.online()
    content = text_of(70000)
    sid, by, to = j_active(t, romeo, juliet, len(content))
    with by, to:
        by.send(content[:-1])
        assert romeo.iq('set', jingle('session-terminate', sid, '<reason><success/></reason>'), juliet.jid).get('type') == 'result'
        juliet.ping()
        by.send(content[-1:])
        assert to.rest() == content
    j_expect(juliet, 'session-terminate')


def test_jingle_cancel(t):
    """XEP-0166 §6.7: a session that is cancelled ends its bytestream, whoever cancels"""
    for by in (0, 1):
        people = t.online(), t.online()
        sid, *ends = j_active(t, *people, 100)
        ends[0].send(b'half')
        j_say(people[by], people[1 - by], 'session-terminate', sid, '<reason><cancel/></reason>')
        for s in ends:
            assert s.rest() == b''
            s.socket.close()


def test_jingle_candidates(t):
    """XEP-0260 §2.2, P5: of all candidates our proxy is left, where we say that it is, in every action; IBB may take its place (§3)"""
    romeo, juliet = t.online(), t.online()
    sid, s5b, ibb = unique('j'), unique('s5b'), unique('ibb')
    all = [candidate('a', romeo.jid, '192.168.4.1', 5086, 'direct'), candidate('b', 'proxy.example.org', '192.0.2.1', 5086, 'proxy'),
           candidate('c', proxy_of(t), '192.0.2.66', 1, 'proxy'), candidate('d', proxy_of(t), '192.0.2.66', 1, 'direct'),
           ours(t, 'e').replace('<candidate ', "<candidate xmlns='urn:example:x' ")]
    want = [('c', proxy_of(t), '127.0.0.1', str(t.server.port_proxy), 'proxy', '655360')]
    id = romeo.iq_send('set', initiate(romeo, sid, 5, candidates(t, s5b, *all)), juliet.jid)
    j = j_expect(juliet, 'session-initiate')
    result_of(romeo, id)
    assert of(j.find('content', J_S5B + ':transport')) == want and len(j.find('content', J_S5B + ':transport').all()) == 1, j
    for a, b, action in ((juliet, romeo, 'session-accept'), (romeo, juliet, 'transport-info'), (juliet, romeo, 'transport-info')):
        j = j_say(a, b, action, sid, j_content(candidates(t, s5b, *all), j_file(5) if action == 'session-accept' else ''))
        assert of(j.find('content', J_S5B + ':transport')) == want, j
    j_say(romeo, juliet, 'transport-info', sid, j_content(candidates(t, s5b, '<proxy-error/>')))
    j_say(romeo, juliet, 'transport-replace', sid, j_content(j_ibb(ibb)))
    j_say(juliet, romeo, 'transport-accept', sid, j_content(j_ibb(ibb)))
    opened(romeo, juliet, sid=ibb)
    send(romeo, juliet, ibb, b'12345')
    id = close(romeo, juliet, ibb)
    assert received(juliet, romeo.jid, ibb) == b'12345'
    result_of(romeo, id)


def test_not_in_band(t):
    """A bytestream of SOCKS5 is none of XEP-0047: neither bytes nor an end come in band"""
    romeo, juliet = t.online(), t.online()
    sid = unique('s5b')
    by, to = active(t, romeo, juliet, sid)
    with by, to:
        refused(romeo.iq('set', pay('http://jabber.org/protocol/ibb', 'data', 'YQ==', seq=0, sid=sid), juliet.jid), 'item-not-found')
        refused(romeo.iq('set', pay('http://jabber.org/protocol/ibb', 'open', block_size=100, sid=sid), juliet.jid), 'not-acceptable')
        by.send(b'still there')
        by.done()
        assert to.rest() == b'still there'

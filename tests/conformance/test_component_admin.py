"""Components that an administrator adds: who may connect as which domain, with which secret, and what each may (issue 8, "Component host")."""
import os
import socket
import time

from chancerytest.client import Closed, unique
from chancerytest.desk import Person
from chancerytest.scenario import alone
from test_admin import fails, ok, rows
from test_component import PING, is_iq, stream_error
from test_search import indexed


def names(t, n=1):
    name = unique('gw').lower()
    return name, ['%s-%d.%s' % (name, i, t.server.domain) for i in range(n)]


def add(t, *options, n=1):
    """Name, domains, secret."""
    name, domains = names(t, n)
    r = rows(t, 'component', 'add', name, *domains, *options)[0]
    assert r['name'] == name and r['domains'] == domains and r['enabled'] and not r['connected'] and len(r['secret']) == 48, r
    return name, domains, r['secret']


def show(t, name):
    r = rows(t, 'component', 'show', name)[0]
    assert 'secret' not in r, r
    return r


def ended(c):
    """The stream error that ends it."""
    try:
        c.expect('nothing')
    except Closed as e:
        return e.error


def audit(t, name):
    return [r[0] for r in t.server.psql("select action from chancery.audit where target = '%s' order by id" % name)]


def test_life(t):
    """Issue 8: a component is added, connects with its own secret, is listed, disabled, enabled, given another secret and removed, at once; each is audited"""
    name, (d,), secret = add(t)
    assert stream_error(t.component(d).connect().open().handshake()) == 'not-authorized', "another component's secret"
    c = t.component(d, secret).joined()
    assert show(t, name)['connected'] == [d]
    assert [r['connected'] for r in rows(t, 'component', 'list') if r['name'] == name] == [[d]]
    ok(t, 'component', 'disable', name)
    assert ended(c) == 'host-gone'
    assert stream_error(t.component(d, secret).connect().open()) == 'host-unknown'
    romeo = t.online()
    id = romeo.message('x@' + d, 'anybody?')
    assert romeo.expect(lambda e: e.get('type') == 'error' and e.get('id') == id).condition() == 'service-unavailable'
    ok(t, 'component', 'enable', name)
    c = t.component(d, secret).joined()
    new = rows(t, 'component', 'secret', name)[0]['secret']
    assert new != secret and ended(c) == 'not-authorized'
    assert stream_error(t.component(d, secret).connect().open().handshake()) == 'not-authorized', 'the old secret'
    c = t.component(d, new).joined()
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    ok(t, 'component', 'remove', name)
    assert ended(c) == 'host-gone'
    assert stream_error(t.component(d, new).connect().open()) == 'host-unknown'
    assert 'no component' in fails(t, 1, 'component', 'show', name)
    assert audit(t, name) == ['component.' + a for a in ('add', 'disable', 'enable', 'secret', 'remove')], audit(t, name)
    assert secret not in t.server.log() and new not in t.server.log()
    assert not t.server.records("stanza like '%%%s%%' or stanza like '%%%s%%'" % (secret, new), 'id'), 'a secret in the record'


def test_domains(t):
    """Issue 8: several domains of one component, a stream for each with the same secret; each speaks for its own domain only"""
    name, (d, e), secret = add(t, n=2)
    a, b, romeo = t.component(d, secret).joined(), t.component(e, secret).joined(), t.online()
    assert show(t, name)['connected'] == [d, e]
    for c, domain in (a, d), (b, e):
        c.send("<message from='x@%s' to='%s' type='chat'><body>from %s</body></message>" % (domain, romeo.jid, domain))
        romeo.expect_message('from ' + domain)
    a.send("<message from='x@%s' to='%s' type='chat'><body>foreign</body></message>" % (e, romeo.jid))
    assert ended(a) == 'invalid-from'
    assert not t.server.records("body = 'foreign' and to_bare = '%s'" % romeo.bare)
    b.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (e, t.server.domain, PING))
    b.expect(is_iq('result'))


def test_searched(t):
    """Issue 8: what passed through a component is found by its name, at all of its domains, also when it has gone"""
    name, (d, e), secret = add(t, n=2)
    a, b, romeo = t.component(d, secret).joined(), t.component(e, secret).joined(), t.online()
    for c, domain in (a, d), (b, e):
        c.send("<message from='x@%s' to='%s' type='chat'><body>from %s</body></message>" % (domain, romeo.jid, domain))
        romeo.expect_message('from ' + domain)
    romeo.message('x@' + d, 'to it')
    a.expect(lambda m: m.name == 'message' and m.text('body') == 'to it')
    indexed(t)
    p = Person(t, 'officer')

    def found():
        return [r['text'] for r in p.local('archive', 'search', order='oldest', network=name)]

    assert found() == ['from ' + d, 'from ' + e, 'to it']
    ok(t, 'component', 'remove', name)
    assert found() == ['from ' + d, 'from ' + e, 'to it'], 'the component has gone, its record has not'


def test_refused(t):
    """Issue 8: what cannot be a component is refused with a reason, and nothing of it is kept"""
    name, (d,), secret = add(t)
    other, (free,) = names(t)
    own = t.server.domain
    for args, why in (((name, free), 'of this name'), ((other, d), "another component's"), ((other, own), "server's own"),
                      ((other, t.server.components[0]), 'in the settings'), ((other, 'a b'), 'not a domain'), ((other, free, own), "server's own"),
                      (('Upper', free), 'a name has'), (('.x', free), 'a name has'), (('x' * 65, free), 'a name has'),
                      ((other, free, '--kind', 'files'), 'kinds are'), ((other, 'conference.' + own), "server's own")):
        assert why in fails(t, 1, 'component', 'add', *args), args
    fails(t, 2, 'component', 'add', other, free, '--rate', '-1')
    fails(t, 2, 'component', 'add', other, free, '--reason', 'x')
    for verb in 'set', 'secret', 'disable', 'enable', 'remove', 'show':
        more = ('--rate', '1') if verb == 'set' else ()
        assert 'no component' in fails(t, 1, 'component', verb, other, *more), verb
    assert 'say what' in fails(t, 1, 'component', 'set', name)
    assert not [r for r in rows(t, 'component', 'list') if r['name'] == other]
    assert t.server.psql("select 1 from chancery.component_domain where domain = '%s'" % free) == []


@alone(limits__components='2')
def test_limit(t):
    """P7: so many domains of components"""
    add(t, n=2)
    name, domains = names(t)
    assert 'limits.components' in fails(t, 1, 'component', 'add', name, *domains)


def test_kinds(t):
    """Issue 8: a component sends only the kinds of stanzas that it may; answers to what it is asked are always due"""
    name, (d,), secret = add(t, '--kind', 'message')
    c, romeo = t.component(d, secret).joined(), t.online()
    c.send("<presence from='x@%s' to='%s' type='subscribe'/>" % (d, romeo.bare))
    e = c.expect('presence')
    assert e.get('type') == 'error' and e.condition() == 'not-allowed', e
    c.send("<iq type='get' id='1' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    assert c.expect(is_iq('error')).condition() == 'not-allowed'
    c.send("<message from='x@%s' to='%s' type='chat'><body>hello</body></message>" % (d, romeo.jid))
    romeo.expect_message('hello')
    id = romeo.iq_send('get', PING, to='x@' + d)
    c.answer(c.expect(is_iq('get')))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'result')
    assert not romeo.heard_any(lambda e: e.name == 'presence' and e.get('type') == 'subscribe')
    # At once, without a new stream.
    assert rows(t, 'component', 'set', name, '--kind', 'iq', '--kind', 'presence')[0]['kinds'] == ['presence', 'iq']
    c.send("<message from='x@%s' to='%s' type='chat' id='m'><body>no more</body></message>" % (d, romeo.jid))
    assert c.expect(lambda e: e.name == 'message' and e.get('id') == 'm').condition() == 'not-allowed'
    c.send("<iq type='get' id='2' from='%s' to='%s'>%s</iq>" % (d, t.server.domain, PING))
    c.expect(is_iq('result'))
    assert not t.server.records("body = 'no more' and to_bare = '%s'" % romeo.bare)


def test_rate(t):
    """P7: above a rate of its own a component is read more slowly; nothing is lost, and the order holds"""
    name, (d,), secret = add(t, '--rate', '50')
    c, romeo = t.component(d, secret).joined(), t.online()
    before = t.server.metric('chancery_throttled_total')
    c.send(''.join("<message from='x@%s' to='%s' type='chat'><body>n%d</body></message>" % (d, romeo.jid, i) for i in range(120)))
    for i in range(120):
        assert romeo.expect('message').text('body') == 'n%d' % i
    assert t.server.metric('chancery_throttled_total') > before


def test_low_rate(t):
    """P7: also of a few a second"""
    name, (d,), secret = add(t, '--rate', '2')
    c, romeo = t.component(d, secret).joined(), t.online()
    begin = time.monotonic()
    c.send(''.join("<message from='x@%s' to='%s' type='chat'><body>n%d</body></message>" % (d, romeo.jid, i) for i in range(6)))
    for i in range(6):
        assert romeo.expect('message').text('body') == 'n%d' % i
    assert time.monotonic() - begin > 1.2


@alone()
def test_ours_now(t):
    """P3: a domain that has become a host's or a service's of this server since it was added lets nobody in, and its component keeps its others"""
    name, (d, e), secret = add(t, n=2)
    own, rooms = t.server.domain, 'conference.' + t.server.domain
    t.server.psql("update chancery.component_domain set domain = '%s' where domain = '%s'" % (rooms, e))
    t.server.psql("insert into chancery.component_domain values ('%s', '%s')" % (own, name))
    t.server.restart()
    for domain in own, rooms:
        assert stream_error(t.component(domain, secret).connect().open()) == 'host-unknown', domain
        assert 'component-domain-ours component=%s domain=%s' % (name, domain) in t.server.log(), domain
    t.component(d, secret).joined()
    romeo = t.online()
    assert romeo.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=rooms).get('type') == 'result'
    # Nor at a change, without a start.
    ok(t, 'component', 'set', name, '--rate', '1000')
    assert stream_error(t.component(rooms, secret).connect().open()) == 'host-unknown'


def test_prepared(t):
    """RFC 7622: what it sends to is written prepared, as what clients send"""
    name, (d,), secret = add(t)
    c, romeo = t.component(d, secret).joined(), t.online()
    c.send("<message from='X@%s' to='%s' type='chat'><body>hello</body></message>" % (d.upper(), romeo.bare.upper()))
    m = romeo.expect_message('hello')
    assert (m.get('from'), m.get('to')) == ('x@' + d, romeo.bare), m


@alone()
def test_doors(t):
    """XEP-0114 §2: components come by loopback, by a local socket, and from elsewhere by TLS; elsewhere in the clear is refused at start"""
    s = t.server
    path, port = s.path('run', 'chancery', 'components'), s.base + 76
    s.stop()
    s.settings['listen.components'] = '["127.0.0.1:%d", "unix:%s"]' % (s.port_component, path)
    s.settings['listen.components_tls'] = '["127.0.0.1:%d"]' % port
    s.start()
    name, (d, e, f), secret = add(t, n=3)
    romeo = t.online()
    streams = [t.component(d, secret), t.component(e, secret).connect_unix(path), t.component(f, secret).connect_tls(port)]
    for c in streams:
        c.joined()
        c.send("<message from='x@%s' to='%s' type='chat'><body>%s</body></message>" % (c.domain, romeo.jid, c.domain))
        romeo.expect_message(c.domain)
        romeo.message('x@' + c.domain, 'back')
        assert c.expect('message').text('body') == 'back'
    assert show(t, name)['connected'] == [d, e, f]
    # What is no TLS gets nowhere there.
    plain = socket.create_connection(('127.0.0.1', port), 15)
    plain.sendall(b"<stream:stream xmlns='jabber:component:accept' to='x' xmlns:stream='http://etherx.jabber.org/streams'>")
    try:
        assert b'stream' not in plain.recv(4096)
    except ConnectionResetError:
        pass
    plain.close()
    assert os.stat(path).st_mode & 0o007 == 0, 'everybody may use the socket'
    s.restart()
    assert show(t, name)['domains'] == [d, e, f]
    t.component(d, secret).joined()


@alone()
def test_first(t):
    """Where the settings name no component there is no door until one is added, and then there is one"""
    s = t.server
    s.stop()
    s.settings['components.domains'] = '[]'
    s.start()
    try:
        socket.create_connection(('127.0.0.1', s.port_component), 5).close()
        raise AssertionError('there is a door')
    except ConnectionRefusedError:
        pass
    name, (d,), secret = add(t)
    t.component(d, secret).joined()
    s.restart()
    t.component(d, secret).joined()

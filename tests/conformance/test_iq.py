"""IQ rules (RFC 6120 §8.2.3, §10; RFC 6121 §8.5) and the small services."""
import base64
import hashlib
import re

from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone

PING = "<ping xmlns='urn:xmpp:ping'/>"


def info(c, to=None, node=None):
    n = " node='%s'" % node if node else ''
    return c.iq('get', "<query xmlns='%s'%s/>" % (NAMES['info'], n), to)


def features(r):
    return {f.get('var') for f in r.find('info:query').all('feature')}


def test_ping(t):
    """XEP-0199: the server and one's own account answer a ping"""
    a = t.online()
    for to in (None, t.server.domain, a.bare):
        r = a.ping(to)
        assert r.get('type') == 'result' and r.get('from') in (to, a.bare, t.server.domain, None), r


def test_between_clients(t):
    """RFC 6121 §8.5.3.1: an IQ to a full JID goes to the client, and its answer comes back"""
    a, b = t.online(), t.online()
    id = a.iq_send('get', "<query xmlns='urn:example:q'><x/></query>", b.jid)
    q = b.expect(lambda e: e.name == 'iq' and e.get('id') == id)
    assert q.get('from') == a.jid and q.get('type') == 'get', q
    b.stanza("<iq type='result' id='%s' to='%s'><query xmlns='urn:example:q'>42</query></iq>" % (id, a.jid))
    r = a.expect(lambda e: e.name == 'iq' and e.get('id') == id)
    assert r.get('type') == 'result' and r.get('from') == b.jid, r


def test_unknown_payload(t):
    """RFC 6120 §8.4: what nobody handles is service-unavailable: at the server, at accounts, for get and set"""
    a, b = t.online(), t.online()
    for to in (None, t.server.domain, a.bare, b.bare):
        for type in ('get', 'set'):
            r = a.iq(type, "<query xmlns='urn:example:unheard-of'/>", to)
            assert r.get('type') == 'error' and r.condition() in ('service-unavailable', 'feature-not-implemented'), r


def test_to_nobody(t):
    """RFC 6121 §8.5.1, §8.5.3.2.3: an IQ to nobody, or to a resource that is gone, is service-unavailable"""
    a, b = t.online(), t.online()
    for to in ('nobody-%s@%s' % (unique(), t.server.domain), b.bare + '/gone', 'nobody@%s/x' % t.server.domain):
        r = a.iq('get', PING, to)
        assert r.condition() == 'service-unavailable', (to, r)


def test_without_id(t):
    """RFC 6120 §8.1.3: an IQ without an id is refused"""
    a = t.online()
    a.stanza("<iq type='get'>%s</iq>" % PING)
    try:
        e = a.expect(lambda e: e.name == 'iq')
        assert e.condition() == 'bad-request', e
    except AssertionError:
        assert a.error is not None, 'neither an error nor the end of the stream'


def test_bad_types(t):
    """RFC 6120 §8.2.3: an IQ of no known type, or with no or two payloads, is bad-request"""
    a = t.online()
    for iq in ("<iq type='surprise' id='b1'>%s</iq>" % PING, "<iq id='b2'>%s</iq>" % PING, "<iq type='get' id='b3'/>",
               "<iq type='set' id='b4'>%s%s</iq>" % (PING, PING)):
        a.stanza(iq)
        e = a.expect(lambda e: e.name == 'iq', 'an error for ' + iq)
        assert e.get('type') == 'error' and e.condition() == 'bad-request', (iq, e)


def test_stray_answers(t):
    """RFC 6120 §8.2.3: results and errors to nobody's question are dropped"""
    a = t.online()
    for to in ('', " to='%s'" % t.server.domain, " to='%s'" % a.bare, " to='nobody-z@%s'" % t.server.domain):
        for type in ('result', 'error'):
            a.stanza("<iq type='%s' id='stray'%s/>" % (type, to))
    a.ping()
    assert not a.heard_any(lambda e: e.get('id') == 'stray'), a.heard


def test_disco_server(t):
    """XEP-0030: the server's identity and features"""
    a = t.online()
    r = info(a, t.server.domain)
    assert ('server', 'im') in {(i.get('category'), i.get('type')) for i in r.find('info:query').all('identity')}, r
    for f in (NAMES['info'], NAMES['items'], NAMES['ping'], NAMES['time'], NAMES['version']):
        assert f in features(r), (f, r)
    r = a.iq('get', "<query xmlns='%s'/>" % NAMES['items'], t.server.domain)
    assert r.get('type') == 'result', r


def test_disco_account(t):
    """XEP-0030 §8, RFC 6121: one's own account answers; a stranger's does not tell whether it exists"""
    a, b = t.online(), t.online()
    r = info(a, a.bare)
    assert ('account', 'registered') in {(i.get('category'), i.get('type')) for i in r.find('info:query').all('identity')}, r
    r1, r2 = info(a, b.bare), info(a, 'nobody-%s@%s' % (unique(), t.server.domain))
    assert r1.condition() == r2.condition() == 'service-unavailable', (r1, r2)


def test_disco_unknown_node(t):
    """XEP-0030 §3.1: an unknown node is item-not-found"""
    r = info(t.online(), t.server.domain, node='no-such-node')
    assert r.condition() == 'item-not-found', r


def test_caps(t):
    """XEP-0115 §5: the server's caps in the features are the hash of what disco gives"""
    a = t.online()
    caps = a.features.find('caps:c')
    assert caps.get('hash') == 'sha-1', caps
    q = info(a, t.server.domain, node='%s#%s' % (caps.get('node'), caps.get('ver'))).find('info:query')
    s = ''.join(sorted('%s/%s/%s/%s<' % (i.get('category'), i.get('type'), i.get('xml:lang', ''), i.get('name', ''))
                       for i in q.all('identity')))
    s += ''.join(var + '<' for var in sorted(f.get('var') for f in q.all('feature')))
    for form in q.all('x', 'data'):
        fields = {f.get('var'): [v.text() for v in f.all('value')] for f in form.all('field')}
        s += fields.pop('FORM_TYPE')[0] + '<'
        for var in sorted(fields):
            s += var + '<' + ''.join(v + '<' for v in sorted(fields[var]))
    assert base64.b64encode(hashlib.sha1(s.encode()).digest()).decode() == caps.get('ver'), s


def test_version(t):
    """XEP-0092: name and version"""
    r = t.online().iq('get', "<query xmlns='jabber:iq:version'/>", t.server.domain)
    assert r.text('version:query', 'name') == 'Chancery' and r.text('version:query', 'version'), r
    assert r.find('version:query', 'os') is None, 'the operating system is told only where a setting says so'


@alone(modules__version='false')
def test_version_off(t):
    """XEP-0092 §5: where it is switched off, nothing is told or advertised"""
    a = t.online()
    assert a.iq('get', "<query xmlns='jabber:iq:version'/>", t.server.domain).condition() == 'service-unavailable'
    assert NAMES['version'] not in features(info(a, t.server.domain))


def test_time(t):
    """XEP-0202: time in UTC with an offset"""
    r = t.online().iq('get', "<time xmlns='urn:xmpp:time'/>", t.server.domain)
    assert re.match(r'[+-]\d\d:\d\d$|Z$', r.text('time:time', 'tzo')), r
    assert re.match(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$', r.text('time:time', 'utc')), r


def test_last_of_server(t):
    """XEP-0012 §4: the server's uptime"""
    r = t.online().iq('get', "<query xmlns='jabber:iq:last'/>", t.server.domain)
    assert 0 <= int(r.find('last:query').get('seconds')) < 86400, r


def test_last_of_contact(t):
    """XEP-0012 §5: last activity of a contact who is offline, with the last status; only for who may see presence"""
    a, b = t.friends()
    stranger = t.online()
    b.presence('unavailable', inner='<status>good night</status>')
    a.expect_presence('unavailable', b.jid)
    b.close()
    r = a.iq('get', "<query xmlns='jabber:iq:last'/>", b.bare)
    assert r.get('type') == 'result' and 0 <= int(r.find('last:query').get('seconds')) < 300, r
    assert r.find('last:query').text() in ('good night', ''), r
    r = stranger.iq('get', "<query xmlns='jabber:iq:last'/>", b.bare)
    assert r.get('type') == 'error' and r.condition() in ('forbidden', 'service-unavailable', 'subscription-required'), r


def test_presence_leak(t):
    """RFC 6120 §13.10.2: an IQ to a stranger's account tells nothing of whether they are online"""
    a, b = t.online(), t.online()
    offline = '%s@%s' % (t.user()[0], t.server.domain)
    answers = {a.iq('get', PING, to).condition() for to in (b.bare, offline, 'nobody-%s@%s' % (unique(), t.server.domain))}
    assert answers == {'service-unavailable'}, answers


def test_many_at_once(t):
    """RFC 6120 §8.2.3: every request is answered exactly once, however many are under way"""
    a = t.online()
    ids = [a.iq_send('get', PING, t.server.domain) for _ in range(500)]
    got = [a.expect('iq').get('id') for _ in ids]
    assert sorted(got) == sorted(ids)

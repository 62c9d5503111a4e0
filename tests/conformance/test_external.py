"""Services beside XMPP, with credentials that end (XEP-0215)."""
import base64
import datetime
import hashlib
import hmac
import os
import tempfile

from chancerytest.element import NAMES
from chancerytest.scenario import alone

NS = 'urn:xmpp:extdisco:2'
SECRET = 'north of the border'
secret_dir = tempfile.TemporaryDirectory(prefix='chancery-secret-')
os.chmod(secret_dir.name, 0o755)
FILE = os.path.join(secret_dir.name, 'turn.secret')
with open(FILE, 'w') as f:
    f.write(SECRET + '\nand a second line\n')
SETTINGS = ('["stun:stun.chancery.test:3478:udp", "turn:relay.chancery.test:3478:udp:%s", "turn:relay.chancery.test:5349:tcp:%s",'
            ' "turn:[2001:db8::1]:3478:udp:%s.missing"]' % (FILE, FILE, FILE))


def services(r):
    return [s.attrs for s in r.find(NS + ':services').all('service')]


def credentials(c, to, inner):
    return c.iq('get', "<credentials xmlns='%s'>%s</credentials>" % (NS, inner), to)


def is_right(t, c, s):
    end, jid = s['username'].split(':')
    left = int(end) - datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert jid == c.bare and 3500 < left <= 3601, s
    assert s['expires'].startswith(datetime.datetime.fromtimestamp(int(end), datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')), s
    mac = hmac.new(SECRET.encode(), s['username'].encode(), hashlib.sha1).digest()
    assert s['password'] == base64.b64encode(mac).decode() and s['restricted'] == 'true', s


def test_none(t):
    """XEP-0215 §3.2: without any service the list is empty; credentials for one that is not there are item-not-found"""
    a = t.online()
    assert services(a.iq('get', "<services xmlns='%s'/>" % NS, t.server.domain)) == []
    r = credentials(a, t.server.domain, "<service type='turn' host='relay.chancery.test'/>")
    assert r.condition() == 'item-not-found', r


@alone(external__services=SETTINGS, external__lifetime='1h')
def test_services(t):
    """XEP-0215 §3: examples 1 to 6: all services, those of a type, credentials; a service whose secret is missing is left out"""
    a = t.online()
    r = a.iq('get', "<query xmlns='%s'/>" % NAMES['info'], t.server.domain)
    assert NS in {f.get('var') for f in r.find('info:query').all('feature')}
    got = services(a.iq('get', "<services xmlns='%s'/>" % NS, t.server.domain))
    assert [(s['type'], s['host'], s['port'], s['transport']) for s in got] == [
        ('stun', 'stun.chancery.test', '3478', 'udp'), ('turn', 'relay.chancery.test', '3478', 'udp'),
        ('turn', 'relay.chancery.test', '5349', 'tcp')], got
    assert 'username' not in got[0] and 'password' not in got[0], got
    is_right(t, a, got[1])
    r = a.iq('get', "<services xmlns='%s' type='stun'/>" % NS, t.server.domain)
    assert r.find(NS + ':services').get('type') == 'stun' and [s['type'] for s in services(r)] == ['stun'], r

    r = credentials(a, t.server.domain, "<service type='turn' host='relay.chancery.test'/>")
    both = [s.attrs for s in r.find(NS + ':credentials').all('service')]
    assert [s['port'] for s in both] == ['3478', '5349'], r
    r = credentials(a, t.server.domain, "<service type='turn' host='relay.chancery.test' port='5349'/>")
    one = [s.attrs for s in r.find(NS + ':credentials').all('service')]
    assert [s['port'] for s in one] == ['5349'], r
    is_right(t, a, one[0])

    for inner, condition in (("<service type='turn' host='elsewhere.chancery.test'/>", 'item-not-found'),
                             ("<service type='stun' host='stun.chancery.test'/>", 'item-not-found'),
                             ("<service type='turn' host='relay.chancery.test' port='1'/>", 'item-not-found'),
                             ("<service type='turn' host='2001:db8::1'/>", 'internal-server-error'),
                             ("<service type='turn'/>", 'bad-request'), ("<service host='relay.chancery.test'/>", 'bad-request'),
                             ('', 'bad-request'), ("<service type='a' host='b'/><service type='a' host='b'/>", 'bad-request')):
        r = credentials(a, t.server.domain, inner)
        assert r.condition() == condition, (inner, r)
    # Accounts have no services.
    assert a.iq('get', "<services xmlns='%s'/>" % NS, a.bare).condition() == 'service-unavailable'
    assert a.iq('set', "<services xmlns='%s'/>" % NS, t.server.domain).condition() == 'service-unavailable'

    # The secret is read anew each time.
    with open(FILE, 'w') as f:
        f.write('another')
    try:
        s = services(a.iq('get', "<services xmlns='%s' type='turn'/>" % NS, t.server.domain))[0]
        mac = hmac.new(b'another', s['username'].encode(), hashlib.sha1).digest()
        assert s['password'] == base64.b64encode(mac).decode(), s
    finally:
        with open(FILE, 'w') as f:
            f.write(SECRET + '\n')

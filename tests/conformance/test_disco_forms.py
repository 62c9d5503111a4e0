"""What the server tells of itself beyond features (XEP-0128): contact addresses (XEP-0157), data policy (XEP-0504)."""
import base64
import hashlib

from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone


def info(c, to, node=None):
    n = " node='%s'" % node if node else ''
    return c.iq('get', "<query xmlns='%s'%s/>" % (NAMES['info'], n), to).find('info:query')


def forms(query):
    """{FORM_TYPE: {var: [values]}}"""
    out = {}
    for x in query.all('x', 'data'):
        assert x.get('type') == 'result', x
        first = x.all('field')[0]
        assert first.get('var') == 'FORM_TYPE' and first.get('type') == 'hidden', x
        out[first.text('value')] = {f.get('var'): [v.text() for v in f.all('value')] for f in x.all('field')[1:]}
    return out


CONTACT = 'http://jabber.org/network/serverinfo'
POLICY = 'urn:xmpp:data-policy:0'


def test_policy_by_default(t):
    """XEP-0504 §3: without any setting, every client is told that messages are archived, for how long and who can read them"""
    a = t.online()
    f = forms(info(a, t.server.domain))
    p = f[POLICY]
    assert p['data_retention'] == ['infinite'] and p['auth_data'] == ['hidden'] and p['data_deletion'] == ['false'], p
    assert p['access_policy'] == ['admins', 'organization_member'] and p['full_erasure'] == ['false'], p
    assert 'archived' in p['extra_info'][0] and 'is allowed' in p['extra_info'][1], p
    assert 'tos' not in p and 'backup_frequency' not in p, p
    assert CONTACT not in f, 'a form without a field'


def test_accounts_have_none(t):
    """XEP-0128 §1: the forms are the server's; an account's disco#info has none of them"""
    a = t.online()
    assert not set(forms(info(a, a.bare))) & {CONTACT, POLICY}


@alone(contact__abuse='["mailto:abuse@chancery.test", "xmpp:abuse@chancery.test"]', contact__status='["https://status.chancery.test/"]',
       policy__retention='87600', policy__terms='https://chancery.test/terms', policy__access='["admins", "government"]',
       policy__backup_frequency='24', policy__backup_retention='unknown', policy__encrypted_at_rest='true',
       policy__notice='["Ask the compliance office."]', auth__plain='true', encryption__default='forbid')
def test_all_said(t):
    """XEP-0157 §3 example 2, XEP-0504 §4: what the settings say is told, and what the capabilities' hash covers (XEP-0115 §5)"""
    a = t.online()
    f = forms(info(a, t.server.domain))
    assert f[CONTACT] == {'abuse-addresses': ['mailto:abuse@chancery.test', 'xmpp:abuse@chancery.test'],
                          'status-addresses': ['https://status.chancery.test/']}, f
    p = f[POLICY]
    assert p.pop('extra_info')[1:] == ['End-to-end encryption is not allowed; encrypted messages are refused.',
                                       'Ask the compliance office.'], p
    assert p == {'auth_data': ['plain'], 'data_retention': ['87600'], 'data_deletion': ['false'], 'full_erasure': ['false'],
                 'encryption_at_rest': ['true'], 'tos': ['https://chancery.test/terms'], 'access_policy': ['admins', 'government'],
                 'backup_frequency': ['24'], 'backup_retention': ['unknown']}, p
    caps = a.features.find('caps:c')
    q = info(a, t.server.domain, '%s#%s' % (caps.get('node'), caps.get('ver')))
    s = ''.join(sorted('%s/%s/%s/%s<' % (i.get('category'), i.get('type'), i.get('xml:lang', ''), i.get('name', ''))
                       for i in q.all('identity')))
    s += ''.join(var + '<' for var in sorted(x.get('var') for x in q.all('feature')))
    for type in sorted(f):
        s += type + '<'
        fields = forms(q)[type]
        for var in sorted(fields):
            s += var + '<' + ''.join(v + '<' for v in sorted(fields[var]))
    assert base64.b64encode(hashlib.sha1(s.encode()).digest()).decode() == caps.get('ver'), s
    # A reload is told at once.
    config = t.server.env['CHANCERY_CONFIG']
    with open(config) as f:
        text = f.read()
    with open(config, 'w') as f:
        f.write(text.replace('mailto:abuse@', 'mailto:new@'))
    assert t.server.cli('config', 'reload')[0] == 0
    assert forms(info(a, t.server.domain))[CONTACT]['abuse-addresses'][0] == 'mailto:new@chancery.test'


def test_bad_settings(t):
    """Design §7: a bad address, retention, service or word is refused, with its name and what was expected"""
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        text = f.read()
    path = t.server.path('bad-%s.yaml' % unique())
    for section, line in (('contact', 'admin: ["not a uri"]'), ('contact', 'admin: ["mailto:"]'), ('policy', 'retention: forever'),
                          ('policy', 'access: ["everybody"]'), ('policy', 'terms: x'), ('external', 'services: ["turn:host"]'),
                          ('external', 'services: ["turn:host:0:udp"]'), ('external', 'services: ["turn:host:1:udp:relative"]'),
                          ('encryption', 'default: perhaps')):
        with open(path, 'w') as f:
            f.write('%s%s:\n  %s\n' % (text, section, line))
        code, out, err = t.server.cli('config', 'check', path)
        assert code == 1 and '%s.%s' % (section, line.split(':')[0]) in err and 'expected' in err, (section, line, code, err)

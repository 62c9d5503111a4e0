"""Whether users may encrypt from end to end: a policy by groups of the organisation."""
from chancerytest.client import unique
from chancerytest.scenario import alone

OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><iv>aaaa</iv></header><payload>bbbb</payload></encrypted>"
ENCRYPTED = (OMEMO, "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted>", "<x xmlns='jabber:x:encrypted'>hQ==</x>",
             "<openpgp xmlns='urn:xmpp:openpgp:0'>BASE64</openpgp>",
             "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0'/>", '<body>?OTRv23?</body>',
             '<body>so to say: ?OTR:AAMDi3BtLnXtgYkAAAAB.</body>', '<body> ?OTR|5a73a599|27e31597,00001,00003,?OTR:AA</body>')
KEYS = ('eu.siacs.conversations.axolotl.devicelist', 'eu.siacs.conversations.axolotl.bundles:7', 'urn:xmpp:omemo:2:devices',
        'urn:xmpp:omemo:2:bundles', 'urn:xmpp:openpgp:0:public-keys', 'urn:xmpp:openpgp:0:public-keys:1357B01865B2503C')


def publish(c, node, verb='publish'):
    inner = "<item id='current'><x xmlns='urn:example:keys'/></item>" if verb == 'publish' else ''
    return c.iq('set', "<pubsub xmlns='http://jabber.org/protocol/pubsub'><%s node='%s'>%s</%s></pubsub>" % (verb, node, inner, verb))


def member(t, group):
    """A user online, in a group."""
    c = t.online()
    assert t.server.cli('user', 'set', c.bare, 'group+=' + group)[0] == 0
    return c


def refused(c, id):
    e = c.expect(lambda e: e.name == 'message' and e.get('id') == id, 'the error for ' + id)
    assert e.get('type') == 'error' and e.condition() == 'policy-violation', e
    text = e.text('error', 'text')
    assert text and 'does not allow end-to-end encryption' in text, e


def test_allowed_by_default(t):
    """Encryption policy: where nothing is said, encrypted messages pass"""
    a, b = t.online(), t.online()
    for i, inner in enumerate(ENCRYPTED):
        a.message(b.bare, id='e%d' % i, inner=inner)
        assert b.expect_message(id='e%d' % i).get('type') == 'chat'


@alone(encryption__default='forbid', encryption__allow='["research"]', encryption__announce='["legal"]', encryption__forbid='["trading"]')
def test_policy(t):
    """Encryption policy: forbid refuses messages and keys with a reason and records nothing; groups decide, the strictest counts, at once"""
    a, b = t.online(), t.online()
    refused_before = t.server.metric('chancery_encryption_refused_total')
    for i, inner in enumerate(ENCRYPTED):
        a.message(b.bare, id='f%d' % i, inner=inner)
        refused(a, 'f%d' % i)
    for node in KEYS:
        for verb in ('publish', 'create'):
            r = publish(a, node, verb)
            assert r.condition() == 'policy-violation' and 'encryption' in r.text('error', 'text'), (node, verb, r)
    assert t.server.metric('chancery_encryption_refused_total') == refused_before + len(ENCRYPTED) + 2 * len(KEYS)
    # What is not about keys, and taking keys back, is not this policy's business.
    for node, verb in (('urn:xmpp:omemonade', 'publish'), ('urn:xmpp:avatar:data', 'publish'), (KEYS[0], 'retract')):
        assert publish(a, node, verb).condition() != 'policy-violation', (node, verb)
    a.message(b.bare, 'in the clear, of ?OTR and aesgcm://', id='clear')
    assert b.expect_message(id='clear').text('body')
    assert not b.heard_any(lambda e: e.name == 'message' and (e.get('id') or '').startswith('f')), 'a refused message arrived'
    assert t.server.records("from_bare = '%s' and client_id like 'f%%'" % a.bare, 'id') == [], 'a refused message was recorded'

    # Those of a group that may; their contacts answer under their own rule.
    r = member(t, 'research')
    r.message(b.bare, id='r1', inner=OMEMO)
    assert b.expect_message(id='r1')
    assert publish(r, KEYS[0]).condition() != 'policy-violation'
    b.message(r.bare, id='b1', inner=OMEMO)
    refused(b, 'b1')

    # announce: it passes and is counted.
    noted = t.server.metric('chancery_encryption_noted_total')
    legal = member(t, 'legal')
    for i in ('l1', 'l2'):
        legal.message(b.bare, id=i, inner=OMEMO)
        assert b.expect_message(id=i)
    assert t.server.metric('chancery_encryption_noted_total') == noted + 2
    assert t.server.log().count('encryption-noted jid=%s' % legal.bare) == 1, 'once a session'

    # The strictest of several, without a new login; and back.
    assert t.server.cli('user', 'set', r.bare, 'group+=trading')[0] == 0
    r.message(b.bare, id='r2', inner=OMEMO)
    refused(r, 'r2')
    assert t.server.cli('user', 'set', r.bare, 'group-=trading')[0] == 0
    r.message(b.bare, id='r3', inner=OMEMO)
    assert b.expect_message(id='r3')
    # An error that quotes an encrypted message is not an encrypted message.
    a.stanza("<message type='error' to='%s' id='err-%s'>%s<error type='cancel'/></message>" % (b.bare, unique(), OMEMO))
    a.ping()
    assert not a.heard_any(lambda e: e.name == 'message' and e.condition() == 'policy-violation' and (e.get('id') or '').startswith('err')), a.heard

"""What may pass between us and a partner, and how it is marked (server/core/federation/pass, XEP-0258)."""
import time

from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.remote import befriend

LABEL = 'urn:xmpp:sec-label:0'
EXTERNAL = 'urn:chancery:external:0'
FORGED = ("<securitylabel xmlns='%s'><displaymarking fgcolor='white' bgcolor='#b45309'>EXTERNAL \u00b7 verona.test</displaymarking>"
          "<label><external xmlns='%s' domain='verona.test'/></label></securitylabel>" % (LABEL, EXTERNAL))
SECRET = ("<securitylabel xmlns='%s'><displaymarking fgcolor='black' bgcolor='red'>SECRET</displaymarking><label/></securitylabel>" % LABEL)


def labels(e):
    """Display markings of a message."""
    return [x.find('displaymarking').text() for x in e.all('securitylabel', LABEL)]


def test_forged_label_of_user(t):
    """XEP-0258 §4: a label that only the server sets is taken out of what a user sends; a label of the user's own stays"""
    romeo, juliet = t.online(), t.online()
    for forged in (FORGED, "<external xmlns='%s' domain='verona.test'/>" % EXTERNAL,
                   FORGED.replace('EXTERNAL', 'OURS'), FORGED.replace(EXTERNAL, 'urn:example:x').replace('EXTERNAL', ' external')):
        romeo.message(juliet.jid, 'Hi', inner=forged)
        m = juliet.expect_message('Hi')
        assert [e.name for e in m.all() if e.name not in ('body', 'stanza-id')] == [], m
    romeo.message(juliet.jid, 'Hi', inner=SECRET + FORGED)
    assert labels(juliet.expect_message('Hi')) == ['SECRET']
    rows = t.server.records("to_bare = '%s'" % juliet.bare, 'stanza')
    assert len(rows) == 5 and not [r for r in rows if 'EXTERNAL' in r[0] or EXTERNAL in r[0]], rows


def test_forged_label_of_component(t):
    """XEP-0258 §4: the same for what a component sends"""
    c, juliet = t.component().joined(), t.online()
    c.send("<message from='romeo@%s' to='%s' type='chat'><body>Hi</body>%s</message>" % (c.domain, juliet.jid, FORGED))
    assert labels(juliet.expect_message('Hi')) == []


# -- with a partner ---------------------------------------------------------------------------------------

def refusal(c, id, condition='not-allowed', type='cancel', text=None):
    """The error that came back for the stanza `id`; its text."""
    e = c.expect(lambda e: e.get('id') == id and e.get('type') == 'error', 'a refusal of %s' % id)
    error = e.find('error')
    assert e.condition() == condition and error.get('type') == type, e
    words = error.text('stanzas:text') or ''
    assert text is None or text in words, words
    return words


def both_ways(t, juliet, p, forbidden, allowed, text):
    """Payloads that may not pass, and such that may, as (kind of stanza, type, inner), in both directions."""
    romeo = p.jid(resource='pda')
    for kind, type, inner in forbidden:
        id = unique('f')
        juliet.stanza("<%s type='%s' to='%s' id='%s'>%s</%s>" % (kind, type, romeo, id, inner, kind))
        assert 'ask' in refusal(juliet, id, text=text), inner
        id = unique('f')
        p.send("<%s type='%s' from='%s' to='%s' id='%s'>%s</%s>" % (kind, type, romeo, juliet.jid, id, inner, kind))
        refusal(p, id, text=text)
    for kind, type, inner in allowed:
        id = unique('f')
        juliet.stanza("<%s type='%s' to='%s' id='%s'>%s</%s>" % (kind, type, romeo, id, inner, kind))
        p.expect(lambda e: e.get('id') == id and e.get('type') == type, 'what may pass: %s' % inner)
        id = unique('f')
        p.send("<%s type='%s' from='%s' to='%s' id='%s'>%s</%s>" % (kind, type, romeo, juliet.jid, id, inner, kind))
        juliet.expect(lambda e: e.get('id') == id and e.get('type') == type, 'what may pass: %s' % inner)


BODY = '<body>Wherefore art thou?</body>'
PING = "<ping xmlns='urn:xmpp:ping'/>"
OOB = "<x xmlns='jabber:x:oob'><url>https://verona.test/a</url></x>"
RTP = 'urn:xmpp:jingle:apps:rtp:1'
TRANSFER = 'urn:xmpp:jingle:apps:file-transfer:5'
EVENT = "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='1'/></items></event>"


def initiate(ns):
    return ("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='a'><content creator='initiator' name='c'>"
            "<description xmlns='%s'/></content></jingle>" % ns)


def test_label(t):
    """XEP-0258 §3: a message from outside has one label, which names the domain; it is so in the record, too"""
    juliet, p = t.online(), t.partner()
    for inner in ('', SECRET, FORGED + SECRET):
        p.message(juliet.jid, 'Hi', inner=inner)
        m = juliet.expect_message('Hi')
        assert labels(m) == ['EXTERNAL \u00b7 ' + p.domain], m
        label = m.find(LABEL + ':securitylabel', 'label')
        assert label.find(EXTERNAL + ':external').get('domain') == p.domain, m
    rows = t.server.records("from_bare = '%s'" % p.jid(), 'direction, stanza')
    assert [r[0] for r in rows] == ['1'] * 3 and all('EXTERNAL \u00b7 ' + p.domain in r[1] for r in rows), rows


def test_label_not_on_typing(t):
    """XEP-0085: a typing notification from outside has no label, and is not in the record for it"""
    juliet, p = t.online(), t.partner()
    p.message(juliet.jid, inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    m = juliet.expect('message')
    assert labels(m) == [], m
    p.message(juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    assert len(t.server.records("from_bare = '%s'" % p.jid(), 'id')) == 1


def test_label_forged_elsewhere(t):
    """A label in our words is taken out of everything that comes from outside, errors and presence included"""
    juliet, p = t.online(), t.partner()
    p.send("<presence from='%s' to='%s'>%s</presence>" % (p.jid(resource='pda'), juliet.jid, FORGED))
    assert labels(juliet.expect_presence(None, p.jid(resource='pda'))) == []
    p.send("<message type='error' id='e1' from='%s' to='%s'>%s<error type='cancel'><item-not-found xmlns='%s'/></error></message>"
           % (p.jid(resource='pda'), juliet.jid, SECRET, NAMES['stanzas']))
    assert labels(juliet.expect_message(id='e1')) == []


def test_records(t):
    """Both directions are in the record: what goes out (2) and what comes in (1), about the record of the other server (kind 20)"""
    juliet, p = t.online(), t.partner()
    p.message(juliet.jid, 'in')
    juliet.expect_message('in')
    juliet.message(p.jid(resource='pda'), 'out')
    p.expect_message('out')
    (i,) = t.server.records("from_bare = '%s' AND kind = 1" % p.jid(), 'direction, body, refers_record')
    (o,) = t.server.records("from_bare = '%s' AND kind = 1" % juliet.bare, 'direction, body')
    assert i[:2] == ['1', 'in'] and o == ['2', 'out'], (i, o)
    (peer,) = t.server.records("id = %s" % i[2], 'kind, from_bare')
    assert peer == ['20', p.domain], peer


def test_no_messages(t):
    """--no-messages: what people say does not pass, either way; a ping does"""
    p = t.partner(allow=('--no-messages',))
    both_ways(t, t.online(), p, [('message', 'chat', BODY), ('message', 'normal', "<subject>s</subject>"),
              ('message', 'chat', "<received xmlns='urn:xmpp:receipts' id='1'/>"), ('message', 'headline', EVENT + BODY)],
              [('message', 'headline', EVENT), ('iq', 'get', PING)], 'messages may not be exchanged')


def test_no_files(t):
    """--no-files: links to files, bytes in stanzas and offers of transfers do not pass, either way; text and calls do"""
    p = t.partner(allow=('--no-files',))
    forbidden = [('message', 'chat', x) for x in (
        BODY + OOB,
        '<body>https://upload.verona.test/upload/d3b07384d113edec49eaa6238ad5ff00/photo.jpg</body>',
        '<body>aesgcm://upload.verona.test/photo.jpg#00</body>',
        "<body>x</body><file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'/>",
        "<body>x</body><reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'/></reference>",
        "<body>x</body><data xmlns='urn:xmpp:bob' cid='a'>AA==</data>",
        "<data xmlns='http://jabber.org/protocol/ibb' sid='a' seq='0'>AA==</data>")]
    forbidden += [('iq', 'set', x) for x in (
        "<open xmlns='http://jabber.org/protocol/ibb' sid='a' block-size='4096'/>",
        "<si xmlns='http://jabber.org/protocol/si' id='a' profile='http://jabber.org/protocol/si/profile/file-transfer'/>",
        "<query xmlns='http://jabber.org/protocol/bytestreams' sid='a'/>", initiate(TRANSFER))]
    both_ways(t, t.online(), p, forbidden, [('message', 'chat', '<body>see https://verona.test/balcony.html</body>'),
              ('iq', 'set', initiate(RTP)), ('iq', 'get', PING)], 'files, and links to files')


def test_no_calls(t):
    """--no-calls: Jingle (XEP-0166) and its messages (XEP-0353) do not pass, either way; offers of files do"""
    p = t.partner(allow=('--no-calls',))
    propose = "<propose xmlns='urn:xmpp:jingle-message:0' id='a'><description xmlns='%s' media='audio'/></propose>" % RTP
    both_ways(t, t.online(), p, [('iq', 'set', initiate(RTP)), ('message', 'chat', propose)],
              [('iq', 'set', initiate(TRANSFER)), ('message', 'chat', BODY)], 'calls may not be exchanged')


def test_no_pubsub(t):
    """--no-pubsub: requests and events (XEP-0060) do not pass, either way"""
    p = t.partner(allow=('--no-pubsub',))
    items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub>"
    both_ways(t, t.online(), p, [('iq', 'get', items), ('message', 'headline', EVENT)], [('message', 'chat', BODY)],
              'publish-subscribe may not be exchanged')


def test_no_rooms(t):
    """--no-rooms: neither joins nor groupchat nor invitations pass, either way"""
    juliet, p = t.online(), t.partner(allow=('--no-rooms',))
    invitation = "<x xmlns='jabber:x:conference' jid='room@conference.verona.test'/>"
    both_ways(t, juliet, p, [('message', 'groupchat', BODY), ('message', 'normal', invitation)], [('message', 'chat', BODY)],
              'group chat may not be exchanged')
    juliet.stanza("<presence to='room@chat.%s/juliet' id='j1'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % p.domain)
    # The partner is the domain, not what is below it.
    refusal(juliet, 'j1', text='not allowed here')
    juliet.stanza("<presence to='room@%s/juliet' id='j2'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % p.domain)
    refusal(juliet, 'j2', text='group chat')


def test_no_presence(t):
    """--no-presence: subscriptions are refused, either way; presence is not sent, and nobody is told"""
    juliet, p = t.online(), t.partner(allow=('--no-presence',))
    juliet.stanza("<presence type='subscribe' to='%s' id='s1'/>" % p.jid())
    refusal(juliet, 's1', text='presence and subscriptions')
    p.send("<presence type='subscribe' from='%s' to='%s' id='s2'/>" % (p.jid(), juliet.bare))
    refusal(p, 's2', text='presence and subscriptions')
    p.presence(juliet.bare)
    p.message(juliet.jid, 'Hi')
    juliet.expect_message('Hi')
    assert not juliet.heard_any(lambda e: e.name == 'presence' and (e.get('from') or '').endswith(p.domain)), juliet.heard
    juliet.message(p.jid(), 'Ho')
    p.expect_message('Ho')
    assert not [e for e in p.heard() if e.name == 'presence'], p.heard()


def test_rate_of_user(t):
    """--user-per-minute: the next one is policy-violation to wait for, either way; others may still"""
    a, b, p = t.online(), t.online(), t.partner(allow=('--user-per-minute', '2'))
    for body in '12':
        a.message(p.jid(), body)
        p.expect_message(body)
    refusal(a, a.message(p.jid(), '3'), 'policy-violation', 'wait', 'from one user')
    a.message(p.jid(), inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    p.expect_message(from_=a.jid)
    b.message(p.jid(), 'b')
    p.expect_message('b')
    for body in '45':
        p.message(a.jid, body)
        a.expect_message(body)
    refusal(p, p.message(a.jid, '6'), 'policy-violation', 'wait', 'from one user')
    p.message(a.jid, '7', from_=p.jid('mercutio'))
    a.expect_message('7')


def test_rate_of_partner(t):
    """--per-minute: all of them together"""
    a, b, p = t.online(), t.online(), t.partner(allow=('--per-minute', '2'))
    for c in (a, b):
        c.message(p.jid(), 'x')
        p.expect_message('x')
    refusal(a, a.message(p.jid(), 'y'), 'policy-violation', 'wait', 'no more than 2')
    p.message(a.jid, '1')
    p.message(a.jid, '2', from_=p.jid('mercutio'))
    a.expect_message('2')
    refusal(p, p.message(b.jid, '3', from_=p.jid('tybalt')), 'policy-violation', 'wait', 'no more than 2')
    assert t.server.metric('chancery_pass_refused_total') >= 2


def test_hours(t):
    """--hours: outside of them a partner is not one"""
    juliet, p = t.online(), t.partner()
    juliet.message(p.jid(), 'in time')
    p.expect_message('in time')
    # A weekday that is neither today's nor, wherever midnight is, next to it.
    day = time.strftime('%a', time.localtime(time.time() + 3 * 86400))
    p.allow('--hours', '%s 00:00-01:00' % day)
    refusal(juliet, juliet.message(p.jid(), 'too late'), text='ask')
    assert not [e for e in p.heard() if e.text('body') == 'too late']


def test_who(t):
    """--who: only these people write there, and are written to; a group of the organisation counts"""
    a, b, c, p = t.online(), t.online(), t.online(), t.partner(allow=None)
    t.server.cli('user', 'set', c.bare, 'group+=Sales')
    p.allow('--who', a.bare, '--who', 'group:Sales')
    for x in (a, c):
        x.message(p.jid(), 'out')
        p.expect_message('out', from_=x.jid)
        p.message(x.jid, 'in')
        x.expect_message('in')
    refusal(b, b.message(p.jid(), 'out'), text='only some people')
    refusal(p, p.message(b.jid, 'in'), text='does not exchange messages')
    refusal(p, p.message('nobody@' + t.server.domain, 'in'), text='does not exchange messages')
    # Nothing of theirs, and no question, gets to who is not among them.
    p.presence(b.bare, 'subscribe', from_=p.jid())
    p.expect(lambda e: e.name == 'presence' and e.get('type') == 'error' and e.get('from') == b.bare, 'a refusal')
    r = p.iq('get', "<query xmlns='jabber:iq:version'/>", to=b.jid)
    assert r.get('type') == 'error' and r.condition() == 'not-allowed', r
    assert not b.heard_any(lambda e: (e.get('from') or '').endswith(p.domain) and e.get('type') != 'error'), b.heard


def test_not_allowed(t):
    """A domain that nobody has allowed: messages, questions and subscriptions are not-allowed, with the words whom to ask; presence is not
    sent, which nobody is told; and nothing is in the record"""
    juliet, where = t.online(), 'd0.nobody.test'
    assert 'your administrator' in refusal(juliet, juliet.message('romeo@' + where, 'Hi'))
    juliet.stanza("<presence type='subscribe' to='romeo@%s' id='s1'/>" % where)
    refusal(juliet, 's1', text=where)
    r = juliet.ping(where)
    assert r.condition() == 'not-allowed', r
    juliet.presence(to='romeo@%s/a' % where)
    refused = juliet.expect(lambda e: e.name == 'presence' and e.get('type') == 'error', 'a refusal of presence to one address')
    assert refused.condition() == 'not-allowed', refused
    # What ends something is not refused.
    juliet.presence('unavailable', to='romeo@%s/a' % where)
    juliet.presence('unsubscribe', to='romeo@' + where)
    juliet.ping()
    assert not juliet.heard_any(lambda e: e.get('type') == 'error'), juliet.heard
    assert t.server.records("to_bare = 'romeo@%s'" % where, 'id') == []


def test_contacts_not_allowed(t):
    """A roster may have contacts at domains that are not allowed: no attempts are made for them, and no errors come for them"""
    juliet, p = t.online(), t.partner()
    romeo = p.jid()
    befriend(juliet, p)
    p.deny()
    juliet.stanza("<presence id='b1'><show>away</show></presence>")
    juliet.ping()
    again = t.online(juliet)
    again.ping()
    # What was on its way when the partner was denied comes back; nothing that was said since does.
    assert not juliet.heard_any(lambda e: e.get('type') == 'error' and e.get('id') == 'b1'), juliet.heard
    assert not again.heard_any(lambda e: e.get('type') == 'error'), again.heard
    assert again.roster().find('roster:query', 'item').get('jid') == romeo
    r = again.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % romeo)
    assert r.get('type') == 'result', r


def test_who_is_narrowed(t):
    """--who, given to a partner that all could talk to: presence of the others is not sent there any more, nor their events"""
    a, b, p = t.online(), t.online(), t.partner()
    for c in (a, b):
        befriend(c, p)
    p.allow('--who', a.bare)
    b.presence(inner='<show>away</show>')
    b.ping()
    a.presence(inner='<show>xa</show>')
    # People's state is told once more some time after their partner was let in: what was said before does not count.
    p.expect(lambda e: e.get('from') == a.jid and e.text('show') == 'xa', 'the news of who may')
    assert not [e for e in p.heard() if e.get('from') == b.jid and e.text('show') == 'away'], p.heard()


def test_component(t):
    """XEP-0114: a component talks with partners as users do, under the same rules: labels, kinds, allowed domains"""
    c, p = t.component().joined(), t.partner(allow=('--no-files',))
    me = 'bot@' + c.domain
    c.send("<message from='%s' to='%s' id='c1' type='chat'><body>out</body></message>" % (me, p.jid()))
    assert p.expect_message('out').get('from') == me
    p.message(me, 'in')
    assert labels(c.expect_message('in')) == ['EXTERNAL \u00b7 ' + p.domain]
    c.send("<message from='%s' to='%s' id='c2' type='chat'>%s</message>" % (me, p.jid(), BODY + OOB))
    refusal(c, 'c2', text='files, and links to files')
    c.send("<message from='%s' to='romeo@d0.nobody.test' id='c3' type='chat'>%s</message>" % (me, BODY))
    refusal(c, 'c3', text='not allowed here')

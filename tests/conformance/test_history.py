"""What users see of the record: XEP-0313 with 0059, preferences (0441), hints (0334), corrections, retractions and reactions."""
import datetime

from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.scenario import alone

MAM = 'urn:xmpp:mam:2'
RSM = 'http://jabber.org/protocol/rsm'
HINTS = 'urn:xmpp:hints'


def form(fields, form_type=MAM, kind='submit'):
    def values(v):
        return ''.join('<value>%s</value>' % escape(str(x)) for x in (v if isinstance(v, list) else [v]))
    t = "<field var='FORM_TYPE' type='hidden'><value>%s</value></field>" % form_type if form_type else ''
    return "<x xmlns='jabber:x:data' type='%s'>%s%s</x>" % (
        kind, t, ''.join("<field var='%s'>%s</field>" % (k.replace('_', '-'), values(v)) for k, v in fields.items()))


def rsm(max=None, after=None, before=None, index=None):
    parts = [('max', max), ('after', after), ('before', before), ('index', index)]
    return "<set xmlns='%s'>%s</set>" % (RSM, ''.join('<%s>%s</%s>' % (k, v, k) for k, v in parts if v is not None))


class Page:
    """The results of a query, in the order in which they came, and its <fin/>."""

    def __init__(self, results, answer):
        self.answer, self.fin = answer, answer.find('fin')
        self.results = results
        self.ids = [r.find('result').get('id') for r in results]
        self.messages = [r.find('result', 'forwarded', 'message') for r in results]
        self.bodies = [m.text('body') for m in self.messages]
        self.complete = self.fin is not None and self.fin.get('complete') == 'true'
        self.set = self.fin.find('set') if self.fin is not None else None
        self.error = answer.condition() if answer.get('type') == 'error' else None

    def at(self, name):
        return self.set.text(name)


def query(c, page='', to=None, flip=False, node=None, **fields):
    q = unique('f')
    answer = c.iq('set', "<query xmlns='%s' queryid='%s'%s>%s%s%s</query>" % (
        MAM, q, " node='%s'" % node if node else '', form(fields) if fields else '', page, '<flip-page/>' if flip else ''), to)
    mine = lambda e: e.name == 'message' and e.find(MAM + ':result') is not None and e.find('result').get('queryid') == q
    results = c.heard_any(mine)     # they came before the answer
    c.heard = [e for e in c.heard if not mine(e)]
    return Page(results, answer)


def talk(t, n=5, prefix='line'):
    """Two clients with n messages between them, in turn, and the page that shows them all."""
    a, b = t.online(sm=True), t.online(sm=True)
    for i in range(n):
        x, y = ((a, b), (b, a))[i % 2]
        x.message(y.jid, '%s %d' % (prefix, i))
        y.expect_message('%s %d' % (prefix, i))
    return a, b


def said(n, prefix='line'):
    return ['%s %d' % (prefix, i) for i in range(n)]


def stamp(message):
    return message.find('result', 'forwarded', 'delay:delay').get('stamp')


# -- queries ---------------------------------------------------------------------------------------------------

def test_support(t):
    """XEP-0313 §7: the account announces its archive, and what it can"""
    a = t.online()
    answer = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.bare)
    features = [f.get('var') for f in answer.find('query').all('feature')]
    for f in (MAM, MAM + '#extended', 'urn:xmpp:sid:0', 'urn:xmpp:message-retract:1', 'urn:xmpp:message-retract:1#tombstone'):
        assert f in features, (f, features)


def test_support_of_the_server(t):
    """XEP-0313 §7: the server says that its accounts have archives (Profanity asks nobody else); it has none itself"""
    a = t.online()
    answer = a.iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", t.server.domain)
    assert MAM in [f.get('var') for f in answer.find('query').all('feature')], answer
    assert a.iq('set', "<query xmlns='%s'/>" % MAM, t.server.domain).condition() == 'service-unavailable'


def test_query(t):
    """XEP-0313 §4 examples 1 to 3: everything, in order, then the answer; both sides see it"""
    a, b = talk(t, 4)
    for c in (a, b):
        p = query(c)
        assert p.bodies == said(4) and p.complete, p.answer
        assert p.at('first') == p.ids[0] and p.at('last') == p.ids[-1]
        assert p.set.find('count') is None and p.set.find('first').get('index') is None, 'nobody asked for a count'
        assert p.ids == sorted(p.ids, key=int) and len(set(p.ids)) == 4
    for r in p.results:
        assert r.get('from') == b.bare and r.get('to') == b.jid
        assert stamp(r).endswith('Z')
    first = p.messages[0]
    assert first.ns == 'jabber:client' and first.get('from') == a.jid and first.get('to') == b.jid and first.get('type') == 'chat'


def test_id_is_the_stanza_id(t):
    """XEP-0313 §3.4, XEP-0359: the id in the archive is the one that the recipient saw"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'x')
    got = b.expect_message('x')
    sid = got.find('sid:stanza-id')
    assert sid.get('by') == b.bare
    assert query(b).ids == [sid.get('id')]
    assert query(a).ids == [sid.get('id')]


def test_committed_is_seen(t):
    """Issue: what is acknowledged is in the archive at once, on both sides"""
    a, b = t.online(sm=True), t.online()
    for i in range(10):
        a.message(b.bare, 'now %d' % i)
        a.acked()
        assert query(a).bodies == said(i + 1, 'now')
        assert query(b).bodies == said(i + 1, 'now')


def test_without_queryid(t):
    """XEP-0313 §4: queryid is optional, and is given back as it came"""
    a, b = talk(t, 1)
    answer = a.iq('set', "<query xmlns='%s'/>" % MAM)
    (r,) = a.heard_any(lambda e: e.name == 'message' and e.find('result') is not None)
    assert r.find('result').get('queryid') is None
    assert answer.find('fin').get('complete') == 'true'
    q = "&apos;&quot;&lt;&amp;\u00e4"
    a.heard.clear()
    a.iq('set', "<query xmlns='%s' queryid='%s'/>" % (MAM, q))
    (r,) = a.heard_any(lambda e: e.name == 'message' and e.find('result') is not None)
    assert r.find('result').get('queryid') == "'\"<&\u00e4"


def test_empty(t):
    """XEP-0313 §4.1: no matches are no error"""
    a = t.online()
    p = query(a)
    assert not p.results and p.complete and p.set is not None and p.set.find('first') is None
    assert query(a, **{'with': 'nobody@example.org'}).complete
    answer = a.iq('get', "<metadata xmlns='%s'/>" % MAM)
    assert answer.get('type') == 'result' and answer.find(MAM + ':metadata').all() == []


def both_ways(c, contact, size, **fields):
    """All of a conversation by pages of this size, forwards, and the same backwards."""
    forwards, backwards, p = [], [], query(c, rsm(size), **{'with': contact}, **fields)
    while True:
        forwards += p.bodies
        if p.complete:
            break
        p = query(c, rsm(size, after=p.at('last')), **{'with': contact}, **fields)
    p = query(c, rsm(size, before=''), **{'with': contact}, **fields)
    while True:
        backwards[:0] = p.bodies
        if p.complete:
            return forwards, backwards
        p = query(c, rsm(size, before=p.at('first')), **{'with': contact}, **fields)


def test_with_among_many(t):
    """XEP-0313 §4.1.1: conversations that go on at the same time, busy and quiet ones: each is found whole, by pages both ways"""
    a, b, c, d = (t.online(sm=True) for _ in range(4))
    said_by = {}

    def say(x, y):
        text = '%d' % sum(len(v) for v in said_by.values())
        x.message(y.bare, text)
        x.acked()
        said_by.setdefault(frozenset((x.bare, y.bare)), []).append(text)
    say(a, d)
    for i in range(75):
        say(*((a, b) if i % 3 else (b, a)))
        if i % 9 == 0:
            say(c, a)
        if i in (31, 32, 33):
            say(b, c)
    say(a, a)
    say(d, a)
    for x, y in ((a, b), (b, a), (a, c), (c, a), (a, d), (d, a), (b, c), (c, b), (a, a)):
        want = said_by[frozenset((x.bare, y.bare))]
        for size in (7, 50):
            assert both_ways(x, y.bare, size) == (want, want), (x.user, y.user, size)
        assert query(x, rsm(0), **{'with': y.bare}).at('count') == str(len(want))
    # From within a span, and up to within one.
    p = query(a, rsm(100), **{'with': b.bare})
    for i, j in ((0, 31), (5, 40), (33, 74), (60, 61)):
        bounds = {'after-id': p.ids[i], 'before-id': p.ids[j]}
        want = p.bodies[i + 1:j]
        assert both_ways(a, b.bare, 11, **bounds) == (want, want), (i, j)


def test_with(t):
    """XEP-0313 §4.1.1: bare address, full address, oneself"""
    a, b, c = t.online(), t.online(), t.online()
    b2 = t.online(b)
    for x in (b, c):
        a.message(x.jid, 'to ' + x.user)
        x.expect_message()
        x.message(a.jid, 'from ' + x.user)
        a.expect_message()
    b2.message(a.jid, 'from the other')
    a.expect_message('from the other')
    a.message(a.bare, 'note')
    a.expect_message('note')
    assert query(a, **{'with': b.bare}).bodies == ['to ' + b.user, 'from ' + b.user, 'from the other']
    assert query(a, **{'with': b.jid}).bodies == ['to ' + b.user, 'from ' + b.user]
    assert query(a, **{'with': b2.jid}).bodies == ['from the other']
    assert query(a, **{'with': c.bare.upper()}).bodies == ['to ' + c.user, 'from ' + c.user]
    assert query(a, **{'with': a.bare}).bodies == ['note'], 'only what one sent to oneself'
    assert query(a).bodies.count('note') == 1
    assert query(c, **{'with': b.bare}).bodies == []


def test_time(t):
    """XEP-0313 §4.1.2 examples 6 and 7: start and end, both inclusive"""
    a, b = talk(t, 5)
    all_ = query(a)
    times = [stamp(r) for r in all_.results]
    assert query(a, start=times[0]).bodies == said(5)
    assert query(a, end=times[-1]).bodies == said(5), 'the stamp that a client saw is within'
    i = next(i for i in range(5) if times[i] == times[2])
    assert query(a, start=times[2]).bodies == said(5)[i:]
    past, future = '2010-06-07T00:00:00Z', '2099-07-07T13:23:54.5+02:00'
    assert query(a, start=past, end=future).bodies == said(5)
    assert query(a, end=past).bodies == [] and query(a, start=future).bodies == []
    assert query(a, start=past, end=future, **{'with': b.bare}).bodies == said(5)
    assert query(a, start='1901-01-01T00:00:00Z').bodies == said(5)


def test_forwards(t):
    """XEP-0313 §4.3: pages from the beginning, each once, in order; complete on the last"""
    a, b = talk(t, 7)
    got, after, pages = [], None, 0
    while True:
        p = query(a, rsm(max=3, after=after))
        got += p.bodies
        pages += 1
        if p.complete:
            break
        assert len(p.ids) == 3
        after = p.at('last')
    assert got == said(7) and pages == 3
    assert query(a, rsm(max=7)).complete, 'exactly as many as there are'
    p = query(a, rsm(max=3, after=query(a).ids[-1]))
    assert p.complete and not p.ids


def test_backwards(t):
    """XEP-0313 §4.3.3, XEP-0059 §2.3 and §2.5: the last page, and those before it"""
    a, b = talk(t, 7)
    p = query(a, rsm(max=3, before=''))
    assert p.bodies == said(7)[4:] and not p.complete
    p = query(a, rsm(max=3, before=p.at('first')))
    assert p.bodies == said(7)[1:4] and not p.complete
    p = query(a, rsm(max=3, before=p.at('first')))
    assert p.bodies == said(7)[:1] and p.complete
    p = query(a, rsm(max=3, before=p.at('first')))
    assert p.bodies == [] and p.complete
    p = query(a, rsm(max=2, before=''), **{'with': b.bare})
    assert p.bodies == said(7)[5:] and not p.complete


def test_limits_by_id(t):
    """XEP-0313 §4.1.3 examples 8 and 9: after-id, before-id, with pages between them"""
    a, b = talk(t, 8)
    ids = query(a).ids
    assert query(a, after_id=ids[2]).ids == ids[3:]
    assert query(a, before_id=ids[2]).ids == ids[:2]
    assert query(a, after_id=ids[1], before_id=ids[6]).ids == ids[2:6]
    p = query(a, rsm(max=2), after_id=ids[1], before_id=ids[6])
    assert p.ids == ids[2:4] and not p.complete, 'before-id does not turn the page'
    p = query(a, rsm(max=2, before=''), after_id=ids[1], before_id=ids[6])
    assert p.ids == ids[4:6] and not p.complete
    p = query(a, rsm(max=2, after=ids[3]), after_id=ids[1], before_id=ids[6])
    assert p.ids == ids[4:6] and p.complete


def test_ids(t):
    """XEP-0313 §4.1.3 example 10: single messages"""
    a, b = talk(t, 5)
    ids = query(a).ids
    assert query(a, ids=ids[3]).bodies == ['line 3']
    p = query(a, ids=[ids[4], ids[1], ids[1]])
    assert p.ids == [ids[1], ids[4]] and p.complete
    assert query(a, ids=ids[:2], **{'with': b.bare}).ids == ids[:2]
    assert query(a, ids=ids[:2], **{'with': 'nobody@example.org'}).ids == []


def test_unknown_ids(t):
    """XEP-0313 §4.1.3, §4.3.2 example 15: an id that is not in this archive is item-not-found, everywhere"""
    a, b = talk(t, 2)
    c, d = talk(t, 2)
    own, foreign = query(a).ids[0], query(c).ids[0]
    for id in ('09af3-cc343-b409f', '1', '99999999999999999999999', '-5', foreign, str(int(own) + 1)):
        for p in (query(a, after_id=id), query(a, before_id=id), query(a, ids=id), query(a, ids=[own, id]),
                  query(a, rsm(max=5, after=id)), query(a, rsm(max=5, before=id)),
                  query(a, rsm(max=0, after=id))):
            assert p.error == 'item-not-found' and not p.results, (id, p.answer)
    assert query(a, rsm(after='')).bodies == said(2), 'an empty after is the beginning'


def test_flip(t):
    """XEP-0313 §4.3.4 example 17: the same page, sent from its end"""
    a, b = talk(t, 6)
    for page in (rsm(max=3), rsm(max=3, before=''), rsm(max=2, after=query(a).ids[1])):
        straight, flipped = query(a, page), query(a, page, flip=True)
        assert flipped.ids == straight.ids[::-1]
        assert (flipped.at('first'), flipped.at('last')) == (straight.at('first'), straight.at('last'))
        assert flipped.complete == straight.complete


def test_count(t):
    """XEP-0059 §2.7: a count for those who ask for nothing else"""
    a, b = talk(t, 5)
    for fields, n in (({}, 5), ({'with': b.bare}, 5), ({'with': 'x@example.org'}, 0), ({'end': '2001-01-01T00:00:00Z'}, 0)):
        p = query(a, rsm(max=0), **fields)
        assert not p.results and p.at('count') == str(n) and p.set.find('first') is None, p.answer


def test_page_limits(t):
    """XEP-0313 §4.3.1: the server's own limit, with or without a <set/>"""
    a, b = t.online(), t.online()
    for i in range(60):
        a.message(b.jid, 'm %d' % i)
    b.expect_message('m 59')
    p = query(b)
    assert p.bodies == ['m %d' % i for i in range(50)] and not p.complete
    p = query(b, rsm(max=100000))
    assert len(p.ids) == 60 and p.complete


@alone(limits__history_page=10, limits__history_page_bytes=65536)
def test_large_messages(t):
    """Bytes of a page are limited, and what was left out comes with the next"""
    a, b = t.online(), t.online()
    for i in range(8):
        a.message(b.jid, '%d %s' % (i, 'x' * 30000))
    for i in range(8):
        b.expect(lambda e: e.name == 'message')
    for page, turn in ((lambda p: rsm(max=8, after=p and p.at('last')), False), (lambda p: rsm(max=8, before=p.at('first') if p else ''), True)):
        p, got = None, []
        while p is None or not p.complete:
            p = query(b, page(p))
            assert 1 <= len(p.ids) <= 3, len(p.ids)
            got = p.bodies + got if turn else got + p.bodies
        assert [x[0] for x in got] == list('01234567')
    assert len(query(b, rsm(max=500)).ids) <= 10


def test_form(t):
    """XEP-0313 §4.1.5 examples 12 and 13: the fields, none required, the list of ids open"""
    a = t.online()
    x = a.iq('get', "<query xmlns='%s'/>" % MAM).find(MAM + ':query', 'data:x')
    fields = {f.get('var'): f for f in x.all('field')}
    assert x.get('type') == 'form'
    assert fields.pop('FORM_TYPE').text('value') == MAM
    types = {k: f.get('type') for k, f in fields.items()}
    assert types == {'with': 'jid-single', 'start': 'text-single', 'end': 'text-single', 'before-id': 'text-single',
                     'after-id': 'text-single', 'ids': 'list-multi'}, types
    assert not any(f.find('required') for f in fields.values())
    assert fields['ids'].find('http://jabber.org/protocol/xdata-validate:validate', 'open') is not None


def test_bad_queries(t):
    """XEP-0313 §4.1.5 and §4.3: unknown fields, wrong values, wrong forms, malformed sets"""
    a, b = talk(t, 1)
    def error(payload):
        answer = a.iq('set', "<query xmlns='%s'>%s</query>" % (MAM, payload))
        assert not a.heard_any(lambda e: e.name == 'message'), payload
        return answer.condition() if answer.get('type') == 'error' else None
    for fields, wanted in (({'{http://example.com/}free-text-search': 'x'}, 'feature-not-implemented'),
                           ({'include_groupchat': 'true'}, 'feature-not-implemented'),
                           ({'start': 'yesterday'}, 'bad-request'), ({'end': '2010-06-07'}, 'bad-request'), ({'start': ''}, 'bad-request'),
                           ({'with': '@@'}, 'bad-request'), ({'with': ''}, 'bad-request')):
        assert error(form(fields)) == wanted, fields
    assert error(form({}, 'urn:xmpp:mam:1')) == 'bad-request'
    assert error(form({}, None)) == 'bad-request'
    assert error(form({}, kind='form')) == 'bad-request'
    assert error(form({'with': 'a@b', 'WITH': 'a@b'})) == 'feature-not-implemented'
    assert error("<x xmlns='jabber:x:data'/>") == 'bad-request'
    for page, wanted in ((rsm(max='ten'), 'bad-request'), (rsm(max=-1), 'bad-request'), (rsm(after='1', before='2'), 'bad-request'),
                         (rsm(max=10, index=3), 'feature-not-implemented')):
        assert error(page) == wanted, page
    assert query(a, node='urn:example').error == 'feature-not-implemented'
    assert query(a, ids=[str(i) for i in range(2000)]).error == 'policy-violation'
    assert query(a).bodies == said(1)


def test_somebody_elses(t):
    """XEP-0313 §9.1: someone else's archive is forbidden, whether it exists or not, for contacts too"""
    a, b = t.friends()
    nobody = 'nobody-at-all@%s' % t.server.domain
    for to in (b.bare, nobody):
        assert query(a, to=to).error == 'forbidden'
        assert a.iq('get', "<query xmlns='%s'/>" % MAM, to).condition() == 'forbidden'
        assert a.iq('get', "<metadata xmlns='%s'/>" % MAM, to).condition() == 'forbidden'
        assert a.iq('get', "<prefs xmlns='%s'/>" % MAM, to).condition() == 'forbidden'
        assert a.iq('set', "<prefs xmlns='%s' default='never'/>" % MAM, to).condition() == 'forbidden'
    assert query(a, to=a.server.domain).error == 'service-unavailable', 'the server has no archive'
    assert query(a, to=a.bare).error is None


def test_metadata(t):
    """XEP-0313 §5 examples 18 and 19: where the archive begins and ends"""
    a, b = talk(t, 3)
    p = query(a)
    m = a.iq('get', "<metadata xmlns='%s'/>" % MAM).find(MAM + ':metadata')
    assert (m.find('start').get('id'), m.find('end').get('id')) == (p.ids[0], p.ids[-1])
    assert (m.find('start').get('timestamp'), m.find('end').get('timestamp')) == (stamp(p.results[0]), stamp(p.results[-1]))


# -- what is in it ---------------------------------------------------------------------------------------------

def test_what_is_kept(t):
    """XEP-0313 §6.1.1: conversations with all that supplements them; no errors, headlines, typing or signalling"""
    a, b = t.online(), t.online()
    kept = {
        'plain': '<body>x</body>', 'subject': '<subject>x</subject>',
        'receipt': "<received xmlns='urn:xmpp:receipts' id='x'/>", 'marker': "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>",
        'correction': "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='x'/>",
        'reaction': "<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>\U0001f44b</reaction></reactions>",
        'omemo': "<encrypted xmlns='urn:example:not-this'/><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>",
        'invitation': "<x xmlns='jabber:x:conference' jid='room@example.org'/>",
        'call': "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>",
        'unknown-store': "<thing xmlns='urn:example:thing'/><store xmlns='%s'/>" % HINTS,
    }
    out = {
        'typing': "<composing xmlns='http://jabber.org/protocol/chatstates'/>", 'unknown': "<thing xmlns='urn:example:thing'/>",
        'markable': "<markable xmlns='urn:xmpp:chat-markers:0'/>", 'request': "<request xmlns='urn:xmpp:receipts'/>",
    }
    for id, inner in {**kept, **out}.items():
        a.message(b.jid, id=id, inner=inner)
        b.expect_message(id=id)
    a.message(b.jid, 'normal', type=None, id='normal')
    b.expect_message(id='normal')
    for type in ('headline', 'error'):
        a.message(b.jid, 'x', type=type, id=type)
        b.expect_message(id=type)
    for c in (a, b):
        assert [m.get('id') for m in query(c).messages] == list(kept) + ['normal']
    got = query(b, ids=query(b).ids[4]).messages[0]
    assert got.find('urn:xmpp:message-correct:0:replace').get('id') == 'x', 'all of it is there (XEP-0308)'


def test_hints(t):
    """XEP-0334 §4: no-store and no-permanent-store keep it out of the archive, never out of the record"""
    a, b = t.online(), t.online()
    for i, hint in enumerate(('no-store', 'no-permanent-store', 'no-copy', 'store')):
        a.message(b.jid, hint, inner="<%s xmlns='%s'/>" % (hint, HINTS))
        b.expect_message(hint)
    for c in (a, b):
        assert query(c).bodies == ['no-copy', 'store']
    assert len(t.server.records("from_bare = '%s' and kind <> 24" % a.bare)) == 4


def test_store_hint_alone(t):
    """XEP-0334 §4.4: with <store/> what would be a typing notification is recorded, kept for later and in the archive"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    typing = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
    a.message(bare, None, id='typing', inner=typing)
    a.message(bare, None, id='kept', inner=typing + "<store xmlns='%s'/>" % HINTS)
    a.acked()
    b = t.online(user)
    b.expect_message(id='kept')
    for c in (a, b):
        assert [m.get('id') for m in query(c).messages] == ['kept']


def test_hints_offline(t):
    """XEP-0334 §4.2, §4.1: no-store is not kept for later, no-permanent-store is"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for hint in ('no-store', 'no-permanent-store', 'store'):
        a.message(bare, hint, inner="<%s xmlns='%s'/>" % (hint, HINTS))
    a.acked()
    a.ping(bare)    # behind them: they have arrived
    b = t.online(user)
    b.expect_message('no-permanent-store')
    b.expect_message('store')
    a.message(b.jid, 'live')
    b.expect_message('live')
    assert not b.heard_any(lambda e: e.name == 'message'), b.heard
    assert len(t.server.records("from_bare = '%s' and kind <> 24" % a.bare)) == 4


def test_retraction(t):
    """XEP-0424 §3, §4: both see a tombstone and the retraction; the record keeps what was said"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'Have not saints lips, and holy palmers too?', id='wrong-recipient-1', inner="<thread>t</thread>")
    b.expect_message(id='wrong-recipient-1')
    a.message(b.jid, '/me retracted a previous message', id='retract-message-1',
              inner="<retract id='wrong-recipient-1' xmlns='urn:xmpp:message-retract:1'/><store xmlns='%s'/>" % HINTS)
    b.expect_message(id='retract-message-1')
    for c in (a, b):
        t.server.wait(lambda: query(c).messages[0].find('retracted') is not None, 'the tombstone')
        p = query(c)
        assert [m.get('id') for m in p.messages] == ['wrong-recipient-1', 'retract-message-1']
        tomb = p.messages[0]
        assert [e.name for e in tomb.all()] == ['retracted'] and tomb.get('from') == a.jid, tomb
        r = tomb.find('urn:xmpp:message-retract:1:retracted')
        assert r.get('id') == 'retract-message-1' and r.get('stamp') == stamp(p.results[1])
        assert stamp(p.results[0]) <= stamp(p.results[1])
        assert query(c, **{'with': (b if c is a else a).bare}).messages[0].find('retracted') is not None
    assert t.server.records("client_id = 'wrong-recipient-1' and from_bare = '%s'" % a.bare, 'body') == [
        ['Have not saints lips, and holy palmers too?']]


def test_retraction_by_origin_id(t):
    """XEP-0424 §5.1: the origin-id, where a client uses another id on the stanza"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'x', id='on-the-stanza', inner="<origin-id xmlns='urn:xmpp:sid:0' id='it&apos;s &lt;1&gt;'/>")
    a.message(b.jid, 'y', inner="<retract id='it&apos;s &lt;1&gt;' xmlns='urn:xmpp:message-retract:1'/>")
    b.expect_message('y')
    t.server.wait(lambda: query(a).messages[0].find('retracted') is not None, 'the tombstone')


def test_forged_retraction(t):
    """XEP-0424 §5: only who sent it, in that conversation; nothing that was retracted comes back"""
    a, b, c = t.online(), t.online(), t.online()
    a.message(b.jid, 'mine', id='mine')
    b.expect_message('mine')
    retract = "<retract id='mine' xmlns='urn:xmpp:message-retract:1'/>"
    for x, y in ((b, a), (c, b), (c, a), (a, c)):
        x.message(y.jid, 'not yours', inner=retract)
        y.expect_message('not yours')
    a.message(b.jid, 'later', inner="<retract id='never-was' xmlns='urn:xmpp:message-retract:1'/>")
    b.expect_message('later')
    a.message(b.jid, 'empty', inner="<retract xmlns='urn:xmpp:message-retract:1'/>")
    b.expect_message('empty')
    for x in (a, b, c):
        x.iq('set', "<prefs xmlns='%s' default='always'/>" % MAM)   # a job behind theirs
    assert query(b, **{'with': a.bare}).bodies == ['mine', 'not yours', 'later', 'empty']


def test_retraction_by_the_next_owner(t):
    """XEP-0424 §5: who has got the name of a deleted account takes back nothing that its predecessor said"""
    a, b = t.online(), t.online()
    retract = "<retract id='%s' xmlns='urn:xmpp:message-retract:1'/>"
    a.message(b.jid, 'old', id='old')
    b.expect_message('old')
    a.close()
    t.server.cli('user', 'delete', a.bare)
    t.server.add_users([(a.user, a.password)])
    c = t.online((a.user, a.password))
    c.message(b.jid, 'new', id='new')
    for id in 'old', 'new':
        c.message(b.jid, 'back', inner=retract % id)
        b.expect_message('back')
    t.server.wait(lambda: query(b).messages[1].find('retracted') is not None, 'the tombstone of its own')
    assert query(b).messages[0].text('body') == 'old'


def test_corrections_and_reactions_stay(t):
    """XEP-0308, XEP-0444 with XEP-0313: entries of their own, which clients put together"""
    a, b = t.online(), t.online()
    a.message(b.jid, 'typo', id='one')
    a.message(b.jid, 'fixed', id='two', inner="<replace xmlns='urn:xmpp:message-correct:0' id='one'/>")
    b.expect_message('fixed')
    b.message(a.jid, id='three', inner="<reactions xmlns='urn:xmpp:reactions:0' id='one'><reaction>\U0001f422</reaction></reactions>")
    a.expect_message(id='three')
    for c in (a, b):
        assert [m.get('id') for m in query(c).messages] == ['one', 'two', 'three']
    rows = t.server.records("client_id in ('two', 'three') and '%s' in (from_bare, to_bare)" % a.bare, 'kind, refers_to')
    assert rows == [['2', 'one'], ['4', 'one']]


def test_new_owner_of_a_name(t):
    """Design §5: a name that is used again sees nothing of its predecessor"""
    a, user = t.online(), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    b = t.online(user)
    b.message(a.jid, 'my secret')
    a.expect_message('my secret')
    a.message(b.jid, 'your secret')
    b.expect_message('your secret')
    assert len(query(b).ids) == 2
    old = query(b).ids[0]
    b.close()
    code, out, err = t.server.cli('user', 'delete', bare)
    assert code == 0, (out, err)
    t.server.add_users([(user[0], 'another')])
    def log_in():
        """While the old one's delivery mark is being written, its name is taken."""
        try:
            return t.online((user[0], 'another'))
        except AssertionError:
            return None
    c = t.server.wait(log_in, 'the new account')
    assert query(c).ids == [] and query(c, **{'with': a.bare}).ids == []
    assert query(c, after_id=old).error == 'item-not-found' and query(c, ids=old).error == 'item-not-found'
    assert c.iq('get', "<metadata xmlns='%s'/>" % MAM).find('metadata').all() == []
    c.message(a.jid, 'hello')
    a.expect_message('hello')
    assert query(c).bodies == ['hello']
    assert query(a, **{'with': bare}).bodies == ['my secret', 'your secret', 'hello']


@alone(modules__history_days=1)
def test_retention(t):
    """modules.history_days: what is older is not shown; it stays in the record"""
    a, b = talk(t, 2)
    old = int(query(a).ids[0]) - 2 * 86400 * 1000000
    t.server.psql("insert into archive.record (id, log_index, at, kind, direction, deliverable, from_bare, to_bare, type, body, stanza,"
                  " leaf_hash, shown, from_hash, to_hash, pair_hash)"
                  " select %d, log_index + 1000000, at - interval '2 days', kind, direction, false, from_bare, to_bare, type, 'old', stanza,"
                  " leaf_hash, shown, from_hash, to_hash, pair_hash from archive.record where from_bare = '%s' and kind <> 24" % (old, a.bare))
    t.server.psql("update chancery.account set created_at = now() - interval '30 days'")
    t.server.restart()
    a = t.online(a)
    assert query(a).bodies == said(2) and query(a, rsm(max=0)).at('count') == '2'
    assert query(a, start='2001-01-01T00:00:00Z').bodies == said(2)
    assert query(a, after_id=old).error == 'item-not-found'
    assert a.iq('get', "<metadata xmlns='%s'/>" % MAM).find('metadata', 'start').get('id') != str(old)
    assert len(t.server.records('id = %d' % old)) == 1


# -- preferences -----------------------------------------------------------------------------------------------

def prefs(default, always=(), never=()):
    def jids(name, l):
        return '<%s>%s</%s>' % (name, ''.join('<jid>%s</jid>' % escape(j) for j in l), name)
    return "<prefs xmlns='%s' default='%s'>%s%s</prefs>" % (MAM, default, jids('always', always), jids('never', never))


def shown_prefs(answer):
    p = answer.find(MAM + ':prefs')
    return p.get('default'), [j.text() for j in p.find('always').all('jid')], [j.text() for j in p.find('never').all('jid')]


def test_prefs(t):
    """XEP-0441 §2.1 examples 1 to 5: read, set, read by another client and after a restart of the session"""
    a = t.online()
    get = "<prefs xmlns='%s'/>" % MAM
    assert shown_prefs(a.iq('get', get)) == ('always', [], [])
    wanted = ('roster', ['romeo@montague.lit'], ['montague@montague.lit', 'tybalt@capulet.lit/sword'])
    assert shown_prefs(a.iq('set', prefs(*wanted))) == wanted
    assert shown_prefs(a.iq('get', get)) == wanted
    assert shown_prefs(t.online(a).iq('get', get)) == wanted
    assert t.server.value("select preset from chancery.history_prefs p join chancery.account a on a.id = p.account"
                          " where bare = '%s'" % a.bare) == 'roster'
    assert shown_prefs(a.iq('set', "<prefs xmlns='%s' default='always'/>" % MAM)) == ('always', [], []), 'missing lists are empty'


def test_prefs_errors(t):
    """XEP-0441 §2.1: wrong default, wrong addresses, too many"""
    a = t.online()
    assert a.iq('set', prefs('sometimes')).condition() == 'bad-request'
    assert a.iq('set', "<prefs xmlns='%s'/>" % MAM).condition() == 'bad-request'
    assert a.iq('set', prefs('always', ['@'])).condition() == 'jid-malformed'
    assert a.iq('set', prefs('always', [], ['u%d@example.org' % i for i in range(501)])).condition() == 'policy-violation'
    assert shown_prefs(a.iq('get', "<prefs xmlns='%s'/>" % MAM)) == ('always', [], [])


def test_prefs_decide(t):
    """XEP-0441 §2.1.1 to §2.3: never, always, roster; for what passes from now on; the other side and the record see all"""
    a, b = t.friends()
    c = t.online()
    def say(body):
        for x in (b, c):
            a.message(x.jid, body)
            x.expect_message(body)
            x.message(a.jid, body)
            a.expect_message(body)
    def seen(body):
        return [m.get('from') if m.get('from') != a.jid else m.get('to') for m in query(a).messages if m.text('body') == body]
    say('before')
    for body, p, wanted in (('never', prefs('never'), []), ('roster', prefs('roster'), [b.jid, b.jid]),
                            ('list', prefs('always', never=[b.bare]), [c.jid, c.jid]),
                            ('resource', prefs('always', never=[c.jid, b.bare + '/other']), [b.jid, b.jid]),
                            ('always', prefs('never', always=[c.bare]), [c.jid, c.jid])):
        assert a.iq('set', p).get('type') == 'result'
        say(body)
        a.iq('set', prefs('always'))    # a job behind what was said
        assert seen(body) == wanted, (body, seen(body))
        assert query(b, **{'with': a.bare}).bodies.count(body) == 2
        assert len(t.server.records("body = '%s' and '%s' in (from_bare, to_bare)" % (body, a.bare))) == 4
    assert seen('before') == [b.jid, b.jid, c.jid, c.jid], 'what was kept stays'
    p = query(a, rsm(max=0))
    assert int(p.at('count')) == len(query(a, rsm(max=200)).ids)
    hidden = [i for i in query(b, **{'with': a.bare}).ids if i not in query(a).ids]
    assert hidden and query(a, ids=hidden[0]).error == 'item-not-found'


# -- with offline delivery -------------------------------------------------------------------------------------

def test_fetched_does_not_come_again(t):
    """XEP-0313 §6.1.1: who caught up by the archive and confirmed it is not sent the same as offline messages"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    for i in range(6):
        a.message(bare, 'late %d' % i)
    a.acked()
    b = t.bound(user, sm=True)
    assert query(b, rsm(max=4)).bodies == said(4, 'late')
    b.ping()
    b.ack()
    b.ping()
    b.online()
    b.expect_message('late 4')
    b.expect_message('late 5')
    a.message(b.jid, 'live')
    b.expect_message('live')
    assert not b.heard_any(lambda e: e.name == 'message'), b.heard


def test_unconfirmed_comes_again(t):
    """P2: what a client was given as a result and did not confirm comes as an offline message"""
    a, user = t.online(sm=True), t.user()
    bare = '%s@%s' % (user[0], t.server.domain)
    a.message(bare, 'important')
    a.acked()
    b = t.bound(user, sm=True)
    b.answer_r = False
    assert query(b).bodies == ['important']
    b.cut()
    c = t.online(user)
    c.expect_message('important')


def test_fetched_is_still_live_for_others(t):
    """P2: what one client has fetched is delivered to the others all the same"""
    a, b = t.online(), t.online(sm=True)
    b2 = t.online(b)
    for i in range(5):
        a.message(b.bare, 'x %d' % i)
        query(b)
        b.ack()
    for i in range(5):
        b.expect_message('x %d' % i)
        b2.expect_message('x %d' % i)


def test_detached_session(t):
    """XEP-0198 with XEP-0313: results that were lost with the connection come again when it resumes"""
    a, b = talk(t, 3)
    a.answer_r = False
    id = a.iq_send('set', "<query xmlns='%s' queryid='r'/>" % MAM)
    a.expect(lambda e: e.name == 'iq' and e.get('id') == id)
    a.sm_in -= 4      # three results and the answer were lost
    a.heard.clear()
    a.cut()
    c = t.client(a).authenticated()
    assert c.resume(a).name == 'resumed'
    c.expect(lambda e: e.name == 'iq' and e.get('id') == id)
    got = c.heard_any(lambda e: e.name == 'message' and e.find('result') is not None)
    assert [r.find('result', 'forwarded', 'message').text('body') for r in got] == said(3)


def test_many_queries(t):
    """P7: a client that asks and does not take the answers is told to wait, and is not ended"""
    a, b = t.online(), t.online(sm=True)
    for i in range(100):
        a.message(b.jid, 'm %d' % i)
    b.expect_message('m 99')
    b.ping()
    b.ack()
    b.answer_r = False
    answers = []
    for _ in range(30):
        id = b.iq_send('set', "<query xmlns='%s'>%s</query>" % (MAM, rsm(max=100)))
        answers.append(b.expect(lambda e: e.name == 'iq' and e.get('id') == id))
        b.heard.clear()
    errors = [e for e in answers if e.get('type') == 'error']
    assert errors and errors[0].condition() == 'resource-constraint' and errors[0].find('error').get('type') == 'wait'
    assert sum(e.get('type') == 'result' for e in answers) >= 9
    b.answer_r = True
    b.ack()
    b.ping()
    assert len(query(b, rsm(max=100)).ids) == 100

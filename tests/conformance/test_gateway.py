"""Gateways to public networks, the server's side (issue 8): who may use which, what their programs keep here, how these are started; what they say of
people elsewhere is in the record. The gateway is a component of the scenario's."""
import json
import os
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

from chancerytest.client import Closed, unique
from chancerytest.desk import Person
from chancerytest.element import NAMES
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import Slot, get, put, service
from chancerytest.upload import NS as NS_UPLOAD
from test_admin import fails, ok, rows
from test_search import indexed

NS = NAMES['gw'] = 'urn:chancery:gateway:0'
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
PROGRAM = '''#!/usr/bin/python3
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
line = sys.stdin.readline()
with open(os.path.join(here, 'new'), 'w') as f:
    f.write(line)
os.rename(os.path.join(here, 'new'), os.path.join(here, 'start.%d' % os.getpid()))
if os.path.exists(os.path.join(here, 'refuse')):
    sys.exit(2)
sys.stdin.read()
open(os.path.join(here, 'end.%d' % os.getpid()), 'w').close()
'''


class Gateway:
    """Added, and connected unless told otherwise."""

    def __init__(self, t, kind='test', settings=None, connect=True):
        self.t, self.name = t, unique('gw').lower()
        self.domain = '%s.%s' % (self.name, t.server.domain)
        args = ['--settings', '-'] if settings is not None else []
        ok(t, 'gateway', 'add', self.name, kind, self.domain, *args, stdin=json.dumps(settings))
        self.c = self.connect() if connect else None

    def connect(self):
        secret = self.t.server.value("select secret from chancery.component where name = '%s'" % self.name)
        self.c = self.t.component(self.domain, secret).joined()
        return self.c

    def allow(self, group='everyone', *rights, **more):
        options = [x for r in rights for x in ('--right', r)] + [x for k, v in more.items() for x in ('--' + k.replace('_', '-'), str(v))]
        ok(self.t, 'gateway', 'allow', self.name, group, *options)
        return self

    def show(self):
        return rows(self.t, 'gateway', 'show', self.name)[0]

    def send(self, to, body, who='nick', extra='', type='chat', id=None):
        id = id or unique('g')
        self.c.send("<message type='%s' id='%s' from='%s@%s' to='%s'><body>%s</body>%s</message>" % (type, id, who, self.domain, to, body, extra))
        return id

    def ask(self, type, payload, c=None, domain=None):
        """The answer to an IQ of the gateway's."""
        c, id = c or self.c, unique('q')
        c.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (type, id, domain or self.domain, self.t.server.domain, payload))
        return c.expect(lambda e: e.name == 'iq' and e.get('id') == id)

    def get(self, name, text='', **attrs):
        return self.ask('get', element(name, text, **attrs))

    def set(self, name, text='', **attrs):
        return self.ask('set', element(name, text, **attrs))


def element(name, text='', **attrs):
    return "<%s xmlns='%s'%s>%s</%s>" % (name, NS, ''.join(" %s='%s'" % i for i in attrs.items()), text, name)


def group(t, c, name):
    ok(t, 'user', 'set', c.bare, 'group+=' + name)


def asked(name):
    """An IQ of type set with this element."""
    return lambda e: e.name == 'iq' and e.get('type') == 'set' and any(c.name == name for c in e.all())


def condition(c, id):
    return c.expect(lambda e: e.get('type') == 'error' and e.get('id') == id).condition()


def audit(t, target):
    return [r[0] for r in t.server.psql("select action from chancery.audit where target = '%s' order by id" % target)]


def test_life(t):
    """Issue 8: a gateway is added, shown, switched off and on, removed, at once; each is audited; its component is no one's own business"""
    g = Gateway(t, settings={'network': {'server': 'irc.example.net', 'password': 'pw1'}})
    r = g.show()
    assert (r['kind'], r['domain'], r['enabled'], r['connected'], r['rules'], r['users']) == ('test', g.domain, True, True, [], 0), r
    assert r['settings'].pop('upload_url').endswith('/upload/'), r
    assert r['settings'] == {'network': {'server': 'irc.example.net', 'password': '***'}, 'upload': 'upload.' + t.server.domain}, r
    assert g.name in ok(t, 'gateway', 'list') and 'nobody may use it' in ok(t, 'gateway', 'show', g.name)
    for verb in 'disable', 'secret', 'remove':
        assert 'is a gateway' in fails(t, 1, 'component', verb, g.name), verb
    ok(t, 'gateway', 'disable', g.name)
    try:
        g.c.expect('nothing')
    except Closed as e:
        assert e.error == 'host-gone', e.error
    assert not g.show()['enabled']
    ok(t, 'gateway', 'enable', g.name)
    g.connect()
    ok(t, 'gateway', 'set', g.name, '--settings', '-', stdin='{"network": {"server": "other.example.net", "password": "***"}}')
    kept = json.loads(t.server.value("select settings from chancery.gateway where name = '%s'" % g.name))
    assert kept['network'] == {'server': 'other.example.net', 'password': 'pw1'}, kept
    q = g.c.expect(asked('settings'))
    assert json.loads(q.find('gw:settings').text()) == kept, q
    g.allow('staff', 'send', 'receive', per_minute=7)
    assert g.show()['rules'] == [{'group': 'staff', 'rule': 'allow', 'rights': ['send', 'receive'], 'per_minute': 7}]
    ok(t, 'gateway', 'deny', g.name, 'staff')
    assert g.show()['rules'] == [{'group': 'staff', 'rule': 'deny'}]
    ok(t, 'gateway', 'forget', g.name, 'staff')
    assert g.show()['rules'] == []
    ok(t, 'gateway', 'remove', g.name)
    assert 'no gateway' in fails(t, 1, 'gateway', 'show', g.name)
    assert audit(t, g.name) == ['gateway.' + a for a in ('add', 'disable', 'enable', 'set', 'allow', 'deny', 'forget', 'remove')], audit(t, g.name)
    assert not t.server.records("stanza like '%pw1%'", 'id'), 'a password in the record'


def test_wrong_arguments(t):
    """Issue 8: names, kinds, domains, settings and rights that make no sense are refused, with the reason"""
    d = 'x.' + t.server.domain
    for args, why in ((('gw x', 'irc', d), 'name'), (('x1', 'IRC', d), 'kind'), (('x1', 'irc', t.server.domain), 'own'), (('x1', 'irc', '..'), 'domain')):
        assert why in fails(t, 1, 'gateway', 'add', *args), args
    g = Gateway(t, connect=False)
    assert 'of this name' in fails(t, 1, 'gateway', 'add', g.name, 'irc', d)
    assert 'another component' in fails(t, 1, 'gateway', 'add', g.name + 'x', 'irc', g.domain)
    assert 'hidden' in fails(t, 1, 'gateway', 'set', g.name, '--settings', '-', stdin='{"password": "***"}')
    fails(t, 2, 'gateway', 'set', g.name, '--settings', '-', stdin='[]')
    assert 'network' in fails(t, 1, 'gateway', 'set', g.name, '--settings', '-', stdin='{"networks": {"libera": {}}}')
    assert 'rights' in fails(t, 1, 'gateway', 'allow', g.name, 'staff', '--right', 'fly')
    assert 'no such rule' in fails(t, 1, 'gateway', 'forget', g.name, 'staff')
    for verb in 'set', 'allow':
        assert 'no ' in fails(t, 1, 'gateway', verb, 'nobody', *(['--rate', '1'] if verb == 'set' else ['x'])), verb


def test_policy_out(t):
    """Issue 8, policy: nobody may use a network unless a rule lets a group of theirs; what was not allowed is not in the record and does not arrive"""
    g, romeo = Gateway(t), t.online()
    who = 'nick@' + g.domain
    before = t.server.metric('chancery_networks_refused_total')
    assert condition(romeo, romeo.message(who, 'no rule')) == 'forbidden'
    g.allow('staff')
    assert condition(romeo, romeo.message(who, 'not of the group')) == 'forbidden'
    for type in 'probe', 'result', 'unavailable', 'unsubscribe':
        # As a type of messages it is unknown, and means a normal one (RFC 6121 §5.2.2).
        assert condition(romeo, romeo.message(who, 'as ' + type, type=type)) == 'forbidden', type
    assert condition(romeo, romeo.iq_send('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=g.domain)) == 'forbidden'
    assert t.server.metric('chancery_networks_refused_total') >= before + 3
    group(t, romeo, 'staff')
    romeo.message(who, 'allowed', id='m1')
    m = g.c.expect('message')
    assert m.text('body') == 'allowed' and m.get('from') == romeo.jid, m
    id, = t.server.records("from_bare = '%s' and kind = 1" % romeo.bare, 'id')
    sid = m.find('sid:stanza-id')
    assert (sid.get('id'), sid.get('by')) == (id[0], t.server.domain), m
    ok(t, 'gateway', 'deny', g.name, 'everyone')
    assert condition(romeo, romeo.message(who, 'denied')) == 'forbidden'
    ok(t, 'gateway', 'forget', g.name, 'everyone')
    g.allow('staff', 'receive')
    assert condition(romeo, romeo.message(who, 'may only read')) == 'forbidden'
    assert 'network-refused' in t.server.log()
    bodies = t.server.records("from_bare = '%s' and kind = 1" % romeo.bare, 'body')
    assert bodies == [['allowed']], bodies


def test_policy_rooms_and_accounts(t):
    """Issue 8, policy: rooms and accounts of one's own are rights of their own; what ends something always passes"""
    g, romeo = Gateway(t).allow('everyone', 'send', 'receive'), t.online()
    room = '#x%%net@%s' % g.domain
    romeo.stanza("<presence to='%s/me' id='p1'>%s</presence>" % (room, MUC))
    assert condition(romeo, 'p1') == 'forbidden'
    assert condition(romeo, romeo.message(room, 'said', type='groupchat')) == 'forbidden'
    register = "<query xmlns='jabber:iq:register'>%s</query>"
    assert condition(romeo, romeo.iq_send('set', register % '<username>me</username>', to=g.domain)) == 'forbidden'
    id = romeo.iq_send('set', register % '<remove/>', to=g.domain)
    g.c.answer(g.c.expect(asked('query')))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'result')
    g.allow('everyone', 'send', 'receive', 'join', 'own-account')
    romeo.stanza("<presence to='%s/me'>%s</presence>" % (room, MUC))
    assert g.c.expect('presence').get('to') == room + '/me'
    romeo.message(room, 'said', type='groupchat')
    assert g.c.expect('message').text('body') == 'said'
    id = romeo.iq_send('set', register % '<username>me</username>', to=g.domain)
    g.c.answer(g.c.expect(asked('query')))
    romeo.expect(lambda e: e.get('id') == id and e.get('type') == 'result')
    ok(t, 'gateway', 'forget', g.name, 'everyone')
    romeo.stanza("<presence to='%s/me' type='unavailable'/>" % room)
    assert g.c.expect('presence').get('type') == 'unavailable'


def ask_slot(g, jid, from_, name='a.txt', size=5, c=None, domain=None):
    """A gateway's request for a slot, for somebody of ours from somebody at its network."""
    c, id = c or g.c, unique('q')
    for_ = "<for xmlns='%s' jid='%s' from='%s'/>" % (NS, jid, from_) if jid else ''
    c.send("<iq type='get' id='%s' from='%s' to='%s'><request xmlns='%s' filename='%s' size='%d' content-type='text/plain'>%s</request></iq>"
           % (id, domain or g.domain, service(g.t.server), NS_UPLOAD, name, size, for_))
    return c.expect(lambda e: e.name == 'iq' and e.get('id') == id)


def test_files_in(t):
    """Issue 8, files: a gateway uploads for somebody of ours, in the name of who sends it: scanned, in the record as theirs, on the account's quota; what is infected is refused"""
    g, romeo = Gateway(t).allow('everyone', 'receive', 'receive-file'), t.online()
    bob = 'bob\\40x.example@' + g.domain
    s = Slot(ask_slot(g, romeo.bare, bob))
    assert put(t, s, b'hello').status == 201 and get(t, s).body == b'hello'
    assert t.server.records("kind = 22 and from_bare = '%s'" % bob, 'to_bare') and not t.server.records("kind = 22 and from_bare = '%s'" % romeo.bare, 'id')
    assert t.server.value("select count(*) from chancery.upload u join chancery.account a on a.id = u.account where a.bare = '%s' and u.owner = '%s'" % (romeo.bare, bob)) == '1'
    s = Slot(ask_slot(g, romeo.bare, bob, 'invoice.txt', len(EICAR)))
    a = put(t, s, EICAR)
    assert a.status == 403 and b'Eicar' in a.body and get(t, s).status != 200, a


def test_files_in_policy(t):
    """Issue 8, files: no slot where the network or its recipient may not: without the right, for nobody, from elsewhere, switched off; nor for who is no gateway"""
    g, romeo, other = Gateway(t).allow('staff', 'receive', 'receive-file').allow('everyone', 'send', 'receive'), t.online(), t.component()
    bob = 'bob@' + g.domain
    for jid, from_ in ((romeo.bare, bob), (unique('nobody') + '@' + t.server.domain, bob), (bob, bob), (romeo.bare, romeo.bare), (romeo.bare, g.domain), ('@', bob), (None, None)):
        assert ask_slot(g, jid, from_).condition() == 'forbidden', (jid, from_)
    group(t, romeo, 'staff')
    Slot(ask_slot(g, romeo.bare, bob))
    other.joined()
    assert ask_slot(g, romeo.bare, 'x@' + other.domain, c=other, domain=other.domain).condition() == 'forbidden'
    ok(t, 'user', 'set', romeo.bare, 'group-=staff')
    assert ask_slot(g, romeo.bare, bob).condition() == 'forbidden'


def test_switched_off_in_use(t):
    """Issue 8, policy: a network is switched off while it is in use: who writes is told, its stream ends, and it is back when it is switched on"""
    g, romeo = Gateway(t).allow(), t.online()
    romeo.message('a@' + g.domain, 'one')
    assert g.c.expect('message').text('body') == 'one'
    ok(t, 'gateway', 'disable', g.name)
    assert condition(romeo, romeo.message('a@' + g.domain, 'two')) == 'service-unavailable'
    ok(t, 'gateway', 'enable', g.name)
    romeo.message('a@' + g.domain, 'three')
    g.connect()
    assert g.c.expect('message').text('body') == 'three'


def test_files(t):
    """Issue 8, policy: a file to a network where files are forbidden, and one from it, are refused; with the right they pass"""
    g, romeo = Gateway(t).allow(), t.online()
    oob = "<x xmlns='jabber:x:oob'><url>https://files.example.net/f.txt</url></x>"
    ours = 'https://%s/upload/%s/f.txt' % (t.server.domain, '0123456789' * 4)

    def offers():
        return [romeo.message('a@' + g.domain, 'see', inner=oob), romeo.message('a@' + g.domain, 'see ' + ours)]

    for id in offers():
        assert condition(romeo, id) == 'not-acceptable', id
    assert condition(g.c, g.send(romeo.bare, 'take this', extra=oob)) == 'not-acceptable'
    g.send(romeo.bare, 'no file')
    romeo.expect_message('no file')
    g.allow('everyone', 'send', 'receive', 'send-file', 'receive-file')
    offers()
    for _ in range(2):
        assert g.c.expect('message').text('body').startswith('see')
    g.send(romeo.bare, 'take this', extra=oob)
    romeo.expect_message('take this')


def test_rate(t):
    """Issue 8, policy: a rule says how many messages somebody may send in a minute; more are refused, and may come later"""
    g, romeo, juliet = Gateway(t).allow('everyone', per_minute=3), t.online(), t.online()
    for i in range(3):
        romeo.message('a@' + g.domain, 'm%d' % i)
        assert g.c.expect('message').text('body') == 'm%d' % i
    id = romeo.message('a@' + g.domain, 'm3')
    e = romeo.expect(lambda e: e.get('type') == 'error' and e.get('id') == id)
    assert (e.condition(), e.find('error').get('type')) == ('policy-violation', 'wait'), e
    juliet.message('a@' + g.domain, 'another person')
    assert g.c.expect('message').text('body') == 'another person'


def test_policy_in(t):
    """Issue 8, policy: a network reaches who may receive from it, and nobody and nothing else; what is refused is not in the record"""
    g, romeo, juliet = Gateway(t).allow('staff'), t.online(), t.online()
    group(t, romeo, 'staff')
    for i in range(5):
        g.send(romeo.bare, 'in %d' % i)
        id = g.send(juliet.bare, 'not for her')
        romeo.expect_message('in %d' % i)
        assert condition(g.c, id) == 'not-allowed'
    assert condition(g.c, g.send(juliet.bare, 'not for her', type='probe')) == 'not-allowed'
    assert condition(g.c, g.send('nobody.at.all@' + t.server.domain, 'x')) == 'item-not-found'
    for to in 'x@elsewhere.example', 'room@conference.' + t.server.domain, 'a@' + t.component().joined().domain:
        assert condition(g.c, g.send(to, 'elsewhere')) == 'not-allowed', to
    assert not t.server.records("from_bare = 'nick@%s' and body in ('not for her', 'x', 'elsewhere')" % g.domain, 'id')
    e = g.ask('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert e.get('type') == 'result', e


def test_foreign(t):
    """Issue 8: <foreign/> of a gateway is kept, with what the server knows better; nobody else can put it there; the record is searched by it"""
    g, romeo, juliet = Gateway(t, kind='irc').allow(), t.online(), t.online()
    other = t.component().joined()
    forged = "<foreign xmlns='%s' network='libera' kind='irc' address='boss!b@host'/>" % NS
    romeo.message(juliet.bare, 'forged', inner=forged)
    assert juliet.expect_message('forged').find('gw:foreign') is None
    # Deeper it stays, as all that people send each other, and nobody believes it.
    romeo.message(juliet.bare, 'forged within', inner="<x xmlns='urn:example:x'>%s</x>" % forged)
    juliet.expect_message('forged within')
    other.send("<message from='x@%s' to='%s'><body>forged too</body>%s</message>" % (other.domain, juliet.bare, forged))
    assert juliet.expect_message('forged too').find('gw:foreign') is None
    romeo.message('nick%%libera@%s' % g.domain, 'out', inner=forged)
    assert g.c.expect('message').find('gw:foreign') is None
    romeo.message('+33612345678@' + g.domain, 'to a number')
    g.c.expect('message')
    g.send(juliet.bare, 'hello', who='nick%libera',
           extra="<foreign xmlns='%s' network='libera' kind='sip' address='Nick!user@host.example' id='f1' at='2026-11-23T10:00:00Z'/>" % NS)
    f = juliet.expect_message('hello').find('gw:foreign')
    assert [f.get(k) for k in ('network', 'kind', 'via', 'address', 'id')] == ['libera', 'irc', g.name, 'Nick!user@host.example', 'f1'], f
    indexed(t)
    p = Person(t, 'officer')

    def found(**args):
        return [r['text'] for r in p.local('archive', 'search', order='oldest', **args)]

    assert found(network=g.name) == ['out', 'to a number', 'hello']
    assert found(foreign='nick!user@HOST.example') == ['hello']
    assert found(foreign='nick', domain=g.domain) == ['out', 'hello']
    assert found(foreign='+33612345678', person=romeo.bare) == ['to a number']
    assert found(foreign='boss', person=juliet.bare) == []
    row, = [r for r in p.local('archive', 'search', person=juliet.bare) if r['text'] == 'forged within']
    assert 'foreign' not in row, row
    row, = p.local('archive', 'search', foreign='nick!user@host.example', person=juliet.bare)
    assert (row['foreign']['network'], row['foreign']['via']) == ('libera', g.name), row
    ok(t, 'gateway', 'remove', g.name)
    assert found(network=g.name) == ['out', 'to a number', 'hello'], 'the gateway has gone, its record has not'
    row, = Person(t, 'dpo').local('erasure', 'request', reason='asked by letter', query={'foreign': 'nick!user@host.example', 'domain': g.domain})
    row, = Person(t, 'dpo').local('erasure', 'preview', erasure=row['erasure'])
    assert (row['records'], row['would_go']) == (1, 1), row


def test_desk(t):
    """Issue 8: a gateway's program gets its settings, keeps registrations and values, asks who may; nobody else is answered"""
    g, romeo = Gateway(t, settings={'modes': ['relay']}).allow('staff'), t.online()
    s = g.get('settings').find('gw:settings')
    assert json.loads(s.text())['modes'] == ['relay'], s
    assert g.set('user', '{}', jid=romeo.bare, mode='relay').condition() == 'not-allowed', 'no right yet'
    group(t, romeo, 'staff')
    assert g.set('user', '{"a": 1}', jid=romeo.bare, mode='relay').get('type') == 'result'
    assert g.set('user', '{}', jid=romeo.bare, mode='account').condition() == 'not-allowed', 'no account of their own'
    u, = g.get('users').find('gw:users').all()
    assert (u.get('jid'), u.get('mode'), json.loads(u.text())) == (romeo.bare, 'relay', {'a': 1}), u
    assert [r['jid'] for r in rows(t, 'gateway', 'users', g.name)] == [romeo.bare] and g.show()['users'] == 1
    assert g.set('user', jid=romeo.bare, action='remove').get('type') == 'result'
    assert g.get('users').find('gw:users').all() == []
    assert audit(t, romeo.bare)[-2:] == ['gateway.register', 'gateway.unregister'], audit(t, romeo.bare)
    # Values
    assert g.get('data', key='a/1').condition() == 'item-not-found'
    for i in range(5):
        assert g.set('data', 'v%d &amp; &lt;' % i, key='a/%d' % i).get('type') == 'result'
    assert g.set('data', 'other', key='b').get('type') == 'result'
    assert g.get('data', key='a/1').find('gw:data').text() == 'v1 & <'
    page = g.get('data', prefix='a/', max='3').find('gw:data')
    assert page.get('more') == 'true' and [i.get('key') for i in page.all()] == ['a/0', 'a/1', 'a/2'], page
    page = g.get('data', prefix='a/', after='a/2').find('gw:data')
    assert page.get('more') == 'false' and [i.text() for i in page.all()] == ['v3 & <', 'v4 & <'], page
    for _ in range(2):
        assert g.set('data', key='a/1', action='remove').get('type') == 'result'
    assert g.get('data', key='a/1').condition() == 'item-not-found'
    assert g.set('data', 'x', key='k' * 256).condition() == 'bad-request'
    assert g.set('data', 'x' * 65537, key='k').condition() == 'not-acceptable'
    # May they?
    for action, allowed in ('use', 'true'), ('join', 'true'), ('own-account', 'false'), ('send-file', 'false'):
        m = g.get('may', jid=romeo.bare, action=action).find('gw:may')
        assert m.get('allowed') == allowed and bool(m.text()) == (allowed == 'false'), (action, m)
    assert g.get('may', jid=romeo.bare, action='fly').condition() == 'bad-request'
    # It is told when somebody may something else.
    g.c.expect(lambda e: asked('policy')(e) and e.all()[0].get('jid') == romeo.bare, 'whom it is about')
    g.allow('staff', 'send')
    g.c.expect(lambda e: asked('policy')(e) and e.all()[0].get('jid') is None, 'everybody')
    # What it says of itself
    r = g.set('stats', "<counter name='received' value='12'/><level name='users_up' value='3'/>")
    assert r.get('type') == 'result', r
    assert g.show()['stats']['received'] == 12
    assert t.server.metric('chancery_gateway_received_total', '{network="%s"}' % g.name) == 12
    assert t.server.metric('chancery_gateway_users_up', '{network="%s"}' % g.name) == 3
    assert g.set('stats', "<counter name='Bad-Name' value='1'/>").condition() == 'bad-request'
    # Nobody else
    other = t.component().joined()
    for type, payload in ('get', element('settings')), ('get', element('users')), ('set', element('data', 'x', key='k')), \
            ('get', element('credential', jid=romeo.bare)), ('get', element('may', jid=romeo.bare, action='use')), ('set', element('stats')):
        assert g.ask(type, payload, other, other.domain).condition() == 'forbidden', payload
        id = romeo.iq_send(type, payload, to=t.server.domain)
        assert condition(romeo, id) == 'forbidden', payload
    assert g.ask('get', element('settings'), domain='x@' + g.domain).condition() == 'forbidden', 'not the domain itself'


def test_credentials(t):
    """Issue 8: passwords of users are kept encrypted under a key that is not in the database, each read is audited, the key can be exchanged"""
    g, romeo = Gateway(t).allow('everyone', 'send', 'own-account'), t.online()
    secret = '{"password": "hunter2 é"}'
    assert g.get('credential', jid=romeo.bare).condition() == 'item-not-found'
    assert g.set('credential', secret, jid=romeo.bare).get('type') == 'result'
    assert g.get('credential', jid=romeo.bare).find('gw:credential').text() == secret
    where = "gateway = '%s' and jid = '%s'" % (g.name, romeo.bare)
    sealed = t.server.value("select encode(sealed, 'escape') from chancery.gateway_credential where " + where)
    assert 'hunter2' not in sealed, sealed
    file = t.server.path('keys', 'gateways.key')
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert audit(t, romeo.bare)[-2:] == ['gateway.credential.set', 'gateway.credential.read'], audit(t, romeo.bare)
    key = t.server.value('select key_id from chancery.gateway_credential where ' + where)
    r = rows(t, 'gateway', 'rotate-key')[0]
    assert r['resealed'] >= 1 and r['lost'] == 0 and r['key'] > int(key), r
    with open(file) as f:
        lines = f.read().splitlines()
    assert len(lines) == 1 and lines[0].startswith('%d ' % r['key']), 'the old key is still there'
    assert t.server.value('select key_id from chancery.gateway_credential where ' + where) == str(r['key'])
    assert g.get('credential', jid=romeo.bare).find('gw:credential').text() == secret
    # Put in another's place it is worth nothing.
    juliet = t.online()
    t.server.psql("insert into chancery.gateway_credential select gateway, '%s', key_id, nonce, sealed from chancery.gateway_credential where %s"
                  % (juliet.bare, where))
    assert g.get('credential', jid=juliet.bare).condition() == 'internal-server-error'
    t.server.psql("delete from chancery.gateway_credential where jid = '%s'" % juliet.bare)
    assert g.set('credential', 'x' * 4097, jid=romeo.bare).condition() == 'not-acceptable'
    assert g.set('credential', jid=romeo.bare, action='remove').get('type') == 'result'
    assert g.get('credential', jid=romeo.bare).condition() == 'item-not-found'
    # One at a time: none forgets a key that another's work is under. The first waits for who holds the lock.
    assert g.set('credential', secret, jid=romeo.bare).get('type') == 'result'
    holder = subprocess.Popen(['psql', '-qAtX', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder, ThreadPoolExecutor(1) as pool:
        holder.stdin.write('select 1 from pg_advisory_lock(4841263, 48);\n')
        holder.stdin.flush()
        assert holder.stdout.readline() == '1\n'
        first = pool.submit(t.server.cli, 'gateway', 'rotate-key')
        t.server.wait(lambda: t.server.value("select count(*) from pg_locks where locktype = 'advisory' and classid = 4841263 and not granted") != '0', 'the first')
        again = fails(t, 1, 'gateway', 'rotate-key')
        holder.stdin.close()
        assert first.result()[0] == 0 and 'already' in again, (first.result(), again)
    assert g.get('credential', jid=romeo.bare).find('gw:credential').text() == secret
    # As often as one likes, also while there is one that cannot be opened any more.
    t.server.psql("insert into chancery.gateway_credential select gateway, 'x' || jid, key_id, nonce, sealed from chancery.gateway_credential where " + where)
    for _ in range(18):
        assert rows(t, 'gateway', 'rotate-key')[0]['lost'] == 1
    with open(file) as f:
        assert len(f.readlines()) == 2, 'the key in force, and the one of what cannot be opened'
    t.server.psql("delete from chancery.gateway_credential where gateway = '%s' and jid like 'x%%'" % g.name)
    assert g.get('credential', jid=romeo.bare).find('gw:credential').text() == secret
    assert g.set('credential', jid=romeo.bare, action='remove').get('type') == 'result'
    assert 'hunter2' not in t.server.log()
    assert not t.server.records("stanza like '%hunter2%'", 'id')


def test_large_pages(t):
    """Issue 8: a page of what a program keeps has no more bytes than it can read as a stanza, and is gone on with"""
    g, after, found = Gateway(t), '', []
    for i in range(8):
        assert g.set('data', '&lt;' * 40000, key='big/%d' % i).get('type') == 'result'
    while True:
        page = g.get('data', prefix='big/', after=after, max='100').find('gw:data')
        assert page.all() and len(str(page)) < 600000, len(str(page))
        found += [i.get('key') for i in page.all()]
        if page.get('more') == 'false':
            break
        after = found[-1]
    assert found == ['big/%d' % i for i in range(8)], found


@alone(limits__gateway_values='2')
def test_values_full(t):
    """Issue 8: of more values than a program may keep it is told for good: one that waited would keep all behind it waiting"""
    g = Gateway(t)
    for key in 'ab':
        assert g.set('data', 'x', key=key).get('type') == 'result'
    e = g.set('data', 'x', key='c')
    assert (e.condition(), e.find('error').get('type')) == ('resource-constraint', 'cancel'), e
    assert g.set('data', 'y', key='a').get('type') == 'result'
    assert g.set('data', key='b', action='remove').get('type') == 'result'
    assert g.set('data', 'x', key='c').get('type') == 'result'


def test_account_removed(t):
    """Issue 8: a name that is used again inherits no registration and no password"""
    g, romeo = Gateway(t).allow('everyone', 'send', 'own-account'), t.online()
    assert g.set('user', '{}', jid=romeo.bare, mode='account').get('type') == 'result'
    assert g.set('credential', 'secret', jid=romeo.bare).get('type') == 'result'
    assert g.set('data', '#verona', key='seat', jid=romeo.bare).get('type') == 'result'
    assert g.set('data', 'of all', key='all').get('type') == 'result'
    ok(t, 'user', 'delete', romeo.bare)
    g.c.expect(lambda e: asked('gone')(e) and e.all()[0].get('jid') == romeo.bare, 'to be told')
    m = g.get('may', jid=romeo.bare, action='use').find('gw:may')
    assert (m.get('allowed'), m.get('nobody')) == ('false', 'true'), m
    # Its program may not know yet.
    assert g.set('credential', 'secret', jid=romeo.bare).condition() == 'not-allowed'
    assert g.set('data', '#verona', key='seat', jid=romeo.bare).condition() == 'item-not-found'
    assert g.get('data', key='seat').condition() == 'item-not-found'
    assert g.get('data', key='all').find('gw:data').text() == 'of all'
    assert g.get('credential', jid=romeo.bare).condition() == 'item-not-found'
    assert g.get('users').find('gw:users').all() == []


def test_account_disabled(t):
    """Issue 8: an account that is disabled loses nothing, and may nothing: its gateways are told, and given no password of its; enabled, it may again"""
    g, romeo = Gateway(t).allow('everyone', 'send', 'own-account'), t.online()
    told = lambda e: asked('policy')(e) and e.all()[0].get('jid') == romeo.bare  # noqa: E731
    assert g.set('credential', 'secret', jid=romeo.bare).get('type') == 'result'
    ok(t, 'user', 'disable', romeo.bare)
    g.c.expect(told, 'to be told')
    m = g.get('may', jid=romeo.bare, action='use').find('gw:may')
    assert (m.get('allowed'), m.get('nobody'), m.text()) == ('false', None, 'your account is disabled'), m
    r = g.get('credential', jid=romeo.bare)
    assert r.condition() == 'forbidden' and 'disabled' in str(r), r
    assert audit(t, romeo.bare)[-1] == 'user.disable', audit(t, romeo.bare)
    ok(t, 'user', 'enable', romeo.bare)
    g.c.expect(told, 'to be told')
    assert g.get('may', jid=romeo.bare, action='use').find('gw:may').get('allowed') == 'true'
    assert g.get('credential', jid=romeo.bare).find('gw:credential').text() == 'secret'


def test_clients(t):
    """Issue 8: a gateway that was away learns which clients of somebody are there, and which have shown themselves to it directly (RFC 6121 §4.6)"""
    g = Gateway(t).allow()
    user = t.user()
    one, two = t.online(user, 'one'), t.online(user, 'two')
    one.presence(to='#verona@%s/romeo' % g.domain)
    two.presence('unavailable')
    two.presence(to=g.domain)
    two.presence(to='juliet@elsewhere.example')
    for c in one, two:
        c.ping()
    m = g.get('may', jid=one.bare, action='use').find('gw:may')
    assert m.get('clients') == 'true', m
    assert {(c.get('resource'), c.get('at')) for c in m.all()} == {('one', None), ('one', '#verona@%s/romeo' % g.domain), ('two', g.domain)}, m


def test_presence(t):
    """Issue 8, policy: who may no longer use a network is not shown there any more"""
    g, romeo = Gateway(t).allow(), t.online()
    bot = 'bot@' + g.domain
    romeo.roster()
    romeo.presence('subscribe', to=bot)
    assert g.c.expect('presence').get('type') == 'subscribe'
    g.c.send("<presence type='subscribe' from='%s' to='%s'/>" % (bot, romeo.bare))
    romeo.expect_presence('subscribe', bot)
    romeo.presence('subscribed', to=bot)
    assert g.c.expect(lambda e: e.name == 'presence' and e.get('type') == 'subscribed')
    g.c.expect(lambda e: e.name == 'presence' and e.get('type') is None)
    ok(t, 'gateway', 'forget', g.name, 'everyone')
    romeo.stanza('<presence><show>away</show></presence>')
    romeo.ping()
    g.allow()
    romeo.stanza('<presence><show>dnd</show></presence>')
    assert g.c.expect(lambda e: e.name == 'presence' and e.get('type') is None).text('show') == 'dnd'


def programs(t):
    """The folder of this server's programs of gateways, with one of kind `test`."""
    folder = os.path.join(os.path.dirname(t.server.env['CHANCERY_CONFIG']), 'programs')
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o777)
    path = os.path.join(folder, 'chancery-gateway-test')
    if not os.path.exists(path):
        with open(path + '.new', 'w') as f:
            f.write(PROGRAM)
        os.chmod(path + '.new', 0o755)
        os.rename(path + '.new', path)
    return folder


def is_alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def noted(folder, what):
    """{pid: text} of the files that the program writes."""
    out = {}
    for name in os.listdir(folder):
        if name.startswith(what + '.'):
            with open(os.path.join(folder, name)) as f:
                out[int(name.split('.')[1])] = f.read()
    return out


@alone(gateways__programs='programs')
def test_supervision(t):
    """Issue 8: a gateway's program is started with its settings, which are not on its command line, again when it dies, and ends when its network is switched
    off, or the server stops; one whose settings are wrong waits until they have been changed"""
    folder = programs(t)
    g = Gateway(t, settings={'network': {'password': 'pw2'}}, connect=False)

    def running(pid=None):
        p = g.show()['program']
        return p['pid'] if p['state'] == 'running' and p['pid'] != pid and p['pid'] in noted(folder, 'start') else None

    def wait(check, what):
        t.server.wait(check, what + ': ' + json.dumps(g.show()['program']))

    wait(running, 'the program to run')
    first = running()
    start = json.loads(noted(folder, 'start')[first])
    assert (start['name'], start['domain'], start['host'], start['server'], start['port']) == \
        (g.name, g.domain, t.server.domain, '127.0.0.1', t.server.port_component), start
    assert start['settings']['network'] == {'password': 'pw2'} and len(start['secret']) == 48, start
    with open('/proc/%d/cmdline' % first) as f, open('/proc/%d/environ' % first) as e:
        assert 'pw2' not in f.read() + e.read()
    g.connect()
    os.kill(first, signal.SIGKILL)
    wait(lambda: running(first), 'the program to run again')
    second = running()
    p = g.show()['program']
    assert p['restarts'] == 1 and 'signal 9' in p['why'], p
    ok(t, 'gateway', 'disable', g.name)
    wait(lambda: second in noted(folder, 'end') and g.show()['program']['state'] == 'off', 'its end')
    with open(os.path.join(folder, 'refuse'), 'w'):
        pass
    ok(t, 'gateway', 'enable', g.name)
    wait(lambda: g.show()['program']['state'] == 'refused', 'the settings to be refused')
    n = len(noted(folder, 'start'))
    ok(t, 'gateway', 'allow', g.name, 'everyone')
    os.unlink(os.path.join(folder, 'refuse'))
    ok(t, 'gateway', 'set', g.name, '--settings', '-', stdin='{"network": {}}')
    wait(running, 'the program to run with other settings')
    assert n + 1 <= len(noted(folder, 'start')) <= n + 2
    third = running()
    t.server.stop()
    assert third in noted(folder, 'end'), 'it did not end in order'
    t.server.start()
    wait(lambda: running(third), 'the program to run after a restart of the server')
    fourth = running()
    t.server.kill()
    t.server.wait(lambda: not is_alive(fourth), 'its end with the server')
    t.server.start()
    wait(lambda: running(fourth), 'the program to run after a crash of the server')
    ok(t, 'gateway', 'remove', g.name)
    t.server.wait(lambda: len(noted(folder, 'end')) >= 3, 'its end with the gateway')


def test_no_program(t):
    """Issue 8: a kind for which there is no program is told, and the gateway waits"""
    g = Gateway(t, kind='none', connect=False)
    t.server.wait(lambda: 'no chancery-gateway-none' in g.show()['program']['why'], 'the reason')
    assert 'gateway-not-started' in t.server.log()

"""slidge (PyPI), a framework for gateways that acts in the name of users (XEP-0356), with a network that is only here (slidge_net/mockingbird.py)."""
import json
import os
from urllib.parse import urlsplit

import guide
import peers
from chancerytest.client import unique
from chancerytest.desk import Person
from chancerytest.server import EICAR
from chancerytest.upload import http
from test_admin import ok, rows
from test_biboumi import Folder, Program
from test_search import indexed

HERE = os.path.dirname(os.path.abspath(__file__))


class Slidge:
    def __init__(self, t, privileged=True):
        self.t, self.folder = t, Folder(t).path
        self.name = unique('bird').lower()
        self.domain = '%s.%s' % (self.name, t.server.domain)
        names = {'matrix': self.name, 'matrix.example.org': self.domain, 'port=5275': 'port=%d' % t.server.port_component,
                 'example\\.org': t.server.domain.replace('.', '\\.')}
        self.commands, _, settings, *_ = guide.blocks('slidge', names)
        for args in guide.commands(self.commands):
            if privileged or args[1] == 'add':
                out = ok(t, '--json', *args)
                secret = json.loads(out)['secret'] if args[1] == 'add' else secret
        self.settings = os.path.join(self.folder, 'matrix.conf')
        with open(self.settings, 'w') as f:
            f.write('\n'.join(settings).replace('THE SECRET', secret) + '\n')
        self.start()

    def start(self):
        program = peers.slidge(self.t.server.build)
        self.program = Program(self.t, self.folder, '/usr/bin/env', 'PYTHONPATH=' + os.path.join(HERE, 'slidge_net'), 'PYTHONDONTWRITEBYTECODE=1',
                               'SSL_CERT_FILE=' + self.t.server.ca, program, '-m', 'slidge', '-c', self.settings, '--legacy-module=mockingbird',
                               '--home-dir=' + os.path.join(self.folder, 'home'), '-d')
        self.t.server.wait(lambda: rows(self.t, 'component', 'show', self.name)[0]['connected'] == [self.domain], 'slidge to connect', 60)

    def register(self, c):
        """In-band (XEP-0077), as a client's form does it."""
        form = c.iq('get', "<query xmlns='jabber:iq:register'/>", to=self.domain)
        assert form.get('type') == 'result', form
        r = c.iq('set', "<query xmlns='jabber:iq:register'><username>%s</username><x xmlns='jabber:x:data' type='submit'>"
                 "<field var='username'><value>%s</value></field></x></query>" % (c.user, c.user), to=self.domain)
        assert r.get('type') == 'result', r

    @property
    def bird(self):
        return 'bird@' + self.domain


def said(c, text):
    return c.expect(lambda e: e.name == 'message' and e.text('body') == text, text)


def test_registers(t):
    """slidge: a user registers, finds a contact in the roster by privilege, with presence, and they exchange messages"""
    s, romeo = Slidge(t), t.online()
    romeo.roster()
    s.register(romeo)
    push = romeo.expect_push(s.bird)
    assert (push.get('name'), push.get('subscription')) == ('The bird', 'both'), push
    romeo.expect(lambda e: e.name == 'presence' and e.get('from').startswith(s.bird) and e.get('type') is None)
    for i in range(3):
        romeo.message(s.bird, 'tweet %d' % i)
        m = said(romeo, 'you said: tweet %d' % i)
        assert m.get('from').startswith(s.bird), m
    out = t.server.records("from_bare = '%s' and to_bare = '%s' and kind = 1" % (romeo.bare, s.bird), 'body')
    back = t.server.records("from_bare = '%s' and to_bare = '%s' and kind = 1" % (s.bird, romeo.bare), 'body')
    assert [r[0] for r in out] == ['tweet %d' % i for i in range(3)] and [r[0] for r in back] == ['you said: tweet %d' % i for i in range(3)], (out, back)


def test_in_my_name(t):
    """slidge: what a user has written elsewhere appears as theirs, in their clients (carbons) and in the record, which says who sent it"""
    s, romeo = Slidge(t), t.online()
    romeo.roster()
    romeo.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>")
    s.register(romeo)
    romeo.expect_push(s.bird)
    romeo.message(s.bird, 'for me: from my telephone')
    copy = romeo.expect(lambda e: e.name == 'message' and 'from my telephone' in str(e) and e.all('sent'))
    inner = copy.all('sent')[0].all('forwarded')[0].all('message')[0]
    assert inner.get('from') == romeo.bare and inner.get('to').startswith(s.bird), inner
    rec = t.server.records("from_bare = '%s' and to_bare = '%s' and body = 'from my telephone'" % (romeo.bare, s.bird), 'stanza')
    assert len(rec) == 1 and 'urn:chancery:component:0' in rec[0][0] and s.domain in rec[0][0], rec


def test_files(t):
    """slidge: a file from its network is uploaded here, scanned, and in the record; a virus is not; what passed is found by the name of the component"""
    s, romeo = Slidge(t), t.online()
    romeo.roster()
    s.register(romeo)
    romeo.expect_push(s.bird)
    paths = [os.path.join(s.folder, name) for name in ('note.txt', 'virus.txt')]
    for path, content in zip(paths, (b'what the bird has written', EICAR)):
        with open(path, 'wb') as f:
            f.write(content)
    romeo.message(s.bird, 'send me: ' + paths[0])
    m = romeo.expect(lambda e: e.name == 'message' and '/upload/' in (e.text('body') or ''))
    assert m.get('from').startswith(s.bird), m
    assert http(t).ask('GET', urlsplit(m.text('body')).path).body == b'what the bird has written'
    romeo.message(s.bird, 'send me: ' + paths[1])
    romeo.expect(lambda e: e.name == 'message' and 'something went wrong' in (e.text('body') or ''))
    assert t.server.value("select string_agg(name, ' ') from chancery.upload where owner = '%s' and state = 2" % romeo.bare) == 'note.txt'
    indexed(t)
    found = [r['text'] for r in Person(t, 'officer').local('archive', 'search', order='oldest', network=s.name)]
    assert 'send me: ' + paths[0] in found and m.text('body') in found, found


def test_comes_back(t):
    """slidge is killed and comes back: who is registered goes on where they were"""
    s, romeo = Slidge(t), t.online()
    romeo.roster()
    s.register(romeo)
    romeo.expect_push(s.bird)
    s.program.kill()
    t.server.wait(lambda: not rows(t, 'component', 'show', s.name)[0]['connected'], 'the end of its stream')
    s.start()
    romeo.expect(lambda e: e.name == 'presence' and e.get('from').startswith(s.bird) and e.get('type') is None)
    romeo.message(s.bird, 'still there?')
    said(romeo, 'you said: still there?')


def test_without(t):
    """slidge without privileges: nothing is changed behind the user's back; it asks, as any contact does"""
    s, romeo = Slidge(t, privileged=False), t.online()
    romeo.roster()
    s.register(romeo)
    romeo.expect(lambda e: e.name == 'presence' and e.get('type') == 'subscribe' and e.get('from') == s.bird)
    romeo.presence('subscribed', to=s.bird)
    romeo.message(s.bird, 'hello')
    said(romeo, 'you said: hello')

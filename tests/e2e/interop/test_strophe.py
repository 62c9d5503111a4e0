"""libstrophe, the C library behind Profanity: by our own clients/chancery-send, and by strophe_client of this folder.

libstrophe 0.12 takes the strongest SCRAM that is offered, without channel binding; it has no way to ask for another one.
"""
import json
import os
import re
import subprocess
import threading
import time

from chancerytest.client import PATIENCE
from chancerytest.element import escape
from proxy import Proxy


class Strophe:
    def __init__(self, t, user=None, direct=False, password=None, resource='s'):
        self.t, self.user = t, user or t.user()
        self.bare = '%s@%s' % (self.user[0], t.server.domain)
        self.p = None
        t.clients.append(self)      # ahead of its proxy, so that it can take its leave
        self.proxy = Proxy(t, direct)
        self.lines, self.lock, self.serial = [], threading.Lock(), 0
        self.p = subprocess.Popen(
            [os.path.join(t.server.build, 'tests', 'strophe_client'), '%s/%s' % (self.bare, resource), self.proxy.host,
             str(self.proxy.port), t.server.ca, *(['direct'] if direct else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'CHANCERY_PASSWORD': password or self.user[1], 'ASAN_OPTIONS': 'detect_leaks=0'})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.p.stdout:
            with self.lock:
                self.lines.append(line.rstrip('\n'))

    def see(self, pattern):
        """Takes the first line that matches."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with self.lock:
                for i, line in enumerate(self.lines):
                    if re.search(pattern, line):
                        return self.lines.pop(i)
            if time.monotonic() > deadline:
                raise AssertionError('%s does not see %r in %s' % (self.bare, pattern, self.lines))
            time.sleep(0.01)

    def send(self, xml):
        self.p.stdin.write(xml + '\n')
        self.p.stdin.flush()

    def online(self):
        self.jid = self.see('^online ')[7:]
        self.send('<presence/>')
        self.see("<presence.* from=.%s" % re.escape(self.jid))
        return self

    def iq(self, type, payload, to=''):
        self.serial += 1
        self.send("<iq type='%s' id='i%d'%s>%s</iq>" % (type, self.serial, to and " to='%s'" % to, payload))
        return self.see("<iq(?=.* id=.i%d\\b)(?=.* type=.(result|error))" % self.serial)

    def say(self, to, text):
        self.serial += 1
        self.send("<message type='chat' to='%s' id='m%d'><body>%s</body></message>" % (to, self.serial, escape(text)))

    def close(self):
        if self.p is None:
            return
        if self.p.poll() is None:
            try:
                self.send('quit')
                self.p.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.p.kill()
        self.p.wait()
        self.p.stdin.close()


def chancery_send(t, user, *args, text=None, direct=False, password=None, ca=True):
    proxy = Proxy(t, direct)
    return subprocess.Popen(
        [os.path.join(t.server.build, 'bin', 'chancery-send'), '--jid', '%s@%s' % (user[0], t.server.domain), '--server',
         '%s:%d' % (proxy.host, proxy.port), *(['--ca', t.server.ca] if ca else []), *(['--direct-tls'] if direct else []),
         '--timeout', str(int(PATIENCE)), *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'CHANCERY_PASSWORD': password or user[1]})


def test_login(t):
    """RFC 5802 over STARTTLS and over direct TLS (XEP-0368): the strongest SCRAM"""
    for direct in (False, True):
        c = Strophe(t, direct=direct).online()
        assert c.jid == c.bare + '/s'
        t.server.wait(lambda: re.search(r'authenticated .*jid=%s mechanism=SCRAM-SHA-512\b' % re.escape(c.bare), t.server.log()), 'it')


def test_wrong_password(t):
    """RFC 6120 §6.5.10: refused"""
    c = Strophe(t, password='wrong')
    c.see('^end$')
    assert c.p.wait(PATIENCE) == 1
    p = chancery_send(t, t.user(), 'nobody@' + t.server.domain, 'x', password='wrong')
    out, err = p.communicate(timeout=2 * PATIENCE)
    assert p.returncode == 1 and 'password' in err, err


def test_certificate(t):
    """RFC 6125: chancery-send refuses a server whose authority it does not know"""
    user = t.user()
    for direct in (False, True):
        p = chancery_send(t, user, 'nobody@' + t.server.domain, 'x', ca=False, direct=direct)
        out, err = p.communicate(timeout=2 * PATIENCE)
        assert p.returncode == 1 and 'certificate' in err, err
    assert 'jid=%s@' % user[0] not in t.server.log()


def test_send_and_listen(t):
    """XEP-0160, XEP-0203: chancery-send stores, delivers, and prints the time at which it was said"""
    a, b = t.user(), t.user()
    to = '%s@%s' % (b[0], t.server.domain)
    for i, direct in enumerate((False, True)):
        p = chancery_send(t, a, to, 'while you slept %d' % i, direct=direct)
        assert p.wait(2 * PATIENCE) == 0, p.stderr.read()
    said = t.server.value("select max(at) < now() from archive.record where to_bare = '%s'" % to)
    assert said == 't', said
    p = chancery_send(t, b, '--listen', '--json', '--count', '2')
    out, err = p.communicate(timeout=2 * PATIENCE)
    got = [json.loads(x) for x in out.split('\n') if x]
    assert [m['body'] for m in got] == ['while you slept 0', 'while you slept 1'], (out, err)
    at = t.server.psql("select to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') from archive.record where to_bare = '%s' order by id" % to)
    for m, (when,) in zip(got, at):
        assert m['time'].startswith(when), (m, when)
    p = chancery_send(t, b, '--listen', '--json', '--timeout', '2')
    assert p.communicate(timeout=2 * PATIENCE)[0] == '', 'given again'


def test_roster_and_presence(t):
    """RFC 6121 §2 and §3: items set and removed; mutual subscription; presence there and gone"""
    a, b = Strophe(t).online(), Strophe(t).online()
    for x, y in ((a, b), (b, a)):
        x.iq('get', "<query xmlns='jabber:iq:roster'/>")
        x.send("<presence type='subscribe' to='%s'/>" % y.bare)
        y.see("<presence(?=.* type=.subscribe\\b)(?=.* from=.%s)" % re.escape(x.bare))
        y.send("<presence type='subscribed' to='%s'/>" % x.bare)
        x.see("<presence(?=.* type=.subscribed)(?=.* from=.%s)" % re.escape(y.bare))
        x.see("<presence(?=.* from=.%s)" % re.escape(y.jid))
    a.see("subscription=.both")
    answer = a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' name='Juliet'><group>Verona</group></item></query>" % b.bare)
    assert 'result' in answer, answer
    roster = a.iq('get', "<query xmlns='jabber:iq:roster'/>")
    assert 'Juliet' in roster and 'Verona' in roster and b.bare in roster, roster
    b.send('quit')
    a.see("<presence(?=.* type=.unavailable)(?=.* from=.%s)" % re.escape(b.jid))
    a.iq('set', "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % b.bare)
    assert b.bare not in a.iq('get', "<query xmlns='jabber:iq:roster'/>")


def test_chat(t):
    """RFC 6121 §5: messages both ways, in order"""
    a, b = Strophe(t).online(), Strophe(t, direct=True).online()
    for x, y in ((a, b), (b, a)):
        for i in range(50):
            x.say(y.bare, 'line %d <&> ☂' % i)
        y.see('<body>line 49 ')
        y.lines = [m for m in y.lines if '<body>line ' in m]
        assert [re.search(r'<body>line (\d+) &lt;&amp;&gt; ☂', m)[1] for m in y.lines] == [str(i) for i in range(49)], y.lines
        y.lines.clear()


def test_resumption(t):
    """XEP-0198 §5: the connection is cut; libstrophe takes its session up again; nothing sent by either side is lost"""
    a, b = Strophe(t).online(), Strophe(t).online()
    a.say(b.bare, 'before')
    b.see('<body>before<')
    b.proxy.down = True
    b.proxy.cut()
    b.see('^offline')
    for i in range(10):
        a.say(b.jid, 'meanwhile %d' % i)
    t.server.wait(lambda: t.server.records("body = 'meanwhile 9' and from_bare = '%s'" % a.bare), 'the record')
    b.proxy.down = False
    assert b.see('^online ')[7:] == b.jid
    t.server.wait(lambda: re.search('resumed jid=%s\\b' % re.escape(b.jid), t.server.log()), 'the resumption')
    b.see('<body>meanwhile 9<')
    got = [m[1] for m in (re.search(r'<body>meanwhile (\d)', x) for x in b.lines) if m]
    assert got == list('012345678'), b.lines
    b.say(a.bare, 'here I am')
    a.see('<body>here I am<')
    # What libstrophe had sent, and did not know to have arrived, when the connection broke. Only what has left it: libstrophe 0.12 forgets
    # what it has queued when a write fails.
    b.proxy.deaf = True
    for i in range(20):
        b.say(a.bare, 'count %d' % i)
        if i == 10:
            t.server.wait(lambda: t.server.records("body = 'count 10' and from_bare = '%s'" % b.bare), 'the record')
            b.proxy.cut()
            b.proxy.deaf = False
            b.see('^offline')
    a.see('<body>count 19<')
    got = [m[1] for m in (re.search(r'<body>count (\d+)', x) for x in a.lines) if m]
    assert got == [str(i) for i in range(19)], got


# -- a push service (XEP-0357) as a component (XEP-0114) ----------------------------------------------------

class PushService(Strophe):
    def __init__(self, t):
        self.t, self.bare = t, t.component_domain()
        self.lines, self.lock = [], threading.Lock()
        self.p = subprocess.Popen(
            [os.path.join(t.server.build, 'tests', 'strophe_push'), self.bare, '127.0.0.1', str(t.server.port_component)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'CHANCERY_COMPONENT_SECRET': t.server.component_secret(), 'ASAN_OPTIONS': 'detect_leaks=0'})
        t.clients.append(self)
        threading.Thread(target=self._read, daemon=True).start()
        self.see('^online')

    def do(self, how):
        self.send(how)
        self.see('^ok')

    def close(self):
        if self.p.poll() is None:
            self.p.stdin.close()
            self.p.wait(PATIENCE)


def with_push(t):
    """A push service, a client away that has enabled it, and somebody who writes."""
    service, juliet, romeo = PushService(t), t.online(), t.online()
    e = juliet.iq('set', "<enable xmlns='urn:xmpp:push:0' jid='%s' node='node-1'/>" % service.bare)
    assert e.get('type') == 'result', e
    juliet.close()
    romeo.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=juliet.bare)
    return service, juliet, romeo


def test_push_service(t):
    """XEP-0357 §7 through libstrophe's component: each message wakes the client, with the number of them"""
    service, juliet, romeo = with_push(t)
    for i in range(3):
        romeo.message(juliet.bare, 'm%d' % i)
        line = service.see('^push ')
        assert line == 'push %s node-1 %d New message' % (juliet.bare, i + 1), line


def test_push_service_slow_and_silent(t):
    """P7: a slow service holds nobody up, what comes meanwhile is counted; nor does a silent one"""
    service, juliet, romeo = with_push(t)
    service.do('slow 300')
    for i in range(10):
        romeo.message(juliet.bare, 'm%d' % i)
    first = int(service.see('^push ').split()[3])
    last = int(service.see('^push ').split()[3])
    assert first < last <= 10, (first, last)
    service.do('silent')
    other = t.online()
    romeo.message(other.bare, 'meanwhile')
    other.expect_message('meanwhile')
    back = t.online((juliet.user, juliet.password))
    for i in range(10):
        back.expect_message('m%d' % i)


def test_push_service_error(t):
    """XEP-0357 §7.1: a service that does not know the node is forgotten"""
    service, juliet, romeo = with_push(t)
    service.do('error item-not-found cancel')
    romeo.message(juliet.bare, 'm0')
    service.see('^push ')
    t.server.wait(lambda: t.server.value("select count(*) from chancery.push p join chancery.account a on a.id = p.account "
                                         "where a.bare = '%s'" % juliet.bare) == '0', 'the service to be forgotten')

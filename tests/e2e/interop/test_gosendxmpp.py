"""go-sendxmpp, a small program for scripts (Debian: go-sendxmpp), on the library go-xmpp.

The version in Debian 12 knows PLAIN only, so it needs auth.plain. It ends each element with a newline, <starttls/> too.
"""
import os
import subprocess
import tempfile

from chancerytest.client import PATIENCE
from chancerytest.scenario import alone
from proxy import Proxy


class Program:
    """One run of it."""

    def __init__(self, t, user, args, direct=False, password=None, trust=True):
        self.home = tempfile.TemporaryDirectory(prefix='chancery-go-')
        self.p = self.out = None
        t.clients.append(self)
        proxy = Proxy(t, direct)
        env = {'PATH': os.environ['PATH'], 'HOME': self.home.name,
               'SSL_CERT_FILE': t.server.ca if trust else '/dev/null', 'SSL_CERT_DIR': self.home.name}
        self.out = open(os.path.join(self.home.name, 'out'), 'w+')
        self.p = subprocess.Popen(
            ['go-sendxmpp', *(['-t'] if direct else []), '-u', '%s@%s' % (user[0], t.server.domain), '-p', password or user[1],
             '-j', '%s:%d' % (proxy.host, proxy.port), *args],
            stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, text=True, env=env)

    def text(self):
        with open(self.out.name) as f:
            return f.read()

    def say(self, text):
        self.p.communicate(text, timeout=PATIENCE)
        return self.p.returncode, self.text()

    def close(self):
        if self.p is not None:
            if self.p.poll() is None:
                self.p.kill()
            if not self.p.stdin.closed:
                self.p.stdin.close()
            self.p.wait()
        if self.out is not None:
            self.out.close()
        self.home.cleanup()


@alone(auth__plain='true')
def test_send_and_listen(t):
    """PLAIN over STARTTLS and over direct TLS (XEP-0368); chat both ways; offline; wrong password; strange certificate"""
    a, b = t.user(), t.user()
    jid = ['%s@%s' % (u[0], t.server.domain) for u in (a, b)]
    assert Program(t, a, [jid[1]], password='wrong').say('never')[0] != 0
    assert Program(t, a, [jid[1]], trust=False).say('never')[0] != 0
    code, out = Program(t, a, [jid[1]]).say('while you slept')
    assert code == 0, out
    listener = Program(t, b, ['-l'])
    t.server.wait(lambda: 'while you slept' in listener.text(), 'the stored message')
    code, out = Program(t, a, [jid[1]], direct=True).say('and now')
    assert code == 0, out
    t.server.wait(lambda: 'and now' in listener.text(), 'the message')
    assert t.server.records("body in ('while you slept', 'and now')", 'body') == [['while you slept'], ['and now']]
    assert not t.server.records("body = 'never'")

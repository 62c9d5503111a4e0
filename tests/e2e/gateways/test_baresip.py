"""A softphone that people have, baresip, behind kamailio: what it says and shows, and what it makes of what we say."""
import os
import re
import shutil
import subprocess
import tempfile
import threading

import test_sip
from chancerytest.client import PATIENCE, unique
from test_sip import World

BARESIP = shutil.which('baresip')
CONFIG = """poll_method epoll
sip_listen %(host)s:%(port)d
module_path %(modules)s
module stdio.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app presence.so
audio_path %(folder)s
"""


def missing():
    return test_sip.missing() or (None if BARESIP else 'baresip-core')


class Softphone:
    """Is told what to do on its terminal, and read there. `contact`: whom it writes to, and watches."""

    def __init__(self, t, host, proxy, contact):
        self.name, self.domain = unique('bob'), 'phones.example'
        self.folder = tempfile.mkdtemp(prefix='chancery-phone-')
        modules = os.path.join(os.path.dirname(os.path.dirname(BARESIP)), 'lib', 'baresip', 'modules')
        self.write('config', CONFIG % {'host': host, 'port': 5070, 'modules': modules, 'folder': self.folder})
        self.write('accounts', '<sip:%s@%s>;regint=600;outbound="sip:%s:%d"\n' % (self.name, self.domain, *proxy))
        self.write('contacts', '"R" <sip:%s>;presence=p2p\n' % contact)
        self.seen, self.news = '', threading.Condition()
        self.p = subprocess.Popen([BARESIP, '-f', self.folder, '-n', host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder)
        threading.Thread(target=self.run, daemon=True).start()
        t.clients.append(self)
        self.shows('200 OK .*binding')

    def write(self, name, text):
        with open(os.path.join(self.folder, name), 'w') as f:
            f.write(text)

    def run(self):
        while data := self.p.stdout.read1():
            with self.news:
                self.seen += data.decode('utf-8', 'replace')
                self.news.notify_all()

    def shows(self, pattern):
        """Waits for it, behind what was waited for before."""
        with self.news:
            assert self.news.wait_for(lambda: re.search(pattern, self.seen), PATIENCE), 'in vain for %s: %s' % (pattern, self.seen[-2000:])
            self.seen = self.seen[re.search(pattern, self.seen).end():]

    def command(self, line):
        self.p.stdin.write(line.encode() + b'\n')
        self.p.stdin.flush()

    def close(self):
        self.p.kill()
        self.p.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def softphone(w):
    return Softphone(w.t, w.driver.phones, (w.driver.host, test_sip.PORT), w.romeo.bare)


def test_talk(t):
    """baresip: what is said goes both ways, in its order and with all its letters, and is in the record with who said it there"""
    w = World(t)
    romeo, bob = w.romeo, softphone(w)
    jid = w.jid('%s@%s' % (bob.name, bob.domain))
    texts = ['good morrow, cousin', 'is the day so young?', 'Größe \u2600', '<b>&amp;</b>']
    for x in texts:
        romeo.message(jid, x)
    for x in texts:
        bob.shows(re.escape(x))
    for x in texts:
        bob.command('/message ' + x)
        m = romeo.expect_message(x)
        assert m.get('from').split('/')[0] == jid, m
    rows = t.server.records("to_bare = '%s' and from_bare = '%s'" % (romeo.bare, jid), 'body, stanza')
    assert [r[0] for r in rows] == texts, rows
    assert all('address="%s@%s"' % (bob.name, bob.domain) in r[1].replace("'", '"') for r in rows), rows


def test_watched(t):
    """baresip: its presence is seen by who has it as a contact"""
    w = World(t)
    romeo, bob = w.romeo, softphone(w)
    jid = w.jid('%s@%s' % (bob.name, bob.domain))
    bob.command('/presence_online')
    bob.shows('to .*Online')
    romeo.presence('subscribe', to=jid)
    romeo.expect_presence('subscribed', jid)
    romeo.expect_presence(None, jid)
    bob.command('/presence_offline')
    romeo.expect_presence('unavailable', jid)
    bob.command('/presence_online')
    romeo.expect_presence(None, jid)

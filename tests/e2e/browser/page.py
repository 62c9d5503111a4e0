"""A browser window for scenarios: Chromium, driven by browser.mjs, behind a proxy that can be cut."""
import base64
import json
import os
import shutil
import subprocess
import sys

from chancerytest.client import PATIENCE
from proxy import Proxy

HERE = os.path.dirname(os.path.abspath(__file__))
CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')


def chromium():
    return next((p for p in map(shutil.which, CHROMIUM) if p), None)


def driver(build):
    """The folder of browser.mjs with Playwright beside it; None when it cannot be had."""
    folder = os.path.join(os.path.abspath(build), 'tests', 'browser')
    done = os.path.join(folder, 'node_modules', '.complete')
    with open(os.path.join(HERE, 'package-lock.json')) as f:
        wanted = f.read()
    os.makedirs(folder, exist_ok=True)
    for name in ('browser.mjs', 'package.json', 'package-lock.json'):
        shutil.copy(os.path.join(HERE, name), folder)
    if os.path.exists(done) and open(done).read() == wanted:
        return folder
    p = subprocess.run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], cwd=folder, stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=300)
    if p.returncode:
        print('npm: ' + (p.stderr or p.stdout).strip()[-500:], file=sys.stderr)
        return None
    with open(done, 'w') as f:
        f.write(wanted)
    return folder


def public_key(server):
    """The server's, as Chromium's list of keys to be trusted has it: this certificate, and no other."""
    pem = subprocess.run(['openssl', 'x509', '-in', server.path('tls', 'server.pem'), '-noout', '-pubkey'], check=True,
                         capture_output=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'der'], input=pem, check=True, capture_output=True).stdout
    digest = subprocess.run(['openssl', 'dgst', '-sha256', '-binary'], input=der, check=True, capture_output=True).stdout
    return base64.b64encode(digest).decode()


class Browser:
    """`shots` is the folder of screenshots."""

    def __init__(self, t):
        build = t.server.build
        self.t, self.names = t, 0
        self.shots = os.path.join(build, 'tests', 'browser', 'shots')
        os.makedirs(self.shots, exist_ok=True)
        self.port = int(t.server.env['CHANCERY_PORT_HTTPS'])
        self.proxy = Proxy(t, port=self.port)
        self.url = 'https://%s:%d/chat/' % (t.server.domain, self.port)
        settings = {'chromium': chromium(), 'host': t.server.domain, 'port': self.proxy.port, 'key': public_key(t.server),
                    'patience': PATIENCE * 1000}
        self.process = subprocess.Popen(['node', 'browser.mjs', json.dumps(settings)], cwd=driver(build), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr)
        t.clients.append(self)

    def do(self, page, op, *args):
        self.process.stdin.write(json.dumps({'page': page, 'op': op, 'args': args}) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError('the browser has ended')
        answer = json.loads(line)
        if 'error' in answer:
            self.shot_of_failure(page, op)
            raise AssertionError('%s: %s %s: %s' % (page, op, ' '.join(map(str, args)), answer['error']))
        return answer['ok']

    def shot_of_failure(self, page, op):
        if op not in ('open', 'shot', 'close'):
            try:
                self.do(page, 'shot', os.path.join(self.shots, 'failed-%s.png' % page))
            except AssertionError:
                pass

    def page(self, **options):
        self.names += 1
        return Page(self, 'page%d' % self.names, options)

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Page:
    def __init__(self, browser, name, options):
        self.browser, self.name = browser, name
        self('open', options)

    def __call__(self, op, *args):
        return self.browser.do(self.name, op, *args)

    def shot(self, name):
        self('shot', os.path.join(self.browser.shots, name + '.png'))

    # -- the chat ------------------------------------------------------------------------------------------

    def visit(self, transport='websocket', hash=''):
        self('goto', self.browser.url + ('?transport=bosh' if transport == 'bosh' else '') + hash)
        self('see', 'converse-login-form')
        return self

    def login(self, user, password=None):
        self('fill', 'input[name=jid]', user[0])
        self('fill', 'input[name=password]', password or user[1])
        self('press', 'input[name=password]', 'Enter')

    def online(self, user, transport='websocket', hash=''):
        self.visit(transport, hash).login(user)
        self('see', 'converse-user-profile')
        return self

    def open_chat(self, jid):
        self('run', "location.hash = 'converse/chat?jid=%s'" % jid)
        self('see', 'converse-chat textarea.chat-textarea')

    def enter(self, room):
        self('run', "location.hash = 'converse/room?jid=%s'" % room)
        self('see', 'converse-muc textarea.chat-textarea')

    def say(self, text):
        self('fill', 'textarea.chat-textarea', text)
        self('press', 'textarea.chat-textarea', 'Enter')

    def hears(self, text):
        self('see', 'converse-chat-message .chat-msg__text', text)

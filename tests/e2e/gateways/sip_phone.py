"""A SIP user agent for tests: says and hears what it is told, over UDP, and answers what comes. And a proxy: kamailio, run privately."""
import itertools
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid

from chancerytest.client import PATIENCE

KAMAILIO = shutil.which('kamailio') or '/usr/sbin/kamailio'
DB_TEXT = '/usr/share/kamailio/dbtext/kamailio'
AGAIN = 0.5     # RFC 3261 §17.1.2.2: T1

# One child: what comes first leaves first, as a report behind the answer to what it is about.
CONFIG = """
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:%(host)s:%(port)d
listen=tcp:%(host)s:%(port)d
%(tls)s
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
%(modules)s
modparam("tm", "fr_timer", 3000)

request_route {
	if (!mf_process_maxfwd_header("70")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	%(auth)s
	%(watchers)s
	if (has_totag()) {
		if (!loose_route() && !is_present_hf("Route") && $rd == "%(host)s") {
			sl_send_reply("404", "Not Here");
			exit;
		}
		t_relay();
		exit;
	}
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	if (is_method("SUBSCRIBE")) {
		record_route();
	}
	%(presence)s
	%(trunk)s
	if (!lookup("location")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	t_relay();
}
"""

TLS = """
listen=tls:%(host)s:%(tls_port)d
enable_tls=yes
loadmodule "tls.so"
modparam("tls", "config", "%(folder)s/tls.cfg")
"""

TLS_CONFIG = """[server:default]
method = TLSv1.2+
verify_certificate = %(verify)s
require_certificate = %(verify)s
private_key = %(folder)s/proxy.key
certificate = %(folder)s/proxy.pem
ca_list = %(folder)s/ca.pem

[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = %(folder)s/proxy.key
certificate = %(folder)s/proxy.pem
ca_list = %(folder)s/ca.pem
"""

AUTH = """
	if ($fd == "%(domain)s" && $si == "%(gateway)s") {
		if (is_method("REGISTER")) {
			if (!pv_www_authenticate("phones.example", "%(password)s", "0")) {
				www_challenge("phones.example", "0");
				exit;
			}
		} else if (!has_totag() && !pv_proxy_authenticate("phones.example", "%(password)s", "0")) {
			proxy_challenge("phones.example", "0");
			exit;
		}
		consume_credentials();
	}
"""

# Tables in memory; those of files are only looked for.
PRESENCE_MODULES = """
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("presence", "db_url", "text://%(folder)s/db")
modparam("presence", "publ_cache", 2)
modparam("presence", "subs_db_mode", 0)
modparam("presence", "server_address", "sip:%(host)s:%(port)d")
modparam("presence_xml", "db_url", "text://%(folder)s/db")
modparam("presence_xml", "force_active", 1)
"""

PRESENCE = """
	if (is_method("PUBLISH|SUBSCRIBE")) {
		if (!t_newtran()) {
			sl_reply_error();
			exit;
		}
		if (is_method("PUBLISH"))
			handle_publish();
		else
			handle_subscribe();
		exit;
	}
"""

TRUNK = """
	if ($rd == "%(domain)s") {
		$du = "sip:%(gateway)s:%(gateway_port)d%(transport)s";
		t_relay();
		exit;
	}
"""


class Kamailio:
    """`presence`: it keeps presence, and tells it. `auth`: a password without which nothing is taken from the gateway. `trunk`: what is for the domain goes to the gateway, else only who has registered is reached."""

    def __init__(self, t, folder, host, domain, gateway, gateway_port, auth=None, trunk=True, tls=None, transport='', presence=False):
        self.t, self.host, self.port, self.tls_port, self.folder = t, host, 5060, 5061, folder
        names = {'host': host, 'port': self.port, 'tls_port': self.tls_port, 'folder': folder, 'domain': domain, 'gateway': gateway, 'gateway_port': gateway_port,
                 'password': auth, 'transport': transport, 'verify': 'yes'}
        names['tls'] = TLS % names if tls else ''
        names['auth'] = AUTH % names if auth else ''
        names['trunk'] = TRUNK % names if trunk else ''
        names['presence'] = PRESENCE if presence else 'if (is_method("PUBLISH")) { sl_send_reply("405", "Method Not Allowed"); exit; }'
        names['watchers'] = 'if (has_totag() && is_method("SUBSCRIBE") && uri == myself) {%s}' % PRESENCE if presence else ''
        names['modules'] = PRESENCE_MODULES % names if presence else ''
        if presence:
            shutil.copytree(DB_TEXT, os.path.join(folder, 'db'))
        if tls:
            self.write('tls.cfg', TLS_CONFIG % names)
        self.config = self.write('kamailio.cfg', CONFIG % names)
        os.makedirs(os.path.join(folder, 'run'), exist_ok=True)
        self.out = open(os.path.join(folder, 'kamailio.out'), 'a')
        self.p = None
        t.clients.append(self)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def start(self):
        self.p = subprocess.Popen([KAMAILIO, '-DD', '-E', '-m', '32', '-M', '4', '-Y', os.path.join(self.folder, 'run'), '-f', self.config], cwd=self.folder,
                                  stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT, start_new_session=True)
        self.t.server.wait(self.answers, 'kamailio')

    def answers(self):
        assert self.p.poll() is None, open(os.path.join(self.folder, 'kamailio.out')).read()[-2000:]
        try:
            socket.create_connection((self.host, self.port), 1).close()
            return True
        except OSError:
            return False

    def kill(self):
        if self.p and self.p.poll() is None:
            os.killpg(self.p.pid, signal.SIGKILL)
            self.p.wait()

    def close(self):
        self.kill()
        self.out.close()


class Message:
    """Of SIP. Headers by their names in lower case, each a list."""

    def __init__(self, data):
        head, _, self.body = data.partition(b'\r\n\r\n')
        lines = head.decode('utf-8', 'replace').split('\r\n')
        self.first, self.headers = lines[0], {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            self.headers.setdefault(name.strip().lower(), []).append(value.strip())
        self.status = int(self.first.split()[1]) if self.first.startswith('SIP/2.0') else 0
        self.method = self.first.split()[0] if not self.status else self.get('cseq').rpartition(' ')[2]

    def get(self, name):
        return (self.headers.get(name) or [''])[0]

    def text(self):
        return self.body.decode()

    def __repr__(self):
        return '<%s %s %r>' % (self.first, self.headers, self.body[:200])


class Phone:
    """USER@phones.example. What it answers to what comes: `answers`, by method."""

    def __init__(self, t, host, proxy, user, domain='phones.example', register=True):
        self.name, self.domain, self.proxy = user, domain, proxy
        self.uri = 'sip:%s@%s' % (user, domain)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.host, self.port = self.sock.getsockname()
        self.answers = {}           # method: (status, phrase); of others 200
        self.heard, self.waiting, self.replied = queue.Queue(), {}, {}
        self.passed_over = []
        self.late = False           # what comes is heard and not answered, until it comes again
        self.presence = self.subscribed = None  # a document that who subscribes is told; the last subscription
        self.numbers = itertools.count(1)
        self.tag = uuid.uuid4().hex[:8]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        t.clients.append(self)
        if register:
            answer = self.ask('REGISTER', 'sip:' + domain, {'Contact': '<sip:%s@%s:%d>' % (user, self.host, self.port), 'Expires': '600'}, to=self.uri)
            assert answer.status == 200, answer

    def close(self):
        self.sock.close()

    # -- hearing

    def run(self):
        while True:
            try:
                data, source = self.sock.recvfrom(65536)
            except OSError:
                return
            if not data.strip():
                continue
            m = Message(data)
            if m.status:
                box = self.waiting.get((m.get('call-id'), m.get('cseq')))
                if box is not None and m.status >= 200:
                    box.put(m)
                continue
            if m.get('via') in self.replied:        # again: its answer was lost
                self.sock.sendto(self.replied[m.get('via')], source)
                continue
            self.reply(m, source)

    def reply(self, m, source):
        answer = self.answers.get(m.method, (200, 'OK'))
        if answer is None:                          # silence
            return
        if self.late:
            self.heard.put(m)
            return
        lines = ['SIP/2.0 %d %s' % answer] + ['Via: ' + v for v in m.headers['via']] + ['Record-Route: ' + v for v in m.headers.get('record-route', [])]
        to = m.get('to')
        lines += ['From: ' + m.get('from'), 'To: ' + (to if 'tag=' in to else to + ';tag=' + self.tag), 'Call-ID: ' + m.get('call-id'), 'CSeq: ' + m.get('cseq'),
                  'Contact: <sip:%s@%s:%d>' % (self.name, self.host, self.port), 'Expires: 600', 'Content-Length: 0', '', '']
        data = '\r\n'.join(lines).encode()
        self.replied[m.get('via')] = data
        try:
            self.sock.sendto(data, source)
        except OSError:
            return
        # Behind the answer: what the test sends when it has heard this does not overtake it.
        self.heard.put(m)
        if m.method == 'SUBSCRIBE':
            self.subscribed = m
            if self.presence:
                threading.Thread(target=self.notify, args=(m, self.presence), daemon=True).start()

    def expect(self, method, match=lambda m: True):
        """The next request of that method that fits; others are kept."""
        for m in self.passed_over:
            if m.method == method and match(m):
                self.passed_over.remove(m)
                return m
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                m = self.heard.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError('%s: waited in vain for %s; heard %s' % (self.uri, method, self.passed_over)) from None
            if m.method == method and match(m):
                return m
            self.passed_over.append(m)

    # -- saying

    def ask(self, method, uri, headers=None, body=b'', to=None, **how):
        return self.answer(self.send(method, uri, headers, body, to, **how))

    def send(self, method, uri, headers=None, body=b'', to=None, target=None, branch=None, drop=(), call=None, cseq=1, more_via=()):
        """A request, straight to `target` (the proxy). `drop`: headers left out. Gives what `answer` takes."""
        body = body.encode() if isinstance(body, str) else body
        call = call or uuid.uuid4().hex
        lines = [('Via', 'SIP/2.0/UDP %s:%d;branch=%s;rport' % (self.host, self.port, branch or 'z9hG4bK' + uuid.uuid4().hex))]
        lines += [('Via', v) for v in more_via]
        lines += [('Max-Forwards', '70'), ('From', '<%s>;tag=%s' % (self.uri, self.tag)), ('To', '<%s>' % (to or uri)), ('Call-ID', call),
                  ('CSeq', '%d %s' % (cseq, method))]
        lines = [(k, v) for k, v in lines if k not in drop and k not in (headers or {})] + list((headers or {}).items())
        lines.append(('Content-Length', str(len(body))))
        data = ('%s %s SIP/2.0\r\n' % (method, uri) + ''.join('%s: %s\r\n' % l for l in lines) + '\r\n').encode() + body
        box = self.waiting[call, '%d %s' % (cseq, method)] = queue.Queue()
        target = target or self.proxy
        self.sock.sendto(data, target)
        return box, data, target

    def answer(self, sent):
        """The final answer; the request is repeated until it comes, as UDP needs it."""
        box, data, target = sent
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                return box.get(timeout=AGAIN)
            except queue.Empty:
                self.sock.sendto(data, target)
        raise AssertionError('%s: no answer to %r' % (self.uri, data[:200]))

    def message(self, to, text, type='text/plain', **how):
        how['headers'] = {'Content-Type': type, **how.get('headers', {})}
        return self.ask('MESSAGE', 'sip:' + to, body=text, **how)

    def notify(self, subscribe, body, state='active;expires=600', type='application/pidf+xml'):
        """In the dialog that a SUBSCRIBE began."""
        contact = subscribe.get('contact').split('<')[1].split('>')[0]
        headers = {'Event': 'presence', 'Subscription-State': state, 'Content-Type': type, 'Contact': '<sip:%s@%s:%d>' % (self.name, self.host, self.port),
                   'From': subscribe.get('to') + ('' if 'tag=' in subscribe.get('to') else ';tag=' + self.tag), 'To': subscribe.get('from')}
        routes = subscribe.headers.get('record-route', [])
        if routes:
            headers['Route'] = ', '.join(routes)
        return self.ask('NOTIFY', contact, headers, body, call=subscribe.get('call-id'), cseq=next(self.numbers))

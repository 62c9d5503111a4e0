"""E-mail: a private postfix and a private dovecot (Debian). Postfix takes what leaves (STARTTLS, SASL by dovecot) and brings answers by LMTP; people outside are mailboxes of
dovecot, read by IMAP. Scenarios share them, each with a domain of its own, but for those that kill them."""
import atexit
import email
import email.policy
import imaplib
import io
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import zipfile
from email.message import EmailMessage

import behaviours
from behaviours import World, files_cut, local, offered, said
from chancerytest.client import PATIENCE, unique
from chancerytest.scenario import alone
from chancerytest.server import EICAR, stopped, take_port

OUTSIDE = 'partner.example'
DOORS = 500
# Folded, a long id becomes words in another encoding.
WIRE = email.policy.SMTP.clone(max_line_length=900)
INSIDE = 'chat.example'    # below it, a domain for each gateway
START = max(PATIENCE, 90)
POSTFIX = shutil.which('postfix') or '/usr/sbin/postfix'
DOVECOT = shutil.which('dovecot') or '/usr/sbin/dovecot'

MAIN = """compatibility_level = 3.6
config_directory = {dir}/postfix
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test.example
mydestination =
mynetworks =
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_sender_restrictions = check_sender_access inline:{{ {{ forged.example = PREPEND Authentication-Results: mx.test.example; spf=fail smtp.mailfrom=forged.example }}, {{ proven.example = PREPEND Authentication-Results: mx.test.example; spf=pass smtp.mailfrom=proven.example }} }}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
virtual_mailbox_domains = {outside}
virtual_mailbox_maps = regexp:{dir}/postfix/people
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
relay_domains = regexp:{dir}/postfix/domains
transport_maps = texthash:{dir}/postfix/transport
default_destination_concurrency_limit = 1
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
recipient_delimiter =
"""

MASTER = """127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

CONFIG = """base_dir = {dir}/run
log_path = {dir}/dovecot.log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{dir}/mail/%Lu
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/mail/%Lu allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  unix_listener {dir}/queue/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


def missing():
    if not os.path.exists(POSTFIX) or not os.path.exists(DOVECOT):
        return 'postfix, or dovecot (dovecot-core, dovecot-imapd, dovecot-lmtpd),'
    return 'a right to run postfix and dovecot (root)' if os.getuid() else None


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


class MailSystem:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='chancery-mail-')
        os.chmod(self.folder, 0o755)
        self.ports = {name: take_port() for name in ('smtp', 'imap', 'lmtp')}
        for name in 'postfix', 'queue', 'data', 'mail', 'run', 'gw':
            os.mkdir(self.path(name))
        shutil.chown(self.path('data'), 'postfix')
        shutil.chown(self.path('mail'), 'mail', 'mail')
        names = dict(self.ports, dir=self.folder, outside=OUTSIDE)
        write(self.path('postfix/main.cf'), MAIN.format(**names))
        write(self.path('postfix/master.cf'), MASTER.format(**names))
        write(self.path('postfix/people'), 'if !/^nobody@/\n/./ x\nendif\n')
        write(self.path('postfix/domains'), '/\\.%s$/ x\n' % re.escape(INSIDE))
        # Its regular expressions may not say where mail goes: a door for each gateway that there may be.
        write(self.path('postfix/transport'), ''.join('d%d.%s lmtp:unix:%s/d%d/lmtp\n' % (i, INSIDE, self.path('gw'), i) for i in range(DOORS)) +
              # Taken, and bounced: a gateway does not know others' domains.
              ''.join('late-d%d@%s lmtp:unix:%s/d%d/lmtp\n' % (i, OUTSIDE, self.path('gw'), i) for i in range(DOORS)))
        write(self.path('dovecot.conf'), CONFIG.format(**names))
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
                        '-keyout', self.path('key.pem'), '-out', self.path('cert.pem')], check=True, capture_output=True)
        self.postfix = self.dovecot = None
        self.doors = iter(range(DOORS))
        atexit.register(self.remove)

    def path(self, name):
        return os.path.join(self.folder, name)

    def door(self, name):
        """A folder for a gateway's socket: what is made in it is the mail system's group's (modules/gateway_mail/README.md)."""
        path = self.path('gw/' + name)
        os.mkdir(path)
        shutil.chown(path, None, 'postfix')
        os.chmod(path, 0o2775)
        return path

    def start(self, wait):
        out = open(self.path('start.log'), 'a')
        self.postfix = subprocess.Popen([POSTFIX, '-c', self.path('postfix'), 'start-fg'], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait(lambda: os.path.isdir(self.path('queue/private')) and answers(self.ports['smtp'], b'220'), 'postfix', START)
        self.dovecot = subprocess.Popen([DOVECOT, '-F', '-c', self.path('dovecot.conf')], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        wait(lambda: answers(self.ports['imap'], b'* OK') and answers(self.ports['lmtp'], b'220'), 'dovecot', START)

    def kill(self):
        if self.postfix:
            subprocess.run([POSTFIX, '-c', self.path('postfix'), 'abort'], capture_output=True)
            self.postfix.wait(START)
        if self.dovecot:
            self.dovecot.terminate()
            self.dovecot.wait(START)
        self.postfix = self.dovecot = None

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


shared, shared_lock = [], threading.Lock()


def shared_system(wait):
    with shared_lock:
        if not shared:
            system = MailSystem()
            system.start(wait)
            shared.append(system)
        return shared[0]


class Person:
    """A mailbox outside."""

    def __init__(self, driver, name, domain=OUTSIDE):
        self.driver, self.name = driver, unique(name).lower()
        self.address, self.read = '%s@%s' % (self.name, domain), set()

    def inbox(self):
        """What has come and was not looked for yet."""
        box = imaplib.IMAP4('127.0.0.1', self.driver.system.ports['imap'], timeout=PATIENCE)
        try:
            box.login(self.address, 'secret')
            box.select('INBOX')
            for n in box.uid('search', 'ALL')[1][0].split():
                if n not in self.read:
                    yield n, email.message_from_bytes(box.uid('fetch', n, '(RFC822)')[1][0][1], policy=email.policy.default)
        finally:
            box.logout()

    def got(self, wanted):
        """The first mail of which `wanted` is true."""
        found = []

        def look():
            for n, m in self.inbox():
                if wanted(m):
                    self.read.add(n)
                    found.append(m)
                    return True
            return False
        self.driver.t.server.wait(look, 'a mail', START)
        return found[0]

    def heard(self, text):
        return self.got(lambda m: said_in(m) == text)

    def mail(self, user, text, **fields):
        m = EmailMessage()
        m['From'], m['To'] = 'Bob <%s>' % self.address, to_address(self.driver, user)
        m['Message-ID'] = '<%s@%s>' % (unique('m'), OUTSIDE)
        m.set_content(text)
        for key, value in fields.items():
            m[key.replace('_', '-')] = value
        return m

    def say(self, user, text):
        self.send(self.mail(user, text), user)

    def give(self, user, text, name, data):
        m = self.mail(user, text)
        m.add_attachment(data, maintype='application', subtype='octet-stream', filename=name)
        how, words = self.driver.bring(m, self.address, to_address(self.driver, user))
        assert how == 'sent' or 'the file %s was not let through' % name in words, words
        return how == 'sent'

    def got_file(self, name, data):
        m = self.got(lambda m: any(p.get_filename() == name for p in m.walk()))
        assert [p.get_content() for p in m.iter_attachments()] in ([data], [data.decode()]), m

    def hears_until(self, text):
        """The names of files that came besides."""
        self.heard(text)
        return [p.get_filename() for _, m in self.inbox() for p in m.walk()]

    def send(self, mail, user, sender=None):
        """Until the gateway has taken it: what is answered with 250 is in the record."""
        how, words = self.driver.bring(mail, sender or self.address, to_address(self.driver, user))
        assert how == 'sent', words


def to_address(driver, user):
    return user if '@' in user else '%s@%s' % (user, driver.domain)


def said_in(m):
    part = m.get_body(('plain',))
    return part.get_content().replace('\r\n', '\n').strip('\n') if part else ''


class Driver(behaviours.Driver):
    kind, features, tells_refusals = 'mail', {'subjects', 'files'}, True
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-mail')
    more = {}
    system = None

    def start_server(self):
        if not self.system:
            self.system = shared_system(self.t.server.wait)
        self.make_door()

    def make_door(self):
        self.name = 'd%d' % next(self.system.doors)
        self.domain = '%s.%s' % (self.name, INSIDE)
        self.listen = 'unix:%s/lmtp' % self.system.door(self.name)

    def kill_server(self):
        """It is shared; see Alone."""

    def network(self):
        return dict({'relay': 'smtp://localhost:%d' % self.system.ports['smtp'], 'ca_file': self.system.path('cert.pem'), 'user': 'gateway', 'password': 'secret',
                     'domain': self.domain, 'listen': self.listen}, **self.more)

    def person(self, name):
        return Person(self, name)

    def nobody(self):
        return 'nobody@' + OUTSIDE

    def system_log(self):
        with open(self.system.path('mail.log'), errors='replace') as f:
            return f.read()

    def bring(self, mail, sender, to):
        """Gives it to postfix as anybody's mail system does; how its delivery ended: sent or bounced, and the words."""
        with smtplib.SMTP('127.0.0.1', self.system.ports['smtp'], timeout=START) as s:
            s.ehlo('outside.example')
            for code, words in (s.mail(sender), s.rcpt(to)):
                assert code == 250, words
            code, words = s.data(mail.as_bytes(policy=WIRE) if isinstance(mail, EmailMessage) else mail)
            assert code == 250, words
        queued = re.search(r'queued as (\w+)', words.decode()).group(1)
        end = []

        def over():
            end[:] = re.findall(r' %s: to=<.*status=(sent|bounced) \((.*)\)' % queued, self.system_log())
            return bool(end)
        self.t.server.wait(over, 'the end of mail ' + queued, START)
        return end[0]


def answers(port, with_):
    try:
        with socket.create_connection(('127.0.0.1', port), 1) as s:
            return s.recv(100).startswith(with_)
    except OSError:
        return False


class Alone(Driver):
    """With a mail system of its own, which is killed."""

    def start_server(self):
        if not self.system:
            self.system = MailSystem()
            self.make_door()
        self.system.start(self.t.server.wait)

    def kill_server(self):
        self.system.kill()

    def close(self):
        super().close()
        self.system.remove()


globals().update(behaviours.of(Driver))
globals().update({k: f for k, f in behaviours.of(Alone).items() if k in ('test_server_down', 'test_server_back')})


# What only mail has

class Checked(Driver):
    more = {'authserv_id': 'mx.test.example'}


class Tokens(Driver):
    more = {'tokens': True}


def start(t, driver=Driver):
    w = World(t, driver)
    return w, w.clients[0]


def test_thread(t):
    """mail: a conversation is a thread, both ways; what an answer quotes is left out; the answer to Reply-To arrives"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'Shall we dine?', inner='<subject>Dinner</subject>')
    first = bob.heard('Shall we dine?')
    assert first['Subject'] == 'Dinner' and first['From'].addresses[0].addr_spec == to_address(w.driver, local(romeo)), first
    m = bob.mail(local(romeo), 'We shall.\n\nOn Monday 3, romeo wrote:\n> Shall we dine?\n', Subject='Re: Dinner', In_Reply_To=first['Message-ID'])
    bob.send(m, first['Reply-To'].addresses[0].addr_spec)
    e = said(romeo, 'We shall.\n\n[2 quoted lines were left out.]', w.jid(bob.address))
    assert e.find('subject') is None, e
    romeo.message(w.jid(bob.address), 'At nine.')
    second = bob.heard('At nine.')
    assert second['Subject'] == 'Re: Dinner' and second['In-Reply-To'] == m['Message-ID'] and first['Message-ID'] in second['References'], second.items()


def test_prompt(t):
    """XEP-0100 §6.3: an address of mail, as people type it, is a JID"""
    w, romeo = start(t)
    q = "<query xmlns='jabber:iq:gateway'>%s</query>"
    assert romeo.iq('get', q % '', to=w.domain).all()[0].text('prompt') == 'E-mail address'
    assert romeo.iq('set', q % '<prompt>Bob.Smith@Partner.Example</prompt>', to=w.domain).all()[0].text('jid') == 'bob.smith\\40partner.example@' + w.domain


def report_on(mail, action, status='5.1.1', recipient=None):
    """What another mail system says of a mail that it had taken (RFC 3464)."""
    return ('From: MAILER-DAEMON@%s\r\nMessage-ID: <%s@%s>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n'
            '--b\r\n\r\nSo it is.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\n\r\n--b\r\n'
            'Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: %s\r\n\r\n--b--\r\n' % (
                OUTSIDE, unique('m'), OUTSIDE, recipient or mail['To'].addresses[0].addr_spec, action, status, mail['Message-ID'])).encode()


def reports(w, mail, *how, **more):
    to = mail['Reply-To'].addresses[0].addr_spec
    assert w.driver.bring(report_on(mail, *how, **more), '', to)[0] == 'sent'


def not_delivered(w, client, address, id, words):
    e = behaviours.failed(client, id)
    assert e.get('from') == w.jid(address) and e.condition() == 'item-not-found' and e.find('error').text('text') == words, e


def test_bounce(t):
    """mail: what cannot be delivered later comes back as an error for the message, with the words of the mail system, to the client that wrote it, also where
    that has not told the gateway that it is there"""
    w, romeo = start(t)
    address = 'late-%s@%s' % (w.driver.name, OUTSIDE)
    romeo.message(w.jid(address), 'Are you there?', id='b1')
    not_delivered(w, romeo, address, 'b1', '550 5.1.1 there is nobody of that name')
    balcony = t.online(romeo)
    balcony.message(w.jid(address), 'Are you?', id='b2')
    not_delivered(w, balcony, address, 'b2', '550 5.1.1 there is nobody of that name')


def test_bounce_client_gone(t):
    """mail: where the client that wrote is not there any more, the person is told in words; of a delay, too"""
    w, romeo = start(t)
    bob, balcony = w.driver.person('bob'), t.online(romeo)
    balcony.message(w.jid(bob.address), 'I go')
    mail = bob.heard('I go')
    balcony.close()
    romeo.expect_presence('unavailable', balcony.jid)
    reports(w, mail, 'delayed', '4.4.1')
    said(romeo, bob.address + ': not delivered yet: 4.4.1', w.domain)
    reports(w, mail, 'failed')
    said(romeo, bob.address + ': not delivered: 5.1.1', w.domain)


def test_bounce_forwarded(t):
    """mail: a report on a mail that was forwarded, by the next address, is on the message all the same"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'Pass it on', id='b3')
    reports(w, bob.heard('Pass it on'), 'failed', recipient='somebody@elsewhere.example')
    not_delivered(w, romeo, bob.address, 'b3', '5.1.1')


def test_report_of_success(t):
    """mail: a report that a mail has arrived is the receipt (XEP-0184) of who asked for one; that it was passed on is none"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    asked = behaviours.REQUEST
    for id, text, inner, action in ('s1', 'asked', asked, 'relayed'), ('s2', 'not asked', '', 'delivered'), ('s3', 'asked, too', asked, 'delivered'):
        romeo.message(w.jid(bob.address), text, id=id, inner=inner)
        reports(w, bob.heard(text), action, '2.0.0')
    got = romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' for c in e.all()), 'the receipt')
    assert got.find('received').get('id') == 's3' and got.get('from') == w.jid(bob.address), got


def test_bounce_after_restart(t):
    """mail: which message a report is about outlives the program; what is too old does not"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    kept = "select count(*) from chancery.gateway_data where gateway = '%s' and key like 'id/%%' and jid = '%s'" % (w.name, romeo.bare)
    romeo.message(w.jid(bob.address), 'Before', id='b4', inner=behaviours.REQUEST)
    romeo.message(w.jid(bob.address), 'Before, too', id='b5')
    mails = [bob.heard(text) for text in ('Before', 'Before, too')]
    t.server.wait(lambda: t.server.value(kept) == '2', 'both to be kept')
    w.stop(signal.SIGKILL)
    w.start()
    reports(w, mails[0], 'delivered', '2.0.0')
    romeo.expect(lambda e: e.name == 'message' and any(c.name == 'received' and c.get('id') == 'b4' for c in e.all()), 'the receipt')
    reports(w, mails[1], 'failed')
    not_delivered(w, romeo, bob.address, 'b5', '5.1.1')
    # What was told is not asked for again; the other goes by its age.
    t.server.wait(lambda: t.server.value(kept) == '1', 'one to be forgotten')
    w.stop()
    t.server.psql("update chancery.gateway_data set key = 'id/' || lpad('1', 16, '0') where gateway = '%s' and key like 'id/%%'" % w.name)
    w.start()
    t.server.wait(lambda: t.server.value(kept) == '0', 'the old one to be forgotten')


def test_forged_bounce(t):
    """mail: a report on a mail that was not ours tells nobody anything"""
    w, romeo = start(t)
    report = ('From: MAILER-DAEMON@evil.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n--b\r\n'
              'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; bob@partner.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n')
    how, words = w.driver.bring(report.encode(), '', to_address(w.driver, local(romeo)))
    assert how == 'bounced' and 'no mail of ours' in words, words


def test_sender_shown(t):
    """mail: what the mail system found out about the sender is shown and recorded; what others claim in its name below its own line is not believed"""
    w, romeo = start(t, Checked)
    for domain, line in ('forged.example', '[Warning: the sender is forged. This mail is not from %s.]\n\n%s'), ('proven.example', None), (OUTSIDE, '[The sender is not verified.]\n\n%.0s%s'):
        bob = Person(w.driver, 'bob', domain)
        text = 'I am from ' + domain
        bob.send('Received: by evil\r\nAuthentication-Results: mx.test.example; dkim=pass header.d={d}\r\nFrom: <{a}>\r\nMessage-ID: <{i}@x>\r\n\r\n{t}\r\n'.format(
            d=domain, a=bob.address, i=unique('m'), t=text).encode(), local(romeo))
        said(romeo, line % (bob.address, text) if line else text)


def test_tokens(t):
    """mail: where only answers are taken, nobody else gets through"""
    w, romeo = start(t, Tokens)
    bob, eve = w.driver.person('bob'), w.driver.person('eve')
    romeo.message(w.jid(bob.address), 'Write to me')
    to = bob.heard('Write to me')['Reply-To'].addresses[0].addr_spec
    bob.send(bob.mail(to, 'I do'), to)
    said(romeo, 'I do')
    for mail, sender, where in (bob.mail(to, 'me too'), bob.address, to_address(w.driver, local(romeo))), (eve.mail(to, 'me too'), eve.address, to):
        how, words = w.driver.bring(mail, sender, where)
        assert how == 'bounced' and 'only answers' in words, words


def test_automatic(t):
    """mail: what no person wrote is refused, and what comes back in circles"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'Hello')
    mine = bob.heard('Hello')
    for m in bob.mail(local(romeo), 'I am away', Auto_Submitted='auto-replied'), mine.as_bytes():
        how, words = w.driver.bring(m, bob.address, to_address(w.driver, local(romeo)))
        assert how == 'bounced' and ('no person' in words or 'circles' in words), words


def nested_zip(levels):
    data = b'x'
    for _ in range(levels):
        b = io.BytesIO()
        with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
            z.writestr('a.zip', data)
        data = b.getvalue()
    return data


def test_attachments(t):
    """mail: of ten attachments those that are clean come, in their order; an infected one and one that cannot be scanned are named and the sender is told"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    m = bob.mail(local(romeo), 'ten')
    for i in range(8):
        m.add_attachment(b'file %d\n' % i, maintype='application', subtype='octet-stream', filename='größe %d.txt' % i)
    m.add_attachment(EICAR, maintype='application', subtype='octet-stream', filename='eicar.com')
    m.add_attachment(nested_zip(80), maintype='application', subtype='zip', filename='deep.zip')
    to = to_address(w.driver, local(romeo))
    how, words = w.driver.bring(m, bob.address, to)
    assert how == 'bounced' and '550 5.7.1 the file eicar.com was not let through' in words, words
    text = romeo.expect(lambda e: e.name == 'message' and (e.text('body') or '').startswith('ten\n'), 'the text').text('body')
    assert re.findall(r'\[file: (\S+) was not let through', text) == ['eicar.com', 'deep.zip'], text
    for i in range(8):
        assert offered(w, romeo)[1:] == ('gr%%C3%%B6%%C3%%9Fe%%20%d.txt' % i, b'file %d\n' % i)
    bob.say(local(romeo), 'after')
    said(romeo, 'after')


def test_file_large(t):
    """mail: a file that is larger than the limit is named, not carried, and the sender is told; outward it goes back to who sends it"""
    w = World(t, Driver, limits={'file_bytes': 5000})
    romeo, bob = w.clients[0], w.driver.person('bob')
    assert not bob.give(local(romeo), 'much', 'much.txt', b'much\n' * 2000)
    romeo.expect(lambda e: e.name == 'message' and '[file: much.txt was not let through: it is larger than 5000 bytes]' in (e.text('body') or ''), 'the words')
    behaviours.send_file(w, romeo, w.jid(bob.address), b'more\n' * 2000, 'more.txt', id='fl')
    assert behaviours.failed(romeo, 'fl').condition() == 'not-acceptable'
    romeo.message(w.jid(bob.address), 'words')
    bob.heard('words')


def test_odd_mails(t):
    """mail: HTML only, ten thousand fields, parts in parts: each shown or refused, and the next mail arrives"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    m = bob.mail(local(romeo), 'x')
    m.set_content('<p>only &amp; <a href="https://evil.example/">https://bank.example</a></p>', subtype='html')
    bob.send(m, local(romeo))
    said(romeo, 'only & https://bank.example <https://evil.example/>')
    head = 'From: <%s>\r\n' % bob.address
    for text in head + ''.join('X-%d: y\r\n' % i for i in range(10000)) + '\r\nx', \
            head + ''.join('Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(60)) + 'x':
        how, words = w.driver.bring(text.encode(), bob.address, to_address(w.driver, local(romeo)))
        assert how == 'bounced' and '554' in words, words
    bob.say(local(romeo), 'still here')
    said(romeo, 'still here')


def test_gateway_away(t):
    """mail: while the gateway is away the mail system keeps its mails; then they arrive, once"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    w.stop()
    m = bob.mail(local(romeo), 'patience')
    to = to_address(w.driver, local(romeo))
    with smtplib.SMTP('127.0.0.1', w.driver.system.ports['smtp'], timeout=START) as s:
        s.sendmail(bob.address, [to], m.as_bytes(policy=WIRE))
    t.server.wait(lambda: re.search('to=<%s>.*status=deferred' % re.escape(to), w.driver.system_log()), 'postfix to keep it', START)
    w.start()
    said(romeo, 'patience')
    assert len(w.records("to_bare = '%s' and body = 'patience'" % romeo.bare, 'id')) == 1


def test_nobody_of_ours(t):
    """mail: a mail to an account that does not exist comes back, and one beside it arrives"""
    w, romeo = start(t)
    bob = w.driver.person('bob')
    to = to_address(w.driver, unique('nobody').lower())
    how, words = w.driver.bring(bob.mail(to, 'hello?'), bob.address, to)
    assert how == 'bounced' and '5.1.1' in words, (how, words)
    bob.say(local(romeo), 'still here')
    said(romeo, 'still here')


class Impatient(Driver):
    more = {'limits': {'idle_seconds': 4}}


@alone(archive__patience='2s')
def test_database_away(t):
    """mail: while PostgreSQL does not answer the mail system keeps its mails; then they arrive, and are in the record"""
    w, romeo = start(t, Impatient)
    bob = w.driver.person('bob')
    bob.say(local(romeo), 'before')
    said(romeo, 'before')
    m, to = bob.mail(local(romeo), 'meanwhile'), to_address(w.driver, local(romeo))
    m.add_attachment(b'a file', maintype='application', subtype='octet-stream', filename='a.txt')
    with stopped(t.server):
        with smtplib.SMTP('127.0.0.1', w.driver.system.ports['smtp'], timeout=START) as s:
            s.sendmail(bob.address, [to], m.as_bytes(policy=WIRE))
        t.server.wait(lambda: re.search('to=<%s>.*status=deferred' % re.escape(to), w.driver.system_log()), 'postfix to keep it', START)
    said(romeo, 'meanwhile')
    assert offered(w, romeo)[2] == b'a file'
    assert len(w.records("to_bare = '%s' and body = 'meanwhile'" % romeo.bare, 'id')) == 1


@alone(archive__patience='2s')
def test_report_database_away(t):
    """mail: a report that comes while PostgreSQL does not answer is kept by the mail system, and told when it does, once"""
    w, romeo = start(t, Impatient)
    bob = w.driver.person('bob')
    romeo.message(w.jid(bob.address), 'Soon?')
    mail = bob.heard('Soon?')
    to, line = mail['Reply-To'].addresses[0].addr_spec, bob.address + ': not delivered yet: 4.4.1'
    with stopped(t.server):
        with smtplib.SMTP('127.0.0.1', w.driver.system.ports['smtp'], timeout=START) as s:
            s.sendmail('', [to], report_on(mail, 'delayed', '4.4.1'))
        t.server.wait(lambda: re.search('to=<%s>.*status=deferred' % re.escape(to), w.driver.system_log()), 'postfix to keep it', START)
    said(romeo, line, w.domain)
    assert w.records("to_bare = '%s' and body = '%s'" % (romeo.bare, line), 'id')
    bob.say(local(romeo), 'after')
    said(romeo, 'after')
    assert not romeo.heard_any(lambda e: e.name == 'message' and e.text('body') == line)


@alone()
def test_file_cut(t):
    """mail: the program or the server is killed in the midst of an attachment: nobody is told of the half, and the whole comes once, both ways"""
    files_cut(t, Driver)

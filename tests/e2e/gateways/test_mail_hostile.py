"""Mails, and mail systems, that are not what they should be. The socket of the gateway is spoken to directly; what leaves is taken by a small SMTP server that keeps it."""
import base64
import email
import email.policy
import io
import os
import queue
import re
import socket
import threading
import zipfile

import behaviours
from behaviours import World, failed, local, said
from chancerytest.client import PATIENCE, unique

BOB, US = 'bob@partner.example', 'chat.example'


class Sink:
    """SMTP, for one mail system that takes everything."""

    def __init__(self):
        self.mails = queue.Queue()
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn = self.sock.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        f = conn.makefile('rwb')

        def say(reply):
            f.write(reply + b'\r\n')
            f.flush()
        try:
            say(b'220 mx.test.example')
            for line in f:
                verb = line[:4].upper()
                if verb == b'DATA':
                    say(b'354 go on')
                    self.mails.put(email.message_from_bytes(b''.join(iter(f.readline, b'.\r\n')), policy=email.policy.default))
                say(b'221 bye' if verb == b'QUIT' else b'250 fine')
        except OSError:
            pass

    def heard(self, text):
        while True:
            try:
                m = self.mails.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError('no mail says %r' % text)
            if m.get_content().strip() == text:
                return m


class Driver(behaviours.Driver):
    kind = 'mail'
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-mail')
    limits = {}

    def start_server(self):
        self.sink, self.path = Sink(), os.path.join(self.folder, 'lmtp')

    def kill_server(self):
        self.sink.sock.close()

    def network(self):
        return {'relay': 'smtp://127.0.0.1:%d' % self.sink.port, 'relay_plain': True, 'domain': US, 'listen': 'unix:' + self.path, 'authserv_id': 'mx.test.example',
                'limits': self.limits}


class Lmtp:
    """A connection of the mail system."""

    def __init__(self, w):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(w.driver.path)
        self.f = self.sock.makefile('rb')
        self.greeting = self.reply()

    def reply(self):
        """'' at its end."""
        try:
            while True:
                line = self.f.readline().decode().rstrip('\r\n')
                if line[3:4] != '-':
                    return line
        except ConnectionError:
            return ''

    def say(self, line):
        self.sock.sendall((line if isinstance(line, bytes) else line.encode()) + b'\r\n')
        return self.reply()

    def bring(self, data, *to, sender=BOB):
        """What is answered for each recipient."""
        assert self.say('LHLO mx').startswith('250') and self.say('MAIL FROM:<%s>' % sender).startswith('250')
        replies = [self.say('RCPT TO:<%s>' % a) for a in to]
        taken = [r for r in replies if r.startswith('250')]
        if not taken:
            return replies
        assert self.say('DATA').startswith('354')
        self.sock.sendall((data if isinstance(data, bytes) else data.encode()) + b'\r\n.\r\n')
        return [self.reply() if r.startswith('250') else r for r in replies]


def begin(t, driver=Driver):
    w = World(t, driver)
    return w, w.clients[0], Lmtp(w)


def of(client):
    return '%s@%s' % (local(client), US)


def mail(text, *fields, sender=BOB):
    """A mail with these fields, and those that each has."""
    return 'From: <%s>\r\nMessage-ID: <%s@partner.example>\r\n%s\r\n%s' % (sender, unique('m'), ''.join(f + '\r\n' for f in fields), text)


def alive(w, romeo):
    """Heard both ways, over the stream that was there before."""
    text = unique('still here')
    assert Lmtp(w).bring(mail(text), of(romeo)) == ['250 2.1.5 it is in the archive']
    said(romeo, '[The sender is not verified.]\n\n' + text, w.jid(BOB))
    romeo.message(w.jid(BOB), 'I am, ' + text)
    m = w.driver.sink.heard('I am, ' + text)
    assert w.proxy.accepted == 1, 'the stream to chanceryd was lost'
    assert w.program.poll() is None
    return m


def test_heads(t):
    """heads: too many fields, too long, of several people, of nobody, in circles, of programs: each is refused with its code, and the next mail arrives"""
    w, romeo, lmtp = begin(t)
    mine = alive(w, romeo)
    for code, data in (
            ('554 5.6.0', mail('x', *['X-%d: y' % i for i in range(10000)])),
            ('554 5.6.0', mail('x', 'X: ' + 'y' * 1000000)),
            ('554 5.6.0', b'X: ' + b'y' * 1000000),
            ('554 5.6.0', b''),
            ('554 5.6.0', b'\0' * 1000),
            ('554 5.6.0', 'Subject: from nobody\r\n\r\nx'),
            ('554 5.6.0', 'From: a@x.example, b@y.example\r\n\r\nx'),
            ('554 5.6.0', 'From: everybody: a@x.example;\r\n\r\nx'),
            ('554 5.6.7', 'From: <"a b"@x.example>\r\n\r\nx'),
            ('554 5.6.7', 'From: <b\u00f6b@x.example>\r\n\r\nx'),
            ('554 5.6.7', 'From: <bob@[127.0.0.1]>\r\n\r\nx'),
            ('554 5.4.6', mail('x', *['Received: from a by b'] * 60)),
            ('554 5.4.6', mail('x', 'X-Chancery-Gateway: ' + US)),
            ('554 5.4.6', 'From: <%s>\r\nMessage-ID: %s\r\n\r\nx' % (BOB, mine['Message-ID'])),
            ('550 5.7.1', mail('x', 'Auto-Submitted: auto-replied')),
            ('550 5.7.1', mail('x', 'Precedence: bulk')),
            ('550 5.7.1', mail('x', 'List-Id: <l.partner.example>'))):
        r = lmtp.bring(data, of(romeo))
        assert r[0].startswith(code), (r, data[:200])
    assert lmtp.bring(mail('x'), of(romeo), sender='')[0].startswith('550 5.7.1')
    # Said by a person, and said so.
    assert lmtp.bring(mail('by hand', 'Auto-Submitted: no'), of(romeo))[0].startswith('250')
    said(romeo, '[The sender is not verified.]\n\nby hand')
    alive(w, romeo)


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        for i in range(3):
            z.writestr('%d.txt' % i, b'\0' * 10000000)
    return base64.encodebytes(out.getvalue()).decode().replace('\n', '\r\n')


def parts(*all, kind='mixed', end='\r\n--b--\r\n'):
    return ''.join('\r\n--b\r\n' + p for p in all) + end, 'Content-Type: multipart/%s; boundary=b' % kind


def test_bodies(t):
    """bodies: HTML only, broken MIME, unknown charsets, a zip bomb: each is shown as far as it can be read, or refused for good, and nothing is lost behind it"""
    w, romeo, lmtp = begin(t)
    text, html, nested = 'Content-Type: text/plain\r\n\r\n', 'Content-Type: text/html\r\n\r\n', 'Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n'
    shown = (
        ('only & https://bank.example <https://evil.example/>',
         mail('<p>only &amp; <a href="https://evil.example/">https://bank.example</a><script>x()</script>', 'Content-Type: text/html')),
        ('first', mail(*parts(text + 'first', end=''))),
        ('second', mail(*parts(html + '<b>', text + 'second', kind='alternative'))),
        ('caf\u00e9', mail('caf=C3=A9=', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable')),
        ('a\ufffdb', mail('a', 'Content-Type: text/plain; charset=utf-8').encode() + b'\xffb'),
        ('what is this', mail('what is this', 'Content-Type: text/plain; charset=' + 'x' * 500)),
    )
    for want, data in shown:
        assert lmtp.bring(data, of(romeo))[0].startswith('250'), want
        said(romeo, '[The sender is not verified.]\n\n' + want, w.jid(BOB))
    # Of these nothing needs to be understood: they are answered for good, and what is shown is text.
    for data in (
            mail(*parts(text + 'x', kind='mixed; boundary=' + 'y' * 5000)),
            mail('plain', 'Content-Type: ' + '/;=' * 50, 'Content-Transfer-Encoding: \x01'),
            mail('--b\r\n' * 50, 'Content-Type: multipart/mixed; boundary=b'),
            mail('!' * 100000, 'Content-Type: text/plain', 'Content-Transfer-Encoding: base64'),
            mail('begin 644 x\r\n' + 'M' * 1000, 'Content-Transfer-Encoding: x-uuencode'),
            mail('<div>' * 50000, 'Content-Type: text/html'),
            mail('<a href="https://%s">' % ('x' * 100000) * 3, 'Content-Type: text/html'),
            mail('\x1b[2J\x00\x01\x0b\ufffe\u202e', 'Content-Type: text/plain; charset=utf-8', 'Subject: =?utf-8?b?' + 'AAEL' * 100 + '?='),
            mail('+AAAAAA-' * 1000, 'Content-Type: text/plain; charset=utf-7')):
        r = lmtp.bring(data, of(romeo))
        assert re.match('250|55[04]', r[0]), (r, data[:200])
    for data in (mail(''.join(nested % ('b%d' % i, 'b%d' % i) for i in range(60))), mail(*parts(*[text + 'x'] * 10000)),
                 mail(nested % ('a', 'a') * 20, 'Content-Type: multipart/mixed; boundary=a')):
        assert re.match('250|55[04]', lmtp.bring(data, of(romeo))[0]), data[:200]
    r = lmtp.bring(mail(*parts(text + 'have a look', 'Content-Type: application/zip; name="b.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + bomb())), of(romeo))
    assert re.match('250|550 5.7.1', r[0]), r
    romeo.expect(lambda e: e.name == 'message' and 'have a look' in (e.text('body') or ''), 'the mail with the archive')
    alive(w, romeo)


class Impatient(Driver):
    limits = {'idle_seconds': 2, 'connections': 5, 'recipients': 10, 'mail_bytes': 65536}


def closed(lmtp):
    """The gateway has ended it."""
    while lmtp.reply():
        pass


def test_dialogues(t):
    """LMTP: nonsense, lines and mails without an end, thousands of recipients, who does not read and who does not speak: each is answered or closed, and takes nobody's place"""
    w, romeo, lmtp = begin(t, Impatient)
    smuggled = mail('one\n.\nMAIL FROM:<eve@evil.example>\nRCPT TO:<%s>\nDATA\nFrom: <eve@evil.example>\n\ntwo\r.\rthree' % of(romeo))
    assert lmtp.bring(smuggled, of(romeo))[0].startswith('250')
    e = romeo.expect(lambda e: e.name == 'message' and 'three' in (e.text('body') or ''), 'the mail')
    assert 'two' in e.text('body') and e.get('from').startswith(w.jid(BOB)), e
    assert lmtp.say('NOOP').startswith('250'), 'a mail began another one'
    # So many recipients, and no more of those who are not here.
    assert lmtp.say('MAIL FROM:<%s>' % BOB).startswith('250')
    for i in range(3000):
        assert lmtp.say('RCPT TO:<u%d@elsewhere.example>' % i).startswith('550 5.1.1')
    assert lmtp.say('DATA').startswith('503')
    assert lmtp.say('RSET').startswith('250')
    assert lmtp.bring('x' * 70000, of(romeo)) == ['552 5.3.4 the mail is too large']
    lmtp.sock.sendall(b'LHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<%s>\r\nDATA\r\n' % of(romeo).encode())
    try:
        for _ in range(100):
            lmtp.sock.sendall(b'y' * 65536)
    except OSError:
        pass
    closed(lmtp)
    for junk in b'x' * 100000, b'\0\xff\r\n' * 100, b'GET / HTTP/1.1\r\n' * 30, b'MAIL FROM:<@a' * 1000 + b'\r\n':
        c = Lmtp(w)
        try:
            c.sock.sendall(junk)
        except OSError:
            pass
        closed(c)
    # Answers that nobody reads: no more commands are, and then it is over.
    deaf = Lmtp(w)
    try:
        for _ in range(200):
            deaf.sock.sendall(b'LHLO x\r\n' * 8192)
        raise AssertionError('all of it was read')
    except ConnectionError:
        pass
    # All places are taken, by who says nothing: that is said, and does not last.
    silent = [Lmtp(w) for _ in range(5)]
    late = Lmtp(w)
    assert late.greeting.startswith('220') and late.reply().startswith('421')
    for c in silent + [late]:
        closed(c)
    alive(w, romeo)


def report(about, recipient=BOB, words='550 5.1.1 nobody there'):
    return ('From: MAILER-DAEMON@partner.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n--b\r\n'
            'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; %s\r\n\r\n'
            '--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: %s\r\n\r\n--b--\r\n' % (recipient, words, about))


def test_who_is_who(t):
    """who is who: a report reaches who wrote the mail and nobody else; who is not here is 550 5.1.1, beside one who is; what is forged or refused changes no thread"""
    w = World(t, Driver, people=2)
    (romeo, nurse), lmtp, sink = w.clients, Lmtp(w), w.driver.sink
    nobody = '%s@%s' % (unique('nobody').lower(), US)
    id = romeo.message(w.jid(BOB), 'Are you there?', inner='<subject>Tonight</subject>')
    mine = sink.heard('Are you there?')
    # Everybody who had a mail from here knows its id.
    assert lmtp.bring(report(mine['Message-ID'], words='click https://evil.example'), of(nurse), sender='')[0].startswith('550 5.7.1')
    assert lmtp.bring(report(mine['Message-ID']), of(romeo), sender='')[0].startswith('250')
    assert failed(romeo, id).find('error').text('text') == '550 5.1.1 nobody there'
    # A second report on it is not on what is known any more: a line.
    assert lmtp.bring(report(mine['Message-ID']), of(romeo), sender='')[0].startswith('250')
    said(romeo, BOB + ': not delivered: 550 5.1.1 nobody there', w.domain)
    # Each recipient has an answer.
    r = lmtp.bring(mail('to some'), of(romeo), nobody, 'x@elsewhere.example', of(nurse))
    assert [x[:9] for x in r] == ['250 2.1.5', '550 5.1.1', '550 5.1.1', '250 2.1.5'], r
    for c in romeo, nurse:
        said(c, '[The sender is not verified.]\n\nto some', w.jid(BOB))
    # What the forger wrote is shown, and is not what romeo answers.
    forged = mail('Pay now', 'Subject: Your debts', 'Authentication-Results: mx.test.example; dmarc=fail header.from=partner.example')
    assert lmtp.bring(forged, of(romeo))[0].startswith('250')
    e = romeo.expect(lambda e: e.name == 'message' and 'Pay now' in (e.text('body') or ''), 'the forged mail')
    assert 'forged' in e.text('body') and e.text('subject') == 'Your debts', e
    assert lmtp.bring(mail('I am away', 'Subject: Out of office', 'Auto-Submitted: auto-replied'), of(romeo))[0].startswith('550')
    odd = mail('Yes').replace('Message-ID: <', 'Message-ID: <\u00fc')
    assert lmtp.bring(odd, of(romeo))[0].startswith('250')
    romeo.message(w.jid(BOB), 'Well?')
    m = sink.heard('Well?')
    assert m['Subject'] == 'Re: Tonight' and m['In-Reply-To'].isascii() and 'm' in m['References'], m.items()
    assert mine['Message-ID'] in m['References'] and re.search('Message-ID: (<.*>)', forged).group(1) not in m['References'], m.items()

"""Mail for networks.py, with postfix and dovecot: postfix takes mail in its own time, and what it has taken it keeps until somebody else has it."""
import email
import email.policy
import os
import smtplib
import time
from email.message import EmailMessage

import networks
from chancerytest.client import PATIENCE
from test_mail import INSIDE, OUTSIDE, Alone, missing, said_in  # noqa: F401 (for who runs this)


class There(networks.There):
    def __init__(self, net, n):
        super().__init__(net, n)
        self.address, self.known = 'n%d@%s' % (n, OUTSIDE), set()
        self.smtp = None

    def left(self):
        super().left()
        if self.smtp:
            self.smtp.close()

    def live(self):
        self.smtp = None
        try:
            while not self.net.ended.is_set():
                self.look()
                text = self.next()
                if text:
                    self.mail(text)
                self.ready = True
                time.sleep(0.05)
        except smtplib.SMTPException as e:
            raise EOFError from e

    def look(self):
        """What dovecot has put into the mailbox; the time of that."""
        folder = os.path.join(self.net.driver.system.folder, 'mail', self.address, 'new')
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name in self.known:
                continue
            self.known.add(name)
            path = os.path.join(folder, name)
            with open(path, 'rb') as f:
                self.net.note_heard(said_in(email.message_from_binary_file(f, policy=email.policy.default)), os.stat(path).st_ctime)

    def mail(self, text):
        m = EmailMessage()
        to = '%s@%s' % (self.net.name_of(self.n), self.net.driver.domain)
        m['From'], m['To'], m['Subject'] = self.address, to, 'numbers'
        m['Message-ID'] = '<%s@%s>' % (text.replace(' ', '.'), OUTSIDE)
        m.set_content(text)
        if not self.smtp:
            self.smtp = smtplib.SMTP('127.0.0.1', self.net.driver.system.ports['smtp'], timeout=PATIENCE)
            self.smtp.ehlo('outside.example')
        self.smtp.sendmail(self.address, [to], m.as_bytes(policy=email.policy.SMTP))
        self.accepted()


class Mail(networks.Network):
    driver_class, there, source, pace, ordered = Alone, There, 13, 0.04, False
    # Taken, and the 250 was not heard: by the program that was killed, or because the mail system was.
    twice_out = 'program', 'stop', 'network'
    twice_in = 'program', 'stop', 'network', 'stream', 'server'

    def settings(self):
        return dict(self.driver.network(), limits={'retry_seconds': 600})

    def peer(self, n):
        return 'n%d\\40%s@%s' % (n, OUTSIDE, self.domain)

    def network_pids(self):
        s = self.driver.system
        return [p for process in (s.postfix, s.dovecot) for p in networks.tree(process.pid)]

    def network_killed(self):
        for process in self.driver.system.postfix, self.driver.system.dovecot:
            process.wait()

"""SIP for networks.py, with kamailio, and phones of ours behind it: a MESSAGE is accepted when 200 has come to the phone that said it, and heard before the phone answers."""
import queue
import time

import networks
from sip_phone import Phone
from test_sip import PORT, Driver, missing  # noqa: F401 (for who runs this)

SAID_AGAIN, GIVEN_UP = 0.5, 20


class There(networks.There):
    def left(self):
        super().left()
        if self.phone:
            self.phone.close()

    def live(self):
        """As long as this kamailio knows us: what it knows goes with it."""
        driver, self.phone = self.net.driver, None
        kamailio = driver.kamailio.p
        self.phone = Phone(self.net.scenario, driver.phones, (driver.host, PORT), 'n%d' % self.n, register=False)
        domain, contact = self.phone.domain, '<sip:%s@%s:%d>' % (self.phone.name, self.phone.host, self.phone.port)
        sent, at = self.phone.send('REGISTER', 'sip:' + domain, {'Contact': contact, 'Expires': '600'}, to=self.phone.uri), time.time()
        while not self.net.ended.is_set():
            self.hear()
            if kamailio is not driver.kamailio.p or kamailio.poll() is not None:
                raise EOFError
            answer = self.answer(sent)
            if answer is not None:
                sent = None
                if not self.ready and answer != 200:
                    raise EOFError
                elif self.open:
                    self.answered(answer)
                self.ready = True
            elif sent and time.time() - at > GIVEN_UP:
                raise EOFError
            text = self.next() if self.ready and not sent else None
            if text:
                to = '%s@%s' % (self.net.name_of(self.n), self.net.server.domain)
                sent, at = self.phone.send('MESSAGE', 'sip:' + to, {'Content-Type': 'text/plain'}, text), time.time()

    def hear(self):
        try:
            m = self.phone.heard.get(timeout=0.05)
        except queue.Empty:
            return
        if m.method == 'MESSAGE' and m.get('content-type').startswith('text/plain'):
            self.net.note_heard(m.text())

    def answer(self, sent):
        """The final status, or None; asked again until it comes, as UDP needs it."""
        if not sent:
            return None
        box, data, target = sent
        try:
            return box.get_nowait().status
        except queue.Empty:
            if time.time() - self.asked > SAID_AGAIN:
                self.asked = time.time()
                self.phone.sock.sendto(data, target)
            return None

    asked = 0

    def answered(self, status):
        if status == 200:
            self.accepted()
        elif status == 482:
            self.open = None    # two copies of it met: the other's answer was lost
        else:
            self.refused()


class Sip(networks.Network):
    driver_class, there, source = Driver, There, 15
    # What was said is said again when no answer came; and where kamailio, which knows the phones no more, says 404 to that, it was heard and comes back.
    twice_out, both_out = ('program', 'stop', 'network'), ('program', 'stop', 'network')
    twice_in = 'program', 'stop', 'network', 'stream', 'server'

    def peer(self, n):
        return 'n%d\\40phones.example@%s' % (n, self.domain)

    def network_pids(self):
        return networks.tree(self.driver.kamailio.p.pid)

    def network_killed(self):
        self.driver.kamailio.p.wait()

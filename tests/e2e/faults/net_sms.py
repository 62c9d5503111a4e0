"""SMS for networks.py, with npm's smpp as the provider: what it has to deliver it keeps until the gateway has answered, and it is accepted then. What it has submitted it tells before it
answers, so nothing that was answered is unheard."""
import collections
import json
import queue
import threading

import networks
import test_sms
from test_sms import SENDER, missing  # noqa: F401 (for who runs this)


class Driver(test_sms.Driver):
    """Tells each person what is theirs."""

    def __init__(self, t):
        super().__init__(t)
        self.boxes, self.telling = collections.defaultdict(queue.Queue), threading.Lock()

    def _read(self, lines):
        for line in lines:
            e = json.loads(line)
            if 'submitted' in e:
                self.boxes[e['to']].put(e)
            elif 'said' in e:
                self.boxes[e['said'].split()[0]].put(e)
            else:
                self.events.put(e)

    def tell(self, **order):
        with self.telling:
            super().tell(**order)


class There(networks.There):
    def __init__(self, net, n):
        super().__init__(net, n)
        self.number = '3361200000%d' % n

    def live(self):
        driver = self.net.driver
        process, box = driver.process, driver.boxes[self.number]
        while not self.net.ended.is_set():
            try:
                self.hear(box.get(timeout=0.05))
            except queue.Empty:
                pass
            # What the last process said has been heard by now.
            if (process is not driver.process or process.poll() is not None) and box.empty():
                raise EOFError
            text = self.next()
            if text:
                try:
                    driver.tell(say={'id': '%s %s' % (self.number, text), 'from': self.number, 'to': SENDER, 'text': text})
                except ValueError as e:
                    raise EOFError from e
            self.ready = True

    def hear(self, e):
        if 'submitted' in e:
            self.net.note_heard(e['text'])
        elif self.open and e['said'].split()[1:] == ['g', *map(str, self.open[1:])]:
            if e['status'] == 0:
                self.accepted()
            else:
                self.refused()


class Sms(networks.Network):
    driver_class, there, source = Driver, There, 14
    # submit_sm that had no answer when the session or the program ended is submitted again, and so is deliver_sm: neither has an id.
    twice_out = 'program', 'stop', 'network'
    twice_in, ids_in = ('program', 'stop', 'network', 'stream', 'server'), False

    def settings(self):
        # One at a time, so that nothing overtakes.
        return dict(self.driver.network(), window=1)

    def peer(self, n):
        return '+3361200000%d@%s' % (n, self.domain)

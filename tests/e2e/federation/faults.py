"""Two Chanceries under load in both directions, one of which is killed; then what was sent, acknowledged, delivered and recorded at both is
compared (../faults/checker.py says what a message is).

    P1  what was delivered is in the record of its receiver's server, under the id it was delivered with, and in that of its sender's
    P2  what was acknowledged is in the record of the sender's server; it is delivered in the end, or returned to its sender there
        what the receiver's server has in its record is delivered in the end
    P8  first deliveries of a pair are in the order of sending, and so is the record of either server
"""
import collections
import os
import random
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'faults'))
from chancerytest.again import Broken  # noqa: E402
from checker import Checker, Log  # noqa: E402
import world as plain  # noqa: E402 (of ../faults)
from servers import SLOW  # noqa: E402


class Load(plain.Load):
    """Senders at one server, receivers at the other."""

    def __init__(self, args, sender, receiver, rate, run, pairs=4, window=8):
        self.server, self.receiver, self.pairs, self.run = sender, receiver, pairs, run
        for server, role in ((sender, 's'), (receiver, 'r')):
            server.add_users([('%s%d' % (role, i), 'pw-%s%d' % (role, i)) for i in range(pairs)])
        path = sender.path('load-%s.log' % run)
        open(path, 'w').close()
        self.process = subprocess.Popen(
            [args.load, '--port', str(sender.port_tls), '--domain', sender.domain, '--ca', sender.ca, '--log', path, '--pairs', str(pairs),
             '--window', str(window), '--rate', str(rate), '--run', run,
             '--peer-port', str(receiver.port_tls), '--peer-domain', receiver.domain],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = plain.Lines(self.process.stdout)
        self.log = Log(path)

    def both(self):
        return Both(self)

    def settle(self, timeout=60):
        """No new messages; until all are acknowledged and what is to come has come. None, or what did not."""
        self.say('pause')
        deadline = time.monotonic() + timeout * SLOW
        while True:
            s, both = self.status(), self.both()
            both.read()
            left = both.undelivered()
            if not s['waiting'] and s['ready'] == 2 * self.pairs and not left:
                return None
            if time.monotonic() > deadline:
                return '%s; %d still to come: %s' % (s, len(left), sorted(left)[:5])
            time.sleep(0.3)


class Both:
    def __init__(self, load):
        self.load, self.log = load, load.log.read()
        self.out, self.into = Checker(load.server, load.log, load.run), Checker(load.receiver, load.log, load.run)
        self.faults = []

    def few(self, what, items):
        items = sorted(items)
        if items:
            self.faults.append('%s: %d %s: %s' % (self.load.run, len(items), what, ', '.join(map(str, items[:5]))))

    def read(self):
        self.log.read()
        self.out.read_again()
        self.into.read_again()
        self.returned = {m for id, m in self.out.record.items() if id in self.out.returned}
        self.delivered = {d[1:4] for d in self.log.delivered}

    def undelivered(self):
        """What has neither come to its receiver nor back. What was sent again in another session of the sender is another message."""
        return {m for id, m in self.out.record.items() if id not in self.out.returned} - self.delivered

    def check(self):
        self.read()
        log, out, into = self.log, self.out, self.into
        self.faults += out.faults + into.faults + ['strange: ' + x for x in log.strange]
        self.few('delivered, not in the record of the receiver (P1)', {d[1:5] for d in log.delivered if into.record.get(d[4]) != d[1:4]})
        self.few('delivered, not in the record of the sender (P1)', self.delivered - set(out.record.values()))
        kept = {m for id, m in out.record.items() if id not in out.returned}
        self.few('acknowledged, neither recorded nor returned (P2)', set(log.acked) - kept - set(log.errors))
        self.few('recorded for the other server, neither delivered nor returned (P2)', self.undelivered())
        self.few('recorded by the receiver, never delivered (P2)', set(into.record) - into.returned - log.ids)
        self.few('sent, never acknowledged', {m[:2] for m in log.sent} - {m[:2] for m in log.acked})
        self.few('in the record of the sender more than once', {m for m, n in collections.Counter(out.record.values()).items() if n > 1})
        self.order('delivered', [d[1:4] for d in log.delivered])
        self.order('recorded by the receiver', [into.record[i] for i in sorted(into.record, key=int)])
        # Here, what a client sends again in another session is in the record once more.
        self.order('recorded by the sender', [(m[0], (m[2], m[1])) for _, m in sorted(out.record.items(), key=lambda r: int(r[0]))])
        twice = len(into.record) - len(set(into.record.values()))
        print('    %s: sent %d, acknowledged %d, returned %d, delivered %d (twice at the other server: %d); sessions %d new, %d resumed' % (
            self.load.run, len({m[:2] for m in log.sent}), len(log.acked), len(self.returned), len(self.delivered), twice, log.new, log.resumed),
            flush=True)
        return self.faults

    def order(self, what, messages):
        """(pair, number, ...) grow within each pair, by first appearance."""
        last, seen = {}, set()
        for pair, number, *_ in messages:
            if (pair, number) not in seen and number < last.get(pair, number):
                self.faults.append('P8: %s: %s: pair %d: %s came after %s' % (self.load.run, what, pair, number, last[pair]))
                return
            seen.add((pair, number))
            last[pair] = max(number, last.get(pair, number))


def kill_either(w):
    """One of two servers, then the other, is killed (-9) at random moments, under load in both directions"""
    loads = [Load(w.args, a, b, 150, run) for a, b, run in ((w.us, w.them, 'east'), (w.them, w.us, 'west'))]
    try:
        for i in range(w.args.rounds):
            for load in loads:
                load.progress(60, 60)
            time.sleep(random.uniform(0, 0.8))
            victim = w.them if i % 2 else w.us
            victim.kill()
            # Sometimes it is away for a while.
            time.sleep(random.choice((0, 0, 1.5)))
            victim.start()
        for load in loads:
            load.progress(60, 60)
        late = [load.settle() for load in loads]
        faults, late = [f for load in loads for f in Both(load).check()], ['did not come to rest: ' + x for x in late if x]
        if faults:
            raise Broken('\n'.join(faults + late))
        assert not late, '\n'.join(late)
    finally:
        for load in loads:
            load.end()


ALL = [kill_either]

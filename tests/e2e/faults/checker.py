"""What was sent, acknowledged, returned, delivered and recorded, and whether it fits together.

The log is load.c's (its head says what a line means); the record is read from PostgreSQL. A message is (pair, SEQ, INST): the
same words sent again in another session of the sender are another message to the server, and allowed to be recorded again,
for the client does that only with what was not acknowledged. Sent again within a session (after <resumed/>), it is the
same message and may be recorded once.

    P1  what was delivered is in the record, under the stanza-id it was delivered with
    P2  what was acknowledged is in the record, or its sender got an error for it
        what is in the record was delivered in the end, unless it was returned to its sender
    P3  log indexes are dense from 0, ids grow with them, every row's leaf hash is that of its content
    P8  first deliveries of a pair are in the order of sending
        a record appears once; a receiver's session gets a record once
        what was returned to its sender (kind 7, or an error that the sender heard) reaches nobody
"""
import collections

RETURNED = 7


class Log:
    """The events of a run, as they come."""

    def __init__(self, path):
        self.file, self.rest = open(path, errors='replace'), ''
        self.sent, self.acked, self.errors = {}, {}, {}     # (pair, seq, inst) → time, or (time, type, condition)
        self.delivered = []                                 # (time, pair, seq, inst, stanza-id, receiver's inst)
        self.ids = set()                                    # stanza-ids delivered
        self.strange = []
        self.resumed = self.new = 0
        self.last = 0                                       # highest seq of all pairs

    def read(self):
        lines = (self.rest + self.file.read()).split('\n')
        self.rest = lines.pop()
        for line in lines:
            self.take(line)
        return self

    def take(self, line):
        w = line.split()
        time, pair, what = int(w[0]) / 1000, int(w[1]), w[2]
        if what == 's':
            self.sent[pair, int(w[3]), int(w[4])] = time
        elif what == 'a':
            self.acked[pair, int(w[3]), int(w[4])] = time
        elif what == 'e':
            self.errors[pair, int(w[3]), int(w[4])] = (time, *(w[5:7] + ['', ''])[:2])
        elif what == 'd':
            self.delivered.append((time, pair, int(w[3]), int(w[4]), w[5], int(w[6])))
            self.ids.add(w[5])
        elif what == 'n':
            self.new += 1
        elif what == 'm':
            self.resumed += 1
        elif what == '!':
            self.strange.append(line)


class Checker:
    def __init__(self, server, log, run):
        self.server, self.log, self.run = server, log.read(), run
        self.faults = []
        self.record, self.returned = {}, set()      # id → (pair, seq, inst); ids

    def fault(self, text):
        if len(self.faults) < 20:
            self.faults.append(text)

    def few(self, what, items):
        items = sorted(items)
        if items:
            self.fault('%d %s: %s%s' % (len(items), what, ', '.join(map(str, items[:5])), ' ...' if len(items) > 5 else ''))

    # -- the record ------------------------------------------------------------------------------------------

    def read(self):
        """Rows, each with its place; the database computes the leaves from what the rows say now."""
        rows = self.server.psql("select id, log_index, kind, coalesce(refers_record, 0), coalesce(left(body, 60), ''),"
                                " archive.leaf(r) = leaf_hash and length(salt) = 16 from archive.record r order by id")
        index = [int(r[1]) for r in rows]
        if index != list(range(len(rows))):
            wrong = next(i for i, n in enumerate(index) if n != i)
            self.fault('P3: log_index is not dense: %s at place %d' % (index[wrong], wrong))
        self.few('records whose leaf hash is not theirs (P3)', [r[0] for r in rows if r[5] != 't'])
        for r in rows:
            words = r[4].split()
            if int(r[2]) == RETURNED:
                self.returned.add(r[3])
            elif words[:1] == [self.run]:
                self.record[r[0]] = int(words[1]), int(words[2]), int(words[3])

    def undelivered(self):
        """Ids that are still to come."""
        self.read_again()
        return set(self.record) - self.returned - self.log.read().ids

    def read_again(self):
        self.record, self.returned = {}, set()
        self.read()

    # -- the promises ----------------------------------------------------------------------------------------

    def check(self, repeated=True):
        """`repeated`: clients may have lost sessions, and sent again what the server had."""
        self.faults.clear()
        self.read_again()
        log = self.log.read()
        for line in log.strange:
            self.fault('strange: ' + line)
        self.check_delivered(log)
        self.check_acknowledged(log)
        self.check_once(log, repeated)
        self.check_order(log)
        self.check_returned(log)
        return self.faults

    def check_delivered(self, log):
        self.few('delivered, not in the record (P1)',
                 {d[1:5] for d in log.delivered if self.record.get(d[4]) != d[1:4]})

    def check_acknowledged(self, log):
        kept = {m for id, m in self.record.items() if id not in self.returned}
        self.few('acknowledged, neither recorded nor returned (P2)', set(log.acked) - kept - set(log.errors))
        self.few('recorded, not returned, never delivered (P2)', set(self.record) - self.returned - log.ids)
        done = {m[:2] for m in log.acked}
        self.few('sent, never acknowledged', {m[:2] for m in log.sent} - done)

    def check_once(self, log, repeated):
        count = collections.Counter(m if repeated else m[:2] for m in self.record.values())
        self.few('recorded more than once', {m for m, n in count.items() if n > 1})
        count = collections.Counter((d[1], d[4], d[5]) for d in log.delivered)
        self.few('delivered more than once in one session', {m for m, n in count.items() if n > 1})

    def check_order(self, log):
        last, seen = collections.defaultdict(lambda: -1), set()
        for _, pair, seq, inst, id, _ in log.delivered:
            if (pair, seq) in seen:
                continue
            seen.add((pair, seq))
            if seq < last[pair]:
                self.fault('P8: pair %d: %d came after %d' % (pair, seq, last[pair]))
            last[pair] = seq
        last.clear()
        for id, (pair, seq, inst) in self.record.items():
            if (inst, seq) < (last[pair] if last[pair] != -1 else (0, -1)):
                self.fault('P8: pair %d: recorded out of order: %d of session %d' % (pair, seq, inst))
            last[pair] = inst, seq

    def check_returned(self, log):
        self.few('returned, and delivered all the same', self.returned & log.ids)
        told = {m for id, m in self.record.items() if m in log.errors and id not in self.returned}
        self.few('returned to the sender, but the record stands', told)
        self.few('errors other than wait', {(m, e[1:]) for m, e in log.errors.items() if e[1] != 'wait'})

    def summary(self):
        log = self.log
        return ('sent %d, acknowledged %d, returned %d, recorded %d (of them returned %d), delivered %d (again: %d); '
                'sessions %d new, %d resumed' % (
                    len({m[:2] for m in log.sent}), len(log.acked), len(log.errors), len(self.record),
                    len(self.returned & set(self.record)), len(log.ids), len(log.delivered) - len(log.ids), log.new, log.resumed))

"""A name server for scenarios, whose answers they write, and that can lie or keep silent on demand.

One for each server under test, which is told to ask nobody else (federation.dns). Records have a TTL of 0 unless a scenario says
otherwise, so what is changed is seen by the next question. It signs nothing: DNSSEC is tried with a real name server (tests/e2e/federation).
"""
import socket
import struct
import threading

A, NS, CNAME, SOA, AAAA, SRV, OPT, TLSA = 1, 2, 5, 6, 28, 33, 41, 52
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
SILENT = 'silent'       # no answer, ever


def name(text):
    """On the wire, without compression."""
    return b''.join(bytes([len(p)]) + p.encode() for p in text.split('.') if p) + b'\0'


def a(address):
    return A, socket.inet_pton(socket.AF_INET, address)


def aaaa(address):
    return AAAA, socket.inet_pton(socket.AF_INET6, address)


def srv(priority, weight, port, target):
    return SRV, struct.pack('>HHH', priority, weight, port) + name(target)


def cname(target):
    return CNAME, name(target)


def tlsa(usage, selector, matching, data):
    return TLSA, bytes([usage, selector, matching]) + data


class Dns:
    def __init__(self):
        self.lock = threading.Lock()
        self.records = {}       # lower-case name: [(type, rdata, ttl)]
        self.troubles = {}      # lower-case name, or (name, type): SILENT, a return code, or a function (question bytes) -> answer bytes
        self.asked = []         # (name, type) in order
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._bind()
        self.tcp.listen(64)
        self.closed = False
        self.serving = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self.serving:
            thread.start()

    def _bind(self):
        for _ in range(100):
            self.udp.bind(('127.0.0.1', 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp.bind(('127.0.0.1', self.port))
                return
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        raise RuntimeError('no port for the name server')

    # -- what it says --------------------------------------------------------------------------------------

    def set(self, owner, *records, ttl=0):
        """All that is known of a name: records made by a(), srv(), ...; none: there is no such name."""
        with self.lock:
            self.records.pop(owner.lower(), None)
            if records:
                self.records[owner.lower()] = [(type, data, ttl) for type, data in records]

    def trouble(self, owner, what, type=None):
        """`what`: SILENT, SERVFAIL, REFUSED, a function, or None for the end of it; for all types or one."""
        key = owner.lower() if type is None else (owner.lower(), type)
        with self.lock:
            self.troubles.pop(key, None)
            if what is not None:
                self.troubles[key] = what

    def times_asked(self, owner, type=None):
        with self.lock:
            return sum(n == owner.lower() and type in (None, t) for n, t in self.asked)

    # -- how it says it ------------------------------------------------------------------------------------

    def _serve_udp(self):
        while not self.closed:
            try:
                query, sender = self.udp.recvfrom(4096)
                answer = self.answer(query, 1232)
                if answer:
                    self.udp.sendto(answer, sender)
            except (IndexError, struct.error, ValueError):
                pass            # not a question
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_stream, args=(sock,), daemon=True).start()

    def _serve_stream(self, sock):
        with sock, sock.makefile('rb') as f:
            try:
                while True:
                    head = f.read(2)
                    if len(head) < 2:
                        return
                    answer = self.answer(f.read(struct.unpack('>H', head)[0]), 65535)
                    if not answer:
                        return
                    sock.sendall(struct.pack('>H', len(answer)) + answer)
            except (IndexError, struct.error, ValueError, OSError):
                pass

    def answer(self, query, room):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode('latin-1'))
            at += 1 + query[at]
        type, = struct.unpack('>H', query[at + 1:at + 3])
        question, extra, owner = query[12:at + 5], query[at + 5:], '.'.join(labels).lower()
        with self.lock:
            self.asked.append((owner, type))
            trouble = self.troubles.get((owner, type), self.troubles.get(owner))
            found, exists = self._find(owner, type)
        if trouble == SILENT:
            return None
        if callable(trouble):
            return trouble(query)
        code = trouble if trouble is not None else NOERROR if exists else NXDOMAIN
        records = [] if trouble is not None else found
        rest = b''
        if not records and trouble is None:     # RFC 2308 §3
            zone = name(labels[-1] if labels else '')
            rest = zone + struct.pack('>HHI', SOA, 1, 0)
            soa = name('ns.test') + name('hostmaster.test') + struct.pack('>IIIII', 1, 3600, 600, 86400, 0)
            rest += struct.pack('>H', len(soa)) + soa
        opt = b'\0' + struct.pack('>HHIH', OPT, 1232, 0, 0) if b'\0\0\x29' in extra else b''
        body = b''.join(name(n) + struct.pack('>HHIH', t, 1, ttl, len(d)) + d for n, t, d, ttl in records)
        size = 12 + len(question) + len(body) + len(rest) + len(opt)
        cut = size > min(room, 1232 if opt else 512) and room < 65535
        if cut:
            records, body, rest = [], b'', b''
        flags = 0x8580 | (0x200 if cut else 0) | code
        return (query[:2] + struct.pack('>HHHHH', flags, 1, len(records), 1 if rest else 0, 1 if opt else 0)
                + question + body + rest + opt)

    def _find(self, owner, type):
        """(records, whether the name exists); follows aliases as a resolver would."""
        found, seen, at = [], set(), owner
        while at in self.records and at not in seen:
            seen.add(at)
            here = [(at, t, d, ttl) for t, d, ttl in self.records[at] if t == type]
            alias = [(at, t, d, ttl) for t, d, ttl in self.records[at] if t == CNAME]
            if here or not alias:
                found += here
                break
            found += alias[:1]
            at = self._text(alias[0][2]).lower()
        # A name above one that has records exists, too (RFC 8020).
        return found, owner in self.records or any(n.endswith('.' + owner) for n in self.records)

    @staticmethod
    def _text(wire):
        labels, at = [], 0
        while wire[at]:
            labels.append(wire[at + 1:at + 1 + wire[at]].decode('latin-1'))
            at += 1 + wire[at]
        return '.'.join(labels)

    def close(self):
        """Nothing is closed while a thread is in it: it would go on with the next file of that number."""
        self.closed = True
        for sock, thread in zip((self.udp, self.tcp), self.serving):
            try:
                sock.shutdown(socket.SHUT_RDWR)     # wakes its thread; one of UDP says that it is not connected, and does
            except OSError:
                pass
            thread.join()
            sock.close()

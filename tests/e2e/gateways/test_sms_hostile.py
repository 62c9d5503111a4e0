"""A provider that is not what it should be: PDUs with wrong lengths, parameters that lie, numbers that come again, windows that never open. Written and read here octet by octet."""
import os
import queue
import socket
import struct
import threading

import behaviours
from behaviours import World, failed, local, said
from chancerytest.client import PATIENCE, unique

BOB, SENDER = '33612345678', '38123'
RESPONSE = 0x80000000
NACK, BIND, SUBMIT, DELIVER, UNBIND, ENQUIRE, DATA = RESPONSE, 9, 4, 5, 6, 0x15, 0x103


def pdu(command, sequence, body=b'', status=0, length=None):
    return struct.pack('>IIII', 16 + len(body) if length is None else length, command, status, sequence) + body


def tlv(tag, value, length=None):
    return struct.pack('>HH', tag, len(value) if length is None else length) + value


def message(text=b'', options=b'', from_=BOB, esm=0, coding=0, length=None):
    return (b'\0\1\1' + from_.encode() + b'\0\1\1' + SENDER.encode() + b'\0' + bytes([esm, 0, 0]) + b'\0\0' + bytes([0, 0, coding, 0, len(text) if length is None else length]) +
            text + options)


class Smsc:
    """One session at a time. `answer`: submit_sm are answered."""

    def __init__(self):
        self.heard, self.conn, self.sessions, self.answer, self.sequence = queue.Queue(), None, 0, True, 1000
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn = self.sock.accept()[0]
                self.serve(conn)
            except OSError:
                if self.sock.fileno() < 0:
                    return

    def serve(self, conn):
        with conn, conn.makefile('rb') as f:
            while True:
                head = f.read(16)
                if len(head) < 16:
                    break
                length, command, status, sequence = struct.unpack('>IIII', head)
                body = f.read(length - 16)
                if command == BIND:
                    conn.sendall(pdu(BIND | RESPONSE, sequence, b'SMSC\0'))
                    self.conn, self.sessions = conn, self.sessions + 1
                elif command == ENQUIRE:
                    conn.sendall(pdu(ENQUIRE | RESPONSE, sequence))
                elif command == SUBMIT and self.answer:
                    conn.sendall(pdu(SUBMIT | RESPONSE, sequence, b'id%d\0' % sequence))
                self.heard.put((command, status, sequence, body))
        self.heard.put((None, None, None, None))

    def raw(self, data):
        self.conn.sendall(data)

    def next(self, wanted, what):
        while True:
            try:
                p = self.heard.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError('waited in vain for ' + what)
            if wanted(p):
                return p

    def expect(self, command, sequence):
        """Its status."""
        return self.next(lambda p: p[0] == command and p[2] == sequence, '%08x %d' % (command, sequence))[1]

    def deliver(self, body, sequence=None):
        """The status with which it is answered."""
        if sequence is None:
            self.sequence = sequence = self.sequence + 1
        self.raw(pdu(DELIVER, sequence, body))
        return self.expect(DELIVER | RESPONSE, sequence)

    def ended(self):
        """The gateway has closed the session, and begins another one."""
        self.next(lambda p: p[0] is None, 'the end of the session')
        self.next(lambda p: p[0] == BIND, 'the next session')


class Driver(behaviours.Driver):
    kind, more = 'sms', {}
    program = os.path.join(behaviours.BUILD, 'bin', 'chancery-gateway-sms')

    def start_server(self):
        self.smsc = Smsc()

    def kill_server(self):
        self.smsc.sock.close()
        if self.smsc.conn:
            self.smsc.conn.close()

    def network(self):
        return dict({'host': '127.0.0.1', 'port': self.smsc.port, 'tls': 'off', 'system_id': 'chancery', 'password': 'secret', 'sender': SENDER}, **self.more)


def begin(t, **more):
    w = World(t, type('Special', (Driver,), {'more': more}))
    smsc, romeo = w.driver.smsc, w.clients[0]
    t.server.wait(lambda: smsc.sessions, 'the bind')
    return w, romeo, smsc


def alive(w, romeo, smsc):
    """Heard both ways, over the stream that was there before."""
    text = unique('still here')
    romeo.message(w.jid('+' + BOB), 'I am, ' + text)
    smsc.next(lambda p: p[0] == SUBMIT and p[3].endswith(('I am, ' + text).encode()), 'what romeo says')
    assert smsc.deliver(message(text.encode())) == 0
    said(romeo, text, w.jid('+' + BOB))
    assert w.proxy.accepted == 1, 'the stream to chanceryd was lost'
    assert w.program.poll() is None


def test_lengths(t):
    """lengths: what no PDU has ends the session, which comes back; a PDU that is cut, and strings without an end, are refused by themselves"""
    w, romeo, smsc = begin(t)
    for length in 15, 70001:
        smsc.raw(pdu(DELIVER, 7, length=length))
        assert smsc.next(lambda p: p[0] == NACK, 'the refusal')[1] == 2
        smsc.ended()
    alive(w, romeo, smsc)
    whole = message(b'words')
    for n in list(range(0, len(whole), 3)) + [len(whole) - 1]:
        assert smsc.deliver(whole[:n]), n
    for body in (message(b'words', length=255), message(b'words', length=4), whole + b'\0', whole + b'\0' * 3, b'x' * 1000,
                 message(b'words', from_='3' * 21), message(b'words', from_='3' * 60000)):
        assert smsc.deliver(body), body[:100]
    # A length that promises more than comes is waited for, and what comes is its rest.
    smsc.raw(pdu(DELIVER, 1, whole)[:20])
    smsc.raw(pdu(DELIVER, 1, whole)[20:])
    assert smsc.expect(DELIVER | RESPONSE, 1) == 0
    said(romeo, 'words')
    alive(w, romeo, smsc)


def test_parameters(t):
    """parameters: too long, too short, twice, of both forms of a text, parts that lie about themselves: refused, or the text that is there"""
    w, romeo, smsc = begin(t)
    alive(w, romeo, smsc)
    payload, ref, total, number = 0x424, 0x20c, 0x20e, 0x20f
    for options in (tlv(payload, b'x', 2), tlv(payload, b'x', 65535), tlv(payload, b'x')[:-1], tlv(payload, b'x') * 2, b'\4\x24', tlv(ref, b'\1'), tlv(total, b'\0\0\0')):
        assert smsc.deliver(message(options=options)), options
    for text in b'\xff\0\3\7\2\1x', b'\5\0\x09\7\2\1x', b'\6\x24\1\3x', b'':
        assert smsc.deliver(message(text, esm=0x40)), text
    for coding in 4, 5, 10, 0x14, 0xf4:
        assert smsc.deliver(message(b'x', coding=coding)), coding
    # A part that cannot be one is a message.
    for i, (n, of) in enumerate(((3, 2), (0, 2), (1, 0), (1, 1))):
        assert smsc.deliver(message(b'part %d' % i, tlv(ref, b'\0\1') + tlv(total, bytes([of])) + tlv(number, bytes([n])))) == 0
        said(romeo, 'part %d' % i)
    # What is unknown is stepped over.
    assert smsc.deliver(message(b'known', options=b''.join(tlv(0x1400 + i, b'y' * 10) for i in range(1000)))) == 0
    said(romeo, 'known')
    for i, head in enumerate((b'\5\0\3\7\2\3', b'\5\0\3\7\0\1', b'\0')):
        assert smsc.deliver(message(head + b'header %d' % i, esm=0x40)) == 0
        said(romeo, 'header %d' % i)
    # Nobody is made another by what is in a name.
    smsc.raw(pdu(DELIVER, 5, b'\0\5\0+%s/1\0' % BOB.encode() + message(b'it is I')[15:]))
    assert smsc.expect(DELIVER | RESPONSE, 5)
    national = b'\0\2\1' + b'2125551234\0' + message(b'it is I')[15:]
    assert smsc.deliver(national) == 0xa
    for command, status in (DATA, 3), (SUBMIT, 4), (BIND, 4), (2, 4):
        smsc.raw(pdu(command, 9, message(b'x') if command in (DATA, SUBMIT) else b'a\0b\0\0\x34\0\0\0'))
        assert smsc.expect(command | RESPONSE, 9) == status, command
    smsc.raw(pdu(0x7777, 9))
    assert smsc.expect(NACK, 9) == 3
    alive(w, romeo, smsc)
    assert not w.records("body = 'it is I'", 'id')


def test_numbers(t):
    """sequence numbers: a repetition is one message; a number with other words ends the session; answers that nobody waits for mean nothing"""
    w, romeo, smsc = begin(t)
    alive(w, romeo, smsc)
    once = pdu(DELIVER, 77, message(b'only once'))
    smsc.raw(once * 5)
    assert smsc.expect(DELIVER | RESPONSE, 77) == 0
    for sequence in 0, 1, 2, 3, 77, 0x7fffffff, 0xffffffff:
        for command in SUBMIT, BIND, ENQUIRE, UNBIND, DELIVER, 0x7777:
            smsc.raw(pdu(command | RESPONSE, sequence, b'id\0', status=sequence & 1))
    assert smsc.deliver(message(b'behind them')) == 0
    said(romeo, 'behind them')
    smsc.raw(pdu(DELIVER, 78, message(b'one')) + pdu(DELIVER, 78, message(b'two')))
    smsc.ended()
    # The provider has no answer to either: both come again.
    for text in b'one', b'two':
        assert smsc.deliver(message(text)) == 0
    alive(w, romeo, smsc)
    assert len(w.records("body = 'only once' and to_bare = '%s'" % romeo.bare, 'id')) == 1


def test_windows(t):
    """windows: a provider that never answers, that asks and does not read, and that says an octet at a time: who wrote is told, and the next session is as good as the first"""
    w, romeo, smsc = begin(t, window=2, answer_seconds=2, enquire_seconds=2)
    alive(w, romeo, smsc)
    smsc.answer = False
    for i in range(4):
        romeo.message(w.jid('+' + BOB), 'nobody says %d' % i, id='w%d' % i)
    assert failed(romeo, 'w0').condition() == 'remote-server-timeout'
    smsc.answer = True
    for i in range(1, 4):
        failed(romeo, 'w%d' % i)
    for octet in pdu(DELIVER, 5, message(b'slowly')):
        smsc.raw(bytes([octet]))
    assert smsc.expect(DELIVER | RESPONSE, 5) == 0
    said(romeo, 'slowly')
    for body in (b'\xff' * 1000, pdu(UNBIND, 3), pdu(ENQUIRE, 3) * 100 + pdu(UNBIND, 3)):
        smsc.raw(body)
        smsc.ended()
    alive(w, romeo, smsc)

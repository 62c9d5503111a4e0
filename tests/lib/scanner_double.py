#!/usr/bin/python3
"""In the place of chancery-scan: a program that speaks base/scan_wire.h, well or badly as the test wants it.

What it does at its start is in the file `mode` of the folder of signatures, which it looks at again and again; what it does with a file is
the file's first word. So tests of core/file/scanner.c, and faults of a whole server, need no broken build of the real one.
"""
import os
import select
import socket
import struct
import sys
import time

REQUEST, ANSWER, STATE = 1, 2, 3
CLEAN, INFECTED, UNSCANNABLE, ERROR = 1, 2, 3, 4
NONE, ENCRYPTED, LIMIT, DAMAGED = 0, 1, 2, 3
VERSION = 2
ARGS = dict(zip(sys.argv[1::2], sys.argv[2::2]))


def answer(number, verdict, why=NONE, text='', type='text/plain', signatures=None, version=VERSION):
    return struct.pack('=IIQII192s128sQII', ANSWER, version, number, verdict, why, text.encode(), type.encode(),
                       generation if signatures is None else signatures, 1, 0)


def state(trouble='', **changes):
    v = {'generation': generation, 'signatures': 1 if generation else 0, 'set': newest, 'newest': newest, 'lost': lost, **changes}
    return struct.pack('=IIQQQqIIII64s192s', STATE, VERSION, v['generation'], v['signatures'], v['set'], v['newest'], 2, 0, 0, v['lost'],
                       engine.encode(), trouble.encode())


def mode():
    try:
        with open(os.path.join(ARGS['--signatures'], 'mode')) as f:
            return f.read().strip()
    except OSError:
        return 'good'


def surroundings():
    fds = sorted(int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f))
    return 'fds=%s group=%s env=%s' % (','.join(str(f) for f in fds), os.getpgrp() == os.getpid(), ','.join(sorted(os.environ)))


def handle(number, word, rest):
    """What one file asks for."""
    global lost
    if word == 'clean':
        return sock.send(answer(number, CLEAN))
    if word == 'infected':
        return sock.send(answer(number, INFECTED, text=rest))
    if word == 'unscannable':
        return sock.send(answer(number, UNSCANNABLE, ENCRYPTED, rest))
    if word == 'error':
        lost += 1
        sock.send(state())
        return sock.send(answer(number, ERROR, text=rest, signatures=0))
    if word == 'where':
        return sock.send(answer(number, INFECTED, text=surroundings()))
    if word == 'tmp':
        return sock.send(answer(number, INFECTED, text=ARGS['--tmp']))
    if word == 'pid':
        return sock.send(answer(number, INFECTED, text=str(os.getpid())))
    if word == 'say':
        os.write(2, ('line %s\nESC \x1b[2J\n' % rest).encode())
        return sock.send(answer(number, CLEAN))
    if word == 'hang':
        return None
    if word == 'die':
        os.kill(os.getpid(), 11)
    if word == 'exit':
        os._exit(3)
    if word == 'close':
        sock.close()
        time.sleep(1000)
    if word == 'garbage':
        return sock.send(b'\0' * 40)
    if word == 'short':
        return sock.send(answer(number, CLEAN)[:-1])
    if word == 'long':
        return sock.send(answer(number, CLEAN) + b'x' * 5000)
    if word == 'wrong-id':
        return sock.send(answer(number + 7, CLEAN))
    if word == 'twice':
        sock.send(answer(number, CLEAN))
        return sock.send(answer(number, CLEAN))
    if word == 'verdict':
        return sock.send(answer(number, 9))
    if word == 'no-verdict':
        return sock.send(answer(number, 0))
    if word == 'version':
        return sock.send(answer(number, CLEAN, version=VERSION + 1))
    if word == 'unsigned':
        return sock.send(answer(number, CLEAN, signatures=0))
    if word == 'nameless':
        return sock.send(answer(number, INFECTED))
    if word == 'control':
        return sock.send(answer(number, INFECTED, text='a\nb'))
    if word == 'unterminated':
        return sock.send(answer(number, INFECTED, text='x' * 192))
    if word == 'latin1':
        return sock.send(answer(number, INFECTED, text='x').replace(b'x' + b'\0', b'\xe4\0', 1))
    if word == 'back':
        sock.send(state(generation=generation + 1))
        return sock.send(state())
    if word == 'descriptor':
        return socket.send_fds(sock, [answer(number, CLEAN)], [0])
    if word == 'why':
        return sock.send(answer(number, CLEAN, why=DAMAGED))
    return sock.send(answer(number, ERROR, text='unknown word: ' + word[:40], signatures=0))


def take():
    data, fds, _, _ = socket.recv_fds(sock, 4096, 4)
    if not data:
        os._exit(0)
    kind, version, number, size, patience, _ = struct.unpack('=IIQQII', data)
    assert kind == REQUEST and version == VERSION and patience > 0 and len(fds) == 1, (kind, version, patience, fds)
    text = os.pread(fds[0], size + 1, 0)
    os.close(fds[0])
    if len(text) != size:
        sock.send(answer(number, ERROR, text='%d bytes and not %d' % (len(text), size)))
        return
    words = text.split(None, 1)
    handle(number, words[0].decode() if words else 'clean', words[1].decode().strip() if len(words) > 1 else '')


def announce(now):
    """Its state, as the mode has it."""
    global generation, newest
    if now == 'empty':
        generation = 0
        return sock.send(state(trouble='there are no signatures'))
    if now == 'loading':
        generation = 0
        return sock.send(state())
    if now == 'broken':
        return sock.send(state(trouble='main.ndb: not a signature'))
    generation += 1
    newest = int(os.stat(os.path.join(ARGS['--signatures'], 'mode')).st_mtime) - (10 * 86400 if now == 'old' else 0)
    return sock.send(state())


if __name__ == '__main__':
    sock = socket.socket(fileno=int(ARGS['--socket']))
    generation, newest, lost, engine = 0, 0, 0, 'double ' + ARGS['--archive-depth']
    last, said = None, time.monotonic()
    with open(os.path.join(ARGS['--tmp'], 'left-behind'), 'x'):
        pass
    while True:
        now = mode()
        if now == 'refuse':
            sys.exit('the mode says so')
        if now != last and now != 'silent':
            announce(now)
        elif now in ('good', 'old') and time.monotonic() - said > 5:
            said = time.monotonic()
            sock.send(state())
        last = now
        if select.select([sock], [], [], 0.02)[0]:
            take()

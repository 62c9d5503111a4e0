"""A web server of somebody else's, whose answers scenarios write byte by byte, and that can fall silent; and the settings by which a server under
test fetches files from it (files.links: fetch)."""
import itertools
import socket
import ssl
import threading

from . import dns
from .ca import authority

ADDRESS = '127.0.0.2'
_numbers = itertools.count(1)


def answer(body=b'', *fields, status='200 OK', length=True):
    """An answer as it goes over the wire; length: a number to be said instead of the true one, or False: none."""
    lines = ['HTTP/1.1 ' + status, 'Connection: close', *fields]
    if length is not False:
        lines.append('Content-Length: %d' % (len(body) if length is True else length))
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def redirect(to, status='302 Found'):
    return answer(b'over there', 'Location: ' + to, status=status)


class FileServer:
    """`files`: path: bytes of an answer, or a function (its connection), which may keep silent until `released`."""

    def __init__(self, t, names=None, certificate=None, address=ADDRESS):
        self.t, self.files, self.asked = t, {}, []
        self.host = 'files%d.test' % next(_numbers)
        self.address, self.released = address, threading.Event()
        c = certificate or authority().certificate(*(names or [self.host]))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(c.pem, c.key)
        self.lock, self.connections = threading.Lock(), 0
        self.sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
        self.sock.bind((address, 0))
        self.sock.listen(64)
        self.port = self.sock.getsockname()[1]
        t.server.dns.set(self.host, dns.a(address) if '.' in address else dns.aaaa(address))
        t.clients.append(self)
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self, path='/a.png', host=None):
        return 'https://%s:%d%s' % (host or self.host, self.port, path)

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with sock, self.tls.wrap_socket(sock, server_side=True) as c:
                head = b''
                while b'\r\n\r\n' not in head:
                    more = c.recv(65536)
                    if not more:
                        return
                    head += more
                path = head.split()[1].decode()
                with self.lock:
                    self.asked.append((path, head.decode('latin-1')))
                what = self.files.get(path.split('?')[0], answer(b'no', status='404 Not Found'))
                if callable(what):
                    what(c)
                    return
                c.sendall(what)
                c.unwrap()
        except OSError:
            pass            # who fetches may end it

    def silent(self, c):
        """Nothing comes until the scenario says so."""
        self.released.wait(300)

    def times_asked(self, path):
        with self.lock:
            return sum(p == path for p, _ in self.asked)

    def close(self):
        self.released.set()
        # Nothing is closed while a thread is in it: it would go on with the next file of that number, and answer for another server.
        self.sock.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.sock.close()


def fetch_from(t, *ports, **more):
    """From now on files are fetched from ADDRESS at these ports, certificates are believed as the test CA's."""
    settings = {'links': 'fetch', 'fetch_ports': '[%s]' % ', '.join(str(p) for p in ports), 'fetch_private': '["%s"]' % ADDRESS,
                'fetch_ca_file': '"%s"' % authority().pem, **more}
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        lines = [s for s in f.read().split('\n') if s.strip().split(':')[0] not in settings]
    at = lines.index('files:')
    lines[at + 1:at + 1] = ['  %s: %s' % s for s in settings.items()]
    with open(t.server.env['CHANCERY_CONFIG'], 'w') as f:
        f.write('\n'.join(lines))
    t.server.edited = True
    code, out, err = t.server.cli('config', 'reload')
    assert code == 0, (out, err)

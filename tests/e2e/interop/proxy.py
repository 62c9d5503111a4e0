"""A way to the server that a scenario can cut.

Foreign clients know nothing of scenarios: they are told to connect here. The proxy connects on from the scenario's own address
(throttling by address must not carry over), and can break what passes through it as a lost network does.
"""
import socket
import struct
import threading
import time

RESET = struct.pack('ii', 1, 0)     # SO_LINGER with no time: close() sends a reset


class Proxy:
    def __init__(self, t, direct=False, port=None):
        self.to = ('127.0.0.1', port or (t.server.port_tls if direct else t.server.port))
        self.source, self.pairs, self.lock = t.source, [], threading.Lock()
        self.accepted = 0
        self.down = False       # true: whoever connects waits, as packets get lost
        self.deaf = False       # true: what the server says is lost
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.host, self.port = self.listener.getsockname()
        self.closed = False
        t.clients.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.closed:
                near.close()
                return
            while self.down and not self.closed:
                time.sleep(0.02)
            try:
                far = socket.create_connection(self.to, source_address=(self.source, 0))
            except OSError:
                near.close()
                continue
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((near, far))
                self.accepted += 1
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b, a is far), daemon=True).start()

    def _pump(self, a, b, from_server):
        try:
            while True:
                data = a.recv(65536)
                if not data:
                    break
                if not (from_server and self.deaf):
                    b.sendall(data)
        except OSError:
            pass
        try:
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """All connections through here break: no goodbye, a reset in both directions."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    # A thread sits in recv(); the descriptor must not be reused under it.
                    s.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                s.close()

    def close(self):
        self.closed = True
        try:
            # Wakes accept().
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            pass
        self.listener.close()
        self.cut()

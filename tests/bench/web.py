#!/usr/bin/env python3
"""What a session over WebSocket or BOSH costs, beside one over TLS at once.

    tests/bench/web.py [--build-dir build] [--sessions 300] [--pings 500] [--reactors 1]

Memory: the server's PSS after so many logins of each kind, less that before, by the session; each session is left alone. Latency:
a ping to the server and its answer, one after the other. The client is Python and its share is in the latency: it is there to
compare the ways with one another.
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'conformance'))
from chancerytest.client import Client  # noqa: E402
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, remove_all  # noqa: E402
from chancerytest.web import BoshClient, WebSocketClient  # noqa: E402


def pss(pid):
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith('Pss:'))


def measure(server, kind, sessions, pings):
    t = Scenario(server)
    t.transport = kind
    users = [server.new_user() for _ in range(sessions + 20)]
    for u in users[:20]:        # what is allocated once
        t.online(u)
    time.sleep(1)
    before = pss(server.pid)
    for u in users[20:]:
        t.online(u, direct=True)
    time.sleep(2)
    memory = (pss(server.pid) - before) / sessions
    c, times = t.clients[0], []
    for _ in range(pings):
        began = time.perf_counter()
        c.ping()
        times.append(time.perf_counter() - began)
    t.done()
    return memory, statistics.median(times) * 1e3, statistics.quantiles(times, n=100)[98] * 1e3


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--build-dir', default='build')
    p.add_argument('--sessions', type=int, default=300)
    p.add_argument('--pings', type=int, default=500)
    p.add_argument('--reactors', type=int, default=1)
    o = p.parse_args()
    for name, kind in (('TLS', Client), ('WebSocket', WebSocketClient), ('BOSH', BoshClient)):
        server = Server(o.build_dir, reactors=o.reactors, batch=o.sessions + 20)
        try:
            server.start()
            print('%-10s %8.0f bytes a session, ping %.2f ms median, %.2f ms p99' % ((name,) + measure(server, kind, o.sessions, o.pings)),
                  flush=True)
            server.stop()
        finally:
            server.remove()


if __name__ == '__main__':
    try:
        main()
    finally:
        remove_all()

#!/usr/bin/env python3
"""What one publication seen by many contacts costs the server (XEP-0163).

    tests/bench/pep.py [--build-dir build] [--contacts 100] [--publications 200] [--reactors 1]

One user with so many contacts, all here, whose clients announce NODE+notify; publications go out one after the other, each
when the last contact has the one before. CPU is that of chanceryd, all threads, as the kernel counts it; PostgreSQL's is told
apart.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'conformance'))
import test_pep as pep  # noqa: E402
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, remove_all  # noqa: E402


def cpu_of(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def postgres_cpu(server):
    """Of the postmaster and its children that live."""
    top = int(server.env['CHANCERY_PG_PID'])
    total = cpu_of(top)
    for p in os.listdir('/proc'):
        try:
            with open('/proc/%s/stat' % p) as f:
                if p.isdigit() and int(f.read().rsplit(')', 1)[1].split()[1]) == top:
                    total += cpu_of(int(p))
        except (OSError, ValueError):
            pass
    return total


def befriend(server, a, others):
    """Straight into the database, before anybody is in memory."""
    def account(c):
        return "(select id from chancery.account where bare = '%s')" % c
    rows = []
    for c in others:
        rows += ["(%s, '%s', 3, false, false, true, 1)" % (account(a), c), "(%s, '%s', 3, false, false, true, 1)" % (account(c), a)]
    versions = ', '.join('(%s, 1)' % account(c) for c in [a] + others)
    server.psql('insert into chancery.roster_version (account, version) values %s on conflict (account) do update set version = 1;'
                'insert into chancery.roster_item (account, jid, subscription, ask, approved, listed, version) values %s'
                % (versions, ', '.join(rows)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--build-dir', default='build')
    p.add_argument('--contacts', type=int, default=100)
    p.add_argument('--publications', type=int, default=200)
    p.add_argument('--reactors', type=int, default=1)
    o = p.parse_args()
    server = Server(o.build_dir, {}, reactors=o.reactors, batch=o.contacts + 2)
    try:
        server.start()
        t = Scenario(server)
        users = [server.new_user() for _ in range(o.contacts + 1)]
        bare = ['%s@%s' % (u, server.domain) for u, _ in users]
        befriend(server, bare[0], bare[1:])
        a = t.online(users[0])
        others = [pep.hello(t.bound(u), pep.TUNE) for u in users[1:]]
        pep.ok(pep.publish(a, pep.TUNE, 'warm'))
        for c in others:
            pep.event(c, pep.TUNE)
        a.heard.clear()
        cpu, pg, began = cpu_of(server.pid), postgres_cpu(server), time.monotonic()
        for i in range(o.publications):
            pep.ok(pep.publish(a, pep.TUNE, 'i', pep.payload('title %d' % i)))
            for c in others:
                pep.event(c, pep.TUNE)
        cpu, pg, wall = cpu_of(server.pid) - cpu, postgres_cpu(server) - pg, time.monotonic() - began
        n = o.publications
        print('%d contacts, %d publications: chanceryd %.2f ms of CPU each, postgres %.2f ms, %.1f ms until all had it (clients included)'
              % (o.contacts, n, 1000 * cpu / n, 1000 * pg / n, 1000 * wall / n))
        t.done()
    finally:
        remove_all()


if __name__ == '__main__':
    main()

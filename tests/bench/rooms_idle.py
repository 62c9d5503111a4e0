#!/usr/bin/env python3
"""What 10,000 rooms in which nothing happens keep in memory (XEP-0045), with somebody in each and after everybody has left.

    tests/bench/rooms_idle.py [--build-dir build] [--rooms 10000] [--people 25] [--reactors 1]

Each person makes an equal share of the rooms, which stay when they are empty. Memory is the private memory of chanceryd. After they have
left, a room that is asked for must be the one that was made.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'conformance'))
from chancerytest.muc import OWNER, Room  # noqa: E402
from chancerytest.scenario import Scenario  # noqa: E402
from chancerytest.server import Server, remove_all  # noqa: E402

PERSISTENT = ("<query xmlns='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value>"
              "</field><field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>" % OWNER)


def private(pid):
    """Bytes."""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith('Private_')) * 1024


def make(t, c, name):
    room = Room(t, name)
    room.send_join(c, 'n')
    c.expect_presence(None, room.at('n'))
    assert c.iq('set', PERSISTENT, to=room.jid).get('type') == 'result'
    return room


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--build-dir', default='build')
    p.add_argument('--rooms', type=int, default=10000)
    p.add_argument('--people', type=int, default=25)
    p.add_argument('--reactors', type=int, default=1)
    o = p.parse_args()
    server = Server(o.build_dir, {'limits.rooms_per_minute': 100000}, reactors=o.reactors)
    try:
        server.start()
        t = Scenario(server)
        people = [t.online() for _ in range(o.people)]
        make(t, people[0], 'first')
        before, rooms = private(server.pid), []
        for c in people:
            rooms.append([make(t, c, 'r%d-%d' % (len(rooms), i)) for i in range(o.rooms // o.people)])
            c.heard.clear()
        inside = private(server.pid)
        for c, own in zip(people, rooms):
            for room in own:
                room.leave(c, 'n')
            c.ping()
            c.heard.clear()
        left = private(server.pid)
        for _ in range(12):     # a room that nobody is in is forgotten after half a minute
            time.sleep(5)
            left = min(left, private(server.pid))
        r = people[0].iq('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=rooms[-1][-1].jid)
        assert r.get('type') == 'result', r
        n = len(rooms) * len(rooms[0])
        print('%d rooms: %.0f bytes each with one person in it, %.0f after all have left' % (n, (inside - before) / n, (left - before) / n))
    finally:
        server.stop()
        remove_all()


if __name__ == '__main__':
    main()

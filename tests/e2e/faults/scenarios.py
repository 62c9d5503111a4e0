"""The faults. A function each; the first line of its text says what it does to whom."""
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

from chancerytest.again import Broken
from chancerytest.scenario import Scenario
from bridge import Bridge
from tokens import Tokens
from world import (HERE, SLOW, Lines, Skip, freeze, own_folder, recovers, restart_postgres, postgres, server_account,
                   signal_all, stayed, thaw)

# Push services are told what was said, so that it can be compared.
DEVICES = {'push__sender': 'true', 'push__body': 'true', 'push__text': "''"}


def kill_server(w):
    """kill -9 of chanceryd at random moments under load"""
    server = w.server()
    load = w.load(server)
    for i in range(w.args.rounds or 20):
        # Now and then while clients are still coming back.
        if i % 4 != 3:
            load.progress(100)
        # Sometimes long enough for delivery marks to be written.
        time.sleep(3 if i % 5 == 4 else random.uniform(0, 0.8))
        server.kill()
        server.start()
    load.progress(100)
    load.verify()


def kill_database(w):
    """kill -9 of PostgreSQL, all of it, under load, and its restart; chanceryd stays, sessions are resumed"""
    server = w.server()
    load = w.load(server)
    pid = server.pid
    for i in range(w.args.rounds or 4):
        load.progress(200)
        time.sleep(random.uniform(0, 0.5))
        signal_all(postgres(server), signal.SIGKILL)
        if i % 2:
            load.say('cut')
        time.sleep(random.uniform(0, 1.5))
        recovers(load, restart_postgres(server), 'PostgreSQL answers again')
    load.progress(100)
    stayed(server, pid)
    # Sessions outlive it, so nothing was sent in another session.
    checker = load.verify(repeated=False)
    assert checker.log.resumed, 'no session was resumed'


class Bystanders:
    """People whose work does not need the database: two friends, and one whose message waits for it."""

    def __init__(self, server):
        self.scenario = Scenario(server)
        self.a, self.b = self.scenario.friends()
        self.waiting = self.scenario.online(sm=True)
        for c in (self.a, self.b, self.waiting):
            c.roster()
        self.slowest, self.n = 0.0, 0

    def timed(self, what, f):
        begin = time.monotonic()
        f()
        took = time.monotonic() - begin
        self.slowest = max(self.slowest, took)
        assert took < 1 * SLOW, '%s took %.1f s' % (what, took)

    def presence(self):
        self.n += 1
        priority = self.n % 128
        self.a.presence(priority=priority)
        self.b.expect(lambda e: e.name == 'presence' and e.get('from') == self.a.jid and e.text('priority') == str(priority), 'presence')

    def ask(self):
        self.timed('ping', self.a.ping)
        self.timed('roster', self.a.roster)
        self.timed('presence', self.presence)
        self.timed('ping of one who waits', self.waiting.ping)
        self.timed('roster of one who waits', self.waiting.roster)
        if self.words_came():
            raise Broken('words of presence came while no commit was possible')

    def begin_to_wait(self):
        self.id = self.waiting.message(self.a.bare, 'waits for the database')
        self.waiting.presence(to=self.a.jid, inner='<status>waits for the database, too</status>')

    def words_came(self):
        return self.a.heard_any(lambda e: e.name == 'presence' and e.text('status'))

    def was_told(self):
        return self.waiting.heard_any(lambda e: e.name == 'message' and e.get('id') == self.id and e.get('type') == 'error')


def freeze_for(w, seconds, rate, **settings):
    server = w.server(**settings)
    load = w.load(server, rate=rate)
    people = Bystanders(server)
    pid = server.pid
    load.progress(200)
    pids = freeze(server)
    begin = time.monotonic()
    try:
        people.begin_to_wait()
        while (now := time.monotonic()) < begin + seconds:
            people.ask()
            time.sleep(max(0.0, min(now + 2, begin + seconds) - time.monotonic()))
    finally:
        end = time.monotonic()
        thaw(pids)
    print('    slowest answer %.2f s' % people.slowest, flush=True)
    recovers(load, end, 'SIGCONT')
    stayed(server, pid)
    log = load.events()
    # What was on its way out of the server when PostgreSQL froze may still arrive.
    late = [d for d in log.delivered if begin + 1 * SLOW < d[0] < end]
    if late:
        raise Broken('%d messages were delivered while no commit was possible, %.1f to %.1f s after the last' % (
            len(late), late[0][0] - begin, late[-1][0] - begin))
    return server, load, people, log, begin, end


def freeze_short(w):
    """SIGSTOP of PostgreSQL for 12 s: senders are held back, nobody else notices, nothing comes back"""
    server, load, people, log, begin, end = freeze_for(w, 12, 1500)
    early = [m for m, t in log.acked.items() if begin + 1 * SLOW < t < end]
    if early:
        raise Broken('%d messages were acknowledged while no commit was possible' % len(early))
    assert not log.errors, len(log.errors)
    people.a.expect_message(id=people.id)
    people.a.expect(lambda e: e.name == 'presence' and e.text('status'), 'words of presence')
    load.progress(100)
    load.verify(repeated=False)
    people.scenario.done()


def freeze_long(w):
    """SIGSTOP of PostgreSQL for 30 s: after archive.patience (5 s) senders are told, nobody receives it, again and again"""
    server, load, people, log, begin, end = freeze_for(w, 30, 1500, archive__patience='5s')
    told = sorted(e[0] - begin for e in log.errors.values())
    print('    returned %d, the first after %.1f s' % (len(told), told[0] if told else -1), flush=True)
    assert told and 4.5 <= told[0] <= 5 + 2 * SLOW, told[:1]
    assert people.was_told(), 'one who waited was not told'
    load.progress(100)
    load.verify(repeated=False)
    people.scenario.done()


# -- full disks ------------------------------------------------------------------------------------------------

class SmallDisk:
    """A folder of PostgreSQL's on a file system with `spare` MiB to spare. PostgreSQL has to be down."""

    def __init__(self, w, path, spare):
        if os.geteuid() != 0:
            raise Skip('mounting a small file system needs root')
        self.path = os.path.realpath(path)
        used = int(subprocess.run(['du', '-sm', self.path], check=True, capture_output=True, text=True).stdout.split()[0])
        copy, owner = self.path + '.copy', os.stat(self.path)
        shutil.move(self.path, copy)
        os.mkdir(self.path, 0o700)
        p = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=700,uid=%d,gid=%d,size=%dm' % (owner.st_uid, owner.st_gid, used + spare),
                            'tmpfs', self.path], capture_output=True, text=True)
        if p.returncode:
            raise Skip('mounting a small file system is not possible here: ' + p.stderr.strip())
        self.used = used
        w.undo.insert(0, self.away)     # after the server has ended
        subprocess.run(['cp', '-a', copy + '/.', self.path], check=True)
        shutil.rmtree(copy)

    def grow(self):
        subprocess.run(['mount', '-o', 'remount,size=%dm' % (self.used + 1000), self.path], check=True)

    def is_full(self):
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize < 65536

    def away(self):
        subprocess.run(['umount', '-l', self.path], capture_output=True)


def on_small_disk(w, folder, spare):
    """A server and its load, with one folder of PostgreSQL's on a small disk."""
    server = w.server(archive__patience='4s')
    server.stop()
    disk = SmallDisk(w, server.path('pg', folder), spare)
    w.undo.insert(1, lambda: shutil.rmtree(server.dir, ignore_errors=True))
    server.start()
    return server, w.load(server), disk


def disk_full(w):
    """PostgreSQL's tables find no room: nothing can be recorded, senders are held back, then told; room helps at once"""
    server, load, disk = on_small_disk(w, 'base', 12)
    pid = server.pid
    people = Bystanders(server)
    server.wait(lambda: load.events().errors, 'senders to be told', 120)
    begin = time.monotonic()
    for _ in range(3):
        people.ask()
        time.sleep(1)
    log = load.events()
    late = [d for d in log.delivered if d[0] > begin]
    disk.grow()
    recovers(load, time.monotonic(), 'there was room again')
    print('    returned %d, delivered meanwhile %d' % (len(log.errors), len(late)), flush=True)
    load.progress(100)
    stayed(server, pid)
    load.verify(repeated=False)
    people.scenario.done()


def wal_full(w):
    """PostgreSQL's log finds no room: it panics and cannot start until there is some; chanceryd stays"""
    server, load, disk = on_small_disk(w, 'pg_wal', 20)
    pid = server.pid
    people = Bystanders(server)
    server.wait(lambda: load.events().errors, 'senders to be told', 180)
    people.ask()
    disk.grow()
    recovers(load, restart_postgres(server), 'PostgreSQL answers again')
    load.progress(100)
    stayed(server, pid)
    load.verify(repeated=False)
    people.scenario.done()


# -- between COMMIT and its answer -------------------------------------------------------------------------------

class Proxy:
    def __init__(self, w, server):
        # Of the server's conninfo only the folder changes; the port is part of the socket's name.
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(server.env['CHANCERY_PG']).query)
        folder, name = own_folder(server, 'proxy'), '.s.PGSQL.5432'
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'commit_proxy.py'), os.path.join(folder, name), os.path.join(query['host'][0], name),
             *([server_account()] if server_account() else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = Lines(self.process.stdout)
        w.undo.append(self.end)
        assert self.lines.next(30) == 'ready'
        self.conninfo = "\"dbname=chancery host='%s' port=5432 user=chancery_server\"" % folder

    def do(self, order, timeout=30):
        """Gives it an order, and waits until it is carried out."""
        self.process.stdin.write(order + '\n')
        self.process.stdin.flush()
        assert self.lines.next(timeout) == order.split()[0]

    def end(self):
        self.process.kill()
        self.process.wait()


def through_proxy(w, **settings):
    server = w.server(**settings)
    proxy = Proxy(w, server)
    # Stopped before the proxy ends.
    w.undo.append(w.undo.pop(0))
    server.settings['database.conninfo'] = proxy.conninfo
    server.restart()
    return server, w.load(server), proxy


def cut_commit(w):
    """The connection breaks around COMMIT: before it, behind it, and before its answer is heard"""
    server, load, proxy = through_proxy(w)
    pid = server.pid
    for i in range(w.args.rounds or 20):
        load.progress(100)
        order = ('answer', 'done', 'before', 'answer', 'all')[i % 5]
        proxy.do(order)
        if i % 4 == 3:
            load.say('cut')
        recovers(load, time.monotonic(), 'a cut: ' + order)
    load.progress(100)
    stayed(server, pid)
    load.verify(repeated=False)


def late_commit(w):
    """COMMIT's answer comes after archive.patience, or never: returned messages are marked and stay undelivered"""
    server, load, proxy = through_proxy(w, archive__patience='1500ms')
    pid = server.pid
    for order in ('hold 3', 'holdcut 3', 'hold 3', 'holdcut 3'):
        load.progress(100)
        proxy.do(order)
        time.sleep(3)
        recovers(load, time.monotonic(), order)
    load.progress(100)
    stayed(server, pid)
    checker = load.verify(repeated=False)
    assert checker.returned, 'no record of kind RETURNED: the scenario has missed its aim'


# -- the rest ----------------------------------------------------------------------------------------------------

def unsafe_database(w):
    """A start on a PostgreSQL that may lose commits is refused, and the reason named"""
    server = w.server()
    server.kill()
    program = os.path.join(server.build, 'bin', 'chanceryd')
    for name, change in (('fsync', 'alter system set fsync = off'), ('full_page_writes', 'alter system set full_page_writes = off'),
                         ('synchronous_commit', 'alter system set synchronous_commit = off'),
                         ('synchronous_commit', 'alter role chancery_server set synchronous_commit = off')):
        server.psql(change)
        server.psql('select pg_reload_conf()')
        if 'system' in change:
            server.wait(lambda: server.value("select setting from pg_settings where name = '%s'" % name) == 'off', name)
        p = subprocess.run([program, '--config', server.env['CHANCERY_CONFIG']], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=60)
        assert p.returncode == 1 and name + ' = off' in p.stderr, (name, p.returncode, p.stderr)
        server.psql('alter system reset all')
        server.psql('alter role chancery_server reset all')
        server.psql('select pg_reload_conf()')
        server.wait(lambda: server.value("select setting from pg_settings where name = '%s'" % name) == 'on', name)
    server.start()
    load = w.load(server)
    load.progress(200)
    load.verify()


def stop_server(w):
    """A graceful stop under load, and a start: nothing is lost and nothing comes twice"""
    server = w.server()
    load = w.load(server)
    for _ in range(w.args.rounds or 4):
        load.progress(200)
        time.sleep(random.uniform(0, 0.5))
        server.terminate()
        server.wait_gone()
        server.start()
    load.progress(100)
    checker = load.verify(repeated=False)
    again = len(checker.log.delivered) - len(checker.log.ids)
    if again:
        raise Broken('%d messages were delivered again' % again)


# -- people with two devices, copies, archives, push, PEP, tokens ------------------------------------------------------

def devices_kill_server(w):
    """kill -9 of chanceryd under people with two devices each, who are copied, pushed, told of publications, and page on"""
    server = w.server(**DEVICES)
    cast = w.cast(server)
    for _ in range(w.args.rounds or 6):
        tokens = Tokens(server)
        cast.progress(100)
        tokens.turn()
        server.kill()
        server.start()
        cast.recovers(time.monotonic(), 'the start')
        tokens.check()
    cast.progress(100)
    cast.verify()


def devices_kill_database(w):
    """kill -9 of PostgreSQL under people with two devices each; chanceryd stays, and so does every session"""
    server = w.server(**DEVICES)
    cast = w.cast(server)
    pid = server.pid
    for _ in range(w.args.rounds or 4):
        tokens = Tokens(server)
        cast.progress(100)
        tokens.turn()
        signal_all(postgres(server), signal.SIGKILL)
        time.sleep(random.uniform(0, 1.5))
        cast.recovers(restart_postgres(server), 'PostgreSQL answers again')
        tokens.check()
    cast.progress(100)
    stayed(server, pid)
    cast.verify(sessions_kept=True)


def devices_freeze(w):
    """SIGSTOP of PostgreSQL for 8 s under people with two devices each: nobody is shown, copied, told anything new"""
    server = w.server(**DEVICES)
    server.psql('alter system set track_commit_timestamp = on')
    server.restart()
    cast = w.cast(server)
    pid = server.pid
    cast.progress(200)
    pids = freeze(server)
    begin, date = time.monotonic(), time.time()
    try:
        time.sleep(8)
    finally:
        end = time.monotonic()
        thaw(pids)
    cast.recovers(end, 'SIGCONT')
    late = cast.late(begin, end, date)
    if late:
        raise Broken('%d things while no commit was possible: %s' % (len(late), late[:5]))
    cast.progress(100)
    stayed(server, pid)
    cast.verify(sessions_kept=True)


# -- a gateway, and a network ------------------------------------------------------------------------------------------

def bridge(w):
    """kill -9 of chanceryd, of PostgreSQL, of a gateway; broken streams, stops and freezes, in any order, under people who talk to those of a network"""
    server = w.server()
    bridge = Bridge(server)
    w.undo.append(bridge.end)

    def kill_database():
        signal_all(postgres(server), signal.SIGKILL)
        time.sleep(random.uniform(0, 1))
        restart_postgres(server)

    def kill_server():
        server.kill()
        # Sometimes the gateway dies with it.
        if random.random() < 0.3:
            bridge.program.kill()
        server.start()

    def stop():
        server.terminate()
        server.wait_gone()
        server.start()

    def frozen():
        pids = freeze(server)
        try:
            time.sleep(random.uniform(0.5, 3))
            if random.random() < 0.5:
                bridge.program.cut()
        finally:
            thaw(pids)
    faults = [kill_server, kill_database, bridge.program.kill, bridge.program.cut, stop, frozen]
    for i in range(w.args.rounds or 12):
        bridge.progress()
        time.sleep(random.uniform(0, 0.8))
        if i % len(faults) == 0:
            random.shuffle(faults)
        faults[i % len(faults)]()
    bridge.progress()
    bridge.verify()


def networks_on(w, kinds, **settings):
    """A server, and the networks of these kinds that are on this machine."""
    found = []
    for kind in kinds:
        module = importlib.import_module('net_' + kind)
        if missing := module.missing():
            print('    without %s: %s is not installed' % (kind, missing), flush=True)
        else:
            found.append(getattr(module, kind.capitalize()))
    if not found:
        raise Skip('there is no server of a network')
    # Short, so that some of what is said comes back.
    server = w.server(archive__patience='3s', **settings)
    server.psql('alter system set track_commit_timestamp = on')
    server.restart()
    there = []
    for network in found:
        there.append(network(server))
        w.undo.append(there[-1].end)
    return server, there


def hurt_networks(w, kinds):
    server, there = networks_on(w, kinds)

    def noted(what, begin):
        for n in there:
            n.noted(what, begin)

    def kill_database():
        begin = time.time()
        signal_all(postgres(server), signal.SIGKILL)
        time.sleep(random.uniform(0, 1))
        restart_postgres(server)
        noted('database', begin)

    def freeze_database():
        begin = time.time()
        pids = freeze(server)
        time.sleep(random.choice((random.uniform(0.2, 2), 5)))
        thaw(pids)
        noted('database', begin)

    def kill_server():
        begin = time.time()
        server.kill()
        server.start()
        noted('server', begin)

    def stop_server():
        begin = time.time()
        server.terminate()
        server.wait_gone()
        server.start()
        noted('server', begin)

    def freeze_server():
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(random.uniform(0.1, 2))
        os.kill(server.pid, signal.SIGCONT)
    # First what must neither lose nor double anything at the network: so nothing else can explain it.
    gentle = [kill_database, freeze_database, kill_server, stop_server, freeze_server] + [f for n in there for f in (n.cut_stream, n.freeze_program, n.freeze_network)]
    rough = [f for n in there for f in (n.kill_program, n.stop_program, n.kill_network)]
    for faults in gentle, rough, gentle + rough:
        random.shuffle(faults)
        for f in faults[:w.args.rounds or 4]:
            for n in there:
                n.progress()
            time.sleep(random.uniform(0, 0.5))
            print('    %.1f %s %s' % (time.time(), f.__name__, getattr(getattr(f, '__self__', None), 'domain', '')), flush=True)
            f()
    for n in there:
        n.verify()


def networks(w):
    """the same with real gateway programs, and real servers of their networks, which are killed and stopped as well: IRC, mail"""
    hurt_networks(w, ['irc', 'mail'])


def network_irc(w):
    """the same with IRC alone"""
    hurt_networks(w, ['irc'])


def network_hang(w):
    """IRC, whose program hangs under load: its stream is ended and another program begins"""
    _, (irc,) = networks_on(w, ['irc'], gateways__silence='5s')
    for _ in range(w.args.rounds or 4):
        irc.progress()
        irc.hang_program()
    irc.verify()


def network_mail(w):
    """the same with mail alone"""
    hurt_networks(w, ['mail'])


def network_sms(w):
    """the same with SMS alone"""
    hurt_networks(w, ['sms'])


def network_sip(w):
    """the same with SIP alone"""
    hurt_networks(w, ['sip'])


ALL = [kill_server, kill_database, freeze_short, freeze_long, disk_full, wal_full, cut_commit, late_commit, unsafe_database,
       stop_server, devices_kill_server, devices_kill_database, devices_freeze,
       bridge, networks, network_irc, network_hang, network_mail, network_sms, network_sip]

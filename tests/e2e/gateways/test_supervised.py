"""A gateway as an administrator has it: added by `chancery gateway`, its program started and watched by the server, policy asked, passwords kept (deploy/gateways.md).
The network is the worked example's."""
import datetime
import json
import os
import re
import shutil
import signal

from behaviours import escaped, local, said
from chancerytest.client import unique
from chancerytest.element import NAMES
from chancerytest.scenario import alone
from test_admin import ok, rows
from test_line import Driver

NAMES['gw'] = 'urn:chancery:gateway:0'


class Served:
    def __init__(self, t):
        self.t, self.driver = t, Driver(t)
        self.driver.start_server()
        folder = os.path.join(os.path.dirname(t.server.env['CHANCERY_CONFIG']), 'programs')
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        shutil.copy(self.driver.program, os.path.join(folder, 'chancery-gateway-line'))
        self.name = unique('gw').lower()
        self.domain = '%s.%s' % (self.name, t.server.domain)
        ok(t, 'gateway', 'add', self.name, 'line', self.domain, '--settings', '-', stdin=json.dumps({'network': self.driver.network()}))
        self.wait_connected()

    def show(self):
        return rows(self.t, 'gateway', 'show', self.name)[0]

    def wait_connected(self, without=None):
        self.t.server.wait(lambda: self.show()['connected'] and self.show()['program']['pid'] not in (0, without),
                           'the gateway to connect: %s' % self.show()['program'])
        return self.show()['program']['pid']

    def present(self, romeo):
        """Whoever is present to the gateway uses it."""
        romeo.presence(to=self.domain)
        romeo.expect_presence(None, self.domain)


@alone(gateways__programs='programs')
def test_talk(t):
    """A network is switched on, somebody may use it, they talk, both ways in the record with who it was; the program dies, and goes on where it was; off is off"""
    g = Served(t)
    romeo, bob = t.online(), g.driver.person('bob')
    jid = '%s@%s' % (escaped(bob.address), g.domain)
    id = romeo.message(jid, 'not yet')
    assert romeo.expect(lambda e: e.get('type') == 'error' and e.get('id') == id).condition() == 'forbidden'
    ok(t, 'gateway', 'allow', g.name, 'everyone')
    g.present(romeo)
    romeo.message(jid, 'good morrow')
    bob.heard('good morrow')
    bob.say(local(romeo), 'is the day so young')
    f = said(romeo, 'is the day so young', jid).find('gw:foreign')
    assert (f.get('via'), f.get('kind')) == (g.name, 'line') and f.get('address'), f
    assert [r[0] for r in t.server.records("body in ('good morrow', 'is the day so young', 'not yet')", 'body')] == ['good morrow', 'is the day so young']
    pid = g.wait_connected()
    os.kill(pid, signal.SIGKILL)
    romeo.message(jid, 'while it was down')
    g.wait_connected(without=pid)
    bob.heard('while it was down')
    ok(t, 'gateway', 'disable', g.name)
    t.server.wait(lambda: g.show()['program']['state'] == 'off', 'its end')
    id = romeo.message(jid, 'off')
    assert romeo.expect(lambda e: e.get('type') == 'error' and e.get('id') == id).condition() == 'service-unavailable'
    log = t.server.log()
    assert 'gateway-killed' not in log, log[-2000:]
    ok(t, 'gateway', 'enable', g.name)
    g.wait_connected()
    t.server.restart()
    g.wait_connected()
    assert 'gateway-killed' not in t.server.log()


@alone(gateways__programs='programs')
def test_stats(t):
    """What the program says of itself is in `gateway show` and /metrics"""
    g = Served(t)
    ok(t, 'gateway', 'allow', g.name, 'everyone')
    romeo = t.online()
    g.present(romeo)
    t.server.wait(lambda: g.show()['stats'].get('users', 0) >= 1, 'what it says of itself')
    assert t.server.metric('chancery_gateway_users', '{network="%s"}' % g.name) >= 1


class Spoilt(Served):
    """Its program can be taken away, and put back."""

    def __init__(self, t):
        super().__init__(t)
        ok(t, 'gateway', 'allow', self.name, 'everyone')
        self.romeo, self.bob = t.online(), self.driver.person('bob')
        self.present(self.romeo)
        self.jid = '%s@%s' % (escaped(self.bob.address), self.domain)
        self.program = os.path.join(os.path.dirname(t.server.env['CHANCERY_CONFIG']), 'programs', 'chancery-gateway-line')
        self.n = 0

    def spoil(self, script):
        shutil.move(self.program, self.program + '.good')
        with open(self.program + '.new', 'w') as f:
            f.write('#!/bin/sh\n' + script)
        os.chmod(self.program + '.new', 0o755)
        os.rename(self.program + '.new', self.program)

    def mend(self):
        os.rename(self.program + '.good', self.program)

    def say(self):
        for _ in range(3):
            self.n += 1
            self.romeo.message(self.jid, 'kept %d' % self.n)

    def hears_all(self):
        for i in range(self.n):
            self.bob.heard('kept %d' % (i + 1))

    def wait(self, check, what, timeout=None):
        self.t.server.wait(lambda: check(self.show()['program']), '%s: %s' % (what, self.show()['program']), timeout)


@alone(gateways__programs='programs')
def test_dies_at_once(t):
    """A program that dies as soon as it begins is started again after longer and longer pauses, which the administrator sees, with why; one whose settings are wrong is not;
    what people wrote meanwhile arrives when it is mended"""
    g = Spoilt(t)
    pid = g.wait_connected()
    g.spoil('exit 3\n')
    os.kill(pid, signal.SIGKILL)
    g.say()
    g.wait(lambda p: p['restarts'] >= 4 and p['state'] == 'waiting', 'it to die again and again')
    assert 'exit code 3' in g.show()['program']['why'], g.show()
    died = [datetime.datetime.fromisoformat(at + '+00:00').timestamp() for at in re.findall(r'^(\S+)Z warning gateway-died', t.server.log(), re.M)]
    assert [b - a > pause for a, b, pause in zip(died, died[1:], (0.9, 1.9, 3.9))] == [True] * 3, died
    g.mend()
    g.spoil('exit 2\n')
    ok(t, 'gateway', 'enable', g.name)
    g.wait(lambda p: p['state'] == 'refused', 'it to be refused')
    code, _, err = t.server.cli('status')
    assert code == 1 and "a network's program does not run" in err, err
    n = g.show()['program']['restarts']
    g.say()
    g.mend()
    assert g.show()['program']['restarts'] == n, 'it was tried again'
    ok(t, 'gateway', 'enable', g.name)
    g.wait_connected()
    g.hears_all()


@alone(gateways__programs='programs', gateways__silence='5s', stream__ping_timeout='1s')
def test_hangs(t):
    """A program that hangs is killed and started again, whether it has a stream or never begins one; the administrator sees why, and what people wrote meanwhile arrives"""
    g = Spoilt(t)
    pid = g.wait_connected()
    os.kill(pid, signal.SIGSTOP)
    g.say()
    t.server.wait(lambda: not g.show()['connected'], 'its stream to end')
    g.say()
    g.wait_connected(without=pid)
    p = g.show()['program']
    assert p['restarts'] >= 1 and p['why'].startswith('it did not answer: ') and t.server.metric('chancery_networks_hung_total') >= 1, p
    g.spoil('exec sleep 1000\n')
    os.kill(p['pid'], signal.SIGKILL)
    g.say()
    g.wait(lambda p: p['why'].startswith('it had no stream: '), 'one that begins no stream to be killed', 90)
    g.mend()
    g.wait_connected()
    g.hears_all()

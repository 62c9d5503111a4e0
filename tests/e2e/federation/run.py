#!/usr/bin/env python3
"""run.py --bin BUILD [--reactors N] [-k REGEX] [--keep] prosody|ejabberd|chancery|dane|kill

Federation with real servers: a Chancery, another server of the kind named, a name server, one authority for certificates, all on
loopback. Exit code 0 when all scenarios passed, 77 when what it needs is not on this machine, else 1. What failed is tried again (chancerytest/again.py).
"""
import argparse
import os
import re
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from servers import Dnsmasq, Ejabberd, Nsd, Prosody, Skip, Us, World  # noqa: E402 (it knows where chancerytest is)
from chancerytest import again  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402
import dane  # noqa: E402
import faults  # noqa: E402
import scenarios  # noqa: E402

SKIPPED = 77


class Run:
    def __init__(self, world, pattern):
        self.world, self.pattern, self.failed, self.passed, self.fallen = world, pattern, 0, 0, []

    def each(self, functions):
        for f in functions:
            # Most need to be allowed, which one scenario sees to.
            if not self.pattern or f.__name__ == 'allowed' or self.pattern.search(f.__name__) or self.pattern.search(f.__doc__):
                self.one(f)

    def one(self, f):
        begin, detail = time.monotonic(), ''
        try:
            f(self.world)
        except (AssertionError, RuntimeError, OSError, ValueError) as e:
            detail = '\n' + traceback.format_exc(limit=-6)
            self.failed += 1
            if not isinstance(e, again.Broken):
                self.fallen.append(f.__name__)
        else:
            self.passed += 1
        print('%-4s %s: %s (%.1f s)%s' % ('FAIL' if detail else 'ok', f.__name__, f.__doc__.split('\n')[0], time.monotonic() - begin, detail), flush=True)

    def end(self):
        """What our servers themselves have to say."""
        self.world.leave()
        for s in self.world.us, self.world.them:
            if not isinstance(s, Us):
                continue
            reports = ['chanceryd is gone, and nobody has ended it'] * s.has_crashed()
            s.stop()        # leaks are told at the end
            reports += s.sanitizer_reports()
            if reports:
                self.failed += 1
                print('FAIL the log of %s has\n%s' % (s.domain, '\n'.join(reports[:120])))
        if self.failed:
            for s in self.world.us, self.world.them:
                print('end of the log of %s:\n  %s' % (s.domain, '\n  '.join(s.log().split('\n')[-40:])))
        unstable = again.unstable(self.fallen, self.failed, again.passes_alone) if not self.world.args.once and not self.world.args.keep else []
        self.failed -= len(unstable)
        again.tell(unstable, ' (federation, %s)' % self.world.args.suite)
        print('%d passed, %d failed, %d unstable' % (self.passed, self.failed, len(unstable)))
        return 1 if self.failed or not self.passed + len(unstable) else 0


def pair(world, pattern, kind):
    us = world.chancery('verona.test', federation__patience='6s', stream__resume='5s')
    them = world.foreign(kind, 'padua.test') if kind else world.chancery('padua.test', federation__patience='6s')
    world.start(us, them)
    if not kind:
        them.allow(us.domain, us.rooms)
    run = Run(world, pattern)
    run.each(scenarios.ALL)
    return run.end()


def by_dane(world, pattern):
    dane.begin(world)
    run = Run(world, pattern)
    run.each(dane.ALL)
    return run.end()


def killed(world, pattern):
    if not world.args.load:
        raise Skip('--load PROGRAM is needed')
    us, them = (world.chancery(d, auth__plain='true', federation__patience='1m') for d in ('verona.test', 'padua.test'))
    world.start(us, them)
    us.allow(them.domain)
    them.allow(us.domain)
    run = Run(world, pattern)
    run.each(faults.ALL)
    return run.end()


SUITES = {
    'prosody': lambda w, p: pair(w, p, Prosody),
    'ejabberd': lambda w, p: pair(w, p, Ejabberd),
    'chancery': lambda w, p: pair(w, p, None),
    'dane': by_dane,
    'kill': killed,
}


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[2])
    a.add_argument('suite', choices=SUITES)
    a.add_argument('--bin', required=True, metavar='BUILD')
    a.add_argument('--load', metavar='PROGRAM', help='of ../faults, for kill')
    a.add_argument('--rounds', type=int, default=6, help='how often kill kills')
    a.add_argument('--reactors', type=int, default=2)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('--keep', action='store_true', help='leave our server as it is')
    a.add_argument('--once', action='store_true', help='what failed is not tried again')
    args = a.parse_args()
    args.build = args.bin.removesuffix('/').removesuffix('/bin')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    world = None
    try:
        world = World(args, Nsd if args.suite == 'dane' else Dnsmasq)
        return SUITES[args.suite](world, re.compile(args.k) if args.k else None)
    except Skip as e:
        print('skipped: %s' % e)
        return SKIPPED
    finally:
        if world:
            world.end()
        if not args.keep:
            remove_all()


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""run.py --bin BUILD --load PROGRAM [--reactors N] [--rounds N] [--seed N] [--keep] SCENARIO...

Runs scenarios of scenarios.py (without a name: lists them) against the programs in BUILD/bin. Exit code 0 when all
promises held, 77 when a scenario cannot be tried on this machine, else 1. What failed without breaking a promise, as
something took too long, is tried again (chancerytest/again.py).
"""
import argparse
import os
import random
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from world import Skip, World  # noqa: E402 (it knows where chancerytest is)
from chancerytest import again  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402
import scenarios  # noqa: E402


OK, FAILED, BROKEN, SKIPPED = 0, 1, 2, 77


def run(f, args):
    print('%s: %s' % (f.__name__, f.__doc__.split('\n')[0]), flush=True)
    begin, world, code, verdict = time.monotonic(), World(args), OK, 'ok'
    try:
        f(world)
    except Skip as e:
        code, verdict = SKIPPED, 'SKIPPED: %s' % e
    except again.Broken:
        code, verdict = BROKEN, 'BROKEN\n' + traceback.format_exc()
    except (AssertionError, RuntimeError, OSError, ValueError):
        code, verdict = FAILED, 'FAILED\n' + traceback.format_exc()
        if troubles := world.troubles():
            code, verdict = BROKEN, verdict + '\n'.join(troubles)
    if code in (FAILED, BROKEN) and args.keep:
        print(verdict, flush=True)
        return code
    world.end()
    print('%s (%.1f s)' % (verdict, time.monotonic() - begin), flush=True)
    return code


def stands(f, args):
    code = run(f, args)
    if code == FAILED and not args.keep:
        unstable = again.unstable([f.__name__], 1, lambda _: run(f, args) == OK)
        again.tell(unstable, ' (faults, %d reactors)' % args.reactors)
        return OK if unstable else FAILED
    return code


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--bin', required=True, metavar='BUILD')
    a.add_argument('--load', metavar='PROGRAM')
    a.add_argument('--reactors', type=int, default=2)
    a.add_argument('--rounds', type=int, default=0, help="instead of the scenario's own number")
    a.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    a.add_argument('--keep', action='store_true', help='leave everything as it is after a failure')
    a.add_argument('scenario', nargs='*')
    args = a.parse_args()
    known = {f.__name__: f for f in scenarios.ALL}
    if not args.scenario:
        for f in scenarios.ALL:
            print('%s: %s' % (f.__name__, f.__doc__.split('\n')[0]))
        return 0
    args.build = args.bin.removesuffix('/').removesuffix('/bin')
    args.load = args.load or os.path.join(args.build, 'tests', 'e2e_load')
    print('seed %d' % args.seed)
    random.seed(args.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        codes = [stands(known[name], args) for name in args.scenario]
    finally:
        if not args.keep:
            remove_all()
    return 1 if {FAILED, BROKEN} & set(codes) else max(codes)


if __name__ == '__main__':
    sys.exit(main())

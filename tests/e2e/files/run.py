#!/usr/bin/env python3
"""run.py --bin BUILD [--reactors N] [-k REGEX] [--keep]

Runs scenarios.py: one server, whose scanner meets with all kinds of trouble. Exit code 0 when all scenarios passed, else 1. What failed is tried again (chancerytest/again.py).
"""
import argparse
import os
import re
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', 'conformance')]
sys.dont_write_bytecode = True
from chancerytest import again  # noqa: E402
from chancerytest.scenario import Skip  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402
import scenarios  # noqa: E402
from world import World  # noqa: E402


def one(f, world):
    """ok, skip, FAIL or, never to be tried again, BROKEN."""
    begin, verdict, detail = time.monotonic(), 'ok', ''
    try:
        world.begin()
        f(world)
        world.check()
    except Skip as e:
        verdict, detail = 'skip', '\n' + str(e)
    except Exception as e:
        verdict, detail = 'BROKEN' if isinstance(e, again.Broken) else 'FAIL', '\n' + traceback.format_exc(limit=-6)
    print('%-4s %s: %s (%.1f s)%s' % (verdict, f.__name__, f.__doc__.split('\n')[0], time.monotonic() - begin, detail), flush=True)
    return verdict


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[2])
    a.add_argument('--bin', required=True, metavar='BUILD')
    a.add_argument('--reactors', type=int, default=2)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('--keep', action='store_true', help='leave the server as it is after a failure')
    a.add_argument('--once', action='store_true', help='what failed is not tried again')
    args = a.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pattern = re.compile(args.k) if args.k else None
    wanted = [f for f in scenarios.ALL if not pattern or pattern.search(f.__name__) or pattern.search(f.__doc__)]
    world, said = None, {}
    try:
        world = World(args.bin.removesuffix('/').removesuffix('/bin'), args.reactors)
        for f in wanted:
            said[f.__name__] = one(f, world)
        verdicts, fallen = list(said.values()), [name for name, verdict in said.items() if verdict == 'FAIL']
        failed = len(fallen) + verdicts.count('BROKEN')
        if failed and args.keep:
            world.server.keep()
            print('kept for you: %s' % world.server.dir)
            return 1
        reports = ['chanceryd is gone, and nobody has ended it'] * world.server.has_crashed() + world.end()
        if reports:
            print('FAIL the log has\n%s' % '\n'.join(reports[:120]))
        if failed or reports:
            print('end of the log:\n  %s' % '\n  '.join(world.log.split('\n')[-60:]))
        failed += bool(reports)
        unstable = again.unstable(fallen, failed, again.passes_alone) if not args.once else []
        failed -= len(unstable)
        again.tell(unstable, ' (files, %d reactors)' % args.reactors)
        print('%d passed, %d failed, %d unstable, %d skipped' % (verdicts.count('ok'), failed, len(unstable), verdicts.count('skip')))
        return 1 if failed or not unstable and 'ok' not in verdicts else 0
    finally:
        if world:
            world.close()
        remove_all()


if __name__ == '__main__':
    sys.exit(main())

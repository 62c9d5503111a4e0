#!/usr/bin/env python3
"""run.py NETWORK --bin BUILD [--reactors N] [-k REGEX] [--all] [--keep]

Gateways, end to end: the real gateway program between the real server and a real server of its network. NETWORK names a file test_NETWORK.py of this folder, whose
scenarios are run as those of tests/conformance are; behaviours.py has those that all networks share. Exit code 77 when the network's server is not on this machine.
"""
import argparse
import importlib
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', 'conformance'), os.path.join(HERE, '..', 'interop')]
from chancerytest.scenario import Runner  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402

SKIPPED = 77


def scenarios(module, network, pattern, all_):
    subset = None if all_ or pattern else getattr(module, 'SUBSET', None)
    found = [('%s.%s' % (network, key[5:]), f) for key, f in vars(module).items() if key.startswith('test_') and callable(f) and (not subset or key[5:] in subset)]
    return [(n, f) for n, f in found if not pattern or pattern.search(n) or pattern.search(f.__doc__ or '')]


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('network')
    a.add_argument('--bin', required=True, metavar='BUILD', help='build folder (its programs are in BUILD/bin)')
    a.add_argument('--reactors', type=int, default=1)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('--all', action='store_true', help='also those that the file keeps from CI (its SUBSET)')
    a.add_argument('-j', type=int, default=2, metavar='N', help='scenarios at a time on the shared server')
    a.add_argument('--keep', action='store_true')
    args = a.parse_args()
    module = importlib.import_module('test_' + args.network)
    missing = getattr(module, 'missing', lambda: None)()
    if missing:
        print('skipped: %s is not installed' % missing)
        return SKIPPED
    pattern = re.compile(args.k) if args.k else None
    build = args.bin.removesuffix('/').removesuffix('/bin')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Runner(build, args.reactors, args.j, args.keep).run(scenarios(module, args.network, pattern, args.all))
    finally:
        remove_all()


if __name__ == '__main__':
    sys.exit(main())

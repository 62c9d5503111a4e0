#!/usr/bin/env python3
"""run.py --bin BUILD [--reactors N] [-k REGEX] [--but FILE] [-j THREADS] [-q] [--keep] [--list]

Runs the scenarios of this folder against the programs in BUILD/bin. One line for each (-q: only for those that do not
pass), at the end once more what failed, and a summary; exit code 1 when one failed. --but leaves out what a file names, as
one_reactor.txt does. --keep leaves a failed server's folder and processes for you to look at.
"""
import argparse
import fnmatch
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from chancerytest.scenario import Runner, discover  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402


def named(path, names):
    """Those of the names that the file's patterns fit; each has to fit one."""
    with open(path) as f:
        patterns = [p for p in map(str.strip, f) if p and not p.startswith('#')]
    found = set()
    for p in patterns:
        fit = fnmatch.filter(names, p)
        if not fit:
            raise SystemExit('%s: no scenario is called %s' % (path, p))
        found.update(fit)
    return found


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--bin', required=True, metavar='BUILD', help='build folder (its programs are in BUILD/bin)')
    a.add_argument('--reactors', type=int, default=1)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('--but', metavar='FILE', help='not those that it names')
    a.add_argument('-j', type=int, default=4, metavar='N', help='scenarios at a time on the shared server')
    a.add_argument('-q', action='store_true', help='no line for a scenario that passes')
    a.add_argument('--keep', action='store_true')
    a.add_argument('--list', action='store_true')
    args = a.parse_args()
    pattern = re.compile(args.k) if args.k else None
    folder = os.path.dirname(os.path.abspath(__file__))
    scenarios = discover(folder, pattern)
    if args.but:
        left_out = named(args.but, [name for name, _ in discover(folder, None)])
        scenarios = [s for s in scenarios if s[0] not in left_out]
    if args.list:
        for name, f in scenarios:
            print('%s: %s' % (name, (f.__doc__ or '').strip().split('\n')[0]))
        return 0
    build = args.bin.removesuffix('/').removesuffix('/bin')
    # An interrupted run leaves no servers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Runner(build, args.reactors, args.j, args.keep, args.q).run(scenarios)
    finally:
        remove_all()


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""run.py --bin BUILD [--reactors N] [-k REGEX] [--keep]

The web chat in Chromium against the real server. The scenarios of test_chat.py are run as those of tests/conformance are; pictures are
in BUILD/tests/browser/shots. Exit code 77 when there is no Chromium, no npm, or no web chat in the build.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'interop'), os.path.join(HERE, '..', '..', 'conformance')]
import page  # noqa: E402
from chancerytest.scenario import Runner, discover  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402

SKIPPED = 77


def missing(build):
    if not shutil.which('node') or not shutil.which('npm'):
        return 'no node and npm (Debian: apt-get install nodejs npm)'
    if not page.chromium():
        return 'no Chromium (Debian: apt-get install chromium)'
    p = subprocess.run(['cmake', '--build', build, '--target', 'chat'], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not os.path.exists(os.path.join(build, 'share', 'chat', 'index.html')):
        return 'the web chat could not be built: ' + (p.stdout + p.stderr).strip()[-500:]
    return None if page.driver(build) else 'Playwright could not be installed'


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--bin', required=True, metavar='BUILD', help='build folder (its programs are in BUILD/bin)')
    a.add_argument('--reactors', type=int, default=4)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('-j', type=int, default=1, metavar='N', help='scenarios at a time')
    a.add_argument('--keep', action='store_true')
    args = a.parse_args()
    build = os.path.abspath(args.bin).removesuffix('/bin')
    why = missing(build)
    if why:
        print('skipped: ' + why)
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Runner(build, args.reactors, args.j, args.keep).run(discover(HERE, re.compile(args.k) if args.k else None))
    finally:
        remove_all()


if __name__ == '__main__':
    sys.exit(main())

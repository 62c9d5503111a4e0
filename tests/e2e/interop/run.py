#!/usr/bin/env python3
"""run.py CLIENT --bin BUILD [--reactors N] [-k REGEX] [--keep]

Interoperation: real clients, made by others, against the real server. CLIENT names a file test_CLIENT.py of this folder, whose
scenarios are run as those of tests/conformance are. Exit code 77 when the client is not on this machine.
"""
import argparse
import importlib
import os
import re
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', 'conformance')]
import peers  # noqa: E402
from chancerytest.scenario import Runner  # noqa: E402
from chancerytest.server import remove_all  # noqa: E402

SKIPPED = 77


def build():
    return os.path.abspath(sys.argv[sys.argv.index('--bin') + 1]).removesuffix('/bin')


def have_slixmpp():
    try:
        import aiohttp, slixmpp  # noqa: E401, F401
    except ImportError:
        return False
    return True


def have_newest_slixmpp():
    """In a Python of its own, which then runs this file."""
    program = peers.python(build())
    if program and os.path.abspath(sys.executable) != os.path.abspath(program):
        os.execv(program, [program, *sys.argv])
    return bool(program)


def programs(*names):
    return lambda: all(shutil.which(n) for n in names)


def have_slidge():
    return bool(peers.slidge(build()))


# client: (is it here, the packages that bring it)
CLIENTS = {
    'xmppjs': (lambda: bool(peers.node(build())), 'npm'),
    'slixmpp': (have_slixmpp, 'python3-slixmpp python3-aiohttp'),
    'slixmppnew': (have_newest_slixmpp, 'python3-venv'),
    'strophe': (lambda: True, 'libstrophe-dev'),
    'profanity': (programs('profanity', 'tmux'), 'profanity tmux'),
    'biboumi': (programs('biboumi', 'ngircd'), 'biboumi ngircd'),
    'slidge': (have_slidge, 'python3-venv'),
    'gosendxmpp': (programs('go-sendxmpp'), 'go-sendxmpp'),
}


def scenarios(client, pattern):
    """Only this client's file: another's may need what is not here."""
    module = importlib.import_module('test_' + client)
    found = [('%s.%s' % (client, key[5:]), f) for key, f in vars(module).items() if key.startswith('test_') and callable(f)]
    return [(n, f) for n, f in found if not pattern or pattern.search(n) or pattern.search(f.__doc__ or '')]


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('client', choices=CLIENTS)
    a.add_argument('--bin', required=True, metavar='BUILD', help='build folder (its programs are in BUILD/bin)')
    a.add_argument('--reactors', type=int, default=1)
    a.add_argument('-k', metavar='REGEX', help='only scenarios whose name or description matches')
    a.add_argument('-j', type=int, default=2, metavar='N', help='scenarios at a time on the shared server')
    a.add_argument('--keep', action='store_true')
    args = a.parse_args()
    here, packages = CLIENTS[args.client]
    if not here():
        print('skipped: %s is not installed (Debian: apt-get install %s)' % (args.client, packages))
        return SKIPPED
    pattern = re.compile(args.k) if args.k else None
    build = args.bin.removesuffix('/').removesuffix('/bin')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Runner(build, args.reactors, args.j, args.keep).run(scenarios(args.client, pattern))
    finally:
        remove_all()


if __name__ == '__main__':
    sys.exit(main())

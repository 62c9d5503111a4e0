"""Clients that come from registries of their own rather than from Debian, each pinned and kept in the build folder.

peers.node(build), peers.python(build) and peers.slidge(build) install what is not there yet, and return where it is; None when that cannot be done on this
machine (no npm or venv, no registry): then the tests that need it are skipped, and say so.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SLIXMPP = 'slixmpp==1.17.0'
SLIDGE = 'slidge==0.4.2'


def _run(argv, cwd=None):
    try:
        p = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as e:
        print('%s: %s' % (argv[0], e), file=sys.stderr)
        return False
    if p.returncode:
        print('%s: %s' % (' '.join(argv[:3]), (p.stderr or p.stdout).strip()[-500:]), file=sys.stderr)
    return not p.returncode


def node(build):
    """The folder of client.mjs with its modules beside it."""
    folder = os.path.join(os.path.abspath(build), 'tests', 'xmppjs')
    if not shutil.which('node') or not shutil.which('npm'):
        return None
    shutil.copytree(os.path.join(HERE, 'xmppjs'), folder, dirs_exist_ok=True)
    if os.path.exists(os.path.join(folder, 'node_modules', '.complete')):
        return folder
    if not _run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], folder):
        return None
    open(os.path.join(folder, 'node_modules', '.complete'), 'w').close()
    return folder


def _venv(build, name, package):
    """A Python that has this package."""
    folder = os.path.join(os.path.abspath(build), 'tests', name)
    program = os.path.join(folder, 'bin', 'python3')
    done = os.path.join(folder, package)
    if os.path.exists(done):
        return program
    shutil.rmtree(folder, ignore_errors=True)
    if not _run([sys.executable, '-m', 'venv', folder]) or not _run([program, '-m', 'pip', '-q', 'install', package]):
        return None
    open(done, 'w').close()
    return program


def python(build):
    """A Python that has the newest slixmpp."""
    return _venv(build, 'slixmpp', SLIXMPP)


def slidge(build):
    """A Python that has slidge."""
    return _venv(build, 'slidge', SLIDGE)

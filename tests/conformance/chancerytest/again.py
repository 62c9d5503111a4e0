"""What failed once is tried again: one rule for all that run scenarios (tests/conformance, tests/e2e).

Where no more than FEW of a run failed, each is tried AGAIN times more, on servers of its own. What passes each time is UNSTABLE: said at the end of every run, and of
tests/run, as it is a bug to be found, and no reason to refuse a change that has nothing to do with it. What is Broken is never tried again, nor is anything else of
that run.
"""
import re
import signal
import subprocess
import sys

AGAIN, FEW = 3, 5


class Broken(AssertionError):
    """A promise (P1 to P8) is not kept, or a program crashed, leaked or raced: once is too often."""


def unstable(fallen, failed, passes):
    """The names of those that fell and stand. `fallen`: of what may be tried again; `failed`: how much failed in all; passes(name): one time more."""
    if failed != len(fallen) or failed > FEW:
        return []
    return [name for name in fallen if all(passes(name) for _ in range(AGAIN))]


def crashed(program):
    """By a signal that nobody sends."""
    return program.poll() is not None and -program.returncode in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS)


def tell(names, where=''):
    for name in names:
        print('UNSTABLE %s: failed once, and then passed %d times by itself%s' % (name, AGAIN, where), flush=True)


def passes_alone(name):
    """For a run whose scenarios share their servers: the same run, of that one."""
    p = subprocess.run([sys.executable, *sys.argv, '--once', '-k', '^%s$' % re.escape(name)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors='replace')
    if p.returncode:
        print('%s, by itself:\n%s' % (name, p.stdout[-6000:]), flush=True)
    return not p.returncode

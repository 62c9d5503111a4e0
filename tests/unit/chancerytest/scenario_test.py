#!/usr/bin/env python3
"""What scenarios are given, and what becomes of those that fail (tests/conformance/chancerytest: scenario.py, again.py)."""
import contextlib
import io
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'conformance')
sys.path.insert(0, PACKAGE)
from chancerytest import again  # noqa: E402
from chancerytest.scenario import Runner, Scenario  # noqa: E402


class Addresses(unittest.TestCase):
    def test_of_two_runs_at_a_time(self):
        """Both had the same: kamailio, ngircd and gateways listen there at the port that they always have, and met"""
        own = {Scenario(None).source for _ in range(1000)}
        program = 'import sys; sys.path.insert(0, %r); from chancerytest.scenario import Scenario; print(*[Scenario(None).source for _ in range(1000)])' % PACKAGE
        others = subprocess.run([sys.executable, '-B', '-c', program], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual((len(own), len(set(others))), (1000, 1000))
        self.assertFalse(own & set(others))


class Again(unittest.TestCase):
    """At most five that failed are tried three times more; nothing is forgiven beside what must not be."""

    def unstable(self, fallen, failed, verdicts):
        tries = []

        def passes(name):
            tries.append(name)
            return verdicts[len(tries) - 1]
        return again.unstable(fallen, failed, passes), tries

    def test_once(self):
        self.assertEqual(self.unstable(['a'], 1, [True] * 3), (['a'], ['a'] * 3))

    def test_twice(self):
        self.assertEqual(self.unstable(['a', 'b'], 2, [True, False, True, True, True]), (['b'], ['a', 'a', 'b', 'b', 'b']))

    def test_many(self):
        self.assertEqual(self.unstable(list('abcdef'), 6, []), ([], []))

    def test_beside_what_is_broken(self):
        self.assertEqual(self.unstable(['a'], 2, []), ([], []))

    def test_broken(self):
        """A promise that was broken, or a crash, is no scenario that may be tried again: neither in it nor when it is over"""
        def test_race(t):
            assert False

        def test_promise(t):
            raise again.Broken('P1')

        def test_crash(t):
            class Program:
                def close(self):
                    raise again.Broken('it crashed')
            t.clients.append(Program())
            assert False
        runner = Runner('build', 1, 1, False)
        with contextlib.redirect_stdout(io.StringIO()):
            verdicts = [runner.run_one(f.__name__, f, None) for f in (test_race, test_promise, test_crash)]
        self.assertEqual(verdicts, ['FAIL'] * 3)
        self.assertEqual((list(runner.fallen), runner.failed), (['test_race'], 3))

    def test_crashed(self):
        for how, what in ('SEGV', True), ('ABRT', True), ('KILL', False), ('TERM', False):
            program = subprocess.Popen(['sh', '-c', 'kill -%s $$' % how])
            program.wait()
            self.assertEqual((how, again.crashed(program)), (how, what))


if __name__ == '__main__':
    unittest.main(verbosity=2)

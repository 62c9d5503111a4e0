#!/usr/bin/env python3
"""What scenarios are given, and how they are run (tests/conformance/chancerytest/scenario.py)."""
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'conformance')
sys.path.insert(0, PACKAGE)
from chancerytest.scenario import Scenario  # noqa: E402


class Addresses(unittest.TestCase):
    def test_of_two_runs_at_a_time(self):
        """Both had the same: kamailio, ngircd and gateways listen there at the port that they always have, and met"""
        own = {Scenario(None).source for _ in range(1000)}
        program = 'import sys; sys.path.insert(0, %r); from chancerytest.scenario import Scenario; print(*[Scenario(None).source for _ in range(1000)])' % PACKAGE
        others = subprocess.run([sys.executable, '-B', '-c', program], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual((len(own), len(set(others))), (1000, 1000))
        self.assertFalse(own & set(others))



if __name__ == '__main__':
    unittest.main(verbosity=2)

#!/usr/bin/python3
"""tests/e2e/test_copies_faults.py: cluster_faults.py with three copies of each shard."""
import unittest

from cluster_faults import WHY_NOT, Faults
from perdure import Case, main


@unittest.skipIf(WHY_NOT, WHY_NOT)
class ThreeCopies(Faults, Case):
    COPIES = 3


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""tests/e2e/test_cluster_faults.py: cluster_faults.py with one copy of each shard."""
import unittest

from cluster_faults import WHY_NOT, Faults
from perdure import Case, main


@unittest.skipIf(WHY_NOT, WHY_NOT)
class OneCopy(Faults, Case):
    COPIES = 1


if __name__ == "__main__":
    main()

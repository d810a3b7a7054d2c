"""Freed memory that stays with the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from linnet import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def second_faults(which):
    run = subprocess.run([sys.executable, "-c", PROGRAM, which], capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip("not glibc")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_a_second_array_of_the_same_size_is_of_memory_that_is_there():
    plain, kept = second_faults("plain"), second_faults("kept")
    assert kept < 100 and kept < plain / 5, (plain, kept)  # 64 MB are 15,625 pages of 4 KiB, or 31 of 2 MiB

"""Freed memory that stays with the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import concurrent.futures, resource, sys
import numpy as np
from linnet import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(int(sys.argv[2]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if sys.argv[3] == "main":
    faults()
    print(faults())
else:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(faults).result()
        print(pool.submit(faults).result())
"""


def second_faults(*words):
    run = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip("not glibc")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


# XLA runs programs in threads, whose own heaps of glibc have no room for arrays above 64 MiB.
@pytest.mark.parametrize("size, thread", [("8000000", "main"), ("8000000", "other"), ("12000000", "other")])
def test_a_second_array_of_the_same_size_is_of_memory_that_is_there(size, thread):
    plain, kept = second_faults("plain", size, thread), second_faults("kept", size, thread)
    assert kept < 100 and kept < plain / 5, (plain, kept)  # 64 MB are 15,625 pages of 4 KiB, or 31 of 2 MiB

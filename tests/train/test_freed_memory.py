"""What the process keeps it need not fault in again."""

import subprocess
import sys

import pytest

from bertnas_jax.train.freed_memory import keep_freed_memory

# 64 MB, over glibc's largest threshold for mapping a block, filled and freed five times after a first one.
COUNT = """
import resource, numpy as np
from bertnas_jax.train.freed_memory import keep_freed_memory
agreed = {ask} and keep_freed_memory()
def fill(): np.empty(1 << 23).fill(1.0)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, agreed)
"""


def faults(ask: bool) -> tuple[int, str]:
    answer = subprocess.run([sys.executable, "-c", COUNT.format(ask=ask)], check=True, capture_output=True, text=True).stdout.split()
    return int(answer[0]), answer[1]


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_large_blocks_are_faulted_in_once():
    usual, _ = faults(ask=False)
    kept, agreed = faults(ask=True)
    if agreed != "True":
        pytest.skip("malloc is not glibc's")
    assert kept < usual / 100


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False

import os
import threading

import pytest

from bertnas_jax.compiler import num_threads, set_num_threads
from bertnas_jax.latency import pinned, usable_cores


def test_the_body_runs_on_as_many_cores_as_said():
    before = os.sched_getaffinity(0)
    with pinned(1) as cores:
        assert os.sched_getaffinity(0) == set(cores) == {min(before)}
        inherited = []
        thread = threading.Thread(target=lambda: inherited.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    assert inherited == [set(cores)]
    assert os.sched_getaffinity(0) == before


def test_an_error_restores_too():
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError), pinned(1):
        raise RuntimeError
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("threads", [0, 10_000])
def test_cores_that_are_not_there(threads):
    with pytest.raises(ValueError, match=f"threads must be 1 to the {len(usable_cores())} usable cores, got {threads}"), pinned(threads):
        pass


@pytest.mark.skipif(len(usable_cores()) < 2, reason="two threads need two cores")
def test_a_pool_that_is_first_used_on_one_core_can_grow():
    counts = []

    def measure():  # TVM's threads are those of a Python thread: this one has none yet
        for threads in (1, 2):
            with pinned(threads):
                set_num_threads(threads)
                counts.append(num_threads())

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert counts == [1, 2]

"""Which process of how many; what they do together is in test_main.py."""

import pytest

from bertnas_jax.train.distributed import ProcessConfig, agreed, is_primary, join


def test_a_process_alone_needs_no_coordinator():
    join(ProcessConfig())
    assert is_primary() and agreed(True) and not agreed(False)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_processes": 2}, "coordinator must be given for num_processes=2, got ''; name process 0 as host:port"),
        ({"num_processes": 2, "process_id": 2, "coordinator": "a:1"}, "process_id must be less than num_processes=2, got 2"),
        ({"coordinator": "somewhere"}, "coordinator must be host:port or auto, got 'somewhere'"),
        ({"num_processes": 0}, "num_processes must be at least 1, got 0"),
    ],
)
def test_processes_that_cannot_meet_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        ProcessConfig(**knobs)

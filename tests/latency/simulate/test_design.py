"""The design against closed forms, and against drawing at random."""

import numpy as np
import pytest

from bertnas_jax.latency.devices import core_set, load_profile
from bertnas_jax.latency.simulate import CpuFit, FusedConstants, KernelWork, PhoneRow, PhoneTable
from bertnas_jax.latency.simulate.calibrate import LOG_NOISE
from bertnas_jax.latency.simulate.design import d_optimal, sensitivities

CORES = core_set(load_profile("pixel_4"), "1 large")


def information(groups, chosen):
    return np.linalg.slogdet(np.eye(groups[0].shape[1]) + sum(groups[i].T @ groups[i] for i in chosen))[1]


def test_directions_that_nothing_tells_yet_come_first():
    groups = [np.array([[3.0, 0.0]]), np.array([[2.9, 0.0]]), np.array([[0.0, 1.0]])]
    # After (3, 0), det grows by 1 + 2.9^2 / 10 = 1.84 with (2.9, 0) and by 1 + 1 = 2 with (0, 1).
    assert d_optimal(groups, 3) == [0, 2, 1]


def test_a_design_tells_more_than_random_draws():
    rng = np.random.default_rng(0)
    groups = [scale * rng.standard_normal((2, 6)) for scale in rng.uniform(0.1, 3, 100)]
    best = information(groups, d_optimal(groups, 10))
    drawn = [information(groups, rng.choice(100, 10, replace=False)) for _ in range(200)]
    assert best > max(drawn)
    assert len(set(d_optimal(groups, 10))) == 10
    with pytest.raises(ValueError, match="number must be 1 to the 100 subnets"):
        d_optimal(groups, 101)


def test_a_kernel_of_dispatch_alone_answers_to_dispatch_alone():
    """One operation in vectors: all its time is the dispatch, so its log latency moves by the log of that constant."""
    row = PhoneRow("tiny", CORES, "float32", ((KernelWork("tiny", "float32", elements=1.0, kind="vector"), 1),), 1.0)
    answers = dict(zip((name for name in _names()), sensitivities([row], FusedConstants)[0], strict=True))
    assert answers["dispatch_cycles"] * LOG_NOISE == pytest.approx(0.5, rel=1e-2)  # the prior's standard deviation
    assert answers["efficiency_out_of_order"] == 0


def test_vectors_are_priced_by_their_share_of_the_peak():
    """10^8 operations at 35 % of 8 lanes x 2 x 2.84 GHz, the A76's clock and 16 FLOP a cycle by its profile."""
    (_, cluster), *_ = CORES.parts
    row = PhoneRow("rows", CORES, "float32", ((KernelWork("rows", "float32", elements=1e8, kind="vector"), 1),), 1.0)
    constants = FusedConstants()
    rate = cluster.clock_ghz.value * cluster.sustained_share.value * cluster.float32_per_cycle.value * constants.vector_share
    assert PhoneTable([row]).latency_ms(CpuFit(constants, {}))[0] == pytest.approx(1e8 / rate / 1e6, rel=1e-3)


def _names():
    from bertnas_jax.latency.simulate.constants import priors

    return priors(FusedConstants)

"""Plans of a step on a TPU: the arithmetic on a made-up one, the refusals, and a real one where libtpu is installed."""

import dataclasses
import importlib.util

import pytest

from bertnas_jax.space import Vocabulary, count_parameters
from bertnas_jax.train.mesh import MeshConfig
from bertnas_jax.train.plan import TEACHERS, VOCABULARY, Plan, PlanConfig, describe_plan, plan, print_plans
from bertnas_jax.train.tpu import CHIPS, chip_of

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed; pip install -c constraints.txt '.[tpu]'"
)
PLAN = Plan(
    topology="v5e:2x2", model="bert_base", mesh=(4, 1, 1), devices=4, chips=4, rows=64, seq_len=128, subnets=4,
    arguments_bytes=2 * 10**9, temporary_bytes=10**9, program_bytes=10**8, collective_bytes={"all-reduce": 2 * 10**9, "all-gather": 10**9},
    cycles=150_000_000, peak_flops_per_cycle=131072.0, optimal_seconds=-1.0,
)  # fmt: skip


def test_times_follow_from_cycles_bytes_and_the_chip():
    assert PLAN.compute_s == pytest.approx(150e6 * 131072 / 197e12)  # 0.0998 s
    assert PLAN.collective_s == pytest.approx((2e9 + 1e9) / 200e9)
    assert PLAN.bytes_per_chip == 3_100_000_000


def test_the_roofline_is_the_slowest_of_flops_memory_and_links():
    assert PLAN.peak_s == pytest.approx(PLAN.model_flops / (4 * 197e12))  # 0.0265 s
    assert PLAN.memory_s == pytest.approx(2 * (2e9 + 1e9) / 819e9)  # 0.0073 s
    assert PLAN.roofline_s == PLAN.peak_s <= PLAN.compute_s
    assert dataclasses.replace(PLAN, rows=4).roofline_s == PLAN.collective_s  # 0.0150 s


def test_flops_are_six_a_weight_and_token_and_those_of_attention():
    weights = count_parameters(TEACHERS["bert_base"], Vocabulary(VOCABULARY)) - (VOCABULARY + 514) * 768
    attention = 3 * 12 * 4 * 128 * 768  # a token's scores and mixing, forward and twice backward
    assert PLAN.model_flops == pytest.approx(4 * 64 * 128 * (6 * weights + attention), rel=0.01)  # elementwise operations: below 1 %
    assert PLAN.mfu(0.1) == pytest.approx(PLAN.model_flops / (0.1 * 4 * 197e12))


def test_two_devices_on_a_chip_share_its_peak_memory_and_links():
    cores = dataclasses.replace(PLAN, topology="v4:2x2x1", devices=8)
    assert cores.bytes_per_chip == 2 * PLAN.bytes_per_chip
    assert cores.collective_s == pytest.approx(2 * 3e9 / 270e9)
    assert cores.compute_s == pytest.approx(150e6 * 131072 / (275e12 / 2))


def test_the_description_says_what_does_not_fit_and_what_xla_cannot_say():
    text = describe_plan(dataclasses.replace(PLAN, temporary_bytes=20 * 10**9))
    assert "22.10 GB of 16 GB: DOES NOT FIT" in text
    assert "optimal_seconds    none" in text and "all-gather 1,000.0 MB" in text


@pytest.mark.parametrize("topology", ["v9:2x2", "v5e", "v5e:2xtwo", ""])
def test_an_unknown_tpu_is_refused(topology):
    with pytest.raises(ValueError, match="topology must be one of v4, v5e, v5p, v6e with a shape, got"):
        PlanConfig(topology)


def test_every_chip_has_figures():
    assert [chip_of(f"{name}:2x2").peak_flops / 1e12 for name in CHIPS] == pytest.approx([275, 197, 459, 918])


def test_without_libtpu_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"libtpu to compile with, found none; pip install .*bertnas_jax\[tpu\]"):
        plan(PlanConfig())


@needs_libtpu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PlanConfig("v5e:3x5"), "topology must be one that libtpu knows, got 'v5e:3x5'"),
        (PlanConfig("v5e:2x2", mesh=MeshConfig(tensor=3)), "mesh axis tensor must divide the 4 devices, got tensor=3"),
    ],
)
def test_what_cannot_be_planned_is_said(config, message):
    with pytest.raises(ValueError, match=message):
        plan(config)


def test_both_teachers_are_planned(monkeypatch, capsys):
    monkeypatch.setattr("bertnas_jax.train.plan.plan", lambda config: dataclasses.replace(PLAN, model=config.model))
    print_plans("v5e:2x2", MeshConfig())
    out = capsys.readouterr().out
    assert "bert_base supernet on v5e:2x2: 4 chips" in out and "bert_large supernet on v5e:2x2" in out


@needs_libtpu
@pytest.mark.slow
def test_the_real_step_is_compiled_for_a_tpu():
    found = plan(PlanConfig("v5e:2x2", num_random=0, rows_per_device=8))
    assert found.devices == found.chips == 4 and found.rows == 32
    # Weights, two moments and the batch are the arguments; every gradient is reduced once in each Subnet's pass or
    # once in all, and a ring of 4 sends 3/4 of it twice.
    weights = 4 * count_parameters(TEACHERS["bert_base"], Vocabulary(VOCABULARY))
    assert 3 * weights <= found.arguments_bytes < 3.2 * weights
    assert 1.5 * weights * 0.9 <= found.collective_bytes["all-reduce"] <= 1.5 * 3 * weights
    assert 0.05 < found.mfu(found.compute_s) < 1

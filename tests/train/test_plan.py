"""Plans of a step on a TPU: the arithmetic on a made-up one, the refusals, and real ones where libtpu is installed."""

import dataclasses
import importlib.util

import pytest

from bertnas_jax.space import count_parameters
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig
from bertnas_jax.train.distributed import ProcessConfig
from bertnas_jax.train.mesh import MeshConfig
from bertnas_jax.train.plan import Plan, describe_losses, describe_plan, plan, print_plans
from bertnas_jax.train.planned_step import PUBLISHED, published_runs
from bertnas_jax.train.program import TrainProgram
from bertnas_jax.train.tpu import CHIPS, chip_of, chips_of

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed; pip install -c constraints.txt '.[tpu]'"
)
PLAN = Plan(
    topology="v5e:2x2", model="google-bert/bert-base-uncased", mesh=(4, 1, 1), devices=4, chips=4, rows=64, seq_len=128, subnets=4,
    compute_dtype="bfloat16", losses="0.5 labels, 0.5 the teacher's logits", model_flops=20_900_000_000_000,
    arguments_bytes=2 * 10**9, temporary_bytes=10**9, program_bytes=10**8, collective_bytes={"all-reduce": 2 * 10**9, "all-gather": 10**9},
    cycles=150_000_000, peak_flops_per_cycle=131072.0, optimal_seconds=-1.0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def compiled_as_for_users(monkeypatch):
    """libtpu reads the flags too by which the other tests' programs compile fast."""
    monkeypatch.delenv("XLA_FLAGS")


def test_times_follow_from_cycles_bytes_and_the_chip():
    assert PLAN.compute_s == pytest.approx(150e6 * 131072 / 197e12)  # 0.0998 s
    assert PLAN.collective_s == pytest.approx((2e9 + 1e9) / 200e9)
    assert PLAN.bytes_per_chip == 3_100_000_000


def test_the_roofline_is_the_slowest_of_flops_memory_and_links():
    assert PLAN.peak_s == pytest.approx(PLAN.model_flops / (4 * 197e12))  # 0.0265 s
    assert PLAN.memory_s == pytest.approx(2 * (2e9 + 1e9) / 819e9)  # 0.0073 s
    assert PLAN.roofline_s == PLAN.peak_s <= PLAN.compute_s
    assert dataclasses.replace(PLAN, model_flops=10**12).roofline_s == PLAN.collective_s  # 0.0150 s


def test_mfu_is_the_share_of_the_peak():
    assert PLAN.mfu(0.1) == pytest.approx(20.9e12 / (0.1 * 4 * 197e12))


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
        plan(topology, SupernetConfig())


def test_every_chip_has_figures():
    assert [chip_of(f"{name}:2x2").peak_flops / 1e12 for name in CHIPS] == pytest.approx([275, 197, 459, 918])
    assert chips_of("v4:2x2x4") == 16


def test_without_libtpu_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"libtpu to compile with, found none; pip install .*bertnas_jax\[tpu\]"):
        plan("v5e:2x2", SupernetConfig())


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (SupernetTrainConfig(), "0.5 labels, 0.5 the teacher's logits"),
        (SupernetTrainConfig(label_weight=0.25, distill_from="largest", output_weight=2.0), "0.5 labels, 1.5 the largest subnet's logits"),
        (SupernetTrainConfig(label_weight=1.0, hidden_weight=1.0), "1 labels, 1 hidden states"),
        (SupernetTrainConfig(output_weight=0.0, attention_weight=1.0, value_weight=0.5), "1 query-key relations, 0.5 value relations"),
    ],
)
def test_losses_are_told_with_their_weights(config, text):
    assert describe_losses(config) == text


def test_a_plan_of_several_processes_is_refused():
    with pytest.raises(ValueError, match="plan must be made by one process, got ProcessConfig.*num_processes=2"):
        TrainProgram(plan="v5e:2x2", process=ProcessConfig(coordinator="10.0.0.1:1", num_processes=2))


def test_every_run_is_planned(monkeypatch, capsys):
    monkeypatch.setattr("bertnas_jax.train.plan.plan", lambda topology, config: dataclasses.replace(PLAN, model=config.checkpoint))
    print_plans("v5e:2x2", published_runs("v5e:2x2"))
    out = capsys.readouterr().out
    assert "google-bert/bert-base-uncased supernet on v5e:2x2: 4 chips" in out and "google-bert/bert-large-uncased supernet on v5e:2x2" in out


TINY = SupernetConfig(  # BERT-tiny
    checkpoint="package:cognition", max_length=32, tokens_per_batch=1024, num_random=0, space=SpaceConfig(depths=(1, 2), ffns=(256, 512))
)


@needs_libtpu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("topology", "config", "message"),
    [
        ("v5e:3x5", TINY, "topology must be one that libtpu knows, got 'v5e:3x5'"),
        ("v5e:2x2", dataclasses.replace(TINY, mesh=MeshConfig(tensor=3)), "mesh axis tensor must divide the 4 devices, got tensor=3"),
        ("v5e:2x2", dataclasses.replace(TINY, tokens_per_batch=96), "rows of a batch must be at least the 4 devices on .*, got 3 rows of 32 tokens"),
        ("v5e:2x2", dataclasses.replace(TINY, checkpoint="package:nothing"), "nothing"),
        ("v5e:2x2", dataclasses.replace(TINY, space=SpaceConfig(depths=(3,))), "depths must not exceed the checkpoint's 2"),
    ],
)
def test_what_cannot_be_planned_is_said(topology, config, message):
    with pytest.raises(ValueError, match=message):
        plan(topology, config)


@needs_libtpu
@pytest.mark.slow
def test_flags_change_what_is_compiled():
    found = plan("v5e:2x2", TINY)
    assert (found.rows, found.subnets, found.compute_dtype) == (32, 2, "float32")
    with_states = plan("v5e:2x2", dataclasses.replace(TINY, num_random=1, supernet=SupernetTrainConfig(hidden_weight=1.0, compute_dtype="bfloat16")))
    assert with_states.subnets == 3 and "1 hidden states" in with_states.losses
    # The fixed teacher's weights, and a projection of 128 x 128 with two moments.
    bert = 4_385_920  # parameters of BERT-tiny, arXiv 1908.08962: 4.4 million
    assert with_states.arguments_bytes - found.arguments_bytes == pytest.approx(4 * (bert + 3 * 128**2), rel=0.02)


@needs_libtpu
@pytest.mark.slow
def test_the_real_step_is_compiled_for_a_tpu():
    config = dataclasses.replace(published_runs("v5e:2x2")[0], num_random=0, tokens_per_batch=32 * 128)
    found = plan("v5e:2x2", config)
    assert found.devices == found.chips == 4 and found.rows == 32
    # Weights, two moments and the batch are the arguments; every gradient is reduced once in each Subnet's pass or
    # once in all, and a ring of 4 sends 3/4 of it twice.
    bert = PUBLISHED[config.checkpoint]
    weights = 4 * count_parameters(bert.subnet, bert.vocabulary)
    assert 3 * weights <= found.arguments_bytes < 3.2 * weights
    assert 1.5 * weights * 0.9 <= found.collective_bytes["all-reduce"] <= 1.5 * 3 * weights
    assert 0.05 < found.mfu(found.compute_s) < 1

"""Where arrays lie, and that a step gives the same under every mesh."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import AbstractMesh, PartitionSpec

from bertnas_jax.data import Buckets, Part
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet import encode_subnet, share_weights
from bertnas_jax.train.mesh import MeshConfig, make_mesh
from bertnas_jax.train.placement import describe, place_state, summarise_mesh
from bertnas_jax.train.sharding import ROWS, check_rows, part_of, put_args, shard_args
from bertnas_jax.train.step import TrainState

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CONFIG = BertConfig(Subnet.uniform(2, 24, 6, 40), vocab_size=16, max_positions=8, pooling="cls")
MESH = AbstractMesh((2, 4, 2), ("data", "fsdp", "tensor"))


@pytest.fixture(scope="module")
def placed():
    """Placements by path, of weights and AdamW's moments."""
    weights = jax.eval_shape(lambda: share_weights(Bert(CONFIG, nnx.Rngs(0))))
    state = jax.eval_shape(lambda: TrainState(weights, optax.adamw(1e-3).init(jax.tree.map(jnp.zeros_like, weights))))
    return {placement.path: placement for placement in place_state(MESH, state, num_heads=6)}


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("layers.attention.self.query.kernel", (None, "fsdp", "tensor")),
        ("layers.attention.self.query.bias", (None, "tensor")),
        ("layers.attention.output.dense.kernel", (None, "tensor", "fsdp")),
        ("layers.feed_forward.intermediate.dense.kernel", (None, "fsdp", "tensor")),
        ("layers.feed_forward.output.dense.kernel", (None, "tensor", "fsdp")),
        ("layers.feed_forward.output.dense.bias", (None, None)),
        ("layers.attention.output.LayerNorm.scale", (None, None)),
        ("embeddings.word_embeddings.embedding", (None, "fsdp")),
        ("head.pooler.kernel", ("fsdp", None)),
        ("head.classifier.bias", (None,)),
    ],
)
def test_each_axis_lies_where_its_letter_says(placed, path, spec):
    assert placed[f"parameters.{path}"].spec == PartitionSpec(*spec)


def test_moments_lie_as_their_parameters(placed):
    for path, placement in placed.items():
        if path.startswith("parameters."):
            name = path.removeprefix("parameters.")
            moments = [other for key, other in placed.items() if key.endswith((f".mu.{name}", f".nu.{name}"))]
            assert [moment.spec for moment in moments] == [placement.spec] * 2


def test_bytes_are_those_of_one_device(placed):
    assert placed["parameters.layers.feed_forward.intermediate.dense.kernel"].bytes_per_device == 2 * 24 * 40 * 4 // 8


def test_what_does_not_divide_is_whole_and_said():
    weights = jax.eval_shape(lambda: share_weights(Bert(CONFIG, nnx.Rngs(0))))
    placements = place_state(AbstractMesh((1, 1, 4), ("data", "fsdp", "tensor")), weights, num_heads=6)
    text = describe(placements)
    assert "layers.attention.self.query.kernel" in text and "whole on tensor: 6 heads over 4 devices" in text
    assert f"{sum(placement.bytes_per_device for placement in placements):,}" in text.splitlines()[-1]


def test_an_unknown_parameter_is_whole_and_said():
    (placement,) = place_state(MESH, {"projection": jnp.zeros((4, 4))}, num_heads=1)
    assert placement.spec == PartitionSpec(None, None) and placement.notes == ("whole: no axes are known for it",)


def test_rows_are_split_and_codes_are_whole():
    layer = CONFIG.subnet.layers[0]
    space = SearchSpace(CONFIG.subnet, (2,), (24,), (layer.heads,), (layer.ffn,))
    code, batch, scalar = shard_args(MESH, (encode_subnet(space, CONFIG.subnet), {"ids": np.zeros((16, 3))}, np.float32(1)), 6)
    assert {sharding.spec for sharding in jax.tree.leaves((code, scalar))} == {PartitionSpec()}
    assert batch["ids"].spec == PartitionSpec(("data", "fsdp"))


def test_rows_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="data=2 and fsdp=4, got 12 rows; make them with part=part_of"):
        shard_args(MESH, (np.zeros((12, 3)),), 6)


def test_fewer_rows_than_devices_are_refused():
    check_rows(MESH, Buckets((4, 8), tokens_per_batch=64))
    with pytest.raises(ValueError, match="at least the 8 devices on .* got 7 rows of 8 tokens; use --tokens_per_batch=64 or more"):
        check_rows(MESH, Buckets((4, 8), tokens_per_batch=63))


def test_the_summary_says_what_could_not_be_split():
    text = summarise_mesh(AbstractMesh((1, 1, 4), ("data", "fsdp", "tensor")), CONFIG)
    assert text.startswith("mesh data=1 fsdp=1 tensor=4: 4 devices of 1 process, 0.0 MB of weights on each")
    assert "note: 7 arrays are whole on tensor: 6 heads over 4 devices" in text


def test_a_process_alone_makes_all_rows():
    mesh = make_mesh(MeshConfig())
    part = part_of(mesh)
    assert part == Part(tuple(range(jax.device_count())), jax.device_count())
    rows = np.arange(2 * part.count)
    (placed,) = put_args((rows,), shard_args(mesh, (rows,), 1, part), part)
    assert placed.sharding.spec == ROWS
    np.testing.assert_array_equal(placed, rows)


@pytest.mark.slow
def test_a_step_under_every_mesh_is_the_single_device_step():
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.mesh_steps"], env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert {name: result["error"] < 1e-5 for name, result in results.items()} == dict.fromkeys(results, True)
    kernels = {name: result["kernel_of_a_device"] for name, result in results.items()}
    assert kernels == {"sgd data": [2, 32, 64], "sgd fsdp": [2, 4, 64], "sgd tensor": [2, 32, 8], "adamw all": [2, 16, 32]}

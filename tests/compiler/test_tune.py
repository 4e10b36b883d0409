import subprocess
import sys

import pytest

from bertnas_jax.compiler.config import CompilerConfig, traced_subnet
from bertnas_jax.compiler.gemm_tile import GemmShape, tile_choices
from bertnas_jax.compiler.targets import host_target
from bertnas_jax.compiler.tune import product_shapes, tune
from bertnas_jax.compiler.tuning import Tuning

SMALL = "D32-H8-N4.2-F48.32"


def test_the_products_of_a_subnet_are_those_of_its_blocks():
    _, traced = traced_subnet(CompilerConfig(subnet=SMALL, seq_len=16))
    # Queries, keys and values of 4 and 2 heads of 8 as one product, the output, both of the feed-forward part; the classifier.
    blocks = {(32, 96), (32, 32), (32, 48), (48, 32), (32, 48), (16, 32)}
    expected = {GemmShape(16, *sizes) for sizes in blocks} | {GemmShape(1, 32, 2)}
    assert set(product_shapes(traced, host_target())) == expected


def test_the_products_of_whole_numbers_are_told_from_the_others():
    _, traced = traced_subnet(CompilerConfig(subnet=SMALL, seq_len=16))
    shapes = product_shapes(traced, host_target(), "int8_fast")
    assert GemmShape(16, 32, 96, "int8_fast") in shapes and GemmShape(1, 32, 2) in shapes  # a classifier is no panel wide


def test_a_tuning_has_a_choice_for_every_shape():
    target, shapes = host_target(), [GemmShape(12, 16, 100), GemmShape(8, 64, 64), GemmShape(16, 64, 96, "int8_fast")]
    tuning, lines = tune(shapes, target, threads=[1], rounds=3)
    assert tuning.cpu == target.attrs["mcpu"] and list(tuning.tiles) == shapes and len(lines) == 3
    with target:
        assert all(tuning.tiles[shape] in tile_choices(shape, threads=1) for shape in shapes)
    assert tuning.provenance["12x16x100"]["threads"] == [1] and lines[0].startswith("12x16x100: ")


@pytest.mark.slow
def test_the_command_adds_to_a_file_of_this_cpu_alone(tmp_path):
    path = tmp_path / "tuning.json"
    known = Tuning(str(host_target().attrs["mcpu"]), {GemmShape(16, 1, 1): tile_choices_of_host(GemmShape(16, 1, 1))[0]})
    known.save(path)
    command = [sys.executable, "-m", "bertnas_jax.compiler", "--tune", f"--subnet={SMALL}", "--seq_len=16", "--rounds=3", f"--tuning={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "16x32x96" in done.stdout and GemmShape(16, 1, 1) in Tuning.load(path).tiles and len(Tuning.load(path).tiles) > 5
    Tuning("another", {}).save(path)
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2 and "got one of another for" in refused.stderr


def tile_choices_of_host(shape):
    with host_target():
        return tile_choices(shape, threads=1)

import json

import pytest
import tvm

from bertnas_jax.compiler.gemm_tile import GemmShape, GemmTile, tile_choices
from bertnas_jax.compiler.tuning import SHIPPED, Tuning, shipped_tuning, tuned_tile

SHAPE = GemmShape(128, 256, 256)
TUNING = Tuning("znver5", {SHAPE: GemmTile(64, 4), GemmShape(128, 312, 312): GemmTile(48, 4, 2)}, {SHAPE.describe(): {"threads": [1]}})


def target(cpu):
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu})


def test_what_is_saved_is_loaded(tmp_path):
    TUNING.save(tmp_path / "tuning.json")
    assert Tuning.load(tmp_path / "tuning.json") == TUNING


def test_the_innermost_tuning_is_asked():
    inner = Tuning("znver5", {SHAPE: GemmTile(32, 4)})
    with target("znver5"), TUNING:
        assert tuned_tile(SHAPE) == GemmTile(64, 4) and tuned_tile(GemmShape(1, 2, 3)) is None
        with inner, inner:
            assert tuned_tile(SHAPE) == GemmTile(32, 4)
        assert tuned_tile(SHAPE) == GemmTile(64, 4)


def test_a_cpu_that_was_never_tuned_has_no_tiles():
    with target("haswell"):
        assert tuned_tile(SHAPE) is None


def test_a_tuning_of_another_cpu_is_refused():
    with pytest.raises(ValueError, match="must be of the CPU that is compiled for, got one of znver5 for znver3"):
        TUNING.check("znver3")
    with pytest.raises(ValueError, match="got one of znver5 for znver3"):
        Tuning("znver3", {}).merged(TUNING)


def test_a_tuning_of_another_cpu_counts_for_nothing():
    with target("znver3"), TUNING:
        assert tuned_tile(SHAPE) is None


def test_later_tiles_replace_earlier_ones():
    merged = TUNING.merged(Tuning("znver5", {SHAPE: GemmTile(48, 4)}, {SHAPE.describe(): {"threads": [2]}}))
    assert merged.tiles[SHAPE] == GemmTile(48, 4) and len(merged.tiles) == 2
    assert merged.provenance == {SHAPE.describe(): {"threads": [2]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be a tuning, got JSONDecodeError"),
        ('{"cpu": "znver5", "tiles": {}}', "must be a tuning, got KeyError"),
        ('{"cpu": "znver5", "provenance": {}, "tiles": {"128x2": {"panel": 48, "rows": 4}}}', "a product must be ROWSxINNERxCOLUMNS"),
        ('{"cpu": "znver5", "provenance": {}, "tiles": {"128x2x2": {"panel": 48, "rows": 5}}}', "must cut 128x2x2 into whole blocks"),
        ('{"cpu": "znver5", "provenance": {}, "tiles": {"128x2x2": {"panel": 0, "rows": 4}}}', "must cut 128x2x2 into whole blocks"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, message):
    (tmp_path / "tuning.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Tuning.load(tmp_path / "tuning.json")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_shipped_are_choices_for_its_cpu(path):
    tuning = shipped_tuning(path.stem)
    assert tuning.cpu == path.stem and json.loads(path.read_text())["provenance"].keys() == {shape.describe() for shape in tuning.tiles}
    with target(path.stem):
        assert all(tile in tile_choices(shape, threads=2) for shape, tile in tuning.tiles.items())

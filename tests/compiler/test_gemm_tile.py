import jax
import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.compiler.gemm_tile import GemmShape, GemmTile, default_tile, tile_choices
from bertnas_jax.compiler.targets import host_target
from bertnas_jax.compiler.tuning import Tuning
from bertnas_jax.compiler.vector_unit import vector_unit
from tests.compiler.conftest import has_byte_weights, rounding_bound

shapes = st.builds(GemmShape, st.integers(1, 200), st.integers(1, 4000), st.integers(1, 4000), st.sampled_from(["float32", "int8_accurate", "int8_fast"]))


@given(shapes)
def test_a_description_is_read_back(shape):
    assert GemmShape.parse(shape.describe()) == shape


@pytest.mark.parametrize("text", ["", "128x384", "128x0x384", "axbxc", "128x384x384 int4", "128x384x384 float32"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="a product must be ROWSxINNERxCOLUMNS"):
        GemmShape.parse(text)


@pytest.mark.parametrize("cpu", ["haswell", "znver5"])
@given(shape=shapes, threads=st.integers(1, 4))
def test_choices_begin_with_the_default_and_fit_shape_and_registers(cpu, shape, threads):
    with tvm.target.Target({"kind": "llvm", "mcpu": cpu}):
        unit, choices, default = vector_unit(), tile_choices(shape, threads), default_tile(shape)
    assert choices[0] == default and len(set(choices)) == len(choices) < 20
    for tile in choices:
        assert tile.fits(shape) and (tile.tasks == 1 or threads > 1)
        accumulators, wide = tile.rows * tile.panel // unit.lanes, tile.panel // unit.lanes
        assert accumulators + wide + 1 <= unit.registers


@pytest.mark.parametrize(
    ("shape", "tile"),
    [
        (GemmShape(128, 768, 768), GemmTile(48, 4)),
        (GemmShape(128, 256, 256), GemmTile(32, 8)),  # of 48 columns, 6 panels would compute 288
        (GemmShape(128, 312, 312), GemmTile(32, 8)),
        (GemmShape(128, 312, 936), GemmTile(48, 4)),  # both compute 960
        (GemmShape(20, 256, 256), GemmTile(48, 4)),  # 4 x 32 would be 8 accumulators, not 12
    ],
)
def test_narrow_panels_where_fewer_columns_are_left_over(shape, tile):
    with tvm.target.Target({"kind": "llvm", "mcpu": "znver5"}):
        assert default_tile(shape) == tile


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8_accurate", "int8_fast"])
def test_a_product_of_whole_numbers_has_the_same_bits_in_any_tile(run_compiled, precision):
    """Sums are exact: only what comes after them rounds, and that alike."""
    shape, rng, target = GemmShape(24, 24, 144, precision), np.random.default_rng(0), host_target()
    x = rng.standard_normal((3, shape.rows, shape.inner), np.float32)
    weights, bias = rng.standard_normal((shape.inner, shape.columns), np.float32), rng.standard_normal((1, 1, shape.columns), np.float32)
    with target:
        choices = tile_choices(shape, threads=2)
    assert len({tile.panel for tile in choices}) > 1 and len({tile.rows for tile in choices}) > 1
    found = []
    for tile in choices:
        with Tuning(str(target.attrs["mcpu"]), {shape: tile}):
            found.append(run_compiled(lambda x: x @ weights + bias, x, precision=precision))
    errors = np.abs(found[0] - (x @ weights + bias))
    assert np.all(errors <= rounding_bound(x, weights, target, precision))
    assert errors.max() <= 0.3 or not has_byte_weights(target, precision)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_half_panels_are_for_threads_that_share_out_unevenly():
    with tvm.target.Target({"kind": "llvm", "mcpu": "znver5"}):
        even, odd = (tile_choices(GemmShape(128, 64, columns), 2) for columns in (96, 144))
    assert GemmTile(48, 4, 2) in odd and GemmTile(48, 4, 2) not in even


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("shape", [GemmShape(8, 24, 100), GemmShape(24, 24, 24), GemmShape(12, 7, 144)], ids=GemmShape.describe)
def test_a_product_in_any_tile_equals_numpy(run_compiled, shape, batch):
    rng, target = np.random.default_rng(0), host_target()
    x = rng.standard_normal((batch, shape.rows, shape.inner), np.float32)
    weights, bias = rng.standard_normal((shape.inner, shape.columns), np.float32), rng.standard_normal((1, 1, shape.columns), np.float32)
    with target:
        choices = tile_choices(shape, threads=2)
    assert len(choices) > 1
    for tile in choices:
        with Tuning(str(target.attrs["mcpu"]), {shape: tile}):
            found = run_compiled(lambda x: jax.nn.relu(x @ weights + bias), x)
        np.testing.assert_allclose(found, np.maximum(x @ weights + bias, 0), rtol=1e-5, atol=1e-5)

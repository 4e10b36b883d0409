"""What XNNPACK's products draw past caches, by hand and as the same loops would by the compiler's footprints."""

from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.latency.simulate.work import BYTES
from bertnas_jax.latency.simulate.xnnpack import drawn_by_xnnpack


def test_bert_base_by_hand():
    left, right, result = 4 * 128 * 768, 4 * 768 * 3072, 4 * 128 * 3072
    tile, panel, passes = 4 * 6 * 768, 4 * 8 * 768, 22  # tiles of 6 rows in 128
    assert drawn_by_xnnpack(128, 768, 3072, "float32") == (
        (0, 384 * left + passes * right + result),
        (tile + panel, left + passes * right + result),
        (tile + right, left + right + result),
    )


@given(st.integers(1, 600), st.integers(1, 3072), st.integers(1, 3072), st.sampled_from(["float32", "int8"]), st.integers(1, 12))
def test_steps_fall_to_what_is_moved_once(rows, inner, columns, dtype, batch):
    steps = drawn_by_xnnpack(rows, inner, columns, dtype, batch)
    sizes, drawn = zip(*steps, strict=True)
    assert list(sizes) == sorted(set(sizes)) and list(drawn) == sorted(set(drawn), reverse=True)
    assert drawn[-1] == batch * BYTES[dtype] * (rows * inner + inner * columns + rows * columns)
    if rows <= 4:
        assert len(steps) <= 2, "one tile of rows passes over the weights once"

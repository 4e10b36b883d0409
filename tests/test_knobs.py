import dataclasses

import pytest

from bertnas_jax.knobs import check_knobs, knob


@dataclasses.dataclass(frozen=True)
class Example:
    size: int = knob(1, "How large.", lower=1, upper=8)
    rate: float = knob(0.5, "How fast.", lower=0.0)
    kind: str = knob("a", "Which.", choices=("a", "b"))
    sizes: tuple[int, ...] = knob((), "How large each.", lower=1)

    def __post_init__(self):
        check_knobs(self)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 9}, "size must be 1 to 8, got 9; How large."),
        ({"rate": float("nan")}, "rate must be at least 0.0, got nan"),
        ({"kind": "c"}, "kind must be one of a, b, got 'c'"),
        ({"sizes": (3, 0)}, r"sizes must be at least 1, got \(3, 0\)"),
    ],
)
def test_values_outside_their_bounds_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Example(**fields)


def test_defaults_and_bounds_are_accepted():
    assert Example(size=8, rate=0.0, kind="b", sizes=(1, 2)) != Example()

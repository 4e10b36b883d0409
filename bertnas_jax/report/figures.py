"""Numbers as a reader wants them: few digits, a unit, one form for one kind of number."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

NOT_KNOWN = "n/a"


@dataclasses.dataclass(frozen=True)
class MetricStyle:
    """How a metric is called and whether it is a share, shown in percent."""

    label: str
    percent: bool


METRIC_STYLES = MappingProxyType(
    {
        "accuracy": MetricStyle("accuracy", percent=True),
        "f1": MetricStyle("F1", percent=True),
        "matthews": MetricStyle("Matthews correlation", percent=False),
        "pearson": MetricStyle("Pearson correlation", percent=False),
        "spearman": MetricStyle("Spearman correlation", percent=False),
        "pearson_spearman": MetricStyle("mean of Pearson and Spearman correlation", percent=False),
    }
)


def metric_style(metric: str) -> MetricStyle:
    """Raises ValueError if the metric has no style."""
    if metric not in METRIC_STYLES:
        raise ValueError(f"metric must be one of {tuple(METRIC_STYLES)}, got {metric!r}; give a new one its style in METRIC_STYLES")
    return METRIC_STYLES[metric]


def plotted(metric: str, value: float) -> float:
    """The value on the axis of a plot: percent for a share, itself for a correlation."""
    return 100 * value if metric_style(metric).percent else value


def score(metric: str, value: float | None) -> str:
    """`81.9 %` or `0.842`."""
    if value is None:
        return NOT_KNOWN
    return f"{100 * value:.1f} %" if metric_style(metric).percent else f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """`9.84`, `29.4` or `163`: three significant digits, without the unit."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def millijoules(value: float) -> str:
    """`9.84 mJ`: three significant digits."""
    return f"{milliseconds(value)} mJ"


def interval(low_ms: float | None, high_ms: float | None) -> str:
    """`90 % between 25.5 and 31.8 ms`: of a simulated latency."""
    return f"90 % between {milliseconds(low_ms)} and {milliseconds(high_ms)} ms"


def factor(value: float | None) -> str:
    """`14.2x`."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.{2 if value < 0.995 else 1 if value < 99.95 else 0}f}x"


def count(value: float | None) -> str:
    """`22.7 M` or `1.36 G`: three significant digits."""
    if value is None:
        return NOT_KNOWN
    for limit, unit in ((999.5e6, "G"), (999.5e3, "M"), (999.5, "k")):
        if value >= limit:
            scaled = value / {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{milliseconds(scaled)} {unit}"
    return f"{value:.0f}"


def whole_number(value: int) -> str:
    """`1,048,576`; beyond a billion `3.4e+13`."""
    return f"{value:,}" if value < 10**9 else f"{value:.1e}"


def duration(seconds: float) -> str:
    """`8.2 s`, `12 min 5 s` or `1 h 4 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plural(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")

"""The winner drawn block by block over the teacher it was cut from."""

from __future__ import annotations

from html import escape

from bertnas_jax.report.front import BLUE, GREY, INK, ORANGE
from bertnas_jax.report.summary import Summary
from bertnas_jax.space import Layer

# One narrow drawing for every screen: at 400 px its text is still read, and wider it does not grow much.
_WIDTH, _TOP, _ROW, _BAR = 340, 44, 36, 13
_LABEL_X, _HEADS_X, _HEADS_WIDTH, _FFN_X, _FFN_WIDTH = 0, 78, 98, 190, 150
_EMPTY, _MUTED = "#E4E7EB", "#52606D"


def architecture_svg(summary: Summary) -> str:
    """An <svg>: a row per teacher block, grey where it was dropped; bars in proportion to the teacher's widths."""
    teacher = summary.teacher.subnet
    kept = {source: position for position, source in enumerate(summary.kept_layers)}
    rows = []
    for source, full in enumerate(teacher.layers):
        position = kept.get(source)
        rows.append(_dropped(source, full) if position is None else _kept(source, position, summary.subnet.layers[position], full))
    height = _TOP + _ROW * teacher.depth
    body = "".join(rows)
    title = f"The winner keeps {summary.subnet.depth} of the teacher's {teacher.depth} blocks"
    return (
        f'<svg class="architecture" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{_heading(summary)}{body}</svg>"
    )


def _heading(summary: Summary) -> str:
    teacher = summary.teacher.subnet
    hidden = f"hidden width {summary.subnet.hidden} of the teacher's {teacher.hidden}, {summary.subnet.head_dim} per head"
    return (
        _text(_LABEL_X, 12, hidden, INK)
        + _text(_HEADS_X, 34, "attention heads", INK, size=11, weight="600")
        + _text(_FFN_X, 34, "feed-forward neurons", INK, size=11, weight="600")
    )


def _kept(source: int, position: int, layer: Layer, full: Layer) -> str:
    y = _TOP + _ROW * source
    return (
        _text(_LABEL_X, y + 11, f"block {position + 1}", INK, weight="600")
        + _text(_LABEL_X, y + 25, f"teacher's {source + 1}", _MUTED, size=11)
        + _bar(_HEADS_X, y, _HEADS_WIDTH, layer.heads / full.heads, BLUE)
        + _text(_HEADS_X, y + 25, f"{layer.heads} of {full.heads}", _MUTED, size=11)
        + _bar(_FFN_X, y, _FFN_WIDTH, layer.ffn / full.ffn, ORANGE)
        + _text(_FFN_X, y + 25, f"{layer.ffn} of {full.ffn}", _MUTED, size=11)
    )


def _dropped(source: int, full: Layer) -> str:
    y = _TOP + _ROW * source
    return (
        _text(_LABEL_X, y + 11, "dropped", _MUTED)
        + _text(_LABEL_X, y + 25, f"teacher's {source + 1}", _MUTED, size=11)
        + _bar(_HEADS_X, y, _HEADS_WIDTH, 0.0, GREY)
        + _text(_HEADS_X, y + 25, f"0 of {full.heads}", _MUTED, size=11)
        + _bar(_FFN_X, y, _FFN_WIDTH, 0.0, GREY)
        + _text(_FFN_X, y + 25, f"0 of {full.ffn}", _MUTED, size=11)
    )


def _bar(x: int, y: int, width: int, share: float, colour: str) -> str:
    """The teacher's width, filled as far as the winner's reaches."""
    outline = f'<rect x="{x}" y="{y}" width="{width}" height="{_BAR}" rx="2" fill="{_EMPTY}"/>'
    if share == 0:
        return outline
    return outline + f'<rect x="{x}" y="{y}" width="{width * min(share, 1.0):.1f}" height="{_BAR}" rx="2" fill="{colour}"/>'


def _text(x: int, y: int, text: str, colour: str, size: int = 12, weight: str = "400") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">{escape(text)}</text>'

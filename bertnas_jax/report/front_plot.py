"""The front as an interactive plot that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from bertnas_jax.report import figures, front
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.labels import sizes_label
from bertnas_jax.report.plot import layout, plot_html
from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.space import Subnet


def front_html(run: RunResults) -> str:
    """A <div> with the plot and all of plotly.js, inlined."""
    figure = go.Figure(data=_traces(run), layout=_layout(run))
    _add_lines(figure, run)
    return plot_html(figure, "front", "520px", is_first=True)


def _traces(run: RunResults) -> list[go.Scatter]:
    beaten = [point for point in run.evaluated if not point.on_front]
    winner_x, winner_y = front.winner_end(run.summary)
    start = run.winner_point
    return [
        _points(run, beaten, "evaluated", {"color": front.GREY, "size": 7, "opacity": 0.7}),
        _points(run, run.uniform, "uniformly shrunk", {"color": front.ORANGE, "size": 9, "symbol": "square-open", "line": {"width": 2}}),
        _bars(front.bars(run), front.BLUE),
        _points(run, run.front, "front", {"color": front.BLUE, "size": 9}, line={"color": front.BLUE, "width": 2, "shape": "hv"}),
        go.Scatter(
            x=[start.latency_ms, winner_x],
            y=[front.ys(run, [start])[0], winner_y],
            mode="lines",
            line={"color": front.VERMILLION, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        ),
        _points(run, [start], "winner in the search", {"color": front.VERMILLION, "size": 15, "symbol": "star-open", "line": {"width": 2}}),
        _bars(front.winner_bars(run.summary), front.VERMILLION),
        _winner_end(run, winner_x, winner_y),
    ]


def _bars(segments: Sequence[front.Segment], colour: str) -> go.Scatter:
    """One line in parts, each with a stroke at both ends: a None parts them."""
    ends = [[end for segment in segments for end in (*segment[axis], None)] for axis in (0, 1)]
    strokes = [stroke for x, _ in segments for stroke in 3 * ["line-ew-open" if x[0] == x[1] else "line-ns-open"]]
    style = {"line": {"color": colour, "width": 1.5}, "marker": {"color": colour, "symbol": strokes, "size": 8}}
    return go.Scatter(x=ends[0], y=ends[1], mode="lines+markers", opacity=0.6, hoverinfo="skip", showlegend=False, **style)


def _points(run: RunResults, points: Sequence[Point], name: str, marker: dict, line: dict | None = None) -> go.Scatter:
    return go.Scatter(
        x=front.xs(points),
        y=front.ys(run, points),
        mode="markers" if line is None else "lines+markers",
        name=name,
        marker=marker,
        line=line,
        text=[_hover(run, name, point.accuracy, point.latency_ms, point.subnet) for point in points],
        hovertemplate="%{text}<extra></extra>",
    )


def _winner_end(run: RunResults, x: float, y: float) -> go.Scatter:
    name = front.winner_end_label(run.summary)
    return go.Scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=escape(name),
        marker={"color": front.VERMILLION, "size": 15, "symbol": "star"},
        text=[_hover(run, name, run.summary.winner.value, x, run.summary.subnet)],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(run: RunResults, name: str, value: float, cost: float, subnet: Subnet) -> str:
    score = figures.score(run.summary.task.metric, value)
    sizes = sizes_label(subnet).split(", ")
    lines = (name, f"{score}, {front_cost(run.summary).told(cost)}", ", ".join(sizes[:2]), *sizes[2:])
    return "<br>".join(escape(line) for line in lines)


def _layout(run: RunResults) -> go.Layout:
    x = {"title": {"text": escape(front_cost(run.summary).title)}, "range": front.x_range(run)}
    return layout(x, {"title": {"text": escape(front.y_title(run.summary))}, "range": front.y_range(run)})


def _add_lines(figure: go.Figure, run: RunResults) -> None:
    summary, cost = run.summary, front_cost(run.summary)
    figure.add_vline(
        x=cost.most,
        line={"color": front.INK, "width": 1.5, "dash": "dash"},
        annotation={"text": front.budget_label(summary), "textangle": -90, "xanchor": "right", "yanchor": "bottom", "y": 0.02},
    )
    figure.add_hline(
        y=front.teacher_y(summary),
        line={"color": front.GREEN, "width": 1.5, "dash": "dashdot"},
        annotation={"text": escape(front.teacher_label(summary)), "x": 0.01, "xanchor": "left", "yanchor": "bottom"},
    )
    if cost.teacher is not None:
        figure.add_vline(x=cost.teacher, line={"color": front.GREEN, "width": 1.5, "dash": "dashdot"})

"""How much of score and latency each way of searching covers, evaluation by evaluation."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from bertnas_jax.report import figures, front
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.methods import Method, methods
from bertnas_jax.report.plot import layout, plot_html
from bertnas_jax.report.results import RunResults

_COLOURS = (front.BLUE, front.ORANGE, front.GREEN, front.VERMILLION, front.GREY, front.INK)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # told apart without colours too


def methods_html(run: RunResults) -> str:
    """A <div> with the plot; plotly.js is that of the plot before it."""
    compared = methods(run)
    curves = [method for method in compared if method.is_whole]
    y = {"title": {"text": f"hypervolume ({escape(front.y_unit(run.summary))} x {escape(front_cost(run.summary).unit)})"}, "rangemode": "tozero"}
    figure = go.Figure(
        data=[_curve(run, method, i) for i, method in enumerate(curves)],
        layout=layout({"title": {"text": "evaluations"}, "rangemode": "tozero"}, y),
    )
    for method in compared:
        if not method.is_whole:
            label = {"text": f"end: {escape(method.name)}", "textangle": -90, "xanchor": "right", "y": 0.02, "yanchor": "bottom"}
            figure.add_vline(x=len(method.evaluated), line={"color": front.GREY, "width": 1, "dash": "dot"}, annotation=label)
    return plot_html(figure, "methods", "360px", is_first=False)


def _curve(run: RunResults, method: Method, number: int) -> go.Scatter:
    style = {"color": _COLOURS[number % len(_COLOURS)], "width": 2, "dash": _DASHES[number % len(_DASHES)], "shape": "hv"}
    scale = figures.plotted(run.summary.task.metric, 1.0)
    return go.Scatter(
        x=list(range(1, len(method.evaluated) + 1)),
        y=[scale * covered for covered in method.covered],
        mode="lines",
        name=escape(method.name),
        line=style,
        hovertemplate="%{x} evaluations: %{y:.4g}<extra>%{fullData.name}</extra>",
    )

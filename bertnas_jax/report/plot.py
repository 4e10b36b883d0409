"""What the interactive plots of the page share: fonts, axes, buttons, and one copy of plotly.js."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import plotly.io

from bertnas_jax.report.front import GREY, GRID, INK

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
# Named one by one: among plotly's own choice is a button that would upload the plot.
_BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]
_CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [_BUTTONS]}
_AXIS = {"gridcolor": GRID, "zeroline": False, "linecolor": GREY, "showline": True, "ticks": "outside", "automargin": True}


def layout(x: dict[str, Any], y: dict[str, Any]) -> go.Layout:
    """The look of a plot with these properties of its axes; titles are HTML."""
    return go.Layout(
        template="none",
        font={"family": _FONT, "size": 13, "color": INK},
        margin={"l": 10, "r": 16, "t": 36, "b": 10},
        xaxis={**_AXIS, **x},
        yaxis={**_AXIS, **y},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        hoverlabel={"bgcolor": "white", "align": "left"},
        dragmode=False,  # a finger on the plot scrolls the page
    )


def plot_html(figure: go.Figure, name: str, height: str, is_first: bool) -> str:
    """A <div> of this id with the plot; the first of a page brings all of plotly.js, inlined."""
    div = plotly.io.to_html(
        figure, config=_CONFIG, include_plotlyjs=is_first, include_mathjax=False, full_html=False, default_height=height, div_id=name
    )
    return f'<div class="plot">{div}</div>'

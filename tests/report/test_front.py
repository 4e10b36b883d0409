import dataclasses
import json
import re

from bertnas_jax.report import front
from bertnas_jax.report.front_plot import front_html
from bertnas_jax.report.front_png import front_png


def test_ranges_hold_every_point_and_the_budget(run):
    low, high = front.x_range(run)
    assert low < 4.0 and high > 15.5
    low, high = front.y_range(run)
    assert low < 70 and high > 83.49


def test_a_single_point_still_has_a_range(run):
    alone = dataclasses.replace(run, evaluated=run.evaluated[1:2], uniform=())
    low, high = front.y_range(alone)
    assert low < 80 < high


def test_the_teacher_is_named_with_its_latency_only_if_known(run):
    assert front.teacher_label(run.summary) == "teacher 83.5 % at 16.0 ms (measured)"
    unknown = dataclasses.replace(run.summary, latencies=run.summary.latencies[:2])
    assert front.teacher_label(unknown) == "teacher 83.5 %"
    assert front.teacher_x(unknown) is None
    picture = dataclasses.replace(run, summary=unknown)
    assert front_png(picture).startswith(b"\x89PNG")
    assert "teacher 83.5 %" in front_html(picture)


def test_the_plot_has_no_button_that_uploads_it(run):
    config = re.search(r'"modeBarButtons": *(\[\[[^]]*\]\])', front_html(run)).group(1)
    assert set(json.loads(config)[0]) == {"toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"}


def test_png_is_1200_by_750(run):
    header = front_png(run)[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == (1200, 750)

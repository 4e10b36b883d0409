import dataclasses
import json
import re

import pytest

from bertnas_jax.report import front
from bertnas_jax.report.front_plot import front_html
from bertnas_jax.report.front_png import front_png
from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import PHONE_FINALISTS, for_phones, write_run


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


def test_the_interval_of_a_simulated_winner_is_drawn(run, tmp_path):
    phone = read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **for_phones()))
    assert front.winner_interval(phone.summary) == (22.5, pytest.approx(27.5)) and front.winner_interval(run.summary) is None
    assert front.x_range(phone)[1] > 30.0
    drawn = front_html(phone)
    assert re.search(r'"error_x":\{"array":\[2\.5[0-9]*\],"arrayminus":\[2\.5\]', drawn) and "(line: 90 % of cases)" in drawn
    assert front_png(phone) != front_png(run)

import dataclasses
import json
import re

import pytest

from bertnas_jax.report import front
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_plot import front_html
from bertnas_jax.report.front_png import front_png
from bertnas_jax.report.front_rows import intervals_told, rows_of_front
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
    assert front_cost(unknown).teacher is None
    picture = dataclasses.replace(run, summary=unknown)
    assert front_png(picture).startswith(b"\x89PNG")
    assert "teacher 83.5 %" in front_html(picture)


def test_the_plot_has_no_button_that_uploads_it(run):
    config = re.search(r'"modeBarButtons": *(\[\[[^]]*\]\])', front_html(run)).group(1)
    assert set(json.loads(config)[0]) == {"toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"}


def test_png_is_1200_by_750(run):
    header = front_png(run)[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == (1200, 750)


def test_a_simulated_front_is_drawn_with_its_intervals(run, tmp_path):
    phone = read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **for_phones()))
    assert front_cost(phone.summary).winner_interval == (22.5, pytest.approx(27.5)) and front_cost(run.summary).winner_interval == (8.0, 8.5)
    assert front.x_range(phone)[1] > 30.0
    drawn = front_html(phone)
    for ends in ("22.5,27.5[0-9]*,null", "7.1[0-9]*,8.69[0-9]*,null,7.9,7.9,null"):
        assert re.search(rf'"x":\[{ends}', drawn), ends
    assert "the simulator's interval" in intervals_told(phone) and front_png(phone) != front_png(run)


def test_bars_are_those_of_the_rows_and_within_the_picture(run):
    (low, high), (bottom, top) = front.x_range(run), front.y_range(run)
    drawn, rows = front.bars(run), rows_of_front(run)
    assert [x for x, (y, other) in drawn if y == other] == [row.latency.interval_ms for row in rows]
    assert [y for (x, other), y in drawn if x == other] == [pytest.approx(tuple(100 * end for end in row.accuracy)) for row in rows]
    for x, y in [*drawn, *front.winner_bars(run.summary)]:
        assert low < x[0] <= x[1] < high and bottom < y[0] <= y[1] < top

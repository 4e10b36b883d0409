"""The tool on a small space, and what it is held to: that it priced what it counted."""

import json

import pytest

from tools import pricing_speed


def test_it_tells_what_it_timed(tmp_path):
    told = json.loads(pricing_speed.run("pixel_4/1 large: 30", depth=2, rounds=3, results=tmp_path).read_text())
    assert told["subnets_per_second"] >= told["with_drawing"] > 0 and told["space_size"] == pricing_speed.space_of(2).count == 2 * (9 + 81)


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="pixel_44"):
        pricing_speed.run("pixel_44/1 large: 30", depth=2, rounds=1, results=tmp_path)

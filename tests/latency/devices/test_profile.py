import copy
import json

import pytest

from bertnas_jax.latency.devices import BASES, core_set, core_sets, device_names, draft_profile, load_profile, parse_profile
from bertnas_jax.latency.devices.draft import known_cores
from bertnas_jax.latency.devices.profile import FOLDER

ASKED = (
    "pixel_4 galaxy_s20 motorola_one_fusion galaxy_a03s iphone_xs galaxy_s10 iphone_7 snapdragon_888 snapdragon_8_gen_2 "
    "snapdragon_8_gen_3 pixel_6 pixel_8 dimensity_9300 raspberry_pi_4 raspberry_pi_5 host"
).split()


@pytest.mark.parametrize("name", device_names())
def test_every_number_of_every_profile_has_its_source(name):
    figures = load_profile(name).figures()
    assert len(figures) >= 13
    assert all(figure.source and figure.basis in BASES for _, figure in figures)


def test_the_devices_there_are():
    assert set(ASKED) <= set(device_names())


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("cpu", "dram_gb_s"), 0, "pixel_4.cpu.dram_gb_s must be 0.5 to 2000 GB/s, got 0; check its unit"),
        (("clusters", 0, "clock_ghz"), 2.84e9, "pixel_4.clusters[0].clock_ghz must be 0.2 to 6.5 GHz, got 2.84e+09"),
        (("clusters", 1, "cores"), 1.5, "pixel_4.clusters[1].cores must be a whole number"),
        (("gpu", "float16_gflops"), float("nan"), "pixel_4.gpu.float16_gflops must be a number, got nan"),
        (("cpu", "slc_kib"), -1, "pixel_4.cpu.slc_kib must be 0 to 1.04858e+06 KiB, got -1"),
        (("gpu", "local_kib"), 32768, "pixel_4.gpu.local_kib must be 1 to 4096 KiB, got 32768; check its unit"),
    ],
)
def test_an_impossible_number_is_named(place, value, message):
    fields = json.loads((FOLDER / "pixel_4.json").read_text())
    section = fields
    for key in place:
        section = section[key]
    section["value"] = value
    with pytest.raises(ValueError) as raised:
        parse_profile("pixel_4", fields)
    assert message in str(raised.value)


def test_a_missing_number_is_named():
    fields = json.loads((FOLDER / "pixel_4.json").read_text())
    for change, message in ((lambda f: f["cpu"].pop("dram_gb_s"), "missing ['dram_gb_s']"), (lambda f: f["cpu"].update(dram_gb_s=34), "a number alone")):
        changed = copy.deepcopy(fields)
        change(changed)
        with pytest.raises(ValueError, match="pixel_4.cpu") as raised:
            parse_profile("pixel_4", changed)
        assert message in str(raised.value)


def test_a_file_older_than_a_figure_is_a_profile_without_it():
    fields = json.loads((FOLDER / "raspberry_pi_4.json").read_text())
    assert parse_profile("old", fields).cpu.clusters[0].int16_per_cycle.value == 8
    del fields["clusters"][0]["int16_per_cycle"]
    assert parse_profile("old", fields).cpu.clusters[0].int16_per_cycle is None


def test_cores_draw_what_each_of_them_draws_and_nothing_is_guessed():
    pixel = load_profile("pixel_4")
    watts = {cluster.label: cluster.active_watts.value for cluster in pixel.cpu.clusters}
    assert watts["large"] > watts["medium"] > watts["small"]
    assert core_set(pixel, "1 large + 3 medium").active_watts == pytest.approx(watts["large"] + 3 * watts["medium"])
    assert core_set(load_profile("iphone_xs"), "1 large").active_watts is None


def test_an_unknown_device_or_core_set_is_answered_by_the_nearest():
    with pytest.raises(ValueError, match="got 'pixel4'; the nearest are pixel_4"):
        load_profile("pixel4")
    pixel = load_profile("pixel_4")
    for text in ("2 large", "1 huge", "", "large", "0 large"):
        with pytest.raises(ValueError, match="which has 1 large, 3 medium, 4 small"):
            core_set(pixel, text)


def test_every_listed_core_set_is_one():
    pixel = load_profile("pixel_4")
    assert len(core_sets(pixel)) == 2 * 4 * 5 - 1
    for text in core_sets(pixel):
        assert core_set(pixel, text).describe() == text
    assert core_set(pixel, "4 small").fills_slowest and not core_set(pixel, "3 small").fills_slowest


def test_a_draft_is_a_profile():
    fields = draft_profile("new", "1xCortex-X4@3.3,3xCortex-A720@3.15", 76.8)
    profile = parse_profile("new", json.loads(json.dumps(fields)))
    assert [cluster.core for cluster in profile.cpu.clusters] == ["Cortex-X4", "Cortex-A720"]
    with pytest.raises(ValueError, match="nearest are Cortex-A76"):
        draft_profile("new", "4xCortex-A7600@2.4", 17)
    with pytest.raises(ValueError, match="COUNTxCORE@GHZ"):
        draft_profile("new", "4 Cortex-A76", 17)
    assert "Cortex-A55" in known_cores()

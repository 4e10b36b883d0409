import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.latency.adb import core_mask, find_phone, parse_clocks, parse_devices
from bertnas_jax.latency.devices import core_set, core_sets, load_profile

PIXEL_4 = load_profile("pixel_4")
# cpufreq/cpuinfo_max_freq of a Snapdragon 855: four cores at 1.78 GHz, three at 2.42, one at 2.84.
# Source: the clocks of the chip as Qualcomm publishes them, in the order that its Linux numbers the cores.
CLOCKS_KHZ = (1785600,) * 4 + (2419200,) * 3 + (2841600,)


@pytest.mark.parametrize(
    ("cores", "mask"),
    [("1 large", "80"), ("1 large + 1 medium", "90"), ("3 medium", "70"), ("4 small", "f"), ("1 large + 3 medium + 4 small", "ff")],
)
def test_masks_take_the_fastest_cores_of_a_cluster_by_clock(cores, mask):
    assert core_mask(core_set(PIXEL_4, cores), CLOCKS_KHZ) == mask


@given(st.permutations(CLOCKS_KHZ), st.sampled_from(core_sets(PIXEL_4)))
def test_a_mask_holds_the_clocks_of_its_set_however_cores_are_numbered(clocks, cores):
    chosen = core_set(PIXEL_4, cores)
    mask = int(core_mask(chosen, clocks), 16)
    clusters = {"large": 2841600, "medium": 2419200, "small": 1785600}
    expected = sorted(clusters[cluster.label] for count, cluster in chosen.parts for _ in range(count))
    assert sorted(clock for core, clock in enumerate(clocks) if mask >> core & 1) == expected


def test_a_phone_of_other_cores_is_refused():
    with pytest.raises(ValueError, match="must have the phone's 4 cores, got 8"):
        core_mask(core_set(PIXEL_4, "1 large"), CLOCKS_KHZ[:4])


def test_devices_are_read_with_their_states():
    """As `adb help` and Android's documentation of adb show the list; no phone was attached here."""
    text = "List of devices attached\nemulator-5554\tdevice\n0a388e93\tunauthorized\n\n"
    assert parse_devices(text) == {"emulator-5554": "device", "0a388e93": "unauthorized"}


def test_a_missing_adb_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="adb must be on the PATH, got none; install"):
        find_phone()


def test_clocks_are_by_number_and_a_core_without_one_is_named():
    assert parse_clocks("0 1800000\n10 3000000\n2 2400000\n") == (1800000, 2400000, 3000000)
    with pytest.raises(ValueError, match="must tell its highest clock, got '1'"):
        parse_clocks("0 1800000\n1\n")

"""The simulator against phones that others measured, each part held out of the fit that predicts it."""

import pytest

from bertnas_jax.latency.simulate import load_cpu_calibration, load_gpu_calibration, read_gpu_rows, read_phone_rows, validate_cpu, validate_gpu
from bertnas_jax.latency.simulate.calibration import SPECIFICATIONS

pytestmark = pytest.mark.slow


def test_cpu_rows_held_out(shared):
    held = validate_cpu(read_phone_rows(shared / "data/devices/phone_cpu_transformers.csv"))
    models, devices, sets = (held[split].figures() for split in ("models", "devices", "core_sets"))
    assert models["mape"] <= 0.06 and models["spearman"] >= 0.98
    assert devices["mape"] <= 0.25 and devices["spearman"] >= 0.95
    assert sets["mape"] <= 0.12


def test_gpu_rows_held_out(shared):
    held = validate_gpu(read_gpu_rows(shared / "data/devices/phone_gpu_gemms.csv"))
    assert held["shapes"].figures()["median_error"] <= 0.12 and held["shapes"].figures()["mape"] <= 0.20
    assert held["gpus"].figures()["median_error"] <= 0.30


@pytest.mark.parametrize("load", [load_cpu_calibration, load_gpu_calibration])
def test_what_was_never_measured_has_the_widest_interval(load):
    widths = load().log_half_widths
    assert max(widths, key=widths.get) == SPECIFICATIONS

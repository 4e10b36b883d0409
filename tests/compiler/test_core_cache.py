import pytest

from bertnas_jax.compiler.core_cache import core_cache_bytes, read_core_cache
from bertnas_jax.compiler.loop_versions import target_machine
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_OPENCL, host_target, named_target


def _write(folder, caches):
    for index, (level, size) in enumerate(caches):
        (folder / f"index{index}").mkdir()
        (folder / f"index{index}" / "type").write_text("Data\n" if level == 1 else "Unified\n")
        (folder / f"index{index}" / "level").write_text(f"{level}\n")
        (folder / f"index{index}" / "size").write_text(f"{size}\n")


@pytest.mark.parametrize(("size", "expected"), [("512K", 1 << 19), ("2M", 1 << 21)])
def test_the_second_level_is_read(tmp_path, size, expected):
    _write(tmp_path, [(1, "48K"), (1, "32K"), (2, size), (3, "32768K")])
    assert read_core_cache(tmp_path) == expected


def test_a_machine_that_does_not_say_has_none(tmp_path):
    _write(tmp_path, [(1, "48K")])
    assert read_core_cache(tmp_path) is None and read_core_cache(tmp_path / "nowhere") is None


def test_each_target_has_its_own():
    with named_target(ANDROID_ARM64):
        assert target_machine().cache_bytes == 256 << 10 and target_machine().strided_load == 4
    with named_target(ANDROID_OPENCL):
        assert core_cache_bytes() == 512 << 10
    with host_target():
        assert core_cache_bytes() >= 128 << 10


def test_outside_of_a_target_there_is_none():
    with pytest.raises(ValueError, match="a target must be around what is compiled"):
        core_cache_bytes()

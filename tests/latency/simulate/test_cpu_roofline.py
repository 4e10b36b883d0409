"""Properties that hold whatever the calibration: rooflines, monotone in work and cores, sums."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.latency.devices import Figure, core_set, core_sets, load_profile
from bertnas_jax.latency.simulate import KernelWork, encoder_operators, load_cpu_calibration, price_on_cpu, simulate_cpu
from bertnas_jax.latency.simulate.machine import CPU_DTYPES, PRODUCT_DTYPES
from bertnas_jax.latency.simulate.work import missed_share
from bertnas_jax.space import Subnet

DEVICES = ("pixel_4", "galaxy_s20", "galaxy_a03s", "iphone_xs", "raspberry_pi_5")
FIT = load_cpu_calibration().fit


def with_int16(device):
    """The device with a rate of products of 16-bit numbers, which phones with dot products do not need."""
    figure = Figure(16.0, "op/cycle", "made up: twice float32's narrowest", "assumed")
    clusters = tuple(dataclasses.replace(cluster, int16_per_cycle=figure) for cluster in device.cpu.clusters)
    return dataclasses.replace(device, cpu=dataclasses.replace(device.cpu, clusters=clusters))


PROFILES = {name: with_int16(load_profile(name)) for name in DEVICES}
sets = st.sampled_from([core_set(device, text) for device in PROFILES.values() for text in core_sets(device)])
sizes = st.tuples(st.integers(1, 12), st.integers(1, 600), st.integers(1, 3072), st.integers(1, 3072))


@st.composite
def kernels(draw):
    dtype, elements, product = draw(st.sampled_from(PRODUCT_DTYPES)), draw(st.integers(0, 10**6)), draw(sizes)
    kinds = ["vector", *(f"plain_{each}" for each in CPU_DTYPES if each == dtype)]
    kind = draw(st.sampled_from(kinds)) if elements else "none"
    flags = {name: draw(st.booleans()) for name in ("packed", "dispatched")}
    flags |= {"passes": draw(st.integers(1, 2)), "tasks": draw(st.integers(0, 20))}
    if draw(st.booleans()):
        flags |= {"tile_rows": draw(st.integers(1, 6)), "tile_columns": draw(st.integers(1, 48))}
    kernel = KernelWork("any", dtype, *product, elements=float(elements), kind=kind, moved_bytes=draw(st.integers(0, 10**7)), **flags)
    caches = sorted(draw(st.sets(st.integers(1, 10**7), max_size=3)))
    more = sorted((draw(st.integers(0, 10**8)) for _ in caches), reverse=True)
    return dataclasses.replace(kernel, drawn=tuple((size, kernel.bytes + extra) for size, extra in zip(caches, more, strict=True)))


def price_us(kernel, cores):
    return float(price_on_cpu([kernel], cores, FIT).total_us[0])


def at_clock(cores, factor):
    parts = []
    for count, cluster in cores.parts:
        clock = cluster.clock_ghz
        parts.append((count, dataclasses.replace(cluster, clock_ghz=Figure(clock.value * factor, clock.unit, clock.source, clock.basis))))
    return dataclasses.replace(cores, parts=tuple(parts))


@settings(deadline=None)
@given(kernels(), sets)
def test_no_price_is_below_the_peak_of_all_cores_or_of_the_memory(kernel, cores):
    used = cores.parts if kernel.tasks != 1 else ((1, cores.parts[0][1]),)
    peak = sum(count * cluster.clock_ghz.value * getattr(cluster, f"{kernel.dtype}_per_cycle").value for count, cluster in used)
    products = 2 * kernel.passes * kernel.batch * kernel.rows * kernel.inner * kernel.columns
    assert price_us(kernel, cores) >= products / peak / 1e3
    if kernel.batch == 1:
        assert price_us(kernel, cores) >= kernel.operand_bytes / cores.device.cpu.dram_gb_s.value / 1e3


@settings(deadline=None)
@given(kernels(), sets, st.sampled_from(["batch", "rows", "inner", "columns", "elements", "moved_bytes", "passes"]))
def test_more_work_or_bytes_never_take_less(kernel, cores, field):
    if field == "elements" and not kernel.elements or field == "batch" and kernel.batch == 1:
        return  # one product of weights and a batch of heads are priced differently
    more = dataclasses.replace(kernel, **{field: getattr(kernel, field) * 2})
    assert price_us(more, cores) >= price_us(kernel, cores) * (1 - 1e-12)


@settings(deadline=None)
@given(kernels(), sets, st.floats(1, 2))
def test_a_faster_clock_never_takes_longer(kernel, cores, factor):
    assert price_us(kernel, at_clock(cores, factor)) <= price_us(kernel, cores) * (1 + 1e-12)


@settings(deadline=None)
@given(kernels(), st.sampled_from(DEVICES), st.data())
def test_more_cores_are_slower_only_by_what_the_price_names(kernel, name, data):
    device = PROFILES[name]
    cluster = data.draw(st.sampled_from([cluster for cluster in device.cpu.clusters if cluster.cores.value > 1]))
    fewer, more = (core_set(device, f"{count} {cluster.label}") for count in (1, int(cluster.cores.value)))
    first, second = (price_on_cpu([kernel], cores, FIT) for cores in (fewer, more))
    named = second.overhead_us[0] - first.overhead_us[0] + second.background_us[0]
    assert second.total_us[0] <= first.total_us[0] + named + 1e-9


def test_nine_tasks_keep_two_cores_as_long_as_ten():
    kernel = KernelWork("any", "float32", 1, 64, 384, 1152, elements=1e5, kind="vector")

    def arithmetic_us(tasks, cores):
        price = price_on_cpu([dataclasses.replace(kernel, tasks=tasks)], core_set(PROFILES["pixel_4"], cores), FIT)
        return float(price.arithmetic_us[0])

    freely = arithmetic_us(0, "2 medium")
    assert arithmetic_us(10, "2 medium") == freely < arithmetic_us(9, "2 medium") < arithmetic_us(1, "2 medium")
    # Cores are lost a share each: with none lost, 9 tasks are 5 and 4, and take as long as 10 of the same size.
    alone = arithmetic_us(1, "2 medium")
    assert alone / arithmetic_us(9, "2 medium") - 1 == pytest.approx(0.8 * (alone / freely - 1))
    assert arithmetic_us(9, "1 large") == arithmetic_us(0, "1 large")


def test_equal_shares_end_with_the_slowest_core():
    """Of ten tasks a slow core makes as long as it would of five; whoever is free would take more of them."""
    kernel = KernelWork("any", "float32", 1, 64, 384, 1152, tile_rows=4, tile_columns=16)

    def arithmetic_us(tasks, cores):
        price = price_on_cpu([dataclasses.replace(kernel, tasks=tasks)], core_set(PROFILES["pixel_4"], cores), FIT)
        return float(price.arithmetic_us[0])

    mixed, alone = arithmetic_us(10, "1 large + 1 small"), arithmetic_us(10, "1 small")
    assert mixed == pytest.approx(arithmetic_us(10, "2 small"), rel=0.05) and alone / 2 <= mixed < alone  # the share that is lost is each cluster's own
    assert arithmetic_us(0, "1 large + 1 small") < arithmetic_us(0, "1 large") < mixed
    assert arithmetic_us(1, "1 large + 1 small") == arithmetic_us(1, "1 large"), "one task is the fastest's"
    assert arithmetic_us(2, "2 medium + 1 small") == pytest.approx(arithmetic_us(2, "2 medium")), "and two are those of the two fastest"


@pytest.mark.parametrize("dtype", CPU_DTYPES)
def test_the_sum_over_kernels_is_the_total(dtype):
    cores, work = core_set(load_profile("pixel_4"), "1 large + 2 medium"), encoder_operators(Subnet.uniform(3, 384, 6, 768), 64, dtype)
    total_ms = simulate_cpu(work, cores, load_cpu_calibration()).total_ms
    assert total_ms == pytest.approx(sum(price_us(kernel, cores) for kernel in work) / 1e3, rel=1e-12)


def test_a_dtype_without_a_rate_is_refused():
    device = load_profile("pixel_4")
    cluster = dataclasses.replace(device.cpu.clusters[0], int8_per_cycle=None)
    cores = dataclasses.replace(core_set(device, "1 large"), parts=((1, cluster),))
    with pytest.raises(ValueError, match="Cortex-A76 must have a rate for int8"):
        price_us(KernelWork("any", "int8", 1, 1, 1, 1), cores)
    with pytest.raises(ValueError, match="pixel_4's Cortex-A76 must have a rate for int16 to be priced, got null"):
        price_us(KernelWork("any", "int16", 1, 1, 1, 1), core_set(device, "1 large"))
    with pytest.raises(ValueError, match="float16 is priced on GPUs"):
        price_us(KernelWork("any", "float16", 1, 1, 1, 1), core_set(device, "1 large"))
    with pytest.raises(ValueError, match="must have a dtype"):
        KernelWork("any", "int4", 1, 1, 1, 1)


def test_a_second_pass_is_as_much_arithmetic_and_no_more_weights():
    cores, once = core_set(PROFILES["pixel_4"], "1 large"), KernelWork("any", "int8", 1, 64, 768, 768, tile_rows=4, tile_columns=16)
    first, second = (price_on_cpu([dataclasses.replace(once, passes=passes)], cores, FIT) for passes in (1, 2))
    added = second.arithmetic_us[0] - first.arithmetic_us[0]
    assert 0.8 * first.arithmetic_us[0] < added <= first.arithmetic_us[0]  # but for starting and ending tiles
    assert second.memory_us[0] == first.memory_us[0] and dataclasses.replace(once, passes=2).flops == 2 * once.flops
    with pytest.raises(ValueError, match="at least once, got 0"):
        dataclasses.replace(once, passes=0)


def test_a_tile_is_given_as_a_whole():
    with pytest.raises(ValueError, match=r"a tile of rows and columns or none, got \(4, 0\)"):
        KernelWork("any", "float32", 1, 8, 8, 16, tile_rows=4)


@settings(deadline=None)
@given(kernels(), sets, st.sampled_from(["l1d_kib", "l2_kib"]), st.floats(1, 8))
def test_a_larger_cache_never_takes_longer(kernel, cores, cache, factor):
    parts = [(count, enlarged(cluster, cache, factor)) for count, cluster in cores.parts]
    assert price_us(kernel, dataclasses.replace(cores, parts=tuple(parts))) <= price_us(kernel, cores) * (1 + 1e-12)


def enlarged(cluster, cache, factor):
    figure = getattr(cluster, cache)
    return dataclasses.replace(cluster, **{cache: dataclasses.replace(figure, value=figure.value * factor)})


def test_what_a_cache_is_too_small_for_comes_from_the_level_behind_it():
    cores = core_set(PROFILES["pixel_4"], "1 large")  # 64 KiB, 512 KiB, 2 MiB
    works = [KernelWork("any", "float32", moved_bytes=10**6, drawn=((0, 10**9), (kib << 10, 10**6))) for kib in (1, 128, 1024, 8192)]
    price = price_on_cpu(works, cores, FIT)
    long = [[bool(time_us > 1_000) for time_us in times] for times in (price.l2_us, price.l3_us, price.memory_us)]
    assert long == [[False, True, True, True], [False, False, True, True], [False, False, False, True]]
    assert price.memory_us[0] == 0, "the kernel before left a megabyte in the caches"


def test_a_system_level_cache_holds_what_would_come_from_memory():
    cores = core_set(PROFILES["pixel_4"], "1 large")
    without = dataclasses.replace(cores, device=dataclasses.replace(cores.device, cpu=dataclasses.replace(cores.device.cpu, slc_kib=None)))
    kernel = KernelWork("any", "float32", moved_bytes=10**6, drawn=((0, 10**9), (5 << 20, 10**6)))  # 512 KiB, 2 MiB and 3 MiB
    first, second = (price_on_cpu([kernel], each, FIT) for each in (cores, without))
    assert first.memory_us[0] == 0 < second.memory_us[0] and first.l3_us[0] == second.l3_us[0]


def test_steps_are_of_larger_and_larger_caches():
    for drawn in (((8192, 5), (4096, 3)), ((4096, 3), (8192, 5)), ((4096, -1),)):
        with pytest.raises(ValueError, match="must draw less past larger caches, the smallest first, got"):
            KernelWork("any", "float32", 1, 8, 8, 16, drawn=drawn)


def test_what_a_cache_misses_is_what_one_that_replaces_at_random_does():
    """A cache of 200 places, gone through by more and more data; the tolerance is five standard deviations of such a count over eight turns."""
    rng, places = np.random.default_rng(0), 200
    for size in (1.2, 1.5, 2.0, 4.0):
        data, held = int(size * places), np.full(places, -1)
        missed = []
        for turn in range(28):
            count = 0
            for datum in range(data):
                if datum not in held:
                    count, held[rng.integers(places)] = count + 1, datum
            missed += [count] if turn >= 20 else []
        assert np.mean(missed) / data == pytest.approx(float(missed_share(np.array(size))), abs=5 * 0.5 / np.sqrt(8 * data))
    np.testing.assert_array_equal(missed_share(np.array([0.0, 0.5, 1.0])), 0.0)

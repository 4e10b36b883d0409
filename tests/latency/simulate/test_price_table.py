import random

import numpy as np
import pytest

from bertnas_jax.latency.devices import load_profile
from bertnas_jax.latency.simulate import Setting, price_table, runtime_on, simulate
from bertnas_jax.space import SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(6, 384, 6, 1536), (2, 4, 6), (192, 384), (2, 4, 6), (512, 1024, 1536))


@pytest.mark.parametrize(
    ("device", "cores", "dtype"),
    [("galaxy_s20", "1 large + 1 medium", "float32"), ("galaxy_s20", "1 large + 3 medium", "int8"), ("galaxy_s20", "gpu", "float16"), ("host", "1 large", "float32")],
)
def test_the_table_is_the_sum_of_the_kernels(device, cores, dtype):
    setting, rng = Setting(load_profile(device), cores, "tflite", dtype, 64), random.Random(0)
    table = price_table(setting, SPACE)
    subnets = [SPACE.smallest, SPACE.largest, *(SPACE.sample(rng) for _ in range(60))]
    kernels_of = runtime_on(cores, "tflite").kernels
    summed = [simulate(setting, kernels_of(setting, subnet)).total_ms for subnet in subnets]
    np.testing.assert_allclose(table.price_ms(*table.encode(subnets)), summed, rtol=1e-12)


def test_a_subnet_of_another_space_is_refused():
    table = price_table(Setting(load_profile("pixel_4"), "1 large", "tflite", "float32", 64), SPACE)
    with pytest.raises(ValueError, match="must be of the search space"):
        table.encode([Subnet.uniform(12, 768, 12, 3072)])

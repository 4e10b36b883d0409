import random

import numpy as np
import pytest

from bertnas_jax.latency.devices import core_set, load_profile
from bertnas_jax.latency.simulate import encoder_operators, load_cpu_calibration, simulate_cpu
from bertnas_jax.latency.simulate.price_table import tflite_price_table
from bertnas_jax.space import SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(6, 384, 6, 1536), (2, 4, 6), (192, 384), (2, 4, 6), (512, 1024, 1536))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_table_is_the_sum_of_the_kernels(dtype):
    cores, calibration, rng = core_set(load_profile("galaxy_s20"), "1 large + 1 medium"), load_cpu_calibration(), random.Random(0)
    table = tflite_price_table(SPACE, 64, dtype, cores, calibration.fit)
    subnets = [SPACE.smallest, SPACE.largest, *(SPACE.sample(rng) for _ in range(60))]
    summed = [simulate_cpu(encoder_operators(subnet, 64, dtype), cores, calibration).total_ms for subnet in subnets]
    np.testing.assert_allclose(table.price_ms(*table.encode(subnets)), summed, rtol=1e-12)


def test_a_subnet_of_another_space_is_refused():
    table = tflite_price_table(SPACE, 64, "float32", core_set(load_profile("pixel_4"), "1 large"), load_cpu_calibration().fit)
    with pytest.raises(ValueError, match="must be of the search space"):
        table.encode([Subnet.uniform(12, 768, 12, 3072)])

"""Prices models on phones that are not here, and says how sure that is; measures on those that are.

  python -m bertnas_jax.latency --list
  python -m bertnas_jax.latency --explain --device=galaxy_s20 --core_set="1 large + 1 medium" --dtype=int8 --seq_len=128
  python -m bertnas_jax.latency --explain --runtime=tvm --device=pixel_4 --core_set="1 large"
  python -m bertnas_jax.latency --new_profile=host --detect
  python -m bertnas_jax.latency --new_profile=my_phone --clusters=2xCortex-A76@2.2,6xCortex-A55@2.0 --dram_gb_s=17
  python -m bertnas_jax.latency --validate=FOLDER
  python -m bertnas_jax.latency --measure --runtime=tvm --tracker=HOST:9190 --key=KEY --model_file=model.so --subnet=subnet.json
  python -m bertnas_jax.latency --measure --runtime=tflite --adb --benchmark_model=benchmark_model --model_file=model.tflite --subnet=subnet.json
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of
from bertnas_jax.latency.config import LatencyConfig


def main(config: LatencyConfig) -> None:
    config.check_asked()
    if config.validate:
        from bertnas_jax.benchmark.simulated_phones import validate

        print(validate(config.validate))
        return
    from bertnas_jax.latency.run import run

    print(run(config))


if __name__ == "__main__":
    define_flags(LatencyConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(LatencyConfig, main))

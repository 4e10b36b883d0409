"""Exports the winner of a run for another device, with no TVM on it.

  python -m bertnas_jax.export --workdir=runs/quickstart --target=android-arm64 --out=exported

Folders by target: a shared library with a C interface (host, android-arm64, android-arm64-nodot), or
OpenCL C with lists of launches (android-opencl).
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.export.config import ExportConfig
from bertnas_jax.flags import define_flags, main_of


def main(config: ExportConfig) -> None:
    # Imported once the flags are known to be good: the compiler takes seconds to load.
    from bertnas_jax.export.export_winner import export_winner

    print(export_winner(config))


if __name__ == "__main__":
    define_flags(ExportConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(ExportConfig, main))

"""Fine-tunes a BERT checkpoint on a task and trains the supernet of its sub-networks.

  python -m bertnas_jax.train --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=3,6 --ffns=768,1536
  python -m bertnas_jax.train --plan=v5e:16x16

Give --flagfile first: later flags override it. A run that is started again continues, and
`python -m bertnas_jax.search` goes on in its --workdir. --plan trains nothing: it compiles the step for
a TPU that need not be there and prints what it would cost.
"""

import dataclasses
import json

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of, nested
from bertnas_jax.knobs import knob
from bertnas_jax.train.mesh import MeshConfig
from bertnas_jax.train.supernet_config import SupernetConfig


@dataclasses.dataclass(frozen=True)
class TrainProgram(SupernetConfig):
    """What the program may be asked for: training, or the plan of a training."""

    plan: str = knob("", "A TPU such as v5e:16x16: prints what a supernet step would cost there, and trains nothing.")
    plan_mesh: MeshConfig = nested(MeshConfig)


def main(program: TrainProgram) -> None:
    if program.plan:
        from bertnas_jax.train.plan import print_plans

        return print_plans(program.plan, program.plan_mesh)
    from bertnas_jax.train.run import run

    config = SupernetConfig(**{field.name: getattr(program, field.name) for field in dataclasses.fields(SupernetConfig)})
    return print(json.dumps(run(config), indent=1))


if __name__ == "__main__":
    define_flags(TrainProgram)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(TrainProgram, main))

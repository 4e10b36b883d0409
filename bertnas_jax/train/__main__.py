"""Fine-tunes a BERT checkpoint on a task and trains the supernet of its sub-networks.

  python -m bertnas_jax.train --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=3,6 --ffns=768,1536

Give --flagfile first: later flags override it. A run that is started again continues, and
`python -m bertnas_jax.search` goes on in its --workdir.

It trains on every device there is; --mesh_fsdp and --mesh_tensor share the weights out over some of them.
As one of two processes, whose --workdir both can reach (the other has --process_id=1; on a Cloud TPU pod
or under SLURM --coordinator=auto is all that is needed):

  python -m bertnas_jax.train --workdir=/shared/mine --coordinator=10.0.0.1:1234 --num_processes=2 --process_id=0

--plan trains nothing: it compiles the step for a TPU that need not be there, under the same --mesh flags,
and prints what it would cost:

  python -m bertnas_jax.train --plan=v5e:16x16 --mesh_fsdp=16
"""

import dataclasses
import json

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of, nested
from bertnas_jax.knobs import knob
from bertnas_jax.train.distributed import ProcessConfig, is_primary, joined
from bertnas_jax.train.supernet_config import SupernetConfig


@dataclasses.dataclass(frozen=True)
class TrainProgram(SupernetConfig):
    """What the program may be asked for: training, or the plan of a training."""

    plan: str = knob("", "A TPU such as v5e:16x16: prints what a supernet step would cost there, and trains nothing.")
    process: ProcessConfig = nested(ProcessConfig, flat=True)


def main(program: TrainProgram) -> None:
    if program.plan:
        from bertnas_jax.train.plan import print_plans

        return print_plans(program.plan, program.mesh)
    from bertnas_jax.train.run import run

    config = SupernetConfig(**{field.name: getattr(program, field.name) for field in dataclasses.fields(SupernetConfig)})
    with joined(program.process):
        scores = run(config)
        if is_primary():
            print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    define_flags(TrainProgram)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(TrainProgram, main))

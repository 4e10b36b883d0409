"""Writes a subnet of a trained supernet as a checkpoint without a head, for --checkpoint of another run.

Takes a run folder of `python -m bertnas_jax.train`, of a labelled task or of text. The sizes are those of every block;
what is not given is the largest of the space. With --subnet they are those of a subnet.json, which may differ by
block: such an encoder is for deployment, as a run starts from equal blocks.

  python tools/extract_encoder.py --workdir=runs/text --depth=4 --ffn=768 --to=runs/text/small
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.errors import explained
from bertnas_jax.flags import config_from_json
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.train import SupernetConfig, open_train_job, settle_layers, supernet_stage, teacher_stage
from bertnas_jax.train.encoder import write_encoder

SIZES = ("depth", "hidden", "heads", "ffn")


def uniform_subnet(space: SearchSpace, depth: int | None, hidden: int | None, heads: int | None, ffn: int | None) -> Subnet:
    """The Subnet of equal blocks of these sizes; None is the largest of the space."""
    return Subnet.uniform(
        depth or space.depths[-1], hidden or space.hiddens[-1], heads or space.heads[-1], ffn or space.ffns[-1], space.teacher.head_dim
    )


def run(workdir: str, to: pathlib.Path, sizes: dict[str, int | None], subnet_file: str = "") -> Subnet:
    """The Subnet whose encoder is now in the folder `to`.

    Raises:
      FileNotFoundError: the run folder holds no trained supernet.
      ValueError: the Subnet is not of its space, or is given twice.
    """
    folder = pathlib.Path(workdir)
    for name in ("config.json", "supernet"):
        if not (folder / name).exists():
            raise FileNotFoundError(
                f"workdir must hold a trained supernet, got {folder} without {name}; run python -m bertnas_jax.train first"
            )
    if subnet_file and any(sizes.values()):
        raise ValueError(f"a subnet must be given once, got --subnet={subnet_file} and {sizes}; leave one of them out")
    config = config_from_json(SupernetConfig, (folder / "config.json").read_text(encoding="utf-8"))
    job = open_train_job(dataclasses.replace(config, workdir=workdir))
    subnet = Subnet.from_json(pathlib.Path(subnet_file).read_text("utf-8")) if subnet_file else uniform_subnet(job.space, **sizes)
    job.space.check(subnet)
    teacher = teacher_stage(job)
    job = settle_layers(job, teacher)
    write_encoder(job, supernet_stage(job, teacher), subnet, to)
    return subnet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="the run folder of a trained supernet")
    parser.add_argument("--to", required=True, help="the folder to write")
    for name in SIZES:
        parser.add_argument(f"--{name}", type=int, help="of every block; the space's largest if it is not given")
    parser.add_argument("--subnet", default="", help="a subnet.json instead of sizes")
    given = parser.parse_args()
    with explained():
        subnet = run(given.workdir, pathlib.Path(given.to), {name: getattr(given, name) for name in SIZES}, given.subnet)
        print(f"{subnet.describe()} written to {given.to}")


if __name__ == "__main__":
    main()

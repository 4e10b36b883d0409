"""Every knob of `python -m bertnas_jax.compiler`."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import tvm
from flax import nnx

from bertnas_jax.compiler.build import trace_model
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.compiler.precision import PRECISIONS
from bertnas_jax.compiler.targets import CPU_TARGETS
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, Subnet

_DESCRIBED = re.compile(r"D(\d+)-H(\d+)-N([\d.]+)-F([\d.]+)")


@dataclasses.dataclass(frozen=True)
class CompilerConfig:
    """What the program is asked for, and of which sub-network.

    Raises:
      ValueError: a value is out of its bounds, or both things are asked for.
    """

    explain: bool = knob(False, "Prints what the compiler does to --subnet.")
    tune: bool = knob(False, "Times the products of --subnet on this machine in several tiles and adds the fastest to --tuning.")
    subnet: str = knob("D384-H32-N12.12-F1536.1536", "The sub-network: D384-H32-N12.12-F1536.1536, or the path of a subnet.json.")
    seq_len: int = knob(128, "Tokens of the sentence.", lower=1)
    target: str = knob("host", "What is compiled for; --tune takes the host.", choices=CPU_TARGETS)
    mca: bool = knob(False, "Also prints what llvm-mca makes of the innermost loop of every product.")
    without: str = knob("", f"Rewrites and relations to leave out, separated by commas: {', '.join(OPTIONAL)}.")
    precision: str = knob("float32", "Numbers that products with weights are made of.", choices=PRECISIONS)
    picture: str = knob("", "Where to draw the graph before and after, a .png; nothing is drawn without it.")
    tuning: str = knob("tuning.json", "The file that --tune adds to, for `python -m bertnas_jax.search --tuning=FILE`.")
    threads: tuple[int, ...] = knob((1,), "Numbers of threads that --tune finds the best compromise for.", lower=1, upper=256)
    rounds: int = knob(11, "Turns of every tile, of which medians are taken.", lower=3, upper=1000)

    def __post_init__(self):
        check_knobs(self)
        if self.explain and self.tune:
            raise ValueError("one of --explain and --tune must be given, got both; give one")
        if self.picture and not self.picture.endswith(".png"):
            raise ValueError(f"picture must end with .png, got {self.picture!r}; name another file")
        if not self.threads:
            raise ValueError("threads must be some, got none; give --threads=1,2")
        if self.tune and self.target != "host":
            raise ValueError(f"target of --tune must be the host, got {self.target!r}; run it on the device")


def parse_subnet(text: str) -> Subnet:
    """The Subnet of `Subnet.describe()`'s text, or of a JSON file.

    Raises:
      ValueError: the text is neither.
    """
    if text.endswith(".json"):
        return Subnet.from_json(pathlib.Path(text).expanduser().read_text(encoding="utf-8"))
    match = _DESCRIBED.fullmatch(text)
    heads, ffns = (list(map(int, match[group].strip(".").split("."))) for group in (3, 4)) if match else ([], [0])
    if len(heads) != len(ffns):
        raise ValueError(f"subnet must be like D384-H32-N12.12-F1536.1536 or end with .json, got {text!r}; use Subnet.describe()")
    return Subnet(int(match[1]), int(match[2]), tuple(map(Layer, heads, ffns)))


def traced_subnet(config: CompilerConfig) -> tuple[Subnet, tvm.IRModule]:
    """The sub-network that is asked for, and its operators with drawn weights."""
    subnet = parse_subnet(config.subnet)
    return subnet, trace_model(Bert(BertConfig(subnet, vocab_size=1000), nnx.Rngs(0)), config.seq_len)

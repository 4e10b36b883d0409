"""How far is the simulator from this machine, for Subnets it never saw?

Chooses --design Subnets of a space by what the constants are least known from (latency/simulate/design.py), measures
them on each number of threads in our runtime, in float32 and in int8, and in TensorFlow Lite's, fits the constants, and
measures --subnets others, drawn at random, against what the fit predicts. Each Subnet is written down as it is done, and
the same command goes on where it stopped; with --evaluate it tells what those done so far give, and measures none.

Those of the design and the others are measured in one random order, for a machine's clock moves from one quarter of an hour
to the next, by more than the fit is off. A loop of multiply-adds runs in each round: the same fit and trial are told of a latency's median ratio
to it, in milliseconds at the profile's peak (`at_peak_ms`). Those of the design are measured once more after all others: what two measurements of one Subnet differ by
bounds how many predictions are near and in what order. Give the measuring a quiet machine all the same: `prepare`
compiles a Subnet, for most of the time it takes, and may be disturbed; `measure` may not, and takes some 7 s.

  python tools/host_simulator_error.py --workdir=runs/host_error --design=40 --subnets=300
  python tools/host_simulator_error.py --workdir=runs/host_error --design=40 --subnets=300 --evaluate
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import random
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.beside_the_peak import OURS, RUNTIMES, Timed, measure, peak_loops, prepare
from bertnas_jax.benchmark.rank_agreement import MIN_PAIRS, rank_agreement, repeatability
from bertnas_jax.benchmark.records import check_settings, recorded, written_down
from bertnas_jax.errors import explained
from bertnas_jax.latency.devices import HOST, CoreSet, DeviceProfile, core_set, parse_profile
from bertnas_jax.latency.devices.detect import detect_host
from bertnas_jax.latency.simulate import CpuFit, FusedConstants, PhoneRow, PhoneTable, calibrate, delegated, encoder_operators, fit_device
from bertnas_jax.latency.simulate.constants import CpuConstants
from bertnas_jax.latency.simulate.design import d_optimal, sensitivities
from bertnas_jax.latency.simulate.compiled_kernels import SpaceKernels
from bertnas_jax.latency.simulate.fused_kernels import FusedKernels
from bertnas_jax.space import SearchSpace, Subnet, encoder_flops
from bertnas_jax.whole_file import whole

# That of configs/sst2_supernet.cfg: a 12-block, 384-wide BERT.
SPACE = SearchSpace(Subnet.uniform(12, 384, 12, 1536), (3, 4, 6, 8, 12), (256, 384), (6, 9, 12), (768, 1152, 1536))
# Whose constants price a runtime.
CONSTANTS = dict.fromkeys(OURS, FusedConstants) | {"tflite": CpuConstants}
RECORDS, AGAIN, PROFILE, CHOICE = "subnets.jsonl", "again.jsonl", "host.json", "choice.json"
CANDIDATES = 600  # from which the design is chosen
WITHIN = 0.1


@dataclasses.dataclass(frozen=True)
class Settings(Timed):
    """What the records of a folder have in common: how they were timed, of how many Subnets."""

    design: int
    subnets: int


class Predictor:
    """The rows of Subnets in each runtime, to be fitted or priced."""

    def __init__(self, space: SearchSpace, device: DeviceProfile, seq_len: int):
        self._device, self._seq_len = device, seq_len
        self._fused = {runtime: SpaceKernels(space, FusedKernels(seq_len, precision, device)) for runtime, precision in OURS.items()}

    def row(self, runtime: str, subnet: Subnet, threads: int, latency_ms: float = 1.0) -> PhoneRow:
        """The Subnet as what the simulator is asked for."""
        operators = delegated(encoder_operators(subnet, self._seq_len, "float32"))
        kernels = self._fused[runtime].of(subnet) if runtime in OURS else tuple((work, 1) for work in operators)
        cores: CoreSet = core_set(self._device, f"{threads} large")
        return PhoneRow(subnet.describe(), cores, OURS.get(runtime, "float32"), kernels, latency_ms)


def choose(space: SearchSpace, predictor: Predictor, settings: Settings) -> tuple[list[Subnet], list[Subnet]]:
    """The Subnets to fit on, by the design for our kernels, and those to try the fit on, at random and none of the first.

    Raises:
      ValueError: the space has fewer.
    """
    wanted, rng = settings.design + settings.subnets, random.Random(settings.seed)
    drawn = [space.smallest, space.largest, *dict.fromkeys(space.sample(rng) for _ in range(20 * max(wanted, CANDIDATES)))]
    drawn = list(dict.fromkeys(drawn))
    if len(drawn) < wanted:
        raise ValueError(f"subnets must be at most the {len(drawn)} drawn of the space, got {wanted} with the design; choose fewer")
    candidates = drawn[: max(settings.design, min(CANDIDATES, len(drawn)))]
    rows = [predictor.row("tvm", subnet, threads) for subnet in candidates for threads in settings.threads]
    answers = sensitivities(rows, FusedConstants).reshape(len(candidates), len(settings.threads), -1)
    design = [candidates[i] for i in d_optimal(list(answers), settings.design)]
    rest_of_them = [subnet for subnet in drawn if subnet not in set(design)]
    return design, rng.sample(rest_of_them, settings.subnets)


def errors(measured_ms: np.ndarray, predicted_ms: np.ndarray, flops: np.ndarray) -> dict:
    """How far the predictions are off, and in how good an order, beside that of FLOPs."""
    off = predicted_ms / measured_ms - 1
    figures = {
        "subnets": len(off),
        "within_10_percent": float(np.mean(np.abs(off) <= WITHIN)),
        "mape": float(np.abs(off).mean()),
        "median_error": float(np.median(np.abs(off))),
        "largest_error": float(np.abs(off).max()),
        "bias": float(off.mean()),
    }
    for name, scores in (("simulator", predicted_ms), ("flops", flops)):
        agreement = rank_agreement(scores, measured_ms)
        figures |= {f"kendall_tau_of_{name}": agreement.kendall_tau, f"kendall_tau_interval_of_{name}": agreement.kendall_tau_interval}
    return figures


def evaluate(
    predictor: Predictor, design: Sequence[Subnet], others: Sequence[Subnet], records: dict[str, dict], folder: pathlib.Path, settings: Settings
) -> dict:
    """By runtime and threads, the errors on the others of the fit on the design, at the peak too, and of the constants before any fit."""
    found: dict[str, dict] = {}
    for runtime, constants in CONSTANTS.items():

        def rows(subnets: Sequence[Subnet], threads: Sequence[int], figure: str, runtime: str = runtime) -> list[PhoneRow]:
            measured = {(each, count): records[each.describe()]["threads"][str(count)][runtime][figure] for each in subnets for count in threads}
            return [predictor.row(runtime, each, count, latency_ms) for (each, count), latency_ms in measured.items()]

        fit = fit_device(rows(design, settings.threads, "median_ms"), runtime, folder / RECORDS, folder / f"calibration_{runtime}.json")
        at_peak = calibrate(rows(design, settings.threads, "at_peak_ms"), constants)
        asked = {"calibrated": (fit, "median_ms"), "calibrated_at_peak": (at_peak, "at_peak_ms"), "before_any_fit": (CpuFit(constants(), {}), "median_ms")}
        for threads in settings.threads:
            flops = np.array([encoder_flops(subnet, settings.seq_len) for subnet in others], float)
            tables = {name: (PhoneTable(rows(others, [threads], figure)), each) for name, (each, figure) in asked.items()}
            told = {name: errors(table.measured_ms(), table.latency_ms(each), flops) for name, (table, each) in tables.items()}
            found[f"{runtime}, {threads} threads"] = told
    return found


def repeated(records: Mapping[str, dict], again: Sequence[dict], others: Sequence[Subnet]) -> dict[str, dict]:
    """By runtime and threads, how far a measurement is from itself, and the order that knowing the truth would give; nothing of fewer than 3 Subnets."""
    twice = [(records[line["subnet"]], line) for line in again if line["subnet"] in records]
    if len(twice) < MIN_PAIRS:
        return {}

    def told(threads: str, runtime: str, figure: str) -> dict:
        first, second, measured = (
            np.array([line["threads"][threads][runtime][figure] for line in lines])
            for lines in ([one for one, _ in twice], [other for _, other in twice], [records[subnet.describe()] for subnet in others])
        )
        return dataclasses.asdict(repeatability(first, second, measured))

    figures = {"as_measured": "median_ms", "at_peak": "at_peak_ms"}
    places = [(threads, runtime) for runtime in RUNTIMES for threads in twice[0][0]["threads"]]
    return {f"{runtime}, {threads} threads": {name: told(threads, runtime, figure) for name, figure in figures.items()} for threads, runtime in places}


def chosen(folder: pathlib.Path, space: SearchSpace, predictor: Predictor, settings: Settings) -> tuple[list[Subnet], list[Subnet]]:
    """What `choose` gave when the folder was begun: other prices would choose other Subnets for the records that there are."""
    path = folder / CHOICE
    if not path.exists():
        kept = [[json.loads(subnet.to_json()) for subnet in some] for some in choose(space, predictor, settings)]
        with whole(path) as partial:
            partial.write_text(json.dumps(kept) + "\n", encoding="utf-8")
    design, others = ([Subnet.from_fields(fields) for fields in some] for some in json.loads(path.read_text(encoding="utf-8")))
    return design, others


def host_profile(folder: pathlib.Path) -> dict:
    """The fields of this machine's profile, measured when the folder was begun."""
    path = folder / PROFILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_text(json.dumps(detect_host(), indent=1) + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def measured(
    path: pathlib.Path, settings: Settings, subnets: Mapping[str, Subnet], core_gflops: float, quiet: Callable[[], contextlib.AbstractContextManager]
) -> list[dict]:
    """The records of these Subnets in a file, each measured within `quiet()` if it was not before."""

    def record(name: str) -> dict:
        built = prepare(subnets[name], settings)
        with quiet():
            return measure(built, settings, peaks, core_gflops)

    with peak_loops(settings) as peaks:
        return recorded(path, "subnet", subnets, record)


def run(
    folder: pathlib.Path,
    settings: Settings,
    space: SearchSpace = SPACE,
    results: pathlib.Path = RESULTS,
    only_evaluate: bool = False,
    quiet: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
) -> pathlib.Path:
    """The path of the dated JSON; of what was measured so far, and in the folder, if it is only to evaluate.

    Raises:
      ValueError: the folder's records were made with other settings, or are too few to evaluate.
    """
    check_settings(folder, json.loads(json.dumps(dataclasses.asdict(settings))))
    fields = host_profile(folder)
    device = parse_profile(HOST, fields)
    predictor, (cluster,) = Predictor(space, device, settings.seq_len), device.cpu.clusters
    design, others = chosen(folder, space, predictor, settings)
    in_turn = random.Random(settings.seed).sample([*design, *others], len(design) + len(others))
    core_gflops = cluster.clock_ghz.value * cluster.float32_per_cycle.value
    kept = {}
    for name, turns in ((RECORDS, in_turn), (AGAIN, [subnet for subnet in in_turn if subnet in design])):
        subnets = {subnet.describe(): subnet for subnet in turns}
        kept[name] = written_down(folder / name) if only_evaluate else measured(folder / name, settings, subnets, core_gflops, quiet)
    lines, records = kept[RECORDS], {line["subnet"]: line for line in kept[RECORDS]}
    design, others = ([subnet for subnet in some if subnet.describe() in records] for some in (design, others))
    if not design or not others:
        raise ValueError(f"records must be of a design and of others to be evaluated, got {len(design)} and {len(others)}; measure more")
    told = {
        "settings": dataclasses.asdict(settings),
        "space": {name: getattr(space, name) for name in ("depths", "hiddens", "heads", "ffns")},
        "profile": fields,
        "design": [subnet.describe() for subnet in design],
        "peak_spread": peak_spread(lines, settings),
        "errors": evaluate(predictor, design, others, records, folder, settings),
        "repeated": repeated(records, kept[AGAIN], others),
        "subnets": lines,
        "again": kept[AGAIN],
    }
    for name, each in told["errors"].items():
        print(f"{name}: " + "; ".join(f"{which} {of['within_10_percent']:.1%} within 10 %, mean error {of['mape']:.1%}" for which, of in each.items()))
    return write_result("host_simulator_error", told, folder if only_evaluate else results)


def peak_spread(lines: Sequence[dict], settings: Settings) -> dict[str, float]:
    """Fastest over slowest peak of all Subnets, by threads."""
    rates = {str(threads): [line["threads"][str(threads)]["peak_gflops"] for line in lines] for threads in settings.threads}
    return {threads: max(each) / min(each) for threads, each in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="where records and calibrations are kept")
    parser.add_argument("--design", type=int, default=40, help="Subnets the constants are fitted on")
    parser.add_argument("--subnets", type=int, default=300, help="Subnets the fit is tried on")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of each measurement")
    parser.add_argument("--seq_len", type=int, default=64, help="tokens of the input")
    parser.add_argument("--rounds", type=int, default=16, help="timed runs of each")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--evaluate", action="store_true", help="measure no more: the errors of what was measured so far, written into the folder")
    given = parser.parse_args()
    with explained():
        settings = Settings(tuple(given.threads), given.seq_len, given.rounds, given.seed, given.design, given.subnets)
        print(f"written to {run(pathlib.Path(given.workdir), settings, only_evaluate=given.evaluate)}")


if __name__ == "__main__":
    main()

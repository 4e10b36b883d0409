"""Every knob of `python -m bertnas_jax.search`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.flags import nested
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.supernet_config import SupernetConfig


SIMULATED_MARGINS = ("upper", "median")
PRECISIONS = ("float32", "int8_accurate", "int8_fast")  # those of bertnas_jax.compiler that x86 has; it takes seconds to load


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What the winner may cost, and where.

    Raises:
      ValueError: both limits of the host are given, or a value is out of its bounds.
    """

    limits: tuple[str, ...] = knob(
        (),
        "Further latency limits by commas, each DEVICE/CORES/RUNTIME/DTYPE/TOKENS: MS, such as 'pixel_4/1 large/tflite/float32: 30, "
        "galaxy_s20/gpu: 25, pixel_6/2 large: 12x'. RUNTIME (tflite; or tvm, our own kernels), DTYPE and TOKENS (--seq_len) may be left "
        "out. DTYPE is float32 or int8 of tflite, float32, int8_accurate or int8_fast of tvm; on a gpu float16 of tflite, float32 of tvm: the "
        "winner is exported and scored in it. 12x is a speed-up over BERT-base on TFLite there, 20mJ an energy of cores whose power was measured. Phones are simulated: python -m bertnas_jax.latency --list names them and "
        "their cores. This machine is host/2 threads/tvm, its DTYPE --precision or one of its values. The front is drawn over the first limit, of sizes if there is none of a latency.",
    )
    device: str = knob("host", "Where --latency_ms or --speedup_over_bert_base counts: 'host', this machine. Phones are given by --limits.")
    runtime: str = knob("tvm", "The runtime these two are for; the winner is measured on TensorFlow Lite too.", choices=("tvm",))
    threads: int = knob(1, "Cores of this machine that the model may use.", lower=1, upper=256)
    precision: str = knob(
        "float32",
        "Numbers that products with weights are made of on this machine: the winner is priced, measured, scored and compiled so; int8_accurate "
        "has 8-bit weights and wider activations, int8_fast bytes for both. model.tflite stays float32; limits of phones have their own DTYPE.",
        choices=PRECISIONS,
    )
    precision_tolerance: float = knob(
        0.005, "How far below its score in float32 the winner may be in a precision that is to count as its best one.", lower=0.0, upper=1.0
    )
    seq_len: int = knob(64, "Tokens of the deployed model's input; shorter sentences are padded.", lower=8, upper=512)
    latency_ms: float = knob(
        0.0, "The limit on this machine in ms for one sentence; 0 for none, or if it is given as a speed-up.", lower=0.0, upper=1e6
    )
    speedup_over_bert_base: float = knob(
        0.0, "The same as a factor over BERT-base on TFLite in float32, same device, threads and length; 0 for none, or if in ms.", lower=0.0, upper=1e6
    )
    margin: float = knob(0.05, "Finalists must be this share under a limit that is measured, so that noise does not decide.", lower=0.0, upper=0.5)
    fresh_processes: int = knob(
        3,
        "Processes of its own that the best finalist is timed in, each beside BERT-base: it must meet a limit of this machine in all, or the next "
        "best is tried. One model's latency differs by a tenth from process to process. 0 for none.",
        lower=0,
        upper=100,
    )
    simulated_margin: str = knob(
        "upper",
        "What of a simulated latency must be under its limit: the upper end of the interval that holds 90 % of cases, or the median, "
        "which half of them exceed.",
        choices=SIMULATED_MARGINS,
    )
    max_params: int = knob(0, "Most parameters, embeddings included; 0 for any.", lower=0)
    max_flops: float = knob(0.0, "Most FLOPs (2 x MACs) of a sentence of --seq_len tokens, e.g. 1e9; 0 for any.", lower=0.0)
    max_file_mb: float = knob(0.0, "Largest float32 .tflite, in 10^6 bytes; 0 for any.", lower=0.0)
    max_memory_mb: float = knob(
        0.0,
        "Most memory while the compiled model runs, in 10^6 bytes; 0 for any. Counted are its weights and the arena that its intermediate "
        "results share by the compiler's static plan, in --precision at --seq_len; not the code, the stacks and the runtime.",
        lower=0.0,
    )

    def __post_init__(self):
        check_knobs(self)
        if self.device != "host":
            raise ValueError(
                f"device must be host, got {self.device!r}; give a phone's limit as --limits=\"{self.device}/1 large/tflite/float32: 30\""
            )
        if self.latency_ms > 0 and self.speedup_over_bert_base > 0:
            raise ValueError(
                f"only one of latency_ms and speedup_over_bert_base must be above 0, got {self.latency_ms} and "
                f"{self.speedup_over_bert_base}; leave one of them out"
            )

    @property
    def is_given(self) -> bool:
        return any((self.limits, self.latency_ms, self.speedup_over_bert_base, self.max_params, self.max_flops, self.max_file_mb, self.max_memory_mb))


SAMPLERS = ("controller", "nsga2", "evolution", "predictor", "random", "uniform")


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """How the space is searched."""

    sampler: str = knob(
        "nsga2",
        "What proposes Subnets: a recurrent controller (arXiv 2009.06823), NSGA-II, regularised evolution, a Gaussian process of the "
        "accuracy, chance, or nets of equal blocks alone.",
        choices=SAMPLERS,
    )
    evaluations: int = knob(64, "Subnets whose accuracy is evaluated.", lower=1, upper=1_000_000)
    population: int = knob(16, "Population of nsga2 and evolution.", lower=2, upper=10_000)
    dev_subset: int = knob(512, "Dev examples an evaluation uses; the finalists are scored on all of them.", lower=1)
    early_stop: bool = knob(
        True,
        "Leaves a Subnet after a quarter, half or three quarters of --dev_subset if one that is no slower is clearly more accurate on them (an "
        "exact paired test: of those as good as that one at most 1 % are lost) or can no longer be reached. For tasks scored by accuracy, from "
        "128 dev examples on.",
    )
    priced: int = knob(
        1_000_000,
        "Subnets that are priced before anything is trained, all in a smaller space, to tell how many meet the budget.",
        lower=1,
        upper=10**8,
    )
    finalists: int = knob(
        3, "Best subnets that are scored on the whole dev split and, for a limit of this machine, built and measured.", lower=1, upper=100
    )
    corrections: int = knob(
        2,
        "How often the prices of this machine may be corrected by the finalists that were measured: the space is then priced again and the "
        "search goes on with a quarter more evaluations.",
        lower=0,
        upper=100,
    )
    price_tolerance: float = knob(
        0.05, "Share by which measured finalists may be off their prices, in the geometric mean, before those are corrected.", lower=0.001, upper=10.0
    )
    storage: str = knob(
        "",
        "Where the study is kept for workers to share: postgresql://user@host/name, mysql://user@host/name, or grpc://host:port of Optuna's "
        "proxy; without it a journal in the run folder, which workers on a shared file system can use too.",
    )
    storage_patience_s: float = knob(60.0, "Seconds that a --storage that has gone away is waited for.", lower=0.0, upper=86_400.0)
    compare_samplers: tuple[str, ...] = knob(
        (),
        "Further samplers by commas that search the same supernet with as many evaluations, for the report alone; such as random,evolution. "
        "May be given to a run that has ended.",
    )

    def __post_init__(self):
        check_knobs(self)
        others = [name for name in SAMPLERS if name != self.sampler]
        for name in self.compare_samplers:
            if name not in others or self.compare_samplers.count(name) > 1:
                raise ValueError(f"compare_samplers must be some of {', '.join(others)}, each once, got {','.join(self.compare_samplers)}; leave {name!r} out")


@dataclasses.dataclass(frozen=True)
class SearchConfig(SupernetConfig):
    """The main job: from a checkpoint, a task and a budget to an exported winner."""

    tune: bool = knob(True, "Measures which tiles are the fastest for products that --tuning lacks: about a second each, for a limit of this machine.")
    tuning: str = knob("", "A file of python -m bertnas_jax.compiler --tune for this CPU, or of another run; without it, what the package brings.")
    measure_rounds: int = knob(30, "Rounds of the final interleaved measurement.", lower=5, upper=10_000)
    budget: BudgetConfig = nested(BudgetConfig, flat=True)
    sampler: SamplerConfig = nested(SamplerConfig, flat=True)
    winner: TrainConfig = nested(TrainConfig)

    def __post_init__(self):
        super().__post_init__()
        if self.task.is_text:
            raise ValueError(
                f"task must have labels to search by, got {self.task.task!r}; train on it by python -m bertnas_jax.train and search "
                "with the encoder it writes as --checkpoint"
            )
        if self.budget.seq_len < self.max_length:
            raise ValueError(
                f"seq_len must be at least max_length, got seq_len={self.budget.seq_len}, max_length={self.max_length}; "
                "the deployed model must take every sentence it was scored on"
            )

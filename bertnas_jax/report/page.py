"""The page: one HTML file that opens offline."""

from __future__ import annotations

import html

from bertnas_jax.report import figures, facts
from bertnas_jax.report.architecture import architecture_svg
from bertnas_jax.report.budget import Limit
from bertnas_jax.report.deploy import deploy_steps
from bertnas_jax.report.dtypes import best_dtypes_sentence, dtype_table
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_plot import front_html
from bertnas_jax.report.front_rows import intervals_told
from bertnas_jax.report.html_table import facts_html
from bertnas_jax.report.labels import limit_label
from bertnas_jax.report.methods_plot import methods_html
from bertnas_jax.report.page_style import STYLE
from bertnas_jax.report.recommendation import recommend
from bertnas_jax.report.results import RunResults
from bertnas_jax.report.summary import Summary
from bertnas_jax.report.tables import (
    all_latencies_table,
    budget_table,
    comparison_table,
    finalists_table,
    kernels_table,
    latency_table,
    methods_table,
)
from bertnas_jax.search.kernel_cost import CostsAt

# The browser itself refuses whatever would come over the network.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(run: RunResults) -> str:
    """The HTML document."""
    summary = run.summary
    title = html.escape(f"{summary.task.name}: the best sub-network of {summary.checkpoint}")
    told = (_verdict(summary), _budget(summary), _front(run), _winner(run), _kernels(run), _comparison(run), _methods(run))
    body = "".join((*told, _latencies(run), _evidence(run), _deploy(run)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f'<body><main><h1>{title}</h1><p class="muted">{html.escape(_origin(summary))}</p>{body}</main></body></html>\n'
    )


def _origin(summary: Summary) -> str:
    budget = summary.budget
    limits = [*map(_limit, budget.limits), *(size.allowed for size in budget.sizes)]
    return f"bertnas_jax, {summary.date.replace('T', ' ')}. Budget: {'; '.join(limits)}; batch 1."


def _limit(limit: Limit) -> str:
    text = f"{figures.milliseconds(limit.latency_ms)} ms"
    if limit.speedup_over_bert_base is not None:
        text += f" (asked for as {figures.factor(limit.speedup_over_bert_base)} as fast as BERT-base on TFLite)"
    if limit.energy_mj is not None:
        text += f" (asked for as {figures.millijoules(limit.energy_mj)})"
    return f"{text} on {limit_label(limit)}"


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>{''.join(parts)}</section>\n"


def _note(text: str) -> str:
    return f'<p class="muted">{html.escape(text)}</p>'


def _verdict(summary: Summary) -> str:
    kind = "verdict" if summary.winner.compliant else "verdict missed"
    key = "".join(
        f'<div><span class="muted">{html.escape(name)}</span><b>{html.escape(value)}</b><span class="muted">{html.escape(context)}</span></div>'
        for name, value, context in facts.key_figures(summary)
    )
    return f'<section class="{kind}"><p>{html.escape(recommend(summary))}</p><div class="key">{key}</div></section>\n'


def _budget(summary: Summary) -> str:
    if summary.budget.evidence != "simulated" and summary.budget.count == 1:
        return ""  # all is said above
    note = (
        "A simulated latency is a sum over the model's kernels by a calibrated roofline; nothing ran on that device. "
        "Its interval is meant for 90 % of cases, by what is known of the device. The file is what the limit is for; the score is that of all of "
        "dev in its numbers: of a .tflite run on this machine, of what our compiler makes by the same precision compiled for this machine."
    )
    return _section("The budget, limit by limit", _note(note), budget_table(summary).html())


def _front(run: RunResults) -> str:
    note = (
        f"Each point is a sub-network: {_cost_told(run.summary)}, its score that by the shared weights on a part of the dev split. "
        f"The filled star is the winner after its own fine-tuning, on all of dev. {intervals_told(run)} Point at one for its sizes."
    )
    title = "Score against latency" if run.summary.budget.limits else f"Score against {front_cost(run.summary).name}"
    absent = "<noscript><p>The plot needs JavaScript; pareto.png beside this file shows the same.</p></noscript>"
    return _section(title, _note(note), front_html(run), absent)


def _cost_told(summary: Summary) -> str:
    limits = summary.budget.limits
    if limits:
        return f"its latency is the sum of its kernels' latencies on {limit_label(limits[0])}"
    return f"its {front_cost(summary).name} are counted before it is built"


def _winner(run: RunResults) -> str:
    drawing = _section("The winner", _note("Bars are filled as far as the winner keeps the teacher's width."), architecture_svg(run.summary))
    score = _section("What the score is worth", facts_html(facts.score_facts(run)))
    return f'<div class="pair"><div>{drawing}</div><div>{score}{_parity(run.summary)}</div></div>'


def _parity(summary: Summary) -> str:
    note = f"Largest difference of any logit between the exported file and the model, {figures.plural(summary.parity.sentences, 'sentence')}."
    return _section("Exported files against the model", _note(note), facts_html(facts.parity_facts(summary)))


def _kernels(run: RunResults) -> str:
    """Why it is as fast as it is: under the first limit, and under the others on demand."""
    note = (
        "The winner's kernels, by time. gemm: products with weights, what follows them fused in; attention: scores, softmax and mix; "
        "rows: embeddings and LayerNorm. Of simulated ones the name is the operator's or the fused kernel's."
    )
    if not run.kernels:
        return ""  # no latency is limited, and so no kernel was priced
    first, *others = map(_kernels_at, run.kernels)
    rest = f"<details><summary>Under the other limits</summary>{''.join(others)}</details>" if others else ""
    return _section("Where the winner's time goes", _note(note), first, rest)


def _kernels_at(costs: CostsAt) -> str:
    kinds = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in list(costs.shares().items())[:4])
    return f"<h3>{html.escape(f'{costs.place}, {costs.source}: {kinds}')}</h3>{kernels_table(costs).html()}"


def _methods(run: RunResults) -> str:
    front = front_cost(run.summary)
    note = (
        f"Hypervolume: the score times {front.unit} that the sub-networks cover together, above the least score of any method and under the budget "
        f"({front.told(run.summary.search.survey.budget_ms)} with its margin). "
    )
    if run.compared:
        note += "Every sampler began with the same uniform nets and the same seed; one seed each: a small difference may be chance."
    else:
        note += "Other samplers were not asked for: the same command with --compare_samplers=random,evolution adds them, at the cost of their evaluations."
    return _section("Methods compared", _note(note), methods_html(run), methods_table(run).html())


def _comparison(run: RunResults) -> str:
    note = (
        "In brackets, times as fast as BERT-base on TFLite. The best uniform net has equal blocks and costs no more than the winner by the "
        f"{front_cost(run.summary).priced_by}; compare the two in the supernet's column, as only the winner was tuned. "
        "BERT-base and the uniform net: FLOPs of the blocks alone; BERT-base: sizes and parameters of bert-base-uncased."
    )
    if run.best_uniform is None:
        note += " No uniform net of the space costs as little as the winner."
    elif run.best_uniform.subnet == run.summary.subnet:
        note += " Here the winner is that net: of those that were evaluated no unequal blocks did better."
    finalists = "<h3>Finalists</h3>" + _note("What was foreseen, and what is known of the built model.") + finalists_table(run).html()
    return _section("Compared", _note(note), comparison_table(run).html(), finalists)


def _latencies(run: RunResults) -> str:
    torn = f" {figures.plural(run.torn_lines, 'line')} torn by a crash left out." if run.torn_lines else ""
    note = "Batch 1. Drift is the slowest over the fastest quarter of the reference's runs: 1 on a steady machine." + torn
    records = figures.plural(len(run.latencies), "record")
    every = f"<details><summary>All {records} of latency.jsonl</summary>{_note(note)}{all_latencies_table(run.latencies).html()}</details>"
    return _section("Latencies and where they are from", latency_table(run.summary).html(), every) + _dtypes(run.summary)


def _dtypes(summary: Summary) -> str:
    if summary.best_dtype is None:
        return ""
    note = "In float32 the score is the model's; narrower models were run on all of dev. Errors are of logits against the model in float32. "
    return _section("The winner in every dtype", _note(note + best_dtypes_sentence(summary)), dtype_table(summary).html())


def _evidence(run: RunResults) -> str:
    summary = run.summary
    search = _section("Search and stage times", facts_html(facts.search_facts(run)))
    machine = _section("Machine", facts_html(facts.text_facts(summary.device)))
    versions = _section("Versions", facts_html(facts.text_facts(summary.versions)))
    return f'<div class="pair"><div>{search}</div><div>{machine}{versions}</div></div>'


def _deploy(run: RunResults) -> str:
    steps = "".join(f"<h3>{html.escape(name)}</h3><pre>{html.escape(code)}</pre>" for name, code in deploy_steps(run))
    method = (
        '<p class="muted">The method follows <a href="https://arxiv.org/abs/2009.06823">arXiv 2009.06823</a> '
        "in having the compiler inside the search.</p>"
    )
    return _section("Deploy", steps, method)

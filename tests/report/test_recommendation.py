from bertnas_jax.report.parse import parse
from bertnas_jax.report.recommendation import recommend
from bertnas_jax.report.summary import Summary
from tests.report.run_folders import LATENCIES, latency, missed, summary


def recommended(**changes):
    return recommend(parse(Summary, summary(**changes), "summary"))


def test_a_winner_that_meets_the_budget_is_recommended():
    assert recommended() == (
        "Use the 2-block sub-network: 81.9 % accuracy (teacher 83.5 %), 8.00 ms on host by TVM with 1 thread, "
        "20.0x as fast as BERT-base on TFLite; it meets the budget of 9.00 ms (measured)."
    )


def test_a_winner_over_the_budget_is_not():
    assert recommended(**missed()) == (
        "Do not use the 2-block sub-network for this budget: 9.90 ms on host by TVM with 1 thread, it misses the budget of 9.00 ms "
        "by 10.0 % (measured), at 81.9 % accuracy (teacher 83.5 %); allow more latency or widen the search space towards smaller nets."
    )


def test_a_winner_under_the_budget_by_too_little_is_not():
    text = recommended(winner={"compliant": False})
    assert text.startswith("Do not use")
    assert "it misses the budget of 9.00 ms, as its median is under it by less than the margin for noise (measured)" in text


def test_a_budget_asked_for_as_a_factor_is_told_as_one():
    factor = {"budget": {"speedup_over_bert_base": 12.0}}
    assert "20.0x as fast as BERT-base on TFLite; it meets the budget of 12.0x BERT-base (measured)." in recommended(**factor)
    missing = recommended(**factor, winner={"compliant": False}, speedup_vs_tflite_bert_base=10.0)
    assert "it misses the budget of 12.0x BERT-base by 20.0 % (measured)" in missing


def test_a_simulated_latency_is_called_so():
    simulated = [latency("winner", "tvm", 8.0, 8.0, source="simulated", runs=0), *LATENCIES[1:]]
    assert "it meets the budget of 9.00 ms (simulated, not measured)." in recommended(winner={"evidence": "simulated"}, latencies=simulated)


def test_a_correlation_is_not_in_percent():
    told = {"task": {"metric": "spearman"}, "teacher": {"metric": "spearman"}, "winner": {"metric": "spearman"}}
    assert "0.819 Spearman correlation (teacher 0.835)" in recommended(**told)

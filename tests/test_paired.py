"""Two findings on the same rows: what each kept by block, subtracted block by block."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case
from readiness.changes import Change, Turn, changes
from readiness.checks.baseline import calibration, headline_metric, simple_baselines
from readiness.compare import compare_runs, comparison_lines
from readiness.compare_page import compare_page
from readiness.errors import RunError
from readiness.evidence import (
    MOST_LINES,
    Bins,
    bins_of,
    influence_lines,
    influence_table,
)
from readiness.intervals import block_sums, clustered_interval
from readiness.kept import Kept, Key, Sums, read_kept
from readiness.manifest import FILE as MANIFEST
from readiness.manifest import write_manifest
from readiness.markup import csv_text
from readiness.result import INFLUENCE, Options
from readiness.scored import Scores
from readiness.stats import Clusters, Estimate, weighted_mean
from tests.cases import binary_case, regression_case, small_case
from tests.meetings import FIRST, SECOND, finding_of, publish_run
from tests.sample_pages import sample_results

CHECKS = {"P1": headline_metric, "P2": simple_baselines, "P3": calibration}
HEADLINE = ("P1", "roc_auc", "")
FILE = f"P1-{INFLUENCE}.csv"


def measured(case: Case, code: str) -> Any:  # noqa: ANN401 (a Measurement)
    check = CHECKS[code].CHECK
    return check.measure(case, Options(values=dict(check.defaults)))


def scored_days(n_days: int, per_day: int) -> Scores:
    """Return rows of days, without labels or scores that anybody reads."""
    day = np.repeat(np.arange(n_days), per_day)
    return Scores(
        table="reference",
        row=np.arange(len(day)),
        y_true=np.zeros(len(day)),
        y_score=np.zeros(len(day)),
        weight=None,
        time=np.datetime64("2024-01-01", "ns") + day * np.timedelta64(1, "D"),
        clusters=Clusters(block=day),
        left_out={},
    )


def kept_of(estimate: Estimate, day: Any, called: str = "1d") -> pd.DataFrame:  # noqa: ANN401 (codes)
    bins = Bins(table="reference", called=called, bin=day)
    return influence_lines("roc_auc", "", estimate, [bins])


@cache
def template() -> dict[str, Any]:
    """Return results with one required finding, at least 0.5."""
    results = sample_results()
    finding = finding_of(results, "P1", "roc_auc")
    finding |= {"side": "at_least", "limit": 0.5, "required": True, "status": "pass"}
    check = results["checks"][0] | {"findings": [finding], "tables": [FILE]}
    return {"checks": [check], "facts": {"tables": results["facts"]["tables"]}}


def run_of(
    estimate: Estimate,
    day: Any,  # noqa: ANN401 (codes)
    called: str = "1d",
) -> tuple[dict[str, Any], dict[Key, tuple[Sums, ...]]]:
    """Return results with one required finding, and what it kept."""
    interval = clustered_interval(estimate, Clusters(block=day))
    base = template()
    (finding,) = base["checks"][0]["findings"]
    ends = {"ci_low": interval.ci_low, "ci_high": interval.ci_high}
    check = {
        **base["checks"][0],
        "findings": [{**finding, **ends, "value": interval.value}],
    }
    sums = Sums(
        table="reference",
        blocks=called,
        block=np.unique(day),
        influence=block_sums(estimate.influence, day) / len(day),
    )
    tables = {name: dict(one) for name, one in base["facts"]["tables"].items()}
    results = {"checks": [check], "facts": {"tables": tables}}
    return results, {HEADLINE: (sums,)}


def change(before: tuple[Any, Kept], after: tuple[Any, Kept]) -> Change:
    (one,) = changes(before[0], after[0], (before[1], after[1]))
    return one


def drawn(rng: np.random.Generator, n_days: int = 60, per_day: int = 20) -> Any:  # noqa: ANN401 (arrays)
    """Return days, and two models' absolute errors, alike by day, equal in truth."""
    day = np.repeat(np.arange(n_days), per_day)
    of_day = rng.gamma(2.0, 0.5, n_days)[day]
    shared = rng.gamma(2.0, 0.5, len(day))
    first, second = rng.gamma(4.0, 0.05, (2, len(day)))
    return day, of_day + shared + first, of_day + shared + second


@pytest.mark.parametrize("code", CHECKS)
def test_sums_kept_by_day_give_the_published_standard_error(code: str) -> None:
    measurement = measured(binary_case(), code)
    kept, summary = measurement.tables[INFLUENCE], measurement.summary

    by_day = kept[kept["blocks"] == "1d"].groupby(["metric", "group"])["influence"]
    k = by_day.size()
    found = np.sqrt(by_day.agg(lambda one: (one**2).sum()) * k / (k - 1))

    published = summary.set_index(["metric", "group"]).loc[found.index]
    own = published["n_blocks"] == k
    assert own.sum() > len(own) / 2
    np.testing.assert_allclose(found[own], published["se"][own], rtol=1e-6)
    np.testing.assert_allclose(by_day.sum(), 0.0, atol=1e-8)


def test_regression_keeps_its_shares_and_its_bias() -> None:
    kept = measured(regression_case(), "P3").tables[INFLUENCE]

    assert {"bias", "residual_coverage"} == set(kept["metric"])
    assert "decile=1" in set(kept["group"])


def test_days_beyond_the_bound_are_joined_with_their_neighbours() -> None:
    (bins,) = bins_of(binary_case(), scored_days(1000, 20))

    assert bins.called == "4 x 1d"
    assert len(np.unique(bins.bin)) == 251  # 1,000 days from one not divisible by four
    assert (np.diff(bins.bin) >= 0).all()


def test_bin_holds_ten_rows_on_average() -> None:
    (bins,) = bins_of(binary_case(), scored_days(100, 2))

    assert len(np.unique(bins.bin)) <= 20


def test_rows_without_blocks_are_drawn_together_and_their_spread_stays() -> None:
    rng = np.random.default_rng(7)
    rows = replace(scored_days(5000, 1), clusters=Clusters())
    estimate = weighted_mean(rng.normal(size=5000))

    (bins,) = bins_of(binary_case(), rows)
    sums = influence_lines("m", "", estimate, [bins])["influence"].to_numpy()

    # Of 200 sums the standard error itself is known to 1 / sqrt(400) = 5 %.
    assert len(sums) == 200
    se = np.sqrt((sums**2).sum() * 200 / 199)
    assert se == pytest.approx(5000**-0.5, rel=0.15)


def test_rows_without_a_time_stay_apart_from_every_day() -> None:
    rows = scored_days(50, 20)
    time = rows.time.copy()  # type: ignore[union-attr]  # it has one
    time[::10] = np.datetime64("NaT", "ns")

    (bins,) = bins_of(binary_case(), replace(rows, time=time))

    assert (bins.bin[::10] < 0).all()
    assert (np.delete(bins.bin, np.s_[::10]) > 0).all()


def test_group_of_a_sensitive_column_keeps_nothing() -> None:
    open_case = small_case(columns={"carrier": {"group": True}})
    hidden = small_case(columns={"carrier": {"group": True, "sensitive": True}})

    kept, none = (measured(one, "P1").tables[INFLUENCE] for one in (open_case, hidden))

    assert "carrier=AA" in set(kept["group"])
    assert not none["group"].str.startswith("carrier=").any()
    assert set(none["group"]) < set(kept["group"])


def test_values_of_a_sensitive_entity_are_drawn_together_by_ten() -> None:
    rows = scored_days(50, 40)
    plane = np.arange(2000) % 200
    case = small_case(columns={"plane": {"sensitive": True}}, data={"entity": "plane"})
    clusters = Clusters(block=rows.clusters.block, entity=plane)

    _, bins = bins_of(case, replace(rows, clusters=clusters))

    assert bins.called == "plane in 20"
    assert len(np.unique(bins.bin)) == 20


def test_findings_beyond_the_bound_are_left_out_whole() -> None:
    one = kept_of(weighted_mean(np.arange(400.0)), np.arange(400))

    kept = influence_table([one] * 60)

    assert len(kept) == MOST_LINES


def test_finding_without_a_value_keeps_nothing() -> None:
    nothing = Estimate(value=float("nan"), influence=np.full(4, np.nan))

    assert kept_of(nothing, np.arange(4)).empty


def test_model_compared_with_itself_differs_by_nothing() -> None:
    day, loss, _ = drawn(np.random.default_rng(7))
    run = run_of(weighted_mean(-loss), day)

    one = change(run, run)

    assert (one.difference, one.low, one.high) == (0, 0, 0)
    assert (one.turn, one.n_blocks, one.worse) == (Turn.WITHIN, 60, 0)


def test_known_shift_of_every_score_is_found_without_any_width() -> None:
    # A bias is the mean of prediction less truth: the same errors, a quarter lower.
    day, loss, _ = drawn(np.random.default_rng(7))
    before = run_of(weighted_mean(loss), day)
    after = run_of(weighted_mean(loss - 0.25), day)

    one = change(before, after)

    assert one.difference == pytest.approx(-0.25)
    assert one.high - one.low == pytest.approx(0, abs=1e-7)  # type: ignore[operator]  # both known
    assert one.turn is Turn.WORSE


def test_paired_interval_is_that_of_the_difference_of_the_rows() -> None:
    day, first, second = drawn(np.random.default_rng(7))
    runs = [run_of(weighted_mean(-loss), day) for loss in (first, second)]

    one = change(*runs)

    by_rows = clustered_interval(weighted_mean(first - second), Clusters(block=day))
    assert (one.low, one.high) == pytest.approx((by_rows.ci_low, by_rows.ci_high))


def test_value_mirrored_at_the_middle_is_paired_as_well() -> None:
    # Between 0 and 4 the middle is 2: of 1.5 the mirror image is 2.5, from which
    # 2.4 is 0.1 nearer to the middle, with the sums added.
    day, first, second = drawn(np.random.default_rng(7))
    values = (first - first.mean() + 1.5, second - second.mean() + 2.4)
    runs = [run_of(weighted_mean(one), day) for one in values]
    for results, _ in runs:
        (low,) = results["checks"][0]["findings"]
        low["limit"] = 0.0
        results["checks"][0]["findings"].append(low | {"side": "at_most", "limit": 4})

    one = change(*runs)

    of_sum = clustered_interval(weighted_mean(sum(values)), Clusters(block=day))
    half = of_sum.ci_high - of_sum.value
    assert one.worse == pytest.approx(-0.1 / half)


@pytest.mark.parametrize(
    ("alter", "why"),
    [
        (lambda before, _: before[1].clear(), "no sums by block are kept"),
        (
            lambda before, _: before[0]["facts"]["tables"]["reference"].update(
                sha256="00" * 32
            ),
            "the runs read other reference rows",
        ),
    ],
)
def test_what_cannot_be_paired_is_taken_as_independent_and_says_why(
    alter: Any,  # noqa: ANN401 (a change of a run)
    why: str,
) -> None:
    day, first, second = drawn(np.random.default_rng(7))
    before = run_of(weighted_mean(-first), day)
    after = run_of(weighted_mean(-second), day)
    paired = change(before, after)
    alter(before, after)

    one = change(before, after)

    assert (one.n_blocks, one.unpaired) == (None, why)
    assert one.high - one.low > 3 * (paired.high - paired.low)  # type: ignore[operator]  # all known


@pytest.mark.parametrize(("seeded", "n_blocks"), [(True, None), (False, 60)])
def test_check_that_draws_is_paired_with_the_same_seed_alone(
    seeded: bool,  # noqa: FBT001 (a parameter)
    n_blocks: int | None,
) -> None:
    day, first, second = drawn(np.random.default_rng(7))
    runs = [run_of(weighted_mean(-loss), day) for loss in (first, second)]
    for seed, (results, _) in enumerate(runs):
        results["seed"] = seed
        results["checks"][0]["seeded"] = seeded

    one = change(*runs)

    assert one.n_blocks == n_blocks
    assert bool(one.unpaired) is seeded


def test_other_blocks_are_not_paired() -> None:
    day, first, second = drawn(np.random.default_rng(7))
    before = run_of(weighted_mean(-first), day)
    after = run_of(weighted_mean(-second), day // 7, called="1w")

    assert change(before, after).unpaired == "their blocks are not the same"


@pytest.mark.parametrize(
    "text",
    [
        "a,b\r\n1,2\r\n",
        "metric,group,table,blocks,block,influence\r\nroc_auc,,reference,1d,x,0.1\r\n",
        "metric,group,table,blocks,block,influence\r\nroc_auc,,reference,1d,1,nan\r\n",
        "metric,group,table,blocks,block,influence\r\nroc_auc\r\n",
    ],
)
def test_file_of_another_shape_is_no_evidence(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text, "utf-8")

    assert read_kept(tmp_path, [{"code": "P1", "tables": [FILE]}]) == {}


def test_what_a_check_keeps_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept = measured(binary_case(), "P1").tables[INFLUENCE]
    (tmp_path / FILE).write_text(csv_text(kept), "utf-8")

    found = read_kept(tmp_path, [{"code": "P1", "tables": [FILE]}])

    one, _ = found["P1", "roc_auc", "table=current"]
    mine = (kept["metric"] == "roc_auc") & (kept["group"] == "table=current")
    lines = kept[mine & (kept["blocks"] == "1d")]
    assert (one.table, one.blocks) == ("current", "1d")
    assert one.block.tolist() == lines["block"].tolist()
    assert one.influence.tolist() == lines["influence"].tolist()


def test_gate_between_equal_models_rings_at_most_once_in_twenty() -> None:
    rng = np.random.default_rng(7)

    def rings() -> bool:
        day, first, second = drawn(rng)
        runs = [run_of(weighted_mean(-loss), day) for loss in (first, second)]
        return change(*runs).turn is Turn.WORSE

    # 5 % one-sided, and three standard errors of 200 trials above it (4.6 %).
    assert sum(rings() for _ in range(200)) / 200 < 0.097


@pytest.mark.slow
def test_paired_interval_covers_nine_times_in_ten_and_is_much_narrower() -> None:
    rng = np.random.default_rng(11)
    covers, ratios = [], []
    for _ in range(1000):
        day, first, second = drawn(rng)
        before = run_of(weighted_mean(-first), day)
        after = run_of(weighted_mean(-second), day)
        one = change(before, after)
        apart = change((before[0], {}), after)
        covers.append(one.low <= 0 <= one.high)  # type: ignore[operator]  # both known
        ratios.append((one.high - one.low) / (apart.high - apart.low))  # type: ignore[operator]

    # 90 % of 1,000 trials, three standard errors (2.8 %) to either side.
    assert 0.872 < np.mean(covers) < 0.928
    assert np.median(ratios) < 0.2


def keeping(estimate: Estimate, day: Any) -> Any:  # noqa: ANN401 (a change)
    """Return a change of the sample results: what P1 measured and keeps."""

    def alter(results: dict[str, Any]) -> None:
        one, _ = run_of(estimate, day)
        finding_of(results, "P1", "roc_auc").update(one["checks"][0]["findings"][0])
        results["checks"][0]["tables"] = [FILE]

    return alter


def publish_kept(
    out: Path,
    run_id: str,
    estimate: Estimate,
    day: Any,  # noqa: ANN401 (codes)
) -> Path:
    """Publish the sample run with a finding that kept its sums by day."""
    folder = publish_run(out, run_id, keeping(estimate, day))
    (folder / "tables").mkdir()
    (folder / "tables" / FILE).write_text(csv_text(kept_of(estimate, day)), "utf-8")
    (folder / MANIFEST).unlink()
    write_manifest(folder, {"run_id": run_id})
    return folder


def test_candidate_and_champion_are_paired_on_the_page_and_in_the_terminal(
    tmp_path: Path,
) -> None:
    day, first, second = drawn(np.random.default_rng(7))
    champion = publish_kept(tmp_path, FIRST, weighted_mean(3 - first), day)
    candidate = publish_kept(tmp_path, SECOND, weighted_mean(2.9 - second), day)

    comparison = compare_runs(champion, candidate)
    page, lines = compare_page(comparison), comparison_lines(comparison)

    assert comparison.gate == 1
    assert "paired over 60 blocks" in lines[0]
    assert page.count("paired over 60 blocks") == 2
    assert "as independent: no sums by block are kept" in page


def test_altered_sums_are_not_compared(tmp_path: Path) -> None:
    day, first, _ = drawn(np.random.default_rng(7))
    run = publish_kept(tmp_path, FIRST, weighted_mean(3 - first), day)
    (run / "tables" / FILE).write_text("metric\r\n", "utf-8")

    with pytest.raises(RunError, match="is not what was published"):
        compare_runs(run, run)

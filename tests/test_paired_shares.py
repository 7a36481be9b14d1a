"""Shares counted in a stream: what they keep by block is what their rows would keep."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case
from readiness.checks.baseline import headline_metric
from readiness.checks.coverage import (
    conformal_support,
    uncovered_patterns,
    value_ranges,
)
from readiness.evidence import bins_of, influence_lines, share_lines
from readiness.intervals import clustered_interval
from readiness.kept import GIVEN, Paired, Sums, paired
from readiness.result import INFLUENCE, Options
from readiness.scoring import scores
from readiness.shares import ShareCounts, merge_share_counts, share_counts
from readiness.stats import Clusters, weighted_mean
from readiness.table_rows import clusters_of, keys_of
from tests.cases import binary_case, small_case, small_frames

COVERAGE = {"C1": uncovered_patterns, "C2": value_ranges, "C4": conformal_support}
NAME = ("outside_share", "")
WAY = ["table", "blocks"]


def measured(case: Case, module: Any) -> Any:  # noqa: ANN401 (a module; a Measurement)
    return module.CHECK.measure(case, Options(values=dict(module.CHECK.defaults)))


def counted(case: Case, hits: Any, name: str = "reference", cut: int = 500) -> Any:  # noqa: ANN401 (bools; ShareCounts)
    """Count one share of a table in two batches."""
    table = case.table(name)
    keys = keys_of(case, table)
    (whole,) = table.batches(keys.columns())
    parts = []
    for start, batch in ((0, whole.slice(0, cut)), (cut, whole.slice(cut))):
        here = hits[start : start + batch.num_rows, None]
        parts.append(share_counts(here, clusters_of(batch, keys)))
    return merge_share_counts(*parts)


def sums_of(lines: pd.DataFrame) -> tuple[Sums, ...]:
    return tuple(
        Sums(
            table=way[0],
            blocks=way[1],
            block=one["block"].to_numpy(),
            influence=one["influence"].to_numpy(),
        )
        for way, one in lines.groupby(WAY)
    )


def kept_of(case: Case, counts: ShareCounts, name: str = "reference") -> Any:  # noqa: ANN401 (Sums)
    (lines,) = share_lines(case, case.table(name), counts, [NAME])
    return sums_of(lines)


def both_hit(rng: np.random.Generator, day: Any) -> tuple[Any, Any]:  # noqa: ANN401 (arrays)
    """Return the hits of two models, alike by day and by row, as likely in truth."""
    level = 0.3 * rng.random(day.max() + 1)[day]
    shared = rng.random(len(day)) < level
    return tuple(shared ^ (rng.random(len(day)) < 0.02) for _ in range(2))


@pytest.mark.parametrize("code", COVERAGE)
def test_shares_kept_by_day_give_the_published_standard_error(code: str) -> None:
    measurement = measured(binary_case(), COVERAGE[code])
    published = measurement.summary.set_index(["metric", "group"])
    held = []

    for finding, lines in measurement.tables[INFLUENCE].groupby(["metric", "group"]):
        is_day = lines["blocks"].str.partition(GIVEN)[0] == "1d"  # C4 adds its anchors
        by_day = lines[is_day].groupby("table")["influence"]
        se = [np.sqrt((one**2).sum() * 60 / 59) for _, one in by_day]
        assert by_day.size().tolist() == [60] * len(se)
        np.testing.assert_allclose(by_day.sum(), 0.0, atol=1e-8)
        own = published.loc[finding]
        if own["n_blocks"] == 60:  # the days were wider than the planes
            # C1 holds a difference of two tables, taken as independent.
            held.append((np.hypot.reduce(se), own["se"]))

    assert len(held) >= 2
    found, wanted = zip(*held, strict=True)
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("block", ["1d", "1w", "plane", "carrier"])
@pytest.mark.parametrize("sensitive", [False, True])
def test_share_counted_in_a_stream_keeps_what_its_rows_would(
    block: str,
    sensitive: bool,  # noqa: FBT001 (a parameter)
) -> None:
    hidden = {"plane": {"sensitive": sensitive}}
    case = small_case(data={"block": block}, columns=hidden)
    rows = scores(case, "reference")
    hits = np.random.default_rng(7).random(len(rows.row)) < 0.1

    (found,) = share_lines(case, case.table("reference"), counted(case, hits), [NAME])

    of_rows = influence_lines(*NAME, weighted_mean(hits), bins_of(case, rows))
    pd.testing.assert_frame_equal(found, of_rows, check_dtype=False)


def test_rows_without_a_day_stay_apart_from_every_day() -> None:
    frames = small_frames()
    frames["reference"].loc[::9, "scheduled"] = pd.NaT
    case = small_case(frames=frames)
    hits = np.random.default_rng(7).random(1200) < 0.1

    by_day, _ = kept_of(case, counted(case, hits))

    # 64 bins and 60 days are more than 1,200 rows allow: two are joined.
    assert by_day.blocks == "2 x 1d"
    assert (by_day.block < 0).sum() == 32
    assert (by_day.block > 9_000).sum() == 31
    assert by_day.influence.sum() == pytest.approx(0.0, abs=1e-8)


def test_case_without_blocks_keeps_nothing_of_its_shares() -> None:
    case = small_case(data={"time": None, "entity": None})
    counts = share_counts(np.arange(1200)[:, None] < 100, Clusters())

    (lines,) = share_lines(case, case.table("reference"), counts, [NAME])

    assert lines.empty


def test_share_and_metric_are_summed_by_the_same_blocks() -> None:
    case = binary_case()
    metric = measured(case, headline_metric).tables[INFLUENCE]
    share = measured(case, value_ranges).tables[INFLUENCE]

    here = metric[
        (metric["group"] == "table=current") & (metric["metric"] == "roc_auc")
    ]
    there = share[share["group"] == ""]

    assert (
        here[[*WAY, "block"]].values.tolist() == there[[*WAY, "block"]].values.tolist()
    )


def test_column_declared_sensitive_keeps_nothing() -> None:
    case = small_case(columns={"wind": {"sensitive": True}})

    groups = set(measured(case, value_ranges).tables[INFLUENCE]["group"])

    assert {"", "distance"} <= groups
    assert "wind" not in groups


@pytest.mark.parametrize("code", COVERAGE)
def test_run_compared_with_itself_differs_by_nothing(code: str) -> None:
    kept = measured(binary_case(), COVERAGE[code]).tables[INFLUENCE]

    for _, lines in kept.groupby(["metric", "group"]):
        one = paired(sums_of(lines), sums_of(lines), ("current", "reference"))
        assert isinstance(one, Paired)
        assert (one.below, one.above) == (0.0, 0.0)


def test_paired_interval_is_that_of_the_difference_of_the_hits() -> None:
    case = small_case()
    rows = scores(case, "reference")
    first, second = both_hit(np.random.default_rng(7), rows.clusters.block % 60)
    before, after = (kept_of(case, counted(case, one)) for one in (first, second))

    one = paired(before, after, ("reference",))

    moved = weighted_mean(second.astype(float) - first)
    # Planes are kept in 120 bins, so days alone are compared to the digit.
    by_day = clustered_interval(moved, Clusters(block=rows.clusters.block))
    assert isinstance(one, Paired)
    days = paired(before[:1], after[:1], ("reference",))
    assert (days.below, days.above) == pytest.approx(
        (by_day.value - by_day.ci_low, by_day.ci_high - by_day.value), rel=1e-6
    )
    assert one.below + one.above >= (days.below + days.above) * (1 - 1e-9)


def test_difference_of_two_tables_is_paired_in_both() -> None:
    # What C1 limits: current less reference, of two models on the same two tables.
    case = small_case(data={"entity": None})
    rng = np.random.default_rng(7)
    kept, moved = [[], []], []
    for name, sign in (("current", 1.0), ("reference", -1.0)):
        day = scores(case, name).clusters.block
        hits = both_hit(rng, day - day.min())
        for side, one in zip(kept, hits, strict=True):
            (lines,) = share_lines(
                case, case.table(name), counted(case, one, name), [NAME], sign=sign
            )
            side.append(lines)
        change = weighted_mean(hits[1].astype(float) - hits[0])
        moved.append(clustered_interval(change, Clusters(block=day)))
    before, after = (sums_of(pd.concat(one)) for one in kept)

    one = paired(before, after, ("current", "reference"))

    below = [moved[0].value - moved[0].ci_low, moved[1].ci_high - moved[1].value]
    above = [moved[0].ci_high - moved[0].value, moved[1].value - moved[1].ci_low]
    assert (one.below, one.above) == pytest.approx(
        (np.hypot(*below), np.hypot(*above)), rel=1e-6
    )
    assert paired(before, after, ("current",)) == "the runs read other reference rows"


def test_support_by_other_anchors_is_not_paired_and_is_redrawn_with_the_rest() -> None:
    # Another seed draws other anchors, and that moves the share as well as the rows do.
    case = binary_case()
    check, group = conformal_support.CHECK, ""
    before, after = (
        check.measure(case, Options(values=dict(check.defaults), seed=seed))
        for seed in (7, 8)
    )

    was, now = (
        sums_of(lines[lines["group"] == group])
        for lines in (one.tables[INFLUENCE] for one in (before, after))
    )

    assert paired(was, now, ("current",)) == "their blocks are not the same"
    assert ("current", "1d") in [one.way for one in now]


@pytest.mark.slow
def test_paired_interval_of_shares_covers_nine_times_in_ten_and_is_narrower() -> None:
    case = small_case(data={"entity": None})
    day = scores(case, "reference").clusters.block
    day = day - day.min()
    rng = np.random.default_rng(11)
    covers, ratios = [], []
    for _ in range(1000):
        hits = both_hit(rng, day)
        kept = [kept_of(case, counted(case, one)) for one in hits]
        one = paired(*kept, ("reference",))
        apart = [
            clustered_interval(weighted_mean(x), Clusters(block=day)) for x in hits
        ]
        moved = hits[1].mean() - hits[0].mean()
        covers.append(-one.above <= moved <= one.below)
        alone = np.hypot(*(x.ci_high - x.ci_low for x in apart))
        ratios.append((one.below + one.above) / alone)

    # 90 % of 1,000 trials, three standard errors (2.8 %) to either side.
    assert 0.872 < np.mean(covers) < 0.928
    assert np.median(ratios) < 0.5

"""D4: the worst share of the rows, on losses whose worst share is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from readiness.case import Case, load_case
from readiness.checks.drift import worst_subpopulation
from readiness.checks.drift._expected_loss import Costs, dealt, expected_losses
from readiness.checks.drift._worst_share import (
    Ranked,
    Worst,
    allowed,
    smallest_safe,
    worst_interval,
    worst_share,
)
from readiness.checks.drift.worst_subpopulation import CHECK
from readiness.errors import CaseError, NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import LimitInForce
from readiness.result import Limit, Measurement, Options, Status
from readiness.stats import Clusters, Estimate, Interval
from tests.cases import (
    binary_case,
    case_file,
    fitted_model,
    generated_rows,
    multiclass_case,
    regression_case,
    small_frames,
)
from tests.coverage_cases import plain_case
from tests.judging import TODAY, policy_with
from tests.scored import row_of

METRIC, SAFE = "worst_group_risk", "smallest_safe_share"


def ranked(
    loss: np.ndarray,
    expected: np.ndarray | None = None,
    *,
    is_share: bool = False,
    block: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Ranked:
    """Return rows of one fold, ranked by the losses themselves by default."""
    return Ranked(
        loss=loss,
        expected=loss if expected is None else expected,
        fold=np.zeros(len(loss), dtype=np.int64),
        weight=weight,
        clusters=Clusters(block=block),
        is_share=is_share,
    )


def fitted(
    X: np.ndarray, loss: np.ndarray, *, is_share: bool = False, key: object = None
) -> Ranked:
    """Return rows ranked by cross-fitted models."""
    costs = Costs(
        X=X, is_category=(False,) * X.shape[1], loss=loss, weight=None, key=key
    )
    expected, fold, _ = expected_losses(costs, 50_000, 7)
    return Ranked(
        loss=loss,
        expected=expected,
        fold=fold,
        weight=None,
        clusters=Clusters(block=key),
        is_share=is_share,
        highest=1.0 if is_share else float("inf"),
    )


@pytest.mark.parametrize(
    ("losses", "truth", "alpha"),
    [
        # Exp(1): the worst tenth begins at ln 10 and lies 1 above it on average.
        (lambda rng, n: rng.exponential(size=n), 3.302585, 0.1),
        (lambda rng, n: 2 + 3 * rng.normal(size=n), 2 + 3 * 1.754983, 0.1),
        (lambda rng, n: np.abs(rng.normal(size=n)), 2.062713, 0.1),
        (lambda rng, n: np.abs(rng.normal(size=n)), 2.337803, 0.05),
    ],
)
def test_raw_worst_share_follows_the_closed_form(losses, truth, alpha) -> None:  # noqa: ANN001 (parameters)
    rows = ranked(losses(np.random.default_rng(1), 200_000))

    found = worst_share(rows, alpha)
    se = worst_interval(rows, found).se

    assert found.estimate.value == pytest.approx(truth, abs=4 * se)
    assert se < 0.03


def test_closed_forms_are_those_of_the_normal_law() -> None:
    assert 1 + np.log(10) == pytest.approx(3.302585, abs=1e-6)
    assert norm.pdf(norm.ppf(0.9)) / 0.1 == pytest.approx(1.754983, abs=1e-6)
    assert 2 * norm.pdf(norm.ppf(0.95)) / 0.1 == pytest.approx(2.062713, abs=1e-6)
    assert 2 * norm.pdf(norm.ppf(0.975)) / 0.05 == pytest.approx(2.337803, abs=1e-6)


@pytest.mark.parametrize(("alpha", "truth"), [(0.05, 1.0), (0.1, 1.0), (0.4, 0.25)])
def test_raw_worst_share_of_wrong_rows_is_the_law_of_bernoulli(
    alpha: float, truth: float
) -> None:
    # A tenth of the rows is wrong: any tenth or less can be all wrong, min(1, p / a).
    loss = np.repeat([1.0, 0.0], [100, 900])

    assert worst_share(ranked(loss), alpha).estimate.value == pytest.approx(truth)


def test_value_is_the_mean_loss_of_the_rows_ranked_worst_worked_by_hand() -> None:
    # The worst two of five by expectation are rows 0 and 3: (1 + 4) / 2.
    expected = np.array([9.0, 1.0, 2.0, 8.0, 3.0])
    loss = np.array([1.0, 7.0, 7.0, 4.0, 7.0])

    found = worst_share(ranked(loss, expected), 0.4)

    assert found.estimate.value == pytest.approx(2.5)
    assert found.told == pytest.approx(8.5)
    assert found.allowance == pytest.approx(6.0)
    assert found.estimate.influence.mean() == pytest.approx(0.0)


def test_rows_tied_at_the_edge_share_it() -> None:
    # All are expected to cost the same: the worst tenth is a tenth of each row.
    loss = np.array([0.0, 1.0, 2.0, 5.0])

    found = worst_share(ranked(loss, np.ones(4)), 0.1)

    assert found.estimate.value == pytest.approx(2.0)
    assert found.member == pytest.approx(np.full(4, 0.1))
    # It is the mean, with the error of a mean and not ten times that.
    assert found.estimate.influence == pytest.approx(loss - 2.0)


def test_weights_are_copies_of_rows() -> None:
    rng = np.random.default_rng(2)
    loss, copies = rng.exponential(size=400), rng.integers(1, 4, 400)

    weighted = worst_share(ranked(loss, weight=copies.astype(float)), 0.1)

    copied = worst_share(ranked(np.repeat(loss, copies)), 0.1)
    assert weighted.estimate.value == pytest.approx(copied.estimate.value)


def test_ranks_of_two_folds_are_not_compared() -> None:
    # The model of the second fold says ten times as much: still a half of each.
    rows = ranked(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 10.0, 20.0]))
    rows = Ranked(
        loss=rows.loss,
        expected=rows.expected,
        fold=np.array([0, 0, 1, 1]),
        weight=None,
        clusters=Clusters(),
    )

    assert worst_share(rows, 0.5).estimate.value == pytest.approx(3.0)


def test_upper_limit_holds_the_allowance_and_the_lower_does_not() -> None:
    found = Interval(
        value=0.3,
        ci_low=0.25,
        ci_high=0.35,
        se=0.03,
        n_rows=1000,
        n_blocks=50,
        dependence_factor=1.0,
    )
    worst = Worst(
        share=0.1,
        estimate=Estimate(value=0.3, influence=np.zeros(1)),
        told=0.22,
        member=np.ones(1),
    )

    wide = allowed(found, worst, 1.0)

    assert (wide.ci_low, wide.ci_high) == (0.25, pytest.approx(0.43))
    assert allowed(found, worst, 0.4).ci_high == pytest.approx(0.4)


def test_blocks_and_not_rows_decide_the_width() -> None:
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(50), 40)
    loss = rng.exponential(size=50)[day] + rng.exponential(size=2000)

    by_day, by_row = (
        worst_interval(rows, worst_share(rows, 0.1))
        for rows in (ranked(loss, block=day), ranked(loss))
    )

    assert by_day.dependence_factor > 2
    assert by_day.ci_high - by_day.ci_low > 2 * (by_row.ci_high - by_row.ci_low)


def test_no_wrong_row_is_no_proof_of_perfection() -> None:
    rows = ranked(np.zeros(2000), is_share=True, block=np.repeat(np.arange(40), 50))

    found = worst_interval(rows, worst_share(rows, 0.1))

    # A tenth of 40 blocks, none wrong: 1 - 0.05 ** (1 / 4).
    assert found.value == 0
    assert found.ci_high == pytest.approx(1 - 0.05**0.25)


def curve(*values: float) -> list[Interval]:
    return [
        Interval(
            value=one,
            ci_low=one - 0.1,
            ci_high=one + 0.1,
            se=0.05,
            n_rows=500,
            n_blocks=60,
            dependence_factor=1.0,
        )
        for one in values
    ]


def test_smallest_safe_share_is_where_the_curve_crosses() -> None:
    # 0.35 lies a quarter of the way from 0.3 at a half to 0.5 at a tenth of the rows;
    # for the upper limits from 0.2 to 0.4 before a half, for the lower ones after it.
    found = smallest_safe([1.0, 0.5, 0.1], curve(0.1, 0.3, 0.5), 0.35)

    assert found.value == pytest.approx(0.5 - 0.25 * 0.4)
    assert found.ci_high == pytest.approx(1.0 - 0.75 * 0.5)
    assert found.ci_low == pytest.approx(0.5 - 0.75 * 0.4)


def test_smallest_safe_share_beyond_the_curve_is_no_number() -> None:
    above = smallest_safe([1.0, 0.1], curve(0.1, 0.2), 0.4)
    below = smallest_safe([1.0, 0.1], curve(0.6, 0.7), 0.4)

    assert np.isnan(above.value)
    assert (above.ci_low, above.ci_high) == (0.0, 0.1)
    assert np.isnan(below.value)
    assert (below.ci_low, below.ci_high) == (1.0, np.inf)


def test_error_that_depends_on_nothing_stays_what_it_is() -> None:
    rng = np.random.default_rng(4)
    loss = (rng.random(6000) < 0.1).astype(float)
    rows = fitted(rng.normal(size=(6000, 4)), loss, is_share=True)

    found = worst_share(rows, 0.1)

    raw = worst_share(ranked(loss), 0.1).estimate.value
    assert raw == pytest.approx(1.0)
    se = worst_interval(rows, found).se
    assert se < 0.02
    assert found.estimate.value == pytest.approx(0.1, abs=4 * se)


def test_worst_tenth_of_a_curved_risk_is_found() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(size=(5000, 1))
    rows = fitted(z, np.abs(z[:, 0]) + rng.normal(size=5000))

    found = worst_share(rows, 0.1)
    se = worst_interval(rows, found).se
    assert se < 0.06
    assert found.estimate.value == pytest.approx(2.062713, abs=4 * se)


def test_folds_keep_blocks_whole_and_have_as_many_each() -> None:
    key = np.repeat(np.arange(50), 7)

    fold = dealt(key, 7)

    assert all(len(set(fold[key == one])) == 1 for one in range(50))
    assert np.bincount(fold).tolist() == [70] * 5
    assert (dealt(key[::-1], 7) == fold[::-1]).all()


def rows_of(n_rows: int, seed: int, *, weak: float = 0.35) -> pd.DataFrame:
    """Return rows of 80 sites; 1 in 10 is wrong, `weak` where a = 1 and x above 0."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "a": rng.integers(0, 4, n_rows).astype(str),
            "x": rng.uniform(-1, 1, n_rows),
            "u": rng.normal(size=n_rows),
            "site": rng.integers(0, 80, n_rows).astype(str),
            "guess": rng.integers(0, 2, n_rows),
        }
    )
    error = np.where((rows["a"] == "1") & (rows["x"] > 0), weak, 0.1)
    wrong = rng.random(n_rows) < error
    return rows.assign(y=np.where(wrong, 1 - rows["guess"], rows["guess"]))


def says(frame: pd.DataFrame) -> np.ndarray:
    """Return what the rows guess."""
    return np.where(frame["guess"] == 1, 0.9, 0.1)


def site_case(rows: pd.DataFrame) -> Case:
    return plain_case(
        features=["a", "x", "u", "guess"],
        model=says,
        data={"block": "site"},
        reference=rows,
    )


def measured(rows: pd.DataFrame, **options: object) -> Measurement:
    values = {**CHECK.defaults, "attributes": ["a", "x", "u"], "loss": "wrong"}
    return CHECK.measure(site_case(rows), Options(values={**values, **options}))


@pytest.fixture(scope="module")
def planted() -> Measurement:
    return measured(rows_of(12_000, 1), acceptable_loss=0.2)


def test_planted_group_is_found_and_told_in_words(planted: Measurement) -> None:
    found = row_of(planted, METRIC, "0.10")

    # An eighth of the rows is weak, so the worst tenth errs at 0.35.
    assert found["value"] == pytest.approx(0.35, abs=4 * found["se"])
    assert found["se"] < 0.03
    assert found["ci_low"] > 0.25
    assert found["unit"] == "share"
    assert planted.tables["group"]["group"].tolist() == ["a=1 & x> 0"]
    assert "a = 1 and x above 0." in planted.notes[1]
    assert planted.notes[1].endswith("it is confirmed as worse.")
    apart = planted.tables["differences"]
    assert apart["attribute"].tolist()[:2] == ["a", "x"]
    assert apart["what"].tolist()[0] == "1"


def test_smallest_safe_share_of_the_planted_group(planted: Measurement) -> None:
    # s rows, an eighth of all weak: (0.35 / 8 + 0.1 (s - 1 / 8)) / s = 0.2 at 0.3125.
    found = row_of(planted, SAFE)

    assert found["ci_low"] < 0.3125 < found["ci_high"]
    assert "No group of more than" in planted.notes[3]


def held_against(measurement: Measurement, bound: float) -> dict[str, Status]:
    limit = Limit(
        metric=METRIC,
        side="at_most",
        limit=bound,
        required_in=(),
        groups="each",
        reason="What the policy says.",
    )
    force = LimitInForce(limit=limit, bound=bound, required=True, set_by="policy file")
    found = judge(CHECK, measurement, [force], policy_with(), TODAY)
    return {one.group: one.status for one in found if one.metric == METRIC}


def test_policy_limit_fails_the_group_and_passes_the_sound_model(
    planted: Measurement,
) -> None:
    sound = measured(rows_of(12_000, 2, weak=0.1))

    assert held_against(planted, 0.2)["0.10"] is Status.FAIL
    assert held_against(sound, 0.2)["0.20"] is Status.PASS
    assert Status.FAIL not in held_against(sound, 0.1).values()


def test_no_limit_is_shipped_and_findings_are_information(
    planted: Measurement,
) -> None:
    found = judge(CHECK, planted, (), policy_with(), TODAY)

    assert CHECK.limits == ()
    assert {one.status for one in found} == {Status.INFO}


def test_row_order_changes_nothing() -> None:
    rows = rows_of(3000, 3)

    a, b = measured(rows), measured(rows.sample(frac=1.0, random_state=0))

    pd.testing.assert_frame_equal(a.summary, b.summary, rtol=1e-9)
    assert a.notes == b.notes


def test_missing_values_are_a_situation_of_their_own() -> None:
    rows = rows_of(6000, 4, weak=0.1)
    rng = np.random.default_rng(4)
    lost = rng.random(6000) < 0.12
    wrong = rng.random(6000) < 0.4
    rows.loc[lost, "x"] = np.nan
    rows.loc[lost, "y"] = np.where(wrong, 1 - rows["guess"], rows["guess"])[lost]

    got = measured(rows)

    assert got.tables["group"]["group"].tolist()[0].startswith("x(missing)") or (
        "x missing" in got.notes[1]
    )
    assert row_of(got, METRIC, "0.10")["value"] == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (binary_case, "log loss"),
        (multiclass_case, "wrong decisions"),
        (regression_case, "absolute error"),
    ],
)
def test_loss_and_its_reason_are_said(make, words: str) -> None:  # noqa: ANN001 (a maker of cases)
    got = CHECK.measure(make(), Options(values=CHECK.defaults))

    assert got.tables["target"]["loss"].tolist() == [words]
    assert got.notes[-1].startswith(f"Measured by {words}: ")


def test_threshold_makes_it_wrong_decisions_and_an_error_its_own_bound() -> None:
    made = fitted_model("binary", generated_rows(1200, 1))
    asked = [{"threshold": 0.4}, {"metric": "accuracy", "acceptable": 0.7}]
    cases = [
        load_case(case_file("binary", model=one), frames=small_frames(), model=made)
        for one in asked
    ]

    got = [CHECK.measure(one, Options(values=CHECK.defaults)) for one in cases]

    targets = [one.tables["target"].iloc[0] for one in got]
    assert [one["loss"] for one in targets] == ["wrong decisions"] * 2
    assert np.isnan(targets[0]["acceptable"])
    assert targets[1]["acceptable"] == pytest.approx(0.3)
    assert row_of(got[0], SAFE)["reason"] == Reason.NO_ACCEPTABLE


def test_too_few_rows_or_no_labels_are_not_assessed() -> None:
    few, bare = rows_of(80, 5), rows_of(400, 5).assign(y=np.nan)
    codes = []
    for rows in (few, bare):
        try:
            measured(rows)
        except NotAssessedError as error:
            codes.append(error.code)

    assert codes == [Reason.TOO_FEW_ROWS, Reason.NO_LABELS]


def test_unknown_loss_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(CaseError, match="wrong, log_loss, absolute"):
        measured(rows_of(400, 6), loss="zero-one")


def test_figure_shows_curve_limit_and_the_safe_share(planted: Measurement) -> None:
    limit = Limit(
        metric=METRIC, side="at_most", limit=0.3, required_in=(), reason="Why."
    )

    axes = worst_subpopulation.draw(planted, (limit,)).axes[0]

    texts = [one.get_text() for one in axes.texts]
    assert "limit 30 %" in texts
    assert "acceptable 20 %" in texts
    assert any("within it" in one for one in texts)
    assert "wrong decisions" in axes.get_ylabel()


def _covered(n_runs: int, n_rows: int) -> np.ndarray:
    """Return how often each limit holds the truth: low, high, high with allowance."""
    held = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n_rows, 1))
        rows = fitted(z, np.abs(z[:, 0]) + rng.normal(size=n_rows))
        found = worst_share(rows, 0.1)
        plain = worst_interval(rows, found)
        wide = allowed(plain, found, np.inf)
        truth = 2.062713
        held.append(
            [plain.ci_low <= truth, plain.ci_high >= truth, wide.ci_high >= truth]
        )
    return np.mean(held, axis=0)


@pytest.mark.slow
def test_limits_hold_the_worst_tenth_as_often_as_promised() -> None:
    low, high, wide = _covered(200, 2000)

    # 95 % less two standard errors of 200 runs; without allowance it errs more often.
    assert low > 0.92
    assert wide > 0.92
    assert high > 0.84


@pytest.mark.slow
def test_null_is_covered_with_days_that_differ() -> None:
    inside, values = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(80), 25)
        chance = rng.beta(4, 36, 80)[day]
        loss = (rng.random(2000) < chance).astype(float)
        rows = fitted(rng.normal(size=(2000, 3)), loss, is_share=True, key=day)
        found = worst_share(rows, 0.1)
        plain = worst_interval(rows, found)
        values.append(found.estimate.value)
        inside.append([plain.ci_low <= 0.1, plain.ci_high >= 0.1])

    assert np.mean(values) == pytest.approx(0.1, abs=0.006)
    assert (np.mean(inside, axis=0) > 0.91).all()

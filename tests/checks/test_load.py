"""Load on a simulated clock: no test here measures time."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.stress.load import CHECK, alt, draw, measure_by
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import Declared, limits_in_force
from readiness.result import Finding, Measurement, Options
from tests.cases import case_file, small_frames
from tests.judging import TODAY, policy_with

OPTIONS = Options(values={**CHECK.defaults})
WORK = 1 / 64  # seconds; sums of it are exact


class Clock:
    """Stands still until somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


class Worker:
    """A model whose calls take time on a simulated clock, by the numbers given."""

    def __init__(self, clock: Clock, seconds: list[float], per_row: float = 0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.per_row = per_row
        self.calls = 0

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities after the next number of seconds."""
        taken = self.seconds[self.calls % len(self.seconds)]
        self.clock.now += taken + self.per_row * len(frame)
        self.calls += 1
        return np.full(len(frame), 0.5)


def case_of(model: object, **operation: float) -> Case:
    file = case_file(
        "binary", model={"features": ["wind", "distance"]}, operation=operation
    )
    frames = {"reference": small_frames()["reference"]}
    return load_case(file, frames=frames, model=model)


def loaded(
    seconds: list[float], options: dict[str, float] | None = None, **operation: float
) -> Measurement:
    """Return the measured load of single rows sent to a worker with these times."""
    clock = Clock()
    case = case_of(Worker(clock, seconds), **operation)
    clock.now = 0.0
    values = {**CHECK.defaults, "batch": 1, **(options or {})}
    return measure_by(case, Options(values=values), clock)


def limits_of(p99_ms: float | None) -> tuple[Any, ...]:
    declared = Declared(
        metric="roc_auc", higher_is_better=True, values={"operation.p99_ms": p99_ms}
    )
    return limits_in_force(CHECK, policy_with(), declared)


def judged(found: Measurement, p99_ms: float) -> list[Finding]:
    """Return the findings on the slowest hundredth."""
    findings = judge(CHECK, found, limits_of(p99_ms), policy_with(), TODAY)
    return [one for one in findings if one.metric == "p99_ms"]


def value_of(found: Measurement, metric: str, group: str = "1") -> pd.Series:
    summary = found.summary.set_index(["metric", "group"])
    return summary.loc[metric, group]


def quantile_of_m_d_1(level: float, busy: float) -> float:
    """Return a quantile of the wait of M/D/1 with work of one second.

    A. K. Erlang: P(wait <= t) = (1 - busy) * sum over k <= t of
    (busy (k - t))^k / k! * exp(-busy (k - t)).
    """

    def chance(t: float) -> float:
        terms = [
            (busy * (k - t)) ** k / math.factorial(k) * math.exp(-busy * (k - t))
            for k in range(int(t) + 1)
        ]
        return (1 - busy) * sum(terms)

    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < level else (low, middle)
    return high


# What is measured


@pytest.fixture(scope="module")
def half_busy() -> Measurement:
    """Return the load of 8,000 requests of 1/64 s, 32 a second."""
    return loaded([WORK], {"seconds": 125}, p99_ms=5000 * WORK, requests_per_second=32)


@pytest.mark.parametrize(("metric", "level"), [("p50_ms", 0.5), ("p95_ms", 0.95)])
def test_even_work_follows_the_m_d_1_law(
    metric: str, level: float, half_busy: Measurement
) -> None:
    row = value_of(half_busy, metric)

    truth = 1000 * WORK * (1 + quantile_of_m_d_1(level, 0.5))
    assert row["n_rows"] == 8000
    assert row["value"] == pytest.approx(truth, rel=0.05)
    assert row["ci_low"] <= truth <= row["ci_high"]


def test_mean_latency_of_even_work_is_that_of_the_law(half_busy: Measurement) -> None:
    queue = half_busy.tables["queue"].iloc[0]

    # s (1 + rho / (2 (1 - rho))) with rho one half: one and a half times the work.
    assert queue["mean_ms_if_even"] == pytest.approx(1500 * WORK)
    assert queue["mean_ms"] == pytest.approx(1500 * WORK, rel=0.05)
    assert queue["utilisation"] == pytest.approx(0.5)


def test_sustainable_rate_keeps_the_slowest_hundredth_within_its_bound(
    half_busy: Measurement,
) -> None:
    row = value_of(half_busy, "sustainable_rate")

    # At that rate the 99th percentile of M/D/1 is the bound: 5 times the work.
    waited = quantile_of_m_d_1(0.99, row["value"] * WORK)
    assert 1 + waited == pytest.approx(5, rel=0.1)
    assert row["ci_low"] < row["value"] < row["ci_high"] < 1 / WORK


def test_without_a_rate_latency_is_the_work_itself() -> None:
    found = loaded([WORK] * 199 + [1.0], {"seconds": 10}, p99_ms=50)

    assert value_of(found, "p99_ms")["value"] == 1000 * WORK
    assert set(found.tables["curve"]["view"]) == {"one after another"}


def test_pauses_that_a_waiting_timer_leaves_out_are_counted() -> None:
    # One call in 500 takes 2 s: at 50 requests a second, 100 of 500 queue behind it.
    found = loaded(
        [0.001] * 499 + [2.0], {"seconds": 12}, p99_ms=50, requests_per_second=50
    )
    curve = found.tables["curve"].set_index(["view", "level"])["latency_ms"]

    assert curve["one after another", 0.99] == pytest.approx(1.0)
    assert curve["on schedule", 0.99] > 1500
    assert curve["enough workers", 0.99] == pytest.approx(1900, rel=0.1)
    assert any("leaves out the requests that queue" in one for one in found.notes)


def test_sustainable_rate_without_a_bound_is_what_keeps_it_busy() -> None:
    found = loaded([WORK, 3 * WORK], {"seconds": 10}, requests_per_second=20)

    assert value_of(found, "sustainable_rate")["value"] == pytest.approx(32)
    assert any("the queue grows without end" in one for one in found.notes)


def test_large_requests_come_more_rarely() -> None:
    clock = Clock()
    case = case_of(
        Worker(clock, [0.001], per_row=0.001), p99_ms=500, requests_per_second=50
    )
    values = {**CHECK.defaults, "seconds": 10}

    found = measure_by(case, Options(values=values), clock)

    sizes = found.tables["sizes"].set_index("rows_in_request")
    assert found.tables["queue"]["requests_per_second"].tolist() == [50, 0.5]
    assert sizes["work_ms"].tolist() == pytest.approx([2, 101])
    assert sizes["rows_per_second"].tolist() == pytest.approx([500, 100 / 0.101])
    assert sizes["requests"].loc[1] == sizes["requests"].loc[100]


def test_more_workers_share_the_rate() -> None:
    declared = {"p99_ms": 50, "requests_per_second": 90}
    one = loaded([0.01], {"seconds": 10}, **declared)
    two = loaded([0.01], {"seconds": 10, "workers": 2}, **declared)

    assert two.tables["queue"]["utilisation"].iloc[0] == pytest.approx(0.45)
    assert value_of(two, "p99_ms")["value"] < value_of(one, "p99_ms")["value"]


# How long it is measured


def test_a_declared_case_is_timed_for_a_minute_or_299_calls() -> None:
    quick = loaded([8 * WORK], p99_ms=500)
    slow = loaded([0.5], p99_ms=900)

    assert value_of(quick, "p99_ms")["n_rows"] == 480
    assert value_of(slow, "p99_ms")["n_rows"] == 299


def test_an_undeclared_case_is_timed_shortly_and_says_so() -> None:
    found = loaded([WORK])

    assert value_of(found, "p99_ms")["n_rows"] == 64
    assert value_of(found, "p99_ms")["ci_high"] == math.inf
    assert any("for information" in one for one in found.notes)


def test_a_very_slow_model_ends_early_and_promises_nothing() -> None:
    found = loaded([10.0], p99_ms=50_000)

    row = value_of(found, "p99_ms")
    assert row["n_rows"] == 30
    assert row["ci_high"] == math.inf


def test_the_first_calls_do_not_count() -> None:
    clock = Clock()
    model = Worker(clock, [5.0] * 21 + [0.01] * 10**4)
    case = case_of(model, p99_ms=50)
    model.calls = 0

    values = {**CHECK.defaults, "batch": 1, "seconds": 5}
    found = measure_by(case, Options(values=values), clock)

    assert value_of(found, "p99_ms")["value"] == pytest.approx(10)


# How it is judged


@pytest.mark.parametrize(
    ("work", "status"), [(0.005, "pass"), (0.08, "fail"), (0.0105, "inconclusive")]
)
def test_limit_is_the_declared_one(work: float, status: str) -> None:
    found = loaded([work], {"seconds": 10}, p99_ms=50, requests_per_second=50)

    assert [one.status for one in judged(found, 50)] == [status]


def test_298_calls_cannot_pass() -> None:
    few = loaded([0.01], {"seconds": 0, "calls": 298}, p99_ms=50)
    enough = loaded([0.01], {"seconds": 0, "calls": 299}, p99_ms=50)

    assert [one.status for one in judged(few, 50)] == ["inconclusive"]
    assert [one.status for one in judged(enough, 50)] == ["pass"]


# What cannot be measured


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames()["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure_by(case, OPTIONS, Clock())

    assert raised.value.code is Reason.NO_RESCORING


def refuses_single_rows(frame: pd.DataFrame) -> np.ndarray:
    if len(frame) == 1:
        msg = "two rows at least"
        raise ValueError(msg)
    return np.full(len(frame), 0.5)


def test_model_that_refuses_a_single_row_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError, match="two rows at least") as raised:
        measure_by(case_of(refuses_single_rows), OPTIONS, Clock())

    assert raised.value.code is Reason.MODEL_SCORES


# What is shown


def test_figure_draws_both_views_and_the_limit() -> None:
    found = loaded([0.01], {"seconds": 5}, p99_ms=50, requests_per_second=50)
    limit = limits_of(50)[0].limit

    axes = draw(found, (limit,)).axes[0]

    words = [one.get_text() for one in axes.texts]
    assert words[:2] == ["1 row, one after another", "1 row, on schedule"]
    assert "1 in 100 at most 50 ms" in words


def test_text_says_the_latency_and_the_rate() -> None:
    found = loaded([0.01], {"seconds": 1}, p99_ms=50)

    assert "within 10.0 ms" in alt(found)
    assert "requests a second" in alt(found)

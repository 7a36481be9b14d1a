import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from readiness.errors import NotAssessedError, Reason
from readiness.shapley import sampled_shapley, sampling_error
from tests.shapley_games import brute_force


def table(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(n_rows, 4)), columns=list("abcd"))


def curved(frame: pd.DataFrame) -> np.ndarray:
    a, b, c, d = (frame[name].to_numpy() for name in "abcd")
    return a * b + np.exp(c / 2) + (d > 0) * a


def three_classes(frame: pd.DataFrame) -> np.ndarray:
    score = np.column_stack([curved(frame), frame["a"], frame["b"] * frame["c"]])
    odds = np.exp(score)
    return odds / odds.sum(axis=1, keepdims=True)


def test_linear_model_has_its_closed_form() -> None:
    rows, background = table(50, 1), table(80, 2)
    slopes = np.array([2.0, -1.0, 0.5, 0.0])

    found = sampled_shapley(
        lambda frame: frame.to_numpy() @ slopes,
        rows,
        background,
        rng=np.random.default_rng(3),
    )

    # phi_j = beta_j (x_j - mean of the whole background), whatever was drawn: the
    # output of the drawn row as control variate cannot reach single columns.
    exact = slopes * (rows - background.mean()).to_numpy()
    assert np.abs(found.values - exact).max() < 6 * found.se.max()
    assert found.base == pytest.approx(float((background.to_numpy() @ slopes).mean()))


def test_product_game_has_its_closed_form() -> None:
    # f = x1 x2: phi1 = ½(x1 m2 - E X1X2) + ½(x1 x2 - m1 x2) (METHODS 3.2).
    rng = np.random.default_rng(4)
    rows = pd.DataFrame(rng.normal(1, 1, size=(40, 2)), columns=["x1", "x2"])
    background = pd.DataFrame(rng.normal(1, 1, size=(60, 2)), columns=["x1", "x2"])
    x1, x2 = rows["x1"], rows["x2"]
    m1, m2 = background.mean()
    joint = (background["x1"] * background["x2"]).mean()

    found = sampled_shapley(
        lambda frame: frame.to_numpy().prod(axis=1), rows, background, rng=rng
    )

    exact = (x1 * m2 - joint) / 2 + (x1 * x2 - m1 * x2) / 2
    z = (found.values[:, 0] - exact) / found.se[:, 0]
    assert np.abs(z.mean()) < 0.5
    assert np.abs(z).max() < 6


@pytest.mark.parametrize("predict", [curved, three_classes])
def test_every_row_adds_up_against_the_whole_background(predict: object) -> None:
    rows, background = table(30, 5), table(200, 6)

    found = sampled_shapley(predict, rows, background, rng=np.random.default_rng(7))

    output = predict(rows).reshape(30, -1)
    own = output.argmax(axis=1)
    base = predict(background).reshape(200, -1).mean(axis=0)[own]
    assert found.base == pytest.approx(base)
    sums = found.base + found.values.sum(axis=1)
    assert np.abs(sums - output[np.arange(30), own]).max() < 1e-12


def test_interval_of_draws_covers_the_exact_value() -> None:
    rows, background = table(150, 8), table(40, 9)
    exact = brute_force(curved, rows, background)

    found = sampled_shapley(
        curved, rows, background, rng=np.random.default_rng(10), precision=0.2
    )

    reach = found.se * stats.t.ppf(0.975, found.n_pairs - 1)
    covered = np.mean(np.abs(found.values - exact) <= reach)
    assert 0.90 <= covered <= 0.99


def test_mean_size_lies_between_crossed_and_plain_means() -> None:
    rows, background = table(150, 8), table(40, 9)
    exact = np.abs(brute_force(curved, rows, background)).mean(axis=0)

    found = sampled_shapley(
        curved, rows, background, rng=np.random.default_rng(10), precision=0.5
    )

    error = sampling_error(found.values, found.se, found.crossed)
    plain = np.abs(found.values).mean(axis=0)
    assert np.all(np.abs(plain - exact) <= error)
    assert np.all(found.crossed.mean(axis=0) <= plain)


def test_antithetic_pairs_err_less_than_single_orders_of_equal_cost() -> None:
    rows, background = table(60, 11), table(40, 12)
    exact = brute_force(curved, rows, background)

    paired = sampled_shapley(
        curved, rows, background, rng=np.random.default_rng(13), precision=1.0
    )

    rng = np.random.default_rng(14)
    single = np.zeros_like(exact)
    for _ in range(2 * paired.n_pairs):  # one order and one background row each
        picks = background.iloc[rng.integers(len(background), size=len(rows))]
        known = picks.reset_index(drop=True).copy()
        before = curved(known)
        for place in rng.permutation(4):
            known.iloc[:, place] = rows.iloc[:, place]
            after = curved(known)
            single[:, place] += (after - before) / (2 * paired.n_pairs)
            before = after
    assert np.mean((paired.values - exact) ** 2) < 0.8 * np.mean((single - exact) ** 2)


def test_draws_end_at_the_budget_and_say_so() -> None:
    found = sampled_shapley(
        curved,
        table(30, 1),
        table(30, 2),
        rng=np.random.default_rng(0),
        precision=1e-6,
        max_evaluations=5000,
    )

    assert not found.precise
    # 60 rows twice and 25 pairs of 180 rows; five more would be 5,520.
    assert found.n_pairs == 25
    assert found.n_evaluations <= 5000


class Clock:
    """Time that only a model's work moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("readiness.shapley.time.perf_counter", lambda: self.now)

    def model(self, seconds_of: object) -> object:
        """Return a model that takes ``seconds_of(call, rows)``."""
        calls = itertools.count(1)

        def predict(frame: pd.DataFrame) -> np.ndarray:
            self.now += seconds_of(next(calls), len(frame))
            return curved(frame)

        return predict


def drawn(model: object, *, max_seconds: float) -> None:
    rng = np.random.default_rng(0)
    sampled_shapley(model, table(10, 1), table(10, 2), rng=rng, max_seconds=max_seconds)


def test_model_too_slow_for_ten_pairs_ends_before_the_first_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    slow = clock.model(lambda _, n_rows: 0.01 * n_rows)

    with pytest.raises(NotAssessedError, match=r"need 600 more rows .* 6 s") as raised:
        drawn(slow, max_seconds=5.0)

    assert raised.value.code is Reason.NOT_MEASURED
    assert clock.now == pytest.approx(0.4)  # 20 rows, twice


def test_start_of_a_model_is_not_taken_for_its_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    loading = clock.model(lambda call, n_rows: 0.0001 * n_rows + 60 * (call == 1))

    drawn(loading, max_seconds=5.0)

    assert clock.now > 60


def test_model_that_becomes_slow_ends_after_a_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    ageing = clock.model(lambda call, _: 3.0 * (call > 4))

    with pytest.raises(NotAssessedError, match=r"5 s; 2 pairs .* Lower .* evaluations"):
        drawn(ageing, max_seconds=5.0)

    assert clock.now == pytest.approx(6.0)


def test_constant_model_gives_nothing_to_any_column() -> None:
    found = sampled_shapley(
        lambda frame: np.full(len(frame), 0.3),
        table(10, 1),
        table(10, 2),
        rng=np.random.default_rng(0),
    )

    assert found.precise
    assert not found.values.any()


def test_single_column_gets_the_whole_distance_from_the_mean() -> None:
    rows, background = table(10, 1)[["a"]], table(20, 2)[["a"]]

    found = sampled_shapley(
        lambda frame: frame["a"].to_numpy() ** 2,
        rows,
        background,
        rng=np.random.default_rng(0),
    )

    exact = rows["a"] ** 2 - (background["a"] ** 2).mean()
    assert found.values[:, 0] == pytest.approx(exact.to_numpy())


def test_text_and_categories_keep_their_types() -> None:
    rng = np.random.default_rng(0)
    names = rng.choice(["x", "y"], 40)
    frame = pd.DataFrame(
        {"text": names, "kind": pd.Categorical(names), "size": rng.integers(0, 9, 40)}
    )
    seen = set()

    def predict(given: pd.DataFrame) -> np.ndarray:
        seen.add(tuple(given.dtypes.astype(str)))
        return given["size"].to_numpy(float) * (given["text"] == "x").to_numpy()

    sampled_shapley(predict, frame[:20], frame[20:], rng=rng)

    assert seen == {tuple(frame.dtypes.astype(str))}

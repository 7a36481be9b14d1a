"""Alarm levels of windowed monitors: the promised rate, kept on new data."""

import numpy as np
import pytest

from readiness.alarm_levels import (
    History,
    calibrated_level,
    detected_within,
    null_windows,
    pooled,
    smallest_detected,
)
from readiness.alarms import detectable_shift, shift_power

BLOCKS, PER_WINDOW, COLUMNS = 60, 7, 3
RATE = 0.1


def history_of(rows: np.ndarray, per_window: int = PER_WINDOW) -> History:
    """Return a history whose blocks are single rows of m values."""
    return History(
        total=rows,
        count=np.ones(rows.shape),
        block=np.arange(len(rows)),
        per_window=per_window,
    )


def normal_history(seed: int, blocks: int = BLOCKS, columns: int = COLUMNS) -> History:
    return history_of(np.random.default_rng(seed).standard_normal((blocks, columns)))


def test_promised_rate_is_kept_within_a_tenth_over_resampled_windows() -> None:
    history = normal_history(1)
    level = calibrated_level(null_windows(history, 100_000, seed=1), RATE)

    fresh = null_windows(history, 100_000, seed=2)

    alarms = (np.abs(fresh.shift) > level * fresh.spread).any(axis=2).mean()
    assert alarms == pytest.approx(RATE, rel=0.1)


@pytest.mark.parametrize("columns", [1, 10])
def test_promised_rate_is_not_exceeded_over_fresh_references(columns: int) -> None:
    rng = np.random.default_rng(3)
    rates = []
    for seed in range(150):
        history = normal_history(seed, columns=columns)
        level = calibrated_level(null_windows(history, 4000, seed=1), RATE)
        new = rng.standard_normal((2000, PER_WINDOW, columns)).mean(axis=1)
        far = np.abs(new - history.mean) > level * history.spread
        rates.append(far.any(axis=1).mean())

    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= RATE + 2 * error
    assert np.mean(rates) >= 0.7 * RATE


def test_single_blocks_promise_nothing_rarer_than_they_show() -> None:
    # A rate of 1 in 100 from 30 blocks: the level is beyond all of them.
    history = history_of(np.random.default_rng(4).standard_normal((30, 1)), 1)

    level = calibrated_level(null_windows(history, 20_000, seed=1), 0.01)

    own = np.abs(history.total - history.mean) / history.spread
    assert level > own.max()


def test_rows_of_a_block_move_together() -> None:
    # Half of the variance is the block's: seven blocks of 20 rows have the error of
    # (0.5 + 0.5 / 20) / 7, not of 1 / 140.
    rng = np.random.default_rng(5)
    blocks = rng.normal(0, np.sqrt(0.5), (400, 1, 1))
    rows = blocks + rng.normal(0, np.sqrt(0.5), (400, 20, 1))
    history = History(
        total=rows.sum(axis=1),
        count=np.full((400, 1), 20.0),
        block=np.arange(400),
        per_window=PER_WINDOW,
    )

    null = null_windows(history, 50_000, seed=1)

    expected = rows.mean(axis=1).var() * (1 / PER_WINDOW + 1 / 400)
    assert null.shift.var() == pytest.approx(expected, rel=0.03)
    assert null.shift.var() > 8 * (1 / (20 * PER_WINDOW))


def test_power_is_that_of_the_formula_where_blocks_are_normal() -> None:
    history = history_of(np.random.default_rng(6).standard_normal((500, 1)))
    null = null_windows(history, 100_000, seed=1)
    level = calibrated_level(null, 0.05)
    se = history.spread[0] * np.sqrt(1 / PER_WINDOW + 1 / 500)
    cut = level * history.spread[0]
    shifts = np.array([0.0, 0.3, 0.6, 0.9, 1.2])

    simulated = [null.alarms(level, np.array([one]))[0] for one in shifts]

    np.testing.assert_allclose(simulated, shift_power(shifts, cut, se), atol=0.02)
    seen = smallest_detected(null, level, 1, 0.8)[0]
    assert seen == pytest.approx(detectable_shift(cut, se), rel=0.03)


def test_several_windows_see_more_than_one_and_less_than_if_references_were_new() -> (
    None
):
    null = null_windows(normal_history(7, blocks=30, columns=1), 100_000, seed=1)
    level = calibrated_level(null, 0.05)
    moved = np.array([0.5])

    one, four = (detected_within(null, level, moved, n)[0] for n in (1, 4))

    assert one == pytest.approx(null.alarms(level, moved)[0], abs=0.01)
    assert one < four < 1 - (1 - one) ** 4


def test_very_many_blocks_are_put_together_without_changing_the_error() -> None:
    history = history_of(np.random.default_rng(8).standard_normal((6000, 1)), 900)

    few = pooled(history, seed=1)

    assert few.n_blocks < 500
    assert few.total.sum() == pytest.approx(history.total.sum())
    wide = null_windows(few, 20_000, seed=1).shift.std()
    assert wide == pytest.approx(np.sqrt(1 / 900 + 1 / 6000), rel=0.1)


def test_many_blocks_per_window_are_drawn_by_their_numbers() -> None:
    history = history_of(np.random.default_rng(9).standard_normal((150, 1)), 80)

    null = null_windows(history, 20_000, seed=1)

    expected = history.spread[0] * np.sqrt(1 / 80 + 1 / 150)
    assert null.shift.std() == pytest.approx(expected, rel=0.05)


def test_a_window_without_values_of_a_column_has_not_moved() -> None:
    total = np.random.default_rng(10).standard_normal((40, 2))
    count = np.ones((40, 2))
    total[5:, 1] = count[5:, 1] = 0.0
    history = History(total=total, count=count, block=np.arange(40), per_window=1)

    null = null_windows(history, 2000, seed=1)

    assert np.isfinite(null.shift[..., 0]).all()
    assert np.mean(np.abs(null.shift[..., 1]) < 1e-12) < 1

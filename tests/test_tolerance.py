"""Budgets worked out by hand on straight curves."""

from collections.abc import Sequence

import numpy as np
import pytest

from readiness.stats import Clusters
from readiness.tolerance import (
    Arm,
    Budget,
    Folds,
    Point,
    Room,
    band,
    budget,
    first_below,
    folds,
    worst,
)
from readiness.tracing import sharpen, trace

BLOCKS = 100
SIGNS = np.tile([1.0, -1.0], BLOCKS // 2)


def room(value: float) -> Room:
    return Room(value=value, parts=(np.zeros(BLOCKS),))


def point(size: float, slope: float, error: float = 0.0) -> Point:
    """Return a point whose loss grows by `slope`, its standard error by `error`."""
    parts = SIGNS * size * error / np.sqrt(BLOCKS)
    return Point(size=size, loss=slope * size, parts=(parts,))


def arm(slope: float, *, sign: int = 1, error: float = 0.0, last: bool = False) -> Arm:
    points = tuple(point(size, slope, error) for size in (0.0, 0.5, 1.0, 2.0))
    return Arm(name="", sign=sign, reach=2.0, last=last, points=points)


def test_budget_of_a_straight_curve_is_room_over_slope() -> None:
    found = budget([arm(0.1), arm(0.02, sign=-1)], room(0.06), seed=1)

    assert found == Budget(
        value=pytest.approx(0.6),
        ci_low=pytest.approx(0.6),
        ci_high=pytest.approx(0.6),
        direction="up",
        name="",
        censored=False,
    )


def test_interval_inverts_the_band() -> None:
    found = budget([arm(0.1, error=0.01)], room(0.1), seed=1)

    # One error drives the whole curve, so the band is Student's 1.66 wide everywhere:
    # 0.1 = (0.1 ± 1.66 · 0.01) size gives 0.857 and 1.199.
    assert found.value == pytest.approx(1.0)
    assert found.ci_low == pytest.approx(1 / 1.167, abs=0.01)
    assert found.ci_high == pytest.approx(1 / 0.833, abs=0.02)


def test_a_curve_that_never_crosses_is_censored_at_the_end_of_the_support() -> None:
    found = budget([arm(0.01), arm(0.0, sign=-1)], room(0.06), seed=1)

    assert np.isnan(found.value)
    assert (found.ci_low, found.ci_high) == (2.0, np.inf)
    assert (found.direction, found.censored) == ("", True)


def test_a_band_that_crosses_first_bounds_a_censored_budget() -> None:
    found = budget([arm(0.02, error=0.03)], room(0.06), seed=1)

    # 0.06 = (0.02 + 1.66 · 0.03) size at 0.86.
    assert found.censored
    assert found.ci_low == pytest.approx(0.86, abs=0.02)


def test_a_short_arm_bounds_the_lower_limit_of_the_other() -> None:
    short = Arm(name="", sign=-1, reach=0.3, last=False, points=(point(0, 0),))

    found = budget([arm(0.1), short], room(0.1), seed=1)

    assert (found.value, found.ci_low) == (pytest.approx(1.0), 0.3)


def test_an_arm_that_reaches_the_last_move_bounds_nothing() -> None:
    done = Arm(name="", sign=-1, reach=0.1, last=True, points=(point(0, 0),))

    found = budget([arm(0.01), done], room(0.06), seed=1)

    assert found.ci_low == 2.0


def test_when_every_move_is_possible_the_farthest_is_named() -> None:
    found = budget([arm(0.01, last=True)], room(0.06), seed=1)

    assert (found.censored, found.ci_low) == (True, 2.0)


def test_no_arm_has_no_worst_loss() -> None:
    assert worst([]) == (0.0, None)


def test_worst_loss_names_its_arm() -> None:
    arms = [arm(0.1), arm(0.2, sign=-1)]

    assert worst(arms) == (pytest.approx(0.4), arms[1])


def test_first_below_starts_at_zero_and_stops_at_an_undefined_point() -> None:
    sizes = np.array([0.0, 1.0, 2.0])

    assert first_below(sizes, np.array([-1.0, 0.0, 0.0])) == 0.0
    assert first_below(sizes, np.array([1.0, 1.0, -np.inf])) == 1.0
    assert first_below(sizes, np.array([1.0, 1.0, 1.0])) == np.inf


def test_bisection_finds_a_crossing_between_far_points() -> None:
    asked: list[float] = []

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point]:
        asked.extend(size for _, size in wanted)
        return [
            Point(size=size, loss=size**2, parts=(np.zeros(BLOCKS),))
            for _, size in wanted
        ]

    start = Arm(name="", sign=1, reach=2.0, last=False)

    (traced,) = trace([start], respond, [room(0.5)], (0.5, 1.0), rounds=4)

    assert asked == [1.0, 2.0, 0.5, 0.75, 0.625, 0.6875]
    assert budget([traced], room(0.5), seed=1).value == pytest.approx(0.7071, abs=1e-3)


def test_an_arm_ends_before_a_move_without_a_metric() -> None:
    start = Arm(name="", sign=1, reach=2.0, last=True)

    (traced,) = trace(
        [start],
        lambda wanted: [point(s, 0.0) if s < 1.5 else None for _, s in wanted],
        [room(0.5)],
        (0.25, 0.5, 1.0),
        rounds=1,
    )

    assert (traced.reach, traced.last, len(traced.points)) == (1.0, False, 3)


def test_an_arm_without_support_is_not_asked() -> None:
    start = Arm(name="", sign=1, reach=0.0, last=False)

    (traced,) = trace([start], lambda _: [], [room(0.5)], (1.0,), rounds=1)

    assert len(traced.points) == 1


def test_sharpened_arms_keep_what_lies_outside_the_crossings() -> None:
    rough = [arm(0.1, error=0.01), arm(0.0, sign=-1)]

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point]:
        return [point(size, 0.11) for _, size in wanted]

    first, second = sharpen(rough, respond, [room(0.1)], 1)

    # Crossings near 0.86, 1.0 and 1.2: the point at 1.0 gives way to three new ones.
    assert [round(one.size, 1) for one in first.points] == [0, 0.5, 0.9, 1.0, 1.2, 2]
    assert second.points == rough[1].points
    assert budget([first], room(0.1), 1).value == pytest.approx(1 / 1.1, abs=1e-3)


def test_sharpening_a_flat_curve_asks_nothing() -> None:
    (same,) = sharpen([arm(0.0)], lambda _: [], [room(0.1)], 1)

    assert len(same.points) == 4


def test_band_covers_every_arm_and_no_move_costs_nothing() -> None:
    bands = band([arm(0.1, error=0.01), arm(0.0, sign=-1)], room(0.06), seed=1)

    left, width = bands[0]
    assert left == pytest.approx([0.06, 0.01, -0.04, -0.14])
    assert width[0] == 0
    assert len(bands) == 2


def test_sums_by_block_add_up_to_the_error() -> None:
    block = np.array([7, 7, 3, 9])
    grouped = folds(Clusters(block=block), 4)

    (sums,) = grouped.sums(np.array([1.0, 3.0, -2.0, 6.0]))
    (some,) = grouped.sums(np.array([1.0, 6.0]), np.array([0, 3]))

    assert sums.tolist() == [-0.5, 1.0, 1.5]
    assert some.tolist() == [0.0, 0.5, 3.0]


def test_many_blocks_are_pooled_without_changing_the_standard_error() -> None:
    influence = np.random.default_rng(1).standard_normal(20_000)

    grouped: Folds = folds(Clusters(), 20_000)
    (sums,) = grouped.sums(influence)

    assert len(sums) < 20_000
    assert np.sqrt(np.sum(sums**2)) == pytest.approx(1 / np.sqrt(20_000), rel=0.05)

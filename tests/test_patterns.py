import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.patterns import (
    half_lines,
    maximal_patterns,
    maximal_uncovered,
    pattern_blocks,
    pattern_counts,
    plain_axis,
    rows_to_collect,
)
from tests.anchors import anchor_rows, compas_rows

ADULT = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital"),
    *("occupation", "relationship", "race", "sex", "gain", "loss", "hours"),
    *("country", "income"),
]


def _found(rows: pd.DataFrame, names: list[str], min_rows: int) -> list[int]:
    """Return how many maximal uncovered patterns there are at each level."""
    codes = np.column_stack([pd.factorize(rows[one], sort=True)[0] for one in names])
    n_values = [rows[one].nunique() for one in names]
    found = maximal_uncovered(codes, n_values, min_rows)
    levels = [sum(value is not None for value in pattern) for pattern, _ in found]
    return np.bincount(levels, minlength=len(names) + 1).tolist()


def _by_brute_force(
    codes: np.ndarray, n_values: tuple[int, ...], min_rows: int
) -> list[tuple[tuple[int | None, ...], int]]:
    choices = [[*range(n), None] for n in n_values]
    rows = {
        pattern: int(
            np.all(
                [
                    np.ones(len(codes), bool) if value is None else codes[:, k] == value
                    for k, value in enumerate(pattern)
                ],
                axis=0,
            ).sum()
        )
        for pattern in itertools.product(*choices)
    }
    wider = {
        pattern: [
            (*pattern[:k], None, *pattern[k + 1 :])
            for k, value in enumerate(pattern)
            if value is not None
        ]
        for pattern in rows
    }
    return [
        (pattern, n)
        for pattern, n in rows.items()
        if n < min_rows and all(rows[one] >= min_rows for one in wider[pattern])
    ]


def test_only_the_deleted_pair_of_a_full_factorial_is_uncovered() -> None:
    codes = np.array(
        [
            row
            for row in itertools.product(range(3), range(4), range(2), range(3))
            if row[:2] != (1, 2)
            for _ in range(10)
        ]
    )

    found = maximal_uncovered(codes, (3, 4, 2, 3), 10)

    assert found == [((1, 2, None, None), 0)]


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(*[st.integers(1, 4)] * 3),
    st.integers(0, 30),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_equals_brute_force_on_random_tables(
    n_values: tuple[int, ...], n_rows: int, min_rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, n, n_rows) for n in n_values])

    found = maximal_uncovered(codes, n_values, min_rows)

    assert sorted(found, key=str) == sorted(
        _by_brute_force(codes, n_values, min_rows), key=str
    )


def test_compas_counts_as_published() -> None:
    rows = compas_rows()
    rows["priors"] = pd.cut(rows["priors_count"], [-1, 0, 3, 99]).astype(str)
    three = ["sex", "age_cat", "race"]
    four, five = [*three, "priors"], [*three, "priors", "c_charge_degree"]

    assert len(rows) == 6172
    assert _found(rows, three, 10) == [0, 0, 7, 0]
    assert _found(rows, three, 30) == [0, 1, 5, 4]
    assert _found(rows, four, 10) == [0, 0, 11, 8, 10]
    assert sum(_found(rows, four, 30)) == 32
    assert sum(_found(rows, five, 10)) == 67
    assert sum(_found(rows, five, 30)) == 68


def test_adult_counts_as_published() -> None:
    rows = anchor_rows(
        "adult.data", ADULT, header=None, names=ADULT, skipinitialspace=True
    )
    three = ["sex", "race", "marital"]
    five = [*three, "workclass", "relationship"]

    assert len(rows) == 32561
    assert _found(rows, three, 30) == [0, 1, 9, 8]
    assert sum(_found(rows, five, 30)) == 377
    assert sum(_found(rows, [*five, "education", "occupation"], 30)) == 5594


def test_half_lines_hold_each_other() -> None:
    axis = half_lines(4, 1)

    # Edges 0, 1, 2 of four bins; a fifth cell holds the missing values.
    assert axis.members.astype(int).tolist() == [
        [0, 1, 1, 1, 0],  # above edge 0
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0],  # up to edge 0
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 0, 1],  # missing
        [1, 1, 1, 1, 1],  # any
    ]
    assert axis.parents.tolist() == [7, 0, 1, 4, 5, 7, 7, 7]


def test_widest_uncovered_half_line_is_the_one_named() -> None:
    axis = half_lines(4)
    rows = pattern_counts(np.array([50, 40, 20, 5]), [axis])

    # Above edge 1 there are 25 rows; above edge 0 there are 65. Up to edge 0: 50.
    found = maximal_patterns(rows < 30, [axis])

    assert np.flatnonzero(found).tolist() == [1]


def test_blocks_of_a_pattern_are_counted_once() -> None:
    axes = [plain_axis(2), half_lines(2)]
    cells = np.array([0, 0, 1, 3])
    blocks = np.array([7, 8, 7, 7])

    found = pattern_blocks(cells, blocks, (2, 2), axes, 5)

    # First value: blocks 7 and 8 up to the edge, 7 above it, two in all.
    assert found[0].tolist() == [1, 2, 2]
    assert found[1].tolist() == [1, 0, 1]
    assert found[2].tolist() == [1, 2, 2]


def test_rows_that_serve_two_patterns_are_collected_once() -> None:
    attribute = np.array([0, 0, 1, 1])
    regions = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], dtype=bool)
    nothing = np.zeros((0, 4), dtype=bool)

    total, least = rows_to_collect(regions, attribute, np.array([5, 3, 4]), nothing)

    # Three of the five rows of the first also serve the second; the third is apart.
    assert (total, least) == (9, 9)


def test_no_row_is_collected_from_an_impossible_combination() -> None:
    attribute = np.array([0, 0, 1, 1])
    regions = np.array([[1, 0, 1, 1], [1, 1, 0, 1]], dtype=bool)
    impossible = np.array([[1, 0, 0, 1]], dtype=bool)

    total, _ = rows_to_collect(regions, attribute, np.array([5, 3]), impossible)

    assert total == 8


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_greedy_choice_lies_between_the_bound_and_collecting_each_apart(
    n_patterns: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    attribute = np.repeat([0, 1], 3)
    picked = rng.integers(0, 4, (n_patterns, 2))
    regions = np.array(
        [[one in (3, place) for one in pair for place in range(3)] for pair in picked]
    )
    needs = rng.integers(1, 6, n_patterns)

    total, least = rows_to_collect(
        regions, attribute, needs, np.zeros((0, 6), dtype=bool)
    )

    assert least <= total <= needs.sum()
    assert total >= needs.max()


@pytest.mark.parametrize("n_rows", [0, 1])
def test_too_few_rows_leave_every_situation_uncovered(n_rows: int) -> None:
    codes = np.zeros((n_rows, 2), dtype=np.int64)

    assert maximal_uncovered(codes, (2, 2), 2) == [((None, None), n_rows)]

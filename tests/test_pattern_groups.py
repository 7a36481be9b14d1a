import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.checks.coverage import _cells
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import CountCells
from readiness.pattern_groups import (
    can_pack,
    combined_counts,
    group_rows,
    merge_groups,
    no_groups,
    unpacked,
)
from readiness.scan import scan
from readiness.table_rows import Keys, passed
from readiness.tables import table_from_frame

N_VALUES = (3, 1, 4, 2)
NO_KEYS = Keys(time=None, span=1000, block=None, entity=None, weight=None)


def _codes(n_rows: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n, n_rows) for n in N_VALUES]


def _one_by_one(codes: list[np.ndarray], level: int) -> list[int]:
    """Count every combination with pandas."""
    found: list[int] = []
    for one in combinations(range(len(codes)), level):
        shape = [N_VALUES[n] for n in one]
        counts = pd.DataFrame({n: codes[n] for n in one}).value_counts()
        cube = np.zeros(shape, dtype=int)
        for place, n in counts.items():
            cube[place] = n
        found += cube.ravel().tolist()
    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 60), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_groups_count_every_combination_as_the_rows_do(
    n_rows: int, level: int, seed: int
) -> None:
    codes = _codes(n_rows, seed)
    groups = group_rows(codes, N_VALUES)

    grouped = combined_counts(
        unpacked(groups, N_VALUES), groups.counts, N_VALUES, level
    )

    assert grouped.tolist() == _one_by_one(codes, level)
    assert combined_counts(codes, None, N_VALUES, level).tolist() == grouped.tolist()


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_merged_groups_are_those_of_all_rows(n_a: int, n_b: int, seed: int) -> None:
    a, b = _codes(n_a, seed), _codes(n_b, seed + 1)
    both = [np.concatenate(pair) for pair in zip(a, b, strict=True)]

    merged = merge_groups(group_rows(a, N_VALUES), group_rows(b, N_VALUES))
    expected = group_rows(both, N_VALUES)

    assert merged.keys.tolist() == expected.keys.tolist()
    assert merged.counts.tolist() == expected.counts.tolist()


def test_groups_of_no_rows_change_nothing() -> None:
    some = group_rows(_codes(5, 0), N_VALUES)

    assert merge_groups(no_groups(), some) is some
    assert merge_groups(some, no_groups()) is some


def test_attributes_of_too_many_values_are_not_packed() -> None:
    assert can_pack([122] * 8)
    assert not can_pack([122] * 12)


@pytest.mark.parametrize(("most", "n_values"), [(500_000, 3), (10, 3), (10, 5000)])
def test_counts_do_not_depend_on_when_groups_are_let_go(
    most: int, n_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cells, "MOST_GROUPS", most)
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            name: rng.integers(0, n_values, 150_000).astype(str)
            for name in ("a", "b", "c")
        }
    )
    values = tuple(map(str, range(3)))
    attributes = tuple(Attribute(name=name, values=values) for name in rows)
    count = CountCells(attributes=attributes, level=2, keys=NO_KEYS, n_blocks=0)

    cells = count.finish(passed(table_from_frame(rows, "current"), count, [*rows]))

    kept = rows.where(rows.isin(values), "other")
    order = [*values, "other", "missing"]
    expected = [
        pd.crosstab(kept[x], kept[y])
        .reindex(index=order, columns=order, fill_value=0)
        .to_numpy()
        .ravel()
        for x, y in combinations(rows, 2)
    ]
    assert cells.n_rows == len(rows)
    assert cells.rows.tolist() == np.concatenate(expected).tolist()


@pytest.mark.parametrize("block", [None, "day"])
def test_counts_are_the_same_for_any_number_of_threads(block: str | None) -> None:
    rng = np.random.default_rng(2)
    rows = pd.DataFrame(rng.integers(0, 4, (150_000, 3)), columns=["a", "b", "day"])
    attributes = tuple(
        Attribute(name=name, values=tuple("0123")) for name in ("a", "b")
    )
    count = CountCells(
        attributes=attributes, level=2, keys=replace(NO_KEYS, block=block), n_blocks=3
    )
    table = table_from_frame(rows.astype("str"), "current")

    with ThreadPoolExecutor(1) as alone:
        one = scan(table, {"": pickle.loads(pickle.dumps(count))}, executor=alone)[""]  # noqa: S301 (our own bytes)
    many = scan(table, {"": count})[""]

    one, many = count.finish(one), count.finish(many)
    assert one.rows.tolist() == many.rows.tolist()
    assert one.cells.tolist() == many.cells.tolist()
    assert one.blocks.tolist() == many.blocks.tolist()
    assert len(one.cells) == (16 * 3 if block else 0)

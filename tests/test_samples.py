from dataclasses import replace

import numpy as np
import pytest

from readiness.case import Case
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import scores


@pytest.fixture(scope="module")
def scored(binary_case: Case) -> Scores:
    return scores(binary_case, "reference")


def shuffled(scored: Scores, order: np.ndarray) -> Scores:
    return replace(
        scored,
        row=scored.row[order],
        y_true=scored.y_true[order],
        y_score=scored.y_score[order],
        time=None if scored.time is None else scored.time[order],
    )


def test_rows_come_in_the_same_order_whatever_the_file_order(scored: Scores) -> None:
    order = np.random.default_rng(0).permutation(len(scored.row))

    first = scored.row[random_order(scored, 7)]
    again = shuffled(scored, order)
    second = again.row[random_order(again, 7)]

    assert first.tolist() == second.tolist()


def test_another_seed_gives_another_order(scored: Scores) -> None:
    assert random_order(scored, 7).tolist() != random_order(scored, 8).tolist()


def test_first_rows_are_a_fair_sample(scored: Scores) -> None:
    means = [
        scored.y_score[random_order(scored, seed)[:100]].mean() for seed in range(200)
    ]

    se = scored.y_score.std() / np.sqrt(100)
    assert np.mean(means) == pytest.approx(scored.y_score.mean(), abs=4 * se / 14)
    assert np.std(means) == pytest.approx(se, rel=0.2)


def test_weights_and_several_classes_are_part_of_the_content(scored: Scores) -> None:
    two = np.column_stack([scored.y_score, 1 - scored.y_score])
    weighted = replace(
        scored, y_score=two, time=None, weight=np.arange(len(scored.row), dtype=float)
    )

    order = random_order(weighted, 7)

    assert sorted(order) == list(range(len(scored.row)))

"""What each fault costs, looked at once, and again where a look cannot tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from readiness.checks.stress._asked import Asked, nothing_asked
from readiness.checks.stress._bench import Bench
from readiness.checks.stress._cells import SCORED, Altered, score_faults
from readiness.fault_sources import faults_of_sources
from readiness.faults import Fault, faults_of
from readiness.stats import CONFIDENCE, Floats, Interval, holm

MIN_BLOCKS = 30  # below, nothing is decided
ONE_IN_THREE = 0.43  # standard errors short of a limit that chance makes up for
FEWEST_ROWS = 300
HARMFUL, HARMLESS, UNDECIDED = "harmful", "harmless", "?"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One fault of one column: what the model said and what it costs.

    Parameters
    ----------
    fault, altered : Fault, Altered
    loss : Interval or None
        At the full dose; None where the model refused the rows.
    look, n_looks : int
        From 1: how often rows were asked for, and might have been.
    decision : str
        ``"harmful"``, ``"harmless"``, ``"?"``, or the outcome where not scored.
    """

    fault: Fault
    altered: Altered
    loss: Interval | None
    look: int
    n_looks: int
    decision: str


def all_faults(bench: Bench) -> tuple[Fault, ...]:
    """Return every fault of every column, in their order, then those of sources."""
    columns = bench.case.columns
    single = tuple(
        fault
        for column in columns.values()
        for fault in faults_of(column, columns, bench.rows)
    )
    return (*single, *faults_of_sources(columns, single))


def run_bench(
    bench: Bench, faults: Sequence[Fault], sizes: Sequence[int], most_scorings: int
) -> tuple[Cell, ...]:
    """Return what each fault costs, looking again where a look cannot tell.

    Parameters
    ----------
    bench : Bench
        n rows.
    faults : sequence of Fault
    sizes : sequence of int
        Altered rows that the model has scored for each fault after the first look,
        and after the second where there are two; the last look is at all n rows.
    most_scorings : int
        Rows that each look may give to the model; with many faults a look takes
        fewer rows, never below 300.

    Returns
    -------
    tuple of Cell
        In the order of `faults`.

    Notes
    -----
    A cell is harmful (harmless) when its loss at the full dose is above (below) the
    tolerated loss. Its p-value is the smallest over its looks (the t test on block
    sums; 1 where its interval, which knows of skew, says otherwise), times the number
    of looks there may be: however the looks hang together and
    whatever made the bench look again, it is at most u with a chance of at most u.
    Holm over all cells then keeps the chance of one or more wrong words of a kind to
    5 %. As p-values only fall, a word once said stands, and its cell is looked at no
    more. Rows that a fault leaves as they are cost no scoring, so a look goes on to
    later rows until its quota is spent; how far depends on the inputs alone. An
    undecided cell is looked at again if all n rows have a fair chance to decide it.
    """
    n_rows = len(bench.truth)
    first = min(sizes[0], max(most_scorings // len(faults), FEWEST_ROWS))
    fewer = {one for one in (first, *sizes[1:]) if first <= one < n_rows}
    looks = _Looks(
        bench=bench,
        faults=faults,
        sizes=[*sorted(fewer), n_rows],
        asked=nothing_asked(bench.case, bench.rows.frame, bench.clean),
        p=np.ones((len(faults), 2)),
    )
    cells: dict[int, Cell] = {}
    todo = list(range(len(faults)))
    for look in range(len(looks.sizes)):
        quota = max(most_scorings // max(len(todo), 1), FEWEST_ROWS)
        seen = looks.taken(todo, cells, look, quota)
        cells |= dict(zip(todo, seen, strict=True))
        told = words(looks.p)
        for place, cell in cells.items():
            outcome = cell.altered.outcome
            word = told[place] if outcome == SCORED else outcome
            cells[place] = replace(cell, decision=word)
        todo = [place for place in todo if looks.would_help(cells[place], look, told)]
    return tuple(cells[place] for place in range(len(faults)))


def _joined(one: Altered, other: Altered) -> Altered:
    if one.scores is None or other.scores is None:
        return one if one.scores is None else other
    return replace(
        one,
        scores=np.concatenate([one.scores, other.scores]),
        n_changed=one.n_changed + other.n_changed,
        end=other.end,
    )


def p_values(losses: Sequence[Interval | None], bound: float) -> Floats:
    """Return p-values against a loss below, and above, the bound: shape (n, 2).

    Parameters
    ----------
    losses : sequence of Interval or None
        None, fewer than 30 blocks, or an interval that holds the bound: 1.
    bound : float
        The tolerated loss.
    """
    return np.array(
        [[_p_value(loss, bound, side) for side in (1, -1)] for loss in losses]
    )


def words(p: Floats) -> list[str]:
    """Return ``"harmful"``, ``"harmless"`` or ``"?"`` for each cell, Holm over cells.

    Parameters
    ----------
    p : ndarray of shape (n, 2)
        As `p_values`, adjusted for looks.
    """
    above, below = (holm(one) for one in p.T)
    found = np.select([above, below], [HARMFUL, HARMLESS], UNDECIDED)
    return [str(one) for one in found]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looks:
    """What the looks of one bench share; `p` is the smallest so far, (n, 2)."""

    bench: Bench
    faults: Sequence[Fault]
    sizes: Sequence[int]
    asked: Asked
    p: Floats

    def taken(
        self, todo: Sequence[int], before: Mapping[int, Cell], look: int, quota: int
    ) -> list[Cell]:
        """Return the cells to look at with more rows; their p-values fall."""
        bench = self.bench
        size = self.sizes[look] - (self.sizes[look - 1] if look else 0)
        if look == len(self.sizes) - 1:
            size = self.sizes[look]
        found = score_faults(
            bench.case,
            [self.faults[place] for place in todo],
            bench.rows,
            bench.clean,
            [before[place].altered.end if look else 0 for place in todo],
            min(quota, size),
            self.asked,
        )
        cells = []
        for place, new in zip(todo, found, strict=True):
            one = _joined(before[place].altered, new) if look else new
            loss = None if one.scores is None else bench.loss(one.scores)
            p = p_values([loss], bench.case.tolerated_loss)[0] * len(self.sizes)
            self.p[place] = np.minimum(self.p[place], p)
            cells.append(
                Cell(
                    fault=self.faults[place],
                    altered=one,
                    loss=loss,
                    look=look + 1,
                    n_looks=len(self.sizes),
                    decision=UNDECIDED,
                )
            )
        return cells

    def would_help(self, cell: Cell, look: int, told: Sequence[str]) -> bool:
        """Return whether all rows have a fair chance to decide.

        One in three where the next look is not at all of them yet, which costs more:
        one in two. What blocks add to the variance does not shrink with rows.
        """
        from scipy.special import ndtri  # noqa: PLC0415 (heavy)

        loss, n_rows, end = cell.loss, len(self.bench.truth), cell.altered.end
        if cell.decision != UNDECIDED or loss is None or loss.n_blocks < MIN_BLOCKS:
            return False
        bound = self.bench.case.tolerated_loss
        word = HARMFUL if loss.value > bound else HARMLESS
        n_open = len(told) - told.count(word)
        within = min(1.0, loss.dependence_factor**-2)
        se = loss.se * np.sqrt(1 - within + within * end / n_rows)
        critical = -ndtri((1 - CONFIDENCE) / len(self.sizes) / n_open)
        short = 0.0 if look else ONE_IN_THREE
        return bool(end < n_rows and abs(loss.value - bound) >= (critical - short) * se)


def _p_value(loss: Interval | None, bound: float, side: int) -> float:
    """Return the p-value against the loss lying on the other side of the bound."""
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    if loss is None or not np.isfinite(loss.value) or loss.n_blocks < MIN_BLOCKS:
        return 1.0
    distance = side * (loss.value - bound)
    nearest = loss.ci_low if side > 0 else loss.ci_high
    if side * (nearest - bound) <= 0:
        return 1.0  # skewed or heavy-tailed block sums: its own interval says no
    if not loss.se > 0:
        return 0.0 if distance > 0 else 1.0
    return float(stdtr(loss.n_blocks - 1, -distance / loss.se))

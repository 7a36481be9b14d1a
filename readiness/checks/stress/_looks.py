"""What each fault costs, looked at once, and again where the first look cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from readiness.checks.stress._bench import Bench
from readiness.checks.stress._cells import SCORED, Altered, score_faults
from readiness.fault_sources import faults_of_sources
from readiness.faults import Fault, faults_of
from readiness.stats import CONFIDENCE, Interval, holm

N_LOOKS = 2
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
    look : int
        1 or 2: how often more rows were asked for.
    decision : str
        ``"harmful"``, ``"harmless"``, ``"?"``, or the outcome where not scored.
    """

    fault: Fault
    altered: Altered
    loss: Interval | None
    look: int
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
    bench: Bench, faults: Sequence[Fault], n_first: int, most_scorings: int
) -> tuple[Cell, ...]:
    """Return what each fault costs, looking again where the first look cannot tell.

    Parameters
    ----------
    bench : Bench
        n rows.
    faults : sequence of Fault
    n_first : int
        Altered rows that the model scores for each fault at the first look.
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
    tolerated loss by a t test on block sums, Holm over all cells, at 2.5 % per look:
    over both looks the chance of one or more wrong words of a kind is at most 5 %.
    Rows that a fault leaves as they are cost no scoring, so a look goes on to later
    rows until its quota is spent; how far depends on the inputs alone. An undecided
    cell gets a second look, at all n rows, if these have at least one chance in three
    to decide it; what blocks add to the variance, rows do not remove.
    """
    n_rows = len(bench.truth)
    n_first = min(n_first, max(most_scorings // len(faults), FEWEST_ROWS), n_rows)
    looks = _Looks(
        bench=bench, n_looks=N_LOOKS if n_first < n_rows else 1, n_cells=len(faults)
    )
    first = score_faults(
        bench.case, faults, bench.rows, bench.clean, [0] * len(faults), n_first
    )
    cells = looks.decided(faults, first, look=1)
    again = [
        place
        for place, cell in enumerate(cells)
        if _rows_would_help(cell, bench, len(faults))
    ]
    if looks.n_looks == 1 or not again:
        return tuple(cells)
    quota = max(most_scorings // len(again), FEWEST_ROWS)
    chosen, begin = [faults[one] for one in again], [first[one].end for one in again]
    more = score_faults(
        bench.case, chosen, bench.rows, bench.clean, begin, min(quota, n_rows)
    )
    joined = [
        _joined(first[place], one) for place, one in zip(again, more, strict=True)
    ]
    for place, cell in zip(again, looks.decided(chosen, joined, look=2), strict=True):
        cells[place] = cell
    return tuple(cells)


def _joined(one: Altered, other: Altered) -> Altered:
    if one.scores is None or other.scores is None:
        return one if one.scores is None else other
    return replace(
        one,
        scores=np.concatenate([one.scores, other.scores]),
        n_changed=one.n_changed + other.n_changed,
        end=other.end,
    )


def _rows_would_help(cell: Cell, bench: Bench, n_cells: int) -> bool:
    """Return whether all rows have one chance in three to decide.

    The part of the variance that lies between blocks does not shrink with rows.
    """
    from scipy.special import ndtri  # noqa: PLC0415 (heavy)

    loss, growth = cell.loss, len(bench.truth) / max(cell.altered.end, 1)
    if cell.decision != UNDECIDED or loss is None or loss.n_blocks < MIN_BLOCKS:
        return False
    if growth == 1:
        return False
    within = min(1.0, loss.dependence_factor**-2)
    se = loss.se * np.sqrt(1 - within + within / growth)
    critical = -ndtri((1 - CONFIDENCE) / N_LOOKS / n_cells)
    bound = bench.case.tolerated_loss
    return bool(abs(loss.value - bound) >= (critical - ONE_IN_THREE) * se)


def words(
    losses: Sequence[Interval | None], bound: float, n_cells: int, alpha: float
) -> list[str]:
    """Return ``"harmful"``, ``"harmless"`` or ``"?"`` for each loss, Holm over cells.

    Parameters
    ----------
    losses : sequence of Interval or None
    bound : float
        The tolerated loss.
    n_cells : int
        Cells that could have been tested, at least as many as there are losses.
    alpha : float
        Chance of one or more wrong words of a kind.
    """
    others = [1.0] * (n_cells - len(losses))
    above, below = (
        holm([_p_value(loss, bound, side) for loss in losses] + others, alpha)
        for side in (1, -1)
    )
    found = np.select([above, below], [HARMFUL, HARMLESS], UNDECIDED)[: len(losses)]
    return [str(one) for one in found]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looks:
    """What the looks of one bench share."""

    bench: Bench
    n_looks: int
    n_cells: int

    def decided(
        self, faults: Sequence[Fault], altered: Sequence[Altered], *, look: int
    ) -> list[Cell]:
        """Return a cell for each fault; a second look is at chosen cells only."""
        scored = [one.scores for one in altered]
        losses = [None if one is None else self.bench.loss(one) for one in scored]
        bound, alpha = self.bench.case.tolerated_loss, (1 - CONFIDENCE) / self.n_looks
        told = words(losses, bound, self.n_cells, alpha)
        return [
            Cell(
                fault=fault,
                altered=one,
                loss=loss,
                look=look,
                decision=word if one.outcome == SCORED else one.outcome,
            )
            for fault, one, loss, word in zip(
                faults, altered, losses, told, strict=True
            )
        ]


def _p_value(loss: Interval | None, bound: float, side: int) -> float:
    """Return the p-value against the loss lying on the other side of the bound."""
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    if loss is None or not np.isfinite(loss.value) or loss.n_blocks < MIN_BLOCKS:
        return 1.0
    distance = side * (loss.value - bound)
    if not loss.se > 0:
        return 0.0 if distance > 0 else 1.0
    return float(stdtr(loss.n_blocks - 1, -distance / loss.se))

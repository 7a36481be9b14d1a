"""Paths of a watched loss: blocks drawn anew, and the rule applied at every window."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from readiness.alarm_levels import FEW_DRAWS, History
from readiness.alarms import student_log_evidence, tuned_prior
from readiness.stats import Floats, Ints, student_quantile

Bools = npt.NDArray[np.bool_]
MOST_AT_ONCE = 400_000  # looks of all paths: memory does not grow with their number


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When the accumulated loss is an alarm.

    Parameters
    ----------
    alpha : float
        Chance of a false alarm, ever.
    prior : float
        Of `student_log_evidence`.
    per_window : int
        Blocks of a window.
    """

    alpha: float
    prior: float
    per_window: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """What a number of blocks adds up to; arrays of one shape.

    Parameters
    ----------
    total, count, squares, cross, counts : numpy.ndarray of float
        Sums over blocks of value, weight, value², value x weight, and weight².
    """

    total: Floats
    count: Floats
    squares: Floats
    cross: Floats
    counts: Floats

    @property
    def mean(self) -> Floats:
        """Value per unit of weight."""
        return np.asarray(self.total / self.count, dtype=np.float64)

    def deviations(self, usual: float) -> Floats:
        """Return squared deviations of blocks from the mean, in units of a block."""
        mean = self.mean
        found = self.squares - 2 * mean * self.cross + mean**2 * self.counts
        return np.asarray(np.maximum(found, 0.0) / usual**2, dtype=np.float64)

    def moved(self, shift: float) -> "Sums":
        """Return the sums with every value per weight higher by `shift`."""
        return replace(
            self,
            total=self.total + shift * self.count,
            squares=self.squares + 2 * shift * self.cross + shift**2 * self.counts,
            cross=self.cross + shift * self.counts,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """A reference drawn anew per path, and production after each window.

    Parameters
    ----------
    reference : Sums
        Arrays of shape (n, 1).
    production : Sums
        Arrays of shape (n, looks): all windows so far.
    n_blocks : int
        Blocks of each reference.
    usual : float
        Mean weight of a block.
    """

    reference: Sums
    production: Sums
    n_blocks: int
    usual: float


def rule_for(history: History, alpha: float, look: int) -> Rule:
    """Return the rule that is quickest about the look that matters most."""
    blocks = look * history.per_window
    variance = 1 / blocks + 1 / history.n_blocks
    return Rule(
        alpha=alpha,
        prior=tuned_prior(variance, alpha),
        per_window=history.per_window,
    )


def simulated(
    history: History,
    rules: tuple[Rule, Rule],
    size: tuple[int, int],
    loss: float,
    seed: int,
) -> dict[str, Bools]:
    """Return whether each path alarms at each look, (n, looks).

    Parameters
    ----------
    history : History
        Of one statistic.
    rules : tuple of Rule
        The rule, and a bolder one.
    size : tuple of int
        Paths, and looks of each.
    loss : float
        What harmed production has lost.
    seed : int

    Returns
    -------
    dict
        ``"calm"``: nothing wrong; ``"harmed"``: the loss from the first window on;
        ``"bold"``: the same under the bolder rule; ``"repeated"``: a 95 % test at every
        look, nothing wrong.
    """
    n_paths, looks = size
    step = max(MOST_AT_ONCE // looks, 1)
    parts: list[tuple[Bools, ...]] = []
    for turn, start in enumerate(range(0, n_paths, step)):
        n = min(step, n_paths - start)
        paths = drawn_paths(history, n, looks, (seed, turn))
        rule, bold = rules
        parts.append(
            (
                alarms_of(paths, rule),
                alarms_of(paths, rule, loss),
                alarms_of(paths, bold, loss),
                repeated_tests(paths, rule),
            )
        )
    names = ("calm", "harmed", "bold", "repeated")
    return {
        name: np.concatenate(one)
        for name, one in zip(names, zip(*parts, strict=True), strict=True)
    }


def drawn_paths(
    history: History, n_paths: int, looks: int, seed: tuple[int, ...]
) -> Paths:
    """Draw references and production from one history of one statistic."""
    rng = np.random.default_rng(seed)
    t, c = history.total[:, 0], history.count[:, 0]
    blocks = np.column_stack([t, c, t * t, t * c, c * c])
    k = history.n_blocks
    reference = _added(blocks, n_paths, k, rng)[:, None, :]
    windows = [_added(blocks, n_paths, history.per_window, rng) for _ in range(looks)]
    production = np.cumsum(np.stack(windows, axis=1), axis=1)
    return Paths(
        reference=_named(reference),
        production=_named(production),
        n_blocks=k,
        usual=float(c.mean()),
    )


def alarms_of(paths: Paths, rule: Rule, shift: float = 0.0) -> Bools:
    """Return whether the rule alarms at each look, (n, looks), if all is so much worse.

    Parameters
    ----------
    shift : float
        What production has really lost.
    """
    difference, relative, squares, df = _compared(paths, rule, shift)
    evidence = student_log_evidence(difference, relative, squares, df, rule.prior)
    return np.asarray(evidence >= -np.log(rule.alpha), dtype=np.bool_)


def repeated_tests(paths: Paths, rule: Rule) -> Bools:
    """Return whether a 95 % limit of the moment lies above zero at each look."""
    difference, relative, squares, df = _compared(paths, rule, 0.0)
    se = np.sqrt(squares / df * relative)
    return np.asarray(difference > student_quantile(np.inf) * se, dtype=np.bool_)


def block_sums_of(total: Floats, count: Floats) -> Sums:
    """Return the sums of all the blocks given, each array of shape ()."""
    blocks = np.column_stack([total, count, total**2, total * count, count**2])
    return _named(blocks.sum(axis=0))


def _compared(
    paths: Paths, rule: Rule, shift: float
) -> tuple[Floats, Floats, Floats, Ints]:
    production = paths.production.moved(shift)
    looks = production.total.shape[1]
    blocks = rule.per_window * np.arange(1, looks + 1)
    relative = 1 / blocks + 1 / paths.n_blocks
    reference = paths.reference.deviations(paths.usual)
    squares = reference + production.deviations(paths.usual)
    difference = production.mean - paths.reference.mean
    return difference, relative, squares, blocks + paths.n_blocks - 2


def _added(blocks: Floats, n: int, k: int, rng: np.random.Generator) -> Floats:
    if k <= FEW_DRAWS:
        drawn = rng.integers(0, len(blocks), (n, k))
        return np.asarray(blocks[drawn].sum(axis=1), dtype=np.float64)
    # Sums of so many are normal; a symmetric root depends on no choice of signs.
    mean = blocks.mean(axis=0)
    around = blocks - mean
    size, axes = np.linalg.eigh(around.T @ around / len(blocks))
    root = (axes * np.sqrt(np.maximum(size, 0.0))) @ axes.T
    noise = rng.standard_normal((n, blocks.shape[1])) @ root
    return np.asarray(k * mean + np.sqrt(k) * noise, dtype=np.float64)


def _named(sums: Floats) -> Sums:
    names = ("total", "count", "squares", "cross", "counts")
    return Sums(**{name: sums[..., k] for k, name in enumerate(names)})

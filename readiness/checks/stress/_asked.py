"""What a model of trees has said so far: values between two splits are one to it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.fault_values import Values, is_number
from readiness.scoring import require_rescoring
from readiness.stats import Floats, Ints
from readiness.tree_splits import N_ROWS, Splits, trees_of

Bools = npt.NDArray[np.bool_]
FARTHEST = 1000.0  # times the largest value: as far as a column is known to pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """Answers of the model on rows with one altered number.

    Parameters
    ----------
    splits : mapping of str to Splits
        Of the columns whose values reach the trees as they are.
    farthest : mapping of str to float
        Larger values, or smaller ones below zero, are not taken for others.
    said : dict
        By column: keys of rows and intervals, rising, and their scores.
    """

    splits: dict[str, Splits]
    farthest: dict[str, float]
    said: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)

    def keys(self, name: str, place: Ints, values: Values) -> Ints | None:
        """Return the key of each row with its altered value.

        Parameters
        ----------
        name : str
            The altered column.
        place : ndarray of int, shape (m,)
            Rows, by their place among all.
        values : pandas.Series of shape (m,)

        Returns
        -------
        ndarray of int, shape (m,), or None
            Rows with one key have one score. None where that is not known.
        """
        if name not in self.splits or not is_number(values):
            return None
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.nanmax(np.abs(numbers), initial=0.0) > self.farthest[name]:
            return None
        splits = self.splits[name]
        keys: Ints = place * splits.n_intervals + splits.interval(numbers)
        return keys

    def is_new(self, name: str, keys: Ints) -> Bools:
        """Return which keys the model has not been asked about."""
        known = self.said[name][0]
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        new: Bools = known[place] != keys
        return new

    def answers(self, name: str, keys: Ints) -> Floats:
        """Return the scores of keys that have all been asked about."""
        known, scores = self.said[name]
        found: Floats = scores[np.searchsorted(known, keys)]
        return found

    def learn(self, name: str, keys: Ints, scores: Floats) -> None:
        """Keep what the model said about new keys."""
        if len(keys):
            known, before = self.said[name]
            order = np.argsort(keys)
            place = np.searchsorted(known, keys[order])
            self.said[name] = (
                np.insert(known, place, keys[order]),
                np.insert(before, place, scores[order], axis=0),
            )


def nothing_asked(case: Case, frame: pd.DataFrame, clean: Floats) -> Asked:
    """Return what is known before anything is altered: the good rows' scores.

    Parameters
    ----------
    case : Case
        Splits are known of scikit-learn's trees, alone or at the end of a pipeline.
    frame : pandas.DataFrame
        n good rows, fresh index.
    clean : ndarray of shape (n,) or (n, k)
        Their scores.
    """
    require_rescoring(case)
    numeric = [name for name in frame.columns if is_number(frame[name])]
    far = {name: FARTHEST * (_largest(frame[name]) + 1.0) for name in numeric}
    probe = frame.iloc[:N_ROWS]
    probe = probe.assign(**{name: _to(far[name], probe[name]) for name in numeric})
    splits = dict(trees_of(case, probe).splits)
    asked = Asked(splits=splits, farthest=far)
    place = np.arange(len(frame))
    for name in splits:
        keys = asked.keys(name, place, frame[name])
        if keys is None:  # a value that is not finite
            del asked.splits[name]
        else:
            asked.said[name] = (keys, clean)
    return asked


def _to(farthest: float, values: Values) -> Floats:
    """Return the values with both ends in place of the first and the last."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    numbers[:1], numbers[-1:] = -farthest, farthest
    return numbers


def _largest(values: Values) -> float:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return float(np.nanmax(np.abs(numbers[np.isfinite(numbers)]), initial=0.0))

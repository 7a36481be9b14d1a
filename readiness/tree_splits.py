"""Where the trees of a model split: between two splits it cannot tell values apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.encoded_columns import Opened, open_model
from readiness.stats import Floats, Ints

HISTOGRAM = "sklearn.ensemble._hist_gradient_boosting."
SINGLE = ("sklearn.tree.", "sklearn.ensemble._forest", "sklearn.ensemble._gb")
FARTHEST = 50.0  # SD from the mean: values up to here must pass unchanged
N_ROWS = 500  # that show how a column reaches the trees


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Splits:
    """All values at which any tree of a model splits on one column.

    Parameters
    ----------
    at : numpy.ndarray of float, shape (m,)
        Rising. A value goes left of a split when it is at most as large.
    read_as : numpy.dtype
        What a value is rounded to before it is compared.
    """

    at: Floats
    read_as: npt.DTypeLike

    def interval(self, values: Floats) -> Ints:
        """Return the interval of each value, 0 to m; m + 1 where it is missing.

        m + 2 where rounding makes it infinite, which such trees refuse.

        Examples
        --------
        >>> splits = Splits(at=np.array([1.0, 2.0]), read_as=np.float64)
        >>> splits.interval(np.array([0.5, 1.0, 1.5, 3.0, np.nan])).tolist()
        [0, 0, 1, 2, 3]
        """
        with np.errstate(over="ignore"):
            read = values.astype(self.read_as).astype(np.float64)
        place = np.searchsorted(self.at, read, side="left").astype(np.int64)
        place = np.where(np.isnan(read), len(self.at) + 1, place)
        is_refused = np.isinf(read) & (np.dtype(self.read_as) == np.float32)
        return np.where(is_refused, len(self.at) + 2, place)

    @property
    def n_intervals(self) -> int:
        """How many different answers `interval` has."""
        return len(self.at) + 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """What is known of a model that ends in trees.

    Parameters
    ----------
    splits : mapping of str to Splits
        Of the numeric columns that reach the trees unchanged.
    place : mapping of str to int
        Where these columns stand in the encoded rows.
    final : object or None
        The trees themselves, where they take encoded rows without names.
    """

    splits: Mapping[str, Splits]
    place: Mapping[str, int]
    final: object = None

    def encoded(self, case: Case, frame: pd.DataFrame) -> Floats | None:
        """Return rows as the trees see them, shape (n, p); None without `final`."""
        if self.final is None:
            return None
        before: Any = case.model.estimator
        matrix: Floats = before[:-1].transform(frame[list(case.features)])
        return matrix


UNKNOWN = Trees(splits={}, place={})


def trees_of(case: Case, frame: pd.DataFrame) -> Trees:
    """Return the splits of every numeric column that reaches the trees unchanged.

    Parameters
    ----------
    case : Case
        Its model may be scikit-learn's trees, forests or boosted trees, alone or at
        the end of a pipeline.
    frame : pandas.DataFrame
        Rows with every feature; the first 500 show what reaches the trees.

    Returns
    -------
    Trees
        Without any splits for every other model. Columns that a step before the trees
        encodes,
        scales, fills or mixes are left out, and so are columns that trees split by
        category.

    Notes
    -----
    A column counts as unchanged when all its values in `frame` and steps from 50 SD
    below to 50 SD above them leave the steps before the trees bit by bit the same,
    missing ones missing.
    """
    rows = frame[list(case.features)].iloc[:N_ROWS]
    opened = _opened(case, rows)
    found = None if opened is None else _thresholds(opened.final)
    if opened is None or found is None:
        return UNKNOWN
    names = [
        one.name
        for one in case.columns.values()
        if one.kind == "numeric" and _is_number(rows[one.name])
    ]
    probe = rows.assign(**{name: _steps(rows[name]) for name in names})
    far = _opened(case, probe)
    if far is None:
        return UNKNOWN
    here, there = (
        _unchanged(case, one, values, names)
        for one, values in ((opened, rows), (far, probe))
    )
    thresholds, read_as = found
    splits = {}
    for name in names:
        at = np.unique(thresholds.get(here.get(name, -1), np.empty(0)))
        if name in here and here[name] == there.get(name) and not np.isnan(at).any():
            splits[name] = Splits(at=at, read_as=read_as)
    place = {name: here[name] for name in splits}
    is_alone = _takes_plain_rows(case, rows, opened)
    return Trees(splits=splits, place=place, final=opened.final if is_alone else None)


def _takes_plain_rows(case: Case, rows: pd.DataFrame, opened: Opened) -> bool:
    """Return whether the trees score encoded rows just as the whole model scores."""
    estimator: Any = case.model.estimator
    if opened.final is estimator or not case.model.by_name:
        return False
    if hasattr(opened.final, "feature_names_in_"):
        return False
    matrix = estimator[:-1].transform(rows)
    return isinstance(matrix, np.ndarray) and matrix.dtype == np.float64


def _opened(case: Case, rows: pd.DataFrame) -> Opened | None:
    return open_model(case.model.estimator, rows, by_name=case.model.by_name)


def _unchanged(
    case: Case, opened: Opened, rows: pd.DataFrame, names: list[str]
) -> dict[str, int]:
    """Return where each column stands before the trees, if it stands there as it is."""
    found = {}
    for name in names:
        own = np.flatnonzero(opened.players == case.features.index(name))
        same = [
            int(place)
            for place in own
            if np.array_equal(
                opened.matrix[:, place], _floats(rows[name]), equal_nan=True
            )
        ]
        if len(own) == 1 and same:
            found[name] = same[0]
    return found


def _steps(values: "pd.Series[Any]") -> Floats:
    """Return steps over all values a column may be given, as many as there are rows."""
    known = _floats(values)
    known = known[np.isfinite(known)]
    if not len(known):
        return np.zeros(len(values))
    far = FARTHEST * max(float(known.std()), 1.0)
    return np.linspace(known.min() - far, known.max() + far, len(values))


def _floats(values: "pd.Series[Any]") -> Floats:
    floats: Floats = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def _is_number(values: "pd.Series[Any]") -> bool:
    is_flag = pd.api.types.is_bool_dtype(values.dtype)
    return pd.api.types.is_numeric_dtype(values.dtype) and not is_flag


def _thresholds(final: object) -> tuple[Mapping[int, Floats], npt.DTypeLike] | None:
    """Return the thresholds by encoded column; NaN where a column has categories."""
    module = type(final).__module__
    if module.startswith(HISTOGRAM):
        return _by_column(_histogram_splits(final)), np.float64
    if module.startswith(SINGLE) and getattr(final, "init", None) is None:
        return _by_column(_plain_splits(final)), np.float32
    return None


def _by_column(pairs: Iterator[tuple[Ints, Floats]]) -> Mapping[int, Floats]:
    all_pairs = list(pairs)
    if not all_pairs:
        return {}
    column = np.concatenate([one for one, _ in all_pairs])
    at = np.concatenate([one for _, one in all_pairs])
    return {int(one): at[column == one] for one in np.unique(column)}


def _histogram_splits(final: Any) -> Iterator[tuple[Ints, Floats]]:  # noqa: ANN401 (scikit-learn has no types)
    for rounds in final._predictors:  # noqa: SLF001 (no public way to the trees)
        for one in rounds:
            inner = one.nodes[one.nodes["is_leaf"] == 0]
            at = np.where(inner["is_categorical"], np.nan, inner["num_threshold"])
            yield inner["feature_idx"].astype(np.int64), at.astype(np.float64)


def _plain_splits(final: Any) -> Iterator[tuple[Ints, Floats]]:  # noqa: ANN401 (scikit-learn has no types)
    several = np.ravel(np.asarray(getattr(final, "estimators_", [final]), dtype=object))
    for one in several:
        tree = one.tree_
        inner = tree.children_left >= 0
        yield tree.feature[inner].astype(np.int64), tree.threshold[inner]

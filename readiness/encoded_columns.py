"""What stands inside a scikit-learn pipeline: its last step and the encoded columns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.stats import Floats, Ints

# A step written by somebody else may refuse rows it is not used to, or need what a
# plain frame lacks; the model is then explained from outside.
REFUSALS = (ValueError, TypeError, AttributeError, KeyError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """The last step of a model, and rows as that step sees them.

    Parameters
    ----------
    final : object
        The fitted last step.
    matrix : ndarray of shape (n, p)
        The rows after every earlier step.
    players : ndarray of int, shape (p,)
        Place of the raw column that each encoded column is made from.
    """

    final: Any
    matrix: Floats
    players: Ints


def open_model(
    estimator: object, frame: pd.DataFrame, *, by_name: bool = True
) -> Opened | None:
    """Return the last step of a model with the encoded rows.

    Parameters
    ----------
    estimator : object
        A fitted scikit-learn estimator or ``Pipeline``; anything else gives None.
    frame : pandas.DataFrame
        Raw rows, columns in the model's order.
    by_name : bool
        False where the estimator was fitted without column names.

    Returns
    -------
    Opened or None
        None where some encoded column is made from several raw columns, or where
        a step refuses the rows.
    """
    from sklearn.base import BaseEstimator  # noqa: PLC0415 (heavy)
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 (heavy)

    if not isinstance(estimator, BaseEstimator):
        return None
    inside = isinstance(estimator, Pipeline)
    final = estimator[-1] if inside else estimator
    before = estimator[:-1].transform if inside and len(estimator) > 1 else None

    def encode(rows: pd.DataFrame) -> Floats:
        encoded: Any = rows if by_name else rows.to_numpy()
        if before is not None:
            encoded = before(encoded)
        if hasattr(final, "_preprocess_X"):  # the trees' own ordinal encoding
            encoded = final._preprocess_X(encoded, reset=False)  # noqa: SLF001 (no public way)
        dense = encoded.toarray() if hasattr(encoded, "toarray") else encoded
        return np.asarray(dense, dtype=np.float64)

    try:
        matrix = encode(frame)
        players = raw_columns(encode, frame, matrix)
    except REFUSALS:
        return None
    if players is None:
        return None
    return Opened(final=final, matrix=matrix, players=players)


def raw_columns(
    encode: Callable[[pd.DataFrame], Floats], frame: pd.DataFrame, matrix: Floats
) -> Ints | None:
    """Return the raw column that each encoded column is made from.

    Parameters
    ----------
    encode : callable
        ``encode(frame)`` gives an array of shape (n, p), row by row.
    frame : pandas.DataFrame
        n rows of d raw columns.
    matrix : ndarray of shape (n, p)
        ``encode(frame)``.

    Returns
    -------
    ndarray of int, shape (p,), or None
        None where an encoded column hangs on several raw columns. A column that is
        the same in every row belongs to nobody in particular: 0.

    Notes
    -----
    Raw columns are numbered in binary. For each digit, once the columns with that
    digit and once those without it are moved down by one row; an encoded column of a
    single raw column changes in exactly one of the two, which spells its number.
    """
    constant = np.all(_same(matrix, matrix[:1]), axis=0)
    numbers = np.arange(frame.shape[1])
    players = np.zeros(matrix.shape[1], dtype=np.int64)
    single = np.ones(matrix.shape[1], dtype=bool)
    for digit in range(max(1, int(numbers[-1]).bit_length())):
        with_digit = (numbers >> digit & 1).astype(bool)
        moved = _changed(encode, frame, matrix, with_digit)
        single &= moved != _changed(encode, frame, matrix, ~with_digit)
        players |= moved.astype(np.int64) << digit
    if not np.all(single | constant):
        return None
    return np.where(constant, 0, players)


def _changed(
    encode: Callable[[pd.DataFrame], Floats],
    frame: pd.DataFrame,
    matrix: Floats,
    chosen: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    order = np.roll(np.arange(len(frame)), 1)
    moved = frame.copy()
    for name in frame.columns[chosen]:
        moved[name] = frame[name].array.take(order)
    changed: NDArray[np.bool_] = ~np.all(_same(encode(moved), matrix), axis=0)
    return changed


def _same(one: Floats, other: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same

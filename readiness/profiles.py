"""Profiles of the tables of a case, computed once and kept with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from readiness.cache import cached
from readiness.case import Case
from readiness.column_profiles import ColumnProfile, profiles_of
from readiness.errors import Reason
from readiness.tables import Table

FORMAT = 2


def profile(case: Case, table_name: str) -> Mapping[str, ColumnProfile]:
    """Return the profile of every feature, the target and the time of a table.

    Parameters
    ----------
    case : Case
        Edges and categories are frozen from training, else reference, so that
        counts of two tables can be compared bin by bin.
    table_name : str
        ``"training"``, ``"reference"`` or ``"current"``.

    Returns
    -------
    mapping of str to ColumnProfile
        Computed once per run; a column that cannot be counted has a `reason`.

    Raises
    ------
    NotAssessedError
        NO_TABLE when the case has no such table.

    Notes
    -----
    All but `n_distinct` is exact and does not depend on threads. The edges come from
    at most 262,144 rows, and reach the extremes of all.
    """
    table, known = case.table(table_name), case.training_or_reference()
    kinds = _kinds(case)
    named = [FORMAT, table.sha256, known.sha256, known.name, kinds, table_name]
    key = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    frozen = None if table is known else profile(case, known.name)
    path = cached(case.work, f"{key}.json", partial(_write, table, kinds, frozen))
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {name: _restored(one) for name, one in stored.items()}


def _kinds(case: Case) -> Mapping[str, str]:
    """Return the kind of every column to profile."""
    kinds = {name: one.kind for name, one in case.columns.items()}
    if case.file.data.time is not None:
        kinds.setdefault(case.file.data.time, "time")
    is_number = case.task == "regression"
    kinds.setdefault(case.target, "numeric" if is_number else "categorical")
    return kinds


def _write(
    table: Table,
    kinds: Mapping[str, str],
    frozen: Mapping[str, ColumnProfile] | None,
    path: Path,
) -> None:
    found = profiles_of(table, kinds, frozen)
    text = json.dumps({name: _stored(one) for name, one in found.items()})
    path.write_text(text, encoding="utf-8")


def _stored(one: ColumnProfile) -> dict[str, Any]:
    fields = asdict(one)
    return fields | {
        "edges": one.edges.tolist(),
        "bin_counts": one.bin_counts.tolist(),
    }


def _restored(fields: dict[str, Any]) -> ColumnProfile:
    reason = fields["reason"]
    return ColumnProfile(
        **fields
        | {
            "edges": np.array(fields["edges"], dtype=np.float64),
            "bin_counts": np.array(fields["bin_counts"], dtype=np.int64),
            "reason": Reason(reason) if reason else None,
        }
    )

"""One model under review with its tables and column roles, validated once."""

import contextlib
import datetime as dt
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from readiness.columns import (
    Column,
    changed_kinds,
    describe_columns,
    find_features,
    require_known,
    require_usable,
)
from readiness.config import CaseFile, read_case
from readiness.errors import NotAssessedError, Reason
from readiness.inputs import (
    load_tables,
    model_key,
    model_of,
    outputs_of,
    private_folder,
)
from readiness.labels import find_classes
from readiness.metrics import Metric, default_metric, find_metric
from readiness.models import Model
from readiness.tables import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One model under review with its data.

    Parameters
    ----------
    file : CaseFile
        What people wrote.
    base : pathlib.Path
        Folder relative paths start at.
    work : pathlib.Path
        Private folder for what is computed once per run.
    model : Model
        Its features are set.
    tables : mapping of str to Table
        Any of ``"training"``, ``"reference"``, ``"current"``; reference always.
    columns : mapping of str to Column
        The features, in the order the model takes them.
    classes : tuple
        Labels: ``(negative, positive)``, or in the model's order, or ``()`` for
        regression.
    positive : object
        The positive label; None unless binary.
    model_key : str
        Names the model in the cache: equal keys give equal scores.
    scored : set of str
        Tables whose scores were asked for in this process; the ledger tells of
        rows without a score for these.
    begun : datetime.datetime
        When the run began, UTC; without a run, now.
    """

    file: CaseFile
    base: Path
    work: Path
    model: Model
    tables: Mapping[str, Table]
    columns: Mapping[str, Column]
    classes: tuple[Any, ...]
    positive: Any
    model_key: str
    scored: set[str] = field(default_factory=set)
    begun: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.file.name

    @property
    def task(self) -> str:
        """``"binary"``, ``"multiclass"`` or ``"regression"``."""
        return self.file.model.task

    @property
    def target(self) -> str:
        """Name of the label column."""
        return self.file.data.target

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order the model takes them."""
        return tuple(self.columns)

    @property
    def metric(self) -> Metric:
        """The headline metric: declared, or the default of the task."""
        declared = self.file.model.metric
        return (
            find_metric(declared, self.task) if declared else default_metric(self.task)
        )

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher headline metric is better."""
        return self.metric.higher_is_better

    @property
    def acceptable(self) -> float:
        """The worst acceptable value of the headline metric.

        Raises
        ------
        NotAssessedError
            NO_ACCEPTABLE when the case declares none.
        """
        if self.file.model.acceptable is None:
            msg = "No acceptable value declared. Set model.acceptable in the case file."
            raise NotAssessedError(msg, Reason.NO_ACCEPTABLE)
        return self.file.model.acceptable

    @property
    def threshold(self) -> float:
        """The decision cut on the score; one half unless the case declares one."""
        declared = self.file.model.threshold
        return 0.5 if declared is None else declared

    @property
    def tolerated_loss(self) -> float:
        """What a shift or a fault may cost of the metric before it is harm."""
        return self.file.model.tolerated_loss

    @property
    def block(self) -> str | None:
        """A duration or a column whose rows hang together; None without either."""
        data = self.file.data
        return data.block or ("1d" if data.time else None)

    def has(self, name: str) -> bool:
        """Return whether the case has the table `name`."""
        return name in self.tables

    def table(self, name: str) -> Table:
        """Return a table; NotAssessedError (NO_TABLE) when the case has none."""
        if name not in self.tables:
            msg = f"The case has no {name} table. Name one under data.{name}."
            raise NotAssessedError(msg, Reason.NO_TABLE)
        return self.tables[name]

    def labelled_tables(self) -> tuple[str, ...]:
        """Return the tables to judge the model on: reference, and labelled current.

        Training is never among them, labels or not: the model has seen its rows.
        """
        return tuple(
            name
            for name in ("reference", "current")
            if name in self.tables and self.has_labels(name)
        )

    def has_labels(self, name: str) -> bool:
        """Return whether a table has the target column with at least one value."""
        table = self.table(name)
        if self.target not in table.schema.names:
            return False
        return any(
            batch.column(0).null_count < batch.num_rows
            for batch in table.batches([self.target])
        )

    def training_or_reference(self) -> Table:
        """Return what the model was fitted on, or the reference standing in for it."""
        return self.tables.get("training", self.tables["reference"])

    def missing_features(self, table_name: str) -> tuple[str, ...]:
        """Return the features that a table lacks, in model order."""
        names = set(self.table(table_name).schema.names)
        return tuple(name for name in self.columns if name not in names)

    def retyped_features(self, table_name: str) -> Mapping[str, tuple[str, str]]:
        """Return features of another kind than in training, with both kinds.

        Returns
        -------
        mapping of str to tuple of str
            Expected and found kind. Numbers and booleans are not told apart, and a
            column without any value has no kind to differ.
        """
        known = self.training_or_reference().schema
        return changed_kinds(known, self.table(table_name).schema, self.columns)


def load_case(
    case: str | Path | CaseFile,
    *,
    base: Path | None = None,
    frames: Mapping[str, pd.DataFrame | pa.Table] | None = None,
    model: object | None = None,
    current: Path | None = None,
    work: Path | None = None,
    cluster: str = "",
) -> Case:
    """Load and validate a case.

    Parameters
    ----------
    case : str, pathlib.Path or CaseFile
        The case file, or what one would hold.
    base : pathlib.Path, optional
        Where relative paths start; default the folder of the case file, or here.
    frames : mapping of str to pandas.DataFrame or pyarrow.Table, optional
        The tables by name, in place of the files the case names. Polars frames and
        Spark DataFrames serve as well.
    model : object, optional
        An estimator or a function, in place of the file the case names.
    current : pathlib.Path, optional
        A file of recent rows, in place of ``data.current``.
    work : pathlib.Path, optional
        Private folder of the run; default a temporary one, removed with the case.
    cluster : str
        Address of a Dask scheduler, or ``"local"``; empty: this process counts.

    Raises
    ------
    CaseError
        When a named column is unknown, the target does not fit the task, or weights
        are unusable; the message names the key.
    InputError, ModelError
        When a table or the model cannot be loaded.
    """
    case = Path(case) if isinstance(case, str) else case
    file = read_case(case) if isinstance(case, Path) else case
    home = case.parent if isinstance(case, Path) else Path()
    base = (base or home).absolute()
    with contextlib.ExitStack() as left:
        folder = private_folder(work, left)
        loaded_tables = load_tables(file, base, folder, frames=frames, current=current)
        tables = {
            name: replace(one, cluster=cluster) for name, one in loaded_tables.items()
        }
        found = model_of(file, base, model)
        features = find_features(file, found.features, tables, by_name=found.by_name)
        require_known(file, tables, features)
        found = replace(found, features=features, outputs=outputs_of(found, tables))
        classes, positive = find_classes(found, tables["reference"], file.data.target)
        if found.classes is None and found.column is not None and classes:
            found = replace(found, classes=classes)
        loaded = Case(
            file=file,
            base=base,
            work=folder,
            model=replace(found, positive=positive),
            tables=tables,
            columns=describe_columns(file, tables, features),
            classes=classes,
            positive=positive,
            model_key=model_key(found, file),
        )
        _ = loaded.metric  # an unknown name is an error of the case
        require_usable(file, tables)
        weakref.finalize(loaded, left.pop_all().close)
    return loaded

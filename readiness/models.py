"""Models behind one door: a frame goes in, checked scores come out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from readiness.config import ModelSection
from readiness.errors import CaseError, ModelError, NotAssessedError, Reason
from readiness.outputs import Floats, checked_scores
from readiness.trust import Loaded, load_callable, load_file


class ModelRaisedError(ModelError):
    """The model raised an exception on the rows it was given."""

    default_code = Reason.MODEL_SCORES


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model under review.

    Parameters
    ----------
    format : str
        ``"skops"``, ``"joblib"``, ``"pickle"``, ``"lightgbm"``, ``"xgboost"``,
        ``"callable"``, ``"predictions"``, or ``"object"`` for an estimator passed in
        memory.
    sha256 : str or None
        Hash of the file it came from.
    trusted_by : str
        Why it was allowed to be loaded.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    features : tuple of str or None
        Columns in the order the model takes them; None until a case sets them.
    classes : tuple or None
        Labels in the order of the model's own outputs; None for regression, and for
        functions that do not say.
    positive : object
        The positive label of a binary model; None where the case finds it.
    outputs : str
        ``"probability"``, ``"class"`` or ``"value"``.
    estimator : object or None
        What is called: it has ``predict``, or is a function of a frame.
    column : str or None
        The column that holds the predictions, when there is no model to call.
    by_name : bool
        False for estimators fitted without column names: they get an array.
    notes : tuple of str
        Warnings raised while it was loaded.

    Notes
    -----
    A function takes one argument, a `pandas.DataFrame` of the features, and returns
    an array. Binary: the probability of the positive class, (n,) or (n, 1).
    Multiclass: one probability per class, (n, k), with the labels in its attribute
    ``classes_``; a binary function with ``classes_`` may return (n, 2). Regression:
    (n,) or (n, 1). It may name its features in ``feature_names_in_``.
    """

    format: str
    sha256: str | None
    trusted_by: str
    task: str
    features: tuple[str, ...] | None = None
    classes: tuple[Any, ...] | None = None
    positive: Any = None
    outputs: str = "value"
    estimator: Any = None
    column: str | None = None
    by_name: bool = True
    notes: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Return the scores of rows; the model gets a copy of them.

        Parameters
        ----------
        frame : pandas.DataFrame
            n rows with at least the model's features, in any order of columns.

        Returns
        -------
        numpy.ndarray of float
            Binary: probability of the positive class, (n,). Multiclass:
            probabilities in the order of `classes`, (n, k). Regression: (n,). With
            `outputs` ``"class"``: codes, (n,); 1 is the positive class of a binary
            model, else the place in `classes`.

        Raises
        ------
        NotAssessedError
            NO_RESCORING when there are only stored predictions; SCHEMA when a
            feature is missing.
        ModelRaisedError
            When the model raises.
        ModelError
            MODEL_SCORES when scores have another shape, are not finite, or are no
            probabilities.
        """
        if self.column is not None:
            msg = (
                f"Only the stored predictions {self.column!r} are known, so rows "
                "cannot be scored again. Name a model in the case file."
            )
            raise NotAssessedError(msg, Reason.NO_RESCORING)
        X = self._input(frame)
        try:
            raw = self._call(X)
        except Exception as cause:
            text = str(cause).strip().split("\n")[0][:200]
            msg = (
                f"The model raised {type(cause).__name__} on {len(frame)} rows: {text}"
            )
            raise ModelRaisedError(msg) from cause
        return checked_scores(
            raw,
            len(frame),
            outputs=self.outputs,
            task=self.task,
            classes=self.classes,
            positive=self.positive,
        )

    def _input(self, frame: pd.DataFrame) -> Any:  # noqa: ANN401 (a frame or an array)
        features = list(frame.columns) if self.features is None else list(self.features)
        missing = [name for name in features if name not in frame.columns]
        if missing:
            msg = f"The model needs the columns {', '.join(map(repr, missing[:10]))}."
            raise NotAssessedError(msg, Reason.SCHEMA)
        X = frame[features].copy()
        return X if self.by_name else X.to_numpy()

    def _call(self, X: Any) -> Any:  # noqa: ANN401 (whatever the model takes and gives)
        if self.outputs == "probability" and hasattr(self.estimator, "predict_proba"):
            return self.estimator.predict_proba(X)
        if hasattr(self.estimator, "predict"):
            return self.estimator.predict(X)
        return self.estimator(X)


def load_model(section: ModelSection, base: Path) -> Model:
    """Load the model a case names, through the trust gate.

    Parameters
    ----------
    section : ModelSection
        The ``[model]`` table of a case file.
    base : pathlib.Path
        Folder of the case file.

    Raises
    ------
    InputError, CaseError, ModelError
        As `trust.load_file`, `trust.load_callable` and `wrap_model`.
    """
    if section.predictions is not None:
        return Model(
            format="predictions",
            sha256=None,
            trusted_by="no code",
            task=section.task,
            positive=section.positive,
            column=section.predictions,
            outputs="value" if section.task == "regression" else "probability",
        )
    if section.callable is not None:
        return wrap_model(
            load_callable(section.callable, section.sha256, base), section
        )
    return wrap_model(load_file(section.path or "", section.sha256, base), section)


def wrap_model(loaded: Loaded, section: ModelSection) -> Model:
    """Return the model around a loaded object: its features, classes and outputs.

    Raises
    ------
    ModelError
        MODEL_LOAD when the object cannot predict, or a classifier lists no classes.
    CaseError
        When the classes do not fit the task, or lack the declared positive label.
    """
    found, task = loaded.found, section.task
    is_function = not hasattr(found, "predict")
    if is_function and not callable(found):
        msg = (
            f"The model must have predict or be a function; its type is "
            f"{type(found).__name__!r}."
        )
        raise ModelError(msg)
    classes, positive = _classes(found, section, is_function=is_function)
    names = getattr(found, "feature_names_in_", None)
    outputs = "value" if task == "regression" else "class"
    if task != "regression" and (is_function or hasattr(found, "predict_proba")):
        outputs = "probability"
    return Model(
        format=loaded.format,
        sha256=loaded.sha256,
        trusted_by=loaded.trusted_by,
        task=task,
        features=None if names is None else tuple(map(str, names)),
        classes=classes,
        positive=positive,
        outputs=outputs,
        estimator=found,
        by_name=is_function or names is not None,
        notes=loaded.notes,
    )


def _classes(
    found: Any,  # noqa: ANN401 (any estimator or function)
    section: ModelSection,
    *,
    is_function: bool,
) -> tuple[tuple[Any, ...] | None, Any]:
    listed = getattr(found, "classes_", None)
    if section.task == "regression":
        if listed is not None:
            msg = "model.task is 'regression', but the model predicts classes."
            raise CaseError(msg)
        return None, None
    if listed is None:
        if is_function and section.task == "binary":
            return None, section.positive
        msg = (
            "A model that predicts classes must list them in classes_; this one does "
            "not. Wrap it in a function that has the attribute."
        )
        raise ModelError(msg)
    classes = tuple(np.asarray(listed).tolist())
    if section.task == "multiclass":
        return classes, None
    return classes, _positive(classes, section.positive)


def _positive(classes: tuple[Any, ...], declared: Any) -> Any:  # noqa: ANN401 (a label)
    if len(classes) != 2:  # noqa: PLR2004 (binary means two)
        msg = (
            f"model.task is 'binary', but the model has {len(classes)} classes: "
            f"{list(classes[:10])!r}. Set task to 'multiclass'."
        )
        raise CaseError(msg)
    if declared is None:
        return classes[1]
    if declared not in classes:
        msg = (
            f"model.positive must be one of the model's classes {list(classes)!r}; "
            f"the case file has {declared!r}."
        )
        raise CaseError(msg)
    return classes[classes.index(declared)]

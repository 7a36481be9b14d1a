"""The reviewed model fitted again on other rows; the model under review stays as is."""

from dataclasses import replace
from typing import Any

import pandas as pd

from readiness.case import Case
from readiness.errors import NotAssessedError, ReadinessError, Reason
from readiness.models import Model, wrap_model
from readiness.trust import Loaded, load_callable


def require_refits(case: Case) -> None:
    """Raise NotAssessedError (NO_REFIT) where the model cannot be fitted again."""
    if case.file.model.fit is None and not _can_be_cloned(case.model.estimator):
        msg = (
            "The model cannot be fitted again: it is no scikit-learn estimator. Name a "
            'function under model.fit, such as "refit.py:fit".'
        )
        raise NotAssessedError(msg, Reason.NO_REFIT)


def refit(case: Case, frame: pd.DataFrame, seed: int) -> Model:
    """Return the model fitted anew on labelled rows.

    Parameters
    ----------
    case : Case
        Names a function ``fit(frame, seed) -> model`` under ``model.fit``, which gets
        all columns of the rows; otherwise the estimator is cloned, unfitted, and gets
        its features and the target.
    frame : pandas.DataFrame
        Labelled rows of a table of the case.
    seed : int
        Given to `fit`, or to every ``random_state`` of the clone.

    Raises
    ------
    NotAssessedError
        NO_REFIT when there is no way to fit it; MODEL_SCORES when fitting fails.
    ReadinessError
        When the file of the function is not trusted.
    """
    require_refits(case)
    section = case.file.model
    try:
        if section.fit is not None:
            code = load_callable(section.fit, section.fit_sha256, case.base)
            found = code.found(frame, seed)
        else:
            found = _cloned(case.model.estimator, seed)
            found.fit(frame[list(case.features)], frame[case.target])
    except ReadinessError:
        raise
    except Exception as cause:
        what = str(cause).strip().split("\n")[0][:200]
        msg = f"Fitting the model again raised {type(cause).__name__}: {what}"
        raise NotAssessedError(msg, Reason.MODEL_SCORES) from cause
    loaded = Loaded(found=found, format="refit", sha256=None, trusted_by="the case")
    model = wrap_model(loaded, section)
    return replace(
        model,
        features=case.features,
        positive=case.positive,
        classes=case.model.classes,
    )


def _can_be_cloned(estimator: Any) -> bool:  # noqa: ANN401 (any model)
    return all(hasattr(estimator, name) for name in ("fit", "get_params", "predict"))


def _cloned(estimator: Any, seed: int) -> Any:  # noqa: ANN401 (any model)
    from sklearn.base import clone  # noqa: PLC0415 (heavy)

    fresh = clone(estimator)
    states = [
        name
        for name in fresh.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    return fresh.set_params(**dict.fromkeys(states, seed))

"""Native model files of LightGBM and XGBoost as functions of a frame."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from readiness.errors import ModelError
from readiness.outputs import Floats

# Their scores are neither probabilities nor values of the target.
UNUSABLE = (
    "binary:hinge",
    "binary:logitraw",
    "lambdarank",
    "multi:softmax",
    "rank",
    "survival",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Booster:
    """A boosted model that takes its columns by name.

    Parameters
    ----------
    found : object
        The library's own booster.
    feature_names_in_ : tuple of str
        Columns in the order of the model; the caller puts a frame in this order.
    objective : str
        In the words of the library.
    categories : mapping of str to sequence
        Known values of each categorical column, in the order of their codes. Any
        other value counts as missing, which is how both libraries take it.
    score : callable
        ``score(found, frame, margin=...)`` gives the library's answer.
    classes_ : tuple of int or None
        Codes of the classes, 0 to k - 1; None unless there are several outputs.
    """

    found: Any
    feature_names_in_: tuple[str, ...]
    objective: str
    categories: Mapping[str, Sequence[Any]]
    score: Callable[..., Floats]
    classes_: tuple[int, ...] | None = field(default=None)

    def __call__(self, frame: pd.DataFrame) -> Floats:
        """Return the scores of n rows: (n,), or (n, k) for k classes."""
        return self.score(self.found, self.coded(frame), margin=False)

    def margin(self, frame: pd.DataFrame) -> Floats:
        """Return the sums of trees behind the scores: (n,), or (n, k)."""
        return self.score(self.found, self.coded(frame), margin=True)

    def coded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with its categorical columns coded as in training."""
        known = {
            name: _coded(frame[name], pd.Index(values))
            for name, values in self.categories.items()
        }
        return frame.assign(**known)


def _coded(values: "pd.Series[Any]", known: "pd.Index[Any]") -> pd.Categorical:
    if isinstance(values.dtype, pd.CategoricalDtype):
        # The last place is that of no category: code -1.
        places = np.append(known.get_indexer(values.cat.categories), -1)
        codes = places[values.cat.codes]
    else:
        codes = known.get_indexer(pd.Index(values))
    return pd.Categorical.from_codes(codes, categories=known)


def booster_kind(content: bytes) -> str | None:
    """Return ``"lightgbm"`` or ``"xgboost"`` for a file of theirs, told by content."""
    if content.startswith(b"tree\n"):
        return "lightgbm"
    is_object = content.lstrip()[:1] == b"{"
    return "xgboost" if is_object and b"learner" in content[:200] else None


def load_booster(content: bytes, kind: str) -> Booster:
    """Return the model that a native file holds.

    Parameters
    ----------
    content : bytes
        The whole file, trusted by its hash: a crafted file can end this process.
    kind : str
        As `booster_kind`.

    Raises
    ------
    ImportError
        When the library is not installed.
    ModelError
        When the file is damaged, names no columns, or its objective gives neither
        probabilities nor values.
    """
    found = _lightgbm(content) if kind == "lightgbm" else _xgboost(content)
    if found.objective.startswith(UNUSABLE):
        msg = (
            f"The objective {found.objective!r} gives neither probabilities nor values "
            "of the target. Fit the model with one that does, such as "
            f"{'binary' if kind == 'lightgbm' else 'binary:logistic'!r}."
        )
        raise ModelError(msg)
    return found


def _lightgbm(content: bytes) -> Booster:
    import lightgbm  # noqa: PLC0415 (an extra)

    try:
        found = lightgbm.Booster(model_str=content.decode("utf-8"))
    except (lightgbm.basic.LightGBMError, ValueError) as cause:
        msg = f"The LightGBM model is no whole file: {_first_line(cause)}"
        raise ModelError(msg) from cause
    names = tuple(found.feature_name())
    places = found.params.get("categorical_feature") or []
    known = found.pandas_categorical or []
    if len(known) not in {0, len(places)}:
        msg = (
            f"The LightGBM model has {len(places)} categorical columns and the "
            f"categories of {len(known)}. Save it with the version that fitted it."
        )
        raise ModelError(msg)
    n_outputs = found.num_model_per_iteration()
    return Booster(
        found=found,
        feature_names_in_=names,
        objective=_word(content, b"\nobjective="),
        categories={
            names[place]: values for place, values in zip(places, known, strict=False)
        },
        score=_score_lightgbm,
        classes_=tuple(range(n_outputs)) if n_outputs > 1 else None,
    )


def _score_lightgbm(found: Any, frame: pd.DataFrame, *, margin: bool) -> Floats:  # noqa: ANN401 (an extra's type)
    scores: Floats = found.predict(frame, raw_score=margin, validate_features=True)
    return scores


def _word(content: bytes, key: bytes) -> str:
    line = content.partition(key)[2].partition(b"\n")[0]
    return line.decode("utf-8").partition(" ")[0]


def _xgboost(content: bytes) -> Booster:
    import xgboost  # noqa: PLC0415 (an extra)

    found = xgboost.Booster()
    try:
        found.load_model(bytearray(content))
        learner = json.loads(found.save_config())["learner"]
    except (xgboost.core.XGBoostError, ValueError, KeyError) as cause:
        msg = f"The XGBoost model is no whole file: {_first_line(cause)}"
        raise ModelError(msg) from cause
    if found.feature_names is None:
        msg = (
            "The XGBoost model names no columns: a table in another order would "
            "be scored wrongly. Fit it on a frame."
        )
        raise ModelError(msg)
    kinds = found.feature_types or []
    n_classes = int(learner["learner_model_param"]["num_class"])
    return Booster(
        found=found,
        feature_names_in_=tuple(found.feature_names),
        objective=str(learner["objective"]["name"]),
        categories=_stored_categories(found) if "c" in kinds else {},
        score=_score_xgboost,
        classes_=tuple(range(n_classes)) if n_classes > 1 else None,
    )


def _stored_categories(found: Any) -> dict[str, list[Any]]:  # noqa: ANN401 (an extra's type)
    stored = found.get_categories(export_to_arrow=True).to_arrow()
    known = {name: values.to_pylist() for name, values in stored if values is not None}
    missing = [
        name
        for name, kind in zip(found.feature_names, found.feature_types, strict=True)
        if kind == "c" and name not in known
    ]
    if missing:
        msg = (
            f"The XGBoost model does not hold the categories of {missing[0]!r}. Fit it "
            "and save it with XGBoost 3.1 or newer."
        )
        raise ModelError(msg)
    return known


def _score_xgboost(found: Any, frame: pd.DataFrame, *, margin: bool) -> Floats:  # noqa: ANN401 (an extra's type)
    import xgboost  # noqa: PLC0415 (an extra)

    best = found.attr("best_iteration")  # early stopping leaves the best round there
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    rows = xgboost.DMatrix(frame, enable_categorical=True)
    scores: Floats = found.predict(rows, iteration_range=rounds, output_margin=margin)
    return scores


def _first_line(cause: Exception) -> str:
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[0][:200]}"

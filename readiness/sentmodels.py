"""How a model reaches a worker: by its path and its hash, or as it is in memory."""

import pickle
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from readiness.case import Case
from readiness.errors import ReadinessError, Reason
from readiness.models import Model
from readiness.trust import load_callable, load_file

MOST_KEPT = 2
_LOADING = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentModel:
    """What a worker needs to have the model that was let in here, and no other.

    Parameters
    ----------
    format : str
        As `models.Model.format`.
    source : str
        The path or the function that the case names; empty for one in memory.
    sha256 : str or None
        Hash of the bytes that were loaded here: a worker loads no others.
    base : pathlib.Path
        Folder of the case file.
    content : bytes
        The model itself, when it was passed in memory.
    packages : tuple of tuple of str
        Versions of the packages its estimators come from.
    """

    format: str
    source: str
    sha256: str | None
    base: Path
    content: bytes
    packages: tuple[tuple[str, str], ...]


def sent_model(case: Case) -> SentModel | None:
    """Return how the model of a case travels; None where only predictions are stored.

    Raises
    ------
    ReadinessError
        CLUSTER when a model passed in memory cannot be sent.
    """
    model, section = case.model, case.file.model
    if model.column is not None:
        return None
    in_memory = model.format == "object"
    named = section.callable if model.format == "callable" else section.path
    return SentModel(
        format=model.format,
        source="" if in_memory else named or "",
        sha256=model.sha256,
        base=case.base,
        content=_content(model) if in_memory else b"",
        packages=tuple(sorted(packages(model.estimator).items())),
    )


def _content(model: Model) -> bytes:
    # Comes with distributed; sends what a notebook defined, too.
    import cloudpickle  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra, has no types)

    try:
        content: bytes = cloudpickle.dumps(model.estimator)
    except Exception as cause:
        what = f"{type(cause).__name__}: {str(cause).strip().split(chr(10))[0][:200]}"
        msg = (
            f"The model in memory cannot be sent to the cluster ({what}). "
            "Save it to a file and name that in the case, or leave the cluster out."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause
    return content


def packages(estimator: Any) -> dict[str, str]:  # noqa: ANN401 (whatever predicts)
    """Return the versions of the packages a model and its steps come from.

    Examples
    --------
    >>> packages(print)
    {'builtins': ''}
    """
    parts = [estimator, *(step for _, step in getattr(estimator, "steps", ()))]
    modules = [
        getattr(one, "__module__", None) or type(one).__module__ for one in parts
    ]
    names = {module.partition(".")[0] for module in modules}
    return {
        name: str(getattr(sys.modules.get(name), "__version__", "")) for name in names
    }


def received_model(sent: SentModel) -> Any:  # noqa: ANN401 (any estimator or function)
    """Return the model on a worker; each process loads it once.

    Raises
    ------
    ReadinessError
        CLUSTER when the file is absent or another one than the one let in, when a
        package is absent or has another version, or when it cannot be loaded.
    """
    with _LOADING:
        return _loaded(sent)


@lru_cache(MOST_KEPT)
def _loaded(sent: SentModel) -> Any:  # noqa: ANN401 (any estimator or function)
    try:
        found = _opened(sent)
    except ReadinessError as cause:
        msg = (
            f"A worker of the cluster cannot load the model. {cause} "
            "The model must lie under the same path on every worker."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause
    here = packages(found)
    for name, version in sent.packages:
        if here.get(name) != version:
            msg = (
                f"The model needs {name} {version}; a worker of the cluster has "
                f"{here.get(name)}. Install the same version on every worker."
            )
            raise ReadinessError(msg, Reason.CLUSTER)
    return found


def _opened(sent: SentModel) -> Any:  # noqa: ANN401 (any estimator or function)
    if sent.format == "callable":
        return load_callable(sent.source, sent.sha256, sent.base).found
    if sent.format != "object":
        return load_file(sent.source, sent.sha256, sent.base).found
    try:
        return pickle.loads(sent.content)  # noqa: S301 (the model of the process that sent this task)
    except Exception as cause:
        msg = f"It was passed in memory: {type(cause).__name__}: {str(cause)[:200]}."
        raise ReadinessError(msg, Reason.CLUSTER) from cause

"""The trust gate: which model files may be opened, and how."""

import hashlib
import importlib
import io
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from readiness.boosters import booster_kind, load_booster
from readiness.config import no_file
from readiness.errors import CaseError, InputError, ModelError, Reason

# What fitted estimators of scikit-learn hold that skops does not trust by itself yet:
# containers of numbers and plain numerical functions, none of which runs other code.
# Written out by hand, never taken from a file.
SAFE_TYPES = frozenset(
    {
        "numpy.dtype",
        "numpy.mean",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_array",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.loss.HalfGammaLoss",
        "sklearn._loss.loss.HalfPoissonLoss",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A model object, and why it was allowed in."""

    found: Any
    format: str
    sha256: str | None
    trusted_by: str
    notes: tuple[str, ...] = ()


def load_file(source: str, sha256: str | None, base: Path) -> Loaded:
    """Open a model file that is safe by its format, or trusted by its hash.

    The content decides the format, not the name. The bytes that are hashed are the
    bytes that are loaded: the file is read once.

    Parameters
    ----------
    source : str
        Path of the file, relative to `base`.
    sha256 : str or None
        The hash the case file names: the user's act of trust.
    base : pathlib.Path
        Folder of the case file.

    Raises
    ------
    InputError
        When the file cannot be read.
    ModelError
        MODEL_UNTRUSTED when the hash is absent or another one, or when a skops file
        holds unknown types; MODEL_LOAD when the content cannot be loaded.
    """
    content = _read_bytes(source, base, "model")
    digest = hashlib.sha256(content).hexdigest()
    _require_hash(source, sha256, digest, must_name=not _is_skops(content))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found, kind = _opened(content, source)
        except ImportError as cause:
            msg = (
                f"The model {source!r} needs the package {cause.name!r}, which is not "
                "installed. Install it beside readiness."
            )
            raise ModelError(msg) from cause
    # One line each: a warning at loading is a note for the reader, not a failure.
    notes = tuple(dict.fromkeys(str(one.message).split("\n")[0] for one in caught))
    return Loaded(
        found=found,
        format=kind,
        sha256=digest,
        trusted_by="types" if kind == "skops" else "sha256 in the case file",
        notes=notes,
    )


def _opened(content: bytes, source: str) -> tuple[Any, str]:
    if _is_skops(content):
        return _load_skops(content, source), "skops"
    kind = booster_kind(content)
    if kind is not None:
        return load_booster(content, kind), kind
    return _load_pickle(content, source)


def _read_bytes(source: str, base: Path, what: str) -> bytes:
    path = base / source
    wrong = no_file(path)
    if wrong:
        msg = f"The {what} {source!r} is {wrong}; name one file."
        raise InputError(msg)
    try:
        return path.read_bytes()
    except OSError as cause:
        msg = f"The {what} {source!r} cannot be read: {cause.strerror}."
        raise InputError(msg) from cause


def _require_hash(
    source: str, sha256: str | None, digest: str, *, must_name: bool
) -> None:
    if sha256 is None and must_name:
        msg = (
            f"The model {source!r} can run code when it is loaded, so it is refused. "
            f'If you trust where it comes from, write sha256 = "{digest}" under '
            "[model] in the case file."
        )
        raise ModelError(msg, Reason.MODEL_UNTRUSTED)
    if sha256 is not None and sha256 != digest:
        msg = (
            f"The model {source!r} has the sha256 {digest}, the case file names "
            f"{sha256}. Find out who changed it before you trust it."
        )
        raise ModelError(msg, Reason.MODEL_UNTRUSTED)


def _is_skops(content: bytes) -> bool:
    if not zipfile.is_zipfile(io.BytesIO(content)) or not content.startswith(b"PK"):
        return False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "schema.json" in archive.namelist()


def _load_skops(content: bytes, source: str) -> Any:  # noqa: ANN401 (any estimator)
    import skops.io  # noqa: PLC0415 (brings scikit-learn)

    try:
        unknown = set(skops.io.get_untrusted_types(data=content)) - SAFE_TYPES
        if not unknown:
            return skops.io.loads(content, trusted=sorted(SAFE_TYPES))
    except ImportError:
        raise
    except Exception as cause:
        msg = f"The model {source!r} is no whole skops file: {_first_line(cause)}"
        raise ModelError(msg) from cause
    msg = (
        f"The model {source!r} holds types that are not known to be safe: "
        f"{', '.join(sorted(unknown)[:10])}. Save it without them, or as joblib with "
        "its sha256 in the case file."
    )
    raise ModelError(msg, Reason.MODEL_UNTRUSTED)


def _load_pickle(content: bytes, source: str) -> tuple[Any, str]:
    import joblib  # noqa: PLC0415 (brings numpy's pickling)

    try:
        found = joblib.load(io.BytesIO(content))
    except ImportError:
        raise
    except Exception as cause:
        msg = (
            f"The model {source!r} must be skops, joblib, pickle, or LightGBM's or "
            f"XGBoost's own file; it cannot be loaded: {_first_line(cause)}"
        )
        raise ModelError(msg) from cause
    return found, "joblib" if source.endswith(".joblib") else "pickle"


def load_callable(source: str, sha256: str | None, base: Path) -> Loaded:
    """Return the function a case names.

    Parameters
    ----------
    source : str
        ``"file.py:function"`` beside the case, whose sha256 must be named because it
        is code, or ``"package.module:function"`` of an installed package.
    sha256 : str or None
        The hash the case file names.
    base : pathlib.Path
        Folder of the case file.

    Raises
    ------
    CaseError
        When the name has another form, or the file is not beside the case.
    InputError
        When the file cannot be read.
    ModelError
        MODEL_UNTRUSTED as in `load_file`; MODEL_LOAD when it cannot be imported.
    """
    module_name, _, name = source.partition(":")
    if not module_name or not name:
        msg = (
            f'A callable must be "file.py:function" or "package.module:function"; '
            f"the case file has {source!r}."
        )
        raise CaseError(msg)
    if not module_name.endswith(".py"):
        module = _run(lambda: importlib.import_module(module_name), source)
        found = _function(module, name, source)
        return Loaded(
            found=found, format="callable", sha256=None, trusted_by="installed package"
        )
    if not (base / module_name).resolve().is_relative_to(base.resolve()):
        msg = (
            f"The file of a callable must lie in the folder of the case file; "
            f"{source!r} leads out of it. Copy the file there and name it from there."
        )
        raise CaseError(msg)
    content = _read_bytes(module_name, base, "callable")
    digest = hashlib.sha256(content).hexdigest()
    _require_hash(module_name, sha256, digest, must_name=True)
    module = ModuleType(f"readiness_case_{Path(module_name).stem}_{digest[:12]}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    # The bytes hashed are the bytes run: no second read, and no cached bytecode.
    _run(lambda: exec(compile(content, module_name, "exec"), module.__dict__), source)  # noqa: S102 (trusted by its hash)
    found = _function(module, name, source)
    return Loaded(
        found=found,
        format="callable",
        sha256=digest,
        trusted_by="sha256 in the case file",
    )


def _run(action: Callable[[], Any], source: str) -> Any:  # noqa: ANN401 (a module or None)
    try:
        return action()
    except Exception as cause:
        msg = f"The callable {source!r} cannot be imported: {_first_line(cause)}"
        raise ModelError(msg) from cause


def _function(module: ModuleType, name: str, source: str) -> Any:  # noqa: ANN401 (any callable)
    found = getattr(module, name, None)
    if not callable(found):
        msg = f"The callable {source!r} does not exist: no function {name!r} there."
        raise ModelError(msg)
    return found


def _first_line(cause: BaseException) -> str:
    text = str(cause).strip().split("\n")[0][:200]
    return f"{type(cause).__name__}: {text}"

"""PUBLISH: everything that can be found wrong before a kernel is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.attestations import Attestation, attested_beside
from readiness.checks import FoundCheck, all_checks, user_checks
from readiness.config import CaseFile, read_case
from readiness.errors import CaseError, InputError, ReadinessError, Reason, RunError
from readiness.inputs import sources_of
from readiness.manifest import environment, file_sha256, outside_bounds
from readiness.metrics import Metric, default_metric, find_metric
from readiness.monitor import case_file_of
from readiness.notebooks import Notebook, find_notebooks, monitor_notebook
from readiness.plan_config import is_plan, read_plan
from readiness.policy import (
    declared,
    find_policy,
    limits_in_force,
    load_policy,
    require_a_required_limit,
)
from readiness.source_config import SqlSource
from readiness.sql import query_hashes
from readiness.table_files import files_in_span

PROFILES = ("quick", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What somebody asked of a run; see `runner.run_review`."""

    policy: Path | None
    out: Path
    only: tuple[str, ...]
    profile: str
    current: Path | None
    jobs: int | None
    timeout_s: float
    cell_timeout_s: int
    seed: int
    cluster: str
    strict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A run that may start.

    Parameters
    ----------
    case_path, file : pathlib.Path, CaseFile
        The case.
    policy_path : pathlib.Path or None
        The policy in force; None for the tier's own limits.
    notebooks : tuple of Notebook
        What will be executed.
    inputs : mapping of str to pathlib.Path
        Every file the run rests on, by the name it is reported under.
    hashes : mapping of str to str
        Their sha256 before the run.
    about : mapping
        What results.json says that is known by now.
    attested : mapping of str to Attestation
        What people attest, by test of the ML Test Score.
    """

    case_path: Path
    file: CaseFile
    policy_path: Path | None
    notebooks: tuple[Notebook, ...]
    inputs: Mapping[str, Path]
    hashes: Mapping[str, str]
    about: Mapping[str, Any]
    attested: Mapping[str, Attestation]


def look_over(case: Path, options: Options) -> Ready:
    """Read case and policy, find the notebooks and hash the inputs.

    No model is loaded and no notebook is run.

    Parameters
    ----------
    case : pathlib.Path
        The case file.
    options : Options
        What was asked.

    Raises
    ------
    ReadinessError
        Naming what is wrong, where, and how to mend it.
    """
    case = case.absolute()
    _check_options(options)
    file, notebooks = _asked(case, options)
    policy_path = find_policy(case.parent, options.policy or "")
    metric = _metric(file)
    policy = _check_policy(case, file, policy_path, metric)
    inputs = _inputs(case, file, policy_path, notebooks, options.current)
    attestations, attested = attested_beside(case.parent, file)
    inputs |= attestations
    hashes = {name: file_sha256(path) for name, path in inputs.items()}
    queries = query_hashes(sources_of(file.data, options.current), case.parent)
    measured_with = environment()
    notes = outside_bounds(measured_with["packages"])
    if notes and options.strict:
        msg = (
            f"--strict wants tested versions only; installed is {notes[0]}. "
            "Install the versions of the lock file."
        )
        raise RunError(msg, Reason.USAGE)
    return Ready(
        case_path=case,
        file=file,
        policy_path=policy_path,
        notebooks=notebooks,
        inputs=inputs,
        hashes=hashes,
        attested=attested,
        about={
            "case": file.name,
            "title": file.title,
            "decision": file.decision,
            "owner": file.owner,
            "tier": policy["tier"],
            "profile": options.profile,
            "seed": options.seed,
            "partial": bool(options.only),
            "only": tuple(dict.fromkeys(one.dimension for one in notebooks))
            if options.only
            else (),
            "facts": _facts(file, metric, hashes.get("model")),
            "inputs": {**hashes, **queries},
            "policy": policy,
            "environment": {**measured_with, "notes": notes},
        },
    )


def case_name(case: Path) -> str:
    """Return the name that a case file or a plan gives; raises as `look_over`."""
    return read_plan(case).name if is_plan(case) else read_case(case).name


def _asked(case: Path, options: Options) -> tuple[CaseFile, tuple[Notebook, ...]]:
    """Return what the file says, and the notebooks that answer it."""
    if not is_plan(case):
        file = read_case(case)
        own = file.review.notebooks
        return file, find_notebooks(case.parent / own if own else None, options.only)
    file = case_file_of(read_plan(case))
    if options.only:
        msg = "--only chooses among the notebooks of a review; a monitor has one."
        raise RunError(msg, Reason.USAGE)
    if not sources_of(file.data, options.current):
        msg = "A monitor needs new rows. Name them: --current new_rows.parquet."
        raise InputError(msg)
    return file, (monitor_notebook(),)


def changed_inputs(ready: Ready) -> list[str]:
    """Return the names of the inputs whose content is not what it was."""
    return [name for name, path in ready.inputs.items() if _changed(ready, name, path)]


def _changed(ready: Ready, name: str, path: Path) -> bool:
    try:
        return file_sha256(path) != ready.hashes[name]
    except OSError:
        return True


def _check_options(options: Options) -> None:
    wrong = None
    if options.profile not in PROFILES:
        wrong = f"--profile must be quick or full; it is {options.profile!r}."
    elif options.jobs is not None and options.jobs < 1:
        wrong = f"--jobs must be at least 1; it is {options.jobs}."
    elif options.timeout_s <= 0 or options.cell_timeout_s < 1:
        wrong = "--timeout and --cell-timeout must be at least one second."
    elif not -(2**31) <= options.seed < 2**31:
        wrong = f"--seed must fit in 32 bits; it is {options.seed}."
    if wrong:
        raise RunError(wrong, Reason.USAGE)


def _metric(file: CaseFile) -> Metric:
    declared_name, task = file.model.metric, file.model.task
    return find_metric(declared_name, task) if declared_name else default_metric(task)


def _facts(file: CaseFile, metric: Metric, sha256: str | None) -> dict[str, Any]:
    """Return what the case file says; notebooks that open the case add the rest."""
    return {
        "task": file.model.task,
        "metric": metric.name,
        "acceptable": file.model.acceptable,
        "block": file.data.block or ("1d" if file.data.time else None),
        "features": [],
        "classes": [],
        "model_format": None,
        "model_sha256": sha256,
        "model_trusted_by": None,
        "tables": {},
    }


def _check_policy(
    case: Path, file: CaseFile, path: Path | None, metric: Metric
) -> dict[str, Any]:
    checks = _checks(case, file)
    policy = load_policy(path, file, checks.values(), metric.name)
    facts = declared(file, metric.name, higher_is_better=metric.higher_is_better)
    require_a_required_limit(
        limit
        for one in checks.values()
        for limit in limits_in_force(one.check, policy, facts)
    )
    return {
        "file": path.name if path else None,
        "sha256": policy.sha256,
        "tier": policy.tier,
        "limits_set": sum(len(metrics) for metrics in policy.limits.values()),
        "waivers": len(policy.waivers),
    }


def _checks(case: Path, file: CaseFile) -> Mapping[str, FoundCheck]:
    own = file.review.checks
    if not own:
        return all_checks()
    try:
        return {**all_checks(), **user_checks(case.parent / own)}
    except ReadinessError:
        raise
    except Exception as cause:
        msg = f"The checks in {own!r} cannot be imported: {type(cause).__name__}."
        raise CaseError(msg) from cause


def _inputs(
    case: Path,
    file: CaseFile,
    policy: Path | None,
    notebooks: tuple[Notebook, ...],
    current: Path | None,
) -> dict[str, Path]:
    """Return every file the run rests on, by the name it is reported under."""
    base = case.parent
    inputs = {"case": case}
    if policy is not None:
        inputs["policy"] = policy
    inputs |= _model_files(base, file)
    for name, source in sources_of(file.data, current).items():
        if isinstance(source, SqlSource):
            continue
        paths = files_in_span(source, base, name, file.data.time)
        for number, path in enumerate(paths, start=1):
            inputs[name if len(paths) == 1 else f"{name} {number}"] = path
    if file.review.notebooks:
        own = (base / file.review.notebooks).resolve()
        inputs |= {
            f"notebook {n.name}": n.path for n in notebooks if own in n.path.parents
        }
    if file.review.checks:
        found = sorted((base / file.review.checks).glob("[a-z]*.py"))
        inputs |= {f"check {path.stem}": path for path in found}
    return inputs


def _model_files(base: Path, file: CaseFile) -> dict[str, Path]:
    """Return the files of the model and of its fit; an installed function has none."""
    sources = {"model": file.model.path or "", "fit": file.model.fit or ""}
    if file.model.callable is not None:
        sources["model"] = file.model.callable
    names = {key: source.partition(".py:") for key, source in sources.items()}
    files = {
        key: base / f"{stem}.py" if separator else base / stem
        for key, (stem, separator, _) in names.items()
        if separator or (key == "model" and file.model.path)
    }
    for key, path in files.items():
        if not path.is_file():
            msg = f"The case names the {key} {path.name!r}; there is no such file."
            raise InputError(msg)
    return files

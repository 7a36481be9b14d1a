"""MEASURE: one check on one case, once per run, whoever asks first."""

import hashlib
import json
import pickle
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from readiness.cache import cached
from readiness.case import Case
from readiness.checks import FoundCheck
from readiness.errors import CaseError, NotAssessedError, ReadinessError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import count_calls


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A measurement and what it cost: seconds, and rows given to the model."""

    measurement: Measurement
    seconds: float
    model_calls: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """What every measurement of one review shares.

    Parameters
    ----------
    case : Case
        The model under review with its tables.
    checks : mapping of str to FoundCheck
        The checks that can be run, by name.
    profile, seed : str, int
        ``"quick"`` or ``"full"``, and the seed of every random choice.
    given : dict
        By code of a check: options that the notebook has given it. Checks after it
        that need its measurement need that one, not another with other options.
    """

    case: Case
    checks: Mapping[str, FoundCheck]
    profile: str
    seed: int
    given: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def options_of(bench: Bench, found: FoundCheck, given: Mapping[str, Any]) -> Options:
    """Return the options of a check: shipped, then the case file's, then `given`.

    Raises
    ------
    CaseError
        When the check has no such option.
    """
    written = bench.case.file.checks.get(found.check.code, {})
    unknown = sorted({*written, *given} - set(found.check.defaults))
    if unknown:
        known = ", ".join(found.check.defaults) or "none"
        msg = (
            f"{found.check.code} {found.name} has no option {unknown[0]!r}; "
            f"its options are: {known}."
        )
        raise CaseError(msg)
    return Options(
        values={**found.check.defaults, **written, **given},
        profile=bench.profile,
        seed=bench.seed,
    )


def measured(bench: Bench, found: FoundCheck, options: Options) -> Measured:
    """Measure once per run: other processes wait, and read the result.

    Raises
    ------
    NotAssessedError
        When the check cannot answer on this case.
    """

    def produce(path: Path) -> None:
        started = time.perf_counter()
        with count_calls() as counter:
            needed = _needed(bench, found)
            measurement = found.check.measure(
                bench.case, replace(options, needed=needed)
            )
        done = Measured(
            measurement=measurement,
            seconds=time.perf_counter() - started,
            model_calls=counter.calls,
        )
        path.write_bytes(pickle.dumps(done))

    file = cached(bench.case.work, _key(bench, found, options), produce)
    content = pickle.loads(file.read_bytes())  # noqa: S301 (written by this run into its own private folder)
    if not isinstance(content, Measured):
        msg = f"The run's cache file {file.name!r} does not hold a measurement."
        raise ReadinessError(msg, Reason.STORAGE)
    return content


def _needed(bench: Bench, found: FoundCheck) -> dict[str, Measurement]:
    by_code = {one.check.code: one for one in bench.checks.values()}
    needed = {code: _other(bench, by_code[code]) for code in found.check.needs}
    for code in found.check.helped_by:
        # A check that cannot answer is listed by itself; its absence says it here.
        with suppress(NotAssessedError):
            needed[code] = _other(bench, by_code[code])
    return needed


def _other(bench: Bench, found: FoundCheck) -> Measurement:
    given = bench.given.get(found.check.code, {})
    return measured(bench, found, options_of(bench, found, given)).measurement


def _key(bench: Bench, found: FoundCheck, options: Options) -> str:
    source = sys.modules[found.check.measure.__module__].__file__ or ""
    case = bench.case
    parts = {
        "check": found.check.code,
        "code": hashlib.sha256(Path(source).read_bytes()).hexdigest(),
        "case": case.file.model_dump(mode="json"),
        "options": dict(options.values),
        "given": bench.given if (found.check.needs or found.check.helped_by) else {},
        "profile": bench.profile,
        "seed": bench.seed,
        "model": case.model.sha256,
        "tables": {name: one.sha256 for name, one in case.tables.items()},
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

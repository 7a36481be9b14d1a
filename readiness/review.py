"""What a notebook holds: open a review, run its checks, finish it."""

import datetime as dt
import math
import os
import sys
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from readiness import show
from readiness.case import Case
from readiness.checks import FoundCheck, checks_with
from readiness.errors import CaseError, NotAssessedError, ReadinessError, Reason
from readiness.findings import judge, not_assessed
from readiness.measuring import Bench, Measured, measured, options_of
from readiness.opening import opened_case
from readiness.policy import (
    LimitInForce,
    Policy,
    declared,
    find_policy,
    limits_in_force,
    load_policy,
)
from readiness.result import (
    CheckResult,
    Finding,
    Options,
    Status,
    result_to_dict,
)
from readiness.runfiles import append_event, facts, read_run, write_json, write_tables
from readiness.scoring import ledger
from readiness.verdict import check_status

RESULT_VERSION = 1
NOTEBOOK_VARIABLE = "READINESS_NOTEBOOK"


@dataclass(slots=True, kw_only=True, eq=False)
class Review:
    """One notebook's review of one case; make it with `open_review`.

    Parameters
    ----------
    bench : Bench
        The case, the checks that can be run, profile and seed.
    policy : Policy
        The limits and waivers in force.
    run_dir : pathlib.Path or None
        The run's folder; None in an interactive session.
    run_id, notebook : str
        Whose results these are.
    results : dict of str to CheckResult
        What has been run so far, by name.
    """

    bench: Bench
    policy: Policy
    run_dir: Path | None
    run_id: str
    notebook: str
    results: dict[str, CheckResult] = field(default_factory=dict)

    def check(self, name: str, **options: Any) -> show.CheckDisplay:  # noqa: ANN401 (plain option values)
        """Run one check, judge it, and return it ready to be displayed.

        Parameters
        ----------
        name : str
            The check's name: its file name under ``readiness/checks``.
        **options
            Options of this check; they override the case file and are recorded.

        Returns
        -------
        show.CheckDisplay
            Status, findings, figure and tables; JupyterLab shows it when it is the
            last expression of a cell.

        Raises
        ------
        CaseError
            When no check has this name, or the check has no such option.
        ReadinessError
            When the model or a table cannot be used at all.
        """
        found = self._find(name)
        self._event("start", found)
        try:
            values = options_of(self.bench, found, options)
            self.bench.given[found.check.code] = options
            result, display = self._run(found, values)
        except ReadinessError as error:
            self._event("error", found, code=error.code, message=str(error))
            raise
        self.results[name] = result
        self._event("end", found, status=result.status, seconds=result.seconds)
        return display

    def finish(self) -> show.ReviewSummary:
        """Write this notebook's results for the run, and return their summary.

        In an interactive session nothing is written: the gate accepts results of
        runs only.
        """
        if self.run_dir is not None:
            folder = self.run_dir / "results"
            folder.mkdir(exist_ok=True)
            write_json(folder / f"{self.notebook}.json", self._as_dict())
        return show.ReviewSummary(
            results=tuple(self.results.values()), interactive=self.run_dir is None
        )

    def _ipython_display_(self) -> None:
        head = show.review_html(
            self.bench.case.file, self.policy.tier, self.bench.profile
        )
        show.emit(head, f"Review of {self.bench.case.file.name}", "review", "")

    def _find(self, name: str) -> FoundCheck:
        if name not in self.bench.checks:
            msg = (
                f"No check is called {name!r}; known are "
                f"{', '.join(sorted(self.bench.checks))}. Correct the name."
            )
            raise CaseError(msg)
        return self.bench.checks[name]

    def _run(
        self, found: FoundCheck, options: Options
    ) -> tuple[CheckResult, show.CheckDisplay]:
        limits = self._limits(found)
        started = time.perf_counter()
        try:
            return self._reported(
                found, options, limits, measured(self.bench, found, options)
            )
        except NotAssessedError as error:
            reason, message = error.code, str(error)
        except ReadinessError:
            raise
        except Exception as error:  # noqa: BLE001 (the one place that turns any crash into a listed result)
            traceback.print_exc(file=sys.stderr)
            reason, message = Reason.CRASH, f"{type(error).__name__}: {error}"
        result = replace(
            self._result(found, options, not_assessed(limits, reason)),
            status=Status.NOT_ASSESSED,
            reason=reason,
            message=message,
            seconds=round(time.perf_counter() - started, 3),
        )
        return result, show.check_display(result, None, None, "")

    def _reported(
        self,
        found: FoundCheck,
        options: Options,
        limits: tuple[LimitInForce, ...],
        done: Measured,
    ) -> tuple[CheckResult, show.CheckDisplay]:
        today = dt.datetime.now(dt.UTC).date()
        findings = judge(found.check, done.measurement, limits, self.policy, today)
        result = replace(
            self._result(found, options, findings),
            seconds=round(done.seconds, 3),
            model_calls=done.model_calls,
            notes=done.measurement.notes,
            tables=write_tables(self.run_dir, found, done.measurement),
        )
        drawn = tuple(one.limit for one in limits if not math.isnan(one.bound))
        figure = found.check.draw(done.measurement, drawn)
        alt, shown = found.check.alt(done.measurement), found.check.shown
        return result, show.check_display(result, done.measurement, figure, alt, shown)

    def _limits(self, found: FoundCheck) -> tuple[LimitInForce, ...]:
        case = declared(
            self.bench.case.file,
            self.bench.case.metric.name,
            higher_is_better=self.bench.case.metric.higher_is_better,
        )
        return limits_in_force(found.check, self.policy, case)

    def _result(
        self, found: FoundCheck, options: Options, findings: tuple[Finding, ...]
    ) -> CheckResult:
        return CheckResult(
            code=found.check.code,
            name=found.name,
            dimension=found.dimension,
            notebook=self.notebook,
            title=found.check.title,
            question=found.check.question,
            status=check_status(findings),
            reason=None,
            message=None,
            required=any(one.required for one in findings),
            seconds=0.0,
            model_calls=0,
            options=dict(options.values),
            findings=findings,
            notes=(),
            tables=(),
            seeded=self.bench.case.task in found.check.seeded_in,
        )

    def _event(self, event: str, found: FoundCheck, **more: Any) -> None:  # noqa: ANN401 (plain JSON values)
        if self.run_dir is not None:
            code = found.check.code
            append_event(self.run_dir, self.notebook, event, check=code, **more)

    def _as_dict(self) -> dict[str, Any]:
        return {
            "schema_version": RESULT_VERSION,
            "run_id": self.run_id,
            "notebook": self.notebook,
            "complete": True,
            "interactive": self.run_dir is None,
            "checks": [result_to_dict(one) for one in self.results.values()],
            "ledger": ledger(self.bench.case),
            "facts": facts(self.bench.case),
        }


def open_review(
    case_file: str | Path | Case = "demo",
    *,
    policy_file: str | Path = "",
    profile: str = "quick",
    seed: int = 7,
    cluster: str = "",
    run_dir: str | Path = "",
) -> Review:
    """Open a review of a case.

    Parameters
    ----------
    case_file : str, Path or Case
        Path of the case file, a loaded case, or ``"demo"``: the flights case,
        prepared once in the user's cache folder.
    policy_file : str or Path
        Empty: ``policy.toml`` beside the case, else the case's tier alone.
    profile : str
        ``"quick"``, or ``"full"``: with checks that re-fit the model.
    seed : int
        Seed of every random choice.
    cluster : str
        Address of a Dask scheduler, or ``"local"``; empty: this machine.
    run_dir : str or Path
        The run's folder, given by ``readiness run``; empty when interactive.

    Raises
    ------
    ReadinessError
        When the case, the policy, the model or a table cannot be used.
    """
    folder = Path(run_dir) if run_dir else None
    notebook = os.environ.get(NOTEBOOK_VARIABLE, "interactive")
    try:
        run = read_run(folder)
        case = opened_case(case_file, folder, run, cluster)
        checks = checks_with(case.base, case.file.review.checks)
        policy = load_policy(
            find_policy(case.base, policy_file),
            case.file,
            checks.values(),
            case.metric.name,
        )
    except ReadinessError as error:
        if folder is not None:
            append_event(folder, notebook, "error", code=error.code, message=str(error))
        raise
    return Review(
        bench=Bench(case=case, checks=checks, profile=profile, seed=seed),
        policy=policy,
        run_dir=folder,
        run_id=str(run.get("run_id", "interactive")),
        notebook=notebook,
    )

"""LOAD: new rows under a monitoring plan, as a case whose model is not loaded."""

import contextlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from readiness.case import Case
from readiness.config import CaseFile, DataSection, ModelSection
from readiness.errors import InputError, NotAssessedError, Reason
from readiness.inputs import load_tables, private_folder
from readiness.models import Model
from readiness.plan_config import PlanFile, read_plan


@dataclass(frozen=True, kw_only=True, eq=False)
class MonitorCase(Case):
    """New rows under a plan: a case whose model is not loaded.

    Parameters
    ----------
    plan : PlanFile
        What is watched.
    earlier : tuple of pathlib.Path
        Folders of the published runs of this monitor, oldest first.
    """

    plan: PlanFile
    earlier: tuple[Path, ...] = ()


def case_file_of(plan: PlanFile) -> CaseFile:
    """Return what a case file would say of the watched model."""
    return CaseFile.model_construct(
        name=plan.name,
        title=plan.title,
        decision=plan.decision,
        owner=plan.owner,
        tier=plan.tier,
        model=ModelSection.model_construct(
            task=plan.model.task,
            metric=plan.model.metric,
            acceptable=plan.model.acceptable,
            tolerated_loss=plan.model.tolerated_loss,
        ),
        data=DataSection.model_construct(
            reference=None,
            current=plan.current,
            target="",
            time=plan.window.time,
            block=plan.window.block,
            weight=plan.window.weight,
        ),
    )


def monitor_case(
    path: Path,
    *,
    current: Path | None = None,
    work: Path | None = None,
    earlier: Sequence[Path] = (),
    cluster: str = "",
) -> MonitorCase:
    """Load a plan with the rows it shall look at.

    Parameters
    ----------
    path : pathlib.Path
        The plan file.
    current : pathlib.Path or None
        The new rows; None for those the plan names.
    work : pathlib.Path, optional
        Private folder of the run; default a temporary one, removed with the case.
    earlier : sequence of pathlib.Path
        Published runs of the same plan, oldest first.
    cluster : str
        As `case.load_case`.

    Raises
    ------
    CaseError, InputError
        When the plan or the rows cannot be used, or neither names rows.
    """
    plan = read_plan(path)
    file = case_file_of(plan)
    with contextlib.ExitStack() as left:
        folder = private_folder(work, left)
        tables = load_tables(file, path.parent, folder, frames=None, current=current)
        if "current" not in tables:
            msg = "A monitor needs new rows. Name them: --current new_rows.parquet."
            raise InputError(msg)
        loaded = MonitorCase(
            file=file,
            base=path.parent.absolute(),
            work=folder,
            model=Model(
                format="not loaded",
                sha256=plan.model.sha256,
                trusted_by="not loaded",
                task=plan.model.task,
            ),
            tables={
                name: replace(one, cluster=cluster) for name, one in tables.items()
            },
            columns={},
            classes=(),
            positive=None,
            model_key="",
            plan=plan,
            earlier=tuple(earlier),
        )
        weakref.finalize(loaded, left.pop_all().close)
    return loaded


def require_plan(case: Case) -> MonitorCase:
    """Return the case as one under a plan; NotAssessedError (NO_PLAN) otherwise."""
    if not isinstance(case, MonitorCase):
        msg = (
            "A monitor runs on a plan. Make one of a published run: "
            "readiness plan RUN --out plan.toml."
        )
        raise NotAssessedError(msg, Reason.NO_PLAN)
    return case

"""What a finding of the baseline keeps of its rows for later runs."""

import pandas as pd

from readiness.case import Case
from readiness.checks.baseline._rows import Bools, Rows
from readiness.evidence import influence_lines
from readiness.stats import Estimate


def kept_of(
    case: Case,
    rows: Rows,
    finding: tuple[str, str],
    estimate: Estimate,
    mask: Bools | None = None,
) -> pd.DataFrame:
    """Return what a finding, called (metric, group), keeps of some rows by block.

    Nothing where the group is one of a sensitive column.
    """
    metric, group = finding
    hidden = [name for name, one in case.file.columns.items() if one.sensitive]
    if any(group.startswith(f"{name}=") for name in hidden):
        return influence_lines(metric, group, estimate, (), mask)
    return influence_lines(metric, group, estimate, rows.bins, mask)

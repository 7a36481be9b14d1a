"""The monitoring that is planned: what the case file declares, else what is assumed."""

from dataclasses import dataclass

import numpy as np

from readiness.checks.drift._base import Base, window_codes
from readiness.text import number

DAYS_PER_MONTH = 365.25 / 12
ASSUMED_ROWS = 1000
ASSUMED_PER_MONTH = 30.0
ASSUMED_FALSE_ALARMS = 1.0
ASSUMED_FALSE_RATE = 0.05  # of windows: where they are few, one a month is too many
ASSUMED_DELAY = 30.0
ASSUMED_LIFE = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How the model will be watched.

    Parameters
    ----------
    window_rows : int
        Rows of one window.
    windows_per_month, false_alarms_per_month : float
    label_delay_days, retrain_every_days : float
        Until an outcome is known; until the model is fitted again.
    assumed : tuple of str
        Sentences about what the case file does not declare.
    """

    window_rows: int
    windows_per_month: float
    false_alarms_per_month: float
    label_delay_days: float
    retrain_every_days: float
    assumed: tuple[str, ...]

    @property
    def window_days(self) -> float:
        """Days from one window to the next."""
        return DAYS_PER_MONTH / self.windows_per_month

    @property
    def false_alarm_rate(self) -> float:
        """Promised share of windows with a false alarm."""
        return self.false_alarms_per_month / self.windows_per_month


def planned(base: Base) -> Planned:
    """Return the planned monitoring; what is not declared is taken from the history.

    A window without declared rows is a historical window; without a history it is
    1,000 rows a day. False alarms are one a month, or in one window of twenty.
    """
    declared = base.case.file.operation
    rows, per_month = _usual_window(base)
    often = declared.windows_per_month or per_month
    values = {
        "monitor_window_rows": rows,
        "windows_per_month": per_month,
        "false_alarms_per_month": min(ASSUMED_FALSE_ALARMS, ASSUMED_FALSE_RATE * often),
        "label_delay_days": ASSUMED_DELAY,
        "retrain_every_days": ASSUMED_LIFE,
    }
    missing = [name for name in values if getattr(declared, name) is None]
    found = {
        name: float(assumed if name in missing else getattr(declared, name))
        for name, assumed in values.items()
    }
    told = ", ".join(f"{name} = {number(values[name], exact=True)}" for name in missing)
    assumed = (f"Not declared in the case file, so assumed: {told}.",) if told else ()
    return Planned(
        window_rows=int(found["monitor_window_rows"]),
        windows_per_month=found["windows_per_month"],
        false_alarms_per_month=found["false_alarms_per_month"],
        label_delay_days=found["label_delay_days"],
        retrain_every_days=found["retrain_every_days"],
        assumed=assumed,
    )


def _usual_window(base: Base) -> tuple[float, float]:
    """Return rows of a usual historical window, and how many make a month."""
    codes, time = window_codes(base), base.scores.time
    if codes is None or time is None or not (codes >= 0).any():
        return float(ASSUMED_ROWS), ASSUMED_PER_MONTH
    rows = float(np.median(np.bincount(codes[codes >= 0])))
    stamps = time[base.rows]
    known = stamps[~np.isnat(stamps)]
    days = (known.max() - known.min()) / np.timedelta64(1, "D")
    per_month = len(known) / max(float(days), 1.0) * DAYS_PER_MONTH / max(rows, 1.0)
    return round(rows), float(f"{per_month:.2g}")

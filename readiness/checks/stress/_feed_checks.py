"""What a pipeline checks of its feeds by itself, as the case file says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from readiness.case import Case
from readiness.checks.stress._schema_guard import SURE
from readiness.errors import CaseError
from readiness.faults import DAY_OLD, STALE, FaultRows

HOURS = {"h": 1.0, "d": 24.0, "w": 168.0}
# What a contract of names and units finds, and what a key that is compared finds.
OF_CONTRACT = (
    "swapped",
    "shifted",
    "times ",
    "in ",
    "sign flip",
    "comma lost",
    "h off",
)
OF_KEY = ("shuffled", STALE, DAY_OLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChecks:
    """What people say their pipeline checks: read from the case file, not tested.

    Parameters
    ----------
    max_age : mapping of str to float
        By column or source: hours; older values are refused.
    keys : tuple of str
        Columns or sources whose values come with the key of their row.
    contracts : tuple of str
        Columns or sources whose names and units are held against a contract.
    """

    max_age: Mapping[str, float] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()

    def finds(self, case: Case, fault: str, names: list[str], rows: FaultRows) -> bool:
        """Return whether the checks of all altered columns find a fault by its name."""
        feeds = [{name, case.columns[name].source or name} for name in names]
        if fault in OF_KEY and all(one & set(self.keys) for one in feeds):
            return True
        known = any(fault.startswith(one) or fault.endswith(one) for one in OF_CONTRACT)
        if known and all(one & set(self.contracts) for one in feeds):
            return True
        if fault not in rows.earlier:
            return False
        limits = [
            min(
                (self.max_age[one] for one in feed if one in self.max_age),
                default=np.inf,
            )
            for feed in feeds
        ]
        return float((rows.earlier[fault].age > max(limits)).mean()) > 1 - SURE


def feed_checks(case: Case, options: Mapping[str, Any]) -> FeedChecks:
    """Return the feed checks that the options of S2 declare.

    Raises
    ------
    CaseError
        When an option names neither a feature nor a source, or an age is none.
    """
    known = {*case.columns, *(one.source for one in case.columns.values())}
    for key in ("max_age", "keys", "contracts"):
        unknown = [one for one in options[key] if one not in known]
        if unknown:
            msg = (
                f"checks.S2.{key} must name features or declared sources; "
                f"{unknown[0]!r} is neither."
            )
            raise CaseError(msg)
    ages = {name: _in_hours(name, age) for name, age in options["max_age"].items()}
    return FeedChecks(
        max_age=ages, keys=tuple(options["keys"]), contracts=tuple(options["contracts"])
    )


def _in_hours(name: str, age: object) -> float:
    text = str(age)
    if text[-1:] not in HOURS or not text[:-1].isdigit():
        msg = (
            f"checks.S2.max_age of {name!r} must be whole hours, days or weeks such as "
            f'"2h"; it is {age!r}.'
        )
        raise CaseError(msg)
    return int(text[:-1]) * HOURS[text[-1]]

"""From a published run to a monitoring plan: what to watch, and when to alarm."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from readiness.distances import USUAL_PSI
from readiness.errors import CaseError, Reason, RunError
from readiness.manifest import verify
from readiness.markup import csv_rows
from readiness.plan_config import read_plan
from readiness.staging import write_text
from readiness.toml_text import toml_value

MONITORS, PLAN = "tables/D8-monitors.csv", "tables/D8-plan.csv"
COMMENTS = {
    "covered": "one window shows a spent budget in four cases of five",
    "late": "several windows show it, one alone does not",
    "blind": "BLIND: a spent budget goes unseen; make windows longer, or check by hand",
    "": "no budget: moves up to budget_low cost less than is tolerated; what further\n"
    "# ones cost the review could not tell",
}
AMOUNTS = (
    "reference",
    "window_error",
    "reference_error",
    "alarm_move",
    "alarm_rate",
    "power",
)


def write_plan(run: str | Path, out: str | Path) -> Path:
    """Write the monitoring plan that a published run gives.

    Parameters
    ----------
    run : str or pathlib.Path
        Folder of a published run that holds the drift notebook.
    out : str or pathlib.Path
        The plan file; an existing one is not overwritten.

    Returns
    -------
    pathlib.Path
        The plan: complete in itself, so that monitoring needs neither model nor
        reference rows.

    Raises
    ------
    RunError
        ALTERED when the run is not what was published; EXISTS when `out` is there;
        USAGE when the run has no answer of D8 to plan by.
    """
    run, out = Path(run), Path(out)
    if out.exists():
        msg = f"The plan {str(out)!r} exists already. Name another file."
        raise RunError(msg, Reason.EXISTS)
    altered = verify(run)
    if altered:
        msg = f"The run is not what was published ({altered[0]}). Run the review again."
        raise RunError(msg, Reason.ALTERED)
    results = json.loads((run / "results.json").read_text("utf-8"))
    rows = _rows(run, results)
    text = _text(results, rows, csv_rows(run / PLAN)[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    try:
        read_plan(out)
    except CaseError:
        out.unlink()
        raise
    return out


def _rows(run: Path, results: Mapping[str, Any]) -> list[dict[str, str]]:
    found = next((one for one in results["checks"] if one["code"] == "D8"), None)
    if found is None or not (run / MONITORS).is_file():
        why = "was not asked" if found is None else f"has no answer ({found['reason']})"
        msg = (
            f"A plan is made from D8 (monitor power), which {why} in this run. Review "
            "the drift notebook: readiness run CASE --only drift."
        )
        raise RunError(msg, Reason.USAGE)
    return csv_rows(run / MONITORS)


def _text(
    results: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    window: Mapping[str, str],
) -> str:
    facts = results["facts"]
    head = {
        "kind": "monitor",
        "name": f"{results['case'][:70]}-monitor",
        "title": results["title"],
        "decision": results["decision"],
        "owner": results["owner"],
        "tier": results["tier"],
    }
    origin = {
        "case": results["case"],
        **{key: results[key] for key in ("run_id", "results_digest", "created_utc")},
    }
    model = {
        **{key: facts[key] for key in ("task", "metric", "acceptable")},
        "tolerated_loss": float(window["tolerated_loss"]),
        "sha256": facts["model_sha256"],
    }
    cut = {
        **{key: window[key] or None for key in ("time", "block", "weight")},
        "rows": int(window["window_rows"]),
        **{key: int(window[key]) for key in ("blocks_per_window", "windows_per_block")},
        "windows_per_month": float(window["windows_per_month"]),
        "false_alarms_per_month": float(window["false_alarms_per_month"]),
        "late_windows": int(window["late_windows"]),
        "reference_blocks": int(window["reference_blocks"]),
    }
    parts = [
        "# Monitoring plan. Run it on new rows, by hand or on a schedule:",
        "#   readiness run THIS_FILE --current new_rows.parquet",
        "# Exit code: 0 within budget, 1 a budget is spent, 2 the rows cannot tell.",
        _lines(head),
        '# current = "new_rows.parquet"    # what --current replaces',
        "\n# The run it was made from.\n[origin]\n" + _lines(origin),
        "\n# The model whose inputs are watched. It is not loaded.\n[model]\n"
        + _lines(model),
        "\n# How new rows are cut into windows.\n[window]\n" + _lines(cut),
        *(_watch(one) for one in rows),
    ]
    return "\n".join(parts) + "\n"


def _watch(row: Mapping[str, str]) -> str:
    sd = float(row["sd"])
    budget = {
        key: _amount(row[key], sd) or None
        for key in ("budget", "budget_low", "budget_high")
    }
    values: dict[str, Any] = {
        **{key: row[key] for key in ("column", "family", "category", "kind")},
        "unit": row["own_unit"] if row["family"] == "mean" else "share",
        **{key: _amount(row[key]) for key in AMOUNTS},
        **budget,
        "psi_at_budget": _amount(row.get("psi_at_budget", "")),
        "direction": row["direction"],
        "verdict": row["verdict"],
    }
    missed = values["psi_at_budget"]
    usual = (
        f"\n# an alarm at a PSI of {USUAL_PSI}, the usual level, would miss it"
        if missed is not None and missed < USUAL_PSI
        else ""
    )
    return f"\n# {COMMENTS[row['verdict']]}{usual}\n[[watch]]\n{_lines(values)}"


def _amount(cell: str, factor: float = 1.0) -> float | None:
    value = float(cell) * factor if cell else math.nan
    return value if math.isfinite(value) else None


def _lines(values: Mapping[str, object]) -> str:
    told = {key: one for key, one in values.items() if one not in {None, ""}}
    return "\n".join(f"{key} = {toml_value(one)}" for key, one in told.items())

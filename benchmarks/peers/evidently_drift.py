"""Evidently's data-drift report of the same columns, as one page."""

import sys
import warnings
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

warnings.simplefilter("ignore")
CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def main(folder: Path) -> None:
    """Write the report of the tables in `folder`."""
    tables = [
        pd.read_parquet(folder / f"{name}.parquet").drop(columns=["late"])
        for name in ("reference", "current")
    ]
    definition = DataDefinition(
        numerical_columns=[name for name in tables[0] if name not in CATEGORIES],
        categorical_columns=CATEGORIES,
    )
    reference, current = (
        Dataset.from_pandas(one, data_definition=definition) for one in tables
    )
    done = Report([DataDriftPreset()]).run(
        current_data=current, reference_data=reference
    )
    done.save_html(str(folder / "evidently_drift.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Evidently's data-drift, data-summary and classification report, as one page."""

import sys
import warnings
from pathlib import Path

import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset

warnings.simplefilter("ignore")
CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def main(folder: Path) -> None:
    """Write the report of the tables in `folder`."""
    reference = pd.read_parquet(folder / "reference.parquet")
    current = pd.read_parquet(folder / "current.parquet")
    others = {"late", "score", *CATEGORIES}
    definition = DataDefinition(
        numerical_columns=[name for name in reference if name not in others],
        categorical_columns=CATEGORIES,
        classification=[
            BinaryClassification(target="late", prediction_probas="score", pos_label=1)
        ],
    )
    report = Report([DataDriftPreset(), DataSummaryPreset(), ClassificationPreset()])
    done = report.run(
        current_data=Dataset.from_pandas(current, data_definition=definition),
        reference_data=Dataset.from_pandas(reference, data_definition=definition),
    )
    done.save_html(str(folder / "evidently.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

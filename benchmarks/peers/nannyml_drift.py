"""NannyML's univariate drift of the same columns, as one page."""

import sys
import warnings
from pathlib import Path

import nannyml as nml
import pandas as pd

warnings.simplefilter("ignore")
CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def main(folder: Path) -> None:
    """Write the plot of the tables in `folder`: windows of a week, each column."""
    tables = [
        pd.read_parquet(folder / f"{name}.parquet").drop(columns=["late"])
        for name in ("reference", "current")
    ]
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(tables[0].columns),
        treat_as_categorical=CATEGORIES,
        continuous_methods=["wasserstein", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_size=6500,
    )
    calculator.fit(tables[0])
    found = calculator.calculate(tables[1])
    found.plot(kind="drift").write_html(str(folder / "nannyml_drift.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""deepchecks' full suite on a model of the same kind, as one page.

``prepare`` fits the model with this environment's scikit-learn, outside the
measurement: a model saved by a newer version cannot be loaded here.
"""

import sys
import warnings
from pathlib import Path

import joblib
import pandas as pd

warnings.simplefilter("ignore")
CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def prepare(folder: Path) -> None:
    """Fit the pipeline of the demo and save it."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 (not measured)
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 (not measured)
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415 (not measured)

    training = pd.read_parquet(folder / "training.parquet")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("c", codes, CATEGORIES)], remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        max_iter=200, early_stopping=False, random_state=7
    )
    model = Pipeline([("encode", encode), ("trees", trees)])
    X = training.drop(columns=["late", "score"])
    joblib.dump(model.fit(X, training["late"]), folder / "deepchecks.joblib")


def main(folder: Path) -> None:
    """Run the full suite: reference as train, current as test."""
    from deepchecks.tabular import Dataset  # noqa: PLC0415 (measured here)
    from deepchecks.tabular.suites import full_suite  # noqa: PLC0415 (measured here)

    sets = [
        Dataset(
            pd.read_parquet(folder / f"{name}.parquet").drop(columns="score"),
            label="late",
            cat_features=CATEGORIES,
        )
        for name in ("reference", "current")
    ]
    model = joblib.load(folder / "deepchecks.joblib")
    done = full_suite().run(train_dataset=sets[0], test_dataset=sets[1], model=model)
    done.save_as_html(str(folder / "deepchecks.html"))


if __name__ == "__main__":
    (prepare if sys.argv[2:] == ["prepare"] else main)(Path(sys.argv[1]))

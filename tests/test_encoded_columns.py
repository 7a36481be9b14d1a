import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from readiness.encoded_columns import open_model

CITIES = ["rome", "oslo", "bonn", "riga"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": rng.normal(40, 9, 200),
            "city": rng.choice(CITIES, 200),
            "wage": rng.normal(9, 2, 200),
            "kind": rng.choice(["a", "b"], 200),
        }
    )
    rows.loc[3, "wage"] = np.nan
    return rows


def target(frame: pd.DataFrame) -> np.ndarray:
    return (frame["age"].to_numpy() > 40).astype(int)


def test_one_hot_columns_lead_back_to_their_raw_column(frame: pd.DataFrame) -> None:
    encode = make_column_transformer(
        (OneHotEncoder(), ["city", "kind"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["wage"]),
        ("passthrough", ["age"]),
    )
    model = make_pipeline(encode, LogisticRegression()).fit(frame, target(frame))

    opened = open_model(model, frame)

    # Four cities, two kinds, the wage with its flag of missing values, the age.
    assert opened is not None
    assert opened.players.tolist() == [1, 1, 1, 1, 3, 3, 2, 2, 0]


def test_target_and_ordinal_codes_lead_back(frame: pd.DataFrame) -> None:
    encode = make_column_transformer(
        (OrdinalEncoder(), ["kind"]),
        (TargetEncoder(), ["city"]),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=2))
    model.fit(frame, target(frame))

    opened = open_model(model, frame)

    assert opened is not None
    assert opened.players.tolist() == [3, 1, 0, 2]


def test_categories_of_the_trees_own_encoder_lead_back(frame: pd.DataFrame) -> None:
    typed = frame.astype({"city": "category", "kind": "category"})
    model = HistGradientBoostingClassifier(
        max_iter=2, categorical_features="from_dtype"
    ).fit(typed, target(frame))

    opened = open_model(model, typed)

    # The trees put their categories first.
    assert opened is not None
    assert opened.players.tolist() == [1, 3, 0, 2]


def test_column_made_from_two_raw_ones_closes_the_model(frame: pd.DataFrame) -> None:
    numbers = frame[["age", "wage"]].fillna(0)
    model = make_pipeline(PCA(2), LinearRegression()).fit(numbers, frame["age"])

    assert open_model(model, numbers) is None


def test_constant_column_belongs_to_nobody_in_particular(frame: pd.DataFrame) -> None:
    numbers = frame[["age", "wage"]].fillna(0).assign(year=2024.0)
    model = LinearRegression().fit(numbers, frame["age"])

    opened = open_model(model, numbers)

    assert opened is not None
    assert opened.players.tolist() == [0, 1, 0]


def test_single_raw_column_is_found() -> None:
    rows = pd.DataFrame({"age": [1.0, 2.0, 4.0]})
    model = LinearRegression().fit(rows, [1, 2, 3])

    opened = open_model(model, rows)

    assert opened is not None
    assert opened.players.tolist() == [0]


def test_model_without_names_is_given_an_array() -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 5.0, 1.0]})
    model = make_pipeline(StandardScaler(), LinearRegression())
    model.fit(rows.to_numpy(), [1, 2, 3])

    opened = open_model(model, rows, by_name=False)

    assert opened is not None
    assert opened.players.tolist() == [0, 1]


def refuse(rows: pd.DataFrame) -> pd.DataFrame:
    raise ValueError(len(rows))


def test_step_that_refuses_closes_the_model(frame: pd.DataFrame) -> None:
    numbers = frame[["age"]]
    model = make_pipeline(FunctionTransformer(), LinearRegression())
    model.fit(numbers, frame["age"])
    model[0].func = refuse

    assert open_model(model, numbers) is None


def test_function_cannot_be_opened(frame: pd.DataFrame) -> None:
    assert open_model(lambda rows: rows["age"], frame) is None

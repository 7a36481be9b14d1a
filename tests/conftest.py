"""Fixtures shared by all tests: three small cases, loaded once. Do not alter them."""

import pytest

from readiness.case import Case
from tests import cases


@pytest.fixture(scope="session")
def binary_case() -> Case:
    """Return a small binary case with training, reference and current."""
    return cases.binary_case()


@pytest.fixture(scope="session")
def multiclass_case() -> Case:
    """Return a small case of three classes."""
    return cases.multiclass_case()


@pytest.fixture(scope="session")
def regression_case() -> Case:
    """Return a small regression case."""
    return cases.regression_case()

"""LOAD: what people attest of the tests that no table can answer."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from readiness.config import CaseFile, read_toml
from readiness.errors import CaseError
from readiness.source_config import Strict, Text

FILE = "attestations.toml"
TABLE = Path(__file__).with_name("ml_tests.toml")
N_TESTS = 28
SECTIONS = ("data", "model", "infrastructure", "monitoring")


class Evidence(Strict):
    """Which findings answer a test, and what the case must declare for that."""

    check: Text
    metric: Text
    rows: Text
    needs: str = ""


class MlTest(Strict):
    """One of the 28 tests."""

    id: Text
    section: Text
    title: Text
    why: Text
    evidence: list[Evidence] = Field(default_factory=list)


class Attestation(Strict):
    """Somebody's word that a test is done, and where that is written down."""

    test: Text
    owner: Text
    date: dt.date
    link: Text
    automated: bool = False
    repeated: str = ""


class Attestations(Strict):
    """The attestations file."""

    attestations: Annotated[list[Attestation], Field(min_length=1)]


def ml_tests() -> tuple[MlTest, ...]:
    """Return the 28 tests in the order of the paper's sections."""
    values = tomllib.loads(TABLE.read_text("utf-8"))
    return tuple(MlTest.model_validate(one) for one in values["tests"])


def attested_beside(
    base: Path, file: CaseFile
) -> tuple[dict[str, Path], dict[str, Attestation]]:
    """Return the attestations file, as an input of the run, and what it holds.

    It is the one the case names, or ``attestations.toml`` beside it; without either
    both are empty.

    Raises
    ------
    CaseError
        When the case names a file that is not there; else as `read_attestations`.
    """
    named = file.review.attestations
    path = base / (named or FILE)
    if path.is_file():
        today = dt.datetime.now(dt.UTC).date()
        return {"attestations": path}, read_attestations(path, today)
    if named:
        msg = f"The case names the attestations {named!r}; there is no such file."
        raise CaseError(msg)
    return {}, {}


def read_attestations(path: Path, today: dt.date) -> dict[str, Attestation]:
    """Return the attestations by test.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file with one ``[[attestations]]`` per test.
    today : datetime.date
        No attestation may be of a later day.

    Raises
    ------
    CaseError
        When a key is unknown, missing or unusable, a test is unknown or attested
        twice, a date lies in the future, or ``automated`` comes without ``repeated``.
    """
    found = read_toml(path, Attestations, CaseError, "attestations file").attestations
    known = [one.id for one in ml_tests()]
    kept: dict[str, Attestation] = {}
    for place, one in enumerate(found):
        wrong = ""
        if one.test not in known:
            wrong = f"test must be one of {', '.join(known)}; it is {one.test!r}"
        elif one.test in kept:
            wrong = f"test: {one.test!r} is attested twice; keep the newer one"
        elif one.date > today:
            wrong = f"date must not lie in the future; it is {one.date.isoformat()}"
        elif one.automated != bool(one.repeated.strip()):
            wrong = "automated = true needs repeated = how and when, and only then"
        if wrong:
            msg = f"The attestations file {path.name!r}: attestations.{place}.{wrong}."
            raise CaseError(msg)
        kept[one.test] = one
    return kept

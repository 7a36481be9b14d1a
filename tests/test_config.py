import re
from pathlib import Path

import pytest

from readiness.config import read_case, read_policy
from readiness.errors import CaseError, Reason

MINIMAL = """\
name = "flight-delay"
title = "Will this flight be late?"
[model]
path = "model.skops"
task = "binary"
[data]
reference = "reference.parquet"
target = "late"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_minimal_case_has_the_documented_defaults(tmp_path: Path) -> None:
    case = read_case(write(tmp_path, MINIMAL))

    assert case.tier == "medium"
    assert case.model.acceptable is None
    assert case.model.tolerated_loss == pytest.approx(0.02)
    assert case.data.current is None
    assert case.columns == {}


def test_declared_column_is_read(tmp_path: Path) -> None:
    text = MINIMAL + '[columns.wind_gust]\nunit = "mph"\nrange = [0, 120]\n'

    case = read_case(write(tmp_path, text))

    assert case.columns["wind_gust"].unit == "mph"
    assert case.columns["wind_gust"].range == (0.0, 120.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('task = "binary"', 'taks = "binary"', r"unknown key 'model.taks' \(line 5\)"),
        ('title = "', 'titel = "', "unknown key 'titel'"),
        ('title = "Will this flight be late?"', "", "lacks the key 'title'"),
        ('task = "binary"', 'task = "ranking"', r"'model.task' \(line 5\)"),
        ("[data]", '[data]\nblok = "1d"', r"unknown key 'data.blok' \(line 7\)"),
        ('name = "', 'name = "../', "1 to 80 of a-z"),
        ('name = "flight-delay"', 'name = "con"', "not be reserved"),
        ('name = "', 'name = "a\\u0000', "1 to 80 of a-z"),
        ('path = "model.skops"', "", "exactly one of path, callable, predictions"),
        ("[data]", "acceptable = inf\n[data]", "must be a finite number"),
        ("[data]", "tolerated_loss = 0\n[data]", "greater than 0"),
        ("[data]", 'sha256 = "abc"\n[data]', "'model.sha256'"),
        ("[data]", '[data]\nwindow = "7 days"', "whole number of hours, days"),
        ("[data]", "[columns.a]\nrange = [3, 1]\n[data]", "lowest, highest"),
        ("[data]", "[columns.a]\nmeasurement_sd = nan\n[data]", "must be a finite"),
        ('name = "', 'name = "a"\nname = "', "not TOML"),
    ],
)
def test_unusable_case_is_refused_with_key_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, MINIMAL.replace(old, new, 1))

    with pytest.raises(CaseError, match=message):
        read_case(path)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_unreadable_case_is_an_input_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(CaseError, match=r"cannot be read|is a folder") as caught:
        read_case(tmp_path / name)

    assert caught.value.code is Reason.INPUT


def test_binary_file_is_not_a_case(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(b"PAR1\xff\xfe")

    with pytest.raises(CaseError, match="not TOML"):
        read_case(path)


def test_huge_file_is_not_read_into_memory(tmp_path: Path) -> None:
    path = write(tmp_path, "#" * 1_000_001)

    with pytest.raises(CaseError, match="1 to 1000000 bytes"):
        read_case(path)


def test_policy_without_content_but_a_comment_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path, "# nothing set here\n")

    policy = read_policy(path)

    assert policy.tier is None
    assert policy.limits == {}


SOURCES = Path(__file__).parents[1] / "docs" / "sources.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", SOURCES.read_text("utf-8"), re.DOTALL)
SOURCE = re.compile(r"^(?:reference|training|current) *= .*$", re.MULTILINE)
LINES = sorted({*SOURCE.findall("".join(BLOCKS))})


@pytest.mark.parametrize("line", LINES)
def test_every_source_of_the_page_is_one(line: str, tmp_path: Path) -> None:
    text = MINIMAL.replace('reference = "reference.parquet"', line)
    if not line.startswith("reference"):
        text += 'reference = "reference.parquet"\n'

    read_case(write(tmp_path, text))

    assert len(LINES) > 10


def test_every_column_of_the_page_may_be_declared(tmp_path: Path) -> None:
    declared = {
        name: keys
        for block in BLOCKS
        for name, keys in re.findall(r"\[columns\.(\w+)\]\n(\w.*)", block)
    }
    sections = [f"[columns.{name}]\n{keys}\n" for name, keys in declared.items()]

    case = read_case(write(tmp_path, MINIMAL + "".join(sections)))

    assert case.columns["booked"].format == "%d.%m.%Y %H:%M"
    assert set(case.columns) == {"booked", "zip", "price"}

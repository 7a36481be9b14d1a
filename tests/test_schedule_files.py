"""Files to copy for schedulers: right commands, and no failure that nobody hears."""

import configparser
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from readiness.cli import commands as program

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "schedule"
OVERVIEW = (DOCS / "schedule.md").read_text("utf-8")
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".md")
PAGES = sorted(path.name for path in FOLDER.glob("*.md"))
PARTS = ("**Copy**", "**Seen:**")
SHELL_SIGNS = {">>", "&&", "||", "2>&1"}


def cron_lines() -> list[str]:
    """Return what the shell of cron is given, line by line."""
    lines = (FOLDER / "crontab").read_text().splitlines()
    return [one.split("  ", 1)[1] for one in lines if re.match(r"[\d*]", one)]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]  # systemd's keys have capitals
    parser.read(FOLDER / name)
    return parser


def job(name: str) -> list[str]:
    """Return the shell lines of a job on somebody else's machine."""
    content = yaml.safe_load((FOLDER / name).read_text())
    if name == "gitlab-ci.yml":
        return list(content["review"]["script"])
    steps = content["jobs"]["review"]["steps"]
    return [one["run"] for one in steps if "run" in one]


def commands() -> Iterator[list[str]]:
    """Return every readiness command of the files, without what the shell adds."""
    service = unit("readiness-credit.service")["Service"]["ExecStart"]
    lines = [*cron_lines(), service, *job("github-actions.yml"), *job("gitlab-ci.yml")]
    for line in lines:
        for part in re.split(r"&&|\|\||>>", line):
            words = [one for one in shlex.split(part) if one not in SHELL_SIGNS]
            if words and words[0].endswith("readiness"):
                yield words[1:]


def test_every_page_is_listed_and_every_file_has_a_page() -> None:
    listed = re.findall(r"\(schedule/([a-z-]+\.md)\)", OVERVIEW)
    linked = {
        name
        for page in PAGES
        for name in re.findall(r"\]\(([^)#/]+)\)", (FOLDER / page).read_text())
    }

    assert sorted(listed) == PAGES
    assert set(FILES) <= linked
    assert [one for one in linked if not (FOLDER / one).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_page_says_what_to_copy_and_what_was_seen(page: str) -> None:
    text = (FOLDER / page).read_text()

    assert [part for part in PARTS if part not in text] == []


def test_commands_are_those_of_this_version() -> None:
    found = list(commands())

    for name, *arguments in found:
        program.commands[name].make_context(name, arguments)
    assert [name for name, *_ in found] == ["run", "history", "run", "run", "run"]


@pytest.mark.parametrize("line", cron_lines())
@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_cron_mails_what_did_not_pass_and_nothing_else(
    line: str, code: int, tmp_path: Path
) -> None:
    program = tmp_path / ".venv" / "bin" / "readiness"
    program.parent.mkdir(parents=True)
    says = "echo progress >&2; echo progress >&2; echo the outcome"
    program.write_text(f"#!/bin/sh\n{says}\nexit {code}\n")
    program.chmod(0o700)

    mailed = subprocess.run(  # noqa: S603 (our own line, as cron gives it to a shell)
        ["/bin/sh", "-c", line.replace("/srv/models", str(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("the outcome" in mailed.stdout) is (code != 0)
    assert mailed.stderr == ""
    assert "the outcome" in (tmp_path / "review.log").read_text()


def test_cron_mails_that_the_folder_is_gone(tmp_path: Path) -> None:
    line = cron_lines()[0].replace("/srv/models", str(tmp_path / "gone"))

    mailed = subprocess.run(  # noqa: S603 (as above)
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=False
    )

    assert "gone" in mailed.stderr


def test_unit_of_a_review_that_did_not_pass_is_failed() -> None:
    service = unit("readiness-credit.service")["Service"]

    # Its absence is systemd's default: failed on every exit code but 0.
    assert "SuccessExitStatus" not in service
    assert service["Type"] == "oneshot"
    assert service["User"] != "root"
    assert not service["ExecStart"].startswith("-")


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_nothing_is_installed_by_its_bare_name(name: str) -> None:
    lines = [one for one in job(name) if "pip install" in one]

    assert len(lines) == 2
    assert "--require-hashes -r wheels/requirements.lock" in lines[0]
    assert lines[1].endswith("--no-deps wheels/readiness-*.whl")


def test_jobs_on_empty_machines_bring_the_runs_before_them() -> None:
    steps = yaml.safe_load((FOLDER / "github-actions.yml").read_text())["jobs"]
    caches = [
        one
        for one in steps["review"]["steps"]
        if one.get("uses", "").startswith("actions/cache/")
    ]
    cache = yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())["review"]["cache"]

    assert [one["with"]["path"] for one in caches] == ["runs", "runs"]
    assert caches[-1]["if"] == "always()"  # a failed run is part of the history
    assert (cache["paths"], cache["when"]) == (["runs/"], "always")

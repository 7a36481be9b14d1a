"""The command line: arguments only; every command is one call."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from readiness import __version__
from readiness.cli_meeting import ANY_PATH, EXIT_ERROR, MEETING
from readiness.errors import ReadinessError, Reason
from readiness.notebooks import without_iri_checker
from readiness.processes import leave

if TYPE_CHECKING:
    from readiness.run_summary import RunSummary

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_SIGNAL = 128  # plus the number of the signal
TRACEBACK_VARIABLE = "READINESS_TRACEBACK"
EXIT_CODES = (
    "Leaves with 0 for PASS, 1 for FAIL or an overdue condition beside a pass, 2 for "
    "INCOMPLETE, 3 for ERROR, 130 or 143 when stopped."
)


@click.group()
@click.version_option(__version__, prog_name="readiness")
def commands() -> None:
    """Ask whether a tabular model is ready for real life, and what would break it."""


@commands.command()
@click.option("--out", type=ANY_PATH, default="runs", show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
def demo(out: Path, seed: int) -> int:
    """Prepare the flights case and review it."""
    from readiness import meeting, starter  # noqa: PLC0415 (heavy)
    from readiness.progress import show_progress  # noqa: PLC0415 (heavy)

    summary = starter.demo(out, seed=seed, progress=show_progress())
    click.echo(f"readiness run would have returned {summary.exit_code}.")
    code = tell(summary)
    for line in meeting.after_run(out, summary)[0]:
        _note(line)
    return code if code >= EXIT_ERROR else 0


@commands.command()
@click.argument("folder", type=ANY_PATH)
@click.option("--model", required=True, help="Model file, or file.py:function.")
@click.option("--reference", required=True, type=ANY_PATH, help="Labelled rows.")
@click.option("--training", type=ANY_PATH, help="What the model was fitted on.")
@click.option("--current", type=ANY_PATH, help="Recent production rows.")
@click.option("--target", required=True, help="The label column.")
def init(**values: object) -> int:
    """Write a case file and a policy with comments into FOLDER."""
    from readiness import starter  # noqa: PLC0415 (heavy)

    click.echo(starter.init(**values))  # type: ignore[arg-type]  # click checked the types
    return 0


@commands.command(epilog=EXIT_CODES)
@click.argument("case", type=ANY_PATH)
@click.option("--policy", type=ANY_PATH, help="Default: policy.toml beside the case.")
@click.option("--out", type=ANY_PATH, default="runs", show_default=True)
@click.option("--only", multiple=True, help="Dimensions, such as coverage,drift.")
@click.option(
    "--profile",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
)
@click.option("--current", type=ANY_PATH, help="Recent rows, instead of the case's.")
@click.option("--jobs", type=click.IntRange(1), help="Notebooks at a time.")
@click.option("--timeout", type=float, help="Seconds for the whole run.")
@click.option("--cell-timeout", type=click.IntRange(1), help="Seconds for one cell.")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--cluster", help="A Dask scheduler, tcp://host:port; or local.")
@click.option("--strict", is_flag=True, help="Refuse untested package versions.")
@click.option("--notify", type=ANY_PATH, help="Write a summary for people to FILE.")
@click.option("--webhook", help="env:NAME: post the headline to the address there.")
@click.option("--resume", type=ANY_PATH, help="A failed run: do what it left undone.")
@click.option("--no-overlap", is_flag=True, help="Leave if a run of it is at work.")
def run(case: Path, only: tuple[str, ...], **values: object) -> int:
    """Review the model that the case file CASE describes, or run a plan."""
    from readiness.announce import reviewed  # noqa: PLC0415 (heavy)
    from readiness.meeting import exit_code, unmet_words  # noqa: PLC0415 (as above)

    given = {name: value for name, value in values.items() if value is not None}
    dimensions = [part.strip() for part in ",".join(only).split(",") if part.strip()]
    summary, unmet = reviewed(case, say=_note, only=dimensions, **given)  # type: ignore[arg-type]  # click checked the types
    code = tell(summary)
    if unmet and not code:
        complain(unmet, f"The run passed; {unmet_words(unmet)}")
    return exit_code(code, unmet)


@commands.command()
@click.argument("folder", metavar="RUN", type=ANY_PATH)
@click.option("--out", required=True, type=ANY_PATH, help="The plan file to write.")
def plan(folder: Path, out: Path) -> int:
    """Write the monitoring plan that a published RUN gives."""
    from readiness.plan import write_plan  # noqa: PLC0415 (not needed elsewhere)

    click.echo(f"{write_plan(folder, out)}")
    return 0


@commands.command()
@click.argument("case", type=ANY_PATH, required=False)
def lab(case: Path | None) -> int:
    """Open the notebooks on a CASE in JupyterLab; the flights without one."""
    from readiness import starter  # noqa: PLC0415 (heavy)

    return starter.lab(case)


for command in MEETING:
    commands.add_command(command)


def tell(summary: "RunSummary") -> int:
    """Print a run's outcome in one line, and why there is none; return the exit code.

    Parameters
    ----------
    summary : RunSummary
        From `runner.run_review`.
    """
    if summary.exit_code >= EXIT_SIGNAL:
        for one in SIGNALS:  # we are leaving already: one line is enough
            signal.signal(one, signal.SIG_IGN)
    counts = ", ".join(
        f"{count} {status.replace('_', ' ')}"
        for status, count in summary.counts.items()
    )
    place = summary.index_path or "nothing published"
    click.echo(f"{summary.outcome}: {counts or 'no checks'}; {place}")
    if summary.reason:
        complain(summary.reason, summary.message.removeprefix("No verdict. "))
    return summary.exit_code


def _note(line: str) -> None:
    click.echo(f"note: {line}", err=True)


def _leave_on_signals() -> None:
    """Leave at once wherever no run looks after Ctrl-C and SIGTERM itself."""
    for one in SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, lambda signum, _frame: leave(signum))


def complain(code: str, message: str) -> None:
    """Say in one line on standard error what is wrong."""
    from readiness.text import printable  # noqa: PLC0415 (rarely needed)

    click.echo(f"error: {code}: {printable(' '.join(message.split()))}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    if arguments is None:
        without_iri_checker()
        _leave_on_signals()
    try:
        code = commands.main(arguments, prog_name="readiness", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.ClickException as error:
        complain(Reason.USAGE, f"{error.format_message()} See readiness --help.")
        code = EXIT_ERROR
    except click.Abort:
        code = 130
    except ReadinessError as error:
        complain(error.code, str(error))
        code = EXIT_ERROR
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        said = f"{type(error).__name__}: {error}"
        complain(Reason.CRASH, f"{said}. Set {TRACEBACK_VARIABLE}=1 to see where.")
        code = EXIT_ERROR
    sys.exit(code)

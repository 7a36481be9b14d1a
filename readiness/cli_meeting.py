"""The commands of the review meeting: arguments only; every command is one call."""

import datetime as dt
from pathlib import Path

import click

from readiness.errors import Reason

EXIT_ERROR = 3  # a usage error too: 2 means INCOMPLETE
ANY_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="RUN", type=ANY_PATH)
@click.option("--out", required=True, type=ANY_PATH, help="The PDF file to write.")
def pdf(folder: Path, out: Path) -> int:
    """Print the report of a published RUN as PDF, with Chromium."""
    from readiness.pdf import write_pdf  # noqa: PLC0415 (not needed elsewhere)

    click.echo(f"{write_pdf(folder, out)}")
    return 0


@click.command()
@click.argument("folder", metavar="RUN", type=ANY_PATH)
@click.option("--role", help="Who decides.")
@click.option("--decision", type=click.Choice(["go", "go-with-conditions", "no-go"]))
@click.option("--note", help="Why; or how a condition was met.")
@click.option(
    "--condition", "conditions", multiple=True, help='"text|owner|2027-01-31"; repeat.'
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of it.")
@click.option("--done", type=int, help="Number of a condition that is met.")
@click.option("--list", "listed", is_flag=True, help="Show what was signed.")
def sign(
    folder: Path, *, until: dt.datetime | None, listed: bool, **values: object
) -> int:
    """Sign a published RUN, beside it; or list what was signed on its case."""
    from readiness import meeting  # noqa: PLC0415 (not needed elsewhere)

    if not listed:
        day = until.date() if until else None
        click.echo(meeting.decide(folder, until=day, **values))  # type: ignore[arg-type]  # click checked the types
        return 0
    lines, code = meeting.standing_lines(folder.absolute().parent)
    click.echo("\n".join(lines) or "nothing was signed")
    return code


@click.command(
    epilog="With --gate it leaves with 1 where it got worse or a condition is overdue, "
    "2 where an answer was lost, 3 for a run that is not what was published; else 0."
)
@click.argument("before", type=ANY_PATH)
@click.argument("after", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, help="Write the comparison as a page.")
@click.option("--gate", is_flag=True, help="Exit 1 when a required finding got worse.")
def compare(before: Path, after: Path, out: Path | None, *, gate: bool) -> int:
    """Compare the run BEFORE with the run AFTER: what got worse first."""
    from readiness import compare as runs  # noqa: PLC0415 (not needed elsewhere)

    comparison = runs.compare_runs(before, after)
    for line in runs.comparison_lines(comparison):
        click.echo(line)
    if out is not None:
        from readiness.compare_page import compare_page  # noqa: PLC0415 (heavy)

        runs.write_page(out, compare_page(comparison))
        click.echo(f"{out}")
    return comparison.gate if gate else 0


@click.command()
@click.argument("folder", type=ANY_PATH, default="runs")
@click.option("--reindex", is_flag=True, help="Rebuild it from the run directories.")
@click.option("--html", type=ANY_PATH, help="Write the page of a case.")
@click.option("--case", "case_name", help="Which case; default the only one.")
@click.option("--keep", type=click.IntRange(1), help="Remove older runs than so many.")
@click.option("--gate", is_flag=True, help="Exit 1 when a condition is overdue.")
def history(
    folder: Path,
    html: Path | None,
    case_name: str | None,
    keep: int | None,
    *,
    reindex: bool,
    gate: bool,
) -> int:
    """List the runs in FOLDER."""
    from readiness import history as index  # noqa: PLC0415 (not needed elsewhere)

    if reindex:
        click.echo(f"{index.reindex(folder)} runs", err=True)
    if keep is not None:
        from readiness import retention  # noqa: PLC0415 (brings pages)

        for line in retention.keep_newest(folder, case_name, keep):
            click.echo(line, err=True)
    for row in index.listed(folder, case_name):
        outcome = f"{row.outcome} {row.reason}" if row.reason else row.outcome
        fields = (row.run_id, row.case_name, row.status, outcome, row.headline)
        click.echo("\t".join(fields))
    if html is not None:
        from readiness.history_page import write_history  # noqa: PLC0415 (heavy)

        write_history(folder, html, case_name)
    return _gate(folder, case_name) if gate else 0


def _gate(folder: Path, case_name: str | None) -> int:
    """Tell which conditions of the cases are overdue; return the exit code."""
    from readiness import meeting  # noqa: PLC0415 (not needed elsewhere)

    lines = meeting.overdue_lines(folder, case_name)
    for line in lines:
        click.echo(line)
    return meeting.OVERDUE_CODE if lines else 0


@click.command()
@click.argument("folder", metavar="RUN", type=ANY_PATH)
def verify(folder: Path) -> int:
    """Compare every file of a published RUN with its manifest."""
    from readiness import manifest  # noqa: PLC0415 (not needed elsewhere)

    altered = manifest.verify(folder)
    for line in altered:
        click.echo(line)
    if altered:
        click.echo(f"error: {Reason.ALTERED}: {len(altered)} files differ.", err=True)
        return EXIT_ERROR
    click.echo("unaltered")
    return 0


MEETING = (pdf, sign, compare, history, verify)

"""The first case file and policy of a new model, written from its data alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from readiness.checks import all_checks
from readiness.columns import kind_of
from readiness.errors import CaseError
from readiness.metrics import default_metric
from readiness.result import Limit
from readiness.tables import Table
from readiness.toml_text import toml_key, toml_value

YES = frozenset({"1", "true", "yes", "y", "t", "positive", ">50k", ">50k."})
MOST_INTEGER_CLASSES = 10
MOST_CLASSES = 100
TEXT_WIDTH = 60
CODES = '  # or "categorical", where these whole numbers are codes'
OPERATION = (
    ("monitor_window_rows", "5000", "rows in one look of the monitoring"),
    ("windows_per_month", "30", "how often it looks"),
    ("false_alarms_per_month", "1", "how many needless alarms people bear"),
    ("label_delay_days", "7", "days until the true outcome is known"),
    ("retrain_every_days", "90", "days between two trainings"),
    ("p99_ms", "50", "slowest acceptable answer for one row in a hundred"),
    ("requests_per_second", "50", "load it must bear"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the target column says that the model has to answer.

    Parameters
    ----------
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    positive : object
        The label that the probability is of; None unless binary.
    found : str
        What was seen in the column, for the comment in the file.
    tolerated : float or None
        A twentieth of a quantity's spread, as a first tolerated loss.
    """

    task: str
    positive: Any
    found: str
    tolerated: float | None = None


def ask(target: str, values: pa.ChunkedArray) -> Question:
    """Return the question that a target column poses.

    Parameters
    ----------
    target : str
        Its name, for messages.
    values : pyarrow.ChunkedArray
        The column of the reference; nulls are left out.

    Raises
    ------
    CaseError
        When the column holds fewer than two values, or too many texts to be classes.

    Notes
    -----
    Two values make a binary question, texts several classes. Whole numbers are
    classes up to ten different ones, else a quantity; the file says so, because
    only people know.
    """
    present = pc.unique(values.drop_null()).to_pylist()
    distinct = sorted(
        (one for one in present if not _is_nan(one)),
        key=lambda one: (isinstance(one, str), one),
    )
    shown = ", ".join(map(str, distinct[:MOST_INTEGER_CLASSES]))[:TEXT_WIDTH]
    if len(distinct) < 2:  # noqa: PLR2004 (nothing to tell apart)
        msg = (
            f"The target {target!r} must hold at least two different values; it holds "
            f"{shown or 'none'}. Name another column with --target."
        )
        raise CaseError(msg)
    if len(distinct) == 2:  # noqa: PLR2004 (binary means two)
        positive = next((one for one in distinct if _is_yes(one)), distinct[-1])
        return Question(task="binary", positive=positive, found=f"holds {shown}")
    if _are_classes(target, distinct):
        found = f"holds {len(distinct)} classes: {shown}"
        return Question(task="multiclass", positive=None, found=found)
    found = f"holds numbers from {distinct[0]:g} to {distinct[-1]:g}"
    tolerated = float(f"{pc.stddev(values).as_py() / 20:.2g}")
    return Question(task="regression", positive=None, found=found, tolerated=tolerated)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_yes(value: object) -> bool:
    return str(value).strip().lower().removesuffix(".0") in YES


def _are_classes(target: str, distinct: list[Any]) -> bool:
    if not isinstance(distinct[0], (int, float)):
        if len(distinct) > MOST_CLASSES or not isinstance(distinct[0], str):
            msg = (
                f"The target {target!r} must hold numbers or up to {MOST_CLASSES} "
                f"classes; it holds {len(distinct)} other values. Name another column."
            )
            raise CaseError(msg)
        return True
    whole = all(float(one).is_integer() for one in distinct)
    return whole and len(distinct) <= MOST_INTEGER_CLASSES


def case_text(
    name: str,
    model: Mapping[str, str],
    data: Mapping[str, str],
    question: Question,
    reference: Table,
) -> str:
    """Return a case file with comments.

    Parameters
    ----------
    name : str
        Name of the case.
    model : mapping
        ``path`` and ``sha256``, ``callable`` and perhaps ``sha256``, or
        ``predictions``.
    data : mapping
        ``reference`` and ``target``; ``training`` and ``current`` where given.
    question : Question
        What `ask` found.
    reference : Table
        Its columns are described.
    """
    parts = [
        "# What is reviewed, on which data, and what people know about it.",
        "# Lines with a # in front are suggestions: remove the # to use them.",
        f"name = {toml_value(name)}",
        f"title = {toml_value('Predict ' + data['target'])}  # the question it answers",
        'decision = ""  # what is decided with the answer',
        'owner = ""     # who answers for the model',
        'tier = "medium"  # low, medium or high: how much harm a wrong answer does',
        "",
        *_model_lines(model, question),
        "",
        *_data_lines(data, reference),
        "",
        *_column_lines(data, model, reference),
        "[operation]  # how the model is run and watched",
        *(f"# {key} = {value}  # {why}" for key, value, why in OPERATION),
    ]
    return "\n".join(parts) + "\n"


def _model_lines(model: Mapping[str, str], question: Question) -> list[str]:
    metric = default_metric(question.task)
    side = "at least" if metric.higher_is_better else "at most"
    lines = [
        "[model]",
        *(f"{key} = {toml_value(value)}" for key, value in model.items()),
    ]
    if "sha256" in model:
        lines.insert(
            1 + list(model).index("sha256"),
            "# A model file can run code when it is loaded. This is the hash of the\n"
            "# file as it was found; nothing was loaded. Keeping the line is your act\n"
            "# of trust in that file, and any other file will be refused.",
        )
    lines.append(f"task = {toml_value(question.task)}  # the target {question.found}")
    if question.positive is not None:
        lines.append(
            f"positive = {toml_value(question.positive)}"
            "  # the probability is of this value"
        )
        lines.append("# threshold = 0.5  # the cut of the decision")
    tolerated = "# tolerated_loss = 0.02"
    if question.tolerated is not None:
        tolerated = f"tolerated_loss = {question.tolerated!r}"
    lines += [
        f"metric = {toml_value(metric.name)}",
        f"# Declare the worst value you accept ({side} this). Until then the headline",
        "# check is not assessed, and the review is incomplete.",
        "# acceptable = …",
        f"{tolerated}  # of the metric: what counts as harm",
        '# features = ["…"]  # by default the names the model was fitted with',
    ]
    return lines


def _data_lines(data: Mapping[str, str], reference: Table) -> list[str]:
    hints = {
        "training": '# training = "…"   # what the model was fitted on',
        "current": '# current = "…"    # recent rows; labels may be missing',
    }
    keys = ("training", "reference", "current", "target")
    given = (f"{k} = {toml_value(data[k])}" if k in data else hints[k] for k in keys)
    lines = ["[data]", *given]
    times = [one.name for one in reference.schema if kind_of(one.type) == "time"]
    if times:
        others = f"  # other candidates: {', '.join(times[1:])}" if times[1:] else ""
        lines += [
            f"time = {toml_value(times[0])}{_plain(others)}",
            'block = "1d"  # rows of one day are not independent of each other',
        ]
    else:
        lines.append('# time = "…"  # a column of dates or times, where there is one')
    lines += [
        '# max_age = "2d"  # older current rows fail; needs a time column',
        '# entity = "…"  # a customer, patient or machine with several rows',
        '# weight = "…"  # how many rows of life one row stands for',
        "# ignore = []",
    ]
    return lines


def _column_lines(
    data: Mapping[str, str], model: Mapping[str, str], reference: Table
) -> list[str]:
    lines = [
        "# What you know about a column makes the answers sharper. Each may have",
        '#   unit = "°C"            source = "weather feed"   measurement_sd = 0.5',
        '#   range = [-40, 60]      monotone = "increasing"   group = true',
        '#   role = "irrelevant"    sensitive = true',
    ]
    skipped = {data["target"], model.get("predictions")}
    for column in reference.schema:
        kind = kind_of(column.type)
        if kind is not None and column.name not in skipped:
            codes = CODES if pa.types.is_integer(column.type) else ""
            lines += [
                f"[columns.{toml_key(column.name)}]",
                f'kind = "{kind}"{codes}',
                "",
            ]
    return lines


def policy_text() -> str:
    """Return a policy that changes nothing, with every shipped limit as a comment."""
    lines = [
        "# Limits of your own. Without this file the tier of the case decides.",
        "# Below stands every limit that ships; remove the # of one to change it.",
        '# tier = "high"  # wins over the tier of the case',
        "",
    ]
    for found in all_checks().values():
        named: set[str] = set()
        for limit in found.check.limits:
            again = limit.metric in named
            lines += _limit_lines(found.check.code, found.check.title, limit, again)
            named.add(limit.metric)
    lines += [
        "# Somebody may sign for one failing finding, until a date.",
        "# [[waivers]]",
        '# check = "P3"',
        '# metric = "calibration_slope"',
        '# owner = "…"',
        '# reason = "…"',
        "# expires = 2027-01-31",
    ]
    return "\n".join(lines) + "\n"


def _limit_lines(code: str, title: str, limit: Limit, again: bool) -> list[str]:  # noqa: FBT001 (private)
    tiers = ", ".join(limit.required_in) or "no tier"
    head = f"# {code} {title}: required in {tiers}."
    if isinstance(limit.limit, str):
        source = limit.limit.removeprefix("case:")
        return [head, f"# Its limit is {source} in the case file.", ""]
    if again:  # a policy replaces one side of a metric
        return [f"#   Another: {limit.metric} {limit.side} {limit.limit!r}.", ""]
    return [
        head,
        f"# [limits.{code}.{toml_key(limit.metric)}]",
        f'# side = "{limit.side}"',
        f"# limit = {limit.limit!r}",
        f"# reason = {toml_value(limit.reason)}",
        "",
    ]


def _plain(text: str) -> str:
    """Return text that cannot end a comment."""
    return "".join(one if one.isprintable() else "?" for one in text)

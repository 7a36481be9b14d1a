"""SHOW: a model card as Markdown that people read; every text from data is escaped."""

from collections.abc import Mapping
from typing import Any

from readiness.markup import markdown_text
from readiness.text import interval, number
from readiness.words import metric_words

HEADINGS = {
    "verdict": "Verdict of the review",
    "model_details": "Model details",
    "intended_use": "Intended use",
    "factors": "Factors",
    "metrics": "Metrics",
    "evaluation_data": "Evaluation data",
    "training_data": "Training data",
    "quantitative_analyses": "Quantitative analyses, group by group",
    "ethical_considerations": "Ethical considerations",
    "caveats": "Caveats, and what was not assessed",
    "conditions_of_use": "Conditions of use",
}
FINDINGS = (
    "| check | measure | group | value | 90 % interval | rows | limit | set by, why | "
    "status |"
)


def card_markdown(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown: one section per heading of the paper.

    Parameters
    ----------
    card : mapping
        From `model_card.model_card`. What is null is said to be unknown, with why.
    """
    title = markdown_text(card["intended_use"]["case"])
    lines = [f"# Model card: {title}", ""]
    lines += [f"Run {card['run_id']}, {card['created_utc']}.", ""]
    for name, heading in HEADINGS.items():
        lines += [f"## {heading}", "", *_section(card, name), ""]
    return "\n".join(lines)


def _section(card: Mapping[str, Any], name: str) -> list[str]:
    values = card[name]
    if name == "quantitative_analyses":
        return _findings(values) or ["No group was judged by itself."]
    if isinstance(values, list):
        return [_item("table", one) for one in values] or ["No table."]
    if values is None:
        return [f"Unknown. {card['unknown'][name]}"]
    lines: list[str] = []
    for key, value in values.items():
        if key == "findings":
            lines += ["", *_findings(value)]
        elif value is None or (value == [] and f"{name}.{key}" in card["unknown"]):
            lines.append(
                f"- {_plain(key)}: unknown. {card['unknown'][f'{name}.{key}']}"
            )
        else:
            lines.append(_item(key, value))
    return lines


def _item(key: str, value: Any) -> str:  # noqa: ANN401 (plain JSON values)
    return f"- {_plain(key)}: {_said(value)}"


def _said(value: Any) -> str:  # noqa: ANN401 (plain JSON values)
    if isinstance(value, dict):
        told = (f"{_plain(key)} {_said(one)}" for key, one in value.items())
        return "; ".join(told) or "none"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    return markdown_text(f"{value:,}" if isinstance(value, int) else value)


def _plain(key: str) -> str:
    return markdown_text(key.replace("_", " "))


def _findings(many: list[dict[str, Any]]) -> list[str]:
    if not many:
        return []
    n_columns = FINDINGS.count("|") - 1
    return [FINDINGS, f"|{'---|' * n_columns}", *map(_line, many)]


def _line(one: Mapping[str, Any]) -> str:
    unit = one["unit"]
    value = one["why"] if one["value"] is None else number(one["value"], unit)
    limit, reason = "none", ""
    if one["limit"] is not None:
        side = str(one["side"]).replace("_", " ")
        limit = f"{side} {number(one['limit'], unit, exact=True)}"
        reason = f"{one['limit_set_by']}: {one['limit_reason']}"
    status = one["status"].replace("_", " ")
    cells = (
        one["check"],
        metric_words(one["metric"]),
        one["group"] or "all rows",
        value,
        interval(one["ci_low"], one["ci_high"], unit) or "none",
        f"{one['n_rows']:,}",
        f"{limit}{', required' if one['required'] else ''}",
        reason or "nobody",
        f"{status}{', waived' if one['waived'] else ''}",
    )
    return f"| {' | '.join(map(markdown_text, cells))} |"

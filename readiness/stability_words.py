"""SHOW: how stable a verdict is, in sentences a committee reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from readiness.cards import blocks_called
from readiness.result import Outcome, result_from_dict
from readiness.text import number
from readiness.words import OUTCOME_WORDS, group_words, metric_words

HUNDRED = 100
MAX_RUNS = 3


def stability_lines(results: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the verdict hangs on, the sentence that matters most first.

    Parameters
    ----------
    results : mapping
        The content of results.json; of an earlier version, which had none, too.

    Returns
    -------
    tuple of str
        Empty for a run without a verdict. The first two stand beside the verdict; that
        another seed gave another outcome is in the second. The rest say what the draws
        and the seeds leave open.
    """
    found = results.get("stability")
    if results["outcome"] == Outcome.ERROR:
        return ()
    if found is None:
        return ("How stable this outcome is was not computed.",)
    checks = [result_from_dict(one) for one in results["checks"]]
    limits, seed = _limits(found["limits"]), found["seed"]
    tried = _tried(seed.get("others", ()), results["outcome"])
    if any(one["outcome"] != results["outcome"] for one in seed.get("others", ())):
        limits, tried = f"{limits} {tried}", ""
    redrawn = _redrawn(found["resampling"], blocks_called(results["facts"], checks))
    rest = (*_fixed(found["resampling"]), tried, *_seed(seed))
    return tuple(filter(None, (redrawn, limits, *rest)))


def _redrawn(found: Mapping[str, Any], blocks: str) -> str:
    same = round(found["same_share"] * HUNDRED)
    others = [one for one in found["outcomes"] if found["outcomes"][one]]
    if len(others) <= 1 and same:
        often = f"in each of {found['draws']:,} draws"
    elif same == HUNDRED:
        often = "in more than 99 of 100 draws"
    else:
        often = f"in {same} of 100 draws"
    blocks = "blocks of rows" if blocks == "blocks" else blocks
    text = (
        f"If other {blocks} of the same kind had been drawn, the outcome would be the "
        f"same {often}."
    )
    hangs_on = found["hangs_on"]
    return f"{text} It hangs on {_subject(hangs_on)}." if hangs_on else text


def _subject(named: Mapping[str, Any]) -> str:
    words = f"{named['check']} {metric_words(named['metric'])}"
    group = group_words(named["group"], named["metric"])
    return f"{words}, {group}" if group else words


def _limits(found: Mapping[str, Any]) -> str:
    share = f"{found['moved_by'] * HUNDRED:.0f} %"
    stricter, looser = (_word(found[side]) for side in ("stricter", "looser"))
    if stricter == looser:
        text = f"With every required limit {share} stricter or looser it is {stricter}"
    else:
        text = f"With every required limit {share} stricter it is {stricter}, looser "
        text += looser
    return f"{text}. {_turn(found)}"


def _turn(found: Mapping[str, Any]) -> str:
    nearest, together = found["nearest"], found["together"]
    if nearest is not None:
        side = nearest["side"].replace("_", " ")
        limits = [number(nearest[one], nearest["unit"]) for one in ("limit", "at")]
        return (
            f"The first limit to change it by itself is that of {nearest['check']} "
            f"{metric_words(nearest['metric'])}: {side} {limits[0]}, moved by "
            f"{number(abs(nearest['move']), 'share')} to {limits[1]}, gives "
            f"{_word(nearest['outcome'])}."
        )
    if together is not None:
        way = "stricter" if together["move"] > 0 else "looser"
        return (
            "No limit changes it by itself; all together would have to be "
            f"{number(abs(together['move']), 'share')} {way} for "
            f"{_word(together['outcome'])}."
        )
    return (
        "Even limits moved by their own size, alone or together, would not change it."
    )


def _word(outcome: str) -> str:
    return OUTCOME_WORDS[Outcome(outcome)]


def _fixed(found: Mapping[str, Any]) -> list[str]:
    """Return what the draws left out."""
    text = []
    if found["held"]:
        held = _listed(found["held"])
        text.append(f"The draws leave as it is what has no error: {held}.")
    if found["by_se"]:
        text.append(
            "They move each of these by its own standard error, apart from the "
            f"others: {_listed(found['by_se'])}."
        )
    return text


def _seed(seed: Mapping[str, Any]) -> list[str]:
    """Return how likely a flip is at most, and which checks may depend on the seed."""
    text = []
    if seed.get("others"):
        text.append(_chance(seed["flip_high"]))
    elif seed["seeded"]:
        text.append("No other seed was tried: the same run with another --seed does.")
    if not seed["seeded"]:
        return [*text, "No required finding depends on the seed."]
    may = f"{', '.join(seed['seeded'])} may depend on the seed"
    unseeded = ", ".join(seed["unseeded"])
    return [*text, f"{may}, {unseeded} cannot." if unseeded else f"{may}."]


def _tried(others: Sequence[Mapping[str, Any]], outcome: str) -> str:
    if not others:
        return ""
    runs: dict[str, list[str]] = {}
    for one in others:
        runs.setdefault(one["outcome"], []).append(one["run_id"])
    same = runs.pop(outcome, [])
    if not runs:
        many = "s" * (len(same) > 1)
        return f"{len(same):,} other seed{many} gave the same outcome {_named(same)}."
    parts = [
        f"{len(found):,} gave {OUTCOME_WORDS[Outcome(one)]} {_named(found)}"
        for one, found in runs.items()
    ]
    if same:
        parts.append(f"{len(same):,} the same outcome {_named(same)}")
    return f"Of {len(others):,} other seed{'s' * (len(others) > 1)} {', '.join(parts)}."


def _named(runs: Sequence[str]) -> str:
    shown = ", ".join(runs[:MAX_RUNS])
    more = f" and {len(runs) - MAX_RUNS:,} more" if len(runs) > MAX_RUNS else ""
    return f"(run{'s' * (len(runs) > 1)} {shown}{more})"


def _chance(high: float) -> str:
    if high == 1:
        return "The other seeds do not bound the chance of another outcome."
    share = number(high, "share")
    return f"The chance that a seed gives another outcome is at most {share} (95 %)."


def _listed(named: Sequence[Mapping[str, Any]]) -> str:
    """Return findings by check and metric, and how many groups of each."""
    counts: dict[str, int] = {}
    for one in named:
        words = f"{one['check']} {metric_words(one['metric'])}"
        counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{one} ({n})" if n > 1 else one for one, n in counts.items())

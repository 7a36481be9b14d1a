"""X10: the reasons for single rows, and whether noise changes them."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.attributions import attributions
from readiness.case import Case
from readiness.checks.explainability._explained import (
    DEFAULTS,
    TABLE,
    Explained,
    background_rows,
    explained,
    explained_rows,
)
from readiness.checks.explainability._reason_view import (
    alt,
    draw,
    lists,
    notes_on,
    traces,
)
from readiness.checks.explainability._traces import (
    chosen_rows,
    margins,
    reason_table,
    reasons_changed,
)
from readiness.checks.stress._noise import noise_of, with_noise
from readiness.errors import NotAssessedError, Reason
from readiness.result import Check, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import scores
from readiness.stats import (
    Ints,
    empty_row,
    proportion_interval,
    summary_frame,
    summary_row,
)
from readiness.text import number

METRIC = "reason_change_share"
NEAR = "nearest another decision"
PART_NEAR = 10  # the nearest tenth of rows
TELLING = 10  # a tenth of the evaluations is for the chosen rows


def measure(case: Case, options: Options) -> Measurement:
    """Tell the reasons for single rows, and how often noise of the inputs changes them.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows; labels for the worst errors.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance; ``reasons``
        (3) told for each row; ``each`` (3) rows with the worst errors, and as many
        nearest another decision; ``noise_rows`` (300) that get noise;
        ``assumed_share`` (0.05): SD of the noise, as a share of each feature's SD,
        where no feature declares its own.

    Returns
    -------
    Measurement
        ``reason_change_share``: share of rows whose largest reasons are others, or
        point elsewhere, once every declared ``measurement_sd`` is added; group
        empty, and `nearest another decision`: the tenth of rows nearest one. Table
        ``lists``: for each chosen row where the sum starts, its reasons, all other
        columns together, and the output they add up to; ``reasons``: the same as
        numbers, part by part.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, or what scoring the reference raises.

    Notes
    -----
    Chosen of all scored reference rows: the worst errors, those nearest another
    decision, and the row of middle score of the three most frequent values of each
    declared group. Values of sensitive columns are not shown, and their groups have
    no rows. The interval of a reason is that of the draws; exact routes have none.
    Noise is as in decision_flips, one draw for each row; the order of the reasons
    does not count. Where attributions are sampled, a change may be one of the draws,
    so the share is not measured. Reasons are what the model uses, not causes: to
    change them need not change what happens.

    References
    ----------
    S. Lundberg, S.-I. Lee (2017), arXiv:1705.07874, local accuracy.
    """
    rows = explained(case, options)
    chosen = chosen_rows(case, int(options["each"]), options.seed)
    background = background_rows(case, options)
    frame = case.table(TABLE).take(np.array([one.row for one in chosen]), case.features)
    found = attributions(
        case,
        frame,
        background,
        seed=options.seed,
        max_evaluations=options["evaluations"] // TELLING,
    )
    n_reasons = int(options["reasons"])
    table = reason_table(chosen, frame, found, case.columns, n_reasons)
    lines, sentence = _changes(case, options, rows, background)
    return Measurement(
        summary=summary_frame(lines),
        tables={"lists": lists(table), "reasons": table},
        notes=(*notes_on(lines, n_reasons, sentence), *traces(table)),
    )


def _changes(
    case: Case, options: Options, rows: Explained, background: pd.DataFrame
) -> tuple[list[dict[str, Any]], str]:
    """Return the shares of rows with other reasons, and what the noise was."""
    if rows.found.n_pairs:
        sentence = "Attributions are sampled, so a change may be one of the draws."
        return [empty_row(METRIC, "", Reason.NOT_MEASURED, "share")], sentence
    frame = explained_rows(case, options)[: len(rows.found.values)]
    try:
        sds, is_declared = noise_of(case.columns, frame, options["assumed_share"])
    except NotAssessedError as error:
        return [empty_row(METRIC, "", error.code, "share")], str(error)
    groups = _groups(case, options, len(frame))
    asked = np.unique(np.concatenate(list(groups.values())))
    places = {name: place for place, name in enumerate(case.columns)}
    z = {
        name: np.random.default_rng([options.seed, places[name]]).standard_normal(
            len(frame)
        )[asked]
        for name in sds
    }
    noisy = with_noise(frame.iloc[asked], case.columns, sds, z)
    after = attributions(
        case,
        noisy,
        background,
        seed=options.seed,
        max_evaluations=options["evaluations"],
    )
    if after.method != rows.found.method:
        sentence = "Rows with noise cannot be explained as the rows themselves."
        return [empty_row(METRIC, "", Reason.NOT_MEASURED, "share")], sentence
    kept = asked[: len(after.values)]
    changed = np.zeros(len(frame), dtype=bool)
    changed[kept] = reasons_changed(
        rows.found.values.to_numpy()[kept],
        after.values.to_numpy(),
        int(options["reasons"]),
    )
    lines = []
    for group, wanted in groups.items():
        some = np.intersect1d(wanted, kept)
        weight = None if rows.weight is None else rows.weight[some]
        share = proportion_interval(changed[some], rows.clusters.take(some), weight)
        lines.append(summary_row(METRIC, group, share, "share"))
    sentence = (
        f"The noise is the declared measurement_sd of {len(sds)} columns."
        if is_declared
        else f"No column declares its noise; {len(sds)} were given "
        f"{number(options['assumed_share'], 'share')} of their SD."
    )
    return lines, sentence


def _groups(case: Case, options: Options, n_rows: int) -> dict[str, Ints]:
    """Return places among the explained rows: a random part, and the nearest tenth."""
    most = int(options["noise_rows"])
    groups: dict[str, Ints] = {"": np.arange(min(most, n_rows))}
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)[:n_rows]
    far = margins(case, scored.y_score[order])
    if far is not None:
        nearest = np.argsort(np.abs(far), kind="stable")
        groups[NEAR] = np.sort(nearest[: min(max(n_rows // PART_NEAR, 1), most)])
    return groups


CHECK = Check(
    code="X10",
    title="Reasons for single rows",
    question="Why does the model say so of this row, and would it say so again?",
    measure=measure,
    draw=draw,
    alt=alt,
    defaults={
        **DEFAULTS,
        "reasons": 3,
        "each": 3,
        "noise_rows": 300,
        "assumed_share": 0.05,
    },
    metrics=(METRIC,),
    shown="lists",
)

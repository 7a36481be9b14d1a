"""How the headline metric grows with the rows the model is fitted on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.labels import USABLE, target_codes
from readiness.refits import refit, require_refits
from readiness.row_hashes import code_hashes, row_hashes
from readiness.scored import headline
from readiness.scoring import charge, column, scores
from readiness.stats import Clusters, Estimate, Interval, clustered_interval, difference
from readiness.table_rows import clusters_of, keys_of
from readiness.tables import Table

SHARES = (0.5, 0.7, 0.85, 1.0)


def learning_curve(case: Case, seed: int) -> tuple[pd.DataFrame, Interval]:
    """Fit the model on growing shares of the training blocks.

    Parameters
    ----------
    case : Case
        With training and a labelled reference.
    seed : int
        Of the blocks left out, and of the fits.

    Returns
    -------
    pandas.DataFrame
        Columns ``share, rows, value, ci_low, ci_high``: the metric on the reference.
    Interval
        What the last doubling of the rows brought: the metric at all rows less that
        at half of them, paired; positive is better.

    Raises
    ------
    NotAssessedError
        NO_REFIT, NO_TABLE or NO_LABELS.
    """
    require_refits(case)
    table = case.table("training")
    rows, place = _labelled(case, table, seed)
    judged = scores(case, "reference")
    frame = pd.DataFrame({name: column(case, judged, name) for name in case.features})
    found: dict[float, Estimate] = {}
    lines = []
    for share in SHARES:
        kept = rows[place < share]
        model = refit(case, kept, seed)
        charge(f"learning curve {share}", len(frame))
        estimate = headline(case, replace(judged, y_score=model.predict(frame)))
        found[share] = estimate
        limits = clustered_interval(estimate, judged.clusters)
        lines.append(
            {
                "share": share,
                "rows": len(kept),
                "value": limits.value,
                "ci_low": limits.ci_low,
                "ci_high": limits.ci_high,
            }
        )
    pair = (found[1.0], found[0.5])
    gain = difference(*(pair if case.higher_is_better else pair[::-1]))
    return pd.DataFrame(lines), clustered_interval(gain, judged.clusters)


def _labelled(case: Case, table: Table, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the labelled rows, and the place of each row's block in [0, 1)."""
    keys = keys_of(case, table)
    frames, places = [], []
    for batch in table.batches():
        _, why = target_codes(batch.column(case.target), case.classes)
        kept = batch.filter(pa.array(why == USABLE))
        frames.append(table.frame(kept))
        places.append(_block_place(kept, clusters_of(kept, keys), seed))
    return pd.concat(frames, ignore_index=True), np.concatenate(places)


def _block_place(batch: pa.RecordBatch, clusters: Clusters, seed: int) -> np.ndarray:
    codes = clusters.declared()
    key = codes[0] if codes else row_hashes(batch).view(np.int64)
    return np.asarray(code_hashes(key, seed) / 2.0**64)

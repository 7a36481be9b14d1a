"""Tables, figure and sentences of the schema, from counts alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.canvas import BLACK
from readiness.case import Case
from readiness.checks.coverage._dates_in_text import has_several_formats
from readiness.checks.coverage._lookalikes import lookalikes
from readiness.checks.coverage._unit_changes import unit_changes
from readiness.checks.coverage._violations import Profiles, Violation
from readiness.column_profiles import ColumnProfile
from readiness.columns import kind_of, role_columns
from readiness.figures import COLORS, label, new_figure
from readiness.schemas import replaced_cells
from readiness.scoring import ledger
from readiness.table_files import NO_TIME, OUTSIDE
from readiness.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ID_SHARE = 0.95  # of distinct values among the values of an id-like column
ID_ROWS = 100  # fewer rows tell nothing about ids
DRAWN, NAMED = 20, 10
DIGITS = 15  # that a floating number always keeps
WHOLE = 2.0**53  # whole numbers up to it are exact as floating numbers
SHAPES = (("o", "●"), ("s", "■"), ("X", "✖"))


def violation_table(violations: Sequence[Violation]) -> pd.DataFrame:
    """Return one row per violation: ``column, table, rule, detail, rows``."""
    columns = [one.name for one in fields(Violation)]
    return pd.DataFrame([asdict(one) for one in violations], columns=columns)


def integrity_table(
    case: Case, profiles: Profiles, violations: Sequence[Violation]
) -> pd.DataFrame:
    """Return one row per column and table, broken ones first.

    Columns: ``column, table, kind, type, rows, nulls, nans, infinite, distinct,
    distinct_is_exact, lowest, highest, constant, id_like, is_feature, broken``. The
    extremes of sensitive columns are left out.
    """
    broken: dict[tuple[str, str], list[str]] = {}
    for one in violations:
        broken.setdefault((one.column, one.table), []).append(one.rule)
    names = {one.column for one in violations}
    order = [*dict.fromkeys([*case.features, *next(iter(profiles.values()))])]
    order.sort(key=lambda name: name not in names)
    rows = []
    for name in order:
        for table, found in profiles.items():
            rules = ", ".join(broken.get((name, table), []))
            is_feature = name in case.columns
            rows.append(
                {"column": name, "table": table, "kind": found[name].kind}
                | {"type": _type(case, table, name)}
                | _counts(case, table, found[name])
                | {"is_feature": is_feature, "broken": rules}
            )
    return pd.DataFrame(rows)


def ledger_table(case: Case) -> pd.DataFrame:
    """Return rows ``read``, ``used`` and left out by reason, one row per table."""
    rows = [
        {"table": name, "read": one["read"], "used": one["used"], **one["left_out"]}
        for name, one in ledger(case).items()
    ]
    return pd.DataFrame(rows).fillna(0)


def draw_columns(integrity: pd.DataFrame, violations: pd.DataFrame) -> "Figure":
    """Return missing values by column and table, with the broken rules in words."""
    integrity = integrity[integrity["is_feature"]]
    tables = list(integrity["table"].unique())
    share = (integrity["nulls"] + integrity["nans"]) / integrity["rows"]
    share = share.where(integrity["type"] != "absent")
    wide = integrity.assign(share=share).pivot_table(
        index="column", columns="table", values="share", sort=False, dropna=False
    )
    broken = violations.groupby("column", sort=False)
    words = {name: _words(part) for name, part in broken}
    worst = wide.max(axis=1)
    order = sorted(wide.index, key=lambda name: (name not in words, -worst[name]))
    kept = order[:DRAWN]
    key = ", ".join(
        f"{sign} {name}" for (_, sign), name in zip(SHAPES, tables, strict=False)
    )
    rest = f"\n{len(order) - DRAWN:,} more are in the table" if order[DRAWN:] else ""
    figure, axes = new_figure(
        "Missing values, and schema violations in words",
        xlabel=f"share of rows without a value   ( {key} ){rest}",
        height_in=1.15 + 0.24 * max(len(kept), 2),
    )
    for n, table in enumerate(tables):
        places = np.arange(len(kept)) + 0.16 * (n - (len(tables) - 1) / 2)
        values = wide.loc[kept, table].to_numpy(dtype=float)
        axes.plot(values, places, SHAPES[n][0], color=COLORS[n], markersize=4.5)
    for place, name in enumerate(kept):
        text = axes.text(
            1.01, place, label(words.get(name, "ok"), 34), va="center", fontsize=8
        )
        text.set(transform=axes.get_yaxis_transform(), color=BLACK)
        text.set_fontweight("bold" if name in words else "normal")
    top = float(np.nanmax([wide.max(axis=None), 0.01]))
    axes.set_xlim(-0.04 * top, 1.06 * top)
    axes.set_ylim(max(len(kept), 2) - 0.4, -0.6)
    axes.set_yticks(range(len(kept)), [label(name, 32) for name in kept])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
    return figure


def sentences(
    case: Case, profiles: Profiles, violations: Sequence[Violation]
) -> tuple[str, ...]:
    """Return what a reader needs to know."""
    notes = [
        f"{visible(one.column, 40)} in {one.table}: {one.rule} ({one.detail})."
        for one in violations[:NAMED]
    ]
    if len(violations) > NAMED:
        notes.append(f"{len(violations) - NAMED:,} more violations are in the table.")
    base = case.training_or_reference().name
    changes = unit_changes(profiles, base, _counting(case, base))
    notes += [one.sentence() for one in changes[:NAMED]]
    notes += _alike(case)
    for table, found in profiles.items():
        notes += _flags(case, table, [found[name] for name in case.features])
    for one in ledger_table(case).to_dict("records"):
        out = {key: n for key, n in one.items() if key not in ("table", "read", "used")}
        cut = {key: out.pop(key) for key in (OUTSIDE, NO_TIME) if out.get(key)}
        without = _reasons(cut)
        whole = f" of {int(one['read']):,} in the files ({without})" if cut else ""
        reasons = _reasons(out)
        left = f"; left out where labels are needed: {reasons}" if reasons else ""
        n_rows = int(one["read"] - sum(cut.values()))
        notes.append(f"{one['table']}: {n_rows:,} rows{whole} read{left}.")
    if "training" not in profiles:
        notes.append("There is no training table; reference rows stand in for it.")
    return tuple(notes)


def _reasons(rows: Mapping[Any, int]) -> str:
    return ", ".join(
        f"{int(n):,} {str(key).replace('_', ' ')}" for key, n in rows.items() if n
    )


def _columns(n: int, what: str) -> str:
    """Return how many columns are something; of one, in the singular."""
    if n > 1:
        return f"{n:,} columns {what}"
    singular = {"are": "is", "hold": "holds"}
    return " ".join(["1 column", *(singular.get(one, one) for one in what.split(" "))])


def _flags(case: Case, table: str, found: Sequence[ColumnProfile]) -> list[str]:
    """Return what is no violation but worth knowing of one table."""
    extra = set(case.table(table).schema.names) - set(case.features)
    extra -= role_columns(case.file)
    named = {
        "are constant": [one.name for one in found if one.is_constant],
        "are like an id": [one.name for one in found if _is_id_like(one)],
        "hold dates written in several formats, and are taken for text": [
            one.name for one in found if has_several_formats(one.categories)
        ],
        f"hold numbers of more than {DIGITS} digits, and are rounded": [
            one.name for one in found if _is_rounded(case, table, one)
        ],
        "are beyond the model's features, and not used": sorted(extra),
    }
    said = [
        f"{table}: {_columns(len(names), what)}: {_listed(names)}."
        for what, names in named.items()
        if names
    ]
    replaced = replaced_cells(case.table(table).schema)
    return [
        *said,
        *(
            f"{table}: {n:,} cells of {visible(name, 40)} held half a character, now "
            "shown as \N{REPLACEMENT CHARACTER}."
            for name, n in replaced.items()
        ),
    ]


def _counting(case: Case, base: str) -> list[str]:
    """Return the target where it is stored in whole numbers: it counts things."""
    target, schema = case.target, case.table(base).schema
    if target not in schema.names:
        return []
    return [target] if pa.types.is_integer(schema.field(target).type) else []


def _alike(case: Case) -> list[str]:
    """Return a warning per group of names that look the same."""
    names = dict.fromkeys(case.features)
    for table in case.tables.values():
        names |= dict.fromkeys(table.schema.names)
    return [
        f"Different columns have names that look alike: "
        f"{', '.join(visible(ascii(name), 60) for name in some)}."
        for some in lookalikes(names)
    ]


def _is_rounded(case: Case, table: str, found: ColumnProfile) -> bool:
    schema = case.table(table).schema
    if found.name not in schema.names:
        return False
    kind = schema.field(found.name).type
    if pa.types.is_decimal(kind):
        return bool(kind.precision > DIGITS)
    extreme = max(abs(found.minimum), abs(found.maximum))
    return bool(pa.types.is_integer(kind) and extreme > WHOLE)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(visible(name, 40) for name in names[:NAMED]) + more


def _counts(case: Case, table: str, found: ColumnProfile) -> dict[str, Any]:
    column = case.columns.get(found.name)
    hidden = column is not None and column.sensitive
    schema = case.table(table).schema
    kind = kind_of(schema.field(found.name).type) if found.name in schema.names else ""
    return {
        "rows": found.n_rows,
        "nulls": found.n_null,
        "nans": found.n_nan,
        "infinite": found.n_inf,
        "distinct": found.n_distinct,
        "distinct_is_exact": found.distinct_is_exact,
        "lowest": "hidden" if hidden else _extreme(kind, found.minimum),
        "highest": "hidden" if hidden else _extreme(kind, found.maximum),
        "constant": found.is_constant,
        "id_like": _is_id_like(found),
    }


def _extreme(kind: str | None, value: float) -> str:
    if not np.isfinite(value):
        return ""
    if kind == "time":
        return str(np.datetime64(int(value), "us").astype("datetime64[s]"))
    return f"{value:,.6g}"


def _is_id_like(found: ColumnProfile) -> bool:
    """Return whether nearly every row has a value of its own; times and reals may."""
    is_name = bool(found.categories)
    enough = found.n_present >= ID_ROWS
    return is_name and enough and found.n_distinct >= ID_SHARE * found.n_present


def _type(case: Case, table: str, name: str) -> str:
    schema = case.table(table).schema
    return str(schema.field(name).type) if name in schema.names else "absent"


def _words(part: pd.DataFrame) -> str:
    first = part.iloc[0]
    more = f" and {len(part) - 1} more" if len(part) > 1 else ""
    return f"{first['table']}: {first['rule']}{more}"

"""Trees inside the native models of LightGBM and XGBoost, as arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.boosters import Booster
from readiness.decision_trees import Tree, sum_of_trees
from readiness.stats import Floats, Ints

ZERO = 1e-35  # LightGBM: values this near to zero are zero
BEYOND = 1e300  # LightGBM writes an infinite threshold so
LOG_LINKS = ("count:poisson", "reg:gamma", "reg:tweedie")
TOLERANCE = 1e-6  # relative to the largest margin, or absolute where that is below 1
SINGLE = 2.0**-24  # XGBoost adds its trees in single precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoosterTrees:
    """The trees of a boosted model, and how they read its columns.

    Parameters
    ----------
    booster : Booster
    trees : tuple of tuple of Tree
        One tuple per output: 1, or k classes.
    constant : ndarray of shape (k,)
        Added to the sum of the trees of each output.
    single : bool
        Whether columns are rounded to single precision before they are compared.
    as_codes : frozenset of int
        Columns whose numbers are codes of categories.
    zero_is_missing : frozenset of int
        Columns whose zeros count as missing.
    """

    booster: Booster
    trees: tuple[tuple[Tree, ...], ...]
    constant: Floats
    single: bool = False
    as_codes: frozenset[int] = frozenset()
    zero_is_missing: frozenset[int] = frozenset()

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Return n rows as the trees compare them, (n, p); NaN is a missing value."""
        coded = self.booster.coded(frame)
        columns = [
            self._column(coded[name], place)
            for place, name in enumerate(self.booster.feature_names_in_)
        ]
        return np.column_stack(columns)

    def _column(self, values: "pd.Series[Any]", place: int) -> Floats:
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes = values.cat.codes.to_numpy(dtype=np.float64)
            return np.where(codes < 0, np.nan, codes)
        read: Floats = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if self.single:
            with np.errstate(over="ignore"):  # infinite, as the library reads it
                return read.astype(np.float32).astype(np.float64)
        if place in self.as_codes:
            whole = np.trunc(read)
            return np.where(whole < 0, np.nan, whole)
        if place in self.zero_is_missing:
            return np.where(np.abs(read) <= ZERO, np.nan, read)
        return read

    def margins(self, matrix: Floats) -> Floats:
        """Return the raw margin of rows as `matrix` gives them, (n, k)."""
        sums = [sum_of_trees(trees, matrix) for trees in self.trees]
        return np.column_stack(sums) + self.constant

    def misread(self, matrix: Floats, margin: Floats) -> Ints:
        """Return the rows on which the trees do not give the library's own margin.

        Parameters
        ----------
        matrix : ndarray of shape (n, p)
        margin : ndarray of shape (n,) or (n, k)
            What the library says.

        Notes
        -----
        A difference of 1e-6 of the largest margin is allowed, and for XGBoost what
        adding its trees in single precision can cost.
        """
        n_trees = max(len(trees) for trees in self.trees)
        relative = max(TOLERANCE, SINGLE * n_trees if self.single else 0.0)
        said = margin.reshape(len(matrix), -1)
        size = max(1.0, float(np.max(np.abs(said), initial=0.0)))
        gap = np.max(np.abs(self.margins(matrix) - said), axis=1)
        return np.flatnonzero(~(gap <= relative * size))


def booster_trees(booster: Booster) -> BoosterTrees | None:
    """Return the trees of a boosted model; None where `read_trees` says why not."""
    found = read_trees(booster)
    return None if isinstance(found, str) else found


def read_trees(booster: Booster) -> BoosterTrees | str:
    """Return the trees of a boosted model, or why there are none.

    Returns
    -------
    BoosterTrees or str
        Words where the output is no sum of trees with one value per leaf: linear
        models, linear leaves, leaves with several values, averaged or dropped trees.
    """
    is_lightgbm = type(booster.found).__module__.startswith("lightgbm")
    return _of_lightgbm(booster) if is_lightgbm else _of_xgboost(booster)


def _of_lightgbm(booster: Booster) -> BoosterTrees | str:
    model = booster.found.dump_model()
    dumped = [_nodes_of(one["tree_structure"]) for one in model["tree_info"]]
    every = [node for nodes in dumped for node in nodes]
    splits = [node for node in every if "left_child" in node]
    by_code = {n["split_feature"] for n in splits if n["decision_type"] == "=="}
    by_size = [node for node in splits if node["decision_type"] == "<="]
    zero = {n["split_feature"] for n in by_size if n["missing_type"] == "Zero"}
    mixed = {n["split_feature"] for n in by_size if n["missing_type"] != "Zero"}
    is_plain = len(by_size) + sum(n["decision_type"] == "==" for n in splits) == len(
        splits
    )
    is_linear = any("leaf_coeff" in node for node in every)
    several_ways = zero & mixed or by_code & (zero | mixed)
    reasons = {
        "its trees are averaged, not added": model["average_output"],
        "its leaves are linear models": is_linear,
        "one column is split in several ways": several_ways,
        "it has splits of an unknown kind": not is_plain,
    }
    for reason, holds in reasons.items():
        if holds:
            return reason
    n_outputs = model["num_tree_per_iteration"]
    trees = [_lightgbm_tree(nodes) for nodes in dumped]
    return BoosterTrees(
        booster=booster,
        trees=tuple(tuple(trees[k::n_outputs]) for k in range(n_outputs)),
        constant=np.zeros(n_outputs),
        as_codes=frozenset(by_code),
        zero_is_missing=frozenset(zero),
    )


def _nodes_of(root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the nodes in the order in which their children are numbered."""
    nodes = [root]
    for node in nodes:  # grows while it is read
        if "left_child" in node:
            nodes += [node["left_child"], node["right_child"]]
    return nodes


def _lightgbm_tree(nodes: list[Mapping[str, Any]]) -> Tree:
    inner = np.array(["left_child" in node for node in nodes])
    left = np.where(inner, 2 * np.cumsum(inner) - 1, -1)
    codes = {
        place: np.array(node["threshold"].split("||"), dtype=np.int64)
        for place, node in enumerate(nodes)
        if node.get("decision_type") == "=="
    }
    none = np.empty(0, dtype=np.int64)
    return Tree(
        left=left,
        right=np.where(inner, left + 1, -1),
        feature=np.array([node.get("split_feature", 0) for node in nodes]),
        threshold=np.array([_threshold(node) for node in nodes]),
        missing_left=np.array([_missing_left(node) for node in nodes]),
        value=np.array([float(node.get("leaf_value", 0.0)) for node in nodes]),
        cover=np.array([_count(node) for node in nodes]),
        left_codes=codes,
        known_codes=dict.fromkeys(codes, none),  # all others go right, like missing
    )


def _count(node: Mapping[str, Any]) -> float:
    return float(node.get("leaf_count", node.get("internal_count", 0)))


def _threshold(node: Mapping[str, Any]) -> float:
    if node.get("decision_type") != "<=":
        return 0.0
    at = float(node["threshold"])
    return float(np.copysign(np.inf, at)) if abs(at) >= BEYOND else at


def _missing_left(node: Mapping[str, Any]) -> bool:
    if node.get("decision_type") != "<=":
        return False
    if node["missing_type"] == "None":  # a missing value is read as zero
        return bool(_threshold(node) >= 0)
    return bool(node["default_left"])


def _of_xgboost(booster: Booster) -> BoosterTrees | str:
    learner = json.loads(bytes(booster.found.save_raw("json")))["learner"]
    part = learner["gradient_booster"]
    # From XGBoost 3.3 on, dart is called gbtree, and its trees still have weights.
    name = "dart" if "weight_drop" in part.get("model", ()) else part["name"]
    if name != "gbtree":
        return f"its booster {name} is no plain sum of trees"
    dumped, output = part["model"]["trees"], part["model"]["tree_info"]
    if any(int(one["tree_param"]["size_leaf_vector"]) > 1 for one in dumped):
        return "its leaves hold several values"
    best = booster.found.attr("best_iteration")
    if best is not None:  # early stopping: later rounds are not used
        dumped = dumped[: part["model"]["iteration_indptr"][int(best) + 1]]
    n_known = [
        len(booster.categories.get(name, ())) for name in booster.feature_names_in_
    ]
    trees = [_xgboost_tree(one, n_known) for one in dumped]
    k = max(int(learner["learner_model_param"]["num_class"]), 1)
    pairs = list(zip(trees, output, strict=False))
    return BoosterTrees(
        booster=booster,
        trees=tuple(
            tuple(tree for tree, own in pairs if own == place) for place in range(k)
        ),
        constant=_constant(learner, k),
        single=True,
    )


def _xgboost_tree(dumped: Mapping[str, Any], n_known: list[int]) -> Tree:
    left = np.array(dumped["left_children"], dtype=np.int64)
    feature = np.array(dumped["split_indices"], dtype=np.int64)
    at = np.array(dumped["split_conditions"], dtype=np.float32)
    # "below" in single precision is "at most" the next smaller number.
    below = np.nextafter(at, np.float32(-np.inf)).astype(np.float64)
    known = {
        node: np.arange(n_known[feature[node]]) for node in dumped["categories_nodes"]
    }
    starts, sizes = dumped["categories_segments"], dumped["categories_sizes"]
    right = {
        node: dumped["categories"][start : start + size]
        for node, start, size in zip(
            dumped["categories_nodes"], starts, sizes, strict=True
        )
    }
    return Tree(
        left=left,
        right=np.array(dumped["right_children"], dtype=np.int64),
        feature=np.where(left < 0, 0, feature),
        threshold=below,
        missing_left=np.array(dumped["default_left"]).astype(bool),
        value=np.where(left < 0, at.astype(np.float64), 0.0),
        cover=np.array(dumped["sum_hessian"], dtype=np.float64),
        left_codes={node: np.setdiff1d(known[node], right[node]) for node in known},
        known_codes=known,
    )


def _constant(learner: Mapping[str, Any], n_outputs: int) -> Floats:
    """Return the start of the margin; the file holds it in the unit of the output."""
    stored = json.loads(learner["learner_model_param"]["base_score"])
    start = np.broadcast_to(np.asarray(stored, dtype=np.float64).ravel(), n_outputs)
    objective = learner["objective"]["name"]
    if objective in {"binary:logistic", "reg:logistic"}:
        start = np.log(start) - np.log1p(-start)
    elif objective in LOG_LINKS:
        start = np.log(start)
    return start


def numeric_splits(found: BoosterTrees) -> dict[str, Floats]:
    """Return the values at which any tree splits a column, rising; at most goes left.

    Without columns that are split by category, or whose zeros count as missing.
    """
    pairs = [(np.empty(0, dtype=np.int64), np.empty(0))]
    for tree in (tree for trees in found.trees for tree in trees):
        inner = tree.left >= 0
        inner[list(tree.left_codes)] = False
        pairs.append((tree.feature[inner], tree.threshold[inner]))
    column = np.concatenate([one for one, _ in pairs])
    at = np.concatenate([one for _, one in pairs])
    other = found.as_codes | found.zero_is_missing
    return {
        name: np.unique(at[column == place])
        for place, name in enumerate(found.booster.feature_names_in_)
        if place not in other and name not in found.booster.categories
    }

"""The check that a tree ensemble adds integers, whatever it is given."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from folder import Folder, exposing, hostile_rows, require, unit_of

FLOAT32_EXACT = 2**24  # every integer up to here is a float32
OPERATORS = ["TreeEnsembleClassifier", "Sigmoid"]


@dataclass(frozen=True)
class Node:
    """`threshold` is None in a leaf, whose `units` are its vote."""

    feature: int
    threshold: np.float32 | None
    yes: int
    no: int
    units: int


def check(folder: Folder) -> str:
    """No float32 sum of one leaf of each tree can round, so no order of summation can change a score; and scores and labels
    are those of walking down the trees and adding integers, at and next to every threshold too."""
    graph = folder.graph()
    require(folder.operators() == OPERATORS, f"the graph is {folder.operators()}")
    require(graph.node[1].input[0] == graph.node[0].output[1], "the probabilities are not of the scores")
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in graph.node[0].attribute}
    unit = unit_of(np.array(attributes["class_weights"]))
    trees = _trees(attributes, float(unit))
    largest_sum = sum(max(abs(node.units) for node in tree.values()) for tree in trees)
    require(largest_sum <= FLOAT32_EXACT, f"a sum can reach {largest_sum} units: float32 may round it")

    rows = np.concatenate([folder.rows, hostile_rows(folder), _rows_at_thresholds(trees, folder.rows)])
    exposed = exposing(folder.weights, [graph.node[0].output[1]])
    labels, scores = folder.run(rows, ["label", graph.node[0].output[1]], exposed)
    expected = np.array([sum(_vote(tree, row) for tree in trees) for row in rows])
    require((scores == np.stack([-expected, expected], axis=1) * float(unit)).all(), "a score is not exact")
    require((labels == (expected > 0)).all(), "a label is not that of its score")
    return f"{len(rows)} rows equal in integers; the largest sum is below 2^{largest_sum.bit_length()}"


def _trees(attributes: dict, unit: float) -> list[dict[int, Node]]:
    """Each tree's nodes by id."""
    of = {name: list(value) for name, value in attributes.items() if isinstance(value, (list, tuple))}
    require(attributes["post_transform"] == b"NONE" and of["classlabels_int64s"] == [0, 1], "other classes or scores")
    require(set(of["class_ids"]) == {0} and min(of["class_weights"]) < 0, "votes of which onnxruntime makes other scores")
    require(not {"base_values", "base_values_as_tensor"} & set(attributes), "a base value")
    votes = {place: round(weight / unit) for *place, weight in zip(of["class_treeids"], of["class_nodeids"], of["class_weights"]) for place in [tuple(place)]}  # fmt: skip
    trees: dict[int, dict[int, Node]] = {}
    for tree, node, feature, mode, value, yes, no in zip(
        *(of[f"nodes_{name}"] for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"))
    ):
        require(mode in (b"BRANCH_LEQ", b"LEAF"), f"a node of mode {mode.decode()}")
        leaf = mode == b"LEAF"
        units = votes.pop((tree, node), None)
        require((units is not None) == leaf, "a leaf without a vote, or a vote without a leaf")
        trees.setdefault(tree, {})[node] = Node(feature, None if leaf else np.float32(value), yes, no, units or 0)
    require(not votes, "a vote without a leaf")
    return list(trees.values())


def _vote(tree: dict[int, Node], row: np.ndarray) -> int:
    node = tree[0]
    while node.threshold is not None:
        node = tree[node.yes if row[node.feature] <= node.threshold else node.no]
    return node.units


def _rows_at_thresholds(trees: list[dict[int, Node]], rows: np.ndarray) -> np.ndarray:
    """For each question two real rows that differ in one thing: the value is the threshold, or the float32 after it."""
    questions = sorted({(n.feature, n.threshold) for tree in trees for n in tree.values() if n.threshold is not None})
    made = []
    for i, (feature, threshold) in enumerate(questions):
        for value in (threshold, np.nextafter(threshold, np.float32(np.inf))):
            row = rows[i % len(rows)].copy()
            row[feature] = value
            made.append(row)
    return np.array(made, np.float32)

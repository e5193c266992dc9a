"""Gradient-boosted trees for two classes, by Newton's method (Friedman 2001, doi:10.1214/aos/1013203451; Chen and Guestrin
2016, arXiv:1603.02754).

Like the networks, training is exact (`arithmetic.py`): gradients and curvatures are integers, so the sums that decide every
split do not depend on an order of rows, and equal gains are settled by the lower feature, then the lower threshold. Leaves are
integers too, so no sum of them rounds in float32.
"""

from dataclasses import dataclass

import numpy as np

from arithmetic import sigmoid

GRADIENT_BITS = 20  # gradients and curvatures are rounded to multiples of 2^-20
LEAF_BITS = 10  # one unit of a leaf is 2^-10


@dataclass(frozen=True)
class Recipe:
    trees: int
    depth: int
    rate: float  # how much of each Newton step is taken
    penalty: float  # L2 penalty of a leaf, in units of curvature; above zero
    bins: int  # a feature is cut at its quantiles into at most this many ranges
    rows_least: int  # no leaf has fewer training rows


@dataclass(frozen=True)
class Leaf:
    units: int  # what it adds to the score, in units of 2^-LEAF_BITS


@dataclass(frozen=True)
class Branch:
    """Asks whether row[feature] <= threshold, both float32."""

    feature: int
    threshold: np.float32
    yes: "Branch | Leaf"
    no: "Branch | Leaf"


@dataclass(frozen=True)
class Ensemble:
    """Class 1 if the sum of the reached leaves is above zero, else class 0."""

    trees: tuple[Branch | Leaf, ...]

    def labels(self, rows: np.ndarray) -> np.ndarray:
        return (self.scores(rows) > 0).astype(np.int64)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """In units of 2^-LEAF_BITS."""
        return sum(_reached(tree, rows.astype(np.float32)) for tree in self.trees)


def train(rows: np.ndarray, labels: np.ndarray, classes: int, recipe: Recipe) -> Ensemble:
    """Minimises the cross-entropy of `rows` [n, features], one tree after another."""
    assert classes == 2, "one score tells two classes apart"
    rows = rows.astype(np.float32)
    cuts = [_cuts(column, recipe.bins) for column in rows.T]
    ranks = np.stack([np.searchsorted(cut, column, side="left") for cut, column in zip(cuts, rows.T)], axis=1)
    trees, score = [], np.zeros(len(rows))
    for _ in range(recipe.trees):
        probability = sigmoid(score * 2.0**-LEAF_BITS)
        gradient = np.rint((probability - labels) * 2**GRADIENT_BITS)
        curvature = np.maximum(np.rint(probability * (1 - probability) * 2**GRADIENT_BITS), 1)
        tree = _grown(_Sample(ranks, gradient, curvature), cuts, recipe, recipe.depth)
        trees.append(tree)
        score = score + _reached(tree, rows)
    return Ensemble(tuple(trees))


@dataclass(frozen=True)
class _Sample:
    """The training rows that reach a node: how many cuts of each feature lie below the value, and the loss's two derivatives."""

    ranks: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray

    def where(self, chosen: np.ndarray) -> "_Sample":
        return _Sample(self.ranks[chosen], self.gradient[chosen], self.curvature[chosen])


def _grown(sample: _Sample, cuts: list[np.ndarray], recipe: Recipe, depth: int) -> Branch | Leaf:
    penalty = recipe.penalty * 2**GRADIENT_BITS
    step = -sample.gradient.sum() / (sample.curvature.sum() + penalty)
    leaf = Leaf(int(np.rint(recipe.rate * step * 2**LEAF_BITS)))
    if depth == 0:
        return leaf
    gains = _gains(sample, recipe, penalty)
    feature, rank = divmod(int(gains.argmax()), gains.shape[1])
    if gains[feature, rank] <= 0:
        return leaf
    below = sample.ranks[:, feature] <= rank
    return Branch(
        feature,
        cuts[feature][rank],
        yes=_grown(sample.where(below), cuts, recipe, depth - 1),
        no=_grown(sample.where(~below), cuts, recipe, depth - 1),
    )


def _gains(sample: _Sample, recipe: Recipe, penalty: float) -> np.ndarray:
    """For each feature and cut, how much the loss falls (twice, to second order); 0 where a side would have too few rows."""
    features, total = sample.ranks.shape[1], len(sample.ranks)
    places = (sample.ranks + np.arange(features) * recipe.bins).ravel()

    def below(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(places, np.repeat(values, features), features * recipe.bins)
        return sums.reshape(features, recipe.bins).cumsum(axis=1)[:, :-1]

    def worth(gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        return gradient * gradient / (curvature + penalty)

    gradient, curvature, rows = below(sample.gradient), below(sample.curvature), below(np.ones(total))
    whole_gradient, whole_curvature = sample.gradient.sum(), sample.curvature.sum()
    gains = worth(gradient, curvature) + worth(whole_gradient - gradient, whole_curvature - curvature)
    allowed = (rows >= recipe.rows_least) & (total - rows >= recipe.rows_least)
    return np.where(allowed, gains - worth(whole_gradient, whole_curvature), 0.0)


def _cuts(column: np.ndarray, bins: int) -> np.ndarray:
    """Ascending float32 thresholds at the quantiles, each halfway between two values that occur."""
    ordered, cuts = np.sort(column), []
    for k in range(1, bins):
        low, high = ordered[k * len(ordered) // bins - 1], ordered[k * len(ordered) // bins]
        if low < high:
            middle = np.float32((float(low) + float(high)) / 2)
            cuts.append(middle if middle < high else low)
    return np.unique(np.array(cuts, np.float32))


def _reached(tree: Branch | Leaf, rows: np.ndarray) -> np.ndarray:
    if isinstance(tree, Leaf):
        return np.full(len(rows), float(tree.units))
    yes = rows[:, tree.feature] <= tree.threshold
    return np.where(yes, _reached(tree.yes, rows), _reached(tree.no, rows))

"""A two-layer classifier whose every number is a small integer times a power of two.

Training is quantisation-aware (weights are rounded in the forward pass, gradients go straight through to the
unrounded ones; Bengio, Leonard, Courville 2013, arXiv:1308.3432) and exact, see `arithmetic.py`.
"""

from dataclasses import dataclass

import numpy as np

from arithmetic import exact_product, softmax, uniform_weights
from descent import Schedule, Weights, minimise

INPUT_BITS = 4  # one unit of the first layer's input is 2^-4
WEIGHT_LIMIT = 127  # weights are 8-bit signed integers, symmetric
GRADIENT_BITS = 20  # the loss gradient is rounded to multiples of 2^-20


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; everything that a result depends on besides the rows."""

    hidden: int
    hidden_bits: int  # one unit of a first-layer weight is 2^-hidden_bits
    output_bits: int  # one unit of a second-layer weight is 2^-output_bits
    schedule: Schedule
    seed: int


@dataclass(frozen=True)
class Network:
    """Integers only (held in float64): logits = relu(x @ w1 + b1) @ w2 + b2, in units of 2^-logit_bits."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    hidden_bits: int
    output_bits: int

    @property
    def logit_bits(self) -> int:
        return INPUT_BITS + self.hidden_bits + self.output_bits


def train(rows: np.ndarray, labels: np.ndarray, classes: int, recipe: Recipe) -> Network:
    """Minimises the cross-entropy of integer `rows` [n, features]."""
    targets = np.eye(classes)[labels]

    def gradients(weights: Weights, batch: slice) -> Weights:
        return _gradients(_rounded(weights, recipe), rows[batch], targets[batch])

    return _rounded(minimise(_initial(rows.shape[1], classes, recipe), gradients, recipe.schedule), recipe)


def logits(network: Network, rows: np.ndarray) -> np.ndarray:
    """Exact logits [n, classes] as integers, in units of 2^-network.logit_bits."""
    hidden = np.maximum(exact_product(rows, network.w1) + network.b1, 0)
    return exact_product(hidden, network.w2) + network.b2


def _gradients(network: Network, rows: np.ndarray, targets: np.ndarray) -> Weights:
    accumulated = exact_product(rows, network.w1) + network.b1
    hidden = np.maximum(accumulated, 0)
    scores = (exact_product(hidden, network.w2) + network.b2) * 2.0**-network.logit_bits
    slope = np.rint((softmax(scores) - targets) * 2**GRADIENT_BITS)
    hidden_slope = exact_product(slope, network.w2.T) * (accumulated > 0)
    return [
        exact_product(rows.T, hidden_slope),
        hidden_slope.sum(axis=0),
        exact_product(hidden.T, slope),
        slope.sum(axis=0),
    ]


def _initial(features: int, classes: int, recipe: Recipe) -> Weights:
    generator = np.random.Generator(np.random.PCG64(recipe.seed))
    return [
        uniform_weights(generator, features, (features, recipe.hidden)),
        np.zeros(recipe.hidden),
        uniform_weights(generator, recipe.hidden, (recipe.hidden, classes)),
        np.zeros(classes),
    ]


def _rounded(weights: Weights, recipe: Recipe) -> Network:
    w1, b1, w2, b2 = weights
    hidden_bits, output_bits = recipe.hidden_bits, recipe.output_bits
    return Network(
        w1=np.clip(np.rint(w1 * 2**hidden_bits), -WEIGHT_LIMIT, WEIGHT_LIMIT),
        b1=np.rint(b1 * 2 ** (INPUT_BITS + hidden_bits)),
        w2=np.clip(np.rint(w2 * 2**output_bits), -WEIGHT_LIMIT, WEIGHT_LIMIT),
        b2=np.rint(b2 * 2 ** (INPUT_BITS + hidden_bits + output_bits)),
        hidden_bits=hidden_bits,
        output_bits=output_bits,
    )

"""A two-layer classifier whose every number is a small integer times a power of two.

Training is quantisation-aware (weights are rounded in the forward pass, gradients go straight through to the
unrounded ones; Bengio, Leonard, Courville 2013, arXiv:1308.3432), and every sum in it is exact: operands are
integers small enough that a float64 accumulator never rounds. An exact sum does not depend on the order of its
terms, so BLAS, SIMD width and thread count cannot change a bit of the result. Everything that is not a sum is
+ - * / sqrt or rint on float64, which IEEE 754 defines to the last bit; `exp` is not, so it is written out below.
"""

from dataclasses import dataclass

import numpy as np

INPUT_BITS = 4  # one unit of the first layer's input is 2^-4
WEIGHT_LIMIT = 127  # weights are 8-bit signed integers, symmetric
GRADIENT_BITS = 20  # the loss gradient is rounded to multiples of 2^-20
FLOAT64_EXACT = 2**53


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; everything that a result depends on besides the rows."""

    hidden: int
    hidden_bits: int  # one unit of a first-layer weight is 2^-hidden_bits
    output_bits: int  # one unit of a second-layer weight is 2^-output_bits
    steps: int
    learning_rate: float
    decay: float  # decoupled weight decay per step, times the learning rate (arXiv:1711.05101)
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
    """Full-batch Adam with a linearly falling rate on the cross-entropy of integer `rows` [n, features]."""
    weights = _initial(rows.shape[1], classes, recipe)
    targets = np.eye(classes)[labels]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    beta1, beta2, bias1, bias2 = 0.9, 0.999, 1.0, 1.0
    for step in range(recipe.steps):
        gradients = _gradients(_rounded(weights, recipe), rows, targets)
        rate = recipe.learning_rate * (1 - step / recipe.steps)
        bias1, bias2 = bias1 * beta1, bias2 * beta2
        for i, gradient in enumerate(gradients):
            mean, square = moments[i]
            mean = beta1 * mean + (1 - beta1) * gradient
            square = beta2 * square + (1 - beta2) * (gradient * gradient)
            moments[i] = (mean, square)
            update = (mean / (1 - bias1)) / (np.sqrt(square / (1 - bias2)) + 1e-12)
            is_matrix = i in (0, 2)
            weights[i] = weights[i] - rate * (update + (recipe.decay * weights[i] if is_matrix else 0.0))
    return _rounded(weights, recipe)


def logits(network: Network, rows: np.ndarray) -> np.ndarray:
    """Exact logits [n, classes] as integers, in units of 2^-network.logit_bits."""
    hidden = np.maximum(exact_product(rows, network.w1) + network.b1, 0)
    return exact_product(hidden, network.w2) + network.b2


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for integer-valued float64 matrices; asserts that no order of summation could round."""
    bound = a.shape[1] * np.abs(a).max() * np.abs(b).max()
    assert bound <= FLOAT64_EXACT, f"a sum of up to {bound:.3g} may round in float64"
    return a @ b


def exp(z: np.ndarray) -> np.ndarray:
    """e^z for z <= 0 from + and * alone (numpy's own differs between SIMD widths in the last bit)."""
    z = np.maximum(z, -40.0)
    halvings = 7  # |z| / 2^7 < 0.32: the series below is good to 1e-13 before squaring back
    reduced, total = z / 2**halvings, np.zeros_like(z)
    for k in range(11, 0, -1):
        total = reduced / k * (1 + total)
    power = 1 + total
    for _ in range(halvings):
        power = power * power
    return power


def _gradients(network: Network, rows: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    accumulated = exact_product(rows, network.w1) + network.b1
    hidden = np.maximum(accumulated, 0)
    scores = (exact_product(hidden, network.w2) + network.b2) * 2.0**-network.logit_bits
    slope = np.rint((_softmax(scores) - targets) * 2**GRADIENT_BITS)
    hidden_slope = exact_product(slope, network.w2.T) * (accumulated > 0)
    return [
        exact_product(rows.T, hidden_slope),
        hidden_slope.sum(axis=0),
        exact_product(hidden.T, slope),
        slope.sum(axis=0),
    ]


def _softmax(scores: np.ndarray) -> np.ndarray:
    grid = 2.0**30  # exponentials are rounded so that their sum is exact in any order
    powers = np.rint(exp(scores - scores.max(axis=1, keepdims=True)) * grid)
    return powers / powers.sum(axis=1, keepdims=True)


def _initial(features: int, classes: int, recipe: Recipe) -> list[np.ndarray]:
    # Integers from PCG64, not normals: the ziggurat behind standard_normal calls the platform's log and exp.
    generator = np.random.Generator(np.random.PCG64(recipe.seed))

    def uniform(fan_in: int, shape: tuple[int, ...]) -> np.ndarray:
        limit = np.sqrt(6.0 / fan_in)  # He et al. 2015, arXiv:1502.01852
        return generator.integers(-(2**20), 2**20, size=shape, endpoint=True) * 2.0**-20 * limit

    return [
        uniform(features, (features, recipe.hidden)),
        np.zeros(recipe.hidden),
        uniform(recipe.hidden, (recipe.hidden, classes)),
        np.zeros(classes),
    ]


def _rounded(weights: list[np.ndarray], recipe: Recipe) -> Network:
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

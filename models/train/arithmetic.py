"""Arithmetic that gives the same bits on every machine.

Every sum in training is of integers small enough that a float64 accumulator never rounds. An exact sum does not depend on
the order of its terms, so BLAS, SIMD width and thread count cannot change a bit of the result. Everything that is not a sum is
+ - * / sqrt or rint on float64, which IEEE 754 defines to the last bit; `exp` is not, so it is written out below.
"""

import numpy as np

FLOAT64_EXACT = 2**53


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for integer-valued float64 matrices; asserts that no order of summation could round."""
    bound = a.shape[1] * _largest(a) * _largest(b)
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


def softmax(scores: np.ndarray) -> np.ndarray:
    grid = 2.0**30  # exponentials are rounded so that their sum is exact in any order
    powers = np.rint(exp(scores - scores.max(axis=1, keepdims=True)) * grid)
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(scores: np.ndarray) -> np.ndarray:
    power = exp(-np.abs(scores))
    return np.where(scores >= 0, 1 / (1 + power), power / (1 + power))


def uniform_weights(generator: np.random.Generator, fan_in: int, shape: tuple[int, ...]) -> np.ndarray:
    """He et al. 2015, arXiv:1502.01852. Integers from the generator, not normals: the ziggurat behind standard_normal
    calls the platform's log and exp."""
    limit = np.sqrt(6.0 / fan_in)
    return generator.integers(-(2**20), 2**20, size=shape, endpoint=True) * 2.0**-20 * limit


def _largest(matrix: np.ndarray) -> float:
    return max(-matrix.min(), matrix.max())

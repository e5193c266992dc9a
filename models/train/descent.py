"""Adam (arXiv:1412.6980) with decoupled weight decay (arXiv:1711.05101), in operations that IEEE 754 defines to the last bit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Weights = list[np.ndarray]


@dataclass(frozen=True)
class Schedule:
    steps: int
    learning_rate: float  # falls linearly to zero
    decay: float  # weight decay of matrices per step, times the learning rate
    batches: int = 1  # rows are dealt into this many batches like cards; each step sees the next one


def minimise(weights: Weights, gradients: Callable[[Weights, slice], Weights], schedule: Schedule) -> Weights:
    """The weights after all steps; `gradients` gets the weights and which rows the step sees."""
    weights = list(weights)
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    beta1, beta2, bias1, bias2 = 0.9, 0.999, 1.0, 1.0
    for step in range(schedule.steps):
        rate = schedule.learning_rate * (1 - step / schedule.steps)
        bias1, bias2 = bias1 * beta1, bias2 * beta2
        for i, gradient in enumerate(gradients(weights, slice(step % schedule.batches, None, schedule.batches))):
            mean, square = moments[i]
            mean = beta1 * mean + (1 - beta1) * gradient
            square = beta2 * square + (1 - beta2) * (gradient * gradient)
            moments[i] = (mean, square)
            update = (mean / (1 - bias1)) / (np.sqrt(square / (1 - bias2)) + 1e-12)
            is_matrix = weights[i].ndim == 2
            weights[i] = weights[i] - rate * (update + (schedule.decay * weights[i] if is_matrix else 0.0))
    return weights

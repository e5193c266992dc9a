"""LeNet-5 for 28x28 pictures (LeCun, Bottou, Bengio, Haffner 1998, doi:10.1109/5.726791) as it is built today: ReLU and
max pooling. Convolutions of 5x5 to 6 and to 16 channels, each pooled by 2x2, then 120, 84 and 10 neurons.

Weights are rounded to 8 bits in the forward pass, gradients go straight through. Training runs in fixed point, so every sum in it is exact
(`arithmetic.py`): activations are multiples of 2^-ACTIVATION_BITS. That grid is finer than anything the float32 network
notices; it is there for reproducible bytes and not part of the model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from arithmetic import exact_product, softmax, uniform_weights
from descent import Schedule, Weights, minimise

INPUT_BITS = 4  # one unit of a pixel is 2^-4, so that ink is about 1
ACTIVATION_BITS = 8
WEIGHT_LIMIT = 127  # weights are 8-bit signed integers, symmetric
GRADIENT_BITS = 20  # gradients of activations are rounded to multiples of 2^-20
SIDE, KERNEL, PADDING, POOL = 28, 5, 2, 2
CHANNELS = (1, 6, 16)
DENSE = (400, 120, 84)  # inputs of the dense layers; the last one's outputs are the classes
CONVOLUTIONS = len(CHANNELS) - 1
LAYERS = CONVOLUTIONS + len(DENSE)


@dataclass(frozen=True)
class Recipe:
    weight_bits: tuple[int, ...]  # one unit of a weight of each layer is 2^-bits
    schedule: Schedule
    seed: int


@dataclass(frozen=True)
class Layer:
    """Integers (held in float64): weights [inputs, outputs] in units of 2^-weight_bits, bias in units of 2^-sum_bits. A
    convolution's inputs are channel, row, column of its window."""

    weights: np.ndarray
    bias: np.ndarray
    weight_bits: int
    sum_bits: int


@dataclass(frozen=True)
class LeNet:
    layers: tuple[Layer, ...]

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of pictures [n, 784], in fixed point; a few hundred at a time, for their windows take much memory."""
        parts = [_forward(self, rows[start : start + 256])[0].argmax(axis=1) for start in range(0, len(rows), 256)]
        return np.concatenate(parts)


def train(rows: np.ndarray, labels: np.ndarray, classes: int, recipe: Recipe) -> LeNet:
    """Minimises the cross-entropy of integer pictures `rows` [n, 784]."""
    targets = np.eye(classes)[labels]

    def gradients(weights: Weights, batch: slice) -> Weights:
        return _gradients(_rounded(weights, recipe), rows[batch], targets[batch])

    return _rounded(minimise(_initial(classes, recipe), gradients, recipe.schedule), recipe)


def _initial(classes: int, recipe: Recipe) -> Weights:
    generator = np.random.Generator(np.random.PCG64(recipe.seed))
    windows = [(inputs * KERNEL**2, outputs) for inputs, outputs in zip(CHANNELS, CHANNELS[1:])]
    weights = []
    for shape in windows + list(zip(DENSE, (*DENSE[1:], classes))):
        weights += [uniform_weights(generator, shape[0], shape), np.zeros(shape[1])]
    return weights


def _rounded(weights: Weights, recipe: Recipe) -> LeNet:
    layers = []
    for i, bits in enumerate(recipe.weight_bits):
        sum_bits = bits + (ACTIVATION_BITS if i else INPUT_BITS)
        layers.append(Layer(
            weights=np.clip(np.rint(weights[2 * i] * 2**bits), -WEIGHT_LIMIT, WEIGHT_LIMIT),
            bias=np.rint(weights[2 * i + 1] * 2**sum_bits),
            weight_bits=bits,
            sum_bits=sum_bits,
        ))
    return LeNet(tuple(layers))


@dataclass(frozen=True)
class Step:
    """What the way back needs of one layer's way forward."""

    inputs: np.ndarray  # the matrix that the weights were multiplied by
    positive: np.ndarray  # where the sum was above zero
    winners: np.ndarray | None = None  # which of its four each maximum came from


def _forward(net: LeNet, rows: np.ndarray) -> tuple[np.ndarray, list[Step]]:
    """Exact scores [n, classes] of fixed-point arithmetic, and each layer's step."""
    border = ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))
    pictures, steps = np.pad(rows.reshape(-1, SIDE, SIDE, 1), border), []
    for layer in net.layers[:CONVOLUTIONS]:
        windows = _windows(pictures)
        sums = exact_product(windows.reshape(-1, windows.shape[-1]), layer.weights) + layer.bias
        pictures, winners = _pooled(_activated(sums, layer).reshape(*windows.shape[:3], -1))
        steps.append(Step(windows, sums > 0, winners))
    hidden = pictures.transpose(0, 3, 1, 2).reshape(len(rows), -1)
    for layer in net.layers[CONVOLUTIONS:]:
        sums = exact_product(hidden, layer.weights) + layer.bias
        steps.append(Step(hidden, sums > 0))
        hidden = _activated(sums, layer)
    return sums * 2.0 ** -net.layers[-1].sum_bits, steps


def _gradients(net: LeNet, rows: np.ndarray, targets: np.ndarray) -> Weights:
    scores, steps = _forward(net, rows)
    slope = np.rint((softmax(scores) - targets) * 2**GRADIENT_BITS)
    gradients: Weights = []
    for i in reversed(range(LAYERS)):
        layer, step = net.layers[i], steps[i]
        if i < CONVOLUTIONS:
            slope = _spread(slope.reshape(step.winners.shape), step.winners).reshape(step.positive.shape)
        if i < LAYERS - 1:
            slope = slope * step.positive
        inputs = step.inputs.reshape(len(slope), -1)
        gradients = [exact_product(inputs.T, slope), slope.sum(axis=0), *gradients]
        if i == 0:
            break
        slope = np.rint(exact_product(slope, layer.weights.T) * 2.0**-layer.weight_bits)
        if i == CONVOLUTIONS:  # back from the flat row to pictures
            side = steps[i - 1].winners.shape[1]
            slope = slope.reshape(len(rows), CHANNELS[-1], side, side).transpose(0, 2, 3, 1)
        if i < CONVOLUTIONS:
            slope = _overlaid(slope, step.inputs.shape)
    return gradients


def _activated(sums: np.ndarray, layer: Layer) -> np.ndarray:
    return np.rint(np.maximum(sums, 0) * 2.0 ** (ACTIVATION_BITS - layer.sum_bits))


def _windows(pictures: np.ndarray) -> np.ndarray:
    """Pictures [n, h, w, channels] to windows [n, h', w', channels * 25]."""
    views = sliding_window_view(pictures, (KERNEL, KERNEL), axis=(1, 2))
    return np.ascontiguousarray(views).reshape(*views.shape[:3], -1)


def _overlaid(slope: np.ndarray, windows: tuple[int, ...]) -> np.ndarray:
    """The transpose of `_windows`: each window's values added where they came from."""
    n, height, width, inner = windows
    parts = slope.reshape(n, height, width, inner // KERNEL**2, KERNEL, KERNEL)
    total = np.zeros((n, height + KERNEL - 1, width + KERNEL - 1, inner // KERNEL**2))
    for y in range(KERNEL):
        for x in range(KERNEL):
            total[:, y : y + height, x : x + width] += parts[..., y, x]
    return total


def _pooled(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each 2x2 square of [n, h, w, channels], and which of the four it was (the first of equal ones)."""
    n, height, width, channels = pictures.shape
    squares = pictures.reshape(n, height // POOL, POOL, width // POOL, POOL, channels).transpose(0, 1, 3, 5, 2, 4)
    squares = squares.reshape(n, height // POOL, width // POOL, channels, POOL**2)
    return squares.max(axis=-1), squares.argmax(axis=-1)


def _spread(slope: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """The way back through `_pooled`: a maximum's slope belongs to the element that it came from."""
    n, height, width, channels = slope.shape
    squares = np.zeros((n, height, width, channels, POOL**2))
    np.put_along_axis(squares, winners[..., None], slope[..., None], axis=-1)
    squares = squares.reshape(n, height, width, channels, POOL, POOL).transpose(0, 1, 4, 2, 5, 3)
    return squares.reshape(n, height * POOL, width * POOL, channels)

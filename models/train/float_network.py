"""The check of a network that is not exact in float32: how far rounding can move its logits, and that no held-out label
hangs on it."""

from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import helper, numpy_helper

from folder import Folder, hostile_rows, require, unit_of

OPERATORS = [
    "Round", "Clip", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Relu", "Gemm", "Relu", "Gemm",
    "ArgMax", "Softmax",
]  # fmt: skip
FLOAT32_EXACT = 2**24  # every integer up to here is a float32
ROUNDING = 2.0**-24  # of one float32 operation, relative
WEIGHT_LIMIT = 127
AT_ONCE = 64  # rows: windows of many pictures take much memory


@dataclass(frozen=True)
class Tensor:
    """Values in float64, how far a float32 run may be from each, and the power of two of which all are multiples where no
    run is off at all."""

    values: np.ndarray
    errors: np.ndarray
    unit: float


def check(folder: Folder) -> str:
    """In whatever order a runtime adds, fused or not, each held-out row's largest logit stays the largest."""
    require(folder.operators() == OPERATORS, f"the graph is {folder.operators()}")
    graph = folder.graph()
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim > 1:
            require(np.abs(values).max() <= WEIGHT_LIMIT * float(unit_of(values)), f"{tensor.name} is wider than 8 bits")
    parts = [_logits(graph, folder, folder.rows[i : i + AT_ONCE]) for i in range(0, len(folder.rows), AT_ONCE)]
    logits, errors = (np.concatenate(part) for part in zip(*((part.values, part.errors) for part in parts)))
    labels = logits.argmax(axis=1)
    rows = np.arange(len(logits))
    ahead = (logits[rows, labels] - errors[rows, labels])[:, None] - (logits + errors)
    ahead[rows, labels] = np.inf
    require((ahead > 0).all(), f"rounding could change the label of held-out sample {ahead.min(axis=1).argmin()}")
    require((labels == folder.predicted).all(), "a recorded prediction is not that of the network in float64")
    labels, probabilities = folder.run(hostile_rows(folder))
    require(np.isfinite(probabilities).all(), "an answer is not finite")
    return f"{len(rows)} labels stand: rounding moves logits by {errors.max():.3f} at the very most, and {ahead.min():.3f} is to spare"


def _logits(graph: onnx.GraphProto, folder: Folder, rows: np.ndarray) -> Tensor:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = rows.reshape(-1, *folder.manifest["inputs"][0]["shape"][1:]).astype(np.float64)
    x, before = Tensor(values, np.zeros_like(values), 2.0**-149), graph.input[0].name
    for node in graph.node[:-2]:
        require(node.input[0] == before, "the graph is not a chain")
        before = node.output[0]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        x = OPERATIONS[node.op_type](x, [constants[name] for name in node.input[1:]], attributes)
    require({node.input[0] for node in graph.node[-2:]} == {before}, "the label is not that of the logits")
    return x


def _round(x: Tensor, _operands: list, _attributes: dict) -> Tensor:
    return Tensor(np.rint(x.values), x.errors, 1.0)


def _clip(x: Tensor, operands: list, _attributes: dict) -> Tensor:
    require(all(float(bound).is_integer() for bound in operands), "the clip's bounds are not integers")
    return replace(x, values=np.clip(x.values, *map(float, operands)))


def _relu(x: Tensor, _operands: list, _attributes: dict) -> Tensor:
    """What is below zero in every run is zero in every run."""
    return replace(x, values=np.maximum(x.values, 0), errors=np.where(x.values + x.errors <= 0, 0, x.errors))


def _pool(x: Tensor, _operands: list, attributes: dict) -> Tensor:
    require(attributes == {"kernel_shape": [2, 2], "strides": [2, 2]}, "other pooling than 2x2")

    def largest(pictures: np.ndarray) -> np.ndarray:
        n, channels, height, width = pictures.shape
        return pictures.reshape(n, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))

    return replace(x, values=largest(x.values), errors=largest(x.errors))


def _flatten(x: Tensor, _operands: list, _attributes: dict) -> Tensor:
    return replace(x, values=x.values.reshape(len(x.values), -1), errors=x.errors.reshape(len(x.values), -1))


def _gemm(x: Tensor, operands: list, attributes: dict) -> Tensor:
    require(not attributes, "a Gemm is transposed or scaled")
    return _summed(x, *operands)


def _conv(x: Tensor, operands: list, attributes: dict) -> Tensor:
    kernel, pads = attributes.pop("kernel_shape"), attributes.pop("pads")
    require(not attributes and len(set(pads)) == 1, "a convolution of another kind")
    weights, bias = operands
    windows = Tensor(_windows(x.values, kernel, pads[0]), _windows(x.errors, kernel, pads[0]), x.unit)
    sums = _summed(windows, weights.reshape(len(weights), -1).T, bias)
    return replace(sums, values=sums.values.transpose(0, 3, 1, 2), errors=sums.errors.transpose(0, 3, 1, 2))


def _summed(x: Tensor, weights: np.ndarray, bias: np.ndarray) -> Tensor:
    """x @ weights + bias. Where all terms are multiples of a unit and their absolute values add up to no more than 2^24 of it,
    nothing is rounded. Else a sum of n products is off by at most n * 2^-24 of the sum of their absolute values, to first
    order, in any order of summation (Higham 2002, doi:10.1137/1.9780898718027, section 3.1); three terms more cover the bias,
    the higher orders and float64's own rounding."""
    unit = min(x.unit * float(unit_of(weights)), float(unit_of(bias)))
    matrix, summand = weights.astype(np.float64), bias.astype(np.float64)
    reach = (np.abs(x.values) + x.errors) @ np.abs(matrix) + np.abs(summand)
    terms = ROUNDING * (len(matrix) + 3)
    exact = x.errors.max() == 0 and reach.max() <= FLOAT32_EXACT * unit
    rounded = 0.0 if exact else terms / (1 - terms)
    return Tensor(x.values @ matrix + summand, x.errors @ np.abs(matrix) + rounded * reach, unit)


def _windows(pictures: np.ndarray, kernel: list[int], pad: int) -> np.ndarray:
    """[n, channels, h, w] to [n, h', w', channels * kernel]."""
    padded = np.pad(pictures, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    views = sliding_window_view(padded, kernel, axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    return views.reshape(*views.shape[:3], -1)


OPERATIONS = {
    "Round": _round, "Clip": _clip, "Conv": _conv, "Relu": _relu, "MaxPool": _pool, "Flatten": _flatten, "Gemm": _gemm,
}  # fmt: skip

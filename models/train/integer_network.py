"""The check that a perceptron is an integer network, whatever it is given."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import onnx
from onnx import numpy_helper

from folder import Folder, exposing, hostile_rows, require, unit_of

FLOAT32_EXACT = 2**24  # every integer up to here is a float32
WEIGHT_LIMIT = 127
# The shape of graph that this check can follow, and that an integer compiler meets.
OPERATORS = ["Round", "Clip", "Gemm", "Relu", "Gemm", "ArgMax", "Softmax"]
SCALED_OPERATORS = ["Sub", "Mul", *OPERATORS]


def check(folder: Folder) -> str:
    """For *any* input no float32 sum can round, so no order of summation, no fused multiply-add and no batch can change a
    logit; and the logits are those of a run in integers."""
    core = _integer_core(folder)
    largest_sum = _largest_sum(core)
    require(largest_sum <= FLOAT32_EXACT, f"a sum can reach 2^{math.log2(largest_sum):.1f}: float32 may round it")
    widest = max(np.abs(core.w1).max(), np.abs(core.w2).max())
    require(widest <= WEIGHT_LIMIT, "a weight is wider than 8 bits")

    rows = np.concatenate([folder.rows, hostile_rows(folder)])
    exposed = exposing(folder.weights, ["quantised", "logits"])
    quantised, logits, labels = folder.run(rows, ["quantised", "logits", "label"], exposed)
    require((quantised == np.rint(quantised)).all(), "the input is not rounded to integers")
    expected = _in_integers(core, quantised.astype(np.int64))
    # The unit is a power of two, and no logit exceeds 2^24 of it, so this product is exact in float64.
    require((logits.astype(np.float64) == expected * float(core.logit_unit)).all(), "a logit is not exact")
    require((labels == expected.argmax(axis=1)).all(), "a label is not the first largest logit")
    return f"{len(rows)} rows equal in integers; the largest sum is below 2^{int(largest_sum).bit_length()}"


def _integer_core(folder: Folder) -> SimpleNamespace:
    """Reads Round, Clip, Gemm, Relu, Gemm back as matrices of int64."""
    graph = folder.graph()
    operators = folder.operators()
    require(operators in (OPERATORS, SCALED_OPERATORS), f"the graph is {operators}")
    require(all(node.input[0] == before for node, before in zip(graph.node, _chain(graph))), "the graph is not a chain")
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    require(not any(node.attribute for node in gemms), "a Gemm is transposed or scaled")
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    clip = next(node for node in graph.node if node.op_type == "Clip")
    low, high = (float(values[name]) for name in clip.input[1:])
    w1, b1, w2, b2 = (values[name].astype(np.float64) for node in gemms for name in node.input[1:])
    require(low.is_integer() and high.is_integer(), "the clip's bounds are not integers")
    unit1, unit2 = unit_of(w1, b1), unit_of(w2)
    logit_unit = unit1 * unit2
    return SimpleNamespace(
        low=int(low), high=int(high), logit_unit=logit_unit,
        w1=_integers(w1, unit1), b1=_integers(b1, unit1), w2=_integers(w2, unit2), b2=_integers(b2, logit_unit),
    )  # fmt: skip


def _integers(values: np.ndarray, unit: Fraction) -> np.ndarray:
    """Whole multiples of the unit; float32 divided by a power of two is exact in float64."""
    quotients = values / float(unit)
    require((quotients == np.rint(quotients)).all(), "a bias is finer than its layer's unit")
    require(np.abs(quotients).max() < 2**52, "a sum can reach 2^52: float32 may round it")
    return quotients.astype(np.int64)


def _largest_sum(core: SimpleNamespace) -> int:
    """Bounds every partial sum of both layers, in units, over all inputs within the clip: the sum of absolute values.
    Python integers, which do not overflow whatever the file says."""
    w1, b1, w2, b2 = (matrix.astype(object) for matrix in (core.w1, core.b1, core.w2, core.b2))
    first = abs(w1).sum(axis=0) * max(abs(core.low), abs(core.high)) + abs(b1)
    peaks = np.maximum(np.maximum(w1 * core.low, w1 * core.high).sum(axis=0) + b1, 0)
    second = (abs(w2) * peaks[:, None]).sum(axis=0) + abs(b2)
    return max(*first, *second)


def _in_integers(core: SimpleNamespace, rows: np.ndarray) -> np.ndarray:
    return np.maximum(rows @ core.w1 + core.b1, 0) @ core.w2 + core.b2


def _chain(graph: onnx.GraphProto) -> list[str]:
    """What each node must read first: the input, then the node before it; ArgMax and Softmax both read the logits."""
    outputs = [node.output[0] for node in graph.node]
    return [graph.input[0].name, *outputs[:-2], outputs[-3]]

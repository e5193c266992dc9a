"""Writes what was learned as ONNX: raw FP32 rows in, label and probabilities out."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from catalogue import Learned, Model, Perceptron
from network import INPUT_BITS

OPSET = 17
IR_VERSION = 8  # the IR that shipped with opset 17

Graph = tuple[list[NodeProto], dict[str, np.ndarray]]


def onnx_model(model: Model, classes: int, learned: Learned) -> bytes:
    """Serialised ModelProto."""
    assert isinstance(learned, Perceptron)
    nodes, initialisers = _perceptron(model.input_name, learned)
    graph = helper.make_graph(
        nodes,
        model.name,
        inputs=[helper.make_tensor_value_info(model.input_name, TensorProto.FLOAT, ["batch", *model.input_shape])],
        outputs=[
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
        ],
        initializer=[numpy_helper.from_array(np.asarray(v), k) for k, v in initialisers.items()],
    )
    proto: ModelProto = helper.make_model(
        graph,
        producer_name="haca",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True)


def _perceptron(input_name: str, learned: Perceptron) -> Graph:
    """The integer core runs from tensor `quantised` to tensor `logits`."""
    quantiser, network = learned.quantiser, learned.network
    initialisers = {
        "low": np.float32(quantiser.low),
        "high": np.float32(quantiser.high),
        "w1": _in_units(network.w1, INPUT_BITS + network.hidden_bits),
        "b1": _in_units(network.b1, INPUT_BITS + network.hidden_bits),
        "w2": _in_units(network.w2, network.output_bits),
        "b2": _in_units(network.b2, network.logit_bits),
    }
    nodes, scaled = [], input_name
    if quantiser.centre.any() or (quantiser.scale != 1).any():
        initialisers |= {"centre": quantiser.centre, "scale": quantiser.scale}
        nodes += [helper.make_node("Sub", [input_name, "centre"], ["centred"])]
        nodes += [helper.make_node("Mul", ["centred", "scale"], ["scaled"])]
        scaled = "scaled"
    nodes += [
        *_quantised(scaled),
        helper.make_node("Gemm", ["quantised", "w1", "b1"], ["accumulated"]),
        helper.make_node("Relu", ["accumulated"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        *_answer(),
    ]
    return nodes, initialisers


def _quantised(before: str) -> list[NodeProto]:
    return [
        helper.make_node("Round", [before], ["rounded"]),
        helper.make_node("Clip", ["rounded", "low", "high"], ["quantised"]),
    ]


def _answer() -> list[NodeProto]:
    return [
        helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0, select_last_index=0),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]


def _in_units(integers: np.ndarray, bits: int) -> np.ndarray:
    values = (integers * 2.0**-bits).astype(np.float32)
    assert (values.astype(np.float64) * 2.0**bits == integers).all(), "an integer does not fit a float32"
    return values

"""Writes what was learned as ONNX: raw FP32 rows in, label and probabilities out."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

import lenet
from catalogue import Learned, Model, Perceptron
from lenet import LeNet
from network import INPUT_BITS
from trees import LEAF_BITS, Branch, Ensemble, Leaf

OPSET = 17
IR_VERSION = 8  # the IR that shipped with opset 17
TREES_DOMAIN, TREES_OPSET = "ai.onnx.ml", 3
PIXEL_LIMIT = 15

Graph = tuple[list[NodeProto], dict[str, np.ndarray]]


def onnx_model(model: Model, classes: int, learned: Learned) -> bytes:
    """Serialised ModelProto."""
    domains = [("", OPSET)]
    if isinstance(learned, Perceptron):
        nodes, initialisers = _perceptron(model.input_name, learned)
    elif isinstance(learned, LeNet):
        nodes, initialisers = _lenet(model.input_name, learned)
    else:
        assert isinstance(learned, Ensemble)
        nodes, initialisers = _trees(model.input_name, learned)
        domains += [(TREES_DOMAIN, TREES_OPSET)]
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
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in domains],
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


def _lenet(input_name: str, learned: LeNet) -> Graph:
    """A LeNet-5 as anybody exports it; only the pixels are rounded, and nothing after them."""
    initialisers = {"low": np.float32(0), "high": np.float32(PIXEL_LIMIT)}
    nodes, before = _quantised(input_name), "quantised"
    for i, layer in enumerate(learned.layers, start=1):
        weights = _in_units(layer.weights, layer.weight_bits + (lenet.INPUT_BITS if i == 1 else 0))
        convolves = i <= lenet.CONVOLUTIONS
        if convolves:
            weights = weights.T.reshape(-1, lenet.CHANNELS[i - 1], lenet.KERNEL, lenet.KERNEL)
        initialisers |= {f"w{i}": weights, f"b{i}": _in_units(layer.bias, layer.sum_bits)}
        summed = "logits" if i == lenet.LAYERS else f"sum{i}"
        operands = [before, f"w{i}", f"b{i}"]
        if not convolves:
            nodes.append(helper.make_node("Gemm", operands, [summed]))
        else:
            pads = [lenet.PADDING if i == 1 else 0] * 4
            nodes.append(helper.make_node("Conv", operands, [summed], kernel_shape=[lenet.KERNEL] * 2, pads=pads))
        if i == lenet.LAYERS:
            break
        before = f"active{i}"
        nodes.append(helper.make_node("Relu", [summed], [before]))
        if convolves:
            square = [lenet.POOL] * 2
            nodes.append(helper.make_node("MaxPool", [before], [f"pooled{i}"], kernel_shape=square, strides=square))
            before = f"pooled{i}"
        if i == lenet.CONVOLUTIONS:
            nodes.append(helper.make_node("Flatten", [before], ["flat"]))
            before = "flat"
    return nodes + _answer(), initialisers


def _trees(input_name: str, learned: Ensemble) -> Graph:
    """A single score s, of which onnxruntime makes the scores -s and s of two classes, and the label 1 where s > 0. By its
    custom (and that of scikit-learn's and LightGBM's exporters) the votes bear the id 0; with the id 1 the scores are 0 and s."""
    lists: dict[str, list] = {}

    def push(**values) -> None:
        for key, value in values.items():
            lists.setdefault(key, []).append(value)

    for tree_id, tree in enumerate(learned.trees):
        places = _in_order(tree)
        for node_id, node in enumerate(places):
            push(nodes_treeids=tree_id, nodes_nodeids=node_id)
            if isinstance(node, Branch):
                push(
                    nodes_modes="BRANCH_LEQ",
                    nodes_featureids=node.feature,
                    nodes_values=float(node.threshold),
                    nodes_truenodeids=_place(places, node.yes),
                    nodes_falsenodeids=_place(places, node.no),
                )
            else:
                push(nodes_modes="LEAF", nodes_featureids=0, nodes_values=0.0)
                push(nodes_truenodeids=0, nodes_falsenodeids=0)
                push(class_treeids=tree_id, class_nodeids=node_id, class_ids=0)
                push(class_weights=node.units * 2.0**-LEAF_BITS)
    assert min(lists["class_weights"]) < 0, "of positive votes alone onnxruntime makes the scores 1 - s and s"
    nodes = [
        helper.make_node(
            "TreeEnsembleClassifier",
            [input_name],
            ["label", "scores"],
            domain=TREES_DOMAIN,
            classlabels_int64s=[0, 1],
            post_transform="NONE",
            **lists,
        ),
        helper.make_node("Sigmoid", ["scores"], ["probabilities"]),
    ]
    return nodes, {}


def _in_order(tree: Branch | Leaf) -> list[Branch | Leaf]:
    """A tree's nodes, parents first."""
    return [tree] if isinstance(tree, Leaf) else [tree, *_in_order(tree.yes), *_in_order(tree.no)]


def _place(nodes: list[Branch | Leaf], wanted: Branch | Leaf) -> int:
    """By identity: two leaves may be equal."""
    return next(i for i, node in enumerate(nodes) if node is wanted)


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

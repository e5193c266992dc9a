"""Checks a model folder against its own manifest, from the published files alone (nothing of the training is imported).

    python verify.py [FOLDER ...]     default: every folder beside train/ that has a manifest.json

One line per check, then `N passed, N failed`; exit 1 if a check failed.
"""

import hashlib
import json
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

BYTES_MAX = 300_000
FLOAT32_EXACT = 2**24  # every integer up to here is a float32
BATCHES = [*range(1, 33), 256]
MANIFEST_KEYS = [
    "v", "name", "version", "description", "licence", "files", "engine", "inputs", "outputs", "batching", "maxUnits",
    "labels", "accuracy",
]  # fmt: skip
# The shape of graph that the integer check below can follow, and that an integer compiler meets.
OPERATORS = ["Round", "Clip", "Gemm", "Relu", "Gemm", "ArgMax", "Softmax"]
SCALED_OPERATORS = ["Sub", "Mul", *OPERATORS]
ELEMENT_TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


class Refused(Exception):
    """A check's verdict: the folder does not keep what its manifest states."""


class Folder:
    """The parsed files of a model folder."""

    def __init__(self, path: Path):
        self.path = path
        self.manifest = json.loads((path / "manifest.json").read_bytes())
        self.weights = (path / "model.onnx").read_bytes()
        self.samples_bytes = (path / "samples.json").read_bytes()
        self.samples = json.loads(self.samples_bytes)
        self.rows = np.array([sample["values"] for sample in self.samples["samples"]], np.float32)
        self.truth = np.array([sample["label"] for sample in self.samples["samples"]])
        self.predicted = np.array([sample["predicted"] for sample in self.samples["samples"]])

    def graph(self) -> onnx.GraphProto:
        return onnx.load_from_string(self.weights).graph

    def run(self, rows: np.ndarray, outputs=("label", "probabilities"), weights: bytes | None = None, threads: int = 1):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(weights or self.weights, settings, providers=["CPUExecutionProvider"])
        return session.run(list(outputs), {self.manifest["inputs"][0]["name"]: rows})


def digests(folder: Folder) -> str:
    """Every file of the manifest has the stated size and SHA-256; the samples have the digest that the accuracy names."""
    for entry in folder.manifest["files"]:
        content = (folder.path / entry["path"]).read_bytes()
        _require(len(content) == entry["bytes"], f"{entry['path']} has {len(content)} bytes, not {entry['bytes']}")
        _require(_sha256(content) == entry["sha256"], f"{entry['path']} has another SHA-256")
        _require(len(content) <= BYTES_MAX, f"{entry['path']} is larger than {BYTES_MAX} bytes")
    _require(_sha256(folder.samples_bytes) in folder.manifest["accuracy"]["dataSet"], "samples.json has another SHA-256")
    return f"{len(folder.manifest['files'])} file and the samples"


def contract(folder: Folder) -> str:
    """The manifest has exactly the agreed keys, and the graph has exactly the manifest's inputs and outputs."""
    manifest, model = folder.manifest, onnx.load_from_string(folder.weights)
    onnx.checker.check_model(model, full_check=True)
    _require(list(manifest) == MANIFEST_KEYS, "the manifest's keys or their order differ")
    _require(manifest["v"] == 1 and manifest["name"] == folder.path.name, "version or name differ")
    _require([e["role"] for e in manifest["files"]] == ["weights"], "expected one file, the weights")
    opsets = [(entry.domain, entry.version) for entry in model.opset_import]
    _require(opsets == [("", manifest["engine"]["opset"])], f"the graph needs {opsets}")
    for stated, actual in [(manifest["inputs"], model.graph.input), (manifest["outputs"], model.graph.output)]:
        _require([_declared(v) for v in actual] == [(t["name"], t["datatype"], t["shape"]) for t in stated],
                 f"the graph declares {[_declared(v) for v in actual]}")  # fmt: skip
    width, classes = manifest["inputs"][0]["shape"][1], len(manifest["labels"])
    _require(manifest["outputs"][1]["shape"] == [-1, classes], "there is not one probability per label")
    _require(len(manifest["inputs"][0].get("features", range(width))) == width, "there is not one name per feature")
    _require(folder.samples["labels"] == manifest["labels"], "the samples name other labels")
    _require(folder.rows.shape == (len(folder.truth), width), "the samples have another width")
    return f"{width} features, {classes} labels"


def accuracy(folder: Folder) -> str:
    """onnxruntime on samples.json gives the recorded labels, and with them the stated accuracy."""
    stated, total = folder.manifest["accuracy"], len(folder.truth)
    labels, probabilities = folder.run(folder.rows)
    _require(total == stated["heldOut"], f"{total} samples, not {stated['heldOut']}")
    _require((labels == folder.predicted).all(), "a recorded prediction differs")
    _require((probabilities.argmax(axis=1) == labels).all(), "a label is not the most probable class")
    _require(np.allclose(probabilities.sum(axis=1), 1, atol=1e-6), "probabilities do not add up to 1")
    correct = int((labels == folder.truth).sum())
    _require(round(correct / total, 4) == stated["value"], f"{correct} of {total} is not {stated['value']}")
    return f"{correct} of {total} = {correct / total:.4f}"


def exactness(folder: Folder) -> str:
    """The graph is an integer network: for *any* input no float32 sum can round, so no order of summation, no fused
    multiply-add and no batch can change a logit; and the logits are those of a run in Python integers."""
    core = _integer_core(folder)
    largest_sum = _largest_sum(core)
    _require(largest_sum <= FLOAT32_EXACT, f"a sum can reach 2^{math.log2(largest_sum):.1f}: float32 may round it")
    widest = max(abs(w) for layer in (core.w1, core.w2) for column in layer for w in column)
    _require(widest <= 127, "a weight is wider than 8 bits")

    rows = np.concatenate([folder.rows, _hostile_rows(folder)])
    exposed = _exposing(folder.weights, ["quantised", "logits"])
    quantised, logits, labels = folder.run(rows, ["quantised", "logits", "label"], exposed)
    for integers, floats, label in zip(quantised, logits, labels):
        expected = _in_integers(core, [int(value) for value in integers])
        exact = [value * core.logit_unit for value in expected]
        _require([Fraction(float(value)) for value in floats] == exact, "a logit is not exact")
        _require(expected.index(max(expected)) == label, "a label is not the first largest logit")
    return f"{len(rows)} rows equal in Python integers; the largest sum is below 2^{largest_sum.bit_length()}"


def batching(folder: Folder) -> str:
    """Rows stacked with strangers' rows answer bit for bit what they answer alone, for every batch size in BATCHES."""
    _require(folder.manifest["batching"] == "stack", "the manifest does not offer stacking; nothing to check")
    _require(folder.manifest["maxUnits"] == max(BATCHES), "maxUnits is not the largest batch checked")
    rows = np.concatenate([folder.rows, _hostile_rows(folder)])
    alone = [np.concatenate(parts) for parts in zip(*(folder.run(rows[i : i + 1]) for i in range(len(rows))))]
    for size in BATCHES:
        for threads in (1, 2):
            runs = [folder.run(rows[i : i + size], threads=threads) for i in range(0, len(rows), size)]
            for expected, parts in zip(alone, zip(*runs)):
                _require(np.concatenate(parts).tobytes() == expected.tobytes(), f"batches of {size} change an answer")
    return f"{len(rows)} rows in batches of 1 to 32 and 256, on 1 and 2 threads"


CHECKS: list[Callable[[Folder], str]] = [digests, contract, accuracy, exactness, batching]


def main(paths: list[Path]) -> int:
    passed = failed = 0
    for path in paths:
        folder = Folder(path)
        print(f"{path.name} {folder.manifest['version']}  model hash {_sha256((path / 'manifest.json').read_bytes())}")
        for check in CHECKS:
            try:
                print(f"  ok      {check.__name__:10} {check(folder)}")
                passed += 1
            except Refused as refusal:
                print(f"  FAILED  {check.__name__:10} {refusal}")
                failed += 1
                if check is digests:
                    break  # other bytes than the manifest's are not worth reading
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def _integer_core(folder: Folder) -> SimpleNamespace:
    """Reads Round, Clip, Gemm, Relu, Gemm back as integers; columns of w1 and w2 are lists of Python ints."""
    graph = folder.graph()
    operators = [node.op_type for node in graph.node]
    _require(operators in (OPERATORS, SCALED_OPERATORS), f"the graph is {operators}")
    _require(all(node.input[0] == before for node, before in zip(graph.node, _chain(graph))), "the graph is not a chain")
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    _require(not any(node.attribute for node in gemms), "a Gemm is transposed or scaled")
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    clip = next(node for node in graph.node if node.op_type == "Clip")
    low, high = (float(values[name]) for name in clip.input[1:])
    w1, b1, w2, b2 = (values[name].astype(np.float64) for node in gemms for name in node.input[1:])
    _require(low.is_integer() and high.is_integer(), "the clip's bounds are not integers")
    unit1, unit2 = _unit(w1, b1), _unit(w2)
    logit_unit = unit1 * unit2
    return SimpleNamespace(
        low=int(low), high=int(high), logit_unit=logit_unit,
        w1=[_integers(column, unit1) for column in w1.T], b1=_integers(b1, unit1),
        w2=[_integers(column, unit2) for column in w2.T], b2=_integers(b2, logit_unit),
    )  # fmt: skip


def _largest_sum(core: SimpleNamespace) -> int:
    """Bounds every partial sum of both layers, in units, over all inputs within the clip: the sum of absolute values."""
    reach = max(abs(core.low), abs(core.high))
    first = [sum(abs(w) for w in column) * reach + abs(b) for column, b in zip(core.w1, core.b1)]
    peaks = [
        max(sum(max(w * core.low, w * core.high) for w in column) + b, 0) for column, b in zip(core.w1, core.b1)
    ]
    second = [sum(abs(w) * peak for w, peak in zip(column, peaks)) + abs(b) for column, b in zip(core.w2, core.b2)]
    return max(first + second)


def _in_integers(core: SimpleNamespace, row: list[int]) -> list[int]:
    hidden = [max(sum(w * x for w, x in zip(column, row)) + b, 0) for column, b in zip(core.w1, core.b1)]
    return [sum(w * h for w, h in zip(column, hidden)) + b for column, b in zip(core.w2, core.b2)]


def _chain(graph: onnx.GraphProto) -> list[str]:
    """What each node must read first: the input, then the node before it; ArgMax and Softmax both read the logits."""
    outputs = [node.output[0] for node in graph.node]
    return [graph.input[0].name, *outputs[:-2], outputs[-3]]


def _hostile_rows(folder: Folder) -> np.ndarray:
    """Finite rows that nobody measured: fractions, wrong signs, far too large, and the ends of float32."""
    generator = np.random.Generator(np.random.PCG64(7))
    spread = np.abs(folder.rows).max(axis=0)
    drawn = generator.uniform(-2, 3, size=(128, folder.rows.shape[1])) * spread
    largest = np.finfo(np.float32).max
    constant = [np.full(folder.rows.shape[1], value) for value in (0.0, -0.0, 0.5, 1e-45, largest, -largest)]
    return np.concatenate([drawn, constant]).astype(np.float32)


def _exposing(weights: bytes, tensors: list[str]) -> bytes:
    model = onnx.load_from_string(weights)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]) for name in tensors)
    return model.SerializeToString()


def _unit(*arrays: np.ndarray) -> Fraction:
    """The largest power of two of which every value is a whole multiple (at most 1)."""
    denominators = [Fraction(float(value)).denominator for array in arrays for value in array.flat]
    return Fraction(1, max(denominators))


def _integers(values: np.ndarray, unit: Fraction) -> list[int]:
    quotients = [Fraction(float(value)) / unit for value in values]
    _require(all(q.denominator == 1 for q in quotients), "a bias is finer than its layer's unit")
    return [int(q) for q in quotients]


def _declared(value: onnx.ValueInfoProto) -> tuple[str, str, list[int]]:
    tensor = value.type.tensor_type
    datatype = next((name for name, code in ELEMENT_TYPES.items() if code == tensor.elem_type), "other")
    return value.name, datatype, [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise Refused(reason)


if __name__ == "__main__":
    beside = Path(__file__).resolve().parent.parent
    found = sorted(path.parent for path in beside.glob("*/manifest.json"))
    sys.exit(main([Path(argument).resolve() for argument in sys.argv[1:]] or found))

"""Checks a model folder against its own manifest, from the published files alone (nothing of the training is imported).

    python verify.py [FOLDER ...]     default: every folder beside train/ that has a manifest.json

One line per check, then `N passed, N failed`; exit 1 if a check failed.
"""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

import float_network
import integer_network
import integer_trees
from folder import Folder, Refused, hostile_rows, require, sha256

BYTES_MAX = 500_000
BATCHES = [*range(1, 33), 256]
MANIFEST_KEYS = [
    "v", "name", "version", "description", "licence", "files", "engine", "inputs", "outputs", "batching", "maxUnits",
    "labels", "accuracy",
]  # fmt: skip
OPERATOR_SETS = {"TreeEnsembleClassifier": [("ai.onnx.ml", 3)]}  # besides ONNX's own
ELEMENT_TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


def digests(folder: Folder) -> str:
    """Every file of the manifest has the stated size and SHA-256; the samples have the digest that the accuracy names."""
    for entry in folder.manifest["files"]:
        content = (folder.path / entry["path"]).read_bytes()
        require(len(content) == entry["bytes"], f"{entry['path']} has {len(content)} bytes, not {entry['bytes']}")
        require(sha256(content) == entry["sha256"], f"{entry['path']} has another SHA-256")
        require(len(content) <= BYTES_MAX, f"{entry['path']} is larger than {BYTES_MAX} bytes")
    require(sha256(folder.samples_bytes) in folder.manifest["accuracy"]["dataSet"], "samples.json has another SHA-256")
    return f"{len(folder.manifest['files'])} file and the samples"


def contract(folder: Folder) -> str:
    """The manifest has exactly the agreed keys, and the graph has exactly the manifest's inputs and outputs."""
    manifest, model = folder.manifest, onnx.load_from_string(folder.weights)
    onnx.checker.check_model(model, full_check=True)
    require(list(manifest) == MANIFEST_KEYS, "the manifest's keys or their order differ")
    require(manifest["v"] == 1 and manifest["name"] == folder.path.name, "version or name differ")
    require([e["role"] for e in manifest["files"]] == ["weights"], "expected one file, the weights")
    opsets = [(entry.domain, entry.version) for entry in model.opset_import]
    expected = [("", manifest["engine"]["opset"]), *OPERATOR_SETS.get(model.graph.node[0].op_type, [])]
    require(opsets == expected, f"the graph needs {opsets}")
    for stated, actual in [(manifest["inputs"], model.graph.input), (manifest["outputs"], model.graph.output)]:
        require([_declared(v) for v in actual] == [(t["name"], t["datatype"], t["shape"]) for t in stated],
                 f"the graph declares {[_declared(v) for v in actual]}")  # fmt: skip
    width, classes = math.prod(manifest["inputs"][0]["shape"][1:]), len(manifest["labels"])
    require(manifest["outputs"][1]["shape"] == [-1, classes], "there is not one probability per label")
    require(len(manifest["inputs"][0].get("features", range(width))) == width, "there is not one name per feature")
    require(folder.samples["labels"] == manifest["labels"], "the samples name other labels")
    require(folder.rows.shape == (len(folder.truth), width), "the samples have another width")
    return f"{width} features, {classes} labels"


def accuracy(folder: Folder) -> str:
    """onnxruntime on samples.json gives the recorded labels, and with them the stated accuracy."""
    stated, total = folder.manifest["accuracy"], len(folder.truth)
    labels, probabilities = folder.run(folder.rows)
    require(total == stated["heldOut"], f"{total} samples, not {stated['heldOut']}")
    require((labels == folder.predicted).all(), "a recorded prediction differs")
    require((probabilities.argmax(axis=1) == labels).all(), "a label is not the most probable class")
    require(np.allclose(probabilities.sum(axis=1), 1, atol=1e-6), "probabilities do not add up to 1")
    correct = int((labels == folder.truth).sum())
    require(round(correct / total, 4) == stated["value"], f"{correct} of {total} is not {stated['value']}")
    return f"{correct} of {total} = {correct / total:.4f}"


def view(folder: Folder) -> str:
    """Where the samples are another view of the published rows, they are that view of them, by a second implementation."""
    samples = folder.samples["samples"]
    viewed = [sample for sample in samples if "published" in sample]
    require(len(viewed) in (0, len(samples)), "some samples show their published row and some do not")
    for sample in viewed:
        require(len(sample["published"]) == 64, "a published picture is not 8x8")
        require(_enlarged(sample["published"]) == sample["values"], f"row {sample['row']} is not its picture enlarged")
    return f"{len(viewed)} pictures enlarged from 8x8" if viewed else "the rows are as published"


def exactness(folder: Folder) -> str:
    """Integer models: float32 rounds nothing, whatever the input. Others: rounding changes no held-out label."""
    operators = folder.operators()
    if "Conv" in operators:
        return float_network.check(folder)
    return (integer_trees if integer_trees.OPERATORS[0] in operators else integer_network).check(folder)


def batching(folder: Folder) -> str:
    """Rows stacked with strangers' rows answer bit for bit what they answer alone, for every batch size in BATCHES. A model
    that does not offer stacking gives each held-out row of a request at least the label that it gets alone."""
    require(folder.manifest["maxUnits"] == max(BATCHES), "maxUnits is not the largest batch checked")
    stacks = folder.manifest["batching"] == "stack"
    rows = np.concatenate([folder.rows, hostile_rows(folder)]) if stacks else folder.rows
    outputs = ("label", "probabilities") if stacks else ("label",)
    alone = [np.concatenate(p) for p in zip(*(folder.run(rows[i : i + 1], outputs) for i in range(len(rows))))]
    for size in BATCHES:
        for threads in (1, 2):
            runs = [folder.run(rows[i : i + size], outputs, threads=threads) for i in range(0, len(rows), size)]
            for expected, parts in zip(alone, zip(*runs)):
                require(np.concatenate(parts).tobytes() == expected.tobytes(), f"batches of {size} change an answer")
    what = "rows" if stacks else "labels, not bits,"
    return f"{len(rows)} {what} in batches of 1 to 32 and 256, on 1 and 2 threads"


def circuit(folder: Folder) -> str:
    """circuit.json and calibration.json, where there are any, are about this model.onnx and these samples. That its hashes
    are those of compiling is for `node circuits.mjs --check`."""
    stated = json.loads(folder.optional("circuit.json") or "null")
    calibration = json.loads(folder.optional("calibration.json") or "null")
    model = folder.manifest["files"][0]["sha256"]
    if calibration:
        require(calibration["model"] == folder.path.name, "the calibration is of another model")
        require(calibration["onnx"] == model, "the calibration is of another model.onnx")
        graph = folder.graph()
        tensors = {value.name for value in graph.input} | {name for node in graph.node for name in node.output}
        require(set(calibration["ranges"]) <= tensors, "the calibration knows a tensor that the graph does not have")
        require(all(low <= high for low, high in calibration["ranges"].values()), "a range ends before it begins")
    if not stated:
        return "no circuit"
    ranges = sha256(json.dumps({"ranges": calibration["ranges"]}, sort_keys=True, separators=(",", ":")).encode()) if calibration else None  # fmt: skip
    require(stated["model"] == folder.path.name, "the circuit is of another model")
    require(stated["hashes"]["onnx"] == model, "the circuit is of another model.onnx")
    require(stated["hashes"]["calibration"] == ranges, "the circuit is of another calibration")
    measured, total = stated["accuracy"], len(folder.truth)
    require(measured["samples"] == total, f"the circuit was measured on {measured['samples']} samples, not {total}")
    correct = int((folder.predicted == folder.truth).sum())
    require(measured["floatCorrect"] == correct, "the circuit was measured beside other predictions")
    require(measured["agreement"] >= 0.99 * total, "circuit and model agree on fewer than 99 in 100 samples")
    return f"{stated['constraints']} constraints, {stated['options']['arithmetic']}, agrees on {measured['agreement']} of {total}"


CHECKS: list[Callable[[Folder], str]] = [digests, contract, accuracy, view, exactness, batching, circuit]


def main(paths: list[Path]) -> int:
    passed = failed = 0
    for path in paths:
        folder = Folder(path)
        print(f"{path.name} {folder.manifest['version']}  model hash {sha256((path / 'manifest.json').read_bytes())}")
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


def _enlarged(picture: list[int]) -> list[int]:
    """8x8 greys of 0..16 to 28x28 greys of 0..15, pixel by pixel as the model card says, in Python integers."""

    def along(place: int) -> list[tuple[int, int]]:
        before, beyond = divmod(4 * place - 5, 14)  # the pixel before the point, and fourteenths of a pixel beyond it
        return [(max(before, 0), 14 - beyond), (min(before + 1, 7), beyond)]

    def grey(y: int, x: int) -> int:
        ink = sum(picture[8 * row + column] * a * b for row, a in along(y) for column, b in along(x))
        return (15 * ink + 1568) // 3136  # half a level rounds up

    return [grey(y, x) for y in range(28) for x in range(28)]


def _declared(value: onnx.ValueInfoProto) -> tuple[str, str, list[int]]:
    tensor = value.type.tensor_type
    datatype = next((name for name, code in ELEMENT_TYPES.items() if code == tensor.elem_type), "other")
    return value.name, datatype, [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]


if __name__ == "__main__":
    beside = Path(__file__).resolve().parent.parent
    found = sorted(path.parent for path in beside.glob("*/manifest.json"))
    sys.exit(main([Path(argument).resolve() for argument in sys.argv[1:]] or found))

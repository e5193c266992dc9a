"""Renders the files of one model folder as bytes; writing or comparing them is the caller's business."""

import hashlib
import json
import math
import re
from dataclasses import dataclass

import numpy as np

from catalogue import Model
from datasets import DataSet
from export import OPSET

FIGURES = re.compile(r"(<!-- figures: begin.*?-->\n).*?(<!-- figures: end -->)", re.DOTALL)


@dataclass(frozen=True)
class Evaluation:
    """One look at the held-out rows, and the cross-validation that was used to choose the recipe."""

    held_out: np.ndarray  # indices into the data set
    predicted: np.ndarray  # labels that onnxruntime gave for them
    probability_of_truth: np.ndarray
    trained_on: int
    cross_validated: float
    blocks: list[float]  # accuracy on each contiguous fifth of the data, trained on the other four


def manifest(model: Model, data: DataSet, onnx: bytes, samples: bytes, evaluation: Evaluation) -> bytes:
    """The model's identity: modelHash = SHA-256 of these exact bytes."""
    features = {"features": list(data.feature_names)} if model.names_features else {}
    correct = int((evaluation.predicted == data.labels[evaluation.held_out]).sum())
    return _json({
        "v": 1,
        "name": model.name,
        "version": model.version,
        "description": model.description,
        "licence": "MIT",
        "files": [
            {"role": "weights", "path": "model.onnx", "sha256": sha256(onnx), "bytes": len(onnx)},
        ],
        "engine": {"name": "onnxruntime", "opset": OPSET},
        "inputs": [
            {
                "name": model.input_name,
                "datatype": "FP32",
                "shape": [-1, *model.input_shape],
                "allowNonFinite": False,
                **features,
            },
        ],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(data.label_names)]},
        ],
        "batching": "stack" if model.stacks else "single",
        "maxUnits": 256,
        "labels": list(data.label_names),
        "accuracy": {
            "metric": "accuracy",
            "value": round(correct / len(evaluation.held_out), 4),
            "heldOut": len(evaluation.held_out),
            "dataSet": f"{model.data_set}; held-out rows: samples.json, SHA-256 {sha256(samples)}",
        },
    })


def samples(model: Model, data: DataSet, evaluation: Evaluation) -> bytes:
    """Every held-out row: `values` as the model takes them, `label` the truth, `predicted` what the model says. Where a caller
    sends another view of the data, `published` is the row as it was published."""
    head = {"v": 1, "model": model.name, "input": model.input_name, "labels": list(data.label_names)}
    viewed = model.view(data.rows[evaluation.held_out])
    lines = []
    for index, values, predicted in zip(evaluation.held_out, viewed, evaluation.predicted):
        published = data.rows[index]
        sample = {
            "row": int(index),
            **({} if np.array_equal(values, published) else {"published": [_number(value) for value in published]}),
            "values": [_number(value) for value in values],
            "label": int(data.labels[index]),
            "predicted": int(predicted),
        }
        # Long rows go without the spaces, which would be a third of the file.
        lines.append(json.dumps(sample, separators=(",", ":") if len(values) > 100 else None))
    return (json.dumps(head)[:-1] + ', "samples": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def calibration(model: Model, onnx: bytes, ranges: dict[str, tuple[float, float]], rows: int) -> bytes:
    """The smallest and largest value of each tensor over the training rows, each rounded outwards to eight significant bits:
    a compiler takes its units from them, and the last bits differ between kinds of processor."""
    return _json({
        "v": 1,
        "model": model.name,
        "onnx": sha256(onnx),
        "dataSet": f"{model.data_set}; the {rows} training rows as published, without the copies",
        "ranges": {name: [-_outwards(-low), _outwards(high)] for name, (low, high) in ranges.items()},
    })


def card(text: str, data: DataSet, manifest_bytes: bytes, evaluation: Evaluation) -> bytes:
    """The hand-written model card with the figures between its markers replaced."""
    assert FIGURES.search(text), "the card has no place for the figures"
    figures = _figures(data, manifest_bytes, evaluation)
    return FIGURES.sub(lambda found: found[1] + figures + found[2], text).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _figures(data: DataSet, manifest_bytes: bytes, evaluation: Evaluation) -> str:
    truth = data.labels[evaluation.held_out]
    total, correct = len(truth), int((evaluation.predicted == truth).sum())
    low, high = _wilson(correct, total)
    classes = range(len(data.label_names))
    matrix = [[int(((truth == t) & (evaluation.predicted == p)).sum()) for p in classes] for t in classes]
    interval = f"95 % Wilson interval {low:.3f} to {high:.3f}"
    log_loss = -np.mean(np.log(evaluation.probability_of_truth))
    rows = [
        ("model hash", f"`{sha256(manifest_bytes)}`"),
        ("trained on", f"{evaluation.trained_on} samples"),
        ("held-out accuracy", f"{correct} of {total} = **{correct / total:.4f}** ({interval})"),
        ("held-out log loss", f"{log_loss:.3f} nats"),
        ("5-fold cross-validation on the training rows", f"{evaluation.cross_validated:.4f}"),
        ("contiguous fifths of the file", ", ".join(f"{share:.3f}" for share in evaluation.blocks)),
    ]
    confusion = [
        ["truth \\ predicted", *data.label_names],
        ["---"] * (len(classes) + 1),
        *[[data.label_names[t], *map(str, matrix[t])] for t in classes],
    ]
    table = [["figure", "value"], ["---", "---"], *rows]
    return "\n" + _table(table) + "\n\nConfusion matrix of the held-out samples:\n\n" + _table(confusion) + "\n\n"


def _wilson(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    share, weight = correct / total, z * z / total
    centre = share + weight / 2
    spread = z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return (centre - spread) / (1 + weight), (centre + spread) / (1 + weight)


def _table(rows: list) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _outwards(value: float) -> float:
    """The next multiple of 2^-8 of the value's binade at or above it."""
    exponent = math.frexp(value)[1]
    return _number(math.ldexp(math.ceil(math.ldexp(value, 8 - exponent)), exponent - 8))


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()

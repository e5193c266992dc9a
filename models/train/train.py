"""Trains every model and writes its folder; `--check` trains again and compares with what is there.

    python train.py [NAME ...]           write models/NAME/{model.onnx,manifest.json,samples.json,README.md}, and
                                         calibration.json where a circuit needs it
    python train.py --check [NAME ...]   write nothing; exit 1 if a file would change by one byte
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import datasets
import publish
from catalogue import MODELS, Learned, Model
from datasets import DataSet
from export import onnx_model

MODELS_FOLDER = Path(__file__).resolve().parent.parent
FOLDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of " + ", ".join(m.name for m in MODELS))
    parser.add_argument("--check", action="store_true", help="retrain and compare instead of writing")
    options = parser.parse_args()
    known = {model.name: model for model in MODELS}
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error("no such model: " + ", ".join(sorted(unknown)))
    chosen = [known[name] for name in options.names] or list(MODELS)
    unchanged = [_deliver(model, options.check) for model in chosen]
    return 0 if all(unchanged) else 1


def build(model: Model, card_text: str) -> dict[str, bytes]:
    """File name → content of the model's folder. The same bytes on every machine with the pinned packages."""
    data = datasets.load(model.data)
    parts = datasets.split(data, model.held_out_share)
    weights = onnx_model(model, len(data.label_names), fit(model, data, parts.training))
    predicted, probabilities = _run(model, weights, data.rows[parts.held_out], ["label", "probabilities"])
    evaluation = publish.Evaluation(
        held_out=parts.held_out,
        predicted=predicted,
        probability_of_truth=probabilities[np.arange(len(predicted)), data.labels[parts.held_out]],
        trained_on=len(parts.training),
        cross_validated=float(np.mean(_accuracies(model, data, _dealt(parts.training)))),
        blocks=_accuracies(model, data, np.array_split(np.arange(len(data.rows)), FOLDS)),
    )
    samples = publish.samples(model, data, evaluation)
    manifest = publish.manifest(model, data, weights, samples, evaluation)
    files = {
        "model.onnx": weights,
        "samples.json": samples,
        "manifest.json": manifest,
        "README.md": publish.card(card_text, data, manifest, evaluation),
    }
    if model.calibrated:
        ranges = _ranges(model, weights, data.rows[parts.training])
        files["calibration.json"] = publish.calibration(model, weights, ranges, len(parts.training))
    return files


def fit(model: Model, data: DataSet, training: np.ndarray) -> Learned:
    """What the given rows teach; sees no other row."""
    rows, labels = model.augmented(data.rows[training], data.labels[training])
    return model.learn(model.view(rows), labels, len(data.label_names), model.recipe)


def _accuracies(model: Model, data: DataSet, folds: list[np.ndarray]) -> list[float]:
    """Accuracy on each fold of what the other folds teach."""
    accuracies = []
    for i, fold in enumerate(folds):
        learned = fit(model, data, np.concatenate(folds[:i] + folds[i + 1 :]))
        accuracies.append(float((learned.labels(model.view(data.rows[fold])) == data.labels[fold]).mean()))
    return accuracies


def _dealt(indices: np.ndarray) -> list[np.ndarray]:
    """Indices dealt into folds like cards, so that neighbours in the file land in different folds."""
    return [indices[start::FOLDS] for start in range(FOLDS)]


def _run(model: Model, weights: bytes, rows: np.ndarray, outputs: list[str]) -> list[np.ndarray]:
    """Outputs of the graph for rows as published."""
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    return session.run(outputs, {model.input_name: _input(model, rows)})


def _input(model: Model, rows: np.ndarray) -> np.ndarray:
    return model.view(rows).reshape(-1, *model.input_shape).astype(np.float32)


def _ranges(model: Model, weights: bytes, rows: np.ndarray) -> dict[str, tuple[float, float]]:
    """Range of the input and of every value between it and the outputs, as the runtime that serves the model has it."""
    proto = onnx.load_from_string(weights)
    stated = {output.name for output in proto.graph.output}
    inner = [name for node in proto.graph.node for name in node.output if name not in stated]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    values = [_input(model, rows), *_run(model, proto.SerializeToString(), rows, inner)]
    return {name: (float(v.min()), float(v.max())) for name, v in zip([model.input_name, *inner], values)}


def _deliver(model: Model, check: bool) -> bool:
    folder = MODELS_FOLDER / model.name
    files = build(model, (folder / "README.md").read_text())
    unchanged = True
    for name, content in files.items():
        path = folder / name
        same = path.is_file() and path.read_bytes() == content
        unchanged &= same
        if not check:
            path.write_bytes(content)
        verdict = "same" if same else "DIFFERS" if check else "written"
        print(f"{verdict:8}{model.name}/{name:14}{len(content):8} B  {publish.sha256(content)}")
    return unchanged or not check


if __name__ == "__main__":
    sys.exit(main())

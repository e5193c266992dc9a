"""A published model folder as anybody reads it: nothing of the training is imported here or in what uses it."""

import functools
import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper


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

    def operators(self) -> list[str]:
        return [node.op_type for node in self.graph().node]

    def optional(self, name: str) -> bytes | None:
        """A file that not every model has."""
        return (self.path / name).read_bytes() if (self.path / name).is_file() else None

    def run(self, rows: np.ndarray, outputs=("label", "probabilities"), weights: bytes | None = None, threads: int = 1):
        """`rows` are flat, as in samples.json."""
        stated = self.manifest["inputs"][0]
        session = _session(weights or self.weights, threads)
        return session.run(list(outputs), {stated["name"]: rows.reshape(-1, *stated["shape"][1:])})


@functools.lru_cache(maxsize=4)
def _session(weights: bytes, threads: int) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(weights, settings, providers=["CPUExecutionProvider"])


def hostile_rows(folder: Folder) -> np.ndarray:
    """Finite rows that nobody measured: fractions, wrong signs, far too large, and the ends of float32."""
    generator = np.random.Generator(np.random.PCG64(7))
    spread = np.abs(folder.rows).max(axis=0)
    drawn = generator.uniform(-2, 3, size=(128, folder.rows.shape[1])) * spread
    largest = np.finfo(np.float32).max
    constant = [np.full(folder.rows.shape[1], value) for value in (0.0, -0.0, 0.5, 1e-45, largest, -largest)]
    return np.concatenate([drawn, constant]).astype(np.float32)


def exposing(weights: bytes, tensors: list[str]) -> bytes:
    """The model with inner tensors among its outputs."""
    model = onnx.load_from_string(weights)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]) for name in tensors)
    return model.SerializeToString()


def unit_of(*arrays: np.ndarray) -> Fraction:
    """The largest power of two of which every value is a whole multiple (at most 1)."""
    denominators = [Fraction(float(value)).denominator for array in arrays for value in array.flat]
    return Fraction(1, max(denominators))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def require(condition: object, reason: str) -> None:
    if not condition:
        raise Refused(reason)

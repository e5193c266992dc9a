"""The public data, how a raw row becomes integers, and which rows are never trained on."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from network import INPUT_BITS


@dataclass(frozen=True)
class DataSet:
    """Raw rows [n, features] as published, class indices [n], and the names of both."""

    name: str
    rows: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
    feature_names: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Indices into the data set. `held_out` is looked at once, after training."""

    training: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Quantiser:
    """integer = clip(round((raw - centre) * scale), low, high); `scale` holds powers of two only, so * is exact."""

    centre: np.ndarray  # float32 [features]
    scale: np.ndarray  # float32 [features]
    low: int
    high: int

    def integers(self, rows: np.ndarray) -> np.ndarray:
        """What the ONNX graph computes, in the same float32 operations, as integer-valued float64."""
        scaled = (rows.astype(np.float32) - self.centre) * self.scale
        return np.clip(np.rint(scaled), self.low, self.high).astype(np.float64)


def load(name: str) -> DataSet:
    bunch = {"breast-cancer": load_breast_cancer, "digits": load_digits}[name]()
    return DataSet(
        name=name,
        rows=bunch.data,
        labels=bunch.target,
        label_names=tuple(str(label) for label in bunch.target_names),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
    )


def split(data: DataSet, held_out_share: float) -> Split:
    """Stratified: in each class the rows whose SHA-256 sorts first are held out. No library's shuffle decides,
    and equal rows fall on the same side unless they straddle a class's cut, which is refused."""
    held_out: list[int] = []
    for label in range(len(data.label_names)):
        members = sorted(np.flatnonzero(data.labels == label), key=lambda index: _digest(data, index))
        held_out += members[: round(len(members) * held_out_share)]
    chosen = np.array(sorted(held_out))
    rest = np.setdiff1d(np.arange(len(data.rows)), chosen)
    assert not {_digest(data, i) for i in chosen} & {_digest(data, i) for i in rest}, "a row is on both sides"
    return Split(training=rest, held_out=chosen)


def identity(features: int, low: int, high: int) -> Quantiser:
    """For data that is integers already: only rounds and clips what lies outside."""
    return Quantiser(np.zeros(features, np.float32), np.ones(features, np.float32), low, high)


def standardise(rows: np.ndarray, limit: int) -> Quantiser:
    """Centre on the mean; divide by the power of two nearest to the standard deviation, in units of 2^-INPUT_BITS."""
    centres, scales = [], []
    for column in rows.T:
        mean = math.fsum(column) / len(column)
        deviation = math.sqrt(math.fsum((value - mean) * (value - mean) for value in column) / len(column))
        centres.append(mean)
        scales.append(2.0 ** (INPUT_BITS - round(math.log2(deviation))))
    return Quantiser(np.array(centres, np.float32), np.array(scales, np.float32), -limit, limit)


def with_quarter_shifts(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """8x8 pictures and four copies of each, moved by a quarter of a pixel up, down, left and right."""
    pictures = rows.reshape(-1, 8, 8)
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))
    neighbours = [padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]]
    copies = [np.rint((3 * pictures + neighbour) / 4) for neighbour in neighbours]
    return np.concatenate([pictures, *copies]).reshape(-1, 64), np.tile(labels, 5)


def enlarged(rows: np.ndarray) -> np.ndarray:
    """8x8 pictures of 0..16 as 28x28 pictures of 0..15, still one row each: bilinear between pixel centres, edges continued,
    in integers. Sixteen grey levels fit in four bits, which is what a range check in a circuit costs."""
    stretch = np.zeros((28, 8))  # in fourteenths of a pixel, since (i + 1/2) * 8/28 - 1/2 = (4i - 5) / 14
    for i in range(28):
        whole, rest = divmod(4 * i - 5, 14)
        stretch[i, max(whole, 0)] += 14 - rest
        stretch[i, min(whole + 1, 7)] += rest
    weighted = stretch @ rows.reshape(-1, 8, 8) @ stretch.T  # 14 * 14 times a grey level
    largest = 14 * 14 * 16
    return ((15 * weighted + largest // 2) // largest).reshape(-1, 28 * 28)


def _digest(data: DataSet, index: int) -> bytes:
    return hashlib.sha256(data.rows[index].astype("<f8").tobytes()).digest()

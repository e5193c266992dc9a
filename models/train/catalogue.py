"""The models we publish: what each is trained on, how, and what its manifest says in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

import datasets
import lenet
import network
import trees
from datasets import Quantiser
from descent import Schedule

Rows = np.ndarray
Labels = np.ndarray
Recipe = network.Recipe | lenet.Recipe | trees.Recipe


class Learned(Protocol):
    """What training gives; `export.py` writes it as ONNX."""

    def labels(self, rows: Rows) -> Labels: ...


@dataclass(frozen=True)
class Perceptron:
    quantiser: Quantiser
    network: network.Network

    def labels(self, rows: Rows) -> Labels:
        return network.logits(self.network, self.quantiser.integers(rows)).argmax(axis=1)


def perceptron(quantiser_of: Callable[[Rows], Quantiser]):
    """Fits the quantiser and then the network."""

    def learn(rows: Rows, labels: Labels, classes: int, recipe: network.Recipe) -> Perceptron:
        quantiser = quantiser_of(rows)
        return Perceptron(quantiser, network.train(quantiser.integers(rows), labels, classes, recipe))

    return learn


def same(rows: Rows) -> Rows:
    return rows


def unchanged(rows: Rows, labels: Labels) -> tuple[Rows, Labels]:
    return rows, labels


@dataclass(frozen=True)
class Model:
    name: str
    version: str
    description: str
    input_name: str
    input_shape: tuple[int, ...]  # of one row
    data: str  # name of the data set in datasets.py
    data_set: str  # how the manifest names it
    held_out_share: float
    recipe: Recipe
    learn: Callable[[Rows, Labels, int, Recipe], Learned]  # sees training rows only
    augmented: Callable[[Rows, Labels], tuple[Rows, Labels]] = unchanged  # applied to training rows only, as published
    view: Callable[[Rows], Rows] = same  # what a caller sends of a published row
    names_features: bool = False  # whether the manifest lists what each input column means
    stacks: bool = True  # whether a row's answer is bit for bit the same in every batch
    calibrated: bool = False  # whether its circuit needs to know the range of each tensor


CANCER_DATA = "Breast Cancer Wisconsin (Diagnostic), UCI, doi:10.24432/C5DW2B"
DIGITS_DATA = "Optical Recognition of Handwritten Digits (the 1,797 test pictures), UCI, doi:10.24432/C50P49"
ENLARGED_DATA = DIGITS_DATA + ", enlarged to 28x28 as the model card says"

BREAST_CANCER = Model(
    name="breast-cancer",
    version="1.0.0",
    description=(
        "Tells malignant from benign in 30 measurements of cell nuclei from a fine needle aspirate of a breast mass. "
        "A demonstration on public data from 1993, not a medical device."
    ),
    input_name="measurements",
    input_shape=(30,),
    names_features=True,
    data="breast-cancer",
    data_set=CANCER_DATA,
    held_out_share=0.3,
    recipe=network.Recipe(hidden=16, hidden_bits=6, output_bits=5, schedule=Schedule(200, 0.02, decay=3.0), seed=1),
    learn=perceptron(lambda rows: datasets.standardise(rows, limit=64)),
)

BREAST_CANCER_TREES = Model(
    name="breast-cancer-trees",
    version="1.0.0",
    description=(
        "Tells malignant from benign in 30 measurements of cell nuclei from a fine needle aspirate of a breast mass, by "
        "100 boosted decision trees. A demonstration on public data from 1993, not a medical device."
    ),
    input_name="measurements",
    input_shape=(30,),
    names_features=True,
    data="breast-cancer",
    data_set=CANCER_DATA,
    held_out_share=0.3,
    recipe=trees.Recipe(trees=100, depth=3, rate=0.1, penalty=0.5, bins=24, rows_least=8),
    learn=trees.train,
)

DIGITS = Model(
    name="digits",
    version="1.0.0",
    description=(
        "Reads one handwritten decimal digit from an 8x8 picture: 64 pixels, row by row, each 0 (paper) to 16 (ink)."
    ),
    input_name="pixels",
    input_shape=(64,),
    data="digits",
    data_set=DIGITS_DATA,
    held_out_share=0.2,
    recipe=network.Recipe(hidden=64, hidden_bits=6, output_bits=5, schedule=Schedule(300, 0.02, decay=0.5), seed=1),
    learn=perceptron(lambda rows: datasets.identity(rows.shape[1], low=0, high=16)),
    augmented=datasets.with_quarter_shifts,
)

DIGITS_MLP = Model(
    name="digits-mlp",
    version="1.0.0",
    description=(
        "Reads one handwritten decimal digit from a 28x28 picture: 784 pixels, row by row, each 0 (paper) to 15 (ink). "
        "101,770 parameters; trained on 8x8 pictures enlarged to 28x28."
    ),
    input_name="pixels",
    input_shape=(784,),
    data="digits",
    data_set=ENLARGED_DATA,
    held_out_share=0.2,
    recipe=network.Recipe(
        hidden=128, hidden_bits=6, output_bits=5, schedule=Schedule(600, 0.005, decay=0.2, batches=20), seed=1
    ),
    learn=perceptron(lambda rows: datasets.identity(rows.shape[1], low=0, high=15)),
    augmented=datasets.with_quarter_shifts,
    view=datasets.enlarged,
)

DIGITS_LENET = Model(
    name="digits-lenet",
    version="1.0.0",
    description=(
        "Reads one handwritten decimal digit from a 28x28 picture of one channel, each pixel 0 (paper) to 15 (ink), by "
        "the convolutional network LeNet-5. 61,706 parameters; trained on 8x8 pictures enlarged to 28x28."
    ),
    input_name="pixels",
    input_shape=(1, 28, 28),
    data="digits",
    data_set=ENLARGED_DATA,
    held_out_share=0.2,
    recipe=lenet.Recipe(weight_bits=(6, 7, 8, 7, 6), schedule=Schedule(400, 0.005, decay=0.3, batches=120), seed=1),
    learn=lenet.train,
    augmented=datasets.with_quarter_shifts,
    view=datasets.enlarged,
    stacks=False,
    calibrated=True,
)

MODELS = (BREAST_CANCER, BREAST_CANCER_TREES, DIGITS, DIGITS_MLP, DIGITS_LENET)

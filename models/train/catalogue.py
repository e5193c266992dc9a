"""The models we publish: what each is trained on, how, and what its manifest says in words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import datasets
from datasets import Quantiser
from network import Recipe

Rows = np.ndarray
Labels = np.ndarray


@dataclass(frozen=True)
class Model:
    name: str
    version: str
    description: str
    input_name: str
    names_features: bool  # whether the manifest lists what each input column means
    data_set: str
    held_out_share: float
    recipe: Recipe
    quantiser: Callable[[Rows], Quantiser]  # fitted on training rows only
    augmented: Callable[[Rows, Labels], tuple[Rows, Labels]]  # applied to training rows only


BREAST_CANCER = Model(
    name="breast-cancer",
    version="1.0.0",
    description=(
        "Tells malignant from benign in 30 measurements of cell nuclei from a fine needle aspirate of a breast mass. "
        "A demonstration on public data from 1993, not a medical device."
    ),
    input_name="measurements",
    names_features=True,
    data_set="Breast Cancer Wisconsin (Diagnostic), UCI, doi:10.24432/C5DW2B",
    held_out_share=0.3,
    recipe=Recipe(hidden=16, hidden_bits=6, output_bits=5, steps=200, learning_rate=0.02, decay=3.0, seed=1),
    quantiser=lambda rows: datasets.standardise(rows, limit=64),
    augmented=lambda rows, labels: (rows, labels),
)

DIGITS = Model(
    name="digits",
    version="1.0.0",
    description=(
        "Reads one handwritten decimal digit from an 8x8 picture: 64 pixels, row by row, each 0 (paper) to 16 (ink)."
    ),
    input_name="pixels",
    names_features=False,
    data_set="Optical Recognition of Handwritten Digits (the 1,797 test pictures), UCI, doi:10.24432/C50P49",
    held_out_share=0.2,
    recipe=Recipe(hidden=64, hidden_bits=6, output_bits=5, steps=300, learning_rate=0.02, decay=0.5, seed=1),
    quantiser=lambda rows: datasets.identity(rows.shape[1], low=0, high=16),
    augmented=datasets.with_quarter_shifts,
)

MODELS = (BREAST_CANCER, DIGITS)

"""Training is exact, reproducible, and blind to the held-out rows. Run: python -m unittest (in this folder)."""

import dataclasses
import math
import unittest

import numpy as np
from onnx import ModelProto, ValueInfoProto
from sklearn.ensemble import GradientBoostingClassifier

import arithmetic
import datasets
import export
import lenet
import network
import publish
import train
import trees
from arithmetic import exact_product
from catalogue import BREAST_CANCER, BREAST_CANCER_TREES, DIGITS, DIGITS_LENET, DIGITS_MLP, MODELS, Model
from descent import Schedule, minimise
from lenet import Layer, LeNet
from network import Network
from trees import Branch, Ensemble, Leaf


def fitted(model: Model, data: datasets.DataSet, training: np.ndarray) -> bytes:
    """The ONNX file that the given rows lead to: every bit of what was learned."""
    return export.onnx_model(model, len(data.label_names), train.fit(model, data, training))


def shortened(model: Model, steps: int, seed: int = 1) -> Model:
    schedule = dataclasses.replace(model.recipe.schedule, steps=steps)
    return dataclasses.replace(model, recipe=dataclasses.replace(model.recipe, schedule=schedule, seed=seed))


class Split(unittest.TestCase):
    def test_sides_are_disjoint_complete_and_stratified(self):
        for model in MODELS:
            data = datasets.load(model.data)
            parts = datasets.split(data, model.held_out_share)
            both = np.concatenate([parts.training, parts.held_out])
            self.assertEqual(sorted(both), list(range(len(data.rows))))
            for label in range(len(data.label_names)):
                members = (data.labels == label).sum()
                self.assertEqual((data.labels[parts.held_out] == label).sum(), round(members * model.held_out_share))

    def test_refuses_data_in_which_a_row_would_be_on_both_sides(self):
        data = datasets.load("breast-cancer")
        same = dataclasses.replace(data, rows=np.ones_like(data.rows))
        with self.assertRaisesRegex(AssertionError, "both sides"):
            datasets.split(same, 0.3)

    def test_training_does_not_depend_on_held_out_rows_or_labels(self):
        data = datasets.load("breast-cancer")
        parts = datasets.split(data, BREAST_CANCER.held_out_share)
        rows, labels = data.rows.copy(), data.labels.copy()
        rows[parts.held_out], labels[parts.held_out] = np.nan, 1 - labels[parts.held_out]
        poisoned = dataclasses.replace(data, rows=rows, labels=labels)
        for model in (BREAST_CANCER, BREAST_CANCER_TREES):
            self.assertEqual(fitted(model, data, parts.training), fitted(model, poisoned, parts.training))


class Quantise(unittest.TestCase):
    def test_standardise_divides_by_the_nearest_power_of_two(self):
        # Mean 5, deviation 3: log2 3 = 1.58 rounds to 2, so one deviation of 4 is 2^4 units: scale 2^(4-2) = 4.
        quantiser = datasets.standardise(np.array([[2.0], [8.0]]), limit=64)
        self.assertEqual((quantiser.centre[0], quantiser.scale[0]), (5.0, 4.0))
        # (5.6 - 5) * 4 = 2.4 -> 2; (105 - 5) * 4 = 400 -> 64; (-95 - 5) * 4 -> -64
        self.assertEqual(quantiser.integers(np.array([[5.6], [105.0], [-95.0]])).ravel().tolist(), [2.0, 64.0, -64.0])

    def test_ties_go_to_the_even_neighbour_as_in_onnx_round(self):
        quantiser = datasets.identity(1, 0, 16)
        self.assertEqual(quantiser.integers(np.array([[0.5], [1.5], [2.5]])).ravel().tolist(), [0.0, 2.0, 2.0])

    def test_a_quarter_shift_moves_a_quarter_of_the_ink(self):
        picture = np.zeros((8, 8))
        picture[3, 4] = 16
        rows, labels = datasets.with_quarter_shifts(picture.reshape(1, 64), np.array([7]))
        self.assertEqual(labels.tolist(), [7] * 5)
        moved = [{(int(y), int(x)): int(copy[y, x]) for y, x in zip(*copy.nonzero())} for copy in rows.reshape(5, 8, 8)]
        self.assertEqual(moved[0], {(3, 4): 16})
        # 3/4 of 16 stays, 1/4 of 16 arrives at one neighbour.
        neighbours = [(4, 4), (2, 4), (3, 5), (3, 3)]
        self.assertEqual(moved[1:], [{(3, 4): 12, neighbour: 4} for neighbour in neighbours])


class Enlarge(unittest.TestCase):
    def test_a_pixel_falls_off_linearly_around_its_centre(self):
        picture = np.zeros((8, 8))
        picture[3] = 14  # a row of ink; only the height matters
        column = datasets.enlarged(picture.reshape(1, 64)).reshape(28, 28)[:, 14]
        # Row i of 28 lies at (4i - 5)/14 of 8, so row 3 is at i = 47/4; i = 8..15 lie 15, 11, 7, 3, 1, 5, 9, 13 fourteenths
        # away. 14 ink of 16 is 13.125 of 15 at its centre, times 1 - distance: 0, 2.8, 6.6, 10.3, 12.2, 8.4, 4.7, 0.9.
        self.assertEqual(column[7:17].tolist(), [0, 0, 3, 7, 10, 12, 8, 5, 1, 0])

    def test_paper_stays_paper_and_ink_stays_ink_to_the_edges(self):
        self.assertEqual(set(datasets.enlarged(np.zeros((1, 64))).ravel()), {0})
        self.assertEqual(set(datasets.enlarged(np.full((1, 64), 16.0)).ravel()), {15})

    def test_rows_keep_their_order_and_models_of_one_data_set_hold_out_the_same_rows(self):
        data = datasets.load("digits")
        views = DIGITS_MLP.view(data.rows[:3])
        self.assertEqual(views[1].tolist(), DIGITS_LENET.view(data.rows[1:2])[0].tolist())
        shares = {model.held_out_share for model in (DIGITS, DIGITS_MLP, DIGITS_LENET)}
        self.assertEqual(len(shares), 1)


class Arithmetic(unittest.TestCase):
    def test_exp_agrees_with_the_platform_to_1e_12(self):
        z = -np.linspace(0, 40, 4001)
        expected = np.array([math.exp(value) for value in z])
        self.assertLess(np.abs(arithmetic.exp(z) / expected - 1).max(), 1e-12)

    def test_exact_product_refuses_sums_that_could_round(self):
        with self.assertRaisesRegex(AssertionError, "may round"):
            exact_product(np.full((1, 2), 2.0**27), np.full((2, 1), 2.0**27))

    def test_logits_by_hand(self):
        net = Network(
            w1=np.array([[2.0, -1.0], [3.0, 1.0]]), b1=np.array([-4.0, 1.0]),
            w2=np.array([[1.0, -2.0], [5.0, 0.0]]), b2=np.array([7.0, 9.0]), hidden_bits=0, output_bits=0,
        )  # fmt: skip
        # x = (3, 1): 2*3+3*1-4 = 5; -3+1+1 = -1 -> 0; logits 1*5+5*0+7 = 12 and -2*5+0+9 = -1
        self.assertEqual(network.logits(net, np.array([[3.0, 1.0]])).tolist(), [[12.0, -1.0]])

    def test_gradient_agrees_with_finite_differences_of_the_cross_entropy(self):
        rows, targets = np.array([[8.0, 3.0], [5.0, 12.0]]), np.eye(2)
        w1, b1, w2, b2 = [[64.0], [-32.0]], [128.0], [[16.0, -8.0]], [512.0, 0.0]
        net = Network(*map(np.array, (w1, b1, w2, b2)), hidden_bits=6, output_bits=5)

        def loss(w2: np.ndarray) -> float:
            scores = network.logits(dataclasses.replace(net, w2=w2), rows) * 2.0**-net.logit_bits
            return -sum(math.log(math.exp(s[i]) / sum(map(math.exp, s))) for i, s in enumerate(scores))

        step = np.array([[1.0, 0.0]])
        slope = (loss(net.w2 + step) - loss(net.w2 - step)) / 2  # per unit of w2
        gradient = network._gradients(net, rows, targets)[2][0, 0]
        self.assertAlmostEqual(gradient * 2.0 ** -(20 + net.logit_bits), slope, delta=abs(slope) * 1e-3)

    def test_adam_by_hand(self):
        # The first step of Adam is the rate times the gradient's sign; matrices also shrink by rate * decay.
        seen = []

        def gradients(weights, rows):
            seen.append(range(6)[rows])
            return [np.array([[2.0]]), np.array([-3.0])]

        matrix, bias = minimise([np.array([[1.0]]), np.array([1.0])], gradients, Schedule(2, 0.5, decay=0.1, batches=3))
        # Rates 0.5 and 0.25, gradients constant: bias 1 + 0.5 + 0.25; matrix 1 - 0.5*(1 + 0.1) = 0.45, then - 0.25*(1 + 0.045)
        self.assertAlmostEqual(bias[0], 1.75)
        self.assertAlmostEqual(matrix[0, 0], 0.18875)
        self.assertEqual([list(rows) for rows in seen], [[0, 3], [1, 4]])

    def test_training_twice_gives_the_same_network(self):
        data = datasets.load("digits")
        for model in (DIGITS, DIGITS_MLP, DIGITS_LENET):
            first, second = (fitted(shortened(model, steps=3), data, np.arange(500)) for _ in range(2))
            self.assertEqual(first, second)
            self.assertNotEqual(first, fitted(shortened(model, steps=3, seed=2), data, np.arange(500)))


class LeNetTraining(unittest.TestCase):
    """A network of the real shape with weights drawn by a generator."""

    def setUp(self):
        generator = np.random.Generator(np.random.PCG64(3))
        recipe = DIGITS_LENET.recipe
        self.weights = [w + generator.integers(-9, 9, w.shape) / 64 * (w.ndim == 1) for w in lenet._initial(10, recipe)]
        self.net = lenet._rounded(self.weights, recipe)
        self.rows = generator.integers(0, 16, (2, 784)).astype(np.float64)

    def test_has_the_parameters_of_lenet_5(self):
        # 6*26 + 16*151 + 120*401 + 84*121 + 10*85
        self.assertEqual(sum(w.size for w in self.weights), 61_706)

    def test_windows_and_pooling_agree_with_loops(self):
        picture = np.arange(2 * 8 * 8 * 3).reshape(2, 8, 8, 3) * 7 % 50
        windows = lenet._windows(picture)
        expected = [picture[1, 2 + i, 3 + j, c] for c in range(3) for i in range(5) for j in range(5)]
        self.assertEqual(windows[1, 2, 3].tolist(), expected)
        largest, winners = lenet._pooled(picture)
        self.assertEqual(largest[1, 2, 3, 1], picture[1, 4:6, 6:8, 1].max())
        self.assertEqual(winners[1, 2, 3, 1], picture[1, 4:6, 6:8, 1].ravel().argmax())
        spread = lenet._spread(np.full(largest.shape, 5.0), winners)
        self.assertEqual((spread != 0).sum(), largest.size)
        self.assertEqual(spread[1, 4:6, 6:8, 1].ravel()[winners[1, 2, 3, 1]], 5)

    def test_overlaying_is_the_transpose_of_taking_windows(self):
        # <windows(x), y> = <x, overlaid(y)> for all x and y
        generator = np.random.Generator(np.random.PCG64(4))
        x, y = generator.integers(-9, 9, (2, 9, 8, 3)), generator.integers(-9, 9, (2, 5, 4, 75))
        self.assertEqual((lenet._windows(x) * y).sum(), (x * lenet._overlaid(y, y.shape)).sum())

    def test_fixed_point_scores_are_those_of_the_exported_network(self):
        onnx = export.onnx_model(DIGITS_LENET, 10, self.net)
        exposed = train._run(dataclasses.replace(DIGITS_LENET, view=lambda rows: rows), *_with_logits(onnx, self.rows))[0]
        scores = lenet._forward(self.net, self.rows)[0]
        # Activations are rounded to 2^-8; through the weights of three dense layers that stays far below this.
        self.assertLess(np.abs(scores - exposed).max(), 0.1)
        self.assertEqual(scores.argmax(axis=1).tolist(), exposed.argmax(axis=1).tolist())

    def test_gradients_agree_with_finite_differences_of_the_cross_entropy(self):
        targets = np.eye(10)[[3, 8]]
        gradients = lenet._gradients(self.net, self.rows, targets)

        def loss(layer: int, name: str, at: tuple, by: float) -> float:
            changed = getattr(self.net.layers[layer], name).copy()
            changed[at] += by
            layers = list(self.net.layers)
            layers[layer] = dataclasses.replace(layers[layer], **{name: changed})
            scores = lenet._forward(LeNet(tuple(layers)), self.rows)[0]
            return -sum(s[t.argmax()] - s.max() - math.log(np.exp(s - s.max()).sum()) for s, t in zip(scores, targets))

        for layer in range(lenet.LAYERS):
            for name, gradient in (("weights", gradients[2 * layer]), ("bias", gradients[2 * layer + 1])):
                at = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
                before: Layer = self.net.layers[layer]
                by = 1.0 if name == "weights" else 2.0 ** (before.sum_bits - 6)
                slope = (loss(layer, name, at, by) - loss(layer, name, at, -by)) / (2 * by)
                # A weight's gradient counts in units of its input, so both are per unit of 2^-sum_bits.
                expected = gradient[at] * 2.0 ** -(lenet.GRADIENT_BITS + before.sum_bits)
                with self.subTest(layer=layer, of=name):
                    self.assertAlmostEqual(slope / expected, 1, delta=0.1)


class Trees(unittest.TestCase):
    RECIPE = trees.Recipe(trees=1, depth=1, rate=1.0, penalty=0.25, bins=4, rows_least=1)

    def test_a_first_stump_by_hand(self):
        # All probabilities are 1/2, so a step is (ones - zeros) / 2 over (rows + 1) / 4: -1.5 for the zeros, 1 for the one.
        # The quantiles of 1, 2, 3, 10 lie between each two; 6.5 tells the labels apart.
        rows, labels = np.array([[7.0, 1.0], [7.0, 2.0], [7.0, 3.0], [7.0, 10.0]]), np.array([0, 0, 0, 1])
        (tree,) = trees.train(rows, labels, 2, self.RECIPE).trees
        self.assertEqual(tree, Branch(1, np.float32(6.5), yes=Leaf(-1536), no=Leaf(1024)))

    def test_leaves_have_enough_rows(self):
        rows, labels = np.arange(8.0).reshape(8, 1), np.array([0, 1, 1, 1, 1, 1, 1, 1])
        recipe = dataclasses.replace(self.RECIPE, bins=8, rows_least=3)
        (tree,) = trees.train(rows, labels, 2, recipe).trees
        self.assertEqual(tree.threshold, np.float32(2.5))

    def test_nothing_to_ask_gives_a_leaf(self):
        (tree,) = trees.train(np.ones((4, 1)), np.array([0, 0, 0, 1]), 2, self.RECIPE).trees
        # The step is (1 - 3)/2 over 5/4: -0.8.
        self.assertEqual(tree, Leaf(-819))

    def test_a_value_equal_to_a_threshold_goes_to_yes_and_zero_is_class_0(self):
        tree = Branch(0, np.float32(0.5), yes=Leaf(3), no=Leaf(-4))
        ensemble = Ensemble((tree, Leaf(-3)))
        self.assertEqual(ensemble.scores(np.array([[0.5], [0.75]])).tolist(), [0, -7])
        self.assertEqual(ensemble.labels(np.array([[0.5], [0.75]])).tolist(), [0, 0])

    def test_thresholds_lie_between_neighbouring_float32_numbers(self):
        low = np.float32(1)
        high = np.nextafter(low, np.float32(2))
        (cut,) = trees._cuts(np.array([low, high], np.float32), 2)
        self.assertTrue(low <= cut < high)

    def test_learns_about_as_well_as_scikit_learn(self):
        data = datasets.load("breast-cancer")
        parts = datasets.split(data, BREAST_CANCER_TREES.held_out_share)
        half, rest = parts.training[::2], parts.training[1::2]
        ours = train.fit(BREAST_CANCER_TREES, data, half)
        theirs = GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=1)
        theirs.fit(data.rows[half], data.labels[half])
        accuracy = (ours.labels(data.rows[rest]) == data.labels[rest]).mean()
        self.assertGreater(accuracy, theirs.score(data.rows[rest], data.labels[rest]) - 0.02)

    def test_training_twice_gives_the_same_trees_in_any_order_of_rows(self):
        data = datasets.load("breast-cancer")
        short = dataclasses.replace(BREAST_CANCER_TREES, recipe=dataclasses.replace(BREAST_CANCER_TREES.recipe, trees=5))
        rows = np.arange(300)
        self.assertEqual(fitted(short, data, rows), fitted(short, data, rows[::-1]))


class Calibration(unittest.TestCase):
    def test_ranges_are_rounded_outwards_to_eight_bits(self):
        # 1.0000001 -> 1 + 2^-7 (eight significant bits), 3.71 -> 238/64 = 3.71875, 0 -> 0, -1.0013 -> -(1 + 2^-7) below
        self.assertEqual([publish._outwards(v) for v in (1.0000001, 3.71, 0.0)], [1 + 2**-7, 3.71875, 0])
        self.assertEqual(-publish._outwards(1.0013), -(1 + 2**-7))
        self.assertEqual(publish._outwards(-0.88671875), -227 / 256)  # upwards, towards zero
        self.assertEqual(publish._outwards(15.0), 15)

    def test_covers_every_value_of_the_training_rows(self):
        net = lenet._rounded(lenet._initial(10, DIGITS_LENET.recipe), DIGITS_LENET.recipe)
        onnx = export.onnx_model(DIGITS_LENET, 10, net)
        rows = datasets.load("digits").rows[:50]
        ranges = train._ranges(DIGITS_LENET, onnx, rows)
        self.assertEqual(ranges["pixels"], (0.0, 15.0))
        tensors = ["pixels", "rounded", "quantised", "logits", "flat"]
        tensors += [f"sum{i}" for i in range(1, 5)] + [f"active{i}" for i in range(1, 5)] + ["pooled1", "pooled2"]
        self.assertEqual(set(ranges), set(tensors))


def _with_logits(onnx: bytes, rows: np.ndarray) -> tuple[bytes, np.ndarray, list[str]]:
    proto = ModelProto.FromString(onnx)
    proto.graph.output.extend([ValueInfoProto(name="logits")])
    return proto.SerializeToString(), rows, ["logits"]


class Card(unittest.TestCase):
    def test_wilson_interval_of_a_published_example(self):
        # 81 of 263: 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17, 857-872, table I, score method)
        low, high = publish._wilson(81, 263)
        self.assertAlmostEqual(low, 0.2553, places=4)
        self.assertAlmostEqual(high, 0.3662, places=4)


if __name__ == "__main__":
    unittest.main()

"""Each check of verify.py refuses the fault it is there for. Run: python -m unittest (in this folder)."""

import json
import shutil
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

import float_network
import verify
from float_network import Tensor
from folder import Folder, Refused

MODELS = Path(__file__).resolve().parent.parent
NAMES = sorted(path.parent.name for path in MODELS.glob("*/manifest.json"))


class Published(unittest.TestCase):
    def test_every_published_folder_passes_every_check(self):
        for name in NAMES:
            for check in verify.CHECKS:
                with self.subTest(model=name, check=check.__name__):
                    check(Folder(MODELS / name))

    def test_cards_count_the_parameters_right(self):
        for name in ("breast-cancer", "digits", "digits-mlp", "digits-lenet"):
            # Clip's bounds and the scaling of the input are not learned.
            count = sum(tensor.size for key, tensor in tensors(MODELS / name).items() if key[:1] in "wb" and key[1:].isdigit())
            self.assertIn(f"{count:,} parameters", (MODELS / name / "README.md").read_text())

    def test_no_neuron_of_the_large_networks_is_idle(self):
        """Weight decay can silence neurons, whose parameters are then none. Each has weights, and is heard."""
        for name in ("digits-mlp", "digits-lenet"):
            for key, weights in tensors(MODELS / name).items():
                if weights.ndim == 2:
                    self.assertTrue(weights.any(axis=0).all(), f"{name}: a neuron of {key} without weights")
                    self.assertTrue(key == "w1" or weights.any(axis=1).all(), f"{name}: a neuron that {key} does not hear")


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in Folder(path).graph().initializer}


class Tampering(unittest.TestCase):
    """Works on a copy of one published folder."""

    name: str

    def setUp(self):
        root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        self.path = root / self.name
        shutil.copytree(MODELS / self.name, self.path)

    def refused(self, check: Callable[[Folder], str], reason: str):
        with self.assertRaisesRegex(Refused, reason):
            check(Folder(self.path))

    def edit_json(self, file: str, edit: Callable[[dict], object]):
        path = self.path / file
        content = json.loads(path.read_bytes())
        edit(content)
        path.write_text(json.dumps(content))

    def edit_manifest(self, edit: Callable[[dict], object]):
        self.edit_json("manifest.json", edit)

    def edit_samples(self, edit: Callable[[list], object]):
        self.edit_json("samples.json", lambda content: edit(content["samples"]))

    def edit_graph(self, edit: Callable[[onnx.GraphProto], object]):
        path = self.path / "model.onnx"
        model = onnx.load_from_string(path.read_bytes())
        edit(model.graph)
        path.write_bytes(model.SerializeToString())

    def edit_tensor(self, name: str, edit: Callable[[np.ndarray], np.ndarray]):
        def replace(graph: onnx.GraphProto):
            tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(edit(numpy_helper.to_array(tensor))), name))

        self.edit_graph(replace)

    def edit_attribute(self, name: str, edit: Callable[[list], list]):
        def replace(graph: onnx.GraphProto):
            attributes = graph.node[0].attribute
            place = next(i for i, attribute in enumerate(attributes) if attribute.name == name)
            attributes[place].CopyFrom(helper.make_attribute(name, edit(list(helper.get_attribute_value(attributes[place])))))

        self.edit_graph(replace)


class TamperedPerceptron(Tampering):
    """breast-cancer is the folder whose graph has every operator of a perceptron."""

    name = "breast-cancer"

    def test_digests_refuses_one_flipped_bit_in_the_weights(self):
        content = bytearray((self.path / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (self.path / "model.onnx").write_bytes(content)
        self.refused(verify.digests, "another SHA-256")

    def test_digests_refuses_a_longer_file(self):
        with (self.path / "model.onnx").open("ab") as file:
            file.write(b"\0")
        self.refused(verify.digests, "bytes, not")

    def test_digests_refuses_samples_that_were_exchanged(self):
        text = (self.path / "samples.json").read_text()
        (self.path / "samples.json").write_text(text.replace('"label": 0', '"label": 1', 1))
        self.refused(verify.digests, "samples.json has another SHA-256")

    def test_contract_refuses_an_unknown_key(self):
        self.edit_manifest(lambda manifest: manifest.update(extra=True))
        self.refused(verify.contract, "keys")

    def test_contract_refuses_another_input_width(self):
        self.edit_manifest(lambda manifest: manifest["inputs"][0].update(shape=[-1, 31]))
        self.refused(verify.contract, "declares")

    def test_contract_refuses_a_missing_feature_name(self):
        self.edit_manifest(lambda manifest: manifest["inputs"][0]["features"].pop())
        self.refused(verify.contract, "one name per feature")

    def test_contract_refuses_another_opset(self):
        self.edit_manifest(lambda manifest: manifest["engine"].update(opset=18))
        self.refused(verify.contract, "needs")

    def test_accuracy_refuses_a_flattering_figure(self):
        self.edit_manifest(lambda manifest: manifest["accuracy"].update(value=1.0))
        self.refused(verify.accuracy, "is not 1.0")

    def test_accuracy_refuses_a_smaller_held_out_set(self):
        self.edit_manifest(lambda manifest: manifest["accuracy"].update(heldOut=100))
        self.refused(verify.accuracy, "samples, not 100")

    def test_accuracy_refuses_a_recorded_prediction_that_the_model_does_not_give(self):
        self.edit_samples(lambda samples: samples[0].update(predicted=1 - samples[0]["predicted"]))
        self.refused(verify.accuracy, "recorded prediction")

    def test_accuracy_refuses_a_truth_that_was_changed(self):
        self.edit_samples(lambda samples: samples[0].update(label=1 - samples[0]["label"]))
        self.refused(verify.accuracy, "is not")

    def test_exactness_refuses_a_weight_that_is_no_multiple_of_a_coarse_unit(self):
        self.edit_tensor("w1", lambda values: values + np.float32(2**-22))
        self.refused(verify.exactness, "a sum can reach")

    def test_exactness_refuses_a_bias_that_is_finer_than_its_unit(self):
        self.edit_tensor("b2", lambda values: values + np.float32(2**-18))
        self.refused(verify.exactness, "finer than")

    def test_exactness_refuses_weights_wider_than_8_bits(self):
        def widen(values: np.ndarray) -> np.ndarray:
            return np.where(values == values.max(), np.float32(128 * 2**-5), values)  # 128 units of 2^-5

        self.edit_tensor("w2", widen)
        self.refused(verify.exactness, "wider than 8 bits")

    def test_exactness_refuses_a_clip_so_wide_that_sums_round(self):
        self.edit_tensor("high", lambda _: np.float32(2**20))
        self.refused(verify.exactness, "a sum can reach")

    def test_exactness_refuses_an_unknown_operator(self):
        self.edit_graph(lambda graph: setattr(graph.node[5], "op_type", "Sigmoid"))
        self.refused(verify.exactness, "the graph is")

    def test_exactness_refuses_a_graph_that_goes_round_the_quantiser(self):
        gemm = 4
        self.edit_graph(lambda graph: graph.node[gemm].input.__setitem__(0, "scaled"))
        self.refused(verify.exactness, "not a chain")

    def test_batching_refuses_a_model_whose_rows_see_each_other(self):
        def multiply_by_the_batch_mean(graph: onnx.GraphProto):
            graph.node[-1].input[0] = graph.node[-2].input[0] = "shifted"
            mean = helper.make_node("ReduceMean", ["logits"], ["mean"], axes=[0, 1], keepdims=1)
            graph.node.insert(len(graph.node) - 2, mean)
            times = helper.make_node("Mul", ["logits", "mean"], ["shifted"])
            graph.node.insert(len(graph.node) - 2, times)

        self.edit_graph(multiply_by_the_batch_mean)
        self.refused(verify.batching, "change an answer")

    def test_circuit_refuses_another_models_circuit(self):
        self.edit_json("circuit.json", lambda circuit: circuit["hashes"].update(onnx="0" * 64))
        self.refused(verify.circuit, "another model.onnx")

    def test_circuit_refuses_figures_of_other_predictions(self):
        self.edit_json("circuit.json", lambda circuit: circuit["accuracy"].update(floatCorrect=169))
        self.refused(verify.circuit, "other predictions")

    def test_circuit_refuses_less_agreement_than_99_in_100(self):
        self.edit_json("circuit.json", lambda circuit: circuit["accuracy"].update(agreement=169))  # 169/171 is 0.988
        self.refused(verify.circuit, "99 in 100")


class TamperedTrees(Tampering):
    name = "breast-cancer-trees"

    def test_exactness_refuses_a_leaf_so_fine_that_sums_round(self):
        self.edit_attribute("class_weights", lambda weights: [weights[0] + 2.0**-24, *weights[1:]])
        self.refused(verify.exactness, "a sum can reach")

    def test_exactness_refuses_votes_that_onnxruntime_scores_another_way(self):
        # With the id 1 it answers the scores 0 and s.
        self.edit_attribute("class_ids", lambda ids: [1] * len(ids))
        self.refused(verify.exactness, "other scores")
        self.edit_attribute("class_ids", lambda ids: [0] * len(ids))
        # Of positive votes alone it makes the scores 1 - s and s.
        self.edit_attribute("class_weights", lambda weights: [abs(weight) for weight in weights])
        self.refused(verify.exactness, "other scores")

    def test_exactness_refuses_another_kind_of_question(self):
        modes = {b"BRANCH_LEQ": b"BRANCH_GT"}
        self.edit_attribute("nodes_modes", lambda names: [modes.get(name, name) for name in names])
        self.refused(verify.exactness, "BRANCH_GT")

    def test_exactness_refuses_a_leaf_without_a_vote(self):
        for name in ("class_ids", "class_nodeids", "class_treeids", "class_weights"):
            self.edit_attribute(name, lambda values: values[:-1])
        self.refused(verify.exactness, "a leaf without a vote")

    def test_exactness_refuses_an_operator_after_the_scores(self):
        self.edit_graph(lambda graph: setattr(graph.node[1], "op_type", "Softmax"))
        self.refused(verify.exactness, "the graph is")

    def test_accuracy_refuses_thresholds_that_were_moved(self):
        self.edit_attribute("nodes_values", lambda values: [0.0] * (len(values) // 2) + values[len(values) // 2 :])
        self.refused(verify.accuracy, "recorded prediction|is not")

    def test_contract_refuses_another_tree_operator_set(self):
        path = self.path / "model.onnx"
        model = onnx.load_from_string(path.read_bytes())
        model.opset_import[1].version = 1
        path.write_bytes(model.SerializeToString())
        self.refused(verify.contract, "needs")


class TamperedLeNet(Tampering):
    name = "digits-lenet"

    def test_view_refuses_a_sample_that_is_not_its_picture(self):
        self.edit_samples(lambda samples: samples[3]["values"].__setitem__(400, 15 - samples[3]["values"][400]))
        self.refused(verify.view, "not its picture enlarged")

    def test_view_refuses_samples_some_of_which_hide_their_picture(self):
        self.edit_samples(lambda samples: samples[3].pop("published"))
        self.refused(verify.view, "some do not")

    def test_exactness_refuses_weights_wider_than_8_bits(self):
        self.edit_tensor("w3", lambda values: values + np.float32(2**-20))
        self.refused(verify.exactness, "w3 is wider than 8 bits")

    def test_exactness_refuses_labels_that_hang_on_rounding(self):
        # Two classes with the same neuron: whichever is first, nothing is ahead of both.
        def twice(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values[..., :9], values[..., 8:9]], axis=-1)

        self.edit_tensor("w5", twice)
        self.edit_tensor("b5", twice)
        self.refused(verify.exactness, "rounding could change")

    def test_exactness_refuses_a_graph_that_goes_round_a_layer(self):
        self.edit_graph(lambda graph: graph.node[11].input.__setitem__(0, "active3x"))
        self.refused(verify.exactness, "not a chain")

    def test_exactness_refuses_other_pooling(self):
        pool = 4

        def stride(graph: onnx.GraphProto):
            next(a for a in graph.node[pool].attribute if a.name == "strides").ints[:] = [1, 1]

        self.edit_graph(stride)
        self.refused(verify.exactness, "pooling")

    def test_circuit_refuses_another_models_calibration(self):
        self.edit_json("calibration.json", lambda calibration: calibration.update(onnx="0" * 64))
        self.refused(verify.circuit, "calibration is of another model.onnx")

    def test_circuit_refuses_ranges_that_it_was_not_compiled_from(self):
        self.edit_json("calibration.json", lambda calibration: calibration["ranges"]["active3"].__setitem__(1, 99))
        self.refused(verify.circuit, "another calibration")

    def test_circuit_refuses_a_range_of_nothing(self):
        self.edit_json("calibration.json", lambda calibration: calibration["ranges"].update(ghost=[0, 1]))
        self.refused(verify.circuit, "does not have")
        self.edit_json("calibration.json", lambda calibration: calibration["ranges"].pop("ghost"))
        self.edit_json("calibration.json", lambda calibration: calibration["ranges"].update(flat=[1, 0]))
        self.refused(verify.circuit, "ends before it begins")


class FloatBounds(unittest.TestCase):
    def test_a_sum_of_integers_that_float32_holds_is_off_by_nothing(self):
        x = Tensor(np.array([[3.0, 5.0]]), np.zeros((1, 2)), 1.0)
        sums = float_network._summed(x, np.array([[0.5], [0.25]], np.float32), np.array([0.125], np.float32))
        self.assertEqual((sums.values[0, 0], sums.errors[0, 0], sums.unit), (2.875, 0.0, 0.125))

    def test_a_sum_that_may_round_is_off_by_no_more_than_the_bound(self):
        generator = np.random.Generator(np.random.PCG64(5))
        x, weights = generator.standard_normal((50, 300)).astype(np.float32), generator.standard_normal((300, 4)).astype(np.float32)
        exact = Tensor(x.astype(np.float64), np.zeros(x.shape), 2.0**-149)
        sums = float_network._summed(exact, weights, np.zeros(4, np.float32))
        one_by_one = np.zeros((50, 4), np.float32)
        for k in range(300):  # the worst order: one accumulator
            one_by_one += x[:, k : k + 1] * weights[k]
        off = np.abs(one_by_one - sums.values)
        self.assertTrue((off <= sums.errors).all() and off.max() > 0)

    def test_an_error_grows_with_the_weights_and_dies_below_zero(self):
        x = Tensor(np.array([[1.0, 2.0]]), np.array([[0.1, 0.2]]), 1.0)
        sums = float_network._summed(x, np.array([[3.0, -9.0], [-1.0, 0.0]], np.float32), np.zeros(2, np.float32))
        self.assertAlmostEqual(sums.errors[0, 0], 0.1 * 3 + 0.2 * 1, places=5)
        self.assertEqual(float_network._relu(sums, [], {}).errors[0, 1], 0)


if __name__ == "__main__":
    unittest.main()

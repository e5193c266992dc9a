// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Groth16Verifier } from "../src/Groth16Verifier.sol";
import { VerificationKeyRegistry } from "../src/VerificationKeyRegistry.sol";
import { Shipped } from "./support/Shipped.sol";
import { ToyProver } from "./support/ToyProver.sol";

/// @notice The verifier against vectors/zk/groth16-v1.json, whose proofs an independent pairing made and checked, and
/// against proofs made here.
contract Groth16VerifierTest is Shipped, ToyProver {
  uint256 private constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

  VerificationKeyRegistry private keys;
  Groth16Verifier private verifier;
  bytes32 private vkId;
  string private json;

  function setUp() public {
    keys = _newVerificationKeyRegistry(false);
    verifier = _newGroth16Verifier(keys);
    _loadToyKey();
    vkId = keys.register(ceremonyKey);
    json = vm.readFile("../vectors/zk/groth16-v1.json");
  }

  // ---------------------------------------------------------------- vectors

  function test_takes_every_proof_of_the_vectors() public {
    bytes32 one = keys.register(vm.parseJsonBytes(json, ".keys[2].bytes"));
    uint256 count = _lengthOf(".proofs");
    vm.assertEq(count, 4, "proofs");
    for (uint256 i = 0; i < count; ++i) {
      string memory path = _at(".proofs", i);
      bytes32 id = _is(string.concat(path, ".key"), "one") ? one : vkId;
      bytes memory proof = vm.parseJsonBytes(json, string.concat(path, ".proof"));
      uint256[] memory signals = _signals(path);
      vm.assertTrue(verifier.verify(id, signals, proof), path);
      vm.assertEq(
        keccak256(abi.encodePacked(signals)), vm.parseJsonBytes32(json, string.concat(path, ".statementHash")), "hash"
      );
    }
  }

  function test_refuses_every_refused_proof_of_the_vectors() public view {
    uint256 count = _lengthOf(".refusedProofs");
    vm.assertEq(count, 18, "refused proofs");
    for (uint256 i = 0; i < count; ++i) {
      string memory path = _at(".refusedProofs", i);
      bytes memory proof = vm.parseJsonBytes(json, string.concat(path, ".proof"));
      string memory why = vm.parseJsonString(json, string.concat(path, ".why"));
      vm.assertFalse(_verify(_signals(path), proof), why);
    }
  }

  function test_takes_a_proof_of_snarkjs_and_of_no_other_context() public {
    string memory real = vm.readFile("../vectors/zk/groth16-snarkjs-v1.json");
    bytes32 id = keys.register(vm.parseJsonBytes(real, ".keyBytes"));
    vm.assertEq(id, vm.parseJsonBytes32(real, ".vkId"), "id");
    bytes memory proof = vm.parseJsonBytes(real, ".proofBytes");
    uint256[] memory signals = new uint256[](4);
    for (uint256 i = 0; i < 4; ++i) {
      signals[i] = uint256(vm.parseJsonBytes32(real, _at(".signals", i)));
    }
    vm.assertTrue(verifier.verify(id, signals, proof), "holds");
    for (uint256 i = 0; i < 4; ++i) {
      signals[i] ^= 1;
      vm.assertFalse(verifier.verify(id, signals, proof), "the context too, which is in no constraint");
      signals[i] ^= 1;
    }
  }

  // ---------------------------------------------------------------- one proof

  function testFuzz_takes_a_proof_for_its_signals(uint256[4] memory signals, uint256 a) public view {
    (uint256[] memory list, bytes memory proof) = _prove(_reduced(signals), bound(a, 1, R - 1));
    vm.assertTrue(_verify(list, proof), "holds");
  }

  function testFuzz_refuses_any_flipped_bit_of_a_proof(uint256 bit) public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    bit = bound(bit, 0, 2047);
    proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    vm.assertFalse(_verify(list, proof), "flipped");
  }

  function testFuzz_refuses_any_other_value_of_any_signal(uint256[4] memory signals, uint256 which, uint256 value)
    public
    view
  {
    (uint256[] memory list, bytes memory proof) = _prove(_reduced(signals), 7);
    which = bound(which, 0, 3);
    vm.assume(list[which] != value);
    list[which] = value;
    vm.assertFalse(_verify(list, proof), "another value");
  }

  /// @dev s and s + r, s + 2r and so on mean the same to the pairing, and must not to the ledger.
  function test_refuses_a_signal_that_is_not_reduced() public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    for (uint256 which = 0; which < 4; ++which) {
      for (uint256 times = 1; times < 5; ++times) {
        list[which] += R;
        vm.assertFalse(_verify(list, proof), "not reduced");
      }
      list[which] = which + 1;
    }
    vm.assertTrue(_verify(list, proof), "restored");
  }

  function test_anybody_makes_another_proof_of_the_same_statement() public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    (, bytes memory other) = _prove([uint256(1), 2, 3, 4], 6);
    vm.assertTrue(keccak256(proof) != keccak256(other), "other bytes");
    vm.assertTrue(_verify(list, proof) && _verify(list, other), "both hold");
  }

  function test_refuses_wrong_lengths() public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    vm.assertFalse(_verify(list, ""), "no proof");
    vm.assertFalse(_verify(new uint256[](0), ""), "nothing at all");
    vm.assertFalse(_verify(list, bytes.concat(proof, hex"00")), "a byte more");
    vm.assertFalse(_verify(new uint256[](3), proof), "a signal less");
    vm.assertFalse(_verify(new uint256[](5), proof), "a signal more");
    vm.assertFalse(_verify(list, bytes.concat(proof, proof)), "two proofs of one");
    vm.assertFalse(_verify(new uint256[](8), proof), "one proof of two");
    bytes memory short = proof;
    assembly {
      mstore(short, 255)
    }
    vm.assertFalse(_verify(list, short), "a byte less");
  }

  function test_a_key_nobody_registered_is_an_error_and_not_an_answer() public {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    bytes32 unknown = keccak256(devKey);
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.KeyUnknown.selector, unknown));
    verifier.verify(unknown, list, proof);
  }

  /// @dev A bad B burns what the pairing was given; the answer is still false and not a revert.
  function test_says_no_whatever_gas_a_bad_point_burns() public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    proof[100] ^= 0x01;
    vm.assertFalse(verifier.verify{ gas: 400_000 }(vkId, list, proof), "little");
    vm.assertFalse(verifier.verify{ gas: 16_000_000 }(vkId, list, proof), "much");
  }

  // ---------------------------------------------------------------- many proofs

  function test_takes_batches_of_1_to_40_and_any_order() public view {
    for (uint256 count = 1; count <= 40; count += 3) {
      (uint256[] memory signals, bytes memory proofs) = _batch(count, count);
      vm.assertTrue(_verify(signals, proofs), "batch");
    }
  }

  function testFuzz_one_wrong_signal_anywhere_sinks_a_batch(uint256 seed, uint256 size, uint256 where, uint256 by)
    public
    view
  {
    uint256 count = bound(size, 2, 12);
    (uint256[] memory signals, bytes memory proofs) = _batch(count, seed);
    where = bound(where, 0, signals.length - 1);
    signals[where] = addmod(signals[where], bound(by, 1, R - 1), R);
    vm.assertFalse(_verify(signals, proofs), "wrong");
  }

  function testFuzz_any_flipped_bit_anywhere_sinks_a_batch(uint256 seed, uint256 size, uint256 bit) public view {
    uint256 count = bound(size, 2, 8);
    (uint256[] memory signals, bytes memory proofs) = _batch(count, seed);
    bit = bound(bit, 0, proofs.length * 8 - 1);
    proofs[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    vm.assertFalse(_verify(signals, proofs), "flipped");
  }

  /// @dev What a sum without coefficients would take: two errors that cancel.
  function test_errors_that_cancel_do_not_pass() public view {
    (uint256[] memory signals, bytes memory proofs) = _batch(4, 1);
    for (uint256 i = 0; i < 3; ++i) {
      for (uint256 j = i + 1; j < 4; ++j) {
        uint256[] memory moved = new uint256[](16);
        for (uint256 k = 0; k < 16; ++k) {
          moved[k] = signals[k];
        }
        (moved[4 * i], moved[4 * j]) = (addmod(moved[4 * i], 1, R), addmod(moved[4 * j], R - 1, R));
        vm.assertFalse(_verify(moved, proofs), "plus one and minus one");
        (moved[4 * i], moved[4 * j]) = (signals[4 * j], signals[4 * i]);
        vm.assertFalse(_verify(moved, proofs), "swapped");
      }
    }
  }

  function test_a_batch_of_one_proof_many_times_is_as_good_as_the_proof() public view {
    (uint256[] memory list, bytes memory proof) = _prove([uint256(1), 2, 3, 4], 5);
    uint256[] memory twice = new uint256[](8);
    for (uint256 i = 0; i < 8; ++i) {
      twice[i] = list[i % 4];
    }
    vm.assertTrue(_verify(twice, bytes.concat(proof, proof)), "twice");
  }

  // ---------------------------------------------------------------- inside

  function _verify(uint256[] memory signals, bytes memory proofs) private view returns (bool) {
    return verifier.verify{ gas: 10_000_000 }(vkId, signals, proofs);
  }

  function _batch(uint256 count, uint256 seed) private view returns (uint256[] memory signals, bytes memory proofs) {
    signals = new uint256[](4 * count);
    for (uint256 i = 0; i < count; ++i) {
      uint256[4] memory own;
      for (uint256 j = 0; j < 4; ++j) {
        own[j] = uint256(keccak256(abi.encode(seed, i, j))) % R;
        signals[4 * i + j] = own[j];
      }
      (, bytes memory proof) = _prove(own, 1 + uint256(keccak256(abi.encode(seed, i))) % (R - 1));
      proofs = bytes.concat(proofs, proof);
    }
  }

  function _reduced(uint256[4] memory signals) private pure returns (uint256[4] memory) {
    for (uint256 i = 0; i < 4; ++i) {
      signals[i] %= R;
    }
    return signals;
  }

  function _signals(string memory path) private view returns (uint256[] memory signals) {
    string memory list = string.concat(path, ".signals");
    signals = new uint256[](_lengthOf(list));
    for (uint256 i = 0; i < signals.length; ++i) {
      signals[i] = uint256(vm.parseJsonBytes32(json, _at(list, i)));
    }
  }

  function _lengthOf(string memory path) private view returns (uint256 length) {
    while (vm.keyExistsJson(json, _at(path, length))) {
      ++length;
    }
  }

  function _at(string memory path, uint256 index) private pure returns (string memory) {
    return string.concat(path, "[", vm.toString(index), "]");
  }

  function _is(string memory path, string memory value) private view returns (bool) {
    return keccak256(bytes(vm.parseJsonString(json, path))) == keccak256(bytes(value));
  }
}

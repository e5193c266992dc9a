// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { BatchHeader } from "../src/libraries/BatchHeader.sol";
import { InclusionProof, MerkleSum } from "../src/libraries/MerkleSum.sol";
import { Test } from "./support/Test.sol";
import { Tree } from "./support/Tree.sol";

contract MerkleSumTest is Test {
  uint256 private constant CHAIN_ID = 84_532;
  address private constant LOG = address(0xA0001);

  /// @dev Entry point for calldata arguments.
  function includes(BatchHeader calldata header, bytes32 receiptHash, InclusionProof calldata proof)
    external
    pure
    returns (bool)
  {
    return MerkleSum.includes(header, CHAIN_ID, LOG, receiptHash, proof);
  }

  function test_every_leaf_of_every_tree_of_1_to_70_is_included_and_no_neighbour_of_the_truth_is() public view {
    for (uint32 count = 1; count <= 70; ++count) {
      for (uint32 i = 0; i < count; ++i) {
        this.checkLeaf(count, i);
      }
    }
  }

  /// @dev A call of its own per leaf, because memory is never given back within one.
  function checkLeaf(uint32 count, uint32 index) external view {
    _checkLeaf(_tree(count, count), count, index);
  }

  /// forge-config: default.fuzz.runs = 100
  /// forge-config: test.fuzz.runs = 100
  function testFuzz_a_leaf_of_a_random_tree_is_included_and_no_neighbour_of_the_truth_is(
    uint256 countSeed,
    uint256 index,
    uint256 seed
  ) public view {
    uint32 count = uint32(bound(countSeed, 1, 400));
    _checkLeaf(_tree(count, seed), seed, uint32(bound(index, 0, count - 1)));
  }

  function testFuzz_no_made_up_path_is_included(uint256 seed, bytes32 receiptHash, uint256 length) public view {
    uint32 count = uint32(bound(seed, 1, 300));
    BatchHeader memory header = _header(_tree(count, seed));
    InclusionProof memory proof;
    proof.index = uint32(bound(uint256(receiptHash), 0, count - 1));
    proof.siblings = new bytes32[](bound(length, 0, 9));
    proof.sums = new uint128[](proof.siblings.length);
    for (uint256 i = 0; i < proof.siblings.length; ++i) {
      proof.siblings[i] = keccak256(abi.encode(seed, receiptHash, i));
    }
    vm.assertFalse(this.includes(header, receiptHash, proof), "made up");
  }

  /// @dev (0 1) 2: leaf 2 is promoted once, so its whole proof is the inner node over 0 and 1.
  function test_a_promoted_leaf_has_one_sibling_in_a_tree_of_three() public view {
    bytes32 receiptHash = keccak256("c");
    bytes32 leaf = _leaf(receiptHash, 3);
    bytes32 inner = keccak256("inner");
    BatchHeader memory header;
    header.root = keccak256(bytes.concat(hex"01", inner, bytes16(uint128(4)), leaf, bytes16(uint128(3))));
    header.total = 7;
    header.count = 3;
    InclusionProof memory proof = InclusionProof(3, 2, new bytes32[](1), new uint128[](1));
    proof.siblings[0] = inner;
    proof.sums[0] = 4;
    vm.assertTrue(this.includes(header, receiptHash, proof), "promoted");
    // The same path in a batch of another size is another shape.
    header.count = 4;
    vm.assertFalse(this.includes(header, receiptHash, proof), "count 4");
    header.count = 2;
    vm.assertFalse(this.includes(header, receiptHash, proof), "count 2");
  }

  function test_the_sum_of_a_single_leaf_is_bound_by_the_leaf_itself() public view {
    bytes32 receiptHash = keccak256("only");
    BatchHeader memory header;
    (header.root, header.total, header.count) = (_leaf(receiptHash, 5), 5, 1);
    InclusionProof memory proof = InclusionProof(5, 0, new bytes32[](0), new uint128[](0));
    vm.assertTrue(this.includes(header, receiptHash, proof), "the only leaf");
    (proof.collected, header.total) = (6, 6);
    vm.assertFalse(this.includes(header, receiptHash, proof), "another sum, in leaf and header alike");
  }

  function test_sums_that_leave_uint128_are_refused() public view {
    uint128 max = type(uint128).max;
    bytes32 receiptHash = keccak256("left");
    bytes32 left = _leaf(receiptHash, max);
    bytes32 right = keccak256("right");
    InclusionProof memory proof = InclusionProof(max, 0, new bytes32[](1), new uint128[](1));
    proof.siblings[0] = right;
    BatchHeader memory header;
    header.count = 2;
    // The largest sum that fits is taken.
    header.root = keccak256(bytes.concat(hex"01", left, bytes16(max), right, bytes16(uint128(0))));
    header.total = max;
    vm.assertTrue(this.includes(header, receiptHash, proof), "max + 0");
    // One more would wrap to a total of 0.
    proof.sums[0] = 1;
    header.root = keccak256(bytes.concat(hex"01", left, bytes16(max), right, bytes16(uint128(1))));
    header.total = 0;
    vm.assertFalse(this.includes(header, receiptHash, proof), "max + 1 wraps to 0");
  }

  function testFuzz_leaf_and_node_follow_the_text(
    bytes32 a,
    uint128 x,
    bytes32 b,
    uint128 y,
    uint256 chain,
    address log
  ) public pure {
    bytes32 node = keccak256(bytes.concat(hex"01", a, bytes16(x), b, bytes16(y)));
    vm.assertEq(MerkleSum.node(a, x, b, y), node, "node");
    bytes32 leaf = keccak256(bytes.concat(hex"00", bytes32(chain), bytes20(log), a, bytes16(x)));
    vm.assertEq(MerkleSum.leaf(chain, log, a, x), leaf, "leaf");
  }

  /// @dev The leaf is included with its own proof, and with nothing that differs from it in one place.
  function _checkLeaf(Tree.Level[] memory levels, uint256 seed, uint32 index) private view {
    BatchHeader memory header = _header(levels);
    bytes32 receiptHash = _receiptHash(seed, index);
    InclusionProof memory proof = Tree.prove(levels, index);
    vm.assertTrue(this.includes(header, receiptHash, proof), "included");

    vm.assertFalse(this.includes(header, ~receiptHash, proof), "another receipt");
    header.root = ~header.root;
    vm.assertFalse(this.includes(header, receiptHash, proof), "another root");
    header.root = ~header.root;
    header.total += 1;
    vm.assertFalse(this.includes(header, receiptHash, proof), "another total");
    proof.collected += 1;
    vm.assertFalse(this.includes(header, receiptHash, proof), "another price and total");
    header.total -= 1;
    vm.assertFalse(this.includes(header, receiptHash, proof), "another price");
    proof.collected -= 1;

    _checkOtherPlaces(header, receiptHash, proof);
    _checkOtherPaths(header, receiptHash, proof);
    vm.assertTrue(this.includes(header, receiptHash, proof), "restored");
  }

  function _checkOtherPlaces(BatchHeader memory header, bytes32 receiptHash, InclusionProof memory proof) private view {
    (uint32 index, uint32 count) = (proof.index, header.count);
    for (uint32 step = 1; step <= 512; step *= 2) {
      proof.index = index ^ step;
      vm.assertFalse(this.includes(header, receiptHash, proof), "another index");
    }
    proof.index = count;
    vm.assertFalse(this.includes(header, receiptHash, proof), "past the end");
    proof.index = type(uint32).max;
    vm.assertFalse(this.includes(header, receiptHash, proof), "far past the end");
    proof.index = index;
    header.count = 0;
    vm.assertFalse(this.includes(header, receiptHash, proof), "an empty batch");
    header.count = count;
  }

  function _checkOtherPaths(BatchHeader memory header, bytes32 receiptHash, InclusionProof memory proof) private view {
    (bytes32[] memory siblings, uint128[] memory sums) = (proof.siblings, proof.sums);
    uint256 depth = siblings.length;
    proof.siblings = _resized(siblings, depth + 1);
    proof.sums = _resized(sums, depth + 1);
    vm.assertFalse(this.includes(header, receiptHash, proof), "one sibling too many");
    proof.sums = sums;
    vm.assertFalse(this.includes(header, receiptHash, proof), "a sibling without a sum");
    (proof.siblings, proof.sums) = (siblings, _resized(sums, depth + 1));
    vm.assertFalse(this.includes(header, receiptHash, proof), "a sum without a sibling");
    proof.sums = sums;
    if (depth == 0) return;

    proof.siblings = _resized(siblings, depth - 1);
    proof.sums = _resized(sums, depth - 1);
    vm.assertFalse(this.includes(header, receiptHash, proof), "one sibling too few");
    (proof.siblings, proof.sums) = (siblings, sums);
    for (uint256 d = 0; d < depth; ++d) {
      siblings[d] = ~siblings[d];
      vm.assertFalse(this.includes(header, receiptHash, proof), "another sibling");
      siblings[d] = ~siblings[d];
      sums[d] += 1;
      vm.assertFalse(this.includes(header, receiptHash, proof), "another sibling sum");
      header.total += 1;
      vm.assertFalse(this.includes(header, receiptHash, proof), "another sibling sum and total");
      header.total -= 1;
      sums[d] -= 1;
    }
    for (uint256 d = 1; d < depth; ++d) {
      _swap(siblings, sums, d);
      vm.assertFalse(this.includes(header, receiptHash, proof), "a swapped pair");
      _swap(siblings, sums, d);
    }
  }

  function _swap(bytes32[] memory siblings, uint128[] memory sums, uint256 d) private pure {
    (siblings[d - 1], siblings[d]) = (siblings[d], siblings[d - 1]);
    (sums[d - 1], sums[d]) = (sums[d], sums[d - 1]);
  }

  function _tree(uint32 count, uint256 seed) private pure returns (Tree.Level[] memory) {
    bytes32[] memory leaves = new bytes32[](count);
    uint128[] memory sums = new uint128[](count);
    for (uint256 i = 0; i < count; ++i) {
      bytes32 receiptHash = _receiptHash(seed, i);
      // Every third leaf is void.
      sums[i] = i % 3 == 1 ? 0 : uint128(uint64(uint256(receiptHash)));
      leaves[i] = _leaf(receiptHash, sums[i]);
    }
    return Tree.build(leaves, sums);
  }

  function _header(Tree.Level[] memory levels) private pure returns (BatchHeader memory header) {
    (header.root, header.total) = Tree.root(levels);
    header.count = uint32(levels[0].hashes.length);
  }

  function _receiptHash(uint256 seed, uint256 index) private pure returns (bytes32) {
    return keccak256(abi.encode(seed, index));
  }

  /// @dev By the text of design section 6, not by the library.
  function _leaf(bytes32 receiptHash, uint128 sum) private pure returns (bytes32) {
    return keccak256(bytes.concat(hex"00", bytes32(CHAIN_ID), bytes20(LOG), receiptHash, bytes16(sum)));
  }

  function _resized(bytes32[] memory from, uint256 length) private pure returns (bytes32[] memory to) {
    to = new bytes32[](length);
    for (uint256 i = 0; i < length && i < from.length; ++i) {
      to[i] = from[i];
    }
  }

  function _resized(uint128[] memory from, uint256 length) private pure returns (uint128[] memory to) {
    to = new uint128[](length);
    for (uint256 i = 0; i < length && i < from.length; ++i) {
      to[i] = from[i];
    }
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { BatchHeader } from "./BatchHeader.sol";

/// @notice Where a leaf lies in its batch. `siblings` and `sums` run from the leaf upwards and hold no entry for a
/// level at which the node is promoted.
struct InclusionProof {
  uint128 collected;
  uint32 index;
  bytes32[] siblings;
  uint128[] sums;
}

/// @title Positional Merkle-sum tree of a batch (design section 6)
/// @dev Pairs are taken left to right; an odd last node is promoted unchanged. The prefix byte keeps leaves and inner
/// nodes apart, and the position (not the order of the hashes) decides which side a sibling is on.
library MerkleSum {
  /// @param collected The leaf's sum: what was posted or locked for this receipt, in atomic units; 0 means void.
  function leaf(uint256 chainId, address log, bytes32 receiptHash, uint128 collected) internal pure returns (bytes32) {
    return keccak256(abi.encodePacked(uint8(0x00), chainId, log, receiptHash, collected));
  }

  function node(bytes32 left, uint128 leftSum, bytes32 right, uint128 rightSum) internal pure returns (bytes32) {
    return keccak256(abi.encodePacked(uint8(0x01), left, leftSum, right, rightSum));
  }

  /// @notice Whether `receiptHash`, with `proof.collected` as its sum, is leaf number `proof.index` of a batch.
  /// @dev The shape of the path follows from index and count alone, so a proof with a missing or an extra sibling, or
  /// for another position, is refused; so is one whose sums leave uint128. The leaf is derived here because in a batch
  /// of one nothing but the leaf itself binds its sum.
  function includes(
    BatchHeader calldata header,
    uint256 chainId,
    address log,
    bytes32 receiptHash,
    InclusionProof calldata proof
  ) internal pure returns (bool) {
    uint256 index = proof.index;
    uint256 depth = proof.siblings.length;
    if (index >= header.count || proof.sums.length != depth) return false;

    bytes32 hash = leaf(chainId, log, receiptHash, proof.collected);
    uint256 sum = proof.collected;
    uint256 used = 0;
    for (uint256 width = header.count; width > 1; width = (width + 1) >> 1) {
      bool promoted = (index ^ 1) >= width;
      if (!promoted) {
        if (used == depth) return false;
        bytes32 sibling = proof.siblings[used];
        uint128 siblingSum = proof.sums[used];
        uint256 joined = sum + siblingSum;
        if (joined > type(uint128).max) return false;
        // `sum` fits: it is either the leaf's uint128 or a `joined` that passed the check above.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint128 own = uint128(sum);
        hash = index & 1 == 0 ? node(hash, own, sibling, siblingSum) : node(sibling, siblingSum, hash, own);
        sum = joined;
        ++used;
      }
      index >>= 1;
    }
    return used == depth && hash == header.root && sum == header.total;
  }
}

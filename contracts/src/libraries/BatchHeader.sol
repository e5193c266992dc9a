// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The one record of a batch that goes on chain (design section 6).
/// @param prev Header hash of the batch before; zero for the first.
/// @param root Root hash of the Merkle-sum tree.
/// @param token The only token of this batch.
/// @param total Sum of the root, in atomic units.
/// @param daRef SHA-256 of the leaf file in the object store.
/// @param evidenceRoot Root over the batch's evidence.
/// @param id Counts from 1.
/// @param count Number of leaves, 1 to 10,000.
struct BatchHeader {
  bytes32 prev;
  bytes32 root;
  address token;
  uint128 total;
  bytes32 daRef;
  bytes32 evidenceRoot;
  uint64 id;
  uint32 count;
}

library Header {
  function hash(BatchHeader memory header) internal pure returns (bytes32) {
    return keccak256(abi.encode(header));
  }
}

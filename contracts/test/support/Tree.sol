// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { InclusionProof } from "../../src/libraries/MerkleSum.sol";

/// @notice Builds a whole Merkle-sum tree level by level, straight from the text of design section 6 and without the
/// library under test.
library Tree {
  struct Level {
    bytes32[] hashes;
    uint128[] sums;
  }

  function build(bytes32[] memory hashes, uint128[] memory sums) internal pure returns (Level[] memory levels) {
    uint256 depth = 1;
    for (uint256 width = hashes.length; width > 1; width = (width + 1) / 2) {
      ++depth;
    }
    levels = new Level[](depth);
    levels[0] = Level(hashes, sums);
    for (uint256 d = 1; d < depth; ++d) {
      levels[d] = _above(levels[d - 1]);
    }
  }

  function _above(Level memory below) private pure returns (Level memory level) {
    uint256 width = below.hashes.length;
    level.hashes = new bytes32[]((width + 1) / 2);
    level.sums = new uint128[]((width + 1) / 2);
    for (uint256 i = 0; i < level.hashes.length; ++i) {
      if (2 * i + 1 == width) {
        level.hashes[i] = below.hashes[2 * i];
        level.sums[i] = below.sums[2 * i];
      } else {
        level.hashes[i] = keccak256(
          bytes.concat(
            hex"01",
            below.hashes[2 * i],
            bytes16(below.sums[2 * i]),
            below.hashes[2 * i + 1],
            bytes16(below.sums[2 * i + 1])
          )
        );
        level.sums[i] = below.sums[2 * i] + below.sums[2 * i + 1];
      }
    }
  }

  function root(Level[] memory levels) internal pure returns (bytes32, uint128) {
    Level memory top = levels[levels.length - 1];
    return (top.hashes[0], top.sums[0]);
  }

  function prove(Level[] memory levels, uint256 index) internal pure returns (InclusionProof memory proof) {
    bytes32[] memory siblings = new bytes32[](levels.length);
    uint128[] memory sums = new uint128[](levels.length);
    uint256 used = 0;
    uint256 position = index;
    for (uint256 d = 0; d + 1 < levels.length; ++d) {
      uint256 other = position % 2 == 0 ? position + 1 : position - 1;
      if (other < levels[d].hashes.length) {
        siblings[used] = levels[d].hashes[other];
        sums[used] = levels[d].sums[other];
        ++used;
      }
      position /= 2;
    }
    proof.collected = levels[0].sums[index];
    // forge-lint: disable-next-line(unsafe-typecast)
    proof.index = uint32(index);
    proof.siblings = new bytes32[](used);
    proof.sums = new uint128[](used);
    for (uint256 i = 0; i < used; ++i) {
      proof.siblings[i] = siblings[i];
      proof.sums[i] = sums[i];
    }
  }
}

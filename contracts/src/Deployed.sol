// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Remembers where a log reader has to start.
abstract contract Deployed {
  /// @notice Number of the block this contract was created in.
  uint256 public immutable deploymentBlock = block.number;
}

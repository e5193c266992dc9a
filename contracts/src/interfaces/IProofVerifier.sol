// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a route of the `VerifierRouter` leads to.
interface IProofVerifier {
  /// @notice Length of one proof.
  // solhint-disable-next-line func-name-mixedcase
  function PROOF_BYTES() external view returns (uint256);

  /// @notice Whether every proof holds for its signals under one key. False for every kind of wrong proof; reverts only
  /// for a key that is not known.
  /// @param signals The public signals of the first proof, then of the second, and so on.
  /// @param proofs The proofs one after another; their number follows from the length.
  function verify(bytes32 vkId, uint256[] calldata signals, bytes calldata proofs) external view returns (bool);
}

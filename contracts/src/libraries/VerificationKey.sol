// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Who took part in making a key's secrets, which whoever knows them all can use to forge.
enum SetupKind {
  /// One party made them: worth as much as that party's word. Development only.
  Dev,
  /// Several parties, of whom one honest one is enough.
  Ceremony
}

/// @notice The trust label of a key; part of its bytes, and so of its id.
/// @param contributors Independent contributions to phase 2; 0 for `Dev`.
/// @param beacon The value, fixed beforehand and public afterwards, that closed the ceremony; 0 for `Dev`.
/// @param transcript SHA-256 of the published transcript; 0 for `Dev`.
struct Setup {
  SetupKind kind;
  uint16 contributors;
  bytes32 beacon;
  bytes32 transcript;
}

/// @title Canonical bytes of a Groth16 verification key over BN254, and its id
/// @dev All numbers big-endian; G1 points as x, y (EIP-196), G2 points as x.imaginary, x.real, y.imaginary, y.real
/// (EIP-197), 32 bytes each:
///   format 4 = bytes4(keccak256("haca/groth16-bn254/1")) ‖ kind 1 ‖ contributors 2 ‖ beacon 32 ‖ transcript 32 ‖
///   alpha 64 ‖ beta 128 ‖ gamma 128 ‖ delta 128 ‖ IC[0] 64 ‖ … ‖ IC[n] 64          vkId = keccak256 of all of it
/// The trust label is inside, so that nobody can register another's points under a worse or a better one and have the
/// same id: a receipt that names the id names the label.
library VerificationKey {
  bytes4 internal constant FORMAT = bytes4(keccak256("haca/groth16-bn254/1"));

  uint256 internal constant HEADER_BYTES = 71;
  /// @dev Offsets from the start of the bytes.
  uint256 internal constant ALPHA = 71;
  uint256 internal constant BETA = 135;
  uint256 internal constant GAMMA = 263;
  uint256 internal constant DELTA = 391;
  uint256 internal constant IC = 519;

  function id(bytes memory key) internal pure returns (bytes32) {
    return keccak256(key);
  }

  /// @notice Length of a key for `signals` public signals.
  function length(uint256 signals) internal pure returns (uint256) {
    return IC + 64 * (signals + 1);
  }
}

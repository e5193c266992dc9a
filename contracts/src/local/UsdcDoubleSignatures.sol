// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title LOCAL DOUBLE of the signature library USDC's implementation links to
/// @dev A library with an external function, deployed on its own: FiatToken v2.2 pays a delegatecall to a cold account
/// for every signature, and a double that inlined it would make payments look 3,000 gas cheaper than they are.
library UsdcDoubleSignatures {
  bytes4 private constant ERC1271_MAGIC = 0x1626ba7e;
  uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

  /// @notice ECDSA for an account, ERC-1271 for a contract (and for an account with EIP-7702 code).
  function isValid(address signer, bytes32 digest, bytes memory signature) external view returns (bool) {
    if (signer.code.length == 0) return _recover(digest, signature) == signer;
    (bool success, bytes memory result) = signer.staticcall(abi.encodeWithSelector(ERC1271_MAGIC, digest, signature));
    return success && result.length >= 32 && abi.decode(result, (bytes32)) == bytes32(ERC1271_MAGIC);
  }

  function _recover(bytes32 digest, bytes memory signature) private pure returns (address signer) {
    require(signature.length == 65, "ECRecover: invalid signature length");
    bytes32 r;
    bytes32 s;
    uint8 v;
    assembly ("memory-safe") {
      r := mload(add(signature, 0x20))
      s := mload(add(signature, 0x40))
      v := byte(0, mload(add(signature, 0x60)))
    }
    require(uint256(s) <= HALF_ORDER, "ECRecover: invalid signature 's' value");
    require(v == 27 || v == 28, "ECRecover: invalid signature 'v' value");
    signer = ecrecover(digest, v, r, s);
    require(signer != address(0), "ECRecover: invalid signature");
  }
}

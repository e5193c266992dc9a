// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Ids that whoever starts a thing can derive before it starts (design section 6)
library Identity {
  /// @param scheme The x402 scheme name, for example "exact".
  /// @param nonce The EIP-3009 nonce.
  function paymentId(uint256 chainId, string memory scheme, address token, address payer, bytes32 nonce)
    internal
    pure
    returns (bytes32)
  {
    return keccak256(abi.encode("haca/payment/1", chainId, scheme, token, payer, nonce));
  }

  /// @param identifier The x402 payment-identifier, or 0.
  function requestId(bytes32 payment, bytes32 identifier) internal pure returns (bytes32) {
    return keccak256(abi.encode("haca/request/1", payment, identifier));
  }
}

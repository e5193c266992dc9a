// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The part of EIP-3009 (https://eips.ethereum.org/EIPS/eip-3009) that payments use, with the form for
/// contract wallets that FiatToken v2.2 added.
interface IEIP3009 {
  function transferWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    uint8 v,
    bytes32 r,
    bytes32 s
  ) external;

  /// @param signature r, s, v of an account, or what a contract wallet's ERC-1271 check takes.
  function transferWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes calldata signature
  ) external;

  /// @notice True once the nonce is used or cancelled.
  function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

  function DOMAIN_SEPARATOR() external view returns (bytes32);
}

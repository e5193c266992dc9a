// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Authorization, RevenueVault } from "../../src/RevenueVault.sol";

/// @notice An EIP-3009 token that keeps a part of every transfer, and calls back when told to.
contract HostileToken {
  mapping(address => uint256) public balanceOf;
  mapping(address => mapping(bytes32 => bool)) public authorizationState;
  uint256 public fee;
  Authorization private again;

  function setFee(uint256 fee_) external {
    fee = fee_;
  }

  function callBackWith(Authorization calldata authorization) external {
    again = authorization;
  }

  function mint(address to, uint256 value) external {
    balanceOf[to] += value;
  }

  function transferWithAuthorization(
    address,
    address to,
    uint256 value,
    uint256,
    uint256,
    bytes32,
    uint8,
    bytes32,
    bytes32
  ) external {
    if (again.value != 0) RevenueVault(to).collect(address(this), again);
    balanceOf[to] += value - fee;
  }

  function transferWithAuthorization(address, address, uint256, uint256, uint256, bytes32, bytes calldata)
    external
    pure
  {
    assembly {
      revert(0, 5000) // a long revert reason
    }
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {
  AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";

/// @notice Who holds which role on the day of deployment. Each contract grants only the roles it uses.
/// @param adminDelay Seconds between beginning and accepting a change of admin.
struct Authorities {
  address admin;
  uint48 adminDelay;
  address settler;
  address registrar;
  address guardian;
}

/// @title Roles with a two-step, delayed admin that can be handed over and never dropped
/// @dev OpenZeppelin AccessControlDefaultAdminRules, less its ways to renounce: an ownerless contract could not
/// replace a leaked settler key.
abstract contract Governed is AccessControlDefaultAdminRules {
  bytes32 public constant SETTLER_ROLE = keccak256("SETTLER_ROLE");
  bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
  bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

  /// @notice Roles are revoked by the admin, never renounced.
  error RenounceRefused();
  error ZeroAddress();

  constructor(Authorities memory authorities)
    AccessControlDefaultAdminRules(authorities.adminDelay, authorities.admin)
  { }

  function renounceRole(bytes32, address) public pure override {
    revert RenounceRefused();
  }

  function _beginDefaultAdminTransfer(address newAdmin) internal override {
    if (newAdmin == address(0)) revert RenounceRefused();
    super._beginDefaultAdminTransfer(newAdmin);
  }

  function _assign(bytes32 role, address account) internal {
    if (account == address(0)) revert ZeroAddress();
    _grantRole(role, account);
  }
}

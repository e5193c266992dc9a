// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {
  IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";
import { Authorities, Governed } from "../src/Governed.sol";
import { RevenueVault } from "../src/RevenueVault.sol";
import { SettlementLog } from "../src/SettlementLog.sol";
import { TeeRegistry } from "../src/TeeRegistry.sol";
import { Fixture } from "./support/Fixture.sol";

contract GovernedTest is Fixture {
  function test_each_contract_grants_the_roles_it_uses_and_no_other() public view {
    _expectRoles(log, true, false, false);
    _expectRoles(vault, true, false, true);
    _expectRoles(registry, false, true, true);
    _expectRoles(router, false, false, true);
  }

  function test_nobody_renounces() public {
    Governed[4] memory all = [Governed(log), Governed(vault), Governed(registry), Governed(router)];
    for (uint256 i = 0; i < 4; ++i) {
      bytes32 settler = all[i].SETTLER_ROLE();
      vm.expectRevert(Governed.RenounceRefused.selector);
      vm.prank(SETTLER);
      all[i].renounceRole(settler, SETTLER);
      vm.expectRevert(Governed.RenounceRefused.selector);
      vm.prank(ADMIN);
      all[i].beginDefaultAdminTransfer(address(0));
      vm.expectRevert(Governed.RenounceRefused.selector);
      vm.prank(ADMIN);
      all[i].renounceRole(0, ADMIN);
    }
  }

  function test_the_admin_changes_in_two_steps_after_the_delay() public {
    vm.prank(ADMIN);
    vault.beginDefaultAdminTransfer(STRANGER);
    vm.expectPartialRevert(IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminDelay.selector);
    vm.prank(STRANGER);
    vault.acceptDefaultAdminTransfer();
    vm.warp(NOW + 2 days + 1);
    vm.prank(STRANGER);
    vault.acceptDefaultAdminTransfer();
    vm.assertEq(vault.defaultAdmin(), STRANGER, "new admin");
  }

  function test_the_admin_replaces_a_leaked_settler() public {
    bytes32 role = log.SETTLER_ROLE();
    vm.prank(ADMIN);
    log.revokeRole(role, SETTLER);
    vm.prank(ADMIN);
    log.grantRole(role, STRANGER);
    vm.assertFalse(log.hasRole(role, SETTLER), "old");
    vm.assertTrue(log.hasRole(role, STRANGER), "new");
  }

  function test_refuses_to_deploy_without_an_authority() public {
    Authorities memory a = _authorities();
    a.settler = address(0);
    vm.expectRevert(Governed.ZeroAddress.selector);
    _newSettlementLog(false, registry, ledger, a);
    vm.expectRevert(Governed.ZeroAddress.selector);
    _newRevenueVault(log, 1, a);
    a = _authorities();
    a.guardian = address(0);
    vm.expectRevert(Governed.ZeroAddress.selector);
    _newTeeRegistry(false, a);
    vm.expectRevert(Governed.ZeroAddress.selector);
    _newVerifierRouter(GROTH16, verifier, a);
    a = _authorities();
    a.admin = address(0);
    vm.expectPartialRevert(IAccessControlDefaultAdminRules.AccessControlInvalidDefaultAdmin.selector);
    _newTeeRegistry(false, a);
  }

  function _expectRoles(Governed what, bool settler, bool registrar, bool guardian) private view {
    vm.assertEq(what.defaultAdmin(), ADMIN, "admin");
    vm.assertEq(what.defaultAdminDelay(), 2 days, "delay");
    vm.assertEq(what.hasRole(what.SETTLER_ROLE(), SETTLER), settler, "settler");
    vm.assertEq(what.hasRole(what.REGISTRAR_ROLE(), REGISTRAR), registrar, "registrar");
    vm.assertEq(what.hasRole(what.GUARDIAN_ROLE(), GUARDIAN), guardian, "guardian");
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { Governed } from "../src/Governed.sol";
import { KeyRecord, TeeRegistry, Validity } from "../src/TeeRegistry.sol";
import { Fixture } from "./support/Fixture.sol";

contract TeeRegistryTest is Fixture {
  address private constant KEY = address(0xCE);

  function test_a_key_is_valid_from_its_first_to_its_last_second() public {
    vm.expectEmit(address(registry));
    emit TeeRegistry.KeyRegistered(KEY, OPERATOR, "image", "evidence", 1, NOW + 10, NOW + 20);
    _register(KEY, 1, NOW + 10, NOW + 20);
    _expect(KEY, NOW + 9, Validity.NotYetValid);
    _expect(KEY, NOW + 10, Validity.Valid);
    _expect(KEY, NOW + 20, Validity.Valid);
    _expect(KEY, NOW + 21, Validity.Expired);
    _expect(STRANGER, NOW + 15, Validity.Unknown);
  }

  function test_validity_as_a_kind_needs_that_kind() public {
    _register(KEY, 1, NOW, NOW + 20);
    vm.assertTrue(registry.validityAs(KEY, 1, NOW) == Validity.Valid, "as registered");
    vm.assertTrue(registry.validityAs(KEY, 2, NOW) == Validity.WrongKind, "as another kind");
    vm.assertTrue(registry.validityAs(KEY, 2, NOW + 21) == Validity.Expired, "other reasons come first");
  }

  function test_keeps_the_whole_record() public {
    _register(KEY, 4, NOW, NOW + 20);
    KeyRecord memory record = registry.keyOf(KEY);
    vm.assertEq(record.operator, OPERATOR, "operator");
    vm.assertEq(record.keyKind, 4, "kind");
    vm.assertEq(record.notBefore, NOW, "notBefore");
    vm.assertEq(record.notAfter, NOW + 20, "notAfter");
    vm.assertEq(record.imageId, "image", "image");
    vm.assertEq(record.evidenceId, "evidence", "evidence");
    vm.assertEq(record.retiredAt, 0, "retired");
    vm.assertFalse(record.compromised, "compromised");
  }

  function test_takes_kinds_0_to_4_and_no_other() public {
    for (uint8 kind = 0; kind <= 4; ++kind) {
      _register(address(uint160(0x1000 + kind)), kind, NOW, NOW + 1);
    }
    for (uint256 kind = 5; kind < 255; ++kind) {
      vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyKindUnknown.selector, kind));
      _register(KEY, uint8(kind), NOW, NOW + 1);
    }
  }

  function test_refuses_simulated_keys_unless_deployed_for_them() public {
    vm.expectRevert(TeeRegistry.SimulatedKeyRefused.selector);
    _register(KEY, 255, NOW, NOW + 1);
    registry = _newTeeRegistry(true, _authorities());
    _register(KEY, 255, NOW, NOW + 1);
    vm.assertTrue(registry.wasValid(KEY, NOW), "valid");
  }

  function test_refuses_to_register_a_key_twice_even_when_it_is_retired() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyAlreadyRegistered.selector, KEY));
    _register(KEY, 1, NOW, NOW + 2 days);
    vm.prank(OPERATOR);
    registry.retireKey(KEY);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyAlreadyRegistered.selector, KEY));
    _register(KEY, 0, NOW, NOW + 2 days);
  }

  function test_refuses_empty_and_past_windows_and_zero_addresses() public {
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.WindowInvalid.selector, NOW + 2, NOW + 1));
    _register(KEY, 0, NOW + 2, NOW + 1);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.WindowInvalid.selector, NOW - 9, NOW - 1));
    _register(KEY, 0, NOW - 9, NOW - 1);
    vm.expectRevert(Governed.ZeroAddress.selector);
    _register(address(0), 0, NOW, NOW + 1);
    vm.expectRevert(Governed.ZeroAddress.selector);
    vm.prank(REGISTRAR);
    registry.registerKey(KEY, address(0), 0, 0, 0, NOW, NOW + 1);
  }

  function test_only_the_registrar_registers() public {
    bytes32 role = registry.REGISTRAR_ROLE();
    address[4] memory others = [ADMIN, SETTLER, GUARDIAN, OPERATOR];
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role));
      vm.prank(others[i]);
      registry.registerKey(KEY, OPERATOR, 0, 0, 0, NOW, NOW + 1);
    }
  }

  function test_a_retired_key_stays_valid_for_its_past() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.warp(NOW + 100);
    vm.expectEmit(address(registry));
    emit TeeRegistry.KeyRetired(KEY, NOW + 100);
    vm.prank(OPERATOR);
    registry.retireKey(KEY);
    _expect(KEY, NOW + 99, Validity.Valid);
    _expect(KEY, NOW + 100, Validity.Retired);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.AlreadyRetired.selector, KEY));
    vm.prank(REGISTRAR);
    registry.retireKey(KEY);
  }

  function test_registrar_and_operator_retire_and_nobody_else() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    address[3] memory others = [ADMIN, GUARDIAN, STRANGER];
    for (uint256 i = 0; i < 3; ++i) {
      vm.expectRevert(abi.encodeWithSelector(TeeRegistry.NotRegistrarOrOperator.selector, others[i]));
      vm.prank(others[i]);
      registry.retireKey(KEY);
    }
    vm.prank(REGISTRAR);
    registry.retireKey(KEY);
  }

  function test_a_compromise_condemns_from_its_moment_on_and_outweighs_the_rest() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.warp(NOW + 100);
    vm.prank(OPERATOR);
    registry.retireKey(KEY);
    vm.expectEmit(address(registry));
    emit TeeRegistry.KeyCompromised(KEY, NOW + 50, "leaked");
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, NOW + 50, "leaked");
    _expect(KEY, NOW + 49, Validity.Valid);
    _expect(KEY, NOW + 50, Validity.Compromised);
    _expect(KEY, NOW + 100, Validity.Compromised);
    _expect(KEY, NOW + 2 days, Validity.Compromised);
  }

  function test_a_compromise_can_only_reach_further_back() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.warp(NOW + 100);
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, NOW + 50, "leaked");
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.CompromiseNotEarlier.selector, NOW + 50, NOW + 50));
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, NOW + 50, "leaked");
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, 0, "leaked");
    _expect(KEY, NOW, Validity.Compromised);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.CompromiseNotEarlier.selector, 1, 0));
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, 1, "leaked");
  }

  function test_refuses_a_compromise_in_the_future_and_of_nothing_and_by_others() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.CompromiseInFuture.selector, NOW + 1));
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, NOW + 1, "leaked");
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyUnknown.selector, STRANGER));
    vm.prank(GUARDIAN);
    registry.declareCompromised(STRANGER, NOW, "leaked");
    vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
    vm.prank(REGISTRAR);
    registry.declareCompromised(KEY, NOW, "leaked");
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyUnknown.selector, STRANGER));
    registry.keyOf(STRANGER);
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyUnknown.selector, STRANGER));
    registry.retireKey(STRANGER);
  }

  function test_the_guardian_ends_a_key_at_once_and_says_why() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.warp(NOW + 100);
    vm.expectEmit(address(registry));
    emit TeeRegistry.KeyRevoked(KEY, NOW + 100, "image withdrawn");
    vm.prank(GUARDIAN);
    registry.revokeKey(KEY, "image withdrawn");
    _expect(KEY, NOW + 99, Validity.Valid);
    _expect(KEY, NOW + 100, Validity.Retired);
    vm.assertEq(registry.keyOf(KEY).reason, "image withdrawn", "reason");
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.AlreadyRetired.selector, KEY));
    vm.prank(GUARDIAN);
    registry.revokeKey(KEY, "again");
    vm.assertEq(registry.keyOf(KEY).reason, "image withdrawn", "kept");
  }

  function test_only_the_guardian_revokes_and_only_known_keys() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    address[4] memory others = [ADMIN, REGISTRAR, OPERATOR, STRANGER];
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
      vm.prank(others[i]);
      registry.revokeKey(KEY, "no");
    }
    vm.expectRevert(abi.encodeWithSelector(TeeRegistry.KeyUnknown.selector, STRANGER));
    vm.prank(GUARDIAN);
    registry.revokeKey(STRANGER, "no");
  }

  function test_a_reason_is_given_and_the_last_one_is_kept() public {
    _register(KEY, 0, NOW, NOW + 1 days);
    vm.startPrank(GUARDIAN);
    vm.expectRevert(TeeRegistry.ReasonInvalid.selector);
    registry.revokeKey(KEY, "");
    vm.expectRevert(TeeRegistry.ReasonInvalid.selector);
    registry.declareCompromised(KEY, NOW, string(new bytes(257)));
    registry.revokeKey(KEY, "image withdrawn");
    registry.declareCompromised(KEY, NOW, string(new bytes(256)));
    vm.assertEq(registry.keyOf(KEY).reason, string(new bytes(256)), "the last");
  }

  function testFuzz_validity_never_comes_back(uint64 from, uint64 life, uint64 retire, uint64 compromise, uint64 time)
    public
  {
    from = uint64(bound(from, NOW, NOW + 1 days));
    uint64 until = from + uint64(bound(life, 0, 10 days));
    retire = uint64(bound(retire, NOW, NOW + 20 days));
    compromise = uint64(bound(compromise, 0, retire));
    time = uint64(bound(time, NOW - 1 days, NOW + 30 days));
    _register(KEY, 0, from, until);
    vm.assertEq(registry.wasValid(KEY, time), time >= from && time <= until, "window");
    vm.warp(retire);
    vm.prank(OPERATOR);
    registry.retireKey(KEY);
    vm.assertEq(registry.wasValid(KEY, time), time >= from && time <= until && time < retire, "retired");
    vm.prank(GUARDIAN);
    registry.declareCompromised(KEY, compromise, "leaked");
    vm.assertEq(registry.wasValid(KEY, time), time >= from && time <= until && time < compromise, "compromised");
  }

  function _register(address key, uint8 kind, uint64 notBefore, uint64 notAfter) private {
    vm.prank(REGISTRAR);
    registry.registerKey(key, OPERATOR, kind, "image", "evidence", notBefore, notAfter);
  }

  function _expect(address key, uint64 time, Validity expected) private view {
    vm.assertEq(uint256(registry.validityAt(key, time)), uint256(expected), "validity");
    vm.assertEq(registry.wasValid(key, time), expected == Validity.Valid, "wasValid");
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { Governed } from "../src/Governed.sol";
import { EntryKind, Epoch, Policy, PolicyRegistry, Removal } from "../src/PolicyRegistry.sol";
import { Fixture } from "./support/Fixture.sol";

/// @notice The registry by itself, with the timelock's voice lent to the tests; PolicyGovernor.t.sol votes for real.
contract PolicyRegistryTest is Fixture {
  bytes32 private constant DIGEST = keccak256("document");
  bytes32 private constant ENVELOPE = keccak256("envelope");
  /// @dev Nitro, TDX and SEV-SNP.
  uint256 private constant KINDS = 14;

  TimelockController private timelock;
  PolicyRegistry private policies;

  function setUp() public override {
    super.setUp();
    timelock = new TimelockController(2 days, new address[](0), new address[](0), address(0));
    policies = _newPolicyRegistry(false, timelock, _authorities());
  }

  // ---------------------------------------------------------------- more trust

  function test_a_document_begins_the_epoch_it_is_numbered_with() public {
    vm.expectEmit(address(policies));
    emit PolicyRegistry.PolicyAdopted(42, DIGEST, ENVELOPE, NOW - 5, KINDS);
    _adopt(42);
    vm.assertEq(policies.epoch(), 42, "epoch");
    (Epoch memory epoch, Policy memory policy) = policies.current();
    vm.assertEq(epoch.epoch, 42, "epoch");
    vm.assertEq(epoch.startedAt, NOW, "startedAt");
    vm.assertEq(epoch.policyEpoch, 42, "policyEpoch");
    vm.assertEq(epoch.removalCount, 0, "removalCount");
    vm.assertEq(policy.epoch, 42, "document");
    vm.assertEq(policy.digest, DIGEST, "digest");
    vm.assertEq(policy.daRef, ENVELOPE, "daRef");
    vm.assertEq(policy.notBefore, NOW - 5, "notBefore");
    vm.assertEq(policy.adoptedAt, NOW, "adoptedAt");
    vm.assertEq(policy.keyKinds, KINDS, "keyKinds");
  }

  function test_nobody_but_the_timelock_adds_or_restores() public {
    _remove(EntryKind.Hardware, "sgx");
    bytes32 key = policies.keyOf("sgx");
    address[4] memory others = [ADMIN, GUARDIAN, REGISTRAR, STRANGER];
    for (uint256 i = 0; i < 4; ++i) {
      bytes memory refusal = abi.encodeWithSelector(PolicyRegistry.NotTimelock.selector, others[i], timelock);
      vm.expectRevert(refusal);
      vm.prank(others[i]);
      policies.adopt(42, DIGEST, ENVELOPE, NOW, KINDS);
      vm.expectRevert(refusal);
      vm.prank(others[i]);
      policies.restore(EntryKind.Hardware, key);
    }
  }

  function test_no_role_the_admin_can_grant_adds_anything() public {
    bytes32[3] memory roles = [policies.GUARDIAN_ROLE(), policies.REGISTRAR_ROLE(), policies.SETTLER_ROLE()];
    for (uint256 i = 0; i < 3; ++i) {
      vm.prank(ADMIN);
      policies.grantRole(roles[i], STRANGER);
    }
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.NotTimelock.selector, STRANGER, timelock));
    vm.prank(STRANGER);
    policies.adopt(42, DIGEST, ENVELOPE, NOW, KINDS);
  }

  function test_nothing_is_added_under_a_timelock_of_less_than_two_days() public {
    TimelockController hasty = new TimelockController(2 days - 1, new address[](0), new address[](0), address(0));
    bytes memory refusal = abi.encodeWithSelector(PolicyRegistry.DelayTooShort.selector, 2 days - 1, 2 days);
    vm.expectRevert(refusal);
    _newPolicyRegistry(false, hasty, _authorities());
    // Nor when its delay is shortened later.
    vm.prank(address(timelock));
    timelock.updateDelay(2 days - 1);
    vm.expectRevert(refusal);
    _adopt(42);
    // Removing goes on.
    _remove(EntryKind.Hardware, "sgx");
    _newPolicyRegistry(true, hasty, _authorities());
  }

  function test_epochs_only_rise_and_not_too_far() public {
    _adopt(42);
    uint64[3] memory stale = [uint64(0), 41, 42];
    for (uint256 i = 0; i < 3; ++i) {
      vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.EpochNotNewer.selector, 42, stale[i]));
      _adopt(stale[i]);
    }
    uint64[2] memory far = [uint64(1_000_043), type(uint64).max];
    for (uint256 i = 0; i < 2; ++i) {
      vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.EpochTooFar.selector, 42, far[i]));
      _adopt(far[i]);
    }
    _adopt(1_000_042);
  }

  function test_a_document_overtaken_by_a_removal_has_to_be_numbered_again() public {
    _adopt(42);
    _remove(EntryKind.Hardware, "sgx");
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.EpochNotNewer.selector, 43, 43));
    _adopt(43);
    _adopt(44);
  }

  function test_a_document_is_not_adopted_before_its_first_second() public {
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.PolicyNotYet.selector, NOW + 1));
    vm.prank(address(timelock));
    policies.adopt(42, DIGEST, ENVELOPE, NOW + 1, KINDS);
    vm.warp(NOW + 1);
    vm.prank(address(timelock));
    policies.adopt(42, DIGEST, ENVELOPE, NOW + 1, KINDS);
  }

  function test_refuses_a_document_without_digests() public {
    vm.startPrank(address(timelock));
    vm.expectRevert(PolicyRegistry.DigestMissing.selector);
    policies.adopt(42, 0, ENVELOPE, NOW, KINDS);
    vm.expectRevert(PolicyRegistry.DigestMissing.selector);
    policies.adopt(42, DIGEST, 0, NOW, KINDS);
  }

  function test_refuses_a_document_with_simulated_hardware_unless_deployed_for_it() public {
    vm.startPrank(address(timelock));
    vm.expectRevert(PolicyRegistry.SimulatedHardwareRefused.selector);
    policies.adopt(42, DIGEST, ENVELOPE, NOW, KINDS | 1 << 255);
    vm.stopPrank();
    policies = _newPolicyRegistry(true, timelock, _authorities());
    vm.prank(address(timelock));
    policies.adopt(42, DIGEST, ENVELOPE, NOW, KINDS | 1 << 255);
    (, Policy memory policy) = policies.current();
    vm.assertEq(policy.keyKinds, KINDS | 1 << 255, "kinds");
  }

  function test_takes_key_kinds_0_to_4_and_no_other() public {
    vm.startPrank(address(timelock));
    policies.adopt(1, DIGEST, ENVELOPE, NOW, 31);
    for (uint256 kind = 5; kind < 255; ++kind) {
      vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.KeyKindsUnknown.selector, 1 << kind));
      policies.adopt(2, DIGEST, ENVELOPE, NOW, 1 << kind);
    }
  }

  // ---------------------------------------------------------------- less trust

  function test_the_guardian_drops_a_product_in_one_transaction() public {
    _adopt(42);
    bytes32 milan = keccak256("sev-snp/Milan");
    vm.assertFalse(policies.isRemoved(EntryKind.Product, milan), "before");
    vm.expectEmit(address(policies));
    emit PolicyRegistry.EntryRemoved(43, EntryKind.Product, milan, "sev-snp/Milan", "arXiv:2605.12990");
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Product, "sev-snp/Milan", "arXiv:2605.12990");
    vm.assertTrue(policies.isRemoved(EntryKind.Product, milan), "after");
    vm.assertFalse(policies.isRemoved(EntryKind.Hardware, milan), "as another kind of entry");
    (Epoch memory epoch, Policy memory policy) = policies.current();
    vm.assertEq(epoch.epoch, 43, "a new epoch");
    vm.assertEq(epoch.policyEpoch, 42, "of the same document");
    vm.assertEq(epoch.removalCount, 1, "with one removal");
    vm.assertEq(policy.digest, DIGEST, "document");
  }

  function test_a_removal_outlives_the_next_document() public {
    _remove(EntryKind.Product, "sev-snp/Milan");
    _adopt(42);
    vm.assertTrue(policies.isRemoved(EntryKind.Product, keccak256("sev-snp/Milan")), "still removed");
  }

  function test_only_the_guardian_removes() public {
    bytes32 role = policies.GUARDIAN_ROLE();
    address[4] memory others = [ADMIN, REGISTRAR, STRANGER, address(timelock)];
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role));
      vm.prank(others[i]);
      policies.remove(EntryKind.Hardware, "sgx", "WireTap");
    }
  }

  function test_a_leaked_guardian_is_replaced_without_a_vote() public {
    bytes32 role = policies.GUARDIAN_ROLE();
    vm.startPrank(ADMIN);
    policies.revokeRole(role, GUARDIAN);
    policies.grantRole(role, STRANGER);
    vm.stopPrank();
    vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
    _remove(EntryKind.Hardware, "sgx");
    vm.prank(STRANGER);
    policies.remove(EntryKind.Hardware, "sgx", "WireTap");
  }

  function test_each_kind_of_entry_is_removed_by_the_spelling_of_the_document() public {
    _remove(EntryKind.Hardware, "nvidia-gpu");
    _remove(EntryKind.Product, "tdx/fmspc:00806F050000");
    _remove(EntryKind.Platform, "i-0abc123-enc0123456789abcdef");
    _remove(EntryKind.Signer, "0x00000000000000000000000000000000deadbeef");
    _remove(EntryKind.Measurement, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    vm.assertEq(policies.removalCount(), 5, "removals");
    vm.assertEq(policies.epoch(), 5, "each began an epoch");
  }

  /// @dev What looks removed and is not, because it was spelled otherwise, would stay trusted.
  function test_refuses_spellings_a_document_would_not_use() public {
    string[5] memory never = ["", "sev snp", unicode"tdx–1", "tdx\n", unicode"mìlan"];
    for (uint256 i = 0; i < 5; ++i) {
      for (uint8 kind = 0; kind < 5; ++kind) {
        _expectValueInvalid(EntryKind(kind), never[i]);
      }
    }
    _expectValueInvalid(EntryKind.Hardware, "TDX");
    _expectValueInvalid(EntryKind.Platform, "00AA");
    _expectValueInvalid(EntryKind.Measurement, "00AA");
    string[6] memory signers = [
      "0x00000000000000000000000000000000DeaDBeef",
      "0X00000000000000000000000000000000deadbeef",
      "1x00000000000000000000000000000000deadbeef",
      "00000000000000000000000000000000deadbeef",
      "0x00000000000000000000000000000000deadbee",
      "0x00000000000000000000000000000000deadbeeg"
    ];
    for (uint256 i = 0; i < 6; ++i) {
      _expectValueInvalid(EntryKind.Signer, signers[i]);
    }
    string memory longest = string(_text(160));
    _remove(EntryKind.Platform, longest);
    _expectValueInvalid(EntryKind.Platform, string(_text(161)));
  }

  function test_a_removal_says_why() public {
    vm.startPrank(GUARDIAN);
    vm.expectRevert(PolicyRegistry.ReasonInvalid.selector);
    policies.remove(EntryKind.Hardware, "sgx", "");
    vm.expectRevert(PolicyRegistry.ReasonInvalid.selector);
    policies.remove(EntryKind.Hardware, "sgx", string(_text(257)));
    policies.remove(EntryKind.Hardware, "sgx", string(_text(256)));
  }

  function test_removes_and_restores_once() public {
    _remove(EntryKind.Hardware, "sgx");
    bytes32 key = keccak256("sgx");
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.AlreadyRemoved.selector, EntryKind.Hardware, key));
    _remove(EntryKind.Hardware, "sgx");
    vm.expectEmit(address(policies));
    emit PolicyRegistry.EntryRestored(2, EntryKind.Hardware, key, "sgx");
    _restore(EntryKind.Hardware, key);
    vm.assertFalse(policies.isRemoved(EntryKind.Hardware, key), "restored");
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.NotRemoved.selector, EntryKind.Hardware, key));
    _restore(EntryKind.Hardware, key);
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.NotRemoved.selector, EntryKind.Product, key));
    _restore(EntryKind.Product, key);
    _remove(EntryKind.Hardware, "sgx");
    vm.assertTrue(policies.isRemoved(EntryKind.Hardware, key), "removed again");
  }

  // ---------------------------------------------------------------- what was in force

  function test_somebody_years_later_sees_what_was_in_force() public {
    _adopt(10);
    vm.warp(NOW + 100);
    _remove(EntryKind.Product, "sev-snp/Milan");
    vm.warp(NOW + 200);
    _restore(EntryKind.Product, keccak256("sev-snp/Milan"));
    vm.warp(NOW + 300);
    vm.prank(address(timelock));
    policies.adopt(20, keccak256("second document"), ENVELOPE, NOW, 2);
    vm.warp(NOW + 10 * 365 days);

    _expectInForce(NOW - 1, 0, 0);
    _expectInForce(NOW, 10, 10);
    _expectInForce(NOW + 99, 10, 10);
    _expectInForce(NOW + 100, 11, 10);
    _expectInForce(NOW + 199, 11, 10);
    _expectInForce(NOW + 200, 12, 10);
    _expectInForce(NOW + 300, 20, 20);
    _expectInForce(NOW + 9 * 365 days, 20, 20);

    bytes32 milan = keccak256("sev-snp/Milan");
    vm.assertFalse(policies.wasRemoved(EntryKind.Product, milan, 10), "before");
    vm.assertTrue(policies.wasRemoved(EntryKind.Product, milan, 11), "while");
    vm.assertFalse(policies.wasRemoved(EntryKind.Product, milan, 12), "after");
    vm.assertEq(policies.policyOf(11).digest, DIGEST, "document of an epoch that a removal began");
    vm.assertEq(policies.policyOf(20).keyKinds, 2, "the second document");
  }

  function test_numbers_that_were_skipped_are_no_epochs() public {
    _adopt(10);
    uint64[3] memory never = [uint64(0), 9, 11];
    for (uint256 i = 0; i < 3; ++i) {
      bytes memory refusal = abi.encodeWithSelector(PolicyRegistry.EpochUnknown.selector, never[i]);
      vm.expectRevert(refusal);
      policies.epochOf(never[i]);
      vm.expectRevert(refusal);
      policies.policyOf(never[i]);
      vm.expectRevert(refusal);
      policies.wasRemoved(EntryKind.Hardware, 0, never[i]);
    }
  }

  function test_the_future_is_not_known() public {
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.TimeInFuture.selector, NOW + 1));
    policies.epochAt(NOW + 1);
  }

  function test_the_last_of_several_changes_in_one_second_counts_and_all_are_kept() public {
    _adopt(10);
    _remove(EntryKind.Hardware, "sgx");
    _remove(EntryKind.Hardware, "tdx");
    _expectInForce(NOW, 12, 10);
    vm.assertEq(policies.epochOf(11).removalCount, 1, "the one between");
    vm.assertFalse(policies.wasRemoved(EntryKind.Hardware, keccak256("tdx"), 11), "not yet");
  }

  function test_lists_removals_in_pages_with_those_taken_back() public {
    vm.assertEq(policies.removals(0, 10).length, 0, "empty");
    _remove(EntryKind.Hardware, "sgx");
    vm.warp(NOW + 7);
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Product, "sev-snp/Milan", "arXiv:2605.12990");
    _restore(EntryKind.Hardware, keccak256("sgx"));
    Removal[] memory all = policies.removals(0, type(uint256).max);
    vm.assertEq(all.length, 2, "all");
    vm.assertTrue(all[0].kind == EntryKind.Hardware && all[1].kind == EntryKind.Product, "kinds");
    vm.assertEq(all[0].restoredIn, 3, "taken back");
    vm.assertEq(all[1].restoredIn, 0, "in force");
    vm.assertEq(all[1].value, "sev-snp/Milan", "value");
    vm.assertEq(all[1].reason, "arXiv:2605.12990", "reason");
    vm.assertEq(all[1].removedAt, NOW + 7, "when");
    vm.assertEq(all[1].removedIn, 2, "in which epoch");
    vm.assertEq(policies.removals(1, 5).length, 1, "second page");
    vm.assertEq(policies.removals(0, 1)[0].value, "sgx", "first page");
    vm.assertEq(policies.removals(2, 1).length, 0, "past the end");
  }

  /// @dev Any sequence of changes: epochs rise by every one, and every past answer stays what it was.
  /// forge-config: default.fuzz.runs = 32
  /// forge-config: test.fuzz.runs = 32
  function testFuzz_history_never_changes(uint256 seed) public {
    string[3] memory values = ["sgx", "tdx", "nitro"];
    uint64[] memory epochs = new uint64[](24);
    bool[3][] memory states = new bool[3][](24);
    uint64[] memory times = new uint64[](24);
    for (uint256 step = 0; step < 24; ++step) {
      uint256 dice = uint256(keccak256(abi.encode(seed, step)));
      uint256 which = dice % 3;
      bytes32 key = keccak256(bytes(values[which]));
      uint64 before = policies.epoch();
      if (dice % 5 == 0) _adopt(before + 1 + uint64(dice % 7));
      else if (policies.isRemoved(EntryKind.Hardware, key)) _restore(EntryKind.Hardware, key);
      else _remove(EntryKind.Hardware, values[which]);
      vm.assertLt(before, policies.epoch(), "every change begins an epoch");
      epochs[step] = policies.epoch();
      times[step] = uint64(block.timestamp);
      for (uint256 v = 0; v < 3; ++v) {
        states[step][v] = policies.isRemoved(EntryKind.Hardware, keccak256(bytes(values[v])));
      }
      vm.warp(block.timestamp + 1 + (dice >> 8) % 1 days);
    }
    for (uint256 step = 0; step < 24; ++step) {
      (Epoch memory epoch,) = policies.epochAt(times[step]);
      vm.assertEq(epoch.epoch, epochs[step], "epochAt");
      for (uint256 v = 0; v < 3; ++v) {
        bool was = policies.wasRemoved(EntryKind.Hardware, keccak256(bytes(values[v])), epochs[step]);
        vm.assertEq(was, states[step][v], "wasRemoved");
      }
    }
  }

  function test_refuses_to_deploy_without_a_guardian() public {
    vm.expectRevert(Governed.ZeroAddress.selector);
    _newPolicyRegistry(false, timelock, _withoutGuardian());
  }

  // ---------------------------------------------------------------- inside

  function _adopt(uint64 number) private {
    vm.prank(address(timelock));
    policies.adopt(number, DIGEST, ENVELOPE, NOW - 5, KINDS);
  }

  function _remove(EntryKind kind, string memory value) private {
    vm.prank(GUARDIAN);
    policies.remove(kind, value, "a reason");
  }

  function _restore(EntryKind kind, bytes32 key) private {
    vm.prank(address(timelock));
    policies.restore(kind, key);
  }

  function _expectValueInvalid(EntryKind kind, string memory value) private {
    vm.expectRevert(abi.encodeWithSelector(PolicyRegistry.ValueInvalid.selector, kind, value));
    _remove(kind, value);
  }

  function _expectInForce(uint64 time, uint64 epoch, uint64 policyEpoch) private view {
    (Epoch memory found, Policy memory policy) = policies.epochAt(time);
    vm.assertEq(found.epoch, epoch, "epoch");
    vm.assertEq(found.policyEpoch, policyEpoch, "policyEpoch");
    vm.assertEq(policy.epoch, policyEpoch, "document");
  }

  function _text(uint256 length) private pure returns (bytes memory text) {
    text = new bytes(length);
    for (uint256 i = 0; i < length; ++i) {
      text[i] = "a";
    }
  }
}

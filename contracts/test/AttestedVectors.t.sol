// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { Authorities } from "../src/Governed.sol";
import { EntryKind, PolicyRegistry } from "../src/PolicyRegistry.sol";
import { Contradiction, SettlementLog, VoidReason } from "../src/SettlementLog.sol";
import { TeeRegistry } from "../src/TeeRegistry.sol";
import { BatchHeader } from "../src/libraries/BatchHeader.sol";
import { InferenceReceipt, SignedReceipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof } from "../src/libraries/MerkleSum.sol";
import { ReceiptVectors } from "./support/ReceiptVectors.sol";

/// @notice Every case of vectors/receipt/attested-v1.json, of which the SDK says the rest: what the chain knows of
/// signatures, keys, dates and removals is the same there and here.
contract AttestedVectorsTest is ReceiptVectors {
  uint256 private constant CASES = 72;

  SettlementLog private log;

  function setUp() public {
    json = vm.readFile("../vectors/receipt/attested-v1.json");
    vm.chainId(vm.parseJsonUint(json, ".chainId"));
    vm.warp(1_768_000_000);
  }

  /// @dev Takes simulated keys, or is for hardware only.
  modifier atLog(bool simulatedAllowed) {
    log = _logAt(vm.parseJsonAddress(json, ".log"), simulatedAllowed);
    _;
  }

  function test_takes_and_refuses_the_signatures_as_the_vectors_say() public atLog(true) {
    uint256 refused;
    for (uint256 i = 0; i < CASES; ++i) {
      uint256 snapshot = vm.snapshotState();
      if (!_takesSignature(_at(".cases", i))) ++refused;
      vm.revertToState(snapshot);
    }
    vm.assertEq(refused, 8, "signatures refused");
    printLine(
      string.concat(vm.toString(CASES), " receipts of attested keys, ", vm.toString(refused), " signatures refused")
    );
  }

  function test_receipts_stand_or_fall_by_key_and_date_as_the_vectors_say() public atLog(true) {
    vm.assertEq(_lengthOf(".cases"), CASES, "cases");
    uint256 fallen;
    for (uint256 i = 0; i < CASES; ++i) {
      uint256 snapshot = vm.snapshotState();
      if (_leafFalls(_at(".cases", i))) ++fallen;
      vm.revertToState(snapshot);
    }
    vm.assertEq(fallen, 7, "leaves fallen");
    printLine(string.concat(vm.toString(CASES), " receipts of attested keys, ", vm.toString(fallen), " leaves void"));
  }

  function test_what_was_removed_in_a_receipts_epoch_is_what_the_vectors_say() public {
    uint256 seen;
    for (uint256 i = 0; i < CASES; ++i) {
      string memory path = _at(".cases", i);
      if (!vm.keyExistsJson(json, string.concat(path, ".chain.removals[0]"))) continue;
      uint256 snapshot = vm.snapshotState();
      vm.assertEq(_wasRemoved(path), vm.parseJsonBool(json, string.concat(path, ".log.removed")), _why(path));
      vm.revertToState(snapshot);
      ++seen;
    }
    vm.assertEq(seen, 17, "removals");
  }

  function test_pairs_contradict_each_other_as_the_vectors_say() public atLog(true) {
    uint256 count = _lengthOf(".pairs");
    vm.assertEq(count, 4, "pairs");
    for (uint256 i = 0; i < count; ++i) {
      string memory path = _at(".pairs", i);
      bytes32 expected = keccak256(bytes(vm.parseJsonString(json, string.concat(path, ".contradiction"))));
      SignedReceipt memory first = _signed(string.concat(path, ".first"));
      SignedReceipt memory second = _signed(string.concat(path, ".second"));
      uint256 snapshot = vm.snapshotState();
      bool none = expected == keccak256("none");
      if (none) vm.expectPartialRevert(SettlementLog.NoContradiction.selector);
      Contradiction found = log.proveEquivocation(first, second);
      Contradiction named = expected == keccak256("request") ? Contradiction.Request : Contradiction.Sequence;
      if (!none) vm.assertEq(uint256(found), uint256(named), _why(path));
      vm.revertToState(snapshot);
    }
  }

  function test_a_log_for_hardware_refuses_the_simulated_receipt() public atLog(false) {
    string memory path = _at(".cases", 0);
    SignedReceipt memory signed = _signed(path);
    vm.assertEq(signed.receipt.keyKind, 255, "simulated");
    vm.expectRevert(TeeRegistry.SimulatedKeyRefused.selector);
    registry.registerKey(signed.receipt.node, address(this), 255, 0, 0, 0, type(uint64).max);
    vm.expectRevert(SettlementLog.SimulatedReceiptRefused.selector);
    log.showSignature(signed.receipt, signed.signature);
    (BatchHeader memory header, InclusionProof memory proof) = _anchor(path);
    vm.assertEq(uint256(log.voidLeaf(header, signed.receipt, proof)), uint256(VoidReason.SimulatedKey), "void");
  }

  // ---------------------------------------------------------------- inside

  function _takesSignature(string memory path) private returns (bool taken) {
    SignedReceipt memory signed = _signed(path);
    bytes32 receiptHash = log.receiptHashOf(signed.receipt);
    vm.assertEq(receiptHash, vm.parseJsonBytes32(json, string.concat(path, ".digest")), _why(path));
    taken = _is(string.concat(path, ".log.signature"), "taken");
    (BatchHeader memory header, InclusionProof memory proof) = _anchor(path);
    log.demandSignature(header, signed.receipt, proof);
    if (!taken) vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, receiptHash));
    log.showSignature(signed.receipt, signed.signature);
  }

  function _leafFalls(string memory path) private returns (bool) {
    InferenceReceipt memory receipt = _receiptAt(string.concat(path, ".receipt"));
    _register(receipt.node, string.concat(path, ".chain.key"));
    (BatchHeader memory header, InclusionProof memory proof) = _anchor(path);
    _condemn(receipt.node, string.concat(path, ".chain.key"));
    VoidReason expected = _verdict(string.concat(path, ".log.leaf"));
    if (expected == VoidReason.None) vm.expectPartialRevert(SettlementLog.LeafStands.selector);
    VoidReason found = log.voidLeaf(header, receipt, proof);
    if (expected != VoidReason.None) vm.assertEq(uint256(found), uint256(expected), _why(path));
    return expected != VoidReason.None;
  }

  /// @dev A key as the prover registers it when its evidence has been appraised, and its end.
  function _register(address node, string memory key) private {
    if (!vm.keyExistsJson(json, string.concat(key, ".notBefore"))) return;
    uint64 retiredAt = _time(string.concat(key, ".retiredAt"));
    bytes32 evidenceId = vm.parseJsonBytes32(json, string.concat(key, ".evidenceId"));
    uint8 keyKind = uint8(vm.parseJsonUint(json, string.concat(key, ".keyKind")));
    uint64 notBefore = _time(string.concat(key, ".notBefore"));
    vm.warp(notBefore);
    registry.registerKey(node, address(this), keyKind, 0, evidenceId, notBefore, _time(string.concat(key, ".notAfter")));
    if (retiredAt == 0) return;
    vm.warp(retiredAt);
    string memory reason = vm.parseJsonString(json, string.concat(key, ".reason"));
    if (bytes(reason).length == 0) registry.retireKey(node);
    else registry.revokeKey(node, reason);
  }

  function _condemn(address node, string memory key) private {
    if (!vm.keyExistsJson(json, string.concat(key, ".compromisedFrom"))) return;
    string memory reason = vm.parseJsonString(json, string.concat(key, ".reason"));
    registry.declareCompromised(node, _time(string.concat(key, ".compromisedFrom")), reason);
  }

  /// @dev The batch of one leaf that the vectors computed by themselves.
  function _anchor(string memory path) private returns (BatchHeader memory header, InclusionProof memory proof) {
    string memory chain = string.concat(path, ".chain");
    vm.warp(_time(string.concat(chain, ".anchoredAt")));
    header.root = vm.parseJsonBytes32(json, string.concat(chain, ".header.root"));
    header.token = vm.parseJsonAddress(json, string.concat(chain, ".header.token"));
    header.total = _sum(string.concat(chain, ".header.total"));
    (header.id, header.count) = (1, 1);
    proof.collected = header.total;
    log.commit(header);
    vm.assertEq(log.headerOf(1), vm.parseJsonBytes32(json, string.concat(chain, ".headerHash")), _why(path));
  }

  /// @dev Plays the epochs up to the receipt's: a document before the removal, and one that the receipt was sold under.
  function _wasRemoved(string memory path) private returns (bool) {
    string memory removal = string.concat(path, ".chain.removals[0]");
    Authorities memory all = Authorities(address(this), 0, address(this), address(this), address(this));
    TimelockController timelock = new TimelockController(2 days, new address[](0), new address[](0), address(0));
    PolicyRegistry policies = _newPolicyRegistry(true, timelock, all);
    EntryKind kind = _entry(string.concat(removal, ".entry"));
    string memory value = vm.parseJsonString(json, string.concat(removal, ".value"));
    bytes32 key = policies.keyOf(value);

    _adopt(policies, timelock, _time(string.concat(removal, ".removedIn")) - 1);
    policies.remove(kind, value, vm.parseJsonString(json, string.concat(removal, ".reason")));
    vm.assertEq(policies.epoch(), _time(string.concat(removal, ".removedIn")), _why(path));
    if (_time(string.concat(removal, ".restoredIn")) != 0) {
      vm.prank(address(timelock));
      policies.restore(kind, key);
    }
    if (policies.epoch() < 42) _adopt(policies, timelock, 42);
    return policies.wasRemoved(kind, key, _time(string.concat(path, ".receipt.policyEpoch")));
  }

  function _adopt(PolicyRegistry policies, TimelockController timelock, uint64 number) private {
    vm.prank(address(timelock));
    policies.adopt(number, keccak256("document"), keccak256("envelope"), 0, 14);
  }

  function _signed(string memory path) private view returns (SignedReceipt memory) {
    return SignedReceipt(
      _receiptAt(string.concat(path, ".receipt")), vm.parseJsonBytes(json, string.concat(path, ".signature"))
    );
  }

  function _why(string memory path) private view returns (string memory) {
    return vm.parseJsonString(json, string.concat(path, ".why"));
  }

  function _time(string memory path) private view returns (uint64) {
    return uint64(vm.parseJsonUint(json, path));
  }

  function _is(string memory path, string memory word) private view returns (bool) {
    return keccak256(bytes(vm.parseJsonString(json, path))) == keccak256(bytes(word));
  }

  function _verdict(string memory path) private view returns (VoidReason) {
    if (_is(path, "anchored-late")) return VoidReason.AnchoredLate;
    if (_is(path, "signer-invalid")) return VoidReason.SignerInvalid;
    vm.assertTrue(_is(path, "stands"), path);
    return VoidReason.None;
  }

  function _entry(string memory path) private view returns (EntryKind) {
    if (_is(path, "hardware")) return EntryKind.Hardware;
    if (_is(path, "product")) return EntryKind.Product;
    if (_is(path, "platform")) return EntryKind.Platform;
    if (_is(path, "signer")) return EntryKind.Signer;
    vm.assertTrue(_is(path, "measurement"), path);
    return EntryKind.Measurement;
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ProofLedger, ProofRefusal, ProvenReceipt } from "../src/ProofLedger.sol";
import { SettlementLog } from "../src/SettlementLog.sol";
import { VerificationKeyRegistry } from "../src/VerificationKeyRegistry.sol";
import { VerifierRouter } from "../src/VerifierRouter.sol";
import { InferenceReceipt } from "../src/libraries/InferenceReceipt.sol";
import { ProofFixture } from "./support/ProofFixture.sol";
import { Log } from "./support/Test.sol";

contract ProofLedgerTest is ProofFixture {
  // ---------------------------------------------------------------- one proof

  function test_a_proof_with_its_receipt_spends_the_request_whoever_brings_it() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    ProvenReceipt memory item = _proven(receipt);
    bytes32 receiptHash = log.receiptHashOf(receipt);
    vm.expectEmit(address(ledger));
    emit ProofLedger.ProofAccepted(
      receiptHash, receipt.requestId, MODEL, address(log), node, vkId, receipt.statementHash
    );
    vm.prank(STRANGER);
    ledger.accept(address(log), GROTH16, item);
    vm.assertEq(_acceptedAt(receipt), NOW, "accepted");
    vm.warp(NOW + 1);
    _expectRefused(item, ProofRefusal.AlreadyAccepted);
    vm.assertEq(_acceptedAt(receipt), NOW, "once");
  }

  function test_takes_tee_and_zkml_with_the_evidence_of_the_hardware() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    (receipt.mode, receipt.evidenceId) = (3, keccak256("evidence"));
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.assertEq(_acceptedAt(receipt), NOW, "accepted");
  }

  function test_context_and_statement_follow_the_vectors() public {
    string memory json = vm.readFile("../vectors/zk/groth16-v1.json");
    for (uint256 i = 0; i < 5; ++i) {
      string memory path = string.concat(".contexts[", vm.toString(i), "]");
      vm.chainId(vm.parseJsonUint(json, string.concat(path, ".chainId")));
      uint256 context = ledger.contextOf(
        vm.parseJsonAddress(json, string.concat(path, ".settlementLog")),
        vm.parseJsonBytes32(json, string.concat(path, ".requestId")),
        vm.parseJsonBytes32(json, string.concat(path, ".modelHash"))
      );
      vm.assertEq(context, uint256(vm.parseJsonBytes32(json, string.concat(path, ".context"))), "context");
      vm.assertLt(context, 1 << 248, "248 bits");
    }
    uint256[] memory signals = new uint256[](2);
    (signals[0], signals[1]) = (1, 2);
    vm.assertEq(ledger.statementHashOf(signals), keccak256(abi.encode(uint256(1), uint256(2))), "statement");
  }

  // ---------------------------------------------------------------- what does not count

  function test_a_proof_over_another_input_does_not_count_for_a_receipt() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    uint256[] memory other = _signalsOf(receipt, "another input");
    ProvenReceipt memory item = _proven(receipt, NODE_KEY, other);
    vm.assertTrue(verifier.verify(vkId, other, item.proof), "though it holds");
    _expectRefused(item, ProofRefusal.StatementMismatch);
    _expectStillOpen(receipt);
  }

  function test_a_proof_of_another_request_does_not_count() public {
    InferenceReceipt memory theirs = _zkReceipt("b", 1000);
    InferenceReceipt memory mine = _zkReceipt("a", 1000);
    // Even when the node signed for its signals.
    uint256[] memory signals = _signalsOf(theirs, "input");
    mine.statementHash = keccak256(abi.encodePacked(signals));
    _expectRefused(_proven(mine, NODE_KEY, signals), ProofRefusal.ContextMismatch);
    _expectStillOpen(_zkReceipt("a", 1000));
  }

  function test_a_proof_for_another_model_log_or_chain_does_not_count() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    for (uint256 what = 0; what < 3; ++what) {
      uint256[] memory signals = _signalsOf(receipt, "input");
      signals[3] = uint256(
        keccak256(
          abi.encode(
            "haca/zk-context/1",
            what == 0 ? 8453 : block.chainid,
            what == 1 ? STRANGER : address(log),
            receipt.requestId,
            what == 2 ? keccak256("another model") : MODEL
          )
        )
      ) >> 8;
      receipt.statementHash = keccak256(abi.encodePacked(signals));
      _expectRefused(_proven(receipt, NODE_KEY, signals), ProofRefusal.ContextMismatch);
    }
    _expectStillOpen(_zkReceipt("a", 1000));
  }

  /// @dev s + r means s to a pairing, and has another hash: it must not pass as another statement.
  function test_a_signal_under_another_name_does_not_count() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    uint256[] memory signals = _signalsOf(receipt, "input");
    bytes memory proof = _prove(signals, 7);
    signals[2] += R;
    receipt.statementHash = keccak256(abi.encodePacked(signals));
    bytes memory signature = _sign(NODE_KEY, log.receiptHashOf(receipt));
    _expectInvalid(ProvenReceipt(receipt, signature, signals, proof));
  }

  function test_somebody_elses_receipt_neither_spends_nor_blocks_a_request() public {
    InferenceReceipt memory mine = _zkReceipt("a", 1000);
    // A rogue node signs for the same request, with an input of its own and a sound proof of that.
    InferenceReceipt memory theirs = _zkReceipt("a", 1000);
    (theirs.node, theirs.keyKind) = (vm.addr(ROGUE_NODE_KEY), 0);
    uint256[] memory signals = _signalsOf(theirs, "another input");
    theirs.statementHash = keccak256(abi.encodePacked(signals));
    ledger.accept(address(log), GROTH16, _proven(theirs, ROGUE_NODE_KEY, signals));
    vm.assertEq(_acceptedAt(theirs), NOW, "it spent its own");
    vm.assertEq(_acceptedAt(mine), 0, "and not ours");
    ledger.accept(address(log), GROTH16, _proven(mine));
    vm.assertEq(_acceptedAt(mine), NOW, "which is still open");
  }

  function test_a_receipt_for_another_log_neither_spends_nor_blocks_a_request() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    // Whoever deploys a log of his own can have anything accepted there, and nothing here.
    SettlementLog other = _newSettlementLog(false, registry, ledger, _authorities());
    ProvenReceipt memory item = _proven(receipt);
    vm.expectRevert(
      abi.encodeWithSelector(
        ProofLedger.ProofRefused.selector, other.receiptHashOf(receipt), ProofRefusal.ContextMismatch
      )
    );
    ledger.accept(address(other), GROTH16, item);
    _expectStillOpen(receipt);
  }

  function test_a_signature_of_anybody_else_does_not_count() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    uint256[] memory signals = _signalsOf(receipt, "input");
    _expectRefused(_proven(receipt, ROGUE_NODE_KEY, signals), ProofRefusal.SignatureInvalid);
    ProvenReceipt memory item = _proven(receipt);
    item.signature = new bytes(65);
    _expectRefused(item, ProofRefusal.SignatureInvalid);
    item.receipt.node = address(0);
    _expectRefused(item, ProofRefusal.SignatureInvalid);
    _expectStillOpen(_zkReceipt("a", 1000));
  }

  /// @dev Each field is under the signature: nothing about a receipt can be changed on the way.
  function testFuzz_a_receipt_that_was_changed_does_not_count(uint256 field, bytes32 value) public {
    ProvenReceipt memory item = _proven(_zkReceipt("a", 1000));
    InferenceReceipt memory changed = item.receipt;
    field = bound(field, 0, 8);
    if (field == 0) changed.requestId = value;
    if (field == 1) changed.modelHash = value;
    if (field == 2) changed.requestHash = value;
    if (field == 3) changed.outputHash = value;
    if (field == 4) changed.statementHash = value;
    if (field == 5) changed.evidenceId = value;
    if (field == 6) changed.price = uint128(uint256(value));
    if (field == 7) changed.issuedAt = uint64(uint256(value));
    if (field == 8) changed.keyKind = uint8(uint256(value));
    vm.assume(log.receiptHashOf(changed) != log.receiptHashOf(_zkReceipt("a", 1000)));
    vm.expectPartialRevert(ProofLedger.ProofRefused.selector);
    ledger.accept(address(log), GROTH16, item);
    _expectStillOpen(_zkReceipt("a", 1000));
  }

  function test_a_node_the_registry_does_not_vouch_for_proves_nothing() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    receipt.keyKind = 3;
    _expectRefused(_proven(receipt), ProofRefusal.SignerInvalid);
    receipt = _zkReceipt("a", 1000);
    receipt.issuedAt = NOW + 30 days + 1;
    _expectRefused(_proven(receipt), ProofRefusal.SignerInvalid);
    receipt = _zkReceipt("a", 1000);
    vm.prank(GUARDIAN);
    registry.declareCompromised(node, NOW, "leaked");
    _expectRefused(_proven(receipt), ProofRefusal.SignerInvalid);
  }

  function test_a_receipt_that_promises_no_proof_needs_none() public {
    uint8[4] memory modes = [uint8(0), 1, 4, 255];
    for (uint256 i = 0; i < 4; ++i) {
      InferenceReceipt memory receipt = _zkReceipt("a", 1000);
      receipt.mode = modes[i];
      _expectRefused(_proven(receipt), ProofRefusal.ModeWithoutProof);
    }
  }

  function test_a_model_without_a_circuit_proves_nothing() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    receipt.modelHash = keccak256("another model");
    receipt.statementHash = keccak256(abi.encodePacked(_signalsOf(receipt, "input")));
    _expectRefused(_proven(receipt), ProofRefusal.CircuitUnbound);
  }

  function test_a_zkml_receipt_names_the_key_of_its_model() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    receipt.evidenceId = keccak256("another key");
    _expectRefused(_proven(receipt), ProofRefusal.EvidenceMismatch);
  }

  function test_a_receipt_without_signals_proves_nothing() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    receipt.statementHash = keccak256("");
    bytes memory signature = _sign(NODE_KEY, log.receiptHashOf(receipt));
    _expectRefused(ProvenReceipt(receipt, signature, new uint256[](0), ""), ProofRefusal.ContextMismatch);
  }

  // ---------------------------------------------------------------- proofs that do not hold

  function testFuzz_any_flipped_bit_of_a_proof_is_refused_and_spends_nothing(uint256 bit) public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    ProvenReceipt memory item = _proven(receipt);
    bit = bound(bit, 0, 2047);
    item.proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    _expectInvalid(item);
    _expectStillOpen(receipt);
  }

  function test_a_proof_of_another_length_does_not_hold() public {
    ProvenReceipt memory item = _proven(_zkReceipt("a", 1000));
    item.proof = bytes.concat(item.proof, hex"00");
    _expectInvalid(item);
    item.proof = "";
    _expectInvalid(item);
  }

  /// @dev A verifier would take both: a node must not pass two statements off as one.
  function test_two_proofs_are_no_proof_of_a_receipt() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    uint256[] memory own = _signalsOf(receipt, "input");
    uint256[] memory other = _signalsOf(_zkReceipt("b", 1000), "another input");
    uint256[] memory both = new uint256[](8);
    for (uint256 i = 0; i < 4; ++i) {
      (both[i], both[4 + i]) = (other[i], own[i]);
    }
    bytes memory proofs = bytes.concat(_prove(other, 3), _prove(own, 4));
    vm.assertTrue(verifier.verify(vkId, both, proofs), "both hold");
    receipt.statementHash = keccak256(abi.encodePacked(both));
    bytes memory signature = _sign(NODE_KEY, log.receiptHashOf(receipt));
    _expectInvalid(ProvenReceipt(receipt, signature, both, proofs));
  }

  function test_another_proof_of_the_same_statement_finds_the_request_spent() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    ProvenReceipt memory item = _proven(receipt);
    ledger.accept(address(log), GROTH16, item);
    item.proof = _prove(item.signals, 99);
    vm.assertTrue(verifier.verify(vkId, item.signals, item.proof), "it holds");
    _expectRefused(item, ProofRefusal.AlreadyAccepted);
  }

  function test_a_node_proves_one_receipt_of_a_request() public {
    InferenceReceipt memory first = _zkReceipt("a", 1000);
    ledger.accept(address(log), GROTH16, _proven(first));
    InferenceReceipt memory second = _zkReceipt("a", 1000);
    uint256[] memory signals = _signalsOf(second, "another input");
    (second.statementHash, second.seq) = (keccak256(abi.encodePacked(signals)), 1);
    _expectRefused(_proven(second, NODE_KEY, signals), ProofRefusal.RequestSpent);
    vm.assertEq(_acceptedAt(first), NOW, "the first");
    vm.assertEq(_acceptedAt(second), 0, "and only it");
  }

  function test_a_frozen_route_takes_nothing_and_undoes_nothing() public {
    InferenceReceipt memory before = _zkReceipt("a", 1000);
    ledger.accept(address(log), GROTH16, _proven(before));
    vm.prank(GUARDIAN);
    router.freezeRoute(GROTH16);
    ProvenReceipt memory item = _proven(_zkReceipt("b", 1000));
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.RouteIsFrozen.selector, GROTH16));
    ledger.accept(address(log), GROTH16, item);
    vm.assertEq(_acceptedAt(before), NOW, "stays accepted");
    // The same key, by another verifier.
    bytes4 next = 0x00000002;
    VerifierRouter there = router;
    vm.startPrank(ADMIN);
    there.addRoute(next, _newGroth16Verifier(keys));
    vm.stopPrank();
    vm.warp(NOW + 2 days);
    ledger.accept(address(log), next, item);
    vm.assertEq(_acceptedAt(item.receipt), NOW + 2 days, "accepted");
  }

  function test_a_selector_without_a_route_takes_nothing() public {
    ProvenReceipt memory item = _proven(_zkReceipt("a", 1000));
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.RouteUnknown.selector, bytes4(0)));
    ledger.accept(address(log), 0, item);
  }

  function test_a_simulated_node_proves_only_where_it_may_sign() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    receipt.keyKind = 255;
    _expectRefused(_proven(receipt), ProofRefusal.SignerInvalid);
    registry = _newTeeRegistry(true, _authorities());
    ledger = _newProofLedger(registry, models, router);
    log = _newSettlementLog(true, registry, ledger, _authorities());
    vm.prank(REGISTRAR);
    registry.registerKey(node, OPERATOR, 255, 0, 0, NOW, NOW + 1 days);
    receipt.statementHash = keccak256(abi.encodePacked(_signalsOf(receipt, "input")));
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.assertEq(_acceptedAt(receipt), NOW, "accepted");
  }

  // ---------------------------------------------------------------- many proofs

  function test_takes_1_to_64_proofs_at_once() public {
    uint256[4] memory sizes = [uint256(1), 2, 33, 64];
    for (uint256 s = 0; s < 4; ++s) {
      ProvenReceipt[] memory items = _items(sizes[s], s);
      ProofRefusal[] memory refusals = ledger.acceptBatch(address(log), GROTH16, vkId, items);
      for (uint256 i = 0; i < items.length; ++i) {
        vm.assertTrue(refusals[i] == ProofRefusal.None, "accepted");
        vm.assertEq(_acceptedAt(items[i].receipt), NOW, "recorded");
      }
    }
    vm.expectRevert(abi.encodeWithSelector(ProofLedger.BatchSizeInvalid.selector, 0));
    ledger.acceptBatch(address(log), GROTH16, vkId, new ProvenReceipt[](0));
    vm.expectRevert(abi.encodeWithSelector(ProofLedger.BatchSizeInvalid.selector, 65));
    ledger.acceptBatch(address(log), GROTH16, vkId, new ProvenReceipt[](65));
  }

  function test_what_does_not_count_is_skipped_with_its_reason_and_sinks_nothing() public {
    ProvenReceipt[] memory items = _items(9, 0);
    ledger.accept(address(log), GROTH16, items[0]);
    items[1].receipt.mode = 1;
    items[2].signature = new bytes(65);
    items[3].signals[0] ^= 1;
    items[4].receipt.modelHash = keccak256("another model");
    items[5].proof = bytes.concat(items[5].proof, hex"00");
    items[6].signals = new uint256[](3);
    items[7] = items[8];
    vm.recordLogs();
    ProofRefusal[] memory refusals = ledger.acceptBatch(address(log), GROTH16, vkId, items);
    ProofRefusal[9] memory expected = [
      ProofRefusal.AlreadyAccepted,
      ProofRefusal.ModeWithoutProof,
      ProofRefusal.SignatureInvalid,
      ProofRefusal.StatementMismatch,
      ProofRefusal.OtherCircuit,
      ProofRefusal.Malformed,
      ProofRefusal.Malformed,
      ProofRefusal.None,
      ProofRefusal.AlreadyAccepted
    ];
    Log[] memory logs = vm.getRecordedLogs();
    vm.assertEq(logs.length, 9, "one event each");
    for (uint256 i = 0; i < 9; ++i) {
      vm.assertEq(uint256(refusals[i]), uint256(expected[i]), "refusal");
      bool accepted = expected[i] == ProofRefusal.None;
      bytes32 topic = accepted ? ProofLedger.ProofAccepted.selector : ProofLedger.ProofSkipped.selector;
      vm.assertEq(logs[i].topics[0], topic, "event");
      vm.assertEq(logs[i].topics[1], log.receiptHashOf(items[i].receipt), "of the receipt");
      if (!accepted) vm.assertEq(logs[i].data, abi.encode(expected[i]), "says why");
    }
    vm.assertEq(_acceptedAt(items[7].receipt), NOW, "the good one");
  }

  function test_a_batch_in_which_nothing_counts_is_no_error() public {
    ProvenReceipt[] memory items = _items(3, 0);
    ledger.acceptBatch(address(log), GROTH16, vkId, items);
    ProofRefusal[] memory refusals = ledger.acceptBatch(address(log), GROTH16, vkId, items);
    for (uint256 i = 0; i < 3; ++i) {
      vm.assertTrue(refusals[i] == ProofRefusal.AlreadyAccepted, "sent twice");
    }
  }

  /// @dev Nothing sinks silently: the whole reverts, nothing is spent, and halving finds the one.
  /// forge-config: default.fuzz.runs = 48
  /// forge-config: test.fuzz.runs = 48
  function testFuzz_one_proof_that_does_not_hold_reverts_the_batch(uint256 which, uint256 bit) public {
    ProvenReceipt[] memory items = _items(5, 0);
    which = bound(which, 0, 4);
    bit = bound(bit, 0, 2047);
    items[which].proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    vm.expectRevert(abi.encodeWithSelector(ProofLedger.BatchInvalid.selector, 5));
    ledger.acceptBatch{ gas: 15_000_000 }(address(log), GROTH16, vkId, items);
    for (uint256 i = 0; i < 5; ++i) {
      vm.assertEq(_acceptedAt(items[i].receipt), 0, "nothing was spent");
      if (i != which) ledger.accept(address(log), GROTH16, items[i]);
    }
  }

  function test_one_node_proves_one_receipt_of_a_request_also_within_a_batch() public {
    ProvenReceipt[] memory items = new ProvenReceipt[](2);
    items[0] = _proven(_zkReceipt("a", 1000));
    InferenceReceipt memory second = _zkReceipt("a", 1000);
    second.seq = 1;
    items[1] = _proven(second);
    ProofRefusal[] memory refusals = ledger.acceptBatch(address(log), GROTH16, vkId, items);
    vm.assertTrue(refusals[0] == ProofRefusal.None && refusals[1] == ProofRefusal.RequestSpent, "the first");
  }

  function test_a_batch_of_an_unknown_circuit_is_refused() public {
    ProvenReceipt[] memory items = _items(1, 0);
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.KeyUnknown.selector, bytes32(0)));
    ledger.acceptBatch(address(log), GROTH16, 0, items);
  }

  // ---------------------------------------------------------------- inside

  function _items(uint256 count, uint256 seed) private view returns (ProvenReceipt[] memory items) {
    items = new ProvenReceipt[](count);
    for (uint256 i = 0; i < count; ++i) {
      InferenceReceipt memory receipt = _zkReceipt(keccak256(abi.encode(seed, i)), 1000);
      receipt.seq = uint64(100 * seed + i);
      items[i] = _proven(receipt);
    }
  }

  function _expectRefused(ProvenReceipt memory item, ProofRefusal refusal) private {
    bytes32 receiptHash = log.receiptHashOf(item.receipt);
    vm.expectRevert(abi.encodeWithSelector(ProofLedger.ProofRefused.selector, receiptHash, refusal));
    ledger.accept(address(log), GROTH16, item);
  }

  function _expectInvalid(ProvenReceipt memory item) private {
    vm.expectRevert(abi.encodeWithSelector(ProofLedger.ProofInvalid.selector, log.receiptHashOf(item.receipt)));
    ledger.accept{ gas: 10_000_000 }(address(log), GROTH16, item);
  }

  /// @dev Whatever was tried: the request can be proven by its own receipt.
  function _expectStillOpen(InferenceReceipt memory receipt) private {
    uint256 snapshot = vm.snapshotState();
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.assertEq(_acceptedAt(receipt), block.timestamp, "still open");
    vm.revertToState(snapshot);
  }
}

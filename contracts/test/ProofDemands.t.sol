// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ProvenReceipt } from "../src/ProofLedger.sol";
import { SettlementLog, VoidReason } from "../src/SettlementLog.sol";
import { InferenceReceipt } from "../src/libraries/InferenceReceipt.sol";
import { ProofFixture } from "./support/ProofFixture.sol";

/// @notice A promised proof is there when somebody asks for it, or the money goes back.
contract ProofDemandsTest is ProofFixture {
  function test_a_proof_nobody_shows_voids_the_leaf_after_a_day_and_the_payer_is_refunded() public {
    _collect(1000, "a");
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    bytes32 receiptHash = log.receiptHashOf(receipt);
    vm.expectEmit(address(log));
    emit SettlementLog.ProofDemanded(receiptHash, 1, 0, NOW + 24 hours);
    vm.prank(STRANGER);
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    vm.assertEq(log.proofDueOf(receiptHash), NOW + 24 hours, "due");

    vm.warp(NOW + 24 hours);
    _expectStands(batch);
    vm.warp(NOW + 24 hours + 1);
    vm.expectEmit(address(log));
    emit SettlementLog.LeafVoided(receiptHash, receipt.paymentId, 1, 0, address(usdc), 1000, VoidReason.ProofMissing);
    vm.prank(STRANGER);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));

    uint256 before = usdc.balanceOf(payer);
    vm.assertTrue(vault.refund(_key("a"), batch.header, receipt, _proof(batch, 0)), "paid");
    vm.assertEq(usdc.balanceOf(payer), before + 1000, "whole");
    vm.assertEq(vault.owedOf(address(usdc)), 0, "nothing is owed");
    vm.assertEq(log.anchoredTotal(address(usdc)), 0, "nothing is anchored");
  }

  function test_an_accepted_proof_settles_the_matter_for_good() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.warp(NOW + 2 days);
    _expectStands(batch);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyDemanded.selector, log.receiptHashOf(receipt)));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
  }

  function test_a_proof_accepted_beforehand_cannot_be_demanded() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.ProofAlreadyAccepted.selector, log.receiptHashOf(receipt)));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
  }

  function test_a_batch_of_proofs_answers_as_well() public {
    InferenceReceipt[] memory receipts = new InferenceReceipt[](2);
    uint128[] memory collected = new uint128[](2);
    ProvenReceipt[] memory items = new ProvenReceipt[](2);
    for (uint256 i = 0; i < 2; ++i) {
      receipts[i] = _zkReceipt(bytes32(i + 1), 1000);
      receipts[i].seq = uint64(i);
      collected[i] = 1000;
      items[i] = _proven(receipts[i]);
    }
    Anchored memory batch = _anchor(log, receipts, collected);
    log.demandProof(batch.header, receipts[0], _proof(batch, 0));
    log.demandProof(batch.header, receipts[1], _proof(batch, 1));
    ledger.acceptBatch(address(log), GROTH16, vkId, items);
    vm.warp(NOW + 2 days);
    for (uint256 i = 0; i < 2; ++i) {
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.LeafStands.selector, log.receiptHashOf(receipts[i])));
      log.voidLeaf(batch.header, receipts[i], _proof(batch, i));
    }
  }

  function test_a_late_proof_counts_until_somebody_voids() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    vm.warp(NOW + 3 days);
    ledger.accept(address(log), GROTH16, _proven(receipt));
    _expectStands(batch);
  }

  function test_a_proof_after_the_void_changes_nothing() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    vm.warp(NOW + 2 days);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
    ledger.accept(address(log), GROTH16, _proven(receipt));
    vm.assertTrue(log.voidReasonOf(log.receiptHashOf(receipt)) == VoidReason.ProofMissing, "void");
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyVoid.selector, log.receiptHashOf(receipt)));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
  }

  /// @dev Left to a dispute: what nobody asks for costs nobody anything.
  function test_an_unproven_leaf_nobody_asks_about_stands() public {
    Anchored memory batch = _anchorOne(_zkReceipt("a", 1000), 1000);
    vm.warp(NOW + 7 days);
    _expectStands(batch);
  }

  function test_only_a_receipt_that_promised_a_proof_owes_one() public {
    uint8[4] memory modes = [uint8(0), 1, 4, 255];
    for (uint256 i = 0; i < 4; ++i) {
      InferenceReceipt memory receipt = _zkReceipt(bytes32(i + 1), 1000);
      receipt.mode = modes[i];
      Anchored memory batch = _anchorOne(receipt, 1000);
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.NoProofPromised.selector, log.receiptHashOf(receipt)));
      log.demandProof(batch.header, receipt, _proof(batch, 0));
    }
    InferenceReceipt memory both = _zkReceipt("both", 1000);
    (both.mode, both.evidenceId) = (3, keccak256("evidence"));
    Anchored memory last = _anchorOne(both, 1000);
    log.demandProof(last.header, both, _proof(last, 0));
    vm.warp(NOW + 24 hours + 1);
    vm.assertTrue(log.voidLeaf(last.header, both, _proof(last, 0)) == VoidReason.ProofMissing, "tee+zkml too");
  }

  function test_a_demand_has_to_leave_time_to_act_on_it() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    vm.warp(NOW + 5 days + 1);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.WindowClosed.selector, NOW + 5 days));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    vm.warp(NOW + 5 days);
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    vm.warp(NOW + 6 days + 1);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
  }

  function test_nobody_demands_a_proof_of_what_is_not_in_the_log() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    receipt.price = 999;
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.NotIncluded.selector, 1, log.receiptHashOf(receipt)));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
  }

  /// @dev The proof has to be of the anchored receipt, not of another of the same request.
  function test_a_proof_of_another_receipt_of_the_request_does_not_answer() public {
    InferenceReceipt memory anchored = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(anchored, 1000);
    log.demandProof(batch.header, anchored, _proof(batch, 0));
    InferenceReceipt memory other = _zkReceipt("a", 1000);
    other.seq = 9;
    ledger.accept(address(log), GROTH16, _proven(other));
    vm.warp(NOW + 24 hours + 1);
    VoidReason reason = log.voidLeaf(batch.header, anchored, _proof(batch, 0));
    vm.assertTrue(reason == VoidReason.ProofMissing, "not this one");
  }

  /// @dev Nor one by a node that signed for somebody else's request.
  function test_a_proof_of_another_node_does_not_answer() public {
    InferenceReceipt memory anchored = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(anchored, 1000);
    log.demandProof(batch.header, anchored, _proof(batch, 0));
    InferenceReceipt memory theirs = _zkReceipt("a", 1000);
    (theirs.node, theirs.keyKind) = (vm.addr(ROGUE_NODE_KEY), 0);
    ledger.accept(address(log), GROTH16, _proven(theirs, ROGUE_NODE_KEY, _signalsOf(theirs, "input")));
    vm.warp(NOW + 24 hours + 1);
    log.voidLeaf(batch.header, anchored, _proof(batch, 0));
  }

  function test_signature_and_proof_are_demanded_apart() public {
    InferenceReceipt memory receipt = _zkReceipt("a", 1000);
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    log.demandProof(batch.header, receipt, _proof(batch, 0));
    log.showSignature(receipt, _sign(NODE_KEY, log.receiptHashOf(receipt)));
    vm.warp(NOW + 24 hours + 1);
    vm.assertTrue(log.voidLeaf(batch.header, receipt, _proof(batch, 0)) == VoidReason.ProofMissing, "the proof is due");
  }

  function _expectStands(Anchored memory batch) private {
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.LeafStands.selector, receiptHash));
    log.voidLeaf(batch.header, batch.receipts[0], _proof(batch, 0));
  }
}

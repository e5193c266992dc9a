// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Contradiction, SettlementLog, VoidReason } from "../src/SettlementLog.sol";
import { TeeRegistry, Validity } from "../src/TeeRegistry.sol";
import { InferenceReceipt, SignedReceipt } from "../src/libraries/InferenceReceipt.sol";
import { Fixture } from "./support/Fixture.sol";

/// @notice What a sceptic may count on: a receipt that is backdated, repeats a sequence number, contradicts another,
/// or was meant for another model, chain or contract does not stand.
contract RefusedReceiptsTest is Fixture {
  // ---------------------------------------------------------------- backdated

  function test_a_receipt_dated_before_its_key_was_valid_is_void() public {
    address young = vm.addr(0x1234);
    vm.prank(REGISTRAR);
    registry.registerKey(young, OPERATOR, 2, "image", "evidence", NOW + 100, NOW + 1 days);
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.node = young;
    (receipt.issuedAt, receipt.settleBy) = (NOW + 99, NOW + 699);
    vm.assertTrue(registry.validityAs(young, 2, NOW + 99) == Validity.NotYetValid, "not yet");
    _expectVoid(receipt, VoidReason.SignerInvalid);
    (receipt.issuedAt, receipt.settleBy) = (NOW + 100, NOW + 700);
    _expectStands(receipt);
  }

  /// @dev A stolen key may write any date it was valid at, but not anchor it in time.
  function test_a_receipt_that_a_stolen_expired_key_backdates_is_anchored_too_late() public {
    vm.warp(NOW + 30 days + 2 hours);
    InferenceReceipt memory receipt = _receipt("a", 1000);
    (receipt.issuedAt, receipt.settleBy) = (NOW + 30 days, type(uint64).max);
    vm.assertTrue(registry.wasValid(node, receipt.issuedAt), "the date itself is fine");
    _expectVoid(receipt, VoidReason.AnchoredLate);
  }

  function test_a_receipt_dated_back_behind_a_revocation_is_anchored_too_late() public {
    vm.warp(NOW + 1 hours);
    vm.prank(GUARDIAN);
    registry.revokeKey(node, "image withdrawn");
    vm.warp(NOW + 2 hours);
    InferenceReceipt memory receipt = _receipt("a", 1000);
    _expectVoid(receipt, VoidReason.SignerInvalid);
    (receipt.issuedAt, receipt.seq) = (NOW + 1 hours - 1, 2);
    vm.assertTrue(registry.wasValid(node, receipt.issuedAt), "before the revocation");
    _expectVoid(receipt, VoidReason.AnchoredLate);
  }

  // ---------------------------------------------------------------- contradicted

  function test_a_replayed_sequence_number_voids_both_receipts() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("b", 1000);
    (first.seq, second.seq) = (7, 7);
    Anchored memory one = _anchorOne(first, 1000);
    Anchored memory two = _anchorOne(second, 1000);
    (bytes32 firstHash, bytes32 secondHash) = (log.receiptHashOf(first), log.receiptHashOf(second));
    vm.expectEmit(address(log));
    emit SettlementLog.EquivocationProven(node, firstHash, secondHash, Contradiction.Sequence);
    vm.prank(STRANGER);
    log.proveEquivocation(_signed(first), _signed(second));
    vm.assertEq(log.contradictedBy(firstHash), secondHash, "the first");
    vm.assertEq(log.contradictedBy(secondHash), firstHash, "the second");
    _expectReason(log.voidLeaf(one.header, first, _proof(one, 0)), VoidReason.Equivocation);
    _expectReason(log.voidLeaf(two.header, second, _proof(two, 0)), VoidReason.Equivocation);
  }

  function test_two_answers_prices_or_payments_of_one_request_void_both_receipts() public {
    for (uint256 field = 0; field < 3; ++field) {
      InferenceReceipt memory first = _receipt(bytes32(field + 1), 1000);
      InferenceReceipt memory second = _receipt(bytes32(field + 1), 1000);
      (first.seq, second.seq) = (uint64(2 * field), uint64(2 * field + 1));
      if (field == 0) second.outputHash = keccak256("another answer");
      else if (field == 1) second.price = 999;
      else second.paymentId = keccak256("another payment");
      Anchored memory batch = _anchorOne(first, 1000);
      vm.assertTrue(
        log.proveEquivocation(_signed(second), _signed(first)) == Contradiction.Request, "one request, two receipts"
      );
      _expectReason(log.voidLeaf(batch.header, first, _proof(batch, 0)), VoidReason.Equivocation);
      // Also where it is anchored only after the proof.
      _expectVoid(second, VoidReason.Equivocation);
    }
  }

  function test_a_contradicted_payment_goes_back_to_its_payer_once() public {
    _collect(1000, "a");
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("a", 1000);
    (second.outputHash, second.seq) = (keccak256("another answer"), 1);
    Anchored memory batch = _anchorOne(first, 1000);
    log.proveEquivocation(_signed(first), _signed(second));
    log.voidLeaf(batch.header, first, _proof(batch, 0));
    uint256 before = usdc.balanceOf(payer);
    vm.assertTrue(vault.refund(_key("a"), batch.header, first, _proof(batch, 0)), "paid");
    vm.assertEq(usdc.balanceOf(payer), before + 1000, "whole");
    vm.assertEq(usdc.balanceOf(address(vault)), 0, "and nothing is left");
  }

  function test_receipts_that_can_both_be_true_prove_nothing() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory next = _receipt("b", 1000);
    next.seq = 1;
    _expectNoContradiction(first, next);
    _expectNoContradiction(first, first);
    // Signed again because the first copy was lost: another time, another number, the same answer.
    InferenceReceipt memory again = _receipt("a", 1000);
    (again.seq, again.issuedAt) = (2, first.issuedAt + 1);
    _expectNoContradiction(first, again);
  }

  function test_two_nodes_do_not_contradict_each_other() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("a", 1000);
    (second.node, second.outputHash) = (vm.addr(0x1234), keccak256("another answer"));
    SignedReceipt memory theirs = SignedReceipt(second, _sign(0x1234, log.receiptHashOf(second)));
    SignedReceipt memory ours = _signed(first);
    vm.expectPartialRevert(SettlementLog.NoContradiction.selector);
    log.proveEquivocation(ours, theirs);
  }

  function test_nobody_is_accused_without_both_signatures() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory forged = _receipt("b", 1000);
    bytes32 forgedHash = log.receiptHashOf(forged);
    SignedReceipt memory forgery = SignedReceipt(forged, _sign(PAYER_KEY, forgedHash));
    SignedReceipt memory genuine = _signed(first);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, forgedHash));
    log.proveEquivocation(genuine, forgery);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, forgedHash));
    log.proveEquivocation(forgery, genuine);
    forgery.signature = new bytes(65);
    forgery.receipt.node = address(0);
    vm.expectPartialRevert(SettlementLog.SignatureInvalid.selector);
    log.proveEquivocation(genuine, forgery);
  }

  function test_an_equivocation_is_proven_once_and_a_third_receipt_is_another() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("b", 1000);
    InferenceReceipt memory third = _receipt("c", 1000);
    log.proveEquivocation(_signed(first), _signed(second));
    bytes32 firstHash = log.receiptHashOf(first);
    bytes32 secondHash = log.receiptHashOf(second);
    SignedReceipt memory signed = _signed(first);
    SignedReceipt memory other = _signed(second);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyProven.selector, secondHash, firstHash));
    log.proveEquivocation(other, signed);
    log.proveEquivocation(signed, _signed(third));
    vm.assertEq(log.contradictedBy(log.receiptHashOf(third)), firstHash, "the third");
  }

  /// @dev Whatever two receipts differ in, one sequence number never stands twice.
  function testFuzz_one_sequence_number_has_one_receipt(uint256 field, bytes32 value, uint64 seq) public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("a", 1000);
    (first.seq, second.seq) = (seq, seq);
    field = bound(field, 0, 7);
    if (field == 0) second.requestId = value;
    if (field == 1) second.modelHash = value;
    if (field == 2) second.requestHash = value;
    if (field == 3) second.outputHash = value;
    if (field == 4) second.statementHash = value;
    if (field == 5) second.issuedAt = uint64(uint256(value));
    if (field == 6) second.mode = uint8(uint256(value));
    if (field == 7) second.payer = address(uint160(uint256(value)));
    bool same = log.receiptHashOf(first) == log.receiptHashOf(second);
    SignedReceipt memory one = _signed(first);
    SignedReceipt memory two = _signed(second);
    if (same) vm.expectPartialRevert(SettlementLog.NoContradiction.selector);
    log.proveEquivocation(one, two);
  }

  // ---------------------------------------------------------------- meant for something else

  function test_a_signature_over_another_model_is_none_over_this_receipt() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.modelHash = keccak256("the model that was bought");
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    InferenceReceipt memory cheaper = _receipt("a", 1000);
    cheaper.modelHash = keccak256("a cheaper model");
    bytes memory signature = _sign(NODE_KEY, log.receiptHashOf(cheaper));
    _expectSignatureRefused(receipt, signature);
    vm.expectPartialRevert(SettlementLog.NotIncluded.selector);
    log.demandSignature(batch.header, cheaper, _proof(batch, 0));
  }

  function test_a_signature_for_another_chain_is_none_here() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    vm.chainId(8453);
    bytes32 elsewhere = log.receiptHashOf(receipt);
    vm.chainId(CHAIN_ID);
    vm.assertTrue(elsewhere != log.receiptHashOf(receipt), "another digest");
    _expectSignatureRefused(_demanded(receipt), _sign(NODE_KEY, elsewhere));
  }

  function test_a_signature_for_another_log_is_none_here() public {
    SettlementLog other = _newSettlementLog(false, registry, ledger, _authorities());
    InferenceReceipt memory receipt = _receipt("a", 1000);
    _expectSignatureRefused(_demanded(receipt), _sign(NODE_KEY, other.receiptHashOf(receipt)));
    // A leaf made for the other log proves nothing in this one.
    Anchored memory batch = _seal(other, _one(receipt), _one(uint128(1000)));
    (batch.header.prev, batch.header.id) = (log.tip(), 2);
    vm.prank(SETTLER);
    log.commit(batch.header);
    vm.expectPartialRevert(SettlementLog.NotIncluded.selector);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
  }

  function test_equivocation_elsewhere_is_none_here() public {
    InferenceReceipt memory first = _receipt("a", 1000);
    InferenceReceipt memory second = _receipt("b", 1000);
    SignedReceipt memory here = _signed(first);
    vm.chainId(8453);
    SignedReceipt memory there = _signed(second);
    vm.chainId(CHAIN_ID);
    vm.expectPartialRevert(SettlementLog.SignatureInvalid.selector);
    log.proveEquivocation(here, there);
  }

  // ---------------------------------------------------------------- inside

  function _signed(InferenceReceipt memory receipt) private view returns (SignedReceipt memory) {
    return SignedReceipt(receipt, _sign(NODE_KEY, log.receiptHashOf(receipt)));
  }

  function _demanded(InferenceReceipt memory receipt) private returns (InferenceReceipt memory) {
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    return receipt;
  }

  function _expectSignatureRefused(InferenceReceipt memory receipt, bytes memory signature) private {
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, log.receiptHashOf(receipt)));
    log.showSignature(receipt, signature);
  }

  function _expectNoContradiction(InferenceReceipt memory first, InferenceReceipt memory second) private {
    SignedReceipt memory one = _signed(first);
    SignedReceipt memory two = _signed(second);
    vm.expectRevert(
      abi.encodeWithSelector(
        SettlementLog.NoContradiction.selector, log.receiptHashOf(first), log.receiptHashOf(second)
      )
    );
    log.proveEquivocation(one, two);
  }

  function _expectVoid(InferenceReceipt memory receipt, VoidReason expected) private {
    Anchored memory batch = _anchorOne(receipt, 1000);
    _expectReason(log.voidLeaf(batch.header, receipt, _proof(batch, 0)), expected);
  }

  function _expectStands(InferenceReceipt memory receipt) private {
    Anchored memory batch = _anchorOne(receipt, 1000);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.LeafStands.selector, log.receiptHashOf(receipt)));
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
  }

  function _expectReason(VoidReason reason, VoidReason expected) private pure {
    vm.assertEq(uint256(reason), uint256(expected), "reason");
  }
}

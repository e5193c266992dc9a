// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { SettlementLog, VoidReason } from "../src/SettlementLog.sol";
import { TeeRegistry } from "../src/TeeRegistry.sol";
import { BatchHeader } from "../src/libraries/BatchHeader.sol";
import { InferenceReceipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof } from "../src/libraries/MerkleSum.sol";
import { Fixture } from "./support/Fixture.sol";
import { Tree } from "./support/Tree.sol";

contract SettlementLogTest is Fixture {
  // ---------------------------------------------------------------- commit

  function test_commits_chain_and_every_field_is_in_the_event() public {
    Anchored memory batch = _seal(log, _one(_receipt("a", 1000)), _one(uint128(900)));
    BatchHeader memory h = batch.header;
    bytes32 headerHash = keccak256(abi.encode(h.prev, h.root, h.token, h.total, h.daRef, h.evidenceRoot, h.id, h.count));
    vm.expectEmit(address(log));
    emit SettlementLog.BatchCommitted(1, headerHash, address(usdc), bytes32(0), h.root, 900, h.daRef, h.evidenceRoot, 1);
    vm.prank(SETTLER);
    vm.assertEq(log.commit(h), headerHash, "header hash");

    vm.assertEq(log.tip(), headerHash, "tip");
    vm.assertEq(log.headerOf(1), headerHash, "headerOf");
    vm.assertEq(log.batchCount(), 1, "count");
    (uint64 committedAt, uint32 count, uint128 total) = log.anchorOf(1);
    vm.assertEq(committedAt, NOW, "committedAt");
    vm.assertEq(count, 1, "leaves");
    vm.assertEq(total, 900, "total");
    vm.assertEq(log.anchoredTotal(address(usdc)), 900, "anchored");

    Anchored memory next = _anchorOne(_receipt("b", 50), 50);
    vm.assertEq(next.header.prev, headerHash, "chained");
    vm.assertEq(log.anchoredTotal(address(usdc)), 950, "anchored twice");
  }

  function test_totals_are_kept_per_token() public {
    _anchorOne(_receipt("a", 1000), 1000);
    Anchored memory other = _seal(log, _one(_receipt("b", 7)), _one(uint128(7)));
    other.header.token = STRANGER;
    vm.prank(SETTLER);
    log.commit(other.header);
    vm.assertEq(log.anchoredTotal(address(usdc)), 1000, "usdc");
    vm.assertEq(log.anchoredTotal(STRANGER), 7, "other");
  }

  function test_refuses_a_commit_by_anybody_but_the_settler() public {
    Anchored memory batch = _seal(log, _one(_receipt("a", 1)), _one(uint128(1)));
    bytes32 role = log.SETTLER_ROLE();
    vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, role));
    vm.prank(STRANGER);
    log.commit(batch.header);
  }

  function test_refuses_a_second_settler_and_a_transaction_sent_twice() public {
    Anchored memory mine = _seal(log, _one(_receipt("a", 1)), _one(uint128(1)));
    Anchored memory theirs = _seal(log, _one(_receipt("b", 1)), _one(uint128(1)));
    vm.prank(SETTLER);
    bytes32 tip = log.commit(mine.header);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.StaleTip.selector, tip, bytes32(0)));
    vm.prank(SETTLER);
    log.commit(theirs.header);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.StaleTip.selector, tip, bytes32(0)));
    vm.prank(SETTLER);
    log.commit(mine.header);
  }

  function test_refuses_an_id_that_is_not_the_next() public {
    Anchored memory batch = _seal(log, _one(_receipt("a", 1)), _one(uint128(1)));
    uint64[3] memory ids = [uint64(0), 2, type(uint64).max];
    for (uint256 i = 0; i < 3; ++i) {
      batch.header.id = ids[i];
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.BatchIdInvalid.selector, 1, ids[i]));
      vm.prank(SETTLER);
      log.commit(batch.header);
    }
  }

  function test_takes_1_to_10_000_leaves() public {
    Anchored memory batch = _seal(log, _one(_receipt("a", 1)), _one(uint128(1)));
    uint32[3] memory counts = [uint32(0), 10_001, type(uint32).max];
    for (uint256 i = 0; i < 3; ++i) {
      batch.header.count = counts[i];
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.BatchCountInvalid.selector, counts[i]));
      vm.prank(SETTLER);
      log.commit(batch.header);
    }
    batch.header.count = 10_000;
    vm.prank(SETTLER);
    log.commit(batch.header);
  }

  function test_refuses_a_header_without_a_root() public {
    Anchored memory batch = _seal(log, _one(_receipt("a", 1)), _one(uint128(1)));
    batch.header.root = 0;
    vm.expectRevert(SettlementLog.RootMissing.selector);
    vm.prank(SETTLER);
    log.commit(batch.header);
  }

  function test_refuses_a_registry_that_disagrees_on_simulated_keys() public {
    TeeRegistry lax = _newTeeRegistry(true, _authorities());
    vm.expectRevert(SettlementLog.SimulatedFlagMismatch.selector);
    _newSettlementLog(false, lax, ledger, _authorities());
    vm.expectRevert(SettlementLog.SimulatedFlagMismatch.selector);
    _newSettlementLog(true, registry, ledger, _authorities());
  }

  function test_refuses_a_ledger_of_proofs_that_asks_another_registry() public {
    TeeRegistry other = _newTeeRegistry(false, _authorities());
    vm.expectRevert(SettlementLog.RegistryMismatch.selector);
    _newSettlementLog(false, other, ledger, _authorities());
  }

  // ---------------------------------------------------------------- inclusion

  function test_inclusion_needs_the_header_of_this_log_and_every_field_of_it() public {
    Anchored memory batch = _anchorThree();
    BatchHeader memory h = batch.header;
    InclusionProof memory proof = _proof(batch, 2);
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[2]);
    vm.assertTrue(log.verifyInclusion(h, receiptHash, proof), "included");

    h.prev = ~h.prev;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "prev");
    h.prev = ~h.prev;
    h.token = STRANGER;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "token");
    h.token = address(usdc);
    h.daRef = ~h.daRef;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "daRef");
    h.daRef = ~h.daRef;
    h.evidenceRoot = ~h.evidenceRoot;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "evidenceRoot");
    h.evidenceRoot = ~h.evidenceRoot;
    h.id = 0;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "id 0");
    h.id = 2;
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "id 2");
    h.id = 1;
    vm.assertTrue(log.verifyInclusion(h, receiptHash, proof), "restored");

    SettlementLog other = _newSettlementLog(false, registry, ledger, _authorities());
    vm.prank(SETTLER);
    other.commit(h);
    vm.assertFalse(other.verifyInclusion(h, receiptHash, proof), "a leaf of another log");
    vm.chainId(8453);
    vm.assertFalse(log.verifyInclusion(h, receiptHash, proof), "a leaf of another chain");
  }

  /// forge-config: default.fuzz.runs = 48
  /// forge-config: test.fuzz.runs = 48
  function testFuzz_a_random_batch_is_included_whole_and_nothing_beside_it(uint256 countSeed, uint256 seed) public {
    uint256 count = bound(countSeed, 1, 200);
    bytes32[] memory receiptHashes = new bytes32[](count);
    bytes32[] memory leaves = new bytes32[](count);
    uint128[] memory sums = new uint128[](count);
    for (uint256 i = 0; i < count; ++i) {
      receiptHashes[i] = keccak256(abi.encode(seed, i));
      sums[i] = i % 3 == 1 ? 0 : uint128(uint64(uint256(receiptHashes[i])));
      leaves[i] = _leaf(log, receiptHashes[i], sums[i]);
    }
    Anchored memory batch = _seal(log, Tree.build(leaves, sums));
    vm.prank(SETTLER);
    log.commit(batch.header);
    for (uint256 i = 0; i < count; ++i) {
      InclusionProof memory proof = _proof(batch, i);
      vm.assertTrue(log.verifyInclusion(batch.header, receiptHashes[i], proof), "included");
      vm.assertFalse(log.verifyInclusion(batch.header, receiptHashes[(i + 1) % count], proof) && count > 1, "another");
      proof.collected += 1;
      vm.assertFalse(log.verifyInclusion(batch.header, receiptHashes[i], proof), "another sum");
      proof.collected -= 1;
      proof.index ^= 1;
      vm.assertFalse(log.verifyInclusion(batch.header, receiptHashes[i], proof), "another place");
    }
  }

  // ---------------------------------------------------------------- void

  function test_a_sound_leaf_stands_whoever_tries() public {
    Anchored memory batch = _anchorThree();
    for (uint256 i = 0; i < 3; ++i) {
      _expectStands(batch, i);
    }
  }

  function test_voids_a_leaf_one_second_after_promise_and_grace_and_not_before() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    uint256 limit = uint256(receipt.settleBy) + 20 minutes;
    vm.warp(limit);
    _expectStands(_anchorOne(receipt, 1000), 0);

    InferenceReceipt memory late = receipt;
    late.seq = 2;
    vm.warp(limit + 1);
    Anchored memory batch = _anchorOne(late, 1000);
    vm.assertEq(log.anchoredTotal(address(usdc)), 2000, "before");
    bytes32 receiptHash = log.receiptHashOf(late);
    vm.expectEmit(address(log));
    emit SettlementLog.LeafVoided(receiptHash, late.paymentId, 2, 0, address(usdc), 1000, VoidReason.AnchoredLate);
    vm.prank(STRANGER);
    _expectReason(log.voidLeaf(batch.header, late, _proof(batch, 0)), VoidReason.AnchoredLate);
    vm.assertEq(log.anchoredTotal(address(usdc)), 1000, "after");
    vm.assertTrue(log.voidReasonOf(receiptHash) == VoidReason.AnchoredLate, "recorded");
    vm.assertTrue(log.verifyInclusion(batch.header, receiptHash, _proof(batch, 0)), "still included");
  }

  function test_a_promise_longer_than_ten_minutes_is_not_honoured() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.settleBy = type(uint64).max;
    vm.warp(receipt.issuedAt + 30 minutes + 1);
    Anchored memory batch = _anchorOne(receipt, 1000);
    _expectReason(log.voidLeaf(batch.header, receipt, _proof(batch, 0)), VoidReason.AnchoredLate);
  }

  function test_a_shorter_promise_binds() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.settleBy = receipt.issuedAt + 1 minutes;
    vm.warp(receipt.issuedAt + 21 minutes + 1);
    Anchored memory batch = _anchorOne(receipt, 1000);
    _expectReason(log.voidLeaf(batch.header, receipt, _proof(batch, 0)), VoidReason.AnchoredLate);
  }

  function test_times_at_the_end_of_their_range_neither_wrap_nor_revert() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    (receipt.issuedAt, receipt.settleBy) = (type(uint64).max, type(uint64).max);
    Anchored memory batch = _anchorOne(receipt, 1000);
    // Not late, but no key is valid then.
    _expectReason(log.voidLeaf(batch.header, receipt, _proof(batch, 0)), VoidReason.SignerInvalid);
  }

  function test_voids_a_leaf_whose_signer_the_registry_does_not_know() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.node = STRANGER;
    _expectSignerInvalid(receipt);
  }

  function test_voids_a_leaf_signed_before_or_after_the_life_of_the_key() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    (receipt.issuedAt, receipt.settleBy) = (NOW - 1 hours - 1, type(uint64).max);
    // Anchoring at once would be late; what counts here is the key.
    vm.warp(receipt.issuedAt);
    _expectSignerInvalid(receipt);
    receipt.issuedAt = NOW + 30 days + 1;
    receipt.seq = 2;
    _expectSignerInvalid(receipt);
  }

  function test_voids_a_leaf_whose_key_is_of_another_kind_than_it_says() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.keyKind = 3;
    _expectSignerInvalid(receipt);
  }

  function test_voids_anchored_leaves_back_to_a_compromise_and_not_before_it() public {
    InferenceReceipt memory before = _receipt("a", 1000);
    Anchored memory first = _anchorOne(before, 1000);
    vm.warp(NOW + 100);
    Anchored memory second = _anchorOne(_receipt("b", 1000), 1000);
    vm.prank(GUARDIAN);
    registry.declareCompromised(node, NOW + 100, "leaked");
    _expectStands(first, 0);
    VoidReason reason = log.voidLeaf(second.header, second.receipts[0], _proof(second, 0));
    _expectReason(reason, VoidReason.SignerInvalid);
  }

  function test_voids_a_leaf_once() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.node = STRANGER;
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyVoid.selector, log.receiptHashOf(receipt)));
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
    vm.assertEq(log.anchoredTotal(address(usdc)), 0, "lowered once");
  }

  function test_refuses_to_void_what_is_not_in_the_log() public {
    Anchored memory batch = _anchorThree();
    InferenceReceipt memory forged = batch.receipts[0];
    forged.node = STRANGER;
    bytes memory refusal = abi.encodeWithSelector(SettlementLog.NotIncluded.selector, 1, log.receiptHashOf(forged));
    vm.expectRevert(refusal);
    log.voidLeaf(batch.header, forged, _proof(batch, 0));
    vm.expectRevert(refusal);
    log.demandSignature(batch.header, forged, _proof(batch, 0));
  }

  function test_a_leaf_is_final_seven_days_after_it_was_anchored() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.node = STRANGER;
    Anchored memory batch = _anchorOne(receipt, 1000);
    vm.warp(NOW + 7 days + 1);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.WindowClosed.selector, NOW + 7 days));
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
    vm.warp(NOW + 7 days);
    log.voidLeaf(batch.header, receipt, _proof(batch, 0));
  }

  // ---------------------------------------------------------------- simulated keys

  function test_a_simulated_receipt_cannot_stand_where_simulation_is_not_allowed() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.keyKind = 255;
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    bytes memory signature = _sign(NODE_KEY, log.receiptHashOf(receipt));
    vm.expectRevert(SettlementLog.SimulatedReceiptRefused.selector);
    log.showSignature(receipt, signature);
    _expectReason(log.voidLeaf(batch.header, receipt, _proof(batch, 0)), VoidReason.SimulatedKey);
  }

  function test_a_simulated_receipt_of_a_registered_simulated_key_stands_where_it_is_allowed() public {
    TeeRegistry lax = _newTeeRegistry(true, _authorities());
    SettlementLog laxLog = _newSettlementLog(true, lax, _newProofLedger(lax, models, router), _authorities());
    vm.prank(REGISTRAR);
    lax.registerKey(node, OPERATOR, 255, 0, 0, NOW, NOW + 1 days);
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.keyKind = 255;
    Anchored memory batch = _anchor(laxLog, _one(receipt), _one(uint128(1000)));
    bytes memory stands = abi.encodeWithSelector(SettlementLog.LeafStands.selector, laxLog.receiptHashOf(receipt));
    vm.expectRevert(stands);
    laxLog.voidLeaf(batch.header, receipt, _proof(batch, 0));
    laxLog.demandSignature(batch.header, receipt, _proof(batch, 0));
    laxLog.showSignature(receipt, _sign(NODE_KEY, laxLog.receiptHashOf(receipt)));
  }

  // ---------------------------------------------------------------- signatures

  function test_nobody_can_void_a_leaf_by_passing_a_wrong_signature() public {
    Anchored memory batch = _anchorThree();
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    _expectStands(batch, 0);
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    bytes memory wrong = _sign(PAYER_KEY, receiptHash);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, receiptHash));
    log.showSignature(batch.receipts[0], wrong);
    _expectStands(batch, 0);
  }

  function test_a_shown_signature_settles_the_matter_for_good() public {
    Anchored memory batch = _anchorThree();
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    vm.expectEmit(address(log));
    emit SettlementLog.SignatureDemanded(receiptHash, 1, 0, NOW + 24 hours);
    vm.prank(STRANGER);
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.assertEq(log.signatureDueOf(receiptHash), NOW + 24 hours, "due");

    bytes memory signature = _sign(NODE_KEY, receiptHash);
    vm.expectEmit(address(log));
    emit SettlementLog.SignatureShown(receiptHash, signature);
    vm.prank(STRANGER);
    log.showSignature(batch.receipts[0], signature);
    vm.warp(NOW + 2 days);
    _expectStands(batch, 0);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyShown.selector, receiptHash));
    log.showSignature(batch.receipts[0], signature);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyDemanded.selector, receiptHash));
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
  }

  function test_a_signature_nobody_shows_voids_the_leaf_after_a_day() public {
    Anchored memory batch = _anchorThree();
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyDemanded.selector, receiptHash));
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.warp(NOW + 24 hours);
    _expectStands(batch, 0);
    vm.warp(NOW + 24 hours + 1);
    VoidReason reason = log.voidLeaf(batch.header, batch.receipts[0], _proof(batch, 0));
    _expectReason(reason, VoidReason.SignatureMissing);
    bytes memory signature = _sign(NODE_KEY, receiptHash);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyVoid.selector, receiptHash));
    log.showSignature(batch.receipts[0], signature);
  }

  function test_a_late_signature_counts_until_somebody_voids() public {
    Anchored memory batch = _anchorThree();
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.warp(NOW + 3 days);
    log.showSignature(batch.receipts[0], _sign(NODE_KEY, log.receiptHashOf(batch.receipts[0])));
    _expectStands(batch, 0);
  }

  function test_a_demand_has_to_leave_time_to_act_on_it() public {
    Anchored memory batch = _anchorThree();
    vm.warp(NOW + 5 days + 1);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.WindowClosed.selector, NOW + 5 days));
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.warp(NOW + 5 days);
    log.demandSignature(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.warp(NOW + 6 days + 1);
    log.voidLeaf(batch.header, batch.receipts[0], _proof(batch, 0));
  }

  function test_refuses_a_signature_nobody_asked_for() public {
    Anchored memory batch = _anchorThree();
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    bytes memory signature = _sign(NODE_KEY, receiptHash);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.NotDemanded.selector, receiptHash));
    log.showSignature(batch.receipts[0], signature);
  }

  function test_refuses_malformed_and_malleable_signatures() public {
    Anchored memory batch = _anchorThree();
    InferenceReceipt memory receipt = batch.receipts[0];
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    bytes32 receiptHash = log.receiptHashOf(receipt);
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(NODE_KEY, receiptHash);
    // The same point with the other s (EIP-2): n - s and the other v.
    bytes32 highS = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
    bytes[4] memory wrong = [
      bytes(""),
      bytes.concat(r, s),
      bytes.concat(r, s, bytes1(v), hex"00"),
      bytes.concat(r, highS, bytes1(v == 27 ? 28 : 27))
    ];
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, receiptHash));
      log.showSignature(receipt, wrong[i]);
    }
  }

  function test_a_receipt_of_node_zero_cannot_be_signed_by_a_failing_recovery() public {
    InferenceReceipt memory receipt = _receipt("a", 1000);
    receipt.node = address(0);
    Anchored memory batch = _anchorOne(receipt, 1000);
    log.demandSignature(batch.header, receipt, _proof(batch, 0));
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, log.receiptHashOf(receipt)));
    log.showSignature(receipt, new bytes(65));
  }

  // ---------------------------------------------------------------- inside

  function _expectStands(Anchored memory batch, uint256 i) private {
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[i]);
    vm.expectRevert(abi.encodeWithSelector(SettlementLog.LeafStands.selector, receiptHash));
    log.voidLeaf(batch.header, batch.receipts[i], _proof(batch, i));
  }

  function _expectSignerInvalid(InferenceReceipt memory receipt) private {
    Anchored memory batch = _anchorOne(receipt, 1000);
    VoidReason reason = log.voidLeaf(batch.header, receipt, _proof(batch, 0));
    _expectReason(reason, VoidReason.SignerInvalid);
  }

  function _expectReason(VoidReason reason, VoidReason expected) private pure {
    vm.assertEq(uint256(reason), uint256(expected), "reason");
  }
}

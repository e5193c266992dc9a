// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Contradiction, SettlementLog, VoidReason } from "../src/SettlementLog.sol";
import { BatchHeader } from "../src/libraries/BatchHeader.sol";
import { InferenceReceipt, SignedReceipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof, MerkleSum } from "../src/libraries/MerkleSum.sol";
import { ReceiptVectors } from "./support/ReceiptVectors.sol";

/// @notice Every case of vectors/receipt/refused-v1.json, which TypeScript can read too.
contract RefusedVectorsTest is ReceiptVectors {
  SettlementLog private log;
  address private node;

  function setUp() public {
    json = vm.readFile("../vectors/receipt/refused-v1.json");
    vm.chainId(vm.parseJsonUint(json, ".chainId"));
    vm.warp(1_794_000_000);
    log = _logAt(vm.parseJsonAddress(json, ".log"), false);
    node = vm.parseJsonAddress(json, ".node");
  }

  function test_takes_the_sound_signature_and_refuses_all_that_are_over_something_else() public {
    uint256 count = _lengthOf(".signatures");
    vm.assertEq(count, 10, "signatures");
    registry.registerKey(node, address(this), 2, 0, 0, 0, type(uint64).max);
    SignedReceipt memory sound = _signed(".sound");
    bytes32 receiptHash = log.receiptHashOf(sound.receipt);
    vm.assertEq(receiptHash, vm.parseJsonBytes32(json, ".sound.digest"), "digest");
    vm.warp(sound.receipt.issuedAt);
    (BatchHeader memory header, InclusionProof memory proof) = _anchor(receiptHash);
    log.demandSignature(header, sound.receipt, proof);
    for (uint256 i = 0; i < count; ++i) {
      SignedReceipt memory signed = _signed(_at(".signatures", i));
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.SignatureInvalid.selector, receiptHash));
      log.showSignature(signed.receipt, signed.signature);
    }
    log.showSignature(sound.receipt, sound.signature);
  }

  function test_pairs_contradict_each_other_as_the_vectors_say() public {
    uint256 count = _lengthOf(".pairs");
    vm.assertEq(count, 9, "pairs");
    for (uint256 i = 0; i < count; ++i) {
      string memory path = _at(".pairs", i);
      SignedReceipt memory first = _signed(string.concat(path, ".first"));
      SignedReceipt memory second = _signed(string.concat(path, ".second"));
      Contradiction expected = _contradiction(string.concat(path, ".contradiction"));
      uint256 snapshot = vm.snapshotState();
      if (expected == Contradiction.None) vm.expectPartialRevert(SettlementLog.NoContradiction.selector);
      Contradiction found = log.proveEquivocation(first, second);
      string memory why = vm.parseJsonString(json, string.concat(path, ".why"));
      if (expected != Contradiction.None) vm.assertEq(uint256(found), uint256(expected), why);
      vm.revertToState(snapshot);
    }
  }

  function test_receipts_stand_or_fall_by_their_dates_as_the_vectors_say() public {
    uint256 count = _lengthOf(".dates");
    vm.assertEq(count, 12, "dates");
    for (uint256 i = 0; i < count; ++i) {
      uint256 snapshot = vm.snapshotState();
      _expectVerdict(_at(".dates", i));
      vm.revertToState(snapshot);
    }
  }

  // ---------------------------------------------------------------- inside

  function _expectVerdict(string memory path) private {
    InferenceReceipt memory receipt = _receiptAt(".sound.receipt");
    receipt.issuedAt = _time(string.concat(path, ".issuedAt"));
    receipt.settleBy = _time(string.concat(path, ".settleBy"));
    string memory key = string.concat(path, ".key");
    uint64 retiredAt = _time(string.concat(key, ".retiredAt"));
    registry.registerKey(
      node, address(this), 2, 0, 0, _time(string.concat(key, ".notBefore")), _time(string.concat(key, ".notAfter"))
    );
    if (retiredAt != 0) {
      vm.warp(retiredAt);
      registry.retireKey(node);
    }
    vm.warp(_time(string.concat(path, ".anchoredAt")));
    (BatchHeader memory header, InclusionProof memory proof) = _anchor(log.receiptHashOf(receipt));
    if (!_isNull(string.concat(key, ".compromisedFrom"))) {
      registry.declareCompromised(node, _time(string.concat(key, ".compromisedFrom")), "leaked");
    }
    VoidReason expected = _verdict(string.concat(path, ".verdict"));
    if (expected == VoidReason.None) vm.expectPartialRevert(SettlementLog.LeafStands.selector);
    VoidReason found = log.voidLeaf(header, receipt, proof);
    string memory why = vm.parseJsonString(json, string.concat(path, ".why"));
    if (expected != VoidReason.None) vm.assertEq(uint256(found), uint256(expected), why);
  }

  function _signed(string memory path) private view returns (SignedReceipt memory) {
    return SignedReceipt(
      _receiptAt(string.concat(path, ".receipt")), vm.parseJsonBytes(json, string.concat(path, ".signature"))
    );
  }

  /// @dev A batch of one leaf: its root is the leaf.
  function _anchor(bytes32 receiptHash) private returns (BatchHeader memory header, InclusionProof memory proof) {
    proof.collected = 1000;
    header.prev = log.tip();
    header.root = MerkleSum.leaf(block.chainid, address(log), receiptHash, 1000);
    header.token = vm.parseJsonAddress(json, ".sound.receipt.token");
    header.total = 1000;
    (header.id, header.count) = (log.batchCount() + 1, 1);
    log.commit(header);
  }

  function _time(string memory path) private view returns (uint64) {
    return uint64(vm.parseJsonUint(json, path));
  }

  function _isNull(string memory path) private view returns (bool) {
    (bool ok,) = address(this).staticcall(abi.encodeCall(this.timeAt, (path)));
    return !ok;
  }

  function timeAt(string memory path) external view returns (uint64) {
    return _time(path);
  }

  function _contradiction(string memory path) private view returns (Contradiction) {
    bytes32 name = keccak256(bytes(vm.parseJsonString(json, path)));
    if (name == keccak256("request")) return Contradiction.Request;
    if (name == keccak256("sequence")) return Contradiction.Sequence;
    vm.assertEq(name, keccak256("none"), path);
    return Contradiction.None;
  }

  function _verdict(string memory path) private view returns (VoidReason) {
    bytes32 name = keccak256(bytes(vm.parseJsonString(json, path)));
    if (name == keccak256("anchored-late")) return VoidReason.AnchoredLate;
    if (name == keccak256("signer-invalid")) return VoidReason.SignerInvalid;
    vm.assertEq(name, keccak256("stands"), path);
    return VoidReason.None;
  }
}

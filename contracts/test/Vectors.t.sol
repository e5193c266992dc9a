// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SettlementLog } from "../src/SettlementLog.sol";
import { BatchHeader, Header } from "../src/libraries/BatchHeader.sol";
import { Body } from "../src/libraries/Body.sol";
import { Identity } from "../src/libraries/Identity.sol";
import { InferenceReceipt, Receipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof, MerkleSum } from "../src/libraries/MerkleSum.sol";
import { ReceiptVectors } from "./support/ReceiptVectors.sol";
import { Tree } from "./support/Tree.sol";

/// @notice Every byte of vectors/receipt/receipt-v1.json, which TypeScript reads too.
contract VectorsTest is ReceiptVectors {
  uint256 private chainId;
  address private log;

  function setUp() public {
    json = vm.readFile("../vectors/receipt/receipt-v1.json");
    chainId = vm.parseJsonUint(json, ".chainId");
    log = vm.parseJsonAddress(json, ".log");
  }

  function test_the_type_string_is_the_one_of_the_vectors() public view {
    bytes32 expected = keccak256(bytes(vm.parseJsonString(json, ".typeString")));
    vm.assertEq(Receipt.TYPEHASH, expected, "type hash");
  }

  function test_receipts_have_the_digests_of_the_vectors_and_their_nodes_signed_them() public view {
    uint256 count = _lengthOf(".receipts");
    vm.assertEq(count, 5, "receipts");
    for (uint256 i = 0; i < count; ++i) {
      string memory path = _at(".receipts", i);
      InferenceReceipt memory receipt = _receipt(path);
      bytes32 digest = Receipt.digest(receipt, chainId, log);
      vm.assertEq(digest, vm.parseJsonBytes32(json, string.concat(path, ".digest")), path);
      bytes memory signature = vm.parseJsonBytes(json, string.concat(path, ".signature"));
      vm.assertEq(_recover(digest, signature), vm.parseJsonAddress(json, ".node"), "signer");
      vm.assertEq(receipt.node, vm.parseJsonAddress(json, ".node"), "node");
    }
  }

  function test_a_simulated_receipt_has_another_domain() public view {
    InferenceReceipt memory receipt = _receipt(".receipts[4]");
    vm.assertEq(receipt.keyKind, 255, "the fifth is simulated");
    vm.assertEq(vm.parseJsonString(json, ".receipts[4].domain.name"), "HACA Simulated Receipt", "domain");
    receipt.keyKind = 2;
    bytes32 digest = Receipt.digest(receipt, chainId, log);
    vm.assertTrue(digest != vm.parseJsonBytes32(json, ".receipts[4].digest"), "domain is part of the digest");
  }

  function test_payment_ids_and_request_ids_follow_from_the_nonce() public view {
    for (uint256 i = 0; i < 5; ++i) {
      string memory path = _at(".receipts", i);
      InferenceReceipt memory receipt = _receipt(path);
      bytes32 nonce = vm.parseJsonBytes32(json, string.concat(path, ".paymentNonce"));
      bytes32 payment = Identity.paymentId(chainId, "exact", receipt.token, receipt.payer, nonce);
      vm.assertEq(payment, receipt.paymentId, "paymentId");
      vm.assertEq(Identity.requestId(payment, 0), receipt.requestId, "requestId");
    }
  }

  function test_request_and_output_hashes_follow_from_salt_and_bodies() public view {
    bytes32 salt = vm.parseJsonBytes32(json, ".salt");
    bytes32 request = sha256(bytes(vm.parseJsonString(json, ".requestBody")));
    bytes32 output = sha256(bytes(vm.parseJsonString(json, ".outputBody")));
    for (uint256 i = 0; i < 5; ++i) {
      InferenceReceipt memory receipt = _receipt(_at(".receipts", i));
      vm.assertEq(Body.requestHash(salt, request), receipt.requestHash, "requestHash");
      vm.assertEq(Body.outputHash(salt, output), receipt.outputHash, "outputHash");
    }
  }

  function test_a_stream_hashes_as_a_chain() public view {
    bytes32 link = Body.streamStart();
    uint256 count;
    for (; vm.keyExistsJson(json, _at(".stream.chunks", count)); ++count) {
      link = Body.streamNext(link, bytes(vm.parseJsonString(json, _at(".stream.chunks", count))));
    }
    vm.assertEq(count, 3, "chunks");
    vm.assertEq(link, vm.parseJsonBytes32(json, ".stream.last"), "last link");
    bytes32 salt = vm.parseJsonBytes32(json, ".salt");
    vm.assertEq(Body.outputHash(salt, link), vm.parseJsonBytes32(json, ".stream.outputHash"), "outputHash");
  }

  function test_leaves_are_those_of_the_receipts() public view {
    uint256 batches = _lengthOf(".batches");
    vm.assertEq(batches, 4, "batches");
    for (uint256 b = 0; b < batches; ++b) {
      string memory leaves = string.concat(_at(".batches", b), ".leaves");
      for (uint256 i = 0; i < _lengthOf(leaves); ++i) {
        string memory receipt = _at(".receipts", i);
        uint128 collected = _sum(string.concat(receipt, ".collected"));
        bytes32 digest = vm.parseJsonBytes32(json, string.concat(receipt, ".digest"));
        bytes32 expected = vm.parseJsonBytes32(json, string.concat(_at(leaves, i), ".hash"));
        vm.assertEq(MerkleSum.leaf(chainId, log, digest, collected), expected, "leaf");
        vm.assertEq(_sum(string.concat(_at(leaves, i), ".sum")), collected, "leaf sum");
      }
    }
  }

  function test_roots_totals_and_headers_are_those_of_the_vectors() public view {
    for (uint256 b = 0; b < 4; ++b) {
      string memory path = _at(".batches", b);
      (bytes32 root, uint128 total) = Tree.root(_tree(path));
      vm.assertEq(root, vm.parseJsonBytes32(json, string.concat(path, ".root")), "root");
      vm.assertEq(total, _sum(string.concat(path, ".total")), "total");
      vm.assertEq(Header.hash(_header(path)), vm.parseJsonBytes32(json, string.concat(path, ".header")), "header");
    }
  }

  function test_a_log_at_the_address_of_the_vectors_takes_every_batch_and_every_proof() public {
    vm.chainId(chainId);
    SettlementLog settlementLog = _logAt(log, true);
    for (uint256 b = 0; b < 4; ++b) {
      string memory path = _at(".batches", b);
      BatchHeader memory header = _header(path);
      bytes32 headerHash = settlementLog.commit(header);
      vm.assertEq(headerHash, vm.parseJsonBytes32(json, string.concat(path, ".header")), "header");
      vm.assertEq(settlementLog.tip(), headerHash, "tip");
      for (uint256 i = 0; i < header.count; ++i) {
        InclusionProof memory proof = _proof(path, i);
        bytes32 digest = vm.parseJsonBytes32(json, string.concat(_at(".receipts", i), ".digest"));
        vm.assertTrue(settlementLog.verifyInclusion(header, digest, proof), "a vector's proof holds");
        vm.assertEq(settlementLog.receiptHashOf(_receipt(_at(".receipts", i))), digest, "digest on chain");
        proof.collected += 1;
        vm.assertFalse(settlementLog.verifyInclusion(header, digest, proof), "and not for another sum");
      }
    }
  }

  // ---------------------------------------------------------------- reading

  function _receipt(string memory path) private view returns (InferenceReceipt memory) {
    return _receiptAt(string.concat(path, ".message"));
  }

  function _header(string memory path) private view returns (BatchHeader memory header) {
    header.prev = vm.parseJsonBytes32(json, string.concat(path, ".prev"));
    header.root = vm.parseJsonBytes32(json, string.concat(path, ".root"));
    header.token = vm.parseJsonAddress(json, string.concat(path, ".token"));
    header.total = _sum(string.concat(path, ".total"));
    header.daRef = vm.parseJsonBytes32(json, string.concat(path, ".daRef"));
    header.evidenceRoot = vm.parseJsonBytes32(json, string.concat(path, ".evidenceRoot"));
    header.id = uint64(vm.parseJsonUint(json, string.concat(path, ".id")));
    header.count = uint32(vm.parseJsonUint(json, string.concat(path, ".count")));
  }

  function _tree(string memory path) private view returns (Tree.Level[] memory) {
    string memory leaves = string.concat(path, ".leaves");
    uint256 count = _lengthOf(leaves);
    bytes32[] memory hashes = new bytes32[](count);
    uint128[] memory sums = new uint128[](count);
    for (uint256 i = 0; i < count; ++i) {
      hashes[i] = vm.parseJsonBytes32(json, string.concat(_at(leaves, i), ".hash"));
      sums[i] = _sum(string.concat(_at(leaves, i), ".sum"));
    }
    return Tree.build(hashes, sums);
  }

  /// @dev The vectors write null for a level at which the node is promoted; on chain such a level has no entry.
  function _proof(string memory batch, uint256 index) private view returns (InclusionProof memory proof) {
    string memory path = _at(string.concat(batch, ".proofs"), index);
    vm.assertEq(vm.parseJsonUint(json, string.concat(path, ".index")), index, "index");
    string memory siblings = string.concat(path, ".siblings");
    uint256 levels = _lengthOf(siblings);
    uint256 count;
    for (uint256 d = 0; d < levels; ++d) {
      if (vm.keyExistsJson(json, string.concat(_at(siblings, d), ".hash"))) ++count;
    }
    proof.siblings = new bytes32[](count);
    proof.sums = new uint128[](count);
    uint256 used;
    for (uint256 d = 0; d < levels; ++d) {
      string memory sibling = _at(siblings, d);
      if (!vm.keyExistsJson(json, string.concat(sibling, ".hash"))) continue;
      proof.siblings[used] = vm.parseJsonBytes32(json, string.concat(sibling, ".hash"));
      proof.sums[used++] = _sum(string.concat(sibling, ".sum"));
    }
    proof.index = uint32(index);
    proof.collected = _sum(string.concat(_at(".receipts", index), ".collected"));
  }

  function _recover(bytes32 digest, bytes memory signature) private pure returns (address) {
    bytes32 r;
    bytes32 s;
    assembly {
      r := mload(add(signature, 32))
      s := mload(add(signature, 64))
    }
    return ecrecover(digest, uint8(signature[64]), r, s);
  }
}

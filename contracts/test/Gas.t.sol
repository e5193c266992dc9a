// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { EntryKind, PolicyRegistry } from "../src/PolicyRegistry.sol";
import { ProvenReceipt } from "../src/ProofLedger.sol";
import { Authorization, RevenueVault } from "../src/RevenueVault.sol";
import { BatchHeader } from "../src/libraries/BatchHeader.sol";
import { InferenceReceipt, SignedReceipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof } from "../src/libraries/MerkleSum.sol";
import { VerificationKey } from "../src/libraries/VerificationKey.sol";
import { ProofFixture } from "./support/ProofFixture.sol";

/// @notice What the calls cost as transactions of their own, cold storage, intrinsic gas and calldata included.
/// `npm run gas` prints the table; bounds are a few per cent above what was measured, so that a regression fails.
/// forge-config: default.isolate = true
/// forge-config: test.isolate = true
contract GasTest is ProofFixture {
  uint256 private constant FIRST_PAYER = 0x1000;

  function setUp() public override {
    super.setUp();
    // A vault that has been paid before, as it is all its life but once.
    _collect(1, "first");
    _anchorOne(_receipt("first", 1), 1);
  }

  function test_gas_token_transfer_with_authorization() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    (bytes32 r, bytes32 s, uint8 v) = _split(a.signature);
    usdc.transferWithAuthorization(a.from, address(vault), a.value, a.validAfter, a.validBefore, a.nonce, v, r, s);
    // Circle's own, behind its proxy, costs 85,696: the double has to be within two per cent.
    uint256 gas = _report("USDC double: transferWithAuthorization x1", 1);
    vm.assertGe(gas, 83_982, "cheaper than the original");
    vm.assertLe(gas, 87_410, "dearer than the original");
  }

  function test_gas_vault_collect() public {
    vault.collect(address(usdc), _authorize(PAYER_KEY, 1000, "n"));
    vm.assertLe(_report("RevenueVault.collect x1", 1), 130_000, "collect");
  }

  function test_gas_settle_1_10_100_200_distinct_payers() public {
    _settle(1, 140_000);
    _settle(10, 95_000);
    _settle(100, 85_000);
    // The whole must fit a transaction of Base (EIP-7825).
    vm.assertLe(_settle(200, 85_000) * 200, 16_777_216, "cap per transaction");
  }

  function test_gas_commit_is_the_same_at_any_size() public {
    uint32[3] memory counts = [uint32(1), 100, 10_000];
    uint256 first;
    for (uint256 i = 0; i < 3; ++i) {
      BatchHeader memory header = _header(counts[i]);
      vm.prank(SETTLER);
      log.commit(header);
      uint256 gas = _report(string.concat("SettlementLog.commit, ", vm.toString(counts[i]), " leaves"), 1);
      vm.assertLe(gas, 120_000, "commit");
      if (i == 0) first = gas;
      else vm.assertLe(gas, first + 100, "same at any size");
    }
  }

  function test_gas_leaf_calls_at_depth_14() public {
    (BatchHeader memory header, InferenceReceipt memory receipt, InclusionProof memory proof) =
      _deepLeaf(_receipt("deep", 1000));
    bytes32 receiptHash = log.receiptHashOf(receipt);
    log.verifyInclusion(header, receiptHash, proof);
    vm.assertLe(_report("SettlementLog.verifyInclusion, 10,000 leaves", 1), 70_000, "verifyInclusion");
    log.demandSignature(header, receipt, proof);
    vm.assertLe(_report("SettlementLog.demandSignature, 10,000 leaves", 1), 110_000, "demandSignature");
    log.showSignature(receipt, _sign(NODE_KEY, receiptHash));
    vm.assertLe(_report("SettlementLog.showSignature", 1), 60_000, "showSignature");
    vm.prank(GUARDIAN);
    registry.declareCompromised(node, NOW, "leaked");
    log.voidLeaf(header, receipt, proof);
    vm.assertLe(_report("SettlementLog.voidLeaf, 10,000 leaves", 1), 130_000, "voidLeaf");
    _collect(1000, "deep");
    vault.refund(_key("deep"), header, receipt, proof);
    vm.assertLe(_report("RevenueVault.refund, 10,000 leaves", 1), 160_000, "refund");
  }

  function test_gas_prove_equivocation() public {
    SignedReceipt memory first = SignedReceipt(_receipt("a", 1000), "");
    SignedReceipt memory second = SignedReceipt(_receipt("b", 1000), "");
    first.signature = _sign(NODE_KEY, log.receiptHashOf(first.receipt));
    second.signature = _sign(NODE_KEY, log.receiptHashOf(second.receipt));
    log.proveEquivocation(first, second);
    vm.assertLe(_report("SettlementLog.proveEquivocation", 1), 99_000, "proveEquivocation");
  }

  function test_gas_register_key() public {
    vm.prank(REGISTRAR);
    registry.registerKey(STRANGER, OPERATOR, 2, keccak256("image"), keccak256("evidence"), NOW, NOW + 1 days);
    vm.assertLe(_report("TeeRegistry.registerKey", 1), 130_000, "registerKey");
  }

  function test_gas_end_and_condemn_a_key() public {
    vm.prank(REGISTRAR);
    registry.registerKey(STRANGER, OPERATOR, 2, keccak256("image"), keccak256("evidence"), NOW, NOW + 1 days);
    vm.prank(OPERATOR);
    registry.retireKey(STRANGER);
    vm.assertLe(_report("TeeRegistry.retireKey", 1), 32_000, "retireKey");
    vm.prank(GUARDIAN);
    registry.declareCompromised(STRANGER, NOW, "GHSA-0000-0000-0000");
    vm.assertLe(_report("TeeRegistry.declareCompromised", 1), 60_000, "declareCompromised");
    vm.prank(GUARDIAN);
    registry.revokeKey(node, "GHSA-0000-0000-0000");
    vm.assertLe(_report("TeeRegistry.revokeKey", 1), 60_000, "revokeKey");
  }

  function test_gas_policy() public {
    TimelockController timelock = new TimelockController(2 days, new address[](0), new address[](0), address(0));
    PolicyRegistry policies = _newPolicyRegistry(false, timelock, _authorities());
    vm.prank(address(timelock));
    policies.adopt(1, keccak256("document"), keccak256("envelope"), NOW, 14);
    vm.prank(address(timelock));
    policies.adopt(42, keccak256("document"), keccak256("envelope"), NOW, 14);
    vm.assertLe(_report("PolicyRegistry.adopt", 1), 165_000, "adopt");
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Hardware, "sgx", "WireTap");
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Product, "sev-snp/Milan", "arXiv:2605.12990");
    vm.assertLe(_report("PolicyRegistry.remove", 1), 205_000, "remove");
    vm.prank(address(timelock));
    policies.restore(EntryKind.Product, keccak256("sev-snp/Milan"));
    vm.assertLe(_report("PolicyRegistry.restore", 1), 115_000, "restore");
    policies.epochAt(NOW);
    vm.assertLe(_report("PolicyRegistry.epochAt", 1), 20_000, "epochAt");
  }

  function test_gas_circuits() public {
    keys.register(vm.parseJsonBytes(vm.readFile("../vectors/zk/groth16-snarkjs-v1.json"), ".keyBytes"));
    vm.assertLe(_report("VerificationKeyRegistry.register, 4 signals", 1), 530_000, "register");
    vm.startPrank(PUBLISHER);
    models.register("digits", "2", "another version", 250);
    models.bindCircuit("another version", vkId);
    vm.stopPrank();
    vm.assertLe(_report("ModelRegistry.bindCircuit", 1), 60_000, "bindCircuit");
  }

  /// @dev Four public signals. As a call from a contract, everything cold, the key's code included; views are not
  /// transactions, so intrinsic gas and calldata are not in it.
  function test_gas_verify_proofs() public {
    uint256[4] memory counts = [uint256(1), 8, 32, 64];
    uint256[4] memory most = [uint256(225_000), 73_500, 55_500, 52_500];
    for (uint256 i = 0; i < 4; ++i) {
      (uint256[] memory signals, bytes memory proofs) = _proofs(counts[i]);
      (address store,) = keys.storeOf(vkId);
      vm.cool(store);
      vm.cool(address(keys));
      vm.cool(address(verifier));
      vm.assertTrue(verifier.verify(vkId, signals, proofs), "holds");
      string memory what = string.concat("Groth16Verifier.verify x", vm.toString(counts[i]), ", each");
      vm.assertLe(_report(what, counts[i]), most[i], "verify");
    }
  }

  /// @dev The whole way, calldata and spend included.
  function test_gas_accept_proofs() public {
    ledger.accept(address(log), GROTH16, _proven(_zkReceipt("one", 1000)));
    vm.assertLe(_report("ProofLedger.accept", 1), 320_000, "accept");
    uint256[3] memory counts = [uint256(8), 32, 64];
    uint256[3] memory most = [uint256(133_000), 112_000, 109_000];
    for (uint256 i = 0; i < 3; ++i) {
      ledger.acceptBatch(address(log), GROTH16, vkId, _provenReceipts(counts[i]));
      string memory what = string.concat("ProofLedger.acceptBatch x", vm.toString(counts[i]), ", each");
      vm.assertLe(_report(what, counts[i]), most[i], "acceptBatch");
    }
  }

  /// @dev The settler's gas limits rest on these: services/settler/src/proof-gas.ts.
  function test_gas_accept_by_number_of_signals() public {
    uint256[2] memory counts = [uint256(1), 4];
    uint256[2] memory most = [uint256(2_300_000), 1_000_000];
    for (uint256 i = 0; i < 2; ++i) {
      ProvenReceipt[] memory items = _wide(256, counts[i]);
      ledger.acceptBatch(address(log), GROTH16, models.circuitOf(items[0].receipt.modelHash), items);
      string memory what = string.concat("ProofLedger.acceptBatch x", vm.toString(counts[i]), " of 256 signals, each");
      vm.assertLe(_report(what, counts[i]), most[i], "acceptBatch");
    }
  }

  function test_gas_demand_proof() public {
    (BatchHeader memory header, InferenceReceipt memory receipt, InclusionProof memory proof) =
      _deepLeaf(_zkReceipt("deep", 1000));
    log.demandProof(header, receipt, proof);
    vm.assertLe(_report("SettlementLog.demandProof, 10,000 leaves", 1), 103_000, "demandProof");
    vm.warp(NOW + 2 days);
    log.voidLeaf(header, receipt, proof);
    vm.assertLe(_report("SettlementLog.voidLeaf for want of a proof, 10,000 leaves", 1), 124_000, "voidLeaf");
  }

  function test_gas_payout() public {
    _collect(10_000, "n");
    _anchorOne(_receipt("n", 10_000), 10_000);
    _postRoot(PUBLISHER, 5000);
    vm.assertLe(_report("RevenueVault.postRoot", 1), 140_000, "postRoot");
    vm.warp(NOW + ROOT_DELAY);
    vault.claim(PUBLISHER, address(usdc), 5000, new bytes32[](0));
    vm.assertLe(_report("RevenueVault.claim, first", 1), 130_000, "claim");
  }

  function test_gas_register_model() public {
    models.register("iris", "1.0.0", keccak256("manifest"), 250);
    vm.assertLe(_report("ModelRegistry.register", 1), 240_000, "register");
  }

  function _provenReceipts(uint256 count) private view returns (ProvenReceipt[] memory items) {
    items = new ProvenReceipt[](count);
    for (uint256 i = 0; i < count; ++i) {
      items[i] = _proven(_zkReceipt(keccak256(abi.encode(count, i)), 1000));
    }
  }

  /// @dev Receipts of a model whose circuit has so many signals, which all share the point of the toy key's first.
  function _wide(uint256 n, uint256 count) private returns (ProvenReceipt[] memory items) {
    bytes32 model = keccak256(abi.encode("wide", n, count));
    bytes memory key = _widened(n, bytes32(count));
    bytes32 id = keys.register(key);
    vm.startPrank(PUBLISHER);
    models.register("digits", vm.toString(n * 100 + count), model, 250);
    models.bindCircuit(model, id);
    vm.stopPrank();
    items = new ProvenReceipt[](count);
    for (uint256 i = 0; i < count; ++i) {
      InferenceReceipt memory receipt = _zkReceipt(keccak256(abi.encode(model, i)), 1000);
      (receipt.modelHash, receipt.evidenceId) = (model, id);
      uint256[] memory signals = new uint256[](n);
      uint256 sum;
      for (uint256 j = 0; j < n; ++j) {
        signals[j] = j + 1 == n
          ? ledger.contextOf(address(log), receipt.requestId, model)
          : uint256(keccak256(abi.encode(receipt.requestId, j))) % R;
        sum = addmod(sum, signals[j], R);
      }
      receipt.statementHash = keccak256(abi.encodePacked(signals));
      (, bytes memory proof) = _prove([sum, 0, 0, 0], 1 + i);
      items[i] = ProvenReceipt(receipt, _sign(NODE_KEY, log.receiptHashOf(receipt)), signals, proof);
    }
  }

  /// @dev The toy key with its first signal's point n times; another beacon makes it another key.
  function _widened(uint256 n, bytes32 beacon) private view returns (bytes memory key) {
    uint256 first = VerificationKey.IC + 64;
    bytes memory point = new bytes(64);
    key = new bytes(first);
    for (uint256 i = 0; i < first + 64; ++i) {
      if (i < first) key[i] = ceremonyKey[i];
      else point[i - first] = ceremonyKey[i];
    }
    for (uint256 i = 0; i < 32; ++i) {
      key[7 + i] = beacon[i];
    }
    for (uint256 i = 0; i < n; ++i) {
      key = bytes.concat(key, point);
    }
  }

  function _proofs(uint256 count) private view returns (uint256[] memory signals, bytes memory proofs) {
    signals = new uint256[](4 * count);
    for (uint256 i = 0; i < count; ++i) {
      uint256[4] memory own;
      for (uint256 j = 0; j < 4; ++j) {
        signals[4 * i + j] = own[j] = uint256(keccak256(abi.encode(i, j))) % R;
      }
      (, bytes memory proof) = _prove(own, 1 + i);
      proofs = bytes.concat(proofs, proof);
    }
  }

  function _settle(uint256 count, uint256 most) private returns (uint256 each) {
    Authorization[] memory items = new Authorization[](count);
    for (uint256 i = 0; i < count; ++i) {
      uint256 key = FIRST_PAYER + count * 1000 + i;
      _mint(vm.addr(key), 5000);
      items[i] = _authorize(key, 1000, keccak256(abi.encode(count, i)));
    }
    uint256 before = usdc.balanceOf(address(vault));
    batcher.settle(address(usdc), items);
    each = _report(string.concat("PaymentBatcher.settle x", vm.toString(count), ", each"), count);
    vm.assertEq(usdc.balanceOf(address(vault)), before + count * 1000, "all collected");
    vm.assertLe(each, most, "settle");
  }

  function _header(uint32 count) private view returns (BatchHeader memory header) {
    header = BatchHeader({
      prev: log.tip(),
      root: keccak256(abi.encode(count)),
      token: address(usdc),
      total: 1_000_000,
      daRef: keccak256("leaf file"),
      evidenceRoot: keccak256("evidence"),
      id: log.batchCount() + 1,
      count: count
    });
  }

  /// @dev Leaf 0 of 10,000: its path has 14 siblings, here made up from the leaf to the root.
  function _deepLeaf(InferenceReceipt memory receipt)
    private
    returns (BatchHeader memory header, InferenceReceipt memory, InclusionProof memory proof)
  {
    proof = InclusionProof(1000, 0, new bytes32[](14), new uint128[](14));
    bytes32 hash = _leaf(log, log.receiptHashOf(receipt), 1000);
    uint128 sum = 1000;
    for (uint256 d = 0; d < 14; ++d) {
      proof.siblings[d] = keccak256(abi.encode(d));
      proof.sums[d] = uint128(1000 << d);
      hash = keccak256(bytes.concat(hex"01", hash, bytes16(sum), proof.siblings[d], bytes16(proof.sums[d])));
      sum += proof.sums[d];
    }
    header = _header(10_000);
    (header.root, header.total) = (hash, sum);
    vm.prank(SETTLER);
    log.commit(header);
    vm.assertTrue(log.verifyInclusion(header, log.receiptHashOf(receipt), proof), "a sound path");
    return (header, receipt, proof);
  }

  function _report(string memory what, uint256 count) private view returns (uint256 each) {
    each = vm.lastCallGas().gasTotalUsed / count;
    printLine(string.concat(what, ": ", vm.toString(each)));
  }

  function _split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
    assembly {
      r := mload(add(signature, 32))
      s := mload(add(signature, 64))
    }
    v = uint8(signature[64]);
  }
}

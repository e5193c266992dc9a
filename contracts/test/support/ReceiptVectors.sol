// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Authorities } from "../../src/Governed.sol";
import { ProofLedger } from "../../src/ProofLedger.sol";
import { SettlementLog } from "../../src/SettlementLog.sol";
import { TeeRegistry } from "../../src/TeeRegistry.sol";
import { VerificationKeyRegistry } from "../../src/VerificationKeyRegistry.sol";
import { VerifierRouter } from "../../src/VerifierRouter.sol";
import { InferenceReceipt } from "../../src/libraries/InferenceReceipt.sol";
import { Shipped } from "./Shipped.sol";

/// @notice Reads files of vectors/receipt/, and puts a log where they were made for.
abstract contract ReceiptVectors is Shipped {
  string internal json;
  TeeRegistry internal registry;

  function _receiptAt(string memory path) internal view returns (InferenceReceipt memory receipt) {
    string memory m = string.concat(path, ".");
    receipt.requestId = vm.parseJsonBytes32(json, string.concat(m, "requestId"));
    receipt.offerHash = vm.parseJsonBytes32(json, string.concat(m, "offerHash"));
    receipt.modelHash = vm.parseJsonBytes32(json, string.concat(m, "modelHash"));
    receipt.requestHash = vm.parseJsonBytes32(json, string.concat(m, "requestHash"));
    receipt.outputHash = vm.parseJsonBytes32(json, string.concat(m, "outputHash"));
    receipt.evidenceId = vm.parseJsonBytes32(json, string.concat(m, "evidenceId"));
    receipt.statementHash = vm.parseJsonBytes32(json, string.concat(m, "statementHash"));
    receipt.paymentId = vm.parseJsonBytes32(json, string.concat(m, "paymentId"));
    receipt.node = vm.parseJsonAddress(json, string.concat(m, "node"));
    receipt.payer = vm.parseJsonAddress(json, string.concat(m, "payer"));
    receipt.token = vm.parseJsonAddress(json, string.concat(m, "token"));
    receipt.price = _sum(string.concat(m, "price"));
    receipt.policyEpoch = uint64(vm.parseJsonUint(json, string.concat(m, "policyEpoch")));
    receipt.issuedAt = uint64(vm.parseJsonUint(json, string.concat(m, "issuedAt")));
    receipt.settleBy = uint64(vm.parseJsonUint(json, string.concat(m, "settleBy")));
    receipt.seq = uint64(vm.parseJsonUint(json, string.concat(m, "seq")));
    receipt.mode = uint8(vm.parseJsonUint(json, string.concat(m, "mode")));
    receipt.keyKind = uint8(vm.parseJsonUint(json, string.concat(m, "keyKind")));
  }

  function _sum(string memory path) internal view returns (uint128) {
    uint256 value = vm.parseJsonUint(json, path);
    vm.assertLe(value, type(uint128).max, path);
    return uint128(value);
  }

  function _lengthOf(string memory path) internal view returns (uint256 length) {
    while (vm.keyExistsJson(json, _at(path, length))) {
      ++length;
    }
  }

  function _at(string memory path, uint256 index) internal pure returns (string memory) {
    return string.concat(path, "[", vm.toString(index), "]");
  }

  /// @dev Runs the log's constructor at the address the vectors were made for, with this test in every role.
  function _logAt(address where, bool simulatedAllowed) internal returns (SettlementLog) {
    Authorities memory authorities = Authorities({
      admin: address(this), adminDelay: 0, settler: address(this), registrar: address(this), guardian: address(this)
    });
    registry = _newTeeRegistry(simulatedAllowed, authorities);
    VerificationKeyRegistry keys = _newVerificationKeyRegistry(simulatedAllowed);
    VerifierRouter router = _newVerifierRouter(0xe59adc70, _newGroth16Verifier(keys), authorities);
    ProofLedger ledger = _newProofLedger(registry, _newModelRegistry(keys), router);
    bytes memory args = abi.encode(simulatedAllowed, registry, ledger, authorities);
    vm.etch(where, bytes.concat(vm.getCode("out/SettlementLog.sol/SettlementLog.json"), args));
    (bool ok, bytes memory runtime) = where.call("");
    vm.assertTrue(ok, "constructor");
    vm.etch(where, runtime);
    return SettlementLog(where);
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { IVotes } from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import { Authorities } from "../../src/Governed.sol";
import { Groth16Verifier } from "../../src/Groth16Verifier.sol";
import { ModelRegistry } from "../../src/ModelRegistry.sol";
import { PaymentBatcher } from "../../src/PaymentBatcher.sol";
import { PolicyGovernor, VotingRules } from "../../src/PolicyGovernor.sol";
import { PolicyRegistry } from "../../src/PolicyRegistry.sol";
import { ProofLedger } from "../../src/ProofLedger.sol";
import { RevenueVault } from "../../src/RevenueVault.sol";
import { SettlementLog } from "../../src/SettlementLog.sol";
import { TeeRegistry } from "../../src/TeeRegistry.sol";
import { VerificationKeyRegistry } from "../../src/VerificationKeyRegistry.sol";
import { VerifierRouter } from "../../src/VerifierRouter.sol";
import { IProofVerifier } from "../../src/interfaces/IProofVerifier.sol";
import { LocalOpg } from "../../src/local/LocalOpg.sol";
import { UsdcDouble } from "../../src/local/UsdcDouble.sol";
import { Test } from "./Test.sol";

/// @notice Deploys the code that ships, from the artifacts in out/, whatever this test was compiled with.
abstract contract Shipped is Test {
  address internal constant PROXY_ADMIN = address(0x702);
  address private constant USDC_SIGNATURES = address(0x703);
  address private constant USDC_IMPLEMENTATION = address(0x704);

  function _newTeeRegistry(bool simulatedAllowed, Authorities memory authorities) internal returns (TeeRegistry) {
    return TeeRegistry(_create("TeeRegistry", abi.encode(simulatedAllowed, authorities)));
  }

  function _newSettlementLog(
    bool simulatedAllowed,
    TeeRegistry registry,
    ProofLedger ledger,
    Authorities memory authorities
  ) internal returns (SettlementLog) {
    return SettlementLog(_create("SettlementLog", abi.encode(simulatedAllowed, registry, ledger, authorities)));
  }

  function _newVerifierRouter(bytes4 selector, IProofVerifier verifier, Authorities memory authorities)
    internal
    returns (VerifierRouter)
  {
    return VerifierRouter(_create("VerifierRouter", abi.encode(selector, verifier, authorities)));
  }

  function _newProofLedger(TeeRegistry registry, ModelRegistry models, VerifierRouter router)
    internal
    returns (ProofLedger)
  {
    return ProofLedger(_create("ProofLedger", abi.encode(registry, models, router)));
  }

  function _newRevenueVault(SettlementLog log, uint64 rootDelay, Authorities memory authorities)
    internal
    returns (RevenueVault)
  {
    return RevenueVault(_create("RevenueVault", abi.encode(log, rootDelay, authorities)));
  }

  function _newPaymentBatcher(RevenueVault vault) internal returns (PaymentBatcher) {
    return PaymentBatcher(_create("PaymentBatcher", abi.encode(vault)));
  }

  function _newModelRegistry(VerificationKeyRegistry keys) internal returns (ModelRegistry) {
    return ModelRegistry(_create("ModelRegistry", abi.encode(keys)));
  }

  function _newVerificationKeyRegistry(bool devKeysAllowed) internal returns (VerificationKeyRegistry) {
    return VerificationKeyRegistry(_create("VerificationKeyRegistry", abi.encode(devKeysAllowed)));
  }

  function _newGroth16Verifier(VerificationKeyRegistry keys) internal returns (Groth16Verifier) {
    return Groth16Verifier(_create("Groth16Verifier", abi.encode(keys)));
  }

  function _newLocalOpg(address holder) internal returns (LocalOpg) {
    return LocalOpg(_create("LocalOpg", abi.encode(holder)));
  }

  function _newPolicyGovernor(IVotes token, VotingRules memory rules) internal returns (PolicyGovernor) {
    return PolicyGovernor(payable(_create("PolicyGovernor", abi.encode(token, rules))));
  }

  function _newPolicyRegistry(bool simulatedAllowed, TimelockController timelock, Authorities memory authorities)
    internal
    returns (PolicyRegistry)
  {
    return PolicyRegistry(_create("PolicyRegistry", abi.encode(simulatedAllowed, timelock, authorities)));
  }

  /// @dev Proxy, implementation and library apart, as on Base.
  function _newUsdc(string memory name, address authority) internal returns (UsdcDouble token) {
    vm.etch(USDC_SIGNATURES, vm.parseBytes(_runtimeOf("UsdcDoubleSignatures")));
    vm.etch(USDC_IMPLEMENTATION, vm.parseBytes(_linked(_runtimeOf("UsdcDouble"))));
    token = UsdcDouble(_create("UsdcDoubleProxy", abi.encode(USDC_IMPLEMENTATION, PROXY_ADMIN)));
    vm.label(address(token), "USDC");
    token.initialize(name, authority);
  }

  function _create(string memory name, bytes memory args) internal returns (address deployed) {
    bytes memory code = bytes.concat(vm.getCode(_artifact(name)), args);
    assembly {
      deployed := create(0, add(code, 32), mload(code))
      if iszero(deployed) {
        returndatacopy(mload(0x40), 0, returndatasize())
        revert(mload(0x40), returndatasize())
      }
    }
    vm.label(deployed, name);
  }

  function _artifact(string memory name) private pure returns (string memory) {
    return string.concat("out/", name, ".sol/", name, ".json");
  }

  function _runtimeOf(string memory name) private view returns (string memory) {
    return vm.parseJsonString(vm.readFile(_artifact(name)), ".deployedBytecode.object");
  }

  /// @dev A link placeholder is __$ and $__ around the first 34 digits of the hash of the library's full name.
  function _linked(string memory runtime) private pure returns (string memory) {
    bytes32 nameHash = keccak256("src/local/UsdcDoubleSignatures.sol:UsdcDoubleSignatures");
    string memory digits = vm.toString(bytes.concat(bytes17(nameHash)));
    string memory placeholder = string.concat("__$", _from2(digits), "$__");
    return vm.replace(runtime, placeholder, _from2(vm.toString(USDC_SIGNATURES)));
  }

  function _from2(string memory text) private pure returns (string memory) {
    bytes memory from = bytes(text);
    bytes memory to = new bytes(from.length - 2);
    for (uint256 i = 0; i < to.length; ++i) {
      to[i] = from[i + 2];
    }
    return string(to);
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ProvenReceipt } from "../../src/ProofLedger.sol";
import { InferenceReceipt } from "../../src/libraries/InferenceReceipt.sol";
import { Fixture } from "./Fixture.sol";
import { ToyProver } from "./ToyProver.sol";

/// @notice A deployment with one provable model, and receipts of it with their proofs.
abstract contract ProofFixture is Fixture, ToyProver {
  bytes32 internal constant MODEL = keccak256("a model with a circuit");
  /// @dev A registered key of a node that is not to be trusted.
  uint256 internal constant ROGUE_NODE_KEY = 0xBAD0;

  bytes32 internal vkId;

  function setUp() public virtual override {
    super.setUp();
    _loadToyKey();
    vkId = keys.register(ceremonyKey);
    vm.startPrank(PUBLISHER);
    models.register("digits", "1.0.0", MODEL, 250);
    models.bindCircuit(MODEL, vkId);
    vm.stopPrank();
    vm.prank(REGISTRAR);
    registry.registerKey(vm.addr(ROGUE_NODE_KEY), OPERATOR, 0, 0, 0, NOW, NOW + 30 days);
  }

  /// @dev A zkml receipt whose node signed for output, input and context.
  function _zkReceipt(bytes32 nonce, uint128 price) internal view returns (InferenceReceipt memory receipt) {
    receipt = _receipt(nonce, price);
    receipt.modelHash = MODEL;
    receipt.evidenceId = vkId;
    receipt.mode = 2;
    receipt.statementHash = keccak256(abi.encodePacked(_signalsOf(receipt, "input")));
  }

  /// @dev Two packed outputs, the input's commitment, and the context by the text of its definition.
  function _signalsOf(InferenceReceipt memory receipt, bytes32 input) internal view returns (uint256[] memory signals) {
    signals = new uint256[](4);
    signals[0] = uint256(keccak256(abi.encode("out0", input))) % R;
    signals[1] = uint256(keccak256(abi.encode("out1", input))) % R;
    signals[2] = uint256(input) % R;
    signals[3] = uint256(
      keccak256(abi.encode("haca/zk-context/1", block.chainid, address(log), receipt.requestId, receipt.modelHash))
    ) >> 8;
  }

  function _proven(InferenceReceipt memory receipt) internal view returns (ProvenReceipt memory) {
    return _proven(receipt, NODE_KEY, _signalsOf(receipt, "input"));
  }

  function _proven(InferenceReceipt memory receipt, uint256 nodeKey, uint256[] memory signals)
    internal
    view
    returns (ProvenReceipt memory)
  {
    bytes memory proof = _prove(signals, 1 + uint256(receipt.requestId) % (R - 1));
    return ProvenReceipt(receipt, _sign(nodeKey, log.receiptHashOf(receipt)), signals, proof);
  }

  function _acceptedAt(InferenceReceipt memory receipt) internal view returns (uint64) {
    return ledger.acceptedAt(address(log), receipt.node, receipt.requestId, log.receiptHashOf(receipt));
  }
}

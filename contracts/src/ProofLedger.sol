// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { ModelRegistry } from "./ModelRegistry.sol";
import { TeeRegistry, Validity } from "./TeeRegistry.sol";
import { VerificationKeyRegistry } from "./VerificationKeyRegistry.sol";
import { VerifierRouter } from "./VerifierRouter.sol";
import { IProofVerifier } from "./interfaces/IProofVerifier.sol";
import { InferenceReceipt, Receipt } from "./libraries/InferenceReceipt.sol";

/// @notice A proof with the only thing it counts together with: the signed receipt of the request it was made for.
/// @param signature r, s, v of the receipt's node over its digest; 65 bytes with low s.
/// @param signals The proof's public signals, each below the field's order; the last is the request's context.
/// @param proof As the verifier of its selector takes it.
struct ProvenReceipt {
  InferenceReceipt receipt;
  bytes signature;
  uint256[] signals;
  bytes proof;
}

/// @notice Why a proof does not count for its receipt, whatever it proves.
enum ProofRefusal {
  None,
  /// This very receipt has its proof: nothing is left to do.
  AlreadyAccepted,
  /// The node proved another receipt of this request before: one of the two is an equivocation.
  RequestSpent,
  /// The receipt promises no proof: its mode is neither 2 nor 3.
  ModeWithoutProof,
  /// The node did not sign this receipt for this log.
  SignatureInvalid,
  /// The registry does not vouch for the node at `issuedAt`, or not as that kind of key.
  SignerInvalid,
  /// The model has no circuit in the `ModelRegistry`.
  CircuitUnbound,
  /// A zkml receipt names another verification key than its model's.
  EvidenceMismatch,
  /// The signals are not those the node signed for.
  StatementMismatch,
  /// The last signal is not the context of this request for this model in this log.
  ContextMismatch,
  /// In a batch: another number of signals or bytes than the circuit and the verifier have.
  Malformed,
  /// In a batch: a model with another circuit; send it in a batch of its own.
  OtherCircuit
}

/// @title Which requests were proven
/// @notice Anybody may show a proof. It counts only together with the receipt its node signed, and spends the request
/// of that node: a proof over another input, of another request, or with somebody else's receipt neither counts nor
/// stands in the way. No admin, no money, and nothing is ever taken back.
/// @dev What has to agree: the node's signature over the receipt in the domain of `log`; `TeeRegistry.validityAs`;
/// mode 2 (zkml) or 3 (tee+zkml); `receipt.statementHash` with the keccak256 of the signals, 32 bytes big-endian each,
/// one after another; the key with the one its model is bound to, and for mode 2 with `receipt.evidenceId`; and the last
/// signal with `contextOf`. The circuit constrains nothing about the context, and the set-up binds it all the same.
///
/// A request is spent per log and node. A rogue node can sign a receipt for anybody's request id and prove it, and all
/// it spends is its own. Never spent is a proof: anybody can make another one of the same statement.
///
/// The log is an argument, and part of the receipt's digest and of every key here, because the log names this ledger
/// in its constructor, and both addresses follow from constructor arguments.
contract ProofLedger is Deployed {
  /// @notice Most proofs in a batch: about 7 million gas, which a transaction of Base holds twice (EIP-7825).
  uint256 public constant BATCH_MAX = 64;

  /// @dev One slot. 216 bits of the receipt's digest: to find another receipt with the same takes 2^216 hashes, and the
  /// node itself 2^108 for two of its own.
  struct Acceptance {
    uint40 acceptedAt;
    bytes27 receipt;
  }

  TeeRegistry public immutable teeRegistry;
  ModelRegistry public immutable modelRegistry;
  VerificationKeyRegistry public immutable keys;
  VerifierRouter public immutable router;

  mapping(bytes32 requestKey => Acceptance) private acceptances;

  event ProofAccepted(
    bytes32 indexed receiptHash,
    bytes32 indexed requestId,
    bytes32 indexed modelHash,
    address log,
    address node,
    bytes32 vkId,
    bytes32 statementHash
  );
  /// @notice One of a batch that does not count; the others do.
  event ProofSkipped(bytes32 indexed receiptHash, ProofRefusal refusal);

  /// @notice The proof does not count for this receipt, and was not looked at.
  error ProofRefused(bytes32 receiptHash, ProofRefusal refusal);
  /// @notice The proof does not hold.
  error ProofInvalid(bytes32 receiptHash);
  error BatchSizeInvalid(uint256 size);
  /// @notice At least one proof does not hold, and one equation does not say which: verify each off chain, or halve.
  error BatchInvalid(uint256 size);

  constructor(TeeRegistry teeRegistry_, ModelRegistry modelRegistry_, VerifierRouter router_) {
    teeRegistry = teeRegistry_;
    modelRegistry = modelRegistry_;
    keys = modelRegistry_.keys();
    router = router_;
  }

  /// @notice Takes a proof for its receipt.
  /// @param log The SettlementLog the receipt is meant for.
  /// @param selector The verifier's route, see `VerifierRouter`.
  function accept(address log, bytes4 selector, ProvenReceipt calldata item) external {
    (ProofRefusal refusal, bytes32 receiptHash, bytes32 vkId) = _book(log, item, 0, 0, 0);
    if (refusal != ProofRefusal.None) revert ProofRefused(receiptHash, refusal);
    IProofVerifier verifier = router.verifierOf(selector);
    // A verifier takes many proofs as well as one: the statement of a receipt is one.
    bool holds = item.proof.length == verifier.PROOF_BYTES() && verifier.verify(vkId, item.signals, item.proof);
    if (!holds) revert ProofInvalid(receiptHash);
  }

  /// @notice Takes up to 64 proofs of one circuit in one equation. What does not count is skipped, each for its reason;
  /// a proof that counts and does not hold reverts the whole.
  /// @dev Nothing sinks silently: whoever sends a batch has checked its proofs, so that one that fails is a mistake of
  /// the sender's, who finds it by halving. Falling back to single checks here would let one bad proof make everybody
  /// pay four times the price.
  /// @param vkId The circuit all of them are of.
  /// @return refusals One per item, in order; `None` for the accepted.
  function acceptBatch(address log, bytes4 selector, bytes32 vkId, ProvenReceipt[] calldata items)
    external
    returns (ProofRefusal[] memory refusals)
  {
    if (items.length == 0 || items.length > BATCH_MAX) revert BatchSizeInvalid(items.length);
    IProofVerifier verifier = router.verifierOf(selector);
    (, uint256 signalCount) = keys.storeOf(vkId);
    uint256 proofBytes = verifier.PROOF_BYTES();

    refusals = new ProofRefusal[](items.length);
    uint256[] memory signals = new uint256[](items.length * signalCount);
    bytes memory proofs = new bytes(items.length * proofBytes);
    uint256 count;
    for (uint256 i = 0; i < items.length; ++i) {
      bytes32 receiptHash;
      (refusals[i], receiptHash,) = _book(log, items[i], vkId, signalCount, proofBytes);
      if (refusals[i] == ProofRefusal.None) _append(signals, proofs, count++, items[i]);
      else emit ProofSkipped(receiptHash, refusals[i]);
    }
    if (count == 0) return refusals;
    assembly ("memory-safe") {
      mstore(signals, mul(count, signalCount))
      mstore(proofs, mul(count, proofBytes))
    }
    if (!verifier.verify(vkId, signals, proofs)) revert BatchInvalid(count);
  }

  /// @notice When the proof of a receipt was accepted (unix seconds); 0 if none was.
  function acceptedAt(address log, address node, bytes32 requestId, bytes32 receiptHash)
    external
    view
    returns (uint64)
  {
    Acceptance storage acceptance = acceptances[_requestKey(log, node, requestId)];
    return acceptance.receipt == _prefix(receiptHash) ? acceptance.acceptedAt : 0;
  }

  /// @notice The last public signal of every proof: 248 bits, so that it is below the field's order.
  function contextOf(address log, bytes32 requestId, bytes32 modelHash) public view returns (uint256) {
    return uint256(keccak256(abi.encode("haca/zk-context/1", block.chainid, log, requestId, modelHash))) >> 8;
  }

  /// @notice keccak256 of the public signals, 32 bytes big-endian each, one after another.
  function statementHashOf(uint256[] calldata signals) public pure returns (bytes32) {
    return keccak256(abi.encodePacked(signals));
  }

  // ---------------------------------------------------------------- inside

  /// @dev Spends the request if everything but the proof itself agrees; whoever calls verifies that, or reverts.
  /// @param circuit In a batch, the key all have to be of; else 0.
  function _book(address log, ProvenReceipt calldata item, bytes32 circuit, uint256 signalCount, uint256 proofBytes)
    private
    returns (ProofRefusal refusal, bytes32 receiptHash, bytes32 vkId)
  {
    InferenceReceipt memory receipt = item.receipt;
    receiptHash = Receipt.digest(receipt, block.chainid, log);
    vkId = modelRegistry.circuitOf(receipt.modelHash);
    if (circuit != 0) {
      if (vkId != circuit) return (ProofRefusal.OtherCircuit, receiptHash, vkId);
      bool whole = item.signals.length == signalCount && item.proof.length == proofBytes;
      if (!whole) return (ProofRefusal.Malformed, receiptHash, vkId);
    }
    Acceptance storage acceptance = acceptances[_requestKey(log, receipt.node, receipt.requestId)];
    refusal = _refusalOf(log, receipt, receiptHash, vkId, acceptance, item);
    if (refusal != ProofRefusal.None) return (refusal, receiptHash, vkId);

    (acceptance.acceptedAt, acceptance.receipt) = (uint40(block.timestamp), _prefix(receiptHash));
    emit ProofAccepted(
      receiptHash, receipt.requestId, receipt.modelHash, log, receipt.node, vkId, receipt.statementHash
    );
  }

  function _refusalOf(
    address log,
    InferenceReceipt memory receipt,
    bytes32 receiptHash,
    bytes32 vkId,
    Acceptance storage acceptance,
    ProvenReceipt calldata item
  ) private view returns (ProofRefusal) {
    if (acceptance.acceptedAt != 0) {
      bool same = acceptance.receipt == _prefix(receiptHash);
      return same ? ProofRefusal.AlreadyAccepted : ProofRefusal.RequestSpent;
    }
    if (!Receipt.promisesProof(receipt.mode)) return ProofRefusal.ModeWithoutProof;
    if (vkId == 0) return ProofRefusal.CircuitUnbound;
    if (receipt.mode == Receipt.ZKML && receipt.evidenceId != vkId) return ProofRefusal.EvidenceMismatch;
    if (statementHashOf(item.signals) != receipt.statementHash) return ProofRefusal.StatementMismatch;
    uint256 last = item.signals.length == 0 ? 0 : item.signals[item.signals.length - 1];
    if (last != contextOf(log, receipt.requestId, receipt.modelHash)) return ProofRefusal.ContextMismatch;
    if (!Receipt.isSignedBy(receipt.node, receiptHash, item.signature)) return ProofRefusal.SignatureInvalid;
    Validity validity = teeRegistry.validityAs(receipt.node, receipt.keyKind, receipt.issuedAt);
    return validity == Validity.Valid ? ProofRefusal.None : ProofRefusal.SignerInvalid;
  }

  function _append(uint256[] memory signals, bytes memory proofs, uint256 at, ProvenReceipt calldata item)
    private
    pure
  {
    uint256[] calldata own = item.signals;
    bytes calldata proof = item.proof;
    assembly ("memory-safe") {
      let signalBytes := mul(32, own.length)
      calldatacopy(add(add(signals, 32), mul(at, signalBytes)), own.offset, signalBytes)
      calldatacopy(add(add(proofs, 32), mul(at, proof.length)), proof.offset, proof.length)
    }
  }

  function _prefix(bytes32 receiptHash) private pure returns (bytes27) {
    // On purpose, see `Acceptance`.
    // forge-lint: disable-next-line(unsafe-typecast)
    return bytes27(receiptHash);
  }

  function _requestKey(address log, address node, bytes32 requestId) private pure returns (bytes32) {
    return keccak256(abi.encode(log, node, requestId));
  }
}

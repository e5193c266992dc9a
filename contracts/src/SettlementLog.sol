// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { Authorities, Governed } from "./Governed.sol";
import { ProofLedger } from "./ProofLedger.sol";
import { TeeRegistry, Validity } from "./TeeRegistry.sol";
import { BatchHeader, Header } from "./libraries/BatchHeader.sol";
import { InferenceReceipt, Receipt, SignedReceipt } from "./libraries/InferenceReceipt.sol";
import { InclusionProof, MerkleSum } from "./libraries/MerkleSum.sol";

/// @notice Why a leaf does not stand.
enum VoidReason {
  None,
  /// Anchored more than the grace after `settleBy`.
  AnchoredLate,
  /// The registry does not vouch for the signer at `issuedAt`, or not as that kind of key.
  SignerInvalid,
  /// Nobody showed the node's signature in time.
  SignatureMissing,
  /// Simulated evidence on a log that admits none.
  SimulatedKey,
  /// The node signed a receipt that contradicts this one.
  Equivocation,
  /// Nobody had the promised proof accepted in time.
  ProofMissing
}

/// @notice How two receipts of one node contradict each other.
enum Contradiction {
  None,
  /// One request was answered, priced or paid for in two ways.
  Request,
  /// One sequence number was given to two receipts.
  Sequence
}

/// @notice What the log remembers of a batch besides its header hash, in one slot.
/// @param committedAt Unix seconds; 0 for a batch that does not exist.
struct Anchor {
  uint64 committedAt;
  uint32 count;
  uint128 total;
}

/// @title The ledger of batch roots
/// @notice Immutable and not upgradeable. The settler appends headers to a hash chain; anybody may check a leaf, and
/// anybody may void one that breaks a rule. A successor is a new log, and this one stays readable.
/// @dev Design section 6. A leaf commits to the receipt's digest, not to the signature, so no single call can prove
/// that a signature is missing: whoever doubts demands it, and whoever has it answers (`demandSignature`,
/// `showSignature`). A promised proof is demanded in the same way, and answered in the `ProofLedger` (`demandProof`):
/// whether it is there by default, on demand or only in a dispute is between caller and settler, and the chain holds all
/// of them to the same. That a node contradicted itself, two signatures do prove (`proveEquivocation`).
contract SettlementLog is Governed, Deployed {
  /// @notice Most leaves in a batch.
  uint32 public constant MAX_COUNT = 10_000;
  /// @notice A receipt promises to be anchored within this many seconds of `issuedAt`; a longer promise is not honoured.
  uint64 public constant SETTLE_WITHIN = 10 minutes;
  /// @notice A receipt anchored more than this many seconds after its promise is void.
  uint64 public constant ANCHOR_GRACE = 20 minutes;
  /// @notice A leaf may be voided for this many seconds after it was anchored; then it is final.
  uint64 public constant VOID_WINDOW = 7 days;
  /// @notice A signature may be demanded for this many seconds after anchoring.
  uint64 public constant DEMAND_WINDOW = 5 days;
  /// @notice A demanded signature is due within this many seconds: twice the 12 hours a sequencer can hold a
  /// transaction back before it can be forced in.
  uint64 public constant SIGNATURE_WINDOW = 24 hours;

  /// @notice A demanded proof is due within this many seconds: as a signature, plus whatever the slowest circuit takes to
  /// prove, which is minutes.
  uint64 public constant PROOF_WINDOW = 24 hours;

  uint64 private constant SHOWN = type(uint64).max;

  /// @notice Whether simulated receipts may stand here; equal to the registry's flag.
  bool public immutable simulatedAllowed;
  TeeRegistry public immutable teeRegistry;
  /// @notice Where proofs are accepted.
  ProofLedger public immutable proofLedger;

  /// @notice Number of batches, and the id of the latest.
  uint64 public batchCount;
  mapping(uint64 id => bytes32) public headerOf;
  mapping(uint64 id => Anchor) public anchorOf;
  /// @notice Sum of all batches of a token, less what was voided; atomic units.
  mapping(address token => uint256) public anchoredTotal;
  mapping(bytes32 receiptHash => VoidReason) public voidReasonOf;
  /// @notice When a demanded signature is due (unix seconds); 0 if none was demanded, the maximum once it was shown.
  mapping(bytes32 receiptHash => uint64) public signatureDueOf;
  /// @notice When a demanded proof is due (unix seconds); 0 if none was demanded.
  mapping(bytes32 receiptHash => uint64) public proofDueOf;
  /// @notice Digest of another receipt by which the same node contradicted this one; 0 if none was shown.
  mapping(bytes32 receiptHash => bytes32) public contradictedBy;

  event BatchCommitted(
    uint64 indexed id,
    bytes32 indexed headerHash,
    address indexed token,
    bytes32 prev,
    bytes32 root,
    uint128 total,
    bytes32 daRef,
    bytes32 evidenceRoot,
    uint32 count
  );
  event LeafVoided(
    bytes32 indexed receiptHash,
    bytes32 indexed paymentId,
    uint64 indexed batchId,
    uint32 index,
    address token,
    uint128 collected,
    VoidReason reason
  );
  event SignatureDemanded(bytes32 indexed receiptHash, uint64 indexed batchId, uint32 index, uint64 dueAt);
  event SignatureShown(bytes32 indexed receiptHash, bytes signature);
  event ProofDemanded(bytes32 indexed receiptHash, uint64 indexed batchId, uint32 index, uint64 dueAt);
  event EquivocationProven(
    address indexed node, bytes32 indexed firstHash, bytes32 indexed secondHash, Contradiction contradiction
  );

  /// @notice Another batch was appended first: read `tip()` and derive the header again.
  error StaleTip(bytes32 tip, bytes32 prev);
  error BatchIdInvalid(uint64 expected, uint64 id);
  error BatchCountInvalid(uint32 count);
  error RootMissing();
  /// @notice The log and its registry must agree on simulated keys.
  error SimulatedFlagMismatch();
  /// @notice The ledger of proofs must ask the same registry.
  error RegistryMismatch();
  /// @notice The header is not in this log, or the leaf not under its root and total.
  error NotIncluded(uint64 batchId, bytes32 receiptHash);
  error LeafStands(bytes32 receiptHash);
  error AlreadyVoid(bytes32 receiptHash);
  error WindowClosed(uint64 closedAt);
  error AlreadyDemanded(bytes32 receiptHash);
  error NotDemanded(bytes32 receiptHash);
  error AlreadyShown(bytes32 receiptHash);
  error SignatureInvalid(bytes32 receiptHash);
  /// @notice The receipt's mode is neither 2 (zkml) nor 3 (tee+zkml).
  error NoProofPromised(bytes32 receiptHash);
  /// @notice Nothing to demand: see `ProofLedger.acceptedAt`.
  error ProofAlreadyAccepted(bytes32 receiptHash);
  /// @notice Two receipts that can both be true.
  error NoContradiction(bytes32 firstHash, bytes32 secondHash);
  error AlreadyProven(bytes32 firstHash, bytes32 secondHash);
  /// @notice Nothing can make a simulated receipt stand on this log.
  error SimulatedReceiptRefused();

  constructor(
    bool simulatedAllowed_,
    TeeRegistry teeRegistry_,
    ProofLedger proofLedger_,
    Authorities memory authorities
  ) Governed(authorities) {
    if (teeRegistry_.simulatedAllowed() != simulatedAllowed_) {
      revert SimulatedFlagMismatch();
    }
    if (address(proofLedger_.teeRegistry()) != address(teeRegistry_)) revert RegistryMismatch();
    simulatedAllowed = simulatedAllowed_;
    teeRegistry = teeRegistry_;
    proofLedger = proofLedger_;
    _assign(SETTLER_ROLE, authorities.settler);
  }

  /// @notice Appends a batch. Two settlers, a replayed job or a transaction sent twice end in `StaleTip`.
  function commit(BatchHeader calldata header) external onlyRole(SETTLER_ROLE) returns (bytes32 headerHash) {
    uint64 latest = batchCount;
    bytes32 tip_ = headerOf[latest];
    if (header.prev != tip_) revert StaleTip(tip_, header.prev);
    uint64 id = latest + 1;
    if (header.id != id) revert BatchIdInvalid(id, header.id);
    if (header.count == 0 || header.count > MAX_COUNT) revert BatchCountInvalid(header.count);
    if (header.root == 0) revert RootMissing();

    headerHash = Header.hash(header);
    batchCount = id;
    headerOf[id] = headerHash;
    anchorOf[id] = Anchor({ committedAt: uint64(block.timestamp), count: header.count, total: header.total });
    anchoredTotal[header.token] += header.total;
    emit BatchCommitted(
      id,
      headerHash,
      header.token,
      header.prev,
      header.root,
      header.total,
      header.daRef,
      header.evidenceRoot,
      header.count
    );
  }

  /// @notice Hash of the latest header, which the next one must name as `prev`; zero while the log is empty.
  function tip() external view returns (bytes32) {
    return headerOf[batchCount];
  }

  /// @notice Whether a receipt is leaf `proof.index` of a committed batch with `proof.collected` collected for it.
  /// @dev False for every kind of wrong proof; never reverts. A leaf that was voided is still included.
  function verifyInclusion(BatchHeader calldata header, bytes32 receiptHash, InclusionProof calldata proof)
    public
    view
    returns (bool)
  {
    bytes32 headerHash = Header.hash(header);
    if (header.id == 0 || headerOf[header.id] != headerHash) return false;
    return MerkleSum.includes(header, block.chainid, address(this), receiptHash, proof);
  }

  /// @notice The digest a node signs for a receipt of this log.
  function receiptHashOf(InferenceReceipt memory receipt) public view returns (bytes32) {
    return Receipt.digest(receipt, block.chainid, address(this));
  }

  /// @notice Voids an anchored leaf that breaks a rule, so that its payment can be refunded.
  /// @dev Reverts with `LeafStands` when it breaks none.
  function voidLeaf(BatchHeader calldata header, InferenceReceipt calldata receipt, InclusionProof calldata proof)
    external
    returns (VoidReason reason)
  {
    bytes32 receiptHash = _includedAndStanding(header, receipt, proof);
    uint64 anchoredAt = anchorOf[header.id].committedAt;
    _within(anchoredAt + VOID_WINDOW);
    reason = _faultOf(receipt, receiptHash, anchoredAt);
    if (reason == VoidReason.None) revert LeafStands(receiptHash);

    voidReasonOf[receiptHash] = reason;
    anchoredTotal[header.token] -= proof.collected;
    emit LeafVoided(receiptHash, receipt.paymentId, header.id, proof.index, header.token, proof.collected, reason);
  }

  /// @notice Asks for the node's signature over an anchored receipt. Whoever holds it answers with `showSignature`
  /// within `SIGNATURE_WINDOW`, or the leaf can be voided.
  function demandSignature(
    BatchHeader calldata header,
    InferenceReceipt calldata receipt,
    InclusionProof calldata proof
  ) external {
    bytes32 receiptHash = _includedAndStanding(header, receipt, proof);
    _within(anchorOf[header.id].committedAt + DEMAND_WINDOW);
    if (signatureDueOf[receiptHash] != 0) revert AlreadyDemanded(receiptHash);
    uint64 dueAt = uint64(block.timestamp) + SIGNATURE_WINDOW;
    signatureDueOf[receiptHash] = dueAt;
    emit SignatureDemanded(receiptHash, header.id, proof.index, dueAt);
  }

  /// @notice Answers a demand, for good. A late answer counts as long as nobody has voided the leaf.
  /// @param signature r, s, v; 65 bytes with low s.
  function showSignature(InferenceReceipt calldata receipt, bytes calldata signature) external {
    if (receipt.keyKind == Receipt.SIMULATED && !simulatedAllowed) revert SimulatedReceiptRefused();
    bytes32 receiptHash = receiptHashOf(receipt);
    uint64 dueAt = signatureDueOf[receiptHash];
    if (dueAt == 0) revert NotDemanded(receiptHash);
    if (dueAt == SHOWN) revert AlreadyShown(receiptHash);
    if (voidReasonOf[receiptHash] != VoidReason.None) revert AlreadyVoid(receiptHash);
    if (!Receipt.isSignedBy(receipt.node, receiptHash, signature)) revert SignatureInvalid(receiptHash);

    signatureDueOf[receiptHash] = SHOWN;
    emit SignatureShown(receiptHash, signature);
  }

  /// @notice Asks for the proof that an anchored receipt promised. Whoever has it, or can make it, has it accepted by the
  /// `ProofLedger` within `PROOF_WINDOW`, or the leaf can be voided. A late proof counts as long as nobody has done so.
  function demandProof(BatchHeader calldata header, InferenceReceipt calldata receipt, InclusionProof calldata proof)
    external
  {
    bytes32 receiptHash = _includedAndStanding(header, receipt, proof);
    if (!Receipt.promisesProof(receipt.mode)) revert NoProofPromised(receiptHash);
    _within(anchorOf[header.id].committedAt + DEMAND_WINDOW);
    if (proofDueOf[receiptHash] != 0) revert AlreadyDemanded(receiptHash);
    if (_isProven(receipt, receiptHash)) revert ProofAlreadyAccepted(receiptHash);
    uint64 dueAt = uint64(block.timestamp) + PROOF_WINDOW;
    proofDueOf[receiptHash] = dueAt;
    emit ProofDemanded(receiptHash, header.id, proof.index, dueAt);
  }

  /// @notice Proves by two signatures that a node contradicted itself, so that whatever leaf either receipt has, now or
  /// later, can be voided. Anybody may call; neither receipt has to be anchored.
  /// @dev Design section 6: one request has one answer, one price and one payment, and `seq` rises by one per key. A
  /// node that cannot remember its last `seq` takes a new key.
  function proveEquivocation(SignedReceipt calldata first, SignedReceipt calldata second)
    external
    returns (Contradiction contradiction)
  {
    bytes32 firstHash = _signed(first);
    bytes32 secondHash = _signed(second);
    contradiction = firstHash == secondHash ? Contradiction.None : _contradictionOf(first.receipt, second.receipt);
    if (contradiction == Contradiction.None) revert NoContradiction(firstHash, secondHash);
    if (contradictedBy[firstHash] != 0 && contradictedBy[secondHash] != 0) revert AlreadyProven(firstHash, secondHash);
    contradictedBy[firstHash] = secondHash;
    contradictedBy[secondHash] = firstHash;
    emit EquivocationProven(first.receipt.node, firstHash, secondHash, contradiction);
  }

  function _signed(SignedReceipt calldata signed) private view returns (bytes32 receiptHash) {
    receiptHash = receiptHashOf(signed.receipt);
    if (!Receipt.isSignedBy(signed.receipt.node, receiptHash, signed.signature)) revert SignatureInvalid(receiptHash);
  }

  /// @dev Of receipts that are not the same one.
  function _contradictionOf(InferenceReceipt calldata a, InferenceReceipt calldata b)
    private
    pure
    returns (Contradiction)
  {
    if (a.node != b.node) return Contradiction.None;
    bool otherAnswer = a.outputHash != b.outputHash || a.price != b.price || a.paymentId != b.paymentId;
    if (a.requestId == b.requestId && otherAnswer) return Contradiction.Request;
    return a.seq == b.seq ? Contradiction.Sequence : Contradiction.None;
  }

  function _includedAndStanding(
    BatchHeader calldata header,
    InferenceReceipt calldata receipt,
    InclusionProof calldata proof
  ) private view returns (bytes32 receiptHash) {
    receiptHash = receiptHashOf(receipt);
    if (!verifyInclusion(header, receiptHash, proof)) revert NotIncluded(header.id, receiptHash);
    if (voidReasonOf[receiptHash] != VoidReason.None) revert AlreadyVoid(receiptHash);
  }

  function _faultOf(InferenceReceipt calldata receipt, bytes32 receiptHash, uint64 anchoredAt)
    private
    view
    returns (VoidReason)
  {
    if (receipt.keyKind == Receipt.SIMULATED && !simulatedAllowed) return VoidReason.SimulatedKey;
    if (anchoredAt > _promisedBy(receipt) + ANCHOR_GRACE) return VoidReason.AnchoredLate;
    Validity validity = teeRegistry.validityAs(receipt.node, receipt.keyKind, receipt.issuedAt);
    if (validity != Validity.Valid) return VoidReason.SignerInvalid;
    if (contradictedBy[receiptHash] != 0) return VoidReason.Equivocation;
    if (_isOverdue(signatureDueOf[receiptHash])) return VoidReason.SignatureMissing;
    if (_isOverdue(proofDueOf[receiptHash]) && !_isProven(receipt, receiptHash)) return VoidReason.ProofMissing;
    return VoidReason.None;
  }

  function _isOverdue(uint64 dueAt) private view returns (bool) {
    return dueAt != 0 && block.timestamp > dueAt;
  }

  function _isProven(InferenceReceipt calldata receipt, bytes32 receiptHash) private view returns (bool) {
    return proofLedger.acceptedAt(address(this), receipt.node, receipt.requestId, receiptHash) != 0;
  }

  /// @dev The earlier of the receipt's own promise and the longest one honoured: without the second bound a stolen,
  /// expired key could sign receipts for its past with a `settleBy` far in the future.
  function _promisedBy(InferenceReceipt calldata receipt) private pure returns (uint256) {
    uint256 longest = uint256(receipt.issuedAt) + SETTLE_WITHIN;
    return receipt.settleBy < longest ? receipt.settleBy : longest;
  }

  function _within(uint64 closesAt) private view {
    if (block.timestamp > closesAt) revert WindowClosed(closesAt);
  }
}

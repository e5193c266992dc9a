// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { Deployed } from "./Deployed.sol";
import { Authorities, Governed } from "./Governed.sol";

/// @notice What a removal is about.
enum EntryKind {
  /// A kind of hardware: `tdx`.
  Hardware,
  /// A product of a kind, both as in the policy document: `sev-snp/Milan`.
  Product,
  /// One machine: chip id, PPID or module id, in lowercase hexadecimal.
  Platform,
  /// A receipt key: its address in lowercase hexadecimal, `0x` included.
  Signer,
  /// A measured image: its measurement in lowercase hexadecimal.
  Measurement
}

/// @notice A policy document that holders have voted into force; times in unix seconds.
/// @param epoch The number the document itself carries, and the epoch it began.
/// @param digest SHA-256 of the document's exact bytes.
/// @param daRef SHA-256 of the signed envelope around it, which is its key in the object store.
/// @param notBefore The document's own first second; it was not adopted before.
/// @param keyKinds Bit k is set if the document admits keys of kind k (design section 6).
struct Policy {
  uint64 epoch;
  uint64 notBefore;
  uint64 adoptedAt;
  bytes32 digest;
  bytes32 daRef;
  uint256 keyKinds;
}

/// @notice A stretch of time in which nothing changed.
/// @param policyEpoch Which document was in force; 0 before the first.
/// @param removalCount How many removals had ever been made; `removals` lists them in order.
struct Epoch {
  uint64 epoch;
  uint64 startedAt;
  uint64 policyEpoch;
  uint64 removalCount;
}

/// @notice Something no policy admits, whatever its document says.
/// @param restoredIn Epoch that took the removal back; 0 while it holds.
struct Removal {
  EntryKind kind;
  uint64 removedIn;
  uint64 removedAt;
  uint64 restoredIn;
  string value;
  string reason;
}

/// @title What hardware is trusted, and since when
/// @notice To trust more takes a vote and a delay; to trust less takes one transaction of a guardian. Documents are
/// signed and kept off chain; here are their digests, what was removed from them, and every epoch there ever was.
/// @dev The timelock alone adopts documents and takes removals back. The guardian alone removes, and can do nothing
/// else. The admin of this contract names guardians, so that a leaked one is replaced without a vote, and can do
/// nothing else either. Appraisal itself is off chain (RFC 9334, section 8.5: appraisal policy for evidence).
contract PolicyRegistry is Governed, Deployed {
  using Checkpoints for Checkpoints.Trace160;

  /// @notice Least delay of the timelock, in seconds, wherever simulated hardware is refused: time to read a proposal
  /// and to leave.
  uint256 public constant DELAY_MIN = 2 days;
  /// @notice A document may skip this many epoch numbers, and no more: enough room for removals while it is voted on,
  /// and the numbers last for ever.
  uint64 public constant EPOCH_STEP_MAX = 1_000_000;
  uint256 public constant VALUE_BYTES_MAX = 160;
  uint256 public constant REASON_BYTES_MAX = 256;

  uint256 private constant HARDWARE_KINDS = 0x1f;
  uint256 private constant SIMULATED_KIND = 1 << 255;

  /// @notice Whether documents may admit simulated hardware: never true for a deployment that settles real money.
  bool public immutable simulatedAllowed;
  /// @notice Executes what holders voted for, and nothing else.
  TimelockController public immutable timelock;

  /// @notice The present epoch; rises with every change. Who has seen an older one must not decide.
  uint64 public epoch;

  mapping(uint64 epoch => Epoch) private epochs;
  mapping(uint64 policyEpoch => Policy) private policies;
  /// @dev Time to epoch. Of two epochs in one second the later one counts.
  Checkpoints.Trace160 private epochByTime;
  Removal[] private removed;
  /// @dev Epoch to number of the removal in force then, counted from 1; 0 for none.
  mapping(EntryKind kind => mapping(bytes32 key => Checkpoints.Trace160)) private removalByEpoch;

  event PolicyAdopted(uint64 indexed epoch, bytes32 indexed digest, bytes32 daRef, uint64 notBefore, uint256 keyKinds);
  event EntryRemoved(uint64 indexed epoch, EntryKind indexed kind, bytes32 indexed key, string value, string reason);
  event EntryRestored(uint64 indexed epoch, EntryKind indexed kind, bytes32 indexed key, string value);

  /// @notice Propose it to the governor; the timelock executes it after the vote.
  error NotTimelock(address caller, address timelock);
  /// @notice The timelock's delay is too short for anything to be added.
  error DelayTooShort(uint256 delay, uint256 least);
  /// @notice Number the document above the present epoch, and leave room for removals until it is executed.
  error EpochNotNewer(uint64 epoch, uint64 proposed);
  error EpochTooFar(uint64 epoch, uint64 proposed);
  /// @notice Execute again from `notBefore` on.
  error PolicyNotYet(uint64 notBefore);
  error DigestMissing();
  error KeyKindsUnknown(uint256 keyKinds);
  error SimulatedHardwareRefused();
  /// @notice 1 to 160 printable ASCII characters without spaces; only products have capitals; a signer is an address.
  error ValueInvalid(EntryKind kind, string value);
  /// @notice Say why, in 1 to 256 bytes.
  error ReasonInvalid();
  error AlreadyRemoved(EntryKind kind, bytes32 key);
  error NotRemoved(EntryKind kind, bytes32 key);
  error EpochUnknown(uint64 epoch);
  error TimeInFuture(uint64 time);

  constructor(bool simulatedAllowed_, TimelockController timelock_, Authorities memory authorities)
    Governed(authorities)
  {
    simulatedAllowed = simulatedAllowed_;
    timelock = timelock_;
    _requireDelay();
    _assign(GUARDIAN_ROLE, authorities.guardian);
  }

  modifier onlyTimelock() {
    if (msg.sender != address(timelock)) revert NotTimelock(msg.sender, address(timelock));
    _requireDelay();
    _;
  }

  // ---------------------------------------------------------------- more trust

  /// @notice Puts a document in force. It begins the epoch it is numbered with.
  /// @param keyKinds Bit k says that the document admits keys of kind k; readers refuse a document that says otherwise.
  function adopt(uint64 newEpoch, bytes32 digest, bytes32 daRef, uint64 notBefore, uint256 keyKinds)
    external
    onlyTimelock
  {
    if (newEpoch <= epoch) revert EpochNotNewer(epoch, newEpoch);
    if (newEpoch - epoch > EPOCH_STEP_MAX) revert EpochTooFar(epoch, newEpoch);
    if (digest == 0 || daRef == 0) revert DigestMissing();
    if (block.timestamp < notBefore) revert PolicyNotYet(notBefore);
    if (keyKinds & SIMULATED_KIND != 0 && !simulatedAllowed) revert SimulatedHardwareRefused();
    if (keyKinds & ~(HARDWARE_KINDS | SIMULATED_KIND) != 0) revert KeyKindsUnknown(keyKinds);

    policies[newEpoch] = Policy({
      epoch: newEpoch,
      notBefore: notBefore,
      adoptedAt: uint64(block.timestamp),
      digest: digest,
      daRef: daRef,
      keyKinds: keyKinds
    });
    _begin(newEpoch, newEpoch);
    emit PolicyAdopted(newEpoch, digest, daRef, notBefore, keyKinds);
  }

  /// @notice Takes a removal back; what it was about is trusted again if the document says so.
  function restore(EntryKind kind, bytes32 key) external onlyTimelock {
    Checkpoints.Trace160 storage trace = removalByEpoch[kind][key];
    uint256 number = trace.latest();
    if (number == 0) revert NotRemoved(kind, key);
    uint64 next = epoch + 1;
    Removal storage removal = removed[number - 1];
    removal.restoredIn = next;
    trace.push(next, 0);
    _begin(next, epochs[epoch].policyEpoch);
    emit EntryRestored(next, kind, key, removal.value);
  }

  // ---------------------------------------------------------------- less trust

  /// @notice Removes hardware, a machine, a key or an image from every policy, at once and until a vote takes it back.
  /// @param value Exactly as it would stand in the document, see `EntryKind`.
  /// @param reason For people; an advisory, a paper, an incident.
  function remove(EntryKind kind, string calldata value, string calldata reason) external onlyRole(GUARDIAN_ROLE) {
    _requireValue(kind, value);
    if (bytes(reason).length == 0 || bytes(reason).length > REASON_BYTES_MAX) revert ReasonInvalid();
    bytes32 key = keyOf(value);
    Checkpoints.Trace160 storage trace = removalByEpoch[kind][key];
    if (trace.latest() != 0) revert AlreadyRemoved(kind, key);

    uint64 next = epoch + 1;
    removed.push(Removal(kind, next, uint64(block.timestamp), 0, value, reason));
    trace.push(next, uint160(removed.length));
    _begin(next, epochs[epoch].policyEpoch);
    emit EntryRemoved(next, kind, key, value, reason);
  }

  // ---------------------------------------------------------------- views

  /// @notice The key of an entry: keccak256 of its value.
  function keyOf(string memory value) public pure returns (bytes32) {
    return keccak256(bytes(value));
  }

  /// @notice Whether an entry is removed now.
  function isRemoved(EntryKind kind, bytes32 key) external view returns (bool) {
    return removalByEpoch[kind][key].latest() != 0;
  }

  /// @notice Whether an entry was removed in an epoch, such as the one a receipt names.
  function wasRemoved(EntryKind kind, bytes32 key, uint64 inEpoch) external view returns (bool) {
    epochOf(inEpoch);
    return removalByEpoch[kind][key].upperLookupRecent(inEpoch) != 0;
  }

  /// @notice What is in force now; all zero before the first document.
  function current() external view returns (Epoch memory inForce, Policy memory policy) {
    inForce = epochs[epoch];
    policy = policies[inForce.policyEpoch];
  }

  /// @notice What was in force at `time` (unix seconds); all zero before the first change.
  function epochAt(uint64 time) external view returns (Epoch memory inForce, Policy memory policy) {
    if (time > block.timestamp) revert TimeInFuture(time);
    // Only epochs were pushed, and they are 64 bits wide.
    // forge-lint: disable-next-line(unsafe-typecast)
    inForce = epochs[uint64(epochByTime.upperLookupRecent(time))];
    policy = policies[inForce.policyEpoch];
  }

  /// @notice An epoch by its number. A document may have skipped numbers: those never were epochs.
  function epochOf(uint64 number) public view returns (Epoch memory found) {
    found = epochs[number];
    if (found.startedAt == 0) revert EpochUnknown(number);
  }

  /// @notice The document in force in an epoch.
  function policyOf(uint64 number) external view returns (Policy memory) {
    return policies[epochOf(number).policyEpoch];
  }

  /// @notice Number of removals ever made, those taken back included.
  function removalCount() external view returns (uint256) {
    return removed.length;
  }

  /// @notice Up to `limit` removals from number `from` on, in the order they were made; empty past the end.
  function removals(uint256 from, uint256 limit) external view returns (Removal[] memory page) {
    uint256 total = removed.length;
    if (from >= total) return page;
    uint256 size = total - from < limit ? total - from : limit;
    page = new Removal[](size);
    for (uint256 i = 0; i < size; ++i) {
      page[i] = removed[from + i];
    }
  }

  // ---------------------------------------------------------------- inside

  function _begin(uint64 number, uint64 policyEpoch) private {
    epoch = number;
    epochs[number] = Epoch(number, uint64(block.timestamp), policyEpoch, uint64(removed.length));
    epochByTime.push(uint96(block.timestamp), number);
  }

  function _requireDelay() private view {
    if (simulatedAllowed) return;
    uint256 delay = timelock.getMinDelay();
    if (delay < DELAY_MIN) revert DelayTooShort(delay, DELAY_MIN);
  }

  /// @dev One spelling per thing, or a removal could miss what it means.
  function _requireValue(EntryKind kind, string calldata value) private pure {
    bytes calldata chars = bytes(value);
    if (chars.length == 0 || chars.length > VALUE_BYTES_MAX) revert ValueInvalid(kind, value);
    bool signer = kind == EntryKind.Signer;
    if (signer && (chars.length != 42 || chars[0] != "0" || chars[1] != "x")) revert ValueInvalid(kind, value);
    for (uint256 i = 0; i < chars.length; ++i) {
      bytes1 c = chars[i];
      if (c < 0x21 || c > 0x7e) revert ValueInvalid(kind, value);
      if (kind != EntryKind.Product && c >= "A" && c <= "Z") revert ValueInvalid(kind, value);
      bool hexadecimal = (c >= "0" && c <= "9") || (c >= "a" && c <= "f");
      if (signer && i > 1 && !hexadecimal) revert ValueInvalid(kind, value);
    }
  }
}

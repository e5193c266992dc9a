// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { Authorities, Governed } from "./Governed.sol";
import { Receipt } from "./libraries/InferenceReceipt.sol";

/// @notice Why a key was, or was not, entitled to sign at a moment.
enum Validity {
  Valid,
  Unknown,
  NotYetValid,
  Expired,
  Retired,
  Compromised,
  WrongKind
}

/// @notice A receipt key and its history; times in unix seconds.
/// @param keyKind 0 node key, 1 Nitro, 2 TDX, 3 SEV-SNP, 4 SGX, 255 simulated.
/// @param retiredAt When the key was retired; 0 while it is not.
/// @param compromisedFrom Meaningful only when `compromised`; may be 0, which condemns the key's whole life.
/// @param reason What the guardian said last when ending or condemning the key; empty if it never did.
struct KeyRecord {
  address operator;
  uint8 keyKind;
  uint64 notBefore;
  uint64 notAfter;
  uint64 retiredAt;
  uint64 compromisedFrom;
  bool compromised;
  bytes32 imageId;
  bytes32 evidenceId;
  string reason;
}

/// @title Which keys may sign inference receipts, and when
/// @notice Append-only: a key is registered once, after its evidence was appraised off chain, and can only lose
/// validity afterwards. What it says about a past moment changes only when a compromise is declared.
/// @dev Trust: the registrar vouches for the appraisal (RFC 9334, section 3: it carries the verifier's result).
contract TeeRegistry is Governed, Deployed {
  uint256 public constant REASON_BYTES_MAX = 256;

  uint8 private constant LAST_HARDWARE_KIND = 4;

  /// @notice Whether simulated keys may be registered: never true for a deployment that settles real money.
  bool public immutable simulatedAllowed;

  mapping(address key => KeyRecord) private records;

  event KeyRegistered(
    address indexed key,
    address indexed operator,
    bytes32 indexed imageId,
    bytes32 evidenceId,
    uint8 keyKind,
    uint64 notBefore,
    uint64 notAfter
  );
  event KeyRetired(address indexed key, uint64 retiredAt);
  event KeyRevoked(address indexed key, uint64 retiredAt, string reason);
  event KeyCompromised(address indexed key, uint64 compromisedFrom, string reason);

  error KeyAlreadyRegistered(address key);
  error KeyUnknown(address key);
  error KeyKindUnknown(uint8 keyKind);
  error SimulatedKeyRefused();
  /// @notice The window is empty, or already over.
  error WindowInvalid(uint64 notBefore, uint64 notAfter);
  error NotRegistrarOrOperator(address caller);
  error AlreadyRetired(address key);
  /// @notice Say why, in 1 to 256 bytes.
  error ReasonInvalid();
  error CompromiseInFuture(uint64 from);
  /// @notice A second declaration may only reach further back.
  error CompromiseNotEarlier(uint64 from, uint64 declared);

  constructor(bool simulatedAllowed_, Authorities memory authorities) Governed(authorities) {
    simulatedAllowed = simulatedAllowed_;
    _assign(REGISTRAR_ROLE, authorities.registrar);
    _assign(GUARDIAN_ROLE, authorities.guardian);
  }

  /// @notice Adds a key whose evidence has been appraised.
  /// @param imageId Digest of the measured image; 0 for a plain node key.
  /// @param evidenceId Digest of the appraised evidence; 0 for a plain node key.
  /// @param notBefore First second the key may sign for.
  /// @param notAfter Last second the key may sign for.
  function registerKey(
    address key,
    address operator,
    uint8 keyKind,
    bytes32 imageId,
    bytes32 evidenceId,
    uint64 notBefore,
    uint64 notAfter
  ) external onlyRole(REGISTRAR_ROLE) {
    if (key == address(0) || operator == address(0)) revert ZeroAddress();
    if (keyKind == Receipt.SIMULATED) {
      if (!simulatedAllowed) revert SimulatedKeyRefused();
    } else if (keyKind > LAST_HARDWARE_KIND) {
      revert KeyKindUnknown(keyKind);
    }
    if (notAfter < notBefore || notAfter < block.timestamp) revert WindowInvalid(notBefore, notAfter);
    KeyRecord storage record = records[key];
    if (record.operator != address(0)) revert KeyAlreadyRegistered(key);

    record.operator = operator;
    record.keyKind = keyKind;
    record.notBefore = notBefore;
    record.notAfter = notAfter;
    record.imageId = imageId;
    record.evidenceId = evidenceId;
    emit KeyRegistered(key, operator, imageId, evidenceId, keyKind, notBefore, notAfter);
  }

  /// @notice Ends a key now; what it signed before stays valid.
  function retireKey(address key) external {
    KeyRecord storage record = _known(key);
    if (msg.sender != record.operator && !hasRole(REGISTRAR_ROLE, msg.sender)) {
      revert NotRegistrarOrOperator(msg.sender);
    }
    emit KeyRetired(key, _retire(key, record));
  }

  /// @notice Ends a key now, for a reason, over its operator's head; what it signed before stays valid.
  function revokeKey(address key, string calldata reason) external onlyRole(GUARDIAN_ROLE) {
    KeyRecord storage record = _known(key);
    _explain(record, reason);
    emit KeyRevoked(key, _retire(key, record), reason);
  }

  /// @notice Condemns everything the key signed at or after `from`, also what is already anchored.
  /// @param from Unix seconds, not in the future; 0 condemns the key's whole life.
  /// @param reason For people; shown beside every receipt of the key.
  function declareCompromised(address key, uint64 from, string calldata reason) external onlyRole(GUARDIAN_ROLE) {
    KeyRecord storage record = _known(key);
    _explain(record, reason);
    if (from > block.timestamp) revert CompromiseInFuture(from);
    if (record.compromised && from >= record.compromisedFrom) {
      revert CompromiseNotEarlier(from, record.compromisedFrom);
    }
    record.compromised = true;
    record.compromisedFrom = from;
    emit KeyCompromised(key, from, reason);
  }

  /// @notice Whether `key` was entitled to sign a receipt issued at `time` (unix seconds).
  function wasValid(address key, uint64 time) external view returns (bool) {
    return validityAt(key, time) == Validity.Valid;
  }

  /// @notice As `wasValid`, with the reason. A compromise outweighs the other reasons.
  function validityAt(address key, uint64 time) public view returns (Validity) {
    KeyRecord storage record = records[key];
    if (record.operator == address(0)) return Validity.Unknown;
    if (record.compromised && time >= record.compromisedFrom) return Validity.Compromised;
    if (time < record.notBefore) return Validity.NotYetValid;
    if (time > record.notAfter) return Validity.Expired;
    if (record.retiredAt != 0 && time >= record.retiredAt) return Validity.Retired;
    return Validity.Valid;
  }

  /// @notice As `validityAt`, for a signature that claims to come from a key of `keyKind`.
  function validityAs(address key, uint8 keyKind, uint64 time) external view returns (Validity validity) {
    validity = validityAt(key, time);
    if (validity == Validity.Valid && records[key].keyKind != keyKind) return Validity.WrongKind;
  }

  /// @notice The whole record; reverts for a key never registered.
  function keyOf(address key) external view returns (KeyRecord memory) {
    return _known(key);
  }

  function _retire(address key, KeyRecord storage record) private returns (uint64 retiredAt) {
    if (record.retiredAt != 0) revert AlreadyRetired(key);
    retiredAt = uint64(block.timestamp);
    record.retiredAt = retiredAt;
  }

  function _explain(KeyRecord storage record, string calldata reason) private {
    if (bytes(reason).length == 0 || bytes(reason).length > REASON_BYTES_MAX) revert ReasonInvalid();
    record.reason = reason;
  }

  function _known(address key) private view returns (KeyRecord storage record) {
    record = records[key];
    if (record.operator == address(0)) revert KeyUnknown(key);
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { Setup, SetupKind, VerificationKey } from "./libraries/VerificationKey.sol";

/// @title Groth16 verification keys anybody may publish
/// @notice Content addressed: the id of a key is the hash of its bytes, trust label included (`VerificationKey`). There
/// is no admin, nothing changes, and nothing is removed. That a key is here says that its points are sound, not that
/// its set-up was: that is what the label claims and the transcript proves.
/// @dev A key is stored as the code of a contract of its own behind a STOP byte (the SSTORE2 pattern of 0xsequence),
/// because reading code costs 3 gas a word where storage costs 2,100 (EIP-2929).
contract VerificationKeyRegistry is Deployed {
  /// @notice Most public signals a key may have: what fits into a contract's 24,576 bytes (EIP-170), rounded down.
  uint256 public constant SIGNALS_MAX = 256;
  /// @notice Fewest contributions that make a ceremony.
  uint16 public constant CONTRIBUTORS_MIN = 3;

  /// @dev PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE (0), RETURN: returns what follows.
  bytes3 private constant COPY_TAIL = 0x80600a;
  bytes4 private constant COPY_END = 0x3d393df3;

  struct Record {
    address store;
    uint16 signalCount;
    uint64 registeredAt;
  }

  /// @notice Whether keys of a one-party set-up may be registered: never true for a deployment that settles real money.
  bool public immutable devKeysAllowed;

  mapping(bytes32 vkId => Record) private records;

  event KeyRegistered(
    bytes32 indexed vkId,
    address indexed publisher,
    SetupKind indexed kind,
    uint16 contributors,
    bytes32 beacon,
    bytes32 transcript,
    uint16 signalCount
  );

  error KeyAlreadyRegistered(bytes32 vkId);
  error KeyUnknown(bytes32 vkId);
  /// @notice Not the canonical bytes of a key with 1 to 256 public signals.
  error KeyMalformed(uint256 length);
  error FormatUnknown(bytes4 format);
  /// @notice A ceremony has three contributions or more, a beacon and a transcript; a development key has none of them.
  error SetupInvalid();
  error DevKeyRefused();
  /// @notice The point at this offset is not on the curve, not in its subgroup, or at infinity; or it is delta and no
  /// other point than gamma or its negative.
  error PointInvalid(uint256 offset);
  error StoreFailed();

  constructor(bool devKeysAllowed_) {
    devKeysAllowed = devKeysAllowed_;
  }

  /// @notice Publishes a key.
  /// @param key Its canonical bytes.
  function register(bytes calldata key) external returns (bytes32 vkId) {
    uint16 signalCount = _signalCount(key);
    vkId = keccak256(key);
    if (records[vkId].store != address(0)) revert KeyAlreadyRegistered(vkId);
    Setup memory setup = _setup(key);
    _requireSetup(setup);
    _requirePoints(key, signalCount);

    records[vkId] = Record(_store(key), signalCount, uint64(block.timestamp));
    emit KeyRegistered(vkId, msg.sender, setup.kind, setup.contributors, setup.beacon, setup.transcript, signalCount);
  }

  /// @notice Where a key's bytes are: the code of `store` from its second byte on.
  function storeOf(bytes32 vkId) external view returns (address store, uint256 signalCount) {
    Record storage record = records[vkId];
    (store, signalCount) = (record.store, record.signalCount);
    if (store == address(0)) revert KeyUnknown(vkId);
  }

  function isRegistered(bytes32 vkId) external view returns (bool) {
    return records[vkId].store != address(0);
  }

  /// @notice When a key was registered (unix seconds); 0 if it is not.
  function registeredAt(bytes32 vkId) external view returns (uint64) {
    return records[vkId].registeredAt;
  }

  /// @notice The canonical bytes of a key; their keccak256 is `vkId`.
  function keyOf(bytes32 vkId) public view returns (bytes memory key) {
    address store = records[vkId].store;
    if (store == address(0)) revert KeyUnknown(vkId);
    key = new bytes(store.code.length - 1);
    assembly ("memory-safe") {
      extcodecopy(store, add(key, 32), 1, mload(key))
    }
  }

  /// @notice The trust label of a key.
  function setupOf(bytes32 vkId) external view returns (Setup memory) {
    return this.parseSetup(keyOf(vkId));
  }

  /// @notice The trust label in a key's bytes, registered or not.
  function parseSetup(bytes calldata key) external pure returns (Setup memory) {
    _signalCount(key);
    return _setup(key);
  }

  // ---------------------------------------------------------------- inside

  function _signalCount(bytes calldata key) private pure returns (uint16) {
    if (key.length < VerificationKey.length(1) || key.length > VerificationKey.length(SIGNALS_MAX)) {
      revert KeyMalformed(key.length);
    }
    if ((key.length - VerificationKey.IC) % 64 != 0) revert KeyMalformed(key.length);
    bytes4 format = bytes4(key[0:4]);
    if (format != VerificationKey.FORMAT) revert FormatUnknown(format);
    // At most SIGNALS_MAX.
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint16((key.length - VerificationKey.IC) / 64 - 1);
  }

  function _setup(bytes calldata key) private pure returns (Setup memory) {
    uint8 kind = uint8(key[4]);
    if (kind > uint8(type(SetupKind).max)) revert SetupInvalid();
    return Setup(SetupKind(kind), uint16(bytes2(key[5:7])), bytes32(key[7:39]), bytes32(key[39:71]));
  }

  function _requireSetup(Setup memory setup) private view {
    if (setup.kind == SetupKind.Dev) {
      if (setup.contributors != 0 || setup.beacon != 0 || setup.transcript != 0) revert SetupInvalid();
      if (!devKeysAllowed) revert DevKeyRefused();
    } else if (setup.contributors < CONTRIBUTORS_MIN || setup.beacon == 0 || setup.transcript == 0) {
      revert SetupInvalid();
    }
  }

  /// @dev A point at infinity in IC would leave its signal bound to nothing, so that one proof would do for any value
  /// of it: the request context, for one. G1 has no other subgroup than itself.
  function _requirePoints(bytes calldata key, uint256 signalCount) private view {
    _requireG1(key, VerificationKey.ALPHA);
    for (uint256 i = 0; i <= signalCount; ++i) {
      _requireG1(key, VerificationKey.IC + 64 * i);
    }
    _requireG2(key, VerificationKey.BETA);
    _requireG2(key, VerificationKey.GAMMA);
    _requireG2(key, VerificationKey.DELTA);
    // Points of one x are each other's negatives. A key to which nobody contributed has delta = gamma, and then C takes
    // the place of the signals: anybody proves everything.
    bytes calldata gamma = key[VerificationKey.GAMMA:VerificationKey.GAMMA + 64];
    bytes calldata delta = key[VerificationKey.DELTA:VerificationKey.DELTA + 64];
    if (keccak256(gamma) == keccak256(delta)) revert PointInvalid(VerificationKey.DELTA);
  }

  /// @dev ECADD fails for coordinates that are not below the modulus and for points off the curve (EIP-196).
  function _requireG1(bytes calldata key, uint256 offset) private view {
    bytes calldata point = key[offset:offset + 64];
    (bool ok,) = address(6).staticcall(bytes.concat(point, bytes32(0), bytes32(0)));
    if (!ok || _isZero(point)) revert PointInvalid(offset);
  }

  /// @dev The pairing fails for points off the twist or outside the subgroup of order r (EIP-197); the first point is
  /// the generator of G1 rather than infinity, so that no client has a reason to look away from the second.
  function _requireG2(bytes calldata key, uint256 offset) private view {
    bytes calldata point = key[offset:offset + 128];
    (bool ok,) = address(8).staticcall(bytes.concat(bytes32(uint256(1)), bytes32(uint256(2)), point));
    if (!ok || _isZero(point)) revert PointInvalid(offset);
  }

  function _isZero(bytes calldata point) private pure returns (bool) {
    for (uint256 i = 0; i < point.length; i += 32) {
      if (bytes32(point[i:i + 32]) != 0) return false;
    }
    return true;
  }

  function _store(bytes calldata key) private returns (address store) {
    // At most VerificationKey.length(SIGNALS_MAX).
    // forge-lint: disable-next-line(unsafe-typecast)
    bytes2 size = bytes2(uint16(key.length + 1));
    bytes memory code = bytes.concat(hex"61", size, COPY_TAIL, COPY_END, hex"00", key);
    assembly ("memory-safe") {
      store := create(0, add(code, 32), mload(code))
    }
    if (store == address(0)) revert StoreFailed();
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { VerificationKeyRegistry } from "./VerificationKeyRegistry.sol";

/// @notice A published version of a model.
/// @param modelHash Digest of the ordered manifest (weights, tokenizer, template, quantisation, engine).
/// @param unitPrice Atomic units of the settlement token per unit of work.
/// @param registeredAt Unix seconds.
/// @param retiredAt Unix seconds; 0 while the model is served.
/// @param circuit Id of the verification key that proofs of this model verify under; 0 if it cannot be proven.
struct Model {
  string name;
  string version;
  bytes32 modelHash;
  uint128 unitPrice;
  uint64 registeredAt;
  uint64 retiredAt;
  bytes32 circuit;
}

/// @title Models anybody may publish
/// @notice The first publisher of a name owns it and sets the prices of its versions. There is no admin.
/// @dev A version is immutable: another manifest is another modelHash, hence another version. A modelHash belongs to
/// whoever registers it first, so publish before announcing.
contract ModelRegistry is Deployed {
  uint256 public constant NAME_BYTES_MAX = 64;
  uint256 public constant VERSION_BYTES_MAX = 32;

  struct Record {
    bytes32 nameHash;
    uint128 unitPrice;
    uint64 registeredAt;
    uint64 retiredAt;
    string version;
  }

  struct Name {
    address owner;
    address pendingOwner;
    string name;
  }

  /// @notice Where a circuit's key has to be before a model is bound to it.
  VerificationKeyRegistry public immutable keys;

  /// @notice Id of the verification key a model is bound to, for ever; 0 if it is bound to none.
  mapping(bytes32 modelHash => bytes32 vkId) public circuitOf;

  bytes32[] private hashes;
  mapping(bytes32 modelHash => Record) private records;
  mapping(bytes32 nameHash => Name) private names;
  mapping(bytes32 nameHash => mapping(bytes32 versionHash => bytes32 modelHash)) private versions;

  event ModelRegistered(
    bytes32 indexed modelHash, address indexed owner, string name, string version, uint128 unitPrice
  );
  event PriceSet(bytes32 indexed modelHash, uint128 unitPrice);
  event ModelRetired(bytes32 indexed modelHash, uint64 retiredAt);
  event CircuitBound(bytes32 indexed modelHash, bytes32 indexed vkId);
  event NameTransferStarted(bytes32 indexed nameHash, address indexed from, address indexed to, string name);
  event NameTransferred(bytes32 indexed nameHash, address indexed from, address indexed to, string name);

  /// @notice Names are 1 to 64, versions 1 to 32 of the characters a-z 0-9 . _ - /
  error TextInvalid(string text);
  error ModelHashZero();
  error NotNameOwner(address caller, address owner);
  error NotPendingOwner(address caller, address pendingOwner);
  error ModelHashTaken(bytes32 modelHash);
  error VersionTaken(string name, string version);
  error ModelUnknown(bytes32 modelHash);
  error AlreadyRetired(bytes32 modelHash);
  error NameUnknown(string name);
  /// @notice Another circuit is another version of the model.
  error CircuitAlreadyBound(bytes32 modelHash, bytes32 vkId);
  /// @notice Register the verification key first.
  error VerificationKeyUnknown(bytes32 vkId);

  constructor(VerificationKeyRegistry keys_) {
    keys = keys_;
  }

  /// @notice Publishes a version, and takes the name if it is free.
  function register(string calldata name, string calldata version, bytes32 modelHash, uint128 unitPrice) external {
    _requireText(name, NAME_BYTES_MAX);
    _requireText(version, VERSION_BYTES_MAX);
    if (modelHash == 0) revert ModelHashZero();
    if (records[modelHash].registeredAt != 0) revert ModelHashTaken(modelHash);
    bytes32 nameHash = keccak256(bytes(name));
    bytes32 versionHash = keccak256(bytes(version));
    if (versions[nameHash][versionHash] != 0) revert VersionTaken(name, version);
    _own(nameHash, name);

    versions[nameHash][versionHash] = modelHash;
    records[modelHash] = Record(nameHash, unitPrice, uint64(block.timestamp), 0, version);
    hashes.push(modelHash);
    emit ModelRegistered(modelHash, msg.sender, name, version, unitPrice);
  }

  /// @notice Changes what new offers cost; offers already signed keep their price.
  function setPrice(bytes32 modelHash, uint128 unitPrice) external {
    Record storage record = _served(modelHash);
    record.unitPrice = unitPrice;
    emit PriceSet(modelHash, unitPrice);
  }

  /// @notice Says under which verification key proofs of a version verify. Once, and never again: a proof made for the
  /// model that was bought must not depend on what its publisher thinks later.
  /// @dev That the circuit is this model's is the publisher's claim, which anybody checks by compiling it again; what its
  /// set-up is worth is in the key's label.
  function bindCircuit(bytes32 modelHash, bytes32 vkId) external {
    _served(modelHash);
    bytes32 bound = circuitOf[modelHash];
    if (bound != 0) revert CircuitAlreadyBound(modelHash, bound);
    if (!keys.isRegistered(vkId)) revert VerificationKeyUnknown(vkId);
    circuitOf[modelHash] = vkId;
    emit CircuitBound(modelHash, vkId);
  }

  /// @notice Takes a version out of service, for ever.
  function retire(bytes32 modelHash) external {
    Record storage record = _served(modelHash);
    uint64 retiredAt = uint64(block.timestamp);
    record.retiredAt = retiredAt;
    emit ModelRetired(modelHash, retiredAt);
  }

  /// @notice Offers a name to somebody, who has to accept; offering it to zero withdraws the offer.
  function transferName(string calldata name, address to) external {
    bytes32 nameHash = keccak256(bytes(name));
    Name storage owned = names[nameHash];
    if (msg.sender != owned.owner) revert NotNameOwner(msg.sender, owned.owner);
    owned.pendingOwner = to;
    emit NameTransferStarted(nameHash, msg.sender, to, name);
  }

  function acceptName(string calldata name) external {
    bytes32 nameHash = keccak256(bytes(name));
    Name storage owned = names[nameHash];
    if (msg.sender != owned.pendingOwner) revert NotPendingOwner(msg.sender, owned.pendingOwner);
    address from = owned.owner;
    owned.owner = msg.sender;
    owned.pendingOwner = address(0);
    emit NameTransferred(nameHash, from, msg.sender, name);
  }

  /// @notice Whether a model was in service at `time` (unix seconds).
  function wasValid(bytes32 modelHash, uint64 time) external view returns (bool) {
    Record storage record = records[modelHash];
    if (record.registeredAt == 0 || time < record.registeredAt) return false;
    return record.retiredAt == 0 || time < record.retiredAt;
  }

  /// @notice Number of versions ever published, retired ones included.
  function count() external view returns (uint256) {
    return hashes.length;
  }

  /// @notice The version published as number `index`, from 0.
  function modelAt(uint256 index) external view returns (Model memory) {
    return _model(hashes[index]);
  }

  /// @notice Up to `limit` versions from number `from` on; empty past the end.
  function list(uint256 from, uint256 limit) external view returns (Model[] memory models) {
    uint256 total = hashes.length;
    if (from >= total) return models;
    uint256 size = total - from < limit ? total - from : limit;
    models = new Model[](size);
    for (uint256 i = 0; i < size; ++i) {
      models[i] = _model(hashes[from + i]);
    }
  }

  function modelOf(bytes32 modelHash) external view returns (Model memory) {
    if (records[modelHash].registeredAt == 0) revert ModelUnknown(modelHash);
    return _model(modelHash);
  }

  /// @notice The modelHash of a name's version; zero if there is none.
  function modelHashOf(string calldata name, string calldata version) external view returns (bytes32) {
    return versions[keccak256(bytes(name))][keccak256(bytes(version))];
  }

  function ownerOf(string calldata name) external view returns (address owner, address pendingOwner) {
    Name storage owned = names[keccak256(bytes(name))];
    if (owned.owner == address(0)) revert NameUnknown(name);
    return (owned.owner, owned.pendingOwner);
  }

  function _own(bytes32 nameHash, string calldata name) private {
    Name storage owned = names[nameHash];
    if (owned.owner == address(0)) {
      owned.owner = msg.sender;
      owned.name = name;
    } else if (owned.owner != msg.sender) {
      revert NotNameOwner(msg.sender, owned.owner);
    }
  }

  /// @dev A record the caller may change.
  function _served(bytes32 modelHash) private view returns (Record storage record) {
    record = records[modelHash];
    if (record.registeredAt == 0) revert ModelUnknown(modelHash);
    address owner = names[record.nameHash].owner;
    if (msg.sender != owner) revert NotNameOwner(msg.sender, owner);
    if (record.retiredAt != 0) revert AlreadyRetired(modelHash);
  }

  function _model(bytes32 modelHash) private view returns (Model memory) {
    Record storage record = records[modelHash];
    return Model({
      name: names[record.nameHash].name,
      version: record.version,
      modelHash: modelHash,
      unitPrice: record.unitPrice,
      registeredAt: record.registeredAt,
      retiredAt: record.retiredAt,
      circuit: circuitOf[modelHash]
    });
  }

  /// @dev One spelling per name: no case, no spaces, nothing that looks like something else.
  function _requireText(string calldata text, uint256 bytesMax) private pure {
    bytes calldata chars = bytes(text);
    if (chars.length == 0 || chars.length > bytesMax) revert TextInvalid(text);
    for (uint256 i = 0; i < chars.length; ++i) {
      bytes1 c = chars[i];
      bool letter = c >= "a" && c <= "z";
      bool digitOrPunctuation = (c >= "-" && c <= "9") || c == "_"; // - . / 0-9
      if (!letter && !digitOrPunctuation) revert TextInvalid(text);
    }
  }
}

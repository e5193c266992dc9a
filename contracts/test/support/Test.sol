// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

struct Log {
  bytes32[] topics;
  bytes data;
  address emitter;
}

struct Gas {
  uint64 gasLimit;
  uint64 gasTotalUsed;
  uint64 gasMemoryUsed;
  int64 gasRefunded;
  uint64 gasRemaining;
}

struct FuzzSelector {
  address addr;
  bytes4[] selectors;
}

/// @notice The cheat codes these tests call (https://getfoundry.sh/reference/cheatcodes/overview); forge-std on npm is
/// years behind.
interface Vm {
  function prank(address sender) external;
  function startPrank(address sender) external;
  function stopPrank() external;
  function warp(uint256 timestamp) external;
  function chainId(uint256 id) external;
  function etch(address target, bytes calldata code) external;
  function getCode(string calldata artifact) external view returns (bytes memory);
  function label(address account, string calldata name) external;
  function replace(string calldata text, string calldata from, string calldata to) external pure returns (string memory);
  function parseBytes(string calldata text) external pure returns (bytes memory);
  function toString(address value) external pure returns (string memory);
  function toString(bytes calldata value) external pure returns (string memory);
  function setNonce(address account, uint64 nonce) external;
  function deal(address account, uint256 balance) external;
  function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
  function addr(uint256 key) external pure returns (address);
  function assume(bool condition) external pure;
  function expectRevert(bytes calldata data) external;
  function expectRevert(bytes4 selector) external;
  function expectPartialRevert(bytes4 selector) external;
  function expectEmit(address emitter) external;
  function snapshotState() external returns (uint256 id);
  function revertToState(uint256 id) external returns (bool);
  function recordLogs() external;
  function getRecordedLogs() external returns (Log[] memory);
  function lastCallGas() external view returns (Gas memory);
  function cool(address target) external;
  function readFile(string calldata path) external view returns (string memory);
  function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
  function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
  function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
  function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
  function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
  function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
  function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
  function toString(uint256 value) external pure returns (string memory);
  function assertEq(uint256 left, uint256 right, string calldata claim) external pure;
  function assertEq(address left, address right, string calldata claim) external pure;
  function assertEq(bytes32 left, bytes32 right, string calldata claim) external pure;
  function assertEq(bytes calldata left, bytes calldata right, string calldata claim) external pure;
  function assertEq(string calldata left, string calldata right, string calldata claim) external pure;
  function assertEq(bool left, bool right, string calldata claim) external pure;
  function assertGe(uint256 left, uint256 right, string calldata claim) external pure;
  function assertLe(uint256 left, uint256 right, string calldata claim) external pure;
  function assertLt(uint256 left, uint256 right, string calldata claim) external pure;
  function assertTrue(bool condition, string calldata claim) external pure;
  function assertFalse(bool condition, string calldata claim) external pure;
}

abstract contract Test {
  Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

  function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
    return low + value % (high - low + 1);
  }

  function printLine(string memory text) internal view {
    (bool ok,) = 0x000000000000000000636F6e736F6c652e6c6f67.staticcall(abi.encodeWithSignature("log(string)", text));
    ok;
  }
}

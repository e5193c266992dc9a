// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Test } from "./Test.sol";

/// @notice Proofs of anything, by the secrets of the key `four` in vectors/zk/groth16-v1.json: with them no witness is
/// needed (Groth 2016, section 3.2, the simulator). B never changes, because there is no precompile to multiply in G2.
abstract contract ToyProver is Test {
  uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

  uint256 private alpha;
  uint256 private beta;
  uint256 private gamma;
  uint256 private delta;
  uint256 private b;
  uint256[5] private ic;
  bytes private pointB;
  /// @dev The same points under two labels.
  bytes internal devKey;
  bytes internal ceremonyKey;

  function _loadToyKey() internal {
    string memory json = vm.readFile("../vectors/zk/groth16-v1.json");
    alpha = uint256(vm.parseJsonBytes32(json, ".points[0].secrets.alpha"));
    beta = uint256(vm.parseJsonBytes32(json, ".points[0].secrets.beta"));
    gamma = uint256(vm.parseJsonBytes32(json, ".points[0].secrets.gamma"));
    delta = uint256(vm.parseJsonBytes32(json, ".points[0].secrets.delta"));
    b = uint256(vm.parseJsonBytes32(json, ".points[0].secrets.b"));
    for (uint256 i = 0; i < 5; ++i) {
      ic[i] = uint256(vm.parseJsonBytes32(json, string.concat(".points[0].secrets.ic[", vm.toString(i), "]")));
    }
    pointB = vm.parseJsonBytes(json, ".points[0].b2");
    devKey = vm.parseJsonBytes(json, ".keys[0].bytes");
    ceremonyKey = vm.parseJsonBytes(json, ".keys[1].bytes");
  }

  /// @dev Another `a` gives another proof of the same statement.
  function _prove(uint256[] memory signals, uint256 a) internal view returns (bytes memory) {
    uint256 x = ic[0];
    for (uint256 i = 0; i < signals.length; ++i) {
      x = addmod(x, mulmod(signals[i], ic[i + 1], R), R);
    }
    uint256 right = addmod(mulmod(alpha, beta, R), mulmod(x, gamma, R), R);
    uint256 left = mulmod(a, b, R);
    uint256 c = mulmod(addmod(left, R - right, R), _inverse(delta), R);
    return bytes.concat(_g1(a), pointB, _g1(c));
  }

  function _prove(uint256[4] memory signals, uint256 a) internal view returns (uint256[] memory list, bytes memory) {
    list = new uint256[](4);
    for (uint256 i = 0; i < 4; ++i) {
      list[i] = signals[i];
    }
    return (list, _prove(list, a));
  }

  function _g1(uint256 scalar) private view returns (bytes memory point) {
    bool ok;
    (ok, point) = address(7).staticcall(abi.encode(uint256(1), uint256(2), scalar));
    vm.assertTrue(ok && point.length == 64, "ECMUL");
  }

  /// @dev Fermat.
  function _inverse(uint256 value) private view returns (uint256) {
    (bool ok, bytes memory result) =
      address(5).staticcall(abi.encode(uint256(32), uint256(32), uint256(32), value, R - 2, R));
    vm.assertTrue(ok, "MODEXP");
    return abi.decode(result, (uint256));
  }
}

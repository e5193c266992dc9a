// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { VerificationKeyRegistry } from "../src/VerificationKeyRegistry.sol";
import { Setup, SetupKind, VerificationKey } from "../src/libraries/VerificationKey.sol";
import { Shipped } from "./support/Shipped.sol";
import { ToyProver } from "./support/ToyProver.sol";

contract VerificationKeyRegistryTest is Shipped, ToyProver {
  address private constant PUBLISHER = address(0x9B);
  uint64 private constant NOW = 1_795_000_000;

  VerificationKeyRegistry private keys;
  string private json;

  function setUp() public {
    vm.warp(NOW);
    keys = _newVerificationKeyRegistry(false);
    _loadToyKey();
    json = vm.readFile("../vectors/zk/groth16-v1.json");
  }

  function test_anybody_publishes_a_key_and_its_id_is_the_hash_of_its_bytes() public {
    bytes32 expected = vm.parseJsonBytes32(json, ".keys[1].vkId");
    vm.expectEmit(address(keys));
    emit VerificationKeyRegistry.KeyRegistered(
      expected, PUBLISHER, SetupKind.Ceremony, 5, keccak256("beacon"), keccak256("transcript"), 4
    );
    vm.prank(PUBLISHER);
    vm.assertEq(keys.register(ceremonyKey), expected, "id");
    vm.assertEq(keccak256(ceremonyKey), expected, "hash");
    vm.assertTrue(keys.isRegistered(expected), "registered");
    vm.assertEq(keys.registeredAt(expected), NOW, "when");
    vm.assertEq(keys.keyOf(expected), ceremonyKey, "bytes");
    (address store, uint256 signalCount) = keys.storeOf(expected);
    vm.assertEq(signalCount, 4, "signals");
    vm.assertEq(store.code, bytes.concat(hex"00", ceremonyKey), "code that stops at once");
  }

  function test_the_trust_label_is_in_the_id() public {
    keys = _newVerificationKeyRegistry(true);
    bytes32 dev = keys.register(devKey);
    bytes32 ceremony = keys.register(ceremonyKey);
    vm.assertTrue(dev != ceremony, "the same points, another label, another id");
    vm.assertEq(dev, vm.parseJsonBytes32(json, ".keys[0].vkId"), "dev");
    vm.assertTrue(keys.setupOf(dev).kind == SetupKind.Dev, "dev");
    Setup memory setup = keys.setupOf(ceremony);
    vm.assertTrue(setup.kind == SetupKind.Ceremony, "ceremony");
    vm.assertEq(setup.contributors, 5, "contributors");
    vm.assertEq(setup.beacon, keccak256("beacon"), "beacon");
    vm.assertEq(setup.transcript, keccak256("transcript"), "transcript");
  }

  function test_refuses_development_keys_unless_deployed_for_them() public {
    vm.expectRevert(VerificationKeyRegistry.DevKeyRefused.selector);
    keys.register(devKey);
    _newVerificationKeyRegistry(true).register(devKey);
  }

  function test_a_label_is_whole_or_refused() public {
    keys = _newVerificationKeyRegistry(true);
    // A development key that claims contributors, a beacon or a transcript.
    _expectSetupInvalid(devKey, 6);
    _expectSetupInvalid(devKey, 38);
    _expectSetupInvalid(devKey, 70);
    // A ceremony of two, without a beacon, without a transcript.
    bytes memory key = ceremonyKey;
    key[6] = 0x02;
    vm.expectRevert(VerificationKeyRegistry.SetupInvalid.selector);
    keys.register(key);
    _expectCeremonyInvalid(7);
    _expectCeremonyInvalid(39);
    // Neither of the two kinds.
    key = ceremonyKey;
    key[4] = 0x02;
    vm.expectRevert(VerificationKeyRegistry.SetupInvalid.selector);
    keys.register(key);
    key[4] = 0x01;
    (key[5], key[6]) = (0x01, 0x00);
    vm.assertEq(keys.setupOf(keys.register(key)).contributors, 256, "two bytes of contributors");
  }

  function test_refuses_every_refused_key_of_the_vectors() public {
    uint256 count;
    for (; vm.keyExistsJson(json, _at(".refusedKeys", count)); ++count) {
      bytes memory key = vm.parseJsonBytes(json, string.concat(_at(".refusedKeys", count), ".bytes"));
      vm.expectPartialRevert(VerificationKeyRegistry.PointInvalid.selector);
      keys.register{ gas: 10_000_000 }(key);
    }
    vm.assertEq(count, 12, "refused keys");
  }

  function test_refuses_a_key_to_which_nobody_contributed() public {
    bytes memory key = ceremonyKey;
    for (uint256 i = 0; i < 128; ++i) {
      key[VerificationKey.DELTA + i] = key[VerificationKey.GAMMA + i];
    }
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.PointInvalid.selector, VerificationKey.DELTA));
    keys.register(key);
    // The negative of gamma: y is p less what it was.
    uint256 p = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    for (uint256 at = VerificationKey.DELTA + 64; at < VerificationKey.DELTA + 128; at += 32) {
      assembly ("memory-safe") {
        let word := add(add(key, 32), at)
        mstore(word, sub(p, mload(word)))
      }
    }
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.PointInvalid.selector, VerificationKey.DELTA));
    keys.register(key);
  }

  function test_says_which_point_is_wrong() public {
    uint256[4] memory offsets =
      [VerificationKey.ALPHA, VerificationKey.BETA, VerificationKey.IC, VerificationKey.IC + 256];
    for (uint256 i = 0; i < 4; ++i) {
      bytes memory key = vm.parseJsonBytes(json, ".keys[1].bytes");
      key[offsets[i] + 31] ^= 0x01;
      vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.PointInvalid.selector, offsets[i]));
      keys.register{ gas: 10_000_000 }(key);
    }
  }

  function testFuzz_refuses_any_flipped_bit_of_a_point(uint256 bit) public {
    bytes memory key = ceremonyKey;
    bit = bound(bit, 8 * VerificationKey.HEADER_BYTES, 8 * key.length - 1);
    key[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    vm.expectPartialRevert(VerificationKeyRegistry.PointInvalid.selector);
    keys.register{ gas: 10_000_000 }(key);
  }

  function test_a_key_is_registered_once() public {
    bytes32 vkId = keys.register(ceremonyKey);
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.KeyAlreadyRegistered.selector, vkId));
    keys.register(ceremonyKey);
  }

  function test_refuses_bytes_of_another_length_or_format() public {
    bytes memory key = ceremonyKey;
    uint256[4] memory lengths = [uint256(0), key.length - 1, key.length - 64 * 4, key.length + 64 * 253];
    for (uint256 i = 0; i < 4; ++i) {
      bytes memory other = new bytes(lengths[i]);
      vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.KeyMalformed.selector, lengths[i]));
      keys.register(other);
    }
    key[0] ^= 0x01;
    vm.expectRevert(abi.encodeWithSelector(VerificationKeyRegistry.FormatUnknown.selector, bytes4(0xe49adc70)));
    keys.register(key);
  }

  function test_takes_1_to_256_signals() public {
    bytes memory one = vm.parseJsonBytes(json, ".keys[2].bytes");
    (, uint256 signalCount) = keys.storeOf(keys.register(one));
    vm.assertEq(signalCount, 1, "one");
    bytes memory key = one;
    bytes memory point = new bytes(64);
    for (uint256 i = 0; i < 64; ++i) {
      point[i] = one[VerificationKey.IC + i];
    }
    bytes memory points;
    for (uint256 i = 0; i < 255; ++i) {
      points = bytes.concat(points, point);
    }
    key = bytes.concat(one, points);
    bytes32 vkId = keys.register(key);
    (, signalCount) = keys.storeOf(vkId);
    vm.assertEq(signalCount, 256, "256");
    vm.assertEq(keys.keyOf(vkId), key, "bytes");
  }

  function test_registers_nothing_when_the_bytes_cannot_be_stored() public {
    // A contract with this nonce creates nothing any more (EIP-2681).
    vm.setNonce(address(keys), type(uint64).max);
    vm.expectRevert(VerificationKeyRegistry.StoreFailed.selector);
    keys.register(ceremonyKey);
    vm.assertFalse(keys.isRegistered(keccak256(ceremonyKey)), "nothing");
  }

  function test_says_so_when_a_key_is_not_known() public {
    bytes memory refusal = abi.encodeWithSelector(VerificationKeyRegistry.KeyUnknown.selector, bytes32(uint256(1)));
    vm.expectRevert(refusal);
    keys.storeOf(bytes32(uint256(1)));
    vm.expectRevert(refusal);
    keys.keyOf(bytes32(uint256(1)));
    vm.expectRevert(refusal);
    keys.setupOf(bytes32(uint256(1)));
    vm.assertFalse(keys.isRegistered(bytes32(uint256(1))), "not registered");
    vm.assertEq(keys.registeredAt(bytes32(uint256(1))), 0, "never");
  }

  function _expectSetupInvalid(bytes memory original, uint256 at) private {
    bytes memory key = bytes.concat(original);
    key[at] ^= 0x01;
    vm.expectRevert(VerificationKeyRegistry.SetupInvalid.selector);
    keys.register(key);
  }

  function _expectCeremonyInvalid(uint256 from) private {
    bytes memory key = bytes.concat(ceremonyKey);
    for (uint256 i = 0; i < 32; ++i) {
      key[from + i] = 0;
    }
    vm.expectRevert(VerificationKeyRegistry.SetupInvalid.selector);
    keys.register(key);
  }

  function _at(string memory path, uint256 index) private pure returns (string memory) {
    return string.concat(path, "[", vm.toString(index), "]");
  }
}

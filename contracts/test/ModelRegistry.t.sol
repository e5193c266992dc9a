// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Model, ModelRegistry } from "../src/ModelRegistry.sol";
import { Fixture } from "./support/Fixture.sol";
import { ToyProver } from "./support/ToyProver.sol";

contract ModelRegistryTest is Fixture, ToyProver {
  bytes32 private constant HASH = keccak256("manifest 1");
  bytes32 private constant NEXT = keccak256("manifest 2");

  function test_anybody_publishes_and_the_first_owns_the_name() public {
    vm.expectEmit(address(models));
    emit ModelRegistry.ModelRegistered(HASH, PUBLISHER, "acme/digits-2.1_b", "1.0.0", 250);
    _register("acme/digits-2.1_b", "1.0.0", HASH);
    (address owner, address pending) = models.ownerOf("acme/digits-2.1_b");
    vm.assertEq(owner, PUBLISHER, "owner");
    vm.assertEq(pending, address(0), "pending");
    vm.assertEq(models.modelHashOf("acme/digits-2.1_b", "1.0.0"), HASH, "hash");

    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotNameOwner.selector, STRANGER, PUBLISHER));
    vm.prank(STRANGER);
    models.register("acme/digits-2.1_b", "1.0.1", NEXT, 1);
    _register("acme/digits-2.1_b", "1.0.1", NEXT);
  }

  function test_reads_back_what_was_published_one_by_one_and_in_pages() public {
    vm.assertEq(models.list(0, 10).length, 0, "empty");
    _register("digits", "1", HASH);
    vm.warp(NOW + 5);
    _register("digits", "2", NEXT);
    vm.assertEq(models.count(), 2, "count");
    Model memory model = models.modelAt(1);
    vm.assertEq(model.name, "digits", "name");
    vm.assertEq(model.version, "2", "version");
    vm.assertEq(model.modelHash, NEXT, "hash");
    vm.assertEq(model.unitPrice, 250, "price");
    vm.assertEq(model.registeredAt, NOW + 5, "registeredAt");
    vm.assertEq(model.retiredAt, 0, "retiredAt");
    vm.assertEq(models.modelOf(HASH).version, "1", "by hash");
    vm.assertEq(models.list(0, 10).length, 2, "whole page");
    vm.assertEq(models.list(0, 1)[0].version, "1", "first page");
    vm.assertEq(models.list(1, type(uint256).max)[0].version, "2", "second page");
    vm.assertEq(models.list(2, 1).length, 0, "past the end");
  }

  function test_a_hash_and_a_version_are_taken_once() public {
    _register("digits", "1", HASH);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelHashTaken.selector, HASH));
    _register("digits", "2", HASH);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelHashTaken.selector, HASH));
    vm.prank(STRANGER);
    models.register("other", "1", HASH, 1);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.VersionTaken.selector, "digits", "1"));
    _register("digits", "1", NEXT);
    vm.expectRevert(ModelRegistry.ModelHashZero.selector);
    _register("digits", "2", 0);
  }

  function test_names_have_one_spelling() public {
    string[10] memory wrong =
      ["", "Digits", "dig its", unicode"dïgits", "digits\n", "digits:1", "a+b", "digits{", "`", "dig,its"];
    for (uint256 i = 0; i < wrong.length; ++i) {
      vm.expectRevert(abi.encodeWithSelector(ModelRegistry.TextInvalid.selector, wrong[i]));
      _register(wrong[i], "1", HASH);
      vm.expectRevert(abi.encodeWithSelector(ModelRegistry.TextInvalid.selector, wrong[i]));
      _register("digits", wrong[i], HASH);
    }
    string memory name64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    string memory version32 = "0123456789abcdef0123456789abcdef";
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.TextInvalid.selector, string.concat(name64, "0")));
    _register(string.concat(name64, "0"), "1", HASH);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.TextInvalid.selector, string.concat(version32, "0")));
    _register("digits", string.concat(version32, "0"), HASH);
    _register(name64, version32, HASH);
    _register("abcdefghijklmnopqrstuvwxyz0123456789-._/", "z.y-x_w/0", NEXT);
  }

  function test_the_owner_sets_prices_and_retires() public {
    _register("digits", "1", HASH);
    vm.expectEmit(address(models));
    emit ModelRegistry.PriceSet(HASH, 9);
    vm.prank(PUBLISHER);
    models.setPrice(HASH, 9);
    vm.assertEq(models.modelOf(HASH).unitPrice, 9, "price");

    vm.assertFalse(models.wasValid(HASH, NOW - 1), "before");
    vm.assertTrue(models.wasValid(HASH, NOW), "from");
    vm.warp(NOW + 10);
    vm.expectEmit(address(models));
    emit ModelRegistry.ModelRetired(HASH, NOW + 10);
    vm.prank(PUBLISHER);
    models.retire(HASH);
    vm.assertTrue(models.wasValid(HASH, NOW + 9), "until");
    vm.assertFalse(models.wasValid(HASH, NOW + 10), "after");
    vm.assertFalse(models.wasValid(NEXT, NOW), "unknown");

    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRetired.selector, HASH));
    vm.prank(PUBLISHER);
    models.retire(HASH);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRetired.selector, HASH));
    vm.prank(PUBLISHER);
    models.setPrice(HASH, 1);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelHashTaken.selector, HASH));
    _register("digits", "2", HASH);
  }

  function test_the_owner_binds_a_version_to_a_registered_circuit_once() public {
    _register("digits", "1", HASH);
    vm.assertEq(models.circuitOf(HASH), 0, "none");
    (bytes32 vkId, bytes32 other) = _registerKeys();
    vm.expectEmit(address(models));
    emit ModelRegistry.CircuitBound(HASH, vkId);
    vm.prank(PUBLISHER);
    models.bindCircuit(HASH, vkId);
    vm.assertEq(models.circuitOf(HASH), vkId, "bound");
    vm.assertEq(models.modelOf(HASH).circuit, vkId, "in the record");
    bytes32[2] memory again = [vkId, other];
    for (uint256 i = 0; i < 2; ++i) {
      vm.expectRevert(abi.encodeWithSelector(ModelRegistry.CircuitAlreadyBound.selector, HASH, vkId));
      vm.prank(PUBLISHER);
      models.bindCircuit(HASH, again[i]);
    }
    // Another circuit is another version.
    _register("digits", "2", NEXT);
    vm.prank(PUBLISHER);
    models.bindCircuit(NEXT, other);
    vm.assertEq(models.circuitOf(HASH), vkId, "unmoved");
  }

  function test_a_circuit_is_bound_by_the_owner_of_a_served_version_to_a_known_key() public {
    _register("digits", "1", HASH);
    (bytes32 vkId,) = _registerKeys();
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotNameOwner.selector, STRANGER, PUBLISHER));
    vm.prank(STRANGER);
    models.bindCircuit(HASH, vkId);
    vm.startPrank(PUBLISHER);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelUnknown.selector, NEXT));
    models.bindCircuit(NEXT, vkId);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.VerificationKeyUnknown.selector, bytes32(0)));
    models.bindCircuit(HASH, 0);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.VerificationKeyUnknown.selector, keccak256(devKey)));
    models.bindCircuit(HASH, keccak256(devKey));
    models.retire(HASH);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRetired.selector, HASH));
    models.bindCircuit(HASH, vkId);
  }

  function test_a_retired_version_keeps_its_circuit() public {
    _register("digits", "1", HASH);
    (bytes32 vkId,) = _registerKeys();
    vm.startPrank(PUBLISHER);
    models.bindCircuit(HASH, vkId);
    models.retire(HASH);
    vm.assertEq(models.circuitOf(HASH), vkId, "kept");
  }

  function test_others_neither_set_prices_nor_retire() public {
    _register("digits", "1", HASH);
    bytes memory refusal = abi.encodeWithSelector(ModelRegistry.NotNameOwner.selector, STRANGER, PUBLISHER);
    vm.startPrank(STRANGER);
    vm.expectRevert(refusal);
    models.setPrice(HASH, 1);
    vm.expectRevert(refusal);
    models.retire(HASH);
    vm.expectRevert(refusal);
    models.transferName("digits", STRANGER);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotPendingOwner.selector, STRANGER, address(0)));
    models.acceptName("digits");
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelUnknown.selector, NEXT));
    models.setPrice(NEXT, 1);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ModelUnknown.selector, NEXT));
    models.modelOf(NEXT);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NameUnknown.selector, "nobody"));
    models.ownerOf("nobody");
  }

  function test_a_name_changes_hands_in_two_steps_with_its_models() public {
    _register("digits", "1", HASH);
    vm.expectEmit(address(models));
    emit ModelRegistry.NameTransferStarted(keccak256("digits"), PUBLISHER, STRANGER, "digits");
    vm.prank(PUBLISHER);
    models.transferName("digits", STRANGER);
    (address owner, address pending) = models.ownerOf("digits");
    vm.assertEq(owner, PUBLISHER, "still the owner");
    vm.assertEq(pending, STRANGER, "offered");

    vm.expectEmit(address(models));
    emit ModelRegistry.NameTransferred(keccak256("digits"), PUBLISHER, STRANGER, "digits");
    vm.prank(STRANGER);
    models.acceptName("digits");
    vm.prank(STRANGER);
    models.setPrice(HASH, 3);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotNameOwner.selector, PUBLISHER, STRANGER));
    vm.prank(PUBLISHER);
    models.setPrice(HASH, 4);
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotPendingOwner.selector, STRANGER, address(0)));
    vm.prank(STRANGER);
    models.acceptName("digits");
  }

  function test_an_offer_of_a_name_can_be_withdrawn() public {
    _register("digits", "1", HASH);
    vm.prank(PUBLISHER);
    models.transferName("digits", STRANGER);
    vm.prank(PUBLISHER);
    models.transferName("digits", address(0));
    vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotPendingOwner.selector, STRANGER, address(0)));
    vm.prank(STRANGER);
    models.acceptName("digits");
  }

  function _registerKeys() private returns (bytes32 four, bytes32 one) {
    _loadToyKey();
    four = keys.register(ceremonyKey);
    one = keys.register(vm.parseJsonBytes(vm.readFile("../vectors/zk/groth16-v1.json"), ".keys[2].bytes"));
  }

  function _register(string memory name, string memory version, bytes32 modelHash) private {
    vm.prank(PUBLISHER);
    models.register(name, version, modelHash, 250);
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Outcome, PaymentBatcher } from "../src/PaymentBatcher.sol";
import { Authorization, RevenueVault } from "../src/RevenueVault.sol";
import { Fixture } from "./support/Fixture.sol";
import { HostileToken } from "./support/HostileToken.sol";
import { Log } from "./support/Test.sol";
import { BurningWallet } from "./support/Wallets.sol";

contract PaymentBatcherTest is Fixture {
  function test_one_bad_payment_does_not_stop_the_others() public {
    Authorization[] memory items = _items(5);
    items[1].value += 1;
    vault.collect(address(usdc), items[3]);
    bytes32 rejected = vault.paymentIdOf(address(usdc), payer, items[1].nonce);
    vm.expectEmit(address(batcher));
    emit PaymentBatcher.PaymentRejected(
      rejected, payer, abi.encodeWithSignature("Error(string)", "FiatTokenV2: invalid signature")
    );
    vm.prank(STRANGER);
    Outcome[] memory outcomes = batcher.settle(address(usdc), items);
    _expectOutcomes(
      outcomes, [Outcome.Collected, Outcome.Rejected, Outcome.Collected, Outcome.AlreadyCredited, Outcome.Collected]
    );
    vm.assertEq(usdc.balanceOf(address(vault)), 4000, "four of five");
  }

  function test_a_front_run_payment_is_rejected_alone_with_the_words_of_the_token() public {
    Authorization[] memory items = _items(2);
    _submitStraightToToken(items[0]);
    vm.recordLogs();
    Outcome[] memory outcomes = batcher.settle(address(usdc), items);
    vm.assertTrue(outcomes[0] == Outcome.Rejected && outcomes[1] == Outcome.Collected, "outcomes");
    Log memory first = _rejections()[0];
    vm.assertEq(first.topics[1], vault.paymentIdOf(address(usdc), payer, items[0].nonce), "paymentId");
    bytes memory reason = abi.encodeWithSignature("Error(string)", "FiatTokenV2: authorization is used or canceled");
    vm.assertEq(first.data, abi.encode(reason), "reason");
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), items[0]);
    vm.assertEq(vault.owedOf(address(usdc)), 2000, "both credited");
  }

  function test_takes_1_to_200_items() public {
    vm.expectRevert(abi.encodeWithSelector(PaymentBatcher.ItemCountInvalid.selector, 0));
    batcher.settle(address(usdc), new Authorization[](0));
    vm.expectRevert(abi.encodeWithSelector(PaymentBatcher.ItemCountInvalid.selector, 201));
    batcher.settle(address(usdc), new Authorization[](201));
    Outcome[] memory outcomes = batcher.settle(address(usdc), _items(200));
    for (uint256 i = 0; i < 200; ++i) {
      vm.assertTrue(outcomes[i] == Outcome.Collected, "collected");
    }
    vm.assertEq(usdc.balanceOf(address(vault)), 200_000, "all");
  }

  /// @dev The trap: with whatever gas, a good payment is either collected or the transaction reverts.
  function test_too_little_gas_reverts_and_never_looks_like_a_refusal() public {
    Authorization[] memory items = _items(3);
    uint256 served;
    uint256 reverted;
    for (uint256 gas = 30_000; gas < 800_000; gas += 1231) {
      uint256 snapshot = vm.snapshotState();
      try batcher.settle{ gas: gas }(address(usdc), items) returns (Outcome[] memory outcomes) {
        for (uint256 i = 0; i < 3; ++i) {
          vm.assertTrue(outcomes[i] == Outcome.Collected, "a good payment was called bad");
        }
        ++served;
      } catch (bytes memory reason) {
        vm.assertTrue(reason.length == 0 || bytes4(reason) == PaymentBatcher.GasTooLow.selector, "another revert");
        ++reverted;
      }
      vm.revertToState(snapshot);
    }
    vm.assertTrue(served > 100 && reverted > 100, "both happened");
  }

  function test_says_at_which_item_the_gas_ran_short() public {
    Authorization[] memory items = _items(3);
    try batcher.settle{ gas: 400_000 }(address(usdc), items) {
      vm.assertTrue(false, "400,000 is not enough for three");
    } catch (bytes memory reason) {
      vm.assertEq(bytes32(bytes4(reason)), bytes32(PaymentBatcher.GasTooLow.selector), "selector");
      (uint256 index,, uint256 required) = abi.decode(_tail(reason), (uint256, uint256, uint256));
      vm.assertTrue(index == 1 || index == 2, "after the first");
      vm.assertEq(required, batcher.ITEM_GAS_REQUIRED(), "required");
    }
  }

  function test_a_wallet_that_burns_gas_burns_its_own_item_only() public {
    address wallet = address(new BurningWallet());
    _mint(wallet, 1000);
    Authorization[] memory items = _items(3);
    items[1] = Authorization(wallet, 1000, 0, NOW + 1, "burn", hex"00");
    uint256 before = gasleft();
    Outcome[] memory outcomes = batcher.settle(address(usdc), items);
    uint256 used = before - gasleft();
    vm.assertTrue(
      outcomes[0] == Outcome.Collected && outcomes[1] == Outcome.Rejected && outcomes[2] == Outcome.Collected,
      "outcomes"
    );
    vm.assertLt(used, 3 * batcher.ITEM_GAS_REQUIRED(), "bounded");
  }

  function test_a_long_reason_is_cut() public {
    HostileToken token = new HostileToken();
    Authorization[] memory items = new Authorization[](1);
    items[0] = Authorization(STRANGER, 1, 0, NOW + 1, "n", hex"00");
    vm.recordLogs();
    batcher.settle(address(token), items);
    bytes memory reason = abi.decode(_rejections()[0].data, (bytes));
    vm.assertEq(reason.length, 256, "cut");
  }

  function test_a_short_and_an_empty_reason_are_kept() public {
    Authorization[] memory items = new Authorization[](2);
    items[0] = _authorize(PAYER_KEY, 0, "zero");
    items[1] = _authorize(PAYER_KEY, 1, "n");
    vm.recordLogs();
    batcher.settle(STRANGER, items);
    Log[] memory logs = _rejections();
    bytes memory zero = abi.decode(logs[0].data, (bytes));
    vm.assertEq(zero, abi.encodeWithSelector(RevenueVault.AmountZero.selector), "a selector");
    // A token without code: the call itself fails.
    vm.assertEq(abi.decode(logs[1].data, (bytes)).length, 0, "nothing");
  }

  function _items(uint256 count) private view returns (Authorization[] memory items) {
    items = new Authorization[](count);
    for (uint256 i = 0; i < count; ++i) {
      items[i] = _authorize(PAYER_KEY, 1000, bytes32(i + 1));
    }
  }

  /// @dev Recorded logs include those of calls that were reverted, hence the filter.
  function _rejections() private returns (Log[] memory rejections) {
    Log[] memory logs = vm.getRecordedLogs();
    rejections = new Log[](logs.length);
    uint256 count;
    for (uint256 i = 0; i < logs.length; ++i) {
      if (logs[i].emitter == address(batcher)) rejections[count++] = logs[i];
    }
  }

  function _expectOutcomes(Outcome[] memory outcomes, Outcome[5] memory expected) private pure {
    vm.assertEq(outcomes.length, 5, "length");
    for (uint256 i = 0; i < 5; ++i) {
      vm.assertEq(uint256(outcomes[i]), uint256(expected[i]), "outcome");
    }
  }

  function _tail(bytes memory data) private pure returns (bytes memory tail) {
    tail = new bytes(data.length - 4);
    for (uint256 i = 0; i < tail.length; ++i) {
      tail[i] = data[i + 4];
    }
  }
}

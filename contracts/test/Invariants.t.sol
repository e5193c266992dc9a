// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { PaymentState, PayoutRoot, RevenueVault } from "../src/RevenueVault.sol";
import { SettlementLog } from "../src/SettlementLog.sol";
import { UsdcDouble } from "../src/local/UsdcDouble.sol";
import { Handler } from "./support/Handler.sol";
import { FuzzSelector, Test } from "./support/Test.sol";

/// @notice What holds of vault, log and ledger of proofs after any sequence of calls.
contract InvariantsTest is Test {
  Handler private handler;
  RevenueVault private vault;
  SettlementLog private log;
  UsdcDouble private usdc;

  function setUp() public {
    handler = new Handler();
    handler.setUp();
    (vault, log, usdc) = (handler.theVault(), handler.theLog(), handler.token());
  }

  function targetContracts() external view returns (address[] memory targets) {
    targets = new address[](1);
    targets[0] = address(handler);
  }

  function targetSelectors() external view returns (FuzzSelector[] memory targets) {
    bytes4[] memory selectors = new bytes4[](24);
    // Collecting and claiming come twice: most of the rest needs them.
    selectors[0] = Handler.collect.selector;
    selectors[1] = Handler.collect.selector;
    selectors[2] = Handler.collectAgain.selector;
    selectors[3] = Handler.frontRun.selector;
    selectors[4] = Handler.creditDirect.selector;
    selectors[5] = Handler.donate.selector;
    selectors[6] = Handler.creditRevenue.selector;
    selectors[7] = Handler.anchor.selector;
    selectors[8] = Handler.commitStale.selector;
    selectors[9] = Handler.voidLeaf.selector;
    selectors[10] = Handler.demandSignature.selector;
    selectors[11] = Handler.showSignature.selector;
    selectors[12] = Handler.refund.selector;
    selectors[13] = Handler.refundBySettler.selector;
    selectors[14] = Handler.postRoot.selector;
    selectors[15] = Handler.revokeRoot.selector;
    selectors[16] = Handler.claimActive.selector;
    selectors[17] = Handler.wait.selector;
    selectors[18] = Handler.promiseAll.selector;
    selectors[19] = Handler.retryDeferred.selector;
    selectors[20] = Handler.claim.selector;
    selectors[21] = Handler.demandProof.selector;
    selectors[22] = Handler.prove.selector;
    selectors[23] = Handler.contradict.selector;
    targets = new FuzzSelector[](1);
    targets[0] = FuzzSelector(address(handler), selectors);
  }

  function invariant_vault_and_log_stay_sound_whatever_happens() public view {
    _expectTheBooksOfAnOnlooker();
    _expectSolvency();
    _expectEachPaymentCreditedOnceAndRefundedAtMostOnce();
    _expectTheLogToGrowOnlyAndItsTotalsToAddUp();
    vm.assertEq(handler.lostProofs(), 0, "a proof stays accepted");
    vm.assertEq(handler.broken(), "", "something happened that must not");
  }

  /// @dev Invariants over paths nobody takes prove nothing: a long walk with a fixed seed has to take them all.
  function test_a_long_walk_takes_every_path_and_breaks_nothing() public {
    bytes4[] memory selectors = this.targetSelectors()[0].selectors;
    for (uint256 i = 0; i < 2500; ++i) {
      uint256 dice = uint256(keccak256(abi.encode("walk", i)));
      bytes memory step = abi.encodePacked(
        selectors[dice % selectors.length], keccak256(abi.encode(dice, 1)), keccak256(abi.encode(dice, 2))
      );
      (bool ok,) = address(handler).call(step);
      vm.assertTrue(ok, "the handler itself never fails");
      if (i % 50 == 0) invariant_vault_and_log_stay_sound_whatever_happens();
    }
    invariant_vault_and_log_stay_sound_whatever_happens();
    string[21] memory paths = [
      "refund",
      "refundDeferred",
      "refundAfterDeferral",
      "rootOutranked",
      "refundBySettler",
      "claimActive",
      "postRoot",
      "revokeRoot",
      "voidLeaf",
      "demandSignature",
      "showSignature",
      "creditDirect",
      "creditRevenue",
      "collectAgain",
      "commitStale",
      "demandProof",
      "prove",
      "proveAll",
      "contradict",
      "voidForProof",
      "voidForEquivocation"
    ];
    for (uint256 i = 0; i < paths.length; ++i) {
      _expectDone(paths[i]);
    }
  }

  function _expectDone(string memory path) private view {
    // forge-lint: disable-next-line(unsafe-typecast)
    uint256 times = handler.done(bytes32(bytes(path)));
    printLine(string.concat(path, ": ", vm.toString(times)));
    vm.assertGe(times, 2, path);
  }

  function _expectTheBooksOfAnOnlooker() private view {
    (uint128 credited, uint128 refunded,, uint128 paid) = vault.ledgerOf(address(usdc));
    vm.assertEq(credited, handler.creditedSum(), "credited");
    vm.assertEq(refunded, handler.refundedSum(), "refunded");
    vm.assertEq(paid, handler.paidSum(), "paid");
    vm.assertEq(
      usdc.balanceOf(address(vault)),
      handler.arrivedSum() - handler.refundedSum() - handler.paidSum(),
      "balance: what came, less what went"
    );
  }

  function _expectSolvency() private view {
    (uint128 credited, uint128 refunded, uint128 deferred, uint128 paid) = vault.ledgerOf(address(usdc));
    uint256 balance = usdc.balanceOf(address(vault));
    PayoutRoot memory active = vault.activeRootOf(address(usdc));
    vm.assertGe(balance, uint256(credited) - refunded - paid, "balance covers credited - refunded - paid");
    vm.assertLe(paid, active.cumulativeTotal, "paid within the promise");
    vm.assertLe(active.cumulativeTotal, uint256(credited) - refunded, "the promise is covered");
    vm.assertGe(balance, uint256(active.cumulativeTotal) - paid, "what is promised and unpaid is there");
    PayoutRoot memory pending = vault.pendingRootOf(address(usdc));
    vm.assertLe(
      pending.cumulativeTotal, uint256(credited) - refunded - deferred, "a pending root leaves refunds their money"
    );
  }

  function _expectEachPaymentCreditedOnceAndRefundedAtMostOnce() private view {
    (, uint128 refunded, uint128 deferred,) = vault.ledgerOf(address(usdc));
    uint256 waiting;
    uint256 back;
    for (uint256 i = 0; i < handler.paymentCount(); ++i) {
      (uint128 amount, bool credited, uint256 refunds, PaymentState state) = handler.paymentAt(i);
      vm.assertEq(state != PaymentState.None, credited, "credited as the onlooker saw");
      vm.assertEq(refunds, state == PaymentState.Refunded ? 1 : 0, "refunded once, if at all");
      if (state == PaymentState.RefundDeferred) waiting += amount;
      if (state == PaymentState.Refunded) back += amount;
    }
    vm.assertEq(waiting, deferred, "deferred is the sum of those that wait");
    vm.assertEq(back, refunded, "refunded is the sum of those that went back");
  }

  function _expectTheLogToGrowOnlyAndItsTotalsToAddUp() private view {
    uint256 count = handler.headerCount();
    vm.assertEq(log.batchCount(), count, "every commit counted");
    for (uint256 i = 0; i < count; ++i) {
      vm.assertEq(log.headerOf(uint64(i + 1)), handler.headers(i), "no header changes");
    }
    vm.assertEq(log.tip(), count == 0 ? bytes32(0) : handler.headers(count - 1), "tip");
    vm.assertEq(log.anchoredTotal(address(usdc)), handler.anchoredSum(), "anchored, less voided");
  }
}

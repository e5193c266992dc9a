// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Authorization, PaymentKey, PaymentState, PayoutRoot, RevenueVault } from "../src/RevenueVault.sol";
import { InferenceReceipt } from "../src/libraries/InferenceReceipt.sol";
import { InclusionProof } from "../src/libraries/MerkleSum.sol";
import { Fixture } from "./support/Fixture.sol";
import { HostileToken } from "./support/HostileToken.sol";
import { OneKeyWallet } from "./support/Wallets.sol";

contract RevenueVaultTest is Fixture {
  // ---------------------------------------------------------------- collect

  function test_collects_and_credits_a_payment_whoever_calls() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    bytes32 paymentId = keccak256(abi.encode("haca/payment/1", CHAIN_ID, "exact", address(usdc), payer, bytes32("n")));
    vm.expectEmit(address(vault));
    emit RevenueVault.PaymentCredited(paymentId, payer, address(usdc), 1000);
    vm.prank(STRANGER);
    vm.assertEq(vault.collect(address(usdc), a), paymentId, "id");

    vm.assertEq(usdc.balanceOf(address(vault)), 1000, "balance");
    (uint128 amount, uint64 creditedAt, PaymentState state) = vault.creditOf(paymentId);
    vm.assertEq(amount, 1000, "amount");
    vm.assertEq(creditedAt, NOW, "creditedAt");
    vm.assertTrue(state == PaymentState.Credited, "state");
    _expectLedger(1000, 0, 0, 0);
  }

  function test_credits_a_payment_once() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    bytes32 paymentId = vault.collect(address(usdc), a);
    bytes memory refusal = abi.encodeWithSelector(RevenueVault.AlreadyCredited.selector, paymentId);
    vm.expectRevert(refusal);
    vault.collect(address(usdc), a);
    Authorization memory more = _authorize(PAYER_KEY, 2000, "n");
    vm.expectRevert(refusal);
    vault.collect(address(usdc), more);
    _expectLedger(1000, 0, 0, 0);
  }

  function test_passes_on_the_reason_for_which_the_token_refuses() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    a.value = 999;
    vm.expectRevert("FiatTokenV2: invalid signature");
    vault.collect(address(usdc), a);
    a = _authorize(PAYER_KEY, 1000, "n");
    vm.warp(a.validBefore);
    vm.expectRevert("FiatTokenV2: authorization is expired");
    vault.collect(address(usdc), a);
    a = _authorize(0xDEAD, 1000, "n");
    vm.expectRevert("ERC20: transfer amount exceeds balance");
    vault.collect(address(usdc), a);
    _expectLedger(0, 0, 0, 0);
  }

  function test_refuses_an_authorisation_to_somebody_else() public {
    Authorization memory a = _authorizeTo(STRANGER, PAYER_KEY, 1000, "n");
    vm.expectRevert("FiatTokenV2: invalid signature");
    vault.collect(address(usdc), a);
  }

  function test_refuses_nothing_and_more_than_a_uint128() public {
    Authorization memory a = _authorize(PAYER_KEY, 0, "n");
    vm.expectRevert(RevenueVault.AmountZero.selector);
    vault.collect(address(usdc), a);
    a.value = 1 << 128;
    vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, a.value));
    vault.collect(address(usdc), a);
  }

  function test_collects_from_a_contract_wallet() public {
    address wallet = address(new OneKeyWallet(payer));
    _mint(wallet, 5000);
    bytes32 digest = _authorizationDigest(wallet, address(vault), 1000, 0, NOW + 1, "n");
    bytes memory signature = bytes.concat(hex"01", _sign(PAYER_KEY, digest));
    vault.collect(address(usdc), Authorization(wallet, 1000, 0, NOW + 1, "n", signature));
    vm.assertEq(usdc.balanceOf(address(vault)), 1000, "balance");
  }

  function test_a_token_that_delivers_less_is_not_credited() public {
    HostileToken token = new HostileToken();
    Authorization memory a = Authorization(STRANGER, 1000, 0, NOW + 1, "n", new bytes(65));
    token.setFee(1);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.Underpaid.selector, 999, 1000));
    vault.collect(address(token), a);
    token.setFee(0);
    vault.collect(address(token), a);
  }

  function test_a_token_cannot_come_back_in_while_it_is_called() public {
    HostileToken token = new HostileToken();
    token.callBackWith(Authorization(STRANGER, 1, 0, NOW + 1, "m", new bytes(65)));
    vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    vault.collect(address(token), Authorization(STRANGER, 1000, 0, NOW + 1, "n", new bytes(65)));
  }

  // ---------------------------------------------------------------- creditDirect

  function test_a_front_run_payment_is_credited_after_all() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    _submitStraightToToken(a);
    vm.expectRevert("FiatTokenV2: authorization is used or canceled");
    vault.collect(address(usdc), a);
    bytes32 paymentId = vault.paymentIdOf(address(usdc), payer, "n");
    vm.expectEmit(address(vault));
    emit RevenueVault.PaymentCredited(paymentId, payer, address(usdc), 1000);
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), a);
    _expectLedger(1000, 0, 0, 0);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.SurplusTooSmall.selector, 0, 1000));
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), a);
    _mint(address(vault), 1000);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.AlreadyCredited.selector, paymentId));
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), a);
  }

  function test_a_front_run_payment_of_a_contract_wallet_is_credited_after_all() public {
    address wallet = address(new OneKeyWallet(payer));
    _mint(wallet, 5000);
    bytes32 digest = _authorizationDigest(wallet, address(vault), 1000, 0, NOW + 1, "n");
    bytes memory signature = bytes.concat(hex"01", _sign(PAYER_KEY, digest));
    Authorization memory a = Authorization(wallet, 1000, 0, NOW + 1, "n", signature);
    _submitStraightToToken(a);
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), a);
    _expectLedger(1000, 0, 0, 0);
  }

  function test_only_the_settler_credits_directly() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    _submitStraightToToken(a);
    _expectSettlerOnly();
    vault.creditDirect(address(usdc), a);
  }

  function test_refuses_to_credit_what_was_never_used_or_never_signed_or_is_not_there() public {
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    bytes32 paymentId = vault.paymentIdOf(address(usdc), payer, "n");
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.SurplusTooSmall.selector, 0, 1000));
    vault.creditDirect(address(usdc), a);
    vm.stopPrank();

    _mint(address(vault), 2000);
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.AuthorizationUnused.selector, paymentId));
    vault.creditDirect(address(usdc), a);
    _submitStraightToToken(a);
    a.value = 1500;
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.AuthorizationInvalid.selector, paymentId));
    vault.creditDirect(address(usdc), a);
    Authorization memory elsewhere = _authorizeTo(STRANGER, PAYER_KEY, 1000, "n");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.AuthorizationInvalid.selector, paymentId));
    vault.creditDirect(address(usdc), elsewhere);
  }

  function test_money_that_is_credited_cannot_be_credited_again_to_others() public {
    _collect(1000, "first");
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    usdc.cancelAuthorization(payer, "n", _sign(PAYER_KEY, _cancelDigest("n")));
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.SurplusTooSmall.selector, 0, 1000));
    vm.prank(SETTLER);
    vault.creditDirect(address(usdc), a);
  }

  function test_channel_revenue_is_credited_up_to_what_came() public {
    _collect(1000, "n");
    _mint(address(vault), 500);
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.SurplusTooSmall.selector, 500, 501));
    vault.creditRevenue(address(usdc), 501);
    vm.expectRevert(RevenueVault.AmountZero.selector);
    vault.creditRevenue(address(usdc), 0);
    vm.expectEmit(address(vault));
    emit RevenueVault.RevenueCredited(address(usdc), 500);
    vault.creditRevenue(address(usdc), 500);
    vm.stopPrank();
    _expectLedger(1500, 0, 0, 0);
    _expectSettlerOnly();
    vault.creditRevenue(address(usdc), 1);
  }

  // ---------------------------------------------------------------- refund

  function test_refunds_a_payment_for_which_nothing_was_collected() public {
    bytes32 paymentId = _collect(1000, "n");
    Anchored memory batch = _anchorOne(_receipt("n", 1000), 0);
    uint256 before = usdc.balanceOf(payer);
    vm.expectEmit(address(vault));
    emit RevenueVault.PaymentRefunded(paymentId, payer, address(usdc), 1000);
    vm.prank(STRANGER);
    vm.assertTrue(_refund(batch, "n"), "paid");
    vm.assertEq(usdc.balanceOf(payer), before + 1000, "back with the payer");
    _expectState(paymentId, PaymentState.Refunded);
    _expectLedger(1000, 1000, 0, 0);
  }

  function test_refunds_a_voided_leaf_and_not_a_standing_one() public {
    _collect(1000, "n");
    Anchored memory batch = _anchorOne(_receipt("n", 1000), 1000);
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.LeafNotVoid.selector, receiptHash));
    _refund(batch, "n");
    vm.prank(GUARDIAN);
    registry.declareCompromised(node, NOW, "leaked");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.LeafNotVoid.selector, receiptHash));
    _refund(batch, "n");
    log.voidLeaf(batch.header, batch.receipts[0], _proof(batch, 0));
    vm.assertTrue(_refund(batch, "n"), "paid");
  }

  function test_refunds_once_by_whatever_way() public {
    bytes32 paymentId = _collect(1000, "n");
    Anchored memory batch = _anchorOne(_receipt("n", 1000), 0);
    _refund(batch, "n");
    _mint(address(vault), 1000);
    bytes memory refusal = abi.encodeWithSelector(RevenueVault.AlreadyRefunded.selector, paymentId);
    vm.expectRevert(refusal);
    _refund(batch, "n");
    vm.expectRevert(refusal);
    _refundBySettler("n");
    Authorization memory a = _authorize(PAYER_KEY, 1000, "n");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.AlreadyCredited.selector, paymentId));
    vault.collect(address(usdc), a);
  }

  function test_refuses_a_refund_of_what_was_never_credited() public {
    Anchored memory batch = _anchorOne(_receipt("n", 1000), 0);
    bytes32 paymentId = vault.paymentIdOf(address(usdc), payer, "n");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NotCredited.selector, paymentId));
    _refund(batch, "n");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NotCredited.selector, paymentId));
    _refundBySettler("n");
  }

  function test_refuses_the_void_leaf_of_another_payment() public {
    bytes32 paymentId = _collect(1000, "n");
    Anchored memory batch = _anchorOne(_receipt("other", 1000), 0);
    bytes32 other = vault.paymentIdOf(address(usdc), payer, "other");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ReceiptOfOtherPayment.selector, paymentId, other));
    _refund(batch, "n");
  }

  function test_refuses_a_leaf_that_is_not_in_the_log() public {
    _collect(1000, "n");
    Anchored memory batch = _anchorOne(_receipt("n", 1000), 1000);
    InclusionProof memory proof = _proof(batch, 0);
    proof.collected = 0;
    bytes32 receiptHash = log.receiptHashOf(batch.receipts[0]);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NotIncluded.selector, 1, receiptHash));
    vault.refund(_key("n"), batch.header, batch.receipts[0], proof);
  }

  function test_the_settler_returns_payments_to_their_payers_only() public {
    _collect(1000, "a");
    _collect(2000, "b");
    uint256 before = usdc.balanceOf(payer);
    PaymentKey[] memory keys = new PaymentKey[](2);
    (keys[0], keys[1]) = (_key("a"), _key("b"));
    vm.prank(SETTLER);
    vault.refundBySettler(keys);
    vm.assertEq(usdc.balanceOf(payer), before + 3000, "both back");

    bytes32 paymentId = _collect(1, "c");
    keys[0] = PaymentKey(address(usdc), STRANGER, "c");
    bytes32 wrong = vault.paymentIdOf(address(usdc), STRANGER, "c");
    vm.assertTrue(wrong != paymentId, "another payer is another payment");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NotCredited.selector, wrong));
    vm.prank(SETTLER);
    vault.refundBySettler(keys);
    _expectSettlerOnly();
    vault.refundBySettler(keys);
  }

  // ---------------------------------------------------------------- refunds against promises

  function test_a_refund_revokes_a_pending_root_it_would_leave_uncovered() public {
    Anchored memory batch = _paidAndAnchored();
    bytes32 root = _postRoot(PUBLISHER, 2000);
    _voidAll(batch);
    vm.expectEmit(address(vault));
    emit RevenueVault.RootRevoked(address(usdc), root, 2000);
    vm.assertTrue(vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0)), "paid");
    vm.assertEq(vault.pendingRootOf(address(usdc)).root, 0, "revoked");
    vm.warp(NOW + 2 days);
    vm.assertEq(vault.activeRootOf(address(usdc)).root, 0, "for good");
  }

  function test_a_refund_leaves_a_pending_root_that_stays_covered() public {
    Anchored memory batch = _paidAndAnchored();
    bytes32 root = _postRoot(PUBLISHER, 1000);
    _voidAll(batch);
    vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0));
    vm.assertEq(vault.pendingRootOf(address(usdc)).root, root, "kept");
  }

  function test_a_refund_proven_after_the_payout_waits_for_money_nobody_promised() public {
    Anchored memory batch = _paidAndAnchored();
    _postRoot(PUBLISHER, 2000);
    vm.warp(NOW + ROOT_DELAY);
    vault.claim(PUBLISHER, address(usdc), 2000, new bytes32[](0));
    vm.assertEq(usdc.balanceOf(address(vault)), 0, "paid out");

    _voidAll(batch);
    bytes32 paymentId = vault.paymentIdOf(address(usdc), payer, "a");
    vm.expectEmit(address(vault));
    emit RevenueVault.RefundDeferred(paymentId, payer, address(usdc), 1000);
    vm.assertFalse(vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0)), "deferred");
    _expectState(paymentId, PaymentState.RefundDeferred);
    _expectLedger(2000, 0, 1000, 2000);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.RefundUnfunded.selector, 0, 1000));
    vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0));

    // New revenue goes to the waiting refund before any new promise.
    _collect(1500, "c");
    _anchorOne(_receipt("c", 1500), 1500);
    vm.assertEq(vault.payoutCapOf(address(usdc)), 1500, "the log still counts only 1500 as earned");
    uint256 before = usdc.balanceOf(payer);
    vm.assertTrue(vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0)), "paid at last");
    vm.assertEq(usdc.balanceOf(payer), before + 1000, "back");
    _expectLedger(3500, 1000, 0, 2000);
    _expectState(paymentId, PaymentState.Refunded);
  }

  function test_no_root_may_promise_what_a_deferred_refund_waits_for() public {
    Anchored memory batch = _paidAndAnchored();
    _postRoot(PUBLISHER, 2000);
    vm.warp(NOW + ROOT_DELAY);
    _voidAll(batch);
    vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0));
    // 2000 promised, 1000 owed back: of 5000 more, 4000 may be promised on top.
    _collect(5000, "c");
    _anchorOne(_receipt("c", 5000), 5000);
    Authorization memory big = _authorize(PAYER_KEY, 10_000, "log only");
    _anchorOne(_receipt("log only", 10_000), uint128(big.value));
    bytes32 root = _payoutLeaf(PUBLISHER, 6001);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.TotalAboveCollected.selector, 6000, 6001));
    vm.prank(SETTLER);
    vault.postRoot(address(usdc), root, 6001);
    _postRoot(PUBLISHER, 6000);
  }

  function test_a_deferral_revokes_the_root_that_waits() public {
    Anchored memory batch = _paidAndAnchored();
    _postRoot(PUBLISHER, 1500);
    vm.warp(NOW + ROOT_DELAY);
    _postRoot(PUBLISHER, 2000);
    _voidAll(batch);
    // 2000 credited, 1500 promised: 500 free for a refund of 1000.
    vm.assertFalse(vault.refund(_key("a"), batch.header, batch.receipts[0], _proof(batch, 0)), "deferred");
    vm.assertEq(vault.pendingRootOf(address(usdc)).root, 0, "revoked");
    vm.assertEq(vault.activeRootOf(address(usdc)).cumulativeTotal, 1500, "the promise stands");
  }

  // ---------------------------------------------------------------- roots

  function test_a_root_serves_claims_after_its_delay() public {
    _paidAndAnchored();
    bytes32 root = _payoutLeaf(PUBLISHER, 1500);
    vm.expectEmit(address(vault));
    emit RevenueVault.RootPosted(address(usdc), root, 1500, NOW + ROOT_DELAY);
    _postRoot(PUBLISHER, 1500);
    vm.warp(NOW + ROOT_DELAY - 1);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NoActiveRoot.selector, address(usdc)));
    vault.claim(PUBLISHER, address(usdc), 1500, new bytes32[](0));
    vm.assertEq(vault.pendingRootOf(address(usdc)).root, root, "pending");
    vm.warp(NOW + ROOT_DELAY);
    vm.assertEq(vault.pendingRootOf(address(usdc)).root, 0, "not pending");
    vm.expectEmit(address(vault));
    emit RevenueVault.Claimed(address(usdc), PUBLISHER, 1500, 1500);
    vm.prank(STRANGER);
    vm.assertEq(vault.claim(PUBLISHER, address(usdc), 1500, new bytes32[](0)), 1500, "paid");
    vm.assertEq(usdc.balanceOf(PUBLISHER), 1500, "with the publisher");
    _expectLedger(2000, 0, 0, 1500);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NothingToClaim.selector, 1500, 1500));
    vault.claim(PUBLISHER, address(usdc), 1500, new bytes32[](0));
  }

  function test_the_old_root_serves_until_the_new_one_is_active_and_pays_the_difference() public {
    _paidAndAnchored();
    _postRoot(PUBLISHER, 500);
    vm.warp(NOW + ROOT_DELAY);
    _postRoot(PUBLISHER, 2000);
    vault.claim(PUBLISHER, address(usdc), 500, new bytes32[](0));
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ClaimInvalid.selector, PUBLISHER, 2000));
    vault.claim(PUBLISHER, address(usdc), 2000, new bytes32[](0));
    vm.warp(NOW + 2 * ROOT_DELAY);
    vm.assertEq(vault.claim(PUBLISHER, address(usdc), 2000, new bytes32[](0)), 1500, "difference");
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ClaimInvalid.selector, PUBLISHER, 500));
    vault.claim(PUBLISHER, address(usdc), 500, new bytes32[](0));
  }

  function test_claims_need_account_token_and_amount_of_the_leaf() public {
    _paidAndAnchored();
    _postRoot(PUBLISHER, 1000);
    vm.warp(NOW + ROOT_DELAY);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ClaimInvalid.selector, STRANGER, 1000));
    vault.claim(STRANGER, address(usdc), 1000, new bytes32[](0));
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ClaimInvalid.selector, PUBLISHER, 1001));
    vault.claim(PUBLISHER, address(usdc), 1001, new bytes32[](0));
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.ClaimInvalid.selector, PUBLISHER, 1000));
    vault.claim(PUBLISHER, address(usdc), 1000, new bytes32[](1));
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.NoActiveRoot.selector, STRANGER));
    vault.claim(PUBLISHER, STRANGER, 1000, new bytes32[](0));
  }

  function test_leaves_that_add_up_to_more_than_the_total_are_served_up_to_it() public {
    _paidAndAnchored();
    bytes32 one = _payoutLeaf(PUBLISHER, 900);
    bytes32 two = _payoutLeaf(OPERATOR, 900);
    bytes32 root = one < two ? keccak256(bytes.concat(one, two)) : keccak256(bytes.concat(two, one));
    vm.prank(SETTLER);
    vault.postRoot(address(usdc), root, 1000);
    vm.warp(NOW + ROOT_DELAY);
    bytes32[] memory proof = new bytes32[](1);
    proof[0] = two;
    vault.claim(PUBLISHER, address(usdc), 900, proof);
    proof[0] = one;
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.RootExhausted.selector, 100, 900));
    vault.claim(OPERATOR, address(usdc), 900, proof);
  }

  function test_refuses_roots_above_the_credits_or_above_what_the_log_anchored() public {
    _collect(2000, "a");
    bytes32 root = _payoutLeaf(PUBLISHER, 1);
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.TotalAboveCollected.selector, 0, 1));
    vault.postRoot(address(usdc), root, 1);
    vm.stopPrank();
    _anchorOne(_receipt("a", 1500), 1500);
    vm.assertEq(vault.payoutCapOf(address(usdc)), 1500, "cap is what was anchored");
    _anchorOne(_receipt("never paid", 1000), 1000);
    vm.assertEq(vault.payoutCapOf(address(usdc)), 2000, "cap is what was credited");
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.TotalAboveCollected.selector, 2000, 2001));
    vault.postRoot(address(usdc), root, 2001);
    vault.postRoot(address(usdc), root, 2000);
  }

  function test_refuses_a_second_pending_root_a_falling_total_and_an_empty_root() public {
    _paidAndAnchored();
    bytes32 root = _postRoot(PUBLISHER, 1000);
    vm.startPrank(SETTLER);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.RootPending.selector, NOW + ROOT_DELAY));
    vault.postRoot(address(usdc), root, 1500);
    vm.warp(NOW + ROOT_DELAY);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.TotalDecreased.selector, 1000, 999));
    vault.postRoot(address(usdc), root, 999);
    vm.expectRevert(RevenueVault.RootMissing.selector);
    vault.postRoot(address(usdc), 0, 1500);
    vm.stopPrank();
    _expectSettlerOnly();
    vault.postRoot(address(usdc), root, 1500);
  }

  function test_the_guardian_revokes_a_root_before_it_is_active_and_not_after() public {
    _paidAndAnchored();
    bytes32 root = _postRoot(PUBLISHER, 1000);
    bytes memory notPending = abi.encodeWithSelector(RevenueVault.RootNotPending.selector, address(usdc), root);
    bytes32 role = vault.GUARDIAN_ROLE();
    vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, SETTLER, role));
    vm.prank(SETTLER);
    vault.revokeRoot(address(usdc), root);
    vm.startPrank(GUARDIAN);
    vm.expectRevert(abi.encodeWithSelector(RevenueVault.RootNotPending.selector, address(usdc), ~root));
    vault.revokeRoot(address(usdc), ~root);
    vm.expectEmit(address(vault));
    emit RevenueVault.RootRevoked(address(usdc), root, 1000);
    vault.revokeRoot(address(usdc), root);
    vm.expectRevert(notPending);
    vault.revokeRoot(address(usdc), root);
    vm.stopPrank();
    _postRoot(PUBLISHER, 1000);
    vm.warp(NOW + ROOT_DELAY);
    vm.expectRevert(notPending);
    vm.prank(GUARDIAN);
    vault.revokeRoot(address(usdc), root);
  }

  function test_channel_revenue_is_paid_out_under_a_root() public {
    _mint(address(vault), 500);
    vm.prank(SETTLER);
    vault.creditRevenue(address(usdc), 500);
    _anchorOne(_receipt("channel", 500), 500);
    _postRoot(PUBLISHER, 500);
    vm.warp(NOW + ROOT_DELAY);
    vault.claim(PUBLISHER, address(usdc), 500, new bytes32[](0));
    vm.assertEq(usdc.balanceOf(PUBLISHER), 500, "paid");
  }

  // ---------------------------------------------------------------- inside

  /// @dev Payments a and b of 1000 each, collected and anchored in one batch.
  function _paidAndAnchored() private returns (Anchored memory) {
    _collect(1000, "a");
    _collect(1000, "b");
    InferenceReceipt[] memory receipts = new InferenceReceipt[](2);
    (receipts[0], receipts[1]) = (_receipt("a", 1000), _receipt("b", 1000));
    uint128[] memory collected = new uint128[](2);
    (collected[0], collected[1]) = (1000, 1000);
    return _anchor(log, receipts, collected);
  }

  function _voidAll(Anchored memory batch) private {
    vm.prank(GUARDIAN);
    registry.declareCompromised(node, NOW, "leaked");
    for (uint256 i = 0; i < batch.receipts.length; ++i) {
      log.voidLeaf(batch.header, batch.receipts[i], _proof(batch, i));
    }
  }

  function _refund(Anchored memory batch, bytes32 nonce) private returns (bool) {
    return vault.refund(_key(nonce), batch.header, batch.receipts[0], _proof(batch, 0));
  }

  function _refundBySettler(bytes32 nonce) private {
    PaymentKey[] memory keys = new PaymentKey[](1);
    keys[0] = _key(nonce);
    vm.prank(SETTLER);
    vault.refundBySettler(keys);
  }

  function _cancelDigest(bytes32 nonce) private view returns (bytes32) {
    bytes32 structHash =
      keccak256(abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), payer, nonce));
    return keccak256(bytes.concat(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
  }

  function _expectSettlerOnly() private {
    bytes32 role = vault.SETTLER_ROLE();
    vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, role));
    vm.prank(STRANGER);
  }

  function _expectState(bytes32 paymentId, PaymentState expected) private view {
    (,, PaymentState state) = vault.creditOf(paymentId);
    vm.assertEq(uint256(state), uint256(expected), "state");
  }

  function _expectLedger(uint256 credited, uint256 refunded, uint256 deferred, uint256 paid) private view {
    (uint128 c, uint128 r, uint128 d, uint128 p) = vault.ledgerOf(address(usdc));
    vm.assertEq(c, credited, "credited");
    vm.assertEq(r, refunded, "refunded");
    vm.assertEq(d, deferred, "deferred");
    vm.assertEq(p, paid, "paid");
    vm.assertGe(usdc.balanceOf(address(vault)), c - r - p, "covered");
  }
}

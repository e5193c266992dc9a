// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { UsdcDouble } from "../../src/local/UsdcDouble.sol";
import { Authorization, PaymentKey, PaymentState, PayoutRoot, RevenueVault } from "../../src/RevenueVault.sol";
import { SettlementLog, VoidReason } from "../../src/SettlementLog.sol";
import { ProofRefusal, ProvenReceipt } from "../../src/ProofLedger.sol";
import { InferenceReceipt, SignedReceipt } from "../../src/libraries/InferenceReceipt.sol";
import { ProofFixture } from "./ProofFixture.sol";

/// @notice Everything that can happen to vault, log and ledger of proofs, in any order, with books of its own. An action that must be
/// refused is tried too; if it is not, `broken` says which.
contract Handler is ProofFixture {
  struct Payment {
    uint256 key;
    bytes32 nonce;
    uint128 amount;
    bool credited;
    bool anchored;
    uint256 refunds;
    Authorization authorization;
  }

  struct Leaf {
    uint256 batch;
    uint256 index;
    uint256 payment;
    bool voided;
    bool proven;
    bool contradicted;
  }

  struct Proof {
    address node;
    bytes32 requestId;
    bytes32 receiptHash;
  }

  struct Payout {
    bytes32 root;
    uint128[3] cumulative;
  }

  uint256 private constant SOUND_KEY = 0x600D;
  uint256 private constant ROGUE_KEY = 0xBAD;

  Payment[] private payments;
  Leaf[] private leaves;
  Proof[] private proofs;
  Payout[] private payouts;
  bytes[] private batches;
  bytes32[] public headers;

  // The handler's own books.
  uint256 public creditedSum;
  uint256 public refundedSum;
  uint256 public paidSum;
  uint256 public arrivedSum;
  uint256 public anchoredSum;
  uint256[3] private earned;
  string public broken;
  mapping(bytes32 action => uint256) public done;

  /// @dev Walks may take years.
  function setUp() public override {
    super.setUp();
    vm.prank(REGISTRAR);
    registry.registerKey(vm.addr(SOUND_KEY), OPERATOR, 2, 0, 0, NOW, type(uint64).max);
  }

  function token() external view returns (UsdcDouble) {
    return usdc;
  }

  function theVault() external view returns (RevenueVault) {
    return vault;
  }

  function theLog() external view returns (SettlementLog) {
    return log;
  }

  function paymentCount() external view returns (uint256) {
    return payments.length;
  }

  function paymentAt(uint256 i)
    external
    view
    returns (uint128 amount, bool credited, uint256 refunds, PaymentState state)
  {
    Payment storage payment = payments[i];
    (,, state) = vault.creditOf(_idOf(payment));
    return (payment.amount, payment.credited, payment.refunds, state);
  }

  function headerCount() external view returns (uint256) {
    return headers.length;
  }

  // ---------------------------------------------------------------- money in

  function collect(uint256 seed, uint256 amount) external {
    Payment storage payment = _newPayment(seed, amount);
    vault.collect(address(usdc), payment.authorization);
    _booked(payment);
    arrivedSum += payment.amount;
    ++done["collect"];
  }

  function collectAgain(uint256 seed) external {
    if (payments.length == 0) return;
    Payment storage payment = payments[_oftenRecent(seed, payments.length)];
    if (!payment.credited) return;
    try vault.collect(address(usdc), payment.authorization) {
      broken = "a payment was credited twice";
    } catch {
      ++done["collectAgain"];
    }
  }

  function frontRun(uint256 seed, uint256 amount) external {
    Payment storage payment = _newPayment(seed, amount);
    _submitStraightToToken(payment.authorization);
    arrivedSum += payment.amount;
    ++done["frontRun"];
  }

  function creditDirect(uint256 seed) external {
    if (payments.length == 0) return;
    Payment storage payment = payments[_oftenRecent(seed, payments.length)];
    bool had = payment.credited;
    vm.prank(SETTLER);
    try vault.creditDirect(address(usdc), payment.authorization) {
      if (had) broken = "a payment was credited twice, directly";
      _booked(payment);
      ++done["creditDirect"];
    } catch { }
  }

  function donate(uint256 amount) external {
    amount = bound(amount, 1, 1e9);
    _mint(address(vault), amount);
    arrivedSum += amount;
    ++done["donate"];
  }

  function creditRevenue(uint256 amount) external {
    uint256 surplus = usdc.balanceOf(address(vault)) - vault.owedOf(address(usdc));
    uint128 asked = uint128(bound(amount, 1, 2e9));
    vm.prank(SETTLER);
    try vault.creditRevenue(address(usdc), asked) {
      if (asked > surplus) broken = "revenue was credited that never came";
      creditedSum += asked;
      ++done["creditRevenue"];
    } catch { }
  }

  // ---------------------------------------------------------------- log

  /// @dev Up to eight of the payments not anchored yet; about a third void, a third signed by a key nobody knows,
  /// every second batch by a settler who says that more was collected than was.
  function anchor(uint256 seed, uint256 size) external {
    (InferenceReceipt[] memory receipts, uint128[] memory collected, uint256[] memory indices) =
      _pick(seed, bound(size, 1, 8));
    if (receipts.length == 0) return;
    Anchored memory batch = _seal(log, receipts, collected);
    vm.prank(SETTLER);
    headers.push(log.commit(batch.header));
    batches.push(abi.encode(batch));
    anchoredSum += batch.header.total;
    for (uint256 i = 0; i < indices.length; ++i) {
      payments[indices[i]].anchored = true;
      leaves.push(Leaf(batches.length - 1, i, indices[i], false, false, false));
    }
    ++done["anchor"];
  }

  function commitStale(uint256 seed) external {
    if (batches.length == 0) return;
    vm.prank(SETTLER);
    try log.commit(_batch(seed % batches.length).header) {
      broken = "a batch was committed twice";
    } catch {
      ++done["commitStale"];
    }
  }

  function voidLeaf(uint256 seed) external {
    if (leaves.length == 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    Anchored memory batch = _batch(leaf.batch);
    InferenceReceipt memory receipt = batch.receipts[leaf.index];
    bool had = leaf.voided;
    try log.voidLeaf(batch.header, receipt, _proof(batch, leaf.index)) returns (VoidReason reason) {
      if (had) broken = "a leaf was voided twice";
      if (receipt.node == vm.addr(SOUND_KEY) && !_mayBeVoid(leaf, receipt, reason)) broken = "a sound leaf was voided";
      if (reason == VoidReason.ProofMissing) ++done["voidForProof"];
      if (reason == VoidReason.Equivocation) ++done["voidForEquivocation"];
      leaf.voided = true;
      anchoredSum -= batch.levels[0].sums[leaf.index];
      ++done["voidLeaf"];
    } catch { }
  }

  function _mayBeVoid(Leaf storage leaf, InferenceReceipt memory receipt, VoidReason reason)
    private
    view
    returns (bool)
  {
    if (reason == VoidReason.Equivocation) return leaf.contradicted;
    if (reason == VoidReason.ProofMissing) return receipt.mode == 2 && !leaf.proven;
    return reason == VoidReason.SignatureMissing;
  }

  function demandSignature(uint256 seed) external {
    if (leaves.length == 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    Anchored memory batch = _batch(leaf.batch);
    try log.demandSignature(batch.header, batch.receipts[leaf.index], _proof(batch, leaf.index)) {
      ++done["demandSignature"];
    } catch { }
  }

  function showSignature(uint256 seed) external {
    if (leaves.length == 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    InferenceReceipt memory receipt = _batch(leaf.batch).receipts[leaf.index];
    try log.showSignature(receipt, _sign(SOUND_KEY, log.receiptHashOf(receipt))) {
      if (receipt.node != vm.addr(SOUND_KEY)) broken = "a signature of another key was taken";
      ++done["showSignature"];
    } catch { }
  }

  /// @dev Asked, and often left unanswered until it is overdue.
  function demandProof(uint256 seed) external {
    if (leaves.length == 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    Anchored memory batch = _batch(leaf.batch);
    InferenceReceipt memory receipt = batch.receipts[leaf.index];
    try log.demandProof(batch.header, receipt, _proof(batch, leaf.index)) {
      if (receipt.mode != 2) broken = "a proof was demanded that nobody promised";
      if (leaf.proven) broken = "a proof was demanded that is there";
      ++done["demandProof"];
    } catch {
      return;
    }
    if ((seed >> 16) % 3 == 0) return;
    vm.warp(block.timestamp + 24 hours + 1);
    this.voidLeaf(seed);
  }

  /// @dev One leaf, or all of its batch at once; a third of the nodes are unknown to the registry.
  function prove(uint256 seed) external {
    if (leaves.length == 0) return;
    uint256 which = _oftenRecent(seed, leaves.length);
    Leaf storage leaf = leaves[which];
    Anchored memory batch = _batch(leaf.batch);
    if ((seed >> 16) % 3 == 0) {
      _proveAll(batch, which - leaf.index);
      return;
    }
    InferenceReceipt memory receipt = batch.receipts[leaf.index];
    try ledger.accept(address(log), GROTH16, _provenBy(receipt)) {
      _noteProof(leaf, receipt);
      ++done["prove"];
    } catch { }
  }

  function _proveAll(Anchored memory batch, uint256 first) private {
    ProvenReceipt[] memory items = new ProvenReceipt[](batch.receipts.length);
    for (uint256 i = 0; i < items.length; ++i) {
      items[i] = _provenBy(batch.receipts[i]);
    }
    ProofRefusal[] memory refusals = ledger.acceptBatch(address(log), GROTH16, vkId, items);
    for (uint256 i = 0; i < items.length; ++i) {
      if (refusals[i] == ProofRefusal.None) _noteProof(leaves[first + i], batch.receipts[i]);
    }
    ++done["proveAll"];
  }

  /// @dev A node signs a second answer to the same request; seldom, or nothing else would be voided.
  function contradict(uint256 seed) external {
    if (leaves.length == 0 || (seed >> 16) % 4 != 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    InferenceReceipt memory first = _batch(leaf.batch).receipts[leaf.index];
    InferenceReceipt memory second = _batch(leaf.batch).receipts[leaf.index];
    second.outputHash = keccak256(abi.encode(seed));
    uint256 key = first.node == vm.addr(SOUND_KEY) ? SOUND_KEY : ROGUE_KEY;
    SignedReceipt memory one = SignedReceipt(first, _sign(key, log.receiptHashOf(first)));
    SignedReceipt memory two = SignedReceipt(second, _sign(key, log.receiptHashOf(second)));
    (bytes32 firstHash, bytes32 secondHash) = (log.receiptHashOf(first), log.receiptHashOf(second));
    // The same seed plays the same pair.
    if (log.contradictedBy(firstHash) != 0 && log.contradictedBy(secondHash) != 0) {
      vm.expectRevert(abi.encodeWithSelector(SettlementLog.AlreadyProven.selector, firstHash, secondHash));
      log.proveEquivocation(one, two);
      return;
    }
    log.proveEquivocation(one, two);
    leaf.contradicted = true;
    ++done["contradict"];
    if ((seed >> 32) % 2 == 0) this.voidLeaf(seed);
  }

  /// @dev Nothing takes a proof back.
  function lostProofs() external view returns (uint256 lost) {
    for (uint256 i = 0; i < proofs.length; ++i) {
      Proof storage p = proofs[i];
      if (ledger.acceptedAt(address(log), p.node, p.requestId, p.receiptHash) == 0) ++lost;
    }
  }

  function _provenBy(InferenceReceipt memory receipt) private view returns (ProvenReceipt memory) {
    uint256 key = receipt.node == vm.addr(SOUND_KEY) ? SOUND_KEY : ROGUE_KEY;
    return _proven(receipt, key, _signalsOf(receipt, "input"));
  }

  function _noteProof(Leaf storage leaf, InferenceReceipt memory receipt) private {
    if (receipt.node != vm.addr(SOUND_KEY)) broken = "a proof of an unknown node was taken";
    if (receipt.mode != 2) broken = "a proof was taken that nobody promised";
    if (leaf.proven) broken = "a receipt was proven twice";
    leaf.proven = true;
    proofs.push(Proof(receipt.node, receipt.requestId, log.receiptHashOf(receipt)));
  }

  // ---------------------------------------------------------------- refunds

  function refund(uint256 seed) external {
    if (leaves.length == 0) return;
    Leaf storage leaf = leaves[_oftenRecent(seed, leaves.length)];
    Payment storage payment = payments[leaf.payment];
    Anchored memory batch = _batch(leaf.batch);
    uint128 collected = batch.levels[0].sums[leaf.index];
    uint256 before = usdc.balanceOf(vm.addr(payment.key));
    (bool pending, bool waiting) = _situation(payment);
    try vault.refund(_keyOf(payment), batch.header, batch.receipts[leaf.index], _proof(batch, leaf.index)) returns (
      bool paid
    ) {
      if (collected != 0 && !leaf.voided) broken = "a standing leaf was refunded";
      _noteRefund(payment, before, pending, waiting);
      if (paid != (payment.refunds == 1)) broken = "a refund said what it did not do";
    } catch { }
  }

  function refundBySettler(uint256 seed) external {
    if (payments.length == 0) return;
    _refundBySettler(payments[_oftenRecent(seed, payments.length)]);
    ++done["refundBySettler"];
  }

  /// @dev A refund that waits is served as soon as there is money nobody was promised.
  function retryDeferred() external {
    (uint128 credited, uint128 refunded,,) = vault.ledgerOf(address(usdc));
    uint256 free = uint256(credited) - refunded - vault.activeRootOf(address(usdc)).cumulativeTotal;
    for (uint256 i = 0; i < payments.length; ++i) {
      Payment storage payment = payments[i];
      (, bool waiting) = _situation(payment);
      if (!waiting || payment.amount > free) continue;
      if (!_refundBySettler(payment)) broken = "a funded refund was not served";
      return;
    }
  }

  function _refundBySettler(Payment storage payment) private returns (bool) {
    PaymentKey[] memory keys = new PaymentKey[](1);
    keys[0] = _keyOf(payment);
    uint256 before = usdc.balanceOf(vm.addr(payment.key));
    (bool pending, bool waiting) = _situation(payment);
    vm.prank(SETTLER);
    try vault.refundBySettler(keys) {
      _noteRefund(payment, before, pending, waiting);
      return true;
    } catch {
      return false;
    }
  }

  // ---------------------------------------------------------------- payouts

  /// @dev Total anywhere up to a little above the cap; every fourth root's leaves add up to more than it says.
  function postRoot(uint256 seed, uint256 totalSeed) external {
    uint256 cap = vault.payoutCapOf(address(usdc));
    _post(seed, uint128(bound(totalSeed, 0, cap + cap / 10)), cap);
  }

  /// @dev Promises all there is, and wants a payment back before or after the promise binds.
  function promiseAll(uint256 seed) external {
    vm.warp(block.timestamp + ROOT_DELAY);
    uint256 cap = vault.payoutCapOf(address(usdc));
    _post(seed, uint128(cap), cap);
    if (seed % 3 != 0) vm.warp(block.timestamp + ROOT_DELAY);
    if (payments.length != 0) _refundBySettler(payments[_oftenRecent(seed, payments.length)]);
  }

  function _post(uint256 seed, uint128 total, uint256 cap) private {
    Payout memory payout;
    uint128 share = uint128(bound(seed, 0, total));
    payout.cumulative = [share, total - share, seed % 4 == 0 ? total / 2 + 1 : 0];
    payout.root = _rootOf(payout);
    vm.prank(SETTLER);
    try vault.postRoot(address(usdc), payout.root, total) {
      if (total > cap) broken = "a root promised more than was collected";
      payouts.push(payout);
      ++done["postRoot"];
    } catch { }
  }

  function revokeRoot(uint256 seed) external {
    // Not always, or few roots become active.
    if (seed % 2 != 0) return;
    PayoutRoot memory pending = vault.pendingRootOf(address(usdc));
    if (pending.root == 0) return;
    vm.prank(GUARDIAN);
    vault.revokeRoot(address(usdc), pending.root);
    ++done["revokeRoot"];
  }

  /// @dev Under any root there ever was; only the active one may pay.
  function claim(uint256 seed, uint256 which) external {
    if (payouts.length == 0) return;
    Payout memory payout = payouts[_oftenRecent(seed, payouts.length)];
    _claim(payout, which % 3);
  }

  /// @dev The promise itself: what the active root gives an earner is paid at once, up to the root's total.
  function claimActive(uint256 which) external {
    PayoutRoot memory active = vault.activeRootOf(address(usdc));
    uint256 i = which % 3;
    for (uint256 p = payouts.length; p > 0; --p) {
      Payout memory payout = payouts[p - 1];
      if (payout.root != active.root) continue;
      if (payout.cumulative[i] <= earned[i]) return;
      uint256 due = payout.cumulative[i] - earned[i];
      bool paid = _claim(payout, i);
      if (paid != (due <= active.cumulativeTotal - (paidSum - (paid ? due : 0)))) broken = "a promise was not kept";
      if (paid) ++done["claimActive"];
      return;
    }
  }

  function _claim(Payout memory payout, uint256 i) private returns (bool) {
    bytes32 active = vault.activeRootOf(address(usdc)).root;
    uint256 before = usdc.balanceOf(_earner(i));
    try vault.claim(_earner(i), address(usdc), payout.cumulative[i], _proofOf(payout, i)) returns (uint128 amount) {
      if (payout.root != active) broken = "a claim under another root";
      if (usdc.balanceOf(_earner(i)) != before + amount) broken = "a payout of another amount";
      earned[i] += amount;
      if (earned[i] > payout.cumulative[i]) broken = "an earner was paid twice";
      paidSum += amount;
      ++done["claim"];
      return true;
    } catch {
      return false;
    }
  }

  function wait(uint256 time) external {
    vm.warp(block.timestamp + bound(time, 1 minutes, 30 hours));
    ++done["wait"];
  }

  // ---------------------------------------------------------------- inside

  /// @dev Windows close: every second pick is one of the last eight.
  function _oftenRecent(uint256 seed, uint256 length) private pure returns (uint256) {
    uint256 span = seed % 2 == 0 && length > 8 ? 8 : length;
    return length - 1 - (seed >> 1) % span;
  }

  function _newPayment(uint256 seed, uint256 amount) private returns (Payment storage payment) {
    amount = bound(amount, 1, 1e9);
    payment = payments.push();
    payment.key = 0x1000 + seed % 4;
    payment.nonce = bytes32(payments.length);
    payment.amount = uint128(amount);
    payment.authorization = _authorize(payment.key, amount, payment.nonce);
    _mint(vm.addr(payment.key), amount);
  }

  function _booked(Payment storage payment) private {
    payment.credited = true;
    creditedSum += payment.amount;
  }

  function _situation(Payment storage payment) private view returns (bool pending, bool waiting) {
    (,, PaymentState state) = vault.creditOf(_idOf(payment));
    return (vault.pendingRootOf(address(usdc)).root != 0, state == PaymentState.RefundDeferred);
  }

  function _noteRefund(Payment storage payment, uint256 before, bool pending, bool waiting) private {
    uint256 received = usdc.balanceOf(vm.addr(payment.key)) - before;
    if (pending && vault.pendingRootOf(address(usdc)).root == 0) ++done["rootOutranked"];
    if (received == 0) {
      ++done["refundDeferred"];
      return;
    }
    if (received != payment.amount) broken = "a refund of another amount";
    ++payment.refunds;
    refundedSum += received;
    ++done[waiting ? bytes32("refundAfterDeferral") : bytes32("refund")];
  }

  function _pick(uint256 seed, uint256 size)
    private
    view
    returns (InferenceReceipt[] memory receipts, uint128[] memory collected, uint256[] memory indices)
  {
    uint256[] memory open = new uint256[](size);
    uint256 count;
    for (uint256 i = 0; i < payments.length && count < size; ++i) {
      if (!payments[i].anchored) open[count++] = i;
    }
    receipts = new InferenceReceipt[](count);
    collected = new uint128[](count);
    indices = new uint256[](count);
    for (uint256 i = 0; i < count; ++i) {
      Payment storage payment = payments[open[i]];
      uint256 dice = uint256(keccak256(abi.encode(seed, i))) % 3;
      indices[i] = open[i];
      bool promisesProof = uint256(keccak256(abi.encode(seed, i, "zk"))) % 2 == 0;
      receipts[i] = promisesProof ? _zkReceipt(payment.nonce, payment.amount) : _receipt(payment.nonce, payment.amount);
      receipts[i].seq = uint64(open[i]);
      receipts[i].payer = vm.addr(payment.key);
      receipts[i].paymentId = _idOf(payment);
      receipts[i].node = vm.addr(dice == 1 ? ROGUE_KEY : SOUND_KEY);
      collected[i] = dice == 2 ? 0 : seed % 2 == 0 ? 3 * payment.amount : payment.amount;
    }
  }

  function _batch(uint256 i) private view returns (Anchored memory) {
    return abi.decode(batches[i], (Anchored));
  }

  function _idOf(Payment storage payment) private view returns (bytes32) {
    return vault.paymentIdOf(address(usdc), vm.addr(payment.key), payment.nonce);
  }

  function _keyOf(Payment storage payment) private view returns (PaymentKey memory) {
    return PaymentKey(address(usdc), vm.addr(payment.key), payment.nonce);
  }

  function _earner(uint256 i) private pure returns (address) {
    return address(uint160(0xE000 + i));
  }

  /// @dev ((0 1) 2), pairs sorted.
  function _rootOf(Payout memory payout) private view returns (bytes32) {
    return _pair(_pair(_earnerLeaf(payout, 0), _earnerLeaf(payout, 1)), _earnerLeaf(payout, 2));
  }

  function _proofOf(Payout memory payout, uint256 i) private view returns (bytes32[] memory proof) {
    if (i == 2) {
      proof = new bytes32[](1);
      proof[0] = _pair(_earnerLeaf(payout, 0), _earnerLeaf(payout, 1));
    } else {
      proof = new bytes32[](2);
      (proof[0], proof[1]) = (_earnerLeaf(payout, 1 - i), _earnerLeaf(payout, 2));
    }
  }

  function _earnerLeaf(Payout memory payout, uint256 i) private view returns (bytes32) {
    return _payoutLeaf(_earner(i), payout.cumulative[i]);
  }

  function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
    return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
  }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { MerkleProof } from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import { MessageHashUtils } from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Deployed } from "./Deployed.sol";
import { Authorities, Governed } from "./Governed.sol";
import { SettlementLog, VoidReason } from "./SettlementLog.sol";
import { IEIP3009 } from "./interfaces/IEIP3009.sol";
import { BatchHeader } from "./libraries/BatchHeader.sol";
import { Identity } from "./libraries/Identity.sol";
import { InferenceReceipt } from "./libraries/InferenceReceipt.sol";
import { InclusionProof } from "./libraries/MerkleSum.sol";

/// @notice A payer's EIP-3009 `TransferWithAuthorization` to the vault, in the names of the EIP.
/// @param signature 65 bytes r, s, v of an account, or what a contract wallet's ERC-1271 check takes.
struct Authorization {
  address from;
  uint256 value;
  uint256 validAfter;
  uint256 validBefore;
  bytes32 nonce;
  bytes signature;
}

/// @notice What a payment id is made of, besides chain and scheme.
struct PaymentKey {
  address token;
  address payer;
  bytes32 nonce;
}

enum PaymentState {
  None,
  Credited,
  /// A refund is proven and waits for money that no root has promised; no new root may promise it.
  RefundDeferred,
  Refunded
}

/// @notice What the vault knows of one payment, in one slot.
struct Credit {
  uint128 amount;
  uint64 creditedAt;
  PaymentState state;
}

/// @notice What came and went of one token, in atomic units. All but `deferred` only rise.
/// @param deferred Sum of the refunds that wait.
/// @param paid Sum of the payouts claimed.
struct Ledger {
  uint128 credited;
  uint128 refunded;
  uint128 deferred;
  uint128 paid;
}

/// @notice A promise of payouts.
/// @param cumulativeTotal Sum over all accounts since the first root; atomic units.
/// @param activeAt Unix seconds from which claims are served, and before which the guardian may revoke.
struct PayoutRoot {
  bytes32 root;
  uint128 cumulativeTotal;
  uint64 activeAt;
}

/// @title Where payments arrive, and the only two ways they leave: back to the payer, or to the earners
/// @notice Immutable; `payTo` of every offer. Nobody can withdraw: a payment goes back whole to the account it came
/// from, or it is paid out under a root that never promises more than was collected.
/// @dev Per token, always:
///   balance >= credited - refunded - paid               every debt is covered;
///   paid <= cumulativeTotal of the active root          payouts stay within the promise;
///   cumulativeTotal of the active root <= credited - refunded, and a root still pending is revoked by the refund
///   that would break this for it                        a refund never takes money that was promised.
/// x402 `exact` on EVM: https://github.com/coinbase/x402/blob/main/specs/schemes/exact/scheme_exact_evm.md
contract RevenueVault is Governed, Deployed, ReentrancyGuardTransient {
  using SafeERC20 for IERC20;
  using SafeCast for uint256;

  /// @notice The x402 scheme whose payments are credited here.
  string public constant SCHEME = "exact";

  bytes32 private constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
  );

  SettlementLog public immutable settlementLog;
  /// @notice Seconds between posting a root and its first claim.
  uint64 public immutable rootDelay;

  mapping(bytes32 paymentId => Credit) public creditOf;
  mapping(address token => Ledger) public ledgerOf;
  mapping(address token => PayoutRoot[]) private rootsOf;
  /// @notice What an account has been paid of a token since the first root; atomic units.
  mapping(address token => mapping(address account => uint128)) public claimedOf;

  event PaymentCredited(bytes32 indexed paymentId, address indexed payer, address indexed token, uint128 amount);
  event RevenueCredited(address indexed token, uint128 amount);
  event PaymentRefunded(bytes32 indexed paymentId, address indexed payer, address indexed token, uint128 amount);
  event RefundDeferred(bytes32 indexed paymentId, address indexed payer, address indexed token, uint128 amount);
  event RootPosted(address indexed token, bytes32 indexed root, uint128 cumulativeTotal, uint64 activeAt);
  event RootRevoked(address indexed token, bytes32 indexed root, uint128 cumulativeTotal);
  event Claimed(address indexed token, address indexed account, uint128 amount, uint128 cumulative);

  error AmountZero();
  error AlreadyCredited(bytes32 paymentId);
  /// @notice The token moved less than was authorised.
  error Underpaid(uint256 balance, uint256 owed);
  error AuthorizationUnused(bytes32 paymentId);
  error AuthorizationInvalid(bytes32 paymentId);
  /// @notice The vault holds less uncredited money than that.
  error SurplusTooSmall(uint256 surplus, uint256 amount);

  error NotCredited(bytes32 paymentId);
  error AlreadyRefunded(bytes32 paymentId);
  error ReceiptOfOtherPayment(bytes32 paymentId, bytes32 receiptPaymentId);
  error NotIncluded(uint64 batchId, bytes32 receiptHash);
  /// @notice The leaf stands and was paid for.
  error LeafNotVoid(bytes32 receiptHash);
  /// @notice A deferred refund still finds too little money that no root has promised.
  error RefundUnfunded(uint256 free, uint256 amount);

  error RootMissing();
  error RootPending(uint64 activeAt);
  error RootNotPending(address token, bytes32 root);
  error TotalDecreased(uint128 promised, uint128 cumulativeTotal);
  error TotalAboveCollected(uint256 cap, uint128 cumulativeTotal);
  error NoActiveRoot(address token);
  error ClaimInvalid(address account, uint128 cumulative);
  error NothingToClaim(uint128 claimed, uint128 cumulative);
  /// @notice The root's leaves add up to more than its cumulative total.
  error RootExhausted(uint128 left, uint128 amount);

  /// @param rootDelay_ Seconds; the time the guardian has to look at a root, and refunds have to come first.
  constructor(SettlementLog settlementLog_, uint64 rootDelay_, Authorities memory authorities) Governed(authorities) {
    settlementLog = settlementLog_;
    rootDelay = rootDelay_;
    _assign(SETTLER_ROLE, authorities.settler);
    _assign(GUARDIAN_ROLE, authorities.guardian);
  }

  /// @notice The id a payment of this vault has everywhere (design section 6).
  function paymentIdOf(address token, address payer, bytes32 nonce) public view returns (bytes32) {
    return Identity.paymentId(block.chainid, SCHEME, token, payer, nonce);
  }

  // ---------------------------------------------------------------- money in

  /// @notice Moves an authorised payment here and credits it. Anybody may call; a payment is credited once.
  /// @dev Reverts with the token's own error when the token refuses.
  function collect(address token, Authorization calldata authorization)
    external
    nonReentrant
    returns (bytes32 paymentId)
  {
    paymentId = _credit(token, authorization);
    _transferHere(token, authorization);
    // Holds by itself for FiatToken; keeps a token that under-delivers from ever being owed more than it holds.
    uint256 balance = IERC20(token).balanceOf(address(this));
    uint256 owed = owedOf(token);
    if (balance < owed) revert Underpaid(balance, owed);
  }

  /// @notice Credits a payment whose authorisation somebody else submitted straight to the token.
  /// @dev The token does not tell a used nonce from a cancelled one: the settler must have seen the token's
  /// `AuthorizationUsed` and `Transfer`, which is why this is not for everybody. A wrong call is bounded by money in
  /// the vault that nobody is credited for.
  function creditDirect(address token, Authorization calldata authorization)
    external
    nonReentrant
    onlyRole(SETTLER_ROLE)
    returns (bytes32 paymentId)
  {
    _requireSurplus(token, authorization.value);
    paymentId = _credit(token, authorization);
    if (!IEIP3009(token).authorizationState(authorization.from, authorization.nonce)) {
      revert AuthorizationUnused(paymentId);
    }
    if (!_isSigned(token, authorization)) revert AuthorizationInvalid(paymentId);
  }

  /// @notice Credits money that came without an authorisation of its own, as what a payment channel settles to its
  /// receiver: it belongs to no payment, so it can only be paid out under a root.
  function creditRevenue(address token, uint128 amount) external nonReentrant onlyRole(SETTLER_ROLE) {
    if (amount == 0) revert AmountZero();
    _requireSurplus(token, amount);
    ledgerOf[token].credited += amount;
    emit RevenueCredited(token, amount);
  }

  function _credit(address token, Authorization calldata authorization) private returns (bytes32 paymentId) {
    uint128 amount = authorization.value.toUint128();
    if (amount == 0) revert AmountZero();
    paymentId = paymentIdOf(token, authorization.from, authorization.nonce);
    Credit storage credit = creditOf[paymentId];
    if (credit.state != PaymentState.None) revert AlreadyCredited(paymentId);

    creditOf[paymentId] = Credit(amount, uint64(block.timestamp), PaymentState.Credited);
    ledgerOf[token].credited += amount;
    emit PaymentCredited(paymentId, authorization.from, token, amount);
  }

  function _requireSurplus(address token, uint256 amount) private view {
    uint256 surplus = IERC20(token).balanceOf(address(this)) - owedOf(token);
    if (surplus < amount) revert SurplusTooSmall(surplus, amount);
  }

  /// @dev 65 bytes go through the form every EIP-3009 token has; FiatToken's treats both alike.
  function _transferHere(address token, Authorization calldata authorization) private {
    bytes calldata signature = authorization.signature;
    if (signature.length == 65) {
      IEIP3009(token)
        .transferWithAuthorization(
          authorization.from,
          address(this),
          authorization.value,
          authorization.validAfter,
          authorization.validBefore,
          authorization.nonce,
          uint8(signature[64]),
          bytes32(signature[0:32]),
          bytes32(signature[32:64])
        );
    } else {
      IEIP3009(token)
        .transferWithAuthorization(
          authorization.from,
          address(this),
          authorization.value,
          authorization.validAfter,
          authorization.validBefore,
          authorization.nonce,
          signature
        );
    }
  }

  function _isSigned(address token, Authorization calldata authorization) private view returns (bool) {
    bytes32 structHash = keccak256(
      abi.encode(
        TRANSFER_WITH_AUTHORIZATION_TYPEHASH,
        authorization.from,
        address(this),
        authorization.value,
        authorization.validAfter,
        authorization.validBefore,
        authorization.nonce
      )
    );
    bytes32 digest = MessageHashUtils.toTypedDataHash(IEIP3009(token).DOMAIN_SEPARATOR(), structHash);
    return SignatureChecker.isValidSignatureNowCalldata(authorization.from, digest, authorization.signature);
  }

  // ---------------------------------------------------------------- back to the payer

  /// @notice Refunds a payment by proof that its leaf is void: nothing was collected for it, or the log voided it.
  /// Anybody may call; the money goes to the payer, once.
  /// @return paid False when the refund is proven but has to wait, see `PaymentState.RefundDeferred`; call again.
  function refund(
    PaymentKey calldata payment,
    BatchHeader calldata header,
    InferenceReceipt calldata receipt,
    InclusionProof calldata proof
  ) external nonReentrant returns (bool paid) {
    bytes32 paymentId = paymentIdOf(payment.token, payment.payer, payment.nonce);
    if (receipt.paymentId != paymentId) revert ReceiptOfOtherPayment(paymentId, receipt.paymentId);
    bytes32 receiptHash = settlementLog.receiptHashOf(receipt);
    if (!settlementLog.verifyInclusion(header, receiptHash, proof)) revert NotIncluded(header.id, receiptHash);
    if (proof.collected != 0 && settlementLog.voidReasonOf(receiptHash) == VoidReason.None) {
      revert LeafNotVoid(receiptHash);
    }
    return _refund(paymentId, payment);
  }

  /// @notice Refunds payments nobody could serve. The settler can send the money nowhere but back.
  function refundBySettler(PaymentKey[] calldata payments) external nonReentrant onlyRole(SETTLER_ROLE) {
    for (uint256 i = 0; i < payments.length; ++i) {
      PaymentKey calldata payment = payments[i];
      _refund(paymentIdOf(payment.token, payment.payer, payment.nonce), payment);
    }
  }

  function _refund(bytes32 paymentId, PaymentKey calldata payment) private returns (bool paid) {
    Credit storage credit = creditOf[paymentId];
    if (credit.state == PaymentState.None) revert NotCredited(paymentId);
    if (credit.state == PaymentState.Refunded) revert AlreadyRefunded(paymentId);
    address token = payment.token;
    Ledger storage ledger = ledgerOf[token];
    uint128 amount = credit.amount;
    bool deferred = credit.state == PaymentState.RefundDeferred;
    uint128 free = ledger.credited - ledger.refunded - activeRootOf(token).cumulativeTotal;

    if (amount > free) {
      if (deferred) revert RefundUnfunded(free, amount);
      credit.state = PaymentState.RefundDeferred;
      ledger.deferred += amount;
      _revokeOverpromise(token);
      emit RefundDeferred(paymentId, payment.payer, token, amount);
      return false;
    }
    if (deferred) ledger.deferred -= amount;
    credit.state = PaymentState.Refunded;
    ledger.refunded += amount;
    _revokeOverpromise(token);
    emit PaymentRefunded(paymentId, payment.payer, token, amount);
    IERC20(token).safeTransfer(payment.payer, amount);
    return true;
  }

  /// @dev A refund outranks a root that is not active yet.
  function _revokeOverpromise(address token) private {
    (bool pending, PayoutRoot memory last) = _lastRoot(token);
    if (pending && last.cumulativeTotal > _unclaimedByPayers(token)) _dropLastRoot(token, last);
  }

  // ---------------------------------------------------------------- out to the earners

  /// @notice Promises payouts: leaves are keccak256(keccak256(abi.encode(account, token, cumulative))) in a sorted
  /// OpenZeppelin tree, cumulative over all roots. One root waits at a time.
  /// @param cumulativeTotal Sum over the leaves; never falls, and never exceeds what was collected.
  function postRoot(address token, bytes32 root, uint128 cumulativeTotal) external onlyRole(SETTLER_ROLE) {
    if (root == 0) revert RootMissing();
    (bool pending, PayoutRoot memory last) = _lastRoot(token);
    if (pending) revert RootPending(last.activeAt);
    if (cumulativeTotal < last.cumulativeTotal) revert TotalDecreased(last.cumulativeTotal, cumulativeTotal);
    uint256 cap = payoutCapOf(token);
    if (cumulativeTotal > cap) revert TotalAboveCollected(cap, cumulativeTotal);

    uint64 activeAt = uint64(block.timestamp) + rootDelay;
    rootsOf[token].push(PayoutRoot(root, cumulativeTotal, activeAt));
    emit RootPosted(token, root, cumulativeTotal, activeAt);
  }

  /// @notice Takes a root back before it is active.
  function revokeRoot(address token, bytes32 root) external onlyRole(GUARDIAN_ROLE) {
    (bool pending, PayoutRoot memory last) = _lastRoot(token);
    if (!pending || last.root != root) revert RootNotPending(token, root);
    _dropLastRoot(token, last);
  }

  /// @notice Pays an account what the active root gives it, less what it was paid. Anybody may call.
  function claim(address account, address token, uint128 cumulative, bytes32[] calldata proof)
    external
    nonReentrant
    returns (uint128 amount)
  {
    PayoutRoot memory active = activeRootOf(token);
    if (active.root == 0) revert NoActiveRoot(token);
    bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, token, cumulative))));
    if (!MerkleProof.verifyCalldata(proof, active.root, leaf)) revert ClaimInvalid(account, cumulative);
    uint128 claimed = claimedOf[token][account];
    if (cumulative <= claimed) revert NothingToClaim(claimed, cumulative);
    amount = cumulative - claimed;
    Ledger storage ledger = ledgerOf[token];
    uint128 left = active.cumulativeTotal - ledger.paid;
    if (amount > left) revert RootExhausted(left, amount);

    claimedOf[token][account] = cumulative;
    ledger.paid += amount;
    emit Claimed(token, account, amount, cumulative);
    IERC20(token).safeTransfer(account, amount);
  }

  // ---------------------------------------------------------------- views

  /// @notice What the vault must hold of a token: credited, and neither refunded nor paid out.
  function owedOf(address token) public view returns (uint256) {
    Ledger storage ledger = ledgerOf[token];
    return uint256(ledger.credited) - ledger.refunded - ledger.paid;
  }

  /// @notice The most a new root may promise: what was collected and what the log says was earned.
  function payoutCapOf(address token) public view returns (uint256) {
    uint256 kept = _unclaimedByPayers(token);
    uint256 anchored = settlementLog.anchoredTotal(token);
    return anchored < kept ? anchored : kept;
  }

  /// @notice The root claims are served under; all zero before the first.
  function activeRootOf(address token) public view returns (PayoutRoot memory active) {
    PayoutRoot[] storage roots = rootsOf[token];
    uint256 count = roots.length;
    if (count == 0) return active;
    active = roots[count - 1];
    if (block.timestamp >= active.activeAt) return active;
    if (count == 1) return PayoutRoot(0, 0, 0);
    return roots[count - 2];
  }

  /// @notice The root that waits to become active; all zero if none does.
  function pendingRootOf(address token) external view returns (PayoutRoot memory) {
    (bool pending, PayoutRoot memory last) = _lastRoot(token);
    return pending ? last : PayoutRoot(0, 0, 0);
  }

  /// @dev Credits that were neither refunded nor are waiting to be.
  function _unclaimedByPayers(address token) private view returns (uint256) {
    Ledger storage ledger = ledgerOf[token];
    return uint256(ledger.credited) - ledger.refunded - ledger.deferred;
  }

  function _lastRoot(address token) private view returns (bool pending, PayoutRoot memory last) {
    PayoutRoot[] storage roots = rootsOf[token];
    if (roots.length != 0) last = roots[roots.length - 1];
    pending = block.timestamp < last.activeAt;
  }

  function _dropLastRoot(address token, PayoutRoot memory last) private {
    rootsOf[token].pop();
    emit RootRevoked(token, last.root, last.cumulativeTotal);
  }
}

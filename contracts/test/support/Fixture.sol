// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Authorities } from "../../src/Governed.sol";
import { Groth16Verifier } from "../../src/Groth16Verifier.sol";
import { ModelRegistry } from "../../src/ModelRegistry.sol";
import { PaymentBatcher } from "../../src/PaymentBatcher.sol";
import { ProofLedger } from "../../src/ProofLedger.sol";
import { Authorization, PaymentKey, PayoutRoot, RevenueVault } from "../../src/RevenueVault.sol";
import { SettlementLog } from "../../src/SettlementLog.sol";
import { TeeRegistry } from "../../src/TeeRegistry.sol";
import { VerificationKeyRegistry } from "../../src/VerificationKeyRegistry.sol";
import { VerifierRouter } from "../../src/VerifierRouter.sol";
import { BatchHeader } from "../../src/libraries/BatchHeader.sol";
import { InferenceReceipt } from "../../src/libraries/InferenceReceipt.sol";
import { InclusionProof } from "../../src/libraries/MerkleSum.sol";
import { UsdcDouble } from "../../src/local/UsdcDouble.sol";
import { Shipped } from "./Shipped.sol";
import { Tree } from "./Tree.sol";

/// @notice A whole deployment on Base Sepolia's chain id, and the signatures and batches tests need.
abstract contract Fixture is Shipped {
  struct Anchored {
    BatchHeader header;
    InferenceReceipt[] receipts;
    Tree.Level[] levels;
  }

  uint256 internal constant CHAIN_ID = 84_532;
  uint64 internal constant NOW = 1_795_000_000;
  uint64 internal constant ROOT_DELAY = 1 days;
  uint256 internal constant NODE_KEY = 0xA11CE;
  uint256 internal constant PAYER_KEY = 0xB0B;

  address internal constant ADMIN = address(0xAD);
  address internal constant SETTLER = address(0x5E);
  address internal constant REGISTRAR = address(0x4E);
  address internal constant GUARDIAN = address(0x9A);
  address internal constant OPERATOR = address(0x09);
  address internal constant STRANGER = address(0x57);
  address internal constant PUBLISHER = address(0x9B);
  address internal constant TOKEN_AUTHORITY = address(0x701);

  bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
  );

  /// @dev bytes4(keccak256("haca/groth16-bn254/1")).
  bytes4 internal constant GROTH16 = 0xe59adc70;

  UsdcDouble internal usdc;
  TeeRegistry internal registry;
  VerificationKeyRegistry internal keys;
  Groth16Verifier internal verifier;
  VerifierRouter internal router;
  ProofLedger internal ledger;
  SettlementLog internal log;
  RevenueVault internal vault;
  PaymentBatcher internal batcher;
  ModelRegistry internal models;
  address internal node = vm.addr(NODE_KEY);
  address internal payer = vm.addr(PAYER_KEY);

  function setUp() public virtual {
    vm.chainId(CHAIN_ID);
    vm.warp(NOW);
    usdc = _newUsdc("USDC", TOKEN_AUTHORITY);
    registry = _newTeeRegistry(false, _authorities());
    keys = _newVerificationKeyRegistry(false);
    verifier = _newGroth16Verifier(keys);
    router = _newVerifierRouter(GROTH16, verifier, _authorities());
    models = _newModelRegistry(keys);
    ledger = _newProofLedger(registry, models, router);
    log = _newSettlementLog(false, registry, ledger, _authorities());
    vault = _newRevenueVault(log, ROOT_DELAY, _authorities());
    batcher = _newPaymentBatcher(vault);
    vm.prank(TOKEN_AUTHORITY);
    usdc.configureMinter(TOKEN_AUTHORITY, type(uint256).max);
    vm.prank(REGISTRAR);
    registry.registerKey(node, OPERATOR, 2, keccak256("image"), keccak256("evidence"), NOW - 1 hours, NOW + 30 days);
    _mint(payer, 1_000_000e6);
  }

  function _authorities() internal pure returns (Authorities memory) {
    return Authorities({ admin: ADMIN, adminDelay: 2 days, settler: SETTLER, registrar: REGISTRAR, guardian: GUARDIAN });
  }

  function _withoutGuardian() internal pure returns (Authorities memory authorities) {
    authorities = _authorities();
    authorities.guardian = address(0);
  }

  // ---------------------------------------------------------------- token

  function _mint(address to, uint256 amount) internal {
    vm.prank(TOKEN_AUTHORITY);
    usdc.mint(to, amount);
  }

  function _authorize(uint256 key, uint256 value, bytes32 nonce) internal view returns (Authorization memory) {
    return _authorizeTo(address(vault), key, value, nonce);
  }

  function _authorizeTo(address to, uint256 key, uint256 value, bytes32 nonce)
    internal
    view
    returns (Authorization memory)
  {
    uint256 validBefore = block.timestamp + 1 hours;
    bytes32 digest = _authorizationDigest(vm.addr(key), to, value, 0, validBefore, nonce);
    return Authorization(vm.addr(key), value, 0, validBefore, nonce, _sign(key, digest));
  }

  function _authorizationDigest(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce
  ) internal view returns (bytes32) {
    bytes32 structHash = keccak256(abi.encode(TRANSFER_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
    return keccak256(bytes.concat(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
  }

  function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
    return bytes.concat(r, s, bytes1(v));
  }

  /// @dev What the payer, or a front-runner, can do without the vault.
  function _submitStraightToToken(Authorization memory a) internal {
    usdc.transferWithAuthorization(a.from, address(vault), a.value, a.validAfter, a.validBefore, a.nonce, a.signature);
  }

  function _collect(uint256 value, bytes32 nonce) internal returns (bytes32 paymentId) {
    return vault.collect(address(usdc), _authorize(PAYER_KEY, value, nonce));
  }

  function _key(bytes32 nonce) internal view returns (PaymentKey memory) {
    return PaymentKey(address(usdc), payer, nonce);
  }

  // ---------------------------------------------------------------- receipts and batches

  function _receipt(bytes32 nonce, uint128 price) internal view returns (InferenceReceipt memory receipt) {
    receipt.paymentId = vault.paymentIdOf(address(usdc), payer, nonce);
    receipt.requestId = keccak256(abi.encode("haca/request/1", receipt.paymentId, bytes32(0)));
    receipt.outputHash = keccak256("output");
    receipt.node = node;
    receipt.payer = payer;
    receipt.token = address(usdc);
    receipt.price = price;
    receipt.issuedAt = uint64(block.timestamp);
    receipt.settleBy = uint64(block.timestamp) + 10 minutes;
    receipt.mode = 1;
    receipt.keyKind = 2;
  }

  function _one(InferenceReceipt memory receipt) internal pure returns (InferenceReceipt[] memory receipts) {
    receipts = new InferenceReceipt[](1);
    receipts[0] = receipt;
  }

  function _one(uint128 sum) internal pure returns (uint128[] memory sums) {
    sums = new uint128[](1);
    sums[0] = sum;
  }

  /// @dev Leaves by the text of design section 6, not by the library.
  function _leaf(SettlementLog where, bytes32 receiptHash, uint128 collected) internal view returns (bytes32) {
    return keccak256(
      bytes.concat(hex"00", bytes32(block.chainid), bytes20(address(where)), receiptHash, bytes16(collected))
    );
  }

  function _seal(SettlementLog where, InferenceReceipt[] memory receipts, uint128[] memory collected)
    internal
    view
    returns (Anchored memory batch)
  {
    bytes32[] memory leaves = new bytes32[](receipts.length);
    for (uint256 i = 0; i < receipts.length; ++i) {
      leaves[i] = _leaf(where, where.receiptHashOf(receipts[i]), collected[i]);
    }
    batch = _seal(where, Tree.build(leaves, collected));
    batch.receipts = receipts;
  }

  /// @dev The next batch of a log, over leaves made elsewhere.
  function _seal(SettlementLog where, Tree.Level[] memory levels) internal view returns (Anchored memory batch) {
    batch.levels = levels;
    (batch.header.root, batch.header.total) = Tree.root(levels);
    batch.header.prev = where.tip();
    batch.header.token = address(usdc);
    batch.header.daRef = keccak256("leaf file");
    batch.header.evidenceRoot = keccak256("evidence");
    batch.header.id = where.batchCount() + 1;
    batch.header.count = uint32(levels[0].hashes.length);
  }

  function _anchor(SettlementLog where, InferenceReceipt[] memory receipts, uint128[] memory collected)
    internal
    returns (Anchored memory batch)
  {
    batch = _seal(where, receipts, collected);
    vm.prank(SETTLER);
    where.commit(batch.header);
  }

  function _anchorOne(InferenceReceipt memory receipt, uint128 collected) internal returns (Anchored memory) {
    return _anchor(log, _one(receipt), _one(collected));
  }

  function _proof(Anchored memory batch, uint256 index) internal pure returns (InclusionProof memory) {
    return Tree.prove(batch.levels, index);
  }

  /// @dev Three receipts, of which the middle one collected nothing: promotion, both sides, and a void.
  function _anchorThree() internal returns (Anchored memory) {
    InferenceReceipt[] memory receipts = new InferenceReceipt[](3);
    uint128[] memory collected = new uint128[](3);
    for (uint256 i = 0; i < 3; ++i) {
      receipts[i] = _receipt(bytes32(i + 1), 1000);
    }
    collected[0] = 1000;
    collected[2] = 700;
    return _anchor(log, receipts, collected);
  }

  // ---------------------------------------------------------------- payouts

  /// @dev A tree of one leaf, whose root is the leaf.
  function _payoutLeaf(address account, uint128 cumulative) internal view returns (bytes32) {
    return keccak256(bytes.concat(keccak256(abi.encode(account, address(usdc), cumulative))));
  }

  function _postRoot(address account, uint128 cumulative) internal returns (bytes32 root) {
    root = _payoutLeaf(account, cumulative);
    vm.prank(SETTLER);
    vault.postRoot(address(usdc), root, cumulative);
  }
}

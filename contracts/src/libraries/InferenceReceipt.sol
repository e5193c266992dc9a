// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice What a node signs once per inference. Field meanings: design section 6; amounts in atomic token units,
/// times in unix seconds.
struct InferenceReceipt {
  bytes32 requestId;
  bytes32 offerHash;
  bytes32 modelHash;
  bytes32 requestHash;
  bytes32 outputHash;
  bytes32 evidenceId;
  bytes32 statementHash;
  bytes32 paymentId;
  address node;
  address payer;
  address token;
  uint128 price;
  uint64 policyEpoch;
  uint64 issuedAt;
  uint64 settleBy;
  uint64 seq;
  uint8 mode;
  uint8 keyKind;
}

/// @param signature r, s, v of the receipt's node over its digest; 65 bytes with low s.
struct SignedReceipt {
  InferenceReceipt receipt;
  bytes signature;
}

/// @title EIP-712 digest of an inference receipt
/// @dev EIP-712 (https://eips.ethereum.org/EIPS/eip-712); vectors in vectors/receipt/receipt-v1.json.
library Receipt {
  /// @dev The key kind of simulated hardware, which signs under a domain of its own and nowhere else.
  uint8 internal constant SIMULATED = 255;

  /// @dev The modes that promise a zero-knowledge proof.
  uint8 internal constant ZKML = 2;
  uint8 internal constant TEE_AND_ZKML = 3;

  bytes32 internal constant TYPEHASH = keccak256(
    "InferenceReceipt(bytes32 requestId,bytes32 offerHash,bytes32 modelHash,bytes32 requestHash,bytes32 outputHash,bytes32 evidenceId,bytes32 statementHash,bytes32 paymentId,address node,address payer,address token,uint128 price,uint64 policyEpoch,uint64 issuedAt,uint64 settleBy,uint64 seq,uint8 mode,uint8 keyKind)"
  );

  bytes32 private constant DOMAIN_TYPEHASH =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
  bytes32 private constant NAME = keccak256("HACA Receipt");
  bytes32 private constant SIMULATED_NAME = keccak256("HACA Simulated Receipt");
  bytes32 private constant VERSION = keccak256("1");

  /// @notice The receiptHash of design section 6: what the node signs and what a leaf commits to.
  /// @param log The SettlementLog the receipt is meant for (`verifyingContract`).
  function digest(InferenceReceipt memory receipt, uint256 chainId, address log) internal pure returns (bytes32) {
    bytes32 domain = domainSeparator(receipt.keyKind, chainId, log);
    // A struct of value types encodes exactly as EIP-712's encodeData does.
    bytes32 structHash = keccak256(abi.encode(TYPEHASH, receipt));
    return keccak256(abi.encodePacked(hex"1901", domain, structHash));
  }

  /// @notice Whether `node` signed `receiptHash`.
  /// @dev The zero address signs nothing: a recovery that fails gives it.
  function isSignedBy(address node, bytes32 receiptHash, bytes calldata signature) internal pure returns (bool) {
    (address signer,,) = ECDSA.tryRecoverCalldata(receiptHash, signature);
    return signer != address(0) && signer == node;
  }

  /// @notice Whether a receipt of this mode is to be proven.
  function promisesProof(uint8 mode) internal pure returns (bool) {
    return mode == ZKML || mode == TEE_AND_ZKML;
  }

  function domainSeparator(uint8 keyKind, uint256 chainId, address log) internal pure returns (bytes32) {
    bytes32 name = keyKind == SIMULATED ? SIMULATED_NAME : NAME;
    return keccak256(abi.encode(DOMAIN_TYPEHASH, name, VERSION, chainId, log));
  }
}

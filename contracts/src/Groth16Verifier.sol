// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { VerificationKeyRegistry } from "./VerificationKeyRegistry.sol";
import { IProofVerifier } from "./interfaces/IProofVerifier.sol";
import { VerificationKey } from "./libraries/VerificationKey.sol";

/// @title Groth16 proofs over BN254, one or many at a time
/// @notice Checks e(A, B) = e(alpha, beta) e(X, gamma) e(C, delta) with X = IC[0] + sum of signal j times IC[j+1]
/// (Jens Groth, "On the Size of Pairing-based Non-interactive Arguments", EUROCRYPT 2016, section 3.2). A proof is
/// 256 bytes: A 64, B 128, C 64, in the encodings of EIP-196 and EIP-197.
/// @dev Many proofs under one key are checked in one equation, each to the power of a coefficient of its own: 3 pairs
/// for the batch and 1 for each proof instead of 4 for each. Groups of prime order r are what makes this sound: if any
/// one equation is off, the product is 1 for one value in r of its coefficient (the small exponents test of Bellare,
/// Garay and Rabin, "Fast Batch Verification for Modular Exponentiation and Digital Signatures", EUROCRYPT 1998; for
/// pairings Ferrara, Green, Hohenberger and Pedersen, CT-RSA 2009). G1 and the target group have order r, and the
/// precompile admits nothing of the twist but its subgroup of order r. Coefficients are the hash of the key's id, all
/// signals and all proofs, hence known only once everything they weigh is fixed (Fiat-Shamir); the first is 1, which is
/// as good, because what matters is their ratio. Trying T batches succeeds with probability about T / 2^254.
///
/// Strict: every signal is below r, or two encodings would name one statement. A and C are checked here: coordinates
/// below p, on the curve (whose order is r, so there is no subgroup to leave), and not at infinity, where an honest
/// proof's are never. B goes into the pairing as it came, and that fails for coordinates not below p, off the twist or
/// outside the subgroup of order r (EIP-197); a failure makes the answer false. It also burns the gas the precompile
/// was given, so check off chain first. Proofs are malleable by design: anybody can turn one into another of the same
/// statement. Nothing may hang on a proof's bytes.
contract Groth16Verifier is IProofVerifier, Deployed {
  uint256 private constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
  uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

  uint256 public constant PROOF_BYTES = 256;

  // Offsets in the frame, see below, and in the key: those of VerificationKey, as literals because assembly takes no
  // other constants.
  uint256 private constant KEY = 192;
  uint256 private constant SUMS = 800; // and 64 n: the key ends at 775 + 64 n
  uint256 private constant ALPHA = 71;
  uint256 private constant BETA = 135;
  uint256 private constant GAMMA = 263;
  uint256 private constant DELTA = 391;
  uint256 private constant IC = 519;

  VerificationKeyRegistry public immutable keys;

  constructor(VerificationKeyRegistry keys_) {
    keys = keys_;
  }

  /// @inheritdoc IProofVerifier
  function verify(bytes32 vkId, uint256[] calldata signals, bytes calldata proofs) external view returns (bool) {
    (address store, uint256 n) = keys.storeOf(vkId);
    uint256 count = proofs.length / PROOF_BYTES;
    if (count == 0 || proofs.length != count * PROOF_BYTES || signals.length != count * n) return false;
    uint256 seed = count == 1 ? 0 : uint256(keccak256(abi.encodePacked(vkId, signals, proofs)));
    uint256 frame = _loadKey(store, VerificationKey.length(n));
    (uint256 signalsAt, uint256 proofsAt) = (_offset(signals), _offset(proofs));
    return _weigh(n, count, seed, signalsAt, proofsAt, frame) && _pair(frame, n, count);
  }

  function _offset(uint256[] calldata list) private pure returns (uint256 at) {
    assembly ("memory-safe") {
      at := list.offset
    }
  }

  function _offset(bytes calldata list) private pure returns (uint256 at) {
    assembly ("memory-safe") {
      at := list.offset
    }
  }

  // Both halves work above the free memory pointer, in one frame of which nothing outlives the call:
  //   at   0   192                 work: the input of ECMUL and ECADD, and from 128 on a point
  //   at 192   519 + 64 (n + 1)    the key
  //   SUMS     32 (n + 1)          S[0] = sum of coefficients, S[j+1] = sum of coefficient times signal j
  //   PAIRS    192 (count + 3)     the input of the pairing: (-A, B) of each proof, (alpha, beta), (X, gamma), (C, delta)

  function _loadKey(address store, uint256 keyBytes) private view returns (uint256 frame) {
    assembly ("memory-safe") {
      frame := mload(64)
      extcodecopy(store, add(frame, KEY), 1, keyBytes)
    }
  }

  /// @dev Checks signals and points, and fills in the sums, the pairs (-A, B) and C.
  /// @param signal Where the signals lie in calldata.
  /// @param proof Where the proofs lie in calldata.
  function _weigh(uint256 n, uint256 count, uint256 seed, uint256 signal, uint256 proof, uint256 frame)
    private
    view
    returns (bool ok)
  {
    assembly ("memory-safe") {
      // Below the modulus and y^2 = x^3 + 3; false at infinity, which is written 0, 0.
      function isOnCurve(point) -> yes {
        let x := mload(point)
        let y := mload(add(point, 32))
        yes := eq(mulmod(y, y, P), addmod(mulmod(mulmod(x, x, P), x, P), 3, P))
        yes := and(yes, and(lt(x, P), lt(y, P)))
      }
      function coefficient(seed_, i) -> c {
        c := 1
        if i {
          mstore(0, seed_)
          mstore(32, i)
          c := mod(keccak256(0, 64), R)
        }
      }
      // sums += c times (1, signals); false unless every signal is below R.
      function addSignals(sums, from, n_, c) -> yes {
        yes := 1
        mstore(sums, addmod(mload(sums), c, R))
        for { let j := 0 } lt(j, n_) { j := add(j, 1) } {
          sums := add(sums, 32)
          let s := calldataload(add(from, mul(32, j)))
          yes := and(yes, lt(s, R))
          mstore(sums, addmod(mload(sums), mulmod(c, s, R), R))
        }
      }
      // point times scalar, in place
      function multiply(work, point, scalar) -> yes {
        mcopy(work, point, 64)
        mstore(add(work, 64), scalar)
        yes := staticcall(gas(), 7, work, 96, point, 64)
      }

      let sums := add(frame, add(SUMS, mul(64, n)))
      calldatacopy(sums, calldatasize(), mul(32, add(n, 1)))
      let pair := add(sums, mul(32, add(n, 1)))
      let sumC := add(add(pair, mul(192, count)), 384)
      ok := 1
      for { let i := 0 } and(ok, lt(i, count)) { i := add(i, 1) } {
        let c := coefficient(seed, i)
        let point := add(frame, 128)
        calldatacopy(pair, proof, 192)
        calldatacopy(point, add(proof, 192), 64)
        ok := addSignals(sums, signal, n, c)
        ok := and(ok, and(isOnCurve(pair), isOnCurve(point)))
        if iszero(ok) { break }
        switch i
        case 0 {
          mstore(add(pair, 32), sub(P, mload(add(pair, 32))))
          mcopy(sumC, point, 64)
        }
        default {
          ok := and(multiply(frame, pair, sub(R, c)), multiply(frame, point, c))
          mcopy(frame, sumC, 64)
          mcopy(add(frame, 64), point, 64)
          ok := and(ok, staticcall(gas(), 6, frame, 128, sumC, 64))
        }
        pair := add(pair, 192)
        proof := add(proof, PROOF_BYTES)
        signal := add(signal, mul(32, n))
      }
    }
  }

  /// @dev Fills in the last three pairs, and pairs. With one proof S[0] is 1.
  function _pair(uint256 frame, uint256 n, uint256 count) private view returns (bool holds) {
    assembly ("memory-safe") {
      // to = point times scalar; to may be point
      function multiply(work, to, point, scalar) -> yes {
        mcopy(work, point, 64)
        mstore(add(work, 64), scalar)
        yes := staticcall(gas(), 7, work, 96, to, 64)
      }

      let key := add(frame, KEY)
      let sum := add(frame, add(SUMS, mul(64, n)))
      let pairs := add(sum, mul(32, add(n, 1)))
      let last := add(pairs, mul(192, count))
      let x := add(last, 192)
      mcopy(last, add(key, ALPHA), 64)
      mcopy(add(last, 64), add(key, BETA), 128)
      mcopy(x, add(key, IC), 64)
      mcopy(add(x, 64), add(key, GAMMA), 128)
      mcopy(add(last, 448), add(key, DELTA), 128)

      let ok := 1
      if gt(count, 1) { ok := and(multiply(frame, last, last, mload(sum)), multiply(frame, x, x, mload(sum))) }
      let point := add(frame, 128)
      for { let j := 1 } iszero(gt(j, n)) { j := add(j, 1) } {
        sum := add(sum, 32)
        ok := and(ok, multiply(frame, point, add(key, add(IC, mul(64, j))), mload(sum)))
        mcopy(frame, x, 64)
        mcopy(add(frame, 64), point, 64)
        ok := and(ok, staticcall(gas(), 6, frame, 128, x, 64))
      }
      ok := and(ok, staticcall(gas(), 8, pairs, mul(192, add(count, 3)), 0, 32))
      holds := and(ok, eq(mload(0), 1))
    }
  }
}

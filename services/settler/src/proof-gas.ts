/**
 * Gas of showing proofs to the ledger, some thirty per cent above what contracts/test/Gas.t.sol measures: 312,000 for one
 * proof of 4 signals and 105,000 each for many; a signal more costs 7,400 once (a multiplication on the curve), and 810 in
 * every proof. Out of gas is a revert, and a proof that never fits its limit is never accepted.
 */
const fixed = 400_000n
const each = 220_000n
const signalOnce = 8_000n
const signalEach = 1_000n

/** Below what one transaction of Base may take (EIP-7825). */
const most = 16_000_000n

/** Most proofs in one transaction: at 32 one costs 67,000 gas to verify, a fifth of what it costs alone, and a block has room for much else. */
const proofsMost = 32

/** Gas limit for so many proofs of one circuit. */
export const proofGas = (proofs: number, signals: number): bigint => fixed + signalOnce * BigInt(signals) + (each + signalEach * BigInt(signals)) * BigInt(proofs)

/** How many proofs of a circuit with so many signals go into one transaction; at least one. */
export function proofsAtOnce(signals: number): number {
  const fit = (most - proofGas(0, signals)) / (each + signalEach * BigInt(signals))
  return Math.max(1, Math.min(proofsMost, Number(fit)))
}

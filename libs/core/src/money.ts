import { AppError } from './errors.js'

/** An amount of a token in its smallest unit (1 USDC = 1,000,000). Never a float. */
export type Atomic = bigint

/** Largest amount a receipt, a leaf or a credit can hold. */
export const max: Atomic = (1n << 128n) - 1n

/** Reads a decimal uint128 as x402 writes amounts. Throws `money.malformed`. */
export function parse(text: string): Atomic {
  if (!/^(0|[1-9][0-9]{0,38})$/.test(text)) throw new AppError('money.malformed', { detail: 'expected a decimal integer in atomic units' })
  const amount = BigInt(text)
  if (amount > max) throw new AppError('money.malformed', { detail: 'amount exceeds uint128' })
  return amount
}

/** Atomic units as a person reads them: `format(1500n, 6)` is `0.0015`. */
export function format(amount: Atomic, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return digits.slice(0, digits.length - decimals) + (fraction ? `.${fraction}` : '')
}

export const least = (a: Atomic, b: Atomic): Atomic => (a < b ? a : b)

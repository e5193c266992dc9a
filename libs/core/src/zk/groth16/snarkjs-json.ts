import type { G1, G2 } from './point.js'

/** What snarkjs writes: numbers as decimal text, points in projective coordinates with z = 1. */

const decimal = (value: unknown): bigint | undefined => (typeof value === 'string' && value.length <= 78 && /^(?:0|[1-9]\d*)$/.test(value) ? BigInt(value) : undefined)

/** A list of decimal numbers of exactly this length. */
export function decimals(value: unknown, length?: number): bigint[] | undefined {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return undefined
  const numbers = value.map(decimal)
  return numbers.some((number) => number === undefined) ? undefined : (numbers as bigint[])
}

export function readG1(value: unknown): G1 | undefined {
  const [x, y, z] = decimals(value, 3) ?? []
  return x !== undefined && y !== undefined && z === 1n ? { x, y } : undefined
}

export function readG2(value: unknown): G2 | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined
  const [x, y, z] = value.map((part) => decimals(part, 2))
  if (!x || !y || !z || z[0] !== 1n || z[1] !== 0n) return undefined
  return { x: { c0: x[0]!, c1: x[1]! }, y: { c0: y[0]!, c1: y[1]! } }
}

export const writeG1 = ({ x, y }: G1): string[] => [String(x), String(y), '1']

export const writeG2 = ({ x, y }: G2): string[][] => [[String(x.c0), String(x.c1)], [String(y.c0), String(y.c1)], ['1', '0']]

/** Fields of an object, with the protocol and curve that are ours; undefined for anything else. */
export function groth16Object(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = value as Record<string, unknown>
  return fields['protocol'] === 'groth16' && (fields['curve'] === 'bn128' || fields['curve'] === 'bn254') ? fields : undefined
}

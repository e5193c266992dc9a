import type { Fp2 } from '@noble/curves/abstract/tower.js'
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js'
import { bn254 } from '@noble/curves/bn254.js'
import { accept, refuse, type Verdict } from '../../verdict.js'
import { word } from '../../abi.js'

/** A point of G1 by its affine coordinates; never infinity. */
export interface G1 {
  x: bigint
  y: bigint
}

/** A point of G2; coordinates are c0 + c1·u. */
export interface G2 {
  x: { c0: bigint; c1: bigint }
  y: { c0: bigint; c1: bigint }
}

export type G1Point = WeierstrassPoint<bigint>
export type G2Point = WeierstrassPoint<Fp2>

/** Why bytes or numbers are no point that counts. */
export type PointReason = 'length' | 'not-canonical' | 'infinity' | 'not-on-curve' | 'not-in-subgroup'

export const G1_BYTES = 64
export const G2_BYTES = 128

const q = bn254.fields.Fp.ORDER

/** Coordinates in EVM precompile order: x, y, big-endian (EIP-196). */
export const encodeG1 = ({ x, y }: G1): Uint8Array => words([x, y])

/** Coordinates in EVM precompile order: x.c1, x.c0, y.c1, y.c0, big-endian (EIP-197). */
export const encodeG2 = ({ x, y }: G2): Uint8Array => words([x.c1, x.c0, y.c1, y.c0])

export function decodeG1(bytes: Uint8Array, field: string): Verdict<G1, PointReason> {
  if (bytes.length !== G1_BYTES) return refuse('length', `${bytes.length} bytes, and a point of G1 has ${G1_BYTES}`, field)
  const [x, y] = numbers(bytes) as [bigint, bigint]
  return checkG1({ x, y }, field)
}

export function decodeG2(bytes: Uint8Array, field: string): Verdict<G2, PointReason> {
  if (bytes.length !== G2_BYTES) return refuse('length', `${bytes.length} bytes, and a point of G2 has ${G2_BYTES}`, field)
  const [x1, x0, y1, y0] = numbers(bytes) as [bigint, bigint, bigint, bigint]
  return checkG2({ x: { c0: x0, c1: x1 }, y: { c0: y0, c1: y1 } }, field)
}

/** Whether coordinates are canonical and a point other than infinity. G1 has no smaller subgroup. */
export function checkG1(point: G1, field: string): Verdict<G1, PointReason> {
  if (![point.x, point.y].every(isCanonical)) return refuse('not-canonical', 'a coordinate is not below the field’s prime', field)
  if (point.x === 0n && point.y === 0n) return refuse('infinity', undefined, field)
  return isOnCurve(() => pointG1(point).assertValidity()) ? accept(point) : refuse('not-on-curve', undefined, field)
}

/** The same for G2, whose curve also has points of other orders. */
export function checkG2(point: G2, field: string): Verdict<G2, PointReason> {
  const { x, y } = point
  if (![x.c0, x.c1, y.c0, y.c1].every(isCanonical)) return refuse('not-canonical', 'a coordinate is not below the field’s prime', field)
  if (x.c0 === 0n && x.c1 === 0n && y.c0 === 0n && y.c1 === 0n) return refuse('infinity', undefined, field)
  const { Fp2 } = bn254.fields
  const b = bn254.G2.Point.CURVE().b
  if (!Fp2.eql(Fp2.sqr(y), Fp2.add(Fp2.mul(Fp2.sqr(x), x), b))) return refuse('not-on-curve', undefined, field)
  return pointG2(point).isTorsionFree() ? accept(point) : refuse('not-in-subgroup', undefined, field)
}

export const pointG1 = (point: G1): G1Point => bn254.G1.Point.fromAffine(point)
export const pointG2 = (point: G2): G2Point => bn254.G2.Point.fromAffine(point)

export const equalG2 = (a: G2, b: G2): boolean => a.x.c0 === b.x.c0 && a.x.c1 === b.x.c1 && a.y.c0 === b.y.c0 && a.y.c1 === b.y.c1

export const negateG2 = ({ x, y }: G2): G2 => ({ x, y: { c0: (q - y.c0) % q, c1: (q - y.c1) % q } })

const isCanonical = (value: bigint): boolean => value >= 0n && value < q

function isOnCurve(assertion: () => void): boolean {
  try {
    assertion()
    return true
  } catch {
    return false
  }
}

function words(values: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(values.length * 32)
  for (const [i, value] of values.entries()) out.set(word(value), 32 * i)
  return out
}

/** 32-byte big-endian words. */
export function numbers(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 32 }, (_, i) => {
    let value = 0n
    for (let limb = 0; limb < 4; limb++) value = (value << 64n) | view.getBigUint64(32 * i + 8 * limb)
    return value
  })
}

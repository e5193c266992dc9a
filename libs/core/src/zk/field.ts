/** The scalar field of BN254 (EIP-197's group order): every wire of a circuit is an integer below `r`. */
export const r = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

/** Bytes of one field element in every file format we write. */
export const FIELD_BYTES = 32

/** The representative of an integer in 0..r-1. */
export const mod = (value: bigint): bigint => {
  const rest = value % r
  return rest < 0n ? rest + r : rest
}

/** The inverse of a non-zero element, by the extended Euclidean algorithm. */
export function inverse(value: bigint): bigint {
  let [a, b] = [mod(value), r]
  let [x, y] = [1n, 0n]
  if (a === 0n) throw new RangeError('zero has no inverse')
  while (b !== 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  return mod(x)
}

/** Little-endian 32 bytes of an element at an offset. */
export function write(view: DataView, offset: number, element: bigint): void {
  for (let limb = 0; limb < 4; limb++) view.setBigUint64(offset + 8 * limb, (element >> BigInt(64 * limb)) & 0xffff_ffff_ffff_ffffn, true)
}

/** The element of 32 little-endian bytes at an offset; not reduced. */
export function read(view: DataView, offset: number): bigint {
  let element = 0n
  for (let limb = 3; limb >= 0; limb--) element = (element << 64n) | view.getBigUint64(offset + 8 * limb, true)
  return element
}

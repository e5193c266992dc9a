import { AppError } from '@haca/core'
import { open } from 'node:fs/promises'

/** What a proving key's headers say of its size. */
export interface ZkeyShape {
  bytes: number
  wires: number
  domain: number
  coefficients: number
}

const COEFFICIENT_BYTES = 44
const SECTIONS_MAX = 64

/** Reads a `.zkey` file's headers, and not the file. Rejects with `prover.key-invalid`, or with `prover.key-missing` where there is none to read. */
export async function zkeyShape(path: string): Promise<ZkeyShape> {
  const file = await open(path).catch((cause: unknown) => {
    throw new AppError('prover.key-missing', { retryable: true, detail: 'the key cannot be opened', cause })
  })
  try {
    const { size } = await file.stat()
    const at = async (position: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
      if (bytesRead !== length) throw invalid('the key is cut off')
      return buffer
    }
    const head = await at(0, 12)
    const count = head.readUInt32LE(8)
    if (head.toString('latin1', 0, 4) !== 'zkey' || count > SECTIONS_MAX) throw invalid('not a .zkey file')
    const shape = { bytes: size, wires: 0, domain: 0, coefficients: 0 }
    let position = 12
    for (let i = 0; i < count; i++) {
      const section = await at(position, 12)
      const length = Number(section.readBigUInt64LE(4))
      if (position + 12 + length > size) throw invalid('a section is longer than the key')
      if (section.readUInt32LE(0) === 2) {
        const sizes = await at(position + 12 + 72, 12)
        shape.wires = sizes.readUInt32LE(0)
        shape.domain = sizes.readUInt32LE(8)
      } else if (section.readUInt32LE(0) === 4) shape.coefficients = Math.floor((length - 4) / COEFFICIENT_BYTES)
      position += 12 + length
    }
    if (shape.wires === 0 || shape.domain === 0) throw invalid('the key has no header')
    return shape
  } finally {
    await file.close()
  }
}

/**
 * Most resident bytes of the Rust engine with a key: its mapped points, rows over distinct coefficients, one table and five
 * vectors of the domain, the witness twice, and each thread's buckets.
 */
export const engineBytes = ({ bytes, wires, domain, coefficients }: ZkeyShape, threads: number): number =>
  8 * MIB + (bytes - coefficients * COEFFICIENT_BYTES) + 8 * coefficients + 8 * domain + 6 * 32 * domain + 4 * 32 * wires + threads * 8 * MIB

/** Most resident bytes of snarkjs with a key, by measurement: its WebAssembly memories, and some eight copies of the key. */
export const snarkjsBytes = ({ bytes }: ZkeyShape): number => 400 * MIB + 8 * bytes

const MIB = 1 << 20

const invalid = (detail: string): AppError => new AppError('prover.key-invalid', { detail })

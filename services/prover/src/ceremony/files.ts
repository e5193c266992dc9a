import { AppError } from '@haca/core'
import { Ceremony } from '@haca/core/zk'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'

const digest = async (algorithm: 'sha256' | 'blake2b512', path: string): Promise<string> => {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export const sha256File = (path: string): Promise<string> => digest('sha256', path)
export const blake2bFile = (path: string): Promise<string> => digest('blake2b512', path)

/** Number of constraints by an `.r1cs` file's header. */
export async function constraintsOf(path: string): Promise<number> {
  // Sections stand in any order; ours and circom's begin with the header, and a file that does not is not one of these.
  const bytes = await start(path, 88)
  if (bytes.toString('latin1', 0, 4) !== 'r1cs' || bytes.readUInt32LE(12) !== 1) throw new AppError('ceremony.circuit-malformed', { detail: path })
  return bytes.readUInt32LE(24 + 60)
}

/**
 * What a phase-1 file is. A file that is not pinned is refused, unless a test says aloud that it is one: it is never
 * downloaded, and never generated on the way.
 */
export async function phase1Of(path: string, { acceptTest = false } = {}): Promise<Ceremony.Phase1> {
  const blake2b = await blake2bFile(path)
  const power = Object.keys(Ceremony.PERPETUAL_POWERS_OF_TAU).find((key) => Ceremony.PERPETUAL_POWERS_OF_TAU[Number(key)] === blake2b)
  if (power !== undefined) return { kind: 'perpetual', power: Number(power), blake2b }
  if (!acceptTest) throw new AppError('ceremony.phase-1-unknown', { detail: `blake2b ${blake2b} is none of the pinned files` })
  return { kind: 'test', power: await powerOf(path), blake2b }
}

async function powerOf(path: string): Promise<number> {
  const bytes = await start(path, 68)
  if (bytes.toString('latin1', 0, 4) !== 'ptau' || bytes.readUInt32LE(12) !== 1) throw new AppError('ceremony.phase-1-malformed', { detail: path })
  return bytes.readUInt32LE(24 + 36)
}

/** A file's first bytes; zeros where it is shorter. */
async function start(path: string, length: number): Promise<Buffer> {
  const file = await open(path)
  try {
    return (await file.read(Buffer.alloc(length), 0, length, 0)).buffer
  } finally {
    await file.close()
  }
}

import { AppError } from '@haca/core'
import { Groth16, type IdentifiedCircuit } from '@haca/core/zk'
import { readCircuitFile } from '@haca/platform/circuits'
import type { Blobs } from '@haca/platform/blobs'
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Circuit } from '../proving/index.js'

/** Proving keys on this machine's disk, fetched from the object store by digest; the engine maps them from there. */
export class KeyFiles {
  readonly #fetching = new Map<string, Promise<Circuit>>()

  constructor(
    readonly folder: string,
    readonly blobs: Blobs,
  ) {}

  /** Path of a circuit's key, whole and checked. Concurrent callers fetch it once, and again when it was lost since. */
  async of(circuit: IdentifiedCircuit): Promise<Circuit> {
    const known = this.#fetching.get(circuit.vkId)
    if (known && (await sizeOf((await known).zkey)) === circuit.files.zkey.bytes) return known
    let fetching = this.#fetching.get(circuit.vkId)
    if (!fetching || fetching === known) {
      fetching = this.#fetch(circuit)
      this.#fetching.set(circuit.vkId, fetching)
      fetching.catch(() => this.#fetching.delete(circuit.vkId))
    }
    return fetching
  }

  /**
   * Read whole once a process, for a machine that lost power may have put a file in place without its bytes. Under such a key
   * no proof can be made, and that would be held against the receipts.
   */
  async #fetch(circuit: IdentifiedCircuit): Promise<Circuit> {
    const { sha256, bytes: size } = circuit.files.zkey
    const zkey = join(this.folder, `${sha256}.zkey`)
    if ((await sizeOf(zkey)) !== size || (await digestOf(zkey)) !== sha256) {
      const bytes = await readCircuitFile(this.blobs, circuit, 'zkey')
      requireLabel(circuit, bytes)
      await mkdir(this.folder, { recursive: true })
      const partial = `${zkey}.${randomUUID()}`
      await writeFile(partial, bytes)
      await rename(partial, zkey)
    }
    return { id: circuit.vkId, zkey }
  }
}

const sizeOf = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.size

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** A key registered as a ceremony's must have been through one: the file carries its own mark. Throws `prover.key-invalid`. */
function requireLabel({ vkId, registered }: IdentifiedCircuit, zkey: Uint8Array): void {
  if (registered.setup.kind !== 'ceremony') return
  const { label } = Groth16.readZkey(zkey)
  if (label !== 'ceremony') throw new AppError('prover.key-invalid', { detail: `the key of ${vkId} is registered as a ceremony's, and its file is marked ${label}` })
}

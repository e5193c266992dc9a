import { AppError } from '@haca/core'
import { Groth16, type IdentifiedCircuit } from '@haca/core/zk'
import { readCircuitFile } from '@haca/platform/circuits'
import type { Blobs } from '@haca/platform/blobs'
import { randomUUID } from 'node:crypto'
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

  /** Path of a circuit's key, whole and checked. Concurrent callers fetch it once. */
  async of(circuit: IdentifiedCircuit): Promise<Circuit> {
    let fetching = this.#fetching.get(circuit.vkId)
    if (!fetching) {
      fetching = this.#fetch(circuit)
      this.#fetching.set(circuit.vkId, fetching)
      fetching.catch(() => this.#fetching.delete(circuit.vkId))
    }
    return fetching
  }

  async #fetch(circuit: IdentifiedCircuit): Promise<Circuit> {
    const { sha256, bytes: size } = circuit.files.zkey
    const zkey = join(this.folder, `${sha256}.zkey`)
    // Put in place whole by its rename; what a proof rests on is checked again by verifying it.
    const there = await stat(zkey).catch(() => undefined)
    if (there?.size !== size) {
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

/** A key registered as a ceremony's must have been through one: the file carries its own mark. Throws `prover.key-invalid`. */
function requireLabel({ vkId, registered }: IdentifiedCircuit, zkey: Uint8Array): void {
  const { label } = Groth16.readZkey(zkey)
  if (registered.setup.kind === 'ceremony' && label !== 'ceremony') throw new AppError('prover.key-invalid', { detail: `the key of ${vkId} is registered as a ceremony's, and its file is marked ${label}` })
}

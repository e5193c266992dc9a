import { modelRegistryAbi } from '@haca/contracts'
import { AppError, Digest, Hex } from '@haca/core'
import { decodeForm, decodeProgram, readCircuit, type IdentifiedCircuit, type Program, type PublishedCircuit, type StatementForm } from '@haca/core/zk'
import type { Blobs } from '../blobs/index.js'
import type { Chain } from '../chain/index.js'
import type { Logger } from '../log/index.js'

export const circuitKey = (vkId: Hex.Hex): string => `circuits/${vkId.slice(2)}`
export const circuitFileKey = (sha256: string): string => `circuits/files/${sha256}`

/** A circuit's record by its verification-key id; absent when none is stored. Throws `circuit.malformed` for one that is not what its id says. */
export async function readPublished(blobs: Blobs, vkId: Hex.Hex): Promise<IdentifiedCircuit | undefined> {
  const bytes = await blobs.get(circuitKey(vkId))
  if (!bytes) return undefined
  const circuit = readCircuit(bytes)
  if (circuit.vkId !== vkId) throw new AppError('circuit.malformed', { detail: 'the stored key has another id' })
  return circuit
}

/** A file of a circuit, which must be what its digest says. */
export async function readCircuitFile(blobs: Blobs, circuit: PublishedCircuit, name: keyof PublishedCircuit['files']): Promise<Uint8Array> {
  const { sha256 } = circuit.files[name]
  const bytes = await blobs.get(circuitFileKey(sha256))
  if (!bytes) throw new AppError('circuit.file-missing', { retryable: true, detail: `${name} ${sha256} is not in the object store` })
  if (Digest.content(bytes) !== `0x${sha256}`) throw new AppError('circuit.malformed', { detail: `${name} has another digest than its record says` })
  return bytes
}

export interface CircuitsOptions {
  chain: Chain
  modelRegistry: Hex.Hex
  blobs: Blobs
  /** Whether keys whose secrets one process knew may count, which only development allows. */
  devAllowed: boolean
  logger: Logger
  now(): number
}

const askAgainMs = 2_000

/**
 * Which circuit proves a model: the chain binds model to verification key, for ever; the object store has the rest under
 * digests. What a model is not bound to yet is asked again after two seconds.
 */
export class Circuits {
  readonly #bound = new Map<Hex.Hex, IdentifiedCircuit>()
  readonly #unbound = new Map<Hex.Hex, number>()
  readonly #programs = new Map<Hex.Hex, Promise<Program>>()

  constructor(readonly options: CircuitsOptions) {}

  /** The circuit a model is bound to; absent when there is none that may count here. Rejects when the chain cannot be asked. */
  async of(modelHash: Hex.Hex): Promise<IdentifiedCircuit | undefined> {
    const known = this.#bound.get(modelHash)
    if (known) return known
    const { chain, modelRegistry, blobs, now } = this.options
    if (now() - (this.#unbound.get(modelHash) ?? -Infinity) < askAgainMs) return undefined
    const vkId = await chain.readContract({ address: modelRegistry, abi: modelRegistryAbi, functionName: 'circuitOf', args: [modelHash] }).catch((cause: unknown) => {
      throw new AppError('registry.unreachable', { retryable: true, cause })
    })
    const circuit = vkId === Hex.zero32 ? undefined : await readPublished(blobs, vkId)
    if (!circuit || !this.#counts(circuit, modelHash)) {
      this.#unbound.set(modelHash, now())
      return undefined
    }
    this.#bound.set(modelHash, circuit)
    return circuit
  }

  /** A circuit's witness program, decoded once. */
  program(circuit: IdentifiedCircuit): Promise<Program> {
    let program = this.#programs.get(circuit.vkId)
    if (!program) {
      program = readCircuitFile(this.options.blobs, circuit, 'program').then(decodeProgram)
      this.#programs.set(circuit.vkId, program)
      program.catch(() => this.#programs.delete(circuit.vkId))
    }
    return program
  }

  async form(circuit: IdentifiedCircuit): Promise<StatementForm> {
    return decodeForm(await readCircuitFile(this.options.blobs, circuit, 'form'))
  }

  #counts(circuit: IdentifiedCircuit, modelHash: Hex.Hex): boolean {
    const { devAllowed, logger } = this.options
    if (circuit.modelHash !== modelHash) logger.error({ alarm: 'circuit-of-another-model', modelHash, vkId: circuit.vkId }, 'the circuit a model is bound to says it is of another model')
    else if (circuit.registered.setup.kind === 'dev' && !devAllowed) logger.error({ alarm: 'dev-key', modelHash, vkId: circuit.vkId }, 'a development key proves nothing here')
    else return true
    return false
  }
}

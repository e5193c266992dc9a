import { AppError } from '../errors.js'
import * as Hex from '../hex.js'
import { decodeRegisteredKey, registeredKeyId, type RegisteredKey } from './groth16/registered-key.js'

/** A file of a circuit in the object store, under its SHA-256. */
export interface CircuitFile {
  sha256: string
  bytes: number
}

/**
 * What a publisher says of a circuit, by verification-key id: its key, its files and what proving costs. The key proves
 * itself by its hash, and so does every file; that key and files belong together is proven by every proof that holds.
 */
export interface PublishedCircuit {
  v: 1
  /** SHA-256 of the model's manifest. */
  modelHash: Hex.Hex
  /** The registered key's bytes. */
  key: Hex.Hex
  constraints: number
  wires: number
  /** Witness program, form of the statement, proving key, constraints, and the compiler's manifest. */
  files: Record<'program' | 'form' | 'zkey' | 'r1cs' | 'manifest', CircuitFile>
}

/** A published circuit with what its bytes prove. */
export interface IdentifiedCircuit extends PublishedCircuit {
  vkId: Hex.Hex
  registered: RegisteredKey
}

export const encodeCircuit = (circuit: PublishedCircuit): Uint8Array => new TextEncoder().encode(JSON.stringify(circuit))

/** Reads a circuit's record. Throws `circuit.malformed` naming the field. */
export function readCircuit(bytes: Uint8Array): IdentifiedCircuit {
  let source: PublishedCircuit
  try {
    source = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as PublishedCircuit
  } catch (cause) {
    throw new AppError('circuit.malformed', { detail: 'the record is not UTF-8 JSON', cause })
  }
  demand(source.v === 1, 'v')
  demand(Hex.is(source.modelHash, 32), 'modelHash')
  demand(typeof source.key === 'string' && /^0x(?:[0-9a-f]{2})+$/.test(source.key), 'key')
  for (const field of ['constraints', 'wires'] as const) demand(Number.isInteger(source[field]) && source[field] > 0 && source[field] < 2 ** 28, field)
  for (const file of ['program', 'form', 'zkey', 'r1cs', 'manifest'] as const) {
    const { sha256, bytes: size } = source.files?.[file] ?? {}
    demand(/^[0-9a-f]{64}$/.test(sha256 ?? '') && Number.isInteger(size) && (size as number) > 0, `files.${file}`)
  }
  const key = Hex.toBytes(source.key)
  const registered = decodeRegisteredKey(key)
  if (!registered.ok) throw new AppError('circuit.malformed', { detail: `key: ${registered.reason}` })
  return { ...source, vkId: registeredKeyId(key), registered: registered.value }
}

function demand(condition: boolean, field: string): asserts condition {
  if (!condition) throw new AppError('circuit.malformed', { detail: `circuit field ${field} is missing or malformed` })
}

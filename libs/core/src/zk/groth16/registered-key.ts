import { keccak_256 } from '@noble/hashes/sha3.js'
import * as Abi from '../../abi.js'
import * as Hex from '../../hex.js'
import { accept, refuse, type Verdict } from '../../verdict.js'
import { decodeKey, encodeKey, type KeyReason, type VerificationKey } from './verification-key.js'

/** Who took part in making a key's secrets, which whoever knows them all can use to forge. */
export type Setup =
  /** One process knew them: development only. */
  | { kind: 'dev' }
  /** Several parties, of whom one honest one is enough, closed by a beacon; `transcript` is the SHA-256 of what they published. */
  | { kind: 'ceremony'; contributors: number; beacon: Hex.Hex; transcript: Hex.Hex }

/** A key as `VerificationKeyRegistry` takes it. */
export interface RegisteredKey {
  setup: Setup
  key: VerificationKey
}

const text = new TextEncoder()
const format = keccak_256(text.encode('haca/groth16-bn254/1')).subarray(0, 4)
const headerBytes = 4 + 1 + 2 + 32 + 32

/** format:4 ‖ kind:1 ‖ contributors:2 ‖ beacon:32 ‖ transcript:32 ‖ the key's bytes; see contracts/src/libraries/VerificationKey.sol. */
export function encodeRegisteredKey({ setup, key }: RegisteredKey): Uint8Array {
  const label =
    setup.kind === 'dev'
      ? [Uint8Array.of(0), Abi.uint(0, 2), new Uint8Array(64)]
      : [Uint8Array.of(1), Abi.uint(setup.contributors, 2), Hex.toBytes(setup.beacon, 32), Hex.toBytes(setup.transcript, 32)]
  return Abi.concat([format, ...label, encodeKey(key)])
}

/** What `ModelRegistry.circuitOf` answers and a zkml receipt names as its `evidenceId`: the trust label is part of it. */
export const registeredKeyId = (bytes: Uint8Array): Hex.Hex => Hex.fromBytes(keccak_256(bytes))

/** Reads a registered key's bytes; a label that is neither kind's is refused, as the registry refuses it. */
export function decodeRegisteredKey(bytes: Uint8Array): Verdict<RegisteredKey, KeyReason | 'format' | 'setup'> {
  if (bytes.length < headerBytes || !format.every((byte, i) => bytes[i] === byte)) return refuse('format', 'not a Groth16 key of this format', 'key')
  const setup = readSetup(bytes)
  if (!setup) return refuse('setup', 'the trust label is neither a development one nor that of a ceremony', 'setup')
  const key = decodeKey(bytes.subarray(headerBytes))
  return key.ok ? accept({ setup, key: key.value }) : key
}

function readSetup(bytes: Uint8Array): Setup | undefined {
  const contributors = ((bytes[5] as number) << 8) | (bytes[6] as number)
  const [beacon, transcript] = [Hex.fromBytes(bytes.subarray(7, 39)), Hex.fromBytes(bytes.subarray(39, 71))]
  if (bytes[4] === 0) return contributors === 0 && beacon === Hex.zero32 && transcript === Hex.zero32 ? { kind: 'dev' } : undefined
  if (bytes[4] !== 1 || contributors < contributorsMin || beacon === Hex.zero32 || transcript === Hex.zero32) return undefined
  return { kind: 'ceremony', contributors, beacon, transcript }
}

/** Fewest contributions that make a ceremony, as the registry has it. */
const contributorsMin = 3

/** A trust label in words: `dev` or `ceremony(n, beacon)`. */
export const describeSetup = (setup: Setup): string => (setup.kind === 'dev' ? 'dev' : `ceremony(${setup.contributors}, ${setup.beacon})`)

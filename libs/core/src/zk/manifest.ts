import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Part, Visibility } from './circuit/statement.js'
import type { EncodeStep } from './encode/encoder.js'

/** Changes whenever the same model would give other bytes. */
export const COMPILER = 'haca-zk/1'

/**
 * What was made of a model, for people and for whoever recompiles it: the chain of hashes from the ONNX file to the
 * circuit, the units, and what it costs. Hashes are SHA-256 in hexadecimal; the verification key's keccak id comes after
 * the ceremony and is not here.
 */
export interface Manifest {
  compiler: string
  arithmetic: 'exact' | 'int8'
  weights: 'public' | 'private'
  activationBits: number
  weightBits: number
  hashes: { onnx: string; calibration: string | null; integerOnnx: string; program: string; r1cs: string }
  inputs: readonly { name: string; type: number; shape: readonly number[]; encoder: readonly string[] }[]
  /** An output's integers lie in lo .. lo + 2^bits - 1; number = integer · scale. */
  outputs: readonly { name: string; type: number; shape: readonly number[]; scale: number; lo: number; bits: number }[]
  /** Public signals in order. */
  signals: readonly { name: Part | 'context'; count: number; visibility: Visibility | 'public' }[]
  constraints: number
  wires: number
  /** Constraints by what they are for. */
  costs: Readonly<Record<string, number>>
  /** Bits of the largest number that any admissible input can lead to, intermediate sums included; the field has 253. */
  magnitudeBits: number
  /** Unit of each tensor of the graph in the circuit. */
  scales: Readonly<Record<string, number>>
  /** The tensors' ranges that the units were chosen from. */
  calibration: Readonly<Record<string, readonly [number, number]>> | null
  /** What is approximated, and how. */
  notes: readonly string[]
  accuracy?: Accuracy
}

/** Integer model beside the float model on the same samples. */
export interface Accuracy {
  output: string
  samples: number
  /** Samples whose label the integer model, and the float model, get right; null without labels. */
  integerCorrect: number | null
  floatCorrect: number | null
  /** Samples on which both give the same label. */
  agreement: number
  /** Of the output's numbers. */
  largestError: number
  meanError: number
}

/** The manifest's bytes: JSON with sorted keys and no spaces, so that equal manifests have equal hashes. */
export const encodeManifest = (manifest: Manifest): Uint8Array => utf8ToBytes(canonical(manifest))

export const sha256Hex = (bytes: Uint8Array): string => bytesToHex(sha256(bytes))

/** JSON with keys in order of their code units. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(',')}}`
}

/** One line for each step of an encoder. */
export function describeStep(step: EncodeStep): string {
  switch (step.kind) {
    case 'arithmetic': {
      const operand = step.operand.length === 1 ? `${step.operand[0]}` : `${step.operand.length} constants`
      return step.swapped ? `${operand} ${step.operator} x` : `x ${step.operator} ${operand}`
    }
    case 'clip':
      return `clip to ${step.lo}..${step.hi}`
    case 'rank':
      return `rank among ${step.thresholds.reduce((total, list) => total + list.length, 0)} thresholds`
    default:
      return step.kind
  }
}

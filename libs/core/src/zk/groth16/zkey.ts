import { blake2b } from '@noble/hashes/blake2.js'
import { bn254 } from '@noble/curves/bn254.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { concat } from '../../abi.js'
import * as Field from '../field.js'
import * as Iden3 from '../iden3.js'
import { encodeG1, encodeG2, type G1, type G2 } from './point.js'
import { checkKey, type VerificationKey } from './verification-key.js'

const Fq = bn254.fields.Fp

/** Stands where a ceremony has the hash of its circuit, in keys whose secrets one process knew; see services/prover/engine. */
export const DEV_MARKER = 'haca/dev-setup/1 ANYBODY CAN FORGE PROOFS UNDER THIS KEY 0000000'

/** What a `.zkey` file says besides its proving points. */
export interface Zkey {
  key: VerificationKey
  wires: number
  publicCount: number
  domainSize: number
  /** `dev`: one process knew the secrets, and says so. `initial`: nobody contributed, so anybody can forge. */
  label: 'dev' | 'initial' | 'ceremony'
  /** blake2b-512 of the circuit's points before the first contribution; for a dev key its marker. Hexadecimal. */
  circuitHash: string
  contributions: readonly Contribution[]
}

export interface Contribution {
  name: string
  /** blake2b-512 of the contribution's public part, as snarkjs prints it. Hexadecimal. */
  hash: string
  beacon?: { value: string; iterationsExp: number }
}

/**
 * Reads a key as far as verification and trust need, and checks the points it reads. Throws `zk.file-malformed`.
 * A key to which nobody contributed is read, for a ceremony must look at it, and labelled; `prepare` refuses it.
 */
export function readZkey(bytes: Uint8Array): Zkey {
  const sections = Iden3.read(bytes, 'zkey', 1)
  const protocol = new Iden3.SectionReader(sections.get(1))
  if (protocol.u32() !== 1) throw Iden3.malformed('the protocol is not Groth16')
  protocol.end()
  const header = new Iden3.SectionReader(sections.get(2))
  if (header.u32() !== 32 || header.word() !== Fq.ORDER || header.u32() !== 32 || header.word() !== Field.r) throw Iden3.malformed('the curve is not BN254')
  const [wires, publicCount, domainSize] = [header.u32(), header.u32(), header.u32()]
  if (publicCount >= wires || domainSize === 0 || (domainSize & (domainSize - 1)) !== 0) throw Iden3.malformed('the sizes do not fit together')
  const [alpha1, , beta2, gamma2, , delta2] = [readG1(header), readG1(header), readG2(header), readG2(header), readG1(header), readG2(header)]
  header.end()
  const list = new Iden3.SectionReader(sections.get(3))
  if (list.remaining !== 64 * (publicCount + 1)) throw Iden3.malformed('another number of input points than public signals')
  const key = { alpha1, beta2, gamma2, delta2, inputs: Array.from({ length: publicCount + 1 }, () => readG1(list)) }
  const checked = checkKey(key)
  if (!checked.ok && checked.reason !== 'unsafe-key') throw Iden3.malformed(`${checked.field}: ${checked.reason}`)
  const { circuitHash, contributions } = readContributions(new Iden3.SectionReader(sections.get(10)))
  const label = circuitHash === bytesToHex(new TextEncoder().encode(DEV_MARKER)) ? 'dev' : contributions.length === 0 || !checked.ok ? 'initial' : 'ceremony'
  return { key, wires, publicCount, domainSize, label, circuitHash, contributions }
}

/** Section 10, as snarkjs' `readMPCParams` reads it. */
function readContributions(section: Iden3.SectionReader): { circuitHash: string; contributions: Contribution[] } {
  const circuitHash = bytesToHex(section.bytes(64))
  const contributions: Contribution[] = []
  for (let left = section.u32(); left > 0; left--) {
    const points = [encodeG1(readG1(section)), encodeG1(readG1(section)), encodeG1(readG1(section)), encodeG2(readG2(section))]
    const transcript = section.bytes(64)
    const kind = section.u32()
    const parameters = readParameters(section.bytes(section.u32()))
    const hash = bytesToHex(blake2b(concat([...points, transcript]), { dkLen: 64 }))
    const { name = '', iterationsExp, value } = parameters
    if ((kind === 1) !== (value !== undefined && iterationsExp !== undefined) || kind > 1) throw Iden3.malformed('a contribution of a kind that is not known')
    contributions.push({ name, hash, ...(value !== undefined && iterationsExp !== undefined ? { beacon: { value, iterationsExp } } : {}) })
  }
  section.end()
  return { circuitHash, contributions }
}

function readParameters(bytes: Uint8Array): { name?: string; iterationsExp?: number; value?: string } {
  const out: { name?: string; iterationsExp?: number; value?: string } = {}
  let last = 0
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at++]!
    if (type <= last || type > 3 || at >= bytes.length) throw Iden3.malformed('parameters of a contribution are out of order')
    last = type
    if (type === 2) out.iterationsExp = bytes[at++]!
    else {
      const length = bytes[at++]!
      if (at + length > bytes.length) throw Iden3.malformed('a parameter of a contribution is cut off')
      const content = bytes.subarray(at, at + length)
      at += length
      if (type === 1) out.name = new TextDecoder().decode(content)
      else out.value = bytesToHex(content)
    }
  }
  return out
}

const MONTGOMERY = 2n ** 256n % Fq.ORDER

/** A coordinate in Montgomery form. */
function coordinate(section: Iden3.SectionReader): bigint {
  const value = section.word()
  if (value >= Fq.ORDER) throw Iden3.malformed('a coordinate is not canonical')
  return Fq.mul(value, unscale())
}

let inverse: bigint | undefined
const unscale = (): bigint => (inverse ??= Fq.inv(MONTGOMERY))

const readG1 = (section: Iden3.SectionReader): G1 => ({ x: coordinate(section), y: coordinate(section) })

const readG2 = (section: Iden3.SectionReader): G2 => ({ x: { c0: coordinate(section), c1: coordinate(section) }, y: { c0: coordinate(section), c1: coordinate(section) } })

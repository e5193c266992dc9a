import { accept, refuse, type Verdict } from '../../verdict.js'
import type { Contribution, Zkey } from '../groth16/zkey.js'
import { keyId } from '../groth16/verification-key.js'
import { canonical } from '../manifest.js'
import { PERPETUAL_POWERS_OF_TAU } from './phase1.js'

/** Fewest operators that must have contributed; one honest one is enough, and nobody knows which. */
export const CONTRIBUTORS_MIN = 3

/** Where a ceremony's phase 1 comes from: a pinned public file, or a test's own, which proves nothing. */
export interface Phase1 {
  kind: 'perpetual' | 'test'
  power: number
  blake2b: string
}

/** What is fixed and published before the first contribution. */
export interface Plan {
  circuit: { r1csSha256: string; constraints: number }
  phase1: Phase1
  contributors: readonly string[]
  /** Whose value nobody can know yet: a future block or drand round, in words, and how often it is hashed (2^n). */
  beacon: { source: string; iterationsExp: number }
}

/** The published record of a phase 2. */
export interface Transcript {
  format: 'haca/zk-ceremony/1'
  plan: Plan
  /** blake2b-512 of the key before any contribution; hexadecimal, as all hashes here. */
  circuitHash: string
  /** In order, by the contributors' own word. */
  contributions: readonly { name: string; hash: string }[]
  beacon: { value: string; hash: string }
  zkeySha256: string
  vkId: string
}

/** What was found out about the files that a transcript is about. */
export interface Findings {
  r1csSha256: string
  /** blake2b-512 of the phase-1 file. */
  phase1Blake2b: string
  zkeySha256: string
  zkey: Zkey
  /** What snarkjs' `zkey verify` says of circuit, phase 1 and key: that every contribution follows from the one before, and the key from the last. */
  chainVerified: boolean
}

export interface Rule {
  rule: 'circuit' | 'phase-1' | 'key' | 'contributors' | 'contributions' | 'beacon' | 'chain'
  ok: boolean
  detail: string
}

/** How far a set-up can be trusted; a client sees it. */
export type Trust = { kind: 'refused' } | { kind: 'test' | 'ceremony'; contributors: number; beacon: string }

/** Judges a set-up by rules, each with its reason. A test phase 1 can do no better than `test`. */
export function judge(transcript: Transcript, findings: Findings): { trust: Trust; rules: Rule[] } {
  const { plan } = transcript
  const { zkey } = findings
  const given = zkey.contributions.filter(({ beacon }) => !beacon)
  const last = zkey.contributions.at(-1)
  const rule = (name: Rule['rule'], ok: boolean, detail: string): Rule => ({ rule: name, ok, detail })
  const rules = [
    rule('circuit', findings.r1csSha256 === plan.circuit.r1csSha256, `the circuit's SHA-256 is ${findings.r1csSha256}`),
    judgePhase1(plan.phase1, findings.phase1Blake2b),
    rule('key', findings.zkeySha256 === transcript.zkeySha256 && keyId(zkey.key) === transcript.vkId && zkey.circuitHash === transcript.circuitHash && zkey.label === 'ceremony', `the key's SHA-256 is ${findings.zkeySha256}, its id ${keyId(zkey.key)}, its label ${zkey.label}`),
    rule('contributors', plan.contributors.length >= CONTRIBUTORS_MIN && new Set(plan.contributors).size === plan.contributors.length && same(transcript.contributions.map(({ name }) => name), plan.contributors), `${plan.contributors.length} planned, ${transcript.contributions.length} came`),
    rule('contributions', same(transcript.contributions.map(identity), given.map(identity)), `the key holds ${given.length}`),
    rule('beacon', last?.beacon !== undefined && zkey.contributions.length === given.length + 1 && last.hash === transcript.beacon.hash && last.beacon.value === transcript.beacon.value && last.beacon.iterationsExp === plan.beacon.iterationsExp, last?.beacon ? `the last contribution is the beacon ${last.beacon.value}` : 'the last contribution is no beacon'),
    rule('chain', findings.chainVerified, findings.chainVerified ? 'the key follows from circuit, phase 1 and contributions' : 'the key does not follow from circuit, phase 1 and contributions'),
  ]
  const trust: Trust = rules.every(({ ok }) => ok) ? { kind: plan.phase1.kind === 'test' ? 'test' : 'ceremony', contributors: given.length, beacon: plan.beacon.source } : { kind: 'refused' }
  return { trust, rules }
}

function judgePhase1({ kind, power, blake2b }: Phase1, found: string): Rule {
  const pinned = kind === 'test' || PERPETUAL_POWERS_OF_TAU[power] === blake2b
  const detail = kind === 'test' ? 'a TEST phase 1, whose secrets one process knew' : pinned ? `the Perpetual Powers of Tau of power ${power}` : `no pinned file of power ${power}`
  return { rule: 'phase-1', ok: pinned && found === blake2b, detail: found === blake2b ? detail : `the file's blake2b is ${found}` }
}

const identity = ({ name, hash }: Pick<Contribution, 'name' | 'hash'>): string => `${name} ${hash}`

const same = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((value, i) => value === b[i])

/** A transcript's text: JSON with sorted keys, so that equal transcripts have equal hashes. */
export const encodeTranscript = (transcript: Transcript): string => `${canonical(transcript)}\n`

/** Reads a transcript; says which field is wrong. */
export function readTranscript(text: string): Verdict<Transcript, 'transcript-malformed'> {
  const malformed = (field: string) => refuse('transcript-malformed', `"${field}" is missing or not what it must be`, field)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return malformed('json')
  }
  for (const [path, holds] of Object.entries(shape)) if (!holds(path.split('.').reduce<unknown>(member, json))) return malformed(path)
  return accept(json as Transcript)
}

const member = (value: unknown, name: string): unknown => (typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined)
const hex = (bytes: number) => (value: unknown): boolean => typeof value === 'string' && new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value)
const count = (most: number) => (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most
const words = (value: unknown): boolean => typeof value === 'string' && value.length >= 1 && value.length <= 256
const list = (each: (value: unknown) => boolean) => (value: unknown): boolean => Array.isArray(value) && value.length <= 256 && value.every(each)

const shape: Readonly<Record<string, (value: unknown) => boolean>> = {
  format: (value) => value === 'haca/zk-ceremony/1',
  'plan.circuit.r1csSha256': hex(32),
  'plan.circuit.constraints': count(2 ** 28),
  'plan.phase1.kind': (value) => value === 'perpetual' || value === 'test',
  'plan.phase1.power': count(28),
  'plan.phase1.blake2b': hex(64),
  'plan.contributors': list(words),
  'plan.beacon.source': words,
  'plan.beacon.iterationsExp': count(63),
  circuitHash: hex(64),
  contributions: list((value) => words(member(value, 'name')) && hex(64)(member(value, 'hash'))),
  'beacon.value': (value) => typeof value === 'string' && /^(?:[0-9a-f]{2}){1,255}$/.test(value),
  'beacon.hash': hex(64),
  zkeySha256: hex(32),
  vkId: (value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value),
}

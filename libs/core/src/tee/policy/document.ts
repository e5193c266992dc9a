import { sha256 } from '@noble/hashes/sha2.js'
import { toHex, type HexDigits } from '../bytes.js'
import { TCB_STATUSES, type TcbStatus } from '../dcap/tcb.js'
import { AttestationError } from '../error.js'
import { FLAGS, TEE_KINDS, type TeeKind } from '../evidence.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import type { RevocationMode } from '../revocation.js'
import type { Removal } from './removals.js'

/**
 * The appraisal policy: which hardware, images and models a network takes, by epoch. Decoding is strict: unknown
 * fields, duplicate keys and misspelt flags refuse, so that a typo can narrow trust and never widen it. Its digest is
 * what a chain anchors and what appraisals quote.
 */
export interface Policy {
  readonly network: Network
  readonly chainId: number
  /** Lower-case hexadecimal of the signer registry's address. */
  readonly registry: HexDigits
  /** The document's number; a later one when removals were applied. */
  readonly epoch: number
  /** Unix seconds. */
  readonly notBefore: number
  readonly minVerifierVersion: string
  readonly hardware: readonly HardwareRule[]
  readonly deny: readonly DenyRule[]
  readonly denyIds: DenyIds
  readonly images: readonly ImageRule[]
  readonly models: readonly ModelRule[]
  /** What guardians removed since; empty as decoded, see `withRemovals`. */
  readonly removed: readonly Removal[]
  /** SHA-256 of the document as it came. */
  readonly digest: HexDigits
}

export const NETWORKS = ['mainnet', 'testnet', 'local'] as const
export type Network = (typeof NETWORKS)[number]

const REVOCATION_MODES = ['required', 'unchecked'] as const satisfies readonly RevocationMode[]
const MODEL_BINDINGS = ['required', 'none'] as const
export type ModelBinding = (typeof MODEL_BINDINGS)[number]

export interface HardwareRule {
  readonly id: string
  readonly kind: TeeKind
  /** Product names as claims print them; `*` is every product of the kind. */
  readonly products: readonly string[]
  /** Intel only, and required there. */
  readonly tcb: TcbRule | undefined
  /** AMD only, and required there: minima for reported and committed levels alike. */
  readonly minTcb: Readonly<Record<string, number>> | undefined
  readonly require: readonly string[]
  readonly forbid: readonly string[]
  readonly revocation: RevocationMode
  /** Where the machine stands, in the policy's words. No evidence shows it: it rests on `platforms` or is asserted. */
  readonly custody: string | undefined
  /** Platform ids known to be there; absent where any platform of the products will do. */
  readonly platforms: readonly HexDigits[] | undefined
  /** NVIDIA only: driver versions. */
  readonly drivers: readonly string[] | undefined
  /** Devices only, and required there: hardware ids of the machines they may be plugged into. */
  readonly with: readonly string[] | undefined
  /** Machines only, and required there. */
  readonly maxKeyHours: number | undefined
}

export interface TcbRule {
  readonly status: readonly TcbStatus[]
  readonly allowedAdvisories: readonly string[]
  readonly minEvalNumber: number
}

export interface DenyRule {
  readonly kind: TeeKind
  /** Absent: the whole kind. */
  readonly product: string | undefined
  readonly reason: string
}

export interface DenyIds {
  readonly platform: readonly HexDigits[]
  /** Receipt keys (33 bytes), or SHA-256 fingerprints of certificates that signed evidence. */
  readonly signer: readonly HexDigits[]
  readonly measurement: readonly HexDigits[]
}

export interface ImageRule {
  readonly id: string
  readonly kind: TeeKind
  /** Measurement → value; all must be equal. */
  readonly match: Readonly<Record<string, HexDigits>>
  readonly provenance: Readonly<Record<string, string>>
  readonly modelBinding: ModelBinding
  readonly devices: { readonly gpus: number; readonly switches: number } | undefined
  /** Unix seconds. */
  readonly activeFrom: number
  readonly retireAt: number | undefined
}

export interface ModelRule {
  readonly id: string
  readonly manifestHash: HexDigits
}

export const POLICY_BYTES_MAX = 256 * 1024

export const POLICY_ERROR_CODES = [
  'policy-too-large',
  'policy-malformed',
  'policy-simulated-on-mainnet',
  'policy-reference-unknown',
  'policy-unsigned',
] as const
export type PolicyErrorCode = (typeof POLICY_ERROR_CODES)[number]

/** The policy document was refused. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  readonly code: PolicyErrorCode

  constructor(code: PolicyErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options)
    this.code = code
  }
}

/** Decodes a policy document; refuses with PolicyError. */
export function decodePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > POLICY_BYTES_MAX) throw new PolicyError('policy-too-large', `${bytes.length} bytes`)
  const json = parseJson(bytes)
  const fields = new Fields(json, 'policy', malformed)
  if (fields.integer('v') !== 1) malformed('version is not 1')
  const network = fields.word('network', NETWORKS)
  if (network === 'mainnet' && mentionsSimulated(json)) {
    throw new PolicyError('policy-simulated-on-mainnet', 'the main network knows no simulated evidence')
  }
  const policy = {
    network,
    chainId: positive(fields, 'chainId'),
    registry: address(fields.text('registry')),
    epoch: fields.integer('epoch'),
    notBefore: fields.integer('notBefore'),
    minVerifierVersion: version(fields.text('minVerifierVersion')),
    hardware: fields.objects('hardware').map(decodeHardware),
    deny: fields.objects('deny').map(decodeDeny),
    denyIds: decodeDenyIds(fields.object('denyIds')),
    images: fields.objects('images').map(decodeImage),
    models: fields.objects('models').map(decodeModel),
    removed: [],
    digest: toHex(sha256(bytes)),
  }
  fields.end()
  checkReferences(policy)
  return policy
}

function parseJson(bytes: Uint8Array): Json.JsonValue {
  try {
    return Json.parseStrict(bytes)
  } catch (cause) {
    if (cause instanceof AttestationError) throw new PolicyError('policy-malformed', cause.detail, { cause })
    throw cause
  }
}

/** In any key or text, in any case, however it was escaped in the document. */
function mentionsSimulated(value: Json.JsonValue): boolean {
  if (typeof value === 'string') return /simulated/i.test(value)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(
    ([key, item]) => mentionsSimulated(key) || mentionsSimulated(item as Json.JsonValue),
  )
}

const DEVICE_KINDS: ReadonlySet<TeeKind> = new Set(['nvidia-gpu', 'nvidia-switch'])

/** Fields that belong to some kinds only: those a kind must have, and those it may have besides. */
const FITTING = ['tcb', 'minTcb', 'with', 'drivers', 'maxKeyHours'] as const
type Fitting = (typeof FITTING)[number]
const FITS: Readonly<Record<TeeKind, { readonly needs: readonly Fitting[]; readonly takes: readonly Fitting[] }>> = {
  nitro: { needs: ['maxKeyHours'], takes: [] },
  tdx: { needs: ['tcb', 'maxKeyHours'], takes: [] },
  sgx: { needs: ['tcb', 'maxKeyHours'], takes: [] },
  'sev-snp': { needs: ['minTcb', 'maxKeyHours'], takes: [] },
  'nvidia-gpu': { needs: ['with'], takes: ['drivers'] },
  'nvidia-switch': { needs: ['with'], takes: [] },
  simulated: { needs: [], takes: FITTING },
}

function decodeHardware(fields: Fields): HardwareRule {
  const kind = fields.word('kind', TEE_KINDS)
  const rule: HardwareRule = {
    id: identifier(fields.text('id')),
    kind,
    products: nonEmpty(fields.texts('products'), 'products'),
    tcb: fields.optional('tcb', (name) => decodeTcb(fields.object(name))),
    minTcb: fields.optional('minTcb', (name) => decodeMinTcb(fields.object(name))),
    require: flagNames(fields.optional('require', (name) => fields.texts(name)) ?? [], kind),
    forbid: flagNames(fields.optional('forbid', (name) => fields.texts(name)) ?? [], kind),
    revocation: fields.optional('revocation', (name) => fields.word(name, REVOCATION_MODES)) ?? 'required',
    custody: fields.optional('custody', (name) => fields.text(name)),
    platforms: fields.optional('platforms', (name) => nonEmpty(hexes(fields.texts(name)), name)),
    drivers: fields.optional('drivers', (name) => nonEmpty(fields.texts(name), name)),
    with: fields.optional('with', (name) => nonEmpty(fields.texts(name), name)),
    maxKeyHours: fields.optional('maxKeyHours', (name) => positive(fields, name)),
  }
  fields.end()
  checkFit(rule)
  return rule
}

/** Each kind has the fields that bound it, and no field that would go unread. */
function checkFit(rule: HardwareRule): void {
  const { needs, takes } = FITS[rule.kind]
  for (const name of FITTING) {
    const has = rule[name] !== undefined
    if (!has && needs.includes(name)) malformed(`hardware ${rule.id}: ${name} is missing`)
    if (has && !needs.includes(name) && !takes.includes(name))
      malformed(`hardware ${rule.id}: ${name} is not for ${rule.kind}`)
  }
  if (rule.platforms && rule.custody === undefined) malformed(`hardware ${rule.id}: platforms without custody`)
}

function decodeTcb(fields: Fields): TcbRule {
  const status = nonEmpty(fields.texts('status'), 'status').map((text) => {
    const known = TCB_STATUSES.find((one) => one === text)
    return known && known !== 'Revoked' ? known : malformed(`TCB status ${text} cannot be taken`)
  })
  const rule = {
    status,
    allowedAdvisories: fields.texts('allowedAdvisories'),
    minEvalNumber: fields.optional('minEvalNumber', (name) => fields.integer(name)) ?? 0,
  }
  fields.end()
  return rule
}

const SNP_COMPONENTS = ['fmc', 'bl', 'tee', 'snp', 'ucode']

function decodeMinTcb(fields: Fields): Record<string, number> {
  const minima = nonEmpty(fields.names(), 'minTcb').map((name) => {
    if (!SNP_COMPONENTS.includes(name)) malformed(`minTcb component ${name}`)
    return [name, fields.integer(name)] as const
  })
  return Object.fromEntries(minima)
}

function flagNames(names: readonly string[], kind: TeeKind): readonly string[] {
  const known = new Set<string>(kind === 'simulated' ? Object.values(FLAGS).flat() : FLAGS[kind])
  for (const name of names) if (name !== 'debug' && !known.has(name)) malformed(`${kind} has no flag ${name}`)
  return names
}

function decodeDeny(fields: Fields): DenyRule {
  const rule = {
    kind: fields.word('kind', TEE_KINDS),
    product: fields.optional('product', (name) => fields.text(name)),
    reason: fields.text('reason'),
  }
  fields.end()
  return rule
}

function decodeDenyIds(fields: Fields): DenyIds {
  const ids = {
    platform: hexes(fields.texts('platform')),
    signer: hexes(fields.texts('signer')),
    measurement: hexes(fields.texts('measurement')),
  }
  fields.end()
  return ids
}

/** Measurements without which an image of the kind could be anything. Alternatives are listed apart. */
const IDENTIFYING: Readonly<Record<TeeKind, readonly (readonly string[])[]>> = {
  nitro: [['pcr0', 'pcr1', 'pcr2'], ['pcr8']],
  tdx: [['mrtd', 'rtmr1', 'rtmr2']],
  sgx: [['mrEnclave']],
  'sev-snp': [['measurement']],
  simulated: [['image']],
  'nvidia-gpu': [],
  'nvidia-switch': [],
}

function decodeImage(fields: Fields): ImageRule {
  const kind = fields.word('kind', TEE_KINDS)
  const id = identifier(fields.text('id'))
  const match = decodeMatch(fields.object('match'))
  const identified = IDENTIFYING[kind].some((names) => names.every((name) => Object.hasOwn(match, name)))
  if (!identified) malformed(`image ${id} does not name the measurements that identify a ${kind} image`)
  const image: ImageRule = {
    id,
    kind,
    match,
    provenance: fields.optional('provenance', (name) => decodeProvenance(fields.object(name))) ?? {},
    modelBinding: fields.optional('modelBinding', (name) => fields.word(name, MODEL_BINDINGS)) ?? 'required',
    devices: fields.optional('devices', (name) => decodeDevices(fields.object(name))),
    activeFrom: fields.integer('activeFrom'),
    retireAt: fields.optional('retireAt', (name) => fields.integer(name)),
  }
  fields.end()
  return image
}

function decodeMatch(fields: Fields): Record<string, HexDigits> {
  return Object.fromEntries(fields.names().map((name) => [name, hex(fields.text(name))]))
}

function decodeProvenance(fields: Fields): Record<string, string> {
  return Object.fromEntries(fields.names().map((name) => [name, fields.text(name)]))
}

function decodeDevices(fields: Fields): { gpus: number; switches: number } {
  const devices = { gpus: fields.integer('gpus'), switches: fields.integer('switches') }
  fields.end()
  return devices
}

function decodeModel(fields: Fields): ModelRule {
  const id = identifier(fields.text('id'))
  const hash = /^sha256:([0-9a-f]{64})$/.exec(fields.text('manifestHash'))?.[1]
  fields.end()
  return { id, manifestHash: hash ?? malformed(`model ${id}: manifestHash is not sha256:<64 hex digits>`) }
}

function checkReferences({ hardware, images, models }: Policy): void {
  for (const list of [hardware, images, models]) {
    const ids = list.map(({ id }) => id)
    if (new Set(ids).size !== ids.length) malformed('two entries with one id')
  }
  const machines = new Set(hardware.filter(({ kind }) => !DEVICE_KINDS.has(kind)).map(({ id }) => id))
  for (const { id, with: companions = [] } of hardware) {
    const unknown = companions.find((companion) => !machines.has(companion))
    if (unknown !== undefined) throw new PolicyError('policy-reference-unknown', `hardware ${id} with ${unknown}`)
  }
}

function identifier(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/.test(text) ? text : malformed(`identifier ${JSON.stringify(text)}`)
}

function address(text: string): HexDigits {
  return /^0x[0-9a-fA-F]{40}$/.test(text) ? text.slice(2).toLowerCase() : malformed('registry is not an address')
}

function version(text: string): string {
  return /^\d{1,5}\.\d{1,5}\.\d{1,5}$/.test(text) ? text : malformed('minVerifierVersion is not of the form 1.2.3')
}

function positive(fields: Fields, name: string): number {
  const value = fields.integer(name)
  return value > 0 ? value : malformed(`${name} is zero`)
}

function hex(text: string): HexDigits {
  return /^([0-9a-f]{2})+$/.test(text) ? text : malformed(`${JSON.stringify(text)} is not lower-case hexadecimal`)
}

function hexes(texts: readonly string[]): HexDigits[] {
  return texts.map(hex)
}

function nonEmpty<Item>(list: readonly Item[], name: string): readonly Item[] {
  return list.length > 0 ? list : malformed(`${name} is empty`)
}

function malformed(why: string): never {
  throw new PolicyError('policy-malformed', why)
}

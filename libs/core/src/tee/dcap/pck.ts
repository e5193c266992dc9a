import { toHex } from '../bytes.js'
import type { Certificate } from '../certificate.js'
import { Der, TAG } from '../der.js'
import { AttestationError, refuse } from '../error.js'
import { OID } from '../oid.js'

/** What a PCK certificate says about its platform (Intel SGX PCK Certificate and CRL Profile Specification §1.3.5). */
export interface PckPlatform {
  /** 16 bytes; the same in every PCK certificate of one platform. */
  readonly ppid: Uint8Array
  /** SVNs of the sixteen SGX TCB components. */
  readonly components: readonly number[]
  readonly pceSvn: number
  readonly pceId: Uint8Array
  readonly fmspc: Uint8Array
  /** Configuration of multi-package platforms, where the certificate states it. */
  readonly configuration: Readonly<Record<string, boolean>>
}

const COMPONENTS = 16
const CONFIGURATION: Readonly<Record<string, string>> = { '1': 'dynamicPlatform', '2': 'cachedKeys', '3': 'smtEnabled' }

/** Reads the SGX extension of a PCK certificate; refuses with `pck-extension-malformed` or `der-malformed`. */
export function parsePckPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.get(OID.sgxExtensions) ?? missing('the SGX extension')
  const fields = objectFields(Der.sequence(extension.value), OID.sgxExtensions)
  const tcb = objectFields(new Der(value(fields, '2', TAG.sequence, 'TCB')), `${OID.sgxExtensions}.2`)
  const svn = (n: number) => smallInteger(value(tcb, String(n), TAG.integer, `TCB.${n}`))
  const configuration = fields.get('7')
  return {
    ppid: ofLength(value(fields, '1', TAG.octetString, 'PPID'), 16, 'PPID'),
    components: Array.from({ length: COMPONENTS }, (_, i) => svn(i + 1)),
    pceSvn: svn(COMPONENTS + 1),
    pceId: ofLength(value(fields, '3', TAG.octetString, 'PCE-ID'), 2, 'PCE-ID'),
    fmspc: ofLength(value(fields, '4', TAG.octetString, 'FMSPC'), 6, 'FMSPC'),
    configuration: configuration ? parseConfiguration(new Der(configuration.value)) : {},
  }
}

type ObjectFields = ReadonlyMap<string, { tag: number; value: Uint8Array }>

/** SEQUENCE OF SEQUENCE { oid, value } with every oid directly under `arc`; keyed by the last number. */
function objectFields(list: Der, arc: string): ObjectFields {
  const fields = new Map<string, { tag: number; value: Uint8Array }>()
  while (!list.done) {
    const entry = list.sequence()
    const oid = entry.oid()
    const item = entry.next()
    entry.end()
    const key = oid.startsWith(`${arc}.`) ? oid.slice(arc.length + 1) : malformed(`${oid} is not under ${arc}`)
    if (fields.has(key)) malformed(`${oid} twice`)
    fields.set(key, item)
  }
  return fields
}

function parseConfiguration(list: Der): Record<string, boolean> {
  const configuration: Record<string, boolean> = {}
  for (const [key, { tag, value }] of objectFields(list, `${OID.sgxExtensions}.7`)) {
    const name = CONFIGURATION[key]
    if (name === undefined) continue
    if (tag !== TAG.boolean || value.length !== 1) malformed(name)
    configuration[name] = value[0] !== 0
  }
  return configuration
}

function value(fields: ObjectFields, key: string, tag: number, name: string): Uint8Array {
  const item = fields.get(key) ?? missing(name)
  return item.tag === tag ? item.value : malformed(`${name} has tag ${item.tag}`)
}

function smallInteger(value: Uint8Array): number {
  const inRange = value.length >= 1 && value.length <= 3 && value[0]! < 0x80
  return inRange ? value.reduce((sum, byte) => sum * 256 + byte, 0) : malformed('security version out of range')
}

function ofLength(bytes: Uint8Array, length: number, name: string): Uint8Array {
  return bytes.length === length
    ? bytes
    : malformed(`${name} of ${bytes.length} bytes (${toHex(bytes.subarray(0, 8))}…)`)
}

function missing(name: string): never {
  return refuse('pck-extension-malformed', `${name} is missing`)
}

function malformed(why: string): never {
  throw new AttestationError('pck-extension-malformed', why)
}

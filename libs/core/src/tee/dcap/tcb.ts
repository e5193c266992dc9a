import { equal, isZero } from '../bytes.js'
import { ensure, refuse } from '../error.js'
import type { TcbPart } from '../evidence.js'
import type { Fields } from '../fields.js'
import type { QeIdentity, TcbInfo, TdxModule } from './collateral.js'
import type { PckPlatform } from './pck.js'
import type { SgxReport, TdReport } from './quote.js'

/**
 * Intel's statuses. A verifier reports them; a policy decides which it takes.
 * The two TDRelaunchAdvised ones are derived, not published: the platform is current and only this TD was started on
 * an older TDX module.
 */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const
export type TcbStatus = (typeof TCB_STATUSES)[number]

const PLATFORM_STATUSES = TCB_STATUSES.filter((status) => !status.startsWith('TDRelaunch'))
const COMPONENT_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const
type ComponentStatus = (typeof COMPONENT_STATUSES)[number]

const COMPONENTS = 16

export interface TcbVerdict {
  readonly status: TcbStatus
  readonly parts: readonly TcbPart[]
  readonly advisories: readonly string[]
}

/** SGX: the first level whose components and PCESVN the platform meets, converged with the quoting enclave's. */
export function sgxTcb(info: TcbInfo, pck: PckPlatform, qe: TcbPart): TcbVerdict {
  const level = info.levels.find((candidate) => meetsSgx(candidate, pck)) ?? noLevel('platform')
  const platform = partOf('platform', level, PLATFORM_STATUSES)
  return verdict(converge(platform.status, component(qe)), [qe, platform])
}

/**
 * TDX, by Intel's reference (SGX-TDX-DCAP-QuoteVerificationLibrary, Verifiers/Checks): the first level that the
 * platform meets in its SGX components, PCESVN and TDX components, the latter from index 2 when the TDX module has a
 * version (TEE_TCB_SVN[1] > 0), because then the module's identity judges the first two. Converged with module and
 * quoting enclave.
 */
export function tdxTcb(info: TcbInfo, pck: PckPlatform, report: TdReport, qe: TcbPart): TcbVerdict {
  const { teeTcbSvn } = report
  const sgxLevel = info.levels.find((candidate) => meetsSgx(candidate, pck)) ?? noLevel('platform')
  const tdxLevel = info.levels.find((one) => meetsSgx(one, pck) && meetsTdx(one, teeTcbSvn)) ?? noLevel('TDX')
  const platform = partOf('platform', tdxLevel, PLATFORM_STATUSES)
  const sgxStatus = partOf('platform', sgxLevel, PLATFORM_STATUSES).status
  const tdxModule = moduleTcb(info, report)
  const moduleStatus = tdxModule ? component(tdxModule) : 'UpToDate'
  const converged = converge(platform.status, moduleStatus)
  const advised = relaunchAdvised(info, report, {
    sgxStatus,
    tdxStatus: converged,
    moduleStatus,
    qeStatus: component(qe),
  })
  const parts = [qe, ...(tdxModule ? [tdxModule] : []), platform]
  return verdict(converge(advised ?? converged, component(qe)), parts)
}

/** The quoting enclave's report against its published identity; refuses with `qe-identity-mismatch`. */
export function checkQeIdentity(report: SgxReport, identity: QeIdentity): TcbPart {
  const mismatch = (what: string) => refuse('qe-identity-mismatch', what)
  if (!equal(report.mrSigner, identity.mrSigner)) mismatch('MRSIGNER')
  if (report.isvProdId !== identity.isvProdId) mismatch('ISVPRODID')
  if (!equal(masked(report.miscSelect, identity.miscSelectMask), identity.miscSelect)) mismatch('MISCSELECT')
  if (!equal(masked(report.attributes, identity.attributesMask), identity.attributes)) mismatch('ATTRIBUTES')
  const level = identity.levels.find((candidate) => report.isvSvn >= candidate.object('tcb').integer('isvsvn'))
  return partOf('qe', level ?? noLevel('quoting enclave'), COMPONENT_STATUSES)
}

/** MRSIGNERSEAM and SEAMATTRIBUTES against the TDX module's identity; refuses with `tdx-module-mismatch`. */
export function checkTdxModule(info: TcbInfo, { teeTcbSvn, mrSignerSeam, seamAttributes }: TdReport): void {
  const version = teeTcbSvn[1]!
  const expected: TdxModule | undefined = version === 0 ? info.tdxModule : moduleIdentity(info, version)
  ensure(expected !== undefined, 'tdx-module-mismatch', 'the TCB info does not know this TDX module')
  ensure(equal(mrSignerSeam, expected.mrSigner), 'tdx-module-mismatch', 'MRSIGNERSEAM')
  const production = isZero(seamAttributes) && equal(seamAttributes, expected.attributes)
  ensure(production, 'tdx-module-mismatch', 'SEAMATTRIBUTES')
}

function meetsSgx(level: Fields, pck: PckPlatform): boolean {
  const tcb = level.object('tcb')
  const required = components(tcb, 'sgxtcbcomponents')
  return required.every((svn, i) => pck.components[i]! >= svn) && pck.pceSvn >= tcb.integer('pcesvn')
}

function meetsTdx(level: Fields, teeTcbSvn: Uint8Array): boolean {
  const first = teeTcbSvn[1]! > 0 ? 2 : 0
  return components(level.object('tcb'), 'tdxtcbcomponents').every((svn, i) => i < first || teeTcbSvn[i]! >= svn)
}

function components(tcb: Fields, name: string): number[] {
  const svns = tcb.objects(name).map((entry) => entry.integer('svn'))
  ensure(svns.length === COMPONENTS, 'collateral-malformed', `${name} has ${svns.length} entries`)
  return svns
}

function moduleIdentity(info: TcbInfo, version: number): TcbInfo['tdxModuleIdentities'][number] | undefined {
  const id = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`
  return info.tdxModuleIdentities.find((identity) => identity.id.toUpperCase() === id)
}

/** The module's level, or `undefined` for modules of version 0, which the platform's levels judge. */
function moduleTcb(info: TcbInfo, { teeTcbSvn }: TdReport): TcbPart | undefined {
  const [isvSvn, version] = [teeTcbSvn[0]!, teeTcbSvn[1]!]
  if (version === 0) return undefined
  const identity = moduleIdentity(info, version) ?? refuse('tdx-module-mismatch', `no identity of version ${version}`)
  const level = identity.levels.find((candidate) => isvSvn >= candidate.object('tcb').integer('isvsvn'))
  return partOf('tdxModule', level ?? noLevel('TDX module'), COMPONENT_STATUSES)
}

/** An outdated or revoked component drags the platform's status down; it never lifts it. */
export function converge(status: TcbStatus, part: ComponentStatus): TcbStatus {
  if (part === 'Revoked') return 'Revoked'
  if (part === 'UpToDate') return status
  switch (status) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return 'OutOfDate'
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'OutOfDateConfigurationNeeded'
    default:
      return status
  }
}

interface Statuses {
  readonly sgxStatus: TcbStatus
  readonly tdxStatus: TcbStatus
  readonly moduleStatus: ComponentStatus
  readonly qeStatus: ComponentStatus
}

/** TD 1.5 reports the module running now beside the one the TD was started on (TDRelaunchCheck.cpp). */
function relaunchAdvised(info: TcbInfo, { teeTcbSvn2 }: TdReport, s: Statuses): TcbStatus | undefined {
  const outOfDate = s.tdxStatus === 'OutOfDate' || s.tdxStatus === 'OutOfDateConfigurationNeeded'
  const sgxCurrent = !['OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'].includes(s.sgxStatus)
  const onlyTheModule = s.qeStatus === 'UpToDate' && s.moduleStatus === 'OutOfDate' && sgxCurrent && outOfDate
  if (!teeTcbSvn2 || !onlyTheModule || !runsLatest(info, teeTcbSvn2)) return undefined
  const configuration = `${s.sgxStatus} ${s.tdxStatus}`.includes('Configuration')
  return configuration ? 'TDRelaunchAdvisedConfigurationNeeded' : 'TDRelaunchAdvised'
}

function runsLatest(info: TcbInfo, svn2: Uint8Array): boolean {
  const latest = components(info.levels[0]!.object('tcb'), 'tdxtcbcomponents')
  const version = svn2[1]!
  if (svn2[2]! < latest[2]!) return false
  if (version === 0) return svn2[0]! >= latest[0]!
  const identity = moduleIdentity(info, version) ?? refuse('tdx-module-mismatch', `no identity of version ${version}`)
  const newest = identity.levels[0] ?? noLevel('TDX module')
  return svn2[0]! >= newest.object('tcb').integer('isvsvn')
}

function partOf<Status extends TcbStatus>(
  part: TcbPart['part'],
  level: Fields,
  statuses: readonly Status[],
): TcbPart & { readonly status: Status } {
  return {
    part,
    status: level.word('tcbStatus', statuses),
    advisories: level.optional('advisoryIDs', (name) => level.texts(name)) ?? [],
    date: level.text('tcbDate'),
  }
}

function component({ status }: TcbPart): ComponentStatus {
  return COMPONENT_STATUSES.find((known) => known === status)!
}

function verdict(status: TcbStatus, parts: readonly TcbPart[]): TcbVerdict {
  const advisories = [...new Set(parts.flatMap((part) => part.advisories))].toSorted()
  return { status, parts, advisories }
}

function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => byte & mask[i]!)
}

function noLevel(what: string): never {
  return refuse('tcb-level-missing', `${what} is below every published level`)
}

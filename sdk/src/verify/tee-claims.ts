import { Hex, Receipt } from '@haca/core'
import { Removals, type Appraisal, type EvidenceClaims, type TeeKind } from '@haca/core/tee'
import { appraiseAgain, type Again, type KeyRecord, type TeeTrust } from './appraise-again.js'
import { describeRemoved, holdsIn, removalsOfRecord, type Believed, type Removed } from './attestation.js'
import type { Bundle } from './bundle.js'
import { claim, refuted, unknown, type Claim, type Claims } from './claims.js'

type TeeName = 'tee_attested' | 'tcb_current' | 'image_known' | 'gpu_attested' | 'custody'

export interface TeeFindings {
  claims: Pick<Claims, TeeName>
  /** What the evidence shows of the model; absent where it shows nothing. */
  model?: Claim | undefined
  /** What became of the key after the receipt was issued; it stands all the same. */
  marks: string[]
}

/** Everything that rests on hardware, or is said to. */
export async function teeClaims(bundle: Bundle, receipt: Receipt.Receipt, trust: TeeTrust): Promise<TeeFindings> {
  if (receipt.keyKind === Receipt.keyKinds.node) return ofNodeKey(receipt)
  const onChain = await trust.chain?.keyRecord?.(receipt.node)
  const again = await appraiseAgain(bundle, receipt, trust)
  const marks = [...new Set([...chainMarks(onChain, receipt), ...laterMarks(again, receipt)])]
  if (again.kind === 'refuted') return { claims: fallen(again.reason), marks }
  const contradiction = trust.chain?.keyRecord && registryContradicts(onChain, receipt)
  if (contradiction) return { claims: fallen(contradiction), marks }
  if (again.kind === 'unknown') return { claims: all(unknown(again.reason)), marks }
  if (again.kind === 'word') return { ...fromWord(again, receipt), marks }
  const refusal = again.pieces.length === 0 ? again.appraisal.reasons[0] : undefined
  if (refusal) return { claims: { ...fallen(`${refusal.rule}: ${refusal.detail}`), ...(refusal.rule.startsWith('device') ? { gpu_attested: refuted(refusal.detail) } : {}) }, marks }
  return { ...fromHardware(again, receipt), marks }
}

const all = (one: Claim): TeeFindings['claims'] => ({ tee_attested: one, tcb_current: one, image_known: one, gpu_attested: one, custody: one })

/** Nothing can be said of hardware, for one reason. */
export const noHardware = (reason: string): TeeFindings => ({ claims: all(unknown(reason)), marks: [] })

/** A plain node key is good for proofs and voids; a receipt of hardware is not its to sign. */
function ofNodeKey({ mode }: Receipt.Receipt): TeeFindings {
  if (mode !== Receipt.modes.tee && mode !== Receipt.modes['tee+zkml']) return noHardware('the receipt is signed by a plain node key: no hardware is claimed')
  return { claims: fallen('the receipt says that hardware vouches for it, and is signed by a plain node key, which none does'), marks: [] }
}

const fallen = (reason: string): TeeFindings['claims'] => ({ ...all(unknown('the key is not attested')), tee_attested: refuted(reason) })

function registryContradicts(record: KeyRecord | undefined, { node, evidenceId, issuedAt }: Receipt.Receipt): string | undefined {
  if (!record) return `the registry does not know the key ${node}`
  if (!Hex.equals(record.evidenceId, evidenceId)) return 'the registry has the key under other evidence than the receipt names'
  if (record.compromisedFrom !== undefined && record.compromisedFrom <= issuedAt) return `the key was compromised by then: ${record.reason}`
  if (record.retiredAt !== 0 && record.retiredAt <= issuedAt) return `the key was retired by then${record.reason ? `: ${record.reason}` : ''}`
  return undefined
}

// ---------------------------------------------------------------- what rests on which rule

type Group = Exclude<TeeName, 'tee_attested'> | 'model'

/** Which claim a rule of an appraisal speaks for; what is in no group speaks for the key itself. */
const groups: readonly (readonly [Group, RegExp])[] = [
  ['tcb_current', /^machine\.(tcb-status|advisories|evaluation-number|min-tcb\..+|revocation|validity)$/],
  ['image_known', /^image\.(known|bound|active)$/],
  ['model', /^model\./],
  ['gpu_attested', /^(devices\.|gpu\[|switch\[|image\.devices$)/],
  ['custody', /^machine\.custody$/],
]

const rulesOf = (reasons: readonly Appraisal.RuleVerdict[], group: Group | 'key'): Appraisal.RuleVerdict[] =>
  reasons.filter(({ rule }) => (groups.find(([, pattern]) => pattern.test(rule))?.[0] ?? 'key') === group)

const failureIn = (rules: readonly Appraisal.RuleVerdict[]): string | undefined => {
  const failed = rules.filter(({ ok }) => !ok)
  return failed.length > 0 ? failed.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ') : undefined
}

const detailsOf = (rules: readonly Appraisal.RuleVerdict[]): string => rules.map(({ detail }) => detail).join('; ')

/** How a claim stands that holds, and whom it rests on. */
interface Footing {
  readonly status: 'hardware-proven' | 'asserted'
  readonly prefix: string
  readonly trust: string
}

/** What a claim says of a group of rules: refuted by one that fails, unknown where what it stands on fell. */
function judged(rules: readonly Appraisal.RuleVerdict[], base: Claim | undefined, good: () => Claim): Claim {
  const failure = failureIn(rules)
  if (failure) return refuted(failure)
  return base?.status === 'refuted' ? unknown('the key is not attested') : good()
}

const vendors: Readonly<Record<TeeKind, string>> = {
  nitro: 'Amazon, who makes, runs and signs for Nitro',
  tdx: 'Intel: its root key, microcode and TDX module; and that nobody tampered with the machine physically',
  sgx: 'Intel: its root key and microcode; and that nobody tampered with the machine physically',
  'sev-snp': 'AMD: its root key and firmware; and that nobody tampered with the machine physically',
  'nvidia-gpu': 'NVIDIA: its root key and firmware',
  'nvidia-switch': 'NVIDIA: its root key and firmware',
  simulated: 'nobody: whoever runs the simulator can say anything',
}

// ---------------------------------------------------------------- the hardware's own word

type Repeated = Extract<Again, { kind: 'repeated' }>

function fromHardware(again: Repeated, receipt: Receipt.Receipt): Omit<TeeFindings, 'marks'> {
  const { appraisal, collection, pieces, policy, inForce, removals } = again
  const { reasons } = appraisal
  const { kind } = collection.binding
  const fake = kind === 'simulated'
  const footing = (vendor: TeeKind, more = ''): Footing => ({
    status: fake ? 'asserted' : 'hardware-proven',
    prefix: fake ? 'SIMULATED: no hardware vouches for this key; ' : '',
    trust: fake ? vendors.simulated : `${vendors[vendor]}${more}`,
  })
  const hold = ({ status, prefix, trust }: Footing, reason: string): Claim => claim(status, `${prefix}${reason}`, trust)
  const known = removals ? '' : '; that nothing of it had been removed by a guardian is the verifier’s word'
  const judges = `; the signers of policy epoch ${inForce.record.policyEpoch} for what is listed; the verifier ${inForce.signer} for when the evidence came`

  const tee = judged(rulesOf(reasons, 'key'), undefined, () => hold(footing(kind, judges), `${describe(pieces[0])} signed for this key and for nothing else, and policy epoch ${inForce.record.policyEpoch} lists it as ${appraisal.hardwareId}${known}`))
  const tcbRules = rulesOf(reasons, 'tcb_current')
  const tcb = judged(tcbRules, tee, () => firmware(pieces[0], detailsOf(tcbRules), hold(footing(kind), detailsOf(tcbRules))))
  const image = judged(rulesOf(reasons, 'image_known'), tee, () => hold(footing(kind, '; the policy’s signers for what the image does'), `the measurements are those of image ${appraisal.imageId}${provenanceOf(policy, appraisal.imageId)}`))
  const simply = fake ? 'SIMULATED: no hardware vouches for this key; ' : ''
  const models = collection.binding.models.map((digest) => Hex.fromBytes(digest))
  const bound = (): Claim => hold(footing(kind, `; that image ${appraisal.imageId} loads nothing else`), `manifest ${receipt.modelHash} is in the statement that the hardware signed for this key`)
  return {
    claims: {
      tee_attested: tee,
      tcb_current: tcb,
      image_known: image,
      gpu_attested: gpu(rulesOf(reasons, 'gpu_attested'), tee, pieces.slice(1), (reason) => hold(footing('nvidia-gpu', '; and the machine that bound them'), reason)),
      custody: custody(rulesOf(reasons, 'custody'), tee, simply, 'the policy’s signers, who say where machines stand'),
    },
    model: boundModel(models, receipt, rulesOf(reasons, 'model'), [tee, image], bound),
  }
}

/** Firmware of which the evidence states no level, or whose revocation nobody checked, is current by somebody's word. */
function firmware(machine: EvidenceClaims | undefined, details: string, good: Claim): Claim {
  if (good.status !== 'hardware-proven') return good
  if (machine?.kind === 'nitro') return claim('asserted', `Nitro evidence states no firmware level; ${details}`, 'Amazon, to keep its hosts current')
  return machine?.revocation === 'checked' ? good : claim('asserted', `revocation was not checked; ${details}`, 'the policy’s signers, who ask for no such check')
}

const describe = (piece: EvidenceClaims | undefined): string => (piece ? `${piece.kind} ${piece.product === '*' ? '' : `${piece.product} `}${piece.platformId ? `(platform ${shortened(piece.platformId)}) ` : ''}`.trim() : 'the machine')

const shortened = (id: string): string => (id.length > 16 ? `${id.slice(0, 16)}…` : id)

function provenanceOf({ images }: Repeated['policy'], id: string | undefined): string {
  const source = images.find((image) => image.id === id)?.provenance['source']
  return source ? `, built from ${source}` : ''
}

function boundModel(models: readonly Hex.Hex[], { modelHash }: Receipt.Receipt, rules: readonly Appraisal.RuleVerdict[], bases: readonly Claim[], good: () => Claim): Claim | undefined {
  const failure = failureIn(rules)
  if (failure) return refuted(failure)
  if (bases.some(({ status }) => status === 'refuted')) return undefined
  if (models.length === 0) return unknown('the node forwards: its key is bound to no model, and nothing shows which weights ran')
  return models.includes(modelHash) ? good() : refuted(`the key is bound to other models than ${modelHash}: ${models.join(', ')}`)
}

function gpu(rules: readonly Appraisal.RuleVerdict[], tee: Claim, devices: readonly EvidenceClaims[], good: (reason: string) => Claim): Claim {
  return judged(rules, tee, () => {
    if (devices.length === 0) return unknown('the key is bound to no GPU')
    return good(`${devices.map((one) => describe(one)).join(', ')}: answered this key’s challenge, and the machine signed what they answered`)
  })
}

function custody(rules: readonly Appraisal.RuleVerdict[], tee: Claim, prefix: string, trust: string): Claim {
  return judged(rules, tee, () => {
    const says = detailsOf(rules)
    return says === '' || says === 'the policy asks for no custody' ? unknown('nothing says where the machine stands or who can touch it') : claim('asserted', `${prefix}${says}`, trust)
  })
}

// ---------------------------------------------------------------- a verifier's word

type Word = Extract<Again, { kind: 'word' }>

/** The same rules as the verifier found them. Its signature is all they rest on. */
function fromWord({ inForce: { record, signer }, lacking }: Word, receipt: Receipt.Receipt): Omit<TeeFindings, 'marks'> {
  const fake = record.kind === 'simulated'
  const prefix = fake ? 'SIMULATED: no hardware vouches for this key; ' : ''
  const trust = fake ? vendors.simulated : `the verifier ${signer}, who signed its appraisal`
  const say = (reason: string): Claim => claim('asserted', `${prefix}${reason}; ${lacking}`, trust)
  const of = (group: Group): Appraisal.RuleVerdict[] => rulesOf(record.reasons, group)
  const tee = say(`appraised as ${record.hardwareId} under policy epoch ${record.policyEpoch}`)
  const devices = record.reasons.filter(({ rule }) => /^(gpu|switch)\[\d+\]\.nonce$/.test(rule)).length
  return {
    claims: {
      tee_attested: tee,
      tcb_current: say(detailsOf(of('tcb_current'))),
      image_known: say(`image ${record.imageId}`),
      gpu_attested: devices === 0 ? unknown('the key is bound to no GPU') : say(`${devices} devices were appraised with it`),
      custody: custody(of('custody'), tee, prefix, trust),
    },
    model: boundModel(record.models, receipt, of('model'), [], () => say(`manifest ${receipt.modelHash} is among the models the key is bound to`)),
  }
}

// ---------------------------------------------------------------- what came later

/** What the registry recorded of the key after the receipt was issued. */
function chainMarks(record: KeyRecord | undefined, { issuedAt }: Receipt.Receipt): string[] {
  if (!record) return []
  const { compromisedFrom, retiredAt, reason } = record
  if (compromisedFrom !== undefined && compromisedFrom > issuedAt) return [`signer later revoked: ${reason}`]
  if (retiredAt <= issuedAt) return []
  return [reason ? `signer later revoked: ${reason}` : 'signer later retired']
}

/** Rules that fail for every key in the end. */
const growsOld = /^(key\.life|image\.active|.+\.validity|.+\.verified)$/

/** Removals and contrary appraisals after the epoch the receipt was sold under. */
function laterMarks(again: Again, { policyEpoch }: Receipt.Receipt): string[] {
  if (again.kind !== 'repeated' && again.kind !== 'word') return []
  const appraisals = again.later.flatMap(({ record }: Believed) => {
    const failed = record.outcome === 'affirming' ? undefined : record.reasons.find(({ ok, rule }) => !ok && !growsOld.test(rule))
    return failed ? [`signer later revoked: ${failed.detail}`] : []
  })
  const since = (again.removals ?? []).filter((removal) => removal.removedIn > policyEpoch && !holdsIn(removal, policyEpoch))
  const removals = again.kind === 'word' ? removalsOfRecord(again.inForce.record, since).map(describeRemoved) : removalsOfPieces(again, since)
  return [...removals.map((removal) => `signer later revoked: ${removal}`), ...appraisals]
}

function removalsOfPieces({ pieces, collection, policy }: Repeated, since: readonly Removed[]): string[] {
  const removed = Removals.withRemovals(policy, Number.MAX_SAFE_INTEGER, since.map((removal) => ({ ...removal, epoch: removal.removedIn })))
  return pieces.flatMap((piece) => Removals.removalsOf(piece, collection.binding, removed)).map(Removals.describeRemoval)
}

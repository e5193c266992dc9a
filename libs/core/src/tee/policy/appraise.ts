import { toHex } from '../bytes.js'
import { VERIFIER_VERSION, type EvidenceClaims } from '../evidence.js'
import { checkBoundFields, deviceNonce, type Challenge, type KeyBinding } from './binding.js'
import type { HardwareRule, ImageRule, Policy } from './document.js'
import { describeRemoval, removalsOf } from './removals.js'

/** A key that wants to be trusted: what it claims to be bound to, the challenge it answered, and when that arrived. */
export interface KeyRegistration {
  readonly binding: KeyBinding
  readonly challenge: Challenge
  readonly receivedAt: Date
}

/** One rule and what came of it. Shown to clients verbatim. */
export interface RuleVerdict {
  readonly rule: string
  readonly ok: boolean
  readonly detail: string
}

export interface Appraisal {
  readonly outcome: 'affirming' | 'contraindicated'
  /** Every rule, in the order they were weighed. The outcome is affirming when all of them hold. */
  readonly reasons: readonly RuleVerdict[]
  /** Until when the key may sign; the time of appraisal where it may not. */
  readonly expiresAt: Date
  readonly policyEpoch: number
  readonly policyDigest: string
  /** The policy's entries that were met. */
  readonly hardwareId: string | undefined
  readonly imageId: string | undefined
}

/** A challenge is answered within five minutes of being given, and evidence is no older when it arrives. */
export const CHALLENGE_SECONDS_MAX = 300
/** How far a machine's clock may run ahead of the verifier's. */
export const CLOCK_AHEAD_SECONDS_MAX = 5

/**
 * Weighs the claims of one machine and its devices against a policy. Pure: the same claims, registration, policy and
 * time give the same answer, so anybody can repeat it, and live keys are appraised again when the policy changes.
 *
 * `claims` come from verifiers that ran at a time of the caller's choosing; their validity is held against `at` here.
 */
export function appraise(
  claims: readonly EvidenceClaims[],
  registration: KeyRegistration,
  policy: Policy,
  at: Date,
): Appraisal {
  const machines = claims.filter(({ role }) => role === 'cpu')
  const machine = machines.length === 1 ? machines[0] : undefined
  const devices = claims.filter(({ role }) => role !== 'cpu')
  const hardware = machine && hardwareOf(machine, 'machine', policy, at, undefined)
  const image = machine && imageOf(machine, policy)
  const reasons = [
    ...policyRules(policy, at),
    ...registrationRules(registration, policy, at),
    machineRule(machines, registration.binding),
    simulationRule(claims, policy),
    ...(machine ? machineRules(machine, registration) : []),
    ...(machine ? denialRules(machine, 'machine', registration, policy) : []),
    ...(hardware?.reasons ?? []),
    ...imageRules(image, registration, devices, at),
    modelRule(image, registration.binding, policy),
    ...devicesRules(devices, registration),
    ...devices.flatMap((device, i) => {
      const label = `${device.role}[${i}]`
      return [
        ...denialRules(device, label, registration, policy),
        ...deviceRules(device, label, registration),
        ...hardwareOf(device, label, policy, at, hardware?.rule).reasons,
      ]
    }),
  ]
  const keyLife = keyLifeRule(claims, registration, hardware?.rule, image, at)
  reasons.push(keyLife.verdict)
  const affirming = reasons.every(({ ok }) => ok)
  return {
    outcome: affirming ? 'affirming' : 'contraindicated',
    reasons,
    expiresAt: affirming ? keyLife.until : at,
    policyEpoch: policy.epoch,
    policyDigest: policy.digest,
    hardwareId: hardware?.rule?.id,
    imageId: image?.id,
  }
}

function verdict(rule: string, ok: boolean, detail: string): RuleVerdict {
  return { rule, ok, detail }
}

const seconds = (date: Date) => date.getTime() / 1000
const iso = (unixSeconds: number) => new Date(unixSeconds * 1000).toISOString()

function policyRules(policy: Policy, at: Date): RuleVerdict[] {
  return [
    verdict(
      'policy.active',
      seconds(at) >= policy.notBefore,
      `policy epoch ${policy.epoch} holds from ${iso(policy.notBefore)}`,
    ),
    verdict(
      'policy.verifier-version',
      atLeast(VERIFIER_VERSION, policy.minVerifierVersion),
      `verifier ${VERIFIER_VERSION}, policy asks for ${policy.minVerifierVersion} or later`,
    ),
  ]
}

function atLeast(version: string, minimum: string): boolean {
  const [own, asked] = [version, minimum].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) if (own![i] !== asked![i]) return own![i]! > asked![i]!
  return true
}

function registrationRules(
  { binding, challenge, receivedAt }: KeyRegistration,
  policy: Policy,
  at: Date,
): RuleVerdict[] {
  const left = challenge.expiresAt - seconds(receivedAt)
  return [
    verdict(
      'binding.chain',
      binding.chainId === policy.chainId,
      `bound to chain ${binding.chainId}, policy of ${policy.chainId}`,
    ),
    verdict(
      'binding.registry',
      toHex(binding.registry) === policy.registry,
      `bound to registry 0x${toHex(binding.registry)}`,
    ),
    verdict(
      'challenge.fresh',
      left >= 0 && left <= CHALLENGE_SECONDS_MAX,
      left >= 0 ? `answered ${left} s before it ran out` : `answered ${-left} s after it ran out`,
    ),
    verdict('registration.order', receivedAt.getTime() <= at.getTime(), `received ${receivedAt.toISOString()}`),
  ]
}

function machineRule(machines: readonly EvidenceClaims[], { kind }: KeyBinding): RuleVerdict {
  const [machine] = machines
  const ok = machines.length === 1 && machine!.kind === kind
  const found = machines.map((one) => one.kind).join(', ') || 'none'
  return verdict('evidence.machine', ok, `one ${kind} machine expected, found ${found}`)
}

/** All simulated, on a network that plays, or none. */
function simulationRule(claims: readonly EvidenceClaims[], { network }: Policy): RuleVerdict {
  const simulated = claims.filter(({ kind }) => kind === 'simulated').length
  const ok = simulated === 0 || (simulated === claims.length && network !== 'mainnet')
  return verdict(
    'evidence.simulated',
    ok,
    `${simulated} of ${claims.length} pieces of evidence are simulated, network ${network}`,
  )
}

/** The machine's evidence holds the binding, and is fresh where it states its own time. */
function machineRules(machine: EvidenceClaims, { binding, challenge, receivedAt }: KeyRegistration): RuleVerdict[] {
  const rules = machine.kind === binding.kind ? boundRules(machine, binding, challenge) : []
  if (machine.issuedAt) {
    const age = (receivedAt.getTime() - machine.issuedAt.getTime()) / 1000
    const fresh = age >= -CLOCK_AHEAD_SECONDS_MAX && age <= CHALLENGE_SECONDS_MAX
    rules.push(verdict('evidence.age', fresh, `${age} s old when it arrived, ${CHALLENGE_SECONDS_MAX} s allowed`))
  }
  return rules
}

function boundRules(machine: EvidenceClaims, binding: KeyBinding, challenge: Challenge): RuleVerdict[] {
  const names = { userData: 'binding.user-data', nonce: 'binding.nonce', publicKey: 'binding.public-key' } as const
  return checkBoundFields(machine, binding, challenge).map(({ field, ok }) =>
    verdict(names[field], ok, ok ? 'the hardware signed what the key claims' : 'the hardware signed something else'),
  )
}

function denialRules(
  claims: EvidenceClaims,
  label: string,
  { binding }: KeyRegistration,
  policy: Policy,
): RuleVerdict[] {
  const { deny, denyIds } = policy
  const { kind, product, platformId, measurements, provenance } = claims
  const denied = deny.find((rule) => rule.kind === kind && (rule.product ?? product) === product)
  const measured = Object.entries(measurements).find(([, value]) => denyIds.measurement.includes(value))
  const signers = [toHex(binding.receiptKey), provenance.signerFingerprint]
  return [
    verdict(
      `${label}.denied-product`,
      !denied,
      denied ? `${kind} ${product} is denied: ${denied.reason}` : `${kind} ${product} is not denied`,
    ),
    verdict(
      `${label}.denied-platform`,
      platformId === undefined || !denyIds.platform.includes(platformId),
      platformId === undefined ? 'the evidence names no platform' : `platform ${platformId}`,
    ),
    verdict(
      `${label}.denied-measurement`,
      !measured,
      measured ? `${measured[0]} is denied` : 'no measurement is denied',
    ),
    verdict(`${label}.denied-signer`, !signers.some((id) => denyIds.signer.includes(id)), `receipt key ${signers[0]}`),
    removalRule(claims, label, binding, policy),
  ]
}

function removalRule(claims: EvidenceClaims, label: string, binding: KeyBinding, policy: Policy): RuleVerdict {
  const removals = removalsOf(claims, binding, policy)
  const detail = removals.map(describeRemoval).join('; ') || `nothing of it was removed up to epoch ${policy.epoch}`
  return verdict(`${label}.removed`, removals.length === 0, detail)
}

interface HardwareMatch {
  readonly rule: HardwareRule | undefined
  readonly reasons: readonly RuleVerdict[]
}

/** The first entry that fits and whose rules all hold; failing that, the first that fits, with what it lacks. */
function hardwareOf(
  claims: EvidenceClaims,
  label: string,
  policy: Policy,
  at: Date,
  companion: HardwareRule | undefined,
): HardwareMatch {
  const fits = ({ kind, products }: HardwareRule) =>
    kind === claims.kind && products.some((product) => product === '*' || product === claims.product)
  const candidates = policy.hardware.filter(fits).map((rule) => ({
    rule,
    reasons: [
      verdict(`${label}.hardware`, true, `${claims.kind} ${claims.product} is ${rule.id}`),
      ...hardwareRules(claims, label, rule, at, companion),
    ],
  }))
  const met = candidates.find(({ reasons }) => reasons.every(({ ok }) => ok))
  const none = {
    rule: undefined,
    reasons: [verdict(`${label}.hardware`, false, `${claims.kind} ${claims.product} is on no list`)],
  }
  return met ?? candidates[0] ?? none
}

function hardwareRules(
  claims: EvidenceClaims,
  label: string,
  rule: HardwareRule,
  at: Date,
  companion: HardwareRule | undefined,
): RuleVerdict[] {
  return [
    debugRule(claims, label),
    ...baselineRules(claims, label),
    ...intelTcbRules(claims, label, rule),
    ...componentRules(claims, label, rule),
    ...flagRules(claims, label, rule),
    verdict(
      `${label}.revocation`,
      rule.revocation === 'unchecked' || claims.revocation === 'checked',
      `revocation ${claims.revocation}, policy says ${rule.revocation}`,
    ),
    validityRule(claims, label, at),
    custodyRule(claims, label, rule),
    ...driverRules(claims, label, rule),
    ...companionRules(label, rule, companion),
  ]
}

/** Never negotiable: no policy can take a machine whose host may look inside. */
function debugRule({ debug, flags, role }: EvidenceClaims, label: string): RuleVerdict {
  const rule = `${label}.debug`
  if (debug !== undefined) return verdict(rule, !debug, debug ? 'runs in debug mode' : 'does not run in debug mode')
  // A device in another mode measures differently, so complete golden values speak for it. A switch has no driver.
  const golden = flags['goldenVbios'] === true && (role === 'switch' || flags['goldenDriver'] === true)
  const found = golden ? 'match' : 'do not match in full'
  return verdict(rule, golden, `the report does not state its mode; golden values ${found}`)
}

/** A TD that takes #VE from its host can be driven by it (Intel TDX module ABI, SEPT_VE_DISABLE). */
function baselineRules({ kind, flags }: EvidenceClaims, label: string): RuleVerdict[] {
  if (kind !== 'tdx') return []
  return [
    verdict(
      `${label}.sept-ve-disable`,
      flags['septVeDisable'] === true,
      `SEPT_VE_DISABLE is ${flags['septVeDisable']}`,
    ),
  ]
}

function intelTcbRules({ tcb }: EvidenceClaims, label: string, rule: HardwareRule): RuleVerdict[] {
  if (!rule.tcb) return []
  const { status, allowedAdvisories, minEvalNumber } = rule.tcb
  const open = tcb.advisories.filter((advisory) => !allowedAdvisories.includes(advisory))
  const statusOk = tcb.status !== undefined && status.includes(tcb.status)
  const rules = [
    verdict(`${label}.tcb-status`, statusOk, `TCB is ${tcb.status}, policy takes ${status.join(', ')}`),
    verdict(
      `${label}.advisories`,
      open.length === 0,
      open.length === 0 ? 'no advisory is open' : `open: ${open.join(', ')}`,
    ),
  ]
  if (minEvalNumber === 0) return rules
  const evaluated = (tcb.evaluationNumber ?? 0) >= minEvalNumber
  return [
    ...rules,
    verdict(
      `${label}.evaluation-number`,
      evaluated,
      `evaluation ${tcb.evaluationNumber}, policy asks for ${minEvalNumber}`,
    ),
  ]
}

/** Reported and committed levels: firmware that can be rolled back shows a lower committed level. */
function componentRules({ tcb }: EvidenceClaims, label: string, { minTcb = {} }: HardwareRule): RuleVerdict[] {
  return Object.entries(minTcb).map(([name, minimum]) => {
    const [reported, committed] = [tcb.svn[name], tcb.svn[`committed.${name}`]]
    const ok = reported !== undefined && committed !== undefined && reported >= minimum && committed >= minimum
    return verdict(
      `${label}.min-tcb.${name}`,
      ok,
      `${name} reported ${reported}, committed ${committed}, policy asks for ${minimum}`,
    )
  })
}

/** A flag the evidence does not state satisfies neither a requirement nor a prohibition. */
function flagRules({ flags, debug }: EvidenceClaims, label: string, rule: HardwareRule): RuleVerdict[] {
  const stated = (name: string) => (name === 'debug' ? debug : flags[name])
  return [
    ...rule.require.map((name) =>
      verdict(`${label}.require.${name}`, stated(name) === true, `${name} is ${stated(name) ?? 'not stated'}`),
    ),
    ...rule.forbid.map((name) =>
      verdict(`${label}.forbid.${name}`, stated(name) === false, `${name} is ${stated(name) ?? 'not stated'}`),
    ),
  ]
}

function validityRule({ validity }: EvidenceClaims, label: string, at: Date): RuleVerdict {
  const ok = at >= validity.notBefore && at <= validity.notAfter
  return verdict(
    `${label}.validity`,
    ok,
    `valid ${validity.notBefore.toISOString()} to ${validity.notAfter.toISOString()}`,
  )
}

function custodyRule({ platformId }: EvidenceClaims, label: string, { custody, platforms }: HardwareRule): RuleVerdict {
  const rule = `${label}.custody`
  if (custody === undefined) return verdict(rule, true, 'the policy asks for no custody')
  if (!platforms) return verdict(rule, true, `${custody}, asserted by the policy for this hardware`)
  const listed = platformId !== undefined && platforms.includes(platformId)
  return verdict(
    rule,
    listed,
    `${custody}: platform ${platformId ?? 'unnamed'} is ${listed ? '' : 'not '}on the policy’s list`,
  )
}

function driverRules({ versions }: EvidenceClaims, label: string, { drivers }: HardwareRule): RuleVerdict[] {
  if (!drivers) return []
  const driver = versions['driver']
  return [
    verdict(`${label}.driver`, driver !== undefined && drivers.includes(driver), `driver ${driver ?? 'not stated'}`),
  ]
}

function companionRules(label: string, rule: HardwareRule, companion: HardwareRule | undefined): RuleVerdict[] {
  if (!rule.with) return []
  const ok = companion !== undefined && rule.with.includes(companion.id)
  return [
    verdict(
      `${label}.companion`,
      ok,
      `plugged into ${companion?.id ?? 'no listed machine'}, policy takes ${rule.with.join(', ')}`,
    ),
  ]
}

function imageOf({ kind, measurements }: EvidenceClaims, { images }: Policy): ImageRule | undefined {
  return images.find(
    (image) =>
      image.kind === kind && Object.entries(image.match).every(([name, value]) => measurements[name] === value),
  )
}

function imageRules(
  image: ImageRule | undefined,
  { binding }: KeyRegistration,
  devices: readonly EvidenceClaims[],
  at: Date,
): RuleVerdict[] {
  if (!image) return [verdict('image.known', false, 'the measurements are those of no image of the policy')]
  const now = seconds(at)
  const retired = image.retireAt !== undefined && now >= image.retireAt
  const rules = [
    verdict('image.known', true, `image ${image.id}`),
    verdict('image.bound', binding.imageId === image.id, `the key is bound to image ${binding.imageId}`),
    verdict(
      'image.active',
      now >= image.activeFrom && !retired,
      `active from ${iso(image.activeFrom)}${image.retireAt === undefined ? '' : ` to ${iso(image.retireAt)}`}`,
    ),
  ]
  if (!image.devices) return rules
  const [gpus, switches] = ['gpu', 'switch'].map((role) => devices.filter((device) => device.role === role).length)
  const complete = gpus === image.devices.gpus && switches === image.devices.switches
  const asked = `${image.devices.gpus} GPUs and ${image.devices.switches} switches`
  return [
    ...rules,
    verdict('image.devices', complete, `${gpus} GPUs and ${switches} switches, image asks for ${asked}`),
  ]
}

function modelRule(image: ImageRule | undefined, binding: KeyBinding, policy: Policy): RuleVerdict {
  if (binding.models.length === 0) {
    const allowed = image?.modelBinding === 'none'
    return verdict('model.known', allowed, 'no model is bound: model weights are unknown')
  }
  const bound = binding.models.map(toHex)
  const known = policy.models.filter(({ manifestHash }) => bound.includes(manifestHash))
  const unlisted = bound.find((hash) => !known.some(({ manifestHash }) => manifestHash === hash))
  const detail = unlisted ? `model manifest sha256:${unlisted} is on no list` : `models ${known.map(({ id }) => id).join(', ')}`
  return verdict('model.known', unlisted === undefined, detail)
}

/** Each device once, and exactly those whose evidence the machine signed. */
function devicesRules(devices: readonly EvidenceClaims[], { binding }: KeyRegistration): RuleVerdict[] {
  const ids = devices.map(({ platformId }) => platformId)
  const distinct = ids.every((id) => id !== undefined) && new Set(ids).size === ids.length
  const digests = devices.map(({ provenance }) => provenance.evidenceDigest)
  const listed = binding.gpu.map(toHex)
  const same = listed.length === digests.length && listed.every((digest, i) => digest === digests[i])
  return [
    verdict('devices.distinct', distinct, `${new Set(ids).size} of ${ids.length} devices are distinct`),
    verdict('devices.bound', same, `${listed.length} device digests are bound, ${digests.length} devices are shown`),
  ]
}

function deviceRules({ nonce }: EvidenceClaims, label: string, { binding, challenge }: KeyRegistration): RuleVerdict[] {
  const expected = toHex(deviceNonce(challenge, binding.receiptKey))
  const ok = nonce !== undefined && toHex(nonce) === expected
  return [
    verdict(`${label}.nonce`, ok, ok ? 'answers this challenge for this key' : 'answers another challenge or key'),
  ]
}

/** A key lives no longer than the policy's hours, anything it rests on, and its image. */
function keyLifeRule(
  claims: readonly EvidenceClaims[],
  { receivedAt }: KeyRegistration,
  hardware: HardwareRule | undefined,
  image: ImageRule | undefined,
  at: Date,
): { verdict: RuleVerdict; until: Date } {
  const hours = hardware?.maxKeyHours
  const ends = [
    receivedAt.getTime() + (hours ?? 0) * 3_600_000,
    ...claims.map(({ validity }) => validity.notAfter.getTime()),
    ...(image?.retireAt === undefined ? [] : [image.retireAt * 1000]),
  ]
  const until = new Date(Math.min(...ends))
  return { verdict: verdict('key.life', at < until, `the key lives until ${until.toISOString()}`), until }
}

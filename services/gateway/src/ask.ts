import { AppError, Body, Receipt, Tensor, type Decision, type Hex } from '@haca/core'
import type { RouteResponse, BodyEncoding } from '@haca/proto'
import { Wire, readBody } from '@haca/platform/wire'
import type { Models } from './models.js'
import type { ModelView, Router } from './ports.js'
import { Refusal } from './refusal.js'

/** A request as it came over a transport. */
export interface Ask {
  /** What is asked for; part of the fingerprint. */
  operation: 'infer' | 'chat' | 'completion'
  encoding: BodyEncoding
  /** The caller's bytes, verbatim. */
  body: Uint8Array
  /** 32 bytes, or empty: the node draws one. */
  salt: Uint8Array
  /** Where it was asked, for the payment's resource. */
  resourceUrl: string
  /** Address to be told at when the proof is there. */
  webhook?: string
}

/** A request that was read and fits its model. */
export interface Read {
  ask: Ask
  model: ModelView
  units: number
  wish: Body.Wish
}

/** A request with the router's decision. */
export interface Priced extends Read {
  decision: Decision.Decision
  decisionHash: Hex.Hex
  unitPrice: bigint
  ceiling: bigint
  deadlineSeconds: number
  predictedLatencyMs: number
}

/** Reads a request and holds it against its model, so that nobody pays for a body that cannot be served. Throws a Refusal that names the field. */
export async function read(ask: Ask, models: Pick<Models, 'find'>): Promise<Read> {
  if (ask.body.length > Body.bytesMax) throw new Refusal('too-large', 'body.too-large', `the body has ${ask.body.length} bytes; the limit is ${Body.bytesMax}`)
  if (ask.salt.length !== 0 && ask.salt.length !== 32) throw new Refusal('invalid', 'salt.malformed', 'a salt is 32 bytes', 'HACA-Salt')
  const body = readBody(ask.encoding, ask.body)
  if (!body.ok) throw invalid(body)
  const model = await models.find(body.value.model)
  const conformed = Tensor.conform(body.value.inputs, model.inputs, model.maxUnits)
  if (!conformed.ok) throw invalid(conformed)
  return { ask, model, units: conformed.value.units, wish: body.value.wish }
}

/** Asks the router for method and price. */
export async function price(request: Read, router: Pick<Router, 'route'>): Promise<Priced> {
  const { model, wish, units } = request
  const response = await router.route({
    model: model.modelHash,
    verification: wish.verification,
    units,
    valueAtRisk: wish.valueAtRisk.toString(),
    deadlineMs: wish.deadlineMs,
    budget: wish.budget?.toString() ?? '',
  })
  if (response.outcome.case === 'refusal') throw refused(response.outcome.value)
  if (response.outcome.case !== 'decision') throw new AppError('router.malformed', { detail: 'the router answered neither a decision nor a refusal' })
  const taken = response.outcome.value
  return {
    ...request,
    decision: decisionOf(request, response, taken),
    decisionHash: Wire.hex(taken.decisionHash, 32, 'decision_hash'),
    unitPrice: Wire.amount(taken.unitPrice, 'unit_price'),
    ceiling: Wire.amount(taken.ceiling, 'ceiling'),
    deadlineSeconds: taken.deadlineSeconds,
    predictedLatencyMs: taken.predictedLatencyMs,
  }
}

type Taken = Extract<RouteResponse['outcome'], { case: 'decision' }>['value']

/** The decision whole, as its hash covers it, for the caller to keep. */
function decisionOf({ model, wish, units }: Read, response: RouteResponse, taken: Taken): Decision.Decision {
  return {
    modelHash: model.modelHash,
    mode: taken.mode,
    units,
    valueAtRisk: wish.valueAtRisk,
    deadlineMs: wish.deadlineMs,
    budget: wish.budget ?? 0n,
    policyEpoch: Number(taken.policyEpoch),
    at: Number(taken.decidedAtMs),
    candidates: response.candidates.map((c) => ({
      mode: c.mode,
      pool: c.pool,
      hardware: c.hardware,
      reason: c.reason as Decision.Reason,
      latencyMs: c.latencyMs,
      price: BigInt(c.price),
      expectedLoss: BigInt(c.expectedLoss),
    })),
  }
}

/** What a refusal of the router is to the caller. */
function refused({ reason, detail }: { reason: string; detail: string }): Refusal {
  const kinds: Record<string, [Refusal['kind'], string?]> = {
    'unknown-model': ['unknown', 'model'],
    'model-retired': ['gone', 'model'],
    'too-many-units': ['invalid', 'inputs[0].shape[0]'],
    'over-budget': ['invalid', 'budget'],
    'too-slow': ['invalid', 'deadlineMs'],
    'no-circuit': ['invalid', 'verification'],
    'assurance-too-low': ['invalid', 'verification'],
    'proof-not-sold': ['invalid', 'verification'],
    'proof-too-slow': ['invalid', 'deadlineMs'],
    'one-row-a-proof': ['invalid', 'inputs[0].shape[0]'],
  }
  const [kind, field] = kinds[reason] ?? ['unavailable']
  return new Refusal(kind, `route.${reason}`, detail, field, kind === 'unavailable' ? 2 : undefined)
}

const invalid = ({ reason, detail, field }: { reason: string; detail?: string; field?: string }): Refusal => new Refusal('invalid', reason, detail ?? reason, field)

/** Name of the verification an offer or receipt has. */
export const modeName = (mode: number): string => Object.entries(Receipt.modes).find(([, value]) => value === mode)?.[0] ?? `mode ${mode}`

import { create } from '@bufbuild/protobuf'
import { Body, Decision, Hex, Receipt, Route, type Fleet } from '@haca/core'
import { CandidateSchema, RouteResponseSchema, type RouteRequest, type RouteResponse } from '@haca/proto'
import type { Logger } from '@haca/platform/log'
import type { Catalog, FleetView } from './ports.js'
import { routed } from './events.js'

/** Method and price for a request that has not been paid yet. */
export function routeRequest(request: RouteRequest, world: { catalog: Catalog; fleet: FleetView; policy: Fleet.Policy; now: number; logger: Logger }): RouteResponse {
  const model = world.catalog.find(request.model)
  if (!model) return refused('unknown-model', `no model "${request.model}" is registered`, [])
  const wish = wishOf(request)
  if (!wish.ok) return refused('malformed', wish.detail ?? wish.reason, [])
  const answer = Route.route({ model, wish: wish.value, units: request.units }, world.fleet.nodes(), world.policy, world.now)
  routed(world.logger, { model: model.name, outcome: answer.ok ? (Object.keys(Receipt.modes)[answer.value.mode] as string) : answer.reason })
  if (!answer.ok) return refused(answer.reason, answer.detail ?? '', answer.candidates)
  const decision = answer.value
  const taken = decision.candidates.find((c) => c.mode === decision.mode && c.reason === 'eligible') as Decision.Candidate
  return create(RouteResponseSchema, {
    outcome: {
      case: 'decision',
      value: {
        modelHash: Hex.toBytes(model.modelHash),
        mode: decision.mode,
        // What a proof costs is part of its one row's price.
        unitPrice: (taken.price / BigInt(decision.units)).toString(),
        ceiling: taken.price.toString(),
        predictedLatencyMs: taken.latencyMs,
        deadlineSeconds: world.policy.deadlineSeconds,
        policyEpoch: BigInt(decision.policyEpoch),
        decisionHash: Hex.toBytes(Decision.hash(decision)),
        decidedAtMs: BigInt(decision.at),
      },
    },
    candidates: decision.candidates.map(candidate),
  })
}

const wishOf = (request: RouteRequest) =>
  Body.parseWish({
    verification: request.verification || 'auto',
    valueAtRisk: request.valueAtRisk || '0',
    deadlineMs: request.deadlineMs,
    ...(request.budget ? { budget: request.budget } : {}),
  })

const refused = (reason: string, detail: string, candidates: readonly Decision.Candidate[]): RouteResponse =>
  create(RouteResponseSchema, { outcome: { case: 'refusal', value: { reason, detail } }, candidates: candidates.map(candidate) })

const candidate = (c: Decision.Candidate) =>
  create(CandidateSchema, {
    mode: c.mode,
    pool: c.pool,
    hardware: c.hardware,
    eligible: c.reason === 'eligible',
    reason: c.reason,
    latencyMs: c.latencyMs,
    price: c.price.toString(),
    expectedLoss: c.expectedLoss.toString(),
  })

import { create } from '@bufbuild/protobuf'
import { Hex, Route, type Fleet, type Tensor } from '@haca/core'
import { ListModelsResponseSchema, ModelSchema, TensorSpecSchema, type ListModelsResponse } from '@haca/proto'
import { compareVersions } from './catalog.js'
import type { Catalog, CatalogModel, FleetView } from './ports.js'

/** Registered models that are not retired, and who serves them now. */
export function listModels(world: { catalog: Catalog; fleet: FleetView; policy: Fleet.Policy; now: number }): ListModelsResponse {
  return create(ListModelsResponseSchema, { models: world.catalog
    .all()
    .filter((m) => !m.retired)
    .sort((a, b) => a.name.localeCompare(b.name) || compareVersions(b.version, a.version))
    .map((m) => describe(m, world)) })
}

function describe(model: CatalogModel, { fleet, policy, now }: { fleet: FleetView; policy: Fleet.Policy; now: number }) {
  const serving = fleet.nodes().filter((node) => node.modelHashes.includes(model.modelHash) && Route.liveness(node, policy, now) === 'eligible')
  const tee = serving.some((node) => Route.trust(node, policy) === 'eligible')
  const provable = serving.length > 0 && model.circuit !== undefined && policy.proving !== undefined
  const { manifest } = model
  return create(ModelSchema, {
    modelHash: Hex.toBytes(model.modelHash),
    name: model.name,
    version: model.version,
    description: manifest.description,
    inputs: manifest.inputs.map(spec),
    outputs: manifest.outputs.map(spec),
    unitPrice: model.unitPrice.toString(),
    publisher: Hex.toBytes(model.publisher),
    verifications: [...(tee ? ['tee'] : []), ...(provable ? ['zkml'] : []), ...(tee && provable ? ['tee+zkml'] : [])],
    pools: [...new Set(serving.map((node) => node.pool))],
    maxUnits: model.maxUnits,
    accuracy: manifest.accuracy ? `${manifest.accuracy.value} ${manifest.accuracy.metric} on ${manifest.accuracy.heldOut} held-out samples` : '',
    labels: [...(manifest.labels ?? [])],
    ...(model.circuit ? { verificationKeyId: Hex.toBytes(model.circuit.vkId), setup: model.setup ?? '' } : {}),
  })
}

const spec = (s: Tensor.Spec) =>
  create(TensorSpecSchema, { name: s.name, datatype: s.datatype, shape: s.shape.map(BigInt), allowNonFinite: s.allowNonFinite ?? false })

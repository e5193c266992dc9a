import { modelRegistryAbi } from '@haca/contracts'
import { Hex, Manifest } from '@haca/core'
import { Groth16 } from '@haca/core/zk'
import type { Blobs } from '@haca/platform/blobs'
import { readPublished } from '@haca/platform/circuits'
import type { Chain } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import type { Catalog, CatalogModel } from './ports.js'

const pageSize = 100n

/**
 * The models of the on-chain registry with their manifests from the object store (`manifests/<digest>`, published by
 * whoever registers). Refreshed in the background; the last reading serves while the chain is away.
 */
export class ChainCatalog implements Catalog {
  #models = new Map<string, CatalogModel>()
  #ready = false
  #timer: NodeJS.Timeout | undefined
  readonly #manifests = new Map<string, Manifest.Identified>()
  readonly #circuits = new Map<string, Required<Pick<CatalogModel, 'circuit' | 'setup'>>>()

  constructor(
    readonly chain: Chain,
    readonly registry: Hex.Hex,
    readonly blobs: Blobs,
    readonly logger: Logger,
    readonly refreshMs: number,
    /** Whether circuits of one-party set-ups may be sold, which only development allows. */
    readonly devKeysAllowed: boolean,
  ) {}

  start(): void {
    const turn = async (): Promise<void> => {
      await this.refresh().catch((err: unknown) => this.logger.warn({ err }, 'model registry not read; trying again'))
      this.#timer = setTimeout(() => void turn(), this.#ready ? this.refreshMs : 500)
    }
    void turn()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  async refresh(): Promise<void> {
    const call = { address: this.registry, abi: modelRegistryAbi } as const
    const count = await this.chain.readContract({ ...call, functionName: 'count' })
    const models = new Map<string, CatalogModel>()
    for (let from = 0n; from < count; from += pageSize) {
      const page = await this.chain.readContract({ ...call, functionName: 'list', args: [from, pageSize] })
      for (const row of page) {
        const identified = await this.#manifest(row.modelHash)
        if (!identified || identified.manifest.name !== row.name || identified.manifest.version !== row.version) continue
        const [publisher] = await this.chain.readContract({ ...call, functionName: 'ownerOf', args: [row.name] })
        models.set(row.modelHash, {
          modelHash: row.modelHash,
          name: row.name,
          version: row.version,
          unitPrice: row.unitPrice,
          publisher,
          maxUnits: identified.manifest.maxUnits,
          retired: row.retiredAt !== 0n,
          manifest: identified.manifest,
          ...(await this.#circuit(row.modelHash, row.circuit)),
        })
      }
    }
    this.#models = models
    this.#ready = true
  }

  find(reference: string): CatalogModel | undefined {
    if (Hex.is(reference, 32)) return this.#models.get(reference.toLowerCase())
    const [name, version] = reference.split('@')
    const named = this.all().filter((m) => m.name === name && (version === undefined ? !m.retired : m.version === version))
    return named.sort((a, b) => compareVersions(b.version, a.version))[0]
  }

  byHash(modelHash: Hex.Hex): CatalogModel | undefined {
    return this.#models.get(modelHash)
  }

  all(): CatalogModel[] {
    return [...this.#models.values()]
  }

  ready(): boolean {
    return this.#ready
  }

  /** The circuit a model is bound to, if it can be used here. One that cannot leaves the model without proofs, and says so. */
  async #circuit(modelHash: Hex.Hex, vkId: Hex.Hex): Promise<Pick<CatalogModel, 'circuit' | 'setup'>> {
    if (vkId === Hex.zero32) return {}
    const known = this.#circuits.get(vkId)
    if (known) return known
    try {
      const published = await readPublished(this.blobs, vkId)
      if (published?.modelHash !== modelHash) throw new Error(published ? 'its record speaks of another model' : 'it has no record in the object store')
      const { setup } = published.registered
      if (setup.kind === 'dev' && !this.devKeysAllowed) throw new Error('its key is a development key, which production refuses')
      const circuit = { circuit: { vkId, constraints: published.constraints }, setup: Groth16.describeSetup(setup) }
      this.#circuits.set(vkId, circuit)
      return circuit
    } catch (err) {
      this.logger.warn({ err, modelHash, vkId }, 'bound circuit cannot be used')
      return {}
    }
  }

  /** A manifest by its digest. One that is missing or is not what its digest says leaves its model out, and says so. */
  async #manifest(modelHash: Hex.Hex): Promise<Manifest.Identified | undefined> {
    const known = this.#manifests.get(modelHash)
    if (known) return known
    const bytes = await this.blobs.get(`manifests/${modelHash.slice(2)}`)
    if (!bytes) {
      this.logger.warn({ modelHash }, 'registered model has no manifest in the object store')
      return undefined
    }
    try {
      const identified = Manifest.read(bytes)
      if (identified.modelHash !== modelHash) throw new Error('the stored manifest has another digest')
      this.#manifests.set(modelHash, identified)
      return identified
    } catch (err) {
      this.logger.warn({ err, modelHash }, 'registered model has a manifest that cannot be used')
      return undefined
    }
  }
}

/** Order of dotted numeric versions. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (left[i] ?? 0) - (right[i] ?? 0)
  return 0
}

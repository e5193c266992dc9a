import { Hex, type Tensor } from '@haca/core'
import type { Model } from '@haca/proto'
import type { Logger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import type { ModelView, Router } from './ports.js'
import { Refusal } from './refusal.js'

const refreshMs = 2_000
const askAgainMs = 500

/** The router's models, remembered for a moment: the paid path must not wait for a question whose answer hardly changes. */
export class Models {
  #models: ModelView[] = []
  #readAtMs = -Infinity
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly router: Pick<Router, 'listModels'>,
    readonly logger: Logger,
    readonly now: () => number,
  ) {}

  start(): void {
    this.#timer = setInterval(() => void this.#read().catch((err: unknown) => this.logger.debug({ err }, 'models not read; the last reading stands')), refreshMs)
    void this.#read().catch(() => undefined)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  all(): readonly ModelView[] {
    return this.#models
  }

  ready(): boolean {
    return this.#readAtMs > -Infinity
  }

  /** A model by name, name@version or 0x-digest. Throws `model.unknown`. */
  async find(reference: string): Promise<ModelView> {
    const found = this.#lookUp(reference)
    if (found) return found
    if (this.now() - this.#readAtMs > askAgainMs) await this.#read()
    const fresh = this.#lookUp(reference)
    if (fresh) return fresh
    throw new Refusal('unknown', 'model.unknown', `no model "${reference.slice(0, 80)}" is registered; GET /v1/models lists them`, 'model')
  }

  #lookUp(reference: string): ModelView | undefined {
    if (Hex.is(reference, 32)) return this.#models.find((m) => Hex.equals(m.modelHash, reference))
    const [name, version] = reference.split('@')
    // The router lists versions newest first.
    return this.#models.find((m) => m.name === name && (version === undefined || m.version === version))
  }

  #read(): Promise<void> {
    return (this.#reading ??= this.router
      .listModels()
      .then(({ models }) => {
        this.#models = models.map(view)
        this.#readAtMs = this.now()
      })
      .finally(() => (this.#reading = undefined)))
  }
}

const view = (m: Model): ModelView => ({
  modelHash: Wire.hex(m.modelHash, 32, 'model_hash'),
  name: m.name,
  version: m.version,
  description: m.description,
  inputs: m.inputs.map(spec),
  outputs: m.outputs.map(spec),
  unitPrice: Wire.amount(m.unitPrice, 'unit_price'),
  publisher: Wire.address(m.publisher, 'publisher'),
  verifications: m.verifications,
  pools: m.pools,
  maxUnits: m.maxUnits,
  accuracy: m.accuracy,
  labels: m.labels,
})

const spec = (s: Model['inputs'][number]): Tensor.Spec => ({
  name: s.name,
  datatype: s.datatype as Tensor.Datatype,
  shape: s.shape.map(Number),
  allowNonFinite: s.allowNonFinite,
})

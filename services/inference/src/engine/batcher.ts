import { AppError, Errors, type Hex, type Tensor } from '@haca/core'
import type { LocalModel } from '../models.js'

/** Runs one stack of inputs; the engine's `run`. */
export type Run = (modelHash: Hex.Hex, inputs: Tensor.Tensor[]) => Promise<Tensor.Tensor[]>

interface Item {
  model: LocalModel
  inputs: Tensor.Tensor[]
  units: number
  queuedAtMs: number
  crashes: number
  resolve(outputs: Tensor.Tensor[]): void
  reject(error: Error): void
}

const crashesMax = 3

/**
 * Gathers requests while the engine is busy and runs them together: batches form by themselves under load and nobody waits
 * when there is none. A batch that crashed the engine is run again one by one, so that one poisonous request takes nobody with it.
 */
export class Batcher {
  readonly #queue: Item[] = []
  #running: Item[] = []

  constructor(
    readonly run: Run,
    readonly options: { rowsMax: number; now(): number },
  ) {}

  /** Outputs of one request. Rejects with `engine.failed` (the model refuses it) or `engine.crashed` (it crashed the engine three times), or with the retryable `engine.closed`. */
  submit(model: LocalModel, inputs: Tensor.Tensor[], units: number): Promise<Tensor.Tensor[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ model, inputs, units, queuedAtMs: this.options.now(), crashes: 0, resolve, reject })
      void this.#pump()
    })
  }

  /** Requests queued or running, and the age of the oldest in milliseconds. */
  load(): { depth: number; oldestAgeMs: number } {
    const all = [...this.#running, ...this.#queue]
    const oldest = all.reduce((least, item) => Math.min(least, item.queuedAtMs), Infinity)
    return { depth: all.length, oldestAgeMs: all.length === 0 ? 0 : this.options.now() - oldest }
  }

  async #pump(): Promise<void> {
    if (this.#running.length > 0) return
    while (this.#queue.length > 0) {
      this.#running = this.#take()
      await this.#runTogether(this.#running)
      this.#running = []
    }
  }

  /** The oldest request with as many of its model as fit; alone when its model must run alone or it crashed before. */
  #take(): Item[] {
    const first = this.#queue.shift() as Item
    if (first.model.manifest.batching === 'single' || first.crashes > 0) return [first]
    const taken = [first]
    let rows = first.units
    for (let i = 0; i < this.#queue.length; ) {
      const item = this.#queue[i] as Item
      if (item.model.modelHash === first.model.modelHash && item.crashes === 0 && sameRows(item.inputs, first.inputs) && rows + item.units <= this.options.rowsMax) {
        taken.push(item)
        rows += item.units
        this.#queue.splice(i, 1)
      } else i++
    }
    return taken
  }

  async #runTogether(items: Item[]): Promise<void> {
    const { model } = items[0] as Item
    try {
      const outputs = await this.run(model.modelHash, stack(items.map((item) => item.inputs)))
      unstack(outputs, items.map((item) => item.units)).forEach((own, i) => items[i]?.resolve(own))
    } catch (error) {
      const known = Errors.find(error)
      const crashed = known?.retryable === true
      for (const item of items.toReversed()) {
        if (known?.code === 'engine.closed') item.reject(known) // nobody's fault; another node takes the request
        else if (items.length === 1 && !crashed) item.reject(error as Error)
        else if (item.crashes + 1 >= crashesMax) item.reject(new AppError('engine.crashed', { detail: 'the model crashed on this request', cause: error }))
        else this.#queue.unshift({ ...item, crashes: item.crashes + 1 }) // from now on it runs alone
      }
    }
  }
}

/** Whether rows of two requests are of one shape: where a dimension besides the first is free, they need not be, and cut apart again each would get something of the other's. */
const sameRows = (a: readonly Tensor.Tensor[], b: readonly Tensor.Tensor[]): boolean => a.every(({ shape }, i) => shape.slice(1).join() === b[i]?.shape.slice(1).join())

/** Rows of several requests under one another, input by input. */
export function stack(requests: readonly Tensor.Tensor[][]): Tensor.Tensor[] {
  const [first = []] = requests
  if (requests.length === 1) return first
  return first.map((tensor, i) => {
    const parts = requests.map((inputs) => inputs[i] as Tensor.Tensor)
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] as number), 0)
    return { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data: joined(parts.map((part) => part.data)) }
  })
}

/** Each request's own rows of the outputs. */
export function unstack(outputs: readonly Tensor.Tensor[], units: readonly number[]): Tensor.Tensor[][] {
  const rows = units.reduce((sum, count) => sum + count, 0)
  if (units.length > 1 && outputs.some((tensor) => tensor.shape[0] !== rows)) {
    throw new AppError('engine.failed', { detail: 'the model does not give one row of output per row of input' })
  }
  let row = 0
  if (units.length === 1) return [[...outputs]]
  return units.map((count) => {
    const own = outputs.map((tensor) => {
      const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1)
      return { ...tensor, shape: [count, ...tensor.shape.slice(1)], data: tensor.data.slice(row * width, (row + count) * width) as Tensor.Data }
    })
    row += count
    return own
  })
}

function joined(parts: readonly Tensor.Data[]): Tensor.Data {
  const [first] = parts
  if (Array.isArray(first)) return (parts as string[][]).flat()
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const Make = (first as Float32Array).constructor as new (length: number) => Float32Array
  const out = new Make(length)
  let at = 0
  for (const part of parts as Float32Array[]) {
    out.set(part, at)
    at += part.length
  }
  return out
}

import { refusal } from './error.js'
import type { Calibration } from './lower/context.js'
import { decode, encode } from './onnx/index.js'

/**
 * The model with every inner value among its outputs. Run it on samples in onnxruntime and pass what comes out to `observe`:
 * so ranges come from the runtime that serves the model, and no second interpreter has to agree with it.
 */
export function probe(onnx: Uint8Array): Uint8Array {
  const model = decode(onnx)
  const { graph } = model
  const shown = new Set(graph.outputs.map(({ name }) => name))
  const inner = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '' && !shown.has(name))
  return encode({ ...model, graph: { ...graph, outputs: [...graph.outputs, ...inner.map((name) => ({ name }))] } })
}

/** Widens ranges by the values of one run: the model's inputs and the probe's outputs, by name. */
export function observe(before: Calibration | undefined, values: Readonly<Record<string, ArrayLike<number | bigint>>>): Calibration {
  const ranges: Record<string, readonly [number, number]> = { ...before?.ranges }
  for (const [name, list] of Object.entries(values)) {
    let [min, max] = ranges[name] ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < list.length; i++) {
      const value = Number(list[i])
      if (Number.isNaN(value)) throw refusal('zk.input-invalid', `tensor "${name}" holds NaN on a calibration sample`)
      min = Math.min(min, value)
      max = Math.max(max, value)
    }
    if (list.length > 0) ranges[name] = [min, max]
  }
  return { ranges }
}

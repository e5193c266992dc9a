import { digits, modelsDirectory } from '@haca/tools'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { quantile } from '../report.js'

const runs = 5_000

/** The same model in one process with nothing around it: no payment, no receipt, nobody to check it. */
export async function runDirectly(): Promise<{ perSecond: number; p50Ms: number }> {
  const session = await ort.InferenceSession.create(join(modelsDirectory, 'digits/model.onnx'), { intraOpNumThreads: 1, interOpNumThreads: 1 })
  const feeds = digits.map(({ values }) => ({ pixels: new ort.Tensor('float32', Float32Array.from(values), [1, values.length]) }))
  const timesMs: number[] = []
  const began = performance.now()
  for (let i = 0; i < runs; i++) {
    const at = performance.now()
    await session.run(feeds[i % feeds.length] as (typeof feeds)[number])
    timesMs.push(performance.now() - at)
  }
  return { perSecond: (runs / (performance.now() - began)) * 1_000, p50Ms: quantile(timesMs, 0.5) }
}

import ort from 'onnxruntime-node'

/** One tensor for onnxruntime: float32 unless told otherwise. */
export interface Feed {
  data: ArrayLike<number>
  shape: readonly number[]
  type?: 'float32' | 'int64' | 'int32' | 'uint8' | 'bool'
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array } as const

/** A session on one thread. */
export const session = (onnx: Uint8Array): Promise<ort.InferenceSession> => ort.InferenceSession.create(onnx, ONE_THREAD)

/**
 * A session that runs every node as it stands in the file. The optimiser may answer otherwise than the graph says: it merges
 * two quantisations that follow each other into one, which rounds once where the model rounds twice.
 */
export const unoptimised = (onnx: Uint8Array): Promise<ort.InferenceSession> => ort.InferenceSession.create(onnx, { ...ONE_THREAD, graphOptimizationLevel: 'disabled' })

const ONE_THREAD = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const

/** Runs a model once; all outputs as numbers. */
export async function run(on: ort.InferenceSession, feeds: Readonly<Record<string, Feed>>): Promise<Record<string, number[]>> {
  const tensors = Object.entries(feeds).map(([name, { data, shape, type = 'float32' }]) => {
    const typed = type === 'int64' ? BigInt64Array.from(data, BigInt) : ARRAYS[type].from(data)
    return [name, new ort.Tensor(type, typed as never, [...shape])] as const
  })
  const out = await on.run(Object.fromEntries(tensors))
  return Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name, Array.from(tensor.data as ArrayLike<number | bigint>, Number)]))
}

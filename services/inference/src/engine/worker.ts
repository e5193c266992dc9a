import type { Tensor } from '@haca/core'
import * as ort from 'onnxruntime-node'
import type { FromWorker, ToWorker } from './messages.js'

// The child process that runs models. `session.run` blocks its event loop for as long as a run takes, which is why nobody
// else lives here; a crash of the runtime takes this process and not the consumer's group membership.

const sessions = new Map<string, { session: ort.InferenceSession; outputs: readonly Tensor.Spec[] }>()

const types: Record<Tensor.Datatype, ort.Tensor.Type> = {
  BOOL: 'bool',
  INT8: 'int8',
  UINT8: 'uint8',
  INT32: 'int32',
  INT64: 'int64',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
}

async function load(message: Extract<ToWorker, { kind: 'load' }>): Promise<void> {
  for (const { modelHash, path, inputs, outputs } of message.models) {
    const session = await ort.InferenceSession.create(path, {
      executionProviders: [message.provider],
      intraOpNumThreads: message.threads,
      interOpNumThreads: 1,
      extra: { session: { intra_op: { allow_spinning: '0' }, use_deterministic_compute: '1' } },
    })
    const entry = { session, outputs }
    sessions.set(modelHash, entry)
    await run(entry, inputs.map(warmUp)) // the first run allocates; it should not be a customer's
  }
}

async function run(entry: { session: ort.InferenceSession; outputs: readonly Tensor.Spec[] }, inputs: readonly Tensor.Tensor[]): Promise<Tensor.Tensor[]> {
  const feeds = Object.fromEntries(inputs.map((t) => [t.name, new ort.Tensor(types[t.datatype] as 'float32', t.data as Float32Array, [...t.shape])]))
  const results = await entry.session.run(feeds)
  return entry.outputs.map((spec) => {
    const value = results[spec.name]
    if (!value || value.type !== types[spec.datatype]) throw new Error(`the model gave no output "${spec.name}" of type ${spec.datatype}`)
    return { name: spec.name, datatype: spec.datatype, shape: value.dims.map(Number), data: value.data as Tensor.Data }
  })
}

function warmUp(spec: Tensor.Spec): Tensor.Tensor {
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size))
  const length = shape.reduce((product, size) => product * size, 1)
  const arrays = { BOOL: Uint8Array, INT8: Int8Array, UINT8: Uint8Array, INT32: Int32Array, INT64: BigInt64Array, FP32: Float32Array, FP64: Float64Array }
  const data: Tensor.Data = spec.datatype === 'BYTES' ? Array.from({ length }, () => '') : new arrays[spec.datatype](length)
  return { name: spec.name, datatype: spec.datatype, shape, data }
}

const tell = (message: FromWorker): void => void process.send?.(message)

process.on('message', (message: ToWorker) => {
  const id = message.kind === 'run' ? message.id : undefined
  const work = async (): Promise<FromWorker> => {
    if (message.kind === 'load') return load(message).then(() => ({ kind: 'loaded' }))
    const entry = sessions.get(message.modelHash)
    if (!entry) throw new Error('the model is not loaded')
    return { kind: 'ran', id: message.id, outputs: await run(entry, message.inputs) }
  }
  work().then(tell, (error: unknown) => tell({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) }))
})

// Without its parent a worker has nobody to work for.
process.on('disconnect', () => process.exit(0))

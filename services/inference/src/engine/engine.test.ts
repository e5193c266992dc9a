import type { Hex, Tensor } from '@haca/core'
import { createLogger } from '@haca/platform/log'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LocalModel } from '../models.js'
import { Engine } from './engine.js'

/** Loads what does not lie in /nonexistent, and answers what it is asked. */
const worker = `process.on('message', (message) => {
  if (message.kind === 'run') process.send({ kind: 'ran', id: message.id, outputs: message.inputs })
  else if (message.models.some(({ path }) => path.startsWith('/nonexistent'))) process.send({ kind: 'failed', id: undefined, message: 'no such file' })
  else process.send({ kind: 'loaded' })
})
process.on('disconnect', () => process.exit(0))`

const modelHash: Hex.Hex = `0x${'01'.repeat(32)}`
const inputs: Tensor.Tensor[] = [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: new Float32Array(1) }]
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-engine-'))
  await writeFile(join(folder, 'worker.cjs'), worker)
})
afterAll(() => rm(folder, { recursive: true }))

const modelOf = () => ({ modelHash, manifest: { inputs: [], outputs: [] }, weights: '/model.onnx' }) as unknown as LocalModel
const engineOf = (model = modelOf()) =>
  new Engine({ models: new Map([[modelHash, model]]), provider: 'cpu', threads: 1, runTimeoutMs: 10_000, logger: createLogger('engine', 'silent'), worker: join(folder, 'worker.cjs') })

async function killed(engine: Engine): Promise<void> {
  const pid = engine.pid() as number
  process.kill(pid, 'SIGKILL')
  while (engine.pid() === pid) await new Promise((next) => setTimeout(next, 20))
}

describe('an engine', { timeout: 10_000 }, () => {
  it('starts another worker when the system had no process to spare for the last one', async () => {
    const engine = engineOf()
    await engine.start()
    const { execPath } = process
    process.execPath = '/nonexistent/node'
    await killed(engine)
    process.execPath = execPath
    expect(await engine.run(modelHash, inputs)).toEqual(inputs)
    await engine.close()
  })

  it('starts another worker when one could not load its models', async () => {
    const model = modelOf()
    const engine = engineOf(model)
    await engine.start()
    model.weights = '/nonexistent/model.onnx'
    await killed(engine)
    model.weights = '/model.onnx'
    expect(await engine.run(modelHash, inputs)).toEqual(inputs)
    await engine.close()
  })

  it('says that it is closed, and lets nobody wait for it', async () => {
    const engine = engineOf()
    await engine.start()
    await engine.close()
    await expect(engine.run(modelHash, inputs)).rejects.toMatchObject({ code: 'engine.closed', retryable: true })
  })
})

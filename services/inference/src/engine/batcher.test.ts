import { AppError, type Tensor } from '@haca/core'
import { describe, expect, it } from 'vitest'
import type { LocalModel } from '../models.js'
import { Batcher, type Run } from './batcher.js'

const model = { modelHash: '0x01', manifest: { batching: 'stack' } } as unknown as LocalModel
const row = (...values: number[]): Tensor.Tensor[] => [{ name: 'x', datatype: 'FP32', shape: [1, values.length], data: new Float32Array(values) }]
const numbers = ([tensor]: Tensor.Tensor[]): number[] => Array.from(tensor?.data as Float32Array)
const batcher = (run: Run): Batcher => new Batcher(run, { rowsMax: 64, now: Date.now })

describe('a batcher', () => {
  it('gives everybody their own rows, also where requests are of different widths', async () => {
    const ran: number[][] = []
    const echo = batcher(async (_hash, inputs) => {
      await new Promise((next) => setTimeout(next, 10))
      ran.push([...(inputs[0]?.shape ?? [])])
      return inputs
    })
    const asked = [[0], [1, 2, 3, 4], [5, 6, 7], [8, 9, 10, 11, 12], [13, 14, 15, 16]]
    const answers = await Promise.all(asked.map((values) => echo.submit(model, row(...values), 1)))
    expect(answers.map(numbers)).toEqual(asked)
    expect(ran).toEqual([[1, 1], [2, 4], [1, 3], [1, 5]])
  })

  it('blames no request for a node that stops', async () => {
    const stopping = batcher(async () => {
      throw new AppError('engine.closed', { retryable: true })
    })
    await expect(stopping.submit(model, row(1), 1)).rejects.toMatchObject({ code: 'engine.closed', retryable: true })
  })
})

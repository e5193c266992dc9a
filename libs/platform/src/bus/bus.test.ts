import { describe, expect, it } from 'vitest'
import { createLogger } from '../log/index.js'
import { conformance } from './bus.conformance.js'
import { MemoryBus, MemoryLog } from './memory.js'
import { Watermark } from './watermark.js'

const log = new MemoryLog()
describe('memory bus', () => conformance(async () => new MemoryBus(log, createLogger('test', 'silent'))))

describe('watermark', () => {
  it('commits up to the lowest unfinished offset, once', () => {
    const watermark = new Watermark()
    expect(watermark.advance()).toBeUndefined()
    for (const offset of [5n, 6n, 7n, 9n]) watermark.begin(offset)
    watermark.finish(6n)
    watermark.finish(9n)
    expect(watermark.advance()).toBe(5n)
    watermark.committed(5n)
    expect(watermark.advance()).toBeUndefined()
    watermark.finish(5n)
    expect(watermark.advance()).toBe(7n)
    watermark.committed(7n)
    watermark.finish(7n)
    expect(watermark.advance()).toBe(10n)
  })
})

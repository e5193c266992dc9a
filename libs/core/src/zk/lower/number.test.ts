import { describe, expect, it } from 'vitest'
import { compile } from '../compile.js'
import { ModelBuilder } from '../testing/model-builder.js'
import { asFraction, floorLog2, isPowerOfTwo, lowestExponent } from './number.js'

describe('binary numbers', () => {
  it('have their exponents, next to powers of two also', () => {
    expect([1, 2, 3, 0.75, 2 ** 49 - 1, 2 ** -149].map(floorLog2)).toEqual([0, 1, 1, -1, 48, -149])
    expect([1, 2, 3, 0.75, 12, 2 ** -149].map(lowestExponent)).toEqual([0, 1, 0, -2, 2, -149])
    expect([1, 2 ** 40, 0.5, 3, 0, 2 ** 49 - 1].map(isPowerOfTwo)).toEqual([true, true, true, false, false, false])
    expect(asFraction(0.75, 10)).toEqual({ multiplier: 3, shift: 2 })
  })

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])('refuses %d among weights, in either arithmetic, instead of looking for its exponent for ever', (wrong) => {
    const b = new ModelBuilder()
    const x = b.integerInput('x', ['n', 2], 0, 7)
    const onnx = b.output(b.node('MatMul', [x, b.floats([wrong, 1], [2, 1])], {}, 'y')).build()
    for (const arithmetic of ['exact', 'int8'] as const) expect(() => compile(onnx, { ranges: { x: [0, 7], y: [0, 7] } }, { arithmetic })).toThrow(expect.objectContaining({ code: 'zk.model-invalid' }))
  })
})

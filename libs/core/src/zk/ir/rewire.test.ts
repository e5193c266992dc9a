import { describe, expect, it } from 'vitest'
import { compile } from '../compile.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { ModelBuilder } from '../testing/model-builder.js'
import { decodeProgram } from '../witness/program.js'
import { witness } from '../witness/witness.js'
import { read as readWitness } from '../witness/wtns-file.js'

describe('a value that is made one wire', () => {
  it('is no longer known to be even: its wire has the coefficient one', () => {
    const b = new ModelBuilder()
    const x = b.integerInput('x', ['n', 6], -8, 7)
    // The first column is even and of more terms than stand as a factor; the second layer uses it alone, and odd.
    const first = b.node('MatMul', [x, b.floats([2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1], [6, 2])])
    const second = b.node('MatMul', [first, b.floats([1, 3, 0, 0], [2, 2])])
    const floored = b.node('Floor', [b.node('Mul', [second, b.floats([0.25])])], {}, 'y')
    const compiled = compile(b.output(floored).build())
    const made = witness(decodeProgram(compiled.program), { inputs: { x: [1, -2, 3, -4, 5, 6] }, context: 1n })
    // 2·(1 - 2 + 3 - 4 + 5 + 6) = 18; floor(18 / 4) = 4 and floor(54 / 4) = 13.
    expect([...made.outputs[0]!.values]).toEqual([4, 13])
    expect(violated(read(compiled.r1cs), readWitness(made.wtns))).toBeUndefined()
  })
})

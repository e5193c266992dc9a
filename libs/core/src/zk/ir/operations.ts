import type { Operation } from './operation.js'
import { isZero, step } from './ops/compare.js'
import { constant, gather } from './ops/gather.js'
import { input } from './ops/input.js'
import { affine, combine, dense, sum } from './ops/linear.js'
import { argMax, maximum } from './ops/maximum.js'
import { matmul, multiply, rewire } from './ops/product.js'
import { requantise } from './ops/requantise.js'
import { roundEven } from './ops/round-even.js'
import { divide, table } from './ops/table.js'
import { thermometer } from './ops/thermometer.js'
import { trees } from './ops/trees.js'

/** All operations. A program names each by its place here: append, never reorder. */
// Each operation is invoked with the data its own `decode` made; the list cannot say so.
// eslint-disable-next-line typescript/no-explicit-any
export const operations: readonly Operation<any>[] = [
  input,
  thermometer,
  constant,
  gather,
  dense,
  affine,
  combine,
  sum,
  requantise,
  roundEven,
  step,
  isZero,
  multiply,
  matmul,
  rewire,
  maximum,
  argMax,
  table,
  divide,
  trees,
]

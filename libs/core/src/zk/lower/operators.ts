import * as Activation from './activation.js'
import * as Arithmetic from './arithmetic.js'
import * as Comparison from './comparison.js'
import type { Context } from './context.js'
import * as Convolution from './convolution.js'
import * as Linear from './linear.js'
import * as Movement from './movement.js'
import * as Pooling from './pooling.js'
import * as Quantisation from './quantisation.js'
import * as Softmax from './softmax.js'
import * as Trees from './trees.js'
import type { Value } from './value.js'

/** Lowers the context's current node: the values of its outputs, in order. */
export type Lowering = (c: Context) => readonly Value[]

/** Every operator that is understood, by its name; those of ai.onnx.ml with the domain before it. */
export const OPERATORS: Readonly<Record<string, Lowering>> = {
  // Movement: no constraint.
  Concat: Movement.concat,
  Constant: Movement.constant,
  ConstantOfShape: Movement.constantOfShape,
  DepthToSpace: Movement.depthToSpace,
  Dropout: Movement.dropout,
  Expand: Movement.expand,
  Flatten: Movement.flatten,
  Gather: Movement.gather,
  Identity: Movement.identity,
  Pad: Movement.pad,
  Reshape: Movement.reshape,
  Resize: Movement.resize,
  Shape: Movement.shape,
  Slice: Movement.slice,
  SpaceToDepth: Movement.spaceToDepth,
  Split: Movement.split,
  Squeeze: Movement.squeeze,
  Tile: Movement.tile,
  Transpose: Movement.transpose,
  Unsqueeze: Movement.unsqueeze,
  Cast: Movement.cast,

  // Linear in the input: no constraint but rounding afterwards.
  Add: Arithmetic.add,
  AveragePool: Pooling.averagePool,
  BatchNormalization: Arithmetic.batchNormalization,
  Conv: Convolution.convolution,
  ConvTranspose: Convolution.transposedConvolution,
  DequantizeLinear: Quantisation.dequantize,
  Div: Arithmetic.divide,
  Gemm: Linear.gemm,
  GlobalAveragePool: Pooling.globalAveragePool,
  MatMul: Linear.matmul,
  Mul: Arithmetic.multiply,
  Neg: Arithmetic.negate,
  QuantizeLinear: Quantisation.quantize,
  ReduceMean: Pooling.reduceMean,
  ReduceSum: Pooling.reduceSum,
  Sub: Arithmetic.subtract,
  Sum: Arithmetic.sumAll,

  // About the width of a number each.
  Abs: Activation.absolute,
  And: Comparison.logic('and'),
  ArgMax: Comparison.argMax,
  ArgMin: Comparison.argMin,
  Ceil: Quantisation.rounding('ceil'),
  Clip: Activation.clip,
  Equal: Comparison.compare('equal'),
  Floor: Quantisation.rounding('floor'),
  GlobalMaxPool: Pooling.globalMaxPool,
  Greater: Comparison.compare('greater'),
  GreaterOrEqual: Comparison.compare('greater-or-equal'),
  HardSigmoid: Activation.hardSigmoid,
  LeakyRelu: Activation.leakyRelu,
  Less: Comparison.compare('less'),
  LessOrEqual: Comparison.compare('less-or-equal'),
  Max: Activation.maximum,
  MaxPool: Pooling.maxPool,
  Min: Activation.minimum,
  Not: Comparison.not,
  Or: Comparison.logic('or'),
  PRelu: Activation.pRelu,
  ReduceMax: Pooling.reduceMax,
  ReduceMin: Pooling.reduceMin,
  Relu: Activation.relu,
  Round: Quantisation.rounding('round'),
  Sign: Activation.sign,
  Where: Comparison.where,
  Xor: Comparison.logic('xor'),

  // By tables.
  Elu: Activation.elu,
  Erf: Activation.erf,
  Exp: Activation.exponential,
  Gelu: Activation.gelu,
  HardSwish: Activation.hardSwish,
  Sigmoid: Activation.sigmoid,
  Softmax: Softmax.softmax,
  Softplus: Activation.softplus,
  Softsign: Activation.softsign,
  Sqrt: Activation.squareRoot,
  Tanh: Activation.tanh,

  'ai.onnx.ml.TreeEnsembleClassifier': Trees.classifier,
  'ai.onnx.ml.TreeEnsembleRegressor': Trees.regressor,
}

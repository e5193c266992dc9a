import { ModelBuilder, random } from './model-builder.js'

/** Normal-looking weights of a deterministic generator, scaled as trained layers are: deviation 1/√fan-in. */
export function weights(seed: number, count: number, fanIn: number): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: count }, () => ((next() + next() + next() + next() - 2) * Math.sqrt(3)) / Math.sqrt(fanIn))
}

/** LeNet-5 for 28x28 pictures: two convolutions of 5x5 with 2x2 pooling, then 120, 84 and 10 neurons; 61,706 parameters. */
export function leNet5(pool: 'AveragePool' | 'MaxPool'): Uint8Array {
  const b = new ModelBuilder()
  const layer = (x: string, seed: number, inner: number, columns: number) => b.node('Gemm', [x, b.floats(weights(seed, inner * columns, inner), [columns, inner]), b.floats(weights(seed + 1, columns, inner))], { transB: 1 })
  const conv = (x: string, seed: number, inputs: number, outputs: number, pad: number) =>
    b.node('Conv', [x, b.floats(weights(seed, outputs * inputs * 25, inputs * 25), [outputs, inputs, 5, 5]), b.floats(weights(seed + 1, outputs, inputs * 25))], { kernel_shape: [5, 5], pads: [pad, pad, pad, pad] })
  const pooled = (x: string) => b.node(pool, [x], { kernel_shape: [2, 2], strides: [2, 2] })
  const x = b.input('image', ['n', 1, 28, 28])
  const first = pooled(b.node('Relu', [conv(x, 1, 1, 6, 2)]))
  const second = pooled(b.node('Relu', [conv(first, 3, 6, 16, 0)]))
  const hidden = b.node('Relu', [layer(b.node('Relu', [layer(b.node('Flatten', [second]), 5, 400, 120)]), 7, 120, 84)])
  return b.output(b.node('Identity', [layer(hidden, 9, 84, 10)], {}, 'logits')).build()
}

/** A multilayer perceptron 784-128-10; 101,770 parameters. */
export function mlp100k(): Uint8Array {
  const b = new ModelBuilder()
  const x = b.input('image', ['n', 784])
  const hidden = b.node('Relu', [b.node('Gemm', [x, b.floats(weights(1, 784 * 128, 784), [784, 128]), b.floats(weights(2, 128, 784))])])
  return b.output(b.node('Gemm', [hidden, b.floats(weights(3, 1280, 128), [128, 10]), b.floats(weights(4, 10, 128))], {}, 'logits')).build()
}

/** Pictures of smooth blobs with values in 0..1. */
export function picture(seed: number): Float32Array {
  const next = random(seed)
  const centres = Array.from({ length: 4 }, () => [next() * 28, next() * 28, 2 + next() * 5] as const)
  return Float32Array.from({ length: 784 }, (_, i) => {
    const [y, x] = [Math.floor(i / 28), i % 28]
    const ink = centres.reduce((sum, [cy, cx, r]) => sum + Math.max(0, 1 - ((x - cx) ** 2 + (y - cy) ** 2) / r ** 2), 0)
    return Math.min(1, ink)
  })
}

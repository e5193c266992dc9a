import type { Tensor } from '@haca/core'

/** What the parent tells its worker. */
export type ToWorker =
  | { kind: 'load'; models: { modelHash: string; path: string; outputs: readonly Tensor.Spec[]; inputs: readonly Tensor.Spec[] }[]; provider: 'cpu' | 'cuda'; threads: number }
  | { kind: 'run'; id: number; modelHash: string; inputs: Tensor.Tensor[] }

/** What the worker answers. */
export type FromWorker =
  | { kind: 'loaded' }
  | { kind: 'ran'; id: number; outputs: Tensor.Tensor[] }
  | { kind: 'failed'; id: number | undefined; message: string }

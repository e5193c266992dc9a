import { AppError } from '../errors.js'

/** Every way in which the compiler, the witness generator or the verifier's decoders say no. Stable. */
export type ZkErrorCode =
  | 'zk.onnx-malformed'
  | 'zk.onnx-too-large'
  | 'zk.model-invalid'
  | 'zk.operator-unsupported'
  | 'zk.arithmetic-inexact'
  | 'zk.calibration-missing'
  | 'zk.bound-exceeded'
  | 'zk.program-malformed'
  | 'zk.file-malformed'
  | 'zk.input-invalid'

/**
 * A refusal of what somebody else gave us: a model, a file, an input. What *we* get wrong is an assertion.
 *
 * @example throw refusal('zk.operator-unsupported', 'Conv "c1": auto_pad SAME_UPPER; export with explicit pads')
 */
export const refusal = (code: ZkErrorCode, detail: string): AppError => new AppError(code, { detail })

/** Whether an error is a refusal with this code. */
export const isRefusal = (error: unknown, code: ZkErrorCode): boolean => error instanceof AppError && error.code === code

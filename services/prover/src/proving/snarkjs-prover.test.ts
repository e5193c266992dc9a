import { describe, expect, it } from 'vitest'
import { failure } from './snarkjs-prover.js'

describe('a failure of snarkjs', () => {
  it('is held against witness or key only where it says so', () => {
    // build/main.cjs of snarkjs 0.7.6 and of @iden3/binfileutils 0.0.12.
    expect(failure('Invalid witness length. Circuit: 3, witness: 2').code).toBe('prover.witness-invalid')
    for (const detail of ['zkey file is not groth16', 'Curve not supported: 7', '/keys/a.zkey: Invalid File format', 'Version not supported', '/keys/a.zkey: Missing section 4']) expect(failure(detail)).toMatchObject({ code: 'prover.key-invalid', retryable: false })
    for (const detail of ['WebAssembly.Memory(): could not allocate memory', 'Array buffer allocation failed', "EMFILE: too many open files, open '/keys/a.zkey'"]) expect(failure(detail)).toMatchObject({ code: 'prover.crashed', retryable: true })
  })
})

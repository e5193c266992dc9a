// The child process that runs snarkjs, which is GPL-3.0: it is reached over messages, never linked, and may be absent.
import type { FromSnarkjs, ToSnarkjs } from './snarkjs-prover.js'

interface Snarkjs {
  groth16: { prove(zkey: string, wtns: { type: 'mem'; data: Uint8Array }): Promise<{ proof: unknown; publicSignals: unknown }> }
}

const tell = (message: FromSnarkjs): void => void process.send?.(message)

// A package that may be absent and has no types.
const name: string = 'snarkjs'
const loading = import(name).then(
  (loaded) => {
    tell({ kind: 'ready' })
    return loaded as Snarkjs
  },
  (error: unknown) => {
    tell({ kind: 'absent', detail: String(error) })
    return undefined
  },
)

process.on('message', ({ id, zkey, wtns }: ToSnarkjs) => {
  const work = async (): Promise<FromSnarkjs> => {
    const snarkjs = await loading
    if (!snarkjs) return { kind: 'failed', id, detail: 'snarkjs is not installed' }
    const began = performance.now()
    const { proof, publicSignals } = await snarkjs.groth16.prove(zkey, { type: 'mem', data: wtns })
    return { kind: 'proved', id, proof, publicSignals, provedInMs: performance.now() - began }
  }
  work().then(tell, (error: unknown) => tell({ kind: 'failed', id, detail: error instanceof Error ? error.message : String(error) }))
})

// Without its parent a worker has nobody to work for.
process.on('disconnect', () => process.exit(0))

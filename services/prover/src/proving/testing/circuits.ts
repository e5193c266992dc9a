import { compile, decodeProgram, Groth16, witness } from '@haca/core/zk'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Circuit } from '../prover.js'
import { setupDev } from './engine.js'

export interface Sample extends Circuit {
  r1cs: string
  wtns: Uint8Array
  publicSignals: readonly bigint[]
  key: Groth16.VerificationKey
}

/** A published model as a circuit under a development key, with a witness of one of its samples. */
export function modelCircuit(name: 'breast-cancer' | 'digits', folder: string, engine: string): Sample {
  mkdirSync(folder, { recursive: true })
  const file = (part: string) => readFileSync(new URL(`../../../../../models/${name}/${part}`, import.meta.url))
  const compiled = compile(file('model.onnx'), undefined, { outputs: ['label'] })
  const { samples } = JSON.parse(file('samples.json').toString()) as { samples: { values: number[] }[] }
  const made = witness(decodeProgram(compiled.program), { inputs: { [compiled.manifest.inputs[0]!.name]: samples[3]!.values }, context: 7n })
  const [r1cs, zkey] = [join(folder, `${name}.r1cs`), join(folder, `${name}.zkey`)]
  writeFileSync(r1cs, compiled.r1cs)
  const { vkId } = setupDev(engine, r1cs, zkey)
  return { id: vkId, zkey, r1cs, wtns: made.wtns, publicSignals: made.publicSignals, key: Groth16.readZkey(readFileSync(zkey)).key }
}

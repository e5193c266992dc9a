// One call to snarkjs, and the end. Entropy is drawn here and never leaves; snarkjs mixes it with more of its own.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Call, CallResult } from './snarkjs-call.js'

interface Snarkjs {
  zKey: {
    newZKey(r1cs: string, ptau: string, zkey: string): Promise<Uint8Array | -1>
    contribute(from: string, to: string, name: string, entropy: string): Promise<Uint8Array>
    beacon(from: string, to: string, name: string, value: string, iterationsExp: number): Promise<Uint8Array | false>
    verifyFromR1cs(r1cs: string, ptau: string, zkey: string): Promise<boolean>
  }
  powersOfTau: {
    newAccumulator(curve: unknown, power: number, file: string): Promise<unknown>
    contribute(from: string, to: string, name: string, entropy: string): Promise<unknown>
    preparePhase2(from: string, to: string): Promise<unknown>
  }
  curves: { getCurveFromName(name: string): Promise<unknown> }
}

async function run(call: Call): Promise<boolean> {
  const name: string = 'snarkjs'
  const snarkjs = (await import(name)) as Snarkjs
  switch (call.verb) {
    case 'new':
      return (await snarkjs.zKey.newZKey(call.r1cs, call.ptau, call.zkey)) !== -1
    case 'contribute':
      await snarkjs.zKey.contribute(call.from, call.to, call.name, randomBytes(64).toString('hex'))
      return true
    case 'beacon':
      return (await snarkjs.zKey.beacon(call.from, call.to, call.name, call.value, call.iterationsExp)) !== false
    case 'verify':
      return (await snarkjs.zKey.verifyFromR1cs(call.r1cs, call.ptau, call.zkey)) === true
    case 'test-phase-1':
      return testPhase1(snarkjs, call)
  }
}

/** One contribution of one process: enough for a test, and for nothing else. */
async function testPhase1({ curves, powersOfTau }: Snarkjs, { power, ptau, folder }: Extract<Call, { verb: 'test-phase-1' }>): Promise<boolean> {
  const [first, second] = [join(folder, 'test-0.ptau'), join(folder, 'test-1.ptau')] as const
  await powersOfTau.newAccumulator(await curves.getCurveFromName('bn128'), power, first)
  await powersOfTau.contribute(first, second, 'TEST', randomBytes(64).toString('hex'))
  await powersOfTau.preparePhase2(second, ptau)
  for (const file of [first, second]) rmSync(file, { force: true })
  return true
}

process.once('message', (call: Call) => {
  const answer = (result: CallResult): void => void process.send?.(result, () => process.exit(0))
  run(call).then(
    (value) => answer({ ok: true, value }),
    (error: unknown) => answer({ ok: false, detail: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))

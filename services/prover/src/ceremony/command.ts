import { Ceremony, Groth16 } from '@haca/core/zk'
import { AppError, Errors } from '@haca/core'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { makeTestPhase1, ownProcess, runCeremony, verifySetup } from './run-ceremony.js'

// Phase 2 on one machine, by hand.

const help = `node services/prover/dist/ceremony/command.js VERB

  test-phase-1 --power N --ptau FILE               a TEST phase 1, at most 2^12: proofs over it prove nothing
  run          --r1cs FILE --ptau FILE --zkey FILE --transcript FILE
               --contributor NAME (three or more)  each in a process of its own
               --beacon-source TEXT --beacon HEX   what was announced, and its value; a test may leave the value out
               [--accept-test-phase-1]
  verify       --r1cs FILE --ptau FILE --zkey FILE --transcript FILE

Exit codes: 0 done or trusted, 1 failed or refused, 2 wrong usage.
`

const timeoutMs = 30 * 60_000
const beaconIterationsExp = 10

const text = { type: 'string' } as const
const options = { power: text, ptau: text, r1cs: text, zkey: text, transcript: text, contributor: { type: 'string', multiple: true }, 'beacon-source': text, beacon: text, 'accept-test-phase-1': { type: 'boolean' } } as const

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const need = (name: 'power' | 'ptau' | 'r1cs' | 'zkey' | 'transcript' | 'beacon-source'): string => {
    const value = values[name]
    if (value === undefined) throw new TypeError(`--${name} is missing`)
    return value
  }
  switch (positionals[0]) {
    case 'test-phase-1':
      process.stderr.write('TEST PHASE 1: whoever saw its making can forge proofs under every key over it.\n')
      await makeTestPhase1(Number(need('power')), need('ptau'), timeoutMs)
      return 0
    case 'run': {
      const test = values['accept-test-phase-1'] ?? false
      if (values.beacon === undefined && !test) throw new TypeError('--beacon is missing')
      const transcript = await runCeremony({
        r1cs: need('r1cs'),
        ptau: need('ptau'),
        zkey: need('zkey'),
        contributors: (values.contributor ?? []).map((name) => ownProcess(name, timeoutMs)),
        beacon: { source: need('beacon-source'), iterationsExp: beaconIterationsExp, draw: async () => values.beacon ?? randomBytes(32).toString('hex') },
        acceptTestPhase1: test,
        timeoutMs,
        announce: async (plan) => void process.stderr.write(`${JSON.stringify(plan)}\n`),
      })
      await writeFile(need('transcript'), Ceremony.encodeTranscript(transcript))
      process.stdout.write(`${transcript.vkId}\n`)
      return 0
    }
    case 'verify': {
      const read = Ceremony.readTranscript(await readFile(need('transcript'), 'utf8'))
      if (!read.ok) throw new AppError('ceremony.transcript-malformed', { detail: read.detail ?? read.reason })
      const verdict = await verifySetup({ transcript: read.value, r1cs: need('r1cs'), ptau: need('ptau'), zkey: need('zkey'), timeoutMs })
      for (const { rule, ok, detail } of verdict.rules) process.stdout.write(`${ok ? 'holds ' : 'FAILS '} ${rule}: ${detail}\n`)
      process.stdout.write(`${JSON.stringify({ vkId: Groth16.keyId(Groth16.readZkey(await readFile(need('zkey'))).key), trust: verdict.trust })}\n`)
      return verdict.trust.kind === 'refused' ? 1 : 0
    }
    default:
      process.stderr.write(help)
      return 2
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const known = Errors.find(error)
    process.stderr.write(`${known?.code ?? 'usage'}: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(known ? 1 : 2)
  },
)

import { assert, AppError } from '@haca/core'
import { Ceremony, Groth16 } from '@haca/core/zk'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { constraintsOf, phase1Of, sha256File } from './files.js'
import { callSnarkjs } from './snarkjs-call.js'

/**
 * An operator's node: takes a key file, adds what only it knows, and says the contribution's hash. Where operators run on
 * machines of their own this moves files; `ownProcess` is the one for a single machine.
 */
export interface Contributor {
  name: string
  contribute(from: string, to: string): Promise<void>
}

/** A contributor in a process that lives for its contribution alone. */
export const ownProcess = (name: string, timeoutMs: number): Contributor => ({
  name,
  contribute: async (from, to) => void (await callSnarkjs({ verb: 'contribute', from, to, name }, timeoutMs)),
})

export interface CeremonyOptions {
  r1cs: string
  ptau: string
  /** Where the final key goes; it is there whole or not at all. */
  zkey: string
  contributors: readonly Contributor[]
  beacon: {
    /** What will be drawn, fixed and published before the first contribution. */
    source: string
    iterationsExp: number
    /** The value, asked for after the last contribution; hexadecimal. */
    draw(): Promise<string>
  }
  /** Whether a phase 1 that is not pinned may be used, for a set-up that says it is a test. */
  acceptTestPhase1?: boolean
  timeoutMs: number
  /** Called with the plan before anything is contributed: publish it. */
  announce?(plan: Ceremony.Plan): Promise<void>
}

/** Runs phase 2 from a circuit to a verified key and its transcript. Rejects with `ceremony.…` and leaves no key. */
export async function runCeremony(options: CeremonyOptions): Promise<Ceremony.Transcript> {
  const { r1cs, ptau, zkey, contributors, beacon, timeoutMs } = options
  assert(new Set(contributors.map(({ name }) => name)).size === contributors.length && contributors.length >= Ceremony.CONTRIBUTORS_MIN, 'at least three contributors of different names')
  const plan: Ceremony.Plan = {
    circuit: { r1csSha256: await sha256File(r1cs), constraints: await constraintsOf(r1cs) },
    phase1: await phase1Of(ptau, { acceptTest: options.acceptTestPhase1 ?? false }),
    contributors: contributors.map(({ name }) => name),
    beacon: { source: beacon.source, iterationsExp: beacon.iterationsExp },
  }
  await options.announce?.(plan)
  // Beside the key, so that the last step is a rename.
  const folder = await mkdtemp(join(dirname(zkey), '.ceremony-'))
  try {
    const steps = [join(folder, '0.zkey')]
    if (!(await callSnarkjs({ verb: 'new', r1cs, ptau, zkey: steps[0]! }, timeoutMs))) throw new AppError('ceremony.failed', { detail: 'the circuit does not fit the phase 1' })
    const contributions: { name: string; hash: string }[] = []
    for (const contributor of contributors) {
      const [from, to] = [steps.at(-1)!, join(folder, `${steps.length}.zkey`)]
      await contributor.contribute(from, to)
      const added = Groth16.readZkey(await readFile(to)).contributions
      const last = added.at(-1)
      if (added.length !== contributions.length + 1 || last?.name !== contributor.name || last.beacon) throw new AppError('ceremony.contribution-invalid', { detail: `"${contributor.name}" did not add one contribution under its name` })
      contributions.push({ name: last.name, hash: last.hash })
      steps.push(to)
      await rm(from)
    }
    const value = await beacon.draw()
    const final = join(folder, 'final.zkey')
    await callSnarkjs({ verb: 'beacon', from: steps.at(-1)!, to: final, name: 'beacon', value, iterationsExp: beacon.iterationsExp }, timeoutMs)
    const read = Groth16.readZkey(await readFile(final))
    const transcript: Ceremony.Transcript = {
      format: 'haca/zk-ceremony/1',
      plan,
      circuitHash: read.circuitHash,
      contributions,
      beacon: { value, hash: read.contributions.at(-1)?.hash ?? '' },
      zkeySha256: await sha256File(final),
      vkId: Groth16.keyId(read.key),
    }
    const { trust, rules } = await verifySetup({ transcript, r1cs, ptau, zkey: final, timeoutMs })
    if (trust.kind === 'refused') throw new AppError('ceremony.failed', { detail: rules.filter(({ ok }) => !ok).map(({ rule, detail }) => `${rule}: ${detail}`).join('; ') })
    await rename(final, zkey)
    return transcript
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Checks a set-up by its transcript and files: every hash, every contribution, the beacon, and that the key follows from
 * circuit and phase 1. Whoever does not trust us runs this on files he fetched himself.
 */
export async function verifySetup({ transcript, r1cs, ptau, zkey, timeoutMs }: { transcript: Ceremony.Transcript; r1cs: string; ptau: string; zkey: string; timeoutMs: number }) {
  const { blake2b } = await phase1Of(ptau, { acceptTest: true })
  return Ceremony.judge(transcript, {
    r1csSha256: await sha256File(r1cs),
    phase1Blake2b: blake2b,
    zkeySha256: await sha256File(zkey),
    zkey: Groth16.readZkey(await readFile(zkey)),
    chainVerified: await callSnarkjs({ verb: 'verify', r1cs, ptau, zkey }, timeoutMs),
  })
}

/** Largest test phase 1: more would be mistaken for a real one, and takes minutes. */
export const TEST_POWER_MAX = 12

/** Makes a phase 1 whose secrets one process knew. For tests and demonstrations, by name only; nothing calls it on the way. */
export async function makeTestPhase1(power: number, ptau: string, timeoutMs: number): Promise<void> {
  assert(Number.isInteger(power) && power >= 2 && power <= TEST_POWER_MAX, `a test phase 1 has a power of 2 to ${TEST_POWER_MAX}`)
  const folder = await mkdtemp(join(dirname(ptau), '.phase-1-'))
  try {
    const made = join(folder, 'TEST.ptau')
    await callSnarkjs({ verb: 'test-phase-1', power, ptau: made, folder }, timeoutMs)
    await rename(made, ptau)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

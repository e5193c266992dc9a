import { Digest, Hex } from '@haca/core'
import { Ceremony, Groth16 } from '@haca/core/zk'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { exit, required, UsageError } from './io.js'
import type { Verb } from './verbs.js'

/** Checking a phase 2 takes a minute for LeNet-5. */
const timeoutMs = 30 * 60_000

const file = { type: 'string' } as const

/** What belongs to proofs alone; the first positional says what. */
export const zk: Verb = {
  usage: 'haca zk verify-setup TRANSCRIPT.json --r1cs FILE --ptau FILE --zkey FILE',
  summary: 'checks the ceremony of a proving key from its files, with no server of ours',
  options: {
    r1cs: { ...file, help: 'the circuit, as its model compiles to it' },
    ptau: { ...file, help: 'phase 1: the pinned public file' },
    zkey: { ...file, help: 'the proving key that came of it' },
  },
  async run(args, out) {
    const [what, path] = args.positionals
    if (what !== 'verify-setup' || !path) throw new UsageError('haca zk knows one thing: verify-setup TRANSCRIPT.json')
    const files = { r1cs: required(args, 'r1cs'), ptau: required(args, 'ptau'), zkey: required(args, 'zkey') }
    const text = await readFile(path)
    const read = Ceremony.readTranscript(text.toString('utf8'))
    if (!read.ok) throw new UsageError(`${path} is no transcript: ${read.detail ?? read.reason}`)
    const zkey = Groth16.readZkey(await readFile(files.zkey))
    const { trust, rules } = Ceremony.judge(read.value, {
      r1csSha256: await digest('sha256', files.r1cs),
      phase1Blake2b: await digest('blake2b512', files.ptau),
      zkeySha256: await digest('sha256', files.zkey),
      zkey,
      chainVerified: await follows(files),
    })
    const vkId = registeredAs(zkey.key, read.value, text)
    if (out.json) out.print(JSON.stringify({ trust, rules, vkId }))
    else {
      for (const { rule, ok, detail } of rules) out.print(`${ok ? 'holds' : 'FAILS'}  ${rule.padEnd(14)} ${detail}`)
      out.print(`${inWords(trust)}${vkId ? `\nthe chain has such a key under ${vkId}` : ''}`)
    }
    return trust.kind === 'refused' ? exit.failed : exit.ok
  },
}

const inWords = (trust: Ceremony.Trust): string => {
  if (trust.kind === 'refused') return 'refused: this set-up proves nothing'
  const of = `${trust.contributors} contributors, closed by ${trust.beacon}`
  return trust.kind === 'test' ? `TEST: ${of}, over a phase 1 whose secrets one process knew` : `ceremony: ${of}; one honest contributor is enough`
}

/** The id the chain has the key under if it was registered with this very transcript; nothing for a beacon that fits no label. */
function registeredAs(key: Groth16.VerificationKey, { contributions, beacon }: Ceremony.Transcript, text: Uint8Array): Hex.Hex | undefined {
  const value = `0x${beacon.value}`
  if (!Hex.is(value, 32)) return undefined
  return Groth16.registeredKeyId(Groth16.encodeRegisteredKey({ setup: { kind: 'ceremony', contributors: contributions.length, beacon: value, transcript: Digest.content(text) }, key }))
}

async function digest(algorithm: 'sha256' | 'blake2b512', path: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Whether the key follows from circuit, phase 1 and contributions, by snarkjs: GPL-3.0, a process of its own, and an optional package. */
async function follows({ r1cs, ptau, zkey }: { r1cs: string; ptau: string; zkey: string }): Promise<boolean> {
  const command = snarkjs()
  if (!command) throw new UsageError('snarkjs is not installed, and checks what each contribution follows from: npm install snarkjs')
  const done = await promisify(execFile)(process.execPath, [command, 'zkey', 'verify', r1cs, ptau, zkey], { timeout: timeoutMs, maxBuffer: 1 << 26 }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  )
  return done.includes('ZKey Ok!')
}

function snarkjs(): string | undefined {
  try {
    // Its manifest is not exported; the module's own file is, and lies in the same build folder.
    return join(dirname(createRequire(import.meta.url).resolve('snarkjs')), 'cli.cjs')
  } catch {
    return undefined
  }
}

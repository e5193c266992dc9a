import { Ceremony, compile, type CompileOptions } from '@haca/core/zk'
import { makeTestPhase1, ownProcess, runCeremony } from '@haca/prover/ceremony'
import { root } from '@haca/tools'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let folder: string
let transcript: Ceremony.Transcript
const at = (name: string): string => join(folder, name)
const timeoutMs = 240_000

/** A ceremony of three processes on the breast-cancer circuit of 764 constraints, over a test phase 1 that says so. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-setup-'))
  const model = (file: string) => readFile(join(root, 'models/breast-cancer', file))
  const { options } = JSON.parse((await model('circuit.json')).toString()) as { options: CompileOptions }
  await writeFile(at('c.r1cs'), compile(await model('model.onnx'), undefined, options).r1cs)
  await makeTestPhase1(10, at('TEST.ptau'), timeoutMs)
  transcript = await runCeremony({
    r1cs: at('c.r1cs'),
    ptau: at('TEST.ptau'),
    zkey: at('c.zkey'),
    contributors: ['one', 'two', 'three'].map((name) => ownProcess(name, timeoutMs)),
    beacon: { source: 'a test value', iterationsExp: 10, draw: async () => 'ab'.repeat(32) },
    acceptTestPhase1: true,
    timeoutMs,
  })
  await writeFile(at('transcript.json'), Ceremony.encodeTranscript(transcript))
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const haca = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [join(root, 'sdk/bin/haca.mjs'), 'zk', 'verify-setup', ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
const files = (changes: Record<string, string> = {}): string[] => Object.entries({ r1cs: 'c.r1cs', ptau: 'TEST.ptau', zkey: 'c.zkey', ...changes }).flatMap(([name, file]) => [`--${name}`, at(file)])

describe('haca zk verify-setup', () => {
  it('holds a published set-up against its files, and says that its phase 1 is a test', async () => {
    const done = await haca(at('transcript.json'), ...files(), '--json')
    expect(done.code, done.stderr).toBe(0)
    const { trust, rules, vkId } = JSON.parse(done.stdout) as { trust: unknown; rules: { rule: string; ok: boolean }[]; vkId: string }
    expect(trust).toEqual({ kind: 'test', contributors: 3, beacon: 'a test value' })
    expect(rules.map(({ rule, ok }) => `${rule} ${ok}`)).toEqual(['circuit', 'phase-1', 'key', 'contributors', 'contributions', 'beacon', 'chain'].map((rule) => `${rule} true`))
    expect(vkId).toMatch(/^0x[0-9a-f]{64}$/)
    expect((await haca(at('transcript.json'), ...files())).stdout).toContain('TEST: 3 contributors')
  })

  it('refuses a transcript that tells of somebody else, and a key of another circuit', async () => {
    await writeFile(at('other.json'), Ceremony.encodeTranscript({ ...transcript, contributions: transcript.contributions.map((c, i) => (i === 1 ? { ...c, name: 'nobody' } : c)) }))
    expect(await haca(at('other.json'), ...files())).toMatchObject({ code: 1, stdout: expect.stringContaining('FAILS  contributors') })
    const r1cs = await readFile(at('c.r1cs'))
    r1cs[r1cs.length - 1] = (r1cs.at(-1) as number) ^ 1
    await writeFile(at('other.r1cs'), r1cs)
    expect(await haca(at('transcript.json'), ...files({ r1cs: 'other.r1cs' }))).toMatchObject({ code: 1, stdout: expect.stringContaining('FAILS  circuit') })
    expect((await haca(at('c.r1cs'), ...files())).code).toBe(2)
    expect((await haca(at('transcript.json'))).code).toBe(2)
  })
})

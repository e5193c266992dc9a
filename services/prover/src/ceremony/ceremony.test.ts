import { Ceremony, Groth16 } from '@haca/core/zk'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blake2bFile, phase1Of } from './files.js'
import { type CeremonyOptions, makeTestPhase1, ownProcess, runCeremony, verifySetup } from './run-ceremony.js'

const folder = mkdtempSync(join(tmpdir(), 'haca-ceremony-'))
const at = (name: string): string => join(folder, name)
const timeoutMs = 120_000
const r = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

const options = (changes: Partial<CeremonyOptions> = {}): CeremonyOptions => ({
  r1cs: at('c.r1cs'),
  ptau: at('TEST.ptau'),
  zkey: at('c.zkey'),
  contributors: ['one', 'two', 'three'].map((name) => ownProcess(name, timeoutMs)),
  beacon: { source: 'a test value', iterationsExp: 10, draw: async () => 'ab'.repeat(32) },
  acceptTestPhase1: true,
  timeoutMs,
  ...changes,
})

let transcript: Ceremony.Transcript
let announced: Ceremony.Plan | undefined

beforeAll(async () => {
  writeFileSync(at('c.r1cs'), r1cs(3))
  await makeTestPhase1(5, at('TEST.ptau'), timeoutMs)
  transcript = await runCeremony(options({ announce: async (plan) => void (announced = plan) }))
}, 240_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** y = x^(2^squares), y public. */
function r1cs(squares: number): Uint8Array {
  const little = (value: bigint, width: number) => Buffer.from(Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)))
  const u32 = (value: number) => little(BigInt(value), 4)
  const side = (wire: number) => Buffer.concat([u32(1), u32(wire), little(1n, 32)])
  const wires = squares + 2
  const wire = (i: number) => (i === squares ? 1 : i + 2)
  const constraints = Array.from({ length: squares }, (_, i) => Buffer.concat([side(wire(i)), side(wire(i)), side(wire(i + 1))]))
  const header = Buffer.concat([u32(32), little(r, 32), u32(wires), u32(1), u32(0), u32(1), little(BigInt(wires), 8), u32(squares)])
  const labels = Buffer.concat(Array.from({ length: wires }, (_, i) => little(BigInt(i), 8)))
  const section = (type: number, content: Buffer) => Buffer.concat([u32(type), little(BigInt(content.length), 8), content])
  return Buffer.concat([Buffer.from('r1cs'), u32(1), u32(3), section(1, header), section(2, Buffer.concat(constraints)), section(3, labels)])
}

const verify = (changes: Partial<Parameters<typeof verifySetup>[0]> = {}) => verifySetup({ transcript, r1cs: at('c.r1cs'), ptau: at('TEST.ptau'), zkey: at('c.zkey'), timeoutMs, ...changes })
const failing = async (changes: Partial<Parameters<typeof verifySetup>[0]>) => (await verify(changes)).rules.filter(({ ok }) => !ok).map(({ rule }) => rule)

describe('a ceremony of three processes', () => {
  it('gives a key that anybody can check, and says that its phase 1 is a test', { timeout: 120_000 }, async () => {
    const { trust, rules } = await verify()
    expect(rules.every(({ ok }) => ok)).toBe(true)
    expect(trust).toEqual({ kind: 'test', contributors: 3, beacon: 'a test value' })
    expect(announced).toEqual(transcript.plan)
    expect(transcript.plan.circuit.constraints).toBe(3)
    const { key, label, contributions } = Groth16.readZkey(readFileSync(at('c.zkey')))
    expect([label, contributions.map(({ name }) => name)]).toEqual(['ceremony', ['one', 'two', 'three', 'beacon']])
    expect(Groth16.prepare(key).ok).toBe(true)
    expect(Ceremony.readTranscript(Ceremony.encodeTranscript(transcript))).toEqual({ ok: true, value: transcript })
  })

  it('is refused with another circuit, phase 1, key or transcript', { timeout: 240_000 }, async () => {
    writeFileSync(at('other.r1cs'), r1cs(2))
    expect(await failing({ r1cs: at('other.r1cs') })).toEqual(['circuit', 'chain'])
    copyFileSync(at('TEST.ptau'), at('other.ptau'))
    const ptau = readFileSync(at('other.ptau'))
    ptau[ptau.length - 1]! ^= 1
    writeFileSync(at('other.ptau'), ptau)
    expect(await failing({ ptau: at('other.ptau') })).toContain('phase-1')
    const zkey = readFileSync(at('c.zkey'))
    // A point of C, two sections before the contributions: verification and contributions look right without it.
    zkey[readable(zkey, 8) + 5]! ^= 1
    writeFileSync(at('other.zkey'), zkey)
    expect(await failing({ zkey: at('other.zkey') })).toEqual(['key', 'chain'])
    expect(await failing({ transcript: { ...transcript, contributions: transcript.contributions.toReversed() } })).toEqual(['contributors', 'contributions'])
    expect(await failing({ transcript: { ...transcript, beacon: { ...transcript.beacon, value: 'cd'.repeat(32) } } })).toEqual(['beacon'])
  })

  it('stops where a contributor adds nothing, and leaves no key', { timeout: 120_000 }, async () => {
    const lazy = { name: 'lazy', contribute: async (from: string, to: string) => copyFileSync(from, to) }
    const contributors = [ownProcess('one', timeoutMs), ownProcess('two', timeoutMs), lazy]
    await expect(runCeremony(options({ zkey: at('none.zkey'), contributors }))).rejects.toMatchObject({ code: 'ceremony.contribution-invalid' })
    expect(readdirSync(folder).filter((name) => name === 'none.zkey' || name.startsWith('.'))).toEqual([])
    await expect(runCeremony(options({ contributors: contributors.slice(0, 2) }))).rejects.toThrow('three contributors')
  })

  it('takes a phase 1 that is not pinned only where a test says so', async () => {
    await expect(phase1Of(at('TEST.ptau'))).rejects.toMatchObject({ code: 'ceremony.phase-1-unknown' })
    await expect(runCeremony(options({ acceptTestPhase1: false }))).rejects.toMatchObject({ code: 'ceremony.phase-1-unknown' })
    expect(await phase1Of(at('TEST.ptau'), { acceptTest: true })).toEqual({ kind: 'test', power: 5, blake2b: await blake2bFile(at('TEST.ptau')) })
    await expect(makeTestPhase1(13, at('large.ptau'), timeoutMs)).rejects.toThrow('power of 2 to 12')
  })
})

/** Where a section's content begins. */
function readable(bytes: Buffer, type: number): number {
  let at = 12
  while (bytes.readUInt32LE(at) !== type) at += 12 + Number(bytes.readBigUInt64LE(at + 4))
  return at + 12
}

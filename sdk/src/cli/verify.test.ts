import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hex } from '@haca/core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { bundleOf, networkOf, rootsOf, type AttestedCase, type AttestedEvidence, type AttestedVectors } from '../testing/attested-vectors.js'
import type { Report } from '../verify/index.js'
import { exit } from './io.js'
import { main } from './main.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json') as AttestedVectors
const evidence = read('attested-evidence-v1.json') as AttestedEvidence

let folder: string
let network: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-verify-'))
  network = await written('network.json', networkOf(vectors))
  vi.stubGlobal('fetch', () => expect.fail('somebody was asked'))
})
afterAll(async () => {
  vi.unstubAllGlobals()
  await rm(folder, { recursive: true, force: true })
})

async function written(name: string, content: unknown): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content instanceof Uint8Array ? content : JSON.stringify(content))
  return file
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await main(args, (text) => out.push(text), (text) => err.push(text))
  return { code, out: out.join('\n'), err: err.join('\n') }
}

/** `haca verify` of one case as its caller would run it, with nobody to ask. */
async function checked(one: AttestedCase, ...more: string[]): Promise<{ code: number; out: string; err: string }> {
  const number = vectors.cases.indexOf(one)
  const roots = rootsOf(one, vectors)
  const file = await written(`${number}.json`, bundleOf(one, vectors, evidence))
  return run('verify', file, '--network', network, ...(roots ? ['--roots', await written(`roots-${number}.json`, roots)] : []), ...more)
}

const caseOf = (why: string): AttestedCase => vectors.cases.find((one) => one.why === why) ?? expect.fail(`no case ${why}`)

describe('haca verify, offline', () => {
  it.each(vectors.cases.map((one) => [one.why, one] as const))('%s', async (_why, one) => {
    const { code, out } = await checked(one, '--json')
    const { claims, marks } = JSON.parse(out) as Report
    expect(Object.fromEntries(Object.entries(claims).map(([name, { status }]) => [name, status]))).toEqual(one.offline)
    expect(marks).toEqual(one.marks.offline)
    expect(code).toBe(Object.values(one.offline).includes('refuted') ? exit.failed : exit.ok)
  })

  it('prints a table a person can read, no line of which is wider than a terminal', async () => {
    const { out } = await checked(caseOf('a product removed later, as the archive has it'))
    expect(out).toContain('MARK signer later revoked: product tdx/fmspc:90C06F000000 was removed in epoch 43: an advisory without a fix')
    expect(out).toMatch(/\n {2}tee_attested {4}hardware-proven {2}tdx fmspc:90C06F000000 /)
    expect(out).toMatch(/\n {35}rests on: Intel: its root key/)
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120)
  })

  it('takes a simulator’s root from a file of its own, and from nowhere else', async () => {
    const one = caseOf('a simulated key, whose root nobody pinned')
    const root = await written('simulated.der', Hex.toBytes(vectors.roots.simulated?.[0] ?? '0x'))
    const status = async (...more: string[]): Promise<string> => (JSON.parse((await checked(one, '--json', ...more)).out) as Report).claims.tee_attested.status
    expect(await status()).toBe('unknown')
    expect(await status('--simulated-root', root)).toBe('asserted')
  })

  it.each(vectors.pairs.map((pair) => [pair.why, pair] as const))('of two receipts: %s', async (_why, { contradiction, first, second }) => {
    const [one, other] = await Promise.all([first, second].map((signed, i) => written(`${i}-${contradiction}.json`, { ...bundleOf(caseOf('no attestation'), vectors, evidence), ...signed })))
    const { code, out } = await run('verify', one as string, '--beside', other as string, '--network', network, '--json')
    expect(JSON.parse(out)).toMatchObject({ contradiction })
    expect(code).toBe(contradiction === 'none' ? exit.ok : exit.failed)
  })

  it('says what is wrong with the command line', async () => {
    expect(await run('verify', 'no-such-file.json')).toMatchObject({ code: exit.usage, err: expect.stringContaining('cannot be read') as string })
    expect(await run('attestation')).toMatchObject({ code: exit.usage, err: expect.stringContaining('--url is required') as string })
  })
})

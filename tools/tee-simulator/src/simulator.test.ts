import { Secp256k1, type Hex } from '@haca/core'
import { appraiseKey, HARDWARE_VERIFIERS, KeyBinding, Policy, simulated, verifyEvidence, type AppraisalRecord } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { Dstack, haveAppraised } from '@haca/inference/enclave'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultMachine, imageMeasurement, readMachine, startSimulator, type Machine, type Simulator } from './index.js'

let directory: string
let simulator: Simulator
const socketPath = (): string => join(directory, 'dstack.sock')
const start = (machine: Partial<Machine> = {}): Promise<Simulator> => startSimulator({ socketPath: socketPath(), directory, machine: { ...defaultMachine, ...machine } })

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'haca-simulator-'))
  simulator = await start()
})
afterEach(async () => {
  await simulator.close()
  rmSync(directory, { recursive: true })
})

const policy = Policy.decodePolicy(
  PolicyBuilder.encodePolicy(
    PolicyBuilder.policyJson({
      network: 'local',
      hardware: [
        { id: 'sim', kind: 'simulated', products: ['sim-cpu'], tcb: { status: ['UpToDate'], allowedAdvisories: [], minEvalNumber: 0 }, revocation: 'unchecked', maxKeyHours: 1 },
        { id: 'sim-gpu', kind: 'simulated', products: ['sim-gpu'], revocation: 'unchecked', with: ['sim'] },
      ],
      deny: [{ kind: 'simulated', product: 'sim-broken', reason: 'it is broken' }],
      images: [{ id: 'sim', kind: 'simulated', match: { image: imageMeasurement }, activeFrom: 0 }],
    }),
  ),
)

/** The prover's side of the ceremony, without its network. */
const verifier = {
  challenge: async () => ({ verifierId: new Uint8Array(32), random: crypto.getRandomValues(new Uint8Array(32)), expiresAt: Math.floor(Date.now() / 1000) + 300 }),
  enroll: async (bytes: Uint8Array): Promise<AppraisalRecord.AppraisalRecord> => {
    const at = new Date()
    const roots = { simulated: [new Uint8Array(readFileSync(simulator.rootFile))] }
    const { appraisal } = await appraiseKey({ bytes, collateral: () => [], receivedAt: at, at, policy, roots, verifiers: [...HARDWARE_VERIFIERS, simulated], crypto: nodeCrypto() })
    return { outcome: appraisal.outcome, reasons: appraisal.reasons } as AppraisalRecord.AppraisalRecord
  },
}

const claimed = { chainId: 84532, registry: `0x${'11'.repeat(20)}` as Hex.Hex, nodeId: new Uint8Array(32), imageId: 'sim', models: [`0x${PolicyBuilder.MODEL_HASH}` as Hex.Hex] }

/** Rules that did not hold when a node had its key appraised on this machine. */
async function failed(machine: Partial<Machine> = {}, change: Partial<typeof claimed> = {}): Promise<string[]> {
  simulator.machine = { ...defaultMachine, ...machine }
  const record = await haveAppraised(crypto.getRandomValues(new Uint8Array(32)), { ...claimed, ...change }, await Dstack.connect(socketPath()), verifier)
  return record.reasons.filter(({ ok }) => !ok).map(({ rule }) => rule)
}

describe('a node on simulated hardware', () => {
  it('has its key affirmed, by the same code that asks a real guest agent', async () => {
    expect(await failed()).toEqual([])
    expect(await failed({ devices: [{ role: 'gpu', product: 'sim-gpu', platformId: '07', debug: false }] })).toEqual([])
  })

  it.each([
    ['debug', { debug: true }, ['machine.debug']],
    ['an old TCB', { tcbStatus: 'OutOfDate' as const }, ['machine.tcb-status']],
    ['an open advisory', { advisories: ['INTEL-SA-00001'] }, ['machine.advisories']],
    ['another product', { product: 'sim-other' }, ['machine.hardware', 'key.life']],
    ['a denied product', { product: 'sim-broken' }, ['machine.denied-product', 'machine.hardware', 'key.life']],
    ['another image', { measurements: { image: '00'.repeat(48) } }, ['image.known']],
    ['a clock that runs ahead', { clockSkewSeconds: 60 }, ['evidence.age']],
    ['a clock that runs behind', { clockSkewSeconds: -400 }, ['evidence.age']],
    ['a GPU in debug', { devices: [{ role: 'gpu' as const, product: 'sim-gpu', platformId: '07', debug: true }] }, ['gpu[0].debug']],
  ] as [string, Partial<Machine>, string[]][])('is refused with %s', async (_what, machine, rules) => {
    expect(await failed(machine)).toEqual(expect.arrayContaining([rules[0]]))
    for (const rule of await failed(machine)) expect([...rules, 'image.known', 'key.life', 'model.known']).toContain(rule)
  })

  it('cannot claim another registry or a model that the policy does not know', async () => {
    expect(await failed({}, { chainId: 1 })).toEqual(['binding.chain'])
    expect(await failed({}, { models: [`0x${'01'.repeat(32)}`] })).toEqual(['model.known'])
  })
})

describe('the simulator', () => {
  it('keeps a developer’s own root to the developer, and shares it with the next simulator there', async () => {
    expect(statSync(join(directory, 'root.json')).mode & 0o777).toBe(0o600)
    const root = readFileSync(simulator.rootFile)
    const second = await startSimulator({ socketPath: join(directory, 'second.sock'), directory })
    expect(readFileSync(second.rootFile)).toEqual(root)
    await second.close()
  })

  it('replaces a root that has run out', async () => {
    const root = readFileSync(simulator.rootFile)
    const later = await startSimulator({ socketPath: join(directory, 'second.sock'), directory, now: () => Date.now() + 23 * 3_600_000 })
    expect(readFileSync(later.rootFile)).not.toEqual(root)
    await later.close()
  })

  it('says in every answer that it is none', async () => {
    const { headers, body } = await post('/Info', {})
    expect(headers['x-tee']).toBe('SIMULATED')
    expect(body).toMatchObject({ simulated: true, warning: 'SIMULATED: NOT HARDWARE' })
  })

  it('names what it does not understand', async () => {
    expect((await post('/Sign', {})).body.error).toContain('there is no POST /Sign')
    expect((await post('/GetQuote', { report_data: 'zz' })).body.error).toContain('report_data must be')
    expect(() => readMachine('{"tcb":1}')).toThrow('a machine has no "tcb"')
  })

  it('makes evidence that no verifier of real hardware accepts', async () => {
    const piece = await (await Dstack.connect(socketPath())).attest({ userData: new Uint8Array(32), nonce: new Uint8Array(32), publicKey: Secp256k1.publicKeyOf(new Uint8Array(32).fill(1)) })
    const context = { at: new Date(), roots: {}, endorsements: [], revocation: 'unchecked', crypto: nodeCrypto() } as const
    await expect(verifyEvidence(piece.evidence, context, HARDWARE_VERIFIERS)).rejects.toMatchObject({ code: 'evidence-kind-mismatch' })
    const nitro = { kind: 'nitro', mediaType: 'application/vnd.aws.nitro-attestation+cose', bytes: piece.evidence.bytes } as const
    await expect(verifyEvidence(nitro, { ...context, roots: { aws: [new Uint8Array(readFileSync(simulator.rootFile))] } }, HARDWARE_VERIFIERS)).rejects.toThrow()
    expect(KeyBinding.BINDING_DOMAIN).toBe('haca/keybinding/1')
  })
})

function post(path: string, body: unknown): Promise<{ headers: Record<string, unknown>; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPath(), path, method: 'POST' }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ headers: response.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> }))
    })
    call.on('error', reject)
    call.end(JSON.stringify(body))
  })
}

import { create } from '@bufbuild/protobuf'
import { Digest, Hex, Manifest, Receipt, Secp256k1, Tensor } from '@haca/core'
import { compile, decodeProgram, Groth16, witness, type CompileOptions, type IdentifiedCircuit } from '@haca/core/zk'
import { MemoryBlobs } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { createLogger } from '@haca/platform/log'
import { renderAnswer, Wire } from '@haca/platform/wire'
import { BodyEncoding, InferenceCompletedSchema } from '@haca/proto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { EngineProver } from '../proving/index.js'
import { builtEngine, setupDev } from '../proving/testing/engine.js'
import { proveReceipt, type Proving } from './prove-receipt.js'

const folder = mkdtempSync(join(tmpdir(), 'haca-prove-receipt-'))
const model = (file: string) => readFileSync(new URL(`../../../../models/breast-cancer/${file}`, import.meta.url))
const { options } = JSON.parse(model('circuit.json').toString()) as { options: CompileOptions }
const { samples } = JSON.parse(model('samples.json').toString()) as { samples: { values: number[] }[] }
const { manifest, modelHash } = Manifest.read(model('manifest.json'))
const compiled = compile(model('model.onnx'), undefined, options)
const program = decodeProgram(compiled.program)
const primitives = await loadPrimitives()
const scope = { chainId: 84_532, log: `0x${'1a'.repeat(20)}` as Hex.Hex }
const privateKey = new Uint8Array(32).fill(9)
const requestId = `0x${'ab'.repeat(32)}` as Hex.Hex
const salt = new Uint8Array(32).fill(3)
const engine = builtEngine()

const zkey = join(folder, 'c.zkey')
const key = (() => {
  if (!engine) return undefined
  writeFileSync(join(folder, 'c.r1cs'), compiled.r1cs)
  setupDev(engine, join(folder, 'c.r1cs'), zkey)
  return Groth16.readZkey(readFileSync(zkey)).key
})()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What an honest node signs and publishes, and what of it is changed. */
function completion(vkId: Hex.Hex, change: { receipt?: Partial<Receipt.Receipt>; answer?: (text: string) => string; sample?: number } = {}) {
  const values = samples[change.sample ?? 0]?.values ?? []
  const body = new TextEncoder().encode(JSON.stringify({ model: 'breast-cancer', verification: 'zkml', inputs: [{ name: manifest.inputs[0]?.name, shape: [1, 30], data: values }] }))
  const context = Groth16.context({ chainId: scope.chainId, settlementLog: scope.log, requestId, modelHash })
  const { outputs, publicSignals } = witness(program, { inputs: { [manifest.inputs[0]?.name as string]: values }, context })
  const tensors = outputs.map(({ name, shape, values: numbers }) => Tensor.ofNumbers({ name, datatype: manifest.outputs.find((spec) => spec.name === name)?.datatype ?? 'FP32', shape }, numbers))
  const honest = renderAnswer(BodyEncoding.JSON, `${manifest.name}@${manifest.version}`, tensors)
  const answer = change.answer ? new TextEncoder().encode(change.answer(new TextDecoder().decode(honest))) : honest
  const filler = `0x${'cc'.repeat(32)}` as Hex.Hex
  const receipt: Receipt.Receipt = {
    ...{ requestId, modelHash, offerHash: filler, paymentId: filler, evidenceId: vkId, statementHash: Groth16.statementHash(publicSignals) },
    ...{ requestHash: Digest.requestHash(salt, body), outputHash: Digest.outputHash(salt, answer) },
    ...{ node: Secp256k1.addressOfKey(privateKey), payer: Hex.zeroAddress, token: Hex.zeroAddress, price: 1n },
    ...{ policyEpoch: 1, issuedAt: 1_795_000_000, settleBy: 1_795_000_600, seq: 1, mode: Receipt.modes.zkml, keyKind: Receipt.keyKinds.node },
    ...change.receipt,
  }
  const signed = Receipt.sign(receipt, scope, privateKey)
  return { signed, message: create(InferenceCompletedSchema, { requestId: Hex.toBytes(requestId), receipt: Wire.signedReceipt(signed), answer, encoding: BodyEncoding.JSON, salt, body }) }
}

describe.skipIf(!engine)('proving a receipt', () => {
  const bytes = Groth16.encodeRegisteredKey({ setup: { kind: 'dev' }, key: key as Groth16.VerificationKey })
  const vkId = Groth16.registeredKeyId(bytes)
  const circuit = { vkId, modelHash, key: Hex.fromBytes(bytes), registered: { setup: { kind: 'dev' }, key } } as unknown as IdentifiedCircuit
  const world = async (change: Partial<Proving> = {}, memoryBytes = 1e9): Promise<Proving & { blobs: MemoryBlobs }> => {
    const blobs = new MemoryBlobs()
    await blobs.putOnce(`manifests/${modelHash.slice(2)}`, model('manifest.json'))
    const prover = new EngineProver({ binary: engine as string, threads: 1, memoryBytes, loadTimeoutMs: 30_000, proveTimeoutMs: 30_000, logger: createLogger('test', 'silent') })
    return { blobs, scope, primitives, prover, circuits: { of: async () => circuit, program: async () => program }, keyFiles: { of: async () => ({ id: vkId, zkey }) }, ...change } as Proving & { blobs: MemoryBlobs }
  }
  const failed = async ({ signed, message }: ReturnType<typeof completion>, proving?: Proving): Promise<string[]> => {
    const used = proving ?? (await world())
    try {
      const { rules, evidenceId } = await proveReceipt(message, signed, used)
      expect(evidenceId === undefined).toBe(rules.some(({ ok }) => !ok))
      return rules.filter(({ ok }) => !ok).map(({ rule }) => rule)
    } finally {
      await used.prover.close()
    }
  }

  it('gives one evidence for one receipt, however often it is proven', async () => {
    const proving = await world()
    const { signed, message } = completion(vkId)
    const [first, second] = [await proveReceipt(message, signed, proving), await proveReceipt(message, signed, proving)]
    await proving.prover.close()
    expect(first.rules.map(({ rule, ok }) => `${rule} ${ok}`)).toEqual(['circuit-bound true', 'statement-agrees true', 'proof-verified true'])
    expect(second.evidenceId).toBe(first.evidenceId)
    expect(await proving.blobs.get(`evidence/${first.evidenceId?.slice(2)}`)).toBeDefined()
  })

  it('contraindicates what a node signed and the circuit does not give', async () => {
    const zero = Hex.zero32
    expect(await failed(completion(vkId, { answer: (text) => text.replace(/"data":\[(\d)\]/, (_, d: string) => `"data":[${1 - Number(d)}]`) }))).toEqual(['statement-agrees'])
    expect(await failed(completion(vkId, { receipt: { statementHash: zero } }))).toEqual(['statement-agrees'])
    expect(await failed(completion(vkId, { receipt: { requestHash: zero } }))).toEqual(['statement-agrees'])
    expect(await failed(completion(vkId, { receipt: { outputHash: zero } }))).toEqual(['statement-agrees'])
    expect(await failed(completion(vkId, { receipt: { evidenceId: zero } }))).toEqual(['circuit-bound'])
    expect(await failed(completion(vkId), await world({ circuits: { of: async () => undefined, program: async () => program } }))).toEqual(['circuit-bound'])
    // Another request's answer and statement beside this request's bytes.
    const [here, there] = [completion(vkId), completion(vkId, { sample: 1 })]
    expect(await failed({ signed: here.signed, message: { ...here.message, body: there.message.body } })).toEqual(['statement-agrees'])
  })

  it('contraindicates at once what never fits this machine', async () => {
    expect(await failed(completion(vkId), await world({}, 1_000))).toEqual(['proof-verified'])
  })
})

import { create } from '@bufbuild/protobuf'
import { Digest, Hex, Manifest, Receipt, Secp256k1, Tensor } from '@haca/core'
import { compile, decodeProgram, Groth16, witness, type CompileOptions, type IdentifiedCircuit } from '@haca/core/zk'
import { trapdoor } from '@haca/core/zk/testing'
import { MemoryBlobs } from '@haca/platform/blobs'
import { keepProof } from '@haca/platform/circuits'
import { loadPrimitives } from '@haca/platform/crypto'
import { renderAnswer, Wire } from '@haca/platform/wire'
import { BodyEncoding, InferenceCompletedSchema } from '@haca/proto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { proveReceipt, type Proving } from './prove-receipt.js'

const model = (file: string) => readFileSync(new URL(`../../../../models/breast-cancer/${file}`, import.meta.url))
const { options } = JSON.parse(model('circuit.json').toString()) as { options: CompileOptions }
const { samples } = JSON.parse(model('samples.json').toString()) as { samples: { values: number[] }[] }
const { manifest, modelHash } = Manifest.read(model('manifest.json'))
const program = decodeProgram(compile(model('model.onnx'), undefined, options).program)
const primitives = await loadPrimitives()
const scope = { chainId: 84_532, log: `0x${'1a'.repeat(20)}` as Hex.Hex }
const nodeKey = new Uint8Array(32).fill(9)
const requestId = `0x${'ab'.repeat(32)}` as Hex.Hex
const salt = new Uint8Array(32).fill(3)
const input = manifest.inputs[0]?.name as string
const values = samples[0]?.values ?? []
const context = Groth16.context({ chainId: scope.chainId, settlementLog: scope.log, requestId, modelHash })
const { outputs, publicSignals } = witness(program, { inputs: { [input]: values }, context })

/** What an honest node signs and publishes. */
function completion(vkId: Hex.Hex) {
  const body = new TextEncoder().encode(JSON.stringify({ model: 'breast-cancer', verification: 'zkml', inputs: [{ name: input, shape: [1, 30], data: values }] }))
  const tensors = outputs.map(({ name, shape, values: numbers }) => Tensor.ofNumbers({ name, datatype: manifest.outputs.find((spec) => spec.name === name)?.datatype ?? 'FP32', shape }, numbers))
  const answer = renderAnswer(BodyEncoding.JSON, `${manifest.name}@${manifest.version}`, tensors)
  const filler = `0x${'cc'.repeat(32)}` as Hex.Hex
  const address = `0x${'11'.repeat(20)}` as Hex.Hex
  const receipt: Receipt.Receipt = {
    ...{ requestId, modelHash, offerHash: filler, paymentId: filler, evidenceId: vkId, statementHash: Groth16.statementHash(publicSignals) },
    ...{ requestHash: Digest.requestHash(salt, body), outputHash: Digest.outputHash(salt, answer), node: Secp256k1.addressOfKey(nodeKey), payer: address, token: address },
    ...{ price: 1n, policyEpoch: 1, issuedAt: 1, settleBy: 2, seq: 1, mode: Receipt.modes.zkml, keyKind: Receipt.keyKinds.node },
  }
  const signed = Receipt.sign(receipt, scope, nodeKey)
  return { signed, message: create(InferenceCompletedSchema, { requestId: Hex.toBytes(requestId), receipt: Wire.signedReceipt(signed), answer, encoding: BodyEncoding.JSON, salt, body }) }
}

describe('a proof that is stored already', () => {
  // A key with its secrets makes a true proof without an engine.
  const toy = trapdoor(publicSignals.length, 1n)
  const bytes = Groth16.encodeRegisteredKey({ setup: { kind: 'dev' }, key: toy.key })
  const vkId = Groth16.registeredKeyId(bytes)
  const circuit = { vkId, modelHash, key: Hex.fromBytes(bytes), registered: { setup: { kind: 'dev' }, key: toy.key } } as unknown as IdentifiedCircuit
  const outcome = async (change: { vkId?: Hex.Hex; signals?: bigint[]; seed?: bigint } = {}) => {
    const blobs = new MemoryBlobs()
    await blobs.putOnce(`manifests/${modelHash.slice(2)}`, model('manifest.json'))
    const { signed, message } = completion(vkId)
    const signals = change.signals ?? publicSignals
    const proof = change.seed === undefined ? toy.prove(signals, 2n) : trapdoor(signals.length, change.seed).prove(signals, 2n)
    const receiptHash = Receipt.hash(signed.receipt, scope)
    await keepProof(blobs, { v: 1, receiptHash, vkId: change.vkId ?? vkId, proof: Hex.fromBytes(Groth16.encodeProof(proof)), signals: Groth16.signalsToJson(signals), engine: 'another', provedInMs: 1 })
    const proving = { blobs, scope, primitives, circuits: { of: async () => circuit, program: async () => program } } as unknown as Proving
    return proveReceipt(message, signed, proving)
  }

  it('is taken where it shows the statement of its receipt', async () => {
    expect((await outcome()).rules.every(({ ok }) => ok)).toBe(true)
  })

  it('makes no verdict where it does not, whoever stored it', async () => {
    const malformed = expect.objectContaining({ code: 'proof.malformed' })
    await expect(outcome({ seed: 5n })).rejects.toEqual(malformed)
    await expect(outcome({ vkId: Hex.zero32 })).rejects.toEqual(malformed)
    await expect(outcome({ signals: publicSignals.with(0, (publicSignals[0] as bigint) ^ 1n) })).rejects.toEqual(malformed)
  })
})

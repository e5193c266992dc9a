import { AppError, Hex, Secp256k1 } from '@haca/core'
import { AppraisalRecord, Collection, KeyBinding } from '@haca/core/tee'
import { AttestationService } from '@haca/proto'
import { asAppError, type GrpcClient } from '@haca/platform/grpc'
import { createHash, randomBytes } from 'node:crypto'
import type { Hardware } from './hardware.js'

/** What a key is to be bound to. */
export interface Claimed {
  chainId: number
  registry: Hex.Hex
  /** 32 bytes, the same at every start of this node. */
  nodeId: Uint8Array
  /** The policy's image that this node says it runs. */
  imageId: string
  /** Digests of the manifests of the models it holds; none where it forwards to another provider. */
  models: readonly Hex.Hex[]
}

/** The prover, as a node asks it. */
export interface Verifier {
  challenge(node: Hex.Hex): Promise<KeyBinding.Challenge>
  enroll(collection: Uint8Array): Promise<AppraisalRecord.AppraisalRecord>
}

/**
 * Has the hardware vouch for a key: a challenge for exactly this key; the devices' evidence first, over a nonce of challenge and key; their digests
 * and everything else the key claims in one binding; the machine's evidence over binding and challenge. Answers what the verifier found.
 */
export async function haveAppraised(privateKey: Uint8Array, claimed: Claimed, hardware: Hardware, verifier: Verifier): Promise<AppraisalRecord.AppraisalRecord> {
  const receiptKey = Secp256k1.publicKeyOf(privateKey)
  const challenge = await verifier.challenge(Secp256k1.addressOfKey(privateKey))
  const devices = await hardware.devices(KeyBinding.deviceNonce(challenge, receiptKey))
  const binding: KeyBinding.KeyBinding = {
    v: 1,
    domain: KeyBinding.BINDING_DOMAIN,
    chainId: claimed.chainId,
    registry: Hex.toBytes(claimed.registry),
    nodeId: claimed.nodeId,
    kind: hardware.kind,
    receiptKey,
    hpkeKey: null,
    tlsSpki: null,
    models: [...new Set(claimed.models)].sort().map((digest) => Hex.toBytes(digest)),
    imageId: claimed.imageId,
    session: new Uint8Array(randomBytes(16)),
    gpu: devices.map(({ evidence }) => new Uint8Array(createHash('sha256').update(evidence.bytes).digest())),
  }
  const machine = await hardware.attest(KeyBinding.boundFields(binding, challenge))
  return verifier.enroll(Collection.encodeCollection({ binding, challenge, machine, devices }))
}

const timeoutMs = 20_000

/** The prover over gRPC. */
export class GrpcVerifier implements Verifier {
  constructor(readonly client: GrpcClient) {}

  async challenge(node: Hex.Hex): Promise<KeyBinding.Challenge> {
    const answer = await this.#ask(() => this.client.unary(AttestationService.method.challenge, { node: Hex.toBytes(node) }, { timeoutMs }))
    return { verifierId: answer.verifierId, random: answer.random, expiresAt: Number(answer.expiresAt) }
  }

  async enroll(collection: Uint8Array): Promise<AppraisalRecord.AppraisalRecord> {
    const { appraisal } = await this.#ask(() => this.client.unary(AttestationService.method.enroll, { collection }, { timeoutMs }))
    if (!appraisal) throw new AppError('prover.malformed-answer', { detail: 'the prover answered no appraisal' })
    return AppraisalRecord.decodeRecord(appraisal.record)
  }

  async #ask<T>(call: () => Promise<{ message: T }>): Promise<T> {
    try {
      return (await call()).message
    } catch (error) {
      throw asAppError('prover.unavailable', error)
    }
  }
}

import { Batch, Decision, Digest, Hex, MerkleSum, Offer, Receipt } from '@haca/core'
import type { TeeChain, TeeTrust } from './appraise-again.js'
import type { Bundle } from './bundle.js'
import { claim, refuted, unknown, type Claim, type Claims } from './claims.js'
import { noHardware, teeClaims } from './tee-claims.js'
import { zkClaim } from './zk-claim.js'

/** Reads of the chain that checks need; every answer is of a block behind which nothing is taken back. */
export interface ChainReader extends TeeChain {
  /** Header the log has for a batch id, zero when none. */
  headerOf(batchId: number): Promise<Hex.Hex>
  /** Unix seconds the batch was committed. */
  committedAt(batchId: number): Promise<number>
  /** Why the log has voided a receipt's leaf, in the contract's word; nothing while it stands. */
  voidReason?(receiptHash: Hex.Hex): Promise<string | undefined>
  /** Atomic units the vault has credited for a payment, 0 when none. */
  credited(paymentId: Hex.Hex): Promise<bigint>
  /** `valid`, or why not, for a key of a kind at a time. */
  keyValidity(node: Hex.Hex, keyKind: number, at: number): Promise<string>
  /** Name and version a model digest is registered under; absent when no model registry is known. */
  model?(modelHash: Hex.Hex): Promise<string | undefined>
  /** Verification key a model is bound to, zero when none; absent when no model registry is known. */
  circuitOf?(modelHash: Hex.Hex): Promise<Hex.Hex>
}

/** What is to be checked. The more is given, the more can be said. */
export interface Subject {
  bundle: Bundle
  /** The exact text that was sent and that came back. */
  request?: string
  answer?: string
  /** 32 bytes; needed with request and answer. */
  salt?: Hex.Hex
  /** EIP-3009 nonce of the payment. */
  nonce?: Hex.Hex
  /** The signed offer and the decision behind it, as the 402 gave them. */
  offer?: Offer.Json
  decision?: Decision.Json
}

export interface Trust extends TeeTrust {
  /** False: the network was taken from the gateway's own word. */
  pinned: boolean
  chain?: ChainReader
}

export interface Report {
  requestId: Hex.Hex
  /** True: the key that signed is simulated. */
  simulated: boolean
  claims: Claims
  /** What became of the signer after the receipt was issued. It marks the receipt and does not undo it. */
  marks: string[]
  /** No claim is refuted. Says nothing about what is merely unknown. */
  consistent: boolean
}

/** Checks a receipt with nothing but its own bytes, what the caller kept, and the chain if one is given. Browser-safe; asks no server of ours. */
export async function verify(subject: Subject, trust: Trust): Promise<Report> {
  const receipt = Receipt.fromJson(subject.bundle.receipt)
  const signed: Receipt.Signed = { receipt, signature: subject.bundle.signature }
  const scope: Receipt.Scope = { chainId: trust.network.chainId, log: trust.network.settlementLog }
  const simulated = receipt.keyKind === Receipt.keyKinds.simulated
  const proofOnly = receipt.mode === Receipt.modes.zkml
  const tee = proofOnly || !Receipt.isSigned(signed, scope) ? noHardware(proofOnly ? 'the receipt is of zkml alone: no hardware is claimed' : 'the key that the receipt names did not sign it') : await teeClaims(subject.bundle, receipt, trust)
  const claims: Claims = {
    signature: await signature(subject, signed, scope, trust),
    ...tee.claims,
    model_weights: await modelWeights(receipt, tee.model, trust),
    zk_proof: await zkClaim({ proof: subject.bundle.proof, receipt, scope, request: subject.request, answer: subject.answer, circuitOf: trust.chain?.circuitOf, pinned: trust.pinned }),
    payment: await payment(subject, receipt, trust),
    anchored: await anchored(subject.bundle, signed, scope, trust),
    route: route(subject, receipt, trust),
  }
  const fair = trust.pinned ? claims : unpinned(claims)
  return { requestId: receipt.requestId, simulated, claims: fair, marks: tee.marks, consistent: Object.values(fair).every((c) => c.status !== 'refuted') }
}

/** What rests on the deployment's addresses and signers. */
const rests: ReadonlySet<Claim['status']> = new Set(['chain-verified', 'hardware-proven'])

/** Contracts and signers that nobody pinned may be anybody's: what they say is the word of whoever named them. */
const unpinned = (claims: Claims): Claims =>
  Object.fromEntries(
    Object.entries(claims).map(([name, c]) => [name, rests.has(c.status) ? claim('asserted', `${c.reason} (the deployment was not pinned)`, 'whoever named the contracts') : c]),
  ) as Claims

async function signature(subject: Subject, signed: Receipt.Signed, scope: Receipt.Scope, { chain }: Trust): Promise<Claim> {
  const { receipt } = signed
  const domain = Receipt.domainName(receipt.keyKind)
  if (!Receipt.isSigned(signed, scope)) return refuted(`the signature is not that of ${receipt.node} under "${domain}" on this chain and log`)
  const bytes = bytesAgree(subject, receipt)
  if (bytes && !bytes.ok) return refuted(bytes.reason)
  const what = bytes ? 'and speaks of exactly the request and answer given' : '; request and answer were not given, so only the hashes are signed for'
  if (!chain) return claim('asserted', `signed by ${receipt.node} under "${domain}" ${what}; the registry was not asked`, 'whoever holds that key')
  const validity = await chain.keyValidity(receipt.node, receipt.keyKind, receipt.issuedAt)
  if (validity !== 'valid') return refuted(`signed by ${receipt.node}, whose key the registry says was ${validity} at ${receipt.issuedAt}`)
  return claim('chain-verified', `signed under "${domain}" by ${receipt.node}, a key the registry says was valid then ${what}`, 'the registrar that registered the key')
}

function bytesAgree({ request, answer, salt }: Subject, receipt: Receipt.Receipt): { ok: true } | { ok: false; reason: string } | undefined {
  if (request === undefined || answer === undefined || salt === undefined) return undefined
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  if (Digest.requestHash(Hex.toBytes(salt), bytes(request)) !== receipt.requestHash) return { ok: false, reason: 'the request given is not the one that was signed' }
  if (Digest.outputHash(Hex.toBytes(salt), bytes(answer)) !== receipt.outputHash) return { ok: false, reason: 'the answer given is not the one that was signed' }
  return { ok: true }
}

/** Hardware may show which model ran; else there is the node's word. Either way it must be a model that somebody registered. */
async function modelWeights(receipt: Receipt.Receipt, shown: Claim | undefined, { chain }: Trust): Promise<Claim> {
  if (shown?.status === 'refuted') return shown
  const name = await chain?.model?.(receipt.modelHash)
  const says = `the node says it ran the model with manifest digest ${receipt.modelHash}`
  if (chain?.model && !name) return refuted(`${says}, which nobody registered`)
  const registered = name ? `, registered as ${name}` : ''
  return shown ? { ...shown, reason: `${shown.reason}${registered}` } : claim('asserted', `${says}${registered}`, 'the node')
}

async function payment({ bundle, request, salt, nonce }: Subject, receipt: Receipt.Receipt, { chain, network }: Trust): Promise<Claim> {
  if (nonce) {
    const key = { chainId: network.chainId, scheme: 'exact', token: network.token.address, payer: receipt.payer, nonce }
    if (Digest.paymentId(key) !== receipt.paymentId) return refuted('the payment named in the receipt is not the one that was made')
  }
  const bound = nonce && request !== undefined && salt && nonce === Digest.boundNonce(Digest.requestHash(Hex.toBytes(salt), new TextEncoder().encode(request)))
  const meant = bound ? 'its nonce proves that it was meant for this very request' : 'that it was meant for this request is asserted'
  const collected = bundle.inclusion ? BigInt(bundle.inclusion.collected) : undefined
  if (!chain) return bundle.payment ? claim('asserted', `the gateway says ${bundle.payment.amount} were collected in ${bundle.payment.transaction}; the chain was not asked`, 'the gateway') : unknown('not settled yet')
  const credited = await chain.credited(receipt.paymentId)
  if (credited === 0n) return collected ? refuted(`the leaf says ${collected} were collected, the vault has no credit`) : unknown('not settled yet')
  if (collected !== undefined && collected > credited) return refuted(`the leaf says ${collected} were collected, the vault credits ${credited}`)
  if (credited > receipt.price) return refuted(`the vault credits ${credited}, more than the signed price of ${receipt.price}`)
  return claim('chain-verified', `the vault credits ${credited} atomic units of ${receipt.token}, the signed price is ${receipt.price}; ${meant}`, 'the chain')
}

async function anchored({ inclusion }: Bundle, signed: Receipt.Signed, scope: Receipt.Scope, { chain }: Trust): Promise<Claim> {
  if (!inclusion) return unknown('not anchored yet')
  const header = Batch.fromJson(inclusion.header)
  const collected = BigInt(inclusion.collected)
  const receiptHash = Receipt.hash(signed.receipt, scope)
  const leaf = MerkleSum.leaf(scope, receiptHash, collected)
  const siblings = inclusion.siblings.map((s) => s && { hash: s.hash, sum: BigInt(s.sum) })
  const root = MerkleSum.climb(leaf, { index: inclusion.index, count: header.count }, siblings)
  if (!root || root.hash !== header.root || root.sum !== header.total) return refuted('the inclusion proof does not lead to the root')
  if (collected > signed.receipt.price) return refuted(`${collected} were collected, more than the signed price of ${signed.receipt.price}`)
  const where = `leaf ${inclusion.index + 1} of ${header.count} in batch ${header.id}, with ${collected} collected`
  if (!chain) return claim('asserted', `${where}; the chain was not asked`, 'whoever gave the bundle')
  const onChain = await chain.headerOf(header.id)
  if (onChain === Hex.zero32) return unknown(`sealed as ${where}; the chain does not have the batch yet`)
  if (onChain !== Batch.hash(header)) return refuted(`the log has another batch under id ${header.id}`)
  const committedAt = await chain.committedAt(header.id)
  if (committedAt > signed.receipt.settleBy + Receipt.voidAfterSettleBySeconds) return refuted(`${where}, but anchored ${committedAt - signed.receipt.settleBy} s after its settle-by: void, and refundable`)
  const voided = await chain.voidReason?.(receiptHash)
  if (voided) return refuted(`${where}, but the log has voided it (${voided}): its payment is refundable`)
  if (collected === 0n) return claim('chain-verified', `${where}: void, its payment is refundable`, 'the chain')
  return claim('chain-verified', where, 'the chain')
}

function route({ offer, decision }: Subject, receipt: Receipt.Receipt, { network }: Trust): Claim {
  if (!offer || !decision) return unknown('the offer and the decision behind it were not given')
  const read = Offer.fromJson(offer)
  if (!read.ok) return refuted('the offer given cannot be read')
  const separator = Offer.separator({ chainId: network.chainId, log: network.settlementLog })
  if (Hex.fromBytes(Offer.hash(read.value.offer, separator)) !== receipt.offerHash) return refuted('the offer given is not the one the receipt names')
  const signer = Offer.signer(read.value, separator)
  if (!signer || !network.offerSigners.some((known) => Hex.equals(known, signer))) return refuted('the offer is not signed by a known gateway key')
  if (Decision.hash(Decision.fromJson(decision)) !== read.value.offer.decisionHash) return refuted('the decision given is not the one the offer names')
  if (!Hex.equals(receipt.modelHash, read.value.offer.modelHash)) return refuted(`the model ${read.value.offer.modelHash} was bought, another was delivered`)
  if (receipt.policyEpoch !== read.value.offer.policyEpoch) return refuted(`it was sold under policy epoch ${read.value.offer.policyEpoch}, the receipt names policy epoch ${receipt.policyEpoch}`)
  if (receipt.mode < read.value.offer.mode) return refuted('less verification was delivered than was bought')
  const considered = decision.candidates.map((c) => `${c.hardware}/${c.mode}: ${c.reason}`).join(', ')
  return claim('asserted', `the gateway signed this decision before it was paid; candidates were ${considered}`, `the gateway key ${signer}`)
}

import * as Abi from '../abi.js'
import * as Eip712 from '../eip712.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import { portable, sign as signDigest, type Primitives } from '../secp256k1.js'
import { accept, refuse, type Verdict } from '../verdict.js'

/** What the gateway sells: method and price, never a pool. Rides in `accepts[].extra.offer`; `hash` is a receipt's `offerHash`. */
export interface Offer {
  /** SHA-256 of the model's manifest. */
  modelHash: Hex.Hex
  /** Verification bought; see `Receipt.modes`. */
  mode: number
  token: Hex.Hex
  payTo: Hex.Hex
  /** Atomic units per unit of work. */
  unitPrice: Money.Atomic
  /** Most that may be charged. */
  ceiling: Money.Atomic
  /** Seconds from acceptance within which the answer is owed. */
  deadlineSeconds: number
  /** Unix seconds after which the offer is no longer honoured. */
  validUntil: number
  policyEpoch: number
  /** Hash of the router's whole decision; see `Decision.hash`. */
  decisionHash: Hex.Hex
}

export interface Signed {
  offer: Offer
  signature: Hex.Hex
}

export const typeString =
  'InferenceOffer(bytes32 modelHash,uint8 mode,address token,address payTo,uint128 unitPrice,uint128 ceiling,' +
  'uint32 deadlineSeconds,uint64 validUntil,uint64 policyEpoch,bytes32 decisionHash)'

const typeHash = Eip712.hashText(typeString)

/** Domain separator of a deployment's offers; a constant, computed once. */
export const separator = (scope: { chainId: number; log: Hex.Hex }): Uint8Array =>
  Eip712.separator({ name: 'HACA Offer', version: '1', chainId: scope.chainId, verifyingContract: scope.log })

/** EIP-712 digest: the `offerHash` of receipts. */
export function hash(offer: Offer, domainSeparator: Uint8Array, keccak256: Primitives['keccak256'] = portable.keccak256): Uint8Array {
  const words = Abi.concat([
    typeHash,
    Hex.toBytes(offer.modelHash, 32),
    Abi.word(offer.mode),
    Abi.padded(offer.token),
    Abi.padded(offer.payTo),
    Abi.word(offer.unitPrice),
    Abi.word(offer.ceiling),
    Abi.word(offer.deadlineSeconds),
    Abi.word(offer.validUntil),
    Abi.word(offer.policyEpoch),
    Hex.toBytes(offer.decisionHash, 32),
  ])
  return Eip712.digest(domainSeparator, keccak256(words), keccak256)
}

export const sign = (offer: Offer, domainSeparator: Uint8Array, privateKey: Uint8Array): Signed => ({
  offer,
  signature: Hex.fromBytes(signDigest(hash(offer, domainSeparator), privateKey)),
})

/** Address that signed, or `undefined`. */
export function signer(signed: Signed, domainSeparator: Uint8Array, primitives: Primitives = portable): Hex.Hex | undefined {
  const address = primitives.recover(hash(signed.offer, domainSeparator, primitives.keccak256), Hex.toBytes(signed.signature))
  return address && Hex.fromBytes(address)
}

/** JSON form, flat, with the signature; amounts are decimal strings. */
export type Json = Omit<Offer, 'unitPrice' | 'ceiling'> & { unitPrice: string; ceiling: string; signature: Hex.Hex }

export const toJson = ({ offer, signature }: Signed): Json => ({
  ...offer,
  unitPrice: offer.unitPrice.toString(),
  ceiling: offer.ceiling.toString(),
  signature,
})

/** Reads the JSON form as a client echoed it. */
export function fromJson(json: unknown): Verdict<Signed, 'malformed'> {
  if (typeof json !== 'object' || json === null) return malformed('offer')
  const o = json as Record<string, unknown>
  for (const name of ['modelHash', 'decisionHash']) if (!Hex.is(o[name], 32)) return malformed(name)
  for (const name of ['token', 'payTo']) if (!Hex.is(o[name], 20)) return malformed(name)
  if (!Hex.is(o.signature, 65)) return malformed('signature')
  for (const [name, most] of counts) if (!Number.isInteger(o[name]) || (o[name] as number) < 0 || (o[name] as number) > most) return malformed(name)
  for (const name of ['unitPrice', 'ceiling']) {
    if (typeof o[name] !== 'string' || !/^(0|[1-9][0-9]{0,38})$/.test(o[name])) return malformed(name)
  }
  const [unitPrice, ceiling] = [BigInt(o.unitPrice as string), BigInt(o.ceiling as string)]
  if (unitPrice > Money.max || ceiling > Money.max) return malformed('ceiling')
  return accept({
    offer: {
      modelHash: o.modelHash as Hex.Hex,
      mode: o.mode as number,
      token: o.token as Hex.Hex,
      payTo: o.payTo as Hex.Hex,
      unitPrice,
      ceiling,
      deadlineSeconds: o.deadlineSeconds as number,
      validUntil: o.validUntil as number,
      policyEpoch: o.policyEpoch as number,
      decisionHash: o.decisionHash as Hex.Hex,
    },
    signature: o.signature,
  })
}

/** What an offer lets a node charge for `units` of work. */
export const price = (offer: Offer, units: number): Money.Atomic => Money.least(offer.ceiling, offer.unitPrice * BigInt(units))

const counts = [
  ['mode', 3],
  ['deadlineSeconds', 0xffffffff],
  ['validUntil', Number.MAX_SAFE_INTEGER],
  ['policyEpoch', Number.MAX_SAFE_INTEGER],
] as const

const malformed = (field: string) => refuse('malformed' as const, `offer field ${field} is missing or malformed`, `accepted.extra.offer.${field}`)

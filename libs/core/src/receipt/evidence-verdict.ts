import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import * as Eip712 from '../eip712.js'
import * as Hex from '../hex.js'
import { portable, sign as signDigest, type Primitives } from '../secp256k1.js'
import type { Scope, Signing } from './receipt.js'

/** One rule that was applied to a result, in words a client is shown. */
export interface Rule {
  rule: string
  ok: boolean
  detail: string
}

/** What a prover says of a result as evidence. */
export interface EvidenceVerdict {
  requestId: Hex.Hex
  receiptHash: Hex.Hex
  affirming: boolean
  evidenceId: Hex.Hex
  kind: string
  rules: readonly Rule[]
}

export const typeString = 'EvidenceVerdict(bytes32 requestId,bytes32 receiptHash,bool affirming,bytes32 evidenceId,string kind,bytes32 rulesHash)'

const typeHash = Eip712.hashText(typeString)

/** EIP-712 digest under {name "HACA Evidence", version "1", chainId, verifyingContract = SettlementLog}; rulesHash is the SHA-256 of the rules as JSON. */
export function hash(verdict: EvidenceVerdict, scope: Scope, { keccak256, sha256 }: Pick<Primitives, 'keccak256' | 'sha256'> = portable): Uint8Array {
  const rules = verdict.rules.map(({ rule, ok, detail }) => [rule, ok, detail])
  const words = Abi.concat([
    typeHash,
    Hex.toBytes(verdict.requestId, 32),
    Hex.toBytes(verdict.receiptHash, 32),
    Abi.word(verdict.affirming ? 1 : 0),
    Hex.toBytes(verdict.evidenceId, 32),
    Eip712.hashText(verdict.kind, keccak256),
    sha256(utf8ToBytes(JSON.stringify(rules))),
  ])
  return Eip712.digest(separator(scope), keccak256(words), keccak256)
}

/** Prover's signature; 65 bytes. */
export const sign = (verdict: EvidenceVerdict, scope: Scope, privateKey: Uint8Array, signing: Signing = { ...portable, sign: signDigest }): Uint8Array =>
  signing.sign(hash(verdict, scope, signing), privateKey)

/** Address that signed, or `undefined`. */
export function signer(verdict: EvidenceVerdict, signature: Uint8Array, scope: Scope, primitives: Primitives = portable): Hex.Hex | undefined {
  const address = primitives.recover(hash(verdict, scope, primitives), signature)
  return address && Hex.fromBytes(address)
}

const separator = (scope: Scope): Uint8Array => Eip712.separator({ name: 'HACA Evidence', version: '1', chainId: scope.chainId, verifyingContract: scope.log })

import { sha256 } from '@noble/hashes/sha2.js'
import * as Abi from '../../abi.js'
import * as Hex from '../../hex.js'
import { portable, sign as signDigest, type Primitives } from '../../secp256k1.js'
import { decodeBase64Url, encodeBase64Url } from '../base64.js'
import { utf8 } from '../bytes.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import { decodePolicy, PolicyError, POLICY_BYTES_MAX, type Policy } from './document.js'

/**
 * A policy document with the signatures of those who wrote it: `{"document": base64url, "signatures": ["0x…"]}`. Holders vote on the digest of
 * the document; the signatures say who answers for its content. Archived under the SHA-256 of the envelope, the registry's `daRef`.
 */
export interface SignedPolicy {
  /** The document's exact bytes. */
  readonly document: Uint8Array
  /** 65 bytes each. */
  readonly signatures: readonly Uint8Array[]
}

/** Where a policy counts. */
export interface PolicyScope {
  readonly chainId: number
  /** PolicyRegistry that anchors it. */
  readonly registry: Hex.Hex
}

export const SIGNED_POLICY_BYTES_MAX = POLICY_BYTES_MAX * 2
const SIGNATURES_MAX = 16

/** What a policy's author signs: keccak256("haca/policy/1" ‖ chainId:32 ‖ registry:20 ‖ SHA-256 of the document). */
export const policyDigest = (document: Uint8Array, scope: PolicyScope): Uint8Array =>
  portable.keccak256(Abi.concat([utf8('haca/policy/1'), Abi.word(scope.chainId), Hex.toBytes(scope.registry, 20), sha256(document)]))

export const signPolicy = (document: Uint8Array, scope: PolicyScope, privateKeys: readonly Uint8Array[]): SignedPolicy => ({
  document,
  signatures: privateKeys.map((key) => signDigest(policyDigest(document, scope), key)),
})

/** The envelope's bytes. */
export const encodeSignedPolicy = ({ document, signatures }: SignedPolicy): Uint8Array =>
  utf8(JSON.stringify({ document: encodeBase64Url(document), signatures: signatures.map((one) => Hex.fromBytes(one)) }))

/** Reads an envelope; refuses with PolicyError `policy-malformed` or `policy-too-large`. */
export function decodeSignedPolicy(bytes: Uint8Array): SignedPolicy {
  if (bytes.length > SIGNED_POLICY_BYTES_MAX) throw new PolicyError('policy-too-large', `envelope of ${bytes.length} bytes`)
  const fields = new Fields(parsed(bytes), 'signed policy', malformed)
  const document = decodeBase64Url(fields.text('document')) ?? malformed('document is not base64url')
  const signatures = fields.texts('signatures').map((text) => (Hex.is(text, 65) ? Hex.toBytes(text) : malformed('a signature has not 65 bytes')))
  fields.end()
  if (signatures.length > SIGNATURES_MAX) malformed(`more than ${SIGNATURES_MAX} signatures`)
  return { document, signatures }
}

/** The distinct addresses that signed a policy. */
export function policySigners({ document, signatures }: SignedPolicy, scope: PolicyScope, primitives: Primitives = portable): Hex.Hex[] {
  const digest = policyDigest(document, scope)
  const found = signatures.flatMap((signature) => primitives.recover(digest, signature) ?? []).map((address) => Hex.fromBytes(address))
  return [...new Set(found)]
}

/** Opens an envelope: one of `signers` must have signed, else PolicyError `policy-unsigned`. */
export function openPolicy(bytes: Uint8Array, trust: PolicyScope & { readonly signers: readonly Hex.Hex[] }, primitives: Primitives = portable): Policy {
  const signed = decodeSignedPolicy(bytes)
  const by = policySigners(signed, trust, primitives)
  if (!by.some((address) => trust.signers.some((known) => Hex.equals(known, address)))) throw new PolicyError('policy-unsigned', 'none of the pinned signers signed this document')
  return decodePolicy(signed.document)
}

function parsed(bytes: Uint8Array): Json.JsonValue {
  try {
    return Json.parseStrict(bytes)
  } catch (error) {
    throw new PolicyError('policy-malformed', 'the envelope is not JSON', { cause: error })
  }
}

function malformed(why: string): never {
  throw new PolicyError('policy-malformed', why)
}

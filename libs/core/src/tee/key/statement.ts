import { sha256 } from '@noble/hashes/sha2.js'
import * as Abi from '../../abi.js'
import * as Hex from '../../hex.js'
import { portable, sign as signDigest, type Primitives } from '../../secp256k1.js'
import { decodeBase64Url, encodeBase64Url } from '../base64.js'
import { utf8 } from '../bytes.js'
import { AttestationError } from '../error.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import type { SignedRecord } from './record.js'

/**
 * What a gateway says of the network's live keys to whoever asks with a nonce of his own, so that nobody can show him yesterday's answer. It
 * vouches for nothing but that this is what it sees: the records carry their verifier's signatures.
 */
export interface AttestationStatement {
  /** 32 bytes, the asker's. */
  readonly nonce: Hex.Hex
  /** Unix seconds. */
  readonly at: number
  readonly chainId: number
  readonly settlementLog: Hex.Hex
  readonly teeRegistry: Hex.Hex
  readonly policyRegistry: Hex.Hex
  /** The policy in force as the gateway sees it, and the SHA-256 of its document. */
  readonly policyEpoch: number
  readonly policyDigest: Hex.Hex
  /** Newest appraisal of every key that has not run out. */
  readonly keys: readonly LiveKey[]
  /** How many more there are than are listed. */
  readonly omitted: number
}

export interface LiveKey {
  readonly node: Hex.Hex
  readonly appraisal: SignedRecord
}

/** A statement's exact bytes, and the gateway's signature over their digest; 65 bytes. */
export interface SignedStatement {
  readonly statement: Uint8Array
  readonly signature: Uint8Array
}

export const KEYS_MAX = 256
export const STATEMENT_BYTES_MAX = 8 * 1024 * 1024

/** What a gateway signs: keccak256("haca/attestation/1" ‖ SHA-256 of the statement's bytes). Chain and contracts are in the statement. */
export const statementDigest = (bytes: Uint8Array, keccak256: Primitives['keccak256'] = portable.keccak256): Uint8Array => keccak256(Abi.concat([utf8('haca/attestation/1'), sha256(bytes)]))

/** JSON with its fields in this order. */
export const encodeStatement = ({ keys, ...rest }: AttestationStatement): Uint8Array =>
  utf8(
    JSON.stringify({
      v: 1,
      ...rest,
      keys: keys.map(({ node, appraisal }) => ({ node, record: encodeBase64Url(appraisal.record), signature: Hex.fromBytes(appraisal.signature) })),
    }),
  )

export function signStatement(statement: AttestationStatement, privateKey: Uint8Array): SignedStatement {
  const bytes = encodeStatement(statement)
  return { statement: bytes, signature: signDigest(statementDigest(bytes), privateKey) }
}

/** Address that signed a statement, or `undefined`. */
export function signerOfStatement({ statement, signature }: SignedStatement, primitives: Primitives = portable): Hex.Hex | undefined {
  if (signature.length !== 65 || statement.length > STATEMENT_BYTES_MAX) return undefined
  const by = primitives.recover(statementDigest(statement, primitives.keccak256), signature)
  return by && Hex.fromBytes(by)
}

/** Reads a statement; anything else refuses with `evidence-malformed`. */
export function decodeStatement(bytes: Uint8Array): AttestationStatement {
  if (bytes.length > STATEMENT_BYTES_MAX) malformed(`${bytes.length} bytes`)
  const fields = new Fields(Json.parseStrict(bytes), 'statement', malformed)
  if (fields.integer('v') !== 1) malformed('version is not 1')
  const statement: AttestationStatement = {
    nonce: hex(fields.text('nonce'), 32),
    at: fields.integer('at'),
    chainId: fields.integer('chainId'),
    settlementLog: hex(fields.text('settlementLog'), 20),
    teeRegistry: hex(fields.text('teeRegistry'), 20),
    policyRegistry: hex(fields.text('policyRegistry'), 20),
    policyEpoch: fields.integer('policyEpoch'),
    policyDigest: hex(fields.text('policyDigest'), 32),
    omitted: fields.integer('omitted'),
    keys: fields.objects('keys').map(liveKey),
  }
  fields.end()
  return statement
}

function liveKey(fields: Fields): LiveKey {
  const key = {
    node: hex(fields.text('node'), 20),
    appraisal: { record: decodeBase64Url(fields.text('record')) ?? malformed('a record is not base64url'), signature: Hex.toBytes(hex(fields.text('signature'), 65)) },
  }
  fields.end()
  return key
}

const hex = (text: string, width: number): Hex.Hex => (Hex.is(text, width) ? text : malformed(`${JSON.stringify(text.slice(0, 80))} is not ${width} bytes of 0x-hexadecimal`))

function malformed(why: string): never {
  throw new AttestationError('evidence-malformed', `attestation statement: ${why}`)
}

import { Hex } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64 } from '@haca/core/tee'
import { HacaError } from '../errors.js'
import type { Network } from '../network.js'

/** A key that lives, as its newest appraisal has it. */
export interface LiveKey {
  record: AppraisalRecord.AppraisalRecord
  /** The pinned verifier that signed it; absent: nobody who counts did. */
  verifier?: Hex.Hex
}

/** What `GET /v1/attestation` said, checked. */
export interface LiveKeys {
  /** Unix seconds. */
  at: number
  policyEpoch: number
  policyDigest: Hex.Hex
  keys: LiveKey[]
  /** How many more there are than are listed. */
  omitted: number
  /** The gateway key that signed. */
  gateway: Hex.Hex
}

/**
 * Believes an answer only when a pinned gateway signed it, over this nonce and for this deployment; else throws `answer-not-authentic`. That the
 * records are what they say is their verifiers' word, and of each is said whether a pinned one signed it.
 */
export function readLiveKeys(answer: unknown, nonce: Hex.Hex, network: Network): LiveKeys {
  const { statement: text, signature } = answer as { statement?: unknown; signature?: unknown }
  const bytes = typeof text === 'string' ? Base64.decodeBase64Url(text) : undefined
  if (!bytes || !Hex.is(signature, 65)) throw inauthentic('the answer is no signed statement')
  const by = AttestationStatement.signerOfStatement({ statement: bytes, signature: Hex.toBytes(signature) })
  const gateway = by && network.offerSigners.find((known) => Hex.equals(known, by))
  if (!gateway) throw inauthentic('the statement is signed by no known gateway key')
  const { keys, ...statement } = AttestationStatement.decodeStatement(bytes)
  if (!Hex.equals(statement.nonce, nonce)) throw inauthentic('the statement answers another nonce')
  const { teeRegistry = statement.teeRegistry, policyRegistry = statement.policyRegistry } = network
  const ours = Hex.equals(statement.settlementLog, network.settlementLog) && Hex.equals(statement.teeRegistry, teeRegistry) && Hex.equals(statement.policyRegistry, policyRegistry)
  if (statement.chainId !== network.chainId || !ours) throw inauthentic('the statement is of another deployment')
  const scope = { chainId: network.chainId, registry: teeRegistry }
  const { at, policyEpoch, policyDigest, omitted } = statement
  const live = keys.map(({ appraisal }) => liveKey(appraisal, scope, network.evidenceSigners ?? []))
  const dead = live.find(({ record }) => record.outcome !== 'affirming' || record.expiresAt <= at)
  if (dead) throw inauthentic(`the statement lists ${dead.record.node}, which by its own appraisal does not live`)
  return { at, policyEpoch, policyDigest, omitted, gateway, keys: live }
}

function liveKey(appraisal: AppraisalRecord.SignedRecord, scope: AppraisalRecord.RecordScope, signers: readonly Hex.Hex[]): LiveKey {
  const by = AppraisalRecord.signerOfRecord(appraisal, scope)
  const verifier = by && signers.find((known) => Hex.equals(known, by))
  return { record: AppraisalRecord.decodeRecord(appraisal.record), ...(verifier ? { verifier } : {}) }
}

const inauthentic = (message: string): HacaError => new HacaError('answer-not-authentic', message)

import type { Hex } from '@haca/core'
import { HacaError } from './errors.js'

/**
 * Where money and receipts of a deployment go. Pin it: what a gateway says of itself is only its word. Every check of a receipt
 * rests on these addresses.
 */
export interface Network {
  chainId: number
  settlementLog: Hex.Hex
  revenueVault: Hex.Hex
  token: { address: Hex.Hex; name: string; version: string; decimals?: number }
  /** Gateway keys whose offers are honoured. */
  offerSigners: readonly Hex.Hex[]
  /** Registries, for checks on chain. */
  teeRegistry?: Hex.Hex
  modelRegistry?: Hex.Hex
  policyRegistry?: Hex.Hex
  /** Verifiers whose appraisals of keys count. */
  evidenceSigners?: readonly Hex.Hex[]
  /** Who answers for the content of hardware policies. */
  policySigners?: readonly Hex.Hex[]
  /** Keys, as P-384 points (97 bytes), of who turns NVIDIA's reference manifests into golden values. */
  goldenValueSigners?: readonly Hex.Hex[]
}

/** What `GET /v1/models` says of its network, in our form. */
export function networkFrom(json: unknown): Network {
  const network = (json as { network?: Network } | undefined)?.network
  if (!network) throw new HacaError('refused', 'no gateway answers there: GET /v1/models does not say what its network is')
  const { chainId, settlementLog, revenueVault, token, offerSigners } = network
  const optional = Object.fromEntries(optionalFields.flatMap((name) => (network[name] === undefined ? [] : [[name, network[name]]])))
  return { chainId, settlementLog, revenueVault, token, offerSigners, ...optional }
}

/** What a deployment may leave unsaid; every check that needs one then answers `unknown`. */
export const optionalFields = ['teeRegistry', 'modelRegistry', 'policyRegistry', 'evidenceSigners', 'policySigners', 'goldenValueSigners'] as const satisfies readonly (keyof Network)[]

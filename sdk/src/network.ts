import type { Hex } from '@haca/core'

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
}

/** What `GET /v1/models` says of its network, in our form. */
export function networkFrom(json: unknown): Network {
  const { network } = json as { network: Network }
  return {
    chainId: network.chainId,
    settlementLog: network.settlementLog,
    revenueVault: network.revenueVault,
    token: network.token,
    offerSigners: network.offerSigners,
    ...(network.teeRegistry ? { teeRegistry: network.teeRegistry } : {}),
    ...(network.modelRegistry ? { modelRegistry: network.modelRegistry } : {}),
  }
}

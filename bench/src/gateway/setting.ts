import type { Hex } from '@haca/core'

// What both servers sell, and to whom.

export const chainId = 84532
export const network = `eip155:${chainId}` as const
export const token = { address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e' as Hex.Hex, name: 'USDC', version: '2' }
export const payTo = '0x00000000000000000000000000000000000000aa' as Hex.Hex
export const settlementLog = '0x00000000000000000000000000000000000000bb' as Hex.Hex
export const pricePerRow = 1000n
/** Longest a payment may take, in seconds. */
export const paymentTimeout = 3_600
/** What every payer has, in atomic units. */
export const balance = 10n ** 15n

export const answer = JSON.stringify({ model: 'digits@1.0.0', outputs: [{ name: 'label', datatype: 'INT64', shape: [1], data: [7] }] })

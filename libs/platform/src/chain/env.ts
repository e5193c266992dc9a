import type { Payment } from '@haca/core'
import { kind, z, type Values } from '../config/index.js'
import { createChain, type Chain } from './client.js'
import { PolicyFeed, type PolicyFeedOptions } from './policy-feed.js'

/** Which chain, and where our contracts are on it. No defaults: a wrong address loses money. */
export const chainShape = {
  RPC_URL: kind.text().describe('JSON-RPC over HTTP; several separated by commas are tried in order'),
  CHAIN_ID: kind.count(1, Number.MAX_SAFE_INTEGER),
}

export const contractsShape = {
  SETTLEMENT_LOG_ADDRESS: kind.address(),
  REVENUE_VAULT_ADDRESS: kind.address(),
}

/** The token that is accepted, with its EIP-712 domain. */
export const tokenShape = {
  TOKEN_ADDRESS: kind.address(),
  TOKEN_NAME: z.string().min(1).describe('name of the token in its EIP-712 domain, e.g. USDC'),
  TOKEN_VERSION: z.string().min(1).describe('version of the token in its EIP-712 domain, e.g. 2'),
  TOKEN_DECIMALS: kind.count(0, 36).default(6),
}

export const openChain = (env: Values<typeof chainShape>): Chain => createChain(env.RPC_URL, env.CHAIN_ID)

export const tokenOf = (env: Values<typeof tokenShape> & Values<typeof chainShape>): Payment.Token => ({
  address: env.TOKEN_ADDRESS,
  name: env.TOKEN_NAME,
  version: env.TOKEN_VERSION,
  chainId: env.CHAIN_ID,
})

/** How a service's own key sends transactions. */
export const senderShape = {
  CHAIN_SETTLED_TAG: z.enum(['latest', 'safe', 'finalized']).default('safe').describe('block tag from which on nothing is taken back'),
  CHAIN_MAX_FEE_PER_GAS_WEI: kind.atomic().default(100_000_000_000n).describe('beyond it senders wait and alarm'),
  CHAIN_POLL_MS: kind.count(50, 60_000).default(300),
}

/** Limits of a sender: on Base a transaction that is not in a block after 4 seconds is underpriced or lost. */
export const senderLimits = (env: Values<typeof senderShape>) => ({
  settledTag: env.CHAIN_SETTLED_TAG,
  maxFeePerGasCap: env.CHAIN_MAX_FEE_PER_GAS_WEI,
  pollMs: env.CHAIN_POLL_MS,
  bumpAfterMs: 4_000,
  resendAfterMs: 2_000,
})

/** How the policy in force is followed. */
export const policyShape = {
  POLICY_REGISTRY_ADDRESS: kind.address(),
  POLICY_SIGNERS: kind.addresses().describe('who answers for the content of policies; one of them must have signed'),
  POLICY_REFRESH_MS: kind.count(100, 60_000).default(5_000),
  POLICY_MAX_AGE_MS: kind.count(1_000, 3_600_000).default(600_000).describe('a policy last seen on chain longer ago is no policy'),
}

export const openPolicyFeed = (env: Values<typeof policyShape> & Values<typeof chainShape>, parts: Pick<PolicyFeedOptions, 'chain' | 'archive' | 'primitives' | 'logger' | 'now'>): PolicyFeed =>
  new PolicyFeed({ ...parts, address: env.POLICY_REGISTRY_ADDRESS, chainId: env.CHAIN_ID, signers: env.POLICY_SIGNERS, maxAgeMs: env.POLICY_MAX_AGE_MS })

import { kafkaRules, kafkaShape } from '@haca/platform/bus'
import { blobsShape } from '@haca/platform/blobs'
import { chainShape, contractsShape, policyShape, tokenShape } from '@haca/platform/chain'
import { kind, load, serviceOf, serviceShape, z } from '@haca/platform/config'
import { redisRules, redisShape } from '@haca/platform/store'

const shape = {
  ...serviceShape,
  ...kafkaShape,
  ...redisShape,
  ...chainShape,
  ...contractsShape,
  ...tokenShape,
  ...blobsShape,
  ...policyShape,
  TEE_REGISTRY_ADDRESS: kind.address(),
  EVIDENCE_SIGNERS: kind.addresses().describe('provers whose appraisals count; told to callers'),
  GATEWAY_GRPC_PORT: kind.port(),
  GATEWAY_PUBLIC_URL: kind.url().describe('origin callers reach us by; never taken from a Host header'),
  GATEWAY_ROUTER_ADDRESS: kind.text().describe('host:port of the router'),
  GATEWAY_OFFER_KEY: kind.privateKey().describe('signs offers'),
  OFFER_SIGNERS: kind.addresses().describe('gateway keys whose offers are honoured: ours, and earlier ones until their offers run out'),
  FACT_SIGNERS: kind.addresses().describe('settler keys whose word of payments and batches counts'),
  GATEWAY_PAYMENT_TIMEOUT_SECONDS: kind.count(30, 86_400).default(300).describe('maxTimeoutSeconds of offers'),
  GATEWAY_PAYMENT_REMAINING_SECONDS: kind.count(6, 86_400).default(60).describe('life a payment must have left when it comes'),
  GATEWAY_OFFER_SECONDS: kind.count(10, 86_400).default(300).describe('how long an offer is honoured'),
  GATEWAY_ANSWER_WAIT_MS: kind.count(0, 600_000).default(25_000).describe('after it a request is answered 202'),
  GATEWAY_SETTLE_WAIT_MAX_MS: kind.count(0, 600_000).default(60_000).describe('longest Prefer: wait that is honoured'),
  GATEWAY_BALANCE_MAX_AGE_MS: kind.count(100, 600_000).default(10_000),
  GATEWAY_PAYER_CAP_ATOMIC: kind.atomic().default(1_000_000n).describe('most unsettled work for a payer that has not yet paid as much'),
  GATEWAY_UNESTABLISHED_CAP_ATOMIC: kind.atomic().default(50_000_000n).describe('most unsettled and lost work, per 24 hours, for all such payers together'),
  GATEWAY_WEBHOOKS: z.enum(['public', 'any']).default('public').describe('where callers may be called back: https on the public internet, or anywhere, which production refuses'),
  GATEWAY_TLS_CERTIFICATE_FILE: z.string().optional().describe('with its key, both edges speak TLS; required in production'),
  GATEWAY_TLS_KEY_FILE: z.string().optional(),
  GATEWAY_ROUTER_CA_FILE: z.string().optional().describe('CA of the router\'s certificate; without it the connection is not encrypted'),
  INSTANCE_ID: z.string().regex(/^[A-Za-z0-9-]{1,63}$/).optional().describe('name of this replica; drawn at start when absent'),
}

/** Everything the gateway is told by its environment. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = load(shape, env, [
    ...kafkaRules,
    ...redisRules,
    (v) => (v.PROFILE === 'production' && !(v.GATEWAY_TLS_CERTIFICATE_FILE && v.GATEWAY_TLS_KEY_FILE) ? 'GATEWAY_TLS_CERTIFICATE_FILE and GATEWAY_TLS_KEY_FILE are required in production' : undefined),
    (v) => (v.PROFILE === 'production' && v.GATEWAY_WEBHOOKS !== 'public' ? 'GATEWAY_WEBHOOKS must be public in production' : undefined),
    (v) => (v.PROFILE === 'production' && !v.GATEWAY_PUBLIC_URL.startsWith('https://') ? 'GATEWAY_PUBLIC_URL must begin with https:// in production' : undefined),
    (v) => (v.GATEWAY_PAYMENT_REMAINING_SECONDS > v.GATEWAY_PAYMENT_TIMEOUT_SECONDS ? 'GATEWAY_PAYMENT_REMAINING_SECONDS must not exceed GATEWAY_PAYMENT_TIMEOUT_SECONDS' : undefined),
  ])
  return { ...serviceOf(values), env: values }
}

export type GatewayConfig = ReturnType<typeof readConfig>
export { shape }

import { kafkaRules, kafkaShape } from '@haca/platform/bus'
import { blobsShape } from '@haca/platform/blobs'
import { chainShape, contractsShape, senderShape, tokenShape } from '@haca/platform/chain'
import { kind, load, serviceOf, serviceShape, z } from '@haca/platform/config'

const shape = {
  ...serviceShape,
  ...kafkaShape,
  ...chainShape,
  ...contractsShape,
  ...senderShape,
  ...tokenShape,
  ...blobsShape,
  TEE_REGISTRY_ADDRESS: kind.address(),
  PAYMENT_BATCHER_ADDRESS: kind.address(),
  PROOF_LEDGER_ADDRESS: kind.address(),
  OFFER_SIGNERS: kind.addresses().describe('gateway keys whose offers are honoured'),
  EVIDENCE_SIGNERS: kind.addresses().describe('prover keys whose verdicts count'),
  SETTLER_PAYMENT_KEY: kind.privateKey().describe('sends payment batches; needs gas and no role'),
  SETTLER_COMMIT_KEY: kind.privateKey().describe('holds SETTLER_ROLE of log and vault'),
  SETTLER_FACT_KEY: kind.privateKey().describe('signs what the settler tells the gateways of the chain'),
  SETTLER_FROM_BLOCK: kind.count(0, Number.MAX_SAFE_INTEGER).describe('block the contracts were deployed in; the watcher begins there'),
  SETTLER_PAYMENT_FLUSH_MS: kind.count(10, 1_000).default(400),
  SETTLER_PAYMENT_BATCH_MAX: kind.count(1, 200).default(200),
  SETTLER_BATCH_SIZE_MAX: kind.count(1, 10_000).default(10_000),
  SETTLER_BATCH_AGE_MS: kind.count(100, 60_000).default(30_000).describe('oldest receipt that is ready before a batch is sealed'),
  SETTLER_EVIDENCE_WITHIN_SECONDS: kind.count(1, 600).default(300).describe('a receipt without evidence by then is void'),
  SETTLER_PROOFS: z.enum(['batch', 'single', 'dispute']).default('batch').describe('how the ledger is shown a proof whose caller did not say: with others, alone, or only when it is demanded'),
  SETTLE_MARGIN_SECONDS: kind.count(0, 3_600).default(30).describe('payments are posted no later than this before they expire'),
  SETTLER_IN_FLIGHT_MAX: kind.count(1, 1_000_000).default(50_000),
  SETTLER_PURSE_ALARM_WEI: kind.atomic().default(10_000_000_000_000_000n).describe('balance of a sending key below which an alarm is raised'),
}

/** Everything the settler is told by its environment. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = load(shape, env, kafkaRules)
  return { ...serviceOf(values), env: values }
}

export type SettlerConfig = ReturnType<typeof readConfig>
export { shape }

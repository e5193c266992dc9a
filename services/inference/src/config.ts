import { kafkaRules, kafkaShape } from '@haca/platform/bus'
import { blobsShape } from '@haca/platform/blobs'
import { chainShape, contractsShape, tokenShape } from '@haca/platform/chain'
import { kind, load, serviceOf, serviceShape, z } from '@haca/platform/config'

const shape = {
  ...serviceShape,
  ...kafkaShape,
  ...chainShape,
  ...contractsShape,
  ...tokenShape,
  ...blobsShape,
  TEE_REGISTRY_ADDRESS: kind.address(),
  MODEL_REGISTRY_ADDRESS: kind.address(),
  OFFER_SIGNERS: kind.addresses().describe('gateway keys whose offers are honoured'),
  INFERENCE_POOL: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/).describe('Kafka pool this node serves'),
  INFERENCE_IMAGE_ID: kind.text().describe('image of the policy that this node says it runs; the hardware has to confirm it'),
  INFERENCE_ATTESTATION_ADDRESS: kind.text().describe('host:port of the provers, who appraise the key'),
  INFERENCE_ATTESTATION_CA_FILE: z.string().optional().describe('CA of the provers\' certificate; without it the connection is not encrypted'),
  INFERENCE_TEE: z.enum(['dstack', 'configfs-tsm', 'nitro']).default('dstack').describe('how this machine vouches for a key: a guest agent (TDX, or the simulator), the kernel (SEV-SNP, TDX), or the Nitro security module'),
  INFERENCE_TEE_SOCKET: kind.text().default('/var/run/dstack.sock').describe('dstack: Unix socket of the guest agent, or of the simulator'),
  INFERENCE_NSM_BRIDGE: kind.text().default('nsm-bridge').describe('nitro: program that asks the security module'),
  INFERENCE_MODELS_DIRECTORY: kind.text(),
  INFERENCE_MODELS: kind.list().describe('model folders to serve, separated by commas'),
  INFERENCE_EXECUTION_PROVIDER: z.enum(['cpu', 'cuda']).default('cpu'),
  INFERENCE_THREADS: kind.count(1, 256).default(1).describe('threads of one run'),
  INFERENCE_BATCH_ROWS_MAX: kind.count(1, 65_536).default(64),
  INFERENCE_QUEUE_MAX: kind.count(1, 100_000).default(2_000).describe('requests held before the node says it is full'),
  INFERENCE_RUN_TIMEOUT_MS: kind.count(100, 3_600_000).default(30_000),
  INFERENCE_HEARTBEAT_MS: kind.count(100, 60_000).default(1_000),
  SETTLE_MARGIN_SECONDS: kind.count(0, 3_600).default(30).describe('no work starts later than this before a payment expires'),
}

/** Everything a node is told by its environment. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = load(shape, env, kafkaRules)
  return { ...serviceOf(values), env: values }
}

export type InferenceConfig = ReturnType<typeof readConfig>
export { shape }

import { kafkaRules, kafkaShape } from '@haca/platform/bus'
import { blobsShape } from '@haca/platform/blobs'
import { chainShape, policyShape } from '@haca/platform/chain'
import { kind, load, serviceOf, serviceShape, z } from '@haca/platform/config'

const shape = {
  ...serviceShape,
  ...kafkaShape,
  ...chainShape,
  ...blobsShape,
  ...policyShape,
  EVIDENCE_SIGNERS: kind.addresses().describe('provers whose appraisals count'),
  ROUTER_GRPC_PORT: kind.port(),
  ROUTER_TLS_CERTIFICATE_FILE: z.string().optional().describe('with its key, the gRPC edge speaks TLS; gateways are given its CA'),
  ROUTER_TLS_KEY_FILE: z.string().optional(),
  ROUTER_POLICY_FILE: kind.text().describe('what each hardware entry of the policy costs and risks, as JSON'),
  ROUTER_CATALOG_REFRESH_MS: kind.count(100, 600_000).default(5_000),
  MODEL_REGISTRY_ADDRESS: kind.address(),
  TEE_REGISTRY_ADDRESS: kind.address(),
}

/** Everything the router is told by its environment. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = load(shape, env, [
    ...kafkaRules,
    (v) => (!v.ROUTER_TLS_CERTIFICATE_FILE !== !v.ROUTER_TLS_KEY_FILE ? 'ROUTER_TLS_CERTIFICATE_FILE and ROUTER_TLS_KEY_FILE go together' : undefined),
  ])
  return { ...serviceOf(values), env: values, grpcPort: values.ROUTER_GRPC_PORT, policyFile: values.ROUTER_POLICY_FILE, catalogRefreshMs: values.ROUTER_CATALOG_REFRESH_MS }
}

export type RouterConfig = ReturnType<typeof readConfig>
export { shape }

import { Hex } from '@haca/core'
import { kafkaRules, kafkaShape } from '@haca/platform/bus'
import { blobsShape } from '@haca/platform/blobs'
import { chainShape, contractsShape, policyShape, senderShape } from '@haca/platform/chain'
import { kind, load, Secret, serviceOf, serviceShape, z } from '@haca/platform/config'
import { redisRules, redisShape } from '@haca/platform/store'
import { vendorDefaults } from './collateral/open-collateral.js'

/** A P-384 scalar. */
const p384Key = () => z.string().refine((text) => Hex.is(text, 48), '48 bytes of 0x-hexadecimal').transform((text) => new Secret(text as Hex.Hex))

const shape = {
  ...serviceShape,
  ...kafkaShape,
  ...redisShape,
  ...chainShape,
  ...blobsShape,
  ...senderShape,
  ...policyShape,
  FACT_SIGNERS: kind.addresses().describe('settler keys whose word of failed payments counts: their proofs are given up'),
  PROVER_GRPC_PORT: kind.port().describe('where nodes have their keys appraised'),
  PROVER_TLS_CERTIFICATE_FILE: z.string().optional().describe('with its key, the gRPC edge speaks TLS; nodes are given its CA'),
  PROVER_TLS_KEY_FILE: z.string().optional(),
  SETTLEMENT_LOG_ADDRESS: contractsShape.SETTLEMENT_LOG_ADDRESS,
  TEE_REGISTRY_ADDRESS: kind.address(),
  MODEL_REGISTRY_ADDRESS: kind.address(),
  PROVER_REGISTRAR_KEY: kind.privateKey().describe('holds REGISTRAR_ROLE of the TeeRegistry'),
  PROVER_EVIDENCE_KEY: kind.privateKey().describe('signs verdicts and appraisals; settlers and routers know its address'),
  PROVER_SIMULATED_ROOT: z.string().optional().describe('file with the root of simulated evidence, DER; taken by the development build only'),
  PROVER_REAPPRAISE_MS: kind.count(1_000, 60_000).default(15_000).describe('how often live keys are appraised again; routers forget them after 90 s'),
  PROVER_COLLATERAL: z.enum(['online', 'offline']).default('online').describe('offline asks no vendor and knows what was imported'),
  PROVER_COLLATERAL_INTEL_URL: kind.url().default(vendorDefaults.intelPcs).describe('Provisioning Certification Service, or a mirror'),
  PROVER_COLLATERAL_INTEL_CERTIFICATES_URL: kind.url().default(vendorDefaults.intelCertificates).describe('where Intel publishes its root’s list'),
  PROVER_COLLATERAL_AMD_URL: kind.url().default(vendorDefaults.amdKds).describe('Key Distribution Service, or a mirror'),
  PROVER_COLLATERAL_NVIDIA_RIM_URL: kind.url().default(vendorDefaults.nvidiaRim).describe('reference manifests'),
  PROVER_COLLATERAL_NVIDIA_OCSP_URL: kind.url().default(vendorDefaults.nvidiaOcsp).describe('responder for devices'),
  PROVER_COLLATERAL_AWS_URL: kind.url().optional().describe('mirror of Nitro’s lists; without it they are asked for where certificates say'),
  PROVER_COLLATERAL_DEADLINE_MS: kind.count(1_000, 120_000).default(20_000).describe('how long the first sight of a platform may wait for its vendor'),
  PROVER_COLLATERAL_CHECK_MS: kind.count(1_000, 3_600_000).default(60_000).describe('how often the calendar of collateral is gone through'),
  PROVER_GOLDEN_VALUES_KEY: p384Key().optional().describe('P-384 scalar that signs what NVIDIA’s manifests say; required in production, without it GPUs have no golden values'),
  PROVER_CONCURRENCY: kind.count(1, 256).default(32),
  PROVER_IN_FLIGHT_MAX: kind.count(1, 100_000).default(5_000),
  PROVER_ENGINE: z.string().optional().describe('path of the built haca-prover; without it snarkjs proves, several times slower'),
  PROVER_ENGINE_THREADS: kind.count(1, 256).default(2).describe('threads of one proof'),
  PROVER_PROOFS_AT_ONCE: kind.count(1, 64).default(1),
  PROVER_PROOF_TIMEOUT_MS: kind.count(1_000, 3_600_000).default(300_000).describe('a proof that takes longer is taken for hung'),
  PROVER_MEMORY_BYTES: kind.count(1, Number.MAX_SAFE_INTEGER).default(2_000_000_000).describe('what all warm proving keys may come to hold; a key that never fits is refused before it is loaded'),
  PROVER_KEYS_DIRECTORY: kind.text().describe('where proving keys are kept on this machine; may be lost'),
}

/** Everything the prover is told by its environment. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = load(shape, env, [
    ...kafkaRules,
    ...redisRules,
    (v) => (v.PROFILE === 'production' && !v.PROVER_GOLDEN_VALUES_KEY ? 'PROVER_GOLDEN_VALUES_KEY is required in production' : undefined),
    (v) => (!v.PROVER_TLS_CERTIFICATE_FILE !== !v.PROVER_TLS_KEY_FILE ? 'PROVER_TLS_CERTIFICATE_FILE and PROVER_TLS_KEY_FILE go together' : undefined),
    (v) => (v.PROFILE === 'production' && v.PROVER_SIMULATED_ROOT ? 'PROVER_SIMULATED_ROOT must not be set in production' : undefined),
  ])
  return { ...serviceOf(values), env: values }
}

export type ProverConfig = ReturnType<typeof readConfig>
export { shape }

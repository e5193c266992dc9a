import * as Gateway from '@haca/gateway'
import * as Inference from '@haca/inference'
import { topicOf, type ConsumeOptions } from '@haca/platform/bus'
import { ConfigError } from '@haca/platform/config'
import type { InferenceRequestedSchema } from '@haca/proto'
import * as Prover from '@haca/prover'
import * as Router from '@haca/router'
import * as Settler from '@haca/settler'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { containerEnv, containerEnvFolder, publicTestKeys } from './container-env.js'
import { containersOf, environmentOf, missingObjects, named, ofKind, reachable, render, storesOf, workloads, type Container, type Resource, type Stores, type Workload } from './rendered.js'
import { root } from './root.js'

// Whether what we deploy is what the services read: manifests are rendered, environments put together as a kubelet would, and
// given to the very functions that read them at start.

const services = { gateway: Gateway, router: Router, inference: Inference, prover: Prover, settler: Settler }
type Service = keyof typeof services
const names = Object.keys(services) as Service[]
const text = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Variables of the runtime, which no config reads. */
const ofNode = new Set(['NODE_EXTRA_CA_CERTS'])

const unknown = (service: Service, env: Readonly<Record<string, string>>): string[] => Object.keys(env).filter((name) => !(name in services[service].shape) && !ofNode.has(name))

const read = (service: Service, env: Readonly<Record<string, string>>): Record<string, any> => services[service].readConfig(env).env

/** What the forced exit of `runService` adds to DRAIN_MS. */
const forcedExitMs = 5_000

const address = (digit: string): string => `0x${digit.repeat(40)}`
const key = (digit: string): string => `0x${digit.repeat(64)}`

/** What a platform team makes before it applies production; the README lists the same. */
const prepared: Stores = {
  'ConfigMap/haca-chain': {
    CHAIN_ID: '8453',
    TOKEN_ADDRESS: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
    TOKEN_NAME: 'USD Coin',
    TOKEN_VERSION: '2',
    SETTLEMENT_LOG_ADDRESS: address('1'),
    REVENUE_VAULT_ADDRESS: address('2'),
    PAYMENT_BATCHER_ADDRESS: address('3'),
    MODEL_REGISTRY_ADDRESS: address('4'),
    TEE_REGISTRY_ADDRESS: address('5'),
    POLICY_REGISTRY_ADDRESS: address('9'),
    POLICY_SIGNERS: address('a'),
    PROOF_LEDGER_ADDRESS: address('b'),
    OFFER_SIGNERS: address('6'),
    EVIDENCE_SIGNERS: address('7'),
    FACT_SIGNERS: address('8'),
    SETTLER_FROM_BLOCK: '1000',
  },
  'ConfigMap/haca-endpoints': { KAFKA_BROKERS: 'kafka-0.example:9093,kafka-1.example:9093', KAFKA_SASL_MECHANISM: 'scram-sha-512', GATEWAY_PUBLIC_URL: 'https://api.example' },
  'ConfigMap/haca-pool': { INFERENCE_IMAGE_ID: 'engine-1.8.0', INFERENCE_MODELS: 'digits' },
  'ConfigMap/haca-policy': { 'policy.json': '{}' },
  'Secret/haca-rpc': { RPC_URL: 'https://rpc.example/token' },
  'Secret/haca-redis': { REDIS_URL: 'rediss://haca:password@redis.example:6379' },
  'Secret/haca-gateway': { GATEWAY_OFFER_KEY: key('1') },
  'Secret/haca-gateway-tls': { 'tls.crt': '', 'tls.key': '' },
  'Secret/haca-prover': { PROVER_REGISTRAR_KEY: key('2'), PROVER_EVIDENCE_KEY: key('3'), PROVER_GOLDEN_VALUES_KEY: `0x${'9'.repeat(96)}` },
  'Secret/haca-settler': { SETTLER_PAYMENT_KEY: key('4'), SETTLER_COMMIT_KEY: key('5'), SETTLER_FACT_KEY: key('6') },
  ...Object.fromEntries(names.map((name) => [`Secret/haca-kafka-${name}`, { KAFKA_SASL_USERNAME: name, KAFKA_SASL_PASSWORD: 'password' }])),
}

const rendered = { local: render('k8s/overlays/local-cpu'), production: render('k8s/overlays/production') }
const deploy = render('k8s/jobs/deploy-contracts')
const overlays = Object.entries(rendered) as [keyof typeof rendered, Resource[]][]
const stores: Record<keyof typeof rendered, Stores> = { local: storesOf(rendered.local), production: { ...prepared, ...storesOf(rendered.production) } }

const workload = (resources: readonly Resource[], name: string): Workload => workloads(resources).find((w) => w.name === name) as Workload
const main = (resources: readonly Resource[], name: string): Container => workload(resources, name).pod.containers[0] as Container
const podLabel = 'app.kubernetes.io/name'

describe('environments', () => {
  it('the local stack in containers has what the code says today', () => {
    const files = Object.fromEntries(readdirSync(containerEnvFolder).map((name) => [name, readFileSync(join(containerEnvFolder, name), 'utf8')]))
    expect(files, 'run `npm run build && npm run docs`').toEqual(containerEnv())
  })

  it.each(overlays.flatMap(([overlay, resources]) => names.map((name) => [overlay, name, resources] as const)))('%s starts %s, and sets nothing it does not read', (overlay, name, resources) => {
    const env = environmentOf(main(resources, name), stores[overlay])
    expect(read(name, env)).toMatchObject({ PROFILE: overlay === 'local' ? 'development' : 'production' })
    expect(unknown(name, env)).toEqual([])
  })

  it('the local overlay needs nothing from outside', () => {
    expect(missingObjects(rendered.local)).toEqual([])
  })

  it('production needs exactly what its README lists', () => {
    const readme = text('k8s/overlays/production/README.md')
    const needed = missingObjects(rendered.production)
    expect(new Set(needed)).toEqual(new Set([...Object.keys(prepared), 'PersistentVolumeClaim/haca-blobs', 'PersistentVolumeClaim/haca-tee']))
    for (const object of needed) expect(readme, object).toContain(`\`${object.split('/')[1] as string}\``)
    for (const keys of Object.values(prepared)) for (const name of Object.keys(keys)) expect(readme, name).toContain(name)
  })

  it('production has no default for keys, addresses, stores and prices: without any of them nobody starts', () => {
    const cases = Object.entries(prepared).flatMap(([object, keys]) => Object.keys(keys).map((missing) => [object, missing] as const))
    const [files, refused] = [new Set<string>(), new Set<string>()]
    for (const [object, missing] of cases) {
      const { [missing]: _gone, ...rest } = prepared[object] as Record<string, string>
      for (const name of names) {
        const container = main(rendered.production, name)
        if (!(container.env ?? []).some(({ valueFrom = {} }) => [valueFrom.configMapKeyRef, valueFrom.secretKeyRef].some((ref) => ref?.key === missing && object.endsWith(`/${ref.name}`)))) continue
        expect(() => environmentOf(container, { ...stores.production, [object]: rest }), `${name} without ${missing}`).toThrow(missing)
        const { [missing]: _unset, ...env } = environmentOf(container, stores.production)
        expect(() => read(name, env), `${name} without ${missing}`).toThrow(ConfigError)
        refused.add(missing)
      }
      if (!refused.has(missing)) files.add(missing)
    }
    expect([...files].sort(), 'mounted, not variables; the kubelet does not start the pod without them').toEqual(['policy.json', 'tls.crt', 'tls.key'])
  })

  it.each([
    ['gateway', { GATEWAY_TLS_KEY_FILE: undefined }],
    ['gateway', { GATEWAY_PUBLIC_URL: 'http://api.example' }],
    ['gateway', { REDIS_URL: 'redis://haca:password@redis.example:6379' }],
    ['prover', { REDIS_URL: 'rediss://redis.example:6379' }],
    ['prover', { PROVER_SIMULATED_ROOT: '/blobs/simulator/root.der' }],
    ['router', { KAFKA_SSL: 'false' }],
    ['settler', { KAFKA_REPLICATION_FACTOR: '1' }],
    ['settler', { KAFKA_SASL_MECHANISM: undefined }],
  ] as [Service, Record<string, string | undefined>][])('production refuses %s with %o', (name, change) => {
    const env = { ...environmentOf(main(rendered.production, name), stores.production), ...change }
    expect(() => services[name].readConfig(env)).toThrow(ConfigError)
  })
})

describe('pods', () => {
  const all = [...overlays.flatMap(([overlay, resources]) => workloads(resources).map((w) => [overlay, w.name, w] as const)), ...workloads(deploy).map((w) => ['jobs', w.name, w] as const)]

  it.each(all)('%s: %s meets the restricted standard', (_overlay, _name, { pod }) => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(pod.securityContext?.runAsUser).toBeGreaterThan(0)
    expect([pod.hostNetwork, pod.hostPID, pod.hostIPC]).toEqual([undefined, undefined, undefined])
    for (const { name, securityContext, volumeMounts = [], image } of containersOf(pod)) {
      expect(securityContext, name).toMatchObject({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } })
      expect([securityContext?.capabilities?.add, securityContext?.privileged, securityContext?.runAsUser], name).toEqual([undefined, undefined, undefined])
      if (!image.startsWith('apache/kafka:')) expect(securityContext?.readOnlyRootFilesystem, name).toBe(true) // it writes its configuration into itself
      const declared = [...(pod.volumes ?? []), { name: 'data' }].map((volume) => volume.name)
      for (const mount of volumeMounts) expect(declared, name).toContain(mount.name)
    }
    for (const volume of pod.volumes ?? []) expect(Object.keys(volume).filter((k) => k !== 'name')).toEqual([expect.stringMatching(/^(configMap|secret|emptyDir|persistentVolumeClaim)$/)])
  })

  it.each(all)('%s: %s has no token, no service links, and bounds', (_overlay, _name, { pod }) => {
    expect([pod.automountServiceAccountToken, pod.enableServiceLinks]).toEqual([false, false])
    for (const { name, resources } of containersOf(pod)) {
      expect(resources, name).toMatchObject({ requests: { cpu: expect.any(String), memory: expect.any(String) }, limits: { memory: expect.any(String) } })
    }
  })

  it.each(all.filter(([, , { kind }]) => kind !== 'Job'))('%s: %s is probed', (_overlay, name, { pod }) => {
    for (const container of pod.containers) {
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) expect(container[probe], probe).toBeDefined()
      if (!(name in services)) continue
      expect([container.startupProbe, container.livenessProbe, container.readinessProbe].map((probe) => probe?.httpGet?.path)).toEqual(['/livez', '/livez', '/readyz'])
    }
  })

  it.each(overlays.flatMap(([overlay, resources]) => names.map((name) => [overlay, name, resources] as const)))('%s: %s listens where it is probed and called, and may drain in peace', (overlay, name, resources) => {
    const container = main(resources, name)
    const config = read(name, environmentOf(container, stores[overlay]))
    const ports = Object.fromEntries((container.ports ?? []).map(({ name: port, containerPort }) => [port, containerPort]))
    expect(ports).toEqual({ http: config.PORT, ...('GATEWAY_GRPC_PORT' in config ? { grpc: config.GATEWAY_GRPC_PORT } : {}), ...('ROUTER_GRPC_PORT' in config ? { grpc: config.ROUTER_GRPC_PORT } : {}), ...('PROVER_GRPC_PORT' in config ? { grpc: config.PROVER_GRPC_PORT } : {}) })
    const graceMs = (workload(resources, name).pod.terminationGracePeriodSeconds ?? 30) * 1000
    expect(graceMs).toBeGreaterThanOrEqual((container.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000 + config.DRAIN_MS + forcedExitMs)
    if (name === 'gateway') expect(config.DRAIN_MS).toBeGreaterThan(config.GATEWAY_SETTLE_WAIT_MAX_MS)
    if (name === 'inference') expect(config.DRAIN_MS).toBeGreaterThan(2 * config.INFERENCE_RUN_TIMEOUT_MS)
    expect(container.volumeMounts).toContainEqual(expect.objectContaining({ mountPath: config.BLOBS_DIRECTORY }))
  })

  it('production probes the gateway behind its TLS edge, and nobody else', () => {
    for (const name of names) expect(main(rendered.production, name).readinessProbe?.httpGet?.scheme, name).toBe(name === 'gateway' ? 'HTTPS' : undefined)
    const { ports } = named(rendered.production, 'Service', 'gateway').spec
    expect(ports.map((port: { name: string; appProtocol: string }) => [port.name, port.appProtocol])).toEqual([['http', 'https'], ['grpc', 'https']])
    expect(named(rendered.local, 'Service', 'gateway').spec.ports.map((port: { appProtocol: string }) => port.appProtocol)).toEqual(['http', 'kubernetes.io/h2c'])
  })

  it('the trusted hardware’s socket lies on a mounted volume', () => {
    for (const [overlay, resources] of overlays) {
      const { INFERENCE_TEE_SOCKET: socket } = environmentOf(main(resources, 'inference'), stores[overlay])
      expect(main(resources, 'inference').volumeMounts?.some(({ mountPath }) => socket?.startsWith(`${mountPath}/`)), overlay).toBe(true)
    }
    const simulator = workload(rendered.local, 'inference').pod.initContainers?.find(({ name }) => name === 'tee-simulator') as Container
    expect(simulator.restartPolicy).toBe('Always')
    expect(environmentOf(simulator, stores.local).SIMULATOR_SOCKET).toBe(environmentOf(main(rendered.local, 'inference'), stores.local).INFERENCE_TEE_SOCKET)
  })
})

describe('replicas', () => {
  it.each(overlays)('%s runs one settler, never two, and lets nodes drain', (_overlay, resources) => {
    expect(named(resources, 'Deployment', 'settler').spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
    const budgets = ofKind(resources, 'PodDisruptionBudget')
    expect(budgets.map(({ metadata }) => metadata.name).sort()).toEqual(['gateway', 'inference', 'prover', 'router'])
    for (const { spec, metadata } of budgets) {
      expect(spec, metadata.name).toMatchObject({ unhealthyPodEvictionPolicy: 'AlwaysAllow', maxUnavailable: expect.anything() })
      expect(workload(resources, metadata.name).labels).toMatchObject(spec.selector.matchLabels)
    }
  })

  it('production has spare gateways, routers and provers on nodes of their own', () => {
    for (const name of ['gateway', 'router']) expect(named(rendered.production, 'Deployment', name).spec.replicas, name).toBeGreaterThan(1)
    expect(named(rendered.production, 'ScaledObject', 'prover').spec.minReplicaCount).toBeGreaterThan(1)
    for (const name of ['gateway', 'router']) {
      const [term] = named(rendered.production, 'Deployment', name).spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
      expect(term).toMatchObject({ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { [podLabel]: name } } })
    }
  })

  it('every priority is defined, and money comes first', () => {
    const value = Object.fromEntries(ofKind(rendered.production, 'PriorityClass').map((priority) => [priority.metadata.name, (priority as unknown as { value: number }).value]))
    const priorities = ['settler', 'gateway', 'inference', 'prover'].map((name) => value[workload(rendered.production, name).pod.priorityClassName as string] as number)
    expect(priorities).toEqual([...priorities].sort((a, b) => b - a))
    expect(new Set(priorities).size).toBe(4)
  })

  it('the pool is scaled by the lag of its own group on its own topic', async () => {
    const { spec } = named(rendered.production, 'ScaledObject', 'inference')
    const env = environmentOf(main(rendered.production, 'inference'), stores.production)
    const config = read('inference', env)
    const asked = await requestsOf(config.INFERENCE_POOL)
    const lag = spec.triggers.find((trigger: { type: string }) => trigger.type === 'kafka')
    expect(lag.metadata).toMatchObject({ consumerGroup: asked.group, topic: topicOf(asked.schema, asked.pool), offsetResetPolicy: asked.from ?? 'earliest', version: '4.0.0' })
    expect(Object.keys(lag.metadata)).not.toContain('excludePersistentLag')
    expect(Number(lag.metadata.lagThreshold)).toBeLessThan(config.INFERENCE_QUEUE_MAX)
    expect(Number(lag.metadata.lagThreshold)).toBeGreaterThanOrEqual(config.INFERENCE_BATCH_ROWS_MAX)
    expect(env).toHaveProperty(lag.metadata.bootstrapServersFromEnv)
    expect(spec.scaleTargetRef).toEqual({ name: 'inference', envSourceContainerName: main(rendered.production, 'inference').name })
    expect(named(rendered.production, 'TriggerAuthentication', lag.authenticationRef.name)).toBeDefined()
  })

  it('provers are scaled by the age of the oldest proof that is owed, long before its receipt is void', () => {
    const { spec } = named(rendered.production, 'ScaledObject', 'prover')
    const [trigger] = spec.triggers
    expect(spec.scaleTargetRef).toEqual({ name: 'prover' })
    expect(spec.fallback).toMatchObject({ behavior: 'currentReplicasIfHigher' })
    expect(trigger).toMatchObject({ type: 'prometheus', metadata: { query: expect.stringContaining('prover_proofs_oldest_age_seconds') } })
    expect(text('services/prover/src/events.ts')).toContain("'prover_proofs_oldest_age_seconds'")
    expect(Number(trigger.metadata.threshold) * 10).toBeLessThanOrEqual(read('settler', environmentOf(main(rendered.production, 'settler'), stores.production)).SETTLER_EVIDENCE_WITHIN_SECONDS)
    expect(spec.maxReplicaCount).toBeLessThanOrEqual(read('prover', environmentOf(main(rendered.production, 'prover'), stores.production)).KAFKA_PARTITIONS)
    expect(named(rendered.production, 'Deployment', 'prover').spec.replicas).toBeUndefined()
  })

  it('the pool has a partition for every replica it may get, never none, and is not shrunk by blindness', () => {
    const { spec } = named(rendered.production, 'ScaledObject', 'inference')
    const config = read('inference', environmentOf(main(rendered.production, 'inference'), stores.production))
    expect(spec.maxReplicaCount).toBeLessThanOrEqual(config.KAFKA_PARTITIONS)
    expect(spec.minReplicaCount).toBeGreaterThanOrEqual(1)
    expect(spec.idleReplicaCount).toBeUndefined()
    expect(spec.fallback).toMatchObject({ behavior: 'currentReplicasIfHigher' })
    expect(spec.triggers).toContainEqual(expect.objectContaining({ type: 'prometheus', metadata: expect.objectContaining({ query: expect.stringContaining('inference_queue_oldest_age_seconds') }) }))
    expect(text('services/inference/src/events.ts')).toContain("'inference_queue_oldest_age_seconds'")
    for (const [overlay, resources] of overlays) expect(named(resources, 'Deployment', 'inference').spec.replicas, overlay).toBeUndefined()
    const partitions = names.map((name) => environmentOf(main(rendered.production, name), stores.production).KAFKA_PARTITIONS)
    expect(new Set(partitions).size, 'whoever starts first makes the topics').toBe(1)
  })
})

/** What the inference service asks the bus for. */
async function requestsOf(pool: string): Promise<ConsumeOptions<typeof InferenceRequestedSchema>> {
  const { consumeRequests } = (await import(join(root, 'services/inference/src/consumer.ts'))) as { consumeRequests(bus: unknown, node: unknown, options: unknown): unknown }
  const asked: ConsumeOptions<typeof InferenceRequestedSchema>[] = []
  consumeRequests({ consume: (options: ConsumeOptions<typeof InferenceRequestedSchema>) => void asked.push(options) }, {}, { pool, inFlightMax: 1 })
  return asked[0] as ConsumeOptions<typeof InferenceRequestedSchema>
}

describe('network', () => {
  it('the namespace admits restricted pods only, and everything is in it', () => {
    for (const [, resources] of overlays) {
      expect(named(resources, 'Namespace', 'haca').metadata.labels).toMatchObject(Object.fromEntries(['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted'])))
      for (const { kind, metadata } of resources) if (!['Namespace', 'PriorityClass'].includes(kind)) expect(metadata.namespace, `${kind}/${metadata.name}`).toBe('haca')
    }
  })

  it.each(overlays)('%s denies what it does not name', (_overlay, resources) => {
    expect(named(resources, 'NetworkPolicy', 'default-deny').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
    for (const { metadata, spec } of ofKind(resources, 'NetworkPolicy')) {
      for (const { to, ports } of spec.egress ?? []) expect(to?.length > 0 && ports?.length > 0, `${metadata.name} lets everything out`).toBe(true)
      for (const { from, ports } of spec.ingress ?? []) expect((from?.length > 0 || metadata.name === 'gateway-from-clients') && ports?.length > 0, `${metadata.name} lets everything in`).toBe(true)
    }
  })

  /** The arrows of the architecture, as the services' own configuration draws them. */
  const arrows = names.flatMap((name) => {
    const env = environmentOf(main(rendered.local, name), stores.local)
    const targets = [env.KAFKA_BROKERS, env.REDIS_URL && new URL(env.REDIS_URL).host, env.RPC_URL && new URL(env.RPC_URL).host, env.GATEWAY_ROUTER_ADDRESS, env.INFERENCE_ATTESTATION_ADDRESS]
    return targets.filter((target): target is string => target !== undefined).map((target) => `${name} ${target}`)
  })

  it('in the local stack exactly the arrows of the configuration are open', () => {
    const toGateway = workloads(rendered.local).map(({ name }) => name)
    const open = [...reachable(rendered.local)].filter((pair) => !pair.includes(' gateway:'))
    expect(new Set(open)).toEqual(new Set([...arrows, 'bootstrap anvil:8545']))
    expect(toGateway.filter((name) => reachable(rendered.local).has(`${name} gateway:8080`)), 'clients are outside').toEqual([])
  })

  it('production names the same arrows', () => {
    const named = (resources: Resource[]): string[] => ofKind(resources, 'NetworkPolicy').map(({ metadata }) => metadata.name).filter((name) => /-to-(kafka|redis|chain|router|prover|dns)$/.test(name) && !name.startsWith('bootstrap')).sort()
    expect(named(rendered.production)).toEqual(named(rendered.local))
    expect(named(rendered.production).length).toBe(arrows.length + 1)
    for (const policy of ofKind(rendered.production, 'NetworkPolicy').filter(({ metadata }) => metadata.labels?.reaches)) {
      expect(JSON.stringify(policy.spec.egress), `${policy.metadata.name} points at the local stack`).not.toMatch(/podSelector/)
    }
  })

  it.each(overlays)('%s lets nobody but the prover ask vendors, and the prover nobody inside', (_overlay, resources) => {
    const outward = ofKind(resources, 'NetworkPolicy').filter(({ spec }) => JSON.stringify(spec.egress ?? []).includes('"port":80}'))
    expect(outward.map(({ metadata }) => metadata.name)).toEqual(['prover-to-vendors'])
    expect(outward[0]?.spec).toMatchObject({ podSelector: { matchLabels: { [podLabel]: 'prover' } }, egress: [{ to: [{ ipBlock: { except: expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16']) } }] }] })
  })

  it('services find pods, by the ports their callers use', () => {
    for (const [, resources] of overlays)
      for (const { metadata, spec } of ofKind(resources, 'Service')) {
        const target = workload(resources, metadata.name)
        expect(target.labels).toMatchObject(spec.selector)
        const ports = target.pod.containers.flatMap((container) => container.ports ?? [])
        for (const { port, targetPort } of spec.ports) expect(ports).toContainEqual(expect.objectContaining({ name: targetPort, containerPort: port }))
      }
  })
})

describe('production hygiene', () => {
  const everything = JSON.stringify([rendered.production, deploy])

  it('no key, no account of a test chain, no simulation and no development is in it', () => {
    for (const known of publicTestKeys) expect(everything.toLowerCase().includes(known.toLowerCase()), known).toBe(false)
    const suspects = everything.replace('{"name":"DEPLOY_SIMULATED_ALLOWED","value":"false"}', '').match(/simulat\w*|anvil|development|bootstrap(?!Servers)|[\w-]+:local/gi)
    expect(suspects).toBeNull()
    expect(ofKind(rendered.production, 'Secret')).toEqual([])
  })

  it('images are named once, pinned, and from nobody’s registry until somebody says from whose', () => {
    for (const container of workloads([...rendered.production, ...deploy]).flatMap(({ pod }) => containersOf(pod))) expect(container.image, container.name).toMatch(/^registry\.invalid\/haca\/[a-z-]+:\d+\.\d+\.\d+$/)
    for (const container of workloads(rendered.local).flatMap(({ pod }) => containersOf(pod))) expect(container.image, container.name).toMatch(/^(haca-[a-z-]+:local|apache\/kafka:4\.1\.1|redis:7)$/)
  })

  it('the contracts’ Job is told everything its script reads', async () => {
    const { readConfig } = (await import(join(root, 'contracts/src/script/deploy.ts'))) as { readConfig(env: Record<string, string>): { options: { simulatedAllowed: boolean } } }
    const given: Stores = {
      'Secret/haca-deploy': { DEPLOY_RPC_URL: 'https://rpc.example', DEPLOY_PRIVATE_KEY: key('1') },
      'ConfigMap/haca-deploy': { DEPLOY_CHAIN_ID: '8453', DEPLOY_ADMIN: address('1'), DEPLOY_ADMIN_DELAY_SECONDS: '172800', DEPLOY_SETTLER: address('2'), DEPLOY_REGISTRAR: address('3'), DEPLOY_GUARDIAN: address('4'), DEPLOY_ROOT_DELAY_SECONDS: '86400', DEPLOY_TOKEN: address('5'), DEPLOY_GOVERNANCE_TOKEN: address('6') },
    }
    const container = main(deploy, 'deploy-contracts')
    expect(readConfig(environmentOf(container, given)).options.simulatedAllowed).toBe(false)
    expect(container.args).toEqual(['contracts/dist/script/deploy.js'])
  })
})

describe('compose', () => {
  interface ComposeService {
    image: string
    build?: { context: string; target: string }
    env_file?: string[]
    environment?: Record<string, string>
    ports?: string[]
    volumes?: string[]
    depends_on?: Record<string, { condition: string }>
    healthcheck?: { test: string[] }
    read_only?: boolean
    cap_drop?: string[]
    security_opt?: string[]
    command?: string[]
    stop_grace_period?: string
  }
  const compose = parse(text('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService>; volumes: Record<string, unknown> }
  const ours = Object.entries(compose.services).filter(([, { build }]) => build)
  const environment = ({ env_file = [], environment: own = {} }: ComposeService): Record<string, string> => ({
    ...Object.fromEntries(env_file.flatMap((file) => text(file).split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))),
    ...own,
  })

  it.each(names)('starts %s, and sets nothing it does not read', (name) => {
    const service = compose.services[name] as ComposeService
    const env = environment(service)
    const { DRAIN_MS: drainMs } = read(name, env)
    expect(unknown(name, env)).toEqual([])
    expect(Number((service.stop_grace_period as string).slice(0, -1)) * 1000).toBeGreaterThanOrEqual(drainMs + forcedExitMs)
  })

  it('publishes loopback ports only', () => {
    for (const [name, { ports = [] }] of Object.entries(compose.services)) for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it.each(ours)('confines %s', (_name, { read_only, cap_drop, security_opt }) => {
    expect({ read_only, cap_drop, security_opt }).toEqual({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  })

  it('waits for what must be there: services for bootstrap, Kafka and Redis; the node for its hardware', () => {
    for (const name of names) {
      expect(compose.services[name]?.depends_on).toMatchObject({ bootstrap: { condition: 'service_completed_successfully' }, kafka: { condition: 'service_healthy' }, redis: { condition: 'service_healthy' } })
    }
    expect(compose.services.inference?.depends_on).toMatchObject({ 'tee-simulator': { condition: 'service_healthy' } })
    for (const [name, { depends_on = {} }] of Object.entries(compose.services))
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(compose.services), `${name} needs ${needed}`).toContain(needed)
        if (condition === 'service_healthy') expect(compose.services[needed]?.healthcheck, `${needed} has no health check`).toBeDefined()
      }
  })

  it('mounts only what is declared or committed', () => {
    for (const [name, { volumes = [] }] of Object.entries(compose.services))
      for (const [source] of volumes.map((volume) => volume.split(':') as [string])) expect(source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes, `${name}: ${source}`).toBe(true)
  })

  it('has the same chain, Kafka and Redis as the local overlay', () => {
    const chain = (args: string[] = []): string[] => args.filter((arg) => !arg.startsWith('--state='))
    const anvil = main(rendered.local, 'anvil')
    expect(chain(compose.services.anvil?.command)).toEqual(chain(anvil.args))
    expect(environment(compose.services.kafka as ComposeService)).toEqual(environmentOf(main(rendered.local, 'kafka'), stores.local))
    expect(compose.services.redis?.command).toEqual(main(rendered.local, 'redis').args)
    for (const { image } of [compose.services.kafka, compose.services.redis] as ComposeService[]) expect(workloads(rendered.local).flatMap(({ pod }) => pod.containers.map((c) => c.image))).toContain(image)
  })

  it('has the chain rules of the local stack without containers', () => {
    const source = text('tools/src/parts/anvil.ts')
    const rules = (compose.services.anvil?.command ?? []).filter((arg) => /^--(hardfork|enable-tx-gas-limit|gas-limit|base-fee|slots-in-an-epoch)/.test(arg))
    expect(rules.length).toBe(5)
    for (const rule of rules) expect(source).toContain(rule.split('=').map((part) => `'${part}'`).join(', '))
  })
})

describe('Dockerfile', () => {
  const file = text('Dockerfile')
  const stages = readStages(file)
  const local = new Set(['tools', 'tee-simulator', 'prover-development'])
  const targets = [...stages.keys()].filter((name) => (names as string[]).includes(name) || local.has(name))

  it('has a target for each service and for the local stack', () => {
    expect([...targets].sort()).toEqual([...names, ...local].sort())
    const built = Object.values((parse(text('docker-compose.yml'), { merge: true }) as { services: Record<string, { build?: { target: string } }> }).services).flatMap(({ build }) => build?.target ?? [])
    expect(new Set([...built, 'prover']), 'production alone runs the prover that takes no simulation').toEqual(new Set(targets))
  })

  it.each(names)('nothing of the simulator or the tools gets near the image of %s', (name) => {
    for (const stage of closure(name, stages)) {
      const { instructions } = stages.get(stage) as Stage
      for (const { keyword, rest } of instructions) if (keyword === 'COPY' || keyword === 'RUN') expect(rest, `stage ${stage}`).not.toMatch(/simulat|tools|(^|\s)\.(\s|$)/i)
    }
    expect([...workspaceClosure(`services/${name}`)]).not.toContain('tools/tee-simulator')
    expect([...workspaceClosure(`services/${name}`)]).not.toContain('tools')
  })

  it.each(names)('the packages of %s come from the manifests of what is in it, and of nothing else', (name) => {
    const copied = [...closure(`${name}-modules`, stages)].flatMap((stage) => sourcesOf(stages.get(stage) as Stage))
    const manifests = [...workspaceClosure(`services/${name}`)].map((folder) => `${folder}/package.json`)
    expect(new Set(copied)).toEqual(new Set(['.npmrc', 'package.json', 'package-lock.json', ...manifests]))
  })

  it('copies only what exists', () => {
    for (const [name, stage] of stages) for (const source of sourcesOf(stage)) expect(existsSync(join(root, source)), `stage ${name} copies ${source}`).toBe(true)
  })

  it('takes its bases from arguments, needs no front end from the network, and installs from the lock', () => {
    expect(file).not.toMatch(/^#\s*syntax=/m)
    for (const { base } of stages.values()) expect(base === '${BASE}' || base === '${RUST}' || stages.has(base), base).toBe(true)
    for (const line of file.split('\n').filter((l) => l.includes('npm '))) expect(line, 'npm ci fails where the lock names another platform').not.toMatch(/npm ci\b/)
    expect(file).toMatch(/ONNXRUNTIME_NODE_INSTALL=skip/)
  })

  it.each(targets)('%s runs without a shell, as nobody', (name) => {
    const lineage = ancestry(name, stages).flatMap((stage) => (stages.get(stage) as Stage).instructions)
    expect(lineage.filter(({ keyword }) => keyword === 'USER').at(-1)?.rest).toBe('65532:65532')
    for (const { keyword, rest } of lineage.filter((i) => i.keyword === 'ENTRYPOINT' || i.keyword === 'CMD')) expect(() => JSON.parse(rest), keyword).not.toThrow()
    expect(lineage.some(({ keyword }) => keyword === 'ENTRYPOINT')).toBe(true)
  })
})

interface Stage {
  base: string
  instructions: { keyword: string; rest: string }[]
}

function readStages(file: string): Map<string, Stage> {
  const stages = new Map<string, Stage>()
  let current: Stage | undefined
  for (const line of file.replaceAll(/^\s*#.*\n/gm, '').replaceAll('\\\n', ' ').split('\n')) {
    const [keyword = '', ...rest] = line.trim().split(/\s+/)
    if (keyword === 'FROM') stages.set(rest[2] as string, (current = { base: rest[0] as string, instructions: [] }))
    else if (keyword !== '' && keyword !== 'ARG') current?.instructions.push({ keyword, rest: rest.join(' ') })
  }
  return stages
}

const fromOf = (rest: string): string | undefined => /--from=(\S+)/.exec(rest)?.[1]

/** A stage and all it stands on or copies from. */
function closure(name: string, stages: ReadonlyMap<string, Stage>, seen = new Set<string>()): Set<string> {
  const stage = stages.get(name)
  if (!stage || seen.has(name)) return seen
  seen.add(name)
  for (const next of [stage.base, ...stage.instructions.flatMap(({ rest }) => fromOf(rest) ?? [])]) closure(next, stages, seen)
  return seen
}

/** A stage after those it stands on. */
const ancestry = (name: string, stages: ReadonlyMap<string, Stage>): string[] => {
  const base = stages.get(name)?.base
  return base && stages.has(base) ? [...ancestry(base, stages), name] : [name]
}

/** What a stage copies from the checkout. */
const sourcesOf = ({ instructions }: Stage): string[] => instructions.filter(({ keyword, rest }) => keyword === 'COPY' && !fromOf(rest)).flatMap(({ rest }) => rest.split(' ').slice(0, -1))

/** A workspace and all workspaces its production dependencies reach. */
function workspaceClosure(folder: string, seen = new Set<string>()): Set<string> {
  if (seen.has(folder)) return seen
  seen.add(folder)
  const { dependencies = {} } = JSON.parse(text(`${folder}/package.json`)) as { dependencies?: Record<string, string> }
  const byName = new Map(['proto', 'contracts', 'libs/core', 'libs/platform', 'sdk', 'tools', 'tools/tee-simulator', ...names.map((name) => `services/${name}`)].map((f) => [(JSON.parse(text(`${f}/package.json`)) as { name: string }).name, f]))
  for (const name of Object.keys(dependencies)) if (byName.has(name)) workspaceClosure(byName.get(name) as string, seen)
  return seen
}

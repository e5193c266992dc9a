import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { root } from './root.js'

// What manifests come to once an overlay is rendered: workloads, their environments, and who may talk to whom.

export interface Probe {
  httpGet?: { path: string; port: string | number; scheme?: string }
}

export interface SecurityContext {
  allowPrivilegeEscalation?: boolean
  readOnlyRootFilesystem?: boolean
  capabilities?: { drop?: string[]; add?: string[] }
  runAsNonRoot?: boolean
  runAsUser?: number
  seccompProfile?: { type: string }
  privileged?: boolean
}

interface KeyRef {
  name: string
  key: string
  optional?: boolean
}

export interface Container {
  name: string
  image: string
  command?: string[]
  args?: string[]
  restartPolicy?: string
  env?: { name: string; value?: string; valueFrom?: { configMapKeyRef?: KeyRef; secretKeyRef?: KeyRef; fieldRef?: { fieldPath: string } } }[]
  envFrom?: { configMapRef?: { name: string; optional?: boolean }; secretRef?: { name: string; optional?: boolean } }[]
  ports?: { name: string; containerPort: number }[]
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
  lifecycle?: { preStop?: { sleep?: { seconds: number } } }
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  securityContext?: SecurityContext
  volumeMounts?: { name: string; mountPath: string }[]
}

export interface Volume {
  name: string
  configMap?: { name: string; optional?: boolean }
  secret?: { secretName: string; optional?: boolean }
  persistentVolumeClaim?: { claimName: string }
  emptyDir?: object
}

export interface PodSpec {
  containers: Container[]
  initContainers?: Container[]
  volumes?: Volume[]
  securityContext?: SecurityContext
  serviceAccountName?: string
  automountServiceAccountToken?: boolean
  enableServiceLinks?: boolean
  terminationGracePeriodSeconds?: number
  priorityClassName?: string
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
}

export interface Resource {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  data?: Record<string, string>
  // Every kind has its own; tests read what they know to be there.
  spec?: any // oxlint-disable-line typescript/no-explicit-any
}

export interface Workload {
  name: string
  kind: string
  labels: Record<string, string>
  pod: PodSpec
  resource: Resource
}

/**
 * Renders a kustomization of this repository. Addresses come out without quotes, because to Go's YAML hexadecimal beyond 64 bits
 * is text; it is read the same way here. Throws with what to install where no kustomize is.
 */
export function render(folder: string): Resource[] {
  const [program, ...args] = kustomize()
  const text = execFileSync(program, [...args, join(root, folder)], { encoding: 'utf8', maxBuffer: 16 << 20, stdio: ['ignore', 'pipe', 'pipe'] })
  return parseAllDocuments(text, { customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.format !== 'HEX') }).map((document) => document.toJS() as Resource)
}

function kustomize(): [string, ...string[]] {
  if (spawnSync('kubectl', ['kustomize', '--help'], { stdio: 'ignore' }).status === 0) return ['kubectl', 'kustomize']
  if (spawnSync('kustomize', ['version'], { stdio: 'ignore' }).status === 0) return ['kustomize', 'build']
  throw new Error('kubectl 1.27, kustomize 5 or newer is needed to render k8s/; `npm run setup` builds one where there is none')
}

export const ofKind = (resources: readonly Resource[], kind: string): Resource[] => resources.filter((resource) => resource.kind === kind)

export function named(resources: readonly Resource[], kind: string, name: string): Resource {
  const found = resources.find((resource) => resource.kind === kind && resource.metadata.name === name)
  if (!found) throw new Error(`there is no ${kind}/${name}`)
  return found
}

/** Everything that makes pods. */
export const workloads = (resources: readonly Resource[]): Workload[] =>
  resources
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
    .map((resource) => ({ name: resource.metadata.name, kind: resource.kind, labels: resource.spec.template.metadata.labels, pod: resource.spec.template.spec, resource }))

export const containersOf = ({ containers, initContainers = [] }: PodSpec): Container[] => [...initContainers, ...containers]

/** ConfigMaps and Secrets by `kind/name`. */
export type Stores = Record<string, Record<string, string>>

/** What an overlay brings with it; values of Secrets in clear. */
export const storesOf = (resources: readonly Resource[]): Stores =>
  Object.fromEntries(
    resources
      .filter(({ kind }) => kind === 'ConfigMap' || kind === 'Secret')
      .map(({ kind, metadata, data = {} }) => [`${kind}/${metadata.name}`, kind === 'ConfigMap' ? data : Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))]),
  )

/** The environment a container gets, as the kubelet makes it. Throws where the kubelet would refuse to start the container. */
export function environmentOf(container: Container, stores: Stores): Record<string, string> {
  const env: Record<string, string> = {}
  for (const { configMapRef, secretRef } of container.envFrom ?? []) Object.assign(env, configMapRef ? whole(stores, 'ConfigMap', configMapRef) : secretRef ? whole(stores, 'Secret', secretRef) : {})
  for (const { name, value, valueFrom } of container.env ?? []) {
    const { configMapKeyRef, secretKeyRef, fieldRef } = valueFrom ?? {}
    const found = configMapKeyRef ? single(stores, 'ConfigMap', configMapKeyRef) : secretKeyRef ? single(stores, 'Secret', secretKeyRef) : fieldRef ? 'pod-0' : value
    if (found !== undefined) env[name] = found
  }
  return env
}

function whole(stores: Stores, kind: string, { name, optional = false }: { name: string; optional?: boolean }): Record<string, string> {
  const store = stores[`${kind}/${name}`]
  if (!store && !optional) throw new Error(`CreateContainerConfigError: ${kind}/${name} not found`)
  return store ?? {}
}

function single(stores: Stores, kind: string, { name, key, optional = false }: KeyRef): string | undefined {
  const value = stores[`${kind}/${name}`]?.[key]
  if (value === undefined && !optional) throw new Error(`CreateContainerConfigError: no ${key} in ${kind}/${name}`)
  return value
}

/** ConfigMaps, Secrets and claims that pods of an overlay need and the overlay does not bring. */
export function missingObjects(resources: readonly Resource[]): string[] {
  const there = new Set(resources.flatMap(({ kind, metadata, spec }) => [`${kind}/${metadata.name}`, ...(spec?.volumeClaimTemplates ?? []).map((claim: Resource) => `PersistentVolumeClaim/${claim.metadata.name}`)]))
  const needed = workloads(resources).flatMap(({ pod }) => [
    ...containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
      ...envFrom.flatMap(({ configMapRef, secretRef }) => [configMapRef && `ConfigMap/${configMapRef.name}`, secretRef && `Secret/${secretRef.name}`]),
      ...env.flatMap(({ valueFrom }) => [valueFrom?.configMapKeyRef && `ConfigMap/${valueFrom.configMapKeyRef.name}`, valueFrom?.secretKeyRef && `Secret/${valueFrom.secretKeyRef.name}`]),
    ]),
    ...(pod.volumes ?? []).flatMap(({ configMap, secret, persistentVolumeClaim }) => [
      configMap && !configMap.optional && `ConfigMap/${configMap.name}`,
      secret && !secret.optional && `Secret/${secret.secretName}`,
      persistentVolumeClaim && `PersistentVolumeClaim/${persistentVolumeClaim.claimName}`,
    ]),
  ])
  return [...new Set(needed.filter((object): object is string => typeof object === 'string' && !there.has(object)))].sort()
}

interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

/** Whether labels fulfil a selector (matchLabels; In and NotIn). */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Readonly<Record<string, string>>): boolean {
  const listed = matchExpressions.every(({ key, operator, values = [] }) => {
    if (operator === 'In') return values.includes(labels[key] ?? '')
    if (operator === 'NotIn') return !values.includes(labels[key] ?? '')
    throw new Error(`operator ${operator} is not read here`)
  })
  return listed && Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
}

interface PolicyRule {
  from?: { podSelector?: Selector; namespaceSelector?: Selector }[]
  to?: { podSelector?: Selector; namespaceSelector?: Selector }[]
  ports?: { port: number; protocol?: string }[]
}

/**
 * Pairs `source destination:port` of workloads in the namespace that policies let talk: the source's egress and the
 * destination's ingress both allow it. Peers of other namespaces do not count.
 */
export function reachable(resources: readonly Resource[]): Set<string> {
  const policies = ofKind(resources, 'NetworkPolicy').map(({ spec }) => spec)
  const pods = workloads(resources)
  const allows = (direction: 'Ingress' | 'Egress', self: Workload, other: Workload, port: number): boolean => {
    const governing = policies.filter((policy) => policy.policyTypes.includes(direction) && selects(policy.podSelector, self.labels))
    if (governing.length === 0) return true // a pod that no policy selects is open
    const rules: PolicyRule[] = governing.flatMap((policy) => (direction === 'Egress' ? policy.egress : policy.ingress) ?? [])
    return rules.some(({ from, to, ports }) => {
      const peers = direction === 'Egress' ? to : from
      const peerFits = peers === undefined || peers.some((peer) => !peer.namespaceSelector && peer.podSelector && selects(peer.podSelector, other.labels))
      return peerFits && (ports === undefined || ports.some((allowed) => allowed.port === port))
    })
  }
  const pairs = new Set<string>()
  for (const source of pods)
    for (const destination of pods)
      for (const { containerPort } of destination.pod.containers.flatMap((container) => container.ports ?? []))
        if (source !== destination && allows('Egress', source, destination, containerPort) && allows('Ingress', destination, source, containerPort)) pairs.add(`${source.name} ${destination.name}:${containerPort}`)
  return pairs
}

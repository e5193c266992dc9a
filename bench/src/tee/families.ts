import { HARDWARE_VERIFIERS, verifyEvidence, MEDIA_TYPES, type CryptoProvider, type Endorsement, type TeeKind, type TrustAnchors } from '@haca/core/tee'
import { DcapVectors, PROVIDERS, Vectors } from '@haca/core/tee/testing'
import { createRequire } from 'node:module'
import { median, type Figure } from '../report.js'

const runs = 200
const warmUp = 50

const roots: TrustAnchors = {
  aws: [Vectors.derOf('roots/aws-nitro-root-g1.pem')],
  intel: [Vectors.derOf('roots/intel-sgx-root-ca.der')],
  amd: { Genoa: Vectors.derOf('roots/amd-ark-genoa.pem') },
  nvidia: [Vectors.derOf('roots/nvidia-device-identity-root.pem')],
}

interface Sample {
  kind: TeeKind
  file: string
  at: string
  endorsements: readonly Endorsement[]
}

/** One genuine sample of each family, with everything its verification needs. */
function samples(): Sample[] {
  const dcap = (id: string, kind: TeeKind): Sample => {
    const { quote, verifyAt, collateral } = dcapCase(id)
    return { kind, file: quote.file, at: verifyAt, endorsements: DcapVectors.dcapEndorsements(DcapVectors.storedCollateral(collateral)) }
  }
  const genoa = Vectors.entry('sev-snp/azure-genoa')
  const hopper = Vectors.entry('nvidia/hopper-580')
  const snp: Endorsement[] = [
    { role: 'vek', bytes: Vectors.readVector(genoa['endorsement'].file) },
    { role: 'vek-issuer', bytes: Vectors.readVector('roots/amd-ask-genoa.pem') },
  ]
  return [
    { kind: 'nitro', file: 'nitro/dstack-app.cose', at: Vectors.entry('nitro/dstack-app')['verifyAt'], endorsements: [] },
    dcap('tdx/phala', 'tdx'),
    dcap('sgx/automata_v3', 'sgx'),
    { kind: 'sev-snp', file: genoa.file, at: '2026-06-01T00:00:00Z', endorsements: snp },
    { kind: 'nvidia-gpu', file: hopper.file, at: '2026-06-01T00:00:00Z', endorsements: [{ role: 'device-chain', bytes: Vectors.readVector(hopper['certificateChain'].file) }] },
  ]
}

const dcapCase = (id: string): DcapVectors.DcapCase => {
  const found = DcapVectors.dcapCases().find(({ quote }) => quote.id === id)
  if (!found) throw new Error(`no sample ${id}`)
  return found
}

/** Milliseconds of one full verification per family, beside @phala/dcap-qvl on the same TDX quote and collateral. */
export async function measureFamilies(): Promise<Figure[]> {
  const tasks: { metric: string; run(): unknown }[] = [
    { metric: 'tdx by @phala/dcap-qvl 0.3.9', run: byPhala() },
    ...PROVIDERS.flatMap((crypto) => samples().map((sample) => ({ metric: `${sample.kind} by ours on ${crypto.name}`, run: byUs(sample, crypto) }))),
  ]
  const times = await inTurns(tasks.map(({ run }) => run))
  const of = (metric: string): number => times[tasks.findIndex((task) => task.metric === metric)] ?? NaN
  return [
    ...tasks.map(({ metric }, i) => ({ metric, value: times[i] ?? NaN, unit: 'ms' })),
    { metric: 'tdx, times faster than @phala/dcap-qvl', value: of('tdx by @phala/dcap-qvl 0.3.9') / of('tdx by ours on node:crypto'), unit: '×', bar: { at: 3, is: 'at least' } },
  ]
}

function byUs({ kind, file, at, endorsements }: Sample, crypto: CryptoProvider): () => Promise<unknown> {
  const evidence = { kind, mediaType: MEDIA_TYPES[kind], bytes: Vectors.readVector(file) }
  const context = { at: new Date(at), roots, endorsements, revocation: 'unchecked', crypto } as const
  return () => verifyEvidence(evidence, context, HARDWARE_VERIFIERS)
}

function byPhala(): () => unknown {
  const phala = createRequire(import.meta.url)('@phala/dcap-qvl') as { verify(quote: Uint8Array, collateral: unknown, seconds: number): unknown }
  const { quote, verifyAt, collateral } = dcapCase('tdx/phala')
  const [bytes, stored, seconds] = [Vectors.readVector(quote.file), DcapVectors.storedCollateral(collateral), Date.parse(verifyAt) / 1000]
  return () => phala.verify(bytes, stored, seconds)
}

/** Median milliseconds of each, run in turns so that whatever else the machine does falls on all alike. */
async function inTurns(tasks: readonly (() => unknown)[]): Promise<number[]> {
  const times: number[][] = tasks.map(() => [])
  for (let run = 0; run < warmUp + runs; run++) {
    for (const [i, task] of tasks.entries()) {
      const began = performance.now()
      await task()
      if (run >= warmUp) times[i]?.push(performance.now() - began)
    }
  }
  return times.map(median)
}

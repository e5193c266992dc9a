import { createRequire } from 'node:module'
import type { CryptoProvider } from '../crypto.js'
import { MEDIA_TYPES, type Endorsement, type EvidenceClaims, type TeeKind, type TrustAnchors } from '../evidence.js'
import { HARDWARE_VERIFIERS, verifyEvidence } from '../verify.js'
import { dcapCases, dcapEndorsements, storedCollateral } from './dcap-vectors.js'
import { PROVIDERS } from './providers.js'
import { derOf, entry, readVector } from './vectors.js'

/**
 * Times one full verification per family, everything checked, beside @phala/dcap-qvl 0.3.9 in the same run.
 *
 *     npx tsc -b libs/core && node libs/core/dist/tee/testing/bench.js [--json]
 */
const RUNS = 200
const WARM_UP = 50
const BAR = 3

const ROOTS: TrustAnchors = {
  aws: [derOf('roots/aws-nitro-root-g1.pem')],
  intel: [derOf('roots/intel-sgx-root-ca.der')],
  amd: { Genoa: derOf('roots/amd-ark-genoa.pem') },
  nvidia: [derOf('roots/nvidia-device-identity-root.pem')],
}

interface Sample {
  readonly name: string
  readonly kind: TeeKind
  readonly file: string
  readonly at: string
  readonly endorsements: readonly Endorsement[]
}

const genoa = entry('sev-snp/azure-genoa')
const hopper = entry('nvidia/hopper-580')
const tdxCase = dcapCases().find(({ quote }) => quote.id === 'tdx/phala')!
const sgxCase = dcapCases().find(({ quote }) => quote.id === 'sgx/automata_v3')!
const SAMPLES: readonly Sample[] = [
  {
    name: 'nitro',
    kind: 'nitro',
    file: 'nitro/dstack-app.cose',
    at: entry('nitro/dstack-app')['verifyAt'],
    endorsements: [],
  },
  {
    name: 'tdx',
    kind: 'tdx',
    file: tdxCase.quote.file,
    at: tdxCase.verifyAt,
    endorsements: dcapEndorsements(storedCollateral(tdxCase.collateral)),
  },
  {
    name: 'sgx',
    kind: 'sgx',
    file: sgxCase.quote.file,
    at: sgxCase.verifyAt,
    endorsements: dcapEndorsements(storedCollateral(sgxCase.collateral)),
  },
  {
    name: 'sev-snp',
    kind: 'sev-snp',
    file: genoa.file,
    at: '2026-06-01T00:00:00Z',
    endorsements: [
      { role: 'vek', bytes: readVector(genoa['endorsement'].file) },
      { role: 'vek-issuer', bytes: readVector('roots/amd-ask-genoa.pem') },
    ],
  },
  {
    name: 'nvidia-gpu',
    kind: 'nvidia-gpu',
    file: hopper.file,
    at: '2026-06-01T00:00:00Z',
    endorsements: [{ role: 'device-chain', bytes: readVector(hopper['certificateChain'].file) }],
  },
]

function verification({ kind, file, at, endorsements }: Sample, crypto: CryptoProvider): () => Promise<EvidenceClaims> {
  const evidence = { kind, mediaType: MEDIA_TYPES[kind], bytes: readVector(file) }
  const context = { at: new Date(at), roots: ROOTS, endorsements, revocation: 'unchecked', crypto } as const
  return () => verifyEvidence(evidence, context, HARDWARE_VERIFIERS)
}

function phalaVerification(): () => unknown {
  const phala = createRequire(import.meta.url)('@phala/dcap-qvl') as { verify: (...args: unknown[]) => unknown }
  const collateral = storedCollateral(tdxCase.collateral)
  const quote = readVector(tdxCase.quote.file)
  return () => phala.verify(quote, collateral, Date.parse(tdxCase.verifyAt) / 1000)
}

/** Median milliseconds of each, run in turns so that whatever else the machine does falls on all alike. */
async function medians(tasks: readonly (() => unknown)[]): Promise<number[]> {
  const times: number[][] = tasks.map(() => [])
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    for (const [i, task] of tasks.entries()) {
      const start = performance.now()
      await task()
      if (run >= WARM_UP) times[i]!.push(performance.now() - start)
    }
  }
  return times.map((list) => list.toSorted((a, b) => a - b)[RUNS / 2]!)
}

const names: string[] = []
const tasks: (() => unknown)[] = []
for (const crypto of PROVIDERS) {
  for (const sample of SAMPLES) {
    names.push(`${sample.name} (${crypto.name})`)
    tasks.push(verification(sample, crypto))
  }
}
const [phala, ...ours] = await medians([phalaVerification(), ...tasks])
const ratio = phala! / ours[names.indexOf('tdx (node:crypto)')]!
const rows = [
  ...names.map((metric, i) => ({ bench: 'tee', metric, value: ours[i]!, unit: 'ms' })),
  { bench: 'tee', metric: 'tdx (@phala/dcap-qvl 0.3.9)', value: phala!, unit: 'ms' },
  {
    bench: 'tee',
    metric: 'tdx, times faster than @phala/dcap-qvl',
    value: ratio,
    unit: 'x',
    bar: BAR,
    ok: ratio >= BAR,
  },
]
for (const row of rows) {
  const line = `${row.metric.padEnd(42)} ${row.value.toFixed(2).padStart(8)} ${row.unit}`
  process.stdout.write(`${process.argv.includes('--json') ? JSON.stringify(row) : line}\n`)
}

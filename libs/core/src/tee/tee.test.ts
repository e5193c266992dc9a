import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as Tee from './index.js'
import { issueCrl } from './testing/pki.js'
import { PROVIDERS } from './testing/providers.js'
import { refusal } from './testing/refusal.js'
import { SIMULATED_AT, simulatedEvidence, simulatedWorld } from './testing/simulated-builder.js'
import { derOf, manifest, readVector } from './testing/vectors.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))

function sources(folder = HERE): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = `${folder}${name}`
    return statSync(path).isDirectory() ? sources(`${path}/`) : path.endsWith('.ts') ? [path] : []
  })
}

const library = sources().filter((path) => !path.endsWith('.test.ts') && !path.includes('/testing/'))

describe('the library', () => {
  it('is pure: no node modules but in the node adapter, no clock, no environment, no randomness', () => {
    for (const path of library) {
      const text = readFileSync(path, 'utf8')
      const name = path.slice(HERE.length)
      if (name !== 'node-crypto.ts') expect([name, /from '(node:|crypto|fs)/.test(text)]).toEqual([name, false])
      expect([
        name,
        /Date\.now|new Date\(\)|process\.(env|argv|hrtime)|Math\.random|\bfetch\(|setTimeout/.test(text),
      ]).toEqual([name, false])
      expect([name, /from '[^']*(testing\/|node-crypto|vitest)/.test(text)]).toEqual([name, false])
    }
    expect(library.length).toBeGreaterThan(30)
  })

  it('documents every code of refusal, and only those', () => {
    const readme = readFileSync(`${HERE}README.md`, 'utf8')
    const documented = [...readme.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, code]) => code)
    expect(documented.toSorted()).toEqual([...Tee.ATTESTATION_ERROR_CODES, ...Tee.Policy.POLICY_ERROR_CODES].toSorted())
  })

  it('uses every code of refusal', () => {
    const text = library
      .filter((path) => !path.endsWith('/error.ts'))
      .map((path) => readFileSync(path, 'utf8'))
      .join('')
    for (const code of Tee.ATTESTATION_ERROR_CODES) expect([code, text.includes(`'${code}'`)]).toEqual([code, true])
  })
})

describe('verifyEvidence', () => {
  const world = simulatedWorld()
  const evidence: Tee.Evidence = {
    kind: 'simulated',
    mediaType: Tee.MEDIA_TYPES.simulated,
    bytes: simulatedEvidence(world),
  }
  const context: Tee.VerifyContext = {
    at: SIMULATED_AT,
    roots: { simulated: [world.root.der] },
    endorsements: [],
    revocation: 'unchecked',
    crypto: PROVIDERS[0]!,
  }

  it('has no verifier for simulated evidence among those of hardware', async () => {
    expect(Tee.HARDWARE_VERIFIERS.map(({ kind }) => kind)).toEqual(Tee.TEE_KINDS.filter((kind) => kind !== 'simulated'))
    expect(await refusal(() => Tee.verifyEvidence(evidence, context, Tee.HARDWARE_VERIFIERS))).toBe(
      'evidence-kind-mismatch',
    )
  })

  it('dispatches by kind', async () => {
    const claims = await Tee.verifyEvidence(evidence, context, [...Tee.HARDWARE_VERIFIERS, Tee.simulated])
    expect(claims.kind).toBe('simulated')
  })
})

describe('every verifier', () => {
  const world = simulatedWorld()
  const bytes = simulatedEvidence(world)
  const crl = issueCrl({ issuer: world.root })
  const context = (change: Partial<Tee.VerifyContext> = {}): Tee.VerifyContext => ({
    at: SIMULATED_AT,
    roots: { simulated: [world.root.der] },
    endorsements: [{ role: 'crl', bytes: crl }],
    revocation: 'required',
    crypto: PROVIDERS[1]!,
    ...change,
  })
  const evidenceOf = (own: Uint8Array): Tee.Evidence => ({
    kind: 'simulated',
    mediaType: Tee.MEDIA_TYPES.simulated,
    bytes: own,
  })

  it('refuses a time that is not one', async () => {
    const at = new Date(Number.NaN)
    expect(await refusal(() => Tee.simulated.verify(evidenceOf(bytes), context({ at })))).toBe(
      'certificate-not-yet-valid',
    )
    const [aws, nitro] = [derOf('roots/aws-nitro-root-g1.pem'), readVector('nitro/op-enclave-1.cose')]
    const evidence: Tee.Evidence = { kind: 'nitro', mediaType: Tee.MEDIA_TYPES.nitro, bytes: nitro }
    const hardware = context({ at, roots: { aws: [aws] }, endorsements: [], revocation: 'unchecked' })
    expect(await refusal(() => Tee.nitro.verify(evidence, hardware))).toBe('certificate-not-yet-valid')
  })

  it('looks at a copy, so that nobody can change what it has already looked at', async () => {
    const [own, list] = [Uint8Array.from(bytes), Uint8Array.from(crl)]
    const pending = Tee.simulated.verify(evidenceOf(own), context({ endorsements: [{ role: 'crl', bytes: list }] }))
    own.fill(0)
    list.fill(0)
    expect(await pending).toEqual(await Tee.simulated.verify(evidenceOf(bytes), context()))
  })

  it('refuses more endorsements than any family needs, before reading one', async () => {
    const endorsements = Array.from({ length: 9 }, () => ({ role: 'crl' as const, bytes: new Uint8Array(1 << 20) }))
    const attempt = () => Tee.simulated.verify(evidenceOf(bytes), context({ endorsements }))
    expect(await refusal(attempt)).toBe('endorsement-too-large')
  })
})

describe('provenance', () => {
  it('digests endorsements with their roles and lengths', async () => {
    // role ‖ bytes, each after its length in four bytes, big-endian.
    const endorsements: Tee.Endorsements = [
      { role: 'crl', bytes: Uint8Array.of(1, 2) },
      { role: 'ocsp', bytes: new Uint8Array() },
    ]
    const written = Buffer.concat([
      Buffer.from([0, 0, 0, 3]),
      Buffer.from('crl'),
      Buffer.from([0, 0, 0, 2, 1, 2]),
      Buffer.from([0, 0, 0, 4]),
      Buffer.from('ocsp'),
      Buffer.from([0, 0, 0, 0]),
    ])
    for (const crypto of PROVIDERS) {
      expect(await Tee.endorsementsDigest(endorsements, crypto)).toBe(
        createHash('sha256').update(written).digest('hex'),
      )
    }
  })
})

describe('vectors', () => {
  it('are the bytes that the manifest records', () => {
    let files = 0
    for (const { file, sha256, bytes, ...rest } of manifest()) {
      const nested = [rest['certificateChain'], rest['endorsement']].filter((one) => one?.sha256)
      for (const one of [{ file, sha256, bytes }, ...nested]) {
        const content = readVector(one.file)
        expect([one.file, content.length, createHash('sha256').update(content).digest('hex')]).toEqual([
          one.file,
          one.bytes,
          one.sha256,
        ])
        files += 1
      }
    }
    console.info(`vectors: ${manifest().length} manifest entries, ${files} files`)
  })

  it('are all of kinds that a test of this folder reads', () => {
    const read: Record<string, string> = {
      'trust-anchor': 'tee.test.ts',
      'aws-nitro': 'nitro.test.ts',
      'dcap-collateral': 'dcap/dcap.test.ts',
      'intel-tdx': 'dcap/dcap.test.ts',
      'intel-sgx': 'dcap/dcap.test.ts',
      'tdx-event-log': 'event-log.test.ts',
      'amd-sev-snp': 'snp/snp.test.ts',
      'azure-snp-vtpm': 'snp/snp.test.ts',
      'amd-endorsement': 'path.test.ts',
      'nvidia-gpu-spdm': 'nvidia/nvidia.test.ts',
      'nvidia-evidence-list': 'nvidia/nvidia.test.ts',
      'nvidia-claims': 'nvidia/nvidia.test.ts',
      'nvidia-rim': 'nvidia/nvidia.test.ts',
    }
    expect([...new Set(manifest().map(({ kind }) => kind))].toSorted()).toEqual(Object.keys(read).toSorted())
  })

  it('hold roots that have the fingerprints the manifest records', () => {
    for (const { file, kind, fingerprint256 } of manifest()) {
      if (kind !== 'trust-anchor') continue
      const pem = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(new TextDecoder('latin1').decode(readVector(file)))
      const der = pem ? Buffer.from(pem[1]!, 'base64') : readVector(file)
      expect(createHash('sha256').update(der).digest('hex').toUpperCase()).toBe(fingerprint256.replaceAll(':', ''))
    }
  })
})

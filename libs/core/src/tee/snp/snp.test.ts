import { beforeAll, describe, expect, it } from 'vitest'
import { createHash } from 'node:crypto'
import { toHex, utf8 } from '../bytes.js'
import type { CryptoProvider } from '../crypto.js'
import type { AttestationErrorCode } from '../error.js'
import { MEDIA_TYPES, type Endorsement, type Evidence, type TrustAnchors, type VerifyContext } from '../evidence.js'
import { extension, generateKey, issueCrl, KEY_CERT_SIGN, type CertificateOptions } from '../testing/pki.js'
import { flipped, indices, report, sweep } from '../testing/mutation.js'
import { PROVIDERS } from '../testing/providers.js'
import { refusal } from '../testing/refusal.js'
import {
  chipId,
  SNP_AT,
  snpReport,
  snpWorld,
  TCB,
  type Product,
  type ReportOptions,
  type SnpWorld,
  type VekOptions,
} from '../testing/snp-builder.js'
import {
  derList,
  derOf,
  entries,
  entry,
  readVector,
  readVectorText,
  type StoredJson,
  type VectorEntry,
} from '../testing/vectors.js'
import { snp } from './verify.js'

const ROOTS: TrustAnchors = {
  amd: {
    Milan: derOf('roots/amd-ark-milan.pem'),
    Genoa: derOf('roots/amd-ark-genoa.pem'),
    Turin: derOf('roots/amd-ark-turin.pem'),
  },
}
const AT = new Date('2026-07-01T00:00:00Z')

const evidenceOf = (bytes: Uint8Array): Evidence => ({ kind: 'sev-snp', mediaType: MEDIA_TYPES['sev-snp'], bytes })
const genuine = entries('sev-snp/').filter(({ expect: e }) => e.signatureChain === 'valid')

/** The endorsements of a stored report: its VEK as stored (PEM or DER), and the ASK of its product. */
function endorsementsOf(vector: VectorEntry, vek = readVector(vector['endorsement'].file)): Endorsement[] {
  const product = (vector['product'] as string).split('-')[0]!.toLowerCase()
  return [
    { role: 'vek', bytes: vek },
    { role: 'vek-issuer', bytes: readVector(`roots/amd-ask-${product}.pem`) },
  ]
}

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('SEV-SNP with %s', (_, crypto) => {
  const context = (endorsements: readonly Endorsement[], change: Partial<VerifyContext> = {}): VerifyContext => ({
    at: AT,
    roots: ROOTS,
    endorsements,
    revocation: 'unchecked',
    crypto,
    ...change,
  })

  describe('genuine reports', () => {
    it('are four', () => {
      expect(genuine.map(({ id }) => id)).toEqual([
        'sev-snp/google-milan-debug',
        'sev-snp/trustee-milan',
        'sev-snp/dstack-milan-2026',
        'sev-snp/azure-genoa',
      ])
    })

    it.each(genuine.map((vector) => [vector.id, vector] as const))(
      '%s gives its recorded facts',
      async (_id, vector) => {
        const claims = await snp.verify(evidenceOf(readVector(vector.file)), context(endorsementsOf(vector)))
        const { policy, platformInfo } = vector as unknown as {
          policy: Record<string, StoredJson>
          platformInfo: string
        }
        expect(claims.product).toBe((vector['product'] as string).split('-')[0])
        expect(claims.debug).toBe(vector['expect'].debug)
        expect(claims.measurements).toMatchObject({ measurement: vector['measurement'], hostData: vector['hostData'] })
        expect(toHex(claims.userData)).toBe(vector['reportData'])
        expect(claims.platformId).toBe(vector['chipId'])
        const { bl, tee, snp: firmware, ucode } = claims.tcb.svn
        expect({ bl, tee, snp: firmware, ucode }).toEqual(vector['reportedTcb'])
        for (const prefix of ['committed', 'launch'] as const) {
          for (const [name, value] of Object.entries(vector[`${prefix}Tcb`]))
            expect(claims.tcb.svn[`${prefix}.${name}`]).toBe(value)
        }
        expect(claims.tcb.svn).toMatchObject({
          vmpl: vector['vmpl'],
          abiMajor: policy['abiMajor'],
          abiMinor: policy['abiMinor'],
        })
        expect(claims.flags).toMatchObject({
          smtAllowed: policy['smt'],
          migrateMa: policy['migrateMa'],
          singleSocket: policy['singleSocket'],
          cxlAllowed: policy['cxl'],
          memAes256Xts: policy['memAes256'],
          raplDisabledRequired: policy['raplDis'],
          ciphertextHidingRequired: policy['ctHide'],
          vlek: false,
        })
        // The manifest prints PLATFORM_INFO in binary, most significant bit first.
        const bits = [...platformInfo].toReversed().map((digit) => digit === '1')
        expect([claims.flags['smt'], claims.flags['ecc'] ?? false, claims.flags['aliasCheck']]).toEqual([
          bits[0] ?? false,
          bits[2] ?? false,
          bits[5] ?? false,
        ])
        expect([claims.validity.notBefore.toISOString(), claims.validity.notAfter.toISOString()]).toEqual(
          vector['endorsementWindow'],
        )
        expect(claims.revocation).toBe('unchecked')
      },
    )

    it('dstack’s carries its fixture text, and Azure’s the digest of the runtime claims', async () => {
      const dstack = entry('sev-snp/dstack-milan-2026')
      const { userData } = await snp.verify(evidenceOf(readVector(dstack.file)), context(endorsementsOf(dstack)))
      expect(new TextDecoder().decode(userData)).toMatch(/^attest-test-fixture-2026\0+$/)
      const azure = entry('sev-snp/azure-genoa')
      const claims = await snp.verify(evidenceOf(readVector(azure.file)), context(endorsementsOf(azure)))
      const hcl = hclReport()
      const length = entry('sev-snp/azure-genoa-evidence')['runtimeClaimsLength'] as number
      const start = hcl.indexOf('{"keys"')
      const runtimeClaims = hcl.subarray(start, start + length)
      expect(toHex(claims.userData.subarray(0, 32))).toBe(createHash('sha256').update(runtimeClaims).digest('hex'))
      expect(hcl.includes(Buffer.from(readVector(azure.file)))).toBe(true)
    })

    it('are refused outside the window of the endorsement key', async () => {
      for (const vector of genuine) {
        const [from, to] = (vector['endorsementWindow'] as string[]).map((text) => Date.parse(text))
        const at = (ms: number) => () =>
          snp.verify(evidenceOf(readVector(vector.file)), context(endorsementsOf(vector), { at: new Date(ms) }))
        expect(await refusal(at(from! - 1))).toBe('certificate-not-yet-valid')
        expect(await refusal(at(to! + 1))).toBe('certificate-expired')
      }
    })

    it.each(entries('sev-snp/negative/').map((vector) => [vector.id, vector] as const))(
      'trustee-milan with %s is refused: not chained',
      async (_id, vector) => {
        const milan = entry('sev-snp/trustee-milan')
        const attempt = () =>
          snp.verify(evidenceOf(readVector(milan.file)), context(endorsementsOf(milan, readVector(vector.file))))
        expect(await refusal(attempt)).toBe('certificate-signature-invalid')
      },
    )

    it('are refused with the key of another report, with another product’s root, and without a root', async () => {
      const [google, trustee] = genuine as [VectorEntry, VectorEntry]
      const mixed = endorsementsOf(trustee, readVector(google['endorsement'].file))
      expect(await refusal(() => snp.verify(evidenceOf(readVector(trustee.file)), context(mixed)))).toBe(
        'evidence-signature-invalid',
      )
      const own = endorsementsOf(trustee)
      const evidence = evidenceOf(readVector(trustee.file))
      const genoa = { amd: { Milan: ROOTS.amd!.Genoa! } }
      expect(await refusal(() => snp.verify(evidence, context(own, { roots: genoa })))).toBe('path-issuer-mismatch')
      expect(await refusal(() => snp.verify(evidence, context(own, { roots: {} })))).toBe('path-root-untrusted')
      expect(await refusal(() => snp.verify(evidence, context(own, { revocation: 'required' })))).toBe(
        'revocation-missing',
      )
    })

    it('are refused with the ASVK in place of the ASK', async () => {
      const milan = entry('sev-snp/trustee-milan')
      const asvk = derList('roots/amd-ask-ark-asvk-milan.pem')[2]!
      const endorsements: Endorsement[] = [endorsementsOf(milan)[0]!, { role: 'vek-issuer', bytes: asvk }]
      expect(await refusal(() => snp.verify(evidenceOf(readVector(milan.file)), context(endorsements)))).toBe(
        'path-issuer-mismatch',
      )
    })

    it('are refused with any endorsement missing, doubled or unknown', async () => {
      const vector = entry('sev-snp/azure-genoa')
      const all = endorsementsOf(vector)
      const attempt = (endorsements: Endorsement[]) =>
        refusal(() => snp.verify(evidenceOf(readVector(vector.file)), context(endorsements)))
      expect(await attempt(all.slice(1))).toBe('endorsement-missing')
      expect(await attempt(all.slice(0, 1))).toBe('endorsement-missing')
      expect(await attempt([...all, all[0]!])).toBe('endorsement-duplicate')
      expect(await attempt([...all, { role: 'ocsp', bytes: new Uint8Array() }])).toBe('endorsement-unexpected')
      expect(await attempt([{ role: 'vek', bytes: readVector('roots/amd-ask-ark-asvk-genoa.pem') }, all[1]!])).toBe(
        'pem-malformed',
      )
    })

    it.each(['sev-snp/azure-genoa', 'sev-snp/trustee-milan'])(
      '%s is refused with any byte flipped and at every length',
      { timeout: 120_000 },
      async (id) => {
        const vector = entry(id)
        const bytes = readVector(vector.file)
        const run = (changed: Uint8Array) => snp.verify(evidenceOf(changed), context(endorsementsOf(vector)))
        const flips = await sweep(indices(0, bytes.length, 3), (i) => run(flipped(bytes, i)))
        report(`${id} byte flips (${crypto.name})`, flips)
        expect(flips.accepted).toEqual([])
        const lengths = Array.from({ length: bytes.length }, (_x, i) => i)
        const cuts = await sweep(lengths, (n) => run(bytes.subarray(0, n)))
        report(`${id} truncation (${crypto.name})`, cuts)
        expect(cuts.accepted).toEqual([])
      },
    )

    it('azure-genoa is refused with any byte flipped in its endorsements', { timeout: 120_000 }, async () => {
      const vector = entry('sev-snp/azure-genoa')
      const [vek, ask] = [derOf(vector['endorsement'].file), derOf('roots/amd-ask-genoa.pem')]
      const run = (changedVek: Uint8Array, changedAsk: Uint8Array) =>
        snp.verify(
          evidenceOf(readVector(vector.file)),
          context([
            { role: 'vek', bytes: changedVek },
            { role: 'vek-issuer', bytes: changedAsk },
          ]),
        )
      const veks = await sweep(indices(0, vek.length, 5), (i) => run(flipped(vek, i), ask))
      const asks = await sweep(indices(0, ask.length, 5), (i) => run(vek, flipped(ask, i)))
      report(`VCEK byte flips (${crypto.name})`, veks)
      report(`ASK byte flips (${crypto.name})`, asks)
      expect([veks.accepted, asks.accepted]).toEqual([[], []])
    })
  })

  describe('synthetic reports', () => {
    const worlds = {} as Record<Product, SnpWorld>
    beforeAll(() => {
      for (const product of ['Milan', 'Genoa', 'Turin'] as const) worlds[product] = snpWorld(product)
    }, 60_000)

    const verify = (
      world: SnpWorld,
      options: ReportOptions = {},
      crls: Uint8Array[] = [],
      revocation: VerifyContext['revocation'] = 'unchecked',
    ) => {
      const endorsements: Endorsement[] = [
        { role: 'vek', bytes: world.vek.der },
        { role: 'vek-issuer', bytes: utf8(world.ask.pem) },
        ...crls.map((bytes) => ({ role: 'crl' as const, bytes })),
      ]
      const roots = { amd: { [world.product]: world.ark.der } }
      return snp.verify(evidenceOf(snpReport(world, options)), context(endorsements, { at: SNP_AT, roots, revocation }))
    }

    it.each(['Milan', 'Genoa', 'Turin'] as const)('of %s are accepted (Turin: synthetic only)', async (product) => {
      const claims = await verify(worlds[product])
      expect(claims).toMatchObject({ product, debug: false, flags: { aliasCheck: true, smt: true, vlek: false } })
      expect(claims.platformId).toBe('c1'.repeat(product === 'Turin' ? 8 : 64))
    })

    it('lay out Turin’s TCB with the FMC first', async () => {
      // Bytes in order: FMC, bootloader, TEE, SNP, three reserved, microcode (AMD 56860, TCB_VERSION of family 1Ah).
      const tcb = [1, 2, 3, 4, 0, 0, 0, 9]
      const turin = await verify(snpWorld('Turin', {}, { tcb, structVersion: 1 }), { tcb, version: 5 })
      expect(turin.tcb.svn).toMatchObject({
        fmc: 1,
        bl: 2,
        tee: 3,
        snp: 4,
        ucode: 9,
        'committed.fmc': 1,
        'launch.ucode': 9,
      })
      const genoa = await verify(snpWorld('Genoa', {}, { tcb: [1, 2, 0, 0, 0, 0, 4, 9] }), {
        tcb: [1, 2, 0, 0, 0, 0, 4, 9],
      })
      expect(genoa.tcb.svn).toMatchObject({ bl: 1, tee: 2, snp: 4, ucode: 9 })
      expect('fmc' in genoa.tcb.svn).toBe(false)
    })

    it.each([2, 3, 5])('of version %i are accepted', async (version) => {
      expect((await verify(worlds.Genoa, { version })).versions['report']).toBe(String(version))
    })

    it('signed by a VLEK are accepted, without a platform id where the chip is masked', async () => {
      const world = snpWorld('Genoa', {}, { vlek: true })
      const claims = await verify(world, { signingKey: 1 })
      expect(claims).toMatchObject({
        flags: { vlek: true },
        versions: { cspId: 'cloud.test' },
        platformId: 'c1'.repeat(64),
      })
      expect((await verify(world, { signingKey: 1, chipId: new Uint8Array(64) })).platformId).toBeUndefined()
    })

    const u = (...bytes: number[]) => Uint8Array.of(...bytes)
    const malformed: readonly [string, AttestationErrorCode, ReportOptions][] = [
      ['version 1', 'evidence-version-unsupported', { version: 1 }],
      ['version 4', 'evidence-version-unsupported', { version: 4 }],
      ['version 6', 'evidence-version-unsupported', { version: 6 }],
      ['another signature algorithm', 'evidence-algorithm-unsupported', { bytes: { 0x34: u(2) } }],
      ['key flags above bit 4', 'evidence-reserved-not-zero', { bytes: { 0x48: u(0x20) } }],
      ['reserved bytes after the key flags', 'evidence-reserved-not-zero', { bytes: { 0x4c: u(1) } }],
      ['reserved bytes after CPUID', 'evidence-reserved-not-zero', { bytes: { 0x18b: u(1) } }],
      ['CPUID in version 2', 'evidence-reserved-not-zero', { version: 2, bytes: { 0x188: u(0x19) } }],
      ['a reserved byte after the current build', 'evidence-reserved-not-zero', { bytes: { 0x1eb: u(1) } }],
      ['mitigation vectors before version 5', 'evidence-reserved-not-zero', { version: 3, bytes: { 0x1f8: u(1) } }],
      ['reserved bytes at the end of version 5', 'evidence-reserved-not-zero', { version: 5, bytes: { 0x208: u(1) } }],
      ['guest policy without bit 17', 'evidence-malformed', { policy: 0x10000n }],
      ['guest policy bit 26', 'evidence-reserved-not-zero', { policy: 0x30000n | (1n << 26n) }],
      ['VMPL 4', 'evidence-malformed', { bytes: { 0x30: u(4) } }],
      ['no signing key', 'snp-signer-mismatch', { signingKey: 7 }],
      ['a masked chip key', 'snp-signer-mismatch', { bytes: { 0x48: u(2) } }],
      ['a VLEK where the certificate is a VCEK', 'path-subject-unexpected', { signingKey: 1 }],
      ['another chip', 'snp-chip-id-mismatch', { chipId: chipId('Genoa').fill(9) }],
      ['a masked chip', 'snp-chip-id-mismatch', { chipId: new Uint8Array(64) }],
      ['CPUID of Milan', 'snp-product-mismatch', { bytes: { 0x188: u(0x19, 0x01) } }],
      ['CPUID of Turin', 'snp-product-mismatch', { bytes: { 0x188: u(0x1a, 0x02) } }],
      ['CPUID of no known product', 'snp-product-mismatch', { bytes: { 0x188: u(0x19, 0x20) } }],
    ]
    it.each(malformed)('refuse %s', async (_name, code, options) => {
      expect(await refusal(() => verify(worlds.Genoa, options))).toBe(code)
    })

    it.each([0, 1, 2, 3, 4, 5, 6, 7])(
      'refuse a reported TCB that differs from the certificate’s in byte %i',
      async (i) => {
        const tcb = TCB.map((svn, at) => (at === i ? svn + 1 : svn))
        expect(await refusal(() => verify(worlds.Genoa, { tcb }))).toBe('snp-tcb-mismatch')
      },
    )

    it.each([0xa0, 0xaf, 0x10, 0x1f])('take CPUID model 0x%s for Genoa', async (model) => {
      await verify(worlds.Genoa, { bytes: { 0x188: u(0x19, model) } })
    })

    it('take the mitigation vectors of version 5', async () => {
      await verify(worlds.Genoa, { version: 5, bytes: { 0x1f8: new Uint8Array(16).fill(1) } })
    })

    it('refuse a signature by another key, and bytes beside the signature', async () => {
      expect(await refusal(() => verify(worlds.Genoa, { signedBy: generateKey('P-384') }))).toBe(
        'evidence-signature-invalid',
      )
      const bytes = snpReport(worlds.Genoa)
      const endorsements: Endorsement[] = [
        { role: 'vek', bytes: worlds.Genoa.vek.der },
        { role: 'vek-issuer', bytes: worlds.Genoa.ask.der },
      ]
      for (const offset of [0x2a0 + 48, 0x2a0 + 71, 0x2a0 + 72 + 48, 0x2a0 + 144, 1183]) {
        const changed = Uint8Array.from(bytes)
        changed[offset] = 1
        const attempt = () =>
          snp.verify(
            evidenceOf(changed),
            context(endorsements, { at: SNP_AT, roots: { amd: { Genoa: worlds.Genoa.ark.der } } }),
          )
        expect(await refusal(attempt)).toBe('evidence-reserved-not-zero')
      }
    })

    it('state debug and migration', async () => {
      expect((await verify(worlds.Genoa, { policy: 0x30000n | (1n << 19n) })).debug).toBe(true)
      expect((await verify(worlds.Genoa, { policy: 0x30000n | (1n << 18n) })).flags['migrateMa']).toBe(true)
    })

    const veks: readonly [
      string,
      AttestationErrorCode,
      VekOptions,
      Partial<Record<'ark' | 'ask' | 'vek', Partial<CertificateOptions>>>?,
    ][] = [
      ['of an unknown product', 'snp-product-mismatch', { productName: 'Venice' }],
      ['with a strange stepping', 'snp-product-mismatch', { productName: 'Genoa-B0-x' }],
      ['without a product name', 'snp-extension-malformed', { drop: '1.3.6.1.4.1.3704.1.2' }],
      ['without a patch level', 'snp-extension-malformed', { drop: '1.3.6.1.4.1.3704.1.3.8' }],
      ['with a patch level beyond a byte', 'snp-extension-malformed', { tcb: [10, 0, 0, 0, 0, 0, 23, 256] }],
      ['with a short hardware ID', 'snp-extension-malformed', { hardwareId: new Uint8Array(8) }],
      ['without a hardware ID', 'snp-extension-malformed', { hardwareId: null }],
      ['of an unknown structure version', 'snp-extension-malformed', { structVersion: 2 }],
      ['named as something else', 'path-subject-unexpected', {}, { vek: { subject: 'SEV-VLEK' } }],
      ['below an ASK of another name', 'path-subject-unexpected', {}, { ask: { subject: 'SEV-Milan' } }],
      ['below an ARK of another name', 'path-subject-unexpected', {}, { ark: { subject: 'ARK-Milan' } }],
      ['below an ASK that may not sign', 'path-key-usage', {}, { ask: { keyUsage: [6] } }],
      [
        'with an unknown critical extension',
        'certificate-critical-extension-unknown',
        {},
        { ask: { extensions: [extension('1.2.3', true, Uint8Array.of(5, 0))] } },
      ],
    ]
    it.each(veks)('refuse a VCEK %s', async (_name, code, options, change = {}) => {
      expect(await refusal(() => verify(snpWorld('Genoa', change, options)))).toBe(code)
    })

    it('take a product name with a stepping', async () => {
      await verify(snpWorld('Genoa', {}, { productName: 'Genoa-B1' }))
    })

    describe('and revocation', () => {
      const world = () => worlds.Genoa
      it('are checked by the ARK’s list', async () => {
        const claims = await verify(world(), {}, [issueCrl({ issuer: world().ark })], 'required')
        expect(claims.revocation).toBe('checked')
        expect(claims.validity.notAfter).toEqual(new Date('2026-02-01T00:00:00Z'))
      })

      it('are refused with a revoked ASK, and with a VCEK that the ASK revoked', async () => {
        const ask = issueCrl({ issuer: world().ark, revoked: [world().ask.serial] })
        const good = issueCrl({ issuer: world().ark })
        const vcek = issueCrl({ issuer: world().ask, revoked: [world().vek.serial] })
        expect(await refusal(() => verify(world(), {}, [ask], 'required'))).toBe('certificate-revoked')
        expect(await refusal(() => verify(world(), {}, [good, vcek], 'required'))).toBe('certificate-revoked')
        expect(await refusal(() => verify(world(), {}, [vcek], 'unchecked'))).toBe('certificate-revoked')
      })

      it('do not take an entry of the ARK’s list for a serial number of the ASK', async () => {
        const sameSerial = issueCrl({ issuer: world().ark, revoked: [world().vek.serial] })
        expect((await verify(world(), {}, [sameSerial], 'required')).revocation).toBe('checked')
      })

      const lists: readonly [string, AttestationErrorCode, () => Uint8Array][] = [
        ['stale', 'crl-stale', () => issueCrl({ issuer: world().ark, nextUpdate: new Date('2026-01-09T00:00:00Z') })],
        [
          'of tomorrow',
          'crl-not-yet-valid',
          () => issueCrl({ issuer: world().ark, thisUpdate: new Date('2026-01-11T00:00:00Z') }),
        ],
        ['badly signed', 'crl-signature-invalid', () => issueCrl({ issuer: world().ark, signedBy: world().ask.key })],
        ['of another product’s ARK', 'crl-issuer-mismatch', () => issueCrl({ issuer: worlds.Milan.ark })],
      ]
      it.each(lists)('are refused with a list that is %s', async (_name, code, list) => {
        expect(await refusal(() => verify(world(), {}, [list()], 'required'))).toBe(code)
      })

      it('are refused without a list, and with one of an ARK that may not sign lists', async () => {
        expect(await refusal(() => verify(world(), {}, [], 'required'))).toBe('revocation-missing')
        const own = snpWorld('Genoa', { ark: { keyUsage: [KEY_CERT_SIGN] } })
        expect(await refusal(() => verify(own, {}, [issueCrl({ issuer: own.ark })], 'required'))).toBe(
          'crl-issuer-key-usage',
        )
      })
    })
  })
})

it('gives the same claims on both crypto adapters', async () => {
  const vector = entry('sev-snp/azure-genoa')
  const verify = (crypto: CryptoProvider) =>
    snp.verify(evidenceOf(readVector(vector.file)), {
      at: AT,
      roots: ROOTS,
      endorsements: endorsementsOf(vector),
      revocation: 'unchecked',
      crypto,
    })
  const [first, second] = await Promise.all(PROVIDERS.map(verify))
  expect(first).toEqual(second)
})

/** The HCL report inside Azure's evidence. */
function hclReport(): Buffer {
  const evidence = JSON.parse(readVectorText('sev-snp/azure-genoa-evidence.json')) as { report: number[] }
  return Buffer.from(evidence.report)
}

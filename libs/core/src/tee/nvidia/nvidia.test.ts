import { beforeAll, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../bytes.js'
import type { CryptoProvider } from '../crypto.js'
import type { AttestationErrorCode } from '../error.js'
import { MEDIA_TYPES, type Endorsement, type Evidence, type VerifyContext } from '../evidence.js'
import { flipped, indices, report, sweep } from '../testing/mutation.js'
import {
  blackwellFwid,
  chainOf,
  DEVICE_AT,
  DEVICE_NONCE,
  deviceReport,
  deviceWorld,
  FWID,
  goldenValues,
  hopperFwid,
  jws,
  measurement,
  ocspAnswers,
  type DeviceReportOptions,
  type DeviceWorld,
  type GoldenOptions,
} from '../testing/nvidia-builder.js'
import { extension, generateKey, issueCertificate, issueCrl, issueOcsp, pointOf, type TestKey } from '../testing/pki.js'
import { PROVIDERS } from '../testing/providers.js'
import { refusal } from '../testing/refusal.js'
import { readRim } from '../testing/rim.js'
import * as D from '../testing/der-builder.js'
import {
  derOf,
  entries,
  entry,
  readVector,
  readVectorText,
  type StoredJson,
  type VectorEntry,
} from '../testing/vectors.js'
import { decodeEvidenceList, EVIDENCE_LIST_BYTES_MAX } from './evidence-list.js'
import { compareGoldenValues, GOLDEN_VALUES_BYTES_MAX, parseGoldenValues } from './golden-values.js'
import { parseSpdmReport, SPDM_BYTES_MAX } from './spdm.js'
import { nvidiaGpu, nvidiaSwitch, verifyEvidenceList } from './verify.js'

const NVIDIA = derOf('roots/nvidia-device-identity-root.pem')
const AT = new Date('2026-06-01T00:00:00Z')

type Kind = 'nvidia-gpu' | 'nvidia-switch'
const verifierOf = { 'nvidia-gpu': nvidiaGpu, 'nvidia-switch': nvidiaSwitch }
const evidenceOf = (kind: Kind, bytes: Uint8Array): Evidence => ({ kind, mediaType: MEDIA_TYPES[kind], bytes })
const kindOf = ({ id }: VectorEntry): Kind => (id.includes('nvswitch') ? 'nvidia-switch' : 'nvidia-gpu')

const genuine = entries('nvidia/').filter(
  ({ kind, expect: e }) => kind === 'nvidia-gpu-spdm' && e.signatureChain === 'valid',
)

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('NVIDIA with %s', (_, crypto) => {
  const context = (endorsements: readonly Endorsement[], change: Partial<VerifyContext> = {}): VerifyContext => ({
    at: AT,
    roots: { nvidia: [NVIDIA] },
    endorsements,
    revocation: 'unchecked',
    crypto,
    ...change,
  })
  const chain = (vector: VectorEntry): Endorsement => ({
    role: 'device-chain',
    bytes: readVector(vector['certificateChain'].file),
  })

  describe('genuine reports', () => {
    it('are four', () => {
      expect(genuine.map(({ id }) => id)).toEqual([
        'nvidia/hopper-535-vbios-5E0001',
        'nvidia/hopper-550',
        'nvidia/hopper-580',
        'nvidia/nvswitch-ls10',
      ])
    })

    it.each(genuine.map((vector) => [vector.id, vector] as const))(
      '%s gives its recorded facts',
      async (_id, vector) => {
        const kind = kindOf(vector)
        const claims = await verifierOf[kind].verify(
          evidenceOf(kind, readVector(vector.file)),
          context([chain(vector)]),
        )
        expect(toHex(claims.nonce!)).toBe(vector['nonce'])
        if (kind === 'nvidia-gpu') {
          const { driver, vbios, project, projectSku, chipSku } = vector as Record<string, StoredJson>
          expect(claims.versions).toEqual({ driver, vbios, project, projectSku, chipSku })
        }
        expect(Object.keys(claims.measurements)).toHaveLength(vector['measurementCount'])
        expect(claims.flags['fwid']).toBe(vector['expect'].fwid === 'match')
        expect(claims).toMatchObject({
          kind,
          role: kind === 'nvidia-gpu' ? 'gpu' : 'switch',
          product: kind === 'nvidia-gpu' ? 'GH100' : 'LS10',
        })
        expect(claims.debug).toBeUndefined()
        expect(claims.flags).toMatchObject({ goldenDriver: false, goldenVbios: false, ocspGood: false })
        expect(claims.provenance.rootFingerprint).toBe(
          '102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48',
        )
        expect(claims.validity.notAfter).toEqual(new Date('9999-12-31T23:59:59Z'))
        expect(claims.platformId).toMatch(/^[0-9a-f]{18}$/)
        expect(claims.revocation).toBe('unchecked')
      },
    )

    it('are refused as the other kind of device', async () => {
      const swap = (vector: VectorEntry, kind: Kind) =>
        refusal(() => verifierOf[kind].verify(evidenceOf(kind, readVector(vector.file)), context([chain(vector)])))
      expect(await swap(entry('nvidia/hopper-580'), 'nvidia-switch')).toBe('evidence-kind-mismatch')
      expect(await swap(entry('nvidia/nvswitch-ls10'), 'nvidia-gpu')).toBe('evidence-kind-mismatch')
    })

    it('the one with an invalid signature is refused', async () => {
      const vector = entry('nvidia/negative/hopper-invalid-signature')
      const attempt = () =>
        nvidiaGpu.verify(evidenceOf('nvidia-gpu', readVector(vector.file)), context([chain(vector)]))
      expect(await refusal(attempt)).toBe('evidence-signature-invalid')
    })

    it('are refused with another device’s chain, another root, or without required revocation', async () => {
      const [first, second] = [entry('nvidia/hopper-550'), entry('nvidia/hopper-580')]
      const bytes = evidenceOf('nvidia-gpu', readVector(first.file))
      expect(await refusal(() => nvidiaGpu.verify(bytes, context([chain(second)])))).toBe('evidence-signature-invalid')
      const rim = { roots: { nvidia: [derOf('roots/nvidia-rim-root.crt')] } }
      expect(await refusal(() => nvidiaGpu.verify(bytes, context([chain(first)], rim)))).toBe('path-root-untrusted')
      expect(await refusal(() => nvidiaGpu.verify(bytes, context([chain(first)], { revocation: 'required' })))).toBe(
        'revocation-missing',
      )
      expect(await refusal(() => nvidiaGpu.verify(bytes, context([])))).toBe('endorsement-missing')
      expect(await refusal(() => nvidiaGpu.verify(bytes, context([chain(first), chain(first)])))).toBe(
        'endorsement-duplicate',
      )
      expect(
        await refusal(() => nvidiaGpu.verify(bytes, context([chain(first), { role: 'vek', bytes: new Uint8Array() }]))),
      ).toBe('endorsement-unexpected')
      expect(
        await refusal(() =>
          nvidiaGpu.verify(evidenceOf('nvidia-gpu', new Uint8Array(SPDM_BYTES_MAX + 1)), context([chain(first)])),
        ),
      ).toBe('evidence-too-large')
    })

    it.each(['nvidia/hopper-580', 'nvidia/nvswitch-ls10'])(
      '%s is refused with any byte flipped and at every length',
      { timeout: 240_000 },
      async (id) => {
        const vector = entry(id)
        const kind = kindOf(vector)
        const bytes = readVector(vector.file)
        const run = (changed: Uint8Array, chainBytes = chain(vector).bytes) =>
          verifierOf[kind].verify(evidenceOf(kind, changed), context([{ role: 'device-chain', bytes: chainBytes }]))
        const flips = await sweep(indices(0, bytes.length, 29), (i) => run(flipped(bytes, i)))
        report(`${id} byte flips (${crypto.name})`, flips)
        expect(flips.accepted).toEqual([])
        const lengths = Array.from({ length: bytes.length }, (_x, i) => i)
        const cuts = await sweep(lengths, (n) => run(bytes.subarray(0, n)))
        report(`${id} truncation (${crypto.name})`, cuts)
        expect(cuts.accepted).toEqual([])
        const pem = chain(vector).bytes
        const chains = await sweep(indices(0, pem.length, 29), (i) => run(bytes, flipped(pem, i)))
        report(`${id} chain byte flips (${crypto.name})`, chains)
        expect(chains.accepted).toEqual([])
      },
    )
  })

  describe('evidence lists', () => {
    const verifyList = (file: string, revocation: VerifyContext['revocation'] = 'unchecked') =>
      verifyEvidenceList(readVector(file), context([], { revocation }), () => [])

    it('evidence-hopper is valid and in protected PCIe mode', async () => {
      const [claims] = await verifyList('nvidia/evidence-hopper.json')
      expect(claims!.flags).toMatchObject({ ppcie: true, multiGpu: false, fwid: true })
    })

    it('evidence-hopper-cert-hold is valid offline, and refused as soon as revocation is required', async () => {
      expect(await verifyList('nvidia/evidence-hopper-cert-hold.json')).toHaveLength(1)
      expect(await refusal(() => verifyList('nvidia/evidence-hopper-cert-hold.json', 'required'))).toBe(
        'revocation-missing',
      )
    })

    it('evidence-multi-gpu-hopper is four GPUs that share one nonce', async () => {
      const claims = await verifyList('nvidia/evidence-multi-gpu-hopper.json')
      expect(new Set(claims.map(({ platformId }) => platformId)).size).toBe(4)
      expect(new Set(claims.map(({ nonce }) => toHex(nonce!))).size).toBe(1)
    })

    it('evidence-nvswitch-ls10 is a valid switch', async () => {
      expect(await verifyList('nvidia/evidence-nvswitch-ls10.json')).toMatchObject([
        { kind: 'nvidia-switch', product: 'LS10' },
      ])
    })

    it('evidence-multi-switch-duplicate is refused: one device four times', async () => {
      expect(await refusal(() => verifyList('nvidia/evidence-multi-switch-duplicate.json'))).toBe('device-duplicate')
    })

    it('nvattest-h100-claims is no evidence', async () => {
      expect(await refusal(() => verifyList('nvidia/nvattest-h100-claims.json'))).toBe('evidence-malformed')
    })

    it('are refused with endorsements that are of no device', async () => {
      const shared = context([{ role: 'ocsp', bytes: new Uint8Array() }])
      expect(await refusal(() => verifyEvidenceList(readVector('nvidia/evidence-hopper.json'), shared, () => []))).toBe(
        'endorsement-unexpected',
      )
    })
  })

  describe('golden values of genuine manifests', () => {
    const compare = (reportFile: string, rimFile: string) => {
      const { measurements } = parseSpdmReport(readVector(reportFile))
      const rim = readRim(rimFile)
      const payload = goldenValues({
        component: 'vbios',
        measurements: rim.measurements,
        fields: { version: rim.version, product: rim.product },
      })
      return compareGoldenValues(measurements, parseGoldenValues(utf8(JSON.stringify(payload))), {
        nvdec0Disabled: true,
      })
    }

    it('match 12 of 12 on the H100 they are for', () => {
      const result = compare(
        'nvidia/hopper-535-vbios-5E0001.spdm',
        'nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag',
      )
      expect(result).toEqual({ component: 'vbios', compared: 12, matched: 12, mismatches: [], skipped: [] })
    })

    it('match 11 of 12 on hopper-580, index 9 not', () => {
      const result = compare('nvidia/hopper-580.spdm', 'nvidia/rim/vbios-96.00.74.00.20-1010_0205_862.swidtag')
      expect(result).toEqual({ component: 'vbios', compared: 12, matched: 11, mismatches: [9], skipped: [] })
    })

    it('become facts of the claims when they are signed by somebody trusted to', async () => {
      const signer = generateKey('P-384')
      const run = async (id: string, rimFile: string, board: Record<string, string>) => {
        const rim = readRim(rimFile)
        const payload = goldenValues({
          component: 'vbios',
          measurements: rim.measurements,
          fields: { version: rim.version, product: rim.product, board },
        })
        const endorsements: Endorsement[] = [chain(entry(id)), { role: 'golden-values', bytes: jws(payload, signer) }]
        const roots = { nvidia: [NVIDIA], goldenValueSigners: [pointOf(generateKey('P-384')), pointOf(signer)] }
        return nvidiaGpu.verify(evidenceOf('nvidia-gpu', readVector(entry(id).file)), context(endorsements, { roots }))
      }
      const clean = await run(
        'nvidia/hopper-535-vbios-5E0001',
        'nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag',
        { project: '1010', projectSku: '0200', chipSku: '882' },
      )
      expect(clean.flags).toMatchObject({ goldenVbios: true, goldenDriver: false })
      expect(clean.versions['goldenVbios']).toBe('12 of 12')
      const other = await run('nvidia/hopper-580', 'nvidia/rim/vbios-96.00.74.00.20-1010_0205_862.swidtag', {
        project: '1010',
        projectSku: '0205',
        chipSku: '862',
      })
      expect(other.flags['goldenVbios']).toBe(false)
      expect(other.versions['goldenVbios']).toBe('11 of 12')
    })
  })

  describe('synthetic devices', () => {
    let world: DeviceWorld
    let signer: TestKey
    beforeAll(() => {
      world = deviceWorld()
      signer = generateKey('P-384')
    })
    const verify = (
      options: {
        world?: DeviceWorld
        report?: DeviceReportOptions
        ocsps?: Uint8Array[]
        crls?: Uint8Array[]
        golden?: Uint8Array[]
        revocation?: VerifyContext['revocation']
        kind?: Kind
        at?: Date
      } = {},
    ) => {
      const own = options.world ?? world
      const kind = options.kind ?? 'nvidia-gpu'
      const item = (role: Endorsement['role']) => (bytes: Uint8Array) => ({ role, bytes })
      const endorsements = [
        item('device-chain')(chainOf(own)),
        ...(options.ocsps ?? []).map(item('ocsp')),
        ...(options.crls ?? []).map(item('crl')),
        ...(options.golden ?? []).map(item('golden-values')),
      ]
      const roots = { nvidia: [own.root.der], goldenValueSigners: [pointOf(signer)] }
      return verifierOf[kind].verify(
        evidenceOf(kind, deviceReport(own, options.report)),
        context(endorsements, { at: options.at ?? DEVICE_AT, roots, revocation: options.revocation ?? 'unchecked' }),
      )
    }

    it('are accepted as built', async () => {
      const claims = await verify()
      expect(claims).toMatchObject({
        product: 'GH100',
        platformId: '4892c0ffee00000001',
        nonce: DEVICE_NONCE,
        flags: { fwid: true, ppcie: false, multiGpu: false, nvdec0Disabled: false },
        versions: { driver: '580.159.03', vbios: '96.00.5e.00.01' },
      })
      expect(claims.measurements['m63']).toBe('3f'.repeat(48))
    })

    it('state their modes', async () => {
      const flagsWith = async (opaque: DeviceReportOptions['opaque']) =>
        (await verify({ report: { opaque: opaque! } })).flags
      expect(await flagsWith({ 36: Uint8Array.of(1, 0) })).toMatchObject({ multiGpu: true, ppcie: false })
      expect(await flagsWith({ 36: Uint8Array.of(2, 0) })).toMatchObject({ multiGpu: false, ppcie: true })
      expect(await flagsWith({ 36: undefined, 21: Uint8Array.of(0xaa) })).toMatchObject({ ppcie: true })
      expect(await flagsWith({ 36: undefined, 21: Uint8Array.of(0x55) })).toMatchObject({ ppcie: false })
      expect(await flagsWith({ 11: Uint8Array.of(0x55) })).toMatchObject({ nvdec0Disabled: true })
    })

    it('pass over opaque fields of types that have no name yet', async () => {
      await verify({ report: { opaque: { 999: Uint8Array.of(1, 2, 3) } } })
    })

    const u = (...bytes: number[]) => Uint8Array.of(...bytes)
    const reports: readonly [string, AttestationErrorCode, DeviceReportOptions][] = [
      ['another SPDM version', 'evidence-malformed', { bytes: { 0: u(0x12) } }],
      ['another request', 'evidence-malformed', { bytes: { 1: u(0xe1) } }],
      ['a request without a signature', 'evidence-malformed', { bytes: { 2: u(0) } }],
      ['a request for one measurement', 'evidence-malformed', { bytes: { 3: u(1) } }],
      ['another certificate slot', 'evidence-malformed', { bytes: { 36: u(1) } }],
      ['another response version', 'evidence-malformed', { bytes: { 37: u(0x10) } }],
      ['an error response', 'evidence-malformed', { bytes: { 38: u(0x7f) } }],
      ['response parameters', 'evidence-malformed', { bytes: { 39: u(1) } }],
      ['more blocks than it has', 'evidence-malformed', { bytes: { 41: u(65) } }],
      ['fewer blocks than it has', 'evidence-malformed', { bytes: { 41: u(63) } }],
      ['a block index twice', 'evidence-malformed', { bytes: { [45 + 55]: u(1) } }],
      ['a block of another specification', 'evidence-malformed', { bytes: { 46: u(2) } }],
      ['a block longer than its value', 'evidence-malformed', { bytes: { 50: u(47) } }],
      ['no measurements', 'evidence-malformed', { measurements: [] }],
      ['a short measurement', 'evidence-malformed', { measurements: [new Uint8Array(32)] }],
      ['an opaque field twice', 'evidence-malformed', { extraOpaque: u(3, 0, 1, 0, 0x41) }],
      ['a torn opaque field', 'evidence-malformed', { extraOpaque: u(99, 0, 9, 0) }],
      ['a driver version that is not text', 'evidence-malformed', { opaque: { 3: u(0xff, 0xfe) } }],
      ['an empty driver version', 'evidence-malformed', { opaque: { 3: u(0) } }],
      ['a three-byte feature flag', 'evidence-malformed', { opaque: { 36: u(0, 0, 0) } }],
      ['other firmware', 'fwid-mismatch', { opaque: { 20: new Uint8Array(48) } }],
    ]
    it.each(reports)('refuse %s', async (_name, code, options) => {
      expect(await refusal(() => verify({ report: options }))).toBe(code)
    })

    it('refuse a signature by another key', async () => {
      expect(await refusal(() => verify({ report: { signedBy: generateKey('P-384') } }))).toBe(
        'evidence-signature-invalid',
      )
    })

    it('say when the report leaves the firmware identity out', async () => {
      expect((await verify({ report: { opaque: { 20: undefined } } })).flags['fwid']).toBe(false)
    })

    it('carry the firmware identity in Blackwell’s form (synthetic only)', async () => {
      expect(
        (await verify({ world: deviceWorld({ product: 'GB100', leafExtensions: [blackwellFwid()] }) })).flags['fwid'],
      ).toBe(true)
    })

    const leaves: readonly [string, AttestationErrorCode, Uint8Array[]][] = [
      ['no firmware identity', 'fwid-mismatch', []],
      ['both forms', 'fwid-mismatch', [hopperFwid(), blackwellFwid()]],
      ['another version of the form', 'fwid-mismatch', [hopperFwid(FWID, 2)]],
      ['a short digest', 'fwid-mismatch', [hopperFwid(new Uint8Array(32))]],
      ['two digests', 'der-malformed', [blackwellFwid([FWID, FWID])]],
      ['no digest', 'der-malformed', [extension('2.23.133.5.4.1.1', false, D.sequence(D.implicit(0, u(1))))]],
      ['another firmware than reported', 'fwid-mismatch', [hopperFwid(new Uint8Array(48))]],
    ]
    it.each(leaves)('refuse a leaf with %s', async (_name, code, leafExtensions) => {
      expect(await refusal(() => verify({ world: deviceWorld({ leafExtensions }) }))).toBe(code)
    })

    it('refuse chains of other length, and provisioners and devices by other names', async () => {
      const short = { ...world, leaf: { ...world.leaf, pem: '' } }
      const attempt = (own: DeviceWorld) => refusal(() => verify({ world: own }))
      expect(await attempt(short)).toBe('evidence-malformed')
      expect(await attempt(deviceWorld({}, { provisioner: { subject: 'NVIDIA GH100 Someone' } }))).toBe(
        'path-subject-unexpected',
      )
      expect(await attempt(deviceWorld({}, { identity: { subject: 'GH100 A01 GSP BROM' } }))).toBe(
        'path-subject-unexpected',
      )
    })

    describe('and revocation', () => {
      it('are checked by an answer for each certificate but leaf and root', async () => {
        const claims = await verify({ ocsps: ocspAnswers(world), revocation: 'required' })
        expect(claims).toMatchObject({ revocation: 'checked', flags: { ocspGood: true } })
        expect(claims.validity.notAfter).toEqual(new Date('2026-01-11T00:00:00Z'))
      })

      it('are checked by answers of delegated responders, as NVIDIA’s are', async () => {
        const delegate = (issuer: DeviceWorld['root']) =>
          issueCertificate({
            subject: 'NVIDIA OCSP Responder',
            key: generateKey('P-384'),
            issuer,
            keyUsage: [0],
            extensions: [extension('2.5.29.37', false, D.sequence(D.oid('1.3.6.1.5.5.7.3.9')))],
          })
        const pairs = [
          [world.identity, world.provisioner],
          [world.provisioner, world.architecture],
          [world.architecture, world.root],
        ] as const
        const ocsps = pairs.map(([certificate, issuer]) =>
          issueOcsp({ certificate, issuer, responder: delegate(issuer), hash: 'sha256' }),
        )
        expect((await verify({ ocsps, revocation: 'required' })).revocation).toBe('checked')
      })

      it('are refused with any answer missing', async () => {
        for (const i of [0, 1, 2]) {
          const ocsps = ocspAnswers(world).toSpliced(i, 1)
          expect(await refusal(() => verify({ ocsps, revocation: 'required' }))).toBe('revocation-missing')
          const { revocation, flags } = await verify({ ocsps, revocation: 'unchecked' })
          expect([revocation, flags['ocspGood']]).toEqual(['unchecked', false])
        }
      })

      const bad: readonly [string, AttestationErrorCode, (w: DeviceWorld) => Uint8Array][] = [
        [
          'revoked',
          'certificate-revoked',
          (w) => issueOcsp({ certificate: w.identity, issuer: w.provisioner, status: 'revoked' }),
        ],
        [
          'unknown',
          'ocsp-status-unknown',
          (w) => issueOcsp({ certificate: w.identity, issuer: w.provisioner, status: 'unknown' }),
        ],
        [
          'stale',
          'ocsp-stale',
          (w) =>
            issueOcsp({ certificate: w.identity, issuer: w.provisioner, nextUpdate: new Date('2026-01-10T06:00:00Z') }),
        ],
        [
          'of tomorrow',
          'ocsp-not-yet-valid',
          (w) =>
            issueOcsp({
              certificate: w.identity,
              issuer: w.provisioner,
              thisUpdate: new Date('2026-01-11T00:00:00Z'),
              nextUpdate: new Date('2026-01-12T00:00:00Z'),
            }),
        ],
        [
          'badly signed',
          'ocsp-signature-invalid',
          (w) => issueOcsp({ certificate: w.identity, issuer: w.provisioner, signedBy: w.root.key }),
        ],
        [
          'of another issuer',
          'ocsp-certificate-mismatch',
          (w) => issueOcsp({ certificate: w.identity, issuer: w.architecture }),
        ],
        [
          'about another device',
          'ocsp-certificate-mismatch',
          () => {
            const o = deviceWorld()
            return issueOcsp({ certificate: o.identity, issuer: o.provisioner })
          },
        ],
        ['garbage', 'der-malformed', () => utf8('garbage')],
        [
          'unauthorised',
          'ocsp-not-successful',
          (w) => issueOcsp({ certificate: w.identity, issuer: w.provisioner, responseStatus: 6 }),
        ],
      ]
      it.each(bad)('are refused in either mode when the device’s answer is %s', async (_name, code, answer) => {
        for (const revocation of ['required', 'unchecked'] as const) {
          const ocsps = ocspAnswers(world).with(0, answer(world))
          expect(await refusal(() => verify({ ocsps, revocation }))).toBe(code)
        }
      })

      it('obey lists as well as answers', async () => {
        const [device] = ocspAnswers(world) as [Uint8Array]
        const lists = [issueCrl({ issuer: world.architecture }), issueCrl({ issuer: world.root })]
        const claims = await verify({ ocsps: [device], crls: lists, revocation: 'required' })
        expect([claims.revocation, claims.flags['ocspGood']]).toEqual(['checked', false])
        const revoked = issueCrl({ issuer: world.architecture, revoked: [world.provisioner.serial] })
        expect(await refusal(() => verify({ crls: [revoked] }))).toBe('certificate-revoked')
      })
    })

    describe('and golden values', () => {
      const golden = (options: GoldenOptions = {}) => jws(goldenValues(options), signer)

      it('match, mismatch by one index, and count an absent measurement as a mismatch', async () => {
        const both = await verify({ golden: [golden(), golden({ component: 'vbios' })] })
        expect(both.flags).toMatchObject({ goldenDriver: true, goldenVbios: true })
        expect(both.versions).toMatchObject({ goldenDriver: '2 of 2', goldenVbios: '2 of 2' })
        const other = golden({
          measurements: [
            { index: 9, digests: [toHex(measurement(9))] },
            { index: 10, digests: ['00'.repeat(48)] },
          ],
        })
        expect((await verify({ golden: [other] })).flags['goldenDriver']).toBe(false)
        const absent = golden({ measurements: [{ index: 64, digests: ['00'.repeat(48)] }] })
        expect((await verify({ golden: [absent] })).versions['goldenDriver']).toBe('0 of 1')
      })

      it('compare a switch by its VBIOS alone', async () => {
        const own = deviceWorld({ product: 'LS_10' })
        const opaque = { 3: undefined, 6: utf8('96.10.55.00.01'), 15: undefined, 17: undefined, 18: undefined }
        const fields = { product: 'LS10', version: '96.10.55.00.01', board: undefined }
        const claims = await verify({
          world: own,
          kind: 'nvidia-switch',
          report: { opaque },
          golden: [golden({ component: 'vbios', fields })],
        })
        expect(claims).toMatchObject({ product: 'LS10', flags: { goldenVbios: true, goldenDriver: false } })
      })

      it('take any of the alternatives', async () => {
        const alternatives = golden({ measurements: [{ index: 9, digests: ['00'.repeat(48), toHex(measurement(9))] }] })
        expect((await verify({ golden: [alternatives] })).flags['goldenDriver']).toBe(true)
      })

      it('leave out index 35 where NVDEC0 is off, and only there', async () => {
        const measured = golden({
          measurements: [
            { index: 9, digests: [toHex(measurement(9))] },
            { index: 35, digests: ['00'.repeat(48)] },
          ],
        })
        const off = { opaque: { 11: Uint8Array.of(0x55) } }
        expect((await verify({ golden: [measured], report: off })).versions['goldenDriver']).toBe('1 of 1')
        expect((await verify({ golden: [measured] })).versions['goldenDriver']).toBe('1 of 2')
        const only = golden({ measurements: [{ index: 35, digests: ['00'.repeat(48)] }] })
        expect((await verify({ golden: [only], report: off })).flags['goldenDriver']).toBe(false)
      })

      it('refuse two that claim one index, and one component twice', async () => {
        const overlap = golden({ component: 'vbios', measurements: [{ index: 9, digests: ['00'.repeat(48)] }] })
        expect(await refusal(() => verify({ golden: [golden(), overlap] }))).toBe('golden-values-conflict')
        const again = golden({ measurements: [{ index: 20, digests: ['00'.repeat(48)] }] })
        expect(await refusal(() => verify({ golden: [golden(), again] }))).toBe('golden-values-conflict')
      })

      const inapplicable: readonly [string, GoldenOptions][] = [
        ['another driver version', { fields: { version: '580.159.04' } }],
        ['another product', { fields: { product: 'GB100' } }],
        ['another VBIOS version', { component: 'vbios', fields: { version: '96.00.5E.00.02' } }],
        [
          'another board',
          { component: 'vbios', fields: { board: { project: '1010', projectSku: '0200', chipSku: '862' } } },
        ],
      ]
      it.each(inapplicable)('refuse those of %s', async (_name, options) => {
        expect(await refusal(() => verify({ golden: [golden(options)] }))).toBe('golden-values-not-applicable')
      })

      it('refuse those whose source is out of date', async () => {
        for (const fields of [{ notAfter: '2026-01-09T00:00:00Z' }, { notBefore: '2026-01-11T00:00:00Z' }]) {
          expect(await refusal(() => verify({ golden: [golden({ fields })] }))).toBe('golden-values-stale')
        }
      })

      it('refuse other signers, other headers and other forms', async () => {
        const payload = goldenValues()
        const attempt = (bytes: Uint8Array) => refusal(() => verify({ golden: [bytes] }))
        expect(await attempt(jws(payload, generateKey('P-384')))).toBe('golden-values-signature-invalid')
        const [header, , signature] = new TextDecoder().decode(jws(payload, signer)).split('.')
        const other = Buffer.from(JSON.stringify(goldenValues({ fields: { version: '1' } }))).toString('base64url')
        expect(await attempt(utf8(`${header}.${other}.${signature}`))).toBe('golden-values-signature-invalid')
        const typ = 'vnd.haca.gpu-golden-values+json'
        for (const changed of [
          { alg: 'none', typ },
          { alg: 'ES256', typ },
          { alg: 'ES384' },
          { alg: 'ES384', typ: 'JWT' },
          { alg: 'ES384', typ, kid: '1' },
          '{"alg":"none","alg":"ES384"}',
          'x',
        ]) {
          expect(await attempt(jws(payload, signer, changed))).toMatch(/^(golden-values|json)-malformed$/)
        }
        expect(await attempt(utf8(`${header}.${other}`))).toBe('golden-values-malformed')
        expect(await attempt(utf8(`${header}.${other}.${signature}.x`))).toBe('golden-values-malformed')
        expect(await attempt(utf8(`${header}.${other}.AAAA`))).toBe('golden-values-malformed')
        expect(await attempt(utf8('!.!.!'))).toBe('golden-values-malformed')
        expect(await attempt(new Uint8Array(GOLDEN_VALUES_BYTES_MAX + 1))).toBe('endorsement-too-large')
      })
    })
  })
})

describe('parseGoldenValues', () => {
  const bad: readonly [string, GoldenOptions | string][] = [
    ['another version', { fields: { v: 2 } }],
    ['an unknown component', { fields: { component: 'fan' } }],
    ['an unknown field', { fields: { note: '' } }],
    ['a driver with a board', { fields: { board: { project: '', projectSku: '', chipSku: '' } } }],
    [
      'a board with an unknown field',
      { component: 'vbios', fields: { board: { project: '', projectSku: '', chipSku: '', x: '' } } },
    ],
    ['a source without a digest', { fields: { source: { id: 'x' } } }],
    ['no measurements', { measurements: [] }],
    [
      'indices that fall',
      {
        measurements: [
          { index: 2, digests: ['00'.repeat(48)] },
          { index: 1, digests: ['00'.repeat(48)] },
        ],
      },
    ],
    [
      'an index twice',
      {
        measurements: [
          { index: 2, digests: ['00'.repeat(48)] },
          { index: 2, digests: ['00'.repeat(48)] },
        ],
      },
    ],
    ['an index beyond 254', { measurements: [{ index: 255, digests: ['00'.repeat(48)] }] }],
    ['no alternatives', { measurements: [{ index: 2, digests: [] }] }],
    ['a short digest', { measurements: [{ index: 2, digests: ['00'] }] }],
    ['a date without a time', { fields: { notAfter: '2026-12-31' } }],
    ['a list', '[]'],
  ]
  it.each(bad)('refuses %s', async (_name, options) => {
    const text = typeof options === 'string' ? options : JSON.stringify(goldenValues(options))
    expect(await refusal(() => parseGoldenValues(utf8(text)))).toBe('golden-values-malformed')
  })
})

describe('decodeEvidenceList', () => {
  const [first] = JSON.parse(readVectorText('nvidia/evidence-hopper.json')) as [Record<string, string>]
  const bad: readonly [string, unknown, AttestationErrorCode][] = [
    ['an empty list', [], 'evidence-malformed'],
    ['too many devices', Array(33).fill(first), 'evidence-malformed'],
    ['an unknown architecture', [{ ...first, arch: 'AMPERE' }], 'evidence-malformed'],
    ['a missing field', [{ ...first, nonce: undefined }], 'evidence-malformed'],
    ['an unknown field', [{ ...first, x: 1 }], 'evidence-malformed'],
    ['broken base64', [{ ...first, evidence: '!' }], 'evidence-malformed'],
    ['another nonce than the report’s', [{ ...first, nonce: '00'.repeat(32) }], 'evidence-malformed'],
  ]
  it.each(bad)('refuses %s', async (_name, list, code) => {
    expect(await refusal(() => decodeEvidenceList(utf8(JSON.stringify(list))))).toBe(code)
  })

  it('refuses more than the cap before parsing', async () => {
    expect(await refusal(() => decodeEvidenceList(new Uint8Array(EVIDENCE_LIST_BYTES_MAX + 1)))).toBe(
      'evidence-too-large',
    )
  })
})

describe('reference manifests', () => {
  it('are stored whole; core reads none of them', () => {
    for (const { file, sha256 } of entries('nvidia/rim/')) {
      expect(file).toMatch(/\.(swidtag|xml)$/)
      expect(sha256).toHaveLength(64)
    }
    expect(readRim('nvidia/rim/driver-GH100-550.144.03.xml').measurements.length).toBeGreaterThan(10)
  })
})

it('gives the same claims on both crypto adapters', async () => {
  const vector = entry('nvidia/hopper-580')
  const verify = (crypto: CryptoProvider) =>
    nvidiaGpu.verify(evidenceOf('nvidia-gpu', readVector(vector.file)), {
      at: AT,
      roots: { nvidia: [NVIDIA] },
      endorsements: [{ role: 'device-chain', bytes: readVector(vector['certificateChain'].file) }],
      revocation: 'unchecked',
      crypto,
    })
  const [one, two] = await Promise.all(PROVIDERS.map(verify))
  expect(one).toEqual(two)
})

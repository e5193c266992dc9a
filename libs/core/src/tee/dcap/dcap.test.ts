import { beforeAll, describe, expect, it } from 'vitest'
import { concat, toHex, utf8 } from '../bytes.js'
import type { CryptoProvider } from '../crypto.js'
import type { AttestationErrorCode } from '../error.js'
import { MEDIA_TYPES, type Endorsement, type Endorsements, type Evidence, type VerifyContext } from '../evidence.js'
import {
  collateral,
  DCAP_AT,
  dcapWorld,
  qeIdentity,
  quote as buildQuote,
  sgxExtension,
  TD,
  tcbInfo,
  type CollateralOptions,
  type DcapWorld,
  type QuoteOptions,
  type TcbInfoOptions,
} from '../testing/dcap-builder.js'
import { dcapCases, dcapEndorsements, replaced, storedCollateral, type DcapCase } from '../testing/dcap-vectors.js'
import * as D from '../testing/der-builder.js'
import { flipped, indices, report, sweep } from '../testing/mutation.js'
import { generateKey, issueCertificate, issueCrl, KEY_CERT_SIGN } from '../testing/pki.js'
import { PROVIDERS } from '../testing/providers.js'
import { refusal } from '../testing/refusal.js'
import { derOf, entries, entry, readVector, readVectorText } from '../testing/vectors.js'
import { splitSigned } from './collateral.js'
import { parseQuote, QUOTE_BYTES_MAX } from './quote.js'
import { converge, TCB_STATUSES, type TcbStatus } from './tcb.js'
import { sgx, tdx } from './verify.js'

const INTEL = derOf('roots/intel-sgx-root-ca.der')

const evidenceOf = (kind: 'tdx' | 'sgx', bytes: Uint8Array): Evidence => ({ kind, mediaType: MEDIA_TYPES[kind], bytes })
const kindOf = (row: DcapCase) => (row.quote.kind === 'intel-tdx' ? 'tdx' : 'sgx')
const verifierOf = { tdx, sgx }

/** Reasons of the manifest, in this library's codes. `spr_e4` carries text after the quote and falls before its TCB. */
const CODES: Readonly<Record<string, AttestationErrorCode>> = {
  'no TCB level': 'tcb-level-missing',
  'PCK: cert 0 outside validity': 'certificate-not-yet-valid',
}

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('DCAP with %s', (_, crypto) => {
  const context = (at: string | Date, endorsements: Endorsements, roots = [INTEL]): VerifyContext => ({
    at: new Date(at),
    roots: { intel: roots },
    endorsements,
    revocation: 'required',
    crypto,
  })
  const run = (
    row: DcapCase,
    endorsements: Endorsements = dcapEndorsements(storedCollateral(row.collateral)),
    bytes = readVector(row.quote.file),
  ) => {
    const kind = kindOf(row)
    return verifierOf[kind].verify(evidenceOf(kind, bytes), context(row.verifyAt, endorsements))
  }

  describe('genuine quotes', () => {
    const rows = dcapCases()
    const accepted = rows.filter(({ result }) => result !== 'reject')
    const rejected = rows.filter(({ result }) => result === 'reject')

    it('are nineteen rows, ten of them with valid cryptography', () => {
      expect([rows.length, accepted.length]).toEqual([19, 10])
    })

    it.each(accepted.map((row) => [`${row.quote.id} × ${row.collateral}`, row] as const))(
      '%s gives its recorded facts',
      async (_id, row) => {
        const claims = await run(row)
        const recorded = row.quote['measurements'] as Record<string, string | number>
        const names: Record<string, string> = { mrTd: 'mrtd' }
        for (const [name, value] of Object.entries(recorded)) {
          if (name === 'reportData') expect(toHex(claims.userData)).toBe(value)
          else if (name === 'isvSvn') expect(claims.tcb.svn['isvSvn']).toBe(value)
          else if (name === 'isvProdId') expect(claims.versions['isvProdId']).toBe(String(value))
          else if (name === 'teeTcbSvn')
            expect(toHex(Uint8Array.from({ length: 16 }, (_x, i) => claims.tcb.svn[`tdx${i}`]!))).toBe(value)
          else if (name !== 'teeTcbSvn2')
            expect([name, claims.measurements[names[name] ?? name]]).toEqual([name, value])
        }
        expect(claims.tcb.status).toBe(row.tcbStatus)
        expect(claims.tcb.advisories).toEqual(row.advisories)
        const parts = row.parts!.map(({ who, status, adv, date }) => ({ part: who, status, advisories: adv, date }))
        expect(claims.tcb.parts).toEqual(parts)
        expect(claims.debug).toBe(row.debug)
        if (row.serviceTd !== undefined) expect(claims.flags['serviceTd']).toBe(row.serviceTd)
        if (row.tdxModule) expect(claims.versions['tdxModule']).toBe(`1.${row.tdxModule.isvsvn}`)
        expect([claims.validity.notBefore.toISOString(), claims.validity.notAfter.toISOString()]).toEqual(
          row.collateralWindow,
        )
        expect(claims.product).toBe(`fmspc:${row.quote['fmspc'].toUpperCase()}`)
        expect(claims.platformId).toMatch(/^[0-9a-f]{32}$/)
        expect(claims.revocation).toBe('checked')
        expect(claims.provenance.rootFingerprint).toBe(
          '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3',
        )
        expect(claims.tcb.evaluationNumber).toBe(
          row.collateral.startsWith('C_') ? 15 : row.collateral.includes('2026') ? 18 : 17,
        )
      },
    )

    it.each(rejected.map((row) => [`${row.quote.id} × ${row.collateral}`, row] as const))(
      '%s is refused',
      async (_id, row) => {
        const expected = row.quote.id === 'tdx/spr_e4' ? 'evidence-malformed' : CODES[row.reason!]
        expect(await refusal(() => run(row))).toBe(expected)
      },
    )

    it('spr_e4 is below every level once the text after it is cut off', async () => {
      const row = rejected.find(({ quote }) => quote.id === 'tdx/spr_e4')!
      const bytes = readVector(row.quote.file)
      const cut = bytes.subarray(0, bytes.length - row.quote['trailingBytes'])
      expect(await refusal(() => run(row, undefined, cut))).toBe('tcb-level-missing')
    })

    it('are stripped of their padding before they are digested', async () => {
      for (const { id, file, trailingBytes } of entries('tdx/').filter(({ kind }) => kind === 'intel-tdx')) {
        if (id === 'tdx/spr_e4') continue
        const bytes = readVector(file)
        expect(parseQuote(bytes).raw).toEqual(bytes.subarray(0, bytes.length - trailingBytes))
      }
      const row = accepted.find(({ quote }) => quote.id === 'tdx/cos113')!
      const bytes = readVector(row.quote.file)
      const [padded, cut] = [await run(row), await run(row, undefined, bytes.subarray(0, bytes.length - 3065))]
      expect(padded).toEqual(cut)
    })

    it('are refused as another kind', async () => {
      const tdxRow = accepted.find(({ quote }) => quote.id === 'tdx/phala')!
      const sgxRow = accepted.find(({ quote }) => quote.id === 'sgx/automata_v3')!
      const as = (kind: 'tdx' | 'sgx', row: DcapCase) =>
        verifierOf[kind].verify(
          evidenceOf(kind, readVector(row.quote.file)),
          context(row.verifyAt, dcapEndorsements(storedCollateral(row.collateral))),
        )
      expect(await refusal(() => as('sgx', tdxRow))).toBe('evidence-kind-mismatch')
      expect(await refusal(() => as('tdx', sgxRow))).toBe('evidence-kind-mismatch')
    })
  })

  describe('mutations that every verifier must refuse (vectors/tee/README.md)', () => {
    const row = dcapCases().find(({ quote }) => quote.id === 'tdx/phala')!
    const stored = storedCollateral(row.collateral)
    const genuine = dcapEndorsements(stored)
    const bytesOf = (role: Endorsement['role'], from = genuine) => from.find((item) => item.role === role)!.bytes
    const withText = (role: 'tcb-info' | 'qe-identity', edit: (text: string) => string) => {
      const edited = edit(new TextDecoder().decode(bytesOf(role)))
      return replaced(genuine, role, utf8(edited))
    }
    const lastByteFlipped = (bytes: Uint8Array) => flipped(bytes, bytes.length - 1)

    const cases: readonly [string, AttestationErrorCode, () => Endorsements][] = [
      [
        'a flipped bit in the root list’s signature',
        'crl-signature-invalid',
        () => replaced(genuine, 'root-crl', lastByteFlipped(bytesOf('root-crl'))),
      ],
      [
        'a flipped bit in the PCK list’s signature',
        'crl-signature-invalid',
        () => replaced(genuine, 'pck-crl', lastByteFlipped(bytesOf('pck-crl'))),
      ],
      ['garbage for the root list', 'der-malformed', () => replaced(genuine, 'root-crl', utf8('garbage'))],
      ['garbage for the PCK list', 'der-malformed', () => replaced(genuine, 'pck-crl', utf8('garbage'))],
      ['an empty list', 'der-malformed', () => replaced(genuine, 'pck-crl', new Uint8Array())],
      [
        'the two lists swapped',
        'crl-issuer-mismatch',
        () => replaced(replaced(genuine, 'root-crl', bytesOf('pck-crl')), 'pck-crl', bytesOf('root-crl')),
      ],
      [
        'a changed isvprodid in the QE identity',
        'collateral-signature-invalid',
        () => withText('qe-identity', (text) => text.replace('"isvprodid":2', '"isvprodid":3')),
      ],
      [
        'a changed status in the TCB info',
        'collateral-signature-invalid',
        () => withText('tcb-info', (text) => text.replace('"OutOfDate"', '"UpToDate"')),
      ],
      [
        'the TCB signer replaced by the PCK chain',
        'path-subject-unexpected',
        () => replaced(replaced(genuine, 'tcb-info-chain', utf8(pckChain())), 'qe-identity-chain', utf8(pckChain())),
      ],
      [
        'white space added to the TCB info',
        'collateral-signature-invalid',
        () => withText('tcb-info', (text) => text.replace('"version":3', '"version": 3')),
      ],
      [
        'the QE identity in place of the TCB info',
        'collateral-malformed',
        () => replaced(genuine, 'tcb-info', bytesOf('qe-identity')),
      ],
    ]
    const pckChain = () =>
      new TextDecoder().decode(parseQuote(readVector(row.quote.file)).pckChain).replaceAll('\0', '')

    it.each(cases)('refuses %s', async (_name, code, endorsements) => {
      expect(await refusal(() => run(row, endorsements()))).toBe(code)
    })

    it('refuses a stale list: B2’s PCK list in D', async () => {
      const late = dcapCases().find(
        ({ quote, collateral: name }) => quote.id === 'tdx/go_tdx_v5' && name === 'D_90C06F_2026_02',
      )!
      const old = dcapEndorsements(storedCollateral('B2_00806F_2025_10'))
      const mixed = replaced(dcapEndorsements(storedCollateral(late.collateral)), 'pck-crl', bytesOf('pck-crl', old))
      expect(await refusal(() => run(late, mixed))).toBe('crl-stale')
    })

    it('refuses a flipped byte in MRTD and in REPORTDATA', async () => {
      const bytes = readVector(row.quote.file)
      for (const offset of [48 + TD.mrTd, 48 + TD.reportData]) {
        expect(await refusal(() => run(row, genuine, flipped(bytes, offset)))).toBe('evidence-signature-invalid')
      }
    })

    it('refuses each endorsement missing, doubled or unknown', async () => {
      for (const { role } of genuine) {
        expect(
          await refusal(() =>
            run(
              row,
              genuine.filter((item) => item.role !== role),
            ),
          ),
        ).toBe('endorsement-missing')
        expect(await refusal(() => run(row, [...genuine, genuine.find((item) => item.role === role)!]))).toBe(
          'endorsement-duplicate',
        )
      }
      expect(await refusal(() => run(row, [...genuine, { role: 'crl', bytes: bytesOf('root-crl') }]))).toBe(
        'endorsement-unexpected',
      )
      expect(await refusal(() => run(row, [...genuine, { role: 'tcbinfo' as never, bytes: new Uint8Array() }]))).toBe(
        'endorsement-unexpected',
      )
    })

    it('refuses oversized evidence and endorsements before parsing them', async () => {
      expect(await refusal(() => run(row, genuine, new Uint8Array(QUOTE_BYTES_MAX + 1)))).toBe('evidence-too-large')
      for (const [role, size] of [
        ['root-crl', 1 << 20],
        ['pck-crl', 1 << 20],
        ['tcb-info', 1 << 18],
        ['qe-identity', 1 << 18],
        ['tcb-info-chain', 1 << 14],
      ] as const) {
        expect(await refusal(() => run(row, replaced(genuine, role, new Uint8Array(size + 1))))).toBe(
          'endorsement-too-large',
        )
      }
    })

    it('refuses every truncation', async () => {
      const bytes = readVector(row.quote.file)
      const end = bytes.length - row.quote['trailingBytes']
      const lengths = Array.from({ length: end }, (_x, i) => i)
      const result = await sweep(lengths, (n) => run(row, genuine, bytes.subarray(0, n)))
      report(`tdx truncation (${crypto.name})`, result)
      expect(result.accepted).toEqual([])
    })

    it('refuses a byte flipped anywhere in the quote', { timeout: 240_000 }, async () => {
      const bytes = readVector(row.quote.file)
      const result = await sweep(indices(0, bytes.length, 5), (i) => run(row, genuine, flipped(bytes, i)))
      report(`tdx byte flips (${crypto.name})`, result)
      expect(result.accepted).toEqual([])
    })

    it('refuses a byte flipped anywhere in an SGX quote', { timeout: 240_000 }, async () => {
      const sgxRow = dcapCases().find(({ quote }) => quote.id === 'sgx/automata_v3')!
      const bytes = readVector(sgxRow.quote.file)
      const collateralOfSgx = dcapEndorsements(storedCollateral(sgxRow.collateral))
      const result = await sweep(indices(0, bytes.length, 11), (i) => run(sgxRow, collateralOfSgx, flipped(bytes, i)))
      report(`sgx byte flips (${crypto.name})`, result)
      expect(result.accepted).toEqual([])
      const lengths = Array.from({ length: bytes.length }, (_x, i) => i)
      const cut = await sweep(lengths, (n) => run(sgxRow, collateralOfSgx, bytes.subarray(0, n)))
      report(`sgx truncation (${crypto.name})`, cut)
      expect(cut.accepted).toEqual([])
    })

    it('refuses a byte flipped anywhere in the lists and signed texts', { timeout: 240_000 }, async () => {
      for (const role of ['root-crl', 'pck-crl', 'tcb-info', 'qe-identity'] as const) {
        const bytes = bytesOf(role)
        const result = await sweep(indices(0, bytes.length, 13), (i) =>
          run(row, replaced(genuine, role, flipped(bytes, i))),
        )
        report(`${role} byte flips (${crypto.name})`, result)
        expect(result.accepted).toEqual([])
      }
    })
  })

  describe('synthetic quotes', () => {
    let world: DcapWorld
    beforeAll(() => {
      world = dcapWorld()
    })
    const verify = (
      options: {
        quote?: QuoteOptions
        collateral?: CollateralOptions
        bytes?: Uint8Array
        world?: DcapWorld
        at?: Date
        more?: Endorsements
      } = {},
    ) => {
      const own = options.world ?? world
      const kind = options.quote?.form === 'sgx-v3' ? 'sgx' : 'tdx'
      const bytes = options.bytes ?? buildQuote(own, options.quote)
      const endorsements = [...collateral(own, options.collateral), ...(options.more ?? [])]
      return verifierOf[kind].verify(
        evidenceOf(kind, bytes),
        context(options.at ?? DCAP_AT, endorsements, [own.root.der]),
      )
    }
    const sgxCollateral = { tcbInfo: tcbInfo({ id: 'SGX' }), qeIdentity: qeIdentity({ isvprodid: 1 }, 'QE') }

    it.each(['tdx-v4', 'tdx-v5-td10', 'tdx-v5-td15'] as const)('of form %s are accepted', async (form) => {
      const claims = await verify({ quote: { form } })
      expect(claims).toMatchObject({
        kind: 'tdx',
        debug: false,
        tcb: { status: 'UpToDate' },
        measurements: { mrtd: 'a1'.repeat(48) },
      })
      expect('mrServiceTd' in claims.measurements).toBe(form === 'tdx-v5-td15')
    })

    it('of SGX are accepted', async () => {
      const claims = await verify({ quote: { form: 'sgx-v3' }, collateral: sgxCollateral })
      expect(claims).toMatchObject({ kind: 'sgx', debug: false, tcb: { status: 'UpToDate' } })
    })

    describe('revocation', () => {
      const crlCases: readonly [string, AttestationErrorCode, () => CollateralOptions][] = [
        [
          'a revoked PCK',
          'certificate-revoked',
          () => ({ pckCrl: issueCrl({ issuer: world.ca, revoked: [world.pck.serial] }) }),
        ],
        [
          'a revoked PCK CA',
          'certificate-revoked',
          () => ({ rootCrl: issueCrl({ issuer: world.root, revoked: [world.ca.serial] }) }),
        ],
        [
          'a revoked TCB signer',
          'certificate-revoked',
          () => ({ rootCrl: issueCrl({ issuer: world.root, revoked: [world.signer.serial] }) }),
        ],
        [
          'a stale PCK list',
          'crl-stale',
          () => ({ pckCrl: issueCrl({ issuer: world.ca, nextUpdate: new Date('2026-01-09T00:00:00Z') }) }),
        ],
        [
          'a stale root list',
          'crl-stale',
          () => ({ rootCrl: issueCrl({ issuer: world.root, nextUpdate: new Date('2026-01-09T00:00:00Z') }) }),
        ],
        [
          'a PCK list of tomorrow',
          'crl-not-yet-valid',
          () => ({ pckCrl: issueCrl({ issuer: world.ca, thisUpdate: new Date('2026-01-11T00:00:00Z') }) }),
        ],
        [
          'a PCK list by another key',
          'crl-signature-invalid',
          () => ({ pckCrl: issueCrl({ issuer: world.ca, signedBy: world.root.key }) }),
        ],
        [
          'a root list by another key',
          'crl-signature-invalid',
          () => ({ rootCrl: issueCrl({ issuer: world.root, signedBy: world.ca.key }) }),
        ],
        [
          'a PCK list of another CA',
          'crl-issuer-mismatch',
          () => ({
            pckCrl: issueCrl({
              issuer: issueCertificate({
                subject: 'Intel SGX PCK Processor CA',
                key: world.ca.key,
                issuer: world.root,
              }),
            }),
          }),
        ],
        [
          'a PCK list without an end',
          'crl-malformed',
          () => ({ pckCrl: issueCrl({ issuer: world.ca, nextUpdate: null }) }),
        ],
      ]
      it.each(crlCases)('refuses %s', async (_name, code, options) => {
        expect(await refusal(() => verify({ collateral: options() }))).toBe(code)
      })

      it('refuses a CA that may not sign lists', async () => {
        const own = dcapWorld({ ca: { keyUsage: [KEY_CERT_SIGN] } })
        expect(await refusal(() => verify({ world: own }))).toBe('crl-issuer-key-usage')
      })

      it('does not let the caller go without lists', async () => {
        const endorsements = collateral(world).filter(({ role }) => role !== 'pck-crl')
        const unchecked = { ...context(DCAP_AT, endorsements, [world.root.der]), revocation: 'unchecked' as const }
        expect(await refusal(() => tdx.verify(evidenceOf('tdx', buildQuote(world)), unchecked))).toBe(
          'endorsement-missing',
        )
      })
    })

    describe('form', () => {
      const u16 = (value: number) => Uint8Array.of(value & 255, value >> 8)
      const forms: readonly [string, AttestationErrorCode, QuoteOptions][] = [
        ['version 2', 'evidence-version-unsupported', { header: { 0: u16(2) } }],
        ['version 6', 'evidence-version-unsupported', { header: { 0: u16(6) } }],
        ['a P-384 attestation key', 'evidence-algorithm-unsupported', { header: { 2: u16(3) } }],
        ['an SGX body in version 4', 'evidence-version-unsupported', { header: { 4: Uint8Array.of(0, 0, 0, 0) } }],
        ['another quoting enclave vendor', 'qe-vendor-unknown', { header: { 12: u16(1) } }],
        ['a certification data type without a chain', 'evidence-version-unsupported', { certificationType: 3 }],
      ]
      it.each(forms)('refuses %s', async (_name, code, options) => {
        expect(await refusal(() => verify({ quote: options }))).toBe(code)
      })

      it('refuses a body type that version 5 does not define', async () => {
        const bytes = buildQuote(world, { form: 'tdx-v5-td10' })
        for (const [offset, value] of [
          [48, 1],
          [48, 4],
          [50, 0],
        ] as const) {
          const changed = Uint8Array.from(bytes)
          changed[offset] = value
          expect(await refusal(() => verify({ bytes: changed }))).toBe('evidence-version-unsupported')
        }
      })

      it('takes zero padding and refuses any other', async () => {
        const bytes = buildQuote(world)
        const padded = await verify({ bytes: concat(bytes, new Uint8Array(500)) })
        expect(padded.provenance.evidenceDigest).toBe((await verify({ bytes })).provenance.evidenceDigest)
        expect(await refusal(() => verify({ bytes: concat(bytes, Uint8Array.of(0, 0, 1)) }))).toBe('evidence-malformed')
      })

      it('refuses lengths that do not fit', async () => {
        const bytes = buildQuote(world)
        const sectionLength = 48 + 584
        for (const delta of [1, -1, 1000]) {
          const changed = Uint8Array.from(bytes)
          new DataView(changed.buffer).setUint32(
            sectionLength,
            new DataView(changed.buffer).getUint32(sectionLength, true) + delta,
            true,
          )
          expect(await refusal(() => verify({ bytes: changed }))).toBe('evidence-malformed')
        }
      })
    })

    describe('quoting enclave', () => {
      const stranger = generateKey('P-256')
      const cases: readonly [string, AttestationErrorCode, QuoteOptions][] = [
        ['a report signed by another key', 'qe-report-signature-invalid', { pckKey: stranger }],
        ['a quote signed by another key', 'evidence-signature-invalid', { quotingKey: stranger }],
        [
          'report data of another attestation key',
          'qe-report-data-mismatch',
          { qeReport: { 320: Uint8Array.of(0, 0) } },
        ],
        ['report data with a second half', 'qe-report-data-mismatch', { qeReport: { 383: Uint8Array.of(1) } }],
        ['another MRSIGNER', 'qe-identity-mismatch', { qeReport: { 128: Uint8Array.of(0) } }],
        ['another ISVPRODID', 'qe-identity-mismatch', { qeReport: { 256: Uint8Array.of(9) } }],
        ['another MISCSELECT', 'qe-identity-mismatch', { qeReport: { 16: Uint8Array.of(1) } }],
        ['debug', 'qe-identity-mismatch', { qeReport: { 48: Uint8Array.of(0x13) } }],
        ['an ISVSVN below every level', 'tcb-level-missing', { qeIsvSvn: 0 }],
      ]
      it.each(cases)('refuses %s', async (_name, code, options) => {
        expect(await refusal(() => verify({ quote: options }))).toBe(code)
      })

      it.each([
        [5, 'UpToDate'],
        [4, 'UpToDate'],
        [3, 'OutOfDate'],
        [1, 'Revoked'],
      ] as const)('with ISVSVN %i makes the quote %s', async (qeIsvSvn, status) => {
        expect((await verify({ quote: { qeIsvSvn } })).tcb.status).toBe(status)
      })
    })

    describe('chains', () => {
      it('refuses another root', async () => {
        const bytes = buildQuote(world)
        const endorsements = collateral(world)
        expect(await refusal(() => tdx.verify(evidenceOf('tdx', bytes), context(DCAP_AT, endorsements)))).toBe(
          'path-root-untrusted',
        )
      })

      it('refuses certificates in each other’s places', async () => {
        const chains: readonly [AttestationErrorCode, DcapWorld['root'][]][] = [
          ['evidence-malformed', [world.pck, world.root]],
          ['path-root-untrusted', [world.root, world.ca, world.pck]],
          ['path-issuer-not-ca', [world.ca, world.pck, world.root]],
        ]
        for (const [code, chain] of chains) expect(await refusal(() => verify({ quote: { chain } }))).toBe(code)
      })

      it.each([
        ['a PCK by another name', { pck: { subject: 'Intel SGX TCB Signing' } }],
        ['a CA by another name', { ca: { subject: 'Intel SGX PCK Someone' } }],
        ['a TCB signer by another name', { signer: { subject: 'Intel SGX PCK Certificate' } }],
      ] as const)('refuses %s', async (_name, change) => {
        expect(await refusal(() => verify({ world: dcapWorld(change) }))).toBe('path-subject-unexpected')
      })

      it('refuses a TCB signer below the CA instead of the root', async () => {
        const signer = issueCertificate({
          subject: 'Intel SGX TCB Signing',
          key: world.signer.key,
          issuer: world.ca,
          ca: false,
          keyUsage: [0],
        })
        const options = { signerChain: [signer, world.ca, world.root] }
        expect(await refusal(() => verify({ collateral: options }))).toBe('path-subject-unexpected')
      })

      it('refuses an expired TCB signer and collateral signed by another key', async () => {
        const expired = dcapWorld({ signer: { notAfter: new Date('2026-01-01T00:00:00Z') } })
        expect(await refusal(() => verify({ world: expired }))).toBe('certificate-expired')
        expect(await refusal(() => verify({ collateral: { signedBy: world.pck.key } }))).toBe(
          'collateral-signature-invalid',
        )
      })
    })

    describe('PCK extension', () => {
      const bad: readonly [string, AttestationErrorCode, Uint8Array][] = [
        ['none of its fields', 'pck-extension-malformed', D.sequence()],
        ['not a sequence', 'der-malformed', D.nullValue()],
        ['a field twice', 'pck-extension-malformed', twice()],
        ['a foreign arc', 'pck-extension-malformed', D.sequence(D.sequence(D.oid('1.2.3'), D.nullValue()))],
        ['a short PPID', 'pck-extension-malformed', sgxExtension({ ppid: new Uint8Array(15) })],
        ['fifteen components', 'pck-extension-malformed', sgxExtension({ components: Array(15).fill(1) })],
      ]
      function twice(): Uint8Array {
        const ppid = D.sequence(D.oid('1.2.840.113741.1.13.1.1'), D.octetString(new Uint8Array(16)))
        return D.sequence(ppid, ppid)
      }
      it.each(bad)('refuses %s', async (_name, code, value) => {
        expect(await refusal(() => verify({ world: dcapWorld({}, { extension: value }) }))).toBe(code)
      })
    })

    describe('collateral', () => {
      const info: readonly [string, AttestationErrorCode, TcbInfoOptions][] = [
        ['TCB info of SGX', 'collateral-mismatch', { id: 'SGX' }],
        ['TCB info of another FMSPC', 'collateral-mismatch', { fields: { fmspc: '00906ED50000' } }],
        ['TCB info of another PCE', 'collateral-mismatch', { fields: { pceId: '0001' } }],
        ['TCB info version 2', 'collateral-malformed', { fields: { version: 2 } }],
        ['an unknown TCB type', 'collateral-malformed', { fields: { tcbType: 1 } }],
        ['stale TCB info', 'collateral-stale', { fields: { nextUpdate: '2026-01-09T00:00:00Z' } }],
        ['TCB info of tomorrow', 'collateral-not-yet-valid', { fields: { issueDate: '2026-01-11T00:00:00Z' } }],
        ['a date with an offset', 'collateral-malformed', { fields: { issueDate: '2026-01-01T00:00:00+01:00' } }],
        ['a date that does not exist', 'collateral-malformed', { fields: { issueDate: '2025-02-30T00:00:00Z' } }],
        ['no levels', 'tcb-level-missing', { levels: [] }],
        ['an unknown status', 'collateral-malformed', { levels: [{ status: 'Fine' }] }],
        ['fifteen components', 'collateral-malformed', { levels: [{ status: 'UpToDate', sgx: Array(15).fill(1) }] }],
        ['no module for version 0', 'tdx-module-mismatch', { fields: { tdxModule: undefined } }],
        [
          'a module mask with holes',
          'collateral-malformed',
          {
            fields: {
              tdxModule: { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: '00'.repeat(8) },
            },
          },
        ],
      ]
      it.each(info)('refuses %s', async (_name, code, options) => {
        expect(await refusal(() => verify({ collateral: { tcbInfo: tcbInfo(options) } }))).toBe(code)
      })

      const identity: readonly [string, AttestationErrorCode, string][] = [
        ['the identity of the SGX quoting enclave', 'collateral-mismatch', qeIdentity({}, 'QE')],
        ['a stale identity', 'collateral-stale', qeIdentity({ nextUpdate: '2026-01-09T00:00:00Z' })],
        ['an identity of tomorrow', 'collateral-not-yet-valid', qeIdentity({ issueDate: '2026-01-11T00:00:00Z' })],
        ['an identity of version 1', 'collateral-malformed', qeIdentity({ version: 1 })],
        ['an identity without levels', 'tcb-level-missing', qeIdentity({ tcbLevels: [] })],
        ['an empty object', 'collateral-malformed', '{}'],
        ['a list', 'collateral-malformed', '[]'],
        ['not JSON', 'json-malformed', 'x'],
      ]
      it.each(identity)('refuses %s', async (_name, code, text) => {
        expect(await refusal(() => verify({ collateral: { qeIdentity: text } }))).toBe(code)
      })

      it('reports the lower evaluation number of the two', async () => {
        const claims = await verify({ collateral: { qeIdentity: qeIdentity({ tcbEvaluationDataNumber: 16 }) } })
        expect(claims.tcb.evaluationNumber).toBe(16)
      })
    })

    describe('TCB levels', () => {
      const svns = (first: number, rest = 0) => [first, ...Array<number>(15).fill(rest)]
      const at = async (options: TcbInfoOptions, quoteOptions: QuoteOptions = {}) =>
        (await verify({ collateral: { tcbInfo: tcbInfo(options) }, quote: quoteOptions })).tcb

      it('are met when every component and the PCESVN are met', async () => {
        const levels = [
          { status: 'UpToDate', sgx: Array(16).fill(6) },
          { status: 'SWHardeningNeeded', pceSvn: 14 },
          { status: 'ConfigurationNeeded', sgx: [...Array(15).fill(0), 6] },
          { status: 'OutOfDate', advisories: ['INTEL-SA-00002', 'INTEL-SA-00001'] },
        ]
        expect(await at({ levels })).toMatchObject({
          status: 'OutOfDate',
          advisories: ['INTEL-SA-00001', 'INTEL-SA-00002'],
        })
      })

      it('compare TDX components from index 0 for a module of version 0', async () => {
        const levels = [{ status: 'UpToDate', tdx: svns(5) }, { status: 'OutOfDate' }]
        expect((await at({ levels }, { teeTcbSvn: svns(5) })).status).toBe('UpToDate')
        expect((await at({ levels }, { teeTcbSvn: svns(4) })).status).toBe('OutOfDate')
      })

      it('compare TDX components from index 2 for a versioned module, whose identity judges the first', async () => {
        // Level asks for [5, 1, 3]; the module says version 1, SVN 2: index 0 is not compared with the level.
        const levels = [{ status: 'UpToDate', tdx: [5, 1, 3, ...Array(13).fill(0)] }, { status: 'OutOfDate' }]
        const modules = [
          {
            id: 'TDX_01',
            levels: [
              { isvsvn: 2, status: 'UpToDate' },
              { isvsvn: 1, status: 'OutOfDate' },
            ],
          },
        ]
        const own = (svn: readonly number[]) => ({ teeTcbSvn: [...svn, ...Array<number>(16 - svn.length).fill(0)] })
        expect((await at({ levels, modules }, own([2, 1, 3]))).status).toBe('UpToDate')
        expect((await at({ levels, modules }, own([1, 1, 3]))).status).toBe('OutOfDate')
        expect((await at({ levels, modules }, own([9, 1, 2]))).status).toBe('OutOfDate')
        expect(
          (await at({ levels, modules }, own([9, 1, 2]))).parts!.map(({ part, status }) => [part, status]),
        ).toEqual([
          ['qe', 'UpToDate'],
          ['tdxModule', 'UpToDate'],
          ['platform', 'OutOfDate'],
        ])
        expect(await refusal(() => at({ levels, modules }, own([0, 1, 3])))).toBe('tcb-level-missing')
        expect(await refusal(() => at({ levels, modules }, own([2, 3, 3])))).toBe('tdx-module-mismatch')
        expect(await refusal(() => at({ levels }, own([2, 1, 3])))).toBe('tdx-module-mismatch')
      })

      it('name module identities by two hexadecimal digits, in either case', async () => {
        const modules = [{ id: 'tdx_0a', levels: [{ isvsvn: 0, status: 'UpToDate' }] }]
        expect((await at({ modules }, { teeTcbSvn: [0, 10, ...Array<number>(14).fill(0)] })).status).toBe('UpToDate')
      })

      it('refuse a module of another signer, or with SEAM attributes', async () => {
        const other = { body: { [TD.mrSignerSeam]: Uint8Array.of(1) } }
        expect(await refusal(() => at({}, other))).toBe('tdx-module-mismatch')
        const attributes = { body: { [TD.seamAttributes]: Uint8Array.of(1) } }
        expect(await refusal(() => at({}, attributes))).toBe('tdx-module-mismatch')
        const agreed = { mrsigner: '00'.repeat(48), attributes: `01${'00'.repeat(7)}`, attributesMask: 'FF'.repeat(8) }
        expect(await refusal(() => at({ fields: { tdxModule: agreed } }, attributes))).toBe('tdx-module-mismatch')
        const modules = [{ id: 'TDX_01', mrsigner: '11'.repeat(48), levels: [{ isvsvn: 0, status: 'UpToDate' }] }]
        const versioned = { teeTcbSvn: [0, 1, ...Array<number>(14).fill(0)] }
        expect(await refusal(() => at({ modules }, versioned))).toBe('tdx-module-mismatch')
      })

      it('advise a relaunch when only the module the TD was started on is old (TDRelaunchCheck.cpp)', async () => {
        const modules = [
          {
            id: 'TDX_01',
            levels: [
              { isvsvn: 5, status: 'UpToDate' },
              { isvsvn: 2, status: 'OutOfDate' },
            ],
          },
        ]
        const launched = [2, 1, 3, ...Array<number>(13).fill(0)]
        const running = (svn: number, third = 3) =>
          ({
            form: 'tdx-v5-td15',
            teeTcbSvn: launched,
            teeTcbSvn2: [svn, 1, third, ...Array<number>(13).fill(0)],
          }) as const
        const levels = [{ status: 'UpToDate', tdx: [5, 1, 3, ...Array(13).fill(0)] }]
        expect((await at({ levels, modules }, running(5))).status).toBe('TDRelaunchAdvised')
        expect((await at({ levels, modules }, running(4))).status).toBe('OutOfDate')
        expect((await at({ levels, modules }, running(5, 2))).status).toBe('OutOfDate')
        const configuration = [{ ...levels[0]!, status: 'ConfigurationNeeded' }]
        expect((await at({ levels: configuration, modules }, running(5))).status).toBe(
          'TDRelaunchAdvisedConfigurationNeeded',
        )
        expect((await at({ levels, modules }, { ...running(5), qeIsvSvn: 3 })).status).toBe('OutOfDate')
        expect((await at({ levels, modules }, { ...running(5), form: 'tdx-v5-td10' })).status).toBe('OutOfDate')
      })
    })

    describe('TD attributes', () => {
      const with_ = (offset: number, value: number) =>
        verify({ quote: { body: { [TD.tdAttributes + offset]: Uint8Array.of(value) } } })

      it.each([0x01, 0x10, 0x80])('count 0x%s in the first byte as debug', async (value) => {
        expect((await with_(0, value)).debug).toBe(true)
      })

      it('are named', async () => {
        expect((await with_(3, 0x70)).flags).toMatchObject({
          septVeDisable: true,
          migratable: true,
          pks: true,
          perfmon: false,
        })
        expect((await with_(7, 0x80)).flags).toMatchObject({ perfmon: true })
        expect((await with_(3, 0)).flags).toMatchObject({ septVeDisable: false })
      })

      it('refuse bits without a name', async () => {
        expect(await refusal(() => with_(1, 1))).toBe('evidence-reserved-not-zero')
        expect(await refusal(() => with_(4, 1))).toBe('evidence-reserved-not-zero')
      })

      it('report a service TD', async () => {
        const bound = await verify({ quote: { form: 'tdx-v5-td15', body: { [TD.mrServiceTd]: Uint8Array.of(1) } } })
        expect(bound.flags['serviceTd']).toBe(true)
      })
    })

    it('report SGX debug', async () => {
      const claims = await verify({
        quote: { form: 'sgx-v3', body: { 48: Uint8Array.of(0x07) } },
        collateral: sgxCollateral,
      })
      expect(claims.debug).toBe(true)
    })

    it('take an event log that replays, and refuse one that does not', async () => {
      const log = (events: unknown) => [{ role: 'event-log', bytes: utf8(JSON.stringify(events)) }] as const
      // Empty registers are what an empty log replays to.
      const claims = await verify({ more: log([]) })
      expect(claims.flags['eventLog']).toBe(true)
      const event = { imr: 0, event_type: 4, digest: '00'.repeat(48), event: '', event_payload: '' }
      expect(await refusal(() => verify({ more: log([event]) }))).toBe('event-log-rtmr-mismatch')
      expect((await verify()).flags['eventLog']).toBe(false)
    })
  })
})

describe('converge', () => {
  // Intel, TcbLevelCheck.cpp and TdxModuleCheck.cpp: the whole table for an outdated component.
  const outdated: Record<TcbStatus, TcbStatus> = {
    UpToDate: 'OutOfDate',
    SWHardeningNeeded: 'OutOfDate',
    ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
    TDRelaunchAdvised: 'TDRelaunchAdvised',
    TDRelaunchAdvisedConfigurationNeeded: 'TDRelaunchAdvisedConfigurationNeeded',
    OutOfDate: 'OutOfDate',
    OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    Revoked: 'Revoked',
  }
  it.each(TCB_STATUSES)('%s', (status) => {
    expect(converge(status, 'UpToDate')).toBe(status)
    expect(converge(status, 'OutOfDate')).toBe(outdated[status])
    expect(converge(status, 'Revoked')).toBe('Revoked')
  })
})

describe('splitSigned', () => {
  const signature = 'ab'.repeat(64)

  it('cuts the exact text, with or without a line end after the body', () => {
    for (const end of ['', '\n']) {
      const { text } = splitSigned(utf8(`{"tcbInfo":{ "a": 1 },"signature":"${signature}"}${end}`), 'tcbInfo')
      expect(new TextDecoder().decode(text)).toBe('{ "a": 1 }')
    }
  })

  it.each([
    ['another name', `{"enclaveIdentity":{},"signature":"${signature}"}`],
    ['a space before the name', `{ "tcbInfo":{},"signature":"${signature}"}`],
    ['a field after the signature', `{"tcbInfo":{},"signature":"${signature}","x":1}`],
    ['a short signature', `{"tcbInfo":{},"signature":"${signature.slice(2)}"}`],
    ['a signature that is not hexadecimal', `{"tcbInfo":{},"signature":"${'zz'.repeat(64)}"}`],
    ['nothing', ''],
  ])('refuses %s', async (_name, body) => {
    expect(await refusal(() => splitSigned(utf8(body), 'tcbInfo'))).toBe('collateral-malformed')
  })
})

it('gives the same claims on both crypto adapters', async () => {
  const row = dcapCases().find(({ quote }) => quote.id === 'tdx/phala')!
  const verify = (crypto: CryptoProvider) =>
    tdx.verify(evidenceOf('tdx', readVector(row.quote.file)), {
      at: new Date(row.verifyAt),
      roots: { intel: [INTEL] },
      endorsements: dcapEndorsements(storedCollateral(row.collateral)),
      revocation: 'required',
      crypto,
    })
  const [first, second] = await Promise.all(PROVIDERS.map(verify))
  expect(first).toEqual(second)
})

it('reads every collateral set of the manifest as the manifest describes it', () => {
  for (const vector of entries('tdx/collateral/')) {
    const stored = storedCollateral(vector.id.slice('tdx/collateral/'.length))
    const text = (body: string) => JSON.parse(body)
    expect(text(stored.tcb_info)).toMatchObject(vector['tcbInfo'])
    expect(text(stored.qe_identity)).toMatchObject(vector['qeIdentity'])
  }
  expect(entry('tdx/phala').bytes).toBe(readVector('tdx/phala.quote').length)
  expect(readVectorText('README.md')).toContain('Mutations every verifier must refuse')
})

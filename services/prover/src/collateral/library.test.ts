import { VENDOR_ROOTS } from '@haca/core/tee'
import { DcapBuilder, DcapVectors, Pki } from '@haca/core/tee/testing'
import { MemoryBlobs } from '@haca/platform/blobs'
import { describe, expect, it } from 'vitest'
import type { Part, Statement } from './statement.js'
import { collateralWorld, trusted } from './testing/collateral-world.js'

const at = Date.parse('2026-02-20T00:00:00Z')
const subject = 'intel/tcb-info/tdx/90c06f000000'

/** Two genuine answers about one FMSPC, both in force on 20 February 2026, both number 18: issued on 1 and on 18 February. */
const issued = (name: 'D_90C06F_2026_02' | 'P3_90C06F_2026_02'): Statement => {
  const parts = DcapVectors.dcapEndorsements(DcapVectors.storedCollateral(name)).filter(({ role }) => role === 'tcb-info' || role === 'tcb-info-chain')
  return { subject, parts: parts as Part[] }
}
const [first, second] = [issued('D_90C06F_2026_02'), issued('P3_90C06F_2026_02')]

describe('the library of vendors’ statements', () => {
  it('takes a newer statement, knows the same again, and refuses an older one; the newer stays', async () => {
    const { library } = collateralWorld(new Date(at))
    expect((await library.admit(first, at)).outcome).toBe('newer')
    expect((await library.admit(second, at)).outcome).toBe('newer')
    expect((await library.admit(second, at)).outcome).toBe('same')
    expect((await library.admit(first, at)).outcome).toBe('older')
    expect(await library.open((await library.current(subject, at))!)).toEqual(second)
  })

  it('holds a lower evaluation number to be older, however late it was issued', async () => {
    const dcap = DcapBuilder.dcapWorld()
    const now = Date.parse('2026-01-20T00:00:00Z')
    const { library } = collateralWorld(new Date(now), { roots: { ...trusted, intel: [dcap.root.der] } })
    const info = (tcbEvaluationDataNumber: number, issueDate: string): Statement => ({
      subject: `intel/tcb-info/tdx/${DcapBuilder.FMSPC.toString('hex')}`,
      parts: DcapBuilder.collateral(dcap, { tcbInfo: DcapBuilder.tcbInfo({ fields: { tcbEvaluationDataNumber, issueDate } }) }).filter(({ role }) => role.startsWith('tcb-info')) as Part[],
    })
    expect((await library.admit(info(19, '2026-01-02T00:00:00Z'), now)).outcome).toBe('newer')
    expect((await library.admit(info(18, '2026-01-15T00:00:00Z'), now)).outcome).toBe('older')
    expect((await library.admit(info(19, '2026-01-03T00:00:00Z'), now)).outcome).toBe('newer')
    expect((await library.admit(info(20, '2026-01-01T00:00:00Z'), now)).outcome).toBe('newer')
  })

  it('holds a list that was made before another to be older', async () => {
    const dcap = DcapBuilder.dcapWorld()
    const now = Date.parse('2026-01-20T00:00:00Z')
    const { library } = collateralWorld(new Date(now), { roots: { ...trusted, intel: [dcap.root.der] } })
    const list = (day: string): Statement => ({ subject: 'intel/root-crl', parts: [{ role: 'root-crl', bytes: Pki.issueCrl({ issuer: dcap.root, thisUpdate: new Date(`2026-01-${day}T00:00:00Z`) }) }] })
    expect((await library.admit(list('10'), now)).outcome).toBe('newer')
    expect((await library.admit(list('09'), now)).outcome).toBe('older')
  })

  it('is not taken back by writers who race', async () => {
    for (let round = 0; round < 20; round++) {
      const { library } = collateralWorld(new Date(at))
      await Promise.all([library.admit(second, at), library.admit(first, at), library.admit(first, at), library.admit(second, at)])
      expect(await library.open((await library.current(subject, at))!)).toEqual(second)
    }
  })

  it('finds what was current at an earlier time', async () => {
    const { library } = collateralWorld(new Date(at))
    await library.admit(first, at)
    await library.admit(second, at)
    const then = await library.current(subject, Date.parse('2026-02-10T00:00:00Z'))
    expect(await library.open(then!)).toEqual(first)
    expect(await library.current(subject, Date.parse('2026-01-31T00:00:00Z'))).toBeUndefined()
  })

  it('is sorted again from the archive alone', async () => {
    const blobs = new MemoryBlobs()
    const { library } = collateralWorld(new Date(at), { blobs })
    await library.admit(first, at)
    await library.admit(second, at)
    const before = await blobs.list('collateral-index/')
    for (const key of before) await blobs.delete(key)
    expect(await library.current(subject, at)).toBeUndefined()
    expect(await library.rebuild()).toEqual({ kept: 2, refused: [] })
    expect(await blobs.list('collateral-index/')).toEqual(before)
  })

  it('says so when the store altered what it holds', async () => {
    const blobs = new MemoryBlobs()
    const { library } = collateralWorld(new Date(at), { blobs })
    const { entry } = await library.admit(first, at)
    await blobs.put(`collateral/${entry.parts[0]!.digest.slice(2)}`, new Uint8Array(3))
    await expect(library.open(entry)).rejects.toMatchObject({ code: 'archive.altered' })
    // The bytes themselves, and the entry that needs them.
    expect(await library.rebuild()).toMatchObject({ kept: 0, refused: [expect.stringContaining('other bytes'), expect.stringContaining('other bytes')] })
  })
})

describe('a statement is refused, and nothing of it archived', () => {
  const dcap = DcapBuilder.dcapWorld()
  const collateral = (options: DcapBuilder.CollateralOptions = {}) => DcapBuilder.collateral(dcap, options)
  const now = Date.parse('2026-01-20T00:00:00Z')
  const infoOf = (options: DcapBuilder.CollateralOptions = {}, roles = ['tcb-info', 'tcb-info-chain']): Part[] => collateral(options).filter(({ role }) => roles.includes(role)) as Part[]
  const fmspc = DcapBuilder.FMSPC.toString('hex')
  const info = `intel/tcb-info/tdx/${fmspc}`
  const foreign = DcapBuilder.dcapWorld()
  const flipped = (parts: Part[]): Part[] => parts.map((part) => (part.role === 'tcb-info' ? { ...part, bytes: part.bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) } : part))
  const chain = (certificates: readonly { pem: string }[]): Part => ({ role: 'issuer-chain', bytes: new Uint8Array(Buffer.from(certificates.map(({ pem }) => pem).join(''))) })
  const list = (options: Partial<Parameters<typeof Pki.issueCrl>[0]> = {}): Part => ({ role: 'pck-crl', bytes: Pki.issueCrl({ issuer: dcap.ca, ...options }) })

  it.each<[string, string, () => Part[], string]>([
    ['about another FMSPC than was asked', 'intel/tcb-info/tdx/000000000000', () => infoOf(), 'collateral-mismatch'],
    ['about SGX where TDX was asked', info, () => infoOf({ tcbInfo: DcapBuilder.tcbInfo({ id: 'SGX' }) }), 'collateral-mismatch'],
    ['with a byte changed', info, () => flipped(infoOf()), 'collateral-signature-invalid'],
    ['under another root', info, () => DcapBuilder.collateral(foreign).filter(({ role }) => role.startsWith('tcb-info')) as Part[], 'path-root-untrusted'],
    ['signed by the PCK', info, () => infoOf({ signedBy: dcap.pck.key, signerChain: [dcap.pck, dcap.ca, dcap.root] }), 'path-subject-unexpected'],
    ['that has run out', info, () => infoOf({ tcbInfo: DcapBuilder.tcbInfo({ fields: { nextUpdate: '2026-01-19T00:00:00Z' } }) }), 'collateral-stale'],
    ['from the future', info, () => infoOf({ tcbInfo: DcapBuilder.tcbInfo({ fields: { issueDate: '2026-01-21T00:00:00Z' } }) }), 'collateral-not-yet-valid'],
    ['without its signer', info, () => infoOf({}, ['tcb-info']), 'endorsement-missing'],
    ['with a part nobody looks at', info, () => [...infoOf(), { role: 'crl', bytes: new Uint8Array(1) }], 'endorsement-unexpected'],
    ['with a part twice', info, () => [...infoOf(), ...infoOf({}, ['tcb-info'])], 'endorsement-duplicate'],
    ['of SGX’s quoting enclave where TDX’s was asked', 'intel/qe-identity/tdx', () => collateral({ qeIdentity: DcapBuilder.qeIdentity({}, 'QE') }).filter(({ role }) => role.startsWith('qe-')) as Part[], 'collateral-mismatch'],
    ['that is the list of another CA', 'intel/pck-crl/processor', () => [list(), chain([dcap.ca, dcap.root])], 'collateral-mismatch'],
    ['that is a list signed by another key', 'intel/pck-crl/platform', () => [list({ signedBy: foreign.ca.key }), chain([dcap.ca, dcap.root])], 'crl-signature-invalid'],
    ['that is a list of the issuer’s issuer', 'intel/pck-crl/platform', () => [{ role: 'pck-crl', bytes: Pki.issueCrl({ issuer: dcap.root }) }, chain([dcap.ca, dcap.root])], 'crl-issuer-mismatch'],
    ['that is a list run out', 'intel/pck-crl/platform', () => [list({ nextUpdate: new Date('2026-01-19T00:00:00Z') }), chain([dcap.ca, dcap.root])], 'crl-stale'],
    ['that is a list without an end', 'intel/pck-crl/platform', () => [list({ nextUpdate: null }), chain([dcap.ca, dcap.root])], 'crl-malformed'],
    ['that is no list', 'intel/root-crl', () => [{ role: 'root-crl', bytes: Uint8Array.of(1, 2, 3) }], 'der-malformed'],
    ['on a subject nobody publishes', 'intel/secrets', () => infoOf(), 'collateral-mismatch'],
    ['of a vendor nobody knows', 'acme/crl', () => infoOf(), 'collateral-mismatch'],
  ])('%s', async (_what, asked, parts, code) => {
    const { library, blobs } = collateralWorld(new Date(now), { roots: { ...VENDOR_ROOTS, intel: [dcap.root.der] } })
    await expect(library.admit({ subject: asked, parts: parts() }, now)).rejects.toMatchObject({ name: 'AttestationError', code })
    expect(await blobs.list('collateral')).toEqual([])
  })
})

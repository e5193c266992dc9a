import { HARDWARE_VERIFIERS, verifyEvidence, type Collection, type EvidenceClaims } from '@haca/core/tee'
import { DcapVectors, NvidiaBuilder, Pki, SnpBuilder, Vectors } from '@haca/core/tee/testing'
import { MemoryBlobs } from '@haca/platform/blobs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Part } from './statement.js'
import { collateralWorld, collectionOf, intelReplies, rimReply, trusted, type WorldOptions } from './testing/collateral-world.js'
import { localVendor, type LocalVendor, type Replies } from './testing/local-vendors.js'

const tdxAt = '2025-06-25T00:00:00Z'
const tdx = (): Collection.KeyCollection => collectionOf('tdx', Vectors.readVector('tdx/phala.quote'))
/** What Intel said of this platform's kind in June 2025. */
const genuine = (): Replies => {
  const stored = DcapVectors.storedCollateral('P1_B0C06F_2025_06')
  return intelReplies({ endorsements: DcapVectors.dcapEndorsements(stored), listIssuerChain: stored.pck_crl_issuer_chain ?? '', fmspc: 'B0C06F000000' })
}

let vendor: LocalVendor
beforeEach(async () => {
  vendor = await localVendor()
})
afterEach(async () => vendor[Symbol.asyncDispose]())

const world = (at: string | Date, options: WorldOptions = {}) => collateralWorld(at, { url: vendor.url, ...options })
type World = ReturnType<typeof world>

/** What a verifier says of a machine with the endorsements the service gives. */
async function verify({ collateral, clock, crypto, roots }: World, collection: Collection.KeyCollection, revocation: 'required' | 'unchecked' = 'required'): Promise<EvidenceClaims> {
  const at = new Date(clock.now)
  const { endorsements } = await collateral.endorsements('machine', collection, at)
  const { evidence, endorsements: supplied } = collection.machine
  return verifyEvidence(evidence, { at, roots, endorsements: [...supplied, ...endorsements], revocation, crypto }, HARDWARE_VERIFIERS)
}

describe('genuine evidence gets what it needs from its vendor, and its verifier accepts', () => {
  it('a TDX quote, by the FMSPC and the issuer of its PCK', async () => {
    Object.assign(vendor.replies, genuine())
    const w = world(tdxAt)
    expect(await verify(w, tdx())).toMatchObject({ kind: 'tdx', product: 'fmspc:B0C06F000000', tcb: { status: 'UpToDate' }, revocation: 'checked' })
    expect(vendor.asked.toSorted()).toEqual(['/IntelSGXRootCA.der', '/sgx/certification/v4/pckcrl?ca=platform&encoding=der', '/tdx/certification/v4/qe/identity', '/tdx/certification/v4/tcb?fmspc=B0C06F000000'])
  })

  it('an SNP report, by its chip and its reported TCB', async () => {
    const report = Vectors.readVector('sev-snp/azure-genoa.report')
    const chip = Buffer.from(report.subarray(0x1a0, 0x1e0)).toString('hex')
    // The reported TCB of the README's table: 10/0/23/84.
    vendor.replies[`/vcek/v1/Genoa/${chip}?blSPL=10&teeSPL=0&snpSPL=23&ucodeSPL=84`] = { body: Vectors.derOf('sev-snp/azure-genoa.vcek.pem') }
    vendor.replies['/vcek/v1/Genoa/cert_chain'] = { body: Vectors.readVectorText('roots/amd-ask-genoa.pem') + Vectors.readVectorText('roots/amd-ark-genoa.pem') }
    const w = world('2026-06-01T00:00:00Z')
    // There is no genuine list of AMD's among the vectors.
    expect(await verify(w, collectionOf('sev-snp', report), 'unchecked')).toMatchObject({ product: 'Genoa', revocation: 'unchecked' })
  })

  it('an H100’s report, by the names of its manifests', async () => {
    vendor.replies['/v1/rim/NV_GPU_VBIOS_1010_0200_882_96005E0001'] = rimReply(Vectors.readVector('nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag'))
    const chain = Vectors.readVector('nvidia/hopper-535-vbios-5E0001.chain.pem')
    const w = world('2025-06-01T00:00:00Z')
    const collection = collectionOf('nvidia-gpu', Vectors.readVector('nvidia/hopper-535-vbios-5E0001.spdm'), [{ role: 'device-chain', bytes: chain }])
    expect(await verify(w, collection, 'unchecked')).toMatchObject({ product: 'GH100', flags: { goldenVbios: true, goldenDriver: false }, versions: { goldenVbios: '12 of 12' } })
    expect(vendor.asked).toContain('/v1/rim/NV_GPU_DRIVER_GH100_535.86.09')
    expect(vendor.asked.filter((path) => path === '/')).toHaveLength(3)
  })

  it('and says by digest what it gave', async () => {
    Object.assign(vendor.replies, genuine())
    const w = world(tdxAt)
    const { endorsements, used } = await w.collateral.endorsements('machine', tdx(), new Date(w.clock.now))
    expect(used.map(({ piece, role }) => `${piece}/${role}`)).toEqual(endorsements.map(({ role }) => `machine/${role}`))
    for (const [i, { digest }] of used.entries()) expect(await w.archive.collateral(digest)).toEqual(endorsements[i]!.bytes)
  })
})

describe('synthetic evidence under roots of its own', () => {
  it('an SNP machine gets AMD’s list, and is refused once its issuer is on it', async () => {
    const amd = SnpBuilder.snpWorld('Genoa')
    const roots = { ...trusted, amd: { Genoa: amd.ark.der } }
    const report = SnpBuilder.snpReport(amd)
    const list = (revoked: Uint8Array[], day: string) => Pki.issueCrl({ issuer: amd.ark, revoked, thisUpdate: new Date(`2026-01-${day}T00:00:00Z`), nextUpdate: new Date('2026-02-01T00:00:00Z') })
    vendor.replies['/vcek/v1/Genoa/crl'] = { body: list([], '01') }
    const supplied = [{ role: 'vek', bytes: amd.vek.der }, { role: 'vek-issuer', bytes: amd.ask.der }] as const
    const w = world(SnpBuilder.SNP_AT, { roots })
    expect(await verify(w, collectionOf('sev-snp', report, supplied))).toMatchObject({ revocation: 'checked' })
    expect(vendor.asked).toEqual(['/vcek/v1/Genoa/crl'])

    let heard = 0
    w.collateral.onChange(() => heard++)
    vendor.replies['/vcek/v1/Genoa/crl'] = { body: list([amd.ask.serial], '10') }
    w.clock.now += 7 * 3_600_000
    await w.collateral.refresh()
    expect(heard).toBe(1)
    await expect(verify(w, collectionOf('sev-snp', report, supplied))).rejects.toMatchObject({ code: 'certificate-revoked' })
  })

  it('a GPU gets an answer for each certificate, and is refused once one is revoked', async () => {
    const device = NvidiaBuilder.deviceWorld()
    const roots = { ...trusted, nvidia: [device.root.der] }
    const answers = NvidiaBuilder.ocspAnswers(device)
    const serials = [device.identity, device.provisioner, device.architecture].map(({ serial }) => Buffer.from(serial))
    // The responder reads which certificate is meant, as NVIDIA's does: by its serial number in the request.
    vendor.replies['/'] = ({ body }) => ({ body: answers[serials.findIndex((serial) => Buffer.from(body).indexOf(serial) > 0)]! })
    const collection = collectionOf('nvidia-gpu', NvidiaBuilder.deviceReport(device), [{ role: 'device-chain', bytes: NvidiaBuilder.chainOf(device) }])
    expect(await verify(world(NvidiaBuilder.DEVICE_AT, { roots }), collection)).toMatchObject({ revocation: 'checked', flags: { ocspGood: true } })
    answers[0] = Pki.issueOcsp({ certificate: device.identity, issuer: device.provisioner, status: 'revoked' })
    await expect(verify(world(NvidiaBuilder.DEVICE_AT, { roots }), collection)).rejects.toMatchObject({ code: 'certificate-revoked' })
  })
})

describe('what strangers make us ask', () => {
  it('is remembered for as many subjects as have room, and the oldest makes way', async () => {
    const report = Vectors.readVector('sev-snp/azure-genoa.report')
    const w = world('2026-06-01T00:00:00Z')
    // Nobody but AMD can tell an invented chip from a real one, so that each is asked about.
    const invented = (n: number): Collection.KeyCollection => {
      const bytes = new Uint8Array(report)
      new DataView(bytes.buffer).setUint32(0x1a0, n)
      return collectionOf('sev-snp', bytes)
    }
    const ask = async (n: number): Promise<unknown> => w.collateral.endorsements('machine', invented(n), new Date(w.clock.now))
    const asked = (): number => vendor.asked.filter((path) => path.startsWith('/vcek/v1/Genoa/00000000')).length
    await ask(0)
    await ask(0)
    expect(asked()).toBe(1)
    for (let n = 1; n <= 1_000; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => ask(n + i)))
    await ask(0)
    expect(asked()).toBe(2)
  })
})

describe('a vendor is asked', () => {
  beforeEach(() => void Object.assign(vendor.replies, genuine()))

  it('once for a platform, by however many keys at once; the rest comes from the archive, also after a restart', async () => {
    const first = world(tdxAt)
    await Promise.all([1, 2, 3].map(() => verify(first, tdx())))
    expect(vendor.asked).toHaveLength(4)
    await verify(world(tdxAt, { blobs: first.blobs }), tdx())
    expect(vendor.asked).toHaveLength(4)
  })

  it('never on the word of a stranger: a quote with another root’s path asks nothing', async () => {
    const w = world(tdxAt, { roots: { ...trusted, intel: [Vectors.derOf('roots/nvidia-device-identity-root.pem')] } })
    expect(await w.collateral.endorsements('machine', tdx(), new Date(w.clock.now))).toEqual({ endorsements: [], used: [] })
    const garbage = collectionOf('tdx', new Uint8Array(100))
    expect(await w.collateral.endorsements('machine', garbage, new Date(w.clock.now))).toEqual({ endorsements: [], used: [] })
    expect(vendor.asked).toEqual([])
  })

  it('and is left alone for a while when it does not answer; whoever waits is told to come again', async () => {
    for (const path of Object.keys(vendor.replies)) vendor.replies[path] = { status: 503 }
    const w = world(tdxAt)
    await expect(verify(w, tdx())).rejects.toMatchObject({ code: 'collateral.unreachable', retryable: true })
    const asked = vendor.asked.length
    await expect(verify(w, tdx())).rejects.toMatchObject({ code: 'collateral.unreachable' })
    expect(vendor.asked.length - asked).toBeLessThanOrEqual(6)
    Object.assign(vendor.replies, genuine())
    w.clock.now += 31_000
    expect(await verify(w, tdx())).toMatchObject({ kind: 'tdx' })
  })

  it('and what it does not have is missed by the verifier, not by us', async () => {
    delete vendor.replies['/tdx/certification/v4/tcb?fmspc=B0C06F000000']
    await expect(verify(world(tdxAt), tdx())).rejects.toMatchObject({ code: 'endorsement-missing' })
  })

  it('and an answer that does not hold is archived by nobody', async () => {
    const { body, headers } = vendor.replies['/IntelSGXRootCA.der'] as { body: Uint8Array; headers?: Record<string, string> }
    const forged = body.slice()
    forged[forged.length - 1]! ^= 1
    vendor.replies['/IntelSGXRootCA.der'] = { body: forged, ...(headers ? { headers } : {}) }
    const w = world(tdxAt)
    await expect(verify(w, tdx())).rejects.toMatchObject({ code: 'collateral.refused', retryable: true })
    expect(await w.library.current('intel/root-crl', w.clock.now)).toBeUndefined()
  })
})

describe('while a vendor is away', () => {
  it('the old stays, until it runs out; then the verifier refuses it for its date', async () => {
    Object.assign(vendor.replies, genuine())
    const w = world(tdxAt)
    await verify(w, tdx())
    for (const path of Object.keys(vendor.replies)) vendor.replies[path] = { broken: true }
    w.clock.now += 7 * 3_600_000
    await w.collateral.refresh()
    expect(await verify(w, tdx())).toMatchObject({ kind: 'tdx' })
    w.clock.now = Date.parse('2025-08-25T00:00:00Z')
    await expect(verify(w, tdx())).rejects.toMatchObject({ code: 'crl-stale' })
  })

  it('an air-gapped prover knows what was imported, and asks nobody', async () => {
    Object.assign(vendor.replies, genuine())
    const online = world(tdxAt)
    await verify(online, tdx())
    const before = vendor.asked.length
    const offline = collateralWorld(tdxAt, { blobs: online.blobs })
    expect(await verify(offline, tdx())).toMatchObject({ kind: 'tdx' })
    await expect(verify(collateralWorld(tdxAt), tdx())).rejects.toMatchObject({ code: 'endorsement-missing' })
    expect(vendor.asked).toHaveLength(before)
  })

  it('what another process imports is noticed, and whoever rests on its predecessor hears of it', async () => {
    const at = '2026-02-20T00:00:00Z'
    const blobs = new MemoryBlobs()
    const [prover, importer] = [collateralWorld(at, { blobs }), collateralWorld(at, { blobs })]
    const imported = async (name: string): Promise<void> => {
      const stored = DcapVectors.storedCollateral(name)
      const of = (...roles: string[]): Part[] => DcapVectors.dcapEndorsements(stored).filter(({ role }) => roles.includes(role)) as Part[]
      await importer.library.admit({ subject: 'intel/root-crl', parts: of('root-crl') }, importer.clock.now)
      await importer.library.admit({ subject: 'intel/pck-crl/platform', parts: [...of('pck-crl'), { role: 'issuer-chain', bytes: new Uint8Array(Buffer.from(stored.pck_crl_issuer_chain ?? '')) }] }, importer.clock.now)
      await importer.library.admit({ subject: 'intel/tcb-info/tdx/90c06f000000', parts: of('tcb-info', 'tcb-info-chain') }, importer.clock.now)
      await importer.library.admit({ subject: 'intel/qe-identity/tdx', parts: of('qe-identity', 'qe-identity-chain') }, importer.clock.now)
    }
    let heard = 0
    const stop = prover.collateral.onChange(() => heard++)
    await imported('D_90C06F_2026_02')
    const quote = collectionOf('tdx', Vectors.readVector('tdx/go_tdx_v5.quote'))
    expect(await verify(prover, quote)).toMatchObject({ product: 'fmspc:90C06F000000', tcb: { status: 'UpToDate' } })
    await prover.collateral.refresh()
    expect(heard).toBe(0)
    await imported('P3_90C06F_2026_02')
    await prover.collateral.refresh()
    expect(heard).toBe(1)
    await prover.collateral.refresh()
    expect(heard).toBe(1)
    expect(await verify(prover, quote)).toMatchObject({ tcb: { status: 'UpToDate' } })
    stop()
  })
})

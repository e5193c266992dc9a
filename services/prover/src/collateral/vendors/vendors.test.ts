import { Cbor, type TrustAnchors } from '@haca/core/tee'
import { NitroBuilder, NvidiaBuilder, Pki, SnpBuilder, Vectors } from '@haca/core/tee/testing'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { needsOf } from '../needs.js'
import type { Part } from '../statement.js'
import { collateralWorld, collectionOf, trusted } from '../testing/collateral-world.js'
import { localVendor } from '../testing/local-vendors.js'

const at = SnpBuilder.SNP_AT
const now = at.getTime()
const pem = (...certificates: readonly { pem: string }[]): Uint8Array => new Uint8Array(Buffer.from(certificates.map((one) => one.pem).join('')))
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

const admit = (roots: TrustAnchors, subject: string, parts: readonly Part[]): Promise<unknown> => collateralWorld(at, { roots: { ...trusted, ...roots } }).library.admit({ subject, parts }, now)

describe('AMD', () => {
  const amd = SnpBuilder.snpWorld('Genoa')
  const roots = { amd: { Genoa: amd.ark.der } }
  const chip = Buffer.from(SnpBuilder.chipId('Genoa')).toString('hex')
  const tcb = Buffer.from(SnpBuilder.TCB).toString('hex')
  const parts: Part[] = [{ role: 'vek', bytes: amd.vek.der }, { role: 'issuer-chain', bytes: amd.ask.der }]

  it('’s key is kept for the chip and the TCB it was made for, and for no other', async () => {
    expect(await admit(roots, `amd/vcek/Genoa/${chip}/${tcb}`, parts)).toMatchObject({ outcome: 'newer' })
    for (const other of [`amd/vcek/Genoa/${'00'.repeat(64)}/${tcb}`, `amd/vcek/Genoa/${chip}/${'01'.repeat(8)}`]) await expect(admit(roots, other, parts)).rejects.toMatchObject({ code: 'collateral-mismatch' })
  })

  it('’s key is refused under another product’s root, another issuer, or when its path has run out', async () => {
    await expect(admit({ amd: {} }, `amd/vcek/Genoa/${chip}/${tcb}`, parts)).rejects.toMatchObject({ code: 'path-root-untrusted' })
    const other = SnpBuilder.snpWorld('Genoa', { vek: { signedBy: Pki.generateKey('P-384') } })
    await expect(admit({ amd: { Genoa: other.ark.der } }, `amd/vcek/Genoa/${chip}/${tcb}`, [{ role: 'vek', bytes: other.vek.der }, { role: 'issuer-chain', bytes: other.ask.der }])).rejects.toMatchObject({ code: 'certificate-signature-invalid' })
    const old = SnpBuilder.snpWorld('Genoa', { ask: { notAfter: new Date('2026-01-01T00:00:00Z') } })
    await expect(admit({ amd: { Genoa: old.ark.der } }, 'amd/issuer/Genoa/vcek', [{ role: 'vek-issuer', bytes: old.ask.der }])).rejects.toMatchObject({ code: 'certificate-expired' })
  })

  it('’s issuers are kept by the keys they issue; the genuine ones of three products are', async () => {
    const { library } = collateralWorld('2026-06-01T00:00:00Z')
    for (const product of ['Milan', 'Genoa', 'Turin']) {
      const [ask, , asvk] = ['ask', 'ark', 'asvk'].map((_, i) => Vectors.derList(`roots/amd-ask-ark-asvk-${product.toLowerCase()}.pem`)[i])
      const issued = (key: string, bytes: Uint8Array) => library.admit({ subject: `amd/issuer/${product}/${key}`, parts: [{ role: 'vek-issuer', bytes }] }, Date.parse('2026-06-01T00:00:00Z'))
      expect(await issued('vcek', ask!), product).toMatchObject({ outcome: 'newer' })
      expect(await issued('vlek', asvk!), product).toMatchObject({ outcome: 'newer' })
      await expect(issued('vlek', ask!), product).rejects.toMatchObject({ code: 'collateral-mismatch' })
    }
  })

  it('’s list is refused from anybody but the pinned root', async () => {
    const list = (issuer: Pki.TestCertificate): Part[] => [{ role: 'crl', bytes: Pki.issueCrl({ issuer }) }]
    expect(await admit(roots, 'amd/crl/Genoa', list(amd.ark))).toMatchObject({ outcome: 'newer' })
    await expect(admit(roots, 'amd/crl/Genoa', list(amd.ask))).rejects.toMatchObject({ code: 'crl-issuer-mismatch' })
  })
})

describe('NVIDIA', () => {
  const device = NvidiaBuilder.deviceWorld()
  const roots = { nvidia: [device.root.der] }
  const subject = `nvidia/ocsp/${sha256(device.identity.der)}`
  const chain: Part = { role: 'issuer-chain', bytes: pem(device.identity, device.provisioner, device.architecture, device.root) }
  const answer = (options: Partial<Pki.OcspOptions> = {}): Part => ({ role: 'ocsp', bytes: Pki.issueOcsp({ certificate: device.identity, issuer: device.provisioner, ...options }) })

  it('’s answers are kept whatever they say', async () => {
    for (const status of ['good', 'revoked', 'unknown'] as const) expect(await admit(roots, subject, [answer({ status }), chain]), status).toMatchObject({ outcome: 'newer' })
  })

  it.each<[string, () => Part[], string]>([
    ['about another certificate', () => [answer({ certificate: device.provisioner }), chain], 'ocsp-certificate-mismatch'],
    ['signed by somebody else', () => [answer({ signedBy: Pki.generateKey('P-384') }), chain], 'ocsp-signature-invalid'],
    ['run out', () => [answer({ nextUpdate: new Date('2026-01-10T11:00:00Z') }), chain], 'ocsp-stale'],
    ['that is none', () => [answer({ responseStatus: 6 }), chain], 'ocsp-not-successful'],
    ['with the path of another certificate', () => [answer(), { role: 'issuer-chain', bytes: pem(device.provisioner, device.architecture, device.root) }], 'ocsp-certificate-mismatch'],
    ['with a path under no pinned root', () => [answer(), { role: 'issuer-chain', bytes: pem(device.identity, device.provisioner, device.architecture) }], 'path-root-untrusted'],
  ])('’s answer %s is refused', async (_what, parts, code) => {
    await expect(admit(roots, subject, parts())).rejects.toMatchObject({ code })
  })

  it('’s manifest is refused where nobody signs golden values, and an imported signature is not believed', async () => {
    const rimAt = Date.parse('2025-06-01T00:00:00Z')
    const manifest: Part = { role: 'manifest', bytes: Vectors.readVector('nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag') }
    const name = 'nvidia/rim/NV_GPU_VBIOS_1010_0200_882_96005E0001'
    const { library } = collateralWorld(new Date(rimAt))
    const foreign = NvidiaBuilder.jws(NvidiaBuilder.goldenValues({ component: 'vbios' }), Pki.generateKey('P-384'))
    const { entry } = await library.admit({ subject: name, parts: [manifest, { role: 'golden-values', bytes: foreign }] }, rimAt)
    const kept = await library.open(entry)
    expect(kept.parts.find(({ role }) => role === 'golden-values')?.bytes).not.toEqual(foreign)
    // What is kept is ours, and is known again: converting once more would change its digest.
    expect(await library.admit(kept, rimAt)).toMatchObject({ outcome: 'same' })
    await expect(library.admit({ subject: 'nvidia/rim/NV_GPU_VBIOS_1010_0200_882_96005E0002', parts: [manifest] }, rimAt)).rejects.toMatchObject({ code: 'golden-values-malformed' })
  })
})

describe('AWS', () => {
  const nitro = NitroBuilder.nitroHierarchy()
  const roots = { ...trusted, aws: [nitro.root.der] }
  const document = NitroBuilder.signNitro(Cbor.encode(NitroBuilder.nitroFields(nitro)), nitro)
  const uris = { root: 'http://crl.test/root.crl', regional: 'http://crl.test/regional.crl' }

  it('’s lists are those that a document’s certificates name, with the path of their issuers', async () => {
    const { crypto } = collateralWorld(at)
    const needs = await needsOf(collectionOf('nitro', document).machine, at, { roots, crypto, goldenValues: false })
    expect(needs.map(({ subject }) => subject)).toEqual([`aws/crl/${sha256(uris.regional)}`, `aws/crl/${sha256(uris.root)}`])
  })

  it('’s lists come from a mirror where one is set; from no other host than AWS’s where none is', async () => {
    await using vendor = await localVendor({ '/root.crl': { body: Pki.issueCrl({ issuer: nitro.root }) }, '/regional.crl': { body: Pki.issueCrl({ issuer: nitro.regional }) } })
    const mirrored = collateralWorld(at, { roots, url: vendor.url })
    const { endorsements } = await mirrored.collateral.endorsements('machine', collectionOf('nitro', document), at)
    expect(endorsements.map(({ role }) => role)).toEqual(['crl', 'crl'])
    expect(vendor.asked.toSorted()).toEqual(['/regional.crl', '/root.crl'])
    const direct = collateralWorld(at, { roots, url: vendor.url, mirrored: false })
    expect((await direct.collateral.endorsements('machine', collectionOf('nitro', document), at)).endorsements).toEqual([])
    expect(vendor.asked).toHaveLength(2)
  })

  it('’s list is refused from another address, another issuer, or for another scope', async () => {
    const parts = (crl: Uint8Array, issuer: readonly { pem: string }[] = [nitro.root], location = uris.root): Part[] => [{ role: 'crl', bytes: crl }, { role: 'location', bytes: new Uint8Array(Buffer.from(location)) }, { role: 'issuer-chain', bytes: pem(...issuer) }]
    const subject = `aws/crl/${sha256(uris.root)}`
    const list = Pki.issueCrl({ issuer: nitro.root })
    expect(await admit(roots, subject, parts(list))).toMatchObject({ outcome: 'newer' })
    await expect(admit(roots, subject, parts(list, [nitro.root], uris.regional))).rejects.toMatchObject({ code: 'collateral-mismatch' })
    await expect(admit(roots, subject, parts(list, [nitro.regional, nitro.root]))).rejects.toMatchObject({ code: 'crl-issuer-mismatch' })
    await expect(admit(roots, `aws/crl/${sha256('file:///etc/passwd')}`, parts(list, [nitro.root], 'file:///etc/passwd'))).rejects.toMatchObject({ code: 'collateral-mismatch' })
    const scoped = Pki.issueCrl({ issuer: nitro.root, extensions: [Pki.extension('2.5.29.28', true, sequenceOf(Pki.distributionPoint('http://crl.test/other.crl')))] })
    await expect(admit(roots, subject, parts(scoped))).rejects.toMatchObject({ code: 'crl-scope-mismatch' })
  })
})

/** A SEQUENCE of less than 128 bytes. */
const sequenceOf = (contents: Uint8Array): Uint8Array => new Uint8Array(Buffer.concat([Buffer.from([0x30, contents.length]), contents]))

import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { NVIDIA_MANIFEST_ROOT } from '@haca/core/tee/collateral'
import { GoldenValues } from '@haca/core/tee'
import { Vectors } from '@haca/core/tee/testing'
import { describe, expect, it } from 'vitest'
import { goldenPayload, goldenSigner } from './golden-values.js'
import { openManifest, parseManifestId } from './reference-manifest.js'
import { canonicalize, parseXml } from './xml.js'

const driverFile = 'nvidia/rim/driver-GH100-550.144.03.xml'
const vbiosFile = 'nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag'
const driverId = 'NV_GPU_DRIVER_GH100_550.144.03'
const vbiosId = 'NV_GPU_VBIOS_1010_0200_882_96005E0001'
/** When xmlsec1 verified them (vectors/tee/README.md). */
const driverAt = Date.parse('2026-06-01T00:00:00Z')
const vbiosAt = Date.parse('2025-06-01T00:00:00Z')

const crypto = nodeCrypto()
const roots = [NVIDIA_MANIFEST_ROOT]
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const open = (bytes: Uint8Array, id = driverId, at = driverAt, pinned = roots) => openManifest(bytes, parseManifestId(id), { roots: pinned, at, crypto })
const changed = (from: string | RegExp, to: string): Uint8Array => {
  const before = Vectors.readVectorText(driverFile)
  const after = before.replace(from, to)
  expect(after).not.toBe(before)
  return text(after)
}
const reasonOf = async (promise: Promise<unknown>): Promise<string> => promise.then(() => 'accepted', (error: { code: string }) => error.code)

describe('a genuine reference manifest', () => {
  it('of a driver is verified and read', async () => {
    const manifest = await open(Vectors.readVector(driverFile))
    expect(manifest).toMatchObject({ product: 'GH100', version: '550.144.03', revision: 0, notBefore: Date.parse('2024-12-30T16:56:50Z'), notAfter: Date.parse('2026-12-30T16:56:50Z') })
    // Counted in the file: grep -c 'active="True"'.
    expect(manifest.measurements).toHaveLength(21)
    expect(manifest.measurements[0]).toEqual({ index: 7, digests: ['4a5e4b3d501fe31f91bd8b6f2921b58437704a504dbedba971440e840c938c805612689ae3ac04b1009515a179063d49'] })
  })

  it('of a VBIOS is verified and read', async () => {
    expect(await open(Vectors.readVector(vbiosFile), vbiosId, vbiosAt)).toMatchObject({ product: 'GH100', version: '96.00.5E.00.01' })
  })

  it('becomes golden values that a verifier takes, under the key of whoever converted it', async () => {
    const source = Vectors.readVector(vbiosFile)
    const id = parseManifestId(vbiosId)
    const signer = goldenSigner(new Uint8Array(48).fill(7))
    const jws = signer.sign(goldenPayload(vbiosId, id, await open(source, vbiosId, vbiosAt), source))
    const golden = await GoldenValues.openGoldenValues(jws, [signer.publicKey], vbiosAt, crypto)
    expect(golden).toMatchObject({ component: 'vbios', product: 'GH100', version: '96.00.5E.00.01', sourceId: vbiosId, board: { project: '1010', projectSku: '0200', chipSku: '882' } })
    await expect(GoldenValues.openGoldenValues(jws, [goldenSigner(new Uint8Array(48).fill(8)).publicKey], vbiosAt, crypto)).rejects.toMatchObject({ code: 'golden-values-signature-invalid' })
  })
})

describe('a reference manifest is refused', () => {
  it.each([
    ['with the signature that NVIDIA’s own negative sample has', () => Vectors.readVector('nvidia/rim/negative-incorrect-signature.xml'), 'golden-values-signature-invalid'],
    ['with another digest in it', () => changed('4a5e4b3d', '4a5e4b3e'), 'golden-values-signature-invalid'],
    ['with an inactive measurement made active', () => changed('index="0" active="False"', 'index="0" active="True"'), 'golden-values-signature-invalid'],
    ['with a blank more between elements', () => changed('<ns0:Payload', ' <ns0:Payload'), 'golden-values-signature-invalid'],
    ['with another digest value signed', () => changed('BqNofyPE', 'BqNofyPF'), 'golden-values-signature-invalid'],
    ['with a signature altered', () => changed('TM4DnjO+', 'TM4DnjO/'), 'golden-values-signature-invalid'],
    ['with another signature method', () => changed('#ecdsa-sha384"/>', '#ecdsa-sha256"/>'), 'golden-values-malformed'],
    ['with exclusive canonicalisation', () => changed(/2006\/12\/xml-c14n11/, '2001/10/xml-exc-c14n'), 'golden-values-malformed'],
    ['with a reference to a part of it', () => changed('Reference URI=""', 'Reference URI="#a"'), 'golden-values-malformed'],
    ['with its signature not below the root', () => changed('</ns0:Payload>', '<x><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></x></ns0:Payload>'), 'golden-values-malformed'],
    ['with a document type', () => text(`<!DOCTYPE a [<!ENTITY b "c">]>${Vectors.readVectorText(driverFile)}`), 'golden-values-malformed'],
    ['with a comment', () => changed('<ns0:Entity', '<!-- x --><ns0:Entity'), 'golden-values-malformed'],
    ['with a processing instruction', () => changed('<ns0:Entity', '<?x y?><ns0:Entity'), 'golden-values-malformed'],
    ['with a CDATA section', () => changed('<ns0:Entity', '<![CDATA[ ]]><ns0:Entity'), 'golden-values-malformed'],
    ['with an unknown entity', () => changed('name="NVIDIA Corporation"', 'name="&nvidia;"'), 'golden-values-malformed'],
    ['with an attribute twice', () => changed('index="0"', 'index="0" index="1"'), 'golden-values-malformed'],
    ['cut short', () => Vectors.readVector(driverFile).subarray(0, 20_000), 'golden-values-malformed'],
    ['that is nothing', () => new Uint8Array(), 'golden-values-malformed'],
    ['beyond its size', () => new Uint8Array(1024 * 1024 + 1), 'endorsement-too-large'],
  ])('%s', async (_what, bytes, code) => {
    expect(await reasonOf(open(bytes()))).toBe(code)
  })

  it('under another root, before its signer’s time and after it', async () => {
    const bytes = Vectors.readVector(driverFile)
    expect(await reasonOf(open(bytes, driverId, driverAt, [Vectors.derOf('roots/nvidia-device-identity-root.pem')]))).toBe('path-root-untrusted')
    expect(await reasonOf(open(bytes, driverId, Date.parse('2024-12-30T16:56:49Z')))).toBe('certificate-not-yet-valid')
    expect(await reasonOf(open(bytes, driverId, Date.parse('2026-12-30T16:56:51Z')))).toBe('certificate-expired')
  })

  it('when another one was asked for', async () => {
    for (const id of ['NV_GPU_DRIVER_GH100_550.144.04', 'NV_GPU_DRIVER_GB100_550.144.03', 'NV_GPU_VBIOS_1010_0200_882_96005E0001']) expect(await reasonOf(open(Vectors.readVector(driverFile), id))).toBe('golden-values-malformed')
    expect(() => parseManifestId('NV_GPU_DRIVER_../../x_1')).toThrow('golden-values-malformed')
  })

  it('with any byte changed, except where none is signed and nothing is read', async () => {
    const genuine = Vectors.readVector(driverFile)
    const accepted: number[] = []
    // 609 of 21,290 bytes: one in 35.
    for (let i = 0; i < genuine.length; i += 35) {
      const bytes = genuine.slice()
      bytes[i]! ^= 1
      if ((await reasonOf(open(bytes))) === 'accepted') accepted.push(i)
    }
    expect(accepted).toEqual([])
  }, 60_000)
})

describe('canonical XML', () => {
  // Expected values by hand from www.w3.org/TR/xml-c14n11, sections 2.3 and 3.
  it.each([
    ['empty elements are written as pairs, quotes are double', `<a b='c'/>`, '<a b="c"></a>'],
    ['attributes are sorted by namespace, then name; declarations come first', '<a z="1" p:y="2" b="3" xmlns:p="u"/>', '<a xmlns:p="u" b="3" z="1" p:y="2"></a>'],
    ['declarations in force are not repeated', '<a xmlns="u"><b xmlns="u"/></a>', '<a xmlns="u"><b></b></a>'],
    ['an undeclared default is written where one was in force', '<a xmlns="u"><b xmlns=""/></a>', '<a xmlns="u"><b xmlns=""></b></a>'],
    ['special characters are escaped', '<a b="&#9;&quot;&lt;&gt;">&lt;&gt;&amp;&#13;"</a>', '<a b="&#x9;&quot;&lt;>">&lt;&gt;&amp;&#xD;"</a>'],
    ['line ends are one character', '<a>\r\nb\r</a>', '<a>\nb\n</a>'],
  ])('%s', (_rule, xml, expected) => {
    expect(canonicalize(parseXml(text(xml)))).toBe(expected)
  })

  it('writes every namespace in scope on a part of a document', () => {
    const root = parseXml(text('<a xmlns="u" xmlns:p="v"><b/></a>'))
    expect(canonicalize(root.children[0] as never)).toBe('<b xmlns="u" xmlns:p="v"></b>')
  })
})

import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex } from './bytes.js'
import { commonName, extKeyUsages, parseCertificate } from './certificate.js'
import { parseCrl } from './crl.js'
import { verifySignature } from './signature.js'
import { dcapCases, storedCollateral } from './testing/dcap-vectors.js'
import { PROVIDERS } from './testing/providers.js'
import { derList, manifest, readVector, readVectorText } from './testing/vectors.js'

/** Every certificate in the vectors, once. */
function certificates(): Uint8Array[] {
  const files = manifest().flatMap(({ file, certificateChain, endorsement }) => [
    ...(/\.(pem|der|crt)$/.test(file) ? [file] : []),
    ...(certificateChain ? [certificateChain.file] : []),
    ...(endorsement ? [endorsement.file] : []),
  ])
  const stored = dcapCases().map(({ collateral }) => storedCollateral(collateral))
  const pems = stored.flatMap((one) => [one.tcb_info_issuer_chain, one.qe_identity_issuer_chain])
  const quotes = dcapCases().map(({ quote }) => new TextDecoder('latin1').decode(readVector(quote.file)))
  const blocks = [...[...pems, ...quotes].join('').matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)]
  const ders = [...files.flatMap(derList), ...blocks.map(([, body]) => new Uint8Array(Buffer.from(body!, 'base64')))]
  return [...new Map(ders.map((der) => [toHex(der), der])).values()]
}

describe('parseCertificate, against OpenSSL', () => {
  const all = certificates()

  it('reads the same of every certificate in the vectors', () => {
    for (const der of all) {
      const [mine, theirs] = [parseCertificate(der), new X509Certificate(der)]
      expect(BigInt(`0x${toHex(mine.serial)}`)).toBe(BigInt(`0x${theirs.serialNumber}`))
      expect(mine.notBefore).toBe(Date.parse(theirs.validFrom))
      expect(mine.notAfter).toBe(Date.parse(theirs.validTo))
      expect(mine.isCa).toBe(theirs.ca)
      expect(commonName(mine.subject)).toBe(/^CN=(.*)$/m.exec(theirs.subject)?.[1])
      expect(commonName(mine.issuer)).toBe(/^CN=(.*)$/m.exec(theirs.issuer)?.[1])
      const spki = theirs.publicKey.export({ type: 'spki', format: 'der' })
      expect(spki.includes(Buffer.from(mine.publicKey.bits))).toBe(true)
      expect(extKeyUsages(mine)).toEqual(theirs.keyUsage ?? [])
    }
    console.info(`certificates: ${all.length} compared with OpenSSL`)
    expect(all.length).toBeGreaterThan(40)
  })

  it('finds the same issuers by signature', async () => {
    let links = 0
    for (const der of all) {
      const [mine, theirs] = [parseCertificate(der), new X509Certificate(der)]
      for (const other of all) {
        const [issuer, x509] = [parseCertificate(other), new X509Certificate(other)]
        if (!theirs.checkIssued(x509)) continue
        const genuine = theirs.verify(x509.publicKey)
        links += genuine ? 1 : 0
        expect(await verifySignature(PROVIDERS[0]!, issuer.publicKey, mine.signature, mine.tbs)).toBe(genuine)
      }
    }
    console.info(`certificates: ${links} issuer signatures agree with OpenSSL`)
    expect(links).toBeGreaterThan(40)
  })
})

describe('parseCrl', () => {
  it('authenticates every list in the vectors by the issuer beside it', async () => {
    const sets = manifest().filter(({ kind }) => kind === 'dcap-collateral')
    for (const { id, tcbInfo } of sets) {
      const stored = JSON.parse(readVectorText(`${id}.json`)) as Record<string, string>
      const [root] = [
        ...stored['tcb_info_issuer_chain']!.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g),
      ].slice(-1)
      const issuer = parseCertificate(new Uint8Array(Buffer.from(root![1]!, 'base64')))
      const raw = new Uint8Array(Buffer.from(stored['root_ca_crl']!, 'hex'))
      const at = Date.parse(tcbInfo.issueDate) + 86_400_000
      const crl = await parseCrl(raw).authenticate(issuer, at, PROVIDERS[0]!)
      expect(crl.covers(issuer, [])).toBe(true)
    }
    expect(sets.length).toBe(10)
  })
})

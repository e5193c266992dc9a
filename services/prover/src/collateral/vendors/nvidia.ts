import { AppError } from '@haca/core'
import { GoldenValues } from '@haca/core/tee'
import { authenticateOcsp, decodeBase64, decodeCertificates, ensure, equal, fromUtf8, OCSP_BYTES_MAX, parseCertificate, refuse, verifyIssuerPath } from '@haca/core/tee/collateral'
import { goldenPayload } from '../manifest/golden-values.js'
import { openManifest, parseManifestId } from '../manifest/reference-manifest.js'
import { XML_BYTES_MAX } from '../manifest/xml.js'
import { onlyParts, partOf, sha256, standingOf, unknownSubject, type Checked, type Grounds, type Part, type Statement, type Vendor } from '../statement.js'
import type { VendorHttp } from '../vendor-http.js'
import { ocspRequest } from './ocsp-request.js'

/**
 * NVIDIA's responder, `nvidia/ocsp/<SHA-256 of the certificate>`, and its reference manifests, `nvidia/rim/<id>` (docs.nvidia.com/attestation). A
 * manifest is taken only where golden values can be signed.
 */
export const nvidia = (rim: VendorHttp, responder: VendorHttp): Vendor => ({
  name: 'nvidia',
  check: (statement, at, grounds) => (statement.subject.startsWith('nvidia/ocsp/') ? checkAnswer(statement, at, grounds) : checkManifest(statement, at, grounds)),
  ask: async (subject, context, signal) => ({ subject, parts: subject.startsWith('nvidia/ocsp/') ? await askResponder(context, responder, signal) : await askManifest(subject, rim, signal) }),
})

async function askResponder(context: readonly Part[], responder: VendorHttp, signal: AbortSignal): Promise<Part[]> {
  const [certificate, issuer] = decodeCertificates(partOf(context, 'issuer-chain')).map(parseCertificate)
  const bytes = ocspRequest(certificate!, issuer ?? refuse('evidence-malformed', 'a certificate without its issuer'))
  const answer = await responder.send({ path: '/', body: { mediaType: 'application/ocsp-request', bytes }, bytesMax: OCSP_BYTES_MAX }, signal)
  return [{ role: 'ocsp', bytes: answer.bytes }, ...context]
}

/** The service wraps the manifest: `{ "id", "rim": base64, "sha256", … }`. */
async function askManifest(subject: string, rim: VendorHttp, signal: AbortSignal): Promise<Part[]> {
  const id = subject.slice('nvidia/rim/'.length)
  const { bytes } = await rim.send({ path: `/v1/rim/${encodeURIComponent(id)}`, bytesMax: 2 * XML_BYTES_MAX }, signal)
  let wrapped: unknown
  try {
    wrapped = JSON.parse(fromUtf8(bytes) ?? '')
  } catch (cause) {
    throw new AppError('collateral.refused', { retryable: true, cause, detail: 'the manifest’s wrapping is no JSON' })
  }
  const text = typeof wrapped === 'object' && wrapped !== null && 'rim' in wrapped && typeof wrapped.rim === 'string' ? wrapped.rim : ''
  const manifest = decodeBase64(text)
  if (!manifest || manifest.length === 0) throw new AppError('collateral.refused', { retryable: true, detail: 'the answer holds no manifest' })
  return [{ role: 'manifest', bytes: manifest }]
}

/** Answers are kept whatever they say, also `revoked`: verifiers obey them. */
async function checkAnswer(statement: Statement, at: number, { roots, crypto }: Grounds): Promise<Checked> {
  const id = /^nvidia\/ocsp\/([0-9a-f]{64})$/.exec(statement.subject)?.[1] ?? unknownSubject(statement.subject)
  onlyParts(statement, ['ocsp', 'issuer-chain'])
  const path = decodeCertificates(partOf(statement.parts, 'issuer-chain')).map(parseCertificate)
  const [certificate, issuer] = path
  ensure(certificate !== undefined && issuer !== undefined && sha256(certificate.raw) === id, 'ocsp-certificate-mismatch', 'the path of another certificate')
  await verifyIssuerPath({ path, roots: roots.nvidia ?? [], at, crypto })
  const { validity } = await authenticateOcsp({ response: partOf(statement.parts, 'ocsp'), certificate, issuer, at, crypto })
  return { statement, standing: standingOf(validity.notBefore, validity.notAfter), ...validity }
}

/** A manifest in, golden values beside it out. Those that came along are kept if they are ours and say the same. */
async function checkManifest(statement: Statement, at: number, { manifestRoots, golden, crypto }: Grounds): Promise<Checked> {
  const name = /^nvidia\/rim\/([A-Za-z0-9_.]{1,80})$/.exec(statement.subject)?.[1] ?? unknownSubject(statement.subject)
  onlyParts(statement, ['manifest', 'golden-values'])
  const signer = golden ?? refuse('golden-values-signature-invalid', 'nobody here signs golden values')
  const id = parseManifestId(name)
  const source = partOf(statement.parts, 'manifest')
  const manifest = await openManifest(source, id, { roots: manifestRoots, at, crypto })
  const payload = goldenPayload(name, id, manifest, source)
  const came = statement.parts.find(({ role }) => role === 'golden-values')?.bytes
  const ours = came !== undefined && equal(payloadOf(came), payload) && (await accepted(GoldenValues.openGoldenValues(came, [signer.publicKey], at, crypto)))
  const parts: Part[] = [{ role: 'manifest', bytes: source }, { role: 'golden-values', bytes: ours ? came : signer.sign(payload) }]
  return { statement: { subject: statement.subject, parts }, standing: standingOf(manifest.revision, manifest.notBefore, manifest.notAfter), notBefore: manifest.notBefore, notAfter: manifest.notAfter }
}

const payloadOf = (jws: Uint8Array): Uint8Array => new Uint8Array(Buffer.from((fromUtf8(jws) ?? '').split('.')[1] ?? '', 'base64url'))

const accepted = (verdict: Promise<unknown>): Promise<boolean> => verdict.then(() => true, () => false)

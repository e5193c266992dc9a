/**
 * Every refusal of an attestation verifier carries one of these codes. They are part of the API: receipts, metrics and
 * policies quote them, so a code is never renamed or reused. README.md holds the table with the meaning of each.
 */
export const ATTESTATION_ERROR_CODES = [
  // Form: the bytes are not what they claim to be.
  'evidence-too-large',
  'evidence-kind-mismatch',
  'evidence-malformed',
  'evidence-version-unsupported',
  'endorsement-too-large',
  'endorsement-missing',
  'endorsement-duplicate',
  'endorsement-unexpected',
  'cbor-malformed',
  'der-malformed',
  'pem-malformed',
  'json-malformed',
  // Certificates and paths.
  'certificate-malformed',
  'certificate-algorithm-unsupported',
  'certificate-critical-extension-unknown',
  'certificate-not-yet-valid',
  'certificate-expired',
  'certificate-signature-invalid',
  'certificate-revoked',
  'path-root-untrusted',
  'path-too-long',
  'path-issuer-mismatch',
  'path-issuer-not-ca',
  'path-key-usage',
  'path-length-exceeded',
  'path-leaf-is-ca',
  'path-subject-unexpected',
  // Revocation statements.
  'crl-malformed',
  'crl-critical-extension-unknown',
  'crl-issuer-mismatch',
  'crl-issuer-key-usage',
  'crl-signature-invalid',
  'crl-not-yet-valid',
  'crl-stale',
  'crl-scope-mismatch',
  'ocsp-malformed',
  'ocsp-not-successful',
  'ocsp-certificate-mismatch',
  'ocsp-responder-unauthorised',
  'ocsp-signature-invalid',
  'ocsp-not-yet-valid',
  'ocsp-stale',
  'ocsp-status-unknown',
  'revocation-missing',
  // Evidence signatures and bindings inside the evidence.
  'evidence-signature-invalid',
  'evidence-reserved-not-zero',
  'evidence-algorithm-unsupported',
  // Intel DCAP.
  'qe-vendor-unknown',
  'qe-report-signature-invalid',
  'qe-report-data-mismatch',
  'qe-identity-mismatch',
  'pck-extension-malformed',
  'collateral-malformed',
  'collateral-signature-invalid',
  'collateral-not-yet-valid',
  'collateral-stale',
  'collateral-mismatch',
  'tdx-module-mismatch',
  'tcb-level-missing',
  // AMD SEV-SNP.
  'snp-signer-mismatch',
  'snp-product-mismatch',
  'snp-tcb-mismatch',
  'snp-chip-id-mismatch',
  'snp-extension-malformed',
  // NVIDIA.
  'fwid-mismatch',
  'device-duplicate',
  'golden-values-malformed',
  'golden-values-signature-invalid',
  'golden-values-stale',
  'golden-values-not-applicable',
  'golden-values-conflict',
  // Event log.
  'event-log-malformed',
  'event-log-digest-mismatch',
  'event-log-rtmr-mismatch',
  // Simulated evidence.
  'simulated-marker-missing',
] as const

export type AttestationErrorCode = (typeof ATTESTATION_ERROR_CODES)[number]

/**
 * The evidence, or something it rests on, was refused.
 * `code` is stable; `detail` is for people and may change.
 */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
  readonly code: AttestationErrorCode
  readonly detail: string

  constructor(code: AttestationErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options)
    this.code = code
    this.detail = detail
  }
}

/** Throws unless `condition` holds. The one way verifiers say no. */
export function ensure(condition: boolean, code: AttestationErrorCode, detail: string): asserts condition {
  if (!condition) throw new AttestationError(code, detail)
}

/** Refuses; for expressions (`x ?? refuse(...)`). */
export function refuse(code: AttestationErrorCode, detail: string): never {
  throw new AttestationError(code, detail)
}

/** Object identifiers by the names their specifications give them. */
export const OID = {
  // Algorithms (RFC 5480, RFC 4055, RFC 8017).
  ecPublicKey: '1.2.840.10045.2.1',
  secp256r1: '1.2.840.10045.3.1.7',
  secp384r1: '1.3.132.0.34',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  rsaEncryption: '1.2.840.113549.1.1.1',
  mgf1: '1.2.840.113549.1.1.8',
  rsassaPss: '1.2.840.113549.1.1.10',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  // Names and certificate extensions (RFC 5280).
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlReason: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  issuingDistributionPoint: '2.5.29.28',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  // OCSP (RFC 6960).
  ocspBasic: '1.3.6.1.5.5.7.48.1.1',
  ocspNonce: '1.3.6.1.5.5.7.48.1.2',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  // Intel SGX PCK certificate extension (Intel SGX PCK Certificate and CRL Profile Specification §1.3.5).
  sgxExtensions: '1.2.840.113741.1.13.1',
  // AMD VCEK and VLEK certificate extensions (AMD publication 57230, table 8).
  amdStructVersion: '1.3.6.1.4.1.3704.1.1',
  amdProductName: '1.3.6.1.4.1.3704.1.2',
  amdSpl: '1.3.6.1.4.1.3704.1.3',
  amdHardwareId: '1.3.6.1.4.1.3704.1.4',
  amdCspId: '1.3.6.1.4.1.3704.1.5',
  // TCG DICE (DICE Attestation Architecture §6.1): Hopper writes a RIoT CompositeDeviceID under the first.
  diceTcbInfo: '2.23.133.5.4.1',
  diceTcbInfoAlias: '2.23.133.5.4.1.1',
  /**
   * HACA's marker of simulated evidence: critical in every certificate of the simulator, so that a verifier which does
   * not know it must refuse the chain (RFC 5280 §4.2). The arc of UUID
   * 7f1c4b5e-3a0d-4c8e-9d52-6b0f8e2a41c7 (ITU-T X.667), which needs no registration.
   */
  simulatedTee: '2.25.168958868422857049384431482041499533767',
} as const

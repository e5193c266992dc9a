import * as Cbor from '../cbor.js'
import { coseSignedBytes } from '../cose.js'
import { OID } from '../oid.js'
import { encodeSimulatedDocument, SIMULATED_MARKER, SIMULATED_ROOT_NAME, type SimulatedDocument } from '../simulated.js'
import {
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  extension,
  generateKey,
  issueCertificate,
  KEY_CERT_SIGN,
  signRaw,
  type CertificateOptions,
  type TestCertificate,
} from './pki.js'

/** A simulator's hierarchy: marked root and marked leaf. The real simulator lives outside core. */
export interface SimulatedWorld {
  readonly root: TestCertificate
  readonly leaf: TestCertificate
}

export const SIMULATED_AT = new Date('2026-01-10T12:00:00Z')
export const MARKER = extension(OID.simulatedTee, true, SIMULATED_MARKER)

export function simulatedWorld(
  change: Partial<Record<keyof SimulatedWorld, Partial<CertificateOptions>>> = {},
): SimulatedWorld {
  const root = issueCertificate({
    subject: SIMULATED_ROOT_NAME,
    key: generateKey('P-384'),
    ca: true,
    keyUsage: [KEY_CERT_SIGN, CRL_SIGN],
    extensions: [MARKER],
    ...change.root,
  })
  const leaf = issueCertificate({
    subject: 'simulated node',
    key: generateKey('P-384'),
    issuer: root,
    ca: false,
    keyUsage: [DIGITAL_SIGNATURE],
    extensions: [MARKER],
    crlUri: 'http://simulated.test/crl',
    ...change.leaf,
  })
  return { root, leaf }
}

export function simulatedDocument(
  { root, leaf }: SimulatedWorld,
  change: Partial<SimulatedDocument> = {},
): SimulatedDocument {
  return {
    v: 1,
    role: 'cpu',
    product: 'sim-cpu',
    platform_id: Uint8Array.of(0x51),
    measurements: { image: new Uint8Array(48).fill(0x33) },
    versions: {},
    user_data: Uint8Array.of(1),
    nonce: null,
    public_key: null,
    debug: false,
    tcb_status: 'UpToDate',
    tcb_svn: {},
    advisories: [],
    flags: {},
    timestamp: SIMULATED_AT.getTime(),
    certificate: leaf.der,
    cabundle: [root.der],
    ...change,
  }
}

export function simulatedEvidence(world: SimulatedWorld, change: Partial<SimulatedDocument> = {}): Uint8Array {
  return signSimulated(world, encodeSimulatedDocument(simulatedDocument(world, change)))
}

export function signSimulated({ leaf }: SimulatedWorld, payload: Uint8Array): Uint8Array {
  const protectedHeader = Cbor.encode(new Map([[1, -35]]))
  const signature = signRaw(leaf.key, coseSignedBytes({ protectedHeader, payload }))
  return Cbor.encode([protectedHeader, new Map(), payload, signature])
}

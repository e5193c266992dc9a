import * as Cbor from '../cbor.js'
import { coseSignedBytes } from '../cose.js'
import {
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  generateKey,
  issueCertificate,
  KEY_CERT_SIGN,
  signRaw,
  type CertificateOptions,
  type TestCertificate,
} from './pki.js'

/** A Nitro-shaped hierarchy under a test root: root, regional CA, zonal CA, instance CA, enclave. */
export interface NitroHierarchy {
  readonly root: TestCertificate
  readonly regional: TestCertificate
  readonly zonal: TestCertificate
  readonly instance: TestCertificate
  readonly enclave: TestCertificate
}

export const NITRO_AT = new Date('2026-01-10T12:00:00Z')

export function nitroHierarchy(
  change: Partial<Record<keyof NitroHierarchy, Partial<CertificateOptions>>> = {},
): NitroHierarchy {
  const authority = { keyUsage: [DIGITAL_SIGNATURE, KEY_CERT_SIGN, CRL_SIGN] }
  const make = (subject: string, options: Partial<CertificateOptions>) =>
    issueCertificate({ subject, key: generateKey('P-384'), ...options })
  const root = make('aws.nitro-enclaves', { ca: true, ...authority, ...change.root })
  const regional = make('regional', {
    issuer: root,
    ca: { pathLength: 2 },
    crlUri: 'http://crl.test/root.crl',
    ...authority,
    ...change.regional,
  })
  const zonal = make('zonal', {
    issuer: regional,
    ca: { pathLength: 1 },
    crlUri: 'http://crl.test/regional.crl',
    ...authority,
    ...change.zonal,
  })
  const instance = make('instance', {
    issuer: zonal,
    ca: { pathLength: 0 },
    keyUsage: [KEY_CERT_SIGN],
    ...change.instance,
  })
  const enclave = make('enclave', {
    issuer: instance,
    ca: false,
    keyUsage: [DIGITAL_SIGNATURE],
    ...change.enclave,
  })
  return { root, regional, zonal, instance, enclave }
}

export type NitroFields = Record<string, Cbor.CborInput>

/** The payload fields of an ordinary document; change or delete any of them. */
export function nitroFields({ root, regional, zonal, instance, enclave }: NitroHierarchy): NitroFields {
  const pcr = (fill: number) => new Uint8Array(48).fill(fill)
  return {
    module_id: 'i-0123456789abcdef0-enc0123456789abcdef',
    digest: 'SHA384',
    timestamp: NITRO_AT.getTime(),
    pcrs: new Map([0, 1, 2, 3, 4].map((index) => [index, pcr(index + 1)])),
    certificate: enclave.der,
    cabundle: [root, regional, zonal, instance].map(({ der }) => der),
    public_key: null,
    user_data: Uint8Array.of(1, 2, 3),
    nonce: Uint8Array.of(4),
  }
}

/** Signs any payload bytes as a COSE_Sign1. */
export function signNitro(
  payload: Uint8Array,
  { enclave }: NitroHierarchy,
  header: Cbor.CborInput = new Map([[1, -35]]),
): Uint8Array {
  const protectedHeader = Cbor.encode(header)
  const signature = signRaw(enclave.key, coseSignedBytes({ protectedHeader, payload }))
  return Cbor.encode([protectedHeader, new Map(), payload, signature])
}

import { constants, createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import * as D from './der-builder.js'

/** Issues certificates, CRLs and OCSP answers for tests, with every field open to misuse. */
export type KeyType = 'P-256' | 'P-384' | 'RSA'
export type Hash = 'sha256' | 'sha384'

export interface TestKey {
  readonly type: KeyType
  readonly hash: Hash
  readonly privateKey: KeyObject
  readonly spki: Uint8Array
}

export function generateKey(type: KeyType): TestKey {
  const { privateKey, publicKey } =
    type === 'RSA'
      ? generateKeyPairSync('rsa', { modulusLength: 3072 })
      : generateKeyPairSync('ec', { namedCurve: type })
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  return { type, hash: type === 'P-256' ? 'sha256' : 'sha384', privateKey, spki }
}

/** The uncompressed point of an EC key (the tail of its SubjectPublicKeyInfo). */
export function pointOf({ spki, type }: TestKey): Uint8Array {
  return spki.slice(-(type === 'P-256' ? 65 : 97))
}

/** A signature as r ‖ s. */
export function signRaw(key: TestKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(key.hash, message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }))
}

function signDer(key: TestKey, message: Uint8Array): Uint8Array {
  if (key.type !== 'RSA') return new Uint8Array(sign(key.hash, message, key.privateKey))
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }
  return new Uint8Array(sign(key.hash, message, { key: key.privateKey, ...padding }))
}

export function signatureAlgorithm({ type }: TestKey): Uint8Array {
  if (type === 'P-256') return D.sequence(D.oid('1.2.840.10045.4.3.2'))
  if (type === 'P-384') return D.sequence(D.oid('1.2.840.10045.4.3.3'))
  const sha384 = D.sequence(D.oid('2.16.840.1.101.3.4.2.2'), D.nullValue())
  const mgf1 = D.sequence(D.oid('1.2.840.113549.1.1.8'), sha384)
  const parameters = D.sequence(D.explicit(0, sha384), D.explicit(1, mgf1), D.explicit(2, D.integer(48)))
  return D.sequence(D.oid('1.2.840.113549.1.1.10'), parameters)
}

export interface TestCertificate {
  readonly der: Uint8Array
  readonly key: TestKey
  readonly name: Uint8Array
  readonly serial: Uint8Array
  readonly pem: string
}

export interface CertificateOptions {
  readonly subject: string | Uint8Array
  readonly key: TestKey
  /** Absent for a self-signed certificate. */
  readonly issuer?: TestCertificate
  readonly serial?: Uint8Array
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** `false` writes the extension with CA:FALSE, absent leaves it out. */
  readonly ca?: boolean | { readonly pathLength: number }
  readonly keyUsage?: readonly number[]
  readonly extensions?: readonly Uint8Array[]
  /** Signs with a key that is not the issuer's. */
  readonly signedBy?: TestKey
  readonly crlUri?: string
}

export const DIGITAL_SIGNATURE = 0
export const KEY_CERT_SIGN = 5
export const CRL_SIGN = 6

let issued = 0

/** Three bytes, so that none needs padding or stripping. */
function nextSerial(): Uint8Array {
  issued += 1
  return Uint8Array.of(1, issued >> 8, issued & 255)
}

export function issueCertificate(options: CertificateOptions): TestCertificate {
  const { subject, key, issuer } = options
  const name = typeof subject === 'string' ? distinguishedName(subject) : subject
  const serial = options.serial ?? nextSerial()
  const signer = options.signedBy ?? issuer?.key ?? key
  const notBefore = options.notBefore ?? new Date('2025-01-01T00:00:00Z')
  const notAfter = options.notAfter ?? new Date('2035-01-01T00:00:00Z')
  const tbs = D.sequence(
    D.explicit(0, D.integer(2)),
    D.integer(serial),
    signatureAlgorithm(signer),
    issuer?.name ?? name,
    D.sequence(D.time(notBefore), D.time(notAfter)),
    name,
    key.spki,
    D.explicit(3, D.sequence(...extensionsOf(options))),
  )
  const der = D.sequence(tbs, signatureAlgorithm(signer), D.bitString(signDer(signer, tbs)))
  return { der, key, name, serial, pem: toPem(der) }
}

function extensionsOf({ ca, keyUsage, extensions = [], crlUri }: CertificateOptions): Uint8Array[] {
  const list = [...extensions]
  if (ca !== undefined) list.push(basicConstraints(ca))
  if (keyUsage) list.push(extension('2.5.29.15', true, D.flags(keyUsage)))
  if (crlUri) list.push(extension('2.5.29.31', false, D.sequence(D.sequence(distributionPoint(crlUri)))))
  return list
}

function basicConstraints(ca: boolean | { readonly pathLength: number }): Uint8Array {
  if (ca === false) return extension('2.5.29.19', true, D.sequence())
  const limit = ca === true ? [] : [D.integer(ca.pathLength)]
  return extension('2.5.29.19', true, D.sequence(D.boolean(true), ...limit))
}

/** DistributionPointName `[0] { fullName [0] { uri } }`. */
export function distributionPoint(uri: string): Uint8Array {
  return D.explicit(0, D.explicit(0, D.implicit(6, Buffer.from(uri))))
}

export function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return D.sequence(D.oid(oid), ...(critical ? [D.boolean(true)] : []), D.octetString(value))
}

export function distinguishedName(commonName: string): Uint8Array {
  const attribute = D.sequence(D.oid('2.5.4.3'), D.utf8String(commonName))
  const organisation = D.sequence(D.oid('2.5.4.10'), D.utf8String('HACA test'))
  return D.sequence(D.set(organisation), D.set(attribute))
}

export function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

export interface CrlOptions {
  readonly issuer: TestCertificate
  readonly revoked?: readonly Uint8Array[]
  readonly thisUpdate?: Date
  readonly nextUpdate?: Date | null
  readonly signedBy?: TestKey
  readonly extensions?: readonly Uint8Array[]
  readonly entryExtensions?: readonly Uint8Array[]
}

export function issueCrl(options: CrlOptions): Uint8Array {
  const { issuer, revoked = [], extensions = [], entryExtensions = [] } = options
  const signer = options.signedBy ?? issuer.key
  const thisUpdate = options.thisUpdate ?? new Date('2026-01-01T00:00:00Z')
  const nextUpdate = options.nextUpdate === undefined ? new Date('2026-02-01T00:00:00Z') : options.nextUpdate
  const entries = revoked.map((serial) =>
    D.sequence(
      D.integer(serial),
      D.time(thisUpdate),
      ...(entryExtensions.length > 0 ? [D.sequence(...entryExtensions)] : []),
    ),
  )
  const tbs = D.sequence(
    D.integer(1),
    signatureAlgorithm(signer),
    issuer.name,
    D.time(thisUpdate),
    ...(nextUpdate ? [D.time(nextUpdate)] : []),
    ...(entries.length > 0 ? [D.sequence(...entries)] : []),
    ...(extensions.length > 0 ? [D.explicit(0, D.sequence(...extensions))] : []),
  )
  return D.sequence(tbs, signatureAlgorithm(signer), D.bitString(signDer(signer, tbs)))
}

export interface OcspOptions {
  readonly certificate: TestCertificate
  readonly issuer: TestCertificate
  readonly status?: 'good' | 'revoked' | 'unknown'
  readonly thisUpdate?: Date
  readonly nextUpdate?: Date
  /** A delegated responder; the issuer itself signs where absent. */
  readonly responder?: TestCertificate
  readonly signedBy?: TestKey
  readonly hash?: Hash
  readonly responseStatus?: number
}

export function issueOcsp(options: OcspOptions): Uint8Array {
  const { certificate, issuer, responder, hash = 'sha384' } = options
  const signer = options.signedBy ?? responder?.key ?? issuer.key
  const thisUpdate = options.thisUpdate ?? new Date('2026-01-10T00:00:00Z')
  const nextUpdate = options.nextUpdate ?? new Date('2026-01-11T00:00:00Z')
  const digest = (bytes: Uint8Array) => createHash(hash).update(bytes).digest()
  const certId = D.sequence(
    D.sequence(D.oid(hash === 'sha384' ? '2.16.840.1.101.3.4.2.2' : '2.16.840.1.101.3.4.2.1'), D.nullValue()),
    D.octetString(digest(issuer.name)),
    D.octetString(digest(pointOf(issuer.key))),
    D.integer(certificate.serial),
  )
  const single = D.sequence(
    certId,
    ocspStatus(options.status ?? 'good', thisUpdate),
    D.generalizedTime(thisUpdate),
    D.explicit(0, D.generalizedTime(nextUpdate)),
  )
  const responderId = D.explicit(1, (responder ?? issuer).name)
  const data = D.sequence(responderId, D.generalizedTime(thisUpdate), D.sequence(single))
  const basic = D.sequence(
    data,
    signatureAlgorithm(signer),
    D.bitString(signDer(signer, data)),
    ...(responder ? [D.explicit(0, D.sequence(responder.der))] : []),
  )
  const bytes = D.sequence(D.oid('1.3.6.1.5.5.7.48.1.1'), D.octetString(basic))
  return D.sequence(D.enumerated(options.responseStatus ?? 0), D.explicit(0, bytes))
}

function ocspStatus(status: 'good' | 'revoked' | 'unknown', at: Date): Uint8Array {
  if (status === 'good') return D.implicit(0, new Uint8Array())
  return status === 'unknown' ? D.implicit(2, new Uint8Array()) : D.explicit(1, D.generalizedTime(at))
}

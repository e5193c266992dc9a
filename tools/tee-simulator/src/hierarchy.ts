import { Simulated } from '@haca/core/tee'
import { Pki, SimulatedBuilder } from '@haca/core/tee/testing'
import { createPrivateKey } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How long a developer's root is good for: long enough for a day's work, too short to be pinned anywhere by mistake. */
const rootHours = 24
/** A root with less than this left is replaced at the next start. */
const leastHours = 2

interface StoredRoot {
  /** PKCS#8, PEM. */
  key: string
  /** DER, base64. */
  spki: string
  certificate: string
  name: string
  serial: string
  notAfter: string
}

/** Where whoever shall believe a simulator finds its root, DER. */
export const rootFile = (directory: string): string => join(directory, 'root.der')

/** The developer's own root in `directory`, made at the first start and shared by every simulator that is started there, and a fresh certificate under it. */
export function openHierarchy(directory: string, now: Date): SimulatedBuilder.SimulatedWorld {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'root.json')
  if (!existsSync(file) || hoursLeft(file, now) < leastHours) replaceRoot(file, now)
  const stored = JSON.parse(readFileSync(file, 'utf8')) as StoredRoot
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
  const key: Pki.TestKey = { type: 'P-384', hash: 'sha384', privateKey: createPrivateKey(stored.key), spki: bytes(stored.spki) }
  const der = bytes(stored.certificate)
  const root: Pki.TestCertificate = { der, key, name: bytes(stored.name), serial: bytes(stored.serial), pem: Pki.toPem(der) }
  const scratch = `${rootFile(directory)}.${process.pid}`
  writeFileSync(scratch, der)
  renameSync(scratch, rootFile(directory))
  return { root, leaf: issueLeaf(root, new Date(stored.notAfter), now) }
}

const hoursLeft = (file: string, now: Date): number => (Date.parse((JSON.parse(readFileSync(file, 'utf8')) as StoredRoot).notAfter) - now.getTime()) / 3_600_000

/** Of any number of simulators that start at once, one root wins. */
function replaceRoot(file: string, now: Date): void {
  const key = Pki.generateKey('P-384')
  const notAfter = new Date(now.getTime() + rootHours * 3_600_000)
  const root = Pki.issueCertificate({ subject: Simulated.SIMULATED_ROOT_NAME, key, ca: true, keyUsage: [Pki.KEY_CERT_SIGN, Pki.CRL_SIGN], extensions: [SimulatedBuilder.MARKER], notBefore: minuteBefore(now), notAfter })
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const stored: StoredRoot = {
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    ...{ spki: base64(key.spki), certificate: base64(root.der), name: base64(root.name), serial: base64(root.serial) },
    notAfter: notAfter.toISOString(),
  }
  const scratch = `${file}.${process.pid}`
  writeFileSync(scratch, JSON.stringify(stored, null, 2), { mode: 0o600 })
  chmodSync(scratch, 0o600)
  if (existsSync(file)) return renameSync(scratch, file)
  try {
    linkSync(scratch, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(scratch, { force: true })
  }
}

function issueLeaf(root: Pki.TestCertificate, notAfter: Date, now: Date): Pki.TestCertificate {
  const serial = Uint8Array.of(2, ...crypto.getRandomValues(new Uint8Array(8)))
  return Pki.issueCertificate({ subject: 'SIMULATED machine', key: Pki.generateKey('P-384'), issuer: root, serial, ca: false, keyUsage: [Pki.DIGITAL_SIGNATURE], extensions: [SimulatedBuilder.MARKER], notBefore: minuteBefore(now), notAfter })
}

const minuteBefore = (now: Date): Date => new Date(now.getTime() - 60_000)

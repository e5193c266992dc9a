import { fromUtf8 } from '../bytes.js'
import type { Certificate } from '../certificate.js'
import { Der, TAG } from '../der.js'
import { AttestationError, ensure } from '../error.js'
import { OID } from '../oid.js'

/** Product lines by AMD's names. Bergamo and Siena parts carry Genoa certificates. */
export const SNP_PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const
export type SnpProduct = (typeof SNP_PRODUCTS)[number]

/**
 * What a VCEK or VLEK certificate says about the key's platform.
 * Source: VCEK Certificate and KDS Interface Specification (AMD publication 57230), table of certificate extensions.
 */
export interface VekExtensions {
  /** The eight bytes of the TCB_VERSION that the key was derived for, in the product's layout. */
  readonly tcb: Uint8Array
  /** Absent in a VLEK, which belongs to a cloud and not to a chip. */
  readonly hardwareId: Uint8Array | undefined
  readonly cspId: string | undefined
}

/**
 * Where each security patch level sits in a TCB_VERSION, by product: the number under AMD's SPL arc for every byte.
 * Turin puts the FMC first and moves the others up. No public Turin report exists to confirm it; the layout is from the
 * ABI specification, and its tests are synthetic.
 */
const TCB_LAYOUT: Readonly<Record<SnpProduct, readonly number[]>> = {
  Milan: [1, 2, 4, 5, 6, 7, 3, 8],
  Genoa: [1, 2, 4, 5, 6, 7, 3, 8],
  Turin: [9, 1, 2, 3, 5, 6, 7, 8],
}

const COMPONENT_NAMES: Readonly<Record<number, string>> = { 1: 'bl', 2: 'tee', 3: 'snp', 8: 'ucode', 9: 'fmc' }

/** CHIP_ID is 64 bytes wide; Turin's hardware ID has eight. */
const HARDWARE_ID_BYTES: Readonly<Record<SnpProduct, number>> = { Milan: 64, Genoa: 64, Turin: 8 }

/** The named components of a TCB_VERSION: `bl`, `tee`, `snp`, `ucode`, and `fmc` on Turin. */
export function tcbComponents(tcb: Uint8Array, product: SnpProduct): Record<string, number> {
  const named = TCB_LAYOUT[product].map((spl, i) => [COMPONENT_NAMES[spl], tcb[i]!] as const)
  return Object.fromEntries(named.filter(([name]) => name !== undefined))
}

/** The components of a TCB_VERSION as AMD's key distribution service takes them in a query: `blSPL`, `teeSPL`, …. */
export function tcbQuery(tcb: Uint8Array, product: SnpProduct): Record<string, string> {
  return Object.fromEntries(Object.entries(tcbComponents(tcb, product)).map(([name, svn]) => [`${name}SPL`, String(svn)]))
}

/** The part of a report's CHIP_ID that names the chip. */
export const hardwareIdOf = (chipId: Uint8Array, product: SnpProduct): Uint8Array => chipId.subarray(0, HARDWARE_ID_BYTES[product])

/**
 * The product the certificate names, which decides the root to verify it under: `Milan`, or with a stepping `Milan-B0`.
 * Until then it is a claim. Refuses with `snp-product-mismatch` or `snp-extension-malformed`.
 */
export function productOf(certificate: Certificate): SnpProduct {
  const name = ia5(required(certificate, OID.amdProductName))
  const line = /^([A-Za-z]+)(-[A-Z]\d)?$/.exec(name)?.[1]
  const product = SNP_PRODUCTS.find((known) => known === line)
  if (!product) throw new AttestationError('snp-product-mismatch', `product ${name}`)
  return product
}

/** The extensions of a certificate whose path has been verified; refuses with `snp-extension-malformed`. */
export function parseVekExtensions(certificate: Certificate, product: SnpProduct): VekExtensions {
  const version = smallInteger(required(certificate, OID.amdStructVersion))
  ensure(version <= 1, 'snp-extension-malformed', `structure version ${version}`)
  const spls = TCB_LAYOUT[product].map((spl) => smallInteger(required(certificate, `${OID.amdSpl}.${spl}`)))
  const hardwareId = certificate.extensions.get(OID.amdHardwareId)?.value
  const size = hardwareId?.length ?? HARDWARE_ID_BYTES[product]
  ensure(size === HARDWARE_ID_BYTES[product], 'snp-extension-malformed', `hardware ID of ${size} bytes`)
  const csp = certificate.extensions.get(OID.amdCspId)?.value
  return { tcb: Uint8Array.from(spls), hardwareId, cspId: csp && ia5(csp) }
}

function required(certificate: Certificate, oid: string): Uint8Array {
  const extension = certificate.extensions.get(oid)
  if (!extension) throw new AttestationError('snp-extension-malformed', `extension ${oid} is missing`)
  return extension.value
}

function smallInteger(value: Uint8Array): number {
  const der = new Der(value)
  const number = der.smallInteger()
  der.end()
  ensure(number <= 255, 'snp-extension-malformed', `security patch level ${number}`)
  return number
}

function ia5(value: Uint8Array): string {
  const der = new Der(value)
  const text = der.expect(TAG.ia5String).value
  der.end()
  return fromUtf8(text) ?? ''
}

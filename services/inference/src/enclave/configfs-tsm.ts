import { AppError } from '@haca/core'
import { MEDIA_TYPES, type Collection, type Endorsement, type KeyBinding } from '@haca/core/tee'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Hardware } from './hardware.js'

/** Providers of the kernel's report interface, and the kind of evidence each gives. */
const kinds = { sev_guest: 'sev-snp', tdx_guest: 'tdx' } as const

/** Where the kernel shows the interface. */
export const tsmFolder = '/sys/kernel/config/tsm/report'

/**
 * The kernel's own report interface (Documentation/ABI/testing/configfs-tsm-report, Linux 6.7 and newer): SEV-SNP and TDX machines without a guest
 * agent. A report is a folder that is made, asked and removed; a `generation` that moved in between means that somebody else asked there too.
 */
export class ConfigfsTsm implements Hardware {
  private constructor(
    readonly folder: string,
    readonly kind: 'sev-snp' | 'tdx',
  ) {}

  /** Asks the kernel which provider it has. */
  static async connect(folder = tsmFolder): Promise<ConfigfsTsm> {
    const provider = await inReport(folder, async (report) => (await readFile(join(report, 'provider'), 'utf8')).trim())
    const kind = kinds[provider as keyof typeof kinds]
    if (!kind) throw new AppError('tee.unsupported', { detail: `the kernel's report provider is ${provider}; supported are ${Object.keys(kinds).join(', ')}` })
    return new ConfigfsTsm(folder, kind)
  }

  async attest({ userData }: KeyBinding.BoundFields): Promise<Collection.Piece> {
    if (userData.length !== 64) throw new AppError('tee.malformed-request', { detail: `report data of ${userData.length} bytes, 64 expected` })
    const { report, auxiliary } = await inReport(this.folder, async (path) => {
      const before = await readFile(join(path, 'generation'), 'utf8')
      await writeFile(join(path, 'inblob'), userData)
      const out = await readFile(join(path, 'outblob'))
      const aux = this.kind === 'sev-snp' ? await readFile(join(path, 'auxblob')).catch(() => undefined) : undefined
      const after = await readFile(join(path, 'generation'), 'utf8')
      if (Number(after) !== Number(before) + 1) throw new AppError('tee.raced', { retryable: true, detail: 'somebody else asked for a report in the same place' })
      return { report: new Uint8Array(out), auxiliary: aux && new Uint8Array(aux) }
    })
    const evidence = { kind: this.kind, mediaType: MEDIA_TYPES[this.kind], bytes: report }
    return { evidence, endorsements: auxiliary ? certificatesOf(auxiliary) : [] }
  }

  /** GPUs beside this machine are asked through their driver, which this adapter does not do. */
  async devices(): Promise<Collection.Piece[]> {
    return []
  }
}

async function inReport<T>(folder: string, run: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, `haca-${randomBytes(6).toString('hex')}`)
  await mkdir(path).catch((cause: unknown) => {
    throw new AppError('tee.unreachable', { cause, detail: `${folder} is not there: the kernel has no report provider, or configfs is not mounted into this container` })
  })
  try {
    return await run(path)
  } finally {
    await rmdir(path).catch(() => undefined)
  }
}

/** Certificate table of an extended report (SEV-ES Guest-Hypervisor Communication Block, "CERTTABLE"): GUID:16 ‖ offset:4 ‖ length:4, little-endian, ended by zeros. */
const guids: Readonly<Record<string, Endorsement['role']>> = {
  '63da758de6644564adc5f4b93be8accd': 'vek', // VCEK
  a8074bc2a25a483eaae639c045a0b8a1: 'vek', // VLEK
  '4ab7b379bbac4fe4a02f05aef327c782': 'vek-issuer', // ASK
  '54c2a6ad4b1c4d5fa5fe9c3eb83ba3fb': 'vek-issuer', // ASVK
}

const entryBytes = 24
const entriesMax = 16

/** The certificates of the chip that the host handed along; none where it handed along nothing. */
export function certificatesOf(table: Uint8Array): Endorsement[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const found: Endorsement[] = []
  for (let n = 0; n < entriesMax && (n + 1) * entryBytes <= table.length; n++) {
    const guid = Buffer.from(table.subarray(n * entryBytes, n * entryBytes + 16)).toString('hex')
    if (/^0+$/.test(guid)) break
    const [offset, length] = [view.getUint32(n * entryBytes + 16, true), view.getUint32(n * entryBytes + 20, true)]
    const role = guids[guid]
    if (!role || found.some((one) => one.role === role)) continue
    if (offset + length > table.length) throw new AppError('tee.malformed-answer', { detail: 'the host handed along a certificate table that ends early' })
    found.push({ role, bytes: table.slice(offset, offset + length) })
  }
  return found
}

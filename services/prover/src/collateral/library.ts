import { AppError, type Hex } from '@haca/core'
import { AttestationError } from '@haca/core/tee'
import type { Validity } from '@haca/core/tee/collateral'
import type { Blobs, KeyArchive } from '@haca/platform/blobs'
import type { Logger } from '@haca/platform/log'
import { statementKept, wentBackwards } from './events.js'
import { PART_ROLES, sha256, type Checked, type Grounds, type PartRole, type Statement, type Vendor } from './statement.js'

// Which copy is believed: the archive's bytes, by digest. The index only sorts them and is rebuilt from them.

/** A statement that was proven and archived: where its parts are, and how long it counts. Times in unix milliseconds. */
export interface Entry extends Validity {
  readonly subject: string
  readonly standing: string
  readonly parts: readonly { readonly role: PartRole; readonly digest: Hex.Hex }[]
  readonly receivedAt: number
}

/** What became of a statement; `older` and `same` leave what is there. */
export type Admission = { readonly outcome: 'newer' | 'same'; readonly entry: Entry } | { readonly outcome: 'older'; readonly entry: Entry }

export interface LibraryOptions {
  readonly archive: KeyArchive
  readonly blobs: Blobs
  readonly vendors: readonly Pick<Vendor, 'name' | 'check'>[]
  readonly grounds: Grounds
  readonly logger: Logger
}

const INDEX = 'collateral-index/'
const ENTRY_TYPE = 'haca/collateral-entry/1'

/**
 * Vendors' statements: each proven before it is kept, none ever replaced. The index is the names of blobs, sorted by subject and then by the vendor's own
 * order (`standing`), so that what is current is the last name, and two writers who race cannot take it back to an older one.
 */
export class Library {
  constructor(readonly options: LibraryOptions) {}

  /** The newest statement on a subject that had been made by `at` (unix milliseconds), whether or not it has run out since. */
  async current(subject: string, at: number): Promise<Entry | undefined> {
    const keys = await this.options.blobs.list(folder(subject))
    for (const key of keys.filter((one) => !one.slice(folder(subject).length).includes('/')).toReversed()) {
      const entry = await this.#entry(key)
      if (entry.notBefore <= at) return entry
    }
    return undefined
  }

  /** The parts of an entry, out of the archive. */
  async open({ subject, parts }: Entry): Promise<Statement> {
    const read = async (digest: Hex.Hex): Promise<Uint8Array> => (await this.options.archive.collateral(digest)) ?? lost(`${subject}: ${digest}`)
    return { subject, parts: await Promise.all(parts.map(async ({ role, digest }) => ({ role, bytes: await read(digest) }))) }
  }

  /** The subjects there are statements on. */
  async subjects(): Promise<string[]> {
    const keys = await this.options.blobs.list(INDEX)
    return [...new Set(keys.map((key) => key.slice(INDEX.length, key.lastIndexOf('/'))))]
  }

  /** Proves a statement, archives it and lets it be current unless a newer one is. Refuses with AttestationError. */
  async admit(statement: Statement, at: number): Promise<Admission> {
    return this.#keep(await this.#check(statement, at), at)
  }

  /** Sorts the archive again, from nothing but its bytes. Answers how many statements it holds, and what could not be proven again. */
  async rebuild(): Promise<{ kept: number; refused: string[] }> {
    const { archive, blobs } = this.options
    const refused: string[] = []
    let kept = 0
    for (const key of await blobs.list('collateral/')) {
      let what = key
      try {
        const bytes = await archive.collateral(`0x${key.slice('collateral/'.length)}`)
        const entry = bytes && decodeEntry(bytes)
        if (!entry) continue
        what = entry.subject
        const checked = await this.#check(await this.open(entry), entry.receivedAt)
        await this.#index({ ...entry, standing: checked.standing, notBefore: checked.notBefore, notAfter: checked.notAfter })
        kept++
      } catch (error) {
        if (!(error instanceof AttestationError || error instanceof AppError)) throw error
        refused.push(`${what}: ${error.message}`)
      }
    }
    return { kept, refused }
  }

  #check(statement: Statement, at: number): Promise<Checked> {
    const vendor = this.options.vendors.find(({ name }) => statement.subject.startsWith(`${name}/`))
    if (!vendor) throw new AttestationError('collateral-mismatch', `nobody publishes ${JSON.stringify(statement.subject.slice(0, 100))}`)
    return vendor.check(statement, at, this.options.grounds)
  }

  /** Compared with the newest there is, also one that is not in force yet: a vendor's order has no exceptions. */
  async #keep({ statement, standing, notBefore, notAfter }: Checked, at: number): Promise<Admission> {
    const { archive, logger } = this.options
    const newest = await this.current(statement.subject, Number.POSITIVE_INFINITY)
    if (newest && standing < newest.standing) {
      wentBackwards(logger, { subject: statement.subject, offered: standing, kept: newest.standing })
      return { outcome: 'older', entry: newest }
    }
    if (newest?.standing === standing) return { outcome: 'same', entry: newest }
    const parts = await Promise.all(statement.parts.map(async ({ role, bytes }) => ({ role, digest: await archive.putCollateral(bytes) })))
    const entry: Entry = { subject: statement.subject, standing, parts, notBefore, notAfter, receivedAt: at }
    await archive.putCollateral(encodeEntry(entry))
    await this.#index(entry)
    statementKept(logger, entry)
    return { outcome: 'newer', entry }
  }

  async #index(entry: Entry): Promise<void> {
    const bytes = encodeEntry(entry)
    await this.options.blobs.putOnce(`${folder(entry.subject)}${entry.standing}.${sha256(bytes).slice(0, 16)}`, bytes)
  }

  async #entry(key: string): Promise<Entry> {
    const bytes = (await this.options.blobs.get(key)) ?? lost(key)
    return decodeEntry(bytes) ?? lost(key)
  }
}

const folder = (subject: string): string => `${INDEX}${subject}/`

const encodeEntry = ({ subject, standing, parts, notBefore, notAfter, receivedAt }: Entry): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ type: ENTRY_TYPE, subject, standing, parts: parts.map(({ role, digest }) => ({ role, digest })), notBefore, notAfter, receivedAt }))

/** An entry, or nothing for any other bytes: the archive holds both. */
function decodeEntry(bytes: Uint8Array): Entry | undefined {
  if (bytes.length > 64 * 1024 || bytes[0] !== 0x7b) return undefined
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
  const { type, subject, standing, parts, notBefore, notAfter, receivedAt } = json as Record<string, unknown>
  const times = [notBefore, notAfter, receivedAt].every((time) => typeof time === 'number')
  const formed = type === ENTRY_TYPE && typeof subject === 'string' && typeof standing === 'string' && times && Array.isArray(parts) && parts.every(isPart)
  return formed ? ({ subject, standing, parts, notBefore, notAfter, receivedAt } as Entry) : undefined
}

const isPart = (part: unknown): boolean => {
  const { role, digest } = part as Record<string, unknown>
  return PART_ROLES.includes(role as PartRole) && typeof digest === 'string' && /^0x[0-9a-f]{64}$/.test(digest)
}

function lost(what: string): never {
  throw new AppError('archive.lost', { retryable: true, detail: `${what} is listed and cannot be read` })
}

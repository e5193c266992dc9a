import { AppError, Digest, type Hex } from '@haca/core'
import type { AppraisalRecord } from '@haca/core/tee'
import type { Blobs } from './blobs.js'

const name = (digest: Hex.Hex): string => digest.slice(2)
const number = (n: number): string => n.toString().padStart(8, '0')

/**
 * What a sceptic needs years later, by digest: `evidence/`, `collateral/` and `policies/` hold bytes under their SHA-256, `appraisals/<node>/` the
 * signed records of one key in the order they were made. Nothing is ever replaced.
 */
export class KeyArchive {
  constructor(readonly blobs: Blobs) {}

  putEvidence = (bytes: Uint8Array): Promise<Hex.Hex> => this.#put('evidence', bytes)
  putCollateral = (bytes: Uint8Array): Promise<Hex.Hex> => this.#put('collateral', bytes)
  putPolicy = (bytes: Uint8Array): Promise<Hex.Hex> => this.#put('policies', bytes)

  evidence = (digest: Hex.Hex): Promise<Uint8Array | undefined> => this.#get('evidence', digest)
  collateral = (digest: Hex.Hex): Promise<Uint8Array | undefined> => this.#get('collateral', digest)
  /** A signed policy's envelope, by the registry's `daRef`. */
  policy = (digest: Hex.Hex): Promise<Uint8Array | undefined> => this.#get('policies', digest)

  /** The envelopes there are, by digest. */
  async policies(): Promise<Hex.Hex[]> {
    return (await this.blobs.list('policies/')).map((key) => `0x${key.slice('policies/'.length)}` as Hex.Hex)
  }

  /** Appends a record to its key's history, after whatever is there by now. */
  async append(node: Hex.Hex, signed: AppraisalRecord.SignedRecord): Promise<void> {
    const bytes = encode(signed)
    const known = await this.blobs.list(folder(node))
    for (let n = known.length; ; n++) if ((await this.blobs.putOnce(`${folder(node)}${number(n)}`, bytes)).stored) return
  }

  /** The keys that were ever appraised. */
  async nodes(): Promise<Hex.Hex[]> {
    const keys = await this.blobs.list('appraisals/')
    return [...new Set(keys.map((key) => `0x${key.split('/')[1]}` as Hex.Hex))]
  }

  /** A key's records, oldest first. */
  async history(node: Hex.Hex): Promise<AppraisalRecord.SignedRecord[]> {
    const keys = await this.blobs.list(folder(node))
    return Promise.all(keys.map(async (key) => decode((await this.blobs.get(key)) ?? missing(key))))
  }

  async #put(kind: string, bytes: Uint8Array): Promise<Hex.Hex> {
    const digest = Digest.content(bytes)
    await this.blobs.putOnce(`${kind}/${name(digest)}`, bytes)
    return digest
  }

  /** Bytes under their digest; what the store altered is as good as lost, and is said to be. */
  async #get(kind: string, digest: Hex.Hex): Promise<Uint8Array | undefined> {
    const bytes = await this.blobs.get(`${kind}/${name(digest)}`)
    if (bytes && Digest.content(bytes) !== digest) throw new AppError('archive.altered', { detail: `${kind}/${name(digest)} holds other bytes` })
    return bytes
  }
}

const folder = (node: Hex.Hex): string => `appraisals/${node.slice(2).toLowerCase()}/`

/** signature:65 ‖ record. */
const encode = ({ record, signature }: AppraisalRecord.SignedRecord): Uint8Array => {
  const out = new Uint8Array(signature.length + record.length)
  out.set(signature)
  out.set(record, signature.length)
  return out
}

const decode = (bytes: Uint8Array): AppraisalRecord.SignedRecord => ({ signature: bytes.slice(0, 65), record: bytes.slice(65) })

function missing(key: string): never {
  throw new AppError('archive.lost', { retryable: true, detail: `${key} is listed and cannot be read` })
}

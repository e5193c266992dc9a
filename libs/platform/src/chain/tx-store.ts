import type { Hex } from '@haca/core'
import type { Blobs } from '../blobs/index.js'

/** One signed transaction as it is kept before it is sent. */
export interface StoredTx {
  nonce: number
  /** 0 for the first, then one per fee bump: the same nonce, another price. */
  attempt: number
  hash: Hex.Hex
  /** Signed bytes; a restart sends exactly these. */
  raw: Hex.Hex
  to: Hex.Hex
  data: Hex.Hex
  gas: string
  maxFeePerGas: string
  maxPriorityFeePerGas: string
  /** What the lane needs to take up the thread after a restart. */
  note: string
  /** Unix milliseconds. */
  signedAtMs: number
}

const shardSize = 1_000

/** Append-only record of a key's signed transactions: `tx/<address>/<shard>/<nonce>-<attempt>`. */
export class TxStore {
  constructor(
    readonly blobs: Blobs,
    readonly address: Hex.Hex,
  ) {}

  /** Writes a transaction before it is sent; answers what is stored under its nonce and attempt, ours or an earlier one. */
  async append(tx: StoredTx): Promise<StoredTx> {
    const { bytes } = await this.blobs.putOnce(this.#key(tx.nonce, tx.attempt), new TextEncoder().encode(JSON.stringify(tx)))
    return decode(bytes)
  }

  /** All variants of all nonces from `nonce` up, by nonce and attempt. */
  async from(nonce: number): Promise<StoredTx[]> {
    const out: StoredTx[] = []
    for (let shard = Math.floor(nonce / shardSize); ; shard++) {
      const keys = await this.blobs.list(`${this.#folder(shard)}/`)
      if (keys.length === 0) return out
      for (const key of keys) {
        if (Number(key.slice(key.lastIndexOf('/') + 1).split('-')[0]) < nonce) continue
        const bytes = await this.blobs.get(key)
        if (bytes) out.push(decode(bytes))
      }
    }
  }

  #folder(shard: number): string {
    return `tx/${this.address.toLowerCase()}/${String(shard).padStart(9, '0')}`
  }

  #key(nonce: number, attempt: number): string {
    return `${this.#folder(Math.floor(nonce / shardSize))}/${String(nonce).padStart(12, '0')}-${String(attempt).padStart(3, '0')}`
  }
}

const decode = (bytes: Uint8Array): StoredTx => JSON.parse(new TextDecoder().decode(bytes)) as StoredTx

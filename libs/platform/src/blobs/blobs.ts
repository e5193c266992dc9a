import { AppError } from '@haca/core'

/** What `putOnce` answers: whether these bytes won, and the bytes that are there now. */
export interface Stored {
  stored: boolean
  bytes: Uint8Array
}

/**
 * The object store: second in authority after the chain. Keys are slash-separated segments of `[A-Za-z0-9._-]`.
 * A write that was acknowledged survives a crash of the machine.
 */
export interface Blobs {
  /** Writes unless the key exists; of any number of concurrent writers exactly one wins, and all are told the winner's bytes. */
  putOnce(key: string, bytes: Uint8Array): Promise<Stored>
  /** Writes or replaces, atomically. Only for what can be rebuilt: cursors, indexes. */
  put(key: string, bytes: Uint8Array): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  /** Keys below a prefix that ends in a slash, in ascending order. */
  list(prefix: string): Promise<string[]>
  delete(key: string): Promise<void>
}

/** Throws `blobs.bad-key` for a key that could leave its folder or collide with temporary names. */
export function checkKey(key: string): void {
  const segments = key.split('/')
  if (key.length > 512 || segments.some((s) => !/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(s))) {
    throw new AppError('blobs.bad-key', { detail: 'a blob key is made of segments of letters, digits, ".", "_" and "-"' })
  }
}

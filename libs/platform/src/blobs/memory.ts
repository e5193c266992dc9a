import { checkKey, type Blobs, type Stored } from './blobs.js'

/** In process: nothing here survives a restart. For tests, and for the demo where it says so. */
export class MemoryBlobs implements Blobs {
  readonly #values = new Map<string, Uint8Array>()

  async putOnce(key: string, bytes: Uint8Array): Promise<Stored> {
    checkKey(key)
    const existing = this.#values.get(key)
    if (existing) return { stored: false, bytes: existing.slice() }
    this.#values.set(key, bytes.slice())
    return { stored: true, bytes }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkKey(key)
    this.#values.set(key, bytes.slice())
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    checkKey(key)
    return this.#values.get(key)?.slice()
  }

  async list(prefix: string): Promise<string[]> {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort()
  }

  async delete(key: string): Promise<void> {
    checkKey(key)
    this.#values.delete(key)
  }
}

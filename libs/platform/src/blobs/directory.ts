import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, readdir, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkKey, type Blobs, type Stored } from './blobs.js'

/**
 * Blobs as files below one directory. `putOnce` writes a temporary file, syncs it and hard-links it into place: `link`
 * fails when the name exists, on every POSIX file system, also between processes. Several machines need a shared
 * file system with POSIX semantics, or the S3 adapter.
 */
export class DirectoryBlobs implements Blobs {
  readonly #made = new Set<string>()

  constructor(readonly root: string) {}

  async putOnce(key: string, bytes: Uint8Array): Promise<Stored> {
    const [path, temporary] = await this.#write(key, bytes)
    try {
      await link(temporary, path)
      await this.#sync(dirname(path))
      return { stored: true, bytes }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      return { stored: false, bytes: await readFile(path) }
    } finally {
      await unlink(temporary)
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const [path, temporary] = await this.#write(key, bytes)
    await rename(temporary, path)
    await this.#sync(dirname(path))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    checkKey(key)
    try {
      return await readFile(join(this.root, key))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  async list(prefix: string): Promise<string[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    let entries: { name: string; parentPath: string; isFile(): boolean }[]
    try {
      entries = await readdir(join(this.root, folder), { withFileTypes: true, recursive: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.root.length + 1))
      .filter((key) => key.startsWith(prefix))
      .sort()
  }

  async delete(key: string): Promise<void> {
    checkKey(key)
    await rm(join(this.root, key), { force: true })
  }

  /** Writes and syncs a temporary file beside the key's place; a leading dot keeps it out of `list`. */
  async #write(key: string, bytes: Uint8Array): Promise<[path: string, temporary: string]> {
    checkKey(key)
    const path = join(this.root, key)
    const folder = dirname(path)
    if (!this.#made.has(folder)) {
      await mkdir(folder, { recursive: true })
      this.#made.add(folder)
    }
    const temporary = join(folder, `.${randomUUID()}`)
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(bytes)
      await file.datasync()
    } finally {
      await file.close()
    }
    return [path, temporary]
  }

  async #sync(folder: string): Promise<void> {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

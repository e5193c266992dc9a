import { AppError, Errors } from '@haca/core'
import { randomUUID } from 'node:crypto'
import { closeSync, fdatasync, fstatSync, fsync, linkSync, mkdirSync, openSync, readSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { readFile, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { checkKey, type Blobs, type Stored } from './blobs.js'

/** Larger files are read beside the event loop. */
const readAtOnceMax = 1 << 20

const written = promisify(fdatasync)
const synced = promisify(fsync)

/**
 * Blobs as files below one directory. `putOnce` writes a temporary file, syncs it and hard-links it into place: `link`
 * fails when the name exists, on every POSIX file system, also between processes. Several machines need a shared
 * file system with POSIX semantics, or the S3 adapter.
 *
 * Only the syncs wait for the disk, and only they leave the event loop: opening, writing and linking a small file takes
 * microseconds, less than handing each of them to another thread and waking up for it.
 */
export class DirectoryBlobs implements Blobs {
  readonly #made = new Set<string>()

  constructor(readonly root: string) {}

  putOnce(key: string, bytes: Uint8Array): Promise<Stored> {
    return this.#ask(async () => {
      const [path, temporary] = await this.#write(key, bytes)
      const stored = linked(temporary, path)
      await this.#sync(dirname(path)) // the winner's name too: whoever is told of it may act on it
      return { stored, bytes: stored ? bytes : ((await this.#read(path)) as Uint8Array) }
    })
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#ask(async () => {
      const [path, temporary] = await this.#write(key, bytes)
      orDrop(temporary, () => renameSync(temporary, path))
      await this.#sync(dirname(path))
    })
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#ask(async () => {
      checkKey(key)
      return this.#read(join(this.root, key))
    })
  }

  list(prefix: string): Promise<string[]> {
    return this.#ask(() => this.#list(prefix))
  }

  delete(key: string): Promise<void> {
    return this.#ask(async () => {
      checkKey(key)
      await rm(join(this.root, key), { force: true })
    })
  }

  /** A disk that is full or a file system that is away is an outage, and passes: whoever reads a log must wait for it, and bury nothing meanwhile. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (Errors.find(cause)) throw cause
      throw new AppError('blobs.unreachable', { retryable: true, cause, detail: 'the object store does not answer' })
    }
  }

  async #list(prefix: string): Promise<string[]> {
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

  /** The file's bytes, or nothing when there is none. */
  async #read(path: string): Promise<Uint8Array | undefined> {
    let file: number
    try {
      file = openSync(path, 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      const { size } = fstatSync(file)
      if (size <= readAtOnceMax) return wholly(file, size)
    } finally {
      closeSync(file)
    }
    return readFile(path)
  }

  /** Writes and syncs a temporary file beside the key's place; a leading dot keeps it out of `list`. */
  async #write(key: string, bytes: Uint8Array): Promise<[path: string, temporary: string]> {
    checkKey(key)
    const path = join(this.root, key)
    const folder = dirname(path)
    if (!this.#made.has(folder)) {
      mkdirSync(folder, { recursive: true })
      this.#made.add(folder)
    }
    const temporary = join(folder, `.${randomUUID()}`)
    const file = openSync(temporary, 'wx')
    try {
      writeFileSync(file, bytes)
      await written(file)
    } catch (error) {
      unlinkSync(temporary) // half a file would take from a full disk what is left of it
      throw error
    } finally {
      closeSync(file)
    }
    return [path, temporary]
  }

  async #sync(folder: string): Promise<void> {
    const handle = openSync(folder, 'r')
    try {
      await synced(handle)
    } finally {
      closeSync(handle)
    }
  }
}

function orDrop(temporary: string, name: () => void): void {
  try {
    name()
  } catch (error) {
    unlinkSync(temporary)
    throw error
  }
}

/** Gives a temporary file its name, unless another has it. */
function linked(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(temporary)
  }
}

function wholly(file: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; ) {
    const count = readSync(file, bytes, at, size - at, at)
    if (count === 0) return bytes.subarray(0, at) // the file is never changed once it has its name; whoever shortened it was not us
    at += count
  }
  return bytes
}

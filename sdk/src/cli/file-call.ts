import { readFile, writeFile } from 'node:fs/promises'
import type { Call, CallStore } from '../calls.js'
import { readJson } from './io.js'

/** The one call that a file keeps, whatever its id: written before its payment leaves, and read when the same is run again. */
export function fileCall(file: string): CallStore {
  const get = async (): Promise<Call | undefined> => {
    const there = await readFile(file).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )
    return there ? ((await readJson(file)) as Call) : undefined
  }
  return {
    get,
    putOnce: async (call) => {
      try {
        await writeFile(file, JSON.stringify(call), { flag: 'wx', mode: 0o600 })
        return call
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        return (await get()) as Call
      }
    },
  }
}

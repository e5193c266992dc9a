import { existsSync } from 'node:fs'
import { copyFile, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../root.js'
import { define, freePort, type Part } from './part.js'

export interface AnvilOptions {
  /** 84532 by default; 8453 for the compatibility profile. */
  chainId?: number
  /** Seconds between blocks; Base makes one each 0.2 s. */
  blockTimeSeconds?: number
  /** Seconds between snapshots; a kill loses what came since. Each writes and reads the whole history, which a load makes long. */
  snapshotSeconds?: number
}

/**
 * anvil with Base's rules: Osaka, the per-transaction gas cap, interval mining (automine strands transactions
 * under load) and `safe`/`finalized` tags that trail by one and two blocks. Its state is written to `folder` now and then, so
 * that a kill costs it no more than the last seconds: to everybody else, a deep reorganisation.
 */
export async function anvilPart(folder: string, { chainId = 84_532, blockTimeSeconds = 0.2, snapshotSeconds = 5 }: AnvilOptions = {}): Promise<{ part: Part; url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const state = new StateFile(join(folder, 'anvil.json'), snapshotSeconds)
  const anvil = define({
    name: 'anvil',
    command: join(root, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil'),
    args: [
      ...['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId)],
      ...['--hardfork', 'osaka', '--enable-tx-gas-limit', '--gas-limit', '60000000', '--base-fee', '5000000'],
      ...['--block-time', String(blockTimeSeconds), '--slots-in-an-epoch', '1'],
      ...['--state', state.path, '--state-interval', String(snapshotSeconds), '--silent'],
    ],
    logFile: join(folder, 'logs/anvil.log'),
    ready: () => answers(url),
    readyWithinMs: 20_000,
  })
  const part: Part = {
    ...anvil,
    start: async () => {
      await state.repair()
      await anvil.start()
      state.watch()
    },
    stop: async (graceMs) => {
      state.unwatch()
      await anvil.stop(graceMs)
    },
    kill: async () => {
      state.unwatch()
      await anvil.kill()
    },
  }
  return { part, url }
}

/** anvil overwrites its state file in place, so a kill can leave half of one; a whole copy is kept beside it. */
class StateFile {
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly path: string,
    readonly everySeconds: number,
  ) {}

  watch(): void {
    this.#timer = setInterval(() => void this.#keep().catch(() => undefined), this.everySeconds * 1_000)
    this.#timer.unref()
  }

  unwatch(): void {
    clearInterval(this.#timer)
  }

  /** Puts the newest whole state in place. */
  async repair(): Promise<void> {
    for (const candidate of [this.path, `${this.path}.good`]) {
      if (!(await isWhole(candidate))) continue
      if (candidate !== this.path) await copyFile(candidate, this.path)
      return
    }
    await rm(this.path, { force: true })
  }

  async #keep(): Promise<void> {
    const copy = `${this.path}.copy`
    await copyFile(this.path, copy)
    if (await isWhole(copy)) await rename(copy, `${this.path}.good`)
  }
}

async function isWhole(path: string): Promise<boolean> {
  if (!existsSync(path)) return false
  try {
    JSON.parse(await readFile(path, 'utf8'))
    return true
  } catch {
    return false
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal: AbortSignal.timeout(1_000) })
    return response.ok
  } catch {
    return false
  }
}

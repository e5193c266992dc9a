import { join } from 'node:path'
import { root } from '../root.js'
import { freePort, launch, type Part } from './part.js'

export interface AnvilOptions {
  /** 84532 by default; 8453 for the compatibility profile. */
  chainId?: number
  /** Seconds between blocks; Base makes one each 0.2 s. */
  blockTimeSeconds?: number
}

/**
 * Starts anvil with Base's rules: Osaka, the per-transaction gas cap, interval mining (automine strands transactions
 * under load) and `safe`/`finalized` tags that trail by one and two blocks. Its state is written to `folder`, so that it
 * survives a kill.
 */
export async function startAnvil(folder: string, { chainId = 84_532, blockTimeSeconds = 0.2 }: AnvilOptions = {}): Promise<{ part: Part; url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const part = await launch({
    name: 'anvil',
    command: join(root, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil'),
    args: [
      ...['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId)],
      ...['--hardfork', 'osaka', '--enable-tx-gas-limit', '--gas-limit', '60000000', '--base-fee', '5000000'],
      ...['--block-time', String(blockTimeSeconds), '--slots-in-an-epoch', '1'],
      ...['--state', join(folder, 'anvil.json'), '--state-interval', '1', '--silent'],
    ],
    logFile: join(folder, 'logs/anvil.log'),
    ready: () => answers(url),
    readyWithinMs: 20_000,
  })
  return { part, url }
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

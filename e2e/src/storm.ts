import { Redis } from 'ioredis'
import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { Hex } from '@haca/core'
import { type Books, type Caller, digitBody, requiredOf, signPayment, type Stack, type Wallet } from '@haca/tools'
import type { Blow, CallRecord } from './history.js'

/** One logical call by a caller who never signs twice: it sends the same payment until it has an answer, or is told that there will be none. */
export async function call(record: CallRecord, wallet: Wallet, caller: Caller, books: Books, untilMs: number): Promise<void> {
  const body = digitBody(record.index)
  let header: string | undefined
  for (let failures = 0; Date.now() < untilMs; failures++) {
    try {
      const response = header ? await caller.pay(body, header) : await caller.infer(body)
      record.attempts.push(String(response.status))
      if (response.status === 200) {
        record.answers.push({ answer: await response.text(), receipt: response.headers.get('haca-receipt') as string, requestId: response.headers.get('haca-request-id') as Hex.Hex })
        record.end = 'answered'
        return
      }
      if (response.status === 402 && !header) {
        const signed = signPayment(requiredOf(response), wallet)
        header = signed.header
        record.paymentId = books.paymentId(wallet.address, signed.authorization.nonce)
        record.amount = signed.authorization.value
        continue
      }
      if (response.status === 402 || response.status === 410) {
        record.attempts.push(((await response.json()) as { detail?: string }).detail ?? '')
        record.end = response.status === 410 ? 'void' : 'refused'
        return
      }
    } catch (error) {
      record.attempts.push((error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name)
    }
    await pause(Math.min(200 * 2 ** failures, 2_000))
  }
  record.end = 'gave-up'
}

/** Everything that can be done to a stack. Each blow heals what it broke before it returns. */
export function blows(stack: Stack): Record<string, () => Promise<void>> {
  const crash = (name: string, downMs: number) => async (): Promise<void> => {
    const part = stack.parts.get(name)
    if (!part) throw new Error(`${name} is not ours to kill`)
    await part.kill()
    await pause(downMs)
    await part.start()
  }
  return {
    gateway: crash('gateway', 500),
    router: crash('router', 500),
    inference: crash('inference', 500),
    prover: crash('prover', 500),
    settler: crash('settler', 500),
    kafka: crash('kafka', 1_000),
    redis: crash('redis', 500),
    chain: crash('anvil', 500),
    'inference worker': async () => killChildOf(stack.parts.get('inference')?.pid()),
    'redis FLUSHALL': async () => {
      const redis = new Redis(stack.redis, { maxRetriesPerRequest: 1 })
      await redis.flushall()
      redis.disconnect()
    },
    reorganisation: async () => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'anvil_reorg', params: [3, []] })
      await fetch(stack.rpc, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    },
  }
}

/** Strikes in the given order, each time after a while of peace. */
export async function storm(stack: Stack, order: readonly string[], peaceMs: () => number, log: Blow[], beganMs: number): Promise<void> {
  const all = blows(stack)
  for (const what of order) {
    await pause(peaceMs())
    log.push({ atMs: Date.now() - beganMs, what })
    await all[what]?.()
    log.push({ atMs: Date.now() - beganMs, what: `${what} healed` })
  }
}

function killChildOf(pid: number | undefined): void {
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).trim().split(/\s+/).filter(Boolean)
  if (children.length === 0) throw new Error('the inference service has no worker')
  for (const child of children) process.kill(Number(child), 'SIGKILL')
}

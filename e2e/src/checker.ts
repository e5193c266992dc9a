import { LeafFile, type Hex } from '@haca/core'
import { DirectoryBlobs } from '@haca/platform/blobs'
import { type Books, type Caller, eventually, expectedLabel, labelOf, type Stack } from '@haca/tools'
import kafkajs from 'kafkajs'
import { join } from 'node:path'
import type { History } from './history.js'

/** The books before the storm. */
export interface Opening {
  vault: bigint
  payers: Map<Hex.Hex, bigint>
}

/** Holds a healed system against a history. Every broken rule is a line; none is the only good answer. */
export async function check(history: History, opening: Opening, world: { stack: Stack; books: Books; caller: Caller; withinMs: number }): Promise<string[]> {
  const { books, caller, stack, withinMs } = world
  const broken: string[] = []
  const rule = (holds: boolean, what: string): void => void (holds || broken.push(what))
  let credited = 0n
  for (const call of history.calls) {
    if (!call.paymentId) {
      rule(call.end !== 'answered', `call ${call.index} was answered without a payment`)
      continue
    }
    const ids = new Set(call.answers.map((a) => a.requestId))
    rule(new Set(call.answers.map((a) => a.receipt + a.answer)).size <= 1, `call ${call.index} got different answers or receipts`)
    for (const { answer } of call.answers) rule(labelOf(answer) === expectedLabel(call.index), `call ${call.index} got a wrong label`)
    const [requestId] = [...ids]
    const state = await terminal(requestId, call.paymentId, { books, caller, withinMs }).catch(() => 'not terminal')
    const { amount, refunded } = await books.credit(call.paymentId)
    if (!refunded) credited += amount
    rule(amount === 0n || amount === call.amount, `call ${call.index} was charged ${amount}, not ${call.amount}`)
    if (call.end === 'answered') {
      rule(state === 'anchored', `call ${call.index} was answered and is ${state}`)
      rule(amount === call.amount, `call ${call.index} was answered and charged ${amount}`)
    } else if (state === 'void') rule(amount === 0n || refunded, `call ${call.index} is void and was charged ${amount}`)
  }
  const paid = [...opening.payers].reduce((sum, [, balance]) => sum + balance, 0n) - (await Promise.all([...opening.payers.keys()].map((p) => books.balance(p)))).reduce((a, b) => a + b, 0n)
  const received = (await books.vault()) - opening.vault
  rule(paid === received, `money is not conserved: payers lost ${paid}, the vault gained ${received}`)
  rule(paid === credited, `money is not accounted for: payers lost ${paid}, credits are ${credited}`)
  broken.push(...(await anchoredOnce(stack)), ...(await deadLetters(stack)))
  return broken
}

/** Waits for the end of a call: anchored or void by the gateway, or, when its caller never learned its id, by the vault. */
function terminal(requestId: Hex.Hex | undefined, paymentId: Hex.Hex, { books, caller, withinMs }: { books: Books; caller: Caller; withinMs: number }): Promise<string> {
  return eventually(
    'a terminal state',
    async () => {
      if (!requestId) return (await books.credit(paymentId)).amount > 0n ? 'charged' : 'void'
      const { status, body } = await caller.json(`/v1/requests/${requestId}`)
      return status === 200 && ['anchored', 'void', 'unpaid'].includes(String(body.state)) ? String(body.state) : undefined
    },
    withinMs,
  )
}

/** No receipt lies in two leaves. */
async function anchoredOnce(stack: Stack): Promise<string[]> {
  const blobs = new DirectoryBlobs(join(stack.world.folder, 'blobs'))
  const seen = new Map<string, string>()
  const twice: string[] = []
  for (const key of await blobs.list('batches/')) {
    const record = JSON.parse(new TextDecoder().decode(await blobs.get(key))) as { leafFile: string }
    for (const { receipt } of LeafFile.decode((await blobs.get(`leaves/${record.leafFile.slice(2)}`)) as Uint8Array).rows) {
      const earlier = seen.get(receipt.requestId)
      if (earlier) twice.push(`request ${receipt.requestId} is anchored in ${earlier} and ${key}`)
      seen.set(receipt.requestId, key)
    }
  }
  return twice
}

/** Nothing an honest service sent was buried. */
async function deadLetters(stack: Stack): Promise<string[]> {
  const admin = new kafkajs.Kafka({ brokers: stack.kafka.split(','), logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.endsWith('.dlq'))
    const counts = await Promise.all(topics.map(async (topic) => [topic, (await admin.fetchTopicOffsets(topic)).reduce((sum, p) => sum + Number(p.high), 0)] as const))
    return counts.filter(([, count]) => count > 0).map(([topic, count]) => `${count} record(s) in ${topic}`)
  } finally {
    await admin.disconnect()
  }
}

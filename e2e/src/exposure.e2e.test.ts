import { Hex } from '@haca/core'
import { Books, Caller, digitBody, eventually, expectedLabel, fundedWallets, labelOf, requiredOf, signPayment, type Stack, startStack, type Wallet } from '@haca/tools'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWalletClient, http, parseAbi, parseEther } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const tokenAbi = parseAbi(['function transfer(address, uint256) returns (bool)', 'function transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)'])
const cap = 6_000n
const lifeSeconds = 40

let folder: string
let stack: Stack
let caller: Caller
let books: Books

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-'))
  stack = await startStack({
    folder,
    policy: { deadlineSeconds: 12 },
    env: {
      gateway: {
        GATEWAY_PAYER_CAP_ATOMIC: '2000',
        GATEWAY_UNESTABLISHED_CAP_ATOMIC: String(cap),
        GATEWAY_PAYMENT_TIMEOUT_SECONDS: String(lifeSeconds),
        GATEWAY_PAYMENT_REMAINING_SECONDS: '20',
        GATEWAY_BALANCE_MAX_AGE_MS: '1000',
        GATEWAY_ANSWER_WAIT_MS: '4000',
      },
      inference: { SETTLE_MARGIN_SECONDS: '5' },
      settler: { SETTLE_MARGIN_SECONDS: '5' },
    },
  })
  caller = new Caller(stack.gateway.http)
  books = new Books(stack)
})
afterAll(async () => {
  await stack?.stop()
  await rm(folder, { recursive: true, force: true })
})

const service = (name: string) => {
  const part = stack.parts.get(name)
  if (!part) throw new Error(`${name} is not ours`)
  return part
}

/** Sends a transaction of a wallet that has no gas of its own. */
async function send(wallet: Wallet, call: { functionName: 'transfer' | 'transferWithAuthorization'; args: readonly unknown[] }): Promise<void> {
  const account = privateKeyToAccount(wallet.privateKey)
  await books.client.request({ method: 'anvil_setBalance' as never, params: [wallet.address, `0x${parseEther('1').toString(16)}`] as never })
  const client = createWalletClient({ account, transport: http(stack.rpc) })
  const hash = await client.writeContract({ address: stack.token.address, abi: tokenAbi, chain: null, ...call } as never)
  expect((await books.client.waitForTransactionReceipt({ hash, pollingInterval: 100 })).status).toBe('success')
}

/** Buys until we will not sell on trust any more; gives what was delivered. */
async function buyOnTrust(wallet: Wallet, most: number): Promise<{ paymentId: Hex.Hex; requestId: string }[]> {
  const delivered: { paymentId: Hex.Hex; requestId: string }[] = []
  for (let i = 0; i < most; i++) {
    const body = digitBody(i)
    const required = await caller.required(body)
    const { header, authorization } = signPayment(required, wallet)
    const response = await caller.pay(body, header)
    if (response.status === 402) {
      const again = requiredOf(response)
      expect(again.error).toBe('upfront_payment_required')
      expect(again.accepts.map((entry) => entry.extra?.paymentFlow)).toEqual(['upfront'])
      break
    }
    expect(response.status).toBe(200)
    delivered.push({ paymentId: books.paymentId(wallet.address, authorization.nonce), requestId: response.headers.get('haca-request-id') as string })
  }
  return delivered
}

describe('a payer who takes and runs', () => {
  it('drains and replaces its wallet, and costs us no more than the stated cap', async () => {
    const wallets = await fundedWallets(stack.rpc, 8, 1_000_000n)
    const [accomplice] = await fundedWallets(stack.rpc, 1, 0n)
    await service('settler').kill() // the worst case: nothing is collected while they run
    const taken: { paymentId: Hex.Hex; requestId: string }[] = []
    for (const wallet of wallets) {
      taken.push(...(await buyOnTrust(wallet, 5)))
      await send(wallet, { functionName: 'transfer', args: [accomplice?.address, await books.balance(wallet.address)] })
    }
    // 2 of 1000 each per wallet until 6 of 1000 are out, then nobody new gets anything without paying first.
    expect(taken).toHaveLength(Number(cap / 1000n))
    await service('settler').start()
    const lost = await eventually(
      'every drained payment is known to be lost',
      async () => {
        const states = await Promise.all(taken.map(async ({ requestId }) => (await caller.json(`/v1/requests/${requestId}`)).body.state))
        return states.every((state) => state === 'unpaid') ? states.length : undefined
      },
      (lifeSeconds + 60) * 1000,
    )
    expect(BigInt(lost) * 1000n).toBeLessThanOrEqual(cap)
    for (const { paymentId } of taken) expect(await books.credit(paymentId)).toEqual({ amount: 0n, refunded: false })
    // What was lost stays counted: the next wallets find the cap used up.
    const [fresh] = await fundedWallets(stack.rpc, 1, 1_000_000n)
    expect(await buyOnTrust(fresh as Wallet, 2)).toHaveLength(0)
    // Their receipts are anchored as void: nothing was collected, and nobody can say it was.
    const [first] = taken
    const bundle = await eventually('void leaf', async () => {
      const { body } = await caller.json(`/v1/receipts/${first?.requestId}`)
      return (body.inclusion as { collected: string } | null) ? body : undefined
    })
    expect((bundle.inclusion as { collected: string }).collected).toBe('0')
  })
})

describe('a payer we do not trust', () => {
  const payUpfront = async (wallet: Wallet, body: string) => {
    // The cap is used up by the scenario above, so trust is not on offer: the 402 after a first attempt says how it still goes.
    const onTrust = signPayment(await caller.required(body), wallet)
    const required = requiredOf(await caller.pay(body, onTrust.header))
    expect(required.accepts[0]?.extra?.paymentFlow).toBe('upfront')
    return signPayment(required, wallet)
  }

  it('pays first, and then gets its answer with the transaction', async () => {
    const [wallet] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
    const body = digitBody(21)
    const { header, authorization } = await payUpfront(wallet, body)
    const response = await eventually('the answer', async () => {
      const r = await caller.pay(body, header, { prefer: 'wait=10' })
      return r.status === 200 ? r : undefined
    })
    expect(response.headers.get('payment-response')).not.toBeNull()
    expect(labelOf(await response.text())).toBe(expectedLabel(21))
    expect(await books.credit(books.paymentId(wallet.address, authorization.nonce))).toEqual({ amount: 1000n, refunded: false })
    expect(await books.balance(wallet.address)).toBe(999_000n)
  })

  it('gets its money back when nobody answers', async () => {
    const [wallet] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
    const body = digitBody(22)
    const { header, authorization } = await payUpfront(wallet, body)
    await service('inference').kill()
    const response = await caller.pay(body, header) // the router has not noticed yet: a pool is assigned
    expect([202, 410]).toContain(response.status)
    const paymentId = books.paymentId(wallet.address, authorization.nonce)
    await eventually('refund', async () => ((await books.credit(paymentId)).refunded ? true : undefined), 90_000)
    expect(await books.balance(wallet.address)).toBe(1_000_000n)
    const last = await eventually('void', async () => {
      const r = await caller.pay(body, header)
      return r.status === 410 ? r : undefined
    })
    expect(await last.json()).toMatchObject({ code: 'deadline.missed' })
    await service('inference').start()
  })
})

describe('a payment that somebody else submits', () => {
  it('is credited all the same, once, and the request is settled', async () => {
    const [wallet] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
    const body = digitBody(23)
    // Trust is used up, so become established first: pay two upfront, as much as the payer cap.
    for (const i of [30, 31]) {
      const first = signPayment(await caller.required(digitBody(i)), wallet)
      const required = requiredOf(await caller.pay(digitBody(i), first.header))
      const paid = signPayment(required, wallet)
      await eventually('established', async () => ((await caller.pay(digitBody(i), paid.header)).status === 200 ? true : undefined))
    }
    const before = await books.balance(wallet.address)
    await service('settler').kill()
    const { header, payload, authorization } = signPayment(await caller.required(body), wallet)
    const response = await caller.pay(body, header)
    expect(response.status).toBe(200)
    const signature = (payload.payload as { signature: Hex.Hex }).signature
    const bytes = Hex.toBytes(signature)
    await send(wallet, {
      functionName: 'transferWithAuthorization',
      args: [authorization.from, authorization.to, authorization.value, BigInt(authorization.validAfter), BigInt(authorization.validBefore), authorization.nonce, bytes[64], Hex.fromBytes(bytes.slice(0, 32)), Hex.fromBytes(bytes.slice(32, 64))],
    })
    await service('settler').start()
    const paymentId = books.paymentId(wallet.address, authorization.nonce)
    await eventually('credited', async () => ((await books.credit(paymentId)).amount === 1000n ? true : undefined))
    const requestId = response.headers.get('haca-request-id')
    await eventually('anchored', async () => ((await caller.json(`/v1/requests/${requestId}`)).body.state === 'anchored' ? true : undefined))
    expect(before - (await books.balance(wallet.address))).toBe(1000n)
  })
})

import { paymentBatcherAbi, settlementLogAbi } from '@haca/contracts'
import { Batch, Exact, Hex, Payment, Secp256k1 } from '@haca/core'
import { anvilPart, deployLocally, fundedWallets, roles, type TestAccount, type Wallet } from '@haca/tools'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, createWalletClient, encodeFunctionData, http, parseAbi } from 'viem'
import { report, type Figure } from '../report.js'

const tokenAbi = parseAbi(['function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)'])
const amount = 1_000n
const gasLimit = 16_777_216n

/** Gas of real transactions on a chain with Base's rules: payments by batch size beside one transaction each, and commits by batch size. */
export async function run(json: boolean): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-'))
  const chain = await anvilPart(folder)
  await chain.part.start()
  try {
    const { book, token } = await deployLocally(chain.url)
    const client = createPublicClient({ transport: http(chain.url), pollingInterval: 100 })
    const separator = Payment.tokenSeparator({ address: token.token, ...token.domain, chainId: book.chainId })
    const sign = (wallet: Wallet) => authorization(wallet, book.revenueVault, separator)

    /** Gas a transaction used. Throws when it reverted. */
    const send = async (from: TestAccount, to: Hex.Hex, data: Hex.Hex): Promise<bigint> => {
      const hash = await createWalletClient({ account: from.account, transport: http(chain.url) }).sendTransaction({ chain: null, to, data, gas: gasLimit })
      const { status, gasUsed } = await client.waitForTransactionReceipt({ hash })
      if (status !== 'success') throw new Error(`transaction ${hash} reverted`)
      return gasUsed
    }
    const settle = async (count: number): Promise<number> => {
      const payments = (await fundedWallets(chain.url, count, amount)).map(sign)
      const gas = await send(roles.payments, book.paymentBatcher, encodeFunctionData({ abi: paymentBatcherAbi, functionName: 'settle', args: [token.token, payments] }))
      return Number(gas) / count
    }
    const alone = async (): Promise<number> => {
      const [wallet] = await fundedWallets(chain.url, 1, amount)
      const { from, value, validAfter, validBefore, nonce, signature } = sign(wallet as Wallet)
      return Number(await send(roles.payments, token.token, encodeFunctionData({ abi: tokenAbi, functionName: 'transferWithAuthorization', args: [from, book.revenueVault, value, validAfter, validBefore, nonce, signature] })))
    }
    let tip: { id: number; hash: Hex.Hex } = { id: 0, hash: Hex.zero32 }
    const commit = async (count: number): Promise<number> => {
      const header: Batch.Header = { prev: tip.hash, root: random(), token: token.token, total: amount * BigInt(count), daRef: random(), evidenceRoot: random(), id: tip.id + 1, count }
      const gas = await send(roles.commits, book.settlementLog, encodeFunctionData({ abi: settlementLogAbi, functionName: 'commit', args: [{ ...header, id: BigInt(header.id) }] }))
      tip = { id: header.id, hash: Batch.hash(header) }
      return Number(gas)
    }

    await settle(1) // the first payment a vault ever gets makes its storage
    await commit(1)
    const [one, ten, hundred] = [await settle(1), await settle(10), await settle(100)]
    const single = await alone()
    const commits = [await commit(1), await commit(1_000), await commit(10_000)] as const
    const figures: Figure[] = [
      { metric: 'payment, one transaction each (transferWithAuthorization, credited to nobody)', value: single, unit: 'gas' },
      { metric: 'payment in a batch of 1', value: one, unit: 'gas' },
      { metric: 'payment in a batch of 10', value: ten, unit: 'gas' },
      { metric: 'payment in a batch of 100', value: hundred, unit: 'gas' },
      { metric: 'payment in a batch of 100, beside one transaction each', value: hundred / single, unit: '×' },
      { metric: 'commit of a batch of 1', value: commits[0], unit: 'gas' },
      { metric: 'commit of a batch of 10,000', value: commits[2], unit: 'gas' },
      { metric: 'commit per inference, in a batch of 1,000', value: commits[1] / 1_000, unit: 'gas' },
      { metric: 'commit per inference, in a batch of 10,000', value: commits[2] / 10_000, unit: 'gas' },
      { metric: 'payment and receipt per inference, in batches of 100 and 10,000', value: hundred + commits[2] / 10_000, unit: 'gas' },
    ]
    return report('gas', figures, json)
  } finally {
    await chain.part.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

const random = (): Hex.Hex => Hex.fromBytes(randomBytes(32))

/** A wallet's payment as the contracts take it. */
function authorization(wallet: Wallet, to: Hex.Hex, separator: Uint8Array) {
  const signed: Exact.Authorization = { from: wallet.address, to, value: amount, validAfter: 0, validBefore: Math.floor(Date.now() / 1000) + 3_600, nonce: random() }
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(signed, separator), Hex.toBytes(wallet.privateKey)))
  return { ...signed, validAfter: BigInt(signed.validAfter), validBefore: BigInt(signed.validBefore), signature }
}

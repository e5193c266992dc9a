import { groth16Format, groth16VerifierAbi, modelRegistryAbi, proofLedgerAbi, teeRegistryAbi, verificationKeyRegistryAbi, type AddressBook } from '@haca/contracts'
import { Hex, Receipt, Secp256k1 } from '@haca/core'
import { Groth16, type Program, witness } from '@haca/core/zk'
import { createLogger } from '@haca/platform/log'
import { EngineProver } from '@haca/prover/proving'
import { anvilPart, deployLocally, engine, roles, type TestAccount } from '@haca/tools'
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { createPublicClient, createWalletClient, encodeFunctionData, http } from 'viem'
import type { Figure } from '../report.js'
import type { Circuit } from './circuits.js'

const together = 32
const gasLimit = 16_777_216n
const random = (): Hex.Hex => Hex.fromBytes(randomBytes(32))

/** What a request's proof is shown with. */
interface Item {
  receipt: Receipt.Receipt
  signature: Hex.Hex
  signals: bigint[]
  proof: Hex.Hex
}

/** Gas of verifying alone and of the full path (receipt, registries, spend), one proof and 32 together, as whole transactions on a chain with Base's rules. */
export async function gasOf(folder: string, circuit: Circuit): Promise<Figure[]> {
  const chain = await anvilPart(folder)
  await chain.part.start()
  const prover = new EngineProver({ binary: engine, threads: availableParallelism(), memoryBytes: 8e9, loadTimeoutMs: 120_000, proveTimeoutMs: 300_000, logger: createLogger('bench', 'silent') })
  try {
    const { book } = await deployLocally(chain.url)
    const client = createPublicClient({ transport: http(chain.url), pollingInterval: 100 })
    /** Gas a transaction used. Throws when it reverted. */
    const send = async (from: TestAccount, to: Hex.Hex, data: Hex.Hex): Promise<number> => {
      const hash = await createWalletClient({ account: from.account, transport: http(chain.url) }).sendTransaction({ chain: null, to, data, gas: gasLimit })
      const { status, gasUsed } = await client.waitForTransactionReceipt({ hash })
      if (status !== 'success') throw new Error(`transaction ${hash} reverted`)
      return Number(gasUsed)
    }
    const subject = await publish(book, circuit, send)
    const items: Item[] = []
    for (let i = 0; i < 2 + together; i++) items.push(await prove(book, circuit, subject, prover, i + 1))
    const verify = (of: readonly Item[]): Promise<number> =>
      send(roles.publisher, book.groth16Verifier, encodeFunctionData({ abi: groth16VerifierAbi, functionName: 'verify', args: [subject.vkId, of.flatMap(({ signals }) => signals), concat(of.map(({ proof }) => proof))] }))
    const accept = (item: Item): Promise<number> => send(roles.publisher, book.proofLedger, encodeFunctionData({ abi: proofLedgerAbi, functionName: 'accept', args: [book.settlementLog, groth16Format, shown(item)] }))
    const acceptAll = (of: readonly Item[]): Promise<number> =>
      send(roles.publisher, book.proofLedger, encodeFunctionData({ abi: proofLedgerAbi, functionName: 'acceptBatch', args: [book.settlementLog, groth16Format, subject.vkId, of.map(shown)] }))

    const batch = items.slice(2)
    const [one, many] = [await verify(items.slice(0, 1)), (await verify(batch)) / together]
    await accept(items[0] as Item) // the first one of a log makes nothing that later ones find, and is not counted all the same
    const [path, paths] = [await accept(items[1] as Item), (await acceptAll(batch)) / together]
    return [
      { metric: 'verification of one proof', value: one, unit: 'gas', bar: { at: 240_000, is: 'at most' } },
      { metric: `verification of a proof in a batch of ${together}`, value: many, unit: 'gas', bar: { at: 70_000, is: 'at most' } },
      { metric: 'full path of one proof: receipt, registries, spend', value: path, unit: 'gas', bar: { at: 330_000, is: 'at most' } },
      { metric: `full path of a proof in a batch of ${together}`, value: paths, unit: 'gas' },
      { metric: `spend alone, in a batch of ${together}`, value: paths - many, unit: 'gas' },
    ]
  } finally {
    await prover.close()
    await chain.part.stop()
  }
}

interface Subject {
  vkId: Hex.Hex
  modelHash: Hex.Hex
  node: Uint8Array
  program: Program
}

/** Registers the circuit's key, a model bound to it, and a node that may sign. */
async function publish(book: AddressBook, { key, program }: Circuit, send: (from: TestAccount, to: Hex.Hex, data: Hex.Hex) => Promise<number>): Promise<Subject> {
  const bytes = Groth16.encodeRegisteredKey({ setup: { kind: 'dev' }, key })
  const subject = { vkId: Groth16.registeredKeyId(bytes), modelHash: random(), node: randomBytes(32), program }
  const now = BigInt(Math.floor(Date.now() / 1000))
  await send(roles.publisher, book.verificationKeyRegistry, encodeFunctionData({ abi: verificationKeyRegistryAbi, functionName: 'register', args: [Hex.fromBytes(bytes)] }))
  await send(roles.publisher, book.modelRegistry, encodeFunctionData({ abi: modelRegistryAbi, functionName: 'register', args: ['digits', '1.0.0', subject.modelHash, 1_000n] }))
  await send(roles.publisher, book.modelRegistry, encodeFunctionData({ abi: modelRegistryAbi, functionName: 'bindCircuit', args: [subject.modelHash, subject.vkId] }))
  const registration = [Secp256k1.addressOfKey(subject.node), roles.registrar.address, Receipt.keyKinds.node, Hex.zero32, random(), now - 60n, now + 3_600n] as const
  await send(roles.registrar, book.teeRegistry, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'registerKey', args: registration }))
  return subject
}

/** A proof of the same answer for another request, with the receipt a node signs for it. */
async function prove(book: AddressBook, circuit: Circuit, { vkId, modelHash, node, program }: Subject, prover: EngineProver, seq: number): Promise<Item> {
  const requestId = random()
  const context = Groth16.context({ chainId: book.chainId, settlementLog: book.settlementLog, requestId, modelHash })
  const { wtns, publicSignals } = witness(program, { inputs: circuit.inputs, context })
  const { proof } = await prover.prove(circuit, wtns)
  const issuedAt = Math.floor(Date.now() / 1000)
  const receipt: Receipt.Receipt = {
    ...{ requestId, modelHash, offerHash: random(), requestHash: random(), outputHash: random(), paymentId: random(), evidenceId: vkId, statementHash: Groth16.statementHash(publicSignals) },
    ...{ node: Secp256k1.addressOfKey(node), payer: roles.publisher.address, token: book.token, price: 1_000n },
    ...{ policyEpoch: 1, issuedAt, settleBy: issuedAt + Receipt.settleWithinSeconds, seq, mode: Receipt.modes.zkml, keyKind: Receipt.keyKinds.node },
  }
  const { signature } = Receipt.sign(receipt, { chainId: book.chainId, log: book.settlementLog }, node)
  return { receipt, signature, signals: publicSignals, proof: Hex.fromBytes(Groth16.encodeProof(proof)) }
}

const shown = ({ receipt, ...item }: Item) => ({
  ...item,
  receipt: { ...receipt, policyEpoch: BigInt(receipt.policyEpoch), issuedAt: BigInt(receipt.issuedAt), settleBy: BigInt(receipt.settleBy), seq: BigInt(receipt.seq) },
})

const concat = (parts: readonly Hex.Hex[]): Hex.Hex => `0x${parts.map((part) => part.slice(2)).join('')}`

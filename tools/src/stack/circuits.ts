import { modelRegistryAbi, verificationKeyRegistryAbi, type AddressBook } from '@haca/contracts'
import { Digest, Hex } from '@haca/core'
import { compile, decodeProgram, encodeCircuit, encodeForm, encodeManifest, formOf, Groth16, readCircuit, type CompileOptions, type PublishedCircuit } from '@haca/core/zk'
import type { Blobs } from '@haca/platform/blobs'
import { circuitFileKey, circuitKey } from '@haca/platform/circuits'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createPublicClient, createWalletClient, http } from 'viem'
import { root } from '../root.js'
import { roles } from './accounts.js'

/** The built proving engine; without it there are no circuits on a local stack, since snarkjs needs minutes for a key. */
export const engine = join(root, 'services/prover/engine/target/release/haca-prover')

const cache = join(root, '.cache/circuits')

/** What `models/circuits.mjs` wrote of a model's circuit; the part that compiling needs. */
interface Described {
  options: CompileOptions
  hashes: { r1cs: string; program: string; calibration: string | null }
}

/**
 * Publishes the circuits of models under DEVELOPMENT keys, as their publisher may: files and record to the object store, the
 * key to its registry, and the model bound to it. Keys are made once per circuit on this machine and kept in `.cache/circuits`.
 * Safe to repeat. Publishes nothing where the engine is not built.
 */
export async function publishCircuits(rpcUrl: string, book: AddressBook, blobs: Blobs, models: Readonly<Record<string, Hex.Hex>>): Promise<Record<string, Hex.Hex>> {
  if (!existsSync(engine)) return {}
  const chain = clientsOf(rpcUrl)
  const published: Record<string, Hex.Hex> = {}
  for (const [name, modelHash] of Object.entries(models)) {
    const folder = await madeCircuit(name)
    const { record, files } = await recordOf(folder, modelHash)
    for (const bytes of files) await blobs.putOnce(circuitFileKey(Digest.content(bytes).slice(2)), bytes)
    const bytes = encodeCircuit(record)
    const { vkId } = readCircuit(bytes)
    await blobs.putOnce(circuitKey(vkId), bytes)
    await bind(chain, book, { key: record.key, vkId, modelHash })
    published[name] = vkId
  }
  return published
}

type Chain = ReturnType<typeof clientsOf>

function clientsOf(rpcUrl: string) {
  const transport = http(rpcUrl)
  return { reads: createPublicClient({ transport, pollingInterval: 100 }), writes: createWalletClient({ transport, account: roles.publisher.account }) }
}

async function bind({ reads, writes }: Chain, book: AddressBook, { key, vkId, modelHash }: { key: Hex.Hex; vkId: Hex.Hex; modelHash: Hex.Hex }): Promise<void> {
  const keys = { address: book.verificationKeyRegistry, abi: verificationKeyRegistryAbi } as const
  const models = { address: book.modelRegistry, abi: modelRegistryAbi } as const
  const mined = async (hash: Hex.Hex): Promise<void> => {
    const { status } = await reads.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error(`publishing the circuit of ${modelHash} reverted`)
  }
  if (!(await reads.readContract({ ...keys, functionName: 'isRegistered', args: [vkId] }))) await mined(await writes.writeContract({ ...keys, chain: null, functionName: 'register', args: [key] }))
  const bound = await reads.readContract({ ...models, functionName: 'circuitOf', args: [modelHash] })
  if (bound === Hex.zero32) await mined(await writes.writeContract({ ...models, chain: null, functionName: 'bindCircuit', args: [modelHash, vkId] }))
  else if (bound !== vkId) throw new Error(`the model ${modelHash} is bound to another circuit, ${bound}`)
}

/** Folder with the compiled circuit of a model and its development key; made where it is not there. */
async function madeCircuit(name: string): Promise<string> {
  const model = (file: string): string => join(root, 'models', name, file)
  const described = JSON.parse(await readFile(model('circuit.json'), 'utf8')) as Described
  const folder = join(cache, described.hashes.r1cs)
  if (existsSync(folder)) return folder
  const calibration = described.hashes.calibration ? (JSON.parse(await readFile(model('calibration.json'), 'utf8')) as { ranges: Record<string, [number, number]> }) : undefined
  const compiled = compile(await readFile(model('model.onnx')), calibration && { ranges: calibration.ranges }, described.options)
  if (compiled.manifest.hashes.r1cs !== described.hashes.r1cs) throw new Error(`${name} compiles to another circuit than models/${name}/circuit.json says; run models/circuits.mjs`)
  // Into a folder of its own first: several stacks may start at once, and a key that was cut short must not look whole.
  const partial = `${folder}.${randomUUID()}`
  await mkdir(partial, { recursive: true })
  await Promise.all([
    writeFile(join(partial, 'r1cs'), compiled.r1cs),
    writeFile(join(partial, 'program'), compiled.program),
    writeFile(join(partial, 'form'), encodeForm(formOf(decodeProgram(compiled.program)))),
    writeFile(join(partial, 'manifest'), encodeManifest(compiled.manifest)),
  ])
  await promisify(execFile)(engine, ['setup-dev', '--r1cs', join(partial, 'r1cs'), '--zkey', join(partial, 'zkey')])
  await rename(partial, folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error // another stack was faster; its key is as good
  })
  await rm(partial, { recursive: true, force: true })
  return folder
}

async function recordOf(folder: string, modelHash: Hex.Hex): Promise<{ record: PublishedCircuit; files: Uint8Array[] }> {
  const names = ['program', 'form', 'zkey', 'r1cs', 'manifest'] as const
  const files = await Promise.all(names.map((file) => readFile(join(folder, file))))
  const { key, label } = Groth16.readZkey(files[names.indexOf('zkey')] as Uint8Array)
  if (label !== 'dev') throw new Error(`${folder} holds a key that is not labelled dev`)
  const { constraints, wires } = JSON.parse(new TextDecoder().decode(files[names.indexOf('manifest')])) as { constraints: number; wires: number }
  const described = Object.fromEntries(names.map((file, i) => [file, { sha256: Digest.content(files[i] as Uint8Array).slice(2), bytes: (files[i] as Uint8Array).length }]))
  return { record: { v: 1, modelHash, key: Hex.fromBytes(Groth16.encodeRegisteredKey({ setup: { kind: 'dev' }, key })), constraints, wires, files: described as PublishedCircuit['files'] }, files }
}

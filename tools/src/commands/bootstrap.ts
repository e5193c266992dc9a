import { modelRegistryAbi, policyRegistryAbi, predictAddresses, usdcOf } from '@haca/contracts'
import { DirectoryBlobs } from '@haca/platform/blobs'
import { setTimeout as pause } from 'node:timers/promises'
import { createPublicClient, http } from 'viem'
import { deployLocally, localOptions } from '../stack/chain.js'
import { publishModels, usualModels } from '../stack/models.js'
import { enactLocalPolicy } from '../stack/policy.js'

// The bootstrap Job of a local stack in containers: puts the token, our contracts and the models on an anvil chain. Safe to
// repeat. With `--wait` it only waits until another run has done so. RPC_URL, and without --wait BLOBS_DIRECTORY.

const waiting = process.argv.includes('--wait')
const { RPC_URL: rpcUrl = '', BLOBS_DIRECTORY: blobsDirectory = '' } = process.env
if (rpcUrl === '' || (blobsDirectory === '' && !waiting)) {
  process.stderr.write('bootstrap: RPC_URL and BLOBS_DIRECTORY are required; with --wait, RPC_URL\n')
  process.exit(78)
}

const patienceMs = 300_000
const chain = createPublicClient({ transport: http(rpcUrl, { retryCount: 0, timeout: 5_000 }) })

/** Repeats a question until its answer is yes; a chain that does not answer is asked again. */
async function until(what: string, answer: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + patienceMs; ; await pause(500)) {
    if (await answer().catch(() => false)) return
    if (Date.now() > end) throw new Error(`${what} at ${rpcUrl} did not come about within ${patienceMs / 1000} s`)
  }
}

/** Whether every contract, every model and a policy is where `deployLocally` and `publishModels` put it. */
async function bootstrapped(): Promise<boolean> {
  const addresses = predictAddresses(localOptions(usdcOf(await chain.getChainId()).token))
  const codes = await Promise.all(Object.values(addresses).map((address) => chain.getCode({ address })))
  if (!codes.every((code) => code && code !== '0x')) return false
  const [models, epoch] = await Promise.all([
    chain.readContract({ address: addresses.modelRegistry, abi: modelRegistryAbi, functionName: 'count' }),
    chain.readContract({ address: addresses.policyRegistry, abi: policyRegistryAbi, functionName: 'epoch' }),
  ])
  return models >= BigInt(usualModels.length) && epoch > 0n
}

if (waiting) await until('the bootstrapped chain', bootstrapped)
else {
  await until('a chain', async () => (await chain.getChainId()) > 0)
  const { book, token } = await deployLocally(rpcUrl)
  const blobs = new DirectoryBlobs(blobsDirectory)
  const models = await publishModels(rpcUrl, book, blobs)
  await enactLocalPolicy(rpcUrl, book, models, blobs)
  process.stdout.write(`${JSON.stringify({ contracts: book, token: { address: token.token, ...token.domain }, models })}\n`)
}

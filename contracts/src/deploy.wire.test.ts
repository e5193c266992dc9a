import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import {
  concat,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeAbiParameters,
  encodePacked,
  http,
  keccak256,
  parseAbiParameters,
  parseEventLogs,
  zeroHash,
  type Abi,
  type Address,
  type Hex,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  deployHaca,
  enactPolicy,
  encodeGroth16Proof,
  encodeVerificationKey,
  EntryKind,
  groth16Format,
  groth16VerifierAbi,
  KeyKind,
  localOpgAbi,
  modelRegistryAbi,
  Outcome,
  paymentBatcherAbi,
  PaymentState,
  policyGovernorAbi,
  policyRegistryAbi,
  predictAddresses,
  prepareLocalChain,
  proofLedgerAbi,
  removalKey,
  revenueVaultAbi,
  settlementLogAbi,
  SetupKind,
  statementHashOf,
  timelockControllerAbi,
  usdcDoubleAbi,
  verificationKeyId,
  verificationKeyRegistryAbi,
  verifierRouterAbi,
  votingRules,
  zkContextOf,
  type AddressBook,
  type HacaOptions,
  type LocalChain,
  type SnarkjsProof,
  type SnarkjsVerificationKey,
} from './index.js'
import { readConfig, runDeploy } from './script/deploy.js'

// The first account of anvil's test mnemonic: public, and funded with ether on every anvil.
const deployerKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const deployer = privateKeyToAccount(deployerKey)
// The second one.
const rival = privateKeyToAccount('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const payer = privateKeyToAccount(generatePrivateKey())
const stranger = privateKeyToAccount(generatePrivateKey())

const chain = defineChain({
  id: 84532,
  name: 'Local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [] } },
})

let anvil: { rpcUrl: string; stop: () => Promise<void> }
let local: LocalChain
let options: HacaOptions
let book: AddressBook

beforeAll(async () => {
  anvil = await startAnvil(
    ...['--hardfork', 'osaka', '--chain-id', '84532', '--block-time', '0.2'],
    ...['--slots-in-an-epoch', '1', '--enable-tx-gas-limit'],
  )
  local = await prepareLocalChain(anvil.rpcUrl, { accounts: [payer.address], balanceAtomic: 5_000_000n })
  options = {
    admin: deployer.address,
    adminDelaySeconds: 0,
    settler: deployer.address,
    registrar: deployer.address,
    guardian: deployer.address,
    simulatedAllowed: true,
    rootDelaySeconds: 60,
    token: local.token,
  }
  book = await deployHaca(clients(), options)
})

afterAll(() => anvil?.stop())

describe('prepareLocalChain', () => {
  it('puts the double at USDC’s address of Base Sepolia with its EIP-712 domain', async () => {
    expect(local).toEqual({
      chainId: 84532,
      token: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
      domain: { name: 'USDC', version: '2' },
    })
    const { publicClient } = clients()
    // The domain separator by its definition (EIP-712), not by the contract's own computation.
    const expected = keccak256(
      encodeAbiParameters(parseAbiParameters('bytes32, bytes32, bytes32, uint256, address'), [
        keccak256(hexOf('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')),
        keccak256(hexOf('USDC')),
        keccak256(hexOf('2')),
        84532n,
        local.token,
      ]),
    )
    const usdc = { address: local.token, abi: usdcDoubleAbi } as const
    expect(await publicClient.readContract({ ...usdc, functionName: 'DOMAIN_SEPARATOR' })).toBe(expected)
    expect(await publicClient.readContract({ ...usdc, functionName: 'decimals' })).toBe(6)
  })

  it('fills up to the balance when repeated, and never beyond', async () => {
    const again = await prepareLocalChain(anvil.rpcUrl, {
      accounts: [payer.address, stranger.address],
      balanceAtomic: 5_000_000n,
    })
    expect(again).toEqual(local)
    expect(await balanceOf(payer.address)).toBe(5_000_000n)
    expect(await balanceOf(stranger.address)).toBe(5_000_000n)
  })

  it('refuses a chain whose client is not anvil, before it writes anything', async () => {
    const methods: string[] = []
    const node = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const { id, method } = JSON.parse(body) as { id: number; method: string }
        methods.push(method)
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: 'Geth/v1.15.0-stable/linux-amd64/go1.24' }))
      })
    })
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
    const rpcUrl = `http://127.0.0.1:${(node.address() as AddressInfo).port}`
    await expect(prepareLocalChain(rpcUrl, { accounts: [], balanceAtomic: 0n })).rejects.toThrow(/Geth.*not anvil/)
    expect(methods).toEqual(['web3_clientVersion'])
    node.close()
  })

  it('refuses to overwrite other code at USDC’s address', async () => {
    const other = await startAnvil('--chain-id', '8453')
    try {
      const { publicClient } = clientsOf(other.rpcUrl)
      await publicClient.request({
        method: 'anvil_setCode',
        params: ['0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', '0x00'],
      } as never)
      await expect(prepareLocalChain(other.rpcUrl, { accounts: [], balanceAtomic: 0n })).rejects.toThrow(
        /not the USDC double/,
      )
    } finally {
      await other.stop()
    }
  })

  it('serves the compatibility profile on 8453 under the name "USD Coin"', async () => {
    const base = await startAnvil('--chain-id', '8453')
    try {
      const chain = await prepareLocalChain(base.rpcUrl, { accounts: [payer.address], balanceAtomic: 1n })
      expect(chain).toEqual({
        chainId: 8453,
        token: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
        domain: { name: 'USD Coin', version: '2' },
      })
      const name = await clientsOf(base.rpcUrl).publicClient.readContract({
        address: chain.token,
        abi: usdcDoubleAbi,
        functionName: 'name',
      })
      expect(name).toBe('USD Coin')
    } finally {
      await base.stop()
    }
  })
})

describe('deployHaca', () => {
  it('finds everything in place when repeated, and sends nothing', async () => {
    const { publicClient } = clients()
    const nonceBefore = await publicClient.getTransactionCount({ address: deployer.address })
    expect(await deployHaca(clients(), options)).toEqual(book)
    expect(await publicClient.getTransactionCount({ address: deployer.address })).toBe(nonceBefore)
  })

  it('predicts where everything goes, and elsewhere for other options', () => {
    expect(book).toMatchObject(predictAddresses(options))
    const strict = predictAddresses({ ...options, simulatedAllowed: false, governanceToken: local.token })
    expect(strict.settlementLog).not.toBe(book.settlementLog)
    expect(strict.revenueVault).not.toBe(book.revenueVault)
    // Where simulated hardware is refused, development circuits are.
    expect(strict.modelRegistry).not.toBe(book.modelRegistry)
    const other = predictAddresses({ ...options, settler: rival.address })
    expect(other.modelRegistry).toBe(book.modelRegistry)
  })

  it('wires the contracts to each other', async () => {
    const { publicClient } = clients()
    const log = await publicClient.readContract({
      address: book.revenueVault,
      abi: revenueVaultAbi,
      functionName: 'settlementLog',
    })
    const registry = await publicClient.readContract({
      address: book.settlementLog,
      abi: settlementLogAbi,
      functionName: 'teeRegistry',
    })
    const vault = await publicClient.readContract({
      address: book.paymentBatcher,
      abi: paymentBatcherAbi,
      functionName: 'vault',
    })
    expect([log, registry, vault]).toEqual([book.settlementLog, book.teeRegistry, book.revenueVault])
  })

  it('wires proofs and governance', async () => {
    const { publicClient } = clients()
    const read = (address: Address, abi: Abi, functionName: string, args: readonly unknown[] = []) =>
      publicClient.readContract({ address, abi, functionName, args })
    expect(await read(book.settlementLog, settlementLogAbi, 'proofLedger')).toBe(book.proofLedger)
    expect(await read(book.proofLedger, proofLedgerAbi, 'modelRegistry')).toBe(book.modelRegistry)
    expect(await read(book.proofLedger, proofLedgerAbi, 'router')).toBe(book.verifierRouter)
    expect(await read(book.verifierRouter, verifierRouterAbi, 'verifierOf', [groth16Format])).toBe(book.groth16Verifier)
    expect(await read(book.modelRegistry, modelRegistryAbi, 'keys')).toBe(book.verificationKeyRegistry)
    expect(await read(book.verificationKeyRegistry, verificationKeyRegistryAbi, 'devKeysAllowed')).toBe(true)
    expect(await read(book.policyRegistry, policyRegistryAbi, 'timelock')).toBe(book.policyTimelock)
    expect(await read(book.policyGovernor, policyGovernorAbi, 'timelock')).toBe(book.policyTimelock)
    expect(await read(book.policyGovernor, policyGovernorAbi, 'token')).toBe(book.governanceToken)
    expect(await read(book.governanceToken, localOpgAbi, 'name')).toBe('Local test token, not OPG')
    expect(await read(book.policyTimelock, timelockControllerAbi, 'getMinDelay')).toBe(votingRules.local.executionDelay)
  })

  it('refuses real money without a token whose holders govern', () => {
    expect(() => predictAddresses({ ...options, simulatedAllowed: false })).toThrow(/names the token whose holders govern/)
  })

  it('is what the deploy job runs, on the chain it was told and on no other', async () => {
    const env = {
      DEPLOY_RPC_URL: anvil.rpcUrl,
      DEPLOY_CHAIN_ID: '84532',
      DEPLOY_PRIVATE_KEY: deployerKey,
      DEPLOY_ADMIN: deployer.address,
      DEPLOY_ADMIN_DELAY_SECONDS: '0',
      DEPLOY_SETTLER: deployer.address,
      DEPLOY_REGISTRAR: deployer.address,
      DEPLOY_GUARDIAN: deployer.address,
      DEPLOY_SIMULATED_ALLOWED: 'true',
      DEPLOY_ROOT_DELAY_SECONDS: '60',
      DEPLOY_TOKEN: local.token,
    }
    expect(await runDeploy(readConfig(env))).toEqual(book)
    await expect(runDeploy(readConfig({ ...env, DEPLOY_CHAIN_ID: '8453' }))).rejects.toThrow(
      'DEPLOY_RPC_URL is chain 84532, but DEPLOY_CHAIN_ID says 8453',
    )
  })

  it('lets two runs race to one result', async () => {
    const label = 'race'
    const second = { ...clients(), walletClient: createWalletClient({ transport: http(anvil.rpcUrl), account: rival, chain }) }
    const [one, two] = await Promise.all([
      deployHaca(clients(), { ...options, label }),
      deployHaca(second, { ...options, label }),
    ])
    expect(one).toEqual(two)
    expect(one.settlementLog).not.toBe(book.settlementLog)
  })

  it('refuses a chain without the token', async () => {
    const token = '0x00000000000000000000000000000000DeaDBeef'
    await expect(deployHaca(clients(), { ...options, token })).rejects.toThrow(/no code at 0x0+DeaDBeef.*the token/)
  })
})

it('puts a policy in force by a vote of seconds, and takes hardware out in one transaction', async () => {
  const { publicClient, walletClient } = clients()
  const policy = { address: book.policyRegistry, abi: policyRegistryAbi } as const
  const document = {
    epoch: 42n,
    digest: keccak256('0x0a'),
    daRef: keccak256('0x0b'),
    notBefore: 0n,
    keyKinds: [KeyKind.tdx, KeyKind.simulated],
  }
  await enactPolicy(clients(), book, document)
  const [epoch, adopted] = await publicClient.readContract({ ...policy, functionName: 'current' })
  expect(epoch).toMatchObject({ epoch: 42n, policyEpoch: 42n })
  expect(adopted).toMatchObject({ digest: document.digest, daRef: document.daRef, keyKinds: (1n << 255n) | 4n })

  const removed = await walletClient.writeContract({
    ...policy,
    functionName: 'remove',
    args: [EntryKind.Hardware, 'tdx', 'TEE.fail'],
  })
  const receipt = await publicClient.waitForTransactionReceipt({ hash: removed })
  const [event] = parseEventLogs({ abi: policyRegistryAbi, logs: receipt.logs, eventName: 'EntryRemoved' })
  expect(event?.args).toEqual({
    epoch: 43n,
    kind: EntryKind.Hardware,
    key: removalKey('tdx'),
    value: 'tdx',
    reason: 'TEE.fail',
  })
  const isRemoved = await publicClient.readContract({
    ...policy,
    functionName: 'isRemoved',
    args: [EntryKind.Hardware, removalKey('tdx')],
  })
  expect(isRemoved).toBe(true)
  const nonce = await publicClient.getTransactionCount({ address: deployer.address })
  await enactPolicy(clients(), book, document)
  expect(await publicClient.getTransactionCount({ address: deployer.address }), 'in force already').toBe(nonce)
  // Another, with the vote already delegated, and above the epoch the removal began.
  await enactPolicy(clients(), book, { ...document, epoch: 50n, digest: keccak256('0x0c') })
  expect(await publicClient.readContract({ ...policy, functionName: 'epoch' })).toBe(50n)
})

it('does not wait for a vote of days', async () => {
  const other = { ...options, governanceToken: book.governanceToken, label: 'slow' }
  const slow = await deployHaca(clients(), other)
  expect(slow.governanceToken).toBe(book.governanceToken)
  const document = { epoch: 1n, digest: keccak256('0x0a'), daRef: keccak256('0x0b'), notBefore: 0n, keyKinds: [] }
  await expect(enactPolicy(clients(), slow, document)).rejects.toThrow(/takes 432000 seconds/)
})

it('registers a key of snarkjs, binds a model to it, and verifies its proof', async () => {
  const { publicClient, walletClient } = clients()
  const vector = JSON.parse(readFileSync(new URL('../../vectors/zk/groth16-snarkjs-v1.json', import.meta.url), 'utf8')) as {
    verificationKey: SnarkjsVerificationKey
    proof: SnarkjsProof
    publicSignals: string[]
  }
  const mined = async (hash: Hex) => expect((await publicClient.waitForTransactionReceipt({ hash })).status).toBe('success')
  const keyBytes = encodeVerificationKey(vector.verificationKey, { kind: 'dev' })
  const vkId = verificationKeyId(keyBytes)
  const registry = { address: book.verificationKeyRegistry, abi: verificationKeyRegistryAbi } as const
  await mined(await walletClient.writeContract({ ...registry, functionName: 'register', args: [keyBytes] }))
  expect(await publicClient.readContract({ ...registry, functionName: 'keyOf', args: [vkId] })).toBe(keyBytes)
  expect(await publicClient.readContract({ ...registry, functionName: 'setupOf', args: [vkId] })).toMatchObject({
    kind: SetupKind.Dev,
    contributors: 0,
  })

  const models = { address: book.modelRegistry, abi: modelRegistryAbi } as const
  const modelHash = keccak256('0x0d')
  await mined(await walletClient.writeContract({ ...models, functionName: 'register', args: ['squares', '1', modelHash, 1n] }))
  await mined(await walletClient.writeContract({ ...models, functionName: 'bindCircuit', args: [modelHash, vkId] }))
  const listed = await publicClient.readContract({ ...models, functionName: 'modelOf', args: [modelHash] })
  expect(listed.circuit).toBe(vkId)

  const verify = (signals: readonly bigint[]) =>
    publicClient.readContract({
      address: book.groth16Verifier,
      abi: groth16VerifierAbi,
      functionName: 'verify',
      args: [vkId, signals, encodeGroth16Proof(vector.proof)],
    })
  const signals = vector.publicSignals.map(BigInt)
  expect(await verify(signals)).toBe(true)
  expect(await verify(signals.with(3, 1n))).toBe(false)

  const ledger = { address: book.proofLedger, abi: proofLedgerAbi } as const
  const of = { chainId: 84532, settlementLog: book.settlementLog, requestId: keccak256('0x0e'), modelHash }
  const context = await publicClient.readContract({
    ...ledger,
    functionName: 'contextOf',
    args: [of.settlementLog, of.requestId, of.modelHash],
  })
  expect(context).toBe(zkContextOf(of))
  expect(await publicClient.readContract({ ...ledger, functionName: 'statementHashOf', args: [signals] })).toBe(statementHashOf(signals))
})

it('collects a payment signed with viem through the batcher and anchors its receipt', async () => {
  const { publicClient, walletClient } = clients()
  const value = 1_000n
  const nonce = keccak256('0x01')
  const authorization = await authorize(value, nonce)

  const settle = await walletClient.writeContract({
    address: book.paymentBatcher,
    abi: paymentBatcherAbi,
    functionName: 'settle',
    args: [local.token, [authorization, { ...authorization, value: 2_000n }]],
    gas: 1_000_000n,
  })
  const receipt = await publicClient.waitForTransactionReceipt({ hash: settle })
  expect(receipt.status).toBe('success')

  // The id by its definition in design section 6.
  const paymentId = keccak256(
    encodeAbiParameters(parseAbiParameters('string, uint256, string, address, address, bytes32'), [
      'haca/payment/1',
      84532n,
      'exact',
      local.token,
      payer.address,
      nonce,
    ]),
  )
  const credited = parseEventLogs({ abi: revenueVaultAbi, logs: receipt.logs, eventName: 'PaymentCredited' })
  expect(credited.map(({ args }) => args)).toEqual([
    { paymentId, payer: payer.address, token: local.token, amount: value },
  ])
  expect(await balanceOf(book.revenueVault)).toBe(value)
  const [amount, , state] = await publicClient.readContract({
    address: book.revenueVault,
    abi: revenueVaultAbi,
    functionName: 'creditOf',
    args: [paymentId],
  })
  expect({ amount, state }).toEqual({ amount: value, state: PaymentState.Credited })
  const repeated = await publicClient.simulateContract({
    address: book.paymentBatcher,
    abi: paymentBatcherAbi,
    functionName: 'settle',
    args: [local.token, [authorization]],
    gas: 1_000_000n,
  })
  expect(repeated.result).toEqual([Outcome.AlreadyCredited])

  // A batch of one leaf: its root is the leaf.
  const receiptHash = keccak256('0x02')
  const leaf = keccak256(
    concat(['0x00', encodePacked(['uint256', 'address', 'bytes32', 'uint128'], [84532n, book.settlementLog, receiptHash, value])]),
  )
  const header = {
    prev: zeroHash,
    root: leaf,
    token: local.token,
    total: value,
    daRef: keccak256('0x03'),
    evidenceRoot: zeroHash,
    id: 1n,
    count: 1,
  }
  const log = { address: book.settlementLog, abi: settlementLogAbi } as const
  const commit = await walletClient.writeContract({ ...log, functionName: 'commit', args: [header] })
  const committed = await publicClient.waitForTransactionReceipt({ hash: commit })
  const [event] = parseEventLogs({ abi: settlementLogAbi, logs: committed.logs, eventName: 'BatchCommitted' })
  expect(event?.args).toMatchObject({ id: 1n, root: leaf, total: value, count: 1 })
  expect(await publicClient.readContract({ ...log, functionName: 'tip' })).toBe(event?.args.headerHash)

  const included = (collected: bigint) =>
    publicClient.readContract({
      ...log,
      functionName: 'verifyInclusion',
      args: [header, receiptHash, { collected, index: 0, siblings: [], sums: [] }],
    })
  expect(await included(value)).toBe(true)
  expect(await included(value - 1n)).toBe(false)
})

function clients() {
  return clientsOf(anvil.rpcUrl)
}

function clientsOf(rpcUrl: string) {
  const transport = http(rpcUrl)
  return {
    publicClient: createPublicClient({ transport, pollingInterval: 50 }),
    walletClient: createWalletClient({ transport, account: deployer, chain }),
  }
}

async function authorize(value: bigint, nonce: Hex) {
  const message = { from: payer.address, to: book.revenueVault, value, validAfter: 0n, validBefore: 2n ** 40n, nonce }
  const signature = await payer.signTypedData({
    domain: { ...local.domain, chainId: local.chainId, verifyingContract: local.token },
    types: {
      TransferWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message,
  })
  return { ...message, signature }
}

async function balanceOf(account: `0x${string}`): Promise<bigint> {
  return clients().publicClient.readContract({
    address: local.token,
    abi: usdcDoubleAbi,
    functionName: 'balanceOf',
    args: [account],
  })
}

function hexOf(text: string): Hex {
  return `0x${Buffer.from(text).toString('hex')}`
}

/** Starts the anvil that npm carries on a free port of 127.0.0.1; resolves once it listens. */
async function startAnvil(...args: string[]) {
  const binary = createRequire(import.meta.url).resolve('@foundry-rs/anvil-linux-amd64/bin/anvil')
  const child = spawn(binary, ['--host', '127.0.0.1', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill()
    await exited
  }
  const address = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`anvil exited with ${code} before it listened:\n${printed}`)))
    child.stdout.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-10_000)
      const listening = /Listening on (\S+)/.exec(printed)
      if (listening?.[1] !== undefined) resolve(listening[1])
    })
  })
  return { rpcUrl: `http://${address}`, stop }
}

import {
  concat,
  encodeDeployData,
  getContractAddress,
  keccak256,
  toBytes,
  type Account,
  type Address,
  type Chain,
  type Hex,
  type PublicClient,
  type Transport,
  type WalletClient,
} from 'viem'
import {
  groth16VerifierAbi,
  groth16VerifierBytecode,
  localOpgAbi,
  localOpgBytecode,
  modelRegistryAbi,
  modelRegistryBytecode,
  paymentBatcherAbi,
  paymentBatcherBytecode,
  policyGovernorAbi,
  policyGovernorBytecode,
  policyRegistryAbi,
  policyRegistryBytecode,
  proofLedgerAbi,
  proofLedgerBytecode,
  revenueVaultAbi,
  revenueVaultBytecode,
  settlementLogAbi,
  settlementLogBytecode,
  teeRegistryAbi,
  teeRegistryBytecode,
  verificationKeyRegistryAbi,
  verificationKeyRegistryBytecode,
  verifierRouterAbi,
  verifierRouterBytecode,
} from './gen/contracts.js'
import { groth16Format } from './groth16.js'

export interface HacaOptions {
  /** Grants and revokes every other role; in production a multisig. */
  readonly admin: Address
  /** Seconds between beginning and accepting a change of admin. */
  readonly adminDelaySeconds: number
  /** Commits batches, posts payout roots, returns payments. */
  readonly settler: Address
  /** Registers receipt keys. */
  readonly registrar: Address
  /** Revokes pending payout roots, declares keys compromised, freezes verifiers, removes hardware. */
  readonly guardian: Address
  /** Whether simulated receipts and development circuits may stand, for ever; never true where real money settles. */
  readonly simulatedAllowed: boolean
  /** Seconds between posting a payout root and its first claim. */
  readonly rootDelaySeconds: number
  /** The EIP-3009 token that offers name; must have code. */
  readonly token: Address
  /**
   * The ERC20Votes token whose holders add hardware, by `votingRules.holders`; must have code and count time in seconds.
   * Only with `simulatedAllowed` may it be left out: then there is a worthless one, all of it the admin's, and votes take
   * seconds.
   */
  readonly governanceToken?: Address | undefined
  /** Another label gives another set of addresses. */
  readonly label?: string
}

/** Where a deployment lives; plain JSON. */
export interface AddressBook {
  readonly chainId: number
  readonly token: Address
  readonly teeRegistry: Address
  readonly settlementLog: Address
  readonly revenueVault: Address
  readonly paymentBatcher: Address
  readonly modelRegistry: Address
  readonly verificationKeyRegistry: Address
  readonly groth16Verifier: Address
  readonly verifierRouter: Address
  readonly proofLedger: Address
  readonly governanceToken: Address
  readonly policyGovernor: Address
  readonly policyTimelock: Address
  readonly policyRegistry: Address
  readonly simulatedAllowed: boolean
  readonly rootDelaySeconds: number
  /** The block from which on a log reader misses nothing. */
  readonly fromBlock: number
}

export interface Clients {
  readonly publicClient: PublicClient
  readonly walletClient: WalletClient<Transport, Chain | undefined, Account>
}

/**
 * How a vote on hardware goes at first; holders may vote for other rules. `PolicyRegistry.DELAY_MIN` bounds the execution
 * delay wherever simulated hardware is refused.
 */
export const votingRules = {
  /** A token of 18 decimals and 1,000,000,000, as OPG: one in 10,000 proposes, 4 per cent are a quorum. */
  holders: {
    votingDelay: 86_400,
    votingPeriod: 432_000,
    executionDelay: 172_800n,
    proposalThreshold: 100_000n * 10n ** 18n,
    quorumPercent: 4n,
  },
  /** For local chains: a vote is over in seconds. */
  local: { votingDelay: 0, votingPeriod: 3, executionDelay: 1n, proposalThreshold: 1n, quorumPercent: 4n },
} as const

/**
 * The deterministic deployment proxy (https://github.com/Arachnid/deterministic-deployment-proxy): takes
 * salt ‖ creation code, and is at this address on Base, on Base Sepolia and in anvil's genesis.
 */
const create2Factory: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/** A few blocks of Base, and a lagging read replica. */
const appearsWithinMs = 10_000

/** In an order in which nobody names in its constructor what is not there yet. */
const contracts = [
  ...(['teeRegistry', 'verificationKeyRegistry', 'groth16Verifier', 'verifierRouter', 'modelRegistry'] as const),
  ...(['proofLedger', 'settlementLog', 'revenueVault', 'paymentBatcher'] as const),
  ...(['governanceToken', 'policyGovernor', 'policyTimelock', 'policyRegistry'] as const),
] as const
type ContractName = (typeof contracts)[number]

/** Without a factory call, somebody else puts the code there. */
interface Place {
  readonly address: Address
  readonly factoryCall?: Hex
}
type Plan = Record<ContractName, Place>

/** Those that remember the block they were deployed in. */
const ours = contracts.filter((name) => name !== 'governanceToken' && name !== 'policyTimelock')

/**
 * Where `deployHaca` puts each contract. Addresses follow from the options and the code alone, so that an EIP-712
 * domain can be configured before anything is deployed, and a changed option is a new deployment.
 */
export function predictAddresses(options: HacaOptions): Record<ContractName, Address> {
  return addressesIn(planOf(options))
}

/**
 * Deploys what is not there yet and returns where everything is. Safe to repeat and to race: the address of a
 * contract commits to its code and its arguments (EIP-1014), so code found there is the right one.
 */
export async function deployHaca(clients: Clients, options: HacaOptions): Promise<AddressBook> {
  const { publicClient } = clients
  await requireCode(publicClient, create2Factory, 'the CREATE2 factory')
  await requireCode(publicClient, options.token, 'the token')

  const plan = planOf(options)
  for (const name of contracts) {
    await ensureDeployed(clients, name, plan[name])
  }

  return {
    chainId: await publicClient.getChainId(),
    token: options.token,
    ...addressesIn(plan),
    simulatedAllowed: options.simulatedAllowed,
    rootDelaySeconds: options.rootDelaySeconds,
    fromBlock: await firstBlockOf(publicClient, ours.map((name) => plan[name].address)),
  }
}

/** Throws unless there is code at `address`; `what` names it in the message. */
export async function requireCode(publicClient: PublicClient, address: Address, what: string): Promise<void> {
  if (await hasCode(publicClient, address)) return
  throw new Error(`There is no code at ${address}, where ${what} should be on chain ${await publicClient.getChainId()}`)
}

function addressesIn(plan: Plan): Record<ContractName, Address> {
  return Object.fromEntries(contracts.map((name) => [name, plan[name].address])) as Record<ContractName, Address>
}

function planOf(options: HacaOptions): Plan {
  const { admin, adminDelaySeconds: adminDelay, settler, registrar, guardian, simulatedAllowed } = options
  const authorities = { admin, adminDelay, settler, registrar, guardian }
  const salt = keccak256(toBytes(`haca/deployment/1/${options.label ?? ''}`))
  const at = (creationCode: Hex) => ({
    address: getContractAddress({ opcode: 'CREATE2', from: create2Factory, salt, bytecode: creationCode }),
    factoryCall: concat([salt, creationCode]),
  })

  const teeRegistry = at(
    encodeDeployData({
      abi: teeRegistryAbi,
      bytecode: teeRegistryBytecode,
      args: [simulatedAllowed, authorities],
    }),
  )
  // A development key is to a proof what a simulated key is to an attestation.
  const devKeysAllowed = simulatedAllowed
  const verificationKeyRegistry = at(
    encodeDeployData({
      abi: verificationKeyRegistryAbi,
      bytecode: verificationKeyRegistryBytecode,
      args: [devKeysAllowed],
    }),
  )
  const groth16Verifier = at(
    encodeDeployData({
      abi: groth16VerifierAbi,
      bytecode: groth16VerifierBytecode,
      args: [verificationKeyRegistry.address],
    }),
  )
  const verifierRouter = at(
    encodeDeployData({
      abi: verifierRouterAbi,
      bytecode: verifierRouterBytecode,
      args: [groth16Format, groth16Verifier.address, authorities],
    }),
  )
  const modelRegistry = at(
    encodeDeployData({
      abi: modelRegistryAbi,
      bytecode: modelRegistryBytecode,
      args: [verificationKeyRegistry.address],
    }),
  )
  const proofLedger = at(
    encodeDeployData({
      abi: proofLedgerAbi,
      bytecode: proofLedgerBytecode,
      args: [teeRegistry.address, modelRegistry.address, verifierRouter.address],
    }),
  )
  const settlementLog = at(
    encodeDeployData({
      abi: settlementLogAbi,
      bytecode: settlementLogBytecode,
      args: [simulatedAllowed, teeRegistry.address, proofLedger.address, authorities],
    }),
  )
  const revenueVault = at(
    encodeDeployData({
      abi: revenueVaultAbi,
      bytecode: revenueVaultBytecode,
      args: [settlementLog.address, BigInt(options.rootDelaySeconds), authorities],
    }),
  )
  const paymentBatcher = at(
    encodeDeployData({ abi: paymentBatcherAbi, bytecode: paymentBatcherBytecode, args: [revenueVault.address] }),
  )
  const governanceToken: Place = governanceTokenOf(options, at)
  const policyGovernor = at(
    encodeDeployData({
      abi: policyGovernorAbi,
      bytecode: policyGovernorBytecode,
      args: [governanceToken.address, options.governanceToken === undefined ? votingRules.local : votingRules.holders],
    }),
  )
  // A contract's nonce begins at 1 (EIP-161), and the timelock is what the governor creates first.
  const policyTimelock = { address: getContractAddress({ from: policyGovernor.address, nonce: 1n }) }
  const policyRegistry = at(
    encodeDeployData({
      abi: policyRegistryAbi,
      bytecode: policyRegistryBytecode,
      args: [simulatedAllowed, policyTimelock.address, authorities],
    }),
  )
  return {
    ...{ teeRegistry, verificationKeyRegistry, groth16Verifier, verifierRouter, modelRegistry },
    ...{ proofLedger, settlementLog, revenueVault, paymentBatcher },
    ...{ governanceToken, policyGovernor, policyTimelock, policyRegistry },
  }
}

function governanceTokenOf({ governanceToken, simulatedAllowed, admin }: HacaOptions, at: (creationCode: Hex) => Place): Place {
  if (governanceToken !== undefined) return { address: governanceToken }
  if (!simulatedAllowed) throw new Error('A deployment for real money names the token whose holders govern its hardware policy')
  return at(encodeDeployData({ abi: localOpgAbi, bytecode: localOpgBytecode, args: [admin] }))
}

async function ensureDeployed(clients: Clients, name: ContractName, planned: Plan[ContractName]): Promise<void> {
  const { publicClient, walletClient } = clients
  if (await hasCode(publicClient, planned.address)) return
  if (planned.factoryCall === undefined) {
    if (await appears(publicClient, planned.address)) return
    throw new Error(`There is no code at ${planned.address}, where ${name} should be`)
  }
  let cause: unknown
  try {
    const hash = await walletClient.sendTransaction({
      account: walletClient.account,
      chain: walletClient.chain ?? null,
      to: create2Factory,
      data: planned.factoryCall,
    })
    await publicClient.waitForTransactionReceipt({ hash })
  } catch (error) {
    cause = error
  }
  // Whatever was said, only the code counts: another run of this job may have been faster, and the node that refused
  // our transaction because of that may not have mined the other one yet.
  if (await appears(publicClient, planned.address)) return
  throw new Error(`Deploying ${name} to ${planned.address} failed`, { cause })
}

async function appears(publicClient: PublicClient, address: Address): Promise<boolean> {
  for (const deadline = Date.now() + appearsWithinMs; ; await sleep(publicClient.pollingInterval)) {
    if (await hasCode(publicClient, address)) return true
    if (Date.now() > deadline) return false
  }
}

/** Not node:timers, so that a browser can import the ABIs from here. */
function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}

async function hasCode(publicClient: PublicClient, address: Address): Promise<boolean> {
  const code = await publicClient.getCode({ address })
  return code !== undefined && code !== '0x'
}

async function firstBlockOf(publicClient: PublicClient, addresses: readonly Address[]): Promise<number> {
  const blocks = await Promise.all(
    addresses.map((address) =>
      publicClient.readContract({ address, abi: settlementLogAbi, functionName: 'deploymentBlock' }),
    ),
  )
  return Math.min(...blocks.map(Number))
}

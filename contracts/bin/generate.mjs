// Writes src/gen/contracts.ts from forge's artifacts: ABIs as const, creation code, and the runtime code of the local
// doubles, linked to where local-chain.ts etches their library.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const deployables = [
  ...['TeeRegistry', 'SettlementLog', 'RevenueVault', 'PaymentBatcher', 'ModelRegistry'],
  ...['VerificationKeyRegistry', 'Groth16Verifier', 'VerifierRouter', 'ProofLedger'],
  ...['PolicyRegistry', 'PolicyGovernor', 'LocalOpg'],
]
// Created by others, but spoken to.
const spokenTo = ['TimelockController']
const doubles = ['UsdcDouble', 'UsdcDoubleProxy', 'UsdcDoubleSignatures']

// The last 20 bytes of keccak256("haca/local/usdc-signatures"), a place no key opens.
const signaturesAddress = '0xef3d9697499c2bba3013c82b0b09b4df3e600584'

const sections = [
  '// Generated from forge artifacts by bin/generate.mjs; run `npm run build`.',
  `export const usdcDoubleSignaturesAddress = '${signaturesAddress}' as const`,
  ...deployables.flatMap((name) => [constant(name, 'Abi', abiOf(name)), constant(name, 'Bytecode', creationCodeOf(name))]),
  ...spokenTo.map((name) => constant(name, 'Abi', abiOf(name))),
  ...doubles.flatMap((name) => [constant(name, 'Abi', abiOf(name)), constant(name, 'RuntimeCode', runtimeCodeOf(name))]),
]
writeIfChanged(new URL('../src/gen/contracts.ts', import.meta.url), sections.join('\n\n') + '\n')

function artifact(name) {
  return JSON.parse(readFileSync(new URL(`../out/${name}.sol/${name}.json`, import.meta.url), 'utf8'))
}

function abiOf(name) {
  return artifact(name).abi
}

function creationCodeOf(name) {
  const { object, linkReferences } = artifact(name).bytecode
  if (Object.keys(linkReferences).length > 0) throw new Error(`${name} is deployed but needs linking`)
  return object
}

function runtimeCodeOf(name) {
  const { object, immutableReferences = {} } = artifact(name).deployedBytecode
  if (Object.keys(immutableReferences).length > 0) throw new Error(`${name} has immutables and cannot be etched`)
  const linked = object.replaceAll(/__\$[0-9a-f]{34}\$__/g, signaturesAddress.slice(2))
  if (!/^0x[0-9a-f]+$/.test(linked)) throw new Error(`${name} is not wholly linked`)
  return linked
}

function constant(name, suffix, value) {
  const identifier = name[0].toLowerCase() + name.slice(1) + suffix
  return `export const ${identifier} = ${JSON.stringify(value)} as const`
}

// An unchanged file keeps its time, so that tsc has nothing to do.
function writeIfChanged(url, text) {
  mkdirSync(new URL('.', url), { recursive: true })
  let before
  try {
    before = readFileSync(url, 'utf8')
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  if (before !== text) writeFileSync(url, text)
}

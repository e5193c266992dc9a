import { concat, encodeAbiParameters, keccak256, numberToHex, parseAbiParameters, size, slice, toBytes, type Address, type Hex } from 'viem'

/** A verification key as snarkjs writes it (`verification_key.json`); coordinates are decimal strings. */
export interface SnarkjsVerificationKey {
  readonly vk_alpha_1: readonly string[]
  readonly vk_beta_2: readonly (readonly string[])[]
  readonly vk_gamma_2: readonly (readonly string[])[]
  readonly vk_delta_2: readonly (readonly string[])[]
  readonly IC: readonly (readonly string[])[]
}

/** A proof as snarkjs writes it (`proof.json`). */
export interface SnarkjsProof {
  readonly pi_a: readonly string[]
  readonly pi_b: readonly (readonly string[])[]
  readonly pi_c: readonly string[]
}

/** The trust label of a key: who took part in making its secrets. `dev` keys are refused where money is real. */
export type KeySetup =
  | { readonly kind: 'dev' }
  | { readonly kind: 'ceremony'; readonly contributors: number; readonly beacon: Hex; readonly transcript: Hex }

/** First bytes of every Groth16 key, and the selector of the route that verifies its proofs. */
export const groth16Format: Hex = slice(keccak256(toBytes('haca/groth16-bn254/1')), 0, 4)

/** The canonical bytes that `VerificationKeyRegistry.register` takes; their layout is in `VerificationKey.sol`. */
export function encodeVerificationKey(key: SnarkjsVerificationKey, setup: KeySetup): Hex {
  const label =
    setup.kind === 'dev'
      ? [numberToHex(0, { size: 1 }), numberToHex(0, { size: 2 }), word(0n), word(0n)]
      : [numberToHex(1, { size: 1 }), numberToHex(setup.contributors, { size: 2 }), bytes32(setup.beacon), bytes32(setup.transcript)]
  return concat([
    groth16Format,
    ...label,
    g1(key.vk_alpha_1),
    ...[key.vk_beta_2, key.vk_gamma_2, key.vk_delta_2].map(g2),
    ...key.IC.map(g1),
  ])
}

/** The id of a key: what `ModelRegistry.circuitOf` answers and a zkml receipt names as its `evidenceId`. */
export function verificationKeyId(key: Hex): Hex {
  return keccak256(key)
}

/** The 256 bytes the contracts take as a proof. */
export function encodeGroth16Proof(proof: SnarkjsProof): Hex {
  return concat([g1(proof.pi_a), g2(proof.pi_b), g1(proof.pi_c)])
}

/** `statementHash` of a zk receipt: keccak256 of the public signals, 32 bytes big-endian each, one after another. */
export function statementHashOf(signals: readonly bigint[]): Hex {
  return keccak256(concat(signals.map(word)))
}

/** The last public signal, which ties a proof to one request for one model of one log; 248 bits. */
export function zkContextOf(of: { chainId: number; settlementLog: Address; requestId: Hex; modelHash: Hex }): bigint {
  const types = parseAbiParameters('string, uint256, address, bytes32, bytes32')
  return BigInt(keccak256(encodeAbiParameters(types, ['haca/zk-context/1', BigInt(of.chainId), of.settlementLog, of.requestId, of.modelHash]))) >> 8n
}

function word(value: bigint): Hex {
  return numberToHex(value, { size: 32 })
}

function bytes32(value: Hex): Hex {
  if (size(value) !== 32) throw new Error(`Expected 32 bytes, got ${size(value)}`)
  return value
}

/** EIP-196: x, y. snarkjs adds a third coordinate, which is 1 for every point but infinity. */
function g1([x, y, z]: readonly string[]): Hex {
  if (x === undefined || y === undefined || (z !== undefined && z !== '1')) throw new Error('Not an affine point of G1')
  return concat([word(BigInt(x)), word(BigInt(y))])
}

/** EIP-197: the imaginary part first. snarkjs writes the real part first. */
function g2([x, y, z]: readonly (readonly string[])[]): Hex {
  const [x0, x1] = x ?? []
  const [y0, y1] = y ?? []
  const affine = z === undefined || (z[0] === '1' && z[1] === '0')
  if (x0 === undefined || x1 === undefined || y0 === undefined || y1 === undefined || !affine) throw new Error('Not an affine point of G2')
  return concat([x1, x0, y1, y0].map((part) => word(BigInt(part))))
}

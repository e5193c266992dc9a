import { bn254 } from '@noble/curves/bn254.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { groth16 as snarkjs } from 'snarkjs'
import { encodeAbiParameters, keccak256 } from 'viem'
import { afterAll, describe, expect, it } from 'vitest'
import * as Hex from '../../hex.js'
import * as Field from '../field.js'
import * as Iden3 from '../iden3.js'
import { g1, trapdoor } from '../testing/trapdoor.js'
import * as Groth16 from './index.js'

const SIGNALS = 3
const { key, prove } = trapdoor(SIGNALS, 1n)
const signals = [5n, Field.r - 1n, 2n ** 248n - 1n]
const proof = prove(signals, 9n)
const prepared = ready(key)
const seed = new Uint8Array(32).fill(7)
const q = bn254.fields.Fp.ORDER

function ready(from: Groth16.VerificationKey): Groth16.PreparedKey {
  const verdict = Groth16.prepare(from)
  if (!verdict.ok) throw new Error(verdict.reason)
  return verdict.value
}

const oracle = (vk: Groth16.VerificationKey, values: readonly bigint[], of: Groth16.Proof): Promise<boolean> =>
  snarkjs.verify(Groth16.keyToJson(vk), Groth16.signalsToJson(values), Groth16.proofToJson(of))

/** Everything with one bit of its bytes flipped. */
function* flips(bytes: Uint8Array, every = 1): Generator<[at: number, Uint8Array]> {
  for (let bit = 0; bit < bytes.length * 8; bit += every) {
    const changed = Uint8Array.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    yield [bit, changed]
  }
}

afterAll(async () => {
  // snarkjs keeps threads.
  await (globalThis as { curve_bn128?: { terminate(): Promise<void> } }).curve_bn128?.terminate()
})

describe('a proof', () => {
  it('shows its signals, and snarkjs says so too', async () => {
    expect(Groth16.verify(prepared, signals, proof)).toEqual({ ok: true, value: true })
    expect(await oracle(key, signals, proof)).toBe(true)
  })

  it('shows no other signals, keys or proofs', async () => {
    for (let i = 0; i < SIGNALS; i++) {
      const others = signals.with(i, Field.mod(signals[i]! + 1n))
      expect(Groth16.verify(prepared, others, proof)).toMatchObject({ ok: false, reason: 'equation' })
      expect(await oracle(key, others, proof)).toBe(false)
    }
    const other = trapdoor(SIGNALS, 2n)
    expect(Groth16.verify(ready(other.key), signals, proof)).toMatchObject({ ok: false, reason: 'equation' })
    expect(Groth16.verify(prepared, signals, { ...proof, a: g1(4n) })).toMatchObject({ ok: false, reason: 'equation' })
    expect(Groth16.verify(prepared, signals, { ...proof, c: prove([1n, 2n, 3n], 9n).c })).toMatchObject({ ok: false, reason: 'equation' })
  })

  it('is refused with any bit of it flipped', () => {
    const bytes = Groth16.encodeProof(proof)
    for (const [bit, changed] of flips(bytes)) expect(Groth16.decodeProof(changed), `bit ${bit}`).toMatchObject({ ok: false })
    expect(bytes.length).toBe(Groth16.PROOF_BYTES)
  })

  it('is refused with any bit of a signal flipped', () => {
    const bytes = Field.r - 1n
    for (let bit = 0; bit < 254; bit += 23) {
      const flipped = bytes ^ (1n << BigInt(bit))
      expect(Groth16.verify(prepared, signals.with(1, flipped), proof).ok, `bit ${bit}`).toBe(false)
    }
  })

  it('verifies after anybody re-randomised it: its bytes name nothing', () => {
    const point = ({ x, y }: Groth16.G1) => bn254.G1.Point.fromAffine({ x, y })
    const inverse = Field.inverse(3n)
    const b = bn254.G2.Point.fromAffine(proof.b).multiply(3n).toAffine()
    const a = point(proof.a).multiply(inverse).toAffine()
    expect(Groth16.verify(prepared, signals, { a: { x: a.x, y: a.y }, b: { x: { c0: b.x.c0, c1: b.x.c1 }, y: { c0: b.y.c0, c1: b.y.c1 } }, c: proof.c }).ok).toBe(true)
  })
})

describe('what is strict', () => {
  it('signals are in the field, and as many as the key has', () => {
    // s + r is s to a verifier that reduces; snarkjs refuses it as we do.
    expect(Groth16.verify(prepared, signals.with(0, signals[0]! + Field.r), proof)).toMatchObject({ ok: false, reason: 'signal-range', field: 'signals[0]' })
    expect(Groth16.verify(prepared, signals.with(0, -5n), proof)).toMatchObject({ ok: false, reason: 'signal-range' })
    expect(Groth16.verify(prepared, signals.slice(1), proof)).toMatchObject({ ok: false, reason: 'signal-count' })
    expect(Groth16.verify(prepared, [...signals, 0n], proof)).toMatchObject({ ok: false, reason: 'signal-count' })
  })

  it('coordinates are below the prime, and points on their curve', () => {
    expect(Groth16.verify(prepared, signals, { ...proof, a: { ...proof.a, x: proof.a.x + q } })).toMatchObject({ reason: 'not-canonical', field: 'a' })
    expect(Groth16.verify(prepared, signals, { ...proof, b: { ...proof.b, y: { ...proof.b.y, c1: proof.b.y.c1 + q } } })).toMatchObject({ reason: 'not-canonical', field: 'b' })
    expect(Groth16.verify(prepared, signals, { ...proof, c: { x: 1n, y: 1n } })).toMatchObject({ reason: 'not-on-curve', field: 'c' })
    expect(Groth16.verify(prepared, signals, { ...proof, b: { ...proof.b, x: { c0: 1n, c1: 1n } } })).toMatchObject({ reason: 'not-on-curve', field: 'b' })
    expect(Groth16.verify(prepared, signals, { ...proof, a: { x: 0n, y: 0n } })).toMatchObject({ reason: 'infinity', field: 'a' })
    const zero = { c0: 0n, c1: 0n }
    expect(Groth16.verify(prepared, signals, { ...proof, b: { x: zero, y: zero } })).toMatchObject({ reason: 'infinity', field: 'b' })
  })

  it('a point of G2’s curve outside the subgroup is refused', () => {
    const outside = outsideSubgroup()
    expect(Groth16.verify(prepared, signals, { ...proof, b: outside })).toMatchObject({ reason: 'not-in-subgroup', field: 'b' })
    for (const field of ['beta2', 'gamma2', 'delta2'] as const) expect(Groth16.prepare({ ...key, [field]: outside })).toMatchObject({ reason: 'not-in-subgroup', field })
  })

  it('lengths are exact', () => {
    const bytes = Groth16.encodeProof(proof)
    for (const length of [0, 255, 257]) expect(Groth16.decodeProof(new Uint8Array(length))).toMatchObject({ reason: 'length' })
    expect(Groth16.decodeProof(bytes)).toEqual({ ok: true, value: proof })
    const keyBytes = Groth16.encodeKey(key)
    expect(Groth16.decodeKey(keyBytes)).toEqual({ ok: true, value: key })
    for (const length of [0, 64, 448, keyBytes.length - 1]) expect(Groth16.decodeKey(keyBytes.subarray(0, length))).toMatchObject({ reason: 'length' })
  })

  it('JSON is what snarkjs writes and nothing near it', () => {
    const json = Groth16.proofToJson(proof)
    expect(Groth16.proofFromJson(structuredClone(json))).toEqual({ ok: true, value: proof })
    expect(Groth16.keyFromJson(structuredClone(Groth16.keyToJson(key)))).toEqual({ ok: true, value: key })
    expect(Groth16.signalsFromJson(['0', '15'])).toEqual({ ok: true, value: [0n, 15n] })
    for (const wrong of [null, [], 'x', {}, { ...json, protocol: 'plonk' }, { ...json, curve: 'bls12381' }, { ...json, pi_a: ['1', '2'] }, { ...json, pi_a: [json.pi_a[0], json.pi_a[1], '2'] }, { ...json, pi_b: json.pi_b.slice(1) }, { ...json, pi_c: [`0${json.pi_c[0]}`, json.pi_c[1], '1'] }, { ...json, pi_c: [Number(1), json.pi_c[1], '1'] }]) {
      expect(Groth16.proofFromJson(wrong)).toMatchObject({ reason: 'json' })
    }
    const keyJson = Groth16.keyToJson(key)
    for (const wrong of [{ ...keyJson, nPublic: 2 }, { ...keyJson, IC: [] }, { ...keyJson, vk_delta_2: undefined }]) expect(Groth16.keyFromJson(wrong)).toMatchObject({ reason: 'json' })
    for (const wrong of [[1], ['01'], ['-1'], ['0x1'], '1', ['1e3'], ['9'.repeat(79)]]) expect(Groth16.signalsFromJson(wrong)).toMatchObject({ reason: 'json' })
  })
})

describe('a verification key', () => {
  it('is refused with any bit of it flipped, unless it is another key, under which the proof is false', () => {
    const bytes = Groth16.encodeKey(key)
    let refused = 0
    for (const [bit, changed] of flips(bytes, 43)) {
      const decoded = Groth16.decodeKey(changed)
      if (!decoded.ok) refused++
      else expect(Groth16.verify(ready(decoded.value), signals, proof).ok, `bit ${bit}`).toBe(false)
    }
    expect(refused).toBe(Math.ceil((bytes.length * 8) / 43))
  })

  it('has the keccak of its bytes as its name, in precompile order', () => {
    const word = (value: bigint) => value.toString(16).padStart(64, '0')
    const two = ({ x, y }: Groth16.G2) => word(x.c1) + word(x.c0) + word(y.c1) + word(y.c0)
    const text = [key.alpha1, ...key.inputs].map(({ x, y }) => word(x) + word(y))
    const bytes = Hex.toBytes(`0x${text[0]}${two(key.beta2)}${two(key.gamma2)}${two(key.delta2)}${text.slice(1).join('')}`)
    expect(Groth16.keyId(key)).toBe(Hex.fromBytes(keccak_256(bytes)))
    expect(prepared.id).toBe(Groth16.keyId(key))
  })

  it('that nobody contributed to is refused: anybody can forge under it', async () => {
    const unsafe = { ...key, delta2: key.gamma2 }
    // A = alpha, B = beta, C = -inputs solve the equation without any witness, and snarkjs accepts it.
    const input = signals.reduce((sum, signal, i) => sum.add(bn254.G1.Point.fromAffine(key.inputs[i + 1]!).multiply(signal)), bn254.G1.Point.fromAffine(key.inputs[0]!))
    const { x, y } = input.negate().toAffine()
    expect(await oracle(unsafe, signals, { a: key.alpha1, b: key.beta2, c: { x, y } })).toBe(true)
    expect(Groth16.prepare(unsafe)).toMatchObject({ ok: false, reason: 'unsafe-key' })
    expect(Groth16.prepare({ ...key, delta2: { x: key.gamma2.x, y: { c0: q - key.gamma2.y.c0, c1: q - key.gamma2.y.c1 } } })).toMatchObject({ reason: 'unsafe-key' })
  })

  it('with an input point at infinity is refused: its signal would be bound to nothing', () => {
    expect(Groth16.prepare({ ...key, inputs: key.inputs.with(2, { x: 0n, y: 0n }) })).toMatchObject({ reason: 'infinity', field: 'inputs[2]' })
  })
})

describe('a batch', () => {
  const second = trapdoor(1, 5n)
  const secondKey = ready(second.key)
  const items = [
    { key: prepared, signals, proof },
    { key: prepared, signals: [0n, 0n, 0n], proof: prove([0n, 0n, 0n], 11n) },
    { key: secondKey, signals: [Field.r - 3n], proof: second.prove([Field.r - 3n], 2n) },
    { key: prepared, signals: [1n, 2n, 3n], proof: prove([1n, 2n, 3n], 12n) },
  ]

  it('of valid proofs verifies, also under two keys, also of none', () => {
    expect(Groth16.verifyBatch(items, seed)).toEqual({ ok: true, value: true })
    expect(Groth16.verifyBatch(items.slice(0, 1), seed).ok).toBe(true)
    expect(Groth16.verifyBatch([], seed).ok).toBe(true)
  })

  it('with one false proof in any place is refused', () => {
    for (const [i, item] of items.entries()) {
      const changed = items.with(i, { ...item, signals: item.signals.with(0, item.signals[0]! + 1n) })
      expect(Groth16.verifyBatch(changed, seed), `item ${i}`).toMatchObject({ ok: false, reason: 'equation' })
    }
  })

  it('in which two errors cancel out is refused, because coefficients are random', () => {
    // Swapping C between two proofs leaves the plain sum of equations unchanged.
    const swapped = items.with(0, { ...items[0]!, proof: { ...proof, c: items[3]!.proof.c } }).with(3, { ...items[3]!, proof: { ...items[3]!.proof, c: proof.c } })
    expect(Groth16.verifyBatch(swapped, seed)).toMatchObject({ ok: false, reason: 'equation' })
  })

  it('names the item that is malformed', () => {
    const broken = items.with(1, { ...items[1]!, proof: { ...items[1]!.proof, a: { x: 1n, y: 1n } } })
    expect(Groth16.verifyBatch(broken, seed)).toMatchObject({ ok: false, reason: 'not-on-curve', index: 1 })
    expect(Groth16.verifyBatch(items.with(2, { ...items[2]!, signals: [Field.r] }), seed)).toMatchObject({ reason: 'signal-range', index: 2 })
    expect(() => Groth16.verifyBatch(items, new Uint8Array(16))).toThrow('seed')
  })
})

describe('a statement', () => {
  it('is hashed as 32-byte words, as Solidity does', () => {
    expect(Groth16.statementHash([1n, 2n])).toBe(keccak256(encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256' }], [1n, 2n])))
    expect(Groth16.statementHash([])).toBe(keccak256('0x'))
  })

  it('has a context that depends on chain, log, request and model', () => {
    const scope = { chainId: 84_532, settlementLog: `0x${'0a'.repeat(20)}`, requestId: `0x${'01'.repeat(32)}`, modelHash: `0x${'02'.repeat(32)}` } as const
    const expected = (s: typeof scope | { [K in keyof typeof scope]: unknown }) =>
      BigInt(
        keccak256(
          encodeAbiParameters(
            [{ type: 'string' }, { type: 'uint256' }, { type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }],
            ['haca/zk-context/1', BigInt(s.chainId as number), s.settlementLog as `0x${string}`, s.requestId as `0x${string}`, s.modelHash as `0x${string}`],
          ),
        ),
      ) >> 8n
    expect(Groth16.context(scope)).toBe(expected(scope))
    expect(Groth16.context(scope) < 2n ** 248n).toBe(true)
    const changes = [{ chainId: 8453 }, { settlementLog: `0x${'0b'.repeat(20)}` as const }, { requestId: `0x${'03'.repeat(32)}` as const }, { modelHash: `0x${'03'.repeat(32)}` as const }]
    expect(new Set([scope, ...changes.map((change) => ({ ...scope, ...change }))].map(Groth16.context)).size).toBe(5)
    expect(() => Groth16.context({ ...scope, requestId: '0x01' })).toThrow(expect.objectContaining({ code: 'hex.malformed' }))
  })
})

describe('a .zkey file', () => {
  const file = (change: { protocol?: number; circuit?: string; from?: Groth16.VerificationKey; contributions?: Uint8Array } = {}) => zkeyFile(change.from ?? key, change)

  it('gives its verification key, and says that it is a development key', () => {
    const read = Groth16.readZkey(file({ circuit: Groth16.DEV_MARKER }))
    expect(read).toMatchObject({ key, wires: 9, publicCount: SIGNALS, domainSize: 16, label: 'dev', contributions: [] })
    expect(Groth16.readZkey(file()).label).toBe('initial')
    expect(Groth16.readZkey(file({ from: { ...key, delta2: key.gamma2 } })).label).toBe('initial')
    expect(Groth16.DEV_MARKER.length).toBe(64)
  })

  it('is refused when it is cut, of another protocol or curve, or holds a point that does not count', () => {
    const bytes = file()
    for (let length = 0; length < bytes.length; length += 13) expect(() => Groth16.readZkey(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'zk.file-malformed' }))
    expect(() => Groth16.readZkey(file({ protocol: 2 }))).toThrow('Groth16')
    expect(() => Groth16.readZkey(file({ from: { ...key, alpha1: { x: 1n, y: 1n } } }))).toThrow('alpha1')
    expect(() => Groth16.readZkey(file({ from: { ...key, gamma2: outsideSubgroup() } }))).toThrow('gamma2')
    expect(() => Groth16.readZkey(file({ contributions: new Uint8Array([1, 0, 0, 0]) }))).toThrow(expect.objectContaining({ code: 'zk.file-malformed' }))
  })
})

/** By x = 1, 2, …: a point of the twist of another order, which nearly all of its points are. */
function outsideSubgroup(): Groth16.G2 {
  const { Fp2 } = bn254.fields
  for (let n = 1n; ; n++) {
    const x = Fp2.fromBigTuple([n, 0n])
    try {
      const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b))
      if (!bn254.G2.Point.fromAffine({ x, y }).isTorsionFree()) return { x: { c0: x.c0, c1: x.c1 }, y: { c0: y.c0, c1: y.c1 } }
    } catch {
      // no square
    }
  }
}

/** The sections that a reader of verification keys looks at, in snarkjs' form. */
function zkeyFile(from: Groth16.VerificationKey, { protocol = 1, circuit = '', contributions = new Uint8Array(4) }: { protocol?: number; circuit?: string; contributions?: Uint8Array }): Uint8Array {
  const little = (value: bigint, width = 32) => Uint8Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
  const montgomery = (value: bigint) => little((value * 2n ** 256n) % q)
  const one = ({ x, y }: Groth16.G1) => [montgomery(x), montgomery(y)]
  const two = ({ x, y }: Groth16.G2) => [x.c0, x.c1, y.c0, y.c1].map(montgomery)
  const join = (parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))
  const header = [little(32n, 4), little(q), little(32n, 4), little(Field.r), little(9n, 4), little(BigInt(from.inputs.length - 1), 4), little(16n, 4)]
  const points = [...one(from.alpha1), ...one(g1(2n)), ...two(from.beta2), ...two(from.gamma2), ...one(g1(3n)), ...two(from.delta2)]
  const marker = new Uint8Array(64)
  marker.set(new TextEncoder().encode(circuit))
  return Iden3.write('zkey', 1, [
    { type: 1, content: little(BigInt(protocol), 4) },
    { type: 2, content: join([...header, ...points]) },
    { type: 3, content: join(from.inputs.flatMap(one)) },
    { type: 10, content: join([marker, contributions]) },
  ])
}

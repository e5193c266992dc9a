import { Hex, Secp256k1 } from '@haca/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadPrimitives } from './native.js'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const key = bytes32.filter((b) => b.some((x) => x !== 0) && (b[0] as number) < 0xff)

it('native primitives run on our addon here', async () => {
  expect((await loadPrimitives()).engine).toBe('libsecp256k1')
})

describe.each(['libsecp256k1', 'secp256k1', 'tiny-secp256k1'] as const)('native primitives on %s', (engine) => {
  it('agree with the portable ones on hashing, signing and recovering', async () => {
    const native = await loadPrimitives(engine)
    fc.assert(
      fc.property(bytes32, key, fc.uint8Array({ maxLength: 300 }), (digest, privateKey, data) => {
        expect(native.keccak256(data)).toEqual(Secp256k1.portable.keccak256(data))
        expect(Uint8Array.from(native.sha256(data))).toEqual(Secp256k1.portable.sha256(data))
        const signature = native.sign(digest, privateKey)
        expect(signature).toEqual(Secp256k1.sign(digest, privateKey))
        const address = native.recover(digest, signature)
        expect(address && Hex.checksum(Hex.fromBytes(address))).toBe(Secp256k1.addressOfKey(privateKey))
      }),
      { numRuns: 50 },
    )
  })

  it('agree with the portable ones on arbitrary signatures, and never throw', async () => {
    const native = await loadPrimitives(engine)
    const signature = fc.tuple(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.constantFrom(0, 1, 27, 28, 29)).map(([rs, v]) => Uint8Array.of(...rs, v))
    fc.assert(
      fc.property(bytes32, fc.oneof(signature, fc.uint8Array({ maxLength: 70 })), (digest, sig) => {
        expect(native.recover(digest, sig)).toEqual(Secp256k1.portable.recover(digest, sig))
      }),
      { numRuns: 200 },
    )
  })

  it('recover the same again, whatever became of the first answer, and nothing else for another digest or signature', async () => {
    const native = await loadPrimitives(engine)
    const [digest, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    const [mine, yours] = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)].map((privateKey) => native.sign(digest, privateKey)) as [Uint8Array, Uint8Array]
    const first = native.recover(digest, mine) as Uint8Array
    const expected = Uint8Array.from(first)
    first.fill(0)
    expect(native.recover(digest, mine)).toEqual(expected)
    expect(native.recover(digest, yours)).toEqual(Secp256k1.portable.recover(digest, yours))
    expect(native.recover(other, mine)).toEqual(Secp256k1.portable.recover(other, mine))
  })

  it('sign for no key that is none, and recover nobody from a digest of another length', async () => {
    const native = await loadPrimitives(engine)
    const digest = new Uint8Array(32).fill(1)
    for (const privateKey of [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31).fill(1)]) expect(() => native.sign(digest, privateKey)).toThrow()
    const signature = native.sign(digest, new Uint8Array(32).fill(3))
    expect(native.recover(digest.subarray(1), signature)).toBeUndefined()
  })
})

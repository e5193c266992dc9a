import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as Digest from '../digest.js'
import * as Hex from '../hex.js'
import * as Header from '../batch/header.js'
import * as LeafFile from '../batch/leaf-file.js'
import * as MerkleSum from '../batch/merkle-sum.js'
import * as Receipt from './receipt.js'

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/receipt/receipt-v1.json', import.meta.url), 'utf8'))
const scope: Receipt.Scope = { chainId: vectors.chainId, log: vectors.log }
const text = new TextEncoder()

const fromVector = (message: Record<string, unknown>): Receipt.Receipt => {
  const numbers = Object.fromEntries(['policyEpoch', 'issuedAt', 'settleBy', 'seq'].map((name) => [name, Number(message[name])]))
  return Receipt.fromJson({ ...message, ...numbers })
}
const signedOf = (row: { message: Record<string, unknown>; signature: Hex.Hex }): Receipt.Signed => ({ receipt: fromVector(row.message), signature: row.signature })
const nodeOf = (node: { hash: Hex.Hex; sum: string } | null) => node && { hash: node.hash, sum: BigInt(node.sum) }

describe('receipt vectors', () => {
  it('spells the type string as the vectors do', () => {
    expect(Receipt.typeString).toBe(vectors.typeString)
  })

  it.each([...vectors.receipts.keys()])('reproduces receipt %i', (i) => {
    const row = vectors.receipts[i]
    const signed = signedOf(row)
    expect(Receipt.domain(scope, signed.receipt.keyKind)).toEqual(row.domain)
    expect(Receipt.hash(signed.receipt, scope)).toBe(row.digest)
    expect(Receipt.isSigned(signed, scope)).toBe(true)
    const key = { chainId: scope.chainId, scheme: 'exact', token: vectors.token, payer: vectors.payer, nonce: row.paymentNonce }
    expect(Digest.paymentId(key)).toBe(row.message.paymentId)
    expect(Digest.requestId(row.message.paymentId)).toBe(row.message.requestId)
    expect(Receipt.unpack(Receipt.pack(signed.receipt))).toEqual({ ...signed.receipt, ...lower(signed.receipt) })
  })

  it('reproduces request, answer and stream hashes', () => {
    const salt = Hex.toBytes(vectors.salt)
    const message = vectors.receipts[0].message
    expect(Digest.requestHash(salt, text.encode(vectors.requestBody))).toBe(message.requestHash)
    expect(Digest.outputHash(salt, text.encode(vectors.outputBody))).toBe(message.outputHash)
    const last = vectors.stream.chunks.reduce((h: Uint8Array, chunk: string) => Digest.streamNext(h, text.encode(chunk)), Digest.streamStart())
    expect(Hex.fromBytes(last)).toBe(vectors.stream.last)
    expect(Digest.streamOutputHash(salt, last)).toBe(vectors.stream.outputHash)
  })

  it('refuses a receipt under the other domain, chain, log or with any field changed', () => {
    const signed = signedOf(vectors.receipts[0])
    expect(Receipt.isSigned(signed, { ...scope, chainId: 8453 })).toBe(false)
    expect(Receipt.isSigned(signed, { ...scope, log: vectors.token })).toBe(false)
    expect(Receipt.isSigned({ ...signed, receipt: { ...signed.receipt, keyKind: 255 } }, scope)).toBe(false)
    for (const name of Object.keys(signed.receipt) as (keyof Receipt.Receipt)[]) {
      expect(Receipt.isSigned({ ...signed, receipt: changed(signed.receipt, name) }, scope), name).toBe(false)
    }
  })

  it('refuses the malleable twin and a wrong recovery byte', () => {
    const { receipt, signature } = signedOf(vectors.receipts[0])
    const bytes = Hex.toBytes(signature)
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const twinS = order - BigInt(Hex.fromBytes(bytes.slice(32, 64)))
    const twin = Hex.toBytes(`0x${Hex.fromBytes(bytes.slice(0, 32)).slice(2)}${twinS.toString(16).padStart(64, '0')}${bytes[64] === 27 ? '1c' : '1b'}`)
    expect(Receipt.isSigned({ receipt, signature: Hex.fromBytes(twin) }, scope)).toBe(false)
    for (const v of [0, 1, 26, 29, 255]) {
      const other = bytes.slice()
      other[64] = v
      expect(Receipt.isSigned({ receipt, signature: Hex.fromBytes(other) }, scope)).toBe(false)
    }
  })

  it('refuses JSON with an unknown, missing or oversized field and names it', () => {
    const json = Receipt.toJson(fromVector(vectors.receipts[0].message))
    expect(() => Receipt.fromJson({ ...json, extra: 1 })).toThrow('extra')
    expect(() => Receipt.fromJson({ ...json, node: '0x00' })).toThrow('node')
    expect(() => Receipt.fromJson({ ...json, seq: -1 })).toThrow('seq')
    expect(() => Receipt.fromJson({ ...json, mode: 256 })).toThrow('mode')
    expect(() => Receipt.fromJson({ ...json, price: (1n << 128n).toString() })).toThrow('uint128')
  })
})

describe('batch vectors', () => {
  const leaves = vectors.receipts.map((row: { digest: Hex.Hex; collected: string }) => MerkleSum.leaf(scope, row.digest, BigInt(row.collected)))

  it.each([...vectors.batches.keys()])('reproduces batch %i', (i) => {
    const batch = vectors.batches[i]
    const ours = leaves.slice(0, batch.count)
    expect(ours).toEqual(batch.leaves.map(nodeOf))
    const tree = MerkleSum.build(ours)
    expect(MerkleSum.root(tree)).toEqual({ hash: batch.root, sum: BigInt(batch.total) })
    expect(Header.hash({ ...batch, total: BigInt(batch.total) })).toBe(batch.header)
    for (const { index, siblings } of batch.proofs) {
      const expected = siblings.map(nodeOf)
      expect(MerkleSum.proof(tree, index)).toEqual(expected)
      expect(MerkleSum.climb(ours[index], { index, count: batch.count }, expected)).toEqual(MerkleSum.root(tree))
    }
  })

  it('chains the headers of the vectors', () => {
    const [first, ...rest] = vectors.batches
    expect(first.prev).toBe(Hex.zero32)
    rest.forEach((batch: { prev: string }, i: number) => expect(batch.prev).toBe(vectors.batches[i].header))
  })
})

describe('leaf file', () => {
  it('is read back as it was written, and refuses a byte more or less', () => {
    const rows = vectors.receipts.map((row: { message: Record<string, unknown>; signature: Hex.Hex; collected: string }, i: number) => {
      const { receipt, signature } = signedOf(row)
      return { receipt: { ...receipt, ...lower(receipt) }, signature, collected: BigInt(row.collected), evidenceDigest: Digest.content(Uint8Array.of(i)) }
    })
    const file = { scope: { chainId: scope.chainId, log: Hex.checksum(scope.log) }, token: vectors.token, rows }
    const bytes = LeafFile.encode(file)
    expect(LeafFile.decode(bytes)).toEqual(file)
    expect(() => LeafFile.decode(bytes.subarray(1))).toThrow('unknown format')
    expect(() => LeafFile.decode(bytes.subarray(0, -1))).toThrow('length')
    expect(() => LeafFile.decode(new Uint8Array([...bytes, 0]))).toThrow('length')
  })
})

function lower(receipt: Receipt.Receipt) {
  return { node: receipt.node.toLowerCase() as Hex.Hex, payer: receipt.payer.toLowerCase() as Hex.Hex, token: receipt.token.toLowerCase() as Hex.Hex }
}

function changed(receipt: Receipt.Receipt, name: keyof Receipt.Receipt): Receipt.Receipt {
  const value = receipt[name]
  if (typeof value === 'bigint') return { ...receipt, [name]: value + 1n }
  if (typeof value === 'number') return { ...receipt, [name]: name === 'keyKind' ? 3 : value + 1 }
  const bytes = Hex.toBytes(value as string)
  bytes[0] = (bytes[0] as number) ^ 1
  return { ...receipt, [name]: Hex.fromBytes(bytes) }
}

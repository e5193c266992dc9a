// Writes refused-v1.json: `node vectors/receipt/make-refused.mjs`. Deterministic (RFC 6979).
// Receipts of one node that do not stand, and why; with sound ones beside them. Independent of the code that reads it:
// EIP-712 by hand, from design section 6.
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { readFileSync, writeFileSync } from 'node:fs'

const hex = (bytes) => `0x${bytesToHex(bytes)}`
const keccak = (bytes) => keccak_256(bytes)
const word = (value) => hexToBytes(BigInt(value).toString(16).padStart(64, '0'))
const text = (value) => keccak(utf8ToBytes(value))

const { typeString, receipts, token, payer } = JSON.parse(readFileSync(new URL('./receipt-v1.json', import.meta.url)))
const fields = [...typeString.matchAll(/\w+ (\w+)[,)]/g)].map(([, name]) => name)

const key = text('haca/vectors/refused/node') // public, for tests only
const publicKey = secp256k1.getPublicKey(key, false)
const node = hex(keccak(publicKey.slice(1)).slice(12))
const here = { chainId: 84532, log: '0x00000000000000000000000000000000000a0001' }

function digest(receipt, { chainId, log } = here, name = receipt.keyKind === 255 ? 'HACA Simulated Receipt' : 'HACA Receipt') {
  const domainType = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
  const domain = keccak(concatBytes(text(domainType), text(name), text('1'), word(chainId), word(log)))
  const struct = keccak(concatBytes(text(typeString), ...fields.map((field) => word(receipt[field]))))
  return keccak(concatBytes(Uint8Array.of(0x19, 0x01), domain, struct))
}

/** r ‖ s ‖ v */
function sign(hash) {
  const recovered = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' })
  return concatBytes(recovered.slice(1), Uint8Array.of(27 + recovered[0]))
}

function highS(signature) {
  const s = secp256k1.Point.Fn.ORDER - BigInt(hex(signature.slice(32, 64)))
  return concatBytes(signature.slice(0, 32), word(s), Uint8Array.of(27 + 28 - signature[64]))
}

const base = { ...receipts[0].message, node, token, payer }
const other = (name) => hex(text(name))
const signed = (receipt, where, name) => ({ receipt, digest: hex(digest(receipt)), signature: hex(sign(digest(receipt, where, name))) })

const sound = signed(base)

// The signature is over something else than the receipt it comes with; each is refused here.
const signatures = [
  ['the same receipt for another chain', signed(base, { ...here, chainId: 8453 }).signature],
  ['the same receipt for another log', signed(base, { ...here, log: '0x00000000000000000000000000000000000a0002' }).signature],
  ['the same receipt in the domain of simulated keys', signed(base, here, 'HACA Simulated Receipt').signature],
  ['a receipt of another model', signed({ ...base, modelHash: other('another model') }).signature],
  ['a receipt with another output', signed({ ...base, outputHash: other('another output') }).signature],
  ['a receipt with a higher price', signed({ ...base, price: '1001' }).signature],
  ['a receipt with an earlier date', signed({ ...base, issuedAt: '1794999999' }).signature],
  ['a receipt with another sequence number', signed({ ...base, seq: '2' }).signature],
  ['the receipt, with the other s of the same point', hex(highS(sign(digest(base))))],
  ['nothing', hex(new Uint8Array(65))],
].map(([why, signature]) => ({ why, receipt: base, signature }))

// Two receipts of the node, both well signed.
const pairs = [
  ['one request, two outputs', 'request', { outputHash: other('another output'), seq: '2' }],
  ['one request, two prices', 'request', { price: '999', seq: '2' }],
  ['one request, two payments', 'request', { paymentId: other('another payment'), seq: '2' }],
  ['one request, two outputs, one sequence number', 'request', { outputHash: other('another output') }],
  ['a replayed sequence number', 'sequence', { requestId: other('another request'), paymentId: other('another payment') }],
  ['a replayed sequence number at another time', 'sequence', { issuedAt: '1795000001' }],
  ['two requests', 'none', { requestId: other('another request'), paymentId: other('another payment'), seq: '2' }],
  ['one receipt signed again with another number and time', 'none', { seq: '2', issuedAt: '1795000001' }],
  ['one receipt', 'none', {}],
].map(([why, contradiction, change]) => ({ why, contradiction, first: sound, second: signed({ ...base, ...change }) }))

// The key's life, and when the receipt says it was issued and was anchored. Seconds.
const t = 1_795_000_000
const life = { notBefore: t, notAfter: t + 3600, retiredAt: 0, compromisedFrom: null }
const dates = [
  ['in time', life, t + 10, t + 610, t + 60, 'stands'],
  ['at the last moment', life, t, t + 600, t + 1800, 'stands'],
  ['a second too late', life, t, t + 600, t + 1801, 'anchored-late'],
  ['a promise longer than any that is honoured', life, t, t + 10 ** 9, t + 1801, 'anchored-late'],
  ['a shorter promise binds', life, t, t + 60, t + 1261, 'anchored-late'],
  ['before the key was valid', life, t - 1, t + 599, t + 60, 'signer-invalid'],
  ['after the key expired', life, t + 3601, t + 4201, t + 3700, 'signer-invalid'],
  ['dated back into the key’s life', life, t + 3600, t + 4200, t + 5401, 'anchored-late'],
  ['after the key was retired', { ...life, retiredAt: t + 100 }, t + 100, t + 700, t + 160, 'signer-invalid'],
  ['before the key was retired', { ...life, retiredAt: t + 100 }, t + 99, t + 699, t + 160, 'stands'],
  ['from the moment of a compromise', { ...life, compromisedFrom: t + 100 }, t + 100, t + 700, t + 160, 'signer-invalid'],
  ['before a compromise', { ...life, compromisedFrom: t + 100 }, t + 99, t + 699, t + 160, 'stands'],
].map(([why, registered, issuedAt, settleBy, anchoredAt, verdict]) => ({ why, key: registered, issuedAt, settleBy, anchoredAt, verdict }))

const file = {
  note: 'Receipts that do not stand, beside sound ones. The key is a public test key. Made by make-refused.mjs.',
  ...here,
  nodeKey: hex(key),
  node,
  sound,
  signatures,
  pairs,
  dates,
}
writeFileSync(new URL('./refused-v1.json', import.meta.url), `${JSON.stringify(file, null, 1)}\n`)

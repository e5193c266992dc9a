// Writes groth16-v1.json: `node vectors/zk/make-groth16.mjs`. Deterministic: the same numbers every time.
//
// Whoever knows the secrets of a set-up can write proofs without a witness, distributed exactly as honest ones are
// (Groth, "On the Size of Pairing-based Non-interactive Arguments", EUROCRYPT 2016, section 3.2: the simulator). These
// keys' secrets are below, so that a proof for any signals can be made here, and by tests in Solidity, from
// multiplications alone. That is also why nobody may ever trust these keys.
import { bn254 } from '@noble/curves/bn254.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { writeFileSync } from 'node:fs'

const { Fp, Fp2, Fr } = bn254.fields
const G1 = bn254.G1.Point
const G2 = bn254.G2.Point
const [p, r] = [Fp.ORDER, Fr.ORDER]

// ---------------------------------------------------------------- bytes

const hex = (bytes) => `0x${bytesToHex(bytes)}`
const word = (value) => hexToBytes(value.toString(16).padStart(64, '0'))
const keccak = (bytes) => hex(keccak_256(bytes))
/** A scalar nobody chose. */
const scalar = (name) => BigInt(keccak(utf8ToBytes(`haca/zk-vectors/1/${name}`))) % r

/** EIP-196: x, y; the point at infinity is two zeros. */
const words1 = (point) => (point.is0() ? [0n, 0n] : [point.x, point.y])
/** EIP-197: the imaginary part comes first. */
const words2 = (point) => (point.is0() ? [0n, 0n, 0n, 0n] : [point.x.c1, point.x.c0, point.y.c1, point.y.c0])
const bytesOf = (words) => concatBytes(...words.map(word))

const signature = (text) => keccak_256(utf8ToBytes(text))
/** First four bytes of every Groth16 key, and the route to its verifier. */
const format = signature('haca/groth16-bn254/1').slice(0, 4)

const dev = { kind: 'dev', contributors: 0, beacon: word(0n), transcript: word(0n) }
const ceremony = { kind: 'ceremony', contributors: 5, beacon: signature('beacon'), transcript: signature('transcript') }

/** Canonical bytes of a verification key; contracts/README.md has the layout. */
function keyBytes(setup, points) {
  const header = [format, Uint8Array.of(setup.kind === 'dev' ? 0 : 1, setup.contributors >> 8, setup.contributors & 255), setup.beacon, setup.transcript]
  return concatBytes(...header, bytesOf(points))
}

// ---------------------------------------------------------------- keys and proofs

function makeKey(name, signalCount) {
  const secret = (what) => scalar(`${name}/${what}`)
  const ic = Array.from({ length: signalCount + 1 }, (_, i) => secret(`ic${i}`))
  const s = { alpha: secret('alpha'), beta: secret('beta'), gamma: secret('gamma'), delta: secret('delta'), b: secret('b'), ic }
  const alpha = G1.BASE.multiply(s.alpha)
  const [beta, gamma, delta] = [s.beta, s.gamma, s.delta].map((k) => G2.BASE.multiply(k))
  const points = ic.map((k) => G1.BASE.multiply(k))
  return { name, secrets: s, alpha, beta, gamma, delta, ic: points, words: [...words1(alpha), ...[beta, gamma, delta].flatMap(words2), ...points.flatMap(words1)] }
}

/** e(A, B) = e(alpha, beta) e(X, gamma) e(C, delta), solved for C. */
function prove(key, signals, name) {
  const { alpha, beta, gamma, delta, b, ic } = key.secrets
  const a = scalar(`${name}/a`)
  const x = signals.reduce((sum, signal, i) => sum + signal * ic[i + 1], ic[0])
  const c = Fr.div(Fr.create(a * b - alpha * beta - x * gamma), delta)
  const proof = { a: G1.BASE.multiply(a), b: G2.BASE.multiply(b), c: G1.BASE.multiply(c) }
  if (!verify(key, signals, proof)) throw new Error(`${name} does not verify`)
  return proof
}

/** The equation of the paper, by noble's pairing. */
function verify(key, signals, { a, b, c }) {
  const x = signals.reduce((sum, signal, i) => (signal === 0n ? sum : sum.add(key.ic[i + 1].multiply(signal))), key.ic[0])
  const product = bn254.pairingBatch([
    { g1: a.negate(), g2: b },
    { g1: key.alpha, g2: key.beta },
    { g1: x, g2: key.gamma },
    { g1: c, g2: key.delta },
  ])
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE)
}

const proofBytes = ({ a, b, c }) => bytesOf([...words1(a), ...words2(b), ...words1(c)])

/** As snarkjs writes them: decimal strings, the real part first, the third coordinate one. */
const json1 = (point) => [...words1(point), 1n].map(String)
const json2 = (point) => [[point.x.c0, point.x.c1], [point.y.c0, point.y.c1], [1n, 0n]].map((pair) => pair.map(String))
const keyJson = (key) => ({
  protocol: 'groth16', curve: 'bn128', nPublic: key.ic.length - 1,
  vk_alpha_1: json1(key.alpha), vk_beta_2: json2(key.beta), vk_gamma_2: json2(key.gamma), vk_delta_2: json2(key.delta), IC: key.ic.map(json1),
})
const proofJson = ({ a, b, c }) => ({ protocol: 'groth16', curve: 'bn128', pi_a: json1(a), pi_b: json2(b), pi_c: json1(c) })

function proofEntry(key, signals, proof) {
  return { key: key.name, signals: signals.map((s) => hex(word(s))), statementHash: keccak(bytesOf(signals)), proof: hex(proofBytes(proof)), snarkjs: proofJson(proof) }
}

// ---------------------------------------------------------------- points that are none

/** On the twist, but not in the subgroup of order r: its cofactor is larger than r, so almost every point. */
function offSubgroup() {
  const b = Fp2.div(Fp2.fromBigTuple([3n, 0n]), Fp2.fromBigTuple([9n, 1n]))
  for (let i = 1n; ; i++) {
    const x = Fp2.fromBigTuple([i, 0n])
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b)
    let y
    try {
      y = Fp2.sqrt(right)
    } catch {
      continue
    }
    const point = G2.fromAffine({ x, y })
    if (point.isTorsionFree()) continue
    return point
  }
}

// ---------------------------------------------------------------- contexts

function context({ chainId, settlementLog, requestId, modelHash }) {
  const label = utf8ToBytes('haca/zk-context/1')
  const head = [160n, BigInt(chainId), BigInt(settlementLog), BigInt(requestId), BigInt(modelHash), BigInt(label.length)]
  const padded = new Uint8Array(32)
  padded.set(label)
  return BigInt(keccak(concatBytes(bytesOf(head), padded))) >> 8n
}

// ---------------------------------------------------------------- the file

const four = makeKey('four', 4)
const one = makeKey('one', 1)

const place = { chainId: 84532, settlementLog: '0x00000000000000000000000000000000000a0001', requestId: keccak(utf8ToBytes('request')), modelHash: keccak(utf8ToBytes('model')) }
const places = [place, { ...place, chainId: 8453 }, { ...place, settlementLog: '0x00000000000000000000000000000000000a0002' }, { ...place, requestId: keccak(utf8ToBytes('another')) }, { ...place, modelHash: keccak(utf8ToBytes('another')) }]

const signals = [scalar('out0') >> 1n, scalar('out1') >> 1n, scalar('input'), context(place)]
const proofs = [
  [four, signals],
  [four, [0n, 0n, 0n, 0n]],
  [four, [r - 1n, r - 1n, r - 1n, r - 1n]],
  [one, [context(place)]],
].map(([key, values], i) => ({ key, values, proof: prove(key, values, `proof${i}`) }))

const good = proofs[0]
const goodWords = [...words1(good.proof.a), ...words2(good.proof.b), ...words1(good.proof.c)]
const withWord = (words, at, value) => words.map((w, i) => (i === at ? value : w))
const stray = words2(offSubgroup())
const refusedProofs = [
  ['signal 0 plus one', [signals[0] + 1n, ...signals.slice(1)], goodWords],
  ['context plus one', [...signals.slice(0, 3), signals[3] + 1n], goodWords],
  ['signal 0 plus the field: the same statement under another name', [signals[0] + r, ...signals.slice(1)], goodWords],
  ['signals in another order', [signals[1], signals[0], ...signals.slice(2)], goodWords],
  ['A negated', signals, withWord(goodWords, 1, p - goodWords[1])],
  ['C negated', signals, withWord(goodWords, 7, p - goodWords[7])],
  ['A x plus the modulus', signals, withWord(goodWords, 0, goodWords[0] + p)],
  ['A y plus the modulus', signals, withWord(goodWords, 1, goodWords[1] + p)],
  ['B x plus the modulus', signals, withWord(goodWords, 3, goodWords[3] + p)],
  ['C x plus the modulus', signals, withWord(goodWords, 6, goodWords[6] + p)],
  ['A off the curve', signals, withWord(goodWords, 0, goodWords[0] ^ 1n)],
  ['B off the curve', signals, withWord(goodWords, 2, goodWords[2] ^ 1n)],
  ['B on the curve and off its subgroup', signals, [...goodWords.slice(0, 2), ...stray, ...goodWords.slice(6)]],
  ['C off the curve', signals, withWord(goodWords, 7, goodWords[7] ^ 1n)],
  ['A at infinity', signals, [0n, 0n, ...goodWords.slice(2)]],
  ['all at infinity', signals, goodWords.map(() => 0n)],
  ['B with real and imaginary parts swapped', signals, [goodWords[0], goodWords[1], goodWords[3], goodWords[2], goodWords[5], goodWords[4], goodWords[6], goodWords[7]]],
  ['the proof of other signals', signals, [...words1(proofs[1].proof.a), ...words2(proofs[1].proof.b), ...words1(proofs[1].proof.c)]],
].map(([why, values, words]) => ({ why, key: 'four', signals: values.map((s) => hex(word(s))), proof: hex(bytesOf(words)) }))

const w = four.words
const replaced = (at, values) => [...w.slice(0, at), ...values, ...w.slice(at + values.length)]
const refusedKeys = [
  ['alpha at infinity', replaced(0, [0n, 0n])],
  ['alpha off the curve', replaced(0, [w[0] ^ 1n])],
  ['alpha y plus the modulus', replaced(1, [w[1] + p])],
  ['beta at infinity', replaced(2, [0n, 0n, 0n, 0n])],
  ['beta off the curve', replaced(2, [w[2] ^ 1n])],
  ['gamma on the curve and off its subgroup', replaced(6, stray)],
  ['delta on the curve and off its subgroup', replaced(10, stray)],
  ['delta at infinity', replaced(10, [0n, 0n, 0n, 0n])],
  ['a signal that is bound to nothing', replaced(16, [0n, 0n])],
  ['the last signal bound to nothing', replaced(22, [0n, 0n])],
  ['a signal off the curve', replaced(16, [w[16] ^ 1n])],
  ['a constant term off the curve', replaced(14, [w[14] ^ 1n])],
].map(([why, words]) => ({ why, bytes: hex(keyBytes(ceremony, words)) }))

const entryOfKey = (key, setup) => {
  const bytes = keyBytes(setup, key.words)
  return { name: `${key.name}-${setup.kind}`, points: key.name, setup: { kind: setup.kind, contributors: setup.contributors, beacon: hex(setup.beacon), transcript: hex(setup.transcript) }, bytes: hex(bytes), vkId: keccak(bytes) }
}

const file = {
  note: 'Groth16 over BN254 for contracts and TypeScript. The keys\' secrets are here, so a proof of anything can be made: never trust them. Made by make-groth16.mjs.',
  format: hex(format),
  points: [four, one].map((key) => ({
    name: key.name,
    secrets: Object.fromEntries(Object.entries(key.secrets).map(([name, value]) => [name, Array.isArray(value) ? value.map((v) => hex(word(v))) : hex(word(value))])),
    b2: hex(bytesOf(words2(G2.BASE.multiply(key.secrets.b)))),
    snarkjs: keyJson(key),
  })),
  keys: [entryOfKey(four, dev), entryOfKey(four, ceremony), entryOfKey(one, ceremony)],
  refusedKeys,
  proofs: proofs.map(({ key, values, proof }) => proofEntry(key, values, proof)),
  refusedProofs,
  contexts: places.map((each) => ({ ...each, context: hex(word(context(each))) })),
}
writeFileSync(new URL('./groth16-v1.json', import.meta.url), `${JSON.stringify(file, null, 1)}\n`)

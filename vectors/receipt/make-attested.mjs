// Writes attested-v1.json and attested-evidence-v1.json: `node vectors/receipt/make-attested.mjs`, after a build. Not deterministic: the vendors'
// hierarchies under test roots are drawn anew, so the signatures of evidence differ from run to run; cases and expectations do not.
// Expectations are written by hand, from design section 6 and the contracts; hashes that the log computes are computed here a second time.
import { AppraisalRecord, appraiseKey, Base64, Cbor, Collection, HARDWARE_VERIFIERS, KeyBinding, MEDIA_TYPES, Policy, Removals, SignedPolicy, simulated } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { DcapBuilder, NitroBuilder, NvidiaBuilder, Pki, PolicyBuilder, SimulatedBuilder, SnpBuilder } from '@haca/core/tee/testing'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { readFileSync, writeFileSync } from 'node:fs'

const hex = (bytes) => `0x${bytesToHex(bytes)}`
const word = (value) => hexToBytes(BigInt(value).toString(16).padStart(64, '0'))
const uint128 = (value) => hexToBytes(BigInt(value).toString(16).padStart(32, '0'))
const text = (value) => keccak_256(utf8ToBytes(value))
const from = (address) => hexToBytes(address.slice(2))

// ---------------------------------------------------------------- the deployment

const { typeString, receipts, token, payer } = JSON.parse(readFileSync(new URL('./receipt-v1.json', import.meta.url)))
const fields = [...typeString.matchAll(/\w+ (\w+)[,)]/g)].map(([, name]) => name)
const here = { chainId: 84532, log: '0x00000000000000000000000000000000000a0001' }
const teeRegistry = '0x00000000000000000000000000000000000a0002'
const policyRegistry = '0x00000000000000000000000000000000000a0003'
const secret = (name) => text(`haca/vectors/attested/${name}`) // public, for tests only
const addressOf = (key) => hex(keccak_256(secp256k1.getPublicKey(key, false).slice(1)).slice(12))
const evidenceKey = secret('verifier')
const policyKey = secret('policy')

// ---------------------------------------------------------------- the vendors, under test roots

const t0 = Date.parse('2026-01-10T12:00:00Z') / 1000
const receivedAt = t0 + 2
const appraisedAt = t0 + 3
const issuedAt = t0 + 60
const keyKinds = { nitro: 1, tdx: 2, 'sev-snp': 3, sgx: 4, simulated: 255 }

const sim = SimulatedBuilder.simulatedWorld()
const aws = NitroBuilder.nitroHierarchy()
const intel = DcapBuilder.dcapWorld()
const amd = SnpBuilder.snpWorld('Genoa')
const nvidia = NvidiaBuilder.deviceWorld()
const goldenKey = Pki.generateKey('P-384')
const roots = {
  aws: [aws.root.der],
  intel: [intel.root.der],
  amd: { Genoa: amd.ark.der },
  nvidia: [nvidia.root.der],
  goldenValueSigners: [Pki.pointOf(goldenKey)],
  simulated: [sim.root.der],
}

const models = { digits: '44'.repeat(32), iris: '45'.repeat(32), stray: '46'.repeat(32) }
const document = PolicyBuilder.policyJson({
  network: 'local',
  registry: teeRegistry,
  hardware: [
    ...PolicyBuilder.policyJson().hardware,
    { id: 'sgx', kind: 'sgx', products: ['fmspc:90C06F000000'], tcb: { status: ['UpToDate'], allowedAdvisories: [], minEvalNumber: 18 }, forbid: ['debug'], maxKeyHours: 24 },
    { id: 'sim', kind: 'simulated', products: ['sim-cpu'], revocation: 'unchecked', maxKeyHours: 1 },
    { id: 'sim-gpu', kind: 'simulated', products: ['sim-gpu'], revocation: 'unchecked', with: ['sim'] },
  ],
  deny: [{ kind: 'sev-snp', product: 'Milan', reason: 'arXiv:2605.12990' }],
  images: [
    { id: 'engine-sgx', kind: 'sgx', match: { mrEnclave: '00'.repeat(32) }, activeFrom: PolicyBuilder.NOT_BEFORE },
    { id: 'engine', kind: 'tdx', match: { mrtd: PolicyBuilder.TD_MEASUREMENT, rtmr1: PolicyBuilder.ZERO48, rtmr2: PolicyBuilder.ZERO48 }, provenance: { source: 'git+https://example.test/engine@0123' }, activeFrom: PolicyBuilder.NOT_BEFORE },
    { id: 'engine-snp', kind: 'sev-snp', match: { measurement: 'e1'.repeat(48) }, activeFrom: PolicyBuilder.NOT_BEFORE },
    { id: 'engine-nitro', kind: 'nitro', match: { pcr0: '01'.repeat(48), pcr1: '02'.repeat(48), pcr2: '03'.repeat(48) }, activeFrom: PolicyBuilder.NOT_BEFORE },
    { id: 'relay', kind: 'nitro', match: { pcr0: '11'.repeat(48), pcr1: '02'.repeat(48), pcr2: '03'.repeat(48) }, modelBinding: 'none', activeFrom: PolicyBuilder.NOT_BEFORE },
    { id: 'engine-sim', kind: 'simulated', match: { image: '33'.repeat(48) }, activeFrom: PolicyBuilder.NOT_BEFORE },
  ],
  models: [
    { id: 'digits', manifestHash: `sha256:${models.digits}` },
    { id: 'iris', manifestHash: `sha256:${models.iris}` },
  ],
})
const policyBytes = PolicyBuilder.encodePolicy(document)
const policyScope = { chainId: here.chainId, registry: policyRegistry }
const envelopeBy = (key) => SignedPolicy.encodeSignedPolicy(SignedPolicy.signPolicy(policyBytes, policyScope, [key]))

// ---------------------------------------------------------------- bytes by digest

const blobs = {}
const keep = (bytes) => {
  const digest = hex(sha256(bytes))
  blobs[digest] = Base64.encodeBase64Url(bytes)
  return digest
}
const envelope = keep(envelopeBy(policyKey))
const strangersEnvelope = keep(envelopeBy(secret('stranger')))
const something = keep(utf8ToBytes('something else'))

// ---------------------------------------------------------------- keys and their evidence

const piece = (kind, bytes, endorsements = []) => ({ evidence: { kind, mediaType: MEDIA_TYPES[kind], bytes }, endorsements })
const machines = {
  simulated: ({ userData, nonce, publicKey }) => piece('simulated', SimulatedBuilder.simulatedEvidence(sim, { user_data: userData, nonce, public_key: publicKey })),
  nitro({ userData, nonce, publicKey }, { pcr0 = 1 }) {
    const usual = NitroBuilder.nitroFields(aws)
    const pcrs = new Map([...usual.pcrs, [0, new Uint8Array(48).fill(pcr0)]])
    return piece('nitro', NitroBuilder.signNitro(Cbor.encode({ ...usual, pcrs, user_data: userData, nonce, public_key: publicKey }), aws))
  },
  tdx: ({ userData }, { body = {}, world = intel }) => piece('tdx', DcapBuilder.quote(world, { body: { [DcapBuilder.TD.reportData]: userData, ...body } })),
  // Report data of an enclave is the last 64 of its report's 384 bytes.
  sgx: ({ userData }) => piece('sgx', DcapBuilder.quote(intel, { form: 'sgx-v3', body: { 320: userData } })),
  'sev-snp': ({ userData }) => piece('sev-snp', SnpBuilder.snpReport(amd, { bytes: { 0x50: userData } }), [{ role: 'vek', bytes: amd.vek.der }, { role: 'vek-issuer', bytes: amd.ask.der }]),
}
const gpu = (nonce) => piece('nvidia-gpu', NvidiaBuilder.deviceReport(nvidia, { nonce }), [{ role: 'device-chain', bytes: NvidiaBuilder.chainOf(nvidia) }])
const simGpu = (nonce) => piece('simulated', SimulatedBuilder.simulatedEvidence(sim, { role: 'gpu', product: 'sim-gpu', platform_id: Uint8Array.of(7), nonce }))

const crls = (...lists) => lists.map((options) => ({ role: 'crl', bytes: Pki.issueCrl(options) }))
const nitroCollateral = (revoked = []) => ({ machine: crls({ issuer: aws.root }, { issuer: aws.regional, revoked }) })
const sgxCollateral = () => ({ machine: DcapBuilder.collateral(intel, { tcbInfo: DcapBuilder.tcbInfo({ id: 'SGX' }), qeIdentity: DcapBuilder.qeIdentity({ isvprodid: 1 }, 'QE') }) })
const tdxCollateral = (world = intel, options = {}) => ({ machine: DcapBuilder.collateral(world, options) })
const snpCollateral = (ocsp = {}) => ({
  machine: crls({ issuer: amd.ark }),
  'device-0': [
    ...NvidiaBuilder.ocspAnswers(nvidia, ocsp).map((bytes) => ({ role: 'ocsp', bytes })),
    ...['driver', 'vbios'].map((component) => ({ role: 'golden-values', bytes: NvidiaBuilder.jws(NvidiaBuilder.goldenValues({ component }), goldenKey) })),
  ],
})
const imageOf = { simulated: 'engine-sim', nitro: 'engine-nitro', tdx: 'engine', 'sev-snp': 'engine-snp', sgx: 'engine-sgx' }

/** What a node hands in for its key. */
function collect(name, { kind, models: bound = [models.digits], imageId = imageOf[kind], device, machine = {}, collateral = {} }) {
  const key = secret(name)
  const receiptKey = secp256k1.getPublicKey(key, true)
  const challenge = { verifierId: text('verifier id'), random: text(`challenge of ${name}`), expiresAt: t0 + 200 }
  const devices = device ? [device(KeyBinding.deviceNonce(challenge, receiptKey))] : []
  const binding = {
    ...{ v: 1, domain: KeyBinding.BINDING_DOMAIN, chainId: here.chainId, registry: from(teeRegistry), nodeId: text(`node ${name}`), kind, receiptKey },
    ...{ hpkeKey: null, tlsSpki: null, models: bound.map((one) => hexToBytes(one)), imageId, session: new Uint8Array(16).fill(5), gpu: devices.map((one) => sha256(one.evidence.bytes)) },
  }
  const bytes = Collection.encodeCollection({ binding, challenge, machine: machines[kind](KeyBinding.boundFields(binding, challenge), machine), devices })
  return { name, key, kind, bound, bytes, collateral, evidenceId: keep(bytes) }
}

/**
 * The signed record of an appraisal by the code under test. With `errs`, what a verifier says that is wrong or lies: affirming, every rule held.
 * The appraisal must come out as the caller of this expects.
 */
async function appraised({ name, key, kind, bound, bytes, collateral, evidenceId }, { errs = false, against = errs, epoch = 42, removals = [], at = appraisedAt, signer = evidenceKey, scope = { chainId: here.chainId, registry: teeRegistry }, node = addressOf(key) } = {}) {
  const { appraisal, claims } = await appraiseKey({
    ...{ bytes, roots, verifiers: [...HARDWARE_VERIFIERS, simulated], crypto: nodeCrypto() },
    policy: Removals.withRemovals(Policy.decodePolicy(policyBytes), epoch, removals),
    collateral: (one) => collateral[one] ?? [],
    receivedAt: new Date(receivedAt * 1000),
    at: new Date(at * 1000),
  })
  if ((appraisal.outcome === 'affirming') === against) throw new Error(`${name}: ${appraisal.outcome} ${JSON.stringify(appraisal.reasons.filter(({ ok }) => !ok))}`)
  const record = {
    ...{ node, kind, evidenceId, outcome: errs ? 'affirming' : appraisal.outcome },
    reasons: appraisal.reasons.map((reason) => ({ ...reason, ok: errs || reason.ok })),
    ...{ receivedAt, appraisedAt: at, expiresAt: errs ? t0 + 3600 : Math.floor(appraisal.expiresAt.getTime() / 1000) },
    ...{ policyEpoch: epoch, policyDigest: hex(sha256(policyBytes)), hardwareId: appraisal.hardwareId ?? null, imageId: appraisal.imageId ?? null },
    ...{ product: claims[0]?.product ?? null, platformId: claims[0]?.platformId ?? null, models: bound.map((one) => `0x${one}`) },
    collateral: Object.entries(collateral).flatMap(([one, list]) => list.map(({ role, bytes: content }) => ({ piece: one, role, digest: keep(content) }))),
  }
  const signed = AppraisalRecord.signRecord(record, scope, signer)
  return { record, json: { record: Base64.encodeBase64Url(signed.record), signature: hex(signed.signature) } }
}

const elsewhere = DcapBuilder.dcapWorld({}, { ppid: new Uint8Array(16).fill(8) })
roots.intel.push(elsewhere.root.der)

const enrolments = {
  sim: [{ kind: 'simulated', device: simGpu }],
  nitro: [{ kind: 'nitro', collateral: nitroCollateral() }],
  relay: [{ kind: 'nitro', models: [], imageId: 'relay', machine: { pcr0: 0x11 }, collateral: nitroCollateral() }],
  tdx: [{ kind: 'tdx', models: [models.digits, models.iris], collateral: tdxCollateral() }],
  snp: [{ kind: 'sev-snp', device: gpu, collateral: snpCollateral() }],
  sgx: [{ kind: 'sgx', collateral: sgxCollateral() }],
  // Appraised by a verifier that erred, or lied: whoever repeats the appraisal finds out.
  debug: [{ kind: 'tdx', machine: { body: { [DcapBuilder.TD.tdAttributes]: Uint8Array.of(1) } }, collateral: tdxCollateral() }, { errs: true }],
  outdated: [{ kind: 'tdx', collateral: tdxCollateral(intel, { tcbInfo: DcapBuilder.tcbInfo({ levels: [{ status: 'OutOfDate' }] }) }) }, { errs: true }],
  strangeImage: [{ kind: 'tdx', machine: { body: { [DcapBuilder.TD.mrTd]: new Uint8Array(48).fill(0xb2) } }, collateral: tdxCollateral() }, { errs: true }],
  strangeModel: [{ kind: 'tdx', models: [models.stray], collateral: tdxCollateral() }, { errs: true }],
  strangePlace: [{ kind: 'tdx', machine: { world: elsewhere }, collateral: tdxCollateral(elsewhere) }, { errs: true }],
  borrowedGpu: [{ kind: 'sev-snp', device: () => gpu(new Uint8Array(32).fill(9)), collateral: snpCollateral() }, { errs: true }],
  revokedGpu: [{ kind: 'sev-snp', device: gpu, collateral: snpCollateral({ status: 'revoked' }) }, { errs: true }],
  revokedHost: [{ kind: 'nitro', collateral: nitroCollateral([aws.zonal.serial]) }, { errs: true }],
  borrowedKey: [{ kind: 'tdx', collateral: tdxCollateral() }, { node: addressOf(secret('borrower')) }],
}

const collected = {}
const attestations = {}
const lives = {}

function publish(name, { evidenceId, record }, records) {
  const reference = (shelf) => (digest) => ({ digest, url: `/v1/${shelf}/${digest}` })
  attestations[name] = {
    evidenceId,
    records,
    evidence: reference('evidence')(evidenceId),
    collateral: [...new Set(record.collateral.map(({ digest }) => digest))].map(reference('collateral')),
    policies: [{ ...reference('policies')(envelope), document: hex(sha256(policyBytes)) }],
  }
}

for (const [name, [node, verifier]] of Object.entries(enrolments)) {
  collected[name] = collect(name, node)
  const { record, json } = await appraised(collected[name], verifier)
  publish(name, { evidenceId: collected[name].evidenceId, record }, [json])
  lives[name] = { keyKind: keyKinds[node.kind], notBefore: receivedAt - 60, notAfter: record.expiresAt, retiredAt: 0, reason: '', evidenceId: record.evidenceId }
}

/** The attestation of a key with other records: more of them, or by somebody else. */
async function vary(name, base, ...appraisals) {
  const all = await Promise.all(appraisals.map((options) => appraised(collected[base], options)))
  publish(name, { evidenceId: collected[base].evidenceId, record: all[0].record }, all.map(({ json }) => json))
}
const productGone = { entry: 'product', value: 'tdx/fmspc:90C06F000000', reason: 'an advisory without a fix' }
const afterRemoval = { against: true, epoch: 43, at: t0 + 120, removals: [{ ...productGone, epoch: 43 }] }
await vary('tdxLaterGone', 'tdx', {}, afterRemoval)
await vary('tdxGoneAtOnce', 'tdx', {}, { ...afterRemoval, at: issuedAt })
await vary('tdxShuffled', 'tdx', afterRemoval, {})
await vary('tdxByStranger', 'tdx', { signer: secret('stranger') })
await vary('tdxOtherRegistry', 'tdx', { scope: { chainId: here.chainId, registry: policyRegistry } })
await vary('tdxAgainst', 'tdx', { against: true, epoch: 43, removals: [{ ...productGone, epoch: 43 }] })
attestations.tdxAltered = structuredClone(attestations.tdx)
attestations.tdxAltered.records[0].record = Base64.encodeBase64Url(utf8ToBytes(new TextDecoder().decode(Base64.decodeBase64Url(attestations.tdx.records[0].record)).replace('"policyEpoch":42', '"policyEpoch":41')))
attestations.tdxOtherPolicy = { ...attestations.tdx, policies: [{ digest: strangersEnvelope, url: `/v1/policies/${strangersEnvelope}`, document: hex(sha256(policyBytes)) }] }
attestations.none = null

// ---------------------------------------------------------------- receipts

const keyOf = (name) => (name === 'borrower' ? secret('borrower') : collected[name].key)

function digestOf(receipt, { chainId, log } = here, domain = receipt.keyKind === 255 ? 'HACA Simulated Receipt' : 'HACA Receipt') {
  const domainType = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
  const separator = keccak_256(concatBytes(text(domainType), text(domain), text('1'), word(chainId), word(log)))
  const struct = keccak_256(concatBytes(text(typeString), ...fields.map((field) => word(receipt[field]))))
  return keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), separator, struct))
}

/** r ‖ s ‖ v */
function sign(hash, key) {
  const recovered = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' })
  return hex(concatBytes(recovered.slice(1), Uint8Array.of(27 + recovered[0])))
}

const price = '1000'
const receiptBy = (name, change = {}) => {
  const at = Number(change.issuedAt ?? issuedAt)
  return {
    ...{ ...receipts[0].message, node: addressOf(keyOf(name)), token, payer, price, modelHash: `0x${models.digits}` },
    ...{ evidenceId: collected[name]?.evidenceId ?? receipts[0].message.evidenceId, keyKind: lives[name]?.keyKind ?? 2, policyEpoch: 42, issuedAt: at, settleBy: at + 600, seq: 1 },
    ...change,
  }
}

/** A batch of this one receipt; its root is the leaf (design section 6). */
function batchOf(receiptHash) {
  const root = hex(keccak_256(concatBytes(Uint8Array.of(0), word(here.chainId), from(here.log), receiptHash, uint128(price))))
  const zero = `0x${'00'.repeat(32)}`
  const header = { prev: zero, root, token, total: price, daRef: zero, evidenceRoot: zero, id: 1, count: 1 }
  const order = ['prev', 'root', 'token', 'total', 'daRef', 'evidenceRoot', 'id', 'count']
  return { header, headerHash: hex(keccak_256(concatBytes(...order.map((field) => word(header[field]))))) }
}

// ---------------------------------------------------------------- expectations

const elsewise = { signature: 'asserted', zk_proof: 'unknown', payment: 'unknown', anchored: 'asserted', route: 'unknown' }
const tee = (tee_attested, tcb_current, image_known, model_weights, gpu_attested, custody) => ({ tee_attested, tcb_current, image_known, model_weights, gpu_attested, custody })
const [proven, asserted, unknown, refuted] = ['hardware-proven', 'asserted', 'unknown', 'refuted']
const good = {
  sim: tee(asserted, asserted, asserted, asserted, asserted, unknown),
  nitro: tee(proven, asserted, proven, proven, unknown, unknown),
  relay: tee(proven, asserted, proven, unknown, unknown, unknown),
  tdx: tee(proven, proven, proven, proven, unknown, asserted),
  snp: tee(proven, proven, proven, proven, proven, asserted),
  sgx: tee(proven, proven, proven, proven, unknown, unknown),
}
const nothing = tee(unknown, unknown, unknown, asserted, unknown, unknown)
const fallen = tee(refuted, unknown, unknown, asserted, unknown, unknown)
/** A verifier's word about the TDX key. */
const said = tee(asserted, asserted, asserted, asserted, unknown, asserted)

const cases = []
/**
 * `claims` are what hold offline and against the chain; `chainClaims` differ against the chain. `because` is part of the reason of a claim.
 * `leaf` is what the log's `voidLeaf` answers, `signature` whether it takes the signature; `removed` is whether the policy registry says that what
 * was removed was so in the receipt's epoch.
 */
function add(why, name, { receipt: change = {}, signed, signedBy = name, attestation = name, life = {}, drop = [], alter = {}, removals = [], archived = false, trust = 'all', anchoredAt, policyDigest = hex(sha256(policyBytes)), claims, chainClaims = {}, marks = [], chainMarks = marks, because = {}, signature = 'taken', leaf = 'stands', removed = false }) {
  const receipt = receiptBy(name, change)
  const digest = digestOf(receipt)
  const offline = { ...elsewise, ...claims }
  const taken = signature === 'taken'
  cases.push({
    why,
    receipt,
    digest: hex(digest),
    signature: signed ?? sign(digest, keyOf(signedBy)),
    attestation,
    archive: { drop, alter, removals: archived ? removals : null },
    trust,
    chain: { key: life && { ...(lives[name] ?? lives.borrowedKey), ...life }, removals, policyDigest, anchoredAt: anchoredAt ?? receipt.issuedAt + 60, ...batchOf(digest) },
    offline: { ...offline, ...(taken ? {} : { signature: refuted }) },
    online: { ...offline, signature: taken && leaf !== 'signer-invalid' ? 'chain-verified' : refuted, payment: 'chain-verified', anchored: leaf === 'anchored-late' ? refuted : 'chain-verified', ...chainClaims },
    marks: { offline: marks, online: chainMarks },
    because,
    log: { signature, leaf, removed },
  })
}

const removal = (entry, value, removedIn, restoredIn = 0) => ({ entry, value, reason: productGone.reason, removedIn, restoredIn })

// Good ones.
add('a simulated key, whose root the caller pinned', 'sim', { claims: good.sim, because: { tee_attested: 'SIMULATED: no hardware vouches for this key' } })
add('a Nitro key', 'nitro', { claims: good.nitro })
add('a Nitro key of a node that forwards', 'relay', { claims: good.relay, because: { model_weights: 'forwards' } })
add('a TDX key', 'tdx', { claims: good.tdx })
add('a TDX key, of the second model it is bound to', 'tdx', { receipt: { modelHash: `0x${models.iris}` }, claims: good.tdx })
add('an SEV-SNP key with a GPU', 'snp', { claims: good.snp })
add('an SGX key', 'sgx', { claims: good.sgx })
add('an SGX key, and the whole kind removed later', 'sgx', { removals: [removal('hardware', 'sgx', 43)], claims: good.sgx, chainMarks: [`signer later revoked: hardware sgx was removed in epoch 43: ${productGone.reason}`] })

// What the caller trusts.
add('a simulated key, whose root nobody pinned', 'sim', { trust: 'hardware', claims: nothing, because: { tee_attested: 'SIMULATED' } })
add('a TDX key under a root that is not Intel’s', 'tdx', { trust: 'vendors', claims: fallen, because: { tee_attested: 'path-root-untrusted' } })
add('an SEV-SNP key whose GPU has golden values of nobody known', 'snp', { trust: 'no-golden', claims: { ...fallen, gpu_attested: refuted }, because: { tee_attested: 'golden-values-signature-invalid' } })
add('a policy that a stranger signed', 'tdx', { attestation: 'tdxOtherPolicy', claims: nothing, because: { tee_attested: 'pinned' } })
add('a record that a stranger signed', 'tdx', { attestation: 'tdxByStranger', claims: nothing })
add('a record signed for another registry', 'tdx', { attestation: 'tdxOtherRegistry', claims: nothing })
add('a record altered after it was signed', 'tdx', { attestation: 'tdxAltered', claims: nothing })
add('no attestation', 'tdx', { attestation: 'none', claims: nothing })

// Signatures over something else.
const usual = receiptBy('tdx')
const signedAs = (where, domain) => sign(digestOf(usual, where, domain), keyOf('tdx'))
const unsigned = { claims: nothing, signature: 'refused' }
add('signed for another chain', 'tdx', { signed: signedAs({ ...here, chainId: 8453 }), ...unsigned })
add('signed for another log', 'tdx', { signed: signedAs({ ...here, log: policyRegistry }), ...unsigned })
add('signed in the domain of simulated keys', 'tdx', { signed: signedAs(here, 'HACA Simulated Receipt'), ...unsigned })
add('a simulated receipt signed in the domain of hardware', 'sim', { signed: sign(digestOf(receiptBy('sim'), here, 'HACA Receipt'), keyOf('sim')), ...unsigned })
add('the model changed after it was signed', 'tdx', { receipt: { modelHash: `0x${models.iris}` }, signed: signedAs(here), ...unsigned })
add('dated back after it was signed', 'tdx', { receipt: { issuedAt: issuedAt - 10 }, signed: signedAs(here), ...unsigned })
add('the sequence number changed after it was signed', 'tdx', { receipt: { seq: 2 }, signed: signedAs(here), ...unsigned })
add('signed by another key of the network', 'tdx', { signedBy: 'nitro', ...unsigned })

// Models.
add('a model the key is not bound to', 'nitro', { receipt: { modelHash: `0x${models.iris}` }, claims: { ...good.nitro, model_weights: refuted }, because: { model_weights: 'bound to other models' } })
add('a bound model that no policy lists', 'strangeModel', { receipt: { modelHash: `0x${models.stray}` }, claims: { ...good.tdx, model_weights: refuted }, because: { model_weights: 'on no list' } })

// Dates and the key’s life.
add('dated before the key was appraised', 'tdx', { receipt: { issuedAt: receivedAt - 61 }, claims: fallen, leaf: 'signer-invalid' })
add('dated before the key was appraised, by a clock that is a minute behind', 'tdx', { receipt: { issuedAt: receivedAt - 60 }, claims: good.tdx })
add('dated in the key’s last second', 'nitro', { receipt: { issuedAt: t0 + 3602 }, claims: good.nitro })
add('dated after the key expired', 'nitro', { receipt: { issuedAt: t0 + 3603 }, claims: fallen, leaf: 'signer-invalid' })
add('dated back into the key’s life, and anchored too late', 'tdx', { anchoredAt: issuedAt + 1801, claims: good.tdx, leaf: 'anchored-late' })
add('a key retired before', 'tdx', { life: { retiredAt: issuedAt - 10 }, claims: good.tdx, chainClaims: fallen, leaf: 'signer-invalid' })
add('a key retired later', 'tdx', { life: { retiredAt: issuedAt + 10 }, claims: good.tdx, chainMarks: ['signer later retired'] })
add('a key revoked later', 'tdx', { life: { retiredAt: issuedAt + 10, reason: 'a stolen host' }, claims: good.tdx, chainMarks: ['signer later revoked: a stolen host'] })
add('a key compromised before', 'tdx', { life: { compromisedFrom: issuedAt - 10, reason: 'a leaked key' }, claims: good.tdx, chainClaims: fallen, leaf: 'signer-invalid' })
add('a key compromised later', 'tdx', { life: { compromisedFrom: issuedAt + 10, reason: 'a leaked key' }, claims: good.tdx, chainMarks: ['signer later revoked: a leaked key'] })
add('a key nobody registered', 'tdx', { life: null, claims: good.tdx, chainClaims: fallen, leaf: 'signer-invalid' })
add('a receipt that names another kind of key', 'tdx', { receipt: { keyKind: 3 }, claims: fallen, leaf: 'signer-invalid' })
add('a receipt that names other evidence', 'tdx', { receipt: { evidenceId: collected.nitro.evidenceId }, claims: nothing, chainClaims: fallen })
add('a key registered under other evidence', 'tdx', { life: { evidenceId: collected.nitro.evidenceId }, claims: good.tdx, chainClaims: fallen })
add('evidence that was made for another key', 'borrower', { receipt: { evidenceId: collected.borrowedKey.evidenceId }, attestation: 'borrowedKey', claims: fallen, because: { tee_attested: 'another key' } })

// What guardians removed.
const gone = removal(productGone.entry, productGone.value, 43)
const goneMark = `signer later revoked: product ${productGone.value} was removed in epoch 43: ${productGone.reason}`
add('a product removed later', 'tdx', { removals: [gone], claims: good.tdx, chainMarks: [goneMark] })
add('a product removed later, as the archive has it', 'tdx', { removals: [gone], archived: true, claims: good.tdx, marks: [goneMark] })
add('a product removed later, as the verifier found', 'tdx', { attestation: 'tdxLaterGone', removals: [gone], claims: good.tdx, marks: [goneMark] })
add('a product removed in the receipt’s own epoch', 'tdx', { receipt: { policyEpoch: 43 }, removals: [gone], removed: true, archived: true, claims: fallen, because: { tee_attested: productGone.reason } })
add('a product removed in the receipt’s own epoch, as the verifier found', 'tdx', { attestation: 'tdxLaterGone', receipt: { policyEpoch: 43 }, removals: [gone], removed: true, claims: fallen, because: { tee_attested: productGone.reason } })
add('a product removed in the second the receipt was issued, in a later epoch', 'tdx', { attestation: 'tdxGoneAtOnce', removals: [gone], claims: good.tdx, marks: [goneMark] })
add('a product removed before the key was appraised', 'tdx', { attestation: 'tdxAgainst', receipt: { policyEpoch: 43 }, removals: [gone], removed: true, claims: fallen, because: { tee_attested: productGone.reason } })
add('a product removed and taken back before', 'tdx', { removals: [removal(productGone.entry, productGone.value, 40, 41)], archived: true, claims: good.tdx })
for (const [entry, value] of [['platform', '07'.repeat(16)], ['signer', addressOf(keyOf('tdx'))], ['measurement', PolicyBuilder.TD_MEASUREMENT], ['hardware', 'tdx']]) {
  add(`its ${entry} removed before`, 'tdx', { removals: [removal(entry, value, 41)], archived: true, removed: true, claims: fallen, because: { tee_attested: `${entry} ${value} was removed` } })
}
add('records out of order', 'tdx', { attestation: 'tdxShuffled', removals: [gone], claims: good.tdx, marks: [goneMark] })
add('a removal in the receipt’s own epoch that the bundle is silent about', 'tdx', { receipt: { policyEpoch: 43 }, removals: [gone], removed: true, claims: good.tdx, chainClaims: fallen })
add('the same, and the evidence was not given', 'tdx', { receipt: { policyEpoch: 43 }, removals: [gone], removed: true, drop: [collected.tdx.evidenceId], claims: said, chainClaims: fallen })
add('a product removed later, and the evidence was not given', 'tdx', { removals: [gone], drop: [collected.tdx.evidenceId], claims: said, chainMarks: [goneMark] })
add('a policy epoch the chain does not have', 'tdx', { policyDigest: null, claims: good.tdx, chainClaims: nothing })
add('another policy on chain in that epoch', 'tdx', { policyDigest: something, claims: good.tdx, chainClaims: fallen })

// Archives that lack something, or hold something else.
const tdxBlob = (role) => collected.tdx.collateral.machine.filter((one) => one.role === role).map(({ bytes }) => hex(sha256(bytes)))[0]
add('the evidence was not given', 'tdx', { drop: [collected.tdx.evidenceId], claims: said, because: { tee_attested: 'the evidence itself was not given' } })
add('other evidence under its name', 'tdx', { alter: { [collected.tdx.evidenceId]: collected.nitro.evidenceId }, claims: fallen })
add('the policy was not given', 'tdx', { drop: [envelope], claims: said })
add('another policy under its name', 'tdx', { alter: { [envelope]: something }, claims: fallen })
add('collateral was not given', 'tdx', { drop: [tdxBlob('tcb-info')], claims: said, because: { tcb_current: 'tcb-info' } })
add('other collateral under its name', 'tdx', { alter: { [tdxBlob('tcb-info')]: tdxBlob('qe-identity') }, claims: fallen })

// Appraisals that do not bear repeating.
add('a TD in debug mode', 'debug', { claims: fallen, because: { tee_attested: 'debug' } })
add('firmware that was out of date', 'outdated', { claims: { ...good.tdx, tcb_current: refuted }, because: { tcb_current: 'OutOfDate' } })
add('an image that no policy lists', 'strangeImage', { claims: { ...good.tdx, image_known: refuted, model_weights: asserted } })
add('a platform that is not where the policy says', 'strangePlace', { claims: { ...good.tdx, custody: refuted } })
add('a GPU that answered another challenge', 'borrowedGpu', { claims: { ...good.snp, gpu_attested: refuted } })
add('a GPU whose certificate was revoked', 'revokedGpu', { claims: { ...fallen, gpu_attested: refuted }, because: { gpu_attested: 'certificate-revoked' } })
add('a Nitro host whose certificate was revoked', 'revokedHost', { claims: fallen, because: { tee_attested: 'certificate-revoked' } })

// Two receipts of one key, both well signed: what the log’s `proveEquivocation` answers.
const pairs = [
  ['a replayed sequence number', 'sequence', { requestId: hex(text('another request')), paymentId: hex(text('another payment')) }],
  ['one request, two outputs', 'request', { outputHash: hex(text('another output')), seq: 2 }],
  ['one request, two prices', 'request', { price: '999', seq: 2 }],
  ['two requests', 'none', { requestId: hex(text('another request')), paymentId: hex(text('another payment')), seq: 2 }],
].map(([why, contradiction, change]) => {
  const [first, second] = [receiptBy('tdx'), receiptBy('tdx', change)].map((receipt) => ({ receipt, signature: sign(digestOf(receipt), keyOf('tdx')) }))
  return { why, contradiction, first, second }
})

const file = {
  note: 'Receipts of attested keys and what may be claimed of them, offline, against the chain and by the log itself. All keys and roots are for tests only. Made by make-attested.mjs.',
  ...here,
  ...{ teeRegistry, policyRegistry, token, evidenceSigners: [addressOf(evidenceKey)], policySigners: [addressOf(policyKey)] },
  roots: { aws: roots.aws.map(hex), intel: roots.intel.map(hex), amd: { Genoa: hex(roots.amd.Genoa) }, nvidia: roots.nvidia.map(hex), simulated: roots.simulated.map(hex), goldenValueSigners: roots.goldenValueSigners.map(hex) },
  cases,
  pairs,
}
writeFileSync(new URL('./attested-v1.json', import.meta.url), `${JSON.stringify(file, null, 1)}\n`)
writeFileSync(new URL('./attested-evidence-v1.json', import.meta.url), `${JSON.stringify({ note: 'What the cases of attested-v1.json rest on: attestations by name, bytes by SHA-256.', attestations, blobs }, null, 1)}\n`)
process.stdout.write(`${cases.length} cases, ${pairs.length} pairs, ${Object.keys(blobs).length} blobs\n`)

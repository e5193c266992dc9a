import { create } from '@bufbuild/protobuf'
import { Hex, Receipt, Secp256k1 } from '@haca/core'
import { Removals, type AppraisalRecord } from '@haca/core/tee'
import { InferenceCompletedSchema, Verdict } from '@haca/proto'
import { Wire } from '@haca/platform/wire'
import { describe, expect, it } from 'vitest'
import { appraiseReceipt, type Appraiser } from './appraise-receipt.js'

const word = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(32)}`
const address = `0x${'11'.repeat(20)}` as Hex.Hex
const nodeKey = new Uint8Array(32).fill(9)
const node = Secp256k1.addressOfKey(nodeKey)
const scope = { chainId: 84532, log: address }
const issuedAt = 1_795_000_000

const receipt: Receipt.Receipt = {
  ...{ requestId: word(1), offerHash: word(2), modelHash: word(3), requestHash: word(4), outputHash: word(5), evidenceId: word(6), statementHash: Hex.zero32, paymentId: word(7) },
  ...{ node, payer: address, token: address, price: 1n, policyEpoch: 42, issuedAt, settleBy: issuedAt + 600, seq: 1, mode: Receipt.modes.tee, keyKind: Receipt.keyKinds.tdx },
}
const record: AppraisalRecord.AppraisalRecord = {
  ...{ node, kind: 'tdx', evidenceId: word(6), outcome: 'affirming', reasons: [], receivedAt: issuedAt - 600, appraisedAt: issuedAt - 600, expiresAt: issuedAt + 600 },
  ...{ policyEpoch: 42, policyDigest: word(8), hardwareId: 'tdx-spr', imageId: 'engine', product: null, platformId: null, models: [word(3)], collateral: [] },
}

/** What the prover says of a receipt whose key the registry holds for good: the rules that do not hold. */
async function failing(change: Partial<Receipt.Receipt>, history: AppraisalRecord.AppraisalRecord[], removed: Removals.Removal[] = []): Promise<string[]> {
  const appraiser = {
    removed: () => removed,
    ...{ histories: { of: async () => history }, keys: { validity: async () => 'valid' }, scope, primitives: { ...Secp256k1.portable, sign: Secp256k1.sign } },
    ...{ evidenceKey: new Uint8Array(32).fill(5), simulatedAllowed: false, now: () => issuedAt * 1000 },
  } as unknown as Appraiser
  const signed = Receipt.sign({ ...receipt, ...change }, scope, nodeKey)
  const evidence = await appraiseReceipt(create(InferenceCompletedSchema, { requestId: Hex.toBytes(receipt.requestId), receipt: Wire.signedReceipt(signed) }), appraiser)
  const failed = evidence.rules.filter(({ ok }) => !ok).map(({ rule }) => rule)
  expect(evidence.verdict).toBe(failed.length === 0 ? Verdict.AFFIRMING : Verdict.CONTRAINDICATED)
  return failed
}

describe('a receipt', () => {
  it('is evidence when its key was appraised, and is not when nobody appraised it', async () => {
    expect(await failing({}, [record])).toEqual([])
    expect(await failing({}, [])).toEqual(['key-appraised'])
  })

  it('is not of a key whose trust had run out, though the registry knew it for longer', async () => {
    const shortened = { ...record, policyEpoch: 43, appraisedAt: issuedAt - 300, expiresAt: issuedAt - 1 }
    expect(await failing({ policyEpoch: 43 }, [record, shortened])).toEqual(['key-appraised'])
    expect(await failing({ policyEpoch: 43 }, [record, { ...shortened, expiresAt: issuedAt }])).toEqual([])
  })

  it('is not of hardware that was removed in its own epoch, though the key was next appraised in a later one', async () => {
    const removal: Removals.Removal = { entry: 'product', value: 'tdx/fmspc:00', reason: 'an incident', epoch: 43 }
    const other: Removals.Removal = { entry: 'platform', value: 'aa', reason: 'another', epoch: 43 }
    const turned: AppraisalRecord.AppraisalRecord = {
      ...{ ...record, policyEpoch: 44, appraisedAt: issuedAt + 2, expiresAt: issuedAt + 2, outcome: 'contraindicated' },
      reasons: [{ rule: 'machine.removed', ok: false, detail: Removals.describeRemoval(removal) }],
    }
    expect(await failing({ policyEpoch: 43 }, [record, turned], [other, removal])).toEqual(['key-appraised'])
    expect(await failing({ policyEpoch: 42 }, [record, turned], [other, removal])).toEqual([]) // a later removal only marks it
    expect(await failing({ policyEpoch: 43 }, [record, turned], [other])).toEqual([])
  })

  it('claims no hardware under a plain node key', async () => {
    const plain = { keyKind: Receipt.keyKinds.node, evidenceId: Hex.zero32 }
    expect(await failing({ ...plain, mode: Receipt.modes.tee }, [])).toEqual(['key-appraised'])
    expect(await failing({ ...plain, mode: Receipt.modes['tee+zkml'] }, [])).toEqual(['key-appraised'])
    expect(await failing({ ...plain, mode: Receipt.modes.none }, [])).toEqual([])
  })
})

// The domain, as namespaces: the module is the noun, the function is the verb.
export { AppError, assert } from './errors.js'
export * as Errors from './errors.js'
export { accept, refuse, type Refused, type Verdict } from './verdict.js'

export * as Abi from './abi.js'
export * as Digest from './digest.js'
export * as Eip712 from './eip712.js'
export * as Hex from './hex.js'
export * as Lifecycle from './lifecycle.js'
export * as Money from './money.js'
export * as Secp256k1 from './secp256k1.js'

export * as Exact from './x402/exact.js'
export * as Identifier from './x402/identifier.js'
export * as Payment from './x402/payment.js'
export * as OfferReceipt from './x402/offer-receipt.js'
export * as PaymentHeader from './x402/header.js'

export * as Assign from './haca/assign.js'
export * as Decision from './haca/decision.js'
export * as Fleet from './haca/fleet.js'
export * as Manifest from './haca/manifest.js'
export * as Offer from './haca/offer.js'
export * as Route from './haca/route.js'

export * as OpenGradient from './opengradient/index.js'

export * as Body from './tensor/body.js'
export * as Tensor from './tensor/tensor.js'

export * as EvidenceVerdict from './receipt/evidence-verdict.js'
export * as Receipt from './receipt/receipt.js'

export * as Batch from './batch/header.js'
export * as EvidenceRoot from './batch/evidence-root.js'
export * as LeafFile from './batch/leaf-file.js'
export * as MerkleSum from './batch/merkle-sum.js'

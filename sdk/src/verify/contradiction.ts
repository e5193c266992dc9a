import { Hex, Receipt } from '@haca/core'

/** How two receipts of one node exclude each other: two answers to one request, or one number used twice. Either voids both on chain. */
export type Contradiction = 'request' | 'sequence' | 'none'

/** What `SettlementLog.proveEquivocation` would find in two receipts; `none` also where one of them is not signed by its node. */
export function contradictionOf(first: Receipt.Signed, second: Receipt.Signed, scope: Receipt.Scope): Contradiction {
  const [a, b] = [first.receipt, second.receipt]
  if (!Receipt.isSigned(first, scope) || !Receipt.isSigned(second, scope)) return 'none'
  if (Receipt.hash(a, scope) === Receipt.hash(b, scope) || !Hex.equals(a.node, b.node)) return 'none'
  const otherAnswer = !Hex.equals(a.outputHash, b.outputHash) || a.price !== b.price || !Hex.equals(a.paymentId, b.paymentId)
  if (Hex.equals(a.requestId, b.requestId) && otherAnswer) return 'request'
  return a.seq === b.seq ? 'sequence' : 'none'
}

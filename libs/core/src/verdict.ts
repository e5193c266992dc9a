/** What the world says no to is data: a closed reason, and where it helps one sentence and the field's name. */
export interface Refused<Reason extends string = string> {
  ok: false
  reason: Reason
  detail?: string
  field?: string
}

export type Verdict<Value, Reason extends string = string> = { ok: true; value: Value } | Refused<Reason>

export const accept = <Value>(value: Value): { ok: true; value: Value } => ({ ok: true, value })

export const refuse = <Reason extends string>(reason: Reason, detail?: string, field?: string): Refused<Reason> => ({
  ok: false,
  reason,
  ...(detail === undefined ? {} : { detail }),
  ...(field === undefined ? {} : { field }),
})

import * as Field from '../field.js'
import * as Iden3 from '../iden3.js'

/** One side of a constraint: wires and field elements. */
export interface Side {
  wires: readonly number[]
  coefficients: readonly bigint[]
}

export type Constraint = readonly [a: Side, b: Side, c: Side]

export interface R1cs {
  wireCount: number
  publicCount: number
  constraints: readonly Constraint[]
}

/** Reads an `.r1cs` file over BN254. Throws `zk.file-malformed`. */
export function read(bytes: Uint8Array): R1cs {
  const sections = Iden3.read(bytes, 'r1cs', 1)
  const header = new Iden3.SectionReader(sections.get(1))
  if (header.u32() !== Field.FIELD_BYTES || header.word() !== Field.r) throw Iden3.malformed('the field is not BN254 scalars')
  const wireCount = header.u32()
  const publicCount = header.u32() + header.u32()
  const privateInputs = header.u32()
  header.u64()
  const constraintCount = header.u32()
  header.end()
  if (1 + publicCount + privateInputs > wireCount) throw Iden3.malformed('more inputs than wires')
  const body = new Iden3.SectionReader(sections.get(2))
  const constraints: Constraint[] = []
  for (let i = 0; i < constraintCount; i++) constraints.push([readSide(body, wireCount), readSide(body, wireCount), readSide(body, wireCount)])
  body.end()
  return { wireCount, publicCount, constraints }
}

function readSide(body: Iden3.SectionReader, wireCount: number): Side {
  const wires: number[] = []
  const coefficients: bigint[] = []
  for (let left = body.u32(); left > 0; left--) {
    const wire = body.u32()
    if (wire >= wireCount || wire <= (wires.at(-1) ?? -1)) throw Iden3.malformed('wires are not ascending')
    wires.push(wire)
    coefficients.push(body.element())
  }
  return { wires, coefficients }
}

/** ⟨side, witness⟩ before reduction; `modulus` matters only to who compares. */
export function evaluate({ wires, coefficients }: Side, witness: readonly bigint[]): bigint {
  let total = 0n
  for (let i = 0; i < wires.length; i++) total += coefficients[i]! * witness[wires[i]!]!
  return total
}

/** Whether a witness satisfies a constraint. */
export const holds = ([a, b, c]: Constraint, witness: readonly bigint[]): boolean =>
  (evaluate(a, witness) * evaluate(b, witness) - evaluate(c, witness)) % Field.r === 0n

/** Index of the first constraint that a witness violates, or undefined when it satisfies them all. */
export function violated(r1cs: R1cs, witness: readonly bigint[]): number | undefined {
  const at = r1cs.constraints.findIndex((constraint) => !holds(constraint, witness))
  return at < 0 ? undefined : at
}

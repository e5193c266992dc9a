import * as Field from '../field.js'
import * as Iden3 from '../iden3.js'

/** Wires of a `.wtns` file over BN254. Throws `zk.file-malformed`. */
export function read(bytes: Uint8Array): bigint[] {
  const sections = Iden3.read(bytes, 'wtns', 2)
  const header = new Iden3.SectionReader(sections.get(1))
  if (header.u32() !== Field.FIELD_BYTES || header.word() !== Field.r) throw Iden3.malformed('the field is not BN254 scalars')
  const count = header.u32()
  header.end()
  const body = new Iden3.SectionReader(sections.get(2))
  if (body.remaining !== count * Field.FIELD_BYTES) throw Iden3.malformed('the witness has another length than it says')
  return Array.from({ length: count }, () => body.element())
}

import { clone, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { Hex, type Secp256k1 } from '@haca/core'

// What the settler reads from the chain cannot be proven by its own bytes, so the settler signs it: whoever can write to the
// topic, but has not the key, cannot tell the gateways of a payment that never was.

type Fact<D extends DescMessage> = MessageShape<D> & { signature: Uint8Array }

/** Signs a message in place: secp256k1 over keccak256("HACA fact" ‖ type name ‖ 0 ‖ the message's bytes without signature). */
export function sign<D extends DescMessage>(schema: D, message: Fact<D>, privateKey: Uint8Array, primitives: Signing): Fact<D> {
  message.signature = primitives.sign(hash(schema, message, primitives), privateKey)
  return message
}

/** Address that signed the message, or `undefined`. */
export function signer<D extends DescMessage>(schema: D, message: Fact<D>, primitives: Secp256k1.Primitives): Hex.Hex | undefined {
  if (message.signature.length !== 65) return undefined
  const address = primitives.recover(hash(schema, message, primitives), message.signature)
  return address && Hex.fromBytes(address)
}

interface Signing extends Secp256k1.Primitives {
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array
}

function hash<D extends DescMessage>(schema: D, message: Fact<D>, { keccak256 }: Secp256k1.Primitives): Uint8Array {
  const bare = clone(schema, message) as Fact<D>
  bare.signature = new Uint8Array(0)
  return keccak256(Buffer.concat([Buffer.from(`HACA fact${schema.typeName}\0`), toBinary(schema, bare)]))
}

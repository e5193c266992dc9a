import { Hex, OpenGradient, Secp256k1 } from '@haca/core'
import type { Blobs } from '@haca/platform/blobs'
import { constants, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

/** What is published of an RSA key: who it is there, and which receipt key vouches for it. */
export interface PublishedKey {
  tee_id: Hex.Hex
  /** PEM, SubjectPublicKeyInfo. */
  public_key: string
  /** Address of the receipt key that signed `keyStatement`; hardware vouches for it, see its appraisal. */
  node: Hex.Hex
  /** 65 bytes. */
  statement: Hex.Hex
}

/** This boot's RSA key for OpenGradient's SDKs: made here, never written down. */
export class OpenGradientKey implements OpenGradient.Signing {
  private constructor(
    readonly spki: Uint8Array,
    readonly pem: string,
    readonly privateKey: KeyObject,
  ) {}

  static async make(): Promise<OpenGradientKey> {
    const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
    return new OpenGradientKey(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), publicKey.export({ type: 'spki', format: 'pem' }) as string, privateKey)
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign('sha256', message, { key: this.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }))
  }

  /** Publishes the key under its id, with the word of a receipt key: the hardware vouches for that one. */
  async publish(blobs: Blobs, receiptKey: Uint8Array): Promise<void> {
    const published: PublishedKey = {
      tee_id: Hex.fromBytes(OpenGradient.teeId(this.spki)),
      public_key: this.pem,
      node: Secp256k1.addressOfKey(receiptKey),
      statement: Hex.fromBytes(Secp256k1.sign(OpenGradient.keyStatement(this.spki), receiptKey)),
    }
    await blobs.putOnce(`opengradient/${published.tee_id.slice(2)}`, new TextEncoder().encode(JSON.stringify(published)))
  }
}

import { Groth16 } from '@haca/core/zk'

// The engine's frames: length:4, kind:1, id:8, payload, big-endian; see services/prover/engine/src/serve.rs.

const HEAD = 9
/** Longest answer we take: a proof of a thousand signals is far below. */
const FRAME_MAX = 1 << 20

export const PROVE_BYTES = 1

export type Answer =
  | { kind: 'ready'; about: { version: string; label: string; vkId: string; loadMs: number } }
  | { kind: 'proved'; id: number; proof: Groth16.Proof; publicSignals: bigint[]; provedInMs: number }
  | { kind: 'failed'; id: number; code: string; detail: string }

/** The head of a frame whose payload follows. */
export function head(kind: number, id: number, payloadBytes: number): Buffer {
  const out = Buffer.alloc(4 + HEAD)
  out.writeUInt32BE(HEAD + payloadBytes, 0)
  out.writeUInt8(kind, 4)
  out.writeBigUInt64BE(BigInt(id), 5)
  return out
}

/** Collects a stream's bytes into answers. Throws on what the engine never says. */
export class AnswerReader {
  #bytes = Buffer.alloc(0)

  push(chunk: Buffer): Answer[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    const answers: Answer[] = []
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readUInt32BE(0)
      if (length < HEAD || length > FRAME_MAX) throw new Error(`a frame of ${length} bytes`)
      if (this.#bytes.length < 4 + length) break
      answers.push(read(this.#bytes.subarray(4, 4 + length)))
      this.#bytes = this.#bytes.subarray(4 + length)
    }
    return answers
  }
}

function read(frame: Buffer): Answer {
  const id = Number(frame.readBigUInt64BE(1))
  const payload = frame.subarray(HEAD)
  switch (frame.readUInt8(0)) {
    case 0:
      return { kind: 'ready', about: JSON.parse(payload.toString('utf8')) as Extract<Answer, { kind: 'ready' }>['about'] }
    case 1: {
      const proof = Groth16.decodeProof(payload.subarray(0, Groth16.PROOF_BYTES))
      if (!proof.ok) throw new Error(`the engine's proof is malformed: ${proof.field} ${proof.reason}`)
      const provedInMs = payload.readUInt32BE(Groth16.PROOF_BYTES) / 1_000
      const count = payload.readUInt32BE(Groth16.PROOF_BYTES + 4)
      const words = payload.subarray(Groth16.PROOF_BYTES + 8)
      if (words.length !== 32 * count) throw new Error('another number of signals than the engine says')
      const publicSignals = Array.from({ length: count }, (_, i) => BigInt(`0x${words.toString('hex', 32 * i, 32 * i + 32)}`))
      return { kind: 'proved', id, proof: proof.value, publicSignals, provedInMs }
    }
    case 2: {
      const length = payload.readUInt8(0)
      return { kind: 'failed', id, code: payload.toString('latin1', 1, 1 + length), detail: payload.toString('utf8', 1 + length) }
    }
    default:
      throw new Error(`a frame of kind ${frame.readUInt8(0)}`)
  }
}

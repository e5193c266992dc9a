import type { Hex } from '@haca/core'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import fastify from 'fastify'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Attesting } from '../get-attestation.js'
import { KeyRecords } from '../key-records.js'
import { AttestationController } from './attestation.controller.js'

let archive: KeyArchive
let controller: AttestationController
beforeEach(() => {
  archive = new KeyArchive(new MemoryBlobs())
  controller = new AttestationController({ records: new KeyRecords(archive, Date.now) } as Attesting)
})

/** What Fastify answers with, or the Refusal that the edge would render. */
async function get(shelf: 'evidence' | 'collateral' | 'policy', digest: string) {
  let refused: unknown
  const server = fastify()
  server.get('/', async (_request, reply) => {
    await controller[shelf](digest, reply).catch((error: unknown) => {
      refused = error
      return reply.status(500).send()
    })
    return reply
  })
  const response = await server.inject('/')
  if (refused) throw refused
  return response
}

describe('what is archived', () => {
  it('is served as it is, for ever, and never as anything a browser would run', async () => {
    const digest = await archive.putEvidence(new TextEncoder().encode('<script>alert(1)</script>'))
    const { body, headers } = await get('evidence', digest.toUpperCase().replace('0X', '0x'))
    expect(body).toBe('<script>alert(1)</script>')
    expect(headers).toMatchObject({ 'cache-control': 'public, max-age=31536000, immutable', etag: `"${digest}"`, 'content-type': 'application/cmw-collection+json', 'x-content-type-options': 'nosniff', 'content-disposition': 'attachment' })
  })

  it('is not served beyond eight mebibytes', async () => {
    const limit = 8 << 20
    const [most, more] = [await archive.putCollateral(new Uint8Array(limit)), await archive.putCollateral(new Uint8Array(limit + 1))]
    expect((await get('collateral', most)).rawPayload).toHaveLength(limit)
    await expect(get('collateral', more)).rejects.toMatchObject({ kind: 'too-large', code: 'archive.too-large' })
  })

  it('is under a digest, on its own shelf, and nowhere else', async () => {
    const digest = await archive.putPolicy(new Uint8Array([1]))
    expect((await get('policy', digest)).statusCode).toBe(200)
    await expect(get('evidence', digest)).rejects.toMatchObject({ kind: 'unknown', code: 'archive.unknown' })
    await expect(get('evidence', '../policies/x')).rejects.toMatchObject({ kind: 'invalid', code: 'archive.malformed-digest', field: 'digest' })
  })

  it('that was altered in the store is not served', async () => {
    const digest = await archive.putEvidence(new Uint8Array([1]))
    await archive.blobs.put(`evidence/${digest.slice(2)}`, new Uint8Array([2]))
    await expect(get('evidence', digest)).rejects.toMatchObject({ code: 'archive.altered' })
  })
})

describe('the attestation', () => {
  it.each([undefined, '', '0x12', ['0x', '0x'], `0x${'zz'.repeat(32)}`])('for the nonce %j is refused', (nonce) => {
    expect(() => controller.attestation(nonce as Hex.Hex)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'attestation.nonce', field: 'nonce' }))
  })
})

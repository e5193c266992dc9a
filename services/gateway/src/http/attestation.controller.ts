import { Controller, Get, Header, Inject, Param, Query, Res, UseFilters } from '@nestjs/common'
import { Hex } from '@haca/core'
import type { KeyArchive } from '@haca/platform/blobs'
import type { FastifyReply } from 'fastify'
import { getAttestation, type AttestationAnswer, type Attesting } from '../get-attestation.js'
import { Refusal } from '../refusal.js'
import { RefusalFilter } from './refusal.filter.js'

export const ATTESTING = Symbol('attesting')

/** Evidence is at most 4 MiB, a policy's envelope 512 KiB; collateral is what vendors publish. Beyond it nothing is served. */
const bytesMax = 8 << 20

/** What receipts rest on, for whoever wants to check it himself: nothing here is secret, nothing under a digest ever changes. */
@Controller('v1')
@UseFilters(RefusalFilter)
export class AttestationController {
  readonly #archive: KeyArchive

  constructor(@Inject(ATTESTING) readonly attesting: Attesting) {
    this.#archive = attesting.records.archive
  }

  @Get('attestation')
  @Header('cache-control', 'no-store')
  attestation(@Query('nonce') nonce: unknown): Promise<AttestationAnswer> {
    if (!Hex.is(nonce, 32)) throw new Refusal('invalid', 'attestation.nonce', 'a nonce of your own is required: 32 bytes of 0x-hexadecimal', 'nonce')
    return getAttestation(nonce, this.attesting)
  }

  @Get('evidence/:digest')
  evidence(@Param('digest') digest: string, @Res() reply: FastifyReply): Promise<void> {
    return serve(digest, this.#archive.evidence, 'application/cmw-collection+json', reply)
  }

  @Get('collateral/:digest')
  collateral(@Param('digest') digest: string, @Res() reply: FastifyReply): Promise<void> {
    return serve(digest, this.#archive.collateral, 'application/octet-stream', reply)
  }

  @Get('policies/:digest')
  policy(@Param('digest') digest: string, @Res() reply: FastifyReply): Promise<void> {
    return serve(digest, this.#archive.policy, 'application/json', reply)
  }
}

async function serve(text: string, read: (digest: Hex.Hex) => Promise<Uint8Array | undefined>, type: string, reply: FastifyReply): Promise<void> {
  if (!Hex.is(text, 32)) throw new Refusal('invalid', 'archive.malformed-digest', 'a digest is 32 bytes of 0x-hexadecimal', 'digest')
  const digest = text.toLowerCase() as Hex.Hex
  const bytes = await read(digest)
  if (!bytes) throw new Refusal('unknown', 'archive.unknown', 'nothing is archived under this digest', 'digest')
  if (bytes.length > bytesMax) throw new Refusal('too-large', 'archive.too-large', `${bytes.length} bytes are archived under this digest, at most ${bytesMax} are served`, 'digest')
  // What a stranger handed in is never run by a browser as something else.
  await reply.header('content-type', type).header('cache-control', 'public, max-age=31536000, immutable').header('etag', `"${digest}"`).header('x-content-type-options', 'nosniff').header('content-disposition', 'attachment').send(Buffer.from(bytes))
}

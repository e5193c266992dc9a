import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type { Bus } from '@haca/platform/bus'
import type { Native } from '@haca/platform/crypto'
import { Fact } from '@haca/platform/wire'

/** Tells gateways, under the settler's signature, what became of payments and batches. */
export class Facts {
  constructor(
    readonly bus: Bus,
    readonly privateKey: Uint8Array,
    readonly primitives: Native,
  ) {}

  async tell<D extends DescMessage>(schema: D, message: MessageShape<D> & { signature: Uint8Array }): Promise<void> {
    await this.bus.publish(schema, Fact.sign(schema, message, this.privateKey, this.primitives))
  }
}

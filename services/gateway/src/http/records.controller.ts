import { Controller, Get, Header, Inject, Param, UseFilters } from '@nestjs/common'
import { getReceipt, type ReceiptBundle, type ReceiptReader } from '../get-receipt.js'
import { getRequest, type RequestStatus } from '../get-request.js'
import { RefusalFilter } from './refusal.filter.js'
import { requestIdOf } from './request.js'

export const READER = Symbol('reader')

/** What became of requests: public, because a request id says nothing of what was asked or answered. */
@Controller('v1')
@UseFilters(RefusalFilter)
export class RecordsController {
  constructor(@Inject(READER) readonly reader: ReceiptReader) {}

  @Get('requests/:id')
  @Header('cache-control', 'no-store')
  request(@Param('id') id: string): Promise<RequestStatus> {
    return getRequest(requestIdOf(id), this.reader)
  }

  @Get('receipts/:id')
  @Header('cache-control', 'no-store')
  receipt(@Param('id') id: string): Promise<ReceiptBundle> {
    return getReceipt(requestIdOf(id), this.reader)
  }
}

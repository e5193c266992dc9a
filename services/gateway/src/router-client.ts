import { Hex } from '@haca/core'
import { RouterService, type AssignResponse, type ListModelsResponse, type RouteRequest, type RouteResponse } from '@haca/proto'
import { asAppError, type GrpcClient } from '@haca/platform/grpc'
import type { Router } from './ports.js'

const timeoutMs = 2_000

/** The router over gRPC. */
export class GrpcRouter implements Router {
  constructor(readonly client: GrpcClient) {}

  route(request: Omit<RouteRequest, '$typeName'>): Promise<RouteResponse> {
    return this.#ask(() => this.client.unary(RouterService.method.route, request, { timeoutMs }))
  }

  assign({ modelHash, mode, requestId }: { modelHash: Hex.Hex; mode: number; requestId: Hex.Hex }): Promise<AssignResponse> {
    return this.#ask(() => this.client.unary(RouterService.method.assign, { modelHash: Hex.toBytes(modelHash), mode, requestId: Hex.toBytes(requestId) }, { timeoutMs }))
  }

  listModels(): Promise<ListModelsResponse> {
    return this.#ask(() => this.client.unary(RouterService.method.listModels, {}, { timeoutMs }))
  }

  async #ask<T>(call: () => Promise<{ message: T }>): Promise<T> {
    try {
      return (await call()).message
    } catch (error) {
      throw asAppError('router.unavailable', error)
    }
  }
}

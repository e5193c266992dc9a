import { describe, expect, it } from 'vitest'
import { localVendor } from './testing/local-vendors.js'
import { VendorHttp, vendorHttpDefaults, type VendorHttpOptions } from './vendor-http.js'

const http = (baseUrl: string, options: Partial<VendorHttpOptions> = {}): VendorHttp => new VendorHttp({ ...vendorHttpDefaults, spacingMs: 0, timeoutMs: 2_000, attemptsMax: 3, backoffMs: 1, random: () => 0, baseUrl, ...options })
const patient = (): AbortSignal => AbortSignal.timeout(10_000)

describe('the way out to a vendor', () => {
  it('takes as many bytes as it was told, and not one more, also when the vendor does not say how many come', async () => {
    await using vendor = await localVendor({ '/a': { body: new Uint8Array(100) }, '/b': { body: new Uint8Array(101), headers: { 'transfer-encoding': 'chunked' } } })
    expect((await http(vendor.url).send({ path: '/a', bytesMax: 100 }, patient())).bytes).toHaveLength(100)
    await expect(http(vendor.url).send({ path: '/b', bytesMax: 100 }, patient())).rejects.toMatchObject({ code: 'collateral.refused' })
    expect(vendor.asked).toEqual(['/a', '/b'])
  })

  it('tries again after an outage, as often as it was told', async () => {
    let left = 2
    await using vendor = await localVendor({ '/flaky': () => (left-- > 0 ? { status: 503 } : { body: 'x' }), '/broken': { broken: true } })
    expect((await http(vendor.url).send({ path: '/flaky', bytesMax: 10 }, patient())).bytes).toHaveLength(1)
    await expect(http(vendor.url).send({ path: '/broken', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.unreachable', retryable: true })
    expect(vendor.asked).toEqual(['/flaky', '/flaky', '/flaky', '/broken', '/broken', '/broken'])
  })

  it('waits as long as a vendor asks that is asked too often, up to half a minute', async () => {
    const replies = [{ status: 429, headers: { 'retry-after': '7' } }, { status: 503, headers: { 'retry-after': '86400' } }, { body: 'x' }]
    await using vendor = await localVendor({ '/': () => replies.shift()! })
    const waited: number[] = []
    await http(vendor.url, { pause: async (ms) => void waited.push(ms) }).send({ path: '/', bytesMax: 10 }, patient())
    expect(waited.filter((ms) => ms > 0)).toEqual([7_000, 30_000])
  })

  it('waits longer after each attempt, drawn between half and all of it', async () => {
    await using vendor = await localVendor({ '/': { status: 503 } })
    const waited: number[] = []
    const options = { attemptsMax: 7, backoffMs: 100, pause: async (ms: number) => void waited.push(ms) }
    for (const random of [() => 0, () => 1]) await expect(http(vendor.url, { ...options, random }).send({ path: '/', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.unreachable' })
    expect(waited.filter((ms) => ms > 0)).toEqual([50, 100, 200, 400, 800, 800, 100, 200, 400, 800, 1600, 1600])
  })

  it('keeps a distance between the starts of requests, however many want one', async () => {
    await using vendor = await localVendor({ '/': { body: 'x' } })
    const waited: number[] = []
    const spaced = http(vendor.url, { spacingMs: 3_600_000, pause: async (ms) => void waited.push(ms) })
    await Promise.all([1, 2, 3].map(() => spaced.send({ path: '/', bytesMax: 10 }, patient())))
    // An hour, less what the request before took.
    expect(waited.map((ms) => (ms <= 0 ? 'now' : ms > 3_540_000 && ms <= 3_600_000 ? 'an hour' : ms))).toEqual(['now', 'an hour', 'an hour'])
  })

  it('does not ask again for what the vendor does not have', async () => {
    await using vendor = await localVendor()
    await expect(http(vendor.url).send({ path: '/x', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.unknown', retryable: false })
    expect(vendor.asked).toHaveLength(1)
  })

  it('follows a redirect on the vendor’s own origin, and none to another, and not for ever', async () => {
    await using other = await localVendor({ '/stolen': { body: 'x' } })
    await using vendor = await localVendor({
      '/moved': { status: 302, headers: { location: '/here' } },
      '/here': { body: 'x' },
      '/away': { status: 302, headers: { location: `${other.url}/stolen` } },
      '/loop': { status: 302, headers: { location: '/loop' } },
    })
    expect((await http(vendor.url).send({ path: '/moved', bytesMax: 10 }, patient())).bytes).toHaveLength(1)
    await expect(http(vendor.url).send({ path: '/away', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.refused' })
    await expect(http(vendor.url).send({ path: '/loop', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.refused' })
    expect(other.asked).toEqual([])
  })

  it('gives up when whoever asked has no more time', async () => {
    await using vendor = await localVendor({ '/': { status: 503 } })
    const impatient = http(vendor.url, { attemptsMax: 100, backoffMs: 60_000 })
    await expect(impatient.send({ path: '/', bytesMax: 10 }, AbortSignal.timeout(100))).rejects.toMatchObject({ code: 'collateral.unreachable', retryable: true })
    expect(vendor.asked).toHaveLength(1)
  })

  it('does not wait for a vendor that says nothing', async () => {
    await using vendor = await localVendor({ '/': { silent: true } })
    await expect(http(vendor.url, { timeoutMs: 100, attemptsMax: 2 }).send({ path: '/', bytesMax: 10 }, patient())).rejects.toMatchObject({ code: 'collateral.unreachable' })
    expect(vendor.asked).toHaveLength(2)
  })
})

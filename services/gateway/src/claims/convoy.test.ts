import { expect, it } from 'vitest'
import { Convoy } from './convoy.js'

/** A convoy whose questions are answered by hand, with the squares of what was asked. */
function byHand(most: number) {
  const asked: { items: readonly number[]; answer(): void; fail(error: Error): void }[] = []
  const convoy = new Convoy<number, number>(
    (items) => new Promise((resolve, reject) => void asked.push({ items, answer: () => resolve(items.map((n) => n * n)), fail: reject })),
    most,
  )
  const next = async (n: number) => {
    await expect.poll(() => asked.length).toBe(n)
    return asked[n - 1] as (typeof asked)[number]
  }
  return { convoy, next }
}

it('asks together what came in one turn, and what comes meanwhile with the next', async () => {
  const { convoy, next } = byHand(10)
  const early = [convoy.join(2), convoy.join(3)]
  const first = await next(1)
  expect(first.items).toEqual([2, 3])
  const late = [convoy.join(4), convoy.join(5)]
  first.answer()
  expect(await Promise.all(early)).toEqual([4, 9])
  const second = await next(2)
  expect(second.items).toEqual([4, 5])
  second.answer()
  expect(await Promise.all(late)).toEqual([16, 25])
})

it('asks for no more at once than its limit', async () => {
  const { convoy, next } = byHand(2)
  const all = [1, 2, 3].map((n) => convoy.join(n))
  const first = await next(1)
  expect(first.items).toEqual([1, 2])
  first.answer()
  ;(await next(2)).answer()
  expect(await Promise.all(all)).toEqual([1, 4, 9])
})

it('tells everybody of a convoy that failed, and goes on with the next', async () => {
  const { convoy, next } = byHand(2)
  const all = Promise.allSettled([1, 2, 3].map((n) => convoy.join(n)))
  ;(await next(1)).fail(new Error('away'))
  ;(await next(2)).answer()
  expect((await all).map((end) => end.status)).toEqual(['rejected', 'rejected', 'fulfilled'])
})

import { describe, expect, it } from 'vitest'
import { Pending } from './pending.js'

const pending = () => new Pending<string>(async () => undefined, async () => undefined)

describe('a record whose chore is under way', () => {
  it('is done with its chore, and so is the same record when it comes again meanwhile', async () => {
    const line = pending()
    const [first, again] = [line.run('r', 'message'), line.run('r', 'message')]
    line.finished('r')
    await expect(Promise.all([first, again])).resolves.toEqual([undefined, undefined])
    expect(line.size()).toBe(0)
  })

  it('fails with its chore, however often it came', async () => {
    const line = pending()
    const ends = Promise.allSettled([line.run('r', 'message'), line.run('r', 'message')])
    line.failed('r', new Error('given up'))
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  it('is still known while another of the same could not be added', async () => {
    let refuse = false
    const line = new Pending<string>(async () => (refuse ? Promise.reject(new Error('away')) : undefined), async () => undefined)
    const first = line.run('r', 'message')
    refuse = true
    await expect(line.run('r', 'message')).rejects.toMatchObject({ code: 'jobs.unreachable' })
    expect(line.message('r')).toBe('message')
    line.finished('r')
    await first
  })

  it('ends as its chore did in another process: a failure there is no success here', async () => {
    const ended = (outcome: 'done' | 'failed') => new Pending<string>(async () => undefined, async () => outcome, 10).run('r', 'message')
    await ended('done')
    await expect(ended('failed')).rejects.toMatchObject({ code: 'jobs.failed', retryable: false })
  })
})

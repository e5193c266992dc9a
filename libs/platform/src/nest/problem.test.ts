import { AppError } from '@haca/core'
import { describe, expect, it } from 'vitest'
import { problemOf } from './problem.js'

describe('a problem', () => {
  it('does not say that nothing was charged where nobody knows: a record whose acknowledgement was lost is worked on, and paid for', () => {
    const { problem, headers } = problemOf(new AppError('bus.unreachable', { retryable: true }))
    expect(problem).toMatchObject({ status: 503, code: 'bus.unreachable' })
    expect(headers).toEqual({ 'retry-after': '1' })
    expect(JSON.stringify(problem)).not.toContain('nothing was charged')
    expect(problem.title).toContain('not charged twice')
  })
})

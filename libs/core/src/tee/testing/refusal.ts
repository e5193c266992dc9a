import { expect } from 'vitest'
import { AttestationError, type AttestationErrorCode } from '../error.js'

/** The code with which `attempt` is refused; a success or any other exception fails the test. */
export async function refusal(attempt: () => unknown): Promise<AttestationErrorCode> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof AttestationError) return error.code
    throw error
  }
  return expect.fail('accepted') as never
}

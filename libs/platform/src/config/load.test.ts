import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigError, Secret, kind, load } from './index.js'

const shape = { KEY: kind.privateKey(), LIMIT: kind.count(1, 10), NAME: kind.text(), PAYEES: kind.addresses() }
const good = { KEY: `0x${'11'.repeat(32)}`, LIMIT: '3', NAME: 'a', PAYEES: '0x036cbd53842c5426634e7929541ec2318f3dcf7e' }

const problemsOf = (env: NodeJS.ProcessEnv, rules: Parameters<typeof load<typeof shape>>[2] = []) => {
  try {
    load(shape, env, rules)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('configuration', () => {
  it('reads types and freezes the result', () => {
    const config = load(shape, good)
    expect(config.LIMIT).toBe(3)
    expect(config.PAYEES).toEqual(['0x036CbD53842c5426634e7929541eC2318f3dCF7e'])
    expect(() => ((config as { LIMIT: number }).LIMIT = 4)).toThrow()
  })

  it('reports every problem at once, and treats empty text as absent', () => {
    const problems = problemsOf({ KEY: '0x12', LIMIT: '11', NAME: '' })
    expect(problems).toHaveLength(4)
    for (const name of ['KEY is wrong', 'LIMIT is wrong', 'NAME is required', 'PAYEES is required']) expect(problems.join('\n')).toContain(name)
  })

  it('takes no list of nothing for a list', () => {
    expect(() => load({ MODELS: kind.list() }, { MODELS: ' , ' })).toThrow('MODELS is wrong: at least one, separated by commas')
    expect(load({ MODELS: kind.list() }, { MODELS: 'a, b,' }).MODELS).toEqual(['a', 'b'])
  })

  it('never shows a wrong secret in its problem', () => {
    expect(problemsOf({ ...good, KEY: 'hunter2' }).join()).not.toContain('hunter2')
  })

  it('holds rules across variables', () => {
    expect(problemsOf(good, [(v) => (v.LIMIT < 5 ? 'LIMIT too low for NAME' : undefined)])).toEqual(['LIMIT too low for NAME'])
  })

  it('keeps secrets out of text, JSON and inspection', () => {
    const secret = new Secret('hunter2')
    expect(`${secret} ${JSON.stringify({ secret })} ${inspect({ secret })}`).not.toContain('hunter2')
    expect(secret.reveal()).toBe('hunter2')
  })
})

import { describe, expect, it } from 'vitest'
import * as Lifecycle from './lifecycle.js'

describe('lifecycle', () => {
  // The rows of the table above `states`, spelled out.
  const table: [Lifecycle.State, Lifecycle.State, Lifecycle.Transition][] = [
    ['reserved', 'accepted', 'applied'],
    ['reserved', 'paying', 'applied'],
    ['paying', 'accepted', 'applied'],
    ['paying', 'unpaid', 'applied'],
    ['accepted', 'delivered', 'applied'],
    ['accepted', 'void', 'applied'],
    ['delivered', 'settled', 'applied'],
    ['delivered', 'unpaid', 'applied'],
    ['settled', 'anchored', 'applied'],
    ['void', 'anchored', 'applied'],
    ['settled', 'settled', 'already'],
    ['settled', 'delivered', 'already'],
    ['anchored', 'reserved', 'already'],
    ['void', 'delivered', 'conflict'],
    ['delivered', 'void', 'conflict'],
    ['settled', 'unpaid', 'conflict'],
    ['unpaid', 'settled', 'conflict'],
    ['accepted', 'anchored', 'applied'],
  ]
  it.each(table)('%s → %s is %s', (from, to, expected) => {
    expect(Lifecycle.transition(from, to)).toBe(expected)
  })

  it('never lets a final state become another final state but anchored', () => {
    for (const from of Lifecycle.states.filter(Lifecycle.isFinal)) {
      for (const to of Lifecycle.states.filter(Lifecycle.isFinal)) {
        if (to !== 'anchored' && to !== from) expect(Lifecycle.transition(from, to), `${from} → ${to}`).not.toBe('applied')
      }
    }
  })
})

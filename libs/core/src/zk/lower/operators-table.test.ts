import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { OPERATORS } from './operators.js'

it('the README lists every operator that is understood, once, and no other', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, table] = /<!-- operators: begin.*?-->(.*?)<!-- operators: end -->/s.exec(readme)!
  const rows = table!.split('\n').filter((line) => line.startsWith('| ')).slice(2)
  const listed = rows.flatMap((row) => row.split('|')[2]!.split(',').map((name) => name.trim()))
  expect(listed.toSorted()).toEqual(Object.keys(OPERATORS).toSorted())
})

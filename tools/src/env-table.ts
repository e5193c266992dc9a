import * as Gateway from '@haca/gateway'
import * as Inference from '@haca/inference'
import * as Prover from '@haca/prover'
import * as Router from '@haca/router'
import * as Settler from '@haca/settler'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.js'

/** What the environment of each service may hold. */
export const shapes = { gateway: Gateway.shape, router: Router.shape, inference: Inference.shape, prover: Prover.shape, settler: Settler.shape }

const [opening, closing] = ['<!-- environment: written by `npm run docs` -->', '<!-- /environment -->']

/** The table of a service's variables, from the schema that reads them. */
export function envTable(service: keyof typeof shapes): string {
  const rows = Object.entries(shapes[service]).map(([name, schema]) => {
    const absent = schema.safeParse(undefined)
    const fallback = absent.success ? (absent.data === undefined ? 'optional' : `\`${String(absent.data)}\``) : '**required**'
    return `| \`${name}\` | ${fallback} | ${schema.description ?? ''} |`
  })
  return [opening, '| variable | default | meaning |', '| --- | --- | --- |', ...rows, closing].join('\n')
}

export const readmeOf = (service: string): string => join(root, 'services', service, 'README.md')

/** A README with its table as it should be. */
export function withTable(readme: string, service: keyof typeof shapes): string {
  const [start, end] = [readme.indexOf(opening), readme.indexOf(closing)]
  if (start < 0 || end < start) throw new Error(`services/${service}/README.md has no place for its environment table`)
  return readme.slice(0, start) + envTable(service) + readme.slice(end + closing.length)
}

/** Writes all tables. */
export function writeTables(): void {
  for (const service of Object.keys(shapes) as (keyof typeof shapes)[]) {
    const file = readmeOf(service)
    writeFileSync(file, withTable(readFileSync(file, 'utf8'), service))
  }
}

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readmeOf, shapes, withTable } from './env-table.js'
import { root } from './root.js'

// What no compiler sees and every reader does.

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const sources = files.filter((file) => /\.(ts|mjs|sol|rs)$/.test(file))
const documents = files.filter((file) => file.endsWith('.md') && !file.startsWith('vectors/'))

describe('tidy', () => {
  it('sources have no tabs, trailing blanks, control characters or missing last newline', () => {
    for (const file of sources) {
      const body = text(file)
      expect(/\t/.test(body) && !file.endsWith('.rs'), `tab in ${file}`).toBe(false)
      expect(/[ \t]$/m.test(body), `trailing blank in ${file}`).toBe(false)
      // eslint-disable-next-line no-control-regex
      expect(/[\u0000-\u0008\u000b-\u001f\u007f]/.test(body), `control character in ${file}`).toBe(false)
      expect(body.endsWith('\n') && !body.endsWith('\n\n'), `last newline of ${file}`).toBe(true)
    }
  })

  it('TypeScript files are kebab-case and named by a noun or verb, not by a shelf', () => {
    for (const file of files.filter((f) => f.endsWith('.ts') && /\/src\//.test(f))) {
      const name = file.split('/').at(-1) as string
      expect(name, file).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.ts$/)
      expect(name, file).not.toMatch(/^(utils?|helpers?|common|misc|types|constants)\./)
    }
  })

  it('nothing of this machine or of a registry is written down', () => {
    const forbidden = [/\/(work|root)\/[a-z]/, /registry\.npmjs|repo\.maven|repo1\.maven|deb\.debian|proxy\.golang|static\.crates/]
    for (const file of files.filter((f) => /\.(ts|mjs|js|json|ya?ml|md|sol|rs|toml|py|xml|sh)$|Dockerfile|\.ci\/run/.test(f) && f !== 'tools/src/tidy.test.ts' && f !== 'package-lock.json' && !f.startsWith('vectors/'))) {
      for (const pattern of forbidden) expect(pattern.test(text(file)), `${pattern} in ${file}`).toBe(false)
    }
  })

  it('no test is skipped or alone, and nothing is left to be done', () => {
    for (const file of sources.filter((f) => f !== 'tools/src/tidy.test.ts')) {
      const body = text(file)
      expect(/\b(it|test|describe)\.(only|skip|todo)\(/.test(body), file).toBe(false)
      expect(/\b(FIXME|XXX|HACK)\b/.test(body), file).toBe(false)
    }
  })

  it('documents name only paths that exist', () => {
    for (const file of documents) {
      for (const [, path] of text(file).matchAll(/`((?:services|libs|proto|contracts|sdk|tools|k8s|docs|e2e|bench|models|vectors)\/[A-Za-z0-9_./-]+)`/g)) {
        expect(existsSync(join(root, path as string)), `${file} names ${path}`).toBe(true)
      }
      for (const [, link] of text(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
        expect(existsSync(join(root, dirname(file), link as string)), `${file} links to ${link}`).toBe(true)
      }
    }
  })

  it.each(Object.keys(shapes) as (keyof typeof shapes)[])('the README of %s has the environment its config reads', (service) => {
    const readme = readFileSync(readmeOf(service), 'utf8')
    expect(readme, 'run `npm run docs`').toBe(withTable(readme, service))
  })

  it('every service has the same rooms', () => {
    for (const name of Object.keys(shapes)) {
      for (const room of ['main.ts', 'service.ts', 'config.ts', 'ports.ts', 'events.ts', `${name}.module.ts`]) expect(existsSync(join(root, `services/${name}/src/${room}`)), `${name}: ${room}`).toBe(true)
      expect(text(`services/${name}/src/main.ts`).split('\n').length, `${name}/main.ts`).toBeLessThanOrEqual(30)
      for (const file of files.filter((f) => f.startsWith(`services/${name}/src/`) && f.endsWith('.ts') && !/\.test\.ts$|\/main(\.development)?\.ts$/.test(f))) {
        expect(/process\.env/.test(text(file)), `${file} reads the environment`).toBe(false)
      }
    }
  })

  it('nothing large is committed', () => {
    for (const file of files.filter((f) => f !== 'package-lock.json')) expect(readFileSync(join(root, file)).length, file).toBeLessThan(1 << 20)
  })
})

import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser } from 'playwright-core'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AttestedVectors, Outcome } from '../testing/attested-vectors.js'

const folder = new URL('../../../vectors/receipt/', import.meta.url)
const text = (name: string): string => readFileSync(new URL(name, folder), 'utf8')
const vectors = JSON.parse(text('attested-v1.json')) as AttestedVectors

/** Debian's Chromium, or whatever carries one of these names. `npm test` sets HACA_REQUIRE_CHROMIUM, and then none is a failure. */
const executable = ['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((path) => join(path, name))).find((path) => existsSync(path))
const required = process.env.HACA_REQUIRE_CHROMIUM === '1'

let server: Server
let browser: Browser
let script: string

/** The verifier as a page would load it: one script, from source, for browsers. Fails where something of Node is asked for. */
async function bundled(): Promise<string> {
  const bundle = await rolldown({
    input: fileURLToPath(new URL('../testing/browser-entry.ts', import.meta.url)),
    platform: 'browser',
    resolve: { conditionNames: ['@haca/source', 'browser', 'module', 'import', 'default'], extensionAlias: { '.js': ['.ts', '.js'] } },
    onLog: (_level, log) => {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message)
    },
  })
  const { output } = await bundle.generate({ format: 'iife', name: 'haca', minify: true })
  await bundle.close()
  expect(output).toHaveLength(1)
  return output[0].code
}

describe.skipIf(!executable && !required)('the verifier in a browser', () => {
  beforeAll(async () => {
    if (!executable) throw new Error('Chromium is required and not installed')
    script = await bundled()
    const files: Record<string, [string, string]> = {
      '/': ['text/html', '<!doctype html><script src="/verify.js"></script>'],
      '/verify.js': ['text/javascript', script],
      '/attested-v1.json': ['application/json', text('attested-v1.json')],
      '/attested-evidence-v1.json': ['application/json', text('attested-evidence-v1.json')],
    }
    server = createServer((request, response) => {
      const [type, body] = files[request.url ?? ''] ?? ['text/plain', '']
      response.writeHead(body ? 200 : 404, { 'content-type': type }).end(body)
    })
    // Loopback is a secure context: WebCrypto is there.
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox'] })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })

  it('is one script that asks for nothing of Node', () => {
    expect(script).not.toMatch(/\brequire\(["']node:|from\s*["']node:/)
    process.stdout.write(`the verifier is ${(script.length / 1024).toFixed(0)} KiB for browsers\n`)
  })

  it('gives every shared receipt the same claims as Node and the command line', { timeout: 120_000 }, async () => {
    const page = await browser.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(String(error)))
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.evaluate(`Promise.all(['/attested-v1.json', '/attested-evidence-v1.json'].map((path) => fetch(path).then((r) => r.json()))).then((both) => { globalThis.both = both })`)
    // Nobody is asked from here on.
    await page.context().setOffline(true)
    const outcomes = (await page.evaluate('haca.checkAll(...both)')) as Record<'offline' | 'online', Outcome>[]
    expect(problems).toEqual([])
    const found = outcomes.map(({ offline, online }, i) => ({ why: vectors.cases[i]?.why, offline: offline.claims, online: online.claims, marks: { offline: offline.marks, online: online.marks } }))
    expect(found).toEqual(vectors.cases.map(({ why, offline, online, marks }) => ({ why, offline, online, marks })))
    process.stdout.write(`${outcomes.length} receipts checked twice by ${browser.browserType().name()} ${browser.version()}\n`)
  })
})

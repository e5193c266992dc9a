import { Errors, Hex } from '@haca/core'
import { VENDOR_ROOTS } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { DirectoryBlobs, KeyArchive } from '@haca/platform/blobs'
import { createLogger } from '@haca/platform/log'
import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { exportLines, importLines } from './bundle.js'
import type { Library } from './library.js'
import { goldenSigner } from './manifest/golden-values.js'
import { openLibrary, openVendors, vendorDefaults, type VendorUrls } from './open-collateral.js'
import type { Part, Vendor } from './statement.js'
import { vendorHttpDefaults } from './vendor-http.js'

// Collateral by hand: bundles for provers that ask nobody, and what is there. Works on the object store, beside a running prover.

const help = `node services/prover/dist/collateral/command.js VERB --blobs DIRECTORY

  list                                  every subject, and until when its current statement counts
  export  --file BUNDLE                 the current statements, as JSON lines
  import  --file BUNDLE                 takes a bundle in; each line is proven as a vendor's answer is
  refresh --subject SUBJECT (repeated)  asks vendors about these, or about all that is there
          [--intel-url --intel-certificates-url --amd-url --nvidia-rim-url --nvidia-ocsp-url --aws-url URL]
  rebuild                               sorts the archive again, from its bytes

  --golden-values-key FILE              0x-hexadecimal P-384 scalar; without it NVIDIA's manifests are refused

Exit codes: 0 done, 1 failed, or something was refused, 2 wrong usage.
`

const text = { type: 'string' } as const
const many = { type: 'string', multiple: true } as const
const urls = { 'intel-url': text, 'intel-certificates-url': text, 'amd-url': text, 'nvidia-rim-url': text, 'nvidia-ocsp-url': text, 'aws-url': text } as const
const options = { blobs: text, file: text, subject: many, 'golden-values-key': text, help: { type: 'boolean' }, ...urls } as const

const deadlineMs = 120_000

type Values = ReturnType<typeof readArguments>['values']

/** What a verb works on. */
interface Desk {
  library: Library
  vendors: readonly Vendor[]
  values: Values
  now: number
}

const verbs: Record<string, (desk: Desk) => Promise<number>> = { list, export: exportBundle, import: importBundle, refresh, rebuild }

const readArguments = () => parseArgs({ options, allowPositionals: true })

async function main(): Promise<number> {
  const { values, positionals } = readArguments()
  if (values.help) return say(help)
  const verb = verbs[positionals[0] ?? '']
  if (!verb || positionals.length !== 1) throw new TypeError(help)
  const blobs = new DirectoryBlobs(needed(values, 'blobs'))
  const scalar = values['golden-values-key'] === undefined ? undefined : (await readFile(values['golden-values-key'], 'utf8')).trim()
  const golden = scalar === undefined ? undefined : goldenSigner(Hex.toBytes(scalar as Hex.Hex, 48))
  const vendors = openVendors(vendorUrls(values), vendorHttpDefaults)
  const library = openLibrary({ archive: new KeyArchive(blobs), blobs, roots: VENDOR_ROOTS, golden, crypto: nodeCrypto(), logger: createLogger('collateral', 'silent') }, vendors)
  return verb({ library, vendors, values, now: Date.now() })
}

const vendorUrls = (values: Values): VendorUrls => ({
  intelPcs: values['intel-url'] ?? vendorDefaults.intelPcs,
  intelCertificates: values['intel-certificates-url'] ?? vendorDefaults.intelCertificates,
  amdKds: values['amd-url'] ?? vendorDefaults.amdKds,
  nvidiaRim: values['nvidia-rim-url'] ?? vendorDefaults.nvidiaRim,
  nvidiaOcsp: values['nvidia-ocsp-url'] ?? vendorDefaults.nvidiaOcsp,
  aws: values['aws-url'],
})

async function list({ library, now }: Desk): Promise<number> {
  for (const subject of (await library.subjects()).sort()) {
    const entry = await library.current(subject, now)
    say(`${subject}  ${entry ? `${entry.notAfter < now ? 'RAN OUT ' : 'until '}${new Date(entry.notAfter).toISOString()}` : 'not in force yet'}\n`)
  }
  return 0
}

async function exportBundle({ library, values, now }: Desk): Promise<number> {
  const lines: string[] = []
  for await (const line of exportLines(library, now)) lines.push(`${line}\n`)
  await writeFile(needed(values, 'file'), lines.join(''))
  return say(`${lines.length} statements\n`)
}

async function importBundle({ library, values, now }: Desk): Promise<number> {
  const lines = createInterface({ input: createReadStream(needed(values, 'file')), crlfDelay: Number.POSITIVE_INFINITY })
  let refused = 0
  for await (const { line, subject, outcome, detail } of importLines(lines, library, now)) {
    say(`${outcome.padEnd(8)} ${subject ?? `line ${line}`}: ${detail}\n`)
    if (outcome === 'refused' || outcome === 'older') refused++
  }
  return refused === 0 ? 0 : 1
}

async function refresh({ library, vendors, values, now }: Desk): Promise<number> {
  let failed = 0
  for (const subject of values.subject ?? (await library.subjects()).sort()) {
    try {
      const known = await library.current(subject, now)
      const context: Part[] = known ? (await library.open(known)).parts.filter(({ role }) => role === 'issuer-chain' || role === 'location') : []
      const vendor = vendors.find(({ name }) => subject.startsWith(`${name}/`))
      if (!vendor) throw new RangeError('no vendor publishes it')
      const { outcome, entry } = await library.admit(await vendor.ask(subject, context, AbortSignal.timeout(deadlineMs)), now)
      say(`${outcome.padEnd(8)} ${subject}: until ${new Date(entry.notAfter).toISOString()}\n`)
      if (outcome === 'older') failed++
    } catch (error) {
      failed++
      say(`failed   ${subject}: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  return failed === 0 ? 0 : 1
}

async function rebuild({ library }: Desk): Promise<number> {
  const { kept, refused } = await library.rebuild()
  say(`${kept} statements sorted\n`)
  for (const line of refused) say(`refused  ${line}\n`)
  return refused.length === 0 ? 0 : 1
}

function needed(values: Values, name: 'blobs' | 'file'): string {
  const value = values[name]
  if (value === undefined) throw new TypeError(`--${name} is missing`)
  return value
}

function say(what: string): 0 {
  process.stdout.write(what)
  return 0
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const known = Errors.find(error)
    process.stderr.write(`${known?.code ?? (error instanceof TypeError ? 'usage' : 'failed')}: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(error instanceof TypeError ? 2 : 1)
  },
)

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './root.js'

/** The architecture, in full: which layer may import which. */
const allowed: Record<string, readonly string[]> = {
  contract: [],
  domain: [],
  platform: ['contract', 'domain'],
  service: ['contract', 'domain', 'platform'],
  sdk: ['contract', 'domain'],
  tool: ['contract', 'domain', 'platform', 'service', 'sdk', 'tool'],
  e2e: ['contract', 'domain', 'platform', 'service', 'sdk', 'tool'],
  bench: ['contract', 'domain', 'platform', 'service', 'sdk', 'tool'],
}

/** Packages that only talk to the outside, which the domain must never touch. */
const outside = /^(node:|@nestjs\/|@grpc\/|viem|bullmq|ioredis|kafkajs|fastify|pino|prom-client|onnxruntime)/

interface Package {
  name: string
  folder: string
  layer: string
  declared: Set<string>
}

interface Manifest {
  name: string
  workspaces?: string[]
  nx?: { tags?: string[] }
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

const read = (file: string): Manifest => JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest

const folders = (read('package.json').workspaces ?? []).flatMap((pattern) =>
  pattern.endsWith('/*') ? readdirSync(join(root, pattern.slice(0, -2))).map((name) => pattern.replace('*', name)) : [pattern],
)

const packages: Package[] = folders
  .filter((folder) => existsSync(join(root, folder, 'package.json')))
  .map((folder) => {
    const manifest = read(`${folder}/package.json`)
    const layer = manifest.nx?.tags?.find((tag) => tag.startsWith('layer:'))?.slice('layer:'.length) ?? ''
    return { name: manifest.name, folder, layer, declared: new Set([...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.devDependencies ?? {})]) }
  })
const byName = new Map(packages.map((p) => [p.name, p]))

/** Every import of a source file, with where it stands. */
function imports({ folder }: Package): { file: string; specifier: string }[] {
  return sources(join(root, folder, 'src')).flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    const statement = /(?:^|\n)(?:import|export)\s[^'";]*?\bfrom\s+['"]([^'"]+)['"]/g
    const others = /(?:^|\n)import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
    const found = [...text.matchAll(statement), ...text.matchAll(others)]
    return found.map((match) => ({ file: file.slice(root.length + 1), specifier: (match[1] ?? match[2]) as string }))
  })
}

function sources(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('/gen'))
    .map((entry) => join(entry.parentPath, entry.name))
}

const packageOf = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
const isTest = (file: string): boolean => /\.(test|conformance)\.ts$|\/testing\//.test(file)

describe('boundaries', () => {
  it('every package has a layer of the table', () => {
    for (const { name, layer } of packages) expect(Object.keys(allowed), name).toContain(layer)
  })

  it.each(packages.map((p) => [p.name, p] as const))('%s imports only what it declares, from layers it may know', (_name, p) => {
    for (const { file, specifier } of imports(p)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const target = byName.get(packageOf(specifier))
      if (target === p) continue
      if (target) expect(allowed[p.layer], `${file} imports ${specifier} (layer ${target.layer})`).toContain(target.layer)
      if (!isTest(file) || target) expect([...p.declared], `${file} imports ${specifier}, which ${p.folder}/package.json does not declare`).toContain(packageOf(specifier))
    }
  })

  it('the domain touches nothing outside itself', () => {
    const domain = packages.filter((p) => p.layer === 'domain').flatMap(imports)
    expect(domain.length).toBeGreaterThan(50)
    for (const { file, specifier } of domain) {
      if (!isTest(file) && !file.endsWith('/node-crypto.ts')) expect(specifier, file).not.toMatch(outside)
    }
  })

  it('services never import each other', () => {
    for (const service of packages.filter((p) => p.layer === 'service')) {
      for (const { file, specifier } of imports(service)) {
        const target = byName.get(packageOf(specifier))
        if (target && target !== service) expect(target.layer, `${file} imports ${specifier}`).not.toBe('service')
      }
    }
  })

  it('manifests and compiler references name the same packages', () => {
    for (const p of packages) {
      const { references = [] } = JSON.parse(readFileSync(join(root, p.folder, 'tsconfig.json'), 'utf8')) as { references?: { path: string }[] }
      const referenced = references.map(({ path }) => packages.find((other) => join(root, other.folder) === join(root, p.folder, path))?.name)
      const workspace = [...p.declared].filter((name) => byName.has(name))
      expect(new Set(referenced), p.name).toEqual(new Set(workspace))
    }
  })
})

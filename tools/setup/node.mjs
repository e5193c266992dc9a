import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fail, must, root } from './shell.mjs'

/** Puts the Node of package.json first on the PATH, through the npm package `node`: before anything else is installed, because npm picks versions by it. */
export async function ensureNode(quiet) {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('the set-up runs on Linux x64; elsewhere use docker compose')
  if (Number(process.versions.node.split('.')[0]) < 20) fail(`Node ${process.versions.node} is too old for the set-up; install Node 20 or newer`)
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const folder = join(root, '.cache', `node-${devDependencies.node}`)
  const bin = join(folder, 'node_modules/node/bin')
  if (!existsSync(join(bin, 'node'))) {
    // A project of its own that allows the script: npm 11.19 takes no --allow-scripts flag for a folder, and older ones ignore the field.
    const project = { private: true, dependencies: { node: devDependencies.node }, allowScripts: { node: true } }
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), JSON.stringify(project))
    await must(`fetching Node ${devDependencies.node}`, 'npm', ['install', '--prefix', folder, '--no-audit', '--no-fund'], { quiet })
  }
  process.env.PATH = [bin, join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  // The package would fetch CUDA libraries from a host that closed networks do not reach; the CPU library is in it.
  process.env.ONNXRUNTIME_NODE_INSTALL = 'skip'
  process.env.NX_DAEMON = 'false'
  process.env.NX_NO_CLOUD = 'true'
}

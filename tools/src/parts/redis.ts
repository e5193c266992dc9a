import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { define, freePort, type Part } from './part.js'

/** redis-server on loopback with append-only persistence and `noeviction`, its data below `folder`. */
export async function redisPart(folder: string): Promise<{ part: Part; url: string }> {
  const port = await freePort()
  const data = join(folder, 'redis')
  await mkdir(data, { recursive: true })
  const binary = ['/usr/bin/redis-server', '/usr/local/bin/redis-server'].find(existsSync) ?? 'redis-server'
  const part = define({
    name: 'redis',
    command: binary,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--save', ''],
    logFile: join(folder, 'logs/redis.log'),
    ready: () => ping(port),
    readyWithinMs: 15_000,
  })
  return { part, url: `redis://127.0.0.1:${port}` }
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('data', (data) => (socket.destroy(), resolve(data.toString().startsWith('+PONG'))))
    socket.once('connect', () => socket.write('PING\r\n'))
    setTimeout(() => (socket.destroy(), resolve(false)), 1_000).unref()
  })
}

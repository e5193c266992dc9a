import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../root.js'
import { define, freePort, type Part } from './part.js'

const run = promisify(execFile)

/** Jars that `tools/setup` fetched. */
export const kafkaLibs = join(root, '.cache/kafka/libs')

export const hasKafka = (): boolean => existsSync(kafkaLibs)

/** A single-node Apache Kafka (KRaft, no ZooKeeper) on loopback with its data below `folder`. */
export async function kafkaPart(folder: string): Promise<{ part: Part; brokers: string }> {
  const [port, controller] = [await freePort(), await freePort()]
  const brokers = `127.0.0.1:${port}`
  const data = join(folder, 'kafka')
  const config = join(folder, 'kafka.properties')
  await mkdir(data, { recursive: true })
  await writeFile(config, properties(brokers, controller, data))
  const java = ['-cp', `${kafkaLibs}/*`]
  if (!existsSync(join(data, 'meta.properties'))) {
    const { stdout } = await run('java', [...java, 'kafka.tools.StorageTool', 'random-uuid'])
    await run('java', [...java, 'kafka.tools.StorageTool', 'format', '--standalone', '-t', stdout.trim(), '-c', config])
  }
  const part = define({
    name: 'kafka',
    command: 'java',
    args: ['-Xms256m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=4', ...java, 'kafka.Kafka', config],
    logFile: join(folder, 'logs/kafka.log'),
    ready: () => answers(port),
    readyWithinMs: 60_000,
  })
  return { part, brokers }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}

const properties = (brokers: string, controller: number, data: string): string =>
  `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controller}
listeners=PLAINTEXT://${brokers},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://${brokers},CONTROLLER://127.0.0.1:${controller}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=16777216
`

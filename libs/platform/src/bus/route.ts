import { getOption, hasOption, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { assert } from '@haca/core'
import { key, retention_hours, topic } from '@haca/proto'

/** Topic of a message, with the pool filled in where the schema asks for one. */
export function topicOf(schema: DescMessage, pool?: string): string {
  assert(hasOption(schema, topic), `${schema.typeName} has a topic`)
  const name = getOption(schema, topic)
  if (!name.includes('{pool}')) return name
  assert(pool && /^[a-z0-9][a-z0-9-]{0,62}$/.test(pool), 'a pool name of lower-case letters, digits and dashes')
  return name.replace('{pool}', pool)
}

/** Pattern that all pools' topics of a schema match, and no dead-letter topic does. */
export function topicPattern(schema: DescMessage): RegExp {
  const name = getOption(schema, topic)
  return new RegExp(`^${name.replaceAll('.', '\\.').replace('{pool}', '[a-z0-9-]+')}$`)
}

/** Pool a message is for, when its schema has one. */
export const poolOf = (message: MessageShape<DescMessage>): string | undefined => (message as { pool?: string }).pool

/** Partition key of a message: the bytes of the field its schema names. */
export function keyOf(schema: DescMessage, message: MessageShape<DescMessage>): Buffer {
  assert(hasOption(schema, key), `${schema.typeName} has a key`)
  const field = schema.fields.find((f) => f.name === getOption(schema, key))
  assert(field, `${schema.typeName} has the field its key names`)
  const value = (message as unknown as Record<string, unknown>)[field.localName]
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value))
}

/** How long a topic keeps its records, in milliseconds. */
export const retentionMs = (schema: DescMessage): number => getOption(schema, retention_hours) * 3_600_000

export const deadLetterTopic = (name: string): string => `${name}.dlq`

import { Hex } from '@haca/core'
import { z } from 'zod'
import { Secret } from './secret.js'

/** What a service may be told by the environment: variable name to zod schema. */
export type Shape = Record<string, z.ZodType>

/** Every problem of an environment at once, one line each, in the words of whoever sets it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly problems: readonly string[]) {
    super(`configuration is incomplete:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  }
}

/** A rule across variables: names what is wrong, or nothing. */
export type Rule<V> = (values: V) => string | undefined

export type Values<S extends Shape> = { [K in keyof S]: z.infer<S[K]> }

/**
 * Reads the variables of `shape` out of an environment into a frozen object and holds them against rules across
 * variables. Empty text counts as absent. Throws `ConfigError`.
 */
export function load<S extends Shape>(shape: S, env: NodeJS.ProcessEnv, rules: readonly Rule<Values<S>>[] = []): Readonly<Values<S>> {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(shape)) {
    const text = env[name] === '' ? undefined : env[name]
    const parsed = schema.safeParse(text)
    if (parsed.success) values[name] = parsed.data
    else problems.push(`${name} ${text === undefined ? 'is required' : 'is wrong'}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}${describe(schema)}`)
  }
  if (problems.length === 0) problems.push(...rules.flatMap((rule) => rule(values as Values<S>) ?? []))
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(values) as Readonly<Values<S>>
}

const describe = (schema: z.ZodType): string => (schema.description ? ` (${schema.description})` : '')

/** Field kinds that configurations share. Limits carry their unit in the variable's name. */
export const kind = {
  text: () => z.string().min(1),
  url: () => z.url(),
  port: () => z.coerce.number().int().min(0).max(65_535),
  count: (least: number, most: number) => z.coerce.number().int().min(least).max(most),
  atomic: () => z.string().regex(/^(0|[1-9][0-9]{0,38})$/, 'a decimal integer in atomic units').transform(BigInt),
  flag: () => z.enum(['true', 'false']).transform((text) => text === 'true'),
  address: () => z.string().refine((text) => Hex.is(text, 20), '20 bytes of 0x-hexadecimal').transform((text) => Hex.checksum(text)),
  addresses: () =>
    z
      .string()
      .transform((text) => text.split(',').map((part) => part.trim()).filter((part) => part !== ''))
      .refine((parts) => parts.length > 0 && parts.every((part) => Hex.is(part, 20)), 'addresses, separated by commas')
      .transform((parts) => parts.map((part) => Hex.checksum(part))),
  privateKey: () => z.string().refine((text) => Hex.is(text, 32), '32 bytes of 0x-hexadecimal').transform((text) => new Secret(text as Hex.Hex)),
  secret: () => z.string().min(1).transform((text) => new Secret(text)),
  list: () =>
    z
      .string()
      .transform((text) => text.split(',').map((part) => part.trim()).filter((part) => part !== ''))
      .refine((parts) => parts.length > 0, 'at least one, separated by commas'),
}

export { z }

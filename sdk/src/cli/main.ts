import { parseArgs } from 'node:util'
import { exit, failure, UsageError, type Output } from './io.js'
import { verbs, type Verb } from './verbs.js'

/** Runs one command line; answers the exit code. */
export async function main(argv: readonly string[], print: (text: string) => void, complain: (text: string) => void): Promise<number> {
  const [name, ...rest] = argv
  if (!name || name === '--help' || name === 'help') {
    print(overview())
    return name ? exit.ok : exit.usage
  }
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb) {
    complain(`haca: there is no verb "${name}"\n\n${overview()}`)
    return exit.usage
  }
  let json = false
  try {
    const { values, positionals } = parse(verb, rest)
    if (values.help) {
      print(help(verb))
      return exit.ok
    }
    json = values.json === true
    return await verb.run({ positionals, options: values }, { json, print } satisfies Output)
  } catch (error) {
    const { code, message } = failure(error)
    if (json) print(JSON.stringify({ error: message, exit: code }))
    else complain(`haca ${name}: ${message}${error instanceof UsageError ? `\n\n${help(verb)}` : ''}`)
    return code
  }
}

function parse(verb: Verb, rest: string[]) {
  const options = Object.fromEntries(Object.entries({ ...verb.options, ...common }).map(([key, { type }]) => [key, { type }]))
  try {
    return parseArgs({ args: rest, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

const common: Verb['options'] = {
  json: { type: 'boolean', help: 'one JSON object instead of text' },
  help: { type: 'boolean', help: 'this text' },
}

const overview = (): string =>
  [
    'haca: inference that a stranger can check',
    '',
    ...Object.values(verbs).map((verb) => `  ${verb.usage}\n      ${verb.summary}`),
    '',
    'Every verb takes --json and --help.',
    `Exit codes: ${Object.entries(exit).map(([name, code]) => `${code} ${name}`).join(', ')}.`,
  ].join('\n')

const help = (verb: Verb): string =>
  [verb.usage, `  ${verb.summary}`, '', ...Object.entries({ ...verb.options, ...common }).map(([name, { help: text }]) => `  --${name.padEnd(15)} ${text}`)].join('\n')

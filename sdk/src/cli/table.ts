import { names, type Claim, type Report } from '../verify/index.js'

/** Columns a terminal has where nobody says otherwise. */
const width = 120
const gutter = 35

/** A report as a person reads it: claim, how it stands, why, and whom that rests on. */
export function table(report: Report, { pinned, chainAsked }: { pinned: boolean; chainAsked: boolean }): string[] {
  return [
    `receipt ${report.requestId}`,
    ...(report.simulated ? ['  SIMULATED: the key that signed is a simulation; no hardware vouches for anything below'] : []),
    ...(pinned ? [] : ['  The deployment was not pinned: addresses are the word of whoever gave the receipt. Use --network.']),
    ...(chainAsked ? [] : ['  The chain was not asked. Use --rpc.']),
    ...report.marks.map((mark) => `  MARK ${mark}`),
    '',
    `  ${'claim'.padEnd(15)} ${'verdict'.padEnd(16)} reason`,
    `  ${'-'.repeat(15)} ${'-'.repeat(16)} ${'-'.repeat(width - gutter)}`,
    ...names.flatMap((name) => rows(name, report.claims[name])),
    '',
    `  ${report.consistent ? 'No claim is refuted. What is unknown stays unknown.' : 'REFUTED: do not rely on this receipt.'}`,
  ]
}

function rows(name: string, { status, reason, trust }: Claim): string[] {
  const lines = [...wrapped(reason), ...(trust === 'nothing' ? [] : wrapped(`rests on: ${trust}`))]
  return lines.map((line, i) => (i === 0 ? `  ${name.padEnd(15)} ${status.padEnd(16)} ${line}` : `${' '.repeat(gutter)}${line}`))
}

/** Broken between words; a word that is longer than a line has one to itself. */
function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width - gutter) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

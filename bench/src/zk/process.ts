import { readFileSync } from 'node:fs'

/** Most bytes a process has had in memory, mapped files included; as the kernel counts. */
export function peakBytes(pid: number): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!found) throw new Error(`process ${pid} has no peak`)
  return Number(found[1]) * 1024
}

/** Clock ticks of a second; what Linux has shown to processes since 2.6. */
const ticks = 100

/** CPU seconds a process has used. */
export function cpuSeconds(pid: number): number {
  // The name, in parentheses, may hold blanks; the numbers come after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticks
}

import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks per second in /proc; fixed for user space on Linux. */
const ticksPerSecond = 100

interface Stat {
  parent: number
  ticks: number
}

/** CPU milliseconds each process has used, with its descendants that are not named themselves, read from Linux' /proc. */
export function cpuMs(pids: ReadonlyMap<string, number>): Map<string, number> {
  const stats = new Map<number, Stat>()
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) ? read(Number(entry)) : undefined
    if (stat) stats.set(Number(entry), stat)
  }
  const named = new Set(pids.values())
  const total = (pid: number): number => [...stats].reduce((sum, [child, { parent }]) => (parent === pid && !named.has(child) ? sum + total(child) : sum), stats.get(pid)?.ticks ?? 0)
  return new Map([...pids].map(([name, pid]) => [name, (total(pid) * 1_000) / ticksPerSecond]))
}

/** Parent, and user and system time, of a process (proc(5), fields 4, 14 and 15); nothing when it has ended. */
function read(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined
  }
}

/** In a server: tells the parent the port, then its CPU time in microseconds whenever it asks; `expect` is told of payments before they come. */
export function answerParent(port: number, expect: (payments: readonly string[]) => void = () => undefined): void {
  process.on('message', (message: { payments?: readonly string[] }) => {
    if (message.payments) expect(message.payments)
    const { user, system } = process.cpuUsage()
    process.send?.({ cpu: user + system })
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ port })
}

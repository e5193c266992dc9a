/** What the bench asks of snarkjs, which has no types of its own. */
declare module 'snarkjs' {
  export const groth16: {
    verify(key: unknown, signals: readonly string[], proof: unknown): Promise<boolean>
  }
}

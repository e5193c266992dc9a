import { defineConfig } from 'vitest/config'

const conditions = ['@haca/source', 'module', 'import', 'node', 'default']

/**
 * Unit tests run from source. Wire tests use the real parts, whose addresses tools/setup puts into the environment;
 * e2e tests drive whole stacks and run one file at a time, because two stacks do not fit two cores.
 */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // kafkajs sleeps for what is already over.
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    projects: [
      {
        extends: true,
        test: { name: 'unit', testTimeout: 60_000, hookTimeout: 60_000, include: ['{libs,services,sdk,tools,proto,bench,contracts}/**/*.test.ts'], exclude: ['**/*.wire.test.ts', '**/*.e2e.test.ts', '**/dist/**', '**/node_modules/**'] },
      },
      {
        extends: true,
        test: { name: 'wire', globalSetup: ['tools/src/vitest-parts.ts'], include: ['{libs,services,sdk,tools,contracts}/**/*.wire.test.ts'], exclude: ['**/dist/**', '**/node_modules/**'], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['e2e/**/*.e2e.test.ts'], exclude: ['**/dist/**', '**/node_modules/**'], testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false },
      },
    ],
  },
})

export { type CeremonyOptions, type Contributor, makeTestPhase1, ownProcess, runCeremony, TEST_POWER_MAX, verifySetup } from './run-ceremony.js'
export { phase1Of } from './files.js'

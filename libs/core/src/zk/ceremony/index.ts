// Phase 2 of a set-up, as far as it is data: the plan, the transcript, and the rules that judge it.
export { PERPETUAL_POWERS_OF_TAU } from './phase1.js'
export { CONTRIBUTORS_MIN, encodeTranscript, type Findings, judge, type Phase1, type Plan, readTranscript, type Rule, type Transcript, type Trust } from './transcript.js'

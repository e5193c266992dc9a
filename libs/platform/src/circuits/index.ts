export { circuitFileKey, circuitKey, Circuits, readCircuitFile, readPublished, type CircuitsOptions } from './circuits.js'
export { keepProof, proofBegun, proofStage, readProof, type ProofStage, type StoredProof } from './proofs.js'

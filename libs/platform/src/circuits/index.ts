export { circuitFileKey, circuitKey, Circuits, readCircuitFile, readPublished, type CircuitsOptions } from './circuits.js'
export { keepProof, readProof, type StoredProof } from './proofs.js'

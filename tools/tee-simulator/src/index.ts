export { defaultMachine, imageMeasurement, readMachine, type Machine } from './machine.js'
export { rootFile } from './hierarchy.js'
export { startSimulator, type Simulator, type SimulatorOptions } from './server.js'

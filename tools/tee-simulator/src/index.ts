export { startSimulator, type Simulator } from './server.js'

// Networks and a key with its secrets, for benches and tests outside this package.
export { leNet5, mlp100k, picture } from './networks.js'
export { ModelBuilder, random } from './model-builder.js'
export { trapdoor } from './trapdoor.js'

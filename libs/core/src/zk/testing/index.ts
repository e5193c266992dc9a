// Networks for benches and tests outside this package.
export { leNet5, mlp100k, picture } from './networks.js'
export { ModelBuilder, random } from './model-builder.js'

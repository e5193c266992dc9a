// What OpenGradient's SDKs check of an answer, so that they can check ours: canonical request, hashes and the signed message. Not a trust of our own:
// the receipt beside it says more.
export * as PythonJson from './python-json.js'
export * from './answer.js'
export * from './triple.js'

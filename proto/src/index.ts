export * from './gen/haca/v1/attestation_pb.js'
// Everything here is generated from ../haca/v1; see buf.gen.yaml.
export * from './gen/haca/v1/event_pb.js'
export * from './gen/haca/v1/inference_pb.js'
export * from './gen/haca/v1/options_pb.js'
export * from './gen/haca/v1/payment_pb.js'
export * from './gen/haca/v1/receipt_pb.js'
export * from './gen/haca/v1/router_pb.js'
export * from './gen/haca/v1/tensor_pb.js'

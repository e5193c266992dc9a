# Every image of HACA: docker build --target gateway -t haca-gateway .
#
#   gateway, router, inference, prover, settler   the five services; what production runs
#   tools                                         deploys contracts, prepares a local chain, is that chain
#   tee-simulator                                 SIMULATED trusted hardware, for development
#   prover-development                            the prover that takes it, for development
#
# There are two builds. `build` holds what the services are made of and nothing else; `build-local` adds the tools and the
# simulator. No service takes anything from the second, so the simulator cannot get into an image that production runs.

ARG BASE=node:24-bookworm-slim
ARG RUST=rust:1.95-slim-bookworm

FROM ${BASE} AS manifests
WORKDIR /src
ENV ONNXRUNTIME_NODE_INSTALL=skip NX_DAEMON=false NX_NO_CLOUD=true
COPY .npmrc package.json package-lock.json ./
COPY proto/package.json proto/
COPY contracts/package.json contracts/
COPY libs/core/package.json libs/core/
COPY libs/platform/package.json libs/platform/

FROM manifests AS build
COPY services/gateway/package.json services/gateway/
COPY services/inference/package.json services/inference/
COPY services/prover/package.json services/prover/
COPY services/router/package.json services/router/
COPY services/settler/package.json services/settler/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund
COPY nx.json tsconfig.base.json ./
COPY proto proto
COPY contracts contracts
COPY libs libs
COPY services services
RUN npm run build
# What runs, without types and tests, and without what takes evidence of no hardware. Source maps stay: a stack trace shall name our lines.
RUN mkdir -p /out/shared \
 && cp -r --parents proto/package.json proto/dist contracts/package.json contracts/dist libs/*/package.json libs/*/dist /out/shared \
 && cp -r --parents services/*/package.json services/*/dist /out \
 && find /out -depth \( -name '*.d.ts' -o -name '*.d.ts.map' -o -name '*.test.js*' -o -name '*.conformance.js*' -o -name .tsbuildinfo -o -name testing -o -path '*/prover/dist/*development*' \) -exec rm -r {} +

# Production dependencies, one tree for each image, from the manifests of what is in it and no other: what is a development
# dependency here may be a production one elsewhere. No install script runs; the packages carry their binaries. The compiler is
# an optional peer of a library that only types need.
FROM manifests AS gateway-modules
COPY services/gateway/package.json services/gateway/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/gateway \
 && rm -rf node_modules/typescript node_modules/@typescript

FROM manifests AS router-modules
COPY services/router/package.json services/router/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/router \
 && rm -rf node_modules/typescript node_modules/@typescript

# onnxruntime-node carries the binaries of every platform: 288 MB, of which one platform needs 46.
FROM manifests AS inference-modules
COPY services/inference/package.json services/inference/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/inference \
 && rm -rf node_modules/typescript node_modules/@typescript \
 && find node_modules/onnxruntime-node/bin/napi-v6 -mindepth 2 -maxdepth 2 ! -path "*/linux/$(node -p process.arch)" -exec rm -r {} + \
 && test -f "node_modules/onnxruntime-node/bin/napi-v6/linux/$(node -p process.arch)/onnxruntime_binding.node"

FROM manifests AS prover-modules
COPY services/prover/package.json services/prover/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/prover \
 && rm -rf node_modules/typescript node_modules/@typescript

# What no JavaScript can do, in Rust: a present libsecp256k1, the ioctl of the Nitro security module, and the proving engine. They link to
# nothing but libc and what comes with the compiler.
FROM ${RUST} AS secp256k1
WORKDIR /secp256k1
COPY libs/platform/secp256k1 ./
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --release --locked && install -D target/release/libhaca_secp256k1.so /out/libhaca_secp256k1.so

FROM ${RUST} AS nsm-bridge
WORKDIR /nsm-bridge
COPY services/inference/nsm-bridge ./
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --release --locked && install -D target/release/nsm-bridge /out/nsm-bridge

FROM ${RUST} AS engine
WORKDIR /engine
COPY services/prover/engine ./
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --release --locked && install -D target/release/haca-prover /out/haca-prover

FROM manifests AS settler-modules
COPY services/settler/package.json services/settler/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/settler \
 && rm -rf node_modules/typescript node_modules/@typescript

# Runs without a shell, as nobody in particular, on a read-only root. Writes to /blobs and to /tmp.
FROM ${BASE} AS runtime
WORKDIR /app
ENV NODE_ENV=production
ENV NODE_OPTIONS="--enable-source-maps --disable-warning=TimeoutNegativeWarning --max-old-space-size-percentage=75"
RUN install -d -o 65532 -g 65532 /blobs /run/tee
COPY --from=build /out/shared ./
COPY --from=secp256k1 /out/libhaca_secp256k1.so libs/platform/secp256k1/target/release/libhaca_secp256k1.so
USER 65532:65532

FROM runtime AS gateway
COPY --from=gateway-modules /src/node_modules node_modules
COPY --from=build /out/services/gateway services/gateway
EXPOSE 8080 9090
ENTRYPOINT ["node", "services/gateway/dist/main.js"]

FROM runtime AS router
COPY --from=router-modules /src/node_modules node_modules
COPY --from=build /out/services/router services/router
EXPOSE 8080 9090
ENTRYPOINT ["node", "services/router/dist/main.js"]

# The models run in a child process, whose memory is not on the heap that is limited here.
FROM runtime AS inference
ENV NODE_OPTIONS="--enable-source-maps --disable-warning=TimeoutNegativeWarning --max-old-space-size-percentage=40"
COPY --from=inference-modules /src/node_modules node_modules
COPY --from=build /out/services/inference services/inference
COPY --from=nsm-bridge /out/nsm-bridge /usr/local/bin/nsm-bridge
COPY models models
EXPOSE 8080
ENTRYPOINT ["node", "services/inference/dist/main.js"]

FROM runtime AS prover
COPY --from=prover-modules /src/node_modules node_modules
COPY --from=build /out/services/prover services/prover
COPY --from=engine /out/haca-prover engine/haca-prover
EXPOSE 8080
ENTRYPOINT ["node", "services/prover/dist/main.js"]

FROM runtime AS settler
COPY --from=settler-modules /src/node_modules node_modules
COPY --from=build /out/services/settler services/settler
EXPOSE 8080
ENTRYPOINT ["node", "services/settler/dist/main.js"]

# From here on nothing is for production, but for the contracts' deploy script in `tools`.

FROM build AS build-local
COPY sdk/package.json sdk/
COPY tools/package.json tools/
COPY tools/tee-simulator/package.json tools/tee-simulator/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund
COPY sdk sdk
COPY tools tools
RUN npm run build
RUN cp -r --parents tools/package.json tools/dist tools/tee-simulator/package.json tools/tee-simulator/dist /out

FROM manifests AS tools-modules
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/platform --workspace @haca/contracts \
 && rm -rf node_modules/typescript node_modules/@typescript

FROM runtime AS tools
USER 0:0
RUN install -d -o 65532 -g 65532 /chain
USER 65532:65532
COPY --from=build /src/node_modules/@foundry-rs/anvil-linux-*/bin/anvil /usr/local/bin/anvil
COPY --from=tools-modules /src/node_modules node_modules
COPY --from=build-local /out/tools/package.json tools/
COPY --from=build-local /out/tools/dist tools/dist
COPY nx.json ./
COPY models models
ENTRYPOINT ["node"]
CMD ["tools/dist/commands/bootstrap.js"]

FROM prover AS prover-development
COPY --from=build /src/services/prover/dist services/prover/dist
ENTRYPOINT ["node", "services/prover/dist/main.development.js"]

FROM manifests AS tee-simulator-modules
COPY tools/tee-simulator/package.json tools/tee-simulator/
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev --ignore-scripts --workspace @haca/tee-simulator

FROM runtime AS tee-simulator
COPY --from=tee-simulator-modules /src/node_modules node_modules
COPY --from=build /src/libs/core/dist/tee/testing libs/core/dist/tee/testing
COPY --from=build-local /out/tools/tee-simulator tools/tee-simulator
ENTRYPOINT ["node", "tools/tee-simulator/dist/main.js"]

# One image for every process of the platform; which one it becomes is its argument:
#   docker run … rejuve-platform services/api/main.ts        (tools/image/roles.ts lists all)
# Both bases are arguments: any image with Node 24 on its PATH will do. See docs/cluster.md.
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

# Production packages, without what only people read. The secrets are for registries that ask who you are, and for
# networks whose proxy signs with a certificate authority of its own; without them nothing changes.
FROM ${BUILD_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca.crt npm ci --omit=dev --ignore-scripts --no-audit --no-fund --cache /tmp/npm
COPY tools/image/prune.ts tools/image/sbom.ts tools/image/
RUN node tools/image/sbom.ts package-lock.json sbom.cdx.json && node tools/image/prune.ts node_modules

# Nothing runs in this stage, so it may be as bare as one likes: no shell, no package manager, no root.
FROM ${BASE_IMAGE}
WORKDIR /app
COPY --from=packages /app/sbom.cdx.json ./
COPY --from=packages /app/node_modules ./node_modules
# .dockerignore lets in what the processes read, and nothing else.
COPY . .
# Distroless keeps Node where no PATH leads.
ENV PATH=/nodejs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production \
    NODE_OPTIONS=--disable-warning=ExperimentalWarning \
    HOST=0.0.0.0
ARG REVISION=unknown
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="rejuve-platform" \
      org.opencontainers.image.description="Gateway, API, user service and controller of the Rejuve platform" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
USER 65532:65532
STOPSIGNAL SIGTERM
# For docker and podman; Kubernetes asks by itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["node", "tools/image/healthcheck.ts"]
ENTRYPOINT ["node"]
CMD ["tools/image/roles.ts"]

# The image of an app: `docker build -t capsule .` serves examples/jobs-demo; docs/deployment.md says how to serve your own.
# The version is that of the `node` package that a clone runs on; a test holds the two together.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: the image brings its own Node, and what is built comes below.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY vite.config.ts tsconfig.base.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY web-components web-components
COPY src src
RUN npm run build

FROM node:${NODE_VERSION}-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM node:${NODE_VERSION}-bookworm-slim
LABEL org.opencontainers.image.title="capsule-actors" \
      org.opencontainers.image.description="An app with a chat, background tasks and schedules over one event log" \
      org.opencontainers.image.licenses="Apache-2.0"
# Empty volumes take over whose these are.
RUN mkdir /data /auth && chown node:node /data /auth
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY template template
COPY examples/jobs-demo examples/jobs-demo
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 CAPSULE_DATA=/data
USER node
VOLUME ["/data"]
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/bin.js"]
CMD ["serve", "examples/jobs-demo/app.ts"]

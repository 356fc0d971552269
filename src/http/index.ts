/** The HTTP door of a running app. The only door into this folder; what crosses the wire is in wire.ts. */
export { assertLoopback } from './access.ts'
export { auditEvent, retirement, toRetirement, toVerdict, verdict } from './audit.ts'
export { type ApiKey, makeKey, readKeys } from './keys.ts'
export { type ReadModelWire, readModel, toReadModel } from './read-models.ts'
export { createServer, type Server, type ServerLimits, type ServerOptions } from './server.ts'

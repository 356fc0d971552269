/** The door of the client: how elements reach a server. Framework-free but for the two Lit controllers. */
export { baseOf, connect, disconnect, signIn } from './connect.ts'
export { BACKOFF, Connection, type ConnectionState, comparePositions, newId, SILENCE } from './connection.ts'
export { LiveResource } from './live-resource.ts'
export { LiveTopic } from './live-topic.ts'
export { ProblemError } from './problem.ts'

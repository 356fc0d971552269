/** The door of the client: how elements reach a server. Framework-free but for the two Lit controllers. */
export { baseOf, connect, disconnect, signIn } from './connect.ts'
export {
  BACKOFF,
  Connection,
  type ConnectionState,
  type ConnectionStatus,
  comparePositions,
  newId,
  SILENCE,
  type Subscription,
  type Surroundings,
  type TokenSource,
} from './connection.ts'
export { LiveResource, type LiveResourceOptions } from './live-resource.ts'
export { LiveConnection, LiveTopic, type LiveTopicOptions } from './live-topic.ts'
export { localProblem, ProblemError } from './problem.ts'

/**
 * What a handler in its own process may ask of the app that runs it: the attempt's own calls, its session's, and those of
 * tasks. One contract for both sides; everything in it crosses as a structured clone.
 */
import type { JsonObject, JsonValue } from '../../events/index.ts'
import type { WiredError } from '../../execution/index.ts'
import type { JobStatus, JobView } from '../../projections/index.ts'
import type { Duration } from '../duration.ts'
import type { Said } from '../session.ts'
import type { FindOptions, ScheduleOptions, TaskFilter } from '../task.ts'

interface WithId {
  readonly id?: string
}

/** A task is submitted in the attempt's own session, or in none. */
export type RemoteSubmitOptions = Omit<ScheduleOptions, 'session'> & { readonly inSession: boolean }

export type RemoteCalls = {
  progress(fraction: number | undefined, message: string | undefined): Promise<void>
  heartbeat(): Promise<void>
  log(message: string, data: JsonValue | undefined): Promise<void>

  reply(text: string, options: WithId | undefined): Promise<void>
  notify(text: string, options: WithId | undefined): Promise<void>
  show(block: JsonObject, options: WithId | undefined): Promise<void>
  showTask(taskId: string, options: { readonly message?: string; readonly id?: string } | undefined): Promise<void>
  showImage(url: string, options: { readonly alt?: string; readonly id?: string } | undefined): Promise<void>
  setTitle(title: string): Promise<void>
  history(options: { readonly limit?: number } | undefined): Promise<readonly Said[]>
  /** `writer` is a number that the handler's side gives to each of its streamed replies. */
  openReply(writer: number, options: WithId | undefined): Promise<void>
  writeReply(writer: number, text: string): Promise<void>
  endReply(writer: number): Promise<void>
  /** Its block was left, with or without an error. */
  leaveReply(writer: number): Promise<void>
  getData(key: string): Promise<JsonValue | undefined>
  setData(key: string, value: JsonValue): Promise<void>
  deleteData(key: string): Promise<void>
  allData(): Promise<JsonObject>

  submitTask(
    name: string,
    input: JsonObject,
    options: RemoteSubmitOptions,
  ): Promise<{ readonly taskId: string; readonly joined: boolean }>
  submitTasks(
    name: string,
    inputs: readonly JsonObject[],
    options: RemoteSubmitOptions,
    keys: readonly string[] | undefined,
  ): Promise<readonly ({ readonly taskId: string; readonly joined: boolean } | { readonly refused: WiredError })[]>
  findTasks(name: string, options: FindOptions): Promise<readonly JobView[]>
  countTasks(name: string, filter: TaskFilter): Promise<number>
  cancelTasks(name: string, filter: TaskFilter): Promise<number>
  statusOf(name: string, taskId: string): Promise<JobStatus>
  jobOf(name: string, taskId: string): Promise<JobView>
  resultOf(name: string, taskId: string, options: { readonly timeout?: Duration } | undefined): Promise<unknown>
  cancelTask(name: string, taskId: string, reason: string | undefined): Promise<void>
  refreshTask(name: string, taskId: string): Promise<void>
}

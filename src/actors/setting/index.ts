/** The setting actor: configuration that people change while the app runs. */
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue, SettingFact } from '../../events/index.ts'
import { type ActorKind, type Decision, nothing, type State } from '../kind.ts'
import { evolveSetting, type SettingContext, settingMachine } from './machine.ts'

export type { SettingContext } from './machine.ts'

export interface SettingCommand {
  readonly type: 'set'
  readonly key: string
  readonly value: JsonValue
}

function decideSetting({ key, value }: SettingCommand, { context }: State<SettingContext>): Decision<SettingFact> {
  return isDeepStrictEqual(context.values[key], value)
    ? nothing
    : { facts: [{ type: 'SettingSet', data: { key, value } }] }
}

export const settingKind: ActorKind<SettingCommand, SettingContext> = {
  kind: 'setting',
  version: 1,
  machine: settingMachine,
  evolve: evolveSetting,
  decide: decideSetting,
  leadsTo: ({ key, value }, { data }) => isDeepStrictEqual(data, { key, value }),
}

/** The scope of what operators set for one task. */
export function taskScope(task: string): string {
  return `task:${task}`
}

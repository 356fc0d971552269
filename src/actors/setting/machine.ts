/** The setting machine: keys and values of one scope. */
import { assign, setup } from 'xstate'
import type { JsonObject, SettingFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

export interface SettingContext extends Applied {
  readonly values: JsonObject
}

export function evolveSetting(context: SettingContext, fact: Recorded<SettingFact>): SettingContext {
  const { key, value } = fact.data
  return { values: { ...context.values, [key]: value }, ...applied(context, fact) }
}

export const settingMachine = setup({
  types: { context: {} as SettingContext, events: {} as Recorded<SettingFact> },
  actions: { apply: assign(({ context, event }) => evolveSetting(context, event)) },
}).createMachine({
  id: 'setting',
  context: { ...NOTHING_APPLIED, values: {} },
  initial: 'set',
  states: { set: { on: { SettingSet: { actions: 'apply' } } } },
})

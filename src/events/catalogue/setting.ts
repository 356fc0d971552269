/** Events of `setting-<scope>`: configuration that people change while the app runs. */
import { z } from 'zod'
import { event, type FactOf, id, json } from './define.ts'

export const settingEvents = {
  SettingSet: event(() => z.object({ key: id, value: json })),
}
export type SettingFact = FactOf<typeof settingEvents>

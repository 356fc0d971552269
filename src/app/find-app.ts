/** Which of a module's exports is the app. */
import { App } from './app.ts'

/** The export `app`, else the default one, else any app; of this name, if one is given. */
export function findApp(exported: Readonly<Record<string, unknown>>, name?: string): App | undefined {
  return [exported.app, exported.default, ...Object.values(exported)].find(
    (value): value is App => value instanceof App && (name === undefined || value.name === name),
  )
}

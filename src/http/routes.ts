/** All routes of the API, and which methods there are at a path. */
import { auditRoutes } from './audit.ts'
import { boardRoutes } from './board.ts'
import { jobRoutes } from './jobs.ts'
import { lockRoutes } from './locks.ts'
import { metricsRoutes } from './metrics.ts'
import { pageRoutes } from './pages.ts'
import { readModelRoutes } from './read-models.ts'
import type { Route } from './route.ts'
import { scheduleRoutes } from './schedules.ts'
import { sessionRoutes } from './sessions.ts'
import { signInRoutes } from './sign-in.ts'
import { systemRoutes } from './system.ts'
import { taskRoutes } from './tasks.ts'

export const ROUTES: readonly Route[] = [
  ...taskRoutes,
  ...jobRoutes,
  ...boardRoutes,
  ...sessionRoutes,
  ...scheduleRoutes,
  ...lockRoutes,
  ...pageRoutes,
  ...systemRoutes,
  ...readModelRoutes,
  ...metricsRoutes,
  ...auditRoutes,
  ...signInRoutes,
]

let patterns: readonly { readonly method: string; readonly pattern: RegExp }[] | undefined

/** The methods that some route takes at a path. Only asked for paths that no route answers. */
export function methodsOf(path: string): string[] {
  patterns ??= ROUTES.map((route) => ({
    method: route.method,
    pattern: new RegExp(`^${route.path.replaceAll('$', '\\$').replaceAll(/:\w+/g, '[^/]+')}$`),
  }))
  return patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
}

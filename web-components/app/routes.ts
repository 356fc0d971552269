/** The shell's URLs and what they mean. Pure, so that every address is tested. */

export type Route =
  /** The start: whatever the app has first. */
  | { kind: 'start' }
  /** `session` null: a new conversation. */
  | { kind: 'chat'; session: string | null }
  | { kind: 'page'; slug: string }
  | { kind: 'schedules' }
  | { kind: 'unknown'; path: string }

/** What `path` (from the shell's base on) shows. */
export function routeOf(path: string): Route {
  const [first, second, ...more] = path.split('/').filter((part) => part !== '')
  if (first === undefined) return { kind: 'start' }
  const name = second === undefined ? undefined : decoded(second)
  if (more.length === 0 && name !== null) {
    if (first === 'chat') return { kind: 'chat', session: name ?? null }
    if (first === 'pages' && name !== undefined) return { kind: 'page', slug: name }
    if (first === 'schedules' && name === undefined) return { kind: 'schedules' }
  }
  return { kind: 'unknown', path }
}

/** The path of a route, from the shell's base on. */
export function pathOf(route: Route): string {
  switch (route.kind) {
    case 'start':
      return '/'
    case 'chat':
      return route.session === null ? '/chat' : `/chat/${encodeURIComponent(route.session)}`
    case 'page':
      return `/pages/${encodeURIComponent(route.slug)}`
    case 'schedules':
      return '/schedules'
    case 'unknown':
      return route.path
  }
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

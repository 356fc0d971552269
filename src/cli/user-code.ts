/** Which line of the app's own code an error comes from. */
import { CODE_ROOT } from '../events/index.ts'

/** The innermost place in the user's own code: not in this package, a dependency or Node. */
export function placeIn(stack: string): string | undefined {
  const places = [...stack.matchAll(/(?:file:\/\/|(?<=[\s(])|^)((?:\/|[A-Z]:\\)[^\s()]+?:\d+(?::\d+)?)(?=[\s)]|$)/gm)]
  return places
    .map(([, place = '']) => place)
    .find((place) => !place.startsWith(CODE_ROOT) && !place.includes('node_modules'))
}

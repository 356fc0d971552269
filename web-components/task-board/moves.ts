/**
 * A card that went elsewhere is seen going there, once and straight: the "first, last, invert, play" technique of
 * Paul Lewis. Between columns a copy flies over them, for a column clips what it holds. Where much moves at once
 * nothing does: motion explains one change, and hides a hundred.
 */
const MOST = 12

export interface Place {
  rect: DOMRect
  column: string
}

type Places = Map<string, Place>

/** Where the drawn cards are now. Reads layout: call before anything is changed. */
export function places(root: ParentNode): Places {
  const found: Places = new Map()
  for (const list of root.querySelectorAll<HTMLElement>('[data-column]')) {
    const frame = list.getBoundingClientRect()
    for (const card of list.querySelectorAll<HTMLElement>('[data-id]')) {
      const rect = card.getBoundingClientRect()
      const inside = rect.bottom > frame.top && rect.top < frame.bottom && rect.width > 0
      if (inside && card.dataset.id) found.set(card.dataset.id, { rect, column: list.dataset.column ?? '' })
    }
  }
  return found
}

/** Plays the way from `before` to where the cards of `root` are now, on `stage`, which lies over them. */
export function play(root: HTMLElement, stage: HTMLElement, before: Places): void {
  const { duration, easing } = timing(root)
  if (duration === 0 || before.size === 0) return
  const after = places(root)
  const moved = [...after].filter(([id, place]) => {
    const from = before.get(id)
    return !from || from.column !== place.column || Math.abs(from.rect.top - place.rect.top) > 1
  })
  const arrived = moved.filter(([id, place]) => before.get(id)?.column !== place.column)
  if (arrived.length === 0 || arrived.length > MOST) return
  for (const [id, { rect, column }] of moved) {
    const card = root.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)
    const from = before.get(id)
    if (!card) continue
    if (!from) card.animate([{ opacity: 0 }, { opacity: 1 }], { duration, easing })
    else if (from.column === column) {
      card.animate([{ transform: `translateY(${from.rect.top - rect.top}px)` }, { transform: 'none' }], {
        duration,
        easing,
      })
    } else fly(card, stage, from.rect, rect, { duration, easing })
  }
}

function fly(
  card: HTMLElement,
  stage: HTMLElement,
  from: DOMRect,
  to: DOMRect,
  options: KeyframeAnimationOptions,
): void {
  const copy = card.cloneNode(true)
  if (!(copy instanceof HTMLElement)) return
  // It is a picture: no id, no role, nothing to land on.
  for (const name of ['data-id', 'role', 'aria-posinset', 'aria-setsize']) copy.removeAttribute(name)
  copy.inert = true
  const origin = stage.getBoundingClientRect()
  Object.assign(copy.style, { position: 'absolute', width: `${to.width}px`, margin: '0', top: '0', left: '0' })
  stage.append(copy)
  const at = (rect: DOMRect) => ({ transform: `translate(${rect.left - origin.left}px, ${rect.top - origin.top}px)` })
  const flight = copy.animate([at(from), at(to)], options)
  card.animate([{ opacity: 0 }, { opacity: 0 }], options)
  const land = () => copy.remove()
  flight.finished.then(land, land)
}

function timing(root: HTMLElement): { duration: number; easing: string } {
  const style = getComputedStyle(root)
  const duration = Number.parseFloat(style.getPropertyValue('--capsule-base'))
  return {
    duration: matchMedia('(prefers-reduced-motion: reduce)').matches || Number.isNaN(duration) ? 0 : duration,
    easing: style.getPropertyValue('--capsule-ease').trim() || 'ease-out',
  }
}

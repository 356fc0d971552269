/** A place with nothing in it, said in words: as wide as one reads, in the middle of the room there is. */
import { css } from 'lit'

export const blank = css`
  .blank {
    flex: 1; min-height: 0; overflow: auto; display: flex; flex-direction: column; justify-content: safe center; gap: 8px;
    width: 100%; max-width: 528px; margin: 0 auto; padding: 24px;
  }
  .blank :is(h2, h3) {
    font-size: var(--capsule-text-xl); line-height: var(--capsule-line-xl); font-weight: var(--capsule-weight-strong);
    letter-spacing: -0.02em; overflow-wrap: anywhere;
  }
  .blank p { font-size: var(--capsule-text-m); line-height: var(--capsule-line-m); color: var(--capsule-muted); }
  .blank .late { text-align: center; }
  .blank > .button { align-self: flex-start; }
`

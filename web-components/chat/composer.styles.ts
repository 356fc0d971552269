/** How the box looks that one writes in: it grows with the text, and shows the focus of the field within. */
import { css } from 'lit'

export const styles = css`
  :host,
  .box {
    display: flex;
    flex-direction: column;
    min-height: 0;
  }
  .box {
    border: 1px solid var(--capsule-border-field);
    border-radius: var(--capsule-radius-l);
    background: var(--capsule-raised);
    box-shadow: var(--capsule-shadow-card);
    padding: 10px 10px 8px 14px;
    cursor: text;
  }
  .box:focus-within {
    border-color: var(--capsule-accent);
    box-shadow: inset 0 0 0 1px var(--capsule-accent);
  }
  textarea {
    display: block;
    box-sizing: border-box;
    width: 100%;
    margin: 0;
    padding: 0;
    border: 0;
    outline: 0;
    resize: none;
    background: none;
    color: var(--capsule-text);
    font: inherit;
    font-size: var(--capsule-text-m);
    line-height: var(--capsule-line-m);
    field-sizing: content;
    min-height: var(--capsule-line-m);
    max-height: min(8 * var(--capsule-line-m), 30vh);
    overflow-y: auto;
    overflow-wrap: anywhere;
    unicode-bidi: plaintext;
    scrollbar-width: thin;
  }
  /* The box itself shows the focus. */
  textarea:focus-visible {
    outline: none;
  }
  textarea::placeholder {
    color: var(--capsule-muted);
    opacity: 1;
  }
  .tools {
    display: flex;
    flex: none;
    align-items: center;
    gap: 6px;
    margin-top: 8px;
    min-height: 32px;
  }
  .hint {
    flex: 1;
    min-width: 0;
    color: var(--capsule-muted);
    font-size: var(--capsule-text-xs);
    line-height: var(--capsule-line-xs);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  @container chat (max-width: 480px) {
    .keys {
      display: none;
    }
    /* Two lines are as high as the buttons beside it. */
    .hint {
      white-space: normal;
    }
    textarea {
      font-size: max(1rem, var(--capsule-text-m));
    }
  }
  @media (pointer: coarse) {
    .tools button {
      min-height: 40px;
      min-width: 40px;
    }
  }
  @media (forced-colors: active) {
    .box {
      border-color: ButtonBorder;
    }
  }
`

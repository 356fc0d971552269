/** What every element looks like before its own sheet: a reset that no page's CSS can undo, and controls drawn alike. */
import { css } from 'lit'

// What inherits is set with !important: an outer `* { … }` rule matches the host and would reach into it otherwise.
export const reset = css`
  :host {
    display: block;
    box-sizing: border-box;
    color: var(--capsule-text) !important;
    font: var(--capsule-weight) var(--capsule-text-s) / var(--capsule-line-s) var(--capsule-font) !important;
    font-variant: normal !important;
    font-feature-settings: normal !important;
    letter-spacing: normal !important;
    word-spacing: normal !important;
    text-align: start !important;
    text-indent: 0 !important;
    text-transform: none !important;
    text-shadow: none !important;
    white-space: normal !important;
    overflow-wrap: normal !important;
    word-break: normal !important;
    hyphens: manual !important;
    list-style: none !important;
    cursor: auto !important;
    border-collapse: separate !important;
    -webkit-font-smoothing: antialiased;
    -webkit-text-size-adjust: 100%;
    -webkit-tap-highlight-color: transparent;
  }
  :host([hidden]) { display: none !important; }
  *, *::before, *::after { box-sizing: border-box; }
  h1, h2, h3, h4, p, ul, ol, dl, dd, pre, figure { margin: 0; padding: 0; font-size: inherit; line-height: inherit; }
  h1, h2, h3, h4 { font-weight: var(--capsule-weight-strong); }
  ul, ol { list-style: none; }
  button, input, textarea, select { font: inherit; color: inherit; letter-spacing: inherit; margin: 0; }
  button { cursor: pointer; background: none; border: 0; padding: 0; text-align: inherit; }
  a { color: var(--capsule-accent); text-underline-offset: 2px; }
  [hidden] { display: none !important; }
  :focus { outline: none; }
  :focus-visible { outline: 2px solid var(--capsule-focus); outline-offset: 2px; }
`

export const controls = css`
  .icon {
    width: 16px; height: 16px; flex: none; display: block;
    fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round;
  }
  .icon.s { width: 14px; height: 14px; stroke-width: 2; }
  .icon.l { width: 20px; height: 20px; stroke-width: 1.6; }
  .icon.points:dir(rtl) { transform: scaleX(-1); }
  /* Names, numbers and units keep their own order in a page that reads from right to left. */
  .num, .num > :is(span, div), .mono, .truncate, .why, .refused > span, dd, time {
    unicode-bidi: plaintext;
    /* Chromium knows it by the first name only. */
    text-align: -webkit-match-parent; text-align: match-parent;
  }
  .num, time { font-variant-numeric: tabular-nums; }
  .mono { font-family: var(--capsule-font-mono); font-size: 0.75rem; letter-spacing: -0.01em; }
  .muted { color: var(--capsule-muted); }
  .xs { font-size: var(--capsule-text-xs); line-height: var(--capsule-line-xs); }
  .medium { font-weight: var(--capsule-weight-medium); }
  .row { display: flex; align-items: center; gap: var(--capsule-space-2); }
  .grow { flex: 1; min-width: 0; }
  .truncate { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
  .sr { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }

  [data-status="pending"] { --status: var(--capsule-status-pending); --tint: var(--capsule-status-pending-tint); }
  [data-status="scheduled"] { --status: var(--capsule-status-scheduled); --tint: var(--capsule-status-scheduled-tint); }
  [data-status="running"] { --status: var(--capsule-status-running); --tint: var(--capsule-status-running-tint); }
  [data-status="retry"] { --status: var(--capsule-status-retry); --tint: var(--capsule-status-retry-tint); }
  [data-status="completed"] { --status: var(--capsule-status-completed); --tint: var(--capsule-status-completed-tint); }
  [data-status="failed"] { --status: var(--capsule-status-failed); --tint: var(--capsule-status-failed-tint); }
  [data-status="cancelled"] { --status: var(--capsule-status-cancelled); --tint: var(--capsule-status-cancelled-tint); }
  [data-status="timeout"] { --status: var(--capsule-status-timeout); --tint: var(--capsule-status-timeout-tint); }
  .status-icon { color: var(--status); display: inline-flex; flex: none; }
  .status-word { color: var(--status); font-weight: var(--capsule-weight-medium); }
  .badge {
    display: inline-flex; align-items: center; gap: 6px; height: 24px; padding: 0 9px 0 7px; white-space: nowrap;
    border-radius: var(--capsule-radius-full); background: var(--tint); color: var(--status);
    font-weight: var(--capsule-weight-medium);
  }
  /* That something is on its way is not worth reading when it is here in a moment. */
  .late { animation: late 400ms step-end; }
  @keyframes late { 0% { opacity: 0; } }
  @keyframes turn { to { transform: rotate(1turn); } }
  [data-status="running"] .arc, .busy .arc { transform-origin: 12px 12px; animation: turn 1.6s linear infinite; }

  .button {
    display: inline-flex; align-items: center; justify-content: center; gap: 6px; height: 32px; padding: 0 12px;
    border-radius: var(--capsule-radius-m); border: 1px solid var(--capsule-border); background: var(--capsule-raised);
    color: var(--capsule-text); font-weight: var(--capsule-weight-medium); white-space: nowrap; text-decoration: none;
    transition: background var(--capsule-fast);
  }
  .button:hover { background: var(--capsule-hover); }
  .button.small { height: 28px; padding: 0 10px; }
  .button.primary {
    background: var(--capsule-accent); border-color: var(--capsule-accent); color: var(--capsule-on-accent);
  }
  .button.primary:hover { background: var(--capsule-accent-hover); }
  .button.ghost { border-color: transparent; background: none; color: var(--capsule-muted); }
  .button.ghost:hover { background: var(--capsule-hover); color: var(--capsule-text); }
  .button.square { width: 32px; padding: 0; }
  .button.small.square { width: 28px; }
  .button[aria-disabled="true"] {
    color: var(--capsule-muted); border-style: dashed; border-color: var(--capsule-border-strong); background: none;
    cursor: not-allowed;
  }
  .field {
    display: flex; align-items: center; gap: 8px; height: 32px; padding: 0 10px; border-radius: var(--capsule-radius-m);
    border: 1px solid var(--capsule-border); background: var(--capsule-sunken); color: var(--capsule-muted);
  }
  .field:hover { border-color: var(--capsule-border-strong); }
  .field:focus-within { border-color: var(--capsule-accent); background: var(--capsule-raised); }
  .field input {
    border: 0; background: none; outline: 0; width: 100%; min-width: 0; padding: 0; color: var(--capsule-text);
  }
  .field input::placeholder { color: var(--capsule-muted); opacity: 1; }
  .field input::-webkit-search-cancel-button { display: none; }
  .field:focus-within .kbd, input:not(:placeholder-shown) + .kbd { display: none; }
  .kbd {
    font: var(--capsule-text-xs) / 16px var(--capsule-font-mono); border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-s); padding: 0 5px; color: var(--capsule-muted);
    background: var(--capsule-surface);
  }
  .connection {
    display: inline-flex; align-items: center; gap: 7px; color: var(--capsule-muted); white-space: nowrap;
    font-size: var(--capsule-text-xs); line-height: var(--capsule-line-xs);
  }
  .connection i { width: 7px; height: 7px; border-radius: 50%; background: var(--capsule-text); }
  .connection:not([data-state="live"]) i { background: none; border: 1.5px solid var(--capsule-muted); }
  .bar { height: 4px; border-radius: 2px; background: var(--capsule-hover); overflow: hidden; }
  .bar b {
    display: block; height: 100%; border-radius: 2px; background: var(--status);
    transform-origin: left; transform: scaleX(var(--done, 0)); transition: transform var(--capsule-base) var(--capsule-ease);
  }
  .bar:dir(rtl) b { transform-origin: right; }

  @media (prefers-reduced-motion: reduce) {
    [data-status="running"] .arc, .busy .arc { animation: none; }
  }
  @media (forced-colors: active) {
    .bar { border: 1px solid CanvasText; }
    .bar b, .connection i { forced-color-adjust: none; background: CanvasText; }
    .badge { border: 1px solid CanvasText; }
  }
`
